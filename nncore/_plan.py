"""From a graph of layers to a plan of the engine.

Layers, losses, metrics and optimizers *emit* into a Builder: forward steps at once, backward steps as functions
that the builder calls in reverse order, and for each weight the kernels that compute its gradient. The builder
then lays all of it out in phases:

    0  opening of a call: mirrors of the weights (transposed copies that the backward pass reads)
    1  rows: forward, loss and the gradient towards the inputs, depth-first in blocks of rows
    2  parameters: each tile of a weight's gradient, its update, its mirrors; and the sums of losses and metrics

A plan for forward and backward in two calls has the backward rows in a phase of their own. A layer that mixes rows
cuts the rows' phase in two, with jobs over columns between them. An update that needs whole gradients, or whole
weights, goes on in further phases.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nncore import _engine
from nncore._weight import matrix_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nncore._engine import Buffer, Plan
    from nncore._typing import Array, Dtype
    from nncore._weight import Weight

# Sizes below follow from caches, not from any model. Rows of a block: as many as make it pay to bring a weight from the
# third-level cache, with activations of a usual layer still in the second. Elements of a gradient's tile: with its
# operands about as large as a first-level cache.
BLOCK_ROWS = 128
TILE_ELEMENTS = 6144
TILE_COLUMNS = 64
# Where inputs' rows are this far apart and a minibatch has so many, a tile works from a copy of them, which pays for
# more columns.
FAR_ROW_BYTES = 3072
MANY_ROWS = 192
# A row of this length, and its multiples, walks through few sets of a first-level cache; panels of a packed copy do
# not. Packing pays from so many elements of a weight and rows of a minibatch.
MIRRORED_ROW_BYTES = 1536
PANELLED_ELEMENTS = 8192
MIRRORING_ROWS = 32
# Weights of so many elements have left the second-level cache since their last update, with the optimizer's state: a
# tile of both is asked for before its gradient is computed.
PREFETCHED_ELEMENTS = 65536
# A small weight of a large minibatch has too few tiles to share among threads, and by the time that they are computed
# the rows have left the cache. From so many rows on, the gradients of weights of so few elements are computed with the
# rows, a part for each BLOCK_ROWS of them, and the parts are added in order. All three numbers show in the last bits.
PARTED_ROWS = 1024
PARTED_ELEMENTS = 16384
# Images are larger than rows of features: blocks of so many go through convolutions, and parts of their weights'
# gradients are of as many, or of more where the weight is large. These numbers show in the last bits, too.
IMAGE_ROWS = 8
# So do sequences through the forward pass of a cell, whose gates stay in the second-level cache from the products with
# the inputs on, where the cell's own weight, of at most so many elements, stays there too: each block reads all of it
# at each position. In the backward pass its rows are longer than a first-level cache, and few samples do not pay.
CACHED_CELL_ELEMENTS = 65536
LARGE_KERNEL_ELEMENTS = 262144
LARGE_KERNEL_ROWS = 32
# Floating-point operations in a minibatch below which a second thread is not even tried: about what one thread does
# while two of them meet twice.
FLOPS_PER_THREAD = 150_000


# The kernel that is a gradient and its update in one, for the rows in use alone, and the rows of its blocks.
_ROW_UPDATES = {("embedding_gradient", "sgd"): "embedding_sgd"}
ROW_UPDATE_PLACES = 64

# The kernel that computes one part of what a gradient's kernel does.
_PARTS = {"matmul_gradient": "matmul_gradient_part", "column_sum": "column_sum_part"}
# Rows of the blocks of a phase with these kernels in it; the others go along with those before them.
_GATES = {"simple_rnn": 1, "lstm": 4, "gru": 3, "gru_reset_before": 3}
_BLOCK_ROWS = {"matmul": BLOCK_ROWS, "matmul_pairs": BLOCK_ROWS, **{f"{cell}_backward": BLOCK_ROWS for cell in _GATES},
               "window_product": IMAGE_ROWS, "window_scatter": IMAGE_ROWS}  # fmt: skip


def _block_rows(kernel: Any, arguments: Any, per_row: int) -> int | None:
    """The rows of the blocks that a step wants; None for any number."""
    cell, _, way = kernel.rpartition("_")
    if way == "forward" and cell in _GATES:
        return IMAGE_ROWS if _GATES[cell] * arguments["units"] ** 2 <= CACHED_CELL_ELEMENTS else BLOCK_ROWS
    wanted = _BLOCK_ROWS.get(kernel)
    return IMAGE_ROWS if wanted and per_row > 1 else wanted


class Tiles(NamedTuple):
    """How a matrix is cut into the blocks of a job."""

    rows: int
    columns: int
    block_rows: int
    block_columns: int

    @classmethod
    def of(cls, rows: int, columns: int, double: bool = False) -> Tiles:
        """Tiles for gradients and updates; twice as wide if `double`."""
        times = 2 if double else 1
        elements, block_columns = TILE_ELEMENTS * times, min(columns, TILE_COLUMNS * times)
        block_rows = min(rows, elements // block_columns // 16 * 16)
        if rows * block_columns <= elements * 4 // 3:  # rather one tile a little larger than two
            block_rows = rows
        return cls(rows, columns, block_rows, block_columns)

    @property
    def across(self) -> int:
        """Blocks beside each other."""
        return -(-self.columns // self.block_columns)

    @property
    def count(self) -> int:  # type: ignore[override]
        """Blocks in all."""
        return -(-self.rows // self.block_rows) * self.across

    @property
    def numbering(self) -> dict[str, int]:
        """What a kernel with a result for each block needs to know: its arguments."""
        return {"block_rows": self.block_rows, "block_columns": self.block_columns, "across": self.across}


class Job(NamedTuple):
    """Steps over the blocks of a matrix, in a phase with others of its kind."""

    tiles: Tiles
    steps: list[Any]


ONCE = Tiles(1, 1, 1, 1)


def once(kernel: str, per_row: int = 1, **arguments: Any) -> Job:
    """A job of one block: a kernel over the whole minibatch, or over so many samples of each of its rows."""
    return Job(ONCE, [(kernel, arguments, 0, None, _engine.ALWAYS, per_row)])


def jobs_of(tiles: Tiles, stage: list[Any]) -> list[Job]:
    """The jobs of a stage of an update: its steps, over `tiles`, and the Jobs among them, over spaces of their own."""
    steps = [item for item in stage if not isinstance(item, Job)]
    return [*([Job(tiles, steps)] if steps else []), *(item for item in stage if isinstance(item, Job))]


def at_updates(item: Any) -> Any:
    """The step or Job, left out by training steps without an update."""
    if isinstance(item, Job):
        return Job(item.tiles, [at_updates(step) for step in item.steps])
    return *item, 0, None, _engine.UPDATING


class Total(NamedTuple):
    """Numbers among a plan's `totals`: an argument of steps that add to them."""

    start: int
    count: int  # type: ignore[assignment]


class _Rows:
    """Steps over the rows of a minibatch: a phase."""

    def __init__(self) -> None:
        self.steps: list[Any] = []
        self.block_rows: int | None = None  # at most so many, or any number
        self.exact_from: int | None = None  # exactly so many in minibatches of so many rows or more

    def joined(self, other: _Rows) -> list[_Rows]:
        """The steps of both as one phase, or as two where they want other blocks."""
        if None not in (self.block_rows, other.block_rows) and self.block_rows != other.block_rows:
            return [self, other]
        both = _Rows()
        both.steps = self.steps + other.steps
        both.block_rows = self.block_rows or other.block_rows
        both.exact_from = min((e for e in (self.exact_from, other.exact_from) if e is not None), default=None)
        return [both]


class _Pass:
    """The forward or the backward pass: phases over rows, and between them lists of jobs where rows meet."""

    def __init__(self) -> None:
        self.phases = [_Rows()]

    def step(self, kernel: Any, arguments: Any, per_row: int = 1) -> None:
        """Adds a step over rows, or over so many samples of each."""
        rows = self._rows(_block_rows(kernel, arguments, per_row))
        rows.steps.append((kernel, arguments, 0, None, _engine.ALWAYS, per_row))

    def part(self, kernel: Any, arguments: Any, block_rows: int, rows_from: int, per_row: int = 1) -> None:
        """Adds a step that wants blocks of exactly so many rows, for minibatches of `rows_from` rows or more."""
        rows = self._rows(block_rows)
        rows.exact_from = rows_from if rows.exact_from is None else min(rows.exact_from, rows_from)
        rows.steps.append((kernel, arguments, rows_from, None, _engine.ALWAYS, per_row))

    def meet(self, jobs: Any) -> None:
        self.phases += [jobs, _Rows()]

    def _rows(self, block_rows: int | None) -> _Rows:
        """The phase that a step over rows goes into: a new one where the last one has other blocks."""
        if block_rows and self.phases[-1].block_rows not in (None, block_rows):
            self.phases.append(_Rows())
        if block_rows:
            self.phases[-1].block_rows = block_rows
        return self.phases[-1]


class Value:
    """A tensor inside a plan: each row of `buffer` is one sample, of `shape`."""

    logits: tuple[str, Value] | None

    def __init__(self, buffer: Buffer, shape: Sequence[int], needs_gradient: bool) -> None:
        self.buffer = buffer
        self.shape: tuple[int, ...] = tuple(shape)
        self.needs_gradient = needs_gradient
        self.gradient: Buffer | Any = None  # the buffer, once something was written into it
        self.uses = 0  # by layers and losses that will send a gradient
        self.relu = False  # max(0, .) of what the layer computed, applied by the layer's own product
        self.gated = False  # the gradient has been multiplied with that ReLU's derivative already
        self.logits = None  # (kind, Value) behind a softmax or sigmoid: losses go there directly
        self.mask: Value | None = None  # a Value of 1 and 0: which of the first axes' steps count; None where all do
        self.indices: Buffer | None = None  # the same numbers as int32, of an input that is read as numbers of rows
        self.prepared: tuple[Any, ...] = ()  # the layers that have encoded these data before the plan read them
        self.data_shape: tuple[int, ...] | None = None  # of a sample before that

    @property
    def width(self) -> int:
        """Elements of one sample."""
        return math.prod(self.shape)

    @property
    def stride(self) -> int:
        """Elements from one sample to the next."""
        return self.buffer.stride


class Builder:
    """Collects what layers emit; `finish` makes the plan.

    Parameters
    ----------
    dtype : float32 or float64
    rows : int, of the largest minibatch
    training : bool, layers behave as in training (dropout)
    backward : bool, the gradient is wanted
    split : bool, the backward pass is a run of its own, and the gradient with respect to the inputs is wanted, too
    require_finite : bool, a loss that is not finite ends the run
    mixed : bool, large products are over pairs of bfloat16
    update_every : int, training steps whose gradients make one update
    statistics : "forward", "update" or None: whether layers' own statistics change with the forward pass, with the
        parameters, or not at all
    """

    dtype: np.dtype[Any]
    rows: int
    training: bool
    backward: bool
    split: bool
    require_finite: bool
    mixed: bool
    gradient_stores: list[Any]

    def __init__(self, dtype: Dtype, rows: int, *, training: bool = False, backward: bool = False,
                 split: bool = False, require_finite: bool = False, mixed: bool = False, update_every: int = 1,
                 statistics: str | None = None) -> None:  # fmt: skip
        self.plan: Plan = _engine.Plan(dtype, rows, update_every)
        self.dtype, self.rows = np.dtype(dtype), rows
        self.training, self.backward, self.split = training, backward, split
        self.require_finite, self.mixed = require_finite, mixed
        self.statistics = statistics
        self.opening_steps: list[Any] = []
        self._forward, self._backward = _Pass(), _Pass()
        self._backward_functions: list[Any] = []
        self._prologue: list[Any] = []  # jobs
        self._before_parameters: list[Any] = []  # jobs between the rows and the parameters' phase
        self._after: list[Any] = []  # jobs of the parameters' phase
        self._kept: dict[Any, Any] = {}  # of each layer with statistics: the job that changes them
        self._gradient_steps: dict[Any, Any] = {}  # of each weight
        self._mirrors: dict[Any, Any] = {}  # of each weight: {transposed: the step that refreshes it}
        self._paired: dict[Any, Buffer] = {}  # of each kernel and tensor: its pairs
        self._regularized: dict[Any, Any] = {}  # of each weight: its regularizer's arguments
        self._sums: list[Any] = []  # (buffer, Total, scale)
        self._total_count = 0
        self.totals: Array | Any = None  # what a run adds up: losses, metrics
        self.penalties: Total | Any = None  # the Total of them that has the loss, in plans that have one
        self.backward_phase: int | None = None  # the first of the backward pass, where it has calls of its own
        self.bindings: dict[str, list[tuple[int, str]]] = {}  # of each name given with Later: [(step, argument)]
        self._numbers: dict[str, int] = {}
        self._flops = 0.0
        self._own_matrices = False

    # ---- buffers

    def buffer(self, width: int | None, dtype: Dtype | None = None, gapless: bool = False) -> Buffer:
        """A buffer of (rows, width); of (rows,) for width None. `gapless`: for steps over samples of the rows."""
        try:
            return self.plan.buffer(width, dtype, gapless)
        except OverflowError:
            raise MemoryError(f"{self.rows:,} rows of {width:,} numbers are more than can be addressed") from None

    def value(self, shape: Sequence[int], needs_gradient: bool) -> Value:
        """A new tensor of the plan, of this shape for each sample."""
        return Value(self.buffer_of(shape), shape, needs_gradient and self.backward)

    def buffer_of(self, shape: Sequence[int]) -> Buffer:
        """A buffer for samples of this shape: gapless where they have positions, so that these can be rows of steps."""
        return self.buffer(math.prod(shape), gapless=len(shape) > 1)

    def same(self, value: Value, shape: Sequence[int]) -> Value:
        """The same elements under another shape; the gradient of either is that of both."""
        view = Value(value.buffer, shape, value.needs_gradient)

        def backward() -> None:
            if view.gradient is not None:
                self.take_gradient(value, view.gradient)

        self.on_backward(backward)
        return view

    # ---- steps

    def forward(self, kernel: str, per_row: int = 1, **arguments: Any) -> None:
        """Adds a step over rows to the forward pass; over so many samples of each row, whose buffers are gapless."""
        self._forward.step(kernel, arguments, per_row)

    def forward_meeting(self, jobs: Sequence[Job]) -> None:
        """Ends a phase over rows of the forward pass: jobs that read all rows, and do not need each other."""
        self._forward.meet(jobs)

    def forward_python(self, function: Callable[..., Any], buffers: Sequence[Any]) -> None:
        """Adds a step in Python over all rows to the forward pass; see `Plan.python_step`."""
        self.forward_meeting([Job(ONCE, [(function, buffers)])])

    def on_backward(self, function: Callable[..., Any]) -> None:
        """Registers what emits the backward steps of the layer at hand: called in reverse order."""
        if self.backward:
            self._backward_functions.append(function)

    def backward_step(self, kernel: str, per_row: int = 1, **arguments: Any) -> None:
        """As `forward`, in the backward pass."""
        self._backward.step(kernel, arguments, per_row)

    def backward_meeting(self, jobs: Sequence[Job]) -> None:
        """As `forward_meeting`, in the backward pass."""
        self._backward.meet(jobs)

    def backward_python(self, function: Callable[..., Any], buffers: Sequence[Any]) -> None:
        """As `forward_python`, in the backward pass."""
        self.backward_meeting([Job(ONCE, [(function, buffers)])])

    def once_before_parameters(self, kernel: str, **arguments: Any) -> None:
        """Adds a step over the whole minibatch before the parameters' phase, for what gradients read."""
        self._before_parameters.append(Job(ONCE, [(kernel, arguments)]))

    def once_after_rows(self, kernel: str, per_row: int = 1, **arguments: Any) -> None:
        """Adds a step over the whole minibatch to the parameters' phase: the rows are done, and no loss was NaN."""
        self._after.append(once(kernel, per_row, **arguments))

    def prologue(self, job: Job) -> None:
        """Adds a job that runs once at the beginning of a call: what follows from weights alone."""
        self._prologue.append(job)

    def keep_statistics(self, owner: object, job: Job) -> list[Any]:
        """Takes a job that changes what a layer keeps of its minibatches; returns the steps that are to be done now.

        Those that wait for a finite loss are one job for each owner, as it may have several uses.
        """
        if self.statistics == "update":
            self._kept.setdefault(owner, Job(job.tiles, [])).steps.extend(job.steps)
        return job.steps if self.statistics == "forward" else []

    def opening(self, kernel: str, **arguments: Any) -> None:
        """Adds a step that each thread runs for itself at the beginning of a minibatch."""
        self.opening_steps.append((kernel, arguments))

    def next_number(self, purpose: str) -> int:
        """Counts the uses of random numbers of one purpose: 0, 1, 2, ..."""
        number = self._numbers.get(purpose, 0)
        self._numbers[purpose] = number + 1
        return number

    def add_flops(self, flops: float) -> None:
        """Counts work for one row, to choose the number of threads."""
        self._flops += flops

    # ---- gradients of tensors

    def gradient_target(self, value: Value) -> tuple[Buffer, bool]:
        """The buffer for a gradient of `value` from one of its users, and whether it must be added to."""
        if value.gradient is None:
            value.gradient = self.buffer_of(value.shape)
            return value.gradient, False
        return value.gradient, True

    def add_gradient(self, value: Value, emit: Callable[..., Any], add_step: Callable[..., Any] | None = None) -> None:
        """Lets `emit(buffer)` write a gradient of `value`, through a buffer of its own where one is there already.

        `add_step` adds steps to the pass at hand, the backward one unless given.
        """
        target, accumulate = self.gradient_target(value)
        if not accumulate:
            emit(target)
            return
        part = self.buffer_of(value.shape)
        emit(part)
        self._add(part, target, value.width, add_step or self.backward_step)

    def take_gradient(self, value: Value, buffer: Buffer, add_step: Callable[..., Any] | None = None) -> None:
        """A buffer becomes the gradient of `value`, or is added to it, in the backward pass or by add_step."""
        if value.gradient is None:
            value.gradient = buffer
        else:
            self._add(buffer, value.gradient, value.width, add_step or self.backward_step)

    @staticmethod
    def _add(source: Buffer, target: Buffer, width: int, add_step: Callable[..., Any]) -> None:
        add_step("add_rows", x=source, y=target, features=width, x_stride=source.stride, y_stride=target.stride)

    # ---- weights

    def weight_gradient(self, weight: Weight, kernel: str, per_row: int = 1, **arguments: Any) -> None:
        """Adds a kernel whose results, over all its uses, sum to the gradient of the mean loss for `weight`.

        Has to be called when the steps that compute its arguments have been emitted. `per_row`: the kernel's rows are
        so many samples of each row, in buffers without gaps.
        """
        steps = self._gradient_steps.setdefault(weight, [])
        accumulate = len(steps) > 0
        rows, columns = weight.matrix_shape
        part_rows, parted_from = (IMAGE_ROWS, 0) if per_row > 1 else (BLOCK_ROWS, PARTED_ROWS)
        parted = kernel in _PARTS and self.rows >= parted_from and rows * columns <= PARTED_ELEMENTS
        whole_below = parted_from if parted else None
        if whole_below != 0:
            steps.append((kernel, {**arguments, "accumulate": accumulate}, 0, whole_below, _engine.ALWAYS, per_row))
        if parted:
            sizes = {"units": columns} if kernel == "column_sum" else {"inputs": rows, "units": columns}
            layout = self._parts(weight, part_rows)
            of_samples = {**arguments, **sizes, **layout, "part_rows": part_rows * per_row}
            self._backward.part(_PARTS[kernel], of_samples, part_rows, parted_from, per_row)
            steps.append(("sum_parts", {**layout, "columns": columns, "accumulate": accumulate}, parted_from, None))

    def weight_gradient_parts(self, weight: Weight, part_rows: int, emissions: Iterable[Any]) -> None:
        """As `weight_gradient`, for kernels over rows that compute a part for each `part_rows` rows of the minibatch.

        `emissions` are (kernel, arguments, first column): arguments `parts`, `part_rows` and `parts_stride` are added,
        `parts` from that column of the weight's matrix on. Each writes columns of its own.
        """
        steps = self._gradient_steps.setdefault(weight, [])
        layout = self._parts(weight, part_rows)
        for kernel, arguments, column in emissions:
            place = {**layout, "parts": layout["parts"].reshape(-1)[column:]}
            self._backward.part(kernel, {**arguments, **place}, part_rows, 0)
        columns = weight.matrix_shape[1]
        steps.append(("sum_parts", {**layout, "columns": columns, "accumulate": len(steps) > 0}, 0, None))

    def _parts(self, weight: Weight, part_rows: int) -> dict[str, Any]:
        """Memory for the parts of a weight's gradient, as arguments."""
        size = weight.array.size
        parts = _engine.aligned_zeros((-(-self.rows // part_rows), size), self.dtype)
        return {"parts": parts, "part_rows": part_rows, "parts_stride": size}

    def operand(self, weight: Weight, transposed: bool = False, per_row: int = 1) -> dict[str, Any]:
        """A weight, or its transpose, as arguments b, b_stride and b_panel of matmul.

        The transpose is always a mirror. The weight itself is one where its rows are so long that a column of them
        falls into a few sets of the cache, and where the minibatch has the rows to make a second copy pay, `per_row`
        for each.
        """
        rows, columns = weight.matrix_shape
        many = self.rows * per_row >= MIRRORING_ROWS
        if not transposed and (columns * self.dtype.itemsize < MIRRORED_ROW_BYTES or not many):
            return {"b": weight.array, "b_stride": columns, "b_panel": 0}
        inner, outer = (columns, rows) if transposed else (rows, columns)

        def make() -> dict[str, Any]:
            packed = self.packed(inner, outer, many)
            return {"matrix": weight.array, "columns": columns, **packed}

        packed = self.mirror(weight, "pack_transposed" if transposed else "pack", make)
        return {"b": packed["packed"], "b_stride": packed["packed_stride"], "b_panel": packed["packed_panel"]}

    def packed(self, inner: int, outer: int, panels: bool) -> dict[str, Any]:
        """Memory for a mirror (inner, outer), as arguments of what packs it: in panels where it is large."""
        width = _engine.panel_width(self.dtype)
        if panels and inner * outer >= PANELLED_ELEMENTS:
            stride, panel = width, inner * width
            array = _engine.aligned_zeros(-(-outer // width) * panel, self.dtype)
        else:
            stride, panel = _engine.padded_stride(outer, self.dtype.itemsize), 0
            array = _engine.aligned_zeros(inner * stride, self.dtype)
        return {"packed": array, "packed_stride": stride, "packed_panel": panel}

    def mirror(self, weight: Weight, kernel: str, make: Callable[..., Any], key: Any = None) -> Any:
        """The arguments of the step that keeps a second copy of a weight: those that make() gives the first time.

        Copies of one weight are told apart by their kernel and `key`.
        """
        mirrors = self._mirrors.setdefault(weight, {})
        if (kernel, key) not in mirrors:
            mirrors[kernel, key] = (kernel, make())
        return mirrors[kernel, key][1]

    # ---- pairs of bfloat16

    def paired(self, emit: Any, kernel: Any, buffer: Buffer, features: int, width: int) -> Buffer:
        """The pairs that a kernel makes of a tensor of so many `features`, in a buffer of `width`."""
        key = (kernel, buffer.offset)
        if key not in self._paired:
            self._paired[key] = self.buffer(width)
            emit(kernel, x=buffer, y=self._paired[key], features=features, x_stride=buffer.stride,
                 y_stride=self._paired[key].stride)  # fmt: skip
        return self._paired[key]

    def paired_operand(self, weight: Weight, transposed: bool) -> dict[str, Any]:
        """A weight, or its transpose, as arguments b and b_panel of matmul_pairs: always a mirror."""
        rows, columns = weight.matrix_shape
        inner, outer = (columns, rows) if transposed else (rows, columns)

        def make() -> dict[str, Any]:
            width = _engine.panel_width(self.dtype)
            panel = (inner + 1) // 2 * width
            packed = _engine.aligned_zeros(-(-outer // width) * panel, self.dtype)
            return {"matrix": weight.array, "packed": packed, "columns": columns, "packed_panel": panel}

        packed = self.mirror(weight, "pack_pairs_transposed" if transposed else "pack_pairs", make)
        return {"b": packed["packed"], "b_panel": packed["packed_panel"]}

    # ---- data and reports

    def bind(self, **values: Any) -> None:
        """Sets arguments that were named with `Later`, in the finished plan."""
        for name, value in values.items():
            for number, argument in self.bindings[name]:
                self.plan.bind(number, **{argument: value})

    def unbound(self, name: str) -> None:
        """Says that no step takes anything under this name."""
        self.bindings.setdefault(name, [])

    def bind_gradients(self, array_of: Callable[..., Array]) -> None:
        """Sets where gradients are stored: in array_of(weight), for each weight."""
        for weight, number in self.gradient_stores:
            self.plan.bind(number, target=array_of(weight))

    def forward_finite_check(self, buffer: Buffer, per_row: int = 1) -> None:
        """Ends the minibatch before any weight changes where a value of `buffer` (rows,) is NaN or infinite."""
        if self.require_finite:
            self.forward("require_finite", per_row, values=buffer)

    def regularize(self, weight: Weight, l1: float, l2: float, total: Total, per_sample: bool = False,
                   sample_weights: Later | None = None) -> None:  # fmt: skip
        """Adds l1 sum |w| + l2 sum w² to a Total for each row, and its derivative to the weight's gradient.

        With `per_sample` both are divided by the minibatch's rows, or by the sum of their `sample_weights`, a Later.
        """
        arguments = {"l1": l1, "l2": l2, "per_sample": per_sample, "weights": sample_weights if per_sample else None}
        self._regularized[weight] = (arguments, total)

    def penalize_activity(self, value: Value, l1: float, l2: float) -> None:
        """Adds l1 sum |x| + l2 sum x², the mean over rows, to the loss, and its derivative to the tensor's gradient."""
        common: dict[str, Any] = {"x": value.buffer, "features": value.width, "x_stride": value.stride, "l1": l1,
                                  "l2": l2}  # fmt: skip
        self.forward("activity_penalty", penalty=self.report(self.penalties), dx=None, dx_stride=0, accumulate=False,
                     **common)  # fmt: skip
        if value.needs_gradient:
            value.uses += 1

        def backward() -> None:
            if value.needs_gradient:
                target, accumulate = self.gradient_target(value)
                self.backward_step("activity_penalty", penalty=None, dx=target, dx_stride=target.stride,
                                   accumulate=accumulate, **common)  # fmt: skip

        self.on_backward(backward)

    def total(self, count: int = 1) -> Total:
        """Places among `totals`, zero at the beginning of a run, for steps to add to."""
        self._total_count += count
        return Total(self._total_count - count, count)

    def report(self, *totals: Any, per_row: int = 1) -> Buffer:
        """A buffer (rows,) whose sum over all rows of a run is added to each Total, or (Total, scale); returns it.

        With samples of rows it has so many of each row, whose mean counts.
        """
        buffer = self.buffer(per_row, gapless=True)
        for total in totals:
            total, scale = total if isinstance(total[0], Total) else (total, 1.0)
            self._sums.append((buffer, total, scale / per_row, per_row))
        return buffer

    # ---- laying out

    def finish(self, update: Any = None, store_gradients: str | None = None,
               own_matrices: bool = False) -> Builder:  # fmt: skip
        """Makes the plan.

        Parameters
        ----------
        update : function (weights) -> for each weight a list of phases, lists of steps (kernel, arguments), optional
            The optimizer's steps over a tile; in the first phase its gradient is at hand. Jobs may be among them.
        store_gradients : "set" or "add", optional
            Gradients go where `bind_gradients` says.
        own_matrices : bool
            The update is over the tiles of `update_tiles`: the last two axes of a weight are a matrix, also where its
            gradient is one of another shape.
        """
        self._own_matrices = own_matrices
        for function in reversed(self._backward_functions):
            function()
        plan = self.plan
        self.totals = np.zeros(self._total_count, np.float64)
        self.gradient_stores = []
        plan.opening()
        self._steps(self.opening_steps)
        mirrors = {w: Job(self.tiles(w), list(steps.values())) for w, steps in self._mirrors.items()}
        plan.phase()
        self._jobs([*mirrors.values(), *self._prologue])
        forward, backward = self._forward.phases, self._backward.phases
        if self.split:
            self._rows_and_meetings(forward)
            self.backward_phase = plan.phase_count
            self._rows_and_meetings(backward)
        else:
            self._rows_and_meetings([*forward[:-1], *forward[-1].joined(backward[0]), *backward[1:]])
        for jobs in [self._before_parameters, *self._parameter_phases(update, store_gradients, mirrors)]:
            if any(job.steps for job in jobs):
                plan.phase()
                self._jobs(jobs)
        plan.finish()
        return self

    def _rows_and_meetings(self, phases: list[Any]) -> None:
        even = bool(self._paired)
        for phase in phases:
            self.plan.phase()
            if isinstance(phase, _Rows):
                self.plan.row_job(phase.block_rows or BLOCK_ROWS, phase.exact_from, even)
                self._steps(phase.steps)
            else:
                self._jobs(phase)

    def _parameter_phases(self, update: Any, store_gradients: str | None, mirrors: dict[Weight, Job]) -> list[Any]:
        """Lists of jobs: gradients and updates of weights, and what else waits for the rows."""
        phases: list[Any] = []

        def add(number: int, *jobs: Any) -> None:
            while len(phases) <= number:
                phases.append([])
            phases[number] += jobs

        updates = [[[]]] * len(self._gradient_steps) if update is None else update(list(self._gradient_steps))
        penalties = []
        for (weight, steps), stages in zip(self._gradient_steps.items(), updates, strict=True):
            stages = [list(stage) for stage in stages]
            if update is not None and self._updates_rows(weight, steps, stages):
                add(0, self._row_update(weight, steps[0], stages[0][0]))
                continue
            penalty, parts = self._penalty(weight, with_gradient=True)
            penalties += parts
            stored = []
            if store_gradients:
                stored = [("store_gradient", {"target": Later(weight), "columns": weight.matrix_shape[1],
                                              "accumulate": store_gradients == "add"})]  # fmt: skip
            asked = [self._prefetches(weight, stage) for stage in stages]
            stages[0] = [*stored, *stages[0]]
            refreshes = mirrors[weight].steps if weight in mirrors and update is not None else []
            apart = update is not None and self.update_tiles(weight) != self.tiles(weight)
            if apart:
                stages = self._stored_between(weight, [*steps, *penalty], stages)
            else:
                stages[0] = [*steps, *penalty, *stages[0]]
                stages = [[*early, *stage] for early, stage in zip(asked, stages, strict=True)]
            if weight.constraint is None and not apart:
                stages[-1] += refreshes
            for number, stage in enumerate(stages):
                add(number, *jobs_of(self.update_tiles(weight) if apart and number else self.tiles(weight), stage))
            if update is not None and weight.constraint is not None:
                add(len(stages), weight.constraint.job(weight.array))
            if update is not None and (weight.constraint is not None or apart):
                add(len(stages) + 1, Job(self.tiles(weight), refreshes))
        for weight in self._regularized:
            if weight not in self._gradient_steps:
                steps, parts = self._penalty(weight, with_gradient=False)
                penalties += parts
                add(0, Job(self.tiles(weight), steps))
        sums: dict[Any, Any] = {}  # what is added to one number is added by one thread, in one order
        for buffer, total, scale, per_row in self._sums:
            step = once("accumulate_sum", per_row, values=buffer, total=total, scale=scale).steps[0]
            sums.setdefault(total, []).append(step)
        for steps in sums.values():
            add(0, Job(ONCE, steps))
        for job in [*self._after, *self._kept.values()]:
            add(0, job)
        if penalties:
            add(1, Job(ONCE, [("add_penalty", {"parts": parts, "total": total, "count": parts.size})
                              for parts, total in penalties]))  # fmt: skip
        return phases

    @staticmethod
    def _stored_between(weight: Weight, gradient: list[Any], stages: list[Any]) -> list[Any]:
        """The stages of an update over tiles of its own, behind that of the steps that make the gradient."""
        stored = _engine.aligned_zeros(weight.array.shape, weight.array.dtype)
        store = ("store_gradient", {"target": stored, "columns": weight.matrix_shape[1], "accumulate": False})
        load = ("load_gradient", {"source": stored, "columns": weight.array.shape[-1]})
        return [[*gradient, store], [load, *stages[0]], *stages[1:]]

    def _updates_rows(self, weight: Weight, steps: Any, stages: list[Any]) -> bool:
        """Whether rows of a weight that have no gradient stay as they are, and its update is one kernel."""
        one = len(steps) == len(stages) == len(stages[0]) == 1 and not isinstance(stages[0][0], Job)
        alone = weight.constraint is None and weight not in self._regularized and weight not in self._mirrors
        return one and alone and (steps[0][0], stages[0][0][0]) in _ROW_UPDATES

    def _row_update(self, weight: Weight, gradient: list[Any], update: Any) -> Job:
        """The Job that updates the rows in use: over the places that use one, however large the table is."""
        arguments = {name: value for name, value in gradient[1].items() if name != "accumulate"}
        rows, columns = weight.matrix_shape
        tiles = Tiles(self.rows * arguments["positions"], columns, ROW_UPDATE_PLACES, min(columns, TILE_COLUMNS))
        step = (_ROW_UPDATES[gradient[0], update[0]], {**arguments, "parameter": weight.array, "count": rows})
        return Job(tiles, [step])

    def _penalty(self, weight: Weight, with_gradient: bool) -> tuple[list[Any], list[Any]]:
        """The step of a weight's regularizer, and [(penalties of its tiles, Total)]."""
        if weight not in self._regularized:
            return [], []
        arguments, total = self._regularized[weight]
        tiles = self.tiles(weight)
        parts = _engine.aligned_zeros(tiles.count, np.float64)
        step = ("regularize", {"parameter": weight.array, "parts": parts, "columns": tiles.columns,
                               "add_gradient": with_gradient, **arguments, **tiles.numbering})  # fmt: skip
        return [step], [(parts, total)]

    @staticmethod
    def _prefetches(weight: Weight, stage: list[Any]) -> list[Any]:
        """Steps that ask for what a stage of a large weight's update reads or changes."""
        if weight.array.size < PREFETCHED_ELEMENTS:
            return []
        size = weight.array.size
        arrays = {id(v): v for item in stage if not isinstance(item, Job) for v in item[1].values()
                  if isinstance(v, np.ndarray) and v.size == size and v.dtype == weight.array.dtype}  # fmt: skip
        return [("prefetch", {"array": array, "columns": weight.matrix_shape[1]}) for array in arrays.values()]

    def update_tiles(self, weight: Weight) -> Tiles:
        """How a weight is cut for its update."""
        rows, columns = matrix_shape(weight.array.shape)
        return Tiles.of(rows, columns) if self._own_matrices and weight.column_axes > 1 else self.tiles(weight)

    def tiles(self, weight: Weight) -> Tiles:
        """How the matrix of a weight is cut for its gradient and its update."""
        rows, columns = weight.matrix_shape
        far = rows * self.dtype.itemsize >= FAR_ROW_BYTES and self.rows >= MANY_ROWS and columns > TILE_COLUMNS
        return Tiles.of(rows, columns, double=far)

    def _jobs(self, jobs: Any) -> None:
        for tiles, steps in jobs:
            if steps:
                self.plan.matrix_job(*tiles, tiles.block_rows * tiles.block_columns)  # type: ignore[call-arg]
                self._steps(steps)

    def _steps(self, steps: Any) -> None:
        for kernel, arguments, *rest in steps:
            if callable(kernel):
                self.plan.python_step(kernel, arguments)
                continue
            bound, later = {}, {}
            for name, value in arguments.items():
                if isinstance(value, Later):
                    later[name], value = value.name, _engine.BIND_LATER
                elif isinstance(value, Total):
                    value = self.totals[value.start : value.start + value.count]
                bound[name] = value
            number = self.plan.step(kernel, bound, *rest)
            for argument, name in later.items():
                if isinstance(name, str):
                    self.bindings.setdefault(name, []).append((number, argument))
                else:
                    self.gradient_stores.append((name, number))

    def threads(self, rows: int, limit: int) -> int:
        """How many of `limit` threads pay for a minibatch of `rows`."""
        work = self._flops * rows * (3 if self.backward else 1)
        return max(1, min(limit, rows, int(work / FLOPS_PER_THREAD) + 1 if work >= FLOPS_PER_THREAD else 1))


class Later:
    """In place of a step's argument: it is bound under this name, or as this weight's gradient, before a run."""

    def __init__(self, name: str) -> None:
        self.name = name

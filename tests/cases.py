"""Calls of every kernel of kernels.def, defined once for tests of values, of memory and of bits, and for timing.

    for case in cases("matmul", "float32"): ...

A generator entered with `cases_for` makes the cases of a kernel. Sizes run over the edges of every variant's tiles and
vectors, strides are larger than widths, blocks begin anywhere, and special values stand where the formula says
what becomes of them. Everything is a function of the kernel's name and type alone.
"""

import itertools
import zlib
from typing import NamedTuple

import numpy as np

GRADIENT = "worker_gradient"  # worker->gradient and worker->order go by these names among the arrays of a call
ORDER = "worker_order"

ROWS = range(1, 31)  # twice the largest row tile and more
COLUMNS = range(1, 71)  # twice the widest vector tile of most variants and more
INNER = (0, 1, 2, 3, 4, 5, 8, 16, 17, 319, 320, 321, 700)  # around vectors, and around the product's blocks of 320

# In memory that no one has written yet. NaN in either real type, so that a sum over it shows.
UNWRITTEN = {4: 0x7FC0A5A5, 8: 0x7FF8A5A5A5A5A5A5}


class Array:
    """An array of a call: values (rows, width) or (rows,), and how they lie in memory.

    Parameters
    ----------
    values : array in the type that the kernel sees
    padding : int, elements between the end of a row and the next
    stride_bytes : int, optional
        From row to row, instead: of any sign, and not a whole number of elements.
    written : bool
        What lies between the rows looks like unwritten memory of a result, and not like that of an input.
    """

    def __init__(self, values, padding=0, stride_bytes=None, written=False):
        self.values = np.ascontiguousarray(values)
        width = self.values.shape[1] if self.values.ndim == 2 else 1
        self.stride = width + padding
        self.stride_bytes = self.stride * self.values.itemsize if stride_bytes is None else stride_bytes
        self.written = written

    def places(self, panel_width):
        """Byte offsets of the elements from the first one, and of the last element's end."""
        shape, size = self.values.shape, self.values.itemsize
        rows = np.arange(shape[0]) * self.stride_bytes
        return rows if len(shape) == 1 else rows[:, None] + np.arange(shape[1]) * size


class Panels(Array):
    """A matrix (inner, columns) in panels: rows `padding` elements wider than a panel, `gap` more between panels."""

    def __init__(self, values, padding=0, gap=0, written=False):
        super().__init__(values, 0, written=written)
        self.padding, self.gap = padding, gap

    def row_stride(self, panel_width):
        """Elements from one row of a panel to the next: b_stride of matmul."""
        return panel_width + self.padding

    def panel_stride(self, panel_width):
        """Elements from one panel to the next: b_panel of matmul."""
        return max(len(self.values), 1) * self.row_stride(panel_width) + self.gap

    def places(self, panel_width):
        column = np.arange(self.values.shape[1])
        panel = column // panel_width * self.panel_stride(panel_width) + column % panel_width
        return (np.arange(len(self.values))[:, None] * self.row_stride(panel_width) + panel) * self.values.itemsize


class Block(NamedTuple):
    """The part of a job that a call covers."""

    row_begin: int
    row_end: int
    column_begin: int = 0
    column_end: int = 1

    @property
    def rows(self):
        return slice(self.row_begin, self.row_end)

    @property
    def columns(self):
        return slice(self.column_begin, self.column_end)


class Case(NamedTuple):
    """One call of a kernel."""

    kernel: str
    dtype: np.dtype
    label: str
    arguments: dict  # Array, None, a number, or a function from the panel's width to one
    worker: dict  # rows, first_row, step, seed, learning_rate, coefficient; order and gradient are Arrays
    block: Block
    timed: bool  # of a size that training has: for benchmarks
    flops: float

    @property
    def panel_dtype(self):
        """What the width of panels belongs to: the kernel's type, or float where it works on pairs whatever that is."""
        return np.dtype(np.float32) if "pairs" in self.kernel else self.dtype

    def arrays(self):
        """Every array by name, the worker's included; one that stands for two arguments stands here twice."""
        named = {name: value for name, value in self.arguments.items() if isinstance(value, Array)}
        for name, key in ((ORDER, "order"), (GRADIENT, "gradient")):
            if self.worker.get(key) is not None:
                named[name] = self.worker[key]
        return named

    def sizes(self, panel_width):
        """All other arguments, as numbers."""
        return {
            name: value(panel_width) if callable(value) else value
            for name, value in self.arguments.items()
            if not isinstance(value, Array)
        }

    def __str__(self):
        return f"{self.label}; block {tuple(self.block)}"


TABLE = {}


def cases_for(*kernels):
    """Enters a generator of cases under the names of its kernels."""

    def enter(generator):
        for kernel in kernels:
            assert kernel not in TABLE, kernel
            TABLE[kernel] = generator
        return generator

    return enter


def cases(kernel, dtype, timed=None):
    """The cases of a kernel; with `timed` only those that are for benchmarks, or only the others."""
    make = Maker(kernel, dtype)
    return [case for case in TABLE[kernel](make, kernel) if timed is None or case.timed == timed]


class Maker:
    """Makes the arrays and cases of one kernel for one real type."""

    def __init__(self, kernel, dtype):
        self.kernel, self.dtype = kernel, np.dtype(dtype)
        self.random = np.random.default_rng([zlib.crc32(kernel.encode()), self.dtype.itemsize])
        self._paddings = itertools.cycle((0, 1, 3, 0, 8, 5, 13))

    def case(self, label, block, worker=None, timed=False, flops=0.0, **arguments):
        block = Block(*(block if isinstance(block, tuple) else (0, block)))
        label = f"{label}, timed" if timed else label
        return Case(self.kernel, self.dtype, label, arguments, worker or {}, block, timed, flops)

    # ---- values

    def normal(self, *shape, scale=1.0):
        """Normally distributed numbers."""
        return (self.random.standard_normal(shape) * scale).astype(self.dtype)

    def uniform(self, *shape, low=0.0, high=1.0):
        """Numbers between two bounds, neither of which is one of them."""
        return (low + (high - low) * self.random.uniform(0.001, 0.999, shape)).astype(self.dtype)

    def magnitudes(self, *shape, low, high):
        """Normal numbers times powers of ten between 10^low and 10^high."""
        return (self.random.standard_normal(shape) * 10.0 ** self.random.uniform(low, high, shape)).astype(self.dtype)

    def probabilities(self, *shape):
        """Positive numbers whose sum over the last axis is about 1."""
        powers = np.exp(self.random.standard_normal(shape))
        return (powers / powers.sum(axis=-1, keepdims=True)).astype(self.dtype)

    def specials(self, rows, columns, infinities=True, nan=True):
        """Zeros of both signs, denormals, the largest and smallest numbers, one, infinities, NaN: all over."""
        limits = np.finfo(self.dtype)
        tiny = [limits.smallest_subnormal, 3 * limits.smallest_subnormal, limits.tiny * 0.75, limits.tiny]
        some = [0.0, *tiny, limits.eps, 0.5, 1 - limits.epsneg, 1.0, 1 + limits.eps, 1e3, limits.max / 2, limits.max]
        some += [np.inf] if infinities else []
        some = [*some, *(-x for x in some), *([np.nan] if nan else [])]
        return np.resize(np.array(some, self.dtype), (rows, columns))

    # ---- arrays

    def padding(self):
        """Elements between rows: another number each time, often none."""
        return next(self._paddings)

    def matrix(self, values, padding=None):
        """An input, with a padding of its own choice unless given."""
        return Array(values, self.padding() if padding is None else padding)

    def output(self, *shape, padding=None, dtype=None):
        """A result: memory that no one has written."""
        dtype = self.dtype if dtype is None else np.dtype(dtype)
        values = np.full(shape, UNWRITTEN[dtype.itemsize], f"u{dtype.itemsize}").view(dtype)
        padding = (self.padding() if len(shape) == 2 else 0) if padding is None else padding
        return Array(values, padding, written=True)

    # ---- sizes

    def row_shapes(self):
        """(rows, columns, block) of row kernels: every width of COLUMNS, every number of ROWS, and wide rows."""
        shapes = [(1 + columns % 5, columns) for columns in COLUMNS]
        shapes += [(rows, 1 + rows * 7 % 23) for rows in ROWS]
        shapes += [(3, columns) for columns in (100, 127, 128, 129, 255, 256, 257, 513)]
        for number, (rows, columns) in enumerate(shapes):
            yield rows, columns, (rows // 3, rows - rows // 4) if number % 3 == 2 else (0, rows)

    def tile_shapes(self):
        """(rows, columns, block) of parameters: as row_shapes, with blocks that begin and end at any column."""
        for number, (rows, columns, (row_begin, row_end)) in enumerate(self.row_shapes()):
            if number % 2:
                yield rows, columns, (row_begin, row_end, 0, columns)
            else:
                yield rows, columns, (row_begin, row_end, columns // 5, columns - columns // 7)


# ---------------------------------------------------------------- gather.h

# In the order of NN_BOOL and those after it.
SOURCE_TYPES = tuple(np.dtype(t) for t in ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"))


def source_values(make, number, rows, width):
    """Elements of every size that a source type has."""
    dtype = SOURCE_TYPES[number]
    if dtype.kind == "f":
        values = (make.random.standard_normal((rows, width)) * 3).astype(dtype)
        limits = np.finfo(dtype)
        special = [np.nan, np.inf, -np.inf, 0.0, -0.0, limits.smallest_subnormal, -limits.tiny, limits.max, 1 / 3]
        chosen = make.random.random(values.shape) < 0.4
        values[chosen] = make.random.choice(np.array(special, dtype), chosen.sum())
        return values
    raw = make.random.integers(0, 256, (rows, width * dtype.itemsize), np.uint8)
    raw[::3] = 0xFF  # the largest, or -1
    return raw.view(dtype)


@cases_for("gather_rows")
def gather_rows_cases(make, kernel):
    for number, dtype in enumerate(SOURCE_TYPES):
        for turn, (features, rows) in enumerate(((1, 1), (3, 7), (8, 3), (17, 5), (33, 30), (300, 4), (784, 3))):
            data_rows = rows + 4
            values = source_values(make, number, data_rows, features)
            stride = features * dtype.itemsize + (0, 1, 5, dtype.itemsize)[turn % 4]  # unaligned where not whole
            if turn % 3 == 2:
                stride = -stride
            shuffled = turn % 2 == 1
            order = Array(make.random.permutation(data_rows)) if shuffled else None
            y = make.output(rows, features)
            yield make.case(
                f"{dtype} ({data_rows}, {features}) {stride} bytes apart{' in order' if shuffled else ''}",
                (rows // 3, rows),
                {"first_row": turn % 5, "order": order, "rows": rows},
                source=Array(values, stride_bytes=stride),
                y=y,
                type=number,
                source_stride_bytes=stride,
                features=features,
                y_stride=y.stride,
            )
    for number in (2, SOURCE_TYPES.index(make.dtype)):  # images, and rows of the kernel's own type
        values = source_values(make, number, 2048, 784)
        y = make.output(128, 784, padding=0)
        stride = values[0].nbytes
        yield make.case(
            f"{values.dtype} (2048, 784) in order", 128,
            {"order": Array(make.random.permutation(2048)), "rows": 128}, timed=True,
            source=Array(values), y=y, type=number, source_stride_bytes=stride, features=784, y_stride=y.stride,
        )  # fmt: skip


@cases_for("gather_labels")
def gather_labels_cases(make, kernel):
    edges = [0.0, 2.9, -2.9, 2147483647.0, 2147483648.0, -2147483647.0, -2147483648.0, 1e30, np.nan, np.inf, -np.inf]
    for number, dtype in enumerate(SOURCE_TYPES):
        for turn, rows in enumerate((1, 5, 30)):
            data_rows = rows + 3
            values = source_values(make, number, data_rows, 1)
            if dtype.kind == "f" and turn:
                with np.errstate(over="ignore"):
                    values[:, 0] = np.resize(np.array(edges).astype(dtype), data_rows)
            stride = dtype.itemsize * (1, 3, -2)[turn] + (0, 1, 0)[turn]
            order = Array(make.random.permutation(data_rows)) if turn == 1 else None
            yield make.case(
                f"{dtype} ({data_rows},) {stride} bytes apart{' in order' if turn == 1 else ''}",
                (rows // 3, rows),
                {"first_row": turn, "order": order, "rows": rows},
                source=Array(values, stride_bytes=stride),
                y=make.output(rows, dtype=np.int32),
                type=number,
                source_stride_bytes=stride,
            )
    values = make.random.integers(0, 10, (60000, 1)).astype(np.uint8)
    yield make.case(
        "uint8 (60000,) in order", 128, {"order": Array(make.random.permutation(60000)), "rows": 128}, timed=True,
        source=Array(values), y=make.output(128, dtype=np.int32), type=2, source_stride_bytes=1,
    )  # fmt: skip


@cases_for("store_rows")
def store_rows_cases(make, kernel):
    for rows, columns, block in make.row_shapes():
        x, target = make.matrix(make.specials(rows, columns)), make.output(rows + 3, columns)
        yield make.case(f"({rows}, {columns})", block, {"first_row": rows % 4}, x=x, target=target, features=columns,
                        x_stride=x.stride, target_stride=target.stride)  # fmt: skip


@cases_for("add_rows")
def add_rows_cases(make, kernel):
    for rows, columns, block in make.row_shapes():
        x, y = make.matrix(make.magnitudes(rows, columns, low=-3, high=3)), make.matrix(make.normal(rows, columns))
        yield make.case(f"({rows}, {columns})", block, x=x, y=y, features=columns, x_stride=x.stride, y_stride=y.stride)
    x, y = make.matrix(make.specials(5, 31)), make.matrix(make.specials(5, 31)[::-1])
    yield make.case("special values", 5, x=x, y=y, features=31, x_stride=x.stride, y_stride=y.stride)
    x, y = make.matrix(make.normal(128, 256), 0), make.matrix(make.normal(128, 256), 0)
    yield make.case("(128, 256)", 128, timed=True, flops=128 * 256, x=x, y=y, features=256, x_stride=256, y_stride=256)


# ---------------------------------------------------------------- matmul.h


def product_case(make, rows, inner, columns, *, bias=False, mask=False, relu=False, accumulate=False, panels=False,
                 block=None, timed=False, left=None, right=None):  # fmt: skip
    """A case of matmul with the options wanted."""
    a = make.matrix(make.normal(rows, inner) if left is None else left, 0 if timed else None)
    b = make.normal(inner, columns) if right is None else right
    b = Panels(b, make.padding(), make.padding()) if panels else make.matrix(b, 0 if timed else None)
    gate = make.matrix(np.where(make.random.random((rows, columns)) < 0.4, 0, make.normal(rows, columns)).astype(a.values.dtype)) if mask else None  # noqa: E501
    c = make.matrix(make.normal(rows, columns)) if accumulate else make.output(rows, columns, padding=0 if timed else None)  # noqa: E501
    options = {"bias": bias, "mask": mask, "relu": relu, "accumulate": accumulate, "panels": panels}
    label = " ".join([f"({rows}, {inner}) x ({inner}, {columns})", *(name for name, given in options.items() if given)])
    return make.case(
        label,
        block or rows,
        timed=timed,
        flops=2.0 * rows * inner * columns,
        a=a,
        b=b,
        bias=Array(make.normal(columns)) if bias else None,
        mask=gate,
        c=c,
        inner=inner,
        columns=columns,
        a_stride=a.stride,
        b_stride=b.row_stride if panels else b.stride,
        b_panel=b.panel_stride if panels else 0,
        mask_stride=gate.stride if mask else 0,
        c_stride=c.stride,
        relu=int(relu),
        accumulate=int(accumulate),
    )


@cases_for("matmul")
def matmul_cases(make, kernel):
    inners, numbers = itertools.cycle(INNER), itertools.count()
    shapes = [(rows, columns) for columns in COLUMNS for rows in (1 + columns * 11 % 30, 1 + columns % 7)]
    shapes += [(rows, columns) for rows in ROWS for columns in (1, 10, 16, 33, 48)]
    shapes += [(rows, columns) for rows in (1, 2, 3, 4, 13) for columns in (127, 128, 129, 160, 257)]
    for (rows, columns), inner, number in zip(shapes, inners, numbers, strict=False):
        options = {name: bool(number >> bit & 1) for bit, name in enumerate(("bias", "mask", "relu", "accumulate"))}
        block = (rows // 3, rows - rows // 4) if number % 5 == 4 else None
        yield product_case(make, rows, inner, columns, **options, panels=number % 3 == 1, block=block)
    for special in ("infinities", "denormals", "large"):
        a, b = make.normal(7, 9), make.normal(9, 21)
        if special == "infinities":
            a[1, 3], a[2, 5], b[4, 7], b[4, 8], a[5] = np.inf, np.nan, -np.inf, np.nan, 0
        else:
            limits = np.finfo(make.dtype)
            a *= limits.smallest_subnormal * 1e3 if special == "denormals" else np.sqrt(limits.max) / 100
            b *= 1e-3 if special == "denormals" else np.sqrt(limits.max) / 100
        for options in ({}, {"relu": True, "bias": True}, {"mask": True}):
            yield product_case(make, 7, 9, 21, left=a, right=b, **options)
    for rows, inner, columns in ((1, 64, 64), (32, 64, 64), (32, 784, 128), (128, 784, 256), (128, 256, 10), (512, 512, 512)):  # noqa: E501
        yield product_case(make, rows, inner, columns, bias=True, relu=True, timed=True)


@cases_for("matmul_gradient")
def matmul_gradient_cases(make, kernel):
    inners = itertools.cycle(INNER)

    def one(minibatch, inputs, units, block, accumulate, timed=False, special=False):
        x, dy = make.matrix(make.normal(minibatch, inputs), 0 if timed else None), make.matrix(make.normal(minibatch, units), 0 if timed else None)  # noqa: E501
        if special:
            x.values[0], dy.values[1:, 0], dy.values[0, 1] = 0, np.inf, np.nan
        extent = (block[1] - block[0], block[3] - block[2])
        gradient = make.matrix(make.normal(*extent)) if accumulate else make.output(*extent, padding=0 if timed else None)  # noqa: E501
        return make.case(
            f"({minibatch}, {inputs})' x ({minibatch}, {units}){' accumulate' if accumulate else ''}",
            block, {"rows": minibatch, "gradient": gradient}, timed=timed, flops=2.0 * minibatch * inputs * units,
            x=x, dy=dy, x_stride=x.stride, dy_stride=dy.stride, accumulate=int(accumulate),
        )  # fmt: skip

    for number, (rows, columns, block) in enumerate(make.tile_shapes()):
        yield one(next(inners), rows, columns, block, number % 4 == 3)
    for rows in ROWS:
        yield one(next(inners), rows + 2, 40, (1, rows + 1, 3, 3 + rows % 37 + 1), rows % 4 == 3)
    for minibatch, inputs, units in ((192, 37, 70), (301, 100, 64), (400, 5, 129)):  # rows of x a page apart
        x, dy = make.matrix(make.normal(minibatch, inputs), 800), make.matrix(make.normal(minibatch, units))
        yield make.case(f"({minibatch}, {inputs})' x ({minibatch}, {units}) far apart", (1, inputs, 0, units),
                        {"rows": minibatch, "gradient": make.output(inputs - 1, units)}, x=x, dy=dy,
                        x_stride=x.stride, dy_stride=dy.stride, accumulate=0)  # fmt: skip
    yield one(5, 6, 19, (0, 6, 0, 19), False, special=True)
    for minibatch, inputs, units in ((32, 64, 64), (32, 784, 128), (128, 784, 256), (128, 256, 10)):
        block_columns = min(units, 128)
        block = (0, min(inputs, 4096 // block_columns), 0, block_columns)
        yield one(minibatch, inputs, units, block, False, timed=True)


@cases_for("column_sum")
def column_sum_cases(make, kernel):
    inners = itertools.cycle(INNER)
    for number, columns in enumerate([*COLUMNS, 128, 129]):
        minibatch = next(inners)
        dy = make.matrix(make.magnitudes(minibatch, columns, low=-2, high=2))
        begin, end = (columns // 5, columns - columns // 7) if number % 2 else (0, columns)
        accumulate = number % 3 == 2
        gradient = make.matrix(make.normal(1, end - begin)) if accumulate else make.output(1, end - begin)
        yield make.case(
            f"({minibatch}, {columns}){' accumulate' if accumulate else ''}", (0, 1, begin, end),
            {"rows": minibatch, "gradient": gradient}, dy=dy, dy_stride=dy.stride, accumulate=int(accumulate),
        )  # fmt: skip
    dy = make.matrix(make.normal(128, 256), 0)
    yield make.case("(128, 256)", (0, 1, 0, 256), {"rows": 128, "gradient": make.output(1, 256)}, timed=True,
                    flops=128 * 256, dy=dy, dy_stride=256, accumulate=0)  # fmt: skip


@cases_for("matmul_gradient_part", "column_sum_part")
def part_cases(make, kernel):
    inners = itertools.cycle(INNER)
    shapes = [(rows, columns) for rows, columns, _ in make.tile_shapes()]
    for number, (inputs, units) in enumerate([*shapes, (40, 10), (64, 3), (33, 1), (16, 9)]):
        part_rows = next(inners) or 1
        part, extra = number % 3, number % 2
        begin = part * part_rows
        end = begin + part_rows - (extra if part_rows > 1 else 0)
        dy = make.matrix(make.normal(end + 2, units))
        arguments = {"dy": dy, "dy_stride": dy.stride, "units": units, "part_rows": part_rows}
        size = units
        if kernel == "matmul_gradient_part":
            x = make.matrix(make.normal(end + 2, inputs))
            arguments |= {"x": x, "x_stride": x.stride, "inputs": inputs}
            size *= inputs
        parts = make.output(3, size)
        yield make.case(f"part {part} of {part_rows} rows, ({inputs}, {units})", (begin, end), {"rows": end + 2},
                        parts=parts, parts_stride=parts.stride, **arguments)  # fmt: skip


@cases_for("sum_parts")
def sum_parts_cases(make, kernel):
    for number, (rows, columns, block) in enumerate(make.tile_shapes()):
        count, part_rows, accumulate = 1 + number % 5, 1 + number % 3, number % 4 == 3
        extent = (block[1] - block[0], block[3] - block[2])
        gradient = make.matrix(make.normal(*extent)) if accumulate else make.output(*extent)
        parts = make.matrix(make.normal(count + 1, rows * columns))
        yield make.case(
            f"{count} parts ({rows}, {columns}){' accumulate' if accumulate else ''}", block,
            {"rows": count * part_rows, "gradient": gradient}, parts=parts, parts_stride=parts.stride, columns=columns,
            part_rows=part_rows, accumulate=int(accumulate),
        )  # fmt: skip


@cases_for("pack", "pack_transposed")
def pack_cases(make, kernel):
    shapes = [*make.tile_shapes(), *((rows, 17, (rows // 4, rows, 1, 15)) for rows in (31, 48, 63, 64, 65, 70, 130))]
    for number, (rows, columns, block) in enumerate(shapes):
        packed = make.output(*((columns, rows) if kernel == "pack_transposed" else (rows, columns)))
        if number % 2:
            packed = Panels(packed.values, make.padding(), make.padding(), written=True)
        yield make.case(
            f"({rows}, {columns}){' panels' if number % 2 else ''}", block, matrix=Array(make.specials(rows, columns)),
            packed=packed, columns=columns, packed_stride=packed.row_stride if number % 2 else packed.stride,
            packed_panel=packed.panel_stride if number % 2 else 0,
        )  # fmt: skip
    packed = make.output(256, 784, padding=16) if kernel == "pack_transposed" else make.output(784, 256, padding=16)
    yield make.case("(784, 256)", (0, 784, 0, 256), timed=True, matrix=Array(make.normal(784, 256)), packed=packed,
                    columns=256, packed_stride=packed.stride, packed_panel=0)  # fmt: skip


# ---------------------------------------------------------------- pairs.h, always of float


def pair_values(make, *shape):
    """Pairs of bfloat16 in floats: normal numbers."""
    first, second = (make.random.standard_normal(shape).astype(np.float32).view(np.uint32) for _ in range(2))
    return (first >> 16 | second & 0xFFFF0000).view(np.float32)


def even(begin, end):
    """The larger range that begins at an even number."""
    return begin - begin % 2, end


@cases_for("pair_columns", "pair_rows")
def pair_cases(make, kernel):
    with np.errstate(over="ignore"):
        special = make.specials(8, 40).astype(np.float32)
    special[3] = np.array([0x3F808000, 0x3F818000, 0x3F808001, 0x7F7FFFFF] * 10, np.uint32).view(np.float32)  # halves
    shapes = [*make.row_shapes(), (8, 40, (0, 8)), (7, 40, (2, 7))]
    for number, (rows, columns, block) in enumerate(shapes):
        values = make.magnitudes(rows, columns, low=-5, high=5).astype(np.float32)
        x = make.matrix(special[:rows] if number >= len(shapes) - 2 else values)
        if kernel == "pair_columns":
            y = make.output(rows, -(-columns // 2), dtype=np.float32)
        else:
            y, block = make.output(-(-rows // 2), columns, dtype=np.float32), even(*block)
            if block[1] < rows:
                block = (block[0], block[1] + block[1] % 2)
        yield make.case(f"({rows}, {columns})", block, x=x, y=y, features=columns, x_stride=x.stride, y_stride=y.stride)


@cases_for("pack_pairs", "pack_pairs_transposed")
def pack_pairs_cases(make, kernel):
    for rows, columns, (row_begin, row_end, column_begin, column_end) in make.tile_shapes():
        if kernel == "pack_pairs":
            shape, row_begin = (-(-rows // 2), columns), row_begin - row_begin % 2
            row_end = min(rows, row_end + row_end % 2)
        else:
            shape, column_begin = (-(-columns // 2), rows), column_begin - column_begin % 2
            column_end = min(columns, column_end + column_end % 2)
        values = np.full(shape, UNWRITTEN[4], np.uint32).view(np.float32)
        packed = Panels(values, 0, make.padding(), written=True)
        matrix = Array(make.magnitudes(rows, columns, low=-5, high=5).astype(np.float32))
        yield make.case(f"({rows}, {columns})", (row_begin, row_end, column_begin, column_end), matrix=matrix,
                        packed=packed, columns=columns, packed_panel=packed.panel_stride)  # fmt: skip


@cases_for("matmul_pairs")
def matmul_pairs_cases(make, kernel):
    inners = itertools.cycle(INNER)
    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        inner = next(inners)
        a, b = make.matrix(pair_values(make, rows, inner)), Panels(pair_values(make, inner, columns), 0, make.padding())
        accumulate = number % 5 == 4
        start = make.normal(rows, columns).astype(np.float32)
        c = make.matrix(start) if accumulate else make.output(rows, columns, dtype=np.float32)
        bias = Array(make.normal(columns).astype(np.float32)) if number % 2 else None
        mask = make.matrix(make.normal(rows, columns).astype(np.float32)) if number % 3 == 1 else None
        yield make.case(
            f"({rows}, {inner} pairs, {columns})", block, a=a, b=b, bias=bias, mask=mask, c=c, inner=inner,
            columns=columns, a_stride=a.stride, b_panel=b.panel_stride, mask_stride=mask.stride if mask else 0,
            c_stride=c.stride, relu=number % 4 == 2, accumulate=int(accumulate),
        )  # fmt: skip


@cases_for("matmul_gradient_pairs")
def matmul_gradient_pairs_cases(make, kernel):
    inners = itertools.cycle([inner for inner in INNER if inner])
    for number, (rows, columns, block) in enumerate(make.tile_shapes()):
        minibatch, accumulate = next(inners), number % 4 == 3
        pairs = -(-minibatch // 2)
        x, dy = make.matrix(pair_values(make, pairs, rows)), make.matrix(pair_values(make, pairs, columns))
        extent = (block[1] - block[0], block[3] - block[2])
        start = make.normal(*extent).astype(np.float32)
        gradient = make.matrix(start) if accumulate else make.output(*extent, dtype=np.float32)
        yield make.case(f"({minibatch}, {rows})' x ({minibatch}, {columns})", block,
                        {"rows": minibatch, "gradient": gradient}, x=x, dy=dy, x_stride=x.stride, dy_stride=dy.stride,
                        accumulate=int(accumulate))  # fmt: skip


# ---------------------------------------------------------------- elementwise.h


def inputs_of(make, kernel, rows, columns):
    """Arguments where the function is neither constant nor out of range."""
    if kernel == "log_forward":
        return np.abs(make.magnitudes(rows, columns, low=-30, high=30))
    return make.normal(rows, columns, scale=6)


@cases_for("scale_shift", "relu_forward", "sigmoid_forward", "tanh_forward", "exp_forward", "log_forward")
def unary_cases(make, kernel):
    scalars = {"scale": 1 / 255, "shift": -0.5} if kernel == "scale_shift" else {}

    def one(label, values, block, in_place=False, padding=None, timed=False):
        rows, columns = values.shape
        x = make.matrix(values, padding)
        y = x if in_place else make.output(rows, columns, padding=padding)
        return make.case(label, block, timed=timed, x=x, y=y, features=columns, x_stride=x.stride, y_stride=y.stride,
                         **scalars)  # fmt: skip

    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        in_place = number % 4 == 1
        values = inputs_of(make, kernel, rows, columns)
        # rows without gaps may be taken as one long row
        yield one(f"({rows}, {columns}){' in place' if in_place else ''}", values, block, in_place,
                  0 if number % 5 == 0 else None)  # fmt: skip
    yield one("special values", make.specials(5, 31), 5)
    limit = float(np.log(np.finfo(make.dtype).max))
    edges = np.concatenate([np.linspace(-1.3, -0.9, 40) * limit, np.linspace(0.9, 1.1, 40) * limit])
    yield one("where e^x ends", edges.astype(make.dtype).reshape(4, 20), 4)
    yield one("(128, 256)", inputs_of(make, kernel, 128, 256), 128, padding=0, timed=True)


@cases_for("relu_backward", "sigmoid_backward", "tanh_backward")
def slope_cases(make, kernel):
    def one(label, y, dy, block, in_place=False, padding=None, timed=False):
        rows, columns = y.shape
        y, dy = make.matrix(y, padding), make.matrix(dy, padding)
        dx = dy if in_place else make.output(rows, columns, padding=padding)
        return make.case(label, block, timed=timed, y=y, dy=dy, dx=dx, features=columns, y_stride=y.stride,
                         dy_stride=dy.stride, dx_stride=dx.stride)  # fmt: skip

    def outputs(rows, columns):
        if kernel == "sigmoid_backward":
            return make.uniform(rows, columns)
        y = make.normal(rows, columns)
        return np.tanh(2 * y) if kernel == "tanh_backward" else np.maximum(y, 0)

    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        in_place = number % 4 == 1
        yield one(f"({rows}, {columns}){' in place' if in_place else ''}", outputs(rows, columns),
                  make.normal(rows, columns), block, in_place, 0 if number % 5 == 0 else None)  # fmt: skip
    yield one("special dy", outputs(5, 31), make.specials(5, 31), 5)
    special_y = make.specials(5, 31) if kernel == "relu_backward" else make.specials(5, 31, infinities=False, nan=False)
    if kernel != "relu_backward":
        special_y = np.clip(special_y, 0 if kernel == "sigmoid_backward" else -1, 1)
    yield one("special y", special_y, make.normal(5, 31), 5)
    yield one("(128, 256)", outputs(128, 256), make.normal(128, 256), 128, padding=0, timed=True)


def group_shapes(make):
    """(rows, groups, classes, block): one group over every number of classes, and several."""
    for rows, columns, block in make.row_shapes():
        yield rows, 1, columns, block
    for rows, groups in ((1, 2), (3, 5), (2, 17), (30, 3), (5, 33)):
        for classes in (1, 2, 3, 8, 10, 15, 16, 17, 31, 33, 64):
            yield rows, groups, classes, (rows // 3, rows)


def logits(make, number, rows, groups, classes):
    """Logits of ordinary size, and of others in turn: shifted far, spread wide, all equal."""
    x = make.normal(rows, groups * classes, scale=(1, 3, 30, 0)[number % 4])
    return x + make.dtype.type((0, 100, 0, -5)[number % 4])


@cases_for("softmax_forward", "softmax_backward")
def softmax_cases(make, kernel):
    def one(label, values, groups, classes, block, in_place=False, padding=None, timed=False):
        rows, width = values.shape
        if kernel == "softmax_forward":
            arrays = {"x": make.matrix(values, padding)}
        else:
            y = make.probabilities(rows, groups, classes).reshape(rows, width)
            arrays = {"y": make.matrix(y, padding), "dy": make.matrix(values, padding)}
        result = make.output(rows, width, padding=padding)
        if in_place:
            result = arrays["x" if kernel == "softmax_forward" else ("y", "dy")[rows % 2]]
        arrays["y" if kernel == "softmax_forward" else "dx"] = result
        strides = {f"{name}_stride": array.stride for name, array in arrays.items()}
        return make.case(label, block, timed=timed, groups=groups, classes=classes, **arrays, **strides)

    for number, (rows, groups, classes, block) in enumerate(group_shapes(make)):
        in_place = number % 4 == 1
        yield one(f"({rows}, {groups}, {classes}){' in place' if in_place else ''}",
                  logits(make, number, rows, groups, classes), groups, classes, block, in_place,
                  0 if number % 5 == 0 else None)  # fmt: skip
    for classes in (5, 40):
        x = make.normal(6, classes)
        x[0, 1], x[1, 2:], x[2, 3], x[3] = -np.inf, -np.inf, np.nan, np.finfo(make.dtype).max / 4
        if kernel == "softmax_backward":
            x[:3] = make.normal(3, classes)
        yield one("special values", x, 1, classes, 6)
    for rows, groups, classes in ((128, 1, 10), (128, 1, 256), (128, 16, 16)):
        values = make.normal(rows, groups * classes)
        yield one(f"({rows}, {groups}, {classes})", values, groups, classes, rows, padding=0, timed=True)


# ---------------------------------------------------------------- random.h


@cases_for("dropout")
def dropout_cases(make, kernel):
    seeds = itertools.cycle((0, 1, 2**32 - 1, 2**32, 2**64 - 1, 0x0123456789ABCDEF))
    rates = itertools.cycle((0.5, 0.1, 0.0, 0.999, 1 / 3, 1.0, 2.0**-32))

    def one(label, values, block, in_place=False, padding=None, timed=False, rate=None):
        rows, columns = values.shape
        x = make.matrix(values, padding)
        y = x if in_place else make.output(rows, columns, padding=padding)
        rate = next(rates) if rate is None else rate
        step = int(make.random.integers(1, 2**32))
        stream = 0x20000000 + int(make.random.integers(0, 2**28))
        return make.case(f"{label} rate {rate:.3g}", block, {"seed": next(seeds), "step": step}, timed=timed, x=x, y=y,
                         features=columns, x_stride=x.stride, y_stride=y.stride, stream=stream, rate=rate)  # fmt: skip

    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        in_place = number % 4 == 1
        yield one(f"({rows}, {columns}){' in place' if in_place else ''}", make.normal(rows, columns), block, in_place)
    yield one("special values", make.specials(5, 31), 5, rate=0.5)
    yield one("(128, 256)", make.normal(128, 256), 128, padding=0, timed=True, rate=0.5)


@cases_for("random_uniform")
def random_uniform_cases(make, kernel):
    seeds = itertools.cycle((0, 1, 2**32 - 1, 2**32, 2**64 - 1))
    bounds = itertools.cycle(((0.0, 1.0), (-0.05, 0.05), (3.0, 5.0), (-1e-3, 2e3)))
    for rows, columns, block in [*make.tile_shapes(), (784, 256, (0, 784, 0, 256))]:
        (low, high), stream = next(bounds), 0x10000000 + int(make.random.integers(0, 2**28))
        yield make.case(f"({rows}, {columns})", block, {"seed": next(seeds), "step": 7}, timed=rows == 784,
                        y=make.output(rows, columns, padding=0), columns=columns, stream=stream, low=low,
                        high=high)  # fmt: skip


# ---------------------------------------------------------------- losses.h and metrics.h


def loss_case(make, kernel, number, rows, target, prediction, block, sizes, *, timed=False, note=""):
    """A case of a loss: weights in every other one; a gradient nowhere, in memory of its own or in place."""
    in_place, wanted = number % 6 == 2, number % 3 != 0 or timed
    weighted = number % 2 == 1
    if prediction.shape[1] * rows < 1000 and number % 6 == 5:
        sizes = {**sizes, "scale": 0.75}
    t, p = make.matrix(target, 0 if timed else None), make.matrix(prediction, 0 if timed else None)
    gradient = None
    if wanted:
        gradient = p if in_place and not timed else make.output(*prediction.shape, padding=0 if timed else None)
    given = {"weighted": weighted, "gradient": wanted, "in place": in_place and wanted and not timed}
    label = " ".join([f"({rows}, {', '.join(str(n) for n in sizes.values() if isinstance(n, int))})", note,
                      *(name for name, on in given.items() if on)])  # fmt: skip
    smoothing = {"label_smoothing": 0.1 if number // 2 % 2 else 0.0} if takes_smoothing(kernel) else {}
    weight = Array(make.uniform(rows, high=3) * (make.random.random(rows) > 0.2).astype(make.dtype))
    return make.case(
        label, block, {"rows": rows + number % 3}, timed=timed, target=t, prediction=p,
        weight=weight if weighted else None, loss=make.output(rows), gradient=gradient, target_stride=t.stride,
        prediction_stride=p.stride, gradient_stride=gradient.stride if wanted else 0,
        **{"scale": 1.0, **sizes, **smoothing},
    )  # fmt: skip


def takes_smoothing(kernel):
    """Whether targets are probabilities, which can be smoothed."""
    return "crossentropy" in kernel and "sparse" not in kernel


@cases_for("mean_squared_error", "binary_crossentropy", "binary_crossentropy_logits")
def feature_loss_cases(make, kernel):
    def arrays(rows, columns, number):
        if kernel == "mean_squared_error":
            return make.normal(rows, columns), make.normal(rows, columns)
        target = make.random.integers(0, 2, (rows, columns)).astype(make.dtype)
        if number % 4 == 3:
            target = make.uniform(rows, columns)
        if kernel == "binary_crossentropy":
            return target, make.uniform(rows, columns)
        return target, make.normal(rows, columns, scale=(1, 10, 100)[number % 3])

    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        target, prediction = arrays(rows, columns, number)
        yield loss_case(make, kernel, number, rows, target, prediction, block, {"features": columns})
    shapes = ((300, 1), (257, 1), (130, 2), (2, 600), (90, 3))  # around the 256 elements that are taken at a time
    for number, (rows, columns) in enumerate(shapes):
        target, prediction = arrays(rows, columns, number)
        yield loss_case(make, kernel, number + 1, rows, target, prediction, (1, rows), {"features": columns})
    for number in (1, 2, 4, 5):
        target, prediction = arrays(5, 31, 0)
        if kernel == "binary_crossentropy":
            p = np.array([0, 1, 1e-7, 1 - 1e-7, 1e-30, 0.5, 0.999999, 2e-7, -0.0], make.dtype)
            prediction = np.resize(p, (5, 31))
            prediction[2, 3], prediction[3, 4], prediction[4, 5:7] = np.nan, np.inf, -np.inf
        elif kernel == "binary_crossentropy_logits":
            prediction = np.resize(np.array([0, -0.0, 1e-30, 88, -88, 105, -105, 750, -750, 1e30, -1e30], make.dtype), (5, 31))  # noqa: E501
            prediction[2, 3], prediction[3, 4], prediction[4, 5] = np.nan, np.inf, -np.inf
        else:
            target[0, :4] = prediction[0, :4] = 1e-30
            target[1, 0], target[2, 0] = np.inf, np.nan
        yield loss_case(make, kernel, number, 5, target, prediction, 5, {"features": 31}, note="special")
    for rows, columns in ((128, 1), (128, 10), (128, 784)):
        target, prediction = arrays(rows, columns, 0)
        yield loss_case(make, kernel, 1, rows, target, prediction, rows, {"features": columns}, timed=True)


@cases_for("categorical_crossentropy", "categorical_crossentropy_logits", "sparse_categorical_crossentropy",
           "sparse_categorical_crossentropy_logits")  # fmt: skip
def class_loss_cases(make, kernel):
    sparse, from_logits = "sparse" in kernel, kernel.endswith("logits")

    def targets(rows, groups, classes, number):
        labels = make.random.integers(0, classes, (rows, groups))
        if sparse:
            return labels.astype(np.int32)
        if number % 3 == 2:
            return make.probabilities(rows, groups, classes).reshape(rows, -1)
        return (labels[..., None] == np.arange(classes)).astype(make.dtype).reshape(rows, -1)

    def predictions(rows, groups, classes, number):
        if from_logits:
            return logits(make, number, rows, groups, classes)
        scale = (1, 1, 7)[number % 3]  # a sum of 1 is not required
        return make.probabilities(rows, groups, classes).reshape(rows, -1) * make.dtype.type(scale)

    def one(number, rows, groups, classes, block, target=None, prediction=None, **options):
        target = targets(rows, groups, classes, number) if target is None else target
        prediction = predictions(rows, groups, classes, number) if prediction is None else prediction
        sizes = {"groups": groups, "classes": classes}
        return loss_case(make, kernel, number, rows, target, prediction, block, sizes, **options)

    for number, (rows, groups, classes, block) in enumerate(group_shapes(make)):
        yield one(number, rows, groups, classes, block)
    for number, classes in itertools.product((1, 2, 4, 5), (5, 16, 17, 40)):
        if sparse:
            labels = np.resize(np.array([0, classes - 1, classes, -1, 2**31 - 1, -(2**31), 1], np.int32), (20, 1))
            yield one(number, 20, 1, classes, 20, labels, note="labels that are no class")
        if from_logits and sparse:  # classes that are ruled out
            x, target = make.normal(9, classes), targets(9, 1, classes, 0)
            x[(make.random.random(x.shape) < 0.4) & (target != np.arange(classes))] = -np.inf
            x[7, 0], x[8, target[8, 0]] = np.inf, -np.inf
            yield one(number, 9, 1, classes, 9, target, x, note="infinite")
        if from_logits:
            x = make.normal(6, classes)
            x[0, 0], x[1], x[2] = 1e4, np.linspace(-200, 200, classes), 1e30
            target = targets(6, 1, classes, 0)
        else:
            x = make.probabilities(6, classes)
            x[0], x[1], x[2] = np.eye(1, classes), np.eye(1, classes)[:, ::-1], np.eye(1, classes) * 3
            x[3, 1] = 1e-12
            target = targets(6, 1, classes, 0)
            if not sparse:
                target[1] = x[0]
        x[5, classes // 2] = np.nan
        yield one(number, 6, 1, classes, 6, target, x, note="extreme")
    for rows, groups, classes in ((128, 1, 10), (128, 1, 256)):
        yield one(1, rows, groups, classes, rows, timed=True)


def metric_case(make, kernel, target, prediction, block, sizes, timed=False):
    """A case of a metric."""
    t, p = make.matrix(target, 0 if timed else None), make.matrix(prediction, 0 if timed else None)
    shape = ", ".join(str(n) for n in (len(target), *sizes.values()))
    return make.case(f"({shape})", block, {"rows": len(target)}, timed=timed, target=t, prediction=p,
                     value=make.output(len(target)), target_stride=t.stride, prediction_stride=p.stride,
                     **sizes)  # fmt: skip


@cases_for("mean_absolute_error", "binary_accuracy")
def feature_metric_cases(make, kernel):
    binary = kernel == "binary_accuracy"

    def arrays(rows, columns):
        if not binary:
            return make.normal(rows, columns), make.normal(rows, columns)
        prediction = np.round(make.uniform(rows, columns), 1).astype(make.dtype)  # some on the threshold
        return make.random.integers(0, 2, (rows, columns)).astype(make.dtype), prediction

    shapes = [*make.row_shapes(), (300, 1, (1, 299)), (130, 2, (0, 130)), (2, 600, (0, 2))]
    for number, (rows, columns, block) in enumerate(shapes):
        sizes = {"threshold": (0.5, 0.0, 0.3)[number % 3]} if binary else {}
        yield metric_case(make, kernel, *arrays(rows, columns), block, {"features": columns, **sizes})
    target, prediction = arrays(5, 31)
    if binary:
        prediction[0, :6] = np.nan, np.inf, -np.inf, -0.0, 0.0, 0.5
        target[0, 7:10] = -0.0, 0.5, np.nan
    else:
        target[1, 0], target[2, 0], target[3] = np.inf, np.nan, 1e-30
    sizes = {"threshold": 0.5} if binary else {}
    yield metric_case(make, kernel, target, prediction, 5, {"features": 31, **sizes})
    yield metric_case(make, kernel, *arrays(128, 10), 128, {"features": 10, **sizes}, timed=True)


@cases_for("categorical_accuracy", "sparse_categorical_accuracy")
def class_metric_cases(make, kernel):
    sparse = kernel.startswith("sparse")

    def one(rows, groups, classes, block, steps, timed=False):
        # few different values: the first of equals counts
        prediction = np.round(make.normal(rows, groups * classes) * steps).astype(make.dtype)
        target = np.round(make.normal(rows, groups * classes) * steps).astype(make.dtype)
        right = make.random.random((rows, groups)) < 0.5
        guess = prediction.reshape(rows, groups, classes).argmax(axis=-1)
        labels = np.where(right, guess, make.random.integers(-1, classes + 1, (rows, groups)))
        if not sparse:
            target.reshape(rows, groups, classes)[right] = prediction.reshape(rows, groups, classes)[right]
        return metric_case(make, kernel, labels.astype(np.int32) if sparse else target, prediction, block,
                           {"groups": groups, "classes": classes}, timed)  # fmt: skip

    for number, (rows, groups, classes, block) in enumerate(group_shapes(make)):
        yield one(rows, groups, classes, block, (1, 100)[number % 2])
    yield one(128, 1, 10, 128, 100, timed=True)


# ---------------------------------------------------------------- reports.h


@cases_for("require_finite")
def require_finite_cases(make, kernel):
    for rows in (1, 5, 16, 30, 128):
        yield make.case(f"({rows},) finite", rows, values=Array(make.specials(rows, 1, False, False)[:, 0]))
        for number, bad in enumerate((np.nan, np.inf, -np.inf)):
            values = make.normal(rows)
            place = (0, rows // 2, rows - 1)[number]
            values[place] = bad
            yield make.case(f"({rows},) {bad} at {place}", rows, values=Array(values))
            if rows > 2:
                yield make.case(f"({rows},) {bad} at {place} out of the block", (1, rows - 1), values=Array(values))


@cases_for("accumulate_sum")
def accumulate_sum_cases(make, kernel):
    for rows in (0, *ROWS, 31, 32, 33, 128, 1000):
        values = make.magnitudes(max(rows, 1), low=-4, high=4)
        yield make.case(f"({rows},)", (0, 1), {"rows": rows}, timed=rows == 128, values=Array(values[:rows]),
                        total=Array(np.array([rows * 0.1])))  # fmt: skip


# ---------------------------------------------------------------- optimizers.h

LEARNING_RATES = (0.01, 1e-3, 0.3)


def update_cases(make, states, options, flops):
    """Cases of an update.

    Parameters
    ----------
    states : function of (rows, columns) that returns the state's arrays by name
    options : list of dicts of further arguments, in turn
    flops : of an element
    """

    def one(rows, columns, block, number, gradient=None, timed=False):
        height, width = block[1] - block[0], block[3] - block[2]
        # without padding a gradient that covers whole rows is one long row
        padding = 0 if number % 3 == 0 or timed else None
        g = make.magnitudes(height, width, low=-3, high=1) if gradient is None else gradient
        chosen = options[number % len(options)]
        worker = {
            "learning_rate": LEARNING_RATES[number % 3],
            "gradient": make.matrix(g, padding),
            "coefficient": [0.0123, 1.7, 0, 0, 0, 0, 0, 0],
        }
        given = " ".join(f"{name}={value:.4g}" for name, value in chosen.items() if isinstance(value, (int, float)))
        arrays = {"parameter": Array(make.normal(rows, columns)), **states(rows, columns), **chosen}
        return make.case(f"({rows}, {columns}) {given}", block, worker, timed=timed, flops=flops * height * width,
                         columns=columns, **arrays)  # fmt: skip

    for number, (rows, columns, block) in enumerate(make.tile_shapes()):
        yield one(rows, columns, block, number)
    for number in range(len(options)):
        yield one(4, 40, (0, 4, 0, 40), number, np.zeros((4, 40), make.dtype))
        yield one(5, 31, (0, 5, 0, 31), number, make.magnitudes(5, 31, low=-30, high=12))
        yield one(32, 128, (0, 32, 0, 128), number, timed=True)


@cases_for("prefetch")
def prefetch_cases(make, kernel):
    for rows, columns, block in make.tile_shapes():
        yield make.case(f"({rows}, {columns})", block, array=Array(make.specials(rows, columns)), columns=columns)


@cases_for("sgd")
def sgd_cases(make, kernel):
    yield from update_cases(make, lambda rows, columns: {}, [{}], 2)


@cases_for("sgd_momentum")
def sgd_momentum_cases(make, kernel):
    options = [{"nesterov": nesterov, "momentum": momentum} for momentum in (0.9, 0.0, 0.99) for nesterov in (0, 1)]
    yield from update_cases(make, lambda rows, columns: {"velocity": Array(make.normal(rows, columns))}, options, 4)


@cases_for("adam")
def adam_cases(make, kernel):
    def states(rows, columns):
        second = np.abs(make.magnitudes(rows, columns, low=-8, high=0))
        second[:, ::5] = 0
        return {"first_moment": Array(make.normal(rows, columns)), "second_moment": Array(second)}

    options = [
        {"epsilon_inside_sqrt": inside, "beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
        for beta_1, beta_2, epsilon in ((0.9, 0.999, 1e-8), (0.0, 0.5, 1e-3), (0.5, 0.0, 1e-7))
        for inside in (1, 0)
    ]
    yield from update_cases(make, states, options, 12)


@cases_for("rmsprop")
def rmsprop_cases(make, kernel):
    presence = itertools.cycle(itertools.product((False, True), repeat=2))

    def states(rows, columns):
        momentum, centered = next(presence)
        mean = make.normal(rows, columns)
        square = mean * mean * make.uniform(rows, columns, low=1, high=3)
        return {
            "mean_square": Array(square),
            "velocity": Array(make.normal(rows, columns)) if momentum else None,
            "mean": Array(mean) if centered else None,
        }

    options = [
        {"epsilon_inside_sqrt": inside, "rho": rho, "momentum": momentum, "epsilon": epsilon}
        for rho, momentum, epsilon in ((0.9, 0.9, 1e-8), (0.0, 0.0, 1e-3), (0.99, 0.5, 1e-6))
        for inside in (1, 0)
    ]
    yield from update_cases(make, states, options, 10)


@cases_for("adam_coefficients")
def adam_coefficients_cases(make, kernel):
    for step in (1, 2, 3, 10, 1000, 123456, 10**7):
        for beta_1, beta_2 in ((0.9, 0.999), (0.0, 0.5), (0.99999, 0.9999999)):
            yield make.case(f"step {step} beta {beta_1}, {beta_2}", (0, 1), {"step": step, "learning_rate": 0.003},
                            beta_1=beta_1, beta_2=beta_2)  # fmt: skip


@cases_for("store_gradient", "load_gradient")
def gradient_cases(make, kernel):
    name = "target" if kernel == "store_gradient" else "source"
    for number, (rows, columns, block) in enumerate([*make.tile_shapes(), (32, 128, (0, 32, 0, 128))]):
        extent, timed = (block[1] - block[0], block[3] - block[2]), rows == 32
        padding = 0 if number % 3 == 0 else None
        if kernel == "load_gradient":
            stored, gradient, options = make.specials(rows, columns), make.output(*extent, padding=padding), {}
        else:
            accumulate = number % 2
            stored = make.normal(rows, columns) if accumulate else make.output(rows, columns, padding=0).values
            values = make.normal(*extent) if accumulate else make.specials(*extent)
            gradient, options = make.matrix(values, padding), {"accumulate": accumulate}
        yield make.case(f"({rows}, {columns})", block, {"gradient": gradient}, timed=timed, columns=columns,
                        **{name: Array(stored)}, **options)  # fmt: skip

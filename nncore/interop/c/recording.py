"""The steps of a model's prediction for one row, as the engine's own plan has them, with what they read and write."""

import bisect
import math
from typing import NamedTuple

import numpy as np

from nncore import _engine, _ports
from nncore._plan import Builder
from nncore.layers.layer import emit_layer
from nncore.layers.preparing import refuse_preparing
from nncore.models.single_calls import all_layers


class Step(NamedTuple):
    """A kernel with its arguments by name, for so many rows; `layer` is whose it is, "" for inputs and outputs."""

    layer: str
    kernel: str
    rows: int
    arguments: dict


class Recorder(Builder):
    """A Builder of a plan for one row that keeps the steps and buffers; a step in Python is refused."""

    def __init__(self, dtype):
        super().__init__(dtype, 1)
        self.steps, self.roots, self.layer = [], [], None

    def buffer(self, width, dtype=None, gapless=False):
        placed = super().buffer(width, dtype, gapless)
        self.roots.append(placed)
        return placed

    def forward(self, kernel, per_row=1, **arguments):
        self.steps.append(Step("" if self.layer is None else self.layer.name, kernel, per_row, arguments))
        super().forward(kernel, per_row, **arguments)

    def forward_meeting(self, jobs):
        raise ValueError(
            f"c.export does not support layer {self.layer.name!r} ({type(self.layer).__name__}), or a layer in it: "
            "it is computed in Python"
        )

    def emit_named(self, builder, layer, values, options):
        """As `emit_layer`, taking note of the layer."""
        self.layer = layer
        outputs = emit_layer(builder, layer, values, options)
        self.layer = None
        return outputs


class Recording:
    """What a model's prediction does: `steps` between `input_widths` and `output_widths`, over buffers of `roots`.

    Parameters
    ----------
    model : Model, built
    """

    def __init__(self, model):
        refuse_states(model)
        refuse_preparing(model, "c.export")
        self.dtype, graph = model.dtype, model.graph
        recorder = Recorder(model.dtype)
        xs = [_ports.gather_input(recorder, f"x{number}", shape, False, graph.readers(number))
              for number, shape in enumerate(graph.input_shapes)]  # fmt: skip
        recorder.layer = model
        ys = model.emit_graph(recorder, xs) if model.call else graph.emit(recorder, xs, recorder.emit_named)
        recorder.layer = None
        for number, y in enumerate(ys):
            _ports.store(recorder, f"output{number}", y)
        self.input_widths = [math.prod(shape) for shape in graph.input_shapes]
        self.output_widths = [math.prod(shape) for shape in graph.output_shapes]
        self.steps, self.roots = recorder.steps, recorder.roots
        self._keeper = _run_once(recorder, self.input_widths, self.output_widths)
        self._named = {}
        for layer in all_layers(model):
            for weight in layer.weight_list():
                self._named.setdefault(_address(weight.array), f"{layer.name}_{weight.name}")

    def leave_out_dead_steps(self):
        """Takes away the steps that no output depends on, such as those of masks that nobody reads."""
        wanted, kept = set(), []
        for step in reversed(self.steps):
            read, written = set(), set()
            for argument in _engine.KERNELS[step.kernel].arguments:
                value = step.arguments[argument.name]
                if isinstance(value, _engine.Buffer):
                    (written if "OUT" in argument.role else read).add(self.root_of(value))
            if step.kernel == "store_rows" or written & wanted:
                wanted |= read | written
                kept.append(step)
        self.steps = kept[::-1]

    def root_of(self, buffer):
        """The number of the buffer among `roots` that this one is a part of."""
        return bisect.bisect_right(self.roots, buffer.offset, key=lambda root: root.offset) - 1

    def name_of(self, array):
        """What an array is called that begins where a weight does; None for any other."""
        return self._named.get(_address(array))


def refuse_states(model):
    """Raises ValueError for layers that keep a state from call to call."""
    for layer in all_layers(model):
        if getattr(layer, "stateful", False):
            raise ValueError(f"c.export does not support stateful layers; layer {layer.name!r} keeps a state")


def _run_once(recorder, input_widths, output_widths):
    """Runs the plan, whose prologue computes what follows from weights alone; returns what its arrays live in."""
    recorder.finish()
    arrays = {}
    for number, width in enumerate(input_widths):
        arrays[f"x{number}"] = np.zeros((1, width), recorder.dtype)
        arrays[f"x{number}_type"] = _engine.SOURCE_TYPES.index(recorder.dtype)
        arrays[f"x{number}_bytes"] = width * recorder.dtype.itemsize
    for number, width in enumerate(output_widths):
        arrays[f"output{number}"] = np.zeros((1, width), recorder.dtype)
    recorder.bind(**{name: value for name, value in arrays.items() if name in recorder.bindings})
    recorder.plan.run(1)
    return recorder


def _address(array):
    return array.__array_interface__["data"][0]


def matrix_of(b, stride, panel, inner, columns):
    """The matrix (inner, columns) that a product reads at `b`: rows `stride` apart, or panels (`matmul.h`)."""
    size = b.dtype.itemsize
    width = columns if panel == 0 else stride
    found = np.empty((inner, columns), b.dtype)
    flat = b.reshape(-1) if b.flags.c_contiguous else b
    for number, first in enumerate(range(0, columns, width)):
        count = min(width, columns - first)
        part = flat[number * panel :] if panel else b
        found[:, first : first + count] = np.lib.stride_tricks.as_strided(
            part, (inner, count), (stride * size, size), writeable=False
        )
    return found

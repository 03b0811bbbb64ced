"""From the engine's kernels to calls of the functions in kernels/.

A translation is a function of a kernel's arguments: it returns the C function's name and its arguments in order. Those
are numbers, arrays of constants, and places in buffers, which know whether they are written to.
"""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from nncore import _engine
from nncore.interop.c.recording import matrix_of


class Place(NamedTuple):
    """Where a buffer begins; `width` elements, for one that only the step itself needs and has no buffer."""

    buffer: object
    written: bool
    width: int = 0


class Real(NamedTuple):
    """A number of the model's type."""

    value: float


class Numbers(NamedTuple):
    """Integers that make a constant: `count` structs of type `type`."""

    type: str
    values: np.ndarray
    count: int  # type: ignore[assignment]


class Function(NamedTuple):
    """An activation function of a recurrent layer, as a call on `count` elements from x to y."""

    name: str
    arguments: tuple


class Text(NamedTuple):
    """C as it stands."""

    text: str


def arguments_of(step):
    """A step's arguments by name, as translations take them."""
    found = {}
    for argument in _engine.KERNELS[step.kernel].arguments:
        value = step.arguments[argument.name]
        if isinstance(value, _engine.Buffer):
            value = Place(value, "OUT" in argument.role)
        elif argument.role == "SCALAR":
            value = Real(float(value))
        elif argument.role == "SIZE" and not hasattr(value, "name"):
            value = int(value)
        found[argument.name] = value
    return SimpleNamespace(rows=step.rows, **found)


def _map(name, *more):
    """A function of each element, with further arguments of the kernel's."""
    return lambda a: (name, a.features, a.x, a.y, *(getattr(a, argument) for argument in more))


def _pair(name):
    return lambda a: (name, a.features, a.a, a.b, a.y)


def _matmul(a):
    name = "dense_product_added" if a.accumulate else "dense_product"
    matrix = matrix_of(a.b, a.b_stride, a.b_panel, a.inner, a.columns)
    return (name, a.rows, a.inner, a.columns, a.a, a.a_stride if a.rows > 1 else 0, (a.b, matrix), a.bias, a.relu, a.c,
            a.c_stride if a.rows > 1 else 0)  # fmt: skip


def _window_product(a):
    taps, channels = int(a.geometry[6] * a.geometry[7]), int(a.geometry[12])
    matrix = matrix_of(a.b, a.b_stride, a.b_panel, taps * channels, a.columns)
    return ("window_product", Numbers("windows", a.geometry[:17], 1), a.columns, a.a, (a.b, matrix), a.bias, a.relu,
            a.c)  # fmt: skip


def _axes(a):
    return Numbers("axis", a.windows, 2)


def _head_product(a):
    a_steps = (1, a.a_row) if a.a_transposed else (a.a_row, 1)
    b_steps = (1, a.b_row) if a.b_transposed else (a.b_row, 1)
    return ("head_product", a.heads, a.outer, a.inner, a.columns, a.a, a.a_head, *a_steps, a.b, a.b_head, *b_steps,
            a.c, a.c_head, a.c_row)  # fmt: skip


def _recurrent_matrix(a, gates):
    return (a.u, matrix_of(a.u, a.u_stride, a.u_panel, a.units, gates * a.units))


def _element_wise(description, standard):
    """An activation function that is `standard` unless described, as in recurrent.h."""
    if description is None:
        return Text(standard)
    kernel = next(k for k in _engine.KERNELS.values() if k.number == int(description[0, 0]))
    values = {}
    for slot, argument in zip(description[0, 2:], kernel.arguments, strict=False):
        values[argument.name] = Real(float(slot.view(np.float64))) if argument.role == "SCALAR" else int(slot)
    values.update(features=Text("count"), x=Text("x"), y=Text("y"))
    name, *arguments = TRANSLATIONS[kernel.name](SimpleNamespace(**values))
    return Function(name, tuple(arguments))


def _recurrent(kernel, gates, *more):
    """A cell's call: its sizes, its functions, its matrix, and what it has beside gates and h."""

    def translate(a):
        functions = [_element_wise(a.activation, "hyperbolic_tangent")]
        if gates > 1:
            functions.append(_element_wise(a.recurrent_activation, "sigmoid"))
        bias = (a.bias,) if kernel == "gru" else ()
        between = [Place(None, True, 3 * a.units)] if kernel == "gru" else []
        return (kernel, a.steps, a.units, a.backwards, *functions, _recurrent_matrix(a, gates), *bias, a.mask, a.gates,
                *between, a.h, *(getattr(a, name) for name in more))  # fmt: skip

    return translate


TRANSLATIONS = {
    "add": _pair("add"),
    "add_rows": lambda a: ("add", a.features, a.y, a.x, a.y),
    "apply_mask": _pair("apply_mask"),
    "attention_softmax": lambda a: ("attention_softmax", a.heads, a.queries, a.keys, a.causal, a.scale, a.shift,
                                    a.unseeing, a.scores, a.query_mask, a.key_mask, a.attention_mask, a.y),
    "average_pool_forward": lambda a: ("average_pool", _axes(a), a.channels, a.x, a.y),
    "copy_axes": lambda a: ("copy_axes", a.axes, Numbers("stretch", a.layout, a.axes), a.x, a.y),
    "depthwise_forward": lambda a: ("depthwise", _axes(a), a.channels, a.x, a.weight, a.bias, a.relu, a.y),
    "embedding_forward": lambda a: ("embedding", a.positions, a.count, a.width, a.indices, a.table, a.y),
    "exp_forward": _map("exponential"),
    "exponential_linear_forward": _map("exponential_linear", "scale", "height", "rate"),
    "gelu_forward": _map("gelu"),
    "glu_forward": lambda a: ("glu", a.groups, a.units, a.x, a.y),
    "group_moments": lambda a: ("group_moments", a.positions, a.channels, a.extent, a.epsilon, a.x, a.squares, a.gamma,
                                a.mean, a.scale),
    "gru_forward": _recurrent("gru", 3),
    "gru_reset_before_forward": _recurrent("gru_reset_before", 3),
    "head_product": _head_product,
    "index_mask": lambda a: ("number_mask", a.steps, a.masked, a.indices, a.mask),
    "l2_normalize_forward": lambda a: ("l2_normalize", a.groups, a.extent, a.least, a.x, a.y),
    "layer_normalize_forward": lambda a: ("layer_normalize", a.groups, a.extent, int(a.mean is not None), a.epsilon,
                                          a.x, a.gamma, a.beta, a.y),
    "log_forward": _map("logarithm"),
    "log_softmax_forward": lambda a: ("log_softmax", a.groups, a.classes, a.x, a.y),
    "lstm_forward": _recurrent("lstm", 4, "c"),
    "mask_steps": lambda a: ("mask_steps", a.steps, a.features, a.x, a.mask, a.y),
    "masked_mean_forward": lambda a: ("masked_mean", a.steps, a.features, a.x, a.mask, a.y),
    "matmul": _matmul,
    "max_pool_forward": lambda a: ("max_pool", _axes(a), a.channels, a.x, a.y),
    "maximum": _pair("maximum"),
    "minimum": _pair("minimum"),
    "mish_forward": _map("mish"),
    "multiply": _pair("multiply"),
    "normalize": lambda a: ("normalize", a.positions, a.channels, a.x, a.mean, a.scale, a.beta, a.y),
    "pad_zeros": lambda a: ("pad_zeros", a.lines, a.width, a.lines_before, a.lines_after, a.before, a.after, a.x, a.y),
    "parabola_forward": _map("parabola", "low", "high", "factor", "root"),
    "piecewise_forward": _map("piecewise", "closed", "low", "high", "slope_below", "slope_middle", "slope_above",
                              "term_below", "term_middle", "term_above"),
    "prelu_forward": lambda a: ("prelu", a.outer, a.middle, a.inner, a.x, a.alpha, a.y),
    "relu_forward": _map("relu"),
    "sample_moments": lambda a: ("sample_moments", a.positions, a.channels, a.x, a.mean, a.squares),
    "sample_product": lambda a: ("sample_product", a.outer, a.inner, a.columns, a.a, a.a_outer, a.a_inner, a.b,
                                 a.b_inner, a.b_column, a.c),
    "scale_shift": _map("scale_shift", "scale", "shift"),
    "sigmoid_forward": _map("sigmoid"),
    "sigmoid_gate_forward": _map("sigmoid_gate", "linear", "cubic"),
    "simple_rnn_forward": _recurrent("simple_rnn", 1),
    "softmax_forward": lambda a: ("softmax", a.groups, a.classes, a.x, a.y),
    "softplus_forward": _map("softplus", "sign"),
    "softsign_forward": _map("softsign"),
    "squareplus_forward": _map("squareplus", "b"),
    "step_mask": lambda a: ("step_mask", a.steps, a.features, a.value, a.x, a.mask),
    "subtract": _pair("subtract"),
    "sum_axes": lambda a: ("sum_axes", a.kept, a.summed, Numbers("stretch", a.layout, a.kept + a.summed), a.x, a.y),
    "tanh_forward": _map("hyperbolic_tangent"),
    "tanh_shrink_forward": _map("tanh_shrink"),
    "upsample_linear_forward": lambda a: ("upsample_linear", a.image_rows, a.image_columns, a.channels, a.row_factor,
                                          a.column_factor, a.x, a.y),
    "whole_indices": lambda a: ("whole_numbers", a.features, a.x, a.y),
    "window_product": _window_product,
}  # fmt: skip


def translate(step):
    """The call of a step: the function's name, and its arguments."""
    if step.kernel not in TRANSLATIONS or (step.rows != 1 and step.kernel != "matmul"):  # over positions as rows
        raise ValueError(f"c.export does not support layer {step.layer!r}: there is no C for its step {step.kernel!r}")
    return TRANSLATIONS[step.kernel](arguments_of(step))

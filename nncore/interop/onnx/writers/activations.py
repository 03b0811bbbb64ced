"""Activation functions, by operators of their own or made of others.

Numbers in attributes are of 32 bits in ONNX, so that in float64 those functions that have any are made of tensors.
"""

import math

import numpy as np

from nncore import layers
from nncore.interop.onnx.graph import Value
from nncore.interop.onnx.registry import writes

_FUNCTIONS = {}


def activate(graph, x, activation):
    """The Value of an activation of x."""
    return _FUNCTIONS[activation.name](graph, x, activation)


def of_elements(function):
    """Registers `(graph, name, **parameters) -> name`, a function of each element."""

    def write(graph, x, activation):
        return x.elementwise(lambda name: function(graph, name, **activation.parameters))

    _FUNCTIONS[function.__name__] = write
    return function


def along_axis(function):
    """Registers `(graph, name, place of the axis) -> name`, a function along an axis."""

    def write(graph, x, activation):
        order, name = x.native
        axis = activation._axis_of_sample(x.shape) + 1
        return Value(graph, activation.output_shape(x.shape), function(graph, name, order.index(axis)), order)

    _FUNCTIONS[function.__name__] = write
    return function


def known_activations():
    """The names of all that can be written."""
    return set(_FUNCTIONS)


@writes(layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU, layers.Softmax)
def write_activation(graph, layer, x):
    return activate(graph, x, layer.activation)


@writes(layers.PReLU)
def write_prelu(graph, layer, x):
    order, name = x.native
    slopes = graph.of_samples(layer.alpha, order, "alpha")
    return Value(graph, x.shape, graph.op("PRelu", [name, slopes]), order)


@writes(layers.Rescaling)
def write_rescaling(graph, layer, x):
    steps = [("Mul", layer.scale)] if layer.scale != 1 else []
    steps += [("Add", layer.offset)] if layer.offset != 0 else []
    return x.elementwise(lambda name: graph.chain(name, *steps))


_FUNCTIONS["linear"] = lambda graph, x, activation: x


def is_wide(graph):
    """Whether numbers in attributes have too few digits."""
    return graph.dtype == np.float64


# ---------------------------------------------------------------- piecewise linear


@of_elements
def relu(graph, x, negative_slope, max_value, threshold):
    if threshold == 0 and max_value is None:
        return leaky_relu(graph, x, negative_slope) if negative_slope else graph.op("Relu", [x])
    if threshold == 0 and negative_slope == 0:
        return clip(graph, x, 0.0, max_value)
    below = graph.scalar(0.0)
    if negative_slope:
        below = graph.chain(x, ("Sub", threshold), ("Mul", negative_slope))
    above = x
    if max_value is not None:
        above = graph.where(graph.chain(x, ("GreaterOrEqual", max_value)), graph.scalar(max_value), x)
    return graph.where(graph.chain(x, ("LessOrEqual", threshold)), below, above)


@of_elements
def leaky_relu(graph, x, negative_slope):
    if is_wide(graph):
        return graph.op("PRelu", [x, graph.constant([negative_slope])])
    return graph.op("LeakyRelu", [x], alpha=negative_slope)


@of_elements
def relu6(graph, x):
    return clip(graph, x, 0.0, 6.0)


def clip(graph, x, low, high):
    return graph.op("Clip", [x, graph.scalar(low), graph.scalar(high)])


@of_elements
def hard_sigmoid(graph, x):
    return clip(graph, graph.chain(x, ("Mul", 1 / 6), ("Add", 0.5)), 0.0, 1.0)


@of_elements
def sparse_sigmoid(graph, x):
    return clip(graph, graph.chain(x, ("Mul", 0.5), ("Add", 0.5)), 0.0, 1.0)


@of_elements
def hard_tanh(graph, x):
    return clip(graph, x, -1.0, 1.0)


@of_elements
def hard_shrink(graph, x, threshold):
    small = graph.chain(x, ("Abs",), ("LessOrEqual", threshold))
    return graph.where(small, graph.scalar(0.0), x)


@of_elements
def soft_shrink(graph, x, threshold):
    return graph.op("Sub", [x, clip(graph, x, -threshold, threshold)])


@of_elements
def threshold(graph, x, threshold, default_value):
    return graph.where(graph.chain(x, ("LessOrEqual", threshold)), graph.scalar(default_value), x)


# ---------------------------------------------------------------- parabolas


@of_elements
def hard_silu(graph, x):
    return graph.op("Mul", [x, hard_sigmoid(graph, x)])


@of_elements
def sparse_plus(graph, x):
    half = clip(graph, graph.chain(x, ("Mul", 0.5), ("Add", 0.5)), 0.0, 1.0)
    return graph.where(graph.chain(x, ("GreaterOrEqual", 1.0)), x, graph.op("Mul", [half, half]))


# ---------------------------------------------------------------- exponentials


def _exponential_linear(graph, x, scale, height, rate):
    """scale x where x > 0, else height (e^(rate x) - 1)."""
    below = graph.chain(x, ("Mul", rate), ("Exp",), ("Sub", 1.0), ("Mul", height))
    return graph.where(graph.chain(x, ("Greater", 0.0)), graph.chain(x, ("Mul", scale)), below)


@of_elements
def elu(graph, x, alpha):
    return _exponential_linear(graph, x, 1.0, alpha, 1.0) if is_wide(graph) else graph.op("Elu", [x], alpha=alpha)


@of_elements
def selu(graph, x):
    scale, alpha = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
    if is_wide(graph):
        return _exponential_linear(graph, x, scale, scale * alpha, 1.0)
    return graph.op("Selu", [x], alpha=alpha, gamma=scale)


@of_elements
def celu(graph, x, alpha):
    if is_wide(graph):
        return _exponential_linear(graph, x, 1.0, alpha, 1 / alpha)
    return graph.op("Celu", [x], alpha=alpha)


@of_elements
def exponential(graph, x):
    return graph.op("Exp", [x])


# ---------------------------------------------------------------- sigmoids and what is made of them


@of_elements
def sigmoid(graph, x):
    return graph.op("Sigmoid", [x])


@of_elements
def tanh(graph, x):
    return graph.op("Tanh", [x])


@of_elements
def tanh_shrink(graph, x):
    return graph.op("Sub", [x, tanh(graph, x)])


@of_elements
def softsign(graph, x):
    return graph.op("Div", [x, graph.chain(x, ("Abs",), ("Add", 1.0))])


@of_elements
def softplus(graph, x):
    if not is_wide(graph):
        return graph.op("Softplus", [x])
    tail = graph.chain(x, ("Abs",), ("Neg",), ("Exp",), ("Add", 1.0), ("Log",))
    return graph.op("Add", [graph.op("Relu", [x]), tail])


@of_elements
def log_sigmoid(graph, x):
    return graph.op("Neg", [softplus(graph, graph.op("Neg", [x]))])


@of_elements
def squareplus(graph, x, b):
    root = graph.chain(graph.op("Mul", [x, x]), ("Add", b), ("Sqrt",))
    return graph.chain(x, ("Add", root), ("Mul", 0.5))


@of_elements
def silu(graph, x):
    return graph.op("Mul", [x, sigmoid(graph, x)])


@of_elements
def gelu(graph, x, approximate):
    if approximate:
        cube = graph.op("Mul", [graph.op("Mul", [x, x]), x])
        inner = graph.op("Add", [x, graph.chain(cube, ("Mul", 0.044715))])
        share = graph.chain(inner, ("Mul", math.sqrt(2 / math.pi)), ("Tanh",), ("Add", 1.0))
    else:
        share = graph.chain(x, ("Div", math.sqrt(2)), ("Erf",), ("Add", 1.0))
    return graph.chain(graph.op("Mul", [x, share]), ("Mul", 0.5))


@of_elements
def mish(graph, x):
    return graph.op("Mul", [x, tanh(graph, softplus(graph, x))])


# ---------------------------------------------------------------- along an axis


@along_axis
def softmax(graph, x, place):
    return graph.op("Softmax", [x], axis=place)


@along_axis
def log_softmax(graph, x, place):
    return graph.op("LogSoftmax", [x], axis=place)


@along_axis
def glu(graph, x, place):
    first, second = graph.op("Split", [x], outputs=2, axis=place)
    return graph.op("Mul", [first, sigmoid(graph, second)])

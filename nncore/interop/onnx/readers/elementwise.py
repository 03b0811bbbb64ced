"""Functions of each element, arithmetic, and normalization."""

import math

import numpy as np

from nncore import activations, layers
from nncore.interop.onnx.importing import Tensor, reads

# Names of activations without parameters, and what is the least of their values.
PLAIN = {"Relu": ("relu", 0.0), "Sigmoid": ("sigmoid", 0.0), "Tanh": ("tanh", -1.0), "Exp": ("exponential", 0.0),
         "Softplus": ("softplus", 0.0), "Softsign": ("softsign", -1.0), "HardSwish": ("hard_silu", -1.0),
         "Mish": ("mish", -1.0)}  # fmt: skip


@reads(*PLAIN)
def read_activation(reader, node):
    name, least = PLAIN[node.kind]
    return node.unary(node.layer(layers.Activation, name), node.tensor(), least=least)


def _with_parameters(node, activation, **parameters):
    return node.unary(node.layer(layers.Activation, activation.with_parameters(**parameters)), node.tensor())


@reads("LeakyRelu")
def read_leaky_relu(reader, node):
    return _with_parameters(node, activations.leaky_relu, negative_slope=node.attributes.get("alpha", 0.01))


@reads("Elu")
def read_elu(reader, node):
    return _with_parameters(node, activations.elu, alpha=node.attributes.get("alpha", 1.0))


@reads("Celu")
def read_celu(reader, node):
    return _with_parameters(node, activations.celu, alpha=node.attributes.get("alpha", 1.0))


@reads("Gelu")
def read_gelu(reader, node):
    return _with_parameters(node, activations.gelu, approximate=node.attributes.get("approximate", "none") == "tanh")


@reads("Erf")
def read_error_function(reader, node):
    """As a part of gelu: x (1 + erf(x / sqrt(2))) / 2, in two orders of its factors."""
    (before,), (name,) = node.proto.input, node.outputs
    maker = reader.makers.get(before)
    x = reader.with_number(maker, ("Div",), math.sqrt(2)) or reader.with_number(maker, ("Mul",), math.sqrt(0.5))
    sum_ = reader.only_reader(name, "Add")
    product = reader.only_reader(sum_.output[0], "Mul") if reader.with_number(sum_, ("Add",), 1) else None
    node.require(x is not None and product is not None, "is supported as a part of gelu only")
    taken, (other, *_) = [sum_, product], [each for each in product.input if each != sum_.output[0]] or [None]
    if other == x:
        taken.append(reader.only_reader(product.output[0], "Mul"))
        node.require(reader.with_number(taken[-1], ("Mul",), 0.5) is not None, "is supported as a part of gelu only")
    else:
        half = reader.with_number(reader.makers.get(other), ("Mul",), 0.5)
        node.require(half == x, "is supported as a part of gelu only")
    reader.taken |= set(map(id, taken))
    node.outputs, node.inputs = list(taken[-1].output), [reader.value(x)]
    y = node.unary(node.layer(layers.Activation, "gelu"), node.tensor())
    reader.values[taken[-1].output[0]] = y
    return y


@reads("Selu")
def read_selu(reader, node):
    usual = {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}
    for name, value in usual.items():
        given = node.attributes.get(name, value)
        node.require(math.isclose(given, value, rel_tol=1e-6), f"does not support {name}={given}")
    return node.unary(node.layer(layers.Activation, "selu"), node.tensor())


@reads("HardSigmoid")
def read_hard_sigmoid(reader, node):
    slope, offset = node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5)
    if math.isclose(slope, 1 / 6, rel_tol=1e-6) and offset == 0.5:
        return node.unary(node.layer(layers.Activation, "hard_sigmoid"), node.tensor(), least=0.0)
    x = node.unary(node.layer(layers.Rescaling, slope, offset), node.tensor())
    return node.unary(node.layer(layers.Activation, activations.relu.with_parameters(max_value=1.0)), x, least=0.0)


@reads("Clip")
def read_clip(reader, node):
    x = node.tensor()
    bounds = []
    for place, (name, default) in enumerate((("min", -math.inf), ("max", math.inf)), 1):
        value = node.attributes.get(name, default) if node.version < 11 else default
        if node.version >= 11 and node.given(place) is not None:
            value = float(node.array(place, name).reshape(()))
        bounds.append(float(value))
    low, high = bounds
    if (low, high) == (-1.0, 1.0):
        return node.unary(node.layer(layers.Activation, "hard_tanh"), x, least=-1.0)
    node.require(low < high, f"has the bounds {low} and {high}")
    # 0 to a limit behind what brings the bound that there is to 0, and before what brings it back
    sign, bound = (1.0, low) if math.isfinite(low) else (-1.0, high)
    if math.isinf(bound):
        return x
    relu = activations.relu.with_parameters(max_value=None if math.isinf(high - low) else high - low)
    if (sign, bound) != (1.0, 0.0):
        x = node.unary(node.layer(layers.Rescaling, sign, -sign * bound), x)
    x = node.unary(node.layer(layers.Activation, relu), x, least=0.0)
    if (sign, bound) != (1.0, 0.0):
        x = node.unary(node.layer(layers.Rescaling, sign, bound), x, least=low)
    return x


@reads("PRelu")
def read_prelu(reader, node):
    x, slope = node.tensor(), node.array(1, "slopes")
    order, symbol = x.native
    node.require(x.rows == 0 and slope.ndim <= x.rank, "has slopes that do not fit")
    slope = slope.reshape((1,) * (x.rank - slope.ndim) + slope.shape)
    node.require(slope.shape[0] == 1 and all(n in (1, extent) for n, extent in zip(slope.shape[1:], x.shape[1:],
                 strict=True)), "has slopes that do not fit")  # fmt: skip
    slope = slope.transpose(order)[0]
    shared = [axis for axis, extent in enumerate(slope.shape, 1) if extent == 1]
    layer = node.layer(layers.PReLU, shared_axes=shared or None)
    return Tensor(reader, reader.weighted(layer, symbol, [slope]), order)


@reads("Softmax", "LogSoftmax")
def read_softmax(reader, node):
    x = node.tensor()
    axis = node.axis(node.attributes.get("axis", -1 if node.version >= 13 else 1), x.rank)
    node.require(axis != x.rows, "along the rows is not supported")
    # before opset 13 it went along all axes from this one on
    node.require(node.version >= 13 or axis == x.rank - 1, "is supported along the last axis only before opset 13")
    order, symbol = x.native
    function = {"Softmax": activations.softmax, "LogSoftmax": activations.log_softmax}[node.kind]
    layer = node.layer(layers.Activation, function.with_parameters(axis=order.index(axis)))
    return Tensor(reader, layer(symbol), order, 0.0 if node.kind == "Softmax" else -math.inf)


# ---------------------------------------------------------------- arithmetic


@reads("Neg")
def read_negative(reader, node):
    return node.unary(node.layer(layers.Rescaling, -1.0), node.tensor())


OF_TENSORS = {"Add": layers.Add, "Sub": layers.Subtract, "Mul": layers.Multiply, "Max": layers.Maximum,
              "Min": layers.Minimum, "Sum": layers.Add, "Mean": layers.Average}  # fmt: skip


@reads(*OF_TENSORS, "Div")
def read_arithmetic(reader, node):
    constants = [value for value in node.inputs if isinstance(value, np.ndarray)]
    if constants:
        node.require(len(node.inputs) == 2 and len(constants) == 1 and node.kind in ("Add", "Sub", "Mul", "Div"),
                     "is not supported with constants")  # fmt: skip
        return _with_constant(reader, node, constants[0].astype(np.float64))
    tensors = [node.tensor(place) for place in range(len(node.inputs))]
    order = tensors[0].native[0]
    node.require(node.kind in OF_TENSORS, "is supported by a constant only")
    node.require(all(x.rank == len(order) and x.rows == order[0] for x in tensors),
                 "is supported for tensors of one rank only, with the same axis of rows")  # fmt: skip
    if len(tensors) == 1:
        return tensors[0]
    least = {"Add": sum, "Sum": sum, "Max": max, "Min": min, "Mean": min}.get(node.kind)
    least = least(x.least for x in tensors) if least else -math.inf
    return Tensor(reader, node.layer(OF_TENSORS[node.kind])([x.in_order(order) for x in tensors]), order, least)


def _with_constant(reader, node, constant):
    """scale x + offset, of which one is the constant."""
    first = isinstance(node.inputs[0], np.ndarray)
    x = node.tensor(int(first))
    scale, offset = np.ones(1), np.zeros(1)
    if node.kind == "Mul":
        scale = constant
    elif node.kind == "Div":
        node.require(not first and constant.all(), "is supported by a constant other than 0 only")
        scale = 1 / constant
    elif node.kind == "Add":
        offset = constant
    else:
        scale, offset = (-scale, constant) if first else (scale, -constant)
    if constant.size == 1 and constant.ndim <= x.rank:
        return node.unary(node.layer(layers.Rescaling, scale.item(), offset.item()), x)
    return _along_an_axis(reader, node, x, constant, scale, offset)


def _along_an_axis(reader, node, x, constant, scale, offset):
    """The same with numbers along one axis: a BatchNormalization whose averages are never changed."""
    extents = (1,) * (x.rank - constant.ndim) + constant.shape
    own = [axis for axis, extent in enumerate(extents) if extent != 1]
    node.require(len(own) == 1 and len(extents) == x.rank and own[0] != x.rows and extents[own[0]] == x.shape[own[0]],
                 f"is supported with a number, or numbers along one axis; got {constant.shape} for {x.shape}")
    gamma, beta = (np.broadcast_to(each.reshape(-1), constant.size) for each in (scale, offset))
    return affine_along(reader, node, x, own[0], gamma, beta)


def affine_along(reader, node, x, axis, gamma, beta, mean=None, variance=None, epsilon=0.0):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta along an axis."""
    order, symbol = x.native
    arrays = [gamma, beta, np.zeros(len(gamma)) if mean is None else mean, np.ones(len(gamma)) if mean is None else
              variance]  # fmt: skip
    layer = node.layer(layers.BatchNormalization, order.index(axis), epsilon=epsilon)
    layer.trainable = mean is not None
    return Tensor(reader, reader.weighted(layer, symbol, [np.array(array) for array in arrays]), order)


@reads("BatchNormalization")
def read_batch_normalization(reader, node):
    x = node.tensor()
    node.only(training_mode=0, spatial=1)
    node.require(x.rows == 0 and x.rank > 1, "is supported where the rows are the first axis only")
    arrays = [node.array(place, "statistics") for place in range(1, 5)]
    node.require(all(array.shape == (x.shape[1],) for array in arrays), "has weights that do not fit")
    gamma, beta, mean, variance = arrays
    return affine_along(reader, node, x, 1, gamma, beta, mean, variance, node.attributes.get("epsilon", 1e-5))


@reads("LayerNormalization")
def read_layer_normalization(reader, node):
    x = node.tensor()
    first = node.axis(node.attributes.get("axis", -1), x.rank)
    node.require(first > 0 and x.rows == 0 and len(node.outputs) == 1, "is supported over axes of samples only")
    shape = x.shape[first:]
    gamma, beta = node.array(1, "weights"), node.given(2)
    node.require(gamma.shape == shape and (beta is None or np.shape(beta) == shape), "has weights that do not fit")
    layer = node.layer(layers.LayerNormalization, list(range(first, x.rank)), center=beta is not None,
                       epsilon=node.attributes.get("epsilon", 1e-5))  # fmt: skip
    arrays = [gamma] if beta is None else [gamma, node.array(2, "weights")]
    return Tensor(reader, reader.weighted(layer, x.plain, arrays))

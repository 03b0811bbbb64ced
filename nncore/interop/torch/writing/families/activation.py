"""Activations, dropout and noise."""

import torch
from torch.nn import functional

from nncore.interop.torch.writing import modules
from nncore.interop.torch.writing.registry import layer

# Without parameters, or with those of the same meaning in this order.
_PLAIN = {
    "celu": functional.celu,
    "elu": functional.elu,
    "exponential": torch.exp,
    "hard_shrink": functional.hardshrink,
    "hard_sigmoid": functional.hardsigmoid,
    "hard_silu": functional.hardswish,
    "hard_tanh": functional.hardtanh,
    "leaky_relu": functional.leaky_relu,
    "log_sigmoid": functional.logsigmoid,
    "mish": functional.mish,
    "relu6": functional.relu6,
    "selu": functional.selu,
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "soft_shrink": functional.softshrink,
    "softplus": modules.softplus,
    "softsign": functional.softsign,
    "sparse_plus": modules.sparse_plus,
    "sparse_sigmoid": modules.sparse_sigmoid,
    "squareplus": modules.squareplus,
    "tanh": torch.tanh,
    "tanh_shrink": functional.tanhshrink,
    "threshold": functional.threshold,
}
_ORDER = {"leaky_relu": ("negative_slope",), "elu": ("alpha",), "celu": ("alpha",), "hard_shrink": ("threshold",),
          "soft_shrink": ("threshold",), "threshold": ("threshold", "default_value"), "squareplus": ("b",)}  # fmt: skip
_ALONG = {"softmax": torch.softmax, "log_softmax": torch.log_softmax, "glu": functional.glu}


def activate(writer, x, activation):
    """f(x), of an activation of nncore."""
    name, values = activation.name, activation.parameters
    if name == "linear":
        return x
    if name == "relu":
        return _relu(writer, x, **values)
    if name == "gelu":
        return writer.function(functional.gelu, x, approximate="tanh" if values["approximate"] else "none")
    if name in _ALONG:
        return writer.function(_ALONG[name], x, dim=values["axis"])
    if name not in _PLAIN:
        raise ValueError(f"PyTorch has no counterpart of the activation {name!r}")
    return writer.function(_PLAIN[name], x, *(float(values[key]) for key in _ORDER.get(name, ())))


def _relu(writer, x, negative_slope=0.0, max_value=None, threshold=0.0):
    if threshold == 0 and max_value is None:
        if negative_slope == 0:
            return writer.function(torch.relu, x)
        return writer.function(functional.leaky_relu, x, negative_slope)
    if threshold == 0 and negative_slope == 0:
        if max_value == 0:
            return writer.function(torch.zeros_like, x)
        return writer.function(functional.hardtanh, x, 0.0, float(max_value))
    value = None if max_value is None else float(max_value)
    return writer.function(modules.relu, x, float(negative_slope), value, float(threshold))


@layer("Activation", "ReLU", "LeakyReLU", "ELU", "Softmax")
def activation_layer(writer, layer, inputs, shapes, options):
    return activate(writer, inputs[0], layer.activation)


@layer("PReLU")
def prelu(writer, layer, inputs, shapes, options):
    def make():
        return modules.PReLU(writer.tensor(layer.get_weights()[0]))

    return writer.call(layer, "", make, inputs[0])


@layer("Dropout")
def dropout(writer, layer, inputs, shapes, options):
    if layer.noise_shape is None:
        return writer.call(layer, "", lambda: torch.nn.Dropout(layer.rate), inputs[0])
    shape = [n if own is None else own for own, n in zip(layer.noise_shape[1:], shapes[0], strict=True)]
    return writer.call(layer, "", lambda: modules.SharedDropout(layer.rate, shape), inputs[0])


@layer("AlphaDropout")
def alpha_dropout(writer, layer, inputs, shapes, options):
    if layer.noise_shape is not None:
        raise ValueError(f"PyTorch has no noise_shape={layer.noise_shape} of alpha dropout")
    return writer.call(layer, "", lambda: torch.nn.AlphaDropout(layer.rate), inputs[0])


@layer("SpatialDropout1D", "SpatialDropout2D")
def spatial_dropout(writer, layer, inputs, shapes, options):
    axes = len(shapes[0]) - 1
    cls = torch.nn.Dropout1d if axes == 1 else torch.nn.Dropout2d
    y = writer.call(layer, "", lambda: cls(layer.rate), writer.channels_first(inputs[0], axes))
    return writer.channels_last(y, axes)


@layer("GaussianNoise")
def gaussian_noise(writer, layer, inputs, shapes, options):
    return writer.call(layer, "", lambda: modules.GaussianNoise(layer.stddev), inputs[0])


@layer("GaussianDropout")
def gaussian_dropout(writer, layer, inputs, shapes, options):
    return writer.call(layer, "", lambda: modules.GaussianDropout(layer.rate), inputs[0])


@layer("Rescaling")
def rescaling(writer, layer, inputs, shapes, options):
    x = inputs[0]
    if layer.scale != 1:
        x = writer.function(torch.mul, x, layer.scale)
    return writer.function(torch.add, x, layer.offset) if layer.offset or x is inputs[0] else x

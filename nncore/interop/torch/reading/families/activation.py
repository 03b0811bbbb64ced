"""Activations, dropout, and whatever else computes each element by itself or goes along one axis."""

import nncore as nn
from nncore.interop.torch.reading.registry import KEEPS_AXES, function, module
from nncore.interop.torch.reading.values import Value


def activate(node, x, activation, suffix=""):
    """f(x) of each element."""
    return x.like(node.layer(nn.layers.Activation, activation, suffix=suffix)(x.tensor))


def scale(node, x, factor, offset=0.0, suffix="scale"):
    """x factor + offset."""
    return x.like(node.layer(nn.layers.Rescaling, factor, offset, suffix=suffix)(x.tensor))


# Without parameters: {PyTorch's function: ours}; modules have the names below.
_PLAIN = {"relu": "relu", "relu6": "relu6", "sigmoid": "sigmoid", "tanh": "tanh", "silu": "silu", "mish": "mish",
          "selu": "selu", "softsign": "softsign", "tanhshrink": "tanh_shrink", "hardsigmoid": "hard_sigmoid",
          "hardswish": "hard_silu", "logsigmoid": "log_sigmoid", "log_sigmoid": "log_sigmoid",
          "exp": "exponential"}  # fmt: skip
_OF_MODULE = {"ReLU": "relu", "ReLU6": "relu6", "Sigmoid": "sigmoid", "Tanh": "tanh", "SiLU": "silu", "Mish": "mish",
              "SELU": "selu", "Softsign": "softsign", "Tanhshrink": "tanhshrink", "Hardsigmoid": "hardsigmoid",
              "Hardswish": "hardswish", "LogSigmoid": "logsigmoid"}  # fmt: skip


def _register():
    for name, ours in _PLAIN.items():

        def read(node, input, inplace=False, ours=ours):
            return activate(node, input, ours)

        function(name)(read)
    for cls, name in _OF_MODULE.items():

        def read_module(node, module, x, ours=_PLAIN[name]):
            return activate(node, x, ours)

        module(cls)(read_module)


_register()


@function("leaky_relu")
def leaky_relu(node, input, negative_slope=0.01, inplace=False):
    return activate(node, input, nn.activations.leaky_relu.with_parameters(negative_slope=negative_slope))


@function("elu")
def elu(node, input, alpha=1.0, inplace=False):
    return activate(node, input, nn.activations.elu.with_parameters(alpha=alpha))


@function("celu")
def celu(node, input, alpha=1.0, inplace=False):
    return activate(node, input, nn.activations.celu.with_parameters(alpha=alpha))


@function("gelu")
def gelu(node, input, approximate="none"):
    return activate(node, input, nn.activations.gelu.with_parameters(approximate=approximate == "tanh"))


@function("hardshrink")
def hardshrink(node, input, lambd=0.5):
    return activate(node, input, nn.activations.hard_shrink.with_parameters(threshold=lambd))


@function("softshrink")
def softshrink(node, input, lambd=0.5):
    return activate(node, input, nn.activations.soft_shrink.with_parameters(threshold=lambd))


@function("threshold")
def threshold(node, input, threshold, value, inplace=False):
    found = nn.activations.threshold.with_parameters(threshold=threshold, default_value=value)
    return activate(node, input, found)


@function("softplus")
def softplus(node, input, beta=1.0, threshold=20.0):
    if beta == 1:
        return activate(node, input, "softplus")
    return scale(node, activate(node, scale(node, input, beta, suffix="in"), "softplus"), 1 / beta, suffix="out")


@function("clamp", "clip")
def clamp(node, input, min=None, max=None):
    """min + relu of what is above it, up to max."""
    low, high = min, max
    if not all(isinstance(end, (int, float)) or end is None for end in (low, high)):
        raise ValueError(f"ends must be numbers; got {low!r} and {high!r}")
    if low is None and high is None:
        raise ValueError("it has neither min nor max")
    if low is None:  # high - relu(high - x)
        mirrored = activate(node, scale(node, input, -1.0, high, "in"), "relu")
        return scale(node, mirrored, -1.0, high, "out")
    if high is not None and high <= low:
        raise ValueError(f"max must be more than min; got {low} and {high}")
    shifted = scale(node, input, 1.0, -low, "in") if low else input
    if high is None:
        shifted = activate(node, shifted, "relu")
    else:
        shifted = input.like(node.layer(nn.layers.ReLU, max_value=high - low)(shifted.tensor))
    return scale(node, shifted, 1.0, low, "out") if low else shifted


@function("hardtanh")
def hardtanh(node, input, min_val=-1.0, max_val=1.0, inplace=False):
    return clamp(node, input, min_val, max_val)


@function("clamp_min")
def clamp_min(node, input, min):
    return clamp(node, input, min, None)


@function("clamp_max")
def clamp_max(node, input, max):
    return clamp(node, input, None, max)


def _soft(node, x, dim, activation, sign=1.0):
    if dim is None:  # PyTorch's own choice
        dim = 0 if x.rank in (0, 1, 3) else 1
    axis = x.axis(dim)
    if axis == x.batch:
        raise ValueError(f"dim {dim} is the axis of samples")
    if x.folded is not None and x.folded[0] != axis:
        x = x.plain()
    if sign < 0:
        x = scale(node, x, sign)
    place = x.order[axis]
    if activation == "softmax":
        return x.like(node.layer(nn.layers.Softmax, axis=place)(x.tensor))
    return x.like(node.layer(nn.layers.Activation, nn.activations.log_softmax.with_parameters(axis=place))(x.tensor))


@function("softmax")
def softmax(node, input, dim=None, _stacklevel=3, dtype=None):
    return _soft(node, input, dim, "softmax")


@function("log_softmax")
def log_softmax(node, input, dim=None, _stacklevel=3, dtype=None):
    return _soft(node, input, dim, "log_softmax")


@function("softmin")
def softmin(node, input, dim=None, _stacklevel=3, dtype=None):
    return _soft(node, input, dim, "softmax", -1.0)


@function("glu")
def glu(node, input, dim=-1):
    x = input.plain()
    axis = x.axis(dim)
    if axis == x.batch:
        raise ValueError(f"dim {dim} is the axis of samples")
    layer = node.layer(nn.layers.Activation, nn.activations.glu.with_parameters(axis=x.order[axis]))
    return Value(layer(x.tensor), x.order)


def _module(cls, read, *attributes):
    """Reads a module as the function with the module's attributes."""

    def read_module(node, module, x):
        return read(node, x, *(getattr(module, attribute) for attribute in attributes))

    module(cls)(read_module)


_module("LeakyReLU", leaky_relu, "negative_slope")
_module("ELU", elu, "alpha")
_module("CELU", celu, "alpha")
_module("GELU", gelu, "approximate")
_module("Hardshrink", hardshrink, "lambd")
_module("Softshrink", softshrink, "lambd")
_module("Threshold", threshold, "threshold", "value")
_module("Softplus", softplus, "beta", "threshold")
_module("Hardtanh", clamp, "min_val", "max_val")
_module("Softmax", softmax, "dim")
_module("LogSoftmax", log_softmax, "dim")
_module("Softmin", softmin, "dim")
_module("GLU", glu, "dim")


@module("Softmax2d")
def softmax2d(node, module, x):
    return _soft(node, x, -3, "softmax")


@module("PReLU")
def prelu(node, module, x):
    alpha = module.weight.detach().cpu().numpy()
    if alpha.size == 1:
        shared = list(range(1, len(x.tensor.shape)))
        shape = [1] * len(shared)
    else:  # one for each channel, axis 1 of PyTorch's
        x = x.plain()
        place = x.order[1]
        shared = [axis for axis in range(1, len(x.tensor.shape)) if axis != place]
        shape = [1 if axis != place else alpha.size for axis in range(1, len(x.tensor.shape))]
    layer = node.layer(nn.layers.PReLU, shared_axes=shared or None, weights=[alpha.reshape(shape)],
                       trainable=module.weight.requires_grad)  # fmt: skip
    return x.like(layer(x.tensor))


# ---------------------------------------------------------------- dropout and nothing


@module("Identity")
def identity(node, module, x, *others, **options):
    return x


@function("contiguous", "clone", "detach", "float", "double", "long", "int", "to", "type", "requires_grad")
def unchanged(node, input, *arguments, **options):
    return input


@module("Dropout")
def dropout(node, module, x):
    return x.like(node.layer(nn.layers.Dropout, module.p)(x.tensor))


@module("AlphaDropout")
def alpha_dropout(node, module, x):
    return x.like(node.layer(nn.layers.AlphaDropout, module.p)(x.tensor))


def _channels(node, x, rate):
    x = x.plain()
    if x.rank not in (3, 4) or x.batch != 0:
        raise ValueError(f"inputs must be (rows, channels, ...); got {x.shape}")
    axes = (*range(2, x.rank), 1)
    cls = nn.layers.SpatialDropout1D if x.rank == 3 else nn.layers.SpatialDropout2D
    order = (0, x.rank - 1, *range(1, x.rank - 1))
    return Value(node.layer(cls, rate)(x.arranged(axes)), order)


@module("Dropout1d", "Dropout2d")
def channel_dropout(node, module, x):
    return _channels(node, x, module.p)


def _functional(name, read):
    def read_function(node, input, p=0.5, training=True, inplace=False):
        if training:
            raise ValueError(
                f"{name} of evaluation, too: it needs training=self.training, or a module of torch.nn in its place"
            )
        return read(node, input, p)

    function(name)(read_function)


_functional("dropout", lambda node, x, p: x.like(node.layer(nn.layers.Dropout, p)(x.tensor)))
_functional("alpha_dropout", lambda node, x, p: x.like(node.layer(nn.layers.AlphaDropout, p)(x.tensor)))
_functional("dropout1d", _channels)
_functional("dropout2d", _channels)

KEEPS_AXES |= {*_PLAIN, *_OF_MODULE, "leaky_relu", "elu", "celu", "gelu", "hardshrink", "softshrink", "threshold",
               "softplus", "hardtanh", "clamp", "LeakyReLU", "ELU", "CELU", "GELU", "Hardshrink", "Softshrink",
               "Threshold", "Softplus", "Hardtanh", "Identity", "Dropout", "AlphaDropout", "dropout", "alpha_dropout",
               "PReLU", "mul", "add", "sub", "truediv", "div"}  # fmt: skip

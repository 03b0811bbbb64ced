"""Products with a matrix."""

import nncore as nn
from nncore.interop.torch.reading.parameters import array, frozen
from nncore.interop.torch.reading.registry import function, module
from nncore.interop.torch.reading.values import Constant, Value


def dense(node, x, weight, bias, trainable):
    """x W' + b along PyTorch's last axis; columns of W are in the order that the elements of x have here."""
    x = node.plain(x).last()
    if len(x.tensor.shape) > 1 and x.rank == 1:
        raise ValueError("inputs are one number for each sample, without an axis")
    kernel = weight.T
    if x.folded is not None:
        kernel = kernel[x.folded[3]]
    if kernel.shape[0] != x.tensor.shape[-1]:
        raise ValueError(f"inputs must have {kernel.shape[0]} features; got {x.shape}")
    weights = [kernel] if bias is None else [kernel, bias]
    layer = node.layer(nn.layers.Dense, weight.shape[0], use_bias=bias is not None, weights=weights,
                       trainable=trainable)  # fmt: skip
    return Value(layer(x.tensor), x.order)


@module("Linear", "NonDynamicallyQuantizableLinear")
def linear_module(node, module, x):
    return dense(node, x, array(module.weight), array(module.bias), not frozen(module.weight, module.bias))


@function("linear")
def linear(node, input, weight, bias=None):
    if not isinstance(input, Value) or not isinstance(weight, Constant) or not isinstance(bias, (Constant, type(None))):
        raise ValueError("weight and bias must be parameters")
    return dense(node, input, weight.array, None if bias is None else bias.array, weight.trainable)

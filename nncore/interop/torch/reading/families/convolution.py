"""Convolutions: PyTorch's kernels are (filters, channels, ...), nncore's (..., channels, filters)."""

import numpy as np

import nncore as nn
from nncore.interop.torch.reading.families.padding import channels_last, padded
from nncore.interop.torch.reading.parameters import array, frozen
from nncore.interop.torch.reading.registry import function, module
from nncore.interop.torch.reading.values import Constant, Value

_CONV = {1: nn.layers.Conv1D, 2: nn.layers.Conv2D}
_DEPTHWISE = {1: nn.layers.DepthwiseConv1D, 2: nn.layers.DepthwiseConv2D}
_TRANSPOSED = {1: nn.layers.Conv1DTranspose, 2: nn.layers.Conv2DTranspose}
_CROPPING = {1: nn.layers.Cropping1D, 2: nn.layers.Cropping2D}


def each(value, axes):
    """A number for each axis."""
    value = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    value = value * axes if len(value) == 1 else value
    if len(value) != axes or any(isinstance(n, bool) or not isinstance(n, int) for n in value):
        raise ValueError(f"a whole number for each of {axes} axes is wanted; got {value}")
    return value


def single(values):
    """As nncore takes it: a number for one axis."""
    return values[0] if len(values) == 1 else tuple(values)


def same(length, reach, stride):
    """(before, after) of nncore's padding "same"."""
    windows = -(-length // stride)
    around = (windows - 1) * stride + reach - length
    return (around // 2, around - around // 2) if around >= 0 else None


def convolve(node, x, weight, bias, stride, padding, dilation, groups, mode, trainable):
    """A convolution of PyTorch's value of (rows, channels, ...)."""
    axes = weight.ndim - 2
    stride, dilation = each(stride, axes), each(dilation, axes)
    x = channels_last(node.plain(x), axes)
    lengths, channels = x.shape[2:], x.shape[1]
    if channels != weight.shape[1] * groups:
        raise ValueError(f"inputs must have {weight.shape[1] * groups} channels; got {x.shape}")
    reach = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilation, strict=True)]
    if padding == "valid":
        pads = [(0, 0)] * axes
    elif padding == "same":
        pads = [((r - 1) // 2, (r - 1) - (r - 1) // 2) for r in reach]
    else:
        pads = [(p, p) for p in each(padding, axes)]
    kind = "valid"
    if any(any(pair) for pair in pads):
        around = [same(*one) for one in zip(lengths, reach, stride, strict=True)]
        if mode == "zeros" and not node.is_shared and pads == around:
            kind = "same"
        else:
            x = padded(node, x, dict(enumerate(pads, 2)), mode)
    options = {"strides": single(stride), "padding": kind, "dilation_rate": single(dilation),
               "use_bias": bias is not None, "trainable": trainable}  # fmt: skip
    spatial = tuple(range(2, weight.ndim))
    size = single(weight.shape[2:])
    plain_windows = len(set(stride)) == 1 and not (max(stride) > 1 and max(dilation) > 1)
    if groups == channels > 1 and plain_windows:
        kernel = weight.reshape(channels, -1, *weight.shape[2:])
        kernel = kernel.transpose((*(axis for axis in range(2, kernel.ndim)), 0, 1))
        options["weights"] = [kernel] if bias is None else [kernel, bias]
        layer = node.layer(_DEPTHWISE[axes], size, depth_multiplier=weight.shape[0] // channels, **options)
    else:
        kernel = weight.transpose((*spatial, 1, 0))
        options["weights"] = [kernel] if bias is None else [kernel, bias]
        layer = node.layer(_CONV[axes], weight.shape[0], size, groups=groups, **options)
    return Value(layer(x.tensor), x.order)


@module("Conv1d", "Conv2d")
def conv_module(node, module, x):
    return convolve(node, x, array(module.weight), array(module.bias), module.stride, module.padding, module.dilation,
                    module.groups, module.padding_mode, not frozen(module.weight, module.bias))  # fmt: skip


@function("conv1d", "conv2d")
def conv(node, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    if not isinstance(weight, Constant) or not isinstance(bias, (Constant, type(None))):
        raise ValueError("weight and bias must be parameters")
    bias = None if bias is None else bias.array
    return convolve(node, input, weight.array, bias, stride, padding, dilation, groups, "zeros", weight.trainable)


@module("ConvTranspose1d", "ConvTranspose2d")
def transposed_module(node, module, x, output_size=None):
    if output_size is not None:
        raise ValueError("nncore has no output_size of a call: give output_padding")
    if module.groups != 1:
        raise ValueError(f"nncore has no transposed convolutions of groups={module.groups}")
    weight, bias = array(module.weight), array(module.bias)
    axes = weight.ndim - 2
    x = channels_last(node.plain(x), axes)
    kernel = weight.transpose((*range(2, weight.ndim), 1, 0))
    layer = node.layer(_TRANSPOSED[axes], weight.shape[1], single(module.kernel_size), strides=single(module.stride),
                       output_padding=single(module.output_padding), dilation_rate=single(module.dilation),
                       use_bias=bias is not None, weights=[kernel] if bias is None else [kernel, bias],
                       trainable=not frozen(module.weight, module.bias))  # fmt: skip
    y = layer(x.tensor)
    crop = [(p, p) for p in module.padding]
    if np.any(crop):
        y = node.layer(_CROPPING[axes], crop[0] if axes == 1 else tuple(crop), suffix="cropping")(y)
    return Value(y, x.order)

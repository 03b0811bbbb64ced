"""Pooling: windows that reach beyond images, and those of adaptive modules."""

import math

import numpy as np

import nncore as nn
from nncore.interop.torch.reading.families.convolution import each, same, single
from nncore.interop.torch.reading.families.padding import channels_last, inside, zeros
from nncore.interop.torch.reading.registry import function, module
from nncore.interop.torch.reading.values import Constant, Value

_MAX = {1: nn.layers.MaxPooling1D, 2: nn.layers.MaxPooling2D}
_AVERAGE = {1: nn.layers.AveragePooling1D, 2: nn.layers.AveragePooling2D}
_GLOBAL = {
    ("max", 1): nn.layers.GlobalMaxPooling1D,
    ("max", 2): nn.layers.GlobalMaxPooling2D,
    ("average", 1): nn.layers.GlobalAveragePooling1D,
    ("average", 2): nn.layers.GlobalAveragePooling2D,
}


def _windows(lengths, size, stride, padding, ceil_mode):
    """For each axis, (padding before, after, number of windows)."""
    found = []
    for length, k, s, p in zip(lengths, size, stride, padding, strict=True):
        if 2 * p > k:
            raise ValueError(f"padding must be at most half of the window; got {p} for {k}")
        if length + 2 * p < k:
            raise ValueError(f"a window of {k} is larger than an axis of {length} with padding {p}")
        count = (-(-(length + 2 * p - k) // s) if ceil_mode else (length + 2 * p - k) // s) + 1
        if ceil_mode and (count - 1) * s >= length + p:  # a window may not begin behind the end
            count -= 1
        found.append((p, max((count - 1) * s + k - length - p, 0), count))
    return found


def max_pool(node, x, axes, size, stride, padding, dilation, ceil_mode, return_indices):
    """Maxima of windows; what lies outside never counts."""
    if return_indices:
        raise ValueError("nncore has no indices of maxima: return_indices=True")
    if any(d != 1 for d in each(dilation, axes)):
        raise ValueError(f"nncore has no dilation={dilation} of pooling")
    size = each(size, axes)
    stride = size if stride in (None, []) else each(stride, axes)
    x = channels_last(x, axes)
    windows = _windows(x.shape[2:], size, stride, each(padding, axes), ceil_mode)
    pads, kind = [one[:2] for one in windows], "valid"
    if any(any(pair) for pair in pads):
        if pads == [same(*one) for one in zip(x.shape[2:], size, stride, strict=True)]:
            kind = "same"
        else:  # copies of an element that is in the window anyway change no maximum
            x = inside(x, dict(enumerate(pads, 2)), "replicate")
    layer = node.layer(_MAX[axes], single(size), strides=single(stride), padding=kind)
    return Value(layer(x.tensor), x.order)


def average_pool(node, x, axes, size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    """Means of windows."""
    size = each(size, axes)
    stride = size if stride in (None, []) else each(stride, axes)
    padding = each(padding, axes)
    x = channels_last(x, axes)
    lengths = x.shape[2:]
    windows = _windows(lengths, size, stride, padding, ceil_mode)
    pads = [one[:2] for one in windows]
    if not count_include_pad and divisor_override is None and any(any(pair) for pair in pads) and (
        pads == [same(*one) for one in zip(lengths, size, stride, strict=True)]
    ):  # fmt: skip
        layer = node.layer(_AVERAGE[axes], single(size), strides=single(stride), padding="same")
        return Value(layer(x.tensor), x.order)
    x = zeros(node, x, pads)
    y = Value(node.layer(_AVERAGE[axes], single(size), strides=single(stride))(x.tensor), x.order)
    if divisor_override is not None:
        return y.like(node.layer(nn.layers.Rescaling, math.prod(size) / divisor_override, suffix="divisor")(y.tensor))
    factors = np.ones(())
    for (p, _, count), length, k, s in zip(windows, lengths, size, stride, strict=True):
        starts = np.arange(count) * s - p
        ends = np.minimum(starts + k, length + p)
        if not count_include_pad:
            starts, ends = np.maximum(starts, 0), np.minimum(ends, length)
        factors = np.multiply.outer(factors, k / (ends - starts))
    if np.all(factors == 1):
        return y
    counted = node.value(Constant(factors[None, ..., None], False, f"{node.name}_factors"))
    return y.like(node.layer(nn.layers.Multiply, suffix="counted")([y.tensor, counted.tensor]))


def adaptive(node, x, axes, size, kind):
    """So many windows of equal lengths."""
    x = channels_last(x, axes)
    size = tuple(size) if isinstance(size, (list, tuple)) else (size,) * axes
    lengths = x.shape[2:]
    size = [length if n is None else n for n, length in zip(size, lengths, strict=True)]
    if all(n == 1 for n in size):
        return Value(node.layer(_GLOBAL[kind, axes], keepdims=True)(x.tensor), x.order)
    if any(length % n for n, length in zip(size, lengths, strict=True)):
        raise ValueError(f"nncore has no windows of unlike lengths: {lengths} is no multiple of {tuple(size)}")
    pool = single([length // n for n, length in zip(size, lengths, strict=True)])
    return Value(node.layer((_MAX if kind == "max" else _AVERAGE)[axes], pool)(x.tensor), x.order)


def _register(axes):
    @function(f"max_pool{axes}d")
    def max_function(node, input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False,
                     return_indices=False):  # fmt: skip
        return max_pool(node, input, axes, kernel_size, stride, padding, dilation, ceil_mode, return_indices)

    @module(f"MaxPool{axes}d")
    def max_module(node, module, x):
        return max_pool(node, x, axes, module.kernel_size, module.stride, module.padding, module.dilation,
                        module.ceil_mode, module.return_indices)  # fmt: skip

    @function(f"avg_pool{axes}d")
    def average_function(node, input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
                         divisor_override=None):  # fmt: skip
        return average_pool(node, input, axes, kernel_size, stride, padding, ceil_mode, count_include_pad,
                            divisor_override)  # fmt: skip

    @module(f"AvgPool{axes}d")
    def average_module(node, module, x):
        return average_pool(node, x, axes, module.kernel_size, module.stride, module.padding, module.ceil_mode,
                            module.count_include_pad, getattr(module, "divisor_override", None))  # fmt: skip

    @function(f"adaptive_avg_pool{axes}d")
    def adaptive_average(node, input, output_size):
        return adaptive(node, input, axes, output_size, "average")

    @function(f"adaptive_max_pool{axes}d")
    def adaptive_max(node, input, output_size, return_indices=False):
        if return_indices:
            raise ValueError("nncore has no indices of maxima: return_indices=True")
        return adaptive(node, input, axes, output_size, "max")

    @module(f"AdaptiveAvgPool{axes}d")
    def adaptive_average_module(node, module, x):
        return adaptive_average(node, x, module.output_size)

    @module(f"AdaptiveMaxPool{axes}d")
    def adaptive_max_module(node, module, x):
        return adaptive_max(node, x, module.output_size, module.return_indices)


for _axes in (1, 2):
    _register(_axes)

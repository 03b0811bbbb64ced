"""Convolutions: nncore's kernels are (..., channels, filters), PyTorch's (filters, channels, ...)."""

import torch
from torch.nn import functional

from nncore._windows import padding_of
from nncore.interop.torch.writing.families.activation import activate
from nncore.interop.torch.writing.parameters import fill
from nncore.interop.torch.writing.registry import layer

_CONV = {1: torch.nn.Conv1d, 2: torch.nn.Conv2d}
_TRANSPOSED = {1: torch.nn.ConvTranspose1d, 2: torch.nn.ConvTranspose2d}


def pads_of(layer, shape, size, dilation):
    """(before, after) of each axis."""
    return [padding_of(*one, layer.padding, d) for *one, d in zip(shape, size, layer.strides, dilation, strict=False)]


def pad(writer, x, pads, value=0.0):
    """PyTorch's padding of (rows, channels, ...): from the last axis on."""
    flat = [n for pair in reversed(pads) for n in pair]
    return writer.function(functional.pad, x, flat, value=value) if any(flat) else x


def convolve(writer, layer, suffix, x, pads, filters, groups, channels, weights, size=None, **options):
    """A convolution of (rows, channels, ...); `weights()` are the kernel in PyTorch's order and perhaps the bias."""
    axes = len(pads)
    even = all(before == after for before, after in pads)

    def make():
        kernel, *bias = weights()
        module = _CONV[axes](channels, filters, tuple(size), padding=tuple(p for p, _ in pads) if even else 0,
                             groups=groups, bias=bool(bias), **options)  # fmt: skip
        return fill(module, kernel, *bias)

    return writer.call(layer, suffix, make, x if even else pad(writer, x, pads))


def kernel_first(kernel, axes):
    """(filters, channels, ...) of (..., channels, filters)."""
    return kernel.permute(axes + 1, axes, *range(axes))


@layer("Conv1D", "Conv2D")
def convolution(writer, layer, inputs, shapes, options):
    axes = len(layer.kernel_size)
    pads = pads_of(layer, shapes[0], layer.kernel_size, layer.dilation_rate)

    def weights():
        kernel, *bias = map(writer.tensor, layer.get_weights())
        return [kernel_first(kernel, axes), *bias]

    y = convolve(writer, layer, "", writer.channels_first(inputs[0], axes), pads, layer.filters, layer.groups,
                 shapes[0][-1], weights, layer.kernel_size, stride=tuple(layer.strides),
                 dilation=tuple(layer.dilation_rate))  # fmt: skip
    return activate(writer, writer.channels_last(y, axes), layer.activation)


def _depthwise_first(kernel, axes):
    return kernel.permute(axes, axes + 1, *range(axes)).flatten(0, 1).unsqueeze(1)


@layer("DepthwiseConv1D", "DepthwiseConv2D")
def depthwise(writer, layer, inputs, shapes, options):
    axes, channels = len(layer.kernel_size), shapes[0][-1]
    pads = pads_of(layer, shapes[0], layer.kernel_size, layer.dilation_rate)

    def weights():
        kernel, *bias = map(writer.tensor, layer.get_weights())
        return [_depthwise_first(kernel, axes), *bias]

    y = convolve(writer, layer, "", writer.channels_first(inputs[0], axes), pads, channels * layer.depth_multiplier,
                 channels, channels, weights, layer.kernel_size, stride=tuple(layer.strides),
                 dilation=tuple(layer.dilation_rate))  # fmt: skip
    return activate(writer, writer.channels_last(y, axes), layer.activation)


@layer("SeparableConv1D", "SeparableConv2D")
def separable(writer, layer, inputs, shapes, options):
    axes, channels = len(layer.kernel_size), shapes[0][-1]
    pads = pads_of(layer, shapes[0], layer.kernel_size, layer.dilation_rate)
    between = channels * layer.depth_multiplier

    def first():
        return [_depthwise_first(writer.tensor(layer.get_weights()[0]), axes)]

    def second():
        _, kernel, *bias = map(writer.tensor, layer.get_weights())
        return [kernel_first(kernel, axes), *bias]

    x = writer.channels_first(inputs[0], axes)
    y = convolve(writer, layer, "depthwise", x, pads, between, channels, channels, first, layer.kernel_size,
                 stride=tuple(layer.strides), dilation=tuple(layer.dilation_rate))  # fmt: skip
    y = convolve(writer, layer, "pointwise", y, [(0, 0)] * axes, layer.filters, 1, between, second, [1] * axes)
    return activate(writer, writer.channels_last(y, axes), layer.activation)


@layer("Conv1DTranspose", "Conv2DTranspose")
def transposed(writer, layer, inputs, shapes, options):
    """All that the windows reach, of which the ends are cut off, or to which some are added."""
    axes = len(layer.kernel_size)
    windows = layer.windows_over(shapes[0])
    found = [windows.rows, windows.columns][-axes:]
    whole = [(a.outputs - 1) * a.stride + (a.window - 1) * a.dilation + 1 for a in found]
    more = [max(a.before + a.length - n, 0) for a, n in zip(found, whole, strict=True)]
    cut = [(-a.before, -max(n - a.before - a.length, 0)) for a, n in zip(found, whole, strict=True)]

    def make():
        kernel, *bias = map(writer.tensor, layer.get_weights())
        module = _TRANSPOSED[axes](shapes[0][-1], layer.filters, tuple(layer.kernel_size), tuple(layer.strides),
                                   output_padding=tuple(more), bias=bool(bias),
                                   dilation=tuple(layer.dilation_rate))  # fmt: skip
        return fill(module, kernel.permute(axes + 1, axes, *range(axes)), *bias)

    if any(n >= max(a.stride, a.dilation) for n, a in zip(more, found, strict=True)):
        raise ValueError("PyTorch has no output that far behind the last window")
    y = writer.call(layer, "", make, writer.channels_first(inputs[0], axes))
    y = pad(writer, y, cut)
    return activate(writer, writer.channels_last(y, axes), layer.activation)

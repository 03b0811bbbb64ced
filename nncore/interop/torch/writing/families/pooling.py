"""Pooling, resizing, padding and cropping."""

import torch
from torch.nn import functional

from nncore.interop.torch.writing import modules
from nncore.interop.torch.writing.families.convolution import pad, pads_of
from nncore.interop.torch.writing.registry import layer

_POOL = {("Max", 1): torch.nn.MaxPool1d, ("Max", 2): torch.nn.MaxPool2d, ("Average", 1): torch.nn.AvgPool1d,
         ("Average", 2): torch.nn.AvgPool2d}  # fmt: skip


@layer("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D")
def pooling(writer, layer, inputs, shapes, options):
    axes, kind = len(layer.pool_size), type(layer).__name__.partition("Pooling")[0]
    pads = pads_of(layer, shapes[0], layer.pool_size, [1] * axes)
    size, strides = tuple(layer.pool_size), tuple(layer.strides)
    x = writer.channels_first(inputs[0], axes)
    if all(before == after and 2 * before <= n for (before, after), n in zip(pads, size, strict=True)):
        others = {} if kind == "Max" else {"count_include_pad": False}

        def make():
            return _POOL[kind, axes](size, strides, tuple(p for p, _ in pads), **others)

        return writer.channels_last(writer.call(layer, "", make, x), axes)
    if kind == "Max":
        y = writer.call(layer, "", lambda: _POOL[kind, axes](size, strides), pad(writer, x, pads, float("-inf")))
        return writer.channels_last(y, axes)
    if axes == 1:
        x, pads, size, strides = writer.method("unsqueeze", x, 2), [(0, 0), *pads], (1, *size), (1, *strides)
    flat = [n for pair in reversed(pads) for n in pair]
    y = writer.function(modules.average_same, x, list(size), list(strides), flat)
    return writer.channels_last(writer.method("squeeze", y, 2) if axes == 1 else y, axes)


@layer("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D")
def global_pooling(writer, layer, inputs, shapes, options):
    function = torch.amax if type(layer).__name__.startswith("GlobalMax") else torch.mean
    return writer.function(function, inputs[0], dim=list(range(1, len(shapes[0]))), keepdim=layer.keepdims)


@layer("UpSampling1D", "UpSampling2D")
def upsampling(writer, layer, inputs, shapes, options):
    axes = len(shapes[0]) - 1
    size = (layer.size,) if axes == 1 else layer.size
    lengths = [n * factor for n, factor in zip(shapes[0], size, strict=False)]
    mode = getattr(layer, "interpolation", "nearest")
    others = {"align_corners": False} if mode == "bilinear" else {}
    x = writer.channels_first(inputs[0], axes)
    return writer.channels_last(writer.function(functional.interpolate, x, size=lengths, mode=mode, **others), axes)


@layer("ZeroPadding1D", "ZeroPadding2D", "Cropping1D", "Cropping2D")
def margins(writer, layer, inputs, shapes, options):
    config = layer.get_config()
    margins = config.get("padding", config.get("cropping"))
    axes, sign = len(shapes[0]) - 1, 1 if "padding" in config else -1
    pairs = [margins] if axes == 1 else list(margins)
    return pad(writer, inputs[0], [(sign * before, sign * after) for before, after in pairs] + [(0, 0)])

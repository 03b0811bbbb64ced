"""Convolutions and pooling: kernels (outputs, inputs, *window) become (*window, inputs, outputs)."""

import numpy as np

from nncore import _windows, layers
from nncore.interop.onnx.importing import Tensor, reads
from nncore.interop.onnx.readers.shapes import channels_last, pad


def _image(node):
    """The tensor, of sequences or images with rows and channels in front."""
    x = node.tensor()
    node.require(x.rows == 0 and x.rank in (3, 4), "is supported for sequences and images only")
    return x


def _margins(node, x, window, strides, dilations):
    """(before, after) of each axis of a window."""
    axes, mode = len(window), node.attributes.get("auto_pad", "NOTSET")
    if mode == "NOTSET":
        pads = node.numbers("pads", default=[0] * 2 * axes)
        node.require(len(pads) == 2 * axes and min(pads) >= 0, f"has pads {pads}")
        return list(zip(pads[:axes], pads[axes:], strict=True))
    node.require(mode in ("VALID", "SAME_UPPER"), f"does not support auto_pad={mode!r}")
    name = {"VALID": "valid", "SAME_UPPER": "same"}[mode]
    lengths = zip(x.shape[2:], window, strides, dilations, strict=True)
    return [_windows.padding_of(length, size, stride, name, step) for length, size, stride, step in lengths]


def _moves(node, x, window):
    """(strides, dilations, margins), each of as many axes as the window has."""
    axes = x.rank - 2
    strides, dilations = (node.numbers(name, default=[1] * axes) for name in ("strides", "dilations"))
    node.require(len(window) == len(strides) == len(dilations) == axes and min(*window, *strides, *dilations) > 0,
                 "has a window that does not fit")  # fmt: skip
    return strides, dilations, _margins(node, x, window, strides, dilations)


def _named_padding(x, window, strides, dilations, margins):
    """Keras's name of a padding, or None where it has none."""
    names = ["valid", "same", *(["causal"] if len(window) == 1 else [])]
    for name in names:
        lengths = zip(x.shape[2:], window, strides, dilations, strict=True)
        if margins == [_windows.padding_of(length, size, stride, name, step) for length, size, stride, step in lengths]:
            return name
    return None


def _layer(node, name, axes, *arguments, **options):
    """A new layer of the family `name` for so many axes; one of them takes its extents as numbers."""
    options = {key: value[0] if axes == 1 and isinstance(value, (list, tuple)) else value
               for key, value in options.items()}  # fmt: skip
    return node.layer(getattr(layers, name.format(axes)), *arguments, **options)


def _bias(node, filters):
    """The bias, in a list that is empty where there is none."""
    if node.given(2) is None:
        return []
    bias = node.array(2, "biases")
    node.require(bias.shape == (filters,), f"has a bias of {bias.shape} for {filters} channels")
    return [bias]


def _turned(kernel):
    """A kernel with its first two axes behind the others, the second one first."""
    return np.moveaxis(kernel, [1, 0], [-2, -1])


@reads("Conv")
def read_convolution(reader, node):
    x, kernel = _image(node), node.array(1, "weights")
    axes, groups = x.rank - 2, node.attributes.get("group", 1)
    node.require(kernel.ndim == x.rank and groups > 0 and x.shape[1] == kernel.shape[1] * groups
                 and kernel.shape[0] % groups == 0, f"of {x.shape} has a weight of {kernel.shape}")  # fmt: skip
    window = list(kernel.shape[2:])
    node.only(kernel_shape=window)
    strides, dilations, margins = _moves(node, x, window)
    padding = _named_padding(x, window, strides, dilations, margins)
    biases = _bias(node, kernel.shape[0])
    options = {"kernel_size": window, "strides": strides, "dilation_rate": dilations, "use_bias": bool(biases)}
    if groups > 1 and kernel.shape[1] == 1:
        padding_of_layer = padding if padding in ("valid", "same") else None
    else:
        padding_of_layer = padding
    if padding_of_layer is None:
        x, padding_of_layer = pad(node, x, [(0, 0), (0, 0), *margins]), "valid"
    options["padding"] = padding_of_layer
    if groups > 1 and kernel.shape[1] == 1:
        multiplier = kernel.shape[0] // groups
        kernel = np.moveaxis(kernel.reshape(groups, multiplier, *window), [0, 1], [-2, -1])
        layer = _layer(node, "DepthwiseConv{}D", axes, depth_multiplier=multiplier, **options)
    else:
        kernel = _turned(kernel)
        layer = _layer(node, "Conv{}D", axes, kernel.shape[-1], groups=groups, **options)
    order = channels_last(x.rank)
    return Tensor(reader, reader.weighted(layer, x.in_order(order), [kernel, *biases]), order)


@reads("ConvTranspose")
def read_transposed_convolution(reader, node):
    x, kernel = _image(node), node.array(1, "weights")
    axes = x.rank - 2
    node.only(group=1, output_shape=None, auto_pad="NOTSET", kernel_shape=list(kernel.shape[2:]))
    node.require(kernel.ndim == x.rank and x.shape[1] == kernel.shape[0], f"of {x.shape} has a weight of "
                 f"{kernel.shape}")  # fmt: skip
    window = list(kernel.shape[2:])
    strides, dilations, margins = _moves(node, x, window)
    longer = node.numbers("output_padding", default=[0] * axes)
    biases, kernel = _bias(node, kernel.shape[1]), _turned(kernel)
    layer = _layer(node, "Conv{}DTranspose", axes, kernel.shape[-2], kernel_size=window, strides=strides,
                   dilation_rate=dilations, output_padding=longer, use_bias=bool(biases))  # fmt: skip
    order = channels_last(x.rank)
    y = Tensor(reader, reader.weighted(layer, x.in_order(order), [kernel, *biases]), order)
    return pad(node, y, [(0, 0), (0, 0), *((-before, -after) for before, after in margins)])


@reads("MaxPool", "AveragePool")
def read_pooling(reader, node):
    x = _image(node)
    axes, window = x.rank - 2, node.numbers("kernel_shape", default=[])
    strides, dilations, margins = _moves(node, x, window)
    mean = node.kind == "AveragePool"
    node.require(len(node.outputs) == 1 and max(dilations) == 1, "does not support dilations and places")
    if node.attributes.get("ceil_mode", 0):
        spare = [(length + sum(margin) - size) % stride for length, margin, size, stride in zip(
            x.shape[2:], margins, window, strides, strict=True)]  # fmt: skip
        node.require(not any(spare), "does not support ceil_mode where windows reach beyond the image")
    padding = _named_padding(x, window, strides, dilations, margins)
    padded = any(map(any, margins))
    if mean and padded and node.attributes.get("count_include_pad", 0):
        padding = None
    elif padding is None:
        node.require(not mean, "does not support pads that do not count, other than those of 'same'")
        node.require(x.least >= 0 and all(max(margin) < size for margin, size in zip(margins, window, strict=True)),
                     "supports pads other than those of 'same' behind a function that is never negative only")
    if padding in (None, "causal"):
        x, padding = pad(node, x, [(0, 0), (0, 0), *margins]), "valid"
    order = channels_last(x.rank)
    layer = _layer(node, "AveragePooling{}D" if mean else "MaxPooling{}D", axes, pool_size=window, strides=strides,
                   padding=padding)  # fmt: skip
    return Tensor(reader, layer(x.in_order(order)), order, x.least)


@reads("GlobalAveragePool", "GlobalMaxPool")
def read_global_pooling(reader, node):
    x = _image(node)
    kind = "GlobalAveragePooling{}D" if node.kind == "GlobalAveragePool" else "GlobalMaxPooling{}D"
    order = channels_last(x.rank)
    layer = _layer(node, kind, x.rank - 2, keepdims=True)
    return Tensor(reader, layer(x.in_order(order)), order, x.least)


@reads("ReduceMean", "ReduceMax")
def read_reduction(reader, node):
    """Of all axes but that of the rows and one more."""
    x = node.tensor()
    axes = node.numbers("axes", 1)
    node.require(axes is not None and x.rank in (3, 4), "is supported for the axes of sequences and images only")
    axes = {node.axis(axis, x.rank) for axis in axes}
    left = [axis for axis in range(x.rank) if axis not in axes and axis != x.rows]
    node.require(x.rows not in axes and len(left) == 1, "is supported over all axes but one of samples only")
    keepdims = bool(node.attributes.get("keepdims", 1))
    order, symbol = x.ending_with(left[0])
    kind = "GlobalAveragePooling{}D" if node.kind == "ReduceMean" else "GlobalMaxPooling{}D"
    symbol = _layer(node, kind, x.rank - 2, keepdims=keepdims)(symbol)
    if not keepdims:
        order = (0, 1) if x.rows < left[0] else (1, 0)
    return Tensor(reader, symbol, order, x.least)

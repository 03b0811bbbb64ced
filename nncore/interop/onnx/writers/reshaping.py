"""Layers that give samples another shape, other extents, or their axes another order."""

import numpy as np

from nncore import layers
from nncore.interop.onnx.graph import Value
from nncore.interop.onnx.registry import writes


@writes(layers.Flatten, layers.Reshape)
def write_reshape(graph, layer, x):
    return x.reshaped(layer.compute_output_shape(x.shape))


@writes(layers.Permute)
def write_permute(graph, layer, x):
    return x.permuted((0, *layer.dims))


@writes(layers.RepeatVector)
def write_repeat_vector(graph, layer, x):
    name = graph.op("Expand", [graph.unsqueeze(x.plain, [1]), graph.integers([1, layer.n, 1])])
    return Value(graph, layer.compute_output_shape(x.shape), name)


def _resize(graph, layer, x, factors, **attributes):
    order, name = x.channels_first
    scales = graph.constant([1, 1, *factors], dtype=np.float32)
    name = graph.op("Resize", [name, "", scales], **attributes)
    return Value(graph, layer.compute_output_shape(x.shape), name, order)


NEAREST = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
BILINEAR = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}


@writes(layers.UpSampling1D)
def write_upsampling_1d(graph, layer, x):
    return _resize(graph, layer, x, [layer.size], **NEAREST)


@writes(layers.UpSampling2D)
def write_upsampling_2d(graph, layer, x):
    return _resize(graph, layer, x, layer.size, **(NEAREST if layer.interpolation == "nearest" else BILINEAR))


def _margins(layer, given):
    """(before, after) of each axis of a sample but the channels'."""
    return [given] if layer.axes == 1 else list(given)


@writes(layers.ZeroPadding1D, layers.ZeroPadding2D)
def write_zero_padding(graph, layer, x):
    order, name = x.native
    margins = dict(enumerate(_margins(layer, layer.padding), 1))
    pads = [margins.get(axis, (0, 0))[side] for side in (0, 1) for axis in order]
    name = graph.op("Pad", [name, graph.integers(pads)])
    return Value(graph, layer.compute_output_shape(x.shape), name, order)


@writes(layers.Cropping1D, layers.Cropping2D)
def write_cropping(graph, layer, x):
    order, name = x.native
    margins = _margins(layer, layer.cropping)
    places = [order.index(axis) for axis in range(1, layer.axes + 1)]
    starts = [before for before, _ in margins]
    ends = [extent - after for extent, (_, after) in zip(x.shape, margins, strict=False)]
    return Value(graph, layer.compute_output_shape(x.shape), graph.slice(name, places, starts, ends), order)

"""Pooling of windows and of whole samples."""

from nncore import _windows, layers
from nncore.interop.onnx.graph import Value
from nncore.interop.onnx.registry import writes
from nncore.interop.onnx.writers.convolution import axes_of, moves_of
from nncore.interop.onnx.writers.masking import with_zeros


def _pool(graph, layer, x, kind, **attributes):
    windows = _windows.windows_over(layer, x.shape, layer.pool_size, layer.strides, layer.padding)
    order, name = x.channels_first
    name = graph.op(kind, [name], **moves_of(axes_of(windows, layer.axes)), **attributes)
    return Value(graph, windows.output_shape(layer.axes), name, order)


@writes(layers.MaxPooling1D, layers.MaxPooling2D)
def write_max_pooling(graph, layer, x):
    return _pool(graph, layer, x, "MaxPool")


@writes(layers.AveragePooling1D, layers.AveragePooling2D)
def write_average_pooling(graph, layer, x):
    return _pool(graph, layer, x, "AveragePool", count_include_pad=0)


def _pool_all(graph, layer, x, kind):
    """What `kind` makes of all axes of a sample but that of the channels."""
    order, name = x.native
    places = [order.index(axis) for axis in range(1, layer.axes + 1)]
    shape = layer.compute_output_shape(x.shape)
    name = graph.reduce(kind, name, places, layer.keepdims)
    if layer.keepdims:
        return Value(graph, shape, name, order)
    return Value(graph, shape, name, tuple(int(axis > 0) for axis in order if axis in (0, layer.axes + 1)))


@writes(layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D)
def write_global_max_pooling(graph, layer, x):
    return _pool_all(graph, layer, x, "ReduceMax")


@writes(layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D)
def write_global_average_pooling(graph, layer, x):
    if layer.axes == 2 or x.mask is None:
        return _pool_all(graph, layer, x, "ReduceMean")
    total = _pool_all(graph, layer, with_zeros(graph, x, x.mask), "ReduceSum")
    counted = graph.cast(x.mask.plain, graph.dtype)
    count = graph.reduce("ReduceSum", counted, [1])
    count = graph.unsqueeze(count, [1]) if layer.keepdims else count
    return Value(graph, total.shape, graph.op("Div", [total.plain, count]))

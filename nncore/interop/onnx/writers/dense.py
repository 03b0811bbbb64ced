"""Products with a weight, rows of a table, and layers that change nothing in predictions."""

import numpy as np

from nncore import layers
from nncore.interop.onnx.graph import Value
from nncore.interop.onnx.registry import writes
from nncore.interop.onnx.writers.activations import activate


def affine(graph, x, kernel, bias=None, hint=""):
    """x kernel + bias along the last axis, for arrays (inputs, units) and (units,); its Value."""
    rank = len(x.shape)
    order, name = x.ending_with([rank])
    inputs = [name, graph.constant(kernel, f"{hint}kernel")]
    if bias is not None:
        inputs.append(graph.constant(bias, f"{hint}bias"))
    if rank == 1 and bias is not None:
        name = graph.op("Gemm", inputs)
    else:
        name = graph.op("MatMul", inputs[:2])
        name = graph.op("Add", [name, inputs[2]]) if bias is not None else name
    return Value(graph, (*x.shape[:-1], kernel.shape[1]), name, order)


@writes(layers.Dense)
def write_dense(graph, layer, x):
    return activate(graph, affine(graph, x, layer.kernel, layer.bias), layer.activation)


@writes(layers.Embedding)
def write_embedding(graph, layer, x):
    table, indices = graph.constant(layer.embeddings, "embeddings"), x.integers
    if indices is not None:
        rows = graph.op("Gather", [table, indices], axis=0)
        masked = graph.op("Equal", [indices, graph.whole(0)]) if layer.mask_zero else None
    else:  # what is no number of a row gives NaN
        numbers = graph.cast(x.plain, np.int64)
        inside = graph.op("Clip", [numbers, graph.whole(0), graph.whole(layer.input_dim - 1)])
        is_row = graph.op("Equal", [x.plain, graph.cast(inside, graph.dtype)])
        rows = graph.op("Gather", [table, inside], axis=0)
        rows = graph.where(graph.unsqueeze(is_row, [-1]), rows, graph.scalar(np.nan))
        masked = graph.op("Equal", [x.plain, graph.scalar(0.0)]) if layer.mask_zero else None
    y = Value(graph, (*x.shape, layer.output_dim), rows)
    if masked is not None:
        y.mask = Value(graph, x.shape, graph.op("Not", [masked]))
    return y


@writes(layers.InputLayer, layers.Dropout, layers.AlphaDropout, layers.SpatialDropout1D, layers.SpatialDropout2D,
        layers.GaussianDropout, layers.GaussianNoise)  # fmt: skip
def write_nothing(graph, layer, x):
    return x

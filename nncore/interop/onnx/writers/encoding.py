"""Layers that make codes of categories, and numbers of intervals."""

import numpy as np

from nncore import layers
from nncore.interop.onnx.graph import Value
from nncore.interop.onnx.registry import writes


def _encoded(graph, name, shape, mode, depth):
    """The code in an output mode of whole numbers; one outside of 0 to depth - 1 is left out."""
    categories = graph.constant(np.arange(depth, dtype=np.float64))
    squeezed = mode == "one_hot" and shape[-1:] == (1,)  # compared along its last axis, which becomes that of the code
    name = name if squeezed else graph.unsqueeze(name, [len(shape) + 1])
    code = graph.cast(graph.op("Equal", [name, categories]), graph.dtype)
    if mode == "one_hot":
        return code
    return graph.reduce("ReduceMax" if mode == "multi_hot" else "ReduceSum", code, [len(shape)], keepdims=False)


@writes(layers.CategoryEncoding)
def write_category_encoding(graph, layer, x):
    name = _encoded(graph, x.plain, x.shape, layer.output_mode, layer.num_tokens)
    return Value(graph, layer.compute_output_shape(x.shape), name)


@writes(layers.Discretization)
def write_discretization(graph, layer, x):
    if layer.bin_boundaries is None:
        raise ValueError(f"layer {layer.name!r} has no boundaries yet: call adapt(data)")
    boundaries = graph.constant(np.array(layer.bin_boundaries, np.float64))
    below = graph.op("Less", [graph.unsqueeze(x.plain, [len(x.shape) + 1]), boundaries])
    passed = graph.cast(graph.op("Not", [below]), graph.dtype)  # NaN is behind them all
    name = graph.reduce("ReduceSum", passed, [len(x.shape) + 1], keepdims=False)
    if layer.output_mode != "int":
        name = _encoded(graph, name, x.shape, layer.output_mode, len(layer.bin_boundaries) + 1)
    return Value(graph, layer.compute_output_shape(x.shape), name)

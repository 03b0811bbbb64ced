"""Masks: tensors of bool for the first axes of others, which say what of them counts."""

import numpy as np

from nncore import layers
from nncore.interop.onnx.graph import Value
from nncore.interop.onnx.registry import writes


def with_zeros(graph, x, mask):
    """x where its mask says that it counts, else 0; its Value."""
    order, name = x.native
    missing = len(x.shape) - len(mask.shape)
    wide = graph.unsqueeze(mask.plain, list(range(len(mask.shape) + 1, len(x.shape) + 1)))
    wide = Value(graph, (*mask.shape, *(1,) * missing), wide)
    return Value(graph, x.shape, graph.where(wide.in_order(order), name, graph.scalar(0.0)), order)


def is_not_zero(graph, x):
    """The Value of whether elements are not 0."""
    return x.elementwise(lambda name: graph.op("Not", [graph.chain(name, ("Equal", 0.0))]))


@writes(layers.Masking)
def write_masking(graph, layer, x):
    same = graph.cast(graph.chain(x.plain, ("Equal", layer.mask_value)), np.int32)
    masked = graph.cast(graph.reduce("ReduceMin", same, [len(x.shape)], keepdims=False), bool)
    mask = Value(graph, x.shape[:-1], graph.op("Not", [masked]))
    y = with_zeros(graph, x, mask)
    y.mask = mask
    return y

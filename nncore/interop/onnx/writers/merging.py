"""Layers of several inputs."""

import collections
import math

from nncore import layers
from nncore.interop.onnx.graph import Value, plain_order
from nncore.interop.onnx.registry import masks, writes
from nncore.interop.onnx.writers.normalization import unit_norm
from nncore.layers.merging import Merge, sample_axis


def _shared_order(values):
    """The order of axes that most of the values, all of one rank, were made in."""
    found = collections.Counter(value.native[0] for value in values)
    return max(found, key=lambda order: (found[order], order == plain_order(len(order) - 1)))


def _of_rank(graph, value, rank):
    """A tensor with axes of one element more in front of those of a sample."""
    missing = rank - len(value.shape)
    if not missing:
        return value
    name = graph.unsqueeze(value.plain, list(range(1, missing + 1)))
    return Value(graph, (*(1,) * missing, *value.shape), name)


def in_turn(kind):
    """A function that makes of several tensors one, by an operator of two."""

    def write(graph, layer, *values):
        if len(values) == 1:
            return values[0]
        shape = layer.compute_output_shape([value.shape for value in values])
        values = [_of_rank(graph, value, len(shape)) for value in values]
        order = _shared_order(values)
        first, *others = (value.in_order(order) for value in values)
        for other in others:
            first = graph.op(kind, [first, other])
        return Value(graph, shape, first, order)

    return write


writes(layers.Multiply)(in_turn("Mul"))
writes(layers.Subtract)(in_turn("Sub"))
writes(layers.Maximum)(in_turn("Max"))
writes(layers.Minimum)(in_turn("Min"))
add = writes(layers.Add)(in_turn("Add"))


@writes(layers.Average)
def write_average(graph, layer, *values):
    if len(values) == 1:
        return values[0]
    return add(graph, layer, *values).elementwise(lambda name: graph.chain(name, ("Mul", 1 / len(values))))


@writes(layers.Concatenate)
def write_concatenation(graph, layer, *values):
    if len(values) == 1:
        return values[0]
    shape = layer.compute_output_shape([value.shape for value in values])
    order = _shared_order(values)
    place = order.index(sample_axis(layer, layer.axis, shape) + 1)
    return Value(graph, shape, graph.op("Concat", [value.in_order(order) for value in values], axis=place), order)


@writes(layers.Dot)
def write_dot(graph, layer, *values):
    shape = layer.compute_output_shape([value.shape for value in values])
    axes = layer.axes if isinstance(layer.axes, list) else [layer.axes] * 2
    matrices = []
    for value, axis, last in zip(values, axes, (True, False), strict=True):
        summed = sample_axis(layer, axis, value.shape) + 1
        others = [axis for axis in plain_order(len(value.shape))[1:] if axis != summed]
        order = (0, *others, summed) if last else (0, summed, *others)
        name = value.in_order(order)
        if layer.normalize:
            name = unit_norm(graph, name, [order.index(summed)], 1e-7)
        extents = [math.prod(value.shape[axis - 1] for axis in others), value.shape[summed - 1]]
        matrices.append(graph.reshape(name, [0, *(extents if last else extents[::-1])]))
    return Value(graph, shape, graph.reshape(graph.op("MatMul", matrices), [0, *shape]))


# ---------------------------------------------------------------- masks


def either(graph, found):
    """The mask of what one of several says counts."""
    first, *others = found
    for other in others:
        first = Value(graph, first.shape, graph.op("Or", [first.plain, other.plain]))
    return first


@masks(Merge)
def mask_of_merging(graph, layer, values):
    found = [value.mask for value in values]
    if any(mask is None for mask in found):
        return None
    shape = max((mask.shape for mask in found), key=lambda shape: (len(shape), math.prod(shape)))
    wide = [_of_rank(graph, mask, len(shape)) for mask in found]
    mask = either(graph, wide)
    return Value(graph, shape, mask.plain)


@masks(layers.Concatenate)
def mask_of_concatenation(graph, layer, values):
    axis = sample_axis(layer, layer.axis, values[0].shape)
    axes = max(len(value.mask.shape) for value in values if value.mask is not None)
    found = [value.mask and _widened(graph, value.mask, value.shape[:axes]) for value in values]
    if axis >= axes:
        return None if None in found else either(graph, found)
    parts = []
    for value, mask in zip(values, found, strict=True):
        if mask is None:
            zeros = graph.zeros((value.plain, 0), value.shape[:axes])
            parts.append(graph.chain(zeros, ("Equal", 0.0)))
        else:
            parts.append(mask.plain)
    shape = values[0].shape
    shape = (*shape[:axis], sum(value.shape[axis] for value in values), *shape[axis + 1 : axes])
    return Value(graph, shape, graph.op("Concat", parts, axis=axis + 1))


def _widened(graph, mask, shape):
    """A mask of the first axes of `shape` as one of all of them."""
    missing = len(shape) - len(mask.shape)
    if not missing:
        return mask
    name = graph.unsqueeze(mask.plain, list(range(len(mask.shape) + 1, len(shape) + 1)))
    return Value(graph, shape, graph.op("Expand", [name, graph.integers([1, *shape])]))


@masks(layers.Dot)
def mask_of_dot(graph, layer, values):
    return None

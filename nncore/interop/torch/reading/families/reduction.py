"""Means, sums and maxima along axes."""

import math

import nncore as nn
from nncore.interop.torch.reading.families.activation import scale
from nncore.interop.torch.reading.registry import function
from nncore.interop.torch.reading.values import Absent, States, Value, order_of, reshaped


def reduce(node, x, dim, keepdim, cls):
    """A layer of nncore over the axes `dim` as if they were one."""
    x = x.value() if isinstance(x, States) else x
    x = x.plain()
    dims = [dim] if isinstance(dim, int) else [] if dim is None else list(dim)
    axes = sorted({x.axis(d) for d in dims})
    if not axes or x.batch in axes:
        raise ValueError(f"dim must name axes other than that of samples; got {dim} for {x.shape}")
    kept = [axis for axis in sorted(x.sorted_axes(), key=lambda axis: x.order[axis]) if axis not in axes]
    gone = [axis for axis in sorted(x.sorted_axes(), key=lambda axis: x.order[axis]) if axis in axes]
    lengths = [x.shape[axis] for axis in kept]
    tensor = reshaped(x.arranged(gone + kept), (math.prod(x.shape[axis] for axis in gone), math.prod(lengths)))
    tensor = reshaped(node.layer(cls)(tensor), tuple(lengths) or (1,))
    left = [axis for axis in range(x.rank) if axis not in axes]
    y = Value(tensor, order_of(len(left), [left.index(axis) for axis in kept]))
    if keepdim:
        y = y.reshape([1 if axis in axes else n for axis, n in enumerate(x.shape)])
    return y


@function("mean")
def mean(node, input, dim=None, keepdim=False, dtype=None):
    return reduce(node, input, dim, keepdim, nn.layers.GlobalAveragePooling1D)


@function("sum")
def total(node, input, dim=None, keepdim=False, dtype=None):
    x = input.value() if isinstance(input, States) else input
    y = reduce(node, x, dim, keepdim, nn.layers.GlobalAveragePooling1D)
    axes = {x.axis(d) for d in ([dim] if isinstance(dim, int) else dim)}
    return scale(node, y, float(math.prod(x.shape[axis] for axis in axes)), suffix="sum")


@function("amax")
def amax(node, input, dim=None, keepdim=False):
    return reduce(node, input, dim, keepdim, nn.layers.GlobalMaxPooling1D)


@function("amin")
def amin(node, input, dim=None, keepdim=False):
    y = reduce(node, scale(node, input, -1.0, suffix="minus"), dim, keepdim, nn.layers.GlobalMaxPooling1D)
    return scale(node, y, -1.0, suffix="min")


@function("max")
def maximum(node, input, dim=None, keepdim=False):
    if isinstance(dim, Value):
        raise ValueError("of two tensors torch.maximum comes over")
    return amax(node, input, dim, keepdim), Absent("the indices of maxima")


@function("min")
def minimum(node, input, dim=None, keepdim=False):
    if isinstance(dim, Value):
        raise ValueError("of two tensors torch.minimum comes over")
    return amin(node, input, dim, keepdim), Absent("the indices of minima")

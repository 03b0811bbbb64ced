"""Steps that rearrange, repeat, sum and combine the elements of samples, over the kernels of axes.h and merging.h.

An axis is (extent, x_step, y_step): how far apart in either tensor neighbours along it are.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nncore._engine import Buffer
    from nncore._plan import Builder, Value
    from nncore._typing import Array


def steps_of(shape: Sequence[int]) -> list[int]:
    """Elements between neighbours along each axis of a sample."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _merged(axes: Any) -> list[Any]:
    """The same axes with those of one element left out, and each run of them that is one axis in both as one."""
    merged: list[Any] = []
    for extent, x_step, y_step in axes:
        if extent == 1:
            continue
        if merged and merged[-1][1:] == (extent * x_step, extent * y_step):
            extent *= merged.pop()[0]
        merged.append((extent, x_step, y_step))
    return merged


def _layout(axes: Any) -> Array:
    return np.array(axes, np.int64).reshape(-1, 3)


def emit_copy(add: Callable[..., Any], x: Buffer, y: Buffer, axes: Any) -> None:
    """Adds a step that copies between two buffers; axes are in the order of y."""
    axes = _merged(axes) or [(1, 1, 1)]
    contiguous = [axis[1] for axis in axes].index(1) if axes[-1][1] > 1 and 1 in (axis[1] for axis in axes) else None
    if contiguous is not None:  # the kernel transposes the last two axes in registers
        axes.insert(-1, axes.pop(contiguous))
    add("copy_axes", x=x, y=y, layout=_layout(axes), axes=len(axes), x_stride=x.stride, y_stride=y.stride)


def emit_copied_gradient(builder: Builder, value: Value, dy: Buffer) -> None:
    """A copy of the buffer dy is a gradient of `value`."""
    target, accumulate = builder.gradient_target(value)
    if accumulate:
        builder.backward_step("add_rows", x=dy, y=target, features=value.width, x_stride=dy.stride,
                              y_stride=target.stride)  # fmt: skip
    else:
        emit_copy(builder.backward_step, dy, target, [(value.width, 1, 1)])


def emit_pair(add: Callable[..., Any], kernel: str, a: Buffer, b: Buffer, y: Buffer, features: int) -> None:
    """Adds a step y = kernel(a, b), element by element."""
    add(kernel, a=a, b=b, y=y, features=features, a_stride=a.stride, b_stride=b.stride, y_stride=y.stride)


def emit_sum(add: Callable[..., Any], x: Buffer, y: Buffer, kept: Any, summed: Any) -> None:
    """Adds a step that sums over the axes `summed`; both lists are in the order of x."""
    kept = _merged(kept) or [(1, 0, 1)]
    summed = _merged(summed) or [(1, 0, 0)]
    add("sum_axes", x=x, y=y, layout=_layout([*kept, *summed]), kept=len(kept), summed=len(summed), x_stride=x.stride,
        y_stride=y.stride)  # fmt: skip


def repeating_axes(shape: Sequence[int], target: Sequence[int]) -> list[Any]:
    """Axes of a step that repeats a sample of `shape` along its axes of 1 to make one of `target`, of as many axes."""
    return [
        (extent, 0 if own == 1 else step, target_step)
        for own, extent, step, target_step in zip(shape, target, steps_of(shape), steps_of(target), strict=True)
    ]


def emit_permuted(builder: Builder, x: Value, order: Sequence[int]) -> Value:
    """The tensor whose axis i is axis order[i] of x; returns its Value."""
    shape = tuple(x.shape[axis] for axis in order)
    x_steps, y_steps = steps_of(x.shape), steps_of(shape)
    axes = [(x.shape[axis], x_steps[axis], step) for axis, step in zip(order, y_steps, strict=True)]
    back = [(extent, y_step, x_step) for extent, x_step, y_step in axes]
    back = [back[order.index(axis)] for axis in range(len(order))]
    x.uses += 1
    if _merged(axes) == _merged([(x.width, 1, 1)]):
        return builder.same(x, shape)
    y = builder.value(shape, x.needs_gradient)
    emit_copy(builder.forward, x.buffer, y.buffer, axes)

    def backward() -> None:
        if y.gradient is not None and x.needs_gradient:
            builder.add_gradient(x, lambda target: emit_copy(builder.backward_step, y.gradient, target, back))

    builder.on_backward(backward)
    return y


def emit_broadcast(builder: Builder, x: Value, shape: Sequence[int]) -> Value:
    """Repeats x to samples of `shape`, as NumPy broadcasts; returns x itself where it has that shape."""
    if x.shape == shape:
        return x
    own = (1,) * (len(shape) - len(x.shape)) + x.shape
    x.uses += 1
    if own == shape:
        return builder.same(x, shape)
    axes = repeating_axes(own, shape)
    y = builder.value(shape, x.needs_gradient)
    emit_copy(builder.forward, x.buffer, y.buffer, axes)
    kept = [(extent, y_step, x_step) for extent, x_step, y_step in axes if x_step]
    summed = [(extent, y_step, 0) for extent, x_step, y_step in axes if not x_step]

    def backward() -> None:
        if y.gradient is not None and x.needs_gradient:
            builder.add_gradient(x, lambda target: emit_sum(builder.backward_step, y.gradient, target, kept, summed))

    builder.on_backward(backward)
    return y

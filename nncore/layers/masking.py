"""Masks of sequences: which steps count."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nncore import _checks, _engine
from nncore._axes import emit_broadcast, emit_copy, emit_pair
from nncore.layers.layer import Layer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import AnyLayerArguments
    from nncore._plan import Builder, Value
    from nncore._typing import Config


class Masking(Layer):
    """Masks the steps of which all elements are `mask_value`, and sets them to 0. x is (..., steps, features).

    Layers behind it that know masks hand the mask on; losses and metrics leave the masked steps out.

    Parameters
    ----------
    mask_value : float
    """

    supports_masking = True

    def __init__(self, mask_value: float = 0.0, **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(**common)
        self.mask_value: float = _checks.real_number("Masking", "mask_value", mask_value)

    def compute_output_shape(self, input_shape: Any) -> Any:
        if len(input_shape) < 2:
            raise ValueError(f"layer {self.name!r} needs samples of shape (steps, features); got {input_shape}")
        return input_shape

    def emit(self, builder: Builder, x: Value) -> Any:
        mask = builder.value(x.shape[:-1], False)
        builder.forward("step_mask", x=x.buffer, mask=mask.buffer, steps=mask.width, features=x.shape[-1],
                        x_stride=x.stride, mask_stride=mask.stride, value=self.mask_value)  # fmt: skip
        y = emit_masked(builder, x, mask)
        y.mask = mask
        return y

    def get_config(self) -> Config:
        return {"mask_value": self.mask_value, **super().get_config()}


def emit_masked(builder: Builder, x: Value, mask: Any) -> Value:
    """x where a mask of its first axes is not 0, else 0; returns its Value."""
    x.uses += 1
    y = builder.value(x.shape, x.needs_gradient)

    def step(add: Any, source: Any, target: Any) -> None:
        add("mask_steps", x=source, mask=mask.buffer, y=target, steps=mask.width, features=x.width // mask.width,
            x_stride=source.stride, mask_stride=mask.stride, y_stride=target.stride)  # fmt: skip

    step(builder.forward, x.buffer, y.buffer)

    def backward() -> None:
        if y.gradient is not None and x.needs_gradient:
            builder.add_gradient(x, lambda target: step(builder.backward_step, y.gradient, target))

    builder.on_backward(backward)
    return y


def emit_either(builder: Builder, masks: Any) -> Value:
    """The mask of what one of several masks of one shape says counts."""
    first: Value
    first, *others = masks
    for other in others:
        either = builder.value(first.shape, False)
        emit_pair(builder.forward, "maximum", first.buffer, other.buffer, either.buffer, either.width)
        first = either
    return first


def emit_widened(builder: Builder, mask: Value, shape: Any) -> Value:
    """A mask of the first axes of `shape` as one of all of them."""
    missing = len(shape) - len(mask.shape)
    return emit_broadcast(builder, builder.same(mask, (*mask.shape, *(1,) * missing)), shape) if missing else mask


def emit_joined(builder: Builder, masks: Any, shapes: Any, axis: int) -> Value:
    """The mask of tensors of these shapes beside each other along an axis that masks have.

    Axes of a mask are the first ones of its tensor; a tensor without one counts.
    """
    axes = next(len(mask.shape) for mask in masks if mask is not None)
    extents = [shape[axis] for shape in shapes]
    joined = builder.value((*shapes[0][:axis], sum(extents), *shapes[0][axis + 1 : axes]), False)
    inner, place = math.prod(joined.shape[axis + 1 :]), 0
    row = joined.shape[axis] * inner
    for mask, extent in zip(masks, extents, strict=True):
        width = extent * inner
        source = _ones(builder, joined.width // row * width) if mask is None else mask.buffer
        layout = [(joined.width // row, width, row), (width, 1, 1)]
        emit_copy(builder.forward, source, joined.buffer.at(place), layout)
        place += width
    return joined


def _ones(builder: Builder, width: int) -> Any:
    """A buffer of ones."""
    ones = builder.buffer(width)
    builder.forward("scale_shift", x=_engine.aligned_zeros(width, builder.dtype), y=ones, features=width, x_stride=0,
                    y_stride=ones.stride, scale=0.0, shift=1.0)  # fmt: skip
    return ones

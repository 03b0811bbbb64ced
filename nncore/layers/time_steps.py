"""Sequences inside a plan: their steps as tensors of their own, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore._axes import emit_copy
from nncore._plan import Value
from nncore.layers.merging import Concatenate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore._plan import Builder


def split(builder: Builder, x: Value) -> list[Value]:
    """The steps of x (steps, ...) as Values (...), which lie in its buffer."""
    width = x.width // x.shape[0]
    parts = [Value(x.buffer.at(step * width), x.shape[1:], x.needs_gradient) for step in range(x.shape[0])]
    x.uses += 1

    def emit_gradient(target: Any) -> None:
        for step, part in enumerate(parts):
            if part.gradient is not None:  # else the target, which nobody else writes to, stays zero there
                emit_copy(builder.backward_step, part.gradient, target.at(step * width), [(width, 1, 1)])

    def backward() -> None:
        if x.needs_gradient and any(part.gradient is not None for part in parts):
            builder.add_gradient(x, emit_gradient)

    builder.on_backward(backward)
    return parts


def join(builder: Builder, parts: Sequence[Value]) -> Value:
    """Values (...) as the steps of one (steps, ...)."""
    whole = Concatenate(axis=1, name="steps").emit(builder, *parts)
    whole.uses += 1
    return builder.same(whole, (len(parts), *parts[0].shape))

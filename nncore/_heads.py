"""What attention is made of, as steps of a plan: products of matrices for each head of a sample, and their weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from nncore._plan import Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from nncore._engine import Buffer
    from nncore._plan import Builder


class Matrices(NamedTuple):
    """A Value's samples as a matrix (rows, columns) for each head; a head's rows are `row` elements apart."""

    value: Value
    heads: int
    rows: int
    columns: int
    head: int  # elements from one head to the next
    row: int

    @classmethod
    def beside(cls, value: Any, heads: int) -> Matrices:
        """Of a sample (rows, heads * columns)."""
        width = math.prod(value.shape[1:])
        return cls(value, heads, value.shape[0], width // heads, width // heads, width)

    @classmethod
    def stacked(cls, value: Any) -> Matrices:
        """Of a sample (heads, rows, columns)."""
        heads, rows, columns = value.shape
        return cls(value, heads, rows, columns, rows * columns, columns)


def emit_product(builder: Builder, a: Matrices, b: Matrices, c: Matrices, transposed: bool = False) -> None:
    """c = a b, or a b' if `transposed`, for Matrices of which c has a new Value."""
    a.value.uses += 1
    b.value.uses += 1
    _emit(builder.forward, a, a.value.buffer, False, b, b.value.buffer, transposed, c, c.value.buffer)
    builder.add_flops(2.0 * a.heads * a.rows * a.columns * c.columns)

    def backward() -> None:
        dc = c.value.gradient
        if dc is None:
            return
        if a.value.needs_gradient:
            builder.add_gradient(a.value, lambda da: _emit(
                builder.backward_step, c, dc, False, b, b.value.buffer, not transposed, a, da))  # fmt: skip
        if b.value.needs_gradient and transposed:
            builder.add_gradient(b.value, lambda db: _emit(
                builder.backward_step, c, dc, True, a, a.value.buffer, False, b, db))  # fmt: skip
        elif b.value.needs_gradient:
            builder.add_gradient(b.value, lambda db: _emit(
                builder.backward_step, a, a.value.buffer, True, c, dc, False, b, db))  # fmt: skip

    builder.on_backward(backward)


def _emit(add: Callable[..., Any], a: Matrices, a_buffer: Buffer, a_transposed: bool, b: Matrices, b_buffer: Buffer,
          b_transposed: bool, c: Matrices, c_buffer: Buffer) -> None:  # fmt: skip
    """Adds the step of c = a b for buffers that are laid out as a, b and c; either may be transposed."""
    add("head_product", a=a_buffer, b=b_buffer, c=c_buffer, heads=a.heads, outer=c.rows,
        inner=a.rows if a_transposed else a.columns, columns=c.columns, a_head=a.head, a_row=a.row,
        a_transposed=a_transposed, b_head=b.head, b_row=b.row, b_transposed=b_transposed, c_head=c.head, c_row=c.row,
        a_stride=a_buffer.stride, b_stride=b_buffer.stride, c_stride=c_buffer.stride)  # fmt: skip


def emit_weights(builder: Builder, scores: Value, masks: Any, *, causal: bool = False, scale: float = 1.0,
                 shift: float = 0.0, unseeing: float = 0.0) -> Value:  # fmt: skip
    """The softmax over the last axis of `scores` (heads, queries, keys), in its memory; returns its Value.

    `masks` are Values by the names that kernel attention_softmax gives them; so are the other arguments.
    """
    heads, queries, keys = scores.shape
    scores.uses += 1
    y = Value(scores.buffer, scores.shape, scores.needs_gradient)
    common: dict[str, Any] = {"heads": heads, "queries": queries, "keys": keys, "causal": causal, "scale": scale,
                              "shift": shift}  # fmt: skip
    for name in ("query_mask", "key_mask", "attention_mask"):
        mask = masks.get(name)
        common[name] = None if mask is None else mask.buffer
        common[f"{name}_stride"] = 0 if mask is None else mask.stride
    builder.forward("attention_softmax", scores=scores.buffer, y=y.buffer, scores_stride=scores.stride,
                    y_stride=y.stride, unseeing=unseeing, **common)  # fmt: skip

    def backward() -> None:
        if y.gradient is None or not scores.needs_gradient:
            return
        dy = y.gradient
        builder.backward_step("attention_softmax_backward", y=y.buffer, dy=dy, dx=dy, y_stride=y.stride,
                              dy_stride=dy.stride, dx_stride=dy.stride, **common)  # fmt: skip
        builder.take_gradient(scores, dy)

    builder.on_backward(backward)
    return y

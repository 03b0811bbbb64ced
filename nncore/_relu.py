"""The derivative of a ReLU that a layer's own kernel has applied to its output (`Value.relu`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nncore._plan import Builder, Value


def take_derivative(x: Value) -> bool:
    """Returns whether the gradient of x is to be computed times the derivative of its ReLU, as its only user does."""
    gate = x.relu and x.uses == 1
    x.gated = x.gated or gate
    return gate


def emit_derivative(builder: Builder, y: Value) -> None:
    """Multiplies the gradient of y with the derivative of its ReLU, unless there is none, or its user has done so."""
    if y.relu and not y.gated:
        dy = y.gradient
        builder.backward_step("relu_backward", y=y.buffer, dy=dy, dx=dy, features=y.width, y_stride=y.stride,
                              dy_stride=dy.stride, dx_stride=dy.stride)  # fmt: skip

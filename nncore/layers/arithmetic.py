"""Arithmetic of symbolic tensors, as layers."""

from __future__ import annotations

import numbers
from typing import Any

from nncore.layers import merging
from nncore.layers.rescaling import Rescaling
from nncore.layers.tensor import Tensor


def add(a: Any, b: Any) -> Any:
    """a + b, of a tensor and a tensor or number."""
    return merging.Add()([a, _tensor(b)]) if not _is_number(b) else Rescaling(1.0, float(b))(a)


def subtract(a: Any, b: Any) -> Any:
    """a - b, of which one may be a number."""
    if _is_number(a):
        return Rescaling(-1.0, float(a))(b)
    return merging.Subtract()([a, _tensor(b)]) if not _is_number(b) else Rescaling(1.0, -float(b))(a)


def multiply(a: Any, b: Any) -> Any:
    """a b, of a tensor and a tensor or number."""
    return merging.Multiply()([a, _tensor(b)]) if not _is_number(b) else Rescaling(float(b))(a)


def divide(a: Any, b: Any) -> Any:
    """a / b, of a tensor and a number that is not 0."""
    if not _is_number(b):
        raise TypeError("a symbolic tensor can be divided by a number only")
    if b == 0:
        raise ZeroDivisionError("a symbolic tensor is divided by 0")
    return Rescaling(1.0 / float(b))(a)


def _is_number(x: Any) -> bool:
    return isinstance(x, numbers.Real) and not isinstance(x, Tensor)


def _tensor(x: Any) -> Any:
    if isinstance(x, Tensor):
        return x
    raise TypeError(f"arithmetic of a symbolic tensor needs another one or a number; got {type(x).__name__}")

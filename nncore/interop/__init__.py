"""Bridges to other libraries. Each imports what it bridges to when it is used, and nothing here imports it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nncore.interop import c as c
    from nncore.interop import keras as keras
    from nncore.interop import onnx as onnx
    from nncore.interop import scipy as scipy
    from nncore.interop import sklearn as sklearn
    from nncore.interop import torch as torch

__all__ = [
    "c",
    "keras",
    "onnx",
    "scipy",
    "sklearn",
    "torch",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"nncore.interop.{name}")
    raise AttributeError(f"module 'nncore.interop' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

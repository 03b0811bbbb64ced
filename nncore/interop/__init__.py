"""Bridges to other libraries. Each imports what it bridges to when it is used, and nothing here imports it."""

import importlib

__all__ = [
    "c",
    "onnx",
    "scipy",
]


def __getattr__(name):
    if name in __all__:
        return importlib.import_module(f"nncore.interop.{name}")
    raise AttributeError(f"module 'nncore.interop' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})

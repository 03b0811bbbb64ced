"""Data sets to try things on: `digits` ships with the package, `mnist` is read from a folder or downloaded."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nncore.datasets import digits, mnist

__all__ = ["digits", "mnist"]


def __getattr__(name: str) -> Any:
    """Imports a data set's module when it is first asked for: most programs bring their own data."""
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; there are: {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__

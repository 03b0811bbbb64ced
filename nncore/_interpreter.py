"""Refuses subinterpreters, before an import of NumPy does so in other words."""

from __future__ import annotations

import _thread
import importlib
from typing import Any


def _is_main() -> bool:
    """Whether this is the main interpreter of the process."""
    known: Any = getattr(_thread, "_is_main_interpreter", None)
    if known is not None:
        return bool(known())
    try:  # before Python 3.12
        interpreters: Any = importlib.import_module("_xxsubinterpreters")
    except ImportError:  # of a Python without them
        return True
    return bool(interpreters.get_current() == interpreters.get_main())


if not _is_main():
    raise ImportError(
        "nncore cannot be imported in a subinterpreter, as NumPy works in the main interpreter of a process only. "
        "Threads train side by side, without the GIL; so do processes"
    )

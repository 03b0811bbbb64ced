"""Ctrl-C, where it must not cut through something."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def interrupts_wait() -> Iterator[None]:
    """Has Ctrl-C act behind the block: what writes a bar or a file is not left half done."""
    handler = signal.getsignal(signal.SIGINT)
    # Only Python's main thread is interrupted, and only it may set handlers.
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    came = []
    signal.signal(signal.SIGINT, lambda *arguments: came.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            handler(*came[0])

"""Data in files that are mapped into memory, larger than memory itself.

The system keeps what was read of a file in memory as long as nobody else wants it, and counts what a process has read
of a mapping as its own. So a training on such data gives back what it has read, a window of rows after the other, and
asks for the rows of the next window before it needs them: shuffled ones are in places that the system cannot guess.
"""

from __future__ import annotations

import mmap
import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _cgroups

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self

    from nncore._typing import Array

LEAST_BYTES = 1 << 29  # of a mapping: smaller ones are left to the system
WINDOW_BYTES = 1 << 28  # of what is read between two times that it is given back
AROUND = 1 << 16  # bytes around each place that is read, which the system maps as well


class MappedRows:
    """Rows of Sources that lie in mapped files. Where there are none, or small ones, `find` gives None.

    Attributes
    ----------
    at_once : int, rows of a window
    """

    def __init__(self, parts: list[tuple[Any, int, int, int]]) -> None:
        self.parts = parts  # [(mapping, offset of the first row in it, bytes from row to row, bytes of a row)]
        self.at_once = max(1, WINDOW_BYTES // sum(max(size, AROUND) for *_, size in parts))
        self.mappings = list({id(mapping): mapping for mapping, *_ in parts}.values())
        self.cold = sum(map(len, self.mappings)) > _memory() / 2  # so that little of them is in memory at any time

    @classmethod
    def find(cls, sources: Iterable[Any]) -> Self | None:
        """The rows of some Sources that lie in large mapped files, or None."""
        if not sys.platform.startswith("linux"):
            return None
        parts = []
        for source in sources:
            for array in getattr(source.array, "columns", [source.array]) if source is not None else ():
                mapping = _mapping_of(array)
                if mapping is not None:
                    size = array.itemsize * (array[:1].size if source.table is None else 1)
                    parts.append((mapping, array.ctypes.data - _address(mapping), array.strides[0], size))
        return cls(parts) if parts else None

    def window(self, begin: int, minibatch: int) -> int:
        """The end of the window of whole minibatches that begins with a row."""
        return begin + max(1, self.at_once // minibatch) * minibatch

    def begin(self, shuffled: bool) -> None:
        """Says how the rows will be read: where they are, the system reads no more than it is asked for."""
        for mapping, _, distance, size in self.parts if self.cold else ():
            apart = shuffled or not _together(distance, size)
            mapping.madvise(mmap.MADV_RANDOM if apart else mmap.MADV_NORMAL)

    def ask(self, order: Array | None, begin: int, end: int) -> None:
        """Has the system read the rows from `begin` to `end` of an epoch's order."""
        if not self.cold:
            return
        rows = (np.arange(begin, end) if order is None else order[begin:end]).tolist()
        for mapping, offset, distance, size in self.parts:
            places = rows
            if order is None and _together(distance, size):
                places, size = rows[:1], (len(rows) - 1) * distance + size
            for row in places:
                first = max(0, offset + row * distance) // mmap.PAGESIZE * mmap.PAGESIZE
                length = min(offset + row * distance + size, len(mapping)) - first
                if length > 0:
                    mapping.madvise(mmap.MADV_WILLNEED, first, length)

    def give_back(self) -> None:
        """Lets go of what was read. The system has it still, and in memory as long as there is room."""
        for mapping in self.mappings:
            mapping.madvise(mmap.MADV_DONTNEED)


def _together(distance: int, size: int) -> bool:
    """Whether rows one behind the other are as good as one piece of memory."""
    return 0 < distance <= max(2 * size, mmap.PAGESIZE)


def _mapping_of(array: Any) -> mmap.mmap | None:
    """The large mapping of a file that an array views, and that nobody writes to privately; None without one."""
    mode = None
    while isinstance(array, np.ndarray):
        mode = getattr(array, "mode", mode)
        array = array.base
    if not isinstance(array, mmap.mmap) or mode not in ("r", "r+", "w+") or len(array) < LEAST_BYTES:
        return None
    return array


def _address(mapping: Any) -> int:
    return np.frombuffer(mapping, np.uint8).ctypes.data


def _memory() -> int:
    """Bytes of memory that the machine has, or the control group allows."""
    bytes_ = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    allowed = _cgroups.memory()
    return bytes_ if allowed is None else min(bytes_, allowed)

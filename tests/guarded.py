"""Memory that a kernel cannot leave unnoticed, and a process that may crash in its place."""

import contextlib
import ctypes
import faulthandler
import json
import mmap
import os
import resource
import signal
import traceback
import warnings

import numpy as np

SLACK = 64  # bytes beside an array, on the sides where no guard page is, whose change is noticed


def _protect(memory, offset, length):
    """Makes pages of an anonymous mapping inaccessible; returns nothing, or raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory)) + offset
    if libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(length), 0):
        raise OSError(ctypes.get_errno(), "mprotect failed")


class GuardedMemory:
    """Regions between two pages that crash whoever touches them.

    Parameters
    ----------
    at_end : bool
        Arrays end where the guard page begins; else they begin where the guard page before them ends.
    """

    def __init__(self, at_end):
        self.at_end = at_end
        self._regions = []
        self._taken = 0

    def reset(self):
        """Makes all regions free again."""
        self._taken = 0

    def take(self, size):
        """Memory of `size` bytes: (uint8 array of the region, offset, bytes of slack before, after)."""
        if self._taken == len(self._regions):
            self._regions.append(self._region(1 << 16))
        if len(self._regions[self._taken]) < size + SLACK:
            self._regions[self._taken] = self._region(2 * size + SLACK)
        region = self._regions[self._taken]
        self._taken += 1
        if self.at_end:
            return region, len(region) - size, SLACK, 0
        return region, 0, 0, SLACK

    @staticmethod
    def _region(size):
        page = mmap.PAGESIZE
        size = -(-size // page) * page
        memory = mmap.mmap(-1, size + 2 * page)
        _protect(memory, 0, page)
        _protect(memory, page + size, page)
        return np.frombuffer(memory, np.uint8)[page : page + size]


class PlainMemory:
    """One block of memory for all arrays of a call, which can be written to a file as a whole."""

    def __init__(self, size=1 << 22):
        self.block = np.zeros(size, np.uint8)
        self.taken = 0

    def reset(self):
        """Makes all of it free again."""
        self.taken = 0

    def take(self, size):
        """As GuardedMemory.take."""
        offset = (self.taken + SLACK + 15) // 16 * 16
        self.taken = offset + size + SLACK
        if self.taken > len(self.block):
            raise MemoryError(f"a call needs more than {len(self.block)} bytes")
        return self.block, offset, SLACK, SLACK


def in_child(check):
    """Runs check(note) in a forked process, and returns its messages: a crash becomes one of them.

    `check` yields messages, and calls note(text) before each thing that may crash.
    """
    progress = mmap.mmap(-1, 4096)

    def note(text):
        encoded = str(text).encode()[:4000]
        progress[: len(encoded) + 1] = encoded + b"\0"

    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork where there are threads: the child starts none
        child = os.fork()
    if child == 0:
        _run_child(check, note, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        written = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    messages = json.loads(written) if written else []
    if status:
        how = signal.Signals(-status).name if status < 0 else f"exit code {status}"
        messages.append(f"{how} in: {progress[:].split(bytes(1))[0].decode()}")
    return messages


def _run_child(check, note, writer):
    messages = []
    try:
        faulthandler.disable()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        messages.extend(check(note))
    except BaseException:
        messages.append(traceback.format_exc())
    with contextlib.suppress(BaseException):
        os.write(writer, json.dumps(messages[:100]).encode()[: 1 << 20])
    os._exit(0)

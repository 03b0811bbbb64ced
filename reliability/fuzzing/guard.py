"""What must not happen while a target reads: each breach is an AssertionError that says what it was.

- an exception that is no refusal, or a refusal without words;
- a file that is written, renamed or removed, a program that is started, a connection, source text that is compiled, a
  module that nobody but the file can have named: found by Python's audit events;
- more time, or more memory, than the input's size explains: a limit of the address space for single allocations
  (`limit_memory`), and in some executions all that Python and NumPy have at once;
- a warning, other than those that address users.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import tracemalloc
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from reliability.fuzzing.target import Target

SPARE_BYTES = 48 << 20
SPARE_ADDRESSES = 1 << 30
TRACED_EVERY = 64  # executions: tracing makes one several times as long

FORBIDDEN = (
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.startfile",
    "subprocess.Popen",
    "socket.",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.truncate",
    "os.chmod",
    "os.link",
    "os.symlink",
    "shutil.",
    "pickle.find_class",
    "ctypes.dlopen",
    "webbrowser.",
    "urllib.",
)
# Packages whose modules may be imported late, besides Python's own.
KNOWN = {
    "nncore",
    "numpy",
    "pandas",
    "pyarrow",
    "PIL",
    "onnx",
    "google",
    "keras",
    "torch",
    "h5py",
    "safetensors",
    "ml_dtypes",
    "scipy",
    "optree",
    "dateutil",
    "reliability",
    "tests",
    "substrait",
    "olefile",
    "org",
}
EVALUATING_NOTHING = {"nncore", "onnx", "safetensors", "reliability", "tests", "test_fuzz"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class TooLong(BaseException):
    """An execution has taken longer than it may: no `except Exception` holds it."""


class _Watch:
    """What the audit hook, which cannot be taken away again, looks at."""

    thread = 0  # the one that is watched; 0 for none
    seen: list[str] = []  # noqa: RUF012
    installed = False


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _Watch.thread or threading.get_ident() != _Watch.thread:
        return
    if event == "open":
        mode, flags = arguments[1], arguments[2]
        if (isinstance(mode, str) and set(mode) & set("wax+")) or (isinstance(flags, int) and flags & WRITING):
            _Watch.seen.append(f"opened {arguments[0]!r} for writing")
    elif event == "import":
        top = str(arguments[0]).split(".")[0]
        if top not in KNOWN and top not in sys.stdlib_module_names:
            _Watch.seen.append(f"imported {arguments[0]!r}")
    elif event == "compile":
        # libraries make methods and wrappers of text of their own; what reads files has none
        source, filename = arguments
        frame: Any = sys._getframe(1)
        top = frame.f_globals.get("__name__", "").split(".")[0] if frame is not None else ""
        if source is not None and str(filename).startswith("<") and top in EVALUATING_NOTHING:
            _Watch.seen.append(f"compiled {source!r}"[:200])
    elif event.startswith(FORBIDDEN):
        _Watch.seen.append(f"{event} {arguments!r}"[:200])


def limit_memory() -> None:
    """Makes allocations fail with which this process would grow by more than `SPARE_ADDRESSES`."""
    import resource

    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + SPARE_ADDRESSES, hard))


def _ring(*_: Any) -> None:
    raise TooLong


@contextlib.contextmanager
def watching() -> Iterator[None]:
    """A session of executions: warnings are errors, and time is that of the processor, in the main thread."""
    if not _Watch.installed:
        sys.addaudithook(_hook)
        _Watch.installed = True
    before = signal.signal(signal.SIGPROF, _ring)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", UserWarning)
            warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"keras\.")
            yield
    finally:
        signal.signal(signal.SIGPROF, before)


def run(target: Target, data: bytes, folder: Path, traced: bool = False) -> bool:
    """Has a target read an input, while `watching`.

    Returns True where it was accepted, False where it was refused; raises AssertionError for a defect.
    """
    _Watch.seen.clear()
    signal.setitimer(signal.ITIMER_PROF, target.seconds)
    if traced:
        tracemalloc.start()
    try:
        try:
            accepted = bool(target.read(data, folder))
        except target.refusals as error:
            accepted = False
            if not str(error).strip():
                raise AssertionError(f"{type(error).__name__} without a word") from error
        if traced:
            peak, most = tracemalloc.get_traced_memory()[1], SPARE_BYTES + target.memory * len(data)
            assert peak <= most, f"{peak:,} bytes at once, of an input of {len(data):,}"
    except TooLong as error:
        raise AssertionError(f"longer than {target.seconds:g} s") from error
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {str(error)[:300]}") from error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        _Watch.thread = 0
        if traced:
            tracemalloc.stop()
    assert not _Watch.seen, f"the input has {'; '.join(_Watch.seen[:3])}"
    return accepted


class reading:  # noqa: N801  used as a word
    """While it is entered, events are watched: a target enters it around what reads, after it has written the file."""

    def __enter__(self) -> None:
        _Watch.thread = threading.get_ident()

    def __exit__(self, *_: object) -> None:
        _Watch.thread = 0


def file(folder: Path, name: str, data: bytes) -> str:
    """The path of a file with these bytes, which the next call overwrites."""
    path = os.path.join(folder, name)
    with open(path, "wb") as opened:
        opened.write(data)
    return path

"""Files that are written whole or not at all, and what of a compressed file may come into memory."""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import secrets
import stat
from typing import TYPE_CHECKING

try:
    import fcntl
except ImportError:  # Windows, where nobody can remove a file that is open
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nncore._typing import PathLikeStr

UNFINISHED = ".*.nncore-*.part"  # what a process leaves that is killed while it writes
_MOST_TIMES = 200  # as large as a compressed file may be what is in it
_SPARE_BYTES = 2**26
_LONGEST_NAME = 100  # bytes of a file's name in that of its temporary file, which has at most 255 of some systems


def replace(path: PathLikeStr, content: bytes) -> None:
    """Writes a temporary file beside the path, then renames it: at any moment the path holds an old or new whole.

    A link goes on pointing where it does, and a file keeps mode and owner. What killed processes have left in the
    folder is removed. A device or a pipe, which cannot be renamed over, is written to.

    Raises
    ------
    OSError
        Names the path. What it held before is still there, and nothing else.
    """
    path = pathlib.Path(path)
    with _errors_of(path):
        before = _before(path)
        if before is not None and not stat.S_ISREG(before.st_mode):
            with open(path, "wb", buffering=0) as file:
                _write(file, content)
            return
        target = pathlib.Path(os.path.realpath(path))
        remove_unfinished(target.parent)
        temporary, handle = _temporary(target, before)
        try:
            with open(handle, "wb", buffering=0) as file:
                _write(file, content)
                if before is not None:
                    _keep(file.fileno(), before)
                os.fsync(file.fileno())
                if fcntl:  # while the lock holds
                    os.replace(temporary, target)
            if not fcntl:
                os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)


def append(path: PathLikeStr, content: bytes) -> None:
    """Adds to a file, which is made where it is not there: all of the content or, where that fails, nothing."""
    with _errors_of(path), open(path, "ab", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            _write(file, content)
        except BaseException:
            with contextlib.suppress(OSError):  # of a device or a pipe
                os.truncate(file.fileno(), size)
            raise


def most_unpacked(size: int, path: object, claimed: int = 0) -> int:
    """Bytes that may come out of a compressed file of this size; ValueError where more of them are claimed."""
    most = _MOST_TIMES * size + _SPARE_BYTES
    if claimed > most:
        raise ValueError(
            f"{path} has {size:,} bytes, compressed, and more than {most:,} in it, which are not unpacked: it may have "
            "been made to fill the memory. Unpack it before, where it is to be trusted"
        )
    return most


def remove_unfinished(folder: Path, pattern: str = UNFINISHED) -> None:
    """Removes the temporary files of processes that were killed; those in work are locked, and stay."""
    import fnmatch

    found: list[str] = []
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        found = [entry.path for entry in entries if fnmatch.fnmatchcase(entry.name, pattern)]
    for path in found:
        with contextlib.suppress(OSError):
            if not fcntl:
                os.unlink(path)
                continue
            handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(path)
            finally:
                os.close(handle)


def _before(path: Path) -> os.stat_result | None:
    """What the path holds, None where there is nothing; raises where it cannot be replaced by a file."""
    try:
        before = os.stat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(before.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    return before


def _temporary(target: Path, before: os.stat_result | None) -> tuple[Path, int]:
    """A new file beside the target, open and locked. The system gives it the mode that a new file has."""
    name = target.name
    while len(os.fsencode(name)) > _LONGEST_NAME:
        name = name[:-1]
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    while True:
        path = target.parent / f".{name}.nncore-{secrets.token_hex(4)}.part"
        try:
            handle = os.open(path, flags, 0o666 if before is None else 0o600)
        except FileExistsError:
            continue
        with contextlib.suppress(OSError):  # a file system without locks
            if fcntl:
                fcntl.flock(handle, fcntl.LOCK_EX)
        if not fcntl or os.fstat(handle).st_nlink:
            return path, handle
        os.close(handle)  # who looked for what killed processes have left was here before the lock


def _write(file: object, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]  # type: ignore[attr-defined]


def _keep(handle: int, before: os.stat_result) -> None:
    """Gives a new file the owner and the mode of the one that it replaces."""
    if not hasattr(os, "fchown"):
        return
    mode = stat.S_IMODE(before.st_mode) & 0o777
    now = os.fstat(handle)
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        try:
            os.fchown(handle, before.st_uid, before.st_gid)
        except OSError:
            with contextlib.suppress(OSError):  # where its group cannot be kept either, what it may is nobody's
                os.fchown(handle, -1, before.st_gid)
            if os.fstat(handle).st_gid != before.st_gid:
                mode &= ~0o070
    os.fchmod(handle, mode)


@contextlib.contextmanager
def _errors_of(path: PathLikeStr) -> Iterator[None]:
    """Makes errors of the system name the path, and not a temporary file or nothing."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename == os.fspath(path):
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _sync_folder(folder: Path) -> None:
    """Makes the rename last through a power cut, where the system lets a folder be synced."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)

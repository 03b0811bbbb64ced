"""What control groups of Linux, versions 1 and 2, let this process have."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def cpus(root: str = "/") -> int | None:
    """Whole processors of the smallest quota, at least 1; None where there is none.

    `root` is the folder that has proc and sys.
    """
    quotas = []
    for folder in _folders("cpu", root):
        words = _words(folder, "cpu.max") or [
            *_words(folder, "cpu.cfs_quota_us"), *_words(folder, "cpu.cfs_period_us")]  # fmt: skip
        numbers = _numbers(words)
        if len(numbers) == 2 and min(numbers) > 0:  # else "max", or -1
            quotas.append(max(1, math.floor(numbers[0] / numbers[1])))
    return min(quotas, default=None)


def memory(root: str = "/") -> int | None:
    """Bytes of the smallest limit; None where there is none."""
    limits = []
    for folder in _folders("memory", root):
        limits += _numbers(_words(folder, "memory.max") or _words(folder, "memory.limit_in_bytes"))
    return min(limits, default=None)


def _folders(controller: str, root: str) -> Iterator[str]:
    """Folders of the groups that this process is in, from the innermost one outwards: a limit of any of them holds."""
    groups = {}
    for line in _lines(root, "proc/self/cgroup"):
        number, names, path = [*line.split(":", 2), "", ""][:3]
        if controller in names.split(",") or (number == "0" and not names):
            groups["cgroup" if names else "cgroup2"] = path
    found = False
    for line in _lines(root, "proc/self/mountinfo"):
        mount, _, kind = line.partition(" - ")
        words, options = mount.split(), kind.split()
        if len(words) < 5 or len(options) < 3 or options[0] not in groups:
            continue
        if options[0] == "cgroup" and controller not in options[2].split(","):
            continue
        found = True
        top, where = words[3].rstrip("/"), words[4].replace("\\040", " ")
        path = groups[options[0]]
        inner = path[len(top) :].strip("/") if path.startswith(f"{top}/") and ".." not in path else ""
        parts = inner.split("/") if inner else []
        for depth in range(len(parts), -1, -1):
            yield os.path.join(root, where.lstrip("/"), *parts[:depth])
    if not found:  # without proc: where they are nearly everywhere
        yield os.path.join(root, "sys/fs/cgroup")
        yield os.path.join(root, "sys/fs/cgroup", controller)


def _lines(root: str, name: str) -> list[str]:
    try:
        with open(os.path.join(root, name), encoding="utf-8", errors="surrogateescape") as file:
            return file.read().splitlines()
    except OSError:
        return []


def _words(folder: str, name: str) -> list[str]:
    lines = _lines(folder, name)
    return lines[0].split() if lines else []


def _numbers(words: list[str]) -> list[int]:
    try:
        return [int(word) for word in words]
    except ValueError:
        return []

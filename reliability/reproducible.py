"""Builds the source distribution and the wheel twice, in different places and circumstances, and compares their hashes.

The two builds have other folders, masks of modes, time zones, languages, homes, seeds of hashes and times of their
files. The wheels are as auditwheel leaves them.

    python -m reliability.reproducible
    python -m reliability.reproducible --source      the source distribution alone: seconds
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

from reliability.wheels import ROOT, build, commit_time, run, source_distribution, tools, unpacked, working_folder

CIRCUMSTANCES = (
    {"umask": 0o022, "TZ": "UTC", "LANG": "C.UTF-8", "HOME": "/nonexistent", "PYTHONHASHSEED": "1", "folder": "a"},
    {"umask": 0o077, "TZ": "Asia/Kathmandu", "LANG": "C", "HOME": "/", "PYTHONHASHSEED": "2", "folder": "b/a path"},
)


def copy_of_checkout(folder: Path) -> Path:
    """What git knows of the checkout, in a folder: files get new times, and modes of the mask in force."""
    listed = run("git", "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, listed):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
            (folder / name).chmod((ROOT / name).stat().st_mode & ~_mask())
    return folder


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def members(path: Path) -> dict[str, tuple[str, int, int]]:
    """Of each file in an archive its hash, mode and time."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            return {entry.filename: (hashlib.sha256(archive.read(entry)).hexdigest(), entry.external_attr >> 16,
                                     hash(entry.date_time)) for entry in archive.infolist()}  # fmt: skip
    with tarfile.open(path) as archive:
        return {entry.name: (hashlib.sha256(archive.extractfile(entry).read() if entry.isfile() else b"").hexdigest(),
                             entry.mode, int(entry.mtime)) for entry in archive}  # fmt: skip


def same(first: Path, second: Path) -> bool:
    """Whether two archives are the same; says what differs."""
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)]
    print(f"{first.name}\n  {hashes[0]}\n  {hashes[1]}", flush=True)
    if first.name == second.name and hashes[0] == hashes[1]:
        return True
    contents = members(first), members(second)
    others = [name for name in sorted(contents[0].keys() | contents[1].keys())
              if contents[0].get(name) != contents[1].get(name)]  # fmt: skip
    for name in others[:20]:
        print(f"  differs: {name}: {contents[0].get(name)}, {contents[1].get(name)}")
    print(f"  {len(others)} files differ")
    if list(contents[0]) != list(contents[1]):
        print("  the order of the files differs")
    return False


def build_in(circumstances: dict, work: Path, programs: Path, wheel: bool) -> list[Path]:
    """Builds in some circumstances; returns the archives."""
    given = {name: value for name, value in circumstances.items() if name not in ("umask", "folder")}
    before, mask = dict(os.environ), os.umask(circumstances["umask"])
    try:
        os.environ.update(given)
        folder = work / circumstances["folder"]
        checkout = copy_of_checkout(folder / "checkout")
        built = [source_distribution(programs, folder / "sdist", checkout)]
        if wheel:
            built.append(build(programs, unpacked(built[0], folder / "source"), folder / "wheel"))
        return built
    finally:
        os.umask(mask)
        os.environ.clear()
        os.environ.update(before)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m reliability.reproducible", description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, metavar="PROGRAM", help="the interpreter, if not this one")
    parser.add_argument("--source", action="store_true", help="the source distribution alone")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="where to work, a new folder, which is kept")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = working_folder(stack, options.work)
        programs = tools(options.python, folder / "tools")
        built = [build_in(circumstances, folder, programs, not options.source) for circumstances in CIRCUMSTANCES]
        results = [same(first, second) for first, second in zip(*built, strict=True)]
    print(f"{len(results)} archives built twice, SOURCE_DATE_EPOCH={commit_time()}: {sum(results)} the same")
    raise SystemExit(not all(results))


if __name__ == "__main__":
    main()

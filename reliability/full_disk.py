"""Saves on a disk that is full but for every number of pages, and looks at what is there afterwards.

The disk is a tmpfs in a mount namespace of its own, which `unshare` makes where the system lets it. At each size the
old file must be whole where the save failed, with an error that names the path, and nothing else may be left.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

import nncore as nn

SIZE = 4 << 20
X = np.random.default_rng(0).standard_normal((64, 40)).astype("f4")
Y = np.arange(64) % 10


def build(number=0.0):
    """A model whose files take some dozens of pages."""
    model = nn.Sequential([nn.Input((40,)), nn.layers.Dense(160, activation="relu"), nn.layers.Dense(10)])
    model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    for weight in model.weights:
        weight[...] = number
    return model


def checkpoint(path, model):
    """The model's files as a callback writes them."""
    model.fit(X, Y, verbose=0, callbacks=nn.callbacks.ModelCheckpoint(path))


def backup(path, model):
    """A backup, of a training that begins anew."""
    keep = nn.callbacks.BackupAndRestore(path.parent, delete_checkpoint=False)
    keep._latest = path
    keep._interrupted = lambda: None
    model.fit(X, Y, verbose=0, callbacks=keep)


WRITERS = {
    "model.save": lambda path, model: model.save(path),
    "save_weights": lambda path, model: model.save_weights(path),
    "c.export": lambda path, model: nn.interop.c.export(model, path, name="model"),
    "ModelCheckpoint": checkpoint,
    "BackupAndRestore": backup,
}


def content(folder):
    """{name: content} of all files."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def on_full_disk(folder, step):
    """Tries all writers on a small disk; returns (saves that failed as they should, that fitted, what was wrong)."""
    page = os.sysconf("SC_PAGE_SIZE")
    failed, fitted, wrong = 0, 0, []
    ballast, inner = folder / "ballast", folder / "files"
    for name, write in WRITERS.items():
        inner.mkdir()
        path = inner / "file"
        write(path, build(1.0))
        before = content(inner)
        pages = -(-path.stat().st_size // page)
        for free in (*range(0, pages, step), pages + 1):  # the last is enough
            space = os.statvfs(folder)
            with open(ballast, "wb") as file:
                if space.f_bavail > free:
                    os.posix_fallocate(file.fileno(), 0, (space.f_bavail - free) * page)
            try:
                write(path, build(2.0))
                fitted += 1
                ballast.unlink()
                before = {"file": path.read_bytes()}
            except OSError as error:
                failed += 1
                ballast.unlink()
                if error.filename != str(path):
                    wrong.append(f"{name} with {free} pages: an error that does not name the path: {error}")
            if content(inner) != before:
                wrong.append(f"{name} with {free} pages: the old file is not there, or something else is")
        path.unlink()
        inner.rmdir()
    return failed, fitted, wrong


def inside(step):
    """The command in its own namespace."""
    with tempfile.TemporaryDirectory(prefix="nncore-full-") as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", folder], check=True)
        try:
            failed, fitted, wrong = on_full_disk(pathlib.Path(folder), step)
        finally:
            subprocess.run(["umount", folder], check=True)
    for line in wrong:
        print(f"BROKEN: {line}")
    print(f"{failed} saves on a full disk, and {fitted} where there was just enough room: {len(wrong)} went wrong")
    return 1 if wrong or not failed or not fitted else 0


def main(arguments=None):
    """Runs the command; exit code 77 where this machine lets nobody mount."""
    parser = argparse.ArgumentParser(prog="python -m reliability.full_disk", description=__doc__.split("\n")[0])
    parser.add_argument("--step", type=int, default=1, metavar="PAGES", help="between two sizes (default: 1)")
    step = parser.parse_args(arguments).step
    alone = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    probe = 'f=$(mktemp -d) && mount -t tmpfs tmpfs "$f" && umount "$f"; code=$?; rmdir "$f"; exit $code'
    try:
        possible = subprocess.run([*alone, "sh", "-c", probe], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        possible = False
    if not possible:
        print("nothing tried: this machine lets nobody mount a small disk")
        return 77
    code = f"import sys; sys.path[:] = {sys.path!r}\nfrom reliability import full_disk\nexit(full_disk.inside({step}))"
    return subprocess.run([*alone, sys.executable, "-c", code], check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())

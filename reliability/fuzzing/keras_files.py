"""Keras's files: `nn.interop.keras.from_keras` of a path, which Keras reads in its safe mode."""

from __future__ import annotations

import functools
import io
import json
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nncore as nn
from reliability.fuzzing import bytes_, guard, json_, keras_models
from reliability.fuzzing.target import Target

if TYPE_CHECKING:
    from random import Random


@functools.cache
def seeds() -> dict[str, bytes]:
    """Files of a few models."""
    found = {}
    for name in ("dense", "branched"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "m.keras"
            keras_models.originals()[name].save(path)
            found[name] = _packed(_parts(path.read_bytes()))
    return found


def _parts(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError, zipfile.zlib.error) as error:
        raise ValueError("no archive") from error


def _packed(parts: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return written.getvalue()


@functools.cache
def _pool() -> json_.Pool:
    return json_.Pool(json.loads(_parts(data)["config.json"]) for data in seeds().values())


def mutate(data: bytes, random: Random) -> bytes:
    """Another configuration, other weights, parts that are missing."""
    parts: dict[str, Any] = _parts(data)
    name = random.choice(("config.json", "config.json", *parts))
    kind = random.randrange(8)
    if kind == 0:
        del parts[name]
    elif name == "config.json" and kind < 7:
        parts[name] = json.dumps(_pool().mutate(json.loads(parts[name]), random)).encode()
    else:
        parts[name] = bytes_.mutate(parts[name], random)
    return _packed(parts)


def read(data: bytes, folder: Path) -> bool:
    """Reads; Keras takes what is there from the name's ending."""
    path = guard.file(folder, "model.keras", data)
    ours = nn.interop.keras.from_keras(path, compile=len(data) % 2 == 0)
    return bool(ours.built)


TARGET = Target("keras_files", read, seeds, mutate, memory=1e5)

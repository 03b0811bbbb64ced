"""Models' files: `nn.models.load_model`, what it gives saved and loaded again, and used."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

import nncore as nn
from reliability.fuzzing import guard, json_, models
from reliability.fuzzing.target import Target

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random


@functools.cache
def seeds() -> dict[str, bytes]:
    """A file of each model."""
    return {name: models.file_of(models.model(name).save) for name in models.ALL}


@functools.cache
def _pool() -> json_.Pool:
    return json_.Pool(models.parts(data)[0] for data in seeds().values())


def mutate(data: bytes, random: Random) -> bytes:
    """Another description or other tensors, under a checksum that holds."""
    state, tensors = models.parts(data)
    if random.randrange(3):
        state = _pool().mutate(state, random)
    if not random.randrange(2):
        tensors = models.mutate_tensors(tensors, random)
    return models.whole(state, tensors)


def read(data: bytes, folder: Path) -> bool:
    """Loads; what was loaded is saved, loaded, and the same; small ones compute."""
    path = guard.file(folder, "model.safetensors", data)
    with guard.reading():
        model = nn.models.load_model(path, compile=len(data) % 4 > 0)
    if not model.built:
        return True
    again = os.path.join(folder, "again.safetensors")
    model.save(again)
    assert models.same(model, nn.models.load_model(again)), "loaded otherwise than saved"
    if models.can_compute(model) and len(data) % 8 == 0:
        with guard.reading():
            models.compute(model)
    return True


TARGET = Target("safetensors", read, seeds, mutate)

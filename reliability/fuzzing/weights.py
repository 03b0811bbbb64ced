"""Files of weights: `Model.load_weights`, which changes nothing where it refuses."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from reliability.fuzzing import guard, models
from reliability.fuzzing.safetensors import seeds as whole_models
from reliability.fuzzing.target import Target

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random


@functools.cache
def seeds() -> dict[str, bytes]:
    """Weights alone, and a whole model."""
    return {"weights": models.file_of(models.model("dense").save_weights), "model": whole_models()["dense"]}


def mutate(data: bytes, random: Random) -> bytes:
    """Other tensors under a checksum that holds."""
    state, tensors = models.parts(data)
    for _ in range(random.choice((1, 1, 2))):
        tensors = models.mutate_tensors(tensors, random)
    return models.whole(state, tensors)


def read(data: bytes, folder: Path) -> bool:
    """Loads into a model; saved again they are the same."""
    path = guard.file(folder, "weights.safetensors", data)
    model = models.model("dense")
    before = [weight.tobytes() for weight in model.weights]
    try:
        with guard.reading():
            model.load_weights(path)
    except Exception:
        assert before == [weight.tobytes() for weight in model.weights], "weights changed before the refusal"
        raise
    loaded = [np.array(weight) for weight in model.weights]
    model.save_weights(path)
    model.load_weights(path)
    assert all(one.tobytes() == other.tobytes() for one, other in zip(loaded, model.weights, strict=True))
    return True


TARGET = Target("weights", read, seeds, mutate)

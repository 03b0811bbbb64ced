"""Models of tables: what `nncore predict` and `evaluate` load, and what that makes of a table."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from reliability.fuzzing import guard, json_, models
from reliability.fuzzing.target import Target

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random


@functools.cache
def frame() -> Any:
    """Numbers, categories, dates, switches, all of them with gaps."""
    import pandas

    rows = range(24)
    return pandas.DataFrame(
        {
            "size": [f"{n * 1.5}" if n % 7 else None for n in rows],
            "colour": [("red", "green", "blue")[n % 3] for n in rows],
            "day": [f"2024-0{1 + n % 9}-1{n % 8}" for n in rows],
            "open": ["yes" if n % 2 else "no" for n in rows],
            "price": [f"{n * 3 + n % 3}" for n in rows],
            "kind": [f"k{n % 2}" for n in rows],
        }
    )


@functools.cache
def predictor(target: str) -> Any:
    """What training on the table gives, after one epoch."""
    from nncore._tables import reading, training

    table = reading.Table(frame(), "table.csv", "CSV", ".")
    options = training.Options(epochs=1, hidden=(3,), pieces=2, bar=False)
    return training.train(training.Task(table, target, options), lambda chosen: None)[0]


@functools.cache
def seeds() -> dict[str, bytes]:
    """A regression and a classification."""
    return {target: models.file_of(predictor(target).save) for target in ("price", "kind")}


@functools.cache
def _pool() -> json_.Pool:
    return json_.Pool(models.parts(data)[0]["table"] for data in seeds().values())


def mutate(data: bytes, random: Random) -> bytes:
    """Other columns or another target."""
    state, tensors = models.parts(data)
    state["table"] = _pool().mutate(state["table"], random)
    if not random.randrange(8):
        tensors = models.mutate_tensors(tensors, random)
    return models.whole(state, tensors)


def read(data: bytes, folder: Path) -> bool:
    """Loads, predicts, saves, loads: the same."""
    from nncore._tables import files

    path = guard.file(folder, "table.safetensors", data)
    with guard.reading():
        loaded, about = files.load(path)
    y = _predicted(loaded)
    again = os.path.join(folder, "again.safetensors")
    loaded.save(again, **about)
    twin, _ = files.load(again)
    assert np.array_equal(y, _predicted(twin)), "predicts otherwise than before it was saved"
    return True


def _predicted(loaded: Any) -> Any:
    with guard.reading():
        outputs = loaded.outputs(loaded.inputs(frame(), "table.csv", allow_missing=True))
        loaded.remarks(frame())
        return loaded.target.decode(outputs).astype(str)


TARGET = Target("table_models", read, seeds, mutate)

"""Models of Keras: configurations that Keras itself takes, through `nn.interop.keras.from_keras`."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import nncore as nn
from reliability.fuzzing import guard, json_, models
from reliability.fuzzing.target import Target

if TYPE_CHECKING:
    from pathlib import Path

_CONVERTED = ("dense", "branched", "images", "words", "attended")


@functools.cache
def originals() -> dict[str, Any]:
    """Our models as Keras's."""
    return {name: nn.interop.keras.to_keras(models.model(name), compile=name == "dense") for name in _CONVERTED}


DOCUMENTS = json_.Documents(
    lambda: {name: {"kind": type(made).__name__, "config": made.get_config()} for name, made in originals().items()}
)


def read(data: bytes, folder: Path) -> bool:
    """Has Keras make a model, which is its own affair, and nncore read it."""
    import keras

    try:
        document = json.loads(data)
        kind, config = {"Sequential": keras.Sequential, "Functional": keras.Model}[document["kind"]], document["config"]
    except (ValueError, TypeError, KeyError, RecursionError):  # bytes that no longer say which
        return False
    if any(number > 300 for number in _numbers(document)):
        return False  # Keras would have memory for it before anything of ours is asked
    try:
        theirs = kind.from_config(config)
    except Exception:  # Keras's refusals are not ours
        return False
    with guard.reading():
        ours = nn.interop.keras.from_keras(theirs)
    assert [tuple(weight.shape) for weight in theirs.weights] == [weight.shape for weight in ours.weights]
    return True


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for inner in value for number in _numbers(inner)]
    return [value] if isinstance(value, (int, float)) else []


TARGET = Target("keras_models", read, DOCUMENTS.seeds, DOCUMENTS.mutate)

"""Backups of a training: `BackupAndRestore`, and `fit` going on from one."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import nncore as nn
from nncore.callbacks import CallbackList
from nncore.models import resuming
from reliability.fuzzing import guard, json_, models
from reliability.fuzzing.target import REFUSALS, Target

if TYPE_CHECKING:
    from random import Random

X = np.linspace(-1, 1, 18, dtype=np.float32).reshape(6, 3)
Y = np.array([0, 1, 1, 0, 1, 0])


class _Stop(Exception):  # noqa: N818
    pass


class _Interrupt(nn.callbacks.Callback):
    def __init__(self, batches: int) -> None:
        super().__init__()
        self.left = batches

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self.left -= 1
        if self.left < 0:
            raise _Stop


def _model() -> nn.Model:
    model = nn.Sequential(
        [
            nn.Input((3,), name="x"),
            nn.layers.Dense(2, activation="softmax", name="a"),
            nn.layers.Dropout(0.1, seed=1, name="d"),
        ],
        name="m",
        seed=3,
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def _callbacks(folder: str) -> list[nn.callbacks.Callback]:
    checkpoint = nn.callbacks.ModelCheckpoint(os.path.join(folder, "kept", "{epoch}.safetensors"), "loss", keep_last=1)
    return [
        nn.callbacks.BackupAndRestore(folder, save_freq=1),
        nn.callbacks.EarlyStopping("loss", patience=5),
        nn.callbacks.ReduceLROnPlateau("loss"),
        checkpoint,
        nn.callbacks.History(),
    ]


def _fit(model: nn.Model, folder: str, *more: nn.callbacks.Callback) -> None:
    model.fit(X, Y, batch_size=2, epochs=2, verbose=0, callbacks=[*_callbacks(folder)[:-1], *more])


@functools.cache
def seeds() -> dict[str, bytes]:
    """In the middle of the first epoch, and of the second."""
    found = {}
    for name, batches in (("first", 2), ("second", 4)):
        with tempfile.TemporaryDirectory() as folder:
            try:
                _fit(_model(), folder, _Interrupt(batches))
            except _Stop:
                found[name] = (Path(folder) / "latest.safetensors").read_bytes()
    return found


@functools.cache
def _pool() -> json_.Pool:
    return json_.Pool(models.parts(data)[0] for data in seeds().values())


def mutate(data: bytes, random: Random) -> bytes:
    """Another place in the training, other states of callbacks, other tensors."""
    state, tensors = models.parts(data)
    if random.randrange(4):
        state["training"] = _pool().mutate(state["training"], random)
    if not random.randrange(3):
        state = _pool().mutate(state, random)
    if not random.randrange(3):
        tensors = models.mutate_tensors(tensors, random)
    return models.whole(state, tensors)


@functools.cache
def _kept() -> tuple[nn.Model, list[np.ndarray]]:
    model = _model()
    return model, [np.array(weight) for weight in model.weights]


def read(data: bytes, folder: Path) -> bool:
    """Goes on with a training, or restores alone, which is faster; a backup that is refused has changed no weight."""
    model, fresh = _kept()
    model.set_weights(fresh)
    interrupt = _Interrupt(20)
    try:
        if len(data) % 8:
            path = guard.file(folder, "latest.safetensors", data)
            with guard.reading():
                resuming.Interrupted(path).restore(model, CallbackList(_callbacks(os.path.join(folder, "own"))))
        else:
            place = os.path.join(folder, "backup")
            shutil.rmtree(place, ignore_errors=True)
            os.mkdir(place)
            guard.file(Path(place), "latest.safetensors", data)
            _fit(model, place, interrupt)
    except (ValueError, TypeError, OSError):
        if interrupt.left == 20:
            same = all(one.tobytes() == weight.tobytes() for one, weight in zip(fresh, model.weights, strict=True))
            assert same, "weights changed before the refusal"
        raise
    return True


# A backup may hold weights that are not finite.
TARGET = Target("backups", read, seeds, mutate, (*REFUSALS, nn.NonFiniteLossError))

"""Optimizers: how gradients change weights. One to a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore import _checks
from nncore.optimizers import schedules
from nncore.optimizers.adadelta import Adadelta
from nncore.optimizers.adafactor import Adafactor
from nncore.optimizers.adagrad import Adagrad
from nncore.optimizers.adam import Adam
from nncore.optimizers.adamax import Adamax
from nncore.optimizers.adamw import AdamW
from nncore.optimizers.ftrl import Ftrl
from nncore.optimizers.lamb import Lamb
from nncore.optimizers.lion import Lion
from nncore.optimizers.muon import Muon
from nncore.optimizers.nadam import Nadam
from nncore.optimizers.optimizer import Optimizer
from nncore.optimizers.rmsprop import RMSprop
from nncore.optimizers.sgd import SGD

if TYPE_CHECKING:
    from nncore._likes import OptimizerLike
    from nncore._typing import Config

__all__ = ["SGD", "Adadelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Ftrl", "Lamb", "Lion", "Muon",
           "Nadam", "Optimizer", "RMSprop", "deserialize", "get", "schedules", "serialize"]  # fmt: skip

_CLASSES = (Adadelta, Adafactor, Adagrad, Adam, Adamax, AdamW, Ftrl, Lamb, Lion, Muon, Nadam, RMSprop, SGD)
_BY_CLASS = {cls.__name__: cls for cls in _CLASSES}
_BY_NAME = {cls.__name__.lower(): cls for cls in _CLASSES}


def get(identifier: OptimizerLike) -> Optimizer:
    """Returns the optimizer that a name, a configuration or an optimizer stands for."""
    return _checks.resolve("optimizer", identifier, Optimizer, _BY_NAME, _BY_CLASS)


def serialize(optimizer: Optimizer) -> Config:
    """Returns {"class_name", "config"} of an optimizer."""
    return _checks.serialize(optimizer)


def deserialize(config: OptimizerLike) -> Optimizer:
    """Returns the optimizer that `serialize` described, without state."""
    return get(config)

"""Learning-rate schedules: α as a function of the number of updates before this one, t.

A schedule is passed to an optimizer as `learning_rate`. It is computed in float64 in the engine's loop, for models of
any dtype, and is a function as well: `schedule(step)` returns a float with the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks, _custom_objects
from nncore.optimizers.schedules.cosine import CosineDecay, CosineDecayRestarts
from nncore.optimizers.schedules.cycles import Cyclic, OneCycle
from nncore.optimizers.schedules.decays import (
    ExponentialDecay,
    InverseSquareRootDecay,
    InverseTimeDecay,
    LinearDecay,
    PolynomialDecay,
)
from nncore.optimizers.schedules.piecewise import PiecewiseConstantDecay
from nncore.optimizers.schedules.schedule import LearningRateSchedule
from nncore.optimizers.schedules.warmup import Warmup

if TYPE_CHECKING:
    from nncore._typing import Config

__all__ = ["CosineDecay", "CosineDecayRestarts", "Cyclic", "ExponentialDecay", "InverseSquareRootDecay",
           "InverseTimeDecay", "LearningRateSchedule", "LinearDecay", "OneCycle", "PiecewiseConstantDecay",
           "PolynomialDecay", "Warmup", "deserialize", "serialize"]  # fmt: skip

_CLASSES = (CosineDecay, CosineDecayRestarts, Cyclic, ExponentialDecay, InverseSquareRootDecay, InverseTimeDecay,
            LinearDecay, OneCycle, PiecewiseConstantDecay, PolynomialDecay, Warmup)  # fmt: skip
_BY_CLASS = {cls.__name__: cls for cls in _CLASSES}


def serialize(learning_rate_schedule: LearningRateSchedule) -> Config:
    """Returns {"class_name", "config"} of a schedule."""
    return _checks.serialize(learning_rate_schedule)


def deserialize(config: Config, custom_objects: dict[str, Any] | None = None) -> LearningRateSchedule:
    """Returns the schedule that `serialize` described; `custom_objects` has classes of one's own by name."""
    with _custom_objects.CustomObjectScope(custom_objects):
        return _checks.resolve("schedule", config, LearningRateSchedule, {}, _BY_CLASS)

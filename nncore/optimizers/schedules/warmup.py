"""A line from 0 up to any schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore.optimizers.schedules.schedule import KernelSchedule, LearningRateSchedule, rate_at

if TYPE_CHECKING:
    from typing_extensions import Self

    from nncore._typing import Config


class Warmup(KernelSchedule):
    """t/W times schedule(W) below step W, then schedule(t): a line from 0 to where the schedule is by then.

    The schedule counts its steps from the beginning of training and not from the end of the warm-up, so that one over
    T steps ends at step T with and without it.

    Parameters
    ----------
    schedule : LearningRateSchedule
    steps : int of at least 1
        W.
    """

    before: LearningRateSchedule
    kernel = "warmup"

    def __init__(self, schedule: LearningRateSchedule, steps: float, name: str = "Warmup") -> None:
        if not isinstance(schedule, LearningRateSchedule):
            raise TypeError(f"Warmup: schedule must be a LearningRateSchedule, not {schedule!r}")
        self.schedule = self.before = schedule
        self.steps: int = _checks.positive_integer("Warmup", "steps", steps)
        self.name: str = _checks.title(type(self).__name__, name)

    def arguments(self) -> dict[str, Any]:
        return {"peak": rate_at(self.schedule, self.steps), "steps": self.steps}

    def get_config(self) -> Config:
        return {"schedule": _checks.serialize(self.schedule), "steps": self.steps, "name": self.name}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        from nncore.optimizers import schedules  # which imports this module

        return cls(**{**config, "schedule": schedules.deserialize(config["schedule"])})

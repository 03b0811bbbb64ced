"""What all learning-rate schedules have in common, and how those that are written in Python reach the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _checks, _kernels

if TYPE_CHECKING:
    from typing_extensions import Self

    from nncore._typing import Array, Config

MOST_STEPS = 2**63 - 2  # that the engine counts

# Values of a schedule in Python at a time: few enough to compute them again after each slice of a run.
TABLE_STEPS = 256


class LearningRateSchedule:
    """The learning rate as a function of the step: the number of updates before this one, from 0.

    A schedule of one's own is a subclass with `__call__(step)`, which returns a float, and with `get_config` if it
    is to be saved. It is called for some steps in advance, and again for steps that a run did not reach.
    """

    def __call__(self, step: int) -> float:
        """Returns the learning rate at a step."""
        raise NotImplementedError(f"the schedule {type(self).__name__} must define __call__(self, step)")

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        raise NotImplementedError(f"the schedule {type(self).__name__} must define get_config() to be serialized")

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Makes a schedule from `get_config`."""
        return cls(**config)

    def opening(self, tables: list[Any]) -> list[Any]:
        """Returns the steps (kernel, arguments) that set the learning rate of an update.

        What is to be filled before a run is appended to `tables`.
        """
        tables.append(RateTable(self))
        return [("tabulated_rate", {"table": tables[-1].values, "count": TABLE_STEPS})]


class KernelSchedule(LearningRateSchedule):
    """Base of the schedules that are a kernel of schedules.h, which the engine runs and `schedule(step)` as well.

    Subclasses define `kernel`, its name, and `arguments()`.
    """

    kernel = ""
    before: LearningRateSchedule | None = None  # a schedule whose learning rate the kernel starts from

    def arguments(self) -> dict[str, Any]:
        """Returns the kernel's arguments by name."""
        raise NotImplementedError

    def __call__(self, step: int) -> float:
        """Returns the learning rate at a step, from 0; in float64, with the bits that training uses.

        Raises
        ------
        TypeError, ValueError
            For what is not an integer of at least 0.
        """
        step = _checks.integer(type(self).__name__, "step", step, most=MOST_STEPS)
        rate = 0.0 if self.before is None else rate_at(self.before, step)
        worker: dict[str, Any] = {"update": step + 1, "learning_rate": rate}
        result: float = _kernels.run(self.kernel, np.float64, self.arguments(), (0, 1), **worker)["learning_rate"]
        return result

    def opening(self, tables: list[Any]) -> list[Any]:
        if type(self).__call__ is not KernelSchedule.__call__:
            return super().opening(tables)  # a subclass of the user's
        first: list[Any] = [] if self.before is None else self.before.opening(tables)
        return [*first, (self.kernel, self.arguments())]


def rate_at(schedule: LearningRateSchedule, step: int) -> float:
    """The learning rate at a step as a float, checked, as a schedule may be the user's."""
    return _checks.real_number(type(schedule).__name__, f"the learning rate at step {step}", schedule(step), 0)


class RateTable:
    """The next values of a schedule that is written in Python, where the engine reads them."""

    def __init__(self, schedule: LearningRateSchedule) -> None:
        self.schedule = schedule
        self.values: Array = np.zeros(TABLE_STEPS)

    def fill(self, first: int, steps: int) -> int:
        """Computes the values from step `first` on; returns for how many of `steps` there is room."""
        steps = min(steps, TABLE_STEPS)
        rates = [rate_at(self.schedule, step) for step in range(first, first + steps)]
        self.values[np.arange(first, first + steps) % TABLE_STEPS] = rates
        return steps


def number(schedule: LearningRateSchedule, name: str, value: Any, low: float = 0, **interval: Any) -> float:
    """An argument of a schedule: by default a finite number that is not negative."""
    return _checks.real_number(type(schedule).__name__, name, value, low, **interval)


def duration(schedule: LearningRateSchedule, name: str, value: Any) -> float:
    """An argument of a schedule that is a number of steps, of at least one."""
    return number(schedule, name, value, 1)

"""Schedules by powers of the step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore.optimizers.schedules.schedule import KernelSchedule, duration, number

if TYPE_CHECKING:
    from nncore._typing import Config


class _PeriodicDecay(KernelSchedule):
    """Base of those that count periods of `decay_steps`, whole ones where `staircase`."""

    def __init__(self, initial_learning_rate: float, decay_steps: float, decay_rate: float, staircase: bool = False,
                 name: str | None = None) -> None:  # fmt: skip
        self.initial_learning_rate: float = number(self, "initial_learning_rate", initial_learning_rate)
        self.decay_steps: float = duration(self, "decay_steps", decay_steps)
        self.decay_rate: float = number(self, "decay_rate", decay_rate)
        self.staircase: bool = _checks.boolean(type(self).__name__, "staircase", staircase)
        self.name: str = _checks.title(type(self).__name__, name, type(self).__name__)

    def arguments(self) -> dict[str, Any]:
        return {"initial": self.initial_learning_rate, "decay_steps": self.decay_steps, "decay_rate": self.decay_rate,
                "staircase": self.staircase}  # fmt: skip

    def get_config(self) -> Config:
        return {"initial_learning_rate": self.initial_learning_rate, "decay_steps": self.decay_steps,
                "decay_rate": self.decay_rate, "staircase": self.staircase, "name": self.name}  # fmt: skip


class ExponentialDecay(_PeriodicDecay):
    """α₀ γ^p with p = t / T.

    Parameters
    ----------
    initial_learning_rate : float
        α₀.
    decay_steps : float of at least 1
        T.
    decay_rate : float
        γ.
    staircase : bool
        The largest integer that is at most p, in place of p.
    """

    kernel = "exponential_decay"


class InverseTimeDecay(_PeriodicDecay):
    """α₀ / (1 + γp) with p = t / T.

    Parameters
    ----------
    initial_learning_rate : float
        α₀.
    decay_steps : float of at least 1
        T.
    decay_rate : float
        γ.
    staircase : bool
        The largest integer that is at most p, in place of p.
    """

    kernel = "inverse_time_decay"


class PolynomialDecay(KernelSchedule):
    """α₁ + (α₀ - α₁)(1 - t/T)^k up to step T, then α₁.

    Parameters
    ----------
    initial_learning_rate : float
        α₀.
    decay_steps : float of at least 1
        T.
    end_learning_rate : float
        α₁.
    power : float
        k.
    cycle : bool
        After T steps T becomes 2T, then 3T, and so on: the first multiple that is not below t.
    """

    kernel = "polynomial_decay"

    def __init__(self, initial_learning_rate: float, decay_steps: float, end_learning_rate: float = 0.0001,
                 power: float = 1.0, cycle: bool = False, name: str = "PolynomialDecay") -> None:  # fmt: skip
        self.initial_learning_rate: float = number(self, "initial_learning_rate", initial_learning_rate)
        self.decay_steps: float = duration(self, "decay_steps", decay_steps)
        self.end_learning_rate: float = number(self, "end_learning_rate", end_learning_rate)
        self.power: float = number(self, "power", power)
        self.cycle: bool = _checks.boolean("PolynomialDecay", "cycle", cycle)
        self.name: str = _checks.title(type(self).__name__, name)

    def arguments(self) -> dict[str, Any]:
        return {"initial": self.initial_learning_rate, "decay_steps": self.decay_steps, "end": self.end_learning_rate,
                "power": self.power, "cycle": self.cycle}  # fmt: skip

    def get_config(self) -> Config:
        return {"initial_learning_rate": self.initial_learning_rate, "decay_steps": self.decay_steps,
                "end_learning_rate": self.end_learning_rate, "power": self.power, "cycle": self.cycle,
                "name": self.name}  # fmt: skip


class LinearDecay(KernelSchedule):
    """α₀(1 - t/T) up to step T, then 0.

    Parameters
    ----------
    initial_learning_rate : float
        α₀.
    decay_steps : float of at least 1
        T.
    """

    kernel = "polynomial_decay"

    def __init__(self, initial_learning_rate: float, decay_steps: float, name: str = "LinearDecay") -> None:
        self.initial_learning_rate: float = number(self, "initial_learning_rate", initial_learning_rate)
        self.decay_steps: float = duration(self, "decay_steps", decay_steps)
        self.name: str = _checks.title(type(self).__name__, name)

    def arguments(self) -> dict[str, Any]:
        return {"initial": self.initial_learning_rate, "decay_steps": self.decay_steps, "end": 0.0, "power": 1.0,
                "cycle": False}  # fmt: skip

    def get_config(self) -> Config:
        return {"initial_learning_rate": self.initial_learning_rate, "decay_steps": self.decay_steps,
                "name": self.name}  # fmt: skip


class InverseSquareRootDecay(KernelSchedule):
    """α₀ / √(t + 1): the number of the update under the root, so that the first one has α₀.

    Parameters
    ----------
    initial_learning_rate : float
        α₀.
    """

    kernel = "inverse_square_root_decay"

    def __init__(self, initial_learning_rate: float, name: str = "InverseSquareRootDecay") -> None:
        self.initial_learning_rate: float = number(self, "initial_learning_rate", initial_learning_rate)
        self.name: str = _checks.title(type(self).__name__, name)

    def arguments(self) -> dict[str, Any]:
        return {"initial": self.initial_learning_rate}

    def get_config(self) -> Config:
        return {"initial_learning_rate": self.initial_learning_rate, "name": self.name}

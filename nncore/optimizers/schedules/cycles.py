"""Schedules that rise before they fall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nncore import _checks
from nncore.optimizers.schedules.schedule import KernelSchedule, duration, number

if TYPE_CHECKING:
    from nncore._typing import Config


class Cyclic(KernelSchedule):
    """From α₀ to α₁ on a line in S steps, back in as many, and so on. (Smith, WACV 2017, "triangular".)

    Parameters
    ----------
    initial_learning_rate : float
        α₀.
    maximal_learning_rate : float
        α₁.
    step_size : float of at least 1
        S.
    """

    kernel = "cyclic"

    def __init__(self, initial_learning_rate: float, maximal_learning_rate: float, step_size: float,
                 name: str = "Cyclic") -> None:  # fmt: skip
        self.initial_learning_rate: float = number(self, "initial_learning_rate", initial_learning_rate)
        self.maximal_learning_rate: float = number(self, "maximal_learning_rate", maximal_learning_rate)
        self.step_size: float = duration(self, "step_size", step_size)
        self.name: str = _checks.title(type(self).__name__, name)

    def arguments(self) -> dict[str, Any]:
        return {"initial": self.initial_learning_rate, "maximal": self.maximal_learning_rate,
                "step_size": self.step_size}  # fmt: skip

    def get_config(self) -> Config:
        return {"initial_learning_rate": self.initial_learning_rate,
                "maximal_learning_rate": self.maximal_learning_rate, "step_size": self.step_size,
                "name": self.name}  # fmt: skip


class OneCycle(KernelSchedule):
    """Up from α₁ / d to α₁ and down to α₁ / (d f), over T steps as PyTorch's OneCycleLR has it.

    The first phase ends at step rT - 1, for the r of `rising_fraction`, the last at step T - 1, and the rate stays from
    there on. (Smith and Topin, "Super-convergence", 2018.)

    Parameters
    ----------
    maximal_learning_rate : float
        α₁.
    total_steps : float of at least 1
        T.
    rising_fraction : float in [0, 1]
        r.
    annealing : "cosine" or "linear"
        Half a wave of a cosine, or a line, in each phase.
    initial_division, final_division : float, above 0
        d and f.
    three_phases : bool
        The second phase goes back to α₁ / d and ends at step 2rT - 2; a third one goes down from there.
    """

    rising_fraction: float
    kernel = "annealing"

    def __init__(self, maximal_learning_rate: float, total_steps: float, rising_fraction: float = 0.3,
                 annealing: Literal["cosine", "linear"] = "cosine", initial_division: float = 25.0,
                 final_division: float = 1e4, three_phases: bool = False, name: str = "OneCycle") -> None:  # fmt: skip
        self.maximal_learning_rate: float = number(self, "maximal_learning_rate", maximal_learning_rate)
        self.total_steps: float = duration(self, "total_steps", total_steps)
        self.three_phases: bool = _checks.boolean("OneCycle", "three_phases", three_phases)
        self.rising_fraction = number(self, "rising_fraction", rising_fraction, high=0.5 if self.three_phases else 1)
        if not _checks.is_word(annealing, ("cosine", "linear")):
            raise ValueError(f"OneCycle: annealing must be 'cosine' or 'linear', not {annealing!r}")
        self.annealing = annealing
        self.initial_division: float = number(self, "initial_division", initial_division, low_open=True)
        self.final_division: float = number(self, "final_division", final_division, low_open=True)
        self.name: str = _checks.title(type(self).__name__, name)

    def arguments(self) -> dict[str, Any]:
        top, low = self.maximal_learning_rate, self.maximal_learning_rate / self.initial_division
        rising = self.rising_fraction * self.total_steps
        back = [(2 * rising - 2, low)] if self.three_phases else []
        phases = [(rising - 1, top), *back, (self.total_steps - 1, low / self.final_division)]
        return {"ends": np.array([end for end, _ in phases]), "rates": np.array([low, *(rate for _, rate in phases)]),
                "count": len(phases), "cosine": self.annealing == "cosine"}  # fmt: skip

    def get_config(self) -> Config:
        return {"maximal_learning_rate": self.maximal_learning_rate, "total_steps": self.total_steps,
                "rising_fraction": self.rising_fraction, "annealing": self.annealing,
                "initial_division": self.initial_division, "final_division": self.final_division,
                "three_phases": self.three_phases, "name": self.name}  # fmt: skip

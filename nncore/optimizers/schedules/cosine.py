"""Schedules by half a wave of a cosine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore.optimizers.schedules.schedule import KernelSchedule, duration, number

if TYPE_CHECKING:
    from nncore._typing import Config


class CosineDecay(KernelSchedule):
    """α₀(a + (1 - a)(1 + cos πx) / 2) with x = t / T, up to x = 1; then α₀a.

    With `warmup_target` α₁: α₀ + (α₁ - α₀) t / W below step W = `warmup_steps`, then α₁ in place of α₀ above and
    t - W in place of t.

    Parameters
    ----------
    initial_learning_rate : float
        α₀.
    decay_steps : float of at least 1
        T.
    alpha : float
        a, what is left at the end as a part of α₀ or α₁.
    warmup_target : float, optional
        α₁. Without it there is no warm-up, whatever `warmup_steps` is.
    warmup_steps : float
        W.
    """

    warmup_target: float | None
    kernel = "cosine_decay"

    def __init__(self, initial_learning_rate: float, decay_steps: float, alpha: float = 0.0, name: str = "CosineDecay",
                 warmup_target: float | None = None, warmup_steps: float = 0) -> None:  # fmt: skip
        self.initial_learning_rate: float = number(self, "initial_learning_rate", initial_learning_rate)
        self.decay_steps: float = duration(self, "decay_steps", decay_steps)
        self.alpha: float = number(self, "alpha", alpha)
        self.name: str = _checks.title(type(self).__name__, name)
        self.warmup_target = None if warmup_target is None else number(self, "warmup_target", warmup_target)
        self.warmup_steps: float = number(self, "warmup_steps", warmup_steps)

    def arguments(self) -> dict[str, Any]:
        warm = self.warmup_target is not None
        return {"initial": self.initial_learning_rate, "decay_steps": self.decay_steps, "alpha": self.alpha,
                "peak": self.warmup_target if warm else self.initial_learning_rate,
                "warmup_steps": self.warmup_steps if warm else 0.0}  # fmt: skip

    def get_config(self) -> Config:
        return {"initial_learning_rate": self.initial_learning_rate, "decay_steps": self.decay_steps,
                "alpha": self.alpha, "name": self.name, "warmup_target": self.warmup_target,
                "warmup_steps": self.warmup_steps}  # fmt: skip


class CosineDecayRestarts(KernelSchedule):
    """α₀(a + (1 - a) mⁱ (1 + cos πx) / 2), where x is how much of period i has passed.

    Period i = 0, 1, ... has T kⁱ steps. (Loshchilov and Hutter, SGDR, ICLR 2017.)

    Parameters
    ----------
    initial_learning_rate : float
        α₀.
    first_decay_steps : float of at least 1
        T.
    t_mul : float of at least 1
        k.
    m_mul : float
        m.
    alpha : float
        a.
    """

    kernel = "cosine_decay_restarts"

    def __init__(self, initial_learning_rate: float, first_decay_steps: float, t_mul: float = 2.0, m_mul: float = 1.0,
                 alpha: float = 0.0, name: str = "SGDRDecay") -> None:  # fmt: skip
        self.initial_learning_rate: float = number(self, "initial_learning_rate", initial_learning_rate)
        self.first_decay_steps: float = duration(self, "first_decay_steps", first_decay_steps)
        self.t_mul: float = number(self, "t_mul", t_mul, 1)
        self.m_mul: float = number(self, "m_mul", m_mul)
        self.alpha: float = number(self, "alpha", alpha)
        self.name: str = _checks.title(type(self).__name__, name)

    def arguments(self) -> dict[str, Any]:
        return {"initial": self.initial_learning_rate, "first_steps": self.first_decay_steps, "longer": self.t_mul,
                "higher": self.m_mul, "alpha": self.alpha}  # fmt: skip

    def get_config(self) -> Config:
        return {"initial_learning_rate": self.initial_learning_rate, "first_decay_steps": self.first_decay_steps,
                "t_mul": self.t_mul, "m_mul": self.m_mul, "alpha": self.alpha, "name": self.name}  # fmt: skip

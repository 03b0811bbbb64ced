"""Adamax."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore.optimizers.optimizer import Optimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import LearningRate
    from nncore._typing import Array, Config, OptimizerArguments


class Adamax(Optimizer):
    """Adam with a running maximum in place of the root of the mean square.

    s ← β₁s + (1 - β₁)g, n ← max(β₂n, |g|), θ ← θ - α / (1 - β₁ᵗ) · s / (n + ε). (Kingma and Ba, 2015.)

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        α.
    beta_1, beta_2 : float in [0, 1)
    epsilon : float
        ε.
    weight_decay, clipnorm, clipvalue, ... : as in `Optimizer`
    """

    slots: tuple[str, ...] = ("momentum", "norm")

    def __init__(self, learning_rate: LearningRate = 0.001, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float = 1e-7, **common: Unpack[OptimizerArguments]) -> None:  # fmt: skip
        super().__init__(learning_rate, **common)
        self.beta_1: float = _checks.real_number("Adamax", "beta_1", beta_1, 0, 1, high_open=True)
        self.beta_2: float = _checks.real_number("Adamax", "beta_2", beta_2, 0, 1, high_open=True)
        self.epsilon: float = _checks.real_number("Adamax", "epsilon", epsilon, 0)

    def opening(self) -> list[Any]:
        return [*super().opening(), ("adamax_coefficients", {"beta_1": self.beta_1})]

    def update_steps(self, parameter: Array, columns: int, state: dict[str, Array]) -> list[Any]:
        return [("adamax", {"parameter": parameter, "first_moment": state["momentum"], "norm": state["norm"],
                            "columns": columns, "beta_1": self.beta_1, "beta_2": self.beta_2,
                            "epsilon": self.epsilon})]  # fmt: skip

    def get_config(self) -> Config:
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}

"""Adadelta."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore.optimizers.optimizer import Optimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import LearningRate
    from nncore._typing import Array, Config, OptimizerArguments


class Adadelta(Optimizer):
    """Gradients in units of the changes that were made before.

    r ← ρr + (1 - ρ)g², δ = √(d + ε) / √(r + ε) · g, d ← ρd + (1 - ρ)δ², θ ← θ - αδ. (Zeiler, 2012.)

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        α, which is 1 in the paper.
    rho : float in [0, 1)
        ρ.
    epsilon : float
        ε.
    weight_decay, clipnorm, clipvalue, ... : as in `Optimizer`
    """

    slots: tuple[str, ...] = ("accumulated_grad", "accumulated_delta_var")

    def __init__(self, learning_rate: LearningRate = 0.001, rho: float = 0.95, epsilon: float = 1e-7,
                 **common: Unpack[OptimizerArguments]) -> None:  # fmt: skip
        super().__init__(learning_rate, **common)
        self.rho: float = _checks.real_number("Adadelta", "rho", rho, 0, 1, high_open=True)
        self.epsilon: float = _checks.real_number("Adadelta", "epsilon", epsilon, 0)

    def update_steps(self, parameter: Array, columns: int, state: dict[str, Array]) -> list[Any]:
        return [("adadelta", {"parameter": parameter, "squared_gradient": state["accumulated_grad"],
                              "squared_change": state["accumulated_delta_var"], "columns": columns, "rho": self.rho,
                              "epsilon": self.epsilon})]  # fmt: skip

    def get_config(self) -> Config:
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}

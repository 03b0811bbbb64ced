"""Lion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore.optimizers.optimizer import Optimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import LearningRate
    from nncore._typing import Array, Config, OptimizerArguments


class Lion(Optimizer):
    """Steps of one length, along the sign of a mean of gradients.

    θ ← θ - α sign(β₁m + (1 - β₁)g), m ← β₂m + (1 - β₂)g. (Chen et al., 2023.)

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        α.
    beta_1 : float in (0, 1]
    beta_2 : float in [0, 1)
    weight_decay, clipnorm, clipvalue, ... : as in `Optimizer`
    """

    slots: tuple[str, ...] = ("momentum",)

    def __init__(self, learning_rate: LearningRate = 0.001, beta_1: float = 0.9, beta_2: float = 0.99,
                 **common: Unpack[OptimizerArguments]) -> None:  # fmt: skip
        super().__init__(learning_rate, **common)
        self.beta_1: float = _checks.real_number("Lion", "beta_1", beta_1, 0, 1, low_open=True)
        self.beta_2: float = _checks.real_number("Lion", "beta_2", beta_2, 0, 1, high_open=True)

    def update_steps(self, parameter: Array, columns: int, state: dict[str, Array]) -> list[Any]:
        return [("lion", {"parameter": parameter, "mean": state["momentum"], "columns": columns,
                          "beta_1": self.beta_1, "beta_2": self.beta_2})]  # fmt: skip

    def get_config(self) -> Config:
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2}

"""Follow the regularized leader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore.optimizers.optimizer import Optimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import LearningRate
    from nncore._typing import Array, Config, OptimizerArguments


class Ftrl(Optimizer):
    """Follow the regularized leader, with each coordinate's own learning rate.

    R = r + g², z ← z + g + 2λₛθ - (Rᵏ - rᵏ) / α · θ, θ ← (clip(z, -λ₁, λ₁) - z) / (Rᵏ / α + 2λ₂ + β / α), r ← R.
    At a learning rate of 0 nothing changes. (McMahan et al., 2013.)

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        α.
    learning_rate_power : float, not above 0
        -k.
    initial_accumulator_value : float
        r before the first update.
    l1_regularization_strength, l2_regularization_strength : float
        λ₁ and λ₂.
    l2_shrinkage_regularization_strength : float
        λₛ, of a term of the loss.
    beta : float
        β.
    weight_decay, clipnorm, clipvalue, ... : as in `Optimizer`
    """

    learning_rate_power: float
    initial_accumulator_value: float
    l1_regularization_strength: float
    l2_regularization_strength: float
    l2_shrinkage_regularization_strength: float
    beta: float
    slots: tuple[str, ...] = ("accumulator", "linear")

    def __init__(self, learning_rate: LearningRate = 0.001, learning_rate_power: float = -0.5,
                 initial_accumulator_value: float = 0.1, l1_regularization_strength: float = 0.0,
                 l2_regularization_strength: float = 0.0, l2_shrinkage_regularization_strength: float = 0.0,
                 beta: float = 0.0, **common: Unpack[OptimizerArguments]) -> None:  # fmt: skip
        super().__init__(learning_rate, **common)
        self.learning_rate_power = _checks.real_number("Ftrl", "learning_rate_power", learning_rate_power, high=0)
        strengths = {"initial_accumulator_value": initial_accumulator_value,
                     "l1_regularization_strength": l1_regularization_strength,
                     "l2_regularization_strength": l2_regularization_strength,
                     "l2_shrinkage_regularization_strength": l2_shrinkage_regularization_strength,
                     "beta": beta}  # fmt: skip
        for name, value in strengths.items():
            setattr(self, name, _checks.real_number("Ftrl", name, value, 0))

    def _initial(self, slot: str, variable: Array) -> Array:
        array = super()._initial(slot, variable)
        if slot == "accumulator":
            array[...] = self.initial_accumulator_value
        return array

    def update_steps(self, parameter: Array, columns: int, state: dict[str, Array]) -> list[Any]:
        return [("ftrl", {"parameter": parameter, "accumulator": state["accumulator"], "linear": state["linear"],
                          "columns": columns, "power": -self.learning_rate_power,
                          "l1": self.l1_regularization_strength, "l2": self.l2_regularization_strength,
                          "l2_shrinkage": self.l2_shrinkage_regularization_strength, "beta": self.beta})]  # fmt: skip

    def get_config(self) -> Config:
        return {**super().get_config(), "learning_rate_power": self.learning_rate_power,
                "initial_accumulator_value": self.initial_accumulator_value,
                "l1_regularization_strength": self.l1_regularization_strength,
                "l2_regularization_strength": self.l2_regularization_strength,
                "l2_shrinkage_regularization_strength": self.l2_shrinkage_regularization_strength,
                "beta": self.beta}  # fmt: skip

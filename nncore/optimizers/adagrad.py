"""Adagrad."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore.optimizers.optimizer import Optimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import LearningRate
    from nncore._typing import Array, Config, OptimizerArguments


class Adagrad(Optimizer):
    """Gradients divided by the root of the sum of their squares.

    r ← r + g², θ ← θ - α / √(r + ε) · g. (Duchi, Hazan and Singer, 2011.)

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        α.
    initial_accumulator_value : float
        r before the first update.
    epsilon : float
        ε.
    epsilon_inside_sqrt : bool
        False gives √r + ε, PyTorch's form.
    weight_decay, clipnorm, clipvalue, ... : as in `Optimizer`
    """

    slots: tuple[str, ...] = ("accumulator",)

    def __init__(self, learning_rate: LearningRate = 0.001, initial_accumulator_value: float = 0.0,
                 epsilon: float = 1e-8, *, epsilon_inside_sqrt: bool = True,
                 **common: Unpack[OptimizerArguments]) -> None:  # fmt: skip
        super().__init__(learning_rate, **common)
        self.initial_accumulator_value: float = _checks.real_number("Adagrad", "initial_accumulator_value",
                                                             initial_accumulator_value, 0)  # fmt: skip
        self.epsilon: float = _checks.real_number("Adagrad", "epsilon", epsilon, 0)
        self.epsilon_inside_sqrt: bool = _checks.boolean("Adagrad", "epsilon_inside_sqrt", epsilon_inside_sqrt)

    def _initial(self, slot: str, variable: Array) -> Array:
        array = super()._initial(slot, variable)
        array[...] = self.initial_accumulator_value
        return array

    def update_steps(self, parameter: Array, columns: int, state: dict[str, Array]) -> list[Any]:
        return [("adagrad", {"parameter": parameter, "accumulator": state["accumulator"], "columns": columns,
                             "epsilon_inside_sqrt": self.epsilon_inside_sqrt, "epsilon": self.epsilon})]  # fmt: skip

    def get_config(self) -> Config:
        return {**super().get_config(), "initial_accumulator_value": self.initial_accumulator_value,
                "epsilon": self.epsilon, "epsilon_inside_sqrt": self.epsilon_inside_sqrt}  # fmt: skip

"""Nadam."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _checks
from nncore.optimizers.optimizer import Optimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import LearningRate
    from nncore._typing import Array, Config, OptimizerArguments


@functools.cache
def _momentum_products() -> Array:
    """(1 - 0.96 / 2)(1 - 0.96² / 2)... of 1, 2, 3, ... factors, until a further one is 1.

    By multiplications one after the other, which round alike everywhere.
    """
    products, product, decay = [], 1.0, 0.96
    while 1 - decay / 2 < 1:
        product *= 1 - decay / 2
        products.append(product)
        decay *= 0.96
    table = np.array(products)
    table.flags.writeable = False
    return table


class Nadam(Optimizer):
    """Adam with Nesterov's momentum, which grows in the first few hundred updates.

    s ← β₁s + (1 - β₁)g, r ← β₂r + (1 - β₂)g²; with μₜ = β₁(1 - 0.96ᵗ / 2) and Mₜ = μ₁...μₜ
    ŝ = μₜ₊₁s / (1 - Mₜ₊₁) + (1 - μₜ)g / (1 - Mₜ), r̂ = r / (1 - β₂ᵗ), θ ← θ - αŝ / (√r̂ + ε). (Dozat, 2016.)

    Mₜ is computed from t alone, so that there is no running product to be saved.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        α.
    beta_1, beta_2 : float in [0, 1)
    epsilon : float
        ε.
    weight_decay, clipnorm, clipvalue, ... : as in `Optimizer`
    """

    slots: tuple[str, ...] = ("momentum", "velocity")

    def __init__(self, learning_rate: LearningRate = 0.001, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float = 1e-7, **common: Unpack[OptimizerArguments]) -> None:  # fmt: skip
        super().__init__(learning_rate, **common)
        self.beta_1: float = _checks.real_number("Nadam", "beta_1", beta_1, 0, 1, high_open=True)
        self.beta_2: float = _checks.real_number("Nadam", "beta_2", beta_2, 0, 1, high_open=True)
        self.epsilon: float = _checks.real_number("Nadam", "epsilon", epsilon, 0)

    def opening(self) -> list[Any]:
        products = _momentum_products()
        return [*super().opening(), ("nadam_coefficients", {"products": products, "count": len(products),
                                                            "beta_1": self.beta_1, "beta_2": self.beta_2})]  # fmt: skip

    def update_steps(self, parameter: Array, columns: int, state: dict[str, Array]) -> list[Any]:
        return [("nadam", {"parameter": parameter, "first_moment": state["momentum"],
                           "second_moment": state["velocity"], "columns": columns, "beta_1": self.beta_1,
                           "beta_2": self.beta_2, "epsilon": self.epsilon})]  # fmt: skip

    def get_config(self) -> Config:
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}

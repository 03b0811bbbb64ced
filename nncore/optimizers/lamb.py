"""Lamb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore.optimizers.optimizer import Optimizer, norm_parts, summed

if TYPE_CHECKING:
    from nncore._likes import LearningRate
    from nncore._typing import Config
    from nncore.optimizers.optimizer import Target


class Lamb(Optimizer):
    """Adam's direction, as long for each weight as the weight itself.

    s ← β₁s + (1 - β₁)g, r ← β₂r + (1 - β₂)g², ŝ = s / (1 - β₁ᵗ), r̂ = r / (1 - β₂ᵗ), u = ŝ / (√r̂ + ε),
    θ ← θ - α |θ| / |u| · u, with the norms over all elements of a weight, and 1 in place of their quotient where one
    of them is 0. (You et al., "Large batch optimization for deep learning", ICLR 2020.)

    Parameters
    ----------
    learning_rate : float
        α.
    beta_1, beta_2 : float in [0, 1)
    epsilon : float
        ε.
    weight_decay, clipnorm, clipvalue, ... : as in `Optimizer`
    """

    slots: tuple[str, ...] = ("momentum", "velocity")

    def __init__(self, learning_rate: LearningRate = 0.001, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float = 1e-7, weight_decay: float | None = None, clipnorm: float | None = None,
                 clipvalue: float | None = None, global_clipnorm: float | None = None, use_ema: bool = False,
                 ema_momentum: float = 0.99, ema_overwrite_frequency: int | None = None, loss_scale_factor: None = None,
                 gradient_accumulation_steps: int | None = None, name: str | None = None) -> None:  # fmt: skip
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
                         ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name)  # fmt: skip
        self.beta_1: float = _checks.real_number("Lamb", "beta_1", beta_1, 0, 1, high_open=True)
        self.beta_2: float = _checks.real_number("Lamb", "beta_2", beta_2, 0, 1, high_open=True)
        self.epsilon: float = _checks.real_number("Lamb", "epsilon", epsilon, 0)

    def opening(self) -> list[Any]:
        return [*super().opening(), ("lamb_coefficients", {"beta_1": self.beta_1, "beta_2": self.beta_2})]

    def update_phases(self, target: Target) -> list[Any]:
        tiles, state, parts = target.tiles, target.state, norm_parts(target.tiles)
        common = {"parameter": target.parameter, "first_moment": state["momentum"], "second_moment": state["velocity"],
                  "epsilon": self.epsilon, "columns": target.columns}  # fmt: skip
        moments = {**common, **parts, "beta_1": self.beta_1, "beta_2": self.beta_2, **tiles.numbering}
        sums, between = summed(**parts)
        return [[("lamb_moments", moments)], between, [("lamb", {**common, **sums})]]

    def get_config(self) -> Config:
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}

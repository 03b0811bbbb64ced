"""Adam with decoupled weight decay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.optimizers.adam import Adam

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import LearningRate
    from nncore._typing import Config, SharedOptimizerArguments


class AdamW(Adam):
    """Adam, with a part of each weight taken from it at every update.

    θ ← θ - αλθ, then with s and r as in `Adam`: θ ← θ - α √(1 - β₂ᵗ) / (1 - β₁ᵗ) · s / (√r + ε), where ε stands as in
    Keras. (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019.)

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
        α.
    weight_decay : float
        λ.
    beta_1, beta_2 : float in [0, 1)
    epsilon : float
        ε.
    amsgrad : bool
        The largest r so far, in place of r under the root.
    clipnorm, clipvalue, ... : as in `Optimizer`
    """

    corrected = False

    def __init__(self, learning_rate: LearningRate = 0.001, weight_decay: float | None = 0.004, beta_1: float = 0.9,
                 beta_2: float = 0.999, epsilon: float = 1e-7, amsgrad: bool = False,
                 **common: Unpack[SharedOptimizerArguments]) -> None:  # fmt: skip
        if weight_decay is None:
            raise ValueError("AdamW: weight_decay must be a number, not None")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, epsilon_inside_sqrt=False,
                         weight_decay=weight_decay, **common)  # fmt: skip

    def get_config(self) -> Config:
        config = super().get_config()
        del config["epsilon_inside_sqrt"]
        return config

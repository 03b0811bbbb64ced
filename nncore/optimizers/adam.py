"""Adam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore.optimizers.optimizer import Optimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import LearningRate
    from nncore._typing import Array, Config, OptimizerArguments


class Adam(Optimizer):
    """Adaptive moments.

    s ← β₁s + (1 - β₁)g, r ← β₂r + (1 - β₂)g², ŝ = s / (1 - β₁ᵗ), r̂ = r / (1 - β₂ᵗ),
    θ ← θ - α / √(r̂ + ε) · ŝ. (Kingma and Ba, 2015, with ε inside the root.) With `amsgrad` the largest r so far stands
    in place of r in r̂. (Reddi, Kale and Kumar, 2018.)

    Parameters
    ----------
    learning_rate : float
        α.
    beta_1, beta_2 : float in [0, 1)
    epsilon : float
        ε.
    amsgrad : bool
    epsilon_inside_sqrt : bool
        False gives √r̂ + ε, as PyTorch has it.
    weight_decay, clipnorm, clipvalue, ... : as in `Optimizer`
    """

    corrected = True  # the root is that of r̂, and not that of r

    def __init__(self, learning_rate: LearningRate = 0.001, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float = 1e-8, amsgrad: bool = False, *, epsilon_inside_sqrt: bool = True,
                 **common: Unpack[OptimizerArguments]) -> None:  # fmt: skip
        super().__init__(learning_rate, **common)
        owner = type(self).__name__
        self.beta_1: float = _checks.real_number(owner, "beta_1", beta_1, 0, 1, high_open=True)
        self.beta_2: float = _checks.real_number(owner, "beta_2", beta_2, 0, 1, high_open=True)
        self.epsilon: float = _checks.real_number(owner, "epsilon", epsilon, 0)
        self.amsgrad: bool = _checks.boolean(owner, "amsgrad", amsgrad)
        self.epsilon_inside_sqrt: bool = _checks.boolean(owner, "epsilon_inside_sqrt", epsilon_inside_sqrt)

    @property
    def slots(self) -> tuple[str, ...]:  # type: ignore[override]
        """A maximum only where it is used."""
        return ("momentum", "velocity", *(["velocity_hat"] if self.amsgrad else []))

    def opening(self) -> list[Any]:
        return [*super().opening(), ("adam_coefficients", {"corrected": self.corrected, "beta_1": self.beta_1,
                                                           "beta_2": self.beta_2})]  # fmt: skip

    def update_steps(self, parameter: Array, columns: int, state: dict[str, Array]) -> list[Any]:
        return [("adam", {"parameter": parameter, "first_moment": state["momentum"],
                          "second_moment": state["velocity"], "maximum": state.get("velocity_hat"),
                          "columns": columns, "epsilon_inside_sqrt": self.epsilon_inside_sqrt, "beta_1": self.beta_1,
                          "beta_2": self.beta_2, "epsilon": self.epsilon})]  # fmt: skip

    def get_config(self) -> Config:
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon,
                "amsgrad": self.amsgrad, "epsilon_inside_sqrt": self.epsilon_inside_sqrt}  # fmt: skip

"""RMSProp."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore.optimizers.optimizer import Optimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import LearningRate
    from nncore._typing import Array, Config, OptimizerArguments


class RMSprop(Optimizer):
    """Gradients divided by a running root of their mean square.

    r ← ρr + (1 - ρ)g², θ ← θ - α / √(r + ε) · g. With momentum β: v ← βv + α / √(r + ε) · g, θ ← θ - v. Centered:
    m ← ρm + (1 - ρ)g, and r - m² in place of r under the root. (Hinton, lecture 6e, 2012; Graves, 2013.)

    Parameters
    ----------
    learning_rate : float
        α.
    rho : float in [0, 1)
        ρ.
    momentum : float in [0, 1)
        β.
    epsilon : float
        ε.
    centered : bool
    epsilon_inside_sqrt : bool
        False gives √r + ε, PyTorch's form.
    weight_decay, clipnorm, clipvalue, ... : as in `Optimizer`
    """

    def __init__(self, learning_rate: LearningRate = 0.001, rho: float = 0.9, momentum: float = 0.0,
                 epsilon: float = 1e-8, centered: bool = False, *, epsilon_inside_sqrt: bool = True,
                 **common: Unpack[OptimizerArguments]) -> None:  # fmt: skip
        super().__init__(learning_rate, **common)
        self.rho: float = _checks.real_number("RMSprop", "rho", rho, 0, 1, high_open=True)
        self.momentum: float = _checks.real_number("RMSprop", "momentum", momentum, 0, 1, high_open=True)
        self.epsilon: float = _checks.real_number("RMSprop", "epsilon", epsilon, 0)
        self.centered: bool = _checks.boolean("RMSprop", "centered", centered)
        self.epsilon_inside_sqrt: bool = _checks.boolean("RMSprop", "epsilon_inside_sqrt", epsilon_inside_sqrt)

    @property
    def slots(self) -> tuple[str, ...]:  # type: ignore[override]
        """State beyond the mean square only where it is used."""
        return ("velocity", *(["momentum"] if self.momentum else []), *(["average_gradient"] if self.centered else []))

    def update_steps(self, parameter: Array, columns: int, state: dict[str, Array]) -> list[Any]:
        return [("rmsprop", {"parameter": parameter, "mean_square": state["velocity"],
                             "velocity": state.get("momentum"), "mean": state.get("average_gradient"),
                             "columns": columns, "epsilon_inside_sqrt": self.epsilon_inside_sqrt, "rho": self.rho,
                             "momentum": self.momentum, "epsilon": self.epsilon})]  # fmt: skip

    def get_config(self) -> Config:
        return {**super().get_config(), "rho": self.rho, "momentum": self.momentum, "epsilon": self.epsilon,
                "centered": self.centered, "epsilon_inside_sqrt": self.epsilon_inside_sqrt}  # fmt: skip

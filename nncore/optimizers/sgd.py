"""Stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore.optimizers.optimizer import Optimizer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import LearningRate
    from nncore._typing import Array, Config, OptimizerArguments


class SGD(Optimizer):
    """Gradient descent, with momentum β and in Nesterov's form.

    Plain: θ ← θ - αg. With momentum: v ← βv - αg, θ ← θ + v. Nesterov: v ← βv - αg, φ ← φ + βv - αg, where the
    variables hold the look-ahead point φ = θ + βv, as in Keras and PyTorch. (Polyak, 1964; Nesterov, 1983.)

    Parameters
    ----------
    learning_rate : float
        α.
    momentum : float in [0, 1]
        β.
    nesterov : bool
    weight_decay, clipnorm, clipvalue, ... : as in `Optimizer`
    """

    def __init__(self, learning_rate: LearningRate = 0.01, momentum: float = 0.0, nesterov: bool = False,
                 **common: Unpack[OptimizerArguments]) -> None:  # fmt: skip
        super().__init__(learning_rate, **common)
        self.momentum: float = _checks.real_number("SGD", "momentum", momentum, 0, 1)
        self.nesterov: bool = _checks.boolean("SGD", "nesterov", nesterov)

    @property
    def slots(self) -> tuple[str, ...]:  # type: ignore[override]
        """Without momentum there is no state."""
        return ("momentum",) if self.momentum else ()

    def update_steps(self, parameter: Array, columns: int, state: dict[str, Array]) -> list[Any]:
        if not self.momentum:
            return [("sgd", {"parameter": parameter, "columns": columns})]
        return [("sgd_momentum", {"parameter": parameter, "velocity": state["momentum"], "columns": columns,
                                  "nesterov": self.nesterov, "momentum": self.momentum})]  # fmt: skip

    def get_config(self) -> Config:
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}

"""Adadelta."""

from nncore import _checks
from nncore.optimizers.optimizer import Optimizer


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

    slots = ("accumulated_grad", "accumulated_delta_var")

    def __init__(self, learning_rate=0.001, rho=0.95, epsilon=1e-7, **common):
        super().__init__(learning_rate, **common)
        self.rho = _checks.real_number("Adadelta", "rho", rho, 0, 1, high_open=True)
        self.epsilon = _checks.real_number("Adadelta", "epsilon", epsilon, 0)

    def update_steps(self, parameter, columns, state):
        return [("adadelta", {"parameter": parameter, "squared_gradient": state["accumulated_grad"],
                              "squared_change": state["accumulated_delta_var"], "columns": columns, "rho": self.rho,
                              "epsilon": self.epsilon})]  # fmt: skip

    def get_config(self):
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}

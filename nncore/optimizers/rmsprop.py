"""RMSProp."""

from nncore import _checks
from nncore.optimizers.optimizer import Optimizer


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

    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-8, centered=False, *,
                 epsilon_inside_sqrt=True, **common):  # fmt: skip
        super().__init__(learning_rate, **common)
        self.rho = _checks.real_number("RMSprop", "rho", rho, 0, 1, high_open=True)
        self.momentum = _checks.real_number("RMSprop", "momentum", momentum, 0, 1, high_open=True)
        self.epsilon = _checks.real_number("RMSprop", "epsilon", epsilon, 0)
        self.centered = _checks.boolean("RMSprop", "centered", centered)
        self.epsilon_inside_sqrt = _checks.boolean("RMSprop", "epsilon_inside_sqrt", epsilon_inside_sqrt)

    @property
    def slots(self):
        """State beyond the mean square only where it is used."""
        return ("velocity", *(["momentum"] if self.momentum else []), *(["average_gradient"] if self.centered else []))

    def update_steps(self, parameter, columns, state):
        return [("rmsprop", {"parameter": parameter, "mean_square": state["velocity"],
                             "velocity": state.get("momentum"), "mean": state.get("average_gradient"),
                             "columns": columns, "epsilon_inside_sqrt": self.epsilon_inside_sqrt, "rho": self.rho,
                             "momentum": self.momentum, "epsilon": self.epsilon})]  # fmt: skip

    def get_config(self):
        return {**super().get_config(), "rho": self.rho, "momentum": self.momentum, "epsilon": self.epsilon,
                "centered": self.centered, "epsilon_inside_sqrt": self.epsilon_inside_sqrt}  # fmt: skip

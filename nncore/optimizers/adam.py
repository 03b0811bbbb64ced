"""Adam."""

from nncore import _checks
from nncore.optimizers.optimizer import Optimizer


class Adam(Optimizer):
    """Adaptive moments.

    s ← β₁s + (1 - β₁)g, r ← β₂r + (1 - β₂)g², ŝ = s / (1 - β₁ᵗ), r̂ = r / (1 - β₂ᵗ),
    θ ← θ - α / √(r̂ + ε) · ŝ. (Kingma and Ba, 2015, with ε inside the root.)

    Parameters
    ----------
    learning_rate : float
        α.
    beta_1, beta_2 : float in [0, 1)
    epsilon : float
        ε.
    epsilon_inside_sqrt : bool
        False gives √r̂ + ε, as PyTorch and Keras have it.
    """

    slots = ("momentum", "velocity")

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-8, amsgrad=False, *,
                 epsilon_inside_sqrt=True, **common):  # fmt: skip
        super().__init__(learning_rate, **common)
        _checks.refuse("Adam", amsgrad=amsgrad or None)
        self.beta_1 = _checks.real_number("Adam", "beta_1", beta_1, 0, 1, high_open=True)
        self.beta_2 = _checks.real_number("Adam", "beta_2", beta_2, 0, 1, high_open=True)
        self.epsilon = _checks.real_number("Adam", "epsilon", epsilon, 0)
        self.epsilon_inside_sqrt = _checks.boolean("Adam", "epsilon_inside_sqrt", epsilon_inside_sqrt)

    def opening(self):
        return [("adam_coefficients", {"beta_1": self.beta_1, "beta_2": self.beta_2})]

    def update_steps(self, parameter, columns, state):
        return [("adam", {"parameter": parameter, "first_moment": state["momentum"],
                          "second_moment": state["velocity"], "columns": columns,
                          "epsilon_inside_sqrt": self.epsilon_inside_sqrt, "beta_1": self.beta_1,
                          "beta_2": self.beta_2, "epsilon": self.epsilon})]  # fmt: skip

    def get_config(self):
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon,
                "epsilon_inside_sqrt": self.epsilon_inside_sqrt}  # fmt: skip

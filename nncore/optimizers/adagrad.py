"""Adagrad."""

from nncore import _checks
from nncore.optimizers.optimizer import Optimizer


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

    slots = ("accumulator",)

    def __init__(self, learning_rate=0.001, initial_accumulator_value=0.0, epsilon=1e-8, *, epsilon_inside_sqrt=True,
                 **common):  # fmt: skip
        super().__init__(learning_rate, **common)
        self.initial_accumulator_value = _checks.real_number("Adagrad", "initial_accumulator_value",
                                                             initial_accumulator_value, 0)  # fmt: skip
        self.epsilon = _checks.real_number("Adagrad", "epsilon", epsilon, 0)
        self.epsilon_inside_sqrt = _checks.boolean("Adagrad", "epsilon_inside_sqrt", epsilon_inside_sqrt)

    def _initial(self, slot, variable):
        array = super()._initial(slot, variable)
        array[...] = self.initial_accumulator_value
        return array

    def update_steps(self, parameter, columns, state):
        return [("adagrad", {"parameter": parameter, "accumulator": state["accumulator"], "columns": columns,
                             "epsilon_inside_sqrt": self.epsilon_inside_sqrt, "epsilon": self.epsilon})]  # fmt: skip

    def get_config(self):
        return {**super().get_config(), "initial_accumulator_value": self.initial_accumulator_value,
                "epsilon": self.epsilon, "epsilon_inside_sqrt": self.epsilon_inside_sqrt}  # fmt: skip

"""Adam with decoupled weight decay."""

from nncore.optimizers.adam import Adam


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

    def __init__(self, learning_rate=0.001, weight_decay=0.004, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False,
                 **common):  # fmt: skip
        if weight_decay is None:
            raise ValueError("AdamW: weight_decay must be a number, not None")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, epsilon_inside_sqrt=False,
                         weight_decay=weight_decay, **common)  # fmt: skip

    def get_config(self):
        config = super().get_config()
        del config["epsilon_inside_sqrt"]
        return config

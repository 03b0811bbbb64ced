"""Losses that want a margin: t is the target, p the prediction."""

from nncore.losses.loss import ClassLoss, PlainLoss

__all__ = ["CategoricalHinge", "Hinge", "SquaredHinge"]


class Hinge(PlainLoss):
    """L = mean over rows and units of max(1 - t p, 0).

    Targets are -1 and 1; a target of 0 counts as -1, so that 0 and 1 are taken as well. (Keras does so only if all
    targets of a minibatch are 0 or 1.) The derivative is 0 at the kink.
    """

    kernel = default_name = "hinge"


class SquaredHinge(PlainLoss):
    """L = mean over rows and units of max(1 - t p, 0)², with targets as in `Hinge`."""

    kernel = default_name = "squared_hinge"


class CategoricalHinge(PlainLoss, ClassLoss):
    """L = mean over rows of max(max_i (1 - t_i) p_i - sum_i t_i p_i + 1, 0), with t one-hot.

    The derivative is 0 at the kink, and of several equal maxima the first has it.

    References
    ----------
    Crammer and Singer, On the algorithmic implementation of multiclass kernel-based vector machines, 2001.
    """

    kernel = default_name = "categorical_hinge"
    hint = ": Hinge is for a single unit"

"""Metrics of probabilities, t being the target and p the prediction, and of margins: each is its loss's mean."""

from __future__ import annotations

from typing import Any, Literal

from nncore import _checks, losses
from nncore.metrics.metric import LossMetric

__all__ = ["BinaryCrossentropy", "CategoricalCrossentropy", "CategoricalHinge", "Hinge", "KLDivergence", "Poisson",
           "SparseCategoricalCrossentropy", "SquaredHinge"]  # fmt: skip


class BinaryCrossentropy(LossMetric):
    """-mean over rows and units of t log p + (1 - t) log(1 - p), as the loss of this name.

    Parameters
    ----------
    from_logits : bool
        Predictions are logits z, p = 1 / (1 + exp(-z)).
    label_smoothing : float in [0, 1]
        s: targets become t (1 - s) + s / 2.
    """

    default_name: str
    loss_class: Any

    default_name, loss_class = "binary_crossentropy", losses.BinaryCrossentropy

    def __init__(self, name: str | None = None, dtype: None = None, from_logits: bool = False,
                 label_smoothing: float = 0) -> None:  # fmt: skip
        super().__init__(name, dtype, from_logits=from_logits, label_smoothing=label_smoothing)


class CategoricalCrossentropy(LossMetric):
    """-mean over rows of sum_i t_i log p_i, as the loss of this name.

    Parameters
    ----------
    from_logits : bool
        Predictions are logits z, p = softmax(z).
    label_smoothing : float in [0, 1]
        s: targets become t (1 - s) + s / classes.
    axis : int
        The last one.
    """

    default_name: str
    loss_class: Any

    default_name, loss_class = "categorical_crossentropy", losses.CategoricalCrossentropy

    def __init__(self, name: str | None = None, dtype: None = None, from_logits: bool = False,
                 label_smoothing: float = 0, axis: Literal[-1] = -1) -> None:  # fmt: skip
        super().__init__(name, dtype, from_logits=from_logits, label_smoothing=label_smoothing, axis=axis)


class SparseCategoricalCrossentropy(LossMetric):
    """-mean over rows of log p_t, with t the number of the true class, as the loss of this name.

    Parameters
    ----------
    from_logits : bool
        Predictions are logits z, p = softmax(z).
    axis : int
        The last one.
    """

    default_name: str
    loss_class: Any

    default_name, loss_class = "sparse_categorical_crossentropy", losses.SparseCategoricalCrossentropy

    def __init__(self, name: str | None = None, dtype: None = None, from_logits: bool = False,
                 ignore_class: None = None, axis: Literal[-1] = -1) -> None:  # fmt: skip
        _checks.refuse("SparseCategoricalCrossentropy", ignore_class=ignore_class)
        super().__init__(name, dtype, from_logits=from_logits, axis=axis)


class KLDivergence(LossMetric):
    """Mean over rows of sum_i t_i log(t_i / p_i), both kept within 1e-7 .. 1."""

    default_name: str
    loss_class: Any

    default_name, loss_class = "kl_divergence", losses.KLDivergence


class Poisson(LossMetric):
    """Mean over rows and features of p - t log(p + 1e-7)."""

    default_name: str
    loss_class: Any

    default_name, loss_class = "poisson", losses.Poisson


class Hinge(LossMetric):
    """Mean over rows and units of max(1 - t p, 0), with t -1 or 1; 0 counts as -1."""

    default_name: str
    loss_class: Any

    default_name, loss_class = "hinge", losses.Hinge


class SquaredHinge(LossMetric):
    """Mean over rows and units of max(1 - t p, 0)², with t -1 or 1; 0 counts as -1."""

    default_name: str
    loss_class: Any

    default_name, loss_class = "squared_hinge", losses.SquaredHinge


class CategoricalHinge(LossMetric):
    """Mean over rows of max(max_i (1 - t_i) p_i - sum_i t_i p_i + 1, 0), with t one-hot."""

    default_name: str
    loss_class: Any

    default_name, loss_class = "categorical_hinge", losses.CategoricalHinge

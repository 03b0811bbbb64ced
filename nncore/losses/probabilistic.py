"""Losses of probabilities: t is the target, p the prediction.

Behind a softmax or sigmoid output a cross-entropy is computed from the logits, whatever `from_logits` says, so that it
neither overflows nor needs clipping. Elsewhere probabilities are kept 1e-7 from 0 and 1, and have no gradient beyond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nncore import _checks
from nncore.losses.loss import NO_LABEL, ClassLoss, Loss, PlainLoss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore._typing import Config, Dtype, Reduction, Shape

__all__ = ["BinaryCrossentropy", "BinaryFocalCrossentropy", "CategoricalCrossentropy", "CategoricalFocalCrossentropy",
           "KLDivergence", "Poisson", "SparseCategoricalCrossentropy"]  # fmt: skip


class _Crossentropy(Loss):
    """What the cross-entropies share: logits or probabilities, smoothing."""

    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0, axis: Literal[-1] = -1,
                 reduction: Reduction = "sum_over_batch_size", name: str | None = None,
                 dtype: None = None) -> None:  # fmt: skip
        super().__init__(name, reduction, dtype)
        owner = type(self).__name__
        self.from_logits: bool = _checks.boolean(owner, "from_logits", from_logits)
        self.label_smoothing: float = _checks.real_number(owner, "label_smoothing", label_smoothing, 0, 1)
        _checks.refuse(owner, axis=None if _checks.index_of(axis) == -1 else axis)

    def kernel_arguments(self, shape: Shape, dtype: Dtype) -> dict[str, Any]:
        return {**super().kernel_arguments(shape, dtype), "label_smoothing": self.label_smoothing}

    def get_config(self) -> Config:
        return {"from_logits": self.from_logits, "label_smoothing": self.label_smoothing, **super().get_config()}


class BinaryCrossentropy(_Crossentropy):
    """L = -mean over rows and units of t log p + (1 - t) log(1 - p).

    The negative log-likelihood of independent Bernoulli variables; with several units a multi-task output.

    Parameters
    ----------
    from_logits : bool
        Predictions are logits z, p = 1 / (1 + exp(-z)).
    label_smoothing : float in [0, 1]
        s: targets become t (1 - s) + s / 2.
    axis : int
        The last one.
    """

    kernel = default_name = "binary_crossentropy"
    logits_of: str | None = "sigmoid"


class BinaryFocalCrossentropy(_Crossentropy):
    """L = mean over rows and units of w q^gamma b: b as in BinaryCrossentropy, q = t (1 - p) + (1 - t) p.

    Parameters
    ----------
    apply_class_balancing : bool
        w = t alpha + (1 - t)(1 - alpha); else 1.
    alpha : float in [0, 1]
    gamma : float of at least 0
        The larger, the less counts what is nearly right; 0 is BinaryCrossentropy.
    from_logits : bool
        Predictions are logits z, p = 1 / (1 + exp(-z)).
    label_smoothing : float in [0, 1]
        s: targets become t (1 - s) + s / 2.
    axis : int
        The last one.

    References
    ----------
    Lin, Goyal, Girshick, He and Dollár, Focal loss for dense object detection, 2017.
    """

    kernel = default_name = "binary_focal_crossentropy"
    logits_of: str | None = "sigmoid"

    def __init__(self, apply_class_balancing: bool = False, alpha: float = 0.25, gamma: float = 2.0,
                 from_logits: bool = False, label_smoothing: float = 0.0, axis: Literal[-1] = -1,
                 reduction: Reduction = "sum_over_batch_size", name: str | None = None,
                 dtype: None = None) -> None:  # fmt: skip
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)
        owner = type(self).__name__
        self.apply_class_balancing: bool = _checks.boolean(owner, "apply_class_balancing", apply_class_balancing)
        self.alpha: float = _checks.real_number(owner, "alpha", alpha, 0, 1)
        self.gamma: float = _checks.real_number(owner, "gamma", gamma, 0)

    def kernel_arguments(self, shape: Shape, dtype: Dtype) -> dict[str, Any]:
        return {**super().kernel_arguments(shape, dtype), "gamma": self.gamma, "alpha": self.alpha,
                "balance": self.apply_class_balancing}  # fmt: skip

    def get_config(self) -> Config:
        return {"apply_class_balancing": self.apply_class_balancing, "alpha": self.alpha, "gamma": self.gamma,
                **super().get_config()}  # fmt: skip


class CategoricalCrossentropy(_Crossentropy, ClassLoss):
    """L = -mean over rows of sum_i t_i log p_i, with t the distribution wanted and p the one predicted.

    Parameters
    ----------
    from_logits : bool
        Predictions are logits z, p = softmax(z).
    label_smoothing : float in [0, 1]
        s: targets become t (1 - s) + s / classes.
    axis : int
        The last one.
    """

    kernel = default_name = "categorical_crossentropy"
    logits_of: str | None = "softmax"


class CategoricalFocalCrossentropy(_Crossentropy, ClassLoss):
    """L = -mean over rows of sum_i alpha_i (1 - p_i)^gamma t_i log p_i.

    Parameters
    ----------
    alpha : float of at least 0, or one for each class
    gamma : float of at least 0
        The larger, the less counts what is nearly right; with 0 and alpha = 1 it is CategoricalCrossentropy.
    from_logits : bool
        Predictions are logits z, p = softmax(z).
    label_smoothing : float in [0, 1]
        s: targets become t (1 - s) + s / classes.
    axis : int
        The last one.

    References
    ----------
    Lin, Goyal, Girshick, He and Dollár, Focal loss for dense object detection, 2017.
    """

    kernel = default_name = "categorical_focal_crossentropy"
    logits_of: str | None = "softmax"

    def __init__(self, alpha: float | Sequence[float] = 0.25, gamma: float = 2.0, from_logits: bool = False,
                 label_smoothing: float = 0.0, axis: Literal[-1] = -1, reduction: Reduction = "sum_over_batch_size",
                 name: str | None = None, dtype: None = None) -> None:  # fmt: skip
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)
        owner = type(self).__name__
        several = isinstance(alpha, (list, tuple)) or (isinstance(alpha, np.ndarray) and alpha.ndim == 1)
        alphas = [_checks.real_number(owner, "alpha", value, 0) for value in (alpha if several else [alpha])]  # type: ignore[union-attr]
        self.alpha: float | list[float] = alphas if several else alphas[0]
        self.gamma: float = _checks.real_number(owner, "gamma", gamma, 0)

    def check_shape(self, shape: Shape) -> None:
        super().check_shape(shape)
        if isinstance(self.alpha, list) and len(self.alpha) != shape[-1]:
            raise ValueError(
                f"CategoricalFocalCrossentropy has an alpha for each of {len(self.alpha)} classes; the outputs' shape "
                f"is {shape}"
            )

    def kernel_arguments(self, shape: Shape, dtype: Dtype) -> dict[str, Any]:
        alpha = np.ascontiguousarray(np.broadcast_to(self.alpha, shape[-1:]), dtype)
        return {**super().kernel_arguments(shape, dtype), "gamma": self.gamma, "alpha": alpha}

    def get_config(self) -> Config:
        return {"alpha": self.alpha, "gamma": self.gamma, **super().get_config()}


class SparseCategoricalCrossentropy(_Crossentropy, ClassLoss):
    """L = -mean over rows of log p_t, with t the number of the true class.

    Targets are whole numbers 0 .. classes - 1, of any integer type, of shape (rows,) or (rows, 1); for predictions of
    shape (rows, ..., classes) of shape (rows, ...), and the mean is over all of them.

    Parameters
    ----------
    from_logits : bool
        Predictions are logits z, p = softmax(z).
    ignore_class : int, optional
        What has this target, which need not be a class, has no loss and no gradient; means are over the others.
    axis : int
        The last one.
    """

    ignore_class: int
    kernel = default_name = "sparse_categorical_crossentropy"
    logits_of: str | None = "softmax"
    labels = True

    def __init__(self, from_logits: bool = False, ignore_class: int | None = None,
                 reduction: Reduction = "sum_over_batch_size", axis: Literal[-1] = -1, name: str | None = None,
                 dtype: None = None) -> None:  # fmt: skip
        super().__init__(from_logits, 0.0, axis, reduction, name, dtype)
        if ignore_class is not None:
            self.ignore_class = _checks.ignored_class(type(self).__name__, ignore_class)

    def kernel_arguments(self, shape: Shape, dtype: Dtype) -> dict[str, Any]:
        return {**ClassLoss.kernel_arguments(self, shape, dtype),
                "ignored": NO_LABEL if self.ignore_class is None else self.ignore_class}  # fmt: skip

    def get_config(self) -> Config:
        config = {"ignore_class": self.ignore_class, **super().get_config()}
        del config["label_smoothing"]
        return config


class KLDivergence(PlainLoss, ClassLoss):
    """L = mean over rows of sum_i t_i log(t_i / p_i), both kept within 1e-7 .. 1; the derivative is 0 for p outside.

    The divergence of the predicted distribution p from the one wanted, t.

    References
    ----------
    Kullback and Leibler, On information and sufficiency, 1951.
    """

    kernel = default_name = "kl_divergence"


class Poisson(PlainLoss):
    """L = mean over rows and features of p - t log(p + 1e-7).

    The negative log-likelihood of a Poisson distribution of rate p, without the part that p is not in. Rates below
    -1e-7 have a loss that is NaN: give the output an activation that is not negative.
    """

    kernel = default_name = "poisson"

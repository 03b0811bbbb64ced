"""Losses of numbers: y is the target, p the prediction."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from nncore import _checks
from nncore.losses.loss import ClassLoss, Loss, PlainLoss

if TYPE_CHECKING:
    from nncore._typing import Config, Dtype, Reduction, Shape

__all__ = ["CosineSimilarity", "GaussianNLL", "Huber", "LogCosh", "MeanAbsoluteError", "MeanAbsolutePercentageError",
           "MeanSquaredError", "MeanSquaredLogarithmicError"]  # fmt: skip


class MeanSquaredError(PlainLoss):
    """L = mean over rows and features of (p - y)².

    The negative log-likelihood of a normal distribution of fixed variance, up to scale and a constant.
    """

    kernel = default_name = "mean_squared_error"


class MeanAbsoluteError(PlainLoss):
    """L = mean over rows and features of |p - y|.

    The negative log-likelihood of a Laplace distribution of fixed width, up to scale and a constant. The derivative is
    0 at p = y.
    """

    kernel: str
    default_name: str
    kernel, default_name = "absolute_error", "mean_absolute_error"


class MeanAbsolutePercentageError(PlainLoss):
    """L = 100 times the mean over rows and features of |p - y| / max(|y|, 1e-7).

    The derivative is 0 at p = y.
    """

    kernel = default_name = "mean_absolute_percentage_error"


class MeanSquaredLogarithmicError(PlainLoss):
    """L = mean over rows and features of (log(1 + max(p, 1e-7)) - log(1 + max(y, 1e-7)))².

    The derivative is 0 for p < 1e-7.
    """

    kernel = default_name = "mean_squared_logarithmic_error"


class Huber(Loss):
    """L = mean over rows and features of d² / 2 where |d| ≤ delta, and of delta (|d| - delta / 2) elsewhere; d = p - y.

    Parameters
    ----------
    delta : float above 0

    References
    ----------
    Huber, Robust estimation of a location parameter, 1964.
    """

    kernel: str
    default_name: str
    kernel, default_name = "huber", "huber_loss"

    def __init__(self, delta: float = 1.0, reduction: Reduction = "sum_over_batch_size", name: str | None = None,
                 dtype: None = None) -> None:  # fmt: skip
        super().__init__(name, reduction, dtype)
        self.delta: float = _checks.real_number("Huber", "delta", delta, 0, low_open=True)

    def kernel_arguments(self, shape: Shape, dtype: Dtype) -> dict[str, Any]:
        return {**super().kernel_arguments(shape, dtype), "delta": self.delta}

    def get_config(self) -> Config:
        return {"delta": self.delta, **super().get_config()}


class LogCosh(PlainLoss):
    """L = mean over rows and features of log(cosh(p - y)): about d² / 2 for small d = p - y, |d| - log(2) for large."""

    kernel = default_name = "log_cosh"


class CosineSimilarity(ClassLoss):
    """L = -mean over rows of y·p / (|y| |p|), over the last axis; lengths below 1e-7 count as 1e-7.

    It lies between -1, for vectors of the same direction, and 1. Where |p| < 1e-7 the derivative is that of
    -y·p / (|y| 1e-7).

    Parameters
    ----------
    axis : int
        The last one.
    """

    kernel = default_name = "cosine_similarity"
    hint = ""

    def __init__(self, axis: Literal[-1] = -1, reduction: Reduction = "sum_over_batch_size", name: str | None = None,
                 dtype: None = None) -> None:  # fmt: skip
        super().__init__(name, reduction, dtype)
        _checks.refuse("CosineSimilarity", axis=None if _checks.index_of(axis) == -1 else axis)

    def get_config(self) -> Config:
        return {"axis": -1, **super().get_config()}


class GaussianNLL(Loss):
    """L = mean over rows and targets of ½ (log s² + (y - m)² / s²).

    The negative log-likelihood of normal distributions of means m and variances s², without the constant ½ log(2π).
    Beyond Keras.

    Parameters
    ----------
    variance : float above 0, optional
        s², the same for all; predictions are the means m, and L is the mean squared error up to scale and a constant.
        Without it the network predicts the variance as well: the last axis has twice the targets' features, first all
        means m, then all log-variances log s². 1 / s² counts as e⁵⁰ where it is more, also in the derivatives.

    References
    ----------
    Nix and Weigend, Estimating the mean and variance of the target probability distribution, 1994.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.losses.GaussianNLL()([[1.0]], [[3.0, 0.0]])  # mean 3, variance 1
    2.0
    """

    default_name = "gaussian_nll"

    def __init__(self, variance: float | None = None, reduction: Reduction = "sum_over_batch_size",
                 name: str | None = None, dtype: None = None) -> None:  # fmt: skip
        super().__init__(name, reduction, dtype)
        if variance is not None:
            variance = _checks.real_number("GaussianNLL", "variance", variance, 0, low_open=True)
        self.variance = variance

    def kernel_for(self, logits: bool) -> str:
        return "gaussian_nll" if self.variance is None else "gaussian_nll_fixed"

    def kernel_arguments(self, shape: Shape, dtype: Dtype) -> dict[str, Any]:
        if self.variance is None:
            return ClassLoss.kernel_arguments(self, shape, dtype)  # type: ignore[arg-type]
        return {**super().kernel_arguments(shape, dtype), "variance": self.variance,
                "offset": math.log(self.variance) / 2}  # fmt: skip

    def check_shape(self, shape: Shape) -> None:
        if self.variance is None and shape[-1] % 2:
            raise ValueError(
                f"GaussianNLL without a variance needs outputs of an even number of features, means and then "
                f"log-variances; got shape {shape}"
            )

    def target_shape(self, shape: Shape) -> Shape:
        return shape if self.variance is not None else (*shape[:-1], shape[-1] // 2)

    def get_config(self) -> Config:
        return {"variance": self.variance, **super().get_config()}

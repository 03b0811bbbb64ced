"""Metrics of numbers: y is the target, p the prediction."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nncore import _checks, losses
from nncore.metrics.metric import LossMetric, StateMetric

if TYPE_CHECKING:
    from nncore._typing import Array, Config, Dtype, Shape

__all__ = ["CosineSimilarity", "LogCoshError", "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredError",
           "MeanSquaredLogarithmicError", "R2Score", "RootMeanSquaredError"]  # fmt: skip


class MeanSquaredError(LossMetric):
    """Mean over rows and features of (p - y)²."""

    default_name: str
    loss_class: Any

    default_name, loss_class = "mean_squared_error", losses.MeanSquaredError


class RootMeanSquaredError(LossMetric):
    """Root of the mean over rows and features of (p - y)²."""

    default_name: str
    loss_class: Any

    default_name, loss_class = "root_mean_squared_error", losses.MeanSquaredError

    def of_mean(self, mean: float) -> float:
        return math.sqrt(mean)


class MeanAbsoluteError(LossMetric):
    """Mean over rows and features of |p - y|."""

    default_name: str
    loss_class: Any

    default_name, loss_class = "mean_absolute_error", losses.MeanAbsoluteError


class MeanAbsolutePercentageError(LossMetric):
    """100 times the mean over rows and features of |p - y| / max(|y|, 1e-7)."""

    default_name: str
    loss_class: Any

    default_name, loss_class = "mean_absolute_percentage_error", losses.MeanAbsolutePercentageError


class MeanSquaredLogarithmicError(LossMetric):
    """Mean over rows and features of (log(1 + max(p, 1e-7)) - log(1 + max(y, 1e-7)))²."""

    default_name: str
    loss_class: Any

    default_name, loss_class = "mean_squared_logarithmic_error", losses.MeanSquaredLogarithmicError


class LogCoshError(LossMetric):
    """Mean over rows and features of log(cosh(p - y))."""

    default_name: str
    loss_class: Any

    default_name, loss_class = "logcosh", losses.LogCosh


class CosineSimilarity(LossMetric):
    """Mean over rows of y·p / (|y| |p|), over the last axis; lengths below 1e-7 count as 1e-7.

    Parameters
    ----------
    axis : int
        The last one.
    """

    default_name: str
    loss_class: Any

    default_name, loss_class = "cosine_similarity", losses.CosineSimilarity

    def __init__(self, name: str | None = None, dtype: None = None, axis: Literal[-1] = -1) -> None:
        super().__init__(name, dtype, axis=axis)

    def of_mean(self, mean: float) -> float:
        return -mean


class R2Score(StateMetric):
    """Coefficient of determination, of each output: 1 - sum w (y - p)² / sum w (y - m)², m = sum w y / sum w.

    1 is perfect, and 0 as good as the mean m. w are the weights of rows, 1 unless given. The score of an output whose
    targets are all the same is 0, and NaN where its predictions are right.

    Parameters
    ----------
    class_aggregation : "uniform_average", "variance_weighted_average" or None
        The mean over outputs; that with weights sum w (y - m)²; or an array with the score of each.
    num_regressors : int
        q: 1 - (1 - R²)(n - 1) / (n - q - 1) in place of R², unless q is 0. n counts targets, rows times outputs.

    Warns
    -----
    UserWarning
        Where n - q - 1 is not positive: the result is R².
    """

    default_name: str
    kernel: str

    default_name, kernel = "r2_score", "r2_sums"

    def __init__(self,
                 class_aggregation: Literal["uniform_average", "variance_weighted_average"] | None = "uniform_average",
                 num_regressors: int = 0, name: str | None = None, dtype: None = None) -> None:  # fmt: skip
        super().__init__(dtype, name)
        known = ("uniform_average", "variance_weighted_average", None)
        if not _checks.is_word(class_aggregation, known):
            raise ValueError(f"R2Score: class_aggregation must be one of {known}; got {class_aggregation!r}")
        self.class_aggregation = class_aggregation
        self.num_regressors: int = _checks.integer("R2Score", "num_regressors", num_regressors)

    def check_output(self, shape: Shape) -> None:
        if len(shape) != 1:
            raise ValueError(f"R2Score needs outputs of shape (outputs,); got {shape}")

    def state_size(self, shape: Shape) -> int:
        return 3 * shape[0] + 2

    def kernel_arguments(self, shape: Shape, dtype: Dtype) -> dict[str, Any]:
        return {"features": shape[0]}

    def value(self, state: Array, rows: int) -> Any:
        sums, squares, residuals = np.reshape(state[:-2], (3, -1))
        weight, count = state[-2:]
        if not weight:
            return 0.0
        spread = squares - sums * (sums / weight)
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = 1 - residuals / spread
            scores = np.where(np.isinf(scores), 0.0, scores)
            if self.class_aggregation == "uniform_average":
                scores = scores.mean()
            elif self.class_aggregation == "variance_weighted_average":
                scores = (spread * scores).sum() / spread.sum()
        free = count - self.num_regressors - 1
        if self.num_regressors and free <= 0:
            warnings.warn(
                f"R2Score: num_regressors={self.num_regressors} needs more than {self.num_regressors + 1} targets; got "
                f"{int(count)}. The score is not adjusted",
                stacklevel=2,
            )
        elif self.num_regressors:
            scores = 1 - (1 - scores) * (count - 1) / free
        return scores if self.class_aggregation is None else float(scores)

    def get_config(self) -> Config:
        return {"class_aggregation": self.class_aggregation, "num_regressors": self.num_regressors,
                **super().get_config()}  # fmt: skip

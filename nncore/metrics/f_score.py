"""F scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nncore import _checks
from nncore.metrics.metric import StateMetric

if TYPE_CHECKING:
    from nncore._typing import Array, Config, Dtype, Shape

__all__ = ["F1Score", "FBetaScore"]

EPSILON = 1e-7  # Keras's


class FBetaScore(StateMetric):
    """F = (1 + β²) P R / (β² P + R), of each class, with P its precision and R its recall.

    Each denominator has 1e-7 added. Targets are shares s of a class: s of a row counts as positive, 1 - s as negative.

    Parameters
    ----------
    average : None, "micro", "macro" or "weighted"
        None: an array with the score of each class. "micro": the score of all classes' counts together. "macro": the
        mean over classes. "weighted": the mean with the classes' positive targets as weights.
    beta : float above 0
        How much more recall counts than precision.
    threshold : float in (0, 1], optional
        Predictions above it are positive. Without it the largest of each row is, unless it is within 1e-9 of 0.

    References
    ----------
    van Rijsbergen, Information retrieval, 1979.
    """

    default_name: str
    kernel: str

    default_name, kernel = "fbeta_score", "f_score_sums"

    def __init__(self, average: Literal["micro", "macro", "weighted"] | None = None, beta: float = 1.0,
                 threshold: float | None = None, name: str | None = "fbeta_score",
                 dtype: None = None) -> None:  # fmt: skip
        super().__init__(dtype, name)
        owner = type(self).__name__
        if not _checks.is_word(average, (None, "micro", "macro", "weighted")):
            raise ValueError(f"{owner}: average must be None, 'micro', 'macro' or 'weighted'; got {average!r}")
        self.average = average
        self.beta: float = _checks.real_number(owner, "beta", beta, 0, low_open=True)
        if threshold is not None:
            threshold = _checks.real_number(owner, "threshold", threshold, 0, 1, low_open=True)
        self.threshold = threshold

    def check_output(self, shape: Shape) -> None:
        if len(shape) != 1:
            raise ValueError(f"{type(self).__name__} needs outputs of shape (classes,); got {shape}")

    def state_size(self, shape: Shape) -> int:
        return 4 * shape[0]

    def kernel_arguments(self, shape: Shape, dtype: Dtype) -> dict[str, Any]:
        return {"classes": shape[0], "by_largest": self.threshold is None, "threshold": self.threshold or 0.0}

    def value(self, state: Array, rows: int) -> Any:
        sums = np.reshape(state, (4, -1))
        if self.average == "micro":
            sums = sums.sum(axis=1, keepdims=True)
        true_positives, false_positives, false_negatives, support = sums
        precision = true_positives / (true_positives + false_positives + EPSILON)
        recall = true_positives / (true_positives + false_negatives + EPSILON)
        square = self.beta**2
        scores = precision * recall / (square * precision + recall + EPSILON) * (1 + square)
        if self.average is None:
            return scores
        if self.average == "weighted":
            return float((scores * (support / (support.sum() + EPSILON))).sum())
        return float(scores.mean())

    def get_config(self) -> Config:
        return {"average": self.average, "beta": self.beta, "threshold": self.threshold, **super().get_config()}


class F1Score(FBetaScore):
    """F = 2 P R / (P + R), of each class, with P its precision and R its recall: `FBetaScore` with β = 1.

    Parameters
    ----------
    average : None, "micro", "macro" or "weighted"
        None: an array with the score of each class. "micro": the score of all classes' counts together. "macro": the
        mean over classes. "weighted": the mean with the classes' positive targets as weights.
    threshold : float in (0, 1], optional
        Predictions above it are positive. Without it the largest of each row is, unless it is within 1e-9 of 0.
    """

    default_name = "f1_score"

    def __init__(self, average: Literal["micro", "macro", "weighted"] | None = None, threshold: float | None = None,
                 name: str | None = "f1_score", dtype: None = None) -> None:  # fmt: skip
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> Config:
        config = super().get_config()
        del config["beta"]
        return config

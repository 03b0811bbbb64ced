"""How often predictions are right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from nncore import _checks
from nncore.metrics.metric import MeanMetric, groups

if TYPE_CHECKING:
    from nncore._typing import Config, Dtype, Shape

__all__ = ["Accuracy", "BinaryAccuracy", "CategoricalAccuracy", "SparseCategoricalAccuracy",
           "SparseTopKCategoricalAccuracy", "TopKCategoricalAccuracy"]  # fmt: skip


class Accuracy(MeanMetric):
    """Share of elements of predictions that equal the targets'."""

    default_name = kernel = "accuracy"


class BinaryAccuracy(MeanMetric):
    """Share of units whose prediction lies on the side of `threshold` that the target, 0 or 1, says.

    Parameters
    ----------
    threshold : float
        Predictions above it mean 1.
    """

    default_name = kernel = "binary_accuracy"

    def __init__(self, name: str | None = None, dtype: None = None, threshold: float = 0.5) -> None:
        super().__init__(name, dtype)
        self.threshold: float = _checks.real_number("BinaryAccuracy", "threshold", threshold)

    def kernel_arguments(self, shape: Shape, dtype: Dtype) -> dict[str, Any]:
        return {**super().kernel_arguments(shape, dtype), "threshold": self.threshold}

    def get_config(self) -> Config:
        return {**super().get_config(), "threshold": self.threshold}


class CategoricalAccuracy(MeanMetric):
    """Share of rows whose largest prediction is where the target's largest element is."""

    default_name = kernel = "categorical_accuracy"

    def kernel_arguments(self, shape: Shape, dtype: Dtype) -> dict[str, Any]:
        return groups(shape)


class SparseCategoricalAccuracy(CategoricalAccuracy):
    """Share of rows whose largest prediction is at the class that the target, a whole number, names."""

    default_name = kernel = "sparse_categorical_accuracy"
    labels = True


class TopKCategoricalAccuracy(MeanMetric):
    """Share of rows where fewer than k predictions are larger than that of the target's largest element.

    Parameters
    ----------
    k : int, at most the number of classes
    """

    default_name = kernel = "top_k_categorical_accuracy"

    def __init__(self, k: int = 5, name: str | None = None, dtype: None = None) -> None:
        super().__init__(name, dtype)
        self.k: int = _checks.positive_integer(type(self).__name__, "k", k)

    def check_output(self, shape: Shape) -> None:
        if shape[-1] < self.k:
            raise ValueError(f"{type(self).__name__}: k={self.k} needs as many classes; got outputs of shape {shape}")

    def kernel_arguments(self, shape: Shape, dtype: Dtype) -> dict[str, Any]:
        return {**groups(shape), "k": self.k}

    def get_config(self) -> Config:
        return {"k": self.k, **super().get_config()}


class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """Share of rows where fewer than k predictions are larger than that of the class that the target names.

    Parameters
    ----------
    k : int, at most the number of classes
    """

    default_name = kernel = "sparse_top_k_categorical_accuracy"
    labels = True

    def __init__(self, k: int = 5, name: str | None = None, dtype: None = None,
                 from_sorted_ids: Literal[False] = False) -> None:  # fmt: skip
        super().__init__(k, name, dtype)
        _checks.refuse_on("SparseTopKCategoricalAccuracy", from_sorted_ids=from_sorted_ids)

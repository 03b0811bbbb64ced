"""The accuracies as functions: of each element or sample, without a mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from nncore import _checks, _data

if TYPE_CHECKING:
    from nncore._typing import Array, Data, Shape

__all__ = ["binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy",
           "sparse_top_k_categorical_accuracy", "top_k_categorical_accuracy"]  # fmt: skip


def binary_accuracy(y_true: Data, y_pred: Data, threshold: float = 0.5) -> Array:
    """`BinaryAccuracy` of each element: whether y_pred > threshold is what y_true, 0 or 1, says."""
    y_pred, y_true = _arrays(y_true, y_pred)
    if y_true.ndim == y_pred.ndim - 1 and y_pred.shape[-1] == 1:
        y_true = y_true[..., None]
    if y_true.shape != y_pred.shape:
        raise ValueError(f"binary_accuracy: y_true has shape {y_true.shape}, and y_pred {y_pred.shape}")
    threshold = _checks.real_number("binary_accuracy", "threshold", threshold)
    return ((y_pred > threshold) == y_true).astype(np.float32)  # type: ignore[no-any-return]


def categorical_accuracy(y_true: Data, y_pred: Data) -> Array:
    """`CategoricalAccuracy` of each sample: y_pred is (..., classes), the result (...)."""
    return _match_one_hot("categorical_accuracy", y_true, y_pred)


def sparse_categorical_accuracy(y_true: Data, y_pred: Data) -> Array:
    """`SparseCategoricalAccuracy` of each sample: y_pred is (..., classes), y_true and the result (...)."""
    y_pred, y_true = _arrays(y_true, y_pred)
    y_true = y_true[..., 0] if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1 else y_true
    return _match("sparse_categorical_accuracy", y_true, y_pred, y_true.shape)


def top_k_categorical_accuracy(y_true: Data, y_pred: Data, k: int = 5) -> Array:
    """`TopKCategoricalAccuracy` of each sample: y_pred is (..., classes), the result (...)."""
    return _match_one_hot("top_k_categorical_accuracy", y_true, y_pred, k)


def sparse_top_k_categorical_accuracy(y_true: Data, y_pred: Data, k: int = 5,
                                      from_sorted_ids: Literal[False] = False) -> Array:  # fmt: skip
    """`SparseTopKCategoricalAccuracy` of each sample: y_pred is (..., classes), y_true and the result (...)."""
    _checks.refuse_on("sparse_top_k_categorical_accuracy", from_sorted_ids=from_sorted_ids)
    y_pred, y_true = _arrays(y_true, y_pred)
    labels = _data.labels(y_true, y_pred.shape[-1], "y_true").astype(np.int64)
    labels = labels[..., 0] if labels.ndim == y_pred.ndim and labels.shape[-1] == 1 else labels
    return _match("sparse_top_k_categorical_accuracy", labels, y_pred, labels.shape, k)


def _arrays(y_true: Data, y_pred: Data) -> tuple[Array, Array]:
    y_true, y_pred = _data.as_array(y_true, "y_true"), _data.as_array(y_pred, "y_pred")
    if y_pred.ndim == 0:
        raise ValueError("y_pred must be an array of at least one axis; got a number")
    if 0 in (*y_pred.shape[-1:], *y_true.shape[-1:]):
        raise ValueError(f"y_true and y_pred must not be empty; got shapes {y_true.shape} and {y_pred.shape}")
    return y_pred, y_true


def _match_one_hot(owner: str, y_true: Data, y_pred: Data, k: int | None = None) -> Array:
    y_pred, y_true = _arrays(y_true, y_pred)
    if y_true.shape[:-1] == y_pred.shape[:-1] and y_true.shape != y_pred.shape:
        raise ValueError(f"{owner}: y_true of shape {y_true.shape} has other classes than y_pred of {y_pred.shape}")
    return _match(owner, y_true.argmax(axis=-1), y_pred, y_true.shape[:-1], k)


def _match(owner: str, classes: Array, y_pred: Array, shape: Shape, k: int | None = None) -> Array:
    if shape != y_pred.shape[:-1]:
        raise ValueError(f"{owner}: y_true is of samples {shape}, and y_pred of samples {y_pred.shape[:-1]}")
    if k is None:
        return (y_pred.argmax(axis=-1) == classes).astype(np.float32)  # type: ignore[no-any-return]
    k = _checks.positive_integer(owner, "k", k)
    if k > y_pred.shape[-1]:
        raise ValueError(f"{owner}: k={k} needs as many classes; y_pred has {y_pred.shape[-1]}")
    own = np.take_along_axis(y_pred, classes[..., None], axis=-1)
    return (((y_pred > own).sum(axis=-1) < k) & ~np.isnan(own[..., 0])).astype(np.float32)  # type: ignore[no-any-return]

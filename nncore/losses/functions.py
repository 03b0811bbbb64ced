"""The losses as functions: of each sample, which is the last axis, without a reduction over the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from nncore import _data
from nncore.losses import margin, probabilistic, regression

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore._typing import Array, Data
    from nncore.losses.loss import Loss

__all__ = ["binary_crossentropy", "binary_focal_crossentropy", "categorical_crossentropy",
           "categorical_focal_crossentropy", "categorical_hinge", "cosine_similarity", "hinge", "huber",
           "kl_divergence", "log_cosh", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error",
           "mean_squared_logarithmic_error", "poisson", "sparse_categorical_crossentropy", "squared_hinge"]  # fmt: skip


def _of_samples(loss: Loss, y_true: Data, y_pred: Data) -> Array:
    """Losses (...) of y_pred (..., features); a number for (features,)."""
    y_true, y_pred = _data.as_array(y_true, "y_true"), _data.as_floats(y_pred, "y_pred")
    if y_pred.ndim != 1:
        return loss.of_samples(y_true, y_pred)
    if y_true.ndim == 2 and y_true.shape[1] == 1 and not loss.labels:
        return loss.of_samples(y_true, y_pred)
    return loss.of_samples(y_true[None], y_pred[None])[0]  # type: ignore[no-any-return]


def mean_squared_error(y_true: Data, y_pred: Data) -> Array:
    """`MeanSquaredError` of each sample: y_pred is (..., features), the result (...)."""
    return _of_samples(regression.MeanSquaredError(), y_true, y_pred)


def mean_absolute_error(y_true: Data, y_pred: Data) -> Array:
    """`MeanAbsoluteError` of each sample: y_pred is (..., features), the result (...)."""
    return _of_samples(regression.MeanAbsoluteError(), y_true, y_pred)


def mean_absolute_percentage_error(y_true: Data, y_pred: Data) -> Array:
    """`MeanAbsolutePercentageError` of each sample: y_pred is (..., features), the result (...)."""
    return _of_samples(regression.MeanAbsolutePercentageError(), y_true, y_pred)


def mean_squared_logarithmic_error(y_true: Data, y_pred: Data) -> Array:
    """`MeanSquaredLogarithmicError` of each sample: y_pred is (..., features), the result (...)."""
    return _of_samples(regression.MeanSquaredLogarithmicError(), y_true, y_pred)


def cosine_similarity(y_true: Data, y_pred: Data, axis: Literal[-1] = -1) -> Array:
    """`CosineSimilarity` of each sample: y_pred is (..., features), the result (...)."""
    return _of_samples(regression.CosineSimilarity(axis), y_true, y_pred)


def huber(y_true: Data, y_pred: Data, delta: float = 1.0) -> Array:
    """`Huber` of each sample: y_pred is (..., features), the result (...)."""
    return _of_samples(regression.Huber(delta), y_true, y_pred)


def log_cosh(y_true: Data, y_pred: Data) -> Array:
    """`LogCosh` of each sample: y_pred is (..., features), the result (...)."""
    return _of_samples(regression.LogCosh(), y_true, y_pred)


def kl_divergence(y_true: Data, y_pred: Data) -> Array:
    """`KLDivergence` of each sample: y_pred is (..., classes), the result (...)."""
    return _of_samples(probabilistic.KLDivergence(), y_true, y_pred)


def poisson(y_true: Data, y_pred: Data) -> Array:
    """`Poisson` of each sample: y_pred is (..., features), the result (...)."""
    return _of_samples(probabilistic.Poisson(), y_true, y_pred)


def hinge(y_true: Data, y_pred: Data) -> Array:
    """`Hinge` of each sample: y_pred is (..., units), the result (...)."""
    return _of_samples(margin.Hinge(), y_true, y_pred)


def squared_hinge(y_true: Data, y_pred: Data) -> Array:
    """`SquaredHinge` of each sample: y_pred is (..., units), the result (...)."""
    return _of_samples(margin.SquaredHinge(), y_true, y_pred)


def categorical_hinge(y_true: Data, y_pred: Data) -> Array:
    """`CategoricalHinge` of each sample: y_pred is (..., classes), the result (...)."""
    return _of_samples(margin.CategoricalHinge(), y_true, y_pred)


def binary_crossentropy(y_true: Data, y_pred: Data, from_logits: bool = False, label_smoothing: float = 0.0,
                        axis: Literal[-1] = -1) -> Array:  # fmt: skip
    """`BinaryCrossentropy` of each sample: y_pred is (..., units), the result (...)."""
    return _of_samples(probabilistic.BinaryCrossentropy(from_logits, label_smoothing, axis), y_true, y_pred)


def binary_focal_crossentropy(y_true: Data, y_pred: Data, apply_class_balancing: bool = False, alpha: float = 0.25,
                              gamma: float = 2.0, from_logits: bool = False, label_smoothing: float = 0.0,
                              axis: Literal[-1] = -1) -> Array:  # fmt: skip
    """`BinaryFocalCrossentropy` of each sample: y_pred is (..., units), the result (...)."""
    loss = probabilistic.BinaryFocalCrossentropy(
        apply_class_balancing, alpha, gamma, from_logits, label_smoothing, axis
    )
    return _of_samples(loss, y_true, y_pred)


def categorical_crossentropy(y_true: Data, y_pred: Data, from_logits: bool = False, label_smoothing: float = 0.0,
                             axis: Literal[-1] = -1) -> Array:  # fmt: skip
    """`CategoricalCrossentropy` of each sample: y_pred is (..., classes), the result (...)."""
    return _of_samples(probabilistic.CategoricalCrossentropy(from_logits, label_smoothing, axis), y_true, y_pred)


def categorical_focal_crossentropy(y_true: Data, y_pred: Data, alpha: float | Sequence[float] = 0.25,
                                   gamma: float = 2.0, from_logits: bool = False, label_smoothing: float = 0.0,
                                   axis: Literal[-1] = -1) -> Array:  # fmt: skip
    """`CategoricalFocalCrossentropy` of each sample: y_pred is (..., classes), the result (...)."""
    loss = probabilistic.CategoricalFocalCrossentropy(alpha, gamma, from_logits, label_smoothing, axis)
    return _of_samples(loss, y_true, y_pred)


def sparse_categorical_crossentropy(y_true: Data, y_pred: Data, from_logits: bool = False,
                                    ignore_class: int | None = None, axis: Literal[-1] = -1) -> Array:  # fmt: skip
    """`SparseCategoricalCrossentropy` of each sample: y_pred is (..., classes), y_true and the result (...)."""
    loss = probabilistic.SparseCategoricalCrossentropy(from_logits, ignore_class, axis=axis)
    return _of_samples(loss, y_true, y_pred)

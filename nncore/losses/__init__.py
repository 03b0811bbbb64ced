"""Losses: what training minimises.

Each row's value and its gradient come from one kernel; `Loss` says how those of many rows become one number. The
classes have options and a reduction, the functions give the loss of each sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks, _custom_objects
from nncore.losses import custom
from nncore.losses.functions import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    cosine_similarity,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from nncore.losses.loss import Loss
from nncore.losses.margin import CategoricalHinge, Hinge, SquaredHinge
from nncore.losses.probabilistic import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    KLDivergence,
    Poisson,
    SparseCategoricalCrossentropy,
)
from nncore.losses.regression import (
    CosineSimilarity,
    GaussianNLL,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
)

if TYPE_CHECKING:
    from nncore._likes import LossLike
    from nncore._typing import Config

__all__ = ["BinaryCrossentropy", "BinaryFocalCrossentropy", "CategoricalCrossentropy", "CategoricalFocalCrossentropy",
           "CategoricalHinge", "CosineSimilarity", "GaussianNLL", "Hinge", "Huber", "KLDivergence", "LogCosh", "Loss",
           "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredError", "MeanSquaredLogarithmicError",
           "Poisson", "SparseCategoricalCrossentropy", "SquaredHinge", "binary_crossentropy",
           "binary_focal_crossentropy", "categorical_crossentropy", "categorical_focal_crossentropy",
           "categorical_hinge", "cosine_similarity", "deserialize", "get", "hinge", "huber", "kl_divergence",
           "log_cosh", "mean_absolute_error", "mean_absolute_percentage_error", "mean_squared_error",
           "mean_squared_logarithmic_error", "poisson", "serialize", "sparse_categorical_crossentropy",
           "squared_hinge"]  # fmt: skip

# The class of each function, whose name stands for it as well.
_OF_FUNCTION = {
    binary_crossentropy: BinaryCrossentropy,
    binary_focal_crossentropy: BinaryFocalCrossentropy,
    categorical_crossentropy: CategoricalCrossentropy,
    categorical_focal_crossentropy: CategoricalFocalCrossentropy,
    categorical_hinge: CategoricalHinge,
    cosine_similarity: CosineSimilarity,
    hinge: Hinge,
    huber: Huber,
    kl_divergence: KLDivergence,
    log_cosh: LogCosh,
    mean_absolute_error: MeanAbsoluteError,
    mean_absolute_percentage_error: MeanAbsolutePercentageError,
    mean_squared_error: MeanSquaredError,
    mean_squared_logarithmic_error: MeanSquaredLogarithmicError,
    poisson: Poisson,
    sparse_categorical_crossentropy: SparseCategoricalCrossentropy,
    squared_hinge: SquaredHinge,
}
_SHORT = {
    "bce": BinaryCrossentropy,
    "kld": KLDivergence,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "mse": MeanSquaredError,
    "msle": MeanSquaredLogarithmicError,
}
_BY_CLASS = {cls.__name__: cls for cls in (*_OF_FUNCTION.values(), GaussianNLL)}
_BY_NAME = {
    **{function.__name__: cls for function, cls in _OF_FUNCTION.items()},
    **_SHORT,
    **{name.upper(): cls for name, cls in _SHORT.items()},
    "gaussian_nll": GaussianNLL,
}


def get(identifier: LossLike) -> Loss:
    """Returns the loss that a name, a function, a configuration or a loss stands for."""
    if isinstance(identifier, str) and identifier not in _BY_NAME:
        found = _custom_objects.find(identifier)
        identifier = identifier if found is None else found
    if isinstance(identifier, dict) and identifier.get("class_name") == "FunctionLoss":
        return _function_loss(**identifier["config"])
    if callable(identifier) and not isinstance(identifier, (type, Loss)):
        if identifier not in _OF_FUNCTION:
            return custom.FunctionLoss(identifier)
        identifier = _OF_FUNCTION[identifier]
    return _checks.resolve("loss", identifier, Loss, _BY_NAME, _BY_CLASS)


def _function_loss(function: str, **options: Any) -> Loss:
    found = _custom_objects.find(function)
    if not callable(found):
        raise ValueError(f"unknown loss {function!r}{_custom_objects.hint(function)}")
    return custom.FunctionLoss(found, **options)


def serialize(loss: Loss) -> Config:
    """Returns {"class_name", "config"} of a loss."""
    return _checks.serialize(loss)


def deserialize(config: LossLike) -> Loss:
    """Returns the loss that `serialize` described."""
    return get(config)

"""Metrics: what training reports and does not minimise.

Each has a state that minibatches add to, in a model's plans and in `update_state` by the same kernels, and a value that
follows from it. The classes have options; the functions give the value of each element or sample.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from nncore import _checks, _custom_objects, losses
from nncore.losses import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
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
from nncore.metrics import custom
from nncore.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from nncore.metrics.confusion import (
    AUC,
    FalseNegatives,
    FalsePositives,
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
)
from nncore.metrics.f_score import F1Score, FBetaScore
from nncore.metrics.functions import (
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from nncore.metrics.iou import BinaryIoU, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU
from nncore.metrics.metric import Metric
from nncore.metrics.probabilistic import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    Hinge,
    KLDivergence,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from nncore.metrics.reduction import Mean, Sum
from nncore.metrics.regression import (
    CosineSimilarity,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    R2Score,
    RootMeanSquaredError,
)

if TYPE_CHECKING:
    from nncore._likes import MetricLike
    from nncore._typing import Config, Shape
    from nncore.losses.loss import Loss

__all__ = ["AUC", "Accuracy", "BinaryAccuracy", "BinaryCrossentropy", "BinaryIoU", "CategoricalAccuracy",
           "CategoricalCrossentropy", "CategoricalHinge", "CosineSimilarity", "F1Score", "FBetaScore",
           "FalseNegatives", "FalsePositives", "Hinge", "IoU", "KLDivergence", "LogCoshError", "Mean",
           "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanIoU", "MeanSquaredError",
           "MeanSquaredLogarithmicError", "Metric", "OneHotIoU", "OneHotMeanIoU", "Poisson", "Precision",
           "PrecisionAtRecall", "R2Score", "Recall", "RecallAtPrecision", "RootMeanSquaredError",
           "SensitivityAtSpecificity", "SparseCategoricalAccuracy", "SparseCategoricalCrossentropy",
           "SparseTopKCategoricalAccuracy", "SpecificityAtSensitivity", "SquaredHinge", "Sum",
           "TopKCategoricalAccuracy", "TrueNegatives", "TruePositives", "binary_accuracy", "binary_crossentropy",
           "binary_focal_crossentropy", "categorical_accuracy", "categorical_crossentropy",
           "categorical_focal_crossentropy", "categorical_hinge", "deserialize", "get", "hinge", "huber",
           "kl_divergence", "log_cosh", "mean_absolute_error", "mean_absolute_percentage_error",
           "mean_squared_error", "mean_squared_logarithmic_error", "poisson", "serialize",
           "sparse_categorical_accuracy", "sparse_categorical_crossentropy", "sparse_top_k_categorical_accuracy",
           "squared_hinge", "top_k_categorical_accuracy"]  # fmt: skip

# By the names that Keras gives them, which are not always the metrics' own.
_BY_KERAS_NAME = {
    "accuracy": Accuracy,
    "auc": AUC,
    "binary_accuracy": BinaryAccuracy,
    "binary_crossentropy": BinaryCrossentropy,
    "binary_io_u": BinaryIoU,
    "categorical_accuracy": CategoricalAccuracy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "categorical_hinge": CategoricalHinge,
    "cosine_similarity": CosineSimilarity,
    "f1_score": F1Score,
    "f_beta_score": FBetaScore,
    "false_negatives": FalseNegatives,
    "false_positives": FalsePositives,
    "hinge": Hinge,
    "io_u": IoU,
    "kl_divergence": KLDivergence,
    "log_cosh_error": LogCoshError,
    "mean": Mean,
    "mean_absolute_error": MeanAbsoluteError,
    "mean_absolute_percentage_error": MeanAbsolutePercentageError,
    "mean_io_u": MeanIoU,
    "mean_squared_error": MeanSquaredError,
    "mean_squared_logarithmic_error": MeanSquaredLogarithmicError,
    "one_hot_io_u": OneHotIoU,
    "one_hot_mean_io_u": OneHotMeanIoU,
    "poisson": Poisson,
    "precision": Precision,
    "precision_at_recall": PrecisionAtRecall,
    "r2_score": R2Score,
    "recall": Recall,
    "recall_at_precision": RecallAtPrecision,
    "root_mean_squared_error": RootMeanSquaredError,
    "sensitivity_at_specificity": SensitivityAtSpecificity,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "sparse_top_k_categorical_accuracy": SparseTopKCategoricalAccuracy,
    "specificity_at_sensitivity": SpecificityAtSensitivity,
    "squared_hinge": SquaredHinge,
    "sum": Sum,
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
    "true_negatives": TrueNegatives,
    "true_positives": TruePositives,
}
_SHORT = {
    "bce": BinaryCrossentropy,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "mse": MeanSquaredError,
    "msle": MeanSquaredLogarithmicError,
}
_BY_NAME = {**_BY_KERAS_NAME, **_SHORT, **{name.upper(): cls for name, cls in _SHORT.items()}}
_BY_CLASS = {cls.__name__: cls for cls in _BY_KERAS_NAME.values()}
# The class of each function, which stands for it.
_OF_FUNCTION = {
    binary_accuracy: BinaryAccuracy,
    binary_crossentropy: BinaryCrossentropy,
    categorical_accuracy: CategoricalAccuracy,
    categorical_crossentropy: CategoricalCrossentropy,
    categorical_hinge: CategoricalHinge,
    hinge: Hinge,
    kl_divergence: KLDivergence,
    log_cosh: LogCoshError,
    mean_absolute_error: MeanAbsoluteError,
    mean_absolute_percentage_error: MeanAbsolutePercentageError,
    mean_squared_error: MeanSquaredError,
    mean_squared_logarithmic_error: MeanSquaredLogarithmicError,
    poisson: Poisson,
    sparse_categorical_accuracy: SparseCategoricalAccuracy,
    sparse_categorical_crossentropy: SparseCategoricalCrossentropy,
    sparse_top_k_categorical_accuracy: SparseTopKCategoricalAccuracy,
    squared_hinge: SquaredHinge,
    top_k_categorical_accuracy: TopKCategoricalAccuracy,
}


def get(identifier: MetricLike) -> Metric:
    """Returns the metric that a name, a function, a configuration or a metric stands for."""
    if isinstance(identifier, str) and identifier not in _BY_NAME:
        found = _custom_objects.find(identifier)
        identifier = identifier if found is None else found
    if isinstance(identifier, dict) and identifier.get("class_name") == "FunctionMetric":
        return _function_metric(**identifier["config"])
    if callable(identifier) and not isinstance(identifier, (type, Metric)):
        if identifier not in _OF_FUNCTION:
            return custom.FunctionMetric(identifier)
        metric: Metric = _OF_FUNCTION[identifier]()
        metric.name = identifier.__name__
        return metric
    return _checks.resolve("metric", identifier, Metric, _BY_NAME, _BY_CLASS)


def _function_metric(function: str, **options: Any) -> Metric:
    found = _custom_objects.find(function)
    if not callable(found):
        raise ValueError(f"unknown metric {function!r}{_custom_objects.hint(function)}")
    return custom.FunctionMetric(found, **options)


def for_model(identifier: MetricLike, loss: Loss | None, output_shape: Shape, weighted: bool = False) -> Metric:
    """Like `get`, where "accuracy" and "acc" are the accuracy that fits the loss and the output, under that name.

    That is BinaryAccuracy for one unit; else SparseCategoricalAccuracy where the loss takes class numbers; else
    CategoricalAccuracy. `loss` may be None; with `weighted` the metric takes notice of sample_weight.
    """
    if isinstance(identifier, str) and identifier.lower() in ("accuracy", "acc"):
        metric = _accuracy(loss, output_shape)(name=identifier)
    else:
        metric = get(identifier)
        if not metric.in_python:
            metric = copy.copy(metric)
            if isinstance(identifier, str):
                metric.name = identifier
    metric.weighted = weighted
    metric.check_output(output_shape)
    return metric


def check_targets(metric: Metric, judge: Loss | Metric, output_shape: Shape) -> None:
    """Raises ValueError where a metric needs other targets than the loss or metric that says what they look like."""
    if metric.in_python:
        metric.judge = judge
        return
    wanted, given = (
        "class numbers" if thing.labels else f"of shape {thing.target_shape(output_shape)} for each row"
        for thing in (metric, judge)
    )
    if wanted != given:
        kind = "loss" if isinstance(judge, losses.Loss) else "metric"
        raise ValueError(
            f"metric {metric.name!r} needs targets that are {wanted}; those of the {kind} {judge.name!r} are {given}"
        )


def _accuracy(loss: Loss | None, output_shape: Shape) -> type[Metric]:
    if output_shape[-1:] == (1,):
        return BinaryAccuracy
    return SparseCategoricalAccuracy if loss is not None and loss.labels else CategoricalAccuracy


def serialize(metric: Metric) -> Config:
    """Returns {"class_name", "config"} of a metric."""
    return _checks.serialize(metric)


def deserialize(config: MetricLike) -> Metric:
    """Returns the metric that `serialize` described."""
    return get(config)

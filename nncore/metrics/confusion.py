"""Metrics of predictions that are positive above a threshold: counts, precision, recall, and areas under curves.

Targets are positive where they are not 0. Each metric counts, for all thresholds at once, how many of them each
prediction is above; sums of these counts are the true and false positives of every threshold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nncore import _checks, _data
from nncore.metrics.metric import StateMetric, groups, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nncore._plan import Builder, Total
    from nncore._samples import Samples
    from nncore._typing import Array, Config, Data, Dtype, Shape

__all__ = ["AUC", "FalseNegatives", "FalsePositives", "Precision", "PrecisionAtRecall", "Recall", "RecallAtPrecision",
           "SensitivityAtSpecificity", "SpecificityAtSensitivity", "TrueNegatives", "TruePositives"]  # fmt: skip

EPSILON = 1e-7  # Keras's: AUC's outer thresholds are this far outside 0 .. 1
MOST_THRESHOLDS = 10**6
BELOW_ALL = -1e10  # the threshold of the top_k


class ThresholdMetric(StateMetric):
    """Base: counts at thresholds.

    Thresholds that are evenly spaced over 0 .. 1, three or more of them, are for predictions that lie there: those
    above 1 count as 1, and where the first threshold is below 0 those below 0 count as 0.

    Parameters
    ----------
    thresholds : list of float, in any order
    class_id : int or None, the class of the last axis that is looked at
    top_k : int or None
    """

    kernel = "count_above"
    by_class = False  # each class has counts of its own

    def __init__(self, thresholds: Any, class_id: int | None = None, top_k: int | None = None, name: str | None = None,
                 dtype: None = None) -> None:  # fmt: skip
        super().__init__(dtype, name)
        owner = type(self).__name__
        self.thresholds = thresholds
        self.class_id: int | None = None if class_id is None else _checks.integer(owner, "class_id", class_id)
        self.top_k: int | None = None if top_k is None else _checks.positive_integer(owner, "top_k", top_k)
        self._order = np.argsort(thresholds, kind="stable")
        even = np.linspace(0, 1, len(thresholds))
        self._within_unit = len(thresholds) > 2 and np.allclose(thresholds, even, atol=EPSILON)

    def check_output(self, shape: Shape) -> None:
        for name, least in (("class_id", self.class_id), ("top_k", self.top_k and self.top_k - 1)):
            if least is not None and (not shape or shape[-1] <= least):
                raise ValueError(
                    f"{type(self).__name__}: {name}={getattr(self, name)} needs more classes than outputs of shape "
                    f"{shape} have"
                )

    def state_size(self, shape: Shape) -> int:
        return (shape[-1] if self.by_class else 1) * 2 * (len(self.thresholds) + 1)

    def kernel_arguments(self, shape: Shape, dtype: Dtype) -> dict[str, Any]:
        first, last = (0, shape[-1]) if self.class_id is None else (self.class_id, self.class_id + 1)
        return {"thresholds": np.array(self.thresholds, dtype)[self._order], "count": len(self.thresholds),
                "first_class": first, "last_class": last, "by_class": self.by_class, "top_k": self.top_k or 0,
                **groups(shape)}  # fmt: skip

    def _counts(self, state: Any) -> Any:
        """True and false positives, true and false negatives: each (thresholds,), or (thresholds, classes)."""
        count = len(self.thresholds)
        above = np.reshape(state, (-1, 2, count + 1)).copy()
        if self._within_unit:
            above[..., -2] += above[..., -1]
            above[..., -1] = 0
            if self.thresholds[0] < 0:
                above[..., 1] += above[..., 0]
                above[..., 0] = 0
        positives = np.empty((*above.shape[:2], count))
        positives[..., self._order] = np.cumsum(above[..., :0:-1], axis=-1)[..., ::-1]
        negatives = above.sum(axis=-1, keepdims=True) - positives
        place = (slice(None), 1), (slice(None), 0)
        tp, fn, fp, tn = (x[at].T for at in place for x in (positives, negatives))
        return [x if self.by_class else x[:, 0] for x in (tp, fp, tn, fn)]

    @staticmethod
    def _single(values: Any) -> Any:
        """An array with a value for each threshold, or the one value."""
        return float(values[0]) if len(values) == 1 else values

    def update_state(self, y_true: Data, y_pred: Data, sample_weight: Data | float | None = None) -> None:
        if self.top_k is not None:
            y_pred = _data.as_array(y_pred, "y_pred")
            if y_pred.ndim == 1:  # the classes of one row
                y_true, y_pred = _data.as_array(y_true, "y_true")[None], y_pred[None]
        super().update_state(y_true, y_pred, sample_weight)


def _unit_thresholds(owner: Any, thresholds: Any, default: Any) -> Any:
    """A list of thresholds in 0 .. 1, from a number, a list or None."""
    if thresholds is None:
        return [default]
    several = isinstance(thresholds, (list, tuple)) or (isinstance(thresholds, np.ndarray) and thresholds.ndim > 0)
    given: Any = thresholds if several else [thresholds]
    if not len(given):
        raise ValueError(f"{owner}: thresholds must be a number or a list of at least one; got {thresholds!r}")
    return [_checks.real_number(owner, "thresholds", threshold, 0, 1) for threshold in given]


def _config_of(thresholds: Any) -> Any:
    if isinstance(thresholds, (list, tuple)):
        return [float(threshold) for threshold in thresholds]
    if isinstance(thresholds, np.ndarray):
        return thresholds.tolist()
    return None if thresholds is None else float(thresholds)


class _Count(ThresholdMetric):
    """Base of the four counts."""

    place = 0  # among _counts

    def __init__(self, thresholds: float | Sequence[float] | Array | None = None, name: str | None = None,
                 dtype: None = None) -> None:  # fmt: skip
        self.init_thresholds = thresholds
        super().__init__(_unit_thresholds(type(self).__name__, thresholds, 0.5), name=name, dtype=dtype)

    def value(self, state: Array, rows: int) -> Any:
        return self._single(self._counts(state)[self.place])

    def get_config(self) -> Config:
        return {"thresholds": _config_of(self.init_thresholds), **super().get_config()}


class TruePositives(_Count):
    """Sum of the weights of positive targets whose predictions are above the threshold.

    Parameters
    ----------
    thresholds : float in [0, 1], or a list of them, whose counts are an array; 0.5 unless given
    """

    default_name: str
    place: int

    default_name, place = "true_positives", 0


class FalsePositives(_Count):
    """Sum of the weights of negative targets whose predictions are above the threshold.

    Parameters
    ----------
    thresholds : float in [0, 1], or a list of them, whose counts are an array; 0.5 unless given
    """

    default_name: str
    place: int

    default_name, place = "false_positives", 1


class TrueNegatives(_Count):
    """Sum of the weights of negative targets whose predictions are not above the threshold.

    Parameters
    ----------
    thresholds : float in [0, 1], or a list of them, whose counts are an array; 0.5 unless given
    """

    default_name: str
    place: int

    default_name, place = "true_negatives", 2


class FalseNegatives(_Count):
    """Sum of the weights of positive targets whose predictions are not above the threshold.

    Parameters
    ----------
    thresholds : float in [0, 1], or a list of them, whose counts are an array; 0.5 unless given
    """

    default_name: str
    place: int

    default_name, place = "false_negatives", 3


class _Share(ThresholdMetric):
    """Base of precision and recall: true positives, of them and others."""

    others = 0  # among _counts

    def __init__(self, thresholds: float | Sequence[float] | Array | None = None, top_k: int | None = None,
                 class_id: int | None = None, name: str | None = None, dtype: None = None) -> None:  # fmt: skip
        self.init_thresholds = thresholds
        default = 0.5 if top_k is None else BELOW_ALL
        super().__init__(_unit_thresholds(type(self).__name__, thresholds, default), class_id, top_k, name, dtype)

    def value(self, state: Array, rows: int) -> Any:
        counts = self._counts(state)
        return self._single(ratio(counts[0], counts[0] + counts[self.others]))

    def get_config(self) -> Config:
        return {"thresholds": _config_of(self.init_thresholds), "top_k": self.top_k, "class_id": self.class_id,
                **super().get_config()}  # fmt: skip


class Precision(_Share):
    """True positives / (true positives + false positives); 0 of none.

    Parameters
    ----------
    thresholds : float in [0, 1], or a list of them, whose precisions are an array
        Predictions above it are positive: 0.5 unless this or `top_k` is given. 0 is for logits.
    top_k : int
        Only a row's k largest predictions may be positive, of equals the first.
    class_id : int
        Only this class is looked at.
    """

    default_name: str
    others: int

    default_name, others = "precision", 1


class Recall(_Share):
    """True positives / (true positives + false negatives); 0 of none.

    Parameters
    ----------
    thresholds : float in [0, 1], or a list of them, whose recalls are an array
        Predictions above it are positive: 0.5 unless this or `top_k` is given. 0 is for logits.
    top_k : int
        Only a row's k largest predictions may be positive, of equals the first.
    class_id : int
        Only this class is looked at.
    """

    default_name: str
    others: int

    default_name, others = "recall", 3


class _Best(ThresholdMetric):
    """Base of the largest value of one ratio, over the thresholds at which another is large enough."""

    constraint: str = ""  # its name
    wanted: str

    def __init__(self, value: float, num_thresholds: int = 200, class_id: int | None = None, name: str | None = None,
                 dtype: None = None) -> None:  # fmt: skip
        owner = type(self).__name__
        setattr(self, self.constraint, _checks.real_number(owner, self.constraint, value, 0, 1))
        self.num_thresholds: int = _checks.positive_integer(owner, "num_thresholds", num_thresholds, MOST_THRESHOLDS)
        count = self.num_thresholds
        thresholds = [0.5] if count == 1 else list(np.arange(count) / (count - 1))
        super().__init__(thresholds, class_id, None, name, dtype)
        self._within_unit |= count == 2

    def value(self, state: Array, rows: int) -> Any:
        tp, fp, tn, fn = self._counts(state)
        ratios = {"precision": (tp, fp), "recall": (tp, fn), "sensitivity": (tp, fn), "specificity": (tn, fp)}
        constrained, wanted = (ratio(a, a + b) for a, b in (ratios[self.constraint], ratios[self.wanted]))
        feasible = constrained >= getattr(self, self.constraint)
        return float(wanted[feasible].max(initial=0.0))

    def get_config(self) -> Config:
        return {self.constraint: getattr(self, self.constraint), "num_thresholds": self.num_thresholds,
                "class_id": self.class_id, **super().get_config()}  # fmt: skip


class SensitivityAtSpecificity(_Best):
    """Largest sensitivity at thresholds whose specificity is at least `specificity`; 0 where there are none.

    Sensitivity is the share of positive targets that are above the threshold, specificity that of negative ones that
    are not.

    Parameters
    ----------
    specificity : float in [0, 1]
    num_thresholds : int
        They are evenly spaced over 0 .. 1.
    class_id : int
        Only this class is looked at.
    """

    default_name: str
    constraint: str
    wanted: str

    default_name, constraint, wanted = "sensitivity_at_specificity", "specificity", "sensitivity"

    def __init__(self, specificity: float, num_thresholds: int = 200, class_id: int | None = None,
                 name: str | None = None, dtype: None = None) -> None:  # fmt: skip
        super().__init__(specificity, num_thresholds, class_id, name, dtype)


class SpecificityAtSensitivity(_Best):
    """Largest specificity at thresholds whose sensitivity is at least `sensitivity`; 0 where there are none.

    Parameters
    ----------
    sensitivity : float in [0, 1]
    num_thresholds : int
        They are evenly spaced over 0 .. 1.
    class_id : int
        Only this class is looked at.
    """

    default_name: str
    constraint: str
    wanted: str

    default_name, constraint, wanted = "specificity_at_sensitivity", "sensitivity", "specificity"

    def __init__(self, sensitivity: float, num_thresholds: int = 200, class_id: int | None = None,
                 name: str | None = None, dtype: None = None) -> None:  # fmt: skip
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)


class PrecisionAtRecall(_Best):
    """Largest precision at thresholds whose recall is at least `recall`; 0 where there are none.

    Parameters
    ----------
    recall : float in [0, 1]
    num_thresholds : int
        They are evenly spaced over 0 .. 1.
    class_id : int
        Only this class is looked at.
    """

    default_name: str
    constraint: str
    wanted: str

    default_name, constraint, wanted = "precision_at_recall", "recall", "precision"

    def __init__(self, recall: float, num_thresholds: int = 200, class_id: int | None = None, name: str | None = None,
                 dtype: None = None) -> None:  # fmt: skip
        super().__init__(recall, num_thresholds, class_id, name, dtype)


class RecallAtPrecision(_Best):
    """Largest recall at thresholds whose precision is at least `precision`; 0 where there are none.

    Parameters
    ----------
    precision : float in [0, 1]
    num_thresholds : int
        They are evenly spaced over 0 .. 1.
    class_id : int
        Only this class is looked at.
    """

    default_name: str
    constraint: str
    wanted: str

    default_name, constraint, wanted = "recall_at_precision", "precision", "recall"

    def __init__(self, precision: float, num_thresholds: int = 200, class_id: int | None = None,
                 name: str | None = None, dtype: None = None) -> None:  # fmt: skip
        super().__init__(precision, num_thresholds, class_id, name, dtype)


class AUC(ThresholdMetric):
    """Area under a curve that thresholds trace, approximated between neighbouring thresholds.

    Parameters
    ----------
    num_thresholds : int of at least 2
        They are evenly spaced over 0 .. 1, the first and the last 1e-7 outside.
    curve : "ROC", "PR" or "PRGAIN"
        Recall over the share of false positives, precision over recall, or precision gain over recall gain.
    summation_method : "interpolation", "minoring" or "majoring"
        Between two thresholds the mean height, the lesser, or the larger. "interpolation" of the PR curve takes true
        and false positives, and not their ratio, as linear there (Davis and Goadrich).
    thresholds : list of float in [0, 1], optional
        In place of `num_thresholds`; -1e-7 and 1 + 1e-7 are added.
    multi_label : bool
        Each label, of outputs of shape (labels,), has an area; the result is their mean. Else all predictions are those
        of one curve.
    num_labels : int, with multi_label, optional
    label_weights : list of float, one for each label, optional
        Of the mean with multi_label, else of the predictions.
    from_logits : bool
        Predictions are logits z, and 1 / (1 + exp(-z)) is compared with the thresholds.

    References
    ----------
    Davis and Goadrich, The relationship between precision-recall and ROC curves, 2006.
    Flach and Kull, Precision-recall-gain curves: PR analysis done right, 2015.
    """

    num_thresholds: int
    num_labels: int | None

    default_name = "auc"

    def __init__(self, num_thresholds: int = 200, curve: Literal["ROC", "PR"] = "ROC",
                 summation_method: Literal["interpolation", "minoring", "majoring"] = "interpolation",
                 name: str | None = None, dtype: None = None, thresholds: float | Sequence[float] | Array | None = None,
                 multi_label: bool = False, num_labels: int | None = None, label_weights: Data | None = None,
                 from_logits: bool = False) -> None:  # fmt: skip
        self.curve: str = _choice("curve", curve, ("ROC", "PR", "PRGAIN"), str.upper)
        methods = ("interpolation", "minoring", "majoring")
        self.summation_method: str = _choice("summation_method", summation_method, methods, str.lower)
        self.init_thresholds = thresholds
        if thresholds is None:
            self.num_thresholds = _checks.integer("AUC", "num_thresholds", num_thresholds, 2, MOST_THRESHOLDS)
            inner = list(np.arange(1, self.num_thresholds - 1) / (self.num_thresholds - 1))
        else:
            given = _checks.sequence("AUC", "thresholds", thresholds)
            inner = sorted(_checks.real_number("AUC", "thresholds", threshold, 0, 1) for threshold in given)
            self.num_thresholds = len(inner) + 2
        self.multi_label: bool = _checks.boolean("AUC", "multi_label", multi_label)
        self.from_logits: bool = _checks.boolean("AUC", "from_logits", from_logits)
        if num_labels is not None and not self.multi_label:
            raise ValueError("AUC: num_labels is for multi_label=True")
        self.num_labels = None if num_labels is None else _checks.positive_integer("AUC", "num_labels", num_labels)
        if label_weights is not None:
            label_weights = [_checks.real_number("AUC", "label_weights", w, 0)
                             for w in _checks.sequence("AUC", "label_weights", label_weights)]  # fmt: skip
        self.label_weights = label_weights
        self.by_class: bool = self.multi_label or label_weights is not None
        super().__init__([-EPSILON, *inner, 1 + EPSILON], name=name, dtype=dtype)
        self._within_unit |= self.num_thresholds == 2 and thresholds is None

    def check_output(self, shape: Shape) -> None:
        if self.multi_label and len(shape) != 1:
            raise ValueError(f"AUC with multi_label=True needs outputs of shape (labels,); got {shape}")
        for name in ("num_labels", "label_weights"):
            given = getattr(self, name)
            if given is not None and shape[-1] != (given if name == "num_labels" else len(given)):
                raise ValueError(f"AUC: {name}={given} is not for the {shape[-1]} labels of outputs of shape {shape}")

    def emit(self, builder: Builder, target: Any, prediction: Any, weight: Any, total: Total,
             samples: Samples | None = None) -> None:  # fmt: skip
        if self.from_logits:
            logits = prediction
            prediction = builder.value(logits.shape, False)
            builder.forward("sigmoid_forward", x=logits.buffer, y=prediction.buffer, features=logits.width,
                            x_stride=logits.stride, y_stride=prediction.stride)  # fmt: skip
        super().emit(builder, target, prediction, weight, total, samples)

    def _add(self, target: Any, y_pred: Array, weight: Any, state: Array) -> None:
        from nncore import activations

        super()._add(target, activations.sigmoid(y_pred) if self.from_logits else y_pred, weight, state)

    def value(self, state: Array, rows: int) -> Any:
        counts = self._counts(state)
        if self.by_class and not self.multi_label:
            counts = [x @ self._weights(x.shape[1]) for x in counts]
        areas = self._areas(*counts).sum(axis=0)
        if not self.multi_label:
            return float(areas)
        weights = self._weights(len(areas))
        return float(ratio((areas * weights).sum(), weights.sum()))

    def _weights(self, count: int) -> Any:
        given = np.ones(count) if self.label_weights is None else np.array(self.label_weights)
        return np.broadcast_to(given, count) if len(given) == count else np.ones(count)

    def _areas(self, tp: Array, fp: Array, tn: Array, fn: Array) -> Any:
        """The areas between neighbouring thresholds."""
        recall, precision = ratio(tp, tp + fn), ratio(tp, tp + fp)
        if self.curve == "PR" and self.summation_method == "interpolation":
            return _interpolated_areas(tp, fp, fn)
        if self.curve == "ROC":
            x, y = ratio(fp, fp + tn), recall
        elif self.curve == "PR":
            x, y = recall, precision
        else:
            odds = ratio(tp + fn, tn + fp)
            x = np.where(tp == 0, 0.0, np.maximum(1 - odds * ratio(fn, tp), 0))
            y = np.where(tp == 0, 1.0, 1 - odds * ratio(fp, tp))
        heights = {"interpolation": (y[:-1] + y[1:]) / 2, "minoring": np.minimum(y[:-1], y[1:]),
                   "majoring": np.maximum(y[:-1], y[1:])}  # fmt: skip
        return (x[:-1] - x[1:]) * heights[self.summation_method]

    def get_config(self) -> Config:
        config = {name: getattr(self, name) for name in (
            "num_thresholds", "curve", "summation_method", "multi_label", "num_labels", "label_weights", "from_logits"
        )}  # fmt: skip
        if self.init_thresholds is not None:
            config["thresholds"] = [float(threshold) for threshold in self.thresholds[1:-1]]
        return {**config, **super().get_config()}


def _interpolated_areas(tp: Array, fp: Array, fn: Array) -> Array:
    """Areas under precision over recall, where true positives T are linear in all positives P between thresholds.

    With slope s = dT / dP and T = s P + c the precision is s + c / P, and its integral over recall T / (T + F), F false
    negatives, is s (dT + c log(P_1 / P_0)) / (T + F).
    """
    positives = tp + fp
    more, fewer = positives[:-1], positives[1:]
    difference = tp[:-1] - tp[1:]
    slope = ratio(difference, np.maximum(more - fewer, 0))
    intercept = tp[1:] - slope * fewer
    quotient = np.divide(more, fewer, out=np.ones_like(more), where=(more > 0) & (fewer > 0))
    return ratio(slope * (difference + intercept * np.log(quotient)), tp[1:] + fn[1:])


def _choice(name: str, value: str, choices: Iterable[str], spelling: Callable[[str], str]) -> str:
    if isinstance(value, str) and spelling(value) in choices:
        return spelling(value)
    raise ValueError(f"AUC: {name} must be one of {', '.join(map(repr, choices))}; got {value!r}")

"""Classes, and the targets and outputs of a network that stand for them."""

from numbers import Real

import numpy as np
from sklearn.preprocessing import LabelEncoder
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from nncore.interop.sklearn._rows import is_sparse


class Labels:
    """The classes of a classifier.

    `kind` is "binary" (one output, the probability of the second class), "multiclass" (one for each class) or
    "multilabel" (one for each label, of which a row may have any).

    Parameters
    ----------
    y : array-like or sparse matrix
        Targets that have all classes, unless `classes` says them.
    classes : array-like, optional
    """

    def __init__(self, y, classes=None):
        kind = type_of_target(y, input_name="y")
        if kind == "multilabel-indicator":
            self.kind, self.encoder = "multilabel", None
            self.classes = np.arange(y.shape[1] if hasattr(y, "shape") else len(y[0]))
            if classes is not None and len(np.unique(classes)) != len(self.classes):
                raise ValueError(f"y has {len(self.classes)} labels; classes names {len(np.unique(classes))}")
            return
        if kind.endswith("multioutput"):
            raise ValueError("Multioutput target data is not supported: y must be one label for each row, or an "
                             "indicator matrix of 0 and 1")  # fmt: skip
        check_classification_targets(y)
        self.encoder = LabelEncoder().fit(column_or_1d(y if classes is None else classes))
        self.classes = self.encoder.classes_
        self.kind = "binary" if len(self.classes) <= 2 else "multiclass"

    @property
    def outputs(self):
        """How many outputs a network for them has."""
        return 1 if self.kind == "binary" else len(self.classes)

    def encode(self, y):
        """Numbers of classes (rows,), or uint8 (rows, labels)."""
        if self.kind != "multilabel":
            numbers = self.encoder.transform(column_or_1d(y))
            return numbers.astype(np.uint8) if self.kind == "binary" else numbers
        y = y.toarray() if is_sparse(y) else np.asarray(y)
        if y.ndim != 2 or y.shape[1] != len(self.classes) or not np.isin(y, (0, 1)).all():
            raise ValueError(f"y must be an indicator matrix of {len(self.classes)} labels, 0 or 1; got an array of "
                             f"shape {y.shape}")  # fmt: skip
        return y.astype(np.uint8)

    def numbers(self, outputs):
        """What `encode` would have given, of a network's outputs."""
        if self.kind == "multiclass":
            return outputs.argmax(axis=1)
        chosen = outputs > 0.5
        return chosen if self.kind == "multilabel" else chosen[:, 0] & (len(self.classes) > 1)

    def decode(self, outputs):
        """The labels that a network's outputs stand for."""
        numbers = self.numbers(outputs).astype(np.intp)
        return numbers if self.kind == "multilabel" else self.classes[numbers]

    def probabilities(self, outputs):
        """(rows, classes) of a network's outputs."""
        if self.kind != "binary":
            return outputs
        if len(self.classes) == 1:
            return np.ones_like(outputs)
        return np.concatenate([1 - outputs, outputs], axis=1)


def same_classes(first, second):
    """Whether two arrays hold the same classes."""
    first, second = np.unique(first), np.unique(second)
    return first.shape == second.shape and bool((first == second).all())


def column(y):
    """Targets, those of one column as one axis, with scikit-learn's warning."""
    return column_or_1d(y, warn=True) if getattr(y, "ndim", 1) == 2 and y.shape[1] == 1 and not is_sparse(y) else y


def with_class_weights(estimator, y, weights, incremental):
    """The weights of rows, or None, times those of the estimator's class_weight; "balanced" counts rows by weights."""
    given, classes = estimator.class_weight, estimator.classes_.tolist()
    if given is None:
        return weights
    if isinstance(given, str) and (given != "balanced" or incremental):
        raise ValueError("class_weight must be a dict, or 'balanced' in fit, which has all rows (partial_fit has not); "
                         f"got {given!r}")  # fmt: skip
    numbers = estimator._labels.encode(y)
    several = numbers.ndim > 1
    columns = numbers.T if several else [numbers]
    wanted = (str, list) if several else (str, dict)
    if not isinstance(given, wanted) or (isinstance(given, list) and len(given) != len(columns)):
        raise ValueError("class_weight must be 'balanced', a dict from class to weight, or for several labels a list "
                         f"of a dict for each, {{0: weight, 1: weight}}; got {given!r}")  # fmt: skip
    result = np.ones(len(numbers)) if weights is None else weights.copy()
    for place, column in enumerate(columns):
        if isinstance(given, str):
            rows = np.bincount(column, weights)
            factors = np.divide(rows.sum() / np.count_nonzero(rows), rows, out=np.zeros(len(rows)), where=rows > 0)
        else:
            names, by_class = ([0, 1], given[place]) if several else (classes, given)
            factors = _table(by_class, names)
        result *= factors[column]
    return result


def _table(by_class, names):
    """The weights of classes in order; 1 for those that are not named."""
    if not isinstance(by_class, dict):
        raise TypeError(f"class_weight must have a dict from class to weight; got {by_class!r}")
    for name, weight in by_class.items():
        if name not in names:
            raise ValueError(f"class_weight names {name!r}, which is none of the classes {names}")
        if not (isinstance(weight, Real) and 0 <= weight < np.inf):
            raise ValueError(f"class_weight of class {name!r} must be finite and not negative; got {weight!r}")
    return np.array([by_class.get(name, 1.0) for name in names], np.float64)

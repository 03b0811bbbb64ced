"""partial_fit with one row: what has been checked once is not checked again."""

import math

import numpy as np

from nncore.interop.sklearn import _checks

SOURCES = frozenset(np.dtype(t) for t in ("f4", "f8", "u1", "i4", "i8"))


def possible(estimator):
    """Whether one row after the other may go without the checks of everything, and with the same result."""
    return not (
        estimator.verbose
        or hasattr(estimator, "feature_names_in_")  # arrays without names are warned of
        or (estimator.solver == "sgd" and estimator.learning_rate != "constant")
        or getattr(estimator, "class_weight", None) is not None
        or _checks.callbacks(estimator)
    )


class OneRow:
    """Trains a network on a row of the form that it knows; returns False, and does nothing, for any other.

    Parameters
    ----------
    estimator : Multilayer, without pending changes of its parameters
    by_label : dict from a class to its target, (1,) or (1, outputs); None for regression
    """

    def __init__(self, estimator, by_label):
        self.state = estimator.__dict__
        self.model = estimator.model_
        self.linked = estimator._linked
        self.shape = (1, estimator.n_features_in_)
        self.target_shapes = ((1, estimator.n_outputs_), *([(1,)] if estimator.n_outputs_ == 1 else []))
        self.by_label = by_label
        self.classes = None
        self.tol = estimator.tol
        self.n_jobs = estimator.n_jobs

    def __call__(self, X, y, classes):  # noqa: N803
        if classes is not None and classes is not self.classes:
            return False
        if type(X) is not np.ndarray or X.shape != self.shape or X.dtype not in SOURCES:
            return False
        if not math.isfinite(np.vdot(X, X)):  # an infinity, a NaN, or numbers that are checked elsewhere
            return False
        state = self.state
        if state["coefs_"] is not self.linked[0] or state["intercepts_"] is not self.linked[1]:
            return False
        if self.by_label is None:
            if type(y) is not np.ndarray or y.dtype not in SOURCES or y.shape not in self.target_shapes:
                return False
            if not math.isfinite(np.vdot(y, y)):
                return False
            target = y
        else:
            if type(y) not in (np.ndarray, list) or len(y) != 1:
                return False
            try:
                target = self.by_label.get(y[0])
            except TypeError:  # what is no label
                return False
            if target is None:
                return False
        loss = self.model.train_on_batch(X, target)
        state["n_iter_"] = 1
        state["t_"] += 1
        state["loss_"] = loss
        state["loss_curve_"].append(loss)
        best = state["best_loss_"]
        state["_no_improvement_count"] = state["_no_improvement_count"] + 1 if loss > best - self.tol else 0
        if loss < best:
            state["best_loss_"] = loss
        return True

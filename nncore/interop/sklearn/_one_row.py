"""partial_fit with one row: what has been checked once is not checked again."""

import numpy as np

from nncore.interop.sklearn import _checks


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

    An estimator forgets its own when a parameter or anything else of it is set.

    Parameters
    ----------
    estimator : Multilayer
    by_label : dict from a class to its target, an array of one row; None for regression
    excess : float
        What part of the first metric the loss has too much of, where there is one.
    """

    def __init__(self, estimator, by_label=None, excess=0.0):
        self.state = estimator.__dict__
        self.calls = estimator.model_._calls
        self.optimizer = estimator.model_.optimizer
        self.coefs, self.intercepts = estimator._linked
        self.by_label, self.excess = by_label, excess
        self.classes = None
        self.tol = estimator.tol
        self.note_loss = estimator.loss_curve_.append

    def __call__(self, X, y, classes):  # noqa: N803
        state, call = self.state, self.calls.get("train")
        if call is None or (classes is not None and classes is not self.classes):
            return False
        if state["coefs_"] is not self.coefs or state["intercepts_"] is not self.intercepts:
            return False
        if self.by_label is not None:
            if type(y) is np.ndarray and y.shape == (1,):
                y = y.item()
            elif type(y) is list and len(y) == 1:
                y = y[0]
            else:
                return False
            try:
                y = self.by_label.get(y)
            except TypeError:  # what is no label
                return False
        elif type(y) is not np.ndarray or len(y) != 1:
            return False
        loss = call.learn(X, y, self.optimizer._learning_rate, True)
        if loss is None:
            return False
        if self.excess:
            loss = loss[0] - self.excess * loss[1]
        state["n_iter_"] = 1
        state["t_"] += 1
        state["loss_"] = loss
        self.note_loss(loss)
        best = state["best_loss_"]
        state["_no_improvement_count"] = state["_no_improvement_count"] + 1 if loss > best - self.tol else 0
        if loss < best:
            state["best_loss_"] = loss
        return True

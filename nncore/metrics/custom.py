"""Metrics of the user's in Python: subclasses of Metric with `update_state` and `result`, and functions."""

import numpy as np

from nncore import _custom_objects
from nncore.metrics.metric import Metric


class FunctionMetric(Metric):
    """The mean over samples of a function f(y_true, y_pred), weighted where rows have weights.

    Parameters
    ----------
    function
        Returns the value of each sample: an array (rows,) or (rows, ...). Of a loss, which returns a tuple of values
        and gradient, the values count.
    """

    def __init__(self, function, name=None):
        super().__init__(name=name or function.__name__)
        self.function = function
        self._sums = self.add_weight(shape=(2,), name="sums")

    def update_state(self, y_true, y_pred, sample_weight=None):
        values = self.function(y_true, y_pred)
        values = np.asarray(values[0] if isinstance(values, tuple) else values, np.float64)
        if values.ndim == 0 or len(values) != len(y_pred):
            raise ValueError(
                f"metric {self.name!r} must return a value for each sample, an array ({len(y_pred)},) or "
                f"({len(y_pred)}, ...); it returned shape {values.shape}"
            )
        values = values.reshape(len(values), -1)
        weights = np.ones(len(values)) if sample_weight is None else np.broadcast_to(sample_weight, len(values))
        self._sums += (values.mean(axis=1) * weights).sum(), weights.sum()

    def result(self):
        total, count = self._sums
        return total / count if count else 0.0

    def get_config(self):
        return {"function": _custom_objects.name_in_files(self.function), **super().get_config()}


def emit(metric, builder, target, prediction, weight):
    """Adds the step of a metric in Python: `update_state` for all rows of the minibatch."""
    buffers = [(target, metric.judge.target_shape(prediction.shape)), (prediction.buffer, prediction.shape)]
    if metric.weighted and weight is not None:
        buffers.append((weight, ()))

    def step(*arrays):
        metric.update_state(*(array.copy() for array in arrays))  # as it may keep them

    builder.forward_python(step, buffers)

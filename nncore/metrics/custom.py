"""Metrics of the user's in Python: subclasses of Metric with `update_state` and `result`, and functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _custom_objects
from nncore.metrics.metric import Metric

if TYPE_CHECKING:
    from collections.abc import Callable

    from nncore._plan import Builder
    from nncore._typing import Config, Data


class FunctionMetric(Metric):
    """The mean over samples of a function f(y_true, y_pred), weighted where rows have weights.

    Parameters
    ----------
    function
        Returns the value of each sample: an array (rows,) or (rows, ...). Of a loss, which returns a tuple of values
        and gradient, the values count.
    """

    def __init__(self, function: Callable[..., Any], name: str | None = None) -> None:
        super().__init__(name=name or function.__name__)
        self.function = function
        self._sums = self.add_weight(shape=(2,), name="sums")

    def update_state(self, y_true: Data, y_pred: Data, sample_weight: Data | float | None = None) -> None:
        values = self.function(y_true, y_pred)
        values = np.asarray(values[0] if isinstance(values, tuple) else values, np.float64)
        if values.ndim == 0 or len(values) != len(y_pred):  # type: ignore[arg-type]
            raise ValueError(
                f"metric {self.name!r} must return a value for each sample, an array ({len(y_pred)},) or "  # type: ignore[arg-type]
                f"({len(y_pred)}, ...); it returned shape {values.shape}"  # type: ignore[arg-type]
            )
        values = values.reshape(len(values), -1)
        weights = np.ones(len(values)) if sample_weight is None else np.broadcast_to(sample_weight, len(values))  # type: ignore[arg-type]
        self._sums += (values.mean(axis=1) * weights).sum(), weights.sum()

    def result(self) -> Any:
        total, count = self._sums  # type: ignore[attr-defined]
        return total / count if count else 0.0

    def get_config(self) -> Config:
        return {"function": _custom_objects.name_in_files(self.function), **super().get_config()}


def emit(metric: Metric, builder: Builder, target: Any, prediction: Any, weight: Any) -> None:
    """Adds the step of a metric in Python: `update_state` for all rows of the minibatch."""
    buffers = [(target, metric.judge.target_shape(prediction.shape)), (prediction.buffer, prediction.shape)]
    if metric.weighted and weight is not None:
        buffers.append((weight, ()))

    def step(*arrays: Any) -> None:
        metric.update_state(*(array.copy() for array in arrays))  # as it may keep them

    builder.forward_python(step, buffers)

"""Means and sums of values that are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nncore.metrics.metric import Metric

if TYPE_CHECKING:
    from nncore._typing import Data, Shape

__all__ = ["Mean", "Sum"]


class _Reduction(Metric):
    """Adds up values (rows, ...), with weights of shape () or (rows, ...) that broadcast to them."""

    _reduce: Any  # a function of subclasses

    def __init__(self, name: str | None = None, dtype: None = None) -> None:
        super().__init__(dtype, name)
        self.reset_state()

    def check_output(self, shape: Shape) -> Any:
        raise ValueError(f"{type(self).__name__} is of values, not of targets and predictions: it cannot be compiled")

    def reset_state(self) -> None:
        self._state, self._rows = np.zeros(2), 0

    def update_state(self, values: Any, sample_weight: Data | float | None = None) -> None:  # type: ignore[override]
        """Adds values."""
        from nncore import _data

        values = _data.as_array(values, "values").astype(np.float64, order="C")  # in one order of sums
        count = float(len(values)) if values.ndim else 1.0
        if sample_weight is not None:
            weight = _data.as_array(sample_weight, "sample_weight").astype(np.float64, order="C")
            weight = weight[..., 0] if weight.ndim == values.ndim + 1 and weight.shape[-1] == 1 else weight
            if values.ndim > weight.ndim:
                values = self._reduce(values, tuple(range(weight.ndim, values.ndim)))
            try:
                weight = np.broadcast_to(weight, values.shape)
            except ValueError:
                raise ValueError(
                    f"{type(self).__name__}: sample_weight of shape {np.shape(sample_weight)} does not broadcast to "  # type: ignore[arg-type]
                    f"values of shape {values.shape}"
                ) from None
            values = values * weight
            count = float(self._reduce(weight, tuple(range(1, weight.ndim))).sum())
        self._state += float(self._reduce(values, tuple(range(1, values.ndim))).sum()), count

    def __call__(self, values: Data | float, sample_weight: Data | float | None = None) -> float:  # type: ignore[override]
        """Adds values and returns the result so far."""
        self.update_state(values, sample_weight)
        return self.result()


class Sum(_Reduction):
    """The sum of weight times value over all values.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.Sum()([1, 3, 5, 7])
    16.0
    """

    default_name = "sum"

    @staticmethod
    def _reduce(values: Any, axes: Any) -> Any:
        return values.sum(axis=axes)

    def result(self) -> float:
        """Returns the sum."""
        return float(self._state[0])


class Mean(_Reduction):
    """The mean of values: sum of weight times value / sum of weight; 0 where that is 0.

    Axes behind the first, or behind those of sample_weight, are averaged first.

    Examples
    --------
    >>> import nncore as nn
    >>> nn.metrics.Mean()([1, 3, 5, 7], sample_weight=[1, 1, 0, 0])
    2.0
    """

    default_name = "mean"

    @staticmethod
    def _reduce(values: Any, axes: Any) -> Any:
        return values.mean(axis=axes)

    def result(self) -> float:
        """Returns the mean."""
        return float(self._state[0] / self._state[1]) if self._state[1] else 0.0

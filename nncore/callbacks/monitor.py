"""What callbacks share that watch one value of the logs."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore.callbacks.callback import Callback

if TYPE_CHECKING:
    from nncore._typing import Logs, Mode

# Of Keras's metrics, by class: what is better. Those of neither kind, counts and sums, need a mode.
_MORE_IS_BETTER = frozenset((
    "AUC", "Accuracy", "BinaryAccuracy", "BinaryIoU", "CategoricalAccuracy", "ConcordanceCorrelation",
    "CosineSimilarity", "F1Score", "FBetaScore", "IoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU", "PearsonCorrelation",
    "Precision", "PrecisionAtRecall", "R2Score", "Recall", "RecallAtPrecision", "SensitivityAtSpecificity",
    "SparseCategoricalAccuracy", "SparseTopKCategoricalAccuracy", "SpecificityAtSensitivity",
    "TopKCategoricalAccuracy",
))  # fmt: skip
_LESS_IS_BETTER = frozenset((
    "BinaryCrossentropy", "CategoricalCrossentropy", "CategoricalHinge", "Hinge", "KLDivergence", "LogCoshError",
    "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredError", "MeanSquaredLogarithmicError", "Poisson",
    "RootMeanSquaredError", "SparseCategoricalCrossentropy", "SquaredHinge",
))  # fmt: skip
_MODES = ("auto", "min", "max")


def _direction(metric: object) -> str | None:
    """"max" or "min" by the class of a metric, or the nearest base that says; None where none does."""
    for base in type(metric).__mro__:
        if base.__name__ in _MORE_IS_BETTER:
            return "max"
        if base.__name__ in _LESS_IS_BETTER:
            return "min"
    return None


class Monitor(Callback):
    """Base of the callbacks that watch one value of the logs, by name.

    Parameters
    ----------
    monitor : str
        A name in the logs of an epoch: "loss", "val_loss", "accuracy", ...
    mode : "auto", "min" or "max"
        Whether less or more is better. "auto": less of a loss; of a metric, as its class says.
    min_delta : float
        A change of no more than this is no improvement.

    Raises
    ------
    ValueError
        For another mode; when training begins, where "auto" cannot know.
    """

    def __init__(self, monitor: str, mode: Mode, min_delta: float = 0) -> None:
        owner = type(self).__name__
        if not _checks.is_word(mode, _MODES):
            raise ValueError(f"{owner}: mode must be 'auto', 'min' or 'max', not {mode!r}")
        self.monitor = monitor
        self.mode = mode
        self.min_delta: float = abs(_checks.real_number(owner, "min_delta", min_delta))
        self.best: float | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._sought = self._find_mode() if self.mode == "auto" else self.mode
        self._warned = False

    def _find_mode(self) -> str:
        name = self.monitor.removeprefix("val_")
        if name == "loss":
            return "min"
        metric = self.model.objective.metrics.get(name)
        if name.endswith("_loss") and name in self.model.metrics_names:
            return "min"
        if metric is not None and (found := _direction(metric)):
            return found
        raise ValueError(
            f"{type(self).__name__} cannot know whether {self.monitor!r} should become less or more: give it "
            "mode='min' or mode='max'"
        )

    def value_in(self, logs: Logs | None) -> Any:
        """The watched value; None, and one warning in a training, where the logs have none."""
        value = (logs or {}).get(self.monitor)
        if value is None and not self._warned:
            self._warned = True
            warnings.warn(
                f"{type(self).__name__} watches {self.monitor!r}, which is not in the logs; there are: "
                f"{', '.join(logs or {})}",
                stacklevel=2,
            )
        return value

    def set_state(self, state: dict[str, Any]) -> None:
        if not isinstance(state.get("best"), (int, float, type(None))):
            raise TypeError(f"{type(self).__name__}: best must be a number or None, not {state['best']!r}")
        for name in self.carried:
            if name in state and type(getattr(self, name, None)) is int:
                _checks.any_integer(type(self).__name__, name, state[name])
        super().set_state(state)

    def improves(self, value: float, reference: float | None) -> bool:
        """Whether `value` is better than `reference` by more than `min_delta`; anything is better than None."""
        if reference is None:
            return True
        if self._sought == "max":
            return value - self.min_delta > reference
        return value + self.min_delta < reference

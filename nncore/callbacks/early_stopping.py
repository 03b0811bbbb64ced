"""An end to training that has stopped to improve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from nncore import _checks
from nncore.callbacks.monitor import Monitor
from nncore.layers.layer import checked_arrays

if TYPE_CHECKING:
    from nncore._typing import Array, Logs, Mode


class EarlyStopping(Monitor):
    """Ends training when a value has not improved for some epochs.

    Parameters
    ----------
    monitor : str
        The value's name in the logs of an epoch. One that is not there is warned of once, and training goes on.
    min_delta : float
        A change of no more than this is no improvement.
    patience : int
        So many epochs in a row without improvement end training.
    verbose : 0 or 1
        1 prints what is done.
    mode : "auto", "min" or "max"
        Whether less or more is better. "auto": less of a loss; of a metric, as its class says.
    baseline : float, optional
        Epochs that are not better than this count as without improvement too.
    restore_best_weights : bool
        Training ends with the weights of its best epoch, also where it was not ended early.
    start_from_epoch : int
        Epochs before this one are not looked at.

    Raises
    ------
    ValueError, TypeError
        For bad arguments; when training begins, where "auto" cannot know what is better.
    """

    wait: int
    stopped_epoch: int
    best_epoch: int
    best: float | None
    best_weights: list[Array] | None
    carried: tuple[str, ...] = ("wait", "stopped_epoch", "best_epoch", "best", "best_weights")

    def __init__(self, monitor: str = "val_loss", min_delta: float = 0, patience: int = 0,
                 verbose: Literal[0, 1] | bool = 0, mode: Mode = "auto", baseline: float | None = None,
                 restore_best_weights: bool = False, start_from_epoch: int = 0) -> None:  # fmt: skip
        super().__init__(monitor, mode, min_delta)
        owner = type(self).__name__
        self.patience: int = _checks.integer(owner, "patience", patience)
        self.verbose = verbose
        self.baseline: float | None = None if baseline is None else _checks.real_number(owner, "baseline", baseline)
        self.restore_best_weights: bool = _checks.boolean(owner, "restore_best_weights", restore_best_weights)
        self.start_from_epoch: int = _checks.integer(owner, "start_from_epoch", start_from_epoch)
        self._reset()

    def _reset(self) -> None:
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = self.best_weights = None

    def set_state(self, state: dict[str, Any]) -> None:
        if state.get("best_weights") is not None:
            checked_arrays(self.model.weight_list(), state["best_weights"], f"{type(self).__name__}: the model")
        super().set_state(state)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin(logs)
        self._reset()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = self.value_in(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.improves(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.improves(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped_epoch and self.verbose:
            print(f"EarlyStopping: training ends after epoch {self.stopped_epoch + 1}")
        if self.best_weights is not None:
            if self.verbose:
                print(f"EarlyStopping: the weights are those of the best epoch, {self.best_epoch + 1}")
            self.model.set_weights(self.best_weights)

"""The learning rate, epoch by epoch."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Literal

from nncore import _checks
from nncore.callbacks.callback import Callback
from nncore.callbacks.monitor import Monitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from nncore._typing import Logs, Mode


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of each epoch, and adds it to the logs as "learning_rate".

    Parameters
    ----------
    schedule : function(epoch, learning_rate), or function(epoch)
        Returns the learning rate for the epoch, which are counted from 0.
    verbose : 0 or 1
        1 prints what is done.

    Raises
    ------
    TypeError, ValueError
        For a schedule that cannot be called so, and for what it returns if that is no learning rate.
    """

    def __init__(self, schedule: Callable[[int], float] | Callable[[int, float], float],
                 verbose: Literal[0, 1] | bool = 0) -> None:  # fmt: skip
        if not callable(schedule):
            raise TypeError(f"LearningRateScheduler: schedule must be a function, not {schedule!r}")
        self.schedule: Callable[..., float] = schedule
        self.verbose = verbose
        self._takes_rate = _takes_two(schedule)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.optimizer
        rate = self.schedule(epoch, float(optimizer.learning_rate)) if self._takes_rate else self.schedule(epoch)
        rate = _checks.real_number("LearningRateScheduler", "what schedule returns", rate, 0)
        optimizer.learning_rate = rate
        if self.verbose:
            print(f"LearningRateScheduler: epoch {epoch + 1}: the learning rate is {rate:.5g}")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


def _takes_two(function: Callable[..., Any]) -> bool:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # some functions written in C do not tell
        return True
    for count in (2, 1):
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        return count == 2
    raise TypeError(f"LearningRateScheduler: schedule takes {signature}, not (epoch, learning_rate) or (epoch)")


class ReduceLROnPlateau(Monitor):
    """Reduces the learning rate when a value has not improved for some epochs; adds "learning_rate" to the logs.

    α ← max(factor · α, min_lr)

    Parameters
    ----------
    monitor : str
        The value's name in the logs of an epoch. One that is not there is warned of once, and nothing is reduced.
    factor : float in [0, 1)
    patience : int
        So many epochs in a row without improvement reduce the learning rate.
    verbose : 0 or 1
        1 prints what is done.
    mode : "auto", "min" or "max"
        Whether less or more is better. "auto": less of a loss; of a metric, as its class says.
    min_delta : float
        A change of no more than this is no improvement.
    cooldown : int
        So many epochs after a reduction are not counted.
    min_lr : float
        The least learning rate.

    Raises
    ------
    ValueError, TypeError
        For bad arguments; when training begins, where "auto" cannot know what is better.
    """

    cooldown_counter: int
    wait: int
    carried: tuple[str, ...] = ("best", "wait", "cooldown_counter")

    def __init__(self, monitor: str = "val_loss", factor: float = 0.1, patience: int = 10,
                 verbose: Literal[0, 1] | bool = 0, mode: Mode = "auto", min_delta: float = 1e-4, cooldown: int = 0,
                 min_lr: float = 0.0) -> None:  # fmt: skip
        super().__init__(monitor, mode, min_delta)
        owner = type(self).__name__
        self.factor: float = _checks.real_number(owner, "factor", factor, 0, 1, high_open=True)
        self.patience: int = _checks.integer(owner, "patience", patience)
        self.verbose = verbose
        self.cooldown: int = _checks.integer(owner, "cooldown", cooldown)
        self.min_lr: float = _checks.real_number(owner, "min_lr", min_lr, 0)
        self.cooldown_counter = self.wait = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin(logs)
        self.best = None
        self.cooldown_counter = self.wait = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = {} if logs is None else logs
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        value = self.value_in(logs)
        if value is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
        if self.improves(value, self.best):
            self.best = value
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience and logs["learning_rate"] > self.min_lr:
                self._reduce(epoch, logs["learning_rate"])

    def _reduce(self, epoch: int, rate: float) -> None:
        rate = max(rate * self.factor, self.min_lr)
        self.model.optimizer.learning_rate = rate
        self.cooldown_counter = self.cooldown
        self.wait = 0
        if self.verbose:
            print(f"ReduceLROnPlateau: epoch {epoch + 1}: the learning rate is {rate:.5g}")

    def in_cooldown(self) -> bool:
        """Whether epochs are not counted, as the learning rate has just been reduced."""
        return self.cooldown_counter > 0

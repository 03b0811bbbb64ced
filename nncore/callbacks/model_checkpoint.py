"""Files of the model while it trains."""

from __future__ import annotations

import os
import string
from typing import TYPE_CHECKING, Any, Literal

from nncore import _checks
from nncore.callbacks.callback import needed_where
from nncore.callbacks.frequency import Frequency
from nncore.callbacks.monitor import Monitor

if TYPE_CHECKING:
    from nncore._typing import Logs, Mode, PathLikeStr


class ModelCheckpoint(Monitor):
    """Saves the model at the end of each epoch, or after each so many minibatches.

    The files are those of `model.save` and `model.save_weights`: safetensors, whatever the name ends in, each written
    as a whole. So names of Keras's endings work here, and Keras cannot read these files; ``.safetensors`` says what
    they are.

    Parameters
    ----------
    filepath : path
        Of the file. ``{epoch}``, counted from 1, ``{batch}``, counted from 1, where saving is by minibatches, and the
        names in the logs are filled in, with formats such as ``{epoch:02d}`` and ``{val_loss:.2f}``. Folders are made
        where they do not exist.
    monitor : str
        The value's name in the logs. With `save_best_only`, where it is not there, a warning says so once and the model
        is saved.
    verbose : 0 or 1
        1 prints what is done.
    save_best_only : bool
        Saves only a model that is better than the best before.
    save_weights_only : bool
        Files of `model.save_weights`, without architecture and optimizer.
    mode : "auto", "min" or "max"
        Whether less or more is better. "auto": less of a loss; of a metric, as its class says.
    save_freq : "epoch" or int
        After each epoch, or after so many minibatches, which are counted across epochs.
    initial_value_threshold : float, optional
        With `save_best_only`: a model that is not better than this is not saved.

    Raises
    ------
    ValueError, TypeError
        For bad arguments; when training begins, where "auto" cannot know what is better.
    KeyError
        Where `filepath` names what is not in the logs.
    """

    best: float | None

    def __init__(self, filepath: PathLikeStr, monitor: str = "val_loss", verbose: Literal[0, 1] | bool = 0,
                 save_best_only: bool = False, save_weights_only: bool = False, mode: Mode = "auto",
                 save_freq: Literal["epoch"] | int = "epoch",
                 initial_value_threshold: float | None = None) -> None:  # fmt: skip
        super().__init__(monitor, mode)
        owner = type(self).__name__
        self.filepath: str = os.fspath(filepath)
        _check_template(owner, self.filepath)
        self.verbose = verbose
        self.save_best_only: bool = _checks.boolean(owner, "save_best_only", save_best_only)
        self.save_weights_only: bool = _checks.boolean(owner, "save_weights_only", save_weights_only)
        self.save_freq = save_freq
        self._frequency = Frequency(owner, "save_freq", save_freq)
        if initial_value_threshold is not None:
            self.best = _checks.real_number(owner, "initial_value_threshold", initial_value_threshold)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if self.save_best_only:
            super().on_train_begin(logs)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self._frequency.by_epoch:
            self._save({"epoch": epoch + 1}, logs or {})

    @needed_where(lambda callback: not callback._frequency.by_epoch)
    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if not self._frequency.by_epoch and self._frequency.now():
            self._save({"epoch": self._epoch + 1, "batch": batch + 1}, logs or {})

    def _save(self, numbers: dict[str, int], logs: Any) -> None:
        if self.save_best_only and not self._is_best(logs):
            return
        path = self._path({**numbers, **logs})
        if folder := os.path.dirname(path):
            os.makedirs(folder, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        self._say(f"saved {path}")

    def _is_best(self, logs: Logs | None) -> bool:
        value = self.value_in(logs)
        if value is None:
            return True
        if not self.improves(value, self.best):
            self._say(f"{self.monitor} is {value:.5g}, no better than {self.best:.5g}")
            return False
        before = "" if self.best is None else f", after {self.best:.5g}"
        self._say(f"{self.monitor} is {value:.5g}{before}")
        self.best = value
        return True

    def _say(self, text: str) -> None:
        if self.verbose:
            print(f"ModelCheckpoint: epoch {self._epoch + 1}: {text}")

    def _path(self, values: Any) -> str:
        try:
            return self.filepath.format(**values)
        except KeyError as error:
            raise KeyError(
                f"ModelCheckpoint: filepath {self.filepath!r} names {error}, which is not in the logs; there are: "
                f"{', '.join(values)}"
            ) from None


def _check_template(owner: str, template: str) -> None:
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise ValueError(f"{owner}: filepath {template!r} is no format: {error}") from None
    for name in fields:
        if not name.split(".")[0].split("[")[0].isidentifier():
            raise ValueError(f"{owner}: filepath {template!r} must name what it fills in, as {{epoch}} does")

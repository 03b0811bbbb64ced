"""Files of the model while it trains."""

from __future__ import annotations

import contextlib
import os
import re
import string
from typing import TYPE_CHECKING, Any, Literal

from nncore import _checks
from nncore.callbacks.callback import needed_where
from nncore.callbacks.frequency import Frequency
from nncore.callbacks.monitor import Monitor

if TYPE_CHECKING:
    from nncore._typing import Logs, Mode, PathLikeStr
    from nncore.models.resuming import Interrupted


class ModelCheckpoint(Monitor):
    """Saves the model at the end of each epoch, or after each so many minibatches.

    The files are those of `model.save` and `model.save_weights`: safetensors, whatever the name ends in, each written
    as a whole. So names of Keras's endings work here, and Keras cannot read these files; ``.safetensors`` says what
    they are. With `resume` they also hold what a training needs that goes on from them, as `BackupAndRestore` does,
    with the same bits; `load_model` reads them like any other.

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
    keep_last : int, optional
        Beyond Keras. Of the files that it has written it keeps so many, the last ones, and the best one where
        `monitor` is in the logs; the others are removed, each when a newer one is safely there. Other files are never
        touched. `filepath` must have something to fill in.
    resume : bool or path
        Beyond Keras. True: `fit` goes on from the newest file of `filepath`, in the middle of an epoch if it was
        written there, or begins where there is none; a training that was done or stopped by a callback is not gone on
        with. A path: from that file. Each file is written when all callbacks
        have done what they do at this moment.

    Raises
    ------
    ValueError, TypeError
        For bad arguments; when training begins, where "auto" cannot know what is better, and where files of `filepath`
        are there and none of them can be gone on with.
    KeyError
        Where `filepath` names what is not in the logs.
    FileNotFoundError
        When training begins, for a `resume` that is not there.
    """

    keep_last: int | None

    def __init__(self, filepath: PathLikeStr, monitor: str = "val_loss", verbose: Literal[0, 1] | bool = 0,
                 save_best_only: bool = False, save_weights_only: bool = False, mode: Mode = "auto",
                 save_freq: str | int = "epoch", initial_value_threshold: float | None = None, *,
                 keep_last: int | None = None, resume: bool = False) -> None:  # fmt: skip
        super().__init__(monitor, mode)
        owner = type(self).__name__
        self.filepath: str = _checks.path("ModelCheckpoint", "filepath", filepath)
        _check_template(owner, self.filepath)
        self.verbose = verbose
        self.save_best_only: bool = _checks.boolean(owner, "save_best_only", save_best_only)
        self.save_weights_only: bool = _checks.boolean(owner, "save_weights_only", save_weights_only)
        self.save_freq = save_freq
        self._frequency = Frequency(owner, "save_freq", save_freq)
        if initial_value_threshold is not None:
            self.best = _checks.real_number(owner, "initial_value_threshold", initial_value_threshold)
        self.keep_last = None if keep_last is None else _checks.positive_integer(owner, "keep_last", keep_last)
        if keep_last is not None and "*" not in _pattern(self.filepath):
            raise ValueError(f"{owner}: keep_last needs a filepath with something to fill in, such as {{epoch}}; got "
                             f"{self.filepath!r}")  # fmt: skip
        if not isinstance(resume, (bool, str, os.PathLike)):
            raise TypeError(f"{owner}: resume must be True, False or a path; got {resume!r}")
        self.resume = resume
        if resume and save_weights_only:
            raise ValueError(f"{owner}: resume needs whole models, and save_weights_only files of weights")
        self._written: dict[str, float | None] = {}  # with `keep_last`: value of `monitor` by path, the newest last

    def _interrupted(self) -> Interrupted | None:
        if not self.resume:
            return None
        import glob

        from nncore.models import resuming  # here, as models import the callbacks

        if self.resume is not True:
            return resuming.Interrupted(self.resume)
        return resuming.newest(filter(os.path.isfile, glob.glob(_pattern(self.filepath))))

    def get_state(self) -> dict[str, Any]:
        return {"best": self.best, "seen": self._frequency.seen, "written": self._written}

    def set_state(self, state: dict[str, Any]) -> None:
        ours = re.compile(_expression(os.path.abspath(self.filepath)))
        # None but files that this one can have written: those that are superfluous are removed.
        written = {path: value if value is None else float(value) for path, value in state["written"].items()
                   if ours.fullmatch(path) and os.path.abspath(path) == path}  # fmt: skip
        seen = _checks.integer(type(self).__name__, "seen", state["seen"])
        self.best, self._frequency.seen, self._written = state["best"], seen, written

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if self.save_best_only or self.keep_last:
            super().on_train_begin(logs)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self._frequency.by_epoch and not self.resume:
            self._save({"epoch": epoch + 1}, logs or {})

    def _settle_epoch(self, epoch: int, logs: Logs | None) -> None:
        if self._frequency.by_epoch and self.resume:
            self._save({"epoch": epoch + 1}, logs)

    @needed_where(lambda callback: not callback._frequency.by_epoch and not callback.resume)
    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if not self.resume:
            self._save_in_turn(batch, logs or {})

    @needed_where(lambda callback: not callback._frequency.by_epoch and callback.resume)
    def _settle_batch(self, batch: int, logs: Logs | None) -> None:
        if self.resume:
            self._save_in_turn(batch, logs)

    def _save_in_turn(self, batch: int, logs: Any) -> None:
        if not self._frequency.by_epoch and self._frequency.now():
            self._save({"epoch": self._epoch + 1, "batch": batch + 1}, logs)

    def _save(self, numbers: dict[str, int], logs: Any) -> None:
        if self.save_best_only and not self._is_best(logs):
            return
        path = self._path({**numbers, **logs})
        if folder := os.path.dirname(path):
            os.makedirs(folder, exist_ok=True)
        superfluous = self._note(path, logs) if self.keep_last else ()  # before it is written, as it tells of itself
        if self.save_weights_only:
            self.model.save_weights(path)
        elif self.resume:
            from nncore.models import resuming

            resuming.save(self.model, path)
        else:
            self.model.save(path)
        self._say(f"saved {path}")
        for old in superfluous:
            with contextlib.suppress(FileNotFoundError):
                os.remove(old)
            self._say(f"removed {old}")

    def _note(self, path: str, logs: Any) -> list[str]:
        """Notes a file that is about to be written; returns those that it makes superfluous."""
        value = logs.get(self.monitor)
        path = os.path.abspath(path)
        self._written.pop(path, None)
        self._written[path] = value if value is None else float(value)
        best = None
        for each, value in self._written.items():
            if value is not None and value == value and (best is None or self.improves(value, self._written[best])):
                best = each
        kept = {*list(self._written)[-(self.keep_last or 0) :], best}
        superfluous = [each for each in self._written if each not in kept]
        self._written = {each: value for each, value in self._written.items() if each in kept}
        return superfluous

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


def _pattern(template: str) -> str:
    """A pattern of `glob` for the paths that a template can give."""
    import glob

    parts = string.Formatter().parse(template)
    return "".join(glob.escape(text) + ("" if name is None else "*") for text, name, _, _ in parts)


def _expression(template: str) -> str:
    """A regular expression for the paths that a template can give; what is filled in names no folder."""
    parts = string.Formatter().parse(template)
    return "".join(re.escape(text) + ("" if name is None else r"[^/\\]*") for text, name, _, _ in parts)


def _check_template(owner: str, template: str) -> None:
    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise ValueError(f"{owner}: filepath {template!r} is no format: {error}") from None
    for name in fields:
        if not name.split(".")[0].split("[")[0].isidentifier():
            raise ValueError(f"{owner}: filepath {template!r} must name what it fills in, as {{epoch}} does")

"""Training that goes on after its process has ended."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Literal

from nncore import _checks
from nncore.callbacks.callback import Callback, needed_where
from nncore.callbacks.frequency import Frequency

if TYPE_CHECKING:
    from pathlib import Path

    from nncore._typing import Logs, PathLikeStr
    from nncore.models.resuming import Interrupted


class BackupAndRestore(Callback):
    """Keeps a backup of the training, from which the next `fit` goes on if this one is interrupted.

    A program that is killed, and started again with the same model, data and arguments, ends with the same bits in its
    weights, and the same `History`, as if it had not been killed. The backup holds weights, optimizer, learning rate
    and seed; where training is and, in the middle of an epoch, the sums behind its logs; and what callbacks have in
    `get_state`: what `EarlyStopping` and `ReduceLROnPlateau` wait for, what `History` has recorded. It is made when all
    callbacks have done what they do at this moment. Hooks of a training's or an epoch's beginning are called again, and
    what they change of weights and learning rate is undone where the backup is of a later moment.

    Iterables are begun anew, and what had been taken from them is passed over: of an iterator or generator all
    minibatches so far, of other iterables those of an epoch that was begun. They must give the same minibatches again.

    Parameters
    ----------
    backup_dir : path
        A folder for this training alone. Its file, latest.safetensors, is at any moment a whole one.
    save_freq : "epoch" or int
        After each epoch, or after so many minibatches.
    double_checkpoint : bool
        Keeps the backup before the last one too, for a last one that has been damaged.
    delete_checkpoint : bool
        Deletes the backups when training is done, and the folder if nothing else is in it.

    Raises
    ------
    ValueError, TypeError
        For bad arguments; when training begins, for a backup that is damaged or of another model.
    """

    def __init__(self, backup_dir: PathLikeStr, save_freq: Literal["epoch"] | int = "epoch",
                 double_checkpoint: bool = False, delete_checkpoint: bool = True) -> None:  # fmt: skip
        backup_dir = _checks.path("BackupAndRestore", "backup_dir", backup_dir)
        if not backup_dir:
            raise ValueError("BackupAndRestore: backup_dir must name a folder; it is empty")
        import pathlib  # which takes long, and few programs need

        self.backup_dir: Path = pathlib.Path(backup_dir)
        self.save_freq = save_freq
        self._frequency = Frequency("BackupAndRestore", "save_freq", save_freq)
        self.double_checkpoint: bool = _checks.boolean("BackupAndRestore", "double_checkpoint", double_checkpoint)
        self.delete_checkpoint: bool = _checks.boolean("BackupAndRestore", "delete_checkpoint", delete_checkpoint)
        self._latest = self.backup_dir / "latest.safetensors"
        self._previous = self.backup_dir / "previous.safetensors"

    def _interrupted(self) -> Interrupted | None:
        from nncore.models.resuming import Interrupted  # here, as models import the callbacks

        self._remove_unfinished()
        kept = [path for path in (self._latest, self._previous) if path.exists()]
        for path in kept:
            try:
                return Interrupted(path)
            except ValueError:
                if path == kept[-1]:
                    raise
        return None

    def get_state(self) -> dict[str, Any]:
        return {"seen": self._frequency.seen}

    def set_state(self, state: dict[str, Any]) -> None:
        self._frequency.seen = _checks.integer(type(self).__name__, "seen", state["seen"])

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._frequency.seen = 0

    def _settle_epoch(self, epoch: int, logs: Logs | None) -> None:
        if self._frequency.by_epoch:
            self._save()

    @needed_where(lambda callback: not callback._frequency.by_epoch)
    def _settle_batch(self, batch: int, logs: Logs | None) -> None:
        if not self._frequency.by_epoch and self._frequency.now():
            self._save()

    def _save(self) -> None:
        from nncore.models import resuming

        self.backup_dir.mkdir(parents=True, exist_ok=True)
        if self.double_checkpoint and self._latest.exists():
            os.replace(self._latest, self._previous)
        resuming.save(self.model, self._latest)

    def on_train_end(self, logs: Logs | None = None) -> None:
        if not self.delete_checkpoint:
            return
        self._remove_unfinished()
        self._latest.unlink(missing_ok=True)
        self._previous.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it is not there, or has files of others
            self.backup_dir.rmdir()

    def _remove_unfinished(self) -> None:
        """Removes what a process has left that was killed while it wrote a backup."""
        from nncore import _files  # which few programs need

        _files.remove_unfinished(self.backup_dir, f".{self._latest.name}.*.part")

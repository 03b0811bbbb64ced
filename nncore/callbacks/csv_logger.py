"""Epochs in a table."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _checks
from nncore.callbacks.callback import Callback

if TYPE_CHECKING:
    from nncore._typing import Logs, PathLikeStr


class CSVLogger(Callback):
    """Writes a row for each epoch into a file of comma-separated values, at the end of the epoch.

    The columns are "epoch" and the names in the first epoch's logs, sorted. Where there is no validation in it, columns
    val_... for all names follow, for later epochs that have one. What an epoch does not have is written as NA.

    Parameters
    ----------
    filename : path
    separator : str
        One character.
    append : bool
        True goes on in a file that exists, without a second row of names; False writes it anew. A training that goes on
        after an interruption goes on in the file in any case, behind the last epoch of its backup.
    """

    carried: tuple[str, ...] = ("keys",)

    def __init__(self, filename: PathLikeStr, separator: str = ",", append: bool = False) -> None:
        if not isinstance(separator, str) or len(separator) != 1:
            raise ValueError(f"CSVLogger: separator must be one character, not {separator!r}")
        self.filename: str = _checks.path("CSVLogger", "filename", filename)
        self.sep = separator
        self.append: bool = _checks.boolean("CSVLogger", "append", append)
        self.keys: list[str] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.keys = None
        goes_on = self.model is not None and self.model._position is not None  # behind an interruption
        if not self.append and not goes_on:
            from nncore import _files  # which few programs need

            _files.replace(self.filename, b"")

    def get_state(self) -> dict[str, Any]:
        written = os.path.getsize(self.filename) if os.path.exists(self.filename) else 0
        return {**(super().get_state() or {}), "bytes": written}

    def set_state(self, state: dict[str, Any]) -> None:
        size = _checks.integer("CSVLogger", "bytes", state["bytes"])
        super().set_state(state)
        if os.path.exists(self.filename) and os.path.getsize(self.filename) > size:
            os.truncate(self.filename, size)  # epochs behind the backup, which come again

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        import csv  # which few programs need
        import io

        from nncore import _files

        logs = logs or {}
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(key.startswith("val_") for key in self.keys):
                self.keys += [f"val_{key}" for key in self.keys]
        rows = io.StringIO(newline="")
        writer = csv.writer(rows, delimiter=self.sep)
        if not os.path.exists(self.filename) or os.path.getsize(self.filename) == 0:
            writer.writerow(["epoch", *self.keys])
        writer.writerow([epoch, *(_cell(logs.get(key, "NA")) for key in self.keys)])
        # this row only, so that a run that is killed leaves all rows so far
        _files.append(self.filename, rows.getvalue().encode())


def _cell(value: Any) -> Any:
    if hasattr(value, "__iter__") and not isinstance(value, str) and np.ndim(value):
        return f'"[{", ".join(map(str, value))}]"'
    return value

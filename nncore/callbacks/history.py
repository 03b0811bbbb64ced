"""What happened in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore.callbacks.callback import Callback

if TYPE_CHECKING:
    from nncore._typing import Logs


class History(Callback):
    """What `fit` returns: `history` maps each name to its value in every epoch, `epoch` lists the epochs.

    It is added to every `fit`, behind the callbacks that were given, and so records what they add to the logs. One that
    is given to several calls of `fit` appends to `history` in each. `plot` draws the curves; a notebook shows them.
    """

    carried = ("history", "epoch", "_epochs")

    def __init__(self) -> None:
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []
        self._epochs: dict[str, list[int]] = {}  # of each name the epochs, counted from 1, that its values are of

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
            self._epochs.setdefault(name, []).append(epoch + 1)
        self.model.history = self

"""An end to training whose loss is lost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from nncore import config
from nncore.callbacks.callback import Callback, needed_where

if TYPE_CHECKING:
    from nncore._typing import Logs


class TerminateOnNaN(Callback):
    """Ends training after the minibatch in which the epoch's mean loss becomes NaN or infinite.

    By default there is nothing for it to do: `fit` itself raises `nncore.NonFiniteLossError` before such a minibatch
    changes any weight. It acts under ``nncore.config.set_nonfinite("ignore")``.

    Parameters
    ----------
    raise_error : bool
        False sets ``model.stop_training``; True raises RuntimeError, so that no `on_train_end` is called.
    """

    def __init__(self, raise_error: bool = False) -> None:
        self.raise_error = raise_error

    @needed_where(lambda callback: config.get_nonfinite() == "ignore")
    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(f"TerminateOnNaN: the loss is {loss} after minibatch {batch + 1}")
        print(f"TerminateOnNaN: the loss is {loss} after minibatch {batch + 1}; training ends")
        self.model.stop_training = True

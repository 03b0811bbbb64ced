"""The progress bar."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore._interrupts import interrupts_wait
from nncore.callbacks.callback import Callback

if TYPE_CHECKING:
    from nncore._typing import Logs


class ProgbarLogger(Callback):
    """A tqdm bar for each epoch of `fit`: loss, metrics, rows per second, time left.

    It is added to every `fit` that is not silent. `params["verbose"]` says what it shows: 1, a bar; 2, a line at the
    end of each epoch; 0, nothing.
    """

    def __init__(self) -> None:
        self.verbose: int = 1
        self._bar: Any = None

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        verbose = params.get("verbose", 1)
        self.verbose = 1 if verbose == "auto" else verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._start = time.perf_counter()
        self._title = f"Epoch {epoch + 1}/{self.params['epochs']}"
        if self.verbose == 1:
            from tqdm.auto import tqdm

            with interrupts_wait():
                self._bar = tqdm(total=self.params.get("rows"), desc=self._title, unit=" rows", unit_scale=True,
                                 dynamic_ncols=True, mininterval=0.05)  # fmt: skip

    def progress(self, rows: int, logs: Logs) -> None:
        """Moves the bar to `rows` rows of this epoch."""
        if self._bar is not None:
            with interrupts_wait():
                self._bar.set_postfix_str(_numbers(logs), refresh=False)
                self._bar.update(rows - self._bar.n)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self._bar is not None:
            with interrupts_wait():
                self._bar.set_postfix_str(_numbers(logs or {}))
                self.close()
        elif self.verbose == 2:
            seconds = time.perf_counter() - self._start
            print(f"{self._title} - {seconds:.2f}s - {_numbers(logs or {})}", file=sys.stdout, flush=True)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the bar's line, if there is a bar: that of an epoch that was not finished."""
        if self._bar is not None:
            with interrupts_wait():
                self._bar.close()
                self._bar = None


def _numbers(logs: Logs) -> str:
    return ", ".join(f"{name}={_number(value)}" for name, value in logs.items())


def _number(value: Any) -> str:
    """Four digits behind the point, of a number or of each in an array."""
    if np.ndim(value):
        return f"[{' '.join(map(_number, value))}]"
    return f"{value:.4f}"

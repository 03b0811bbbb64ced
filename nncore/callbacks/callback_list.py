"""Several callbacks as one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from nncore.callbacks.callback import Callback, is_needed
from nncore.callbacks.history import History
from nncore.callbacks.progress import ProgbarLogger
from nncore.callbacks.tensorboard import TensorBoard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nncore._likes import Callbacks
    from nncore._typing import Logs
    from nncore.models.model import Model
    from nncore.models.resuming import Interrupted

    C = TypeVar("C", bound=Callback)


def _flat(callbacks: Any) -> list[Callback]:
    if isinstance(callbacks, CallbackList):
        return list(callbacks.callbacks)
    if isinstance(callbacks, (list, tuple)):
        return [each for part in callbacks for each in _flat(part)]
    if not isinstance(callbacks, Callback):
        raise TypeError(f"callbacks must be objects of nncore.callbacks.Callback; got {callbacks!r}")
    return [callbacks]


class CallbackList(Callback):
    """Calls the hooks of several callbacks in turn; each gets the same dict of logs, a copy of the one given.

    Parameters
    ----------
    callbacks : Callback, CallbackList, or list of them
        Lists in it are taken apart.
    add_history : bool
        Appends a `History` unless there is one.
    add_progbar : bool
        Appends a `ProgbarLogger` unless there is one.
    model : Model
        Given to each callback.
    **params
        Given to each callback as a dict.

    Raises
    ------
    TypeError
        For what is no `Callback`.
    """

    def __init__(self, callbacks: Callbacks = None, add_history: bool = False, add_progbar: bool = False,
                 model: Any = None, **params: Any) -> None:  # fmt: skip
        self.callbacks: list[Callback] = _flat([] if callbacks is None else callbacks)
        if add_history and self.history is None:
            self.callbacks.append(History())
        if add_progbar and self._first(ProgbarLogger) is None:
            self.callbacks.append(ProgbarLogger())
        if params:
            self.set_params(params)
        if model is not None:
            self.set_model(model)

    def _first(self, kind: type[C]) -> C | None:
        return next((callback for callback in self.callbacks if isinstance(callback, kind)), None)

    @property
    def history(self) -> History | None:
        """The first `History` among the callbacks; None without one."""
        return self._first(History)

    def set_model(self, model: Model | Any) -> None:
        super().set_model(model)
        if self.history is not None:
            model.history = self.history
        for callback in self.callbacks:
            callback.set_model(model)

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        for callback in self.callbacks:
            callback.set_params(params)

    def needs_batch_hook(self, kind: str) -> bool:
        """Whether a callback has a hook for each minibatch of `kind`: "train", "test" or "predict"."""
        hooks = [f"on_{kind}_batch_begin", f"on_{kind}_batch_end"]
        if kind == "train":
            hooks.append("_settle_batch")
        return any(is_needed(callback, hook) for callback in self.callbacks for hook in hooks)

    # ---- interrupted trainings

    def _keys(self) -> Iterator[str]:
        """Under which each callback's state is kept: its class, what it watches, and its number among those."""
        counts: dict[str, int] = {}
        for callback in self.callbacks:
            kind = f"{type(callback).__name__} of {getattr(callback, 'monitor', None)}"
            counts[kind] = counts.get(kind, 0) + 1
            yield f"{kind}, {counts[kind]}"

    def get_state(self) -> dict[str, Any]:
        """Returns the states of all callbacks that have one, by a name of each."""
        states = {key: each.get_state() for key, each in zip(self._keys(), self.callbacks, strict=True)}
        return {key: state for key, state in states.items() if state is not None}

    def set_state(self, state: dict[str, Any]) -> None:
        """Hands each callback its part of what `get_state` gave; those that were not there then get none."""
        for key, callback in zip(self._keys(), self.callbacks, strict=True):
            if key in state:
                callback.set_state(state[key])

    def _interrupted(self) -> Interrupted | None:
        """Returns, of what callbacks have to go on with, the training that is furthest."""
        found = [training for callback in self.callbacks if (training := callback._interrupted()) is not None]
        return max(found, key=lambda training: training.steps, default=None)

    def _in_turn(self, hook: str, *arguments: Any, logs: Logs | None) -> None:
        logs = dict(logs or {})
        for callback in self.callbacks:
            getattr(callback, hook)(*arguments, logs)

    def _in_turn_of_batches(self, hook: str, batch: int, logs: Logs | None) -> None:
        logs = dict(logs or {})
        for callback in self.callbacks:
            getattr(callback, hook)(batch, logs=logs)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._in_turn("on_train_begin", logs=logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._in_turn("on_train_end", logs=logs)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._in_turn("on_epoch_begin", epoch, logs=logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = dict(logs or {})
        for hook in ("on_epoch_end", "_settle_epoch"):
            for callback in self.callbacks:
                getattr(callback, hook)(epoch, logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        self._in_turn("on_test_begin", logs=logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        self._in_turn("on_test_end", logs=logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._in_turn("on_predict_begin", logs=logs)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._in_turn("on_predict_end", logs=logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._in_turn_of_batches("on_batch_begin", batch, logs)

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._in_turn_of_batches("on_batch_end", batch, logs)

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._in_turn_of_batches("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        logs = dict(logs or {})
        for hook in ("on_train_batch_end", "_settle_batch"):
            for callback in self.callbacks:
                getattr(callback, hook)(batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._in_turn_of_batches("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._in_turn_of_batches("on_test_batch_end", batch, logs)

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._in_turn_of_batches("on_predict_batch_begin", batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._in_turn_of_batches("on_predict_batch_end", batch, logs)

    # ---- beyond Keras: what the bars hear of

    def progress(self, rows: int, logs: Logs) -> None:
        """Tells the progress bars how many rows of the epoch are done."""
        for callback in self.callbacks:
            if isinstance(callback, ProgbarLogger):
                callback.progress(rows, logs)

    def close(self) -> None:
        """Ends the progress bars' lines and TensorBoard's files, where training ends without `on_train_end`."""
        for callback in self.callbacks:
            if isinstance(callback, (ProgbarLogger, TensorBoard)):
                callback.close()

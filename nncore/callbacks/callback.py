"""The hooks that a callback may have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from nncore._typing import Logs
    from nncore.models.model import Model
    from nncore.models.resuming import Interrupted

    F = TypeVar("F", bound=Callable[..., Any])


def needed_where(condition: Callable[[Any], bool]) -> Callable[[F], F]:
    """Marks a hook that does nothing unless `condition(callback)`, so that nobody need call it then."""

    def mark(hook: F) -> F:
        hook.needed_where = condition  # type: ignore[attr-defined]
        return hook

    return mark


def is_needed(callback: Any, hook: str) -> bool:
    """Whether a hook of a callback does anything: it is overwritten, and not marked as idle."""
    condition = getattr(getattr(callback, hook), "needed_where", None)
    return condition is None or condition(callback)


def _never(_: object) -> bool:
    return False


class Callback:
    """Base of the callbacks: overwrite the hooks that are wanted.

    `self.model` and `self.params` are set before the first hook; `params` has "verbose", "epochs", "steps" (minibatches
    of an epoch, None where that is not known) and "rows". `logs` are dicts of floats by name. Hooks of minibatches make
    each minibatch a call of its own, and cost nothing where nobody overwrites them.

    A hook may use the model as any code may: set ``self.model.stop_training = True`` (training ends after the minibatch
    or epoch), change ``self.model.optimizer.learning_rate``, read and write weights, save, evaluate, predict. Other
    threads are refused meanwhile. A hook cannot compile the model, and cannot add or remove layers.
    """

    model: Model | Any = None
    params: dict[str, Any] | Any = None
    # names of attributes that a training which goes on after an interruption must find again
    carried: tuple[str, ...] = ()

    def set_model(self, model: Model | Any) -> None:
        """Called with the model before any hook."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Called with a dict before any hook: "verbose", "epochs", "steps", "rows"."""
        self.params = params

    # ---- beyond Keras: trainings that are interrupted and go on

    def get_state(self) -> dict[str, Any] | None:
        """Returns what `set_state` needs, for a backup of the training: a dict by name, or None for nothing.

        It may hold numbers, text, None, arrays, and lists and dicts of them. Here it is the attributes named in
        `carried`.
        """
        return {name: getattr(self, name) for name in self.carried} if self.carried else None

    def set_state(self, state: dict[str, Any]) -> None:
        """Puts the callback where it was when `get_state` gave `state`."""
        for name in self.carried:
            if name in state:
                setattr(self, name, state[name])

    def _interrupted(self) -> Interrupted | None:
        """Returns the training that `fit` is to go on with, an object of `nncore.models.resuming`; None for none."""
        return None

    def _settle_epoch(self, epoch: int, logs: Logs | None) -> None:
        """Called behind the `on_epoch_end` of all callbacks, with the logs as these have left them."""

    @needed_where(_never)
    def _settle_batch(self, batch: int, logs: Logs | None) -> None:
        """Called behind the `on_train_batch_end` of all callbacks."""

    # ---- hooks

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Called before the first epoch of `fit`; `logs` is empty."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Called after the last epoch of `fit`, with the logs of that epoch; not where `fit` raises."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Called before each epoch, which are counted from 0; `logs` is empty."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Called after each epoch, with its loss and metrics; those of the validation data are named val_..."""

    @needed_where(_never)
    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Another name of `on_train_batch_begin`, which calls it."""

    @needed_where(_never)
    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Another name of `on_train_batch_end`, which calls it."""

    @needed_where(lambda callback: is_needed(callback, "on_batch_begin"))
    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before each minibatch of `fit`, which are counted from 0 in each epoch; `logs` is empty."""
        self.on_batch_begin(batch, logs=logs)

    @needed_where(lambda callback: is_needed(callback, "on_batch_end"))
    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after each minibatch of `fit`, with the epoch's means so far."""
        self.on_batch_end(batch, logs=logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Called before `evaluate`, and before the validation data in `fit`; `logs` is empty."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Called after `evaluate`, and after the validation data in `fit`, with loss and metrics."""

    @needed_where(_never)
    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before each minibatch of `evaluate`, and of the validation data in `fit`; `logs` is empty."""

    @needed_where(_never)
    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after each minibatch of `evaluate`, and of the validation data in `fit`, with the means so far.

        ``self.model.stop_evaluating = True`` ends the evaluation here.
        """

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Called before `predict`; `logs` is empty."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Called after `predict`; `logs` is empty."""

    @needed_where(_never)
    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before each minibatch of `predict`; `logs` is empty."""

    @needed_where(_never)
    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after each minibatch of `predict`; ``logs["outputs"]`` are its outputs.

        ``self.model.stop_predicting = True`` ends the prediction here.
        """

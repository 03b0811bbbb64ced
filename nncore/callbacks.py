"""Callbacks: hooks into `fit`, with Keras's names."""

import sys
import time

__all__ = ["Callback", "CallbackList", "History", "LambdaCallback", "ProgressBar"]


class Callback:
    """Base of the callbacks: overwrite the hooks that are wanted.

    `self.model` and `self.params` are set before training. Setting ``self.model.stop_training = True`` ends
    training after the epoch, from a batch hook after the batch. Batch hooks make each minibatch a call of its own.
    """

    model = None
    params = None

    def set_model(self, model):
        """Called with the model before anything else."""
        self.model = model

    def set_params(self, params):
        """Called with a dict: epochs, steps, verbose."""
        self.params = params

    def wants_batches(self):
        """Whether a batch hook is defined, which costs a call of the engine for each minibatch."""
        return any(
            getattr(type(self), hook) is not getattr(Callback, hook)
            for hook in ("on_train_batch_begin", "on_train_batch_end")
        )

    def on_train_begin(self, logs=None):
        """Called before the first epoch."""

    def on_train_end(self, logs=None):
        """Called after the last epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        """Called before each epoch."""

    def on_epoch_end(self, epoch, logs=None):
        """Called after each epoch, with its loss and metrics, those of the validation data as val_..."""

    def on_train_batch_begin(self, batch, logs=None):
        """Called before each minibatch."""

    def on_train_batch_end(self, batch, logs=None):
        """Called after each minibatch, with the epoch's means so far."""


class CallbackList:
    """Calls the hooks of several callbacks in turn."""

    def __init__(self, callbacks, model, params):
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(f"callbacks must be objects of nncore.callbacks.Callback; got {callback!r}")
        for callback in self.callbacks:
            callback.set_params(params)
            callback.set_model(model)
        self.per_batch = any(callback.wants_batches() for callback in self.callbacks)

    def call(self, hook, *arguments):
        """Calls one hook of every callback."""
        for callback in self.callbacks:
            getattr(callback, hook)(*arguments)

    def progress(self, rows, logs):
        """Tells the progress bars how many rows of the epoch are done."""
        for callback in self.callbacks:
            if isinstance(callback, ProgressBar):
                callback.progress(rows, logs)


class History(Callback):
    """What `fit` returns: `history` maps each name to its value in every epoch, `epoch` lists the epochs."""

    def on_train_begin(self, logs=None):
        self.epoch = []
        self.history = {}

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class LambdaCallback(Callback):
    """Hooks given as functions.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end, on_train_begin, on_train_end, on_train_batch_begin, on_train_batch_end : function
    """

    def __init__(self, on_epoch_begin=None, on_epoch_end=None, on_train_begin=None, on_train_end=None,
                 on_train_batch_begin=None, on_train_batch_end=None):  # fmt: skip
        hooks = {"on_epoch_begin": on_epoch_begin, "on_epoch_end": on_epoch_end, "on_train_begin": on_train_begin,
                 "on_train_end": on_train_end, "on_train_batch_begin": on_train_batch_begin,
                 "on_train_batch_end": on_train_batch_end}  # fmt: skip
        for name, hook in hooks.items():
            if hook is not None:
                setattr(self, name, hook)
        self._wants_batches = on_train_batch_begin is not None or on_train_batch_end is not None

    def wants_batches(self):
        return self._wants_batches


class ProgressBar(Callback):
    """A tqdm bar for each epoch: loss, metrics, rows per second, time left.

    Parameters
    ----------
    verbose : 1 or 2
        1: a bar; 2: a line at the end of each epoch.
    """

    def __init__(self, verbose=1):
        self.verbose = verbose
        self._bar = None

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()
        self._title = f"Epoch {epoch + 1}/{self.params['epochs']}"
        if self.verbose == 1:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=self.params.get("rows"), desc=self._title, unit=" rows", unit_scale=True,
                             dynamic_ncols=True, mininterval=0.05)  # fmt: skip

    def progress(self, rows, logs):
        """Moves the bar to `rows` rows of this epoch."""
        if self._bar is not None:
            self._bar.set_postfix_str(_numbers(logs), refresh=False)
            self._bar.update(rows - self._bar.n)

    def on_epoch_end(self, epoch, logs=None):
        if self._bar is not None:
            self._bar.set_postfix_str(_numbers(logs or {}))
            self._close()
        elif self.verbose == 2:
            seconds = time.perf_counter() - self._start
            print(f"{self._title} - {seconds:.2f}s - {_numbers(logs or {})}", file=sys.stdout, flush=True)

    def on_train_end(self, logs=None):
        if self._bar is not None:  # an epoch that was not finished
            self._close()

    def _close(self):
        bar, self._bar = self._bar, None
        try:
            bar.close()
        except KeyboardInterrupt:
            sys.stderr.write("\n")  # the bar may not have ended its line, and closes only once
            raise


def _numbers(logs):
    return ", ".join(f"{name}={value:.4f}" for name, value in logs.items())

"""fit, evaluate and predict."""

import itertools
import math
from typing import NamedTuple

import numpy as np

from nncore import _checks, _engine
from nncore.callbacks import Callback, CallbackList, History, ProgressBar
from nncore.models.objective import slice_weights, weighted

SLICE_SECONDS = 0.05  # of training between two looks at the progress bar and at Ctrl-C


class NonFiniteLossError(ArithmeticError):
    """The loss became NaN or infinite. The weights are those before that minibatch."""


class Batch(NamedTuple):
    """Checked rows: a Source for each input; for each output a Source or None, and weights of rows or None."""

    x: list
    y: list
    weights: list

    @property
    def rows(self):
        """How many rows there are."""
        return self.x[0].rows

    def part(self, rows):
        """The rows of a slice."""
        return Batch(
            [source._replace(array=source.array[rows]) for source in self.x],
            [source and source._replace(array=source.array[rows]) for source in self.y],
            slice_weights(self.weights, rows),
        )


class Training:
    """The part of a model that loops over data."""

    def fit(self, x=None, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None, validation_split=0.0,
            validation_data=None, shuffle=True, class_weight=None, sample_weight=None, initial_epoch=0,
            steps_per_epoch=None, validation_steps=None, validation_batch_size=None,
            validation_freq=1):  # fmt: skip
        """Trains on data for a number of epochs.

        Parameters
        ----------
        x : array (rows, ...), or an iterable of (x, y) or (x, y, sample_weight) minibatches
            A list of arrays, or a dict by name, for several inputs; so are y and sample_weight for several outputs.
        y : array of targets
        batch_size : int
            Rows of a minibatch, 32 unless given. The last minibatch of an epoch may be smaller.
        epochs, initial_epoch : int
            Training goes from epoch `initial_epoch` up to but not including `epochs`.
        verbose : "auto", 0, 1 or 2
            0 silent, 1 ("auto") a progress bar, 2 a line for each epoch.
        callbacks : list of Callback
        validation_split : float in [0, 1)
            The last part of the rows, before shuffling, is kept for validation.
        validation_data : (x, y) or (x, y, sample_weight)
        shuffle : bool
            Another order of the rows in each epoch, a function of seed and training step.
        class_weight : dict from class to weight
        sample_weight : array (rows,)
            Each row's part in the loss: loss = sum of weight times loss over rows, divided by the number of rows.
        steps_per_epoch : int
            Minibatches in an epoch; all unless given.

        Returns
        -------
        History
            Its `history` is a dict of lists, a value for each epoch.

        Raises
        ------
        ValueError, TypeError
            For bad arguments, before any weight has changed.
        NonFiniteLossError
            With the weights of the last minibatch whose loss was finite.
        """
        with self._exclusively():
            verbose = _verbose(verbose)
            epochs = _count("epochs", epochs)
            initial_epoch = _count("initial_epoch", initial_epoch, least=0)
            validation_freq = _count("validation_freq", validation_freq)
            steps = None if steps_per_epoch is None else _count("steps_per_epoch", steps_per_epoch)
            shuffle = _checks.boolean("fit", "shuffle", shuffle)
            split = _checks.real_number("fit", "validation_split", validation_split, 0, 1, high_open=True)
            held_out = None
            if _is_iterable_of_batches(x, y):
                if split or sample_weight is not None:
                    raise ValueError("validation_split and sample_weight are for arrays, not for minibatches")
                feed = _BatchFeed(self, x, class_weight, steps)
            else:
                batch_size = 32 if batch_size is None else _count("batch_size", batch_size)
                rows = self._minibatch(x, y, sample_weight, class_weight, "fit")
                if split:
                    kept = _cut(rows.rows, split)
                    unweighted = rows if class_weight is None else self._minibatch(x, y, sample_weight, None, "fit")
                    held_out = unweighted.part(slice(kept, None))
                    rows = rows.part(slice(kept))
                feed = _ArrayFeed(self, rows, batch_size, shuffle, steps)
            validation_batch_size = validation_batch_size or batch_size
            if validation_data is not None or held_out is None:
                validation = self._validation(validation_data, validation_batch_size, validation_steps)
            else:
                size = _count("validation_batch_size", validation_batch_size)
                validation = lambda: self._evaluate_rows(held_out, size, validation_steps)  # noqa: E731
            return self._fit(feed, validation, validation_freq, epochs, initial_epoch, verbose, callbacks)

    def _fit(self, feed, validation, validation_freq, epochs, initial_epoch, verbose, callbacks):
        history = History()
        given = [callbacks] if isinstance(callbacks, Callback) else list(callbacks or ())
        bars = [ProgressBar(verbose)] if verbose and not any(isinstance(c, ProgressBar) for c in given) else []
        params = {"epochs": epochs, "steps": feed.steps, "rows": feed.rows, "verbose": verbose}
        calls = CallbackList([history, *given, *bars], self, params)
        self.history = history
        self.stop_training = False
        calls.call("on_train_begin", {})
        try:
            for epoch in range(initial_epoch, epochs):
                calls.call("on_epoch_begin", epoch, {})
                logs = feed.run_epoch(epoch, calls)
                if validation is not None and (epoch + 1 - initial_epoch) % validation_freq == 0:
                    logs.update({f"val_{name}": value for name, value in validation().items()})
                calls.call("on_epoch_end", epoch, logs)
                if self.stop_training:
                    break
            self.optimizer.finalize_variable_values(self.trainable_variables)
        finally:
            calls.call("on_train_end", {})
        return history

    def _validation(self, data, batch_size, steps):
        """A function that evaluates the validation data, checked now; None without any."""
        if data is None:
            return None
        if hasattr(data, "__iter__") and not isinstance(data, (tuple, list)):
            if steps is None and iter(data) is data:
                raise ValueError("a generator as validation_data needs validation_steps")
            return lambda: self._evaluate_batches(data, steps)
        if len(data) not in (2, 3):
            raise ValueError(f"validation_data must be (x, y) or (x, y, sample_weight); got {len(data)} things")
        rows = self._minibatch(data[0], data[1], data[2] if len(data) == 3 else None, None, "validation")
        batch_size = 32 if batch_size is None else _count("validation_batch_size", batch_size)
        return lambda: self._evaluate_rows(rows, batch_size, steps)

    def evaluate(self, x=None, y=None, batch_size=None, verbose="auto", sample_weight=None, steps=None, callbacks=None,
                 return_dict=False):  # fmt: skip
        """Returns the mean loss over all rows, and the metrics after it if there are any.

        Parameters
        ----------
        return_dict : bool
            A dict by name in place of a number or list.
        """
        _verbose(verbose)
        _checks.refuse("evaluate", callbacks=callbacks)
        with self._exclusively():
            steps = None if steps is None else _count("steps", steps)
            if _is_iterable_of_batches(x, y):
                logs = self._evaluate_batches(x, steps)
            else:
                batch_size = 32 if batch_size is None else _count("batch_size", batch_size)
                rows = self._minibatch(x, y, sample_weight, None, "evaluate")
                logs = self._evaluate_rows(rows, batch_size, steps)
        values = list(logs.values())
        return logs if return_dict else values if len(values) > 1 else values[0]

    def _evaluate_rows(self, rows, batch_size, steps=None):
        """Reported values of rows; the minibatch size is the engine's own, as it does not change them."""
        end = rows.rows if steps is None else min(rows.rows, steps * batch_size)
        totals, _ = self._add_up(rows, end)
        return self._named(totals, end)

    def _add_up(self, rows, end):
        """The totals over the first rows, and the program that has them."""
        size = min(512, rows.rows)
        program = self._program("test", size, weighted(rows.weights))
        program.bind_inputs(rows.x)
        program.bind_targets(rows.y, rows.weights)
        program.builder.totals[:] = 0
        self._run_slices(program, end, minibatch=size)
        return program.builder.totals, program

    def _run_slices(self, program, end, position=0, **options):
        """Runs to the end, with a look at Ctrl-C now and then."""
        while position < end:
            position, _ = program.run(end, position=position, seconds=SLICE_SECONDS, seed=self.seed, **options)

    def _evaluate_batches(self, batches, steps):
        totals, count = 0.0, 0
        for batch in itertools.islice(batches, steps):
            x, y, sample_weight = _unpack(batch)
            rows = self._minibatch(x, y, sample_weight, None, "evaluate")
            sums, _ = self._add_up(rows, rows.rows)
            totals, count = totals + sums, count + rows.rows
        if not count:
            raise ValueError("evaluate needs at least one row; the iterable gave none")
        return self._named(totals, count)

    def _named(self, totals, rows):
        return dict(zip(self.metrics_names, self.objective.values(totals, rows), strict=True))

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        """Returns the outputs for the rows of x, as an array of the model's dtype.

        `batch_size` changes neither result nor memory: the engine takes the rows in chunks of its own.
        """
        _verbose(verbose)
        _checks.refuse("predict", callbacks=callbacks)
        if batch_size is not None:
            batch_size = _count("batch_size", batch_size)
        if not hasattr(x, "__array__") and not isinstance(x, (list, tuple)) and hasattr(x, "__next__"):
            batches = (batch[0] if isinstance(batch, tuple) else batch for batch in itertools.islice(x, steps))
            parts = [self.predict_on_batch(batch) for batch in batches]
            if not parts:
                raise ValueError("predict needs at least one row; the iterable gave none")
            if isinstance(parts[0], list):
                return [np.concatenate(outputs) for outputs in zip(*parts, strict=True)]
            return np.concatenate(parts)
        with self._exclusively():
            sources = self._features(x, "predict")
            if steps is not None:
                rows = min(sources[0].rows, _count("steps", steps) * (batch_size or 32))
                sources = [source._replace(array=source.array[:rows]) for source in sources]
            return self._predict_sources(sources)


class _ArrayFeed:
    """Epochs over arrays, in the engine's loop."""

    def __init__(self, model, data, batch_size, shuffle, steps):
        self.model, self.data = model, data
        self.batch_size = min(batch_size, data.rows)
        self.shuffle = shuffle
        all_steps = math.ceil(data.rows / batch_size)
        self.steps = all_steps if steps is None else min(steps, all_steps)
        self.rows = min(data.rows, self.steps * self.batch_size)

    def run_epoch(self, epoch, calls):
        """Trains one epoch; returns its means by name."""
        model, optimizer = self.model, self.model.optimizer
        program = model._program("train", self.batch_size, weighted(self.data.weights))
        program.bind_inputs(self.data.x)
        program.bind_targets(self.data.y, self.data.weights)
        totals = program.builder.totals
        totals[:] = 0
        steps_done = int(optimizer.counter[0])
        order = _engine.shuffled(self.data.rows, model.seed, steps_done) if self.shuffle else None
        position, batch, foreign = 0, 0, True
        while position < self.rows and not (calls.per_batch and model.stop_training):
            if calls.per_batch:
                calls.call("on_train_batch_begin", batch, {})
            end = min(position + self.batch_size, self.rows) if calls.per_batch else self.rows
            reached, bad = program.run(
                end,
                position=position,
                minibatch=self.batch_size,
                order=order,
                counter=optimizer.counter,
                seed=model.seed,
                learning_rate=optimizer.learning_rate,
                seconds=SLICE_SECONDS,
                prologue=foreign,  # nobody but us has touched the weights since the last slice
            )
            batch += -(-(reached - position) // self.batch_size)
            position = reached
            if bad:
                raise NonFiniteLossError(
                    f"the loss became NaN or infinite in epoch {epoch + 1}, minibatch {batch + 1}; the weights are "
                    "those before it. A smaller learning rate, or scaled inputs, may help"
                )
            foreign = calls.per_batch
            logs = model._named(totals, max(1, position))
            calls.progress(position, logs)
            if calls.per_batch:
                calls.call("on_train_batch_end", batch - 1, logs)
        return model._named(totals, max(1, position))


class _BatchFeed:
    """Epochs over an iterable of minibatches."""

    rows = None

    def __init__(self, model, batches, class_weight, steps):
        self.model, self.batches, self.class_weight, self.steps = model, batches, class_weight, steps
        self.once = iter(batches) if iter(batches) is batches else None  # an iterator goes on in the next epoch
        if self.once is not None:
            self.batches = self.once

    def run_epoch(self, epoch, calls):
        """Trains one epoch; returns its means by name."""
        model, optimizer = self.model, self.model.optimizer
        totals, rows = 0.0, 0
        for batch, data in enumerate(itertools.islice(self.batches, self.steps)):
            now = model._minibatch(*_unpack(data), self.class_weight, "fit")
            calls.call("on_train_batch_begin", batch, {})
            program = model._program("train", now.rows, weighted(now.weights))
            try:
                sums = model._run_minibatch(program, now, counter=optimizer.counter,
                                            learning_rate=optimizer.learning_rate)  # fmt: skip
            except NonFiniteLossError as error:
                raise NonFiniteLossError(
                    f"the loss became NaN or infinite in epoch {epoch + 1}, minibatch {batch + 1}; the weights are "
                    "those before it. A smaller learning rate, or scaled inputs, may help"
                ) from error
            totals, rows = totals + sums, rows + now.rows
            logs = model._named(totals, rows)
            calls.progress(rows, logs)
            calls.call("on_train_batch_end", batch, logs)
            if model.stop_training:
                break
        if not rows:
            raise ValueError(f"the iterable gave no minibatch for epoch {epoch + 1}")
        return logs


def _unpack(batch):
    """(x, y, sample_weight) of what an iterable of minibatches gave."""
    if not isinstance(batch, (tuple, list)) or len(batch) not in (1, 2, 3):
        raise ValueError(f"a minibatch must be (x, y) or (x, y, sample_weight); got {type(batch).__name__}")
    return (*batch, *[None] * (3 - len(batch)))


def _verbose(verbose):
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(f"verbose must be 'auto', 0, 1 or 2, not {verbose!r}")
    return 1 if verbose == "auto" else int(verbose)


def _count(name, value, least=1):
    if least == 0 and value == 0:
        return 0
    return _checks.positive_integer("fit" if name != "steps" else "evaluate", name, value)


def _cut(rows, split):
    """Rows before the validation part; each part keeps at least one."""
    kept = math.floor(rows * (1 - split))
    if not 0 < kept < rows:
        raise ValueError(f"validation_split={split} of {rows} rows leaves one part empty")
    return kept


def _is_iterable_of_batches(x, y):
    """Whether `x` gives minibatches: it is no array, and there are no targets beside it."""
    return y is None and not hasattr(x, "__array__") and not isinstance(x, dict) and hasattr(x, "__iter__")

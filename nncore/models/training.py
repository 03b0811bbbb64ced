"""fit, evaluate and predict."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Set
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, overload

import numpy as np

from nncore import _checks, _engine, config
from nncore._checks import positive_integer
from nncore._py_dataset import PyDataset
from nncore.models.objective import slice_weights, weighted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nncore._calls import Call, Exclusive
    from nncore._data import Source
    from nncore._graph import Graph
    from nncore._likes import Callbacks, Minibatches
    from nncore._typing import Array, Config, Inputs, Logs, Outputs, Verbose
    from nncore.callbacks.callback_list import CallbackList
    from nncore.callbacks.history import History
    from nncore.models.objective import Objective
    from nncore.models.programs import Program
    from nncore.optimizers.optimizer import Optimizer

SLICE_SECONDS = 0.05  # of training between two looks at the progress bar and at Ctrl-C


class NonFiniteLossError(ArithmeticError):
    """The loss became NaN or infinite. The weights are those before that minibatch."""


class Batch(NamedTuple):
    """Checked rows: a Source for each input; for each output a Source or None, and weights of rows or None."""

    x: list[Source]
    y: list[Source | None]
    weights: list[Array | None]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.x[0].rows

    def part(self, rows: slice) -> Batch:
        """The rows of a slice."""
        return Batch(
            [source.part(rows) for source in self.x],
            [source and source.part(rows) for source in self.y],
            slice_weights(self.weights, rows),
        )


class Training:
    """The part of a model that loops over data."""

    if TYPE_CHECKING:  # what the other parts have
        name: str
        seed: int
        objective: Objective | Any
        optimizer: Optimizer | Any
        stop_training: bool
        stop_evaluating: bool
        stop_predicting: bool
        _lock: Exclusive
        _no_callbacks: CallbackList | None
        _position: Config | None
        _training_calls: CallbackList | Any
        graph: Graph

        @property
        def built(self) -> bool: ...
        _as_compiled: Callable[[], Any]
        _call: Callable[[str], Call | None]
        _exclusively: Callable[[], Exclusive]
        _features: Callable[..., list[Source]]
        _minibatch: Callable[..., Batch]
        _predict_sources: Callable[..., Any]
        _program: Callable[..., Program]
        _reset_metrics: Callable[[], None]

        @property
        def metrics_names(self) -> list[str]: ...
        @property
        def stateful(self) -> bool: ...
        @property
        def trainable_variables(self) -> list[Array]: ...

    def fit(self, x: Inputs | Minibatches | None = None, y: Inputs | None = None, batch_size: int | None = None,
            epochs: int = 1, verbose: Verbose = "auto", callbacks: Callbacks = None, validation_split: float = 0.0,
            validation_data: tuple[Any, ...] | list[Any] | Minibatches | None = None, shuffle: bool = True,
            class_weight: Mapping[int, float] | None = None, sample_weight: Inputs | None = None,
            initial_epoch: int = 0, steps_per_epoch: int | None = None, validation_steps: int | None = None,
            validation_batch_size: int | None = None, validation_freq: int = 1) -> History:  # fmt: skip
        """Trains on data for a number of epochs.

        Parameters
        ----------
        x : array (rows, ...), or an iterable of (x, y) or (x, y, sample_weight) minibatches, or a `utils.PyDataset`
            A list of arrays, or a dict by name, for several inputs; so are y and sample_weight for several outputs.
        y : array of targets
        batch_size : int
            Rows of a minibatch, 32 unless given. The last minibatch of an epoch may be smaller.
        epochs, initial_epoch : int
            Training goes from epoch `initial_epoch` up to but not including `epochs`.
        verbose : "auto", 0, 1 or 2
            0 silent, 1 ("auto") a progress bar, 2 a line for each epoch.
        callbacks : Callback, list of Callback, or CallbackList
            Called in this order; a `History` and, unless silent, a `ProgbarLogger` follow.
        validation_split : float in [0, 1)
            The last part of the rows, before shuffling, is kept for validation.
        validation_data : (x, y) or (x, y, sample_weight)
        shuffle : bool, or function
            Another order of the rows in each epoch, a function of seed and training step; of a PyDataset, of the
            minibatches. A function gets the number of rows, at the beginning of each epoch, and returns the order: an
            array of their numbers.
        class_weight : dict from class to weight
        sample_weight : array (rows,), or (rows, steps)
            Each row's part in the loss: loss = sum of weight times loss over rows, divided by the number of rows; or
            each step's, for outputs (rows, steps, features).
        steps_per_epoch : int
            Minibatches in an epoch; all unless given.
        validation_steps, validation_batch_size : int
            Minibatches of the validation data, all unless given, and their rows, `batch_size` unless given.
        validation_freq : int
            Validation after each so many epochs.

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
            verbose = _verbose(verbose)  # type: ignore[assignment]
            epochs = positive_integer("fit", "epochs", epochs)
            initial_epoch = _checks.integer("fit", "initial_epoch", initial_epoch)
            validation_freq = positive_integer("fit", "validation_freq", validation_freq)
            steps = None if steps_per_epoch is None else positive_integer("fit", "steps_per_epoch", steps_per_epoch)
            shuffle = shuffle if callable(shuffle) else _checks.boolean("fit", "shuffle", shuffle)
            split = _checks.real_number("fit", "validation_split", validation_split, 0, 1, high_open=True)
            held_out = None
            if _is_iterable_of_batches(x, y):
                if split or sample_weight is not None:
                    raise ValueError("validation_split and sample_weight are for arrays, not for minibatches")
                if callable(shuffle):
                    raise ValueError("shuffle by a function is for arrays, not for minibatches")
                feed: Any = _BatchFeed(self, x, class_weight, steps, shuffle)
            else:
                batch_size = 32 if batch_size is None else positive_integer("fit", "batch_size", batch_size)
                data = self._minibatch(x, y, sample_weight, class_weight, "fit")
                if split:
                    kept = _cut(data.rows, split)
                    whole = data if class_weight is None else self._minibatch(x, y, sample_weight, None, "fit")
                    held_out, data = whole.part(slice(kept, None)), data.part(slice(kept))
                feed = _ArrayFeed(self, data, batch_size, shuffle, steps)
            if validation_steps is not None:
                validation_steps = positive_integer("fit", "validation_steps", validation_steps)
            size = batch_size if validation_batch_size is None else validation_batch_size
            trained = feed.batch_size if isinstance(feed, _ArrayFeed) else None
            validation = self._validation(validation_data, held_out, size, validation_steps, trained)
            return self._fit(feed, validation, validation_freq, epochs, initial_epoch, verbose, callbacks)

    def _fit(self, feed: _ArrayFeed | _BatchFeed, validation: Callable[[CallbackList], Logs] | None,
             validation_freq: int, epochs: int, initial_epoch: int, verbose: Any,
             callbacks: Callbacks) -> History:  # fmt: skip
        calls = self._callback_list(callbacks, verbose, feed.steps, epochs, feed.rows, training=True)
        self.stop_training = False
        outer = self._position, self._training_calls  # of a `fit` whose hook this one is in
        self._position, self._training_calls = None, calls
        logs = {}
        try:
            interrupted = self._call_hooks(calls._interrupted)
            first = initial_epoch
            if interrupted is not None:
                interrupted.check_layout(feed.layout)
                self._call_hooks(interrupted.restore, self, calls)
                self._position, logs = interrupted.position, interrupted.logs
                feed.pass_over(initial_epoch, interrupted.position)
                first = interrupted.position["epoch"]
            self._call_hooks(calls.on_train_begin)
            if interrupted is not None:  # what hooks do when a training begins has been done in it already
                self._call_hooks(interrupted.restore, self, calls)
            done = interrupted is not None and interrupted.stopped and not interrupted.in_epoch
            for epoch in range(first, first if done else epochs):
                self._call_hooks(calls.on_epoch_begin, epoch)
                if interrupted is not None and interrupted.in_epoch:  # and so it is with an epoch
                    self._call_hooks(interrupted.restore, self, calls)
                logs = feed.run_epoch(epoch, calls, interrupted)
                interrupted = None  # with the memory that it has
                if validation is not None and (epoch + 1) % validation_freq == 0:
                    logs.update({f"val_{name}": value for name, value in validation(calls).items()})
                self._position = {"epoch": epoch + 1, "drawn": feed.drawn, "logs": logs}
                self._call_hooks(calls.on_epoch_end, epoch, logs)
                if self.stop_training:
                    break
            with self._as_compiled():
                self.optimizer.finalize_variable_values(self.trainable_variables)
            self._call_hooks(calls.on_train_end, logs)
        finally:
            self._position, self._training_calls = outer
            calls.close()
        return calls.history  # type: ignore[return-value]

    def _callback_list(self, callbacks: Callbacks, verbose: Any, steps: int | None, epochs: int = 1,
                       rows: int | None = None, training: Any = False) -> CallbackList:  # fmt: skip
        from nncore.callbacks import CallbackList

        if callbacks is None and not training:  # the rule, for which one is made once
            if self._no_callbacks is None:
                self._no_callbacks = CallbackList(model=self)
            return self._no_callbacks
        return CallbackList(callbacks, add_history=training, add_progbar=training and verbose != 0, model=self,
                            verbose=verbose, epochs=epochs, steps=steps, rows=rows)  # fmt: skip

    def _call_hooks(self, hook: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a hook of all callbacks. The model is theirs meanwhile, in this thread and in no other."""
        self._lock.lend()
        try:
            return hook(*arguments)
        finally:
            self._lock.call_in()

    def _drawn(self, batches: Any, steps: int | None = None) -> Any:
        """The minibatches of an iterable, whose code may use the model as hooks may, to be used in a `with`.

        The next one is made in a thread while one trains, but for those that exist already and where the iterable has
        threads of its own.
        """
        from nncore._prefetch import Ahead, InTurn  # which few programs need

        ready = isinstance(batches, (list, tuple)) or getattr(batches, "own_threads", False)
        return (InTurn if ready or not config.get_prefetch() else Ahead)(batches, steps, self._lock)

    def _validation(self, data: Any, held_out: Any, batch_size: int | None, steps: int | None,
                    trained: int | None) -> Callable[[CallbackList], Logs] | None:  # fmt: skip
        """A function that evaluates the validation data, or else the Batch held out, checked now; None without any.

        `trained` is the number of rows in the minibatches of training, where it is known.
        """
        if data is None and held_out is None:
            return None
        batch_size = 32 if batch_size is None else positive_integer("fit", "validation_batch_size", batch_size)
        if data is None:
            self._require_minibatches_of_training(held_out.rows, batch_size, steps, trained)
            return lambda calls: self._evaluate_rows(held_out, batch_size, steps, calls)
        if _gives_minibatches(data) and not isinstance(data, (tuple, list, Set, Mapping)):
            if steps is None and hasattr(data, "__next__"):
                raise ValueError("a generator as validation_data needs validation_steps")
            return lambda calls: self._evaluate_batches(data, steps, calls)
        if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
            got = f"{len(data)} things" if isinstance(data, (tuple, list)) else type(data).__name__
            raise ValueError(f"validation_data must be (x, y) or (x, y, sample_weight); got {got}")
        rows = self._minibatch(data[0], data[1], data[2] if len(data) == 3 else None, None, "validation")
        self._require_minibatches_of_training(rows.rows, batch_size, steps, trained)
        return lambda calls: self._evaluate_rows(rows, batch_size, steps, calls)

    @overload
    def evaluate(self, x: Inputs | Minibatches | None = None, y: Inputs | None = None, batch_size: int | None = None,
                 verbose: Verbose = "auto", sample_weight: Inputs | None = None, steps: int | None = None,
                 callbacks: Callbacks = None, return_dict: Literal[False] = False) -> Any: ...  # fmt: skip

    @overload
    def evaluate(self, x: Inputs | Minibatches | None = None, y: Inputs | None = None, batch_size: int | None = None,
                 verbose: Verbose = "auto", sample_weight: Inputs | None = None, steps: int | None = None,
                 callbacks: Callbacks = None, *, return_dict: Literal[True]) -> Logs: ...  # fmt: skip

    @overload
    def evaluate(self, x: Inputs | Minibatches | None = None, y: Inputs | None = None, batch_size: int | None = None,
                 verbose: Verbose = "auto", sample_weight: Inputs | None = None, steps: int | None = None,
                 callbacks: Callbacks = None, return_dict: bool = False) -> Any: ...  # fmt: skip

    def evaluate(self, x: Inputs | Minibatches | None = None, y: Inputs | None = None, batch_size: int | None = None,
                 verbose: Verbose = "auto", sample_weight: Inputs | None = None, steps: int | None = None,
                 callbacks: Callbacks = None, return_dict: bool = False) -> Any:  # fmt: skip
        """Returns the mean loss over all rows, and the metrics after it if there are any.

        Parameters
        ----------
        batch_size : int
            Rows of a minibatch for the hooks of callbacks, and for losses that are no means over rows; 32 unless given.
        sample_weight : array (rows,)
        steps : int
            Minibatches; all unless given.
        callbacks : Callback, list of Callback, or CallbackList
        return_dict : bool
            A dict by name in place of a number or list.
        """
        verbose = _verbose(verbose)  # type: ignore[assignment]
        return_dict = _checks.boolean("evaluate", "return_dict", return_dict)
        with self._exclusively():
            steps = None if steps is None else positive_integer("evaluate", "steps", steps)
            if _is_iterable_of_batches(x, y):
                logs = self._evaluate_batches(x, steps, self._callback_list(callbacks, verbose, steps))
            else:
                batch_size = 32 if batch_size is None else positive_integer("evaluate", "batch_size", batch_size)
                rows = self._minibatch(x, y, sample_weight, None, "evaluate")
                calls = self._callback_list(callbacks, verbose, _steps(rows.rows, batch_size, steps))
                logs = self._evaluate_rows(rows, batch_size, steps, calls)
        values = list(logs.values())
        return logs if return_dict else values if len(values) > 1 else values[0]

    def _evaluate_rows(self, rows: Batch, batch_size: int, steps: int | None, calls: CallbackList) -> Logs:
        end = rows.rows if steps is None else min(rows.rows, steps * batch_size)
        # without hooks in between, the minibatch is the engine's own, as it does not change the means
        part = batch_size if calls.needs_batch_hook("test") else end
        cuts = [slice(begin, min(begin + part, end)) for begin in range(0, end, part)]
        return self._evaluate_parts(map(rows.part, cuts), calls, batch_size)

    def _evaluate_batches(self, batches: Any, steps: int | None, calls: CallbackList) -> Logs:
        with self._drawn(batches, steps) as drawn:
            parts = (self._minibatch(*_unpack(batch), None, "evaluate") for batch in drawn)
            return self._evaluate_parts(parts, calls)

    def _evaluate_parts(self, parts: Iterable[Batch], calls: CallbackList, batch_size: int | None = None) -> Logs:
        """Means over the rows of all parts, which are the minibatches that hooks see."""
        hooked = calls.needs_batch_hook("test")
        self.stop_evaluating = False
        self._reset_metrics()
        self._call_hooks(calls.on_test_begin)
        totals: Any = 0.0
        rows = 0
        for batch, part in enumerate(parts):
            if hooked:
                self._call_hooks(calls.on_test_batch_begin, batch)
            totals, rows = totals + self._totals(part, batch_size or part.rows), rows + part.rows
            if hooked:
                self._call_hooks(calls.on_test_batch_end, batch, self._named(totals, rows))
                if self.stop_evaluating:
                    break
        if not rows:
            raise ValueError("evaluate needs at least one row; the iterable gave none")
        logs = self._named(totals, rows)
        self._call_hooks(calls.on_test_end, logs)
        return logs

    def _totals(self, data: Batch, batch_size: int) -> Array:
        """Totals of losses and metrics over a Batch, in minibatches that change nothing, or else of `batch_size`."""
        rows = min(batch_size if self.objective.depends_on_minibatch or self.stateful else 512, data.rows)
        self._require_whole_minibatches(data.rows, rows)
        program = self._program("test", rows, weighted(data.weights))
        if program.masked and rows != min(batch_size, data.rows):
            rows = min(batch_size, data.rows)
            program = self._program("test", rows, weighted(data.weights))
        program.bind_inputs(data.x)
        program.bind_targets(data.y, data.weights)
        program.builder.totals[:] = 0
        self._run_slices(program, data.rows, rows, [*data.x, *data.y])
        return program.builder.totals.copy()  # type: ignore[no-any-return]

    def _run_slices(self, program: Program, end: int, minibatch: int, sources: Sequence[Any]) -> None:
        """Runs to the end, with a look at Ctrl-C now and then."""
        position, mapped = 0, _mapped_rows(sources)
        if mapped is not None:
            mapped.begin(shuffled=False)
        while position < end:
            stop = end if mapped is None else min(end, mapped.window(position, minibatch))
            position, _ = program.run(stop, position=position, minibatch=minibatch, seconds=SLICE_SECONDS,
                                      seed=self.seed)  # fmt: skip
            if mapped is not None:
                mapped.give_back()
                mapped.ask(None, position, min(end, mapped.window(position, minibatch)))

    def _require_whole_minibatches(self, rows: int, minibatch: int) -> None:
        """Raises ValueError where a stateful model would get a last minibatch of fewer rows."""
        if self.stateful and rows % minibatch:
            raise ValueError(
                f"model {self.name!r} has stateful layers: all minibatches must have the same number of rows; got "
                f"{rows} rows in minibatches of {minibatch}"
            )

    def _require_minibatches_of_training(self, rows: int, batch_size: int, steps: int | None,
                                         trained: int | None) -> None:  # fmt: skip
        """Raises ValueError where a stateful model would be validated on minibatches of other rows than training's."""
        if not self.stateful:
            return
        rows = rows if steps is None else min(rows, steps * batch_size)
        minibatch = min(batch_size, rows)
        self._require_whole_minibatches(rows, minibatch)
        if trained not in (None, minibatch):
            raise ValueError(
                f"model {self.name!r} has stateful layers: all minibatches must have the same number of rows; "
                f"training's have {trained}, and those of the validation data {minibatch}"
            )

    def _named(self, totals: Any, rows: int) -> Logs:
        return dict(zip(self.metrics_names, self.objective.values(totals, rows), strict=True))

    def predict(self, x: Inputs | Minibatches | None, batch_size: int | None = None, verbose: Verbose = "auto",
                steps: int | None = None, callbacks: Callbacks = None) -> Outputs:  # fmt: skip
        """Returns the outputs for the rows of x, as an array of the model's dtype.

        `batch_size` changes neither result nor memory: the engine takes the rows in chunks of its own. Hooks of
        `callbacks` and stateful layers see minibatches of so many rows, 32 unless given.
        """
        verbose = _verbose(verbose)  # type: ignore[assignment]
        batch_size = 32 if batch_size is None else positive_integer("predict", "batch_size", batch_size)
        steps = None if steps is None else positive_integer("predict", "steps", steps)
        if callbacks is None and steps is None:
            call = self._call("predict")
            output = None if call is None else call.infer(x)  # of few rows in the form of the last call
            if output is not None:
                return output
        with self._exclusively():
            if isinstance(x, PyDataset) or (_gives_minibatches(x) and not hasattr(x, "__getitem__")):
                calls = self._callback_list(callbacks, verbose, _known_length(x) if steps is None else steps)
                with self._drawn(x, steps) as drawn:
                    shapes = self.graph.input_shapes if self.built else (None,)
                    parts = (self._features(_inputs_of(batch, shapes), "predict") for batch in drawn)
                    return self._predict_parts(parts, calls)
            sources = self._features(x, "predict")
            count = _steps(sources[0].rows, batch_size, steps)
            calls = self._callback_list(callbacks, verbose, count)
            end = min(sources[0].rows, count * batch_size)
            part = batch_size if calls.needs_batch_hook("predict") or self.stateful else end
            cuts = [slice(begin, min(begin + part, end)) for begin in range(0, end, part)]
            return self._predict_parts(([source.part(cut) for source in sources] for cut in cuts), calls)

    def _predict_parts(self, parts: Iterable[Any], calls: CallbackList) -> Outputs:
        hooked = calls.needs_batch_hook("predict")
        self.stop_predicting = False
        self._call_hooks(calls.on_predict_begin)
        outputs = []
        for batch, sources in enumerate(parts):
            if hooked:
                self._call_hooks(calls.on_predict_batch_begin, batch)
            outputs.append(self._predict_sources(sources))
            if hooked:
                self._call_hooks(calls.on_predict_batch_end, batch, {"outputs": outputs[-1]})
                if self.stop_predicting:
                    break
        if not outputs:
            raise ValueError("predict needs at least one row; the iterable gave none")
        self._call_hooks(calls.on_predict_end)
        if len(outputs) == 1:
            return outputs[0]
        if isinstance(outputs[0], list):
            return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]
        return np.concatenate(outputs)


class _ArrayFeed:
    """Epochs over arrays, in the engine's loop."""

    def __init__(self, model: Any, data: Batch, batch_size: int, shuffle: bool, steps: int | None) -> None:
        self.model, self.data = model, data
        self.batch_size = min(batch_size, data.rows)
        self.shuffle = shuffle
        self.steps = _steps(data.rows, batch_size, steps)
        self.rows = min(data.rows, self.steps * self.batch_size)
        self.mapped = _mapped_rows([*data.x, *data.y])
        model._require_whole_minibatches(self.rows, self.batch_size)

    def _bound_program(self, totals: Any) -> Program:
        program: Program = self.model._program("train", self.batch_size, weighted(self.data.weights))
        program.bind_inputs(self.data.x)
        program.bind_targets(self.data.y, self.data.weights)
        program.builder.totals[:] = totals
        return program

    drawn = 0  # as rows are there by number

    @property
    def layout(self) -> Config:
        """What must be the same for a training that goes on in the middle of an epoch."""
        return {"rows": self.data.rows, "batch_size": self.batch_size, "minibatches": self.steps}

    def pass_over(self, initial_epoch: int, position: Config) -> None:
        """Makes ready for a training that was interrupted at `position`."""

    def _order(self, first_step: int) -> Array | None:
        """The data row at each position of an epoch; None where rows stay as they are."""
        if not callable(self.shuffle):
            return _engine.shuffled(self.data.rows, self.model.seed, first_step) if self.shuffle else None
        order = np.asarray(self.shuffle(self.data.rows))
        if order.shape != (self.data.rows,) or order.dtype.kind not in "iu":
            raise ValueError(f"shuffle must return an array of {self.data.rows} numbers of rows; got one of shape "
                             f"{order.shape} and type {order.dtype}")  # fmt: skip
        if order.min() < 0 or order.max() >= self.data.rows:
            raise ValueError(f"shuffle must return numbers of rows, 0 to {self.data.rows - 1}; got "
                             f"{order.min()} to {order.max()}")  # fmt: skip
        return np.ascontiguousarray(order, np.int64)

    def run_epoch(self, epoch: int, calls: CallbackList, begun: Any = None) -> Logs:
        """Trains one epoch, or what is left of an Interrupted one, `begun`; returns its means by name."""
        model, optimizer = self.model, self.model.optimizer
        hooked = calls.needs_batch_hook("train")
        batch, totals, first_step = _begun(begun, model)
        position = min(batch * self.batch_size, self.rows)
        order = self._order(first_step)
        logs = model._named(totals, position) if position else {}
        stopped = batch and begun.stopped
        foreign = True
        if self.mapped is not None:
            self.mapped.begin(self.shuffle)
        while position < self.rows and not stopped:
            if hooked:
                model._call_hooks(calls.on_train_batch_begin, batch)
            if foreign:  # hooks may have written weights, and used the same plan for other data
                program = self._bound_program(totals)
            one = hooked or model.stop_training
            end = min(position + self.batch_size, self.rows) if one else self.rows
            if self.mapped is not None:
                end = min(end, self.mapped.window(position, self.batch_size))
                self.mapped.ask(order, end, min(self.rows, 2 * end - position))
            steps, learning_rate = optimizer.prepare(-(-(end - position) // self.batch_size))
            reached, bad = program.run(
                min(end, position + steps * self.batch_size),
                position=position,
                minibatch=self.batch_size,
                order=order,
                counter=optimizer.counter,
                seed=model.seed,
                learning_rate=learning_rate,
                seconds=SLICE_SECONDS,
                prologue=foreign,  # nobody but us has touched the weights since the last slice
            )
            batch += -(-(reached - position) // self.batch_size)
            position = reached
            if self.mapped is not None:
                self.mapped.give_back()
            if bad:
                raise NonFiniteLossError(
                    f"the loss became NaN or infinite in epoch {epoch + 1}, minibatch {batch + 1}; the weights are "
                    "those before it. A smaller learning rate, or scaled inputs, may help"
                )
            foreign = hooked
            logs = model._named(program.builder.totals, max(1, position))
            calls.progress(position, logs)
            if hooked:
                totals = program.builder.totals.copy()
                model._position = {"epoch": epoch, "batch": batch, "totals": totals.tolist(), "first_step": first_step,
                                   "layout": self.layout}  # fmt: skip
                model._call_hooks(calls.on_train_batch_end, batch - 1, logs)
            if model.stop_training:
                break
        return logs


class _BatchFeed:
    """Epochs over an iterable of minibatches."""

    rows = None

    def __init__(self, model: Any, batches: Any, class_weight: Mapping[int, float] | None, steps: int | None,
                 shuffle: bool) -> None:  # fmt: skip
        self.model, self.batches, self.class_weight, self.limit = model, batches, class_weight, steps
        self.numbered = isinstance(batches, PyDataset)
        self.shuffle = shuffle and self.numbered
        if self.numbered and steps is None:
            self.limit = len(batches)
        self.steps = _known_length(batches) if self.limit is None else self.limit  # None where nobody knows
        # an iterator goes on in the next epoch; others are not asked for one before, as that may begin their work
        self.once = hasattr(batches, "__next__")
        self.drawn = 0

    @property
    def layout(self) -> Config:
        """What must be the same for a training that goes on in the middle of an epoch."""
        return {"minibatches": self.limit}

    def pass_over(self, initial_epoch: int, position: Config) -> None:
        """Makes ready for a training that was interrupted at `position`: what has been drawn already is."""
        if self.once:
            with self.model._drawn(self.batches, position["drawn"]) as drawn:
                self.drawn = sum(1 for _ in drawn)
        for _ in range(initial_epoch, position["epoch"] if self.numbered else initial_epoch):
            self.model._call_hooks(self.batches.on_epoch_begin)
            self.model._call_hooks(self.batches.on_epoch_end)

    def run_epoch(self, epoch: int, calls: CallbackList, begun: Any = None) -> Logs:
        """Trains one epoch, or what is left of an Interrupted one, `begun`; returns its means by name."""
        model, batches = self.model, self.batches
        done, totals, first_step = _begun(begun, model)
        rows = begun.position["rows"] if done else 0
        limit = self.limit
        if limit is not None:
            limit -= done
        if done and begun.stopped:
            limit = 0
        if self.numbered:
            model._call_hooks(batches.on_epoch_begin)
        if self.shuffle:
            batches = batches.in_order(_engine.shuffled(len(batches), model.seed, first_step).tolist()[done:])
        elif self.numbered and done:
            batches = batches.in_order(range(done, len(batches)))
        again = 0 if self.numbered or self.once else done  # minibatches that come once more, to be left out
        with model._drawn(batches, None if limit is None else limit + again) as drawn:
            for _ in itertools.islice(drawn, again):
                pass
            rows, logs = self._run_minibatches(drawn, epoch, calls, done, totals, rows, first_step)
        if not rows:
            raise ValueError(f"the iterable gave no minibatch for epoch {epoch + 1}")
        if self.numbered:
            model._call_hooks(self.batches.on_epoch_end)
        return logs

    def _run_minibatches(self, drawn: Any, epoch: int, calls: CallbackList, done: int, totals: Any, rows: int,
                         first_step: int) -> tuple[int, Logs]:  # fmt: skip
        """Trains on minibatches behind `done`, of which `totals` and `rows` are known; returns all rows, and means."""
        model, optimizer = self.model, self.model.optimizer
        hooked = calls.needs_batch_hook("train")
        logs = model._named(totals, rows) if done else {}
        for batch, data in enumerate(drawn, done):
            self.drawn += 1
            now = model._minibatch(*_unpack(data), self.class_weight, "fit")
            if hooked:
                model._call_hooks(calls.on_train_batch_begin, batch)
            program = model._program("train", now.rows, weighted(now.weights))
            try:
                sums = model._run_minibatch(program, now, counter=optimizer.counter,
                                            learning_rate=optimizer.prepare(1)[1])  # fmt: skip
            except NonFiniteLossError as error:
                raise NonFiniteLossError(
                    f"the loss became NaN or infinite in epoch {epoch + 1}, minibatch {batch + 1}; the weights are "
                    "those before it. A smaller learning rate, or scaled inputs, may help"
                ) from error
            totals, rows = totals + sums, rows + now.rows
            logs = model._named(totals, rows)
            calls.progress(rows, logs)
            if hooked:
                model._position = {"epoch": epoch, "batch": batch + 1, "totals": totals.tolist(), "rows": rows,
                                   "first_step": first_step, "drawn": self.drawn, "layout": self.layout}  # fmt: skip
                model._call_hooks(calls.on_train_batch_end, batch, logs)
            if model.stop_training:
                break
        return rows, logs


def _begun(begun: Any, model: Any) -> tuple[int, Any, int]:
    """Minibatches that are done, the sums over them, and the step before the first of them, at an epoch's beginning."""
    model._reset_metrics()
    if begun is None or not begun.in_epoch:
        return 0, 0.0, int(model.optimizer.counter[0])
    begun.restore_metrics(model)
    position = begun.position
    return position["batch"], np.array(position["totals"]), position["first_step"]


def _mapped_rows(sources: Sequence[Any]) -> Any:
    """What `MappedRows.find` gives."""
    from nncore._mapped import MappedRows  # which no program needs before it computes

    return MappedRows.find(sources)


def _steps(rows: int, batch_size: int, steps: int | None) -> int:
    """The number of minibatches, of no more than `steps`."""
    count = -(-rows // batch_size)
    return count if steps is None else min(steps, count)


def _unpack(batch: Any) -> tuple[Any, Any, Any]:
    """(x, y, sample_weight) of what an iterable of minibatches gave."""
    if not isinstance(batch, (tuple, list)) or len(batch) not in (1, 2, 3):
        raise ValueError(f"a minibatch must be (x, y) or (x, y, sample_weight); got {type(batch).__name__}")
    return (*batch, *[None] * (3 - len(batch)))


def _verbose(verbose: Any) -> int:
    if not isinstance(verbose, (str, int, float, np.bool_, np.number)) or verbose not in ("auto", 0, 1, 2):
        raise ValueError(f"verbose must be 'auto', 0, 1 or 2, not {verbose!r}")
    return 1 if verbose == "auto" else int(verbose)


def _cut(rows: int, split: float) -> int:
    """Rows before the validation part; each part keeps at least one."""
    kept = math.floor(rows * (1 - split))
    if not 0 < kept < rows:
        raise ValueError(f"validation_split={split} of {rows} rows leaves one part empty")
    return kept


def _is_iterable_of_batches(x: Any, y: Any) -> bool:
    """Whether `x` gives minibatches: it is no array, and there are no targets beside it."""
    return y is None and _gives_minibatches(x)


# What makes arrays of a thing, which then gives no minibatches but rows.
_ARRAY_PROTOCOLS = ("__array__", "__array_interface__", "__dlpack__", "__arrow_c_stream__", "__arrow_c_array__")


def _gives_minibatches(x: Any) -> bool:
    if isinstance(x, (dict, str, bytes, bytearray, memoryview)) or not hasattr(x, "__iter__"):
        return isinstance(x, PyDataset)
    return not any(hasattr(x, name) for name in _ARRAY_PROTOCOLS)


def _known_length(batches: Any) -> int | None:
    """How many minibatches an iterable says it has; None where it does not."""
    try:
        return len(batches)
    except TypeError:
        return None


def _inputs_of(batch: Any, shapes: Sequence[Any] = (None,)) -> Any:
    """The inputs of what an iterable of minibatches gave: (x,), (x, y), (x, y, sample_weight) or x.

    Where there is one input, of samples of `shapes`, a list of arrays, as loaders give them, is such a tuple, too.
    """
    if isinstance(batch, list) and len(shapes) == 1 and 1 <= len(batch) <= 3 and hasattr(batch[0], "shape"):
        axes = len(batch[0].shape)
        if axes > 0 if shapes[0] is None else axes == len(shapes[0]) + 1:
            return batch[0]
    return batch[0] if isinstance(batch, tuple) else batch

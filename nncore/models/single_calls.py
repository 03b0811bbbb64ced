"""Single calls of a model - a prediction, a minibatch of training, forward and backward - and the plans behind them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from nncore import _checks, _data, _engine, config
from nncore._calls import Call
from nncore._plan import MIRRORING_ROWS
from nncore.layers import composite
from nncore.layers.layer import Trainable
from nncore.layers.tensor import is_symbolic
from nncore.models.objective import finite_targets, weighted
from nncore.models.programs import PREDICT_ROWS, Program
from nncore.models.training import Batch, NonFiniteLossError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from nncore._calls import Exclusive
    from nncore._data import Source
    from nncore._graph import Graph
    from nncore._likes import Tensors
    from nncore._typing import Array, Inputs, Outputs
    from nncore._weight import Weight
    from nncore.layers.tensor import Tensor
    from nncore.models.objective import Objective
    from nncore.optimizers.optimizer import Optimizer

MAX_PROGRAMS = 8  # plans kept; the one not used for longest goes first
AS_COMPILED = ("train", "test")  # kinds for which layers are trainable as they were when the model was compiled


class SingleCalls:
    """The part of a model that computes once."""

    if TYPE_CHECKING:  # what the other parts have
        name: str
        seed: int
        dtype: np.dtype[Any]
        graph: Graph | Any
        objective: Objective | Any
        optimizer: Optimizer | Any
        _calls: dict[Any, Call]
        _forwards: Array
        _lock: Exclusive
        _pending: tuple[Program, int] | None
        _programs: dict[Any, Program]
        _switches_seen: int
        _trainable_now: tuple[bool, ...] | None
        _as_compiled: Callable[[], Any]
        _build_from_data: Callable[[Any], None]
        _check_switches: Callable[[], None]
        _exclusively: Callable[[], Exclusive]
        _gradient: Callable[[Weight], Array]
        _require_compiled: Callable[[str], None]
        _run_slices: Callable[..., None]
        connect: Callable[..., Any]
        paths_of: Callable[..., list[str]]
        weight_list: Callable[..., list[Weight]]

        @property
        def built(self) -> bool: ...
        @property
        def input_names(self) -> list[str]: ...
        @property
        def metrics_names(self) -> list[str]: ...
        @property
        def output_names(self) -> list[str]: ...
        @property
        def trainable_variables(self) -> list[Array]: ...

    # ---- plans

    @property
    def stateful(self) -> bool:
        """Whether a layer keeps states from minibatch to minibatch: all of them then have the same number of rows."""
        return any(getattr(layer, "stateful", False) for layer in all_layers(self))

    def _program(self, kind: str, rows: int, weighted: tuple[int, ...] = ()) -> Program:
        """The plan for `kind`, for minibatches of at least `rows`."""
        with self._as_compiled() if kind in AS_COMPILED else contextlib.nullcontext():
            trainable = tuple(layer.trainable for layer in all_layers(self))
            many = rows >= MIRRORING_ROWS  # few rows go without mirrors, which cost a pass over the weights
            key = (kind, many, weighted, trainable, config.get_nonfinite())
            program = self._programs.pop(key, None)
            if program is None or program.builder.rows < rows or (self.stateful and program.builder.rows != rows):
                if kind == "train":
                    self.optimizer.build(self.trainable_variables, self.paths_of(self.trainable_variables))
                try:
                    program = Program(self, kind, rows, weighted)  # type: ignore[arg-type]
                except OverflowError as error:
                    raise ValueError(
                        f"model {self.name!r} with minibatches of {rows:,} rows: an option or a size that follows from "
                        "them is beyond 64 bits"
                    ) from error
        self._programs[key] = program
        while len(self._programs) > MAX_PROGRAMS:
            del self._programs[next(iter(self._programs))]
        return program

    def _call(self, kind: str) -> Call | None:
        """The Call for data of the form that the last one of this kind had, as layers are trainable; or None."""
        return self._calls.get(self._call_key(kind))

    def _call_key(self, kind: str) -> Any:
        if kind in AS_COMPILED:
            self._check_switches()
            return kind
        if self._switches_seen != Trainable.switches:
            self._switches_seen = Trainable.switches
            self._trainable_now = tuple(layer.trainable for layer in all_layers(self))
        return kind, self._trainable_now

    def _prepare_call(self, kind: str, program: Program, sources: Sequence[Source], **options: Any) -> None:
        """Lets the next calls of this kind go straight into the program, where their data has the form of this one."""
        key = self._call_key(kind)
        known = self._calls.pop(key, None)
        if len(sources) > 1 or len(self.graph.outputs) > 1 or config.get_check_finite() or self.stateful:
            return
        if self.graph.preparing(0)[0]:
            return
        if known is not None and known.program is program and known.current:
            self._calls[key] = known
            return
        while len(self._calls) >= MAX_PROGRAMS:
            del self._calls[next(iter(self._calls))]
        rows = sources[0].rows
        embeddings, _ = self.graph.readers(0)
        if embeddings:
            options["indices"] = min(layer.input_dim for layer in embeddings)
        self._calls[key] = Call(self._lock, program, self.seed, config.get_num_threads(),
                                 self.graph.input_shapes[0], self.graph.output_shapes[0],
                                 fewest=MIRRORING_ROWS if rows >= MIRRORING_ROWS else 1, **options)  # fmt: skip

    def _prepare_learning(self, kind: str, program: Program, batch: Batch, counter: Array | None,
                          weights: Sequence[Weight] = ()) -> None:  # fmt: skip
        if any(weight is not None for weight in batch.weights) or not self.objective.plain:
            return
        shape, judge = self.graph.output_shapes[0], self.objective.outputs[0].target_of
        self._prepare_call(kind, program, batch.x, counter=counter, target_shape=judge.target_shape(shape),
                           classes=shape[-1] if judge.labels else 0, weights=weights)  # fmt: skip

    def _features(self, x: Any, what: str) -> list[Source]:
        """Checked sources of the inputs."""
        if not self.built:
            self._build_from_data(x)
        names, shapes = self.input_names, self.graph.input_shapes
        several = len(names) > 1
        sources: list[Any] = []
        for name, shape, data in zip(names, shapes, _data.per_name("x", x, names), strict=True):
            owner = f"input {name!r}" if several else f"layer {self._first_layer().name!r}"
            label = f"x of input {name!r}" if several else "x"
            preparing, tensor = self.graph.preparing(len(sources))
            if preparing:
                from nncore.layers.preparing import prepare  # of few programs

                data, shape = prepare(preparing, data, shape, tensor.sample_shape, label), tensor.sample_shape
            source = _data.features(data, shape, self.dtype, owner, label)
            embeddings, _ = self.graph.readers(len(sources))
            if embeddings:
                _data.check_indices(source, embeddings, label)
            if source.rows == 0:
                raise ValueError(f"{what} needs at least one row; x has shape {source.array.shape}")
            if config.get_check_finite():
                _data.check_finite(source, "x")
            sources.append(source)
        if any(source.rows != sources[0].rows for source in sources):
            rows = ", ".join(f"{name!r} {source.rows}" for name, source in zip(names, sources, strict=True))
            raise ValueError(f"all inputs need the same number of rows; got {rows}")
        return sources

    def _first_layer(self) -> Any:
        """The layer that an input's shape belongs to, for errors."""
        for node in self.graph.nodes:
            if node.inputs:
                return node.layer
        return self.graph.layers[0]

    # ---- single calls

    @overload
    def __call__(self, x: Tensors, training: bool = False) -> Tensor | Any: ...

    @overload
    def __call__(self, x: Inputs, training: bool = False) -> Outputs: ...

    def __call__(self, x: Any, training: bool = False) -> Any:
        """Returns the outputs for the rows of x, as an array; for symbolic tensors, symbolic outputs."""
        if is_symbolic(x):
            composite.check_mode(self, training or None)
            return self.connect(x)
        if training is not False and _checks.boolean("a call", "training", training):
            return self.forward(x, training=True)
        return self.predict_on_batch(x)

    def predict_on_batch(self, x: Inputs) -> Outputs:
        """Returns the outputs for the rows of x, as an array of the model's dtype; a list for several outputs."""
        call = self._call("predict")
        output = None if call is None else call.infer(x)
        if output is not None:
            return output
        with self._exclusively():
            return self._predict_sources(self._features(x, "predict"))

    def _empty_outputs(self, rows: int) -> list[Array]:
        return [np.empty((rows, *shape), self.dtype) for shape in self.graph.output_shapes]

    def _predict_sources(self, sources: Sequence[Source]) -> Outputs:
        rows = PREDICT_ROWS if sources[0].rows >= MIRRORING_ROWS else MIRRORING_ROWS - 1
        if self.stateful:
            rows = sources[0].rows
        program = self._program("predict", rows)
        outputs = self._empty_outputs(sources[0].rows)
        program.bind_inputs(sources)
        program.bind_arrays("output", outputs)
        self._run_slices(program, sources[0].rows, rows, sources)
        self._prepare_call("predict", program, sources)
        return single(outputs)

    def forward(self, x: Inputs, training: bool = True) -> Outputs:
        """Returns the outputs for the rows of x, and keeps what `backward` needs.

        With `training` dropout is active, each call drawing new numbers, and normalization uses the minibatch, of which
        each call moves its averages.
        """
        mode = training is True or _checks.boolean("forward", "training", training)
        kind = "forward_training" if mode else "forward"
        call = self._call(kind)
        output = None if call is None else call.infer(x, True)
        if output is not None:
            self._pending = (call.program, len(output))  # type: ignore[union-attr]
            return output
        with self._exclusively():
            sources = self._features(x, "forward")
            rows = sources[0].rows
            program = self._program(kind, rows)
            outputs = self._empty_outputs(rows)
            program.bind_inputs(sources)
            program.bind_arrays("output", outputs)
            program.builder.bind_gradients(self._gradient)
            program.run(rows, backward=False, seed=self.seed, counter=self._forwards)
            self._pending = (program, rows)
            self._prepare_call(kind, program, sources, counter=self._forwards)
            return single(outputs)

    def backward(self, dy: Inputs) -> Outputs:
        """Adds to `gradients`, for the gradient dy of a loss with respect to the outputs of the last `forward`.

        Other calls may come between the two, but no change of the weights. Layers that were not trainable at that
        `forward` hand the gradient on and get none.

        Returns the gradient with respect to the inputs. Both are lists where there are several. Penalties of
        regularizers are not part of it.
        """
        if self._pending is None:
            raise RuntimeError("backward needs a forward before it, one for each, and belongs to the last forward")
        program, rows = self._pending
        call = self._call(program.kind)
        dx = call.send_back(dy, rows) if call is not None and call.program is program else None
        if dx is None:
            with self._exclusively():
                dys = []
                names, shapes = self.output_names, self.graph.output_shapes
                for data, shape in zip(_data.per_name("dy", dy, names), shapes, strict=True):
                    array = np.ascontiguousarray(_data.as_array(data, "dy"), self.dtype)
                    if array.shape != (rows, *shape):
                        raise ValueError(
                            f"dy must have the shape of the outputs, {(rows, *shape)}; got {array.shape}"
                        )
                    dys.append(array)
                dxs = [np.zeros((rows, *shape), self.dtype) for shape in self.graph.input_shapes]
                program.bind_arrays("dy", dys)
                program.bind_arrays("dx", dxs)
                self._forwards[0] -= 1  # the numbers of the forward pass once more
                program.run(rows, backward=True, seed=self.seed, counter=self._forwards)
                dx = single(dxs)
        self._pending = None
        return dx

    def value_and_gradients(self, x: Inputs, y: Inputs,
                            sample_weight: Inputs | None = None) -> tuple[float, list[Array]]:  # fmt: skip
        """Returns the loss of a minibatch and its gradients, new arrays beside `trainable_variables`.

        Nothing in the model changes; dropout is active, and penalties of regularizers are in the loss.
        """
        call = self._call("gradients")
        found = None if call is None or sample_weight is not None else call.differentiate(x, y)
        if found is not None:
            return found
        with self._exclusively():
            batch = self._minibatch(x, y, sample_weight, None, "value_and_gradients")
            program = self._program("gradients", batch.rows, weighted(batch.weights))
            weights = self.weight_list(trainable_only=True)
            gradients = {w: _engine.aligned_zeros(w.array.shape, self.dtype) for w in weights}
            program.builder.bind_gradients(gradients.__getitem__)
            totals = self._run_minibatch(program, batch, counter=np.array([self._forwards[0]]))
            self._prepare_learning("gradients", program, batch, self._forwards, weights)
            return float(totals[0]) / batch.rows, list(gradients.values())

    def train_on_batch(self, x: Inputs, y: Inputs | None = None, sample_weight: Inputs | None = None,
                       class_weight: Mapping[int, float] | None = None, return_dict: bool = False) -> Any:  # fmt: skip
        """Trains on one minibatch; returns its loss before the update, and the metrics after it if there are any."""
        as_dict = return_dict is not False and _checks.boolean("train_on_batch", "return_dict", return_dict)
        call = None if sample_weight is not None or class_weight is not None or as_dict else self._call("train")
        values = None if call is None else call.learn(x, y, self.optimizer.prepare(1)[1])
        if values is not None:
            return values
        with self._exclusively():
            batch = self._minibatch(x, y, sample_weight, class_weight, "train_on_batch")
            self.objective.reset_state()
            program = self._program("train", batch.rows, weighted(batch.weights))
            totals = self._run_minibatch(program, batch, counter=self.optimizer.counter,
                                         learning_rate=self.optimizer.prepare(1)[1])  # fmt: skip
            self._prepare_learning("train", program, batch, self.optimizer.counter)
            return self._results(totals, batch.rows, as_dict)

    def test_on_batch(self, x: Inputs, y: Inputs | None = None, sample_weight: Inputs | None = None,
                      return_dict: bool = False) -> Any:  # fmt: skip
        """Returns the loss of one minibatch, and the metrics after it if there are any."""
        as_dict = return_dict is not False and _checks.boolean("test_on_batch", "return_dict", return_dict)
        call = None if sample_weight is not None or as_dict else self._call("test")
        values = None if call is None else call.learn(x, y)
        if values is not None:
            return values
        with self._exclusively():
            batch = self._minibatch(x, y, sample_weight, None, "test_on_batch")
            self.objective.reset_state()
            program = self._program("test", batch.rows, weighted(batch.weights))
            totals = self._run_minibatch(program, batch)
            self._prepare_learning("test", program, batch, None)
            return self._results(totals, batch.rows, as_dict)

    def _minibatch(self, x: Any, y: Any, sample_weight: Any, class_weight: Mapping[int, float] | None,
                   what: str) -> Batch:  # fmt: skip
        """Checked sources of inputs, targets and weights."""
        x = self._features(x, what)
        self._require_compiled(what)
        if y is None:
            raise ValueError(f"{what} needs targets y")
        targets, weights = self.objective.targets(y, sample_weight, class_weight, x[0].rows, self.dtype)
        if config.get_check_finite():
            finite_targets(targets)
        return Batch(x, targets, weights)

    def _run_minibatch(self, program: Program, batch: Batch, **options: Any) -> Array:
        program.bind_inputs(batch.x)
        program.bind_targets(batch.y, batch.weights)
        totals = program.builder.totals
        totals[:] = 0
        _, bad = program.run(batch.rows, seed=self.seed, **options)
        if bad:
            raise NonFiniteLossError(
                "the loss of this minibatch is NaN or infinite; no weight was changed. A smaller learning rate, or "
                "scaled inputs, may help"
            )
        return totals

    def _results(self, totals: Array, rows: int, return_dict: bool) -> Any:
        values = self.objective.values(totals, rows)
        if return_dict:
            return dict(zip(self.metrics_names, values, strict=True))
        return values if len(values) > 1 else values[0]


def single(things: Any) -> Any:
    """The only one of a list, or the list."""
    return things[0] if len(things) == 1 else things


def all_layers(model: Any) -> Iterator[Any]:
    """The layers, those of models among them, and those that layers are made of."""
    for layer in model.layers:
        if isinstance(layer, SingleCalls):
            yield from all_layers(layer)
        else:
            yield layer
            yield from _inner_layers(layer)


def _inner_layers(layer: Any) -> Iterator[Any]:
    for inner in layer.sublayers:
        yield from all_layers(inner) if isinstance(inner, SingleCalls) else (inner, *_inner_layers(inner))

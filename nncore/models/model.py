"""A model: layers in a graph, compiled for training."""

import numpy as np

from nncore import _checks, _data, _engine, config
from nncore._calls import Call, Exclusive
from nncore._graph import Graph
from nncore._plan import MIRRORING_ROWS
from nncore.layers.input import Input
from nncore.layers.layer import Symbolic, Trainable, WeightMaker, copy_into, emit_layer, unique_name
from nncore.layers.tensor import Tensor, is_symbolic
from nncore.models import saving, training
from nncore.models.objective import Objective, finite_targets, weighted
from nncore.models.programs import PREDICT_ROWS, Program

MAX_PROGRAMS = 8  # plans kept; the one not used for longest goes first


class Model(Trainable, Symbolic, training.Training):
    """A network: any directed acyclic graph of layers, with training, evaluation, prediction and files.

    Parameters
    ----------
    inputs, outputs : Tensor, or list of Tensor
        What `nn.Input` gave, and what layers gave that were called on it. A dict of inputs has them by name.
    dtype : "float32", "float64" or "mixed_bfloat16"
        Of weights and computation. "mixed_bfloat16": weights, sums and everything else in float32, and the operands of
        matrix products in bfloat16 where the processor multiplies it (`nncore.config.bfloat16`), else in float32 too.
    seed : int, optional
        Of weights, dropout and shuffling; that of `nncore.config.set_seed` unless given.

    Examples
    --------
    >>> a, b = nn.Input((4,)), nn.Input((2,))
    >>> joined = nn.layers.Concatenate()([nn.layers.Dense(8, activation="relu")(a), b])
    >>> model = nn.Model([a, b], nn.layers.Dense(1)(joined))
    >>> model.output_shape
    (None, 1)
    """

    def __init__(self, inputs=None, outputs=None, *, name=None, trainable=True, dtype="float32", seed=None):
        self._open(name, trainable, dtype, seed)
        if inputs is None or outputs is None:
            raise TypeError("Model needs inputs and outputs: nn.Model(inputs, outputs); nn.Sequential takes layers")
        inputs, outputs = (_tensors(which, given) for which, given in (("inputs", inputs), ("outputs", outputs)))
        if len({id(tensor) for tensor in inputs}) < len(inputs):
            raise ValueError(f"model {self.name!r}: an input is given twice")
        self._build_graph(Graph(inputs, outputs, f"model {self.name!r}", lambda tensor: Input(tensor.sample_shape)))
        if not self._trainable:
            self.trainable = False

    def _open(self, name, trainable, dtype, seed):
        """Everything but the graph."""
        self.dtype, self.dtype_policy = _check_dtype(dtype)
        self.seed = config.get_seed() if seed is None else config.check_seed(seed)
        self.name = name or unique_name({"Model": "Functional"}.get(type(self).__name__, type(self).__name__))
        self.graph = None
        self._trainable = _checks.boolean(type(self).__name__, "trainable", trainable)
        self.optimizer = self.loss = None
        self.objective = None
        self.compiled = False
        self.stop_training = self.stop_evaluating = self.stop_predicting = False
        self._position = None  # where `fit` is, for backups
        self._compilation = {}
        self._reset_programs()

    def _reset_programs(self):
        self._programs = {}
        self._calls = {}  # of each kind: the Call for the form of data that it got last
        self._pending = None  # (program, rows) of a `forward` whose `backward` may follow
        self._forwards = np.zeros(1, np.int64)  # counts training passes of `forward`, for dropout
        self._lock = Exclusive(f"model {self.name!r}")

    def _exclusively(self):
        """Refuses a second thread, which would change what the first one reads."""
        return self._lock

    def _forget_programs(self):
        self._programs.clear()
        self._calls.clear()

    # ---- structure

    @property
    def trainable(self):
        """Whether training changes the weights. Setting it sets it for every layer."""
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        Trainable.trainable.fset(self, value)
        for layer in self.layers:
            layer.trainable = self._trainable

    @property
    def layers(self):
        """The layers, in Keras's order: by the longest way to an output."""
        return [] if self.graph is None else list(self.graph.layers)

    def get_layer(self, name=None, index=None):
        """Returns the layer of this name or at this index."""
        layers = self.layers
        if (name is None) == (index is None):
            raise ValueError("get_layer takes a name or an index")
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(f"there is no layer {index}; the model has {len(layers)} layers")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(f"there is no layer {name!r}.{_checks.suggest(name, [layer.name for layer in layers])}")

    @property
    def built(self):
        """Whether the shape of the inputs is known and the weights exist."""
        return self.graph is not None

    def _require_built(self):
        if not self.built:
            raise ValueError(
                f"model {self.name!r} has no shape yet: begin it with nn.Input((features,)), or call "
                "build((None, features))"
            )

    def _build_graph(self, graph):
        graph.build(WeightMaker(self.dtype, self.seed))
        self.graph = graph
        self.objective = None
        self._forget_programs()

    @property
    def inputs(self):
        """The symbolic tensors that go in."""
        self._require_built()
        return list(self.graph.inputs)

    @property
    def outputs(self):
        """The symbolic tensors that come out."""
        self._require_built()
        return list(self.graph.outputs)

    @property
    def input(self):
        """The symbolic tensor that goes in, or the list of several."""
        return _single(self.inputs)

    @property
    def output(self):
        """The symbolic tensor that comes out, or the list of several."""
        return _single(self.outputs)

    @property
    def input_names(self):
        """Names of the inputs' layers."""
        return [tensor.name for tensor in self.inputs]

    @property
    def output_names(self):
        """Names of the layers that the outputs come from; counted where one gives several."""
        names = []
        for tensor in self.outputs:
            count = sum(name == tensor.name or name.startswith(f"{tensor.name}_#") for name in names)
            names.append(f"{tensor.name}_#{count}" if count else tensor.name)
        return names

    @property
    def input_shape(self):
        """(None, ...): None is the axis of samples. A list of them where there are several inputs."""
        return _single([tensor.shape for tensor in self.inputs])

    @property
    def output_shape(self):
        """(None, ...): None is the axis of samples. A list of them where there are several outputs."""
        return _single([tensor.shape for tensor in self.outputs])

    # ---- as a layer of another model

    @property
    def merges(self):
        """Whether it takes a list of tensors."""
        return self.built and len(self.graph.inputs) > 1

    def sample_shapes(self, shapes):
        """Shapes of a sample of each output."""
        self._require_built()
        if list(shapes) != self.graph.input_shapes:
            raise ValueError(
                f"model {self.name!r} takes samples of shape {_single(self.graph.input_shapes)}; got "
                f"{_single(list(shapes))}"
            )
        return list(self.graph.output_shapes)

    def build_for(self, input_shape, weights):
        """Checks that it can be part of a model with weights of another WeightMaker."""
        if self.dtype != weights.dtype:
            raise ValueError(
                f"model {self.name!r} has weights of {self.dtype}; the model around it has {weights.dtype}"
            )

    def emit(self, builder, *xs):
        """Adds the model's steps to a plan; returns the output's Value, or a list of several."""
        return _single(self.emit_graph(builder, xs))

    def emit_graph(self, builder, xs):
        """Adds the model's steps to a plan; returns the outputs' Values."""
        return self.graph.emit(builder, xs, emit_layer)

    activity_regularizer = None

    # ---- weights

    def weight_list(self, trainable_only=False):
        """The Weight objects, layer by layer."""
        self._require_built()
        return [w for layer in self.layers for w in layer.weight_list(trainable_only)]

    @property
    def weights(self):
        """All weights: arrays that view the engine's memory; writing into one changes the model."""
        return [w.array for w in self.weight_list()]

    variables = weights

    def paths_of(self, arrays):
        """The names "layer/weight" of weights, given as their arrays."""
        paths = {id(w.array): f"{layer.name}/{w.name}" for layer in _all_layers(self) for w in layer.weight_list()}
        return [paths[id(array)] for array in arrays]

    @property
    def trainable_variables(self):
        """The weights that training changes."""
        return [w.array for w in self.weight_list(trainable_only=True)]

    trainable_weights = trainable_variables

    @property
    def non_trainable_variables(self):
        """The weights that training does not change."""
        trainable = {id(w) for w in self.weight_list(trainable_only=True)}
        return [w.array for w in self.weight_list() if id(w) not in trainable]

    non_trainable_weights = non_trainable_variables

    def get_weights(self):
        """Returns copies of all weights."""
        return [array.copy() for array in self.weights]

    def set_weights(self, weights):
        """Copies a list of arrays of the right shapes into the weights."""
        with self._exclusively():
            copy_into(self.weight_list(), weights, f"model {self.name!r}")

    def count_params(self):
        """Returns how many numbers the weights hold."""
        return sum(w.array.size for w in self.weight_list())

    @property
    def gradients(self):
        """Arrays beside `trainable_variables`, to which `backward` adds."""
        return [self._gradient(w) for w in self.weight_list(trainable_only=True)]

    @staticmethod
    def _gradient(weight):
        if weight.gradient is None:
            weight.gradient = _engine.aligned_zeros(weight.array.shape, weight.array.dtype)
        return weight.gradient

    def zero_gradients(self):
        """Sets `gradients` to zero."""
        for gradient in self.gradients:
            gradient[...] = 0

    # ---- compilation

    def compile(self, optimizer="rmsprop", loss=None, loss_weights=None, metrics=None, weighted_metrics=None,
                run_eagerly=False, steps_per_execution=1, jit_compile="auto", auto_scale_loss=True):  # fmt: skip
        """Chooses optimizer, losses and metrics.

        Parameters
        ----------
        optimizer : str or Optimizer
        loss : str or Loss; a list or dict of them, or of None, for several outputs
        loss_weights : float; a list or dict of them for several outputs
            Factors of the losses in the sum that is minimised.
        metrics, weighted_metrics : list of str or Metric; a list or dict of lists for several outputs
            "accuracy" is the accuracy that fits the loss. Weighted ones are means weighted by sample_weight.
        steps_per_execution, jit_compile, auto_scale_loss
            Change nothing: the loop over minibatches is compiled in any case, and there is no float16.

        Raises
        ------
        ValueError, TypeError
            For bad arguments, before anything has changed.
        """
        from nncore import optimizers  # as programs that only predict need none

        _checks.refuse("compile", run_eagerly=run_eagerly or None)
        self._lock.refuse_borrower("be compiled")
        optimizer = optimizers.get(optimizer)
        compilation = {"loss": loss, "loss_weights": loss_weights, "metrics": metrics,
                       "weighted_metrics": weighted_metrics}  # fmt: skip
        objective = self._resolve(compilation) if self.built else None
        with self._exclusively():
            self.optimizer, self.loss, self._compilation, self.objective = optimizer, loss, compilation, objective
            if objective is not None:
                self.loss = _single(objective.losses)
            self.compiled = True
            self._forget_programs()

    def _resolve(self, compilation):
        return Objective(self.output_names, self.graph.output_shapes, compilation["loss"], compilation["loss_weights"],
                         compilation["metrics"], compilation["weighted_metrics"])  # fmt: skip

    def _require_compiled(self, what):
        if self.compiled and self.objective is None:
            self.objective = self._resolve(self._compilation)
            self.loss = _single(self.objective.losses)
        if not self.compiled or not self.objective.with_loss:
            raise ValueError(f"{what} needs a loss: call model.compile(optimizer, loss) first")

    @property
    def metrics_names(self):
        """"loss", then the metrics' names: the order of evaluate's results."""
        return ["loss"] if self.objective is None else self.objective.names

    # ---- plans

    def _program(self, kind, rows, weighted=()):
        """The plan for `kind`, for minibatches of at least `rows`."""
        trainable = tuple(layer.trainable for layer in _all_layers(self))
        many = rows >= MIRRORING_ROWS  # few rows go without mirrors, which cost a pass over the weights
        key = (kind, many, weighted, trainable, config.get_nonfinite())
        program = self._programs.pop(key, None)
        if program is None or program.builder.rows < rows:
            if kind == "train":
                self.optimizer.build(self.trainable_variables, self.paths_of(self.trainable_variables))
            program = Program(self, kind, rows, weighted)
        self._programs[key] = program
        while len(self._programs) > MAX_PROGRAMS:
            del self._programs[next(iter(self._programs))]
        return program

    def _prepare_call(self, kind, program, sources, **options):
        """Lets the next calls of this kind go straight into the program, where their data has the form of this one."""
        known = self._calls.get(kind)
        if len(sources) > 1 or len(self.graph.outputs) > 1 or config.get_check_finite():
            return
        if known is not None and known.program is program and known.current:
            return
        rows = sources[0].rows
        self._calls[kind] = Call(self._lock, program, self.seed, config.get_num_threads(),
                                 self.graph.input_shapes[0], self.graph.output_shapes[0],
                                 fewest=MIRRORING_ROWS if rows >= MIRRORING_ROWS else 1, **options)  # fmt: skip

    def _prepare_learning(self, kind, program, batch, counter):
        if any(weight is not None for weight in batch.weights) or not self.objective.plain:
            return
        shape, judge = self.graph.output_shapes[0], self.objective.outputs[0].target_of
        self._prepare_call(kind, program, batch.x, counter=counter, target_shape=judge.target_shape(shape),
                           classes=shape[-1] if judge.labels else 0)  # fmt: skip

    def _features(self, x, what):
        """Checked sources of the inputs."""
        if not self.built:
            self._build_from_data(x)
        names, shapes = self.input_names, self.graph.input_shapes
        several = len(names) > 1
        sources = []
        for name, shape, data in zip(names, shapes, _data.per_name("x", x, names), strict=True):
            owner = f"input {name!r}" if several else f"layer {self._first_layer().name!r}"
            source = _data.features(data, shape, self.dtype, owner, f"x of input {name!r}" if several else "x")
            if source.rows == 0:
                raise ValueError(f"{what} needs at least one row; x has shape {source.array.shape}")
            if config.get_check_finite():
                _data.check_finite(source, "x")
            sources.append(source)
        if any(source.rows != sources[0].rows for source in sources):
            rows = ", ".join(f"{name!r} {source.rows}" for name, source in zip(names, sources, strict=True))
            raise ValueError(f"all inputs need the same number of rows; got {rows}")
        return sources

    def _first_layer(self):
        """The layer that an input's shape belongs to, for errors."""
        for node in self.graph.nodes:
            if node.inputs:
                return node.layer
        return self.graph.layers[0]

    def _build_from_data(self, x):
        self._require_built()

    # ---- single calls

    def __call__(self, x, training=False):
        """Returns the outputs for the rows of x, as an array; for symbolic tensors, symbolic outputs."""
        if is_symbolic(x):
            return self.connect(x)
        if training:
            return self.forward(x, training=True)
        return self.predict_on_batch(x)

    def predict_on_batch(self, x):
        """Returns the outputs for the rows of x, as an array of the model's dtype; a list for several outputs."""
        call = self._calls.get("predict")
        output = None if call is None else call.infer(x)
        if output is not None:
            return output
        with self._exclusively():
            return self._predict_sources(self._features(x, "predict"))

    def _empty_outputs(self, rows):
        return [np.empty((rows, *shape), self.dtype) for shape in self.graph.output_shapes]

    def _predict_sources(self, sources):
        rows = PREDICT_ROWS if sources[0].rows >= MIRRORING_ROWS else MIRRORING_ROWS - 1
        program = self._program("predict", rows)
        outputs = self._empty_outputs(sources[0].rows)
        program.bind_inputs(sources)
        program.bind_arrays("output", outputs)
        self._run_slices(program, sources[0].rows, minibatch=rows)
        self._prepare_call("predict", program, sources)
        return _single(outputs)

    def forward(self, x, training=True):
        """Returns the outputs for the rows of x, and keeps what `backward` needs.

        With `training` dropout is active, each call drawing new numbers, and normalization uses the minibatch, of which
        each call moves its averages.
        """
        kind = "forward_training" if training else "forward"
        call = self._calls.get(kind)
        output = None if call is None else call.infer(x, True)
        if output is not None:
            self._pending = (call.program, len(output))
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
            return _single(outputs)

    def backward(self, dy):
        """Adds to `gradients`, for the gradient dy of a loss with respect to the outputs of the last `forward`.

        Returns the gradient with respect to the inputs. Both are lists where there are several. Penalties of
        regularizers are not part of it.
        """
        if self._pending is None:
            raise RuntimeError("backward needs a call of forward before it, one for each")
        program, rows = self._pending
        call = self._calls.get(program.kind)
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
                dx = _single(dxs)
        self._pending = None
        return dx

    def value_and_gradients(self, x, y, sample_weight=None):
        """Returns the loss of a minibatch and its gradients, new arrays beside `trainable_variables`.

        Nothing in the model changes; dropout is active, and penalties of regularizers are in the loss.
        """
        with self._exclusively():
            batch = self._minibatch(x, y, sample_weight, None, "value_and_gradients")
            program = self._program("gradients", batch.rows, weighted(batch.weights))
            weights = self.weight_list(trainable_only=True)
            gradients = {w: _engine.aligned_zeros(w.array.shape, self.dtype) for w in weights}
            program.builder.bind_gradients(gradients.__getitem__)
            totals = self._run_minibatch(program, batch, counter=np.array([self._forwards[0]]))
            return float(totals[0]) / batch.rows, list(gradients.values())

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """Trains on one minibatch; returns its loss before the update, and the metrics after it if there are any."""
        if sample_weight is None and not class_weight and not return_dict and "train" in self._calls:
            values = self._calls["train"].learn(x, y, self.optimizer.prepare(1)[1])
            if values is not None:
                return values
        with self._exclusively():
            batch = self._minibatch(x, y, sample_weight, class_weight, "train_on_batch")
            program = self._program("train", batch.rows, weighted(batch.weights))
            totals = self._run_minibatch(program, batch, counter=self.optimizer.counter,
                                         learning_rate=self.optimizer.prepare(1)[1])  # fmt: skip
            self._prepare_learning("train", program, batch, self.optimizer.counter)
            return self._results(totals, batch.rows, return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Returns the loss of one minibatch, and the metrics after it if there are any."""
        if sample_weight is None and not return_dict and "test" in self._calls:
            values = self._calls["test"].learn(x, y)
            if values is not None:
                return values
        with self._exclusively():
            batch = self._minibatch(x, y, sample_weight, None, "test_on_batch")
            program = self._program("test", batch.rows, weighted(batch.weights))
            totals = self._run_minibatch(program, batch)
            self._prepare_learning("test", program, batch, None)
            return self._results(totals, batch.rows, return_dict)

    def _minibatch(self, x, y, sample_weight, class_weight, what):
        """Checked sources of inputs, targets and weights."""
        x = self._features(x, what)
        self._require_compiled(what)
        if y is None:
            raise ValueError(f"{what} needs targets y")
        targets, weights = self.objective.targets(y, sample_weight, class_weight, x[0].rows, self.dtype)
        if config.get_check_finite():
            finite_targets(targets)
        return training.Batch(x, targets, weights)

    def _run_minibatch(self, program, batch, **options):
        program.bind_inputs(batch.x)
        program.bind_targets(batch.y, batch.weights)
        totals = program.builder.totals
        totals[:] = 0
        _, bad = program.run(batch.rows, seed=self.seed, **options)
        if bad:
            raise training.NonFiniteLossError(
                "the loss of this minibatch is NaN or infinite; no weight was changed. A smaller learning rate, or "
                "scaled inputs, may help"
            )
        return totals

    def _results(self, totals, rows, return_dict):
        values = self.objective.values(totals, rows)
        if return_dict:
            return dict(zip(self.metrics_names, values, strict=True))
        return values if len(values) > 1 else values[0]

    def summary(self, line_length=80, print_fn=print):
        """Prints a table of the layers, their output shapes and their numbers of weights."""
        from nncore.models.summary import summary  # which most programs never need

        self._require_built()
        print_fn(summary(self, line_length))

    # ---- architecture

    def get_config(self):
        """Returns the architecture: layers and their configurations, and how they are connected."""
        from nncore import layers

        nodes, inputs, outputs = self.graph.numbered()
        return {
            **self._own_config(),
            "layers": [layers.serialize(layer) for layer in self.graph.layers],
            "nodes": nodes,
            "inputs": inputs,
            "outputs": outputs,
        }

    def _own_config(self):
        return {"name": self.name, "trainable": self.trainable, "dtype": self.dtype_policy, "seed": self.seed}

    @classmethod
    def from_config(cls, config):
        """Makes a model, with new weights, from `get_config`."""
        from nncore import layers

        config = dict(config)
        made = [layers.deserialize(layer) for layer in config.pop("layers")]
        switches = [layer.trainable for layer in made]
        tensors = []
        for number, inputs in config.pop("nodes"):
            layer = made[number]
            if inputs:
                given = [tensors[i] for i in inputs]
                result = layer.connect(given if layer.merges else given[0])
            else:
                result = Input(layer=layer)
            tensors += result if isinstance(result, list) else [result]
        inputs, outputs = ([tensors[i] for i in config.pop(key)] for key in ("inputs", "outputs"))
        model = cls(inputs, outputs, **config)
        for layer, trainable in zip(made, switches, strict=True):
            if layer.trainable != trainable:
                layer.trainable = trainable
        return model

    # ---- copies and files

    def save(self, filepath, overwrite=True):
        """Writes architecture, weights, compilation and the optimizer's state to one safetensors file."""
        with self._exclusively():
            saving.save_model(self, filepath, overwrite)

    def save_weights(self, filepath, overwrite=True):
        """Writes the weights to a safetensors file."""
        with self._exclusively():
            saving.save_weights(self, filepath, overwrite)

    def load_weights(self, filepath):
        """Reads weights that `save_weights` or `save` wrote for a model of the same shapes."""
        with self._exclusively():
            saving.load_weights(self, filepath)

    def __getstate__(self):
        with self._exclusively():
            return saving.state_of(self)

    def __setstate__(self, state):
        saving.restore(self, state)

    def __deepcopy__(self, memo):
        import copy

        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return twin


def _tensors(which, given):
    """Symbolic tensors as a list."""
    if isinstance(given, dict):
        given = list(given.values())
    tensors = list(given) if isinstance(given, (list, tuple)) else [given]
    for tensor in tensors:
        if not isinstance(tensor, Tensor):
            raise TypeError(f"Model: {which} must be symbolic tensors, as nn.Input and layers give; got {tensor!r}")
    if not tensors:
        raise ValueError(f"Model: there are no {which}")
    return tensors


def _single(things):
    """The only one of a list, or the list."""
    return things[0] if len(things) == 1 else things


def _all_layers(model):
    """The layers, and those of models among them."""
    for layer in model.layers:
        if isinstance(layer, Model):
            yield from _all_layers(layer)
        else:
            yield layer


def _check_dtype(dtype):
    """The dtype of the weights, and the name of the policy."""
    if isinstance(dtype, str) and dtype == "mixed_bfloat16":
        config.warn_without_bfloat16()
        return np.dtype(np.float32), dtype
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found not in _engine.DTYPES:
        raise ValueError(f"dtype must be 'float32', 'float64' or 'mixed_bfloat16', not {dtype!r}")
    return found, found.name

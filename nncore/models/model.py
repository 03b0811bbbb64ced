"""A model: layers in a graph, compiled for training."""

import numpy as np

from nncore import _checks, _data, _engine, config, losses, metrics, optimizers
from nncore._calls import Call, Exclusive
from nncore._plan import MIRRORING_ROWS
from nncore.layers.layer import Trainable, WeightMaker, copy_into, unique_name
from nncore.models import saving, training
from nncore.models.programs import PREDICT_ROWS, Program

MAX_PROGRAMS = 8  # plans kept; the one not used for longest goes first


class Model(Trainable, training.Training):
    """Base of the models: weights, compilation, single steps. `Sequential` makes the graph.

    Parameters
    ----------
    dtype : "float32", "float64" or "mixed_bfloat16"
        Of weights and computation. "mixed_bfloat16": weights, sums and everything else in float32, and the operands of
        matrix products in bfloat16 where the processor multiplies it (`nncore.config.bfloat16`), else in float32 too.
    seed : int, optional
        Of weights, dropout and shuffling; that of `nncore.config.set_seed` unless given.
    """

    def __init__(self, *, name=None, trainable=True, dtype="float32", seed=None):
        self.dtype, self.dtype_policy = _check_dtype(dtype)
        self.seed = config.get_seed() if seed is None else config.check_seed(seed)
        self.name = name or unique_name(type(self).__name__)
        self.trainable = trainable
        self.graph = None
        self.optimizer = self.loss = None
        self.compiled = False
        self.stop_training = False
        self._metrics_given = []
        self.compiled_metrics = []
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
    def layers(self):
        """The layers, in order."""
        return list(self._layers)

    def get_layer(self, name=None, index=None):
        """Returns the layer of this name or at this index."""
        if (name is None) == (index is None):
            raise ValueError("get_layer takes a name or an index")
        if index is not None:
            if not -len(self._layers) <= index < len(self._layers):
                raise ValueError(f"there is no layer {index}; the model has {len(self._layers)} layers")
            return self._layers[index]
        for layer in self._layers:
            if layer.name == name:
                return layer
        raise ValueError(f"there is no layer {name!r}.{_checks.suggest(name, [layer.name for layer in self._layers])}")

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
        self._output_shape = graph.build(WeightMaker(self.dtype, self.seed))
        self.graph = graph
        self._forget_programs()

    @property
    def input_shape(self):
        """(None, ...): None is the axis of samples."""
        self._require_built()
        return (None, *self.graph.input_shape)

    @property
    def output_shape(self):
        """(None, ...): None is the axis of samples."""
        self._require_built()
        return (None, *self._output_shape)

    # ---- weights

    def _weight_list(self, trainable_only=False):
        self._require_built()
        if trainable_only and not self.trainable:
            return []
        return [w for layer in self._layers for w in layer.weight_list(trainable_only)]

    @property
    def weights(self):
        """All weights: arrays that view the engine's memory; writing into one changes the model."""
        return [w.array for w in self._weight_list()]

    variables = weights

    @property
    def trainable_variables(self):
        """The weights that training changes."""
        return [w.array for w in self._weight_list(trainable_only=True)]

    trainable_weights = trainable_variables

    @property
    def non_trainable_variables(self):
        """The weights that training does not change."""
        trainable = {id(w) for w in self._weight_list(trainable_only=True)}
        return [w.array for w in self._weight_list() if id(w) not in trainable]

    non_trainable_weights = non_trainable_variables

    def get_weights(self):
        """Returns copies of all weights."""
        return [array.copy() for array in self.weights]

    def set_weights(self, weights):
        """Copies a list of arrays of the right shapes into the weights."""
        with self._exclusively():
            copy_into(self._weight_list(), weights, f"model {self.name!r}")

    def count_params(self):
        """Returns how many numbers the weights hold."""
        return sum(w.array.size for w in self._weight_list())

    @property
    def gradients(self):
        """Arrays beside `trainable_variables`, to which `backward` adds."""
        return [self._gradient(w) for w in self._weight_list(trainable_only=True)]

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
        """Chooses optimizer, loss and metrics.

        Parameters
        ----------
        optimizer : str or Optimizer
        loss : str or Loss
        metrics : list of str or Metric, optional
            "accuracy" is the accuracy that fits the loss.
        """
        _checks.refuse("compile", loss_weights=loss_weights, weighted_metrics=weighted_metrics,
                       run_eagerly=run_eagerly or None)  # fmt: skip
        optimizer = optimizers.get(optimizer)
        loss = None if loss is None else losses.get(loss)
        given = [] if metrics is None else list(metrics) if isinstance(metrics, (list, tuple)) else [metrics]
        compiled = self._resolve_metrics(loss, given) if self.built else []
        with self._exclusively():
            self.optimizer, self.loss, self._metrics_given, self.compiled_metrics = optimizer, loss, given, compiled
            self.compiled = True
            self._forget_programs()

    def _resolve_metrics(self, loss, given):
        shape = self._output_shape
        if loss is None:
            if given:
                raise ValueError("metrics need a loss, whose targets they share")
            return []
        loss.check_output(shape)
        if loss.labels and len(shape) != 1:
            raise ValueError(f"loss {loss.name!r} needs outputs of shape (classes,); the model's are {shape}")
        if not loss.labels and not shape:
            raise ValueError(f"loss {loss.name!r} needs outputs of at least one axis")
        return [metrics.for_model(metric, loss, shape) for metric in given]

    def _require_compiled(self, what):
        if not self.compiled or self.loss is None:
            raise ValueError(f"{what} needs a loss: call model.compile(optimizer, loss) first")
        if self._metrics_given and not self.compiled_metrics:
            self.compiled_metrics = self._resolve_metrics(self.loss, self._metrics_given)
        else:
            self._resolve_metrics(self.loss, [])

    @property
    def metrics_names(self):
        """"loss", then the metrics' names: the order of evaluate's results."""
        return ["loss", *(metric.name for metric in self.compiled_metrics)]

    # ---- plans

    def _program(self, kind, rows, weighted=False):
        """The plan for `kind`, for minibatches of at least `rows`."""
        trainable = tuple(layer.trainable for layer in self._layers)
        many = rows >= MIRRORING_ROWS  # few rows go without mirrors, which cost a pass over the weights
        key = (kind, many, weighted, trainable, self.trainable, config.get_nonfinite())
        program = self._programs.pop(key, None)
        if program is None or program.builder.rows < rows:
            if kind == "train":
                self.optimizer.build(self.trainable_variables)
            program = Program(self, kind, rows, weighted)
        self._programs[key] = program
        while len(self._programs) > MAX_PROGRAMS:
            del self._programs[next(iter(self._programs))]
        return program

    def _prepare_call(self, kind, program, source, **options):
        """Lets the next calls of this kind go straight into the program, where their data has the form of this one."""
        known = self._calls.get(kind)
        if config.get_check_finite() or (known is not None and known.program is program and known.current):
            return
        rows = source.rows
        self._calls[kind] = Call(self._lock, program, self.seed, config.get_num_threads(),
                                 self.graph.input_shape, self._output_shape,
                                 fewest=MIRRORING_ROWS if rows >= MIRRORING_ROWS else 1, **options)  # fmt: skip

    def _prepare_learning(self, kind, program, source, counter):
        self._prepare_call(kind, program, source, counter=counter,
                           target_shape=self.loss.target_shape(self._output_shape),
                           classes=self._output_shape[-1] if self.loss.labels else 0)  # fmt: skip

    def _features(self, x, what):
        if not self.built:
            self._build_from_data(x)
        source = _data.features(x, self.graph.input_shape, self.dtype, f"layer {self._layers[0].name!r}")
        if source.rows == 0:
            raise ValueError(f"{what} needs at least one row; x has shape {source.array.shape}")
        if config.get_check_finite():
            _data.check_finite(source, "x")
        return source

    def _build_from_data(self, x):
        raise ValueError(f"model {self.name!r} has no shape yet")

    # ---- single calls

    def __call__(self, x, training=False):
        """Returns the outputs for the rows of x, as an array."""
        if training:
            return self.forward(x, training=True)
        return self.predict_on_batch(x)

    def predict_on_batch(self, x):
        """Returns the outputs for the rows of x, as an array of the model's dtype."""
        call = self._calls.get("predict")
        output = None if call is None else call.infer(x)
        if output is not None:
            return output
        with self._exclusively():
            return self._predict_source(self._features(x, "predict"))

    def _predict_source(self, source):
        rows = PREDICT_ROWS if source.rows >= MIRRORING_ROWS else MIRRORING_ROWS - 1
        program = self._program("predict", rows)
        output = np.empty((source.rows, *self._output_shape), self.dtype)
        program.bind_x(source)
        program.builder.bind(output=output)
        self._run_slices(program, source.rows, minibatch=rows)
        self._prepare_call("predict", program, source)
        return output

    def forward(self, x, training=True):
        """Returns the outputs for the rows of x, and keeps what `backward` needs.

        With `training` dropout is active: each call draws new numbers.
        """
        kind = "forward_training" if training else "forward"
        call = self._calls.get(kind)
        output = None if call is None else call.infer(x, 2)
        if output is not None:
            self._pending = (call.program, len(output))
            return output
        with self._exclusively():
            source = self._features(x, "forward")
            program = self._program(kind, source.rows)
            output = np.empty((source.rows, *self._output_shape), self.dtype)
            program.bind_x(source)
            program.builder.bind(output=output)
            program.builder.bind_gradients(self._gradient)
            program.run(source.rows, seed=self.seed, counter=self._forwards, last_phase=2)
            self._pending = (program, source.rows)
            self._prepare_call(kind, program, source, counter=self._forwards)
            return output

    def backward(self, dy):
        """Adds to `gradients`, for the gradient dy of a loss with respect to the outputs of the last `forward`.

        Returns the gradient with respect to the inputs.
        """
        if self._pending is None:
            raise RuntimeError("backward needs a call of forward before it, one for each")
        program, rows = self._pending
        call = self._calls.get(program.kind)
        dx = call.send_back(dy, rows) if call is not None and call.program is program else None
        if dx is None:
            with self._exclusively():
                shape = (rows, *self._output_shape)
                dy = np.ascontiguousarray(_data.as_array(dy, "dy"), self.dtype)
                if dy.shape != shape:
                    raise ValueError(f"dy must have the shape of the outputs, {shape}; got {dy.shape}")
                dx = np.zeros((rows, *self.graph.input_shape), self.dtype)
                program.builder.bind(dy=dy, dx=dx)
                self._forwards[0] -= 1  # the numbers of the forward pass once more
                program.run(rows, seed=self.seed, counter=self._forwards, first_phase=2)
        self._pending = None
        return dx

    def value_and_gradients(self, x, y, sample_weight=None):
        """Returns the loss of a minibatch and its gradients, new arrays beside `trainable_variables`.

        Nothing in the model changes; dropout is active.
        """
        with self._exclusively():
            x, y, weight = self._minibatch(x, y, sample_weight, None, "value_and_gradients")
            program = self._program("gradients", x.rows, weight is not None)
            gradients = {w: _engine.aligned_zeros(w.array.shape, self.dtype) for w in self._weight_list(True)}
            program.builder.bind_gradients(gradients.__getitem__)
            totals = self._run_minibatch(program, x, y, weight, counter=self._forwards)
            return totals[0] / x.rows, list(gradients.values())

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """Trains on one minibatch; returns its loss before the update, and the metrics after it if there are any."""
        if sample_weight is None and not class_weight and not return_dict and "train" in self._calls:
            values = self._calls["train"].learn(x, y, self.optimizer.learning_rate)
            if values is not None:
                return values
        with self._exclusively():
            x, y, weight = self._minibatch(x, y, sample_weight, class_weight, "train_on_batch")
            program = self._program("train", x.rows, weight is not None)
            totals = self._run_minibatch(program, x, y, weight, counter=self.optimizer.counter,
                                         learning_rate=self.optimizer.learning_rate)  # fmt: skip
            if weight is None:
                self._prepare_learning("train", program, x, self.optimizer.counter)
            return self._results(totals / x.rows, return_dict)

    def test_on_batch(self, x, y=None, sample_weight=None, return_dict=False):
        """Returns the loss of one minibatch, and the metrics after it if there are any."""
        if sample_weight is None and not return_dict and "test" in self._calls:
            values = self._calls["test"].learn(x, y)
            if values is not None:
                return values
        with self._exclusively():
            x, y, weight = self._minibatch(x, y, sample_weight, None, "test_on_batch")
            program = self._program("test", x.rows, weight is not None)
            totals = self._run_minibatch(program, x, y, weight)
            if weight is None:
                self._prepare_learning("test", program, x, None)
            return self._results(totals / x.rows, return_dict)

    def _minibatch(self, x, y, sample_weight, class_weight, what):
        """Checked sources of inputs, targets and weights."""
        x = self._features(x, what)
        self._require_compiled(what)
        if y is None:
            raise ValueError(f"{what} needs targets y")
        y = _data.target_source(y, self.loss, self._output_shape, x.rows, self.dtype)
        if config.get_check_finite():
            _data.check_finite(y, "y")
        weight = _data.row_weights(sample_weight, x.rows, self.dtype)
        if class_weight:
            by_class = _data.class_weights(class_weight, y.array, self._output_shape[-1], self.dtype)
            weight = by_class if weight is None else weight * by_class
        return x, y, weight

    def _run_minibatch(self, program, x, y, weight, **options):
        program.bind_x(x)
        program.bind_y(y, weight)
        totals = program.builder.totals
        totals[:] = 0
        _, bad = program.run(x.rows, seed=self.seed, **options)
        if bad:
            raise training.NonFiniteLossError(
                "the loss of this minibatch is NaN or infinite; no weight was changed. A smaller learning rate, or "
                "scaled inputs, may help"
            )
        return totals

    def _results(self, means, return_dict):
        values = [float(v) for v in means]
        if return_dict:
            return dict(zip(self.metrics_names, values, strict=True))
        return values if len(values) > 1 else values[0]

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

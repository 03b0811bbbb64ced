"""A model: layers in a graph, compiled for training."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nncore import _checks, _custom_objects, _data, _engine, config
from nncore._calls import Exclusive
from nncore._graph import Graph
from nncore.layers import composite
from nncore.layers.input import Input
from nncore.layers.layer import Symbolic, Trainable, WeightMaker, copy_into, emit_layer, trainable_as, unique_name
from nncore.layers.tensor import Tensor
from nncore.models import saving
from nncore.models.objective import Objective
from nncore.models.single_calls import SingleCalls, all_layers, single
from nncore.models.training import Training

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from typing_extensions import Self

    from nncore._calls import Call
    from nncore._likes import LossLike, MetricsLike, OptimizerLike, Tensors
    from nncore._plan import Builder, Value
    from nncore._typing import AnyLayer, Array, BatchShape, Config, Data, ModelDtype, PathLikeStr, Seed, Shape
    from nncore._weight import Weight
    from nncore.callbacks.callback_list import CallbackList
    from nncore.callbacks.history import History
    from nncore.models.programs import Program
    from nncore.optimizers.optimizer import Optimizer


class Model(Trainable, Symbolic, SingleCalls, Training):
    """A network: any directed acyclic graph of layers, with training, evaluation, prediction and files.

    Parameters
    ----------
    inputs, outputs : Tensor, or list of Tensor
        What `nn.Input` gave, and what layers gave that were called on it. A dict of inputs has them by name. Subclasses
        may do without: they make their layers in the constructor, and define ``call(inputs, training=None)``, which
        calls them on symbolic tensors. Such a model is built for its first data, or by `build`.
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

    history: History | Any

    dtype: np.dtype[Any]
    dtype_policy: str
    optimizer: Optimizer | Any
    loss: Any

    def __init__(self, inputs: Tensors | None = None, outputs: Tensors | None = None, *, name: str | None = None,
                 trainable: bool = True, dtype: ModelDtype = "float32", seed: Seed = None) -> None:  # fmt: skip
        self._open(name, trainable, dtype, seed)
        if inputs is None and outputs is None and self.call is not None:
            return
        if self.call is not None:
            raise TypeError(f"{type(self).__name__} defines call: it has no inputs and outputs before it is built")
        if inputs is None or outputs is None:
            raise TypeError("Model needs inputs and outputs: nn.Model(inputs, outputs); nn.Sequential takes layers")
        inputs, outputs = (_tensors(which, given) for which, given in (("inputs", inputs), ("outputs", outputs)))
        if len({id(tensor) for tensor in inputs}) < len(inputs):
            raise ValueError(f"model {self.name!r}: an input is given twice")
        self._build_graph(Graph(inputs, outputs, f"model {self.name!r}", lambda tensor: Input(tensor.sample_shape)))
        if not self._trainable:
            self.trainable = False

    def _open(self, name: str | None, trainable: bool, dtype: ModelDtype, seed: Seed) -> None:
        """Everything but the graph."""
        self.dtype, self.dtype_policy = _check_dtype(dtype)
        self.seed: int = config.get_seed() if seed is None else config.check_seed(seed)
        kind = type(self).__name__
        self.name: str = _checks.title(kind, name) or unique_name({"Model": "Functional"}.get(kind, kind))
        self.graph: Graph | Any = None
        self._trainable = _checks.boolean(type(self).__name__, "trainable", trainable)
        self.optimizer = self.loss = None
        self.objective: Objective | Any = None
        self.compiled: bool = False
        self._switches: dict[Any, bool] | None = None  # {layer: trainable} of when it was compiled
        self._warned = False  # since then
        self.stop_training = self.stop_evaluating = self.stop_predicting = False
        # where `fit` is, and its callbacks, for backups
        self._position: Config | None = None
        self._training_calls: Any = None
        self._compilation: Config = {}
        self._weight_maker = WeightMaker(self.dtype, self.seed)  # one, so that weights of later layers are others
        self._reset_programs()

    def _reset_programs(self) -> None:
        self._programs: dict[Any, Program] = {}
        # of each kind, and which layers are trainable: the Call for the form of data that it got last
        self._calls: dict[Any, Call] = {}
        self._switches_seen = self._switches_checked = -1  # Trainable.switches of when they were looked at
        self._trainable_now: tuple[bool, ...] | None = None
        self._pending: tuple[Program, int] | None = None  # (program, rows) of a `forward` whose `backward` may follow
        self._forwards = np.zeros(1, np.int64)  # counts training passes of `forward`, for dropout
        self._lock = Exclusive(f"model {self.name!r}")
        self._no_callbacks: CallbackList | None = None  # the empty list of them

    def _exclusively(self) -> Exclusive:
        """Refuses a second thread, which would change what the first one reads."""
        return self._lock

    def _forget_programs(self) -> None:
        self._programs.clear()
        self._calls.clear()

    # ---- structure

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights. Setting it sets it for every layer, and has an effect on `fit` and
        `train_on_batch` of models that are compiled afterwards."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        Trainable.trainable.fset(self, value)  # type: ignore[attr-defined]
        for layer in self.layers:
            layer.trainable = self._trainable

    @property
    def layers(self) -> list[AnyLayer]:
        """The layers, in Keras's order: by the longest way to an output; of a model with `call`, of its attributes."""
        if self.call is not None:
            return composite.sublayers_of(self)
        return [] if self.graph is None else list(self.graph.layers)

    def get_layer(self, name: str | None = None, index: int | None = None) -> AnyLayer:
        """Returns the layer of this name or at this index."""
        layers = self.layers
        if (name is None) == (index is None):
            raise ValueError("get_layer takes a name or an index")
        if index is not None:
            index = _checks.integer("get_layer", "index", index, least=-len(layers))
            if index >= len(layers):
                raise ValueError(f"there is no layer {index}; the model has {len(layers)} layers")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(f"there is no layer {name!r}.{_checks.suggest(name, [layer.name for layer in layers])}")

    @property
    def built(self) -> bool:
        """Whether the shape of the inputs is known and the weights exist."""
        return self.graph is not None

    def _require_built(self) -> None:
        if not self.built:
            raise ValueError(
                f"model {self.name!r} has no shape yet: begin it with nn.Input((features,)), or call "
                "build((None, features))"
            )

    def _build_graph(self, graph: Graph) -> None:
        graph.build(self._weight_maker)
        self._use_graph(graph)

    def _use_graph(self, graph: Graph) -> None:
        self.graph = graph
        self.objective = None
        self._forget_programs()

    # ---- subclasses with `call`

    def take(self, inputs: Any) -> None:
        if self.call is not None and not self.built:
            composite.take(self, inputs)

    def prepare(self, shapes: Sequence[Shape]) -> None:
        """Gives the model its shape, as a layer of another one."""
        if self.call is not None and not self.built:
            self._build_for_shapes(shapes)

    def build(self, input_shape: Sequence[int | None] | Sequence[Sequence[int | None]] | None = None) -> None:
        """Gives a model with `call` its shape: (None, ...), None for the axis of samples; a list for several inputs."""
        if self.built:
            return
        several = isinstance(input_shape, list) and all(isinstance(shape, (list, tuple)) for shape in input_shape)
        shapes: Any = input_shape if several else [input_shape]
        for shape in shapes:
            if shape is None or len(shape) < 2 or shape[0] is not None:
                raise ValueError(f"build needs a shape (None, ...), None for the axis of samples; got {shape}")
        self.merges = several
        self._build_for_shapes([tuple(shape[1:]) for shape in shapes])

    def _build_for_shapes(self, shapes: Sequence[Shape]) -> None:
        graphs = composite.prepare(self, shapes)
        composite.build_graphs(self, graphs, self._weight_maker)
        self._use_graph(graphs[0])

    def _build_from_data(self, x: Any) -> None:
        if self.call is None:
            self._require_built()
        if isinstance(x, dict):
            raise TypeError(f"model {self.name!r} with call takes an array, or a list of several; got a dict")
        self.take(x)
        readers = [layer for layer in all_layers(self) if getattr(layer, "prepares_data", False)]
        shapes = [_data.shape_of(each, "x", *readers) for each in (x if self.merges else [x])]
        self._build_for_shapes([shape[1:] or (1,) for shape in shapes])

    @property
    def inputs(self) -> list[Tensor]:
        """The symbolic tensors that go in."""
        self._require_built()
        return list(self.graph.inputs)

    @property
    def outputs(self) -> list[Tensor]:
        """The symbolic tensors that come out."""
        self._require_built()
        return list(self.graph.outputs)

    @property
    def input(self) -> Tensor | Any:
        """The symbolic tensor that goes in, or the list of several."""
        return single(self.inputs)

    @property
    def output(self) -> Tensor | Any:
        """The symbolic tensor that comes out, or the list of several."""
        return single(self.outputs)

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs' layers."""
        return [tensor.name for tensor in self.inputs]

    @property
    def output_names(self) -> list[str]:
        """Names of the layers that the outputs come from; counted where one gives several."""
        names: list[Any] = []
        for tensor in self.outputs:
            count = sum(name == tensor.name or name.startswith(f"{tensor.name}_#") for name in names)
            names.append(f"{tensor.name}_#{count}" if count else tensor.name)
        return names

    @property
    def input_shape(self) -> BatchShape | Any:
        """(None, ...): None is the axis of samples. A list of them where there are several inputs."""
        return single([tensor.shape for tensor in self.inputs])

    @property
    def output_shape(self) -> BatchShape | Any:
        """(None, ...): None is the axis of samples. A list of them where there are several outputs."""
        return single([tensor.shape for tensor in self.outputs])

    # ---- as a layer of another model

    @property
    def merges(self) -> bool:
        """Whether it takes a list of tensors."""
        return len(self.graph.inputs) > 1 if self.built else self._merges

    @merges.setter
    def merges(self, value: bool) -> None:
        self._merges = value

    _merges = False  # before it is built

    def readers(self, place: int) -> tuple[list[Any], bool]:
        """Who reads the input at this place, as `Graph.readers` says it."""
        return self.graph.readers(place)

    def sample_shapes(self, shapes: Any) -> list[Shape]:  # type: ignore[override]
        """Shapes of a sample of each output."""
        self._require_built()
        if list(shapes) != self.graph.input_shapes:
            raise ValueError(
                f"model {self.name!r} takes samples of shape {single(self.graph.input_shapes)}; got "
                f"{single(list(shapes))}"
            )
        return list(self.graph.output_shapes)

    def build_for(self, input_shape: Any, weights: WeightMaker) -> None:
        """Checks that it can be part of a model with weights of another WeightMaker."""
        if self.dtype != weights.dtype:
            raise ValueError(
                f"model {self.name!r} has weights of {self.dtype}; the model around it has {weights.dtype}"
            )

    def emit(self, builder: Builder, *xs: Any) -> Any:
        """Adds the model's steps to a plan; returns the output's Value, or a list of several."""
        return single(self.emit_graph(builder, xs))

    def emit_graph(self, builder: Builder, xs: Sequence[Value]) -> list[Value]:
        """Adds the model's steps to a plan; returns the outputs' Values."""
        if self.call is not None:
            return composite.emit_graph(self, builder, xs)
        return self.graph.emit(builder, xs, emit_layer)

    activity_regularizer = None

    # ---- weights

    def _as_compiled(self) -> Any:
        """Inside, layers are trainable as they were when the model was compiled."""
        self._check_switches()
        return trainable_as(self._switches)

    def _check_switches(self) -> None:
        """Warns where a layer was switched and compile() seems to be forgotten."""
        if self._switches_checked == Trainable.switches:
            return
        self._switches_checked = Trainable.switches
        forgotten = [layer for layer, trainable in (self._switches or {}).items()
                     if layer.trainable not in (trainable, layer.compiled_as)]  # fmt: skip
        if forgotten and not self._warned:
            self._warned = True
            names = ", ".join(layer.name for layer in forgotten)
            warnings.warn(
                f"model {self.name!r}: `trainable` of {names} has changed, and no model was compiled since; training "
                "goes on as this model was compiled. compile() lets the change have an effect",
                stacklevel=4,
            )

    def weight_list(self, trainable_only: bool = False) -> list[Weight]:
        """The Weight objects, layer by layer; once each, also where models among the layers share some."""
        self._require_built()
        return list(dict.fromkeys(w for layer in self.layers for w in layer.weight_list(trainable_only)))

    @property
    def weights(self) -> list[Array]:
        """All weights: arrays that view the engine's memory; writing into one changes the model."""
        return [w.array for w in self.weight_list()]

    variables = weights

    def paths_of(self, arrays: Sequence[Array]) -> list[str]:
        """The names "layer/weight" of weights, given as their arrays."""
        paths = {id(w.array): f"{layer.name}/{w.name}" for layer in all_layers(self) for w in layer.weight_list()}
        return [paths[id(array)] for array in arrays]

    @property
    def trainable_variables(self) -> list[Array]:
        """The weights that training changes."""
        return [w.array for w in self.weight_list(trainable_only=True)]

    trainable_weights = trainable_variables

    @property
    def non_trainable_variables(self) -> list[Array]:
        """The weights that training does not change."""
        trainable = {id(w) for w in self.weight_list(trainable_only=True)}
        return [w.array for w in self.weight_list() if id(w) not in trainable]

    non_trainable_weights = non_trainable_variables

    def get_weights(self) -> list[Array]:
        """Returns copies of all weights."""
        return [array.copy() for array in self.weights]

    def set_weights(self, weights: Sequence[Data]) -> None:
        """Copies a list of arrays of the right shapes into the weights."""
        with self._exclusively():
            copy_into(self.weight_list(), weights, f"model {self.name!r}")

    def count_params(self) -> int:
        """Returns how many numbers the weights hold."""
        return sum(w.array.size for w in self.weight_list())

    @property
    def gradients(self) -> list[Array]:
        """Arrays beside `trainable_variables`, to which `backward` adds."""
        return [self._gradient(w) for w in self.weight_list(trainable_only=True)]

    @staticmethod
    def _gradient(weight: Weight) -> Array:
        if weight.gradient is None:
            weight.gradient = _engine.aligned_zeros(weight.array.shape, weight.array.dtype)
        return weight.gradient

    def zero_gradients(self) -> None:
        """Sets `gradients` to zero."""
        for gradient in self.gradients:
            gradient[...] = 0

    # ---- compilation

    def compile(self, optimizer: OptimizerLike = "rmsprop",
                loss: LossLike | Sequence[LossLike | None] | Mapping[str, LossLike | None] | None = None,
                loss_weights: float | Sequence[float | None] | Mapping[str, float] | None = None,
                metrics: MetricsLike | None = None, weighted_metrics: MetricsLike | None = None,
                run_eagerly: Literal[False] = False, steps_per_execution: int = 1,
                jit_compile: Literal["auto"] | bool = "auto", auto_scale_loss: bool = True) -> None:  # fmt: skip
        """Chooses optimizer, losses and metrics; and which layers `fit` and `train_on_batch` train.

        Those are the layers that are trainable now. Setting `trainable` later has an effect on models that are compiled
        afterwards, so that models which share layers may train some each. What `trainable_variables` lists, and
        `gradients`, `backward` and `value_and_gradients` give, goes by what `trainable` is at the time.

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

        _checks.refuse_on("compile", run_eagerly=run_eagerly)
        _checks.positive_integer("compile", "steps_per_execution", steps_per_execution)
        _checks.boolean("compile", "auto_scale_loss", auto_scale_loss)
        if jit_compile is not None and jit_compile != "auto":
            _checks.boolean("compile", "jit_compile", jit_compile)
        self._lock.refuse_borrower("be compiled")
        optimizer = optimizers.get(optimizer)
        compilation = {"loss": loss, "loss_weights": loss_weights, "metrics": metrics,
                       "weighted_metrics": weighted_metrics}  # fmt: skip
        objective = self._resolve(compilation) if self.built else None
        with self._exclusively():
            self.optimizer, self.loss, self._compilation, self.objective = optimizer, loss, compilation, objective
            if objective is not None:
                self.loss = single(objective.losses)
            self.compiled = True
            self._switches = {layer: layer.trainable for layer in all_layers(self)}
            self._warned = False
            for layer, trainable in self._switches.items():
                layer.compiled_as = trainable
            self._forget_programs()

    def _resolve(self, compilation: Config) -> Objective:
        return Objective(self.output_names, self.graph.output_shapes, compilation["loss"], compilation["loss_weights"],
                         compilation["metrics"], compilation["weighted_metrics"])  # fmt: skip

    def _require_compiled(self, what: str) -> None:
        if self.compiled and self.objective is None:
            self.objective = self._resolve(self._compilation)
            self._reset_metrics()
            self.loss = single(self.objective.losses)
        if not self.compiled or not self.objective.with_loss:
            raise ValueError(f"{what} needs a loss: call model.compile(optimizer, loss) first")

    def _reset_metrics(self) -> None:
        """Has metrics in Python forget all rows."""
        if self.objective is not None:  # else that comes with the first data
            self.objective.reset_state()

    @property
    def metrics_names(self) -> list[str]:
        """"loss", then the metrics' names: the order of evaluate's results."""
        return ["loss"] if self.objective is None else self.objective.names

    def summary(self, line_length: int | None = None, positions: Sequence[float] | None = None,
                print_fn: Callable[[str], Any] | None = None, expand_nested: bool = False, show_trainable: bool = False,
                layer_range: Sequence[str] | None = None) -> None:  # fmt: skip
        """Prints a table of the layers: output shapes, numbers of weights, and, but for chains, where inputs come from.

        Parameters
        ----------
        line_length : int
            Characters of a line, 80 unless given. What does not fit into a column goes on in the next line.
        positions : list of float or int, optional
            Where columns end: parts of the line, or characters. Unless given, that follows from what is in them.
        print_fn : function, optional
            Called once with the text, in place of `print`.
        expand_nested : bool
            Whether layers of models among the layers follow behind these.
        show_trainable : bool
            Whether there is a column that says which layers are trainable.
        layer_range : list of two str, optional
            Only the layers from the first whose name begins so to the last whose name begins so; regular expressions.

        Raises
        ------
        ValueError
            For a model without a shape yet, and bad arguments.
        """
        from nncore.models.summary import summary  # which most programs never need

        self._require_built()
        text = summary(self, line_length, positions, expand_nested, show_trainable, layer_range)
        (print if print_fn is None else print_fn)(text)

    def __repr__(self) -> str:
        kind = f"{type(self).__name__} {self.name!r}"
        if not self.built:
            return f"<{kind}: no shape yet>"
        shapes = f"{_shape_text(self.input_shape)} -> {_shape_text(self.output_shape)}"
        count, layers = self.count_params(), len(self.layers)
        return f"<{kind}: {shapes}, {layers} layer{'s' * (layers != 1)}, {count:,} parameters of {self.dtype_policy}>"

    def _repr_html_(self) -> str:
        from nncore.models.html import html

        return html(self)

    def plot(self, **options: Any) -> Any:
        """Draws the graph: a box for each use of a layer, arrows from where its inputs come from.

        Needs Matplotlib, the extra ``nncore[plots]``, and nothing else; the picture is one as `nncore.plots` says. A
        graph that is too long is drawn in columns beside each other.

        Parameters
        ----------
        rankdir : "TB" or "LR"
            Whether arrows go down or to the right.
        expand_nested : bool
            Whether models among the layers are drawn with their own graphs.
        show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable, show_parameters : bool
            What boxes say. All but dtype and trainable, unless told; frozen layers always say so.

        Returns
        -------
        Figure

        Raises
        ------
        ImportError
            Without Matplotlib.
        ValueError
            For a model without a shape yet.

        Examples
        --------
        >>> model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(8, activation="relu"), nn.layers.Dense(3)])
        >>> figure = model.plot(rankdir="LR")
        """
        from nncore.plots import graph

        return graph.plot(self, **options)

    # ---- architecture

    def get_config(self) -> Config:
        """Returns the architecture: layers and their configurations, and how they are connected."""
        from nncore import layers

        if self.call is not None:
            return self.config_for(Model, self._own_config())
        nodes, inputs, outputs = self.graph.numbered()
        return {
            **self._own_config(),
            "layers": [layers.serialize(layer) for layer in self.graph.layers],
            "nodes": nodes,
            "inputs": inputs,
            "outputs": outputs,
        }

    def _own_config(self) -> Any:
        return {"name": self.name, "trainable": self.trainable, "dtype": self.dtype_policy, "seed": self.seed}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Makes a model, with new weights, from `get_config`."""
        with _checks.describing(f"model {cls.__name__!r}"):
            return cls._from_config(dict(config))

    @classmethod
    def _from_config(cls, config: Config) -> Self:
        from nncore import layers

        if cls.call is not None:
            return cls(**config)
        owner = f"the configuration of a {cls.__name__}"
        made = [layers.deserialize(layer) for layer in config.pop("layers")]
        tensors: list[Any] = []
        for number, inputs, *options in config.pop("nodes"):
            layer = made[_checks.integer(owner, "the number of a layer", number)]
            if inputs:
                given = [tensors[_checks.integer(owner, "the number of a tensor", i)] for i in inputs]
                result = layer.connect(given if layer.merges or len(given) > 1 else given[0],
                                       **(options[0] if options else {}))  # fmt: skip
            elif isinstance(layer, layers.InputLayer):
                result = Input(layer=layer)
            else:
                raise ValueError(f"{owner}: layer {layer.name!r} reads nothing, and is no InputLayer")
            tensors += result if isinstance(result, list) else [result]
        inputs, outputs = ([tensors[_checks.integer(owner, key, i)] for i in config.pop(key)]
                           for key in ("inputs", "outputs"))  # fmt: skip
        return cls._with_switches(made, inputs, outputs, **config)

    @classmethod
    def _with_switches(cls, layers: Sequence[Any], *arguments: Any, **options: Any) -> Self:
        """A model made of layers, each of which stays trainable or frozen as it is."""
        switches = [layer.trainable for layer in layers]
        model = cls(*arguments, **options)
        for layer, trainable in zip(layers, switches, strict=True):
            if layer.trainable != trainable:
                layer.trainable = trainable
        return model

    # ---- copies and files

    def save(self, filepath: PathLikeStr, overwrite: bool = True) -> None:
        """Writes architecture, weights, compilation and the optimizer's state to one safetensors file."""
        with self._exclusively():
            saving.save_model(self, _checks.path("save", "filepath", filepath), overwrite)

    def save_weights(self, filepath: PathLikeStr, overwrite: bool = True) -> None:
        """Writes the weights to a safetensors file."""
        with self._exclusively():
            saving.save_weights(self, _checks.path("save_weights", "filepath", filepath), overwrite)

    def load_weights(self, filepath: PathLikeStr) -> None:
        """Reads weights that `save_weights` or `save` wrote for a model of the same shapes."""
        with self._exclusively():
            saving.load_weights(self, _checks.path("load_weights", "filepath", filepath))

    def __getstate__(self) -> dict[str, Any]:
        with self._exclusively(), _custom_objects.recording() as objects:
            state = saving.state_of(self)
            return {**state, "custom_objects": objects}

    def __setstate__(self, state: Any) -> None:
        with _custom_objects.CustomObjectScope(state["custom_objects"]):
            saving.restore(self, state)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        import copy

        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return twin


def _tensors(which: str, given: Any) -> list[Tensor]:
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


def _shape_text(shapes: Any) -> str:
    return ", ".join(map(str, shapes)) if isinstance(shapes, list) else str(shapes)


def _check_dtype(dtype: ModelDtype) -> tuple[np.dtype[Any], str]:
    """The dtype of the weights, and the name of the policy."""
    if isinstance(dtype, str) and dtype == "mixed_bfloat16":
        config.warn_without_bfloat16()
        return np.dtype(np.float32), dtype
    try:
        found = np.dtype(dtype)
        known = found in _engine.DTYPES
    except (TypeError, UnicodeError):
        known = False
    if not known:
        raise ValueError(f"dtype must be 'float32', 'float64' or 'mixed_bfloat16', not {dtype!r}")
    return found, found.name

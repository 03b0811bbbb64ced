"""Random graphs of all layers with random options: built, compiled, trained a step, saved, loaded, predicted."""

import copy
import os
import tempfile
import warnings

import numpy as np

import nncore as nn
from reliability.api import options, values
from reliability.api.judge import PromiseError, State, require_refusal, same_bits

LAYERS = [cls for cls in options.classes_of(nn.layers, nn.layers.Layer) if cls is not nn.layers.InputLayer]
OF_DATA = [
    getattr(nn.layers, name)
    for name in (
        "CategoryEncoding",
        "Discretization",
        "Hashing",
        "IntegerLookup",
        "Normalization",
        "StringLookup",
        "TextVectorization",
    )
]
RECURRENT = (nn.layers.SimpleRNN, nn.layers.GRU, nn.layers.LSTM)
ROWS = 3
SHAPES = ((4,), (4, 2), (3, 4, 2), (1,), (5, 3), (6, 6, 1))
LARGEST = 400  # elements of a sample that the next layer may get


def run(choices):
    """One execution: a graph, and a short life of its model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, of what overflows; and the library's advice
        graph = Graph(choices)
        if graph.model is not None:
            graph.live()


class Graph:
    """A model of random layers, or None where too much was refused."""

    def __init__(self, choices):
        self.choices, self.text = choices, []
        dtype = choices.pick(("float32", "float32", "float64", "mixed_bfloat16"))
        shapes = [choices.pick(SHAPES) for _ in range(choices.between(1, 2))]
        self.inputs = [nn.Input(shape) for shape in shapes]
        self.of_text = None
        self.tensors = list(self.inputs)
        self.indices = set()
        for _ in range(choices.between(1, 5)):
            self.grow()
        outputs = self.tensors[-1:] if choices.one_in(2) else self.tensors[len(self.inputs) :][-2:] or self.tensors[-1:]
        self.model = self.guarded("Model", nn.Model, self.inputs, outputs, dtype=dtype, seed=choices.below(5))

    def guarded(self, what, function, *arguments, **keywords):
        """The result of a call, or None where it was refused as it may be."""
        try:
            return function(*arguments, **keywords)
        except MemoryError:
            return None
        except Exception as error:
            require_refusal(error, f"{what} of {self.text}")
            return None

    def layer(self, cls):
        """A layer of a class, those inside of it included."""
        choices = self.choices
        if cls is nn.layers.RNN:
            return options.drawn(choices, cls, cell=choices.pick([_Cell(2), _Cell(3)]))
        if cls is nn.layers.StackedRNNCells:
            cells = nn.layers.StackedRNNCells([_Cell(2), _Cell(3)])
            return options.drawn(choices, nn.layers.RNN, cell=cells)
        if cls is nn.layers.Bidirectional:
            inner = options.drawn(choices, choices.pick(RECURRENT))
            return None if inner is None else options.drawn(choices, cls, layer=inner)
        if cls is nn.layers.TimeDistributed:
            inner = options.drawn(choices, choices.pick([nn.layers.Dense, nn.layers.Conv1D, nn.layers.Flatten]))
            return None if inner is None else options.drawn(choices, cls, layer=inner)
        return options.drawn(choices, cls)

    def grow(self):
        """One more tensor, or none where the layer or its inputs were refused."""
        choices = self.choices
        cls = choices.pick(LAYERS) if not choices.one_in(12) else choices.pick(OF_DATA)
        if cls in (nn.layers.Layer,):
            return
        layer = self.layer(cls)
        if layer is None:
            return
        place = choices.below(len(self.tensors))
        given = self.tensors[place]
        if np.prod(given.sample_shape) > LARGEST:
            return
        if getattr(layer, "merges", False) or choices.one_in(24):
            like = [t for t in self.tensors if t.sample_shape == given.sample_shape]
            given = [given, choices.pick(like if not choices.one_in(6) else self.tensors)]
        arguments = [given]
        if cls is nn.layers.MultiHeadAttention:
            arguments = [given, given] if not isinstance(given, list) else given
        shapes = [t.sample_shape for t in given] if isinstance(given, list) else given.sample_shape
        self.text.append(f"{cls.__name__} {_config(layer)} of {shapes}")
        self.add(self.guarded("a call", layer, *arguments))

    def add(self, result):
        self.tensors += [] if result is None else result if isinstance(result, list) else [result]

    # ---- its life

    def data(self, tensor):
        """Rows for an input: of whatever its readers want."""
        if self.choices.one_in(3):
            return values.base((ROWS, *tensor.sample_shape), "int64", 4, self.choices.below(64)).copy()
        if self.choices.one_in(12):
            return np.full((ROWS, *tensor.sample_shape), "a b")
        return options.numbers_of(self.choices, tensor.sample_shape, ROWS)

    def live(self):
        """Everything that a model goes through; each step may be refused, and must keep what it promises."""
        choices, model = self.choices, self.model
        x = [self.data(tensor) for tensor in self.inputs]
        x = x[0] if len(x) == 1 else x
        config = model.get_config()
        again = nn.Model.from_config(config)
        if again.count_params() != model.count_params():
            raise PromiseError("another model from its configuration", self.text)
        first = self.guarded("predict", model.predict, x)
        if first is None:
            x = [options.numbers_of(choices, tensor.sample_shape, ROWS) for tensor in self.inputs]
            x = x[0] if len(x) == 1 else x
            first = self.guarded("predict", model.predict, x)
        self.compile_and_train(x)
        self.check_copies(x)

    def compile_and_train(self, x):
        choices, model = self.choices, self.model
        loss = [
            options.drawn(choices, choices.pick(options.classes_of(nn.losses, nn.losses.Loss))) for _ in model.outputs
        ]
        metric = [options.drawn(choices, choices.pick(options.classes_of(nn.metrics, nn.metrics.Metric)))]
        metric = [m for m in metric if m is not None and choices.one_in(2)]
        optimizer = options.drawn(choices, choices.pick(options.classes_of(nn.optimizers, nn.optimizers.Optimizer)))
        self.text.append(f"{[_config(one) for one in loss]}, {[_config(m) for m in metric]}, {_config(optimizer)}")
        if optimizer is None or any(one is None for one in loss):
            return
        metrics = metric if len(loss) == 1 else None
        self.guarded("compile", model.compile, optimizer, loss[0] if len(loss) == 1 else loss, metrics=metrics)
        if not model.compiled:
            return
        y = [self.targets(one, output) for one, output in zip(loss, model.outputs, strict=True)]
        y = y[0] if len(y) == 1 else y
        for _ in range(2):
            state = State(model)
            try:
                model.train_on_batch(x, y)
            except nn.NonFiniteLossError:
                pass
            except MemoryError:
                return
            except Exception as error:
                require_refusal(error, f"train_on_batch of {self.text}")
                if state.changed():
                    raise PromiseError("a refused training changed numbers", self.text, state.changed()) from error
                return

    def targets(self, loss, output):
        shape = loss.target_shape(output.sample_shape)
        if loss.labels:
            return values.base((ROWS, *shape), "int64", max(1, output.sample_shape[-1]), self.choices.below(64))
        return np.abs(options.numbers_of(self.choices, shape, ROWS)) % 1

    def check_copies(self, x):
        """A loaded model and a copy predict the same bits, and so does the model with another number of threads."""
        model = self.model
        if model.stateful:
            return
        expected = self.guarded("predict", model.predict, x)
        if expected is None:
            return
        with nn.config.threads(2):
            if not same_bits(model.predict(x), expected):
                raise PromiseError("another prediction with two threads", self.text)
        if not same_bits(copy.deepcopy(model).predict(x), expected):
            raise PromiseError("another prediction of the copy", self.text)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.safetensors")
            model.save(path)
            twin = nn.models.load_model(path)
        if not same_bits(twin.predict(x), expected):
            raise PromiseError("another prediction of the file", self.text)
        if twin.compiled != model.compiled:
            raise PromiseError("the file forgot the compilation", self.text)


@nn.saving.register_keras_serializable("fuzz")
class _Cell(nn.layers.Layer):
    """A cell of one's own, made of layers."""

    def __init__(self, units, **keywords):
        super().__init__(**keywords)
        self.units = self.state_size = self.output_size = units
        self.dense = nn.layers.Dense(units)
        self.recurrent = nn.layers.Dense(units)

    def call(self, inputs, states):
        output = nn.layers.add([self.dense(inputs), self.recurrent(states[0])])
        return output, [output]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def _config(thing):
    try:
        return {key: value for key, value in thing.get_config().items() if value not in (None, False)}
    except Exception:
        return type(thing).__name__

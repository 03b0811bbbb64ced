"""A thousand random models: directed acyclic graphs of all kinds of layers, checked as wholes.

Each is a function of its seed. A failing one is named by it; `describe(seed)` prints it, `Case(seed)` rebuilds it.
"""

import io

import numpy as np
import pytest

import nncore as nn

GRAPHS = 1000
PER_TEST = 50
ROWS = 5


def available(module, names):
    """The names that there are, so that a new function is drawn as soon as it exists."""
    return [name for name in names if hasattr(module, name)]


# Smooth ones, so that central differences are right to their second order; `check_slope` gets around kinks.
SMOOTH = available(nn.activations, ["linear", "tanh", "sigmoid", "softmax", "softplus", "silu", "gelu", "mish",
                                    "log_softmax", "exponential", "log_sigmoid", "tanh_shrink"])  # fmt: skip
KINKED = available(nn.activations, ["relu", "leaky_relu", "elu", "selu", "celu", "softsign", "hard_sigmoid", "relu6"])
NORMALIZING = available(nn.layers, ["LayerNormalization", "RMSNormalization", "BatchNormalization"])
PLAIN_LOSSES = available(nn.losses, ["MeanSquaredError", "Huber", "LogCosh", "CosineSimilarity"])
WINDOWED = ["Conv", "Conv", "DepthwiseConv", "SeparableConv", "ConvTranspose", "MaxPooling", "AveragePooling"]
RECURRENT = ["SimpleRNN", "LSTM", "GRU"]
MERGERS = ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"]


class Case:
    """A random model, compiled, with data: `model`, `x`, `y`, `sample_weight`, and in `text` how it was made."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.text = []
        self.shared = []  # layers, and models inside, that may be called again: (callable, shape of its input)
        self.seed = seed
        self.steep = False  # an exponential was drawn: one of another may overflow
        self.tensors = []
        self.numbers = {}  # of each input that an Embedding reads: how many rows its table has
        inputs = [self.input() for _ in range(self.random.integers(1, 4))]
        for _ in range(self.random.integers(2, 9)):
            self.grow()
        outputs = self.outputs(inputs)
        self.model = nn.Model(inputs if len(inputs) > 1 else inputs[0], outputs if len(outputs) > 1 else outputs[0],
                              dtype="float64", seed=seed)  # fmt: skip
        for layer in self.model.layers:
            self.stir(layer)
        self.x = [self.data(t) for t in inputs]
        losses, self.y = zip(*(self.loss_for(t) for t in outputs), strict=True)
        weights = [round(float(w), 2) for w in self.random.uniform(0.2, 2, len(outputs))]
        self.sample_weight = None
        if self.random.random() < 0.4:
            self.sample_weight = [self.random.uniform(0, 2, ROWS) for _ in outputs]
        self.note(f"losses {[type(loss).__name__ for loss in losses]}, {weights}, weighted: {bool(self.sample_weight)}")
        single = len(outputs) == 1
        self.x = self.x if len(inputs) > 1 else self.x[0]
        self.y = self.y[0] if single else list(self.y)
        if single and self.sample_weight:
            self.sample_weight = self.sample_weight[0]
        self.model.compile(nn.optimizers.SGD(0.01), losses[0] if single else list(losses),
                           loss_weights=weights[0] if single else weights)  # fmt: skip

    # ---- drawing

    def note(self, line):
        self.text.append(line)

    def pick(self, choices):
        return choices[self.random.integers(len(choices))]

    def extents(self, axes):
        return tuple(int(n) for n in self.random.integers(1, 5, axes))

    def input(self):
        """An input, and what is made of it first: a vector for each number where it has numbers of rows."""
        numbers = self.random.random() < 0.15
        shape = self.extents(self.random.integers(1, 3 if numbers else 4))
        self.note(f"input {shape}, tensor {len(self.tensors)}")
        x = nn.Input(shape)
        if numbers:
            rows, width = self.extents(2)
            self.numbers[x] = rows
            self.note(f"    of Embedding({rows}, {width})")
        self.tensors.append(nn.layers.Embedding(rows, width)(x) if numbers else x)
        return x

    def data(self, x):
        shape = (ROWS, *x.sample_shape)
        if x in self.numbers:
            return self.random.integers(0, self.numbers[x], shape)
        return self.random.standard_normal(shape)

    def stir(self, layer):
        """Weights that are zeros or ones become others; a layer in twelve is frozen."""
        if isinstance(layer, nn.Model):
            for inner in layer.layers:
                self.stir(inner)
            return
        for array in layer.weights:
            array += self.random.uniform(-0.3, 0.3, array.shape)
        if layer.weights and self.random.random() < 0.08:
            layer.trainable = False
            self.note(f"{layer.name} is frozen")

    def activation(self):
        name = self.pick(SMOOTH + KINKED) if self.random.random() < 0.8 else "linear"
        if name == "exponential" and self.steep:
            return "linear"
        self.steep = self.steep or name == "exponential"
        return name

    def regularizer(self):
        kind = self.random.integers(6)
        return None if kind > 2 else [nn.regularizers.L1(0.01), nn.regularizers.L2(0.02),
                                      nn.regularizers.L1L2(0.01, 0.01)][kind]  # fmt: skip

    def dense(self):
        options = {
            "units": int(self.random.integers(1, 7)),
            "activation": self.activation(),
            "use_bias": bool(self.random.random() < 0.8),
            "kernel_regularizer": self.regularizer(),
            "bias_regularizer": self.regularizer(),
            "activity_regularizer": self.regularizer(),
        }
        self.note(f"Dense {({k: v if not hasattr(v, 'l1') else (v.l1, v.l2) for k, v in options.items()})}")
        return nn.layers.Dense(**options)

    def add(self, tensor, line):
        self.tensors.append(tensor)
        self.note(f"    {line} -> {tensor.sample_shape}, tensor {len(self.tensors) - 1}")

    def grow(self):
        """One more tensor, from one or several of those that are there; late ones more often, so that it gets deep."""
        places = self.random.integers(0, len(self.tensors), 2)
        place = int(places.max())
        tensor = self.tensors[place]
        makers = [self.grow_dense, self.grow_reordered, self.grow_merged, self.grow_merged, self.grow_shared,
                  self.grow_nested, self.grow_simple, self.grow_windows, self.grow_recurrent]  # fmt: skip
        self.pick(makers)(tensor, place)

    def grow_dense(self, tensor, place):
        layer = self.dense()
        self.shared.append((layer, tensor.sample_shape))
        self.add(layer(tensor), f"of tensor {place}")

    def grow_simple(self, tensor, place):
        layers = [
            lambda: nn.layers.Rescaling(0.7, 0.2),
            lambda: nn.layers.Activation(self.activation()),
            *([lambda: getattr(nn.layers, self.pick(NORMALIZING))()] if NORMALIZING else []),
        ]
        layer = self.pick(layers)()
        self.add(layer(tensor), f"{type(layer).__name__} {layer.get_config()} of tensor {place}")

    def grow_windows(self, tensor, place):
        """A convolution or pooling, of a sequence or an image."""
        fitting = self.place_of_axes(place, (2, 3))
        if fitting is None:
            return self.grow_dense(tensor, place)
        tensor = self.tensors[fitting]
        shape = tensor.sample_shape
        axes, kind = len(shape) - 1, self.pick(WINDOWED)
        if kind == "ConvTranspose" and np.prod(shape) > 32:  # else tensors grow without bounds
            kind = "Conv"
        name = f"Conv{axes}DTranspose" if kind == "ConvTranspose" else f"{kind}{axes}D"
        padding = self.pick(["valid", "same"])
        most = shape[:-1] if padding == "valid" else (3,) * axes
        size, stride = [int(self.random.integers(1, n + 1)) for n in most], int(self.random.integers(1, 3))
        if "Pooling" in kind:
            options = {"pool_size": size, "strides": stride, "padding": padding}
        else:
            options = {"kernel_size": size, "strides": stride, "padding": padding, "activation": self.activation(),
                       "use_bias": bool(self.random.random() < 0.8)}  # fmt: skip
            if not kind.startswith("Depthwise"):
                options["filters"] = int(self.random.integers(1, 5))
            if stride == 1 and padding == "same":
                options["dilation_rate"] = int(self.random.integers(1, 3))
            if kind == "Conv" and shape[-1] == options["filters"]:
                options["groups"] = shape[-1]
        layer = getattr(nn.layers, name)(**options)
        self.shared.append((layer, shape))
        self.add(layer(tensor), f"{name} {options} of tensor {fitting}")

    def grow_recurrent(self, tensor, place):
        """A recurrent layer over a sequence, in one direction or in both."""
        fitting = self.place_of_axes(place, (2,))
        if fitting is None:
            return self.grow_dense(tensor, place)
        tensor = self.tensors[fitting]
        kind, both = self.pick(RECURRENT), bool(self.random.random() < 0.2)
        options = {
            "units": int(self.random.integers(1, 5)),
            "activation": self.pick(["tanh", "tanh", "sigmoid", "softplus"]),
            "return_sequences": bool(self.random.random() < 0.6),
            "go_backwards": bool(self.random.random() < 0.3),
        }
        layer = getattr(nn.layers, kind)(**options)
        layer = nn.layers.Bidirectional(layer) if both else layer
        self.shared.append((layer, tensor.sample_shape))
        self.add(layer(tensor), f"{kind} {options}{' in both directions' * both} of tensor {fitting}")

    def place_of_axes(self, place, axes):
        """A late tensor whose samples have so many axes, this one if it may be; None if there is none."""
        places = [i for i, t in enumerate(self.tensors) if len(t.sample_shape) in axes]
        return place if place in places else places[-1] if places else None

    def grow_reordered(self, tensor, place):
        shape = tensor.sample_shape
        kinds = ["Flatten", "Reshape", "Permute"] + ["RepeatVector"] * (len(shape) == 1)
        kind = self.pick(kinds)
        if kind == "Flatten":
            layer = nn.layers.Flatten()
        elif kind == "RepeatVector":
            layer = nn.layers.RepeatVector(int(self.random.integers(1, 4)))
        elif kind == "Permute":
            layer = nn.layers.Permute([int(axis) + 1 for axis in self.random.permutation(len(shape))])
        else:
            size = int(np.prod(shape))
            first = self.pick([n for n in range(1, size + 1) if size % n == 0])
            rest = size // first
            layer = nn.layers.Reshape(self.pick([(first, rest), (first, -1), (-1,), (first, 1, rest)]))
        self.add(layer(tensor), f"{kind} {layer.get_config()} of tensor {place}")

    def grow_merged(self, tensor, place):
        """With tensors of the same shape, one of which is made if there is none: the same one is merged at times."""
        shape = tensor.sample_shape
        partners = [t for t in self.tensors if t.sample_shape == shape]
        if len(partners) == 1:
            layer = nn.layers.Dense(shape[-1], activation=self.pick(SMOOTH))
            self.add(layer(tensor), f"Dense like tensor {place}")
            partners.append(self.tensors[-1])
        kind = self.pick(MERGERS)
        count = 2 if kind in ("Subtract", "Dot") else int(self.random.integers(2, 4))
        chosen = [tensor, *(self.pick(partners) for _ in range(count - 1))]
        numbers = [next(i for i, t in enumerate(self.tensors) if t is one) for one in chosen]
        if kind == "Concatenate":
            layer = nn.layers.Concatenate(axis=int(self.random.integers(1, len(shape) + 1)))
        elif kind == "Dot":
            layer = nn.layers.Dot(axes=int(self.random.integers(1, len(shape) + 1)),
                                  normalize=bool(self.random.random() < 0.3))  # fmt: skip
            if len(shape) > 2 or np.prod(shape) > 16:  # else tensors grow without bounds
                layer = nn.layers.Add()
        else:
            layer = getattr(nn.layers, kind)()
        self.add(layer(chosen), f"{type(layer).__name__} {layer.get_config()} of tensors {numbers}")

    def grow_shared(self, tensor, place):
        """A layer, or a model inside, that has been called before, on another tensor of the shape that it takes."""
        usable = [(layer, s) for layer, s in self.shared if any(t.sample_shape == s for t in self.tensors)]
        if not usable or self.steep:
            return self.grow_dense(tensor, place)
        layer, shape = self.pick(usable)
        fitting = [i for i, t in enumerate(self.tensors) if t.sample_shape == shape]
        number = self.pick(fitting)
        self.add(layer(self.tensors[number]), f"{layer.name} again, of tensor {number}")

    def grow_nested(self, tensor, place):
        """A model as a layer: a chain, or one with a skip connection."""
        shape = tensor.sample_shape
        if self.random.random() < 0.5:
            self.note("a chain:")
            model = nn.Sequential([nn.Input(shape), self.dense(), self.dense()], dtype="float64", seed=self.seed + 1)
        else:
            self.note("with a skip connection:")
            start = nn.Input(shape)
            end = nn.layers.Dense(shape[-1])(self.dense()(start))
            model = nn.Model(start, nn.layers.Add()([start, end]), dtype="float64", seed=self.seed + 1)
        self.shared.append((model, shape))
        self.add(model(tensor), f"that model, of tensor {place}")

    # ---- ends

    def outputs(self, inputs):
        """The last tensor and perhaps others; every input reaches one, as a model with others is of no use."""
        chosen = [len(self.tensors) - 1]
        for _ in range(self.random.integers(0, 3)):
            number = int(self.random.integers(len(inputs), len(self.tensors)))
            if number not in chosen:
                chosen.append(number)
        self.note(f"outputs are of tensors {chosen}")
        return [self.head(self.tensors[number]) for number in chosen]

    def head(self, tensor):
        activation = self.pick(["linear", "softmax", "sigmoid"])
        units = int(self.random.integers(2, 5))
        self.note(f"    Dense of {units}, {activation}")
        return nn.layers.Dense(units, activation=activation)(nn.layers.Flatten()(tensor))

    def loss_for(self, tensor):
        """A loss that the activation of this output allows, and its targets."""
        units, activation = tensor.sample_shape[-1], tensor.node.layer.activation.name
        classes = self.random.integers(0, units, ROWS)
        if activation == "softmax" and self.random.random() < 0.7:
            if self.random.random() < 0.5:
                return nn.losses.SparseCategoricalCrossentropy(), classes
            return nn.losses.CategoricalCrossentropy(label_smoothing=0.1), np.eye(units)[classes]
        if activation == "sigmoid" and self.random.random() < 0.7:
            return nn.losses.BinaryCrossentropy(), self.random.choice([0.0, 1.0], (ROWS, units))
        if activation == "linear" and self.random.random() < 0.4:
            return nn.losses.SparseCategoricalCrossentropy(from_logits=True), classes
        return getattr(nn.losses, self.pick(PLAIN_LOSSES))(), self.random.standard_normal((ROWS, units))


def describe(seed):
    """How the model of a seed was made, and what it is."""
    case = Case(seed)
    out = io.StringIO()
    case.model.summary(print_fn=lambda line: out.write(f"{line}\n"))
    return "\n".join(case.text) + "\n" + out.getvalue()


def as_list(value):
    return value if isinstance(value, list) else [value]


def check_slope(case):
    """<gradient, direction> is the slope of the loss along a random direction in the space of all weights.

    Along a line the loss is smooth but for kinks (ReLU, maxima, |w|). A kink within the step shows in that the slopes
    of the two halves differ by more than curvature makes them; then a shorter step is tried, which it is not within.
    """
    model = case.model
    variables = model.trainable_variables
    if not variables:
        return
    directions = [case.random.standard_normal(v.shape) for v in variables]
    loss, gradients = model.value_and_gradients(case.x, case.y, case.sample_weight)
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, directions, strict=True))
    kept = [v.copy() for v in variables]

    def moved(distance):
        for variable, value, direction in zip(variables, kept, directions, strict=True):
            variable[...] = value + distance * direction
        return model.value_and_gradients(case.x, case.y, case.sample_weight)[0]

    tried = []
    # Rounding: 1e-16 of the loss, and of what cancels in it, over the step; the third derivative times step² besides.
    for step in (1e-5, 1e-6, 1e-7):
        difference = (moved(step) - moved(-step)) / (2 * step)
        allowed = 1e-6 * max(1.0, abs(slope)) + 1e-13 * max(1.0, abs(loss)) / step
        tried.append(difference)
        if abs(difference - slope) <= allowed:
            break
    else:
        raise AssertionError(f"the slope is {slope!r} by gradients and {tried} by differences")
    for variable, value in zip(variables, kept, strict=True):
        variable[...] = value


def check_forward(case):
    """predict, forward and a call give the same bits; so do one thread and two."""
    results = []
    for threads in (1, 2):
        with nn.config.threads(threads):
            results += [case.model.predict(case.x), case.model.forward(case.x, training=False), case.model(case.x)]
    for result in results[1:]:
        for one, other in zip(as_list(results[0]), as_list(result), strict=True):
            assert np.isfinite(one).all()
            assert (one == other).all(), "predict, forward and a call, or one thread and two, differ"


def check_training(case, tmp_path, with_file):
    """Training with one thread and two, and going on from a file, gives the same bits."""
    results = []
    start = case.model.get_weights()
    for threads in (1, 2):
        case.model.set_weights(start)
        with nn.config.threads(threads):
            for _ in range(2):
                case.model.train_on_batch(case.x, case.y, sample_weight=case.sample_weight)
        results.append(case.model.get_weights())
    if with_file:
        case.model.save(tmp_path / "graph.safetensors")
        twin = nn.models.load_model(tmp_path / "graph.safetensors")
        results.append(twin.get_weights())
        for one, other in zip(as_list(case.model.predict(case.x)), as_list(twin.predict(case.x)), strict=True):
            assert (one == other).all(), "the model of the file predicts otherwise"
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            assert (one == two).all(), "weights differ between one thread and two, or from those of the file"


@pytest.mark.parametrize("first", range(0, GRAPHS, PER_TEST))
def test_random_graphs(first, tmp_path):
    for seed in range(first, first + PER_TEST):
        try:
            case = Case(seed)
            check_forward(case)
            check_slope(case)
            check_training(case, tmp_path, with_file=seed % 10 == 0)
        except Exception as error:
            raise AssertionError(f"graph {seed}: {type(error).__name__}: {error}") from error


def test_graphs_have_everything():
    """What is to be drawn is drawn, and models differ in size."""
    texts = ["\n".join(Case(seed).text) for seed in range(200)]
    together = "\n".join(texts)
    windowed = [word for word in WINDOWED if word != "ConvTranspose"]
    for word in [*MERGERS, *NORMALIZING, *SMOOTH, *KINKED, *windowed, "DTranspose", *RECURRENT, "in both directions",
                 "Embedding", "Flatten", "Reshape", "Permute", "RepeatVector", "again", "that model", "frozen",
                 "weighted: True", "weighted: False", *PLAIN_LOSSES]:  # fmt: skip
        assert word in together, f"no graph has {word}"
    assert any(text.count("input") >= 3 for text in texts)
    assert len({text.count("tensor") for text in texts}) > 5

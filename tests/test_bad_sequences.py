"""Bad input of layers over sequences and images: a clear error before anything changes, or the documented result."""

import numpy as np
import pytest

import nncore as nn

ROWS, STEPS, COUNT, WIDTH = 6, 5, 17, 3


def numbers(dtype="int64", rows=ROWS):
    return np.random.default_rng(0).integers(0, COUNT, (rows, STEPS)).astype(dtype)


def targets(rows=ROWS):
    return np.random.default_rng(1).standard_normal((rows, 2))


def model_of(*layers, shape=(STEPS,), dtype="float64"):
    model = nn.Sequential([nn.Input(shape), *layers, nn.layers.Flatten(), nn.layers.Dense(2)], dtype=dtype, seed=2)
    model.compile("sgd", "mse")
    return model


# ---------------------------------------------------------------- numbers of rows of a table


class Minibatches(nn.utils.PyDataset):
    def __init__(self, *parts):
        super().__init__()
        self.parts = parts

    def __len__(self):
        return len(self.parts)

    def __getitem__(self, index):
        return self.parts[index]


# Every way in, each of which has a call before it: the second one may take a shorter way.
WAYS = {
    "predict": lambda m, x, y: m.predict(x),
    "predict of a generator": lambda m, x, y: m.predict(iter([x, x])),
    "predict of minibatches": lambda m, x, y: m.predict(Minibatches((x, y))),
    "predict_on_batch": lambda m, x, y: m.predict_on_batch(x),
    "call": lambda m, x, y: m(x),
    "call in training": lambda m, x, y: m(x, training=True),
    "forward": lambda m, x, y: m.forward(x),
    "forward without training": lambda m, x, y: m.forward(x, training=False),
    "layer": lambda m, x, y: m.layers[0](x),
    "evaluate": lambda m, x, y: m.evaluate(x, y, verbose=0),
    "evaluate of a generator": lambda m, x, y: m.evaluate(iter([(x, y)]), verbose=0),
    "test_on_batch": lambda m, x, y: m.test_on_batch(x, y),
    "train_on_batch": lambda m, x, y: m.train_on_batch(x, y),
    "weighted train_on_batch": lambda m, x, y: m.train_on_batch(x, y, sample_weight=np.ones(len(x))),
    "value_and_gradients": lambda m, x, y: m.value_and_gradients(x, y),
    "fit": lambda m, x, y: m.fit(x, y, verbose=0),
    "fit of a generator": lambda m, x, y: m.fit(iter([(x, y)]), verbose=0),
    "fit of minibatches": lambda m, x, y: m.fit(Minibatches((x, y)), verbose=0),
    "validation": lambda m, x, y: m.fit(numbers(), targets(), validation_data=(x, y), epochs=1, verbose=0),
}
NUMBERS = {
    "one too many": ("int64", COUNT),
    "negative": ("int32", -1),
    "huge": ("int64", 2**40),
    "huge, with a small number in its low bits": ("int64", 2**32 + 1),
    "smallest": ("int64", -(2**63)),
    "largest": ("uint64", 2**64 - 1),
    "of a byte": ("uint8", 255),
    "fraction": ("float32", 1.5),
    "NaN": ("float64", np.nan),
    "infinity": ("float32", np.inf),
    "large": ("float64", 1e300),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_outside_of_a_table(way, kind):
    """Refused by every way into a model, also by those that repeat the form of a call before; nothing changes."""
    dtype, number = NUMBERS[kind]
    model = model_of(nn.layers.Embedding(COUNT, WIDTH, name="table"))
    good, y = numbers(dtype), targets()
    for _ in range(2):
        WAYS[way](model, good, y)
    bad = good.copy()
    bad[ROWS - 1, STEPS - 1] = number
    kept = model.get_weights()
    if way == "validation":  # comes after an epoch of good rows
        kept = None
    with pytest.raises(ValueError, match=rf"layer 'table' takes whole numbers from 0 to {COUNT - 1}; .* in row"):
        WAYS[way](model, bad, y)
    assert kept is None or all((w == k).all() for w, k in zip(model.get_weights(), kept, strict=True))
    WAYS[way](model, good, y)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_numbers_that_a_layer_computes(dtype, optimizer):
    """They are not checked: rows outside of the table are NaN, and nothing is learned from them."""
    model = model_of(nn.layers.Rescaling(1.0), nn.layers.Embedding(COUNT, WIDTH), dtype=dtype)
    model.compile(optimizer, "mse")
    kept = model.get_weights()
    for number in (COUNT, -1, 2.0**31, -(2.0**31), 2.0**32 + 1, 1e30, np.nan, np.inf, -np.inf, 0.5):
        x = numbers(dtype)
        x[1, 2] = number
        y = model.predict(x)
        assert np.isnan(y[1]).all()
        assert np.isfinite(np.delete(y, 1, axis=0)).all()
        with pytest.raises(nn.NonFiniteLossError):
            model.train_on_batch(x, targets())
        model.value_and_gradients(x, targets())
    assert all((w == k).all() for w, k in zip(model.get_weights(), kept, strict=True))


def test_numbers_for_the_smaller_of_two_tables():
    """That of a second input, and of a model in a model."""
    a, b = nn.Input((STEPS,), name="a"), nn.Input((STEPS,), name="b")
    inner = nn.Sequential([nn.Input((STEPS,)), nn.layers.Embedding(4, WIDTH, name="small")])
    model = nn.Model([a, b], nn.layers.Add()([nn.layers.Embedding(COUNT, WIDTH)(a), inner(b)]))
    small = numbers() % 4
    for _ in range(2):
        model.predict([numbers(), small])
    with pytest.raises(ValueError, match="layer 'small' takes whole numbers from 0 to 3; x of input 'b' holds 4"):
        model.predict([numbers(), small + 1])


def test_labels_and_numbers_that_are_not_aligned():
    """Arrays whose elements lie between those of memory, in calls that read them without copies."""

    def shifted(array):
        view = np.ndarray(array.shape, array.dtype, np.zeros(array.nbytes + 1, np.uint8), 1)
        view[...] = array
        return view

    model = nn.Sequential([nn.Input((STEPS,)), nn.layers.Embedding(COUNT, WIDTH), nn.layers.Flatten(),
                           nn.layers.Dense(4)], seed=3)  # fmt: skip
    model.compile("sgd", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    for dtype in ("int32", "int64"):
        x, y = numbers(dtype), (numbers(dtype)[:, 0] % 4).astype(dtype)
        wanted = [model.test_on_batch(x, y) for _ in range(2)]
        assert [model.test_on_batch(shifted(x), shifted(y)) for _ in range(2)] == wanted
        with pytest.raises(ValueError, match="class 4 in row"):
            model.test_on_batch(shifted(x), shifted(y + np.array(4 - y.max(), dtype)))


# ---------------------------------------------------------------- nothing but masked steps

ALL_MASKED = {
    "SimpleRNN": lambda: nn.layers.SimpleRNN(4),
    "LSTM": lambda: nn.layers.LSTM(4),
    "GRU": lambda: nn.layers.GRU(4),
    "GRU, reset before": lambda: nn.layers.GRU(4, reset_after=False),
    "relu": lambda: nn.layers.LSTM(4, activation="relu", recurrent_activation="tanh"),
    "sequences": lambda: nn.layers.GRU(4, return_sequences=True),
    "backwards": lambda: nn.layers.LSTM(4, go_backwards=True),
    "zeroed": lambda: nn.layers.LSTM(4, return_sequences=True, zero_output_for_mask=True),
    "both ways": lambda: nn.layers.Bidirectional(nn.layers.LSTM(4)),
}


@pytest.mark.parametrize("kind", ALL_MASKED)
def test_recurrent_layers_of_nothing_but_masked_steps(kind):
    """States stay what they were, zeros; no gradient comes from such a row."""
    layer = ALL_MASKED[kind]()
    model = nn.Sequential([nn.Input((STEPS,)), nn.layers.Embedding(COUNT, WIDTH, mask_zero=True), layer],
                          dtype="float64", seed=2)  # fmt: skip
    model.compile("sgd", "mse")
    x = np.zeros((ROWS, STEPS), int)
    y = model.predict(x)
    assert (y == 0).all()
    _, gradients = model.value_and_gradients(x, np.ones_like(y))
    assert all((g == 0).all() for g in gradients)
    x[1:] = 1 + numbers(rows=ROWS - 1) % (COUNT - 1)
    y = model.predict(x)
    assert (y[0] == 0).all()
    assert np.isfinite(y).all()
    assert y[1:].any()
    model.train_on_batch(x, np.ones_like(y))
    assert all(np.isfinite(w).all() for w in model.weights)


def attention(kind):
    x = nn.Input((STEPS,))
    steps = nn.layers.Embedding(COUNT, 4, mask_zero=True)(x)
    if kind == "MultiHeadAttention":
        y = nn.layers.MultiHeadAttention(2, 3)(steps, steps)
    else:
        y = getattr(nn.layers, kind)()([steps, steps])
    model = nn.Model(x, y, dtype="float64", seed=2)
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize("kind", ["MultiHeadAttention", "Attention", "AdditiveAttention"])
def test_attention_to_nothing_but_masked_steps_is_finite(kind):
    model = attention(kind)
    x = numbers()
    x[0] = 0
    y = model.predict(x)
    assert np.isfinite(y).all()
    assert (model.predict(x[:1])[0] == y[0]).all()
    assert np.isfinite(model.train_on_batch(x, np.ones_like(y)))
    assert all(np.isfinite(w).all() for w in model.weights)


def test_means_over_nothing_but_masked_steps_are_not_numbers():
    """0 / 0, as in Keras; and training on it is refused."""
    model = nn.Sequential([nn.Input((STEPS,)), nn.layers.Embedding(COUNT, WIDTH, mask_zero=True),
                           nn.layers.GlobalAveragePooling1D()], dtype="float64")  # fmt: skip
    model.compile("sgd", "mse")
    x = 1 + numbers() % (COUNT - 1)
    x[2] = 0
    y = model.predict(x)
    assert np.isnan(y[2]).all()
    assert np.isfinite(np.delete(y, 2, axis=0)).all()
    kept = model.get_weights()
    with pytest.raises(nn.NonFiniteLossError):
        model.train_on_batch(x, np.zeros_like(y))
    assert (model.get_weights()[0] == kept[0]).all()


# ---------------------------------------------------------------- stateful layers


def kept(model, rows):
    return model.layers[0].states is None or [len(s) for s in model.layers[0].states] == [rows]


STATEFUL_WAYS = {name: way for name, way in WAYS.items() if name != "validation"}


@pytest.mark.parametrize("way", STATEFUL_WAYS)
def test_stateful_layers_refuse_other_numbers_of_rows(way):
    """More and fewer rows than they keep states of; states and weights stay."""
    model = model_of(nn.layers.GRU(4, stateful=True, name="kept"), shape=(STEPS, 2))
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((9, STEPS, 2)), rng.standard_normal((9, 2))
    for _ in range(2):
        STATEFUL_WAYS[way](model, x[:5], y[:5])
    weights, states = model.get_weights(), [s.copy() for s in model.layers[0].states]
    for rows in (1, 4, 9):
        with pytest.raises(ValueError, match=r"'kept' is stateful and keeps the states of 5 sequences .* got \d+"):
            STATEFUL_WAYS[way](model, x[:rows], y[:rows])
    for found, wanted in zip([*model.get_weights(), *model.layers[0].states], [*weights, *states], strict=True):
        assert (found == wanted).all()


# ---------------------------------------------------------------- windows that do not fit

WINDOWS = {
    "Conv1D": (lambda: nn.layers.Conv1D(2, 4, name="w"), (3, 2)),
    "Conv2D": (lambda: nn.layers.Conv2D(2, (2, 4), name="w"), (3, 3, 2)),
    "dilated": (lambda: nn.layers.Conv2D(2, 2, dilation_rate=3, name="w"), (3, 3, 2)),
    "DepthwiseConv1D": (lambda: nn.layers.DepthwiseConv1D(4, name="w"), (3, 2)),
    "DepthwiseConv2D": (lambda: nn.layers.DepthwiseConv2D(4, name="w"), (3, 9, 2)),
    "SeparableConv2D": (lambda: nn.layers.SeparableConv2D(2, 4, name="w"), (9, 3, 2)),
    "MaxPooling1D": (lambda: nn.layers.MaxPooling1D(4, name="w"), (3, 2)),
    "AveragePooling2D": (lambda: nn.layers.AveragePooling2D(4, name="w"), (3, 9, 2)),
}


@pytest.mark.parametrize("kind", WINDOWS)
def test_windows_larger_than_what_they_move_over(kind):
    """In a graph, in a model that takes its shape from data, and on arrays."""
    make, shape = WINDOWS[kind]
    x = np.ones((4, *shape), "float32")
    message = r"layer 'w.*': a window of .* does not fit into samples of shape"
    for attempt in (lambda: make()(nn.Input(shape)), lambda: make()(x), lambda: nn.Sequential([make()]).predict(x)):
        with pytest.raises(ValueError, match=message):
            attempt()


def test_groups_that_do_not_divide_channels():
    x = np.ones((4, 5, 5, 3), "float32")
    for attempt in (
        lambda: nn.layers.Conv2D(4, 3, groups=2)(nn.Input((5, 5, 3))),
        lambda: nn.layers.Conv2D(4, 3, groups=2)(x),
        lambda: nn.Sequential([nn.layers.Conv2D(4, 3, groups=2)]).predict(x),
        lambda: nn.layers.Conv1D(4, 3, groups=2)(x[0]),
    ):
        with pytest.raises(ValueError, match="multiple of its 2 groups; got 3 channels"):
            attempt()


@pytest.mark.parametrize("shape", [(4, 6, 5, 2), (4, 5, 6, 2), (4, 5, 5, 3), (4, 5, 5), (4, 50), (4, 5, 5, 2, 1)])
def test_images_of_another_shape(shape):
    model = model_of(nn.layers.Conv2D(3, 2), nn.layers.MaxPooling2D(), shape=(5, 5, 2))
    good = np.ones((4, 5, 5, 2))
    for name, way in WAYS.items():
        if name not in ("layer", "validation"):
            way(model, good, targets(4))
            way(model, good, targets(4))
            with pytest.raises(ValueError, match=r"expects inputs of shape \(5, 5, 2\) for each sample"):
                way(model, np.ones(shape), targets(4))

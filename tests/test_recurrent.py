"""Recurrent layers: against formulas in NumPy, their gradients by central differences, states, masks, files, errors."""

import functools
import itertools
import math
import pickle

import numpy as np
import pytest

import nncore as nn
from nncore.layers.layer import Layer

ROWS, STEPS, FEATURES, UNITS = 4, 5, 3, 2


def random(seed=0):
    return np.random.default_rng(seed)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


FUNCTIONS = {
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "silu": lambda x: x * sigmoid(x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "gelu": lambda x: x * np.vectorize(lambda z: math.erfc(-z / math.sqrt(2)) / 2)(x),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
}


# ---------------------------------------------------------------- formulas


def step_of(layer, weights):
    """A function (x, states) -> states, of which the first is the output."""
    kernel, recurrent, *bias = weights
    f, s = FUNCTIONS[layer.activation.name], FUNCTIONS[layer.recurrent_activation.name]
    bias = bias[0] if bias else np.zeros(layer.bias_shape)

    def simple(x, states):
        return [f(x @ kernel + bias + states[0] @ recurrent)]

    def lstm(x, states):
        i, j, g, o = np.split(x @ kernel + bias + states[0] @ recurrent, 4, axis=1)
        c = s(j) * states[1] + s(i) * f(g)
        return [s(o) * f(c), c]

    def gru(x, states):
        h, b = states[0], bias if layer.reset_after else (bias, np.zeros_like(bias))
        p, q, k = np.split(x @ kernel + b[0], 3, axis=1)
        parts = np.split(recurrent, 3, axis=1)
        p_h, q_h, k_h = (h @ part + c for part, c in zip(parts, np.split(b[1], 3), strict=True))
        z, r = s(p + p_h), s(q + q_h)
        n = f(k + (r * k_h if layer.reset_after else (r * h) @ parts[2]))
        return [z * h + (1 - z) * n]

    return {nn.layers.SimpleRNN: simple, nn.layers.LSTM: lstm, nn.layers.GRU: gru}[type(layer)]


def outputs_of(layer, weights, x, initial=None, mask=None):
    """The list of a layer's outputs."""
    if isinstance(layer, nn.layers.Bidirectional):
        return both_outputs_of(layer, weights, x, initial, mask)
    step = step_of(layer, weights)
    states = [np.zeros((len(x), layer.units)) for _ in layer.state_names] if initial is None else list(initial)
    outputs = []
    for t in reversed(range(x.shape[1])) if layer.go_backwards else range(x.shape[1]):
        kept = True if mask is None else mask[:, t : t + 1] != 0
        states = [np.where(kept, new, old) for new, old in zip(step(x[:, t], states), states, strict=True)]
        outputs.append(np.where(kept, states[0], 0) if layer.zero_output_for_mask else states[0])
    output = np.stack(outputs, axis=1) if layer.return_sequences else outputs[-1]
    return [output, *states] if layer.return_state else [output]


def both_outputs_of(layer, weights, x, initial, mask):
    half, states = len(weights) // 2, len(layer.state_shapes) // 2
    parts = [
        outputs_of(one, w, x, start, mask)
        for one, w, start in (
            (layer.forward_layer, weights[:half], initial and initial[:states]),
            (layer.backward_layer, weights[half:], initial and initial[states:]),
        )
    ]
    (forward, *first), (backward, *second) = parts
    if layer.return_sequences:
        backward = backward[:, ::-1]
    merged = {
        "concat": lambda: [np.concatenate([forward, backward], axis=-1)],
        "sum": lambda: [forward + backward],
        "mul": lambda: [forward * backward],
        "ave": lambda: [(forward + backward) / 2],
        None: lambda: [forward, backward],
    }[layer.merge_mode]()
    return [*merged, *first, *second]


# ---------------------------------------------------------------- models


class WithMask(Layer):
    """Hands on its first input, with the second as its mask."""

    merges = True

    def compute_output_shape(self, input_shapes):
        return input_shapes[0]

    def emit(self, builder, x, mask):
        x.uses += 1
        y = builder.same(x, x.shape)
        y.mask = mask
        return y


def model_of(layer, *, states=False, masked=False, shape=(STEPS, FEATURES), dtype="float64"):
    """A model of one layer, whose weights are noise; its inputs: the sequences, the mask, the states."""
    x = nn.Input(shape)
    inputs, mask = [x], nn.Input(shape[:1]) if masked else None
    if masked:
        inputs.append(mask)
        x = WithMask()([x, mask])
    initial = [nn.Input(state) for state in layer.state_shapes] if states else None
    model = nn.Model([*inputs, *(initial or [])], layer(x, initial_state=initial), dtype=dtype, seed=1)
    noise = random(3)
    model.set_weights([noise.uniform(-0.4, 0.4, w.shape) for w in model.get_weights()])
    return model


def data(layer, *, states=False, masked=False, rows=ROWS, shape=(STEPS, FEATURES)):
    """Arrays for the model's inputs."""
    noise = random(5)
    arrays = [noise.standard_normal((rows, *shape))]
    if masked:
        mask = (noise.random((rows, shape[0])) < 0.6).astype(float)
        mask[0], mask[1] = 0, 1
        arrays.append(mask)
    return arrays + [noise.standard_normal((rows, *state)) for state in layer.state_shapes if states]


def listed(outputs):
    return outputs if isinstance(outputs, list) else [outputs]


def one_or_list(arrays):
    return arrays if len(arrays) > 1 else arrays[0]


def differences(function, arrays, slopes, step=1e-6):
    """Central differences of the sum of outputs times slopes, for every element of every array."""

    def value():
        return sum((y * dy).sum() for y, dy in zip(function(), slopes, strict=True))

    found = []
    for array in arrays:
        slope = np.zeros_like(array)
        for place in np.ndindex(array.shape):
            kept = array[place]
            array[place] = kept + step
            above = value()
            array[place] = kept - step
            slope[place] = (above - value()) / (2 * step)
            array[place] = kept
        found.append(slope)
    return found


def assert_slopes(got, wanted):
    """Central differences of numbers around 1: the step's square, and 1e-16 over the step, 1e-6, some times."""
    np.testing.assert_allclose(got, wanted, rtol=1e-6, atol=1e-8)


def check(layer, *, states=False, masked=False):
    """Outputs to 1e-12 of the formula, gradients of weights, inputs and initial states of its central differences."""
    model = model_of(layer, states=states, masked=masked)
    inputs = data(layer, states=states, masked=masked)
    weights = model.get_weights()
    x, mask, initial = inputs[0], inputs[1] if masked else None, inputs[1 + masked :] or None

    def formula():
        return outputs_of(layer, weights, x, initial, mask)

    wanted = formula()
    assert [shape[1:] for shape in listed(model.output_shape)] == [y.shape[1:] for y in wanted]
    for got in (listed(model.predict(one_or_list(inputs))), listed(model.forward(one_or_list(inputs)))):
        for y, expected in zip(got, wanted, strict=True):
            np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    noise = random(9)
    slopes = [noise.standard_normal(y.shape) for y in wanted]
    model.zero_gradients()
    dx = listed(model.backward(one_or_list(slopes)))
    if masked:
        del dx[1]
    expected = differences(formula, [*weights, x, *(initial or [])], slopes)
    for got, slope in zip([*model.gradients, *dx], expected, strict=True):
        assert_slopes(got, slope)


CELLS = {
    "SimpleRNN": functools.partial(nn.layers.SimpleRNN, UNITS),
    "LSTM": functools.partial(nn.layers.LSTM, UNITS),
    "GRU": functools.partial(nn.layers.GRU, UNITS),
    "GRU reset before": functools.partial(nn.layers.GRU, UNITS, reset_after=False),
}
OUTPUTS = [{}, {"return_sequences": True}, {"return_state": True}, {"return_sequences": True, "return_state": True}]


@pytest.mark.parametrize("states", [False, True])
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("options", OUTPUTS, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_outputs_and_gradients(cell, options, go_backwards, states):
    check(CELLS[cell](**options, go_backwards=go_backwards), states=states)


@pytest.mark.parametrize("units", [1, 5, 17, 40])
@pytest.mark.parametrize("cell", CELLS)
def test_numbers_of_units(cell, units):
    """Around vectors and tiles, and with mirrors of weights in panels."""
    layer = CELLS[cell].func(units, **CELLS[cell].keywords, return_sequences=True)
    model = model_of(layer, shape=(3, 70))
    model.set_weights([w / 8 for w in model.get_weights()])
    (x,) = data(layer, shape=(3, 70), rows=33)
    weights = model.get_weights()
    np.testing.assert_allclose(model.forward(x), *outputs_of(layer, weights, x), rtol=1e-12, atol=1e-12)
    noise = random(4)
    dy = noise.standard_normal((33, 3, units))
    model.zero_gradients()
    dx = model.backward(dy)
    for arrays, slopes in ((weights, model.gradients), ([x], [dx])):  # along one direction
        along = [noise.standard_normal(a.shape) for a in arrays]

        def moved(by, arrays=arrays, along=along):
            shifted = [a + by * d for a, d in zip(arrays, along, strict=True)]
            given = (shifted, x) if arrays is weights else (weights, shifted[0])
            return (outputs_of(layer, *given)[0] * dy).sum()

        wanted = (moved(1e-6) - moved(-1e-6)) / 2e-6
        got = sum((s * d).sum() for s, d in zip(slopes, along, strict=True))
        np.testing.assert_allclose(got, wanted, rtol=1e-6)


@pytest.mark.parametrize("activation", [name for name in FUNCTIONS if name != "tanh"])
@pytest.mark.parametrize("cell", CELLS)
def test_activations(cell, activation):
    check(CELLS[cell](activation=activation, return_sequences=True))
    if cell != "SimpleRNN":
        check(CELLS[cell](recurrent_activation=activation, go_backwards=True))
        check(CELLS[cell](activation="softplus", recurrent_activation=activation), states=True)


def test_activations_with_parameters(monkeypatch):
    half = nn.activations.elu.with_parameters(alpha=0.5)
    monkeypatch.setitem(FUNCTIONS, "elu", lambda x: np.where(x > 0, x, 0.5 * np.expm1(np.minimum(x, 0))))
    check(nn.layers.LSTM(UNITS, activation=half, recurrent_activation="silu"))


@pytest.mark.parametrize("cell", CELLS)
def test_without_bias(cell):
    check(CELLS[cell](use_bias=False))


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("options", OUTPUTS, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_masks(cell, options, go_backwards, zeros):
    layer = CELLS[cell](**options, go_backwards=go_backwards, zero_output_for_mask=zeros)
    check(layer, masked=True, states=go_backwards)


@pytest.mark.parametrize("cell", CELLS)
def test_masks_with_other_activations(cell):
    check(CELLS[cell](activation="silu", return_sequences=True), masked=True)


@pytest.mark.parametrize("cell", CELLS)
def test_weights_have_shapes_and_order_of_keras(cell):
    layer = CELLS[cell]()
    nn.Sequential([nn.Input((STEPS, FEATURES)), layer])
    columns = UNITS * {"SimpleRNN": 1, "LSTM": 4}.get(cell, 3)
    bias = (2, columns) if cell == "GRU" else (columns,)
    assert [w.name for w in layer.weight_list()] == ["kernel", "recurrent_kernel", "bias"]
    assert [w.shape for w in layer.weights] == [(FEATURES, columns), (UNITS, columns), bias]
    assert layer.kernel is layer.weights[0]
    assert layer.recurrent_kernel is layer.weights[1]
    assert layer.bias is layer.weights[2]
    u = layer.recurrent_kernel
    np.testing.assert_allclose(u @ u.T, np.eye(UNITS), atol=1e-6)  # orthogonal
    wanted = np.zeros(bias)
    if cell == "LSTM":
        wanted[UNITS : 2 * UNITS] = 1
    np.testing.assert_array_equal(layer.bias, wanted)


def test_the_forget_gates_bias_may_begin_as_the_others():
    layer = nn.layers.LSTM(UNITS, unit_forget_bias=False)
    nn.Sequential([nn.Input((STEPS, FEATURES)), layer])
    assert not layer.bias.any()


# ---------------------------------------------------------------- both directions


@pytest.mark.parametrize("options", OUTPUTS, ids=str)
@pytest.mark.parametrize("merge_mode", ["concat", "sum", "mul", "ave", None])
def test_bidirectional(merge_mode, options):
    for cell, masked in itertools.product(("LSTM", "GRU reset before"), (False, True)):
        layer = nn.layers.Bidirectional(CELLS[cell](**options), merge_mode)
        check(layer, states=not masked, masked=masked)


def test_bidirectional_of_two_layers():
    backward = nn.layers.LSTM(3, activation="relu", return_sequences=True, go_backwards=True)
    layer = nn.layers.Bidirectional(nn.layers.LSTM(2, return_sequences=True), backward_layer=backward)
    assert layer.backward_layer is backward
    check(layer, states=True)
    ahead = nn.layers.GRU(2, return_sequences=True)
    check(nn.layers.Bidirectional(nn.layers.GRU(2, return_sequences=True, go_backwards=True), "sum", None, ahead))


def test_bidirectional_can_be_frozen():
    layer = nn.layers.Bidirectional(nn.layers.LSTM(2))
    model = nn.Sequential([nn.Input((STEPS, FEATURES)), layer])
    assert len(model.trainable_variables) == 6
    assert layer.forward_layer.name.removeprefix("forward_") == layer.backward_layer.name.removeprefix("backward_")
    layer.trainable = False
    assert not model.trainable_variables
    layer.trainable = True
    model.compile("sgd", "mse")
    x, y = np.ones((2, STEPS, FEATURES)), np.ones((2, 4))
    model.train_on_batch(x, y)
    layer.backward_layer.trainable = False
    assert len(model.trainable_variables) == 3
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.train_on_batch(x, y)
    changed = [(a != b).any() for a, b in zip(before, model.get_weights(), strict=True)]
    assert changed == [True] * 3 + [False] * 3


# ---------------------------------------------------------------- states that are kept


@pytest.mark.parametrize("wrap", [lambda layer: layer, nn.layers.Bidirectional], ids=["one", "both"])
@pytest.mark.parametrize("cell", CELLS)
def test_stateful_layers_go_on(cell, wrap):
    """A call begins with the states that the one before left."""
    layer = wrap(CELLS[cell](stateful=True, return_sequences=True))
    model = model_of(layer)
    (x,) = data(layer, shape=(2 * STEPS, FEATURES))
    halves = x[:, :STEPS], x[:, STEPS:]
    plain = wrap(CELLS[cell](return_sequences=True, return_state=True))
    other = model_of(plain, states=True)
    other.set_weights(model.get_weights())
    zeros = states = [np.zeros((ROWS, *shape)) for shape in plain.state_shapes]
    for part in (*halves, halves[0]):
        wanted, *states = other.predict([part, *states])
        np.testing.assert_array_equal(model.predict(part), wanted)
    for reset in (layer.reset_state, layer.reset_states):
        reset()
        np.testing.assert_array_equal(model(halves[0]), other.predict([halves[0], *zeros])[0])


def test_stateful_training_goes_on_from_minibatch_to_minibatch():
    layer = nn.layers.LSTM(UNITS, stateful=True)
    model = nn.Sequential([nn.Input((STEPS, FEATURES)), layer, nn.layers.Dense(1)], dtype="float64", seed=2)
    twin = nn.Sequential.from_config(model.get_config())
    x, y = random(1).standard_normal((12, STEPS, FEATURES)), random(2).standard_normal((12, 1))
    for one in (model, twin):
        one.compile(nn.optimizers.SGD(0.1), "mse")
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    model.value_and_gradients(x[:4], y[:4])  # changes nothing
    for begin in (0, 4, 8):
        twin.train_on_batch(x[begin : begin + 4], y[begin : begin + 4])
    assert layer.states[0].any()
    others = [*twin.layers[0].states, *twin.get_weights()]
    for a, b in zip([*layer.states, *model.get_weights()], others, strict=True):
        np.testing.assert_array_equal(a, b)
    layer.reset_state()
    whole = model.predict(x, batch_size=4)
    layer.reset_state()
    parts = np.concatenate([model.predict_on_batch(x[begin : begin + 4]) for begin in (0, 4, 8)])
    np.testing.assert_array_equal(whole, parts)
    layer.reset_state()
    loss = model.evaluate(x, y, batch_size=4, verbose=0)
    np.testing.assert_allclose(loss, ((whole - y) ** 2).mean(), rtol=1e-12)


def test_stateful_layers_want_minibatches_of_one_size():
    model = nn.Sequential([nn.Input((STEPS, FEATURES)), nn.layers.GRU(UNITS, stateful=True, name="kept")])
    model.compile("sgd", "mse")
    x, y = np.ones((10, STEPS, FEATURES), "float32"), np.ones((10, UNITS), "float32")
    before = model.get_weights()
    with pytest.raises(ValueError, match="all minibatches must have the same number of rows; got 10 rows in minibatch"):
        model.fit(x, y, batch_size=4, verbose=0)
    with pytest.raises(ValueError, match="got 10 rows in minibatches of 4"):
        model.evaluate(x, y, batch_size=4, verbose=0)
    model.predict(x, batch_size=5)
    for attempt in (
        lambda: model.predict(x, batch_size=4),
        lambda: model.train_on_batch(x, y),
        lambda: model.fit(x, y, batch_size=2, verbose=0),
        lambda: model(x[:4]),
    ):
        with pytest.raises(ValueError, match=r"'kept' is stateful and keeps the states of 5 sequences .* got \d+"):
            attempt()
    for weight, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)
    for options in ({"validation_data": (x, y), "validation_batch_size": 2}, {"validation_data": (x[:4], y[:4])},
                    {"validation_data": (x, y), "validation_batch_size": 4}, {"validation_split": 0.5},
                    {"validation_data": (x, y), "validation_batch_size": 2, "validation_steps": 1}):  # fmt: skip
        rows = 2 if "validation_split" in options else 5
        with pytest.raises(ValueError, match="all minibatches must have the same number of rows"):
            model.fit(x, y, batch_size=rows, verbose=0, **options)
    for weight, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)
    model.fit(x, y, batch_size=5, epochs=2, verbose=0, validation_split=0.5)
    model.fit(x, y, batch_size=5, verbose=0, validation_data=(x[:6], y[:6]), validation_steps=1)


# ---------------------------------------------------------------- dropout


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("options", [{"dropout": 0.4}, {"recurrent_dropout": 0.4},
                                     {"dropout": 0.3, "recurrent_dropout": 0.3, "activation": "silu"}],
                         ids=str)  # fmt: skip
def test_gradients_with_dropout(cell, options):
    """Of one step of training, whose numbers are the same each time it is asked for."""
    layer = CELLS[cell](**options, return_sequences=True)
    x, y = random(1).standard_normal((ROWS, STEPS, FEATURES)), random(2).standard_normal((ROWS, STEPS, UNITS))
    model = model_of(layer)
    model.compile("sgd", "mse")
    _, gradients = model.value_and_gradients(x, y)
    assert model.value_and_gradients(x, y)[0] != model.evaluate(x, y, verbose=0)
    expected = differences(lambda: [np.array(model.value_and_gradients(x, y)[0])], model.trainable_variables, [1.0])
    for got, wanted in zip(gradients, expected, strict=True):
        assert_slopes(got, wanted)
    np.testing.assert_allclose(model.predict(x), *outputs_of(layer, model.get_weights(), x), rtol=1e-12, atol=1e-12)


def test_dropout_is_the_same_in_all_steps():
    units, share = 50, pytest.approx(0.25, abs=5 * np.sqrt(0.25 * 0.75 / 1000))
    layer = nn.layers.SimpleRNN(units, activation="linear", dropout=0.25, return_sequences=True)
    layer(np.zeros((1, 3, units)))
    layer.set_weights([np.eye(units), np.zeros((units, units)), np.zeros(units)])
    x = np.ones((20, 3, units))
    y = layer(x, training=True)
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1], y.shape))
    np.testing.assert_allclose(np.unique(y), [0, 1 / 0.75], rtol=1e-15)
    assert (y[:, 0] == 0).mean() == share

    layer = nn.layers.SimpleRNN(units, activation="linear", recurrent_dropout=0.25, return_sequences=True)
    layer(np.zeros((1, 3, units)))
    layer.set_weights([np.eye(units), np.eye(units), np.zeros(units)])
    y = layer(0 * x, initial_state=x[:, 0], training=True)
    np.testing.assert_allclose(y[:, 1], y[:, 0] ** 2, rtol=1e-15)
    np.testing.assert_allclose(y[:, 2], y[:, 0] ** 3, rtol=1e-15)
    assert (y[:, 0] == 0).mean() == share


def test_each_gate_has_dropout_of_its_own():
    """With u = 1 and all functions linear, each gate is its own factor: h = o i g is 8 only where all three are 2."""
    layer = nn.layers.LSTM(1, activation="linear", recurrent_activation="linear", recurrent_dropout=0.5, use_bias=False)
    layer(np.zeros((1, 1, 1)))
    layer.set_weights([np.zeros((1, 4)), np.ones((1, 4))])
    h = layer(np.zeros((400, 1, 1)), initial_state=[np.ones((400, 1)), np.zeros((400, 1))], training=True)
    assert set(np.unique(h)) == {0, 8}
    assert abs((h == 8).mean() - 1 / 8) < 5 * np.sqrt(1 / 8 * 7 / 8 / 400)


def test_a_seed_changes_the_numbers_of_dropout():
    results = []
    for seed in (None, 1, 1, 2):
        layer = nn.layers.GRU(20, dropout=0.5, recurrent_dropout=0.5, seed=seed)
        results.append(nn.Sequential([nn.Input((3, 20)), layer], seed=3).forward(np.ones((8, 3, 20))))
    np.testing.assert_array_equal(results[1], results[2])
    assert (results[0] != results[1]).any()
    assert (results[1] != results[3]).any()


# ---------------------------------------------------------------- bits, training, files


def trained(threads, batch_size):
    layers = [
        nn.layers.Bidirectional(nn.layers.LSTM(24, return_sequences=True)),
        nn.layers.GRU(20, return_sequences=True, recurrent_dropout=0.2),
        nn.layers.GRU(16, reset_after=False, return_sequences=True, dropout=0.1),
        nn.layers.SimpleRNN(12, activation="gelu"),
        nn.layers.Dense(1),
    ]
    model = nn.Sequential([nn.Input((7, 9)), *layers], seed=4)
    model.compile("adam", "mse")
    x, y = random(1).standard_normal((300, 7, 9)), random(2).standard_normal((300, 1))
    with nn.config.threads(threads):
        model.fit(x, y, batch_size=batch_size, epochs=2, verbose=0)
        return [*model.get_weights(), model.predict(x)]


@pytest.mark.parametrize("batch_size", [100, 300])
def test_threads_do_not_show_in_the_bits(batch_size):
    one = trained(1, batch_size)
    for threads in (2, 3):
        for a, b in zip(one, trained(threads, batch_size), strict=True):
            np.testing.assert_array_equal(a, b)


def test_rows_do_not_depend_on_each_other():
    """Any part of a minibatch gives the same bits as the whole."""
    for cell, activation in itertools.product(CELLS, ("tanh", "softsign")):
        layer = CELLS[cell](activation=activation, return_sequences=True)
        x = random(1).standard_normal((200, STEPS, FEATURES))
        whole = layer(x)
        for part in (slice(0, 1), slice(3, 60), slice(100, 200)):
            np.testing.assert_array_equal(layer(x[part]), whole[part])


def test_options_that_make_no_difference():
    x = random(1).standard_normal((ROWS, STEPS, FEATURES))
    layer = nn.layers.LSTM(UNITS)
    wanted = layer(x)
    for options in ({"unroll": True}, {"use_cudnn": False}):
        other = nn.layers.LSTM(UNITS, **options)
        other(x)
        other.set_weights(layer.get_weights())
        np.testing.assert_array_equal(other(x), wanted)


def test_a_network_learns_to_add():
    """The sum of the marked numbers of a sequence, which only a state can know."""
    noise = random(1)
    x = noise.uniform(-1, 1, (512, 10, 2))
    x[:, :, 1] = noise.random((512, 10)) < 0.3
    y = (x[:, :, 0] * x[:, :, 1]).sum(axis=1, keepdims=True)
    model = nn.Sequential([nn.Input((10, 2)), nn.layers.LSTM(16), nn.layers.Dense(1)], seed=1)
    model.compile(nn.optimizers.Adam(0.01), "mse")
    history = model.fit(x, y, batch_size=32, epochs=40, verbose=0).history["loss"]
    assert history[-1] < 0.02 < 0.3 < y.var()


LAYERS = {
    "SimpleRNN": lambda: nn.layers.SimpleRNN(2, "relu", recurrent_regularizer="l2", dropout=0.1, go_backwards=True),
    "LSTM": lambda: nn.layers.LSTM(2, recurrent_activation="hard_sigmoid", unit_forget_bias=False, stateful=True,
                                   recurrent_dropout=0.2, kernel_constraint="max_norm", seed=3),
    "GRU": lambda: nn.layers.GRU(2, reset_after=False, return_sequences=True, unroll=True, use_bias=False,
                                 activation=nn.activations.elu.with_parameters(alpha=0.3)),
    "Bidirectional": lambda: nn.layers.Bidirectional(nn.layers.GRU(2, return_sequences=True), "ave"),
    "Bidirectional of two": lambda: nn.layers.Bidirectional(
        nn.layers.GRU(2), None, backward_layer=nn.layers.LSTM(3, go_backwards=True, name="other")),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_files_and_configurations(name, tmp_path):
    layer = LAYERS[name]()
    twin = nn.layers.deserialize(nn.layers.serialize(layer))
    assert twin.get_config() == layer.get_config()
    x = nn.Input((STEPS, FEATURES))
    model = nn.Model(x, layer(x), seed=5)
    inputs = random(1).standard_normal((ROWS, STEPS, FEATURES))
    wanted = listed(model.predict(inputs))
    model.save(tmp_path / "m.safetensors")
    for other in (nn.models.load_model(tmp_path / "m.safetensors"), pickle.loads(pickle.dumps(model))):
        assert other.get_config() == model.get_config()
        for a, b in zip(listed(other.predict(inputs)), wanted, strict=True):
            np.testing.assert_array_equal(a, b)


def test_an_encoder_and_a_decoder_can_be_saved(tmp_path):
    source, target = nn.Input((STEPS, FEATURES)), nn.Input((3, 2))
    _, *states = nn.layers.LSTM(UNITS, return_state=True)(source)
    layer = nn.layers.LSTM(UNITS, return_sequences=True)
    decoded = layer(target, initial_state=states)
    assert len(layer.input) == 3
    model = nn.Model([source, target], nn.layers.Dense(2)(decoded))
    model.compile("adam", "mse")
    inputs = [np.ones((6, STEPS, FEATURES)), random(1).standard_normal((6, 3, 2))]
    before = model.get_weights()
    model.fit(inputs, inputs[1], epochs=2, verbose=0)
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    model.save(tmp_path / "m.safetensors")
    loaded = nn.models.load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(loaded.predict(inputs), model.predict(inputs))


@pytest.mark.parametrize("cell", CELLS)
def test_calls_on_arrays(cell):
    layer = CELLS[cell](return_state=True, return_sequences=True)
    x = random(1).standard_normal((ROWS, STEPS, FEATURES))
    y, *states = layer(x[:, :2])
    rest, *_ = layer(x[:, 2:], initial_state=states)
    whole, *_ = layer(x)
    np.testing.assert_array_equal(np.concatenate([y, rest], axis=1), whole)
    last = CELLS[cell]()
    last(x)
    last.set_weights(layer.get_weights())
    np.testing.assert_array_equal(last(x), whole[:, -1])


def test_a_layer_used_twice_adds_its_gradients():
    layer = nn.layers.GRU(UNITS)
    a, b = nn.Input((STEPS, FEATURES)), nn.Input((2, FEATURES))
    model = nn.Model([a, b], nn.layers.Concatenate()([layer(a), layer(b)]), dtype="float64", seed=1)
    noise = random(2)
    inputs = [noise.standard_normal((ROWS, steps, FEATURES)) for steps in (STEPS, 2)]
    dy = noise.standard_normal((ROWS, 2 * UNITS))
    model.forward(inputs)
    model.zero_gradients()
    model.backward(dy)
    weights = model.get_weights()
    expected = differences(
        lambda: [np.concatenate([outputs_of(layer, weights, x)[0] for x in inputs], axis=1)], weights, [dy]
    )
    for got, wanted in zip(model.gradients, expected, strict=True):
        assert_slopes(got, wanted)


def test_frozen_layers_hand_gradients_on():
    layer = nn.layers.LSTM(UNITS, trainable=False)
    model = nn.Sequential([nn.Input((STEPS, FEATURES)), nn.layers.Dense(FEATURES), layer], dtype="float64")
    model.compile("sgd", "mse")
    kept = layer.get_weights()
    before = model.layers[0].get_weights()
    model.train_on_batch(np.ones((2, STEPS, FEATURES)), np.ones((2, UNITS)))
    assert (model.layers[0].get_weights()[0] != before[0]).any()
    for a, b in zip(layer.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(a, b)


# ---------------------------------------------------------------- errors

X, LAYER = nn.Input((STEPS, FEATURES)), nn.layers.LSTM(2)
REFUSED = {
    "no units": (lambda: nn.layers.LSTM(0), ValueError, "units must be at least 1"),
    "activation": (lambda: nn.layers.GRU(2, activation="softmax"), ValueError, "must be a function of each element"),
    "recurrent_activation": (lambda: nn.layers.LSTM(2, recurrent_activation="glu"), ValueError, "recurrent_activation"),
    "dropout": (lambda: nn.layers.SimpleRNN(2, dropout=1), ValueError, "dropout must lie in"),
    "recurrent_dropout": (lambda: nn.layers.LSTM(2, recurrent_dropout=-0.1), ValueError, "recurrent_dropout"),
    "too many units": (lambda: nn.layers.GRU(20000, recurrent_dropout=0.5), ValueError, "units must be at most 16384"),
    "flag": (lambda: nn.layers.GRU(2, return_state="yes"), TypeError, "return_state must be True or False"),
    "cudnn": (lambda: nn.layers.LSTM(2, use_cudnn=True), ValueError, "use_cudnn"),
    "implementation": (lambda: nn.layers.LSTM(2, implementation=1), TypeError, "implementation"),
    "shape": (lambda: nn.layers.LSTM(2)(nn.Input((3,))), ValueError, r"needs samples of shape \(steps, features\)"),
    "other features": (lambda: [nn.Model(x, LAYER(x)) for x in (X, nn.Input((STEPS, 4)))], ValueError,
                       "is built for samples of shape"),
    "mask": (lambda: nn.layers.LSTM(2)(X, mask=X), ValueError, "mask"),
    "training": (lambda: nn.layers.LSTM(2)(X, training=True), ValueError, "training"),
    "number of states": (lambda: nn.layers.LSTM(2)(X, initial_state=[nn.Input((2,))]), ValueError, "has 2 states"),
    "shape of states": (lambda: nn.layers.GRU(2)(X, initial_state=nn.Input((3,))), ValueError, r"\[\(2,\)\]; got"),
    "arrays as states": (lambda: nn.layers.GRU(2)(X, initial_state=np.ones((4, 2))), TypeError, "symbolic"),
    "list of sequences": (lambda: nn.layers.GRU(2)([X, nn.Input((2,))]), TypeError, "initial_state="),
    "states of arrays": (lambda: nn.layers.GRU(2)(np.ones((4, 3, 2)), initial_state=np.ones((4, 3))), ValueError,
                         "initial states must be samples"),
    "rows of states": (lambda: nn.layers.GRU(2)(np.ones((4, 3, 2)), initial_state=np.ones((3, 2))), ValueError,
                       "one number of rows"),
    "no recurrent layer": (lambda: nn.layers.Bidirectional(nn.layers.Dense(3)), TypeError, "SimpleRNN, LSTM or GRU"),
    "no backward layer": (lambda: nn.layers.Bidirectional(nn.layers.GRU(3), backward_layer=3), TypeError, "backward"),
    "merge_mode": (lambda: nn.layers.Bidirectional(nn.layers.GRU(3), "max"), ValueError, "merge_mode must be one of"),
    "weights": (lambda: nn.layers.Bidirectional(nn.layers.GRU(3), weights=[1]), ValueError, "weights"),
    "directions": (lambda: nn.layers.Bidirectional(nn.layers.GRU(3), backward_layer=nn.layers.GRU(3)), ValueError,
                   "different directions"),
    "sequences": (lambda: nn.layers.Bidirectional(nn.layers.GRU(3, return_sequences=True),
                                                  backward_layer=nn.layers.GRU(3, go_backwards=True)), ValueError,
                  "the same return_sequences"),
    "outputs": (lambda: nn.layers.Bidirectional(nn.layers.GRU(3), "sum",
                                                backward_layer=nn.layers.GRU(2, go_backwards=True))(X), ValueError,
                "cannot be broadcast"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_bad_arguments_are_refused(case):
    attempt, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        attempt()

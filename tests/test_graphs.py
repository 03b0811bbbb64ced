"""Models that are graphs: several inputs and outputs, shared layers, models in models, errors, files."""

import copy
import pickle
import re

import numpy as np
import pytest

import nncore as nn


def dense(units, activation="tanh", **options):
    return nn.layers.Dense(units, activation=activation, **options)


def numeric_gradient(function, array, places, step=1e-6):
    """Central differences of a function of nothing, at some places of an array that it reads."""
    gradient = []
    for place in places:
        kept = array[place]
        array[place] = kept + step
        above = function()
        array[place] = kept - step
        below = function()
        array[place] = kept
        gradient.append((above - below) / (2 * step))
    return np.array(gradient)


def check_gradients(model, x, y, sample_weight=None, tolerance=1e-7):
    """Compares value_and_gradients of a float64 model without dropout with central differences of its loss."""
    _, gradients = model.value_and_gradients(x, y, sample_weight)
    random = np.random.default_rng(5)
    assert len(gradients) == len(model.trainable_variables)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        assert gradient.shape == variable.shape
        chosen = random.choice(variable.size, min(variable.size, 6), replace=False)
        places = [np.unravel_index(i, variable.shape) for i in chosen]
        expected = numeric_gradient(
            lambda: model.value_and_gradients(x, y, sample_weight)[0], variable, places
        )
        got = np.array([gradient[place] for place in places])
        assert np.abs(got - expected).max() <= tolerance * max(1.0, np.abs(expected).max())


def two_by_two(dtype="float64", seed=3):
    """Two inputs, a shared layer, a skip connection, a model inside, two outputs."""
    a, b = nn.Input((5,), name="a"), nn.Input((5,), name="b")
    shared = dense(6, name="shared")
    left, right = shared(a), shared(b)
    inner = nn.Sequential([nn.Input((6,)), dense(4, name="in_1"), dense(6, name="in_2")], name="inner", dtype=dtype)
    skipped = inner(left) + left * 0.5 - right
    first = nn.layers.Dense(3, activation="softmax", name="first")(skipped)
    second = nn.layers.Dense(2, name="second")(right - 1.0)
    return nn.Model([a, b], [first, second], dtype=dtype, seed=seed, name="graph")


def data(rows=12, seed=0):
    random = np.random.default_rng(seed)
    x = [random.standard_normal((rows, 5)), random.standard_normal((rows, 5))]
    return x, [random.integers(0, 3, rows), random.standard_normal((rows, 2))]


LOSSES = ["sparse_categorical_crossentropy", "mse"]


# What Keras 3.15 gives for the same graph.
KERAS_ORDER = ["a", "shared", "inner", "b", "add", "subtract", "first", "second"]


def test_shapes_names_and_order():
    model = two_by_two()
    assert model.input_shape == [(None, 5), (None, 5)]
    assert model.output_shape == [(None, 3), (None, 2)]
    assert model.input_names == ["a", "b"]
    assert model.output_names == ["first", "second"]
    kinds = [layer.name for layer in model.layers if not layer.name.startswith("rescaling")]
    assert [re.sub(r"_\d+$", "", kind) for kind in kinds] == KERAS_ORDER
    assert model.count_params() == 36 + (28 + 30) + 21 + 14
    assert model.get_layer("inner").count_params() == 58


def test_forward_against_numpy():
    model = two_by_two()
    x, _ = data()
    shared, (k1, b1, k2, b2) = model.get_layer("shared"), model.get_layer("inner").get_weights()
    left, right = (np.tanh(v @ shared.kernel + shared.bias) for v in x)
    mixed = np.tanh(np.tanh(left @ k1 + b1) @ k2 + b2) + 0.5 * left - right
    first, second = model.get_layer("first"), model.get_layer("second")
    logits = mixed @ first.kernel + first.bias
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    got = model.predict(x)
    np.testing.assert_allclose(got[0], probabilities, rtol=1e-13)
    np.testing.assert_allclose(got[1], (right - 1) @ second.kernel + second.bias, rtol=1e-12, atol=1e-14)
    for given in ({"a": x[0], "b": x[1]}, tuple(x)):
        for one, other in zip(model.predict(given), got, strict=True):
            assert (one == other).all()


def test_gradients_of_two_outputs():
    model = two_by_two()
    x, y = data()
    model.compile("sgd", LOSSES, loss_weights=[1.0, 0.25])
    check_gradients(model, x, y)
    check_gradients(model, x, y, [np.linspace(0, 2, 12), np.linspace(1, 0, 12)])


def test_losses_by_name_and_what_is_reported():
    model = two_by_two()
    x, y = data()
    model.compile("sgd", {"first": LOSSES[0], "second": "mse"}, {"first": 2.0, "second": 0.5},
                  metrics={"first": ["accuracy"], "second": ["mae"]})  # fmt: skip
    assert model.metrics_names == ["loss", "first_loss", "second_loss", "first_accuracy", "second_mae"]
    values = model.evaluate(x, {"first": y[0], "second": y[1]}, return_dict=True)
    first, second = model.predict(x)
    cross_entropy = -np.log(first[np.arange(12), y[0]]).mean()
    squared = ((second - y[1]) ** 2).mean()
    assert values["first_loss"] == pytest.approx(cross_entropy, rel=1e-12)
    assert values["second_loss"] == pytest.approx(squared, rel=1e-12)
    assert values["loss"] == pytest.approx(2 * cross_entropy + squared / 2, rel=1e-12)
    assert values["first_accuracy"] == (first.argmax(1) == y[0]).mean()
    assert values["second_mae"] == pytest.approx(np.abs(second - y[1]).mean(), rel=1e-12)
    history = model.fit(x, y, epochs=3, batch_size=5, verbose=0, validation_split=0.25)
    assert set(history.history) == {*values, *(f"val_{name}" for name in values)}


def test_an_output_without_a_loss():
    model = two_by_two()
    x, y = data()
    model.compile("sgd", {"second": "mse"})
    before = model.get_layer("first").get_weights()
    model.fit(x, y[1], epochs=1, verbose=0)
    assert (before[0] == model.get_layer("first").get_weights()[0]).all()


def test_training_is_the_same_in_every_way():
    """fit, train_on_batch, forward with backward and apply; one thread and three; saved in the middle."""
    x, y = data(64)

    def model():
        made = two_by_two("float32")
        made.compile(nn.optimizers.SGD(0.1, momentum=0.9), LOSSES, loss_weights=[1.0, 0.5])
        return made

    results = []
    for threads in (1, 3):
        with nn.config.threads(threads):
            one = model()
            one.fit(x, y, batch_size=16, epochs=4, shuffle=False, verbose=0)
            results.append(one.get_weights())
    other = model()
    for step in range(16):
        if step == 7:
            other = pickle.loads(pickle.dumps(other))
        part = slice(step % 4 * 16, step % 4 * 16 + 16)
        other.train_on_batch([v[part] for v in x], [v[part] for v in y])
    results.append(other.get_weights())
    for weights in results[1:]:
        for first, second in zip(results[0], weights, strict=True):
            assert (first == second).all()
    by_hand, optimizer = model(), nn.optimizers.SGD(0.1, momentum=0.9)
    losses = [nn.losses.SparseCategoricalCrossentropy(), nn.losses.MeanSquaredError()]
    for step in range(4):
        part = slice(step * 16, step * 16 + 16)
        outputs = by_hand.forward([v[part] for v in x])
        dy = [loss.value_and_gradient(t[part], p)[1] for loss, t, p in zip(losses, y, outputs, strict=True)]
        dx = by_hand.backward([dy[0], 0.5 * dy[1]])
        assert [d.shape for d in dx] == [(16, 5), (16, 5)]
        optimizer.apply(by_hand.gradients, by_hand.trainable_variables)
        by_hand.zero_gradients()
    once = model()
    once.fit(x, y, batch_size=16, epochs=1, shuffle=False, verbose=0)
    for first, second in zip(once.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(first, second, rtol=2e-4, atol=2e-5)


def test_gradient_with_respect_to_several_inputs():
    model = two_by_two()
    x, _ = data(3)
    outputs = model.forward(x, training=False)
    weights = [np.random.default_rng(8).standard_normal(o.shape) for o in outputs]
    gradients = model.backward(weights)

    def value():
        return sum(float((w * o).sum()) for w, o in zip(weights, model.predict(x), strict=True))

    for array, gradient in zip(x, gradients, strict=True):
        places = [(0, 0), (1, 3), (2, 4)]
        expected = numeric_gradient(value, array, places)
        np.testing.assert_allclose([gradient[p] for p in places], expected, rtol=1e-6, atol=1e-8)


def test_a_value_used_by_several():
    """Gradients of all users add up: a ReLU's output goes to three places, one of which is an output with a loss."""
    a = nn.Input((4,))
    hidden = nn.layers.Dense(6, activation="relu", name="hidden")(a)
    first = nn.layers.Dense(6, name="again", activation="relu")(hidden)
    y = nn.layers.Dense(2, name="last")(first + hidden)
    model = nn.Model(a, [y, hidden], dtype="float64", seed=1)
    model.compile("sgd", "mse")
    random = np.random.default_rng(1)
    targets = [random.standard_normal((7, 2)), random.standard_normal((7, 6))]
    check_gradients(model, random.standard_normal((7, 4)), targets)


def test_one_tensor_as_two_outputs():
    a = nn.Input((4,))
    y = nn.layers.Dense(3, name="y")(a)
    model = nn.Model(a, [y, y], dtype="float64", seed=1)
    assert model.output_names == ["y", "y_#1"]
    model.compile("sgd", "mse")
    random = np.random.default_rng(1)
    targets = [random.standard_normal((7, 3)), random.standard_normal((7, 3))]
    check_gradients(model, random.standard_normal((7, 4)), targets)


def test_an_input_as_an_output():
    a = nn.Input((3,))
    model = nn.Model(a, [a, nn.layers.Dense(2)(a)])
    x = np.ones((2, 3), np.float32)
    assert (model.predict(x)[0] == x).all()


def test_part_of_a_model_is_a_model():
    whole = nn.Sequential([nn.Input((4,)), dense(5, name="one"), dense(3, name="two"), dense(2, name="three")])
    x = np.random.default_rng(2).standard_normal((3, 4)).astype(np.float32)
    front = nn.Model(whole.input, whole.get_layer("two").output)
    back = nn.Model(whole.get_layer("two").output, whole.output)
    assert [layer.name for layer in back.layers][1:] == ["three"]
    assert (back.predict(front.predict(x)) == whole.predict(x)).all()
    whole.get_layer("two").kernel[...] = 0
    assert (front.predict(x) == np.tanh(whole.get_layer("two").bias)).all()


def test_a_model_may_begin_in_the_middle_beside_its_inputs(tmp_path):
    a, b, shared = nn.Input((4,)), nn.Input((4,)), dense(3, name="shared")
    middle = shared(a)
    ends = nn.layers.Concatenate()([middle, shared(b), shared(a)])
    whole = nn.Model([a, b], ends)
    part = nn.Model([middle, b, a], ends)
    x, z = np.random.default_rng(0).standard_normal((2, 5, 4)).astype(np.float32)
    part.save(tmp_path / "part.safetensors")
    for model in (part, nn.models.load_model(tmp_path / "part.safetensors")):
        assert [layer.name for layer in model.layers].count("shared") == 1
        given = nn.Model(a, middle).predict(x)
        assert (model.predict([given, z, x]) == whole.predict([x, z])).all()
    part.compile("sgd", "mse")
    part.fit([given, z, x], np.zeros((5, 9)), verbose=0)


def test_a_model_may_begin_with_some_outputs_of_a_layer():
    x = nn.Input((5, 4))
    y, h, c = nn.layers.LSTM(3, return_sequences=True, return_state=True)(x)
    whole = nn.Model(x, [h, c, y])
    data = np.random.default_rng(0).standard_normal((2, 5, 4)).astype(np.float32)
    of_h, of_c, of_y = whole.predict(data)
    assert (nn.Model([h, c], h + c).predict([of_h, of_c]) == of_h + of_c).all()
    assert (nn.Model([h, x], h + c).predict([2 * of_h, data]) == 2 * of_h + of_c).all()
    assert (nn.Model([c, x], [y, c]).predict([of_h, data])[0] == of_y).all()
    with pytest.raises(ValueError, match="which is not among the model's inputs"):
        nn.Model(h, h + c)


def test_models_in_models_train_the_same_weights():
    encoder = nn.Sequential([nn.Input((6,)), dense(2)], name="encoder")
    decoder = nn.Sequential([dense(6, activation=None)], name="decoder")
    a = nn.Input((6,))
    model = nn.Model(a, decoder(encoder(a)), name="autoencoder")
    model.compile("adam", "mse")
    x = np.random.default_rng(3).standard_normal((20, 6)).astype(np.float32)
    before = encoder.get_weights()
    model.fit(x, x, epochs=2, verbose=0)
    assert (before[0] != encoder.get_weights()[0]).any()
    assert (decoder.predict(encoder.predict(x)) == model.predict(x)).all()
    encoder.trainable = False
    model.compile("adam", "mse")
    kept = encoder.get_weights()
    model.fit(x, x, epochs=1, verbose=0)
    assert all((one == other).all() for one, other in zip(kept, encoder.get_weights(), strict=True))
    assert len(model.trainable_variables) == 2


def test_models_that_share_a_layer():
    """Its weights are there once, and get the gradients of both."""
    shared, a = dense(3, name="shared"), nn.Input((3,))
    first = nn.Model(a, shared(a), dtype="float64", name="first")
    b = nn.Input((3,))
    second = nn.Model(b, dense(3, name="own")(shared(b)), dtype="float64", name="second")
    c = nn.Input((3,))
    model = nn.Model(c, second(first(c)), dtype="float64")
    assert len(model.weights) == 4
    assert model.count_params() == 24
    model.compile("sgd", "mse")
    random = np.random.default_rng(4)
    check_gradients(model, random.standard_normal((6, 3)), random.standard_normal((6, 3)))
    again = pickle.loads(pickle.dumps(model))
    x = random.standard_normal((2, 3))
    assert (again.predict(x) == model.predict(x)).all()


def test_a_chain_may_begin_with_a_model_and_hold_models():
    inner = nn.Sequential([nn.Input((3,)), dense(4)])
    model = nn.Sequential([inner, nn.Sequential([dense(2)])])
    assert model.output_shape == (None, 2)
    assert len(model.weights) == 4


@pytest.mark.parametrize("way", ["deepcopy", "pickle", "file"])
def test_copies(way, tmp_path):
    model = two_by_two("float32")
    model.get_layer("inner").get_layer("in_1").trainable = False
    model.compile("adam", LOSSES, loss_weights={"first": 0.5, "second": 2.0}, metrics=[["accuracy"], []])
    x, y = data()
    model.fit(x, y, epochs=1, verbose=0)
    if way == "file":
        model.save(tmp_path / "m.safetensors")
        twin = nn.models.load_model(tmp_path / "m.safetensors")
    else:
        twin = copy.deepcopy(model) if way == "deepcopy" else pickle.loads(pickle.dumps(model))
    assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
    assert len(twin.trainable_variables) == len(model.trainable_variables) == 8
    for one in (model, twin):
        one.fit(x, y, epochs=2, verbose=0)
    for first, second in zip(model.get_weights(), twin.get_weights(), strict=True):
        assert (first == second).all()
    assert model.evaluate(x, y) == twin.evaluate(x, y)


def test_arithmetic():
    a, b = nn.Input((3,)), nn.Input((3,))
    values = [a + b, a - b, a * b, a + 2, 2 + a, a - 2, 2 - a, a * 3, 3 * a, a / 4, -a]
    x = np.random.default_rng(0).standard_normal((2, 4, 3))
    p, q = x
    expected = [p + q, p - q, p * q, p + 2, p + 2, p - 2, 2 - p, p * 3, p * 3, p / 4, -p]
    for got, wanted in zip(nn.Model([a, b], values, dtype="float64").predict([p, q]), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-15)


def test_layers_on_arrays():
    layer = dense(3, name="alone")
    x = np.random.default_rng(0).standard_normal((5, 4))
    y = layer(x)
    np.testing.assert_allclose(y, np.tanh(x @ layer.kernel + layer.bias), rtol=1e-13)
    assert layer(x.astype(np.float32)).dtype == np.float64  # that of its weights
    dropped = nn.layers.Dropout(0.5)
    assert (dropped(x) == x).all()
    assert (dropped(x, training=True) == 0).any()


def test_summary_of_a_graph():
    lines = []
    two_by_two().summary(print_fn=lines.append)
    text = "\n".join(lines)
    assert "inner (Sequential)" in text
    assert "first, second" not in text
    assert all(len(line) <= 80 for line in text.splitlines())


def bad(name):
    a, b = nn.Input((3,), name="a"), nn.Input((4,), name="b")
    layer = dense(2, name="layer")
    return {
        "missing input": lambda: nn.Model(a, nn.layers.Dense(1)(layer(b))),
        "no graph": lambda: nn.Model(a, np.zeros(3)),
        "nothing": lambda: nn.Model(a, []),
        "twice": lambda: nn.Model([a, a], layer(a)),
        "names": lambda: nn.Model(a, dense(2, name="same")(dense(2, name="same")(a))),
        "shared": lambda: nn.Model([a, b], [layer(a), layer(b)]),
        "dtype": lambda: (nn.Model(a, layer(a)), nn.Model(a, layer(a), dtype="float64")),
        "inner dtype": lambda: nn.Model(a, nn.Sequential([nn.Input((3,)), dense(1)], name="in", dtype="float64")(a)),
        "inner shape": lambda: nn.Sequential([nn.Input((3,)), dense(1)], name="in")(b),
        "two for one": lambda: layer([a, b]),
        "mixed": lambda: a + np.ones(3),
        "iterate": lambda: list(a),
        "output": lambda: layer.output,
        "losses": lambda: nn.Model(a, [layer(a), a]).compile("sgd", ["mse"]),
        "loss name": lambda: nn.Model(a, [layer(a), a]).compile("sgd", {"layr": "mse"}),
        "metrics": lambda: nn.Model(a, [layer(a), a]).compile("sgd", "mse", metrics=["mse"]),
        "data": lambda: nn.Model([a, b], layer(a)).predict(np.ones((2, 3))),
        "data name": lambda: nn.Model([a, b], layer(a)).predict({"a": np.ones((2, 3)), "c": np.ones((2, 4))}),
        "data shape": lambda: nn.Model([a, b], layer(a)).predict([np.ones((2, 3)), np.ones((2, 3))]),
        "rows": lambda: nn.Model([a, b], layer(a)).predict([np.ones((2, 3)), np.ones((3, 4))]),
    }[name]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("missing input", ValueError, "needs the input 'b', which is not among the model's inputs"),
        ("no graph", TypeError, "outputs must be symbolic tensors"),
        ("nothing", ValueError, "there are no outputs"),
        ("twice", ValueError, "an input is given twice"),
        ("names", ValueError, "two layers are named 'same'"),
        ("shared", ValueError, r"layer 'layer' is built for samples of shape \(3,\); got \(4,\)"),
        ("dtype", ValueError, "layer 'layer' is built with weights of float32; the model has float64"),
        ("inner dtype", ValueError, "model 'in' has weights of float64; the model around it has float32"),
        ("inner shape", ValueError, r"model 'in' takes samples of shape \(3,\); got \(4,\)"),
        ("two for one", ValueError, "layer 'layer' takes one input; got 2"),
        ("mixed", TypeError, "needs another one or a number; got ndarray"),
        ("iterate", TypeError, "no values to iterate over"),
        ("output", AttributeError, "'layer' has not been called"),
        ("losses", ValueError, "loss has 1 entries for 2 outputs: layer, a"),
        ("loss name", ValueError, "loss names the output 'layr'. Did you mean 'layer'"),
        ("metrics", ValueError, "must be a dict by output or a list with an entry for each"),
        ("data", ValueError, "x must be a list or dict of arrays for a, b; got ndarray"),
        ("data name", ValueError, "x is wanted for a, b; got a, c"),
        ("data shape", ValueError, "input 'b' expects inputs of 4 features"),
        ("rows", ValueError, "the same number of rows; got 'a' 2, 'b' 3"),
    ],
)
def test_errors(name, error, message):
    with pytest.raises(error, match=message):
        bad(name)()

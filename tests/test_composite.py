"""Layers and models made of others by `call`; recurrent networks of one's own cells, layers at each step."""

import copy
import itertools

import numpy as np
import pytest
from custom_parts import OBJECTS, Cell, Network, NumpyDense, Residual, TwoStates

import nncore as nn

L = nn.layers
X = np.random.default_rng(0).standard_normal((200, 6))
Y = np.random.default_rng(1).standard_normal((200, 1))
SEQUENCES = np.random.default_rng(2).standard_normal((7, 5, 3))


def same(one, other):
    return all((a == b).all() for a, b in zip(one, other, strict=True))


def made(call, **parts):
    """A layer with these parts whose `call` is that function of the layer and its inputs."""
    layer = type("Made", (L.Layer,), {"call": call})(name="made")
    vars(layer).update(parts)
    return layer


# ---------------------------------------------------------------- layers


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_gradients(rate):
    assert nn.testing.check_gradients(Residual(4, rate), X[:9, :4]) < 1e-7


def test_a_layer_of_layers_computes_what_they_do():
    layer = Residual(6)
    first, inner, last = layer.first, *layer.others
    assert same([layer(X)], [(last(inner(first(X))) + X) * 0.5])
    assert [w.shape for w in layer.weights] == [(6, 6), (6,)] * 3
    assert [id(w) for w in layer.weights] == [id(w) for part in (first, inner, last) for w in part.weights]
    assert layer.count_params() == 3 * 42


def test_training_has_the_bits_of_the_same_layers_in_a_graph():
    inputs = nn.Input((6,))
    a, b, c = L.Dense(6, activation="tanh"), NumpyDense(6), L.Dense(6)
    outputs = L.Dropout(0.3)(c(b(a(inputs)))) * 0.5 + inputs

    def call(self, x, training=None):
        return self.drop(self.c(self.b(self.a(x))), training=training) * 0.5 + x

    layer = made(call, a=L.Dense(6, activation="tanh"), b=NumpyDense(6), c=L.Dense(6), drop=L.Dropout(0.3))
    models = [nn.Model(inputs, L.Dense(1)(outputs), seed=1),
              nn.Sequential([nn.Input((6,)), layer, L.Dense(1)], seed=1)]  # fmt: skip
    for model in models:
        model.compile("adam", "mse")
    assert same(models[0].weights, models[1].weights)
    logs = [model.fit(X, Y, epochs=3, verbose=0).history for model in models]
    assert logs[0] == logs[1]
    assert same(models[0].weights, models[1].weights)


def test_call_is_traced_once_for_each_mode():
    modes = []

    def call(self, x, training=None):
        modes.append(training)
        return x + 1.0 if training else x - 1.0

    layer = made(call)
    model = nn.Sequential([nn.Input((6,)), layer], dtype="float64")
    model.compile("sgd", "mse")
    for _ in range(2):
        assert (model.predict(X) == X - 1).all()
        assert (model.forward(X) == X + 1).all()
        assert model.evaluate(X, X) == pytest.approx(1) == model.train_on_batch(X, X)
    assert modes == [False, True]


def test_several_inputs_outputs_and_layers_in_layers():
    def call(self, inputs):
        a, b = inputs
        return [self.inner(a) + b, self.inner(b)]

    layer = made(call, inner=Residual(6))
    one, other = layer([X, 2 * X])
    assert (one == layer.inner(X) + 2 * X).all()
    assert (other == layer.inner(2 * X)).all()
    assert nn.testing.check_gradients(made(call, inner=Residual(3)), [X[:5, :3], X[5:10, :3]]) < 1e-7


def test_freezing_reaches_the_parts_and_their_weights():
    layer = Residual(6)
    model = nn.Sequential([nn.Input((6,)), layer, L.Dense(1)], dtype="float64")
    model.compile("sgd", "mse")
    assert len(model.trainable_variables) == 8
    layer.trainable = False
    model.compile("sgd", "mse")
    assert not layer.first.trainable
    assert len(model.trainable_variables) == 2
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    assert same(before[:6], model.weights[:6])
    assert (before[6] != model.weights[6]).all()
    layer.trainable = True
    layer.others[0].trainable = False
    model.compile("sgd", "mse")
    assert len(model.trainable_variables) == 6
    model.fit(X, Y, verbose=0)
    assert same(before[2:4], model.weights[2:4])
    assert (before[0] != model.weights[0]).all()

    model = nn.Sequential([nn.Input((6,)), Residual(6, trainable=False), L.Dense(1)], dtype="float64")
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(X, Y, verbose=0)
    assert len(model.trainable_variables) == 2
    assert same(before[:6], model.weights[:6])


def test_layers_made_in_build():
    class Late(L.Layer):
        def build(self, input_shape):
            self.dense = L.Dense(input_shape[-1])

        def call(self, inputs):
            return self.dense(inputs)

    model = nn.Sequential([nn.Input((6,)), Late(), L.Dense(1)])
    assert [w.shape for w in model.weights] == [(6, 6), (6,), (6, 1), (1,)]


def test_regularizers_and_paths_of_parts():
    layer = made(lambda self, x: self.parts["one"](self.parts["two"][0](x)),
                 parts={"one": L.Dense(2, kernel_regularizer=nn.regularizers.L2(0.5), name="one"),
                        "two": (L.Dense(3, activity_regularizer=nn.regularizers.L2(0.1), name="two"),)})  # fmt: skip
    model = nn.Sequential([nn.Input((6,)), layer], dtype="float64")
    model.compile("sgd", "mse")
    assert model.paths_of(model.weights) == ["one/kernel", "one/bias", "two/kernel", "two/bias"]
    one, two = layer.parts["one"], layer.parts["two"][0]
    hidden, y = two(X), np.zeros((200, 2))
    penalty = 0.5 * (np.asarray(one.kernel) ** 2).sum() + 0.1 * (hidden**2).sum(axis=1).mean()
    assert model.evaluate(X, y) == pytest.approx((one(hidden) ** 2).mean() + penalty, rel=1e-12)
    assert nn.testing.check_gradients(model, X[:5], y[:5]) < 1e-6


@pytest.mark.parametrize(("call", "error", "words"), [
    (lambda self, x: L.Dense(3)(x), ValueError, "uses the layer 'dense.*is no attribute"),
    (lambda self, x: 3, TypeError, "call of 'made' must return symbolic tensors.*got 3"),
    (lambda self, x: None, TypeError, "got None"),
    (lambda self, x: np.exp(x), TypeError, "loop of ufunc|no callable exp"),
    (lambda self, x: x if x else -x, TypeError, "no values to test"),
    (lambda self, x: L.Dropout(0.5)(x, training=True), ValueError, "does not support the argument 'training'"),
    (lambda self, x: nn.Input((3,)), ValueError, "is not among"),
    (lambda self, x, training=None: L.Dropout(0.5)(x, training=not training), ValueError, "argument 'training'"),
])  # fmt: skip
def test_a_bad_call_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        nn.Sequential([nn.Input((6,)), made(call)])


@pytest.mark.parametrize("other", [
    lambda: NumpyDense(3), lambda: L.TimeDistributed(L.Dense(3)),
    lambda: L.RNN(Cell(3), return_sequences=True)])  # fmt: skip
def test_a_relu_with_another_user(other):
    """A product that is the only user of a ReLU multiplies its gradient with the ReLU's derivative."""
    inputs = nn.Input((5, 3))
    hidden = L.Dense(4, activation="relu")(inputs)
    model = nn.Model(inputs, other()(hidden) + L.Dense(3)(hidden), dtype="float64")
    model.compile("sgd", "mse")
    nn.testing.check_gradients(model, SEQUENCES, SEQUENCES[::-1])


# ---------------------------------------------------------------- models


def test_a_model_with_call_is_built_for_its_first_data(tmp_path):
    model = Network(6, dtype="float64", seed=3)
    assert not model.built
    assert len(model.layers) == 3
    with pytest.raises(ValueError, match="has no shape yet"):
        model.summary()
    model.compile("adam", "mse", metrics=["mae"])
    logs = model.fit(X, Y, epochs=4, verbose=0).history
    assert logs["loss"][-1] < logs["loss"][0]
    assert model.output_shape == (None, 1)
    assert model.input_shape == (None, 6)
    assert model.predict(X).shape == (200, 1)
    assert (model(X[:5]) == model.predict(X)[:5]).all()
    assert len(model.weights) == 8
    assert model.layers == [model.hidden, model.dropout, model.final]
    lines = []
    model.summary(print_fn=lines.append)
    assert "133 parameters" in lines[0]

    model.save_weights(tmp_path / "w")
    twin = Network(6, dtype="float64")
    twin.build((None, 6))
    twin.load_weights(tmp_path / "w")
    assert (twin.predict(X) == model.predict(X)).all()

    model.save(tmp_path / "m")
    again = nn.models.load_model(tmp_path / "m", custom_objects=OBJECTS)
    copied = copy.deepcopy(model)
    expected = model.fit(X, Y, verbose=0).history
    for other in (again, copied):
        assert other.seed == 3
        assert other.fit(X, Y, verbose=0).history == expected
        assert same(other.weights, model.weights)


def test_gradients_of_a_model_with_call():
    model = Network(3, dtype="float64")
    model.compile("sgd", "mse")
    assert nn.testing.check_gradients(model, X[:9, :3], Y[:9]) < 1e-7
    assert (model.forward(X[:9, :3]) != model.forward(X[:9, :3], training=False)).any()
    assert model.backward(np.ones((9, 1))).shape == (9, 3)


def test_a_model_with_call_in_other_models():
    inner = Network(6, dtype="float64")
    inputs = nn.Input((6,))
    model = nn.Model(inputs, inner(inputs), dtype="float64")
    assert inner.built
    assert (model.predict(X) == inner.predict(X)).all()
    assert len(model.weights) == 8
    outer = made(lambda self, x: self.part(x), part=inner)
    assert (outer(X) == inner.predict(X)).all()


def test_models_of_several_inputs():
    class Sums(nn.Model):
        def __init__(self):
            super().__init__(dtype="float64")
            self.dense = L.Dense(1)

        def call(self, inputs):
            a, b = inputs
            return self.dense(L.Concatenate()([a, b]))

    model, whole = Sums(), nn.Sequential([nn.Input((12,)), L.Dense(1)], dtype="float64")
    model.compile("sgd", "mse")
    whole.compile("sgd", "mse")
    model.fit([X, 2 * X], Y, verbose=0)
    whole.fit(np.concatenate([X, 2 * X], axis=1), Y, verbose=0)
    assert same(model.weights, whole.weights)
    built = Sums()
    built.build([(None, 2), (None, 3)])
    assert built.input_shape == [(None, 2), (None, 3)]


def test_bad_models_are_refused():
    with pytest.raises(TypeError, match="Model needs inputs and outputs"):
        nn.Model()
    inputs = nn.Input((3,))
    with pytest.raises(TypeError, match="Both defines call"):
        type("Both", (nn.Model,), {"call": lambda self, x: x})(inputs, L.Dense(1)(inputs))
    with pytest.raises(ValueError, match="build needs a shape"):
        Network().build((6,))
    model = Network(6)
    with pytest.raises(TypeError, match="takes an array, or a list of several; got a dict"):
        model.predict({"x": X})
    model.build((None, 6))
    with pytest.raises(ValueError, match="expects inputs of 6 features"):
        model.predict(X[:, :3])


# ---------------------------------------------------------------- recurrent networks


def run_cell(weights, sequences, state):
    """The outputs of `Cell` at each step, in NumPy."""
    outputs = []
    for step in range(sequences.shape[1]):
        state = np.tanh(sequences[:, step] @ weights[0] + weights[1] + state @ weights[2])
        outputs.append(state)
    return np.stack(outputs, axis=1)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_cell_along_a_sequence_against_numpy(backwards):
    """Within 1e-13: some ten products and a tanh of each, of 1e-16."""
    layer = L.RNN(Cell(4), return_sequences=True, return_state=True, go_backwards=backwards)
    outputs, state = layer(SEQUENCES)
    order = slice(None, None, -1 if backwards else 1)
    expected = run_cell(layer.weights, SEQUENCES[:, order], np.zeros((7, 4)))
    np.testing.assert_allclose(outputs, expected, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(state, expected[:, -1], rtol=1e-13, atol=1e-13)
    initial = np.random.default_rng(5).standard_normal((7, 4))
    given = L.RNN(layer.cell, return_sequences=True, return_state=True, go_backwards=backwards)
    outputs, _ = given(SEQUENCES, initial_state=initial)
    expected = run_cell(layer.weights, SEQUENCES[:, order], initial)
    np.testing.assert_allclose(outputs, expected, rtol=1e-13, atol=1e-13)


CELLS = {
    "one state": (lambda: Cell(3), [3]),
    "two states": (lambda: TwoStates(3), [3, 3]),
    "dropout": (lambda: TwoStates(3, 0.4), [3, 3]),
    "stacked": (lambda: [Cell(2), TwoStates(4), Cell(3)], [2, 4, 4, 3]),
}
SWITCHES = ["return_sequences", "return_state", "go_backwards"]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("switches", list(itertools.product([False, True], repeat=3)))
def test_gradients_of_recurrent_networks(cell, switches):
    build, sizes = CELLS[cell]
    layer = L.RNN(build(), **dict(zip(SWITCHES, switches, strict=True)))
    nn.testing.check_gradients(layer, SEQUENCES)
    states = [np.random.default_rng(number).standard_normal((7, size)) for number, size in enumerate(sizes)]
    given = L.RNN(build(), **dict(zip(SWITCHES, switches, strict=True)))
    nn.testing.check_gradients(given, [SEQUENCES, *states])


def test_shapes_weights_and_files_of_recurrent_networks(tmp_path):
    inputs = nn.Input((5, 3))
    whole, *states = L.RNN([Cell(4), TwoStates(2)], return_sequences=True, return_state=True)(inputs)
    assert whole.shape == (None, 5, 2)
    assert [s.shape for s in states] == [(None, 4), (None, 2), (None, 2)]
    last = L.RNN(TwoStates(2))(whole, initial_state=states[1:])
    model = nn.Model(inputs, L.Dense(1)(last), dtype="float64")
    model.compile("adam", "mse")
    assert len(model.weights) == 3 + 4 + 4 + 2
    model.fit(SEQUENCES, Y[:7], verbose=0)
    model.save(tmp_path / "m")
    twin = nn.models.load_model(tmp_path / "m", custom_objects=OBJECTS)
    assert (twin.predict(SEQUENCES) == model.predict(SEQUENCES)).all()
    for one in (model, twin):
        one.fit(SEQUENCES, Y[:7], epochs=2, verbose=0)
    assert same(model.weights, twin.weights)


def test_a_cell_is_part_of_a_graph_by_itself():
    x, h = nn.Input((3,)), nn.Input((4,))
    cell = Cell(4)
    output, states = cell(x, [h])
    model = nn.Model([x, h], [output, *states], dtype="float64")
    a, b = SEQUENCES[:, 0], np.ones((7, 4))
    got, state = model.predict([a, b])
    np.testing.assert_allclose(got, run_cell(model.weights, SEQUENCES[:, :1], b)[:, 0], rtol=1e-13)
    assert (got == state).all()


@pytest.mark.parametrize(("attempt", "error", "words"), [
    (lambda: L.RNN(L.Dense(3)), TypeError, "RNN takes a cell"),
    (lambda: L.RNN([Cell(3), 4]), TypeError, "StackedRNNCells takes cells"),
    (lambda: L.RNN(Cell(3), stateful=True), ValueError, "stateful"),
    (lambda: L.RNN(Cell(3), zero_output_for_mask=True), ValueError, "zero_output_for_mask"),
    (lambda: L.RNN(Cell(3), return_state="yes"), TypeError, "return_state"),
    (lambda: L.RNN(Cell(3))(nn.Input((5, 3)), mask=SEQUENCES), ValueError, "'mask'"),
    (lambda: L.RNN(Cell(3))(nn.Input((5,))), ValueError, "takes sequences"),
    (lambda: L.RNN(Cell(3))(nn.Input((5, 3)), initial_state=nn.Input((4,))), ValueError, r"\[\(3,\)\]; got \[\(4,\)\]"),
    (lambda: L.RNN(made(lambda self, x, states: (x, [x]), state_size=4))(nn.Input((5, 3))), ValueError, "new states"),
    (lambda: L.TimeDistributed(3), TypeError, "takes a layer"),
    (lambda: L.TimeDistributed(L.Dense(3))(nn.Input((5,))), ValueError, "takes sequences"),
    (lambda: L.TimeDistributed(L.Dense(3))(nn.Input((5, 3)), mask=SEQUENCES), ValueError, "'mask'"),
    (lambda: L.TimeDistributed(made(lambda self, x: [x, x]))(nn.Input((5, 3))), ValueError, "one output"),
])  # fmt: skip
def test_bad_recurrent_networks_are_refused(attempt, error, words):
    with pytest.raises(error, match=words):
        attempt()


def test_a_mask_is_refused_and_goes_on_through_a_layer_at_each_step():
    numbers = np.array([[1, 2, 0], [3, 0, 0]])
    masked = L.Embedding(4, 3, mask_zero=True)
    distributed = L.TimeDistributed(L.Dense(2))
    model = nn.Sequential([nn.Input((3,)), masked, distributed, L.SimpleRNN(2)], dtype="float64")
    before = model.predict(numbers)
    masked.set_weights([np.concatenate([masked.get_weights()[0][:1] + 7, masked.get_weights()[0][1:]])])
    assert (model.predict(numbers) == before).all()  # what is masked does not matter
    refused = nn.Sequential([nn.Input((3,)), L.Embedding(4, 3, mask_zero=True), L.RNN(Cell(2))])
    with pytest.raises(ValueError, match="does not support a mask, and one reaches it"):
        refused.predict(numbers)


# ---------------------------------------------------------------- a layer at each step


@pytest.mark.parametrize("layer", [
    lambda: L.Dense(4, activation="tanh"), lambda: NumpyDense(4), lambda: Residual(3), lambda: L.BatchNormalization(),
    lambda: nn.Sequential([L.Dense(4, activation="tanh"), L.Dense(2)], dtype="float64")])  # fmt: skip
def test_a_layer_at_each_step(layer):
    layer = layer()
    distributed = L.TimeDistributed(layer)
    together = distributed(SEQUENCES)
    alone = layer.predict if isinstance(layer, nn.Model) else layer
    steps = [np.ascontiguousarray(step) for step in np.moveaxis(SEQUENCES, 1, 0)]
    assert same(np.moveaxis(together, 1, 0), map(alone, steps))
    assert nn.testing.check_gradients(distributed, SEQUENCES) < 1e-6
    assert len(distributed.weights) == len(layer.weights)


def test_images_at_each_step_and_a_sequence_of_one():
    images = np.random.default_rng(3).standard_normal((4, 3, 2, 5))
    assert (L.TimeDistributed(L.Flatten())(images) == images.reshape(4, 3, 10)).all()
    assert nn.testing.check_gradients(L.TimeDistributed(L.Dense(2)), SEQUENCES[:, :1]) < 1e-7
    assert nn.testing.check_gradients(L.RNN(Cell(2), return_sequences=True), SEQUENCES[:, :1]) < 1e-7

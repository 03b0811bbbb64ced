"""Recurrent layers beside Keras's: states, both directions, masks, and what is kept between calls."""

import numpy as np
import pytest

import nncore
from nncore.layers.layer import Layer
from peers import sides

STEPS, FEATURES, UNITS, ROWS = 5, 4, 3, 6
CELLS = {
    "SimpleRNN": ("SimpleRNN", {}),
    "LSTM": ("LSTM", {}),
    "GRU": ("GRU", {}),
    "GRU reset before": ("GRU", {"reset_after": False}),
}
OUTPUTS = [{}, {"return_sequences": True}, {"return_state": True}, {"return_sequences": True, "return_state": True}]


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


def called(package, layer, x, mask, states):
    """The outputs of a layer, for a mask that either package takes in its own way."""
    if mask is None:
        return layer(x, initial_state=states)
    if package is sides.keras:
        return layer(x, initial_state=states, mask=package.ops.cast(mask, "bool"))
    return layer(WithMask()([x, mask]), initial_state=states)


def listed(things):
    return list(things) if isinstance(things, (list, tuple)) else [things]


def compare(make, dtype, *, states=0, masked=False):
    """Outputs, gradients and ten steps of training of a layer, `make(package)`, with all of its outputs used."""

    def build(package):
        inputs = [package.Input((STEPS, FEATURES), name="x")]
        before = package.layers.Dense(FEATURES, activation="tanh", name="before")(inputs[0])
        mask = None
        if masked:
            mask = package.Input((STEPS,), name="mask")
            inputs.append(mask)
        given = [package.Input((UNITS,), name=f"state_{number}") for number in range(states)] or None
        inputs += given or []
        outputs = listed(called(package, make(package), before, mask, given))
        ends = [package.layers.Flatten(name=f"flat_{n}")(y) if len(y.shape) > 2 else y for n, y in enumerate(outputs)]
        y = package.layers.Concatenate(name="ends")(ends) if len(ends) > 1 else ends[0]
        return package.Model(inputs, package.layers.Dense(2, name="after")(y))

    ours, theirs = sides.pair(build, dtype)
    for model, package in ((ours, sides.nncore), (theirs, sides.keras)):
        model.compile(package.optimizers.SGD(0.05), "mse")
    x = [sides.noise((ROWS, STEPS, FEATURES), dtype)]
    if masked:
        mask = (sides.random(3).random((ROWS, STEPS)) < 0.6).astype(dtype)
        mask[0], mask[1] = 0, 1
        if states:
            mask[:, [0, -1]] = 1  # docs/from-keras.md says what leading masked steps give beside initial states
        x.append(mask)
    x += [sides.noise((ROWS, UNITS), dtype, 5 + number) for number in range(states)]
    sides.compare(ours, theirs, x if len(x) > 1 else x[0], sides.noise((ROWS, 2), dtype, 99), dtype)


def layer_of(cell, **options):
    name, own = CELLS[cell]
    return lambda package: getattr(package.layers, name)(UNITS, **own, **options)


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize("options", OUTPUTS, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_states(cell, options, dtype):
    compare(layer_of(cell, **options, go_backwards=dtype == "float64"), dtype, states=2 if cell == "LSTM" else 1)


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("options", OUTPUTS, ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_masks(cell, options, zeros):
    compare(layer_of(cell, **options, zero_output_for_mask=zeros), "float64", masked=True)
    compare(layer_of(cell, **options, zero_output_for_mask=zeros, go_backwards=True, activation="elu"), "float32",
            masked=True, states=2 if cell == "LSTM" else 1)  # fmt: skip


@pytest.mark.parametrize("options", OUTPUTS, ids=str)
@pytest.mark.parametrize("merge_mode", ["concat", "sum", "mul", "ave", None])
def test_bidirectional(merge_mode, options):
    for cell, dtype in (("LSTM", "float32"), ("GRU", "float64")):
        make = layer_of(cell, **options)
        compare(lambda package, make=make: package.layers.Bidirectional(make(package), merge_mode), dtype)


@pytest.mark.parametrize("merge_mode", ["concat", None])
def test_bidirectional_with_states_and_masks(merge_mode):
    options = {"return_sequences": True}
    for cell, states in (("LSTM", 4), ("GRU reset before", 2)):
        make = layer_of(cell, **options)
        compare(lambda package, make=make: package.layers.Bidirectional(make(package), merge_mode), "float64",
                states=states)  # fmt: skip
        compare(lambda package, make=make: package.layers.Bidirectional(make(package), merge_mode), "float64",
                masked=True)  # fmt: skip


@pytest.mark.parametrize("options", [{}, {"return_sequences": True}], ids=str)
def test_bidirectional_of_two_layers(options):
    def make(package):
        backward = package.layers.LSTM(UNITS, activation="relu", go_backwards=True, **options)
        return package.layers.Bidirectional(package.layers.GRU(UNITS, **options), backward_layer=backward)

    compare(make, "float64")


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize("cell", CELLS)
def test_stateful(cell, dtype):
    def build(package):
        shape = {"shape": (STEPS, FEATURES)} if package is not sides.keras else {"batch_shape": (ROWS, STEPS, FEATURES)}
        layer = layer_of(cell, stateful=True, return_sequences=True)(package)
        return package.Sequential([package.Input(**shape), layer])

    ours, theirs = sides.pair(build, dtype)
    for number in range(4):
        x = sides.noise((ROWS, STEPS, FEATURES), dtype, number)
        sides.assert_close(ours.predict(x), theirs.predict(x, batch_size=ROWS, verbose=0), dtype, f"call {number}")
        if number == 2:
            ours.layers[0].reset_state()
            theirs.layers[-1].reset_state()


@pytest.mark.parametrize("cell", CELLS)
def test_dropout_changes_training_as_much(cell):
    """Means over 4,000 rows, whose errors are below 5 / sqrt(4000) deviations on either side."""
    x = np.ones((4000, STEPS, FEATURES), "float32")
    means = []
    for package in (nncore, sides.keras):
        layer = layer_of(cell, dropout=0.4, recurrent_dropout=0.3, seed=1)(package)
        layer(x[:1])
        weights = sides.random(2)
        layer.set_weights([weights.uniform(-0.5, 0.5, tuple(w.shape)).astype("float32") for w in layer.weights])
        y = sides.numbers(layer(x, training=True))
        means.append((y.mean(axis=0), y.std(axis=0)))
    (ours, deviation), (theirs, other) = means
    assert (np.abs(ours - theirs) < 10 / np.sqrt(4000) * deviation).all()
    np.testing.assert_allclose(deviation, other, rtol=0.15)

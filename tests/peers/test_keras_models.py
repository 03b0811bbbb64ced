"""Whole models: order of layers and weights, histories of fit, evaluate, reported losses."""

import numpy as np
import pytest

from peers import sides

ROWS = 37  # so that the last minibatch is smaller


def chain(k):
    return k.Sequential([
        k.Input((5,)),
        k.layers.Dense(8, activation="relu", kernel_regularizer=k.regularizers.L2(0.01)),
        k.layers.Dense(4, activation="tanh", activity_regularizer=k.regularizers.L1(0.02)),
        k.layers.Dense(3, activation="softmax", name="out", bias_regularizer=k.regularizers.L1L2(0.01, 0.02)),
    ])  # fmt: skip


def siamese(k):
    a, b = k.Input((5,), name="a"), k.Input((5,), name="b")
    encoder = k.Sequential([k.Input((5,)), k.layers.Dense(6, activation="tanh"), k.layers.Dense(4)], name="encoder")
    left, right = encoder(a), encoder(b)
    apart = k.layers.Subtract()([left, right])
    both = k.layers.Concatenate()([apart, k.layers.Multiply()([left, right])])
    return k.Model([a, b], k.layers.Dense(3, activation="softmax", name="out")(both))


def two_outputs(k):
    a, b = k.Input((5,), name="a"), k.Input((5,), name="b")
    shared = k.layers.Dense(6, activation="tanh", name="shared")
    inner_in = k.Input((6,))
    inner_out = k.layers.Dense(6, kernel_regularizer="l2", name="in_2")(
        k.layers.Dense(4, activation="relu", name="in_1")(inner_in)
    )
    inner = k.Model(inner_in, k.layers.Add(name="in_sum")([inner_in, inner_out]), name="inner")
    left = shared(a)
    right = inner(shared(b))
    out = k.layers.Dense(3, activation="softmax", name="out")(k.layers.Average()([left, right]))
    second = k.layers.Dense(2, name="second")(k.layers.Maximum()([left, right]))
    return k.Model([a, b], [out, second])


def residual(k):
    x = start = k.Input((5,))
    for number in range(3):
        y = k.layers.Dense(5, activation="relu", name=f"block_{number}")(x)
        x = k.layers.Add(name=f"sum_{number}")([x, y])
    return k.Model(start, k.layers.Dense(3, activation="softmax", name="out")(x))


def model_of_models(k):
    inner = k.Sequential([k.Input((5,)), k.layers.Dense(4, activation="tanh", name="deep")], name="innermost")
    middle = k.Sequential([k.Input((5,)), inner, k.layers.Dense(5, name="mid")], name="middle")
    x = k.Input((5,))
    return k.Model(x, k.layers.Dense(3, activation="softmax", name="out")(middle(middle(x))))


def wide(k):
    """Branches of unlike depth, which make the order of layers depend on more than the order of calls."""
    a, b = k.Input((5,), name="a"), k.Input((5,), name="b")
    short = k.layers.Dense(4, name="short")(b)
    long = k.layers.Dense(4, name="long_2", activation="tanh")(k.layers.Dense(3, name="long_1")(a))
    middle = k.layers.Dense(4, name="middle")(a)
    joined = k.layers.Concatenate(name="join")([short, middle, long, b])
    return k.Model([b, a], k.layers.Dense(3, activation="softmax", name="out")(joined))


BUILDERS = [chain, siamese, two_outputs, residual, model_of_models, wide]


def data(builder, dtype):
    labels = sides.random(1).integers(0, 3, ROWS)
    x = [sides.noise((ROWS, 5), dtype, 2), sides.noise((ROWS, 5), dtype, 3)]
    x = x if builder in (siamese, two_outputs, wide) else x[0]
    return x, [labels, sides.noise((ROWS, 2), dtype, 4)] if builder is two_outputs else labels


def compiled(builder, dtype, **options):
    ours, theirs = sides.pair(builder, dtype)
    for model, package in ((ours, sides.nncore), (theirs, sides.keras)):
        loss, metrics, weights = "sparse_categorical_crossentropy", ["accuracy"], None
        if builder is two_outputs:
            loss, metrics, weights = [loss, "mse"], [["accuracy"], ["mae", "mse"]], [0.7, 1.6]
        model.compile(package.optimizers.SGD(0.05, momentum=0.9), loss, loss_weights=weights,
                      **{"metrics": metrics, **options})  # fmt: skip
    return ours, theirs


def assert_same_logs(ours, theirs, dtype):
    assert set(ours) == set(theirs)  # Keras sorts them by name; here the loss comes first
    for name, values in theirs.items():
        sides.assert_close(ours[name], np.asarray(values), dtype, name)


@pytest.mark.parametrize("builder", BUILDERS)
def test_layers_weights_and_names_are_in_keras_order(builder):
    ours, theirs = (builder(package) for package in sides.both("float32"))
    named = ["out", "second", "shared", "inner", "encoder", "block_0", "block_1", "block_2", "middle", "short",
             "long_1", "long_2", "a", "b"]  # fmt: skip
    assert [layer.name for layer in ours.layers if layer.name in named] == [
        layer.name for layer in theirs.layers if layer.name in named
    ]
    assert [type(layer).__name__ for layer in ours.layers if not hasattr(layer, "layers")] == [
        type(layer).__name__ for layer in theirs.layers if not hasattr(layer, "layers")
    ]
    for which in ("weights", "trainable_variables", "non_trainable_variables"):
        assert [w.shape for w in getattr(ours, which)] == [tuple(w.shape) for w in getattr(theirs, which)]
    assert ours.count_params() == theirs.count_params()
    assert ours.input_shape == theirs.input_shape
    assert ours.output_shape == theirs.output_shape
    if builder is not chain:
        assert ours.output_names == theirs.output_names


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize("builder", BUILDERS)
def test_predictions_gradients_and_steps(builder, dtype):
    ours, theirs = compiled(builder, dtype, metrics=None)
    x, y = data(builder, dtype)
    sides.compare(ours, theirs, x, y, dtype)


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize("weights", [None, "sample_weight", "class_weight"])
def test_history(builder, weights, dtype):
    """Losses, penalties and metrics over epochs, with validation."""
    ours, theirs = compiled(builder, dtype)
    x, y = data(builder, dtype)
    options = {}
    if weights == "class_weight":
        if builder is two_outputs:
            pytest.skip("class_weight is for one output")
        options["class_weight"] = {0: 0.5, 1: 2.0, 2: 1.25}
    elif weights == "sample_weight":
        weight = sides.random(8).random(ROWS).astype(dtype)
        options["sample_weight"] = [weight, weight[::-1].copy()] if builder is two_outputs else weight
    histories = [
        model.fit(x, y, batch_size=8, epochs=4, shuffle=False, verbose=0, validation_data=(x, y), **options).history
        for model in (ours, theirs)
    ]
    assert_same_logs(*histories, dtype)
    sides.assert_close(ours.get_weights(), theirs.get_weights(), dtype, "weights")
    results = [model.evaluate(x, y, verbose=0, return_dict=True) for model in (ours, theirs)]
    assert_same_logs(*results, dtype)
    lists = [model.evaluate(x, y, verbose=0, batch_size=7) for model in (ours, theirs)]
    sides.assert_close(lists[0], np.asarray(lists[1]), dtype, "evaluate")


@pytest.mark.parametrize("split", [0.1, 0.25, 0.5, 0.9])
def test_validation_split(split):
    ours, theirs = compiled(chain, "float64")
    x, y = data(chain, "float64")
    histories = [m.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0, validation_split=split).history
                 for m in (ours, theirs)]  # fmt: skip
    assert_same_logs(*histories, "float64")


def test_weighted_metrics():
    ours, theirs = compiled(chain, "float64", weighted_metrics=["accuracy"])
    x, y = data(chain, "float64")
    weight = sides.random(8).random(ROWS)
    histories = [m.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0, sample_weight=weight).history
                 for m in (ours, theirs)]  # fmt: skip
    assert_same_logs(*histories, "float64")


def test_penalties_alone():
    """The reported loss is that of the data and all penalties; on a minibatch, and over several."""
    ours, theirs = compiled(chain, "float64", metrics=None)
    x, y = data(chain, "float64")
    sides.assert_close(ours.test_on_batch(x, y), np.float64(theirs.test_on_batch(x, y)), "float64")
    sides.assert_close(ours.evaluate(x, y), np.float64(theirs.evaluate(x, y, verbose=0)), "float64")


def test_a_frozen_layer_and_one_freed_again():
    ours, theirs = compiled(residual, "float64")
    x, y = data(residual, "float64")
    for frozen in (True, False):
        for model, package in ((ours, sides.nncore), (theirs, sides.keras)):
            model.get_layer("block_1").trainable = not frozen
            model.compile(package.optimizers.SGD(0.05), "sparse_categorical_crossentropy")
            model.fit(x, y, batch_size=8, epochs=1, shuffle=False, verbose=0)
        assert len(ours.trainable_variables) == len(theirs.trainable_variables)
        sides.assert_close(ours.get_weights(), theirs.get_weights(), "float64", "weights")


@pytest.mark.parametrize("which", ["train_on_batch", "test_on_batch"])
def test_minibatches_by_hand(which):
    ours, theirs = compiled(chain, "float64")
    x, y = data(chain, "float64")
    for part in (slice(0, 9), slice(9, 30), slice(30, 37)):
        theirs.reset_metrics()
        got, wanted = (getattr(m, which)(x[part], y[part], return_dict=True) for m in (ours, theirs))
        assert_same_logs(got, {name: np.float64(value) for name, value in wanted.items()}, "float64")


def test_a_generator_of_minibatches():
    ours, theirs = compiled(chain, "float64")
    x, y = data(chain, "float64")

    def batches():
        while True:
            for begin in range(0, ROWS, 10):
                yield x[begin : begin + 10], y[begin : begin + 10]

    histories = [m.fit(batches(), steps_per_epoch=3, epochs=3, verbose=0).history for m in (ours, theirs)]
    assert_same_logs(*histories, "float64")
    sides.assert_close(ours.get_weights(), theirs.get_weights(), "float64", "weights")

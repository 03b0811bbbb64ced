"""Embeddings: values, gradients, which rows an update touches, numbers as they come in, bad numbers."""

import copy

import numpy as np
import pytest

import nncore as nn
from nncore import _engine

ROWS, STEPS, COUNT, WIDTH = 40, 5, 17, 3


def numbers(count=COUNT, rows=ROWS, seed=0):
    return np.random.default_rng(seed).integers(0, count, (rows, STEPS))


def model_of(count=COUNT, optimizer=None, dtype="float64", seed=2, **options):
    layer = nn.layers.Embedding(count, WIDTH, **options)
    model = nn.Sequential([nn.Input((STEPS,)), layer, nn.layers.Flatten(), nn.layers.Dense(2)], dtype=dtype, seed=seed)
    model.compile(optimizer or "sgd", "mse")
    return model


def targets(rows=ROWS):
    return np.random.default_rng(1).standard_normal((rows, 2))


def expected_gradients(model, x, y):
    """Of the table, the kernel and the bias, in NumPy."""
    table, kernel, bias = model.get_weights()
    hidden = table[x].reshape(len(x), -1)
    dy = 2 * (hidden @ kernel + bias - y) / y.size
    gradient = np.zeros_like(table)
    np.add.at(gradient, x, (dy @ kernel.T).reshape(*x.shape, WIDTH))
    return [gradient, hidden.T @ dy, dy.sum(axis=0)]


@pytest.mark.parametrize("count", [1, COUNT, 300, 70000])
@pytest.mark.parametrize("rows", [1, ROWS, 1100])
def test_values_and_gradients(count, rows):
    """Sums of at most 5,500 numbers in another order: 1e-12 of the largest."""
    model, x, y = model_of(count), numbers(count, rows), targets(rows)
    table = model.layers[0].embeddings
    assert (model.layers[0](x) == table[x]).all()
    assert (model.layers[0](x[:, :2]) == table[x[:, :2]]).all()
    _, gradients = model.value_and_gradients(x, y)
    for got, wanted in zip(gradients, expected_gradients(model, x, y), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12 * np.abs(wanted).max())


def test_gradients_by_central_differences():
    model, x, y = model_of(), numbers(), targets()
    _, gradients = model.value_and_gradients(x, y)
    table, step = model.layers[0].embeddings, 1e-5
    for place in np.ndindex(table.shape):
        kept = table[place]
        table[place] = kept + step
        above = model.evaluate(x, y)
        table[place] = kept - step
        slope = (above - model.evaluate(x, y)) / (2 * step)
        table[place] = kept
        assert abs(gradients[0][place] - slope) < 5e-6 * max(1e-2, abs(slope))


UPDATES = {  # those of which only the first goes over the rows in use
    "plain": ({}, {}),
    "momentum": ({"momentum": 0.9}, {}),
    "decay": ({"weight_decay": 0.1}, {}),
    "clipped": ({"clipvalue": 1e-3}, {}),
    "norm": ({"global_clipnorm": 1e-3}, {}),
    "averages": ({"use_ema": True}, {}),
    "accumulated": ({"gradient_accumulation_steps": 2}, {}),
    "penalty": ({}, {"embeddings_regularizer": "l2"}),
    "constraint": ({}, {"embeddings_constraint": "non_neg"}),
}


def steps_of(model):
    """Names of the kernels of the training plan."""
    program = next(p for key, p in model._programs.items() if key[0] == "train")
    program.builder.plan.measure(True)
    model.train_on_batch(numbers(), targets())
    return {name for name, _, _ in program.builder.plan.measured()}


@pytest.mark.parametrize("case", UPDATES)
def test_updates_by_the_optimizer_of_gradients(case):
    """As `apply` of the same gradients: to the bit where there is no penalty, and for every kind of update."""
    options, own = UPDATES[case]
    model = model_of(optimizer=nn.optimizers.SGD(0.1, **options), **own)
    twin = copy.deepcopy(model)
    x, y = numbers(), targets()
    x[x == 4] = 5  # a row that is not used
    for _ in range(3):
        model.train_on_batch(x, y)
        _, gradients = twin.value_and_gradients(x, y)
        twin.optimizer.apply(gradients, twin.trainable_variables)
        if case == "constraint":
            np.maximum(twin.layers[0].embeddings, 0, out=twin.layers[0].embeddings)
    tolerance = 1e-15 if own else 0
    for got, wanted in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)
    assert ("embedding_sgd" in steps_of(model)) == (case == "plain")


def test_a_table_that_is_used_twice_gets_both_gradients():
    table = nn.layers.Embedding(COUNT, WIDTH)
    a, b = nn.Input((STEPS,)), nn.Input((STEPS,))
    y = nn.layers.Dense(2)(nn.layers.Flatten()(nn.layers.Subtract()([table(a), table(b)])))
    model = nn.Model([a, b], y, dtype="float64", seed=3)
    model.compile("sgd", "mse")
    x, z, t = numbers(), numbers(seed=5), targets()
    kernel = model.get_weights()[1]
    weights = model.layers[2].embeddings
    dy = 2 * ((weights[x] - weights[z]).reshape(ROWS, -1) @ kernel - t) / t.size @ kernel.T
    wanted = np.zeros_like(weights)
    np.add.at(wanted, x, dy.reshape(ROWS, STEPS, WIDTH))
    np.add.at(wanted, z, -dy.reshape(ROWS, STEPS, WIDTH))
    np.testing.assert_allclose(model.value_and_gradients([x, z], t)[1][0], wanted, rtol=1e-12, atol=1e-14)
    before = weights.copy()
    model.train_on_batch([x, z], t)
    np.testing.assert_allclose(weights, before - 0.01 * wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_for_any_threads(optimizer, dtype):
    x, y = numbers(60, 640), targets(640)

    def trained(threads):
        model = model_of(60, optimizer, dtype)
        with nn.config.threads(threads):
            model.fit(x, y, batch_size=200, epochs=3, verbose=0)
        return [w.tobytes() for w in model.get_weights()]

    _engine.set_pacing(False)
    try:
        assert trained(1) == trained(2) == trained(3)
    finally:
        _engine.set_pacing(True)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64", "float16", "float32",
                                   "float64", "bool"])  # fmt: skip
def test_numbers_of_any_type(dtype):
    model = model_of()
    x = numbers(2 if dtype == "bool" else COUNT).astype(dtype)
    wanted = model.predict(x.astype(np.int64))
    for same in (x, np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2], np.repeat(x, 2, axis=1)[:, ::2]):
        assert (model.predict(same) == wanted).all()
    assert (model.predict(x.tolist()) == wanted).all()


def test_numbers_beyond_what_float32_holds():
    count = 2**24 + 9
    model = nn.Sequential([nn.Input((2,)), nn.layers.Embedding(count, 1, "zeros")])
    table = model.layers[0].embeddings
    table[-9:, 0] = np.arange(9)
    x = np.array([[2**24, 2**24 + 1], [2**24 + 7, 2**24 + 8]])
    assert model.predict(x)[..., 0].tolist() == [[0, 1], [7, 8]]
    assert model.predict(x.astype(np.float64))[..., 0].tolist() == [[0, 1], [7, 8]]


def test_an_input_that_others_read_too():
    x = nn.Input((STEPS,))
    embedded = nn.layers.Flatten()(nn.layers.Embedding(COUNT, WIDTH)(x))
    model = nn.Model(x, nn.layers.Concatenate()([x, embedded]))
    y = model.predict(numbers())
    assert (y[:, :STEPS] == numbers()).all()
    assert (y[:, STEPS:] == model.layers[1].embeddings[numbers()].reshape(ROWS, -1)).all()
    with pytest.raises(ValueError, match="from 0 to 16"):
        model.predict(numbers() + 1)


def test_numbers_that_a_layer_computes():
    """Whole ones are taken; others, and those outside of the table, give NaN and touch nothing."""
    model = nn.Sequential([nn.Input((4,)), nn.layers.Rescaling(0.5), nn.layers.Embedding(3, 2)])
    y = model.predict([[0.0, 4.0, 2.0, 0.0], [1.0, 6.0, -2.0, np.nan]])
    table = model.layers[1].embeddings
    assert (y[0] == table[[0, 2, 1, 0]]).all()
    assert np.isnan(y[1]).all()
    model.compile("sgd", "mse")
    before = table.copy()
    with pytest.raises(nn.NonFiniteLossError):
        model.train_on_batch(np.full((2, 4), 9.0), np.zeros((2, 4, 2)))
    assert (table == before).all()


BAD = {
    "too large": (lambda x: x + 1, r"layer '.*' takes whole numbers from 0 to 16; x holds 17 in row \d+"),
    "negative": (lambda x: x - 1, "x holds -1 in row"),
    "fraction": (lambda x: x + 0.5, r"x holds \d+\.5 in row 0"),
    "NaN": (lambda x: np.where(x == 3, np.nan, x), "x holds nan in row"),
    "infinite": (lambda x: np.where(x == 3, np.inf, x), "x holds inf in row"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_numbers_are_refused_before_anything_changes(case):
    """Also by calls that repeat the form of one before, which take a shorter way."""
    change, message = BAD[case]
    x, y = numbers(), targets()
    x[0, :2] = 16, 3
    x[1, :2] = 0, 3
    bad = change(x)
    model = model_of()
    model.train_on_batch(x.astype(bad.dtype), y)
    model.predict_on_batch(x.astype(bad.dtype))
    model.forward(x.astype(bad.dtype))
    before = [w.copy() for w in model.weights]
    for call in (lambda: model.predict(bad), lambda: model.predict_on_batch(bad), lambda: model.forward(bad),
                 lambda: model.fit(bad, y, verbose=0), lambda: model.train_on_batch(bad, y),
                 lambda: model.evaluate(bad, y), lambda: model.value_and_gradients(bad, y),
                 lambda: model.layers[0](bad)):  # fmt: skip
        with pytest.raises(ValueError, match=message.replace("x holds", "(x|inputs) holds")):
            call()
    assert all((w == b).all() for w, b in zip(model.weights, before, strict=True))


def test_models_in_models_are_asked_for_their_tables():
    small = nn.Sequential([nn.Input((STEPS,)), nn.layers.Embedding(9, WIDTH, name="small")])
    large = nn.layers.Embedding(COUNT, WIDTH, name="large")
    x = nn.Input((STEPS,))
    model = nn.Model(x, nn.layers.Add()([small(x), large(x)]))
    assert model.predict(numbers(9)).shape == (ROWS, STEPS, WIDTH)
    with pytest.raises(ValueError, match="layer 'small' takes whole numbers from 0 to 8"):
        model.predict(numbers())


def test_configuration_files_and_copies(tmp_path):
    model = model_of(embeddings_regularizer="l2", embeddings_constraint="unit_norm", mask_zero=False)
    model.fit(numbers(), targets(), verbose=0)
    layer = model.layers[0]
    assert nn.layers.Embedding.from_config(layer.get_config()).get_config() == layer.get_config()
    model.save(tmp_path / "m")
    for twin in (nn.models.load_model(tmp_path / "m"), copy.deepcopy(model)):
        assert (twin.predict(numbers()) == model.predict(numbers())).all()


def test_arguments():
    given = np.arange(6.0).reshape(3, 2)
    for weights in (given, [given], given.tolist()):
        layer = nn.layers.Embedding(3, 2, weights=weights)
        assert (layer([[2, 0]])[0] == given[[2, 0]]).all()
    with pytest.raises(ValueError, match=r"weights must be numbers of shape \(3, 2\)"):
        nn.layers.Embedding(3, 2, weights=given.T)
    with pytest.raises(ValueError, match="input_dim must be at least 1"):
        nn.layers.Embedding(0, 2)
    with pytest.raises(ValueError, match="input_dim must be less than"):
        nn.layers.Embedding(2**31, 2)
    with pytest.raises(TypeError, match="output_dim must be an integer"):
        nn.layers.Embedding(3, 2.5)
    with pytest.raises(ValueError, match="lora_rank"):
        nn.layers.Embedding(3, 2, lora_rank=2)

"""Mixed precision: products of bfloat16 in plans, also where the machine has to make them of float's."""

import warnings

import numpy as np
import pytest

import nncore as nn
from nncore import _engine


@pytest.fixture(autouse=True)
def products_of_bfloat16():
    _engine.set_bfloat16(True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing to warn of
        yield
    _engine.set_bfloat16(False)


def network(dtype, activation="tanh"):
    hidden = [nn.layers.Dense(units, activation=activation) for units in (203, 151)]
    model = nn.Sequential([nn.Input((301,)), *hidden, nn.layers.Dense(7)], seed=3, dtype=dtype)
    model.compile(nn.optimizers.Adam(1e-3), nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def data(rows):
    rng = np.random.default_rng(0)
    return rng.standard_normal((rows, 301)).astype(np.float32), rng.integers(0, 7, rows)


def distance(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(a)


@pytest.mark.parametrize("rows", [1, 2, 33, 101, 300])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_values_and_gradients_are_near_those_of_float32(rows, activation):
    x, y = data(rows)
    single, mixed = network("float32", activation), network("mixed_bfloat16", activation)
    assert 0 < distance(single.predict(x), mixed.predict(x)) < 0.01
    (loss, gradients), (mixed_loss, mixed_gradients) = (m.value_and_gradients(x, y) for m in (single, mixed))
    assert abs(loss - mixed_loss) < 0.01
    for a, b in zip(gradients, mixed_gradients, strict=True):
        assert distance(a, b) < (0.02 if activation == "tanh" else 0.1)  # a ReLU near 0 may switch
    dy = np.ones((rows, 7), np.float32)
    inputs_gradients = [(model.forward(x), model.backward(dy))[1] for model in (single, mixed)]
    assert 0 < distance(*inputs_gradients) < (0.02 if activation == "tanh" else 0.1)


def test_weights_are_float32_and_every_update_counts():
    """Steps far below what bfloat16 can tell apart add up."""
    x, y = data(64)
    model = network("mixed_bfloat16")
    model.optimizer.learning_rate = 1e-6
    before = model.get_weights()
    for _ in range(3):
        model.train_on_batch(x, y)
    for a, b in zip(before, model.get_weights(), strict=True):
        assert b.dtype == np.float32
        assert 0 < np.abs(a - b).max() < 1e-5


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_threads_do_not_show(threads):
    x, y = data(301)
    results = []
    _engine.set_pacing(False)
    try:
        for count in (1, threads):
            with nn.config.threads(count):
                model = network("mixed_bfloat16", "relu")
                model.fit(x, y, batch_size=101, epochs=3, verbose=0)
                results.append([*model.get_weights(), model.predict(x)])
    finally:
        _engine.set_pacing(True)
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_losses_fall_as_in_float32():
    x, y = data(400)
    losses = [
        network(d).fit(x, y, batch_size=50, epochs=12, verbose=0).history["loss"] for d in ("float32", "mixed_bfloat16")
    ]
    assert losses[0][-1] < losses[0][0] / 2
    np.testing.assert_allclose(*losses, rtol=0.05)


def test_saving_keeps_the_policy(tmp_path):
    x, y = data(64)
    model = network("mixed_bfloat16")
    model.train_on_batch(x, y)
    model.save(tmp_path / "m.safetensors")
    again = nn.models.load_model(tmp_path / "m.safetensors")
    assert again.dtype_policy == "mixed_bfloat16"
    np.testing.assert_array_equal(model.predict(x), again.predict(x))
    assert model.train_on_batch(x, y) == again.train_on_batch(x, y)

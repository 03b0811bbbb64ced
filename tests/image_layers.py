"""What the tests of layers over images and sequences share."""

import numpy as np

import nncore as nn
import nncore._plan
from nncore import _engine


def rng(seed=5):
    return np.random.default_rng(seed)


def through(layer, x):
    """The layer's output for x, a dy, and the gradient of sum(y dy) with respect to x."""
    model = nn.Sequential([nn.Input(x.shape[1:]), layer], dtype=x.dtype.name, seed=2)
    y = model.forward(x)
    dy = rng(6).standard_normal(y.shape).astype(x.dtype)
    return y, dy, model.backward(dy)


def slopes(function, array, step=1e-6):
    """Central differences of a function without arguments for every element of an array that it reads."""
    found = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        kept = array[place]
        array[place] = kept + step
        above = function()
        array[place] = kept - step
        found[place] = (above - function()) / (2 * step)
        array[place] = kept
    return found


def check_by_differences(layers, shape, rows=3):
    """Gradients of a model's weights and inputs; those of the squared error of smooth layers to 5e-6."""
    model = nn.Sequential([nn.Input(shape), *layers], dtype="float64", seed=1)
    model.compile("sgd", "mse")
    x = rng().standard_normal((rows, *shape))
    y = rng(7).standard_normal(model.predict(x).shape)
    _, gradients = model.value_and_gradients(x, y)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        np.testing.assert_allclose(gradient, slopes(lambda: model.test_on_batch(x, y), variable), rtol=5e-6, atol=5e-6)
    dx = model.backward(2 * (model.forward(x) - y) / y.size)
    np.testing.assert_allclose(dx, slopes(lambda: model.test_on_batch(x, y), x), rtol=5e-6, atol=5e-6)


def check_same_bits(layers, shape, monkeypatch, dtype="float32"):
    """Weights after some training are the same for any number of threads and size of blocks."""
    monkeypatch.setattr(nncore._plan, "FLOPS_PER_THREAD", 1)
    _engine.set_pacing(False)
    try:
        results = []
        for threads, block_rows in ((1, 128), (2, 128), (2, 3), (3, 7)):
            monkeypatch.setattr(nncore._plan, "BLOCK_ROWS", block_rows)
            model = nn.Sequential([nn.Input(shape), *layers(), nn.layers.Flatten(), nn.layers.Dense(3)], dtype=dtype,
                                  seed=4)  # fmt: skip
            model.compile("adam", "mse")
            with nn.config.threads(threads):
                model.fit(rng().standard_normal((41, *shape)), rng(8).standard_normal((41, 3)), batch_size=17, epochs=2,
                          verbose=0)  # fmt: skip
            results.append(model.get_weights())
        for other in results[1:]:
            for a, b in zip(results[0], other, strict=True):
                assert a.tobytes() == b.tobytes()
    finally:
        _engine.set_pacing(True)


def check_copies(layer, shape, tmp_path):
    """A configuration makes the same layer, and a file the same model."""
    other = nn.layers.deserialize(nn.layers.serialize(layer))
    assert type(other) is type(layer)
    assert other.get_config() == layer.get_config()
    model = nn.Sequential([nn.Input(shape), layer, nn.layers.Flatten(), nn.layers.Dense(2)], seed=3)
    model.save(tmp_path / "m.safetensors")
    x = rng().standard_normal((3, *shape)).astype(np.float32)
    assert np.array_equal(nn.models.load_model(tmp_path / "m.safetensors").predict(x), model.predict(x))

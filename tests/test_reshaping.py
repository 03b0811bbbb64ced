"""Reshape, Permute, RepeatVector: values and gradients in models."""

import numpy as np
import pytest

import nncore as nn


def rng():
    return np.random.default_rng(5)


def through(layer, x):
    """The layer's output for x, and the gradient of sum(y dy) for x, with dy."""
    model = nn.Sequential([nn.Input(x.shape[1:]), layer], dtype=x.dtype.name)
    y = model.forward(x)
    dy = rng().standard_normal(y.shape).astype(x.dtype)
    return y, dy, model.backward(dy)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("shape", "target"), [((6,), (2, 3)), ((4, 6), (-1,)), ((4, 6), (2, -1, 3)), ((5,), (5, 1)), ((12,), -1)]
)
def test_reshape(shape, target, dtype):
    x = rng().standard_normal((7, *shape)).astype(dtype)
    y, dy, dx = through(nn.layers.Reshape(target), x)
    assert np.array_equal(y, x.reshape(7, *np.atleast_1d(target)))
    assert np.array_equal(dx, dy.reshape(x.shape))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("shape", "dims"),
    [
        ((5,), (1,)),
        ((3, 4), (2, 1)),
        ((17, 33), (2, 1)),
        ((1, 9), (2, 1)),
        ((3, 4), (1, 2)),
        *(((3, 4, 5), dims) for dims in ((1, 3, 2), (2, 1, 3), (3, 2, 1), (2, 3, 1), (3, 1, 2))),
        ((2, 3, 4, 5), (4, 2, 1, 3)),
        ((2, 1, 3, 2, 2), (5, 3, 1, 4, 2)),
    ],
)
def test_permute(shape, dims, dtype):
    x = rng().standard_normal((7, *shape)).astype(dtype)
    y, dy, dx = through(nn.layers.Permute(dims), x)
    assert np.array_equal(y, x.transpose(0, *dims))
    assert np.array_equal(dx, dy.transpose(0, *(1 + np.argsort(dims))))


@pytest.mark.parametrize("n", [1, 2, 9])
def test_repeat_vector(n):
    x = rng().standard_normal((6, 11))
    y, dy, dx = through(nn.layers.RepeatVector(n), x)
    assert np.array_equal(y, np.repeat(x[:, None], n, axis=1))
    np.testing.assert_allclose(dx, dy.sum(axis=1), rtol=1e-13, atol=1e-13)


def test_between_layers_with_weights():
    """Gradients reach the weights before, and central differences say the same."""
    model = nn.Sequential(
        [nn.Input((5,)), nn.layers.Dense(6, activation="relu"), nn.layers.Reshape((2, 3)), nn.layers.Permute((2, 1)),
         nn.layers.Dense(2, activation="tanh"), nn.layers.Flatten(), nn.layers.RepeatVector(2), nn.layers.Dense(1)],
        dtype="float64", seed=1,
    )  # fmt: skip
    model.compile("sgd", "mse")
    x, y = rng().standard_normal((4, 5)), rng().standard_normal((4, 2, 1))
    _, gradients = model.value_and_gradients(x, y)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        for place in np.ndindex(variable.shape):
            kept = variable[place]
            variable[place] = kept + 1e-6
            above = model.test_on_batch(x, y)
            variable[place] = kept - 1e-6
            slope = (above - model.test_on_batch(x, y)) / 2e-6
            variable[place] = kept
            assert gradient[place] == pytest.approx(slope, abs=5e-6, rel=5e-6)


def test_errors():
    for target in ((-1, -1), (0, 3), (-2, 3)):
        with pytest.raises(ValueError, match="target_shape"):
            nn.layers.Reshape(target)
    for target in ((4, 2), (4, -1)):
        with pytest.raises(ValueError, match="do not fit target_shape"):
            nn.layers.Reshape(target).compute_output_shape((3, 3))
    for dims in ((0, 1), (1, 3), (1, 1)):
        with pytest.raises(ValueError, match="dims"):
            nn.layers.Permute(dims)
    with pytest.raises(ValueError, match="samples of 2 axes"):
        nn.layers.Permute((2, 1)).compute_output_shape((3, 4, 5))
    with pytest.raises(TypeError, match="n must be an integer"):
        nn.layers.RepeatVector(2.5)
    with pytest.raises(ValueError, match="n must be at least 1"):
        nn.layers.RepeatVector(0)
    with pytest.raises(ValueError, match="samples of one axis"):
        nn.layers.RepeatVector(2).compute_output_shape((3, 4))


def test_configurations():
    for layer in (nn.layers.Reshape((2, -1)), nn.layers.Permute((2, 1)), nn.layers.RepeatVector(3)):
        assert nn.layers.deserialize(nn.layers.serialize(layer)).get_config() == layer.get_config()

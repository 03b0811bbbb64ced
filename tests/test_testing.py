"""nn.testing.check_gradients: it finds what is wrong, says where, and lets through what is right."""

import re

import numpy as np
import pytest
from custom_parts import NumpyDense, NumpyReLU, Squares

import nncore as nn

X = np.random.default_rng(0).standard_normal((5, 4))


class WrongKernel(NumpyDense):
    def backward(self, dy):
        dx = super().backward(dy)
        self.gradients[0][2, 1] *= 1.001
        return dx


class WrongBias(NumpyDense):
    def backward(self, dy):
        self.gradients[1] += 1e-4
        return super().backward(dy)


class WrongInput(NumpyReLU):
    def backward(self, dy):
        return dy


class WrongLoss(Squares):
    def gradient(self, y_true, y_pred):
        return super().gradient(y_true, y_pred) * 0.5


class NotANumber(NumpyReLU):
    def backward(self, dy):
        return dy * np.nan


def in_model(layer):
    model = nn.Sequential([nn.Input((4,)), layer], dtype="float64")
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(("check", "where"), [
    (lambda: (WrongKernel(3, name="a"), X), r"weight 'a/w' at \[2, 1\]"),
    (lambda: (WrongBias(3, name="a"), X), r"weight 'a/weight_1' at \[0\]"),
    (lambda: (WrongBias(90, name="a"), X), r"weight 'a/weight_1' along random direction 0"),
    (lambda: (WrongInput(), X), r"input 0 at \[\d, \d\]"),
    (lambda: (NotANumber(), X), r"input 0 at \[0, 0\]"),
    (lambda: (nn.layers.TimeDistributed(WrongInput()), X.reshape(5, 2, 2)), r"input 0 at \[\d, \d, \d\]"),
    (lambda: (WrongLoss(), X, X + 1), r"y_pred at \[0, 0\]"),
    (lambda: (in_model(WrongKernel(3, name="a")), X, X[:, :3]), r"a/w at \[2, 1\]"),
])  # fmt: skip
def test_what_is_wrong_is_found_and_named(check, where):
    number = r"-?[\d.e+-]+|nan"
    with pytest.raises(AssertionError) as caught:
        nn.testing.check_gradients(*check())
    assert re.fullmatch(
        f"the gradient of {where} is ({number}); central differences give ({number}). They differ by ({number}); "
        f"({number}) is allowed", str(caught.value),
    )  # fmt: skip


def test_it_returns_the_largest_error_and_changes_nothing():
    model = in_model(nn.layers.Dense(3, activation="tanh"))
    before, x = model.get_weights(), X.copy()
    assert 0 < nn.testing.check_gradients(model, x, X[:, :3]) < 1e-8
    assert all((a == b).all() for a, b in zip(model.weights, before, strict=True))
    assert (x == X).all()
    allowed = {"rtol": 0, "atol": 1}
    assert 1e-4 < nn.testing.check_gradients(WrongKernel(3), X, **allowed) < 1


def test_the_librarys_own_layers_and_losses_pass():
    for layer in (nn.layers.LayerNormalization(), nn.layers.BatchNormalization(), nn.layers.PReLU(),
                  nn.layers.Dropout(0.5), nn.layers.GaussianNoise(0.3), nn.layers.Dense(40)):  # fmt: skip
        nn.testing.check_gradients(layer, X)
    nn.testing.check_gradients(nn.layers.Dot(axes=1), [X, X + 1])
    nn.testing.check_gradients(nn.layers.BatchNormalization(), X, training=False)
    nn.testing.check_gradients(nn.losses.Huber(), X, X + np.linspace(-2, 2, 4), np.arange(5.0))
    nn.testing.check_gradients(nn.losses.SparseCategoricalCrossentropy(from_logits=True), [0, 1, 2, 3, 0], X)


def test_what_cannot_be_checked_is_refused():
    model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(2)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="computes in float32"):
        nn.testing.check_gradients(model, X, X[:, :2])
    with pytest.raises(TypeError, match="a layer, a loss or a compiled model"):
        nn.testing.check_gradients(np.sin, X)

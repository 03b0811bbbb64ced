"""Networks of unusual shapes, trained beside the same formulas in NumPy."""

from typing import NamedTuple

import numpy as np
import pytest

import nncore as nn


class Case(NamedTuple):
    """A network, its data, and how it is trained."""

    sizes: tuple
    rows: int
    minibatch: int
    epochs: int
    activation: str = "relu"
    loss: str = "sparse_categorical_crossentropy"
    weighted: bool = False


CASES = {
    "37-53-11 by 19": Case((37, 53, 11), 95, 19, 2),
    "37-53-11 by 19, weighted rows": Case((37, 53, 11), 100, 19, 2, weighted=True),
    "primes, a rest of 7": Case((101, 97, 89, 13), 131, 31, 2),
    "regression": Case((13, 7, 1), 50, 8, 3, "tanh", "mse"),
    "regression, weighted rows": Case((13, 7, 1), 50, 8, 3, "sigmoid", "mse", weighted=True),
    "binary": Case((13, 7, 1), 50, 8, 3, "relu", "binary_crossentropy"),
    "binary, five units": Case((9, 6, 5), 47, 16, 3, "tanh", "binary_crossentropy", weighted=True),
    "wide inputs": Case((2000, 8, 3), 200, 64, 2),
    "ten layers": Case((32,) * 11, 100, 25, 2, "tanh"),
    "ten layers of ReLU": Case((32,) * 11, 100, 25, 2),
    "10,000 rows at once": Case((4, 32, 16, 4), 10_000, 10_000, 4, "tanh", "mse"),
    "1,100 rows, then 70": Case((64, 300, 10), 1170, 1100, 3),
    "ones": Case((1, 1, 1), 6, 1, 4, "tanh", "mse"),
    "three rows in twos": Case((5, 4, 3), 3, 2, 4),
    "online": Case((5, 300, 2), 12, 1, 1),
    "large and few": Case((1500, 1500), 9, 4, 1, loss="mse"),
    "larger than the data": Case((17, 33, 6), 29, 64, 5),
    "one row": Case((6, 5, 2), 1, 32, 5, "sigmoid"),
}
OPTIMIZERS = {
    "adam": lambda: nn.optimizers.Adam(learning_rate=0.01),
    "sgd": lambda: nn.optimizers.SGD(learning_rate=0.05),
    "momentum": lambda: nn.optimizers.SGD(learning_rate=0.05, momentum=0.9),
    "nesterov": lambda: nn.optimizers.SGD(learning_rate=0.05, momentum=0.8, nesterov=True),
}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


# f, and its derivative as a function of its value
ACTIVATIONS = {
    "relu": (lambda z: np.maximum(z, 0), lambda a: a > 0),
    "tanh": (np.tanh, lambda a: 1 - a * a),
    "sigmoid": (sigmoid, lambda a: a * (1 - a)),
}


class Reference:
    """A chain of dense layers in float64, as the formulas have it: forward, loss, backward, update.

    Parameters
    ----------
    weights : list of arrays
        Kernel, bias, kernel, bias, ...
    """

    def __init__(self, case, weights):
        self.case = case
        self.activation, self.derivative = ACTIVATIONS[case.activation]
        self.weights = [w.astype(np.float64) for w in weights]
        self.first = [np.zeros_like(w) for w in self.weights]
        self.second = [np.zeros_like(w) for w in self.weights]
        self.steps = 0

    def forward(self, x):
        """The output, before softmax or sigmoid, and every layer's input."""
        inputs = [x]
        for kernel, bias in zip(self.weights[::2], self.weights[1::2], strict=True):
            z = inputs[-1] @ kernel + bias
            inputs.append(self.activation(z))
        return z, inputs[:-1]

    def outputs(self, x):
        """What the model predicts."""
        z, _ = self.forward(x)
        if self.case.loss == "mse":
            return z
        return sigmoid(z) if self.case.loss == "binary_crossentropy" else softmax(z)

    def loss_and_gradients(self, x, y, weight):
        """The minibatch's loss, a mean over its rows, and its gradient for each of the weights."""
        z, inputs = self.forward(x)
        rows, units = z.shape
        if self.case.loss == "mse":
            losses, dz = ((z - y) ** 2).mean(1), 2 * (z - y) / units
        elif self.case.loss == "binary_crossentropy":
            p = sigmoid(z)
            losses, dz = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(1), (p - y) / units
        else:
            p = softmax(z)
            losses, dz = -np.log(p[np.arange(rows), y]), p - np.eye(units)[y]
        dz = dz * weight[:, None] / rows
        gradients = []
        for a, kernel in zip(reversed(inputs), reversed(self.weights[::2]), strict=True):
            gradients += [dz.sum(0), np.einsum("ri,ru->iu", a, dz)]  # not @: BLAS is slow there on a busy machine
            dz = (dz @ kernel.T) * self.derivative(a)
        return (losses * weight).sum() / rows, gradients[::-1]

    def step(self, optimizer, gradients):
        """One update by the formulas of the optimizers' docstrings."""
        self.steps += 1
        options = optimizer.get_config()
        rate = options["learning_rate"]
        for i, g in enumerate(gradients):
            if isinstance(optimizer, nn.optimizers.Adam):
                b1, b2 = options["beta_1"], options["beta_2"]
                self.first[i] = b1 * self.first[i] + (1 - b1) * g
                self.second[i] = b2 * self.second[i] + (1 - b2) * g * g
                s, r = self.first[i] / (1 - b1**self.steps), self.second[i] / (1 - b2**self.steps)
                self.weights[i] = self.weights[i] - rate / np.sqrt(r + 1e-8) * s
            else:
                beta = options["momentum"]
                v = self.first[i] = beta * self.first[i] - rate * g
                self.weights[i] = self.weights[i] + (beta * v - rate * g if options["nesterov"] else v)

    def fit(self, optimizer, x, y, weight):
        """Trains as the case says; returns each epoch's mean loss."""
        history = []
        for _ in range(self.case.epochs):
            total = 0.0
            for begin in range(0, len(x), self.case.minibatch):
                part = slice(begin, begin + self.case.minibatch)
                loss, gradients = self.loss_and_gradients(x[part], y[part], weight[part])
                total += loss * len(x[part])
                self.step(optimizer, gradients)
            history.append(total / len(x))
        return history


def build(case, dtype, random):
    """The model, with weights that are the same numbers in either type, and biases that are not zero."""
    last = {"mse": None, "binary_crossentropy": "sigmoid"}.get(case.loss, "softmax")
    hidden = [nn.layers.Dense(units, activation=case.activation) for units in case.sizes[1:-1]]
    layers = [nn.Input((case.sizes[0],)), *hidden, nn.layers.Dense(case.sizes[-1], activation=last)]
    model = nn.Sequential(layers, dtype=dtype)
    weights = [random.standard_normal(w.shape) / np.sqrt(max(2, len(w))) for w in model.weights]
    model.set_weights([w.astype(np.float32) for w in weights])
    return model


def data(case, random):
    """Inputs, targets and weights of the rows: numbers that float32 holds."""
    x = random.standard_normal((case.rows, case.sizes[0])).astype(np.float32)
    units = case.sizes[-1]
    if case.loss == "mse":
        y = random.standard_normal((case.rows, units)).astype(np.float32)
    elif case.loss == "binary_crossentropy":
        y = random.integers(0, 2, (case.rows, units))
    else:
        y = random.integers(0, units, case.rows)
    weight = random.random(case.rows).astype(np.float32) if case.weighted else np.ones(case.rows, np.float32)
    return x, y, weight


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", CASES)
def test_training_takes_the_steps_of_numpy(name, optimizer, dtype):
    case, random = CASES[name], np.random.default_rng(5)
    model = build(case, dtype, random)
    x, y, weight = data(case, random)
    reference = Reference(case, model.get_weights())
    start = [w.copy() for w in reference.weights]
    model.compile(OPTIMIZERS[optimizer](), case.loss)
    history = model.fit(
        x, y, batch_size=case.minibatch, epochs=case.epochs, shuffle=False, verbose=0,
        sample_weight=weight if case.weighted else None,
    )  # fmt: skip
    losses = reference.fit(model.optimizer, x.astype(np.float64), y, weight.astype(np.float64))

    relative, absolute = (1e-10, 1e-11) if dtype == "float64" else (1e-4, 1e-5)
    assert model.optimizer.iterations == reference.steps == case.epochs * -(-case.rows // case.minibatch)
    np.testing.assert_allclose(history.history["loss"], losses, rtol=relative)
    for got, wanted, before in zip(model.weights, reference.weights, start, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=relative, atol=absolute)
        assert np.abs(wanted - before).max() > 20 * absolute, "the weights did not move enough to tell"
    wanted = reference.outputs(x.astype(np.float64))
    np.testing.assert_allclose(model.predict(x), wanted, rtol=relative, atol=absolute * max(1.0, np.abs(wanted).max()))

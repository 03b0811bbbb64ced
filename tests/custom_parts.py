"""Layers, losses and metrics in NumPy, as users write them, for the tests."""

import numpy as np

import nncore as nn


class NumpyReLU(nn.layers.Layer):
    """max(0, x)."""

    def forward(self, x):
        self.positive = x > 0
        return np.maximum(x, 0)

    def backward(self, dy):
        return np.where(self.positive, dy, 0)


class NumpyDense(nn.layers.Layer):
    """x W + b over the last axis."""

    def __init__(self, units, regularizer=None, constraint=None, **common):
        super().__init__(**common)
        self.units, self.regularizer, self.constraint = units, regularizer, constraint

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="glorot_uniform", name="w",
                                 regularizer=self.regularizer, constraint=self.constraint)  # fmt: skip
        self.b = self.add_weight((self.units,), "zeros")

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def forward(self, x, training=False):
        self.x, self.training = x, training
        return x @ self.w + self.b

    def backward(self, dy):
        self.gradients[0] += np.tensordot(self.x, dy, [range(dy.ndim - 1)] * 2)
        self.gradients[1] += dy.sum(axis=tuple(range(dy.ndim - 1)))
        return dy @ self.w.T


class ProductAndSum(nn.layers.Layer):
    """[a b, a + b] of [a, b]."""

    def compute_output_shape(self, input_shapes):
        return [input_shapes[0], input_shapes[1]]

    def forward(self, inputs):
        a, b = self.inputs = inputs
        return [a * b, a + b]

    def backward(self, dys):
        a, b = self.inputs
        return [dys[0] * b + dys[1], dys[0] * a + dys[1]]


class Residual(nn.layers.Layer):
    """x + dropout(dense(tanh(dense(x)))), scaled."""

    def __init__(self, units, rate=0.0, **common):
        super().__init__(**common)
        self.first = nn.layers.Dense(units, activation="tanh")
        self.others = [NumpyDense(units), nn.layers.Dense(units)]
        self.dropout = nn.layers.Dropout(rate)

    def call(self, inputs, training=None):
        x = self.first(inputs)
        for layer in self.others:
            x = layer(x)
        return (self.dropout(x, training=training) + inputs) * 0.5


class Network(nn.Model):
    """Two layers and a dropout that `training` says."""

    def __init__(self, units=8, **common):
        super().__init__(**common)
        self.hidden = Residual(units)
        self.dropout = nn.layers.Dropout(0.5)
        self.final = nn.layers.Dense(1)

    def call(self, inputs, training=False):
        x = self.hidden(inputs)
        if training:
            x = self.dropout(x, training=training)
        return self.final(x)


class Cell(nn.layers.Layer):
    """tanh(x W + b + h U)."""

    def __init__(self, units, **common):
        super().__init__(**common)
        self.state_size = self.units = units
        self.of_input = nn.layers.Dense(units)
        self.of_state = nn.layers.Dense(units, use_bias=False)
        self.tanh = nn.layers.Activation("tanh")

    def call(self, inputs, states):
        output = self.tanh(self.of_input(inputs) + self.of_state(states[0]))
        return output, [output]


class TwoStates(nn.layers.Layer):
    """A cell of two states, with a layer in NumPy and one for training, which it makes in `build`."""

    def __init__(self, units, rate=0.0, **common):
        super().__init__(**common)
        self.state_size, self.units, self.rate = [units, units], units, rate

    def build(self, input_shape):
        self.gate = nn.layers.Dense(self.units, activation="sigmoid")
        self.dense, self.relu = NumpyDense(self.units), NumpyReLU()
        self.dropout = nn.layers.Dropout(self.rate)

    def call(self, inputs, states, training=None):
        h, c = states
        joined = nn.layers.Concatenate()([inputs, h])
        c = self.gate(joined) * c + self.dense(joined)
        h = self.dropout(self.relu(c), training=training) + c
        return h, [h, c]


class Squares(nn.losses.Loss):
    """The mean over the last axis."""

    def call(self, y_true, y_pred):
        return ((y_pred - y_true) ** 2).mean(axis=-1)

    def gradient(self, y_true, y_pred):
        return 2 * (y_pred - y_true) / y_pred.shape[-1]


class LogLikelihood(nn.losses.Loss):
    """-log p of the class."""

    labels = True

    def call(self, y_true, y_pred):
        return -np.log(y_pred[np.arange(len(y_pred)), y_true])

    def gradient(self, y_true, y_pred):
        gradient, row = np.zeros_like(y_pred), np.arange(len(y_pred))
        gradient[row, y_true] = -1 / y_pred[row, y_true]
        return gradient


def squared_error(y_true, y_pred):
    """The same as a function."""
    return ((y_pred - y_true) ** 2).mean(axis=-1), 2 * (y_pred - y_true) / y_pred.shape[-1]


class AbsoluteError(nn.metrics.Metric):
    """The mean of |d|, as Keras's metrics are written."""

    def __init__(self, name="absolute_error", **common):
        super().__init__(name=name, **common)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        values = np.abs(y_true - y_pred).mean(axis=-1)
        weights = np.ones(len(values)) if sample_weight is None else sample_weight
        self.total.assign_add((values * weights).sum())
        self.count.assign_add(weights.sum())

    def result(self):
        return self.total / self.count


def largest_error(y_true, y_pred):
    """Of each row."""
    return np.abs(y_true - y_pred).max(axis=-1)


OBJECTS = {thing.__name__: thing for thing in (
    NumpyReLU, NumpyDense, ProductAndSum, Residual, Network, Cell, TwoStates, Squares, LogLikelihood,
    squared_error, AbsoluteError, largest_error)}  # fmt: skip

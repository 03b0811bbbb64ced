"""Layers, models, cells and metrics of one's own: the same classes, over either package, compute and train alike.

Keras wants layers in a cell, or in a layer of `TimeDistributed`, to be built by the `build` of what they are part of.
"""

import numpy as np
import pytest

from peers import sides


def residual(package):
    """A layer made of layers, in a list and alone, with an argument `training`."""

    class Residual(package.layers.Layer):
        def __init__(self, units, **common):
            super().__init__(**common)
            self.last = package.layers.Dense(units, kernel_regularizer="l2")
            self.steps = [package.layers.Dense(units, activation="tanh"), package.layers.BatchNormalization()]
            self.dropout = package.layers.Dropout(0.0)

        def compute_output_shape(self, input_shape):  # which Keras's TimeDistributed wants
            return input_shape

        def build(self, input_shape):
            if package is sides.keras:
                for part in (self.last, *self.steps):
                    part.build(input_shape)

        def call(self, inputs, training=None):
            x = inputs
            for step in self.steps:
                x = step(x)
            return self.dropout(self.last(x), training=training) * 0.5 + inputs - 1.0

    return Residual


def cell(package):
    """A cell of two states."""

    class Cell(package.layers.Layer):
        def __init__(self, units, **common):
            super().__init__(**common)
            self.state_size, self.output_size = [units, units], units
            self.gate = package.layers.Dense(units, activation="sigmoid")
            self.candidate = package.layers.Dense(units, activation="tanh")
            self.join, self.tanh = package.layers.Concatenate(), package.layers.Activation("tanh")

        def build(self, input_shape):
            if package is sides.keras:
                for part in (self.gate, self.candidate):
                    part.build((None, input_shape[-1] + self.output_size))

        def call(self, inputs, states):
            h, c = states
            joined = self.join([inputs, h])
            gate = self.gate(joined)
            c = gate * c + (1.0 - gate) * self.candidate(joined)
            h = gate * self.tanh(c)
            return h, [h, c]

    return Cell


def simple_cell(package):
    """A cell of one state, with as many units as inputs."""

    class Simple(package.layers.Layer):
        def __init__(self, units, **common):
            super().__init__(**common)
            self.state_size = units
            self.of_input, self.of_state = package.layers.Dense(units), package.layers.Dense(units, use_bias=False)

        def build(self, input_shape):
            if package is sides.keras:
                self.of_input.build(input_shape)
                self.of_state.build((None, self.state_size))

        def call(self, inputs, states):
            output = self.of_input(inputs) + self.of_state(states[0])
            return output, [output]

    return Simple


def network(package):
    """A model with `call`."""

    class Network((sides.keras if package is sides.keras else sides.nncore).Model):
        def __init__(self, **common):
            super().__init__(**common)
            self.first = residual(package)(6)
            self.final = package.layers.Dense(3)

        def call(self, inputs, training=None):
            return self.final(self.first(inputs, training=training))

    return Network


def around(shape, between):
    """A model with what `between(package)` makes in the middle: `build(package)`."""

    def build(package):
        inputs = package.Input(shape)
        x = package.layers.Dense(shape[-1], activation="tanh")(inputs)
        y = between(package)(x)
        y = package.layers.Concatenate()([package.layers.Flatten()(part) for part in y]) if isinstance(y, list) else y
        return package.Model(inputs, package.layers.Dense(3)(package.layers.Flatten()(y)))

    return build


def rnn(*cells, **options):
    def make(package):
        made = [each(package)(units) for each, units in cells]
        layer = package.layers.RNN(made if len(made) > 1 else made[0], **options)

        def apply(x):
            y = layer(x)
            return list(y) if isinstance(y, (list, tuple)) else y

        return apply

    return make


CASES = {
    "a layer of layers": ((6,), lambda package: residual(package)(6)),
    "one in one": ((6,), lambda package: package.Sequential([residual(package)(6), residual(package)(6)])),
    "TimeDistributed": ((5, 4), lambda package: package.layers.TimeDistributed(package.layers.Dense(3, "tanh"))),
    "TimeDistributed own": ((5, 4), lambda package: package.layers.TimeDistributed(residual(package)(4))),
    "RNN": ((5, 4), rnn((cell, 3))),
    "RNN all steps": ((5, 4), rnn((cell, 3), return_sequences=True)),
    "RNN backwards": ((5, 4), rnn((cell, 3), return_sequences=True, go_backwards=True)),
    "RNN states": ((5, 4), rnn((cell, 3), return_state=True)),
    "RNN stacked": ((5, 4), rnn((cell, 3), (simple_cell, 4), (cell, 2), return_sequences=True)),
}


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_layers(case, dtype):
    shape, between = CASES[case]
    ours, theirs = sides.pair(around(shape, between), dtype)
    for model, package in ((ours, sides.nncore), (theirs, sides.keras)):
        model.compile(package.optimizers.SGD(0.05), "mse")
    sides.compare(ours, theirs, sides.noise((9, *shape), dtype), sides.noise((9, 3), dtype, 99), dtype)


@pytest.mark.parametrize("dtype", sides.DTYPES)
def test_models_and_metrics(dtype):
    x, y = sides.noise((40, 6), dtype), sides.noise((40, 3), dtype, 99)
    models = []
    for package in sides.both(dtype):
        options = {} if package is sides.keras else {"dtype": dtype}
        model = network(package)(**options)
        model(x)
        models.append(model)
    sides.match(*models)

    def error(module, absolute, total):
        class Error(module.metrics.Metric):
            """The largest sum of |d| of a minibatch, and the mean of those sums."""

            def __init__(self, name="error", **common):
                super().__init__(name=name, **common)
                self.sum, self.count = (self.add_weight(name=n, initializer="zeros") for n in ("sum", "count"))

            def update_state(self, y_true, y_pred, sample_weight=None):
                self.sum.assign_add(total(absolute(y_true - y_pred)))
                self.count.assign_add(1.0)

            def result(self):
                return self.sum / self.count

        return Error()

    ours, theirs = models
    ours.compile(sides.nncore.optimizers.SGD(0.05), "mse", metrics=[error(sides.nncore, np.abs, np.sum)])
    theirs.compile(sides.keras.optimizers.SGD(0.05), "mse",
                   metrics=[error(sides.keras, sides.keras.ops.abs, sides.keras.ops.sum)])  # fmt: skip
    logs = [m.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0).history for m in models]
    assert set(logs[0]) == set(logs[1])
    for name, values in logs[0].items():
        sides.assert_close(values, np.array(logs[1][name]), "float32" if name == "error" else dtype, name)
    sides.assert_close(ours.get_weights(), theirs.get_weights(), dtype, "weights")

"""Small compiled models of many kinds, each with what its data look like; made once and put back after every use."""

import functools
from typing import Any, NamedTuple

import numpy as np

import nncore as nn
from nncore.models import single_calls
from reliability.api.judge import State


class Port(NamedTuple):
    """What an input or an output takes: the shape of a row's data, and how many classes or table rows, or 0."""

    shape: tuple
    classes: int = 0

    def draw_shape(self, choices):
        """The shape, or another one that is taken for it where a target may have an axis of 1 more or less."""
        if self.shape in ((), (1,)) and choices.one_in(3):
            return (1,) if self.shape == () else ()
        return self.shape


class Subject(NamedTuple):
    """A model, and what it takes."""

    model: Any
    state: State
    inputs: list
    outputs: list
    stateful: bool = False

    def put_back(self, numbers):
        """Makes the model what it was when its state had these numbers."""
        self.state.put_back(numbers)
        self.model._pending = None
        for layer in self.model.layers if self.stateful else ():
            if getattr(layer, "stateful", False):
                layer.reset_states()


ROWS = 4
single_calls.MAX_PROGRAMS = 64  # of all kinds of calls, as making plans takes longest


def _sequential(layers, optimizer, loss, inputs, outputs, dtype="float32", stateful=False, **compilation):
    return _subject(
        nn.Sequential(layers, dtype=dtype, seed=3), optimizer, loss, inputs, outputs, stateful, **compilation
    )


def _subject(model, optimizer, loss, inputs, outputs, stateful=False, **compilation):
    model.compile(optimizer, loss, **compilation)
    if loss is not None:
        optimizer = model.optimizer
        optimizer.build(model.trainable_variables, model.paths_of(model.trainable_variables))
    return Subject(model, State(model), inputs, outputs, stateful)


def regression():
    """One unit: targets may be (rows,) or (rows, 1)."""
    layers = [nn.Input((3,)), nn.layers.Dense(4, activation="tanh"), nn.layers.Dense(1)]
    return _sequential(layers, "adam", "mse", [Port((3,))], [Port((1,))], metrics=["mae"])


def classifier():
    """Class numbers, in float64, with a metric that is a state."""
    layers = [nn.Input((3,)), nn.layers.Dense(5, activation="relu"), nn.layers.Dense(3, activation="softmax")]
    return _sequential(
        layers,
        nn.optimizers.SGD(0.05, momentum=0.9),
        "sparse_categorical_crossentropy",
        [Port((3,))],
        [Port((), 3)],
        dtype="float64",
        metrics=["accuracy"],
    )


def ignoring():
    """Class numbers of which one is ignored, in a model without metrics: its calls have the short way."""
    loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=1)
    return _sequential([nn.Input((2,)), nn.layers.Dense(3)], "sgd", loss, [Port((2,))], [Port((), 3)])


def plain():
    """Nothing but a dense layer and a mean squared error over one number."""
    return _sequential([nn.Input((1,)), nn.layers.Dense(1)], "sgd", "mse", [Port((1,))], [Port((1,))])


def binary():
    """A sigmoid, dropout and moving averages."""
    layers = [
        nn.Input((4,)),
        nn.layers.BatchNormalization(),
        nn.layers.Dropout(0.5),
        nn.layers.Dense(2, activation="sigmoid"),
    ]
    return _sequential(layers, "rmsprop", "binary_crossentropy", [Port((4,))], [Port((2,), 2)], metrics=["AUC"])


def words():
    """Numbers of rows of a table, masks, and a recurrent layer."""
    layers = [nn.Input((5,)), nn.layers.Embedding(7, 3, mask_zero=True), nn.layers.LSTM(3), nn.layers.Dense(2)]
    return _sequential(layers, "nadam", "mse", [Port((5,), 7)], [Port((2,))])


def steps():
    """A label for each step of a sequence, with weights for each."""
    layers = [nn.Input((3, 2)), nn.layers.Masking(), nn.layers.GRU(3, return_sequences=True), nn.layers.Dense(4)]
    loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True)
    return _sequential(layers, "adam", loss, [Port((3, 2))], [Port((3,), 4)], weighted_metrics=["accuracy"])


def images():
    """uint8 images through a convolution."""
    layers = [
        nn.Input((4, 4, 2)),
        nn.layers.Rescaling(0.1),
        nn.layers.Conv2D(3, 3, activation="relu"),
        nn.layers.Flatten(),
        nn.layers.Dense(2),
    ]
    return _sequential(layers, "adamw", "huber", [Port((4, 4, 2))], [Port((2,))])


def several():
    """Two inputs and two outputs, one of class numbers."""
    a, b = nn.Input((2,), name="a"), nn.Input((3,), name="b")
    joined = nn.layers.Concatenate()([a, nn.layers.Dense(2)(b)])
    outputs = [nn.layers.Dense(1, name="left")(joined), nn.layers.Dense(3, name="right")(joined)]
    losses = ["mse", nn.losses.SparseCategoricalCrossentropy(from_logits=True)]
    return _subject(
        nn.Model([a, b], outputs, seed=3),
        "adagrad",
        losses,
        [Port((2,)), Port((3,))],
        [Port((1,)), Port((), 3)],
        loss_weights=[1.0, 0.5],
    )


def stateful():
    """States that go on from minibatch to minibatch, all of which have the same number of rows."""
    layers = [nn.Input((3, 2)), nn.layers.SimpleRNN(2, stateful=True), nn.layers.Dense(1)]
    return _sequential(layers, "sgd", "mse", [Port((3, 2))], [Port((1,))], stateful=True)


def summing():
    """A loss that is no mean, and gradients that are accumulated and clipped."""
    optimizer = nn.optimizers.Adam(0.01, global_clipnorm=1.0, gradient_accumulation_steps=2, use_ema=True)
    loss = nn.losses.MeanAbsoluteError(reduction="sum")
    return _sequential([nn.Input((3,)), nn.layers.Dense(2)], optimizer, loss, [Port((3,))], [Port((2,))])


class PythonLoss(nn.losses.Loss):
    """A loss in Python."""

    def call(self, y_true, y_pred):
        return np.mean((y_pred - y_true) ** 2, axis=-1)

    def gradient(self, y_true, y_pred):
        return 2 * (y_pred - y_true) / y_pred.shape[-1]


def python_loss():
    """A loss that is Python's."""
    return _sequential([nn.Input((2,)), nn.layers.Dense(2)], "sgd", PythonLoss(), [Port((2,))], [Port((2,))])


def uncompiled():
    """A model that was never compiled with a loss."""
    return _sequential([nn.Input((3,)), nn.layers.Dense(2)], "sgd", None, [Port((3,))], [Port((2,))])


MAKERS = (
    regression,
    classifier,
    ignoring,
    plain,
    binary,
    words,
    steps,
    images,
    several,
    stateful,
    summing,
    python_loss,
    uncompiled,
)


@functools.cache
def subject(place):
    """The subject of this place in MAKERS."""
    return MAKERS[place]()

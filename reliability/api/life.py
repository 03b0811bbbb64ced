"""A model's life as a state machine, beside a second model that only trains: the same bits all the way.

The first one is copied, pickled, saved and loaded, used with other numbers of threads, interrupted and refused; the
second one gets nothing but the same minibatches, on one thread.
"""

import contextlib
import copy
import gc
import os
import pickle
import signal
import tempfile

import numpy as np
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import nncore as nn

EXAMPLES = 25  # lives of one execution
STEPS = 30  # of a life, at most
ROWS = 12
NUMBERS = np.random.default_rng(7).standard_normal((64, 6, 2))


def run(choices):
    """One execution: some lives that follow from the bytes."""
    number = int.from_bytes(choices.data[:8], "big")
    run_state_machine_as_test(seed(number)(Life), settings=lives(EXAMPLES))


def lives(examples, steps=STEPS):
    """Settings for so many lives."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


# ---- what lives: models with what has a memory of its own


def _dense(number):
    layers = [
        nn.Input((6, 2)),
        nn.layers.Flatten(),
        nn.layers.Dense(8, activation="relu"),
        nn.layers.Dropout(0.4),
        nn.layers.Dense(1),
    ]
    return nn.Sequential(layers, seed=number)


def _normalized(number):
    layers = [
        nn.Input((6, 2)),
        nn.layers.BatchNormalization(),
        nn.layers.GaussianNoise(0.1),
        nn.layers.Flatten(),
        nn.layers.Dense(3, kernel_regularizer="l2", kernel_constraint="max_norm"),
        nn.layers.Dense(1),
    ]
    return nn.Sequential(layers, seed=number, dtype="float64")


def _recurrent(number):
    layers = [
        nn.Input((6, 2)),
        nn.layers.GRU(4, dropout=0.3, return_sequences=True),
        nn.layers.LSTM(3),
        nn.layers.Dense(1),
    ]
    return nn.Sequential(layers, seed=number)


def _branched(number):
    x = nn.Input((6, 2))
    shared = nn.layers.Conv1D(4, 3, padding="same", activation="tanh")
    joined = nn.layers.Add()([shared(x), nn.layers.Dense(4)(x)])
    return nn.Model(
        x, nn.layers.Dense(1)(nn.layers.GlobalAveragePooling1D()(nn.layers.Dropout(0.2)(joined))), seed=number
    )


def _inner(number):
    inner = nn.Sequential(
        [nn.Input((6, 2)), nn.layers.Dense(4, activation="relu"), nn.layers.Dropout(0.3)], seed=number
    )
    return nn.Sequential([nn.Input((6, 2)), inner, nn.layers.Flatten(), nn.layers.Dense(1)], seed=number)


MODELS = (_dense, _normalized, _recurrent, _branched, _inner)
OPTIMIZERS = (
    lambda: nn.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    lambda: nn.optimizers.Adam(0.01, amsgrad=True),
    lambda: nn.optimizers.RMSprop(nn.optimizers.schedules.CosineDecay(0.01, 50), centered=True),
    lambda: nn.optimizers.AdamW(0.01, gradient_accumulation_steps=2),
    lambda: nn.optimizers.Adagrad(0.05, global_clipnorm=1.0),
    lambda: nn.optimizers.Adafactor(0.01),
    lambda: nn.optimizers.Lamb(0.01),
    lambda: nn.optimizers.Muon(0.01),
)
LOSSES = ("mse", "huber", "mae", "log_cosh")


class StopAfter(nn.callbacks.Callback):
    """Ends a training behind so many minibatches, in the way that is given."""

    def __init__(self, count, how):
        super().__init__()
        self.left, self.how = count, how

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            self.how(self.model)


def stop(model):
    """As a callback that has seen enough."""
    model.stop_training = True


def interrupt(model):
    """As Ctrl-C inside a callback."""
    raise KeyboardInterrupt


def signalled(model):
    """As Ctrl-C while a callback runs."""
    signal.raise_signal(signal.SIGINT)


class Alarm:
    """Ctrl-C after some time, while a ``with`` block is in work and not behind it.

    Nothing is collected there: hypothesis times collections by a function of its own, which the signal must not strike.
    """

    def __init__(self, seconds):
        self.seconds, self.armed = seconds, False

    def __enter__(self):
        self.before = signal.signal(signal.SIGALRM, self.ring)
        gc.disable()
        self.armed = True
        signal.setitimer(signal.ITIMER_REAL, self.seconds)

    def ring(self, *_):
        if self.armed:
            self.armed = False
            raise KeyboardInterrupt

    def __exit__(self, *_):
        self.armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)
        gc.enable()


def outcome(function, model):
    """What a call gives, or that a loss was not finite."""
    try:
        return function(model)
    except nn.NonFiniteLossError as error:
        return str(error)


class Life(RuleBasedStateMachine):
    """See the module."""

    @initialize(
        make=st.sampled_from(MODELS),
        number=st.integers(0, 9),
        optimizer=st.sampled_from(OPTIMIZERS),
        loss=st.sampled_from(LOSSES),
    )
    def build(self, make, number, optimizer, loss):
        self.model, self.other = make(number), make(number)
        self.threads, self.left_behind, self.waiting = 1, [], False
        self.compile(optimizer, loss)

    def both(self, function):
        """Does something to each model, with its number of threads; returns what came of it, the same for both."""
        with nn.config.threads(self.threads):
            one = outcome(function, self.model)
        with nn.config.threads(1):
            two = outcome(function, self.other)
        assert equal(one, two), f"{one} and {two}"
        return one

    def data(self, first, rows=ROWS):
        x = NUMBERS[first : first + rows]
        return x, x[:, 0, 0] - x[:, 1, 1]

    @invariant()
    def same(self):
        if not hasattr(self, "model"):
            return
        assert equal(self.model.weights, self.other.weights), "other weights"
        assert (
            equal(self.model.optimizer.variables, self.other.optimizer.variables) or not self.model.optimizer.iterations
        ), "another state of the optimizer"
        assert self.model.optimizer.iterations == self.other.optimizer.iterations
        for model, weights in self.left_behind:
            assert equal(model.weights, weights), "a model that was copied has changed with its copy"

    # ---- what both go through

    @rule(optimizer=st.sampled_from(OPTIMIZERS), loss=st.sampled_from(LOSSES))
    def compile(self, optimizer, loss):
        for model in (self.model, self.other):
            model.compile(optimizer(), loss, metrics=["mae"])

    @rule(
        first=st.integers(0, 40),
        batch_size=st.sampled_from([1, 4, 5, 12, 100]),
        epochs=st.integers(1, 3),
        shuffle=st.booleans(),
        split=st.sampled_from([0.0, 0.25]),
    )
    def fit(self, first, batch_size, epochs, shuffle, split):
        x, y = self.data(first)
        self.both(lambda model: model.fit(x, y, batch_size, epochs, 0, shuffle=shuffle, validation_split=split).history)

    @rule(
        first=st.integers(0, 40), rows=st.sampled_from([1, 3, 12]), weighted=st.booleans(), type_=st.sampled_from("fd")
    )
    def train_on_batch(self, first, rows, weighted, type_):
        x, y = (part.astype(type_) for part in self.data(first, rows))
        weight = np.abs(y) if weighted else None
        self.both(lambda model: model.train_on_batch(x, y, sample_weight=weight))

    @rule(first=st.integers(0, 40))
    def fit_minibatches(self, first):
        pairs = [self.data(first, 4), self.data(first + 4, 3)]
        self.both(lambda model: model.fit(pairs, epochs=2, verbose=0).history)

    @rule(first=st.integers(0, 40), training=st.booleans())
    def forward(self, first, training):
        x, _ = self.data(first)
        self.both(lambda model: model.forward(x, training=training))
        self.waiting = True

    @precondition(lambda self: self.waiting)
    @rule(zero=st.booleans())
    def backward(self, zero):
        dy = np.linspace(-1, 1, ROWS)[:, None]

        def once(model):
            if zero:
                model.zero_gradients()
            return model.backward(dy.astype(model.dtype)), [array.copy() for array in model.gradients]

        self.both(once)
        self.waiting = False

    @precondition(lambda self: not self.waiting)
    @rule(rate=st.sampled_from([0.01, 0.1]))
    def apply(self, rate):
        self.both(
            lambda model: nn.optimizers.SGD(rate).apply(
                [np.clip(array, -1, 1) for array in model.gradients], model.trainable_variables
            )
        )

    @rule(first=st.integers(0, 40))
    def differentiate(self, first):
        x, y = self.data(first)
        self.both(lambda model: model.value_and_gradients(x, y))

    @precondition(lambda self: not self.waiting)
    @rule(place=st.integers(0, 20))
    def write(self, place):
        def once(model):
            weights = model.trainable_variables
            if weights:
                weights[place % len(weights)][...] *= 0.75

        self.both(once)

    @precondition(lambda self: not self.waiting)
    @rule(place=st.integers(0, 5), again=st.booleans(), optimizer=st.sampled_from(OPTIMIZERS))
    def freeze(self, place, again, optimizer):
        def once(model):
            layer = model.layers[place % len(model.layers)]
            layer.trainable = not layer.trainable

        self.both(once)
        self.compile(optimizer, "mse")

    @rule(rate=st.sampled_from([0.0, 0.01, 0.03]))
    def change_rate(self, rate):
        def once(model):
            if model.optimizer._schedule is None:
                model.optimizer.learning_rate = rate

        self.both(once)

    # ---- what only the first one goes through

    @precondition(lambda self: not self.waiting)
    @rule(how=st.sampled_from([copy.deepcopy, copy.copy, lambda model: pickle.loads(pickle.dumps(model))]))
    def duplicate(self, how):
        twin = how(self.model)
        self.left_behind = [*self.left_behind[-1:], (self.model, [w.copy() for w in self.model.weights])]
        self.take(twin)

    @precondition(lambda self: not self.waiting)
    @rule()
    def save_and_load(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.safetensors")
            self.model.save(path)
            self.take(nn.models.load_model(path))

    def take(self, twin):
        """Goes on with another model; gradients that were added up, and draws of `forward`, stay behind."""
        self.model = twin
        for model in (self.model, self.other):
            model.zero_gradients()
            model._forwards[0] = 0

    @rule()
    def save_and_load_weights(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "weights.safetensors")
            self.model.save_weights(path)
            for weight in self.model.weights:
                weight[...] = 7
            self.model.load_weights(path)

    @rule()
    def get_and_set_weights(self):
        kept = self.model.get_weights()
        self.model.set_weights([np.zeros_like(weight) for weight in kept])
        self.model.set_weights(kept)

    @rule(threads=st.sampled_from([1, 2, 3]))
    def resize(self, threads):
        self.threads = threads

    @precondition(lambda self: not self.waiting)
    @rule(
        first=st.integers(0, 40),
        count=st.integers(1, 7),
        how=st.sampled_from([interrupt, signalled]),
        shuffle=st.booleans(),
    )
    def interrupted(self, first, count, how, shuffle):
        """Ctrl-C in a callback leaves what a training has that was asked to stop there."""
        x, y = self.data(first)
        options = {"batch_size": 4, "epochs": 3, "verbose": 0, "shuffle": shuffle}
        with nn.config.threads(self.threads):
            try:
                self.model.fit(x, y, callbacks=[StopAfter(count, how)], **options)
            except (KeyboardInterrupt, nn.NonFiniteLossError):
                pass
            else:
                raise AssertionError("KeyboardInterrupt did not leave fit")
        self.follow(x, y, count, options)

    @precondition(lambda self: not self.waiting)
    @rule(first=st.integers(0, 40), microseconds=st.integers(100, 20000), epochs=st.sampled_from([1, 50]))
    def interrupted_anywhere(self, first, microseconds, epochs):
        """A signal at any time leaves the weights of a finished minibatch."""
        x, y = self.data(first)
        options = {"batch_size": 4, "epochs": epochs, "verbose": 0}
        begin = int(self.model.optimizer.counter[0])
        over = contextlib.suppress(KeyboardInterrupt, nn.NonFiniteLossError)
        with over, nn.config.threads(self.threads), Alarm(microseconds / 1e6):
            self.model.fit(x, y, **options)
        self.follow(x, y, int(self.model.optimizer.counter[0]) - begin, options)

    def follow(self, x, y, count, options):
        """Trains the second model for as many minibatches as the first one had."""
        if count:
            with contextlib.suppress(nn.NonFiniteLossError), nn.config.threads(1):
                self.other.fit(x, y, callbacks=[StopAfter(count, stop)], **options)

    @rule(first=st.integers(0, 40), kind=st.integers(0, 4))
    def refused(self, first, kind):
        """What is refused, or is not finite, changes nothing."""
        x, y = self.data(first)
        calls = [
            lambda: self.model.fit(x[:, :3], y, verbose=0),
            lambda: self.model.train_on_batch(x, y[:-1]),
            lambda: self.model.train_on_batch(np.full_like(x, np.inf), y),
            lambda: self.model.fit(x, y, 0),
            lambda: self.model.fit(x, y, verbose=0, validation_steps="x", validation_data=(x, y)),
        ]
        try:
            calls[kind]()
        except (ValueError, TypeError, nn.NonFiniteLossError):
            return
        raise AssertionError("it was not refused")

    @rule(first=st.integers(0, 40), rows=st.sampled_from([1, 5, 12]))
    def look(self, first, rows):
        x, y = self.data(first, rows)
        self.both(
            lambda model: (
                model.predict(x),
                model(x),
                model.predict_on_batch(x),
                model.evaluate(x, y, verbose=0),
                model.test_on_batch(x, y),
            )
        )


def equal(one, two):
    """Whether two results have the same bits."""
    if isinstance(one, (list, tuple)):
        return len(one) == len(two) and all(map(equal, one, two))
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(equal(one[key], two[key]) for key in one)
    if isinstance(one, np.ndarray):
        return one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()
    return one == two or (one != one and two != two)

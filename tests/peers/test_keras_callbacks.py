"""Callbacks: what they see and do in the same training on both sides."""

import math

import numpy as np
import pytest

from peers import sides

DTYPE = "float64"


def compiled(package):
    model = package.Sequential([package.Input((4,)), package.layers.Dense(6, activation="tanh"),
                                package.layers.Dense(2)])  # fmt: skip
    model.compile(package.optimizers.SGD(0.3, momentum=0.9), "mse", metrics=["mae"])
    return model


def data():
    x, y = sides.noise((40, 4), DTYPE), sides.noise((40, 2), DTYPE, 1)
    return (x[:30], y[:30]), (x[30:], y[30:])


CALLBACKS = {
    "EarlyStopping": [
        {"monitor": "val_loss"},
        {"monitor": "val_loss", "patience": 2, "restore_best_weights": True},
        {"monitor": "val_mae", "patience": 1, "min_delta": 0.01, "start_from_epoch": 2, "mode": "min"},
        {"monitor": "loss", "patience": 3, "baseline": 0.5, "restore_best_weights": True},
        {"monitor": "val_loss", "mode": "max", "patience": 1},
    ],
    "ReduceLROnPlateau": [
        {"monitor": "val_loss", "patience": 1, "factor": 0.5},
        {"monitor": "loss", "patience": 2, "factor": 0.1, "min_lr": 0.01, "cooldown": 1, "min_delta": 0.02},
    ],
    "LearningRateScheduler": [{"schedule": lambda epoch, rate: rate * math.exp(-0.1 * epoch)}],
    "TerminateOnNaN": [{}],
}  # fmt: skip


@pytest.mark.parametrize(("name", "options"), [(name, o) for name, variants in CALLBACKS.items() for o in variants])
def test_training_with_it(name, options):
    """The same epochs, histories (with learning rates where Keras logs them) and weights."""
    sides.has("callbacks", name)
    ours, theirs = sides.pair(compiled, DTYPE)
    train, validation = data()
    logs = []
    for model, package in ((ours, sides.nncore), (theirs, sides.keras)):
        callback = getattr(package.callbacks, name)(**options)
        logs.append(model.fit(*train, validation_data=validation, epochs=12, batch_size=8, shuffle=False, verbose=0,
                              callbacks=[callback]).history)  # fmt: skip
    assert set(logs[0]) == set(logs[1])
    for key in logs[1]:
        # Keras keeps learning rates in float32, whatever floatx is
        if key == "learning_rate":
            np.testing.assert_allclose(logs[0][key], logs[1][key], rtol=1e-6)
    tolerance = 1e-4 if "learning_rate" in logs[1] else sides.TOLERANCE[DTYPE]
    for key in logs[1]:
        np.testing.assert_allclose(logs[0][key], logs[1][key], rtol=tolerance, err_msg=key)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def recorder(package):
    """A callback that writes down each hook with its number and the names of its logs."""
    seen = []

    def hook(name):
        def call(self, *numbers, logs=None):
            if numbers and (numbers[-1] is None or isinstance(numbers[-1], dict)):
                *numbers, logs = numbers
            seen.append((name, tuple(numbers), sorted(logs or {})))

        return call

    kinds = ("train", "test", "predict")
    names = ["on_epoch_begin", "on_epoch_end", *(f"on_{kind}_{when}" for kind in kinds for when in ("begin", "end")),
             *(f"on_{kind}_batch_{when}" for kind in kinds for when in ("begin", "end"))]  # fmt: skip
    cls = type("Recorder", (package.callbacks.Callback,), {name: hook(name) for name in names})
    return cls(), seen


def test_order_of_hooks():
    ours, theirs = sides.pair(compiled, DTYPE)
    (x, y), validation = data()
    results = []
    for model, package in ((ours, sides.nncore), (theirs, sides.keras)):
        callback, seen = recorder(package)
        model.fit(x, y, validation_data=validation, epochs=2, batch_size=8, verbose=0, callbacks=[callback])
        model.evaluate(x, y, batch_size=16, verbose=0, callbacks=[callback])
        model.predict(x, batch_size=16, verbose=0, callbacks=[callback])
        results.append(seen)
    assert [name for name, *_ in results[0]] == [name for name, *_ in results[1]]
    assert [numbers for _, numbers, _ in results[0]] == [numbers for _, numbers, _ in results[1]]
    for (name, _, logs), (_, _, wanted) in zip(*results, strict=True):
        assert logs == wanted, name

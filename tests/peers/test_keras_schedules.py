"""Schedules: the same learning rate at every step, and the same training under it."""

import numpy as np
import pytest

from peers import sides

SCHEDULES = {
    "ExponentialDecay": [
        {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.9},
        {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.9, "staircase": True},
    ],
    "InverseTimeDecay": [
        {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5},
        {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5, "staircase": True},
    ],
    "PiecewiseConstantDecay": [
        {"boundaries": [5], "values": [0.1, 0.01]},
        {"boundaries": [3, 9, 20], "values": [0.1, 0.05, 0.2, 0.01]},
    ],
    "PolynomialDecay": [
        {"initial_learning_rate": 0.1, "decay_steps": 30},
        {"initial_learning_rate": 0.1, "decay_steps": 11, "end_learning_rate": 0.01, "power": 0.5},
        {"initial_learning_rate": 0.1, "decay_steps": 11, "end_learning_rate": 0.01, "power": 2.0, "cycle": True},
    ],
    "CosineDecay": [
        {"initial_learning_rate": 0.1, "decay_steps": 30},
        {"initial_learning_rate": 0.1, "decay_steps": 30, "alpha": 0.1},
        {"initial_learning_rate": 0.01, "decay_steps": 30, "warmup_target": 0.1, "warmup_steps": 6, "alpha": 0.05},
    ],
    "CosineDecayRestarts": [
        {"initial_learning_rate": 0.1, "first_decay_steps": 7},
        {"initial_learning_rate": 0.1, "first_decay_steps": 7, "t_mul": 1.5, "m_mul": 0.8, "alpha": 0.01},
        {"initial_learning_rate": 0.1, "first_decay_steps": 7, "t_mul": 1.0, "m_mul": 0.5},
    ],
}
CASES = [(name, options) for name, variants in SCHEDULES.items() for options in variants]


def both(name, options, dtype):
    if not hasattr(getattr(sides.nncore.optimizers, "schedules", None), name):
        pytest.skip(f"nncore.optimizers.schedules has no {name} yet")
    return [getattr(package.optimizers.schedules, name)(**options) for package in sides.both(dtype)]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_rates(name, options):
    """In float64, whatever the model has: Keras's are compared in float64, in which they agree to its roundings."""
    ours, theirs = both(name, options, "float64")
    for step in range(70):
        np.testing.assert_allclose(ours(step), float(theirs(step)), rtol=1e-10, err_msg=f"step {step}")


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize(("name", "options"), CASES)
def test_training(name, options, dtype):
    def build(package):
        model = package.Sequential([package.Input((4,)), package.layers.Dense(5, "tanh"), package.layers.Dense(2)])
        schedule = getattr(package.optimizers.schedules, name)(**options)
        model.compile(package.optimizers.SGD(schedule, momentum=0.5), "mse")
        return model

    both(name, options, dtype)
    ours, theirs = sides.pair(build, dtype)
    x, y = sides.noise((22, 4), dtype), sides.noise((22, 2), dtype, 1)
    histories = [m.fit(x, y, batch_size=5, epochs=4, shuffle=False, verbose=0).history for m in (ours, theirs)]
    sides.assert_close(histories[0]["loss"], np.asarray(histories[1]["loss"]), dtype, "losses")
    sides.assert_close(ours.get_weights(), theirs.get_weights(), dtype, "weights")
    rates = [float(sides.numbers(m.optimizer.learning_rate)) for m in (ours, theirs)
             if not callable(m.optimizer.learning_rate)]  # fmt: skip
    if len(rates) == 2:
        sides.assert_close(rates[0], rates[1], dtype, "rate after training")


def test_every_schedule_is_in_the_table():
    schedules = getattr(sides.nncore.optimizers, "schedules", None)
    known = {name for name in getattr(schedules, "__all__", ()) if hasattr(sides.keras.optimizers.schedules, name)}
    assert {name for name in known if name[0].isupper() and name != "LearningRateSchedule"} <= set(SCHEDULES)

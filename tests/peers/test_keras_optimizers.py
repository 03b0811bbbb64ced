"""Each optimizer and option: the same weights after ten training steps as Keras's."""

import pytest

from peers import sides

OPTIMIZERS = {
    "SGD": [{"learning_rate": 0.1}, {"momentum": 0.9}, {"momentum": 0.8, "nesterov": True}],
    "Adagrad": [
        {"initial_accumulator_value": 0.2, "epsilon": 1e-7}, {"initial_accumulator_value": 0.1, "epsilon": 1e-5},
    ],
    "RMSprop": [
        {"epsilon": 1e-7}, {"rho": 0.7, "epsilon": 1e-5, "momentum": 0.5},
        {"centered": True, "epsilon": 1e-5}, {"centered": True, "momentum": 0.9, "epsilon": 1e-4},
    ],
    "Adam": [
        {"epsilon": 1e-20}, {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-20}, {"amsgrad": True, "epsilon": 1e-20},
    ],
    "AdamW": [{}, {"weight_decay": 0.1, "beta_1": 0.8, "epsilon": 1e-5}, {"amsgrad": True}],
    "Adamax": [{}, {"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-5}],
    "Nadam": [{}, {"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-5}],
    "Adadelta": [{}, {"rho": 0.8, "epsilon": 1e-4}],
    "Ftrl": [
        {}, {"initial_accumulator_value": 0.3, "l1_regularization_strength": 0.01, "l2_regularization_strength": 0.02},
        {"learning_rate_power": -0.7, "beta": 0.1, "l2_shrinkage_regularization_strength": 0.01},
    ],
    "Lion": [{}, {"beta_1": 0.8, "beta_2": 0.9}],
    "Lamb": [{}, {"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-5}],
    "Adafactor": [{}, {"relative_step": False}, {"beta_2_decay": -0.5, "clip_threshold": 0.5, "epsilon_1": 1e-20}],
    "Muon": [{"exclude_layers": None}],
    "SignSGD": [{}],
}  # fmt: skip
COMMON = [
    {"weight_decay": 0.05},
    {"clipnorm": 0.05},
    {"clipvalue": 0.01},
    {"global_clipnorm": 0.1},
    {"use_ema": True, "ema_momentum": 0.8},
    {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 3},
    {"gradient_accumulation_steps": 3},
    {"gradient_accumulation_steps": 2, "weight_decay": 0.05, "global_clipnorm": 0.1},
    {"gradient_accumulation_steps": 2, "use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 2},
    {"weight_decay": 0.1, "clipnorm": 0.05, "use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 4},
]
# Keras's factor of the learning rate is a float32, the root of an integer.
SINGLE = {"Muon"}
WEIGHTS = 0.5  # their size, from which Ftrl brings some near zero


def marks(name, options):
    """Of a case that is known to differ."""
    if name == "Adam" and options.get("amsgrad") and not hasattr(sides.nncore.optimizers.Adam(), "amsgrad"):
        return [pytest.mark.skip(reason="nncore.optimizers.Adam has no amsgrad yet")]
    return []


CASES = [
    *((name, options, dtype) for name, variants in OPTIMIZERS.items() for options in variants
      for dtype in sides.DTYPES),
    *((name, {**variants[0], **common}, "float64") for name, variants in OPTIMIZERS.items() for common in COMMON),
]  # fmt: skip
CASES = [pytest.param(*case, marks=marks(*case[:2]), id=f"{case[0]} {case[1]} {case[2]}") for case in CASES]


def network(package):
    return package.Sequential([
        package.Input((5,)),
        package.layers.Dense(7, activation="tanh"),
        package.layers.Dense(4, activation="tanh", use_bias=False),
        package.layers.Dense(3),
    ])  # fmt: skip


def pair(name, options, dtype):
    sides.has("optimizers", name)
    ours, theirs = sides.pair(network, dtype)
    for model, package in ((ours, sides.nncore), (theirs, sides.keras)):
        model.compile(sides.optimizer(package, name, **{"learning_rate": 0.01, **options}), "mse")
    return ours, theirs


@pytest.mark.parametrize(("name", "options", "dtype"), CASES)
def test_ten_steps(name, options, dtype):
    """Every step has a minibatch of its own; the running averages come last."""
    ours, theirs = pair(name, options, dtype)
    dtype = "float32" if name in SINGLE else dtype
    for step in range(10):
        x, y = sides.noise((8, 5), ours.dtype, step), sides.noise((8, 3), ours.dtype, 100 + step)
        ours.train_on_batch(x, y)
        theirs.train_on_batch(x, y)
    sides.assert_close(ours.get_weights(), theirs.get_weights(), dtype, "weights", WEIGHTS)
    assert ours.optimizer.iterations == int(theirs.optimizer.iterations)
    if options.get("use_ema"):
        ours.optimizer.finalize_variable_values(ours.trainable_variables)
        theirs.optimizer.finalize_variable_values(theirs.trainable_variables)
        sides.assert_close(ours.get_weights(), theirs.get_weights(), dtype, "averages", WEIGHTS)


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fit(name, dtype):
    """Three epochs of five minibatches, of which the last is smaller."""
    ours, theirs = pair(name, OPTIMIZERS[name][:2][-1], dtype)
    x, y = sides.noise((36, 5), dtype, 1), sides.noise((36, 3), dtype, 2)
    dtype = "float32" if name in SINGLE else dtype
    histories = [m.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0).history for m in (ours, theirs)]
    sides.assert_close(histories[0]["loss"], histories[1]["loss"], dtype, "losses")
    sides.assert_close(ours.get_weights(), theirs.get_weights(), dtype, "weights", WEIGHTS)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_layer_is_frozen_and_one_does_not_decay(name):
    sides.has("optimizers", name)
    ours, theirs = sides.pair(network, "float64")
    for model, package in ((ours, sides.nncore), (theirs, sides.keras)):
        model.layers[1].trainable = False
        options = {"learning_rate": 0.01, **OPTIMIZERS[name][0], "weight_decay": 0.1}
        optimizer = sides.optimizer(package, name, **options)
        optimizer.exclude_from_weight_decay(var_names=["bias"])
        model.compile(optimizer, "mse")
    x, y = sides.noise((8, 5), "float64"), sides.noise((8, 3), "float64", 1)
    for _ in range(5):
        ours.train_on_batch(x, y)
        theirs.train_on_batch(x, y)
    dtype = "float32" if name in SINGLE else "float64"
    sides.assert_close(ours.get_weights(), theirs.get_weights(), dtype, "weights", WEIGHTS)


def test_every_optimizer_is_in_the_table():
    known = {name for name in sides.nncore.optimizers.__all__ if name in sides.keras_classes("optimizers")}
    assert {name for name in known if name[0].isupper() and name != "Optimizer"} <= set(OPTIMIZERS)

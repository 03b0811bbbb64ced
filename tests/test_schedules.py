"""Learning-rate schedules: their values, inside fit and other calls, and their files."""

import math

import numpy as np
import pytest

import nncore as nn
from nncore import _engine, _kernels
from nncore.optimizers import schedules

TOLERANCE = 1e-12


def wave(x):
    """(1 + cos(pi x)) / 2, without its cancellation."""
    return math.cos(math.pi / 2 * min(x, 1)) ** 2


def restarts(t):
    left, length, height = t / 10, 1.0, 1.0
    while left >= length:
        left, length, height = left - length, 2 * length, 0.9 * height
    return 0.1 * (0.05 + 0.95 * height * wave(left / length))


def one_cycle(t, ends, rates):
    begin = 0.0
    for phase, end in enumerate(ends):
        if t <= end or phase == len(ends) - 1:
            return rates[phase + 1] + (rates[phase] - rates[phase + 1]) * wave((t - begin) / (end - begin))
        begin = end


class Own(schedules.LearningRateSchedule):
    """A schedule as a user writes it."""

    def __init__(self, scale=0.1):
        self.scale = scale

    def __call__(self, step):
        return self.scale / (1 + step % 7)

    def get_config(self):
        return {"scale": self.scale}


class Halved(schedules.ExponentialDecay):
    """A user's change of a schedule that is a kernel."""

    def __call__(self, step):
        return super().__call__(step) / 2


# of each name: a function that makes the schedule, and its formula
CASES = {
    "exponential": (lambda: schedules.ExponentialDecay(0.1, 20, 0.9), lambda t: 0.1 * 0.9 ** (t / 20)),
    "staircase": (lambda: schedules.ExponentialDecay(0.1, 20, 0.9, True), lambda t: 0.1 * 0.9 ** (t // 20)),
    "inverse time": (lambda: schedules.InverseTimeDecay(0.1, 20, 0.5), lambda t: 0.1 / (1 + 0.5 * t / 20)),
    "inverse stairs": (lambda: schedules.InverseTimeDecay(0.1, 20, 0.5, True), lambda t: 0.1 / (1 + 0.5 * (t // 20))),
    "piecewise": (
        lambda: schedules.PiecewiseConstantDecay([10, 50.5], [0.1, 0.05, 0.01]),
        lambda t: 0.1 if t <= 10 else 0.05 if t <= 50.5 else 0.01,
    ),
    "polynomial": (
        lambda: schedules.PolynomialDecay(0.1, 300, power=0.5),
        lambda t: 0.0001 + 0.0999 * (max(300 - t, 0) / 300) ** 0.5,
    ),
    "polynomial cycle": (
        lambda: schedules.PolynomialDecay(0.1, 30, 0.01, 2.0, cycle=True),
        lambda t: 0.01 + 0.09 * (1 - t / (30 * max(1, math.ceil(t / 30)))) ** 2,
    ),
    "cosine": (
        lambda: schedules.CosineDecay(0.1, 300, alpha=0.01),
        lambda t: 0.1 * (0.01 + 0.99 * wave(t / 300)),
    ),
    "cosine without target": (lambda: schedules.CosineDecay(0.1, 300, warmup_steps=9), lambda t: 0.1 * wave(t / 300)),
    "cosine warmup": (
        lambda: schedules.CosineDecay(0.1, 300, warmup_target=0.5, warmup_steps=40),
        lambda t: 0.1 + 0.4 * t / 40 if t < 40 else 0.5 * wave((t - 40) / 300),
    ),
    "restarts": (lambda: schedules.CosineDecayRestarts(0.1, 10, m_mul=0.9, alpha=0.05), restarts),
    "linear": (lambda: schedules.LinearDecay(0.1, 300), lambda t: 0.1 * max(300 - t, 0) / 300),
    "square root": (lambda: schedules.InverseSquareRootDecay(0.1), lambda t: 0.1 / math.sqrt(t + 1)),
    "cyclic": (
        lambda: schedules.Cyclic(0.01, 0.1, 15),
        lambda t: 0.01 + 0.09 * (1 - abs(t % 30 - 15) / 15),
    ),
    "one cycle": (
        lambda: schedules.OneCycle(0.1, 300),
        lambda t: one_cycle(t, (89.0, 299.0), (0.004, 0.1, 4e-7)),
    ),
    "one cycle of three": (
        lambda: schedules.OneCycle(0.1, 300, 0.25, initial_division=10, final_division=100, three_phases=True),
        lambda t: one_cycle(t, (74.0, 148.0, 299.0), (0.01, 0.1, 0.01, 1e-4)),
    ),
    "one cycle of lines": (
        lambda: schedules.OneCycle(0.1, 300, annealing="linear"),
        lambda t: 0.004 + 0.096 * t / 89 if t <= 89 else 0.1 + (4e-7 - 0.1) * min(1, (t - 89) / 210),
    ),
    "warmup": (
        lambda: schedules.Warmup(schedules.LinearDecay(0.1, 300), 40),
        lambda t: 0.1 * 260 / 300 * t / 40 if t < 40 else 0.1 * max(300 - t, 0) / 300,
    ),
    "warmup twice": (
        lambda: schedules.Warmup(schedules.Warmup(schedules.InverseSquareRootDecay(0.1), 5), 20),
        lambda t: 0.1 / math.sqrt(max(t, 20) + 1) * min(t, 20) / 20,
    ),
    "own": (Own, lambda t: 0.1 / (1 + t % 7)),
    "warmup of own": (lambda: schedules.Warmup(Own(), 9), lambda t: 0.1 / 3 * t / 9 if t < 9 else 0.1 / (1 + t % 7)),
    "own kernel": (lambda: Halved(0.1, 20, 0.9), lambda t: 0.05 * 0.9 ** (t / 20)),
}
every_case = pytest.mark.parametrize("name", CASES)


@every_case
def test_values_over_many_steps(name):
    schedule, formula = CASES[name][0](), CASES[name][1]
    steps = [*range(700), 12345, 10**6]
    np.testing.assert_allclose([schedule(t) for t in steps], [formula(t) for t in steps], rtol=TOLERANCE, atol=1e-17)


# What Keras 3.15 in float64 and PyTorch's OneCycleLR give at these steps.
PEERS_STEPS = (11, 39, 137, 250)
PEERS = {
    "exponential": (0.09436987508657585, 0.08142783602457329, 0.04859159889552145, 0.026793618413567307),
    "staircase": (0.1, 0.09000000000000001, 0.05314410000000001, 0.028242953648100012),
    "inverse time": (0.07843137254901962, 0.05063291139240506, 0.02259887005649718, 0.013793103448275864),
    "inverse stairs": (0.1, 0.06666666666666667, 0.025, 0.014285714285714287),
    "piecewise": (0.05, 0.05, 0.01, 0.01),
    "polynomial": (0.09815139621647415, 0.09328051674035727, 0.07373743681036161, 0.04088400421733991),
    "polynomial cycle": (0.0461, 0.021025000000000002, 0.010676, 0.010493827160493827),
    "cosine": (0.09967195189721963, 0.09592885397135707, 0.05721792083549807, 0.007631742512670284),
    "cosine without target": (0.09966863828001982, 0.09588773128419906, 0.05678577862171522, 0.006698729810778065),
    "cosine warmup": (0.21000000000000002, 0.49, 0.3817389488741694, 0.10305368692688174),
    "restarts": (0.08997367656044214, 0.0727316195264612, 0.009415144515086724, 0.02423851650120007),
    "one cycle": (0.007573164804581381, 0.04273954886034415, 0.08765362268588736, 0.012843107355095378),
    "one cycle of three": (0.014818336383269418, 0.058816266601397896, 0.014818336383269425, 0.0024570495070130745),
    "one cycle of lines": (0.015865168539325843, 0.04606741573033708, 0.07714294857142857, 0.02333363999999999),
}


@pytest.mark.parametrize("name", PEERS)
def test_values_of_keras_and_pytorch(name):
    schedule = CASES[name][0]()
    np.testing.assert_allclose([schedule(t) for t in PEERS_STEPS], PEERS[name], rtol=TOLERANCE)


@pytest.mark.parametrize("variant", _engine.variants())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@every_case
def test_every_variant_and_type_gives_the_same_bits(name, dtype, variant):
    schedule, tables = CASES[name][0](), []
    steps = schedule.opening(tables)
    for t in (0, 1, 5, 17, 150, 299, 300, 12345):
        for table in tables:
            table.fill(t, 1)
        rate = 0.0
        for kernel, arguments in steps:
            worker = {"variant": variant, "update": t + 1, "learning_rate": rate}
            rate = _kernels.run(kernel, dtype, arguments, (0, 1), **worker)["learning_rate"]
        assert rate == schedule(t)


def unit(learning_rate, dtype="float64", **options):
    """A model of one weight whose gradient is 1 at every step, so that each step of SGD shows the learning rate."""
    model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(1, use_bias=False)], dtype=dtype, seed=1)
    model.compile(nn.optimizers.SGD(learning_rate, **options), "mse")
    return model


class Steps(nn.callbacks.Callback):
    """Keeps the weight after each minibatch."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(float(self.model.weights[0][0, 0]))


def weights_of(rates, rows):
    """The weight after each step: the loss is (w - 1)^2 of inputs 1 and targets 1."""
    w, found = rows, []
    for rate in rates:
        w = w - rate * 2 * (w - 1)
        found.append(w)
    return found


@every_case
@pytest.mark.parametrize("feed", ["arrays", "batches", "train_on_batch"])
def test_every_step_of_training_has_its_rate(name, feed):
    schedule, formula = CASES[name][0](), CASES[name][1]
    model, ones = unit(schedule), np.ones((60, 1))
    start, seen = float(model.weights[0][0, 0]), Steps()
    if feed == "arrays":
        model.fit(ones, ones, batch_size=1, epochs=2, verbose=0, callbacks=[seen])
    elif feed == "batches":
        model.fit([(ones[:1], ones[:1])] * 60, epochs=2, verbose=0, callbacks=[seen])
    else:
        for _ in range(120):
            model.train_on_batch(ones[:1], ones[:1])
            seen.weights.append(float(model.weights[0][0, 0]))
    wanted = weights_of([formula(t) for t in range(120)], start)
    np.testing.assert_allclose(seen.weights, wanted, rtol=TOLERANCE)
    assert model.optimizer.learning_rate == schedule(120)


@every_case
def test_many_steps_in_one_run(name):
    """More of them than a table holds, and beginning anywhere in it."""
    schedule, formula = CASES[name][0](), CASES[name][1]
    model, ones = unit(schedule), np.ones((700, 1))
    w = float(model.weights[0][0, 0])
    model.train_on_batch(ones[:1], ones[:1])
    model.fit(ones, ones, batch_size=1, epochs=1, verbose=0)
    # 1 - w is what is left: a product, which shows every rate
    left = math.prod(1 - 2 * formula(t) for t in range(701)) * (w - 1)
    np.testing.assert_allclose(float(model.weights[0][0, 0]) - 1, left, rtol=1e-9, atol=1e-13)


@every_case
def test_arrays_of_ones_own(name):
    schedule, formula = CASES[name][0](), CASES[name][1]
    optimizer, weight = nn.optimizers.SGD(schedule), np.zeros(3)
    for t in range(50):
        before = weight.copy()
        optimizer.apply([np.full(3, 2.0)], [weight])
        np.testing.assert_allclose(before - weight, 2 * formula(t), rtol=1e-11)


def test_coefficients_follow_the_schedule():
    """Optimizers with coefficients of a step compute them after the schedule."""
    for kind in ("Adam", "Adamax", "Nadam"):
        falling = getattr(nn.optimizers, kind)(schedules.PiecewiseConstantDecay([2], [0.1, 0.0]))
        weight, seen = np.zeros(3), []
        for _ in range(5):
            falling.apply([np.ones(3)], [weight])
            seen.append(weight[0])
        assert seen[0] > seen[1] > seen[2] == seen[3] == seen[4]


def test_rates_are_double_in_a_model_of_floats():
    schedule = schedules.CosineDecay(0.1, 50)
    model, ones, seen = unit(schedule, "float32"), np.ones((40, 1), np.float32), Steps()
    w, wanted = np.float64(model.weights[0][0, 0]), []
    model.fit(ones, ones, batch_size=1, verbose=0, callbacks=[seen])
    for t in range(40):
        w = w - schedule(t) * 2 * (w - 1)
        wanted.append(w)
    np.testing.assert_allclose(seen.weights, wanted, rtol=40 * 2.0**-23)


@pytest.mark.parametrize("name", [name for name in CASES if "own" not in name])
def test_saved_and_continued(tmp_path, name):
    make = CASES[name][0]
    x = np.random.default_rng(3).standard_normal((57, 1))
    whole, half = unit(make(), momentum=0.9), unit(make(), momentum=0.9)
    whole.fit(x, 2 * x, batch_size=5, epochs=4, verbose=0)
    half.fit(x, 2 * x, batch_size=5, epochs=2, verbose=0)
    half.save(tmp_path / "half.safetensors")
    loaded = nn.models.load_model(tmp_path / "half.safetensors")
    loaded.fit(x, 2 * x, batch_size=5, epochs=4, initial_epoch=2, verbose=0)
    assert loaded.optimizer.get_config() == whole.optimizer.get_config()
    assert whole.weights[0] == loaded.weights[0]


@every_case
def test_configurations_make_the_same_schedule(name):
    schedule = CASES[name][0]()
    own = {"Own": Own, "Halved": Halved}
    if "own" in name:
        with pytest.raises(ValueError, match="unknown schedule 'Custom>"):
            schedules.deserialize(schedules.serialize(schedule))
    again = schedules.deserialize(schedules.serialize(schedule), own)
    assert type(again) is type(schedule)
    assert [again(t) for t in range(200)] == [schedule(t) for t in range(200)]


def test_kerass_order_of_arguments():
    assert schedules.ExponentialDecay(0.1, 20, 0.9, True, "a").get_config() == {
        "initial_learning_rate": 0.1, "decay_steps": 20, "decay_rate": 0.9, "staircase": True, "name": "a",
    }  # fmt: skip
    assert schedules.CosineDecay(0.1, 20, 0.2, "a", 0.3, 4).get_config() == {
        "initial_learning_rate": 0.1, "decay_steps": 20, "alpha": 0.2, "name": "a", "warmup_target": 0.3,
        "warmup_steps": 4,
    }  # fmt: skip
    assert schedules.PolynomialDecay(0.1, 20, 0.2, 3, True, "a").get_config() == {
        "initial_learning_rate": 0.1, "decay_steps": 20, "end_learning_rate": 0.2, "power": 3, "cycle": True,
        "name": "a",
    }  # fmt: skip
    assert schedules.CosineDecayRestarts(0.1, 20, 3, 0.5, 0.2, "a").get_config() == {
        "initial_learning_rate": 0.1, "first_decay_steps": 20, "t_mul": 3, "m_mul": 0.5, "alpha": 0.2, "name": "a",
    }  # fmt: skip


def test_the_rate_of_a_schedule_cannot_be_set():
    optimizer = nn.optimizers.SGD(schedules.LinearDecay(0.1, 10))
    with pytest.raises(TypeError, match="learning_rate can be set where"):
        optimizer.learning_rate = 0.1
    assert optimizer.learning_rate == 0.1
    plain = nn.optimizers.SGD(0.1)
    with pytest.raises(TypeError, match="a schedule is an argument of the constructor"):
        plain.learning_rate = schedules.LinearDecay(0.1, 10)
    assert plain.learning_rate == 0.1


BAD = {
    "negative rate": (lambda: schedules.LinearDecay(-0.1, 10), ValueError, "LinearDecay: initial_learning_rate must"),
    "steps 0": (lambda: schedules.ExponentialDecay(0.1, 0, 0.9), ValueError, "ExponentialDecay: decay_steps must lie"),
    "decay": (lambda: schedules.InverseTimeDecay(0.1, 10, -1), ValueError, "InverseTimeDecay: decay_rate must lie"),
    "staircase": (lambda: schedules.InverseTimeDecay(0.1, 10, 1, "yes"), TypeError, "staircase must be True or False"),
    "power": (lambda: schedules.PolynomialDecay(0.1, 10, power=-1), ValueError, "PolynomialDecay: power must lie in"),
    "end": (lambda: schedules.PolynomialDecay(0.1, 10, -1), ValueError, "PolynomialDecay: end_learning_rate must lie"),
    "boundaries": (lambda: schedules.PiecewiseConstantDecay([2, 2], [1, 2, 3]), ValueError, "boundaries must increase"),
    "values": (lambda: schedules.PiecewiseConstantDecay([2], [1]), ValueError, "got 1 boundaries and 1 values"),
    "value": (lambda: schedules.PiecewiseConstantDecay([2], [1, -1]), ValueError, r"values\[1\] must lie in"),
    "target": (lambda: schedules.CosineDecay(0.1, 10, warmup_target=-1), ValueError, "warmup_target must lie in"),
    "t_mul": (lambda: schedules.CosineDecayRestarts(0.1, 10, 0.5), ValueError, "t_mul must lie in"),
    "cycle": (lambda: schedules.Cyclic(0.1, 0.2, 0), ValueError, "Cyclic: step_size must lie in"),
    "annealing": (lambda: schedules.OneCycle(0.1, 10, annealing="cos"), ValueError, "'cosine' or 'linear', not 'cos'"),
    "fraction": (lambda: schedules.OneCycle(0.1, 10, 0.6, three_phases=True), ValueError, "rising_fraction must lie"),
    "division": (lambda: schedules.OneCycle(0.1, 10, initial_division=0), ValueError, "initial_division must lie in"),
    "warmup": (lambda: schedules.Warmup(0.1, 10), TypeError, "schedule must be a LearningRateSchedule, not 0.1"),
    "warmup steps": (lambda: schedules.Warmup(Own(), 0), ValueError, "Warmup: steps must be at least 1"),
    "step": (lambda: schedules.LinearDecay(0.1, 10)(-1), ValueError, "step must be at least 0, not -1"),
    "step kind": (lambda: schedules.LinearDecay(0.1, 10)(0.5), TypeError, "step must be an integer, not 0.5"),
    "name": (lambda: schedules.deserialize({"class_name": "Cosine", "config": {}}), ValueError, "unknown schedule"),
    "abstract": (lambda: schedules.LearningRateSchedule()(1), NotImplementedError, "must define __call__"),
    "config": (lambda: schedules.LearningRateSchedule().get_config(), NotImplementedError, "must define get_config"),
    "function": (lambda: nn.optimizers.SGD(lambda: 0.1), TypeError, "learning_rate must be a number"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_are_refused_by_name(case):
    act, error, message = BAD[case]
    with pytest.raises(error, match=message):
        act()


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1, None, "a"])
def test_a_bad_value_of_ones_own_schedule_changes_nothing(value):
    class Bad(schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.1 if step < 3 else value

    model, ones = unit(Bad()), np.ones((5, 1))
    before = model.get_weights()[0].copy()
    with pytest.raises((ValueError, TypeError), match="Bad: the learning rate at step 3 must"):
        model.fit(ones, ones, batch_size=1, verbose=0)
    assert (model.weights[0] == before).all()
    assert model.optimizer.iterations == 0

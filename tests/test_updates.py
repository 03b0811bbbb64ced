"""What surrounds an update: penalties, clipping, decay, averages, accumulation, constraints. Against NumPy."""

import pickle

import numpy as np
import pytest

import nncore as nn
from nncore import _engine

RATE = 0.05


def data(rows=48, seed=0):
    random = np.random.default_rng(seed)
    return random.standard_normal((rows, 7)), random.standard_normal((rows, 3))


def network(**options):
    """A float64 model whose middle weights have more than one tile."""
    dense = nn.layers.Dense
    model = nn.Sequential(
        [nn.Input((7,)), dense(130, activation="tanh", name="one"), dense(70, activation="tanh", name="two", **options),
         dense(3, name="three")],
        dtype="float64", seed=4,
    )  # fmt: skip
    for weight in model.weights:
        weight += 0.05
    return model


def clip(gradients, norms, limit):
    return [g * limit / n if n > limit else g for g, n in zip(gradients, norms, strict=True)]


def norm(gradient):
    return np.sqrt((gradient * gradient).sum())


def global_norm(gradients):
    return np.sqrt(sum((g * g).sum() for g in gradients))


class Reference:
    """Gradient descent with everything around it, in NumPy."""

    def __init__(self, weights, **options):
        self.weights = [w.copy() for w in weights]
        self.options = options
        self.averages = [np.zeros_like(w) for w in weights]
        self.kept = None
        self.steps = self.updates = 0

    def step(self, gradients):
        get = self.options.get
        self.steps += 1
        every = get("gradient_accumulation_steps") or 1
        self.kept = gradients if self.kept is None else [k + g for k, g in zip(self.kept, gradients, strict=True)]
        if self.steps % every == 0:
            self.update([k / every for k in self.kept])
            self.kept = None
        if get("use_ema"):  # in each step, as in Keras
            number, frequency = (self.steps - 1) // every + 1, get("ema_overwrite_frequency")
            momentum = get("ema_momentum", 0.99) if number > 1 else 0
            for average, w in zip(self.averages, self.weights, strict=True):
                average[...] = momentum * average + (1 - momentum) * w
                if frequency and number % frequency == 0:
                    w[...] = average

    def update(self, gradients):
        get = self.options.get
        self.updates += 1
        if get("clipvalue"):
            gradients = [np.clip(g, -get("clipvalue"), get("clipvalue")) for g in gradients]
        if get("clipnorm"):
            gradients = clip(gradients, map(norm, gradients), get("clipnorm"))
        if get("global_clipnorm"):
            gradients = clip(gradients, [global_norm(gradients)] * len(gradients), get("global_clipnorm"))
        for number, gradient in enumerate(gradients):
            w = self.weights[number]
            w -= RATE * (get("weight_decay") or 0) * w
            w -= RATE * gradient


OPTIONS = {
    "plain": {},
    "decay": {"weight_decay": 0.1},
    "value": {"clipvalue": 0.01},
    "norm": {"clipnorm": 0.05},
    "large norm": {"clipnorm": 1e6},
    "global": {"global_clipnorm": 0.1},
    "average": {"use_ema": True, "ema_momentum": 0.8},
    "overwritten": {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 3},
    "accumulated": {"gradient_accumulation_steps": 3},
    "all": {"weight_decay": 0.1, "global_clipnorm": 0.1, "use_ema": True, "ema_overwrite_frequency": 2,
            "gradient_accumulation_steps": 2},
}  # fmt: skip


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_options_against_numpy(options, threads):
    x, y = data()
    model = network()
    model.compile(nn.optimizers.SGD(RATE, **options), "mse")
    other, optimizer = network(), nn.optimizers.SGD(RATE, **options)
    reference = Reference(model.weights, **options)
    with nn.config.threads(threads):
        for step in range(7):
            part = slice(step % 3 * 16, step % 3 * 16 + 16)
            _, gradients = model.value_and_gradients(x[part], y[part])
            reference.step(gradients)
            optimizer.apply(gradients, other.weights)
            model.train_on_batch(x[part], y[part])
            if step == 4:
                model = pickle.loads(pickle.dumps(model))
    for got, by_hand, expected in zip(model.weights, other.weights, reference.weights, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(by_hand, expected, rtol=1e-12, atol=1e-14)
    assert model.optimizer.iterations == optimizer.iterations == reference.updates
    if options.get("use_ema"):
        model.optimizer.finalize_variable_values(model.trainable_variables)
        for got, expected in zip(model.weights, reference.averages, strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)


def test_options_under_adam_and_momentum():
    """The same gradients, clipped and averaged by hand, give the same weights."""
    x, y = data()
    for make in (nn.optimizers.Adam, lambda **o: nn.optimizers.SGD(0.1, momentum=0.9, **o)):
        model, by_hand = network(), network()
        model.compile(make(global_clipnorm=0.1), "mse")
        by_hand.compile(make(), "mse")
        optimizer = make()
        for _ in range(5):
            model.train_on_batch(x, y)
            _, gradients = by_hand.value_and_gradients(x, y)
            scale = min(1.0, 0.1 / global_norm(gradients))
            optimizer.apply([g * scale for g in gradients], by_hand.weights)
        for got, expected in zip(model.weights, by_hand.weights, strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


def test_excluded_from_decay():
    x, y = data()
    for excluded in ({"var_names": ["bias"]}, None):
        model, plain = network(), network()
        optimizer = nn.optimizers.SGD(RATE, weight_decay=0.5)
        excluded = excluded or {"var_list": [layer.bias for layer in model.layers]}
        optimizer.exclude_from_weight_decay(**excluded)
        model.compile(optimizer, "mse")
        plain.compile(nn.optimizers.SGD(RATE), "mse")
        model.train_on_batch(x, y)
        plain.train_on_batch(x, y)
        for number, (got, other) in enumerate(zip(model.weights, plain.weights, strict=True)):
            assert (got == other).all() == (number % 2 == 1)
        with pytest.raises(ValueError, match="before the first update"):
            optimizer.exclude_from_weight_decay(var_names=["kernel"])


def test_fit_ends_with_the_averages():
    x, y = data()
    model = network()
    model.compile(nn.optimizers.SGD(RATE, use_ema=True, ema_momentum=0.5), "mse")
    model.fit(x, y, batch_size=16, epochs=2, verbose=0)
    for weight in model.weights:
        assert (weight == model.optimizer.state_of(weight)["average"]).all()


# ---------------------------------------------------------------- penalties


def penalty(model):
    w, b = model.get_layer("two").kernel, model.get_layer("two").bias
    return 0.01 * np.abs(w).sum() + 0.02 * (w * w).sum() + 0.03 * np.abs(b).sum()


def test_penalties_on_weights():
    x, y = data()
    model, plain = (
        network(kernel_regularizer=nn.regularizers.L1L2(0.01, 0.02), bias_regularizer=nn.regularizers.L1(0.03)),
        network(),
    )
    model.get_layer("two").kernel[::5] = 0
    plain.set_weights(model.get_weights())
    for m in (model, plain):
        m.compile(nn.optimizers.SGD(RATE), "mse", metrics=["mae"])
    for threads in (1, 2):
        with nn.config.threads(threads):
            loss, gradients = model.value_and_gradients(x, y)
            unpenalized, expected = plain.value_and_gradients(x, y)
            assert loss == pytest.approx(unpenalized + penalty(model), rel=1e-12)
            w, b = model.get_layer("two").kernel, model.get_layer("two").bias
            expected[2] += 0.01 * np.sign(w) + 0.04 * w
            expected[3] += 0.03 * np.sign(b)
            for got, wanted in zip(gradients, expected, strict=True):
                np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-15)
            assert model.evaluate(x, y)[0] == pytest.approx(plain.evaluate(x, y)[0] + penalty(model), rel=1e-12)
            assert model.evaluate(x, y)[1] == plain.evaluate(x, y)[1]
    before = penalty(model)
    logs = model.train_on_batch(x, y)  # of the weights before the update
    assert logs[0] == pytest.approx(unpenalized + before, rel=1e-12)
    history = model.fit(x, y, batch_size=48, epochs=1, shuffle=False, verbose=0, validation_data=(x, y)).history
    assert history["val_loss"][0] == pytest.approx(model.evaluate(x, y)[0], rel=1e-12)


def test_penalties_of_frozen_layers_are_left_out():
    x, y = data()
    model = network(kernel_regularizer="l2")
    model.compile("sgd", "mse")
    with_penalty = model.evaluate(x, y)
    w = model.get_layer("two").kernel
    model.get_layer("two").trainable = False
    model.compile("sgd", "mse")
    assert model.evaluate(x, y) == pytest.approx(with_penalty - 0.01 * (w * w).sum(), rel=1e-12)


@pytest.mark.parametrize("activation", ["relu", "tanh", None, "softmax"])
def test_penalties_on_activities(activation):
    """The mean over rows, at an inner layer and at the output, by central differences."""
    inputs = nn.Input((4,))
    regularizer = nn.regularizers.L1L2(0.1, 0.2)
    hidden = nn.layers.Dense(6, activation="relu", activity_regularizer=regularizer)(inputs)
    y = nn.layers.Dense(3, activation=activation, activity_regularizer="l2")(hidden)
    model = nn.Model(inputs, y, dtype="float64", seed=2)
    model.compile("sgd", "categorical_crossentropy" if activation == "softmax" else "mse")
    random = np.random.default_rng(3)
    x, t = random.standard_normal((9, 4)), random.dirichlet(np.ones(3), 9)
    loss, gradients = model.value_and_gradients(x, t)
    out = model.predict(x)
    inner = np.maximum(0, x @ model.weights[0] + model.weights[1])
    own = -(t * np.log(out)).sum(1).mean() if activation == "softmax" else ((out - t) ** 2).mean()
    extra = (0.1 * np.abs(inner).sum() + 0.2 * (inner**2).sum() + 0.01 * (out**2).sum()) / 9
    assert loss == pytest.approx(own + extra, rel=1e-12)
    assert model.evaluate(x, t) == pytest.approx(loss, rel=1e-12)
    step = 1e-6
    for variable, gradient in zip(model.weights, gradients, strict=True):
        place = tuple(n // 2 for n in variable.shape)
        kept = variable[place]
        variable[place] = kept + step
        above = model.value_and_gradients(x, t)[0]
        variable[place] = kept - step
        below = model.value_and_gradients(x, t)[0]
        variable[place] = kept
        assert gradient[place] == pytest.approx((above - below) / (2 * step), rel=1e-6, abs=1e-9)


def test_regularizers_on_arrays_and_their_names():
    w = np.array([[1.0, -2.0], [0.0, 3.0]])
    assert nn.regularizers.L1(0.1)(w) == pytest.approx(0.6)
    assert nn.regularizers.get("l2")(w) == pytest.approx(0.14)
    assert nn.regularizers.get("l1_l2")(w) == 0.0
    again = nn.regularizers.deserialize(nn.regularizers.serialize(nn.regularizers.L1L2(0.5, 0.25)))
    assert (again.l1, again.l2) == (0.5, 0.25)
    assert nn.regularizers.get(None) is None


# ---------------------------------------------------------------- constraints


def columns(w):
    return np.sqrt((w * w).sum(axis=0, keepdims=True))


CONSTRAINTS = {
    "max": (nn.constraints.MaxNorm(0.5), lambda w: w * np.clip(columns(w), 0, 0.5) / (columns(w) + 1e-7)),
    "unit": ("unit_norm", lambda w: w / (columns(w) + 1e-7)),
    "min max": (
        nn.constraints.MinMaxNorm(0.5, 0.8, 0.5),
        lambda w: w * (0.5 * np.clip(columns(w), 0.5, 0.8) + 0.5 * columns(w)) / (columns(w) + 1e-7),
    ),
    "sign": ("non_neg", lambda w: w * (w >= 0)),
}


@pytest.mark.parametrize("name", CONSTRAINTS)
@pytest.mark.parametrize("rows", [16, 48])
def test_constraints(name, rows):
    """After each update; and what other layers see is the constrained weight, also where they read a copy of it."""
    constraint, expected = CONSTRAINTS[name]
    x, y = data()
    model, plain = network(kernel_constraint=constraint), network()
    for m in (model, plain):
        m.compile(nn.optimizers.SGD(RATE), "mse")
    for _ in range(3):
        plain.set_weights(model.get_weights())
        model.train_on_batch(x[:rows], y[:rows])
        plain.train_on_batch(x[:rows], y[:rows])
        wanted = plain.get_weights()
        wanted[2] = expected(wanted[2])
        for got, other in zip(model.weights, wanted, strict=True):
            np.testing.assert_allclose(got, other, rtol=1e-12, atol=1e-15)
    once = network(kernel_constraint=constraint)
    once.compile(nn.optimizers.SGD(RATE), "mse")
    step_by_step = network(kernel_constraint=constraint)
    step_by_step.compile(nn.optimizers.SGD(RATE), "mse")
    with nn.config.threads(2):
        once.fit(x, y, batch_size=rows, epochs=48 // rows * 2, shuffle=False, verbose=0)
    for _ in range(48 // rows * 2):
        for begin in range(0, 48, rows):
            step_by_step.train_on_batch(x[begin : begin + rows], y[begin : begin + rows])
    for got, other in zip(once.weights, step_by_step.weights, strict=True):
        assert (got == other).all()


def test_constraints_on_arrays():
    w = np.random.default_rng(0).standard_normal((4, 3, 5)).astype(np.float32)
    got = nn.constraints.MaxNorm(0.5, axis=[0, 1])(w)
    norms = np.sqrt((w * w).sum(axis=(0, 1), keepdims=True))
    np.testing.assert_allclose(got, w * np.clip(norms, 0, 0.5) / (norms + 1e-7), rtol=1e-6)
    bias = nn.constraints.UnitNorm()(np.array([3.0, 4.0]))
    np.testing.assert_allclose(bias, [0.6, 0.8], rtol=1e-6)
    assert (nn.constraints.NonNeg()(np.array([-1.0, 2.0])) == [0, 2]).all()
    with pytest.raises(ValueError, match="neighbouring axes"):
        nn.constraints.MaxNorm(axis=[0, 2])(w)
    again = nn.constraints.deserialize(nn.constraints.serialize(nn.constraints.MinMaxNorm(0.1, 0.2, 0.3, 1)))
    assert (again.min_value, again.max_value, again.rate, again.axis) == (0.1, 0.2, 0.3, 1)


def test_what_is_added_to_the_loss_by_several_is_added_whole():
    """Losses of two outputs, penalties on four weights and two activities, on several threads: the same each time."""
    a = nn.Input((6,))
    options = {"kernel_regularizer": "l2", "bias_regularizer": "l1", "activity_regularizer": "l2"}
    one, two = (nn.layers.Dense(5, activation="tanh", **options)(a) for _ in range(2))
    model = nn.Model(a, [one, two], dtype="float64", seed=3)
    model.compile("sgd", "mse")
    random = np.random.default_rng(1)
    x, y = random.standard_normal((64, 6)), [random.standard_normal((64, 5)) for _ in range(2)]
    _engine.set_pacing(False)
    try:
        with nn.config.threads(1):
            expected = model.value_and_gradients(x, y)[0]
        with nn.config.threads(4):
            program = model._program("gradients", 64, (False, False))
            program.builder.threads = lambda rows, limit: limit  # so little work goes to one thread otherwise
            assert {model.value_and_gradients(x, y)[0] for _ in range(500)} == {expected}
    finally:
        _engine.set_pacing(True)

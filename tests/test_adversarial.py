"""Adversarial training: two models that learn from each other in turns, by hand and as one combined model."""

import copy
import itertools
import warnings

import numpy as np
import pytest

import nncore as nn
from nncore.models import single_calls

LAYERS = nn.layers
NOISE, FEATURES = 3, 4
# Of an array's largest element. Both sides add up in other orders, some tens of roundings of 1e-16 in each of the
# steps, and Adam divides by the root of squares of the same gradients.
TOLERANCE = 1e-11


def generator(*extra, hidden=5, **options):
    return nn.Sequential(
        [nn.Input((NOISE,)), LAYERS.Dense(hidden, activation="tanh"), *extra, LAYERS.Dense(FEATURES)],
        name="generator", seed=1, **{"dtype": "float64", **options},
    )  # fmt: skip


def discriminator(*extra, hidden=6, **options):
    return nn.Sequential(
        [nn.Input((FEATURES,)), LAYERS.Dense(hidden, activation="tanh"), *extra, LAYERS.Dense(1)],
        name="discriminator", seed=2, **{"dtype": "float64", **options},
    )  # fmt: skip


def loss():
    return nn.losses.BinaryCrossentropy(from_logits=True)


def adam(**options):
    return nn.optimizers.Adam(0.01, beta_1=0.5, **options)


def steps(count, rows):
    """Minibatches: real rows, noise for the discriminator's step, and for the generator's."""
    random = np.random.default_rng(5)
    for _ in range(count):
        yield 0.5 * random.standard_normal((rows, FEATURES)) + 1, *random.standard_normal((2, rows, NOISE))


def labels(rows):
    """Real rows, which come first, count as 0.9."""
    return np.repeat([[0.9], [0.0]], rows, axis=0)


def weights_of(*models):
    return [w for model in models for w in model.get_weights()]


def assert_same(got, wanted):
    assert len(got) == len(wanted)
    assert all(np.array_equal(a, b) for a, b in zip(got, wanted, strict=True))


def stacked(generator, discriminator, functional=False):
    if not functional:
        return nn.Sequential([generator, discriminator], dtype=generator.dtype)
    z = nn.Input((NOISE,))
    return nn.Model(z, discriminator(generator(z)), dtype=generator.dtype)


# ---------------------------------------------------------------- the ways to train


class AsInKeras:
    """A combined model, compiled while the discriminator is frozen; the discriminator was compiled before."""

    functional = False
    optimizer = staticmethod(adam)

    def __init__(self, generator, discriminator):
        self.generator, self.discriminator = generator, discriminator
        discriminator.compile(self.optimizer(), loss())
        discriminator.trainable = False
        self.combined = stacked(generator, discriminator, self.functional)
        self.combined.compile(self.optimizer(), loss())

    def step(self, real, noise, more_noise):
        drawn = self.generator.predict_on_batch(noise)
        judged = self.discriminator.train_on_batch(np.concatenate([real, drawn]), labels(len(real)))
        return judged, self.combined.train_on_batch(more_noise, np.ones((len(real), 1)))


class Functional(AsInKeras):
    functional = True


class Switching(AsInKeras):
    """The discriminator is switched on and off for each of the two steps."""

    def step(self, real, noise, more_noise):
        self.discriminator.trainable = True
        drawn = self.generator.predict_on_batch(noise)
        judged = self.discriminator.train_on_batch(np.concatenate([real, drawn]), labels(len(real)))
        self.discriminator.trainable = False
        return judged, self.combined.train_on_batch(more_noise, np.ones((len(real), 1)))


class ByHand:
    """forward, backward, apply: one model's backward gives the other's its gradient."""

    optimizer = staticmethod(adam)
    freezes = True
    apart = False  # real and drawn rows in two passes, whose gradients add up

    def __init__(self, generator, discriminator):
        self.generator, self.discriminator = generator, discriminator
        self.optimizers = self.optimizer(), self.optimizer()

    def step(self, real, noise, more_noise):
        rows = len(real)
        generator, discriminator = self.generator, self.discriminator
        drawn = generator.predict_on_batch(noise)
        discriminator.zero_gradients()
        judged = 0.0
        parts = [(real, labels(rows)[:rows]), (drawn, labels(rows)[rows:])]
        for x, y in parts if self.apart else [(np.concatenate([real, drawn]), labels(rows))]:
            value, dy = loss().value_and_gradient(y, discriminator.forward(x))
            share = len(x) / (2 * rows)
            discriminator.backward(dy * share)
            judged += value * share
        self.optimizers[0].apply(discriminator.gradients, discriminator.trainable_variables)

        if self.freezes:
            discriminator.trainable = False
        generator.zero_gradients()
        y = discriminator.forward(generator.forward(more_noise))
        value, dy = loss().value_and_gradient(np.ones((rows, 1)), y)
        generator.backward(discriminator.backward(dy))
        self.optimizers[1].apply(generator.gradients, generator.trainable_variables)
        if self.freezes:
            discriminator.trainable = True
        return judged, value


class NeverFreezing(ByHand):
    """The discriminator's gradients of the generator's step are thrown away."""

    freezes = False


class InTwoPasses(ByHand):
    apart = True


# ---------------------------------------------------------------- the same in NumPy


class Net:
    """Dense(tanh), perhaps batch normalization, Dense: weights, momentum-free Adam, and the gradients by hand."""

    def __init__(self, weights, normalizes=False):
        self.weights = [w.copy() for w in weights]
        self.normalizes = normalizes
        self.trained = [0, 1, 2, 3, 6, 7] if normalizes else [0, 1, 2, 3]  # 4 and 5 are the averages
        self.first = [np.zeros_like(w) for w in weights]
        self.second = [np.zeros_like(w) for w in weights]
        self.updates = 0

    def forward(self, x, training, normal_training=None):
        w = self.weights
        self.x, self.hidden = x, np.tanh(x @ w[0] + w[1])
        self.inner = self.hidden
        if self.normalizes:
            self.of_minibatch = training if normal_training is None else normal_training
            mean, variance = w[4], w[5]
            if self.of_minibatch:
                mean, variance = self.hidden.mean(0), self.hidden.var(0)
                w[4], w[5] = 0.9 * w[4] + 0.1 * mean, 0.9 * w[5] + 0.1 * variance
            self.inverse = 1 / np.sqrt(variance + 1e-3)
            self.normal = (self.hidden - mean) * self.inverse
            self.inner = self.normal * w[2] + w[3]
        return self.inner @ w[-2] + w[-1]

    def backward(self, dy):
        """Gradients of the trained weights, and of x."""
        w = self.weights
        last = [self.inner.T @ dy, dy.sum(0)]
        d, middle = dy @ w[-2].T, []
        if self.normalizes:
            middle = [(d * self.normal).sum(0), d.sum(0)]
            d = d * w[2]
            if self.of_minibatch:
                d = d - d.mean(0) - self.normal * (d * self.normal).mean(0)
            d = d * self.inverse
        d = d * (1 - self.hidden**2)
        return [self.x.T @ d, d.sum(0), *middle, *last], d @ w[0].T

    def update(self, gradients):
        self.updates += 1
        for i, g in zip(self.trained, gradients, strict=True):
            self.first[i] = 0.5 * self.first[i] + 0.5 * g
            self.second[i] = 0.999 * self.second[i] + 0.001 * g * g
            first, second = self.first[i] / (1 - 0.5**self.updates), self.second[i] / (1 - 0.999**self.updates)
            self.weights[i] = self.weights[i] - 0.01 * first / np.sqrt(second + 1e-8)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def crossentropy(y, z):
    return np.mean(np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z))))


def numpy_step(made, judge, real, noise, more_noise, frozen_uses_averages):
    rows = len(real)
    y = labels(rows)
    z = judge.forward(np.concatenate([real, made.forward(noise, False)]), True)
    judged = crossentropy(y, z)
    judge.update(judge.backward((sigmoid(z) - y) / (2 * rows))[0])
    z = judge.forward(made.forward(more_noise, True), True, normal_training=not frozen_uses_averages)
    value = crossentropy(1.0, z)
    _, dx = judge.backward((sigmoid(z) - 1) / rows)
    made.update(made.backward(dx)[0])
    return judged, value


WAYS = [AsInKeras, Functional, Switching, ByHand, NeverFreezing, InTwoPasses]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("normalizes", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_against_numpy(way, normalizes, threads):
    """Twenty rounds, with batch normalization in both: frozen, it goes by its averages, which stay."""
    if normalizes and way is InTwoPasses:
        pytest.skip("two passes have other means than one")
    extra = (lambda: [LAYERS.BatchNormalization(momentum=0.9)]) if normalizes else list
    a, b = generator(*extra()), discriminator(*extra())
    made, judge = Net(a.get_weights(), normalizes), Net(b.get_weights(), normalizes)
    with nn.config.threads(threads):
        training = way(a, b)
        for minibatches in steps(20, 40):
            got = training.step(*minibatches)
            wanted = numpy_step(made, judge, *minibatches, frozen_uses_averages=way is not NeverFreezing)
            np.testing.assert_allclose(got, wanted, rtol=TOLERANCE)
    for got, wanted in zip(weights_of(a, b), made.weights + judge.weights, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=TOLERANCE, atol=TOLERANCE * np.abs(wanted).max())


def trained(way, rows=40, count=6, extra=list, threads=1, **options):
    """The weights after some rounds."""
    models = generator(*extra(), **options), discriminator(*extra(), **options)
    with nn.config.threads(threads):
        training = way(*models)
        for minibatches in steps(count, rows):
            training.step(*minibatches)
    return weights_of(*models)


@pytest.mark.parametrize("extra", [list, lambda: [LAYERS.BatchNormalization()]], ids=["dense", "normalized"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("rows", "hidden"), [(8, 6), (40, 6), (40, 700)])
def test_all_ways_and_threads_give_the_same_bits(rows, hidden, dtype, extra):
    """Also with few rows, which go without mirrors, and with weights so large that there are packed ones."""
    options = {"rows": rows, "hidden": hidden, "dtype": dtype, "extra": extra}
    wanted = trained(AsInKeras, **options)
    for way, threads in itertools.product((AsInKeras, Functional, Switching, ByHand), (1, 2)):
        assert_same(trained(way, threads=threads, **options), wanted)


# ---------------------------------------------------------------- plans, mirrors, work


@pytest.fixture
def plans(monkeypatch):
    """A list of the kinds of the plans that are made."""
    made = []

    class Counted(single_calls.Program):
        def __init__(self, model, kind, *arguments):
            made.append((model.name, kind))
            super().__init__(model, kind, *arguments)

    monkeypatch.setattr(single_calls, "Program", Counted)
    return made


@pytest.mark.parametrize("way", WAYS)
def test_plans_are_made_in_the_first_round_only(way, plans):
    training = way(generator(), discriminator())
    rounds = steps(5, 40)
    training.step(*next(rounds))
    made = list(plans)
    assert 3 <= len(made) == len(set(made)) + (way in (ByHand, InTwoPasses))  # of the discriminator, frozen and not
    for minibatches in rounds:
        training.step(*minibatches)
    assert plans == made


@pytest.mark.parametrize("way", [AsInKeras, Switching, ByHand])
def test_repeated_calls_go_past_the_checks(way, monkeypatch):
    training = way(generator(), discriminator())
    rounds = steps(4, 40)
    training.step(*next(rounds))
    training.step(*next(rounds))

    def refuse(*_):
        raise AssertionError("the checked way was taken")

    monkeypatch.setattr(nn.Model, "_features", refuse)
    for minibatches in rounds:
        training.step(*minibatches)


def kernels(model, x, y):
    """The kernels of a training step, by their names and the sizes of what they read."""
    model.train_on_batch(x, y)
    plan = next(p for key, p in model._programs.items() if key[0] == "train").builder.plan
    plan.measure(True)
    model.train_on_batch(x, y)
    names = [name for name, _, _ in plan.measured()]
    plan.measure(False)
    return names


def test_a_frozen_model_costs_no_gradients_of_weights():
    """The combined plan has the products of the generator's gradients and no others, and no state for the rest."""
    training = AsInKeras(generator(), discriminator())
    x, ones = np.ones((40, NOISE)), np.ones((40, 1))
    names = kernels(training.combined, x, ones)
    assert names.count("matmul_gradient") == names.count("column_sum") == 2
    assert names.count("matmul") == 4 + 3  # forward; dx of all layers but the first
    assert names.count("adam") == 4
    names = kernels(training.discriminator, np.ones((40, FEATURES)), ones)
    assert names.count("matmul_gradient") == 2
    assert names.count("matmul") == 2 + 1


def test_both_share_weights_and_not_states():
    a, b = generator(), discriminator()
    training = AsInKeras(a, b)
    assert [id(w) for w in training.combined.weights] == [id(w) for w in (*a.weights, *b.weights)]
    for minibatches in steps(3, 40):
        training.step(*minibatches)
    first, second = training.discriminator.optimizer, training.combined.optimizer
    assert first.iterations == second.iterations == 3
    assert [s.shape for s in first.variables] == [w.shape for w in b.weights for _ in range(2)]
    assert [s.shape for s in second.variables] == [w.shape for w in a.weights for _ in range(2)]


@pytest.mark.parametrize("way", [AsInKeras, ByHand])
def test_weights_written_in_between_are_seen(way, monkeypatch):
    """Copies of weights inside plans are refreshed in each call."""
    monkeypatch.setattr(way, "optimizer", staticmethod(lambda: nn.optimizers.SGD(0.1)))
    results = []
    for before in (0, 2):
        a, b = generator(hidden=700, dtype="float32"), discriminator(hidden=700, dtype="float32")
        first, training = (a.get_weights(), b.get_weights()), way(a, b)
        for minibatches in steps(before, 40):
            training.step(*minibatches)
        a.set_weights(first[0])
        b.set_weights(first[1])
        losses = [training.step(*minibatches) for minibatches in steps(3, 40)]
        results.append([np.array(losses), *weights_of(a, b)])
    assert_same(*results)


# ---------------------------------------------------------------- layers that differ in training


def test_statistics_of_a_frozen_model_stay():
    a, b = generator(LAYERS.BatchNormalization()), discriminator(LAYERS.BatchNormalization())
    training = AsInKeras(a, b)
    kept, moving = weights_of(b), a.layers[1].moving_mean.copy()
    noise = np.random.default_rng(0).standard_normal((40, NOISE))
    training.combined.train_on_batch(noise, np.ones((40, 1)))
    assert_same(weights_of(b), kept)
    assert (a.layers[1].moving_mean != moving).all()
    moving = b.layers[1].moving_mean.copy()
    b.train_on_batch(np.ones((40, FEATURES)), np.ones((40, 1)))
    assert (b.layers[1].moving_mean != moving).all()


def test_dropout_of_a_frozen_model_is_active():
    a, b = generator(), discriminator(LAYERS.Dropout(0.5))
    training = AsInKeras(a, b)
    noise, ones = np.random.default_rng(0).standard_normal((40, NOISE)), np.ones((40, 1))
    without = training.combined.test_on_batch(noise, ones)
    losses = set()
    for _ in range(3):
        weights = training.combined.get_weights()
        losses.add(training.combined.train_on_batch(noise, ones))
        training.combined.set_weights(weights)
    assert len(losses | {without}) == 4


@pytest.mark.parametrize("layer", [LAYERS.Dropout, LAYERS.GaussianDropout])
def test_the_backward_pass_has_the_numbers_of_its_forward_pass(layer):
    """Central differences through both models, of a function that draws the same numbers again."""
    a, b = generator(layer(0.3)), discriminator(layer(0.3))
    noise, dy = (np.random.default_rng(i).standard_normal(s) for i, s in enumerate([(10, NOISE), (10, 1)]))

    def value():
        a._forwards[0] = b._forwards[0] = 7
        return float((b.forward(a.forward(noise)) * dy).sum())

    value()
    a.backward(b.backward(dy))
    for weight, gradient in zip(a.trainable_variables, a.gradients, strict=True):
        place = (0,) * weight.ndim
        middle, two = weight[place], []
        for weight[place] in (middle + 1e-5, middle - 1e-5):
            two.append(value())
        weight[place] = middle
        np.testing.assert_allclose(gradient[place], (two[0] - two[1]) / 2e-5, rtol=1e-6, atol=1e-9)


# ---------------------------------------------------------------- forward and backward


def test_gradients_of_backward_passes_add_up():
    model, x = discriminator(), np.random.default_rng(0).standard_normal((2, 40, FEATURES))
    dy = np.random.default_rng(1).standard_normal((2, 40, 1))
    parts = []
    for part, d in zip(x, dy, strict=True):
        model.zero_gradients()
        model.forward(part)
        model.backward(d)
        parts.append([g.copy() for g in model.gradients])
    model.zero_gradients()
    assert not any(g.any() for g in model.gradients)
    for part, d in zip(x, dy, strict=True):
        model.forward(part)
        model.backward(d)
    assert_same(model.gradients, [first + second for first, second in zip(*parts, strict=True)])


def test_other_calls_between_forward_and_backward_do_no_harm():
    random = np.random.default_rng(0)
    x, other, dy = random.standard_normal((40, FEATURES)), random.standard_normal((40, FEATURES)), np.ones((40, 1))
    a, b = generator(), discriminator()
    training = AsInKeras(a, b)
    b.forward(x)
    wanted = b.backward(dy)
    b.forward(x)
    b.predict_on_batch(other)
    b.test_on_batch(other, dy)
    b.value_and_gradients(other, dy)
    a.forward(random.standard_normal((40, NOISE)))
    training.combined.forward(random.standard_normal((40, NOISE)))
    assert_same([b.backward(dy)], [wanted])


def test_a_forward_pass_takes_the_place_of_the_last():
    x = np.random.default_rng(0).standard_normal((3, 40, FEATURES))
    model, dy = discriminator(), np.ones((40, 1))
    model.forward(x[1])
    wanted = model.backward(dy)
    model.forward(x[0])
    model.forward(x[1])
    assert_same([model.backward(dy)], [wanted])
    with pytest.raises(RuntimeError, match="last forward"):
        model.backward(dy)


# ---------------------------------------------------------------- what is trainable


def moved(model, other, x, y):
    """Which of the weights of a model a call of `other` changes."""
    before = model.get_weights()
    other.train_on_batch(x, y)
    return {bool((a != b).any()) for a, b in zip(before, model.get_weights(), strict=True)}


def test_trainable_counts_as_it_was_at_compile():
    a, b = generator(), discriminator()
    training = AsInKeras(a, b)
    x, noise, ones = np.ones((8, FEATURES)), np.ones((8, NOISE)), np.ones((8, 1))
    for trainable in (False, True, False):
        b.trainable = trainable
        if trainable:
            with pytest.warns(UserWarning, match="no model was compiled since"):
                training.combined.train_on_batch(noise, ones)
        assert len(b.trainable_variables) == len(b.gradients) == 4 * trainable
        assert moved(b, b, x, ones) == {True}
        assert moved(b, training.combined, noise, ones) == {False}
        assert moved(a, training.combined, noise, ones) == {True}
    b.trainable = True
    training.combined.compile(adam(), loss())
    assert moved(b, training.combined, noise, ones) == {True}


def test_averages_of_weights_are_of_those_that_were_trained():
    model, x = discriminator(), np.ones((8, FEATURES))
    model.compile(adam(use_ema=True, ema_momentum=0.5), loss())
    model.trainable = False
    stacked(generator(), model).compile(adam(), loss())
    model.fit(x, np.ones((8, 1)), epochs=3, verbose=0)
    for variable in model.weights:
        assert (variable == model.optimizer.state_of(variable)["average"]).all()


def test_a_forgotten_compile_is_said():
    model, x, ones = discriminator(), np.ones((8, FEATURES)), np.ones((8, 1))
    model.compile(adam(), loss())
    model.train_on_batch(x, ones)
    model.trainable = False
    with pytest.warns(UserWarning, match="'discriminator'.*no model was compiled since"):
        assert moved(model, model, x, ones) == {True}
    model.train_on_batch(x, ones)  # once
    model.trainable = True
    model.train_on_batch(x, ones)  # as it was compiled
    model.compile(adam(), loss())
    model.trainable = False
    with pytest.warns(UserWarning, match="compile"):
        model.fit(x, ones, verbose=0)
    model.compile(adam(), loss())
    assert moved(model, model, x, ones) == {False}


@pytest.mark.parametrize("way", ["deepcopy", "file"])
def test_copies_train_what_the_model_trains(way, tmp_path):
    training = AsInKeras(generator(), discriminator())
    rounds = steps(6, 40)
    for _ in range(3):
        training.step(*next(rounds))
    model = training.discriminator
    if way == "file":
        model.save(tmp_path / "m.safetensors")
        twin = nn.models.load_model(tmp_path / "m.safetensors")
    else:
        twin = copy.deepcopy(model)
    x, ones = np.ones((8, FEATURES)), np.ones((8, 1))
    assert model.train_on_batch(x, ones) == twin.train_on_batch(x, ones)
    assert_same(twin.get_weights(), model.get_weights())
    assert moved(twin, twin, x, ones) == {True}


def test_plans_of_other_threads_see_their_own_switches():
    """While one thread makes plans of a model that was compiled with a frozen layer, others see it as it is."""
    import threading

    from nncore.layers.layer import trainable_as

    layer, seen = LAYERS.Dense(3), []
    with trainable_as({layer: False}):
        assert not layer.trainable
        thread = threading.Thread(target=lambda: seen.append(layer.trainable))
        thread.start()
        thread.join()
    assert seen == [True]
    assert layer.trainable


# ---------------------------------------------------------------- short ways


def test_the_short_way_of_apply_gives_the_same_bits(monkeypatch):
    random = np.random.default_rng(0)
    shapes = [(7, 5), (5,), (300, 400)]
    gradients = [[random.standard_normal(s) for s in shapes] for _ in range(5)]
    results = []
    for short in (True, False):
        variables = [np.ones(s) for s in shapes]
        optimizer = adam(global_clipnorm=1.0, use_ema=True)
        for own in gradients:
            if not short:
                optimizer._update = None
            optimizer.apply(own, variables)
        results.append(variables + optimizer.variables)
        assert optimizer.iterations == 5
    assert_same(*results)


def test_the_short_way_of_apply_is_left_where_it_must_be():
    variables, gradients = [np.ones((3, 4)), np.ones(4)], [np.ones((3, 4)), np.ones(4)]
    optimizer = nn.optimizers.SGD(1.0)
    optimizer.apply(gradients, variables)
    short = optimizer._update
    assert short.run(gradients, variables, 1.0)
    twisted = np.ones((4, 3)).T
    for bad in (
        ([gradients[0].astype(np.float32), gradients[1]], variables),
        ([twisted, gradients[1]], variables),
        (gradients[:1], variables[:1]),
        (gradients[::-1], variables),
        (gradients, variables[::-1]),
        (gradients, [v.copy() for v in variables]),
        ([g.tolist() for g in gradients], variables),
        (tuple(gradients), variables),
    ):
        assert not short.run(*bad, 1.0)
    assert (variables[0] == -1).all()
    optimizer.apply([twisted.astype(np.float32), [1, 1, 1, 1]], tuple(variables))  # the checked way takes it
    assert (variables[0] == -2).all()
    with pytest.raises(ValueError, match=r"gradient 1 has shape \(3,\)"):
        optimizer.apply([gradients[0], np.ones(3)], variables)
    variables[1].flags.writeable = False
    with pytest.raises(ValueError, match="writable"):
        optimizer.apply(gradients, variables)
    assert optimizer.iterations == 3
    nn.config.set_num_threads(nn.config.get_num_threads())
    assert not short.run(gradients, variables, 1.0)


class OfTheUsers(nn.optimizers.schedules.LearningRateSchedule):
    """In Python, so that its rates are computed beforehand, some hundred at a time."""

    def __call__(self, step):
        return 1 - step / 1024


@pytest.mark.parametrize("schedule", [nn.optimizers.schedules.LinearDecay(1.0, 1024), OfTheUsers()])
def test_learning_rates_of_repeated_updates(schedule):
    variables, gone = [np.zeros(2)], 0.0
    optimizer = nn.optimizers.SGD(schedule)
    for step in range(600):
        optimizer.apply([np.ones(2)], variables)
        gone += 1 - step / 1024
        assert (variables[0] == -gone).all()


def test_learning_rates_that_are_set_between_updates():
    variables = [np.zeros(2)]
    optimizer = nn.optimizers.SGD(1.0)
    for rate in (1.0, 0.5, 0.25):
        optimizer.learning_rate = rate
        optimizer.apply([np.ones(2)], variables)
    assert (variables[0] == -1.75).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_short_way_of_value_and_gradients_gives_the_same_bits(dtype, monkeypatch):
    random = np.random.default_rng(0)
    x, y = random.standard_normal((6, 40, FEATURES)).astype(dtype), random.random((6, 40, 1)).astype(dtype)
    results = []
    for short in (True, False):
        if not short:
            monkeypatch.setattr(nn.Model, "_prepare_call", lambda *_, **__: None)
        unused = LAYERS.Dense(3, name="unused")
        a = nn.Input((FEATURES,))
        hidden = LAYERS.Dropout(0.5)(LAYERS.Dense(9, activation="relu", kernel_regularizer="l2")(a))
        model = nn.Model(a, LAYERS.Dense(1)(hidden), dtype=dtype, seed=4)
        assert unused.name not in [layer.name for layer in model.layers]
        model.compile(adam(), loss(), metrics=["mae"])
        got = []
        for number, (one, other) in enumerate(zip(x, y, strict=True)):
            model.layers[1].trainable = number != 3
            value, gradients = model.value_and_gradients(one, other)
            assert (model._call("gradients") is not None) == short
            got += [np.array(value), *gradients]
            model.forward(one)  # other numbers of dropout
        results.append(got)
        assert len(got) == 5 * 5 + 3
    assert_same(*results)
    assert len({id(array) for array in results[0]}) == len(results[0])


def test_nothing_warns_in_the_usual_program():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for way in WAYS:
            trained(way, count=2)

# ruff: noqa: E501  a table reads best with a row on a line
"""Losses: values against NumPy, gradients by central differences, reductions, extremes, names, errors."""

import inspect
import itertools
import zlib

import numpy as np
import pytest
from test_training import check_gradients

import nncore as nn

LEAST = 1e-7
ROWS, UNITS = 7, 4


def rng(name=""):
    return np.random.default_rng(zlib.crc32(name.encode()))


def softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ---- targets and predictions of each kind: (random, shape) -> y_true, y_pred


def numbers(random, shape):
    return random.standard_normal(shape), 2 * random.standard_normal(shape)


def rates(random, shape):
    return 3 * random.random(shape), 0.1 + 3 * random.random(shape)


def bits(random, shape):
    return random.integers(0, 2, shape).astype(float), 0.01 + 0.98 * random.random(shape)


def bits_logits(random, shape):
    return random.integers(0, 2, shape).astype(float), 3 * random.standard_normal(shape)


def distributions(random, shape):
    return softmax(random.standard_normal(shape)), softmax(random.standard_normal(shape))


def distributions_logits(random, shape):
    return softmax(random.standard_normal(shape)), 3 * random.standard_normal(shape)


def one_hot_logits(random, shape):
    return np.eye(shape[-1])[random.integers(0, shape[-1], shape[:-1])], 3 * random.standard_normal(shape)


def classes(random, shape):
    return random.integers(0, shape[-1], shape[:-1]), softmax(random.standard_normal(shape))


def classes_logits(random, shape):
    return random.integers(0, shape[-1], shape[:-1]), 3 * random.standard_normal(shape)


def means_and_variances(random, shape):
    return random.standard_normal((*shape[:-1], shape[-1] // 2)), random.standard_normal(shape)


# ---- formulas in plain NumPy: losses of samples, over the last axis


def mean(term):
    return lambda t, p: term(t, p).mean(axis=-1)


def total(term):
    return lambda t, p: term(t, p).sum(axis=-1)


def huber(delta):
    return mean(lambda t, p: np.where(np.abs(p - t) <= delta, (p - t) ** 2 / 2,
                                      delta * np.abs(p - t) - delta**2 / 2))  # fmt: skip


def smoothed(t, smoothing, count):
    return t * (1 - smoothing) + smoothing / count


def bce(smoothing=0.0):
    def term(t, p):
        t = smoothed(t, smoothing, 2)
        return -(t * np.log(p) + (1 - t) * np.log(1 - p))

    return term


def binary_focal(gamma, alpha=None, smoothing=0.0):
    def term(t, p):
        t = smoothed(t, smoothing, 2)
        right = t * p + (1 - t) * (1 - p)
        weight = 1 if alpha is None else t * alpha + (1 - t) * (1 - alpha)
        return weight * (1 - right) ** gamma * bce()(t, p)

    return mean(term)


def cce(smoothing=0.0):
    return total(lambda t, p: -smoothed(t, smoothing, p.shape[-1]) * np.log(p / p.sum(axis=-1, keepdims=True)))


def categorical_focal(alpha, gamma, smoothing=0.0):
    return total(lambda t, p: -alpha * (1 - p) ** gamma * smoothed(t, smoothing, p.shape[-1]) * np.log(p))


def scce(t, p):
    return -np.log(np.take_along_axis(p / p.sum(axis=-1, keepdims=True), t[..., None], axis=-1))[..., 0]


def logits(formula, activation):
    return lambda t, x: formula(t, activation(x))


def signs(t):
    return np.where(t == 0, -1, t)


def length(x):
    return np.sqrt((x * x).sum(axis=-1))


def gaussian(t, p):
    m, s = np.split(p, 2, axis=-1)
    return ((s + (t - m) ** 2 / np.exp(s)) / 2).mean(axis=-1)


def categorical_hinge(t, p):
    return np.maximum(((1 - t) * p).max(axis=-1) - (t * p).sum(axis=-1) + 1, 0)


def kl_divergence(t, p):
    t, p = np.clip(t, LEAST, 1), np.clip(p, LEAST, 1)
    return (t * np.log(t / p)).sum(axis=-1)


ALPHAS = [0.1, 0.4, 0.2, 0.3]
L = nn.losses
# name: (class, options, data, formula, activation of a network's output under it)
TABLE = {
    "mse": (L.MeanSquaredError, {}, numbers, mean(lambda t, p: (t - p) ** 2), "linear"),
    "mae": (L.MeanAbsoluteError, {}, numbers, mean(lambda t, p: np.abs(t - p)), "linear"),
    "mape": (L.MeanAbsolutePercentageError, {}, numbers, mean(lambda t, p: 100 * np.abs((t - p) / np.maximum(np.abs(t), LEAST))), "linear"),
    "msle": (L.MeanSquaredLogarithmicError, {}, rates, mean(lambda t, p: (np.log(1 + np.maximum(t, LEAST)) - np.log(1 + np.maximum(p, LEAST))) ** 2), "sigmoid"),
    "huber": (L.Huber, {}, numbers, huber(1.0), "linear"),
    "huber-0.3": (L.Huber, {"delta": 0.3}, numbers, huber(0.3), "linear"),
    "log-cosh": (L.LogCosh, {}, numbers, mean(lambda t, p: np.log(np.cosh(p - t))), "linear"),
    "cosine": (L.CosineSimilarity, {}, numbers, lambda t, p: -(t * p).sum(axis=-1) / (length(t) * length(p)), "linear"),
    "gaussian": (L.GaussianNLL, {}, means_and_variances, gaussian, "linear"),
    "gaussian-0.3": (L.GaussianNLL, {"variance": 0.3}, numbers, mean(lambda t, p: (np.log(0.3) + (t - p) ** 2 / 0.3) / 2), "linear"),
    "poisson": (L.Poisson, {}, rates, mean(lambda t, p: p - t * np.log(p + LEAST)), "sigmoid"),
    "kld": (L.KLDivergence, {}, distributions, kl_divergence, "softmax"),
    "hinge": (L.Hinge, {}, bits_logits, mean(lambda t, p: np.maximum(1 - signs(t) * p, 0)), "linear"),
    "squared-hinge": (L.SquaredHinge, {}, bits_logits, mean(lambda t, p: np.maximum(1 - signs(t) * p, 0) ** 2), "linear"),
    "categorical-hinge": (L.CategoricalHinge, {}, one_hot_logits, categorical_hinge, "linear"),
    "bce": (L.BinaryCrossentropy, {"label_smoothing": 0.1}, bits, mean(bce(0.1)), "sigmoid"),
    "bce-logits": (L.BinaryCrossentropy, {"from_logits": True}, bits_logits, logits(mean(bce()), sigmoid), "linear"),
    "bfce": (L.BinaryFocalCrossentropy, {}, bits, binary_focal(2.0), "sigmoid"),
    "bfce-tanh": (L.BinaryFocalCrossentropy, {"gamma": 1.5}, bits, binary_focal(1.5), "probability"),
    "bfce-balanced": (L.BinaryFocalCrossentropy, {"apply_class_balancing": True, "alpha": 0.4, "gamma": 0.7, "label_smoothing": 0.1}, bits, binary_focal(0.7, 0.4, 0.1), "sigmoid"),
    "bfce-logits": (L.BinaryFocalCrossentropy, {"from_logits": True, "apply_class_balancing": True}, bits_logits, logits(binary_focal(2.0, 0.25), sigmoid), "linear"),
    "cce": (L.CategoricalCrossentropy, {"label_smoothing": 0.1}, distributions, cce(0.1), "softmax"),
    "cce-logits": (L.CategoricalCrossentropy, {"from_logits": True}, distributions_logits, logits(cce(), softmax), "linear"),
    "cfce": (L.CategoricalFocalCrossentropy, {}, distributions, categorical_focal(0.25, 2.0), "softmax"),
    "cfce-probability": (L.CategoricalFocalCrossentropy, {"gamma": 0.0, "alpha": 1.0}, distributions, cce(), "probability"),
    "cfce-alphas": (L.CategoricalFocalCrossentropy, {"alpha": ALPHAS, "gamma": 1.3, "label_smoothing": 0.1}, distributions, categorical_focal(np.array(ALPHAS), 1.3, 0.1), "softmax"),
    "cfce-logits": (L.CategoricalFocalCrossentropy, {"from_logits": True}, distributions_logits, logits(categorical_focal(0.25, 2.0), softmax), "linear"),
    "scce": (L.SparseCategoricalCrossentropy, {}, classes, scce, "softmax"),
    "scce-logits": (L.SparseCategoricalCrossentropy, {"from_logits": True}, classes_logits, logits(scce, softmax), "linear"),
}
SHAPES = {"rows": (ROWS, UNITS), "steps": (ROWS, 3, UNITS), "wide": (3, 300), "many": (300, UNITS)}


def made(name, /, **options):
    cls, own, *_ = TABLE[name]
    return cls(**own, **options)


def data(name, shape):
    return TABLE[name][2](rng(name), shape)


def test_every_loss_is_in_the_table():
    public = {cls for cls in vars(nn.losses).values() if inspect.isclass(cls) and issubclass(cls, L.Loss)}
    assert {row[0] for row in TABLE.values()} == public - {L.Loss}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", TABLE)
def test_values_against_numpy(name, shape):
    """Every reduction, with and without weights, within 1e-12: a few hundred roundings of 1e-16."""
    if name == "cfce-alphas" and shape == "wide":
        pytest.skip("it has an alpha for each of 4 classes")
    y_true, y_pred = data(name, SHAPES[shape])
    samples = TABLE[name][3](y_true, y_pred)
    weight = rng("weights").random(len(y_pred))
    weights = weight.reshape(-1, *[1] * (samples.ndim - 1))
    scale = np.abs(samples).max()

    def check(loss, wanted, **options):
        got = loss(y_true, y_pred, **options)
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12 * scale)
        return got

    for reduction in ("none", None):
        assert check(made(name, reduction=reduction), samples).shape == samples.shape
        check(made(name, reduction=reduction), samples * weights, sample_weight=weight)
    for reduction in ("sum_over_batch_size", "mean"):
        assert isinstance(check(made(name, reduction=reduction), samples.mean()), float)
        check(made(name, reduction=reduction), (samples * weights).mean(), sample_weight=weight)
    check(made(name, reduction="sum"), samples.sum())
    check(made(name, reduction="sum"), (samples * weights).sum(), sample_weight=weight)
    share = np.broadcast_to(weights, samples.shape).sum()
    check(made(name, reduction="mean_with_sample_weight"), samples.mean())
    check(made(name, reduction="mean_with_sample_weight"), (samples * weights).sum() / share, sample_weight=weight)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
@pytest.mark.parametrize("shape", ["rows", "steps"])
@pytest.mark.parametrize("name", TABLE)
def test_gradients_on_arrays(name, shape, reduction):
    """By central differences: their error is about step² = 1e-12 of the third derivative, and rounding / step."""
    y_true, y_pred = data(name, SHAPES[shape])
    loss, weight = made(name, reduction=reduction), rng("weights").random(ROWS)
    value, gradient = loss.value_and_gradient(y_true, y_pred, sample_weight=weight)
    assert gradient.shape == y_pred.shape
    assert value == loss(y_true, y_pred, sample_weight=weight)
    step, scale = 1e-6, max(1, np.abs(gradient).max())
    for place in itertools.islice(np.ndindex(y_pred.shape), 0, None, 3):
        moved = [y_pred.copy(), y_pred.copy()]
        moved[0][place] += step
        moved[1][place] -= step
        above, below = (loss(y_true, p, sample_weight=weight) for p in moved)
        assert gradient[place] == pytest.approx((above - below) / (2 * step), abs=5e-6 * scale, rel=5e-6)


def network(activation, loss, dtype="float64", units=UNITS, inputs=5):
    """A network whose output has this activation; "probability" are such without logits behind them."""
    layers = [nn.Input((inputs,)), nn.layers.Dense(6, activation="tanh"), nn.layers.Dense(units, bias_initializer="ones")]
    if activation == "probability":
        layers += [nn.layers.Activation("sigmoid"), nn.layers.Rescaling(0.9, 0.05)]
    else:
        layers.append(nn.layers.Activation(activation))
    model = nn.Sequential(layers, dtype=dtype, seed=3)
    model.compile("sgd", loss)
    return model


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
@pytest.mark.parametrize("name", TABLE)
def test_gradients_through_a_network(name, reduction):
    loss = made(name, reduction=reduction)
    model = network(TABLE[name][4], loss)
    x, (y, _) = rng("x").standard_normal((ROWS, 5)), data(name, (ROWS, UNITS))
    weight = rng("weights").random(ROWS)
    value, gradients = model.value_and_gradients(x, y, sample_weight=weight)
    assert value == pytest.approx(model.test_on_batch(x, y, sample_weight=weight), rel=1e-14)
    check_gradients(model, gradients, lambda: model.test_on_batch(x, y, sample_weight=weight))
    output = model.forward(x, training=False)
    alone = loss.value_and_gradient(y, output, sample_weight=weight)
    assert value == pytest.approx(alone[0], rel=1e-11)  # through probabilities or logits
    model.backward(alone[1])
    for stored, direct in zip(model.gradients, gradients, strict=True):
        np.testing.assert_allclose(stored, direct, rtol=1e-9, atol=1e-11 * max(1, np.abs(direct).max()))


# ---- reductions and ignored classes in training


def trained_by_hand(model, x, y, weight, order):
    """The weights after steps of SGD over minibatches of 50 rows, with the gradients of `forward` and `backward`."""
    losses = []
    for begin in range(0, len(x), 50):
        rows = order[begin : begin + 50]
        model.zero_gradients()
        output = model.forward(x[rows], training=True)
        value, dy = model.loss.value_and_gradient(y[rows], output, None if weight is None else weight[rows])
        model.backward(dy)
        model.optimizer.apply(model.gradients, model.trainable_variables)
        losses.append((value, len(rows)))
    return sum(v * n for v, n in losses) / len(x)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
@pytest.mark.parametrize("ignored", [None, 2, -1, 255])
def test_training_reduces_as_arrays_do(reduction, ignored, weighted):
    """An epoch over shuffled minibatches is the same steps as by hand, and reports the mean of their losses over rows."""
    rows = 280
    x, y = rng("x").standard_normal((rows, 5)), rng("y").integers(0, UNITS, rows)
    if ignored is not None:
        y[rng("ignored").random(rows) < 0.3] = ignored
    y = y.astype(np.int16)
    weight = rng("weights").random(rows) if weighted else None
    loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=ignored, reduction=reduction)
    model, twin = network("linear", loss), network("linear", loss)
    for each in (model, twin):
        each.optimizer.learning_rate = 0.01
    history = model.fit(x, y, batch_size=50, shuffle=False, sample_weight=weight, verbose=0).history["loss"]
    by_hand = trained_by_hand(twin, x, y, weight, np.arange(rows))
    assert history[0] == pytest.approx(by_hand, rel=1e-12)
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


def test_shuffled_rows_are_counted_where_they_are():
    """The count of a minibatch is of its own rows: an order and the same rows in it give the same bits."""
    from nncore import _engine

    rows = 200
    x, y = rng("x").standard_normal((rows, 5)), rng("y").integers(-1, UNITS, rows)
    weight = rng("weights").random(rows)
    loss = nn.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=-1, reduction="mean_with_sample_weight"
    )
    model, twin = network("linear", loss), network("linear", loss)
    order = _engine.shuffled(rows, model.seed, 0)
    model.fit(x, y, batch_size=30, sample_weight=weight, verbose=0)
    twin.fit(x[order], y[order], batch_size=30, sample_weight=weight[order], shuffle=False, verbose=0)
    assert all((a == b).all() for a, b in zip(model.get_weights(), twin.get_weights(), strict=True))


def test_ignored_rows_have_no_loss_and_no_gradient():
    y, z = np.array([2, 0, 2, 1]), rng().standard_normal((4, 3))
    loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=2)
    others = nn.losses.SparseCategoricalCrossentropy(from_logits=True)
    value, gradient = loss.value_and_gradient(y, z)
    wanted, slope = others.value_and_gradient(y[[1, 3]], z[[1, 3]])
    assert value == pytest.approx(wanted, rel=1e-14)
    assert not gradient[[0, 2]].any()
    np.testing.assert_allclose(gradient[[1, 3]], slope, rtol=1e-14)
    z[0] = np.nan  # padding may hold anything
    assert loss(y, z) == pytest.approx(wanted, rel=1e-14)
    assert nn.losses.sparse_categorical_crossentropy(y, z, True, 2)[[0, 2]].tolist() == [0, 0]
    assert loss(np.full(4, 2), z) == 0.0
    steps = nn.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=2)
    assert steps(y.reshape(2, 2), z.reshape(2, 2, 3)) == pytest.approx(wanted, rel=1e-14)


def test_minibatches_without_anything_to_learn_change_nothing():
    loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    model = network("linear", loss)
    before = [w.copy() for w in model.get_weights()]
    assert model.train_on_batch(rng().standard_normal((6, 5)), np.full(6, -1)) == 0.0
    assert all((a == b).all() for a, b in zip(model.get_weights(), before, strict=True))


def test_class_weights_and_ignored_labels():
    loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)
    x, y = rng().standard_normal((8, 5)), np.array([0, 1, 255, 3, 255, 1, 0, 2])
    given = {0: 2.0, 1: 0.5, 3: 3.0}
    weight = np.array([given.get(label, 1.0) for label in y])
    one, two = network("linear", loss), network("linear", loss)
    assert one.train_on_batch(x, y, class_weight=given) == two.train_on_batch(x, y, sample_weight=weight)
    assert all((a == b).all() for a, b in zip(one.get_weights(), two.get_weights(), strict=True))


@pytest.mark.parametrize("name", ["hinge", "kld", "cosine", "gaussian"])
def test_class_weights(name):
    activation = TABLE[name][4]
    x = rng("x").standard_normal((ROWS, 5))
    y, _ = data("cce", (ROWS, UNITS // (1 + (name == "gaussian"))))
    given = {0: 2.0, 1: 0.5}
    weight = np.array([given.get(label, 1.0) for label in y.argmax(axis=1)])
    one, two = network(activation, made(name)), network(activation, made(name))
    assert one.train_on_batch(x, y, class_weight=given) == two.train_on_batch(x, y, sample_weight=weight)
    assert all((a == b).all() for a, b in zip(one.get_weights(), two.get_weights(), strict=True))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_rescaled_losses_do_not_depend_on_threads(threads):
    rows = 700
    x, y = rng("x").standard_normal((rows, 5)).astype(np.float32), rng("y").integers(-1, UNITS, rows)
    loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    weights = []
    for count in (1, threads):
        with nn.config.threads(count):
            model = network("linear", loss, "float32")
            model.fit(x, y, batch_size=300, epochs=2, verbose=0)
            weights.append(model.get_weights())
    assert all((a == b).all() for a, b in zip(*weights, strict=True))


# ---- extremes


def extreme(name):
    """float32 predictions of 10,000 and its like, beside targets, and what loss and gradient tend to: None if anything."""
    high, low = np.float32([[1e4, -1e4]]), np.float32([[-1e4, 1e4]])
    t = np.float32([[1, 0]])
    label = np.array([0])
    return {
        "mse": (t, high, None, [9999, -1e4]),
        "mae": (t, high, 9999.5, [0.5, -0.5]),
        "mape": (np.float32([[2, 1]]), high, None, [25, -50]),
        "msle": (t, np.float32([[1e4, -1e4]]), None, None),
        "huber": (t, high, 9999, [0.5, -0.5]),
        "log-cosh": (t, high, 9999.5 - np.log(2), [0.5, -0.5]),
        "cosine": (t, high, -np.sqrt(0.5), None),
        "gaussian": (np.float32([[1]]), np.float32([[1e4, 1e4]]), 5e3, [0, 0.5]),
        "gaussian-0.3": (t, high, None, None),
        "poisson": (t, np.float32([[1e4, 0]]), (1e4 - np.log(1e4)) / 2, [0.49995, 0.5]),
        "kld": (t, high, 0, [0, 0]),
        "hinge": (t, low, 10001, [-0.5, 0.5]),
        "squared-hinge": (t, low, None, [-10001, 10001]),
        "categorical-hinge": (t, low, 20001, [-1, 1]),
        "bce": (t, np.float32([[0, 1]]), None, [0, 0]),
        "bce-logits": (t, low, 1e4, [-0.5, 0.5]),
        "bfce": (t, np.float32([[0, 1]]), None, [0, 0]),
        "bfce-logits": (t, low, 5e3, [-0.125, 0.375]),
        "cce-logits": (t, low, 2e4, [-1, 1]),
        "cfce": (t, np.float32([[0, 1]]), None, [0, 0]),
        "cfce-logits": (t, low, 5e3, [-0.25, 0.25]),
        "scce-logits": (label, low, 2e4, [-1, 1]),
    }.get(name)


@pytest.mark.parametrize("name", [name for name in TABLE if extreme(name)])
def test_extremes_in_float32(name):
    """Loss and gradient are finite and right where predictions are 10,000 in size; float32 has 7 digits."""
    t, p, wanted, slope = extreme(name)
    value, gradient = made(name).value_and_gradient(t, p)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    if wanted is not None:
        assert value == pytest.approx(wanted, rel=1e-6, abs=1e-4)
    if slope is not None:
        np.testing.assert_allclose(gradient[0], slope, rtol=1e-6, atol=1e-7)
    value, gradient = made(name).value_and_gradient(t, -p)
    assert name == "poisson" or (np.isfinite(value) and np.isfinite(gradient).all())


def test_right_answers_of_extreme_logits_cost_nothing():
    for name, t in (("bce-logits", [[1, 0]]), ("bfce-logits", [[1, 0]]), ("cce-logits", [[1, 0]]),
                    ("cfce-logits", [[1, 0]]), ("scce-logits", [0])):  # fmt: skip
        value, gradient = made(name).value_and_gradient(t, np.float32([[1e4, -1e4]]))
        assert value == 0, name
        assert not gradient.any(), name


def test_gaussian_precision_is_bounded():
    loss = nn.losses.GaussianNLL()
    value, gradient = loss.value_and_gradient(np.float32([[1.0]]), np.float32([[2.0, -1e4]]))
    assert value == pytest.approx((-1e4 + np.exp(50)) / 2, rel=1e-6)
    np.testing.assert_allclose(gradient, [[np.exp(50), -np.exp(50) / 2]], rtol=1e-6)  # back to larger variances
    assert loss([[3.0]], [[3.0, -1e4]]) == -5e3


def test_gaussian_of_fixed_variance_is_the_squared_error_up_to_scale_and_constant():
    y, p = rng().standard_normal((2, 9, 3))
    mse, slope = nn.losses.MeanSquaredError().value_and_gradient(y, p)
    value, gradient = nn.losses.GaussianNLL(variance=0.2).value_and_gradient(y, p)
    assert value == pytest.approx(mse / 0.4 + np.log(0.2) / 2, rel=1e-13)
    np.testing.assert_allclose(gradient, slope / 0.4, rtol=1e-13)


def test_derivatives_at_kinks():
    def slope(loss, t, p):
        return loss.value_and_gradient([t], [p])[1][0].tolist()

    assert slope(L.MeanAbsoluteError(), [1.0, 2.0], [1.0, 3.0]) == [0, 0.5]
    assert slope(L.MeanAbsolutePercentageError(), [1.0, 2.0], [1.0, 3.0]) == [0, 25]
    assert slope(L.Hinge(), [1, -1], [1.0, -1.0]) == [0, 0]
    assert slope(L.SquaredHinge(), [1, -1], [1.0, 0.5]) == [0, 1.5]
    assert slope(L.Huber(), [0.0, 0.0], [1.0, -1.0]) == [0.5, -0.5]
    assert slope(L.CategoricalHinge(), [0, 1, 0], [1.0, 2.0, 1.0]) == [0, 0, 0]
    assert slope(L.CategoricalHinge(), [0, 1, 0], [1.5, 2.0, 1.5]) == [1, -1, 0]  # the first of equals
    assert slope(L.CosineSimilarity(), [3.0, 4.0], [0.0, 0.0]) == pytest.approx([-0.6e7, -0.8e7])


def test_hinge_takes_zeros_for_minus_ones():
    p = rng().standard_normal((6, 2))
    for loss in (L.Hinge(), L.SquaredHinge()):
        bits = rng("bits").integers(0, 2, (6, 2))
        assert loss(bits, p) == loss(2 * bits - 1, p)


# ---- functions, names, configurations


@pytest.mark.parametrize("name", TABLE)
def test_functions_are_losses_of_samples(name):
    cls, options, *_ = TABLE[name]
    if cls is L.GaussianNLL:
        pytest.skip("it has no function")
    function = next(f for f in vars(nn.losses).values() if inspect.isfunction(f) and nn.losses.get(f).__class__ is cls)
    assert type(nn.losses.get(function.__name__)) is cls
    y_true, y_pred = data(name, (ROWS, 3, UNITS))
    samples = TABLE[name][3](y_true, y_pred)
    np.testing.assert_allclose(function(y_true, y_pred, **options), samples, rtol=1e-12, atol=1e-12)
    one = function(y_true[0, 0], y_pred[0, 0], **options)
    assert np.ndim(one) == 0
    assert one == pytest.approx(samples[0, 0], rel=1e-12)
    single = inspect.signature(function).parameters
    theirs = inspect.signature(cls).parameters
    own = [n for n in single if n not in ("y_true", "y_pred")]
    assert own == [n for n in theirs if n not in ("reduction", "name", "dtype")]
    assert all(single[n].default == theirs[n].default for n in own)


def test_functions_take_single_columns_with_or_without_their_axis():
    y, p = np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 7.0])
    assert nn.losses.mean_absolute_error(y, p) == pytest.approx(4 / 3)
    for a, b in ((y, p[:, None]), (y[:, None], p), (y[:, None], p[:, None])):
        assert nn.losses.mean_absolute_error(a, b).tolist() == [0, 1, 3]


ALIASES = {
    "mse": "MeanSquaredError", "MSE": "MeanSquaredError", "mae": "MeanAbsoluteError", "MAE": "MeanAbsoluteError",
    "mape": "MeanAbsolutePercentageError", "MAPE": "MeanAbsolutePercentageError",
    "msle": "MeanSquaredLogarithmicError", "MSLE": "MeanSquaredLogarithmicError", "kld": "KLDivergence",
    "KLD": "KLDivergence", "bce": "BinaryCrossentropy", "BCE": "BinaryCrossentropy", "huber": "Huber",
    "log_cosh": "LogCosh", "cosine_similarity": "CosineSimilarity", "gaussian_nll": "GaussianNLL", "Hinge": "Hinge",
    "categorical_hinge": "CategoricalHinge", "sparse_categorical_crossentropy": "SparseCategoricalCrossentropy",
}  # fmt: skip


@pytest.mark.parametrize("alias", ALIASES)
def test_aliases(alias):
    assert type(nn.losses.get(alias)).__name__ == ALIASES[alias]


@pytest.mark.parametrize("name", TABLE)
def test_configurations(name, tmp_path):
    loss = made(name, reduction="sum", name="mine")
    again = nn.losses.deserialize(nn.losses.serialize(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    assert set(loss.get_config()) >= {"reduction", "name", *TABLE[name][1]}
    model = network(TABLE[name][4], loss)
    x, (y, _) = rng("x").standard_normal((ROWS, 5)), data(name, (ROWS, UNITS))
    model.save(tmp_path / "m.safetensors")
    loaded = nn.models.load_model(tmp_path / "m.safetensors")
    assert loaded.loss.get_config() == loss.get_config()
    assert loaded.test_on_batch(x, y) == model.test_on_batch(x, y)


# ---- errors

ERRORS = {
    "reduction": (lambda: L.Huber(reduction="avg"), ValueError, "unknown reduction 'avg'; there are 'sum_over_batch_size'"),
    "dtype": (lambda: L.Hinge(dtype="float64"), ValueError, "Hinge does not support the argument 'dtype'"),
    "axis": (lambda: L.CosineSimilarity(axis=1), ValueError, "CosineSimilarity does not support the argument 'axis'"),
    "delta": (lambda: L.Huber(delta=0), ValueError, "delta must lie in"),
    "variance": (lambda: L.GaussianNLL(variance=-1), ValueError, "variance must lie in"),
    "gamma": (lambda: L.BinaryFocalCrossentropy(gamma=-1), ValueError, "gamma must lie in"),
    "alpha": (lambda: L.BinaryFocalCrossentropy(alpha=2), ValueError, "alpha must lie in"),
    "alphas": (lambda: L.CategoricalFocalCrossentropy(alpha=[1, 2])(np.eye(3), np.eye(3)), ValueError, "each of 2 classes"),
    "balancing": (lambda: L.BinaryFocalCrossentropy("yes"), TypeError, "apply_class_balancing must be True or False"),
    "ignored": (lambda: L.SparseCategoricalCrossentropy(ignore_class=0.5), TypeError, "ignore_class must be an integer"),
    "ignored size": (lambda: L.SparseCategoricalCrossentropy(ignore_class=2**31), ValueError, "fit into 32 bits"),
    "odd": (lambda: L.GaussianNLL()([[1.0]], [[1.0, 2.0, 3.0]]), ValueError, "an even number of features"),
    "gaussian targets": (lambda: L.GaussianNLL()(np.ones((2, 4)), np.ones((2, 4))), ValueError, r"targets of shape \(2, 2\); y_true has \(2, 4\)"),
    "one class": (lambda: L.KLDivergence()([1.0], [1.0]), ValueError, "KLDivergence needs outputs of at least 2 classes"),
    "one vector": (lambda: L.CosineSimilarity()([1.0], [1.0]), ValueError, "CosineSimilarity needs outputs"),
    "one unit": (lambda: L.CategoricalHinge()([1.0], [1.0]), ValueError, "Hinge is for a single unit"),
    "targets": (lambda: L.Poisson()(np.ones((2, 3)), np.ones((2, 4))), ValueError, r"loss 'poisson' expects targets of shape \(2, 4\); y_true has \(2, 3\)"),
    "labels": (lambda: L.SparseCategoricalCrossentropy(ignore_class=-1)([-2], [[0.5, 0.5]]), ValueError, "holds the class -2 in row 0"),
    "rows": (lambda: L.LogCosh()(np.ones((3, 2)), np.ones((2, 2))), ValueError, "3 rows"),
    "no rows": (lambda: L.LogCosh()(np.ones((0, 2)), np.ones((0, 2))), ValueError, "of no rows"),
    "gradient of an array": (lambda: L.LogCosh(reduction="none").value_and_gradient([[1.0]], [[1.0]]), ValueError, "is an array"),
    "training of an array": (lambda: network("linear", L.LogCosh(reduction=None)), ValueError, "training needs one number"),
    "odd output": (lambda: network("linear", L.GaussianNLL(), units=3), ValueError, "an even number of features"),
    "single output": (lambda: network("linear", L.CosineSimilarity(), units=1), ValueError, "at least 2 classes"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, kind, message = ERRORS[name]
    with pytest.raises(kind, match=message):
        call()

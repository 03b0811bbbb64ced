"""Normalization layers: values, gradients, statistics, threads, files."""

import numpy as np
import pytest
from test_training import check_gradients

import nncore as nn
from nncore import _engine

LAYERS = nn.layers


def rng():
    return np.random.default_rng(8)


def affine(shape):
    """Gamma and beta that show where they are mixed up."""
    return 1 + 0.5 * rng().standard_normal(shape), rng().standard_normal(shape)


def normalized(x, axes, epsilon, centered=True):
    """x with mean 0 and variance 1 over `axes`, in float64."""
    x = x.astype(np.float64)
    d = x - x.mean(axis=axes, keepdims=True) if centered else x
    return d / np.sqrt((d * d).mean(axis=axes, keepdims=True) + epsilon)


def in_model(layer, shape, dtype="float64"):
    """A model of this one layer, with gamma and beta that are not the initial ones."""
    model = nn.Sequential([nn.Input(shape), layer], dtype=dtype)
    names = [name for name in ("gamma", "beta", "scale") if isinstance(getattr(layer, name, None), np.ndarray)]
    for name in names:
        values = affine(getattr(layer, name).shape)
        getattr(layer, name)[...] = values[name == "beta"]
    return model


def spread(weight, shape, axes):
    """A weight over `axes` of arrays of `shape`, to be combined with them."""
    return weight.astype(np.float64).reshape([n if axis in axes else 1 for axis, n in enumerate(shape)])


# ---------------------------------------------------------------- values and gradients of single layers

BATCH = [((6,), -1), ((1,), 1), ((37,), -1), ((3, 4, 5), -1), ((5, 3), 2), ((5, 4, 3), 1), ((5, 4, 3), 2), ((7, 33), 1)]


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("float64", 1e-13)])
@pytest.mark.parametrize(("shape", "axis"), BATCH)
@pytest.mark.parametrize("rows", [1, 2, 9])
def test_batch_normalization(shape, axis, rows, dtype, tolerance):
    """Outputs with either statistics, and the averages after a call: sums of some 100 numbers of size 1."""
    layer = LAYERS.BatchNormalization(axis=axis, momentum=0.9, epsilon=0.01)
    model = in_model(layer, shape, dtype)
    x = (2 + 3 * rng().standard_normal((rows, *shape))).astype(dtype)
    channels = axis % (x.ndim)
    axes = tuple(i for i in range(x.ndim) if i != channels)
    gamma, beta = (spread(w, x.shape, [channels]) for w in (layer.gamma, layer.beta))
    y = model.forward(x, training=True)
    np.testing.assert_allclose(y, gamma * normalized(x, axes, 0.01) + beta, rtol=5 * tolerance, atol=10 * tolerance)
    mean, variance = x.astype("f8").mean(axis=axes), x.astype("f8").var(axis=axes)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * mean, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(layer.moving_variance, 0.9 + 0.1 * variance, rtol=tolerance)
    mean, variance = (spread(w, x.shape, [channels]) for w in (layer.moving_mean, layer.moving_variance))
    expected = gamma * (x - mean) / np.sqrt(variance + 0.01) + beta
    for got in (model.predict(x), model.forward(x, training=False), layer(x)):
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=10 * tolerance)


LAYER = [((6,), -1), ((5, 16), -1), ((5, 16), [1, 2]), ((4, 3, 5), [2, 3]), ((4, 3, 5), 1), ((4, 3, 5), [1, 3]),
         ((2, 40), [-1]), ((4, 3), [-2])]  # fmt: skip


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("float64", 1e-13)])
@pytest.mark.parametrize(("shape", "axis"), LAYER)
@pytest.mark.parametrize("name", ["LayerNormalization", "RMSNormalization", "UnitNormalization"])
def test_along_axes_of_a_sample(name, shape, axis, dtype, tolerance):
    layer = getattr(LAYERS, name)(axis=axis)
    model = in_model(layer, shape, dtype)
    x = (1 + 2 * rng().standard_normal((5, *shape))).astype(dtype)
    axes = tuple(sorted(i % x.ndim for i in np.atleast_1d(axis)))
    extents = tuple(x.shape[i] for i in axes)
    if name == "UnitNormalization":
        expected = x / np.sqrt((x.astype("f8") ** 2).sum(axis=axes, keepdims=True))
        assert not layer.weights
    elif name == "RMSNormalization":
        assert [w.shape for w in layer.weights] == [extents]
        expected = spread(layer.scale, x.shape, axes) * normalized(x, axes, 1e-6, centered=False)
    else:
        assert [w.shape for w in layer.weights] == [extents, extents]
        gamma, beta = (spread(w, x.shape, axes) for w in (layer.gamma, layer.beta))
        expected = gamma * normalized(x, axes, 1e-3) + beta
    for training in (False, True):
        np.testing.assert_allclose(model.forward(x, training), expected, rtol=5 * tolerance, atol=5 * tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("float64", 1e-13)])
@pytest.mark.parametrize(
    ("shape", "axis", "groups"),
    [((6,), -1, 3), ((6,), -1, 1), ((4, 6), -1, 2), ((3, 5, 32), -1, 8), ((3, 5, 20), -1, -1), ((8, 3, 2), 1, 4)],
)
def test_group_normalization(shape, axis, groups, dtype, tolerance):
    layer = LAYERS.GroupNormalization(groups, axis=axis)
    model = in_model(layer, shape, dtype)
    x = (1 + 2 * rng().standard_normal((5, *shape))).astype(dtype)
    last = np.moveaxis(x, axis, -1)
    parts = last.reshape(5, -1, shape[-1] if groups == -1 else groups, last.shape[-1] // groups if groups > 0 else 1)
    expected = layer.gamma * normalized(parts, (1, 3), 1e-3).reshape(last.shape) + layer.beta
    np.testing.assert_allclose(model.predict(x), np.moveaxis(expected, -1, axis), rtol=5 * tolerance,
                               atol=5 * tolerance)  # fmt: skip


SINGLE = [
    *(("BatchNormalization", shape, {"axis": axis}) for shape, axis in BATCH),
    *(("LayerNormalization", shape, {"axis": axis}) for shape, axis in LAYER),
    *(("RMSNormalization", shape, {"axis": axis}) for shape, axis in LAYER),
    *(("UnitNormalization", shape, {"axis": axis}) for shape, axis in LAYER),
    *(("GroupNormalization", shape, {"groups": 2}) for shape in ((6,), (3, 8), (2, 3, 4))),
    ("GroupNormalization", (4, 3), {"groups": -1, "axis": 1}),
    *(("BatchNormalization", shape, {"scale": False}) for shape in ((5,), (2, 3))),
    *((name, (2, 4), {"center": False, **also}) for name, also in (
        ("BatchNormalization", {}), ("LayerNormalization", {}), ("GroupNormalization", {"groups": 2}))),
    *((name, (2, 4), {"center": False, "scale": False, **also}) for name, also in (
        ("BatchNormalization", {}), ("LayerNormalization", {}), ("GroupNormalization", {"groups": 2}))),
]  # fmt: skip


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("name", "shape", "options"), SINGLE)
def test_gradients_of_a_layer_by_central_differences(name, shape, options, training):
    """Of sum(y dy), for the inputs, gamma and beta, through forward and backward."""
    layer = getattr(LAYERS, name)(**options)
    model = in_model(layer, shape)
    x, dy = rng().standard_normal((4, *shape)), rng().standard_normal((4, *shape))

    def value():
        kept = model.get_weights()
        total = (model.forward(x, training) * dy).sum()
        model.set_weights(kept)
        return total

    value()
    dx = model.backward(dy)
    check_gradients(model, model.gradients, value)
    flat, slope = x.reshape(-1), dx.reshape(-1)
    for i in range(0, flat.size, max(1, flat.size // 10)):
        kept = flat[i]
        flat[i] = kept + 1e-6
        above = value()
        flat[i] = kept - 1e-6
        below = value()
        flat[i] = kept
        assert slope[i] == pytest.approx((above - below) / 2e-6, abs=5e-6, rel=5e-6)


def test_a_mean_that_is_large_beside_the_deviation():
    """Mean 1000, deviation 1, in float32: variances to 1e-6, outputs to what rounding the mean takes from them."""
    x = (1000 + rng().standard_normal((256, 40))).astype(np.float32)
    wide = x.astype(np.float64)
    columns, rows = (1.05 * np.spacing(np.float32(1000)) / 2 / wide.std(axis=axis).min() for axis in (0, 1))
    batch = LAYERS.BatchNormalization(momentum=0.0)
    np.testing.assert_allclose(batch(x, training=True), normalized(x, 0, 1e-3), rtol=2e-6, atol=columns)
    np.testing.assert_allclose(batch.moving_variance, wide.var(axis=0), rtol=1e-6)
    np.testing.assert_allclose(batch.moving_mean, wide.mean(axis=0), rtol=6e-8)
    for layer in (LAYERS.LayerNormalization(), LAYERS.GroupNormalization(1)):
        np.testing.assert_allclose(layer(x), normalized(x, 1, 1e-3), rtol=3e-6, atol=rows)


# ---------------------------------------------------------------- in networks


def network(dtype="float64", seed=3, width=6):
    """Normalization before and behind Dense, twice in a row, and beside ways around it; a ReLU with two users."""
    x = nn.Input((5,))
    h = LAYERS.BatchNormalization(momentum=0.8)(x)
    first = LAYERS.Dense(width, activation="relu")(h)
    around = LAYERS.BatchNormalization(momentum=0.8)(first)
    h = LAYERS.Activation("tanh")(LAYERS.BatchNormalization(momentum=0.8)(LAYERS.Dense(width)(around)))
    h = LAYERS.Add()([h, around, first])
    h = LAYERS.BatchNormalization(momentum=0.8)(LAYERS.LayerNormalization()(h))
    return nn.Model(x, LAYERS.Dense(3)(LAYERS.GroupNormalization(2)(h)), dtype=dtype, seed=seed)


def data(rows=24, dtype="float64"):
    return rng().standard_normal((rows, 5)).astype(dtype), rng().standard_normal((rows, 3)).astype(dtype)


@pytest.mark.parametrize("rows", [2, 3, 24, 130])
def test_gradients_of_a_network_by_central_differences(rows):
    model = network()
    model.compile("sgd", "mse")
    x, y = data(rows)
    before = model.get_weights()
    _, gradients = model.value_and_gradients(x, y)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True)), "nothing may change"
    check_gradients(model, gradients, lambda: model.value_and_gradients(x, y)[0])
    output = model.forward(x, training=True)
    _, dy = nn.losses.MeanSquaredError().value_and_gradient(y, output)
    model.backward(dy)
    for stored, direct in zip(model.gradients, gradients, strict=True):
        np.testing.assert_allclose(stored, direct, rtol=1e-9, atol=1e-12)


def test_a_fused_relu_before_it_keeps_its_derivative():
    """The derivative of the ReLU in Dense is taken in the pass of the normalization behind it."""
    x, y = data(9)
    models = []
    for fused in (True, False):
        dense = [LAYERS.Dense(7, "relu")] if fused else [LAYERS.Dense(7), LAYERS.Activation("relu")]
        model = nn.Sequential([nn.Input((5,)), *dense, LAYERS.BatchNormalization(), LAYERS.Dense(3)],
                              dtype="float64", seed=1)  # fmt: skip
        model.compile("sgd", "mse")
        models.append(model.value_and_gradients(x, y))
    for fused, apart in zip(models[0][1], models[1][1], strict=True):
        assert (fused == apart).all()


def trained(threads, batch=7, dtype="float32", epochs=2, rows=40):
    x, y = data(rows, "float64")
    model = network(dtype, width=150 if dtype == "mixed_bfloat16" else 70)
    model.compile(nn.optimizers.Adam(0.01), "mse")
    with nn.config.threads(threads):
        model.fit(x, y, batch_size=batch, epochs=epochs, verbose=0)
    return model


@pytest.mark.parametrize(("batch", "rows"), [(7, 40), (1, 9), (300, 700)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "mixed_bfloat16"])
def test_threads_do_not_show(dtype, batch, rows, monkeypatch):
    monkeypatch.setattr("nncore._plan.FLOPS_PER_THREAD", 1)
    _engine.set_pacing(False)
    _engine.set_bfloat16(True)  # made of float's products where the machine has none
    try:
        alone = trained(1, batch, dtype, rows=rows).get_weights()
        assert all(np.isfinite(w).all() for w in alone)
        for threads in (2, 3):
            for w, other in zip(alone, trained(threads, batch, dtype, rows=rows).get_weights(), strict=True):
                assert (w == other).all()
    finally:
        _engine.set_pacing(True)
        _engine.set_bfloat16(False)


def test_threads_do_not_show_over_positions(monkeypatch):
    monkeypatch.setattr("nncore._plan.FLOPS_PER_THREAD", 1)
    x, y = rng().standard_normal((30, 6, 5)), rng().standard_normal((30, 2))

    def weights(threads):
        model = nn.Sequential([nn.Input((6, 5)), LAYERS.BatchNormalization(), LAYERS.Dense(40),
                               LAYERS.GroupNormalization(4), LAYERS.BatchNormalization(axis=1),
                               LAYERS.LayerNormalization(axis=[1, 2]), LAYERS.Flatten(), LAYERS.Dense(2)],
                              seed=2)  # fmt: skip
        model.compile("adam", "mse")
        with nn.config.threads(threads):
            model.fit(x, y, batch_size=8, epochs=2, verbose=0)
        return model.get_weights()

    _engine.set_pacing(False)
    try:
        alone = weights(1)
        assert all((a == b).all() for threads in (2, 3) for a, b in zip(alone, weights(threads), strict=True))
    finally:
        _engine.set_pacing(True)


def test_moving_statistics_over_training():
    """After ten steps: averages of what each minibatch had, and predictions from them."""
    layer = LAYERS.BatchNormalization(momentum=0.7)
    model = nn.Sequential([nn.Input((5,)), layer, LAYERS.Dense(3)], dtype="float64")
    model.compile("sgd", "mse")
    x, y = data(50)
    model.fit(x, y, batch_size=5, shuffle=False, verbose=0)
    mean, variance = np.zeros(5), np.ones(5)
    for begin in range(0, 50, 5):
        mean = 0.7 * mean + 0.3 * x[begin : begin + 5].mean(axis=0)
        variance = 0.7 * variance + 0.3 * x[begin : begin + 5].var(axis=0)
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-12)
    u = (x - mean) / np.sqrt(variance + 1e-3) * layer.gamma + layer.beta
    expected = u @ model.weights[4] + model.weights[5]
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-10, atol=1e-12)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(((expected - y) ** 2).mean(), rel=1e-10)
    kept = layer.moving_mean.copy(), layer.moving_variance.copy()
    model.predict(x)
    model.evaluate(x, y, verbose=0)
    model.test_on_batch(x, y)
    model.forward(x, training=False)
    model.value_and_gradients(x, y)
    layer(x)
    assert (layer.moving_mean == kept[0]).all()
    assert (layer.moving_variance == kept[1]).all()
    for call in (model.forward, lambda x: model(x, training=True), lambda x: layer(x, training=True)):
        before = layer.moving_mean.copy()
        for _ in range(2):  # the second goes the short way
            call(x)
        expected = 0.49 * before + 0.51 * x.mean(axis=0)
        np.testing.assert_allclose(layer.moving_mean, expected, rtol=1e-12, atol=1e-14)
    before = layer.moving_mean.copy()
    model.backward(np.ones((50, 3)))
    assert (layer.moving_mean == before).all(), "the backward pass may not count the minibatch again"


def test_a_layer_used_twice_counts_both_minibatches():
    layer = LAYERS.BatchNormalization(momentum=0.5)
    a, b = nn.Input((5,)), nn.Input((5,))
    model = nn.Model([a, b], LAYERS.Dense(3)(LAYERS.Add()([layer(a), layer(b)])), dtype="float64", seed=1)
    model.compile("sgd", "mse")
    x, y = data(8)
    other = x[::-1] * 3 + 1
    _, gradients = model.value_and_gradients([x, other], y)
    check_gradients(model, gradients, lambda: model.value_and_gradients([x, other], y)[0])
    model.train_on_batch([x, other], y)
    np.testing.assert_allclose(layer.moving_mean, 0.25 * x.mean(axis=0) + 0.5 * other.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(layer.moving_variance, 0.25 + 0.25 * x.var(axis=0) + 0.5 * other.var(axis=0),
                               rtol=1e-12)  # fmt: skip


def test_a_frozen_layer_uses_and_keeps_its_averages():
    layer = LAYERS.BatchNormalization(trainable=False)
    model = nn.Sequential([nn.Input((5,)), LAYERS.Dense(4), layer, LAYERS.Dense(3)], dtype="float64", seed=1)
    layer.moving_mean[...], layer.moving_variance[...] = [1, 2, 3, 4], [0.5, 1, 2, 3]
    model.compile("sgd", "mse")
    x, y = data(8)
    assert (model.forward(x, training=True) == model.forward(x, training=False)).all()
    kept = [w.copy() for w in layer.weights]
    _, gradients = model.value_and_gradients(x, y)
    assert len(gradients) == 4
    check_gradients(model, gradients, lambda: model.test_on_batch(x, y))
    model.fit(x, y, epochs=2, verbose=0)
    assert all((a == b).all() for a, b in zip(kept, layer.weights, strict=True))
    layer.trainable = True
    model.compile("sgd", "mse")
    model.fit(x, y, epochs=1, verbose=0)
    assert all((a != b).any() for a, b in zip(kept, layer.weights, strict=True))


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize(
    "make",
    [LAYERS.LayerNormalization, LAYERS.RMSNormalization, lambda **also: LAYERS.GroupNormalization(2, **also)],
)
def test_other_frozen_layers_keep_their_weights(make, first):
    layer = make(trainable=False)
    layers = [layer, LAYERS.Dense(3)] if first else [LAYERS.Dense(4), layer, LAYERS.Dense(3)]
    model = nn.Sequential([nn.Input((6,)), *layers], dtype="float64", seed=1)
    model.compile("sgd", "mse")
    x, y = rng().standard_normal((8, 6)), rng().standard_normal((8, 3))
    kept = [w.copy() for w in layer.weights]
    _, gradients = model.value_and_gradients(x, y)
    assert len(gradients) == (2 if first else 4)
    check_gradients(model, gradients, lambda: model.test_on_batch(x, y))
    model.fit(x, y, epochs=2, verbose=0)
    assert all((a == b).all() for a, b in zip(kept, layer.weights, strict=True))


def test_a_loss_that_is_not_finite_leaves_averages_alone():
    model = network("float32")
    model.compile("sgd", "mse")
    x, y = data(8, "float32")
    model.train_on_batch(x, y)
    kept = model.get_weights()
    with pytest.raises(nn.NonFiniteLossError):
        model.train_on_batch(np.full_like(x, np.nan), y)
    with pytest.raises(nn.NonFiniteLossError):
        model.fit(x, np.full_like(y, np.inf), verbose=0)
    assert all((a == b).all() for a, b in zip(kept, model.get_weights(), strict=True))


def test_saved_and_continued(tmp_path):
    once = trained(1, epochs=4)
    half = trained(1, epochs=2)
    half.save(tmp_path / "m.safetensors")
    twin = nn.models.load_model(tmp_path / "m.safetensors")
    x, y = data(40)
    assert (twin.predict(x) == half.predict(x)).all()
    twin.fit(x, y, batch_size=7, epochs=4, initial_epoch=2, verbose=0)
    for a, b in zip(once.get_weights(), twin.get_weights(), strict=True):
        assert (a == b).all()


def test_regularizers_and_constraints_of_gamma_and_beta():
    layer = LAYERS.BatchNormalization(gamma_regularizer=nn.regularizers.L2(0.5), beta_regularizer="l1",
                                      beta_constraint="non_neg")  # fmt: skip
    model = nn.Sequential([nn.Input((5,)), layer, LAYERS.Dense(3)], dtype="float64", seed=1)
    layer.beta[...] = 0.3
    model.compile(nn.optimizers.SGD(1.0), "mse")
    x, y = data(8)
    _, gradients = model.value_and_gradients(x, y)
    check_gradients(model, gradients, lambda: model.value_and_gradients(x, y)[0])
    beta = layer.beta - gradients[1]
    assert (beta < 0).any()
    model.train_on_batch(x, y)
    np.testing.assert_allclose(layer.beta, np.maximum(beta, 0), rtol=1e-12, atol=1e-14)


def test_weights_in_keras_order():
    layer = LAYERS.BatchNormalization(gamma_initializer="zeros", moving_mean_initializer="ones")
    model = nn.Sequential([nn.Input((2,)), layer])
    assert [w.name for w in layer.weight_list()] == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert [w.tolist() for w in model.weights] == [[0, 0], [0, 0], [1, 1], [1, 1]]
    assert [w is v for w, v in zip(layer.weights, (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance),
                                   strict=True)] == [True] * 4  # fmt: skip
    assert len(model.trainable_variables) == 2
    assert len(model.non_trainable_variables) == 2


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize("name", ["BatchNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization",
                                  "UnitNormalization"])  # fmt: skip
def test_configurations(name):
    layer = getattr(LAYERS, name)(axis=2, name="n")
    twin = LAYERS.deserialize(LAYERS.serialize(layer))
    assert type(twin) is type(layer)
    assert twin.get_config() == layer.get_config()
    assert twin.get_config()["axis"] == 2


def test_what_is_refused():
    for name, value in (("synchronized", True), ("renorm", True), ("renorm_clipping", {}), ("renorm_momentum", 0.9)):
        with pytest.raises(ValueError, match=f"does not support the argument '{name}'"):
            LAYERS.BatchNormalization(**{name: value})
    with pytest.raises(ValueError, match="'rms_scaling'"):
        LAYERS.LayerNormalization(rms_scaling=True)
    for name in ("BatchNormalization", "LayerNormalization", "RMSNormalization", "UnitNormalization"):
        for axis in (0, 3, -3):
            with pytest.raises(ValueError, match=f"axis {axis} must be one of"):
                getattr(LAYERS, name)(axis=axis).compute_output_shape((3, 4))
        with pytest.raises(TypeError, match="axis must be an integer"):
            getattr(LAYERS, name)(axis=1.5)
    with pytest.raises(TypeError, match="axis must be an integer, not"):
        LAYERS.BatchNormalization(axis=[1, 2])
    with pytest.raises(ValueError, match="names an axis twice"):
        LAYERS.LayerNormalization(axis=[1, -2]).compute_output_shape((3, 4))
    with pytest.raises(ValueError, match="at least one axis"):
        LAYERS.LayerNormalization(axis=[])
    for groups in (4, 12):
        with pytest.raises(ValueError, match=f"6 channels cannot be cut into {groups} groups"):
            LAYERS.GroupNormalization(groups).compute_output_shape((6,))
    for groups in (0, -2):
        with pytest.raises(ValueError, match="groups must be at least"):
            LAYERS.GroupNormalization(groups)
    with pytest.raises(ValueError, match="momentum must lie in"):
        LAYERS.BatchNormalization(momentum=1.5)
    with pytest.raises(ValueError, match="epsilon must lie in"):
        LAYERS.LayerNormalization(epsilon=-1)

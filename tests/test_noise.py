"""Noise and dropout of every kind in models: what they do in training, and that both passes use the same numbers."""

import math

import numpy as np
import pytest

import nncore as nn

SELU_END = -1.6732632423543772 * 1.0507009873554805


def model_of(layer, shape, seed=5, dtype="float64"):
    return nn.Sequential([nn.Input(shape), layer], seed=seed, dtype=dtype)


LAYERS = {
    "GaussianNoise": lambda **o: nn.layers.GaussianNoise(0.5, **o),
    "GaussianDropout": lambda **o: nn.layers.GaussianDropout(0.3, **o),
    "AlphaDropout": lambda **o: nn.layers.AlphaDropout(0.3, **o),
    "AlphaDropout of rows": lambda **o: nn.layers.AlphaDropout(0.3, noise_shape=(None, None, 1), **o),
    "Dropout": lambda **o: nn.layers.Dropout(0.3, **o),
    "Dropout of rows": lambda **o: nn.layers.Dropout(0.3, noise_shape=(None, None, 1), **o),
    "SpatialDropout1D": lambda **o: nn.layers.SpatialDropout1D(0.3, **o),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


@every_layer
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_are_those_of_seed_step_and_place(name, dtype):
    x = np.ones((20, 12, 7), dtype)

    def first(rows=20, seed=5, own_seed=None):
        return model_of(LAYERS[name](seed=own_seed), (12, 7), seed, dtype).forward(x[:rows], training=True)

    model = model_of(LAYERS[name](), (12, 7), dtype=dtype)
    y = model.forward(x, training=True)
    assert np.array_equal(first(), y)
    assert np.array_equal(first(rows=3), y[:3])
    assert not np.array_equal(model.forward(x, training=True), y), "another step"
    assert not np.array_equal(first(seed=6), y)
    assert not np.array_equal(first(own_seed=1), y)
    assert len({sample.tobytes() for sample in y}) > 10, "every sample has its own numbers, 7 bits at least"
    assert np.array_equal(model.forward(x, training=False), x)
    assert np.array_equal(model.predict(x), x)


@every_layer
def test_the_backward_pass_uses_the_same_numbers(name):
    """All are affine in x for given numbers, so that two more steps of the same number give the slope."""
    random = np.random.default_rng(3)
    x, dy = random.standard_normal((4, 12, 7)), random.standard_normal((4, 12, 7))
    outputs = []
    for inputs in (x, x + 1):
        model = model_of(LAYERS[name](), (12, 7))
        outputs.append(model.forward(inputs, training=True))
        dx = model.backward(dy)
    np.testing.assert_allclose(dx, dy * (outputs[1] - outputs[0]), rtol=1e-12, atol=1e-12)


@every_layer
def test_threads_and_blocks_do_not_show(name):
    x = np.random.default_rng(3).standard_normal((700, 12, 7))
    results = []
    for threads in (1, 2):
        with nn.config.threads(threads):
            results.append(model_of(LAYERS[name](), (12, 7)).forward(x, training=True))
    assert np.array_equal(*results)
    assert np.array_equal(results[0][:1], model_of(LAYERS[name](), (12, 7)).forward(x[:1], training=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_moments_of_gaussian_noise(dtype):
    x = np.full((500, 400), 3.0, dtype)
    noise = (model_of(nn.layers.GaussianNoise(0.5), (400,), dtype=dtype).forward(x, training=True) - 3.0) / 0.5
    check_normal(noise.astype(np.float64))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_moments_of_gaussian_dropout(dtype):
    x, rate = np.full((500, 400), 2.0, dtype), 0.2
    y = model_of(nn.layers.GaussianDropout(rate), (400,), dtype=dtype).forward(x, training=True)
    check_normal((y.astype(np.float64) / 2 - 1) / math.sqrt(rate / (1 - rate)))


def check_normal(z):
    """The first four moments of n standard normal numbers: 0, 1, 0, 3, whose variances are 1, 2, 15 and 96 over n."""
    for power, (moment, variance) in enumerate(((0, 1), (1, 2), (0, 15), (3, 96)), 1):
        assert abs((z**power).mean() - moment) < 4.5 * math.sqrt(variance / z.size), power
    for shift in (1, 2, 4, z.shape[1]):
        flat = z.ravel()
        assert abs((flat[:-shift] * flat[shift:]).mean()) < 4.5 / math.sqrt(z.size)


def test_alpha_dropout_keeps_mean_and_variance():
    rate = 0.25
    x = np.random.default_rng(1).standard_normal((500, 400))
    y = model_of(nn.layers.AlphaDropout(rate), (400,)).forward(x, training=True)
    scale = ((1 - rate) * (1 + rate * SELU_END**2)) ** -0.5
    shift = -scale * SELU_END * rate
    dropped = np.isclose(y, scale * SELU_END + shift, rtol=1e-12)
    assert abs(dropped.mean() - rate) < 4.5 * math.sqrt(rate * (1 - rate) / x.size)
    np.testing.assert_allclose(y[~dropped], scale * x[~dropped] + shift, rtol=1e-12)
    assert abs(y.mean()) < 5 / math.sqrt(x.size)  # the variance of an element is 1
    assert abs(y.var() - 1) < 5 * math.sqrt(((y**2).var()) / x.size)


def test_whole_channels_are_dropped():
    for layer, shape in (
        (nn.layers.SpatialDropout1D(0.4), (9, 16)),
        (nn.layers.SpatialDropout2D(0.4), (3, 5, 16)),
        (nn.layers.SpatialDropout2D(0.4, data_format="channels_last"), (3, 5, 16)),
    ):
        x = np.random.default_rng(2).standard_normal((300, *shape))
        y = model_of(layer, shape).forward(x, training=True)
        factor = (y / x).reshape(300, -1, 16)
        assert (np.abs(factor - factor[:, :1]) < 1e-12).all()
        kept = factor[:, 0] != 0
        np.testing.assert_allclose(factor[:, 0][kept], 1 / 0.6, rtol=1e-12)
        assert abs(kept.mean() - 0.6) < 4.5 * math.sqrt(0.24 / kept.size)


@pytest.mark.parametrize("make", [nn.layers.Dropout, nn.layers.AlphaDropout])
def test_noise_shape_says_what_is_dropped_together(make):
    x = np.random.default_rng(2).standard_normal((50, 4, 5, 6))
    whole = model_of(make(0.5), (4, 5, 6)).forward(x, training=True)
    same = model_of(make(0.5, noise_shape=(None, 4, None, 6)), (4, 5, 6)).forward(x, training=True)
    assert np.array_equal(same, whole)
    for shape in ((None, 1, None, 6), (None, 4, 1, 1), (None, 1, 1, 1), [None, None, 5, 1]):
        y = model_of(make(0.5, noise_shape=shape), (4, 5, 6)).forward(x, training=True)
        ones = model_of(make(0.5, noise_shape=shape), (4, 5, 6)).forward(x + 1, training=True)
        slope = ones - y  # that of the affine function of x
        together = tuple(axis for axis, extent in enumerate(shape) if extent == 1)
        assert (np.ptp(slope, axis=together) < 1e-12).all()
        kept = np.abs(slope.min(axis=together)) > 1e-12
        assert abs(kept.mean() - 0.5) < 4.5 * math.sqrt(0.25 / kept.size)


def test_what_is_dropped_is_zero_even_where_it_is_infinite():
    x = np.full((50, 3, 4), np.inf)
    for layer in (nn.layers.Dropout(0.5), nn.layers.SpatialDropout1D(0.5)):
        y = model_of(layer, (3, 4)).forward(x, training=True)
        assert set(np.unique(y)) == {0.0, np.inf}


def test_layers_without_noise_hand_their_inputs_on():
    x = np.random.default_rng(2).standard_normal((5, 3, 4))
    for layer in (nn.layers.GaussianNoise(0), nn.layers.GaussianDropout(0.0), nn.layers.AlphaDropout(0),
                  nn.layers.SpatialDropout1D(0)):  # fmt: skip
        assert np.array_equal(model_of(layer, (3, 4)).forward(x, training=True), x)
    assert not model_of(nn.layers.SpatialDropout1D(1), (3, 4)).forward(x, training=True).any()


def test_two_layers_have_different_numbers():
    x = np.ones((40, 30))
    layers = [nn.layers.GaussianNoise(1.0), nn.layers.GaussianNoise(1.0)]
    noise = nn.Sequential([nn.Input((30,)), *layers], seed=1, dtype="float64").forward(x, training=True) - 1
    alone = model_of(nn.layers.GaussianNoise(1.0), (30,), seed=1).forward(x, training=True) - 1
    second = noise - alone
    assert abs((second * alone).mean()) < 4.5 / math.sqrt(x.size)
    assert abs((second**2).mean() - 1) < 4.5 * math.sqrt(2 / x.size)


def test_noise_before_a_network_trains():
    """Gradients pass through: the weights before the layers change as well."""
    model = nn.Sequential([nn.Input((6, 4)), nn.layers.Dense(5), *(make() for make in LAYERS.values()),
                           nn.layers.Dense(1)], seed=1)  # fmt: skip
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(np.random.default_rng(0).standard_normal((32, 6, 4)), np.zeros((32, 6, 1)), verbose=0)
    assert all((a != b).any() for a, b in zip(model.get_weights(), before, strict=True))


def test_errors():
    for make in (nn.layers.GaussianDropout, nn.layers.AlphaDropout, nn.layers.SpatialDropout1D):
        for rate in (-0.1, 1.1):
            with pytest.raises(ValueError, match=f"{make.__name__}: rate must lie in"):
                make(rate)
    for make in (nn.layers.GaussianDropout, nn.layers.AlphaDropout):
        with pytest.raises(ValueError, match="rate must lie in"):
            make(1.0)
    for deviation in (-0.1, 1.5):
        with pytest.raises(ValueError, match="stddev must lie in"):
            nn.layers.GaussianNoise(deviation)
    for make in (nn.layers.Dropout, nn.layers.AlphaDropout):
        with pytest.raises(ValueError, match="must begin with None"):
            make(0.5, noise_shape=(32, 1, 4))
        with pytest.raises(TypeError, match="sequence of integers"):
            make(0.5, noise_shape="all")
        with pytest.raises(ValueError, match="must be at least 1"):
            make(0.5, noise_shape=(None, 0))
        for noise_shape in ((None, 2), (None, 3, 5), (None, 3, 4, 1)):
            with pytest.raises(ValueError, match="does not fit samples of shape"):
                make(0.5, noise_shape=noise_shape).compute_output_shape((3, 4))
    with pytest.raises(ValueError, match="needs samples of shape"):
        nn.layers.SpatialDropout1D(0.5).compute_output_shape((3, 4, 5))
    with pytest.raises(ValueError, match="needs samples of shape"):
        nn.layers.SpatialDropout2D(0.5).compute_output_shape((3, 4))
    with pytest.raises(ValueError, match="data_format"):
        nn.layers.SpatialDropout2D(0.5, data_format="channels_first")


def test_configurations():
    for make in [*LAYERS.values(), lambda **o: nn.layers.SpatialDropout2D(0.5, **o)]:
        layer = make(seed=7)
        twin = nn.layers.deserialize(nn.layers.serialize(layer))
        assert twin.get_config() == layer.get_config()
        assert twin.seed == 7

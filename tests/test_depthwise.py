"""Depthwise convolutions: values and gradients against NumPy, alone and behind others."""

import numpy as np
import pytest
from image_layers import check_by_differences, check_copies, check_same_bits, rng, through

import nncore as nn
from nncore._windows import output_length, padding_of

OPTIONS = [  # kernel_size, strides, padding, dilation_rate of two axes
    ((3, 3), (1, 1), "valid", (1, 1)),
    ((3, 3), (1, 1), "same", (1, 1)),
    ((3, 3), (2, 2), "same", (1, 1)),
    ((2, 4), (3, 1), "same", (1, 1)),
    ((2, 3), (1, 2), "valid", (3, 1)),
    ((3, 2), (2, 3), "same", (2, 3)),
    ((3, 3), (4, 2), "valid", (2, 2)),
    ((1, 1), (2, 2), "valid", (1, 1)),
    ((7, 9), (1, 1), "same", (1, 1)),
]


def convolved(x, kernel, dy, strides, padding, dilation):
    """y, and the gradients of sum(y dy) for x and the kernel: x padded, one tap at a time."""
    margins, extents = [], []
    for length, window, stride, rate in zip(x.shape[1:3], kernel.shape, strides, dilation, strict=False):
        margins.append(padding_of(length, window, stride, padding, rate))
        extents.append(output_length(length, window, stride, padding, rate))
    wide = np.pad(x, ((0, 0), *margins, (0, 0)))
    channels, multiplier = kernel.shape[2:]
    y = np.zeros((len(x), *extents, channels, multiplier))
    dy = dy.reshape(y.shape)
    d_wide, d_kernel = np.zeros_like(wide), np.zeros_like(kernel)
    for i, j in np.ndindex(kernel.shape[:2]):
        place = tuple(
            slice(k * rate, k * rate + (count - 1) * stride + 1, stride)
            for k, rate, count, stride in zip((i, j), dilation, extents, strides, strict=True)
        )
        seen = wide[:, place[0], place[1], :, None]
        y += seen * kernel[i, j]
        d_kernel[i, j] = (seen * dy).sum(axis=(0, 1, 2))
        d_wide[:, place[0], place[1]] += (kernel[i, j] * dy).sum(axis=-1)
    inside = tuple(slice(before, before + length) for (before, _), length in zip(margins, x.shape[1:3], strict=True))
    return y.reshape(*y.shape[:3], -1), d_wide[:, inside[0], inside[1]], d_kernel


def with_weights(layer, x):
    """`through`, and the layer's gradients; its bias is not zero."""
    _, dy, _ = through(layer, x)
    model = nn.Sequential([nn.Input(x.shape[1:]), layer], dtype=x.dtype.name)
    layer.bias[:] = np.linspace(-1, 1, layer.bias.size)
    y = model.forward(x)
    model.zero_gradients()
    dx = model.backward(dy)
    return y, dy, dx, model.gradients


@pytest.mark.parametrize("multiplier", [1, 3])
@pytest.mark.parametrize("channels", [1, 3, 16])
@pytest.mark.parametrize(("size", "strides", "padding", "dilation"), OPTIONS)
def test_images_against_numpy(size, strides, padding, dilation, channels, multiplier):
    x = rng().standard_normal((3, 7, 9, channels))
    layer = nn.layers.DepthwiseConv2D(size, strides, padding, multiplier, dilation_rate=dilation)
    y, dy, dx, (d_kernel, d_bias) = with_weights(layer, x)
    assert layer.kernel.shape == (*size, channels, multiplier)
    wanted = convolved(x, layer.kernel, dy, strides, padding, dilation)
    # sums of at most 63 terms of order 1, and of 189 for the kernel's gradient: a few hundred units of 2^-53
    for got, value in zip((y - layer.bias, dx, d_kernel), wanted, strict=True):
        np.testing.assert_allclose(got, value, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(d_bias, dy.sum(axis=(0, 1, 2)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("size", "strides", "dilation"), [(3, 1, 1), (4, 2, 1), (2, 1, 5), (3, 3, 2)])
def test_sequences_against_numpy(size, strides, padding, dilation):
    x = rng().standard_normal((4, 17, 5))
    layer = nn.layers.DepthwiseConv1D(size, strides, padding, 2, dilation_rate=dilation)
    y, dy, dx, (d_kernel, _) = with_weights(layer, x)
    wanted = convolved(x[:, None], layer.kernel[None], dy[:, None], (1, strides), padding, (1, dilation))
    for got, value in zip(((y - layer.bias)[:, None], dx[:, None], d_kernel[None]), wanted, strict=True):
        np.testing.assert_allclose(got, value, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("activation", ["relu", "tanh", "softmax"])
@pytest.mark.parametrize(
    "options", [{}, {"strides": 2, "padding": "same"}, {"dilation_rate": 2, "depth_multiplier": 2}], ids=str
)
def test_gradients_by_central_differences(activation, options):
    """Two in a row, of which the second takes the derivative of the first one's ReLU along."""
    check_by_differences(
        [nn.layers.DepthwiseConv2D(2, padding="same", activation=activation, bias_initializer="ones"),
         nn.layers.DepthwiseConv2D(3, activation="tanh", use_bias=False, **options),
         nn.layers.Flatten(), nn.layers.Dense(2)], (6, 7, 2),
    )  # fmt: skip


def test_the_relu_before_is_part_of_the_gradient():
    """The same gradients as behind a ReLU in a layer of its own, to the last bit."""
    x = rng().standard_normal((5, 8, 8, 3))
    results = []
    for fused in (True, False):
        first = [nn.layers.DepthwiseConv2D(3, activation="relu")] if fused else [
            nn.layers.DepthwiseConv2D(3), nn.layers.ReLU()]  # fmt: skip
        model = nn.Sequential([nn.Input(x.shape[1:]), *first, nn.layers.DepthwiseConv2D(2, 2)], dtype="float64", seed=3)
        y = model.forward(x)
        results.append([y, model.backward(rng(9).standard_normal(y.shape)), *model.gradients])
    for fused, apart in zip(*results, strict=True):
        assert np.array_equal(fused, apart)


def test_a_layer_in_two_places_and_one_that_is_not_trained():
    shared = nn.layers.DepthwiseConv2D(3, padding="same")
    x = nn.Input((4, 5, 2))
    model = nn.Model(x, shared(shared(x)), dtype="float64", seed=3)
    values, dy = rng().standard_normal((3, 4, 5, 2)), rng(3).standard_normal((3, 4, 5, 2))
    y = model.forward(values)
    dx = model.backward(dy)
    ones = (1, 1)
    hidden, _, _ = convolved(values, shared.kernel, dy, ones, "same", ones)
    wanted, d_hidden, d_second = convolved(hidden, shared.kernel, dy, ones, "same", ones)
    _, d_x, d_first = convolved(values, shared.kernel, d_hidden, ones, "same", ones)
    for got, value in ((y, wanted), (dx, d_x), (model.gradients[0], d_first + d_second)):
        np.testing.assert_allclose(got, value, rtol=1e-12, atol=1e-12)
    shared.trainable = False
    model = nn.Model(x, shared(x), dtype="float64")
    model.forward(values)
    np.testing.assert_allclose(model.backward(dy), convolved(values, shared.kernel, dy, ones, "same", ones)[1],
                               rtol=1e-12, atol=1e-12)  # fmt: skip
    assert model.gradients == []
    before = shared.get_weights()
    model = nn.Sequential([nn.Input((4, 5, 2)), nn.layers.Dense(2), shared, nn.layers.Dense(2)], dtype="float64")
    model.compile("sgd", "mse")
    model.fit(values, dy, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, shared.get_weights(), strict=True))


def test_penalties_and_constraints():
    layer = nn.layers.DepthwiseConv2D(2, depthwise_regularizer="l2", bias_regularizer="l1",
                                      activity_regularizer="l2", depthwise_constraint="non_neg")  # fmt: skip
    model = nn.Sequential([nn.Input((4, 4, 2)), layer, nn.layers.Flatten(), nn.layers.Dense(1)], seed=3)
    model.compile("sgd", "mse")
    model.fit(rng().standard_normal((20, 4, 4, 2)), rng().standard_normal(20), verbose=0)
    assert (layer.kernel >= 0).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits(dtype, monkeypatch):
    def layers():
        return [nn.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=3, activation="relu"),
                nn.layers.DepthwiseConv2D(3, 2, dilation_rate=(1, 2))]  # fmt: skip

    check_same_bits(layers, (8, 9, 5), monkeypatch, dtype)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.layers.DepthwiseConv1D(3, 2, "same", 2, activation="tanh"), (9, 4)),
        (nn.layers.DepthwiseConv2D((3, 2), dilation_rate=2, use_bias=False, depthwise_regularizer="l2"), (9, 8, 4)),
    ],
)
def test_configurations_and_files(layer, shape, tmp_path):
    check_copies(layer, shape, tmp_path)


def test_errors():
    with pytest.raises(ValueError, match=r"layer 'd' needs samples of shape \(rows, columns, channels\); got \(5, 3\)"):
        nn.layers.DepthwiseConv2D(3, name="d").compute_output_shape((5, 3))
    with pytest.raises(ValueError, match=r"layer 'd': a window of \(3, 3\) with dilation \(1, 3\) does not fit"):
        nn.layers.DepthwiseConv2D(3, dilation_rate=(1, 3), name="d")(nn.Input((4, 6, 1)))
    for make in (nn.layers.DepthwiseConv1D, nn.layers.DepthwiseConv2D):
        for arguments, words in (
            ({"kernel_size": (2, 2, 2)}, "kernel_size must be an integer"),
            ({"strides": 0}, "strides must be at least 1"),
            ({"dilation_rate": "a"}, "dilation_rate must be an integer"),
            ({"depth_multiplier": 0}, "depth_multiplier must be at least 1"),
            ({"padding": "causal"}, "padding must be one of 'valid', 'same', not 'causal'"),
            ({"data_format": "channels_first"}, "does not support the argument 'data_format'"),
        ):
            with pytest.raises(ValueError, match=f"{make.__name__}.*{words}"):
                make(**{"kernel_size": 2, **arguments})
    with pytest.raises(TypeError, match="use_bias must be True or False"):
        nn.layers.DepthwiseConv1D(2, use_bias="no")
    layer = nn.layers.DepthwiseConv1D(2, name="d")
    nn.Sequential([nn.Input((5, 3)), layer])
    with pytest.raises(ValueError, match="layer 'd' is built for samples of shape"):
        nn.Sequential([nn.Input((5, 4)), layer])

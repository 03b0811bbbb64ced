"""UpSampling, ZeroPadding, Cropping: values and gradients against NumPy, in models."""

import numpy as np
import pytest
from image_layers import check_by_differences, check_copies, check_same_bits, rng, through
from reference.resizing import interpolation

import nncore as nn


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("channels", [1, 4, 9])
def test_repeated_steps(size, channels):
    x = rng().standard_normal((4, 5, channels))
    y, dy, dx = through(nn.layers.UpSampling1D(size), x)
    assert np.array_equal(y, np.repeat(x, size, axis=1))
    np.testing.assert_allclose(dx, dy.reshape(4, 5, size, channels).sum(axis=2), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("size", [(2, 2), (1, 3), (4, 1), (1, 1)])
@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 3, 1), (2, 1, 8)])
def test_repeated_pixels(size, shape):
    x = rng().standard_normal((3, *shape))
    y, dy, dx = through(nn.layers.UpSampling2D(size), x)
    assert np.array_equal(y, x.repeat(size[0], axis=1).repeat(size[1], axis=2))
    parts = dy.reshape(3, shape[0], size[0], shape[1], size[1], shape[2])
    np.testing.assert_allclose(dx, parts.sum(axis=(2, 4)), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("size", [(2, 2), (1, 3), (4, 5)])
@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 3, 1), (2, 1, 8)])
def test_interpolated_pixels(size, shape):
    x = rng().standard_normal((3, *shape))
    y, dy, dx = through(nn.layers.UpSampling2D(size, interpolation="bilinear"), x)
    down, across = (interpolation(length, factor) for length, factor in zip(shape, size, strict=False))
    np.testing.assert_allclose(y, np.einsum("oi,pj,rijc->ropc", down, across, x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dx, np.einsum("oi,pj,ropc->rijc", down, across, dy), rtol=1e-12, atol=1e-12)


def test_interpolation_between_two():
    """The quarters of torch.nn.functional.interpolate(mode="bilinear", align_corners=False)."""
    x = np.array([0.0, 8.0]).reshape(1, 1, 2, 1)
    assert nn.layers.UpSampling2D((1, 2), interpolation="bilinear")(x).ravel().tolist() == [0, 2, 6, 8]
    assert np.allclose(nn.layers.UpSampling2D((1, 3), interpolation="bilinear")(x * 3).ravel(), [0, 0, 8, 16, 24, 24])


@pytest.mark.parametrize("padding", [0, 1, (0, 2), ((1, 0), (3, 2))])
@pytest.mark.parametrize("channels", [1, 3, 8])
def test_margins_of_images(padding, channels):
    x = rng().standard_normal((3, 4, 5, channels))
    around = padding if isinstance(padding, tuple) else (padding, padding)
    around = tuple(n if isinstance(n, tuple) else (n, n) for n in around)
    y, dy, dx = through(nn.layers.ZeroPadding2D(padding), x)
    assert np.array_equal(y, np.pad(x, ((0, 0), *around, (0, 0))))
    inside = tuple(slice(before, before + length) for (before, _), length in zip(around, (4, 5), strict=True))
    assert np.array_equal(dx, dy[:, inside[0], inside[1]])
    larger = np.pad(x, ((0, 0), *around, (0, 0)), constant_values=7)
    y, dy, dx = through(nn.layers.Cropping2D(padding), larger)
    assert np.array_equal(y, x)
    assert np.array_equal(dx, np.pad(dy, ((0, 0), *around, (0, 0))))


@pytest.mark.parametrize("padding", [0, 1, (0, 2), (3, 1)])
@pytest.mark.parametrize("channels", [1, 8])
def test_margins_of_sequences(padding, channels):
    x = rng().standard_normal((3, 4, channels))
    around = padding if isinstance(padding, tuple) else (padding, padding)
    y, dy, dx = through(nn.layers.ZeroPadding1D(padding), x)
    assert np.array_equal(y, np.pad(x, ((0, 0), around, (0, 0))))
    assert np.array_equal(dx, dy[:, around[0] : around[0] + 4])
    larger = np.pad(x, ((0, 0), around, (0, 0)), constant_values=7)
    y, dy, dx = through(nn.layers.Cropping1D(padding), larger)
    assert np.array_equal(y, x)
    assert np.array_equal(dx, np.pad(dy, ((0, 0), around, (0, 0))))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_between_layers_with_weights(interpolation):
    check_by_differences(
        [nn.layers.Dense(3, activation="tanh"), nn.layers.UpSampling2D((2, 3), interpolation=interpolation),
         nn.layers.ZeroPadding2D(1), nn.layers.Dense(2, activation="tanh"), nn.layers.Cropping2D(((0, 2), (1, 3))),
         nn.layers.Flatten(), nn.layers.Dense(2)], (3, 2, 2),
    )  # fmt: skip


def test_same_bits(monkeypatch):
    def layers():
        return [nn.layers.Dense(3), nn.layers.UpSampling2D(2), nn.layers.ZeroPadding2D(1), nn.layers.Dense(2),
                nn.layers.Cropping2D(((0, 2), (1, 3))),
                nn.layers.UpSampling2D((1, 3), interpolation="bilinear")]  # fmt: skip

    check_same_bits(layers, (3, 4, 2), monkeypatch)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.layers.UpSampling1D(3), (9, 4)),
        (nn.layers.UpSampling2D(3, interpolation="bilinear"), (3, 2, 4)),
        (nn.layers.ZeroPadding1D((1, 2)), (9, 4)),
        (nn.layers.ZeroPadding2D((1, 2)), (3, 2, 4)),
        (nn.layers.Cropping1D((1, 2)), (9, 4)),
        (nn.layers.Cropping2D(((1, 2), (0, 3))), (5, 4, 4)),
    ],
)
def test_configurations_and_files(layer, shape, tmp_path):
    check_copies(layer, shape, tmp_path)


def test_errors():
    layers = nn.layers
    for make in (layers.UpSampling2D, layers.ZeroPadding2D, layers.Cropping2D):
        with pytest.raises(ValueError, match=r"layer 'r' needs samples of shape \(rows, columns, channels\); got"):
            make(name="r").compute_output_shape((5, 3))
        with pytest.raises(ValueError, match=rf"{make.__name__} does not support the argument 'data_format'"):
            make(data_format="channels_first")
    for make in (layers.UpSampling1D, layers.ZeroPadding1D, layers.Cropping1D):
        with pytest.raises(ValueError, match=r"layer 'r' needs samples of shape \(steps, channels\); got"):
            make(name="r").compute_output_shape((5, 5, 3))
    with pytest.raises(ValueError, match="ZeroPadding1D does not support the argument 'data_format'"):
        layers.ZeroPadding1D(data_format="channels_first")
    with pytest.raises(ValueError, match=r"layer 'r': cropping \(2, 3\) leaves nothing of samples of shape \(5, 2\)"):
        layers.Cropping1D((2, 3), name="r").compute_output_shape((5, 2))
    with pytest.raises(ValueError, match=r"layer 'r': cropping \(\(1, 1\), \(0, 3\)\) leaves nothing"):
        layers.Cropping2D(((1, 1), (0, 3)), name="r")(nn.Input((3, 3, 1)))
    for make, name in ((layers.ZeroPadding2D, "padding"), (layers.Cropping2D, "cropping")):
        for value in ((1, 2, 3), "a", 1.5, ((1, 2, 3), 1)):
            with pytest.raises(ValueError, match=f"{make.__name__}: (each of )?{name} must be an integer"):
                make(value)
        with pytest.raises(ValueError, match=f"{name} must be at least 0, not -1"):
            make(((0, -1), 1))
    with pytest.raises(ValueError, match="ZeroPadding1D: padding must be an integer or 2 of them"):
        layers.ZeroPadding1D((1, 2, 3))
    with pytest.raises(ValueError, match="UpSampling2D: interpolation must be 'nearest' or 'bilinear', not 'bicubic'"):
        layers.UpSampling2D(interpolation="bicubic")
    with pytest.raises(ValueError, match="UpSampling1D: size must be at least 1"):
        layers.UpSampling1D(0)
    with pytest.raises(ValueError, match="UpSampling2D: size must be an integer or 2 of them"):
        layers.UpSampling2D((1, 2, 3))

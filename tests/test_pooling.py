"""Layers that pool: values and gradients, alone and behind others."""

import numpy as np
import pytest
from image_layers import check_by_differences, check_copies, check_same_bits, rng, through

import nncore as nn
from nncore import _engine
from nncore._plan import Builder
from nncore._windows import output_length, padding_of

OPTIONS = [  # pool_size, strides, padding of two axes
    ((2, 2), None, "valid"),
    ((2, 2), None, "same"),
    ((3, 3), (2, 2), "same"),
    ((3, 2), (1, 1), "valid"),
    ((2, 3), (3, 1), "same"),
    ((1, 4), (2, 3), "valid"),
    ((5, 6), None, "valid"),
    ((9, 9), (2, 4), "same"),
]


def windows(x, size, strides, padding):
    """For each output, its elements of x (samples, rows, columns, channels) as a place."""
    spans = []
    for length, window, stride in zip(x.shape[1:3], size, strides or size, strict=True):
        before, _ = padding_of(length, window, stride, padding)
        begins = [o * stride - before for o in range(output_length(length, window, stride, padding))]
        spans.append([slice(max(0, begin), min(length, begin + window)) for begin in begins])
    return {(p, q): (slice(None), down, across) for p, down in enumerate(spans[0]) for q, across in enumerate(spans[1])}


def pooled(kind, x, dy, places):
    """y, and the gradient of sum(y dy)."""
    shape = tuple(max(place[axis] for place in places) + 1 for axis in range(2))
    y, dx = np.zeros((len(x), *shape, x.shape[-1])), np.zeros_like(x)
    for (p, q), place in places.items():
        part = x[place].reshape(len(x), -1, x.shape[-1])
        if kind == "mean":
            y[:, p, q] = part.mean(axis=1)
            share = np.full(part.shape, 1 / part.shape[1])
        else:
            y[:, p, q] = part.max(axis=1)
            share = np.arange(part.shape[1])[:, None] == part.argmax(axis=1)[:, None]  # the first largest
        if dy is not None:
            dx[place] += (share * dy[:, p, q][:, None]).reshape(x[place].shape)
    return y, dx


def coarse(shape):
    """Numbers of which many are equal."""
    return rng().integers(-2, 3, shape).astype(np.float64)


LAYERS = {"max": (nn.layers.MaxPooling1D, nn.layers.MaxPooling2D),
          "mean": (nn.layers.AveragePooling1D, nn.layers.AveragePooling2D)}  # fmt: skip


@pytest.mark.parametrize("channels", [1, 3, 6, 16])
@pytest.mark.parametrize(("size", "strides", "padding"), OPTIONS)
@pytest.mark.parametrize("kind", LAYERS)
def test_images_against_numpy(kind, size, strides, padding, channels):
    x = coarse((4, 7, 8, channels))
    if padding == "same" or np.all(np.less_equal(size, x.shape[1:3])):
        y, dy, dx = through(LAYERS[kind][1](size, strides, padding), x)
        wanted, gradient = pooled(kind, x, dy, windows(x, size, strides, padding))
        np.testing.assert_allclose(y, wanted, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(dx, gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("size", "strides", "padding"), [(2, None, "valid"), (3, 2, "same"), (4, 1, "same"), (3, 5, "valid")]
)
@pytest.mark.parametrize("channels", [1, 2, 9])
@pytest.mark.parametrize("kind", LAYERS)
def test_sequences_against_numpy(kind, size, strides, padding, channels):
    x = coarse((4, 23, channels))
    y, dy, dx = through(LAYERS[kind][0](size, strides, padding), x)
    places = windows(x[:, None], (1, size), (1, strides or size), padding)
    wanted, gradient = pooled(kind, x[:, None], dy[:, None], places)
    np.testing.assert_allclose(y, wanted[:, 0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dx, gradient[:, 0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(
    ("make", "kind", "axes"),
    [
        (nn.layers.GlobalMaxPooling1D, "max", 1),
        (nn.layers.GlobalMaxPooling2D, "max", 2),
        (nn.layers.GlobalAveragePooling1D, "mean", 1),
        (nn.layers.GlobalAveragePooling2D, "mean", 2),
    ],
)
def test_whole_samples_against_numpy(make, kind, axes, keepdims):
    x = coarse((4, *(5, 6)[:axes], 7))
    y, dy, dx = through(make(keepdims=keepdims), x)
    assert y.shape == (4, *(1,) * (axes * keepdims), 7)
    image = x.reshape(4, -1, 1, 7)
    wanted, gradient = pooled(kind, image, dy.reshape(4, 1, 1, 7), {(0, 0): (slice(None),) * 3})
    np.testing.assert_allclose(y.reshape(4, 7), wanted[:, 0, 0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dx, gradient.reshape(x.shape), rtol=1e-12, atol=1e-12)


def test_a_mask_leaves_steps_out():
    rows, steps, features = 5, 6, 3
    x, dy = rng().standard_normal((rows, steps, features)), rng().standard_normal((rows, features))
    mask = np.tril(np.ones((rows, steps)))
    x[mask == 0] = np.nan
    builder = Builder("float64", rows, backward=True, split=True)
    type_number = _engine.SOURCE_TYPES.index(np.dtype("float64"))

    def gather(add, source, target, width):
        add("gather_rows", source=np.ascontiguousarray(source), y=target, type=type_number, features=width,
            source_stride_bytes=width * 8, y_stride=target.stride)  # fmt: skip

    value, value.mask = builder.value((steps, features), True), builder.value((steps,), False)
    gather(builder.forward, x, value.buffer, value.width)
    gather(builder.forward, mask, value.mask.buffer, steps)
    got, dx = np.zeros((rows, features)), np.zeros_like(x)

    def store(add, source, target):
        add("store_rows", x=source, target=target, features=target[0].size, x_stride=source.stride,
            target_stride=target[0].size)  # fmt: skip

    builder.on_backward(lambda: store(builder.backward_step, value.gradient, dx))
    y = nn.layers.GlobalAveragePooling1D().emit(builder, value)
    store(builder.forward, y.buffer, got)
    builder.on_backward(lambda: gather(builder.backward_step, dy, builder.gradient_target(y)[0], features))
    builder.finish()
    builder.plan.run(rows)
    counts = np.arange(1, rows + 1)[:, None]
    np.testing.assert_allclose(got, np.nansum(x, axis=1) / counts, rtol=1e-12)
    np.testing.assert_allclose(dx, mask[:, :, None] * (dy / counts)[:, None], rtol=1e-15)


def test_the_first_of_equal_elements_has_the_gradient():
    """As with PyTorch and with Keras over JAX: row by row."""
    model = nn.Sequential([nn.Input((2, 4, 1)), nn.layers.MaxPooling2D()])
    model.forward(np.array([[1, 3, 0, 0], [3, 3, -0.0, 0]], np.float32).reshape(1, 2, 4, 1))
    dx = model.backward(np.array([5, 7], np.float32).reshape(1, 1, 2, 1))
    assert dx.reshape(2, 4).tolist() == [[0, 5, 7, 0], [0, 0, 0, 0]]


def test_nan_and_infinities():
    x = np.array([1, np.nan, np.nan, 2, -np.inf, -np.inf, np.inf, 3], np.float32).reshape(1, 8, 1)
    assert np.array_equal(nn.layers.MaxPooling1D(2)(x).ravel(), [np.nan, np.nan, -np.inf, np.inf], equal_nan=True)
    assert np.array_equal(nn.layers.AveragePooling1D(2)(x).ravel(), [np.nan, np.nan, -np.inf, np.inf], equal_nan=True)
    assert np.array_equal(nn.layers.MaxPooling1D(8)(x).ravel(), [np.nan], equal_nan=True)


class Noted(nn.layers.DepthwiseConv2D):
    """Keeps the Value of its output."""

    def emit(self, builder, x):
        self.output_value = super().emit(builder, x)
        return self.output_value


@pytest.mark.parametrize("pooling", [lambda: nn.layers.MaxPooling2D(2), lambda: nn.layers.MaxPooling2D(3, 2),
                                     nn.layers.GlobalMaxPooling2D])  # fmt: skip
def test_the_relu_before_is_part_of_the_gradient(pooling):
    """The same gradients as behind a ReLU in a layer of its own, to the last bit."""
    x = rng().standard_normal((5, 8, 8, 3))
    results = []
    for fused in (True, False):
        conv = Noted(3, activation="relu" if fused else None, depth_multiplier=2)
        layers = [conv, pooling()] if fused else [conv, nn.layers.ReLU(), pooling()]
        model = nn.Sequential([nn.Input(x.shape[1:]), *layers], dtype="float64", seed=3)
        y = model.forward(x)
        dx = model.backward(rng(9).standard_normal(y.shape))
        assert conv.output_value.gated == fused
        results.append([y, dx, *model.gradients])
    for fused, apart in zip(*results, strict=True):
        assert np.array_equal(fused, apart)


@pytest.mark.parametrize("layer", [nn.layers.MaxPooling2D(), nn.layers.DepthwiseConv2D(2)])
def test_a_relu_with_two_users_keeps_its_derivative(layer):
    x = nn.Input((6, 6, 2))
    conv = Noted(3, activation="relu")
    hidden = conv(x)
    flat = [nn.layers.Flatten()(user(hidden)) for user in (layer, nn.layers.AveragePooling2D(2))]
    model = nn.Model(x, nn.layers.Concatenate()(flat), dtype="float64", seed=3)
    values = rng().standard_normal((2, 6, 6, 2))
    dy = rng(4).standard_normal(model.forward(values).shape)
    dx = model.backward(dy)
    assert not conv.output_value.gated
    wanted = np.zeros_like(dx)
    for place in np.ndindex(values.shape):
        sums = []
        for step in (1e-6, -1e-6):
            moved = values.copy()
            moved[place] += step
            sums.append((model.forward(moved) * dy).sum())
        wanted[place] = (sums[0] - sums[1]) / 2e-6
    np.testing.assert_allclose(dx, wanted, rtol=5e-6, atol=5e-6)


@pytest.mark.parametrize(
    "layer",
    [nn.layers.MaxPooling2D((2, 3), 2, "same"), nn.layers.AveragePooling2D(3, 2, "same"),
     nn.layers.GlobalAveragePooling2D(keepdims=True), nn.layers.GlobalMaxPooling2D(keepdims=True)],
)  # fmt: skip
def test_gradients_by_central_differences(layer):
    check_by_differences(
        [nn.layers.Dense(3, activation="tanh"), layer, nn.layers.Flatten(), nn.layers.Dense(2)], (5, 6, 2)
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits(dtype, monkeypatch):
    def layers():
        return [nn.layers.Dense(6, activation="relu"), nn.layers.MaxPooling2D(3, 2, "same"),
                nn.layers.Dense(1), nn.layers.AveragePooling2D(2, 1), nn.layers.MaxPooling2D(2, 1)]  # fmt: skip

    check_same_bits(layers, (9, 8, 2), monkeypatch, dtype)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.layers.MaxPooling1D(3, 2, "same"), (9, 4)),
        (nn.layers.MaxPooling2D((3, 2)), (9, 8, 4)),
        (nn.layers.AveragePooling1D(3), (9, 4)),
        (nn.layers.AveragePooling2D(2, (1, 2)), (9, 8, 4)),
        (nn.layers.GlobalMaxPooling1D(keepdims=True), (9, 4)),
        (nn.layers.GlobalMaxPooling2D(), (9, 8, 4)),
        (nn.layers.GlobalAveragePooling1D(), (9, 4)),
        (nn.layers.GlobalAveragePooling2D(keepdims=True), (9, 8, 4)),
    ],
)
def test_configurations_and_files(layer, shape, tmp_path):
    check_copies(layer, shape, tmp_path)


def test_names_of_keras():
    for short, long in (("MaxPool", "MaxPooling"), ("AvgPool", "AveragePooling")):
        for axes in ("1D", "2D"):
            assert getattr(nn.layers, short + axes) is getattr(nn.layers, long + axes)
            assert getattr(nn.layers, f"Global{short}{axes}") is getattr(nn.layers, f"Global{long}{axes}")
    assert nn.layers.deserialize({"class_name": "MaxPool2D", "config": {}}).pool_size == (2, 2)


def test_errors():
    with pytest.raises(ValueError, match=r"layer 'p' needs samples of shape \(rows, columns, channels\); got \(5, 3\)"):
        nn.layers.MaxPooling2D(name="p").compute_output_shape((5, 3))
    with pytest.raises(ValueError, match=r"layer 'p' needs samples of shape \(steps, channels\)"):
        nn.layers.GlobalAveragePooling1D(name="p").compute_output_shape((5, 5, 3))
    with pytest.raises(ValueError, match=r"layer 'p': a window of \(3, 3\) does not fit into samples of shape"):
        nn.layers.AveragePooling2D(3, name="p")(nn.Input((2, 5, 1)))
    for make in (nn.layers.MaxPooling1D, nn.layers.AveragePooling2D):
        with pytest.raises(ValueError, match=rf"{make.__name__}: pool_size must be an integer"):
            make((2, 2, 2))
        with pytest.raises(ValueError, match=rf"{make.__name__}: strides must be an integer"):
            make(2, "ab")
        with pytest.raises(ValueError, match="strides must be at least 1"):
            make(2, 0)
        with pytest.raises(ValueError, match=rf"{make.__name__}: padding must be one of 'valid', 'same', not 'causal'"):
            make(2, padding="causal")
        with pytest.raises(ValueError, match=rf"{make.__name__} does not support the argument 'data_format'"):
            make(2, data_format="channels_first")
    with pytest.raises(ValueError, match="GlobalMaxPooling2D does not support the argument 'data_format'"):
        nn.layers.GlobalMaxPooling2D("channels_first")
    with pytest.raises(TypeError, match="keepdims must be True or False"):
        nn.layers.GlobalMaxPooling1D(keepdims="no")

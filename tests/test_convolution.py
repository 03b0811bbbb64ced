"""Convolutions and transposed convolutions against plain NumPy, central differences, and themselves."""

import itertools

import numpy as np
import pytest

import nncore as nn
from nncore import _engine

LAYERS = nn.layers


def rng():
    return np.random.default_rng(5)


def padded(length, window, stride, padding, dilation):
    """(outputs, zeros before, zeros after) along an axis."""
    wide = (window - 1) * dilation + 1
    if padding == "valid":
        return (length - wide) // stride + 1, 0, 0
    outputs = -(-length // stride)
    total = max(0, (outputs - 1) * stride + wide - length)
    before = total if padding == "causal" else total // 2
    return outputs, before, total - before


def convolved(x, w, b, strides, padding, dilation, groups=1):
    """The convolution of images by its definition."""
    axes = [padded(*each[:3], padding, each[3]) for each in zip(x.shape[1:3], w.shape, strides, dilation, strict=False)]
    x = np.pad(x, ((0, 0), *((before, after) for _, before, after in axes), (0, 0)))
    y = np.zeros((len(x), axes[0][0], axes[1][0], w.shape[3]))
    channels, units = w.shape[2], w.shape[3] // groups
    for i, j in itertools.product(range(y.shape[1]), range(y.shape[2])):
        rows = i * strides[0] + np.arange(w.shape[0]) * dilation[0]
        columns = j * strides[1] + np.arange(w.shape[1]) * dilation[1]
        window = x[:, rows[:, None], columns]
        for g in range(groups):
            taken = slice(g * units, (g + 1) * units)
            y[:, i, j, taken] = np.einsum("bklc,klco->bo", window[..., g * channels : (g + 1) * channels],
                                          w[..., taken])  # fmt: skip
    return y + b


IMAGES = [(9, 7), (12, 5), (6, 13), (3, 3)]
KERNELS = [(3, 3), (1, 1), (2, 5), (5, 1), (3, 2)]
STRIDES = [(1, 1), (2, 2), (1, 3), (3, 2), (4, 4)]
DILATIONS = [(1, 1), (2, 1), (2, 2), (1, 3)]
FILTERS = [(1, 6, 1), (3, 4, 1), (4, 18, 1), (4, 6, 2), (6, 6, 6)]  # channels, filters, groups


def geometries(count):
    """Some of all combinations, no two of the same kind: image, kernel, strides, dilation, filters, padding."""
    lists = [IMAGES, KERNELS, STRIDES, DILATIONS, FILTERS, ["valid", "same"]]
    every = list(itertools.product(*lists))
    fitting = [
        case
        for case in every
        if case[5] == "same" or all((k - 1) * d < n for n, k, d in zip(case[0], case[1], case[3], strict=True))
    ]
    chosen = np.random.default_rng(1).permutation(len(fitting))[:count]
    return [fitting[number] for number in chosen]


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-5)])
def test_forward_and_gradients(dtype, tolerance):
    """Outputs by definition; gradients by the bilinear form: what a direction does to y is what dx and dW say."""
    random = rng()
    for image, kernel, strides, dilation, (channels, filters, groups), padding in geometries(150):
        layer = LAYERS.Conv2D(filters, kernel, strides, padding, dilation_rate=dilation, groups=groups,
                              bias_initializer="random_normal")  # fmt: skip
        model = nn.Sequential([nn.Input((*image, channels)), layer], dtype=dtype)
        x = random.standard_normal((11, *image, channels))
        w, b = (weight.astype(np.float64) for weight in layer.weights)
        y = model.forward(x, training=True)
        expected = convolved(x, w, b, strides, padding, dilation, groups)
        where = (image, kernel, strides, dilation, channels, filters, groups, padding)
        assert y.shape == expected.shape, where
        np.testing.assert_allclose(y, expected, rtol=0, atol=tolerance * w[..., 0].size, err_msg=str(where))
        dy = random.standard_normal(y.shape)
        dx = model.backward(dy)
        for place, gradient in enumerate((dx, *model.gradients)):
            direction = random.standard_normal(gradient.shape)
            arguments = [x, w, 0.0]
            arguments[place] = direction
            moved = convolved(*arguments, strides, padding, dilation, groups)
            if place == 2:
                moved = np.broadcast_to(direction, y.shape)
            size = np.sqrt((moved**2).sum() * (dy**2).sum())
            assert abs((gradient * direction).sum() - (moved * dy).sum()) < tolerance * 20 * size, where


def test_each_element_of_the_gradients():
    for strides, padding, dilation, groups in [((1, 1), "valid", (1, 1), 1), ((2, 1), "same", (1, 1), 2),
                                               ((1, 1), "same", (1, 2), 1), ((3, 3), "valid", (1, 1), 1)]:  # fmt: skip
        x = rng().standard_normal((2, 6, 5, 4))
        model = nn.Sequential([nn.Input((6, 5, 4)),
                               LAYERS.Conv2D(4, (2, 2), strides, padding, dilation_rate=dilation, groups=groups)],
                              dtype="float64")  # fmt: skip
        y = model.forward(x, training=True)
        dy = rng().standard_normal(y.shape)
        dx = model.backward(dy)
        for array, gradient in ((x, dx), (model.weights[0], model.gradients[0])):
            for place in np.ndindex(array.shape):
                held, values = array[place], []
                for step in (1e-5, -1e-5):
                    array[place] = held + step
                    values.append((model.predict(x) * dy).sum())
                array[place] = held
                assert abs((values[0] - values[1]) / 2e-5 - gradient[place]) < 1e-7 * (1 + abs(gradient[place]))


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
def test_steps_are_images_of_one_row(padding):
    random = rng()
    for window, stride, dilation, groups in [(3, 1, 1, 1), (2, 2, 1, 2), (4, 1, 2, 1), (1, 3, 1, 1)]:
        layer = LAYERS.Conv1D(6, window, stride, padding, dilation_rate=dilation, groups=groups)
        model = nn.Sequential([nn.Input((13, 4)), layer], dtype="float64")
        x = random.standard_normal((5, 13, 4))
        w, b = layer.weights
        _, before, after = padded(13, window, stride, padding, dilation)
        wide = np.pad(x, ((0, 0), (before, after), (0, 0)))[:, None]
        expected = convolved(wide, w[None], b, (1, stride), "valid", (1, dilation), groups)[:, 0]
        np.testing.assert_allclose(model.predict(x), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("rank", [1, 2])
def test_transposed_is_the_gradient_of_a_convolution(rank):
    """With a convolution's kernel and padding "valid", y is what the convolution sends back to its inputs."""
    random = rng()
    for window, stride, dilation in [(3, 1, 1), (3, 2, 1), (2, 3, 1), (3, 1, 2), (1, 1, 1), (4, 4, 1)]:
        name = f"Conv{rank}D"
        steps = (5, 4)[:rank]
        forward = getattr(LAYERS, f"{name}Transpose")(3, window, stride, dilation_rate=dilation)
        model = nn.Sequential([nn.Input((*steps, 2)), forward], dtype="float64")
        back = getattr(LAYERS, name)(2, window, stride, dilation_rate=dilation, use_bias=False)
        other = nn.Sequential([nn.Input((*forward.output_shape[:-1], 3)), back], dtype="float64")
        back.set_weights([forward.kernel])
        x = random.standard_normal((7, *steps, 2))
        other.forward(random.standard_normal((7, *forward.output_shape)), training=True)
        np.testing.assert_allclose(model.predict(x), other.backward(x), rtol=0, atol=1e-13)
        y = model.forward(x, training=True)
        dy = random.standard_normal(y.shape)
        dx = model.backward(dy)
        np.testing.assert_allclose(dx, other.predict(dy), rtol=0, atol=1e-13)
        direction = random.standard_normal(forward.kernel.shape)
        forward.kernel[...] += direction
        np.testing.assert_allclose(((model.predict(x) - y) * dy).sum(), (model.gradients[0] * direction).sum(),
                                   rtol=1e-10)  # fmt: skip


def network(dtype="float32", seed=3, size=10):
    """Every kind of convolution, with and without a ReLU of its own, with users beside each other."""
    x = nn.Input((size, size, 2))
    a = LAYERS.Conv2D(6, 3, activation="relu", padding="same")(x)
    b = LAYERS.Conv2D(6, 3, activation="tanh", padding="same", strides=1, dilation_rate=2)(a)
    c = LAYERS.Conv2D(6, 1, activation="relu")(a) + b
    d = LAYERS.Conv2D(8, (3, 2), strides=2, groups=2, activation="relu", kernel_regularizer="l2")(c)
    e = LAYERS.Conv2DTranspose(4, 3, strides=2, activation="relu")(d)
    f = LAYERS.Flatten()(LAYERS.Conv2D(3, 2, activation="relu")(e))
    return nn.Model(x, LAYERS.Dense(2)(f), dtype=dtype, seed=seed)


def data(rows, size=10):
    random = rng()
    return random.standard_normal((rows, size, size, 2)), random.standard_normal((rows, 2))


def test_gradients_of_a_network_by_central_differences():
    model = network("float64")
    model.compile("sgd", "mse")
    x, y = data(9)
    random = rng()
    for variable in model.trainable_variables:  # biases, too: pixels where all is zero must not be at the ReLU's kink
        variable += 0.1 * random.standard_normal(variable.shape)
    _, gradients = model.value_and_gradients(x, y)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        direction = random.standard_normal(variable.shape)
        held, values = variable.copy(), []
        for step in (1e-7, -1e-7):  # so small that no ReLU changes sides
            variable[...] = held + step * direction
            values.append(model.evaluate(x, y, verbose=0))
        variable[...] = held
        want = (values[0] - values[1]) / 2e-7
        assert abs((gradient * direction).sum() - want) < 1e-6 * (1 + abs(want))


@pytest.mark.parametrize(("batch", "rows"), [(7, 40), (1, 5), (64, 100)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_do_not_show(dtype, batch, rows, monkeypatch):
    monkeypatch.setattr("nncore._plan.FLOPS_PER_THREAD", 1)
    x, y = data(rows)

    def weights(threads, in_turn=False):
        model = network(dtype)
        model.compile(nn.optimizers.Adam(0.01), "mse")
        with nn.config.threads(threads):
            if in_turn:
                for begin in range(0, rows, batch):
                    model.train_on_batch(x[begin : begin + batch], y[begin : begin + batch])
            else:
                model.fit(x, y, batch_size=batch, shuffle=False, verbose=0)
        return model.get_weights()

    _engine.set_pacing(False)
    try:
        alone = weights(1)
        assert all(np.isfinite(w).all() for w in alone)
        for others in (weights(2), weights(3), weights(2, in_turn=True)):
            assert all((w == other).all() for w, other in zip(alone, others, strict=True))
    finally:
        _engine.set_pacing(True)


def test_a_large_minibatchs_plan_and_a_small_ones_give_the_same_bits():
    """The parts that gradients come in do not depend on the rows that a plan has room for."""
    x, y = data(50)
    weights = []
    for first in (50, 13):
        model = network()
        model.compile("sgd", "mse")
        model.evaluate(x[:first], y[:first], batch_size=first, verbose=0)
        model.fit(x[:13], y[:13], batch_size=first, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    assert all((a == b).all() for a, b in zip(*weights, strict=True))


def test_large_kernels_have_larger_parts(monkeypatch):
    monkeypatch.setattr("nncore._convolution.LARGE_KERNEL_ELEMENTS", 20)
    test_gradients_of_a_network_by_central_differences()
    test_threads_do_not_show("float32", 64, 100, monkeypatch)


def test_a_band_larger_than_the_threads_own_memory():
    """Rows of 5,000 pixels with 16 channels: three of them are more than a thread has unless a plan asks for it."""
    x = rng().standard_normal((2, 4, 5000, 16)).astype(np.float32)
    layer = LAYERS.Conv2D(3, 3, padding="same")
    y = nn.Sequential([nn.Input(x.shape[1:]), layer]).predict(x)
    w, b = (weight.astype(np.float64) for weight in layer.weights)
    np.testing.assert_allclose(y[:, :, -40:], convolved(x[:, :, -50:], w, b, (1, 1), "same", (1, 1))[:, :, -40:],
                               rtol=0, atol=1e-4)  # fmt: skip


def test_saved_and_configured(tmp_path):
    x, _ = data(4)
    model = network()
    model.save(tmp_path / "model.safetensors")
    again = nn.models.load_model(tmp_path / "model.safetensors")
    assert (again.predict(x) == model.predict(x)).all()
    for layer in model.layers:
        config = layer.get_config()
        assert LAYERS.deserialize(LAYERS.serialize(layer)).get_config() == config


def test_a_frozen_convolution_passes_gradients_on():
    x, y = data(6)
    model = network()
    model.layers[2].trainable = False
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(x, y, verbose=0)
    changed = [not (a == b).all() for a, b in zip(before, model.get_weights(), strict=True)]
    frozen = {id(w) for w in model.layers[2].weights}
    assert changed == [id(w) not in frozen for w in model.weights]


def test_what_is_refused():
    for arguments, text in [
        ({"filters": 0}, "filters"),
        ({"filters": 5, "groups": 2}, "multiple of groups"),
        ({"kernel_size": 0}, "kernel_size"),
        ({"kernel_size": (1, 2, 3)}, "kernel_size"),
        ({"strides": 0}, "strides"),
        ({"dilation_rate": -1}, "dilation_rate"),
        ({"padding": "full"}, "padding"),
        ({"padding": "causal"}, "padding"),
        ({"data_format": "channels_first"}, "data_format"),
        ({"color": 1}, "color"),
    ]:
        with pytest.raises((ValueError, TypeError), match=text):
            LAYERS.Conv2D(**{"filters": 4, "kernel_size": 3, **arguments})
    with pytest.raises(ValueError, match=r"c7.*does not fit"):
        LAYERS.Conv2D(4, 5, name="c7")(nn.Input((4, 9, 1)))
    with pytest.raises(ValueError, match=r"c8.*2 groups; got 3"):
        LAYERS.Conv2D(4, 3, groups=2, name="c8")(nn.Input((4, 9, 3)))
    with pytest.raises(ValueError, match=r"c9.*rows, columns, channels"):
        LAYERS.Conv2D(4, 3, name="c9")(nn.Input((4, 9)))
    with pytest.raises(ValueError, match="output_padding"):
        LAYERS.Conv2DTranspose(4, 3, strides=2, output_padding=2)
    with pytest.raises(ValueError, match="both be larger"):
        LAYERS.Conv2DTranspose(4, 3, strides=2, dilation_rate=2)

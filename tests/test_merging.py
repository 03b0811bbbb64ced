"""Layers of several inputs, in plans made by hand: values, gradients, shapes."""

import functools
import math

import numpy as np
import pytest

import nncore as nn
from nncore import _engine
from nncore._plan import Builder
from nncore.layers import merging
from nncore.layers.layer import WeightMaker

ROWS = 5


def rng():
    return np.random.default_rng(8)


def run(layer, inputs, dy=None):
    """The layer's output for arrays (rows, ...), and the gradient of sum(y dy) for each."""
    rows, dtype = len(inputs[0]), inputs[0].dtype
    builder = Builder(dtype, rows, backward=True, split=True)
    values, gradients = [], [np.zeros_like(x) for x in inputs]
    type_number = _engine.SOURCE_TYPES.index(dtype)

    def gather(add, source, target, width):
        add("gather_rows", source=np.ascontiguousarray(source), y=target, type=type_number, features=width,
            source_stride_bytes=width * dtype.itemsize, y_stride=target.stride)  # fmt: skip

    def store(add, source, target, width):
        add("store_rows", x=source, target=target, features=width, x_stride=source.stride, target_stride=width)

    for x in inputs:
        values.append(builder.value(x.shape[1:], True))
        gather(builder.forward, x, values[-1].buffer, values[-1].width)

    def store_gradients():
        for value, gradient in zip(values, gradients, strict=True):
            store(builder.backward_step, value.gradient, gradient, value.width)

    builder.on_backward(store_gradients)
    shapes = [value.shape for value in values]
    y = layer.emit(builder, *values)
    assert y.shape == layer.compute_output_shape(shapes)
    output = np.zeros((rows, *y.shape), dtype)
    store(builder.forward, y.buffer, output, y.width)
    dy = np.ones_like(output) if dy is None else dy
    builder.on_backward(lambda: gather(builder.backward_step, dy, builder.gradient_target(y)[0], y.width))
    builder.finish()
    builder.plan.run(rows)
    return output, gradients


def differences(function, inputs, dy, step):
    """Central differences of sum(function(inputs) dy), for every element of every input."""
    slopes = []
    for x in inputs:
        slope = np.zeros_like(x)
        for place in np.ndindex(x.shape):
            kept = x[place]
            x[place] = kept + step
            above = (function(*inputs) * dy).sum()
            x[place] = kept - step
            slope[place] = (above - (function(*inputs) * dy).sum()) / (2 * step)
            x[place] = kept
        slopes.append(slope)
    return slopes


def aligned(inputs):
    """Arrays of as many axes, ones put in behind the samples: as Keras makes ranks equal."""
    axes = max(x.ndim for x in inputs)
    return [x.reshape(len(x), *(1,) * (axes - x.ndim), *x.shape[1:]) for x in inputs]


def in_turn(operation):
    return lambda *inputs: functools.reduce(operation, aligned(inputs))


ELEMENTWISE = {
    "Add": (nn.layers.Add, in_turn(np.add)),
    "Subtract": (nn.layers.Subtract, in_turn(np.subtract)),
    "Average": (nn.layers.Average, lambda *inputs: in_turn(np.add)(*inputs) / len(inputs)),
    "Multiply": (nn.layers.Multiply, in_turn(np.multiply)),
    "Maximum": (nn.layers.Maximum, in_turn(np.maximum)),
    "Minimum": (nn.layers.Minimum, in_turn(np.minimum)),
}
SHAPES = [
    [(7,), (7,)],
    [(3, 4), (3, 4), (3, 4)],
    [(1, 4), (6, 4)],
    [(6, 1), (6, 9)],
    [(4,), (3, 4)],
    [(4, 1), (1, 5)],
    [(2, 3, 1, 5), (3, 4, 1)],
    [(1,), (2, 2, 2)],
    [(1, 4), (4,)],
    [(17,)],
]


def check(layer, function, inputs, multilinear=True):
    """Values to 1e-13 and gradients of double; multilinear functions have the differences of any step for gradients."""
    dy = rng().standard_normal(function(*inputs).shape)
    y, gradients = run(layer, inputs, dy)
    np.testing.assert_allclose(y, function(*inputs), rtol=1e-13, atol=1e-13)
    step, tolerance = (0.5, 1e-12) if multilinear else (1e-6, 5e-6)
    for got, wanted in zip(gradients, differences(function, inputs, dy, step), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)
    # float32 takes the same way, less exactly: every function here is one of a few hundred terms of order 1
    single, slopes = run(layer, [x.astype(np.float32) for x in inputs], dy.astype(np.float32))
    np.testing.assert_allclose(single, y, rtol=2e-5, atol=2e-5)
    for got, wanted in zip(slopes, gradients, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=5e-5, atol=5e-5)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [(name, shapes) for name in ELEMENTWISE for shapes in SHAPES if name != "Subtract" or len(shapes) == 2],
    ids=str,
)
def test_element_by_element(name, shapes):
    make, function = ELEMENTWISE[name]
    inputs = [rng().standard_normal((ROWS, *shape)) + number for number, shape in enumerate(shapes)]
    check(make(), function, inputs, multilinear=name not in ("Maximum", "Minimum"))


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_one_tensor_twice(name):
    """Both uses of a tensor send a gradient; where the tensor meets itself, they share it."""
    make, _ = ELEMENTWISE[name]

    class Twice:
        def __init__(self):
            self.layer = make()

        def compute_output_shape(self, shapes):
            return self.layer.compute_output_shape(shapes * 2)

        def emit(self, builder, x):
            return self.layer.emit(builder, x, x)

    x, dy = rng().standard_normal((ROWS, 6)), rng().standard_normal((ROWS, 6))
    y, (dx,) = run(Twice(), [x], dy)
    wanted = {"Add": (2 * x, 2 * dy), "Subtract": (0 * x, 0 * dy), "Multiply": (x * x, 2 * x * dy)}
    value, slope = wanted.get(name, (x, dy))
    np.testing.assert_allclose(y, value, rtol=1e-15)
    np.testing.assert_allclose(dx, slope, rtol=1e-15)


def test_equal_elements_share_the_gradient_in_halves():
    """Values of torch.maximum and jax.numpy.maximum."""
    a, b = np.array([[1.0, 2.0, 3.0, 0.0]]), np.array([[1.0, 3.0, 2.0, -0.0]])
    _, gradients = run(nn.layers.Maximum(), [a, b])
    assert [g.tolist() for g in gradients] == [[[0.5, 0.0, 1.0, 0.5]], [[0.5, 1.0, 0.0, 0.5]]]
    _, gradients = run(nn.layers.Minimum(), [a, b])
    assert [g.tolist() for g in gradients] == [[[0.5, 1.0, 0.0, 0.5]], [[0.5, 0.0, 1.0, 0.5]]]
    _, gradients = run(nn.layers.Maximum(), [a, a, a])
    assert [g[0, 0] for g in gradients] == [0.25, 0.25, 0.5]


def test_extremes_of_nan_are_nan():
    a, b = np.array([[np.nan, 1.0, np.inf, -np.inf]]), np.array([[1.0, np.nan, 2.0, 2.0]])
    for layer, wanted in ((nn.layers.Maximum(), [np.inf, 2.0]), (nn.layers.Minimum(), [2.0, -np.inf])):
        y, _ = run(layer, [a, b])
        assert np.isnan(y[0, :2]).all()
        assert y[0, 2:].tolist() == wanted


@pytest.mark.parametrize(
    ("shapes", "axis"),
    [
        ([(3,), (5,)], -1),
        ([(3,), (5,), (1,)], 1),
        ([(2, 3), (2, 4)], -1),
        ([(2, 3), (5, 3), (1, 3)], 1),
        ([(2, 3), (5, 3)], -2),
        ([(2, 3, 4), (2, 1, 4), (2, 2, 4)], 2),
        ([(2, 3, 4), (2, 3, 9)], 3),
        ([(6, 2)], 1),
    ],
)
def test_concatenate(shapes, axis):
    inputs = [rng().standard_normal((ROWS, *shape)) for shape in shapes]
    check(nn.layers.Concatenate(axis=axis), lambda *x: np.concatenate(x, axis=axis), inputs)


def dot_of(axes, normalize):
    """Keras's Dot in NumPy."""

    def function(x, y):
        first, second = (axes, axes) if isinstance(axes, int) else axes
        x, y = np.moveaxis(x, first, -1), np.moveaxis(y, second, -1)
        if normalize:
            x, y = (v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-7) for v in (x, y))
        rows, others = len(x), (*x.shape[1:-1], *y.shape[1:-1])
        product = np.einsum("rik,rjk->rij", x.reshape(rows, -1, x.shape[-1]), y.reshape(rows, -1, y.shape[-1]))
        return product.reshape(rows, *(others or (1,)))

    return function


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(
    ("shapes", "axes"),
    [
        ([(7,), (7,)], 1),
        ([(1,), (1,)], 1),
        ([(3, 5), (4, 5)], 2),
        ([(3, 5), (4, 5)], -1),
        ([(5, 3), (5, 4)], 1),
        ([(3, 5), (5, 9)], (2, 1)),
        ([(5, 3), (4, 5)], (1, 2)),
        ([(5, 3), (4, 5)], (-2, -1)),
        ([(5,), (4, 5)], (1, 2)),
        ([(4, 5), (5,)], (2, 1)),
        ([(5, 1), (5,)], (1, 1)),
        ([(2, 5, 3), (4, 5)], (2, 2)),
        ([(2, 5, 3), (4, 5, 2)], 2),
        ([(5, 2, 3), (2, 2, 5)], (1, 3)),
        ([(3, 1), (4, 1)], 2),
    ],
)
def test_dot(shapes, axes, normalize):
    inputs = [rng().standard_normal((3, *shape)) for shape in shapes]
    check(nn.layers.Dot(axes, normalize=normalize), dot_of(axes, normalize), inputs, multilinear=not normalize)


def test_dot_of_a_tensor_with_itself_and_of_zeros():
    x = rng().standard_normal((4, 6))
    x[1] = 0
    y, gradients = run(nn.layers.Dot(1, normalize=True), [x, x])
    np.testing.assert_allclose(y[:, 0], [1, 0, 1, 1], atol=1e-15)
    for gradient in gradients:
        np.testing.assert_allclose(gradient, 0, atol=1e-15)


class Branches:
    """A Dense with a ReLU, whose output goes into `join` with another one's, and then into a further Dense."""

    def __init__(self, join):
        self.first, self.second = nn.layers.Dense(4, activation="relu"), nn.layers.Dense(4)
        self.last, self.join = nn.layers.Dense(3), join
        weights = WeightMaker(np.dtype("float64"), 3)
        for layer, inputs in ((self.first, 6), (self.second, 6), (self.last, 4)):
            layer.build_for((inputs,), weights)

    def compute_output_shape(self, shapes):
        return self.shape

    def emit(self, builder, x):
        hidden = self.first.emit(builder, x)
        joined = self.join(builder, self.second.emit(builder, x), hidden)
        flat = nn.layers.Flatten().emit(builder, joined)
        y = nn.layers.Concatenate().emit(builder, flat, self.last.emit(builder, hidden))
        self.shape = y.shape
        return y

    def in_numpy(self, function, x):
        hidden = np.maximum(x @ self.first.kernel, 0)
        joined = function(x @ self.second.kernel, hidden)
        return np.hstack([joined.reshape(len(x), -1), hidden @ self.last.kernel])


JOINS = {  # layer, and what it makes of the second Dense's output z and the first one's h
    "Add": (lambda b, z, h: nn.layers.Add().emit(b, z, h), np.add),
    "Multiply": (lambda b, z, h: nn.layers.Multiply().emit(b, z, h), np.multiply),
    "Maximum": (lambda b, z, h: nn.layers.Maximum().emit(b, z, h), np.maximum),
    "Concatenate": (lambda b, z, h: nn.layers.Concatenate().emit(b, z, h), lambda z, h: np.hstack([z, h])),
    "Dot": (lambda b, z, h: nn.layers.Dot(1).emit(b, z, h), lambda z, h: (z * h).sum(axis=1, keepdims=True)),
    "RepeatVector": (
        lambda b, z, h: nn.layers.Add().emit(b, z, nn.layers.RepeatVector(3).emit(b, h)),
        lambda z, h: (z + h)[:, None].repeat(3, axis=1),
    ),
}


@pytest.mark.parametrize("name", JOINS)
def test_a_fused_relu_with_two_users_keeps_both_gradients(name):
    """The last Dense must not take the ReLU's derivative into its own product: the other gradient would miss it."""
    join, function = JOINS[name]
    layer, x = Branches(join), rng().standard_normal((ROWS, 6))
    y = layer.in_numpy(function, x)
    dy = rng().standard_normal(y.shape)
    got, (dx,) = run(layer, [x], dy)
    np.testing.assert_allclose(got, y, rtol=1e-13, atol=1e-13)
    (slope,) = differences(lambda x: layer.in_numpy(function, x), [x], dy, 1e-6)
    np.testing.assert_allclose(dx, slope, rtol=5e-6, atol=5e-6)


MANY = [nn.layers.Add, nn.layers.Subtract, nn.layers.Maximum, nn.layers.Concatenate, lambda: nn.layers.Dot(1)]


def test_errors():
    for make in MANY:
        with pytest.raises(ValueError, match="takes a list of tensors"):
            make().compute_output_shape((3, 4))
        with pytest.raises(ValueError, match=r"takes .* got 0"):
            make().compute_output_shape([])
    with pytest.raises(ValueError, match=r"\(3, 4\), \(2, 4\) cannot be broadcast"):
        nn.layers.Add().compute_output_shape([(3, 4), (2, 4)])
    with pytest.raises(ValueError, match="takes 2 inputs; got 3"):
        nn.layers.Subtract().compute_output_shape([(3,)] * 3)
    for axis in (0, 3, -3):
        with pytest.raises(ValueError, match=f"axis {axis} must be one of"):
            nn.layers.Concatenate(axis).compute_output_shape([(3, 4), (3, 4)])
    for shapes in ([(3, 4), (2, 4)], [(3, 4), (4,)]):
        with pytest.raises(ValueError, match="do not agree in all axes but"):
            nn.layers.Concatenate().compute_output_shape(shapes)
    with pytest.raises(ValueError, match="have 4 and 3 elements"):
        nn.layers.Dot((1, 2)).compute_output_shape([(4, 3), (4, 3)])
    with pytest.raises(ValueError, match="axis 0 must be one of"):
        nn.layers.Dot(0).compute_output_shape([(4, 3), (4, 3)])
    with pytest.raises(ValueError, match="one integer or two"):
        nn.layers.Dot((1, 2, 3))
    with pytest.raises(TypeError, match="must be an integer"):
        nn.layers.Dot("1")
    with pytest.raises(TypeError, match="must be an integer"):
        nn.layers.Concatenate(1.5)


def test_configurations():
    layers = [nn.layers.Add(name="a"), nn.layers.Concatenate(1, name="c"), nn.layers.Dot((1, 2), True, name="d")]
    for layer in layers:
        twin = nn.layers.deserialize(nn.layers.serialize(layer))
        assert type(twin) is type(layer)
        assert twin.get_config() == layer.get_config()
        assert layer.merges


def test_functions_make_their_layers(monkeypatch):
    """Each function calls a layer of its class, with its arguments, on the list."""
    monkeypatch.setattr(merging.Merge, "__call__", lambda self, inputs: (self, inputs), raising=False)
    for name in ("add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate", "dot"):
        layer, inputs = getattr(merging, name)([1, 2], name="named")
        assert type(layer).__name__ == name.capitalize()
        assert (layer.name, inputs) == ("named", [1, 2])
    assert merging.concatenate([1, 2], axis=2)[0].axis == 2
    assert merging.dot([1, 2], axes=(1, 2), normalize=True)[0].get_config()["normalize"]
    assert math.prod(merging.dot([1, 2])[0].compute_output_shape([(3,), (3,)])) == 1

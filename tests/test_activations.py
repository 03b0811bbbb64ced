"""Activation functions: values, derivatives, names, parameters, extreme inputs; and the layers made of them."""

import copy
import functools
import math
import pickle

import numpy as np
import pytest

import nncore as nn
from nncore import activations


def by_halves(x):
    p, q = np.split(x, 2, axis=-1)
    return p / (1 + np.exp(-q))


def gaussian_share(x):
    return np.array([math.erfc(-v / math.sqrt(2)) / 2 for v in x.ravel()]).reshape(x.shape)


def rectified(x, negative_slope=0.0, max_value=np.inf, threshold=0.0):
    return np.where(x > threshold, np.minimum(x, max_value), negative_slope * (x - threshold))


S, A = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717

# (name, parameters): the formula in float64
FORMULAS = {
    ("linear", ()): lambda x: x,
    ("relu", ()): rectified,
    ("relu", (("max_value", 1.5),)): lambda x: rectified(x, max_value=1.5),
    ("relu", (("negative_slope", 0.3), ("max_value", 2.0), ("threshold", 0.7))): lambda x: rectified(x, 0.3, 2.0, 0.7),
    ("relu", (("negative_slope", -0.3),)): lambda x: rectified(x, -0.3),
    ("leaky_relu", ()): lambda x: rectified(x, 0.2),
    ("leaky_relu", (("negative_slope", -0.5),)): lambda x: rectified(x, -0.5),
    ("relu6", ()): lambda x: np.clip(x, 0, 6),
    ("elu", ()): lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    ("elu", (("alpha", 0.4),)): lambda x: np.where(x > 0, x, 0.4 * np.expm1(np.minimum(x, 0))),
    ("selu", ()): lambda x: S * np.where(x > 0, x, A * np.expm1(np.minimum(x, 0))),
    ("celu", ()): lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    ("celu", (("alpha", 0.4),)): lambda x: np.where(x > 0, x, 0.4 * np.expm1(np.minimum(x, 0) / 0.4)),
    ("exponential", ()): np.exp,
    ("sigmoid", ()): lambda x: 1 / (1 + np.exp(-x)),
    ("hard_sigmoid", ()): lambda x: np.clip(x / 6 + 0.5, 0, 1),
    ("sparse_sigmoid", ()): lambda x: np.clip((x + 1) / 2, 0, 1),
    ("log_sigmoid", ()): lambda x: -np.log1p(np.exp(-x)),
    ("tanh", ()): np.tanh,
    ("hard_tanh", ()): lambda x: np.clip(x, -1, 1),
    ("tanh_shrink", ()): lambda x: x - np.tanh(x),
    ("hard_shrink", ()): lambda x: np.where(np.abs(x) > 0.5, x, 0),
    ("hard_shrink", (("threshold", 1.2),)): lambda x: np.where(np.abs(x) > 1.2, x, 0),
    ("soft_shrink", ()): lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0),
    ("soft_shrink", (("threshold", 0.1),)): lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.1, 0),
    ("threshold", (("threshold", 0.4), ("default_value", -2.0))): lambda x: np.where(x > 0.4, x, -2.0),
    ("softsign", ()): lambda x: x / (1 + np.abs(x)),
    ("softplus", ()): lambda x: np.log1p(np.exp(x)),
    ("sparse_plus", ()): lambda x: np.where(x >= 1, x, np.where(x > -1, (x + 1) ** 2 / 4, 0)),
    ("squareplus", ()): lambda x: (x + np.sqrt(x * x + 4)) / 2,
    ("squareplus", (("b", 0.3),)): lambda x: (x + np.sqrt(x * x + 0.3)) / 2,
    ("silu", ()): lambda x: x / (1 + np.exp(-x)),
    ("hard_silu", ()): lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    ("gelu", ()): lambda x: x * gaussian_share(x),
    ("gelu", (("approximate", True),)): lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    ("mish", ()): lambda x: x * np.tanh(np.log1p(np.exp(x))),
    ("softmax", ()): lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True),
    ("log_softmax", ()): lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True)),
    ("glu", ()): by_halves,
}
CONFIGURED = list(FORMULAS)
IDS = ["-".join([name, *(f"{n}={v}" for n, v in parameters)]) for name, parameters in CONFIGURED]
every_function = pytest.mark.parametrize(("name", "parameters"), CONFIGURED, ids=IDS)


def configured(name, parameters):
    return getattr(activations, name).with_parameters(**dict(parameters))


def inputs():
    """Numbers that are no function's corner."""
    return np.random.default_rng(5).standard_normal((9, 14)) * 2.5


@every_function
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_values(name, parameters, dtype):
    """1e-12 in float64, where formulas lose digits that kernels keep; 1e-6, or 8 ulps, in float32."""
    x = inputs().astype(dtype)
    tolerance = 1e-12 if dtype == "float64" else 1e-6
    expected = FORMULAS[name, parameters](x.astype(np.float64))
    got = getattr(activations, name)(x, **dict(parameters))
    assert got.dtype == dtype
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)
    assert np.array_equal(got, configured(name, parameters)(x))
    positional = getattr(activations, name)(x, *configured(name, parameters).parameters.values())
    assert np.array_equal(got, positional)


def test_shapes_and_types_of_arrays():
    assert activations.elu(-1.0).shape == ()
    assert activations.elu([]).shape == (0,)
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4) - 12
    for form in (x, np.asfortranarray(x), x[:, ::-1][:, ::-1], x.astype(">f4")):
        assert np.array_equal(activations.gelu(form), activations.gelu(np.ascontiguousarray(x, form.dtype)))
        assert activations.gelu(form).dtype == np.float32
    assert activations.gelu(x.astype(int)).dtype == np.float64


# What Keras 3.15 with PyTorch 2.13 gives in float64 for -2.5, -0.5, 0.3, 1.0 and 3.5.
KERAS = {
    ("relu", (("negative_slope", 0.1), ("max_value", 2.5), ("threshold", 0.4))): (-0.29, -0.09, -0.01, 1.0, 2.5),
    ("leaky_relu", ()): (-0.5, -0.1, 0.3, 1.0, 3.5),
    ("elu", (("alpha", 0.7),)): (-0.642540501, -0.2754285382, 0.3, 1.0, 3.5),
    ("selu", ()): (-1.613785759, -0.6917581878, 0.3152102962, 1.050700987, 3.677453456),
    ("celu", (("alpha", 0.6),)): (-0.5906976878, -0.3392410749, 0.3, 1.0, 3.5),
    ("gelu", ()): (-0.01552416331, -0.1542687694, 0.1853734267, 0.8413447461, 3.499185798),
    ("gelu", (("approximate", True),)): (-0.01508426609, -0.1542859902, 0.1853709235, 0.8411919906, 3.499383802),
    ("silu", ()): (-0.1896454501, -0.1887703344, 0.172332755, 0.7310585786, 3.397407192),
    ("mish", ()): (-0.1968162039, -0.2207437747, 0.2080013723, 0.8650983883, 3.493990715),
    ("softplus", ()): (0.07888973429, 0.4740769842, 0.8543552445, 1.313261688, 3.529750418),
    ("softsign", ()): (-0.7142857143, -0.3333333333, 0.2307692308, 0.5, 0.7777777778),
    ("hard_sigmoid", ()): (0.08333333333, 0.4166666667, 0.55, 0.6666666667, 1.0),
    ("hard_silu", ()): (-0.2083333333, -0.2083333333, 0.165, 0.6666666667, 3.5),
    ("tanh_shrink", ()): (-1.513385702, -0.03788284274, 0.008687387548, 0.238405844, 2.501822102),
    ("hard_shrink", ()): (-2.5, 0.0, 0.0, 1.0, 3.5),
    ("soft_shrink", (("threshold", 0.4),)): (-2.1, -0.1, 0.0, 0.6, 3.1),
    ("squareplus", (("b", 2),)): (0.1861406616, 0.5, 0.8728416147, 1.366025404, 3.637458609),
    ("threshold", (("threshold", 0.4), ("default_value", -2))): (-2.0, -2.0, -2.0, 1.0, 3.5),
    ("sparse_plus", ()): (0.0, 0.0625, 0.4225, 1.0, 3.5),
    ("sparse_sigmoid", ()): (0.0, 0.25, 0.65, 1.0, 1.0),
    ("log_sigmoid", ()): (-2.578889734, -0.9740769842, -0.5543552445, -0.3132616875, -0.02975041827),
}


@pytest.mark.parametrize(("name", "parameters"), KERAS)
def test_numbers_of_keras(name, parameters):
    got = getattr(activations, name)([-2.5, -0.5, 0.3, 1.0, 3.5], **dict(parameters))
    np.testing.assert_allclose(got, KERAS[name, parameters], rtol=2e-9, atol=1e-15)  # they have 10 digits


# ---------------------------------------------------------------- derivatives


@every_function
def test_derivative_of_each_element(name, parameters):
    """The gradient of a weighted sum with respect to the inputs, against central differences of float64."""
    x = inputs()
    model = nn.Sequential([nn.Input((14,)), nn.layers.Activation(configured(name, parameters))], dtype="float64")
    y = model.forward(x)
    np.testing.assert_allclose(y, configured(name, parameters)(x), rtol=1e-15)
    weight = np.random.default_rng(6).standard_normal(y.shape)
    dx = model.backward(weight.copy())
    step, slope = 1e-6, np.empty_like(x)
    for column in range(x.shape[1]):
        moved = np.zeros(x.shape[1])
        moved[column] = step
        above, below = (FORMULAS[name, parameters](x + sign * moved) for sign in (1, -1))
        slope[:, column] = ((above - below) * weight).sum(axis=-1) / (2 * step)
    np.testing.assert_allclose(dx, slope, rtol=5e-6, atol=5e-9)


@every_function
def test_gradients_by_central_differences(name, parameters):
    """Inside a network, where the input of the activation has other users and where it has none."""
    model = nn.Sequential(
        [
            nn.Input((5,)),
            nn.layers.Dense(6, activation=configured(name, parameters), bias_initializer="ones"),
            nn.layers.Activation(configured("tanh", ())),
            nn.layers.Dense(4),
            nn.layers.Activation(configured(name, parameters)),
        ],
        dtype="float64",
        seed=3,
    )
    model.compile("sgd", "mse")
    random = np.random.default_rng(8)
    x, y = random.standard_normal((7, 5)), random.standard_normal((7, *model.output_shape[1:]))
    _, gradients = model.value_and_gradients(x, y)
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        flat, slope, step = variable.reshape(-1), gradient.reshape(-1), 1e-6
        for i in range(0, flat.size, 3):
            kept = flat[i]
            losses = []
            for sign in (1, -1):
                flat[i] = kept + sign * step
                losses.append(model.test_on_batch(x, y))
            flat[i] = kept
            assert slope[i] == pytest.approx((losses[0] - losses[1]) / (2 * step), abs=5e-6, rel=5e-6)


CORNERS = {
    ("relu", ()): {0.0: 0},
    ("relu", (("max_value", 2.0),)): {0.0: 0, 2.0: 0},
    ("relu", (("threshold", 1.0),)): {0.0: 0, 1.0: 0},
    ("relu6", ()): {0.0: 0, 6.0: 0},
    ("leaky_relu", ()): {0.0: 0.2},
    ("elu", (("alpha", 0.5),)): {0.0: 0.5},
    ("hard_tanh", ()): {-1.0: 0, 1.0: 0},
    ("hard_sigmoid", ()): {-3.0: 0, 3.0: 0},
    ("hard_shrink", ()): {-0.5: 0, 0.5: 0},
    ("soft_shrink", ()): {-0.5: 0, 0.5: 0},
    ("threshold", (("threshold", 1.0), ("default_value", 3.0))): {1.0: 0, 3.0: 1},
    ("softsign", ()): {0.0: 1},
    ("squareplus", ()): {0.0: 0.5},
}


@pytest.mark.parametrize(("name", "parameters"), CORNERS)
def test_derivative_in_corners(name, parameters):
    """As PyTorch has them."""
    corners = CORNERS[name, parameters]
    x = np.array([list(corners)])
    model = nn.Sequential([nn.Input((x.size,)), nn.layers.Activation(configured(name, parameters))], dtype="float64")
    model.forward(x)
    np.testing.assert_allclose(model.backward(np.ones_like(x))[0], list(corners.values()), rtol=1e-15)


# ---------------------------------------------------------------- extreme inputs

LIMITS = {  # at -infinity and infinity
    "relu": (0, np.inf), "leaky_relu": (-np.inf, np.inf), "relu6": (0, 6), "elu": (-1, np.inf),
    "selu": (-S * A, np.inf), "celu": (-1, np.inf), "exponential": (0, np.inf), "sigmoid": (0, 1),
    "hard_sigmoid": (0, 1), "sparse_sigmoid": (0, 1), "log_sigmoid": (-np.inf, 0), "tanh": (-1, 1),
    "hard_tanh": (-1, 1), "tanh_shrink": (-np.inf, np.inf), "hard_shrink": (-np.inf, np.inf),
    "soft_shrink": (-np.inf, np.inf), "softsign": (-1, 1), "softplus": (0, np.inf), "sparse_plus": (0, np.inf),
    "squareplus": (0, np.inf), "silu": (0, np.inf), "hard_silu": (0, np.inf), "gelu": (0, np.inf), "mish": (0, np.inf),
    "linear": (-np.inf, np.inf),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LIMITS)
def test_extreme_inputs(name, dtype):
    """Limits at infinities; NaN stays; nothing overflows or is NaN before, nor is a derivative."""
    function = getattr(activations, name)
    assert np.array_equal(function(np.array([-np.inf, np.inf], dtype)), np.array(LIMITS[name], dtype))
    assert np.isnan(function(np.array([np.nan] * 3, dtype))).all()
    largest = np.finfo(dtype).max
    x = np.array([[-largest, -1e30, -1e4, -750, -110, -1e-30, -0.0, 0.0, 1e-30, 80, 1e4, 1e30, largest]], dtype)
    y = function(x)
    finite = x < {"exponential": 80.1, "selu": 1e31}.get(name, np.inf)  # else the results are larger than all numbers
    assert np.isfinite(y[finite]).all()
    low, high = LIMITS[name]
    ends = np.where(np.isfinite([low, high]), [low, high], np.array([-1, 1]) * np.inf)
    if np.isfinite(low):
        assert y[0, 0] == np.array(ends[0], dtype) or abs(y[0, 0] - low) < 1e-30
    else:
        assert y[0, 2] == pytest.approx(-2000 if name == "leaky_relu" else -1e4, rel=1e-3)
    if name not in ("exponential", "selu") and np.isinf(high):
        assert y[0, 10] == pytest.approx(1e4, rel=1e-3)
    model = nn.Sequential([nn.Input((x.size,)), nn.layers.Activation(name)], dtype=dtype)
    model.forward(x)
    dx = model.backward(np.ones_like(x))
    assert np.isfinite(dx[finite]).all()


def test_gelu_keeps_its_digits_far_out():
    """x Q(-x) for negative x is the difference of near numbers in most implementations."""
    x = np.array([-3.0, -6.0, -10.0, -20.0, -37.0])
    share = [math.erfc(-v / math.sqrt(2)) / 2 for v in x]
    np.testing.assert_allclose(activations.gelu(x), x * share, rtol=3e-13)  # erfc's argument was rounded: |x|^2 ulps
    x = np.array([-3, -6, -9, -13], np.float32)
    share = [math.erfc(-float(v) / math.sqrt(2)) / 2 for v in x]
    np.testing.assert_allclose(activations.gelu(x), x * share, rtol=2.4e-7)  # 2 ulps


# ---------------------------------------------------------------- names, parameters, files


def test_every_function_is_tested():
    assert {name for name, _ in FORMULAS} == set(activations.PLAIN)
    assert set(activations.PLAIN) | {"swish", "hard_swish"} <= set(activations.__all__)


def test_names_and_aliases():
    for name in set(activations.PLAIN) - {"threshold"}:
        assert activations.get(name) is getattr(activations, name)
        assert activations.get(getattr(activations, name)) is getattr(activations, name)
        assert nn.layers.Dense(2, activation=name).activation is getattr(activations, name)
        assert activations.serialize(getattr(activations, name)) == name
        assert repr(getattr(activations, name)) == f"<activation {name}>"
    assert activations.get("swish") is activations.swish is activations.silu
    assert activations.get("hard_swish") is activations.hard_swish is activations.hard_silu
    assert activations.get(None) is activations.linear


@every_function
def test_serialisation_keeps_parameters(name, parameters):
    activation = configured(name, parameters)
    described = activations.serialize(activation)
    again = activations.deserialize(described)
    assert again.name == name
    assert again.parameters == activation.parameters
    plain = not parameters
    assert described == (name if plain else {"class_name": name, "config": activation.parameters})
    for twin in (again, pickle.loads(pickle.dumps(activation)), copy.deepcopy(activation)):
        assert twin.parameters == activation.parameters
        assert (twin is activation) == plain
    layer = nn.layers.Dense(4, activation=activation)
    assert nn.layers.deserialize(nn.layers.serialize(layer)).activation.parameters == activation.parameters


def test_parameters():
    elu = activations.elu.with_parameters(alpha=np.float32(0.5))
    assert elu.parameters == {"alpha": 0.5}
    assert type(elu.parameters["alpha"]) is float
    assert repr(elu) == "<activation elu(alpha=0.5)>"
    assert elu.with_parameters(alpha=1) is activations.elu
    assert activations.relu.with_parameters(0, None, 0.0) is activations.relu
    partial = functools.partial(activations.elu, alpha=0.5)
    assert activations.get(partial).parameters == elu.parameters
    assert nn.layers.Dense(3, activation=partial).activation.parameters == elu.parameters
    assert activations.elu([-1.0]) == pytest.approx(math.expm1(-1)), "the function itself is as it was"


def test_parameters_are_in_files(tmp_path):
    model = nn.Sequential(
        [
            nn.Input((6,)),
            nn.layers.Dense(8, activation=activations.gelu.with_parameters(approximate=True)),
            nn.layers.PReLU(alpha_initializer="ones"),
            nn.layers.LeakyReLU(0.1),
            nn.layers.ReLU(max_value=3.0, threshold=0.1),
            nn.layers.ELU(0.3),
            nn.layers.Softmax(),
        ],
        seed=1,
    )
    x = np.random.default_rng(1).standard_normal((4, 6)).astype(np.float32)
    model.save(tmp_path / "model.safetensors")
    again = nn.models.load_model(tmp_path / "model.safetensors")
    assert (again.predict(x) == model.predict(x)).all()
    assert [layer.get_config() for layer in again.layers] == [layer.get_config() for layer in model.layers]


WRONG = {
    "name": (lambda: activations.get("gellu"), ValueError, "unknown activation 'gellu'. Did you mean 'gelu'"),
    "number": (lambda: activations.get(3), TypeError, "3 is no activation"),
    "function": (lambda: activations.get(np.tanh), TypeError, "no activation"),
    "configuration": (lambda: activations.get({"class_name": "x", "config": {}}), ValueError, "unknown activation 'x'"),
    "positional partial": (lambda: activations.get(functools.partial(activations.elu, 1)), TypeError, "by name"),
    "unknown parameter": (lambda: activations.elu([1.0], beta=1), TypeError, "elu: .*'beta'.*parameters: alpha"),
    "too many": (lambda: activations.relu6([1.0], 3), TypeError, "relu6: too many positional.*parameters: none"),
    "negative alpha": (lambda: activations.elu([1.0], alpha=-1), ValueError, r"elu: alpha must lie in \[0, .*got -1"),
    "alpha of 0": (lambda: activations.celu([1.0], 0), ValueError, r"celu: alpha must lie in \(0"),
    "text": (lambda: activations.elu([1.0], alpha="a"), TypeError, "alpha must be a number"),
    "nan": (lambda: activations.leaky_relu([1.0], np.nan), ValueError, "negative_slope"),
    "negative b": (lambda: activations.squareplus([1.0], -4), ValueError, "squareplus: b"),
    "approximate": (lambda: activations.gelu([1.0], "tanh"), TypeError, "gelu: approximate must be True or False"),
    "max_value": (lambda: activations.relu([1.0], max_value=-1), ValueError, "relu: max_value"),
    "threshold of relu": (lambda: activations.relu([1.0], threshold=-1), ValueError, "relu: threshold"),
    "shrink": (lambda: activations.hard_shrink([1.0], -1), ValueError, "hard_shrink: threshold"),
    "axis type": (lambda: activations.softmax([1.0], axis=0.5), TypeError, "axis must be an integer, not 0.5"),
    "axis": (lambda: activations.log_softmax([1.0], axis=1), ValueError, r"log_softmax along axis 1 .* shape \(1,\)"),
    "no axis": (lambda: activations.softmax(1.0), ValueError, "softmax along axis -1"),
    "odd": (lambda: activations.glu(np.ones((2, 3))), ValueError, "glu halves an axis of even length; got 3"),
    "threshold": (lambda: activations.threshold([1.0]), ValueError, "threshold needs its parameters.*default_value"),
    "threshold's name": (lambda: nn.layers.Dense(3, activation="threshold"), ValueError, "threshold=.*default_value="),
    "complex": (lambda: activations.gelu([1j]), TypeError, "gelu must hold real numbers; got an array of complex128"),
    "words": (lambda: activations.gelu(["a"]), TypeError, "gelu must hold real numbers"),
    "ReLU": (lambda: nn.layers.ReLU(negative_slope=-1), ValueError, "ReLU: negative_slope"),
    "ReLU's limit": (lambda: nn.layers.ReLU(max_value=-1), ValueError, "max_value"),
    "LeakyReLU": (lambda: nn.layers.LeakyReLU(None), TypeError, "LeakyReLU: negative_slope must be a number"),
    "ELU": (lambda: nn.layers.ELU(alpha=-1), ValueError, "alpha"),
    "Softmax": (lambda: nn.Sequential([nn.Input((3, 4)), nn.layers.Softmax(axis=3)]).summary(), ValueError,
                r"softmax in a layer goes along an axis of each sample; got axis=3 .* shape \(samples, 3, 4\)"),
    "GLU of odd units": (lambda: nn.Sequential([nn.Input((3,)), nn.layers.Dense(5, activation="glu")]).summary(),
                         ValueError, "even length; got 5"),
    "PReLU's regularizer": (lambda: nn.layers.PReLU(alpha_regularizer="l2"), ValueError, "alpha_regularizer"),
    "PReLU's axes": (lambda: nn.layers.PReLU(shared_axes=[1.5]), TypeError,
                     "shared_axes must be an integer or a list of integers"),
    "PReLU's axis": (lambda: nn.Sequential([nn.Input((3, 4)), nn.layers.PReLU(shared_axes=3)]).summary(), ValueError,
                     r"shared_axes \[3\] must be axes from 1 to 2"),
    "PReLU in between": (lambda: nn.Sequential([nn.Input((2, 3, 4)), nn.layers.PReLU(shared_axes=2)]).summary(),
                         ValueError, "between axes that are not shared.*not supported"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_errors(what):
    call, error, message = WRONG[what]
    with pytest.raises(error, match=message):
        call()


# ---------------------------------------------------------------- along an axis


def test_axes_of_arrays():
    x = np.random.default_rng(2).standard_normal((3, 4, 6))
    for axis in range(-3, 3):
        moved = np.moveaxis(x, axis, -1)
        for function in (activations.softmax, activations.log_softmax):
            expected = np.moveaxis(function(moved), -1, axis)
            assert np.array_equal(function(x, axis=axis), expected)
    assert np.array_equal(activations.glu(x, axis=1), np.moveaxis(activations.glu(np.moveaxis(x, 1, -1)), -1, 1))
    assert activations.glu(x).shape == (3, 4, 3)
    assert activations.softmax(np.ones((0, 3))).shape == (0, 3)
    assert activations.glu(np.ones((2, 0))).shape == (2, 0)


def test_log_softmax_does_not_overflow():
    got = activations.log_softmax(np.array([[1e4, 0, -1e4]], np.float32))
    assert got.tolist() == [[0, -1e4, -2e4]]


def test_glu_halves_units():
    model = nn.Sequential([nn.Input((3, 5)), nn.layers.Dense(8, activation="glu"), nn.layers.Dense(2)], seed=1)
    assert model.layers[0].output_shape == (3, 4)
    x = np.random.default_rng(3).standard_normal((6, 3, 5)).astype(np.float32)
    kernel, bias, _, _ = model.get_weights()
    first = nn.Sequential([nn.Input((3, 5)), nn.layers.Dense(8, activation="glu")])
    first.set_weights([kernel, bias])
    np.testing.assert_allclose(first.predict(x), by_halves(x @ kernel + bias), rtol=1e-5, atol=1e-6)


def test_softmax_layer_counts_the_axis_of_samples():
    for axis in (-1, 2):
        model = nn.Sequential([nn.Input((3, 4)), nn.layers.Softmax(axis=axis)])
        np.testing.assert_allclose(model.predict(np.zeros((2, 3, 4))), 0.25)


# ---------------------------------------------------------------- layers


def kernels_of(builder_calls, activation):
    """The kernels that a Dense layer with this activation emits, forward."""
    layer = nn.layers.Dense(3, activation=activation)
    model = nn.Sequential([nn.Input((2,)), layer], seed=1)
    emit = layer.emit

    def spy(builder, x):
        y = emit(builder, x)
        steps = builder._forward.phases[0].steps
        builder_calls.extend((kernel, arguments.get("relu")) for kernel, arguments, *_ in steps)
        return y

    layer.emit = spy
    return model


def test_plain_relu_is_part_of_the_product():
    """However it is given; and no other ReLU is."""
    x = np.array([[-3.0, 5.0], [1.0, 2.0], [-4.0, -1.0]])
    plain = [functools.partial(activations.relu, max_value=None), activations.relu.with_parameters(negative_slope=0.0)]
    for activation in ("relu", activations.relu, {"class_name": "relu", "config": {"threshold": 0}}, *plain):
        calls = []
        kernels_of(calls, activation).predict(x)
        assert [(k, r) for k, r in calls if k in ("matmul", "relu_forward", "piecewise_forward")] == [("matmul", True)]
    for parameters in ({"max_value": 0.5}, {"threshold": 0.1}, {"negative_slope": 0.2}):
        calls = []
        model = kernels_of(calls, activations.relu.with_parameters(**parameters))
        y = model.predict(x)
        assert ("matmul", False) in calls
        assert ("piecewise_forward", None) in calls
        kernel, bias = model.get_weights()
        np.testing.assert_allclose(y, rectified(x @ kernel + bias, **parameters), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        (nn.layers.ReLU(), rectified),
        (nn.layers.ReLU(2.0, 0.3, 0.5), lambda x: rectified(x, 0.3, 2.0, 0.5)),
        (nn.layers.LeakyReLU(), lambda x: rectified(x, 0.3)),
        (nn.layers.LeakyReLU(negative_slope=0.1), lambda x: rectified(x, 0.1)),
        (nn.layers.ELU(), FORMULAS["elu", ()]),
        (nn.layers.ELU(alpha=0.4), FORMULAS["elu", (("alpha", 0.4),)]),
        (nn.layers.Softmax(), FORMULAS["softmax", ()]),
        (nn.layers.PReLU(), rectified),
        (nn.layers.PReLU("ones"), lambda x: x),
    ],
)
def test_layers(layer, function):
    again = nn.layers.deserialize(nn.layers.serialize(layer))
    assert again.get_config() == layer.get_config()
    x = inputs()
    model = nn.Sequential([nn.Input((14,)), again], dtype="float64")
    np.testing.assert_allclose(model.predict(x), function(x), rtol=1e-12, atol=1e-12)


SHARED = {  # shape of a sample: {shared axes: shape of alpha}
    (7,): {None: (7,), (1,): (1,)},
    (3, 4): {None: (3, 4), (1,): (1, 4), (2,): (3, 1), (-1,): (3, 1), (1, 2): (1, 1)},
    (2, 3, 4): {None: (2, 3, 4), (1, 2): (1, 1, 4), (2, 3): (2, 1, 1), (1, 3): (1, 3, 1), (3,): (2, 3, 1)},
    (2, 1, 4): {(2,): (2, 1, 4)},
}


@pytest.mark.parametrize(("shape", "axes"), [(shape, axes) for shape, known in SHARED.items() for axes in known])
@pytest.mark.parametrize("trainable", [True, False])
def test_prelu(shape, axes, trainable):
    """Values, and gradients of alpha and of the inputs, against the formula."""
    layer = nn.layers.PReLU(alpha_initializer="random_uniform", shared_axes=axes, trainable=trainable)
    model = nn.Sequential([nn.Input(shape), layer], dtype="float64", seed=2)
    model.compile("sgd", "mse")
    alpha = layer.alpha
    assert alpha.shape == SHARED[shape][axes]
    random = np.random.default_rng(4)
    x, dy = random.standard_normal((5, *shape)), random.standard_normal((5, *shape))
    y = model.forward(x, training=True)
    np.testing.assert_allclose(y, np.where(x > 0, x, alpha * x), rtol=1e-15)
    dx = model.backward(dy)
    np.testing.assert_allclose(dx, np.where(x > 0, dy, alpha * dy), rtol=1e-15)
    if trainable:
        terms = dy * np.minimum(x, 0)
        summed = tuple(axis for axis in range(1 + len(shape)) if axis == 0 or alpha.shape[axis - 1] == 1)
        np.testing.assert_allclose(model.gradients[0], terms.sum(summed, keepdims=True)[0].reshape(alpha.shape),
                                   rtol=1e-12, atol=1e-13)  # fmt: skip
    else:
        assert not model.gradients


@pytest.mark.parametrize("axes", [None, 1])
def test_prelu_learns_its_slopes(axes):
    """Of a leaky ReLU, as the first layer and behind another."""
    random = np.random.default_rng(9)
    x = random.standard_normal((1200, 6)).astype(np.float32)
    for layers in ([], [nn.layers.Rescaling(1.0)]):
        layer = nn.layers.PReLU(shared_axes=axes)
        model = nn.Sequential([nn.Input((6,)), *layers, layer], seed=1)
        model.compile(nn.optimizers.SGD(1.0), "mse")
        model.fit(x, rectified(x, 0.35), batch_size=100, epochs=15, shuffle=False, verbose=0)
        np.testing.assert_allclose(layer.alpha, 0.35, rtol=1e-3)


def test_same_weights_with_any_number_of_threads():
    """Of a network of new functions, large enough for two threads."""
    random = np.random.default_rng(10)
    x, y = random.standard_normal((1100, 40)).astype(np.float32), random.integers(0, 5, 1100)

    def trained(threads):
        model = nn.Sequential(
            [
                nn.Input((40,)),
                nn.layers.Dense(130, activation="gelu"),
                nn.layers.PReLU(),
                nn.layers.Dense(70, activation="mish"),
                nn.layers.Dense(66, activation="glu"),
                nn.layers.Dense(5, activation="log_softmax"),
                nn.layers.Activation("exponential"),
            ],
            seed=3,
        )
        model.compile("adam", "sparse_categorical_crossentropy")
        with nn.config.threads(threads):
            model.fit(x, y, batch_size=550, epochs=3, verbose=0)
        return model.get_weights()

    for one, two in zip(trained(1), trained(2), strict=True):
        assert np.array_equal(one, two)

"""Initial values: distributions, orthogonality, names, and that seed, number and place alone decide."""

import math

import numpy as np
import pytest
from harness import FUSED
from reference.normal import signed_half

import nncore as nn
from nncore import _engine, _kernels, initializers

DTYPES = ("float32", "float64")
TRUNCATED = 0.87962566103423978


def quantile_error(z, tail):
    """By how much, relative to it, the tail of |z| is not `tail`: by the C library's erfc."""
    return abs(0.5 * math.erfc(abs(float(z)) / math.sqrt(2)) / float(tail) - 1)


def normals(count, dtype="float64", seed=1, truncated=0, variant=None):
    y = np.zeros(count, dtype)
    _kernels.run("random_normal", dtype, {"y": y, "columns": count, "stream": 0x10000000, "truncated": truncated,
                                          "mean": 0.0, "stddev": 1.0}, (0, 1, 0, count), seed=seed,
                 variant=variant)  # fmt: skip
    return y


# ---------------------------------------------------------------- normal numbers


@pytest.mark.parametrize("variant", _engine.variants())
@pytest.mark.parametrize("dtype", DTYPES)
def test_normal_numbers_are_quantiles_of_uniform_ones(dtype, variant):
    """P(|Z| > |z|) / 2 is the uniform number behind z: its relative error is about z^2 + 1 times that of z."""
    count, bound = 20_000, 8 * float(np.finfo(dtype).eps)
    halves = signed_half(1, np.arange(count), 0, 0x10000000, np.dtype(dtype).type)
    z = normals(count, dtype, variant=variant)
    assert (np.sign(z) == np.sign(halves)).all()
    for value, half in zip(z.tolist(), halves.tolist(), strict=True):
        assert quantile_error(value, abs(half)) < bound * (value * value + 1) + 1e-15


@pytest.mark.parametrize("variant", _engine.variants())
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("truncated", [0, 1])
def test_moments_and_shares(dtype, truncated, variant):
    count = 400_000
    z = normals(count, dtype, seed=12, truncated=truncated, variant=variant).astype(np.float64)
    mass = math.erf(math.sqrt(2)) if truncated else 1.0
    moments = {power: truncated_moment(power) if truncated else normal_moment(power) for power in range(1, 9)}
    for power in (1, 2, 3, 4):
        deviation = math.sqrt((moments[2 * power] - moments[power] ** 2) / count)
        assert abs((z**power).mean() - moments[power]) < 4.5 * deviation, power
    assert abs((z[:-1] * z[1:]).mean()) < 4.5 * moments[2] / math.sqrt(count)
    limits = np.linspace(-2, 2, 41)
    shares = np.diff([0.5 * math.erf(x / math.sqrt(2)) for x in limits]) / mass
    observed = np.histogram(z, limits)[0]
    assert (np.abs(observed - count * shares) < 4.5 * np.sqrt(count * shares)).all()
    assert np.abs(z).max() <= 2 if truncated else 4 < np.abs(z).max() < 7


def normal_moment(power):
    return 0 if power % 2 else math.prod(range(1, power, 2))


def truncated_moment(power):
    """E(z^k) = (k - 1) E(z^(k - 2)) - 2^(k - 1) * 2 phi(2) / P(|z| < 2), by parts; for even k."""
    if power % 2:
        return 0
    if power == 0:
        return 1
    density = math.exp(-2) / math.sqrt(2 * math.pi)
    return (power - 1) * truncated_moment(power - 2) - 2**power * density / math.erf(math.sqrt(2))


def test_the_deviation_of_truncated_numbers():
    assert math.sqrt(truncated_moment(2)) == pytest.approx(TRUNCATED, rel=1e-14)
    assert initializers.TRUNCATED_DEVIATION == TRUNCATED


# The first five elements between 0 and 1, or of mean 0 and deviation 1, of weight 0 for seed 1.
GOLDEN = {
    ("RandomUniform", "float32"): "0x1.dab98cp-1 0x1.e9c170p-2 0x1.6e8412p-1 0x1.29ca82p-1 0x1.e4d968p-2",
    ("RandomNormal", "float32"): "-0x1.77d6d2p-3 0x1.be49b2p-5 -0x1.929370p-1 -0x1.64ecaap+0 0x1.106d74p-4",
    ("TruncatedNormal", "float32"): "-0x1.53bbaep+0 0x1.b62bb4p+0 -0x1.1569f2p-1 -0x1.9287aap-3 0x1.a9faaap+0",
    ("RandomUniform", "float64"): "0x1.dab98c9e9c170p-1 0x1.6e84132539506p-1 0x1.e4d96b3da492ap-2 "
    "0x1.878d0fa527a38p-4 0x1.cca7b78d0fb9ap-2",
    ("RandomNormal", "float64"): "-0x1.77d6d648a21abp-3 -0x1.929370e4b0b74p-1 0x1.106d779cf3f6fp-4 "
    "0x1.4e9c83081ebcbp+0 0x1.02161efaf476cp-3",
    ("TruncatedNormal", "float64"): "-0x1.53bbae8a370a0p+0 -0x1.1569f2f138124p-1 0x1.a9faae2358734p+0 "
    "0x1.d8916a8f226aep-3 0x1.78a49fbc013edp+0",
}
GOLDEN_ORTHOGONAL = (
    "-0x1.cfea127fcbe48p-3 0x1.ab4bd46d8209dp-1 -0x1.f0eaa89380abdp-1 -0x1.e515ec32f40d7p-3 0x1.5044dd35ee4fcp-4 "
    "-0x1.fd556ab6fd0edp-2"
)


def check_golden(values, golden):
    """The same bits by every variant with fused multiply-adds; by the other one, within 16 units of them."""
    wanted = np.array([float.fromhex(number) for number in golden.split()], values.dtype)
    if _engine.variant() in FUSED:
        assert values.tolist() == wanted.tolist()
    np.testing.assert_allclose(values, wanted, rtol=16 * np.finfo(values.dtype).eps)


@pytest.mark.parametrize(("name", "dtype"), GOLDEN)
def test_golden_numbers(name, dtype):
    values = np.zeros(5, dtype)
    getattr(initializers, name)(0.0, 1.0).fill(values, 1, 0)
    check_golden(values, GOLDEN[name, dtype])


@pytest.mark.parametrize("dtype", DTYPES)
def test_golden_orthogonal(dtype):
    matrix = np.zeros((3, 2), dtype)
    initializers.Orthogonal().fill(matrix, 1, 0)
    golden = [float.fromhex(number) for number in GOLDEN_ORTHOGONAL.split()]
    check_golden(matrix.ravel(), " ".join(float(matrix.dtype.type(number)).hex() for number in golden))


# ---------------------------------------------------------------- classes


def sample(initializer, shape=(300, 500), dtype="float64"):
    values = initializer(shape, dtype)
    assert values.dtype == dtype
    assert values.shape == shape
    return values


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("initializer", "deviation"),
    [
        (initializers.RandomNormal(stddev=0.3), 0.3),
        (initializers.TruncatedNormal(stddev=0.3), 0.3 * TRUNCATED),
        (initializers.RandomUniform(-0.3, 0.3), 0.3 / math.sqrt(3)),
        (initializers.GlorotNormal(), math.sqrt(2 / 800)),
        (initializers.GlorotUniform(), math.sqrt(2 / 800)),
        (initializers.HeNormal(), math.sqrt(2 / 300)),
        (initializers.HeUniform(), math.sqrt(2 / 300)),
        (initializers.LecunNormal(), math.sqrt(1 / 300)),
        (initializers.LecunUniform(), math.sqrt(1 / 300)),
        (initializers.VarianceScaling(3.0, "fan_out", "untruncated_normal"), math.sqrt(3 / 500)),
        (initializers.VarianceScaling(3.0, "fan_avg", "normal"), math.sqrt(3 / 400)),
        (initializers.VarianceScaling(0.5, "fan_in", "uniform"), math.sqrt(0.5 / 300)),
    ],
)
def test_mean_and_deviation(initializer, deviation, dtype):
    """The variance of a variance's estimate is at most 2 / n times its square, that of normal numbers."""
    values = sample(initializer, dtype=dtype).astype(np.float64)
    assert abs(values.mean()) < 4.5 * deviation / math.sqrt(values.size)
    assert abs(values.var() / deviation**2 - 1) < 4.5 * math.sqrt(2 / values.size)


def test_mean_moves_the_values():
    for make in (initializers.RandomNormal, initializers.TruncatedNormal):
        values = sample(make(mean=5.0, stddev=0.1, seed=3))
        assert abs(values.mean() - 5) < 4.5 * 0.1 / math.sqrt(values.size)
        np.testing.assert_allclose(values - 5, sample(make(stddev=0.1, seed=3)), atol=2e-15)
    assert np.abs(sample(initializers.TruncatedNormal(stddev=0.1))).max() <= 0.2


def test_fans():
    scale = initializers.VarianceScaling
    assert initializers.fans((3, 5, 7, 11)) == (105, 165)
    assert initializers.fans((9,)) == (9, 9)
    assert initializers.fans(()) == (1, 1)
    assert initializers.fans((4, 5, 6), [0, 1], [2]) == (20, 6)
    values = scale(1.0, "fan_in", "uniform", input_axes=[0, 1], output_axes=[2])((40, 50, 60), "float64")
    assert math.sqrt(3 / 2000) * 0.999 < np.abs(values).max() <= math.sqrt(3 / 2000)
    assert np.abs(initializers.HeUniform(input_axes=[1], output_axes=[0])((300, 4), "float64")).max() > 1.2


@pytest.mark.parametrize(
    "initializer",
    [initializers.RandomNormal, initializers.TruncatedNormal, initializers.RandomUniform, initializers.HeNormal,
     initializers.Orthogonal],
)  # fmt: skip
def test_seed_and_number_decide(initializer):
    def values(make, seed=1, number=0):
        array = np.zeros((20, 30))
        make.fill(array, seed, number)
        return array

    first = values(initializer())
    assert np.array_equal(values(initializer()), first)
    assert np.array_equal(values(initializer(seed=1), seed=9), first), "its own seed comes before the model's"
    for other in (values(initializer(), seed=2), values(initializer(), number=1), values(initializer(seed=3))):
        assert not (other == first).any()
        assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 4.5 / math.sqrt(first.size)
    if initializer is not initializers.Orthogonal:
        flat = np.zeros(600)
        initializer().fill(flat, 1, 0)
        scale = 1 if initializer is not initializers.HeNormal else math.sqrt(600 / 20)
        np.testing.assert_allclose(flat * scale, first.ravel(), rtol=1e-15)


# ---------------------------------------------------------------- Orthogonal, Identity, constants


@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-6), ("float64", 1e-13)])
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (5, 3), (3, 5), (64, 64), (200, 7), (7, 200), (512, 512),
                                   (3, 3, 8, 16), (3, 2, 1, 40), (2, 2, 2)])  # fmt: skip
def test_orthogonal(shape, dtype, bound):
    matrix = initializers.Orthogonal(seed=4)(shape, dtype).reshape(-1, shape[-1]).astype(np.float64)
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    assert np.abs(matrix.T @ matrix - np.eye(matrix.shape[1])).max() < bound
    doubled = initializers.Orthogonal(gain=2.0, seed=4)(shape, dtype)
    assert np.array_equal(doubled, 2 * initializers.Orthogonal(seed=4)(shape, dtype))


def test_orthogonal_is_the_factor_with_positive_diagonal():
    """Q of NumPy's factorisation of the same normal numbers, after its signs are changed."""
    normal = np.zeros((30, 70))
    initializers.RandomNormal(stddev=1.0).fill(normal, 6, 2)
    q, r = np.linalg.qr(normal.T)
    q *= np.sign(np.diag(r))
    matrix = np.zeros((70, 30))
    initializers.Orthogonal().fill(matrix, 6, 2)
    np.testing.assert_allclose(matrix, q, atol=1e-13)
    turned = np.zeros((30, 70))
    initializers.Orthogonal().fill(turned, 6, 2)
    assert np.array_equal(turned, matrix.T)


def test_orthogonal_of_nearly_dependent_vectors():
    """Once through would leave them far from orthogonal."""
    vectors = np.ones((6, 40)) + 1e-9 * np.random.default_rng(0).standard_normal((6, 40))
    _kernels.run("orthonormalize", "float64", {"vectors": vectors, "count": 6, "length": 40}, (0, 1))
    assert np.abs(vectors @ vectors.T - np.eye(6)).max() < 1e-14


def test_directions_of_orthogonal_columns_are_uniform():
    """Every element of a random direction in n dimensions has mean 0 and variance 1 / n; signs are balanced."""
    columns = np.stack([initializers.Orthogonal(seed=seed)((8, 8), "float64") for seed in range(2000)])
    deviation = 1 / math.sqrt(8 * 2000)
    assert np.abs(columns.mean(axis=0)).max() < 5 * deviation
    assert np.abs((columns**2).mean(axis=0) - 1 / 8).max() < 5 * math.sqrt(2) / 8 / math.sqrt(2000)


def test_constants():
    assert np.array_equal(initializers.Zeros()((2, 3)), np.zeros((2, 3), np.float32))
    assert np.array_equal(initializers.Ones()((2, 3)), np.ones((2, 3), np.float32))
    assert np.array_equal(initializers.Constant(2.5)((2,)), np.float32([2.5, 2.5]))
    assert np.array_equal(initializers.Constant([1, 2])((3, 2)), np.float32([[1, 2]] * 3))
    for shape in ((3, 3), (2, 4), (4, 2)):
        assert np.array_equal(initializers.Identity(gain=3)(shape, "float64"), 3 * np.eye(*shape))


def test_an_array_or_a_function_gives_the_values():
    values = np.arange(6.0).reshape(2, 3)
    made = []

    def function(shape, dtype=None):
        made.append((shape, dtype))
        return values

    for identifier in (values, function, lambda shape, dtype: values.tolist()):
        model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(3, kernel_initializer=identifier)])
        assert np.array_equal(model.weights[0], values.astype(np.float32))
    assert made == [((2, 3), "float32")]
    with pytest.raises(ValueError, match=r"of shape \(2, 3\) for a weight of shape \(2, 4\)"):
        nn.Sequential([nn.Input((2,)), nn.layers.Dense(4, kernel_initializer=function)])
    with pytest.raises(ValueError, match="does not fit a weight of shape"):
        nn.Sequential([nn.Input((2,)), nn.layers.Dense(4, kernel_initializer=values)])
    with pytest.raises(TypeError, match="no description can be stored"):
        initializers.get(function).get_config()


def test_a_class_of_ones_own():
    class Ramp(initializers.Initializer):
        def __init__(self, step=1.0):
            self.step = step

        def __call__(self, shape, dtype=None):
            return self.step * np.arange(math.prod(shape)).reshape(shape)

        def get_config(self):
            return {"step": self.step}

    model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(3, kernel_initializer=Ramp(0.5))])
    assert model.weights[0].ravel().tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    assert Ramp(0.5).clone().step == 0.5
    with pytest.raises(NotImplementedError, match="neither __call__ nor fill"):
        initializers.Initializer()((2, 3))


# ---------------------------------------------------------------- names and errors

NAMES = {
    "constant": "Constant", "glorot_normal": "GlorotNormal", "glorot_uniform": "GlorotUniform",
    "he_normal": "HeNormal", "he_uniform": "HeUniform", "identity": "Identity", "lecun_normal": "LecunNormal",
    "lecun_uniform": "LecunUniform", "ones": "Ones", "orthogonal": "Orthogonal", "random_normal": "RandomNormal",
    "random_uniform": "RandomUniform", "truncated_normal": "TruncatedNormal", "variance_scaling": "VarianceScaling",
    "zeros": "Zeros",
}  # fmt: skip
SHORT = {"normal": "RandomNormal", "one": "Ones", "uniform": "RandomUniform", "zero": "Zeros",
         "IdentityInitializer": "Identity", "OrthogonalInitializer": "Orthogonal"}  # fmt: skip


def test_names_are_those_of_keras():
    for name, class_name in {**NAMES, **SHORT}.items():
        assert type(initializers.get(name)).__name__ == class_name
        assert type(initializers.get(class_name)).__name__ == class_name
    for name, class_name in NAMES.items():
        assert getattr(initializers, name) is getattr(initializers, class_name)


def test_configurations():
    options = {"Constant": {"value": [1.0, 2.0]}, "Identity": {"gain": 2.0}, "Orthogonal": {"gain": 2.0, "seed": 3},
               "RandomNormal": {"mean": 1.0, "stddev": 2.0, "seed": 3}, "HeNormal": {"seed": 3, "input_axes": [0]},
               "VarianceScaling": {"scale": 2.0, "mode": "fan_out", "distribution": "uniform", "seed": 4}}  # fmt: skip
    for class_name in NAMES.values():
        first = getattr(initializers, class_name)(**options.get(class_name, {}))
        config = initializers.serialize(first)
        assert config["class_name"] == class_name
        assert options.get(class_name, {}).items() <= config["config"].items()
        second = initializers.deserialize(config)
        assert initializers.serialize(second) == config
        assert initializers.serialize(first.clone()) == config


def test_errors():
    scaling = initializers.VarianceScaling
    for make, message in [
        (lambda: scaling(0.0), "VarianceScaling: scale must lie in"),
        (lambda: scaling(mode="fan"), "unknown mode 'fan'.* fan_avg, fan_in, fan_out"),
        (lambda: scaling(distribution="gauss"), "unknown distribution 'gauss'"),
        (lambda: initializers.RandomNormal(stddev=-1), "RandomNormal: stddev must lie in"),
        (lambda: initializers.Orthogonal()((5,)), r"at least two axes; got shape \(5,\)"),
        (lambda: initializers.Identity()((2, 2, 2)), r"two axes; got shape \(2, 2, 2\)"),
        (lambda: initializers.get("gauss"), "unknown initializer 'gauss'"),
    ]:
        with pytest.raises(ValueError, match=message):
            make()
    for make, message in [
        (lambda: initializers.Constant("a"), "value must be a number"),
        (lambda: initializers.Constant(["a"]), "must hold real numbers"),
        (lambda: initializers.Zeros()((2,), "int32"), "dtype must be float32 or float64"),
        (lambda: initializers.get(5), "is no initializer"),
    ]:
        with pytest.raises(TypeError, match=message):
            make()

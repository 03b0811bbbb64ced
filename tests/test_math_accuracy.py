"""Errors of exp, log, tanh, sigmoid and gelu in units in the last place: 2 for float32, 4 for float64; and of others.

float32 is compared with NumPy's double functions, of all 2^32 numbers every 1009th, or with --slow every one.
float64 is compared with long double where that has more bits than double.
"""

import numpy as np
import pytest
from harness import VARIANTS, Native
from reference.activations import gelu, mish, silu, softplus

from nncore import _engine

FUNCTIONS = {
    "exp_forward": np.exp,
    "log_forward": np.log,
    "tanh_forward": np.tanh,
    # without e^-x for x < 0, which overflows
    "sigmoid_forward": lambda x: np.where(x < 0, np.exp(np.minimum(x, 0)), 1) / (1 + np.exp(-np.abs(x))),
    "gelu_forward": gelu,
    "softplus_forward": softplus,
    "sigmoid_gate_forward": silu,
    "mish_forward": mish,
}
SCALARS = {"softplus_forward": {"sign": 1.0}, "sigmoid_gate_forward": {"linear": 1.0, "cubic": 0.0}}
LIMITS = {"float32": 2, "float64": 4}
# Products and quotients of several of these functions, each rounding of which may count.
FURTHER = {("softplus_forward", "float32"): 2.2, ("sigmoid_gate_forward", "float32"): 3, ("mish_forward", "float32"): 4}
PATTERNS = 1 << 32
CHUNK = 1 << 20
SPECIAL = [0.0, np.inf, np.nan, 1.0, 0.5, 2.0, np.log(2), 1e-300, 5e-324, 2.2250738585072014e-308, 1.797e308]
# Where exp ends at either side, and where parts of the functions meet.
BORDERS = (709.782712893384, 708.3964185322641, 745.1332191019412, np.log(2) / 2, 0.55, 19.06, 36.7, np.sqrt(2))


def values_of(kernel, x, runner):
    """What a kernel makes of a vector."""
    y = np.empty_like(x)
    arguments = {"x": x, "y": y, "features": len(x), "x_stride": len(x), "y_stride": len(x),
                 **SCALARS.get(kernel, {})}  # fmt: skip
    runner.run(kernel, x.dtype, arguments, (0, 1), {})
    return y


def errors(kernel, x, got):
    """Units in the last place between values and a function; infinitely many where a special value is wrong."""
    wide = np.float64 if x.dtype == np.float32 else np.longdouble
    limits = np.finfo(x.dtype)
    with np.errstate(all="ignore"):
        exact = FUNCTIONS[kernel](x.astype(wide))
        # a result of infinity stands for the next number after the largest, 2^128 or 2^1024, and for all beyond
        beyond = wide(limits.max) * (1 + wide(limits.epsneg))
        bounded = np.where(np.isinf(got), np.clip(exact, -beyond, beyond), exact)
        distance = np.abs(np.clip(got.astype(wide), -beyond, beyond) - bounded)
        size = np.minimum(np.abs(exact), np.nextafter(limits.max, limits.tiny)).astype(x.dtype)
        error = distance / np.spacing(size).astype(wide)
        known = (np.isinf(x) | (x == 0)) & (exact == exact.astype(x.dtype))  # no logarithm of 2
        special = known & (got != exact.astype(x.dtype))
    error[special | np.isnan(error)] = np.inf
    error[np.isnan(got) & np.isnan(exact)] = 0
    return error


def worst_error(kernel, x, runner):
    """(error, argument) where a kernel is worst."""
    error = errors(kernel, x, values_of(kernel, x, runner))
    worst = int(error.argmax())
    return float(error[worst]), x[worst]


def check(kernel, chunks, dtype, runner):
    """Fails where a value of any chunk of arguments has too large an error."""
    worst = max((worst_error(kernel, x, runner) for x in chunks), key=lambda found: found[0])
    limit = FURTHER.get((kernel, dtype), LIMITS[dtype])
    assert worst[0] <= limit, f"{kernel} {runner.name} {dtype}: {worst[0]:.3f} ulp at {float(worst[1]).hex()}"


def patterns(step, begin=0):
    """Float32 numbers by their bits, every so many of all, in chunks."""
    for first in range(begin, PATTERNS, step * CHUNK):
        yield np.arange(first, min(first + step * CHUNK, PATTERNS), step, np.uint64).astype(np.uint32).view(np.float32)


def native(variant):
    """The variant, or a skip that names it."""
    if variant not in _engine.variants():
        pytest.skip(f"this machine cannot run the variant {variant}")
    return Native(variant)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kernel", FUNCTIONS)
def test_every_1009th_float(kernel, variant):
    check(kernel, patterns(1009), "float32", native(variant))


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kernel", FUNCTIONS)
def test_every_float(kernel, variant):
    check(kernel, patterns(1), "float32", native(variant))


def doubles(random):
    """Arguments all over the range, where the functions do something, and around the borders of their parts."""
    count = 300_000
    yield random.integers(0, 2**64, count, np.uint64, endpoint=False).view(np.float64)
    for bound in (1e-8, 0.1, 0.55, 1, 5, 20, 40, 750):
        yield random.uniform(-bound, bound, count)
    yield np.exp2(random.uniform(-1080, 1024, count))
    yield 1 + random.uniform(-1, 1, count) * 2.0 ** random.uniform(-52, -1, count)  # where log is small
    for border in BORDERS:
        here = np.array([border, -border]).view(np.int64)[:, None] + np.arange(-2000, 2000)
        yield here.ravel().view(np.float64)
    yield np.array(SPECIAL + [-x for x in SPECIAL])


@pytest.mark.skipif(np.finfo(np.longdouble).nmant <= 52, reason="long double has no more bits than double")
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kernel", FUNCTIONS)
def test_doubles(kernel, variant):
    check(kernel, doubles(np.random.default_rng(3)), "float64", native(variant))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", LIMITS)
def test_special_values(dtype, variant):
    """Zeros keep their sign, infinities have limits, NaN stays; no result is outside of a function's range."""
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -1.0], dtype)
    expected = {
        "exp_forward": [1, 1, np.inf, 0, np.nan, np.exp(-1)],
        "log_forward": [-np.inf, -np.inf, np.inf, np.nan, np.nan, np.nan],
        "tanh_forward": [0.0, -0.0, 1, -1, np.nan, np.tanh(-1)],
        "sigmoid_forward": [0.5, 0.5, 1, 0, np.nan, 1 / (1 + np.e)],
        "gelu_forward": [0.0, -0.0, np.inf, 0, np.nan, -0.15865525393145705],
        "softplus_forward": [np.log(2), np.log(2), np.inf, 0, np.nan, np.log1p(1 / np.e)],
        "sigmoid_gate_forward": [0.0, -0.0, np.inf, 0, np.nan, -1 / (1 + np.e)],
        "mish_forward": [0.0, -0.0, np.inf, 0, np.nan, -np.tanh(np.log1p(1 / np.e))],
    }
    everything = np.concatenate([x, np.random.default_rng(0).standard_normal(10_000).astype(dtype) * 50])
    for kernel in FUNCTIONS:
        got = values_of(kernel, x, native(variant))
        np.testing.assert_allclose(got, np.array(expected[kernel], dtype), rtol=3e-7)
        assert np.array_equal(np.signbit(got[:2]), np.signbit(expected[kernel][:2]))
    for kernel, low, high in (("tanh_forward", -1, 1), ("sigmoid_forward", 0, 1)):
        got = values_of(kernel, everything, native(variant))
        assert np.nanmin(got) >= low
        assert np.nanmax(got) <= high


def test_too_large_an_error_is_noticed():
    """The measure itself: values some places off, and special ones that are wrong."""
    x = np.array([-3.0, -1e-30, 0.0, 0.5, 3.0, 100.0, np.inf, np.nan], np.float32)
    got = np.tanh(x.astype(np.float64)).astype(np.float32)
    assert errors("tanh_forward", x, got).max() <= 0.5
    for place, wrong, error in ((0, got[0] + 3 * np.spacing(got[0]), 2.5), (1, 0, 1e6), (2, 1e-45, np.inf),
                                (5, np.nan, np.inf), (6, -1, np.inf), (7, 1, np.inf)):  # fmt: skip
        spoilt = got.copy()
        spoilt[place] = wrong
        found = errors("tanh_forward", x, spoilt)
        assert found.argmax() == place
        assert found[place] >= error
    x, limit = np.array([88.5, 88.8], np.float32), np.finfo(np.float32).max
    assert errors("exp_forward", x, np.array([np.exp(88.5), np.inf], np.float32)).max() <= 0.5
    assert errors("exp_forward", x, np.array([np.exp(88.5), limit], np.float32))[1] > 1e6

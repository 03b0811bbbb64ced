"""Random numbers: the generator's published answers, and what dropout, initial values and shuffling make of them."""

import ctypes

import numpy as np
import pytest
import reference.random as reference
from harness import DTYPES

from nncore import _engine, _kernels

VARIANTS = _engine.variants()
STREAM = 0x20000003


def uniform(shape, dtype="float64", block=None, low=0.0, high=1.0, seed=1, stream=STREAM, variant=None, y=None):
    """What random_uniform writes, over the whole array unless a block is given."""
    y = np.zeros(shape, dtype) if y is None else y
    _kernels.run("random_uniform", dtype, {"y": y, "columns": shape[1], "stream": stream, "low": low, "high": high},
                 block or (0, shape[0], 0, shape[1]), seed=seed, variant=variant)  # fmt: skip
    return y


def dropout(x, rate, *, block=None, y_stride=None, seed=1, step=1, stream=STREAM, variant=None):
    """What dropout makes of x (rows, features)."""
    y = np.zeros_like(x)
    features = x.shape[1]
    strides = {"x_stride": x.strides[0] // x.itemsize, "y_stride": features if y_stride is None else y_stride}
    _kernels.run("dropout", x.dtype, {"x": x, "y": y, "features": features, "stream": stream, "rate": rate, **strides},
                 block or (0, len(x)), seed=seed, step=step, variant=variant)  # fmt: skip
    return y


def words_of(values):
    """The upper 24 bits of the numbers behind float32 values of [0, 1)."""
    return (values.ravel() * 2.0**24).astype(np.uint32)


# ---------------------------------------------------------------- Philox

# From the file kat_vectors of the authors' Random123: counter, key, numbers.
ANSWERS = [
    ([0, 0, 0, 0], [0, 0], [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    ([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], [0xA4093822, 0x299F31D0],
     [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]),
]  # fmt: skip


@pytest.mark.parametrize(("counter", "key", "numbers"), ANSWERS)
def test_the_reference_gives_the_published_answers(counter, key, numbers):
    position = counter[0] | counter[1] << 32
    got = reference.philox(key[0] | key[1] << 32, [position], counter[2], counter[3])
    assert got.tolist() == [numbers]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_kernels_give_the_published_answer(variant):
    got = words_of(uniform((1, 4), "float32", seed=0, stream=0, variant=variant))
    assert got.tolist() == [number >> 8 for number in ANSWERS[0][2]]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("position", [0, 1, 2**32 - 1, 2**32, 2**45 + 7, 2**61 - 2])
def test_the_kernels_give_the_reference_at_any_counter(variant, position):
    """Dropout of rate t / 2^32 tells whether the number at a place is at least t; rows far off cost nothing."""
    seed, step, stream = 0x299F31D0A4093822, 0x13198A2E, 0x03707344
    for word, number in enumerate(reference.philox(seed, [position], step, stream)[0].tolist()):
        for threshold, kept in ((number, True), (number + 1, False)):
            x, y = np.ones((1, 4), np.float32), np.zeros((1, 4), np.float32)
            arguments = {"x": x, "y": y, "features": 4, "x_stride": 0, "y_stride": 0, "stream": stream,
                         "rate": threshold / 2**32}  # fmt: skip
            _kernels.run("dropout", "float32", arguments, (position, position + 1), seed=seed, step=step,
                         variant=variant)  # fmt: skip
            assert (y[0, word] != 0) == kept


@pytest.mark.parametrize("variant", VARIANTS)
def test_positions_carry_beyond_32_bits(variant):
    """Counters whose lower half overflows within a vector."""
    features = 4
    for begin in range(2**32 - 30, 2**32 + 3, 3):
        x, y = np.ones((1, features), np.float32), np.zeros((1, features), np.float32)
        for row in range(begin, begin + 3):
            arguments = {"x": x, "y": y, "features": features, "x_stride": 0, "y_stride": 0, "stream": STREAM,
                         "rate": 0.5}  # fmt: skip
            _kernels.run("dropout", "float32", arguments, (row, row + 1), seed=5, step=9, variant=variant)
            numbers = reference.philox(5, [row], 9, STREAM)[0]
            assert np.array_equal(y[0] != 0, numbers >= 2**31)
    # one call across the border: the array that stands at row 2^32 - 40 begins far before its memory
    rows, first = 80, 2**32 - 40
    memory = np.zeros((rows, features), np.float32)
    address = memory.ctypes.data - first * features * 4
    y = np.frombuffer((ctypes.c_char * 4).from_address(address), np.float32)
    uniform((0, features), "float32", (first, first + rows, 0, features), seed=5, variant=variant, y=y)
    expected = reference.philox(5, np.arange(first, first + rows), 0, STREAM)
    assert np.array_equal(words_of(memory), expected.ravel() >> 8)


# ---------------------------------------------------------------- initial values


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_uniform_range_and_moments(dtype, variant):
    low, high, count = -2.0, 5.0, 400_000
    values = uniform((400, 1000), dtype, low=low, high=high, seed=12, variant=variant).astype(np.float64)
    assert values.min() >= low
    assert values.max() <= high  # rounding may reach it
    u = (values - low) / (high - low)
    for power in (1, 2, 3, 4):  # mean and variance of u^p are 1 / (p + 1) and 1 / (2p + 1) - 1 / (p + 1)^2
        deviation = np.sqrt((1 / (2 * power + 1) - 1 / (power + 1) ** 2) / count)
        assert abs((u**power).mean() - 1 / (power + 1)) < 4 * deviation
    assert abs(np.corrcoef(u.ravel()[:-1], u.ravel()[1:])[0, 1]) < 4 / np.sqrt(count)
    observed = np.bincount((u.ravel() * 256).astype(int).clip(0, 255), minlength=256)
    assert chi_square(observed) < limit(255)


def chi_square(observed):
    """Sum of (observed - expected)^2 / expected, where all are expected to be equal."""
    observed = np.asarray(observed, np.float64).ravel()
    expected = observed.mean()
    return ((observed - expected) ** 2 / expected).sum()


def limit(degrees):
    """What chi square exceeds about once in 30,000 times (Wilson and Hilferty: its cube root is nearly normal)."""
    return degrees * (1 - 2 / (9 * degrees) + 4 * np.sqrt(2 / (9 * degrees))) ** 3


def test_the_limit_of_chi_square():
    """Quantile 1 - 3.17e-5 of 10 and of 255 degrees, from SciPy."""
    assert limit(10) == pytest.approx(38.451, rel=0.02)
    assert limit(255) == pytest.approx(355.494, rel=0.002)


def test_uniform_reaches_every_bit():
    """Also the lowest bits of a double are random, and the highest number stays below 1."""
    bits = (uniform((100, 1000)) * 2.0**53).astype(np.uint64)
    for bit in range(53):
        ones = int((bits >> np.uint64(bit) & np.uint64(1)).sum())
        assert abs(ones - 50_000) < 4 * np.sqrt(25_000), bit
    assert uniform((100, 1000), "float32").max() < 1


def test_numbers_differ_by_seed_and_stream():
    first = uniform((50, 50))
    assert np.array_equal(first, uniform((50, 50)))
    for other in ({"seed": 2}, {"seed": 1 + 2**32}, {"stream": STREAM + 1}, {"stream": 0x10000003}):
        different = uniform((50, 50), **other)
        assert not (first == different).any()
        assert abs(np.corrcoef(first.ravel(), different.ravel())[0, 1]) < 4 / 50


# ---------------------------------------------------------------- dropout


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_statistics(dtype, rate):
    x = np.full((500, 400), 3.0, dtype)
    y = dropout(x, rate)
    kept = y != 0
    assert np.allclose(y[kept], 3 / (1 - rate), rtol=1e-6)
    deviation = np.sqrt(rate * (1 - rate) / x.size)
    assert abs(kept.mean() - (1 - rate)) < 4 * deviation
    for axis in (0, 1):  # no column and no row is special
        means = kept.mean(axis=axis)
        assert np.abs(means - (1 - rate)).max() < 5 * np.sqrt(rate * (1 - rate) / x.shape[axis])
    for shift in (1, 2, 3, 4, 400):
        neighbours = np.corrcoef(kept.ravel()[:-shift], kept.ravel()[shift:])[0, 1]
        assert abs(neighbours) < 4.5 / np.sqrt(x.size)


def test_dropout_at_the_ends_of_the_rate():
    x = np.random.default_rng(0).standard_normal((50, 60)).astype(np.float32)
    assert np.array_equal(dropout(x, 0.0), x)
    assert not dropout(x, 1.0).any()


def test_dropout_is_the_same_for_the_same_place_and_only_then():
    x = np.ones((40, 100), np.float32)
    masks = [dropout(x, 0.5) != 0]
    assert np.array_equal(masks[0], dropout(2 * x, 0.5) != 0)
    for other in ({"step": 2}, {"seed": 2}, {"seed": 1 + 2**32}, {"stream": STREAM + 1}):
        masks.append(dropout(x, 0.5, **other) != 0)
    for number, mask in enumerate(masks):
        for other in masks[:number]:  # two independent masks agree in half of all places
            assert abs((mask == other).mean() - 0.5) < 4 * 0.5 / np.sqrt(x.size)


@pytest.mark.parametrize("variant", VARIANTS)
def test_dropout_masks_do_not_depend_on_type_or_variant(variant):
    expected = dropout(np.ones((37, 61)), 0.3) != 0
    for dtype in DTYPES:
        assert np.array_equal(dropout(np.ones((37, 61), dtype), 0.3, variant=variant) != 0, expected)


# ---------------------------------------------------------------- the order of an epoch


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
def test_shuffle_is_the_reference(seed):
    for count in [*range(70), 191, 192, 193, 1000]:
        for epoch in (0, 3):
            assert np.array_equal(_engine.shuffled(count, seed, epoch), reference.shuffled(count, seed, epoch)), count


def test_shuffle_of_many_rows_is_the_reference():
    """So many that some numbers are rejected, as no equal share of 2^32 falls to each place."""
    assert np.array_equal(_engine.shuffled(300_000, 7, 1), reference.shuffled(300_000, 7, 1))


@pytest.mark.parametrize("count", [0, 1, 2, 5, 1000, 100_003])
def test_shuffle_is_a_permutation(count):
    order = _engine.shuffled(count, 3, 1)
    assert order.dtype == np.int64
    assert np.array_equal(np.sort(order), np.arange(count))


def test_shuffle_is_a_function_of_seed_and_epoch():
    first = _engine.shuffled(1000, 3, 1)
    assert np.array_equal(first, _engine.shuffled(1000, 3, 1))
    for seed, epoch in ((3, 0), (3, 2), (4, 1), (3 + 2**32, 1), (0, 1)):
        other = _engine.shuffled(1000, seed, epoch)
        assert (first == other).sum() < 12  # one is expected
        assert abs(np.corrcoef(first, other)[0, 1]) < 4 / np.sqrt(1000)


def test_shuffled_positions_are_uniform():
    """Where each element goes, over many epochs; and every order of few elements is as likely."""
    count, epochs = 20, 20_000
    observed = np.zeros((count, count), int)
    for epoch in range(epochs):
        observed[np.arange(count), _engine.shuffled(count, 11, epoch)] += 1
    assert chi_square(observed) < limit((count - 1) ** 2)
    orders = {}
    for epoch in range(24_000):
        order = tuple(_engine.shuffled(4, 12, epoch))
        orders[order] = orders.get(order, 0) + 1
    assert len(orders) == 24
    assert chi_square(list(orders.values())) < limit(23)

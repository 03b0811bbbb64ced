"""The matrix products bit by bit: each element is one chain of multiply-adds, whatever tile it falls into.

Expected values come from chains in NumPy (reference.product_chains). A chain depends on a row of the left matrix
and a column of the right one alone, so those of one large product serve all smaller ones.
"""

import functools
import itertools
from fractions import Fraction

import numpy as np
import pytest
from cases import INNER, Panels
from guarded import PlainMemory
from harness import DTYPES, VARIANTS, Native, PlacedArray, same_bits
from reference.chains import fused_multiply_add, product_chains

from nncore import _engine

ROWS, COLUMNS = 30, 70  # more than twice every row tile; and every column tile up to 32 twice
WIDE_ROWS, WIDE_COLUMNS = 4, 260  # few rows are given tiles of up to eight vectors
SHORT = tuple(k for k in INNER if k <= 17)
LONG = (*(k for k in INNER if k > 17), 639, 640, 641)
PADDING = 3


def native(variant):
    """The variant, or a skip that names it."""
    if variant not in _engine.variants():
        pytest.skip(f"this machine cannot run the variant {variant}")
    return Native(variant)


# ---------------------------------------------------------------- the emulated multiply-add itself


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_emulated_multiply_add_rounds_once(dtype):
    """Against exact fractions, for operands that cancel, lie on ties, and differ much in size."""
    random = np.random.default_rng(5)
    bits = np.finfo(dtype).nmant + 1
    count = 3000
    a, b = (random.integers(2 ** (bits - 1), 2**bits, count).astype(dtype) for _ in range(2))
    a *= random.choice([-1, 1], count).astype(dtype)
    with np.errstate(over="ignore"):
        c = (-a * b * 2.0 ** random.integers(-60, 60, count)).astype(dtype)
    c[::3] = (-a[::3] * b[::3]).astype(dtype)  # nearly all of the product cancels
    c[1::3] = (2.0 ** random.integers(0, 2 * bits, len(c[1::3]))).astype(dtype)
    a[::5], b[::5] = np.round(a[::5] / 2 ** (bits - 8)), np.round(b[::5] / 2 ** (bits - 8))  # short: ties
    got = fused_multiply_add(a, b, c)
    for i in range(count):
        exact = Fraction(float(a[i])) * Fraction(float(b[i])) + Fraction(float(c[i]))
        error = abs(Fraction(float(got[i])) - exact)
        for other in (np.nextafter(got[i], np.array(-np.inf, dtype)), np.nextafter(got[i], np.array(np.inf, dtype))):
            distance = abs(Fraction(float(other)) - exact)
            even = int(got[i : i + 1].view(f"u{got.itemsize}")[0]) % 2 == 0
            assert error < distance or (error == distance and even), (a[i], b[i], c[i], got[i])


# ---------------------------------------------------------------- all edges of all tiles


@functools.lru_cache(maxsize=8)
def operands(dtype, rows, inner, columns):
    """a (rows, inner), b (inner, columns), and what else a product may be given."""
    random = np.random.default_rng([rows, inner, columns])

    def normal(*shape):
        return random.standard_normal(shape).astype(dtype)

    mask = np.where(random.random((rows, columns)) < 0.4, 0, normal(rows, columns)).astype(dtype)
    return {"a": normal(rows, inner), "b": normal(inner, columns), "bias": normal(columns), "mask": mask,
            "c": normal(rows, columns)}  # fmt: skip


@functools.lru_cache(maxsize=8)
def chains(dtype, rows, columns, stops, fused):
    """{k: the product over the first k of the summed index}."""
    given = operands(dtype, rows, max(stops), columns)
    return dict(product_chains(given["a"], given["b"], stops, fused))


def apply_ends(product, given, options):
    """What becomes of finished chains: + c, + bias, max(0, .), zero where mask <= 0; each rounded once."""
    rows, columns = product.shape
    if "accumulate" in options:
        product = given["c"][:rows, :columns] + product
    if "bias" in options:
        product = product + given["bias"][:columns]
    if "relu" in options:
        product = np.where(product < 0, 0, product).astype(product.dtype)
    if "mask" in options:
        product = np.where(given["mask"][:rows, :columns] > 0, product, 0).astype(product.dtype)
    return product


class Product:
    """Runs matmul or matmul_gradient on parts of the same operands."""

    def __init__(self, runner, dtype, rows, columns, stops):
        self.runner, self.dtype = runner, dtype
        self.given = operands(dtype, rows, max(stops), columns)
        self.chains = chains(dtype, rows, columns, stops, runner.fused)
        self.transposed = np.ascontiguousarray(self.given["a"].T)
        self.c = np.empty((rows, columns + PADDING), dtype)
        self.panels = {}

    def packed(self, k):
        """(b in panels, row stride, panel stride) of its first k rows."""
        if k not in self.panels:
            width = self.runner.panel_width(self.dtype)
            array = Panels(self.given["b"][:k], PADDING, 5)
            placed = PlacedArray(array, PlainMemory(1 << 21), width)
            self.panels[k] = (placed.start, array.row_stride(width), array.panel_stride(width))
        return self.panels[k]

    def forward(self, rows, k, columns, options=(), begin=0):
        """Yields what is wrong with rows `begin` to `rows` of a product."""
        given, c = self.given, self.c
        c[:, :columns] = given["c"][:, :columns]
        b, b_stride, b_panel = self.packed(k) if "panels" in options else (given["b"], given["b"].shape[1], 0)
        arguments = {
            "a": given["a"], "b": b, "c": c, "inner": k, "columns": columns, "a_stride": given["a"].shape[1],
            "b_stride": b_stride, "b_panel": b_panel, "mask_stride": given["mask"].shape[1], "c_stride": c.shape[1],
            "relu": int("relu" in options), "accumulate": int("accumulate" in options),
            "bias": given["bias"] if "bias" in options else None,
            "mask": given["mask"] if "mask" in options else None,
        }  # fmt: skip
        self.runner.run("matmul", self.dtype, arguments, (begin, rows), {})
        expected = apply_ends(self.chains[k][:rows, :columns], given, options)[begin:]
        yield from self._compare("matmul", c[begin:rows, :columns], expected, (rows - begin, k, columns), options)

    def backward(self, rows, k, columns, accumulate=False, begin=0):
        """Yields what is wrong with rows `begin` to `rows` of a gradient over a minibatch of k."""
        gradient = self.c[: rows - begin]
        gradient[:, :columns] = self.given["c"][begin:rows, :columns]
        arguments = {"x": self.transposed, "dy": self.given["b"], "x_stride": self.transposed.shape[1],
                     "dy_stride": self.given["b"].shape[1], "accumulate": int(accumulate)}  # fmt: skip
        self.runner.run("matmul_gradient", self.dtype, arguments, (begin, rows, 0, columns),
                        {"rows": k, "gradient": gradient})  # fmt: skip
        options = ("accumulate",) if accumulate else ()
        expected = apply_ends(self.chains[k][:rows, :columns], self.given, options)[begin:]
        sizes = (rows - begin, k, columns)
        yield from self._compare("matmul_gradient", gradient[:, :columns], expected, sizes, options)

    def _compare(self, kernel, got, expected, sizes, options):
        same = same_bits(np.ascontiguousarray(got), np.ascontiguousarray(expected))
        if not same.all():
            place = tuple(int(i) for i in np.argwhere(~same)[0])
            yield (
                f"{kernel} {self.runner.name} {self.dtype}: rows, inner, columns {sizes} {' '.join(options)}: "
                f"element {list(place)} is {got[place]!r}, its chain {expected[place]!r}; "
                f"{int((~same).sum())} of {same.size} differ"
            )


def all_edges(runner, dtype, step=1):
    """Yields what is wrong with products of every size; with `step` of every so many sizes."""
    some = Product(runner, dtype, ROWS, COLUMNS, SHORT)
    sizes = itertools.product(range(1, ROWS + 1), range(1, COLUMNS + 1), SHORT)
    for rows, columns, k in itertools.islice(sizes, 0, None, step):
        yield from some.forward(rows, k, columns, ("panels",) if (rows + columns + k) % 3 == 0 else ())
        yield from some.backward(rows, k, columns)
    some = Product(runner, dtype, WIDE_ROWS, WIDE_COLUMNS, (1, 5))
    sizes = itertools.product(range(1, WIDE_ROWS + 1), range(1, WIDE_COLUMNS + 1), (1, 5))
    for rows, columns, k in itertools.islice(sizes, 0, None, step):
        yield from some.forward(rows, k, columns)
        yield from some.forward(rows, k, columns, ("panels",))
        yield from some.backward(rows, k, columns)


def all_ends(runner, dtype, step=1):
    """Yields what is wrong with products of every combination of options, and with blocks of rows."""
    some = Product(runner, dtype, ROWS, COLUMNS, SHORT)
    names = ("accumulate", "bias", "relu", "mask", "panels")
    choices = [tuple(itertools.compress(names, chosen)) for chosen in itertools.product((0, 1), repeat=len(names))]
    sizes = ((1, 5, 1), (3, 0, 70), (5, 17, 9), (13, 4, 33), (29, 8, 48), (30, 16, 70), (2, 3, 64))
    for options, (rows, k, columns) in itertools.islice(itertools.product(choices, sizes), 0, None, step):
        for begin in (0, rows // 2):
            yield from some.forward(rows, k, columns, options, begin)
            yield from some.backward(rows, k, columns, "accumulate" in options, begin)


def long_chains(runner, dtype, step=1):
    """Yields what is wrong with products whose summed index is cut into blocks."""
    some = Product(runner, dtype, ROWS, COLUMNS, LONG)
    sizes = itertools.product((1, 2, 6, 7, 15, 30), (1, 10, 16, 33, 64, 70), LONG)
    for rows, columns, k in itertools.islice(sizes, 0, None, step):
        for options in ((), ("bias", "relu", "mask"), ("accumulate", "bias"), ("panels",)):
            yield from some.forward(rows, k, columns, options)
        yield from some.backward(rows, k, columns)
        yield from some.backward(rows, k, columns, accumulate=True)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("check", [all_edges, all_ends, long_chains])
def test_each_element_is_one_chain(check, dtype, variant):
    messages = list(check(native(variant), dtype))
    assert not messages, "\n".join([f"{len(messages)} products are wrong:", *messages[:10]])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_packing_makes_panels_that_the_product_reads(dtype, variant):
    """The product over a matrix that `pack` packed, and over one that `pack_transposed` transposed and packed."""
    runner = native(variant)
    width = runner.panel_width(dtype)
    for rows, inner, columns in ((7, 5, 70), (3, 33, 130), (14, 64, 64)):
        given = operands(dtype, rows, inner, columns)
        expected = dict(product_chains(given["a"], given["b"], (inner,), runner.fused))[inner]
        panels = -(-columns // width)
        for panel in (0, inner * width):
            stride = width if panel else columns
            packed = [np.full(max(panels * panel, inner * columns), np.nan, dtype) for _ in range(2)]
            shared = {"packed_stride": stride, "packed_panel": panel}
            runner.run("pack", dtype, {"matrix": given["b"], "packed": packed[0], "columns": columns, **shared},
                       (0, inner, 0, columns), {})  # fmt: skip
            matrix = np.ascontiguousarray(given["b"].T)
            runner.run("pack_transposed", dtype, {"matrix": matrix, "packed": packed[1], "columns": inner, **shared},
                       (0, columns, 0, inner), {})  # fmt: skip
            for b in packed:
                c = np.empty((rows, columns), dtype)
                arguments = {"a": given["a"], "b": b, "bias": None, "mask": None, "c": c, "inner": inner,
                             "columns": columns, "a_stride": inner, "b_stride": stride, "b_panel": panel,
                             "mask_stride": 0, "c_stride": columns, "relu": 0, "accumulate": 0}  # fmt: skip
                runner.run("matmul", dtype, arguments, (0, rows), {})
                assert same_bits(c, expected).all(), (rows, inner, columns, panel)

"""Calls of every kernel of kernels.def, defined once for tests of values, of memory and of bits, and for timing.

    for case in cases("matmul", "float32"): ...

A generator entered with `cases_for` makes the cases of a kernel. Sizes run over the edges of every variant's tiles and
vectors, strides are larger than widths, blocks begin anywhere, and special values stand where the formula says
what becomes of them. Everything is a function of the kernel's name and type alone.
"""

import itertools
import zlib
from typing import NamedTuple

import numpy as np

GRADIENT = "worker_gradient"  # worker->gradient and worker->order go by these names among the arrays of a call
ORDER = "worker_order"

ROWS = range(1, 31)  # twice the largest row tile and more
COLUMNS = range(1, 71)  # twice the widest vector tile of most variants and more
INNER = (0, 1, 2, 3, 4, 5, 8, 16, 17, 319, 320, 321, 700)  # around vectors, and around the product's blocks of 320

# In memory that no one has written yet. NaN in either real type, so that a sum over it shows.
UNWRITTEN = {4: 0x7FC0A5A5, 8: 0x7FF8A5A5A5A5A5A5}


class Array:
    """An array of a call: values (rows, width) or (rows,), and how they lie in memory.

    Parameters
    ----------
    values : array in the type that the kernel sees
    padding : int, elements between the end of a row and the next
    stride_bytes : int, optional
        From row to row, instead: of any sign, and not a whole number of elements.
    written : bool
        What lies between the rows looks like unwritten memory of a result, and not like that of an input.
    """

    def __init__(self, values, padding=0, stride_bytes=None, written=False):
        self.values = np.ascontiguousarray(values)
        width = self.values.shape[1] if self.values.ndim == 2 else 1
        self.stride = width + padding
        self.stride_bytes = self.stride * self.values.itemsize if stride_bytes is None else stride_bytes
        self.written = written

    def places(self, panel_width):
        """Byte offsets of the elements from the first one, and of the last element's end."""
        shape, size = self.values.shape, self.values.itemsize
        rows = np.arange(shape[0]) * self.stride_bytes
        return rows if len(shape) == 1 else rows[:, None] + np.arange(shape[1]) * size


class Panels(Array):
    """A matrix (inner, columns) in panels: rows `padding` elements wider than a panel, `gap` more between panels."""

    def __init__(self, values, padding=0, gap=0, written=False):
        super().__init__(values, 0, written=written)
        self.padding, self.gap = padding, gap

    def row_stride(self, panel_width):
        """Elements from one row of a panel to the next: b_stride of matmul."""
        return panel_width + self.padding

    def panel_stride(self, panel_width):
        """Elements from one panel to the next: b_panel of matmul."""
        return max(len(self.values), 1) * self.row_stride(panel_width) + self.gap

    def places(self, panel_width):
        column = np.arange(self.values.shape[1])
        panel = column // panel_width * self.panel_stride(panel_width) + column % panel_width
        return (np.arange(len(self.values))[:, None] * self.row_stride(panel_width) + panel) * self.values.itemsize


class Block(NamedTuple):
    """The part of a job that a call covers."""

    row_begin: int
    row_end: int
    column_begin: int = 0
    column_end: int = 1

    @property
    def rows(self):
        return slice(self.row_begin, self.row_end)

    @property
    def columns(self):
        return slice(self.column_begin, self.column_end)


class Case(NamedTuple):
    """One call of a kernel."""

    kernel: str
    dtype: np.dtype
    label: str
    arguments: dict  # Array, None, a number, or a function from the panel's width to one
    worker: dict  # rows, first_row, step, seed, learning_rate, coefficient; order and gradient are Arrays
    block: Block
    timed: bool  # of a size that training has: for benchmarks
    flops: float

    @property
    def panel_dtype(self):
        """What the width of panels belongs to: the kernel's type, or float where it works on pairs whatever that is."""
        return np.dtype(np.float32) if "pairs" in self.kernel else self.dtype

    def arrays(self):
        """Every array by name, the worker's included; one that stands for two arguments stands here twice."""
        named = {name: value for name, value in self.arguments.items() if isinstance(value, Array)}
        for name, key in ((ORDER, "order"), (GRADIENT, "gradient")):
            if self.worker.get(key) is not None:
                named[name] = self.worker[key]
        return named

    def sizes(self, panel_width):
        """All other arguments, as numbers."""
        return {
            name: value(panel_width) if callable(value) else value
            for name, value in self.arguments.items()
            if not isinstance(value, Array)
        }

    def __str__(self):
        return f"{self.label}; block {tuple(self.block)}"


TABLE = {}


def cases_for(*kernels):
    """Enters a generator of cases under the names of its kernels."""

    def enter(generator):
        for kernel in kernels:
            assert kernel not in TABLE, kernel
            TABLE[kernel] = generator
        return generator

    return enter


def cases(kernel, dtype, timed=None):
    """The cases of a kernel; with `timed` only those that are for benchmarks, or only the others."""
    make = Maker(kernel, dtype)
    return [case for case in TABLE[kernel](make, kernel) if timed is None or case.timed == timed]


class Maker:
    """Makes the arrays and cases of one kernel for one real type."""

    def __init__(self, kernel, dtype):
        self.kernel, self.dtype = kernel, np.dtype(dtype)
        self.random = np.random.default_rng([zlib.crc32(kernel.encode()), self.dtype.itemsize])
        self._paddings = itertools.cycle((0, 1, 3, 0, 8, 5, 13))

    def case(self, label, block, worker=None, timed=False, flops=0.0, **arguments):
        block = Block(*(block if isinstance(block, tuple) else (0, block)))
        label = f"{label}, timed" if timed else label
        return Case(self.kernel, self.dtype, label, arguments, worker or {}, block, timed, flops)

    # ---- values

    def normal(self, *shape, scale=1.0):
        """Normally distributed numbers."""
        return (self.random.standard_normal(shape) * scale).astype(self.dtype)

    def uniform(self, *shape, low=0.0, high=1.0):
        """Numbers between two bounds, neither of which is one of them."""
        return (low + (high - low) * self.random.uniform(0.001, 0.999, shape)).astype(self.dtype)

    def magnitudes(self, *shape, low, high):
        """Normal numbers times powers of ten between 10^low and 10^high."""
        return (self.random.standard_normal(shape) * 10.0 ** self.random.uniform(low, high, shape)).astype(self.dtype)

    def probabilities(self, *shape):
        """Positive numbers whose sum over the last axis is about 1."""
        powers = np.exp(self.random.standard_normal(shape))
        return (powers / powers.sum(axis=-1, keepdims=True)).astype(self.dtype)

    def specials(self, rows, columns, infinities=True, nan=True):
        """Zeros of both signs, denormals, the largest and smallest numbers, one, infinities, NaN: all over."""
        limits = np.finfo(self.dtype)
        tiny = [limits.smallest_subnormal, 3 * limits.smallest_subnormal, limits.tiny * 0.75, limits.tiny]
        some = [0.0, *tiny, limits.eps, 0.5, 1 - limits.epsneg, 1.0, 1 + limits.eps, 1e3, limits.max / 2, limits.max]
        some += [np.inf] if infinities else []
        some = [*some, *(-x for x in some), *([np.nan] if nan else [])]
        return np.resize(np.array(some, self.dtype), (rows, columns))

    # ---- arrays

    def padding(self):
        """Elements between rows: another number each time, often none."""
        return next(self._paddings)

    def matrix(self, values, padding=None):
        """An input, with a padding of its own choice unless given."""
        return Array(values, self.padding() if padding is None else padding)

    def output(self, *shape, padding=None, dtype=None):
        """A result: memory that no one has written."""
        dtype = self.dtype if dtype is None else np.dtype(dtype)
        values = np.full(shape, UNWRITTEN[dtype.itemsize], f"u{dtype.itemsize}").view(dtype)
        padding = (self.padding() if len(shape) == 2 else 0) if padding is None else padding
        return Array(values, padding, written=True)

    # ---- sizes

    def row_shapes(self):
        """(rows, columns, block) of row kernels: every width of COLUMNS, every number of ROWS, and wide rows."""
        shapes = [(1 + columns % 5, columns) for columns in COLUMNS]
        shapes += [(rows, 1 + rows * 7 % 23) for rows in ROWS]
        shapes += [(3, columns) for columns in (100, 127, 128, 129, 255, 256, 257, 513)]
        for number, (rows, columns) in enumerate(shapes):
            yield rows, columns, (rows // 3, rows - rows // 4) if number % 3 == 2 else (0, rows)

    def tile_shapes(self):
        """(rows, columns, block) of parameters: as row_shapes, with blocks that begin and end at any column."""
        for number, (rows, columns, (row_begin, row_end)) in enumerate(self.row_shapes()):
            if number % 2:
                yield rows, columns, (row_begin, row_end, 0, columns)
            else:
                yield rows, columns, (row_begin, row_end, columns // 5, columns - columns // 7)

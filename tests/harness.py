"""Runs a case of cases.py: lays its arrays out in memory, calls the kernel, compares with reference.py."""

import itertools
from types import SimpleNamespace

import numpy as np
from cases import GRADIENT, ORDER, UNWRITTEN, Block, cases
from reference import REFERENCES

from nncore import _engine, _kernels

VARIANTS = ("generic", "avx2", "avx512", "neon")  # those of every platform
FUSED = ("avx2", "avx512", "neon")  # those whose results are the same to the last bit
DTYPES = ("float32", "float64")

AROUND = -317.25  # no function, sum or product leaves it as it is


class Native:
    """Calls a variant's kernels in this process."""

    def __init__(self, variant):
        self.name = variant
        self.fused = variant in FUSED
        self._panel_widths = {}

    def run(self, kernel, dtype, arguments, block, worker):
        """Calls a kernel; returns {"nonfinite", "coefficient", "learning_rate"}."""
        return _kernels.run(kernel, dtype, arguments, tuple(block), variant=self.name, **worker)

    def panel_width(self, dtype):
        """Columns of a packed panel: where `pack` leaves the first one for the next."""
        dtype = np.dtype(dtype)
        if dtype not in self._panel_widths:
            columns, panel = 512, 4096
            matrix, packed = np.arange(1, columns + 1).astype(dtype), np.zeros((columns + 1) * panel, dtype)
            self.run("pack", dtype, {"matrix": matrix, "packed": packed, "columns": columns, "packed_stride": 0,
                                     "packed_panel": panel}, (0, 1, 0, columns), {})  # fmt: skip
            self._panel_widths[dtype] = int(np.count_nonzero(packed[:panel]))
        return self._panel_widths[dtype]


class Placed:
    """A case whose arrays lie in memory: `run` calls the kernel on them, `reset` makes them as they were."""

    def __init__(self, case, memory, panel_width):
        self.case = case
        self.arrays = case.arrays()
        self.sizes = case.sizes(panel_width)
        memory.reset()
        self._placed = {}
        outputs = {argument.name for argument in _engine.KERNELS[case.kernel].arguments if "OUT" in argument.role}
        changing = {id(array) for name, array in self.arrays.items() if name in outputs or name == GRADIENT}
        for array in self.arrays.values():
            if id(array) not in self._placed:
                self._placed[id(array)] = PlacedArray(array, memory, panel_width, id(array) in changing)

    def __getitem__(self, name):
        return self._placed[id(self.arrays[name])]

    def reset(self):
        """Gives all memory its first contents."""
        for placed in self._placed.values():
            placed.whole[:] = placed.first

    def run(self, runner, block=None):
        """Calls the kernel over the case's block, or over a part of it."""
        case, block = self.case, block or self.case.block
        arguments = {**self.sizes, **{n: self[n].start for n in self.arrays if n not in (ORDER, GRADIENT)}}
        worker = dict(case.worker)
        if ORDER in self.arrays:
            worker["order"] = self[ORDER].start
        if GRADIENT in self.arrays:  # that of the block alone
            worker["gradient"] = self[GRADIENT].start[
                block.row_begin - case.block.row_begin :, block.column_begin - case.block.column_begin :
            ]
        return runner.run(case.kernel, case.dtype, arguments, block, worker)

    def names(self):
        """One name for each array."""
        return list({id(array): name for name, array in self.arrays.items()}.values())


class PlacedArray:
    """An array in memory: `start` points at its first element.

    What lies around it would show in a result: NaN around what is only read or only written. Around what is read
    and written stands a number, as NaN might be written over itself.
    """

    def __init__(self, array, memory, panel_width, changing=False):
        values = array.values
        places = array.places(panel_width)
        low, high = (int(places.min()), int(places.max()) + values.itemsize) if values.size else (0, 0)
        region, offset, before, after = memory.take(high - low)
        self.whole = region[offset - before : offset + high - low + after]
        if array.written:
            self.whole.view(f"u{values.itemsize}")[:] = UNWRITTEN[values.itemsize]
        elif changing:
            self.whole.view(values.dtype)[:] = AROUND
        else:
            self.whole[:] = 0xFF
        first = offset - low
        if hasattr(array, "gap"):  # panels: there is no one stride
            self._places = (places - low) // values.itemsize
            self._flat = np.ndarray((high - low) // values.itemsize, values.dtype, region, offset)
            self.start = self._flat
        else:
            self._places = None
            strides = (array.stride_bytes, values.itemsize)[-values.ndim :] if values.ndim == 2 else (values.itemsize,)
            self.start = np.ndarray(values.shape, values.dtype, region, first, strides)
        self.write(values)
        self.first = self.whole.copy()
        self.values = values

    def read(self):
        """The elements, as a copy."""
        return self.start.copy() if self._places is None else self._flat[self._places]

    def write(self, values):
        """Sets all elements."""
        if self._places is None:
            self.start[...] = values
        else:
            self._flat[self._places] = values

    def changed_elsewhere(self):
        """Offset, from the first byte looked at, of a byte that is neither an element nor what it was; or None."""
        self.write(self.values)
        different = np.flatnonzero(self.whole != self.first)
        return int(different[0]) if different.size else None


def expectation(case, fused):
    """What the reference says that the case does."""
    arguments = {**case.arguments, **{n: a.values for n, a in case.arrays().items() if n not in (ORDER, GRADIENT)}}
    unset = {"order": None, "gradient": None, "first_row": 0, "step": 1, "seed": 0, "learning_rate": 0.0}
    worker = {**unset, **case.worker}
    worker.setdefault("update", worker["step"])
    for key in ("order", "gradient"):
        worker[key] = None if worker[key] is None else worker[key].values
    with np.errstate(all="ignore"):
        return REFERENCES[case.kernel](
            SimpleNamespace(**arguments), SimpleNamespace(real=case.dtype.type, fused=fused, **worker), case.block
        )


def expectations(kernel, dtype, fused, timed=None):
    """[(case, what it does)] of all cases of a kernel."""
    return [(case, expectation(case, fused)) for case in cases(kernel, dtype, timed)]


def same_bits(a, b):
    """Where two arrays hold the same bits, or both NaN."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype.kind != "f":
        return a == b
    unsigned = f"u{a.itemsize}"
    return (a.view(unsigned) == b.view(unsigned)) | (np.isnan(a) & np.isnan(b))


def wrong_elements(got, expected, factor=1.0):
    """Where an array differs from what is expected by more than that allows, and by how much it may differ."""
    with np.errstate(all="ignore"):
        rounded = np.broadcast_to(np.asarray(expected.value).astype(got.dtype), got.shape)
        if not expected.ulps:
            return ~same_bits(got, np.asarray(rounded, order="C")), np.zeros(got.shape)
        limits = np.finfo(got.dtype)
        wider = got.astype(np.longdouble)
        allowed = factor * expected.ulps * (float(limits.eps) * expected.magnitude + limits.smallest_subnormal)
        bounded = np.isfinite(allowed) & (expected.magnitude != 0)
        allowed = np.broadcast_to(np.where(bounded, allowed, 0), got.shape)
        good = np.abs(wider - expected.value) <= allowed
        good |= np.isnan(got) & np.isnan(expected.value)
        good |= got == rounded
        near_limit = np.abs(expected.value) + allowed >= limits.max
        good |= np.isinf(got) & near_limit & (np.sign(wider) == np.sign(expected.value))
    return ~good, allowed


def check(case, expected, runner, memory):
    """Calls the kernel and yields what is wrong with what it left."""
    placed = Placed(case, memory, runner.panel_width(case.panel_dtype))
    returned = placed.run(runner)
    yield from compare(case, expected, placed, returned, runner)


def compare(case, expected, placed, returned, runner):
    """Yields what is wrong with what a call left."""
    where = f"{case.kernel} {runner.name} {case.dtype} [{case}]"
    # a multiply-add that rounds twice may double an error; so may a reference without more bits than the kernel
    factor = (1 if runner.fused else 2) * (1 if np.finfo(np.longdouble).nmant > 52 else 2)
    for name, wanted in expected.items():
        if name in placed.arrays:
            got = placed[name].read()[wanted.region]
        else:
            got = np.array(returned[name.removeprefix("worker_")])[wanted.region]
        wrong, allowed = wrong_elements(got, wanted, factor)
        if wrong.any():
            place = tuple(int(i) for i in np.argwhere(wrong)[0])
            value = np.broadcast_to(np.asarray(wanted.value), got.shape)[place]
            yield (
                f"{where}: {name}{list(place)} of the block is {got[place]!r}, not {value} within "
                f"{float(allowed[place]):.3g}; {int(wrong.sum())} of {got.size} elements are wrong"
            )
        if name in placed.arrays:  # the rest of it must be as it was
            array = placed[name]
            here = np.zeros(array.values.shape, bool)
            here[wanted.region] = True
            rest = ~here & ~same_bits(array.read(), array.values)
            if rest.any():
                yield f"{where}: {name}{np.argwhere(rest)[0].tolist()} was changed outside of the block"
    for name in placed.names():
        outputs = [other for other in expected if placed.arrays.get(other) is placed.arrays[name]]
        if not outputs and not same_bits(placed[name].read(), placed[name].values).all():
            yield f"{where}: {name} is an input and was changed"
        place = placed[name].changed_elsewhere()
        if place is not None:
            yield f"{where}: byte {place} around or between the rows of {name} was changed"


def outcome(case, runner, memory, blocks=None):
    """Everything that a case leaves, as arrays by name: after one call, or one for each of `blocks` in order."""
    placed = Placed(case, memory, runner.panel_width(case.panel_dtype))
    nonfinite = False
    for block in blocks or [case.block]:
        returned = placed.run(runner, block)
        nonfinite |= returned["nonfinite"]
    results = {name: placed[name].read() for name in placed.names()}
    return {**results, "nonfinite": np.array(nonfinite), "coefficient": np.array(returned["coefficient"]),
            "learning_rate": np.array(returned["learning_rate"])}  # fmt: skip


def different_bits(case, first, second, names):
    """Yields where two outcomes of a case are not the same bits; `names` says whose they are."""
    for name, values in first.items():
        same = same_bits(values, second[name])
        if not same.all():
            place = tuple(int(i) for i in np.argwhere(~same)[0])
            yield (
                f"{case.kernel} {case.dtype} [{case}]: {name}{list(place)} is {values[place]!r} by {names[0]} and "
                f"{second[name][place]!r} by {names[1]}; {int((~same).sum())} of {values.size} elements differ"
            )


def pieces(case):
    """Ways to cut the case's block into several: row by row and column by column, and into uneven parts."""
    block = case.block
    kind = _engine.KERNELS[case.kernel].range
    if kind in ("ONCE", "TILE"):
        return
    for parts in (_every(3), _uneven):
        rows = parts(block.row_begin, block.row_end)
        columns = parts(block.column_begin, block.column_end) if kind == "MATRIX" else [block[2:]]
        yield [Block(*row, *column) for row in rows for column in columns]
    if block.row_end - block.row_begin <= 40:
        yield [Block(row, row + 1, *block[2:]) for row in range(block.row_begin, block.row_end)]


def _every(count):
    return lambda begin, end: [(i, min(i + count, end)) for i in range(begin, end, count)]


def _uneven(begin, end):
    cuts = sorted({begin, begin + (end - begin) // 7, begin + (end - begin) * 3 // 5, end})
    return list(itertools.pairwise(cuts))

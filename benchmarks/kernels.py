"""Kernels of every variant on one core, beside NumPy, and as a share of what peak.py measures.

A case is one call of one kernel. The matrix products are those of a dense layer with m rows, k inputs and n units:

    NN   y = x w       (m, k) (k, n)   forward
    TN   dw = x' dy    (k, m) (m, n)   gradient of the weights; here one block, in a plan cut into tiles
    NT   dx = dy w'    (m, n) (n, k)   gradient of the inputs, over a mirror of w'

"in panels" means that w or its mirror was packed before, as plans do where it pays; packing is not in the time.
Besides these and the passes over arrays, every kernel has cases in tests/cases/ of sizes that training has; they are
measured without NumPy.
"""

import functools
import sys
from typing import Any, NamedTuple

import numpy as np

from nncore import _engine, _kernels

from . import ROOT, page, peak, timing

sys.path.append(str(ROOT / "tests"))

from cases import cases
from harness import Native, Placed

DTYPE = np.dtype(np.float32)
TITLE = "Kernels on one core, one by one"

# Rows, inputs and units. Those of --quick come first.
PRODUCTS = (
    (64, 64, 64),
    (32, 784, 128),
    (128, 784, 256),
    (128, 256, 10),
    (512, 512, 512),
    (1, 784, 256),
    (32, 16, 16),
    (256, 256, 256),
    (256, 1024, 1024),
    (1024, 784, 512),
    (1024, 1024, 1024),
    (2048, 2048, 2048),
)
QUICK_PRODUCTS = 5
LAYOUTS = ("NN", "NN in panels", "TN", "NT", "NT in panels")
FEATURES = 256  # of a row, for kernels over rows


class Case(NamedTuple):
    """A kernel with its data, and the same work in NumPy."""

    kernel: str
    arguments: Any  # a dict, or a function from the variant to one
    block: tuple
    options: dict  # further arguments of _kernels.run
    numpy: Any  # function of no arguments
    flops: float = 0.0  # of a product
    bytes: float = 0.0  # read and written, as peak.measure counts them
    kind: str = ""  # the pass of peak.py that reads and writes in the same manner
    size: str = ""
    elements: int = 0

    def run(self, variant, arguments, calls):
        """Mean seconds of a call."""
        done = _kernels.run(self.kernel, DTYPE, arguments, self.block, variant=variant, repeats=calls, **self.options)
        return done["seconds"]

    def run_numpy(self, calls):
        """Mean seconds of a call of NumPy's."""

        def loop(n):
            for _ in range(n):
                self.numpy()

        return peak.timed(loop, calls) / calls

    @property
    def calls(self):
        """As many as take milliseconds: the same for every contender, so that their times compare."""
        return max(1, round(2e8 / (self.flops or self.bytes)))

    def contenders(self, variants):
        """What `timing.take_turns` takes."""
        contenders = {"numpy": self.run_numpy}
        for variant in variants:
            arguments = self.arguments(variant) if callable(self.arguments) else self.arguments
            contenders[variant] = functools.partial(self.run, variant, arguments)
        return contenders


def _matrix(rows, columns, seed):
    """A matrix of normal numbers, laid out as in a plan's arena, and its stride."""
    stride = _engine.padded_stride(columns, DTYPE.itemsize)
    whole = _engine.aligned_zeros((rows, stride), DTYPE)
    matrix = whole[:, :columns]
    matrix[:] = np.random.default_rng(seed).standard_normal((rows, columns), dtype=DTYPE)
    return matrix, stride


def _weight(rows, columns, seed):
    weight = _engine.aligned_zeros((rows, columns), DTYPE)
    weight[:] = np.random.default_rng(seed).standard_normal((rows, columns), dtype=DTYPE)
    return weight


def product(layout, m, k, n):
    """One of a dense layer's three products."""
    x, x_stride = _matrix(m, k, 0)
    dy, dy_stride = _matrix(m, n, 1)
    w = _weight(k, n, 2)
    if layout == "TN":
        gradient = _weight(k, n, 3)
        arguments = {"x": x, "dy": dy, "x_stride": x_stride, "dy_stride": dy_stride, "accumulate": 0}
        return Case("matmul_gradient", arguments, (0, k, 0, n), {"rows": m, "gradient": gradient},
                    lambda: np.matmul(x.T, dy, out=gradient), flops=2.0 * m * k * n)  # fmt: skip
    transposed, panels = layout.startswith("NT"), layout.endswith("panels")
    a, a_stride = (dy, dy_stride) if transposed else (x, x_stride)
    inner, columns = (n, k) if transposed else (k, n)
    c, c_stride = _matrix(m, columns, 4)
    arguments = {"a": a, "a_stride": a_stride, "c": c, "c_stride": c_stride, "inner": inner, "columns": columns,
                 "bias": None, "mask": None, "mask_stride": 0, "relu": 0, "accumulate": 0}  # fmt: skip

    def complete(variant):
        if not (transposed or panels):
            return {**arguments, "b": w, "b_stride": n, "b_panel": 0}
        return {**arguments, **_mirror(variant, w, transposed, panels)}

    def numpy_form():
        np.matmul(a, w.T if transposed else w, out=c)

    return Case("matmul", complete, (0, m), {"rows": m}, numpy_form, flops=2.0 * m * k * n)


def _mirror(variant, w, transposed, panels):
    """A copy of w or w' as matmul's b, in panels of the variant's width or in padded rows."""
    k, n = w.shape
    inner, columns = (n, k) if transposed else (k, n)
    width = Native(variant).panel_width(DTYPE)
    stride, panel = (width, inner * width) if panels else (_engine.padded_stride(columns, DTYPE.itemsize), 0)
    packed = _engine.aligned_zeros(-(-columns // width) * panel if panels else inner * stride, DTYPE)
    arguments = {"matrix": w, "packed": packed, "columns": n, "packed_stride": stride, "packed_panel": panel}
    _kernels.run("pack_transposed" if transposed else "pack", DTYPE, arguments, (0, k, 0, n), variant=variant)
    return {"b": packed, "b_stride": stride, "b_panel": panel}


# Kernels over rows. Each function takes x, y and dy, (rows, FEATURES) without gaps, and returns the kernel's name, its
# arrays, the NumPy form, and how often the bytes of an array move.


def _map(kernel, numpy_form):
    """A kernel y = f(x)."""

    def build(x, y, dy):
        return kernel, {"x": x, "y": y}, lambda: numpy_form(x, y), 3

    return build


def _derivative(kernel, numpy_form):
    """A kernel dx = f(y, dy)."""

    def build(x, y, dy):
        return kernel, {"y": x, "dy": dy, "dx": y}, lambda: numpy_form(x, dy, y), 4

    return build


def _numpy_sigmoid(x, y):
    np.negative(x, out=y)
    np.exp(y, out=y)
    np.add(y, 1, out=y)
    np.reciprocal(y, out=y)


def _numpy_softmax(x, y):
    np.subtract(x, x.max(axis=1, keepdims=True), out=y)
    np.exp(y, out=y)
    np.divide(y, y.sum(axis=1, keepdims=True), out=y)


def _numpy_scale_shift(x, y):
    np.multiply(x, DTYPE.type(1 / 255), out=y)
    np.add(y, DTYPE.type(-0.5), out=y)


def _numpy_dropout(x, y, rng=np.random.default_rng(0)):  # noqa: B008
    np.multiply(x, rng.random(x.shape, dtype=DTYPE) >= 0.5, out=y)
    np.multiply(y, DTYPE.type(2), out=y)


ROW_KERNELS = {
    "scale_shift": _map("scale_shift", _numpy_scale_shift),
    "relu_forward": _map("relu_forward", lambda x, y: np.maximum(x, 0, out=y)),
    "relu_backward": _derivative("relu_backward", lambda y, dy, dx: np.multiply(dy, y > 0, out=dx)),
    "sigmoid_forward": _map("sigmoid_forward", _numpy_sigmoid),
    "sigmoid_backward": _derivative("sigmoid_backward", lambda y, dy, dx: np.multiply(dy, y * (1 - y), out=dx)),
    "tanh_forward": _map("tanh_forward", lambda x, y: np.tanh(x, out=y)),
    "tanh_backward": _derivative("tanh_backward", lambda y, dy, dx: np.multiply(dy, 1 - y * y, out=dx)),
    "exp_forward": _map("exp_forward", lambda x, y: np.exp(x, out=y)),
    "log_forward": _map("log_forward", lambda x, y: np.log(x, out=y)),
    "softmax_forward": _map("softmax_forward", _numpy_softmax),
    "dropout": _map("dropout", _numpy_dropout),
}
# What a kernel takes besides its arrays and their strides, where that is not the number of features alone.
FURTHER = {
    "softmax_forward": {"groups": 1, "classes": FEATURES},
    "scale_shift": {"features": FEATURES, "scale": 1 / 255, "shift": -0.5},
    "dropout": {"features": FEATURES, "stream": 0, "rate": 0.5},
}


def over_rows(name, size):
    """A kernel over rows, on arrays that fit a cache or do not."""
    rows = peak.SIZES[size] // FEATURES
    x, y, dy = (_weight(rows, FEATURES, seed) for seed in range(3))
    np.maximum(np.abs(x), DTYPE.type(0.01), out=x)  # for log; the others take as long as for any x
    kernel, arrays, numpy_form, moves = ROW_KERNELS[name](x, y, dy)
    strides = {f"{argument}_stride": FEATURES for argument in arrays}
    arguments = {**arrays, **strides, **FURTHER.get(name, {"features": FEATURES})}
    return Case(kernel, arguments, (0, rows), {"rows": rows}, numpy_form, bytes=moves * x.nbytes,
                kind="map", size=size, elements=x.size)  # fmt: skip


def _update(kernel, state, further, numpy_form, moves):
    """A case of an optimizer's kernel: a parameter of one row, its state, its gradient."""

    def build(size):
        count = peak.SIZES[size]
        arrays = {name: _weight(1, count, seed) for seed, name in enumerate(("parameter", *state))}
        for name in state:
            np.abs(arrays[name], out=arrays[name])
        gradient = _weight(1, count, 9)
        options = {"gradient": gradient, "learning_rate": 1e-3, "coefficient": [1e-3, 1.0, 0, 0, 0, 0, 0, 0]}
        arguments = {**arrays, "columns": count, **further}
        return Case(kernel, arguments, (0, 1, 0, count), options, lambda: numpy_form(gradient, **arrays),
                    bytes=moves * gradient.nbytes, kind="update", size=size, elements=count)  # fmt: skip

    return build


def _numpy_sgd(gradient, parameter):
    parameter -= DTYPE.type(1e-3) * gradient


def _numpy_momentum(gradient, parameter, velocity):
    velocity *= DTYPE.type(0.9)
    velocity -= DTYPE.type(1e-3) * gradient
    parameter += velocity


def _numpy_adam(gradient, parameter, first_moment, second_moment):
    first_moment *= DTYPE.type(0.9)
    first_moment += DTYPE.type(0.1) * gradient
    second_moment *= DTYPE.type(0.999)
    second_moment += DTYPE.type(0.001) * (gradient * gradient)
    parameter -= DTYPE.type(1e-3) * first_moment / np.sqrt(second_moment + DTYPE.type(1e-8))


UPDATES = {
    "sgd": _update("sgd", (), {}, _numpy_sgd, 3),
    "sgd_momentum": _update("sgd_momentum", ("velocity",), {"nesterov": 0, "momentum": 0.9}, _numpy_momentum, 5),
    "adam": _update(
        "adam",
        ("first_moment", "second_moment"),
        {"epsilon_inside_sqrt": 1, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8},
        _numpy_adam,
        7,
    ),
}


def gather(size):
    """Rows of a minibatch out of shuffled uint8 images."""
    rows = peak.SIZES[size] // FEATURES
    rng = np.random.default_rng(0)
    source = rng.integers(0, 256, (rows, FEATURES), np.uint8)
    order = rng.permutation(rows)
    y = _weight(rows, FEATURES, 0)
    arguments = {"source": source, "y": y, "type": _engine.SOURCE_TYPES.index(source.dtype),
                 "source_stride_bytes": FEATURES, "features": FEATURES, "y_stride": FEATURES}  # fmt: skip
    return Case("gather_rows", arguments, (0, rows), {"rows": rows, "order": order},
                lambda: np.copyto(y, source[order]), bytes=source.nbytes + 2 * y.nbytes, kind="map", size=size,
                elements=y.size)  # fmt: skip


def transposition(size):
    """The mirror of a square weight."""
    side = int(peak.SIZES[size] ** 0.5)
    weight = _weight(side, side, 0)
    mirror, stride = _matrix(side, side, 1)
    arguments = {"matrix": weight, "packed": mirror, "columns": side, "packed_stride": stride, "packed_panel": 0}
    return Case("pack_transposed", arguments, (0, side, 0, side), {}, lambda: np.copyto(mirror, weight.T),
                bytes=3.0 * weight.nbytes, kind="map", size=size, elements=weight.size)  # fmt: skip


class ListedCase:
    """A case of tests/cases/. Panels are as wide as each variant wants them, so that each has its own memory."""

    def __init__(self, case):
        self.case = case
        self.calls = max(1, round(1e8 / sum(array.values.nbytes for array in case.arrays().values())))

    def contenders(self, variants):
        """What `timing.take_turns` takes."""
        contenders = {}
        for variant in variants:
            runner = _Repeating(variant)
            placed = Placed(self.case, _Memory(), runner.panel_width(DTYPE))
            contenders[variant] = functools.partial(runner.measure, placed)
        return contenders


class _Repeating(Native):
    """Calls a variant's kernel a number of times."""

    calls = 1

    def run(self, kernel, dtype, arguments, block, worker):
        return _kernels.run(kernel, dtype, arguments, tuple(block), variant=self.name, repeats=self.calls, **worker)

    def measure(self, placed, calls):
        """Mean seconds of a call."""
        self.calls = calls
        return placed.run(self)["seconds"]


class _Memory:
    """What `harness.Placed` takes its memory from: lines of the cache, without guards."""

    def reset(self):
        """Forgets nothing: each piece is new."""

    def take(self, size):
        """(memory, offset of the piece, bytes before it, bytes after it)"""
        return _engine.aligned_zeros(max(size, 1), np.uint8), 0, 0, 0


def product_cases(quick=False):
    """Names and constructors of the products."""
    shapes = PRODUCTS[:QUICK_PRODUCTS] if quick else PRODUCTS
    return {(layout, *shape): functools.partial(product, layout, *shape) for shape in shapes for layout in LAYOUTS}


def pass_cases():
    """Names and constructors of the kernels that pass over arrays."""
    cases = {}
    for size in peak.SIZES:
        cases |= {(name, size): functools.partial(over_rows, name, size) for name in ROW_KERNELS}
        cases |= {(name, size): functools.partial(build, size) for name, build in UPDATES.items()}
        cases[("gather_rows, uint8", size)] = functools.partial(gather, size)
        cases[("pack_transposed", size)] = functools.partial(transposition, size)
    return cases


def listed_cases():
    """Names and constructors of the cases of tests/cases/."""
    return {
        (kernel, " ".join(case.label.removesuffix(", timed").split())): functools.partial(ListedCase, case)
        for kernel in _engine.KERNELS
        for case in cases(kernel, DTYPE.name, timed=True)
    }


def measure(run):
    """The section of `--only kernels`, which the page leaves out."""
    section = page.Section(TITLE, "kernels")
    variants = _engine.variants()
    try:
        limits = {variant: peak.Limits(variant).measure() for variant in variants}
    except peak.NoCompilerError:
        limits = {}
    seconds, rounds = (0.005, 3) if run.quick else (0.03, 7)

    def cells(name, build, show):
        case = build()
        times = timing.take_turns(case.contenders(variants), seconds, rounds)
        results = [
            {"case": " ".join(map(str, name)), "contender": contender, "seconds": median, "rounds": times[contender],
             "dtype": DTYPE.name, **rates(case, median, limits.get(contender))}
            for contender, median in timing.medians(times).items()
        ]  # fmt: skip
        section.results += results
        return [show(result) for result in results]

    contenders = ["NumPy", *variants]
    section.heading("Matrix products, float32: GFLOP/s (share of the variant's multiply-add peak)")
    section.table(["product", "m, k, n", *contenders],
                  [[name[0], ", ".join(map(str, name[1:])), *cells(name, build, _rate("gflops"))]
                   for name, build in product_cases(run.quick).items()])  # fmt: skip
    section.heading("Passes over arrays, float32: GB/s (share of the variant's measured bandwidth)")
    section.table(["kernel", "arrays in", *contenders],
                  [[*name, *cells(name, build, _rate("gigabytes"))]
                   for name, build in pass_cases().items()])  # fmt: skip
    section.heading("Every kernel, float32, the timed cases of tests/cases/: microseconds a call")
    section.table(["kernel", "case", *variants],
                  [[*name, *cells(name, build, lambda result: page.microseconds(result["seconds"]))]
                   for name, build in listed_cases().items()])  # fmt: skip
    return section


def rates(case, seconds, limits=None):
    """What a time means: work a second, and its share of the limit where a variant's are known."""
    if isinstance(case, ListedCase):
        return {}
    if case.flops:
        rate = {"gflops": case.flops / seconds / 1e9}
        return {**rate, "share": limits and rate["gflops"] / limits["gflops"][DTYPE.name]}
    rate = {"gigabytes": case.bytes / seconds / 1e9, "nanoseconds_an_element": seconds / case.elements * 1e9}
    return {**rate, "share": limits and rate["gigabytes"] / limits["gigabytes"][case.kind][case.size]}


def _rate(name):
    """A function from a result to its cell: the rate of that name, and the share of the limit."""

    def show(result):
        share = f" ({result['share']:.0%})" if result["share"] else ""
        return page.number(result[name]) + share

    return show

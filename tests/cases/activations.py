"""Calls of the kernels of activations.h, last_axis.h and prelu.h."""

import numpy as np

from cases.base import cases_for
from cases.elementwise import group_shapes, logits

PIECES = ("below", "middle", "above")


def pieces(low, high, closed, slopes, terms):
    scalars = {"low": low, "high": high, "closed": closed}
    for piece, slope, term in zip(PIECES, slopes, terms, strict=True):
        scalars |= {f"slope_{piece}": slope, f"term_{piece}": term}
    return scalars


# In turn, the scalars of the calls of a family.
SCALARS = {
    "piecewise": [
        pieces(-3.0, 3.0, 0, (0.0, 1 / 6, 0.0), (0.0, -3.0, 1.0)),
        pieces(-0.5, 0.5, 1, (1.0, 0.0, 1.0), (-0.5, 0.0, 0.5)),
        pieces(1.0, np.inf, 0, (0.3, 1.0, 1.0), (1.0, 0.0, 0.0)),
        pieces(0.0, 0.0, 1, (1.0, 0.0, 1.0), (0.0, 0.0, 0.0)),
    ],
    "parabola": [
        {"low": -3.0, "high": 3.0, "factor": 1 / 6, "root": 0.0},
        {"low": -1.0, "high": 1.0, "factor": 0.25, "root": -1.0},
    ],
    "exponential_linear": [
        {"scale": 1.0, "height": 1.0, "rate": 1.0},
        {"scale": 1.0507009873554805, "height": 1.7580993408473766, "rate": 1.0},
        {"scale": 1.0, "height": 0.3, "rate": 1 / 0.3},
        {"scale": 1.0, "height": 0.0, "rate": 1.0},
    ],
    "softplus": [{"sign": 1.0}, {"sign": -1.0}],
    "sigmoid_gate": [{"linear": 1.0, "cubic": 0.0}, {"linear": 1.5957691216057308, "cubic": 0.07135481282632229}],
    "squareplus": [{"b": 4.0}, {"b": 0.1}, {"b": 0.0}],
}
FAMILIES = ("piecewise", "parabola", "exponential_linear", "softsign", "softplus", "sigmoid_gate", "mish", "gelu",
            "squareplus", "tanh_shrink")  # fmt: skip
FROM_INPUT = ("parabola", "sigmoid_gate", "mish", "gelu", "tanh_shrink")


def scalars_of(family, number, names=None):
    """The scalars of one call, or those of `names` among them."""
    scalars = SCALARS.get(family, [{}])[number % len(SCALARS.get(family, [{}]))]
    return scalars if names is None else {n: v for n, v in scalars.items() if n in names}


@cases_for(*(f"{family}_forward" for family in FAMILIES))
def unary_cases(make, kernel):
    family = kernel.removesuffix("_forward")

    def one(label, values, block, number, in_place=False, padding=None, timed=False):
        rows, columns = values.shape
        x = make.matrix(values, padding)
        y = x if in_place else make.output(rows, columns, padding=padding)
        return make.case(label, block, timed=timed, x=x, y=y, features=columns, x_stride=x.stride, y_stride=y.stride,
                         **scalars_of(family, number))  # fmt: skip

    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        in_place = number % 4 == 1
        values = make.normal(rows, columns, scale=(6, 1, 40)[number % 3])
        yield one(f"({rows}, {columns}){' in place' if in_place else ''}", values, block, number // 3, in_place,
                  0 if number % 5 == 0 else None)  # fmt: skip
    edges = [0.5, 1, 3, 15, 38, 40, 87.3, 88.7, 103.9, 110, 176, 708.4, 745.1, 760, 1418, 1e4]
    for number in range(len(SCALARS.get(family, [{}]))):
        yield one("special values", make.specials(5, 31), 5, number)
        yield one("edges", np.array([edges, [-x for x in edges]], make.dtype), 2, number)
    yield one("(128, 256)", make.normal(128, 256), 128, 0, padding=0, timed=True)


@cases_for("exp_backward", *(f"{family}_backward" for family in FAMILIES))
def slope_cases(make, kernel):
    family = kernel.removesuffix("_backward")
    name = "at" if family == "piecewise" else "x" if family in FROM_INPUT else "y"
    names = {"piecewise": ("low", "high", "closed", *(f"slope_{p}" for p in PIECES)), "softplus": ()}.get(family)

    def one(label, values, dy, block, number, in_place=False, padding=None, timed=False):
        rows, columns = values.shape
        at, dy = make.matrix(values, padding), make.matrix(dy, padding)
        dx = dy if in_place else make.output(rows, columns, padding=padding)
        places = {name: at, f"{name}_stride": at.stride, "dy": dy, "dx": dx}
        return make.case(label, block, timed=timed, features=columns, dy_stride=dy.stride, dx_stride=dx.stride,
                         **places, **scalars_of(family, number, names))  # fmt: skip

    def values_at(rows, columns, number):
        values = make.normal(rows, columns, scale=(2, 1, 40)[number % 3])
        if family == "softsign":
            return np.tanh(values)
        if family in ("exp", "squareplus"):
            return np.abs(values)
        return np.maximum(values, -scalars_of(family, number)["height"]) if family == "exponential_linear" else values

    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        in_place = number % 4 == 1
        yield one(f"({rows}, {columns}){' in place' if in_place else ''}", values_at(rows, columns, number),
                  make.normal(rows, columns), block, number, in_place, 0 if number % 5 == 0 else None)  # fmt: skip
    for number in range(len(SCALARS.get(family, [{}]))):
        yield one("special dy", values_at(5, 31, number), make.specials(5, 31), 5, number)
        special = make.specials(5, 31, infinities=name != "y", nan=name != "y")
        if name == "y":
            special = np.clip(special, 0 if family in ("exp", "squareplus") else -1, 1)
        yield one("special values", special, make.normal(5, 31), 5, number)
    yield one("(128, 256)", values_at(128, 256, 1), make.normal(128, 256), 128, 0, padding=0, timed=True)


@cases_for("log_softmax_forward", "log_softmax_backward")
def log_softmax_cases(make, kernel):
    forward = kernel == "log_softmax_forward"

    def one(label, values, groups, classes, block, in_place=False, padding=None, timed=False):
        rows, width = values.shape
        arrays = {"x" if forward else "dy": make.matrix(values, padding)}
        if not forward:
            y = np.log(make.probabilities(rows, groups, classes)).reshape(rows, width)
            arrays["y"] = make.matrix(y, padding)
        result = next(iter(arrays.values())) if in_place else make.output(rows, width, padding=padding)
        arrays["y" if forward else "dx"] = result
        strides = {f"{name}_stride": array.stride for name, array in arrays.items()}
        return make.case(label, block, timed=timed, groups=groups, classes=classes, **arrays, **strides)

    for number, (rows, groups, classes, block) in enumerate(group_shapes(make)):
        in_place = number % 4 == 1
        yield one(f"({rows}, {groups}, {classes}){' in place' if in_place else ''}",
                  logits(make, number, rows, groups, classes), groups, classes, block, in_place)  # fmt: skip
    x = make.normal(4, 21)
    if forward:
        x[0, 1], x[1, 2:], x[2, 3], x[3] = -np.inf, -np.inf, np.nan, np.finfo(make.dtype).max / 4
    yield one("special values", x, 1, 21, 4)
    for rows, classes in ((128, 10), (128, 256)):
        yield one(f"({rows}, {classes})", make.normal(rows, classes), 1, classes, rows, padding=0, timed=True)


@cases_for("glu_forward", "glu_backward")
def glu_cases(make, kernel):
    def one(label, values, groups, units, block, timed=False):
        arrays = {"x": make.matrix(values)}
        if kernel == "glu_forward":
            arrays["y"] = make.output(len(values), groups * units)
        else:
            arrays["dy"] = make.matrix(make.normal(len(values), groups * units))
            arrays["dx"] = make.output(*values.shape)
        strides = {f"{name}_stride": array.stride for name, array in arrays.items()}
        return make.case(label, block, timed=timed, groups=groups, units=units, **arrays, **strides)

    for number, (rows, groups, units, block) in enumerate(group_shapes(make)):
        values = make.normal(rows, groups * 2 * units, scale=(1, 10, 100)[number % 3])
        yield one(f"({rows}, {groups}, {units})", values, groups, units, block)
    yield one("special values", make.specials(5, 62, infinities=False), 1, 31, 5)
    yield one("(128, 256)", make.normal(128, 256), 1, 128, 128, timed=True)


def extents(make):
    """(rows, outer, middle, inner, block): own slopes, one for all, and in between."""
    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        yield rows, *((1, columns, 1), (1, 1, columns), (3, columns, 1), (2, 3, columns))[number % 4], block


@cases_for("prelu_forward")
def prelu_cases(make, kernel):
    def one(label, values, outer, middle, inner, block, in_place=False, timed=False):
        x, alpha = make.matrix(values), make.normal(middle)
        alpha[::3] = 0
        y = x if in_place else make.output(*values.shape)
        return make.case(label, block, timed=timed, x=x, alpha=make.matrix(alpha), y=y, outer=outer, middle=middle,
                         inner=inner, x_stride=x.stride, y_stride=y.stride)  # fmt: skip

    for number, (rows, outer, middle, inner, block) in enumerate(extents(make)):
        values = make.normal(rows, outer * middle * inner)
        yield one(f"({rows}, {outer}, {middle}, {inner})", values, outer, middle, inner, block, number % 3 == 1)
    yield one("special values", make.specials(5, 31), 1, 31, 1, 5)
    yield one("special values", make.specials(5, 30), 1, 2, 15, 5)
    yield one("(128, 256)", make.normal(128, 256), 1, 256, 1, 128, timed=True)


@cases_for("prelu_backward")
def prelu_slope_cases(make, kernel):
    def one(label, shape, block, number, timed=False):
        rows, outer, middle, inner = shape
        width = outer * middle * inner
        x, dy, alpha = (make.matrix(make.normal(*s)) for s in ((rows, width), (rows, width), (middle,)))
        dx = (make.output(rows, width), None, dy)[number % 3]
        terms = None if number % 5 == 3 else make.output(rows, middle)
        strides = {f"{n}_stride": v.stride if v else 0 for n, v in (("dx", dx), ("alpha_terms", terms))}
        return make.case(label, block, timed=timed, x=x, alpha=alpha, dy=dy, dx=dx, alpha_terms=terms, outer=outer,
                         middle=middle, inner=inner, x_stride=x.stride, dy_stride=dy.stride, **strides)  # fmt: skip

    for number, (*shape, block) in enumerate(extents(make)):
        yield one(str(tuple(shape)), shape, block, number)
    yield one("(128, 256)", (128, 1, 256, 1), 128, 0, timed=True)


@cases_for("prelu_gradient")
def prelu_gradient_cases(make, kernel):
    for number, (rows, columns, block) in enumerate(make.tile_shapes()):
        minibatch, accumulate = (0, 1, 3, 4, 33)[number % 5], number % 4 == 3
        extent = (block[1] - block[0], block[3] - block[2])
        gradient = make.matrix(make.normal(*extent)) if accumulate else make.output(*extent)
        terms = make.matrix(make.normal(minibatch, rows * columns))
        yield make.case(f"({minibatch}, {rows}, {columns}){' accumulate' if accumulate else ''}", block,
                        {"rows": minibatch, "gradient": gradient}, terms=terms, columns=columns,
                        terms_stride=terms.stride, accumulate=int(accumulate))  # fmt: skip

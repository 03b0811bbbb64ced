"""Calls of the kernels of axes.h."""

import math

import numpy as np

from cases.base import cases_for


def steps(shape):
    """Elements between neighbours along each axis."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def layout(make, *axes):
    """An argument `layout` of (extent, x_step, y_step) for each axis."""
    return make.matrix(np.array(axes, np.int64), 0)


def permutations():
    """(shape, order): which axis of x is each axis of y."""
    for length in (1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 33):
        yield (length, 5), (1, 0)
        yield (6, length), (1, 0)
        yield (length, length + 1), (1, 0)
        yield (length, 3), (0, 1)
    yield from (((3, 4, 5), order) for order in ((0, 2, 1), (1, 0, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)))
    yield (2, 3, 4, 5), (3, 1, 0, 2)
    yield (2, 2, 3, 2, 3), (4, 2, 0, 3, 1)


@cases_for("copy_axes")
def copy_cases(make, kernel):
    def one(label, rows, width, y_width, axes, timed=False):
        values = make.specials(rows, width) if rows == 5 else make.normal(rows, width)
        x, y = make.matrix(values), make.output(rows, y_width)
        return make.case(label, (rows // 3, rows), timed=timed, x=x, y=y, layout=layout(make, *axes), axes=len(axes),
                         x_stride=x.stride, y_stride=y.stride)  # fmt: skip

    for number, (shape, order) in enumerate(permutations()):
        new = [shape[axis] for axis in order]
        axes = [(shape[axis], steps(shape)[axis], step) for axis, step in zip(order, steps(new), strict=True)]
        if order[-1] != len(shape) - 1 and number % 3:  # the axis that is contiguous in x last but one
            axes.insert(-1, axes.pop(order.index(len(shape) - 1)))
        yield one(f"{shape} as {order}", 1 + number % 5, math.prod(shape), math.prod(shape), axes)
    for number, count in enumerate((1, 2, 5, 8, 9, 16, 31)):
        yield one(f"{count} repeated", 5, count, 3 * count, [(3, 0, count), (count, 1, 1)])
        yield one(f"{count} elements repeated", 2, count, 9 * count, [(count, 1, 9), (9, 0, 1)])
        yield one(f"every third of {count}", 1 + number % 4, count, 3 * count, [(count, 1, 3)])
        yield one(f"{count} beside others", 4, 3 * count, 3 * (count + 2), [(3, count, count + 2), (count, 1, 1)])
    yield one("(16, 16, 8) as (2, 1, 0)", 128, 2048, 2048, [(16, 8, 16), (8, 1, 256), (16, 128, 1)], timed=True)


@cases_for("sum_axes")
def sum_cases(make, kernel):
    def one(label, rows, shape, kept, summed, values=None, timed=False):
        x_steps = steps(shape)
        y_steps = dict(zip(kept, steps([shape[axis] for axis in kept]), strict=True))
        axes = [(shape[axis], x_steps[axis], y_steps[axis]) for axis in kept] or [(1, 0, 1)]
        axes += [(shape[axis], x_steps[axis], 0) for axis in summed]
        x = make.matrix(make.normal(rows, math.prod(shape)) if values is None else values)
        y = make.output(rows, math.prod(shape[axis] for axis in kept))
        return make.case(label, (rows // 3, rows), timed=timed, x=x, y=y, layout=layout(make, *axes),
                         kept=len(kept) or 1, summed=len(summed), x_stride=x.stride, y_stride=y.stride)  # fmt: skip

    for length in (1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 33, 70):
        yield one(f"rows of (5, {length})", 1 + length % 4, (5, length), (1,), (0,))
        yield one(f"columns of (5, {length})", 1 + length % 3, (5, length), (0,), (1,))
        yield one(f"all of ({length}, 3)", 2, (length, 3), (), (0, 1))
        yield one(f"the middle of (3, 2, {length})", 2, (3, 2, length), (0, 2), (1,))
    for kept, summed in (((1,), (0, 2)), ((0, 2), (1, 3)), ((3,), (0, 1, 2)), ((0,), (1, 2, 3)), ((1, 2), (3, 0))):
        yield one(f"(2, 3, 4, 5) to {kept}", 3, (2, 3, 4, 5), kept, summed)
    yield one("special values", 5, (2, 31), (0,), (1,), make.specials(5, 62))
    yield one("rows of (16, 64)", 128, (16, 64), (1,), (0,), timed=True)

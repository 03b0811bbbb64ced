"""Calls of the kernels of elementwise.h."""

import numpy as np

from cases.base import cases_for


def inputs_of(make, kernel, rows, columns):
    """Arguments where the function is neither constant nor out of range."""
    if kernel == "log_forward":
        return np.abs(make.magnitudes(rows, columns, low=-30, high=30))
    return make.normal(rows, columns, scale=6)


@cases_for("scale_shift", "relu_forward", "sigmoid_forward", "tanh_forward", "exp_forward", "log_forward")
def unary_cases(make, kernel):
    scalars = {"scale": 1 / 255, "shift": -0.5} if kernel == "scale_shift" else {}

    def one(label, values, block, in_place=False, padding=None, timed=False):
        rows, columns = values.shape
        x = make.matrix(values, padding)
        y = x if in_place else make.output(rows, columns, padding=padding)
        return make.case(label, block, timed=timed, x=x, y=y, features=columns, x_stride=x.stride, y_stride=y.stride,
                         **scalars)  # fmt: skip

    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        in_place = number % 4 == 1
        values = inputs_of(make, kernel, rows, columns)
        # rows without gaps may be taken as one long row
        yield one(f"({rows}, {columns}){' in place' if in_place else ''}", values, block, in_place,
                  0 if number % 5 == 0 else None)  # fmt: skip
    yield one("special values", make.specials(5, 31), 5)
    limit = float(np.log(np.finfo(make.dtype).max))
    edges = np.concatenate([np.linspace(-1.3, -0.9, 40) * limit, np.linspace(0.9, 1.1, 40) * limit])
    yield one("where e^x ends", edges.astype(make.dtype).reshape(4, 20), 4)
    yield one("(128, 256)", inputs_of(make, kernel, 128, 256), 128, padding=0, timed=True)


@cases_for("relu_backward", "sigmoid_backward", "tanh_backward")
def slope_cases(make, kernel):
    def one(label, y, dy, block, in_place=False, padding=None, timed=False):
        rows, columns = y.shape
        y, dy = make.matrix(y, padding), make.matrix(dy, padding)
        dx = dy if in_place else make.output(rows, columns, padding=padding)
        return make.case(label, block, timed=timed, y=y, dy=dy, dx=dx, features=columns, y_stride=y.stride,
                         dy_stride=dy.stride, dx_stride=dx.stride)  # fmt: skip

    def outputs(rows, columns):
        if kernel == "sigmoid_backward":
            return make.uniform(rows, columns)
        y = make.normal(rows, columns)
        return np.tanh(2 * y) if kernel == "tanh_backward" else np.maximum(y, 0)

    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        in_place = number % 4 == 1
        yield one(f"({rows}, {columns}){' in place' if in_place else ''}", outputs(rows, columns),
                  make.normal(rows, columns), block, in_place, 0 if number % 5 == 0 else None)  # fmt: skip
    yield one("special dy", outputs(5, 31), make.specials(5, 31), 5)
    special_y = make.specials(5, 31) if kernel == "relu_backward" else make.specials(5, 31, infinities=False, nan=False)
    if kernel != "relu_backward":
        special_y = np.clip(special_y, 0 if kernel == "sigmoid_backward" else -1, 1)
    yield one("special y", special_y, make.normal(5, 31), 5)
    yield one("(128, 256)", outputs(128, 256), make.normal(128, 256), 128, padding=0, timed=True)


def group_shapes(make):
    """(rows, groups, classes, block): one group over every number of classes, and several."""
    for rows, columns, block in make.row_shapes():
        yield rows, 1, columns, block
    for rows, groups in ((1, 2), (3, 5), (2, 17), (30, 3), (5, 33)):
        for classes in (1, 2, 3, 8, 10, 15, 16, 17, 31, 33, 64):
            yield rows, groups, classes, (rows // 3, rows)


def logits(make, number, rows, groups, classes):
    """Logits of ordinary size, and of others in turn: shifted far, spread wide, all equal."""
    x = make.normal(rows, groups * classes, scale=(1, 3, 30, 0)[number % 4])
    return x + make.dtype.type((0, 100, 0, -5)[number % 4])


@cases_for("softmax_forward", "softmax_backward")
def softmax_cases(make, kernel):
    def one(label, values, groups, classes, block, in_place=False, padding=None, timed=False):
        rows, width = values.shape
        if kernel == "softmax_forward":
            arrays = {"x": make.matrix(values, padding)}
        else:
            y = make.probabilities(rows, groups, classes).reshape(rows, width)
            arrays = {"y": make.matrix(y, padding), "dy": make.matrix(values, padding)}
        result = make.output(rows, width, padding=padding)
        if in_place:
            result = arrays["x" if kernel == "softmax_forward" else ("y", "dy")[rows % 2]]
        arrays["y" if kernel == "softmax_forward" else "dx"] = result
        strides = {f"{name}_stride": array.stride for name, array in arrays.items()}
        return make.case(label, block, timed=timed, groups=groups, classes=classes, **arrays, **strides)

    for number, (rows, groups, classes, block) in enumerate(group_shapes(make)):
        in_place = number % 4 == 1
        yield one(f"({rows}, {groups}, {classes}){' in place' if in_place else ''}",
                  logits(make, number, rows, groups, classes), groups, classes, block, in_place,
                  0 if number % 5 == 0 else None)  # fmt: skip
    for classes in (5, 40):
        x = make.normal(6, classes)
        x[0, 1], x[1, 2:], x[2, 3], x[3] = -np.inf, -np.inf, np.nan, np.finfo(make.dtype).max / 4
        if kernel == "softmax_backward":
            x[:3] = make.normal(3, classes)
        yield one("special values", x, 1, classes, 6)
    for rows, groups, classes in ((128, 1, 10), (128, 1, 256), (128, 16, 16)):
        values = make.normal(rows, groups * classes)
        yield one(f"({rows}, {groups}, {classes})", values, groups, classes, rows, padding=0, timed=True)

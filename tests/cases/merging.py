"""Calls of the kernels of merging.h."""

import numpy as np

from cases.base import cases_for


@cases_for("add", "subtract", "multiply", "maximum", "minimum", "apply_mask")
def two_cases(make, kernel):
    def one(label, left, right, block, in_place=0, padding=None, timed=False):
        rows, columns = left.shape
        a, b = make.matrix(left, padding), make.matrix(right, padding)
        y = (make.output(rows, columns, padding=padding), a, b)[in_place]
        return make.case(label, block, timed=timed, a=a, b=b, y=y, features=columns, a_stride=a.stride,
                         b_stride=b.stride, y_stride=y.stride)  # fmt: skip

    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        left, right = make.normal(rows, columns), make.normal(rows, columns)
        right[:, ::3] = left[:, ::3] if number % 2 else 0
        in_place = (0, 1, 0, 2)[number % 4]
        yield one(f"({rows}, {columns}) in place {in_place}", left, right, block, in_place,
                  0 if number % 5 == 0 else None)  # fmt: skip
    specials = make.specials(29, 31)
    yield one("special values", specials, specials.reshape(31, 29).T.copy(), 29)
    yield one("(128, 256)", make.normal(128, 256), make.normal(128, 256), 128, padding=0, timed=True)


@cases_for("larger_backward")
def larger_backward_cases(make, kernel):
    def one(label, left, right, dy, block, in_place=False, padding=None, timed=False):
        rows, columns = left.shape
        a, b, dy = (make.matrix(values, padding) for values in (left, right, dy))
        dx = dy if in_place else make.output(rows, columns, padding=padding)
        return make.case(label, block, timed=timed, a=a, b=b, dy=dy, dx=dx, features=columns, a_stride=a.stride,
                         b_stride=b.stride, dy_stride=dy.stride, dx_stride=dx.stride)  # fmt: skip

    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        left, right = make.normal(rows, columns), make.normal(rows, columns)
        right[:, ::3] = left[:, ::3]
        yield one(f"({rows}, {columns})", left, right, make.normal(rows, columns), block, number % 4 == 1)
    specials = make.specials(29, 31)
    yield one("special values", specials, specials.reshape(31, 29).T.copy(), make.normal(29, 31), 29)
    yield one("special dy", make.normal(5, 31), np.zeros((5, 31), make.dtype), make.specials(5, 31), 5)
    yield one("(128, 256)", *(make.normal(128, 256) for _ in range(3)), 128, padding=0, timed=True)


@cases_for("sample_product")
def product_cases(make, kernel):
    def one(rows, outer, inner, columns, a_turned, b_turned, timed=False, special=False):
        a_values, b_values = make.normal(rows, outer * inner), make.normal(rows, inner * columns)
        if special:
            a_values[0, 0], a_values[1, -1], b_values[2, 0] = np.inf, np.nan, -np.inf
        a, b, c = make.matrix(a_values), make.matrix(b_values), make.output(rows, outer * columns)
        a_steps = (1, outer) if a_turned else (inner, 1)
        b_steps = (1, inner) if b_turned else (columns, 1)
        label = f"({outer}, {inner}) ({inner}, {columns}) turned {a_turned, b_turned}"
        flops = 2.0 * rows * outer * inner * columns
        return make.case(label, (rows // 3, rows), timed=timed, flops=flops, a=a, b=b, c=c, outer=outer, inner=inner,
                         columns=columns, a_outer=a_steps[0], a_inner=a_steps[1], b_inner=b_steps[0],
                         b_column=b_steps[1], a_stride=a.stride, b_stride=b.stride,
                         c_stride=c.stride)  # fmt: skip

    for a_turned in (False, True):
        for b_turned in (False, True):
            for number, size in enumerate((1, 2, 3, 5, 8, 9, 16, 17, 31, 64, 70)):
                for shape in ((1, size, 1), (size, 3, 4), (3, size, 5), (2, 4, size), (1, size, 3), (3, size, 1)):
                    yield one(1 + number % 4, *shape, a_turned, b_turned)
            yield one(3, 3, 5, 9, a_turned, b_turned, special=True)
            yield one(32, 16, 32, 48, a_turned, b_turned, timed=True)


@cases_for("l2_normalize_forward", "l2_normalize_backward")
def normalize_cases(make, kernel):
    def one(label, values, groups, extent, block, timed=False, least=1e-7):
        rows = len(values)
        arrays = {"x": make.matrix(values), "y": make.output(rows, groups * extent)}
        if kernel == "l2_normalize_backward":
            groups_of_x = values.reshape(rows, groups, extent).astype(np.float64)
            norm = np.sqrt((groups_of_x**2).sum(axis=-1, keepdims=True))
            y = (groups_of_x / np.maximum(norm, least)).reshape(rows, -1).astype(make.dtype)
            arrays |= {"y": make.matrix(y), "dy": make.matrix(make.normal(rows, groups * extent)),
                       "dx": make.output(rows, groups * extent)}  # fmt: skip
        strides = {f"{name}_stride": array.stride for name, array in arrays.items()}
        return make.case(label, block, timed=timed, groups=groups, extent=extent, least=least, **arrays,
                         **strides)  # fmt: skip

    for rows, columns, block in make.row_shapes():
        yield one(f"({rows}, {columns})", make.normal(rows, columns, scale=3), 1, columns, block)
    for groups, extent in ((2, 1), (3, 5), (5, 16), (4, 33)):
        yield one(f"(3, {groups}, {extent})", make.normal(3, groups * extent), groups, extent, (1, 3))
    for scale in (0, 1e-12, 1e-8, 1e30):
        yield one(f"times {scale}", make.normal(4, 20, scale=scale), 2, 10, 4)
    for scale in (1e-14, 1e-9):
        yield one(f"times {scale}, at least 1e-12", make.normal(4, 20, scale=scale), 2, 10, 4, least=1e-12)
    if kernel == "l2_normalize_forward":
        unbounded = make.normal(3, 20)
        unbounded[0, 3], unbounded[1, 4] = np.nan, np.nan
        yield one("NaN", unbounded, 2, 10, 3)
    yield one("(128, 256)", make.normal(128, 256), 4, 64, 128, timed=True)

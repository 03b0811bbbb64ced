"""Calls of the kernels of updates.h."""

import itertools

import numpy as np

from cases.base import Array, cases_for

TILE = {"block_rows": 5, "block_columns": 40, "across": 3}


def tiles(make):
    """Tiles of 5 x 40 of matrices of three tiles beside each other, the last ones smaller: (number, block, columns)."""
    for columns, rows in ((120, 15), (81, 7), (97, 11)):
        for row, column in itertools.product(range(0, rows, 5), range(0, columns, 40)):
            block = (row, min(row + 5, rows), column, min(column + 40, columns))
            yield rows, columns, block


def gradient(make, block, scale=1.0):
    return make.matrix(make.normal(block[1] - block[0], block[3] - block[2], scale=scale), 0)


@cases_for("regularize")
def regularize_cases(make, kernel):
    for number, ((rows, columns, block), (l1, l2, add)) in enumerate(zip(
        tiles(make), itertools.cycle(((0.1, 0.0, 1), (0.0, 0.3, 1), (0.25, 0.5, 1), (0.25, 0.5, 0))), strict=False
    )):  # fmt: skip
        p = make.normal(rows, columns)
        p[::3, ::4] = 0
        per_sample, weights = number % 3 > 0, make.uniform(37)
        weights *= number % 7 > 0
        yield make.case(
            f"({rows}, {columns}) l1={l1} l2={l2} add={add} per_sample={per_sample}", block,
            {"gradient": gradient(make, block), "rows": 30, "first_row": number % 5,
             "order": Array(make.random.permutation(37)) if number % 4 == 1 else None},
            parameter=make.matrix(p, 0), parts=Array(np.zeros(9)), columns=columns, l1=l1, l2=l2, add_gradient=add,
            per_sample=int(per_sample), weights=Array(weights) if number % 3 == 2 else None, **TILE,
        )  # fmt: skip


@cases_for("square_sum")
def square_sum_cases(make, kernel):
    for number, (rows, columns, block) in enumerate(tiles(make)):
        g = gradient(make, block, scale=10.0 ** (number % 5 - 2))
        yield make.case(f"({rows}, {columns})", block, {"gradient": g}, parts=Array(np.zeros(9)), **TILE)


@cases_for("add_penalty")
def add_penalty_cases(make, kernel):
    for count in (1, 2, 9, 50):
        parts = Array(np.abs(make.random.standard_normal(count)))
        total = Array(np.array([2.5]))
        yield make.case(f"{count} parts", 1, {"rows": count + 3}, parts=parts, total=total, count=count)


@cases_for("total_of_parts")
def total_of_parts_cases(make, kernel):
    for count in (1, 2, 15, 16, 17, 50, 1000):
        parts = Array(make.random.standard_normal(count))
        yield make.case(f"{count} parts", 1, {}, parts=parts, total=Array(np.array([2.5])), count=count)


@cases_for("activity_penalty")
def activity_penalty_cases(make, kernel):
    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        x = make.normal(rows, columns)
        x[:, ::3] = 0
        given = number % 3
        dx = (None, make.matrix(make.normal(rows, columns)), make.output(rows, columns))[given]
        penalty = make.output(rows) if given != 1 else None
        x = make.matrix(x)
        yield make.case(
            f"({rows}, {columns}) {('penalty', 'added gradient', 'both')[given]}", block, {"rows": rows + 2}, x=x,
            penalty=penalty, dx=dx, features=columns, x_stride=x.stride, dx_stride=dx.stride if dx else 0,
            accumulate=given == 1, l1=0.5 * (number % 2), l2=0.125,
        )  # fmt: skip


@cases_for("clip_by_norm")
def clip_by_norm_cases(make, kernel):
    for number, (rows, columns, block) in enumerate(make.tile_shapes()):
        g = gradient(make, block)
        parts = Array(np.abs(make.random.standard_normal(1 + number % 4)))
        source = Array(make.normal(rows, columns)) if number % 2 else None
        for limit in (0.1, 100.0):
            yield make.case(f"({rows}, {columns}) limit {limit}", block, {"gradient": g}, parts=parts, source=source,
                            count=parts.values.size, columns=columns, limit=limit)  # fmt: skip
    g = make.matrix(make.normal(64, 96), 0)
    yield make.case("(64, 96)", (0, 64, 0, 96), {"gradient": g}, timed=True, parts=Array(np.ones(30)), source=None,
                    count=30, columns=96, limit=1.0)  # fmt: skip


@cases_for("clip_by_value")
def clip_by_value_cases(make, kernel):
    for number, (rows, columns, block) in enumerate(make.tile_shapes()):
        source = Array(make.normal(rows, columns)) if number % 2 else None
        yield make.case(f"({rows}, {columns})", block, {"gradient": gradient(make, block)}, source=source,
                        columns=columns, limit=0.75)  # fmt: skip


@cases_for("take_accumulated")
def take_accumulated_cases(make, kernel):
    for number, (rows, columns, block) in enumerate(make.tile_shapes()):
        yield make.case(f"({rows}, {columns})", block, {"gradient": gradient(make, block)},
                        accumulated=make.matrix(make.normal(rows, columns), 0), columns=columns,
                        steps=2.0 + number % 5)  # fmt: skip


@cases_for("weight_decay")
def weight_decay_cases(make, kernel):
    for rows, columns, block in make.tile_shapes():
        worker = {"gradient": gradient(make, block), "learning_rate": 0.1}
        yield make.case(f"({rows}, {columns})", block, worker, parameter=make.matrix(make.normal(rows, columns), 0),
                        columns=columns, rate=0.03)  # fmt: skip


@cases_for("decay_ahead")
def decay_ahead_cases(make, kernel):
    for rows, columns, block in make.tile_shapes():
        yield make.case(f"({rows}, {columns})", block, {"learning_rate": 0.1},
                        parameter=make.matrix(make.normal(rows, columns), 0), rate=0.03)  # fmt: skip


@cases_for("average_weights")
def average_weights_cases(make, kernel):
    for number, (rows, columns, block) in enumerate(make.tile_shapes()):
        worker = {"gradient": gradient(make, block), "step": (1, 6, 7)[number % 3]}
        yield make.case(
            f"({rows}, {columns}) update {worker['step']}", block, worker,
            parameter=make.matrix(make.normal(rows, columns), 0), average=make.matrix(make.normal(rows, columns), 0),
            columns=columns, overwrite_every=(0, 3)[number % 2], momentum=0.9,
        )  # fmt: skip


@cases_for("constrain_sign")
def constrain_sign_cases(make, kernel):
    for rows, columns, block in make.tile_shapes():
        p, worker = make.matrix(make.specials(rows, columns), 0), {"gradient": gradient(make, block)}
        yield make.case(f"({rows}, {columns})", block, worker, parameter=p, columns=columns)


@cases_for("constrain_norm")
def constrain_norm_cases(make, kernel):
    bounds = itertools.cycle(((0.0, 2.0, 1.0), (1.0, 1.0, 1.0), (0.5, 1.5, 0.4)))
    for outer, length, inner in itertools.product((1, 3), (1, 5, 40), (1, 2, 7, 8, 16, 17, 70)):
        p = make.normal(outer, length * inner)
        p[:, : inner // 2] = 0
        low, high, rate = next(bounds)
        for block in ((0, outer, 0, inner), (outer // 2, outer, inner // 3, inner)):
            yield make.case(f"({outer}, {length}, {inner}) {low} {high} {rate}", block, parameter=make.matrix(p, 0),
                            length=length, inner=inner, low=low, high=high, rate=rate)  # fmt: skip

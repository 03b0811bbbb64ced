"""Calls of the kernels of whole_updates.h."""

import itertools

import numpy as np

from cases.base import Array, cases_for
from cases.updates import TILE, gradient, tiles

STEPS = (1, 2, 3, 10, 1000, 123456, 10**7)


def whole_shapes(make):
    """Tiles of matrices, those of every edge of a vector beside them: (rows, columns, block) within 9 tiles of TILE."""
    yield from tiles(make)
    for columns in range(1, 41):
        yield 2, columns, (0, 2, 0, columns)


def parts(make, count):
    return Array(np.abs(make.random.standard_normal(count)))


def norms(count=9):
    return {"parameter_parts": Array(np.zeros(count)), "direction_parts": Array(np.zeros(count))}


@cases_for("lamb_coefficients")
def lamb_coefficients_cases(make, kernel):
    for step, (beta_1, beta_2) in itertools.product(STEPS, ((0.9, 0.999), (0.0, 0.5), (0.99999, 0.9999999))):
        yield make.case(f"step {step} beta {beta_1}, {beta_2}", (0, 1), {"step": step}, beta_1=beta_1, beta_2=beta_2)


@cases_for("lamb_moments")
def lamb_moments_cases(make, kernel):
    for number, (rows, columns, block) in enumerate(whole_shapes(make)):
        worker = {"gradient": gradient(make, block), "coefficient": [3.5, 11.0, 0, 0, 0, 0, 0, 0], "step": 3}
        epsilon, (beta_1, beta_2) = (1e-7, 1e-3)[number % 2], ((0.9, 0.999), (0.0, 0.5), (0.5, 0.0))[number % 3]
        yield make.case(
            f"({rows}, {columns}) beta {beta_1}, {beta_2}", block, worker, **norms(), columns=columns,
            parameter=Array(make.normal(rows, columns)), first_moment=Array(make.normal(rows, columns)),
            second_moment=Array(make.uniform(rows, columns, low=0.5, high=3)), beta_1=beta_1, beta_2=beta_2,
            epsilon=epsilon, **TILE,
        )  # fmt: skip
    block = (0, 2, 0, 9)
    worker = {"gradient": Array(np.zeros((2, 9), make.dtype)), "coefficient": [1.0] * 8, "step": 3}
    state = {name: Array(np.zeros((2, 9), make.dtype)) for name in ("parameter", "first_moment", "second_moment")}
    yield make.case("zeros", block, worker, **norms(), **state, columns=9, beta_1=0.9, beta_2=0.9, epsilon=0.5, **TILE)


def descent(make, rows, columns):
    return {"parameter": Array(make.normal(rows, columns)), "direction": Array(make.normal(rows, columns)),
            "columns": columns}  # fmt: skip


@cases_for("lamb")
def lamb_cases(make, kernel):
    for number, (rows, columns, block) in enumerate(make.tile_shapes()):
        count = 1 + number % 4
        given = {name: parts(make, count) for name in ("parameter_parts", "direction_parts")}
        if number % 5 == 4:
            given[("parameter_parts", "direction_parts")[number % 2]] = Array(np.zeros(count))
        worker = {"coefficient": [3.5, 11.0, 0, 0, 0, 0, 0, 0], "learning_rate": 0.05}
        yield make.case(
            f"({rows}, {columns})", block, worker, **given, count=count, parameter=Array(make.normal(rows, columns)),
            first_moment=Array(make.normal(rows, columns)),
            second_moment=Array(make.uniform(rows, columns, low=0.5, high=3)), columns=columns,
            epsilon=(1e-7, 1e-3)[number % 2],
        )  # fmt: skip


@cases_for("adafactor_coefficients")
def adafactor_coefficients_cases(make, kernel):
    for step, decay in itertools.product(STEPS, (-0.8, -0.1, -1.0, -3.0)):
        for rate in (0.0, 0.003, 2.0):
            yield make.case(f"step {step} decay {decay} rate {rate}", (0, 1), {"step": step, "learning_rate": rate},
                            decay=decay)  # fmt: skip


SPACES = [(matrices, rows, columns) for columns in (*range(1, 40), 64, 65, 100, 257)
          for matrices, rows in ((1 + columns % 3, 1 + columns * 7 % 13),)]  # fmt: skip


def coefficient(number):
    return [(1.0, 0.25, 1e-3)[number % 3], 0.01, 0, 0, 0, 0, 0, 0]


def matrices_of(total, number):
    """(matrices, rows of each) of rows in all: one matrix, one for each row, or as a divisor has it."""
    rows = [total, 1, next(n for n in (5, 3, 2, 1) if total % n == 0)][number % 3]
    return total // rows, rows


@cases_for("adafactor_squares")
def adafactor_squares_cases(make, kernel):
    for number, (total, columns, block) in enumerate(whole_shapes(make)):
        matrices, rows = matrices_of(total, number)
        across, bands = TILE["across"], -(-total // TILE["block_rows"])
        yield make.case(
            f"{matrices} of ({rows}, {columns})", block, {"gradient": gradient(make, block)},
            row_squares=make.output(matrices * across + matrices - 1, rows, padding=0),
            column_squares=make.output(bands + matrices - 1, columns, padding=0), rows=rows, columns=columns,
            **TILE,
        )  # fmt: skip


@cases_for("adafactor_means")
def adafactor_means_cases(make, kernel):
    for number, (matrices, units, length) in enumerate(SPACES):
        part_units, width = 1 + number % 5, (length, 17, 16)[number % 3]
        begin = (length - 1) // width * width if number % 2 else 0
        matrix = matrices - 1
        yield make.case(
            f"{matrices} of {units} x {length}", (matrix, matrix + 1, begin, min(begin + width, length)),
            {"coefficient": coefficient(number)},
            squares=Array(make.uniform(-(-matrices * units // part_units) + matrices - 1, length)),
            means=Array(make.uniform(matrices, length)), factors=make.output(matrices, length, padding=0),
            sums=Array(np.zeros(matrices * -(-length // width))), length=length, units=units, part_units=part_units,
            summed=1 + number, block_columns=width, across=-(-length // width), epsilon=(1e-30, 0.1)[number % 2],
        )  # fmt: skip


def divided(make, matrices, rows, columns, number):
    """The factors of matrices of a gradient, and the gradient."""
    row_blocks = 1 + number % 3
    return {"gradient": Array(make.normal(matrices * rows, columns)), "rows": rows, "columns": columns,
            "row_factors": Array(make.uniform(matrices, rows, low=0.5, high=3)),
            "column_factors": Array(make.uniform(matrices, columns, low=0.5, high=3)),
            "row_sums": parts(make, matrices * row_blocks), "row_blocks": row_blocks}  # fmt: skip


@cases_for("adafactor_norms")
def adafactor_norms_cases(make, kernel):
    for number, (total, columns, block) in enumerate(whole_shapes(make)):
        matrices, rows = matrices_of(total, number)
        yield make.case(f"{matrices} of ({rows}, {columns})", block, parameter=Array(make.normal(total, columns)),
                        **divided(make, matrices, rows, columns, number), **norms(), **TILE)  # fmt: skip


@cases_for("adafactor_matrix")
def adafactor_matrix_cases(make, kernel):
    for number, (total, columns, block) in enumerate(make.tile_shapes()):
        matrices, rows = matrices_of(total, number)
        count = 1 + number % 4
        yield make.case(
            f"{matrices} of ({rows}, {columns})", block, {"coefficient": coefficient(number)},
            parameter=Array(make.normal(total, columns)), **divided(make, matrices, rows, columns, number),
            parameter_parts=parts(make, count), direction_parts=parts(make, count), count=count,
            elements=total * columns, epsilon=(1e-3, 10.0)[number % 2],
            clip_threshold=(1.0, 0.01, 100.0)[number % 3],
        )  # fmt: skip


@cases_for("adafactor_vector")
def adafactor_vector_cases(make, kernel):
    for number, (rows, columns, block) in enumerate(whole_shapes(make)):
        worker = {"gradient": gradient(make, block), "coefficient": coefficient(number)}
        yield make.case(
            f"({rows}, {columns})", block, worker, **norms(), columns=columns,
            parameter=Array(make.normal(rows, columns)), velocity=Array(make.uniform(rows, columns)),
            direction=make.output(rows, columns, padding=0), epsilon=(1e-30, 0.1)[number % 2], **TILE,
        )  # fmt: skip


@cases_for("adafactor")
def adafactor_cases(make, kernel):
    for number, (rows, columns, block) in enumerate(make.tile_shapes()):
        count = 1 + number % 4
        worker = {"gradient": gradient(make, block), "coefficient": coefficient(number)}
        yield make.case(
            f"({rows}, {columns})", block, worker, parameter_parts=parts(make, count),
            direction_parts=parts(make, count), count=count, elements=rows * columns,
            epsilon=(1e-3, 10.0)[number % 2], clip_threshold=(1.0, 0.01, 100.0)[number % 3],
            **descent(make, rows, columns),
        )  # fmt: skip


@cases_for("muon_coefficients")
def muon_coefficients_cases(make, kernel):
    for step, (beta_1, beta_2) in itertools.product(STEPS, ((0.9, 0.999), (0.0, 0.5), (0.99999, 0.9999999))):
        yield make.case(f"step {step} beta {beta_1}, {beta_2}", (0, 1), {"step": step, "learning_rate": 0.003},
                        beta_1=beta_1, beta_2=beta_2, ratio=0.1)  # fmt: skip


@cases_for("muon_momentum")
def muon_momentum_cases(make, kernel):
    for number, (rows, columns, block) in enumerate(make.tile_shapes()):
        yield make.case(f"({rows}, {columns})", block, {"gradient": gradient(make, block)},
                        velocity=Array(make.normal(rows, columns)), columns=columns, nesterov=number % 2,
                        momentum=(0.95, 0.0, 0.5)[number % 3])  # fmt: skip


@cases_for("normalize_gradient")
def normalize_gradient_cases(make, kernel):
    for number, (rows, columns, block) in enumerate(make.tile_shapes()):
        count = 1 + number % 4
        given = Array(np.zeros(count)) if number % 7 == 6 else parts(make, count)
        yield make.case(f"({rows}, {columns})", block, {"gradient": gradient(make, block)}, parts=given, count=count,
                        columns=columns, epsilon=1e-7)  # fmt: skip


@cases_for("scaled_product")
def scaled_product_cases(make, kernel):
    inners = itertools.cycle((0, 1, 2, 5, 16, 17, 143, 144, 145, 320, 321))

    def one(rows, columns, inner, block, number, timed=False):
        transposed, added = number % 2, number % 3 != 0
        a = make.matrix(make.normal(*((inner, rows) if transposed else (rows, inner))), 16 if timed else None)
        b = make.matrix(make.normal(inner, columns), 16 if timed else None)
        addend = make.matrix(make.normal(rows, columns)) if added else None
        c = make.output(rows, columns)
        return make.case(
            f"({rows}, {inner}) x ({inner}, {columns}){' transposed' * transposed}{' added' * added}", block,
            timed=timed, flops=2.0 * (block[1] - block[0]) * (block[3] - block[2]) * inner, a=a, b=b, addend=addend,
            c=c, inner=inner, transposed=transposed, a_stride=a.stride, b_stride=b.stride,
            addend_stride=addend.stride if added else 0, c_stride=c.stride, alpha=(1.0, 2.0315)[number // 2 % 2],
            beta=-4.775,
        )  # fmt: skip

    for number, (rows, columns, block) in enumerate(make.tile_shapes()):
        yield one(rows, columns, next(inners), block, number)
    for number in range(2):
        yield one(512, 512, 512, (0, 128, 128, 256), number, timed=True)


@cases_for("muon")
def muon_cases(make, kernel):
    for rows, columns, block in make.tile_shapes():
        worker = {"gradient": gradient(make, block), "learning_rate": 0.05}
        yield make.case(f"({rows}, {columns})", block, worker, rate=3.2, **descent(make, rows, columns))

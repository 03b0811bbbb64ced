"""Calls of the kernels of pairs.h, always of float."""

import itertools

import numpy as np

from cases.base import INNER, UNWRITTEN, Array, Panels, cases_for


def pair_values(make, *shape):
    """Pairs of bfloat16 in floats: normal numbers."""
    first, second = (make.random.standard_normal(shape).astype(np.float32).view(np.uint32) for _ in range(2))
    return (first >> 16 | second & 0xFFFF0000).view(np.float32)


def even(begin, end):
    """The larger range that begins at an even number."""
    return begin - begin % 2, end


@cases_for("pair_columns", "pair_rows")
def pair_cases(make, kernel):
    with np.errstate(over="ignore"):
        special = make.specials(8, 40).astype(np.float32)
    special[3] = np.array([0x3F808000, 0x3F818000, 0x3F808001, 0x7F7FFFFF] * 10, np.uint32).view(np.float32)  # halves
    shapes = [*make.row_shapes(), (8, 40, (0, 8)), (7, 40, (2, 7))]
    for number, (rows, columns, block) in enumerate(shapes):
        values = make.magnitudes(rows, columns, low=-5, high=5).astype(np.float32)
        x = make.matrix(special[:rows] if number >= len(shapes) - 2 else values)
        if kernel == "pair_columns":
            y = make.output(rows, -(-columns // 2), dtype=np.float32)
        else:
            y, block = make.output(-(-rows // 2), columns, dtype=np.float32), even(*block)
            if block[1] < rows:
                block = (block[0], block[1] + block[1] % 2)
        yield make.case(f"({rows}, {columns})", block, x=x, y=y, features=columns, x_stride=x.stride, y_stride=y.stride)


@cases_for("pack_pairs", "pack_pairs_transposed")
def pack_pairs_cases(make, kernel):
    for rows, columns, (row_begin, row_end, column_begin, column_end) in make.tile_shapes():
        if kernel == "pack_pairs":
            shape, row_begin = (-(-rows // 2), columns), row_begin - row_begin % 2
            row_end = min(rows, row_end + row_end % 2)
        else:
            shape, column_begin = (-(-columns // 2), rows), column_begin - column_begin % 2
            column_end = min(columns, column_end + column_end % 2)
        values = np.full(shape, UNWRITTEN[4], np.uint32).view(np.float32)
        packed = Panels(values, 0, make.padding(), written=True)
        matrix = Array(make.magnitudes(rows, columns, low=-5, high=5).astype(np.float32))
        yield make.case(f"({rows}, {columns})", (row_begin, row_end, column_begin, column_end), matrix=matrix,
                        packed=packed, columns=columns, packed_panel=packed.panel_stride)  # fmt: skip


@cases_for("matmul_pairs")
def matmul_pairs_cases(make, kernel):
    inners = itertools.cycle(INNER)
    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        inner = next(inners)
        a, b = make.matrix(pair_values(make, rows, inner)), Panels(pair_values(make, inner, columns), 0, make.padding())
        accumulate = number % 5 == 4
        start = make.normal(rows, columns).astype(np.float32)
        c = make.matrix(start) if accumulate else make.output(rows, columns, dtype=np.float32)
        bias = Array(make.normal(columns).astype(np.float32)) if number % 2 else None
        mask = make.matrix(make.normal(rows, columns).astype(np.float32)) if number % 3 == 1 else None
        yield make.case(
            f"({rows}, {inner} pairs, {columns})", block, a=a, b=b, bias=bias, mask=mask, c=c, inner=inner,
            columns=columns, a_stride=a.stride, b_panel=b.panel_stride, mask_stride=mask.stride if mask else 0,
            c_stride=c.stride, relu=number % 4 == 2, accumulate=int(accumulate),
        )  # fmt: skip


@cases_for("matmul_gradient_pairs")
def matmul_gradient_pairs_cases(make, kernel):
    inners = itertools.cycle([inner for inner in INNER if inner])
    for number, (rows, columns, block) in enumerate(make.tile_shapes()):
        minibatch, accumulate = next(inners), number % 4 == 3
        pairs = -(-minibatch // 2)
        x, dy = make.matrix(pair_values(make, pairs, rows)), make.matrix(pair_values(make, pairs, columns))
        extent = (block[1] - block[0], block[3] - block[2])
        start = make.normal(*extent).astype(np.float32)
        gradient = make.matrix(start) if accumulate else make.output(*extent, dtype=np.float32)
        yield make.case(f"({minibatch}, {rows})' x ({minibatch}, {columns})", block,
                        {"rows": minibatch, "gradient": gradient}, x=x, dy=dy, x_stride=x.stride, dy_stride=dy.stride,
                        accumulate=int(accumulate))  # fmt: skip

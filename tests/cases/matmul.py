"""Calls of the kernels of matmul.h."""

import itertools

import numpy as np

from cases.base import COLUMNS, INNER, ROWS, Array, Panels, cases_for


def product_case(make, rows, inner, columns, *, bias=False, mask=False, relu=False, accumulate=False, panels=False,
                 block=None, timed=False, left=None, right=None):  # fmt: skip
    """A case of matmul with the options wanted."""
    a = make.matrix(make.normal(rows, inner) if left is None else left, 0 if timed else None)
    b = make.normal(inner, columns) if right is None else right
    b = Panels(b, make.padding(), make.padding()) if panels else make.matrix(b, 0 if timed else None)
    gate = make.matrix(np.where(make.random.random((rows, columns)) < 0.4, 0, make.normal(rows, columns)).astype(a.values.dtype)) if mask else None  # noqa: E501
    c = make.matrix(make.normal(rows, columns)) if accumulate else make.output(rows, columns, padding=0 if timed else None)  # noqa: E501
    options = {"bias": bias, "mask": mask, "relu": relu, "accumulate": accumulate, "panels": panels}
    label = " ".join([f"({rows}, {inner}) x ({inner}, {columns})", *(name for name, given in options.items() if given)])
    return make.case(
        label,
        block or rows,
        timed=timed,
        flops=2.0 * rows * inner * columns,
        a=a,
        b=b,
        bias=Array(make.normal(columns)) if bias else None,
        mask=gate,
        c=c,
        inner=inner,
        columns=columns,
        a_stride=a.stride,
        b_stride=b.row_stride if panels else b.stride,
        b_panel=b.panel_stride if panels else 0,
        mask_stride=gate.stride if mask else 0,
        c_stride=c.stride,
        relu=int(relu),
        accumulate=int(accumulate),
    )


@cases_for("matmul")
def matmul_cases(make, kernel):
    inners, numbers = itertools.cycle(INNER), itertools.count()
    shapes = [(rows, columns) for columns in COLUMNS for rows in (1 + columns * 11 % 30, 1 + columns % 7)]
    shapes += [(rows, columns) for rows in ROWS for columns in (1, 10, 16, 33, 48)]
    shapes += [(rows, columns) for rows in (1, 2, 3, 4, 13) for columns in (127, 128, 129, 160, 257)]
    for (rows, columns), inner, number in zip(shapes, inners, numbers, strict=False):
        options = {name: bool(number >> bit & 1) for bit, name in enumerate(("bias", "mask", "relu", "accumulate"))}
        block = (rows // 3, rows - rows // 4) if number % 5 == 4 else None
        yield product_case(make, rows, inner, columns, **options, panels=number % 3 == 1, block=block)
    for special in ("infinities", "denormals", "large"):
        a, b = make.normal(7, 9), make.normal(9, 21)
        if special == "infinities":
            a[1, 3], a[2, 5], b[4, 7], b[4, 8], a[5] = np.inf, np.nan, -np.inf, np.nan, 0
        else:
            limits = np.finfo(make.dtype)
            a *= limits.smallest_subnormal * 1e3 if special == "denormals" else np.sqrt(limits.max) / 100
            b *= 1e-3 if special == "denormals" else np.sqrt(limits.max) / 100
        for options in ({}, {"relu": True, "bias": True}, {"mask": True}):
            yield product_case(make, 7, 9, 21, left=a, right=b, **options)
    for rows, inner, columns in ((1, 64, 64), (32, 64, 64), (32, 784, 128), (128, 784, 256), (128, 256, 10), (512, 512, 512)):  # noqa: E501
        yield product_case(make, rows, inner, columns, bias=True, relu=True, timed=True)


@cases_for("matmul_gradient")
def matmul_gradient_cases(make, kernel):
    inners = itertools.cycle(INNER)

    def one(minibatch, inputs, units, block, accumulate, timed=False, special=False):
        x, dy = make.matrix(make.normal(minibatch, inputs), 0 if timed else None), make.matrix(make.normal(minibatch, units), 0 if timed else None)  # noqa: E501
        if special:
            x.values[0], dy.values[1:, 0], dy.values[0, 1] = 0, np.inf, np.nan
        extent = (block[1] - block[0], block[3] - block[2])
        gradient = make.matrix(make.normal(*extent)) if accumulate else make.output(*extent, padding=0 if timed else None)  # noqa: E501
        return make.case(
            f"({minibatch}, {inputs})' x ({minibatch}, {units}){' accumulate' if accumulate else ''}",
            block, {"rows": minibatch, "gradient": gradient}, timed=timed, flops=2.0 * minibatch * inputs * units,
            x=x, dy=dy, x_stride=x.stride, dy_stride=dy.stride, accumulate=int(accumulate),
        )  # fmt: skip

    for number, (rows, columns, block) in enumerate(make.tile_shapes()):
        yield one(next(inners), rows, columns, block, number % 4 == 3)
    for rows in ROWS:
        yield one(next(inners), rows + 2, 40, (1, rows + 1, 3, 3 + rows % 37 + 1), rows % 4 == 3)
    for minibatch, inputs, units in ((192, 37, 70), (301, 100, 64), (400, 5, 129)):  # rows of x a page apart
        x, dy = make.matrix(make.normal(minibatch, inputs), 800), make.matrix(make.normal(minibatch, units))
        yield make.case(f"({minibatch}, {inputs})' x ({minibatch}, {units}) far apart", (1, inputs, 0, units),
                        {"rows": minibatch, "gradient": make.output(inputs - 1, units)}, x=x, dy=dy,
                        x_stride=x.stride, dy_stride=dy.stride, accumulate=0)  # fmt: skip
    yield one(5, 6, 19, (0, 6, 0, 19), False, special=True)
    for minibatch, inputs, units in ((32, 64, 64), (32, 784, 128), (128, 784, 256), (128, 256, 10)):
        block_columns = min(units, 128)
        block = (0, min(inputs, 4096 // block_columns), 0, block_columns)
        yield one(minibatch, inputs, units, block, False, timed=True)


@cases_for("column_sum")
def column_sum_cases(make, kernel):
    inners = itertools.cycle(INNER)
    for number, columns in enumerate([*COLUMNS, 128, 129]):
        minibatch = next(inners)
        dy = make.matrix(make.magnitudes(minibatch, columns, low=-2, high=2))
        begin, end = (columns // 5, columns - columns // 7) if number % 2 else (0, columns)
        accumulate = number % 3 == 2
        gradient = make.matrix(make.normal(1, end - begin)) if accumulate else make.output(1, end - begin)
        yield make.case(
            f"({minibatch}, {columns}){' accumulate' if accumulate else ''}", (0, 1, begin, end),
            {"rows": minibatch, "gradient": gradient}, dy=dy, dy_stride=dy.stride, accumulate=int(accumulate),
        )  # fmt: skip
    dy = make.matrix(make.normal(128, 256), 0)
    yield make.case("(128, 256)", (0, 1, 0, 256), {"rows": 128, "gradient": make.output(1, 256)}, timed=True,
                    flops=128 * 256, dy=dy, dy_stride=256, accumulate=0)  # fmt: skip


@cases_for("matmul_gradient_part", "column_sum_part")
def part_cases(make, kernel):
    inners = itertools.cycle(INNER)
    shapes = [(rows, columns) for rows, columns, _ in make.tile_shapes()]
    for number, (inputs, units) in enumerate([*shapes, (40, 10), (64, 3), (33, 1), (16, 9)]):
        part_rows = next(inners) or 1
        part, extra = number % 3, number % 2
        begin = part * part_rows
        end = begin + part_rows - (extra if part_rows > 1 else 0)
        dy = make.matrix(make.normal(end + 2, units))
        arguments = {"dy": dy, "dy_stride": dy.stride, "units": units, "part_rows": part_rows}
        size = units
        if kernel == "matmul_gradient_part":
            x = make.matrix(make.normal(end + 2, inputs))
            arguments |= {"x": x, "x_stride": x.stride, "inputs": inputs}
            size *= inputs
        parts = make.output(3, size)
        yield make.case(f"part {part} of {part_rows} rows, ({inputs}, {units})", (begin, end), {"rows": end + 2},
                        parts=parts, parts_stride=parts.stride, **arguments)  # fmt: skip


@cases_for("positions_sum_part")
def positions_cases(make, kernel):
    for number, units in enumerate((1, 3, 6, 8, 16, 17, 33, 64, 70)):
        positions, part_rows, part = 1 + number * 3, 1 + number % 4, number % 2
        begin, end = part * part_rows, part * part_rows + part_rows
        dy = make.matrix(make.normal(end + 1, positions * units))
        parts = make.output(2, units)
        yield make.case(f"{positions} positions of {units}", (begin, end), {"rows": end}, dy=dy, parts=parts,
                        positions=positions, units=units, dy_stride=dy.stride, part_rows=part_rows,
                        parts_stride=parts.stride)  # fmt: skip


@cases_for("sum_parts")
def sum_parts_cases(make, kernel):
    for number, (rows, columns, block) in enumerate(make.tile_shapes()):
        count, part_rows, accumulate = 1 + number % 5, 1 + number % 3, number % 4 == 3
        extent = (block[1] - block[0], block[3] - block[2])
        gradient = make.matrix(make.normal(*extent)) if accumulate else make.output(*extent)
        parts = make.matrix(make.normal(count + 1, rows * columns))
        yield make.case(
            f"{count} parts ({rows}, {columns}){' accumulate' if accumulate else ''}", block,
            {"rows": count * part_rows, "gradient": gradient}, parts=parts, parts_stride=parts.stride, columns=columns,
            part_rows=part_rows, accumulate=int(accumulate),
        )  # fmt: skip


@cases_for("pack", "pack_transposed")
def pack_cases(make, kernel):
    shapes = [*make.tile_shapes(), *((rows, 17, (rows // 4, rows, 1, 15)) for rows in (31, 48, 63, 64, 65, 70, 130))]
    for number, (rows, columns, block) in enumerate(shapes):
        packed = make.output(*((columns, rows) if kernel == "pack_transposed" else (rows, columns)))
        if number % 2:
            packed = Panels(packed.values, make.padding(), make.padding(), written=True)
        yield make.case(
            f"({rows}, {columns}){' panels' if number % 2 else ''}", block, matrix=Array(make.specials(rows, columns)),
            packed=packed, columns=columns, packed_stride=packed.row_stride if number % 2 else packed.stride,
            packed_panel=packed.panel_stride if number % 2 else 0,
        )  # fmt: skip
    packed = make.output(256, 784, padding=16) if kernel == "pack_transposed" else make.output(784, 256, padding=16)
    yield make.case("(784, 256)", (0, 784, 0, 256), timed=True, matrix=Array(make.normal(784, 256)), packed=packed,
                    columns=256, packed_stride=packed.stride, packed_panel=0)  # fmt: skip

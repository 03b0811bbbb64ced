"""Calls of the kernels of convolution.h."""

import itertools

import numpy as np

from cases.base import Array, Panels, cases_for

# (windows, first, step, taps, tap step, pixels) along an axis: inside the image, beyond it on either side, one window,
# one tap, windows apart, taps apart, no tap at all.
INSIDE = ((5, 0, 1, 3, 1, 7), (1, 0, 1, 4, 1, 4), (6, 1, 1, 1, 1, 8), (3, 0, 2, 2, 1, 7), (4, 1, 2, 2, 3, 11),
          (13, 0, 1, 2, 1, 14), (26, 0, 1, 3, 1, 28), (2, 0, 3, 1, 1, 4))  # fmt: skip
BEYOND = ((5, -1, 1, 3, 1, 5), (4, -2, 2, 3, 2, 6), (3, -3, 1, 2, 1, 1), (9, 2, 1, 4, 1, 7), (2, -5, 4, 3, 3, 3))


def _axes():
    """Pairs of axes, and whether they lie inside their image."""
    for number, rows in enumerate((*INSIDE, *BEYOND)):
        for other in range(3):
            columns = (*BEYOND, *INSIDE)[(number * 5 + other * 4) % 13]
            yield rows, columns, rows in INSIDE and columns in INSIDE


def _geometry(rows, columns, channels, pixel, out, band_rows):
    names = [(rows[i], columns[i]) for i in (0, 1, 2, 3, 4, 5)]
    return Array(np.array([*itertools.chain(*names), channels, pixel, *out, band_rows], np.int64))


@cases_for("window_product")
def product_cases(make, kernel):
    channels, units = itertools.cycle((1, 3, 4, 8, 17)), itertools.cycle((1, 6, 10, 16, 33, 64))
    numbers = itertools.count()
    for rows, columns, inside in _axes():
        for _ in range(2):
            number, c, u = next(numbers), next(channels), next(units)
            pixel = c + (2 if number % 3 == 1 else 0)
            copied = not inside or number % 4 == 2
            band_rows = (1 + number % (rows[0] + 1)) if copied else 0
            options = {name: bool(number >> bit & 1) for bit, name in enumerate(("bias", "mask", "relu"))}
            out_column = u + number % 2 * 3  # results are apart where they are those of every second pixel
            out = (number % 3, columns[0] * out_column + number % 2, out_column)
            samples, begin = 3, number % 2
            a = make.matrix(make.normal(samples, rows[5] * columns[5] * pixel))
            inner = rows[3] * columns[3] * c
            b = make.normal(inner, u)
            panels = number % 3 == 1
            b = Panels(b, make.padding(), make.padding()) if panels else make.matrix(b)
            width = out[0] + rows[0] * out[1]
            mask = make.matrix(make.normal(samples, width)) if options["mask"] else None
            result = make.output(samples, width)
            yield make.case(
                f"{rows} by {columns}, {c} of {pixel} channels to {u}, bands of {band_rows}", (begin, samples),
                flops=2.0 * rows[0] * columns[0] * inner * u, a=a, b=b,
                bias=Array(make.normal(u)) if options["bias"] else None, mask=mask, c=result,
                geometry=_geometry(rows, columns, c, pixel, out, band_rows), columns=u, a_stride=a.stride,
                b_stride=b.row_stride if panels else b.stride, b_panel=b.panel_stride if panels else 0,
                mask_stride=mask.stride if mask else 0, c_stride=result.stride, relu=int(options["relu"]),
            )  # fmt: skip
    yield _long(make, (2, 0, 1, 1, 1, 2), (5, 0, 1, 1, 1, 5), 700, 20)  # more than a block of the summed index
    yield _long(make, (3, -1, 1, 3, 1, 3), (4, -1, 1, 3, 1, 4), 130, 17)
    yield _long(make, (2, 0, 1, 3, 1, 4), (3, 0, 1, 3, 2, 7), 65, 9)
    yield _long(make, (4, 0, 1, 0, 1, 4), (5, 0, 1, 2, 1, 6), 3, 9)  # no tap: zeros, and the bias
    for size, c, u, taps in ((28, 1, 6, 5), (12, 6, 16, 5), (26, 32, 64, 3)):
        line = (size - taps + 1, 0, 1, taps, 1, size)
        yield _long(make, line, line, c, u, timed=True)


def _long(make, rows, columns, channels, units, timed=False):
    inner = rows[3] * columns[3] * channels
    a, b = make.matrix(make.normal(2, rows[5] * columns[5] * channels)), make.matrix(make.normal(inner, units))
    result = make.output(2, rows[0] * columns[0] * units)
    band = 0 if min(rows[1], columns[1]) >= 0 else 2
    return make.case(
        f"{rows} by {columns}, {channels} channels to {units}", 2, timed=timed,
        flops=4.0 * rows[0] * columns[0] * inner * units, a=a, b=b, bias=Array(make.normal(units)), mask=None, c=result,
        geometry=_geometry(rows, columns, channels, channels, (0, columns[0] * units, units), band), columns=units,
        a_stride=a.stride, b_stride=b.stride, b_panel=0, mask_stride=0, c_stride=result.stride, relu=0,
    )  # fmt: skip


@cases_for("window_gradient_part")
def gradient_cases(make, kernel):
    channels, units = itertools.cycle((1, 3, 4, 8, 17)), itertools.cycle((1, 6, 10, 16, 33, 64))
    numbers = itertools.count()
    for rows, columns, inside in _axes():
        if 0 in (rows[3], columns[3]):
            continue
        for _ in range(2):
            number, c, u = next(numbers), next(channels), next(units)
            pixel = c + (2 if number % 3 == 1 else 0)
            band_rows = (1 + number % (rows[0] + 1)) if not inside or number % 4 == 2 else 0
            all_units = u + number % 2 * 3
            part_rows = 1 + number % 3
            part = number % 2
            begin, end = part * part_rows, part * part_rows + part_rows - (part_rows > 2)
            a = make.matrix(make.normal(end + 1, rows[5] * columns[5] * pixel))
            dy = make.matrix(make.normal(end + 1, rows[0] * columns[0] * all_units))
            parts = make.output(2, rows[3] * columns[3] * c * all_units)
            out = (0, columns[0] * all_units, all_units)
            yield make.case(
                f"{rows} by {columns}, {c} of {pixel} channels to {u}, bands of {band_rows}", (begin, end),
                {"rows": end}, flops=2.0 * rows[0] * columns[0] * rows[3] * columns[3] * c * u, a=a, dy=dy, parts=parts,
                geometry=_geometry(rows, columns, c, pixel, out, band_rows), columns=u, units=all_units,
                a_stride=a.stride, dy_stride=dy.stride, part_rows=part_rows, parts_stride=parts.stride,
            )  # fmt: skip


@cases_for("window_scatter")
def scatter_cases(make, kernel):
    channels, units = itertools.cycle((1, 3, 4, 8, 17)), itertools.cycle((1, 6, 10, 16, 33))
    numbers = itertools.count()
    for rows, columns, _ in _axes():
        for _ in range(2):
            number, c, u = next(numbers), next(channels), next(units)
            pixel = c + (2 if number % 3 == 1 else 0)
            size = rows[3] * columns[3] * c
            all_units = u + number % 2 * 3
            samples, begin, panels = 3, number % 2, number % 3 == 2
            dy = make.matrix(make.normal(samples, rows[0] * columns[0] * all_units))
            b = make.normal(u, size)
            b = Panels(b, make.padding(), make.padding()) if panels else make.matrix(b)
            width = rows[5] * columns[5] * pixel
            mask = make.matrix(make.normal(samples, width)) if number % 4 == 3 else None
            x = make.output(samples, width)
            yield make.case(
                f"{rows} by {columns}, {c} of {pixel} channels from {u}", (begin, samples), dy=dy, b=b, mask=mask, x=x,
                geometry=_geometry(rows, columns, c, pixel, (0, columns[0] * all_units, all_units),
                                   1 + number % rows[0]),
                units=u, dy_stride=dy.stride, b_stride=b.row_stride if panels else b.stride,
                b_panel=b.panel_stride if panels else 0, mask_stride=mask.stride if mask else 0, x_stride=x.stride,
            )  # fmt: skip


@cases_for("pack_windows")
def pack_cases(make, kernel):
    for number, (taps, channels, group_units, groups) in enumerate(
        [(1, 1, 1, 1), (9, 1, 6, 1), (9, 32, 64, 1), (25, 6, 16, 1), (4, 40, 24, 2), (6, 3, 5, 3), (2, 70, 33, 1)]
    ):
        rows, columns = taps * channels, group_units * groups
        order = make.random.permutation(taps).astype(np.int64)
        for block in ((0, rows, 0, columns), (rows // 3, rows - rows // 4, columns // 5, columns - columns // 7)):
            packed = make.output(taps * columns, channels)
            panels = number % 2
            if panels:
                packed = Panels(packed.values, make.padding(), make.padding(), written=True)
            yield make.case(
                f"{taps} taps, {channels} channels, {groups} groups of {group_units}", block,
                matrix=Array(make.specials(rows, columns)), packed=packed, places=Array(order), columns=columns,
                channels=channels, taps=taps, group_units=group_units,
                packed_stride=packed.row_stride if panels else packed.stride,
                packed_panel=packed.panel_stride if panels else 0,
            )  # fmt: skip

"""Calls of the kernels of resizing.h."""

from cases.base import cases_for
from cases.windows import CHANNELS


@cases_for("pad_zeros")
def pad_cases(make, kernel):
    def one(rows, lines, width, lines_around, around, timed=False):
        y_width = (lines + sum(lines_around)) * (width + sum(around))
        values = make.normal(rows, lines * width) if timed else make.specials(rows, lines * width)
        x, y = make.matrix(values), make.output(rows, y_width)
        return make.case(f"({lines}, {width}) in {lines_around}, {around}", (rows // 3, rows), timed=timed, x=x, y=y,
                         lines=lines, width=width, lines_before=lines_around[0], lines_after=lines_around[1],
                         before=around[0], after=around[1], x_stride=x.stride, y_stride=y.stride)  # fmt: skip

    for number, width in enumerate(CHANNELS):
        for lines_around, around in (((0, 0), (0, 0)), ((1, 2), (0, 3)), ((0, 1), (width, width)), ((2, 0), (1, 0))):
            yield one(1 + number % 4, 1 + number % 3, width, lines_around, around)
    yield one(32, 28, 28 * 8, (1, 1), (8, 8), timed=True)


@cases_for("upsample_linear_forward", "upsample_linear_backward")
def upsample_cases(make, kernel):
    def one(rows, size, channels, factors, timed=False):
        x_width = size[0] * size[1] * channels
        y_width = x_width * factors[0] * factors[1]
        if kernel == "upsample_linear_forward":
            x, y = make.matrix(make.normal(rows, x_width)), make.output(rows, y_width)
            arguments = {"x": x, "y": y, "x_stride": x.stride, "y_stride": y.stride}
        else:
            dy, dx = make.matrix(make.normal(rows, y_width)), make.output(rows, x_width)
            arguments = {"dy": dy, "dx": dx, "dy_stride": dy.stride, "dx_stride": dx.stride}
        return make.case(f"{size} by {factors} of {channels}", (rows // 3, rows), timed=timed, image_rows=size[0],
                         image_columns=size[1], channels=channels, row_factor=factors[0], column_factor=factors[1],
                         **arguments)  # fmt: skip

    for number, channels in enumerate(CHANNELS):
        for size, factors in (((3, 4), (2, 2)), ((1, 5), (3, 2)), ((2, 1), (1, 5)), ((4, 3), (4, 3))):
            yield one(1 + number % 4, size, channels, factors)
    yield one(16, (14, 14), 32, (2, 2), timed=True)

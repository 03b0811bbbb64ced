"""Calls of the kernels of pooling.h."""

import numpy as np

from cases.base import cases_for
from cases.windows import CHANNELS, POOLING, ROW, array_of, axes_of, widths


def geometries():
    """(axes, channels, rows)."""
    for number, geometry in enumerate(POOLING):
        for channels in CHANNELS[number % 2 :: 2]:
            yield axes_of(geometry), channels, 1 + (number + channels) % 4
    for channels in CHANNELS:
        yield axes_of(POOLING[5]), channels, 2
    yield axes_of((ROW, (35000, 2, 2, "valid", 1))), 1, 1  # more positions than the scratch memory has room for


TIMED = [((28, 2, 2, "valid", 1), 6, 32), ((14, 2, 2, "valid", 1), 32, 32), ((28, 2, 2, "valid", 1), 1, 32),
         ((14, 3, 2, "same", 1), 64, 32), ((7, 7, 1, "valid", 1), 64, 32)]  # fmt: skip


def name_of(axes, channels):
    return f"{tuple(axes[0])} by {tuple(axes[1])} of {channels}"


def coarse(make, rows, width):
    """Few values, so that windows have equal elements; zeros of both signs."""
    values = np.array([-2.0, -1.0, -0.0, 0.0, 1.0, 2.0], make.dtype)
    return make.random.choice(values, (rows, width))


@cases_for("max_pool_forward", "average_pool_forward")
def forward_cases(make, kernel):
    def one(axes, channels, values, timed=False, label=""):
        x, y = make.matrix(values, 0 if timed else None), make.output(len(values), widths(axes, channels)[1])
        return make.case(f"{label}{name_of(axes, channels)}", (len(values) // 3, len(values)), timed=timed, x=x, y=y,
                         windows=array_of(make, axes), channels=channels, x_stride=x.stride,
                         y_stride=y.stride)  # fmt: skip

    for number, (axes, channels, rows) in enumerate(geometries()):
        width = widths(axes, channels)[0]
        yield one(axes, channels, coarse(make, rows, width) if number % 3 == 1 else make.normal(rows, width))
    for geometry in POOLING:
        for channels in (1, 3, 8, 11):
            axes = axes_of(geometry)
            values = make.specials(4, widths(axes, channels)[0], infinities=kernel == "max_pool_forward")
            if kernel == "average_pool_forward":  # sums that neither overflow nor hide where
                values = values * make.dtype.type(1e-4)
            yield one(axes, channels, values, label="special values ")
    for numbers, channels, rows in TIMED:
        axes = axes_of((numbers, numbers))
        yield one(axes, channels, make.normal(rows, widths(axes, channels)[0]), timed=True)


def largest(axes, channels, values):
    """The largest element of each window, whose padding is on neither side more than the window."""
    image = values.reshape(len(values), axes[0].length, axes[1].length, channels)
    y = np.empty((len(values), axes[0].outputs, axes[1].outputs, channels), values.dtype)
    for p in range(axes[0].outputs):
        for q in range(axes[1].outputs):
            begins = [max(0, n * axis.stride - axis.before) for n, axis in zip((p, q), axes, strict=True)]
            ends = [n * axis.stride - axis.before + axis.window for n, axis in zip((p, q), axes, strict=True)]
            y[:, p, q] = image[:, begins[0] : ends[0], begins[1] : ends[1]].max(axis=(1, 2))
    return y.reshape(len(values), -1)


@cases_for("max_pool_backward")
def max_backward_cases(make, kernel):
    def one(axes, channels, values, relu, timed=False, label=""):
        rows = len(values)
        values = np.where(values > 0, values, 0) if relu else values
        x, y = make.matrix(values.astype(make.dtype)), make.matrix(largest(axes, channels, values).astype(make.dtype))
        dy, dx = make.matrix(make.normal(*y.values.shape)), make.output(*values.shape)
        return make.case(f"{label}{name_of(axes, channels)}{' behind a ReLU' * relu}", (rows // 3, rows), timed=timed,
                         x=x, y=y, dy=dy, dx=dx, windows=array_of(make, axes), channels=channels, x_stride=x.stride,
                         y_stride=y.stride, dy_stride=dy.stride, dx_stride=dx.stride, relu=int(relu))  # fmt: skip

    for number, (axes, channels, rows) in enumerate(geometries()):
        width = widths(axes, channels)[0]
        yield one(axes, channels, coarse(make, rows, width) if number % 2 else make.normal(rows, width), number % 4 > 1)
    for geometry in POOLING:
        for relu in (False, True):
            axes = axes_of(geometry)
            yield one(axes, 5, make.specials(4, widths(axes, 5)[0]), relu, label="special values ")
    for numbers, channels, rows in TIMED:
        axes = axes_of((numbers, numbers))
        yield one(axes, channels, make.normal(rows, widths(axes, channels)[0]), True, timed=True)


@cases_for("average_pool_backward")
def average_backward_cases(make, kernel):
    def one(axes, channels, values, timed=False):
        rows = len(values)
        dy, dx = make.matrix(values), make.output(rows, widths(axes, channels)[0])
        return make.case(name_of(axes, channels), (rows // 3, rows), timed=timed, dy=dy, dx=dx,
                         windows=array_of(make, axes), channels=channels, dy_stride=dy.stride,
                         dx_stride=dx.stride)  # fmt: skip

    for axes, channels, rows in geometries():
        yield one(axes, channels, make.normal(rows, widths(axes, channels)[1]))
    for geometry in POOLING:
        axes = axes_of(geometry)
        yield one(axes, 5, make.specials(4, widths(axes, 5)[1], infinities=False, nan=False))
    for numbers, channels, rows in TIMED:
        axes = axes_of((numbers, numbers))
        yield one(axes, channels, make.normal(rows, widths(axes, channels)[1]), timed=True)


@cases_for("masked_mean_forward", "masked_mean_backward")
def masked_mean_cases(make, kernel):
    def one(rows, steps, features, share, special=False, timed=False):
        mask = (make.random.random((rows, steps)) < share).astype(make.dtype)
        mask = make.matrix(mask * make.random.choice([1.0, -2.0], mask.shape).astype(make.dtype))
        values = make.normal(rows, steps * features)
        if special:  # what is masked does not count whatever it is
            values = np.where(np.repeat(mask.values != 0, features, axis=1), values, np.nan).astype(make.dtype)
        arguments = {"mask": mask, "steps": steps, "features": features, "mask_stride": mask.stride}
        if kernel == "masked_mean_forward":
            x, y = make.matrix(values), make.output(rows, features)
            arguments |= {"x": x, "y": y, "x_stride": x.stride, "y_stride": y.stride}
        else:
            dy, dx = make.matrix(make.normal(rows, features)), make.output(rows, steps * features)
            arguments |= {"dy": dy, "dx": dx, "dy_stride": dy.stride, "dx_stride": dx.stride}
        return make.case(f"{steps} steps of {features}, {share} of them", (rows // 3, rows), timed=timed, **arguments)

    for number, features in enumerate(CHANNELS):
        for steps in (1, 3, 4, 9, 18):
            yield one(1 + (number + steps) % 4, steps, features, (1.0, 0.6, 0.3, 0.0)[number % 4], number % 3 == 1)
    yield one(64, 50, 64, 0.7, timed=True)

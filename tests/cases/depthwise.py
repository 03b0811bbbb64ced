"""Calls of the kernels of depthwise.h."""

import numpy as np

from cases.base import Array, cases_for
from cases.windows import CHANNELS, CONVOLUTION, array_of, axes_of, widths

TIMED = [((28, 3, 1, "same", 1), 32, 8), ((14, 3, 2, "same", 1), 64, 8), ((14, 5, 1, "same", 1), 64, 8)]


def geometries():
    """(axes, channels, rows, timed)."""
    for number, geometry in enumerate(CONVOLUTION):
        for channels in CHANNELS[number % 2 :: 2]:
            yield axes_of(geometry), channels, 1 + (number + channels) % 4, False
    for channels in CHANNELS:
        yield axes_of(CONVOLUTION[4]), channels, 2, False
    for numbers, channels, rows in TIMED:
        yield axes_of((numbers, numbers)), channels, rows, True


def flops_of(axes, channels, rows):
    return 2.0 * rows * widths(axes, channels)[1] * axes[0].window * axes[1].window


def taps(axes):
    return axes[0].window * axes[1].window


@cases_for("depthwise_forward")
def forward_cases(make, kernel):
    def one(axes, channels, rows, timed, number, special=False):
        x_width, y_width = widths(axes, channels)
        values, weight = make.normal(rows, x_width), make.normal(taps(axes) * channels)
        if special:
            values[0, 0], values[-1, -1], weight[1] = np.inf, np.nan, -np.inf
        bias, relu = number % 2 == 1, number % 4 > 1
        x, y = make.matrix(values), make.output(rows, y_width)
        label = f"{tuple(axes[0])} by {tuple(axes[1])} of {channels}{' bias' * bias}{' ReLU' * relu}"
        return make.case(label, (rows // 3, rows), timed=timed, flops=flops_of(axes, channels, rows), x=x, y=y,
                         weight=Array(weight), bias=Array(make.normal(channels)) if bias else None,
                         windows=array_of(make, axes), channels=channels, x_stride=x.stride, y_stride=y.stride,
                         relu=int(relu))  # fmt: skip

    for number, geometry in enumerate(geometries()):
        yield one(*geometry, number)
    for geometry in CONVOLUTION:
        yield one(axes_of(geometry), 9, 3, False, 1, special=True)


@cases_for("depthwise_backward")
def backward_cases(make, kernel):
    def one(axes, channels, rows, timed, number, special=False):
        x_width, y_width = widths(axes, channels)
        values = make.normal(rows, y_width)
        if special:
            values[0, 0], values[-1, -1] = np.inf, np.nan
        dy, dx = make.matrix(values), make.output(rows, x_width)
        gate = make.matrix(np.maximum(make.normal(rows, x_width), 0)) if number % 2 else None
        label = f"{tuple(axes[0])} by {tuple(axes[1])} of {channels}{' gate' * (number % 2)}"
        return make.case(label, (rows // 3, rows), timed=timed, flops=flops_of(axes, channels, rows), dy=dy, dx=dx,
                         weight=Array(make.normal(taps(axes) * channels)), gate=gate, windows=array_of(make, axes),
                         channels=channels, dy_stride=dy.stride, gate_stride=gate.stride if gate else 0,
                         dx_stride=dx.stride)  # fmt: skip

    for number, geometry in enumerate(geometries()):
        yield one(*geometry, number)
    for number, geometry in enumerate(CONVOLUTION):
        yield one(axes_of(geometry), 9, 3, False, number, special=True)


@cases_for("depthwise_gradient")
def gradient_cases(make, kernel):
    def one(axes, channels, rows, timed, number, columns=1, part=False, special=False):
        x_width, y_width = widths(axes, channels)
        x, dy = make.matrix(make.normal(rows, x_width)), make.matrix(make.normal(rows, y_width))
        if special:
            x.values[0, 0], dy.values[-1, -1] = np.inf, np.nan
        height = taps(axes) * channels // columns
        block = (0, height, 0, columns)
        if part:
            block = (height // 5, height - height // 7, columns // 5, columns - columns // 7)
        accumulate = number % 4 == 3
        extent = (block[1] - block[0], block[3] - block[2])
        padding = number % 3 if columns == 1 else None  # rows next to each other are the usual case
        gradient = make.matrix(make.normal(*extent), padding) if accumulate else make.output(*extent, padding=padding)
        label = f"{tuple(axes[0])} by {tuple(axes[1])} of {channels} in {columns}{' accumulate' * accumulate}"
        return make.case(label, block, {"rows": rows, "gradient": gradient}, timed=timed,
                         flops=flops_of(axes, channels, rows), x=x, dy=dy, windows=array_of(make, axes),
                         channels=channels, columns=columns, x_stride=x.stride, dy_stride=dy.stride,
                         accumulate=int(accumulate))  # fmt: skip

    for number, geometry in enumerate(geometries()):
        yield one(*geometry, number, part=number % 2 == 1 and not geometry[3])
    for number, geometry in enumerate(CONVOLUTION):
        yield one(axes_of(geometry), 12, 2, False, number, columns=(2, 3, 6, 12)[number % 4], part=number % 2 == 1)
        yield one(axes_of(geometry), 9, 3, False, number, special=True)
    yield one(axes_of(CONVOLUTION[0]), 5, 0, False, 0)

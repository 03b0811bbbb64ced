"""Calls of the kernels of normalization.h.

What belongs to channels is an array (1, channels); with a row for each sample it is (rows, channels).
"""

import itertools

import numpy as np

from cases.base import COLUMNS, cases_for


def samples(make):
    """(rows, positions, channels, block): every width of a vector's edges, one position and several."""
    positions = itertools.cycle((1, 2, 3, 4, 5, 8, 9, 1, 7))
    for number, channels in enumerate((*COLUMNS, 128, 129)):
        rows = 1 + number % 4
        yield rows, next(positions), channels, (rows // 3, rows) if number % 3 == 2 else (0, rows)


def shifted(make, rows, width):
    """Numbers whose mean is large or small beside their deviation."""
    return make.normal(rows, width) + make.dtype.type((0, 3, 1000)[(rows + width) % 3])


def columns_of(make, rows, channels, shared, output=False):
    """What belongs to channels: one row for all samples, or a row for each; and its stride."""
    if output:
        array = make.output(rows, channels)
    else:
        array = make.matrix(make.normal(1 if shared else rows, channels), 0 if shared else None)
    return array, 0 if shared else array.stride


@cases_for("sample_moments")
def sample_moments_cases(make, kernel):
    def one(label, x, positions, channels, block, timed=False):
        x, padding = make.matrix(x), make.padding()
        mean, squares = (make.output(len(x.values), channels, padding=padding) for _ in range(2))
        return make.case(label, block, timed=timed, x=x, mean=mean, squares=squares, positions=positions,
                         channels=channels, x_stride=x.stride, statistics_stride=mean.stride)  # fmt: skip

    for rows, positions, channels, block in samples(make):
        yield one(f"({rows}, {positions}, {channels})", shifted(make, rows, positions * channels), positions, channels,
                  block)  # fmt: skip
    yield one("constant", np.full((3, 28), 0.3, make.dtype), 4, 7, 3)
    bad = make.normal(4, 36)
    bad[0, 0], bad[1, 3], bad[2, 35] = np.inf, np.nan, -np.inf
    yield one("special values", bad, 4, 9, 4)
    yield one("(8, 196, 32)", make.normal(8, 196 * 32), 196, 32, 8, timed=True)


@cases_for("sample_slopes")
def sample_slopes_cases(make, kernel):
    for number, (rows, positions, channels, block) in enumerate([*samples(make), (8, 196, 32, (0, 8))]):
        x, dy = (make.matrix(make.normal(rows, positions * channels)) for _ in range(2))
        mean, stride = columns_of(make, rows, channels, number % 2 == 0)
        padding = make.padding()
        sums, products = (make.output(rows, channels, padding=padding) for _ in range(2))
        yield make.case(
            f"({rows}, {positions}, {channels}) shared {number % 2 == 0}", block, timed=positions > 100, x=x, dy=dy,
            mean=mean, sums=sums, products=products, positions=positions, channels=channels, x_stride=x.stride,
            dy_stride=dy.stride, statistics_stride=stride, sums_stride=sums.stride,
        )  # fmt: skip


def of_minibatch(make):
    """(rows, channels, block, timed) of kernels over channels that read all rows."""
    counts = itertools.cycle((1, 2, 3, 4, 5, 6, 7, 8, 17, 33))
    for number, channels in enumerate(COLUMNS):
        begin, end = (channels // 5, channels - channels // 7) if number % 2 else (0, channels)
        yield next(counts), channels, (0, 1, begin, end), False
    yield 128, 256, (0, 1, 0, 256), True


@cases_for("batch_moments")
def batch_moments_cases(make, kernel):
    def one(label, values, squares, positions, block, timed=False):
        x, channels = make.matrix(values), values.shape[1]
        squares = make.matrix(squares) if squares is not None else None
        mean, variance = make.output(1, channels), make.output(1, channels)
        return make.case(label, block, {"rows": len(values)}, timed=timed, x=x, squares=squares, mean=mean,
                         variance=variance, positions=positions, x_stride=x.stride,
                         squares_stride=squares.stride if squares else 0)  # fmt: skip

    for number, (rows, channels, block, timed) in enumerate(of_minibatch(make)):
        squares = np.abs(make.normal(rows, channels)) if number % 3 == 1 else None
        yield one(f"({rows}, {channels}) squares {squares is not None}", shifted(make, rows, channels), squares,
                  1 if squares is None else 5, block, timed)  # fmt: skip
    yield one("constant", np.full((7, 20), 1e3 / 3, make.dtype), None, 1, (0, 1, 0, 20))
    bad = make.normal(6, 20)
    bad[0, 1], bad[3, 5], bad[5, 19] = np.inf, np.nan, -np.inf
    yield one("special values", bad, None, 1, (0, 1, 0, 20))


@cases_for("normalization_scale")
def normalization_scale_cases(make, kernel):
    for number, (_, channels, block, timed) in enumerate(of_minibatch(make)):
        variance = np.abs(make.magnitudes(1, channels, low=-6, high=4))
        variance[0, ::5] = 0
        gamma = make.matrix(make.normal(1, channels)) if number % 2 else None
        inverse, scale = make.output(1, channels), make.output(1, channels)
        yield make.case(f"({channels},) gamma {gamma is not None}", block, timed=timed, variance=make.matrix(variance),
                        gamma=gamma, inverse=inverse, scale=scale, epsilon=1e-3)  # fmt: skip
    special = np.array([[np.inf, np.nan, 0.0, 1e-40, 1e30]], make.dtype)
    yield make.case("special values", (0, 1, 0, 5), variance=make.matrix(special), gamma=None,
                    inverse=make.output(1, 5), scale=make.output(1, 5), epsilon=1e-3)  # fmt: skip


@cases_for("deviation_scale")
def deviation_scale_cases(make, kernel):
    for number, (_, channels, block, timed) in enumerate(of_minibatch(make)):
        variance = np.abs(make.magnitudes(1, channels, low=-6, high=4))
        variance[0, ::5] = 0
        yield make.case(f"({channels},) deviation {number % 2}", block, timed=timed, variance=make.matrix(variance),
                        scale=make.output(1, channels), deviation=number % 2, least=1e-2)  # fmt: skip
    special = np.array([[np.inf, 0.0, 1e-30, np.nan]], make.dtype)
    for deviation in (0, 1):
        yield make.case(f"special values, deviation {deviation}", (0, 1, 0, 4), variance=make.matrix(special),
                        scale=make.output(1, 4), deviation=deviation, least=1e-7)  # fmt: skip


@cases_for("normalize")
def normalize_cases(make, kernel):
    for number, (rows, positions, channels, block) in enumerate([*samples(make), (128, 1, 256, (0, 128))]):
        shared = number % 2 == 0
        x = make.matrix(shifted(make, rows, positions * channels))
        y = x if number % 5 == 4 else make.output(rows, positions * channels)
        padding = make.padding()
        mean, scale = (make.matrix(make.normal(1 if shared else rows, channels), padding) for _ in range(2))
        beta = make.matrix(make.normal(1, channels)) if number % 3 else None
        yield make.case(
            f"({rows}, {positions}, {channels}) shared {shared}", block, timed=rows == 128, x=x,
            mean=None if number % 4 == 3 else mean, scale=scale, beta=beta, y=y, positions=positions,
            channels=channels, x_stride=x.stride, y_stride=y.stride, statistics_stride=0 if shared else scale.stride,
        )  # fmt: skip
    x, y = make.matrix(make.specials(5, 31)), make.output(5, 31)
    yield make.case("special values", 5, x=x, mean=None, scale=make.matrix(make.normal(1, 31)), beta=None, y=y,
                    positions=1, channels=31, x_stride=x.stride, y_stride=y.stride,
                    statistics_stride=0)  # fmt: skip


@cases_for("batch_slopes")
def batch_slopes_cases(make, kernel):
    for number, (rows, channels, block, timed) in enumerate(of_minibatch(make)):
        x, dy = make.matrix(shifted(make, rows, channels)), make.matrix(make.normal(rows, channels))
        inverse, scale = (make.matrix(make.uniform(1, channels, low=0.5, high=2)) for _ in range(2))
        mean = make.matrix(make.normal(1, channels)) if number % 3 else None
        shift, slope = (make.output(1, channels) if number % 4 else None for _ in range(2))
        yield make.case(
            f"({rows}, {channels}) mean {mean is not None}, all {shift is not None}", block, {"rows": rows},
            timed=timed, x=x, dy=dy, mean=mean, inverse=inverse, scale=scale, sums=make.output(1, channels),
            products=make.output(1, channels), shift=shift, slope=slope, positions=1 + number % 3, x_stride=x.stride,
            dy_stride=dy.stride,
        )  # fmt: skip


@cases_for("normalize_backward")
def normalize_backward_cases(make, kernel):
    for number, (rows, positions, channels, block) in enumerate([*samples(make), (128, 1, 256, (0, 128))]):
        shared = number % 2 == 0
        values = make.normal(rows, positions * channels)
        values[:, ::3] = 0
        x, dy = make.matrix(values), make.matrix(make.normal(rows, positions * channels))
        dx = dy if number % 5 == 4 else make.output(rows, positions * channels)
        padding = make.padding()
        names = ("mean", "scale", "shift", "slope")
        columns = {name: make.matrix(make.normal(1 if shared else rows, channels), padding) for name in names}
        yield make.case(
            f"({rows}, {positions}, {channels}) shared {shared} gate {number % 3 == 1}", block, timed=rows == 128, x=x,
            dy=dy, dx=dx, positions=positions, channels=channels, x_stride=x.stride, dy_stride=dy.stride,
            dx_stride=dx.stride, statistics_stride=0 if shared else columns["mean"].stride, gate=int(number % 3 == 1),
            **columns,
        )  # fmt: skip


@cases_for("moving_average")
def moving_average_cases(make, kernel):
    for number, (_, channels, block, timed) in enumerate(of_minibatch(make)):
        average = make.normal(1, channels)
        average[0, ::4] = np.finfo(make.dtype).tiny * (number % 3)
        value = make.normal(1, channels)
        value[0, ::4] = 0
        yield make.case(f"({channels},)", block, timed=timed, average=make.matrix(average), value=make.matrix(value),
                        momentum=(0.99, 0.5, 0.0, 1.0)[number % 4])  # fmt: skip


def groupings(make):
    """(rows, groups, extent, positions, block)."""
    for number, extent in enumerate((*COLUMNS[:40], 63, 64, 65)):
        rows, groups = 1 + number % 3, 1 + number % 4
        yield rows, groups, extent, (1, 3, 1, 6)[number % 4], (rows // 3, rows)


@cases_for("group_moments")
def group_moments_cases(make, kernel):
    for number, (rows, groups, extent, positions, block) in enumerate([*groupings(make), (64, 8, 4, 49, (0, 64))]):
        channels, padding = groups * extent, make.padding()
        x = make.matrix(shifted(make, rows, channels))
        squares = make.matrix(np.abs(make.normal(rows, channels)), padding) if positions > 1 else None
        mean, inverse, scale = (make.output(rows, channels, padding=padding) for _ in range(3))
        gamma = make.matrix(make.normal(1, channels)) if number % 2 else None
        yield make.case(
            f"({rows}, {groups}, {extent}) {positions} positions, gamma {gamma is not None}", block, timed=rows == 64,
            x=x, squares=squares, gamma=gamma, mean=mean, inverse=inverse, scale=scale, positions=positions,
            channels=channels, extent=extent, x_stride=x.stride, statistics_stride=mean.stride, epsilon=1e-3,
        )  # fmt: skip


@cases_for("group_slopes")
def group_slopes_cases(make, kernel):
    for number, (rows, groups, extent, positions, block) in enumerate([*groupings(make), (64, 8, 4, 49, (0, 64))]):
        channels, padding = groups * extent, make.padding()
        sums, products = (make.matrix(make.normal(rows, channels), padding) for _ in range(2))
        inverse = make.matrix(np.repeat(make.uniform(rows, groups, low=0.5, high=2), extent, axis=1), padding)
        gamma = make.matrix(make.normal(1, channels)) if number % 2 else None
        shift, slope = (make.output(rows, channels, padding=padding) for _ in range(2))
        yield make.case(
            f"({rows}, {groups}, {extent}) {positions} positions, gamma {gamma is not None}", block, timed=rows == 64,
            sums=sums, products=products, inverse=inverse, gamma=gamma, shift=shift, slope=slope, positions=positions,
            channels=channels, extent=extent, statistics_stride=sums.stride,
        )  # fmt: skip


@cases_for("layer_normalize_forward", "layer_normalize_backward")
def layer_normalize_cases(make, kernel):
    def one(label, values, extent, block, number, timed=False):
        rows, groups = len(values), values.shape[1] // extent
        x, padding, centered = make.matrix(values), make.padding(), number % 3 > 0
        gamma = make.matrix(make.normal(1, extent)) if number % 2 else None
        common = {"x": x, "gamma": gamma, "groups": groups, "extent": extent, "x_stride": x.stride}
        label = f"{label} gamma {gamma is not None} centered {centered}"
        if kernel == "layer_normalize_forward":
            mean, inverse = (make.output(rows, groups, padding=padding) for _ in range(2))
            y = x if number % 5 == 4 else make.output(rows, groups * extent)
            beta = make.matrix(make.normal(1, extent)) if number % 4 else None
            return make.case(label, block, timed=timed, beta=beta, y=y, mean=mean if centered else None,
                             inverse=inverse, y_stride=y.stride, statistics_stride=inverse.stride, epsilon=1e-3,
                             **common)  # fmt: skip
        mean = make.matrix(make.normal(rows, groups), padding)
        inverse = make.matrix(make.uniform(rows, groups, low=0.5, high=2), padding)
        dy = make.matrix(make.normal(rows, groups * extent))
        dx = (make.output(rows, groups * extent), dy, None)[number % 7 % 3] if number % 5 else None
        padding = make.padding()
        products, sums = (make.output(rows, extent, padding=padding) if number % wanted == 0 or dx is None else None
                          for wanted in (2, 3))  # fmt: skip
        sums_stride = extent + padding
        return make.case(label, block, timed=timed, dy=dy, mean=mean if centered else None, inverse=inverse, dx=dx,
                         products=products, sums=sums, dy_stride=dy.stride, dx_stride=dx.stride if dx else 0,
                         statistics_stride=inverse.stride, sums_stride=sums_stride, **common)  # fmt: skip

    for number, (rows, groups, extent, _, block) in enumerate(groupings(make)):
        yield one(f"({rows}, {groups}, {extent})", shifted(make, rows, groups * extent), extent, block, number)
    yield one("constant", np.full((2, 60), 0.7, make.dtype), 20, 2, 1)
    bad = make.normal(4, 40)
    bad[0, 1], bad[1, 5], bad[2, 19] = np.inf, np.nan, -np.inf
    yield one("special values", bad, 20, 4, 7)
    yield one("(128, 256)", make.normal(128, 256), 256, 128, 1, timed=True)


@cases_for("matrix_sum")
def matrix_sum_cases(make, kernel):
    for number, (rows, columns, block) in enumerate(make.tile_shapes()):
        count, accumulate = 1 + number % 9, number % 3 == 2
        extent = (block[1] - block[0], block[3] - block[2])
        gradient = make.matrix(make.normal(*extent)) if accumulate else make.output(*extent)
        dy = make.matrix(make.normal(count, rows * columns))
        yield make.case(f"{count} rows ({rows}, {columns}){' accumulate' if accumulate else ''}", block,
                        {"rows": count, "gradient": gradient}, dy=dy, dy_stride=dy.stride, columns=columns,
                        accumulate=int(accumulate))  # fmt: skip

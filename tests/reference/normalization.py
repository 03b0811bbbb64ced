"""What the kernels of normalization.h compute."""

import numpy as np

from reference.base import nearly, reference, rounding_depth, wide


def moments(x, axis):
    """Mean and sum of squares about it, kept as axes of 1; NaN where x is not finite."""
    mean = x.mean(axis=axis, keepdims=True)
    d = x - mean
    return mean + 0 * d.sum(axis=axis, keepdims=True), (d * d).sum(axis=axis, keepdims=True)


def in_channels(values, a):
    """(rows, positions, channels)."""
    return wide(values).reshape(len(values), a.positions, a.channels)


def squares_slack(real, x, axis, count):
    """What squares may be wrong by, beside their own rounding: each d of them is that of a rounded x - mean."""
    d = np.abs(x - x.mean(axis=axis, keepdims=True))
    largest = np.abs(x).max(axis=axis, keepdims=True)
    return (d * (d + 2 * np.finfo(real).eps * largest)).sum(axis=axis, keepdims=True) + count * (
        np.finfo(real).eps * largest
    ) ** 2 / np.finfo(real).eps


@reference
def sample_moments(a, w, block):
    x = in_channels(a.x[block.rows], a)
    mean, squares = moments(x, 1)
    magnitude = squares_slack(w.real, x, 1, a.positions)
    return {
        "mean": nearly(block.rows, mean[:, 0], 3, np.abs(x).max(axis=1)),
        "squares": nearly(block.rows, squares[:, 0], a.positions / 4 + 8, magnitude[:, 0]),
    }


@reference
def sample_slopes(a, w, block):
    x, dy = in_channels(a.x[block.rows], a), in_channels(a.dy[block.rows], a)
    d = x - wide(np.broadcast_to(a.mean, (len(a.x), a.channels)))[block.rows][:, None]
    return {
        "sums": nearly(block.rows, dy.sum(axis=1), a.positions / 4 + 3, np.abs(dy).sum(axis=1)),
        "products": nearly(block.rows, (dy * d).sum(axis=1), a.positions / 4 + 4, np.abs(dy * d).sum(axis=1)),
    }


@reference
def batch_moments(a, w, block):
    x = wide(a.x[: w.rows, block.columns])
    mean, squares = (value[0] for value in moments(x, 0))
    slack = squares_slack(w.real, x, 0, w.rows)[0]
    if a.squares is not None:
        within = wide(a.squares[: w.rows, block.columns]).sum(axis=0)
        squares, slack = squares * a.positions + within, slack * a.positions + within
    count = w.rows * a.positions
    return {
        "mean": nearly((0, block.columns), mean, 3, np.abs(x).max(axis=0)),
        "variance": nearly((0, block.columns), squares / count, w.rows / 4 + 10, slack / count),
    }


@reference
def normalization_scale(a, w, block):
    inverse = 1 / np.sqrt(wide(a.variance[0, block.columns]) + w.real(a.epsilon))
    gamma = 1 if a.gamma is None else wide(a.gamma[0, block.columns])
    here = (0, block.columns)
    return {"inverse": nearly(here, inverse, 3), "scale": nearly(here, inverse * gamma, 4)}


@reference
def deviation_scale(a, w, block):
    d = np.maximum(np.sqrt(wide(a.variance[0, block.columns])), w.real(a.least))
    return {"scale": nearly((0, block.columns), d if a.deviation else 1 / d, 2)}


def per_channel(values, a, rows):
    """(rows, 1, channels) of what is one row for all samples, or a row for each."""
    return wide(np.broadcast_to(values, (len(a.x), a.channels)))[rows][:, None]


@reference
def normalize(a, w, block):
    x = in_channels(a.x[block.rows], a)
    mean = 0 if a.mean is None else per_channel(a.mean, a, block.rows)
    scale = per_channel(a.scale, a, block.rows)
    beta = 0 if a.beta is None else wide(a.beta[0])
    product = (x - mean) * scale
    y, magnitude = product + beta, np.abs(product) + np.abs(beta)
    shape = (len(x), -1)
    return {"y": nearly(block.rows, y.reshape(shape), 2, magnitude.reshape(shape))}


@reference
def batch_slopes(a, w, block):
    x, dy = wide(a.x[: w.rows, block.columns]), wide(a.dy[: w.rows, block.columns])
    inverse, scale = wide(a.inverse[0, block.columns]), wide(a.scale[0, block.columns])
    terms = x if a.mean is None else dy * (x - wide(a.mean[0, block.columns]))
    sums, products = dy.sum(axis=0), inverse * terms.sum(axis=0)
    all_sums, all_products = np.abs(dy).sum(axis=0), np.abs(inverse) * np.abs(terms).sum(axis=0)
    count, ulps, here = w.rows * a.positions, w.rows / 4 + 5, (0, block.columns)
    expected = {"sums": nearly(here, sums, ulps, all_sums), "products": nearly(here, products, ulps, all_products)}
    if a.shift is not None:
        slope = scale * inverse / count
        expected["shift"] = nearly(here, scale * sums / count, ulps + 2, np.abs(scale) * all_sums / count)
        expected["slope"] = nearly(here, slope * products, ulps + 3, np.abs(slope) * all_products)
    return expected


@reference
def normalize_backward(a, w, block):
    x, dy = in_channels(a.x[block.rows], a), in_channels(a.dy[block.rows], a)
    mean, scale, shift, slope = (per_channel(v, a, block.rows) for v in (a.mean, a.scale, a.shift, a.slope))
    straight, bent = scale * dy, slope * (x - mean)
    dx, magnitude = straight - bent - shift, np.abs(straight) + np.abs(bent) + np.abs(shift)
    if a.gate:
        dx, magnitude = (np.where(x > 0, values, 0) for values in (dx, magnitude))
    shape = (len(x), -1)
    return {"dx": nearly(block.rows, dx.reshape(shape), 3, magnitude.reshape(shape))}


@reference
def moving_average(a, w, block):
    old, value = wide(a.average[0, block.columns]), wide(a.value[0, block.columns])
    momentum, rest = w.real(a.momentum), w.real(1 - a.momentum)
    average, magnitude = momentum * old + rest * value, np.abs(momentum * old) + np.abs(rest * value)
    average = np.where(np.abs(average) < np.finfo(w.real).tiny, 0, average)
    return {"average": nearly((0, block.columns), average, 2, magnitude)}


def in_groups(values, extent):
    """(rows, groups, extent)."""
    return wide(values).reshape(len(values), -1, extent)


def row_moments(w, a, x, centered=True):
    """Mean, and 1 / sqrt(variance + epsilon) with what its sum may be wrong by, of the last axis."""
    if centered:
        mean, squares = moments(x, -1)
        slack = squares_slack(w.real, x, -1, x.shape[-1])
    else:
        mean, squares = np.zeros((*x.shape[:-1], 1)), (x * x).sum(axis=-1, keepdims=True)
        slack = squares
    return mean, squares, slack


@reference
def group_moments(a, w, block):
    x = in_groups(a.x[block.rows], a.extent)
    mean, squares, slack = row_moments(w, a, x)
    if a.squares is not None:
        within = in_groups(a.squares[block.rows], a.extent).sum(axis=-1, keepdims=True)
        squares, slack = squares * a.positions + within, slack * a.positions + within
    count, shape = a.extent * a.positions, (len(x), a.channels)
    epsilon = float(w.real(a.epsilon))
    inverse = 1 / np.sqrt(squares / count + epsilon)
    wrong = inverse * (slack / count + epsilon) * inverse**2  # the relative error of what is under the root
    gamma = 1 if a.gamma is None else in_groups(a.gamma, a.extent)
    ulps = rounding_depth(a.extent) * 2 + 8

    def spread(values):
        return np.broadcast_to(values, x.shape).reshape(shape)

    return {
        "mean": nearly(block.rows, spread(mean), 3, spread(np.abs(x).max(axis=-1, keepdims=True))),
        "inverse": nearly(block.rows, spread(inverse), ulps, spread(wrong)),
        "scale": nearly(block.rows, spread(gamma * inverse), ulps, spread(np.abs(gamma) * wrong)),
    }


@reference
def group_slopes(a, w, block):
    sums, products, inverse = (in_groups(v[block.rows], a.extent) for v in (a.sums, a.products, a.inverse))
    gamma = 1 if a.gamma is None else in_groups(a.gamma, a.extent)
    count, shape, inverse = a.extent * a.positions, (len(sums), a.channels), inverse[..., :1]

    def over_group(factor, terms):
        value, magnitude = (f(gamma * terms).sum(axis=-1, keepdims=True) for f in (np.positive, np.abs))
        value, magnitude = (
            np.broadcast_to(v / count, sums.shape).reshape(shape) for v in (factor * value, np.abs(factor) * magnitude)
        )
        return nearly(block.rows, value, rounding_depth(a.extent) + 6, magnitude)

    return {
        "shift": over_group(inverse, sums),
        "slope": over_group(inverse**3, products),
        "products": nearly(block.rows, (inverse * products).reshape(shape), 1),
    }


@reference
def layer_normalize_forward(a, w, block):
    x = in_groups(a.x[block.rows], a.extent)
    mean, squares, slack = row_moments(w, a, x, a.mean is not None)
    epsilon = float(w.real(a.epsilon))
    inverse = 1 / np.sqrt(squares / a.extent + epsilon)
    wrong = inverse**2 * (slack / a.extent + epsilon)
    gamma = 1 if a.gamma is None else wide(a.gamma[0])
    beta = 0 if a.beta is None else wide(a.beta[0])
    y, ulps = (x - mean) * inverse * gamma + beta, rounding_depth(a.extent) * 2 + 8
    largest = np.abs(x).max(axis=-1, keepdims=True) if a.mean is not None else 0
    magnitude = (np.abs(x - mean) * wrong + largest) * inverse * np.abs(gamma) + np.abs(beta)
    shape = (len(x), -1)
    expected = {
        "y": nearly(block.rows, y.reshape(shape), ulps, magnitude.reshape(shape)),
        "inverse": nearly(block.rows, inverse[..., 0], ulps, (inverse * wrong)[..., 0]),
    }
    if a.mean is not None:
        expected["mean"] = nearly(block.rows, mean[..., 0], 3, np.abs(x).max(axis=-1))
    return expected


@reference
def layer_normalize_backward(a, w, block):
    x, dy = in_groups(a.x[block.rows], a.extent), in_groups(a.dy[block.rows], a.extent)
    mean = 0 if a.mean is None else wide(a.mean[block.rows])[..., None]
    inverse = wide(a.inverse[block.rows])[..., None]
    u, g = (x - mean) * inverse, dy if a.gamma is None else dy * wide(a.gamma[0])
    shift = 0 if a.mean is None else g.mean(axis=-1, keepdims=True)
    bend = (g * u).mean(axis=-1, keepdims=True)
    dx = inverse * (g - shift - u * bend)
    largest = np.abs(g).mean(axis=-1, keepdims=True) * (a.mean is not None)
    magnitude = inverse * (np.abs(g) + largest + np.abs(u) * np.abs(g * u).mean(axis=-1, keepdims=True))
    shape = (len(x), -1)
    expected = {}
    if a.dx is not None:
        expected["dx"] = nearly(block.rows, dx.reshape(shape), rounding_depth(a.extent) + 12, magnitude.reshape(shape))
    if a.products is not None:
        value, total = (dy * u).sum(axis=1), np.abs(dy * u).sum(axis=1)
        expected["products"] = nearly(block.rows, value, a.groups + 3, total)
    if a.sums is not None:
        expected["sums"] = nearly(block.rows, dy.sum(axis=1), a.groups, np.abs(dy).sum(axis=1))
    return expected


@reference
def matrix_sum(a, w, block):
    dy = wide(a.dy[: w.rows]).reshape(w.rows, -1, a.columns)[:, block.rows, block.columns]
    value, magnitude = dy.sum(axis=0), np.abs(dy).sum(axis=0)
    if a.accumulate:
        value, magnitude = value + wide(w.gradient), magnitude + np.abs(wide(w.gradient))
    return {"worker_gradient": nearly(..., value, w.rows / 8 + 2, magnitude)}

"""What the element-wise losses of losses.h compute, and the rescaling after a loss."""

import functools

import numpy as np

from reference.base import nearly, reference, rounding_depth, wide
from reference.losses import loss_results


def element_loss(term):
    """Enters the mean over features of term(a, w, p, t) -> value, its error, slope, its error."""

    @functools.wraps(term)
    def loss(a, w, block):
        p, t = wide(a.prediction[block.rows]), wide(a.target[block.rows])
        value, value_error, slope, slope_error = term(a, w, p, t)
        features = p.shape[1]
        return loss_results(a, w, block, value, value_error, slope / features, slope_error / features,
                            rounding_depth(features))  # fmt: skip

    return reference(loss)


def least(w):
    """The bound of logarithms and denominators, in the kernel's type."""
    return wide(w.real(1e-7))


@element_loss
def absolute_error(a, w, p, t):
    return np.abs(p - t), np.abs(p - t), np.sign(p - t), np.abs(np.sign(p - t))


@element_loss
def mean_absolute_percentage_error(a, w, p, t):
    size = np.maximum(np.abs(t), least(w))
    value, slope = 100 * np.abs(p - t) / size, 100 * np.sign(p - t) / size
    return value, value, slope, np.abs(slope)


@element_loss
def mean_squared_logarithmic_error(a, w, p, t):
    first, second = np.log1p(np.maximum(p, least(w))), np.log1p(np.maximum(t, least(w)))
    difference, size = first - second, first + second
    # an error e of the logarithms, of which each has its own, is 2 e |difference| + e^2 in the square
    value_error = difference**2 + np.abs(difference) * size + np.finfo(w.real).eps * size**2
    slope = np.where(p < least(w), 0, 2 * difference / (1 + p))
    slope_error = np.where(p < least(w), 0, (2 * np.abs(difference) + size) / (1 + p))
    return difference**2, value_error, slope, slope_error


@element_loss
def huber(a, w, p, t):
    delta = wide(w.real(a.delta))
    d, size = p - t, np.abs(p - t)
    bounded = np.where(size > delta, delta, size)
    value, slope = bounded * (size - bounded / 2), np.clip(d, -delta, delta)
    return value, value, slope, np.abs(slope)


@element_loss
def log_cosh(a, w, p, t):
    d, slope = p - t, np.tanh(p - t)
    far = np.abs(d) + np.log1p(np.exp(-2 * np.abs(d))) - np.log(wide(w.real(2)))
    value = np.where(np.abs(d) < 0.75, -np.log1p(-(slope**2)) / 2, far)
    return value, value, slope, np.abs(slope)


@element_loss
def poisson(a, w, p, t):
    rate = p + least(w)
    logarithm = np.log(rate)
    return (p - t * logarithm, np.abs(p) + np.abs(t) * (1 + np.abs(logarithm)), 1 - t / rate,
            1 + np.abs(t / rate))  # fmt: skip


@element_loss
def kl_divergence(a, w, p, t):
    low = least(w)
    t, q = np.clip(t, low, 1), np.clip(p, low, 1)
    logarithm = np.log(t / q)
    slope = np.where((p < low) | (p > 1), 0, -t / q) * a.classes
    return a.classes * t * logarithm, a.classes * t * (1 + np.abs(logarithm)), slope, np.abs(slope)


@element_loss
def hinge(a, w, p, t):
    t = np.where(t == 0, -1, t)
    margin = 1 - t * p
    slope = np.where(margin > 0, -t, 0)
    return np.where(margin < 0, 0, margin), 1 + np.abs(t * p), slope, np.abs(slope)


@element_loss
def squared_hinge(a, w, p, t):
    t = np.where(t == 0, -1, t)
    margin, size = 1 - t * p, 1 + np.abs(t * p)
    margin = np.where(margin < 0, 0, margin)
    return margin**2, margin**2 + 2 * margin * size, -2 * t * margin, np.where(margin == 0, 0, 2 * np.abs(t) * size)


@element_loss
def gaussian_nll_fixed(a, w, p, t):
    d, variance = p - t, wide(a.variance)
    square, slope = d**2 / (2 * variance), d / variance
    return square + a.offset, square + abs(a.offset), slope, np.abs(slope)


@reference
def rescale_loss(a, w, block):
    factor = a.scale * w.rows
    if a.divide:
        rows = w.first_row + np.arange(w.rows)
        rows = rows if w.order is None else w.order[rows]
        weights = np.ones(w.rows) if a.weights is None else a.weights[rows].astype(np.float64)
        if a.labels is not None:
            weights = weights * (a.labels[rows, 0].astype(np.float64) != a.ignored)
        factor = factor / weights.sum() if weights.sum() > 0 else 0.0
    # a sum of positive doubles has no error that a float shows; a double has one of each weight
    return {"x": nearly(block.rows, wide(a.x[block.rows]) * wide(factor), 3 + w.rows * (w.real is np.float64))}

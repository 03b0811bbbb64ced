"""What the kernels of depthwise.h compute."""

import numpy as np

from reference.base import nearly, reference, wide
from reference.windows import every_window, images


def taps(a):
    """(rows, columns) of a window."""
    return a.windows[0][2], a.windows[1][2]


def kernel_of(a):
    return a.weight.reshape(*taps(a), a.channels)


@reference
def depthwise_forward(a, w, block):
    x, kernel = wide(images(a.x[block.rows], a.windows, a.channels)), wide(kernel_of(a))
    y = np.zeros((len(x), a.windows[0][1], a.windows[1][1], a.channels), x.dtype)
    magnitude = y.copy()
    for (p, q), tap, place in every_window(a.windows):
        terms = x[(slice(None), *place)] * kernel[np.ix_(*tap)]
        y[:, p, q], magnitude[:, p, q] = terms.sum(axis=(1, 2)), np.abs(terms).sum(axis=(1, 2))
    if a.bias is not None:
        y, magnitude = y + wide(a.bias), magnitude + np.abs(wide(a.bias))
    if a.relu:
        y = np.where(y < 0, 0, y)
    return {"y": nearly(block.rows, y.reshape(len(y), -1), kernel[..., 0].size / 2 + 2,
                        magnitude.reshape(len(y), -1))}  # fmt: skip


@reference
def depthwise_backward(a, w, block):
    dy, kernel = wide(images(a.dy[block.rows], a.windows, a.channels, 1)), wide(kernel_of(a))
    dx = np.zeros((len(dy), a.windows[0][0], a.windows[1][0], a.channels), dy.dtype)
    magnitude = dx.copy()
    for (p, q), tap, place in every_window(a.windows):
        terms = dy[:, p, q][:, None, None] * kernel[np.ix_(*tap)]
        dx[(slice(None), *place)] += terms
        magnitude[(slice(None), *place)] += np.abs(terms)
    dx, magnitude = dx.reshape(len(dx), -1), magnitude.reshape(len(dx), -1)
    if a.gate is not None:
        open_ = a.gate[block.rows] > 0
        dx, magnitude = np.where(open_, dx, 0), np.where(open_, magnitude, 0)
    return {"dx": nearly(block.rows, dx, kernel[..., 0].size / 2 + 2, magnitude)}


@reference
def depthwise_gradient(a, w, block):
    x = wide(images(a.x[: w.rows], a.windows, a.channels))
    dy = wide(images(a.dy[: w.rows], a.windows, a.channels, 1))
    gradient = np.zeros((*taps(a), a.channels), x.dtype)
    magnitude = gradient.copy()
    for (p, q), tap, place in every_window(a.windows):
        terms = x[(slice(None), *place)] * dy[:, p, q][:, None, None]
        gradient[np.ix_(*tap)] += terms.sum(axis=0)
        magnitude[np.ix_(*tap)] += np.abs(terms).sum(axis=0)
    gradient, magnitude = (v.reshape(-1, a.columns)[block.rows, block.columns] for v in (gradient, magnitude))
    if a.accumulate:
        before = wide(w.gradient)
        gradient, magnitude = gradient + before, magnitude + np.abs(before)
    terms = w.rows * a.windows[0][1] * a.windows[1][1]
    return {"worker_gradient": nearly(..., gradient, terms / 2 + 2, magnitude)}

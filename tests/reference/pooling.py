"""What the kernels of pooling.h compute."""

import numpy as np

from reference.base import exactly, nearly, reference, wide
from reference.windows import every_window, images


def pooled(a, block, value):
    """value(elements) of each window, for elements (samples, those of the window, channels)."""
    x = images(a.x[block.rows], a.windows, a.channels)
    shape = (len(x), a.windows[0][1], a.windows[1][1], a.channels)
    y = np.empty(shape, value(x[:, :1, :1].reshape(len(x), 1, a.channels)).dtype)
    for (p, q), _, place in every_window(a.windows):
        y[:, p, q] = value(x[(slice(None), *place)].reshape(len(x), -1, a.channels))
    return y.reshape(len(y), -1)


def spread(a, block, share):
    """Dx, to which share(samples (p, q), place) is added, or which it is where windows do not overlap."""
    _, _, window, stride, _, _ = np.transpose(a.windows)
    rows, columns = a.windows[0][0], a.windows[1][0]
    dy = images(a.dy[block.rows], a.windows, a.channels, 1)
    dx = np.zeros((len(dy), rows, columns, a.channels), dy.dtype)
    for (p, q), _, place in every_window(a.windows):
        where = (slice(None), *place)
        part = share(dy[:, p, q], (p, q), where)
        dx[where] = dx[where] + part if (window > stride).any() else part
    return {"dx": exactly(block.rows, dx.reshape(len(dx), -1))}


@reference
def max_pool_forward(a, w, block):
    return {"y": exactly(block.rows, pooled(a, block, lambda x: x.max(axis=1) + x.dtype.type(0)))}


@reference
def max_pool_backward(a, w, block):
    x = images(a.x[block.rows], a.windows, a.channels)
    y = images(a.y[block.rows], a.windows, a.channels, 1)

    def share(dy, output, where):
        top, elements = y[:, output[0], output[1]], x[where]
        candidates = ~(elements.reshape(len(x), -1, a.channels) < top[:, None])
        first = candidates & (np.cumsum(candidates, axis=1) == 1)
        slope = np.where(top > 0, dy, 0) if a.relu else dy
        return np.where(first, slope[:, None], 0).reshape(elements.shape)

    return spread(a, block, share)


@reference
def average_pool_forward(a, w, block):
    """Each of four sums goes down all rows of a window."""
    roundings = a.windows[0][2] * -(-a.windows[1][2] // 4) + 3
    value = pooled(a, block, lambda x: wide(x).mean(axis=1))
    return {"y": nearly(block.rows, value, roundings, pooled(a, block, lambda x: np.abs(wide(x)).mean(axis=1)))}


@reference
def average_pool_backward(a, w, block):
    def share(dy, output, where):
        count = where[1].size * where[2].size
        return (dy / dy.dtype.type(count))[:, None, None]

    return spread(a, block, share)


@reference
def masked_mean_forward(a, w, block):
    x = wide(a.x[block.rows]).reshape(-1, a.steps, a.features)
    counts = a.mask[block.rows] != 0
    count = counts.sum(axis=1)[:, None]
    terms = np.where(counts[:, :, None], x, 0)
    value, magnitude = terms.sum(axis=1) / count, np.abs(terms).sum(axis=1) / count
    return {"y": nearly(block.rows, value, a.steps / 4 + 4, magnitude)}


@reference
def masked_mean_backward(a, w, block):
    counts = a.mask[block.rows] != 0
    dy = a.dy[block.rows]
    share = dy / counts.sum(axis=1)[:, None].astype(dy.dtype)
    return {"dx": exactly(block.rows, np.where(counts[:, :, None], share[:, None], 0).reshape(len(dy), -1))}

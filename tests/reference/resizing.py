"""What the kernels of resizing.h compute."""

import numpy as np

from reference.base import exactly, nearly, reference, wide


@reference
def pad_zeros(a, w, block):
    x = a.x[block.rows].reshape(-1, a.lines, a.width)
    y = np.pad(x, ((0, 0), (a.lines_before, a.lines_after), (a.before, a.after)))
    return {"y": exactly(block.rows, y.reshape(len(x), -1))}


def interpolation(length, factor):
    """The matrix (factor length, length) of weights: hats around the middles of the elements, level at both ends."""
    middles = np.arange(length) + 0.5
    at = np.clip((np.arange(length * factor) + 0.5) / factor, middles[0], middles[-1])
    return np.maximum(0, 1 - np.abs(at[:, None] - middles))


def matrices(a):
    return interpolation(a.image_rows, a.row_factor), interpolation(a.image_columns, a.column_factor)


def apply(down, across, x):
    return np.einsum("oi,pj,rijc->ropc", down, across, x).reshape(len(x), -1)


@reference
def upsample_linear_forward(a, w, block):
    """Four terms, each of two products of rounded weights."""
    down, across = (m.astype(wide(a.x).dtype) for m in matrices(a))
    x = wide(a.x[block.rows]).reshape(-1, a.image_rows, a.image_columns, a.channels)
    return {"y": nearly(block.rows, apply(down, across, x), 6, apply(down, across, np.abs(x)))}


@reference
def upsample_linear_backward(a, w, block):
    """An element is added to by up to three times as many outputs as it becomes, and four times where ends meet."""
    down, across = (m.T.astype(wide(a.dy).dtype) for m in matrices(a))
    dy = wide(a.dy[block.rows]).reshape(-1, a.image_rows * a.row_factor, a.image_columns * a.column_factor, a.channels)
    roundings = 2 * a.row_factor * a.column_factor + 8
    return {"dx": nearly(block.rows, apply(down, across, dy), roundings, apply(down, across, np.abs(dy)))}

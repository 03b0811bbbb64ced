"""Windows over images, for the cases of several families."""

import numpy as np

from nncore._windows import Axis

CHANNELS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 33)

# (length, window, stride, padding, dilation) of both axes: around the sizes that are unrolled or taken side by side.
ROW = (1, 1, 1, "valid", 1)
POOLING = [
    (ROW, (9, 2, 2, "valid", 1)),
    (ROW, (31, 3, 1, "same", 1)),
    (ROW, (30, 2, 1, "valid", 1)),
    (ROW, (5, 5, 1, "valid", 1)),
    (ROW, (7, 9, 4, "same", 1)),
    ((4, 2, 2, "valid", 1), (22, 2, 2, "valid", 1)),
    ((5, 2, 2, "same", 1), (7, 2, 2, "same", 1)),
    ((5, 2, 2, "valid", 1), (7, 2, 2, "valid", 1)),
    ((6, 3, 2, "same", 1), (19, 3, 2, "same", 1)),
    ((5, 3, 1, "valid", 1), (12, 3, 1, "valid", 1)),
    ((7, 2, 3, "valid", 1), (9, 1, 2, "valid", 1)),
    ((4, 2, 1, "same", 1), (5, 2, 1, "same", 1)),
    ((3, 3, 1, "valid", 1), (4, 4, 1, "valid", 1)),
    ((8, 2, 2, "valid", 1), (3, 1, 1, "valid", 1)),
]
CONVOLUTION = [
    (ROW, (9, 3, 1, "valid", 1)),
    (ROW, (9, 3, 2, "causal", 2)),
    (ROW, (12, 4, 3, "same", 2)),
    (ROW, (3, 5, 1, "same", 1)),
    ((6, 3, 1, "same", 1), (11, 3, 1, "same", 1)),
    ((6, 3, 2, "same", 1), (9, 3, 2, "same", 1)),
    ((7, 3, 1, "valid", 2), (9, 2, 1, "valid", 3)),
    ((9, 3, 2, "valid", 2), (10, 3, 4, "same", 2)),
    ((8, 2, 3, "valid", 1), (9, 1, 2, "same", 1)),
    ((6, 1, 1, "valid", 1), (5, 7, 1, "same", 1)),
    ((5, 5, 1, "same", 1), (6, 5, 1, "same", 1)),
    ((2, 3, 2, "same", 3), (4, 4, 2, "same", 3)),
    ((1, 9, 1, "same", 1), (1, 11, 1, "same", 1)),
]


def axes_of(geometry):
    """Both axes."""
    return [Axis.of(*numbers) for numbers in geometry]


def array_of(make, axes):
    """The argument `windows`."""
    return make.matrix(np.array(axes, np.int64), 0)


def widths(axes, channels):
    """Elements of a sample of x, and of y."""
    return axes[0].length * axes[1].length * channels, axes[0].outputs * axes[1].outputs * channels

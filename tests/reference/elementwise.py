"""What the kernels of elementwise.h compute."""

import numpy as np

from reference.base import exactly, nearly, reference, rounding_depth, wide


@reference
def scale_shift(a, w, block):
    product = wide(a.x[block.rows]) * a.scale
    return {"y": nearly(block.rows, product + a.shift, 3, np.abs(product) + abs(a.shift))}


@reference
def relu_forward(a, w, block):
    x = a.x[block.rows]
    return {"y": exactly(block.rows, np.where(x < 0, 0, x).astype(w.real))}


@reference
def relu_backward(a, w, block):
    return {"dx": exactly(block.rows, np.where(a.y[block.rows] > 0, a.dy[block.rows], 0).astype(w.real))}


@reference
def sigmoid_forward(a, w, block):
    return {"y": nearly(block.rows, 1 / (1 + np.exp(-wide(a.x[block.rows]))), 2)}


@reference
def sigmoid_backward(a, w, block):
    y = wide(a.y[block.rows])
    return {"dx": nearly(block.rows, wide(a.dy[block.rows]) * y * (1 - y), 3)}


@reference
def tanh_forward(a, w, block):
    return {"y": nearly(block.rows, np.tanh(wide(a.x[block.rows])), 2)}


@reference
def tanh_backward(a, w, block):
    y, dy = wide(a.y[block.rows]), wide(a.dy[block.rows])
    slope = (1 - y) * (1 + y)
    # where multiply-adds round twice, 1 - y^2 has the error of y^2
    return {"dx": nearly(block.rows, dy * slope, 2, np.abs(dy) * (slope if w.fused else 1))}


@reference
def exp_forward(a, w, block):
    return {"y": nearly(block.rows, np.exp(wide(a.x[block.rows])), 2)}


@reference
def log_forward(a, w, block):
    return {"y": nearly(block.rows, np.log(wide(a.x[block.rows])), 2)}


def in_groups(values, a):
    """(rows, groups, classes)."""
    return values[:, : a.groups * a.classes].reshape(len(values), a.groups, a.classes)


def softmax_parts(x):
    """d = x - max x, the sum of e^d, softmax, and by how many ulps more than a constant each e^d may be wrong."""
    distance = x - x.max(axis=-1, keepdims=True)
    powers = np.exp(distance)
    total = powers.sum(axis=-1, keepdims=True)
    return distance, total, powers / total, np.where(powers > 0, np.abs(distance), 0)


@reference
def softmax_forward(a, w, block):
    x = in_groups(wide(a.x[block.rows]), a)
    _, _, softmax, error = softmax_parts(x)
    # the error of the sum is at most that of its worst term, and terms beyond e^-20 do not count
    magnitude = softmax * (4 + rounding_depth(a.classes) + error + np.minimum(error.max(axis=-1, keepdims=True), 20))
    return {"y": nearly(block.rows, flat(softmax), 1, flat(magnitude))}


@reference
def softmax_backward(a, w, block):
    y, dy = in_groups(wide(a.y[block.rows]), a), in_groups(wide(a.dy[block.rows]), a)
    value = y * (dy - (dy * y).sum(axis=-1, keepdims=True))
    magnitude = np.abs(y) * (np.abs(dy) + np.abs(dy * y).sum(axis=-1, keepdims=True))
    return {"dx": nearly(block.rows, flat(value), 2 + rounding_depth(a.classes), flat(magnitude))}


def flat(values):
    """Groups side by side again."""
    return values.reshape(len(values), -1)

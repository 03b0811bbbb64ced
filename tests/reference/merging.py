"""What the kernels of merging.h compute."""

import numpy as np

from reference.base import exactly, nearly, reference, rounding_depth, wide


def of_two(function):
    """The reference of an operation of two tensors that rounds once."""

    def merged(a, w, block):
        return {"y": exactly(block.rows, function(a.a[block.rows], a.b[block.rows]).astype(w.real))}

    return merged


def chosen(better):
    """a or b, as better(a, b) says; NaN where either is."""
    return lambda a, b: np.where(np.isnan(a) | np.isnan(b), np.nan, np.where(better(a, b), a, b))


def masked(a, b):
    return np.where(b == 0, 0, a * b)


for _name, _function in {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "maximum": chosen(np.greater),
    "minimum": chosen(np.less),
    "apply_mask": masked,
}.items():
    _merged = of_two(_function)
    _merged.__name__ = _name
    reference(_merged)


@reference
def larger_backward(a, w, block):
    left, right, dy = a.a[block.rows], a.b[block.rows], a.dy[block.rows]
    dx = np.where(left < right, 0, np.where(left == right, dy * w.real(0.5), dy))
    return {"dx": exactly(block.rows, dx.astype(w.real))}


def matrices(array, offsets):
    """Samples as matrices: element (i, j) is where offsets[i, j] says."""
    return wide(array)[:, offsets]


@reference
def sample_product(a, w, block):
    outer, inner, columns = np.arange(a.outer), np.arange(a.inner), np.arange(a.columns)
    left = matrices(a.a[block.rows], outer[:, None] * a.a_outer + inner * a.a_inner)
    right = matrices(a.b[block.rows], inner[:, None] * a.b_inner + columns * a.b_column)
    product, magnitude = left @ right, np.abs(left) @ np.abs(right)
    shape = (len(left), a.outer * a.columns)
    return {"c": nearly(block.rows, product.reshape(shape), a.inner + 4, magnitude.reshape(shape))}


def in_groups(values, a):
    """(rows, groups, extent)."""
    return wide(values).reshape(len(values), a.groups, a.extent)


def norm_of(x):
    return np.sqrt((x * x).sum(axis=-1, keepdims=True))


@reference
def l2_normalize_forward(a, w, block):
    x = in_groups(a.x[block.rows], a)
    y = x / np.maximum(norm_of(x), a.least)
    return {"y": nearly(block.rows, y.reshape(len(x), -1), rounding_depth(a.extent) + 4)}


@reference
def l2_normalize_backward(a, w, block):
    x, y, dy = (in_groups(values[block.rows], a) for values in (a.x, a.y, a.dy))
    norm = norm_of(x)
    along = np.where(norm < w.real(a.least), 0, (dy * y).sum(axis=-1, keepdims=True))
    bound = np.maximum(norm, a.least)
    magnitude = (np.abs(dy) + np.abs(y) * np.abs(dy * y).sum(axis=-1, keepdims=True)) / bound
    value = (dy - y * along) / bound
    ulps = 2 * rounding_depth(a.extent) + 6
    return {"dx": nearly(block.rows, value.reshape(len(x), -1), ulps, magnitude.reshape(len(x), -1))}

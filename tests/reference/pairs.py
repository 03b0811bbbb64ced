"""What the kernels of pairs.h compute."""

import numpy as np

from reference.base import exactly, nearly, reference, wide
from reference.matmul import with_ends


def nearest_bfloat16(x):
    """The upper half of the nearest float that has no lower half; NaN as it is, made quiet."""
    words = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    rounded = words + 0x7FFF + (words >> 16 & 1)
    return (np.where(np.isnan(x), words | 0x400000, rounded) >> 16).astype(np.uint32)


def paired(first, second):
    """Pairs of bfloat16 in floats."""
    return (nearest_bfloat16(first) | nearest_bfloat16(second) << 16).view(np.float32)


def paired_rows(x):
    """Pairs along the first axis, the last one with zero where there is no partner."""
    padded = np.concatenate([x, np.zeros((len(x) % 2, *x.shape[1:]), np.float32)])
    return paired(padded[::2], padded[1::2])


def unpaired(pairs):
    """The first elements of pairs, and the second."""
    words = np.ascontiguousarray(pairs).view(np.uint32)
    return wide((words << 16).view(np.float32)), wide((words & 0xFFFF0000).view(np.float32))


def product_of_pairs(left, right):
    """left @ right over pairs, and the same of absolute values."""
    parts = list(zip(unpaired(left), unpaired(right), strict=True))
    return sum(a @ b for a, b in parts), sum(np.abs(a) @ np.abs(b) for a, b in parts)


@reference
def pair_columns(a, w, block):
    width = -(-a.features // 2)
    return {"y": exactly((block.rows, slice(0, width)), paired_rows(a.x[block.rows, : a.features].T).T)}


@reference
def pair_rows(a, w, block):
    region = slice(block.rows.start // 2, -(-block.rows.stop // 2))
    return {"y": exactly(region, paired_rows(a.x[block.rows]))}


@reference
def pack_pairs(a, w, block):
    region = slice(block.rows.start // 2, -(-block.rows.stop // 2))
    return {"packed": exactly((region, block.columns), paired_rows(a.matrix[block.rows, block.columns]))}


@reference
def pack_pairs_transposed(a, w, block):
    region = slice(block.columns.start // 2, -(-block.columns.stop // 2))
    return {"packed": exactly((region, block.rows), paired_rows(a.matrix[block.rows, block.columns].T))}


@reference
def matmul_pairs(a, w, block):
    value, magnitude = product_of_pairs(a.a[block.rows], a.b)
    value, magnitude = with_ends(a, block, value, magnitude)
    return {"c": nearly(block.rows, value, a.inner + 2, magnitude)}


@reference
def matmul_gradient_pairs(a, w, block):
    count = -(-w.rows // 2)
    value, magnitude = product_of_pairs(a.x[:count, block.rows].T, a.dy[:count, block.columns])
    if a.accumulate:
        value, magnitude = value + wide(w.gradient), magnitude + np.abs(wide(w.gradient))
    return {"worker_gradient": nearly(..., value, count + 1, magnitude)}

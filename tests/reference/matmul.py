"""What the kernels of matmul.h compute."""

import numpy as np

from reference.base import exactly, nearly, reference, wide


def with_ends(a, block, value, magnitude):
    """What becomes of a product's sums, and of the sums of absolute values."""
    if a.accumulate:
        before = wide(a.c[block.rows])
        value, magnitude = before + value, np.abs(before) + magnitude
    if a.bias is not None:
        value, magnitude = value + wide(a.bias), magnitude + np.abs(wide(a.bias))
    if a.relu:
        value = np.where(value < 0, 0, value)
    if a.mask is not None:
        open_ = a.mask[block.rows] > 0
        value, magnitude = np.where(open_, value, 0), np.where(open_, magnitude, 0)
    return value, magnitude


@reference
def matmul(a, w, block):
    left, right = wide(a.a[block.rows]), wide(a.b)
    value, magnitude = left @ right, np.abs(left) @ np.abs(right)
    value, magnitude = with_ends(a, block, value, magnitude)
    return {"c": nearly(block.rows, value, a.inner / 2 + 2, magnitude)}


@reference
def matmul_gradient(a, w, block):
    x, dy = wide(a.x[: w.rows, block.rows]), wide(a.dy[: w.rows, block.columns])
    value, magnitude = x.T @ dy, np.abs(x).T @ np.abs(dy)
    if a.accumulate:
        value, magnitude = value + wide(w.gradient), magnitude + np.abs(wide(w.gradient))
    return {"worker_gradient": nearly(..., value, w.rows / 2 + 1, magnitude)}


@reference
def column_sum(a, w, block):
    dy = wide(a.dy[: w.rows, block.columns])
    value, magnitude = dy.sum(axis=0), np.abs(dy).sum(axis=0)
    if a.accumulate:
        value, magnitude = value + wide(w.gradient[0]), magnitude + np.abs(wide(w.gradient[0]))
    return {"worker_gradient": nearly(0, value, w.rows / 8 + 2, magnitude)}


@reference
def matmul_gradient_part(a, w, block):
    x, dy = wide(a.x[block.rows]), wide(a.dy[block.rows])
    region = (block.rows.start // a.part_rows, slice(0, a.inputs * a.units))
    value, magnitude = (x.T @ dy).ravel(), (np.abs(x).T @ np.abs(dy)).ravel()
    return {"parts": nearly(region, value, len(x) / 2 + 1, magnitude)}


@reference
def column_sum_part(a, w, block):
    dy = wide(a.dy[block.rows])
    region = (block.rows.start // a.part_rows, slice(0, a.units))
    return {"parts": nearly(region, dy.sum(axis=0), len(dy) / 8 + 2, np.abs(dy).sum(axis=0))}


@reference
def positions_sum_part(a, w, block):
    dy = wide(a.dy[block.rows, : a.positions * a.units]).reshape(-1, a.units)
    region = (block.rows.start // a.part_rows, slice(0, a.units))
    return {"parts": nearly(region, dy.sum(axis=0), len(dy) / 8 + 8, np.abs(dy).sum(axis=0))}


@reference
def sum_parts(a, w, block):
    count = -(-w.rows // a.part_rows)
    parts = wide(a.parts[:count]).reshape(count, -1, a.columns)[:, block.rows, block.columns]
    value, magnitude = parts.sum(axis=0), np.abs(parts).sum(axis=0)
    if a.accumulate:
        value, magnitude = value + wide(w.gradient), magnitude + np.abs(wide(w.gradient))
    return {"worker_gradient": nearly(..., value, count + 1, magnitude)}


@reference
def pack_transposed(a, w, block):
    return {"packed": exactly((block.columns, block.rows), a.matrix[block.rows, block.columns].T)}


@reference
def pack(a, w, block):
    return {"packed": exactly((block.rows, block.columns), a.matrix[block.rows, block.columns])}

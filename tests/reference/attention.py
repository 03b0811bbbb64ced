"""What the kernels of attention.h compute."""

import numpy as np

from reference.base import nearly, reference, rounding_depth, wide


def matrices(array, heads, rows, columns, head, row, transposed):
    """(samples, heads, rows, columns) of an array; rows and columns are those of the product."""
    i, j = np.arange(rows), np.arange(columns)
    place = j[None, :] * row + i[:, None] if transposed else i[:, None] * row + j[None, :]
    return wide(array)[:, np.arange(heads)[:, None, None] * head + place]


@reference
def head_product(a, w, block):
    left = matrices(a.a[block.rows], a.heads, a.outer, a.inner, a.a_head, a.a_row, a.a_transposed)
    right = matrices(a.b[block.rows], a.heads, a.inner, a.columns, a.b_head, a.b_row, a.b_transposed)
    value = wide(a.c[block.rows]).copy()
    place = (np.arange(a.heads)[:, None, None] * a.c_head + np.arange(a.outer)[:, None] * a.c_row
             + np.arange(a.columns))  # fmt: skip
    magnitude = np.zeros(value.shape)
    value[:, place], magnitude[:, place] = left @ right, np.abs(left) @ np.abs(right)
    return {"c": nearly(block.rows, value, a.inner + 1, magnitude)}


def in_sight(a, rows):
    """(rows, 1, queries, keys): whether a query sees a key."""
    seen = np.ones((len(range(rows.start, rows.stop)), a.queries, a.keys), bool)
    if a.query_mask is not None:
        seen &= a.query_mask[rows][:, :, None] != 0
    if a.key_mask is not None:
        seen &= a.key_mask[rows][:, None, :] != 0
    if a.attention_mask is not None:
        seen &= a.attention_mask[rows].reshape(seen.shape) != 0
    if a.causal:
        seen &= np.arange(a.keys) <= np.arange(a.queries)[:, None]
    return seen[:, None]


def by_head(values, a):
    return wide(values).reshape(len(values), a.heads, a.queries, a.keys)


@reference
def attention_softmax(a, w, block):
    scores = a.scores[block.rows].reshape(-1, a.heads, a.queries, a.keys)
    seen = in_sight(a, block.rows)
    scaled = scores * w.real(a.scale)  # as it is rounded: the exponential makes much of it
    x = wide(np.where(seen, scaled, scaled - w.real(a.shift) if a.shift else -np.inf))
    largest = x.max(axis=-1, keepdims=True)
    powers = np.exp(np.where(np.isinf(x), -np.inf, x - largest))
    total = powers.sum(axis=-1, keepdims=True)
    # an error of the difference is one of its power, and the sum's error is that of all powers
    error = 3 + np.where(powers > 0, np.abs(x - largest), 0)
    magnitude = powers / total * (error + (powers * error).sum(-1, keepdims=True) / total + rounding_depth(a.keys))
    if not a.shift:
        blind = ~seen.any(axis=-1, keepdims=True)
        powers, total = np.where(blind, w.real(a.unseeing), powers), np.where(blind, 1, total)
        magnitude = np.where(blind, powers, magnitude)
    shape = (len(scores), -1)
    return {"y": nearly(block.rows, (powers / total).reshape(shape), 1, magnitude.reshape(shape))}


@reference
def attention_softmax_backward(a, w, block):
    y, dy = by_head(a.y[block.rows], a), by_head(a.dy[block.rows], a)
    scale = wide(w.real(a.scale))
    value = scale * y * (dy - (dy * y).sum(axis=-1, keepdims=True))
    magnitude = np.abs(scale) * y * (np.abs(dy) + np.abs(dy * y).sum(axis=-1, keepdims=True))
    if not a.shift:
        blind = ~in_sight(a, block.rows).any(axis=-1, keepdims=True)
        value, magnitude = np.where(blind, 0, value), np.where(blind, 0, magnitude)
    shape = (len(y), -1)
    return {"dx": nearly(block.rows, value.reshape(shape), rounding_depth(a.keys) + 5, magnitude.reshape(shape))}

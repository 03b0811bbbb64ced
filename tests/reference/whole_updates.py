"""What the kernels of whole_updates.h compute."""

import numpy as np

from reference.base import nearly, reference, wide
from reference.updates import part


def one_minus_power(w, beta):
    return -np.expm1(w.update * np.log1p(np.longdouble(beta) - 1)) if beta > 0 else np.longdouble(1)


def square_parts(a, w, block, u, ulps, size=None):
    """The sums of squares of a tile of the parameter and of the direction u, itself off by so many ulps of `size`.

    They are added in the kernel's type, of which a unit in the last place is 2^29 of a double's: tiles are so small
    that no number goes through more than 30 additions.
    """
    unit = 2.0**29 if w.real is np.float32 else 1
    p = wide(a.parameter[block.rows, block.columns])
    magnitude = (np.abs(u) * (np.abs(u) if size is None else size)).sum()
    return {
        "parameter_parts": nearly(part(a, block), np.float64((p * p).sum()), 32 * unit),
        "direction_parts": nearly(part(a, block), np.float64((u * u).sum()), (32 + 2 * ulps) * unit, magnitude),
    }


@reference
def lamb_coefficients(a, w, block):
    values = [1 / one_minus_power(w, a.beta_1), 1 / one_minus_power(w, a.beta_2)]
    return {"worker_coefficient": nearly(slice(2), np.array(values), 64)}


@reference
def lamb_moments(a, w, block):
    here = (block.rows, block.columns)
    g = wide(w.gradient)
    old_s, old_r = a.beta_1 * wide(a.first_moment[here]), a.beta_2 * wide(a.second_moment[here])
    fresh_s, fresh_r = (1 - a.beta_1) * g, (1 - a.beta_2) * g * g
    s, r = old_s + fresh_s, old_r + fresh_r
    root = np.sqrt(w.coefficient[1] * r) + a.epsilon
    u, size = w.coefficient[0] * s / root, w.coefficient[0] * (np.abs(old_s) + np.abs(fresh_s)) / root
    return {
        "first_moment": nearly(here, s, 3, np.abs(old_s) + np.abs(fresh_s)),
        "second_moment": nearly(here, r, 4, r),
        **square_parts(a, w, block, u, 9, size),
    }


def descended(a, block, rate):
    here = (block.rows, block.columns)
    p, change = wide(a.parameter[here]), rate * wide(a.direction[here])
    return {"parameter": nearly(here, p - change, 3, np.abs(p) + np.abs(change))}


@reference
def lamb(a, w, block):
    norms = [np.sqrt(wide(parts[: a.count]).sum()) for parts in (a.parameter_parts, a.direction_parts)]
    ratio = norms[0] / norms[1] if min(norms) > 0 else 1
    here = (block.rows, block.columns)
    s, r, p = (wide(array[here]) for array in (a.first_moment, a.second_moment, a.parameter))
    change = w.learning_rate * ratio * w.coefficient[0] * s / (np.sqrt(w.coefficient[1] * r) + a.epsilon)
    return {"parameter": nearly(here, p - change, 8, np.abs(p) + np.abs(change))}


@reference
def adafactor_coefficients(a, w, block):
    t = np.longdouble(w.update)
    return {"worker_coefficient": nearly(slice(2), np.array([t**a.decay, min(w.learning_rate, 1 / np.sqrt(t))]), 4)}


@reference
def adafactor_squares(a, w, block):
    g2 = wide(w.gradient) ** 2
    rows = np.arange(block.rows.start, block.rows.stop)
    matrix = rows // a.rows
    across = block.columns.start // a.block_columns
    row_squares, row_mask = np.zeros(a.row_squares.shape, np.longdouble), np.zeros(a.row_squares.shape, bool)
    place = matrix * (a.across + 1) + across, rows % a.rows
    row_squares[place], row_mask[place] = g2.sum(axis=1), True
    column_squares = np.zeros(a.column_squares.shape, np.longdouble)
    column_mask = np.zeros(a.column_squares.shape, bool)
    for band, line in zip(rows // a.block_rows + matrix, g2, strict=True):
        column_squares[band, block.columns] += line
        column_mask[band, block.columns] = True
    return {
        "row_squares": nearly(row_mask, row_squares[row_mask], g2.shape[1] / 16 + 6),
        "column_squares": nearly(column_mask, column_squares[column_mask], g2.shape[0] + 1),
    }


@reference
def adafactor_means(a, w, block):
    fresh, matrix, here = wide(w.real(w.coefficient[0])), block.rows.start, (block.rows, block.columns)
    first, last = matrix * a.units // a.part_units, ((matrix + 1) * a.units - 1) // a.part_units
    parts = wide(a.squares[first + matrix : last + matrix + 1, block.columns])
    means = (1 - fresh) * wide(a.means[here]) + fresh * (parts.sum(axis=0) / a.summed + wide(w.real(a.epsilon)))
    ulps, unit = len(parts) + 6, 2.0**29 if w.real is np.float32 else 1
    tile = matrix * a.across + block.columns.start // a.block_columns
    return {
        "means": nearly(here, means, ulps),
        "factors": nearly(here, 1 / np.sqrt(means), ulps / 2 + 3),
        "sums": nearly(tile, np.float64(means.sum()), (ulps + means.size / 16 + 5) * unit),
    }


def adafactor_u(a, block):
    """g / sqrt(v) of the block, from the factors."""
    matrix = np.arange(block.rows.start, block.rows.stop) // a.rows
    roots = np.sqrt(wide(a.row_sums).reshape(-1, a.row_blocks).sum(axis=1) / a.rows)
    row = (wide(a.row_factors).ravel()[block.rows] * roots[matrix])[:, None]
    return wide(a.gradient[block.rows, block.columns]) * wide(a.column_factors[matrix, block.columns]) * row


@reference
def adafactor_norms(a, w, block):
    return square_parts(a, w, block, adafactor_u(a, block), 4)


def adafactor_rate(a, w):
    roots = [np.sqrt(wide(parts[: a.count]).sum() / a.elements) for parts in (a.parameter_parts, a.direction_parts)]
    return w.coefficient[1] * max(a.epsilon, roots[0]) / max(1, roots[1] / a.clip_threshold)


@reference
def adafactor_matrix(a, w, block):
    here = (block.rows, block.columns)
    p, change = wide(a.parameter[here]), adafactor_rate(a, w) * adafactor_u(a, block)
    return {"parameter": nearly(here, p - change, 6, np.abs(p) + np.abs(change))}


@reference
def adafactor_vector(a, w, block):
    here = (block.rows, block.columns)
    fresh, g = wide(w.real(w.coefficient[0])), wide(w.gradient)
    v = (1 - fresh) * wide(a.velocity[here]) + fresh * (g * g + wide(w.real(a.epsilon)))
    u = g / np.sqrt(v)
    return {"velocity": nearly(here, v, 5), "direction": nearly(here, u, 6), **square_parts(a, w, block, u, 6)}


@reference
def adafactor(a, w, block):
    return descended(a, block, adafactor_rate(a, w))


@reference
def muon_coefficients(a, w, block):
    value = a.ratio * w.learning_rate * np.sqrt(one_minus_power(w, a.beta_2)) / one_minus_power(w, a.beta_1)
    return {"worker_coefficient": nearly(slice(2), np.array([value, 1]), 64)}


@reference
def muon_momentum(a, w, block):
    here = (block.rows, block.columns)
    momentum = wide(w.real(a.momentum))
    g, old = wide(w.gradient), momentum * wide(a.velocity[here])
    v, size = old + g, np.abs(old) + np.abs(g)
    x = g + momentum * v if a.nesterov else v
    return {"velocity": nearly(here, v, 1, size), "worker_gradient": nearly(..., x, 3, np.abs(g) + size)}


@reference
def normalize_gradient(a, w, block):
    norm = np.sqrt(wide(a.parts[: a.count]).sum())
    return {"worker_gradient": nearly(..., wide(w.gradient) / (norm + a.epsilon), 3)}


@reference
def scaled_product(a, w, block):
    left = wide(a.a).T if a.transposed else wide(a.a)
    left, right = left[block.rows], wide(a.b)[:, block.columns]
    value, magnitude = a.alpha * (left @ right), np.abs(a.alpha) * (np.abs(left) @ np.abs(right))
    if a.addend is not None:
        addend = a.beta * wide(a.addend[block.rows, block.columns])
        value, magnitude = value + addend, magnitude + np.abs(addend)
    return {"c": nearly((block.rows, block.columns), value, a.inner / 2 + 4, magnitude)}


@reference
def muon(a, w, block):
    return descended(a, block, w.learning_rate * a.rate)

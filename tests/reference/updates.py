"""What the kernels of updates.h compute."""

import numpy as np

from reference.base import exactly, nearly, reference, wide


def part(a, block):
    """The place of a tile among the parts."""
    return (block.rows.start // a.block_rows) * a.across + block.columns.start // a.block_columns


def sign(x):
    return np.sign(np.where(np.isnan(x), 0, x))


@reference
def regularize(a, w, block):
    p, g = wide(a.parameter[block.rows, block.columns]), wide(w.gradient)
    l1, l2 = a.l1, a.l2
    if a.per_sample:
        rows = w.first_row + np.arange(w.rows)
        rows = rows if w.order is None else w.order[rows]
        samples = float(w.rows if a.weights is None else a.weights[rows].astype(np.float64).sum())
        l1, l2 = (strength / samples if samples else 0.0 for strength in (l1, l2))
    with np.errstate(over="ignore"):
        penalty = l1 * np.abs(p).sum() + l2 * (p * p).sum()
    expected = {"parts": nearly(part(a, block), np.float64(penalty), 2.0**32 if w.real is np.float32 else p.size + 8)}
    if a.add_gradient:
        slope = w.real(l1) * sign(p) + wide(w.real(2 * l2)) * p
        expected["worker_gradient"] = nearly(..., g + slope, 2 + a.per_sample, np.abs(g) + np.abs(slope))
    return expected


@reference
def add_penalty(a, w, block):
    return {"total": nearly(0, a.total[0] + w.rows * a.parts[: a.count].sum(), 8, np.abs(a.parts).sum() * w.rows)}


@reference
def total_of_parts(a, w, block):
    return {"total": nearly(0, a.parts[: a.count].sum(), a.count / 8, np.abs(a.parts).sum())}


@reference
def activity_penalty(a, w, block):
    x = wide(a.x[block.rows])
    expected = {}
    if a.penalty is not None:
        value = a.l1 * np.abs(x).sum(axis=1) + a.l2 * (x * x).sum(axis=1)
        expected["penalty"] = nearly(block.rows, value, a.features / 8 + 8)
    if a.dx is not None:
        slope = a.l1 / w.rows * sign(x) + 2 * a.l2 / w.rows * x
        before = wide(a.dx[block.rows]) if a.accumulate else 0
        expected["dx"] = nearly(block.rows, before + slope, 4, np.abs(before) + np.abs(slope))
    return expected


@reference
def square_sum(a, w, block):
    g = wide(w.gradient)
    return {"parts": nearly(part(a, block), np.float64((g * g).sum()), 2.0**32 if w.real is np.float32 else g.size + 8)}


@reference
def clip_by_norm(a, w, block):
    norm = np.sqrt(wide(a.parts[: a.count]).sum())
    g = wide(w.gradient if a.source is None else a.source[block.rows, block.columns])
    return {"worker_gradient": nearly(..., g * wide(w.real(a.limit / norm)) if norm > a.limit else g, 2)}


@reference
def clip_by_value(a, w, block):
    limit = w.real(a.limit)
    found = w.gradient if a.source is None else a.source[block.rows, block.columns]
    return {"worker_gradient": exactly(..., np.clip(found, -limit, limit))}


@reference
def take_accumulated(a, w, block):
    g = (wide(w.gradient) + wide(a.accumulated[block.rows, block.columns])) / wide(w.real(a.steps))
    magnitude = np.abs(w.gradient) + np.abs(a.accumulated[block.rows, block.columns])
    zeros = np.zeros_like(w.gradient)
    return {"worker_gradient": nearly(..., g, 2, magnitude), "accumulated": exactly((block.rows, block.columns), zeros)}


@reference
def weight_decay(a, w, block):
    p = wide(a.parameter[block.rows, block.columns])
    return {"parameter": nearly((block.rows, block.columns), p - wide(w.real(w.learning_rate * a.rate)) * p, 1.5)}


@reference
def decay_ahead(a, w, block):  # what follows from it is tested in test_updates.py
    return {}


@reference
def average_weights(a, w, block):
    where = (block.rows, block.columns)
    p, average = wide(a.parameter[where]), wide(a.average[where])
    momentum = a.momentum if w.update > 1 else 0.0
    value = wide(w.real(momentum)) * average + wide(w.real(1 - momentum)) * p
    expected = nearly(where, value, 2, np.abs(p) + np.abs(average))
    overwrite = a.overwrite_every > 0 and w.update % a.overwrite_every == 0
    return {"average": expected, **({"parameter": expected} if overwrite else {})}


@reference
def constrain_sign(a, w, block):
    p = a.parameter[block.rows, block.columns]
    return {"parameter": exactly((block.rows, block.columns), np.where(p < 0, 0, p))}


@reference
def constrain_norm(a, w, block):
    """The parameter is an array (outer, length * inner)."""
    outer = block.rows.stop - block.rows.start
    everything = wide(a.parameter[block.rows]).reshape(outer, a.length, a.inner)
    p = everything[:, :, block.columns]
    norm = np.sqrt((p * p).sum(axis=1, keepdims=True))
    wanted = a.rate * np.clip(norm, w.real(a.low), w.real(a.high)) + (1 - a.rate) * norm
    everything[:, :, block.columns] = p * (wanted / (norm + wide(w.real(1e-7))))
    columns = np.zeros((a.length, a.inner), bool)
    columns[:, block.columns] = True
    flat = np.flatnonzero(columns.ravel())
    rows = np.arange(block.rows.start, block.rows.stop)[:, None]
    return {"parameter": nearly((rows, flat), everything.reshape(outer, -1)[:, flat], a.length + 8)}

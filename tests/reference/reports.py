"""What the kernels of reports.h compute."""

import numpy as np

from reference.base import exactly, nearly, reference, rounding_depth


@reference
def require_finite(a, w, block):
    return {"worker_nonfinite": exactly(..., not np.isfinite(a.values[block.rows]).all())}


@reference
def accumulate_sum(a, w, block):
    values = a.scale * a.values[: w.rows].astype(np.longdouble)
    magnitude = np.abs(values).sum() + np.abs(a.total)
    return {"total": nearly(..., a.total + values.sum(), 2 + rounding_depth(w.rows), magnitude)}


@reference
def accumulate_weighted_sum(a, w, block):
    weight = np.ones(w.rows) if a.weight is None else a.weight[: w.rows].astype(np.longdouble)
    added = np.array([(weight * a.values[: w.rows]).sum(), weight.sum()])
    magnitude = np.array([(weight * np.abs(a.values[: w.rows])).sum(), weight.sum()]) + np.abs(a.totals)
    return {"totals": nearly(..., a.totals + added, 3 + rounding_depth(w.rows), magnitude)}

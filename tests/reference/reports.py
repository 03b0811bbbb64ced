"""What the kernels of reports.h compute."""

import numpy as np

from reference.base import exactly, nearly, reference, rounding_depth


@reference
def require_finite(a, w, block):
    return {"worker_nonfinite": exactly(..., not np.isfinite(a.values[block.rows]).all())}


@reference
def accumulate_sum(a, w, block):
    values = a.values[: w.rows].astype(np.longdouble)
    magnitude = np.abs(values).sum() + np.abs(a.total)
    return {"total": nearly(..., a.total + values.sum(), 1 + rounding_depth(w.rows), magnitude)}

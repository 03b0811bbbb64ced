"""What the kernels of gather.h compute."""

import numpy as np

from reference.base import exactly, reference


def source_rows(a, w, block):
    """The data rows that a block stands for."""
    positions = w.first_row + np.arange(block.rows.start, block.rows.stop)
    source = a.source[positions if w.order is None else w.order[positions]]
    return source.view(np.uint8) != 0 if source.dtype == bool else source


@reference
def gather_rows(a, w, block):
    return {"y": exactly(block.rows, source_rows(a, w, block).astype(w.real))}


@reference
def gather_labels(a, w, block):
    labels = np.trunc(source_rows(a, w, block).astype(np.float64))
    none = ~((labels > -(2.0**31)) & (labels < 2.0**31))
    return {"y": exactly(block.rows, np.where(none, -(2.0**31), labels).astype(np.int32))}


@reference
def store_rows(a, w, block):
    target = slice(w.first_row + block.rows.start, w.first_row + block.rows.stop)
    return {"target": exactly(target, a.x[block.rows])}


@reference
def add_rows(a, w, block):
    return {"y": exactly(block.rows, a.y[block.rows] + a.x[block.rows])}

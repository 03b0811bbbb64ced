"""What the kernels of axes.h compute."""

import numpy as np

from reference.base import exactly, nearly, reference, wide


def places(layout, column):
    """Where all elements of a sample are, in x (column 1) or y (column 2) of a layout: of its axes' extents."""
    place = np.zeros((), int)
    for axis in layout:
        place = np.add.outer(place, np.arange(axis[0]) * axis[column])
    return place


@reference
def copy_axes(a, w, block):
    y = a.y[block.rows].copy()
    y[:, places(a.layout, 2).ravel()] = a.x[block.rows][:, places(a.layout, 1).ravel()]
    return {"y": exactly(block.rows, y)}


@reference
def sum_axes(a, w, block):
    terms = wide(a.x[block.rows])[:, places(a.layout, 1)]
    summed = tuple(range(-a.summed, 0))
    to = places(a.layout[: a.kept], 2).ravel()
    total = terms.sum(axis=summed).reshape(len(terms), -1)
    magnitude = np.abs(terms).sum(axis=summed).reshape(len(terms), -1)
    return {"y": nearly((block.rows, to), total, terms[0].size // max(len(to), 1) + 4, magnitude)}

"""What the kernels of gather.h compute."""

import ctypes

import numpy as np
from cases.gather import COLUMNS, SOURCE_TYPES

from reference.base import exactly, reference


def source_rows(a, w, block):
    """The data rows that a block stands for."""
    positions = w.first_row + np.arange(block.rows.start, block.rows.stop)
    rows = positions if w.order is None else w.order[positions]
    if a.type == COLUMNS:
        return np.column_stack([column_elements(rows, *column) for column in a.source.tolist()])
    source = a.source[rows]
    return source.view(np.uint8) != 0 if source.dtype == bool else source


def column_elements(rows, address, number, row_bytes):
    """The elements of these rows of a column, as the type that has all of them exactly."""
    dtype = SOURCE_TYPES[number]
    places = [(ctypes.c_char * dtype.itemsize).from_address(address + int(row) * row_bytes) for row in rows]
    found = np.frombuffer(b"".join(place.raw for place in places), np.uint8 if number == 0 else dtype)
    return found != 0 if number == 0 else found


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

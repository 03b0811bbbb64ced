"""What the kernels of metrics.h compute."""

import numpy as np

from reference.base import nearly, reference, rounding_depth, wide
from reference.elementwise import in_groups


@reference
def mean_absolute_error(a, w, block):
    difference = np.abs(wide(a.prediction[block.rows]) - wide(a.target[block.rows]))
    return {"value": nearly(block.rows, difference.mean(axis=1), 2 + rounding_depth(a.features))}


@reference
def binary_accuracy(a, w, block):
    said = a.prediction[block.rows] > w.real(a.threshold)
    return {"value": nearly(block.rows, (said == a.target[block.rows]).mean(axis=1), 1)}


@reference
def categorical_accuracy(a, w, block):
    p, t = in_groups(a.prediction[block.rows], a), in_groups(a.target[block.rows], a)
    return {"value": nearly(block.rows, (p.argmax(axis=-1) == t.argmax(axis=-1)).mean(axis=1), 1)}


@reference
def sparse_categorical_accuracy(a, w, block):
    p = in_groups(a.prediction[block.rows], a)
    return {"value": nearly(block.rows, (p.argmax(axis=-1) == a.target[block.rows, : a.groups]).mean(axis=1), 1)}

"""What the kernels of metrics.h compute."""

import numpy as np

from reference.base import nearly, reference
from reference.elementwise import in_groups


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


@reference
def accuracy(a, w, block):
    return {"value": nearly(block.rows, (a.prediction[block.rows] == a.target[block.rows]).mean(axis=1), 1)}


def in_top_k(p, place, k):
    """Whether fewer than k of the last axis are larger than the element at a place; not for NaN, and not at -1."""
    own = np.take_along_axis(p, np.maximum(place, 0)[..., None], axis=-1)
    return ((p > own).sum(axis=-1) < k) & ~np.isnan(own[..., 0]) & (place >= 0)


@reference
def top_k_categorical_accuracy(a, w, block):
    p, t = in_groups(a.prediction[block.rows], a), in_groups(a.target[block.rows], a)
    return {"value": nearly(block.rows, in_top_k(p, t.argmax(axis=-1), a.k).mean(axis=1), 1)}


@reference
def sparse_top_k_categorical_accuracy(a, w, block):
    p, labels = in_groups(a.prediction[block.rows], a), a.target[block.rows, : a.groups].astype(np.int64)
    labels = np.where(labels < a.classes, labels, -1)
    return {"value": nearly(block.rows, in_top_k(p, labels, a.k).mean(axis=1), 1)}

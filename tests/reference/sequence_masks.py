"""What the kernels of sequence_masks.h compute."""

import numpy as np

from reference.base import exactly, nearly, reference, wide


@reference
def index_mask(a, w, block):
    return {"mask": exactly(block.rows, (a.indices[block.rows, : a.steps] != a.masked).astype(w.real))}


@reference
def step_mask(a, w, block):
    x = a.x[block.rows].reshape(-1, a.steps, a.features)
    return {"mask": exactly(block.rows, (x != w.real(a.value)).any(axis=-1).astype(w.real))}


@reference
def mask_steps(a, w, block):
    x = a.x[block.rows].reshape(-1, a.steps, a.features)
    y = np.where(a.mask[block.rows][..., None] != 0, x, w.real(0))
    return {"y": exactly(block.rows, y.reshape(len(y), -1))}


@reference
def sum_weights(a, w, block):
    # a sum in double of numbers that are not negative, over 16 lanes
    return {"total": nearly(slice(None), wide(a.weights[: w.rows]).astype(np.longdouble).sum(keepdims=True), w.rows)}


@reference
def scale_weights(a, w, block):
    total = float(a.total[0])
    scale = w.rows / total if total > 0 else 0
    return {"weights": nearly(block.rows, wide(a.weights[block.rows]) * scale, 2)}

"""Helpers around training that Keras's users expect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nncore import _checks, _data, config
from nncore._datasets import text_dataset_from_directory
from nncore._images import array_to_img, image_dataset_from_directory, img_to_array, load_img, save_img
from nncore._py_dataset import PyDataset
from nncore._sequences import pad_sequences, split_dataset, timeseries_dataset_from_array
from nncore.plots.plot_model import plot_model

if TYPE_CHECKING:
    from nncore._typing import Array, Data

__all__ = [
    "PyDataset",
    "array_to_img",
    "image_dataset_from_directory",
    "img_to_array",
    "load_img",
    "normalize",
    "pad_sequences",
    "plot_model",
    "save_img",
    "set_random_seed",
    "split_dataset",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
    "to_categorical",
]


def to_categorical(x: Data, num_classes: int | None = None) -> Array:
    """Returns one-hot rows of class numbers: an array (*shape of x, classes) of float64.

    An axis of length 1 at the end of x, as columns of labels have it, is left out.

    Parameters
    ----------
    x : array of whole numbers 0 .. classes - 1
    num_classes : int
        The largest number and 1, unless given.
    """
    x = _data.as_array(x, "x")
    if x.ndim > 1 and x.shape[-1] == 1:
        x = x[..., 0]
    if num_classes is None:
        largest = x.max() if x.size else -1
        num_classes = int(largest) + 1 if np.isfinite(largest) else 0
    num_classes = _checks.integer("to_categorical", "num_classes", num_classes)
    classes = _data.labels(x, num_classes, "x").astype(np.int64)
    rows = np.zeros((*classes.shape, num_classes))
    np.put_along_axis(rows, classes[..., None], 1, -1)
    return rows


def normalize(x: Data, axis: int = -1, order: float = 2) -> Array:
    """Returns x divided by its norms along an axis; where a norm is 0, zeros.

    Parameters
    ----------
    x : array
    axis : int
    order : int
        2 for the Euclidean norm.
    """
    x = _data.as_array(x, "x")
    axis = _checks.integer("normalize", "axis", axis, -x.ndim, x.ndim - 1)
    order = _checks.real_number("normalize", "order", order)
    norms = np.atleast_1d(np.linalg.norm(x, order, axis))
    norms[norms == 0] = 1
    return x / np.expand_dims(norms, axis)  # type: ignore[no-any-return]


def set_random_seed(seed: int) -> None:
    """Seeds models built afterwards, NumPy's global generator, and Python's."""
    import random

    config.set_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the one that other code may draw from

"""Rows of training data: orders of epochs, sparse matrices, threads."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from nncore import config
from nncore.utils import PyDataset

# A sparse matrix of no more than this is made dense at once, and is then read by the engine itself. Of larger ones
# each minibatch is made dense for itself.
DENSE_BYTES = 64 * 2**20


class Guarded:
    """An estimator whose predictions are made one after the other where several threads ask for them.

    A model refuses a second thread, and scikit-learn's estimators do not.
    """

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def _prepare_guard(self):
        self.__dict__.setdefault("_guard", threading.Lock())

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items()  # type: ignore[misc]
                if name != "_guard"}  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[misc]
        self._prepare_guard()


class Order:
    """Another order of the rows for each epoch: those that scikit-learn draws from the same random state."""

    def __init__(self, rows, random_state):
        self.random_state = random_state
        self.order = np.arange(rows)

    def __call__(self, rows):
        """Returns the order of the next epoch."""
        shuffled = np.arange(rows)
        self.random_state.shuffle(shuffled)
        self.order = self.order[shuffled]
        return self.order


class SparseBatches(PyDataset):
    """Minibatches of a sparse matrix by rows, each of which is made dense when it is needed.

    Parameters
    ----------
    x : CSR matrix or array
    y : array
    sample_weight : array or None
    batch_size : int
    order : function of the number of rows, or None
    """

    def __init__(self, x, y, sample_weight, batch_size, order):
        super().__init__()
        self.x, self.y, self.sample_weight, self.batch_size, self.order = x, y, sample_weight, batch_size, order
        self.rows = None  # their order in this epoch

    def __len__(self):
        return math.ceil(self.x.shape[0] / self.batch_size)

    def on_epoch_begin(self):
        if self.order is not None:
            self.rows = self.order(self.x.shape[0])

    def __getitem__(self, index):
        part = slice(index * self.batch_size, (index + 1) * self.batch_size)
        rows = part if self.rows is None else self.rows[part]
        batch = (self.x[rows].toarray(), self.y[rows])
        return batch if self.sample_weight is None else (*batch, self.sample_weight[rows])


def is_sparse(x):
    """Whether it is one of SciPy's sparse matrices."""
    return hasattr(x, "toarray")


def readable(x):
    """The data as an array where it is one or is small, else as CSR."""
    if not is_sparse(x):
        return x
    return x.toarray() if x.shape[0] * x.shape[1] * x.dtype.itemsize <= DENSE_BYTES else x.tocsr()


def train(model, x, y, sample_weight, batch_size, order, **options):
    """`model.fit`, on an array or CSR, in orders that a function of the number of rows gives, or None for as they are.

    Returns the History.
    """
    if is_sparse(x):
        batches = SparseBatches(x, y, sample_weight, batch_size, order)
        return model.fit(batches, shuffle=False, **options)
    shuffle = False if order is None else order
    return model.fit(x, y, batch_size, sample_weight=sample_weight, shuffle=shuffle, **options)


def predict(model, x):
    """`model.predict` on an array or CSR; float32 for float32, else float64."""
    dtype = np.float32 if x.dtype == np.float32 else np.float64
    x = readable(x)
    if not is_sparse(x):
        return model.predict(x, verbose=0).astype(dtype, copy=False)
    part = max(1, DENSE_BYTES // (x.shape[1] * x.dtype.itemsize))
    parts = [model.predict(x[begin : begin + part].toarray(), verbose=0) for begin in range(0, x.shape[0], part)]
    return np.concatenate(parts).astype(dtype, copy=False)


def readable_numbers(x):
    """The array or matrix with numbers that the engine reads as they are, or else as float64."""
    return x if x.dtype.kind in "biuf" and x.dtype.itemsize <= 8 else x.astype(np.float64)


def threads(n_jobs):
    """A context in which at most so many threads train: -1 stands for all of `nn.config`, -2 for all but one.

    None stands for all, or for one where a thread pool of joblib's runs this among others.
    """
    available = config.get_num_threads()
    if n_jobs is None:
        return config.thread_limit(1 if _among_others() else available)
    return config.thread_limit(min(n_jobs, available) if n_jobs > 0 else max(1, available + 1 + n_jobs))


def _among_others():
    if threading.current_thread() is threading.main_thread():
        return False
    from joblib.parallel import get_active_backend

    return bool(get_active_backend()[0].nesting_level)

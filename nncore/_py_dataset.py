"""Minibatches that a program computes by their number."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any, Literal

from nncore import _checks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class PyDataset:
    """Minibatches by number. Subclasses define `__len__`, how many there are, and `__getitem__`, which returns one.

    `fit` takes them in another order in each epoch unless it is told ``shuffle=False``; `evaluate` in theirs.

    Parameters
    ----------
    workers : int
        Threads that call `__getitem__` ahead. With 1 that is the one of `fit`, which makes a minibatch while the one
        before trains.
    use_multiprocessing : bool
        Only False.
    max_queue_size : int
        The most minibatches that threads are ahead.

    Examples
    --------
    >>> class Lines(nn.utils.PyDataset):
    ...     def __len__(self):
    ...         return 3
    ...
    ...     def __getitem__(self, index):
    ...         x = np.linspace(index, index + 1, 8)[:, None]
    ...         return x, 2 * x
    >>> model = nn.Sequential([nn.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> len(model.fit(Lines(), epochs=2, verbose=0).history["loss"])
    2
    """

    def __init__(self, workers: int = 1, use_multiprocessing: Literal[False] = False, max_queue_size: int = 10) -> None:
        self.workers: int = _checks.positive_integer("PyDataset", "workers", workers)
        self.use_multiprocessing: bool = _checks.boolean("PyDataset", "use_multiprocessing", use_multiprocessing)
        _checks.refuse_on("PyDataset", use_multiprocessing=use_multiprocessing)
        self.max_queue_size: int = _checks.positive_integer("PyDataset", "max_queue_size", max_queue_size)

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} needs __len__, the number of minibatches")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} needs __getitem__, which returns a minibatch")

    def __iter__(self) -> Iterator[Any]:
        return iter(self.in_order(range(len(self))))

    @property
    def own_threads(self) -> bool:
        """Whether minibatches are made ahead by threads of its own."""
        return self.workers > 1

    def in_order(self, numbers: Iterable[int]) -> Iterable[Any]:
        """Returns an iterable of the minibatches of these numbers."""
        return _Minibatches(self, numbers)

    def on_epoch_begin(self) -> None:
        """Called by `fit` before each epoch."""

    def on_epoch_end(self) -> None:
        """Called by `fit` after each epoch."""


class _Minibatches:
    """The minibatches of a PyDataset in some order."""

    def __init__(self, dataset: PyDataset, numbers: Iterable[int]) -> None:
        self.dataset, self.numbers, self.own_threads = dataset, numbers, dataset.own_threads

    def __iter__(self) -> Iterator[Any]:
        return self._by_threads() if self.own_threads else map(self.dataset.__getitem__, self.numbers)

    def _by_threads(self) -> Iterator[Any]:
        from concurrent.futures import ThreadPoolExecutor

        ahead: collections.deque[Any] = collections.deque()
        pool = ThreadPoolExecutor(self.dataset.workers)
        try:
            for number in self.numbers:
                ahead.append(pool.submit(self.dataset.__getitem__, number))
                if len(ahead) > self.dataset.max_queue_size:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:  # also of a training that ends early, which waits for none of them
            pool.shutdown(wait=False, cancel_futures=True)

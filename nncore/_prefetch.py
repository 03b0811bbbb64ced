"""Minibatches that a thread makes ahead, while the one before trains."""

from __future__ import annotations

import collections
import contextvars
import itertools
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from typing_extensions import Self

    from nncore._calls import Exclusive

PAYS_SECONDS = 2e-4  # that a minibatch must take to be made; to hand one over takes a fraction of that
SECONDS = 1.0  # that an early end waits for what makes minibatches, so that it can be asked for the next one
SECONDS_AFTER_ERROR = 0.05  # as Ctrl-C is to end a training at once


class InTurn:
    """The minibatches of an iterable, made when they are asked for, by code that may use the model as hooks may.

    Parameters
    ----------
    batches : iterable
    steps : int or None, the most that are taken
    lock : Exclusive, that of the model
    """

    def __init__(self, batches: Any, steps: int | None, lock: Exclusive) -> None:
        self.iterator: Any = itertools.islice(iter(batches), None if steps is None else min(steps, sys.maxsize))
        self.lock = lock

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        self.iterator = None  # which ends what an iterator of a program has begun

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        self.lock.lend()
        try:
            return next(self.iterator)
        finally:
            self.lock.call_in()


class Ahead(InTurn):
    """As `InTurn`, with the next minibatch made in a thread meanwhile; the order is the same.

    There is a thread from the first minibatch on that takes so long to make that it pays.
    Where the code that makes minibatches calls the model, it waits there until the minibatch before has been trained,
    and so finds the weights that it would find without a thread. What it yields is copied before it goes on, as it may
    write into the same arrays again. At the end of a ``with`` block the thread is at its end as well, or will be when
    the code that it is in has returned.
    """

    def __init__(self, batches: Any, steps: int | None, lock: Exclusive) -> None:
        super().__init__(batches, steps, lock)
        self.outer: Any = None
        self.thread: threading.Thread | None = None
        self.condition = threading.Condition()
        self.ready: collections.deque[Any] = collections.deque()
        self.failure: BaseException | None = None
        self.ended = self.closed = False
        self.waiting = self.visiting = False  # whether the model waits for a minibatch, and is in use for one
        self.ident: int | None = None  # of the thread

    def _start(self) -> None:
        once = _Once(self.iterator)  # so that nothing else keeps the iterator alive
        thread = threading.Thread(target=contextvars.copy_context().run, args=(self._make, once),
                                  name="nncore minibatches", daemon=True)  # fmt: skip
        self.thread, self.iterator = thread, None
        self.outer, self.lock.visitor = self.lock.visitor, self
        try:
            thread.start()
        except RuntimeError as error:
            if "start new thread" not in str(error):  # it has started, and a lock of Python's was struck by two signals
                raise
            self.lock.visitor = self.outer  # the system has no room for one
            self.thread, self.iterator = None, once.take()

    def __exit__(self, error: object, *_: object) -> None:
        self.iterator = None
        if self.thread is None:
            return
        with self.condition:
            self.closed = True
            self.waiting = error is None
            self.condition.notify_all()
        try:
            with self.condition:  # a thread whose start was interrupted cannot be joined
                ended = self.condition.wait_for(self._has_ended, SECONDS if error is None else SECONDS_AFTER_ERROR)
            if ended:
                self.thread.join()
        finally:
            with self.condition:
                while self.visiting:
                    self.condition.wait()
                self.waiting = False
            self.lock.visitor = self.outer
            self.ready.clear()

    def __next__(self) -> Any:
        if self.thread is None:
            begin = time.perf_counter()
            batch = super().__next__()
            if time.perf_counter() - begin > PAYS_SECONDS:
                self._start()
            return batch
        with self.condition:
            self.waiting = True
            self.condition.notify_all()
            try:
                while not self.ready and not self.ended:
                    self.condition.wait()
            finally:
                while self.visiting:
                    self.condition.wait()
                self.waiting = False
            if self.ready:
                self.condition.notify_all()
                return self.ready.popleft()
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        raise StopIteration

    def _has_ended(self) -> bool:
        return self.ended

    # ---- in the thread

    def _make(self, once: _Once) -> None:
        self.ident = threading.get_ident()
        iterator = once.take()
        try:
            for batch in iterator:
                own = _copied(batch)
                del batch
                with self.condition:
                    self.ready.append(own)
                    del own
                    self.condition.notify_all()
                    while self.ready and not self.closed:
                        self.condition.wait()
                    if self.closed:
                        break
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where the minibatch was asked for
            self.failure = error
        finally:
            del iterator
            with self.condition:
                self.ended = True
                self.condition.notify_all()

    def enter(self) -> None:
        """Called before the code that makes minibatches uses the model: returns when it may."""
        with self.condition:
            if self.visiting:
                raise RuntimeError("the model is in use by the call that this one is in")
            while not self.waiting and not self.closed:
                self.condition.wait()
            if not self.waiting:
                raise RuntimeError("the call that this minibatch was for has ended")
            self.visiting = True

    def leave(self) -> None:
        """Called after it."""
        with self.condition:
            self.visiting = False
            self.condition.notify_all()


class _Once:
    """Holds a thing until it is taken."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing

    def take(self) -> Any:
        thing, self.thing = self.thing, None
        return thing


def _copied(batch: Any) -> Any:
    """A minibatch with arrays and tensors of its own; other things cannot be written into, or are made into arrays."""
    if type(batch) in (tuple, list):
        if batch and isinstance(batch[0], (int, float)):
            return type(batch)(batch)
        return type(batch)(map(_copied, batch))
    if isinstance(batch, dict):
        return {name: _copied(thing) for name, thing in batch.items()}
    if isinstance(batch, np.ndarray):
        return np.array(batch, order="K", subok=isinstance(batch, np.ma.MaskedArray))
    if hasattr(batch, "clone") and hasattr(batch, "requires_grad"):  # a tensor of PyTorch
        return batch.clone()
    return batch

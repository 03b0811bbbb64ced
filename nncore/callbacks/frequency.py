"""How often a callback does something."""

from __future__ import annotations

from typing import Any

from nncore import _checks


class Frequency:
    """At the end of each epoch, or after each so many minibatches, which are counted across epochs.

    Parameters
    ----------
    value : "epoch" or int
    """

    batches: int | Any

    def __init__(self, owner: str, name: str, value: Any) -> None:
        if isinstance(value, str) or value is None or isinstance(value, bool):
            if value != "epoch":
                raise ValueError(f"{owner}: {name} must be 'epoch' or a number of minibatches, not {value!r}")
            self.batches = None
        else:
            self.batches = _checks.positive_integer(owner, name, value)
        self.seen: int = 0

    @property
    def by_epoch(self) -> bool:
        """Whether it is at the end of each epoch."""
        return self.batches is None

    def now(self) -> bool:
        """Counts a minibatch; whether its turn has come."""
        self.seen += 1
        return self.seen % self.batches == 0

"""What a target of fuzzing is."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from reliability.fuzzing import bytes_

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

REFUSALS = (ValueError, TypeError, OSError)


class Target(NamedTuple):
    """One reader.

    Parameters
    ----------
    name : str
    read : function of (bytes, folder)
        Reads the bytes as a file of the folder, and checks what came of it. True where they were good for something;
        a refusal leaves as an exception. An AssertionError is a defect.
    seeds : function without arguments
        Whole inputs, {name: bytes}, in a fixed order.
    mutate : function of (bytes, random.Random)
        Another input, most of whose checks still hold; where it fails, bytes are mutated without
        regard to their meaning.
    refusals : types of exceptions
        With which it may leave, and a message.
    seconds : float
        Of the processor that one execution may take.
    memory : float
        Bytes that Python and NumPy may have at once for each of the input's, beside `guard.SPARE_BYTES`.
    """

    name: str
    read: Callable[[bytes, Path], bool]
    seeds: Callable[[], dict[str, bytes]]
    mutate: Callable[[bytes, Random], bytes] = bytes_.mutate
    refusals: tuple[type[BaseException], ...] = REFUSALS
    seconds: float = 10.0
    memory: float = 64.0


@functools.cache
def seeds_of(target: Target) -> dict[str, bytes]:
    """The seeds of a target, made once."""
    return target.seeds()

"""Sizes that no machine has: refused by the name of what would have them, before anything is allocated."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nncore._typing import Shape

MOST_ELEMENTS = 2**60 - 1  # of 8 bytes each, so that offsets in bytes are numbers of 64 bits


def check_elements(owner: str, shape: Shape) -> None:
    """Raises where an array of this shape could not be addressed."""
    count = math.prod(shape)
    if count > MOST_ELEMENTS:
        raise ValueError(f"{owner} of shape {shape} would have {count:,} elements; at most 2**60 - 1 can be addressed")

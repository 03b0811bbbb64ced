"""Names that nothing else has yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container


def free(wanted: str, taken: Container[str], first: int = 1) -> str:
    """Returns the name that is wanted, with a number from `first` on where it is taken."""
    name, number = wanted, first
    while name in taken:
        name = f"{wanted}_{number}"
        number += 1
    return name


def claim(wanted: str, taken: set[str], first: int = 1) -> str:
    """As `free`, and the name is taken from then on."""
    name = free(wanted, taken, first)
    taken.add(name)
    return name

"""Types of arguments, for argparse's `type`: each returns the value or says what was wanted."""

from __future__ import annotations

import argparse
import csv
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def whole_number(low: int) -> Callable[[str], int]:
    """A whole number of at least `low`."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < low:
            raise argparse.ArgumentTypeError(f"wanted a whole number of at least {low}, got {text!r}")
        return value

    return parse


def _number(wanted: str, fits: Callable[[float], bool]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not fits(value):
            raise argparse.ArgumentTypeError(f"wanted a number {wanted}, got {text!r}")
        return value

    return parse


# Finite numbers; a NaN fits nowhere.
positive_number = _number("above 0", lambda value: 0 < value < math.inf)
number_from_zero = _number("of at least 0", lambda value: 0 <= value < math.inf)
number_below_one = _number("of at least 0 and below 1", lambda value: 0 <= value < 1)


def share_or_path(text: str) -> float | str:
    """A number of at least 0 and below 1, or else the path of a file."""
    try:
        float(text)
    except ValueError:
        return text
    return number_below_one(text)


def names(text: str) -> list[str]:
    """Names with commas between them; a comma in a name is in quotes, as in CSV files."""
    found = [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]
    if not found or not all(found):
        raise argparse.ArgumentTypeError(f"wanted names with commas between them, got {text!r}")
    return found


def separator(text: str) -> str:
    """One sign, or the word "tab"."""
    sign = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(sign) != 1 or sign in "\"\r\n":
        raise argparse.ArgumentTypeError(f"wanted one sign such as ; or the word tab, got {text!r}")
    return sign


def layer_sizes(text: str) -> tuple[int, ...]:
    """Whole numbers of at least 1 with commas between them; none for the word "none"."""
    if text.strip().lower() == "none":
        return ()
    try:
        sizes = tuple(int(size) for size in text.split(","))
    except ValueError:
        sizes = (0,)
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"wanted sizes of layers such as 128,64, or none; got {text!r}")
    return sizes


def path_ending_in(suffix: str) -> Callable[[str], str]:
    """The path of a file whose name ends in `suffix`."""

    def parse(text: str) -> str:
        if not text.lower().endswith(suffix):
            raise argparse.ArgumentTypeError(f"wanted a path that ends in {suffix}, got {text!r}")
        return text

    return parse

"""Strings of any kind of data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _foreign

if TYPE_CHECKING:
    from nncore._typing import Array, PathLikeStr


def strings(data: Any, name: str, encoding: str = "utf-8") -> Array:
    """The strings of some data as an array of objects; bytes are decoded.

    Raises
    ------
    TypeError, ValueError
        For what is no string, and for missing values, naming the first.
    """
    try:
        columns = _foreign.columns_of_any(data)
        array = np.asarray(data, dtype=object) if columns is None else columns
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} cannot be read as strings: {error}") from error
    flat = array.ravel().tolist()
    if set(map(type, flat)) <= {str}:
        return array
    for place, value in enumerate(flat):
        if isinstance(value, bytes):
            flat[place] = value.decode(encoding)
        elif isinstance(value, str):
            flat[place] = str(value)
        else:
            where = [int(i) for i in np.unravel_index(place, array.shape)]
            if value is None or value != value or type(value).__name__ in ("NAType", "NaTType"):
                raise ValueError(f"{name} has a missing value at {where}; fill it, such as by ''")
            raise TypeError(f"{name} must hold strings; got {value!r} of {type(value).__name__} at {where}")
    decoded = np.empty(len(flat), object)
    decoded[:] = flat
    return decoded.reshape(array.shape)


def codec(owner: str, encoding: str) -> str:
    """The name of an encoding, if Python knows it."""
    import codecs

    try:
        codecs.lookup(encoding)
    except (TypeError, ValueError, LookupError):
        raise ValueError(f"{owner}: encoding must be the name of one that Python knows, not {encoding!r}") from None
    return encoding


def lines_of(path: PathLikeStr, owner: str) -> list[str]:
    """The lines of a text file."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()
    except OSError as error:
        raise ValueError(f"{owner}: vocabulary {path!r} is the name of a file that cannot be read: {error}") from None

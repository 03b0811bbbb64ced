"""Checks of arguments that several modules share. Each raises before anything has changed."""

from __future__ import annotations

import contextlib
import math
import operator
import os
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from nncore import _custom_objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from nncore._typing import Config, Dtype, Shape

    T = TypeVar("T")


MOST = sys.maxsize  # what the engine and arrays count in has no more


def suggest(name: object, choices: Iterable[str]) -> str:
    """' Did you mean ...?' where a choice is close to `name`, and the list of choices."""
    import difflib  # here, as most programs never need it

    close = difflib.get_close_matches(str(name), choices, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{hint} There are: {', '.join(sorted(choices))}"


def refuse(owner: str, **arguments: Any) -> None:
    """Raises for the first argument that is not None: it belongs to Keras's signature and is not supported."""
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(f"{owner} does not support the argument {name!r} (got {value!r})")


def refuse_on(owner: str, **switches: Any) -> None:
    """As `refuse`, for what is off unless given: None, False and its like."""
    def off(value: Any) -> bool:
        number = isinstance(value, (int, float)) or getattr(value, "shape", None) == ()
        return number and not value

    refuse(owner, **{name: None if off(value) else value for name, value in switches.items()})


def is_word(value: Any, words: Iterable[str | None]) -> bool:
    """Whether a value is one of these words, of which one may be None; also of what does not compare with words."""
    return (value is None or isinstance(value, str)) and value in words


def refuse_unknown(owner: str, arguments: Mapping[str, Any]) -> None:
    """Raises TypeError for any keyword that is left over."""
    for name in arguments:
        raise TypeError(f"{owner} has no argument {name!r}")


def index_of(value: Any) -> int | None:
    """`value` as an int where it is an integer of any library's, else None."""
    if type(value) is int:
        return value
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
        return None  # arrays have __index__, and say with errors of all kinds that they are no integers


def integer(owner: str, name: str, value: Any, least: int = 0, most: int = MOST) -> int:
    """Returns `value` as an int of at least `least` and at most `most`."""
    number = any_integer(owner, name, value)
    if number < least:
        raise ValueError(f"{owner}: {name} must be at least {least}, not {number}")
    if number > most:
        raise ValueError(f"{owner}: {name} must be at most {most}, not {number}")
    return number


def sequence(owner: str, name: str, value: Any) -> list[Any]:
    """Returns what an iterable holds as a list; refuses what is none, and text."""
    try:
        if isinstance(value, (str, bytes, bytearray)):
            raise TypeError
        return list(value)
    except (TypeError, NotImplementedError, OverflowError):  # NotImplementedError of views of memory with several axes
        raise TypeError(f"{owner}: {name} must be a list, not {value!r}") from None


def choice(owner: str, name: str, value: Any, choices: Iterable[str]) -> str:
    """Returns `value` if it is one of these words."""
    if isinstance(value, str) and value in choices:
        return value
    raise ValueError(f"{owner}: unknown {name} {value!r}.{suggest(value, choices)}")


def title(owner: str, name: Any, default: str = "") -> str:
    """Returns the name that a thing was given, or else `default`; files can hold no other than text."""
    if name is not None and not isinstance(name, str):
        raise TypeError(f"{owner}: name must be a string, not {name!r}")
    return name or default


def path(owner: str, name: str, value: Any) -> str:
    """Returns where a file or folder is as a string."""
    try:
        return os.fsdecode(value)
    except TypeError:
        raise TypeError(f"{owner}: {name} must be a path, not {value!r}") from None


def any_integer(owner: str, name: str, value: Any) -> int:
    """Returns `value` as an int."""
    number = index_of(value)
    if number is None:
        raise TypeError(f"{owner}: {name} must be an integer, not {value!r}")
    return number


def axes(owner: str, name: str, value: Any) -> list[int]:
    """Returns numbers of axes, one or several, as a list."""
    several = value if isinstance(value, (list, tuple)) else [value]
    numbers = [index_of(axis) for axis in several]
    if any(number is None for number in numbers):
        raise TypeError(f"{owner}: {name} must be an integer or a list of integers, not {value!r}")
    return numbers  # type: ignore[return-value]


def ignored_class(owner: str, value: Any) -> int:
    """Returns the class that is left out as an int, which kernels compare with labels of 32 bits."""
    number = any_integer(owner, "ignore_class", value)
    if not -(2**31) < number < 2**31:
        raise ValueError(f"{owner}: ignore_class must fit into 32 bits, not {number}")
    return number


def positive_integer(owner: str, name: str, value: Any, most: int = MOST) -> int:
    """Returns `value` as an int of at least 1, and at most `most`."""
    return integer(owner, name, value, 1, most)


def sample_shape(owner: str, name: str, shape: Any) -> Shape:
    """Returns the shape of one sample, one number or several, as a tuple of ints of at least 1."""
    try:
        lengths = [shape] if index_of(shape) is not None else sequence(owner, name, shape)
    except TypeError:
        raise TypeError(f"{owner}: {name} must be an integer or a tuple of them, not {shape!r}") from None
    return tuple(positive_integer(owner, f"{name} {shape}", n) for n in lengths)


def real_number(owner: str, name: str, value: Any, low: float = -math.inf, high: float = math.inf, *,
                low_open: bool = False, high_open: bool = False) -> float:  # fmt: skip
    """Returns `value` as a finite float inside the interval."""
    read: Any = None if isinstance(value, (str, bytes, bytearray)) else value
    try:
        number = float(read)
    except (TypeError, ValueError):
        raise TypeError(f"{owner}: {name} must be a number, not {value!r}") from None
    except OverflowError:  # of an integer
        number = math.inf
    inside = (low < number if low_open else low <= number) and (number < high if high_open else number <= high)
    if not inside or not math.isfinite(number):
        interval = f"{'(' if low_open else '['}{low}, {high}{')' if high_open else ']'}"
        raise ValueError(f"{owner}: {name} must lie in {interval}; got {value!r}")
    return number


def boolean(owner: str, name: str, value: Any) -> bool:
    """Returns `value` as a bool; refuses what is not one (a NumPy bool and 0 or 1 are)."""
    import numpy as np

    number = isinstance(value, (int, float, np.bool_, np.number)) or getattr(value, "shape", None) == ()
    if number and value in (True, False):
        return bool(value)
    raise TypeError(f"{owner}: {name} must be True or False, not {value!r}")


def name_of_dtype(owner: str, dtype: Dtype) -> str:
    """Returns the name of a type of numbers."""
    import numpy as np

    try:
        return str(np.dtype(dtype).name)
    except (TypeError, UnicodeError):
        raise ValueError(f"{owner}: dtype must be a type of numbers, not {dtype!r}") from None


def resolve(kind: str, identifier: Any, base: type[T], by_name: Mapping[str, type[Any]],
            by_class: Mapping[str, type[Any]]) -> T:  # fmt: skip
    """The object that a name, a class, a configuration or an object itself stands for.

    `by_name` holds the names of the public API, `by_class` the class names that configurations use. Classes of the
    user's are known by their names in files.
    """
    if isinstance(identifier, base):
        return identifier
    if isinstance(identifier, type) and issubclass(identifier, base):
        return identifier()
    if isinstance(identifier, str):
        cls = by_name.get(identifier) or by_class.get(identifier) or _custom_objects.find(identifier)
        if cls is None:
            raise ValueError(f"unknown {kind} {identifier!r}.{suggest(identifier, [*by_name, *by_class])}")
        return cls()  # type: ignore[no-any-return]
    if isinstance(identifier, dict) and set(identifier) == {"class_name", "config"}:
        name, config = identifier["class_name"], identifier["config"]
        if not isinstance(name, str) or not isinstance(config, dict):
            raise ValueError(f"{kind}: class_name must be a text and config a dict; got {name!r} and {config!r}")
        cls = by_class.get(name) or _custom_objects.find(name)
        if cls is None:
            hint = _custom_objects.hint(name) or f".{suggest(name, by_class)}"
            raise ValueError(f"unknown {kind} {name!r}{hint}")
        with describing(f"{kind} {name!r}"):
            return cls.from_config(config)  # type: ignore[no-any-return]
    raise TypeError(f"{identifier!r} is no {kind}: a name, a configuration or an object of {base.__name__} is wanted")


@contextlib.contextmanager
def describing(what: str) -> Iterator[None]:
    """ValueError in the place of what constructors raise otherwise for a configuration that nobody has given."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RecursionError) as error:
        said = f"{type(error).__name__}: {error}"
        raise ValueError(f"the configuration of the {what} is not as it should be: {said}") from error


def serialize(thing: Any) -> Config:
    """{"class_name", "config"} of an object with get_config."""
    if not callable(getattr(thing, "get_config", None)) or isinstance(thing, type):
        raise TypeError(f"{thing!r} has no get_config(), by which it would be described")
    return {"class_name": _custom_objects.name_in_files(type(thing)), "config": thing.get_config()}

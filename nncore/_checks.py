"""Checks of arguments that several modules share. Each raises before anything has changed."""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from nncore import _custom_objects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nncore._typing import Config, Dtype, Shape

    T = TypeVar("T")


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


def refuse_unknown(owner: str, arguments: Mapping[str, Any]) -> None:
    """Raises TypeError for any keyword that is left over."""
    for name in arguments:
        raise TypeError(f"{owner} has no argument {name!r}")


def integer(owner: str, name: str, value: Any, least: int = 0, most: int | None = None) -> int:
    """Returns `value` as an int of at least `least`, and at most `most`."""
    counted: Any = None if isinstance(value, bool) else value
    try:
        number = operator.index(counted)
    except TypeError:  # also of an array of several
        raise TypeError(f"{owner}: {name} must be an integer, not {value!r}") from None
    if number < least:
        raise ValueError(f"{owner}: {name} must be at least {least}, not {number}")
    if most is not None and number > most:
        raise ValueError(f"{owner}: {name} must be at most {most}, not {number}")
    if number >= 2**63:  # what the engine counts in has no more
        raise ValueError(f"{owner}: {name} must be less than 2**63, not {number}")
    return number


def ignored_class(owner: str, value: Any) -> int:
    """Returns the class that is left out as an int, which kernels compare with labels of 32 bits."""
    return integer(owner, "ignore_class", value, -(2**31) + 1, 2**31 - 1)


def positive_integer(owner: str, name: str, value: Any, most: int | None = None) -> int:
    """Returns `value` as an int of at least 1, and at most `most`."""
    return integer(owner, name, value, 1, most)


def sample_shape(owner: str, name: str, shape: Any) -> Shape:
    """Returns the shape of one sample, one number or several, as a tuple of ints of at least 1."""
    single = not isinstance(shape, Iterable) or getattr(shape, "ndim", None) == 0
    if single and not hasattr(shape, "__index__"):
        raise TypeError(f"{owner}: {name} must be an integer or a tuple of them, not {shape!r}")
    lengths = (shape,) if single else tuple(shape)
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
    if getattr(value, "ndim", 0) == 0 and value in (True, False):
        return bool(value)
    raise TypeError(f"{owner}: {name} must be True or False, not {value!r}")


def name_of_dtype(owner: str, dtype: Dtype) -> str:
    """Returns the name of a type of numbers."""
    import numpy as np

    try:
        return str(np.dtype(dtype).name)
    except TypeError:
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
    return {"class_name": _custom_objects.name_in_files(type(thing)), "config": thing.get_config()}

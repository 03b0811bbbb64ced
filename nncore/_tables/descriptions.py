"""Objects as JSON in model files and back: exact fields, exact types, finite numbers; nothing else is read."""

import dataclasses
import math

MOST_TEXTS = 100_000
LONGEST_TEXT = 10_000


def described(thing):
    """The fields of a dataclass, as JSON-able data."""
    return {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing)}


def restored(cls, data):
    """An object of a dataclass from what `described` gave; ValueError for anything else."""
    if not isinstance(data, dict):
        raise ValueError(f"{cls.__name__} should be described by names and values; got {type(data).__name__}")
    fields = {field.name: field.type for field in dataclasses.fields(cls)}
    if set(data) != set(fields):
        raise ValueError(f"{cls.__name__} should have the fields {', '.join(fields)}; got {', '.join(map(str, data))}")
    for name, kind in fields.items():
        if not _CHECKS[kind](data[name]):
            raise ValueError(f"{cls.__name__}: {name} should be {_WORDS[kind]}")
    thing = cls(**data)
    thing.check()
    return thing


def _is_text(value):
    return isinstance(value, str) and len(value) <= LONGEST_TEXT


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _are_texts(value):
    return (isinstance(value, list) and len(value) <= MOST_TEXTS and all(map(_is_text, value))
            and len(set(value)) == len(value))  # fmt: skip


_CHECKS = {
    str: _is_text,
    bool: lambda value: isinstance(value, bool),
    int: lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53,
    float: _is_number,
    list[str]: _are_texts,
    list[float]: lambda value: isinstance(value, list) and len(value) <= MOST_TEXTS and all(map(_is_number, value)),
}
_WORDS = {str: "a text", bool: "true or false", int: "a whole number", float: "a finite number",
          list[str]: "a list of different texts", list[float]: "a list of finite numbers"}  # fmt: skip

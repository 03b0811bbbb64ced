"""Mutations of JSON: a value becomes another that stands under the same name elsewhere, or one at an edge."""

from __future__ import annotations

import copy
import functools
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from random import Random

EDGES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    3,
    5,
    17,
    255,
    2**31,
    2**53 + 1,
    2**63,
    2**64,
    10**30,
    0.0,
    -0.0,
    0.5,
    1e-45,
    1e39,
    1e308,
    -1e308,
    float("nan"),
    float("inf"),
    float("-inf"),
    "",
    "a",
    "0",
    "relu",
    "float64",
    "float16",
    "object",
    "same",
    "channels_first",
    "__class__",
    "os.system",
    "lambda x: x",
    "../../etc/passwd",
    "/dev/zero",
    "\ud800",
    "\0",
    "x" * 300,
    "ä",
    [],
    [1],
    [0],
    [None],
    [[]],
    [1, 1],
    [2, 3, 4],
    [-1],
    [2**31, 2**31],
    {},
    {"a": 1},
    {"class_name": "Dense", "config": {"units": 3}},
    {"class_name": "Custom>X", "config": {}},
    {"class_name": [], "config": 0},
]


class Pool:
    """All values of some documents, by the names that they stand under."""

    def __init__(self, documents: Iterable[Any]) -> None:
        self.by_name: dict[str, list[Any]] = {}
        self.names: list[str] = []
        for document in documents:
            self._add(document, "")
        self.names = sorted(self.by_name)

    def _add(self, value: Any, name: str) -> None:
        known = self.by_name.setdefault(name, [])
        if value not in known:
            known.append(value)
        if isinstance(value, dict):
            for key, inner in value.items():
                self._add(inner, key)
        elif isinstance(value, list):
            for inner in value:
                self._add(inner, name)

    def mutate(self, document: Any, random: Random) -> Any:
        """Another document, with a few places changed."""
        holder = [copy.deepcopy(document)]
        for _ in range(random.choice((1, 1, 1, 2, 2, 4))):
            self._once(holder, random)
        return holder[0]

    def _once(self, holder: list[Any], random: Random) -> None:
        parents = list(_parents(holder, ""))
        parent, key, name = random.choice(parents)
        kind = random.randrange(10)
        if kind < 4:
            parent[key] = copy.deepcopy(random.choice(self.by_name.get(name, EDGES)))
        elif kind < 6:
            parent[key] = _near(parent[key], random)
        elif kind == 6:
            parent[key] = copy.deepcopy(random.choice(EDGES))
        elif kind == 7 and parent is not holder:
            del parent[key]
        elif kind == 8:
            other_parent, other_key, _ = random.choice(parents)
            parent[key] = copy.deepcopy(other_parent[other_key])
        elif isinstance(parent, dict):
            added = random.choice(self.names)
            parent[added] = copy.deepcopy(random.choice(self.by_name[added]))
        elif parent is not holder:
            parent.insert(key, copy.deepcopy(parent[key]))
        else:
            for _ in range(random.choice((1, 30, 2000))):
                parent[key] = random.choice(([parent[key]], {"class_name": "Sequential", "config": parent[key]}))


class Documents:
    """The inputs of a target that reads configurations, each beside what kind of thing it describes.

    Parameters
    ----------
    make : function without arguments
        Documents by name, {"kind": str, "config": dict}; called once, when they are needed.
    """

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self.make = functools.cache(make)

    @functools.cached_property
    def _pool(self) -> Pool:
        return Pool(self.make().values())

    def seeds(self) -> dict[str, bytes]:
        """Them as text."""
        return {name: json.dumps(document).encode() for name, document in self.make().items()}

    def mutate(self, data: bytes, random: Random) -> bytes:
        """Another configuration of the same kind."""
        document = json.loads(data)
        return json.dumps({**document, "config": self._pool.mutate(document["config"], random)}).encode()


def _parents(value: Any, name: str) -> Iterable[tuple[Any, Any, str]]:
    """Every place inside of a value: (what holds it, where there, the name that it stands under)."""
    stack = [(value, name)]
    while stack:
        value, name = stack.pop()
        if isinstance(value, dict):
            for key, inner in value.items():
                yield value, key, key
                stack.append((inner, key))
        elif isinstance(value, list):
            for place, inner in enumerate(value):
                yield value, place, name
                stack.append((inner, name))


def _near(value: Any, random: Random) -> Any:
    """A value of the same type, or almost."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return random.choice((value + 1, value - 1, -value, 2 * value, value + 0.5, str(value), [value, value], 10**7))
    if isinstance(value, float):
        return random.choice(
            (-value, 1 / (value or 1), value * 1e6, 1 + value, int(min(max(value, -9), 9) if value == value else 0))
        )
    if isinstance(value, str):
        return random.choice((value.upper(), value[:-1], value + "_1", [value], value * 2))
    if isinstance(value, list):
        return random.choice((value[::-1], value[:-1], value * 2, value[:1], [value]))
    if isinstance(value, dict):
        keys = list(value)
        random.shuffle(keys)
        return {key: value[key] for key in keys[: random.choice((len(keys), max(0, len(keys) - 1)))]}
    return random.choice(EDGES)

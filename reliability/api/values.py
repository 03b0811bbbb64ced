"""Arguments of all kinds: the right thing in any disguise that NumPy has, and wrong things."""

import array
import decimal
import fractions
import functools
from typing import Any, NamedTuple

import numpy as np

NORMAL = np.random.default_rng(20261122).standard_normal(4096)
TAME = 1e3  # what is no larger makes nothing infinite in the small models here

TYPES = (
    "float32",
    "float64",
    "int64",
    "uint8",
    "int32",
    "float16",
    "bool",
    "int8",
    "int16",
    "uint16",
    "uint32",
    "uint64",
    "longdouble",
)
WRONG_TYPES = (
    "complex64",
    "complex128",
    "S3",
    "U2",
    "datetime64[s]",
    "timedelta64[s]",
    "object",
    "V4",
    [("a", "f4"), ("b", "i2")],
)
SPECIAL = (np.nan, np.inf, -np.inf, 1e-310, -0.0, 1e30, 1e300, 2.0**31, -(2.0**31), 2.0**53, 2.0**63, 1e-45)


class Given(NamedTuple):
    """Data for a call."""

    data: Any
    plain: Any  # an array of the same numbers, contiguous and native; None where there is none
    tame: bool  # finite and not large
    sure: bool  # an array or a list of numbers, which must be taken where the plain array is


class Subclass(np.ndarray):
    """An array of a class of its own."""


class Convertible:
    """What NumPy makes an array of by a method."""

    def __init__(self, inner):
        self.inner = inner

    def __array__(self, dtype=None, copy=None):
        return self.inner if dtype is None else self.inner.astype(dtype)


class Interface:
    """What NumPy finds an array in by an attribute."""

    def __init__(self, inner):
        self.kept = inner
        self.__array_interface__ = inner.__array_interface__


class Shaped:
    """What has the looks of an array and nothing in it."""

    shape, ndim, dtype = (4, 3), 2, np.dtype("float32")

    def __len__(self):
        return 4


class Hostile:
    """What answers every question about it with an error."""

    def __array__(self, dtype=None, copy=None):
        raise ValueError("no array is here")

    def __len__(self):
        raise TypeError("no length is here")

    def __float__(self):
        raise ValueError("no number is here")


class Index:
    """An integer that is no int."""

    def __index__(self):
        return 2


NUMBERS = (
    None,
    0,
    -1,
    1,
    2,
    3,
    1.0,
    1.5,
    -0.5,
    float("nan"),
    float("inf"),
    -float("inf"),
    10**30,
    -(10**30),
    10**400,
    2**31,
    2**63,
    2**64,
    "3",
    "",
    "x",
    b"\x01",
    True,
    False,
    np.int64(2),
    np.uint8(3),
    np.float32(0.5),
    np.bool_(True),
    2j,
    fractions.Fraction(1, 3),
    decimal.Decimal("0.5"),
    decimal.Decimal("NaN"),
    Index(),
)
THINGS = (
    *NUMBERS,
    [],
    [1],
    [1, 2],
    (),
    (3,),
    {},
    {"a": 1},
    {0: 1.0},
    {1, 2},
    range(3),
    object(),
    int,
    len,
    Ellipsis,
    NotImplemented,
    np.float32,
    np.array(3),
    np.array([1, 2]),
    np.array([[0.5]]),
    np.array(2.5),
    np.zeros((0, 3)),
    np.array([None, 1]),
    np.array("text"),
    Hostile(),
    Shaped(),
    slice(1, 2),
    memoryview(b"abc"),
    bytearray(b"ab"),
    [[1], [1, 2]],
    [[[1, 2]]],
    "a" * 300,
    "\udce4",
    [None],
    {"x": None},
    lambda *_: 1,
    array.array("f", [1, 2]),
    np.ma.masked_array([1.0, 2.0], [True, False]),
)


def number(choices):
    """A number, or what one might take for a number."""
    return choices.pick(NUMBERS)


def thing(choices):
    """Anything."""
    return choices.pick(THINGS)


@functools.lru_cache(maxsize=8192)
def base(shape, name, classes, offset):
    """An array of small numbers; of class numbers where there are `classes`."""
    count = int(np.prod(shape))
    places = (np.arange(count) + offset) % NORMAL.size
    if classes:
        numbers = (np.abs(NORMAL[places]) * 1000).astype(np.int64) % classes
    elif np.dtype(name).kind == "f":
        numbers = NORMAL[places]
    else:
        numbers = np.abs(NORMAL[places] * 20)
    found = numbers.astype(name).reshape(shape)
    found.flags.writeable = False  # it is kept
    return found


def rows(choices, shape, count, classes=0, positive=False):
    """Data for `count` rows of a shape, mostly right, as Given."""
    if choices.one_in(24):
        return Given(thing(choices), None, False, False)
    if choices.one_in(8):
        shape, count = wrong_shape(choices, shape, count)
    wrong_type = choices.one_in(24)
    name = "float64" if wrong_type else choices.pick(TYPES)
    if name == "bool" and classes > 2:
        name = "int64"
    plain = base((count, *shape), name, classes, choices.below(8))
    if positive:
        plain = np.abs(plain)
    tame = True
    if choices.one_in(10) and plain.size:
        plain = plain.copy()
        with np.errstate(all="ignore"):
            special = np.array([choices.pick(SPECIAL)]).astype(plain.dtype)
        plain.reshape(-1)[choices.below(plain.size)] = special[0]
        tame = bool(np.isfinite(plain).all() and (np.abs(plain.astype(np.float64)) < TAME).all())
    if wrong_type:
        return Given(of_wrong_type(choices, plain), None, False, False)
    if choices.one_in(3):
        return contained(choices, plain, tame)
    return Given(laid_out(choices, plain), plain, tame, True)


def wrong_shape(choices, shape, count):
    """Another shape, or another number of rows, than was asked for."""
    kind = choices.below(8)
    if kind == 0:
        return shape, count + choices.between(1, 3)
    if kind == 1:
        return shape, 0
    if kind == 2:
        return (*shape, 1), count
    if kind == 3:
        return shape[:-1], count
    if kind == 4:
        return (*shape[:-1], (shape or (1,))[-1] + 1), count
    if kind == 5:
        return (1, *shape), count
    if kind == 6:
        return (*shape[:-1], 0), count
    return (1,) * choices.between(0, 40), count


def of_wrong_type(choices, plain):
    """An array of what are no real numbers, and objects among which some are none."""
    name = choices.pick(WRONG_TYPES)
    if name == "object":
        found = plain.astype(object)
        if found.size and choices.one_in(2):
            found.reshape(-1)[choices.below(found.size)] = thing(choices)
        return found
    if isinstance(name, list) or name[0] == "V":
        return np.zeros(plain.shape, name)
    with np.errstate(all="ignore"):
        return (
            np.nan_to_num(np.abs(plain.astype(np.float64)), posinf=9, neginf=9).clip(0, 9).astype("int64").astype(name)
        )


def laid_out(choices, plain):
    """An array of the same numbers that lies in memory in some way."""
    kind = choices.below(12)
    if kind <= 2 or plain.ndim == 0:
        return plain
    if kind == 3:
        return np.asfortranarray(plain)
    if kind == 4:
        return plain.astype(plain.dtype.newbyteorder("S"))
    if kind == 5:
        return np.ascontiguousarray(plain[::-1])[::-1]
    if kind == 6:
        axis = choices.below(plain.ndim)
        return np.ascontiguousarray(np.flip(plain, axis))[
            tuple(slice(None, None, -1 if i == axis else None) for i in range(plain.ndim))
        ]
    if kind == 7:
        memory = np.zeros(plain.nbytes + 1, np.uint8)
        found = memory[1:].view(plain.dtype).reshape(plain.shape) if plain.nbytes else plain
        if plain.nbytes:
            found[...] = plain
        return found
    if kind == 8:
        wide = np.zeros(tuple(2 * n if n > 1 else n for n in plain.shape), plain.dtype)
        places = tuple(slice(None, None, 2) for _ in plain.shape)
        wide[places] = plain
        return wide[places]
    if kind == 9:
        beside = np.zeros((len(plain), 3, *plain.shape[1:]), plain.dtype)
        beside[:, 1] = plain
        return beside[:, 1]
    if kind == 10:
        record = np.zeros(plain.shape, np.dtype([("pad", "u1"), ("value", plain.dtype)]))
        record["value"] = plain
        return record["value"]
    return np.ascontiguousarray(plain.T).T


def contained(choices, plain, tame):
    """The numbers of an array in something else."""
    kind = choices.below(14)
    name = plain.dtype.name
    if kind == 0:
        numbers = plain.tolist()
        if plain.dtype.itemsize > 8 or not plain.size:
            return Given(numbers, None, tame, False)
        return Given(numbers, np.array(numbers), tame, plain.ndim > 0)
    if kind == 1 and plain.ndim > 1 and len(plain) > 1 and plain.dtype.itemsize <= 8:
        return Given(tuple(map(tuple, plain)), plain, tame, False)
    if kind == 2:
        return Given(plain.view(Subclass), plain, tame, True)
    if kind == 3:
        return Given(np.ma.masked_array(plain), plain, tame, True)
    if kind == 4:
        hidden = np.zeros(plain.shape, bool)
        hidden.reshape(-1)[:1] = True
        return Given(np.ma.masked_array(plain, hidden), None, tame, False)
    if kind == 5:
        return Given(Convertible(plain), plain, tame, True)
    if kind == 6:
        return Given(Interface(plain), plain, tame, True)
    if kind == 7 and plain.flags.c_contiguous and name != "longdouble":
        return Given(memoryview(plain), plain, tame, True)
    if kind == 8:
        return Given(
            plain.astype(object), plain if name == "float64" or plain.dtype.kind in "iub" else None, tame, False
        )
    if kind == 9 and plain.ndim == 2:
        return Given(np.asmatrix(plain), plain, tame, True)
    if kind == 10 and len(plain.shape) > 1 and len(plain) > 1:
        ragged = plain.tolist()
        ragged[-1] = ragged[-1][:-1] if ragged[-1] else [1]
        return Given(ragged, None, False, False)
    if kind == 11 and plain.size:
        return Given(
            np.broadcast_to(plain[:1], plain.shape),
            np.ascontiguousarray(np.broadcast_to(plain[:1], plain.shape)),
            tame,
            True,
        )
    if kind == 12:
        return Given(iter(plain.tolist()) if plain.ndim else iter([]), None, False, False)
    if kind == 13 and plain.ndim == 2 and plain.size:
        return Given({f"c{number}": column for number, column in enumerate(plain.T)}, None, False, False)
    return Given(plain, plain, tame, True)

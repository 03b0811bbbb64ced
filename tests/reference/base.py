"""What every kernel of kernels.def computes, in plain NumPy.

A reference is a function of the kernel's name, reference(a, w, block):

    a      the arguments by name: arrays as (rows, width) or (rows,), integers, numbers, None
    w      the worker: rows, first_row, order, step, seed, learning_rate, coefficient, gradient; and real, the
           kernel's type
    block  rows and columns, the two slices of the call

Arrays are in the kernel's own type; a reference widens what it computes with, to double for float and to long
double for double. It returns {argument: Expected}; the worker's gradient, coefficient and nonfinite go by these
names with "worker_" before them. Whatever it does not name must stay as it was.
"""

from typing import Any, NamedTuple

import numpy as np


class Expected(NamedTuple):
    """What `argument[region]` must hold: `value`, up to `ulps` units in the last place of a number of `magnitude`.

    No ulps: the same bits, where one NaN is as good as another.
    """

    region: Any
    value: Any
    ulps: float = 0.0
    magnitude: Any = None


def exactly(region, value):
    """The same bits."""
    return Expected(region, value)


def nearly(region, value, ulps, magnitude=None):
    """Within so many ulps of numbers of `magnitude`, which is the sum of the absolute values of what was added."""
    return Expected(region, value, ulps, np.abs(value) if magnitude is None else magnitude)


def wide(values):
    """The same numbers in a type with more bits."""
    return np.asarray(values).astype(np.longdouble if np.asarray(values).dtype == np.float64 else np.float64)


def rounding_depth(count):
    """Roundings on the way of any one of `count` numbers to their sum over 16 lanes and the tree over them."""
    return -(-count // 16) + 4


REFERENCES = {}


def reference(function):
    """Enters a reference under its own name."""
    REFERENCES[function.__name__] = function
    return function

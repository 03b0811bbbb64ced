"""Checks of estimators' parameters, which scikit-learn wants in `fit` and not in the constructor."""

import math
from numbers import Integral, Real

import numpy as np


def invalid(owner, name, wanted, got):
    """The error for a parameter of an estimator."""
    return ValueError(f"the {name!r} parameter of {type(owner).__name__} must be {wanted}; got {got!r}")


def number(owner, name, low, high=math.inf, *, low_open=False, high_open=False):
    """Raises unless the parameter is a number inside the interval."""
    value = getattr(owner, name)
    inside = isinstance(value, Real) and not isinstance(value, bool)
    inside = inside and (low < value if low_open else low <= value)
    if not (inside and (value < high if high_open or math.isinf(high) else value <= high)):
        interval = f"{'(' if low_open else '['}{low}, {high}{')' if high_open or math.isinf(high) else ']'}"
        raise invalid(owner, name, f"a number in {interval}", value)


def integer(owner, name, low=1, also=()):
    """Raises unless the parameter is a whole number of at least `low`, or one of the values `also`."""
    value = getattr(owner, name)
    if any(value is other or (isinstance(value, (str, float)) and value == other) for other in also):
        return
    if not isinstance(value, Integral) or isinstance(value, bool) or value < low:
        others = "".join(f" or {other!r}" for other in also)
        raise invalid(owner, name, f"a whole number of at least {low}{others}", value)


def choice(owner, name, choices):
    """Raises unless the parameter is one of some strings, or None where that is among them."""
    value = getattr(owner, name)
    if not any(value is None if one is None else isinstance(value, str) and value == one for one in choices):
        raise invalid(owner, name, f"one of {', '.join(map(repr, choices))}", value)


def boolean(owner, *names):
    """Raises unless the parameters are booleans."""
    for name in names:
        if not isinstance(getattr(owner, name), (bool, np.bool_)):
            raise invalid(owner, name, "True or False", getattr(owner, name))


def dtype(owner):
    """Raises unless the parameter is a type of weights, or None."""
    value = owner.dtype
    try:
        known = value is None or value == "mixed_bfloat16" or np.dtype(value) in (np.float32, np.float64)
    except TypeError:
        known = False
    if not known:
        raise invalid(owner, "dtype", "'float32', 'float64', 'mixed_bfloat16' or None", value)


def name_of_dtype(value):
    """The name of a type of weights that has been checked; None for None."""
    return value if value is None or isinstance(value, str) else np.dtype(value).name


def jobs(owner):
    """Raises unless n_jobs is None or a whole number that is not 0."""
    n = owner.n_jobs
    if n is not None and (not isinstance(n, Integral) or isinstance(n, bool) or n == 0):
        raise invalid(owner, "n_jobs", "a whole number that is not 0, or None", n)


def callbacks(owner):
    """The parameter's callbacks as a list."""
    from nncore.callbacks import Callback

    given = owner.callbacks
    given = [] if given is None else list(given) if isinstance(given, (list, tuple)) else [given]
    for one in given:
        if not isinstance(one, Callback):
            raise invalid(owner, "callbacks", "objects of nncore.callbacks.Callback", one)
    return given

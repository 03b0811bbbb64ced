"""Activation functions: objects that are called on arrays, ``elu(x, alpha=0.5)``, and that layers emit into plans.

A layer takes one by name, as the object, or with other parameters, as ``elu.with_parameters(alpha=0.5)`` or
``functools.partial(elu, alpha=0.5)``.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

from nncore import _checks
from nncore._activation import (
    PLAIN,
    Activation,
    AlongAxis,
    Halves,
    Linear,
    Sigmoid,
    Softmax,
    Steps,
    define,
    integer,
    number,
    optional,
)

if TYPE_CHECKING:
    from nncore._likes import ActivationLike
    from nncore._typing import Config

__all__ = ["Activation", "celu", "deserialize", "elu", "exponential", "gelu", "get", "glu", "hard_shrink",
           "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "leaky_relu", "linear", "log_sigmoid", "log_softmax",
           "mish", "relu", "relu6", "selu", "serialize", "sigmoid", "silu", "soft_shrink", "softmax", "softplus",
           "softsign", "sparse_plus", "sparse_sigmoid", "squareplus", "swish", "tanh", "tanh_shrink",
           "threshold"]  # fmt: skip


# ---------------------------------------------------------------- piecewise linear


def _pieces(low: float, high: float, below: tuple[float, float], middle: tuple[float, float],
            above: tuple[float, float], *, closed: bool = False,
            of_y: tuple[float, float] | None = None) -> Steps:  # fmt: skip
    """Three pieces (slope, term), each slope (x - term), or the term where the slope is 0.

    They meet at low and high, which belong to the middle if `closed`. `of_y` are the bounds of the middle in y, where
    y says in which piece x is.
    """
    slopes = {"slope_below": below[0], "slope_middle": middle[0], "slope_above": above[0], "closed": closed}
    terms = {"term_below": below[1], "term_middle": middle[1], "term_above": above[1]}
    low_at, high_at = of_y or (low, high)
    return Steps("piecewise", "y" if of_y else "x", {"low": low, "high": high, **slopes, **terms},
                 {"low": low_at, "high": high_at, **slopes}, "at")  # fmt: skip


@define(negative_slope=number(), max_value=optional(number(0)), threshold=number(0))
def relu(negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Steps:
    """f(x) = max(0, x); the derivative at 0 is 0.

    With parameters: f(x) = max_value where x >= max_value, x where threshold < x < max_value, else
    negative_slope (x - threshold). (Nair and Hinton, 2010.)
    """
    if negative_slope == 0 and max_value is None and threshold == 0:
        return Steps("relu", "y")
    high = math.inf if max_value is None else max_value
    return _pieces(
        threshold,
        high,
        (negative_slope, threshold if negative_slope else 0.0),
        (1.0, 0.0),
        (1.0, 0.0) if max_value is None else (0.0, max_value),
        of_y=(0.0, high) if negative_slope >= 0 and high > 0 else None,
    )


@define(negative_slope=number())
def leaky_relu(negative_slope: float = 0.2) -> Steps:
    """f(x) = x where x > 0, else negative_slope x; so is the derivative at 0. (Maas et al., 2013.)"""
    return relu._definition(negative_slope=negative_slope)


@define()
def relu6() -> Steps:
    """f(x) = min(max(0, x), 6). (Krizhevsky, 2010.)"""
    return relu._definition(max_value=6.0)


@define()
def hard_sigmoid() -> Steps:
    """f(x) = x / 6 + 1/2 where that is between 0 and 1, else the nearer of them."""
    return _pieces(-3.0, 3.0, (0.0, 0.0), (1 / 6, -3.0), (0.0, 1.0), of_y=(0.0, 1.0))


@define()
def sparse_sigmoid() -> Steps:
    """f(x) = (x + 1) / 2 where that is between 0 and 1, else the nearer of them. (Blondel et al., 2019.)"""
    return _pieces(-1.0, 1.0, (0.0, 0.0), (0.5, -1.0), (0.0, 1.0), of_y=(0.0, 1.0))


@define()
def hard_tanh() -> Steps:
    """f(x) = x where that is between -1 and 1, else the nearer of them."""
    return _pieces(-1.0, 1.0, (0.0, -1.0), (1.0, 0.0), (0.0, 1.0), of_y=(-1.0, 1.0))


@define(threshold=number(0))
def hard_shrink(threshold: float = 0.5) -> Steps:
    """f(x) = x where |x| > threshold, else 0."""
    return _pieces(-threshold, threshold, (1.0, 0.0), (0.0, 0.0), (1.0, 0.0), closed=True, of_y=(0.0, 0.0))


@define(threshold=number(0))
def soft_shrink(threshold: float = 0.5) -> Steps:
    """f(x) = x - threshold where x > threshold, x + threshold where x < -threshold, else 0."""
    return _pieces(-threshold, threshold, (1.0, -threshold), (0.0, 0.0), (1.0, threshold), closed=True, of_y=(0.0, 0.0))


@define(threshold=number(), default_value=number())
def threshold(threshold: float, default_value: float) -> Steps:
    """f(x) = x where x > threshold, else default_value."""
    return _pieces(threshold, math.inf, (0.0, default_value), (1.0, 0.0), (1.0, 0.0))


# ---------------------------------------------------------------- parabolas


def _parabola(low: float, high: float, factor: float, root: float) -> Steps:
    scalars = {"low": low, "high": high, "factor": factor, "root": root}
    return Steps("parabola", "x", scalars, scalars)


@define()
def hard_silu() -> Steps:
    """f(x) = x (x + 3) / 6 where -3 < x < 3, 0 below and x above. (Howard et al., 2019.)"""
    return _parabola(-3.0, 3.0, 1 / 6, 0.0)


@define()
def sparse_plus() -> Steps:
    """f(x) = (x + 1)^2 / 4 where -1 < x < 1, 0 below and x above. (Blondel et al., 2019.)"""
    return _parabola(-1.0, 1.0, 0.25, -1.0)


# ---------------------------------------------------------------- exponentials


def _exponential_linear(scale: float, height: float, rate: float) -> Steps:
    scalars = {"scale": scale, "height": height, "rate": rate}
    return Steps("exponential_linear", "y", scalars, scalars)


@define(alpha=number(0))
def elu(alpha: float = 1.0) -> Steps:
    """f(x) = x where x > 0, else alpha (e^x - 1). (Clevert et al., 2016.)"""
    return _exponential_linear(1.0, alpha, 1.0)


@define()
def selu() -> Steps:
    """f(x) = s x where x > 0, else s a (e^x - 1); s = 1.0507..., a = 1.6732.... (Klambauer et al., 2017.)"""
    scale, alpha = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
    return _exponential_linear(scale, scale * alpha, 1.0)


@define(alpha=number(0, low_open=True))
def celu(alpha: float = 1.0) -> Steps:
    """f(x) = x where x > 0, else alpha (e^(x / alpha) - 1), alpha > 0. (Barron, 2017.)"""
    return _exponential_linear(1.0, alpha, 1 / alpha)


@define()
def exponential() -> Steps:
    """f(x) = e^x."""
    return Steps("exp", "y")


# ---------------------------------------------------------------- sigmoids and what is made of them


@define(Sigmoid)
def sigmoid() -> Steps:
    """f(x) = 1 / (1 + e^-x)."""
    return Steps("sigmoid", "y")


@define()
def tanh() -> Steps:
    """f(x) = (e^x - e^-x) / (e^x + e^-x)."""
    return Steps("tanh", "y")


@define()
def tanh_shrink() -> Steps:
    """f(x) = x - tanh(x)."""
    return Steps("tanh_shrink", "x")


@define()
def softsign() -> Steps:
    """f(x) = x / (1 + |x|). (Turian et al., 2009.)"""
    return Steps("softsign", "y")


@define()
def softplus() -> Steps:
    """f(x) = log(1 + e^x). (Dugas et al., 2001.)"""
    return Steps("softplus", "y", {"sign": 1.0})


@define()
def log_sigmoid() -> Steps:
    """f(x) = log(1 / (1 + e^-x))."""
    return Steps("softplus", "y", {"sign": -1.0})


@define(b=number(0))
def squareplus(b: float = 4) -> Steps:
    """f(x) = (x + sqrt(x^2 + b)) / 2, b >= 0. (Barron, 2021.)"""
    return Steps("squareplus", "y", {"b": b}, {"b": b})


def _sigmoid_gate(linear: float, cubic: float) -> Steps:
    scalars = {"linear": linear, "cubic": cubic}
    return Steps("sigmoid_gate", "x", scalars, scalars)


@define()
def silu() -> Steps:
    """f(x) = x / (1 + e^-x), also called swish. (Hendrycks and Gimpel, 2016; Ramachandran et al., 2017.)"""
    return _sigmoid_gate(1.0, 0.0)


@define(approximate=_checks.boolean)
def gelu(approximate: bool = False) -> Steps:
    """f(x) = x P(x), P(x) = (1 + erf(x / sqrt(2))) / 2 the share of a normal distribution below x.

    With approximate=True P(x) is (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2. (Hendrycks and Gimpel, 2016.)
    """
    if not approximate:
        return Steps("gelu", "x")
    linear = 2 * math.sqrt(2 / math.pi)
    return _sigmoid_gate(linear, linear * 0.044715)


@define()
def mish() -> Steps:
    """f(x) = x tanh(log(1 + e^x)). (Misra, 2019.)"""
    return Steps("mish", "x")


@define(Linear)
def linear() -> Steps:
    """f(x) = x."""
    return Steps("linear", "y")


# ---------------------------------------------------------------- along an axis


@define(Softmax, axis=integer)
def softmax(axis: int = -1) -> Steps:
    """f(x)_i = e^x_i / sum_j e^x_j along `axis`."""
    return Steps("softmax", "y")


@define(AlongAxis, axis=integer)
def log_softmax(axis: int = -1) -> Steps:
    """f(x)_i = x_i - log(sum_j e^x_j) along `axis`."""
    return Steps("log_softmax", "y")


@define(Halves, axis=integer)
def glu(axis: int = -1) -> Steps:
    """f(p, q) = p / (1 + e^-q) for the halves p and q of `axis`.

    The axis has an even length, and half of it afterwards. (Dauphin et al., 2017.)
    """
    return Steps("glu", "x")


swish = silu
hard_swish = hard_silu

_BY_NAME = {**PLAIN, "swish": swish, "hard_swish": hard_swish}


def get(identifier: ActivationLike) -> Activation:
    """Returns the activation that a name, a configuration, an activation, or None (linear) stands for.

    A ``functools.partial`` of an activation, with parameters by name, is one too.

    Raises
    ------
    ValueError
        For an unknown name, or an activation that lacks a parameter.
    TypeError
        For anything else.
    """
    if identifier is None:
        return linear
    if isinstance(identifier, Activation):
        return identifier.require_complete()
    if isinstance(identifier, str):
        return _named(identifier).require_complete()
    if isinstance(identifier, dict) and set(identifier) == {"class_name", "config"}:
        return get(_named(identifier["class_name"]).with_parameters(**identifier["config"]))
    if isinstance(identifier, functools.partial) and isinstance(identifier.func, Activation):
        if identifier.args:
            raise TypeError(f"{identifier!r}: an activation's parameters are given by name; the first argument is x")
        return get(identifier.func.with_parameters(**identifier.keywords))
    raise TypeError(f"{identifier!r} is no activation: one of {', '.join(_BY_NAME)} is wanted")


def _named(name: str) -> Activation:
    if name not in _BY_NAME:
        raise ValueError(f"unknown activation {name!r}.{_checks.suggest(name, _BY_NAME)}")
    return _BY_NAME[name]


def serialize(activation: ActivationLike) -> str | Config:
    """Returns the name of an activation; {"class_name", "config"} if its parameters are not the defaults."""
    activation = get(activation)
    return activation.name if activation.is_plain else {"class_name": activation.name, "config": activation.parameters}


def deserialize(config: ActivationLike) -> Activation:
    """Returns the activation that `serialize` described."""
    return get(config)

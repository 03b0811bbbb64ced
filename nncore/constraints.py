"""Constraints: what a weight is brought back to after each update."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _checks, _kernels
from nncore._plan import TILE_ELEMENTS, Job, Tiles

if TYPE_CHECKING:
    from typing_extensions import Self

    from nncore._likes import ConstraintLike
    from nncore._typing import Array, Config, Integers, Shape

__all__ = ["Constraint", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "deserialize", "get", "max_norm",
           "min_max_norm", "non_neg", "serialize", "unit_norm"]  # fmt: skip

NORM_COLUMNS = 64  # of a block: enough to share among threads


class Constraint:
    """Base of the constraints. Subclasses say by which step a weight is constrained, over which blocks."""

    def space(self, shape: Shape) -> Any:
        """Returns (Tiles, kernel, its arguments but the parameter) for a weight of this shape."""
        raise NotImplementedError

    def job(self, array: Array) -> Job:
        """The job that constrains a weight's array."""
        tiles, kernel, arguments = self.space(array.shape)
        return Job(tiles, [(kernel, {"parameter": array, **arguments})])

    def __call__(self, w: Array) -> Array:
        """Returns the constrained weight, as a new array."""
        w = np.array(w, np.float64 if np.asarray(w).dtype == np.float64 else np.float32, order="C")
        tiles, kernel, arguments = self.space(w.shape)
        _kernels.run(kernel, w.dtype, {"parameter": w, **arguments}, (0, tiles.rows, 0, tiles.columns),
                     gradient=np.zeros((1, tiles.columns), w.dtype))  # fmt: skip
        return w

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Makes a constraint from `get_config`."""
        return cls(**config)


class NonNeg(Constraint):
    """w ← max(0, w)."""

    def space(self, shape: Shape) -> Any:
        size = math.prod(shape)
        return Tiles(1, size, 1, min(size, TILE_ELEMENTS)), "constrain_sign", {"columns": size}


class _Norm(Constraint):
    """w ← w n' / (n + 1e-7), with n the norms of w along `axis` and n' = rate max(low, min(high, n)) + (1 - rate) n."""

    axis: Any = 0

    def _bounds(self) -> tuple[float, float, float]:
        raise NotImplementedError

    def space(self, shape: Shape) -> Any:
        outer, length, inner = _split(type(self).__name__, shape, self.axis)
        low, high, rate = self._bounds()
        arguments = {"length": length, "inner": inner, "low": low, "high": high, "rate": rate}
        return Tiles(outer, inner, 1, min(inner, NORM_COLUMNS)), "constrain_norm", arguments


class MaxNorm(_Norm):
    """Norms along `axis` are at most `max_value`. (Srivastava et al., 2014, with dropout.)

    Parameters
    ----------
    max_value : float, not negative
    axis : int or tuple of int
        Of neighbouring axes: 0 for the kernel of a Dense layer, whose columns are units.
    """

    def __init__(self, max_value: float = 2, axis: Integers = 0) -> None:
        self.max_value: float = _checks.real_number("MaxNorm", "max_value", max_value, 0)
        self.axis: int | list[int] = _axes("MaxNorm", axis)

    def _bounds(self) -> tuple[float, float, float]:
        return 0.0, self.max_value, 1.0

    def get_config(self) -> Config:
        return {"max_value": self.max_value, "axis": self.axis}


class UnitNorm(_Norm):
    """Norms along `axis` are 1.

    Parameters
    ----------
    axis : int or tuple of int
    """

    def __init__(self, axis: Integers = 0) -> None:
        self.axis: int | list[int] = _axes("UnitNorm", axis)

    def _bounds(self) -> tuple[float, float, float]:
        return 1.0, 1.0, 1.0

    def get_config(self) -> Config:
        return {"axis": self.axis}


class MinMaxNorm(_Norm):
    """Norms along `axis` lie between two bounds, or move there by the part `rate` of the way.

    Parameters
    ----------
    min_value, max_value : float, not negative
    rate : float in [0, 1]
    axis : int or tuple of int
    """

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Integers = 0) -> None:
        self.min_value: float = _checks.real_number("MinMaxNorm", "min_value", min_value, 0)
        self.max_value: float = _checks.real_number("MinMaxNorm", "max_value", max_value, self.min_value)
        self.rate: float = _checks.real_number("MinMaxNorm", "rate", rate, 0, 1)
        self.axis: int | list[int] = _axes("MinMaxNorm", axis)

    def _bounds(self) -> tuple[float, float, float]:
        return self.min_value, self.max_value, self.rate

    def get_config(self) -> Config:
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate, "axis": self.axis}


def _axes(owner: Any, axis: Any) -> Any:
    """`axis` as an int, or as a list of several."""
    axes = _checks.axes(owner, "axis", axis)
    if not axes:
        raise ValueError(f"{owner}: axis must name at least one axis; got {axis!r}")
    return axes if len(axes) > 1 else axes[0]


def _split(owner: str, shape: Shape, axis: Any) -> tuple[int, int, int]:
    """Elements before, along and behind the axes of the norm."""
    axes = sorted(number % len(shape) if -len(shape) <= number < len(shape) else len(shape)
                  for number in (axis if isinstance(axis, list) else [axis]))  # fmt: skip
    if axes[-1] >= len(shape) or axes != list(range(axes[0], axes[-1] + 1)):
        raise ValueError(f"{owner}: axis={axis!r} is not one or several neighbouring axes of a weight of shape {shape}")
    return math.prod(shape[: axes[0]]), math.prod(shape[axes[0] : axes[-1] + 1]), math.prod(shape[axes[-1] + 1 :])


# Keras has both spellings
max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm

_BY_NAME = {"max_norm": MaxNorm, "min_max_norm": MinMaxNorm, "non_neg": NonNeg, "unit_norm": UnitNorm}
_BY_CLASS = {cls.__name__: cls for cls in _BY_NAME.values()}


def get(identifier: ConstraintLike) -> Constraint | None:
    """Returns the constraint that a name, a configuration or a constraint stands for; None for None."""
    return None if identifier is None else _checks.resolve("constraint", identifier, Constraint, _BY_NAME, _BY_CLASS)


def serialize(constraint: Constraint | None) -> Config | None:
    """Returns {"class_name", "config"} of a constraint; None for None."""
    return None if constraint is None else _checks.serialize(constraint)


def deserialize(config: ConstraintLike) -> Constraint | None:
    """Returns the constraint that `serialize` described."""
    return get(config)

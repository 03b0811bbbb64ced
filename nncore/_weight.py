"""A weight of a layer: its array, its name, and what the optimizer and the engine need to know of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from typing_extensions import Self

    from nncore._typing import Array, Dtype, Shape
    from nncore.constraints import Constraint
    from nncore.regularizers import Regularizer


class Variable(np.lib.mixins.NDArrayOperatorsMixin):
    """A named array that can be used as an array: in arithmetic, in NumPy's functions, by indices.

    `array` is the memory itself: writing into it, `assign` and += change the variable. Two variables are equal where
    they are one.
    """

    __slots__ = ("array", "name")
    if TYPE_CHECKING:

        def __eq__(self, other: object) -> bool: ...
        def __ne__(self, other: object) -> bool: ...
        def __hash__(self) -> int: ...
    else:
        __eq__, __ne__, __hash__ = object.__eq__, object.__ne__, object.__hash__

    def __init__(self, name: str, array: Array) -> None:
        self.name: str = name
        self.array: Array = array

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} of shape {self.array.shape}>"

    def __array__(self, dtype: Dtype | None = None, copy: bool | None = None) -> Array:
        return np.array(self.array, dtype, copy=copy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        plain = [x.array if isinstance(x, Variable) else x for x in inputs]
        if out is None:
            return getattr(ufunc, method)(*plain, **options)
        getattr(ufunc, method)(*plain, out=tuple(x.array if isinstance(x, Variable) else x for x in out), **options)
        return out[0] if len(out) == 1 else out

    def __getitem__(self, index: Any) -> Any:
        return self.array[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self.array[index] = value

    def __len__(self) -> int:
        return len(self.array)

    def __float__(self) -> float:
        return float(self.array)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(object.__getattribute__(self, "array"), name)  # shape, dtype, sum and whatever an array has

    @property
    def value(self) -> Array:
        """The array."""
        return self.array

    def numpy(self) -> Array:
        """Returns the array."""
        return self.array

    def assign(self, value: Any) -> Self:
        """Copies values into the array."""
        self.array[...] = value
        return self

    def assign_add(self, value: Any) -> Self:
        """Adds values to the array."""
        self.array += value
        return self

    def assign_sub(self, value: Any) -> Self:
        """Subtracts values from the array."""
        self.array -= value
        return self


class Weight(Variable):
    """A trainable or fixed array of a layer.

    `array` is the engine's own memory: writing into it changes the model. For gradients and updates it counts as
    a matrix of `matrix_shape`: all axes but the last `column_axes` are its rows.
    """

    constraint: Constraint | None
    regularizer: Regularizer | None
    __slots__ = ("column_axes", "constraint", "gradient", "regularizer", "trainable")

    def __init__(self, name: str, array: Array, trainable: bool = True, regularizer: Regularizer | None = None,
                 constraint: Constraint | None = None) -> None:  # fmt: skip
        super().__init__(name, array)
        self.trainable: bool = trainable
        self.regularizer, self.constraint = regularizer, constraint
        self.column_axes: int = 1
        self.gradient: Array | None = None

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """(rows, columns); a vector is one row."""
        return matrix_shape(self.array.shape, self.column_axes)


def matrix_shape(shape: Shape, column_axes: int = 1) -> tuple[int, int]:
    """(rows, columns) of the matrix that an array of this shape counts as; a vector is one row."""
    return math.prod(shape[:-column_axes]), math.prod(shape[-column_axes:])

"""A weight of a layer: its array, its name, and what the optimizer and the engine need to know of it."""

import math

import numpy as np


class Variable(np.lib.mixins.NDArrayOperatorsMixin):
    """A named array that can be used as an array: in arithmetic, in NumPy's functions, by indices.

    `array` is the memory itself: writing into it, `assign` and += change the variable. Two variables are equal where
    they are one.
    """

    __slots__ = ("array", "name")
    __eq__, __ne__, __hash__ = object.__eq__, object.__ne__, object.__hash__

    def __init__(self, name, array):
        self.name = name
        self.array = array

    def __repr__(self):
        return f"<{type(self).__name__} {self.name!r} of shape {self.array.shape}>"

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype, copy=copy)

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        plain = [x.array if isinstance(x, Variable) else x for x in inputs]
        if out is None:
            return getattr(ufunc, method)(*plain, **options)
        getattr(ufunc, method)(*plain, out=tuple(x.array if isinstance(x, Variable) else x for x in out), **options)
        return out[0] if len(out) == 1 else out

    def __getitem__(self, index):
        return self.array[index]

    def __setitem__(self, index, value):
        self.array[index] = value

    def __len__(self):
        return len(self.array)

    def __float__(self):
        return float(self.array)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(object.__getattribute__(self, "array"), name)  # shape, dtype, sum and whatever an array has

    @property
    def value(self):
        """The array."""
        return self.array

    def numpy(self):
        """Returns the array."""
        return self.array

    def assign(self, value):
        """Copies values into the array."""
        self.array[...] = value
        return self

    def assign_add(self, value):
        """Adds values to the array."""
        self.array += value
        return self

    def assign_sub(self, value):
        """Subtracts values from the array."""
        self.array -= value
        return self


class Weight(Variable):
    """A trainable or fixed array of a layer.

    `array` is the engine's own memory: writing into it changes the model. For gradients and updates it counts as
    a matrix of `matrix_shape`: all axes but the last `column_axes` are its rows.
    """

    __slots__ = ("column_axes", "constraint", "gradient", "regularizer", "trainable")

    def __init__(self, name, array, trainable=True, regularizer=None, constraint=None):
        super().__init__(name, array)
        self.trainable = trainable
        self.regularizer, self.constraint = regularizer, constraint
        self.column_axes = 1
        self.gradient = None

    @property
    def matrix_shape(self):
        """(rows, columns); a vector is one row."""
        return matrix_shape(self.array.shape, self.column_axes)


def matrix_shape(shape, column_axes=1):
    """(rows, columns) of the matrix that an array of this shape counts as; a vector is one row."""
    return math.prod(shape[:-column_axes]), math.prod(shape[-column_axes:])

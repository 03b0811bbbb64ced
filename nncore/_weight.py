"""A weight of a layer: its array, its name, and what the optimizer and the engine need to know of it."""

import math


class Weight:
    """A trainable or fixed array of a layer.

    `array` is the engine's own memory: writing into it changes the model. For gradients and updates it counts as
    a matrix of `matrix_shape`: all axes but the last are its rows.
    """

    __slots__ = ("array", "constraint", "gradient", "name", "regularizer", "trainable")

    def __init__(self, name, array, trainable=True, regularizer=None, constraint=None):
        self.name = name
        self.array = array
        self.trainable = trainable
        self.regularizer, self.constraint = regularizer, constraint
        self.gradient = None

    @property
    def matrix_shape(self):
        """(rows, columns); a vector is one row."""
        return matrix_shape(self.array.shape)


def matrix_shape(shape):
    """(rows, columns) of the matrix that an array of this shape counts as; a vector is one row."""
    return (1, math.prod(shape)) if len(shape) <= 1 else (math.prod(shape[:-1]), shape[-1])

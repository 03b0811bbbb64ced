"""A weight of a layer: its array, its name, and what the optimizer and the engine need to know of it."""

import math


class Weight:
    """A trainable or fixed array of a layer.

    `array` is the engine's own memory: writing into it changes the model. For gradients and updates it counts as
    a matrix of `matrix_shape`: all axes but the last are its rows.
    """

    __slots__ = ("array", "gradient", "name", "trainable")

    def __init__(self, name, array, trainable=True):
        self.name = name
        self.array = array
        self.trainable = trainable
        self.gradient = None

    @property
    def matrix_shape(self):
        """(rows, columns); a vector is one row."""
        shape = self.array.shape
        return (1, shape[0]) if len(shape) == 1 else (math.prod(shape[:-1]), shape[-1])

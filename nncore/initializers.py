"""Initial values of weights.

Random ones are a function of the seed and of the weight's number in the model alone (Philox 4x32-10), and are the
same on every machine.
"""

import math

import numpy as np

from nncore import _checks, _engine, _kernels
from nncore.config import check_seed

__all__ = ["Constant", "GlorotUniform", "HeUniform", "Initializer", "LecunUniform", "Ones", "RandomUniform", "Zeros",
           "deserialize", "get", "serialize"]  # fmt: skip


class Initializer:
    """Fills an array. Subclasses define `fill(array, seed, number)` and `get_config()`."""

    def fill(self, array, seed, number):
        """Writes initial values into `array`; `seed` is the model's, `number` the weight's place in it."""
        raise NotImplementedError

    def get_config(self):
        """Returns the constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config):
        """Makes an initializer from `get_config`."""
        return cls(**config)

    def __call__(self, shape, dtype="float32"):
        """Returns a new array of `shape`, as weight 0 of a model with the initializer's own seed, or 0."""
        array = np.zeros(shape, np.dtype(dtype))
        self.fill(array, 0, 0)
        return array


class Constant(Initializer):
    """Every element is `value`."""

    def __init__(self, value=0.0):
        self.value = _checks.real_number("Constant", "value", value)

    def fill(self, array, seed, number):
        array[...] = self.value

    def get_config(self):
        return {"value": self.value}


class Zeros(Initializer):
    """Every element is 0."""

    def fill(self, array, seed, number):
        array[...] = 0


class Ones(Initializer):
    """Every element is 1."""

    def fill(self, array, seed, number):
        array[...] = 1


class RandomUniform(Initializer):
    """Uniform on [minval, maxval)."""

    def __init__(self, minval=-0.05, maxval=0.05, seed=None):
        self.minval = _checks.real_number("RandomUniform", "minval", minval)
        self.maxval = _checks.real_number("RandomUniform", "maxval", maxval)
        self.seed = None if seed is None else check_seed(seed)

    def _bounds(self, shape):
        return self.minval, self.maxval

    def fill(self, array, seed, number):
        low, high = self._bounds(array.shape)
        flat = array.reshape(-1)
        _kernels.run(
            "random_uniform",
            array.dtype,
            {"y": flat, "columns": flat.size, "stream": _engine.STREAM_INITIALIZER + number, "low": low, "high": high},
            (0, 1, 0, flat.size),
            seed=seed if self.seed is None else self.seed,
        )

    def get_config(self):
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed}


class _ScaledUniform(RandomUniform):
    """Uniform on [-b, b), with b = sqrt(3 scale / fan)."""

    scale, fan = 1.0, "average"

    def __init__(self, seed=None):
        super().__init__(seed=seed)

    def _bounds(self, shape):
        fan_in, fan_out = fans(shape)
        fan = {"in": fan_in, "average": (fan_in + fan_out) / 2}[self.fan]
        bound = math.sqrt(3 * self.scale / max(1.0, fan))
        return -bound, bound

    def get_config(self):
        return {"seed": self.seed}


class GlorotUniform(_ScaledUniform):
    """Uniform on [-b, b), b = sqrt(6 / (fan_in + fan_out)): Glorot and Bengio, 2010."""


class HeUniform(_ScaledUniform):
    """Uniform on [-b, b), b = sqrt(6 / fan_in): He et al., 2015."""

    scale, fan = 2.0, "in"


class LecunUniform(_ScaledUniform):
    """Uniform on [-b, b), b = sqrt(3 / fan_in): LeCun et al., 1998."""

    fan = "in"


def fans(shape):
    """Inputs and outputs of one unit of a weight: a kernel is (..., inputs, outputs)."""
    if len(shape) < 2:
        size = shape[0] if shape else 1
        return size, size
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


_BY_NAME = {
    "constant": Constant,
    "glorot_uniform": GlorotUniform,
    "he_uniform": HeUniform,
    "lecun_uniform": LecunUniform,
    "ones": Ones,
    "random_uniform": RandomUniform,
    "uniform": RandomUniform,
    "zeros": Zeros,
}
_BY_CLASS = {cls.__name__: cls for cls in _BY_NAME.values()}


def get(identifier):
    """Returns the initializer that a name, a configuration or an initializer stands for."""
    return _checks.resolve("initializer", identifier, Initializer, _BY_NAME, _BY_CLASS)


def serialize(initializer):
    """Returns {"class_name", "config"} of an initializer."""
    return _checks.serialize(initializer)


def deserialize(config):
    """Returns the initializer that `serialize` described."""
    return get(config)

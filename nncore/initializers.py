"""Initial values of weights.

Random ones are a function of the seed and of the weight's number in the model alone (Philox 4x32-10), and are the
same on every machine.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nncore import _checks, _data, _engine, _kernels
from nncore.config import check_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Self

    from nncore._likes import InitializerLike
    from nncore._typing import Array, Config, Data, Dtype, Seed, ShapeLike

__all__ = ["Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity", "IdentityInitializer",
           "Initializer", "LecunNormal", "LecunUniform", "Ones", "Orthogonal", "OrthogonalInitializer", "RandomNormal",
           "RandomUniform", "TruncatedNormal", "VarianceScaling", "Zeros", "constant", "deserialize", "get",
           "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "identity", "lecun_normal", "lecun_uniform",
           "ones", "orthogonal", "random_normal", "random_uniform", "serialize", "truncated_normal",
           "variance_scaling", "zeros"]  # fmt: skip

# The standard deviation of a standard normal number between -2 and 2.
TRUNCATED_DEVIATION = 0.87962566103423978


class Initializer:
    """Makes initial values. A class of one's own defines `__call__(shape, dtype)`, as in Keras, and `get_config()`.

    Those here define `fill(array, seed, number)` instead, so that the values follow from the model's seed.
    """

    def fill(self, array: Array, seed: int, number: int) -> None:
        """Writes initial values into `array`; `seed` is the model's, `number` the weight's place in it."""
        if type(self).__call__ is Initializer.__call__:
            raise NotImplementedError(f"{type(self).__name__} defines neither __call__ nor fill")
        values = np.asarray(self(array.shape, dtype=array.dtype.name))
        if values.shape != array.shape:
            raise ValueError(f"{self!r} gave values of shape {values.shape} for a weight of shape {array.shape}")
        array[...] = values

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return {}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Makes an initializer from `get_config`."""
        return cls(**config)

    def clone(self) -> Self:
        """Returns an initializer of the same arguments."""
        return self.from_config(self.get_config())

    def __call__(self, shape: ShapeLike, dtype: Dtype = "float32") -> Array:
        """Returns a new array of `shape`, as weight 0 of a model with the initializer's own seed, or 0."""
        owner = type(self).__name__
        try:
            found = np.dtype("float32" if dtype is None else dtype)
        except (TypeError, UnicodeError):
            found = None
        if found is None or found not in _engine.DTYPES:  # NumPy says that None is float64
            raise TypeError(f"{owner}: dtype must be float32 or float64, not {dtype!r}")
        lengths: list[Any] = [shape] if _checks.index_of(shape) is not None else _checks.sequence(owner, "shape", shape)
        lengths = [_checks.integer(owner, "each of shape", n) for n in lengths]
        array = np.zeros(lengths, found)
        self.fill(array, 0, 0)
        return array


class _Function(Initializer):
    """The values of a function of shape and dtype."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __repr__(self) -> str:
        return f"initializer {self.function!r}"

    def __call__(self, shape: ShapeLike, dtype: Dtype = "float32") -> Array:
        return self.function(shape, dtype=dtype)  # type: ignore[no-any-return]

    def get_config(self) -> Config:
        raise TypeError(
            f"{self!r} is a function, of which no description can be stored; a subclass of Initializer has one"
        )


class Constant(Initializer):
    """Every element is `value`; where that is an array, it is broadcast to the weight's shape.

    Parameters
    ----------
    value : float or array

    Raises
    ------
    ValueError
        When a weight is made, for an array that cannot be broadcast to its shape.
    """

    value: Any

    def __init__(self, value: Data | float = 0.0) -> None:
        shape: Any = getattr(value, "shape", None)
        if isinstance(value, (list, tuple)) or shape:
            self.value = np.array(_data.as_array(value, "Constant: value"))
        else:
            self.value = _checks.real_number("Constant", "value", value)

    def fill(self, array: Array, seed: int, number: int) -> None:
        try:
            array[...] = np.broadcast_to(self.value, array.shape)
        except ValueError:
            raise ValueError(
                f"Constant: a value of shape {np.shape(self.value)} does not fit a weight of shape {array.shape}"
            ) from None

    def get_config(self) -> Config:
        return {"value": self.value.tolist() if np.ndim(self.value) else self.value}


class Zeros(Initializer):
    """Every element is 0."""

    def fill(self, array: Array, seed: int, number: int) -> None:
        array[...] = 0


class Ones(Initializer):
    """Every element is 1."""

    def fill(self, array: Array, seed: int, number: int) -> None:
        array[...] = 1


class Identity(Initializer):
    """`gain` on the main diagonal of a matrix, 0 elsewhere; the matrix need not be square.

    Parameters
    ----------
    gain : float

    Raises
    ------
    ValueError
        When a weight is made that is no matrix.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain: float = _checks.real_number("Identity", "gain", gain)

    def fill(self, array: Array, seed: int, number: int) -> None:
        if array.ndim != 2:
            raise ValueError(f"Identity fills weights of two axes; got shape {array.shape}")
        array[...] = self.gain * np.eye(*array.shape)  # type: ignore[call-overload]

    def get_config(self) -> Config:
        return {"gain": self.gain}


class _Random(Initializer):
    """Values that follow from a seed: the initializer's own, or else the model's."""

    def __init__(self, seed: Seed = None) -> None:
        self.seed: int | None = None if seed is None else check_seed(seed)

    def _draw(self, kernel: str, array: Array, seed: int, number: int, **arguments: Any) -> None:
        flat = array.reshape(-1)
        _kernels.run(
            kernel,
            array.dtype,
            {"y": flat, "columns": flat.size, "stream": _engine.STREAM_INITIALIZER + number, **arguments},
            (0, 1, 0, flat.size),
            seed=seed if self.seed is None else self.seed,
        )

    def get_config(self) -> Config:
        return {"seed": self.seed}


class RandomUniform(_Random):
    """Uniform on [minval, maxval).

    Parameters
    ----------
    minval, maxval : float
    seed : int, optional
        Of the values; they follow from the model's seed unless given, and from the weight's number in the model.
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Seed = None) -> None:
        super().__init__(seed)
        self.minval: float = _checks.real_number("RandomUniform", "minval", minval)
        self.maxval: float = _checks.real_number("RandomUniform", "maxval", maxval)

    def fill(self, array: Array, seed: int, number: int) -> None:
        self._draw("random_uniform", array, seed, number, low=self.minval, high=self.maxval)

    def get_config(self) -> Config:
        return {"minval": self.minval, "maxval": self.maxval, **super().get_config()}


class RandomNormal(_Random):
    """Normal with this mean and standard deviation.

    Parameters
    ----------
    mean : float
    stddev : float of at least 0
    seed : int, optional
        Of the values; they follow from the model's seed unless given, and from the weight's number in the model.
    """

    truncated = 0

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Seed = None) -> None:
        super().__init__(seed)
        self.mean: float = _checks.real_number(type(self).__name__, "mean", mean)
        self.stddev: float = _checks.real_number(type(self).__name__, "stddev", stddev, 0)

    def fill(self, array: Array, seed: int, number: int) -> None:
        self._draw(
            "random_normal", array, seed, number, mean=self.mean, stddev=self.stddev, truncated=self.truncated
        )

    def get_config(self) -> Config:
        return {"mean": self.mean, "stddev": self.stddev, **super().get_config()}


class TruncatedNormal(RandomNormal):
    """As `RandomNormal`, given that a value is not more than two standard deviations from the mean.

    The values' own standard deviation is 0.8796 `stddev`, therefore.

    Parameters
    ----------
    mean, stddev, seed : as in `RandomNormal`
    """

    truncated = 1


class VarianceScaling(_Random):
    """Values of mean 0 and variance scale / n.

    Parameters
    ----------
    scale : float above 0
    mode : "fan_in", "fan_out" or "fan_avg"
        What n is: inputs of a unit, units that an input goes to, or the mean of both; at least 1.
    distribution : "truncated_normal" (or "normal"), "untruncated_normal" or "uniform"
        Normal and at most two standard deviations (before they are cut off) from 0; normal; uniform on [-b, b) with
        b = sqrt(3 scale / n).
    seed : int, optional
        Of the values; they follow from the model's seed unless given, and from the weight's number in the model.
    input_axes, output_axes : lists of axes, optional
        Which axes' extents are multiplied for the numbers of inputs and of outputs. Unless both are given, a weight is
        (..., inputs, outputs), with both numbers times the extents before.
    """

    def __init__(
            self, scale: float = 1.0, mode: Literal["fan_in", "fan_out", "fan_avg"] = "fan_in",
            distribution: Literal["truncated_normal", "untruncated_normal", "normal", "uniform"] = "truncated_normal",
            seed: Seed = None, input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
    ) -> None:  # fmt: skip
        super().__init__(seed)
        self.scale: float = _checks.real_number(type(self).__name__, "scale", scale, 0, low_open=True)
        self.mode: str = _checks.choice(type(self).__name__, "mode", mode, ("fan_in", "fan_out", "fan_avg"))
        if isinstance(distribution, str):
            distribution = distribution.lower()  # type: ignore[assignment]
            distribution = "truncated_normal" if distribution == "normal" else distribution
        self.distribution: str = _checks.choice(type(self).__name__, "distribution", distribution,
                                    ("truncated_normal", "untruncated_normal", "uniform"))  # fmt: skip
        self.input_axes: list[int] | None = _axes(type(self).__name__, "input_axes", input_axes)
        self.output_axes: list[int] | None = _axes(type(self).__name__, "output_axes", output_axes)

    def fill(self, array: Array, seed: int, number: int) -> None:
        fan_in, fan_out = fans(array.shape, self.input_axes, self.output_axes)
        fan = max(1.0, {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode])
        if self.distribution == "uniform":
            bound = math.sqrt(3 * self.scale / fan)
            self._draw("random_uniform", array, seed, number, low=-bound, high=bound)
            return
        truncated = self.distribution == "truncated_normal"
        deviation = math.sqrt(self.scale / fan) / (TRUNCATED_DEVIATION if truncated else 1)
        self._draw("random_normal", array, seed, number, mean=0.0, stddev=deviation, truncated=truncated)

    def get_config(self) -> Config:
        return {"scale": self.scale, "mode": self.mode, "distribution": self.distribution, **super().get_config(),
                "input_axes": self.input_axes, "output_axes": self.output_axes}  # fmt: skip


class _Scaled(VarianceScaling):
    """A VarianceScaling whose class says everything but the seed."""

    arguments: tuple[Any, ...] = (1.0, "fan_avg", "uniform")  # scale, mode, distribution

    def __init__(self, seed: Seed = None, input_axes: Sequence[int] | None = None,
                 output_axes: Sequence[int] | None = None) -> None:  # fmt: skip
        super().__init__(*self.arguments, seed, input_axes, output_axes)  # type: ignore[call-arg]

    def get_config(self) -> Config:
        return {"seed": self.seed, "input_axes": self.input_axes, "output_axes": self.output_axes}


class GlorotUniform(_Scaled):
    """Uniform on [-b, b), b = sqrt(6 / (fan_in + fan_out)). (Glorot and Bengio, 2010.)

    Parameters
    ----------
    seed, input_axes, output_axes : as in `VarianceScaling`
    """


class GlorotNormal(_Scaled):
    """Truncated normal with variance 2 / (fan_in + fan_out). (Glorot and Bengio, 2010.)

    Parameters
    ----------
    seed, input_axes, output_axes : as in `VarianceScaling`
    """

    arguments: tuple[Any, ...] = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Scaled):
    """Uniform on [-b, b), b = sqrt(6 / fan_in). (He et al., 2015.)

    Parameters
    ----------
    seed, input_axes, output_axes : as in `VarianceScaling`
    """

    arguments: tuple[Any, ...] = (2.0, "fan_in", "uniform")


class HeNormal(_Scaled):
    """Truncated normal with variance 2 / fan_in. (He et al., 2015.)

    Parameters
    ----------
    seed, input_axes, output_axes : as in `VarianceScaling`
    """

    arguments: tuple[Any, ...] = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Scaled):
    """Uniform on [-b, b), b = sqrt(3 / fan_in). (LeCun et al., 1998.)

    Parameters
    ----------
    seed, input_axes, output_axes : as in `VarianceScaling`
    """

    arguments: tuple[Any, ...] = (1.0, "fan_in", "uniform")


class LecunNormal(_Scaled):
    """Truncated normal with variance 1 / fan_in. (LeCun et al., 1998.)

    Parameters
    ----------
    seed, input_axes, output_axes : as in `VarianceScaling`
    """

    arguments: tuple[Any, ...] = (1.0, "fan_in", "truncated_normal")


class Orthogonal(_Random):
    """`gain` times a matrix whose rows or columns, whichever are fewer, are orthonormal, and of random direction.

    A weight of more than two axes is taken as a matrix (all but the last axis, last axis). The vectors are
    orthonormalized in float64 whatever the weight's type is. (Saxe et al., 2014.)

    Parameters
    ----------
    gain : float
    seed : int, optional
        Of the values; they follow from the model's seed unless given, and from the weight's number in the model.

    Raises
    ------
    ValueError
        When a weight of less than two axes is made.
    """

    def __init__(self, gain: float = 1.0, seed: Seed = None) -> None:
        super().__init__(seed)
        self.gain: float = _checks.real_number("Orthogonal", "gain", gain)

    def fill(self, array: Array, seed: int, number: int) -> None:
        if array.ndim < 2:
            raise ValueError(f"Orthogonal fills weights of at least two axes; got shape {array.shape}")
        if not array.size:
            return
        rows, columns = math.prod(array.shape[:-1]), array.shape[-1]
        vectors = np.empty((min(rows, columns), max(rows, columns)))
        self._draw("random_normal", vectors, seed, number, mean=0.0, stddev=1.0, truncated=0)
        _kernels.run("orthonormalize", vectors.dtype,
                     {"vectors": vectors, "count": vectors.shape[0], "length": vectors.shape[1]}, (0, 1))  # fmt: skip
        matrix = vectors.T if rows >= columns else vectors
        array[...] = (self.gain * matrix).reshape(array.shape)

    def get_config(self) -> Config:
        return {"gain": self.gain, **super().get_config()}


def _axes(owner: str, name: str, axes: Any) -> list[int] | None:
    """Numbers of axes, which count from the end where they are negative."""
    if axes is None:
        return None
    return [_checks.integer(owner, name, axis, least=-32) for axis in _checks.sequence(owner, name, axes)]


def fans(shape: Sequence[int], input_axes: Sequence[int] | None = None,
         output_axes: Sequence[int] | None = None) -> Any:  # fmt: skip
    """Inputs and outputs of one unit of a weight: (..., inputs, outputs), unless axes say where they are."""
    if input_axes is not None and output_axes is not None:
        return tuple(math.prod(shape[axis] for axis in axes) for axes in (input_axes, output_axes))
    if len(shape) < 2:
        size = shape[0] if shape else 1
        return size, size
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


constant = Constant
zeros = Zeros
ones = Ones
identity = Identity
orthogonal = Orthogonal
random_uniform = RandomUniform
random_normal = RandomNormal
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
glorot_uniform = GlorotUniform
glorot_normal = GlorotNormal
he_uniform = HeUniform
he_normal = HeNormal
lecun_uniform = LecunUniform
lecun_normal = LecunNormal
IdentityInitializer = Identity
OrthogonalInitializer = Orthogonal

_BY_NAME = {
    "constant": Constant,
    "glorot_normal": GlorotNormal,
    "glorot_uniform": GlorotUniform,
    "he_normal": HeNormal,
    "he_uniform": HeUniform,
    "identity": Identity,
    "lecun_normal": LecunNormal,
    "lecun_uniform": LecunUniform,
    "normal": RandomNormal,
    "one": Ones,
    "ones": Ones,
    "orthogonal": Orthogonal,
    "random_normal": RandomNormal,
    "random_uniform": RandomUniform,
    "truncated_normal": TruncatedNormal,
    "uniform": RandomUniform,
    "variance_scaling": VarianceScaling,
    "zero": Zeros,
    "zeros": Zeros,
}
_BY_CLASS = {
    **{cls.__name__: cls for cls in _BY_NAME.values()},
    "IdentityInitializer": Identity,
    "OrthogonalInitializer": Orthogonal,
}


def get(identifier: InitializerLike) -> Initializer:
    """Returns the initializer that a name, a configuration, a function, an array or an initializer stands for.

    A function is called as `function(shape, dtype=dtype)`; an array holds the initial values themselves.
    """
    if isinstance(identifier, (np.ndarray, np.generic)):
        return Constant(identifier)
    if callable(identifier) and not isinstance(identifier, (type, Initializer)):
        return _Function(identifier)
    return _checks.resolve("initializer", identifier, Initializer, _BY_NAME, _BY_CLASS)


def serialize(initializer: Initializer) -> Config:
    """Returns {"class_name", "config"} of an initializer."""
    return _checks.serialize(initializer)


def deserialize(config: InitializerLike) -> Initializer:
    """Returns the initializer that `serialize` described."""
    return get(config)

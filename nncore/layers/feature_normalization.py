"""Normalization of features by statistics of the data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _checks, _data, _engine, initializers
from nncore._plan import Job, Tiles
from nncore.layers.batch_normalization import TILE_CHANNELS
from nncore.layers.layer import Layer
from nncore.layers.normalization import checked_axis, emit_over, sample_axes
from nncore.layers.preparing import batches_to_adapt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Unpack

    from nncore._likes import AnyLayerArguments
    from nncore._plan import Builder, Value
    from nncore._typing import Array, Config, Data, Shape
    from nncore._weight import Weight

LEAST_DEVIATION = 1e-7  # what a smaller one counts as
PIECE_ELEMENTS = 1 << 22  # of data whose statistics are taken at once


class Normalization(Layer):
    """y = (x - mean) / sqrt(variance), with mean and variance of the data along `axis`; of `invert` the way back.

    A deviation below 1e-7 counts as that. Mean and variance are given, or found by `adapt`, and 0 and 1 until then.

    Parameters
    ----------
    axis : int, sequence of int, or None
        Those along which mean and variance differ, counted with the axis of samples, which cannot be among them; None
        for one mean of all numbers.
    mean, variance : float, or array that fits the extents of `axis`, optional
    invert : bool
        y = mean + x sqrt(variance).

    Raises
    ------
    ValueError
        For an axis that a sample does not have, and for a mean without a variance.

    Examples
    --------
    >>> layer = nn.layers.Normalization()
    >>> layer.adapt(np.array([[0.0, 7.0], [2.0, 9.0], [0.0, 7.0], [2.0, 9.0]]))
    >>> layer([[0.0, 9.0]]).tolist()
    [[-1.0, 1.0]]
    """

    supports_masking = True

    built: bool

    def __init__(self, axis: int | Sequence[int] | None = -1, mean: float | Data | None = None,
                 variance: float | Data | None = None, invert: bool = False,
                 **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(**common)
        none = axis is None or (isinstance(axis, (list, tuple)) and not axis)
        self.axis: int | Sequence[int] = [] if none else checked_axis("Normalization", axis)
        if (mean is None) != (variance is None):
            raise ValueError(f"Normalization takes mean and variance, or neither; got mean={mean}, "
                             f"variance={variance}")  # fmt: skip
        self._given = None
        if mean is not None:
            self._given = _statistic("mean", mean), _statistic("variance", variance, least=0)
            if self._given[0].shape != self._given[1].shape:
                raise ValueError(f"Normalization: mean has shape {self._given[0].shape}, and variance "
                                 f"{self._given[1].shape}")  # fmt: skip
        self.invert: bool = _checks.boolean("Normalization", "invert", invert)
        self._adapted: Sequence[Array] | None = None  # mean and variance, found before the layer was built
        self._adapted_shape: Shape | None = None  # of a sample then
        self._made: list[Weight] | None = None  # Weights of mean, variance and count
        self._only_called = False  # on arrays, so that no model has these weights

    def _axes(self, shape: Shape) -> list[int]:
        """The axes of a sample along which statistics differ."""
        return [] if self.axis == [] else sample_axes(self, self.axis, shape)

    def _extents(self, shape: Shape) -> Shape:
        return tuple(shape[axis] for axis in self._axes(shape))

    def compute_output_shape(self, input_shape: Any) -> Any:
        self._axes(input_shape)
        return input_shape

    def __call__(self, inputs: Any, *arguments: Any, **options: Any) -> Any:
        only_called = self._only_called or not self.built
        outputs = super().__call__(inputs, *arguments, **options)
        self._only_called = only_called and self.built
        return outputs

    def build_for(self, input_shape: Any, weights: Any) -> None:
        """Builds the layer; one that was only called on arrays takes the type of the model that it comes into."""
        if self._only_called and self._made is not None and self._made[0].array.dtype != weights.dtype:
            self._adapted, self._adapted_shape = [weight.array for weight in self._made[:2]], self.input_shape
            self._made, self._weights, self.built = None, [], False
        super().build_for(input_shape, weights)
        self._only_called = False

    # ---- statistics

    @property
    def mean(self) -> Array | Any:
        """The mean as an array that fits samples with their axis in front; None before it is known."""
        return self._shown(0)

    @property
    def variance(self) -> Array | Any:
        """The variance, as `mean`."""
        return self._shown(1)

    def _shown(self, which: int) -> Any:
        shape = self.input_shape if self.built else self._adapted_shape
        if shape is None:
            return None
        return self._along(shape, self._statistics(shape)[which])[None]

    def _along(self, shape: Any, statistic: Any) -> Any:
        """A statistic as it fits samples of a shape."""
        axes = self._axes(shape)
        return statistic.reshape([extent if axis in axes else 1 for axis, extent in enumerate(shape)])

    def mean_and_deviation(self, shape: Any) -> tuple[Array, Array]:
        """What is subtracted and divided by, in float64, as arrays that fit samples of a shape."""
        mean, variance = (self._along(shape, np.asarray(found, np.float64)) for found in self._statistics(shape))
        return mean, np.maximum(np.sqrt(variance), LEAST_DEVIATION)

    def _statistics(self, shape: Shape) -> Any:
        """Mean and variance of the extents of `axis`, for samples of a shape."""
        if self._given is not None:
            extents = self._extents(shape)
            try:
                return [np.broadcast_to(statistic, extents) for statistic in self._given]
            except ValueError:
                raise ValueError(
                    f"layer {self.name!r}: mean and variance of shape {self._given[0].shape} do not fit {extents}, the "
                    f"extents of axis={self.axis!r} of samples of shape {shape}"
                ) from None
        if self._made is not None:
            return [weight.array for weight in self._made[:2]]
        return self._adapted

    def build(self, input_shape: Any) -> None:
        if self._given is not None:
            self._statistics(input_shape)
            return
        if self._adapted is not None and self._extents(input_shape) != self._adapted[0].shape:
            raise ValueError(
                f"layer {self.name!r} was adapted to samples of shape {self._adapted_shape}; got {input_shape}"
            )
        extents = self._extents(input_shape)
        self._made = [
            self.add_weight("mean", extents, initializers.get("zeros"), trainable=False),
            self.add_weight("variance", extents, initializers.get("ones"), trainable=False),
            self.add_weight("count", (), initializers.get("zeros"), trainable=False),  # Keras's, of older files
        ]
        if self._adapted is not None:
            for weight, statistic in zip(self._made, self._adapted, strict=False):
                weight.array[...] = statistic
            self._adapted = None

    def adapt(self, data: Data | Iterable[Any]) -> None:
        """Takes mean and variance of data.

        Parameters
        ----------
        data : array (rows, ...), or an iterable of minibatches of which the inputs count

        Raises
        ------
        ValueError
            For data of another shape than the layer is built for, without rows, or with NaN.
        """
        if self._given is not None:
            raise ValueError(f"layer {self.name!r} was given mean and variance: only one without can be adapted")
        shape, count, mean, squares = self.input_shape if self.built else None, 0, 0.0, 0.0
        for part in batches_to_adapt(data, None, f"layer {self.name!r}"):
            table = _data.as_table(part, "data")
            table = table[:, None] if table.ndim == 1 else table
            shape = tuple(table.shape[1:]) if shape is None else shape
            if table.ndim < 2 or self._extents(tuple(table.shape[1:])) != self._extents(shape):
                raise ValueError(f"layer {self.name!r} takes samples of shape {shape}; data have shape {table.shape}")
            rows = max(1, PIECE_ELEMENTS // max(1, math.prod(table.shape[1:])))
            for begin in range(0, len(table), rows):
                piece = np.asarray(table[begin : begin + rows], np.float64)
                reduced = (0, *(axis + 1 for axis in range(len(shape)) if axis not in self._axes(shape)))
                more = math.prod(piece.shape[axis] for axis in reduced)
                center = piece.mean(reduced)
                deviations = piece - center.reshape([n if axis not in reduced else 1
                                                     for axis, n in enumerate(piece.shape)])  # fmt: skip
                step = center - mean  # two parts' sums of squares, Chan et al. 1983
                squares = squares + (deviations**2).sum(reduced) + step**2 * (count * more / (count + more))
                mean = mean + step * (more / (count + more))
                count += more
        if not count:
            raise ValueError(f"layer {self.name!r}: there was nothing to adapt to")
        if not (np.isfinite(mean).all() and np.isfinite(squares).all()):
            raise ValueError(f"layer {self.name!r}: the data hold NaN or infinities; fill them, or drop their rows")
        found = np.asarray(mean), np.asarray(squares / count)
        if self._made is None:
            self._adapted, self._adapted_shape = found, shape
        else:
            for weight, statistic in zip(self._made, found, strict=False):
                weight.array[...] = statistic

    # ---- steps

    def emit(self, builder: Builder, x: Any) -> Any:
        axes = self._axes(x.shape)
        mean, variance = (self._row(builder, statistic) for statistic in self._statistics(x.shape))
        if not axes:
            return self._emit(builder, x, mean, variance)
        return emit_over(builder, x, axes, lambda x, _: self._emit(builder, x, mean, variance))

    def _row(self, builder: Builder, statistic: Array) -> Array:
        """A statistic as the kernels read it: the weight's own memory, or a copy of what is no weight."""
        if self._made is not None:
            return statistic.reshape(-1)
        array = _engine.aligned_zeros(statistic.size, builder.dtype)
        array[...] = statistic.reshape(-1)
        return array

    def _emit(self, builder: Builder, x: Any, mean: Array, variance: Array) -> Value:
        channels = mean.size
        sizes = {"positions": x.width // channels, "channels": channels}
        x.uses += 1
        y = builder.value(x.shape, x.needs_gradient)
        scale = _engine.aligned_zeros(channels, builder.dtype)
        to_scale = ("deviation_scale", {"variance": variance, "scale": scale, "deviation": self.invert,
                                        "least": LEAST_DEVIATION})  # fmt: skip
        builder.prologue(Job(Tiles(1, channels, 1, min(channels, TILE_CHANNELS)), [to_scale]))
        builder.forward("normalize", x=x.buffer, mean=None if self.invert else mean, scale=scale,
                        beta=mean if self.invert else None, y=y.buffer, x_stride=x.stride, y_stride=y.stride,
                        statistics_stride=0, **sizes)  # fmt: skip

        def backward() -> None:
            if y.gradient is None or not x.needs_gradient:
                return

            def step(dx: Any) -> None:
                builder.backward_step("normalize", x=y.gradient, mean=None, scale=scale, beta=None, y=dx,
                                      x_stride=y.gradient.stride, y_stride=dx.stride, statistics_stride=0,
                                      **sizes)  # fmt: skip

            builder.add_gradient(x, step)

        builder.on_backward(backward)
        return y

    def get_config(self) -> Config:
        mean, variance = (None, None) if self._given is None else (statistic.tolist() for statistic in self._given)
        axis = None if self.axis == [] else self.axis
        return {"axis": axis, "mean": mean, "variance": variance, "invert": self.invert, **super().get_config()}


def _statistic(name: str, given: Any, least: float | None = None) -> Array:
    array = np.asarray(_data.as_array(given, f"Normalization: {name}"), np.float64)
    if not np.isfinite(array).all() or (least is not None and (array < least).any()):
        raise ValueError(f"Normalization: {name} must be finite{'' if least is None else ' and not negative'}; got "
                         f"{given!r}")  # fmt: skip
    return array


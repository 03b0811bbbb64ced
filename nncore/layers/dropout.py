"""Dropout, and layers that drop otherwise: whole channels, or to a value other than 0."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nncore import _checks, _engine, _windows
from nncore._axes import emit_copy, emit_pair, repeating_axes
from nncore.layers.random import RandomLayer, strides

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Unpack

    from nncore._engine import Buffer
    from nncore._likes import AnyLayerArguments
    from nncore._plan import Builder, Value
    from nncore._typing import Config, DataFormat, Seed


class _Dropping(RandomLayer):
    """A layer that drops each of the numbers of its noise shape with probability `rate`."""

    def __init__(self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Seed = None, *,
                 rate_below_1: bool = False, **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(seed, **common)
        self.rate: float = _checks.real_number(type(self).__name__, "rate", rate, 0, 1, high_open=rate_below_1)
        self.noise_shape: Sequence[int | None] | None = None if noise_shape is None else self._checked(noise_shape)

    def _checked(self, noise_shape: Any) -> Any:
        owner = type(self).__name__
        if isinstance(noise_shape, str) or not hasattr(noise_shape, "__iter__"):
            raise TypeError(f"{owner}: noise_shape must be a sequence of integers and None, not {noise_shape!r}")
        first, *others = list(noise_shape) or [0]
        if first is not None:
            raise ValueError(
                f"{owner}: noise_shape must begin with None, as each sample has numbers of its own; got {noise_shape!r}"
            )
        return (None, *(n if n is None else _checks.positive_integer(owner, "noise_shape", n) for n in others))

    @property
    def active(self) -> bool:
        return self.rate > 0

    def compute_output_shape(self, input_shape: Any) -> Any:
        self._shape_of_numbers(input_shape)
        return input_shape

    def _shape_of_numbers(self, input_shape: Any) -> Any:
        """Of one sample: 1 along axes whose elements are dropped together."""
        if self.noise_shape is None:
            return input_shape
        own = self.noise_shape[1:]
        if len(own) != len(input_shape) or any(
            n not in (None, 1, extent) for n, extent in zip(own, input_shape, strict=False)
        ):
            raise ValueError(
                f"layer {self.name!r}: noise_shape {self.noise_shape} does not fit samples of shape {input_shape}: "
                "along each axis it must have None, 1 or the extent"
            )
        return tuple(extent if n is None else n for n, extent in zip(own, input_shape, strict=True))

    def _emit_mask(self, builder: Builder, x: Value, kernel: str, **arguments: Any) -> Buffer:
        """What `kernel` makes of ones, for the numbers of the noise shape, repeated to the shape of x: a buffer."""
        shape = self._shape_of_numbers(x.shape)
        width = math.prod(shape)
        ones = _engine.aligned_zeros(width, builder.dtype)
        ones[:] = 1
        mask, numbers = builder.buffer(x.width), builder.buffer(width)
        builder.forward(kernel, x=ones, y=numbers, features=width, x_stride=0, y_stride=numbers.stride, **arguments)
        emit_copy(builder.forward, numbers, mask, repeating_axes(shape, x.shape))
        return mask

    def get_config(self) -> Config:
        return {"rate": self.rate, "noise_shape": self.noise_shape, **super().get_config()}


class Dropout(_Dropping):
    """In training, y = m x / (1 - rate), where each m is 0 with probability `rate` and else 1; else y = x.

    The m are a function of the model's seed, the layer's place in the model, the training step and the element's
    place in the minibatch. (Srivastava et al., 2014.)

    Parameters
    ----------
    rate : float in [0, 1]
    noise_shape : sequence of None and integers, optional
        The shape of the m, beginning with None for the samples: along axes of 1 all elements share one, None is the
        axis' own extent.
    seed : int, optional
        Makes the layer's numbers differ from those that its place alone would give.
    """

    def emit_random(self, builder: Builder, x: Value, y: Value, stream: int) -> Callable[[Buffer, Buffer], Any]:
        if self._shape_of_numbers(x.shape) != x.shape:
            mask = self._emit_mask(builder, x, "dropout", stream=stream, rate=self.rate)
            emit_pair(builder.forward, "apply_mask", x.buffer, mask, y.buffer, x.width)
            return lambda dy, dx: emit_pair(builder.backward_step, "apply_mask", dy, mask, dx, x.width)

        def step(add: Any, source: Any, target: Any) -> None:
            add("dropout", **strides(source, target), features=x.width, stream=stream, rate=self.rate)

        step(builder.forward, x.buffer, y.buffer)
        return lambda dy, dx: step(builder.backward_step, dy, dx)


class AlphaDropout(_Dropping):
    """In training, y = a (m x + (1 - m) c) + b, where each m is 0 with probability `rate` and else 1; else y = x.

    With c = -1.7581, where SELU ends, and a, b such that mean 0 and variance 1 of x are those of y as well:
    a = ((1 - rate) (1 + rate c^2))^(-1/2), b = -a c rate. (Klambauer et al., 2017.)

    Parameters
    ----------
    rate : float in [0, 1)
    noise_shape : sequence of None and integers, optional
        The shape of the m, as in `Dropout`.
    seed : int, optional
        Makes the layer's numbers differ from those that its place alone would give.
    """

    END_OF_SELU = -1.6732632423543772 * 1.0507009873554805

    def __init__(self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: Seed = None,
                 **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(rate, noise_shape, seed, rate_below_1=True, **common)

    def emit_random(self, builder: Builder, x: Value, y: Value, stream: int) -> Callable[[Buffer, Buffer], Any]:
        end = self.END_OF_SELU
        scale = ((1 - self.rate) * (1 + self.rate * end * end)) ** -0.5
        shift = -scale * end * self.rate
        drawn = {"stream": stream, "rate": self.rate}
        kept = {"scale": scale, "shift": shift, "dropped": scale * end + shift}
        gradient = {"scale": scale, "shift": 0.0, "dropped": 0.0}
        if self._shape_of_numbers(x.shape) != x.shape:
            factor = self._emit_mask(builder, x, "alpha_dropout", **drawn, **gradient)
            offset = self._emit_mask(builder, x, "alpha_dropout", **drawn, **{**kept, "scale": 0.0})
            emit_pair(builder.forward, "apply_mask", x.buffer, factor, y.buffer, x.width)
            builder.forward("add_rows", x=offset, y=y.buffer, features=x.width, x_stride=offset.stride,
                            y_stride=y.stride)  # fmt: skip
            return lambda dy, dx: emit_pair(builder.backward_step, "apply_mask", dy, factor, dx, x.width)

        def step(add: Any, source: Any, target: Any, values: Any) -> None:
            add("alpha_dropout", **strides(source, target), features=x.width, **drawn, **values)

        step(builder.forward, x.buffer, y.buffer, kept)
        return lambda dy, dx: step(builder.backward_step, dy, dx, gradient)


class _SpatialDropout(Dropout):
    """Dropout of whole channels."""

    axes = 0  # of a sample, the channels included
    wanted = ""

    def __init__(self, rate: float, seed: Seed = None, **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(rate, seed=seed, **common)

    def _shape_of_numbers(self, input_shape: Any) -> Any:
        if len(input_shape) != self.axes:
            raise ValueError(f"layer {self.name!r} needs samples of shape {self.wanted}; got {input_shape}")
        return (*(1,) * (self.axes - 1), input_shape[-1])

    def get_config(self) -> Config:
        config = super().get_config()
        del config["noise_shape"]
        return config


class SpatialDropout1D(_SpatialDropout):
    """As `Dropout`, but drops all steps of a channel together; samples are (steps, channels).

    Parameters
    ----------
    rate : float in [0, 1]
    seed : int, optional
        As in `Dropout`.

    References
    ----------
    Tompson et al., 2015.
    """

    axes: int
    wanted: str
    axes, wanted = 2, "(steps, channels)"


class SpatialDropout2D(_SpatialDropout):
    """As `Dropout`, but drops all of a channel's image together; samples are (rows, columns, channels).

    Parameters
    ----------
    rate : float in [0, 1]
    data_format : "channels_last" or None
    seed : int, optional
        As in `Dropout`.

    References
    ----------
    Tompson et al., 2015.
    """

    axes: int
    wanted: str
    axes, wanted = 3, "(rows, columns, channels)"

    def __init__(self, rate: float, data_format: DataFormat = None, seed: Seed = None,
                 **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(rate, seed=seed, **common)
        _windows.channels_last("SpatialDropout2D", data_format)

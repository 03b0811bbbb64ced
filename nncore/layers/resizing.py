"""Layers that make the axes of sequences and images longer or shorter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from nncore import _checks, _windows
from nncore._axes import emit_broadcast, emit_copy, steps_of
from nncore.layers.layer import Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Unpack

    from nncore._engine import Buffer
    from nncore._likes import AnyLayerArguments
    from nncore._plan import Builder, Value
    from nncore._typing import Config, DataFormat, Integers


def emit_repeated(builder: Builder, x: Value, factors: Sequence[int]) -> Value:
    """Each element of a sample so many times in a row along its axes; returns the Value."""
    x.uses += 1
    own = [n for extent in x.shape for n in (extent, 1)]
    target = [n for pair in zip(x.shape, factors, strict=True) for n in pair]
    y = emit_broadcast(builder, builder.same(x, own), tuple(target))
    y.uses += 1
    return builder.same(y, [extent * factor for extent, factor in zip(x.shape, factors, strict=True)])


class UpSampling1D(Layer):
    """Each step `size` times in a row: samples are (steps, channels), of y (size steps, channels).

    Parameters
    ----------
    size : int
    """

    def __init__(self, size: int = 2, **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(**common)
        self.size: int = _checks.positive_integer("UpSampling1D", "size", size)

    def compute_output_shape(self, input_shape: Any) -> Any:
        (steps,) = _windows.spatial_extents(self, input_shape, 1)
        return steps * self.size, input_shape[-1]

    def emit(self, builder: Builder, x: Value) -> Any:
        return emit_repeated(builder, x, (self.size, 1))

    def get_config(self) -> Config:
        return {"size": self.size, **super().get_config()}


class UpSampling2D(Layer):
    """Images `size` times as large: (rows, columns, channels) becomes (size[0] rows, size[1] columns, channels).

    Parameters
    ----------
    size : int or two ints
        Factors of rows and columns.
    data_format : "channels_last" or None
    interpolation : "nearest" or "bilinear"
        Each pixel repeated, or what lies between the middles of pixels interpolated linearly along columns and rows;
        beyond the outermost ones their value.
    """

    def __init__(self, size: Integers = (2, 2), data_format: DataFormat = None,
                 interpolation: Literal["nearest", "bilinear"] = "nearest",
                 **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(**common)
        self.size: tuple[int, ...] = _windows.integers("UpSampling2D", "size", size, 2)
        self.data_format: str = _windows.channels_last("UpSampling2D", data_format)
        self.interpolation = interpolation.lower() if isinstance(interpolation, str) else interpolation
        if not _checks.is_word(self.interpolation, ("nearest", "bilinear")):
            raise ValueError(f"UpSampling2D: interpolation must be 'nearest' or 'bilinear', not {interpolation!r}")

    def compute_output_shape(self, input_shape: Any) -> Any:
        rows, columns = _windows.spatial_extents(self, input_shape, 2)
        return rows * self.size[0], columns * self.size[1], input_shape[-1]

    def emit(self, builder: Builder, x: Value) -> Any:
        if self.interpolation == "nearest":
            return emit_repeated(builder, x, (*self.size, 1))
        x.uses += 1
        y = builder.value(self.compute_output_shape(x.shape), x.needs_gradient)
        sizes = {"image_rows": x.shape[0], "image_columns": x.shape[1], "channels": x.shape[2],
                 "row_factor": self.size[0], "column_factor": self.size[1]}  # fmt: skip
        builder.forward("upsample_linear_forward", x=x.buffer, y=y.buffer, x_stride=x.stride, y_stride=y.stride,
                        **sizes)  # fmt: skip

        def backward() -> None:
            if y.gradient is not None and x.needs_gradient:
                builder.add_gradient(x, lambda dx: builder.backward_step(
                    "upsample_linear_backward", dy=y.gradient, dx=dx, dy_stride=y.gradient.stride,
                    dx_stride=dx.stride, **sizes))  # fmt: skip

        builder.on_backward(backward)
        return y

    def get_config(self) -> Config:
        return {"size": self.size, "data_format": self.data_format, "interpolation": self.interpolation,
                **super().get_config()}  # fmt: skip


def _emit_padded(add: Callable[..., Any], x: Buffer, y: Buffer, shape: Any, margins: Any) -> None:
    """Adds a step y = x, of samples of `shape`, with zeros around; margins are (before, after) of rows and columns."""
    lines, columns, channels = shape
    (lines_before, lines_after), (before, after) = margins
    add("pad_zeros", x=x, y=y, lines=lines, width=columns * channels, lines_before=lines_before,
        lines_after=lines_after, before=before * channels, after=after * channels, x_stride=x.stride,
        y_stride=y.stride)  # fmt: skip


def _emit_cropped(add: Callable[..., Any], x: Buffer, y: Buffer, shape: Any, margins: Any) -> None:
    """Adds a step y, of samples of `shape`, = x without the margins."""
    whole = [extent + sum(margin) for extent, margin in zip(shape, (*margins, (0, 0)), strict=True)]
    axes = list(zip(shape, steps_of(whole), steps_of(shape), strict=True))
    first = sum(margin[0] * step for margin, step in zip(margins, steps_of(whole), strict=False))
    emit_copy(add, x.at(first), y, axes)


class _Margins(Layer):
    """Samples with, or without, margins around them."""

    axes = 0
    argument = ""  # its name
    padded = True  # or cropped

    def __init__(self, margins: Any, data_format: Any, **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(**common)
        owner = type(self).__name__
        self.data_format: str = _windows.channels_last(owner, data_format)
        self._margins = self._checked(owner, margins)

    def _checked(self, owner: Any, value: Any) -> Any:
        """((before, after), ...) of each axis."""
        if self.axes == 1:
            return (_windows.integers(owner, self.argument, value, 2, least=0),)
        if _checks.index_of(value) is not None:
            value = (value,) * 2
        if not isinstance(value, (list, tuple)) or len(value) != 2:
            raise ValueError(f"{owner}: {self.argument} must be an integer, two, or two pairs of them, not {value!r}")
        return tuple(_windows.integers(owner, f"each of {self.argument}", one, 2, least=0) for one in value)

    def _whole(self) -> Any:
        """The margins of rows and of columns; a sequence has one row."""
        return ((0, 0),) * (2 - self.axes) + self._margins

    def compute_output_shape(self, input_shape: Any) -> Any:
        extents = _windows.spatial_extents(self, input_shape, self.axes)
        sign = 1 if self.padded else -1
        shape = [extent + sign * sum(margin) for extent, margin in zip(extents, self._margins, strict=True)]
        if min(shape) < 1:
            raise ValueError(
                f"layer {self.name!r}: {self.argument} {self._shown()} leaves nothing of samples of shape "
                f"{tuple(input_shape)}"
            )
        return (*shape, input_shape[-1])

    def emit(self, builder: Builder, x: Value) -> Any:
        shape, margins = self.compute_output_shape(x.shape), self._whole()
        smaller = (1,) * (2 - self.axes) + (x.shape if self.padded else shape)
        there, back = (_emit_padded, _emit_cropped) if self.padded else (_emit_cropped, _emit_padded)
        x.uses += 1
        y = builder.value(shape, x.needs_gradient)
        there(builder.forward, x.buffer, y.buffer, smaller, margins)

        def backward() -> None:
            if y.gradient is not None and x.needs_gradient:
                builder.add_gradient(x, lambda dx: back(builder.backward_step, y.gradient, dx, smaller, margins))

        builder.on_backward(backward)
        return y

    def _shown(self) -> Any:
        return self._margins[0] if self.axes == 1 else self._margins

    def get_config(self) -> Config:
        return {self.argument: self._shown(), **super().get_config()}


class _ZeroPadding(_Margins):

    argument: str
    padded: bool
    argument, padded = "padding", True

    @property
    def padding(self) -> Any:
        """Elements before and after, of each axis."""
        return self._shown()

    def get_config(self) -> Config:
        return {"data_format": self.data_format, **super().get_config()}


class ZeroPadding1D(_ZeroPadding):
    """Zeros before and after the steps of samples of (steps, channels).

    Parameters
    ----------
    padding : int or two ints
        So many before and after; one number for both.
    data_format : "channels_last" or None
    """

    axes = 1

    def __init__(self, padding: Integers = 1, data_format: DataFormat = None,
                 **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(padding, data_format, **common)


class ZeroPadding2D(_ZeroPadding):
    """Zeros around images of (rows, columns, channels).

    Parameters
    ----------
    padding : int, two ints, or two pairs of ints
        On all sides; of rows and of columns; or ((above, below), (left, right)).
    data_format : "channels_last" or None
    """

    axes = 2

    def __init__(self, padding: int | Sequence[Integers] = (1, 1), data_format: DataFormat = None,
                 **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(padding, data_format, **common)


class _Cropping(_Margins):

    argument: str
    padded: bool
    argument, padded = "cropping", False

    @property
    def cropping(self) -> Any:
        """Elements before and after, of each axis."""
        return self._shown()


class Cropping1D(_Cropping):
    """Samples of (steps, channels) without their first and last steps.

    Parameters
    ----------
    cropping : int or two ints
        So many at the beginning and at the end; one number for both.

    Raises
    ------
    ValueError
        Where nothing would be left.
    """

    axes = 1

    def __init__(self, cropping: Integers = (1, 1), **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(cropping, None, **common)


class Cropping2D(_Cropping):
    """Images of (rows, columns, channels) without their edges.

    Parameters
    ----------
    cropping : int, two ints, or two pairs of ints
        From all sides; of rows and of columns; or ((above, below), (left, right)).
    data_format : "channels_last" or None

    Raises
    ------
    ValueError
        Where nothing would be left.
    """

    axes = 2

    def __init__(self, cropping: int | Sequence[Integers] = ((0, 0), (0, 0)), data_format: DataFormat = None,
                 **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(cropping, data_format, **common)

    def get_config(self) -> Config:
        return {"data_format": self.data_format, **super().get_config()}

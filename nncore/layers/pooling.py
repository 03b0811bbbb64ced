"""Pooling: a window's, or a whole sample's, largest element or mean for each channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks, _relu, _windows
from nncore._windows import Axis, Windows
from nncore.layers.layer import Layer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import AnyLayerArguments
    from nncore._plan import Builder, Value
    from nncore._typing import Config, DataFormat, Integers, Padding, Shape


def emit_max_pool(builder: Builder, x: Value, windows: Windows, shape: Shape) -> Value:
    """The largest element of each window; returns the Value, of this shape of a sample."""
    x.uses += 1
    y = builder.value(shape, x.needs_gradient)
    common: dict[str, Any] = {"x": x.buffer, "y": y.buffer, "windows": windows.array, "channels": windows.channels,
              "x_stride": x.stride, "y_stride": y.stride}  # fmt: skip
    builder.forward("max_pool_forward", **common)

    def backward() -> None:
        if y.gradient is None or not x.needs_gradient:
            return
        gate = _relu.take_derivative(x)
        builder.add_gradient(x, lambda dx: builder.backward_step(
            "max_pool_backward", dy=y.gradient, dx=dx, dy_stride=y.gradient.stride, dx_stride=dx.stride,
            relu=gate, **common))  # fmt: skip

    builder.on_backward(backward)
    return y


def emit_average_pool(builder: Builder, x: Value, windows: Windows, shape: Shape) -> Value:
    """The mean of each window; returns the Value, of this shape of a sample."""
    x.uses += 1
    y = builder.value(shape, x.needs_gradient)
    common: dict[str, Any] = {"windows": windows.array, "channels": windows.channels}
    builder.forward("average_pool_forward", x=x.buffer, y=y.buffer, x_stride=x.stride, y_stride=y.stride, **common)

    def backward() -> None:
        if y.gradient is not None and x.needs_gradient:
            builder.add_gradient(x, lambda dx: builder.backward_step(
                "average_pool_backward", dy=y.gradient, dx=dx, dy_stride=y.gradient.stride, dx_stride=dx.stride,
                **common))  # fmt: skip

    builder.on_backward(backward)
    return y


def emit_masked_mean(builder: Builder, x: Value, mask: Value, shape: Shape) -> Value:
    """The mean over the steps of x whose mask is not 0; returns the Value, of this shape of a sample."""
    steps, features = x.shape
    x.uses += 1
    y = builder.value(shape, x.needs_gradient)
    common: dict[str, Any] = {"mask": mask.buffer, "mask_stride": mask.stride, "steps": steps, "features": features}
    builder.forward("masked_mean_forward", x=x.buffer, y=y.buffer, x_stride=x.stride, y_stride=y.stride, **common)

    def backward() -> None:
        if y.gradient is not None and x.needs_gradient:
            builder.add_gradient(x, lambda dx: builder.backward_step(
                "masked_mean_backward", dy=y.gradient, dx=dx, dy_stride=y.gradient.stride, dx_stride=dx.stride,
                **common))  # fmt: skip

    builder.on_backward(backward)
    return y


class _Pooling(Layer):
    """Windows that move over samples of so many `axes` and one of channels."""

    strides: tuple[int, ...]
    axes = 0
    emit_pool: Any = None  # of the family

    def __init__(self, pool_size: Any, strides: Any, padding: Any, data_format: Any,
                 **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(**common)
        owner = type(self).__name__
        self.pool_size: tuple[int, ...] = _windows.integers(owner, "pool_size", pool_size, self.axes)
        self.strides = _windows.integers(owner, "strides", pool_size if strides is None else strides, self.axes)
        self.padding: str = _windows.padding_name(owner, padding)
        self.data_format: str = _windows.channels_last(owner, data_format)

    def _windows_over(self, shape: Shape) -> Windows:
        return _windows.windows_over(self, shape, self.pool_size, self.strides, self.padding)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self._windows_over(input_shape).output_shape(self.axes)

    def emit(self, builder: Builder, x: Value) -> Any:
        windows = self._windows_over(x.shape)
        return type(self).emit_pool(builder, x, windows, windows.output_shape(self.axes))

    def get_config(self) -> Config:
        return {"pool_size": self.pool_size, "strides": self.strides, "padding": self.padding,
                "data_format": self.data_format, **super().get_config()}  # fmt: skip


class MaxPooling1D(_Pooling):
    """y[o] = the largest of x[o strides], x[o strides + 1], ..., x[o strides + pool_size - 1], for each channel.

    Samples are (steps, channels). NaN where one of the elements is NaN. The gradient goes to the first one of the
    largest.

    Parameters
    ----------
    pool_size : int
        Steps of a window.
    strides : int, optional
        Steps from one window to the next; `pool_size` unless given.
    padding : "valid" or "same"
        With "same" there are ceil(steps / strides) windows, of which the first and last may be shorter: what they have
        outside of the sample does not count.
    data_format : "channels_last" or None

    Raises
    ------
    ValueError
        For samples of another rank, and where a window is longer than a sample with padding "valid".
    """

    axes: int
    emit_pool: Any
    axes, emit_pool = 1, staticmethod(emit_max_pool)

    def __init__(self, pool_size: Integers = 2, strides: Integers | None = None, padding: Padding = "valid",
                 data_format: DataFormat = None, **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(pool_size, strides, padding, data_format, **common)


class MaxPooling2D(_Pooling):
    """y[o, p] = the largest element of window (o, p) of an image, for each channel.

    Samples are (rows, columns, channels). NaN where one of the elements is NaN. The gradient goes to the first one of
    the largest, row by row.

    Parameters
    ----------
    pool_size : int or two ints
        Rows and columns of a window.
    strides : int or two ints, optional
        From one window to the next; `pool_size` unless given.
    padding : "valid" or "same"
        With "same" there are ceil(rows / strides) windows, and so for columns, of which those at the edges may be
        smaller: what they have outside of the image does not count.
    data_format : "channels_last" or None

    Raises
    ------
    ValueError
        For samples of another rank, and where a window is larger than an image with padding "valid".

    Examples
    --------
    >>> x = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> nn.layers.MaxPooling2D(2)(x)[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """

    axes: int
    emit_pool: Any
    axes, emit_pool = 2, staticmethod(emit_max_pool)

    def __init__(self, pool_size: Integers = (2, 2), strides: Integers | None = None, padding: Padding = "valid",
                 data_format: DataFormat = None, **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(pool_size, strides, padding, data_format, **common)


class AveragePooling1D(_Pooling):
    """y[o] = the mean of x[o strides], x[o strides + 1], ..., x[o strides + pool_size - 1], for each channel.

    Samples are (steps, channels). Parameters and errors are those of `MaxPooling1D`; what a window has outside of the
    sample does not count, so that shorter windows have a mean of fewer elements.

    Parameters
    ----------
    pool_size : int
    strides : int, optional
    padding : "valid" or "same"
    data_format : "channels_last" or None
    """

    axes: int
    emit_pool: Any
    axes, emit_pool = 1, staticmethod(emit_average_pool)

    def __init__(self, pool_size: Integers, strides: Integers | None = None, padding: Padding = "valid",
                 data_format: DataFormat = None, **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(pool_size, strides, padding, data_format, **common)


class AveragePooling2D(_Pooling):
    """y[o, p] = the mean of window (o, p) of an image, for each channel.

    Samples are (rows, columns, channels). Parameters and errors are those of `MaxPooling2D`; what a window has outside
    of the image does not count, so that smaller windows have a mean of fewer elements.

    Parameters
    ----------
    pool_size : int or two ints
    strides : int or two ints, optional
    padding : "valid" or "same"
    data_format : "channels_last" or None
    """

    axes: int
    emit_pool: Any
    axes, emit_pool = 2, staticmethod(emit_average_pool)

    def __init__(self, pool_size: Integers, strides: Integers | None = None, padding: Padding = "valid",
                 data_format: DataFormat = None, **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(pool_size, strides, padding, data_format, **common)


class _GlobalPooling(Layer):
    """One window that is a whole sample."""

    axes = 0
    emit_pool: Any = None

    def __init__(self, data_format: Any = None, keepdims: bool = False, **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(**common)
        self.data_format: str = _windows.channels_last(type(self).__name__, data_format)
        self.keepdims: bool = _checks.boolean(type(self).__name__, "keepdims", keepdims)

    def compute_output_shape(self, input_shape: Any) -> Any:
        _windows.spatial_extents(self, input_shape, self.axes)
        return (*(1,) * (self.axes if self.keepdims else 0), input_shape[-1])

    def emit(self, builder: Builder, x: Value) -> Any:
        *before, last = (Axis(length, 1, window=length) for length in x.shape[:-1])
        windows = Windows(before[0] if before else Axis(1, 1), last, x.shape[-1])
        return type(self).emit_pool(builder, x, windows, self.compute_output_shape(x.shape))

    def get_config(self) -> Config:
        return {"data_format": self.data_format, "keepdims": self.keepdims, **super().get_config()}


class GlobalMaxPooling1D(_GlobalPooling):
    """y = the largest element of each channel; samples are (steps, channels), of y (channels).

    Parameters
    ----------
    data_format : "channels_last" or None
    keepdims : bool
        Samples of y are (1, channels).
    """

    axes: int
    emit_pool: Any
    axes, emit_pool = 1, staticmethod(emit_max_pool)


class GlobalMaxPooling2D(_GlobalPooling):
    """y = the largest element of each channel; samples are (rows, columns, channels), of y (channels).

    Parameters
    ----------
    data_format : "channels_last" or None
    keepdims : bool
        Samples of y are (1, 1, channels).
    """

    axes: int
    emit_pool: Any
    axes, emit_pool = 2, staticmethod(emit_max_pool)


class GlobalAveragePooling1D(_GlobalPooling):
    """y = the mean of each channel; samples are (steps, channels), of y (channels).

    Where the input has a mask, the mean is that of the steps that it leaves, NaN where it leaves none.

    Parameters
    ----------
    data_format : "channels_last" or None
    keepdims : bool
        Samples of y are (1, channels).
    """

    axes: int
    emit_pool: Any
    axes, emit_pool = 1, staticmethod(emit_average_pool)

    def emit(self, builder: Builder, x: Value) -> Any:
        mask = getattr(x, "mask", None)
        if mask is None:
            return super().emit(builder, x)
        return emit_masked_mean(builder, x, mask, self.compute_output_shape(x.shape))


class GlobalAveragePooling2D(_GlobalPooling):
    """y = the mean of each channel; samples are (rows, columns, channels), of y (channels).

    Parameters
    ----------
    data_format : "channels_last" or None
    keepdims : bool
        Samples of y are (1, 1, channels).
    """

    axes: int
    emit_pool: Any
    axes, emit_pool = 2, staticmethod(emit_average_pool)


MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D

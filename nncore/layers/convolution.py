"""Convolutions over steps and over images, and what leads back from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from nncore import _checks, _relu, activations
from nncore._convolution import (
    emit_convolution,
    emit_convolution_gradient,
    emit_towards_images,
    emit_transposed_convolution,
    part_rows,
)
from nncore._products import emit_bias_gradient
from nncore._windows import Axis, Windows, integers, reach, spatial_extents
from nncore.layers.weighted import array_of
from nncore.layers.windowed import WindowedLayer

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Unpack

    from nncore._likes import ActivationLike, AnyLayerArguments, ConstraintLike, InitializerLike, RegularizerLike
    from nncore._plan import Builder, Value
    from nncore._typing import ArrayProperty, Config, DataFormat, Integers, LayerArguments, Padding, Shape
    from nncore._weight import Weight


class _Convolution(WindowedLayer):
    """A convolution over all channels, or what leads back from one."""

    _kernel: Weight | Any

    def __init__(self, filters: int, kernel_size: Any, strides: Any, padding: Any, data_format: Any, dilation_rate: Any,
                 activation: Any, use_bias: bool, kernel: tuple[Any, Any, Any], bias: tuple[Any, Any, Any],
                 **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, bias,
                         **common)  # fmt: skip
        self.filters: int = _checks.positive_integer(type(self).__name__, "filters", filters)
        self.declare_weight("kernel", *kernel)
        self._kernel = None

    kernel: ArrayProperty = array_of("_kernel", "The kernel as an array; None before the layer is built.")

    def _add_weights(self, kernel_shape: Shape) -> None:
        self._kernel = self.make_weight("kernel", kernel_shape)
        self.make_bias(self.filters)

    def _emit(self, builder: Builder, x: Value, output_shape: Shape, flops: float, forward: Callable[..., Any],
              gradient: Callable[..., Any], towards_x: Callable[..., Any]) -> Any:  # fmt: skip
        """Emits forward(y), and behind it gradient(y, dy) and towards_x(dy, dx, mask) with their ReLU and bias."""
        fused_relu = self.activation is activations.relu
        x.uses += 1
        y = builder.value(output_shape, x.needs_gradient or (self.trainable and builder.backward))
        y.relu = fused_relu
        forward(y.buffer, fused_relu)
        builder.add_flops(flops)

        def backward() -> None:
            dy = y.gradient
            if dy is None:
                return
            _relu.emit_derivative(builder, y)
            if self.trainable:
                gradient(dy)
                if self.use_bias:
                    emit_bias_gradient(builder, self._bias, dy, y.width // self.filters, part_rows(self._kernel))
            if x.needs_gradient:
                gate = _relu.take_derivative(x)
                builder.add_gradient(x, lambda dx: towards_x(dy, dx, x.buffer if gate else None))

        builder.on_backward(backward)
        return y if fused_relu else self.activation.emit(builder, y)

    def get_config(self) -> Config:
        return {"filters": self.filters, **super().get_config()}


class _ForwardConvolution(_Convolution):
    """A convolution: y[o] = f(sum over taps t of x[o stride + t dilation - padding] W[t] + b)."""

    def __init__(self, filters: int, kernel_size: Any, strides: Any, padding: Any, data_format: Any, dilation_rate: Any,
                 groups: int, *others: Any, **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, *others, **common)
        owner = type(self).__name__
        self.groups: int = _checks.positive_integer(owner, "groups", groups)
        if self.filters % self.groups:
            raise ValueError(f"{owner}: filters must be a multiple of groups; got {filters} filters, {groups} groups")

    def windows_over(self, shape: Shape) -> Windows:
        windows = super().windows_over(shape)
        if windows.channels % self.groups:
            raise ValueError(
                f"layer {self.name!r}: the channels of its inputs must be a multiple of its {self.groups} groups; got "
                f"{windows.channels} channels"
            )
        return windows

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.activation.output_shape(self.windows_over(input_shape).output_shape(self.axes, self.filters))

    def build(self, input_shape: Any) -> None:
        self._add_weights((*self.kernel_size, input_shape[-1] // self.groups, self.filters))

    def emit(self, builder: Builder, x: Value) -> Any:
        windows, kernel, groups = self.windows_over(x.shape), self._kernel, self.groups
        outputs = windows.rows.outputs * windows.columns.outputs

        def forward(y: Any, relu: Any) -> None:
            emit_convolution(builder, builder.forward, windows, kernel, x.buffer, y, groups=groups, bias=self.bias,
                             relu=relu)  # fmt: skip

        def gradient(dy: Any) -> None:
            emit_convolution_gradient(builder, windows, kernel, x.buffer, dy, groups=groups)

        def towards_x(dy: Any, dx: Any, mask: Any) -> None:
            emit_towards_images(builder, windows, kernel, dy, dx, groups=groups, mask=mask)

        shape = windows.output_shape(self.axes, self.filters)
        return self._emit(builder, x, shape, 2.0 * outputs * kernel.array.size, forward, gradient, towards_x)

    def get_config(self) -> Config:
        return {"groups": self.groups, **super().get_config()}


class Conv1D(_ForwardConvolution):
    """Convolution along the steps of sequences.

    y[o, f] = f(sum over taps t and channels c of x[o stride + t dilation - padding, c] W[t, c, f] + b[f]): x is (steps,
    channels), W (kernel_size, channels / groups, filters), b (filters,), y (windows, filters).

    Parameters
    ----------
    filters : int
    kernel_size : int
        Taps of a window.
    strides : int
        Steps from window to window.
    padding : "valid", "same" or "causal"
        Windows inside the sequence only; zeros around it, so that there is a window for each step (over strides); all
        of the zeros before it, so that no output sees a later step.
    dilation_rate : int
        Steps from tap to tap.
    groups : int
        Parts of the channels, each with as many filters of its own.
    activation : str or activation, optional
        f; linear unless given.
    use_bias : bool
    kernel_initializer, bias_initializer
        Initial values of W and b.
    kernel_regularizer, bias_regularizer, activity_regularizer : str or Regularizer, optional
        Penalties on W, b and y.
    kernel_constraint, bias_constraint : str or Constraint, optional
        What W and b are brought back to after each update.

    Raises
    ------
    ValueError
        For samples of another rank, a window larger than the padded sequence, channels or filters that `groups` does
        not divide.
    """

    axes = 1
    paddings: tuple[str, ...] = ("valid", "same", "causal")

    def __init__(self, filters: int, kernel_size: Integers, strides: Integers = 1,
                 padding: Literal["valid", "same", "causal"] = "valid", data_format: DataFormat = None,
                 dilation_rate: Integers = 1, groups: int = 1, activation: ActivationLike = None, use_bias: bool = True,
                 kernel_initializer: InitializerLike = "glorot_uniform", bias_initializer: InitializerLike = "zeros",
                 kernel_regularizer: RegularizerLike = None, bias_regularizer: RegularizerLike = None,
                 activity_regularizer: RegularizerLike = None, kernel_constraint: ConstraintLike = None,
                 bias_constraint: ConstraintLike = None, **common: Unpack[LayerArguments]) -> None:  # fmt: skip
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, groups, activation,
                         use_bias, (kernel_initializer, kernel_regularizer, kernel_constraint),
                         (bias_initializer, bias_regularizer, bias_constraint),
                         activity_regularizer=activity_regularizer, **common)  # fmt: skip


class Conv2D(_ForwardConvolution):
    """Convolution of images.

    y[i, j, f] = f(sum over taps (t, u) and channels c of x[i stride + t dilation - padding, the same for j and u, c]
    W[t, u, c, f] + b[f]): x is (rows, columns, channels), W (kernel rows, kernel columns, channels / groups, filters),
    b (filters,), y (rows of windows, columns of windows, filters).

    Parameters
    ----------
    filters : int
    kernel_size : int or (int, int)
        Taps of a window.
    strides : int or (int, int)
        Pixels from window to window.
    padding : "valid" or "same"
        Windows inside the image only, or zeros around it, so that there is a window for each pixel (over strides).
    dilation_rate : int or (int, int)
        Pixels from tap to tap.
    groups : int
        Parts of the channels, each with as many filters of its own.
    activation : str or activation, optional
        f; linear unless given.
    use_bias : bool
    kernel_initializer, bias_initializer
        Initial values of W and b.
    kernel_regularizer, bias_regularizer, activity_regularizer : str or Regularizer, optional
        Penalties on W, b and y.
    kernel_constraint, bias_constraint : str or Constraint, optional
        What W and b are brought back to after each update.

    Raises
    ------
    ValueError
        For samples of another rank, a window larger than the padded image, channels or filters that `groups` does not
        divide.

    References
    ----------
    LeCun et al., "Backpropagation applied to handwritten zip code recognition", Neural Computation, 1989.
    """

    def __init__(self, filters: int, kernel_size: Integers, strides: Integers = (1, 1), padding: Padding = "valid",
                 data_format: DataFormat = None, dilation_rate: Integers = (1, 1), groups: int = 1,
                 activation: ActivationLike = None, use_bias: bool = True,
                 kernel_initializer: InitializerLike = "glorot_uniform", bias_initializer: InitializerLike = "zeros",
                 kernel_regularizer: RegularizerLike = None, bias_regularizer: RegularizerLike = None,
                 activity_regularizer: RegularizerLike = None, kernel_constraint: ConstraintLike = None,
                 bias_constraint: ConstraintLike = None, **common: Unpack[LayerArguments]) -> None:  # fmt: skip
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, groups, activation,
                         use_bias, (kernel_initializer, kernel_regularizer, kernel_constraint),
                         (bias_initializer, bias_regularizer, bias_constraint),
                         activity_regularizer=activity_regularizer, **common)  # fmt: skip


class _TransposedConvolution(_Convolution):
    """What leads from windows back to pixels: y[o] = f(sum of x[i] W[t] + b over o = i stride + t dilation - pad)."""

    def __init__(self, filters: int, kernel_size: Any, strides: Any, padding: Any, output_padding: Integers | None,
                 *others: Any, **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(filters, kernel_size, strides, padding, *others, **common)
        owner = type(self).__name__
        self.output_padding: tuple[int, ...] | None = None
        if output_padding is not None:
            self.output_padding = integers(owner, "output_padding", output_padding, self.axes, least=0)
            if any(extra >= stride for extra, stride in zip(self.output_padding, self.strides, strict=True)):
                raise ValueError(
                    f"{owner}: output_padding must be less than strides; got {self.output_padding} and {self.strides}"
                )
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"{owner}: strides and dilation_rate cannot both be larger than 1; got {self.strides} and "
                f"{self.dilation_rate}"
            )

    def windows_over(self, shape: Shape) -> Windows:
        """The Windows over the output of which the input's pixels are the results."""
        extents = spatial_extents(self, shape, self.axes)
        extra = self.output_padding or (None,) * self.axes
        numbers = zip(extents, self.kernel_size, self.strides, self.dilation_rate, extra, strict=True)
        axes = [_transposed_axis(*each, self.padding) for each in numbers]
        if any(axis.length < 1 for axis in axes):
            raise ValueError(
                f"layer {self.name!r}: padding {self.padding!r} leaves nothing of samples of shape {shape}"
            )
        return Windows(*[Axis(1, 1)] * (2 - len(axes)), *axes, self.filters)  # type: ignore[call-arg, arg-type]

    def _output_extents(self, windows: Windows) -> Any:
        return (windows.rows.length, windows.columns.length)[-self.axes :]

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.activation.output_shape((*self._output_extents(self.windows_over(input_shape)), self.filters))

    def build(self, input_shape: Any) -> None:
        self._add_weights((*self.kernel_size, self.filters, input_shape[-1]))

    def emit(self, builder: Builder, x: Value) -> Any:
        windows, kernel = self.windows_over(x.shape), self._kernel

        def forward(y: Any, relu: Any) -> None:
            emit_transposed_convolution(builder, builder.forward, windows, kernel, x.buffer, y, bias=self.bias,
                                        relu=relu)  # fmt: skip

        def gradient(dy: Any) -> None:
            emit_convolution_gradient(builder, windows, kernel, dy, x.buffer)

        def towards_x(dy: Any, dx: Any, mask: Any) -> None:
            emit_convolution(builder, builder.backward_step, windows, kernel, dy, dx, mask=mask)

        shape = (*self._output_extents(windows), self.filters)
        flops = 2.0 * windows.rows.outputs * windows.columns.outputs * kernel.array.size
        return self._emit(builder, x, shape, flops, forward, gradient, towards_x)

    def get_config(self) -> Config:
        return {"output_padding": self.output_padding, **super().get_config()}


def _transposed_axis(length: int, window: int, stride: int, dilation: int, extra: int | None, padding: str) -> Any:
    """The Axis of an output whose windows are `length` elements of the input, as Keras has it.

    Its length is that of all windows together ("valid"), or `length` times the stride ("same"), unless `extra` says by
    how much it is longer than the shortest that has these windows.
    """
    wide = reach(window, dilation)
    if padding == "valid":
        after = wide - 1 + (max(wide, stride) - wide if extra is None else extra)
        before = wide - 1
    else:
        around = stride + wide - 2 if extra is None else wide + wide % 2 - 2 + extra
        before = min(around // 2 + around % 2, wide - 1)
        after = around - before
    return Axis((length - 1) * stride + before + after - wide + 2, length, window, stride, dilation, wide - 1 - before)


class Conv1DTranspose(_TransposedConvolution):
    """Transposed convolution along the steps of sequences: the gradient of a convolution for its inputs.

    y[o, f] = f(sum over steps i, taps t with i stride + t dilation - padding = o, and channels c, of x[i, c] W[t, f, c]
    + b[f]): x is (steps, channels), W (kernel_size, filters, channels), b (filters,).

    Parameters
    ----------
    filters : int
    kernel_size : int
    strides : int
        Outputs for each step.
    padding : "valid" or "same"
        All that the windows reach, or steps times strides of it.
    output_padding : int, optional
        By how much y is longer than the shortest convolution's input that leads to x; less than `strides`.
    dilation_rate : int
        Not together with strides.
    activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer
    activity_regularizer, kernel_constraint, bias_constraint
        As in Conv1D.
    """

    axes = 1

    def __init__(self, filters: int, kernel_size: Integers, strides: Integers = 1, padding: Padding = "valid",
                 output_padding: Integers | None = None, data_format: DataFormat = None, dilation_rate: Integers = 1,
                 activation: ActivationLike = None, use_bias: bool = True,
                 kernel_initializer: InitializerLike = "glorot_uniform", bias_initializer: InitializerLike = "zeros",
                 kernel_regularizer: RegularizerLike = None, bias_regularizer: RegularizerLike = None,
                 activity_regularizer: RegularizerLike = None, kernel_constraint: ConstraintLike = None,
                 bias_constraint: ConstraintLike = None, **common: Unpack[LayerArguments]) -> None:  # fmt: skip
        super().__init__(filters, kernel_size, strides, padding, output_padding, data_format, dilation_rate, activation,
                         use_bias, (kernel_initializer, kernel_regularizer, kernel_constraint),
                         (bias_initializer, bias_regularizer, bias_constraint),
                         activity_regularizer=activity_regularizer, **common)  # fmt: skip


class Conv2DTranspose(_TransposedConvolution):
    """Transposed convolution of images: the gradient of a convolution for its inputs.

    y[o, p, f] = f(sum over pixels (i, j), taps (t, u) with i stride + t dilation - padding = o and the same for p, and
    channels c, of x[i, j, c] W[t, u, f, c] + b[f]): x is (rows, columns, channels), W (kernel rows, kernel columns,
    filters, channels), b (filters,).

    Parameters
    ----------
    filters : int
    kernel_size : int or (int, int)
    strides : int or (int, int)
        Outputs for each pixel, along each axis.
    padding : "valid" or "same"
        All that the windows reach, or the extents times strides of it.
    output_padding : int or (int, int), optional
        By how much y is longer than the smallest convolution's input that leads to x; less than `strides`.
    dilation_rate : int or (int, int)
        Not together with strides.
    activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer
    activity_regularizer, kernel_constraint, bias_constraint
        As in Conv2D.

    References
    ----------
    Zeiler et al., "Deconvolutional networks", CVPR 2010.
    """

    def __init__(self, filters: int, kernel_size: Integers, strides: Integers = (1, 1), padding: Padding = "valid",
                 output_padding: Integers | None = None, data_format: DataFormat = None,
                 dilation_rate: Integers = (1, 1), activation: ActivationLike = None, use_bias: bool = True,
                 kernel_initializer: InitializerLike = "glorot_uniform", bias_initializer: InitializerLike = "zeros",
                 kernel_regularizer: RegularizerLike = None, bias_regularizer: RegularizerLike = None,
                 activity_regularizer: RegularizerLike = None, kernel_constraint: ConstraintLike = None,
                 bias_constraint: ConstraintLike = None, **common: Unpack[LayerArguments]) -> None:  # fmt: skip
        super().__init__(filters, kernel_size, strides, padding, output_padding, data_format, dilation_rate, activation,
                         use_bias, (kernel_initializer, kernel_regularizer, kernel_constraint),
                         (bias_initializer, bias_regularizer, bias_constraint),
                         activity_regularizer=activity_regularizer, **common)  # fmt: skip

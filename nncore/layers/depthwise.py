"""Convolutions of each channel with kernels of its own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nncore import _checks, _relu, activations
from nncore._products import emit_bias_gradient
from nncore.layers.resizing import emit_repeated
from nncore.layers.weighted import array_of
from nncore.layers.windowed import WindowedLayer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import ActivationLike, AnyLayerArguments, ConstraintLike, InitializerLike, RegularizerLike
    from nncore._plan import Builder, Value
    from nncore._typing import ArrayProperty, Config, DataFormat, Integers, LayerArguments, Padding, Shape
    from nncore._weight import Weight
    from nncore._windows import Windows


def emit_depthwise(builder: Builder, x: Value, kernel: Weight, windows: Windows, shape: Shape, *, bias: Any = None,
                   relu: bool = False, learns: bool = True) -> Value:  # fmt: skip
    """Adds the convolution of each channel of x with its kernels, and all that its gradients need.

    Parameters
    ----------
    x : Value
    kernel : Weight
        (*window, channels, multiplier); output channel c multiplier + m is that of its kernel [..., c, m].
    windows : Windows
        Over samples of x.
    shape : tuple
        Of a sample of the output.
    bias : Weight, optional
        Of each output channel.
    relu : bool
        The output is max(0, .) of it.
    learns : bool
        Gradients of kernel and bias are wanted.
    """
    multiplier = kernel.array.shape[-1]
    if multiplier > 1:  # each channel beside itself, so that all lanes have kernels of their own
        x = emit_repeated(builder, x, (*(1,) * (len(x.shape) - 1), multiplier))
    learns = learns and builder.backward
    x.uses += 1
    y = builder.value(shape, x.needs_gradient or learns)
    y.relu = relu
    common: dict[str, Any] = {"windows": windows.array, "channels": shape[-1]}
    builder.forward("depthwise_forward", x=x.buffer, weight=kernel.array, bias=bias.array if bias else None,
                    y=y.buffer, x_stride=x.stride, y_stride=y.stride, relu=relu, **common)  # fmt: skip
    builder.add_flops(2.0 * math.prod(shape) * windows.size)

    def emit_input_gradient(dx: Any) -> None:
        gate = _relu.take_derivative(x)
        builder.backward_step("depthwise_backward", dy=y.gradient, weight=kernel.array, dx=dx,
                              gate=x.buffer if gate else None, dy_stride=y.gradient.stride,
                              gate_stride=x.stride if gate else 0, dx_stride=dx.stride, **common)  # fmt: skip

    def backward() -> None:
        dy = y.gradient
        if dy is None:
            return
        _relu.emit_derivative(builder, y)
        if learns:
            builder.weight_gradient(kernel, "depthwise_gradient", x=x.buffer, dy=dy, x_stride=x.stride,
                                    dy_stride=dy.stride, columns=multiplier, **common)  # fmt: skip
        if learns and bias:
            emit_bias_gradient(builder, bias, dy, y.width // shape[-1])
        if x.needs_gradient:
            builder.add_gradient(x, emit_input_gradient)

    builder.on_backward(backward)
    return y


class _DepthwiseConvolution(WindowedLayer):
    """A convolution of each channel with kernels of its own."""

    _kernel: Weight | Any

    def __init__(self, kernel_size: Any, strides: Any, padding: Any, depth_multiplier: int, data_format: Any,
                 dilation_rate: Any, activation: Any, use_bias: bool, depthwise: tuple[Any, Any, Any],
                 bias: tuple[Any, Any, Any], **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, bias,
                         **common)  # fmt: skip
        self.depth_multiplier: int = _checks.positive_integer(type(self).__name__, "depth_multiplier", depth_multiplier)
        self.declare_weight("depthwise", *depthwise)
        self._kernel = None

    kernel: ArrayProperty = array_of(
        "_kernel", "W as an array, (*kernel_size, channels, depth_multiplier); None before it is built."
    )

    def _shape_over(self, shape: Shape) -> Any:
        return self.windows_over(shape).output_shape(self.axes, shape[-1] * self.depth_multiplier)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.activation.output_shape(self._shape_over(input_shape))

    def build(self, input_shape: Any) -> None:
        channels = input_shape[-1]
        self._kernel = self.make_weight("kernel", (*self.kernel_size, channels, self.depth_multiplier), "depthwise")
        self.make_bias(channels * self.depth_multiplier)

    def emit(self, builder: Builder, x: Value) -> Any:
        fused_relu = self.activation is activations.relu
        y = emit_depthwise(builder, x, self._kernel, self.windows_over(x.shape), self._shape_over(x.shape),
                           bias=self._bias, relu=fused_relu, learns=self.trainable)  # fmt: skip
        return y if fused_relu else self.activation.emit(builder, y)

    def get_config(self) -> Config:
        return {"depth_multiplier": self.depth_multiplier, **super().get_config()}


class DepthwiseConv1D(_DepthwiseConvolution):
    """y[o, c M + m] = f(sum over k of x[o strides + k dilation_rate, c] W[k, c, m] + b[c M + m]), M = depth_multiplier.

    Samples are (steps, channels), those of y (new steps, channels M); W is (kernel_size, channels, M).

    Parameters
    ----------
    kernel_size : int
    strides : int
        Steps from one window to the next.
    padding : "valid" or "same"
        With "same" there are ceil(steps / strides) windows, with zeros around the sample.
    depth_multiplier : int
        M, kernels for each channel.
    data_format : "channels_last" or None
    dilation_rate : int
        Steps from one element of a window to the next.
    activation : str or activation, optional
        f; linear unless given.
    use_bias : bool
    depthwise_initializer, bias_initializer
        Initial values of W and b.
    depthwise_regularizer, bias_regularizer, activity_regularizer : str or Regularizer, optional
        Penalties on W, b and y.
    depthwise_constraint, bias_constraint : str or Constraint, optional
        What W and b are brought back to after each update.

    Raises
    ------
    ValueError
        For samples of another rank, and where a window is longer than a sample with padding "valid".
    """

    axes = 1

    def __init__(self, kernel_size: Integers, strides: Integers = 1, padding: Padding = "valid",
                 depth_multiplier: int = 1, data_format: DataFormat = None, dilation_rate: Integers = 1,
                 activation: ActivationLike = None, use_bias: bool = True,
                 depthwise_initializer: InitializerLike = "glorot_uniform", bias_initializer: InitializerLike = "zeros",
                 depthwise_regularizer: RegularizerLike = None, bias_regularizer: RegularizerLike = None,
                 activity_regularizer: RegularizerLike = None, depthwise_constraint: ConstraintLike = None,
                 bias_constraint: ConstraintLike = None, **common: Unpack[LayerArguments]) -> None:  # fmt: skip
        super().__init__(kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate, activation,
                         use_bias, (depthwise_initializer, depthwise_regularizer, depthwise_constraint),
                         (bias_initializer, bias_regularizer, bias_constraint),
                         activity_regularizer=activity_regularizer, **common)  # fmt: skip


class DepthwiseConv2D(_DepthwiseConvolution):
    """As `DepthwiseConv1D`, over images: W is (*kernel_size, channels, depth_multiplier).

    Samples are (rows, columns, channels), those of y (new rows, new columns, channels depth_multiplier).

    Parameters
    ----------
    kernel_size : int or two ints
    strides : int or two ints
    padding : "valid" or "same"
    depth_multiplier : int
    data_format : "channels_last" or None
    dilation_rate : int or two ints
    activation : str or activation, optional
    use_bias : bool
    depthwise_initializer, bias_initializer
    depthwise_regularizer, bias_regularizer, activity_regularizer : str or Regularizer, optional
    depthwise_constraint, bias_constraint : str or Constraint, optional

    References
    ----------
    Chollet, "Xception: deep learning with depthwise separable convolutions", CVPR 2017.
    """

    def __init__(self, kernel_size: Integers, strides: Integers = (1, 1), padding: Padding = "valid",
                 depth_multiplier: int = 1, data_format: DataFormat = None, dilation_rate: Integers = (1, 1),
                 activation: ActivationLike = None, use_bias: bool = True,
                 depthwise_initializer: InitializerLike = "glorot_uniform", bias_initializer: InitializerLike = "zeros",
                 depthwise_regularizer: RegularizerLike = None, bias_regularizer: RegularizerLike = None,
                 activity_regularizer: RegularizerLike = None, depthwise_constraint: ConstraintLike = None,
                 bias_constraint: ConstraintLike = None, **common: Unpack[LayerArguments]) -> None:  # fmt: skip
        super().__init__(kernel_size, strides, padding, depth_multiplier, data_format, dilation_rate, activation,
                         use_bias, (depthwise_initializer, depthwise_regularizer, depthwise_constraint),
                         (bias_initializer, bias_regularizer, bias_constraint),
                         activity_regularizer=activity_regularizer, **common)  # fmt: skip

"""Convolutions of each channel, and then of all channels at each place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore.layers.dense import emit_dense
from nncore.layers.depthwise import emit_depthwise
from nncore.layers.weighted import array_of
from nncore.layers.windowed import WindowedLayer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import ActivationLike, AnyLayerArguments, ConstraintLike, InitializerLike, RegularizerLike
    from nncore._plan import Builder, Value
    from nncore._typing import ArrayProperty, Config, DataFormat, Integers, LayerArguments, Padding
    from nncore._weight import Weight


class _SeparableConvolution(WindowedLayer):
    """A depthwise convolution without a bias, and a product over the channels of each of its windows."""

    _depthwise: Weight | Any
    _pointwise: Weight | Any

    def __init__(self, filters: int, kernel_size: Any, strides: Any, padding: Any, data_format: Any, dilation_rate: Any,
                 depth_multiplier: int, activation: Any, use_bias: bool, depthwise: tuple[Any, Any, Any],
                 pointwise: tuple[Any, Any, Any], bias: tuple[Any, Any, Any],
                 **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, bias,
                         **common)  # fmt: skip
        owner = type(self).__name__
        self.filters: int = _checks.positive_integer(owner, "filters", filters)
        self.depth_multiplier: int = _checks.positive_integer(owner, "depth_multiplier", depth_multiplier)
        self.declare_weight("depthwise", *depthwise)
        self.declare_weight("pointwise", *pointwise)
        self._depthwise = self._pointwise = None

    depthwise_kernel: ArrayProperty = array_of(
        "_depthwise", "W as an array, (*kernel_size, channels, M); None before it is built."
    )
    pointwise_kernel: ArrayProperty = array_of(
        "_pointwise", "V as an array, ([1,] 1, channels M, filters); None before it is built."
    )

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.activation.output_shape(self.windows_over(input_shape).output_shape(self.axes, self.filters))

    def build(self, input_shape: Any) -> None:
        between = input_shape[-1] * self.depth_multiplier
        self._depthwise = self.make_weight(
            "depthwise_kernel", (*self.kernel_size, input_shape[-1], self.depth_multiplier), "depthwise"
        )
        self._pointwise = self.make_weight("pointwise_kernel", (*(1,) * self.axes, between, self.filters), "pointwise")
        self.make_bias(self.filters)

    def emit(self, builder: Builder, x: Value) -> Any:
        windows = self.windows_over(x.shape)
        between = windows.output_shape(self.axes, x.shape[-1] * self.depth_multiplier)
        each = emit_depthwise(builder, x, self._depthwise, windows, between, learns=self.trainable)
        return emit_dense(builder, each, self._pointwise, self._bias, self.activation, self.trainable)

    def get_config(self) -> Config:
        return {"filters": self.filters, "depth_multiplier": self.depth_multiplier, **super().get_config()}


class SeparableConv1D(_SeparableConvolution):
    """y = f(u V + b) with u[o, c M + m] = sum over taps k of x[o strides + k dilation_rate - padding, c] W[k, c, m].

    x is (steps, channels), W (kernel_size, channels, M), V (1, channels M, filters), b (filters,), M depth_multiplier.

    Parameters
    ----------
    filters, kernel_size, strides : int
    padding : "valid" or "same"
    dilation_rate, depth_multiplier : int
    activation : str or activation, optional
        f; linear unless given.
    use_bias : bool
    depthwise_initializer, pointwise_initializer, bias_initializer
        Initial values of W, V and b; their regularizers and constraints go by the same names.

    Raises
    ------
    ValueError
        For samples of another rank, and windows larger than the padded sequence.

    References
    ----------
    Chollet, "Xception: deep learning with depthwise separable convolutions", CVPR 2017.
    """

    axes = 1

    def __init__(self, filters: int, kernel_size: Integers, strides: Integers = 1, padding: Padding = "valid",
                 data_format: DataFormat = None, dilation_rate: Integers = 1, depth_multiplier: int = 1,
                 activation: ActivationLike = None, use_bias: bool = True,
                 depthwise_initializer: InitializerLike = "glorot_uniform",
                 pointwise_initializer: InitializerLike = "glorot_uniform", bias_initializer: InitializerLike = "zeros",
                 depthwise_regularizer: RegularizerLike = None, pointwise_regularizer: RegularizerLike = None,
                 bias_regularizer: RegularizerLike = None, activity_regularizer: RegularizerLike = None,
                 depthwise_constraint: ConstraintLike = None, pointwise_constraint: ConstraintLike = None,
                 bias_constraint: ConstraintLike = None, **common: Unpack[LayerArguments]) -> None:  # fmt: skip
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier,
                         activation, use_bias, (depthwise_initializer, depthwise_regularizer, depthwise_constraint),
                         (pointwise_initializer, pointwise_regularizer, pointwise_constraint),
                         (bias_initializer, bias_regularizer, bias_constraint),
                         activity_regularizer=activity_regularizer, **common)  # fmt: skip


class SeparableConv2D(_SeparableConvolution):
    """y = f(u V + b), u a depthwise convolution of images with W and V a product over the channels of each pixel of u.

    x is (rows, columns, channels), W (kernel rows, kernel columns, channels, M), V (1, 1, channels M, filters), b
    (filters,), M depth_multiplier.

    Parameters
    ----------
    filters : int
    kernel_size, strides, dilation_rate : int or (int, int)
    padding : "valid" or "same"
    depth_multiplier : int
    activation : str or activation, optional
        f; linear unless given.
    use_bias : bool
    depthwise_initializer, pointwise_initializer, bias_initializer
        Initial values of W, V and b; their regularizers and constraints go by the same names.

    Raises
    ------
    ValueError
        For samples of another rank, and windows larger than the padded image.

    References
    ----------
    Chollet, "Xception: deep learning with depthwise separable convolutions", CVPR 2017.
    """

    def __init__(self, filters: int, kernel_size: Integers, strides: Integers = (1, 1), padding: Padding = "valid",
                 data_format: DataFormat = None, dilation_rate: Integers = (1, 1), depth_multiplier: int = 1,
                 activation: ActivationLike = None, use_bias: bool = True,
                 depthwise_initializer: InitializerLike = "glorot_uniform",
                 pointwise_initializer: InitializerLike = "glorot_uniform", bias_initializer: InitializerLike = "zeros",
                 depthwise_regularizer: RegularizerLike = None, pointwise_regularizer: RegularizerLike = None,
                 bias_regularizer: RegularizerLike = None, activity_regularizer: RegularizerLike = None,
                 depthwise_constraint: ConstraintLike = None, pointwise_constraint: ConstraintLike = None,
                 bias_constraint: ConstraintLike = None, **common: Unpack[LayerArguments]) -> None:  # fmt: skip
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier,
                         activation, use_bias, (depthwise_initializer, depthwise_regularizer, depthwise_constraint),
                         (pointwise_initializer, pointwise_regularizer, pointwise_constraint),
                         (bias_initializer, bias_regularizer, bias_constraint),
                         activity_regularizer=activity_regularizer, **common)  # fmt: skip

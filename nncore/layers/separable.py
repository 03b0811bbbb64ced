"""Convolutions of each channel, and then of all channels at each place."""

from nncore import _checks
from nncore.layers.dense import emit_dense
from nncore.layers.depthwise import emit_depthwise
from nncore.layers.weighted import array_of
from nncore.layers.windowed import WindowedLayer


class _SeparableConvolution(WindowedLayer):
    """A depthwise convolution without a bias, and a product over the channels of each of its windows."""

    def __init__(self, filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier, activation,
                 use_bias, depthwise, pointwise, bias, **common):  # fmt: skip
        super().__init__(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, bias,
                         **common)  # fmt: skip
        owner = type(self).__name__
        self.filters = _checks.positive_integer(owner, "filters", filters)
        self.depth_multiplier = _checks.positive_integer(owner, "depth_multiplier", depth_multiplier)
        self.declare_weight("depthwise", *depthwise)
        self.declare_weight("pointwise", *pointwise)
        self._depthwise = self._pointwise = None

    depthwise_kernel = array_of("_depthwise", "W as an array, (*kernel_size, channels, M); None before it is built.")
    pointwise_kernel = array_of("_pointwise", "V as an array, ([1,] 1, channels M, filters); None before it is built.")

    def compute_output_shape(self, input_shape):
        return self.activation.output_shape(self.windows_over(input_shape).output_shape(self.axes, self.filters))

    def build(self, input_shape):
        between = input_shape[-1] * self.depth_multiplier
        self._depthwise = self.make_weight(
            "depthwise_kernel", (*self.kernel_size, input_shape[-1], self.depth_multiplier), "depthwise"
        )
        self._pointwise = self.make_weight("pointwise_kernel", (*(1,) * self.axes, between, self.filters), "pointwise")
        self.make_bias(self.filters)

    def emit(self, builder, x):
        windows = self.windows_over(x.shape)
        between = windows.output_shape(self.axes, x.shape[-1] * self.depth_multiplier)
        each = emit_depthwise(builder, x, self._depthwise, windows, between, learns=self.trainable)
        return emit_dense(builder, each, self._pointwise, self._bias, self.activation, self.trainable)

    def get_config(self):
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

    def __init__(self, filters, kernel_size, strides=1, padding="valid", data_format=None, dilation_rate=1,
                 depth_multiplier=1, activation=None, use_bias=True, depthwise_initializer="glorot_uniform",
                 pointwise_initializer="glorot_uniform", bias_initializer="zeros", depthwise_regularizer=None,
                 pointwise_regularizer=None, bias_regularizer=None, activity_regularizer=None,
                 depthwise_constraint=None, pointwise_constraint=None, bias_constraint=None, **common):  # fmt: skip
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

    def __init__(self, filters, kernel_size, strides=(1, 1), padding="valid", data_format=None, dilation_rate=(1, 1),
                 depth_multiplier=1, activation=None, use_bias=True, depthwise_initializer="glorot_uniform",
                 pointwise_initializer="glorot_uniform", bias_initializer="zeros", depthwise_regularizer=None,
                 pointwise_regularizer=None, bias_regularizer=None, activity_regularizer=None,
                 depthwise_constraint=None, pointwise_constraint=None, bias_constraint=None, **common):  # fmt: skip
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier,
                         activation, use_bias, (depthwise_initializer, depthwise_regularizer, depthwise_constraint),
                         (pointwise_initializer, pointwise_regularizer, pointwise_constraint),
                         (bias_initializer, bias_regularizer, bias_constraint),
                         activity_regularizer=activity_regularizer, **common)  # fmt: skip

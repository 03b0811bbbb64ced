"""Convolutions of each channel, and then of all channels at each place."""

from nncore import _checks, activations, constraints, initializers, regularizers
from nncore._windows import channels_last, integers, padding_name, windows_over
from nncore.layers.dense import emit_dense
from nncore.layers.depthwise import emit_depthwise
from nncore.layers.layer import Layer


class _SeparableConvolution(Layer):
    """A depthwise convolution without a bias, and a product over the channels of each of its windows."""

    axes = 0
    paddings = ("valid", "same")

    def __init__(self, filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier, activation,
                 use_bias, depthwise_initializer, pointwise_initializer, bias_initializer, depthwise_regularizer,
                 pointwise_regularizer, bias_regularizer, activity_regularizer, depthwise_constraint,
                 pointwise_constraint, bias_constraint, **common):  # fmt: skip
        super().__init__(activity_regularizer=activity_regularizer, **common)
        owner = type(self).__name__
        self.filters = _checks.positive_integer(owner, "filters", filters)
        self.kernel_size = integers(owner, "kernel_size", kernel_size, self.axes)
        self.strides = integers(owner, "strides", strides, self.axes)
        self.padding = padding_name(owner, padding, self.paddings)
        self.data_format = channels_last(owner, data_format)
        self.dilation_rate = integers(owner, "dilation_rate", dilation_rate, self.axes)
        self.depth_multiplier = _checks.positive_integer(owner, "depth_multiplier", depth_multiplier)
        self.activation = activations.get(activation)
        self.use_bias = _checks.boolean(owner, "use_bias", use_bias)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.depthwise_constraint = constraints.get(depthwise_constraint)
        self.pointwise_constraint = constraints.get(pointwise_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self._depthwise = self._pointwise = self._bias = None

    @property
    def depthwise_kernel(self):
        """The kernels of the channels, (*kernel_size, channels, depth_multiplier); None before the layer is built."""
        return None if self._depthwise is None else self._depthwise.array

    @property
    def pointwise_kernel(self):
        """The product's, (1, 1, channels depth_multiplier, filters), or without the first axis over steps."""
        return None if self._pointwise is None else self._pointwise.array

    @property
    def bias(self):
        """The bias as an array, (filters,); None without one."""
        return None if self._bias is None else self._bias.array

    def _windows(self, shape):
        return windows_over(self, shape, self.kernel_size, self.strides, self.padding, self.dilation_rate)

    def compute_output_shape(self, input_shape):
        return self.activation.output_shape(self._windows(input_shape).output_shape(self.axes, self.filters))

    def build(self, input_shape):
        between = input_shape[-1] * self.depth_multiplier
        self._depthwise = self.add_weight("depthwise_kernel",
                                          (*self.kernel_size, input_shape[-1], self.depth_multiplier),
                                          self.depthwise_initializer, self.depthwise_regularizer,
                                          self.depthwise_constraint)  # fmt: skip
        self._pointwise = self.add_weight("pointwise_kernel", (*(1,) * self.axes, between, self.filters),
                                          self.pointwise_initializer, self.pointwise_regularizer,
                                          self.pointwise_constraint)  # fmt: skip
        if self.use_bias:
            self._bias = self.add_weight("bias", (self.filters,), self.bias_initializer, self.bias_regularizer,
                                         self.bias_constraint)  # fmt: skip

    def emit(self, builder, x):
        windows = self._windows(x.shape)
        between = windows.output_shape(self.axes, x.shape[-1] * self.depth_multiplier)
        each = emit_depthwise(builder, x, self._depthwise, windows, between, learns=self.trainable)
        return emit_dense(builder, each, self._pointwise, self._bias, self.activation, self.trainable)

    def get_config(self):
        return {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "depth_multiplier": self.depth_multiplier,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "depthwise_initializer": initializers.serialize(self.depthwise_initializer),
            "pointwise_initializer": initializers.serialize(self.pointwise_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "depthwise_regularizer": regularizers.serialize(self.depthwise_regularizer),
            "pointwise_regularizer": regularizers.serialize(self.pointwise_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "depthwise_constraint": constraints.serialize(self.depthwise_constraint),
            "pointwise_constraint": constraints.serialize(self.pointwise_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            **super().get_config(),
        }


class SeparableConv1D(_SeparableConvolution):
    """y = f(u V + b) with u[o, c M + m] = sum over taps k of x[o strides + k dilation_rate - padding, c] W[k, c, m].

    x is (steps, channels), W (kernel_size, channels, M), V (1, channels M, filters), b (filters,), M depth_multiplier.

    Parameters
    ----------
    filters, kernel_size, strides : int
    padding : "valid", "same" or "causal"
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
    paddings = ("valid", "same", "causal")

    def __init__(self, filters, kernel_size, strides=1, padding="valid", data_format=None, dilation_rate=1,
                 depth_multiplier=1, activation=None, use_bias=True, depthwise_initializer="glorot_uniform",
                 pointwise_initializer="glorot_uniform", bias_initializer="zeros", depthwise_regularizer=None,
                 pointwise_regularizer=None, bias_regularizer=None, activity_regularizer=None,
                 depthwise_constraint=None, pointwise_constraint=None, bias_constraint=None, **common):  # fmt: skip
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier,
                         activation, use_bias, depthwise_initializer, pointwise_initializer, bias_initializer,
                         depthwise_regularizer, pointwise_regularizer, bias_regularizer, activity_regularizer,
                         depthwise_constraint, pointwise_constraint, bias_constraint, **common)  # fmt: skip


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

    axes = 2

    def __init__(self, filters, kernel_size, strides=(1, 1), padding="valid", data_format=None, dilation_rate=(1, 1),
                 depth_multiplier=1, activation=None, use_bias=True, depthwise_initializer="glorot_uniform",
                 pointwise_initializer="glorot_uniform", bias_initializer="zeros", depthwise_regularizer=None,
                 pointwise_regularizer=None, bias_regularizer=None, activity_regularizer=None,
                 depthwise_constraint=None, pointwise_constraint=None, bias_constraint=None, **common):  # fmt: skip
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier,
                         activation, use_bias, depthwise_initializer, pointwise_initializer, bias_initializer,
                         depthwise_regularizer, pointwise_regularizer, bias_regularizer, activity_regularizer,
                         depthwise_constraint, pointwise_constraint, bias_constraint, **common)  # fmt: skip

"""What all convolutions have in common."""

from nncore import _checks, _windows, activations
from nncore.layers.weighted import WeightedLayer, array_of


class WindowedLayer(WeightedLayer):
    """Moves the windows of a kernel over samples of so many `axes` and one of channels."""

    axes = 2
    paddings = ("valid", "same")

    def __init__(self, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias, bias,
                 **common):  # fmt: skip
        super().__init__(**common)
        owner = type(self).__name__
        self.kernel_size = _windows.integers(owner, "kernel_size", kernel_size, self.axes)
        self.strides = _windows.integers(owner, "strides", strides, self.axes)
        self.padding = _windows.padding_name(owner, padding, self.paddings)
        self.data_format = _windows.channels_last(owner, data_format)
        self.dilation_rate = _windows.integers(owner, "dilation_rate", dilation_rate, self.axes)
        self.activation = activations.get(activation)
        self.use_bias = _checks.boolean(owner, "use_bias", use_bias)
        self.declare_weight("bias", *bias)
        self._bias = None

    bias = array_of("_bias", "b as an array, (channels of the output,); None without one.")

    def windows_over(self, shape):
        """The Windows over samples of this shape; raises ValueError where there are none."""
        return _windows.windows_over(self, shape, self.kernel_size, self.strides, self.padding, self.dilation_rate)

    def make_bias(self, channels):
        """Makes the bias, in `build`, if there is to be one."""
        if self.use_bias:
            self._bias = self.make_weight("bias", (channels,))

    def get_config(self):
        return {
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **super().get_config(),
        }

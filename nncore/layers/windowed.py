"""What all convolutions have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks, _windows, activations
from nncore.layers.weighted import WeightedLayer, array_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._activation import Activation
    from nncore._likes import AnyLayerArguments
    from nncore._typing import ArrayProperty, Config, Shape
    from nncore._weight import Weight
    from nncore._windows import Windows

MOST_DILATION = 1 << 20  # a plan has room for what padding adds, which a file's description could ask for


class WindowedLayer(WeightedLayer):
    """Moves the windows of a kernel over samples of so many `axes` and one of channels."""

    _bias: Weight | Any

    axes = 2
    paddings: tuple[str, ...] = ("valid", "same")

    def __init__(self, kernel_size: Any, strides: Any, padding: Any, data_format: Any, dilation_rate: Any,
                 activation: Any, use_bias: bool, bias: tuple[Any, Any, Any],
                 **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(**common)
        owner = type(self).__name__
        self.kernel_size: tuple[int, ...] = _windows.integers(owner, "kernel_size", kernel_size, self.axes)
        self.strides: tuple[int, ...] = _windows.integers(owner, "strides", strides, self.axes)
        self.padding: str = _windows.padding_name(owner, padding, self.paddings)
        self.data_format: str = _windows.channels_last(owner, data_format)
        self.dilation_rate: tuple[int, ...] = _windows.integers(owner, "dilation_rate", dilation_rate, self.axes)
        if max(self.dilation_rate) > MOST_DILATION:
            raise ValueError(f"{owner}: dilation_rate must be at most {MOST_DILATION:,}; got {self.dilation_rate}")
        self.activation: Activation = activations.get(activation)
        self.use_bias: bool = _checks.boolean(owner, "use_bias", use_bias)
        self.declare_weight("bias", *bias)
        self._bias = None

    bias: ArrayProperty = array_of("_bias", "b as an array, (channels of the output,); None without one.")

    def windows_over(self, shape: Shape) -> Windows:
        """The Windows over samples of this shape; raises ValueError where there are none."""
        return _windows.windows_over(self, shape, self.kernel_size, self.strides, self.padding, self.dilation_rate)

    def make_bias(self, channels: int) -> None:
        """Makes the bias, in `build`, if there is to be one."""
        if self.use_bias:
            self._bias = self.make_weight("bias", (channels,))

    def get_config(self) -> Config:
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

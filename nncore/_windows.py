"""Windows that slide along the axes of samples: of convolutions and of pooling.

Along one axis, a window of `window` elements that lie `dilation` apart moves by `stride` over `length` elements, with
as many zeros, or elements that do not count, around them as `padding` says. Samples are (steps, channels) or (rows,
columns, channels); the former are handled as the latter with one row.
"""

from typing import NamedTuple

import numpy as np

from nncore import _checks


def output_length(length, window, stride, padding, dilation=1):
    """Positions of a window along an axis; 0 where it is longer than the padded axis.

    With "valid" all of the window lies inside the axis. With "same" and "causal" there are ceil(length / stride).
    """
    if padding == "valid":
        return max(0, (length - reach(window, dilation)) // stride + 1)
    return -(-length // stride)


def padding_of(length, window, stride, padding, dilation=1):
    """(before, after): by how many elements the axis is longer at its two ends, as Keras and TensorFlow have it.

    "same" divides what the last window needs evenly, with one more at the end where it is odd; "causal" has all of it
    before, so that no output sees what comes after its own place.
    """
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return reach(window, dilation) - 1, 0
    total = max(0, (output_length(length, window, stride, padding) - 1) * stride + reach(window, dilation) - length)
    return total // 2, total - total // 2


def reach(window, dilation):
    """Elements from the first to the last one of a window, both of them counted."""
    return (window - 1) * dilation + 1


class Axis(NamedTuple):
    """How a window moves along one axis; kernels read these numbers in this order."""

    length: int
    outputs: int
    window: int = 1
    stride: int = 1
    dilation: int = 1
    before: int = 0  # elements of padding

    @classmethod
    def of(cls, length, window, stride, padding, dilation=1):
        """The axis of `length` under a window with this padding, by its name."""
        before, _ = padding_of(length, window, stride, padding, dilation)
        return cls(length, output_length(length, window, stride, padding, dilation), window, stride, dilation, before)


class Windows(NamedTuple):
    """Windows over samples of (rows, columns, channels)."""

    rows: Axis
    columns: Axis
    channels: int

    @property
    def array(self):
        """Both axes as kernels read them, (2, 6)."""
        return np.array([self.rows, self.columns], np.int64)

    @property
    def size(self):
        """Elements of a window."""
        return self.rows.window * self.columns.window

    def output_shape(self, axes, channels=None):
        """The shape of what has an element for each window and so many channels, as many as x unless given."""
        channels = self.channels if channels is None else channels
        return (*(axis.outputs for axis in (self.rows, self.columns)[2 - axes :]), channels)


def windows_over(layer, shape, window, strides, padding, dilations=None):
    """The Windows of a layer over samples of `shape`, one number for each axis but the channels' in each tuple.

    Raises
    ------
    ValueError
        For samples of another rank, and where a window is larger than what it moves over.
    """
    extents = spatial_extents(layer, shape, len(window))
    dilations = (1,) * len(window) if dilations is None else dilations
    axes = [
        Axis.of(length, size, stride, padding, dilation)
        for length, size, stride, dilation in zip(extents, window, strides, dilations, strict=True)
    ]
    if not all(axis.outputs for axis in axes):
        dilated = f" with dilation {tuple(dilations)}" if any(d > 1 for d in dilations) else ""
        raise ValueError(
            f"layer {layer.name!r}: a window of {tuple(window)}{dilated} does not fit into samples of shape "
            f"{tuple(shape)} with padding {padding!r}"
        )
    return Windows(*[Axis(1, 1)] * (2 - len(axes)), *axes, shape[-1])


def spatial_extents(layer, shape, axes):
    """The extents of a sample without that of its channels; raises ValueError unless there are so many `axes`."""
    if len(shape) != axes + 1:
        wanted = ("(steps, channels)", "(rows, columns, channels)")[axes - 1]
        raise ValueError(f"layer {layer.name!r} needs samples of shape {wanted}; got {tuple(shape)}")
    return tuple(shape[:-1])


# ---------------------------------------------------------------- arguments of layers


def integers(owner, name, value, count, least=1):
    """`value` as a tuple of so many integers of at least `least`; one integer stands for all of them."""
    if hasattr(value, "__index__"):
        value = (value,) * count
    if not isinstance(value, (list, tuple)) or len(value) != count:
        raise ValueError(f"{owner}: {name} must be an integer{_or_several(count)}, not {value!r}")
    return tuple(_checks.integer(owner, name if count == 1 else f"each of {name}", n, least) for n in value)


def _or_several(count):
    return "" if count == 1 else f" or {count} of them"


def padding_name(owner, padding, choices=("valid", "same")):
    """The name of a padding in small letters; raises ValueError unless it is one of `choices`."""
    name = padding.lower() if isinstance(padding, str) else padding
    if name not in choices:
        raise ValueError(f"{owner}: padding must be one of {', '.join(map(repr, choices))}, not {padding!r}")
    return name


def channels_last(owner, data_format):
    """Returns "channels_last"; refuses what is neither that nor None."""
    _checks.refuse(owner, data_format=None if data_format == "channels_last" else data_format)
    return "channels_last"

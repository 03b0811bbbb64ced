"""Windows that slide along the axes of samples: of convolutions and of pooling.

Along one axis, a window of `window` elements that lie `dilation` apart moves by `stride` over `length` elements, with
as many zeros, or elements that do not count, around them as `padding` says. Samples are (steps, channels) or (rows,
columns, channels); the former are handled as the latter with one row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nncore import _checks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore._typing import Array, Shape
    from nncore.layers.layer import Layer


def output_length(length: int, window: int, stride: int, padding: str, dilation: int = 1) -> int:
    """Positions of a window along an axis; 0 where it is longer than the padded axis.

    With "valid" all of the window lies inside the axis. With "same" and "causal" there are ceil(length / stride).
    """
    if padding == "valid":
        return max(0, (length - reach(window, dilation)) // stride + 1)
    return -(-length // stride)


def padding_of(length: int, window: int, stride: int, padding: str, dilation: int = 1) -> tuple[int, int]:
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


def reach(window: int, dilation: int) -> int:
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
    def of(cls, length: int, window: int, stride: int, padding: str, dilation: int = 1) -> Axis:
        """The axis of `length` under a window with this padding, by its name."""
        before, _ = padding_of(length, window, stride, padding, dilation)
        return cls(length, output_length(length, window, stride, padding, dilation), window, stride, dilation, before)


class Windows(NamedTuple):
    """Windows over samples of (rows, columns, channels)."""

    rows: Axis
    columns: Axis
    channels: int

    @property
    def array(self) -> Array:
        """Both axes as kernels read them, (2, 6)."""
        return np.array([self.rows, self.columns], np.int64)

    @property
    def size(self) -> int:
        """Elements of a window."""
        return self.rows.window * self.columns.window

    def output_shape(self, axes: int, channels: int | None = None) -> Shape:
        """The shape of what has an element for each window and so many channels, as many as x unless given."""
        channels = self.channels if channels is None else channels
        return (*(axis.outputs for axis in (self.rows, self.columns)[2 - axes :]), channels)


def windows_over(layer: Layer, shape: Shape, window: Sequence[int], strides: Sequence[int], padding: str,
                 dilations: Sequence[int] | None = None) -> Windows:  # fmt: skip
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
    return Windows(*[Axis(1, 1)] * (2 - len(axes)), *axes, shape[-1])  # type: ignore[call-arg, arg-type]


def spatial_extents(layer: Layer, shape: Shape, axes: int) -> Shape:
    """The extents of a sample without that of its channels; raises ValueError unless there are so many `axes`."""
    if len(shape) != axes + 1:
        wanted = ("(steps, channels)", "(rows, columns, channels)")[axes - 1]
        raise ValueError(f"layer {layer.name!r} needs samples of shape {wanted}; got {tuple(shape)}")
    return tuple(shape[:-1])


# ---------------------------------------------------------------- arguments of layers


def integers(owner: str, name: str, value: Any, count: int, least: int = 1) -> tuple[int, ...]:
    """`value` as a tuple of so many integers of at least `least`; one integer stands for all of them."""
    if _checks.index_of(value) is not None:
        value = (value,) * count
    if not isinstance(value, (list, tuple)) or len(value) != count:
        raise ValueError(f"{owner}: {name} must be an integer{_or_several(count)}, not {value!r}")
    return tuple(_checks.integer(owner, name if count == 1 else f"each of {name}", n, least) for n in value)


def _or_several(count: int) -> str:
    return "" if count == 1 else f" or {count} of them"


def padding_name(owner: str, padding: str, choices: Sequence[str] = ("valid", "same")) -> str:
    """The name of a padding in small letters; raises ValueError unless it is one of `choices`."""
    name = padding.lower() if isinstance(padding, str) else padding
    if not _checks.is_word(name, choices):
        raise ValueError(f"{owner}: padding must be one of {', '.join(map(repr, choices))}, not {padding!r}")
    return name


def channels_last(owner: str, data_format: Any) -> str:
    """Returns "channels_last"; refuses what is neither that nor None."""
    if not isinstance(data_format, str) or data_format != "channels_last":
        _checks.refuse(owner, data_format=data_format)
    return "channels_last"

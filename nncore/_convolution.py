"""Convolutions as steps of a plan, over the kernels of convolution.h: forward, towards the images, and for the weight.

An image is (rows, columns, channels), its windows are those of a `Windows`, the weight is (rows, columns, channels of
a group, units): as a matrix, the elements of a window by units. What leads from windows back to images is a product
with windows, too: those of the windows' own image over a transposed mirror of the weight, one such product for each
place that a pixel can have between two windows (strides of 2 make four of them). Where images are hardly larger than
windows, or have few channels, it is cheaper to make a product of each window and to add that to the window's pixels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nncore._plan import IMAGE_ROWS, LARGE_KERNEL_ELEMENTS, LARGE_KERNEL_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nncore._engine import Buffer
    from nncore._plan import Builder
    from nncore._typing import Array
    from nncore._weight import Weight
    from nncore._windows import Axis, Windows

# Of a copied band of an image, or of the products of windows: so that it stays in a second-level cache.
BAND_BYTES = 65536
# What adding a vector of a window's product to its pixels costs, in multiply-adds, and vectors of how many lanes are
# counted, whatever the machine has: the way back from windows must not depend on it.
SCATTER_COST = 6
COUNTED_LANES = 8


class _Line(NamedTuple):
    """Windows along one axis, for one product: numbers of windows, of pixels and of taps."""

    windows: int
    first: int  # the pixel at the first tap of the first window
    step: int  # pixels from window to window
    taps: int
    tap_step: int
    pixels: int  # of the image
    out_first: int  # the place of the first window's result, and from one to the next
    out_step: int

    @property
    def reach(self) -> int:
        """Pixels from the first to the last tap of a window, both counted."""
        return (self.taps - 1) * self.tap_step + 1

    @property
    def width(self) -> int:
        """Pixels from the first window's first to the last window's last."""
        return (self.windows - 1) * self.step + self.reach

    @property
    def inside(self) -> bool:
        """Whether no window reaches beyond the image."""
        return self.first >= 0 and self.first + self.width <= self.pixels


def _forward_line(axis: Axis) -> _Line:
    return _Line(axis.outputs, -axis.before, axis.stride, axis.window, axis.dilation, axis.length, 0, 1)


def _backward_lines(axis: Axis) -> Iterator[Any]:
    """For each place of a pixel between windows: (numbers of the taps that reach it, in order, and the _Line).

    Pixel i, counted from the padding's beginning, is at tap k of window (i - k dilation) / stride, if that is a whole
    number. Pixels i = q stride + place share their taps, which are taken from the last one down, so that windows go up.
    """
    apart = axis.dilation // math.gcd(axis.dilation, axis.stride)  # windows between two taps of a pixel
    for place in range(axis.stride):
        taps = [k for k in reversed(range(axis.window)) if k * axis.dilation % axis.stride == place]
        begin = -((place - axis.before) // axis.stride)  # the first q inside the image
        count = (axis.before + axis.length - 1 - place) // axis.stride - begin + 1
        if count > 0:
            offset = (place - taps[0] * axis.dilation) // axis.stride if taps else 0
            first = begin * axis.stride + place - axis.before
            yield taps, _Line(count, begin + offset, 1, len(taps), apart, axis.outputs, first, axis.stride)


def _band_rows(builder: Builder, rows: Any, columns: Any, channels: int, pixel: Any) -> int:
    """Rows of windows whose pixels are copied at a time, for which the plan's threads get memory; 0: none are."""
    if rows.taps * columns.taps and (not (rows.inside and columns.inside) or channels != pixel):
        line = columns.width * channels * builder.dtype.itemsize
        band_rows: int = min(rows.windows, max(1, (BAND_BYTES // line - rows.reach) // rows.step + 1))
        builder.plan.need_scratch(((band_rows - 1) * rows.step + rows.reach) * line)
        return band_rows
    return 0


def _geometry(rows: Any, columns: Any, channels: int, pixel: Any, out_pixel: Any, out_columns: Any,
              band_rows: int) -> Array:  # fmt: skip
    """What the kernels read, struct nn_windows."""
    fields = [rows.windows, columns.windows, rows.first, columns.first, rows.step, columns.step, rows.taps,
              columns.taps, rows.tap_step, columns.tap_step, rows.pixels, columns.pixels, channels, pixel,
              (rows.out_first * out_columns + columns.out_first) * out_pixel,
              rows.out_step * out_columns * out_pixel, columns.out_step * out_pixel, band_rows]  # fmt: skip
    return np.array(fields, np.int64)


def _forward_geometry(builder: Builder, windows: Windows, channels: int, units: int) -> Array:
    """That of windows themselves, whose results are an image of so many units."""
    rows, columns = _forward_line(windows.rows), _forward_line(windows.columns)
    band_rows = _band_rows(builder, rows, columns, channels, windows.channels)
    return _geometry(rows, columns, channels, windows.channels, units, windows.columns.outputs, band_rows)


def _emit(emit: Callable[..., Any], a: Any, b: Any, c: Any, geometry: Array, columns: Any, bias: Array | None,
          mask: Buffer | None, relu: bool) -> None:  # fmt: skip
    emit("window_product", a=a, bias=bias, mask=mask, c=c, geometry=geometry, columns=columns, a_stride=a.stride,
         mask_stride=mask.stride if mask else 0, c_stride=c.stride, relu=relu, **b)  # fmt: skip


def _part_of(bias: Array | None, group: int, count: int) -> Array | None:
    return None if bias is None else bias[group * count : (group + 1) * count]


def emit_convolution(builder: Builder, emit: Callable[..., Any], windows: Windows, weight: Weight, x: Any, y: Any, *,
                     groups: int = 1, bias: Array | None = None, mask: Buffer | None = None,
                     relu: bool = False) -> None:  # fmt: skip
    """Adds y = the windows of x times the weight; then + bias, ReLU, and 0 where `mask` is not positive.

    Parameters
    ----------
    emit : `builder.forward` or `builder.backward_step`
    windows : Windows, over x
    x, y, mask : Buffer, of images; mask as y
    """
    matrix = weight.array.reshape(weight.matrix_shape)
    units = matrix.shape[1]  # type: ignore[misc]
    channels, group_units = windows.channels // groups, units // groups
    geometry = _forward_geometry(builder, windows, channels, units)
    for group in range(groups):
        column = group * group_units
        operand = {"b": matrix[:, column:], "b_stride": units, "b_panel": 0} if groups > 1 else builder.operand(weight)
        _emit(emit, x.at(group * channels), operand, y.at(column), geometry, group_units,
              _part_of(bias, group, group_units), mask and mask.at(column), relu)  # fmt: skip


def emit_transposed_convolution(builder: Builder, emit: Callable[..., Any], windows: Windows, weight: Weight, y: Any,
                                x: Any, *, groups: int = 1, bias: Array | None = None, mask: Buffer | None = None,
                                relu: bool = False) -> None:  # fmt: skip
    """Adds x = for each pixel the sum over the windows that it is in of y times the weight; the ends as above.

    Parameters
    ----------
    windows : Windows, over x
    y, x, mask : Buffer, of images; mask as x
    """
    units = weight.matrix_shape[1]
    channels, group_units = windows.channels // groups, units // groups
    rows, columns = list(_backward_lines(windows.rows)), list(_backward_lines(windows.columns))
    products, places = [], np.full(windows.size, -1, np.int64)
    used = 0
    for row_taps, row_line in rows:
        for column_taps, column_line in columns:
            products.append((row_line, column_line, used))
            for i in row_taps:
                for j in column_taps:
                    places[i * windows.columns.window + j] = used
                    used += 1
    places[places < 0] = np.arange(used, windows.size)  # of taps that no pixel is at

    def make() -> Any:
        packed = builder.packed(windows.size * units, channels, panels=True)
        return {"matrix": weight.array, "places": places, "columns": units, "channels": channels,
                "taps": windows.size, "group_units": group_units, **packed}  # fmt: skip

    mirror = builder.mirror(weight, "pack_windows", make, key=(windows.rows, windows.columns, groups))
    for row_line, column_line, place in products:
        band_rows = _band_rows(builder, row_line, column_line, group_units, units)
        geometry = _geometry(row_line, column_line, group_units, units, windows.channels, windows.columns.length,
                             band_rows)  # fmt: skip
        for group in range(groups):
            first = (group * windows.size + place) * group_units
            operand = {"b": mirror["packed"][first * mirror["packed_stride"] :], "b_stride": mirror["packed_stride"],
                       "b_panel": mirror["packed_panel"]}  # fmt: skip
            column = group * channels
            _emit(emit, y.at(group * group_units), operand, x.at(column), geometry, channels,
                  _part_of(bias, group, channels), mask and mask.at(column), relu)  # fmt: skip


def emit_towards_images(builder: Builder, windows: Windows, weight: Weight, dy: Buffer, dx: Buffer, *, groups: int = 1,
                        mask: Buffer | None = None) -> None:  # fmt: skip
    """Adds dx = the gradient of a convolution for its images, in the cheaper one of two ways."""
    channels, units = windows.channels // groups, weight.matrix_shape[1] // groups
    outputs, size = windows.rows.outputs * windows.columns.outputs, windows.size * channels
    taps = windows.size / (windows.rows.stride * windows.columns.stride)  # of a pixel
    by_pixels = windows.rows.length * windows.columns.length * taps * units * -(-channels // COUNTED_LANES)
    by_windows = outputs * (units + SCATTER_COST) * -(-size // COUNTED_LANES)
    if by_windows < 0.9 * by_pixels:
        _emit_scattered(builder, windows, weight, dy, dx, groups, mask)
    else:
        emit_transposed_convolution(builder, builder.backward_step, windows, weight, dy, dx, groups=groups, mask=mask)


def _emit_scattered(builder: Builder, windows: Windows, weight: Weight, dy: Buffer, dx: Buffer, groups: int,
                    mask: Buffer | None) -> None:  # fmt: skip
    channels, units = windows.channels // groups, weight.matrix_shape[1] // groups
    rows, columns = _forward_line(windows.rows), _forward_line(windows.columns)
    line = columns.windows * windows.size * channels * builder.dtype.itemsize
    band_rows = min(rows.windows, max(1, BAND_BYTES // line))
    builder.plan.need_scratch(band_rows * line)
    geometry = _geometry(rows, columns, channels, windows.channels, groups * units, windows.columns.outputs, band_rows)
    operand = builder.operand(weight, transposed=True)
    for group in range(groups):
        b = {**operand, "b": operand["b"][group * units * operand["b_stride"] :]}
        column = group * channels
        x, gate = dx.at(column), mask and mask.at(column)
        builder.backward_step("window_scatter", dy=dy.at(group * units), mask=gate, x=x, geometry=geometry,
                              units=units, dy_stride=dy.stride, mask_stride=gate.stride if gate else 0,
                              x_stride=x.stride, **b)  # fmt: skip


def emit_convolution_gradient(builder: Builder, windows: Windows, weight: Weight, x: Any, dy: Buffer, *,
                              groups: int = 1) -> None:  # fmt: skip
    """Adds the sum over all windows of x' dy to what sums to the gradient of a weight."""
    units = weight.matrix_shape[1]
    channels, group_units = windows.channels // groups, units // groups
    geometry = _forward_geometry(builder, windows, channels, units)
    emissions = []
    for group in range(groups):
        column = group * group_units
        a, b = x.at(group * channels), dy.at(column)
        emissions.append(("window_gradient_part", {"a": a, "dy": b, "geometry": geometry, "columns": group_units,
                          "units": units, "a_stride": a.stride, "dy_stride": b.stride}, column))  # fmt: skip
    builder.weight_gradient_parts(weight, part_rows(weight), emissions)


def part_rows(weight: Weight) -> int:
    """Rows of the minibatch whose gradients for a weight are summed before they meet the others'."""
    return IMAGE_ROWS if weight.array.size <= LARGE_KERNEL_ELEMENTS else LARGE_KERNEL_ROWS

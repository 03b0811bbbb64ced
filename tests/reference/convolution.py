"""What the kernels of convolution.h compute."""

from types import SimpleNamespace

import numpy as np

from reference.base import exactly, nearly, reference, wide

FIELDS = ("rows", "columns", "first_row", "first_column", "row_step", "column_step", "taps_down", "taps_across",
          "tap_row_step", "tap_column_step", "image_rows", "image_columns", "channels", "pixel", "out_first", "out_row",
          "out_column", "band_rows")  # fmt: skip


def windows_of(a):
    return SimpleNamespace(**dict(zip(FIELDS, (int(n) for n in a.geometry), strict=True)))


def patches(images, g):
    """The windows of images, written down: (images, rows of windows, columns of windows, taps x channels)."""
    images = wide(images[:, : g.image_rows * g.image_columns * g.pixel])
    images = images.reshape(-1, g.image_rows, g.image_columns, g.pixel)[..., : g.channels]
    rows = g.first_row + np.arange(g.rows)[:, None] * g.row_step + np.arange(g.taps_down) * g.tap_row_step
    columns = (
        g.first_column + np.arange(g.columns)[:, None] * g.column_step + np.arange(g.taps_across) * g.tap_column_step
    )
    inside = ((rows >= 0) & (rows < g.image_rows))[:, None, :, None] & (
        (columns >= 0) & (columns < g.image_columns)
    )[None, :, None, :]
    taken = images[:, rows.clip(0, g.image_rows - 1)[:, None, :, None],
                   columns.clip(0, g.image_columns - 1)[None, :, None, :]]  # fmt: skip
    return np.where(inside[..., None], taken, 0).reshape(len(images), g.rows, g.columns, -1)


def places(g, columns):
    """Where the results of windows stand in a row: (rows of windows, columns of windows, columns)."""
    window = np.arange(g.rows)[:, None] * g.out_row + np.arange(g.columns) * g.out_column
    return g.out_first + window[..., None] + np.arange(columns)


@reference
def window_product(a, w, block):
    g = windows_of(a)
    left, right = patches(a.a[block.rows], g), wide(a.b)
    value, magnitude = left @ right, np.abs(left) @ np.abs(right)
    at = places(g, a.columns)
    if a.bias is not None:
        value, magnitude = value + wide(a.bias), magnitude + np.abs(wide(a.bias))
    if a.relu:
        value = np.where(value < 0, 0, value)
    if a.mask is not None:
        value = np.where(a.mask[block.rows][:, at] > 0, value, 0)
    region = (np.arange(block.rows.start, block.rows.stop)[:, None, None, None], at[None])
    return {"c": nearly(region, value, left.shape[-1] / 2 + 2, magnitude)}


@reference
def window_scatter(a, w, block):
    g = windows_of(a)
    samples = block.rows.stop - block.rows.start
    dy = wide(a.dy[block.rows][:, places(g, a.units)])
    size = g.taps_down * g.taps_across * g.channels
    b = wide(a.b)[:, :size]
    pixels = np.zeros((2, samples, g.image_rows, g.image_columns, g.channels), b.dtype)
    for pixel, products in zip(pixels, (dy @ b, np.abs(dy) @ np.abs(b)), strict=True):
        products = products.reshape(samples, g.rows, g.columns, g.taps_down, g.taps_across, g.channels)
        for i, j, t, u in np.ndindex(products.shape[1:5]):
            row = g.first_row + i * g.row_step + t * g.tap_row_step
            column = g.first_column + j * g.column_step + u * g.tap_column_step
            if 0 <= row < g.image_rows and 0 <= column < g.image_columns:
                pixel[:, row, column] += products[:, i, j, t, u]
    at = np.arange(g.image_rows * g.image_columns)[:, None] * g.pixel + np.arange(g.channels)
    value, magnitude = pixels.reshape(2, samples, *at.shape)
    if a.mask is not None:
        value = np.where(a.mask[block.rows][:, at] > 0, value, 0)
    region = (np.arange(block.rows.start, block.rows.stop)[:, None, None], at[None])
    return {"x": nearly(region, value, a.units / 2 + g.taps_down * g.taps_across + 2, magnitude)}


@reference
def window_gradient_part(a, w, block):
    g = windows_of(a)
    left = patches(a.a[block.rows], g)
    left = left.reshape(-1, left.shape[-1])
    right = wide(a.dy[block.rows][:, places(g, a.columns)]).reshape(-1, a.columns)
    value, magnitude = left.T @ right, np.abs(left).T @ np.abs(right)
    at = np.arange(value.shape[0])[:, None] * a.units + np.arange(a.columns)
    return {"parts": nearly((block.rows.start // a.part_rows, at), value, len(left) / 2 + 1, magnitude)}


@reference
def pack_windows(a, w, block):
    rows, columns = np.arange(block.rows.start, block.rows.stop), np.arange(block.columns.start, block.columns.stop)
    group, unit = columns // a.group_units, columns % a.group_units
    row = (group * a.taps + a.places[rows // a.channels][:, None]) * a.group_units + unit
    return {"packed": exactly((row, (rows % a.channels)[:, None]), a.matrix[block.rows, block.columns])}

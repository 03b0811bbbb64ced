"""What is in a model's weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nncore import _checks
from nncore.plots._matplotlib import require

_MOST_HISTOGRAMS = 48
_KINDS = ("auto", "histogram", "image")


def weights(model: Any, layer: Any = None, *, kind: str = "auto", image_shape: tuple[int, ...] | None = None,
            max_images: int = 64, figure: Any = None) -> Any:  # fmt: skip
    """Draws weights: histograms of all of a model's, or the kernels of one layer as images.

    Parameters
    ----------
    model : Model, Layer, or array
        An array is taken as one kernel.
    layer : str, int or Layer, optional
        The name or number of the layer whose weights are drawn; all unless given.
    kind : "auto", "histogram" or "image"
        "image": of a convolution (rows, columns, in, out) an image for each of `out`, in colour where `in` is 3, one
        for each input where there are few, else their root mean square; of a matrix (in, out) with `image_shape` an
        image of each column, else the matrix as one image. "auto": images of a layer whose kernel is one of these
        convolutions, or that has `image_shape`; otherwise histograms.
    image_shape : (rows, columns), optional
        Of the images that a matrix's inputs were, before they were flattened.
    max_images : int
        The most images that are drawn.
    figure : Matplotlib figure, optional

    Returns
    -------
    Figure
        Blue is negative, orange positive, white zero, on one scale for all images.

    Raises
    ------
    ImportError
        Without Matplotlib.
    ValueError, TypeError
        For a model without weights, and what cannot be an image.

    Examples
    --------
    >>> model = nn.Sequential([nn.Input((8, 8, 1)), nn.layers.Conv2D(6, 3, name="edges")])
    >>> [axes.get_title(loc="left") for axes in nn.plots.weights(model).axes]
    ['edges/kernel', 'edges/bias']
    >>> figure = nn.plots.weights(model, layer=0)
    """
    share = require("nn.plots.weights")
    if not _checks.is_word(kind, _KINDS):
        raise ValueError(f"weights: kind must be 'auto', 'histogram' or 'image', not {kind!r}")
    named = _named_weights(model, layer)
    one_layer = layer is not None or not hasattr(model, "layers")
    name, kernel = max(named.items(), key=lambda item: (item[1].ndim >= 2, item[1].ndim, item[1].size))
    if kind == "auto":
        images = image_shape is not None or kernel.ndim == 4
        kind = "image" if one_layer and images and kernel.ndim in (2, 4) else "histogram"
    if kind == "histogram":
        return _histograms(share, named, figure)
    if not one_layer:
        raise ValueError("weights: kind='image' draws one layer's kernel: name the layer")
    return _images(share, name, kernel, image_shape, max_images, figure)


def _named_weights(model, layer):
    """Arrays of the weights by name."""
    if isinstance(model, np.ndarray) or not hasattr(model, "weight_list"):
        if layer is not None:
            raise TypeError("weights: layer is for models")
        array = np.asarray(model)
        if array.dtype.kind not in "fiu" or array.ndim == 0:
            raise TypeError(f"weights takes a model, a layer or an array of numbers; got {type(model).__name__}")
        return {"weights": array}
    owners = [model]
    if hasattr(model, "layers"):
        owners = model.layers
        if isinstance(layer, str):
            owners = [model.get_layer(layer)]
        elif hasattr(layer, "__index__"):
            owners = [model.get_layer(index=layer)]
        elif layer is not None:
            owners = [layer]
    named = {}
    for owner in owners:
        for weight in owner.weight_list():
            name = f"{owner.name}/{weight.name}"
            while name in named:
                name += "'"
            named[name] = weight.array
    if not named:
        whose = f"layer {owners[0].name!r}" if layer is not None else f"{model.name!r}"
        raise ValueError(f"weights: {whose} has no weights; they are there when a model is built")
    return named


def _histograms(share, named, figure):
    total = len(named)
    named = dict(list(named.items())[:_MOST_HISTOGRAMS])
    rows, columns = share.grid_shape(len(named), 4)
    with share.figures(figure, (0.4 + 2.7 * columns, (0.5 if total > len(named) else 0.2) + 2.0 * rows)) as figure:
        grid = list(figure.subplots(rows, columns, squeeze=False).flat)
        for axes, (name, array) in zip(grid, named.items(), strict=False):
            _histogram(share, axes, name, array)
        for axes in grid[len(named) :]:
            axes.remove()
        if total > len(named):
            said = f"the first {len(named)} of {total} weights"
            figure.suptitle(said, x=0.01, horizontalalignment="left", fontsize=10)
    return figure


def _histogram(share, axes, name, array):
    values = array[np.isfinite(array)].astype(np.float64)
    if values.size:
        low, high = float(values.min()), float(values.max())
        if low == high:
            margin = abs(low) / 2 or 0.5
            low, high = low - margin, high + margin
        bins = min(60, max(8, math.ceil(2 * values.size ** (1 / 3))))
        axes.hist(values, bins=bins, range=(low, high), color=share.TRAINING_COLOR)
        if low < 0 < high:
            axes.axvline(0, color="#444444", linewidth=0.8)
    shape = " × ".join(map(str, array.shape))
    mean, deviation = (values.mean(), values.std()) if values.size else (math.nan, math.nan)
    bad = array.size - values.size
    axes.set_title(name if len(name) <= 34 else f"…{name[-33:]}", loc="left", fontsize=9)
    axes.set_xlabel(f"{shape}   mean {mean:.2g}, deviation {deviation:.2g}" + (f", {bad} not finite" if bad else ""),
                    fontsize=7.5, color="#b00000" if bad else share.QUIET_COLOR)  # fmt: skip
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", labelsize=8)
    axes.locator_params(axis="x", nbins=5)


def _images(share, name, kernel, image_shape, max_images, figure):
    pictures, what, color = _pictures(kernel, image_shape)
    signed = bool((pictures < 0).any())
    total = len(pictures)
    pictures = pictures[: max(1, max_images)]
    count, height, width = pictures.shape[:3]
    columns = min(count, max(1, math.ceil(math.sqrt(count * 1.6 * height / width))))
    rows = -(-count // columns)
    cell = min(1.1, 9 / columns) if count > 1 else 5
    stretched = count == 1 and not 0.25 < height / width < 4  # a long matrix
    size = (columns * cell + 1.4, (4 if stretched else rows * cell * height / width * 1.06) + 0.6)
    from matplotlib.patches import Rectangle

    finite = pictures[np.isfinite(pictures)]
    most = float(np.abs(finite).max()) if finite.size and finite.any() else 1.0
    with share.figures(figure, (max(3.6, size[0]), min(14, max(1.6, size[1])))) as figure:
        axes = figure.subplots()
        gap = 0.08 * width
        for number, picture in enumerate(pictures):
            row, column = divmod(number, columns)
            x, y = column * (width + gap), row * (height + gap)
            shown = (picture / most + 1) / 2 if color else picture
            image = axes.imshow(shown, extent=(x, x + width, y + height, y), vmin=-most if signed else 0, vmax=most,
                                cmap=share.diverging() if signed else "Blues", interpolation="nearest")  # fmt: skip
            axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor="#bbbbbb", linewidth=0.6))
        axes.set_xlim(-gap / 2, columns * (width + gap) - gap / 2)
        axes.set_ylim(rows * (height + gap) - gap / 2, -gap / 2)
        axes.set_aspect("auto" if stretched else "equal")
        axes.set_axis_off()
        shown = f"{count} of {total} {what}" if count < total else what if count == 1 else f"{count} {what}"
        axes.set_title(f"{name}: {shown}", loc="left", fontsize=10)
        if not color:
            bar = figure.colorbar(image, ax=axes, shrink=0.9, aspect=25, pad=0.02)
            bar.outline.set_visible(False)
            bar.ax.tick_params(labelsize=8)
        else:
            axes.text(0, rows * (height + gap), f"grey is 0; red, green and blue from {-most:.2g} to {most:.2g}",
                      verticalalignment="top", fontsize=8, color=share.QUIET_COLOR)  # fmt: skip
    return figure


def _pictures(kernel, image_shape):
    """(count, rows, columns[, 3]), what they are, and whether they are in colour."""
    if kernel.ndim == 2 and image_shape is None:
        return kernel[None], f"{kernel.shape[0]} inputs (down) × {kernel.shape[1]} outputs (right)", False
    if kernel.ndim == 2:
        if len(image_shape) not in (2, 3) or math.prod(image_shape) != len(kernel):
            raise ValueError(
                f"weights: image_shape {tuple(image_shape)} does not have {len(kernel)} pixels, the kernel's inputs"
            )
        kernel = kernel.reshape(*image_shape, *(1,) * (3 - len(image_shape)), -1)
    elif kernel.ndim == 3:  # along steps: an image of steps and features for each output
        return np.moveaxis(kernel, -1, 0), "outputs of steps (rows) × features (columns)", False
    if kernel.ndim != 4:
        raise ValueError(f"weights: a weight of shape {kernel.shape} is no image; kind='histogram' draws it")
    inputs, outputs = kernel.shape[2:]
    by_output = np.moveaxis(kernel, -1, 0)  # (out, rows, columns, in)
    if inputs == 1:
        return by_output[..., 0], "kernels", False
    if inputs == 3:
        return by_output, "kernels", True
    if inputs * outputs <= 64:
        each = np.moveaxis(by_output, -1, 1).reshape(-1, *kernel.shape[:2])
        return each, f"kernels, {inputs} inputs of each output", False
    size = np.sqrt(np.square(by_output.astype(np.float64)).mean(-1))
    return size, f"outputs, root mean square over {inputs} inputs", False

"""The pictures that `nncore demo` and the examples draw; need matplotlib, which the extra `demo` installs."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import matplotlib.image
import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from nncore import _files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore._typing import Array, PathLikeStr

TRAINING_COLOR = "#1f6fb4"
TEST_COLOR = "#e07b1a"
WRONG_COLOR = "#cc2222"
QUIET_COLOR = "#666666"

GRID_ROWS = 5
GRID_COLUMNS = 12
# Of a grid of images 1 wide and high, with room for the words above each.
COLUMN_STEP = 1.12
ROW_STEP = 1.32

# The user's own style must not get into the picture.
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#999999",
    "axes.titlesize": 11,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "xtick.color": QUIET_COLOR,
    "ytick.color": QUIET_COLOR,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
}


def save_training_picture(path: PathLikeStr, history: dict[str, list[float]], images: Array, labels: Array,
                          predictions: Array, title: str) -> None:  # fmt: skip
    """Write a PNG of a training's curves above a grid of test images with what was predicted for them.

    Parameters
    ----------
    path : str or path-like
        The file to write.
    history : dict of lists
        `loss`, `accuracy`, `val_loss` and `val_accuracy`, each with a number per epoch.
    images : array (count, rows, columns)
        The test images; larger numbers are drawn darker.
    labels, predictions : integer arrays (count,)
        The true and the predicted class of each image.
    title : str
        Stands above everything.
    """
    with matplotlib.style.context(["default", STYLE]):
        figure = training_figure(history, images, labels, predictions, title)
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=150)
    _files.replace(path, content.getvalue())


def training_figure(history: dict[str, list[float]], images: Array, labels: Array, predictions: Array,
                    title: str) -> Any:  # fmt: skip
    """The figure that `save_training_picture` writes."""
    figure = Figure(figsize=(10, 8.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(rect=(0.012, 0.012, 0.976, 0.97), h_pad=0.06, hspace=0.03)
    figure.suptitle(title, x=0.02, horizontalalignment="left", fontsize=13, fontweight="bold")
    axes = figure.subplot_mosaic([["loss", "accuracy"], ["images", "images"]], height_ratios=[0.34, 0.66])
    draw_curves(axes["loss"], "Loss", history["loss"], history["val_loss"])
    axes["loss"].set_ylim(bottom=0)
    # Above the axes, where no curve can be.
    axes["loss"].legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 0.99), ncols=2, borderaxespad=0)
    draw_curves(axes["accuracy"], "Accuracy", history["accuracy"], history["val_accuracy"])
    axes["accuracy"].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}%"))
    draw_images(axes["images"], images, labels, predictions)
    return figure


def draw_curves(axes: Any, title: str, training: Sequence[float], test: Sequence[float]) -> None:
    """Draw one quantity over the epochs, for the training and the test images."""
    epochs = np.arange(1, len(training) + 1)
    few = len(epochs) < 10
    # A line through one point is not seen at all, and one through few hides how few they are.
    marker = "o" if few else None
    axes.plot(epochs, training, color=TRAINING_COLOR, marker=marker, markersize=4, label="training images")
    axes.plot(epochs, test, color=TEST_COLOR, marker=marker, markersize=4, label="test images")
    axes.set_title(title, loc="left")
    axes.set_xlabel("epoch", color=QUIET_COLOR)
    axes.set_xlim(0.5, len(epochs) + 0.5)
    axes.margins(y=0.08)
    axes.xaxis.set_major_locator(FixedLocator(epochs) if few else MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def choose_images(labels: Array, predictions: Array, count: int) -> Array:
    """Indices of up to `count` images: the wrong ones first, then right ones from all over, in their order."""
    is_wrong = np.asarray(labels) != np.asarray(predictions)
    wrong, right = np.flatnonzero(is_wrong)[:count], np.flatnonzero(~is_wrong)
    rest = min(count - len(wrong), len(right))
    return np.concatenate([wrong, right[np.arange(rest) * len(right) // max(rest, 1)]])


def draw_images(axes: Any, images: Array, labels: Array, predictions: Array) -> None:
    """Draw a grid of images with their predictions, the wrong ones first and in red."""
    chosen = choose_images(labels, predictions, GRID_ROWS * GRID_COLUMNS)
    wrong = np.asarray(labels) != np.asarray(predictions)
    axes.set_title(grid_title(len(chosen), len(labels), int(wrong[chosen].sum()), int(wrong.sum())), loc="left", pad=14)
    # One pair of axes for all: sixty of them take seconds to lay out.
    for place, index in enumerate(chosen):
        row, column = divmod(place, GRID_COLUMNS)
        corner = (column * COLUMN_STEP, row * ROW_STEP)
        draw_image(axes, corner, images[index], labels[index], predictions[index], darkest=images.max())
    axes.set_xlim(-0.03, (GRID_COLUMNS - 1) * COLUMN_STEP + 1.03)
    axes.set_ylim((GRID_ROWS - 1) * ROW_STEP + 1.03, -0.25)
    axes.set_aspect("equal", anchor="W")
    axes.set_axis_off()


def grid_title(shown: int, count: int, wrong_shown: int, wrong_count: int) -> str:
    """What stands above the grid of images."""
    beginning = f"{shown} of {count} test images and what the network read"
    if not wrong_count:
        return f"{beginning}, all of it right"
    which = "the wrong one" if wrong_count == 1 else f"the {wrong_count} wrong ones"
    if wrong_shown < wrong_count:
        which = f"{wrong_shown} of {which}"
    return f"{beginning}; in red: {which}"


def draw_image(axes: Any, corner: tuple[float, float], image: Array, label: Any, prediction: Any,
               darkest: float) -> None:  # fmt: skip
    """Draw one image with its upper left corner at `corner`, the prediction above it, red where that is wrong."""
    x, y = corner
    axes.imshow(image, extent=(x, x + 1, y + 1, y), cmap="gray_r", vmin=0, vmax=darkest, interpolation="nearest")
    wrong = label != prediction
    frame = {"edgecolor": WRONG_COLOR, "linewidth": 2.5} if wrong else {"edgecolor": "#dddddd", "linewidth": 0.8}
    axes.add_patch(Rectangle(corner, 1, 1, fill=False, **frame))
    axes.text(
        x + 0.5,
        y - 0.06,
        f"read {prediction}, is {label}" if wrong else f"{prediction}",
        horizontalalignment="center",
        fontsize=8 if wrong else 9,
        fontweight="bold" if wrong else "normal",
        color=WRONG_COLOR if wrong else QUIET_COLOR,
    )


def save_image_grid(path: PathLikeStr, images: Array, columns: int) -> None:
    """Write a PNG of grey images side by side, row by row, with a pixel of white between them.

    Parameters
    ----------
    path : str or path-like
        The file to write.
    images : array (count, rows, columns)
        The smallest number of all is black, the largest white.
    columns : int
        Images beside each other.
    """
    images = np.asarray(images)
    if images.ndim != 3 or images.size == 0:
        raise ValueError(f"images must be of shape (count, rows, columns); got {images.shape}")
    count, height, width = images.shape
    darkest, brightest = float(images.min()), float(images.max())
    greys = np.rint((images - darkest) * (255 / (brightest - darkest or 1))).astype(np.uint8)
    grid = np.full((-(-count // columns) * (height + 1) + 1, columns * (width + 1) + 1), 255, np.uint8)
    for number, image in enumerate(greys):
        row, column = divmod(number, columns)
        top, left = row * (height + 1) + 1, column * (width + 1) + 1
        grid[top : top + height, left : left + width] = image
    matplotlib.image.imsave(path, np.stack([grid] * 3, axis=-1), format="png")

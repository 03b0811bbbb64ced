"""The loss around a model's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nncore import _checks
from nncore.plots._matplotlib import require

if TYPE_CHECKING:
    from nncore._typing import Array
    from nncore.models.model import Model

# Axes along which a kernel's filters lie, where it is not the last one alone.
_FILTER_AXES = {"Conv1DTranspose": (-2,), "Conv2DTranspose": (-2,), "DepthwiseConv1D": (-2, -1),
                "DepthwiseConv2D": (-2, -1), "Embedding": (0,)}  # fmt: skip


def loss_landscape(model: Model, x: Any, y: Any, sample_weight: Any = None, *, span: float = 1.0, resolution: int = 21,
                   dimensions: Literal[1, 2] = 2, seed: int = 0, batch_size: int | None = None,
                   log_scale: bool | None = None, ax: Any = None, title: str | None = None) -> Any:  # fmt: skip
    """Draws the loss around a model's weights θ, along two random directions, or one.

    L(θ + a δ + b η), a and b from -span to span, where δ and η are normal numbers, of each filter scaled to the norm
    of the model's own: ‖δ filter‖ = ‖θ filter‖. Biases and the weights of normalization stay as they are.

    Filters are the weights of one unit or output channel. Scaled so, pictures of different networks can be compared: a
    sharp minimum is one that a change of some percent of its weights leaves.

    Parameters
    ----------
    model : Model, compiled
        Its weights are changed and put back, to the last bit, whatever happens.
    x, y, sample_weight : as in `Model.evaluate`
        A few hundred rows are enough; all are evaluated resolution² times.
    span : float
        1 is as far as the weights are long.
    resolution : int
        Places along each direction; an odd number has one at the model itself.
    dimensions : 2 or 1
        A map, or a curve.
    seed : int
        Of the directions.
    batch_size : int, optional
    log_scale : bool, optional
        Of the loss; unless given, where its largest value is more than a hundred times the smallest.
    ax : Matplotlib axes, optional
    title : str, optional

    Returns
    -------
    Figure

    Raises
    ------
    ImportError
        Without Matplotlib.
    ValueError
        For bad arguments, before any weight has changed.

    References
    ----------
    Li, Xu, Taylor, Studer and Goldstein, Visualizing the loss landscape of neural nets, 2018.

    Examples
    --------
    >>> model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> figure = nn.plots.loss_landscape(model, np.eye(2), np.ones(2), resolution=5)
    """
    share = require("nn.plots.loss_landscape")
    steps, losses = loss_landscape_values(model, x, y, sample_weight, span=span, resolution=resolution,
                                          dimensions=dimensions, seed=seed, batch_size=batch_size)  # fmt: skip
    finite = losses[np.isfinite(losses)]
    if not finite.size:
        raise ValueError("loss_landscape: the loss is not finite anywhere around the weights; try a smaller span")
    if log_scale is None:
        log_scale = finite.min() > 0 and finite.max() > 100 * finite.min()
    elif log_scale and finite.min() <= 0:
        raise ValueError("loss_landscape: there are losses that are not positive, for which there is no logarithm")
    with share.axes(ax, (5.8, 4.6) if dimensions == 2 else (5.4, 3.4)) as ax:
        (_draw_map if dimensions == 2 else _draw_curve)(share, ax, steps, losses, finite, log_scale)
        ax.set_title("Loss around the weights" if title is None else title, loc="left")
        return ax.figure


def loss_landscape_values(model: Model, x: Any, y: Any, sample_weight: Any = None, *, span: float = 1.0,
                          resolution: int = 21, dimensions: Literal[1, 2] = 2, seed: int = 0,
                          batch_size: int | None = None) -> tuple[Array, Array]:  # fmt: skip
    """Returns what `loss_landscape` draws, with its arguments: the steps (resolution,), and the losses.

    losses[i, j] is the loss at θ + steps[j] δ + steps[i] η; of one dimension losses[j] is that at θ + steps[j] δ.

    Examples
    --------
    >>> model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> steps, losses = nn.plots.loss_landscape_values(model, np.eye(2), np.ones(2), resolution=3)
    >>> bool(losses[1, 1] == model.evaluate(np.eye(2), np.ones(2)))
    True
    """
    owner = "loss_landscape"
    span = _checks.real_number(owner, "span", span, 0)
    resolution = _checks.positive_integer(owner, "resolution", resolution)
    if dimensions not in (1, 2):
        raise ValueError(f"{owner}: dimensions must be 1 or 2, not {dimensions!r}")
    if resolution < 2 or span == 0:
        raise ValueError(f"{owner}: there must be at least 2 places and a span above 0; got {resolution} and {span}")

    def loss():
        return model.evaluate(x, y, batch_size, verbose=0, sample_weight=sample_weight, return_dict=True)["loss"]

    loss()  # so that bad data is refused first, and a model is built
    random = np.random.default_rng(seed)
    kept = model.get_weights()
    directions = [_direction(model, random) for _ in range(dimensions)]
    steps = np.linspace(-span, span, resolution)
    losses = np.empty((resolution,) * dimensions)
    try:
        for place in np.ndindex(losses.shape):
            factors = [steps[i] for i in reversed(place)]  # the first direction goes right
            model.set_weights([_moved(w, factors, [d[i] for d in directions]) for i, w in enumerate(kept)])
            losses[place] = loss()
    finally:
        model.set_weights(kept)
    return steps, losses


def _moved(weight, factors, directions):
    if directions[0] is None:
        return weight
    moved = weight.astype(np.float64)
    for factor, direction in zip(factors, directions, strict=True):
        moved += factor * direction
    return moved.astype(weight.dtype)


def _direction(model, random):
    """A random direction for each weight, scaled filter by filter; None for those that stay."""
    from nncore.models.single_calls import all_layers

    axes = {}
    for layer in all_layers(model):
        filters = next((_FILTER_AXES[c.__name__] for c in type(layer).__mro__ if c.__name__ in _FILTER_AXES), (-1,))
        for weight in layer.weight_list(trainable_only=True):
            axes.setdefault(id(weight), filters)
    direction = []
    for weight in model.weight_list():
        array = weight.array
        if array.ndim < 2 or id(weight) not in axes:
            direction.append(None)
            continue
        filters = [axis % array.ndim for axis in axes[id(weight)]]
        others = tuple(axis for axis in range(array.ndim) if axis not in filters)
        numbers = random.standard_normal(array.shape)
        norms = [np.sqrt(np.square(a, dtype=np.float64).sum(others, keepdims=True)) for a in (array, numbers)]
        direction.append(numbers * (norms[0] / np.maximum(norms[1], 1e-300)))
    if all(d is None for d in direction):
        raise ValueError("loss_landscape: the model has no trainable weights but biases and the like")
    return direction


def _draw_map(share, ax, steps, losses, finite, log_scale):
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

    low, high = finite.min(), finite.max()
    if high == low:
        high = low + (abs(low) or 1)
    shown = np.where(np.isfinite(losses), losses, np.nan)
    levels = np.geomspace(low, high, 16) if log_scale else np.linspace(low, high, 16)
    image = ax.contourf(steps, steps, shown, levels, cmap="viridis_r", norm=LogNorm(low, high) if log_scale else None,
                        extend="neither")  # fmt: skip
    ax.contour(steps, steps, shown, levels[1:-1:2], colors="white", linewidths=0.6, alpha=0.8)
    ax.plot([0], [0], "x", color="black", markersize=8, markeredgewidth=2)
    ax.set_facecolor("#dddddd")  # where the loss is not finite
    ax.set_xlabel("step along the first direction")
    ax.set_ylabel("step along the second direction")
    ax.set_aspect("equal")
    ticks = LogLocator(subs=(1, 2, 5)) if log_scale else MaxNLocator(6)
    bar = ax.figure.colorbar(image, ax=ax, aspect=30, ticks=ticks, format=FuncFormatter(lambda v, _: f"{v:g}"))
    bar.ax.minorticks_off()
    bar.set_label("loss (×: the model)", color=share.QUIET_COLOR)
    bar.outline.set_visible(False)


def _draw_curve(share, ax, steps, losses, finite, log_scale):
    ax.plot(steps, np.where(np.isfinite(losses), losses, np.nan), color=share.TRAINING_COLOR, linewidth=1.6)
    ax.axvline(0, color="#444444", linewidth=0.8, linestyle=":")
    ax.set_xlabel("step along a random direction (0: the model)")
    ax.set_ylabel("loss")
    ax.grid(axis="y", color="#e6e6e6")
    ax.set_axisbelow(True)
    if log_scale:
        ax.set_yscale("log")
        share.plain_numbers(ax.yaxis)

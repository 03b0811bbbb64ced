"""The curves of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nncore.plots._matplotlib import require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore.callbacks.history import History

_SHORT = frozenset(("auc", "mae", "mape", "mse", "msle", "rmse"))
_FEW = 12  # epochs, of which each is marked


def title_of(name):
    """A name of the logs as a title."""
    words = [word.upper() if word in _SHORT else word for word in name.split("_") if word]
    text = " ".join(words) or name
    return text[0].upper() + text[1:]


def quantities(history, names=None):
    """The names in a dict of curves without those of validation: the loss first, the learning rate last."""
    found = list(dict.fromkeys(name.removeprefix("val_") for name in history))
    if names is None:
        ranks = {"loss": 0, "learning_rate": 2}
        return sorted(found, key=lambda name: ranks.get(name, 1))
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if name not in found:
            raise ValueError(f"plot: there is no {name!r} in the history; there are: {', '.join(found)}")
    return names


def numbers(values):
    """A curve as an array (epochs,), or (epochs, parts) where values are arrays; None for what is no curve."""
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        return None
    return array.reshape(len(array), -1) if array.ndim > 2 else array if array.ndim else None


def plot(history: History, names: str | Sequence[str] | None = None, log_scale: bool | str | Sequence[str] = False,
         figure: Any = None) -> Any:  # fmt: skip
    """Draws what `History.plot` says; `history` is the object."""
    share = require("History.plot")
    chosen = quantities(history.history, names)
    for name in chosen if names is not None else ():
        if any(numbers(values) is None for values in history.curves_of(name)):
            raise ValueError(f"plot: the values of {name!r} are no numbers")
    chosen = [name for name in chosen if all(numbers(values) is not None for values in history.curves_of(name))]
    if not chosen:
        raise ValueError("plot: the history has no epoch with numbers yet")
    logarithmic = _logarithmic(history, chosen, log_scale)
    rows, columns = share.grid_shape(len(chosen))
    with share.figures(figure, (0.6 + 4.1 * columns, 0.2 + 2.9 * rows)) as figure:
        grid = figure.subplots(rows, columns, squeeze=False).flat
        for axes, name in zip(grid, chosen, strict=False):
            _draw(share, axes, history, name, name in logarithmic)
        for axes in list(grid)[len(chosen) :]:
            axes.remove()
    return figure


def _logarithmic(history, chosen, log_scale):
    """The names among `chosen` that are drawn on a logarithmic scale."""
    positive = []
    for name in chosen:
        arrays = [numbers(values) for values in history.curves_of(name)]
        finite = np.concatenate([a[np.isfinite(a)] for a in arrays if a is not None])
        if finite.size and finite.min() > 0:
            positive.append(name)
    if isinstance(log_scale, (bool, np.bool_)):
        return positive if log_scale else []
    wanted = [log_scale] if isinstance(log_scale, str) else list(log_scale)
    for name in wanted:
        if name not in chosen:
            raise ValueError(f"plot: log_scale names {name!r}, which is not drawn; drawn are: {', '.join(chosen)}")
        if name not in positive:
            raise ValueError(f"plot: {name!r} has values that are not positive, for which there is no logarithm")
    return wanted


def _draw(share, axes, history, name, logarithmic):
    from matplotlib.ticker import FixedLocator, MaxNLocator

    training, validation = (numbers(values) if len(values) else None for values in history.curves_of(name))
    epochs = [history.epochs_of(name), history.epochs_of(f"val_{name}")]
    last = max([e[-1] for e in epochs if len(e)], default=1)
    first = min([e[0] for e in epochs if len(e)], default=1)
    marker = "o" if last - first < _FEW else None
    alone = validation is None
    for which, values in enumerate((training, validation)):
        if values is None:
            continue
        look = {"color": (share.TRAINING_COLOR, share.TEST_COLOR)[which], "linestyle": ("-", "--")[which],
                "marker": marker, "markersize": 3.5, "linewidth": 1.6, "zorder": 3 - which}  # fmt: skip
        if name == "learning_rate":
            look["drawstyle"] = "steps-mid"
        label = ("training", "validation")[which]
        if values.ndim == 1:
            axes.plot(epochs[which], values, label=label, **look)
        else:
            colors = share.categorical(values.shape[1])
            for part, color in enumerate(colors):
                axes.plot(epochs[which], values[:, part], **{**look, "color": color},
                          label=f"{part}" if which == 0 else "_")  # fmt: skip
    axes.set_title(title_of(name), loc="left")
    axes.set_xlabel("epoch", color=share.QUIET_COLOR)
    axes.grid(axis="y", color="#e6e6e6")
    axes.set_axisbelow(True)
    if logarithmic:
        axes.set_yscale("log")
    axes.margins(x=0.03, y=0.08)
    if logarithmic:
        share.plain_numbers(axes.yaxis)
    few = last - first < _FEW
    axes.xaxis.set_major_locator(FixedLocator(np.arange(first, last + 1)) if few else
                                 MaxNLocator(integer=True, steps=[1, 2, 5, 10]))  # fmt: skip
    if first == last:
        axes.set_xlim(first - 0.5, last + 0.5)
    parts = training is not None and training.ndim > 1
    if parts and training.shape[1] > 8:
        return
    if name == "loss" and not alone and validation.ndim == 1 and np.isfinite(validation).any():
        _mark_lowest(share, axes, epochs[1], validation)
    if not alone or parts:
        # Above the axes, where no curve can be.
        axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.02, 0.985), ncols=4, borderaxespad=0,
                    handlelength=1.6, columnspacing=1.0, handletextpad=0.5, fontsize=8)  # fmt: skip


def _mark_lowest(share, axes, epochs, values):
    """A ring around the lowest value; its height and epoch are in the legend."""
    place = int(np.nanargmin(np.where(np.isfinite(values), values, np.nan)))
    epoch, value = epochs[place], values[place]
    axes.plot([epoch], [value], "o", markersize=9, markerfacecolor="none", markeredgecolor=share.TEST_COLOR,
              markeredgewidth=1.4, zorder=4, label=f"lowest {value:.3g}, epoch {epoch}")  # fmt: skip

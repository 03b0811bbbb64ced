"""Which classes are taken for which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nncore import _checks, _data
from nncore.plots._matplotlib import require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore._typing import Array

_NORMALIZED = {"true": "share of the true class", "pred": "share of the prediction", "all": "share of all rows"}
_MOST_NUMBERS = 25  # classes, of which each cell has its number


def confusion_matrix(y_true: Any, y_pred: Any, *, labels: Sequence[Any] | Array | None = None,
                     sample_weight: Any = None, normalize: Literal["true", "pred", "all"] | None = None,
                     display_labels: Sequence[Any] | None = None, ax: Any = None,
                     title: str | None = None) -> Any:  # fmt: skip
    """Draws how many rows of each class, in the matrix's rows, were taken for each class, in its columns.

    C[i, j] = Σ w over the rows of class i whose prediction is j.

    Parameters
    ----------
    y_true : array (rows,) of labels, or (rows, classes) of one-hot rows
    y_pred : array (rows,) of labels, or (rows, classes) of what a model predicts, of which the largest counts
        Where y_true holds 0 and 1, also probabilities of 1: (rows,) or (rows, 1), of which those above one half count.
    labels : list, optional
        The classes that are shown, in this order; all that are there unless given, from 0 where they are columns.
    sample_weight : array (rows,), optional
    normalize : None, "true", "pred" or "all"
        Shares of each class, of each prediction, or of all, in place of counts.
    display_labels : list of str, optional
        Names of the classes.
    ax : Matplotlib axes, optional
    title : str, optional
        The share of right predictions unless given.

    Returns
    -------
    Figure

    Raises
    ------
    ImportError
        Without Matplotlib.
    ValueError
        For arrays of different numbers of rows, none, or none of the labels.

    Examples
    --------
    >>> figure = nn.plots.confusion_matrix([0, 1, 1, 2], [0, 1, 2, 2], display_labels=["cat", "dog", "owl"])
    >>> figure.axes[0].get_title(loc="left")
    '75% of 4 right'
    """
    share = require("nn.plots.confusion_matrix")
    if not _checks.is_word(normalize, (*_NORMALIZED, None)):
        raise ValueError(f"confusion_matrix: normalize must be None, 'true', 'pred' or 'all', not {normalize!r}")
    true, predicted, labels = _labels_of(y_true, y_pred, labels)
    counts, right = _counted(true, predicted, labels, sample_weight)
    names = [str(label) for label in (labels if display_labels is None else display_labels)]
    if len(names) != len(labels):
        raise ValueError(f"confusion_matrix: display_labels has {len(names)} names for {len(labels)} classes")
    if title is None:
        title = f"{100 * right:.3g}% of {len(true):,} right"
    return _draw(share, ax, counts, names, normalize, title)


def _labels_of(y_true, y_pred, labels):
    """Labels of all rows, and those to be shown."""
    true, predicted = np.asarray(y_true), np.asarray(y_pred)
    columns = max((array.shape[1] for array in (true, predicted) if array.ndim == 2), default=1)
    true, predicted = (array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array for array in (true, predicted))
    for name, array in (("y_true", true), ("y_pred", predicted)):
        if array.ndim not in (1, 2):
            raise ValueError(f"confusion_matrix: {name} must be (rows,) or (rows, classes); got shape {array.shape}")
    if len(true) != len(predicted):
        raise ValueError(f"confusion_matrix: y_true has {len(true)} rows, and y_pred {len(predicted)}")
    if not len(true):
        raise ValueError("confusion_matrix: there are no rows")
    if true.dtype.kind not in "biuf" and predicted.ndim == 2:
        if labels is None or len(labels) != columns:
            raise ValueError("confusion_matrix: y_true has names, and y_pred columns: labels must name the columns")
        predicted = np.asarray(labels)[predicted.argmax(1)]
    true, predicted = (array.argmax(1) if array.ndim == 2 else array for array in (true, predicted))
    if true.dtype.kind == "f" and (true == np.floor(true)).all():
        true = true.astype(np.int64)
    if predicted.dtype.kind == "f" and np.isin(true, (0, 1)).all() and not np.isin(predicted, true).all():
        predicted = (_data.as_array(predicted, "y_pred") > 0.5).astype(true.dtype if true.dtype.kind in "iu" else int)
    if predicted.dtype.kind == "f" and (predicted == np.floor(predicted)).all():
        predicted = predicted.astype(np.int64)
    if labels is None:
        labels = np.arange(columns) if columns > 1 else []
        labels = np.union1d(np.union1d(true, predicted), labels).astype(true.dtype) if len(labels) else np.union1d(
            true, predicted)  # fmt: skip
    return true, predicted, list(labels)


def _counted(true, predicted, labels, sample_weight):
    """The matrix, and the share of right predictions."""
    weight = np.ones(len(true)) if sample_weight is None else np.asarray(sample_weight, np.float64)
    if weight.shape != true.shape:
        raise ValueError(f"confusion_matrix: sample_weight must have shape {true.shape}; got {weight.shape}")
    places = {label: place for place, label in enumerate(labels)}
    if len(places) < len(labels):
        raise ValueError("confusion_matrix: a label is named twice")
    counts = np.zeros((len(labels), len(labels)))
    shown = np.zeros(len(true), bool)
    for row, (t, p) in enumerate(zip(true.tolist(), predicted.tolist(), strict=True)):
        if t in places and p in places:
            counts[places[t], places[p]] += weight[row]
            shown[row] = True
    if not shown.any():
        raise ValueError("confusion_matrix: none of the labels are in y_true and y_pred")
    return counts, (weight * (true == predicted)).sum() / (weight.sum() or 1)


def _draw(share, ax, counts, names, normalize, title):
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    with np.errstate(invalid="ignore", divide="ignore"):
        by = {"true": counts.sum(1, keepdims=True), "pred": counts.sum(0, keepdims=True), "all": counts.sum()}
        values = counts if normalize is None else np.nan_to_num(counts / by[normalize])
    classes = len(names)
    side = min(max(3.2, 0.9 + 0.55 * classes), 10)
    with share.axes(ax, (side + 1.0, side)) as ax:
        image = ax.imshow(values, cmap="Blues", vmin=0, vmax=values.max() or 1, aspect="equal")
        ax.set_title(title, loc="left")
        ax.set_xlabel("predicted")
        ax.set_ylabel("true")
        places = np.arange(classes) if classes <= 40 else np.linspace(0, classes - 1, 20).round().astype(int)
        ax.set_xticks(places, [names[i] for i in places])
        ax.set_yticks(places, [names[i] for i in places])
        if max(map(len, names)) > 3:
            ax.tick_params(axis="x", labelrotation=90 if max(map(len, names)) * classes > 60 else 45)
        ax.set_xticks(np.arange(classes - 1) + 0.5, minor=True)
        ax.set_yticks(np.arange(classes - 1) + 0.5, minor=True)
        if classes <= _MOST_NUMBERS:
            ax.grid(which="minor", color="white", linewidth=1)
        ax.tick_params(which="both", length=0)
        for spine in ax.spines.values():
            spine.set_visible(False)
        if classes <= _MOST_NUMBERS:
            _write_numbers(share, ax, values, normalize)
        whole = normalize is None and (counts == counts.round()).all()
        bar = ax.figure.colorbar(image, ax=ax, shrink=0.8, aspect=30, ticks=MaxNLocator(5, integer=whole))
        if normalize is not None:
            bar.ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        bar.set_label("rows" if normalize is None else _NORMALIZED[normalize], color=share.QUIET_COLOR)
        bar.outline.set_visible(False)
        return ax.figure


def _write_numbers(share, ax, values, normalize):
    most = values.max() or 1
    size = 9 if len(values) <= 12 else 7 if len(values) <= 18 else 5.5
    for (row, column), value in np.ndenumerate(values):
        if value == 0 and row != column:
            continue  # what never happened is empty
        text = share.compact(value) if normalize is None else f"{100 * value:.0f}%" if value >= 0.01 else "<1%"
        if normalize is not None and value == 0:
            text = "0%"
        ax.text(column, row, text, horizontalalignment="center", verticalalignment="center", fontsize=size,
                color="white" if value > 0.55 * most else "#222222",
                fontweight="bold" if row == column else "normal")  # fmt: skip

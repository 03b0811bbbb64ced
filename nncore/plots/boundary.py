"""Where a classifier decides for which class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nncore.plots._matplotlib import require

if TYPE_CHECKING:
    from collections.abc import Sequence


def decision_boundary(model: Any, x: Any, y: Any = None, *, features: tuple[int, int] = (0, 1), resolution: int = 200,
                      class_names: Sequence[str] | None = None, feature_names: Sequence[str] | None = None,
                      threshold: float | None = None, max_points: int = 2000, ax: Any = None,
                      title: str | None = None) -> Any:  # fmt: skip
    """Draws what a model predicts over two of its features, with the data on it.

    Of several outputs the colour of a place is the class whose output is largest, the paler the closer the second one
    is. Of one output the colour is its value, with a line where it is `threshold`.

    Parameters
    ----------
    model : Model of samples (features,), or anything with ``predict(x)``
    x : array (rows, features)
        Its range in the two features is what is drawn. Other features are held at their medians.
    y : array (rows,) or (rows, 1) of class numbers, or (rows, classes) of one-hot rows, optional
        With it the rows are drawn in the colours of their classes; for a regression, values.
    features : (int, int)
        The numbers of the features that go right and up.
    resolution : int
        Places along each side.
    class_names, feature_names : list of str, optional
    threshold : float, optional
        Of one output; unless given, 0.5 where it lies in [0, 1], else 0 where y holds two labels, else none.
    max_points : int
        The most rows that are drawn; of more, some from all over.
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
        For arrays of other shapes.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((60, 2))
    >>> model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(3, activation="softmax")])
    >>> figure = nn.plots.decision_boundary(model, x, x.argmax(axis=1), resolution=50)
    """
    share = require("nn.plots.decision_boundary")
    x = np.asarray(x)
    if x.ndim != 2 or not len(x):
        raise ValueError(f"decision_boundary: x must be (rows, features), of at least one row; got shape {x.shape}")
    if len(features) != 2 or features[0] == features[1] or not all(-x.shape[1] <= f < x.shape[1] for f in features):
        raise ValueError(f"decision_boundary: features must be two of {x.shape[1]}; got {features}")
    if resolution < 2:
        raise ValueError(f"decision_boundary: resolution must be at least 2; got {resolution}")
    labels = _labels(y, len(x))
    known = getattr(model, "classes_", None)  # of a classifier of scikit-learn's
    if labels is not None and known is not None and len(known) > 2:
        class_names = [str(one) for one in known] if class_names is None else class_names
        labels = np.searchsorted(known, labels)
    edges = [_range(x[:, feature], resolution) for feature in features]
    across, up = np.meshgrid(*edges)
    places = np.tile(np.median(x, axis=0), (across.size, 1))
    places[:, features[0]], places[:, features[1]] = across.ravel(), up.ravel()
    places = places.astype(x.dtype if x.dtype.kind == "f" else np.float64)
    outputs = _outputs(model, places)
    if outputs.ndim == 1 or outputs.shape[1] == 1:
        draw: Any = _draw_value
        options = {"threshold": threshold}
        outputs = outputs.reshape(across.shape)
    else:
        draw, options = _draw_classes, {}
        outputs = outputs.reshape(*across.shape, -1)
    keep = np.linspace(0, len(x) - 1, min(len(x), max_points)).round().astype(int)
    points = x[keep][:, list(features)]
    with share.axes(ax, (5.6, 4.4)) as ax:
        draw(share, ax, edges, outputs, points, None if labels is None else labels[keep], class_names, **options)
        names = [f"feature {f % x.shape[1]}" if feature_names is None else str(feature_names[f]) for f in features]
        ax.set_xlabel(names[0])
        ax.set_ylabel(names[1])
        ax.set_xlim(edges[0][0], edges[0][-1])
        ax.set_ylim(edges[1][0], edges[1][-1])
        held = x.shape[1] - 2
        if title is None:
            title = "Decisions" if held == 0 else f"Decisions, {held} other feature{'s' * (held > 1)} at the median"
        ax.set_title(title, loc="left")
        return ax.figure


def _labels(y, rows):
    if y is None:
        return None
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] > 1:
        labels = labels.argmax(axis=1)
    labels = labels.reshape(-1)
    if len(labels) != rows:
        raise ValueError(f"decision_boundary: x has {rows} rows, and y {len(labels)}")
    return labels


def _range(values, count):
    low, high = float(values.min()), float(values.max())
    margin = 0.08 * (high - low) or 1.0
    return np.linspace(low - margin, high + margin, count)


def _outputs(model, places):
    """What the model says; of a classifier of scikit-learn's, its probabilities."""
    if hasattr(model, "predict_proba"):
        outputs = np.asarray(model.predict_proba(places))
        return outputs[:, 1] if outputs.ndim == 2 and outputs.shape[1] == 2 else outputs
    outputs = np.asarray(model.predict(places))
    if len(outputs) != len(places) or outputs.ndim > 2:
        raise ValueError(f"decision_boundary: a model must predict (rows,) or (rows, classes); got {outputs.shape}")
    return outputs


def _draw_classes(share, ax, edges, outputs, points, labels, class_names):
    from matplotlib.colors import to_rgb

    classes = outputs.shape[-1]
    colors = np.array([to_rgb(color) for color in share.categorical(classes)])
    ordered = np.sort(outputs, axis=-1)
    lead = ordered[..., -1] - ordered[..., -2]
    finite = lead[np.isfinite(lead)]
    lead = np.nan_to_num(lead / (finite.max() if finite.size and finite.max() > 0 else 1))
    winner = outputs.argmax(axis=-1)
    strength = (0.12 + 0.4 * np.clip(lead, 0, 1))[..., None]
    ax.imshow(1 - strength * (1 - colors[winner]), extent=(edges[0][0], edges[0][-1], edges[1][0], edges[1][-1]),
              origin="lower", aspect="auto", interpolation="bilinear")  # fmt: skip
    for one in range(classes if len(np.unique(winner)) > 1 else 0):
        ax.contour(*edges, (winner == one).astype(float), [0.5], colors="#555555", linewidths=0.7)
    if labels is None:
        ax.plot(*points.T, ".", color="#333333", markersize=3)
        return
    names = [str(one) for one in range(classes)] if class_names is None else class_names
    _check_names(names, classes)
    _scatter(share, ax, points, labels, list(range(classes)), colors, names)


def _check_names(names, classes):
    if len(names) < classes:
        raise ValueError(f"decision_boundary: class_names has {len(names)} names for {classes} classes")


def _scatter(share, ax, points, labels, classes, colors, names):
    """Points of each class in its colour and shape, and who is who."""
    shapes = "os^DvPX*"
    for place, one in enumerate(classes):
        chosen = labels == one
        if chosen.any():
            ax.plot(*points[chosen].T, shapes[place % len(shapes)], color=colors[place], markeredgecolor="white",
                    markeredgewidth=0.6, markersize=5, linestyle="none", label=str(names[place]))  # fmt: skip
    if len(classes) <= 12:
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, borderaxespad=0, handletextpad=0.2)


def _draw_value(share, ax, edges, outputs, points, labels, class_names, threshold):
    probability = outputs.min() >= 0 and outputs.max() <= 1
    kinds = None if labels is None else np.unique(labels)
    two = kinds is not None and len(kinds) <= 2
    if threshold is None:
        threshold = 0.5 if probability and (two or labels is None) else 0.0 if two else None
    far = None if threshold is None else float(np.abs(outputs - threshold).max()) or 1.0
    if threshold is not None:
        limits = (0, 1) if probability else (threshold - far, threshold + far)
        cmap = share.diverging()
    else:
        values = outputs if labels is None else np.concatenate([outputs.ravel(), labels])
        limits, cmap = (float(values.min()), float(values.max())), "viridis"
    image = ax.imshow(outputs, extent=(edges[0][0], edges[0][-1], edges[1][0], edges[1][-1]), origin="lower",
                      aspect="auto", interpolation="bilinear", cmap=cmap, vmin=limits[0], vmax=limits[1],
                      alpha=0.75 if threshold is not None else 1)  # fmt: skip
    bar = ax.figure.colorbar(image, ax=ax, aspect=30, pad=0.02)
    bar.set_label("output", color=share.QUIET_COLOR)
    bar.outline.set_visible(False)
    if threshold is not None and outputs.min() < threshold < outputs.max():
        ax.contour(*edges, outputs, [threshold], colors="#222222", linewidths=1.2)
    if labels is None:
        ax.plot(*points.T, ".", color="#333333", markersize=3)
    elif two:
        names = [str(kind) for kind in kinds] if class_names is None else class_names
        _check_names(names, len(kinds))
        for place, kind in enumerate(kinds):
            chosen = labels == kind
            high = place == len(kinds) - 1 and len(kinds) > 1
            ax.plot(*points[chosen].T, "s" if high else "o", markersize=5, linestyle="none", markeredgecolor="white",
                    markeredgewidth=0.6, color="#8a3d00" if high else "#0b4a86", label=str(names[place]))  # fmt: skip
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1.005), ncols=2, frameon=False, borderaxespad=0,
                  handletextpad=0.2)  # fmt: skip
    else:
        ax.scatter(*points.T, c=labels, cmap=cmap, vmin=limits[0], vmax=limits[1], s=22, edgecolors="white",
                   linewidths=0.7)  # fmt: skip

"""The history of a training as notebooks show it: small curves, without Matplotlib."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore.callbacks.history import History

WIDTH, HEIGHT = 180, 70
MOST_POINTS = 200  # of a curve
MOST_CURVES = 12
TRAINING, VALIDATION = "#1f6fb4", "#e07b1a"


def html(history: History) -> str:
    """A cell for each quantity: its curves, and its last values."""
    names = list(dict.fromkeys(name.removeprefix("val_") for name in history.history))
    cells = [cell for name in names if (cell := _cell(history, name))]
    if not cells:
        return "<div>History: no epoch</div>"
    count = max(len(values) for values in history.history.values())
    more = len(cells) - MOST_CURVES
    rest = f"<div>and {more} more; <code>history.plot()</code> has them all</div>" if more > 0 else ""
    legend = f"<span style='color:{TRAINING}'>training</span>, <span style='color:{VALIDATION}'>validation</span>"
    return (f"<div><b>History</b>: {count} epoch{'s' * (count != 1)}, {legend}"
            f"<div style='display:flex;flex-wrap:wrap'>{''.join(cells[:MOST_CURVES])}</div>{rest}</div>")  # fmt: skip


def _cell(history: History, name: str) -> str:
    curves = [(history.epochs_of(each), _numbers(history.history.get(each, [])), color)
              for each, color in ((name, TRAINING), (f"val_{name}", VALIDATION))]  # fmt: skip
    curves = [curve for curve in curves if curve[1]]
    if not curves:
        return ""
    drawn = _svg(curves)
    last = " ".join(f"<span style='color:{color}'>{values[-1]:.4g}</span>" for _, values, color in curves)
    return f"<div style='margin:4px 14px 4px 0;font-size:85%'><div>{escape(name)} {last}</div>{drawn}</div>"


def _numbers(values: Sequence[Any]) -> list[float]:
    """Floats; an empty list where values are no single numbers."""
    try:
        return [float(value) for value in values]
    except (TypeError, ValueError):
        return []


def _svg(curves: Any) -> str:
    finite = [value for _, values, _ in curves for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    first = min(epochs[0] for epochs, _, _ in curves)
    last = max(epochs[-1] for epochs, _, _ in curves)
    lines = []
    for epochs, values, color in curves:
        points = [(4 + (WIDTH - 8) * (epoch - first) / max(last - first, 1),
                   4 + (HEIGHT - 8) * (high - value) / ((high - low) or 1))
                  for epoch, value in zip(epochs, values, strict=True) if math.isfinite(value)]  # fmt: skip
        step = -(-len(points) // MOST_POINTS) or 1
        points = [*points[:-1:step], *points[-1:]]
        if len(points) == 1:
            lines.append(f"<circle cx='{points[0][0]:.1f}' cy='{points[0][1]:.1f}' r='2.5' fill='{color}'/>")
        elif points:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            lines.append(f"<polyline points='{path}' fill='none' stroke='{color}' stroke-width='1.5'/>")
    frame = f"<path d='M1 0V{HEIGHT - 1}H{WIDTH}' fill='none' stroke='#999'/>"
    return (f"<svg width='{WIDTH}' height='{HEIGHT}' viewBox='0 0 {WIDTH} {HEIGHT}' role='img'>{frame}{''.join(lines)}"
            f"</svg><div style='opacity:.7'>{low:.3g} to {high:.3g}</div>")  # fmt: skip

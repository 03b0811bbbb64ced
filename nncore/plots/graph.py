"""The graph of a model as a picture, drawn by Matplotlib alone."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nncore import _checks
from nncore.plots import _layout
from nncore.plots._matplotlib import require

if TYPE_CHECKING:
    from nncore.models.model import Model

GAP, RANK_GAP = 0.3, 0.34  # inches
MOST_HEIGHT = 9.5  # of a column
PADDING = 0.1  # of boxes
MARGIN = 0.3
HEADER = 0.3  # of a frame around a nested model
SIZES = {"name": 9, "kind": 9, "quiet": 8}
LINE = 0.165


class Look(NamedTuple):
    """What boxes say."""

    shapes: bool
    dtype: bool
    names: bool
    activations: bool
    trainable: bool
    parameters: bool
    nested: bool
    across: bool


class Box(NamedTuple):
    """What a vertex of the layout is: lines of (text, kind of text), and how its frame looks."""

    lines: list
    kind: str  # "input", "weights", "plain" or "model"
    frozen: bool
    inner: object = None  # Drawing of an expanded model


def plot(model: Model, *, rankdir: Literal["TB", "LR"] = "TB", expand_nested: bool = False, show_shapes: bool = True,
         show_dtype: bool = False, show_layer_names: bool = True, show_layer_activations: bool = True,
         show_trainable: bool = False, show_parameters: bool = True) -> Any:  # fmt: skip
    """Draws what `Model.plot` says."""
    share = require("Model.plot")
    model._require_built()
    if not _checks.is_word(rankdir, ("TB", "LR")):
        raise ValueError(f"plot: rankdir must be 'TB' (downwards) or 'LR' (to the right), not {rankdir!r}")
    look = Look(show_shapes, show_dtype, show_layer_names, show_layer_activations, show_trainable, show_parameters,
                expand_nested, rankdir == "LR")  # fmt: skip
    drawing = _laid_out(model, look)
    kinds = list(dict.fromkeys(_kinds_in(drawing)))
    with share.style():
        return _draw(share, drawing, look, _title(model), kinds)


# ---- what is drawn


def _laid_out(model, look):
    graph = model.graph
    calls = {}
    for node in graph.nodes:
        calls.setdefault(id(node.layer), []).append(node)
    outputs = {id(tensor) for tensor in graph.outputs}
    vertices, edges, owner = [], [], {}
    for node in graph.nodes:
        same = calls[id(node.layer)]
        vertex = _vertex(node, (same.index(node) + 1, len(same)), any(id(t) in outputs for t in node.outputs), look,
                         model)  # fmt: skip
        vertices.append(vertex)
        for tensor in node.outputs:
            owner[id(tensor)] = vertex
    edges = [(owner[id(tensor)], vertex) for node, vertex in zip(graph.nodes, vertices, strict=True)
             for tensor in node.inputs]  # fmt: skip
    order = {id(vertex): place for place, vertex in enumerate(vertices)}
    edges = sorted(dict.fromkeys(edges), key=lambda edge: order[id(edge[0])])
    most = MOST_HEIGHT * (1.6 if look.across else 1)
    return _layout.lay_out(vertices, edges, GAP, RANK_GAP + (0.15 if look.across else 0), most)


def _vertex(node, call, is_output, look, model):
    layer = node.layer
    number, count = call
    weights = [] if hasattr(layer, "graph") else layer.weight_list()
    is_model, is_input = hasattr(layer, "graph"), not node.inputs
    inner = _laid_out(layer, look) if is_model and look.nested and layer.graph is not None else None
    lines = []
    kind = type(layer).__name__
    if look.activations and (activation := _activation(layer)):
        kind += f" · {activation}"
    if look.names:
        lines.append((_clipped(layer.name), "name"))
    lines.append((kind, "kind" if not look.names else "quiet"))
    if look.shapes:
        shapes = [str(tensor.shape) for tensor in node.outputs]
        lines += [(shape, "quiet") for shape in shapes[:4]]
        if len(shapes) > 4:
            lines.append((f"and {len(shapes) - 4} more", "quiet"))
    if look.dtype:
        lines.append((model.dtype_policy, "quiet"))
    parameters = layer.count_params()
    if look.parameters and parameters and number == 1:
        lines.append((f"{parameters:,} parameter{'s' * (parameters != 1)}", "quiet"))
    notes = [f"call {number} of {count}"] if count > 1 else []
    if look.trainable and parameters:
        notes.append("trainable" if layer.trainable else "not trainable")
    elif parameters and not layer.trainable:
        notes.append("frozen")
    if is_output:
        notes.append("output")
    if notes:
        lines.append((", ".join(notes), "note"))
    box = Box(lines, "input" if is_input else "model" if is_model else "weights" if weights else "plain",
              bool(parameters and not layer.trainable), inner)  # fmt: skip
    if inner is None:
        width = max(max(_width(text, kind) for text, kind in lines) + 2 * PADDING, 0.8)
        height = LINE * len(lines) + 2 * PADDING - 0.02
    else:
        spread = (inner.height, inner.width) if look.across else (inner.width, inner.height)
        heading = _heading(box)
        width = max(spread[0] + 2 * MARGIN, max(_width(*line) for line in heading) + 2 * PADDING)
        height = spread[1] + 2 * MARGIN + LINE * len(heading) + PADDING
    return _layout.Vertex(*((height, width) if look.across else (width, height)), box)


def _heading(box):
    """The lines of an expanded model in few."""
    first = "  ".join(text for text, kind in box.lines if kind in ("name", "kind"))
    rest = "  ".join(text for text, kind in box.lines if kind not in ("name", "kind"))
    return [(first, "name"), *([(rest, "quiet")] if rest else [])]


def _activation(layer):
    """The name of the activation that a layer has beside its own work."""
    found = getattr(layer, "activation", None)
    name = getattr(found, "__name__", None) or getattr(found, "name", None)
    return name if name not in (None, "linear") else None


def _clipped(text, most=38):
    return text if len(text) <= most else f"{text[: most - 1]}…"


@functools.lru_cache(4096)
def _width(text, kind):
    """Inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    if not text:
        return 0.0
    font = FontProperties(family="DejaVu Sans", weight="bold" if kind == "name" else "normal")
    try:
        outline = TextPath((0, 0), text.replace("$", "S"), size=SIZES.get(kind, 8), prop=font)
        return outline.vertices[:, 0].max() / 72 + 0.02  # near enough, and much faster than the exact extent
    except (ValueError, RuntimeError):  # a glyph that no font has
        return 0.08 * len(text)


def _title(model):
    layers = len(model.layers)
    return f"{model.name}", (f"{type(model).__name__} · {layers} layer{'s' * (layers != 1)} · "
                             f"{model.count_params():,} parameters · {model.dtype_policy}")  # fmt: skip


def _kinds_in(drawing):
    for vertex in drawing.vertices:
        if vertex.content.inner is not None:
            yield from _kinds_in(vertex.content.inner)
        else:
            yield vertex.content.kind
        if vertex.content.frozen:
            yield "frozen"


# ---- drawing

_FILLS = {"input": "#eeeeee", "weights": "#dcebf7", "plain": "#ffffff", "model": "#fdf1e3"}
_EDGES = {"weights": "TRAINING_COLOR", "model": "TEST_COLOR"}
_WORDS = {"input": "input", "weights": "with weights", "plain": "without weights", "model": "a model",
          "frozen": "frozen"}  # fmt: skip


def _draw(share, drawing, look, title, kinds):
    from matplotlib.font_manager import FontProperties

    width, height = (drawing.height, drawing.width) if look.across else (drawing.width, drawing.height)
    bold = _width(title[0], "name") * 11 / 9
    size = (max(width + 2 * MARGIN, bold + 2 * MARGIN, _width(title[1], "quiet") + 2 * MARGIN,
                sum(0.45 + _width(_WORDS[kind], "quiet") for kind in kinds) + 2 * MARGIN),
            height + 2 * MARGIN + 0.9)  # fmt: skip
    figure = share.Figure(size)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, size[0])
    axes.set_ylim(size[1], 0)
    plain = FontProperties(family="DejaVu Sans")
    axes.text(MARGIN, 0.28, title[0], fontsize=11, fontweight="bold", parse_math=False, verticalalignment="center")
    axes.text(MARGIN, 0.48, title[1], fontsize=8, color=share.QUIET_COLOR, verticalalignment="center", parse_math=False,
              fontproperties=plain)  # fmt: skip
    left = max(MARGIN, (size[0] - width) / 2)
    _draw_drawing(share, axes, drawing, look, left, MARGIN + 0.55)
    _legend(share, axes, kinds, size)
    return figure


def _draw_drawing(share, axes, drawing, look, left, top):
    from matplotlib.patches import PathPatch, Polygon
    from matplotlib.path import Path

    def at(x, y):
        return (left + y, top + x) if look.across else (left + x, top + y)

    for path in drawing.paths:
        points, codes, last = [], [], path[0][1:]
        for kind, x, y in path:
            if kind == "curve":
                x0, y0 = last
                middle = (y0 + y) / 2
                points += [at(x0, middle), at(x, middle), at(x, y)]
                codes += [Path.CURVE4] * 3
            else:
                points.append(at(x, y))
                codes.append(Path.MOVETO if kind == "move" else Path.LINETO)
            last = (x, y)
        axes.add_patch(PathPatch(Path(points, codes), fill=False, edgecolor="#7a7a7a", linewidth=1, zorder=1,
                                 joinstyle="round"))  # fmt: skip
        x, y = last
        axes.add_patch(Polygon([at(x, y), at(x - 0.045, y - 0.1), at(x + 0.045, y - 0.1)], facecolor="#7a7a7a",
                               edgecolor="none", zorder=1.5))  # fmt: skip
    for vertex in drawing.vertices:
        x, y = at(vertex.x, vertex.y)
        width, height = (vertex.height, vertex.width) if look.across else (vertex.width, vertex.height)
        _draw_box(share, axes, vertex.content, look, x - width / 2, y - height / 2, width, height)


def _draw_box(share, axes, box, look, left, top, width, height):
    from matplotlib.patches import FancyBboxPatch

    inset = 0.03
    axes.add_patch(FancyBboxPatch(
        (left + inset, top + inset), width - 2 * inset, height - 2 * inset, boxstyle=f"round,pad={inset}",
        facecolor="#fcfaf7" if box.inner else _FILLS[box.kind], edgecolor=_edge(share, box.kind), linewidth=1, zorder=2,
        linestyle="--" if box.frozen else "-"))  # fmt: skip
    lines = box.lines if box.inner is None else _heading(box)
    for number, (text, kind) in enumerate(lines):
        y = top + PADDING - 0.01 + LINE * (number + 0.5)
        place, align = (left + width / 2, "center") if box.inner is None else (left + PADDING, "left")
        axes.text(place, y, text, fontsize=SIZES.get(kind, 8), horizontalalignment=align, zorder=3, parse_math=False,
                  verticalalignment="center_baseline", fontweight="bold" if kind == "name" else "normal",
                  color={"name": "#111111", "kind": "#111111", "note": "#8a4a0d"}.get(kind, "#4a4a4a"))  # fmt: skip
    if box.inner is not None:
        inner = box.inner
        spread = inner.height if look.across else inner.width
        heading = LINE * len(lines) + PADDING
        _draw_drawing_above(share, axes, inner, look, left + (width - spread) / 2, top + heading + MARGIN)


def _edge(share, kind):
    return getattr(share, _EDGES[kind]) if kind in _EDGES else "#9a9a9a"


def _draw_drawing_above(share, axes, drawing, look, left, top):
    """An inner drawing, over the frame that it is in."""
    before = len(axes.patches), len(axes.texts)
    _draw_drawing(share, axes, drawing, look, left, top)
    for artist in [*axes.patches[before[0] :], *axes.texts[before[1] :]]:
        artist.set_zorder(artist.get_zorder() + 3)


def _legend(share, axes, kinds, size):
    from matplotlib.patches import Rectangle

    x, y = MARGIN, size[1] - 0.25
    for kind in kinds if len(kinds) > 1 else ():
        axes.add_patch(Rectangle((x, y - 0.06), 0.17, 0.12, facecolor=_FILLS.get(kind, "white"), linewidth=1,
                                 linestyle="--" if kind == "frozen" else "-", edgecolor=_edge(share, kind)))
        axes.text(x + 0.24, y, _WORDS[kind], fontsize=8, color=share.QUIET_COLOR, verticalalignment="center")
        x += 0.45 + _width(_WORDS[kind], "quiet")

"""A model as a table of text."""

from __future__ import annotations

import bisect
import itertools
import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nncore.models.model import Model

_LEAST = 40  # characters of a line
_TEXTS = ("layer (class)", "output shape", "parameters", "connected to", "trainable")


def summary(model: Model, line_length: int | None = None, positions: Sequence[float] | None = None,
            expand_nested: bool = False, show_trainable: bool = False,
            layer_range: Sequence[str] | None = None) -> str:  # fmt: skip
    """Returns what `Model.summary` prints."""
    line_length = 80 if line_length is None else line_length
    if line_length < _LEAST:
        raise ValueError(f"summary: line_length must be at least {_LEAST}; got {line_length}")
    rows = rows_of(model, expand_nested)
    if layer_range is not None:
        rows = _between(rows, layer_range)
    chain = not any(row.sources for row in rows)
    columns = [name for name in _TEXTS if not (name == "connected to" and chain)
               and not (name == "trainable" and not show_trainable)]  # fmt: skip
    ends = _ends(columns, rows, line_length, positions)
    rule = "-" * line_length  # nothing but ASCII, which every terminal and file takes
    lines = [f"Model {model.name!r}", rule, *_lines(dict(zip(columns, columns, strict=True)), ends), rule]
    for row in rows:
        lines += _lines(row.cells(), ends)
    return "\n".join([*lines, rule, *totals(model)])


class _Row:
    """What the table says of one layer."""

    def __init__(self, layer: Any, nodes: Sequence[Any], depth: int) -> None:
        self.depth, self.layer = depth, layer
        self.name = layer.name
        self.kind = type(layer).__name__
        self.shapes = [str(tensor.shape) for tensor in nodes[0].outputs] if nodes else []
        self.parameters = f"{layer.count_params():,}"
        self.sources: list[list[str]] = []  # of each use the names of the layers that it reads

    def cells(self) -> dict[str, str]:
        """The text of each column; what is too long is broken where it has gaps."""
        uses = " / ".join(", ".join(names) for names in self.sources)
        return {
            "layer (class)": f"{'| ' * self.depth}{self.name} ({self.kind})",
            "output shape": ", ".join(self.shapes),
            "parameters": self.parameters,
            "connected to": uses,
            "trainable": ("yes" if self.layer.trainable else "no") if self.layer.count_params() else "-",
        }


def rows_of(model: Any, expand_nested: bool = False, depth: int = 0) -> list[_Row]:
    """A row for each layer, those of expanded models behind them."""
    nodes: dict[int, list[Any]] = {}
    for node in model.graph.nodes:
        nodes.setdefault(id(node.layer), []).append(node)
    # What a chain is connected to goes without saying.
    chain = all(len(node.inputs) <= 1 for node in model.graph.nodes) and len(model.graph.outputs) == 1
    chain = chain and all(len(each) == 1 for each in nodes.values())
    chain = chain and len(model.graph.inputs) == 1 and not _branches(model)
    rows = []
    for layer in model.layers:
        row = _Row(layer, nodes.get(id(layer), []), depth)
        if not chain:
            row.sources = [[t.name for t in node.inputs] for node in nodes.get(id(layer), []) if node.inputs]
        rows.append(row)
        if expand_nested and getattr(layer, "graph", None) is not None:
            rows += rows_of(layer, True, depth + 1)
    return rows


def _branches(model: Model) -> bool:
    read = [id(tensor) for node in model.graph.nodes for tensor in node.inputs]
    return len(read) > len(set(read))


def _between(rows: list[_Row], layer_range: Sequence[str]) -> list[_Row]:
    """The rows from one layer to another, both by the beginning of a name, as a regular expression."""
    import re

    if len(layer_range) != 2 or not all(isinstance(name, str) for name in layer_range):
        raise ValueError(f"summary: layer_range must be two names of layers; got {layer_range!r}")
    places = []
    for name in layer_range:
        try:
            pattern = re.compile(name)
        except re.error as error:
            raise ValueError(f"summary: layer_range has {name!r}, which is no regular expression: {error}") from None
        found = [place for place, row in enumerate(rows) if pattern.match(row.name)]
        if not found:
            raise ValueError(f"summary: layer_range names {name!r}, and there is no such layer")
        places.append(found)
    first, last = places[0][0], places[1][-1]
    if first > last:
        raise ValueError(f"summary: in layer_range {layer_range[1]!r} comes before {layer_range[0]!r}")
    return rows[first : last + 1]


def _ends(columns: Sequence[str], rows: Sequence[_Row], line_length: int,
          positions: Sequence[float] | None) -> dict[str, Any]:  # fmt: skip
    """Where each column ends: {name: (begin, end)}."""
    if positions is not None:
        if len(positions) < len(columns) or any(b <= a for a, b in itertools.pairwise(positions)):
            raise ValueError(f"summary: positions must be {len(columns)} growing numbers, where columns end "
                             f"({', '.join(columns)}); got {positions!r}")  # fmt: skip
        given = [round(line_length * p) if positions[-1] <= 1 else int(p) for p in positions[: len(columns)]]
        if given[0] < 3 or any(b - a < 3 for a, b in itertools.pairwise(given)):
            raise ValueError(f"summary: columns that end at {given} are too narrow")
        begins = [0, *given[:-1]]
        return {name: span for name, *span in zip(columns, begins, given, strict=True)}
    # Shapes are broken last; of names and connections each gets what the other leaves, and names at least the half.
    cells = [row.cells() for row in rows]
    wanted = {name: max([len(name), *(len(each[name]) for each in cells)]) + 2 for name in columns}
    widths = {name: min(wanted[name], 18) for name in columns}
    widths["output shape"] = min(wanted["output shape"], int(0.3 * line_length))
    rest = line_length - sum(width for name, width in widths.items() if name not in ("layer (class)", "connected to"))
    connected = wanted.get("connected to", 0)
    least = int(0.55 * rest) if connected else rest
    widths["layer (class)"] = min(wanted["layer (class)"], max(rest - connected, least))
    if connected:
        widths["connected to"] = min(connected, rest - widths["layer (class)"])
    spare = max(0, line_length - sum(widths.values()))
    widths["layer (class)"] += spare // 2
    widths["output shape"] += spare - spare // 2
    ends: dict[str, tuple[int, int]] = {}
    begin = 0
    for name in columns:
        ends[name] = (begin, begin + widths[name])
        begin += widths[name]
    return ends


def _lines(cells: Mapping[str, str], ends: Mapping[str, Any]) -> list[str]:
    """A row as one line or several."""
    broken = {}
    for name, (begin, end) in ends.items():
        width = max(1, end - begin - 2)
        text = cells[name]
        inner = text.lstrip("| ")
        indent = text[: len(text) - len(inner)]
        broken[name] = textwrap.wrap(inner, width, initial_indent=indent, subsequent_indent=f"{indent}  ",
                                     break_on_hyphens=False, drop_whitespace=True) or [""]  # fmt: skip
    result = []
    for number in range(max(map(len, broken.values()))):
        line = ""
        for name, (begin, end) in ends.items():
            text = broken[name][number] if number < len(broken[name]) else ""
            right = name == "parameters"
            width = end - begin
            line += f"{text:>{width - 2}}  " if right else f"{text:{width}}"
        result.append(line.rstrip())
    return result


def totals(model: Model) -> list[str]:
    total = model.count_params()
    trainable = sum(w.array.size for w in model.weight_list(trainable_only=True))
    size = _bytes(total * model.dtype.itemsize)
    lines = [f"{total:,} parameters, {trainable:,} of them trainable, {size} of {model.dtype}"]
    if model.compiled and model.optimizer is not None:
        state = sum(array.size for array in model.optimizer.variables)
        if state:
            lines.append(f"optimizer {model.optimizer.name!r}: {state:,} numbers of state")
    return lines


def _bytes(size: int) -> str:
    units = ("bytes", "KiB", "MiB", "GiB", "TiB")
    place = bisect.bisect([1024 ** (power + 1) for power in range(len(units) - 1)], size)
    return f"{size:,} bytes" if place == 0 else f"{size / 1024**place:,.1f} {units[place]}"

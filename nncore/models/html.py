"""A model as notebooks show it."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nncore.models.model import Model

MOST_ROWS = 40


def html(model: Model) -> str:
    """A small table of the layers, folded away where it is long."""
    from nncore.models.summary import rows_of, totals

    head = f"<b>{escape(model.name)}</b> <span style='opacity:.7'>{escape(type(model).__name__)}</span>"
    if not model.built:
        return f"<div>{head}: no shape yet</div>"
    rows = rows_of(model)
    connected = any(row.sources for row in rows)
    names = ["layer (class)", "output shape", "parameters", *(["connected to"] if connected else [])]
    style = "style='text-align:left;padding:1px 12px 1px 0'"
    right = "style='text-align:right;padding:1px 12px 1px 0'"
    table = ["<table style='border-collapse:collapse;font-size:90%'><tr>"]
    table += [f"<th {right if name == 'parameters' else style}>{name}</th>" for name in names]
    for row in rows[:MOST_ROWS]:
        cells = row.cells()
        cell = [f"<td {right if name == 'parameters' else style}>{escape(cells[name])}</td>" for name in names]
        table.append("</tr><tr>" + "".join(cell))
    table.append("</tr></table>")
    if len(rows) > MOST_ROWS:
        table.append(f"<div>and {len(rows) - MOST_ROWS} more layers; <code>summary()</code> has them all</div>")
    said = "".join(f"<div>{escape(line)}</div>" for line in totals(model))
    opened = " open" if len(rows) <= 12 else ""
    return f"<div>{head}<details{opened}><summary>{len(rows)} layers</summary>{''.join(table)}</details>{said}</div>"

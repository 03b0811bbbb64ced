"""A model as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nncore.models.model import Model


def summary(model: Model, line_length: int) -> str:
    """A table of the layers, their output shapes, their numbers of weights, and what they are connected to."""
    chain = all(len(node.inputs) <= 1 for node in model.graph.nodes) and len(model.graph.outputs) == 1
    rows = [("layer", "output shape", "parameters", "connected to")]
    for layer in model.layers:
        nodes = [node for node in model.graph.nodes if node.layer is layer]
        shapes = [tensor.shape for tensor in nodes[0].outputs] if nodes else []
        shape = ", ".join(f"({', '.join(map(str, shape))})" for shape in shapes)
        sources = ", ".join(tensor.name for node in nodes for tensor in node.inputs)
        rows.append((f"{layer.name} ({type(layer).__name__})", shape, f"{layer.count_params():,}", sources))
    widths = (line_length // 2, line_length - line_length // 2 - 14, 14, 0) if chain else _shares(line_length)
    lines = [f"Model {model.name!r}", "-" * line_length]
    for name, shape, count, sources in rows:
        line = f"{_cut(name, widths[0])}{_cut(shape, widths[1])}{count:>{widths[2]}}"
        lines.append(line if chain else f"{line}  {_cut(sources, widths[3])}".rstrip())
    trainable = sum(w.array.size for w in model.weight_list(trainable_only=True))
    kilobytes = model.count_params() * model.dtype.itemsize / 1024
    lines += [
        "-" * line_length,
        f"{model.count_params():,} parameters, {trainable:,} of them trainable, {kilobytes:,.1f} KiB of {model.dtype}",
    ]
    return "\n".join(lines)


def _shares(length: int) -> tuple[int, int, int, int]:
    first, second, third = length * 2 // 5, length // 4, 12
    return first, second, third, length - first - second - third - 2


def _cut(text: str, width: int) -> str:
    return f"{text[: max(0, width - 1)]:{width}}"

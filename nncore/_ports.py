"""How arrays come into a plan and out of it: steps that gather rows, and steps that store them.

What they read and write is bound before each run, under names: those of `gather` with `_type` and `_bytes` behind
them for the type of the elements and the distance of the rows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nncore import _engine
from nncore._plan import Later, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore._data import Source
    from nncore._engine import Buffer
    from nncore._plan import Builder
    from nncore._typing import Shape
    from nncore.layers.layer import Layer


def gather(builder: Builder, name: str, buffer: Buffer, features: int, labels: bool = False) -> None:
    """Adds a step that reads the rows of a Source into a buffer, in the epoch's order; `labels` are class numbers."""
    source: dict[str, Any] = {"source": Later(name), "type": Later(f"{name}_type"),
                              "source_stride_bytes": Later(f"{name}_bytes")}  # fmt: skip
    kernel = "gather_labels" if labels else "gather_rows"
    builder.forward(kernel, y=buffer, features=features, y_stride=buffer.stride, **source)


def gather_input(builder: Builder, name: str, shape: Shape, needs_gradient: bool,
                 readers: tuple[Sequence[Layer], bool]) -> Value:  # fmt: skip
    """The Value of an input, with steps that read it: as numbers, and as int32 for those who want numbers of rows.

    `readers` is what `Graph.readers` says.
    """
    embeddings, others = readers
    width = math.prod(shape)
    indices = builder.buffer(width, "int32") if embeddings else None
    buffer: Any = builder.buffer_of(shape) if others or not embeddings else indices
    value = Value(buffer, shape, needs_gradient and builder.backward)
    value.indices = indices
    if indices is not None:
        gather(builder, name, indices, width, labels=True)
    if buffer is not indices:
        gather(builder, name, buffer, width)
    return value


def bind_source(builder: Builder, name: str, source: Source) -> None:
    """Sets where a `gather` reads."""
    builder.bind(**{name: source.memory, f"{name}_type": source.type, f"{name}_bytes": source.row_bytes})


def gather_weights(builder: Builder, name: str, width: int = 1) -> Buffer:
    """A buffer (rows, width) without gaps that is read from a contiguous array of the plan's type."""
    buffer = builder.buffer(width, gapless=True)
    builder.forward("gather_rows", source=Later(name), y=buffer, features=width, y_stride=width,
                    **_dense(builder, width))  # fmt: skip
    return buffer


def store(builder: Builder, name: str, value: Value) -> None:
    """Adds a step that writes a tensor to a contiguous array of its own shape."""
    builder.forward("store_rows", x=value.buffer, target=Later(name), features=value.width, x_stride=value.stride,
                    target_stride=value.width)  # fmt: skip


def gather_gradient(builder: Builder, name: str, value: Value) -> None:
    """Adds a step of the backward pass that reads the gradient of a tensor."""

    def emit(target: Buffer) -> None:
        builder.backward_step("gather_rows", source=Later(name), y=target, features=value.width, y_stride=target.stride,
                              **_dense(builder, value.width))  # fmt: skip

    builder.add_gradient(value, emit)  # of a tensor that is an output twice the gradients add up


def store_gradient(builder: Builder, name: str, value: Value) -> None:
    """Adds a step of the backward pass that writes the gradient of a tensor; where there is none it writes nothing."""
    gradient = value.gradient
    if gradient is None:
        builder.unbound(name)
        return
    builder.backward_step("store_rows", x=gradient, target=Later(name), features=value.width,
                          x_stride=gradient.stride, target_stride=value.width)  # fmt: skip


def _dense(builder: Builder, width: int) -> dict[str, int]:
    size = builder.dtype.itemsize
    return {"type": _engine.SOURCE_TYPES.index(builder.dtype), "source_stride_bytes": width * size}

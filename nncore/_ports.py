"""How arrays come into a plan and out of it: steps that gather rows, and steps that store them.

What they read and write is bound before each run, under names: those of `gather` with `_type` and `_bytes` behind
them for the type of the elements and the distance of the rows.
"""

import math

from nncore import _engine
from nncore._plan import Later, Value


def gather(builder, name, buffer, features, labels=False):
    """Adds a step that reads the rows of a Source into a buffer, in the epoch's order; `labels` are class numbers."""
    source = {"source": Later(name), "type": Later(f"{name}_type"), "source_stride_bytes": Later(f"{name}_bytes")}
    kernel = "gather_labels" if labels else "gather_rows"
    builder.forward(kernel, y=buffer, features=features, y_stride=buffer.stride, **source)


def gather_input(builder, name, shape, needs_gradient, readers):
    """The Value of an input, with steps that read it: as numbers, and as int32 for those who want numbers of rows.

    `readers` is what `Graph.readers` says.
    """
    embeddings, others = readers
    width = math.prod(shape)
    indices = builder.buffer(width, "int32") if embeddings else None
    buffer = builder.buffer_of(shape) if others or not embeddings else indices
    value = Value(buffer, shape, needs_gradient and builder.backward)
    value.indices = indices
    if indices is not None:
        gather(builder, name, indices, width, labels=True)
    if buffer is not indices:
        gather(builder, name, buffer, width)
    return value


def bind_source(builder, name, source):
    """Sets where a `gather` reads."""
    builder.bind(**{name: source.array, f"{name}_type": source.type, f"{name}_bytes": source.row_bytes})


def gather_weights(builder, name, width=1):
    """A buffer (rows, width) without gaps that is read from a contiguous array of the plan's type."""
    buffer = builder.buffer(width, gapless=True)
    builder.forward("gather_rows", source=Later(name), y=buffer, features=width, y_stride=width,
                    **_dense(builder, width))  # fmt: skip
    return buffer


def store(builder, name, value):
    """Adds a step that writes a tensor to a contiguous array of its own shape."""
    builder.forward("store_rows", x=value.buffer, target=Later(name), features=value.width, x_stride=value.stride,
                    target_stride=value.width)  # fmt: skip


def gather_gradient(builder, name, value):
    """Adds a step of the backward pass that reads the gradient of a tensor."""

    def emit(target):
        builder.backward_step("gather_rows", source=Later(name), y=target, features=value.width, y_stride=target.stride,
                              **_dense(builder, value.width))  # fmt: skip

    builder.add_gradient(value, emit)  # of a tensor that is an output twice the gradients add up


def store_gradient(builder, name, value):
    """Adds a step of the backward pass that writes the gradient of a tensor; where there is none it writes nothing."""
    gradient = value.gradient
    if gradient is None:
        builder.unbound(name)
        return
    builder.backward_step("store_rows", x=gradient, target=Later(name), features=value.width,
                          x_stride=gradient.stride, target_stride=value.width)  # fmt: skip


def _dense(builder, width):
    size = builder.dtype.itemsize
    return {"type": _engine.SOURCE_TYPES.index(builder.dtype), "source_stride_bytes": width * size}

"""Layers in NumPy: their `forward` and `backward` are steps in Python of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _engine
from nncore.layers.composite import asks_for_training

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore._plan import Builder, Value
    from nncore._typing import Array


def emit(layer: Any, builder: Builder, xs: Sequence[Value]) -> Any:
    """Adds a layer's steps to a plan; returns its output Value, or a list of several."""
    shapes = layer.sample_shapes([x.shape for x in xs])
    weights = [weight for weight in layer.weight_list() if weight.trainable]
    learns = builder.backward and layer.trainable and bool(weights)
    bent = builder.backward and any(x.needs_gradient for x in xs)
    ys = [builder.value(shape, learns or bent) for shape in shapes]
    gradients = [_engine.aligned_zeros(weight.array.shape, builder.dtype) for weight in weights]
    use = _Use(layer, builder.training, len(xs), gradients if builder.backward else None)
    for x in xs:
        x.uses += 1
    builder.forward_python(use.forward, [(value.buffer, value.shape) for value in (*xs, *ys)])
    if (learns or bent) and layer.backward is None:
        raise TypeError(
            f"layer {layer.name!r} has no backward(dy), and stands where training needs the gradient of its inputs or "
            "weights"
        )

    def backward() -> None:
        if all(y.gradient is None for y in ys):
            return
        parts = [builder.buffer_of(x.shape) for x in xs]
        # what nobody writes into is zero
        given = [builder.buffer_of(y.shape) if y.gradient is None else y.gradient for y in ys]
        arrays = [(buffer, value.shape) for buffer, value in zip((*given, *parts), (*ys, *xs), strict=True)]
        builder.backward_python(use.backward, arrays)
        for x, part in zip(xs, parts, strict=True):
            if x.needs_gradient:
                builder.take_gradient(x, part)
        for weight, gradient in zip(weights, gradients, strict=True) if learns else ():
            builder.weight_gradient(weight, "sum_parts", parts=gradient, columns=weight.matrix_shape[1],
                                    part_rows=builder.rows, parts_stride=0)  # fmt: skip

    builder.on_backward(backward)
    return ys if len(ys) > 1 else ys[0]


class _Use:
    """One use of a layer in a plan, and the attributes that its `forward` sets, which are there in its `backward`.

    They have to be kept, as between the two other uses may set them: of the same plan, or of another one.
    """

    def __init__(self, layer: Any, training: Any, inputs: int, gradients: list[Array] | Any) -> None:
        self.layer, self.inputs, self.gradients = layer, inputs, gradients
        self.options = {"training": training} if asks_for_training(layer.forward) else {}
        self.kept: dict[Any, Any] = {}

    def forward(self, *arrays: Array) -> None:
        xs, ys = arrays[: self.inputs], arrays[self.inputs :]
        for x in xs:
            x.flags.writeable = False
        layer, attributes = self.layer, vars(self.layer)
        before = dict(attributes)
        y = layer.forward(list(xs) if layer.merges else xs[0], **self.options)
        _copy(layer, "forward", y, ys)
        if self.gradients is not None:
            self.kept = {name: value for name, value in attributes.items()
                         if name in self.kept or name not in before or before[name] is not value}  # fmt: skip

    def backward(self, *arrays: Array) -> None:
        count = len(arrays) - self.inputs
        dys, dxs = arrays[:count], arrays[count:]
        for dy in dys:
            dy.flags.writeable = False
        layer, attributes = self.layer, vars(self.layer)
        now = {name: attributes[name] for name in self.kept if name in attributes}
        attributes.update(self.kept)
        for gradient in self.gradients:
            gradient[...] = 0
        layer.gradients = self.gradients
        try:
            dx = layer.backward(list(dys) if count > 1 else dys[0])
            _copy(layer, "backward", dx, dxs)
        finally:
            for name, value in now.items():  # those of the last `forward`, but where `backward` has set them
                if attributes.get(name) is self.kept[name]:
                    attributes[name] = value


def _copy(layer: Any, method: str, results: Any, targets: Sequence[Array]) -> None:
    """Copies what a method of the user's returned into the plan's arrays, after its shapes have been checked."""
    given = results if isinstance(results, (list, tuple)) else [results]
    got: Any = [np.shape(result) for result in given]
    wanted: Any = [target.shape for target in targets]
    if got != wanted:
        got, wanted = (", ".join(map(str, shapes)) for shapes in (got, wanted))
        what = "nothing" if results is None else f"shape {got}"
        raise ValueError(f"layer {layer.name!r}: {method} must return an array of shape {wanted}; it returned {what}")
    for result, target in zip(given, targets, strict=True):
        np.copyto(target, result, casting="same_kind")

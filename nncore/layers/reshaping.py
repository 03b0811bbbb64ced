"""Layers that give the elements of a sample another shape, another order, or repeat them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore._axes import emit_broadcast, emit_permuted
from nncore.layers.layer import Layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Unpack

    from nncore._likes import AnyLayerArguments
    from nncore._plan import Builder, Value
    from nncore._typing import Config


class Reshape(Layer):
    """y is (samples, *target_shape): the elements of each sample in order. Costs nothing: the bytes stay in place.

    Parameters
    ----------
    target_shape : sequence of integers
        One of them may be -1: what is left for it.
    """

    def __init__(self, target_shape: Sequence[int], **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(**common)
        alone = _checks.index_of(target_shape) is not None
        shape = [target_shape] if alone else _checks.sequence("Reshape", "target_shape", target_shape)
        self.target_shape: tuple[int, ...] = tuple(
            -1 if _checks.index_of(n) == -1 else _checks.positive_integer("Reshape", "each extent of target_shape", n)
            for n in shape
        )
        if self.target_shape.count(-1) > 1:
            raise ValueError(f"Reshape: target_shape may have one -1; got {self.target_shape}")

    def compute_output_shape(self, input_shape: Any) -> Any:
        width, known = math.prod(input_shape), math.prod(n for n in self.target_shape if n != -1)
        shape = tuple(width // known if n == -1 else n for n in self.target_shape)
        if math.prod(shape) != width:
            raise ValueError(
                f"layer {self.name!r}: samples of shape {input_shape} do not fit target_shape {self.target_shape}"
            )
        return shape

    def emit(self, builder: Builder, x: Value) -> Any:
        x.uses += 1
        return builder.same(x, self.compute_output_shape(x.shape))

    def get_config(self) -> Config:
        return {"target_shape": self.target_shape, **super().get_config()}


class Permute(Layer):
    """Axis i of y is axis dims[i] of x, where a sample's axes are counted from 1.

    Parameters
    ----------
    dims : sequence of integers
        1 to the number of axes of a sample, each once: (2, 1) swaps two axes.
    """

    def __init__(self, dims: Sequence[int], **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(**common)
        self.dims: tuple[int, ...] = tuple(_checks.positive_integer("Permute", "each of dims", axis) for axis in
                                           _checks.sequence("Permute", "dims", dims))  # fmt: skip
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"Permute: dims must have each of 1 to {len(self.dims)} once; got {self.dims}")

    def compute_output_shape(self, input_shape: Any) -> Any:
        if len(input_shape) != len(self.dims):
            raise ValueError(f"layer {self.name!r} needs samples of {len(self.dims)} axes; got shape {input_shape}")
        return tuple(input_shape[axis - 1] for axis in self.dims)

    def emit(self, builder: Builder, x: Value) -> Any:
        return emit_permuted(builder, x, [axis - 1 for axis in self.dims])

    def get_config(self) -> Config:
        return {"dims": self.dims, **super().get_config()}


class RepeatVector(Layer):
    """y is (samples, n, features): n times the features of each sample.

    Parameters
    ----------
    n : int
    """

    def __init__(self, n: int, **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(**common)
        self.n: int = _checks.positive_integer("RepeatVector", "n", n)

    def compute_output_shape(self, input_shape: Any) -> Any:
        if len(input_shape) != 1:
            raise ValueError(f"layer {self.name!r} needs samples of one axis, the features; got shape {input_shape}")
        return (self.n, *input_shape)

    def emit(self, builder: Builder, x: Value) -> Any:
        return emit_broadcast(builder, x, self.compute_output_shape(x.shape))

    def get_config(self) -> Config:
        return {"n": self.n, **super().get_config()}

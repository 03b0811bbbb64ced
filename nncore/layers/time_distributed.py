"""A layer at each step of a sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from nncore import _checks
from nncore.layers.layer import Layer, Symbolic, emit_layer
from nncore.layers.time_steps import join, split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self, Unpack

    from nncore._likes import AnyLayerArguments
    from nncore._plan import Builder, Value
    from nncore._typing import AnyLayer, Config, Data, Outputs, Shape
    from nncore.layers.tensor import Tensor


class TimeDistributed(Layer):
    """y[t] = layer(x[t]) for each step t, with the same weights: samples are (steps, ...).

    Parameters
    ----------
    layer : Layer or Model
        Of one input and one output.

    Examples
    --------
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((10, 4, 4)), nn.layers.TimeDistributed(nn.layers.Flatten())])
    >>> model.output_shape
    (None, 10, 16)
    """

    supports_masking = True

    def __init__(self, layer: Layer, **common: Unpack[AnyLayerArguments]) -> None:
        if not isinstance(layer, Symbolic):
            raise TypeError(f"TimeDistributed takes a layer; got {layer!r}")
        self.layer = layer
        super().__init__(**common)

    @property
    def sublayers(self) -> Sequence[AnyLayer]:  # type: ignore[override]
        return (self.layer,)

    def prepare(self, shapes: Sequence[Shape]) -> None:
        self.layer.prepare([self._step(shapes[0])])

    def _step(self, shape: Shape) -> Shape:
        if len(shape) < 2:
            raise ValueError(f"layer {self.name!r} takes sequences, samples of shape (steps, ...); got {tuple(shape)}")
        return tuple(shape[1:])

    def compute_output_shape(self, input_shape: Any) -> Any:
        shapes = self.layer.sample_shapes([self._step(input_shape)])
        if len(shapes) > 1:
            raise ValueError(f"layer {self.name!r} takes a layer of one output; {self.layer.name!r} has {len(shapes)}")
        return (input_shape[0], *shapes[0])

    def build(self, input_shape: Any) -> None:
        self.layer.build_for(self._step(input_shape), self._maker)

    def emit(self, builder: Builder, x: Value) -> Any:
        return join(builder, [emit_layer(builder, self.layer, [part])[0] for part in split(builder, x)])

    @overload  # type: ignore[override]
    def __call__(self, inputs: Tensor, training: bool | None = None,
                 mask: None = None) -> Tensor | Any: ...  # fmt: skip

    @overload
    def __call__(self, inputs: Data, training: bool | None = None, mask: None = None) -> Outputs: ...

    def __call__(self, inputs: Any, training: bool | None = None, mask: None = None) -> Any:
        _checks.refuse(f"layer {self.name!r}", mask=mask)
        return super().__call__(inputs, training=training)

    def get_config(self) -> Config:
        from nncore import layers

        return {"layer": layers.serialize(self.layer), **super().get_config()}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        from nncore import layers

        return cls(**{**config, "layer": layers.deserialize(config["layer"])})

"""Multiplies and shifts its inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore.layers.layer import Layer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import AnyLayerArguments
    from nncore._plan import Builder, Value
    from nncore._typing import Config, Data


class Rescaling(Layer):
    """y = scale x + offset.

    As the first layer it is where images of type uint8 become numbers of a useful size, a minibatch at a time.

    Parameters
    ----------
    scale, offset : float
    """

    supports_masking = True

    def __init__(self, scale: float | Data, offset: float | Data = 0.0, **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(**common)
        self.scale: float = _checks.real_number("Rescaling", "scale", scale)
        self.offset: float = _checks.real_number("Rescaling", "offset", offset)

    def emit(self, builder: Builder, x: Value) -> Any:
        x.uses += 1
        y = builder.value(x.shape, x.needs_gradient)

        def step(add: Any, source: Any, target: Any, shift: Any) -> None:
            add("scale_shift", x=source, y=target, features=x.width, x_stride=source.stride, y_stride=target.stride,
                scale=self.scale, shift=shift)  # fmt: skip

        step(builder.forward, x.buffer, y.buffer, self.offset)

        def backward() -> None:
            if y.gradient is not None and x.needs_gradient:
                builder.add_gradient(x, lambda target: step(builder.backward_step, y.gradient, target, 0.0))

        builder.on_backward(backward)
        return y

    def get_config(self) -> Config:
        return {"scale": self.scale, "offset": self.offset, **super().get_config()}

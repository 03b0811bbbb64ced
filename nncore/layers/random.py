"""What layers with random numbers have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _engine
from nncore.config import check_seed
from nncore.layers.layer import Layer

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Unpack

    from nncore._engine import Buffer
    from nncore._likes import AnyLayerArguments
    from nncore._plan import Builder, Value
    from nncore._typing import Config, Seed


class RandomLayer(Layer):
    """Changes its inputs at random in training, and else hands them on.

    The numbers are a function of the model's seed, the layer's place in the model, the training step and the
    element's place in the minibatch. Subclasses define `active` and `emit_random`.

    Parameters
    ----------
    seed : int, optional
        Makes the layer's numbers differ from those that its place alone would give.
    """

    supports_masking = True

    def __init__(self, seed: Seed = None, **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(**common)
        self.seed: int | None = None if seed is None else check_seed(seed)

    @property
    def active(self) -> bool:
        """Whether training changes anything."""
        raise NotImplementedError

    def emit_random(self, builder: Builder, x: Value, y: Value, stream: int) -> Callable[[Buffer, Buffer], Any]:
        """Adds the steps from x to y; returns a function (dy, dx) that adds those from dy to dx."""
        raise NotImplementedError

    def emit(self, builder: Builder, x: Value) -> Any:
        if not builder.training or not self.active:
            return x
        x.uses += 1
        y = builder.value(x.shape, x.needs_gradient)
        emit_gradient = self.emit_random(builder, x, y, dropout_stream(builder, self.seed))

        def backward() -> None:
            if y.gradient is not None and x.needs_gradient:
                builder.add_gradient(x, lambda target: emit_gradient(y.gradient, target))

        builder.on_backward(backward)
        return y

    def get_config(self) -> Config:
        return {"seed": self.seed, **super().get_config()}


def dropout_stream(builder: Builder, seed: Seed) -> int:
    """The stream of the next layer's random numbers; `seed` is the layer's own, or None."""
    number = builder.next_number("dropout") + 7919 * (seed or 0)
    return _engine.STREAM_DROPOUT + number % _engine.STREAM_NUMBERS


def strides(x: Any, y: Any) -> Any:
    """Both buffers and their strides, as a kernel's arguments."""
    return {"x": x, "y": y, "x_stride": x.stride, "y_stride": y.stride}

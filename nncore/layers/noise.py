"""Normally distributed noise in training."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore._axes import emit_copy
from nncore.layers.random import RandomLayer, strides

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Unpack

    from nncore._engine import Buffer
    from nncore._likes import AnyLayerArguments
    from nncore._plan import Builder, Value
    from nncore._typing import Config, Seed


class GaussianNoise(RandomLayer):
    """In training, y = x + stddev z, z standard normal; else y = x.

    The z are a function of the model's seed, the layer's place in the model, the training step and the element's
    place in the minibatch.

    Parameters
    ----------
    stddev : float in [0, 1]
    seed : int, optional
        Makes the layer's numbers differ from those that its place alone would give.
    """

    def __init__(self, stddev: float, seed: Seed = None, **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(seed, **common)
        self.stddev: float = _checks.real_number("GaussianNoise", "stddev", stddev, 0, 1)

    @property
    def active(self) -> bool:
        return self.stddev > 0

    def emit_random(self, builder: Builder, x: Value, y: Value, stream: int) -> Callable[[Buffer, Buffer], Any]:
        builder.forward("gaussian_noise", **strides(x.buffer, y.buffer), features=x.width, stream=stream,
                        stddev=self.stddev)  # fmt: skip
        return lambda dy, dx: emit_copy(builder.backward_step, dy, dx, [(x.width, 1, 1)])

    def get_config(self) -> Config:
        return {"stddev": self.stddev, **super().get_config()}


class GaussianDropout(RandomLayer):
    """In training, y = x (1 + s z), z standard normal and s = sqrt(rate / (1 - rate)); else y = x.

    The factors have the mean and the variance of those of dropout. The z are a function of the model's seed, the
    layer's place in the model, the training step and the element's place in the minibatch. (Srivastava et al., 2014.)

    Parameters
    ----------
    rate : float in [0, 1)
    seed : int, optional
        Makes the layer's numbers differ from those that its place alone would give.
    """

    def __init__(self, rate: float, seed: Seed = None, **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(seed, **common)
        self.rate: float = _checks.real_number("GaussianDropout", "rate", rate, 0, 1, high_open=True)

    @property
    def active(self) -> bool:
        return self.rate > 0

    def emit_random(self, builder: Builder, x: Value, y: Value, stream: int) -> Callable[[Buffer, Buffer], Any]:
        deviation = math.sqrt(self.rate / (1 - self.rate))

        def step(add: Any, source: Any, target: Any) -> None:
            add("gaussian_dropout", **strides(source, target), features=x.width, stream=stream, stddev=deviation)

        step(builder.forward, x.buffer, y.buffer)
        return lambda dy, dx: step(builder.backward_step, dy, dx)

    def get_config(self) -> Config:
        return {"rate": self.rate, **super().get_config()}

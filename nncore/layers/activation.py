"""Activation functions as layers of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks, activations
from nncore.layers.layer import Layer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import ActivationLike, AnyLayerArguments
    from nncore._plan import Builder, Value
    from nncore._typing import Config


class _Function(Layer):
    """y = f(x) of an activation, `self.activation`."""

    activation: Any

    supports_masking = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        try:
            return self.activation.output_shape(input_shape)
        except ValueError as error:
            raise ValueError(f"layer {self.name!r}: {error}") from None

    def emit(self, builder: Builder, x: Value) -> Any:
        return self.activation.emit(builder, x)


class Activation(_Function):
    """y = f(x), element by element (softmax and its kin: over the last axis).

    Parameters
    ----------
    activation : str or activation
    """

    def __init__(self, activation: ActivationLike, **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(**common)
        self.activation: Any = activations.get(activation)

    def get_config(self) -> Config:
        return {"activation": activations.serialize(self.activation), **super().get_config()}


class _Parametric(_Function):
    """An activation with its parameters, whose names are also those of the layer."""

    activation: Any

    def _set(self, activation: Any, **parameters: Any) -> None:
        self.activation = activation.with_parameters(**parameters)

    def get_config(self) -> Config:
        return {**self.activation.parameters, **super().get_config()}


class ReLU(_Parametric):
    """y = max_value where x >= max_value, x where threshold < x < max_value, else negative_slope (x - threshold).

    Parameters
    ----------
    max_value : float, optional
        At least 0; no limit unless given.
    negative_slope, threshold : float
        At least 0.
    """

    def __init__(self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0,
                 **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(**common)
        negative_slope = _checks.real_number("ReLU", "negative_slope", negative_slope, 0)
        self._set(activations.relu, max_value=max_value, negative_slope=negative_slope, threshold=threshold)


class LeakyReLU(_Parametric):
    """y = x where x > 0, else negative_slope x. (Maas et al., 2013.)

    Parameters
    ----------
    negative_slope : float
        At least 0.
    """

    def __init__(self, negative_slope: float = 0.3, **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(**common)
        negative_slope = _checks.real_number("LeakyReLU", "negative_slope", negative_slope, 0)
        self._set(activations.leaky_relu, negative_slope=negative_slope)


class ELU(_Parametric):
    """y = x where x > 0, else alpha (e^x - 1). (Clevert et al., 2016.)

    Parameters
    ----------
    alpha : float
        At least 0.
    """

    def __init__(self, alpha: float = 1.0, **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(**common)
        self._set(activations.elu, alpha=alpha)


class Softmax(_Parametric):
    """y_i = e^x_i / sum_j e^x_j along an axis.

    Parameters
    ----------
    axis : int
        Of each sample, counted with that of the samples.
    """

    def __init__(self, axis: int = -1, **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(**common)
        self._set(activations.softmax, axis=axis)

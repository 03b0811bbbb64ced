"""Checks of gradients: what a backward pass computes beside central differences.

For the authors of layers and losses; nothing else of the library needs it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import layers, losses
from nncore.models.model import Model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nncore._typing import Array
    from nncore.layers.layer import Layer
    from nncore.losses.loss import Loss

__all__ = ["check_gradients"]

# Up to so many numbers every coordinate is tried; of more, so many random directions.
COORDINATES = 64
DIRECTIONS = 16


def check_gradients(thing: Model | Layer | Loss, *data: Any, training: bool = True, step: float = 1e-5,
                    rtol: float = 1e-6, atol: float = 1e-8, seed: int = 0) -> float:  # fmt: skip
    """Compares the gradients of a layer, a loss or a compiled model with central differences, in float64.

    With f the loss, or for a layer a random sum of its outputs, and d a direction in the space of an input or a weight
    w, the derivative g · d is compared with (f(w + h d) - f(w - h d)) / 2h. The directions are all coordinates where
    there are at most 64 of them, else 16 random ones of length 1. A kink between the two points, or a random number
    that is drawn anew, looks like an error.

    Parameters
    ----------
    thing : Layer, Loss or compiled Model
        A layer and a model must not have weights of float32. A layer is built for the data.
    *data : arrays
        Of a layer its input, or a list of several; of a loss ``y_true, y_pred``; of a model ``x, y``. Each may be
        followed by sample_weight where `thing` takes them. What is differentiated is copied as float64.
    training : bool
        Whether a layer behaves as in training. A model does: its dropout draws the same numbers each time.
    step : float
        h.
    rtol, atol : float
        An error is allowed of atol + rtol times the larger of the two numbers.
    seed : int
        Of the random sum and directions.

    Returns
    -------
    float
        The largest error.

    Raises
    ------
    AssertionError
        Naming the input or weight, the place in it or the direction, both numbers, and the error that is allowed.

    Examples
    --------
    >>> import nncore as nn
    >>> class Square(nn.layers.Layer):
    ...     def forward(self, x):
    ...         self.x = x
    ...         return x * x
    ...     def backward(self, dy):
    ...         return 2 * self.x * dy
    >>> nn.testing.check_gradients(Square(), np.linspace(-1, 1, 12).reshape(3, 4)) < 1e-8
    True
    """
    random = np.random.default_rng(seed)
    if isinstance(thing, losses.Loss):
        value, gradients = _of_loss(thing, *data)
    elif isinstance(thing, Model):
        value, gradients = _of_model(thing, *data)
    elif isinstance(thing, layers.Layer):
        value, gradients = _of_layer(thing, *data, training=training, random=random)
    else:
        raise TypeError(f"check_gradients takes a layer, a loss or a compiled model; got {thing!r}")
    worst = 0.0
    for name, array, gradient in gradients:
        for place, direction in _directions(array, random):
            expected = _slope(value, array, direction, step)
            got = float((gradient * direction).sum())
            allowed = atol + rtol * max(abs(got), abs(expected))
            error = abs(got - expected)
            if not error <= allowed:
                raise AssertionError(
                    f"the gradient of {name} {place} is {got!r}; central differences give {expected!r}. They differ by "
                    f"{error:.3g}; {allowed:.3g} is allowed"
                )
            worst = max(worst, error)
    return worst


def _directions(array: Array, random: np.random.Generator) -> Iterator[Any]:
    """(words, array of its shape) for each direction that is tried."""
    if array.size <= COORDINATES:
        for index in np.ndindex(array.shape):
            direction = np.zeros(array.shape)
            direction[index] = 1
            yield f"at {list(index)}", direction
        return
    for number in range(DIRECTIONS):
        direction = random.standard_normal(array.shape)
        yield f"along random direction {number}", direction / math.sqrt((direction**2).sum())


def _slope(value: Callable[[], float], array: Array, direction: Any, step: float) -> float:
    """The central difference; the array is afterwards what it was."""
    kept = array.copy()
    try:
        array[...] = kept + step * direction
        above = value()
        array[...] = kept - step * direction
        below = value()
    finally:
        array[...] = kept
    return (above - below) / (2 * step)


def _of_loss(loss: Loss, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
    """The loss as a function of y_pred, and what is to be checked: [(name, array, gradient)]."""
    y_pred = np.array(y_pred, np.float64)
    _, gradient = loss.value_and_gradient(y_true, y_pred, sample_weight)
    return lambda: loss(y_true, y_pred, sample_weight), [("y_pred", y_pred, gradient)]


def _of_model(model: Model, x: Any, y: Any, sample_weight: Any = None) -> Any:
    _require_float64(model, model.dtype)
    _, gradients = model.value_and_gradients(x, y, sample_weight)
    weights = model.trainable_variables
    named = list(zip(model.paths_of(weights), weights, gradients, strict=True))
    return lambda: model.value_and_gradients(x, y, sample_weight)[0], named


def _of_layer(layer: Layer, inputs: Any, *, training: bool, random: np.random.Generator) -> Any:
    several = isinstance(inputs, (list, tuple))
    xs = [np.array(x, np.float64) for x in (inputs if several else [inputs])]
    tensors = [layers.Input(x.shape[1:]) for x in xs]
    outputs = layer(tensors if several else tensors[0])
    model = Model(tensors, outputs, dtype="float64")
    rows = len(xs[0])
    factors = [random.standard_normal((rows, *tensor.sample_shape)) for tensor in model.outputs]

    def forward() -> Any:
        # each call of the model's in training has random numbers of its own
        model._forwards[0] = 0
        ys = model.forward(xs, training=training)
        return ys if isinstance(ys, list) else [ys]

    def value() -> Any:
        return float(sum((factor * y).sum() for factor, y in zip(factors, forward(), strict=True)))

    forward()
    model.zero_gradients()
    dxs = model.backward(factors)
    dxs = dxs if isinstance(dxs, list) else [dxs]
    named = [(f"input {number}", x, dx) for number, (x, dx) in enumerate(zip(xs, dxs, strict=True))]
    weights = model.trainable_variables
    named += zip((f"weight {path!r}" for path in model.paths_of(weights)), weights, model.gradients, strict=True)
    return value, [(name, array, gradient.copy()) for name, array, gradient in named]


def _require_float64(model: Any, dtype: Any) -> None:
    if dtype != np.float64:
        raise ValueError(
            f"model {model.name!r} computes in {dtype}, in which differences say little: make it with dtype='float64'"
        )

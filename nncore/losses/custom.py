"""Losses of the user's in Python: subclasses of Loss with `call` and `gradient`, and functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _custom_objects
from nncore.losses.loss import Loss

if TYPE_CHECKING:
    from collections.abc import Callable

    from nncore._plan import Builder, Value
    from nncore._typing import Array, Config, Reduction


def judge(loss: Loss, y_true: Any, y_pred: Any, weight: Any, scale: float, losses: Any, gradient: Any = None) -> None:
    """Writes the loss of each row, and its gradient where that is wanted.

    A row's loss is weight times the mean of its samples' values, its gradient (rows, ...) is times scale / rows: as
    kernels of losses have it.
    """
    values, slopes = loss.values_and_gradients(y_true, y_pred, gradient is not None)
    values, rows = _checked(loss, "call", values, "(rows,) or (rows, ...), a value for each sample"), len(y_pred)
    if values.ndim == 0 or len(values) != rows:
        raise ValueError(
            f"loss {loss.name!r}: call must return a value for each sample, an array ({rows},) or ({rows}, ...); it "
            f"returned shape {values.shape}"
        )
    values = values.reshape(rows, -1)
    # what `rescale_loss` multiplies a sum of samples with follows from the shape of predictions
    samples = np.prod(y_pred.shape[1:-1]) if loss.reduction == "sum" else values.shape[1]
    row_weight = np.ones(rows, y_pred.dtype) if weight is None else weight
    np.copyto(losses, values.sum(axis=1) * (row_weight / samples), casting="same_kind")
    if gradient is not None:
        slopes = _checked(loss, "gradient", slopes, y_pred.shape)
        if slopes.shape != y_pred.shape:
            raise ValueError(
                f"loss {loss.name!r}: gradient must return an array of y_pred's shape {y_pred.shape}; it returned "
                f"shape {slopes.shape}"
            )
        factor = (row_weight * (scale / (rows * samples))).reshape(rows, *[1] * (y_pred.ndim - 1))
        np.copyto(gradient, slopes * factor, casting="same_kind")


def _checked(loss: Loss, method: str, result: Any, wanted: Any) -> Array:
    """What a method of the user's returned, as an array of numbers."""
    array = np.asarray(result)
    if array.dtype.kind not in "biuf":
        got = "nothing" if result is None else f"an array of {array.dtype}"
        raise TypeError(f"loss {loss.name!r}: {method} must return real numbers of shape {wanted}; it returned {got}")
    return array


def emit(loss: Loss, builder: Builder, arguments: dict[str, Any], gradient: Any, source: Value) -> None:
    """Adds the step of a loss in Python; `arguments` are those of a loss's kernel."""
    buffers = [(arguments["target"], loss.target_shape(source.shape)), (source.buffer, source.shape),
               (arguments["loss"], ())]  # fmt: skip
    weighted = arguments["weight"] is not None
    if weighted:
        buffers.append((arguments["weight"], ()))
    if gradient is not None:
        buffers.append((gradient, source.shape))
        loss.require_gradient()

    def step(y_true: Any, y_pred: Any, losses: Any, *others: Any) -> None:
        for array in (y_true, y_pred):
            array.flags.writeable = False
        weight = others[0] if weighted else None
        judge(loss, y_true, y_pred, weight, arguments["scale"], losses, None if gradient is None else others[-1])

    builder.forward_python(step, buffers)


class FunctionLoss(Loss):
    """A function f(y_true, y_pred) as a loss: it returns the value of each sample, and beside it the gradient.

    Parameters
    ----------
    function
        Returns ``(values, gradient)``, or the values alone, with which a model can be evaluated and not trained.
    """

    def __init__(self, function: Callable[..., Any], name: str | None = None,
                 reduction: Reduction = "sum_over_batch_size") -> None:  # fmt: skip
        super().__init__(name or function.__name__, reduction)
        self.function = function

    def values_and_gradients(self, y_true: Array, y_pred: Array, with_gradient: bool) -> tuple[Any, Any]:
        found = self.function(y_true, y_pred)
        if isinstance(found, tuple) and len(found) == 2:
            return found
        if with_gradient:
            raise TypeError(
                f"loss {self.name!r}: training needs a function that returns (values, gradient): the value of each "
                f"sample, and its derivative with respect to y_pred; it returned {type(found).__name__}"
            )
        return found, None

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns the values alone."""
        return self.values_and_gradients(y_true, y_pred, False)[0]

    def require_gradient(self) -> None:
        """Whether there is one shows when the function is called."""

    def get_config(self) -> Config:
        return {"function": _custom_objects.name_in_files(self.function), **super().get_config()}

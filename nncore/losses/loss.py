"""The base of the losses: one kernel computes each row's value and its gradient; here is what becomes of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _checks, _custom_objects, _kernels
from nncore.layers.layer import unique_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from nncore._engine import Buffer
    from nncore._plan import Builder, Value
    from nncore._samples import Samples
    from nncore._typing import Array, Config, Data, Dtype, Reduction, Shape

__all__ = ["Loss"]

REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None)

# In place of an ignored label where there is none: no int32, so that no label is it.
NO_LABEL = 2**31


class Loss(_custom_objects.Configured):
    """Base of the losses.

    Subclasses in Python define ``call(y_true, y_pred)``, which returns the value of each sample, and for training
    ``gradient(y_true, y_pred)``, which returns the derivative of each sample's value with respect to y_pred, of the
    same shape. Weights, the reduction and the division by the number of samples are the base's. Targets have the
    predictions' shape unless ``target_shape(shape)`` says another for predictions of `shape`, both without the axis of
    samples; with ``labels = True`` they are class numbers.

    The library's own state a kernel, its further arguments, and what their targets look like.

    A *sample* is what has a loss of its own: the last axis of a prediction, so that predictions of shape (rows,
    features) have one in each row.

    Parameters
    ----------
    name : str, optional
    reduction : str or None
        "sum_over_batch_size" or "mean": the sum over all samples of weight times loss, divided by their number; ignored
        samples are not counted. "sum": that sum. "mean_with_sample_weight": the sum divided by that of the weights of
        samples that are not ignored. "none" or None, on arrays only: the array of weight times loss of each sample.
    """

    call: Any = None  # a method of subclasses in Python
    gradient: Any = None  # a method, too
    labels: bool = False  # targets are class numbers, one for each prediction, and not an array like the prediction
    logits_of: str | None = None  # the output activation behind which the logits are used
    default_name: str = ""
    kernel: str = ""
    from_logits: bool = False
    ignore_class: int | None = None

    def __init__(self, name: str | None = None, reduction: Reduction = "sum_over_batch_size",
                 dtype: None = None) -> None:  # fmt: skip
        owner = type(self).__name__
        _checks.refuse(owner, dtype=dtype)
        if not _checks.is_word(reduction, REDUCTIONS):
            raise ValueError(f"{owner}: unknown reduction {reduction!r}; there are {', '.join(map(repr, REDUCTIONS))}")
        self.reduction = reduction
        self.name: str = _checks.title(owner, name, self.default_name) or unique_name(owner)
        if self.call is None and not self.kernel and not _custom_objects.is_ours(type(self)):
            raise TypeError(f"{owner} needs call(y_true, y_pred), which returns the value of each sample")

    # ---- what subclasses define

    def kernel_for(self, logits: bool) -> str:
        """Returns the kernel's name, for logits or for the output itself."""
        return f"{self.kernel}_logits" if logits else self.kernel

    def kernel_arguments(self, shape: Shape, dtype: Dtype) -> dict[str, Any]:
        """Returns the kernel's arguments that follow from the shape and type of a prediction."""
        return {"features": math.prod(shape)}

    def check_shape(self, shape: Shape) -> None:
        """Raises ValueError where the loss cannot judge predictions of this shape."""

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return self.config_for(Loss, {"reduction": self.reduction, "name": self.name})

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Makes a loss from `get_config`."""
        return cls(**config)

    # ---- in a plan

    def check_output(self, shape: Shape) -> None:
        """Raises ValueError where the loss cannot stand behind a model's outputs of this shape."""
        if self.reduction in ("none", None):
            raise ValueError(
                f"loss {self.name!r} has reduction={self.reduction!r}, which gives an array of losses; training needs "
                "one number: 'sum_over_batch_size', 'sum' or 'mean_with_sample_weight'"
            )
        self.check_shape(shape)

    def target_shape(self, shape: Shape) -> Shape:
        """Returns the shape of a row's target for predictions of `shape`."""
        return shape[:-1] if self.labels else shape

    @property
    def depends_on_minibatch(self) -> bool:
        """Whether the loss of all rows is another than the mean of the losses of minibatches that they are cut into."""
        return self.reduction in ("sum", "mean_with_sample_weight") or self.ignore_class is not None

    def emit(self, builder: Builder, target: Buffer, prediction: Any, weight: Buffer | None, scale: float,
             totals: Sequence[Any], number: int, samples: Samples | None = None) -> None:  # fmt: skip
        """Adds the loss and its gradient to a plan.

        Parameters
        ----------
        target : Buffer, of labels or of an array like the prediction
        prediction : Value
        weight : Buffer or None, a weight for each row
        scale : float, of the gradient: the loss's part in the whole
        totals : list of (Total, scale), to which the sum over rows is added
        number : int, of the output, by which the names of its targets and weights end
        samples : Samples or None
            Where the loss is one of samples; the target's buffer has no gaps then.
        """
        from nncore.losses import custom  # which imports this module

        source, logits = self.source(prediction)
        if samples is not None:
            self._emit_of_samples(builder, target, source, logits, scale, totals, samples)
            return
        loss = builder.report(*totals)
        arguments: dict[str, Any] = {
            "target": target,
            "prediction": source.buffer,
            "weight": weight,
            "loss": loss,
            "target_stride": target.stride,
            "prediction_stride": source.stride,
            "scale": scale,
            **({} if self.call is not None else self.kernel_arguments(source.shape, builder.dtype)),
        }

        def run(gradient: Buffer | None) -> None:
            if self.call is not None:
                custom.emit(self, builder, arguments, gradient, source)
            else:
                builder.forward(self.kernel_for(logits), gradient=gradient,
                                gradient_stride=gradient.stride if gradient else 0, **arguments)  # fmt: skip
            if self.depends_on_minibatch:
                self._emit_rescaling(builder, loss, gradient, source, weight, number)

        if builder.backward and source.needs_gradient:
            source.uses += 1
            # losses come before all of the backward pass: only another loss can have been here
            builder.add_gradient(source, run, builder.forward)
        else:
            run(None)
        builder.forward_finite_check(loss)

    def _emit_of_samples(self, builder: Builder, target: Buffer, source: Value, logits: bool, scale: float,
                         totals: Sequence[Any], samples: Samples) -> None:  # fmt: skip
        """As `emit`, by a kernel whose rows are the samples."""
        if self.call is not None:
            raise ValueError(f"loss {self.name!r} in Python takes no masks of steps, and a sample_weight for each row")
        count, shape = samples.count, source.shape[-1:]
        weight = samples.loss_weights(target, self.ignore_class, self.reduction)
        loss = builder.report(*totals, per_row=count)
        learns = builder.backward and source.needs_gradient
        gradient = builder.buffer(source.width, gapless=True) if learns else None
        builder.forward(
            self.kernel_for(logits), count, target=target, prediction=samples.gapless(source), weight=weight, loss=loss,
            gradient=gradient, target_stride=target.width // count, prediction_stride=shape[0],
            gradient_stride=shape[0], scale=scale, **self.kernel_arguments(shape, builder.dtype),
        )  # fmt: skip
        if self.reduction == "sum":
            sums = {"labels": None, "weights": None, "label_type": 0, "label_stride_bytes": 0, "ignored": NO_LABEL,
                    "divide": False, "scale": 1.0}  # fmt: skip
            for x, width in ((loss, 1), (gradient, shape[0])) if learns else ((loss, 1),):
                builder.forward("rescale_loss", count, x=x, features=width, x_stride=width, **sums)
        if learns:
            source.uses += 1
            builder.take_gradient(source, gradient, builder.forward)  # type: ignore[arg-type]
        builder.forward_finite_check(loss, count)

    def _emit_rescaling(self, builder: Builder, loss: Buffer, gradient: Buffer | None, source: Value,
                        weight: Buffer | None, number: int) -> None:  # fmt: skip
        from nncore._plan import Later

        summed = self.reduction == "sum"
        ignoring = self.ignore_class is not None and not summed
        by_weight = weight is not None and self.reduction == "mean_with_sample_weight"
        arguments: dict[str, Any] = {
            "labels": Later(f"y{number}") if ignoring else None,
            "label_type": Later(f"y{number}_type") if ignoring else 0,
            "label_stride_bytes": Later(f"y{number}_bytes") if ignoring else 0,
            "ignored": self.ignore_class if ignoring else NO_LABEL,
            "weights": Later(f"weight{number}") if by_weight else None,
            "divide": not summed,
            "scale": float(_samples(source.shape)) if summed else 1.0,
        }
        builder.forward("rescale_loss", x=loss, features=1, x_stride=1, **arguments)
        if gradient is not None:
            builder.forward("rescale_loss", x=gradient, features=source.width, x_stride=gradient.stride, **arguments)

    def source(self, prediction: Any) -> tuple[Value, bool]:
        """The Value that the kernel reads, and whether it holds logits."""
        if self.logits_of and prediction.logits and prediction.logits[0] == self.logits_of:
            return prediction.logits[1], True
        return prediction, self.from_logits

    def _target_shape(self, y_pred: Array) -> Shape:
        return (len(y_pred), *self.target_shape(y_pred.shape[1:]))

    # ---- in Python

    def values_and_gradients(self, y_true: Array, y_pred: Array, with_gradient: bool) -> tuple[Any, Any]:
        """Returns what `call` and, if wanted, `gradient` return, the latter else None."""
        values = self.call(y_true, y_pred)
        if with_gradient:
            self.require_gradient()
        return values, self.gradient(y_true, y_pred) if with_gradient else None

    def require_gradient(self) -> None:
        """Raises TypeError for a loss that training cannot minimise."""
        if self.gradient is None:
            raise TypeError(f"loss {self.name!r} has no gradient(y_true, y_pred), which training needs")

    # ---- on arrays

    def __call__(self, y_true: Data, y_pred: Data, sample_weight: Data | None = None) -> float | Any:
        """Returns the loss of arrays: y_pred is (rows, ...); (rows,) is taken as (rows, 1)."""
        if self.reduction in ("none", None):
            return self.of_samples(y_true, y_pred, sample_weight)
        return self._reduced(y_true, y_pred, sample_weight, want_gradient=False)[0]

    def value_and_gradient(self, y_true: Data, y_pred: Data, sample_weight: Data | None = None) -> tuple[float, Array]:
        """Returns the loss and its gradient with respect to y_pred, of y_pred's shape."""
        if self.reduction in ("none", None):
            raise ValueError(f"loss {self.name!r} with reduction={self.reduction!r} is an array, which has no gradient")
        return self._reduced(y_true, y_pred, sample_weight, want_gradient=True)

    def of_samples(self, y_true: Data, y_pred: Data, sample_weight: Data | None = None) -> Array:
        """Returns the array of weight times loss of each sample: (rows, ...) of y_pred without its last axis."""
        y_pred = self._predictions(y_pred)
        leading = y_pred.shape[:-1] if y_pred.ndim > 1 else y_pred.shape
        y_pred, target, weight = self._arrays(y_true, y_pred, sample_weight)
        samples = _samples(y_pred.shape[1:])
        if self.call is not None:
            values, _ = self.values_and_gradients(target.reshape(self._target_shape(y_pred)), y_pred, False)
            return values if weight is None else values * weight.reshape(-1, *[1] * (np.ndim(values) - 1))  # type: ignore[no-any-return]
        loss, _ = self._run(target.reshape(len(target) * samples, -1), y_pred.reshape(-1, y_pred.shape[-1]),
                            None if weight is None else np.repeat(weight, samples))  # fmt: skip
        return loss.reshape(leading)

    def _reduced(self, y_true: Data, y_pred: Data, sample_weight: Data | None,
                 want_gradient: bool) -> tuple[float, Array | Any]:  # fmt: skip
        y_pred = self._predictions(y_pred)
        shape = y_pred.shape
        y_pred, target, weight = self._arrays(y_true, y_pred, sample_weight)
        rows = len(y_pred)
        scale = self._scale(y_pred.shape, target, weight)
        loss, gradient = self._run(target, y_pred, weight, scale, want_gradient)
        total = np.zeros(1)
        _kernels.run("accumulate_sum", y_pred.dtype, {"values": loss, "total": total, "scale": 1.0}, (0, 1), rows=rows)
        return float(total[0]) / rows * scale, gradient if gradient is None else gradient.reshape(shape)

    def _scale(self, shape: Shape, target: Array, weight: Array | None) -> float:
        """What the mean over all rows is multiplied with: as in the kernel rescale_loss."""
        if not self.depends_on_minibatch:
            return 1.0
        rows, samples = shape[0], _samples(shape[1:])
        if self.reduction == "sum":
            return float(rows * samples)
        counted = np.ones(rows) if self.ignore_class is None else (target != self.ignore_class).mean(axis=1)
        if weight is not None and self.reduction == "mean_with_sample_weight":
            counted = counted * weight
        count = float(counted.sum())
        return rows / count if count else 0.0

    def _predictions(self, y_pred: Data) -> Array:
        """Predictions as an array (rows, ...) of float32 or float64."""
        from nncore import _data

        array = _data.as_floats(y_pred, "y_pred")
        if array.ndim == 0:
            raise ValueError(f"{type(self).__name__} needs predictions of shape (rows, ...); got a number")
        return array

    def _arrays(self, y_true: Data, y_pred: Array, sample_weight: Data | None) -> tuple[Array, Array, Array | None]:
        """Checked predictions (rows, ...), targets (rows, elements) and weights (rows,).

        Where each sample has a weight, the samples are the rows.
        """
        from nncore import _data

        y_pred = np.ascontiguousarray(y_pred if y_pred.ndim > 1 else y_pred[:, None])
        rows, shape = len(y_pred), y_pred.shape[1:]
        if y_pred.size == 0:
            raise ValueError(f"{type(self).__name__} of no {'features' if rows else 'rows'}")
        self.check_shape(shape)
        target = _data.targets(y_true, self, shape, rows, y_pred.dtype, "y_true")
        weight = _data.row_weights(sample_weight, rows, y_pred.dtype, shape[:-1] if self.call is None else ())
        return _data.apart(y_pred, target, weight)

    def _run(self, target: Array, y_pred: Array, weight: Array | None, scale: float = 1.0,
             want_gradient: bool = False) -> tuple[Array, Array | Any]:  # fmt: skip
        """The kernel's loss of each row, and its gradient if wanted."""
        rows, shape = len(y_pred), y_pred.shape[1:]
        loss = np.zeros(rows, y_pred.dtype)
        gradient = np.zeros_like(y_pred) if want_gradient else None
        if self.call is not None:
            from nncore.losses import custom  # which imports this module

            custom.judge(self, target.reshape(self._target_shape(y_pred)), y_pred, weight, scale, loss, gradient)
            return loss, gradient
        arguments = {
            "target": target,
            "prediction": y_pred,
            "weight": weight,
            "loss": loss,
            "gradient": gradient,
            "target_stride": target[0].size,
            "prediction_stride": y_pred[0].size,
            "gradient_stride": y_pred[0].size,
            "scale": scale,
            **self.kernel_arguments(shape, y_pred.dtype),
        }
        _kernels.run(self.kernel_for(self.from_logits), y_pred.dtype, arguments, (0, rows), rows=rows)
        return loss, gradient


class PlainLoss(Loss):
    """Base of losses that have no argument of their own."""

    def __init__(self, reduction: Reduction = "sum_over_batch_size", name: str | None = None,
                 dtype: None = None) -> None:  # fmt: skip
        super().__init__(name, reduction, dtype)


class ClassLoss(Loss):
    """Base of losses over the classes of the last axis."""

    fewest = 2  # classes
    hint = ": BinaryCrossentropy is for a single unit"

    def check_shape(self, shape: Shape) -> None:
        if shape[-1] < self.fewest:
            raise ValueError(
                f"{type(self).__name__} needs outputs of at least {self.fewest} classes; got shape {shape}{self.hint}"
            )

    def kernel_arguments(self, shape: Shape, dtype: Dtype) -> dict[str, Any]:
        return {"groups": _samples(shape), "classes": shape[-1]}


def _samples(shape: Shape) -> int:
    return math.prod(shape[:-1])

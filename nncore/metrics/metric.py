"""The bases of the metrics: what is added up over rows, in a model's plans and on arrays, by the same kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _checks, _custom_objects, _kernels, initializers
from nncore._weight import Variable
from nncore.layers.layer import unique_name

if TYPE_CHECKING:
    from typing_extensions import Self

    from nncore._likes import InitializerLike
    from nncore._plan import Builder, Total, Value
    from nncore._samples import Samples
    from nncore._typing import Array, Config, Data, Dtype, Shape, ShapeLike
    from nncore.losses.loss import Loss

__all__ = ["MeanMetric", "Metric", "StateMetric"]


class Metric(_custom_objects.Configured):
    """Base of the metrics: a state, to which minibatches add, and a value that follows from it.

    Call it on arrays, or `update_state` batch by batch, then `result` and `reset_state`.

    Subclasses in Python define ``update_state(y_true, y_pred, sample_weight=None)`` and ``result()``, and may keep what
    they add up in variables of `add_weight`, which `reset_state` sets to zero. `compile` takes them: then the arrays
    are those of a minibatch, targets as the loss has them.
    """

    kind: str = "metric"  # in messages
    labels: bool = False  # targets are class numbers, one for each prediction, and not an array like the prediction
    default_name: str = ""
    weighted: bool = False  # in a model's training: rows count with sample_weight
    masked: bool = False  # in a model's training: of an output of which not all steps count

    def __init__(self, dtype: None = None, name: str | None = None) -> None:
        _checks.refuse(type(self).__name__, dtype=dtype)
        owner = type(self).__name__
        self.name: str = _checks.title(owner, name, self.default_name) or unique_name(owner)
        self.variables: list[Variable] = []
        Metric.reset_state(self)  # a subclass's may need what its constructor has not made yet

    @property
    def in_python(self) -> bool:
        """Whether it is a subclass with `update_state` of its own, and no steps of a plan."""
        return type(self).emit is Metric.emit

    @property
    def judge(self) -> Any:
        """The loss or metric that says what targets look like, of a metric in Python."""
        return self._judge or self

    @judge.setter
    def judge(self, value: Any) -> None:
        self._judge = value

    _judge: Any = None
    _state: Any  # an array, once there is a row
    _rows: int

    def add_variable(self, shape: ShapeLike = (), initializer: InitializerLike | None = "zeros", dtype: None = None,
                     name: str | None = None) -> Variable:  # fmt: skip
        """Makes a variable, an array of float64 that `reset_state` sets to zero; returns it."""
        _checks.refuse(type(self).__name__, dtype=dtype)
        array = np.zeros((shape,) if hasattr(shape, "__index__") else tuple(shape))
        initializers.get(initializer or "zeros").fill(array, 0, len(self.variables))
        self.variables.append(Variable(name or f"variable_{len(self.variables)}", array))
        return self.variables[-1]

    add_weight = add_variable

    # ---- what subclasses define

    def check_output(self, shape: Shape) -> None:
        """Raises ValueError where the metric cannot judge outputs of this shape."""

    def target_shape(self, shape: Shape) -> Shape:
        """Returns the shape of a row's target for predictions of `shape`."""
        return shape[:-1] if self.labels else shape

    is_plain_mean: bool = False  # the state is one sum over rows, and the metric that sum divided by the number of rows

    def state_size(self, shape: Shape) -> int:
        """Returns how many numbers the state holds for predictions of `shape`."""
        return 0

    def value(self, state: Array, rows: int) -> Any:
        """Returns the metric, a float or an array, from the state over so many rows."""
        result = np.asarray(self.result(), np.float64)
        return float(result) if result.ndim == 0 else result

    def takes_samples(self) -> bool:
        """Whether samples of a row can count apart from each other."""
        return False

    def emit(self, builder: Builder, target: Any, prediction: Any, weight: Any, total: Total,
             samples: Samples | None = None) -> None:  # fmt: skip
        """Adds the metric to a plan.

        Parameters
        ----------
        target : Buffer
        prediction : Value
        weight : Buffer or None, a weight for each row, which weighted metrics look at
        total : Total, where the state is added up
        samples : Samples or None
            Where losses of this output are those of samples; the target's buffer has no gaps then.
        """
        from nncore.metrics import custom  # which imports this module

        custom.emit(self, builder, target, prediction, weight)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        return self.config_for(Metric, {"name": self.name})

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Makes a metric from `get_config`."""
        return cls(**config)

    # ---- on arrays

    def update_state(self, y_true: Data, y_pred: Data, sample_weight: Data | float | None = None) -> None:
        """Adds the rows of two arrays, each with its weight.

        Parameters
        ----------
        y_true : array of targets
        y_pred : array (rows, ...); (rows,) is taken as (rows, 1)
        sample_weight : array (rows,), or a number for all, optional
            For metrics that are means also (rows, steps), for predictions (rows, steps, ...).
        """
        from nncore import _data

        y_pred = np.ascontiguousarray(_data.as_floats(y_pred, "y_pred"))
        y_pred = y_pred if y_pred.ndim > 1 else y_pred.reshape(-1, 1)
        rows, shape = len(y_pred), y_pred.shape[1:]
        if 0 in shape:
            raise ValueError(f"{type(self).__name__} of no features: y_pred is of shape {y_pred.shape}")
        self.check_output(shape)
        if rows == 0:
            return
        target = _data.targets(y_true, self, shape, rows, y_pred.dtype, "y_true")
        if sample_weight is not None:
            sample_weight = _data.as_array(sample_weight, "sample_weight")
            if sample_weight.ndim == 0:
                sample_weight = np.full(rows, sample_weight)
        weight = _data.row_weights(sample_weight, rows, y_pred.dtype, shape[:-1] if self.takes_samples() else ())
        state = np.zeros(self._array_state_size(shape)) if self._state is None else self._state
        if state.size != self._array_state_size(shape):
            raise ValueError(f"metric {self.name!r} has seen predictions of another shape than {shape}: reset_state()")
        if weight is not None and weight.ndim > 1:  # a row counts as much as one whose weight is the samples' mean
            weight = weight / weight.dtype.type(weight.shape[1])
        y_pred, target, weight = _data.apart(y_pred, target, weight)
        self._add(target, y_pred, weight, state)
        self._state, self._rows = state, self._rows + rows

    def _array_state_size(self, shape: Shape) -> int:
        return self.state_size(shape)

    def _add(self, target: Any, y_pred: Array, weight: Any, state: Array) -> Any:
        raise NotImplementedError

    def result(self) -> float | Any:
        """Returns the metric of all rows since the last `reset_state`."""
        state = np.zeros(self._array_state_size((1,))) if self._state is None else self._state
        return self.value(state, self._rows)

    def reset_state(self) -> None:
        """Forgets all rows."""
        self._state, self._rows = None, 0
        for variable in self.variables:
            variable.assign(0.0)

    def __call__(self, y_true: Data, y_pred: Data, sample_weight: Data | float | None = None) -> float | Any:
        """Adds the rows of two arrays and returns the metric so far."""
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()


class MeanMetric(Metric):
    """Base of the metrics that are means over rows of a kernel's values.

    With sample_weight w the mean is sum w value / sum w over rows, and 0 where that sum of weights is 0.
    """

    kernel: str = ""
    from_logits: bool = False

    def __init__(self, name: str | None = None, dtype: None = None) -> None:
        super().__init__(dtype, name)

    def kernel_arguments(self, shape: Shape, dtype: Dtype) -> dict[str, Any]:
        """Returns the kernel's arguments that follow from the shape and type of a prediction."""
        return {"features": int(np.prod(shape))}

    def of_mean(self, mean: float) -> float:
        """Returns the metric, which is a function of the mean."""
        return mean

    @property
    def is_plain_mean(self) -> bool:  # type: ignore[override]
        return not self.weighted and not self.masked and type(self).of_mean is MeanMetric.of_mean

    def state_size(self, shape: Shape) -> int:
        return 2 if self.weighted or self.masked else 1

    def takes_samples(self) -> bool:
        return True

    def value(self, state: Array, rows: int) -> Any:
        count = state[1] if len(state) > 1 else rows
        return self.of_mean(float(state[0] / count) if count else 0.0)

    def emit(self, builder: Builder, target: Any, prediction: Any, weight: Any, total: Total,
             samples: Samples | None = None) -> None:  # fmt: skip
        source, logits = self.source(prediction)
        if samples is not None and (self.weighted or self.masked):
            values = builder.buffer(samples.count, gapless=True)
            arguments = self.kernel_arguments(source.shape[-1:], builder.dtype)
            builder.forward(self.kernel_for(logits), samples.count, **self._arguments(
                target, target.width // samples.count, samples.gapless(source), source.shape[-1], values, arguments
            ))  # fmt: skip
            builder.once_after_rows("accumulate_weighted_sum", samples.count, values=values, totals=total,
                                    weight=samples.metric_weights(self.weighted))  # fmt: skip
            return
        values = builder.buffer(None) if self.weighted else builder.report(total)
        arguments = self.kernel_arguments(source.shape, builder.dtype)
        builder.forward(self.kernel_for(logits), **self._arguments(
            target, target.stride, source.buffer, source.stride, values, arguments
        ))  # fmt: skip
        if self.weighted:
            builder.once_after_rows("accumulate_weighted_sum", values=values, weight=weight, totals=total)

    def source(self, prediction: Any) -> tuple[Value, bool]:
        """The Value that the kernel reads, and whether it holds logits."""
        return prediction, False

    def kernel_for(self, logits: bool) -> str:
        """Returns the kernel's name, for logits or for the output itself."""
        return self.kernel

    def _arguments(self, target: Any, target_stride: Any, prediction: Any, prediction_stride: Any, values: Any,
                   arguments: Any) -> dict[str, Any]:  # fmt: skip
        return {"target": target, "target_stride": target_stride, "prediction": prediction,
                "prediction_stride": prediction_stride, "value": values, **arguments}  # fmt: skip

    def _array_state_size(self, shape: Shape) -> int:
        return 2

    def _add(self, target: Any, y_pred: Array, weight: Any, state: Array) -> None:
        rows = len(y_pred)
        values = np.zeros(rows, y_pred.dtype)
        arguments = self._arguments(target, target[0].size, y_pred, y_pred[0].size, values,
                                    self.kernel_arguments(y_pred.shape[1:], y_pred.dtype))  # fmt: skip
        _kernels.run(self.kernel_for(self.from_logits), y_pred.dtype, arguments, (0, rows), rows=rows)
        totals = {"values": values, "weight": weight, "totals": state}
        _kernels.run("accumulate_weighted_sum", y_pred.dtype, totals, (0, 1), rows=rows)


class LossMetric(MeanMetric):
    """Base of the metrics that are a loss's mean: its kernel, without the gradient.

    Behind a softmax or sigmoid output a cross-entropy is computed from the logits, as in training.
    """

    loss_class: Any = None

    def __init__(self, name: str | None = None, dtype: None = None, **options: Any) -> None:
        super().__init__(name, dtype)
        self.loss: Loss | Any = self.loss_class(**options)
        self.options = options

    @property
    def labels(self) -> bool:  # type: ignore[override]
        return self.loss.labels

    @property
    def from_logits(self) -> bool:  # type: ignore[override]
        """Whether predictions are logits, where they are no output of a softmax or sigmoid."""
        return self.loss.from_logits

    def check_output(self, shape: Shape) -> None:
        self.loss.check_shape(shape)

    def kernel_for(self, logits: bool) -> str:
        return self.loss.kernel_for(logits)

    def kernel_arguments(self, shape: Shape, dtype: Dtype) -> dict[str, Any]:
        return self.loss.kernel_arguments(shape, dtype)

    def source(self, prediction: Any) -> tuple[Value, bool]:
        return self.loss.source(prediction)

    def _arguments(self, *arguments: Any) -> Any:
        shared = super()._arguments(*arguments)
        values = shared.pop("value")
        return {**shared, "loss": values, "weight": None, "gradient": None, "gradient_stride": 0, "scale": 1.0}

    def get_config(self) -> Config:
        options = {name: getattr(self.loss, name, _checks.index_of(given)) for name, given in self.options.items()}
        return {**super().get_config(), **options}


class StateMetric(Metric):
    """Base of the metrics whose state one kernel adds up over a whole minibatch."""

    kernel = ""

    def kernel_arguments(self, shape: Shape, dtype: Dtype) -> dict[str, Any]:
        """Returns the kernel's arguments that follow from the shape and type of a prediction."""
        raise NotImplementedError

    def emit(self, builder: Builder, target: Any, prediction: Any, weight: Any, total: Total,
             samples: Samples | None = None) -> None:  # fmt: skip
        builder.once_after_rows(self.kernel, **self._arguments(
            target, target.stride, prediction.buffer, prediction.stride, weight if self.weighted else None, total,
            self.kernel_arguments(prediction.shape, builder.dtype),
        ))  # fmt: skip

    def _arguments(self, target: Any, target_stride: Any, prediction: Any, prediction_stride: Any, weight: Any,
                   state: Any, arguments: Any) -> dict[str, Any]:  # fmt: skip
        return {"target": target, "target_stride": target_stride, "prediction": prediction,
                "prediction_stride": prediction_stride, "weight": weight, "state": state, **arguments}  # fmt: skip

    def _add(self, target: Any, y_pred: Array, weight: Any, state: Array) -> None:
        arguments = self._arguments(target, target[0].size, y_pred, y_pred[0].size, weight, state,
                                    self.kernel_arguments(y_pred.shape[1:], y_pred.dtype))  # fmt: skip
        _kernels.run(self.kernel, y_pred.dtype, arguments, (0, 1), rows=len(y_pred))


def groups(shape: Shape) -> dict[str, int]:
    """The arguments of kernels over the classes of the last axis."""
    return {"groups": int(np.prod(shape[:-1])), "classes": shape[-1]}


def ratio(a: Array, b: Array) -> Array:
    """a / b of arrays of numbers that are not negative, 0 where b is 0."""
    return np.divide(a, b, out=np.zeros_like(a), where=b != 0)

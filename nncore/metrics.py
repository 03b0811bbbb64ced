"""Metrics: what training reports and does not minimise. Each is a mean over rows."""

import numpy as np

from nncore import _checks, _kernels

__all__ = ["BinaryAccuracy", "CategoricalAccuracy", "MeanAbsoluteError", "MeanSquaredError", "Metric",
           "SparseCategoricalAccuracy", "deserialize", "get", "serialize"]  # fmt: skip


class Metric:
    """Base of the metrics: a mean over rows of a kernel's values.

    Call it on arrays, or `update_state` batch by batch, then `result` and `reset_state`.
    """

    labels = False  # as in losses.Loss
    default_name = ""
    kernel = ""
    weighted = False  # in a model's training: the mean over rows is weighted by sample_weight

    def __init__(self, name=None, dtype=None):
        _checks.refuse(type(self).__name__, dtype=dtype)
        self.name = name or self.default_name
        self.reset_state()

    def kernel_arguments(self, shape):
        """Returns the kernel's arguments that follow from the shape of a prediction."""
        return {"features": int(np.prod(shape))}

    def check_output(self, shape):
        """Raises ValueError where the metric cannot judge outputs of this shape."""

    def target_shape(self, shape):
        """Returns the shape of a row's target for predictions of `shape`."""
        return shape[:-1] if self.labels else shape

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config):
        """Makes a metric from `get_config`."""
        return cls(**config)

    # ---- in a plan, which adds up a state for the metric

    @property
    def is_plain_mean(self):
        """Whether the state is one sum over rows, and the metric that sum divided by the number of rows."""
        return not self.weighted

    def state_size(self, shape):
        """Returns how many numbers the state holds for predictions of `shape`."""
        return 2 if self.weighted else 1

    def value(self, state, rows):
        """Returns the metric as a float, from the state over so many rows."""
        if self.weighted:
            return float(state[0] / state[1]) if state[1] else 0.0
        return float(state[0]) / rows

    def emit(self, builder, target, prediction, weight, total):
        """Adds the metric to a plan.

        Parameters
        ----------
        target : Buffer
        prediction : Value
        weight : Buffer or None, a weight for each row, which weighted metrics look at
        total : Total, where the state is added up
        """
        values = builder.buffer(None) if self.weighted else builder.report(total)
        builder.forward(self.kernel, **self._arguments(
            target, target.stride, prediction.buffer, prediction.stride, values, prediction.shape
        ))  # fmt: skip
        if self.weighted:
            builder.once_after_rows("accumulate_weighted_sum", values=values, weight=weight, totals=total)

    def _arguments(self, target, target_stride, prediction, prediction_stride, value, shape):
        return {"target": target, "target_stride": target_stride, "prediction": prediction,
                "prediction_stride": prediction_stride, "value": value, **self.kernel_arguments(shape)}  # fmt: skip

    # ---- on arrays

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds the rows of two arrays to the mean."""
        from nncore import _data

        y_pred = np.asarray(y_pred)
        y_pred = np.ascontiguousarray(y_pred, y_pred.dtype if y_pred.dtype in (np.float32, np.float64) else np.float64)
        y_pred = y_pred if y_pred.ndim > 1 else y_pred.reshape(-1, 1)
        rows, shape = len(y_pred), y_pred.shape[1:]
        self.check_output(shape)
        if rows == 0:
            return
        target = _data.targets(y_true, self, shape, rows, y_pred.dtype, "y_true")
        weight = _data.row_weights(sample_weight, rows, np.float64)
        value = np.zeros(rows, y_pred.dtype)
        arguments = self._arguments(target, target[0].size, y_pred, y_pred[0].size, value, shape)
        _kernels.run(self.kernel, y_pred.dtype, arguments, (0, rows), rows=rows)
        self._total += float(value.sum(dtype=np.float64) if weight is None else value @ weight)
        self._count += rows if weight is None else float(weight.sum())

    def result(self):
        """Returns the mean over all rows since the last `reset_state`; 0 of none."""
        return self._total / self._count if self._count else 0.0

    def reset_state(self):
        """Forgets all rows."""
        self._total = self._count = 0.0

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Adds the rows of two arrays and returns the mean so far."""
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()


class MeanSquaredError(Metric):
    """Mean over rows and features of (y_pred - y_true)²."""

    default_name = kernel = "mean_squared_error"

    def _arguments(self, *arguments):
        shared = super()._arguments(*arguments)
        return {**shared, "loss": shared.pop("value"), "weight": None, "gradient": None, "gradient_stride": 0,
                "scale": 1.0}  # fmt: skip


class MeanAbsoluteError(Metric):
    """Mean over rows and features of |y_pred - y_true|."""

    default_name = kernel = "mean_absolute_error"


class BinaryAccuracy(Metric):
    """Share of units whose prediction lies on the side of `threshold` that the target, 0 or 1, says."""

    default_name = kernel = "binary_accuracy"

    def __init__(self, name=None, dtype=None, threshold=0.5):
        super().__init__(name, dtype)
        self.threshold = _checks.real_number("BinaryAccuracy", "threshold", threshold)

    def kernel_arguments(self, shape):
        return {**super().kernel_arguments(shape), "threshold": self.threshold}

    def get_config(self):
        return {**super().get_config(), "threshold": self.threshold}


class CategoricalAccuracy(Metric):
    """Share of rows whose largest prediction is where the target's largest element is."""

    default_name = kernel = "categorical_accuracy"

    def kernel_arguments(self, shape):
        return {"groups": int(np.prod(shape[:-1])), "classes": shape[-1]}


class SparseCategoricalAccuracy(CategoricalAccuracy):
    """Share of rows whose largest prediction is at the class that the target, a whole number, names."""

    default_name = kernel = "sparse_categorical_accuracy"
    labels = True


_CLASSES = (BinaryAccuracy, CategoricalAccuracy, MeanAbsoluteError, MeanSquaredError, SparseCategoricalAccuracy)
_BY_CLASS = {cls.__name__: cls for cls in _CLASSES}
_BY_NAME = {
    **{cls.default_name: cls for cls in _CLASSES},
    "mse": MeanSquaredError,
    "MSE": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "MAE": MeanAbsoluteError,
}


def get(identifier):
    """Returns the metric that a name, a configuration or a metric stands for."""
    return _checks.resolve("metric", identifier, Metric, _BY_NAME, _BY_CLASS)


def for_model(identifier, loss, output_shape, weighted=False):
    """Like `get`, where "accuracy" is the accuracy that fits the loss and the output, under that name.

    `loss` may be None; with `weighted` the metric takes notice of sample_weight.
    """
    if identifier in ("accuracy", "acc"):
        metric = _accuracy(loss, output_shape)(name=identifier)
    else:
        metric = get(identifier)
        if isinstance(identifier, str):
            metric.name = identifier
    metric.weighted = weighted
    if loss is not None and metric.labels != loss.labels:
        wanted = "class numbers" if metric.labels else "an array like the output"
        raise ValueError(f"metric {metric.name!r} needs targets that are {wanted}; the loss {loss.name!r} does not")
    metric.check_output(output_shape)
    return metric


def _accuracy(loss, output_shape):
    if loss is not None and loss.labels:
        return SparseCategoricalAccuracy
    if output_shape[-1] == 1 or (loss is not None and loss.default_name == "binary_crossentropy"):
        return BinaryAccuracy
    return CategoricalAccuracy


def serialize(metric):
    """Returns {"class_name", "config"} of a metric."""
    return _checks.serialize(metric)


def deserialize(config):
    """Returns the metric that `serialize` described."""
    return get(config)

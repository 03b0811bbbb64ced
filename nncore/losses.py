"""Losses: what training minimises.

A loss is a mean over the rows of a minibatch. Each row's value and its gradient come from one kernel. Behind a
softmax or sigmoid output a cross-entropy is computed from the logits, whatever `from_logits` says, so that it
neither overflows nor needs clipping.
"""

import numpy as np

from nncore import _checks, _kernels

__all__ = ["BinaryCrossentropy", "CategoricalCrossentropy", "Loss", "MeanSquaredError",
           "SparseCategoricalCrossentropy", "deserialize", "get", "serialize"]  # fmt: skip


class Loss:
    """Base of the losses.

    Subclasses state a kernel, its further arguments, and what their targets look like.

    Parameters
    ----------
    reduction : "sum_over_batch_size"
        The mean over all rows.
    name : str, optional
    """

    labels = False  # targets are class numbers, one for each prediction, and not an array like the prediction
    logits_of = None  # the output activation behind which the logits are used
    default_name = ""

    def __init__(self, reduction="sum_over_batch_size", name=None, dtype=None):
        owner = type(self).__name__
        _checks.refuse(owner, dtype=dtype)
        if reduction != "sum_over_batch_size":
            raise ValueError(f"{owner} does not support reduction={reduction!r}, only 'sum_over_batch_size'")
        self.reduction = reduction
        self.name = name or self.default_name

    # ---- what subclasses define

    def kernel_for(self, logits):
        """Returns the kernel's name, for logits or for the output itself."""
        raise NotImplementedError

    def kernel_arguments(self, shape):
        """Returns the kernel's arguments that follow from the shape of a prediction."""
        raise NotImplementedError

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"reduction": self.reduction, "name": self.name}

    @classmethod
    def from_config(cls, config):
        """Makes a loss from `get_config`."""
        return cls(**config)

    # ---- in a plan

    def check_output(self, shape):
        """Raises ValueError where the loss cannot stand behind outputs of this shape."""

    def target_shape(self, shape):
        """Returns the shape of a row's target for predictions of `shape`."""
        return shape[:-1] if self.labels else shape

    def emit(self, builder, target, prediction, weight, scale, totals):
        """Adds the loss and its gradient to a plan.

        Parameters
        ----------
        target : Buffer, of labels or of an array like the prediction
        prediction : Value
        weight : Buffer or None, a weight for each row
        scale : float, of the gradient: the loss's part in the whole
        totals : list of (Total, scale), to which the sum over rows is added
        """
        source, logits = self._source(prediction)
        loss = builder.report(*totals)
        if builder.backward and source.needs_gradient:
            source.uses += 1
        arguments = {
            "target": target,
            "prediction": source.buffer,
            "weight": weight,
            "loss": loss,
            "target_stride": target.stride,
            "prediction_stride": source.stride,
            "scale": scale,
            **self.kernel_arguments(source.shape),
        }
        kernel = self.kernel_for(logits)
        if builder.backward and source.needs_gradient:
            # losses come before all of the backward pass: only another loss can have been here
            builder.add_gradient(source, lambda gradient: builder.forward(
                kernel, gradient=gradient, gradient_stride=gradient.stride, **arguments
            ), builder.forward)  # fmt: skip
        else:
            builder.forward(kernel, gradient=None, gradient_stride=0, **arguments)
        builder.forward_finite_check(loss)

    def _source(self, prediction):
        if self.logits_of and prediction.logits and prediction.logits[0] == self.logits_of:
            return prediction.logits[1], True
        return prediction, getattr(self, "from_logits", False)

    # ---- on arrays

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Returns the mean loss of arrays: y_pred is (rows, ...)."""
        return self._run(y_true, y_pred, sample_weight, want_gradient=False)[0]

    def value_and_gradient(self, y_true, y_pred, sample_weight=None):
        """Returns the mean loss and its gradient with respect to y_pred, of y_pred's shape."""
        return self._run(y_true, y_pred, sample_weight, want_gradient=True)

    def _run(self, y_true, y_pred, sample_weight, want_gradient):
        from nncore import _data

        y_pred = np.asarray(y_pred)
        if y_pred.dtype not in (np.float32, np.float64):
            y_pred = y_pred.astype(np.float64)
        if y_pred.ndim == 0:
            raise ValueError(f"{type(self).__name__} needs predictions of shape (rows, ...); got a number")
        y_pred = np.ascontiguousarray(y_pred if y_pred.ndim > 1 else y_pred[:, None])
        rows, shape = len(y_pred), y_pred.shape[1:]
        if rows == 0:
            raise ValueError(f"{type(self).__name__} of no rows")
        self.check_output(shape)
        target = _data.targets(y_true, self, shape, rows, y_pred.dtype, "y_true")
        weight = _data.row_weights(sample_weight, rows, y_pred.dtype)
        loss = np.zeros(rows, y_pred.dtype)
        gradient = np.zeros_like(y_pred) if want_gradient else None
        width = y_pred[0].size
        arguments = {
            "target": target,
            "prediction": y_pred,
            "weight": weight,
            "loss": loss,
            "gradient": gradient,
            "target_stride": target[0].size,
            "prediction_stride": width,
            "gradient_stride": width,
            "scale": 1.0,
            **self.kernel_arguments(shape),
        }
        kernel = self.kernel_for(getattr(self, "from_logits", False))
        _kernels.run(kernel, y_pred.dtype, arguments, (0, rows), rows=rows)
        total = np.zeros(1)
        _kernels.run("accumulate_sum", y_pred.dtype, {"values": loss, "total": total, "scale": 1.0}, (0, 1), rows=rows)
        return float(total[0]) / rows, gradient


class MeanSquaredError(Loss):
    """L = mean over rows and features of (y_pred - y_true)².

    The negative log-likelihood of a normal distribution of fixed variance, up to scale and a constant.
    """

    default_name = "mean_squared_error"

    def kernel_for(self, logits):
        return "mean_squared_error"

    def kernel_arguments(self, shape):
        return {"features": int(np.prod(shape))}


class _Crossentropy(Loss):
    """What the cross-entropies share: logits or probabilities, smoothing."""

    kernel = ""

    def __init__(self, from_logits=False, label_smoothing=0.0, axis=-1, reduction="sum_over_batch_size", name=None,
                 dtype=None):  # fmt: skip
        super().__init__(reduction, name, dtype)
        owner = type(self).__name__
        self.from_logits = _checks.boolean(owner, "from_logits", from_logits)
        self.label_smoothing = _checks.real_number(owner, "label_smoothing", label_smoothing, 0, 1)
        _checks.refuse(owner, axis=None if axis == -1 else axis)

    def kernel_for(self, logits):
        return f"{self.kernel}_logits" if logits else self.kernel

    def get_config(self):
        return {"from_logits": self.from_logits, "label_smoothing": self.label_smoothing, **super().get_config()}


class BinaryCrossentropy(_Crossentropy):
    """L = -mean over rows and units of t log p + (1 - t) log(1 - p), with t the target and p the prediction.

    The negative log-likelihood of independent Bernoulli variables; with several units a multi-task output.

    Parameters
    ----------
    from_logits : bool
        Predictions are logits z, p = 1 / (1 + exp(-z)).
    label_smoothing : float in [0, 1]
        s: targets become t (1 - s) + s / 2.
    """

    kernel = default_name = "binary_crossentropy"
    logits_of = "sigmoid"

    def kernel_arguments(self, shape):
        return {"features": int(np.prod(shape)), "label_smoothing": self.label_smoothing}


class CategoricalCrossentropy(_Crossentropy):
    """L = -mean over rows of sum_i t_i log p_i, with t the distribution wanted and p the one predicted.

    Parameters
    ----------
    from_logits : bool
        Predictions are logits z, p = softmax(z).
    label_smoothing : float in [0, 1]
        s: targets become t (1 - s) + s / classes.
    """

    kernel = default_name = "categorical_crossentropy"
    logits_of = "softmax"

    def check_output(self, shape):
        if shape[-1] < 2:
            raise ValueError(
                f"{type(self).__name__} needs outputs of at least 2 classes; got shape {shape}: "
                "BinaryCrossentropy is for a single unit"
            )

    def kernel_arguments(self, shape):
        return {**_groups(shape), "label_smoothing": self.label_smoothing}


class SparseCategoricalCrossentropy(_Crossentropy):
    """L = -mean over rows of log p_t, with t the number of the true class.

    Targets are whole numbers 0 .. classes - 1, of any integer type, of shape (rows,) or (rows, 1).

    Parameters
    ----------
    from_logits : bool
        Predictions are logits z, p = softmax(z).
    """

    kernel = default_name = "sparse_categorical_crossentropy"
    logits_of = "softmax"
    labels = True
    check_output = CategoricalCrossentropy.check_output

    def __init__(self, from_logits=False, ignore_class=None, axis=-1, reduction="sum_over_batch_size", name=None,
                 dtype=None):  # fmt: skip
        super().__init__(from_logits, 0.0, axis, reduction, name, dtype)
        _checks.refuse(type(self).__name__, ignore_class=ignore_class)

    def kernel_arguments(self, shape):
        return _groups(shape)

    def get_config(self):
        config = super().get_config()
        del config["label_smoothing"]
        return config


def _groups(shape):
    return {"groups": int(np.prod(shape[:-1])), "classes": shape[-1]}


_CLASSES = (BinaryCrossentropy, CategoricalCrossentropy, MeanSquaredError, SparseCategoricalCrossentropy)
_BY_CLASS = {cls.__name__: cls for cls in _CLASSES}
_BY_NAME = {**{cls.default_name: cls for cls in _CLASSES}, "mse": MeanSquaredError, "MSE": MeanSquaredError}


def get(identifier):
    """Returns the loss that a name, a configuration or a loss stands for."""
    return _checks.resolve("loss", identifier, Loss, _BY_NAME, _BY_CLASS)


def serialize(loss):
    """Returns {"class_name", "config"} of a loss."""
    return _checks.serialize(loss)


def deserialize(config):
    """Returns the loss that `serialize` described."""
    return get(config)

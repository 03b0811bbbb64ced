"""Activation functions: objects that are called on arrays, and that layers emit into plans.

Derivatives are taken from the output, so that the input need not be kept.
"""

import numpy as np

from nncore import _checks, _kernels

__all__ = ["Activation", "deserialize", "get", "linear", "relu", "serialize", "sigmoid", "softmax", "tanh"]


class Activation:
    """An element-wise function y = f(x), with kernels `<name>_forward` and `<name>_backward`."""

    def __init__(self, name, doc):
        self.name = self.__name__ = name
        self.__doc__ = doc

    def __repr__(self):
        return f"<activation {self.name}>"

    def __call__(self, x):
        """Returns f(x) as a new array; float64 for float64 and integers, float32 for float32."""
        x = np.asarray(x)
        x = np.ascontiguousarray(x, x.dtype if x.dtype in (np.float32, np.float64) else np.float64)
        y = np.empty_like(x)
        self._run(x, y)
        return y

    def _run(self, x, y):
        _kernels.run(
            f"{self.name}_forward",
            x.dtype,
            {"x": x, "y": y, "features": x.size, "x_stride": x.size, "y_stride": x.size},
            (0, 1),
        )

    def emit(self, builder, x):
        """Adds y = f(x) and its derivative to a plan; returns y."""
        x.uses += 1
        y = builder.value(x.shape, x.needs_gradient)
        self._emit_forward(builder, x, y)

        def backward():
            if y.gradient is None or not x.needs_gradient:
                return
            if x.gradient is None:
                x.gradient = y.gradient  # dx takes the place of dy
                self._emit_backward(builder, y, x.gradient)
            else:
                builder.add_gradient(x, lambda target: self._emit_backward(builder, y, target))

        builder.on_backward(backward)
        return y

    def _emit_forward(self, builder, x, y):
        builder.forward(f"{self.name}_forward", x=x.buffer, y=y.buffer, features=x.width, x_stride=x.stride,
                        y_stride=y.stride)  # fmt: skip

    def _emit_backward(self, builder, y, target):
        dy = y.gradient
        builder.backward_step(f"{self.name}_backward", y=y.buffer, dy=dy, dx=target, features=y.width,
                              y_stride=y.stride, dy_stride=dy.stride, dx_stride=target.stride)  # fmt: skip


class _Linear(Activation):
    def _run(self, x, y):
        y[...] = x

    def emit(self, builder, x):
        return x


class _Sigmoid(Activation):
    def emit(self, builder, x):
        y = super().emit(builder, x)
        y.logits = ("sigmoid", x)
        return y


class _Softmax(Activation):
    def _run(self, x, y):
        if x.ndim == 0:
            raise ValueError("softmax needs an array of at least one axis; got a number")
        classes = x.shape[-1]
        arguments = {"x": x, "y": y, "groups": 1, "classes": classes, "x_stride": classes, "y_stride": classes}
        _kernels.run("softmax_forward", x.dtype, arguments, (0, x.size // classes if classes else 0))

    def emit(self, builder, x):
        y = super().emit(builder, x)
        y.logits = ("softmax", x)
        return y

    @staticmethod
    def _groups(value):
        return {"groups": value.width // value.shape[-1], "classes": value.shape[-1]}

    def _emit_forward(self, builder, x, y):
        builder.forward("softmax_forward", x=x.buffer, y=y.buffer, x_stride=x.stride, y_stride=y.stride,
                        **self._groups(x))  # fmt: skip

    def _emit_backward(self, builder, y, target):
        dy = y.gradient
        builder.backward_step("softmax_backward", y=y.buffer, dy=dy, dx=target, y_stride=y.stride,
                              dy_stride=dy.stride, dx_stride=target.stride, **self._groups(y))  # fmt: skip


linear = _Linear("linear", "f(x) = x.")
relu = Activation("relu", "f(x) = max(0, x); the derivative at 0 is 0.")
sigmoid = _Sigmoid("sigmoid", "f(x) = 1 / (1 + exp(-x)).")
tanh = Activation("tanh", "f(x) = (exp(x) - exp(-x)) / (exp(x) + exp(-x)).")
softmax = _Softmax("softmax", "f(x)_i = exp(x_i) / sum_j exp(x_j) over the last axis.")

_ALL = {activation.name: activation for activation in (linear, relu, sigmoid, tanh, softmax)}


def get(identifier):
    """Returns the activation that a name, an activation, or None (linear) stands for."""
    if identifier is None:
        return linear
    if isinstance(identifier, Activation):
        return identifier
    if isinstance(identifier, str):
        if identifier not in _ALL:
            raise ValueError(f"unknown activation {identifier!r}.{_checks.suggest(identifier, _ALL)}")
        return _ALL[identifier]
    raise TypeError(f"{identifier!r} is no activation: one of {', '.join(_ALL)} is wanted")


def serialize(activation):
    """Returns the name of an activation."""
    return activation.name


def deserialize(name):
    """Returns the activation of this name."""
    return get(name)

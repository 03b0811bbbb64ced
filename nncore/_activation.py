"""What activation functions have in common: their parameters, calls on arrays, and steps in plans.

An activation is made of a *definition*: a function of its parameters, with their defaults and its docstring, that
returns the `Steps` that compute it. Derivatives are taken from the output where it says enough, else from the input,
which the plan keeps.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from nncore import _checks, _kernels
from nncore._axes import emit_permuted

if TYPE_CHECKING:
    from collections.abc import Callable

    from nncore._engine import Buffer
    from nncore._plan import Builder, Value
    from nncore._typing import Array, Data, Shape

    A = TypeVar("A", bound="Activation")

PLAIN: dict[str, Activation] = {}  # every activation with its default parameters, by name


class Steps:
    """The kernels `<family>_forward` and `<family>_backward`, and what they take beside x, y, dx and dy.

    Parameters
    ----------
    family : str
    at : "x" or "y"
        Whether the backward kernel reads the input or the output.
    forward, backward : dict, optional
        Further arguments.
    argument : str, optional
        The name of the backward kernel's argument for what it reads; that of `at` unless given.
    """

    family: str
    at: str
    argument: str
    forward: dict[str, Any]
    backward: dict[str, Any]

    def __init__(self, family: str, at: str, forward: dict[str, Any] | None = None,
                 backward: dict[str, Any] | None = None, argument: str | None = None) -> None:  # fmt: skip
        self.family, self.at, self.argument = family, at, argument or at
        self.forward, self.backward = forward or {}, backward or {}


class Activation:
    """An element-wise function y = f(x) with parameters: called on arrays, and emitted into plans by layers.

    ``f(x, alpha=0.5)`` computes; ``f.with_parameters(alpha=0.5)`` is f with these parameters, for
    ``activation=`` of a layer.
    """

    name: str
    __name__: str

    def __init__(self, definition: Callable[..., Steps], checks: dict[str, Callable[..., Any]],
                 parameters: Any = None) -> None:  # fmt: skip
        self.name = self.__name__ = definition.__name__
        self.__doc__ = definition.__doc__
        self._definition, self._checks = definition, checks
        self._signature = inspect.signature(definition)
        if parameters is None:
            defaults = {n: p.default for n, p in self._signature.parameters.items() if p.default is not p.empty}
            parameters = {name: checks[name](self.name, name, value) for name, value in defaults.items()}
        self.parameters = parameters
        complete = len(parameters) == len(self._signature.parameters)
        self._steps: Steps | Any = definition(**parameters) if complete else None

    def __repr__(self) -> str:
        given = "" if self.is_plain else f"({', '.join(f'{n}={v!r}' for n, v in self.parameters.items())})"
        return f"<activation {self.name}{given}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (self.name, self.parameters)

    def __call__(self, x: Data | float, *values: Any, **named: Any) -> Array:
        """Returns f(x) as a new array; float64 for float64 and integers, float32 for float32."""
        if values or named:
            return self.with_parameters(*values, **named)(x)
        self.require_complete()
        from nncore import _data  # which imports the engine's arrays

        return self._compute(np.asarray(_data.as_floats(x, self.name), order="C"))

    # ---- parameters

    @property
    def is_plain(self) -> bool:
        """Whether all parameters are the defaults."""
        return PLAIN.get(self.name) is self

    @property
    def steps(self) -> Steps | Any:
        """The Steps that compute it."""
        return self._steps

    def require_complete(self) -> Activation:
        """Returns the activation, or raises ValueError where a parameter without a default is not given."""
        if self._steps is None:
            missing = ", ".join(f"{n}=..." for n in self._signature.parameters if n not in self.parameters)
            raise ValueError(f"{self.name} needs its parameters: activations.{self.name}.with_parameters({missing})")
        return self

    def with_parameters(self, *values: Any, **named: Any) -> Activation:
        """Returns the same function with other parameters (not in Keras).

        Raises
        ------
        TypeError
            For a parameter that the function does not have, or a value of another type.
        ValueError
            For a value outside of the parameter's range.
        """
        try:
            given = self._signature.bind_partial(*values, **named).arguments
        except TypeError as error:
            known = ", ".join(self._signature.parameters) or "none"
            raise TypeError(f"{self.name}: {error}; its parameters: {known}") from None
        given = {name: self._checks[name](self.name, name, value) for name, value in given.items()}
        return _restored(self.name, {**self.parameters, **given})

    # ---- what it computes

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of f(x) for x of `shape`, which leaves out the axis of samples; or raises ValueError."""
        return shape

    def _compute(self, x: Array) -> Array:
        y = np.empty_like(x)
        arguments = {"x": x, "y": y, "features": x.size, "x_stride": x.size, "y_stride": x.size}
        _kernels.run(f"{self._steps.family}_forward", x.dtype, {**arguments, **self._steps.forward}, (0, 1))
        return y

    def emit(self, builder: Builder, x: Value) -> Value:
        """Adds y = f(x) and its derivative to a plan; returns y."""
        x.uses += 1
        y = builder.value(self._shape_of_rows(x.shape), x.needs_gradient)
        builder.forward(f"{self._steps.family}_forward", x=x.buffer, y=y.buffer, x_stride=x.stride, y_stride=y.stride,
                        **self._sizes(x.shape), **self._steps.forward)  # fmt: skip

        def emit_backward(target: Buffer) -> None:
            at = x if self._steps.at == "x" else y
            name, dy = self._steps.argument, y.gradient
            places: dict[str, Any] = {name: at.buffer, "dy": dy, "dx": target, f"{name}_stride": at.stride,
                                      "dy_stride": dy.stride, "dx_stride": target.stride}  # fmt: skip
            builder.backward_step(f"{self._steps.family}_backward", **places, **self._sizes(x.shape),
                                  **self._steps.backward)  # fmt: skip

        def backward() -> None:
            if y.gradient is None or not x.needs_gradient:
                return
            if x.gradient is None and x.shape == y.shape:
                x.gradient = y.gradient  # dx takes the place of dy
                emit_backward(x.gradient)
            else:
                builder.add_gradient(x, emit_backward)

        builder.on_backward(backward)
        return y

    def _shape_of_rows(self, shape: Shape) -> Shape:
        """The shape of what the kernels make of x of `shape`."""
        return self.output_shape(shape)

    def _sizes(self, shape: Shape) -> dict[str, int]:
        """The kernels' arguments that say what a row of x is."""
        return {"features": int(np.prod(shape))}


class Linear(Activation):
    """f(x) = x, without a step."""

    def _compute(self, x: Array) -> Array:
        return x.copy()  # type: ignore[no-any-return]

    def emit(self, builder: Builder, x: Value) -> Value:
        return x


class Sigmoid(Activation):
    """Behind which a cross-entropy goes to the logits."""

    def emit(self, builder: Builder, x: Value) -> Value:
        y = super().emit(builder, x)
        y.logits = (self.name, x)
        return y


class AlongAxis(Activation):
    """A function along one axis, `axis`, counted with that of the samples. Kernels go along the last one."""

    size = "classes"  # the kernels' name for the number of elements of y along the axis

    def output_shape(self, shape: Shape) -> Shape:
        axis = self._axis_of_sample(shape)
        return (*shape[:axis], self._size_of(shape[axis]), *shape[axis + 1 :])

    def _axis_of_sample(self, shape: Shape) -> int:
        """The axis, counted without that of the samples."""
        axis: int = self.parameters["axis"]
        axis = axis + len(shape) if axis < 0 else axis - 1
        if not 0 <= axis < len(shape):
            axes = ("samples", *shape)
            raise ValueError(
                f"{self.name} in a layer goes along an axis of each sample; got axis={self.parameters['axis']} "
                f"for inputs of shape ({', '.join(map(str, axes))})"
            )
        return axis

    def emit(self, builder: Builder, x: Value) -> Value:
        axis, last = self._axis_of_sample(x.shape), len(x.shape) - 1
        if axis == last:
            return super().emit(builder, x)
        order = [*range(axis), *range(axis + 1, last + 1), axis]
        y = super().emit(builder, emit_permuted(builder, x, order))
        return emit_permuted(builder, y, [order.index(i) for i in range(last + 1)])

    def _shape_of_rows(self, shape: Shape) -> Shape:
        return (*shape[:-1], self._size_of(shape[-1]))

    def _size_of(self, length: int) -> int:
        """Elements of y along the axis, where x has so many."""
        return length

    def _sizes(self, shape: Shape) -> dict[str, int]:
        return {"groups": int(np.prod(shape[:-1])), self.size: self._size_of(shape[-1])}

    def _compute(self, x: Array) -> Array:
        axis = self.parameters["axis"]
        if not -x.ndim <= axis < x.ndim:
            raise ValueError(f"{self.name} along axis {axis} needs an array that has it; got shape {x.shape}")
        x = np.ascontiguousarray(np.moveaxis(x, axis, -1))
        length = x.shape[-1]
        y = np.empty((*x.shape[:-1], self._size_of(length)), x.dtype)
        if y.size:
            arguments = {"x": x, "y": y, "x_stride": length, "y_stride": y.shape[-1], **self._sizes((length,))}
            _kernels.run(f"{self._steps.family}_forward", x.dtype, arguments, (0, x.size // length))
        return np.ascontiguousarray(np.moveaxis(y, -1, axis))


class Softmax(AlongAxis, Sigmoid):
    """Softmax: logits as behind a sigmoid."""


class Halves(AlongAxis):
    """A function of the two halves of an axis."""

    size = "units"

    def _size_of(self, length: int) -> int:
        if length % 2:
            raise ValueError(f"{self.name} halves an axis of even length; got {length}")
        return length // 2


@overload
def define(**checks: Callable[..., Any]) -> Callable[[Callable[..., Steps]], Activation]: ...


@overload
def define(kind: type[A], **checks: Callable[..., Any]) -> Callable[[Callable[..., Steps]], A]: ...


def define(kind: Any = Activation, **checks: Callable[..., Any]) -> Callable[[Callable[..., Steps]], Any]:
    """Makes a definition an activation of this kind; each parameter has a check(owner, name, value) -> value."""

    def decorate(definition: Callable[..., Steps]) -> Any:
        PLAIN[definition.__name__] = kind(definition, checks)
        return PLAIN[definition.__name__]

    return decorate


def _restored(name: str, parameters: Any) -> Activation:
    """The activation of this name with all these parameters: the one object where they are the defaults."""
    plain = PLAIN[name]
    if parameters == plain.parameters:
        return plain
    return type(plain)(plain._definition, plain._checks, parameters)


def number(low: float = -np.inf, **options: Any) -> Callable[[str, str, Any], Any]:
    """A check: a finite number of at least `low`."""
    return lambda owner, name, value: _checks.real_number(owner, name, value, low, **options)


def optional(check: Callable[..., Any]) -> Callable[[str, str, Any], Any]:
    """A check: None, or what `check` lets through."""
    return lambda owner, name, value: None if value is None else check(owner, name, value)


def integer(owner: str, name: str, value: Any) -> int:
    """A check: an integer."""
    return _checks.any_integer(owner, name, value)

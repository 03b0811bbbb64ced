"""Layers of several inputs: sums, products, extremes, one beside the other, and products of matrices.

Shapes are those of samples; axes are counted as in Keras, where axis 0 is that of the samples.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore._axes import emit_broadcast, emit_copied_gradient, emit_copy, emit_pair, emit_permuted
from nncore.layers.layer import Layer
from nncore.layers.masking import emit_either, emit_joined, emit_widened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Unpack

    from nncore._likes import AnyLayerArguments
    from nncore._plan import Builder, Value
    from nncore._typing import Config


class Merge(Layer):
    """Element by element, of two or more tensors; shapes of samples are broadcast as NumPy broadcasts them.

    Subclasses define `merge(builder, values)` for values of one shape.
    """

    merges = True  # takes a list

    def emit_mask(self, builder: Builder, values: Sequence[Value]) -> Value | None:
        """What counts in one of the inputs counts, where all of them have a mask."""
        if any(value.mask is None for value in values):
            return None
        known: list[Any] = [value.mask for value in values]
        shape = max((mask.shape for mask in known), key=lambda shape: (len(shape), math.prod(shape)))
        return emit_either(builder, [emit_broadcast(builder, mask, shape) for mask in known])

    def compute_output_shape(self, input_shapes: Any) -> Any:
        """Returns the shape of a sample's output for a list of shapes of samples, or raises ValueError."""
        shape = tuple(self._listed(input_shapes)[0])
        for other in input_shapes[1:]:
            longer, shorter = sorted((shape, tuple(other)), key=len, reverse=True)
            shorter = (1,) * (len(longer) - len(shorter)) + shorter
            if any(a != b and 1 not in (a, b) for a, b in zip(longer, shorter, strict=True)):
                raise ValueError(
                    f"layer {self.name!r}: samples of shapes {self._shown(input_shapes)} cannot be broadcast together"
                )
            shape = tuple(b if a == 1 else a for a, b in zip(longer, shorter, strict=True))
        return shape

    def _listed(self, input_shapes: Any, count: Any = None) -> Any:
        """The shapes, after a look at how many there are."""
        if not isinstance(input_shapes, (list, tuple)) or not all(isinstance(s, (list, tuple)) for s in input_shapes):
            raise ValueError(f"layer {self.name!r} takes a list of tensors; got one of shape {input_shapes}")
        if not input_shapes or count not in (None, len(input_shapes)):
            wanted = "at least one input" if count is None else f"{count} inputs"
            raise ValueError(f"layer {self.name!r} takes {wanted}; got {len(input_shapes)}")
        return input_shapes

    @staticmethod
    def _shown(shapes: Any) -> Any:
        return ", ".join(str(tuple(shape)) for shape in shapes)

    def emit(self, builder: Builder, *values: Any) -> Any:
        shape = self.compute_output_shape([value.shape for value in values])
        return self.merge(builder, [emit_broadcast(builder, value, shape) for value in values])

    def merge(self, builder: Builder, values: Sequence[Value]) -> Value:
        """Adds the layer's steps over values of one shape; returns its output Value."""
        raise NotImplementedError


def _emit_scaled(add: Any, x: Any, y: Any, features: Any, scale: Any) -> None:
    add("scale_shift", x=x, y=y, features=features, x_stride=x.stride, y_stride=y.stride, scale=scale, shift=0.0)


def _new_value(builder: Builder, shape: Any, values: Sequence[Value]) -> Value:
    """A tensor that is made of `values`, each of which will be sent a gradient."""
    for value in values:
        value.uses += 1
    return builder.value(shape, any(value.needs_gradient for value in values))


def _emit_sum(builder: Builder, values: Sequence[Value], kernel: str = "add", scale: float = 1.0) -> Value:
    """scale times the sum of values; by `subtract`, the first less the second."""
    first, *others = values
    if not others:
        return first
    y = _new_value(builder, first.shape, values)
    emit_pair(builder.forward, kernel, first.buffer, others[0].buffer, y.buffer, y.width)
    for other in others[1:]:
        builder.forward("add_rows", x=other.buffer, y=y.buffer, features=y.width, x_stride=other.stride,
                        y_stride=y.stride)  # fmt: skip
    if scale != 1:
        _emit_scaled(builder.forward, y.buffer, y.buffer, y.width, scale)

    def backward() -> None:
        if y.gradient is None:
            return
        for number, value in enumerate(values):
            factor = -scale if kernel == "subtract" and number else scale
            if not value.needs_gradient:
                continue
            if factor == 1:
                emit_copied_gradient(builder, value, y.gradient)
            else:
                builder.add_gradient(
                    value,
                    lambda dx, factor=factor: _emit_scaled(builder.backward_step, y.gradient, dx, y.width, factor),
                )

    builder.on_backward(backward)
    return y


def _emit_in_turn(builder: Builder, values: Sequence[Value], kernel: str, emit_gradient: Callable[..., Any]) -> Value:
    """kernel(kernel(first, second), third) and so on; emit_gradient(dy, own, other, dx, features) is that for
    either one of a pair.
    """
    first, *others = values
    for other in others:
        first = _emit_two(builder, first, other, kernel, emit_gradient)
    return first


def _emit_two(builder: Any, a: Any, b: Any, kernel: str, emit_gradient: Callable[..., Any]) -> Value:
    y = _new_value(builder, a.shape, (a, b))
    emit_pair(builder.forward, kernel, a.buffer, b.buffer, y.buffer, y.width)

    def backward() -> None:
        for own, other in ((a, b), (b, a)) if y.gradient is not None else ():
            if own.needs_gradient:
                builder.add_gradient(own, lambda dx, own=own, other=other: emit_gradient(
                    y.gradient, own.buffer, other.buffer, dx, y.width))  # fmt: skip

    builder.on_backward(backward)
    return y


class Add(Merge):
    """y = x0 + x1 + ..., from left to right."""

    def merge(self, builder: Builder, values: Sequence[Value]) -> Value:
        return _emit_sum(builder, values)


class Subtract(Merge):
    """y = x0 - x1, of exactly two inputs."""

    def compute_output_shape(self, input_shapes: Any) -> Any:
        return super().compute_output_shape(self._listed(input_shapes, 2))

    def merge(self, builder: Builder, values: Sequence[Value]) -> Value:
        return _emit_sum(builder, values, "subtract")


class Average(Merge):
    """y = (x0 + x1 + ...) / n, of n inputs; the quotient as a product with 1 / n."""

    def merge(self, builder: Builder, values: Sequence[Value]) -> Value:
        return _emit_sum(builder, values, scale=1 / len(values))


class Multiply(Merge):
    """y = x0 x1 ..., from left to right."""

    def merge(self, builder: Builder, values: Sequence[Value]) -> Value:
        def emit_gradient(dy: Any, own: Any, other: Any, dx: Any, features: Any) -> None:
            emit_pair(builder.backward_step, "multiply", dy, other, dx, features)

        return _emit_in_turn(builder, values, "multiply", emit_gradient)


class _Extreme(Merge):
    """The largest or smallest, from left to right: an equal pair shares its gradient in halves.

    So does PyTorch, and so does JAX; of three equal inputs the third has one half and the others a quarter each.
    """

    kernel: str
    largest: bool
    kernel, largest = "", True

    def merge(self, builder: Builder, values: Sequence[Value]) -> Value:
        def emit_gradient(dy: Any, own: Any, other: Any, dx: Any, features: Any) -> None:
            a, b = (own, other) if self.largest else (other, own)
            builder.backward_step("larger_backward", a=a, b=b, dy=dy, dx=dx, features=features, a_stride=a.stride,
                                  b_stride=b.stride, dy_stride=dy.stride, dx_stride=dx.stride)  # fmt: skip

        return _emit_in_turn(builder, values, self.kernel, emit_gradient)


class Maximum(_Extreme):
    """y = max(x0, x1, ...), NaN where one of them is.

    The gradient goes to the larger one of two, and in halves to both where they are equal.
    """

    kernel: str
    largest: bool
    kernel, largest = "maximum", True


class Minimum(_Extreme):
    """y = min(x0, x1, ...), NaN where one of them is.

    The gradient goes to the smaller one of two, and in halves to both where they are equal.
    """

    kernel: str
    largest: bool
    kernel, largest = "minimum", False


def sample_axis(layer: Layer, axis: int, shape: Any) -> int:
    """The axis of a sample that Keras's number means, where 0 is that of the samples and negative ones count back."""
    axes = len(shape) + 1
    if not -axes <= axis < axes or axis % axes == 0:
        raise ValueError(
            f"layer {layer.name!r}: axis {axis} must be one of a sample of shape {tuple(shape)}: 1 to {axes - 1}, or "
            f"-1 to {1 - axes}"
        )
    return axis % axes - 1


class Concatenate(Merge):
    """One tensor beside the other along `axis`; their shapes agree in all other axes.

    Parameters
    ----------
    axis : int
        Of the samples' axes 1, 2, ..., or counted back from -1; not 0.
    """

    def __init__(self, axis: int = -1, **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(**common)
        self.axis: int = _checks.any_integer("Concatenate", "axis", axis)

    def compute_output_shape(self, input_shapes: Any) -> Any:
        first = tuple(self._listed(input_shapes)[0])
        axis = sample_axis(self, self.axis, first)
        for other in input_shapes[1:]:
            if len(other) != len(first) or any(
                a != b for i, (a, b) in enumerate(zip(first, other, strict=True)) if i != axis
            ):
                raise ValueError(
                    f"layer {self.name!r}: samples of shapes {self._shown(input_shapes)} do not agree in all axes but "
                    f"axis {self.axis}"
                )
        return (*first[:axis], sum(shape[axis] for shape in input_shapes), *first[axis + 1 :])

    def emit(self, builder: Builder, *values: Any) -> Any:
        shape = self.compute_output_shape([value.shape for value in values])
        if len(values) == 1:
            return values[0]
        axis = sample_axis(self, self.axis, shape)
        outer, row = math.prod(shape[:axis]), math.prod(shape[axis:])
        y = _new_value(builder, shape, values)
        places, place = [], 0
        for value in values:
            places.append(place)
            place += value.width // outer

        def emit_part(add: Any, number: Any, value: Any, whole: Any, forward: Any) -> None:
            """Copies between a value's buffer and its place in that of the whole."""
            part, width = whole.at(places[number]), values[number].width // outer
            source, target = (value, part) if forward else (part, value)
            x_step, y_step = (width, row) if forward else (row, width)
            emit_copy(add, source, target, [(outer, x_step, y_step), (width, 1, 1)])

        for number, value in enumerate(values):
            emit_part(builder.forward, number, value.buffer, y.buffer, True)

        def backward() -> None:
            for number, value in enumerate(values) if y.gradient is not None else ():
                if value.needs_gradient:
                    builder.add_gradient(
                        value,
                        lambda dx, number=number: emit_part(builder.backward_step, number, dx, y.gradient, False),
                    )

        builder.on_backward(backward)
        return y

    def emit_mask(self, builder: Builder, values: Sequence[Value]) -> Value | None:
        """The masks beside each other; along an axis that they do not have, what counts in one of the inputs."""
        shapes = [value.shape for value in values]
        axis = sample_axis(self, self.axis, shapes[0])
        axes = max(len(value.mask.shape) for value in values if value.mask is not None)
        masks = [value.mask and emit_widened(builder, value.mask, value.shape[:axes]) for value in values]
        if axis < axes:
            return emit_joined(builder, masks, shapes, axis)
        return None if None in masks else emit_either(builder, masks)

    def get_config(self) -> Config:
        return {"axis": self.axis, **super().get_config()}


class Dot(Merge):
    """y[i, j] = sum over k of x0[i, k] x1[k, j] for each sample: i are all axes of x0 but one, j all of x1 but one.

    y has the axes of x0 that are left and then those of x1, or one of one element.

    Parameters
    ----------
    axes : int or two ints
        The axis of each input that k counts: 1, 2, ..., or counted back from -1; not 0.
    normalize : bool
        Vectors along these axes are divided by their Euclidean norm first (by 10^-7 where it is less), so that y is
        the cosine of the angle between them.
    """

    axes: int | list[int]

    def __init__(self, axes: int | Sequence[int], normalize: bool = False, **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(**common)
        if isinstance(axes, (list, tuple)):
            if len(axes) != 2:
                raise ValueError(f"Dot: axes must be one integer or two; got {axes!r}")
            self.axes = [_checks.any_integer("Dot", "each of axes", axis) for axis in axes]
        else:
            self.axes = _checks.any_integer("Dot", "axes", axes)
        self.normalize: bool = _checks.boolean("Dot", "normalize", normalize)

    def _sample_axes(self, shapes: Any) -> Any:
        axes = self.axes if isinstance(self.axes, list) else [self.axes] * 2
        return [sample_axis(self, axis, shape) for axis, shape in zip(axes, shapes, strict=True)]

    def compute_output_shape(self, input_shapes: Any) -> Any:
        first, second = (tuple(shape) for shape in self._listed(input_shapes, 2))
        i, j = self._sample_axes((first, second))
        if first[i] != second[j]:
            raise ValueError(
                f"layer {self.name!r}: samples of shapes {first}, {second} have {first[i]} and {second[j]} elements "
                f"along axes {self.axes}, not as many"
            )
        return (*first[:i], *first[i + 1 :], *second[:j], *second[j + 1 :]) or (1,)

    def emit(self, builder: Builder, *values: Any) -> Any:
        shape = self.compute_output_shape([value.shape for value in values])
        axes = self._sample_axes([value.shape for value in values])
        a, b = (_Matrix(builder, value, axis, self.normalize) for value, axis in zip(values, axes, strict=True))
        y = _new_value(builder, shape, (a.value, b.value))
        _emit_product(builder.forward, a.value.buffer, a.steps, b.value.buffer, b.steps[::-1], y.buffer,
                      (a.others, a.inner, b.others))  # fmt: skip
        builder.add_flops(2.0 * a.others * a.inner * b.others)

        def backward() -> None:
            if y.gradient is None:
                return
            for own, other, steps in ((a, b, (b.others, 1)), (b, a, (1, b.others))):  # y = a b': da = dy b, db = dy' a
                if own.value.needs_gradient:
                    builder.add_gradient(own.value, lambda dx, own=own, other=other, steps=steps: own.emit_gradient(
                        builder.backward_step, y.gradient, steps, other, dx))  # fmt: skip

        builder.on_backward(backward)
        return y

    def emit_mask(self, builder: Builder, values: Sequence[Value]) -> Value | None:
        """There is none: the axes are others."""
        return None

    def get_config(self) -> Config:
        return {"axes": self.axes, "normalize": self.normalize, **super().get_config()}


class _Matrix:
    """A value's samples as matrices (others, inner), one of whose axes is contiguous.

    `steps` are elements between neighbours along each axis.
    """

    def __init__(self, builder: Any, value: Any, axis: Any, normalize: Any) -> None:
        before, after = math.prod(value.shape[:axis]), math.prod(value.shape[axis + 1 :])
        self.inner, self.others = value.shape[axis], before * after
        if after > 1 and (before > 1 or normalize):
            rest = [i for i in range(len(value.shape)) if i != axis]
            value, after = emit_permuted(builder, value, [*rest, axis]), 1
        self.value = emit_normalized(builder, value, self.inner, 1e-7) if normalize else value
        self.steps = (self.inner, 1) if after == 1 else (1, after)

    def emit_gradient(self, add: Any, dy: Any, dy_steps: Any, other: Any, dx: Any) -> None:
        """dx = dy other, for dy (others, other.others) of these steps, laid out as this matrix is."""
        if self.steps[1] == 1:
            _emit_product(add, dy, dy_steps, other.value.buffer, other.steps, dx,
                          (self.others, other.others, self.inner))  # fmt: skip
        else:
            _emit_product(add, other.value.buffer, other.steps[::-1], dy, dy_steps[::-1], dx,
                          (self.inner, other.others, self.others))  # fmt: skip


def _emit_product(add: Callable[..., Any], a: Any, a_steps: Any, b: Any, b_steps: Any, c: Any, sizes: Any) -> None:
    """c = a b for each sample, of (outer, inner) and (inner, columns)."""
    outer, inner, columns = sizes
    add("sample_product", a=a, b=b, c=c, outer=outer, inner=inner, columns=columns, a_outer=a_steps[0],
        a_inner=a_steps[1], b_inner=b_steps[0], b_column=b_steps[1], a_stride=a.stride, b_stride=b.stride,
        c_stride=c.stride)  # fmt: skip


def emit_normalized(builder: Builder, x: Value, extent: int, least: float) -> Value:
    """Each group of `extent` neighbours divided by its Euclidean norm, which counts as `least` at least."""
    y = _new_value(builder, x.shape, (x,))
    arguments: dict[str, Any] = {"groups": x.width // extent, "extent": extent, "x": x.buffer, "x_stride": x.stride,
                                 "y": y.buffer, "y_stride": y.stride, "least": least}  # fmt: skip
    builder.forward("l2_normalize_forward", **arguments)

    def emit_gradient(dx: Any) -> None:
        builder.backward_step("l2_normalize_backward", **arguments, dy=y.gradient, dx=dx,
                              dy_stride=y.gradient.stride, dx_stride=dx.stride)  # fmt: skip

    def backward() -> None:
        if y.gradient is not None and x.needs_gradient:
            builder.add_gradient(x, emit_gradient)

    builder.on_backward(backward)
    return y


def add(inputs: Sequence[Any], **common: Unpack[AnyLayerArguments]) -> Any:
    """`Add` of a list of tensors."""
    return Add(**common)(inputs)


def subtract(inputs: Sequence[Any], **common: Unpack[AnyLayerArguments]) -> Any:
    """`Subtract` of a list of two tensors."""
    return Subtract(**common)(inputs)


def multiply(inputs: Sequence[Any], **common: Unpack[AnyLayerArguments]) -> Any:
    """`Multiply` of a list of tensors."""
    return Multiply(**common)(inputs)


def average(inputs: Sequence[Any], **common: Unpack[AnyLayerArguments]) -> Any:
    """`Average` of a list of tensors."""
    return Average(**common)(inputs)


def maximum(inputs: Sequence[Any], **common: Unpack[AnyLayerArguments]) -> Any:
    """`Maximum` of a list of tensors."""
    return Maximum(**common)(inputs)


def minimum(inputs: Sequence[Any], **common: Unpack[AnyLayerArguments]) -> Any:
    """`Minimum` of a list of tensors."""
    return Minimum(**common)(inputs)


def concatenate(inputs: Sequence[Any], axis: int = -1, **common: Unpack[AnyLayerArguments]) -> Any:
    """`Concatenate` of a list of tensors."""
    return Concatenate(axis=axis, **common)(inputs)


def dot(inputs: Sequence[Any], axes: int | Sequence[int] = -1, **common: Unpack[AnyLayerArguments]) -> Any:
    """`Dot` of a list of two tensors."""
    return Dot(axes=axes, **common)(inputs)

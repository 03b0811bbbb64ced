"""Normalization of each sample along some of its axes, and what all normalizations have in common."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from nncore import _checks, initializers
from nncore._axes import emit_permuted
from nncore.layers.layer import Layer
from nncore.layers.merging import emit_normalized, sample_axis
from nncore.layers.weighted import WeightedLayer, array_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Unpack

    from nncore._likes import AnyLayerArguments, ConstraintLike, InitializerLike, RegularizerLike
    from nncore._plan import Builder, Value
    from nncore._typing import ArrayProperty, Config, Integers, Shape
    from nncore._weight import Weight


class Affine(WeightedLayer):
    """Has gamma and beta: y = gamma u + beta for what `u` the subclass makes of x."""

    _beta: Weight | Any
    _gamma: Weight | Any

    def __init__(self, epsilon: float, center: bool, scale: bool, beta: tuple[Any, Any, Any],
                 gamma: tuple[Any, Any, Any], **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(**common)
        owner = type(self).__name__
        self.epsilon: float = _checks.real_number(owner, "epsilon", epsilon, 0)
        self.center: bool = _checks.boolean(owner, "center", center)
        self.scale: bool = _checks.boolean(owner, "scale", scale)
        self.declare_weight("beta", *beta)
        self.declare_weight("gamma", *gamma)
        self._gamma = self._beta = None

    gamma: ArrayProperty = array_of("_gamma", "What u is multiplied with, as an array; None without it.")
    beta: ArrayProperty = array_of("_beta", "What is added, as an array; None without it.")

    def add_affine(self, shape: Shape) -> None:
        """Makes gamma and beta."""
        if self.scale:
            self._gamma = self.make_weight("gamma", shape)
        if self.center:
            self._beta = self.make_weight("beta", shape)

    def learns(self, builder: Builder) -> bool:
        """Whether gradients of gamma or beta are wanted."""
        return builder.backward and self.trainable and (self.scale or self.center)

    def get_config(self) -> Config:
        return {"epsilon": self.epsilon, "center": self.center, "scale": self.scale, **super().get_config()}


class LayerNormalization(Affine):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, mean and variance of each sample over `axis`.

    The variance is the mean of (x - mean)^2. Gamma and beta have the extents of `axis`.

    Parameters
    ----------
    axis : int or sequence of int
        Counted with the axis of samples, which is not among them.
    epsilon : float
    center, scale : bool
        Whether there are beta and gamma.
    beta_initializer, gamma_initializer
    beta_regularizer, gamma_regularizer : str or Regularizer, optional
    beta_constraint, gamma_constraint : str or Constraint, optional

    Raises
    ------
    ValueError
        For an axis that a sample does not have.

    References
    ----------
    Ba et al., "Layer normalization", 2016.
    """

    supports_masking = True

    def __init__(self, axis: Integers = -1, epsilon: float = 1e-3, center: bool = True, scale: bool = True,
                 beta_initializer: InitializerLike = "zeros", gamma_initializer: InitializerLike = "ones",
                 beta_regularizer: RegularizerLike = None, gamma_regularizer: RegularizerLike = None,
                 beta_constraint: ConstraintLike = None, gamma_constraint: ConstraintLike = None, *,
                 rms_scaling: Literal[False] = False, **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(epsilon, center, scale, (beta_initializer, beta_regularizer, beta_constraint),
                         (gamma_initializer, gamma_regularizer, gamma_constraint), **common)  # fmt: skip
        _checks.refuse_on("LayerNormalization (there is RMSNormalization)", rms_scaling=rms_scaling)
        self.axis: int | list[int] = checked_axis("LayerNormalization", axis)

    def compute_output_shape(self, input_shape: Any) -> Any:
        sample_axes(self, self.axis, input_shape)
        return input_shape

    def build(self, input_shape: Any) -> None:
        self.add_affine(tuple(input_shape[axis] for axis in sample_axes(self, self.axis, input_shape)))

    def emit(self, builder: Builder, x: Value) -> Any:
        def emit(x: Value, extent: int) -> Value:
            return emit_layer_normalized(builder, x, extent, self._gamma, self._beta, self.epsilon,
                                         learns=self.learns(builder))  # fmt: skip

        return emit_over(builder, x, sample_axes(self, self.axis, x.shape), emit)

    def get_config(self) -> Config:
        return {"axis": self.axis, **super().get_config()}


class RMSNormalization(Layer):
    """y = scale x / sqrt(mean of x^2 + epsilon), the mean of each sample over `axis`; `scale` has its extents.

    Parameters
    ----------
    axis : int or sequence of int
        Counted with the axis of samples, which is not among them.
    epsilon : float

    Raises
    ------
    ValueError
        For an axis that a sample does not have.

    References
    ----------
    Zhang and Sennrich, "Root mean square layer normalization", NeurIPS 2019.
    """

    _scale: Weight | Any

    def __init__(self, axis: Integers = -1, epsilon: float = 1e-6, **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(**common)
        self.axis: int | list[int] = checked_axis("RMSNormalization", axis)
        self.epsilon: float = _checks.real_number("RMSNormalization", "epsilon", epsilon, 0)
        self._scale = None

    scale: ArrayProperty = array_of("_scale", "The factors as an array; None before the layer is built.")

    def compute_output_shape(self, input_shape: Any) -> Any:
        sample_axes(self, self.axis, input_shape)
        return input_shape

    def build(self, input_shape: Any) -> None:
        shape = tuple(input_shape[axis] for axis in sample_axes(self, self.axis, input_shape))
        self._scale = self.add_weight("scale", shape, initializers.get("ones"))

    def emit(self, builder: Builder, x: Value) -> Any:
        def emit(x: Value, extent: int) -> Value:
            return emit_layer_normalized(builder, x, extent, self._scale, None, self.epsilon, centered=False,
                                         learns=builder.backward and self.trainable)  # fmt: skip

        return emit_over(builder, x, sample_axes(self, self.axis, x.shape), emit)

    def get_config(self) -> Config:
        return {"axis": self.axis, "epsilon": self.epsilon, **super().get_config()}


class UnitNormalization(Layer):
    """y = x / max(|x|, 10^-12), where |x| is the Euclidean norm of a sample over `axis`.

    Parameters
    ----------
    axis : int or sequence of int
        Counted with the axis of samples, which is not among them.

    Raises
    ------
    ValueError
        For an axis that a sample does not have.
    """

    supports_masking = True

    def __init__(self, axis: Integers = -1, **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(**common)
        self.axis: int | list[int] = checked_axis("UnitNormalization", axis)

    def compute_output_shape(self, input_shape: Any) -> Any:
        sample_axes(self, self.axis, input_shape)
        return input_shape

    def emit(self, builder: Builder, x: Value) -> Any:
        def emit(x: Value, extent: int) -> Value:
            return emit_normalized(builder, x, extent, 1e-12)

        return emit_over(builder, x, sample_axes(self, self.axis, x.shape), emit)

    def get_config(self) -> Config:
        return {"axis": self.axis, **super().get_config()}


# ---- axes


def checked_axis(owner: Any, axis: Any, single: Any = False) -> Any:
    """`axis` as an int, or as a list where several are given and may be."""
    several = isinstance(axis, (list, tuple)) and not single
    axes = list(axis) if several else [axis]
    for number in axes:
        if _checks.index_of(number) is None:
            wanted = "an integer" if single else "an integer or a list of integers"
            raise TypeError(f"{owner}: axis must be {wanted}, not {axis!r}")
    if not axes:
        raise ValueError(f"{owner}: axis must name at least one axis; got {axis!r}")
    axes = _checks.axes(owner, "axis", axes)
    return axes if several else axes[0]


def sample_axes(layer: Layer, axis: Any, shape: Shape) -> list[int]:
    """The axes of a sample, in order, that Keras's numbers mean."""
    given = axis if isinstance(axis, list) else [axis]
    found = sorted({sample_axis(layer, number, shape) for number in given})
    if len(found) < len(given):
        raise ValueError(f"layer {layer.name!r}: axis={axis!r} names an axis twice")
    return found


def emit_over(builder: Builder, x: Value, axes: list[int], emit: Callable[[Value, int], Value]) -> Value:
    """What emit(x, elements of these axes) gives for x with `axes` as its last ones, back in the order of x."""
    order = [axis for axis in range(len(x.shape)) if axis not in axes] + axes
    if order == list(range(len(order))):
        return emit(x, math.prod(x.shape[axis] for axis in axes))
    turned = emit_permuted(builder, x, order)
    return emit_permuted(builder, emit(turned, math.prod(x.shape[axis] for axis in axes)),
                         [order.index(axis) for axis in range(len(order))])  # fmt: skip


# ---- steps


def emit_layer_normalized(builder: Builder, x: Value, extent: int, gamma: Weight | None, beta: Weight | None,
                          epsilon: float, *, learns: bool, centered: bool = True) -> Value:  # fmt: skip
    """Each group of `extent` neighbours with mean 0 unless not `centered`, and variance 1; times gamma, plus beta."""
    groups = x.width // extent
    x.uses += 1
    y = builder.value(x.shape, x.needs_gradient or learns)
    mean, inverse = builder.buffer(groups) if centered else None, builder.buffer(groups)
    common: dict[str, Any] = {"x": x.buffer, "gamma": None if gamma is None else gamma.array, "mean": mean,
                              "inverse": inverse, "groups": groups, "extent": extent, "x_stride": x.stride,
                              "statistics_stride": inverse.stride}  # fmt: skip
    builder.forward("layer_normalize_forward", beta=None if beta is None else beta.array, y=y.buffer,
                    y_stride=y.stride, epsilon=epsilon, **common)  # fmt: skip

    def backward() -> None:
        if y.gradient is None:
            return
        products = builder.buffer(extent) if learns and gamma is not None else None
        sums = builder.buffer(extent) if learns and beta is not None and groups > 1 else None
        stride = (products or sums or inverse).stride

        def step(dx: Any) -> None:
            builder.backward_step("layer_normalize_backward", dy=y.gradient, dx=dx, products=products, sums=sums,
                                  dy_stride=y.gradient.stride, dx_stride=dx.stride if dx else 0, sums_stride=stride,
                                  **common)  # fmt: skip

        if x.needs_gradient:
            builder.add_gradient(x, step)
        else:
            step(None)
        if learns:
            emit_sum_gradient(builder, gamma, products)
            emit_sum_gradient(builder, beta, sums or y.gradient)

    builder.on_backward(backward)
    return y


def emit_sum_gradient(builder: Builder, weight: Any, dy: Any) -> None:
    """The sum of dy over rows is a part of a weight's gradient; nothing where there is no weight."""
    if weight is None:
        return
    rows, columns = weight.matrix_shape
    if rows == 1:
        builder.weight_gradient(weight, "column_sum", dy=dy, dy_stride=dy.stride)
    else:
        builder.weight_gradient(weight, "matrix_sum", dy=dy, dy_stride=dy.stride, columns=columns)

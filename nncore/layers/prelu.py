"""ReLU with trained slopes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nncore import _checks, initializers
from nncore.layers.layer import Layer
from nncore.layers.weighted import array_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import AnyLayerArguments, InitializerLike
    from nncore._plan import Builder, Value
    from nncore._typing import ArrayProperty, Config, Integers, Shape
    from nncore._weight import Weight
    from nncore.initializers import Initializer


class PReLU(Layer):
    """y = x where x > 0, else alpha x, with a trained alpha for each element of a sample. (He et al., 2015.)

    alpha has the shape of a sample, with 1 for each axis of `shared_axes`. The derivative at 0 is alpha.

    Parameters
    ----------
    alpha_initializer
        Initial values of alpha.
    shared_axes : int or sequence of int, optional
        Axes along which elements have the same alpha, counted from 1 (0 is that of the samples), or from the end. The
        axes that are left must be neighbours: (1, 2) or (2, 3) of (samples, rows, columns, channels), but not (2,).
    """

    _alpha: Weight | Any

    supports_masking = True

    def __init__(self, alpha_initializer: InitializerLike = "Zeros", alpha_regularizer: None = None,
                 alpha_constraint: None = None, shared_axes: Integers | None = None,
                 **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(**common)
        _checks.refuse("PReLU", alpha_regularizer=alpha_regularizer, alpha_constraint=alpha_constraint)
        self.alpha_initializer: Initializer = initializers.get(alpha_initializer)
        if shared_axes is not None:
            shared_axes = _checks.axes("PReLU", "shared_axes", shared_axes)
        self.shared_axes: list[int] | None = shared_axes
        self._alpha = None

    alpha: ArrayProperty = array_of("_alpha", "The slopes as an array; None before the layer is built.")

    def compute_output_shape(self, input_shape: Any) -> Any:
        self._extents(input_shape)
        return input_shape

    def _shared(self, shape: Shape) -> list[bool]:
        """For each axis of a sample of `shape`, whether its elements share an alpha."""
        rank = len(shape) + 1
        axes = [axis % rank if -rank < axis < rank else 0 for axis in self.shared_axes or ()]
        if not shape or 0 in axes:
            raise ValueError(
                f"layer {self.name!r}: shared_axes {self.shared_axes} must be axes from 1 to {rank - 1} "
                f"of inputs of shape {('samples', *shape)}"
            )
        return [axis + 1 in axes for axis in range(len(shape))]

    def _extents(self, shape: Shape) -> tuple[int, int, int]:
        """Elements of a sample as (outer, middle, inner), where those of the middle have alphas of their own."""
        own = [axis for axis, shared in enumerate(self._shared(shape)) if not shared and shape[axis] > 1]
        begin, end = (own[0], own[-1] + 1) if own else (0, 0)
        if math.prod(shape[axis] for axis in own) != math.prod(shape[begin:end]):
            raise ValueError(
                f"layer {self.name!r}: shared_axes {self.shared_axes} lie between axes that are not shared, "
                f"of inputs of shape {('samples', *shape)}; that is not supported"
            )
        return math.prod(shape[:begin]), math.prod(shape[begin:end]), math.prod(shape[end:])

    def build(self, input_shape: Any) -> None:
        shared = self._shared(input_shape)
        shape = tuple(1 if one else length for length, one in zip(input_shape, shared, strict=True))
        self._alpha = self.add_weight("alpha", shape, self.alpha_initializer)

    def emit(self, builder: Builder, x: Value) -> Any:
        outer, middle, inner = self._extents(x.shape)
        sizes = {"outer": outer, "middle": middle, "inner": inner}
        x.uses += 1
        learns = self.trainable and builder.backward
        y = builder.value(x.shape, x.needs_gradient or learns)
        builder.forward("prelu_forward", x=x.buffer, alpha=self.alpha, y=y.buffer, x_stride=x.stride,
                        y_stride=y.stride, **sizes)  # fmt: skip

        def emit_backward(target: Any) -> None:
            dy, terms = y.gradient, builder.buffer(middle) if learns else None
            builder.backward_step("prelu_backward", x=x.buffer, alpha=self.alpha, dy=dy, dx=target, alpha_terms=terms,
                                  x_stride=x.stride, dy_stride=dy.stride, dx_stride=target.stride if target else 0,
                                  alpha_terms_stride=terms.stride if terms else 0, **sizes)  # fmt: skip
            if learns:
                columns = self._alpha.matrix_shape[1]
                builder.weight_gradient(self._alpha, "prelu_gradient", terms=terms, columns=columns,
                                        terms_stride=terms.stride)  # type: ignore[union-attr]  # fmt: skip

        def backward() -> None:
            if y.gradient is None:
                return
            if x.needs_gradient:
                builder.add_gradient(x, emit_backward)
            else:
                emit_backward(None)

        builder.on_backward(backward)
        return y

    def get_config(self) -> Config:
        return {
            "alpha_initializer": initializers.serialize(self.alpha_initializer),
            "shared_axes": self.shared_axes,
            **super().get_config(),
        }

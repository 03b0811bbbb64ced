"""The fully connected layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks, _relu, activations
from nncore._products import emit_bias_gradient, emit_gradients, emit_products
from nncore.layers.weighted import WeightedLayer, array_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._activation import Activation
    from nncore._likes import ActivationLike, ConstraintLike, InitializerLike, RegularizerLike
    from nncore._plan import Builder, Value
    from nncore._typing import ArrayProperty, Config, LayerArguments
    from nncore._weight import Weight


def emit_dense(builder: Builder, x: Value, kernel: Weight, bias: Weight | None, activation: Activation,
               trainable: bool) -> Value:  # fmt: skip
    """Emits activation(x kernel + bias) along the last axis, and all that its gradients need; returns its Value.

    Parameters
    ----------
    kernel, bias : Weight; bias may be None
    trainable : bool, gradients of both are wanted in plans with gradients
    """
    inputs, units = kernel.matrix_shape
    positions = x.width // inputs  # of a sample: 1 unless x has more axes than one
    fused_relu = activation is activations.relu
    x.uses += 1
    learns = trainable and builder.backward
    y = builder.value((*x.shape[:-1], units), x.needs_gradient or learns)
    y.relu = fused_relu
    emit_products(builder, builder.forward, x.buffer, kernel, y.buffer, positions, bias=bias and bias.array,
                  relu=fused_relu)  # fmt: skip
    builder.add_flops(2.0 * positions * inputs * units)

    def backward() -> None:
        dy = y.gradient
        if dy is None:
            return
        _relu.emit_derivative(builder, y)
        if learns:
            emit_gradients(builder, kernel, x.buffer, dy, positions)
            if bias:
                emit_bias_gradient(builder, bias, dy, positions)
        if x.needs_gradient:
            # dx = dy W', and the derivative of the ReLU before this layer in the same pass where only we use it
            target, accumulate = builder.gradient_target(x)
            gate = _relu.take_derivative(x)
            emit_products(builder, builder.backward_step, dy, kernel, target, positions, transposed=True,
                          mask=x.buffer if gate else None, accumulate=accumulate)  # fmt: skip

    builder.on_backward(backward)
    return y if fused_relu else activation.emit(builder, y)


class Dense(WeightedLayer):
    """y = f(x W + b) along the last axis: x is (..., inputs), W (inputs, units), b (units), y (..., units).

    Parameters
    ----------
    units : int
    activation : str or activation, optional
        f; linear unless given.
    use_bias : bool
    kernel_initializer, bias_initializer
        Initial values of W and b.
    kernel_regularizer, bias_regularizer, activity_regularizer : str or Regularizer, optional
        Penalties on W, b and y.
    kernel_constraint, bias_constraint : str or Constraint, optional
        What W and b are brought back to after each update.
    """

    _bias: Weight | Any
    _kernel: Weight | Any

    supports_masking = True

    def __init__(self, units: int, activation: ActivationLike = None, use_bias: bool = True,
                 kernel_initializer: InitializerLike = "glorot_uniform", bias_initializer: InitializerLike = "zeros",
                 kernel_regularizer: RegularizerLike = None, bias_regularizer: RegularizerLike = None,
                 activity_regularizer: RegularizerLike = None, kernel_constraint: ConstraintLike = None,
                 bias_constraint: ConstraintLike = None, lora_rank: None = None, lora_alpha: None = None,
                 **common: Unpack[LayerArguments]) -> None:  # fmt: skip
        super().__init__(activity_regularizer=activity_regularizer, **common)
        _checks.refuse("Dense", lora_rank=lora_rank, lora_alpha=lora_alpha)
        self.units: int = _checks.positive_integer("Dense", "units", units)
        self.activation: Activation = activations.get(activation)
        self.use_bias: bool = _checks.boolean("Dense", "use_bias", use_bias)
        self.declare_weight("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.declare_weight("bias", bias_initializer, bias_regularizer, bias_constraint)
        self._kernel = self._bias = None

    kernel: ArrayProperty = array_of("_kernel", "W as an array, (inputs, units); None before the layer is built.")
    bias: ArrayProperty = array_of("_bias", "b as an array, (units,); None without one.")

    def compute_output_shape(self, input_shape: Any) -> Any:
        if not input_shape:
            raise ValueError(f"layer {self.name!r} needs inputs of at least one axis")
        return self.activation.output_shape((*input_shape[:-1], self.units))

    def build(self, input_shape: Any) -> None:
        self._kernel = self.make_weight("kernel", (input_shape[-1], self.units))
        if self.use_bias:
            self._bias = self.make_weight("bias", (self.units,))

    def emit(self, builder: Builder, x: Value) -> Any:
        return emit_dense(builder, x, self._kernel, self._bias, self.activation, self.trainable)

    def get_config(self) -> Config:
        return {
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            **super().get_config(),
        }

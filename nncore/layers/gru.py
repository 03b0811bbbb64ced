"""Gated recurrent units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from nncore import _checks, activations
from nncore.layers.recurrent import Recurrent

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import ActivationLike, ConstraintLike, InitializerLike, RegularizerLike
    from nncore._plan import Builder, Value
    from nncore._typing import Config, LayerArguments, Seed, Shape


class GRU(Recurrent):
    """h(t) = z h(t-1) + (1 - z) n, with an update gate z and a reset gate r.

    With (p, q, k) = x(t) W + b and (p', q', k') = h(t-1) U + b', z = s(p + p'), r = s(q + q'), n = f(k + r k'). With
    reset_after=False there is no b', and k' = (r h(t-1)) U_k is the product of what r has left, n = f(k + k').

    x is (steps, features), h(t) (units), W (features, 3 units), U (units, 3 units); b and b' are the two rows of the
    bias, (2, 3 units), or b alone is it, (3 units). The output is the last h, or all of them, (steps, units).

    Parameters
    ----------
    units : int
    activation, recurrent_activation : str or activation
        f and s, of each element.
    use_bias : bool
    kernel_initializer, recurrent_initializer, bias_initializer
        Initial values of W, U and the bias.
    kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer : str or Regularizer, optional
    kernel_constraint, recurrent_constraint, bias_constraint : str or Constraint, optional
    dropout, recurrent_dropout, seed, return_sequences, return_state, go_backwards, stateful, unroll
        As in `SimpleRNN`; in the products with U each gate drops states of its own.
    reset_after : bool
        Whether r is applied after the product with U. True is faster.
    zero_output_for_mask : bool
        As in `SimpleRNN`.
    use_cudnn : "auto" or False
        Makes no difference.

    Raises
    ------
    ValueError
        For samples that are not (steps, features), or a minibatch of another number of rows than a stateful layer has.

    References
    ----------
    Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine translation", 2014.
    """

    gates = 3

    def __init__(self, units: int, activation: ActivationLike = "tanh",
                 recurrent_activation: ActivationLike = "sigmoid", use_bias: bool = True,
                 kernel_initializer: InitializerLike = "glorot_uniform",
                 recurrent_initializer: InitializerLike = "orthogonal", bias_initializer: InitializerLike = "zeros",
                 kernel_regularizer: RegularizerLike = None, recurrent_regularizer: RegularizerLike = None,
                 bias_regularizer: RegularizerLike = None, activity_regularizer: RegularizerLike = None,
                 kernel_constraint: ConstraintLike = None, recurrent_constraint: ConstraintLike = None,
                 bias_constraint: ConstraintLike = None, dropout: float = 0.0, recurrent_dropout: float = 0.0,
                 seed: Seed = None, return_sequences: bool = False, return_state: bool = False,
                 go_backwards: bool = False, stateful: bool = False, unroll: bool = False, reset_after: bool = True,
                 use_cudnn: Literal["auto", False] = "auto", **common: Unpack[LayerArguments]) -> None:  # fmt: skip
        super().__init__(
            units, activation, recurrent_activation, use_bias,
            (kernel_initializer, kernel_regularizer, kernel_constraint),
            (recurrent_initializer, recurrent_regularizer, recurrent_constraint),
            (bias_initializer, bias_regularizer, bias_constraint), dropout, recurrent_dropout, seed,
            return_sequences, return_state, go_backwards, stateful, unroll, activity_regularizer=activity_regularizer,
            **common,
        )  # fmt: skip
        self.reset_after: bool = _checks.boolean("GRU", "reset_after", reset_after)
        _checks.refuse_on("GRU", use_cudnn=None if _checks.is_word(use_cudnn, ("auto",)) else use_cudnn)

    @property
    def kernel_name(self) -> str:  # type: ignore[override]
        """The family of its kernels."""
        return "gru" if self.reset_after else "gru_reset_before"

    @property
    def slopes_in_place(self) -> bool:  # type: ignore[override]
        """As in every recurrent layer; but a gate that is reset before the product is read late."""
        return self.reset_after

    @property
    def bias_shape(self) -> Shape:
        """That of the bias: two rows with reset_after."""
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    @property
    def input_bias(self) -> Any:
        """What is added to the products with W."""
        return self.bias[0] if self.use_bias and self.reset_after else self.bias

    def _places(self, builder: Builder, steps: Value, gates: Value, states: Any, mask: Any) -> dict[str, Any]:
        places = super()._places(builder, steps, gates, states, mask)
        if not self.reset_after:
            return {**places, "inputs": places["inputs"] or builder.buffer(gates.width, gapless=True)}
        bias = self.bias[1] if self.use_bias else None
        return {**places, "bias": bias, "recurrent": builder.buffer(gates.width, gapless=True)}

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "reset_after": self.reset_after,
        }

"""Long short-term memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from nncore import _checks, activations
from nncore.layers.recurrent import Recurrent

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import ActivationLike, ConstraintLike, InitializerLike, RegularizerLike
    from nncore._plan import Builder, Value
    from nncore._typing import Config, LayerArguments, Seed


class LSTM(Recurrent):
    """h(t) = s(o) f(c(t)), c(t) = s(j) c(t-1) + s(i) f(g), where (i, j, g, o) = x(t) W + h(t-1) U + b.

    x is (steps, features), h(t) and c(t) (units), W (features, 4 units), U (units, 4 units), b (4 units). The output is
    the last h, or all of them, (steps, units). The states are h and c.

    Parameters
    ----------
    units : int
    activation, recurrent_activation : str or activation
        f and s, of each element.
    use_bias : bool
    kernel_initializer, recurrent_initializer, bias_initializer
        Initial values of W, U and b.
    unit_forget_bias : bool
        Whether the bias of j, the forget gate, is 1 at first.
    kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer : str or Regularizer, optional
    kernel_constraint, recurrent_constraint, bias_constraint : str or Constraint, optional
    dropout, recurrent_dropout, seed, return_sequences, return_state, go_backwards, stateful, unroll
        As in `SimpleRNN`; in the products with U each gate drops states of its own.
    zero_output_for_mask : bool
        As in `SimpleRNN`.
    use_cudnn : "auto" or False
        Makes no difference.

    Raises
    ------
    ValueError
        For samples that are not (steps, features), or a minibatch of another number of rows than a stateful layer has.

    Examples
    --------
    >>> model = nn.Sequential([nn.Input((10, 3)), nn.layers.LSTM(4, return_sequences=True), nn.layers.LSTM(2)])
    >>> model.output_shape
    (None, 2)

    References
    ----------
    Hochreiter and Schmidhuber, "Long short-term memory", 1997.
    """

    kernel_name: str
    gates: int
    kernel_name, gates = "lstm", 4
    state_names: tuple[str, ...] = ("h", "c")

    def __init__(self, units: int, activation: ActivationLike = "tanh",
                 recurrent_activation: ActivationLike = "sigmoid", use_bias: bool = True,
                 kernel_initializer: InitializerLike = "glorot_uniform",
                 recurrent_initializer: InitializerLike = "orthogonal", bias_initializer: InitializerLike = "zeros",
                 unit_forget_bias: bool = True, kernel_regularizer: RegularizerLike = None,
                 recurrent_regularizer: RegularizerLike = None, bias_regularizer: RegularizerLike = None,
                 activity_regularizer: RegularizerLike = None, kernel_constraint: ConstraintLike = None,
                 recurrent_constraint: ConstraintLike = None, bias_constraint: ConstraintLike = None,
                 dropout: float = 0.0, recurrent_dropout: float = 0.0, seed: Seed = None,
                 return_sequences: bool = False, return_state: bool = False, go_backwards: bool = False,
                 stateful: bool = False, unroll: bool = False, use_cudnn: Literal["auto", False] = "auto",
                 **common: Unpack[LayerArguments]) -> None:  # fmt: skip
        super().__init__(
            units, activation, recurrent_activation, use_bias,
            (kernel_initializer, kernel_regularizer, kernel_constraint),
            (recurrent_initializer, recurrent_regularizer, recurrent_constraint),
            (bias_initializer, bias_regularizer, bias_constraint), dropout, recurrent_dropout, seed,
            return_sequences, return_state, go_backwards, stateful, unroll, activity_regularizer=activity_regularizer,
            **common,
        )  # fmt: skip
        self.unit_forget_bias: bool = _checks.boolean("LSTM", "unit_forget_bias", unit_forget_bias)
        _checks.refuse_on("LSTM", use_cudnn=None if _checks.is_word(use_cudnn, ("auto",)) else use_cudnn)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        if self.use_bias and self.unit_forget_bias:
            self.bias[self.units : 2 * self.units] = 1

    def _places(self, builder: Builder, steps: Value, gates: Value, states: Any, mask: Any) -> dict[str, Any]:
        places = super()._places(builder, steps, gates, states, mask)
        return {**places, "curved": builder.buffer(states[0].width)}

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "unit_forget_bias": self.unit_forget_bias,
        }

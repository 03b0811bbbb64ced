"""The fully connected recurrent layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore.layers.recurrent import Recurrent

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import ActivationLike, ConstraintLike, InitializerLike, RegularizerLike
    from nncore._typing import LayerArguments, Seed


class SimpleRNN(Recurrent):
    """h(t) = f(x(t) W + h(t-1) U + b): x is (steps, features), h(t) (units), W (features, units), U (units, units).

    The output is the last h, or all of them, (steps, units).

    Parameters
    ----------
    units : int
    activation : str or activation
        f, of each element.
    use_bias : bool
    kernel_initializer, recurrent_initializer, bias_initializer
        Initial values of W, U and b.
    kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer : str or Regularizer, optional
    kernel_constraint, recurrent_constraint, bias_constraint : str or Constraint, optional
    dropout : float in [0, 1)
        Share of the features that are dropped in training: the same ones of a sample in all its steps.
    recurrent_dropout : float in [0, 1)
        The same of h(t-1) in the product with U.
    return_sequences : bool
        Whether the output is h of all steps.
    return_state : bool
        Whether the last state comes out as well, behind the output.
    go_backwards : bool
        Whether steps are read from the last one on; outputs are then in that order.
    stateful : bool
        Whether a minibatch goes on from the states that the one before left, row by row; all have the same number of
        rows. `reset_state` sets the states to zero.
    unroll : bool
        Makes no difference.
    seed : int, optional
        Makes the numbers of dropout differ from those that the layer's place alone would give.
    zero_output_for_mask : bool
        Whether outputs are zeros at steps that the input's mask leaves out, and not those of the step before.

    Raises
    ------
    ValueError
        For samples that are not (steps, features), or a minibatch of another number of rows than a stateful layer has.

    References
    ----------
    Elman, "Finding structure in time", 1990. Dropout: Gal and Ghahramani, "A theoretically grounded application of
    dropout in recurrent neural networks", NeurIPS 2016.
    """

    kernel_name = "simple_rnn"

    def __init__(self, units: int, activation: ActivationLike = "tanh", use_bias: bool = True,
                 kernel_initializer: InitializerLike = "glorot_uniform",
                 recurrent_initializer: InitializerLike = "orthogonal", bias_initializer: InitializerLike = "zeros",
                 kernel_regularizer: RegularizerLike = None, recurrent_regularizer: RegularizerLike = None,
                 bias_regularizer: RegularizerLike = None, activity_regularizer: RegularizerLike = None,
                 kernel_constraint: ConstraintLike = None, recurrent_constraint: ConstraintLike = None,
                 bias_constraint: ConstraintLike = None, dropout: float = 0.0, recurrent_dropout: float = 0.0,
                 return_sequences: bool = False, return_state: bool = False, go_backwards: bool = False,
                 stateful: bool = False, unroll: bool = False, seed: Seed = None,
                 **common: Unpack[LayerArguments]) -> None:  # fmt: skip
        super().__init__(
            units, activation, "sigmoid", use_bias, (kernel_initializer, kernel_regularizer, kernel_constraint),
            (recurrent_initializer, recurrent_regularizer, recurrent_constraint),
            (bias_initializer, bias_regularizer, bias_constraint), dropout, recurrent_dropout, seed,
            return_sequences, return_state, go_backwards, stateful, unroll, activity_regularizer=activity_regularizer,
            **common,
        )  # fmt: skip

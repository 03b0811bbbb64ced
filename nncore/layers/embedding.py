"""Rows of a trained table, chosen by number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _checks, _data, _engine
from nncore.layers.weighted import WeightedLayer, array_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Unpack

    from nncore._engine import Buffer
    from nncore._likes import ConstraintLike, EmbeddingArguments, InitializerLike, RegularizerLike
    from nncore._plan import Builder, Value
    from nncore._typing import ArrayProperty, Config, Data
    from nncore._weight import Weight
    from nncore.layers.layer import WeightMaker


class Embedding(WeightedLayer):
    """y[..., :] = embeddings[x[...], :]: a trained vector for each whole number x from 0 to input_dim - 1.

    x is (...), embeddings (input_dim, output_dim), y (..., output_dim). Where x is an input of the model and nothing
    else reads it, numbers are exact whatever the model's dtype. With `SGD` without momentum, decay, clipping and
    penalties, an update takes time for the rows that are used alone.

    Parameters
    ----------
    input_dim, output_dim : int
    embeddings_initializer
        Initial values.
    embeddings_regularizer, activity_regularizer : str or Regularizer, optional
    embeddings_constraint : str or Constraint, optional
    mask_zero : bool
        Whether steps with x = 0 are masked: later layers that know masks, losses and metrics leave them out.
    weights : array (input_dim, output_dim), or a list of it, optional
        In place of initial values.

    Raises
    ------
    ValueError
        By the model, before anything has changed, for numbers outside of the table and for fractions. What other layers
        compute as numbers is not checked: outside of the table its rows are NaN.
    """

    _embeddings: Weight | Any

    def __init__(self, input_dim: int, output_dim: int, embeddings_initializer: InitializerLike = "uniform",
                 embeddings_regularizer: RegularizerLike = None, embeddings_constraint: ConstraintLike = None,
                 mask_zero: bool = False, weights: Data | Sequence[Data] | None = None, lora_rank: None = None,
                 lora_alpha: None = None, **common: Unpack[EmbeddingArguments]) -> None:  # fmt: skip
        super().__init__(**common)
        _checks.refuse("Embedding", lora_rank=lora_rank, lora_alpha=lora_alpha)
        self.input_dim: int = _checks.positive_integer("Embedding", "input_dim", input_dim)
        self.output_dim: int = _checks.positive_integer("Embedding", "output_dim", output_dim)
        if self.input_dim >= 2**31 - 1:
            raise ValueError(f"Embedding: input_dim must be less than {2**31 - 1}; got {input_dim}")
        self.declare_weight("embeddings", embeddings_initializer, embeddings_regularizer, embeddings_constraint)
        self.mask_zero: bool = _checks.boolean("Embedding", "mask_zero", mask_zero)
        self._given = None if weights is None else self._checked(weights)
        self._embeddings = None

    def _checked(self, weights: Any) -> Any:
        given = weights[0] if isinstance(weights, (list, tuple)) and len(weights) == 1 else weights
        array = _data.as_array(given, "Embedding: weights")
        if array.shape != (self.input_dim, self.output_dim):
            raise ValueError(
                f"Embedding: weights must be numbers of shape {(self.input_dim, self.output_dim)}; got {array.dtype} "
                f"of shape {array.shape}"
            )
        return array

    embeddings: ArrayProperty = array_of(
        "_embeddings", "The table as an array, (input_dim, output_dim); None before it is built."
    )

    def readers(self, place: int) -> tuple[list[Any], bool]:
        return [self], False

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape, self.output_dim)

    def build_for(self, input_shape: Any, weights: WeightMaker) -> None:
        """Builds the layer; its weights are for inputs of any shape."""
        super().build_for(self.input_shape if self.built else input_shape, weights)

    def build(self, input_shape: Any) -> None:
        self._embeddings = self.make_weight("embeddings", (self.input_dim, self.output_dim))
        if self._given is not None:
            self._embeddings.array[...] = self._given

    def emit(self, builder: Builder, x: Value) -> Value:
        indices, positions = self._indices(builder, x), x.width
        learns = self.trainable and builder.backward
        y = builder.value((*x.shape, self.output_dim), learns)
        sizes = {"positions": positions, "width": self.output_dim}
        builder.forward("embedding_forward", indices=indices, table=self.embeddings, y=y.buffer, count=self.input_dim,
                        indices_stride=indices.stride, y_stride=y.stride, **sizes)  # fmt: skip
        if self.mask_zero:
            y.mask = builder.value(x.shape, False)
            builder.forward("index_mask", indices=indices, mask=y.mask.buffer, steps=positions, masked=0,
                            indices_stride=indices.stride, mask_stride=y.mask.stride)  # fmt: skip

        def backward() -> None:
            if y.gradient is None or not learns:
                return
            room = builder.rows * positions
            places = _engine.aligned_zeros(2 * room, np.int64)
            builder.once_before_parameters("sort_indices", indices=indices, sorted=places, positions=positions,
                                           count=self.input_dim, room=room, indices_stride=indices.stride)  # fmt: skip
            builder.weight_gradient(self._embeddings, "embedding_gradient", sorted=places, dy=y.gradient,
                                    dy_stride=y.gradient.stride, **sizes)  # fmt: skip

        builder.on_backward(backward)
        return y

    def _indices(self, builder: Builder, x: Value) -> Buffer:
        """The numbers as int32."""
        if x.indices is not None:
            return x.indices
        most = 2 ** (np.finfo(builder.dtype).nmant + 1)
        if self.input_dim > most:
            raise ValueError(
                f"layer {self.name!r} of {self.input_dim:,} rows stands behind other layers, whose numbers are "
                f"{builder.dtype.name}: from {most:,} on they do not hold every whole number. It can stand right "
                "behind the input, or the model be of float64"
            )
        indices = builder.buffer(x.width, "int32")
        builder.forward("whole_indices", x=x.buffer, y=indices, features=x.width, x_stride=x.stride,
                        y_stride=indices.stride)  # fmt: skip
        return indices

    def get_config(self) -> Config:
        return {
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "mask_zero": self.mask_zero,
            **super().get_config(),
        }

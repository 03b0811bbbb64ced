"""Codes of numbered categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nncore import _checks, _data
from nncore.layers.layer import Layer
from nncore.layers.preparing import DataLayer, check_mode, encode_indices, encoded_shape, whole_numbers
from nncore.layers.tensor import is_symbolic

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import AnyLayerArguments
    from nncore._typing import Array, Config, Data, Outputs


class CategoryEncoding(DataLayer):
    """Makes codes of the length `num_tokens` of whole numbers from 0 to num_tokens - 1.

    Parameters
    ----------
    num_tokens : int
    output_mode : "multi_hot", "one_hot" or "count"
        "one_hot": (..., num_tokens) with a 1 at each number, for numbers (...) or (..., 1). "multi_hot": of numbers
        (..., k) together, (..., num_tokens) with a 1 for each that occurs. "count": how often each occurs there.
    sparse : False

    Raises
    ------
    ValueError
        For numbers outside, and for fractions.

    Examples
    --------
    >>> layer = nn.layers.CategoryEncoding(4)
    >>> layer([[0, 1], [3, 3]])
    array([[1., 1., 0., 0.],
           [0., 0., 0., 1.]], dtype=float32)
    """

    def __init__(self, num_tokens: int | None = None,
                 output_mode: Literal["multi_hot", "one_hot", "count"] = "multi_hot",
                 sparse: Literal[False] | None = False, **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(**common)
        if num_tokens is None:
            raise ValueError("CategoryEncoding needs num_tokens; IntegerLookup finds out by adapt(data)")
        self.num_tokens: int = _checks.positive_integer("CategoryEncoding", "num_tokens", num_tokens)
        self.output_mode: str = check_mode("CategoryEncoding", output_mode, ("multi_hot", "one_hot", "count"))
        _checks.refuse_on("CategoryEncoding", sparse=sparse)

    def __call__(self, inputs: Any, count_weights: Data | None = None, *,  # type: ignore[override]
                 training: bool | None = None) -> Outputs:  # fmt: skip
        """On symbolic tensors: returns the output's. On data: returns their code.

        `count_weights`, for the mode "count", says how much each number counts.
        """
        if count_weights is None:
            return super().__call__(inputs, training=training)
        if self.output_mode != "count" or is_symbolic(inputs):
            raise ValueError(f"layer {self.name!r}: count_weights is for output_mode='count', and data")
        weights = _data.as_array(count_weights, "count_weights")
        indices = self._numbers(inputs, "inputs")
        if weights.shape != indices.shape:
            raise ValueError(f"layer {self.name!r}: count_weights {weights.shape} must have the shape of the inputs, "
                             f"{indices.shape}")  # fmt: skip
        return encode_indices(indices, "count", self.num_tokens, weights).astype(np.float32)

    def _numbers(self, data: Any, name: str) -> Array:
        indices = whole_numbers(_data.as_array(data, name), f"layer {self.name!r}", name)
        wrong = (indices < 0) | (indices >= self.num_tokens)
        if wrong.any():
            place = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise ValueError(
                f"layer {self.name!r} takes numbers from 0 to {self.num_tokens - 1}; {name} holds {indices[place]} at "
                f"{list(place)}"
            )
        return indices

    def encode(self, data: Any, name: str = "inputs") -> Array:
        return encode_indices(self._numbers(data, name), self.output_mode, self.num_tokens)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return encoded_shape(input_shape, self.output_mode, self.num_tokens)

    def get_config(self) -> Config:
        return {"num_tokens": self.num_tokens, "output_mode": self.output_mode, **Layer.get_config(self)}

"""Bins of keys, by a hash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nncore import _checks, _data
from nncore.layers import _text
from nncore.layers._hashes import hash_bins
from nncore.layers.layer import Layer
from nncore.layers.lookup import _checked_salt
from nncore.layers.preparing import DataLayer, check_mode, encode_indices, encoded_shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Unpack

    from nncore._likes import AnyLayerArguments
    from nncore._typing import Array, Config


class Hashing(DataLayer):
    """y = the bin, 0 to num_bins - 1, that a hash of x chooses: the same on every machine, without a vocabulary.

    Keys are strings, or numbers, of which the whole part counts.

    Parameters
    ----------
    num_bins : int
    mask_value : str or int, optional
        Has bin 0 for itself.
    salt : int, or two of them, optional
        SipHash with it, in place of FarmHash64.
    output_mode : "int", "one_hot", "multi_hot" or "count"
        "int": the bin; the others as `CategoryEncoding`.
    sparse : False

    Examples
    --------
    >>> nn.layers.Hashing(3)([["A"], ["B"], ["C"], ["D"], ["E"]])
    array([[1],
           [0],
           [1],
           [1],
           [2]])
    """

    reads_numbers = False

    def __init__(self, num_bins: int, mask_value: str | int | None = None, salt: int | Sequence[int] | None = None,
                 output_mode: Literal["int", "one_hot", "multi_hot", "count"] = "int",
                 sparse: Literal[False] | None = False, **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(**common)
        self.num_bins: int = _checks.positive_integer("Hashing", "num_bins", num_bins)
        if mask_value is not None and not isinstance(mask_value, str):
            mask_value = _checks.integer("Hashing", "mask_value", mask_value, least=-(2**63))
        self.mask_value: str | int | None = mask_value
        self.salt: list[int] | None = _checked_salt("Hashing", salt)
        self.output_mode: str = check_mode("Hashing", output_mode, ("int", "one_hot", "multi_hot", "count"))
        _checks.refuse_on("Hashing", sparse=sparse)

    def read(self, data: Any, name: str) -> Array:
        try:
            array = np.asarray(data) if not hasattr(data, "dtype") else data
        except ValueError:
            array = _data.as_array(data, name)  # which says why not
        if getattr(array.dtype, "kind", "O") not in "biuf":
            try:
                return _text.strings(data, name)
            except TypeError:
                pass  # numbers of another library
        array = _data.as_array(data, name)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"layer {self.name!r}: {name} holds a NaN or an infinity")
        return array

    def encode(self, data: Any, name: str = "inputs") -> Array:
        array = self.read(data, name)
        keys = array.ravel().tolist() if array.dtype == object else array.astype(np.int64).ravel().tolist()
        reserved = 1 if self.mask_value is not None and self.num_bins > 1 else 0
        bins = np.array(hash_bins(list(map(str, keys)), self.num_bins - reserved, self.salt), np.int64) + reserved
        if reserved:
            bins[[place for place, key in enumerate(keys) if key == self.mask_value]] = 0
        return encode_indices(bins.reshape(array.shape), self.output_mode, self.num_bins)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return encoded_shape(input_shape, self.output_mode, self.num_bins)

    def get_config(self) -> Config:
        return {"num_bins": self.num_bins, "mask_value": self.mask_value, "salt": self.salt,
                "output_mode": self.output_mode, **Layer.get_config(self)}  # fmt: skip

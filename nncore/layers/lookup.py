"""Numbers of keys: of words, of categories, of whole numbers that are names."""

from __future__ import annotations

import collections
import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nncore import _checks, _data
from nncore.layers import _text
from nncore.layers._hashes import hash_bins
from nncore.layers.layer import Layer
from nncore.layers.preparing import (
    OUTPUT_MODES,
    DataLayer,
    batches_to_adapt,
    check_mode,
    described,
    encode_indices,
    encoded_shape,
    whole_numbers,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from typing_extensions import Self

    from nncore._typing import Array, Config, Data


class IndexLookup(DataLayer):
    """Numbers the keys of a vocabulary; `StringLookup` and `IntegerLookup` say what keys are.

    Before the vocabulary's first key come, where there are any, the number of the mask, 0, and the numbers of keys that
    are not in the vocabulary.
    """

    max_tokens: int | None
    key_dtype: Any
    reads_numbers = False  # but for data: a model's floats hold few whole numbers

    def __init__(self, max_tokens: int | None, num_oov_indices: int, mask_token: Any, oov_token: Any,
                 vocabulary: Sequence[Any] | Array | str | None, idf_weights: Sequence[float] | Array | None,
                 invert: bool, output_mode: str, pad_to_max_tokens: bool, sparse: Literal[False] | None,
                 salt: int | Sequence[int] | None, **common: Any) -> None:  # fmt: skip
        super().__init__(**common)
        owner = type(self).__name__
        self.max_tokens = None if max_tokens is None else _checks.integer(owner, "max_tokens", max_tokens, least=2)
        self.num_oov_indices: int = _checks.integer(owner, "num_oov_indices", num_oov_indices)
        self.mask_token: Any = None if mask_token is None else self.key(mask_token, "mask_token")
        self.oov_token: Any = None if oov_token is None else self.key(oov_token, "oov_token")
        self.invert: bool = _checks.boolean(owner, "invert", invert)
        self.output_mode: str = check_mode(owner, output_mode, OUTPUT_MODES)
        self.pad_to_max_tokens: bool = _checks.boolean(owner, "pad_to_max_tokens", pad_to_max_tokens)
        self.salt: list[int] | None = _checked_salt(owner, salt)
        _checks.refuse_on(owner, sparse=sparse)
        if self.invert and self.output_mode != "int":
            raise ValueError(f"{owner}: invert=True gives keys; output_mode={output_mode!r} is for numbers")
        if self.pad_to_max_tokens and max_tokens is None:
            raise ValueError(f"{owner}: pad_to_max_tokens needs max_tokens")
        if idf_weights is not None and self.output_mode != "tf_idf":
            raise ValueError(f"{owner}: idf_weights are for output_mode='tf_idf', not {self.output_mode!r}")
        self.given: bool = vocabulary is not None  # and not found by `adapt`
        self.tokens: list[Any] = []  # the keys, without special ones
        self.idf_weights: Array | Any = None  # of all numbers, for tf_idf
        self._table: dict[Any, int] = {}
        self.reset_state()
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)

    def key(self, key: Any, name: str) -> Any:
        """A key as this kind of layer has it, or TypeError."""
        raise NotImplementedError

    def of_lines(self, lines: list[str]) -> list[Any]:
        """The keys in the lines of a file."""
        raise NotImplementedError

    def keys_of(self, array: Array) -> list[Any]:
        """The keys of an array, as a flat list."""
        return array.ravel().tolist()

    # ---- the vocabulary

    @property
    def _mask_places(self) -> int:
        return 1 if self.mask_token is not None and self.output_mode == "int" else 0

    @property
    def _special_places(self) -> int:
        return self._mask_places + self.num_oov_indices

    def vocabulary_size(self) -> int:
        """Returns how many numbers there are, special ones included."""
        return len(self.tokens) + self._special_places

    @property
    def depth(self) -> int | Any:
        """The length of a code."""
        return self.max_tokens if self.pad_to_max_tokens else self.vocabulary_size()

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """Returns the keys in the order of their numbers, with those of mask and unknown ones in front unless told."""
        special = [self.mask_token] * self._mask_places + [self.oov_token] * self.num_oov_indices
        return special + list(self.tokens) if include_special_tokens else list(self.tokens)

    def set_vocabulary(self, vocabulary: Sequence[Any] | Array | str,
                       idf_weights: Sequence[float] | Array | None = None) -> None:  # fmt: skip
        """Sets the keys, with or without special ones in front, in place of `adapt`.

        Parameters
        ----------
        vocabulary : sequence of keys, or the name of a text file with a key in each line
        idf_weights : sequence of float
            For the output mode "tf_idf": the weight of each key.

        Raises
        ------
        ValueError, TypeError
            For a key that comes twice, an empty vocabulary, or more keys than `max_tokens`.
        """
        owner = f"layer {self.name!r}"
        if (self.output_mode == "tf_idf") != (idf_weights is not None):
            wanted = "needs idf_weights" if idf_weights is None else "takes no idf_weights"
            raise ValueError(f"{owner} with output_mode={self.output_mode!r} {wanted}")
        if isinstance(vocabulary, str):
            vocabulary = self.of_lines(_text.lines_of(vocabulary, owner))
        special = self.get_vocabulary()[: self._special_places]
        keys = [None if key is None and None in special[place : place + 1] else self.key(key, "vocabulary")
                for place, key in enumerate(self._listed(vocabulary))]  # fmt: skip
        stated = len(keys) >= len(special) > 0 and keys[: len(special)] == special
        tokens = keys[len(special) :] if stated else keys
        self._check_tokens(owner, tokens)
        if idf_weights is not None:
            weights = np.asarray(idf_weights, np.float64)
            if weights.shape != (len(keys),) or not np.isfinite(weights).all():
                raise ValueError(f"{owner}: idf_weights must be {len(keys)} finite numbers, one for each key; got "
                                 f"shape {weights.shape}")  # fmt: skip
            front = [] if stated else [weights.mean()] * len(special)
            self.idf_weights = np.concatenate([front, weights])
        self._use(tokens)

    def _listed(self, vocabulary: Any) -> list[Any]:
        array = np.asarray(vocabulary, dtype=object)
        if array.ndim != 1 or not len(array):
            raise ValueError(
                f"layer {self.name!r}: a vocabulary must be a list of at least one key; got shape {array.shape}"
            )
        return array.tolist()

    def _check_tokens(self, owner: str, tokens: list[Any]) -> None:
        counts = collections.Counter(tokens)
        twice = [key for key, count in counts.items() if count > 1]
        if twice:
            raise ValueError(f"{owner}: the vocabulary has some keys more than once: {twice[:5]}")
        reserved = {self.mask_token} | ({self.oov_token} if self.invert else set())
        for key in reserved - {None}:
            if key in counts:
                raise ValueError(
                    f"{owner}: {key!r}, which is a special key, may only stand in front of the vocabulary, in this "
                    f"order: {self.get_vocabulary()[: self._special_places]}"
                )
        size = len(tokens) + self._special_places
        if self.max_tokens is not None and size > self.max_tokens:
            raise ValueError(f"{owner}: the vocabulary has {size} keys, special ones included; max_tokens is "
                             f"{self.max_tokens}")  # fmt: skip

    def _use(self, tokens: list[Any]) -> None:
        self.tokens = tokens
        self._table = {key: number for number, key in enumerate(tokens, self._special_places)}

    # ---- adaption

    def adapt(self, data: Data | Iterable[Any], steps: int | None = None) -> None:
        """Makes the vocabulary of all keys of the data: the most frequent first, of equals the larger one.

        For "tf_idf" a row is a document, and the weight of a key is log(1 + documents / (1 + those that have the key)).

        Parameters
        ----------
        data : array of keys, or an iterable of minibatches of which the inputs count
        steps : int, optional
            Minibatches of an iterable; all unless given.
        """
        self.reset_state()
        for part in batches_to_adapt(data, steps, f"layer {self.name!r}"):
            array = self.read(part, "data")
            self.update_state(array[:, None] if array.ndim == 1 and part is data else array)
        self.finalize_state()

    def reset_state(self) -> None:
        """Forgets what `update_state` has counted."""
        self._counts: collections.Counter[Any] = collections.Counter()
        self._documents_with: collections.Counter[Any] = collections.Counter()
        self._documents = 0

    def update_state(self, data: Any) -> None:
        """Counts the keys of some data; those of one axis are one document."""
        if self.given:
            raise ValueError(f"layer {self.name!r} was given its vocabulary; only one without can be adapted")
        array = self.read(data, "data")
        keys = self.keys_of(array)
        width = array.shape[-1] if array.ndim else 1
        self.count(keys, [keys[begin : begin + width] for begin in range(0, len(keys), width)] if width else [])

    def count(self, keys: list[Any], documents: list[list[Any]]) -> None:
        """Counts keys, and those that occur in each of some lists of them."""
        self._counts.update(keys)
        if self.output_mode == "tf_idf":
            for document in documents:
                self._documents_with.update(set(document))
            self._documents += len(documents)

    def finalize_state(self) -> None:
        """Makes the vocabulary of what has been counted."""
        for special in (self.mask_token, self.oov_token):
            self._counts.pop(special, None)
        if not self._counts:
            return
        tokens = sorted(self._counts, reverse=True)
        tokens.sort(key=self._counts.__getitem__, reverse=True)
        if self.max_tokens is not None:
            tokens = tokens[: max(0, self.max_tokens - self._special_places)]
        if self.output_mode == "tf_idf":
            weights = [math.log(1 + self._documents / (1 + self._documents_with[key])) for key in tokens]
            self.idf_weights = np.array([np.mean(weights)] * self._special_places + weights)
        self._use(tokens)
        self.reset_state()

    # ---- encoding

    def encode(self, data: Any, name: str = "inputs") -> Array:
        if not self.tokens:
            raise ValueError(f"layer {self.name!r} has no vocabulary yet: call adapt(data), or set_vocabulary")
        if self.invert:
            return self._keys_at(data, name)
        array = self.read(data, name)
        return self.encode_indices(self.indices_of(self.keys_of(array), name).reshape(array.shape))

    def encode_indices(self, indices: Array, encode: Callable[..., Array] = encode_indices) -> Array:
        """Numbers in the output mode, by a function of indices, mode and depth; negative ones are left out."""
        if self.output_mode != "tf_idf":
            return encode(indices, self.output_mode, self.depth)
        weights = np.pad(self.idf_weights, (0, self.depth - len(self.idf_weights)))
        return encode(indices, "count", self.depth) * weights

    def indices_of(self, keys: list[Any], name: str) -> Array:
        """The numbers of a list of keys; -1 for the mask where codes leave it out."""
        table = self._table
        indices = np.fromiter((table.get(key, -1) for key in keys), np.int64, len(keys))
        unknown = np.flatnonzero(indices < 0).tolist()
        if self.mask_token is not None and unknown:
            masked = [place for place in unknown if keys[place] == self.mask_token]
            unknown = [place for place in unknown if keys[place] != self.mask_token]
            indices[masked] = 0 if self.output_mode == "int" else -1
        if not unknown:
            return indices
        if not self.num_oov_indices:
            found = list(dict.fromkeys(keys[place] for place in unknown))
            raise ValueError(
                f"layer {self.name!r} has num_oov_indices=0, and {name} holds {found[0]!r}, which is not in the "
                f"vocabulary ({len(found)} such keys)"
            )
        bins = [0] if self.num_oov_indices == 1 else self.unknown_bins([keys[place] for place in unknown])
        indices[unknown] = np.array(bins) + self._mask_places
        return indices

    def unknown_bins(self, keys: list[Any]) -> list[int]:
        """Which of the numbers for unknown keys each of some has."""
        return hash_bins(keys, self.num_oov_indices, self.salt)

    def _keys_at(self, data: Any, name: str) -> Array:
        indices = whole_numbers(_data.as_array(data, name), f"layer {self.name!r}", name)
        if self.oov_token is None:
            raise ValueError(f"layer {self.name!r} with invert=True needs an oov_token")
        keys = np.array(self.get_vocabulary(), dtype=self.key_dtype)
        known = (indices >= 0) & (indices < len(keys))
        return np.where(known, keys[np.where(known, indices, 0)], np.array(self.oov_token, self.key_dtype))

    def compute_output_shape(self, input_shape: Any) -> Any:
        if self.invert:
            raise ValueError("with invert=True it gives keys, and is called on data, not part of a model")
        if self.output_mode != "int" and not self.pad_to_max_tokens and not self.tokens:
            raise ValueError("it has no vocabulary yet, which says how long its output is: call adapt(data) before")
        return encoded_shape(input_shape, self.output_mode, self.depth)

    # ---- configuration

    def get_config(self) -> Config:
        names = ("max_tokens", "num_oov_indices", "mask_token", "oov_token", "invert", "output_mode",
                 "pad_to_max_tokens", "salt")  # fmt: skip
        config = {name: getattr(self, name) for name in names}
        weights = None if self.idf_weights is None else self.idf_weights.tolist()
        found = {"vocabulary": self.get_vocabulary() if self.tokens else None, "idf_weights": weights}
        config |= found if self.given else {"adapted": found}
        return {**config, **Layer.get_config(self)}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Makes a layer from `get_config`, adapted as the other was."""
        config, adapted = described(config)
        layer = cls(**config)
        if adapted.get("vocabulary") is not None:
            layer.set_vocabulary(**adapted)
        return layer


class StringLookup(IndexLookup):
    """y = the number of the string x in a vocabulary, which is given or found by `adapt`.

    In a model it encodes the data of an input, arrays of strings of any kind, before the engine reads them.

    Parameters
    ----------
    max_tokens : int, optional
        The most numbers there are, special ones included.
    num_oov_indices : int
        Numbers for strings that are not in the vocabulary: with 0 such a string is an error, with more than one a hash
        of it (FarmHash64, or SipHash with a `salt`) chooses.
    mask_token : str, optional
        Has the number 0 of its own; in other output modes than "int" it is left out.
    oov_token : str
        What ``invert=True`` gives for numbers of unknown strings.
    vocabulary : list of str, or the name of a text file with one in each line
    idf_weights : list of float, for the output mode "tf_idf"
    invert : bool
        Gives the string of each number; for data only.
    output_mode : "int", "one_hot", "multi_hot", "count" or "tf_idf"
        "int": the number; "one_hot", "multi_hot", "count" as `CategoryEncoding`; "tf_idf": counts times `idf_weights`.
    pad_to_max_tokens : bool
        Codes are of the length `max_tokens` however large the vocabulary is.
    sparse : False
    encoding : str, of bytes
    salt : int, or two of them, optional

    Raises
    ------
    ValueError, TypeError
        For missing values and what is no string, naming the place.

    Examples
    --------
    >>> layer = nn.layers.StringLookup(vocabulary=["red", "green"])
    >>> layer([["green", "blue", "red"]])
    array([[2, 0, 1]])
    """

    key_dtype = np.str_

    def __init__(self, max_tokens: int | None = None, num_oov_indices: int = 1, mask_token: str | None = None,
                 oov_token: str | None = "[UNK]", vocabulary: Sequence[str] | Array | str | None = None,
                 idf_weights: Sequence[float] | Array | None = None, invert: bool = False,
                 output_mode: Literal["int", "one_hot", "multi_hot", "count", "tf_idf"] = "int",
                 pad_to_max_tokens: bool = False, sparse: Literal[False] | None = False, encoding: str = "utf-8",
                 name: str | None = None, salt: int | Sequence[int] | None = None, **common: Any) -> None:  # fmt: skip
        self.encoding: str = _text.codec("StringLookup", encoding)
        super().__init__(max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert,
                         output_mode, pad_to_max_tokens, sparse, salt, name=name, **common)  # fmt: skip

    def key(self, key: Any, name: str) -> str:
        if isinstance(key, bytes):
            return key.decode(self.encoding)
        if not isinstance(key, str):
            raise TypeError(f"StringLookup: {name} must be of strings; got {key!r}")
        return str(key)

    def of_lines(self, lines: list[str]) -> list[str]:
        """The keys in the lines of a file."""
        return lines

    def read(self, data: Any, name: str) -> Array:
        return _text.strings(data, name, self.encoding)

    def get_config(self) -> Config:
        return {"encoding": self.encoding, **super().get_config()}


class IntegerLookup(IndexLookup):
    """y = the number of the whole number x in a vocabulary, which is given or found by `adapt`.

    For whole numbers that are names, such as those of users or articles. In a model it encodes the data of an input,
    exactly and whatever their size, before the engine reads them.

    Parameters
    ----------
    max_tokens, num_oov_indices, vocabulary, idf_weights, invert, output_mode, pad_to_max_tokens, sparse
        As in `StringLookup`, with whole numbers for strings.
    mask_token : int, optional
    oov_token : int
    vocabulary_dtype : "int64"
    oov_method : "floormod" or "farmhash"
        How one of several numbers for unknown keys is chosen: by the key's remainder, or by a hash of its digits.
    salt : int, or two of them, optional
        For "farmhash": SipHash with it.

    Examples
    --------
    >>> layer = nn.layers.IntegerLookup()
    >>> layer.adapt([[12, 1138, 42], [42, 1000, 36]])
    >>> layer.get_vocabulary()
    [-1, 42, 1138, 1000, 36, 12]
    >>> layer([[42, 7]])
    array([[1, 0]])
    """

    key_dtype = np.int64

    def __init__(self, max_tokens: int | None = None, num_oov_indices: int = 1, mask_token: int | None = None,
                 oov_token: int | None = -1, vocabulary: Sequence[int] | Array | str | None = None,
                 vocabulary_dtype: Literal["int64"] = "int64", idf_weights: Sequence[float] | Array | None = None,
                 invert: bool = False, output_mode: Literal["int", "one_hot", "multi_hot", "count", "tf_idf"] = "int",
                 sparse: Literal[False] | None = False, pad_to_max_tokens: bool = False,
                 oov_method: Literal["floormod", "farmhash"] = "floormod", salt: int | Sequence[int] | None = None,
                 name: str | None = None, **common: Any) -> None:  # fmt: skip
        if str(vocabulary_dtype) != "int64":
            raise ValueError(f"IntegerLookup: vocabulary_dtype must be 'int64'; got {vocabulary_dtype!r}")
        if not _checks.is_word(oov_method, ("floormod", "farmhash")):
            raise ValueError(f"IntegerLookup: oov_method must be 'floormod' or 'farmhash'; got {oov_method!r}")
        if salt is not None and oov_method != "farmhash":
            raise ValueError("IntegerLookup: salt is for oov_method='farmhash'")
        self.oov_method = oov_method
        super().__init__(max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert,
                         output_mode, pad_to_max_tokens, sparse, salt, name=name, **common)  # fmt: skip

    def key(self, key: Any, name: str) -> int:
        number = int(key) if isinstance(key, float) and key.is_integer() else _checks.index_of(key)
        if number is None:
            raise TypeError(f"IntegerLookup: {name} must be of whole numbers; got {key!r}")
        return number

    def of_lines(self, lines: list[str]) -> list[int]:
        """The keys in the lines of a file."""
        return [int(line) for line in lines]

    def read(self, data: Any, name: str) -> Array:
        return whole_numbers(_data.as_array(data, name), f"layer {self.name!r}", name)

    def unknown_bins(self, keys: list[Any]) -> list[int]:
        if self.oov_method == "floormod":
            return [key % self.num_oov_indices for key in keys]
        return hash_bins([str(key) for key in keys], self.num_oov_indices, self.salt)

    def get_config(self) -> Config:
        return {"oov_method": self.oov_method, **super().get_config()}


def _checked_salt(owner: str, salt: Any) -> list[int] | None:
    """A salt as a list of two integers, or None."""
    if salt is None:
        return None
    parts = list(salt) if isinstance(salt, (list, tuple)) else [salt, salt]
    if len(parts) != 2:
        raise ValueError(f"{owner}: salt must be an integer or two; got {salt!r}")
    return [_checks.integer(owner, "salt", part) for part in parts]

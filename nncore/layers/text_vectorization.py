"""Numbers of the words of texts."""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nncore import _checks, _custom_objects
from nncore.layers import _text
from nncore.layers.layer import Layer
from nncore.layers.lookup import StringLookup
from nncore.layers.preparing import (
    OUTPUT_MODES,
    DataLayer,
    batches_to_adapt,
    check_mode,
    described,
    encode_flat,
    encoded_shape,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from typing_extensions import Self

    from nncore._typing import Array, Config, Data

# As TensorFlow's string functions, which Keras uses: letters and spaces of ASCII.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_STRIP = str.maketrans("", "", string.punctuation)
_WORDS = re.compile(r"[^ \t\n\v\f\r]+")

_STANDARDIZE: dict[str, Callable[[str], str]] = {
    "lower_and_strip_punctuation": lambda text: text.translate(_LOWER).translate(_STRIP),
    "lower": lambda text: text.translate(_LOWER),
    "strip_punctuation": lambda text: text.translate(_STRIP),
}
_SPLIT: dict[str, Callable[[str], list[str]]] = {"whitespace": _WORDS.findall, "character": list}


class TextVectorization(DataLayer):
    """Makes numbers of texts: standardizes them, splits them into words, joins words to n-grams, and looks them up.

    In the output mode "int" a text is the numbers of its words: 0 behind its end, 1 for words outside of the
    vocabulary, which is given or found by `adapt`. In a model it encodes the data of an input, arrays of strings of any
    kind, before the engine reads them; the mode "int" needs `output_sequence_length` there.

    Parameters
    ----------
    max_tokens : int, optional
        The most numbers there are, special ones included.
    standardize : "lower_and_strip_punctuation", "lower", "strip_punctuation", None, or a function
        Letters and punctuation are ASCII's. A function gets an array of strings and returns one.
    split : "whitespace", "character", None, or a function
        A function gets a list of texts and returns a list of lists of words.
    ngrams : int, or tuple of int, optional
        n-grams of so many words, an int for all up to it, joined by spaces, in place of words.
    output_mode : "int", "multi_hot", "count" or "tf_idf"
        In the others a text is a code as long as the vocabulary: whether, and how often, each word occurs.
    output_sequence_length : int, optional
        Of the mode "int": texts are cut or filled to so many numbers; to those of the longest text unless given.
    pad_to_max_tokens, vocabulary, idf_weights, encoding
        As in `StringLookup`.
    sparse, ragged : False

    Examples
    --------
    >>> layer = nn.layers.TextVectorization(output_sequence_length=4)
    >>> layer.adapt(["foo bar", "bar baz", "baz bada boom"])
    >>> layer([["foo qux bar"], ["Qux, baz!"]])
    array([[4, 1, 3, 0],
           [1, 2, 0, 0]])
    """

    ngrams: tuple[int, ...] | None
    given_ngrams: Any
    lookup: StringLookup
    reads_numbers = False

    def __init__(self, max_tokens: int | None = None,
                 standardize: str | Callable[[Array], Any] | None = "lower_and_strip_punctuation",
                 split: str | Callable[[list[str]], Any] | None = "whitespace",
                 ngrams: int | Sequence[int] | None = None,
                 output_mode: Literal["int", "multi_hot", "count", "tf_idf"] = "int",
                 output_sequence_length: int | None = None, pad_to_max_tokens: bool = False,
                 vocabulary: Sequence[str] | Array | str | None = None,
                 idf_weights: Sequence[float] | Array | None = None, sparse: Literal[False] | None = False,
                 ragged: Literal[False] | None = False, encoding: str = "utf-8", name: str | None = None,
                 **common: Any) -> None:  # fmt: skip
        super().__init__(name=name, **common)
        owner = "TextVectorization"
        _checks.refuse_on(owner, sparse=sparse, ragged=ragged)
        self.standardize: Any = _chosen(owner, "standardize", standardize, _STANDARDIZE)
        self.split: Any = _chosen(owner, "split", split, _SPLIT)
        self.ngrams = ngrams if ngrams is None else _widths(owner, ngrams)
        self.given_ngrams = list(ngrams) if isinstance(ngrams, (list, tuple)) else ngrams
        modes = [mode for mode in OUTPUT_MODES if mode != "one_hot"]
        self.output_mode: str = check_mode(owner, output_mode, modes)
        mode: Any = self.output_mode
        if output_sequence_length is not None:
            if self.output_mode != "int":
                raise ValueError(f"{owner}: output_sequence_length is for output_mode='int', not {output_mode!r}")
            output_sequence_length = _checks.positive_integer(owner, "output_sequence_length", output_sequence_length)
        self.output_sequence_length: int | None = output_sequence_length
        self.lookup = StringLookup(max_tokens, mask_token="", vocabulary=vocabulary, idf_weights=idf_weights,
                                   output_mode=mode, pad_to_max_tokens=pad_to_max_tokens,
                                   encoding=encoding, name=f"{self.name}_lookup")  # fmt: skip

    # ---- the vocabulary

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """Returns the words in the order of their numbers, with "" and "[UNK]" in front unless told."""
        return self.lookup.get_vocabulary(include_special_tokens)

    def set_vocabulary(self, vocabulary: Sequence[str] | Array | str,
                       idf_weights: Sequence[float] | Array | None = None) -> None:  # fmt: skip
        """Sets the words, in place of `adapt`; see `StringLookup.set_vocabulary`."""
        self.lookup.set_vocabulary(vocabulary, idf_weights)

    def vocabulary_size(self) -> int:
        """Returns how many numbers there are, special ones included."""
        return self.lookup.vocabulary_size()

    def adapt(self, data: Data | Iterable[Any], batch_size: int | None = None, steps: int | None = None) -> None:
        """Makes the vocabulary of all words of the texts: the most frequent first, of equals the last in the alphabet.

        Parameters
        ----------
        data : array of strings, or an iterable of minibatches of which the inputs count
        batch_size : int, optional
            Changes nothing.
        steps : int, optional
            Minibatches of an iterable; all unless given.
        """
        self.reset_state()
        for part in batches_to_adapt(data, steps, f"layer {self.name!r}"):
            self.update_state(part)
        self.finalize_state()

    def reset_state(self) -> None:
        """Forgets what `update_state` has counted."""
        self.lookup.reset_state()

    def update_state(self, data: Any) -> None:
        """Counts the words of some texts."""
        if self.lookup.given:
            raise ValueError(f"layer {self.name!r} was given its vocabulary; only one without can be adapted")
        documents = self._words_of(self.read(data, "data"), "data")
        self.lookup.count([word for words in documents for word in words], documents)

    def finalize_state(self) -> None:
        """Makes the vocabulary of what has been counted."""
        self.lookup.finalize_state()

    # ---- encoding

    def read(self, data: Any, name: str) -> Array:
        return _text.strings(data, name, self.lookup.encoding)

    def _words_of(self, texts: Any, name: str) -> list[list[str]]:
        """Lists of the words, or n-grams, of each text."""
        if callable(self.standardize):
            texts = np.asarray(self.standardize(texts.astype(str)), dtype=object)
        if self.split is None:
            if texts.ndim > 2:
                raise ValueError(f"layer {self.name!r}: {name} must be texts (rows, words); got shape {texts.shape}")
            rows = (texts if texts.ndim == 2 else texts.reshape(-1, 1)).tolist()
        else:
            if (texts.ndim > 1 and texts.shape[-1] != 1) or texts.ndim > 2:
                raise ValueError(f"layer {self.name!r} takes texts (rows,) or (rows, 1); {name} is {texts.shape}")
            rows = texts.ravel().tolist()
        standardize = _STANDARDIZE.get(self.standardize) if isinstance(self.standardize, str) else None
        if standardize is not None:
            rows = [standardize(row) if isinstance(row, str) else [standardize(word) for word in row] for row in rows]
        if self.split is not None:
            rows = [list(words) for words in self.split(rows)] if callable(self.split) else \
                   [_SPLIT[self.split](row) for row in rows]  # fmt: skip
        if self.ngrams is not None:
            rows = [[" ".join(words[begin : begin + width]) for width in self.ngrams
                     for begin in range(len(words) - width + 1)] for words in rows]  # fmt: skip
        return rows

    def encode(self, data: Any, name: str = "inputs") -> Array:
        lookup = self.lookup
        if not lookup.tokens:
            raise ValueError(f"layer {self.name!r} has no vocabulary yet: call adapt(data), or set_vocabulary")
        documents = self._words_of(self.read(data, name), name)
        if self.output_sequence_length is not None:
            documents = [words[: self.output_sequence_length] for words in documents]
        lengths = np.fromiter(map(len, documents), np.int64, len(documents))
        found = lookup.indices_of([word for words in documents for word in words], name)
        if self.output_mode != "int":
            rows = np.repeat(np.arange(len(documents)), lengths)
            return lookup.encode_indices(found, lambda indices, mode, depth: encode_flat(rows, indices, len(documents),
                                                                                         mode, depth))  # fmt: skip
        longest = self.output_sequence_length or int(lengths.max(initial=0))
        numbers = np.zeros((len(documents), longest), np.int64)
        numbers[np.arange(longest) < lengths[:, None]] = found
        return numbers

    def compute_output_shape(self, input_shape: Any) -> Any:
        if input_shape not in ((1,), ()) and self.split is not None:
            raise ValueError(f"it takes samples of one text, shape (1,); got {input_shape}")
        if self.output_mode != "int":
            return self.lookup.compute_output_shape((1,))
        if self.output_sequence_length is None:
            raise ValueError("in a model it needs output_sequence_length: all samples have one shape there")
        return encoded_shape((self.output_sequence_length,), "int", None)

    # ---- configuration

    def get_config(self) -> Config:
        names = ("max_tokens", "pad_to_max_tokens", "vocabulary", "idf_weights", "encoding", "adapted")
        config = {key: value for key, value in self.lookup.get_config().items() if key in names}
        return {
            **config,
            "standardize": _described(self.standardize),
            "split": _described(self.split),
            "ngrams": self.given_ngrams,
            "output_mode": self.output_mode,
            "output_sequence_length": self.output_sequence_length,
            **Layer.get_config(self),
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Makes a layer from `get_config`, adapted as the other was."""
        config, adapted = described(config)
        for name, known in (("standardize", _STANDARDIZE), ("split", _SPLIT)):
            if isinstance(config.get(name), str) and config[name] not in known:
                config[name] = _custom_objects.find(config[name]) or config[name]
        layer = cls(**config)
        if adapted.get("vocabulary") is not None:
            layer.set_vocabulary(**adapted)
        return layer


def _chosen(owner: str, name: str, value: Any, known: Any) -> Any:
    if value is None or callable(value) or (isinstance(value, str) and value in known):
        return value
    raise ValueError(f"{owner}: {name} must be {', '.join(map(repr, known))}, None or a function; got {value!r}")


def _widths(owner: str, ngrams: Any) -> tuple[int, ...]:
    if isinstance(ngrams, (list, tuple)):
        return tuple(_checks.positive_integer(owner, "ngrams", width) for width in ngrams)
    return tuple(range(1, _checks.positive_integer(owner, "ngrams", ngrams) + 1))


def _described(choice: Any) -> Any:
    return _custom_objects.name_in_files(choice) if callable(choice) else choice

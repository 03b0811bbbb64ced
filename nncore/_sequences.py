"""Sequences of one length: of lists of several, and of series in time. Parts of data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nncore import _checks, _data
from nncore._datasets import Dataset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore._typing import Array, Data, Dtype, Seed


def pad_sequences(sequences: Sequence[Sequence[Any] | Array], maxlen: int | None = None, dtype: Dtype = "int32",
                  padding: Literal["pre", "post"] = "pre", truncating: Literal["pre", "post"] = "pre",
                  value: Any = 0.0) -> Array:  # fmt: skip
    """Returns sequences as one array (rows, maxlen, ...), filled up or cut to one length.

    Parameters
    ----------
    sequences : list of sequences, of numbers or of arrays of one shape
    maxlen : int
        The length; that of the longest unless given.
    dtype : type of the result
    padding, truncating : "pre" or "post"
        At which end they are filled up, and cut.
    value : what they are filled up with

    Raises
    ------
    ValueError
        For what is no list of sequences, and sequences of elements of different shapes.

    Examples
    --------
    >>> nn.utils.pad_sequences([[1], [2, 3], [4, 5, 6]], maxlen=2)
    array([[0, 1],
           [2, 3],
           [5, 6]], dtype=int32)
    """
    for name, end in (("padding", padding), ("truncating", truncating)):
        if not _checks.is_word(end, ("pre", "post")):
            raise ValueError(f"pad_sequences: {name} must be 'pre' or 'post'; got {end!r}")
    if not hasattr(sequences, "__len__"):
        raise ValueError(f"pad_sequences takes a list of sequences; got {type(sequences).__name__}")
    sequences = _checks.sequence("pad_sequences", "sequences", sequences)
    for place, sequence in enumerate(sequences):
        if not hasattr(sequence, "__len__"):
            raise ValueError(f"pad_sequences takes a list of sequences; element {place} is {sequence!r}")
    if isinstance(value, str) and np.dtype(dtype).kind not in "OUS":
        raise ValueError(f"pad_sequences: value {value!r} needs dtype=object; got {dtype}")
    longest = max(map(len, sequences), default=0)
    maxlen = longest if maxlen is None else _checks.positive_integer("pad_sequences", "maxlen", maxlen)
    kept = slice(-maxlen, None) if truncating == "pre" else slice(maxlen)
    parts: list[Any] = [_part(sequence[kept], dtype, place) if len(sequence) and maxlen else ()
                        for place, sequence in enumerate(sequences)]  # fmt: skip
    shape = next((np.shape(part)[1:] for part in parts if len(part)), ())
    try:
        one = np.full((), value, dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"pad_sequences: value {value!r} is none of {np.dtype(dtype)}: {error}") from None
    padded = np.full((len(sequences), maxlen, *shape), one, dtype)
    for place, part in enumerate(parts):
        if not len(part):
            continue
        if part.shape[1:] != shape:
            raise ValueError(f"pad_sequences: the elements of sequence {place} have shape {part.shape[1:]}; those of "
                             f"others {shape}")  # fmt: skip
        padded[place, slice(len(part)) if padding == "post" else slice(-len(part), None)] = part
    return padded


def _part(elements: Any, dtype: Any, place: int) -> Any:
    """What is left of a sequence as an array."""
    try:
        part = np.asarray(elements, dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"pad_sequences: sequence {place} is none of {np.dtype(dtype)}: {error}") from None
    if part.ndim == 0:
        raise ValueError(f"pad_sequences: sequence {place} is no sequence but {elements!r}")
    return part


def timeseries_dataset_from_array(data: Data, targets: Data | None, sequence_length: int, sequence_stride: int = 1,
                                  sampling_rate: int = 1, batch_size: int | None = 128, shuffle: bool = False,
                                  seed: Seed = None, start_index: int | None = None,
                                  end_index: int | None = None, format: str = "tf") -> Dataset:  # fmt: skip
    """Returns minibatches of the windows of a series, with a target for each.

    Window i is of the steps s, s + r, s + 2r, ... of the data, where s = i sequence_stride and r = sampling_rate; its
    target is targets[s]. Windows are read when they are wanted, also of data on disk.

    Parameters
    ----------
    data : array (steps, ...)
    targets : array (steps, ...), or None
    sequence_length, sequence_stride, sampling_rate : int
    batch_size : int, or None for single windows
    shuffle : bool
        Another order in each epoch.
    seed : int, optional
    start_index, end_index : int, optional
        Of the data that are used; `end_index` is not among them.
    format : changes nothing

    Returns
    -------
    Dataset

    Examples
    --------
    >>> series = np.arange(10)
    >>> data = nn.utils.timeseries_dataset_from_array(series[:-3], series[3:], sequence_length=3, batch_size=2)
    >>> x, y = data[0]
    >>> x.tolist(), y.tolist()
    ([[0, 1, 2], [1, 2, 3]], [3, 4])
    """
    owner = "timeseries_dataset_from_array"
    length, stride, rate = (
        _checks.positive_integer(owner, name, value)
        for name, value in (("sequence_length", sequence_length), ("sequence_stride", sequence_stride),
                            ("sampling_rate", sampling_rate))
    )  # fmt: skip
    data = _data.as_array(data, "data")
    begin = 0 if start_index is None else _checks.integer(owner, "start_index", start_index)
    end = len(data) if end_index is None else _checks.integer(owner, "end_index", end_index)
    if not begin < end <= len(data):
        raise ValueError(f"{owner}: start_index {begin} and end_index {end} must be in order, and at most {len(data)}")
    data = data[begin:end]
    windows = len(data) - (length - 1) * rate
    if targets is not None:
        targets = _data.as_array(targets, "targets")
        targets = targets[begin:end]
        windows = min(windows, len(targets))
    if windows < 1:
        raise ValueError(f"{owner}: {len(data)} steps have no window of {length} at a rate of {rate}")
    starts = np.arange(0, windows, stride)
    steps = np.arange(length) * rate

    def read(numbers: Any) -> Any:
        at = starts[numbers]
        x = data[at[..., None] + steps]
        return x if targets is None else (x, targets[at])

    return Dataset(read, len(starts), batch_size, shuffle, seed)


def split_dataset(dataset: Any, left_size: float | None = None, right_size: float | None = None, shuffle: bool = False,
                  seed: Seed = None, preferred_backend: None = None) -> tuple[Any, Any]:  # fmt: skip
    """Returns two parts of data, the first rows and the last ones.

    Parameters
    ----------
    dataset : array, tuple, list or dict of arrays of one number of rows, or a `PyDataset`
        Of the last one minibatches are divided.
    left_size, right_size : float, a share of the rows, or int, a number of them
        At least one of them; the other part has the rest unless told.
    shuffle : bool
        Whether rows are taken in random order.
    seed : int, optional
    preferred_backend : None

    Returns
    -------
    tuple of two
        Of the same structure as `dataset`; views where rows are in order.

    Raises
    ------
    ValueError
        For sizes that are more than there is, or leave a part empty.

    Examples
    --------
    >>> x, y = np.arange(10.0), np.arange(10)
    >>> (x_train, y_train), (x_test, y_test) = nn.utils.split_dataset((x, y), left_size=0.8)
    >>> len(y_train), y_test.tolist()
    (8, [8, 9])
    """
    _checks.refuse("split_dataset", preferred_backend=preferred_backend)
    if isinstance(dataset, Dataset):
        rows = len(dataset)
    elif isinstance(dataset, (tuple, list)) and all(hasattr(part, "__len__") for part in dataset):
        lengths = [len(part) for part in dataset]
        if len(set(lengths)) > 1:
            raise ValueError(f"split_dataset: parts must have one number of rows; got {lengths}")
        rows = lengths[0] if lengths else 0
    elif isinstance(dataset, dict):
        by_name = {name: len(part) for name, part in dataset.items()}
        if len(set(by_name.values())) > 1:
            raise ValueError(f"split_dataset: parts must have one number of rows; got {by_name}")
        rows = next(iter(by_name.values()), 0)
    else:
        dataset = dataset if hasattr(dataset, "iloc") else _data.as_array(dataset, "dataset")
        rows = len(dataset)
    left, right = _sizes(rows, left_size, right_size)
    order = np.arange(rows)
    if shuffle:
        order = np.random.default_rng(seed).permutation(rows)
    cuts = (order[:left], order[rows - right :]) if shuffle else (slice(left), slice(rows - right, None))
    if isinstance(dataset, Dataset):
        first, second = (dataset.chosen(order[cut] if isinstance(cut, slice) else cut) for cut in cuts)
        return first, second
    return _rows_of(dataset, cuts[0]), _rows_of(dataset, cuts[1])


def _sizes(rows: int, left: Any, right: Any) -> tuple[int, int]:
    if left is None and right is None:
        raise ValueError("split_dataset needs left_size or right_size")
    sizes = []
    for name, size in (("left_size", left), ("right_size", right)):
        if isinstance(size, float):
            size = round(_checks.real_number("split_dataset", name, size, 0, 1) * rows)
        sizes.append(size if size is None else _checks.integer("split_dataset", name, size))
    left, right = sizes
    left = rows - right if left is None else left
    right = rows - left if right is None else right
    if left < 1 or right < 1 or left + right > rows:
        raise ValueError(f"split_dataset: {rows} rows cannot be cut into parts of {left} and {right}")
    return left, right


def _rows_of(data: Any, cut: Any) -> Any:
    if isinstance(data, (tuple, list)):
        return type(data)(_rows_of(part, cut) for part in data)
    if isinstance(data, dict):
        return {name: _rows_of(part, cut) for name, part in data.items()}
    return data.iloc[cut] if hasattr(data, "iloc") else np.asarray(data)[cut]

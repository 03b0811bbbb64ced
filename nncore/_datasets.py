"""Minibatches of samples that are read when they are wanted: of folders, of windows of a series."""

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nncore import _checks
from nncore._py_dataset import PyDataset

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Self

    from nncore._typing import Array, PathLikeStr, Seed, Verbose


class Dataset(PyDataset):
    """Minibatches of numbered samples. Data for `fit`, `evaluate` and `predict`, and to be iterated over.

    Parameters
    ----------
    read : function of an array of numbers, which returns a minibatch
    count : int, samples
    batch_size : int, or None for samples alone, without an axis of samples
    shuffle : bool
        Another order in each epoch, and each time that it is iterated over.
    seed : int, optional
    """

    def __init__(self, read: Callable[[Any], Any] | None, count: int, batch_size: int | None = 32,
                 shuffle: bool = False, seed: Seed = None, **common: Any) -> None:  # fmt: skip
        super().__init__(**common)
        self.read: Any = read  # of a _Derived there is none
        self.count: int = count
        if batch_size is not None:
            batch_size = _checks.positive_integer("a dataset", "batch_size", batch_size)
        self.batch_size: int | None = batch_size
        self.shuffled: bool = _checks.boolean("a dataset", "shuffle", shuffle)
        self.random: np.random.Generator = np.random.default_rng(seed)
        self.order: Array = np.arange(count)
        self.class_names: list[str] | None = None
        self.file_paths: list[str] | None = None
        if self.shuffled:
            self.on_epoch_begin()

    def __len__(self) -> int:
        return self.count if self.batch_size is None else -(-self.count // self.batch_size)

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(f"there is no minibatch {index}; there are {len(self)}")
        if self.batch_size is None:
            return self.read(self.order[index])
        return self.read(self.order[index * self.batch_size : (index + 1) * self.batch_size])

    def __iter__(self) -> Any:
        self.on_epoch_begin()
        return super().__iter__()

    def on_epoch_begin(self) -> None:
        if self.shuffled:
            self.order = self.random.permutation(self.count)

    def frozen(self) -> Self:
        """The same minibatches, which stay those that they are now."""
        twin = copy.copy(self)
        twin.shuffled = False
        return twin

    def chosen(self, numbers: Sequence[int] | Array) -> Dataset:
        """Those of its minibatches, by number, that it has now."""
        return _Derived(self.frozen(), lambda of, index: of[int(numbers[index])], len(numbers))

    def map(self, function: Callable[..., Any], **_: Any) -> Dataset:
        """Minibatches of what a function returns of each: function(x, y) of pairs, else function(x)."""

        def get(of: Dataset, index: int) -> Any:
            batch = of[index]
            return function(*batch) if isinstance(batch, tuple) else function(batch)

        return _Derived(self, get, len(self))

    def take(self, count: int) -> Dataset:
        """The first so many minibatches."""
        return _Derived(self, lambda of, index: of[index], min(count, len(self)))

    def skip(self, count: int) -> Dataset:
        """All but the first so many minibatches."""
        return _Derived(self, lambda of, index: of[index + count], max(0, len(self) - count))

    def cache(self) -> Dataset:
        """Keeps each minibatch in memory once it was read; they stay as they are in all epochs."""
        kept: dict[int, Any] = {}

        def get(of: Dataset, index: int) -> Any:
            if index not in kept:
                kept[index] = of[index]
            return kept[index]

        return _Derived(self.frozen(), get, len(self))

    def prefetch(self, buffer_size: int | None = None) -> Self:
        """Returns itself: `fit` has the next minibatch read in any case."""
        return self


class _Derived(Dataset):
    """Minibatches that are made of those of another dataset."""

    def __init__(self, of: Dataset, get: Callable[[Dataset, int], Any], count: int) -> None:
        self.of: Any = None
        super().__init__(None, count, None)
        self.of, self.get = of, get
        self.workers, self.max_queue_size = of.workers, of.max_queue_size
        self.class_names, self.file_paths = of.class_names, of.file_paths

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < self.count:
            raise IndexError(f"there is no minibatch {index}; there are {self.count}")
        return self.get(self.of, index)

    def on_epoch_begin(self) -> None:
        if self.of is not None:  # else it is being made
            self.of.on_epoch_begin()

    def frozen(self) -> Self:
        twin = super().frozen()
        twin.of = self.of.frozen()
        return twin


# ---------------------------------------------------------------- folders


def folder_datasets(owner: str, directory: PathLikeStr, formats: tuple[str, ...], read: Callable[[list[str]], Any], *,
                    labels: Any, label_mode: Any, class_names: Sequence[str] | None, batch_size: int | None,
                    shuffle: bool, seed: Seed, validation_split: float | None,
                    subset: Literal["training", "validation", "both"] | None, follow_links: bool,
                    verbose: Verbose) -> Any:  # fmt: skip
    """The Dataset, or two of them, of the files of a folder; `read` makes a minibatch of a list of paths."""
    if not _checks.is_word(labels, ("inferred", None)) and not isinstance(labels, (list, tuple, np.ndarray)):
        raise ValueError(f"{owner}: labels must be 'inferred', None, or a list of whole numbers; got {labels!r}")
    if not _checks.is_word(label_mode, ("int", "categorical", "binary", None)):
        raise ValueError(f"{owner}: label_mode must be 'int', 'categorical', 'binary' or None; got {label_mode!r}")
    if not os.path.isdir(directory):
        raise ValueError(f"{owner}: there is no folder {os.fspath(directory)!r}")
    if validation_split is not None:
        _checks.real_number(owner, "validation_split", validation_split, 0, 1, low_open=True, high_open=True)
    if (validation_split is None) != (subset is None):
        raise ValueError(f"{owner}: subset and validation_split belong together; got {subset!r}, {validation_split}")
    if not _checks.is_word(subset, ("training", "validation", "both", None)):
        raise ValueError(f"{owner}: subset must be 'training', 'validation' or 'both'; got {subset!r}")
    if validation_split is not None and shuffle and seed is None:
        raise ValueError(f"{owner}: a shuffled split needs a seed, so that its parts do not overlap")
    if labels is None or label_mode is None:
        labels = label_mode = None
    paths, numbers, names = _indexed(owner, directory, formats, labels, class_names, follow_links)
    if not paths:
        raise ValueError(f"{owner}: the folder {os.fspath(directory)!r} has no files {', '.join(formats)}")
    if label_mode == "binary" and len(names) != 2:
        raise ValueError(f"{owner}: label_mode='binary' needs two classes; there are {len(names)}: {names}")
    if verbose:
        print(f"Found {len(paths)} files" + (f" belonging to {len(names)} classes." if names else "."))
    order = np.random.default_rng(seed).permutation(len(paths)) if shuffle else np.arange(len(paths))
    kept = len(paths) if validation_split is None else len(paths) - int(validation_split * len(paths))

    def dataset(chosen: Array, shuffle: bool) -> Dataset:
        if not len(chosen):
            raise ValueError(f"{owner}: validation_split={validation_split} of {len(paths)} files leaves a part empty")
        files = [paths[number] for number in chosen]
        targets = None if label_mode is None else _targets(numbers[chosen], label_mode, len(names))

        def batch(places: Any) -> Any:
            x = read([files[place] for place in np.atleast_1d(places)])
            x = x if np.ndim(places) else x[0]
            return x if targets is None else (x, targets[places])

        made = Dataset(batch, len(files), batch_size, shuffle, seed)
        made.class_names, made.file_paths = names, files
        return made

    if subset == "both":
        return [dataset(order[:kept], shuffle), dataset(order[kept:], False)]
    return dataset(order[kept:] if subset == "validation" else order[:kept], shuffle)


def _indexed(owner: str, directory: PathLikeStr, formats: tuple[str, ...], labels: Any,
             class_names: Sequence[str] | None, follow_links: bool) -> tuple[list[str], Array, Any]:  # fmt: skip
    """Paths in alphabetical order, their labels, and the classes' names."""
    inferred = isinstance(labels, str)
    if class_names is not None and not inferred:
        raise ValueError(f"{owner}: class_names are for labels='inferred'")
    if inferred:
        names = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir() and entry.name[0] != ".")
        if class_names is not None:
            unknown = sorted(set(class_names) - set(names))
            if unknown or len(set(class_names)) < len(class_names):
                raise ValueError(f"{owner}: class_names must be of the folders {names}; got {list(class_names)}")
            names = list(class_names)
        folders = [os.path.join(directory, name) for name in names]
    else:
        names, folders = None, [os.fspath(directory)]
    paths: list[str] = []
    numbers: list[Any] = []
    for number, folder in enumerate(folders):
        for root, _, files in sorted(os.walk(folder, followlinks=bool(follow_links)), key=lambda found: found[0]):
            found = [os.path.join(root, name) for name in sorted(files) if name.lower().endswith(formats)]
            paths += found
            numbers += [number] * len(found)
    if labels is not None and not inferred:
        if len(labels) != len(paths):
            raise ValueError(f"{owner}: there are {len(paths)} files, and {len(labels)} labels")
        numbers, names = list(labels), [str(label) for label in sorted(set(labels))]
    return paths, np.array(numbers, np.int32), names


def _targets(numbers: Array, mode: str, classes: int) -> Array:
    if mode == "binary":
        return numbers.astype(np.float32)[:, None]
    return np.eye(classes, dtype=np.float32)[numbers] if mode == "categorical" else numbers


def text_dataset_from_directory(directory: PathLikeStr,
                                labels: Literal["inferred"] | Sequence[int] | Array | None = "inferred",
                                label_mode: Literal["int", "categorical", "binary"] | None = "int",
                                class_names: Sequence[str] | None = None, batch_size: int | None = 32,
                                max_length: int | None = None, shuffle: bool = True, seed: Seed = None,
                                validation_split: float | None = None,
                                subset: Literal["training", "validation", "both"] | None = None,
                                follow_links: bool = False, format: str = "tf",
                                verbose: Verbose = True) -> Dataset | Any:  # fmt: skip
    """Returns minibatches of the texts in a folder's .txt files: arrays of strings, with labels.

    Parameters
    ----------
    directory : path
        With a folder for each class, whose names in order are the classes.
    labels : "inferred", None, or a list of whole numbers
        One for each file in the order of paths; None for texts alone.
    label_mode : "int", "categorical", "binary" or None
        Numbers (rows,), one-hot rows (rows, classes), 0 and 1 of float32 (rows, 1), or none.
    class_names : list of str, optional
        The folders, in the order that classes are to have.
    batch_size : int, or None for single texts
    max_length : int, optional
        Texts are cut to so many bytes.
    shuffle : bool
        Another order in each epoch; alphabetical order without.
    seed : int
    validation_split, subset : float, and "training", "validation" or "both"
        The last part of the files is kept, or both parts are returned.
    follow_links : bool
    format : changes nothing
    verbose : bool
        Says how many files there are.

    Returns
    -------
    Dataset, or a list of two
        With `class_names` and `file_paths`.

    Raises
    ------
    ValueError
        For bad arguments, and a folder without such files.
    """
    if max_length is not None:
        max_length = _checks.positive_integer("text_dataset_from_directory", "max_length", max_length)

    def read(paths: Sequence[str]) -> Array:
        texts = np.empty(len(paths), object)
        for place, path in enumerate(paths):
            with open(path, "rb") as file:
                texts[place] = file.read(-1 if max_length is None else max_length).decode("utf-8", "ignore")
        return texts

    return folder_datasets("text_dataset_from_directory", directory, (".txt",), read, labels=labels,
                           label_mode=label_mode, class_names=class_names, batch_size=batch_size, shuffle=shuffle,
                           seed=seed, validation_split=validation_split, subset=subset, follow_links=follow_links,
                           verbose=verbose)  # fmt: skip

"""The column to predict: a number, or classes."""

import math
from dataclasses import dataclass

import numpy as np

from nncore._tables import values
from nncore._tables.columns import divisor, plain, spread_of
from nncore._tables.descriptions import described, restored
from nncore._tables.detection import BOOLEANS
from nncore._tables.reading import quoted

MOST_CLASSES = 1000
# Whole numbers in a row, of at most so many values, are taken for classes.
CODED_CLASSES = 10
# Tails of a target that is never negative: how much longer the upper one is than the lower one.
_SKEWED = 10.0
# Robust standard deviations from the median: what lies further out would be all that squares see.
_EXTREME = 30.0


@dataclass
class Amount:
    """A number y: the network predicts z = (f(y) - mean) / std, f(y) = y, or log(y + shift) for skewed ones.

    A prediction is `correction` times f⁻¹(z std + mean) for the latter: the mean of y is above e to the mean of its
    logarithm. With extreme values in the training rows mean and std are robust: the median, and that of the quartiles.
    """

    name: str
    decimal: str
    skewed: bool
    extreme: bool
    shift: float
    mean: float
    std: float
    low: float
    high: float
    average: float
    middle: float
    correction: float

    task = "regression"
    outputs = 1

    @classmethod
    def fit(cls, name, y, decimal):
        """Learns from the targets of training rows, numbers."""
        low, first, middle, last, high = (float(q) for q in np.quantile(y, [0, 0.001, 0.5, 0.999, 1]))
        skewed = low >= 0 and last - middle > _SKEWED * max(middle - first, 1e-12 * last)
        positive = y[y > 0]
        shift = 0.0 if low > 0 or not skewed else float(np.quantile(positive, 0.1))
        amount = cls(name, decimal, bool(skewed), False, shift, 0.0, 1.0, low, high, float(y.mean()), middle, 1.0)
        z = amount.encode(y)
        center, spread = float(np.median(z)), spread_of(z)
        amount.extreme = bool(np.abs(z - center).max() > _EXTREME * spread)
        amount.mean, amount.std = (center, spread) if amount.extreme else (float(z.mean()), divisor(float(z.std()), 0))
        return amount

    def check(self):
        """Raises ValueError where the fields cannot be of one target."""
        if self.decimal not in (".", ",") or self.std <= 0 or self.correction <= 0 or self.shift < 0:
            raise ValueError(f"the target {self.name!r} is described wrongly")

    def read(self, series):
        """(targets of a column's rows, which of them are known)."""
        y = values.numbers_of(series, self.decimal)
        return y, ~np.isnan(y)

    def encode(self, y):
        """What the network is to predict."""
        y = np.log(np.maximum(y, self.low if self.shift == 0 else 0) + self.shift) if self.skewed else y
        return (y - self.mean) / self.std

    def decode(self, outputs):
        """Predictions from the network's outputs."""
        z = outputs.reshape(-1).astype(np.float64)
        if not self.skewed:
            return z * self.std + self.mean
        # No further than the targets themselves, and half as far again: e to a large number is anything.
        top = (math.log(self.high + self.shift) - self.mean) / self.std
        return np.maximum((np.exp(np.minimum(z, top + 0.5) * self.std + self.mean) - self.shift), 0.0) * self.correction

    def correct(self, outputs, y):
        """Sets `correction` from training rows."""
        if self.skewed:
            self.correction = 1.0
            total = float(self.decode(outputs).sum())
            self.correction = min(max(float(y.sum()) / total, 0.25), 4.0) if total > 0 else 1.0

    def detail(self):
        return f"{plain(self.low)} ... {plain(self.high)}" + (", by its logarithm" if self.skewed else "") + (
            ", extreme values" if self.extreme else ""
        )


@dataclass
class Classes:
    """One of several classes; `shares` are those of the training rows."""

    name: str
    decimal: str
    coded: bool
    classes: list[str]
    shares: list[float]

    task = "classification"

    @classmethod
    def fit(cls, name, y, decimal, coded, classes):
        """Learns from the numbers of the classes of training rows."""
        counts = np.bincount(y, minlength=len(classes))
        return cls(name, decimal, coded, list(classes), [float(count) / len(y) for count in counts])

    def check(self):
        """Raises ValueError where the fields cannot be of one target."""
        if not 2 <= len(self.classes) == len(self.shares) or not all(0 <= share <= 1 for share in self.shares):
            raise ValueError(f"the target {self.name!r} is described wrongly")

    @property
    def outputs(self):
        """How many classes there are."""
        return len(self.classes)

    def read(self, series):
        """(numbers of the classes of a column's rows, which of them are known); ValueError where none is."""
        texts = values.texts_of(series)
        names = class_names(texts.distinct, self.coded, self.decimal)
        places = {name: number for number, name in enumerate(self.classes)}
        numbers = texts.spread(np.array([places.get(name, -1) for name in names], np.int64), -1)
        return np.maximum(numbers, 0), numbers >= 0

    def encode(self, y):
        """What the network is to predict."""
        return y

    def decode(self, outputs):
        """Classes by name from the network's outputs, probabilities."""
        return np.array(self.classes, object)[outputs.argmax(axis=1)]

    def detail(self):
        count = len(self.classes)
        largest = sorted(zip(self.classes, self.shares, strict=True), key=lambda pair: -pair[1])[:4]
        return f"{count} classes: " + ", ".join(f"{name} {share:.0%}" for name, share in largest)


def describe(target):
    """A target as JSON-able data."""
    return {"task": target.task, **described(target)}


def restore(data):
    """A target from `describe`'s data; ValueError for anything else."""
    kinds = {"regression": Amount, "classification": Classes}
    task = data.get("task") if isinstance(data, dict) else None
    if not isinstance(task, str) or task not in kinds:
        raise ValueError(f"a target should be one of {', '.join(kinds)}; got {task!r}")
    return restored(kinds[task], {name: value for name, value in data.items() if name != "task"})


def class_names(texts, coded, decimal):
    """Texts of classes as they are, or those of numbers in one form: 1 for "1.0"."""
    if not coded:
        return list(texts)
    return [values._text(number) if np.isfinite(number) else text
            for text, number in zip(texts, values.numbers_in(texts, decimal), strict=True)]  # fmt: skip


def _examples(texts, codes, bad):
    """Some of the texts, each with the first row that has it."""
    shown = []
    for place in np.flatnonzero(bad)[:3]:
        row = int(np.flatnonzero(codes == place)[0]) + 1
        shown.append(f"{texts[place]!r} in row {row:,}")
    return ", ".join(shown) + (" ..." if bad.sum() > 3 else "")


class Raw:
    """A target before the rows for training are chosen: `task`, `y`, `known` (rows), and `fit(rows)`."""

    def __init__(self, table, name, task=None):
        series = table.frame[name]
        self.name, self.note = name, ""
        texts = values.texts_of(series)
        self.known = texts.codes >= 0
        _require_two(name, texts, table.path)
        self.decimal = values.decimal_of(texts.distinct, table.decimal) if series.dtype.kind not in "iufb" else "."
        numbers = values.numbers_in(texts.distinct, self.decimal)
        bad = np.isnan(numbers)
        bad_rows = int(texts.counts[bad].sum())
        good_rows = int(texts.counts[~bad].sum())
        self.task = task or self._guess(name, texts, numbers, bad, bad_rows, good_rows)
        if self.task == "regression":
            if bad_rows:
                raise ValueError(
                    f"target {name!r} has text in {bad_rows:,} of {bad_rows + good_rows:,} rows "
                    f"({_examples(texts.distinct, texts.codes, bad)}), and a regression predicts numbers: correct or "
                    "empty these fields, or predict classes with --task classification"
                )
            self.y = texts.spread(numbers, np.nan)
            return
        self.coded = not bad.any()
        names = class_names(texts.distinct, self.coded, self.decimal)
        ordered = sorted(set(names), key=(lambda text: float(text)) if self.coded else None)
        _require_classes(name, ordered, int(self.known.sum()))
        places = {each: number for number, each in enumerate(ordered)}
        self.classes = ordered
        self.y = texts.spread(np.array([places[each] for each in names], np.int64), -1)

    def _guess(self, name, texts, numbers, bad, bad_rows, good_rows):
        if {text.casefold() for text in texts.distinct[:5]} in BOOLEANS or not good_rows:
            return "classification"
        if bad.any():
            if good_rows >= bad_rows and (~bad).sum() > CODED_CLASSES:
                raise ValueError(
                    f"target {name!r} is a number in {good_rows:,} rows and text in {bad_rows:,} "
                    f"({_examples(texts.distinct, texts.codes, bad)}): correct or empty these fields for a regression, "
                    "or predict classes with --task classification"
                )
            return "classification"
        if not (numbers == np.floor(numbers)).all():
            return "regression"
        distinct = np.unique(numbers)
        if len(distinct) == 2:
            return "classification"
        neighbours = distinct[-1] - distinct[0] == len(distinct) - 1
        if neighbours and len(distinct) <= CODED_CLASSES and good_rows >= 5 * len(distinct):
            self.note = f"its {len(distinct)} whole numbers are taken for classes; --task regression predicts a number"
            return "classification"
        return "regression"

    def fit(self, rows):
        """The target, learnt from the training rows."""
        if self.task == "regression":
            return Amount.fit(self.name, self.y[rows], self.decimal)
        return Classes.fit(self.name, self.y[rows], self.decimal, self.coded, self.classes)


def _require_two(name, texts, path):
    if not len(texts.distinct):
        raise ValueError(f"target {name!r} of {path} is empty in all {len(texts.codes):,} rows: nothing can be learnt")
    if len(texts.distinct) == 1:
        missing = int((texts.codes < 0).sum())
        rows = f"all rows but {missing:,} that have none" if missing else "all rows"
        raise ValueError(
            f"target {name!r} of {path} is {texts.distinct[0]!r} in {rows}: there is nothing to learn; choose a "
            "column whose values differ with --target"
        )


def _require_classes(name, classes, rows):
    if len(classes) < 2:
        raise ValueError(f"target {name!r} is {classes[0]!r} in all rows: there is nothing to learn")
    if len(classes) > MOST_CLASSES or (len(classes) > 10 and len(classes) > rows / 2):
        raise ValueError(
            f"target {name!r} has {len(classes):,} classes in {rows:,} rows ({quoted(classes, 3)}), at most "
            f"{min(MOST_CLASSES, rows // 2):,} can be learnt: are they names or identifiers? Choose another --target, "
            "or --task regression for numbers"
        )

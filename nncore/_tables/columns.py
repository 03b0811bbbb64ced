"""Kinds of columns: what each has learnt from the training rows, and what it makes of a column for the network.

`encode(series)` returns `Encoded`: `scales`, numbers that networks see in pieces as well, (rows, scales); `switches`,
numbers that are there as they are, (rows, switches); `index`, for an embedding, (rows,) or None.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from nncore._tables import values
from nncore._tables.descriptions import described, restored

ONE_HOT = 24  # levels; a column with more has an Embedding
MOST_LEVELS = 10_000
BOUND = 10.0  # in standard deviations: what lies further out is brought there

# Standard deviations of the normal distribution between its quartiles.
_QUARTILES = 1.3489795
# A tail is heavy where a thousandth lies so many robust standard deviations out.
_HEAVY = 8.0

DAY = 86400.0
# Seconds, about, and how many harmonics. A week has seven days, which six waves tell apart.
CYCLES = {"year": (365.25 * DAY, 3), "month": (30.4 * DAY, 2), "week": (7 * DAY, 3), "day": (DAY, 3)}


class Encoded(NamedTuple):
    """A column for the network."""

    scales: np.ndarray
    switches: np.ndarray
    index: np.ndarray | None = None  # type: ignore[assignment]


def _nothing(rows):
    return np.zeros((rows, 0), np.float32)


def _flag(truth):
    return truth.astype(np.float32)[:, None]


@dataclass
class Number:
    """A number x: z = (f(x) - mean) / std with f(x) = x, or asinh((x - center) / spread) where tails are heavy.

    Missing ones are 0, which is the mean; where training rows lack some, a switch says which.
    """

    name: str
    decimal: str
    heavy: bool
    center: float
    spread: float
    mean: float
    std: float
    low: float
    high: float
    missing: bool

    kind = "number"
    STRANGE = "is no number in {}, which count as missing"

    @classmethod
    def fit(cls, name, series, decimal):
        """Learns from training rows."""
        x = values.numbers_of(series, decimal)
        known = x[~np.isnan(x)]
        if not len(known):
            known = np.zeros(1)
        low, center, high = (float(q) for q in np.quantile(known, [0.001, 0.5, 0.999]))
        spread = spread_of(known)
        heavy = max(high - center, center - low) > _HEAVY * spread or (known.max() - known.min()) > 1e3 * spread
        number = cls(name, decimal, bool(heavy), center, spread, 0.0, 1.0, float(known.min()), float(known.max()),
                     bool(np.isnan(x).any()))  # fmt: skip
        z = number._warped(known)
        number.mean = float(z.mean())
        number.std = divisor(float(z.std()), number.mean)
        return number

    def check(self):
        """Raises ValueError where the fields cannot be of one column."""
        if self.decimal not in (".", ",") or self.spread <= 0 or self.std <= 0 or self.low > self.high:
            raise ValueError(f"the number {self.name!r} is described wrongly")

    def _warped(self, x):
        return np.arcsinh((x - self.center) / self.spread) if self.heavy else x

    def encode(self, series):
        x = values.numbers_of(series, self.decimal)
        unknown = np.isnan(x)
        z = (self._warped(x) - self.mean) / self.std
        z = np.clip(np.where(unknown, 0.0, z), -BOUND, BOUND).astype(np.float32)
        return Encoded(z[:, None], _flag(unknown) if self.missing else _nothing(len(x)))

    def strange(self, series):
        """Which rows have something that is no number."""
        return np.isnan(values.numbers_of(series, self.decimal)) & series.notna().to_numpy()

    @property
    def sizes(self):
        """(scales, switches, levels of the embedding)."""
        return 1, int(self.missing), 0

    def detail(self):
        return f"{plain(self.low)} ... {plain(self.high)}" + (", heavy tails" if self.heavy else "")


@dataclass
class Category:
    """One of several texts. Levels that are rare in training rows are one level with all that were never seen.

    Up to 24 levels are switches, one for each; more are numbers for an Embedding, 0 for the rare ones.
    """

    name: str
    boolean: bool
    levels: list[str]
    rare: bool
    missing: bool

    STRANGE = "has levels in {} that training never saw; they count as unknown"

    @property
    def kind(self):
        return "boolean" if self.boolean else "category"

    @classmethod
    def fit(cls, name, series, boolean=False, whole=None):
        """Learns from training rows, of a table with `whole` rows."""
        texts = values.texts_of(_folded(series) if boolean else series)
        counts = texts.counts
        enough = 1 if boolean else least_count(whole or len(series))
        order = sorted(np.flatnonzero(counts >= enough), key=lambda i: (-counts[i], texts.distinct[i]))[:MOST_LEVELS]
        levels = [str(texts.distinct[i]) for i in order]
        if boolean:
            levels.sort()
        return cls(name, boolean, levels, bool(len(levels) < (counts > 0).sum()), bool((texts.codes < 0).any()))

    def check(self):
        """Raises ValueError where the fields cannot be of one column."""
        if len(self.levels) > MOST_LEVELS:
            raise ValueError(f"the category {self.name!r} has more than {MOST_LEVELS} levels")

    def numbers(self, series):
        """For each row 0 where the level is rare or was never seen, 1 and so on for levels, then for missing ones."""
        texts = values.texts_of(_folded(series) if self.boolean else series)
        places = {level: number for number, level in enumerate(self.levels, start=1)}
        known = np.array([places.get(text, 0) for text in texts.distinct], np.int32)
        return texts.spread(known, len(self.levels) + 1 if self.missing else 0)

    def strange(self, series):
        """Which rows have a text that is no level, while training rows had no rare one."""
        texts = values.texts_of(_folded(series) if self.boolean else series)
        levels = set(self.levels)
        return texts.spread(np.array([text not in levels for text in texts.distinct], bool), False) & (not self.rare)

    def encode(self, series):
        numbers = self.numbers(series)
        nothing = _nothing(len(numbers))
        if self.embedded:
            return Encoded(nothing, nothing, numbers)
        first = 0 if self.rare else 1
        return Encoded(nothing, (numbers[:, None] == np.arange(first, self._count)).astype(np.float32))

    @property
    def _count(self):
        return len(self.levels) + 1 + self.missing

    @property
    def embedded(self):
        """Whether the column is an index."""
        return len(self.levels) > ONE_HOT

    @property
    def sizes(self):
        return (0, 0, self._count) if self.embedded else (0, self._count - (not self.rare), 0)

    def detail(self):
        count = len(self.levels)
        return f"{count:,} {'level' if count == 1 else 'levels'}{' and rare ones' if self.rare else ''}: " + ", ".join(
            self.levels[:6]
        )


@dataclass
class Date:
    """A date or a time: seconds since 1970 as a trend, and waves for the parts of it that repeat."""

    name: str
    form: str
    mean: float
    std: float
    low: float
    high: float
    cycles: list[str]
    missing: bool

    kind = "date"
    STRANGE = "is no date in {}, which count as missing"

    @classmethod
    def fit(cls, name, series, form):
        """Learns from training rows."""
        t = values.seconds_of(series, form)
        known = t[~np.isnan(t)]
        if not len(known):
            known = np.zeros(1)
        span = float(known.max() - known.min())
        timed = bool((known % DAY).any())
        # A part of which the rows show less than a quarter is the trend once more.
        cycles = [cycle for cycle, (seconds, _) in CYCLES.items() if span >= seconds / 4 and (cycle != "day" or timed)]
        if _are_times(float(known.min()), float(known.max())):
            cycles = ["day"]
        return cls(name, form, float(known.mean()), divisor(float(known.std()), 1.0), float(known.min()),
                   float(known.max()), cycles, bool(np.isnan(t).any()))  # fmt: skip

    def check(self):
        """Raises ValueError where the fields cannot be of one column."""
        if self.form not in values.DATE_FORMATS or self.std <= 0 or not set(self.cycles) <= set(CYCLES):
            raise ValueError(f"the date {self.name!r} is described wrongly")

    def encode(self, series):
        t = values.seconds_of(series, self.form)
        unknown = np.isnan(t)
        trend = np.clip(np.where(unknown, 0.0, (t - self.mean) / self.std), -BOUND, BOUND)
        waves = [_flag(unknown)] if self.missing else []
        for cycle in self.cycles:
            phase = _phase(np.where(unknown, 0.0, t), cycle)
            for harmonic in range(1, CYCLES[cycle][1] + 1):
                angle = 2 * math.pi * harmonic * phase
                pair = (np.sin(angle), np.cos(angle))
                waves += [np.where(unknown, 0.0, wave).astype(np.float32)[:, None] for wave in pair]
        return Encoded(trend.astype(np.float32)[:, None], np.hstack([_nothing(len(t)), *waves]))

    def strange(self, series):
        """Which rows have something that is no such date."""
        return np.isnan(values.seconds_of(series, self.form)) & series.notna().to_numpy()

    @property
    def sizes(self):
        return 1, int(self.missing) + sum(2 * CYCLES[cycle][1] for cycle in self.cycles), 0

    def detail(self):
        times = [np.datetime64(int(t), "s").astype(object) for t in (self.low, self.high)]
        if _are_times(self.low, self.high):
            return " ... ".join(f"{time:%H:%M}" for time in times)
        span = " ... ".join(f"{time:%Y-%m-%d}" for time in times)
        return f"{span}, by {', '.join(self.cycles)}" if self.cycles else span


def _are_times(low, high):
    """Whether all are times of a day, without a date."""
    return low >= values.TIME_OF_DAY and high < values.TIME_OF_DAY + DAY


def _phase(t, cycle):
    """Where times are in their year, month, week or day, from 0 to 1."""
    if cycle in ("week", "day"):
        seconds, _ = CYCLES[cycle]
        return t % seconds / seconds
    unit = {"year": "Y", "month": "M"}[cycle]
    begin = t.astype("datetime64[s]").astype(f"datetime64[{unit}]")
    first, last = (each.astype("datetime64[s]").astype(np.int64) for each in (begin, begin + 1))
    return (t - first) / (last - first)


KINDS = {"number": Number, "category": Category, "date": Date}


def describe(column):
    """A column as JSON-able data."""
    return {"kind": "category" if isinstance(column, Category) else column.kind, **described(column)}


def restore(data):
    """A column from `describe`'s data; ValueError for anything else."""
    kind = data.get("kind") if isinstance(data, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"a column should be one of {', '.join(KINDS)}; got {kind!r}")
    return restored(KINDS[kind], {name: value for name, value in data.items() if name != "kind"})


def least_count(rows):
    """How many rows of a table a level must have for its own number."""
    return 1 if rows < 100 else 2 if rows < 1000 else 5 if rows < 100_000 else 10


def plain(number):
    """A number in few signs."""
    if number != 0 and not 1e-3 <= abs(number) < 1e9:
        return f"{number:.4g}"
    return f"{number:,.6g}" if abs(number) < 1e6 else f"{number:,.0f}"


def _folded(series):
    return series.astype(str).where(series.notna()).str.strip().str.casefold()


def spread_of(x):
    """The standard deviation by the quartiles; by all numbers where more than half of them are the same."""
    low, middle, high = (float(q) for q in np.quantile(x, [0.25, 0.5, 0.75]))
    spread = (high - low) / _QUARTILES
    return spread if divisor(spread, middle) == spread else divisor(float(x.std()), middle)


def divisor(value, size):
    """`value`, or 1 where that is 0 but for rounding beside numbers of a size."""
    return value if value > 1e-12 * abs(size) and value > 1e-290 else 1.0

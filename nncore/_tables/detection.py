"""Which column is a number, a category or a date, and which tell nothing."""

import re
from typing import NamedTuple

import numpy as np

from nncore._tables import values
from nncore._tables.columns import Category, Date, Number, least_count
from nncore._tables.reading import import_pandas, quoted, unknown_column

BOOLEANS = ({"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"}, {"on", "off"})
# Of the rows of a column of numbers so many may hold something else, which then counts as missing.
STRAY = 0.05
IDENTIFIER = re.compile(
    r"(?i:^unnamed: \d+$|(^|[\s_.:-])(id|index|idx|key|uuid|guid|row|rowid|rownum|serial)$)|[a-z]I[dD]$|^ID"
)
_FEW = 20  # rows: in a table with fewer nothing is taken for an identifier


class Found(NamedTuple):
    """What a column was found to be."""

    name: str
    kind: str  # "number", "category", "boolean", "date"; "left out"
    how: str = ""  # the decimal sign of numbers, the format of dates; why a column is left out
    note: str = ""  # what a user should know

    def parsed(self, series):
        """The column's values as they will be read several times: numbers, dates, or else as they are."""
        pandas = import_pandas()
        if self.kind == "number":
            return pandas.Series(values.numbers_of(series, self.how), index=series.index)
        if self.kind == "date":
            seconds = values.seconds_of(series, self.how)
            whole = np.where(np.isnan(seconds), 0, np.round(seconds * 1e6)).astype(np.int64).view("datetime64[us]")
            return pandas.Series(np.where(np.isnan(seconds), np.datetime64("NaT"), whole), index=series.index)
        return series

    def fit(self, series):
        """The column, learnt from training rows."""
        if self.kind == "number":
            return Number.fit(self.name, series, self.how)
        if self.kind == "date":
            return Date.fit(self.name, series, self.how)
        return Category.fit(self.name, series, boolean=self.kind == "boolean")


def detect(table, target, drop=(), categories=()):
    """What each column but the target is, as a list of `Found`; ValueError where none is of use."""
    frame = table.frame
    for name in (*drop, *categories):
        if name not in frame.columns:
            raise unknown_column(table.path, name, frame.columns)
    names = [name for name in frame.columns if name != target]
    if not names:
        hint = "" if table.form != "CSV, one column" else "; if a sign divides its fields, name it with --separator"
        raise ValueError(f"{table.path} has no column beside the target {target!r} to predict it from{hint}")
    found = []
    for name in names:
        if name in drop:
            found.append(Found(name, "left out", "by --drop"))
        else:
            found.append(kind_of(frame[name], name, table.decimal, name in categories))
    found = _without_row_numbers(frame, found)
    if all(each.kind == "left out" for each in found):
        raise ValueError(
            f"{table.path} has no column that tells something about {target!r}: "
            + "; ".join(f"{each.name!r} is left out ({each.how})" for each in found[:8])
        )
    return found


def kind_of(series, name, decimal=".", category=False):
    """What one column is."""
    pandas = import_pandas()
    texts = values.texts_of(series)
    known = int((texts.codes >= 0).sum())
    if not known:
        return Found(name, "left out", "it is empty")
    if len(texts.distinct) == 1 and known == len(series):
        return Found(name, "left out", f"it is {_short(texts.distinct[0])} in all rows")
    if category:
        return Found(name, "category")
    types = pandas.api.types
    if types.is_bool_dtype(series.dtype) or {text.casefold() for text in texts.distinct[:5]} in BOOLEANS:
        return Found(name, "boolean")
    if types.is_datetime64_any_dtype(series.dtype):
        return Found(name, "date", "ISO8601")
    if types.is_numeric_dtype(series.dtype) or types.is_timedelta64_dtype(series.dtype):
        return Found(name, "number", ".")
    return _of_texts(name, texts, known, decimal)


def _of_texts(name, texts, known, decimal):
    counts, distinct = texts.counts, texts.distinct
    if all(re.fullmatch(r"(19|20)\d{6}", text) for text in distinct):
        form, share = values.date_format_of(distinct)
        if share == 1:
            return Found(name, "date", form)
    if not _are_codes(distinct):
        sign = values.decimal_of(distinct, decimal)
        stray = np.isnan(values.numbers_in(distinct, sign))
        rows = int(counts[stray].sum())
        few = rows <= STRAY * known and stray.sum() <= 20
        # Such as "unknown": a sign for what is missing, among many numbers.
        signs = stray.sum() <= 2 and (~stray).sum() > 10 and rows <= 0.7 * known
        if rows < known and (few or signs):
            return Found(name, "number", sign, _stray(rows, distinct[stray], "number"))
    form, _ = values.date_format_of(distinct)
    if form is not None:
        stray = np.isnan(values.seconds_in(distinct, form))
        rows = int(counts[stray].sum())
        if rows <= STRAY * known:
            return Found(name, "date", form, _stray(rows, distinct[stray], "date"))
    if _is_text(counts, known):
        what = "text" if np.mean([len(text.split()) for text in distinct[:200]]) > 3 else "names or identifiers"
        return Found(name, "left out", f"{what}: {len(distinct):,} different ones in {known:,} rows")
    return Found(name, "category")


def _are_codes(distinct):
    """Whether digits are names, such as postal codes: all are of one length, and some begin with 0."""
    return (len(distinct[0]) > 1 and len({len(text) for text in distinct}) == 1
            and any(text[0] == "0" for text in distinct) and all(text.isdigit() for text in distinct))  # fmt: skip


def _is_text(counts, known):
    """Whether levels are so many that most rows have one that is theirs alone, or nearly."""
    if known < _FEW:
        return len(counts) == known and known > 2
    frequent = counts[counts >= max(2, least_count(known))].sum()
    return len(counts) > 0.5 * known or (len(counts) > 50 and frequent < 0.2 * known)


def _stray(rows, texts, wanted):
    if not rows:
        return ""
    says = "value is no {} and counts" if rows == 1 else "values are no {} and count"
    return f"{rows:,} {says.format(wanted)} as missing: {quoted(texts, 3)}"


def _without_row_numbers(frame, found):
    """Leaves out whole numbers that are different in each row and are called so, where something else is there."""
    result, useful = list(found), sum(each.kind != "left out" for each in found)
    for place, each in enumerate(found):
        if each.kind != "number" or not IDENTIFIER.search(each.name) or useful < 2 or len(frame) < _FEW:
            continue
        x = values.numbers_of(frame[each.name], each.how)
        if not np.isnan(x).any() and (x == np.floor(x)).all() and len(np.unique(x)) == len(x):
            result[place] = Found(each.name, "left out", "an identifier: different whole numbers in all rows")
            useful -= 1
    return result


def _short(text):
    return repr(text if len(text) <= 30 else f"{text[:27]}...")

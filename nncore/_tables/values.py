"""Texts as numbers and dates. What can be read is said by what is not NaN, or NaT, in the result."""

import re
from typing import NamedTuple

import numpy as np

from nncore._tables.reading import import_pandas

SIGNS = re.compile(r"[\s\u00a0\u202f'$€£¥%]|(?:USD|EUR|GBP|CHF)")
GROUPED = {".": re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d*)?"), ",": re.compile(r"[-+]?\d{1,3}(?:\.\d{3})+(?:,\d*)?")}

TIME_OF_DAY = -2208988800.0  # the day in 1900 that times without a date are of
LARGEST = 1e100  # beyond it squares are infinite

# In this order, the first that reads most. Days stand behind months where both are at most 12 in all rows.
DATE_FORMATS = (
    "ISO8601", "%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S",
    "%m/%d/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p",
    "%d/%m/%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%m-%d-%Y", "%d-%m-%Y",
    "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%b-%y", "%b %Y", "%B %Y",
    "%H:%M", "%H:%M:%S", "%I:%M %p", "%Y%m%d",
)  # fmt: skip


class Texts(NamedTuple):
    """A column's texts, each once."""

    distinct: np.ndarray  # of str objects, without blanks around them
    codes: np.ndarray  # of each row, -1 where it is missing

    @property
    def counts(self):
        """In how many rows each of the texts is."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.distinct))

    def spread(self, values, missing):
        """A value for each row from one for each of the texts."""
        return np.append(values, np.array([missing], values.dtype))[self.codes]


def texts_of(series):
    """The texts of a column of any type: whole numbers without a point, truth as True and False."""
    pandas = import_pandas()
    try:
        codes, distinct = pandas.factorize(series, use_na_sentinel=True)
    except TypeError:  # lists and their like in Parquet files
        codes, distinct = pandas.factorize(series.map(str, na_action="ignore"), use_na_sentinel=True)
    distinct = np.asarray(distinct, object)  # which is much faster to go through than Arrow's
    texts = np.array([_text(value) or None for value in distinct], object)
    again, texts = pandas.factorize(texts, use_na_sentinel=True)
    return Texts(np.asarray(texts, object), np.append(again, -1)[codes])


def _text(value):
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, (float, np.floating)) and float(value).is_integer() and abs(value) < 1e15:
        value = int(value)
    return str(value).strip()


def numbers_of(series, decimal="."):
    """The numbers of a column as float64; NaN for what is none, is missing, or is no size that things have."""
    pandas = import_pandas()
    if pandas.api.types.is_numeric_dtype(series.dtype):
        values = series.to_numpy(np.float64, na_value=np.nan)
    elif pandas.api.types.is_timedelta64_dtype(series.dtype):
        values = series.dt.total_seconds().to_numpy(np.float64)
    elif pandas.api.types.is_datetime64_any_dtype(series.dtype):
        values = np.full(len(series), np.nan)
    else:
        texts = texts_of(series)
        values = texts.spread(numbers_in(texts.distinct, decimal), np.nan)
    return np.where(np.abs(values) < LARGEST, values, np.nan)


def numbers_in(texts, decimal="."):
    """The numbers that texts say: 12, -1.5e3, 1,234.5, $ 12.50, 7%; with decimal="," 1,5 and 1.234,5."""
    pandas = import_pandas()
    values = np.full(len(texts), np.nan)
    if decimal == ".":
        values = pandas.to_numeric(pandas.Series(texts, dtype=object), errors="coerce").to_numpy(np.float64, copy=True)
    for place in np.flatnonzero(np.isnan(values)):
        values[place] = _number(texts[place], decimal)
    return np.where(np.abs(values) < LARGEST, values, np.nan)


def _number(text, decimal):
    text = SIGNS.sub("", text).replace("\u2212", "-")
    separator = "," if decimal == "." else "."
    if separator in text:
        if not GROUPED[decimal].fullmatch(text):
            return np.nan
        text = text.replace(separator, "")
    try:
        return np.nan if "_" in text else float(text.replace(",", "."))
    except ValueError:
        return np.nan


def decimal_of(texts, decimal):
    """The decimal sign under which most texts are numbers; `decimal` where both do."""
    other = "," if decimal == "." else "."
    if not any("," in text for text in texts):
        return "."
    read = {sign: np.isfinite(numbers_in(texts, sign)).sum() for sign in (decimal, other)}
    return decimal if read[decimal] >= read[other] else other


def seconds_of(series, form):
    """Seconds since 1970 as float64 for a column's dates, read by one of DATE_FORMATS; NaN for what is none."""
    pandas = import_pandas()
    if pandas.api.types.is_datetime64_any_dtype(series.dtype):
        return _seconds(pandas, series)
    texts = texts_of(series)
    return texts.spread(seconds_in(texts.distinct, form), np.nan)


def seconds_in(texts, form):
    """Seconds since 1970 of texts; those of a time of day alone are of its day in 1900."""
    pandas = import_pandas()
    return _seconds(pandas, pandas.Series(pandas.to_datetime(
        pandas.Series(texts, dtype=object), format=form, errors="coerce", utc=True)))  # fmt: skip


def _seconds(pandas, dates):
    """In UTC where dates have zones."""
    if getattr(dates.dt, "tz", None) is not None:
        dates = dates.dt.tz_convert("UTC").dt.tz_localize(None)
    whole = dates.to_numpy("datetime64[us]")
    return np.where(np.isnat(whole), np.nan, whole.astype(np.int64) / 1e6)


def date_format_of(texts):
    """(format, share): which of DATE_FORMATS reads most texts; only texts that could be dates are tried."""
    if not len(texts):
        return None, 0.0
    some = texts[np.linspace(0, len(texts) - 1, min(len(texts), 200)).astype(int)]
    likely = [text for text in some if 4 <= len(text) <= 40 and re.search(r"\d[-/.: ]|\d{8}|\d", text)]
    if len(likely) < 0.9 * len(some):
        return None, 0.0
    best, share = None, 0.0
    for form in DATE_FORMATS:
        if form == "ISO8601" and not re.match(r"\d{4}-", likely[0]):
            continue
        if np.isfinite(seconds_in(some, form)).mean() < max(0.9, share):
            continue
        read = np.isfinite(seconds_in(texts, form)).mean()
        if read > share:
            best, share = form, read
    return best, share

"""CSV and Parquet files as data frames, or an error that says what the file is and what to do."""

import codecs
import contextlib
import csv
import difflib
import io
import os
import re
import sys
import warnings
from typing import NamedTuple

from nncore import _files

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
BLANKS = r"\s+"
# Beside pandas's own, "NA", "null", the empty text and their like.
MISSING = ("?", "-", "--", "missing", "MISSING", "(null)", "\\N")
SAMPLE_BYTES = 1 << 18
SAMPLE_LINES = 200
# Cells that a file may have: rows of a CSV file may be cut short, and a Parquet file's columns be one value each.
MOST_CELLS_PER_BYTE = 50
MOST_CELLS_PER_FIELD = 4
SPARE_CELLS = 10**7

_BINARY = (
    (b"\x89PNG", "a PNG picture"), (b"\xff\xd8\xff", "a JPEG picture"), (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"), (b"\xd0\xcf\x11\xe0", "an old Excel or Word document"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook"), (b"\x7fELF", "a program"), (b"ARROW1", "an Arrow file"),
    (b"\x89HDF", "an HDF5 file"), (b"SQLite", "an SQLite database"),
    (b"\x93NUMPY", "a NumPy array"), (b"\x80\x04", "a pickle"), (b"\x80\x05", "a pickle"),
)  # fmt: skip


class Table(NamedTuple):
    """A table as it was read."""

    frame: object  # pandas.DataFrame; columns of a CSV file are texts
    path: str
    form: str  # in words
    decimal: str  # the decimal sign where numbers leave it open: a comma in files with semicolons


def import_pandas():
    """pandas, or an ImportError that says how to install it."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(f"tables need pandas ({error}): pip install 'nncore[tables]'") from error
    return pandas


def nearest(name, names):
    """The names that are most like `name`, by letters of either case, best first."""
    folded = {}
    for each in names:
        folded.setdefault(each.casefold(), each)
    if name.casefold() in folded:
        return [folded[name.casefold()]]
    found = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)
    found += [key for key in folded if len(name) >= 3 and name.casefold() in key and key not in found]
    return [folded[key] for key in found[:3]]


def quoted(names, most=8):
    """Names in quotes, the first of them where there are many."""
    names = list(names)
    shown = ", ".join(repr(name) for name in names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown


def unknown_column(owner, name, names):
    """The ValueError for a column that is not there."""
    close = nearest(name, names)
    hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
    if all(re.fullmatch(r"[-+.\deE]+", each) for each in names):
        hint = "its first line should have the names of the columns, and has numbers; "
    return ValueError(f"{owner} has no column {name!r}; {hint}its columns: {quoted(names, 30)}")


def read_table(path, separator=None):
    """Reads a table.

    Parameters
    ----------
    path : str
        A CSV file, also compressed (gzip, bzip2, xz), or a Parquet file; "-" is the standard input.
    separator : str, optional
        What stands between the fields of a CSV file; found out unless given.

    Returns
    -------
    Table

    Raises
    ------
    ValueError, OSError
        For what is no table: says what it is, and where.
    ImportError
        Without pandas or, for Parquet, pyarrow.
    """
    pandas = import_pandas()
    name = "the standard input" if path == "-" else str(path)
    content = _content(path, name)
    if content[:4] == b"PAR1":
        frame, form, decimal = _parquet(pandas, content, name), "Parquet", "."
    else:
        frame, form, decimal = _csv(pandas, content, name, separator)
    frame.columns = _column_names(frame.columns)
    if not len(frame):
        raise ValueError(f"{name} has {len(frame.columns)} column names and no rows below them; wanted at least one")
    return Table(frame, name, form, decimal)


def _column_names(names):
    """Names as texts without blanks around them; a number behind those that come again."""
    seen, result = set(), []
    for place, name in enumerate(names):
        base = " ".join(str(name).split()) or f"Unnamed: {place}"
        unique, count = base, 0
        while unique in seen:
            count += 1
            unique = f"{base}.{count}"
        seen.add(unique)
        result.append(unique)
    return result


def _content(path, name):
    """The bytes of a file, decompressed."""
    if path == "-":
        content = sys.stdin.buffer.read()
    else:
        if os.path.isdir(path):
            raise IsADirectoryError(f"{name} is a folder; wanted a CSV or Parquet file")
        if not os.path.exists(path):
            raise FileNotFoundError(f"there is no file {name}{_neighbours(path)}")
        with open(path, "rb") as file:
            content = file.read()
    for magic, module, form in ((b"\x1f\x8b", "gzip", "gzip"), (b"BZh", "bz2", "bzip2"), (b"\xfd7zXZ", "lzma", "xz")):
        if content.startswith(magic):
            content = _decompressed(content, module, form, name)
    if not content.strip():
        raise ValueError(f"{name} is empty; wanted a CSV file with a line of column names, or a Parquet file")
    return content


def _decompressed(content, module, form, name):
    import importlib

    library = importlib.import_module(module)
    zlib = importlib.import_module("zlib")
    damaged = (OSError, EOFError, ValueError, zlib.error, getattr(library, "LZMAError", OSError))
    most, unpacked, chunks = _files.most_unpacked(len(content), name), 0, []
    try:
        with library.open(io.BytesIO(content)) as file:
            while unpacked <= most and (chunk := file.read(1 << 22)):
                chunks.append(chunk)
                unpacked += len(chunk)
    except damaged as error:
        raise ValueError(f"{name} is no whole {form} file: {error}") from error
    _files.most_unpacked(len(content), name, unpacked)
    return b"".join(chunks)


def _neighbours(path):
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        return f", and no folder {folder}"
    found = [os.path.join(os.path.dirname(path), each) for each in nearest(os.path.basename(path), os.listdir(folder))]
    return f"; did you mean {' or '.join(found)}?" if found else ""


def _parquet(pandas, content, name):
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError(f"Parquet files need pyarrow ({error}): pip install 'nncore[tables]'") from error
    try:
        _require_cells(*_rows_and_columns(content), MOST_CELLS_PER_BYTE * len(content), name)
        _require_valid(content)
        frame = pandas.read_parquet(io.BytesIO(content), engine="pyarrow", use_threads=False)
    except _TooManyCellsError:
        raise
    except (ArithmeticError, LookupError, OSError, TypeError, ValueError, pyarrow.ArrowException) as error:
        raise ValueError(f"{name} is no whole Parquet file, or has types that are not read: {error}") from error
    if not isinstance(frame.index, pandas.RangeIndex):
        index = [each for each in frame.index.names if each is not None and each not in frame.columns]
        frame = frame.reset_index(level=index) if index else frame
    return frame.reset_index(drop=True)


def _rows_and_columns(content):
    """What a Parquet file says of itself."""
    from pyarrow import parquet

    metadata = parquet.read_metadata(io.BytesIO(content))
    return metadata.num_rows, metadata.num_columns


def _require_valid(content):
    """Raises an error of Arrow's for text that is none and for places outside of a column."""
    from pyarrow import parquet

    parquet.read_table(io.BytesIO(content), use_threads=False).validate(full=True)


class _TooManyCellsError(ValueError):
    """A table that says of itself that it is much larger than its file."""


def _require_cells(rows, columns, most, name):
    """Raises for a table of many more cells than its file is for, for which there would be memory all the same."""
    if rows * columns > most + SPARE_CELLS:
        raise _TooManyCellsError(
            f"{name} has {rows:,} rows and {columns:,} columns; of its size it may have {most + SPARE_CELLS:,} cells"
        )


# ---- CSV


def _csv(pandas, content, name, separator):
    encoding = _encoding(content, name)
    sample = content[:SAMPLE_BYTES].decode(encoding, errors="replace").lstrip("\ufeff")
    told = re.match(r"sep=(.)\r?\n", sample)  # a line that Excel writes and reads
    if told:
        separator = separator or told[1]
        sample = sample[told.end() :]
    quote = _quote(sample)
    lines = _lines(sample, whole=len(content) <= SAMPLE_BYTES)
    separator = separator or _separator(lines, quote)
    _require_csv(lines, separator, name)
    _require_whole_rows(content, separator or ",", quote, encoding, name)
    frame = _parsed(pandas, content, name, encoding=encoding, sep=separator or ",", quotechar=quote,
                    skiprows=1 if told else None, index_col=_index_column(lines, separator, quote))  # fmt: skip
    words = [f"CSV, {_word(separator)}" if separator else "CSV, one column"]
    if not encoding.startswith("utf-8"):
        words.append(encoding.upper())
    return frame, ", ".join(words), "," if separator == ";" else "."


def _word(separator):
    return "blanks" if separator == BLANKS else SEPARATORS.get(separator, repr(separator))


def _encoding(content, name):
    """UTF-8, UTF-16 with its mark, or else the Windows code page of Western Europe."""
    if content.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    start = content[:SAMPLE_BYTES]
    for magic, kind in _BINARY:
        if content.startswith(magic):
            raise ValueError(f"{name} is {kind}; wanted a CSV or Parquet file")
    controls = sum(start.count(bytes([code])) for code in range(32) if code not in b"\t\n\r\f\x1a")
    if b"\0" in start or controls > len(start) / 1000:
        raise ValueError(f"{name} holds bytes that no text has; wanted a CSV or Parquet file")
    try:
        codecs.lookup("utf-8").decode(content)
    except UnicodeDecodeError:
        try:
            content.decode("cp1252")
        except UnicodeDecodeError:
            return "latin-1"
        return "cp1252"
    return "utf-8"


def _lines(sample, whole):
    """The first lines of a sample, all of them whole."""
    lines = sample.splitlines()
    if not whole and len(lines) > 1:
        lines = lines[:-1]
    return [line for line in lines[:SAMPLE_LINES] if line.strip()]


def _quote(sample):
    """The sign that quotes fields: double quotes unless there are none, and apostrophes stand around fields."""
    if '"' in sample:
        return '"'
    around = len(re.findall(r"(?m)(?:^|[,;\t|])\s*'[^'\n]*'\s*(?=$|[,;\t|])", sample))
    return "'" if around and around * 2 >= sample.count("'") else '"'


def _widths(lines, separator, quote):
    """How many fields the records have."""
    if separator == BLANKS:
        return [len(line.split()) for line in lines]
    try:
        rows = csv.reader(lines, delimiter=separator, quotechar=quote, skipinitialspace=True)
        return [len(row) for row in rows if row]
    except csv.Error:
        return []


def _separator(lines, quote):
    """The separator that gives most records as many fields as the first one has; None where there is one column."""
    best, score = None, (0.0, 0)
    for separator in (*SEPARATORS, BLANKS):
        widths = _widths(lines, separator, quote)
        if not widths or widths[0] < 2 or (separator == BLANKS and best):
            continue
        # One more, as R writes the names of rows.
        share = sum(width in (widths[0], widths[0] + 1) for width in widths) / len(widths)
        if separator == BLANKS and not (share == 1 and len(set(widths[1:])) == 1 and re.search(r"\d", lines[1])):
            continue
        if (round(share, 1), widths[0]) > score:
            best, score = separator, (round(share, 1), widths[0])
    return best if score[0] >= 0.5 else None


def _require_csv(lines, separator, name):
    """Raises ValueError for text of another kind, as far as its beginning shows."""
    start = lines[0].lstrip() if lines else ""
    if re.match(r"<[!?a-zA-Z]", start):
        raise ValueError(f"{name} is HTML or XML and no CSV file: it begins with {start[:30]!r}")
    if re.match(r"[\[{]\s*($|[\[{\"'\d])", start):
        raise ValueError(f"{name} is JSON and no CSV file: it begins with {start[:30]!r}")
    if separator is None and any(len(line.split()) > 4 for line in lines):
        raise ValueError(
            f"{name} is no CSV file: no comma, semicolon, tab or bar divides its lines into equally many fields; the "
            f"first is {start[:60]!r}. If another sign does, name it with --separator"
        )


def _require_whole_rows(content, separator, quote, encoding, name):
    """Raises where most fields of most rows are not there."""
    end = content.find(b"\n")
    first = content if end < 0 else content[:end]
    columns = len(first.split()) if separator == BLANKS else first.count(separator.encode()) + 1
    if content.count(b"\n") * columns <= max(SPARE_CELLS, MOST_CELLS_PER_FIELD * len(content)):
        return  # nearly all files: those whose fields have no lines of their own
    text = io.TextIOWrapper(io.BytesIO(content), encoding, newline="")
    rows = fields = 0
    with contextlib.suppress(csv.Error):
        blanks = separator == BLANKS
        for row in map(str.split, text) if blanks else csv.reader(text, delimiter=separator, quotechar=quote):
            rows, fields = rows + bool(row), fields + len(row)
    _require_cells(rows, columns, MOST_CELLS_PER_FIELD * fields, name)


def _index_column(lines, separator, quote):
    """False where lines end in a separator that the first does not have, so that nothing is taken for a row's name."""
    widths = _widths(lines, separator, quote) if separator else []
    trailing = len(widths) > 1 and separator != BLANKS and all(width == widths[0] + 1 for width in widths[1:])
    return False if trailing and all(line.rstrip().endswith(separator.strip() or "\t") for line in lines[1:]) else None


def _parsed(pandas, content, name, **options):
    warnings_as_errors = options["index_col"] is None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error" if warnings_as_errors else "ignore", pandas.errors.ParserWarning)
            frame = pandas.read_csv(io.BytesIO(content), dtype=str, na_values=list(MISSING), skipinitialspace=True,
                                    low_memory=False, **options)  # fmt: skip
    except pandas.errors.ParserError as error:
        said = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if said:
            wanted, line, got = said.groups()
            raise ValueError(
                f"{name}, line {line}, has {got} fields, and the lines before it {wanted}. Put a field with a "
                f"{_word(options['sep'])} in it in quotes, or name the separator with --separator; is it a CSV file?"
            ) from error
        raise ValueError(f"{name} is no CSV file that can be read: {' '.join(str(error).split())}") from error
    except (pandas.errors.EmptyDataError, pandas.errors.ParserWarning, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"{name} is no CSV file that can be read: {' '.join(str(error).split())}") from error
    if not isinstance(frame.index, pandas.RangeIndex):  # names of rows, without a name of their own
        frame = frame.reset_index(drop=True)
    return frame

"""CSV files: what `nncore train`, `predict` and `evaluate` read, and find in them."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import zlib
from typing import TYPE_CHECKING, Any

from reliability.fuzzing import bytes_, guard, table_models
from reliability.fuzzing.target import Target

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

TEXT = "size;colour,day;open\n"
FIELDS = (
    "",
    "1",
    "-1,5",
    "1.5",
    "1e400",
    "nan",
    "inf",
    "NA",
    "?",
    "yes",
    "TRUE",
    "2024-01-31",
    "31.12.1999 23:59",
    "12:30",
    "0001-01-01",
    "9999-12-31",
    "99999999999999999999",
    "1_000",
    "½",
    "٣",
    '"',
    '"a,b"',
    "'",
    "\0",
    "\r",
    "\n",
    "sep=;\n",
    "#",
    "\u2028",
    "\ufeff",
    "0x1f",
    "1,234,567.8",
    "+",
    "-",
    "e",
    "()",
    "{{",
    "=1+1",
    "a" * 300,
    "ä",
    "red",
    "green",
    "1970-01-01T00:00:00Z",
    "24:00",
    "1e-320",
)


def seeds() -> dict[str, bytes]:
    """Tables in several forms."""
    text = table_models.frame().iloc[:14].to_csv(index=False)
    semicolons = text.replace(",", ";").replace(".", ",")
    plain = {
        "comma.csv": text.encode(),
        "semicolon.csv": b"\xef\xbb\xbf" + semicolons.encode(),
        "tab.csv": text.replace(",", "\t").encode("utf-16"),
        "blank.csv": b"a b c\n1 2 3\n4 5 6\n",
        "quoted.csv": b"a,b\n'x','y, z'\n'u','v'\n",
        "told.csv": b"sep=|\na|b\n1|2\n",
        "latin.csv": "größe,ort\n1,Köln\n".encode("cp1252"),
    }
    content = plain["comma.csv"][:150]
    return {
        **plain,
        "comma.gz": gzip.compress(content, mtime=0),
        "comma.bz2": bz2.compress(content),
        "comma.xz": lzma.compress(content),
    }


def mutate(data: bytes, random: Random) -> bytes:
    """Other fields, more or fewer of them, other separators and encodings."""
    packers: tuple[tuple[bytes, Any], ...] = ((b"\x1f\x8b", gzip), (b"BZh", bz2), (b"\xfd7zXZ", lzma))
    for magic, module in packers:
        if data.startswith(magic):
            try:
                return module.compress(bytes_.mutate(module.decompress(data), random)) + random.choice(
                    (b"", b"", b"x", data)
                )
            except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
                raise ValueError("broken") from error
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    lines = [line.split(random.choice((",", ";", "\t"))) for line in data.decode(encoding).split("\n")]
    for _ in range(random.choice((1, 2, 3, 6))):
        line = random.choice(lines)
        place = random.randrange(len(line))
        kind = random.randrange(6)
        if kind < 3:
            line[place] = random.choice(FIELDS)
        elif kind == 3:
            line.insert(place, random.choice(FIELDS))
        elif kind == 4 and len(line) > 1:
            del line[place]
        else:
            lines.insert(random.randrange(len(lines)), list(random.choice(lines)))
    text = random.choice(("\n", "\n", "\r\n", "\r")).join(
        random.choice((",", ",", ";", "\t", "|")).join(line) for line in lines
    )
    return text.encode(random.choice((encoding, encoding, encoding, "cp1252", "utf-16", "utf-8-sig")), "replace")


def read(data: bytes, folder: Path) -> bool:
    """Reads a table; predicts on it where it has the columns, and makes it ready for training."""
    from nncore._tables import reading, training

    path = guard.file(folder, "table.csv", data)
    with guard.reading():
        return use(reading.read_table(path), training)


def use(table: Any, training: Any) -> bool:
    """Has a predictor read the table, and training find out what its columns are."""
    assert len(table.frame)
    assert len(set(table.frame.columns)) == len(table.frame.columns)
    predictor = table_models.predictor("price" if len(table.frame) % 2 else "kind")
    if any(column.name in table.frame.columns for column in predictor.columns):
        outputs = predictor.outputs(predictor.inputs(table.frame, table.path, allow_missing=True))
        assert len(predictor.target.decode(outputs)) == len(table.frame)
        predictor.remarks(table.frame)
    target = list(table.frame.columns)[len(table.frame) % len(table.frame.columns)]
    with contextlib.suppress(ValueError):  # too few rows, nothing to learn from
        training.Task(table, target, training.Options(bar=False))
    return True


TARGET = Target("csv_tables", read, seeds, mutate)

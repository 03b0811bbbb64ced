"""Parquet files: columns of wild types, and damaged files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from reliability.fuzzing import bytes_, csv_tables, guard
from reliability.fuzzing.target import Target

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random


def _written(table: Any) -> bytes:
    from pyarrow import parquet

    written = io.BytesIO()
    parquet.write_table(
        table, written, compression="none", use_dictionary=False, write_statistics=False, store_schema=True
    )
    return written.getvalue()


def seeds() -> dict[str, bytes]:
    """Columns of usual types, and of others."""
    import datetime
    import decimal

    import pyarrow

    rows = 12
    usual = {
        "size": [n / 2 for n in range(rows)],
        "colour": ["red", "green", None] * 4,
        "day": [datetime.date(2024, 1, 1 + n) for n in range(rows)],
        "open": [True, False] * 6,
        "price": list(range(rows)),
    }
    wild = {
        "price": [decimal.Decimal(n) for n in range(rows)],
        "size": [b"x"] * rows,
        "at": [datetime.datetime(1970, 1, 1)] * rows,
    }
    return {"usual": _written(pyarrow.table(usual)), "wild": _written(pyarrow.table(wild))}


def _column(random: Random, rows: int) -> Any:
    import pyarrow

    kinds = [
        pyarrow.int8(),
        pyarrow.uint64(),
        pyarrow.int64(),
        pyarrow.float16(),
        pyarrow.float32(),
        pyarrow.float64(),
        pyarrow.bool_(),
        pyarrow.string(),
        pyarrow.large_string(),
        pyarrow.binary(),
        pyarrow.timestamp("us"),
        pyarrow.timestamp("ns", "UTC"),
        pyarrow.date32(),
        pyarrow.time64("us"),
        pyarrow.duration("us"),
        pyarrow.decimal128(20, 3),
        pyarrow.null(),
        pyarrow.list_(pyarrow.int64()),
        pyarrow.struct([("a", pyarrow.int64())]),
        pyarrow.dictionary(pyarrow.int32(), pyarrow.string()),
    ]
    kind = random.choice(kinds)
    numbers = [
        random.choice(
            (
                0,
                1,
                -1,
                2,
                255,
                2**31,
                2**62,
                None,
                1.5,
                float("nan"),
                float("inf"),
                "a",
                "",
                "2024-01-31",
                True,
                [1],
                {"a": 2},
                b"\xff",
            )
        )
        for _ in range(rows)
    ]
    fitting = []
    for value in numbers:
        try:
            fitting.append(pyarrow.scalar(value, kind).as_py())
        except (pyarrow.ArrowException, TypeError, ValueError, OverflowError):
            fitting.append(None)
    return pyarrow.array(fitting, kind)


def mutate(data: bytes, random: Random) -> bytes:
    """A table of other columns, or other bytes."""
    import pyarrow

    if random.randrange(2):
        return bytes_.mutate(data, random)
    rows = random.choice((0, 1, 11, 12, 20))
    names = random.sample(("size", "colour", "day", "open", "price", "kind", "", " a ", "a"), random.randrange(1, 6))
    try:
        return _written(pyarrow.table([_column(random, rows) for _ in names], names))
    except pyarrow.ArrowException as error:
        raise ValueError("no such file") from error


def read(data: bytes, folder: Path) -> bool:
    """Reads a table, predicts on it, and makes it ready for training."""
    from nncore._tables import reading, training

    path = guard.file(folder, "table.parquet", data)
    with guard.reading():
        return csv_tables.use(reading.read_table(path), training)


TARGET = Target("parquet_tables", read, seeds, mutate)

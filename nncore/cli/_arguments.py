"""Arguments that several commands about tables have."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

from ._types import separator

TABLE = "a CSV file, gzipped or not, or a Parquet file; - reads the standard input"


def add_model_and_table(parser: argparse.ArgumentParser, json: str) -> None:
    """Add what `predict` and `evaluate` read, and how; `json` says what --json prints."""
    parser.add_argument("model", metavar="MODEL", help="the file that 'nncore train' has written")
    parser.add_argument("table", metavar="TABLE", help=TABLE)
    parser.add_argument(
        "--allow-missing", action="store_true", help="let columns that the table lacks count as missing in all rows"
    )
    add_separator(parser)
    parser.add_argument("--json", action="store_true", help=json)
    parser.add_argument("--quiet", action="store_true", help="print no notes")


def require_writable(path: Path) -> None:
    """Raises OSError where a file cannot be written as --out is, before work is done for it."""
    if path.is_dir():
        raise IsADirectoryError(f"--out {path} is a folder; wanted the path of a file in it")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"--out {path}: there is no folder {path.parent}; make it first, or choose another")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"--out {path}: nothing may be written in the folder {path.parent}")


def add_separator(parser: argparse._ActionsContainer) -> None:
    """Add the separator of CSV files."""
    parser.add_argument(
        "--separator",
        type=separator,
        metavar="SIGN",
        help="stands between the fields of a CSV file, as ; or tab (default: found out)",
    )

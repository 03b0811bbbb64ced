"""`nncore predict`."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._arguments import add_model_and_table, require_writable
from ._types import names

if TYPE_CHECKING:
    import argparse

    from nncore._typing import PathLikeStr

SUMMARY = "predict a column of a table by a model that 'nncore train' has written"

EXAMPLES = """\
  nncore predict houses.safetensors new-houses.csv
  nncore predict houses.safetensors new-houses.csv --out predictions.csv
  nncore predict churn.safetensors customers.parquet --probabilities --keep name
  cat today.csv | nncore predict sales.safetensors - --json

The predictions are a CSV table with a row for each row, in the same order. The
columns may be in any order; others than those of the training are not used, and
the target need not be there."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    add_model_and_table(parser, "print one JSON object in place of the CSV table")
    parser.add_argument("--out", metavar="PATH", help="where to write, CSV or Parquet (default: the standard output)")
    parser.add_argument("--probabilities", action="store_true", help="add a column with the probability of each class")
    parser.add_argument("--keep", type=names, default=[], metavar="COLUMNS", help="copy these of the columns, as a,b,c")


def run(arguments: Any) -> None:
    """Read both, predict, write."""
    from nncore._tables import files, reading

    from . import _report

    if arguments.out:
        require_writable(Path(arguments.out))
        for path in (arguments.model, arguments.table):
            if os.path.exists(arguments.out) and os.path.exists(path) and os.path.samefile(arguments.out, path):
                raise ValueError(f"--out {arguments.out} is what is read; wanted another file")
    predictor, _ = files.load(arguments.model)
    target = predictor.target
    if arguments.probabilities and target.task != "classification":
        raise ValueError(f"--probabilities is for classes, and {arguments.model} predicts a number, {target.name!r}")
    table = reading.read_table(arguments.table, arguments.separator)
    for name in arguments.keep:
        if name not in table.frame.columns:
            raise reading.unknown_column(table.path, name, table.frame.columns)
    outputs = predictor.outputs(predictor.inputs(table.frame, table.path, arguments.allow_missing))
    if not arguments.quiet:
        for remark in predictor.remarks(table.frame, arguments.keep):
            print("\n".join(_report.paragraph(f"Note: {remark}.")), file=sys.stderr)
    columns = {name: table.frame[name] for name in arguments.keep}
    columns[_free(target.name, columns)] = target.decode(outputs)
    if arguments.probabilities:
        columns.update({_free(f"probability_{name}", columns): outputs[:, number]
                        for number, name in enumerate(target.classes)})  # fmt: skip
    result = reading.import_pandas().DataFrame(columns)
    if arguments.out:
        _write(result, arguments.out)
    if arguments.json:
        _report.print_json(_as_json(arguments, target, result, outputs))
    elif not arguments.out:
        result.to_csv(sys.stdout, index=False)
    elif not arguments.quiet:
        print(f"Predictions: {arguments.out} ({_report.count(len(result), 'row')})")


def _free(name: str, taken: Any) -> str:
    """The name, or one like it where the table's columns that are kept have it."""
    while name in taken:
        name = f"predicted_{name}"
    return name


def _write(result: Any, path: PathLikeStr) -> None:
    """As CSV, or Parquet where the name says so; whole or not at all."""
    from nncore import _files

    content = io.BytesIO()
    if str(path).lower().endswith((".parquet", ".pq")):
        result.to_parquet(content, index=False)
    else:
        result.to_csv(content, index=False, compression="gzip" if str(path).lower().endswith(".gz") else None)
    _files.replace(path, content.getvalue())


def _as_json(arguments: Any, target: Any, result: Any, outputs: Any) -> dict[str, Any]:
    report = {"model": arguments.model, "table": arguments.table, "target": target.name, "task": target.task,
              "rows": len(result)}  # fmt: skip
    if arguments.out:
        return {**report, "out": arguments.out}
    for name in arguments.keep:
        report.setdefault("kept", {})[name] = [None if value != value else value for value in result[name].tolist()]
    report["predictions"] = target.decode(outputs).tolist()
    if arguments.probabilities:
        report["probabilities"] = [dict(zip(target.classes, row, strict=True)) for row in outputs.tolist()]
    return report

"""`nncore evaluate`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ._arguments import add_model_and_table

if TYPE_CHECKING:
    import argparse

SUMMARY = "measure a model that 'nncore train' has written on a table with the target"

EXAMPLES = """\
  nncore evaluate houses.safetensors test.csv
  nncore evaluate churn.safetensors customers.parquet --json

The baseline is the mean, or the shares of the classes, of the training rows."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    add_model_and_table(parser, "print one JSON object")


def run(arguments: Any) -> None:
    """Read both, predict, compare."""
    import numpy as np

    from nncore._tables import files, metrics, reading

    from . import _report

    predictor, _ = files.load(arguments.model)
    target = predictor.target
    table = reading.read_table(arguments.table, arguments.separator)
    if target.name not in table.frame.columns:
        raise reading.unknown_column(table.path, target.name, table.frame.columns)
    y, known = target.read(table.frame[target.name])
    if not known.any():
        raise ValueError(f"{table.path} has no row whose target {target.name!r} the model knows; nothing to compare")
    frame = table.frame.iloc[np.flatnonzero(known)]
    outputs = predictor.outputs(predictor.inputs(frame, table.path, arguments.allow_missing))
    ours, baseline, name = metrics.measure(target, y[known], outputs)
    notes = predictor.remarks(frame)
    left_out = int((~known).sum())
    if left_out:
        notes.append(f"{_report.count(left_out, 'row')} without a target that the model knows left out")
    report = {"model": arguments.model, "table": table.path, "target": target.name, "task": target.task, "notes": notes,
              "measured_on": "all", "metrics": ours, "baseline": {"name": name, **baseline}}  # fmt: skip
    if not arguments.quiet:
        for note in notes:
            print("\n".join(_report.paragraph(f"Note: {note}.")), file=sys.stderr)
    if arguments.json:
        _report.print_json(report)
    else:
        print(_report.measured(report))

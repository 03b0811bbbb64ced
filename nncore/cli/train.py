"""`nncore train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._arguments import TABLE, add_separator, require_writable
from ._types import (
    layer_sizes,
    names,
    number_below_one,
    number_from_zero,
    path_ending_in,
    positive_number,
    share_or_path,
    whole_number,
)

if TYPE_CHECKING:
    import argparse

SUMMARY = "train a network to predict a column of a table, CSV or Parquet"

EXAMPLES = """\
  nncore train houses.csv --target price
  nncore train houses.csv --target price --out model.safetensors --seed 1
  nncore train customers.parquet --target churned --validation 0.2 --balanced
  nncore train sales.csv.gz --target units --drop comment,id --time-limit 60
  nncore train wine.csv --target quality --task regression --hidden 256,128 --json

The table's first line has the names of the columns. Numbers, categories, dates
and missing values are found by themselves, and what was found is printed. Part
of the rows is held out: it tells when to stop, and how good the network is. The
file that is written has all that 'nncore predict' and 'nncore evaluate' need.
docs/command-line.md says more."""

OPTIMIZERS = ("adamw", "adam", "nadam", "rmsprop", "lion", "sgd")
LOSSES = {"mse": "mean_squared_error", "mae": "mean_absolute_error", "huber": "huber"}
PASSED_ON = ("task", "seed", "epochs", "batch_size", "hidden", "activation", "dropout", "optimizer", "learning_rate",
             "weight_decay", "pieces", "patience", "time_limit", "balanced", "drop", "categories")  # fmt: skip
ACTIVATIONS = ("relu", "gelu", "silu", "selu", "elu", "tanh", "mish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("table", metavar="TABLE", help=TABLE)
    parser.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    parser.add_argument(
        "--out",
        type=path_ending_in(".safetensors"),
        metavar="PATH",
        help="where to write the model (default: the table's name with .safetensors, in the current folder)",
    )
    data = parser.add_argument_group("data")
    data.add_argument(
        "--task",
        choices=("regression", "classification"),
        help="whether to predict a number or a class (default: by the target)",
    )
    data.add_argument(
        "--validation",
        type=share_or_path,
        metavar="SHARE|FILE",
        help="the share of rows to hold out, or a table of such rows; 0 holds out none and trains to the end "
        "(default: 0.1, and 0.2 below 5000 rows)",
    )
    data.add_argument("--drop", type=names, default=[], metavar="COLUMNS", help="columns to leave out, as a,b,c")
    data.add_argument(
        "--categories", type=names, default=[], metavar="COLUMNS", help="columns to take for categories, as a,b,c"
    )
    add_separator(data)
    data.add_argument("--balanced", action="store_true", help="give all classes the same weight, however rare they are")
    network = parser.add_argument_group("network")
    network.add_argument(
        "--hidden",
        type=layer_sizes,
        metavar="SIZES",
        help="units of the hidden layers, as 128,64, or none (default: by rows)",
    )
    network.add_argument(
        "--activation", choices=ACTIVATIONS, default="relu", help="of the hidden layers (default: %(default)s)"
    )
    network.add_argument(
        "--dropout",
        type=number_below_one,
        metavar="SHARE",
        help="of the units behind each hidden layer (default: 0.1)",
    )
    network.add_argument(
        "--pieces",
        type=whole_number(0),
        metavar="N",
        help="into how many pieces numbers are cut besides, 0 for none (default: at most 32, by rows and columns)",
    )
    training = parser.add_argument_group("training")
    training.add_argument(
        "--epochs",
        type=whole_number(1),
        metavar="N",
        help="how often to go through the rows at most (default: by rows)",
    )
    training.add_argument(
        "--batch-size", type=whole_number(1), metavar="N", help="rows of a minibatch (default: by rows)"
    )
    training.add_argument(
        "--learning-rate",
        type=positive_number,
        metavar="A",
        help="the highest; it rises to it and falls to 0 as a cosine (default: by the optimizer, 0.003 for adamw)",
    )
    training.add_argument(
        "--weight-decay",
        type=number_from_zero,
        metavar="L",
        help="how fast weights shrink beside the gradient (default: for adamw 0.1, 0.3 below 5000 rows)",
    )
    training.add_argument(
        "--optimizer", choices=OPTIMIZERS, default="adamw", help="how weights change (default: %(default)s)"
    )
    training.add_argument(
        "--loss", choices=LOSSES, help="of a regression (default: mse, and huber where the target has extreme values)"
    )
    training.add_argument(
        "--patience",
        type=whole_number(1),
        metavar="N",
        help="stop after so many epochs without improvement (default: half of the epochs, at least 10)",
    )
    training.add_argument(
        "--time-limit",
        type=positive_number,
        metavar="S",
        help="train for so many seconds at most; the learning rate falls in time",
    )
    training.add_argument(
        "--seed",
        type=whole_number(0),
        default=0,
        metavar="N",
        help="of the split, the weights and the order (default: %(default)s)",
    )
    training.add_argument(
        "--threads", type=whole_number(1), metavar="N", help="threads (default: as many as the machine allows)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, and all else on the error stream")
    parser.add_argument("--quiet", action="store_true", help="print only the report, or the JSON object")


def run(arguments: Any) -> None:
    """Read, find out, train, write, report."""
    import nncore as nn
    from nncore._tables import reading

    from . import _report

    path = output_path(arguments)
    table = reading.read_table(arguments.table, arguments.separator)
    validation = arguments.validation
    if isinstance(validation, str):
        validation = reading.read_table(validation, arguments.separator)

    from nncore._tables import training

    if arguments.threads:
        nn.config.set_num_threads(arguments.threads)
    given = {name: getattr(arguments, name) for name in PASSED_ON}
    options = training.Options(validation=validation, loss=LOSSES.get(arguments.loss), bar=not arguments.quiet, **given)
    say = _report.printer(arguments.json, arguments.quiet)
    task = training.Task(table, arguments.target, options)
    description = _report.description(task)
    say(_report.columns_found(description))
    origin = {"trained_on": table.path, "rows": description["rows"]}
    try:
        predictor, trained = training.train(task, lambda chosen: say(_report.network_line(chosen)))
    except training.Interrupted as interrupt:
        interrupt.predictor.save(path, **origin)
        kept = f"interrupted; the model of the best epoch, {interrupt.epoch}, is in {path}"
        raise KeyboardInterrupt(kept) from None
    measured = training.results(predictor, task)
    predictor.save(path, **origin, **measured)
    report = {"nncore": nn.__version__, "model": str(path), **description, "training": trained, **measured}
    if arguments.json:
        _report.print_json(report)
    else:
        print(_report.trained(report))


def output_path(arguments: Any) -> Path:
    """Where the model goes; an error before the training where it cannot be written."""
    path = Path(arguments.out or default_name(arguments.table))
    require_writable(path)
    return path


def default_name(table: str) -> str:
    """The table's name without what says its form."""
    name = Path(table).name if table != "-" else "table"
    for suffix in (".gz", ".bz2", ".xz", ".csv", ".tsv", ".txt", ".parquet", ".pq", ".data"):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            name = name[: -len(suffix)]
    return f"{name}.safetensors"


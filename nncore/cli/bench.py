"""`nncore bench`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._types import positive_number, whole_number

if TYPE_CHECKING:
    import argparse

SUMMARY = "measure training steps beside the same steps in NumPy"

EXAMPLES = """\
  nncore bench
  nncore bench --seconds 30 --threads 1
  nncore bench --json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument(
        "--seconds",
        type=positive_number,
        default=10.0,
        metavar="S",
        help="measure for about so long in all (default: %(default)g)",
    )
    parser.add_argument(
        "--threads",
        type=whole_number(1),
        metavar="N",
        help="threads for either side (default: as many as nncore would use)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> None:
    """Print a table of microseconds per training step."""
    from nncore import _bench

    _bench.compare_with_numpy(arguments.seconds, arguments.threads, arguments.json)

"""`nncore info`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

SUMMARY = "print the version, the instruction set and the threads in use, the caches and the compiler"

EXAMPLES = """\
  nncore info
  nncore info --json
  NNCORE_ISA=generic NNCORE_NUM_THREADS=1 nncore info"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> None:
    """Print what describes this installation on this machine."""
    import nncore as nn

    if arguments.json:
        from . import _report

        _report.print_json(nn.config._installation())
    else:
        nn.config.show()

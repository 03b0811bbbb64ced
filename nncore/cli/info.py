"""`nncore info`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

SUMMARY = "print the version, the instruction set and the threads in use, the caches and the compiler"

EXAMPLES = """\
  nncore info
  NNCORE_ISA=generic NNCORE_NUM_THREADS=1 nncore info"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(arguments: argparse.Namespace) -> None:
    """Print what describes this installation on this machine."""
    import nncore as nn

    nn.config.show()

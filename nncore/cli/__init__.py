"""The command `nncore`.

Each command is a module of this package with `SUMMARY`, its line in the list of commands, `EXAMPLES`, the lines that
end its help, `add_arguments(parser)` and `run(arguments)`, which raises where it fails. The modules import what they
need when they run, so that asking for help costs nothing.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import TYPE_CHECKING

from nncore._version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (
    "train",
    "predict",
    "evaluate",
    "demo",
    "info",
    "bench",
)

# What a command raises for reasons that lie outside of it; anything else is a bug and keeps its traceback.
FAILURES = (OSError, ValueError, RuntimeError, ArithmeticError, MemoryError, ImportError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : list of str, optional
        The words after `nncore`; those of the process unless given.

    Returns
    -------
    int
        The exit code: 0, or 1 after a failure, which one line on the standard error stream describes. Wrong usage
        leaves through `SystemExit` with code 2, as argparse does. Ctrl-C gives 130, as in a shell.
    """
    chosen = command_parser().parse_args(arguments)
    try:
        chosen.run(chosen)
        # Here rather than at exit, where a reader that has gone could no longer be handled.
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Python flushes once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt as interrupt:
        print(f"nncore {chosen.command}: {str(interrupt) or 'interrupted'}", file=sys.stderr)
        return 130
    except FAILURES as error:
        message = " ".join(str(error).split()) or type(error).__name__
        print(f"nncore {chosen.command}: {message}", file=sys.stderr)
        return 1
    return 0


def command_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="nncore",
        description="Trains neural networks on the CPU.",
        epilog="'nncore COMMAND --help' describes a command.",
    )
    parser.add_argument("--version", action="version", version=f"nncore {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = importlib.import_module(f"{__name__}.{name}")
        command = commands.add_parser(
            name,
            help=module.SUMMARY,
            description=f"{module.SUMMARY[0].upper()}{module.SUMMARY[1:]}.",
            epilog=f"examples:\n{module.EXAMPLES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser

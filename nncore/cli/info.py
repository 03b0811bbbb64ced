"""`nncore info`."""

SUMMARY = "print the version, the instruction set and the threads in use, the caches and the compiler"

EXAMPLES = """\
  nncore info
  NNCORE_ISA=generic NNCORE_NUM_THREADS=1 nncore info"""


def add_arguments(parser):
    """There are none."""


def run(arguments):
    """Print what describes this installation on this machine."""
    import nncore as nn

    nn.config.show()

"""Measurements: kernels beside NumPy and the machine's own limits, training steps beside other libraries.

    python -m benchmarks                     everything, as Markdown tables
    python -m benchmarks --only kernels      or steps (nncore and NumPy), or peers (and what else is installed)
    pytest benchmarks --benchmark-only       the same cases under pytest-benchmark, to store and compare

An installed nncore is measured where there is one, else the one built in place.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]

# `python -m` puts the checkout first into the path. Its nncore/ has no compiled part unless it was built in place.
sys.path[:] = [path for path in sys.path if pathlib.Path(path).resolve() != ROOT] + [str(ROOT)]

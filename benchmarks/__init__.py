"""Measurements of nncore on this machine, as one Markdown page: docs/benchmarks.md.

    python -m benchmarks                            every section, printed
    python -m benchmarks --page FILE --json FILE    and written
    python -m benchmarks --only products,calls      some of them
    python -m benchmarks --only kernels             every kernel of every variant, which the page leaves out
    pytest benchmarks --benchmark-only              kernels and training steps under pytest-benchmark

One file measures one thing and writes its section of the page; `__main__.py` lists them. peers.py has the networks of
every library, contenders.py the processes that they run in, targets.py what nncore is to reach.

An installed nncore is measured where there is one, else the one built in place.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]

# `python -m` puts the checkout first into the path. Its nncore/ has no compiled part unless it was built in place.
sys.path[:] = [path for path in sys.path if pathlib.Path(path).resolve() != ROOT] + [str(ROOT)]

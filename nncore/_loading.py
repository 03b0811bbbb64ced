"""The first import of compiled code, which brings the OpenMP runtime into the process.

Where the environment asks for bound threads (OMP_PROC_BIND, OMP_PLACES, GOMP_CPU_AFFINITY), GNU's runtime binds the
thread that loads it to one processor: the program's main thread, with all threads and processes that it starts later.
It gets back what it had.
"""

import os

_allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None

from nncore import _engine  # noqa: E402, F401

if _allowed is not None and os.sched_getaffinity(0) != _allowed:
    os.sched_setaffinity(0, _allowed)

"""Short trainings under Valgrind's memcheck: ``python -m reliability.valgrind``.

Unlike AddressSanitizer it knows of every byte whether anything has been written there, and looks at the code that is
shipped: the compiled modules as they are, in their AVX2 variant, as it knows no AVX-512. What it says of CPython, NumPy
and the dynamic loader alone is left out by valgrind.supp.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from reliability import ROOT

# Reads numbers that nothing has written, and must be told about it.
FAULTY = """
import ctypes
import numpy as np
from nncore import _kernels
malloc = ctypes.CDLL(None).malloc
malloc.restype = ctypes.c_void_p
memory = np.frombuffer((ctypes.c_float * 64).from_address(malloc(256)), np.float32)
_kernels.run("require_finite", np.float32, {"values": memory}, (0, 64))
"""


def run(command, isa):
    """Runs Python with arguments under memcheck; returns how many errors it has found, the report, the exit code."""
    environment = {**os.environ, "PYTHONMALLOC": "malloc", "NNCORE_ISA": isa, "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        valgrind = ["valgrind", "--num-callers=20", "--leak-check=no", f"--log-file={log}",
                    f"--suppressions={Path(__file__).with_name('valgrind.supp')}"]  # fmt: skip
        done = subprocess.run([*valgrind, sys.executable, *command], cwd=ROOT, env=environment, check=False)
        report = log.read_text()
    summary = re.search(r"ERROR SUMMARY: ([\d,]+) errors", report)
    return int(summary[1].replace(",", "")) if summary else -1, report, done.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--isa", default="avx2", help="the variant, as NNCORE_ISA")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="how many, one after the other")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        parser.error("valgrind is needed")
    begin = time.monotonic()
    if run(["-c", FAULTY], options.isa)[0] <= 0:
        raise SystemExit("valgrind has not seen a fault that was made on purpose")
    command = ["-m", "reliability.short_trainings", "--threads", *map(str, options.threads)]
    errors, report, code = run(command, options.isa)
    if errors:
        print(report)
    print(f"valgrind: {errors} errors, exit code {code}; {time.monotonic() - begin:.0f} s")
    return 1 if errors or code else 0


if __name__ == "__main__":
    sys.exit(main())

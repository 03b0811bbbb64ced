"""`python -m benchmarks`: measures, prints tables, writes JSON."""

import argparse
import json
import os
import pathlib
import sys

# Kernels are measured on one core, and so is NumPy beside them: its BLAS counts threads when it is imported. The
# processes that measure training steps are given threads of their own.
for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[variable] = "1"


def parse(arguments):
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures nncore on this machine.")
    parser.add_argument("--quick", action="store_true", help="few cases, short times: to see that all runs")
    parser.add_argument("--json", metavar="FILE", help="write all results there")
    parser.add_argument("--threads", type=int, metavar="N", help="of training steps (default: nncore's)")
    parser.add_argument(
        "--only",
        choices=("kernels", "steps", "peers"),
        help="kernels; training steps of nncore and NumPy; those of every library that is installed",
    )
    chosen = parser.parse_args(arguments)
    if chosen.threads is not None and chosen.threads < 1:
        parser.error("--threads: wanted a whole number of at least 1")
    return chosen


def main(arguments=None):
    """Measures what the command line asks for."""
    chosen = parse(arguments)
    from . import kernels, machine, peak, peers, steps

    described = machine.describe(chosen.threads)
    machine.print_description(described)
    peaks = peak.measure_all()
    results = {"machine": described, "peaks": peaks}
    if peaks:
        peak.print_table(peaks)
    if chosen.only in (None, "kernels"):
        results["kernels"] = kernels.measure(peaks, chosen.quick)
    if chosen.only != "kernels":
        names = ["numpy", "nncore"] if chosen.only == "steps" else peers.installed()
        results["steps"] = steps.measure(names, described["threads"], peaks, chosen.quick)
    if chosen.json:
        pathlib.Path(chosen.json).write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

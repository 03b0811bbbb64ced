"""How much of the code the tests run: branches of the Python, and lines of the C.

    python -m reliability.coverage python [--quick] [--peers-python PYTHON] [--jobs N]
    python -m reliability.coverage c [--quick] [--keep FOLDER]

Both need the extras "test" and "quality"; the exit code is 1 below 95 %, which ``python --quick`` cannot reach.

``python`` runs the suite, and tests/peers where an interpreter for it is given, under coverage.py: the lines and
branches of nncore, child processes included, as pyproject.toml's [tool.coverage] says. Tests that only call kernels are
left out, and those in which signals strike anywhere; ``--quick`` runs a few of the rest and gives the sum alone.

``c`` builds a copy of the checkout with gcc's counters (NNCORE_COVERAGE=1 of setup.py), runs every kernel's cases and
programs that train, and lets gcovr add up. Lines of a kernel's template count once, whichever type and variant ran
them; variants that this machine cannot run are not built, and Cython's modules are not counted. ``--quick`` leaves out
the programs' longer half.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from reliability import ROOT

LEAST = 95  # per cent
OF_KERNELS = ("allocation", "emulated", "kernels", "math_accuracy", "matmul", "pacing")
STRIKING = ("life", "threads")  # signals and new threads by the hundreds, which strike coverage.py itself
BROAD = ("api", "callbacks", "checks", "errors", "frames", "losses", "optimizers", "saving", "shapes")
PROGRAMS = ("calls", "embed", "random")
MORE_PROGRAMS = ("matmul", "training", "recurrent", "convolution", "mixed", "custom", "process", "memmap")


def run(*command: object, folder: pathlib.Path = ROOT, **variables: str) -> int:
    """The exit code of a command, whose output goes on to ours."""
    print("+", *command, flush=True)
    return subprocess.run([str(part) for part in command], cwd=folder, env={**os.environ, **variables},
                          check=False).returncode  # fmt: skip


def of_python(options: argparse.Namespace) -> int:
    """Runs the suite under coverage.py, combines what all processes have counted, and reports."""
    apart = ["--ignore=peers", *(f"--ignore=test_{name}.py" for name in (*OF_KERNELS, *STRIKING, "sklearn"))]
    suite = [f"test_{name}.py" for name in BROAD] if options.quick else apart
    tests = ROOT / "tests"  # from where the installed package is seen, and not that of the checkout
    with tempfile.TemporaryDirectory() as folder:
        variables = {"COVERAGE_FILE": f"{folder}/data"}
        if any(ROOT.glob("nncore/_engine*.so")):  # built in place
            variables["PYTHONPATH"] = str(ROOT)
        coverage = [sys.executable, "-m", "coverage"]
        counted = ["-m", "coverage", "run", f"--rcfile={ROOT}/pyproject.toml", "-m", "pytest", "-q"]
        failed = run(sys.executable, *counted, "-n", options.jobs, *suite, folder=tests, **variables)
        if not options.quick:  # scikit-learn's own checks are hardly shared out
            failed |= run(sys.executable, *counted, "test_sklearn.py", folder=tests, **variables)
        if options.peers_python:
            failed |= run(options.peers_python, *counted, "peers", folder=tests, **variables)
        failed |= run(*coverage, "combine", "-q", **variables)
        if options.quick:
            failed |= run(*coverage, "report", "--format=total", "--fail-under=0", **variables)
        else:
            failed |= run(*coverage, "report", "--skip-covered", "--show-missing", **variables)
    return int(failed != 0)


def of_c(options: argparse.Namespace) -> int:
    """Builds with counters, runs kernels and programs, and adds up."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or pathlib.Path(temporary)
        folder.mkdir(exist_ok=True)
        made = shutil.ignore_patterns("__pycache__", "*.so", "_*.c", "embed.c")
        for name in ("src_c", "nncore", "shipping", "tests", "reliability"):
            shutil.copytree(ROOT / name, folder / name, ignore=made, dirs_exist_ok=True)
        for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, folder)
        processor = pathlib.Path("/proc/cpuinfo")
        able = processor.exists() and " avx512f " in processor.read_text()
        flags = {"NNCORE_COVERAGE": "1", "NNCORE_WITHOUT_AVX512": "0" if able else "1", "PYTHONPATH": str(folder)}
        failed = run(sys.executable, "setup.py", "-q", "build_clib", "build_ext", "--inplace", folder=folder, **flags)
        if failed:
            return 1
        failed |= run(sys.executable, "-m", "reliability._every_kernel", folder=folder, **flags)
        programs = [f"tests/test_{name}.py" for name in (PROGRAMS if options.quick else PROGRAMS + MORE_PROGRAMS)]
        failed |= run(sys.executable, "-m", "pytest", "-q", *programs, folder=folder, **flags)
        failed |= run(sys.executable, "-m", "gcovr", "--root", ".", "--filter", "src_c/", "--merge-lines", "--txt", "-",
                      "--gcov-ignore-parse-errors=all", "--fail-under-line", LEAST, folder=folder)  # fmt: skip
    return int(failed != 0)


def main() -> int:
    """One of the two reports."""
    parser = argparse.ArgumentParser(prog="python -m reliability.coverage", description=__doc__.split("\n")[0])
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    python = kinds.add_parser("python", help="branches of the Python")
    python.add_argument("--quick", action="store_true", help="a few tests, and the sum alone")
    python.add_argument("--peers-python", help="an interpreter with the extra 'peers' and coverage, for tests/peers")
    python.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="tests at a time")
    python.set_defaults(report=of_python)
    c = kinds.add_parser("c", help="lines of the C")
    c.add_argument("--quick", action="store_true", help="without the programs' longer half")
    c.add_argument("--keep", type=pathlib.Path, help="a folder for the copy, which stays")
    c.set_defaults(report=of_c)
    options = parser.parse_args()
    return int(options.report(options))


if __name__ == "__main__":
    sys.exit(main())

"""How much of the code the tests run: branches of the Python, lines of the C and of the Cython.

    python -m reliability.coverage python [--peers-python PYTHON] [--jobs N]
    python -m reliability.coverage c [--quick] [--keep FOLDER]

Both need the extras "test" and "quality"; the exit code is 1 below 95 %.

``python`` runs the suite, and tests/peers where an interpreter for it is given, under coverage.py: the lines and
branches of nncore, child processes included, as pyproject.toml's [tool.coverage] says. Tests that only call kernels are
left out.

``c`` builds a copy of the checkout with gcc's counters (NNCORE_COVERAGE=1 of setup.py), runs every kernel's cases and
programs that train, and lets gcovr add up. Lines of a kernel's template count once, whichever type and variant ran
them; variants that this machine cannot run are not built. ``--quick`` leaves out the programs' longer half.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

from reliability import ROOT

LEAST = 95  # per cent
OF_KERNELS = ("allocation", "emulated", "kernels", "math_accuracy", "matmul", "pacing")
PROGRAMS = ("calls", "embed", "matmul", "training", "random")
MORE_PROGRAMS = ("recurrent", "convolution", "mixed", "custom", "process", "graphs", "generators", "memmap", "errors")


def run(*command: object, folder: pathlib.Path = ROOT, **variables: str) -> int:
    """The exit code of a command, whose output goes on to ours."""
    print("+", *command, flush=True)
    return subprocess.run([str(part) for part in command], cwd=folder, env={**os.environ, **variables},
                          check=False).returncode  # fmt: skip


def of_python(options: argparse.Namespace) -> int:
    """Runs the suite under coverage.py, combines what all processes have counted, and reports."""
    failed = 0
    apart = [f"--ignore=tests/test_{name}.py" for name in (*OF_KERNELS, "sklearn")]
    with tempfile.TemporaryDirectory() as folder:
        variables = {"COVERAGE_FILE": f"{folder}/data", "PYTHONPATH": str(ROOT)}
        counted = ["-m", "coverage", "run", f"--rcfile={ROOT}/pyproject.toml", "-m", "pytest", "-q"]
        suite = ["-n", options.jobs, "--ignore=tests/peers", *apart, "tests"]
        failed |= run(sys.executable, *counted, *suite, **variables)
        failed |= run(sys.executable, *counted, "tests/test_sklearn.py", **variables)
        if options.peers_python:
            failed |= run(options.peers_python, *counted, "tests/peers", **variables)
        failed |= run(sys.executable, "-m", "coverage", "combine", "-q", **variables)
        failed |= run(sys.executable, "-m", "coverage", "report", "--skip-covered", "--show-missing", **variables)
    return int(failed != 0)


def of_c(options: argparse.Namespace) -> int:
    """Builds with counters, runs kernels and programs, and adds up."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or pathlib.Path(temporary)
        folder.mkdir(exist_ok=True)
        files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        subprocess.run(["tar", "--null", "-T", "-", "-cf", folder / "tree.tar"], cwd=ROOT, input=files, check=True)
        subprocess.run(["tar", "-xf", "tree.tar"], cwd=folder, check=True)
        processor = pathlib.Path("/proc/cpuinfo")
        able = processor.exists() and " avx512f " in processor.read_text()
        flags = {"NNCORE_COVERAGE": "1", "NNCORE_WITHOUT_AVX512": "0" if able else "1", "PYTHONPATH": str(folder)}
        failed = run(sys.executable, "setup.py", "-q", "build_clib", "build_ext", "--inplace", folder=folder, **flags)
        if failed:
            return 1
        tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        failed |= run(*tests, "-p", "reliability._in_process", "-k", "guard_pages", "tests/test_kernels.py",
                      folder=folder, **flags)  # fmt: skip
        names = PROGRAMS if options.quick else PROGRAMS + MORE_PROGRAMS
        failed |= run(*tests, *(f"tests/test_{name}.py" for name in names), folder=folder, **flags)
        gcovr = [sys.executable, "-m", "gcovr", "--root", ".", "--merge-lines", "--gcov-ignore-parse-errors=all"]
        run(*gcovr, "--filter", r"nncore/.*\.pyx$", "--txt", "-", folder=folder)
        failed |= run(*gcovr, "--filter", "src_c/", "--txt", "-", "--fail-under-line", LEAST, folder=folder)
    return int(failed != 0)


def main() -> int:
    """One of the two reports."""
    parser = argparse.ArgumentParser(prog="python -m reliability.coverage", description=__doc__.split("\n")[0])
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    python = kinds.add_parser("python", help="branches of the Python")
    python.add_argument("--peers-python", help="an interpreter with the extra 'peers' and coverage, for tests/peers")
    python.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="tests at a time")
    python.set_defaults(report=of_python)
    c = kinds.add_parser("c", help="lines of the C and of the Cython")
    c.add_argument("--quick", action="store_true", help="without the programs' longer half")
    c.add_argument("--keep", type=pathlib.Path, help="a folder for the copy, which stays")
    c.set_defaults(report=of_c)
    options = parser.parse_args()
    return int(options.report(options))


if __name__ == "__main__":
    sys.exit(main())

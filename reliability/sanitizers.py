"""The tests under the compiler's sanitizers: ``python -m reliability.sanitizers address`` or ``thread``.

What is compiled is built for them into a temporary folder, and the tests are run there with the sanitizers' runtimes
loaded before Python's own libraries. `address` means AddressSanitizer, UndefinedBehaviorSanitizer and, at the end of
every process, LeakSanitizer; `thread` means ThreadSanitizer, over a short training of each kind of network on 1 to 4
threads, or over tests that are named. What follows ``--`` goes to pytest.

All reports end up in files, as those of a process that a test starts would else be lost. Leaks that are not nncore's
are left out by `faults`: CPython, NumPy and others leave memory to the end of the process, and so do the constants
that Cython makes when a module is imported. Needs GCC, which has the runtimes.
"""

import argparse
import collections
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from reliability import ROOT

FOLDERS = ("benchmarks", "docs", "examples", "nncore", "reliability", "requirements", "shipping", "src_c", "tests")
FILES = ("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "README.md", "SECURITY.md", "pyproject.toml",
         "setup.py")  # fmt: skip
RUNTIMES = {"address": ("libasan.so", "libubsan.so", "libstdc++.so.6"), "thread": ("libtsan.so",)}
BUILDS = {"address": "address,undefined", "thread": "thread"}

# What measures time or allocations, needs a malloc of its own, emulates processors, or runs programs of documents.
ELSEWHERE = ("allocation", "documents", "emulated", "embedding_example", "examples", "math_accuracy", "mnist", "pacing")
# A part for every merge: plans of every kind of layer between guarded pages, what is refused, files, one row at a time.
QUICK = ("guarded_plans", "bad_sequences", "saving", "datasets", "calls", "embed")

SETTINGS = {
    # Leaks are told from those of others afterwards, so that they must not end the process with a code of their own.
    "ASAN_OPTIONS": "abort_on_error=1:exitcode=0:detect_leaks=1:allocator_may_return_null=1:detect_odr_violation=0:"
                    "fast_unwind_on_malloc=0:malloc_context_size=12",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "exitcode=0:die_after_fork=0:history_size=4",
}  # fmt: skip

# Each does what its sanitizer must see: writes behind an array, and writes into one from two threads at once.
FAULTY = {
    "address": """
relu(np.empty(16, np.float32))
""",
    "thread": """
threads = [threading.Thread(target=relu, args=(y,)) for y in [np.empty(64, np.float32)] * 2]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
""",
}
RELU = """
import threading
import numpy as np
from nncore import _kernels
def relu(y):
    x = np.ones(64, np.float32)
    sizes = {"features": 64, "x_stride": 64, "y_stride": 64}
    _kernels.run("relu_forward", np.float32, {"x": x, "y": y, **sizes}, (0, 1), repeats=20000)
"""


def copy_sources(folder):
    """Copies what a build and the tests need, and nothing that a build has left."""
    left = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__", "_*.c", "embed.c", "build")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=left, dirs_exist_ok=True)
    for name in FILES:
        shutil.copy2(ROOT / name, folder / name)


def build(sanitizer, folder):
    """Builds the compiled modules for a sanitizer beside the sources that are copied into a folder."""
    copy_sources(folder)
    environment = {"NNCORE_WITHOUT_AVX512": "1", **os.environ, "NNCORE_SANITIZE": BUILDS[sanitizer]}
    command = [sys.executable, "setup.py", "-q", "build_clib", "build_ext", "--inplace"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the build for {BUILDS[sanitizer]} has failed:\n{done.stderr[-4000:]}")


def runtimes(sanitizer):
    """Paths of the shared libraries that must be loaded first."""
    compiler = os.environ.get("CC", "cc").split()[0]
    paths = []
    for name in RUNTIMES[sanitizer]:
        path = subprocess.run([compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout
        if not os.path.isabs(path.strip()):
            raise SystemExit(f"{compiler} has no {name}: the sanitizers' runtimes of GCC are needed")
        paths.append(path.strip())
    return paths


def environment_for(sanitizer, folder, logs):
    """The environment of a process that runs what was built into a folder, and reports into another."""
    environment = {**os.environ, "LD_PRELOAD": ":".join(runtimes(sanitizer)), "PYTHONMALLOC": "malloc",
                   "PYTHONPATH": str(folder), "OPENBLAS_NUM_THREADS": "1"}  # fmt: skip
    for name, settings in SETTINGS.items():
        environment[name] = f"{settings}:log_path={logs / name.removesuffix('_OPTIONS').lower()}"
    return environment


def run(sanitizer, command, folder, logs, **options):
    """Runs Python with arguments in the folder of a build, under its sanitizer; returns the finished process."""
    # Where addresses are spread widely, ThreadSanitizer finds no room for its shadows.
    before = ["setarch", "-R"] if sanitizer == "thread" and shutil.which("setarch") else []
    if before and subprocess.run([*before, "true"], capture_output=True, check=False).returncode:
        before = []  # it is forbidden here
    environment = environment_for(sanitizer, folder, logs)
    return subprocess.run([*before, sys.executable, *command], cwd=folder, env=environment, check=False, **options)


def reports(logs):
    """Every report in the files of a folder, as a text each, which begins with one of these lines."""
    begins = r"(?m)^(?=.*(?:==\d+==ERROR|WARNING: ThreadSanitizer|runtime error:|(?:Direct|Indirect) leak of))"
    for path in sorted(logs.iterdir()):
        yield from re.split(begins, path.read_text(errors="replace"))[1:]


def is_ours(report):
    """Whether a frame of a report is in what nncore has compiled, while no module is being imported."""
    frames = re.findall(r"(?m)^ *#\d+ .*", report)
    return any(re.search(r"nncore/\w+\.(?:c:\d|cpython|abi3)|src_c/", frame) for frame in frames) and not any(
        "__pyx_pymod_exec" in frame for frame in frames
    )


def faults(logs):
    """The reports in a folder that are nncore's fault, and how many leaks of others there are."""
    found, others = collections.Counter(), 0
    for report in reports(logs):
        if "LeakSanitizer: detected memory leaks" in report:
            continue  # only the headline: leaks have reports of their own
        if " leak of " in report.split("\n", 1)[0] and not is_ours(report):
            others += 1
        else:
            found[report] += 1
    return found, others


def check_that_it_sees(sanitizer, folder):
    """Has nncore do what the sanitizer must report, and ends the program if it does not."""
    with tempfile.TemporaryDirectory() as logs:
        run(sanitizer, ["-c", RELU + FAULTY[sanitizer]], folder, Path(logs), capture_output=True)
        found, _ = faults(Path(logs))
    if not any(is_ours(report) for report in found):
        raise SystemExit(f"the {sanitizer} sanitizer has not seen a fault that was made on purpose")


def arguments_of(options, named):
    """What Python runs: pytest with the arguments that are named, or with its own, or the short trainings."""
    pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
    if named:
        return [*pytest, *named]
    if options.sanitizer == "thread":
        return ["-m", "reliability.short_trainings"]
    if options.quick:
        return [*pytest, *(f"tests/test_{name}.py" for name in QUICK)]
    return [*pytest, "tests", "--ignore=tests/peers", *(f"--ignore=tests/test_{name}.py" for name in ELSEWHERE)]


@contextlib.contextmanager
def folder_for(path):
    """The folder of a build: a temporary one, unless one is given that stays."""
    if path is None:
        with tempfile.TemporaryDirectory() as temporary:
            yield Path(temporary)
    else:
        path.mkdir(parents=True, exist_ok=True)
        yield path.resolve()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog="What follows -- goes to pytest.")
    parser.add_argument("sanitizer", choices=BUILDS)
    parser.add_argument("--quick", action="store_true", help="only the part of the tests that every merge goes through")
    parser.add_argument("--build", type=Path, help="folder that the build stays in, for the next time")
    given = sys.argv[1:]
    end = given.index("--") if "--" in given else len(given)
    options = parser.parse_args(given[:end])
    begin = time.monotonic()
    with folder_for(options.build) as folder, tempfile.TemporaryDirectory() as reported:
        build(options.sanitizer, folder)
        check_that_it_sees(options.sanitizer, folder)
        built = time.monotonic()
        done = run(options.sanitizer, arguments_of(options, given[end + 1 :]), folder, Path(reported))
        found, others = faults(Path(reported))
    for report, count in found.most_common():
        print(f"--- {count} times\n{report}")
    ended = time.monotonic()
    print(f"{options.sanitizer}: {found.total()} reports, {others} leaks of others, exit code {done.returncode}; "
          f"{built - begin:.0f} s for the build, {ended - built:.0f} s for the run")  # fmt: skip
    return 1 if found or done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())

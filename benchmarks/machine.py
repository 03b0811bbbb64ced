"""What is measured on what: processor, threads, versions, commit; and the most that the processor can do."""

import datetime
import os
import platform
import subprocess

import numpy as np

import nncore as nn
from nncore import _engine, config

from . import ROOT, page, peak, peers

TITLE = "The machine, and the most that it can do"
BUSY_LOAD = 0.5  # from which the page warns


def describe(threads=None):
    """A dict for the JSON output; all of its values are strings, numbers or lists.

    Parameters
    ----------
    threads : int, optional
        What training steps use; the default of nncore unless given.
    """
    return {
        "processor": config._processor(),
        "processors": os.cpu_count(),
        "caches": config._cache_sizes(),
        "platform": platform.platform(),
        "variant": nn.config.variant(),
        "variants": _engine.variants(),
        "threads": threads or nn.config.get_num_threads(),
        "threading": _engine.threading(),
        "compiler": _engine.compiler(),
        "commit": _commit(),
        "nncore": nn.__version__,
        "nncore_path": os.path.dirname(nn.__file__),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": _blas(),
        "load": _load(),
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def _commit():
    """The checkout's commit, with "+changes" where files differ from it; "unknown" outside a repository."""
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments):
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _blas():
    """The library behind NumPy's matrix products, as NumPy names it."""
    try:
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{blas['name']} {blas['version']}"
    except (KeyError, TypeError):
        return "unknown"


def _load():
    """Processes that wanted to run during the last minute: other work on the machine shows here."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def measure(run):
    """Section 1."""
    section = page.Section(TITLE, "machine")
    described = describe(run.threads)
    section.results = {**described, "packages": run.contenders.versions}
    packages = {package: version for found in run.contenders.versions.values() for package, version in found.items()}
    changed = ", and changes that are not committed" if described["commit"].endswith("+changes") else ""
    rows = {
        "processor": f"{described['processor']}, {page.count(described['processors'], 'logical processor')}",
        "caches, of a core": described["caches"],
        "system": described["platform"],
        "nncore": f"{described['nncore']}, commit {described['commit'].removesuffix('+changes')[:12]}{changed}",
        "variant": f"{described['variant']} (this machine can run {', '.join(described['variants'])})",
        "compiler of the kernels": described["compiler"],
        "threads": f"{described['threads']}, by {described['threading']}",
        "Python": described["python"],
        "NumPy": f"{described['numpy']}, with {described['blas']}",
        "beside": ", ".join(f"{name} {packages[name]}" for name in packages if name not in ("nncore", "numpy"))
        or page.NOTHING,
        "not installed, so left out": ", ".join(map(peers.title, run.contenders.missing)) or page.NOTHING,
        "measured": f"{described['time']}, at a load of {described['load']} before the run",
    }
    section.table(["", ""], [[name, str(value)] for name, value in rows.items()])
    if (described["load"] or 0) > BUSY_LOAD:
        section.text(
            "**The machine had other work when the run began. Its numbers are worse than they would be, those of "
            "several threads most of all.**"
        )
    section.heading("Limits")
    if run.limits is None:
        section.text(f"No limits were measured, and no shares of them are given: {run.no_limits}")
        return section
    section.text(
        f"The most that `benchmarks/peak.c` reaches with the vectors of {run.variant}, the best of {peak.ROUNDS} short "
        "rounds: multiply-adds on registers (two operations each), and passes over arrays of float32. *Map* reads an "
        "array and writes another, whose lines count twice, as the processor reads them before it writes; *update* "
        "reads and writes one. Each core has arrays of its own, of "
        f"{4 * peak.CACHED // 1024} KiB (cache) or {4 * peak.IN_MEMORY // 2**20} MiB (memory). Cores together run one "
        "thread each, pinned, and the slowest counts. Every share of a peak on this page is a share of these "
        "numbers."
    )
    headings = ["", "float32, GFLOP/s", "float64, GFLOP/s"]
    headings += [f"{kind}, {size}, GB/s" for size in peak.SIZES for kind in ("map", "update")]
    table = []
    for cores in reversed(run.thread_counts):
        measured = run.measured(cores)
        section.results[f"limits_{cores}"] = measured
        rates = [*measured["gflops"].values()]
        rates += [measured["gigabytes"][kind][size] for size in peak.SIZES for kind in ("map", "update")]
        label = "one core" if cores == 1 else f"{cores} cores together"
        table.append([label, *map(page.number, rates)])
    section.table(headings, table)
    return section

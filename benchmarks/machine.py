"""What a measurement was made on: processor, instruction sets, threads, versions, commit."""

import datetime
import os
import platform
import subprocess

import numpy as np

import nncore as nn
from nncore import _engine, config

from . import ROOT


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


def print_description(described):
    """Prints it as a Markdown list, before the tables."""
    shown = ("processor", "caches", "variant", "threads", "compiler", "commit", "nncore", "numpy", "blas", "load")
    for name in shown:
        print(f"- {name}: {described[name]}")
    print(flush=True)

"""Section 13: what nncore costs before it does anything: the time of its import, and its size on disk."""

import importlib.metadata
import importlib.util
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile

import nncore as nn

from . import ROOT, page, peers, targets

TITLE = "Import and size"
# What people import; scikit-learn's networks are not in its top module.
IMPORTS = {"nncore": "nncore", "torch": "torch", "jax": "jax, optax", "sklearn": "sklearn.neural_network"}
BUILT = ("nncore", "src_c", "pyproject.toml", "setup.py", "README.md", "LICENSE", "MANIFEST.in")


def import_seconds(python, modules, processes):
    """Median seconds that an import takes after NumPy's, and NumPy's own, of several new processes."""
    program = (
        "import time; begin = time.perf_counter(); import numpy; middle = time.perf_counter(); "
        f"import {modules}; print(middle - begin, time.perf_counter() - middle)"
    )
    paths = [str(pathlib.Path(nn.__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths if modules == "nncore" else paths[1:])),
    }
    seconds = []
    for _ in range(processes):
        finished = subprocess.run([python, "-c", program], cwd=tempfile.gettempdir(), env=environment,
                                  capture_output=True, text=True, check=True)  # fmt: skip
        seconds.append([float(word) for word in finished.stdout.split()])
    return [statistics.median(column) for column in zip(*seconds, strict=True)]


def installed_bytes(quick):
    """Bytes of nncore's installed files, and where they were counted."""
    folder = pathlib.Path(nn.__file__).resolve().parent
    if ROOT not in folder.parents:
        return _bytes_below(folder), "the installed package"
    reason = "not built for --quick"
    if not quick:
        try:
            return _wheel_bytes(), "a wheel, unpacked"
        except (OSError, subprocess.CalledProcessError) as error:
            reason = f"no wheel could be built ({type(error).__name__})"
    kept = [
        path for path in folder.rglob("*") if path.suffix in (".py", ".pyx", ".pxd", ".so", ".npz", ".txt", ".typed")
    ]
    return sum(path.stat().st_size for path in kept), f"the source tree; {reason}"


def _bytes_below(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")


def _wheel_bytes():
    """Builds a wheel of a copy of the checkout, without what builds in place have left."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = pathlib.Path(temporary, "nncore")
        copy.mkdir()
        unwanted = shutil.ignore_patterns("*.so", "*.o", "_*.c", "__pycache__")
        for name in BUILT:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=unwanted)
            elif source.is_file():
                shutil.copy(source, copy / name)
        # What the build needs is taken from here where it is here, else from the registry.
        here = all(importlib.util.find_spec(package) for package in ("Cython", "setuptools", "wheel"))
        isolation = ["--no-build-isolation"] if here else []
        subprocess.run(
            [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *isolation, "-w", temporary, str(copy)],
            capture_output=True,
            check=True,
        )
        (wheel,) = pathlib.Path(temporary).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return sum(entry.file_size for entry in archive.infolist())


def _dependencies():
    """Bytes of the installed packages that nncore needs besides NumPy, by name."""
    sizes = {}
    for name in ("safetensors", "tqdm"):
        files = importlib.metadata.files(name) or []
        paths = [pathlib.Path(file.locate()) for file in files if file.suffix != ".pyc"]
        sizes[name] = sum(path.stat().st_size for path in paths if path.is_file())
    return sizes


def measure(run):
    """Section 13."""
    section = page.Section(TITLE, "footprint")
    processes = 1 if run.quick else 11
    section.text(
        f"Seconds that an import takes in a process that has imported NumPy, by its clock: the median of "
        f"{page.count(processes, 'new process', 'new processes')}, with what they read in the system's cache."
    )
    rows = []
    for name in run.contenders.installed(*IMPORTS):
        numpy, beyond = import_seconds(run.contenders.python_of(name), IMPORTS[name], processes)
        section.results.append({"import": IMPORTS[name], "seconds": beyond, "numpy": numpy})
        said = ["", ""]
        if name == "nncore":
            wanted = f"≤ {targets.IMPORT_SECONDS:g}"
            met = beyond <= targets.IMPORT_SECONDS
            said = [wanted, section.target("import beyond NumPy, s", wanted, page.number(beyond), met)]
        rows.append([peers.title(name), page.number(numpy), page.number(beyond), *said])
    section.table(["", "NumPy, s", "the import beyond it, s", "target", ""], rows)
    size, where = installed_bytes(run.quick)
    sizes = {"nncore": size, **_dependencies()}
    section.text(
        f"Installed files beyond NumPy, without compiled Python: nncore as {where}; the two packages that "
        "it needs as they are installed here."
    )
    total = sum(sizes.values())
    wanted = f"≤ {targets.INSTALLED_BYTES / 1e6:g}"
    met = total <= targets.INSTALLED_BYTES
    lines = [[name, page.number(value / 1e6), "", ""] for name, value in sizes.items()]
    said = section.target("installed size beyond NumPy, MB", wanted, page.number(total / 1e6), met)
    lines.append(["together", page.number(total / 1e6), wanted, said])
    section.table(["", "MB", "target", ""], lines)
    section.results.append({"bytes": sizes, "counted": where})
    return section

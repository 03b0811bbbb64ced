"""Section 6: MNIST, from starting Python to an accuracy."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from . import ROOT, contenders, page, peers, targets
from .mnist_process import BATCH, EPOCHS, SIZES

TITLE = "MNIST"


def find(given=None):
    """The folder with MNIST's files, or None: the one given, NNCORE_MNIST, or where the tests look, or the cache."""
    from nncore.datasets import mnist

    named = given or os.environ.get("NNCORE_MNIST")
    places = [named] if named else [ROOT.parent / "shared" / "data" / "mnist", mnist.cache_folder() / "mnist"]
    for place in places:
        try:
            mnist.find_file(pathlib.Path(place), "train-images-idx3-ubyte")
        except FileNotFoundError:
            continue
        return pathlib.Path(place).resolve()
    return None


def run_process(run, name, seed):
    """What such a process does: seconds of each epoch, accuracies, seconds since its start, bytes."""
    python = sys.executable if name == "data" else run.contenders.python_of(name)
    command = [python, "-m", "benchmarks.mnist_process", name, str(run.threads), str(seed), str(run.mnist),
               str(targets.ACCURACY)]  # fmt: skip
    start = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=contenders.environment(run.threads),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        lines = [{**json.loads(line), "since_start": time.perf_counter() - start} for line in process.stdout]
    if process.returncode:
        run.contenders.note_failure(contenders.ContenderError(name, f"ended with exit code {process.returncode}"))
        return None
    epochs = [line for line in lines if "seconds" in line]
    accurate = [line["since_start"] for line in epochs if line["accuracy"] >= targets.ACCURACY]
    return {
        "epoch": statistics.median(line["seconds"] for line in epochs) if epochs else None,
        "epochs": epochs,
        "accuracy": epochs[EPOCHS - 1]["accuracy"] if epochs else None,
        "accurate": accurate[0] if accurate else None,
        "memory": lines[-1]["memory"],
    }


def measure(run):
    """Section 6."""
    section = page.Section(TITLE, "mnist")
    if run.mnist is None:
        section.text(
            "MNIST's files were not found: `--mnist FOLDER` or the variable `NNCORE_MNIST` names their folder."
        )
        return section
    runs = 1 if run.quick else 3
    names = run.contenders.installed(*(("nncore", "torch") if run.quick else ("nncore", "torch", "jax", "sklearn")))
    section.text(
        f"{'-'.join(map(str, SIZES))}, ReLU, Adam, minibatches of {BATCH}, shuffled, "
        f"{page.count(run.threads, 'thread')}. Each library runs in "
        f"{page.count(runs, 'new process', 'new processes')}, one for each seed, in turns; medians. "
        f"Seconds to {targets.ACCURACY:.1%} count from starting Python: imports, reading the compressed files, "
        "compilation, training, and a test after each epoch, until the first epoch whose test accuracy is reached. "
        "Memory is the process's peak, less what a process has that holds NumPy and the data as bytes. nncore reads "
        "the bytes; the others get float32, made before they start. JAX leaves out each epoch's last 96 rows."
    )
    base = run_process(run, "data", 0)["memory"]
    found = {name: [] for name in names}
    for seed in range(runs):
        for name in names:
            found[name].append(run_process(run, name, seed))
    found = {name: [one for one in each if one] for name, each in found.items()}
    found = {name: {key: _median(each, key) for key in ("epoch", "accuracy", "accurate", "memory")} | {"runs": each}
             for name, each in found.items() if each}  # fmt: skip
    section.results = {"base_memory": base, **found}
    section.table(
        ["", "an epoch, s", f"test accuracy after {EPOCHS} epochs",
         f"from starting Python to {targets.ACCURACY:.1%}, s", "peak memory beyond NumPy and data, MB"],
        [[peers.title(name), page.number(one["epoch"]), page.percent(one["accuracy"], 2), page.number(one["accurate"]),
          page.number((one["memory"] - base) / 1e6)] for name, one in found.items()],
    )  # fmt: skip
    if "nncore" in found:
        _check(section, found, base)
    return section


def _median(runs, key):
    values = [one[key] for one in runs]
    return None if None in values else statistics.median(values)


def _check(section, found, base):
    own, rows = found["nncore"], []

    def check(what, wanted, reached, met):
        rows.append([what, wanted, reached, section.target(f"MNIST: {what}", wanted, reached, met)])

    for what, key, limit, others in (
        ("seconds an epoch", "epoch", targets.EPOCH_SECONDS, targets.EPOCH_PEERS),
        (f"seconds to {targets.ACCURACY:.1%}", "accurate", targets.ACCURATE_SECONDS, targets.ACCURATE_PEERS),
    ):
        if own[key] is None:
            check(what, f"≤ {limit}", "not reached", False)
            continue
        check(what, f"≤ {limit}", page.number(own[key]), own[key] <= limit)
        for name, peer_seconds in others.items():
            if name in found and found[name][key]:
                wanted, reached = targets.peer_ratio(limit, peer_seconds), found[name][key] / own[key]
                check(f"{what}, {peers.title(name)} / nncore", f"≥ {page.number(wanted)}", page.number(reached),
                      reached >= wanted)  # fmt: skip
    memory = own["memory"] - base
    check("peak memory beyond NumPy and data, MB", f"≤ {targets.MEMORY_BYTES / 1e6:g}", page.number(memory / 1e6),
          memory <= targets.MEMORY_BYTES)  # fmt: skip
    section.text(page.OTHER_MACHINE)
    section.table(["", "target", "reached", ""], rows)

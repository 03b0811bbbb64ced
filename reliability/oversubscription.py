"""What more work than processors costs: four processes that train at once against two, predictions in eight threads.

Four processes may take 2.3 times as long as two, and eight threads that call `predict` of a model each 1.2 times as
long as one thread that makes all their calls. Both are medians over rounds, in which the two sides take turns. On a
machine of other than two cores the numbers of processes are those of its cores, and twice that.

python -m reliability.oversubscription --rounds 9
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np

import nncore as nn

PROCESSES_LIMIT, THREADS_LIMIT, THREADS = 2.3, 1.2, 8


def _data() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((8192, 256)).astype(np.float32), rng.integers(0, 10, 8192)


def _build(seed: int = 0) -> Any:
    dense = [nn.layers.Dense(256, activation="relu"), nn.layers.Dense(256, activation="relu"), nn.layers.Dense(10)]
    model = nn.Sequential([nn.Input((256,)), *dense], seed=seed)
    model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _train(epochs: int) -> None:
    """A process that trains when it is told so, line by line, and says when it is done."""
    x, y = _data()
    model = _build()
    model.fit(x, y, batch_size=128, verbose=0)
    print("ready", flush=True)
    for _ in sys.stdin:
        model.fit(x, y, batch_size=128, epochs=epochs, verbose=0)
        print("done", flush=True)


def _seconds_of_processes(children: list[Any]) -> float:
    begin = time.perf_counter()
    for child in children:
        child.stdin.write("train\n")
        child.stdin.flush()
    for child in children:
        child.stdout.readline()
    return time.perf_counter() - begin


def processes(rounds: int, epochs: int) -> list[float]:
    """The ratios of the seconds of twice as many processes as cores to those of as many."""
    cores = nn.config.get_num_threads()
    command = [sys.executable, "-m", "reliability.oversubscription", "--train", str(epochs)]
    children = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                for _ in range(2 * cores)]  # fmt: skip
    try:
        for child in children:
            child.stdout.readline()  # type: ignore[union-attr]
        ratios = []
        for _ in range(rounds):
            few = _seconds_of_processes(children[:cores])
            ratios.append(_seconds_of_processes(children) / few)
        return ratios
    finally:
        for child in children:
            child.stdin.close()  # type: ignore[union-attr]
        for child in children:
            child.wait()
            child.stdout.close()  # type: ignore[union-attr]


def threads(rounds: int, rows: int, calls: int) -> list[float]:
    """The ratios of the seconds of eight threads that predict to those of one that makes all calls."""
    x, _ = _data()
    models = [_build(seed) for seed in range(THREADS)]

    def work(model: Any) -> None:
        for _ in range(calls):
            model.predict(x[:rows], verbose=0)

    ratios = []
    for number in range(rounds + 1):
        begin = time.perf_counter()
        for model in models:
            work(model)
        one = time.perf_counter() - begin
        workers = [threading.Thread(target=work, args=(model,)) for model in models]
        begin = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if number:  # the first is to warm up
            ratios.append((time.perf_counter() - begin) / one)
    return ratios


def main(arguments: list[str] | None = None) -> int:
    """Measures, prints, and returns 1 where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--epochs", type=int, default=12, help="of each training")
    parser.add_argument("--train", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.train is not None:
        _train(options.train)
        return 0
    cores = nn.config.get_num_threads()
    trained = processes(options.rounds, options.epochs)
    results = [(f"{2 * cores} processes that train / {cores}", trained, PROCESSES_LIMIT)]
    for rows, calls in ((1, 4000), (64, 1000), (1024, 100), (8192, 12)):
        predicted = threads(options.rounds, rows, calls)
        results.append((f"{THREADS} threads that predict {rows} rows / one", predicted, THREADS_LIMIT))
    passed = True
    for name, ratios, limit in results:
        good = statistics.median(ratios) <= limit
        passed &= good
        print(f"{name}: {statistics.median(ratios):.2f} (of {min(ratios):.2f} to {max(ratios):.2f}), at most {limit}: "
              f"{'pass' if good else 'FAIL'}")  # fmt: skip
    print(f"oversubscription, medians over {options.rounds} rounds: {'pass' if passed else 'FAIL'}")
    return not passed


if __name__ == "__main__":
    sys.exit(main())

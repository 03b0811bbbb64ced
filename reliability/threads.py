"""Thousands of short-lived threads that train a step each: nothing stays behind, neither memory nor a thread.

python -m reliability.threads --threads 20000
"""

from __future__ import annotations

import argparse
import sys
import threading
import time

import numpy as np

import nncore as nn
from nncore import _engine, _plan

MEGABYTES = 4.0  # that the process may grow by


def _now() -> tuple[int, float]:
    """Threads of the process, and its memory in MB."""
    with open("/proc/self/status") as file:
        status = dict(line.split(":", 1) for line in file)
    return int(status["Threads"]), int(status["VmRSS"].split()[0]) / 1024


def main(arguments: list[str] | None = None) -> int:
    """Starts `--threads` threads, four at a time; returns 1 where threads or memory stay."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=4000)
    options = parser.parse_args(arguments)
    _plan.FLOPS_PER_THREAD = 1  # so that each thread gets a team of its own
    _engine.set_pacing(False)
    nn.config.set_num_threads(12)
    x, y = np.random.default_rng(0).standard_normal((64, 30)).astype(np.float32), np.arange(64) % 10
    models = []
    for seed in range(4):
        model = nn.Sequential([nn.Input((30,)), nn.layers.Dense(40, activation="relu"), nn.layers.Dense(10)], seed=seed)
        model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
        models.append(model)
    at_first, before = _now()
    for number in range(options.threads // len(models)):
        workers = [threading.Thread(target=model.train_on_batch, args=(x, y)) for model in models]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        if number == options.threads // len(models) // 4:
            before = _now()[1]
    deadline = time.monotonic() + 30
    while _now()[0] > at_first and time.monotonic() < deadline:
        time.sleep(0.01)  # a thread's team ends a little later than it
    threads, after = _now()
    steps = sum(model.optimizer.iterations for model in models)
    good = threads <= at_first and after - before < MEGABYTES and steps == options.threads // len(models) * len(models)
    print(f"{steps} steps in as many threads: {threads} threads are left of {at_first}, memory grew by "
          f"{after - before:.1f} MB over the last three quarters: {'pass' if good else 'FAIL'}")  # fmt: skip
    return not good


if __name__ == "__main__":
    sys.exit(main())

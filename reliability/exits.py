"""Interpreters that end while daemon threads train: no crash, no hang.

python -m reliability.exits --rounds 500 --seed 1
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys

from reliability import ROOT

PROGRAM = """
import signal, sys, threading, time
import numpy as np
import nncore as nn
from nncore import _engine, _plan
kind, delay, end = sys.argv[1], float(sys.argv[2]), sys.argv[3]
_plan.FLOPS_PER_THREAD = 1
_engine.set_pacing(False)
nn.config.set_num_threads(3)
x, y = np.random.default_rng(0).standard_normal((500, 30)).astype("f4"), np.arange(500) % 10

class Doubled(nn.layers.Layer):
    def forward(self, x, training=False):
        return 2 * x
    def backward(self, dy):
        return 2 * dy

def batches():
    while True:
        time.sleep(0.0004)
        yield x[:64], y[:64]

middle = [Doubled()] if kind == "python" else []
dense = [nn.layers.Dense(40, activation="relu"), *middle, nn.layers.Dense(10)]
model = nn.Sequential([nn.Input((30,)), *dense])
model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
model.train_on_batch(x[:8], y[:8])

def train():
    if kind == "generator":
        model.fit(batches(), steps_per_epoch=10**9, verbose=0)
    elif kind == "single":
        while True:
            model.train_on_batch(x[:64], y[:64])
    else:
        model.fit(x, y, epochs=10**9, verbose=0)

threading.Thread(target=train, daemon=True).start()
time.sleep(delay)
if end == "exit":
    sys.exit(3)
if end == "terminate":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    signal.raise_signal(signal.SIGTERM)
"""


def main(arguments: list[str] | None = None) -> int:
    """Ends `--rounds` interpreters; returns 1 where one crashed, hung, or said something."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    choices, wrong = random.Random(options.seed), 0
    for number in range(options.rounds):
        kind = ("arrays", "generator", "python", "single")[number % 4]
        end, code = choices.choice([("falls off", 0), ("exit", 3), ("terminate", 3)])
        command = [sys.executable, "-X", "faulthandler", "-c", PROGRAM, kind, str(choices.uniform(0, 0.1)), end]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=ROOT, check=False)
            if done.returncode != code or done.stderr:
                wrong += 1
                print(f"round {number}, {kind}, {end}: exit code {done.returncode}\n{done.stderr}")
        except subprocess.TimeoutExpired:
            wrong += 1
            print(f"round {number}, {kind}, {end}: hangs")
    print(f"{options.rounds} interpreters that ended while a daemon thread trained, {wrong} of them crashed or hung")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())

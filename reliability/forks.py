"""Forks at random moments: while threads train, after training, of children; each child trains to its parent's bits.

python -m reliability.forks --rounds 2000 --seed 1
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import select
import signal
import sys
import threading
import time
import warnings
from typing import Any

import numpy as np

import nncore as nn
from nncore import _engine, _plan

SECONDS = 60  # after which a child hangs


def _build(seed: int) -> Any:
    dense = [nn.layers.Dense(40, activation="relu"), nn.layers.Dense(10)]
    model = nn.Sequential([nn.Input((30,)), *dense], seed=seed)
    model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _data() -> tuple[Any, Any]:
    return np.random.default_rng(0).standard_normal((200, 30)).astype(np.float32), np.arange(200) % 10


def _trained(seed: int) -> bytes:
    model = _build(seed)
    model.fit(*_data(), verbose=0)
    digest = hashlib.sha256(model.predict(_data()[0], verbose=0).tobytes())
    for weight in model.weights:
        digest.update(weight.tobytes())
    return digest.digest()


def _in_child(seed: int, deep: int) -> bytes:
    """What a forked process, or a fork of a fork, has trained; nothing where it hangs or dies."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            os.write(writer, _in_child(seed, deep - 1) if deep > 1 else _trained(seed))
        finally:
            os._exit(0)
    os.close(writer)
    said = os.read(reader, 100) if select.select([reader], [], [], SECONDS)[0] else b""
    os.close(reader)
    if not said:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return said


def main(arguments: list[str] | None = None) -> int:
    """Forks `--rounds` times; returns 1 where a child hung, died or had other bits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore", DeprecationWarning)  # of Python's, about forks beside threads
    _plan.FLOPS_PER_THREAD = 1  # so that each region has all threads
    _engine.set_pacing(False)
    nn.config.set_num_threads(3)
    expected, choices, wrong = {}, random.Random(options.seed), 0
    end = threading.Event()

    def train() -> None:
        model = _build(9)
        while not end.is_set():
            model.fit(*_data(), verbose=0)

    beside = threading.Thread(target=train)
    beside.start()
    try:
        for number in range(options.rounds):
            seed, deep = choices.randrange(5), choices.choice([1, 1, 1, 2])
            if choices.random() < 0.5 or seed not in expected:
                expected[seed] = _trained(seed)  # so that this thread has a pool
            time.sleep(choices.uniform(0, 0.002))
            said: list[bytes] = []

            def fork(seed: int = seed, deep: int = deep, said: list[bytes] = said) -> None:
                said.append(_in_child(seed, deep))

            if choices.random() < 0.2:  # by a thread of its own
                thread = threading.Thread(target=fork)
                thread.start()
                thread.join()
            else:
                fork()
            if said != [expected[seed]]:
                wrong += 1
                print(f"round {number}, seed {seed}: {'a child hung or died' if said == [b''] else 'other bits'}")
    finally:
        end.set()
        beside.join()
    print(f"{options.rounds} forks beside a thread that trains, {wrong} children with other bits, hung or dead")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())

"""Handlers of signals that raise, anywhere in training: the model stays usable, and no bit of its training is another.

python -m reliability.signals --rounds 20000 --seed 1
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from typing import Any

import numpy as np

import nncore as nn


class StruckError(Exception):
    """What the handler raises."""


class _Strikes:
    """The handler: raises, and half of the times again a moment later, when what was struck may be cleaning up."""

    def __init__(self, moments: random.Random) -> None:
        self.moments, self.left = moments, 0

    def arm(self) -> None:
        self.left = self.moments.choice((1, 2))
        signal.setitimer(signal.ITIMER_REAL, self.moments.uniform(1e-5, 0.02))

    def disarm(self) -> None:
        self.left = 0
        signal.setitimer(signal.ITIMER_REAL, 0)

    def __call__(self, *_: object) -> None:
        if not self.left:
            return
        self.left -= 1
        if self.left:
            signal.setitimer(signal.ITIMER_REAL, self.moments.uniform(1e-6, 2e-4))
        raise StruckError


class _Predicts(nn.callbacks.Callback):
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.model.predict(np.ones((8, 30), np.float32), verbose=0)


def _build() -> Any:
    layers = [nn.Input((30,)), nn.layers.Dense(40, activation="relu"), nn.layers.Dropout(0.3), nn.layers.Dense(10)]
    model = nn.Sequential(layers, seed=3)
    model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def main(arguments: list[str] | None = None) -> int:
    """Strikes `--rounds` trainings at random moments, and trains a twin as many steps in peace."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    x, y = np.random.default_rng(0).standard_normal((64, 30)).astype(np.float32), np.arange(64) % 10

    def batches() -> Any:
        while True:
            time.sleep(0.0004)  # so that a thread makes the next one
            yield x, y

    # every way takes the same steps, so that a twin can take as many in one way
    ways = [
        lambda: model.fit(x, y, batch_size=64, epochs=20, verbose=0, shuffle=False),
        lambda: model.fit(x, y, batch_size=64, epochs=20, verbose=0, shuffle=False, callbacks=[_Predicts()]),
        lambda: model.fit(batches(), steps_per_epoch=20, verbose=0),
        lambda: [model.train_on_batch(x, y) for _ in range(20)],
    ]
    model, moments, struck, twice, kept = _build(), random.Random(options.seed), 0, 0, []
    strikes = _Strikes(moments)
    handler = signal.signal(signal.SIGALRM, strikes)
    try:
        for number in range(options.rounds):
            try:
                try:
                    strikes.arm()
                    ways[number % len(ways)]()
                except (StruckError, RuntimeError) as error:
                    struck += 1
                    again = isinstance(error.__context__, StruckError)
                    twice += again
                    if isinstance(error, RuntimeError) and not again:  # else of a lock of Python's that both struck
                        raise
                    kept[number % 20 :] = [error]  # what its frames hold is not let go
                strikes.disarm()
            except StruckError:  # in a line of ours; more than two do not come
                strikes.disarm()
            signal.pthread_sigmask(signal.SIG_BLOCK, ())  # where handlers of what has come already are run
            model.predict(x[:5], verbose=0)
            if not model.layers[0].trainable or model._lock.visitor is not None:
                print(f"round {number}: the model is not as it was")
                return 1
    finally:
        signal.signal(signal.SIGALRM, handler)
    twin = _build()
    for _ in range(model.optimizer.iterations):
        twin.train_on_batch(x, y)
    same = all(np.array_equal(a, b) for a, b in zip(model.weights, twin.weights, strict=True))
    print(f"{options.rounds} trainings of {len(ways)} kinds, {struck} of them struck by a signal, {twice} by another "
          f"while they cleaned up; {twin.optimizer.iterations} steps; "
          f"weights {'the same bits as' if same else 'DIFFERENT from'} a training in peace")  # fmt: skip
    return not same


if __name__ == "__main__":
    sys.exit(main())

"""One allocation after the other fails, in every kind of call: each is a MemoryError, and the model works afterwards.

Needs Linux with glibc, and a C compiler.

    python -m reliability.out_of_memory [--least BYTES]
"""

from __future__ import annotations

import argparse
import copy
import ctypes
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np

import nncore as nn

x = np.random.default_rng(0).normal(size=(200, 12)).astype(np.float32)
y = np.random.default_rng(1).normal(size=(200, 3)).astype(np.float32)


def compiled() -> nn.Model:
    """Layers of several kinds, an optimizer with clipping and accumulation."""
    inputs = nn.Input((12,))
    h = nn.layers.Dropout(0.2)(nn.layers.BatchNormalization()(nn.layers.Dense(40, activation="relu")(inputs)))
    model = nn.Model(inputs, nn.layers.Dense(3)(nn.layers.LSTM(7)(nn.layers.Reshape((5, 8))(h))))
    model.compile(nn.optimizers.Adam(clipnorm=1.0, gradient_accumulation_steps=2), "mse", metrics=["mae"])
    return model


def trained() -> nn.Model:
    """The same, with an optimizer that has state."""
    model = compiled()
    model.fit(x, y, batch_size=32, verbose=0)
    return model


def variables() -> Any:
    """For `apply`."""
    return nn.optimizers.Adam(), [np.ones((50, 60), np.float32)]


# What is made before, and the call in which an allocation fails. The library of safetensors ends the process where it
# gets none for small things, so that files are not among them.
CALLS: dict[str, Any] = {
    "fit": (compiled, lambda m: m.fit(x, y, batch_size=32, verbose=0, validation_split=0.1)),
    "fit of a generator": (compiled, lambda m: m.fit(((x[k : k + 20], y[k : k + 20]) for k in range(0, 200, 20)),
                                                     verbose=0)),
    "fit of converted data": (compiled, lambda m: m.fit(x[:, ::-1].astype(">f8"), y.tolist(), verbose=0)),
    "predict": (compiled, lambda m: m.predict(x)),
    "evaluate": (compiled, lambda m: m.evaluate(x, y, verbose=0)),
    "train_on_batch": (compiled, lambda m: [m.train_on_batch(x, y) for _ in range(3)]),
    "forward and backward": (compiled, lambda m: (m.forward(x, training=True), m.backward(y))),
    "value_and_gradients": (compiled, lambda m: m.value_and_gradients(x, y)),
    "deepcopy": (trained, copy.deepcopy),
    "pickle": (trained, lambda m: pickle.loads(pickle.dumps(m))),
    "apply": (variables, lambda s: s[0].apply([np.ones((50, 60), np.float32)], s[1])),
    "loss": (lambda: None, lambda _: nn.losses.CategoricalCrossentropy()(np.eye(30), np.full((30, 30), 1 / 30))),
    "metric": (lambda: None, lambda _: nn.metrics.AUC()(np.arange(300) % 2, np.linspace(0, 1, 300))),
}  # fmt: skip


def failures(shim: Any, prepare: Any, call: Any, least: int) -> int:
    """Lets each allocation of a call fail; returns how many there were."""
    nth = 0
    while True:
        nth += 1
        subject = prepare()
        shim.arm(nth, least)
        try:
            call(subject)
            refused = False
        except MemoryError:
            refused = True
        finally:
            failed = shim.disarm()
        if not failed and not refused:
            return nth - 1
        assert refused, "a call went on without memory"
        if isinstance(subject, nn.Model):
            subject.fit(x, y, batch_size=32, verbose=0)
            assert np.isfinite(subject.predict(x)).all()


def main() -> None:
    """Compiles what is preloaded, starts itself again with it, and tries all calls."""
    parser = argparse.ArgumentParser(prog="python -m reliability.out_of_memory", description=__doc__.splitlines()[0])
    parser.add_argument("--least", type=int, default=3000, help="bytes of the allocations that fail")
    options = parser.parse_args()
    library = os.environ.get("NNCORE_FAILING_ALLOCATIONS")
    if library is None:
        with tempfile.TemporaryDirectory() as folder:
            library = str(pathlib.Path(folder) / "out_of_memory.so")
            source = pathlib.Path(__file__).with_suffix(".c")
            subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
            environment = {**os.environ, "LD_PRELOAD": library, "NNCORE_FAILING_ALLOCATIONS": library}
            command = [sys.executable, "-m", "reliability.out_of_memory", *sys.argv[1:]]
            raise SystemExit(subprocess.run(command, env=environment).returncode)
    shim = ctypes.CDLL(library)
    shim.arm.argtypes = [ctypes.c_long, ctypes.c_long]
    count = 0
    for name, (prepare, call) in CALLS.items():
        call(prepare())  # what is imported later is there
        found = failures(shim, prepare, call, options.least)
        print(f"{name}: {found}", flush=True)
        count += found
    print(f"{count} allocations of {options.least} bytes or more failed in {len(CALLS)} kinds of calls, each with a "
          "MemoryError")  # fmt: skip


if __name__ == "__main__":
    main()

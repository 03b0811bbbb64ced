"""Programs that tests run in interpreters of their own: what ends, forks or limits a process."""

import os
import subprocess
import sys
import textwrap

# Three threads in every region, however small the model; `build` makes one, `bits` says what is in it.
PRELUDE = """
import os, sys, threading, time, warnings
import numpy as np
import nncore as nn
import nncore._engine, nncore._plan
warnings.simplefilter("ignore", DeprecationWarning)  # of Python's, about forks beside threads
nncore._plan.FLOPS_PER_THREAD = 1
nncore._engine.set_pacing(False)
nn.config.set_num_threads(3)
X = np.random.default_rng(0).standard_normal((500, 30)).astype("f4")
Y = np.arange(500) % 10

def build(seed=0, *middle):
    layers = [nn.Input((30,)), nn.layers.Dense(40, activation="relu"), *middle, nn.layers.Dense(10)]
    model = nn.Sequential(layers, seed=seed)
    model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model

def bits(model):
    return b"".join(weight.tobytes() for weight in model.weights)
"""


def run(code, *, prelude="", **environment):
    """Runs code in a fresh interpreter; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", prelude + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()

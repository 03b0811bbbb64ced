"""The OpenMP runtime as others see it: threadpoolctl finds it, and what it limits is limited."""

import os
import subprocess
import sys
import textwrap

import pytest

from nncore import _engine

pytest.importorskip("threadpoolctl", reason="threadpoolctl is not installed")
pytestmark = [
    pytest.mark.skipif(not _engine.threading().startswith("OpenMP"), reason="built without OpenMP: one thread"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts threads in Linux's /proc"),
]

# Every run of a plan gets all the threads that it may have, so that they can be counted. `train` begins anew each time.
PRELUDE = """
    import os, threading
    import numpy as np
    import nncore as nn
    import nncore._engine, nncore._plan
    from threadpoolctl import threadpool_info, threadpool_limits
    nncore._plan.FLOPS_PER_THREAD = 1
    nncore._engine.set_pacing(False)
    x = np.random.default_rng(0).standard_normal((2000, 30)).astype("f4")

    def train():
        model = nn.Sequential([nn.Input((30,)), nn.layers.Dense(40, activation="relu"), nn.layers.Dense(1)], seed=1)
        model.compile("adam", "mse")
        model.fit(x, x[:, :1], batch_size=500, verbose=0)
        return [w.copy() for w in model.weights]

    def tasks():
        return len(os.listdir("/proc/self/task"))
"""


def run(code, **environment):
    """Runs code behind the prelude in a fresh interpreter; returns what it printed."""
    code = textwrap.dedent(PRELUDE) + textwrap.dedent(code)
    env = {**os.environ, "OMP_NUM_THREADS": "4", **environment}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_threadpoolctl_lists_one_runtime_that_is_nncores():
    said = run("""
        with open("/proc/self/maps") as file:
            loaded = {line.split()[-1] for line in file if "omp" in os.path.basename(line.split()[-1])}
        listed = [pool for pool in threadpool_info() if pool["user_api"] == "openmp"]
        assert {os.path.realpath(pool["filepath"]) for pool in listed} == set(map(os.path.realpath, loaded)), loaded
        print(*[pool["num_threads"] for pool in listed])
    """)
    assert said == "4"


def test_limits_of_threadpoolctl_hold_and_end():
    said = run("""
        nn.config.set_num_threads(3)
        before = tasks()
        with threadpool_limits(1):
            one = train()
            print(tasks() - before)
        with threadpool_limits(2, user_api="openmp"):
            two = train()
            print(tasks() - before)
        three = train()
        print(tasks() - before)
        for other in (one, two):
            assert all((a == b).all() for a, b in zip(three, other))
    """)
    assert said.split() == ["0", "1", "2"]


def test_limits_hold_in_loops_of_ones_own_and_in_predictors():
    said = run("""
        nn.config.set_num_threads(3)
        model = nn.Sequential([nn.Input((30,)), nn.layers.Dense(40, activation="relu"), nn.layers.Dense(1)], seed=1)
        model.compile("adam", "mse")
        predictor = nn.embed.Predictor(model, threads=3, rows=2000)
        before = tasks()
        with threadpool_limits(1):
            for _ in range(3):
                model.train_on_batch(x, x[:, :1])
                model.predict_on_batch(x)
            predictor(x)
        print(tasks() - before)
        predictor(x)
        print(tasks() - before)
    """)
    assert said.split() == ["0", "2"]


def test_a_number_of_nncores_own_goes_beyond_openmps():
    said = run("""
        print(nn.config.get_num_threads())
        nn.config.set_num_threads(3)
        before = tasks()
        train()
        print(tasks() - before)
    """, OMP_NUM_THREADS="2")  # fmt: skip
    usual, more = said.split()
    assert int(usual) <= 2
    assert more == "2"


def test_a_limit_is_that_of_the_thread_which_sets_it():
    said = run("""
        nn.config.set_num_threads(3)
        most = []
        with threadpool_limits(1):
            before = tasks()
            train()
            assert tasks() == before
            other = threading.Thread(target=lambda: (train(), most.append(tasks())))
            other.start()
            other.join()
        print(most[0] - before)
    """)
    assert said == "3"  # that thread, and two for its team

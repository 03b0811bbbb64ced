"""The library inside other people's programs: threads, forks, signals, import."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import nncore as nn

X = np.random.default_rng(0).standard_normal((4000, 64)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 10, 4000)


def build(seed=0, width=128):
    model = nn.Sequential([nn.Input((64,)), nn.layers.Dense(width, activation="relu"), nn.layers.Dense(10)], seed=seed)
    model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def run(code, **environment):
    """Runs code in a fresh interpreter; returns what it printed."""
    code = textwrap.dedent(code)
    env = {**os.environ, **environment}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_one_model_from_two_threads_is_refused_and_not_harmed():
    model = build(width=512)
    alone = build(width=512)
    alone.fit(X, Y, epochs=3, verbose=0)
    refused, started = [], threading.Event()

    class Started(nn.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            started.set()

    worker = threading.Thread(target=lambda: model.fit(X, Y, epochs=3, verbose=0, callbacks=[Started()]))
    worker.start()
    started.wait(30)
    while worker.is_alive():
        try:
            model.predict(X[:1])
        except RuntimeError as error:
            refused.append(str(error))
    worker.join()
    assert refused
    assert "in use by another thread" in refused[0]
    assert all((a == b).all() for a, b in zip(alone.weights, model.weights, strict=True))


def test_models_in_many_threads_train_as_if_alone():
    alone = [build(seed) for seed in range(6)]
    for model in alone:
        model.fit(X, Y, verbose=0)
    together = [build(seed) for seed in range(6)]
    workers = [threading.Thread(target=m.fit, args=(X, Y), kwargs={"verbose": 0}) for m in together]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for a, b in zip(alone, together, strict=True):
        assert all((v == w).all() for v, w in zip(a.weights, b.weights, strict=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_training_goes_on_after_a_fork():
    code = """
        import os, warnings
        import numpy as np
        import nncore as nn
        import nncore._engine, nncore._plan
        warnings.simplefilter("ignore", DeprecationWarning)
        nncore._plan.FLOPS_PER_THREAD = 1
        nncore._engine.set_pacing(False)
        nn.config.set_num_threads(3)
        x = np.random.default_rng(0).standard_normal((500, 30)).astype("f4")
        y = np.arange(500) % 10
        model = nn.Sequential([nn.Input((30,)), nn.layers.Dense(40, activation="relu"), nn.layers.Dense(10)])
        model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
        model.fit(x, y, verbose=0)
        reader, writer = os.pipe()
        child = os.fork()
        model.fit(x, y, epochs=3, verbose=0)
        digest = repr([float(w.sum()) for w in model.weights])
        if child == 0:
            os.write(writer, digest.encode())
            os._exit(0)
        os.waitpid(child, 0)
        assert os.read(reader, 1000).decode() == digest
        print("same")
    """
    assert run(code) == "same"


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_stops_fit_soon_and_leaves_a_usable_model():
    code = """
        import os, signal, threading, time
        import numpy as np
        import nncore as nn
        x = np.random.default_rng(0).standard_normal((20000, 300)).astype("f4")
        y = np.arange(20000) % 10
        model = nn.Sequential([nn.Input((300,)), nn.layers.Dense(300, activation="relu"), nn.layers.Dense(10)])
        model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
        sent = []
        def interrupt():
            time.sleep(0.7)
            sent.append(time.perf_counter())
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt).start()
        try:
            model.fit(x, y, epochs=10000, verbose=0)
        except KeyboardInterrupt:
            took = time.perf_counter() - sent[0]
        steps = model.optimizer.iterations
        twin = nn.Sequential([nn.Input((300,)), nn.layers.Dense(300, activation="relu"), nn.layers.Dense(10)])
        twin.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
        per_epoch = 625
        twin.fit(x, y, epochs=steps // per_epoch, verbose=0) if steps >= per_epoch else None
        if steps % per_epoch:
            twin.fit(x, y, epochs=1, steps_per_epoch=steps % per_epoch, verbose=0)
        assert twin.optimizer.iterations == steps
        assert all((a == b).all() for a, b in zip(model.weights, twin.weights))
        model.fit(x, y, epochs=1, steps_per_epoch=5, verbose=0)
        print(took)
    """
    assert float(run(code)) < 0.1 * 3  # three times what is promised: the machine of a test may be busy


def test_import_is_light_and_starts_no_thread():
    code = """
        import os, sys, time
        import numpy
        before = set(sys.modules)
        start = time.perf_counter()
        import nncore
        seconds = time.perf_counter() - start
        threads = len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else 1
        heavy = {"tqdm", "safetensors", "matplotlib", "sklearn", "scipy", "pandas", "torch"} & set(sys.modules)
        print(seconds, threads, sorted(heavy))
    """
    # compiled modules, as an installed package has them
    results = [run(code, OPENBLAS_NUM_THREADS="1", PYTHONDONTWRITEBYTECODE="").split(" ", 2) for _ in range(5)]
    assert min(float(r[0]) for r in results) < 0.05
    assert all(r[1:] == ["1", "[]"] for r in results)


def test_environment_variables():
    show = "import nncore as nn; print(nn.config.variant(), nn.config.get_num_threads())"
    assert run(show, NNCORE_ISA="generic", NNCORE_NUM_THREADS="3") == "generic 3"
    for name, value, message in (
        ("NNCORE_ISA", "avx3", "no such variant"),
        ("NNCORE_NUM_THREADS", "0", "at least 1"),
        ("NNCORE_NUM_THREADS", "many", "whole number"),
    ):
        done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=False,
                              env={**os.environ, name: value})  # fmt: skip
        assert done.returncode != 0
        assert name in done.stderr
        assert message in done.stderr


def test_threads_context(capsys):
    before = nn.config.get_num_threads()
    with nn.config.threads(5):
        assert nn.config.get_num_threads() == 5
    assert nn.config.get_num_threads() == before
    with pytest.raises(RuntimeError), nn.config.threads(2):
        raise RuntimeError
    assert nn.config.get_num_threads() == before
    nn.config.show()
    text = capsys.readouterr().out
    for word in ("nncore", "variant", "threads", "threading", "caches", "compiler"):
        assert word in text


def test_signal_handlers_are_left_alone():
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

"""Data in mapped files: the same training, in a window of memory."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import nncore as nn
from nncore import _data, _mapped

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((3000, 6)).astype(np.float32)
Y = X.sum(1, keepdims=True)

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems are left to themselves")


def trained(x, y, batch_size=32):
    model = nn.Sequential([nn.Input((6,)), nn.layers.Dense(4, activation="tanh"), nn.layers.Dense(1)], seed=1)
    model.compile("adam", "mse")
    history = model.fit(x, y, epochs=2, batch_size=batch_size, verbose=0, validation_split=0.1).history
    return history, model.evaluate(x, y, verbose=0), model.predict(x, verbose=0).tolist()


@pytest.fixture
def files(tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    return tmp_path


@pytest.fixture
def windows(monkeypatch):
    """All mappings count as large, windows are of few rows; returns how often they were given back."""
    given_back = []
    monkeypatch.setattr(_mapped, "LEAST_BYTES", 1)
    monkeypatch.setattr(_mapped, "WINDOW_BYTES", 100 * _mapped.AROUND)
    give_back = _mapped.MappedRows.give_back
    monkeypatch.setattr(_mapped.MappedRows, "give_back", lambda self: (given_back.append(1), give_back(self)))
    return given_back


@linux
@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_mapped_files_train_as_arrays(files, windows, monkeypatch, mode, cold):
    if cold:
        monkeypatch.setattr(_mapped, "_memory", lambda: 0)
    x, y = (np.load(files / f"{name}.npy", mmap_mode=mode) for name in "xy")
    wanted = trained(X, Y, batch_size=7)
    assert windows == []
    assert trained(x, y, batch_size=7) == wanted
    assert bool(windows) == (mode != "c")  # what is written privately would be lost
    turned = trained(X[::-1], np.asfortranarray(Y)[::-1])
    assert trained(x[::-1], y[::-1]) == turned


@linux
@pytest.mark.parametrize("mode", ["r+", "c"])
def test_what_was_written_stays(files, windows, mode):
    x, y = np.load(files / "x.npy", mmap_mode=mode), np.load(files / "y.npy", mmap_mode=mode)
    x[5], y[5] = 0.25, 0.5
    trained(x, y)
    assert (x[5] == 0.25).all()
    assert (y[5] == 0.5).all()
    np.testing.assert_array_equal(x[6:], X[6:])


@linux
def test_columns_of_a_mapped_file(files, windows, monkeypatch):
    monkeypatch.setattr(_mapped, "_memory", lambda: 0)
    np.save(files / "columns.npy", np.asfortranarray(X))
    x = np.load(files / "columns.npy", mmap_mode="r")
    assert not x.flags.c_contiguous
    assert trained(x, Y) == trained(X, Y)
    assert windows


def test_sources_are_the_files(files):
    x = np.load(files / "x.npy", mmap_mode="r")
    for data in (x, x[10:20], x[::2], np.asarray(x)):
        assert np.shares_memory(_data.features(data, (6,), np.dtype("float32"), "layer").array, x)
    assert _mapped.MappedRows.find([_data.features(x, (6,), np.dtype("float32"), "layer")]) is None  # it is small


@linux
def test_stopping_and_hooks_between_windows(files, windows):
    x, seen = np.load(files / "x.npy", mmap_mode="r"), []

    class Stop(nn.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(batch)
            self.model.stop_training = batch == 5

    model = nn.Sequential([nn.Input((6,)), nn.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(x, Y, verbose=0, callbacks=[Stop()])
    assert seen == list(range(6))


LARGE = """
    import resource, sys
    import numpy as np

    import nncore as nn
    from nncore import _mapped

    _mapped._memory = lambda: 1 << 30  # as on a machine that has no more
    path, steps = sys.argv[1], int(sys.argv[2])
    rows, features = 1 << 20, 4096  # 4 GiB
    with open(path, "wb") as file:
        file.truncate(rows * features)
    resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
    x = np.memmap(path, np.uint8, "r", shape=(rows, features))
    y = np.ones(rows, np.float32)
    model = nn.Sequential([nn.Input((features,)), nn.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(x, y, batch_size=1024, steps_per_epoch=steps or None, verbose=0)
    model.predict(x[:: 64 if steps else 1], verbose=0)
    model.predict(x[: 1 << 18 | 1 << 16], verbose=0)  # more than 1 GiB, in order
    print(model.layers[0].bias[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@linux
@pytest.mark.parametrize("steps", [32, pytest.param(0, marks=pytest.mark.slow)])
def test_four_gigabytes_in_one(tmp_path, steps):
    """A shuffled training on 4 GiB, of which minibatches come from everywhere, by a process that may have 1 GiB.

    The limit is on memory of its own, which a copy of the data would need. Pages of mapped files do not count there;
    all pages that were ever resident at once, these among them, are measured beside. The file is empty on the disk.
    """
    path = tmp_path / "data"
    try:
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(LARGE), str(path), str(steps)], text=True,
                              capture_output=True, timeout=1800)  # fmt: skip
    finally:
        if path.exists():
            os.unlink(path)
    assert done.returncode == 0, done.stderr
    bias, megabytes = done.stdout.split()
    assert float(bias) > 0.1
    assert int(megabytes) < 1024

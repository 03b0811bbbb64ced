"""Memory that cannot be had is a MemoryError, which leaves model and file as they were; no part ends the process."""

import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load

from nncore.models.saving import _layout

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux's")

PREPARE = """
import gc, resource, sys
import numpy as np
import nncore as nn

path = sys.argv[1]
def limited(mebibytes):  # of addresses beyond those in use
    in_use = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (in_use + (mebibytes << 20) if mebibytes else hard, hard))
def refused(function):
    try:
        function()
    except MemoryError:
        return True
    return False
nn.config.set_num_threads(1)
"""

FILES = """
large = nn.Sequential([nn.Input((2000,)), nn.layers.Dense(8000, use_bias=False, kernel_initializer="zeros")])
small = nn.Sequential([nn.Input((4,)), nn.layers.Dense(3)])
small.save(path)  # what is imported by then is there
nn.models.load_model(path)
for write in (large.save, large.save_weights):
    limited(20)
    assert refused(lambda: write(path)), write
    limited(0)
    assert (nn.models.load_model(path).get_weights()[0] == small.get_weights()[0]).all()
large.save(path)
limited(20)
assert refused(lambda: nn.models.load_model(path))
assert refused(lambda: large.load_weights(path))
limited(0)
assert nn.models.load_model(path).count_params() == large.count_params()
"""

CALLS = """
model = nn.Sequential([nn.Input((64,)), nn.layers.Dense(64, activation="relu"), nn.layers.BatchNormalization(),
                       nn.layers.Dense(1)])
twin = nn.Sequential.from_config(model.get_config())
for one in (model, twin):
    one.compile(nn.optimizers.Adam(), "mse")
rows = 200_000
x, y = np.ones((1, 64), np.float32).repeat(rows, 0), np.zeros((rows, 1), np.float32)
limited(40)
calls = {
    "fit": lambda: model.fit(x, y, batch_size=rows, verbose=0),
    "evaluate": lambda: model.evaluate(x.astype(">f8"), y, verbose=0),
    "train_on_batch": lambda: model.train_on_batch(x, y),
    "forward": lambda: model.forward(x, training=True),
    "value_and_gradients": lambda: model.value_and_gradients(x, y),
    "predict": lambda: model.predict(x[:, ::-1].repeat(3, 0)),
    "a larger model": lambda: nn.Sequential([nn.Input((64,)), nn.layers.Dense(10**6)]),
    "add": lambda: twin.add(nn.layers.Dense(10**8)),
}
for name, call in calls.items():
    assert refused(call), name
limited(0)
assert len(twin.layers) == 3
for one in (model, twin):  # nothing has changed, and both train
    one.fit(x[:1000], y[:1000], verbose=0)
assert model.optimizer.iterations == twin.optimizer.iterations == 32
assert all((a == b).all() for a, b in zip(model.get_weights(), twin.get_weights()))
"""

LEAKS = """
model = nn.Sequential([nn.Input((64,)), nn.layers.Dense(256, activation="relu"), nn.layers.Dense(1)])
model.compile(nn.optimizers.Adam(), "mse")
rows = 100_000
x, y = np.ones((rows, 64), np.float32), np.zeros((rows, 1), np.float32)
def resident():
    gc.collect()  # plans that were not finished, which are in cycles
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
limited(100)
for time in range(30):
    assert refused(lambda: model.train_on_batch(x, y))
    if time == 4:
        before = resident()
assert resident() - before < 1 << 20, resident() - before
"""


@pytest.mark.parametrize("program", [FILES, CALLS, LEAKS], ids=["files", "calls", "leaks"])
def test_memory_that_cannot_be_had(program, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PREPARE + program, str(tmp_path / "m.safetensors")],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


def test_files_are_those_of_the_format():
    """What the library reads of a file that is laid out here: types, shapes and alignment."""
    tensors = {
        "single": np.arange(5, dtype=np.float32), "double": np.float64(3) * np.ones(()), "none": np.zeros((2, 0)),
        "boolean": np.array([True, False]), "large": np.arange(3), "half": np.arange(4, dtype=np.float16),
        "bytes": np.arange(3, dtype=np.uint8), "foreign": np.arange(6, dtype=">i4").reshape(2, 3),
    }  # fmt: skip
    header, arrays = _layout(tensors, {"ü": 'a "text"'})
    assert len(header) % 8 == 0
    read = load(b"".join([len(header).to_bytes(8, "little"), header, *arrays]))
    assert read.keys() == tensors.keys()
    for name, array in tensors.items():
        assert read[name].shape == array.shape
        assert read[name].dtype == array.dtype.newbyteorder("=")
        assert (read[name] == array).all()

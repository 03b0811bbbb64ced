"""PyTorch, scikit-learn and nncore in one process, each with an OpenMP runtime of its own."""

import itertools
import os
import subprocess
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

PROGRAM = """
import hashlib, os, sys, threading, warnings
for name in sys.argv[1].split():
    __import__(name)
import numpy as np, torch, sklearn, nncore as nn
from sklearn.ensemble import HistGradientBoostingClassifier
import nncore._engine, nncore._plan
warnings.simplefilter("ignore", DeprecationWarning)
nncore._plan.FLOPS_PER_THREAD = 1
nncore._engine.set_pacing(False)
nn.config.set_num_threads(3)
x = np.random.default_rng(0).standard_normal((500, 30)).astype("f4")
y = np.arange(500) % 3

def ours():
    model = nn.Sequential([nn.Input((30,)), nn.layers.Dense(40, activation="relu"), nn.layers.Dense(3)], seed=0)
    model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(x, y, epochs=2, verbose=0)
    return hashlib.sha256(model.predict(x, verbose=0).tobytes()).hexdigest()

def torchs():
    torch.manual_seed(0)
    module = torch.nn.Linear(30, 3)
    for _ in range(5):
        torch.nn.functional.cross_entropy(module(torch.from_numpy(x)), torch.from_numpy(y)).backward()
    return float(module.weight.grad.sum())

def sklearns():
    return HistGradientBoostingClassifier(max_iter=3, random_state=0).fit(x, y).predict(x).tolist()

class Nested(nn.layers.Layer):
    # the others' regions inside one of ours
    def forward(self, x, training=False):
        torchs(), sklearns()
        return x
    def backward(self, dy):
        return dy

alone = ours(), torchs(), sklearns()
for _ in range(2):
    assert (ours(), torchs(), sklearns()) == alone
model = nn.Sequential([nn.Input((30,)), nn.layers.Dense(40), Nested(), nn.layers.Dense(3)], seed=0)
model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
model.train_on_batch(x, y)
found = {}
works = [ours, torchs, sklearns] * 2
def work(number):
    found[number] = works[number]()
threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert [found[number] for number in range(6)] == [*alone, *alone]
print(alone[0])
"""


def test_three_runtimes_in_any_order_of_imports():
    """The same bits, whichever comes first; in turn, nested, and side by side in threads."""
    digests = set()
    for order in list(itertools.permutations(("nncore", "torch", "sklearn")))[::2]:
        done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", PROGRAM, " ".join(order)], env=os.environ,
                              capture_output=True, text=True, timeout=300, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout)
    assert len(digests) == 1

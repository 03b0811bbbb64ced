"""The same bits, for more networks, optimizers and cuts of a run than test_reproducible.py has."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import test_shapes
from test_shapes import CASES as SHAPES

import nncore as nn
import nncore._plan
from nncore import _engine

STEPS = 200
NETWORKS = {  # layer sizes, rows of a minibatch, activation, loss
    "37-53-11 by 19": ((37, 53, 11), 19, "relu", "sparse_categorical_crossentropy"),
    "4-32-16-4 by 2,000": ((4, 32, 16, 4), 2000, "tanh", "mse"),
    "784-128-10 by 32": ((784, 128, 10), 32, "relu", "sparse_categorical_crossentropy"),
    "64-64-10 by 1": ((64, 64, 10), 1, "sigmoid", "sparse_categorical_crossentropy"),
    "1,100-70-1 by 65": ((1100, 70, 1), 65, "tanh", "mse"),
}
OPTIMIZERS = {
    "adam": nn.optimizers.Adam,
    "momentum": lambda: nn.optimizers.SGD(0.05, momentum=0.9),
}
every_network = pytest.mark.parametrize("name", NETWORKS)
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS)
every_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture
def all_threads(monkeypatch):
    """Plans use as many threads as they are given, however little there is to do."""
    monkeypatch.setattr(nncore._plan, "FLOPS_PER_THREAD", 1)
    _engine.set_pacing(False)
    yield
    _engine.set_pacing(True)


def build(name, optimizer, dtype, dropout=0.0):
    sizes, _, activation, loss = NETWORKS[name]
    layers = [nn.Input((sizes[0],))]
    for units in sizes[1:-1]:
        layers += [nn.layers.Dense(units, activation=activation), nn.layers.Dropout(dropout)]
    last = nn.layers.Dense(sizes[-1], activation=None if loss == "mse" else "softmax")
    model = nn.Sequential([*layers, last], dtype=dtype, seed=3)
    model.compile(OPTIMIZERS[optimizer](), loss)
    return model


def data(name, steps):
    """Rows for an epoch of `steps` minibatches, the last of them smaller where they have several rows."""
    sizes, minibatch, _, loss = NETWORKS[name]
    random = np.random.default_rng(2)
    rows = steps * minibatch - minibatch // 3
    x = random.standard_normal((rows, sizes[0])).astype(np.float32)
    return x, random.standard_normal((rows, sizes[-1])) if loss == "mse" else random.integers(0, sizes[-1], rows)


def digest(model):
    assert all(np.isfinite(w).all() for w in model.weights)
    arrays = [*model.weights, *model.optimizer.variables]
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()


def trained(name, optimizer, dtype):
    """A digest of weights, optimizer and losses after 200 steps."""
    model = build(name, optimizer, dtype)
    x, y = data(name, steps=10)
    history = model.fit(x, y, batch_size=NETWORKS[name][1], epochs=STEPS // 10, verbose=0)
    assert model.optimizer.iterations == STEPS
    return digest(model), history.history


@every_dtype
@every_optimizer
@every_network
def test_threads_do_not_change_a_bit(name, optimizer, dtype, all_threads):
    results = {}
    for threads in (1, 2, 3, 4, 7):
        with nn.config.threads(threads):
            results[threads] = trained(name, optimizer, dtype)
    assert all(result == results[1] for result in results.values()), results


@every_dtype
@pytest.mark.parametrize("name", SHAPES)
def test_threads_do_not_change_a_bit_of_unusual_shapes(name, dtype, all_threads):
    case = SHAPES[name]
    results = {}
    for threads in (1, 2, 5):
        random = np.random.default_rng(5)
        model = test_shapes.build(case, dtype, random)
        x, y, weight = test_shapes.data(case, random)
        model.compile("adam", case.loss)
        with nn.config.threads(threads):
            model.fit(x, y, batch_size=case.minibatch, epochs=case.epochs, sample_weight=weight, verbose=0)
            results[threads] = digest(model), model.predict(x).tobytes(), model.evaluate(x, y, verbose=0)
    assert all(result == results[1] for result in results.values())


@every_dtype
@every_optimizer
@every_network
@pytest.mark.parametrize("weighted", [False, True])
def test_fit_equals_a_loop_of_train_on_batch(weighted, name, optimizer, dtype, all_threads):
    """Also with other threads, and with rows that weigh differently."""
    minibatch = NETWORKS[name][1]
    x, y = data(name, steps=20)
    weight = np.random.default_rng(4).random(len(x)) if weighted else None
    fitted, looped = build(name, optimizer, dtype, dropout=0.1), build(name, optimizer, dtype, dropout=0.1)
    with nn.config.threads(3):
        fitted.fit(x, y, batch_size=minibatch, epochs=2, sample_weight=weight, shuffle=False, verbose=0)
    for threads in (1, 2):
        with nn.config.threads(threads):
            for begin in range(0, len(x), minibatch):
                part = slice(begin, begin + minibatch)
                looped.train_on_batch(x[part], y[part], sample_weight=weight[part] if weighted else None)
    assert looped.optimizer.iterations == fitted.optimizer.iterations == 40
    assert digest(looped) == digest(fitted)


@every_dtype
@pytest.mark.parametrize("sizes", [(4, 32, 16, 4), (70, 300, 10), (9, 1)])
def test_gradients_do_not_depend_on_what_a_plan_was_made_for(sizes, dtype, all_threads):
    """Few rows in a plan for many, which has seen them, as in a plan of their own."""
    random = np.random.default_rng(6)
    x, y = random.standard_normal((3000, sizes[0])), random.standard_normal((3000, sizes[-1]))

    def model():
        layers = [nn.layers.Dense(units, activation="tanh") for units in sizes[1:]]
        made = nn.Sequential([nn.Input((sizes[0],)), *layers], dtype=dtype, seed=1)
        made.compile("sgd", "mse")
        return made

    used = model()
    used.value_and_gradients(x, y)
    for rows in (1, 2, 31, 32, 127, 128, 129, 200, 1023, 1024, 1025, 1152, 2000, 2999, 3000):
        results = []
        for threads, one in ((1, used), (3, used), (1, model()), (3, model())):
            with nn.config.threads(threads):
                loss, gradients = one.value_and_gradients(x[:rows], y[:rows])
            results.append([loss, *(g.tobytes() for g in gradients)])
        assert all(result == results[0] for result in results), rows


@every_dtype
@every_optimizer
@every_network
def test_a_run_that_is_saved_within_an_epoch_and_continued(tmp_path, name, optimizer, dtype, all_threads):
    """Minibatch for minibatch, on a loaded model with another number of threads."""
    minibatch = NETWORKS[name][1]
    x, y = data(name, steps=13)
    whole = build(name, optimizer, dtype, dropout=0.1)
    whole.fit(x, y, batch_size=minibatch, shuffle=False, verbose=0)
    model = build(name, optimizer, dtype, dropout=0.1)
    with nn.config.threads(2):
        model.fit(x, y, batch_size=minibatch, shuffle=False, steps_per_epoch=5, verbose=0)
    model.save(tmp_path / "half.safetensors")
    model = nn.models.load_model(tmp_path / "half.safetensors")
    with nn.config.threads(3):
        rest = slice(5 * minibatch, None)
        model.fit(x[rest], y[rest], batch_size=minibatch, shuffle=False, verbose=0)
    assert model.optimizer.iterations == 13
    assert digest(model) == digest(whole)


@every_network
def test_a_run_that_is_saved_and_continued_by_another_process(tmp_path, name):
    """The shuffled order of later epochs goes on as well."""
    minibatch = NETWORKS[name][1]
    x, y = data(name, steps=7)
    whole, half = (build(name, "momentum", "float32", dropout=0.1) for _ in range(2))
    whole.fit(x, y, batch_size=minibatch, epochs=5, verbose=0)
    half.fit(x, y, batch_size=minibatch, epochs=2, verbose=0)
    half.save(tmp_path / "model.safetensors")
    code = f"""
model = t.nn.models.load_model({str(tmp_path / "model.safetensors")!r})
model.fit(*t.data({name!r}, 7), batch_size={minibatch}, epochs=5, initial_epoch=2, verbose=0)
print(t.digest(model))
"""
    assert elsewhere(code) == digest(whole)


def elsewhere(code, **environment):
    """What code prints in a process of its own; this file is `t` there."""
    code = f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r}); import test_bits as t\n" + code
    environment = {**os.environ, **environment}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_avx2_and_avx512_give_the_same_bits():
    for isa in ("avx2", "avx512"):
        if isa not in _engine.variants():
            pytest.skip(f"this machine lacks {isa}")
    code = "for n in t.NETWORKS:\n for o in t.OPTIMIZERS:\n  for d in ('float32', 'float64'): print(t.trained(n, o, d))"
    of_avx2, of_avx512 = (elsewhere(code, NNCORE_ISA=isa).splitlines() for isa in ("avx2", "avx512"))
    assert len(of_avx2) == len(NETWORKS) * len(OPTIMIZERS) * 2
    assert of_avx2 == of_avx512

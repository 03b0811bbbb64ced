"""The same bits for any number of threads, for every variant with fused multiply-adds, and however a run is cut."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

import nncore as nn
from nncore import _engine

CASES = {
    "tiny": ([4, 16, 16, 3], 32, "relu"),
    "odd": ([37, 53, 11], 19, "tanh"),
    "wide": ([130, 300, 260, 10], 64, "relu"),
    "one unit": ([13, 7, 1], 5, "sigmoid"),
    "online": ([64, 64, 10], 1, "relu"),
}


def build(sizes, activation, dtype="float32", dropout=0.0, optimizer="adam"):
    layers = [nn.Input((sizes[0],))]
    for n in sizes[1:-1]:
        layers += [nn.layers.Dense(n, activation=activation), nn.layers.Dropout(dropout)]
    model = nn.Sequential([*layers, nn.layers.Dense(sizes[-1])], dtype=dtype, seed=11)
    loss = "mse" if sizes[-1] == 1 else nn.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss)
    return model


def data(sizes, rows=400):
    random = np.random.default_rng(7)
    x = random.standard_normal((rows, sizes[0])).astype(np.float32)
    y = random.integers(0, sizes[-1], rows) if sizes[-1] > 1 else random.standard_normal((rows, 1))
    return x, y


def digest(model):
    arrays = [*model.weights, *model.optimizer.variables]
    return hashlib.sha256(b"".join(a.tobytes() for a in arrays)).hexdigest()


def train(name, dtype="float32", steps=200):
    sizes, batch, activation = CASES[name]
    model = build(sizes, activation, dtype, dropout=0.2)
    x, y = data(sizes)
    model.fit(x, y, batch_size=batch, epochs=max(1, steps // -(-len(x) // batch)), verbose=0)
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_threads_do_not_change_a_bit(name, dtype, monkeypatch):
    import nncore._plan

    monkeypatch.setattr(nncore._plan, "FLOPS_PER_THREAD", 1)  # so that small steps are shared too
    digests = {}
    _engine.set_pacing(False)
    try:
        for threads in (1, 2, 3, 4, 7):
            with nn.config.threads(threads):
                digests[threads] = digest(train(name, dtype))
    finally:
        _engine.set_pacing(True)
    assert len(set(digests.values())) == 1, digests


def digest_under(isa, name, dtype):
    """The digest of a training run in a process of its own, with a variant."""
    code = (
        f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r}); import test_reproducible as t;"
        f"print(t.digest(t.train({name!r}, {dtype!r})))"
    )
    environment = {**os.environ, "NNCORE_ISA": isa}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["odd", "wide"])
def test_avx2_and_avx512_give_the_same_bits(name, dtype):
    for isa in ("avx2", "avx512"):
        if isa not in _engine.variants():
            pytest.skip(f"this machine lacks {isa}")
    assert digest_under("avx2", name, dtype) == digest_under("avx512", name, dtype)


def test_fit_equals_a_loop_of_train_on_batch():
    sizes, batch, activation = CASES["odd"]
    x, y = data(sizes)
    fitted, looped = build(sizes, activation, dropout=0.1), build(sizes, activation, dropout=0.1)
    fitted.fit(x, y, batch_size=batch, epochs=3, shuffle=False, verbose=0)
    for _ in range(3):
        for begin in range(0, len(x), batch):
            looped.train_on_batch(x[begin : begin + batch], y[begin : begin + batch])
    assert digest(fitted) == digest(looped)


def test_fit_on_a_generator_and_with_batch_hooks_equals_fit():
    sizes, batch, activation = CASES["odd"]
    x, y = data(sizes)
    plain, fed, hooked = (build(sizes, activation, dropout=0.1) for _ in range(3))
    plain.fit(x, y, batch_size=batch, epochs=2, shuffle=False, verbose=0)
    batches = [(x[b : b + batch], y[b : b + batch]) for b in range(0, len(x), batch)]
    fed.fit(batches, epochs=2, verbose=0)
    counted = []
    hook = nn.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: counted.append(batch))
    hooked.fit(x, y, batch_size=batch, epochs=2, shuffle=False, verbose=0, callbacks=[hook])
    assert digest(plain) == digest(fed) == digest(hooked)
    assert counted == 2 * list(range(len(batches)))


def test_weights_written_between_minibatches_are_what_the_next_one_reads():
    """In backward passes too, which read copies of the weights."""
    sizes, batch, activation = CASES["odd"]
    x, y = data(sizes)
    fitted, looped = build(sizes, activation), build(sizes, activation)

    def halve(model):
        for weight in model.weights:
            weight *= 0.5

    hook = nn.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: halve(fitted))
    fitted.fit(x, y, batch_size=batch, shuffle=False, verbose=0, callbacks=[hook])
    for begin in range(0, len(x), batch):
        looped.train_on_batch(x[begin : begin + batch], y[begin : begin + batch])
        halve(looped)
    assert digest(fitted) == digest(looped)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_a_run_that_is_saved_and_continued_gives_the_same_bits(tmp_path, optimizer):
    sizes, batch, activation = CASES["odd"]
    x, y = data(sizes)
    whole, half = (build(sizes, activation, dropout=0.1, optimizer=optimizer) for _ in range(2))
    whole.fit(x, y, batch_size=batch, epochs=4, verbose=0)
    half.fit(x, y, batch_size=batch, epochs=2, verbose=0)
    half.save(tmp_path / "half.safetensors")
    again = nn.models.load_model(tmp_path / "half.safetensors")
    again.fit(x, y, batch_size=batch, epochs=4, initial_epoch=2, verbose=0)
    assert digest(again) == digest(whole)


def test_seed_decides_and_nothing_else():
    a, b = train("odd"), train("odd")
    assert digest(a) == digest(b)
    nn.config.set_seed(12)
    try:
        other = nn.Sequential([nn.Input((5,)), nn.layers.Dense(4)])
    finally:
        nn.config.set_seed(0)
    same = nn.Sequential([nn.Input((5,)), nn.layers.Dense(4)], seed=12)
    default = nn.Sequential([nn.Input((5,)), nn.layers.Dense(4)])
    assert (other.weights[0] == same.weights[0]).all()
    assert (other.weights[0] != default.weights[0]).any()


def test_a_loop_cut_into_slices_equals_one_call(monkeypatch):
    import nncore.models.training

    sizes, batch, activation = CASES["wide"]
    x, y = data(sizes)
    whole, cut = build(sizes, activation), build(sizes, activation)
    whole.fit(x, y, batch_size=batch, epochs=2, verbose=0)
    monkeypatch.setattr(nncore.models.training, "SLICE_SECONDS", 0.0)
    cut.fit(x, y, batch_size=batch, epochs=2, verbose=0)
    assert digest(whole) == digest(cut)

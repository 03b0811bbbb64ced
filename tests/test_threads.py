"""Threads of Python's that train and predict at once; signals that interrupt them anywhere."""

import contextlib
import copy
import itertools
import pathlib
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from programs import PRELUDE, run

import nncore as nn

ROOT = pathlib.Path(__file__).resolve().parent.parent
X = np.random.default_rng(0).standard_normal((600, 30)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 10, 600)


@pytest.fixture
def eager_switches():
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def build(seed=0, width=40):
    layers = [nn.Input((30,)), nn.layers.Dense(width, activation="relu"), nn.layers.Dropout(0.2), nn.layers.Dense(10)]
    model = nn.Sequential(layers, seed=seed)
    model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def bits(model):
    return [weight.tobytes() for weight in model.weights]


def trained(seed):
    model = build(seed)
    model.fit(X, Y, epochs=2, verbose=0)
    for _ in range(5):
        model.train_on_batch(X[:64], Y[:64])
    return bits(model), model.predict(X, verbose=0).tobytes()


@pytest.mark.usefixtures("eager_switches")
def test_eight_threads_build_and_train_as_if_alone():
    alone = [trained(seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(trained, range(8))) == alone


def hammer(calls, rounds=60):
    """Makes calls from a thread each, over and over; returns what was raised other than a refusal, and the refusals."""
    wrong, refused = [], []

    def work(call):
        for _ in range(rounds):
            try:
                call()
            except RuntimeError as error:
                refused.append(str(error))
            except BaseException as error:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("in use by another thread" in text or "backward needs a forward" in text for text in refused), refused
    return wrong, refused


@pytest.mark.usefixtures("eager_switches")
def test_one_model_in_eight_threads_gives_right_values_or_refuses():
    model = build(width=200)
    counts = [600, 37, 64, 1, 300, 5, 128, 599]
    expected = {count: model.predict(X[:count], verbose=0) for count in counts}

    def predicts(count):
        def call():
            assert np.array_equal(model.predict(X[:count], verbose=0), expected[count])

        return call

    wrong, refused = hammer([predicts(count) for count in counts])
    assert not wrong
    assert refused
    assert np.array_equal(model.predict(X, verbose=0), expected[600])


@pytest.mark.usefixtures("eager_switches")
def test_forward_and_backward_of_one_model_in_threads_break_nothing():
    model = build(width=200)

    def passes(count):
        x, dy = X[:count], np.ones((count, 10), np.float32)

        def call():
            assert model.forward(x, training=True).shape == (count, 10)
            # another thread's forward may have come between
            with contextlib.suppress(ValueError):
                assert model.backward(dy).shape == x.shape

        return call

    wrong, _ = hammer([passes(count) for count in (600, 37, 64, 1)])
    assert not wrong
    model.zero_gradients()
    model.forward(X)
    model.backward(np.ones((600, 10), np.float32))
    assert all(np.isfinite(gradient).all() for gradient in model.gradients)


@pytest.mark.usefixtures("eager_switches")
def test_names_made_in_threads_are_different():
    def names(_):
        return [nn.layers.Activation("relu").name for _ in range(500)]

    with ThreadPoolExecutor(8) as pool:
        made = list(itertools.chain(*pool.map(names, range(16))))
    assert len(set(made)) == len(made)


@pytest.mark.usefixtures("eager_switches")
def test_one_optimizer_in_two_threads_is_refused_and_not_harmed():
    optimizer = nn.optimizers.Adam(0.01)
    variables, gradients = [np.zeros(300_000, np.float32)], [np.ones(300_000, np.float32)]
    done = []

    def apply():
        optimizer.apply(gradients, variables)
        done.append(1)

    optimizer.apply(gradients, variables)
    wrong, refused = hammer([apply] * 4, 40)
    assert not wrong
    assert refused
    alone, one = [np.zeros(300_000, np.float32)], nn.optimizers.Adam(0.01)
    for _ in range(1 + len(done)):
        one.apply(gradients, alone)
    assert optimizer.iterations == 1 + len(done)
    assert np.array_equal(alone[0], variables[0])


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
def test_an_optimizer_that_was_applied_can_be_copied(twin_of):
    gradients = [np.ones((3, 4), np.float32)]
    both = (nn.optimizers.Adam(0.01), [np.zeros((3, 4), np.float32)])
    both[0].apply(gradients, both[1])
    twins = twin_of(both)
    for optimizer, variables in (both, twins):
        optimizer.apply(gradients, variables)
    assert twins[0].iterations == 2
    assert np.array_equal(both[1][0], twins[1][0])


def test_thread_counts_change_between_fits():
    models = [build(1, 300), build(1, 300)]
    for threads in (1, 4, 2, 8, 3):
        with nn.config.threads(threads):
            models[0].fit(X, Y, batch_size=200, verbose=0)
        models[1].fit(X, Y, batch_size=200, verbose=0)
    assert bits(models[0]) == bits(models[1])


def test_small_stacks():
    code = """
        threading.stack_size(64 * 1024)
        x = np.random.default_rng(0).standard_normal((100, 8, 8, 3)).astype("f4")
        def work():
            model = nn.Sequential([
                nn.Input((8, 8, 3)), nn.layers.Conv2D(8, 3, activation="relu"), nn.layers.BatchNormalization(),
                nn.layers.Flatten(), nn.layers.Dense(300, activation="gelu"), nn.layers.Dense(10)], seed=0)
            model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
            model.fit(x, Y[:100], verbose=0)
            model.evaluate(x, Y[:100], verbose=0)
            print("trained")
        for threads in (1, 3):
            nn.config.set_num_threads(threads)
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    """
    assert run(code, prelude=PRELUDE).split() == ["trained", "trained"]


@pytest.mark.skipif(sys.platform != "linux", reason="counts what is in /proc")
def test_short_lived_threads_leave_nothing_behind():
    code = """
        model = build()
        def step():
            model.train_on_batch(X[:64], Y[:64])
        def threads_and_megabytes():
            with open("/proc/self/status") as file:
                status = dict(line.split(":", 1) for line in file)
            return int(status["Threads"]), int(status["VmRSS"].split()[0]) / 1024
        at_first, _ = threads_and_megabytes()
        for number in range(401):
            thread = threading.Thread(target=step)
            thread.start()
            thread.join()
            if number == 100:
                _, before = threads_and_megabytes()
        deadline = time.monotonic() + 30
        while threads_and_megabytes()[0] > at_first and time.monotonic() < deadline:
            time.sleep(0.01)  # a thread's pool ends a little later
        threads, after = threads_and_megabytes()
        print(threads <= at_first, after - before < 4, model.optimizer.iterations)
    """
    assert run(code, prelude=PRELUDE) == "True True 401"


@pytest.mark.skipif(sys.platform == "win32", reason="timers of POSIX")
def test_signals_strike_anywhere():
    code = f"""
        import sys
        sys.path.append({str(ROOT)!r})
        from reliability import signals
        print(signals.main(["--rounds", "300"]))
    """
    assert run(code).endswith("in peace\nFalse")

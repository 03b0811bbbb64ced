"""Minibatches that programs make: in which order, when, in which thread, and what ends them."""

import gc
import signal
import threading
import time
import traceback
import weakref

import numpy as np
import pytest

import nncore as nn
from nncore import _prefetch

X = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
Y = X.sum(1, keepdims=True)


def model_of(seed=1, **options):
    model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(3, activation="tanh"), nn.layers.Dense(1)], seed=seed)
    model.compile("adam", "mse", **options)
    return model


def batches(size=10):
    for begin in range(0, len(X), size):
        yield X[begin : begin + size], Y[begin : begin + size]


def threads_left():
    """The library's threads that are there, after those that end have had time to."""
    for _ in range(100):
        left = [t for t in threading.enumerate() if t.name.startswith("nncore")]
        if not left:
            return []
        time.sleep(0.01)
    return left


@pytest.fixture(autouse=True)
def _no_thread_stays(monkeypatch):
    """Every test has threads from the second minibatch on, however fast minibatches are made."""
    monkeypatch.setattr(_prefetch, "PAYS_SECONDS", 0.0)
    yield
    assert threads_left() == []


@pytest.fixture(params=[True, False], ids=["ahead", "in turn"])
def ahead(request):
    nn.config.set_prefetch(request.param)
    yield request.param
    nn.config.set_prefetch(True)


class Numbered(nn.utils.PyDataset):
    def __init__(self, **options):
        super().__init__(**options)
        self.seen, self.epochs = [], []

    def __len__(self):
        return 6

    def __getitem__(self, index):
        self.seen.append((index, threading.current_thread()))
        return X[10 * index : 10 * index + 10], Y[10 * index : 10 * index + 10]

    def on_epoch_begin(self):
        self.epochs.append("begin")

    def on_epoch_end(self):
        self.epochs.append("end")


# ---------------------------------------------------------------- the same training


class Repeated:
    """An iterable that begins anew."""

    def __iter__(self):
        return batches()


def forever():
    while True:
        yield from batches()


def test_all_ways_train_alike(ahead):
    found = []
    ways = [lambda: list(batches()), Repeated, forever, Numbered, lambda: Numbered(workers=3, max_queue_size=2)]
    for make in ways:
        model, steps = model_of(), 6 if make is forever else None
        history = model.fit(make(), epochs=3, steps_per_epoch=steps, shuffle=False, verbose=0,
                            validation_data=Repeated()).history  # fmt: skip
        found.append((history["loss"], history["val_loss"], [w.tolist() for w in model.get_weights()]))
        assert model.evaluate(Repeated(), verbose=0) == model.evaluate(list(batches()), verbose=0)
        np.testing.assert_array_equal(model.predict((x for x, _ in batches()), verbose=0), model.predict(X, verbose=0))
        np.testing.assert_array_equal(model.predict(Repeated(), verbose=0), model.predict(X, verbose=0))
    assert all(one == found[0] for one in found)


def test_a_shuffled_dataset_trains_alike_with_any_workers(ahead):
    weights = []
    for workers in (1, 4):
        data, model = Numbered(workers=workers), model_of()
        model.fit(data, epochs=2, verbose=0)
        weights.append(np.concatenate([w.ravel() for w in model.get_weights()]))
        assert sorted(n for n, _ in data.seen) == sorted(2 * [*range(6)])
        assert data.epochs == ["begin", "end"] * 2
    np.testing.assert_array_equal(*weights)


def test_the_length_of_an_iterable_is_shown():
    class Loader(Repeated):
        def __len__(self):
            return 6

    seen = []

    class Steps(nn.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append(self.params["steps"])

    model_of().fit(Loader(), verbose=0, callbacks=[Steps()])
    model_of().fit(Repeated(), verbose=0, callbacks=[Steps()])
    assert seen == [6, None]


# ---------------------------------------------------------------- ahead


def test_the_next_minibatch_is_made_while_one_trains(monkeypatch):
    ready, made = threading.Event(), []

    def generator():
        for number in range(3):
            made.append(threading.current_thread())
            time.sleep(0.001)
            if number == 1:
                ready.set()
            yield X, Y

    monkeypatch.undo()

    class Waits(nn.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            assert ready.wait(5)  # the second one is begun before the first is left behind
            assert len(made) <= batch + 2  # and no more than one is ahead

    model_of().fit(generator(), verbose=0, callbacks=[Waits()])
    assert made[0] is threading.main_thread()
    assert threading.main_thread() not in made[1:]
    made.clear()
    monkeypatch.setattr(_prefetch, "PAYS_SECONDS", 10.0)
    model_of().fit((made.append(threading.current_thread()) or batch for batch in list(batches())), verbose=0)
    assert set(made) == {threading.main_thread()}  # what takes less is made in turn


def test_making_and_training_take_the_time_of_one():
    class Slow(nn.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            time.sleep(0.05)

    def generator():
        for batch in batches():
            time.sleep(0.05)
            yield batch

    begin = time.monotonic()
    model_of().fit(generator(), verbose=0, callbacks=[Slow()])
    assert time.monotonic() - begin < 0.05 * 12 * 0.9


def test_without_prefetch_a_generator_runs_in_the_thread_of_fit():
    seen = []

    def generator():
        for batch in batches():
            seen.append(threading.current_thread())
            yield batch

    nn.config.set_prefetch(False)
    try:
        model_of().fit(generator(), verbose=0)
    finally:
        nn.config.set_prefetch(True)
    assert set(seen) == {threading.main_thread()}
    with pytest.raises(TypeError, match="True or False"):
        nn.config.set_prefetch(2)


def test_no_minibatch_is_drawn_that_is_not_trained(ahead):
    source = forever()
    model_of().fit(source, steps_per_epoch=4, epochs=2, verbose=0)
    np.testing.assert_array_equal(next(source)[0], X[20:30])  # the ninth: 8 have been drawn


def test_arrays_that_are_written_again(ahead):
    def reused():
        x, y = np.empty((10, 4), np.float32), np.empty((10, 1), np.float32)
        for a, b in batches():
            x[...], y[...] = a, b
            yield {"x": x}, [y]
            x[...] = np.nan

    inputs = nn.Input((4,), name="x")
    results = []
    for data in (list(batches()), reused()):
        model = nn.Model(inputs, nn.layers.Dense(1, kernel_initializer="ones")(inputs))
        model.compile("sgd", "mse")
        results.append(model.fit(data, verbose=0).history["loss"])
    assert results[0] == results[1]


def test_a_generator_that_uses_the_model_sees_the_weights_it_would_see(ahead):
    """Which those are does not depend on threads, nor on how long the generator takes elsewhere."""

    def generator(model, seen):
        for x, _ in batches():
            time.sleep(0.002)
            y = model.predict(x, verbose=0)
            seen.append(y.copy())
            model.forward(x)
            yield x, y + 1

    class Slow(nn.callbacks.Callback):  # so that a generator that did not wait would see weights of before
        def on_train_batch_begin(self, batch, logs=None):
            time.sleep(0.01)

    runs = []
    for _ in range(2):
        model, seen = model_of(), []
        model.fit(generator(model, seen), verbose=0, callbacks=[Slow()])
        runs.append(seen)
    np.testing.assert_array_equal(*runs)
    plain = model_of()
    for x, wanted in zip((x for x, _ in batches()), runs[0], strict=True):
        y = plain.predict(x, verbose=0)
        np.testing.assert_array_equal(y, wanted)
        plain.train_on_batch(x, y + 1)


def test_a_generator_cannot_compile_the_model(ahead):
    model = model_of()

    def generator():
        yield X, Y
        model.compile("sgd", "mae")
        yield X, Y

    with pytest.raises(RuntimeError, match="cannot be compiled inside"):
        model.fit(generator(), verbose=0)
    model.fit(X, Y, verbose=0)


def test_other_threads_are_still_refused():
    model, errors, inside = model_of(), [], threading.Event()

    def other():
        inside.wait(5)
        try:
            model.predict(X, verbose=0)
        except RuntimeError as error:
            errors.append(str(error))

    def generator():
        yield X, Y
        inside.set()
        thread.join()
        yield X, Y

    thread = threading.Thread(target=other)
    thread.start()
    model.fit(generator(), verbose=0)
    assert "in use by another thread" in errors[0]


# ---------------------------------------------------------------- ends


def test_exceptions_come_with_their_traceback(ahead):
    def generator():
        yield X, Y
        deep_inside()

    def deep_inside():
        raise KeyError("no such row")

    model, position = model_of(), []
    with pytest.raises(KeyError, match="no such row") as caught:
        model.fit(generator(), verbose=0, callbacks=[
            nn.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: position.append(batch))])  # fmt: skip
    assert position == [0]  # the one before has been trained
    assert "deep_inside" in "".join(traceback.format_tb(caught.value.__traceback__))
    model.fit(X, Y, verbose=0)


@pytest.mark.parametrize("call", ["evaluate", "predict", "validation"])
def test_exceptions_in_other_calls(call, ahead):
    def generator():
        yield (X, Y)
        raise OSError("disk")

    model = model_of()
    use = getattr(model, call, lambda data, verbose: model.fit(X, Y, validation_data=data, validation_steps=3,
                                                               verbose=verbose))  # fmt: skip
    with pytest.raises(OSError, match="disk"):
        use(generator(), verbose=0)


def test_a_bad_minibatch_names_itself(ahead):
    with pytest.raises(ValueError, match="4 features"):
        model_of().fit(iter([(X, Y), (X[:, :3], Y)]), verbose=0)
    with pytest.raises(ValueError, match="minibatch must be"):
        model_of().fit((x for x in X), verbose=0)
    with pytest.raises(ValueError, match="gave no minibatch"):
        model_of().fit((batch for batch in ()), verbose=0)


def test_an_early_stop_ends_the_generator(ahead):
    ended = []

    def generator():
        try:
            yield from forever()
        finally:
            ended.append(True)

    class Stop(nn.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    class Once:
        def __iter__(self):
            return generator()

    model = model_of()
    model.fit(Once(), epochs=5, verbose=0, callbacks=[Stop()])
    gc.collect()
    assert threads_left() == []
    assert ended == [True]
    source = forever()  # of the user's: it can be asked for more
    model.fit(source, steps_per_epoch=100, verbose=0, callbacks=[Stop()])
    assert next(source)[0].shape == (10, 4)


@pytest.mark.parametrize("slow", [False, True])
def test_ctrl_c_ends_the_training_at_once(slow):
    """Also where the generator takes its time, which no one can end: its thread goes when it returns."""
    release = threading.Event()

    def generator():
        yield X, Y
        signal.raise_signal(signal.SIGINT) if not slow else threading.Timer(0.05, interrupt).start()
        while slow and not release.is_set():
            release.wait(0.02)
        yield from forever()

    def interrupt():
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    model = model_of()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        model.fit(generator(), steps_per_epoch=10**6, verbose=0)
    assert time.monotonic() - begin < 5
    release.set()
    assert threads_left() == []
    model.fit(X, Y, verbose=0)


def test_ctrl_c_does_not_wait_for_workers():
    release = threading.Event()

    class Slow(Numbered):
        def __getitem__(self, index):
            if index == 3:
                threading.Timer(0.05, signal.pthread_kill, (threading.main_thread().ident, signal.SIGINT)).start()
                release.wait(10)
            return super().__getitem__(index)

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        model_of().fit(Slow(workers=2), verbose=0, shuffle=False)
    release.set()
    assert time.monotonic() - begin < 5


def test_nothing_is_kept():
    class Held:
        def __iter__(self):
            return batches()

    model, data = model_of(), Held()
    gone = weakref.ref(data), weakref.ref(model)
    model.fit(data, epochs=2, verbose=0)
    model.predict(data, verbose=0)
    del model, data
    gc.collect()
    assert [ref() for ref in gone] == [None, None]


def test_a_generator_inside_of_a_generator(ahead):
    """A generator may train and ask another model, which has minibatches of its own."""
    inner, outer = model_of(2), model_of()

    def generator():
        for x, y in batches():
            inner.fit(batches(), verbose=0)
            yield x, y + inner.predict(x, verbose=0)

    losses = []
    for _ in range(2):
        inner, outer = model_of(2), model_of()
        losses.append(outer.fit(generator(), verbose=0).history["loss"])
    assert losses[0] == losses[1]


def test_context_variables_reach_the_generator():
    import contextvars

    variable = contextvars.ContextVar("variable", default="none")
    token, seen = variable.set("set"), []

    def generator():
        for batch in batches():
            seen.append(variable.get())
            yield batch

    model_of().fit(generator(), verbose=0)
    variable.reset(token)
    assert seen == ["set"] * 6


def test_a_backup_goes_on_in_a_generator(tmp_path):
    class Break(nn.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.params.get("epochs") == 3 and batch == 3 and self.armed:
                raise OSError("cut")

        armed = True

    whole, broken = model_of(), model_of()
    whole.fit(Repeated(), epochs=3, verbose=0)
    backup = nn.callbacks.BackupAndRestore(tmp_path / "b.safetensors", save_freq=1)
    with pytest.raises(OSError, match="cut"):
        broken.fit(Repeated(), epochs=3, verbose=0, callbacks=[backup, Break()])
    again = model_of(seed=1)
    again.fit(Repeated(), epochs=3, verbose=0,
              callbacks=[nn.callbacks.BackupAndRestore(tmp_path / "b.safetensors", save_freq=1)])  # fmt: skip
    for a, b in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)

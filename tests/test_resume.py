"""Trainings that are interrupted anywhere and go on: the same bits and records as of those that never were."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import nncore as nn

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((46, 6)).astype(np.float32)
Y = RANDOM.integers(0, 3, 46)
ROWS = 8  # of a minibatch: six in an epoch, the last one of 6 rows


class InterruptError(Exception):
    pass


class Interrupt(nn.callbacks.Callback):
    """Raises behind a minibatch."""

    def __init__(self, epoch, batch):
        self.at = (epoch, batch)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.at:
            raise InterruptError


class Confusion(nn.metrics.Metric):
    """In Python: how often each class was right."""

    def __init__(self, name="hits"):
        super().__init__(name=name)
        self.hits = self.add_weight(shape=(3,), name="hits")

    def update_state(self, y_true, y_pred, sample_weight=None):
        np.add.at(self.hits.array, np.reshape(y_true, -1)[np.reshape(y_true, -1) == y_pred.argmax(1)], 1)

    def result(self):
        return np.array(self.hits.array)


class Numbered(nn.utils.PyDataset):
    """Changes after each epoch, as some do."""

    def __init__(self):
        super().__init__(workers=2)
        self.shift = 0

    def __len__(self):
        return 6

    def __getitem__(self, index):
        part = slice(ROWS * index, ROWS * index + ROWS)
        return X[part] + self.shift, Y[part]

    def on_epoch_end(self):
        self.shift += 0.125


def forever():
    for number in itertools.count():
        rows = np.random.default_rng(number).integers(0, len(X), ROWS)
        yield X[rows], Y[rows]


def build(optimizer="adam", layers=(), metrics=("accuracy",), dtype="float32", **options):
    model = nn.Sequential(
        [nn.Input((6,)), nn.layers.Dense(16, activation="relu"), *layers, nn.layers.Dropout(0.2), nn.layers.Dense(3)],
        seed=3, dtype=dtype,
    )  # fmt: skip
    loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer() if callable(optimizer) else optimizer, loss, metrics=list(metrics), **options)
    return model


ARRAYS = {"x": X, "y": Y, "batch_size": ROWS, "validation_data": (X[::-1][:20], Y[:20])}
# name: model, arguments of `fit`, made anew for each training
TRAININGS = {
    "arrays": (build, lambda: ARRAYS),
    "in order": (build, lambda: {**ARRAYS, "shuffle": False, "validation_split": 0.1, "validation_data": None}),
    "float64": (lambda: build(dtype="float64"), lambda: ARRAYS),
    "weights": (build, lambda: {**ARRAYS, "class_weight": {0: 2.0, 2: 0.5}, "sample_weight": np.linspace(0, 2, 46)}),
    "accumulation": (lambda: build(lambda: nn.optimizers.SGD(0.1, momentum=0.9, gradient_accumulation_steps=4)),
                     lambda: ARRAYS),
    "averages": (lambda: build(lambda: nn.optimizers.RMSprop(use_ema=True, ema_overwrite_frequency=5)), lambda: ARRAYS),
    "schedule": (lambda: build(lambda: nn.optimizers.Adam(nn.optimizers.schedules.CosineDecay(0.01, 20))),
                 lambda: ARRAYS),
    "statistics": (lambda: build(layers=[nn.layers.BatchNormalization(), nn.layers.GaussianNoise(0.3)]),
                   lambda: ARRAYS),
    "metrics": (lambda: build(metrics=("accuracy", Confusion())), lambda: ARRAYS),
    "list": (build, lambda: {"x": [(X[b : b + ROWS], Y[b : b + ROWS]) for b in range(0, 46, ROWS)]}),
    "generator": (build, lambda: {"x": forever(), "steps_per_epoch": 6}),
    "numbered": (build, lambda: {"x": Numbered()}),
}  # fmt: skip


def same_bits(a, b):
    arrays = (itertools.chain(m.weights, m.optimizer.variables) for m in (a, b))
    return a.optimizer.iterations == b.optimizer.iterations and all(
        v.tobytes() == w.tobytes() for v, w in zip(*arrays, strict=True)
    )


def assert_same_history(a, b):
    assert a.epoch == b.epoch
    assert list(a.history) == list(b.history)
    for name, values in a.history.items():
        np.testing.assert_array_equal(values, b.history[name], err_msg=name)


@pytest.mark.parametrize("place", ["epoch", 1, 4])
@pytest.mark.parametrize("name", TRAININGS)
def test_an_interrupted_training_ends_like_one_that_was_not(name, place, tmp_path):
    make, options = TRAININGS[name]
    whole = make()
    expected = whole.fit(**options(), epochs=4, verbose=0)
    backup = nn.callbacks.BackupAndRestore(tmp_path / "b", place)
    for stop in (Interrupt(1, 2), Interrupt(2, 5)):  # twice
        with pytest.raises(InterruptError):
            make().fit(**options(), epochs=4, verbose=0, callbacks=[backup, stop])
    resumed = make()
    begun = []
    note = nn.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: begun.append(epoch))
    history = resumed.fit(**options(), epochs=4, verbose=0, callbacks=[backup, note])
    assert begun == [2, 3]
    assert same_bits(whole, resumed)
    assert_same_history(history, expected)
    assert not (tmp_path / "b").exists()


def test_threads_are_no_matter(tmp_path):
    whole = build()
    with nn.config.threads(1):
        expected = whole.fit(**ARRAYS, epochs=3, verbose=0)
    backup = nn.callbacks.BackupAndRestore(tmp_path, 1)
    with nn.config.threads(2):
        with pytest.raises(InterruptError):
            build().fit(**ARRAYS, epochs=3, verbose=0, callbacks=[backup, Interrupt(1, 3)])
        resumed = build()
        assert_same_history(resumed.fit(**ARRAYS, epochs=3, verbose=0, callbacks=backup), expected)
    assert same_bits(whole, resumed)


def test_states_of_stateful_layers_go_on(tmp_path):
    x, y = X[:40].reshape(40, 3, 2), X[:40, :1]

    def make():
        model = nn.Sequential([nn.Input((3, 2)), nn.layers.LSTM(4, stateful=True), nn.layers.Dense(1)])
        model.compile("adam", "mse")
        return model

    options = {"x": x, "y": y, "batch_size": ROWS, "shuffle": False, "epochs": 3, "verbose": 0}
    whole, backup = make(), nn.callbacks.BackupAndRestore(tmp_path, 2)
    whole.fit(**options)
    with pytest.raises(InterruptError):
        make().fit(**options, callbacks=[backup, Interrupt(1, 3)])
    resumed = make()
    resumed.fit(**options, callbacks=backup)
    assert same_bits(whole, resumed)
    assert (whole.predict(x, batch_size=ROWS) == resumed.predict(x, batch_size=ROWS)).all()  # from the states, too


# ---- callbacks


def callbacks(folder, *more):
    halve = nn.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.75)
    return [
        nn.callbacks.BackupAndRestore(folder / "backup", 4),  # first in the list, which is no matter
        halve,
        nn.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=2, min_delta=1.0),
        nn.callbacks.EarlyStopping("loss", patience=5, min_delta=0.5, restore_best_weights=True),
        nn.callbacks.CSVLogger(folder / "log.csv"),
        nn.callbacks.ModelCheckpoint(folder / "m-{epoch}-{batch}", save_freq=5, keep_last=2, monitor="loss"),
        *more,
    ]


@pytest.mark.parametrize("stop", [(0, 0), (2, 1), (4, 5), (5, 2)])
def test_callbacks_go_on_where_they_were(stop, tmp_path):
    alone, again = tmp_path / "alone", tmp_path / "again"
    alone.mkdir()
    again.mkdir()
    whole, resumed = build(), build()
    expected = whole.fit(**ARRAYS, epochs=20, verbose=0, callbacks=callbacks(alone))
    assert 5 < len(expected.epoch) < 20
    with pytest.raises(InterruptError):
        build().fit(**ARRAYS, epochs=20, verbose=0, callbacks=callbacks(again, Interrupt(*stop)))
    stopping = nn.callbacks.EarlyStopping("accuracy", patience=50)  # a second one, which was not there before
    history = resumed.fit(**ARRAYS, epochs=20, verbose=0, callbacks=[*callbacks(again), stopping])
    assert_same_history(history, expected)
    assert same_bits(whole, resumed)
    assert resumed.optimizer.learning_rate == whole.optimizer.learning_rate
    assert (again / "log.csv").read_bytes() == (alone / "log.csv").read_bytes()
    assert sorted(os.listdir(again)) == sorted(os.listdir(alone))


def test_a_training_that_was_stopped_stays_stopped(tmp_path):
    """Killed behind the backup of the epoch in which EarlyStopping has ended it: nothing but the end is left."""

    def make(*more):
        stopping = nn.callbacks.EarlyStopping("loss", patience=1, min_delta=9.0, restore_best_weights=True)
        return [stopping, nn.callbacks.BackupAndRestore(tmp_path), *more]

    class Dies(nn.callbacks.Callback):
        def on_train_end(self, logs=None):
            raise InterruptError

    whole, resumed = build(), build()
    expected = whole.fit(**ARRAYS, epochs=9, verbose=0, callbacks=make()[:1])
    with pytest.raises(InterruptError):
        build().fit(**ARRAYS, epochs=9, verbose=0, callbacks=[Dies(), *make()])
    ends = []
    note = nn.callbacks.LambdaCallback(on_train_end=ends.append)
    history = resumed.fit(**ARRAYS, epochs=9, verbose=0, callbacks=make(note))
    assert_same_history(history, expected)
    assert same_bits(whole, resumed)
    assert resumed.stop_training
    assert ends == [{name: values[-1] for name, values in expected.history.items()}]


@pytest.mark.parametrize("data", ["arrays", "list", "numbered", "generator"])
def test_a_stop_in_the_middle_of_an_epoch_stays_one(data, tmp_path):
    def make(model, *more):
        stop = nn.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: setattr(model, "stop_training", model.optimizer.iterations >= 9)
        )
        return [nn.callbacks.BackupAndRestore(tmp_path, 1), stop, *more]

    class Dies(nn.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if self.model.stop_training:
                raise InterruptError

    _, options = TRAININGS[data]
    whole, killed, resumed = build(), build(), build()
    expected = whole.fit(**options(), epochs=3, verbose=0, callbacks=make(whole)[1:])
    with pytest.raises(InterruptError):
        killed.fit(**options(), epochs=3, verbose=0, callbacks=make(killed, Dies()))
    history = resumed.fit(**options(), epochs=3, verbose=0, callbacks=make(resumed))
    assert whole.optimizer.iterations == 9
    assert same_bits(whole, resumed)
    assert_same_history(history, expected)


def test_callbacks_of_ones_own_take_part(tmp_path):
    class Counter(nn.callbacks.Callback):
        carried = ("count", "seen")

        def __init__(self):
            self.count, self.seen = np.zeros(2, np.int64), {"last": None, "list": [1.5, float("inf")]}

        def on_train_batch_end(self, batch, logs=None):
            self.count += (1, batch)
            self.seen = {"last": np.float32(logs["loss"]), "list": (batch, "text")}

    whole = Counter()
    build().fit(**ARRAYS, epochs=2, verbose=0, callbacks=whole)
    backup, first, second = nn.callbacks.BackupAndRestore(tmp_path, 3), Counter(), Counter()
    with pytest.raises(InterruptError):
        build().fit(**ARRAYS, epochs=2, verbose=0, callbacks=[backup, first, Interrupt(1, 1)])
    build().fit(**ARRAYS, epochs=2, verbose=0, callbacks=[backup, second])
    assert (second.count == whole.count).all()
    assert second.seen == whole.seen

    class Odd(nn.callbacks.Callback):
        carried = ("thing",)

        def __init__(self):
            self.thing = {1, 2}

    with pytest.raises(TypeError, match=r"thing: a backup holds numbers, .* got \{1, 2\}"):
        build().fit(**ARRAYS, verbose=0, callbacks=[backup, Odd()])


def test_hooks_of_a_beginning_that_change_weights_do_not_do_it_twice(tmp_path):
    def make(*more):
        def reset(*_):
            model = halve.model
            model.set_weights([w / 2 for w in model.get_weights()])

        halve = nn.callbacks.LambdaCallback(on_train_begin=reset, on_epoch_begin=reset)
        return [nn.callbacks.BackupAndRestore(tmp_path, 1), halve, *more]

    whole, resumed = build(), build()
    whole.fit(**ARRAYS, epochs=3, verbose=0, callbacks=make()[1:])
    with pytest.raises(InterruptError):
        build().fit(**ARRAYS, epochs=3, verbose=0, callbacks=make(Interrupt(1, 3)))
    resumed.fit(**ARRAYS, epochs=3, verbose=0, callbacks=make())
    assert same_bits(whole, resumed)


def test_the_seed_comes_from_the_backup(tmp_path):
    whole, other = build(), build()
    whole.fit(**ARRAYS, epochs=3, verbose=0)
    other.seed = 99
    backup = nn.callbacks.BackupAndRestore(tmp_path, 1)
    with pytest.raises(InterruptError):
        build().fit(**ARRAYS, epochs=3, verbose=0, callbacks=[backup, Interrupt(1, 3)])
    other.fit(**ARRAYS, epochs=3, verbose=0, callbacks=backup)
    assert same_bits(whole, other)


@pytest.mark.parametrize("change", [{"batch_size": 16}, {"x": X[:40], "y": Y[:40]}, {"steps_per_epoch": 3},
                                    {"x": [(X, Y)], "y": None, "batch_size": None}])  # fmt: skip
def test_another_cut_of_an_epoch_that_was_begun_is_refused(change, tmp_path):
    backup = nn.callbacks.BackupAndRestore(tmp_path, 1)
    with pytest.raises(InterruptError):
        build().fit(**ARRAYS, verbose=0, callbacks=[backup, Interrupt(0, 3)])
    model, fresh = build(), build()
    with pytest.raises(ValueError, match="middle of an epoch of rows=46, batch_size=8, minibatches=6; fit was given"):
        model.fit(**{**ARRAYS, **change}, verbose=0, callbacks=backup)
    assert all((a == b).all() for a, b in zip(model.weights, fresh.weights, strict=True))
    assert model.optimizer.iterations == 0


# ---- checkpoints


@pytest.mark.parametrize("save_freq", ["epoch", 4])
def test_a_training_goes_on_from_its_checkpoints(save_freq, tmp_path):
    def make(**options):
        name = "{epoch:02d}-{loss:.3f}.safetensors" if save_freq == "epoch" else "{epoch:02d}-{batch}.safetensors"
        stopping = nn.callbacks.EarlyStopping("loss", patience=8)
        return [nn.callbacks.ModelCheckpoint(tmp_path / name, save_freq=save_freq, **options), stopping]

    whole, resumed = build(), build()
    expected = whole.fit(**ARRAYS, epochs=4, verbose=0)
    with pytest.raises(InterruptError):
        build().fit(**ARRAYS, epochs=4, verbose=0, callbacks=[*make(resume=True), Interrupt(2, 4)])
    files = sorted(os.listdir(tmp_path))
    assert len(files) == 2 if save_freq == "epoch" else files == ["01-4.safetensors", "02-2.safetensors",
                                                                  "02-6.safetensors", "03-4.safetensors"]  # fmt: skip
    history = resumed.fit(**ARRAYS, epochs=4, verbose=0, callbacks=make(resume=True))
    assert_same_history(history, expected)
    assert same_bits(whole, resumed)

    from_first = build()
    history = from_first.fit(**ARRAYS, epochs=4, verbose=0, callbacks=make(resume=tmp_path / files[0]))
    assert_same_history(history, expected)
    assert same_bits(whole, from_first)
    loaded = nn.models.load_model(tmp_path / files[0])  # a model like any other
    assert loaded.optimizer.iterations == (6 if save_freq == "epoch" else 4)


def test_what_is_furthest_is_gone_on_with(tmp_path):
    begun = []
    note = nn.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: begun.append(epoch))
    backup = nn.callbacks.BackupAndRestore(tmp_path / "backup", 2)
    checkpoint = nn.callbacks.ModelCheckpoint(tmp_path / "{epoch}", resume=True)
    with pytest.raises(InterruptError):
        build().fit(**ARRAYS, epochs=3, verbose=0, callbacks=[backup, Interrupt(1, 3)])
    build().fit(**ARRAYS, epochs=1, verbose=0, callbacks=checkpoint)
    build().fit(**ARRAYS, epochs=3, verbose=0, callbacks=[checkpoint, backup, note])
    assert begun == [1, 2]
    begun.clear()
    build().fit(**ARRAYS, epochs=4, verbose=0, callbacks=[checkpoint, backup, note])
    assert begun == [3]


def test_damaged_and_foreign_files_are_passed_over(tmp_path):
    model = build()
    checkpoint = nn.callbacks.ModelCheckpoint(tmp_path / "{epoch}.x", resume=True)
    model.fit(**ARRAYS, epochs=3, verbose=0, callbacks=checkpoint)
    (tmp_path / "3.x").write_bytes((tmp_path / "3.x").read_bytes()[:-1] + b"!")
    (tmp_path / "notes.x").write_text("mine")
    twin = build()
    history = twin.fit(**ARRAYS, epochs=3, verbose=0, callbacks=checkpoint)
    assert same_bits(model, twin)
    assert len(history.epoch) == 3
    for path in tmp_path.glob("?.x"):
        path.unlink()
    with pytest.raises(ValueError, match=r"none can be gone on with: .*notes.x is no whole safetensors file"):
        build().fit(**ARRAYS, verbose=0, callbacks=checkpoint)
    (tmp_path / "notes.x").unlink()
    model.save(tmp_path / "1.x")
    with pytest.raises(ValueError, match=r"1.x holds a model and no training"):
        build().fit(**ARRAYS, verbose=0, callbacks=checkpoint)
    with pytest.raises(FileNotFoundError):
        build().fit(**ARRAYS, verbose=0, callbacks=nn.callbacks.ModelCheckpoint("m", resume=tmp_path / "2.x"))


def drive(folder, values, **options):
    """Checkpoints of epochs with these losses; returns the files that are left, by their numbers."""
    checkpoint = nn.callbacks.ModelCheckpoint(folder / "{epoch}.m", "loss", **options)
    checkpoint.set_model(build())
    checkpoint.on_train_begin()
    for epoch, value in enumerate(values):
        checkpoint.on_epoch_begin(epoch)
        checkpoint.on_epoch_end(epoch, {"loss": value} if value is not None else {})
    return sorted(int(name[:-2]) for name in os.listdir(folder) if name.endswith(".m"))


nan = float("nan")


@pytest.mark.parametrize(("values", "options", "left"), [
    ([5, 4, 3, 2, 1], {"keep_last": 2}, [4, 5]),
    ([5, 1, 3, 2, 4], {"keep_last": 2}, [2, 4, 5]),
    ([5, 1, 3, 9, 4], {"keep_last": 1, "mode": "max"}, [4, 5]),
    ([nan, 7, nan, nan], {"keep_last": 1}, [2, 4]),
    ([nan, nan, nan], {"keep_last": 2}, [2, 3]),
    ([None, None, None], {"keep_last": 2}, [2, 3]),
    ([5, 4, 4.5, 3, 6, 2], {"keep_last": 2, "save_best_only": True}, [4, 6]),
    ([3, 3, 3, 3], {"keep_last": 1}, [1, 4]),  # of equals the first is the best
    ([1, 2, 3], {"keep_last": 9}, [1, 2, 3]),
    ([1, 2, 3], {}, [1, 2, 3]),
    ([2, 3, 1, 4], {"keep_last": 1, "save_weights_only": True}, [3, 4]),
])  # fmt: skip
def test_the_last_and_the_best_are_kept(values, options, left, tmp_path):
    assert drive(tmp_path, values, **options) == left


def test_files_of_others_are_never_removed(tmp_path):
    for name in ("0.m", "17.m", "notes.txt"):
        (tmp_path / name).write_text("mine")
    assert drive(tmp_path, [3, 2, 1, 4, 5], keep_last=1) == [0, 3, 5, 17]
    assert (tmp_path / "notes.txt").exists()
    os.remove(tmp_path / "3.m")  # one that is gone already is no matter


def test_old_files_go_when_the_new_one_is_there(tmp_path, monkeypatch):
    model, checkpoint = build(), nn.callbacks.ModelCheckpoint(tmp_path / "{epoch}.m", "loss", keep_last=1, mode="max")
    checkpoint.set_model(model)
    checkpoint.on_train_begin()
    checkpoint.on_epoch_begin(0)
    checkpoint.on_epoch_end(0, {"loss": 1.0})

    def full(path, overwrite=True):
        raise OSError("no space left on device")

    monkeypatch.setattr(model, "save", full)
    with pytest.raises(OSError, match="no space"):
        checkpoint.on_epoch_end(1, {"loss": 2.0})
    assert os.listdir(tmp_path) == ["1.m"]


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda c: c("m.safetensors", keep_last=2), ValueError, "keep_last needs a filepath with something to fill in"),
    (lambda c: c("{epoch}", keep_last=0), ValueError, "keep_last must be at least 1"),
    (lambda c: c("{epoch}", keep_last=1.5), TypeError, "keep_last must be an integer"),
    (lambda c: c("{epoch}", keep_last=True), TypeError, "keep_last must be an integer"),
    (lambda c: c("{epoch}", resume=True, save_weights_only=True), ValueError, "resume needs whole models"),
    (lambda c: c("{epoch}", resume=3), TypeError, "resume must be True, False or a path"),
])  # fmt: skip
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make(nn.callbacks.ModelCheckpoint)


# ---- kill -9

PROGRAM = """
    import os, signal, sys
    import numpy as np
    import nncore as nn

    folder, last = sys.argv[1], int(sys.argv[2])

    def batches():
        random = np.random.default_rng(0)
        while True:
            x = random.standard_normal((16, 8)).astype(np.float32)
            yield x, (x[:, 0] > x[:, 1]).astype(int)

    class Kill(nn.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.counter[0] == last:
                os.kill(os.getpid(), signal.SIGKILL)

    model = nn.Sequential([nn.Input((8,)), nn.layers.Dense(16, "tanh"), nn.layers.Dropout(0.3),
                           nn.layers.Dense(2, "softmax")])
    model.compile(nn.optimizers.Adam(0.01, gradient_accumulation_steps=3), "sparse_categorical_crossentropy",
                  metrics=["accuracy"])
    first = {"backup": nn.callbacks.BackupAndRestore(folder, save_freq=3),
             "checkpoint": nn.callbacks.ModelCheckpoint(os.path.join(folder, "{epoch}-{batch}"), save_freq=3,
                                                        keep_last=2, resume=True)}[sys.argv[3]]
    history = model.fit(batches(), epochs=4, steps_per_epoch=7, verbose=0, callbacks=[
        first, Kill(), nn.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1.0)])
    print(model.optimizer.iterations, model.optimizer.learning_rate, history.epoch, history.history)
    print(*(w.tobytes().hex() for w in [*model.weights, *model.optimizer.variables]))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
@pytest.mark.parametrize("callback", ["backup", "checkpoint"])
def test_a_process_that_is_killed_goes_on(callback, tmp_path):
    def run(folder, last):
        command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(folder), str(last), callback]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout, done.stderr

    code, expected, error = run(tmp_path / "alone", -1)
    assert code == 0, error
    folder = tmp_path / "killed"
    for last in (5, 18, 28):  # the last step of all among them
        assert run(folder, last) == (-signal.SIGKILL, "", "")
    assert run(folder, -1) == (0, expected, "")

"""Callbacks: what is called when, what hooks may do, and the callbacks that come with the library.

Tables with figures of Keras's were made with Keras 3.15, on the same settings and values.
"""

import csv
import itertools
import math
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

import nncore as nn

X = np.random.default_rng(0).standard_normal((50, 6)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 50)
HOOKS = [name for name in dir(nn.callbacks.Callback) if name.startswith("on_")]
nan = math.nan


def build(optimizer="adam", dropout=0.2):
    layers = [nn.Input((6,)), nn.layers.Dense(16, activation="relu"), nn.layers.Dropout(dropout), nn.layers.Dense(3)]
    model = nn.Sequential(layers, seed=3)
    model.compile(optimizer, nn.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


def same_bits(a, b):
    arrays = (itertools.chain(m.weights, m.optimizer.variables) for m in (a, b))
    return a.optimizer.iterations == b.optimizer.iterations and all(
        (v == w).all() for v, w in zip(*arrays, strict=True)
    )


class Recorder(nn.callbacks.Callback):
    """Notes hooks with what they get."""

    def __init__(self, hooks=HOOKS):
        self.calls = []
        for hook in hooks:
            setattr(self, hook, lambda *arguments, _hook=hook, **named: self.calls.append((_hook, arguments, named)))

    @property
    def names(self):
        return [name for name, _, _ in self.calls]


# ---- what is called


def test_hooks_are_called_as_keras_calls_them():
    recorder = Recorder([hook for hook in HOOKS if hook not in ("on_batch_begin", "on_batch_end")])
    model = build()
    history = model.fit(X, Y, batch_size=30, verbose=0, validation_data=(X[:40], Y[:40]), validation_batch_size=30,
                        callbacks=[recorder])  # fmt: skip
    batches = ["on_train_batch_begin", "on_train_batch_end"] * 2
    tests = ["on_test_begin", *["on_test_batch_begin", "on_test_batch_end"] * 2, "on_test_end"]
    assert recorder.names == ["on_train_begin", "on_epoch_begin", *batches, *tests, "on_epoch_end", "on_train_end"]
    assert recorder.params == {"verbose": 0, "epochs": 1, "steps": 2, "rows": 50}
    for name, arguments, named in recorder.calls:
        if "batch" in name:  # the number comes by position, logs by name
            assert len(arguments) == 1
            assert list(named) == ["logs"]
        else:
            assert not named
        logs = named.get("logs", arguments[-1])
        values = {"loss", "accuracy"} if name.endswith("_end") else set()
        if name in ("on_epoch_end", "on_train_end"):
            values |= {"val_loss", "val_accuracy"}
        assert set(logs) == values, name
        assert all(type(value) is float for value in logs.values())
    assert [a[0] for name, a, _ in recorder.calls if "train_batch" in name] == [0, 0, 1, 1]
    epoch, logs = recorder.calls[-2][1]
    assert epoch == 0
    assert {name: [value] for name, value in logs.items()} == history.history
    assert model.evaluate(X[:40], Y[:40], return_dict=True) == pytest.approx(
        {name[4:]: value for name, value in logs.items() if name.startswith("val_")}, rel=1e-12
    )


def test_evaluate_and_predict_call_hooks():
    model, recorder = build(), Recorder()
    logs = model.evaluate(X, Y, batch_size=20, callbacks=recorder, return_dict=True)
    assert recorder.names == ["on_test_begin", *["on_test_batch_begin", "on_test_batch_end"] * 3, "on_test_end"]
    assert recorder.params == {"verbose": 1, "epochs": 1, "steps": 3, "rows": None}
    assert recorder.calls[-1][1] == (logs,)
    expected = model.evaluate(X[:40], Y[:40])
    assert list(recorder.calls[4][2]["logs"].values()) == pytest.approx(expected, rel=1e-12)  # the means so far
    assert list(logs.values()) == pytest.approx(model.evaluate(X, Y), rel=1e-12)

    recorder = Recorder()
    outputs = model.predict(X, batch_size=20, steps=2, callbacks=[recorder])
    assert recorder.names == ["on_predict_begin", *["on_predict_batch_begin", "on_predict_batch_end"] * 2,
                              "on_predict_end"]  # fmt: skip
    assert (outputs == model.predict(X)[:40]).all()
    parts = [named["logs"]["outputs"] for name, _, named in recorder.calls if name == "on_predict_batch_end"]
    assert [len(part) for part in parts] == [20, 20]
    assert (np.concatenate(parts) == outputs).all()


def test_iterables_call_the_same_hooks():
    model, batches = build(), [(X[b : b + 20], Y[b : b + 20]) for b in range(0, 50, 20)]
    by_array, by_batch = Recorder(), Recorder()
    model.fit(X, Y, batch_size=20, verbose=0, callbacks=by_array)
    model.evaluate(X, Y, batch_size=20, callbacks=by_array)
    model.predict(X, batch_size=20, callbacks=by_array)
    model.fit(batches, verbose=0, callbacks=by_batch)
    model.evaluate(batches, callbacks=by_batch)
    model.predict(iter([x for x, _ in batches]), callbacks=by_batch)
    assert by_array.names == by_batch.names


def test_hooks_of_minibatches_cost_no_calls_where_nobody_has_them(monkeypatch):
    from nncore.models.programs import Program

    runs = []
    run = Program.run
    monkeypatch.setattr(Program, "run", lambda self, *a, **k: (runs.append(self.kind), run(self, *a, **k))[1])
    model, many = build(), np.tile(X, (40, 1))

    def calls(callbacks):
        runs.clear()
        model.fit(many[:200], np.tile(Y, 4), batch_size=2, verbose=0, callbacks=callbacks,
                  validation_data=(X, Y))  # fmt: skip
        return runs.count("train"), runs.count("test")

    class Silent(nn.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            pass

    class OldName(nn.callbacks.Callback):
        def on_batch_begin(self, batch, logs=None):
            pass

    class Overwrites(nn.callbacks.ModelCheckpoint):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)

    quiet = [Silent(), nn.callbacks.ModelCheckpoint("unused", save_best_only=True, initial_value_threshold=0.0),
             nn.callbacks.BackupAndRestore("unused"), nn.callbacks.TensorBoard("unused"), nn.callbacks.EarlyStopping(),
             nn.callbacks.TerminateOnNaN(), nn.callbacks.LambdaCallback(on_train_end=lambda logs: None)]  # fmt: skip
    assert not nn.callbacks.CallbackList(quiet).needs_batch_hook("train")
    assert calls([Silent()])[0] < 50  # slices of time, however slow the machine is
    assert calls([Silent()])[1] < 10
    assert calls([OldName()])[0] == 100
    assert calls([nn.callbacks.LambdaCallback(on_test_batch_end=lambda batch, logs: None)])[1] == 25
    assert nn.callbacks.CallbackList([Overwrites("unused")]).needs_batch_hook("train")
    assert nn.callbacks.CallbackList([nn.callbacks.ModelCheckpoint("unused", save_freq=3)]).needs_batch_hook("train")


def test_hooks_do_not_change_results():
    plain, hooked = build(), build()
    expected = plain.fit(X, Y, batch_size=8, epochs=3, verbose=0).history
    history = hooked.fit(X, Y, batch_size=8, epochs=3, verbose=0, callbacks=Recorder()).history
    assert history == expected
    assert same_bits(plain, hooked)


def test_callback_lists(capsys):
    recorder = Recorder(["on_epoch_begin", "on_train_batch_end", "on_predict_end"])
    history = nn.callbacks.History()
    calls = nn.callbacks.CallbackList([[recorder], (history,)], add_history=True, add_progbar=True, model=build(),
                                      epochs=7, steps=2, verbose=0)  # fmt: skip
    assert [type(c).__name__ for c in calls.callbacks] == ["Recorder", "History", "ProgbarLogger"]
    assert recorder.params == {"epochs": 7, "steps": 2, "verbose": 0}
    assert recorder.model is calls.model
    calls.on_epoch_begin(4)
    calls.on_train_batch_end(2, {"loss": 1.0})
    calls.on_predict_end()
    assert recorder.calls == [("on_epoch_begin", (4, {}), {}), ("on_train_batch_end", (2,), {"logs": {"loss": 1.0}}),
                              ("on_predict_end", ({},), {})]  # fmt: skip
    returned = calls.model.fit(X, Y, verbose=0, callbacks=calls)
    assert returned is history is calls.model.history
    assert not capsys.readouterr().err
    with pytest.raises(TypeError, match=r"must be objects of nncore.callbacks.Callback; got 3"):
        nn.callbacks.CallbackList([recorder, 3])


def test_what_callbacks_add_to_the_logs_is_in_the_history_and_not_in_others():
    class Adds(nn.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["extra"] = epoch

    end = Recorder(["on_train_end"])
    history = build().fit(X, Y, epochs=2, verbose=0, callbacks=[Adds(), end])
    assert history.history["extra"] == [0, 1]
    assert "extra" not in end.calls[0][1][0]


# ---- what hooks may do


@pytest.mark.parametrize("hook", ["on_train_batch_end", "on_epoch_begin", "on_train_begin"])
def test_training_stops(hook):
    """As in Keras: after the minibatch where it is asked for, after one where that was before the epoch."""
    model = build()
    stop = nn.callbacks.LambdaCallback(**{hook: lambda *_, **__: setattr(model, "stop_training", True)})
    history = model.fit(X, Y, batch_size=10, epochs=3, verbose=0, validation_data=(X, Y), callbacks=stop)
    assert model.optimizer.iterations == 1
    assert len(history.history["val_loss"]) == 1


def test_evaluation_and_prediction_stop():
    model = build()
    stop = nn.callbacks.LambdaCallback(
        on_test_batch_end=lambda batch, logs: setattr(model, "stop_evaluating", batch == 1),
        on_predict_batch_end=lambda batch, logs: setattr(model, "stop_predicting", batch == 1),
    )
    got = model.evaluate(X, Y, batch_size=10, callbacks=stop)
    assert got == pytest.approx(model.evaluate(X[:20], Y[:20]), rel=1e-12)
    assert (model.predict(X, batch_size=10, callbacks=stop) == model.predict(X[:20])).all()


def test_hooks_use_the_model_and_training_goes_on_as_if_they_had_not(tmp_path):
    """All of them use plans of the model, some the one that training uses."""
    plain, used = build(), build()
    seen = []

    def use(*_, **__):
        seen.append(used.evaluate(X[:7], Y[:7]))
        used.predict(X[:3])
        used.predict_on_batch(X[:3])
        used.test_on_batch(X[:3], Y[:3])
        used.save(tmp_path / "m.safetensors")
        used.value_and_gradients(X, Y)
        weights, state = used.get_weights(), [v.copy() for v in used.optimizer.variables]
        used.train_on_batch(X[:20], Y[:20])  # it is taken back
        used.train_on_batch(X[:20], Y[:20])  # the short way into the plan
        used.set_weights(weights)
        for array, kept in zip(used.optimizer.variables, state, strict=True):
            array[...] = kept
        used.optimizer.counter[0] -= 2

    hooks = [hook for hook in HOOKS if hook not in ("on_batch_begin", "on_batch_end")]
    again = threading.local()

    def once(*arguments, **named):
        if not getattr(again, "inside", False):
            again.inside = True
            use()
            again.inside = False

    callbacks = nn.callbacks.LambdaCallback(**dict.fromkeys(hooks, once))
    options = {"batch_size": 20, "epochs": 2, "verbose": 0, "validation_data": (X[:30], Y[:30])}
    used.forward(X)  # the counts behind dropout's numbers are the same afterwards
    plain.forward(X)
    used.optimizer.build(used.trainable_variables)
    expected = plain.fit(X, Y, **options).history
    got = used.fit(X, Y, **options, callbacks=callbacks).history
    assert len(seen) == 2 + 2 * (2 + 2 * 3 + 2 + 2 * 2)
    assert same_bits(plain, used)
    assert got["loss"] == expected["loss"]
    assert got["val_loss"] == pytest.approx(expected["val_loss"], rel=1e-12)
    assert (used.predict(X, callbacks=callbacks, batch_size=7) == plain.predict(X)).all()


def test_weights_set_in_hooks_are_what_the_epoch_goes_on_from():
    fitted, looped = build(dropout=0), build(dropout=0)
    start = fitted.get_weights()
    reset = nn.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batch == 1 and fitted.set_weights(start))
    fitted.fit(X, Y, batch_size=10, shuffle=False, verbose=0, callbacks=reset)
    for batch in range(5):
        looped.train_on_batch(X[10 * batch : 10 * batch + 10], Y[10 * batch : 10 * batch + 10])
        if batch == 1:
            looped.set_weights(start)
    assert same_bits(fitted, looped)


def test_the_learning_rate_set_in_a_hook_is_the_next_minibatchs():
    fitted, looped = build(dropout=0), build(dropout=0)
    halve = nn.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: setattr(fitted.optimizer, "learning_rate", 0.01 / (batch + 1))
    )
    fitted.fit(X, Y, batch_size=10, shuffle=False, verbose=0, callbacks=halve)
    for batch in range(5):
        looped.train_on_batch(X[10 * batch : 10 * batch + 10], Y[10 * batch : 10 * batch + 10])
        looped.optimizer.learning_rate = 0.01 / (batch + 1)
    assert same_bits(fitted, looped)


def test_fit_inside_fit(tmp_path):
    outer, backup = build(), nn.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)

    def inner(epoch, logs):
        outer.fit(X[:10], Y[:10], verbose=0)

    callbacks = [nn.callbacks.LambdaCallback(on_epoch_end=inner), backup]
    history = outer.fit(X, Y, batch_size=10, epochs=3, verbose=0, callbacks=callbacks)
    assert history is outer.history
    assert len(history.history["loss"]) == 3
    assert outer.optimizer.iterations == 18
    twin = build()
    assert twin.fit(X, Y, epochs=3, verbose=0, callbacks=backup).history == history.history
    assert same_bits(outer, twin)


def test_validation_comes_in_the_same_epochs_wherever_training_begins():
    options = {"epochs": 5, "verbose": 0, "validation_data": (X, Y), "validation_freq": 2}
    logs = Recorder(["on_epoch_end"])
    build().fit(X, Y, initial_epoch=1, callbacks=logs, **options)
    assert [epoch for _, (epoch, values), _ in logs.calls if "val_loss" in values] == [1, 3]


@pytest.mark.parametrize("change", [
    lambda m: m.compile("sgd", "mse"),
    lambda m: m.add(nn.layers.Dense(2)),
    lambda m: m.pop(),
])  # fmt: skip
def test_what_a_training_cannot_go_on_after_is_refused_inside_it(change):
    model = build()
    with pytest.raises(RuntimeError, match=r"cannot .* inside a callback"):
        model.fit(X, Y, verbose=0, callbacks=nn.callbacks.LambdaCallback(on_epoch_begin=lambda e, logs: change(model)))
    assert model.optimizer.iterations == 0
    model.fit(X, Y, verbose=0)
    change(model)


def test_other_threads_are_refused_while_fit_computes_and_while_hooks_run():
    model, alone = build(), build()
    alone.fit(X, Y, epochs=2, verbose=0, batch_size=10)
    results = []

    def intrude():
        for call in (lambda: model.predict(X), lambda: model.predict_on_batch(X), lambda: model.fit(X, Y, verbose=0)):
            try:
                call()
                results.append("admitted")
            except RuntimeError as error:
                results.append(str(error))

    def hook(*_, **__):
        model.predict_on_batch(X)  # the model is lent at this moment, and was inside of this call
        intruder = threading.Thread(target=intrude)
        intruder.start()
        intruder.join()

    class Batches:
        """Its code too may use the model."""

        def __iter__(self):
            for begin in range(0, 50, 10):
                hook()
                yield X[begin : begin + 10], Y[begin : begin + 10]

    hooks = nn.callbacks.LambdaCallback(on_epoch_begin=hook, on_train_batch_end=hook, on_train_end=hook)
    model.fit(X, Y, epochs=2, verbose=0, batch_size=10, callbacks=hooks)
    assert same_bits(model, alone)
    model.fit(Batches(), verbose=0)
    assert len(results) == 3 * (2 + 2 * 5 + 1 + 5)
    assert all("in use by another thread" in result for result in results)
    model.predict(X)


def test_a_second_thread_is_refused_between_hooks():
    model, many = build(), np.tile(X, (400, 1))
    results, running = [], threading.Event()
    hook = nn.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: running.set(),
                                       on_train_end=lambda logs: running.clear())  # fmt: skip
    worker = threading.Thread(
        target=lambda: model.fit(many, np.tile(Y, 400), epochs=3, verbose=0, callbacks=hook), daemon=True
    )
    worker.start()
    assert running.wait(60)
    while running.is_set():
        try:
            model.predict(X)
            results.append(running.is_set())
        except RuntimeError:
            results.append(False)
    worker.join()
    assert not any(results)
    assert len(results) > 1


def test_a_hook_that_raises_leaves_a_free_model_and_no_end():
    model, recorder = build(), Recorder(["on_train_end"])

    def fail(*_, **__):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        model.fit(X, Y, verbose=1, callbacks=[recorder, nn.callbacks.LambdaCallback(on_epoch_end=fail)])
    assert not recorder.calls
    done = []
    worker = threading.Thread(target=lambda: done.append(model.fit(X, Y, verbose=0)))
    worker.start()
    worker.join()
    assert done


# ---- watching a value

A = [3, 2, 2.1, 1, 1.5, 1.5, 0.5, 2, 2, 2]
B = [1, 2, 3, nan, 4, 3, 3, 3, 5, 1]
C = [nan, 1, 2, 0.5, 3, 3, 3, 3, 3, 3]
D = [2, 1.5, 1.25, 1.125, 1.0625, 1.03, 1.01, 1.005, 1, 1]


class Stub:
    """A model whose weights are the number of the epoch."""

    def __init__(self, *metrics):
        self.optimizer = nn.optimizers.SGD(1.0)
        self.stop_training = False
        self.objective = SimpleNamespace(metrics={metric.name: metric for metric in metrics})
        self.metrics_names = ["loss", *self.objective.metrics]
        self.weights = None

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights


def drive(callback, values, name="loss", model=None):
    """Epochs with these values; returns the model, how many epochs ran, and the learning rate after each."""
    model = model or Stub()
    callback.set_model(model)
    callback.on_train_begin({})
    rates = []
    for epoch, value in enumerate(values):
        model.weights = epoch
        callback.on_epoch_end(epoch, {name: value})
        rates.append(model.optimizer.learning_rate)
        if model.stop_training:
            break
    callback.on_train_end({})
    return model, len(rates), rates


# settings, values; of Keras: epochs, whose weights at the end, epochs waited
STOPS = [
    ({}, A, 3, 2, 1),
    ({"patience": 1}, A, 3, 2, 1),
    ({"patience": 2, "restore_best_weights": True}, A, 6, 3, 2),
    ({"patience": 3, "restore_best_weights": True}, A, 10, 6, 3),
    ({"mode": "max", "patience": 2}, B, 7, 6, 2),
    ({"mode": "max", "patience": 3, "restore_best_weights": True}, B, 8, 4, 3),
    ({"patience": 2}, C, 3, 2, 2),
    ({"patience": 1, "min_delta": 0.2}, D, 4, 3, 1),
    ({"patience": 1, "min_delta": -0.2}, D, 4, 3, 1),
    ({"patience": 2, "baseline": 1.2}, A, 3, 2, 3),
    ({"patience": 4, "baseline": 0.4, "restore_best_weights": True}, D, 10, 8, 10),
    ({"start_from_epoch": 3, "patience": 1, "restore_best_weights": True}, A, 5, 3, 1),
    ({"start_from_epoch": 4, "mode": "max"}, A, 6, 5, 1),
    ({"patience": 20, "restore_best_weights": True}, A, 10, 6, 3),
]


@pytest.mark.parametrize(("settings", "values", "epochs", "weights", "wait"), STOPS)
def test_early_stopping_is_kerass(settings, values, epochs, weights, wait):
    callback = nn.callbacks.EarlyStopping("loss", **settings)
    for _ in range(2):  # a second training begins anew
        model, ran, _ = drive(callback, values)
        assert (ran, model.weights, callback.wait) == (epochs, weights, wait)
        assert callback.stopped_epoch == (epochs - 1 if model.stop_training else 0)


# settings, values; of Keras: the learning rate after each epoch, from 1
RATES = [
    ({"patience": 1}, A, [1.0, 1.0, 0.1, 0.1, 1e-2, 1e-3, 1e-3, 1e-4, 1e-5, 1e-6]),
    ({"patience": 2, "factor": 0.5}, A, [1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25]),
    ({"patience": 1, "factor": 0.5, "cooldown": 2}, [2] * 10,
     [1.0, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625, 0.0625, 0.03125]),
    ({"patience": 0, "factor": 0.5, "min_lr": 0.2}, [2] * 6, [1.0, 0.5, 0.25, 0.2, 0.2, 0.2]),
    ({"patience": 1, "factor": 0.5, "min_delta": 0.3}, D,
     [1.0, 1.0, 0.5, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125]),
    ({"mode": "max", "patience": 1, "factor": 0.5}, B,
     [1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.125, 0.0625, 0.0625, 0.03125]),
    ({"patience": 2, "factor": 0.25, "cooldown": 1, "mode": "max"}, C,
     [1.0, 1.0, 0.25, 0.25, 0.0625, 0.0625, 0.015625, 0.015625, 0.00390625, 0.00390625]),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "values", "rates"), RATES)
def test_reduce_on_plateau_is_kerass(settings, values, rates):
    callback = nn.callbacks.ReduceLROnPlateau("loss", **settings)
    for _ in range(2):
        assert drive(callback, values)[2] == pytest.approx(rates, rel=1e-14)  # products of at most 6 roundings


def test_the_direction_of_a_metric_is_known_by_its_class():
    class Mine(nn.metrics.BinaryAccuracy):
        pass

    class Unknown(nn.metrics.Metric):
        pass

    def seeks(metric, name):
        callback = nn.callbacks.EarlyStopping(name, patience=0)
        return "min" if drive(callback, [1, 2, 3], name, Stub(metric))[1] == 2 else "max"

    assert seeks(nn.metrics.CategoricalAccuracy(name="acc"), "acc") == "max"
    assert seeks(Mine(name="m"), "val_m") == "max"
    assert seeks(nn.metrics.MeanAbsoluteError(name="mae"), "val_mae") == "min"
    for name in ("val_other", "other"):
        with pytest.raises(ValueError, match=f"{name}.* give it mode='min' or mode='max'"):
            seeks(Unknown(name="other"), name)
    model = build()
    with pytest.raises(ValueError, match="EarlyStopping cannot know"):
        model.fit(X, Y, verbose=0, callbacks=nn.callbacks.EarlyStopping("learning_rate"))
    assert model.optimizer.iterations == 0


@pytest.mark.parametrize("cls", [nn.callbacks.EarlyStopping, nn.callbacks.ReduceLROnPlateau])
def test_a_name_that_is_not_in_the_logs_is_warned_of_once(cls):
    callback = cls(patience=0)
    for _ in range(2):
        model = build()
        with pytest.warns(UserWarning, match=rf"{cls.__name__} watches 'val_loss', .* there are: loss") as caught:
            history = model.fit(X, Y, epochs=4, verbose=0, callbacks=callback)
        assert len(caught) == 1
        assert len(history.history["loss"]) == 4
        assert model.optimizer.learning_rate == build().optimizer.learning_rate


def test_early_stopping_gives_the_best_weights_back(capsys):
    model = build(nn.optimizers.SGD(0.5))
    kept = {}
    keep = nn.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: kept.update({epoch: model.get_weights()}))
    stopping = nn.callbacks.EarlyStopping(patience=2, restore_best_weights=True, verbose=1)
    history = model.fit(X, Y, epochs=60, verbose=0, validation_data=(X[::-1][:9], Y[:9]), callbacks=[stopping, keep])
    losses = history.history["val_loss"]
    assert len(losses) < 60
    best = int(np.argmin(losses))
    assert best == len(losses) - 3 == stopping.best_epoch
    assert all((a == b).all() for a, b in zip(kept[best], model.weights, strict=True))
    printed = capsys.readouterr().out
    assert f"ends after epoch {len(losses)}\n" in printed
    assert f"best epoch, {best + 1}\n" in printed


# ---- learning rates


def test_schedules_set_the_rate_of_their_epoch(capsys):
    model = build(nn.optimizers.SGD(1.0))
    scheduler = nn.callbacks.LearningRateScheduler(lambda epoch, rate: rate / (1 + epoch), verbose=1)
    seen = Recorder(["on_train_batch_end"])
    history = model.fit(X, Y, epochs=3, verbose=0, callbacks=[scheduler, seen])
    assert history.history["learning_rate"] == [1.0, 0.5, 0.5 / 3]
    assert "epoch 3: the learning rate is 0.16667" in capsys.readouterr().out
    model.fit(X, Y, epochs=4, initial_epoch=3, verbose=0, callbacks=nn.callbacks.LearningRateScheduler(lambda e: e / 8))
    assert model.optimizer.learning_rate == 0.375
    with_default = nn.callbacks.LearningRateScheduler(lambda epoch, rate=9.0: rate / 2)
    model.fit(X, Y, verbose=0, callbacks=with_default)
    assert model.optimizer.learning_rate == 0.1875

    def broken(epoch):
        raise TypeError("of its own")

    before = model.optimizer.iterations
    with pytest.raises(TypeError, match="of its own"):
        model.fit(X, Y, verbose=0, callbacks=nn.callbacks.LearningRateScheduler(broken))
    for wrong in ("fast", None, -1.0, nan):
        with pytest.raises((TypeError, ValueError), match="what schedule returns"):
            model.fit(X, Y, verbose=0, callbacks=nn.callbacks.LearningRateScheduler(lambda e: wrong))  # noqa: B023
    assert model.optimizer.iterations == before


def test_reduce_on_plateau_reduces():
    model = build(nn.optimizers.SGD(0.5))
    reduce = nn.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e6)
    history = model.fit(X, Y, epochs=4, verbose=0, callbacks=reduce)
    assert history.history["learning_rate"] == [0.5, 0.5, 0.25, 0.125]  # of the epoch, before its reduction
    assert model.optimizer.learning_rate == 0.0625


# ---- files of the model


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_checkpoints_by_epoch(tmp_path):
    model = build()
    checkpoint = nn.callbacks.ModelCheckpoint(tmp_path / "deep" / "m-{epoch:02d}-{loss:.3f}.safetensors")
    kept = {}
    keep = nn.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: kept.update({epoch: model.get_weights()}))
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=[checkpoint, keep])
    expected = [f"m-{epoch + 1:02d}-{loss:.3f}.safetensors" for epoch, loss in enumerate(history.history["loss"])]
    assert names(tmp_path / "deep") == expected
    loaded = nn.models.load_model(tmp_path / "deep" / expected[0])
    assert all((a == b).all() for a, b in zip(kept[0], loaded.weights, strict=True))
    assert loaded.optimizer.iterations == 2


def test_checkpoints_of_weights_by_minibatches_under_any_name(tmp_path):
    """Every 3rd of 4 + 4 minibatches, counted on across epochs, as in Keras."""
    model = build()
    checkpoint = nn.callbacks.ModelCheckpoint(str(tmp_path / "{epoch}-{batch}.weights.h5"), save_weights_only=True,
                                              save_freq=3)  # fmt: skip
    model.fit(X, Y, batch_size=13, epochs=2, verbose=0, callbacks=checkpoint)
    assert names(tmp_path) == ["1-3.weights.h5", "2-2.weights.h5"]
    twin = build()
    twin.load_weights(tmp_path / "2-2.weights.h5")
    with pytest.raises(ValueError, match="weights and no architecture"):
        nn.models.load_model(tmp_path / "1-3.weights.h5")


def saved_at(tmp_path, values, **settings):
    """The epochs at which a model was saved."""
    saved = []

    class Saves(Stub):
        def save(self, path):
            saved.append(os.path.basename(path))

    checkpoint = nn.callbacks.ModelCheckpoint(tmp_path / "{epoch}", "loss", **settings)
    model = Saves()
    checkpoint.set_model(model)
    checkpoint.on_train_begin({})
    for epoch, value in enumerate(values):
        checkpoint.on_epoch_begin(epoch, {})
        checkpoint.on_epoch_end(epoch, {"loss": value})
    return [int(number) for number in saved]


def test_only_the_best_are_saved(tmp_path, capsys):
    assert saved_at(tmp_path, A) == list(range(1, 11))
    assert saved_at(tmp_path, A, save_best_only=True) == [1, 2, 4, 7]
    assert saved_at(tmp_path, A, save_best_only=True, initial_value_threshold=1.2) == [4, 7]
    assert not capsys.readouterr().out
    assert saved_at(tmp_path, B, save_best_only=True, mode="max", verbose=1) == [1, 2, 3, 5, 9]
    printed = capsys.readouterr().out
    assert "epoch 4: loss is nan, no better than 3\n" in printed
    assert "epoch 5: loss is 4, after 3\n" in printed
    assert f"epoch 9: saved {tmp_path / '9'}\n" in printed


def test_checkpoints_whose_value_is_missing(tmp_path):
    model = build()
    with pytest.warns(UserWarning, match=r"watches 'val_loss', .* there are: loss, accuracy") as caught:
        model.fit(X, Y, epochs=3, verbose=0,
                  callbacks=nn.callbacks.ModelCheckpoint(tmp_path / "{epoch}", save_best_only=True))  # fmt: skip
    assert len(caught) == 1
    assert names(tmp_path) == ["1", "2", "3"]  # as Keras does: better one too many than none
    with pytest.raises(KeyError, match="names 'val_acc', which is not in the logs; there are: epoch, loss, accuracy"):
        model.fit(X, Y, verbose=0, callbacks=nn.callbacks.ModelCheckpoint(tmp_path / "{val_acc:.2f}"))


# ---- records


def test_csv(tmp_path):
    """What Keras writes, byte for byte, but for the figures."""
    path = tmp_path / "log.csv"
    model = build()
    logger = nn.callbacks.CSVLogger(path)
    history = model.fit(X, Y, epochs=2, verbose=0, validation_data=(X, Y), validation_freq=2, callbacks=logger).history
    first, second = ([history[n][e] for n in ("accuracy", "loss")] for e in (0, 1))
    assert path.read_bytes().decode() == (
        "epoch,accuracy,loss,val_accuracy,val_loss\r\n"
        f"0,{first[0]},{first[1]},NA,NA\r\n"
        f"1,{second[0]},{second[1]},{history['val_accuracy'][0]},{history['val_loss'][0]}\r\n"
    )
    model.fit(X, Y, epochs=3, initial_epoch=2, verbose=0, callbacks=nn.callbacks.CSVLogger(path, append=True))
    with open(path, newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["epoch", "0", "1", "2"]
    model.fit(X, Y, verbose=0, callbacks=nn.callbacks.CSVLogger(str(path), separator=";"))
    assert path.read_text().splitlines()[0] == "epoch;accuracy;loss;val_accuracy;val_loss"
    logger = nn.callbacks.CSVLogger(tmp_path / "new.csv", append=True)
    logger.on_train_begin()
    logger.on_epoch_end(0, {"a": np.array([1, 2]), "b": "text"})
    assert (tmp_path / "new.csv").read_text().splitlines() == ["epoch,a,b,val_a,val_b", '0,"""[1, 2]""",text,NA,NA']


def test_history_is_kept_by_its_object():
    model, history = build(), nn.callbacks.History()
    for _ in range(2):
        assert model.fit(X, Y, epochs=2, verbose=0, callbacks=history) is history
    assert history.epoch == [0, 1]
    assert len(history.history["loss"]) == 4  # as in Keras
    assert model.fit(X, Y, verbose=0) is not history


class FakeWriter:
    written = None

    def __init__(self, folder):
        self.part = os.path.basename(folder)

    def add_scalar(self, tag, value, step):
        self.written.append((self.part, tag, step, value))

    def add_histogram(self, tag, values, step):
        self.written.append((self.part, tag, step, values.copy()))

    def add_text(self, tag, text, step):
        self.written.append((self.part, tag, step, text))

    def flush(self):
        pass

    def close(self):
        self.written.append((self.part, "closed", None, None))


@pytest.fixture
def fake_writer(monkeypatch):
    module = type(sys)("tensorboardX")
    module.SummaryWriter = FakeWriter
    monkeypatch.setitem(sys.modules, "tensorboardX", module)
    monkeypatch.setattr(FakeWriter, "written", [])
    return FakeWriter


def test_tensorboard_writes_kerass_names(fake_writer, tmp_path):
    model = build()
    board = nn.callbacks.TensorBoard(tmp_path, histogram_freq=2, update_freq=3, write_steps_per_second=True)
    history = model.fit(X, Y, batch_size=10, epochs=2, verbose=0, validation_data=(X, Y), callbacks=board).history
    written = fake_writer.written
    steps = {}
    for part, tag, step, _ in written:
        steps.setdefault((part, tag), []).append(step)
    expected = {("train", "model"): [0], ("train", "closed"): [None], ("validation", "closed"): [None]}
    for tag in ("loss", "accuracy", "steps_per_second"):
        expected["train", f"batch_{tag}"] = [3, 6, 9]
    for tag in ("loss", "accuracy", "steps_per_second", "learning_rate"):
        expected["train", f"epoch_{tag}"] = [0, 1]
    for tag in ("loss", "accuracy"):
        expected["validation", f"epoch_{tag}"] = [0, 1]
        expected["validation", f"evaluation_{tag}_vs_iterations"] = [5, 10]
    weights = [f"{layer.name}/{name}/histogram" for layer in (model.layers[0], model.layers[2])
               for name in ("kernel", "bias")]  # fmt: skip
    expected.update({("train", tag): [0] for tag in weights})
    assert steps == expected
    assert [value for _, tag, _, value in written if tag == "epoch_loss"][::2] == history["loss"]
    assert "Dense" in next(value for _, tag, _, value in written if tag == "model")

    written.clear()
    model.evaluate(X, Y, callbacks=board)
    evaluation = [f"evaluation_{name}_vs_iterations" for name in ("loss", "accuracy")]
    assert [row[1] for row in written] == [*evaluation, "closed"]


def test_tensorboard_writes_files_that_its_package_reads(tmp_path):
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import RecordWriter  # noqa: F401

    model = build()
    model.fit(X, Y, epochs=2, verbose=0, callbacks=nn.callbacks.TensorBoard(tmp_path, histogram_freq=1))
    (path,) = (tmp_path / "train").iterdir()
    data, tags = path.read_bytes(), {}
    while data:  # a record: its length, a checksum of that, the event, a checksum of it
        length = int.from_bytes(data[:8], "little")
        for value in Event.FromString(data[12 : 12 + length]).summary.value:
            tags.setdefault(value.tag, []).append(value.simple_value)
        data = data[16 + length :]
    assert tags["epoch_loss"] == [np.float32(v) for v in model.history.history["loss"]]
    assert {"epoch_accuracy", "epoch_learning_rate"} <= set(tags)


def test_tensorboard_without_its_package_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    model = build()
    with pytest.raises(ImportError, match=r"pip install nncore\[tensorboard\]"):
        model.fit(X, Y, verbose=0, callbacks=nn.callbacks.TensorBoard(tmp_path))
    assert model.optimizer.iterations == 0


# ---- ends


@pytest.mark.parametrize("raise_error", [False, True])
def test_terminate_on_nan(raise_error, capsys):
    bad = X.copy()
    bad[20:30] = np.inf
    model, recorder = build(), Recorder(["on_train_batch_end", "on_train_end"])
    callbacks = [nn.callbacks.TerminateOnNaN(raise_error), recorder]
    with pytest.raises(nn.NonFiniteLossError):  # by default there is no such loss
        model.fit(bad, Y, batch_size=10, shuffle=False, verbose=0, callbacks=callbacks)
    recorder.calls.clear()
    nn.config.set_nonfinite("ignore")
    try:
        if raise_error:
            with pytest.raises(RuntimeError, match="loss is nan after minibatch 3"):
                model.fit(bad, Y, batch_size=10, shuffle=False, verbose=0, callbacks=callbacks)
            assert recorder.names == ["on_train_batch_end"] * 2
        else:
            model.fit(bad, Y, batch_size=10, shuffle=False, verbose=0, callbacks=callbacks)
            assert recorder.names == ["on_train_batch_end"] * 3 + ["on_train_end"]
            assert "after minibatch 3" in capsys.readouterr().out
    finally:
        nn.config.set_nonfinite("raise")


# ---- backups


class InterruptError(Exception):
    pass


def interrupt(epoch, batch):
    """Raises in the middle of an epoch, behind the minibatch's hooks of earlier callbacks."""
    at = {}

    def stop(number, logs):
        if (at["epoch"], number) == (epoch, batch):
            raise InterruptError

    return nn.callbacks.LambdaCallback(on_epoch_begin=lambda e, logs: at.update(epoch=e), on_train_batch_end=stop)


BATCHES = [(X[b : b + 10], Y[b : b + 10]) for b in range(0, 50, 10)]


@pytest.mark.parametrize("data", [{"x": X, "y": Y, "batch_size": 10}, {"x": BATCHES}], ids=["arrays", "iterable"])
@pytest.mark.parametrize("save_freq", ["epoch", 1, 3, 5, 7])
def test_an_interrupted_training_goes_on_with_the_same_bits(tmp_path, data, save_freq):
    options = {**data, "epochs": 5, "verbose": 0, "validation_data": (X, Y), "validation_freq": 2}

    def callbacks(*more):  # a learning rate that is carried on
        halve = nn.callbacks.LearningRateScheduler(lambda epoch, rate: rate if epoch in (0, 3) else rate / 2)
        return [halve, nn.callbacks.BackupAndRestore(tmp_path / "backup", save_freq), *more]

    whole = build()
    expected = whole.fit(**options, callbacks=callbacks()).history
    assert not (tmp_path / "backup").exists()
    with pytest.raises(InterruptError):
        build().fit(**options, callbacks=callbacks(interrupt(2, 2)))
    assert names(tmp_path / "backup") == ["latest.safetensors"]
    resumed = build()
    history = resumed.fit(**options, callbacks=callbacks())
    assert history.epoch == list(range(5))
    assert same_bits(whole, resumed)
    assert history.history == expected
    assert not (tmp_path / "backup").exists()


def test_a_training_that_was_done_is_not_done_again(tmp_path):
    options = {"epochs": 2, "verbose": 0}
    keep = nn.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    model = build()
    model.forward(X)
    model.fit(X, Y, **options, callbacks=keep)
    unfinished = tmp_path / ".latest.safetensors.abc.part"
    unfinished.write_text("what a killed process leaves")
    twin = build()
    begun = Recorder(["on_epoch_begin"])
    assert twin.fit(X, Y, **options, callbacks=[keep, begun]).history == model.history.history
    assert not begun.calls
    assert same_bits(model, twin)
    assert (model.forward(X) == twin.forward(X)).all()  # the same numbers of dropout
    assert not unfinished.exists()
    (tmp_path / "mine.txt").write_text("stays")
    twin.fit(X, Y, **options, callbacks=nn.callbacks.BackupAndRestore(tmp_path))
    assert names(tmp_path) == ["mine.txt"]


def test_a_damaged_backup(tmp_path):
    model = build()
    keep = nn.callbacks.BackupAndRestore(tmp_path, double_checkpoint=True, delete_checkpoint=False)
    model.fit(X, Y, epochs=3, verbose=0, callbacks=keep)
    latest, previous = tmp_path / "latest.safetensors", tmp_path / "previous.safetensors"
    assert names(tmp_path) == ["latest.safetensors", "previous.safetensors"]
    latest.write_bytes(latest.read_bytes()[:-1])
    twin = build()
    begun = Recorder(["on_epoch_begin"])
    assert twin.fit(X, Y, epochs=3, verbose=0, callbacks=[keep, begun]).history == model.history.history
    assert [arguments[0] for _, arguments, _ in begun.calls] == [2]
    assert same_bits(model, twin)
    for path in (latest, previous):
        path.write_bytes(path.read_bytes()[:-1])
    fresh = build()
    with pytest.raises(ValueError, match=r"previous.safetensors"):
        fresh.fit(X, Y, verbose=0, callbacks=keep)
    assert same_bits(fresh, build())


def test_a_backup_of_another_training_is_refused_and_changes_nothing(tmp_path):
    model = build()
    keep = nn.callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
    model.fit(X, Y, verbose=0, callbacks=keep)
    others = [build("sgd"), build()]
    others[1].add(nn.layers.Dense(3))
    for other in others:
        before = other.get_weights()
        with pytest.raises(ValueError, match="no backup of this model's training"):
            other.fit(X, Y, verbose=0, callbacks=keep)
        assert all((a == b).all() for a, b in zip(before, other.weights, strict=True))
        assert other.optimizer.iterations == 0
    model.save(tmp_path / "latest.safetensors")
    with pytest.raises(ValueError, match="no backup of this model's training"):
        build().fit(X, Y, verbose=0, callbacks=keep)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
@pytest.mark.parametrize("save_freq", ["epoch", 4])
def test_a_killed_training_goes_on_with_the_same_bits(tmp_path, save_freq):
    """kill -9 three times, then a run that comes through: its bits are those of one that was left alone."""
    code = f"""
        import sys, time
        import numpy as np
        import nncore as nn
        x = np.random.default_rng(0).standard_normal((500, 20)).astype(np.float32)
        y = np.random.default_rng(1).integers(0, 4, 500)
        model = nn.Sequential([nn.Input((20,)), nn.layers.Dense(64, activation="relu"), nn.layers.Dropout(0.3),
                               nn.layers.Dense(4)], seed=5)
        model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
        callbacks = [] if len(sys.argv) < 3 else [nn.callbacks.BackupAndRestore(sys.argv[2], {save_freq!r})]
        if callbacks:
            told = []
            def tell(epoch, logs):
                print("begins", epoch, flush=True)
                told.append(epoch)
                if len(told) == int(sys.argv[3]) + 10:  # so far where the one that kills is slow
                    time.sleep(60)
            callbacks.append(nn.callbacks.LambdaCallback(on_epoch_begin=tell))
        model.fit(x, y, batch_size=32, epochs=60, verbose=0, callbacks=callbacks)
        model.save_weights(sys.argv[1])
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    alone, result, backup = (tmp_path / name for name in ("alone", "result", "backup"))
    subprocess.run([*command, alone], check=True, timeout=120)
    begins = []
    for epochs, delay in ((5, 0.001), (11, 0.004), (3, 0.02), (60, 0)):
        with subprocess.Popen([*command, result, backup, str(epochs)], stdout=subprocess.PIPE, text=True) as process:
            lines = [process.stdout.readline() for _ in range(epochs)]
            time.sleep(delay)
            if epochs < 60:
                process.kill()
        begins.append(int(lines[0].split()[1]))
    assert process.returncode == 0
    assert begins[0] == 0
    assert all(late - early >= epochs - 2 for early, late, epochs in zip(begins, begins[1:], (5, 11, 3), strict=False))
    assert alone.read_bytes() == result.read_bytes()
    assert not backup.exists()


# ---- bad arguments

BAD = {
    "mode": (lambda c: c.EarlyStopping(mode="most"), ValueError, "EarlyStopping: mode must be 'auto', 'min' or 'max'"),
    "patience": (lambda c: c.EarlyStopping(patience=-1), ValueError, "EarlyStopping: patience must be at least 0"),
    "half a patience": (lambda c: c.EarlyStopping(patience=1.5), TypeError, "patience must be an integer"),
    "min_delta": (lambda c: c.EarlyStopping(min_delta="x"), TypeError, "min_delta must be a number"),
    "start": (lambda c: c.EarlyStopping(start_from_epoch=-2), ValueError, "start_from_epoch must be at least 0"),
    "baseline": (lambda c: c.EarlyStopping(baseline=nan), ValueError, "baseline"),
    "factor": (lambda c: c.ReduceLROnPlateau(factor=1.0), ValueError, r"factor must lie in \[0, 1\)"),
    "cooldown": (lambda c: c.ReduceLROnPlateau(cooldown=-1), ValueError, "cooldown must be at least 0"),
    "min_lr": (lambda c: c.ReduceLROnPlateau(min_lr=-0.1), ValueError, "min_lr"),
    "epsilon": (lambda c: c.ReduceLROnPlateau(epsilon=0.1), TypeError, "epsilon"),
    "frequency": (lambda c: c.ModelCheckpoint("m", save_freq="batch"), ValueError, "save_freq must be 'epoch'"),
    "no frequency": (lambda c: c.BackupAndRestore("m", save_freq=False), ValueError, "save_freq must be 'epoch' or a"),
    "every 0th": (lambda c: c.ModelCheckpoint("m", save_freq=0), ValueError, "save_freq must be at least 1"),
    "half a batch": (lambda c: c.ModelCheckpoint("m", save_freq=1.5), TypeError, "save_freq must be an integer"),
    "brace": (lambda c: c.ModelCheckpoint("m{epoch"), ValueError, "is no format"),
    "no name": (lambda c: c.ModelCheckpoint("m{}"), ValueError, "must name what it fills in"),
    "best": (lambda c: c.ModelCheckpoint("m", save_best_only="yes"), TypeError, "save_best_only must be True or False"),
    "schedule": (lambda c: c.LearningRateScheduler(0.1), TypeError, "schedule must be a function"),
    "arguments": (lambda c: c.LearningRateScheduler(lambda a, b, c: 1.0), TypeError, r"schedule takes \(a, b, c\)"),
    "separator": (lambda c: c.CSVLogger("f", separator=", "), ValueError, "separator must be one character"),
    "hook": (lambda c: c.LambdaCallback(on_epoch_ends=print), TypeError, "Did you mean 'on_epoch_end'"),
    "no function": (lambda c: c.LambdaCallback(on_test_end=3), TypeError, "on_test_end must be a function"),
    "folder": (lambda c: c.BackupAndRestore(""), ValueError, "backup_dir must name a folder"),
    "images": (lambda c: c.TensorBoard(write_images=True), ValueError, "does not support the argument 'write_images'"),
    "profile": (lambda c: c.TensorBoard(profile_batch=2), ValueError, "'profile_batch'"),
    "update": (lambda c: c.TensorBoard(update_freq="step"), ValueError, "update_freq must be 'epoch' or"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments_are_named(name):
    make, error, message = BAD[name]
    with pytest.raises(error, match=message):
        make(nn.callbacks)

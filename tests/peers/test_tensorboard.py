"""What the TensorBoard callback writes, read by TensorBoard itself."""

import math
import time

import numpy as np
import pytest

import nncore as nn

pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator",
                                  reason="tensorboard is not installed")  # fmt: skip

X = np.random.default_rng(0).standard_normal((50, 6)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 50)


def fit(folder, epochs=3, metrics=("accuracy",), callbacks=(), **options):
    model = nn.Sequential([nn.Input((6,)), nn.layers.Dense(5, activation="relu", name="hidden"), nn.layers.Dense(3)])
    model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=list(metrics))
    board = nn.callbacks.TensorBoard(folder, **options)
    history = model.fit(X, Y, batch_size=10, epochs=epochs, verbose=0, validation_data=(X[:20], Y[:20]),
                        callbacks=[*callbacks, board])  # fmt: skip
    return model, history.history


def read(folder, part):
    events = accumulator.EventAccumulator(str(folder / part), size_guidance=accumulator.STORE_EVERYTHING_SIZE_GUIDANCE)
    events.Reload()
    return events


def scalars(events, tag):
    return {event.step: event.value for event in events.Scalars(tag)}


def test_scalars_of_epochs(tmp_path):
    _, history = fit(tmp_path)
    train, validation = read(tmp_path, "train"), read(tmp_path, "validation")
    assert set(train.Tags()["scalars"]) == {"epoch_loss", "epoch_accuracy", "epoch_learning_rate"}
    for tag, values in (("loss", history["loss"]), ("accuracy", history["accuracy"]), ("learning_rate", [0.001] * 3)):
        assert scalars(train, f"epoch_{tag}") == dict(enumerate(np.float32(values)))
    for tag in ("loss", "accuracy"):
        assert scalars(validation, f"epoch_{tag}") == dict(enumerate(np.float32(history[f"val_{tag}"])))
        steps = scalars(validation, f"evaluation_{tag}_vs_iterations")
        assert steps == dict(zip((5, 10, 15), np.float32(history[f"val_{tag}"]), strict=True))


@pytest.mark.parametrize(("update_freq", "steps"), [("batch", range(1, 16)), (4, (4, 8, 12)), (1, range(1, 16))])
def test_scalars_of_minibatches(update_freq, steps, tmp_path):
    fit(tmp_path, update_freq=update_freq, write_steps_per_second=True)
    train = read(tmp_path, "train")
    for tag in ("batch_loss", "batch_accuracy", "batch_steps_per_second"):
        values = scalars(train, tag)
        assert list(values) == list(steps)
        assert all(math.isfinite(value) and value >= 0 for value in values.values())
    assert all(value > 0 for value in scalars(train, "epoch_steps_per_second").values())
    assert list(scalars(train, "epoch_loss")) == [0, 1, 2]


def test_histograms_hold_all_weights(tmp_path):
    model, _ = fit(tmp_path, histogram_freq=2)
    train = read(tmp_path, "train")
    sizes = {"hidden/kernel": 30, "hidden/bias": 5, f"{model.layers[1].name}/kernel": 15,
             f"{model.layers[1].name}/bias": 3}  # fmt: skip
    assert set(train.Tags()["histograms"]) == {f"{name}/histogram" for name in sizes}
    for name, size in sizes.items():
        events = train.Histograms(f"{name}/histogram")
        assert [event.step for event in events] == [0, 2]
        assert all(event.histogram_value.num == size for event in events)
    last = train.Histograms("hidden/kernel/histogram")[-1].histogram_value
    kernel = model.layers[0].kernel
    assert (last.min, last.max) == pytest.approx((kernel.min(), kernel.max()))
    assert last.sum == pytest.approx(float(kernel.sum(dtype=np.float64)))


@pytest.mark.parametrize("write_graph", [True, False])
def test_the_model_is_there_as_a_text(write_graph, tmp_path):
    fit(tmp_path, epochs=1, write_graph=write_graph)
    train = read(tmp_path, "train")
    tags = train.Tags()["tensors"]
    assert tags == (["model/text_summary"] if write_graph else [])
    if write_graph:
        (event,) = train.Tensors(tags[0])
        text = event.tensor_proto.string_val[0].decode()
        assert "hidden (Dense)" in text
        assert "53 parameters" in text


def test_values_of_several_numbers_and_learning_rates_that_change(tmp_path):
    halve = nn.callbacks.LearningRateScheduler(lambda epoch: 0.5 ** (epoch + 1))
    model = nn.Sequential([nn.Input((6,)), nn.layers.Dense(3, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy", metrics=[nn.metrics.F1Score(name="f1")])
    model.fit(X, np.eye(3)[Y], verbose=0, epochs=2, callbacks=[halve, nn.callbacks.TensorBoard(tmp_path)])
    train = read(tmp_path, "train")
    assert {"epoch_f1_0", "epoch_f1_1", "epoch_f1_2"} <= set(train.Tags()["scalars"])
    assert scalars(train, "epoch_learning_rate") == {0: 0.5, 1: 0.25}
    assert not (tmp_path / "validation").exists()


def test_a_training_that_goes_on_goes_on_in_the_curves(tmp_path):
    class Stop(nn.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations == 8:
                raise KeyboardInterrupt

    board, backup = tmp_path / "board", nn.callbacks.BackupAndRestore(tmp_path / "backup", save_freq=1)
    with pytest.raises(KeyboardInterrupt):
        fit(board, update_freq=1, callbacks=[backup, Stop()])
    time.sleep(1.1)  # files are named by the second
    _, history = fit(board, update_freq=1, callbacks=[backup])
    train = read(board, "train")
    assert scalars(train, "epoch_loss") == dict(enumerate(np.float32(history["loss"])))
    assert sorted(scalars(train, "batch_loss")) == list(range(1, 16))


def test_what_a_training_leaves_that_ends_by_itself_or_is_killed(tmp_path):
    """Ctrl-C closes the files; and before that each epoch is in them, as a process that is killed closes nothing."""
    seen = []

    class Look(nn.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                seen.append(scalars(read(tmp_path, "train"), "epoch_loss"))

        def on_train_batch_end(self, batch, logs=None):
            if self.model.optimizer.iterations == 13:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, callbacks=[Look()], update_freq=1)
    assert list(seen[0]) == [0, 1]
    assert list(scalars(read(tmp_path, "train"), "batch_loss")) == list(range(1, 13))

"""Files and configurations that somebody has made to do harm: each is refused before anything has changed."""

import sys
from pathlib import Path

import numpy as np
import pytest

import nncore as nn

sys.path.append(str(Path(__file__).resolve().parent.parent))  # behind the installed package

from reliability.fuzzing import backups
from reliability.fuzzing.models import parts, whole

L = nn.layers


def altered(path, change):
    """Changes the description and the tensors of a file, whose checksum holds then."""
    state, tensors = parts(Path(path).read_bytes())
    change(state, tensors)
    Path(path).write_bytes(whole(state, tensors))


def saved(tmp_path, *layers, shape=(3,), **compiled):
    model = nn.Sequential([nn.Input(shape), *layers], seed=1)
    if compiled:
        model.compile(**compiled)
    path = tmp_path / "m.safetensors"
    model.save(path)
    return path


# ---------------------------------------------------------------- models


@pytest.mark.parametrize(
    ("layer", "change"),
    [
        (L.Dense(2), {"units": 10**12}),
        (L.Embedding(4, 2), {"input_dim": 2**31 - 2}),
        (L.LSTM(2), {"units": 10**7}),
        (L.Conv1D(2, 1), {"filters": 2**62}),
        (L.MultiHeadAttention(1, 1), {"num_heads": 10**9}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, L.Layer) else "",
)
def test_a_file_asks_for_no_more_memory_than_it_has_weights(tmp_path, layer, change):
    x = nn.Input((3, 2)) if not isinstance(layer, (L.Dense, L.Embedding)) else nn.Input((3,))
    model = nn.Model(x, layer(x, x) if isinstance(layer, L.MultiHeadAttention) else layer(x))
    path = tmp_path / "m.safetensors"
    model.save(path)
    altered(path, lambda state, _: state["config"]["layers"][1]["config"].update(change))
    with pytest.raises(ValueError, match=r"more weights than the file|can be addressed"):
        nn.models.load_model(path)


def test_models_of_the_same_layer_twice_and_unbuilt_ones_still_load(tmp_path):
    shared = L.Dense(3)
    x = nn.Input((3,))
    model = nn.Model(x, shared(shared(x)))
    model.save(tmp_path / "m.safetensors")
    again = nn.models.load_model(tmp_path / "m.safetensors")
    assert (again.predict(np.ones((2, 3)), verbose=0) == model.predict(np.ones((2, 3)), verbose=0)).all()


def broken(**change):
    model = nn.Model(x := nn.Input((3,)), L.Dense(2)(x))
    return {**model.get_config(), **change}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: nn.Sequential.from_config({"name": "m"}), "layers"),
        (lambda: nn.Model.from_config({"layers": []}), "nodes"),
        (lambda: nn.Model.from_config(broken(outputs=[-1])), "at least 0"),
        (lambda: nn.Model.from_config(broken(outputs=[7])), "index"),
        (lambda: nn.Model.from_config(broken(nodes=[[1, []], [1, [0]]])), "InputLayer"),
        (lambda: nn.Model.from_config(broken(nodes=[[0, []], [-1, [0]]])), "at least 0"),
        (lambda: nn.optimizers.deserialize({"class_name": "Adam", "config": 1.5}), "Adam"),
        (lambda: nn.optimizers.SGD(gradient_accumulation_steps=2**64), "at most 9223372036854775807"),
        (lambda: nn.Sequential([nn.Input((3,))], dtype="banana"), "banana"),
        (lambda: nn.metrics.AUC(num_thresholds=2**53), "at most 1000000"),
        (lambda: L.Conv1D(2, 3, padding="causal", dilation_rate=2**31), "at most 1,048,576"),
        (lambda: nn.metrics.RecallAtPrecision(0.5, num_thresholds=2**40), "at most 1000000"),
        (
            lambda: nn.layers.deserialize({"class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}}),
            "list",
        ),
    ],
)
def test_configurations_that_nobody_has_given_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


# ---------------------------------------------------------------- backups


def backup(tmp_path):
    """A backup in the middle of an epoch, in a folder of its own."""
    folder = tmp_path / "backup"
    folder.mkdir()
    (folder / "latest.safetensors").write_bytes(backups.seeds()["first"])
    return folder


def position(change):
    return lambda state, _: state["training"]["items"]["position"]["items"].update(change)


def callback_state(name, change):
    def alter(state, _):
        callbacks = state["training"]["items"]["callbacks"]["items"]
        callbacks[next(key for key in callbacks if key.startswith(name))] = change

    return alter


def append(name, value):
    return lambda state, _: state["training"]["items"][name].append(value)


@pytest.mark.parametrize(
    "change",
    [
        position({"batch": -3}),  # which read in front of the data, and crashed
        position({"batch": 10**30}),
        position({"batch": 4}),
        position({"batch": 1.5}),
        position({"epoch": -(10**9)}),
        position({"first_step": "a"}),
        position({"totals": [0.0]}),
        position({"totals": ["a"] * 3}),
        position({"layout": [1]}),
        append("metrics", []),
        append("states", None),
        lambda state, _: state["compiled"].update(steps=2**70),
        lambda state, _: state["compiled"].update(steps=-1),
        lambda state, _: state.update(forwards="a"),
        lambda state, _: state["config"].update(seed=-1),
        lambda state, _: state["compiled"]["optimizer"]["config"].update(learning_rate=float("nan")),
        lambda state, tensors: tensors.update({"weights.1": np.zeros(7, np.float32)}),
        lambda state, _: state["training"]["items"].update(callbacks=[]),
        lambda state, _: state["training"]["items"].update(stopped="no"),
        callback_state("History", {"items": {"history": 3, "epoch": [], "_epochs": {"items": {}}}}),
        callback_state(
            "History", {"items": {"history": {"items": {"loss": 3}}, "epoch": [], "_epochs": {"items": {}}}}
        ),
        callback_state("BackupAndRestore", {"items": {"seen": "a"}}),
        callback_state("BackupAndRestore", {"items": {}}),
        callback_state("BackupAndRestore", 3),
        callback_state("ReduceLROnPlateau", {"items": {"best": "a", "wait": 0, "cooldown_counter": 0}}),
    ],
)
def test_a_backup_that_is_not_as_it_should_be_changes_nothing(tmp_path, change):
    folder = backup(tmp_path)
    altered(folder / "latest.safetensors", change)
    model = backups._model()
    before = [np.array(weight) for weight in model.weights]
    with pytest.raises(ValueError, match="is no backup of this model's training"):
        backups._fit(model, str(folder))
    assert all((one == other).all() for one, other in zip(before, model.weights, strict=True))


def test_a_backup_goes_on(tmp_path):
    model = backups._model()
    backups._fit(model, str(backup(tmp_path)))
    alone = backups._model()
    backups._fit(alone, str(tmp_path / "other"))
    assert all((one == other).all() for one, other in zip(alone.weights, model.weights, strict=True))


@pytest.mark.parametrize("shape", [(2, 1), (2, 400), (2,), (3, 4, 1)])
def test_states_of_another_shape_are_refused(tmp_path, shape):
    def made():
        model = nn.Sequential([nn.Input((3, 2)), L.LSTM(4, stateful=True), L.Dense(1)], seed=1)
        model.compile("sgd", "mse")
        return model

    class Stop(Exception):  # noqa: N818
        pass

    class Break(nn.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch:
                raise Stop

    x, y = np.ones((4, 3, 2), np.float32), np.ones((4, 1), np.float32)
    keep = nn.callbacks.BackupAndRestore(tmp_path / "b")
    with pytest.raises(Stop):
        made().fit(x, y, batch_size=2, epochs=3, shuffle=False, verbose=0, callbacks=[keep, Break()])

    def shrink(state, tensors):
        for number in state["training"]["items"]["states"][0]:
            tensors[number["tensor"]] = np.ones(shape, np.float32)

    altered(tmp_path / "b" / "latest.safetensors", shrink)
    with pytest.raises(ValueError, match=r"states of layer|of this model's training"):
        made().fit(
            x,
            y,
            batch_size=2,
            epochs=3,
            shuffle=False,
            verbose=0,
            callbacks=[nn.callbacks.BackupAndRestore(tmp_path / "b")],
        )


def test_a_backup_has_no_files_removed_but_those_of_its_checkpoint(tmp_path):
    precious, inside = tmp_path / "precious.txt", tmp_path / "kept" / "other.txt"
    inside.parent.mkdir()
    for path in (precious, inside):
        path.write_text("mine")
    old = tmp_path / "kept" / "00.safetensors"
    old.write_bytes(b"of an earlier epoch")
    checkpoint = nn.callbacks.ModelCheckpoint(str(tmp_path / "kept" / "{epoch:02}.safetensors"), "loss", keep_last=1)
    above = str(tmp_path / "kept" / ".." / "precious.safetensors")
    checkpoint.set_state(
        {"best": None, "seen": 0, "written": {str(precious): None, str(inside): None, above: None, str(old): 9.0}}
    )
    assert list(checkpoint._written) == [str(old)]
    model = nn.Sequential([nn.Input((1,)), L.Dense(1)])
    model.compile("sgd", "mse")
    state = checkpoint.get_state()
    again = nn.callbacks.LambdaCallback(on_train_begin=lambda logs: checkpoint.set_state(state))
    model.fit(np.ones((4, 1)), np.ones((4, 1)), epochs=2, verbose=0, callbacks=[checkpoint, again])
    assert precious.read_text() == inside.read_text() == "mine"
    assert not old.exists()
    with pytest.raises(TypeError, match="seen"):
        checkpoint.set_state({"best": None, "seen": "a", "written": {}})


@pytest.mark.parametrize(("callback", "name"), [
    (lambda: nn.callbacks.ReduceLROnPlateau("loss"), "cooldown_counter"),
    (lambda: nn.callbacks.ReduceLROnPlateau("loss"), "wait"),
    (lambda: nn.callbacks.EarlyStopping("loss"), "stopped_epoch"),
])  # fmt: skip
def test_counts_of_callbacks_that_are_no_integers(callback, name):
    one = callback()
    state = one.get_state()
    one.set_state(state)
    for wrong in ([], "1", None, 1.5):
        with pytest.raises(TypeError, match=f"{name} must be an integer"):
            one.set_state({**state, name: wrong})
    assert one.get_state() == state


@pytest.mark.parametrize("wrong", [[], [np.ones((3, 2)), np.ones(2), np.ones(2)], [np.ones(2)] * 2, [None] * 2, 7])
def test_best_weights_that_are_not_the_models(wrong):
    stopping = nn.callbacks.EarlyStopping("loss", restore_best_weights=True)
    model = nn.Sequential([nn.Input((3,)), L.Dense(2)])
    stopping.set_model(model)
    kept = {**stopping.get_state(), "best_weights": model.get_weights()}
    stopping.set_state(kept)
    with pytest.raises((TypeError, ValueError), match="EarlyStopping: the model"):
        stopping.set_state({**kept, "best_weights": wrong, "wait": 5})
    assert stopping.wait == 0
    assert stopping.best_weights is kept["best_weights"]


# ---------------------------------------------------------------- pictures and tables


@pytest.mark.parametrize("name", ["cut-chunk", "no-palette"])
def test_a_picture_that_lacks_something_is_no_image(tmp_path, name):
    pytest.importorskip("PIL")
    corpus = Path(__file__).resolve().parent.parent / "reliability" / "corpus"
    (tmp_path / "a.png").write_bytes((corpus / "images" / name).read_bytes())
    with pytest.raises(ValueError, match=r"is no image: \w"):
        nn.utils.load_img(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["half-bytes", "no-utf8"])
def test_parquet_of_types_and_texts_that_are_not_read(tmp_path, name):
    pytest.importorskip("pyarrow")
    from nncore._tables import reading

    corpus = Path(__file__).resolve().parent.parent / "reliability" / "corpus"
    (tmp_path / "a.parquet").write_bytes((corpus / "parquet_tables" / name).read_bytes())
    with pytest.raises(ValueError, match="Parquet"):
        reading.read_table(str(tmp_path / "a.parquet"))

"""Files, pickles and copies: whole or refused."""

import copy
import json
import os
import pickle
import stat
import struct

import numpy as np
import pytest

import nncore as nn

X = np.random.default_rng(0).standard_normal((50, 6)).astype(np.float32)
Y = np.arange(50) % 4


def trained(dtype="float32", optimizer="adam"):
    model = nn.Sequential(
        [
            nn.Input((6,)),
            nn.layers.Rescaling(0.5, -0.1),
            nn.layers.Dense(8, activation="relu", use_bias=False),
            nn.layers.Dropout(0.3, seed=3),
            nn.layers.Activation("tanh"),
            nn.layers.Dense(4, activation="softmax", kernel_initializer=nn.initializers.HeUniform(seed=9)),
        ],
        name="kept",
        seed=8,
        dtype=dtype,
    )
    own = nn.metrics.SparseCategoricalAccuracy("own")
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy", own])
    model.fit(X, Y, epochs=2, verbose=0)
    return model


def assert_same(a, b):
    assert a.get_config() == b.get_config()
    assert all((v == w).all() and v.dtype == w.dtype for v, w in zip(a.weights, b.weights, strict=True))
    assert all((v == w).all() for v, w in zip(a.optimizer.variables, b.optimizer.variables, strict=True))
    assert a.optimizer.get_config() == b.optimizer.get_config()
    assert a.optimizer.iterations == b.optimizer.iterations
    assert a.evaluate(X, Y) == b.evaluate(X, Y)
    assert a.metrics_names == b.metrics_names
    for model in (a, b):
        model.fit(X, Y, epochs=1, verbose=0)
    assert all((v == w).all() for v, w in zip(a.weights, b.weights, strict=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop", nn.optimizers.SGD(0.1, 0.9, nesterov=True)])
def test_save_and_load(tmp_path, dtype, optimizer):
    model = trained(dtype, copy.deepcopy(optimizer))
    model.save(tmp_path / "m.safetensors")
    assert_same(nn.models.load_model(tmp_path / "m.safetensors"), model)


def test_load_without_compiling(tmp_path):
    model = trained()
    model.save(tmp_path / "m.safetensors")
    bare = nn.models.load_model(tmp_path / "m.safetensors", compile=False)
    assert not bare.compiled
    assert (bare.predict(X) == model.predict(X)).all()


def test_the_same_model_makes_the_same_file(tmp_path):
    model = trained()
    contents = set()
    for number in range(8):
        model.save(tmp_path / f"{number}.safetensors")
        contents.add((tmp_path / f"{number}.safetensors").read_bytes())
    assert len(contents) == 1


def test_pickle_and_deepcopy():
    for twin in (lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy, copy.copy):
        model = trained()
        other = twin(model)
        assert not any(np.shares_memory(a, b) for a, b in zip(model.weights, other.weights, strict=True))
        assert_same(other, model)


def test_an_uncompiled_and_an_untrained_model(tmp_path):
    model = nn.Sequential([nn.Input((6,)), nn.layers.Dense(2)])
    model.save(tmp_path / "m.safetensors")
    again = nn.models.load_model(tmp_path / "m.safetensors")
    assert not again.compiled
    assert (again.predict(X) == model.predict(X)).all()
    model.compile("adam", "mse")
    model.save(tmp_path / "m.safetensors")
    again = nn.models.load_model(tmp_path / "m.safetensors")
    again.fit(X, X[:, :2], verbose=0)


def test_weights_alone(tmp_path):
    model, other = trained(), trained()
    other.fit(X, Y, verbose=0)
    model.save_weights(tmp_path / "w.safetensors")
    other.load_weights(tmp_path / "w.safetensors")
    assert all((a == b).all() for a, b in zip(model.weights, other.weights, strict=True))
    with pytest.raises(ValueError, match="load_weights"):
        nn.models.load_model(tmp_path / "w.safetensors")
    small = nn.Sequential([nn.Input((6,)), nn.layers.Dense(2)])
    with pytest.raises(ValueError, match="weights"):
        small.load_weights(tmp_path / "w.safetensors")


def test_every_truncation_and_many_alterations_are_refused(tmp_path):
    model = trained()
    path = tmp_path / "m.safetensors"
    model.save(path)
    content = path.read_bytes()
    random = np.random.default_rng(1)
    for length in [0, 1, 7, 8, 9, *random.integers(0, len(content), 40).tolist(), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"m\.safetensors"):
            nn.models.load_model(path)
    for place in random.integers(8, len(content), 150).tolist():
        altered = bytearray(content)
        altered[place] ^= int(random.integers(1, 256))
        path.write_bytes(altered)
        try:
            again = nn.models.load_model(path)
        except ValueError:
            continue
        # a byte of the header's JSON that means nothing, such as a space
        assert all((a == b).all() for a, b in zip(again.weights, model.weights, strict=True))
    path.write_bytes(content + b"x")
    with pytest.raises(ValueError, match="safetensors"):
        nn.models.load_model(path)


def hostile(path, state):
    """A file with a checksum that fits and a description that does not."""
    from safetensors.numpy import save

    from nncore.models import saving

    text, tensors = json.dumps(state), {"weights.0": np.zeros(3)}
    described = {"sha256": saving._digest(text, tensors), "model": text}
    path.write_bytes(save(tensors, {"nncore": json.dumps(described)}))


@pytest.mark.parametrize(
    "change",
    [
        {"format": 99},
        {"class_name": "os.system"},
        {"config": {}},
        {"config": {"layers": 3}},
        {"config": {"layers": [{"class_name": "Evil", "config": {}}]}},
        {"config": {"layers": [{"class_name": "Dense", "config": {"units": "__import__('os')"}}]}},
        {"config": {"layers": [{"class_name": "InputLayer", "config": {"shape": [3]}}]}},
        {
            "config": {
                "layers": [
                    {"class_name": "InputLayer", "config": {"shape": [3]}},
                    {"class_name": "Dense", "config": {"units": 2}},
                ]
            }
        },
        {"compiled": 7},
    ],
)
def test_hostile_descriptions_are_refused(tmp_path, change):
    path = tmp_path / "m.safetensors"
    state = {"format": 1, "class_name": "Sequential", "config": {"layers": []}, "compiled": None, "forwards": 0}
    hostile(path, {**state, **change})
    with pytest.raises(ValueError, match=r"m\.safetensors"):
        nn.models.load_model(path)


def test_a_header_that_claims_more_than_the_file_holds(tmp_path):
    path = tmp_path / "m.safetensors"
    for claimed in (2**40, 2**63, 100):
        path.write_bytes(struct.pack("<Q", claimed) + b"{}")
        with pytest.raises(ValueError, match="safetensors"):
            nn.models.load_model(path)
    header = json.dumps({"weights.0": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(ValueError, match="safetensors"):
        nn.models.load_model(path)
    with pytest.raises(FileNotFoundError):
        nn.models.load_model(tmp_path / "absent")


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    model = trained()
    path = tmp_path / "m.safetensors"
    model.save(path)
    before = path.read_bytes()
    model.fit(X, Y, verbose=0)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        model.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    with pytest.raises(FileExistsError):
        model.save(path, overwrite=False)
    model.save(path)
    assert path.read_bytes() != before
    assert stat.S_IMODE(path.stat().st_mode) & 0o600 == 0o600

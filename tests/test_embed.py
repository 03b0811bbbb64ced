"""Predictors: what `predict` computes, from C and from threads, without the GIL."""

import copy
import ctypes
import os
import pickle
import threading

import numpy as np
import pytest

import nncore as nn
from nncore import embed
from nncore.embed import Predictor

L = nn.layers
RANDOM = np.random.default_rng(0)


def dense(width=64, outputs=3, **common):
    return nn.Sequential([nn.Input((20,)), L.Dense(width, activation="relu"), L.Dense(outputs)], **common)


def inputs_of(model, rows):
    return [RANDOM.standard_normal((rows, *shape)).astype(model.dtype) for shape in model.graph.input_shapes]


def graph():
    a, b = nn.Input((6, 4)), nn.Input((4,))
    lstm = L.LSTM(5)(a)
    return nn.Model([a, b], [L.Concatenate()([lstm, b]), lstm, b], dtype="float64")


MODELS = {
    "dense": lambda: dense(),
    "wide": lambda: dense(700, dtype="float64"),
    "images": lambda: nn.Sequential([nn.Input((8, 8, 3)), L.Conv2D(6, 3, padding="same"), L.BatchNormalization(),
                                     L.Conv2DTranspose(4, 3, strides=2), L.GlobalMaxPooling2D()]),
    "graph": graph,
}  # fmt: skip


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", MODELS)
def test_same_bits_as_predict(name, threads):
    model = MODELS[name]()
    predictor = Predictor(model, threads=threads, rows=40)
    for rows in (1, 7, 40, 41, 200, 1):
        xs = inputs_of(model, rows)
        wanted, got = model.predict(xs if len(xs) > 1 else xs[0], verbose=0), predictor(*xs)
        wanted, got = (y if isinstance(y, list) else [y] for y in (wanted, got))
        assert all(np.array_equal(a, b) for a, b in zip(wanted, got, strict=True))
    none = predictor(*(x[:0] for x in xs))
    assert all(len(y) == 0 for y in (none if isinstance(none, list) else [none]))


def test_it_is_the_model_as_it_was():
    model = dense()
    model.compile("adam", "mse")
    x = inputs_of(model, 50)[0]
    before = model.predict(x, verbose=0)
    predictor = Predictor(model)
    model.fit(x, np.ones((50, 3)), epochs=2, verbose=0)
    after = model.predict(x, verbose=0)
    assert np.array_equal(predictor(x), before)
    assert not np.array_equal(before, after)
    del model
    assert np.array_equal(predictor(x), before)


def test_types_of_inputs():
    model = nn.Sequential([nn.Input((4, 4, 1)), L.Rescaling(1 / 255), L.Flatten(), L.Dense(3)])
    images = RANDOM.integers(0, 256, (5, 4, 4, 1)).astype(np.uint8)
    wanted = model.predict(images, verbose=0)
    assert np.array_equal(Predictor(model, input_dtype="uint8")(images), wanted)
    assert np.array_equal(Predictor(model)(images), wanted)
    with pytest.raises(TypeError, match="takes arrays of uint8; got one of int64"):
        Predictor(model, input_dtype="uint8")(images.astype(np.int64))
    with pytest.raises(TypeError, match="takes arrays of float32; got one of complex128"):
        Predictor(model)(images.astype(np.complex128))
    numbers = nn.Sequential([nn.Input((3,)), L.Embedding(9, 2)])
    x = RANDOM.integers(0, 9, (6, 3))
    assert np.array_equal(Predictor(numbers, input_dtype=np.int64)(x), numbers.predict(x, verbose=0))


def test_a_second_thread_is_told_and_does_no_harm():
    model = dense(2000)
    predictor, x = Predictor(model), inputs_of(model, 4000)[0]
    wanted, refused, found, enough = model.predict(x, verbose=0), [], [], threading.Event()

    def run(rows, results):
        while not enough.is_set():
            try:
                results.append(predictor(rows))
            except RuntimeError as error:  # while another one computes, without the GIL
                refused.append(str(error))
                enough.set()

    results = [found, []]
    workers = [threading.Thread(target=run, args=(rows, to)) for rows, to in zip((x, x[:1]), results, strict=True)]
    for worker in workers:
        worker.start()
    enough.wait(60)
    enough.set()
    for worker in workers:
        worker.join()
    assert "in use by another thread" in refused[0]
    assert all(np.array_equal(y, wanted) for y in found)
    assert all(np.array_equal(y, wanted[:1]) for y in results[1])
    assert np.array_equal(predictor(x), wanted)


def test_one_predictor_for_each_thread():
    model = dense(300)
    x, found = inputs_of(model, 500)[0], {}
    predictors = [Predictor(model, threads=2) for _ in range(6)]

    def run(number):
        found[number] = [predictors[number](x) for _ in range(5)]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wanted = model.predict(x, verbose=0)
    assert all(np.array_equal(y, wanted) for ys in found.values() for y in ys)
    assert sorted(found) == list(range(6))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_after_fork():
    model = dense(600)
    predictor, x = Predictor(model, threads=2), inputs_of(model, 512)[0]
    wanted = predictor(x)
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(predictor(x), wanted) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert np.array_equal(predictor(x), wanted)


class Doubled(L.Layer):
    """2 x, in NumPy."""

    def forward(self, x):
        return 2 * x


def test_refusals():
    model = dense()
    with pytest.raises(TypeError, match="must be a Model"):
        Predictor(L.Dense(3))
    with pytest.raises(ValueError, match="has no shape yet"):
        Predictor(nn.Sequential([L.Dense(3)]))
    with pytest.raises(ValueError, match="stateful"):
        Predictor(nn.Sequential([nn.Input((4, 3)), L.LSTM(2, stateful=True)]))
    with pytest.raises(ValueError, match="layers in Python"):
        Predictor(nn.Sequential([nn.Input((3,)), Doubled(), L.Dense(1)]))
    with pytest.raises(ValueError, match="threads must be at least 1"):
        Predictor(model, threads=0)
    with pytest.raises(ValueError, match="rows must be at least 1"):
        Predictor(model, rows=0)
    with pytest.raises(ValueError, match=r"input_dtype must be one of .* got complex128"):
        Predictor(model, input_dtype=complex)
    predictor = Predictor(model)
    with pytest.raises(ValueError, match=r"samples of shape \(20,\); got \(2, 19\)"):
        predictor(np.zeros((2, 19)))
    with pytest.raises(TypeError, match="takes 1 arrays; got 2"):
        predictor(np.zeros((2, 20)), np.zeros((2, 20)))
    with pytest.raises(RuntimeError, match="made once"):
        predictor.__init__(model)
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled or copied"):
            copied(predictor)


def test_loading(tmp_path):
    model = dense()
    model.save(tmp_path / "model.safetensors")
    x = inputs_of(model, 3)[0]
    assert np.array_equal(embed.load(tmp_path / "model.safetensors", 2)(x), model.predict(x, verbose=0))


# ---- the functions of nncore_embed.h, by ctypes

class Port(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int32), ("reserved", ctypes.c_int32), ("size", ctypes.c_int64)]


class Functions(ctypes.Structure):
    _fields_ = [
        ("version", ctypes.c_int32),
        ("predictor", ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object)),
        ("inputs", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)),
        ("outputs", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)),
        ("input", ctypes.CFUNCTYPE(Port, ctypes.c_void_p, ctypes.c_int)),
        ("output", ctypes.CFUNCTYPE(Port, ctypes.c_void_p, ctypes.c_int)),
        ("predict", ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)),
    ]


def functions():
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return Functions.from_address(pointer(embed._api, b"nncore.embed._api"))


def pointers_of(arrays):
    return (ctypes.c_void_p * len(arrays))(*(None if array is None else array.ctypes.data for array in arrays))


def test_the_functions_of_c():
    api, model = functions(), graph()
    assert api.version == 1
    predictor = Predictor(model)
    inside = api.predictor(predictor)
    assert [api.inputs(inside), api.outputs(inside)] == [2, 3]
    ports = [api.input(inside, 0), api.input(inside, 1), *(api.output(inside, n) for n in range(3))]
    assert [(port.type, port.size) for port in ports] == [(11, 24), (11, 4), (11, 9), (11, 5), (11, 4)]
    assert [api.input(inside, 2).type, api.output(inside, -1).size] == [-1, 0]
    xs, ys = inputs_of(model, 6), [np.full((6, n), 7.0) for n in (9, 5, 4)]
    assert api.predict(inside, pointers_of(xs), -1, pointers_of(ys)) == 2
    assert api.predict(inside, None, 6, pointers_of(ys)) == 2
    assert api.predict(inside, pointers_of([xs[0], None]), 6, pointers_of(ys)) == 2
    assert api.predict(inside, pointers_of(xs), 6, pointers_of([*ys[:2], None])) == 2
    assert api.predict(inside, pointers_of(xs), 0, pointers_of(ys)) == 0
    assert all((y == 7).all() for y in ys)
    assert api.predict(inside, pointers_of(xs), 6, pointers_of(ys)) == 0
    assert all(np.array_equal(a, b) for a, b in zip(ys, model.predict(xs, verbose=0), strict=True))
    with pytest.raises(TypeError, match="Predictor is needed, not"):
        api.predictor(model)


def test_headers_lie_where_get_include_says():
    with open(os.path.join(nn.get_include(), "nncore_embed.h"), encoding="utf-8") as file:
        assert "import_nncore" in file.read()

"""Files that lie about themselves: memory stays within what they hold, and nothing in them is ever run."""

import copy
import gzip
import io
import json
import os
import resource
import struct
import sys
import zipfile

import numpy as np
import pytest

import nncore as nn
from nncore.datasets import mnist
from nncore.models import saving

layers = nn.layers
ROOM = 200_000_000  # bytes beyond what a process has when it begins to read


def loading(load, path):
    """The error's class and text, or "loaded", of a process that has little memory; what else it did: see `watched`."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        said = "ended"
        try:
            with open("/proc/self/statm") as file:
                base = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            resource.setrlimit(resource.RLIMIT_AS, (base + ROOM, base + ROOM))
            resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
            load(path)
            said = "loaded"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writer, said[:4000].encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as file:
        said = file.read()
    os.waitpid(child, 0)
    return said


pytestmark = [
    pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="no limit of memory without Linux's proc"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


def networks():
    """Models with many kinds of layer and metric, whose descriptions have numbers of all kinds."""
    sequence, picture, numbers = nn.Input((16, 6)), nn.Input((8, 8, 4)), nn.Input((7,))
    first = layers.GRU(3)(layers.LSTM(3, return_sequences=True)(sequence))
    second = layers.Conv2D(4, 3)(picture)
    for layer in (layers.DepthwiseConv2D(3), layers.SeparableConv2D(4, 1), layers.BatchNormalization(),
                  layers.GroupNormalization(2), layers.UpSampling2D(2), layers.ZeroPadding2D(1),
                  layers.Flatten()):  # fmt: skip
        second = layer(second)
    third = layers.Embedding(9, 4)(numbers)
    third = layers.GlobalAveragePooling1D()(layers.MultiHeadAttention(2, 3)(third, third))
    graph = nn.Model([sequence, picture, numbers], layers.Dense(5)(layers.Concatenate()([first, second, third])))
    graph.compile(nn.optimizers.Adam(nn.optimizers.schedules.CosineDecay(0.1, 100)), "mse")
    classes = nn.Sequential([nn.Input((4,)), layers.PReLU(), layers.RepeatVector(2), layers.Flatten(),
                             layers.Dense(3, activation="softmax")])  # fmt: skip
    classes.compile("adam", "categorical_crossentropy", metrics=[
        nn.metrics.AUC(20), nn.metrics.PrecisionAtRecall(0.5, 10), nn.metrics.F1Score(), nn.metrics.OneHotMeanIoU(3)])
    return {"graph": graph, "classes": classes}  # fmt: skip


def numbers_in(value, path=()):
    """Places of whole numbers in JSON."""
    if isinstance(value, (dict, list)):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from numbers_in(inner, (*path, key))
    elif isinstance(value, int) and not isinstance(value, bool):
        yield path


def write(path, state, tensors):
    """A file whose checksum fits."""
    from safetensors.numpy import save

    text = json.dumps(state)
    described = {"sha256": saving._digest(text, tensors), "model": text}
    path.write_bytes(save(tensors, {"nncore": json.dumps(described)}))


@pytest.mark.parametrize("kind", ["graph", "classes"])
def test_no_number_of_a_description_asks_for_memory(kind, tmp_path):
    path = tmp_path / "m.safetensors"
    networks()[kind].save(path)
    state, tensors = saving._read(path)
    places = list(numbers_in(state))
    assert len(places) > 8
    for place in places:
        for number in (20_000_000, 10**12):
            changed = copy.deepcopy(state)
            inner = changed
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = number
            write(path, changed, tensors)
            said = loading(nn.models.load_model, path)
            assert said == "loaded" or said.startswith("ValueError: "), (place, number, said)


def test_headers_of_safetensors(tmp_path):
    path = tmp_path / "m.safetensors"
    for shape, offsets in (([2**40], [0, 2**42]), ([2**20, 2**20], [0, 0]), ([0, 2**60], [0, 0]), ([2**62, 4], [0, 0])):
        header = json.dumps({"weights.0": {"dtype": "F32", "shape": shape, "data_offsets": offsets}}).encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header)
        assert loading(nn.models.load_model, path).startswith("ValueError: ")


def compressed(path, header, count):
    """A gzip file of a header and zeros, which are a thousandth of their size there."""
    path.write_bytes(gzip.compress(header) + gzip.compress(bytes(2**20)) * (count // 2**20))


def test_bombs_of_gzip(tmp_path):
    pytest.importorskip("pandas")
    from nncore._tables import reading

    reading.import_pandas()
    size = 100 * 2**20
    path = tmp_path / "images.gz"
    compressed(path, struct.pack(">BBBBI", 0, 0, 8, 1, size), size)
    assert "not unpacked" in loading(lambda path: mnist.read_idx(path, 1), path)
    path = tmp_path / "table.csv.gz"
    compressed(path, b"a,b\n1,2\n", size)
    assert "not unpacked" in loading(reading.read_table, str(path))
    honest = tmp_path / "honest.gz"
    compressed(honest, struct.pack(">BBBBI", 0, 0, 8, 1, 2**23), 2**23)
    assert mnist.read_idx(honest, 1).shape == (2**23,)


def test_idx_files_that_claim_more_than_they_hold(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(struct.pack(">BBBBIII", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1) + bytes(100))
    assert loading(lambda path: mnist.read_idx(path, 3), path).startswith("ValueError: ")


def test_tables_that_claim_more_cells_than_they_hold(tmp_path):
    pytest.importorskip("pandas")
    from nncore._tables import reading

    reading.import_pandas()
    path = tmp_path / "short.csv"
    names = ",".join(f"c{i}" for i in range(20_000))
    path.write_text(names + "\n" + "1\n" * 100_000)
    assert "cells" in loading(reading.read_table, str(path))
    lines = "\n".join(["a line of a text"] * 20_000)  # which are one field
    path.write_text(",".join(names.split(",")[:2000]) + "\n" + f'"{lines}",' + "1," * 1998 + "1\n")
    assert reading.read_table(str(path)).frame.shape == (1, 2000)
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array(np.zeros(3_000_000, "i4")), ["x"])
    parquet.write_table(pyarrow.table({f"c{i}": column for i in range(10)}), tmp_path / "all.parquet")
    with pytest.raises(ValueError, match="cells"):
        reading.read_table(str(tmp_path / "all.parquet"))


def test_archives_of_keras_that_unpack_to_much_more(tmp_path):
    from nncore.interop import keras

    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", bytes(100 * 2**20))
    with pytest.raises(ValueError, match="not unpacked"):
        keras._refuse_bomb(path)


# ---------------------------------------------------------------- nothing is run

FORBIDDEN = ("exec", "compile", "marshal.loads", "pickle.find_class", "os.system", "os.exec", "os.posix_spawn",
             "os.fork", "subprocess.Popen", "ctypes.dlopen", "socket.connect", "urllib.Request")  # fmt: skip
_watch = {"on": False}
_seen = []


def _hook(event, arguments):
    if not _watch["on"]:
        return
    named = {"import": "evil", "open": "secret"}.get(event)
    written = event == "open" and "w" in str(arguments[1])
    if written or (named is not None and named in str(arguments[0])) or event in FORBIDDEN:
        _seen.append((event, str(arguments)[:200]))


@pytest.fixture(scope="module", autouse=True)
def _hooked():
    sys.addaudithook(_hook)  # for good: there is no way to take one off


def watched(load, path):
    """What loading a file did that no file may ask for."""
    _seen.clear()
    _watch["on"] = True
    try:
        load(path)
    except (ValueError, TypeError):
        pass
    finally:
        _watch["on"] = False
    return list(_seen)


def code_in_files(tmp_path):
    """Words that a reader which evaluates, imports, looks up or unpickles would fall for."""
    secret = tmp_path / "secret.txt"
    secret.write_text("a\nb\n")
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')")
    function = {"class_name": "__lambda__", "config": {"code": "4wEAAAAAAAAAAAAAAAEAAAACAAAAQwAAAHMEAAAAfABTACkBTqkA"}}
    yield from ("os.system", "os>system", "builtins>eval", "__import__('evil')", "evil", "evil>thing", "evil.thing",
                "Lambda", "lambda x: __import__('os').system('touch evil')", "../evil", str(secret))  # fmt: skip
    yield {"module": "keras.layers", "class_name": "Lambda", "config": {"function": function}}
    yield function
    yield {"class_name": "StringLookup", "config": {"vocabulary": str(secret)}}
    yield {"class_name": "TextVectorization", "config": {"vocabulary": str(secret)}}


def texts_in(value, path=()):
    if isinstance(value, (dict, list)):
        if path:
            yield path
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from texts_in(inner, (*path, key))
    elif isinstance(value, str):
        yield path


def test_models_run_nothing(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    model = nn.Sequential([nn.Input((4,)), layers.Dense(3, activation="relu", kernel_regularizer="l2"),
                           layers.Dropout(0.1), layers.Dense(2, activation="softmax")])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    path = tmp_path / "m.safetensors"
    model.save(path)
    assert watched(nn.models.load_model, path) == []
    for late in ("StringLookup", "TextVectorization"):
        getattr(layers, late)  # whose import would be noticed, too
    state, tensors = saving._read(path)
    tried = 0
    for code in code_in_files(tmp_path):
        for place in texts_in(state):
            changed = copy.deepcopy(state)
            inner = changed
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = code
            write(path, changed, tensors)
            assert watched(nn.models.load_model, path) == [], (code, place)
            tried += 1
    assert tried > 300
    assert "evil" not in sys.modules
    assert sorted(os.listdir(tmp_path)) == ["evil.py", "m.safetensors", "secret.txt"]


class Evil:
    def __reduce__(self):
        return os.system, ("echo evil",)


def test_other_files_run_nothing(tmp_path):
    pytest.importorskip("pandas")
    import pickle

    from nncore._tables import files, reading

    stream = io.BytesIO()
    np.save(stream, np.array([Evil()], object), allow_pickle=True)
    archive = io.BytesIO()
    np.savez(archive, x=np.array([Evil()], object))
    contents = [pickle.dumps(Evil()), pickle.dumps(Evil(), 0), stream.getvalue(), archive.getvalue(),
                gzip.compress(pickle.dumps(Evil()))]  # fmt: skip
    loaders = [nn.models.load_model, reading.read_table, files.load, lambda path: mnist.read_idx(path, 3)]
    if _there("PIL"):
        loaders.append(nn.utils.load_img)
    if _there("onnx"):
        loaders.append(nn.interop.onnx.load)
    for load in loaders:
        for content in contents:
            path = tmp_path / "file"
            path.write_bytes(content)
            watched(load, str(path))  # with what is imported late
            assert watched(load, str(path)) == []
    assert "os.system" in {event for event, _ in watched(lambda _: pickle.loads(contents[0]), path)}  # it sees


def _there(module):
    import importlib.util

    return importlib.util.find_spec(module) is not None

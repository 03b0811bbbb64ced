"""Layers that encode data, and helpers of `utils`, beside Keras's.

Keras's layers of strings are TensorFlow's: they are compared where that is installed as well.
"""

import importlib.util
import itertools
import os

import numpy as np
import pytest

from peers import sides
from peers.sides import assert_close, keras, nncore, numbers

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
LAYERS = nncore.layers
needs_tensorflow = pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs TensorFlow")
WORDS = ["red", "green", "blue", "green", "Über", "red", "x y", "green", "", "blue"]
TEXTS = ["The cat sat, on the mat!", "A dog; the cat.", "", "  spaces\tand\nlines ", "Ünïcödé CAFÉ ÄÖ",
         "don't re-do (it)", "1 2 3 1"]  # fmt: skip


@pytest.fixture(autouse=True)
def _begin():
    sides.both("float32")


def results(build, *data):
    """What layers of both sides, made by build(package's layers), give for data, as NumPy arrays."""
    found = []
    for package in (LAYERS, keras.layers):
        layer = build(package)
        found.append([numbers(layer(part)) for part in data])
    return found


def compare(build, *data):
    for got, wanted in zip(*results(build, *data), strict=True):
        if wanted.dtype.kind in "OSU":
            wanted = np.vectorize(lambda text: text.decode() if isinstance(text, bytes) else text)(wanted)
            assert got.tolist() == wanted.tolist()
        else:
            assert got.shape == wanted.shape
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize(("shape", "axis"), [((5,), -1), ((5,), None), ((4, 3), -1), ((4, 3), 1), ((4, 3), (1, 2)),
                                             ((2, 4, 3), (1, 3)), ((2, 4, 3), (-1,)), ((2, 4, 3), None),
                                             ((2, 4, 3), 2)])  # fmt: skip
def test_normalization(shape, axis, invert):
    x = (sides.random(1).standard_normal((50, *shape)) * 3 + 10).astype(np.float32)
    x[..., 0] = 4.0  # a constant

    def build(layers):
        layer = layers.Normalization(axis=axis, invert=invert)
        layer.adapt(x)
        return layer

    compare(build, x, x[:1] - 1)
    ours, theirs = build(LAYERS), build(keras.layers)
    theirs(x[:1]), ours(x[:1])
    assert [w.shape for w in ours.get_weights()] == [tuple(w.shape) for w in theirs.weights]
    assert_close(ours.mean, theirs.mean, "float32")
    assert_close(ours.variance, theirs.variance, "float32", least=1e-6)


@pytest.mark.parametrize(("shape", "axis", "mean", "variance"), [
    ((3,), -1, 2.0, 4.0), ((3,), -1, [1.0, 2.0, 3.0], [1.0, 4.0, 0.0]), ((4, 3), None, 1.0, 1e-9),
    ((4, 3), (1, 2), [1.0, 2.0, 3.0], [1.0, 4.0, 9.0]), ((4, 3), -1, [1.0, 2.0, 3.0], [1.0, 4.0, 9.0]),
])  # fmt: skip
def test_normalization_given(shape, axis, mean, variance):
    x = sides.random(2).standard_normal((6, *shape)).astype(np.float32)
    for invert in (False, True):
        compare(lambda layers, i=invert: layers.Normalization(axis=axis, mean=mean, variance=variance, invert=i), x)


@needs_tensorflow  # by which Keras knows minibatches
def test_normalization_of_minibatches():
    x = sides.random(2).standard_normal((40, 3)).astype(np.float32) * [1, 100, 0.01]
    parts = [x[:7], x[7:30], x[30:]]

    def build(layers):
        layer = layers.Normalization()
        layer.adapt(parts)
        return layer

    compare(build, x)


@pytest.mark.parametrize("mode", ["multi_hot", "one_hot", "count"])
def test_category_encoding(mode):
    data = [np.array([[0, 1], [2, 2], [4, 0]]), np.array([[3], [1]]), np.array([3, 1, 1])]
    compare(lambda layers: layers.CategoryEncoding(5, output_mode=mode), *data)


def test_category_encoding_with_weights():
    x, w = np.array([[0, 1], [2, 2]]), np.array([[0.5, 2.0], [1.0, 0.25]], np.float32)
    got, wanted = (numbers(p.CategoryEncoding(3, output_mode="count")(x, count_weights=w))
                   for p in (LAYERS, keras.layers))  # fmt: skip
    np.testing.assert_allclose(got, wanted)


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
def test_discretization(mode):
    data = [np.array([[-1.0, 0.0, 0.7], [0.1, 5.0, 0.3]], np.float32), np.array([[0.3], [0.7]], np.float32)]
    compare(lambda layers: layers.Discretization([0.0, 0.1, 0.3, 0.7], output_mode=mode), *data)


@needs_tensorflow
@pytest.mark.parametrize(("bins", "epsilon", "rows"),
                         list(itertools.product([1, 2, 3, 10], [0.01, 0.1], [5, 99, 1000])))  # fmt: skip
def test_discretization_adapts(bins, epsilon, rows):
    x = sides.random(rows).gamma(2, 3, (rows, 2)).astype(np.float32)
    for data in (x, [x[: rows // 3], x[rows // 3 : rows // 2], x[rows // 2 :]]):
        ours, theirs = (p.Discretization(num_bins=bins, epsilon=epsilon) for p in (LAYERS, keras.layers))
        ours.adapt(data), theirs.adapt(data)
        np.testing.assert_allclose(ours.bin_boundaries, theirs.bin_boundaries, rtol=1e-6)
        np.testing.assert_array_equal(ours(x), numbers(theirs(x)))


def test_a_model_with_normalization_trains_alike():
    x = sides.random(1).standard_normal((64, 3)).astype(np.float32) * [1, 50, 0.1] + [0, 7, -3]

    def build(package):
        layer = package.layers.Normalization()
        layer.adapt(x)
        return package.Sequential([package.Input((3,)), layer, package.layers.Dense(4, activation="tanh"),
                                   package.layers.Dense(1)])  # fmt: skip

    ours, theirs = (build(package) for package in sides.both("float32"))
    theirs.set_weights(ours.get_weights())
    for model, package in ((ours, nncore), (theirs, keras)):
        model.compile(package.optimizers.SGD(0.01), "mse")
    sides.compare(ours, theirs, x, x.sum(1, keepdims=True).astype(np.float32), "float32")


# ---------------------------------------------------------------- keys


def adapted(name, data, **options):
    def build(layers):
        layer = getattr(layers, name)(**options)
        layer.adapt(data)
        return layer

    return build


@needs_tensorflow
@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count", "tf_idf"])
@pytest.mark.parametrize("options", [{}, {"num_oov_indices": 3}, {"mask_token": "blue"}, {"max_tokens": 4},
                                     {"max_tokens": 20, "pad_to_max_tokens": True, "mask_token": ""},
                                     {"num_oov_indices": 4, "salt": [7, 11], "max_tokens": 7}])  # fmt: skip
def test_string_lookup(mode, options):
    build = adapted("StringLookup", np.array(WORDS), output_mode=mode, **options)
    data = [np.array([["red", "pink"], ["blue", "green"]]), np.array([["violet"], ["Über"], [""]])]
    compare(build, *data)
    ours, theirs = build(LAYERS), build(keras.layers)
    assert ours.get_vocabulary() == [str(word) for word in theirs.get_vocabulary()]
    assert ours.get_vocabulary(False) == [str(word) for word in theirs.get_vocabulary(False)]
    assert ours.vocabulary_size() == theirs.vocabulary_size()


@needs_tensorflow
def test_string_lookup_of_documents():
    documents = np.array([["a", "b", "a"], ["b", "c", "c"], ["d", "a", "e"]])
    compare(adapted("StringLookup", documents, output_mode="tf_idf"), documents)
    compare(lambda layers: layers.StringLookup(vocabulary=["a", "b"], idf_weights=[0.5, 2.0], output_mode="tf_idf"),
            documents)  # fmt: skip


@needs_tensorflow
@pytest.mark.parametrize("mask", [None, 0])
def test_inverse_lookup(mask):
    compare(lambda layers: layers.IntegerLookup(vocabulary=[30, 10], mask_token=mask, invert=True),
            np.array([[0, 1, 2, 3], [2, 2, 9, 0]]))  # fmt: skip


@needs_tensorflow
@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count", "tf_idf"])
@pytest.mark.parametrize("options", [{}, {"num_oov_indices": 3}, {"mask_token": 0}, {"max_tokens": 4},
                                     {"num_oov_indices": 3, "oov_method": "farmhash"},
                                     {"num_oov_indices": 3, "oov_method": "farmhash", "salt": 5}])  # fmt: skip
def test_integer_lookup(mode, options):
    data = np.array([[12, 1138, 42, 0], [42, 1000, 36, -5], [10**15, 7, 7, 36]])
    build = adapted("IntegerLookup", data, output_mode=mode, **options)
    compare(build, data, np.array([[1, -7, 10**15, 36], [2, 3, 4, 5]]))
    assert build(LAYERS).get_vocabulary() == [int(key) for key in build(keras.layers).get_vocabulary()]


@needs_tensorflow
@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
@pytest.mark.parametrize("options", [{}, {"salt": 133}, {"salt": [133, 137]}, {"mask_value": "green"}])
def test_hashing(mode, options):
    words = np.array([*WORDS, *(letter * n for letter in "abc" for n in (8, 16, 17, 32, 33, 64, 65, 128, 129, 300))])
    compare(lambda layers: layers.Hashing(7, output_mode=mode, **options), words[:, None])


@needs_tensorflow
def test_hashing_of_numbers():
    for data in (np.array([[1], [-5], [10**12]]), np.array([[1.7], [-5.2]])):
        compare(lambda layers: layers.Hashing(5), data)
    compare(lambda layers: layers.Hashing(5, mask_value=3), np.array([[1], [3], [4]]))


@needs_tensorflow
@pytest.mark.parametrize("options", [
    {}, {"output_sequence_length": 3}, {"output_sequence_length": 12}, {"max_tokens": 6}, {"ngrams": 2},
    {"ngrams": (2, 3)}, {"standardize": "lower"}, {"standardize": "strip_punctuation"}, {"standardize": None},
    {"split": "character"}, {"output_mode": "multi_hot"}, {"output_mode": "count", "ngrams": 2},
    {"output_mode": "tf_idf"}, {"output_mode": "tf_idf", "max_tokens": 30, "pad_to_max_tokens": True},
])  # fmt: skip
def test_text_vectorization(options):
    build = adapted("TextVectorization", np.array(TEXTS), **options)
    compare(build, np.array(["the cat and the dog", "unknown words only", "CAFÉ don't"]),
            np.array([["mat"], ["a cat"]]))  # fmt: skip
    ours, theirs = build(LAYERS), build(keras.layers)
    assert ours.get_vocabulary() == [str(word) for word in theirs.get_vocabulary()]


# ---------------------------------------------------------------- helpers


def test_pad_sequences():
    sequences = [[1], [2, 3], [4, 5, 6], []]
    vectors = [np.ones((2, 3)), np.zeros((1, 3))]
    for options in ({}, {"maxlen": 2}, {"maxlen": 2, "truncating": "post"}, {"padding": "post", "maxlen": 5},
                    {"value": -1.5, "dtype": "float32"},
                    {"maxlen": 1, "padding": "post", "truncating": "post"}):  # fmt: skip
        for data in (sequences, vectors):
            got, wanted = (p.utils.pad_sequences(data, **options) for p in (nncore, keras))
            np.testing.assert_array_equal(got, wanted)
            assert got.dtype == wanted.dtype


@pytest.mark.parametrize("options", [
    {"sequence_length": 3}, {"sequence_length": 4, "sequence_stride": 2, "sampling_rate": 3, "batch_size": 3},
    {"sequence_length": 2, "start_index": 3, "end_index": 17}, {"sequence_length": 20, "batch_size": None},
])  # fmt: skip
@needs_tensorflow
def test_timeseries(options):
    data, targets = np.arange(40.0).reshape(20, 2), np.arange(100, 120)
    shorter = [] if "start_index" in options else [targets[:12]]  # else Keras reads targets that are not there
    for target in (targets, None, *shorter):
        ours, theirs = (list(p.utils.timeseries_dataset_from_array(data, target, **options)) for p in (nncore, keras))
        for got, wanted in zip(ours, theirs, strict=True):
            for a, b in zip(got if target is not None else [got], wanted if target is not None else [wanted],
                            strict=True):  # fmt: skip
                np.testing.assert_array_equal(a, np.asarray(b))


@pytest.mark.parametrize("options", [{}, {"crop_to_aspect_ratio": True}, {"pad_to_aspect_ratio": True},
                                     {"interpolation": "nearest"}, {"color_mode": "grayscale", "label_mode": "binary"},
                                     {"color_mode": "rgba", "label_mode": "categorical"}])  # fmt: skip
@needs_tensorflow
def test_images_of_folders(tmp_path, options):
    for number, name in enumerate(["b/1.png", "b/2.png", "a/x.png", "a/deep/y.png"]):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (7 + 5 * number, 20 - number, 3)
        nncore.utils.save_img(path, sides.random(number).integers(0, 256, shape), scale=False)
    (tmp_path / "a" / "notes.txt").write_text("no image")
    ours, theirs = (p.utils.image_dataset_from_directory(tmp_path, image_size=(9, 12), batch_size=3, shuffle=False,
                                                         **options) for p in (nncore, keras))  # fmt: skip
    assert ours.class_names == theirs.class_names == ["a", "b"]
    assert list(map(str, ours.file_paths)) == list(map(str, theirs.file_paths))
    for (x, y), (wanted_x, wanted_y) in zip(ours, theirs, strict=True):
        gray = options.get("color_mode") == "grayscale"  # which decoders round in their own ways
        np.testing.assert_allclose(x, np.asarray(wanted_x), rtol=1e-5, atol=1.001 if gray else 1e-3)
        np.testing.assert_array_equal(y, np.asarray(wanted_y))
        assert (x.dtype, y.dtype) == (np.float32, np.asarray(wanted_y).dtype)


def test_images(tmp_path):
    x = sides.random(3).integers(0, 256, (9, 6, 3)).astype(np.float32)
    for package in (nncore, keras):
        package.utils.save_img(tmp_path / f"{package.__name__}.png", x)
    for options in ({}, {"target_size": (4, 5)}, {"color_mode": "grayscale"}, {"color_mode": "rgba"},
                    {"target_size": (3, 3), "interpolation": "bilinear", "keep_aspect_ratio": True}):  # fmt: skip
        first, second, third = (
            p.utils.img_to_array(p.utils.load_img(str(tmp_path / file), **options))
            for p, file in ((nncore, "nncore.png"), (keras, "nncore.png"), (keras, "keras.png"))
        )
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(first, third)
    for shape in ((5, 4, 1), (5, 4, 3), (5, 4, 4)):
        for scale in (False, True):
            y = sides.random(1).uniform(0, 250, shape)
            got, wanted = (np.asarray(p.utils.array_to_img(y, scale=scale)) for p in (nncore, keras))
            np.testing.assert_array_equal(got, wanted)

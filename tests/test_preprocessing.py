"""Layers that encode data: values, models with them, files, and what they refuse.

The numbers of hashes, sketches and weights are Keras's over TensorFlow; tests/peers compares them there.
"""

import copy
import json
import pickle

import numpy as np
import pytest

import nncore as nn
from nncore.models import saving

LAYERS = nn.layers
X = np.random.default_rng(1).standard_normal((40, 3)) * [1.0, 50.0, 0.1] + [0.0, 7.0, -3.0]
WORDS = ["a", "abc", "hello world", *(letter * count for letter, count in zip(
    "xyzqwertu", (8, 16, 17, 32, 33, 64, 65, 128, 200), strict=True)), "äöü", "", "12345"]  # fmt: skip


def adapted(layer, data):
    layer.adapt(data)
    return layer


# ---------------------------------------------------------------- Normalization


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threads", [1, 2])
def test_normalization_in_models(dtype, threads):
    layer = adapted(LAYERS.Normalization(), X)
    model = nn.Sequential([layer, LAYERS.Dense(1, kernel_initializer="ones")], dtype=dtype)
    with nn.config.threads(threads):
        got = model.predict(X, verbose=0)
    wanted = ((X - X.mean(0)) / X.std(0)).sum(1, keepdims=True)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-5 if dtype == "float32" else 1e-12)
    assert [w.shape for w in layer.get_weights()] == [(3,), (3,), ()]
    assert model.trainable_variables[0] is model.layers[1].kernel
    layer.adapt(2 * X + 1)  # plans read the weights
    np.testing.assert_allclose(model.predict(2 * X + 1, verbose=0), wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("shape", "axis"), [((3,), -1), ((3,), None), ((4, 3), 1), ((4, 3), (1, 2)),
                                             ((2, 3, 5), (1, 3)), ((2, 3, 5), 2), ((2, 3, 5), ())])  # fmt: skip
def test_normalization_axes_and_their_gradient(shape, axis):
    x = np.random.default_rng(2).standard_normal((7, *shape)) * 3 + 5
    axes = (() if axis is None else axis) if isinstance(axis, tuple) or axis is None else (axis % (len(shape) + 1),)
    over = tuple(a for a in range(len(shape) + 1) if a not in axes)
    mean, deviation = x.mean(over, keepdims=True), x.std(over, keepdims=True)
    for invert in (False, True):
        layer = adapted(LAYERS.Normalization(axis=axis, invert=invert), x)
        model = nn.Sequential([nn.Input(shape), LAYERS.Rescaling(1.0), layer], dtype="float64")
        wanted = x * deviation + mean if invert else (x - mean) / deviation
        np.testing.assert_allclose(model.forward(x), wanted, rtol=1e-12)
        dy = np.random.default_rng(3).standard_normal(x.shape)
        slope = deviation if invert else 1 / deviation
        np.testing.assert_allclose(model.backward(dy), dy * slope, rtol=1e-12)
        assert layer.mean.shape == mean.shape
        np.testing.assert_allclose(layer.variance, deviation**2, rtol=1e-12)


def test_normalization_given_and_small_variances():
    layer = LAYERS.Normalization(mean=[1.0, 2.0], variance=[0.0, 1e-12])
    got = layer(np.array([[1.0, 2.0], [1.0 + 1e-6, 2.0 + 1e-6]]))
    np.testing.assert_allclose(got, [[0, 0], [10, 1]], rtol=1e-5)
    assert layer.get_weights() == []
    assert LAYERS.Normalization()(np.ones((1, 2))).tolist() == [[1, 1]]
    integers = adapted(LAYERS.Normalization(), np.arange(12, dtype=np.uint8).reshape(6, 2))
    np.testing.assert_allclose(integers.mean, [[5, 6]])


def test_normalization_that_was_called_takes_the_type_of_its_model():
    layer = adapted(LAYERS.Normalization(), X)
    wanted = (X - X.mean(0)) / X.std(0)
    np.testing.assert_allclose(layer(X), wanted, rtol=1e-12)
    layer(X[:2])
    model = nn.Sequential([nn.Input((3,)), layer])
    np.testing.assert_allclose(model.predict(X, verbose=0), wanted, rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="built with weights of float32"):
        nn.Sequential([nn.Input((3,)), layer], dtype="float64")


def test_normalization_adapts_to_minibatches_frames_and_files(tmp_path):
    whole = adapted(LAYERS.Normalization(), X)
    np.save(tmp_path / "x.npy", X)
    pandas = pytest.importorskip("pandas")
    for data in ([X[:5], X[5:]], iter([(X[:17], None), (X[17:], None)]), pandas.DataFrame(X),
                 np.load(tmp_path / "x.npy", mmap_mode="r")):  # fmt: skip
        other = adapted(LAYERS.Normalization(), data)
        np.testing.assert_allclose(other.mean, whole.mean, rtol=1e-12)
        np.testing.assert_allclose(other.variance, whole.variance, rtol=1e-12)
    far = X + 1e8  # sums of squares would lose all digits
    np.testing.assert_allclose(adapted(LAYERS.Normalization(), far).variance, X.var(0, keepdims=True), rtol=1e-6)


BAD_NORMALIZATIONS = {
    "half": (lambda: LAYERS.Normalization(mean=1.0), "mean and variance, or neither"),
    "shapes": (lambda: LAYERS.Normalization(mean=[1.0], variance=[1.0, 2.0]), "mean has shape"),
    "negative": (lambda: LAYERS.Normalization(mean=1.0, variance=-1.0), "variance must be finite and not negative"),
    "fit": (lambda: LAYERS.Normalization(mean=[1.0] * 4, variance=[1.0] * 4)(X), r"shape \(4,\) do not fit \(3,\)"),
    "rows": (lambda: LAYERS.Normalization(axis=0)(X), "axis"),
    "axis": (lambda: adapted(LAYERS.Normalization(axis=4), X), "axis"),
    "nothing": (lambda: adapted(LAYERS.Normalization(), X[:0]), "nothing to adapt to"),
    "NaN": (lambda: adapted(LAYERS.Normalization(), np.array([[1.0], [np.nan]])), "NaN or infinities"),
    "given": (lambda: adapted(LAYERS.Normalization(mean=0.0, variance=1.0), X), "was given mean and variance"),
    "other": (lambda: nn.Sequential([nn.Input((2,)), adapted(LAYERS.Normalization(), X)]), "was adapted to samples"),
    "later": (lambda: nn.Sequential([nn.Input((2,)), LAYERS.Normalization()]).layers[0].adapt(X), "takes samples of"),
}


@pytest.mark.parametrize("name", BAD_NORMALIZATIONS)
def test_refused_normalizations(name):
    call, message = BAD_NORMALIZATIONS[name]
    with pytest.raises(ValueError, match=message):
        call()


# ---------------------------------------------------------------- values


def test_hashes_are_the_same_everywhere():
    data = np.array(WORDS)[:, None]
    farm = [939, 385, 11, 510, 546, 168, 617, 42, 89, 178, 227, 993, 162, 263, 728]
    sip = [354, 945, 296, 955, 438, 765, 133, 57, 268, 18, 344, 292, 949, 900, 810]
    assert LAYERS.Hashing(1000)(data).ravel().tolist() == farm
    assert LAYERS.Hashing(1000, salt=[133, 137])(data).ravel().tolist() == sip
    assert LAYERS.Hashing(1000)(np.array([[12345]])).tolist() == [[728]]
    assert LAYERS.Hashing(1000, mask_value="")([["", "a"]])[0, 0] == 0
    assert LAYERS.Hashing(4, output_mode="one_hot")([["a"], ["abc"]]).sum(1).tolist() == [1, 1]


@pytest.mark.parametrize(("bins", "epsilon", "wanted"), [
    (4, 0.01, [3929.148193359375, 11146.8095703125, 20498.529296875]),
    (10, 0.1, [985.0377807617188, 2807.2412109375, 5170.1943359375, 7970.02001953125, 11146.8173828125,
               14660.2138671875, 18480.587890625, 22585.005859375, 26955.01171875]),
])  # fmt: skip
def test_discretization_finds_quantiles(bins, epsilon, wanted):
    x = np.arange(1000.0) ** 1.5
    layer = adapted(LAYERS.Discretization(num_bins=bins, epsilon=epsilon), np.random.default_rng(0).permutation(x))
    np.testing.assert_allclose(layer.bin_boundaries, wanted, rtol=1e-6)
    counts = np.bincount(layer(x))
    assert np.abs(counts - 1000 / bins).max() <= 1000 * 2 * epsilon


def test_discretization_of_kinds_of_numbers():
    layer = LAYERS.Discretization([0.1, 0.7])
    for dtype in ("float32", "float64", "float16"):
        assert layer(np.array([0.1, 0.7, 0.0, 9], dtype)).tolist() == [1, 2, 0, 2], dtype
    assert layer(np.array([[0, 1]], np.int8)).tolist() == [[0, 2]]
    assert LAYERS.Discretization([1.0], output_mode="multi_hot")([[0.0, 2.0], [0.0, 0.5]]).tolist() == [[1, 1], [1, 0]]


def test_lookups():
    layer = LAYERS.StringLookup(vocabulary=["a", "b"], num_oov_indices=5)
    assert layer([["x", "y", "zebra", "a"]]).tolist() == [[0, 0, 2, 5]]
    layer = adapted(LAYERS.StringLookup(output_mode="tf_idf"), [["a", "b", "a"], ["b", "c", "c"], ["d", "a", "e"]])
    assert layer.get_vocabulary() == ["[UNK]", "a", "c", "b", "e", "d"]
    np.testing.assert_allclose(layer([["a", "a", "zz"]]), [[0.8270333409309387, 1.3862943649291992, 0, 0, 0, 0]])
    assert LAYERS.StringLookup(vocabulary=["a", "b"], mask_token="", invert=True)([[0, 1, 2, 3, 9]]).tolist() == \
        [["", "[UNK]", "a", "b", "[UNK]"]]  # fmt: skip
    integers = LAYERS.IntegerLookup(vocabulary=[10**15, 10**15 + 1], mask_token=0)
    assert integers(np.array([[10**15 + 1, 0, 10**15, 5]])).tolist() == [[3, 0, 2, 1]]
    assert integers([[1e15, 0.0]]).tolist() == [[2, 0]]
    for mode, wanted in (("one_hot", [[0, 1, 0], [0, 0, 1]]), ("multi_hot", [[0, 1, 0], [0, 0, 1]])):
        assert LAYERS.StringLookup(vocabulary=["a", "b"], output_mode=mode)([["a"], ["b"]]).tolist() == wanted
    assert LAYERS.StringLookup(vocabulary=["a"], output_mode="count", mask_token="-")([["a", "a", "-", "b"]]).tolist() \
        == [[1, 2]]  # fmt: skip
    padded = LAYERS.StringLookup(vocabulary=["a"], output_mode="multi_hot", max_tokens=4, pad_to_max_tokens=True)
    assert padded([["a"]]).tolist() == [[0, 1, 0, 0]]


def test_a_lookup_without_a_key_for_unknown_ones():
    layer = adapted(LAYERS.StringLookup(oov_token=None, mask_token="m", output_mode="tf_idf"), [["a", "b", "a", "m"]])
    assert layer.get_vocabulary() == [None, "a", "b"]
    again = LAYERS.StringLookup.from_config(json.loads(json.dumps(layer.get_config())))
    assert again.get_vocabulary() == layer.get_vocabulary()
    assert again([["b", "x"]]).tolist() == layer([["b", "x"]]).tolist()
    with pytest.raises(TypeError, match="must be of strings; got None"):
        LAYERS.StringLookup(vocabulary=["a", None])


def test_one_long_text_does_not_make_all_long():
    texts = ["a b"] * 20000 + ["a " * 20000]
    for options, shape in (({"output_sequence_length": 3}, (20001, 3)), ({"output_mode": "count"}, (20001, 3))):
        code = LAYERS.TextVectorization(vocabulary=["a", "b"], **options)(texts)  # else 3 GiB
        assert code.shape == shape
        assert code[0].tolist() == ([2, 3, 0] if options.get("output_sequence_length") else [0, 1, 1])
    assert code[-1].tolist() == [0, 20000, 0]


def test_vocabularies_of_files_and_kinds_of_text(tmp_path):
    (tmp_path / "words.txt").write_text("red\ngreen\nsehr schön\n", encoding="utf-8")
    layer = LAYERS.StringLookup(vocabulary=str(tmp_path / "words.txt"))
    wanted = [[3], [1], [0]]
    words = ["sehr schön", "red", "blue"]
    pandas, arrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    for data in ([[w] for w in words], np.array(words)[:, None], np.array(words, object)[:, None],
                 np.char.encode(np.array(words), "utf-8")[:, None], pandas.DataFrame({"w": words}),
                 pandas.DataFrame({"w": pandas.Categorical(words)}), arrow.table({"w": words})):  # fmt: skip
        assert layer(data).tolist() == wanted, type(data)
    for data in (words, pandas.Series(words), pandas.Series(words, dtype="string[pyarrow]"), arrow.array(words),
                 arrow.chunked_array([words[:1], words[1:]]), np.array(words, np.dtypes.StringDType())
                 if hasattr(np.dtypes, "StringDType") else words):  # fmt: skip
        assert layer(data).tolist() == [3, 1, 0], type(data)
    (tmp_path / "numbers.txt").write_text("7\n-2\n")
    assert LAYERS.IntegerLookup(vocabulary=str(tmp_path / "numbers.txt"))([[-2, 7]]).tolist() == [[2, 1]]


def test_texts():
    layer = adapted(LAYERS.TextVectorization(ngrams=2, output_mode="count"), ["The cat sat.", "the CAT, the dog"])
    assert layer.get_vocabulary() == ["[UNK]", "the", "the cat", "cat", "the dog", "sat", "dog", "cat the", "cat sat"]
    assert layer(["the cat the"]).tolist() == [[0, 2, 1, 1, 0, 0, 0, 1, 0]]
    layer = LAYERS.TextVectorization(vocabulary=["foo", "bar"])
    assert layer([["foo qux bar"], ["qux"], [""]]).tolist() == [[2, 1, 3], [1, 0, 0], [0, 0, 0]]
    assert layer(["", ""]).shape == (2, 0)
    own = LAYERS.TextVectorization(standardize=lambda texts: np.char.upper(texts), split=lambda texts: [
        text.split("-") for text in texts], vocabulary=["FOO", "BAR"], output_sequence_length=3)  # fmt: skip
    assert own(["foo-bar-baz-foo"]).tolist() == [[2, 3, 1]]
    words = LAYERS.TextVectorization(split=None, standardize="lower", vocabulary=["foo bar", "x"])
    assert words([["Foo BAR"], ["X"]]).tolist() == [[2], [3]]


@pytest.mark.parametrize("part", [slice(0), slice(1), slice(None)])
def test_category_encoding_of_rows(part):
    x = np.array([[1, 1], [0, 2]])[part]
    assert LAYERS.CategoryEncoding(3, "count")(x).shape == (len(x), 3)
    assert LAYERS.CategoryEncoding(3, "one_hot")(x).shape == (len(x), 2, 3)
    assert LAYERS.CategoryEncoding(3)(x).tolist() == [[0, 1, 0], [1, 0, 1]][part]


# ---------------------------------------------------------------- models


def mixed_model(dtype="float32"):
    """One input for each kind of layer; a dict of data for it."""
    city, user, age, text = (nn.Input((1,), dtype=kind, name=name) for name, kind in (
        ("city", "string"), ("user", "int64"), ("age", None), ("text", "string")))  # fmt: skip
    parts = [
        LAYERS.StringLookup(vocabulary=["Rome", "Bonn"], output_mode="one_hot", name="cities")(city),
        LAYERS.Flatten()(LAYERS.Embedding(5, 2)(adapted(LAYERS.IntegerLookup(name="users"), [[10**12], [7]])(user))),
        LAYERS.CategoryEncoding(3, "one_hot")(LAYERS.Discretization([18.0, 65.0])(age)),
        LAYERS.GlobalAveragePooling1D()(LAYERS.Embedding(9, 2, mask_zero=True)(adapted(
            LAYERS.TextVectorization(output_sequence_length=4, name="words"), ["a good day", "no day"])(text))),
    ]  # fmt: skip
    model = nn.Model([city, user, age, text], LAYERS.Dense(1)(LAYERS.Concatenate()(parts)), dtype=dtype, seed=1)
    model.compile("adam", "mse", metrics=["mae"])
    data = {"city": np.array(["Rome", "Oslo", "Bonn", "Rome"]), "user": np.array([7, 10**12, 3, 7]),
            "age": [3, 30.5, 99, 18], "text": ["a day", "good", "no no no no no", "night"]}  # fmt: skip
    return model, data


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_models_of_text_and_keys(dtype):
    model, data = mixed_model(dtype)
    y = np.arange(4.0)
    table = model.layers[-1].kernel
    before = model.predict(data, verbose=0)
    kernel = table.ravel()
    cities = np.array([kernel[1], kernel[0], kernel[2], kernel[1]])
    embeddings = [layer.embeddings for layer in model.layers if isinstance(layer, LAYERS.Embedding)]
    users = embeddings[0][[1, 2, 0, 1] if model.get_layer("users").get_vocabulary()[1] == 7 else [2, 1, 0, 2]]
    ages = kernel[5:8][[0, 1, 2, 1]]
    words = model.get_layer("words")(data["text"])
    means = [embeddings[1][row[row > 0]].mean(0) if (row > 0).any() else np.zeros(2) for row in words]
    wanted = cities + users @ kernel[3:5] + ages + np.array(means) @ kernel[8:10]
    np.testing.assert_allclose(before.ravel(), wanted, rtol=1e-5, atol=1e-6)
    history = model.fit(data, y, epochs=3, batch_size=2, verbose=0, validation_split=0.25).history
    assert history["loss"][-1] < history["loss"][0]
    rows = [({name: part[n : n + 1] for name, part in data.items()}, y[n : n + 1]) for n in range(4)]
    assert model.evaluate(data, y, verbose=0) == pytest.approx(model.evaluate(iter(rows), verbose=0))
    values = [model.test_on_batch(data, y) for _ in range(3)]  # in turn by the same way
    assert values[0] == values[1] == values[2]
    model.train_on_batch(data, y)
    loss, gradients = model.value_and_gradients(data, y)
    assert np.isfinite(loss)
    assert len(gradients) == len(model.trainable_variables)
    model.forward(data)
    assert [dx.shape for dx in model.backward(np.ones((4, 1)))] == [(4, 1)] * 4


def test_models_with_keys_in_files_and_copies(tmp_path):
    model, data = mixed_model()
    model.fit(data, np.arange(4.0), epochs=2, verbose=0)
    wanted = model.predict(data, verbose=0)
    model.save(tmp_path / "m.safetensors")
    for other in (nn.models.load_model(tmp_path / "m.safetensors"), copy.deepcopy(model),
                  pickle.loads(pickle.dumps(model))):  # fmt: skip
        np.testing.assert_array_equal(other.predict(data, verbose=0), wanted)
        other.fit(data, np.arange(4.0), verbose=0)
    again = nn.Model.from_config(json.loads(json.dumps(model.get_config())))
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(data, verbose=0), wanted)
    with pytest.raises(ValueError, match="was given its vocabulary"):
        again.get_layer("cities").adapt([["x"]])
    again.get_layer("users").adapt([[1], [2]])


ALL = {
    "Normalization": lambda: adapted(LAYERS.Normalization(axis=(1,), invert=True), X),
    "given Normalization": lambda: LAYERS.Normalization(mean=[1.0, 2, 3], variance=[1.0, 2, 3], name="n"),
    "StringLookup": lambda: adapted(LAYERS.StringLookup(output_mode="tf_idf", mask_token="m"), [["a", "b", "a"]]),
    "given StringLookup": lambda: LAYERS.StringLookup(8, 3, "m", "u", ["a", "b"], invert=False, salt=7,
                                                      pad_to_max_tokens=True, output_mode="count"),
    "IntegerLookup": lambda: adapted(LAYERS.IntegerLookup(num_oov_indices=2, oov_method="farmhash"), [[3, 1]]),
    "CategoryEncoding": lambda: LAYERS.CategoryEncoding(4, "count"),
    "Discretization": lambda: adapted(LAYERS.Discretization(num_bins=3, epsilon=0.1, output_mode="one_hot"), X),
    "given Discretization": lambda: LAYERS.Discretization([0.0, 1.0]),
    "Hashing": lambda: LAYERS.Hashing(5, 1, [1, 2], "multi_hot"),
    "TextVectorization": lambda: adapted(LAYERS.TextVectorization(9, "lower", "character", (1, 3), "tf_idf",
                                                                  pad_to_max_tokens=True), ["abc", "a"]),
    "given TextVectorization": lambda: LAYERS.TextVectorization(vocabulary=["x"], output_sequence_length=3, ngrams=2),
}  # fmt: skip
DATA = {"Normalization": X, "StringLookup": [["a", "b"], ["x", "m"]], "IntegerLookup": [[1, 3], [8, 9]],
        "CategoryEncoding": [[1, 3]], "Discretization": X, "Hashing": [["p", "q"]],
        "TextVectorization": ["abca", "x x"]}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_configurations(name):
    layer = ALL[name]()
    data = DATA[name.split()[-1]]
    described = json.loads(json.dumps(LAYERS.serialize(layer)))
    again = LAYERS.deserialize(described)
    assert again.get_config() == layer.get_config()
    if name != "Normalization":  # whose statistics are weights, in files
        np.testing.assert_array_equal(again(data), layer(data))
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        np.testing.assert_array_equal(twin(data), layer(data))


def test_functions_of_texts_in_files(tmp_path):
    @nn.saving.register_keras_serializable("mine", "shout")
    def shout(texts):
        return np.char.upper(texts)

    layer = LAYERS.TextVectorization(standardize=shout, vocabulary=["A"], output_sequence_length=2)
    model = nn.Sequential([nn.Input((1,), dtype="string"), layer, LAYERS.Embedding(4, 2), LAYERS.Flatten()])
    model.save(tmp_path / "m.safetensors")
    other = nn.models.load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(other.predict(["a b"], verbose=0), model.predict(["a b"], verbose=0))


def test_a_sequential_begins_with_texts():
    texts, y = np.array(["good", "bad", "good good", "bad bad"]), np.array([1.0, 0, 1, 0])
    layer = adapted(LAYERS.TextVectorization(output_mode="multi_hot"), texts)
    model = nn.Sequential([layer, LAYERS.Dense(1)])
    model.compile(nn.optimizers.Adam(0.1), nn.losses.BinaryCrossentropy(from_logits=True))
    model.fit(texts, y, epochs=60, verbose=0)
    assert ((model.predict(texts, verbose=0)[:, 0] > 0) == y).all()
    assert model.predict(["good"], verbose=0).shape == (1, 1)
    model.fit(((texts[i : i + 2], y[i : i + 2]) for i in (0, 2)), verbose=0)


def test_layers_of_ones_own_stand_behind_texts():
    class Own(LAYERS.Layer):
        def __init__(self):
            super().__init__()
            self.dense = LAYERS.Dense(1, kernel_initializer="ones")

        def call(self, inputs):
            return self.dense(LAYERS.Flatten()(LAYERS.Reshape((3, 1))(2 * inputs)))  # three: what the words make

    words = LAYERS.TextVectorization(vocabulary=["good", "bad"], output_mode="count")
    model = nn.Sequential([nn.Input((1,), dtype="string"), words, Own()])
    assert model.predict(["good bad good"], verbose=0).tolist() == [[6]]


def test_models_of_ones_own_begin_with_texts():
    class Own(nn.Model):
        def __init__(self):
            super().__init__()
            self.words = LAYERS.TextVectorization(vocabulary=["good", "bad"], output_mode="count")
            self.cities = LAYERS.StringLookup(vocabulary=["Rome"], output_mode="one_hot")
            self.dense = LAYERS.Dense(1)

        def call(self, inputs):
            text, city = inputs
            return self.dense(LAYERS.concatenate([self.words(text), self.cities(city)]))

    model = Own()
    data = [np.array(["good day", "bad"]), np.array(["Rome", "Bonn"])]
    model.compile("sgd", "mse")
    model.fit(data, np.ones(2), epochs=2, verbose=0)
    codes = np.array([[1, 1, 0, 0, 1], [0, 0, 1, 1, 0]])
    np.testing.assert_allclose(model.predict(data, verbose=0), codes @ model.dense.kernel + model.dense.bias, rtol=1e-5)
    with pytest.raises(TypeError, match="must hold real numbers"):
        nn.Sequential([LAYERS.Dense(1)]).predict(["a"], verbose=0)


def test_numbers_are_encoded_inside_of_graphs():
    x = nn.Input((2,))
    code = LAYERS.CategoryEncoding(4, "count")(LAYERS.Discretization([0.0, 1.0, 2.0])(LAYERS.Rescaling(2.0)(x)))
    model = nn.Model(x, code)
    assert model.predict([[0.2, 0.6], [-1.0, 5.0]], verbose=0).tolist() == [[0, 1, 1, 0], [1, 0, 0, 1]]
    shared = nn.Input((1,))
    both = LAYERS.Concatenate()([LAYERS.Discretization([0.0])(shared), LAYERS.Rescaling(1.0)(shared)])
    assert nn.Model(shared, both).predict([[3.0], [-1.0]], verbose=0).tolist() == [[1, 3], [0, -1]]


# ---------------------------------------------------------------- refused

LOOKUP = {"vocabulary": ["a", "b"]}
BAD = {
    "no vocabulary": (lambda: LAYERS.StringLookup()([["a"]]), ValueError, "no vocabulary yet: call adapt"),
    "no vocabulary in a model": (lambda: LAYERS.StringLookup(output_mode="one_hot")(nn.Input((1,))), ValueError,
                                 "has no vocabulary yet"),
    "twice": (lambda: LAYERS.StringLookup(vocabulary=["a", "a"]), ValueError, r"more than once: \['a'\]"),
    "empty": (lambda: LAYERS.StringLookup(vocabulary=[]), ValueError, "at least one key"),
    "kinds": (lambda: LAYERS.StringLookup(vocabulary=["a", 1]), TypeError, "vocabulary must be of strings; got 1"),
    "no file": (lambda: LAYERS.StringLookup(vocabulary="/no/such"), ValueError, "'/no/such' is the name of a file"),
    "too many": (lambda: LAYERS.StringLookup(max_tokens=2, **LOOKUP), ValueError, "has 3 keys.*max_tokens is 2"),
    "mask inside": (lambda: LAYERS.StringLookup(mask_token="b", **LOOKUP), ValueError, "'b', which is a special key"),
    "weights": (lambda: LAYERS.StringLookup(output_mode="tf_idf", **LOOKUP), ValueError, "needs idf_weights"),
    "length of weights": (lambda: LAYERS.StringLookup(output_mode="tf_idf", idf_weights=[1], **LOOKUP), ValueError,
                          "idf_weights must be 2 finite numbers"),
    "invert": (lambda: LAYERS.StringLookup(invert=True, output_mode="count"), ValueError, "invert=True gives keys"),
    "mode": (lambda: LAYERS.StringLookup(output_mode="ints"), ValueError, "output_mode must be one of int"),
    "sparse": (lambda: LAYERS.StringLookup(sparse=True, output_mode="count"), ValueError, "'sparse'"),
    "unknown": (lambda: LAYERS.StringLookup(num_oov_indices=0, **LOOKUP)([["a", "x"]]), ValueError,
                "holds 'x', which is not in the vocabulary"),
    "numbers": (lambda: LAYERS.StringLookup(**LOOKUP)([[1]]), TypeError, r"strings; got 1 of int at \[0, 0\]"),
    "missing": (lambda: LAYERS.StringLookup(**LOOKUP)([["a"], [None]]), ValueError, r"missing value at \[1, 0\]"),
    "fractions": (lambda: LAYERS.IntegerLookup(vocabulary=[1])([[1.5]]), ValueError, r"holds 1.5 at \[0, 0\]"),
    "text for integers": (lambda: LAYERS.IntegerLookup(vocabulary=[1])([["a"]]), TypeError, "must hold real numbers"),
    "salt": (lambda: LAYERS.IntegerLookup(salt=3), ValueError, "salt is for oov_method='farmhash'"),
    "tokens": (lambda: LAYERS.CategoryEncoding(), ValueError, "needs num_tokens"),
    "outside": (lambda: LAYERS.CategoryEncoding(3)([[0, 3]]), ValueError, r"from 0 to 2; inputs holds 3 at \[0, 1\]"),
    "count_weights": (lambda: LAYERS.CategoryEncoding(3)([[0]], count_weights=[[1.0]]), ValueError, "count_weights"),
    "bins": (lambda: LAYERS.Discretization(), ValueError, "needs bin_boundaries, or num_bins"),
    "both bins": (lambda: LAYERS.Discretization([1.0], 3), ValueError, "one of them"),
    "order": (lambda: LAYERS.Discretization([1.0, 0.0]), ValueError, "ascending"),
    "not adapted": (lambda: LAYERS.Discretization(num_bins=3)([[1.0]]), ValueError, "no boundaries yet"),
    "adapted to NaN": (lambda: adapted(LAYERS.Discretization(num_bins=2), [[np.nan]]), ValueError, "1 NaN"),
    "given bins": (lambda: adapted(LAYERS.Discretization([1.0]), [[1.0]]), ValueError, "only one made with num_bins"),
    "open length": (lambda: LAYERS.TextVectorization(vocabulary=["a"])(nn.Input((1,))), ValueError,
                    "needs output_sequence_length"),
    "several texts": (lambda: LAYERS.TextVectorization(vocabulary=["a"])([["a", "b"]]), ValueError, r"\(rows, 1\)"),
    "standardize": (lambda: LAYERS.TextVectorization(standardize="upper"), ValueError, "standardize must be"),
    "ngrams": (lambda: LAYERS.TextVectorization(ngrams=0), ValueError, "ngrams must be at least 1"),
    "steps": (lambda: LAYERS.StringLookup().adapt(["a"], steps=2), ValueError, "steps is for data in minibatches"),
    "hash": (lambda: LAYERS.Hashing(0), ValueError, "num_bins must be at least 1"),
    "inverse in a model": (lambda: LAYERS.StringLookup(invert=True, **LOOKUP)(nn.Input((1,))), ValueError,
                           "called on data, not part of a model"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    call, error, message = BAD[name]
    with pytest.raises(error, match=message):
        call()


def test_where_keys_cannot_be_read():
    x = nn.Input((1,), dtype="string")
    lookup = LAYERS.StringLookup(**LOOKUP)
    two = nn.Model(x, LAYERS.Concatenate()([lookup(x), LAYERS.StringLookup(vocabulary=["b"])(x)]))
    with pytest.raises(ValueError, match="directly behind an input of the model that nothing else reads"):
        two.predict([["a"]], verbose=0)
    model = nn.Sequential([nn.Input((1,)), lookup, LAYERS.Dense(1)])
    with pytest.raises(TypeError, match="x must hold strings"):
        model.predict([[1.0]], verbose=0)
    with pytest.raises(ValueError, match=r"expects inputs of shape \(1,\) for each sample; x has shape \(1, 2\)"):
        model.predict([["a", "b"]], verbose=0)
    one_hot = LAYERS.StringLookup(output_mode="one_hot")
    one_hot.adapt(["a", "b"])
    model = nn.Sequential([nn.Input((1,)), one_hot, LAYERS.Dense(1)])
    one_hot.adapt(["a", "b", "c"])
    with pytest.raises(ValueError, match="its vocabulary or bins have changed since"):
        model.predict(["a"], verbose=0)


def test_descriptions_read_no_files(tmp_path):
    (tmp_path / "secret.txt").write_text("a\n")
    for layer in (LAYERS.StringLookup(vocabulary=["a"]), LAYERS.TextVectorization(vocabulary=["a"])):
        config = layer.get_config()
        path = str(tmp_path / "secret.txt")
        for bad in ({"vocabulary": path}, {"vocabulary": None, "adapted": {"vocabulary": path}}):
            bad = {**config, **bad}
            with pytest.raises(ValueError, match="must be a list of keys"):
                type(layer).from_config(bad)


def test_a_vocabulary_may_be_too_large_for_a_file(tmp_path, monkeypatch):
    model = nn.Sequential([nn.Input((1,)), LAYERS.StringLookup(vocabulary=["word"] + [f"w{n}" for n in range(9000)]),
                           LAYERS.Embedding(9002, 1)])  # fmt: skip
    model.save(tmp_path / "m.safetensors")
    assert nn.models.load_model(tmp_path / "m.safetensors").layers[0].get_vocabulary()[-1] == "w8999"
    monkeypatch.setattr(saving, "MAX_DESCRIPTION", 50_000)
    with pytest.raises(ValueError, match="max_tokens limits them"):
        model.save(tmp_path / "n.safetensors")
    assert not list(tmp_path.glob("*n.safetensors*"))

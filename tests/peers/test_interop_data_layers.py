"""Layers that encode data, in models that go to other libraries and come from them."""

import numpy as np
import pytest

import nncore as nn
from nncore.interop.keras import from_keras, to_keras
from nncore.interop.torch import from_torch, to_torch
from peers import sides
from peers.test_interop_keras import output

L = nn.layers
RANDOM = np.random.default_rng(5)
DATA = RANDOM.normal(2, 3, (200, 3, 4))


def adapted(shape, **options):
    layer = L.Normalization(name="normalize", **options)
    layer.adapt(DATA[:, 0] if len(shape) == 1 else DATA)
    return layer


MEAN, VARIANCE = [0.1, -2.0, 3.0, 0.7], [0.3, 4.0, 0.0, 1e-20]
NORMALIZATIONS = {
    "adapted": ((4,), adapted),
    "adapted, inverse": ((4,), lambda shape: adapted(shape, invert=True)),
    "adapted, last axis": ((3, 4), adapted),
    "adapted, first axis": ((3, 4), lambda shape: adapted(shape, axis=1)),
    "adapted, both axes": ((3, 4), lambda shape: adapted(shape, axis=(-1, 1))),
    "adapted, no axis": ((3, 4), lambda shape: adapted(shape, axis=None)),
    "not adapted": ((4,), lambda _: L.Normalization()),
    "given": ((4,), lambda _: L.Normalization(mean=MEAN, variance=VARIANCE)),
    "given, inverse": ((3, 4), lambda _: L.Normalization(mean=MEAN, variance=VARIANCE, invert=True)),
    "given, first axis": ((3, 4), lambda _: L.Normalization(axis=1, mean=MEAN[:3], variance=[1.0, 2.0, 0.0])),
    "given, one number": ((3, 4), lambda _: L.Normalization(axis=None, mean=0.1, variance=0.3)),
    "given, one number of all": ((3, 4), lambda _: L.Normalization(axis=(1, 2), mean=0.1, variance=0.3)),
}  # fmt: skip


def normalizing(case, dtype):
    shape, make = NORMALIZATIONS[case]
    return nn.Sequential([nn.Input(shape), make(shape), L.Flatten(), L.Dense(3)], dtype=dtype, seed=1)


def rows_of(model):
    return RANDOM.normal(1, 2, (5, *model.graph.input_shapes[0])).astype(model.dtype)


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize("case", NORMALIZATIONS)
def test_normalization_to_keras_and_back(case, dtype):
    model = normalizing(case, dtype)
    theirs, x = to_keras(model), rows_of(model)
    sides.assert_close(model.predict(x), output(theirs, x), dtype)
    again = from_keras(theirs)
    sides.assert_close(again.predict(x), output(theirs, x), dtype)
    for one, other in zip(again.get_weights(), model.get_weights(), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.filterwarnings("ignore:.*computes in float32")
def test_keras_computes_with_the_statistics_in_its_own_type():
    """Of bfloat16 it has copies of the weights, and elsewhere views, which change with them."""
    layer = adapted((4,))
    theirs = to_keras(nn.Sequential([nn.Input((4,)), layer, L.Dense(2)], dtype="mixed_bfloat16"))
    mean = theirs.layers[0].mean.to(sides.torch.float32)
    np.testing.assert_allclose(sides.numbers(mean), layer.mean, rtol=0.01)


def test_normalization_that_keras_adapted(tmp_path):
    theirs = sides.keras.Sequential([sides.keras.Input((3, 4)), sides.keras.layers.Normalization(axis=(1, 2))])
    theirs.layers[0].adapt(DATA.astype(np.float32))
    theirs.save(tmp_path / "model.keras")
    ours, x = from_keras(tmp_path / "model.keras"), RANDOM.normal(size=(5, 3, 4)).astype(np.float32)
    sides.assert_close(ours.predict(x), output(theirs, x), "float32")
    sides.assert_close(ours.layers[0].mean[0], DATA.mean(0), "float32")


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize("case", NORMALIZATIONS)
@pytest.mark.filterwarnings("ignore")  # TorchScript has many for what it compiles
def test_normalization_to_torch(case, dtype):
    model = normalizing(case, dtype)
    module, x = to_torch(model), rows_of(model)
    assert len(list(module.buffers())) == 2
    assert len(list(module.parameters())) == 2  # those of Dense
    wanted = model.predict(x)
    for each in (module, sides.torch.jit.script(module)):
        sides.assert_close(each(sides.torch.tensor(x)), wanted, dtype)
    again = from_torch(module, x.shape[1:], data_format="channels_first")
    sides.assert_close(again.predict(x), wanted, dtype)


def computed(model, x):
    """What onnxruntime gives for the graph of a model."""
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    proto = nn.interop.onnx.to_onnx(model)
    onnx.checker.check_model(proto, full_check=True)
    session = runtime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {model.input_names[0]: x})[0]


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize("case", NORMALIZATIONS)
def test_normalization_to_onnx(case, dtype):
    model = normalizing(case, dtype)
    x = rows_of(model)
    sides.assert_close(computed(model, x), model.predict(x), dtype)


def test_normalization_of_channels_of_an_image_to_onnx():
    """Behind a convolution a graph has the channels first."""
    layer = L.Normalization(mean=MEAN, variance=VARIANCE, axis=2)
    model = nn.Sequential([nn.Input((5, 4, 3)), L.Conv2D(6, 1), layer, L.MaxPooling2D(), L.Flatten()], seed=2)
    x = rows_of(model)
    sides.assert_close(computed(model, x), model.predict(x), "float32")


BOUNDARIES = [-0.5, 0.25, 0.7, 0.7]


def quantiles():
    layer = L.Discretization(num_bins=5, output_mode="one_hot")
    layer.adapt(DATA)
    return layer


# (shape, layers, whether the data are categories)
ENCODINGS = {
    "one_hot": ((1,), lambda: [L.CategoryEncoding(6, "one_hot")], True),
    "one_hot of several": ((3,), lambda: [L.CategoryEncoding(6, "one_hot")], True),
    "one_hot of a table": ((3, 2), lambda: [L.CategoryEncoding(6, "one_hot")], True),
    "one_hot of a column": ((3, 1), lambda: [L.CategoryEncoding(6, "one_hot")], True),
    "multi_hot": ((3,), lambda: [L.CategoryEncoding(6)], True),
    "multi_hot of one": ((1,), lambda: [L.CategoryEncoding(6)], True),
    "count": ((4,), lambda: [L.CategoryEncoding(6, "count")], True),
    "intervals": ((4,), lambda: [L.Discretization(BOUNDARIES)], False),
    "intervals of a table": ((3, 4), lambda: [L.Discretization(BOUNDARIES)], False),
    "intervals one_hot": ((4,), lambda: [L.Discretization(BOUNDARIES, output_mode="one_hot")], False),
    "intervals multi_hot": ((4,), lambda: [L.Discretization(BOUNDARIES, output_mode="multi_hot")], False),
    "intervals count": ((4,), lambda: [L.Discretization(BOUNDARIES, output_mode="count")], False),
    "intervals adapted": ((4,), lambda: [quantiles()], False),
    "intervals of categories": ((1,), lambda: [L.Discretization(BOUNDARIES), L.CategoryEncoding(6, "one_hot")], False),
    "intervals in the midst": ((4,), lambda: [L.Rescaling(0.5), L.Discretization(BOUNDARIES)], False),
}  # fmt: skip


def encoding(case, dtype="float32"):
    shape, make, categories = ENCODINGS[case]
    model = nn.Sequential([nn.Input(shape), *make(), L.Flatten(), L.Dense(3)], dtype=dtype, seed=1)
    x = RANDOM.integers(0, 6, (7, *shape)) if categories else RANDOM.normal(size=(7, *shape)).round(1)
    if not categories:
        x.flat[:5] = [0.7, -0.5, 0.25, 50.0, -50.0]
    return model, x.astype(dtype)


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize("case", ENCODINGS)
def test_encodings_to_keras_and_back(case, dtype):
    model, x = encoding(case, dtype)
    theirs = to_keras(model)
    given = x.astype(np.int32) if ENCODINGS[case][2] else x
    wanted = output(theirs, given)
    sides.assert_close(model.predict(x), wanted, dtype)
    sides.assert_close(from_keras(theirs).predict(x), wanted, dtype)


def test_an_embedding_behind_intervals():
    """The input is of fractions, though nothing but an `Embedding` reads what becomes of it."""
    model = nn.Sequential([nn.Input((4,)), L.Discretization(BOUNDARIES), L.Embedding(5, 2), L.Flatten()], seed=1)
    x = RANDOM.normal(size=(7, 4)).astype(np.float32)
    theirs = to_keras(model)
    assert theirs.inputs[0].dtype == "float32"
    sides.assert_close(model.predict(x), output(theirs, x), "float32")
    sides.assert_close(computed(model, x), model.predict(x), "float32")


def test_intervals_that_keras_adapted():
    layer = sides.keras.layers.Discretization(num_bins=4)
    layer.update_state(DATA.astype(np.float32))  # `adapt` needs TensorFlow
    layer.finalize_state()
    theirs = sides.keras.Sequential([sides.keras.Input((4,)), layer])
    ours = from_keras(theirs)
    assert ours.layers[0].bin_boundaries == layer.bin_boundaries
    assert ours.layers[0].num_bins == 4
    x = RANDOM.normal(2, 3, (9, 4)).astype(np.float32)
    assert np.array_equal(ours.predict(x), output(theirs, x))


@pytest.mark.parametrize("mode", ["multi_hot", "count"])
def test_codes_of_tables_are_not_the_same_in_keras(mode):
    for layer in (L.CategoryEncoding(6, mode, name="it"), L.Discretization(BOUNDARIES, output_mode=mode, name="it")):
        with pytest.raises(ValueError, match=r"to_keras: layer 'it'.*first axis in Keras"):
            to_keras(nn.Sequential([nn.Input((3, 2)), layer]))
    theirs = sides.keras.Sequential([sides.keras.Input((3, 2)), sides.keras.layers.CategoryEncoding(6, mode, name="k")])
    with pytest.raises(ValueError, match=r"from_keras: layer 'k'.*first axis in Keras"):
        from_keras(theirs)


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize("case", ENCODINGS)
def test_encodings_to_onnx(case, dtype):
    model, x = encoding(case, dtype)
    if not ENCODINGS[case][2]:
        x.flat[5] = np.nan
    if case == "intervals in the midst":
        x.flat[5] = np.inf
    sides.assert_close(computed(model, x), model.predict(x), dtype)


def test_intervals_that_are_not_there_yet_to_onnx():
    pytest.importorskip("onnx")
    model = nn.Sequential([nn.Input((4,)), L.Discretization(num_bins=3, name="it")])
    with pytest.raises(ValueError, match="'it' has no boundaries"):
        nn.interop.onnx.to_onnx(model)


LOOKUPS = {
    "Hashing": lambda: L.Hashing(5, name="it"),
    "IntegerLookup": lambda: L.IntegerLookup(vocabulary=[3, 4], name="it"),
    "StringLookup": lambda: L.StringLookup(vocabulary=["a", "b"], name="it"),
    "TextVectorization": lambda: L.TextVectorization(vocabulary=["a", "b"], output_sequence_length=3, name="it"),
}


@pytest.mark.parametrize("name", LOOKUPS)
def test_lookups_are_refused_by_name(name):
    pytest.importorskip("onnx")
    model = nn.Sequential([nn.Input((1,)), LOOKUPS[name](), L.Embedding(6, 2)])
    for write, reason in ((to_keras, "TensorFlow"), (to_torch, "encodes data"), (nn.interop.onnx.to_onnx, "looks up")):
        with pytest.raises(ValueError, match=f"'it'.*{name}.*{reason}.*on the data"):
            write(model)


@pytest.mark.parametrize("case", ["one_hot", "intervals"])
def test_encodings_are_refused_by_torch(case):
    with pytest.raises(ValueError, match=r"(Discretization|CategoryEncoding)\).*encodes data"):
        to_torch(encoding(case)[0])

"""Arrays, tensors and frames of PyTorch, JAX and polars as data, and their loaders of minibatches."""

import numpy as np
import pytest

import nncore as nn
from nncore import _data

X = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
Y = X.sum(1, keepdims=True)


def source_of(data, features=4):
    return _data.features(data, (features,), np.dtype("float32"), "layer 'first'")


def model_of(**options):
    model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(3, activation="tanh"), nn.layers.Dense(1)], seed=1)
    model.compile("adam", "mse", **options)
    return model


class Plain:
    def __iter__(self):
        return ((X[n : n + 8], Y[n : n + 8]) for n in range(0, 50, 8))


def trained(x, y, **options):
    """What a training, an evaluation and so on give, as numbers."""
    model = model_of(metrics=["mae"])
    losses = model.fit(x, y, epochs=2, batch_size=8, verbose=0, **options).history["loss"]
    return losses, model.evaluate(x, y, verbose=0), model.predict(x, verbose=0).tolist(), model.train_on_batch(x, y)


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def polars():
    return pytest.importorskip("polars")


@pytest.fixture(scope="module")
def jnp():
    return pytest.importorskip("jax.numpy")


# ---------------------------------------------------------------- PyTorch


def test_tensors(torch):
    x, y = torch.tensor(X), torch.tensor(Y)
    assert trained(x, y) == trained(X, Y)
    assert np.shares_memory(source_of(x).array, x.numpy())
    for view in (x[::2], x.flip(0), x.T.contiguous().T, x[:, :]):
        np.testing.assert_array_equal(np.asarray(source_of(view).array), view.numpy())
    columns = x.T.contiguous().T
    assert np.shares_memory(source_of(columns).array, columns.numpy())
    metric = nn.metrics.MeanAbsoluteError()
    metric.update_state(y, y + 1)
    assert metric.result() == pytest.approx(1)


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float64", "int8", "uint8", "int64", "bool"])
def test_tensors_of_types(torch, kind):
    x = (torch.tensor(X) * 3).to(getattr(torch, kind))
    model = nn.Sequential([nn.Input((4,)), nn.layers.Rescaling(1.0)])
    np.testing.assert_array_equal(model.predict(x, verbose=0), x.float().numpy())
    if kind != "bfloat16":
        assert np.shares_memory(source_of(x).array, x.numpy())


def test_refused_tensors(torch):
    model = model_of()
    x = torch.tensor(X)
    for bad, message in ((x.clone().requires_grad_(), r"x is a tensor .* requires a gradient.*x.detach\(\)"),
                         (torch.nn.Parameter(x), "requires a gradient"),
                         (x.to("meta"), r"x is a tensor of PyTorch on meta.*x.cpu\(\)"),
                         (x.to_sparse(), r"x is a sparse tensor.*x.to_dense\(\)"),
                         (x.to(torch.complex64), "complex64")):  # fmt: skip
        with pytest.raises(TypeError, match=message):
            model.predict(bad, verbose=0)
        with pytest.raises(TypeError, match=message):
            model.fit(bad, Y, verbose=0)
    with pytest.raises(TypeError, match="y is a tensor of PyTorch that requires"):
        model.train_on_batch(x, torch.tensor(Y, requires_grad=True))


@pytest.mark.parametrize("workers", [0, 1])
def test_loaders(torch, workers):
    data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    loader = torch.utils.data.DataLoader(data, batch_size=8, num_workers=workers)
    plain = list(Plain())
    ours, theirs = model_of(), model_of()
    steps = []
    callback = nn.callbacks.LambdaCallback(on_train_begin=lambda logs: steps.append(callback.params["steps"]))
    assert ours.fit(loader, epochs=2, verbose=0, validation_data=loader, callbacks=[callback]).history == \
        theirs.fit(plain, epochs=2, verbose=0, validation_data=Plain()).history  # fmt: skip
    assert steps == [7]
    assert ours.evaluate(loader, verbose=0) == theirs.evaluate(plain, verbose=0)
    np.testing.assert_array_equal(ours.predict(loader, verbose=0), theirs.predict(X, verbose=0))


def test_endless_loaders(torch):
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            while True:
                yield X[0], Y[0]

    loader = torch.utils.data.DataLoader(Stream(), batch_size=4)
    assert len(model_of().fit(loader, epochs=2, steps_per_epoch=3, verbose=0).history["loss"]) == 2


# ---------------------------------------------------------------- JAX


def test_arrays_of_jax(jnp):
    x, y = jnp.asarray(X), jnp.asarray(Y)
    assert trained(x, y) == trained(X, Y)
    assert np.shares_memory(source_of(x).array, np.asarray(x))
    model = nn.Sequential([nn.Input((4,)), nn.layers.Rescaling(1.0)])
    for kind in ("float16", "bfloat16", "float8_e4m3fn", "int8", "uint32", "bool"):
        z = (x * 3).astype(kind)
        np.testing.assert_array_equal(model.predict(z, verbose=0), np.asarray(z.astype("float32")), kind)
    with pytest.raises(TypeError, match="complex64"):
        model.predict(x.astype("complex64"), verbose=0)


# ---------------------------------------------------------------- polars


def test_frames_of_polars(polars):
    frame, y = polars.DataFrame(X), polars.Series("y", Y[:, 0])
    assert trained(frame, y) == trained(X, Y)
    small = polars.Series([3, 4], dtype=polars.Int8)
    mixed = polars.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": [True, False], "d": small})
    model = nn.Sequential([nn.Input((4,)), nn.layers.Rescaling(1.0)])
    assert model.predict(mixed, verbose=0).tolist() == [[1, 0.5, 1, 3], [2, 1.5, 0, 4]]
    for name, column in zip(mixed.columns, source_of(mixed).array.columns, strict=True):
        if name != "c":  # booleans are bits there
            assert np.shares_memory(column, mixed[name].to_numpy(allow_copy=False)), name
    parts = polars.concat([mixed, mixed], rechunk=False)
    assert len(model.predict(parts, verbose=0)) == 4
    vectors = polars.DataFrame({"v": polars.Series([[1.0, 2, 3, 4]], dtype=polars.Array(polars.Float64, 4))})
    assert model.predict(vectors, verbose=0).tolist() == [[1, 2, 3, 4]]


def test_refused_frames_of_polars(polars):
    model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(1)])
    for bad, error, message in (
        (polars.DataFrame({"a": [1], "t": ["x"]}), TypeError, "column 't' holds text .*StringLookup"),
        (polars.DataFrame({"a": [1], "t": polars.Series(["x"], dtype=polars.Categorical)}), TypeError, "to_physical"),
        (polars.DataFrame({"a": [1, 2], "n": [None, 1.0]}), ValueError, "column 'n' has 1 missing values.*fill_null"),
        (polars.DataFrame({"a": [1], "l": [[1, 2]]}), TypeError, "column 'l' holds List"),
        (polars.DataFrame({"a": [1], "b": [2]}).lazy(), TypeError, r"LazyFrame of polars.*x.collect\(\)"),
    ):
        with pytest.raises(error, match=message):
            model.predict(bad, verbose=0)


def test_texts_of_polars(polars):
    layer = nn.layers.StringLookup(vocabulary=["a", "b"])
    words = polars.DataFrame({"w": ["b", "x"]})
    assert layer(words).tolist() == [[2], [0]]
    assert layer(words["w"]).tolist() == [2, 0]
    assert layer(words["w"].cast(polars.Categorical)).tolist() == [2, 0]
    with pytest.raises(ValueError, match="missing value at"):
        layer(polars.Series(["a", None]))


# ---------------------------------------------------------------- TensorFlow


def test_datasets_of_tensorflow():
    tensorflow = pytest.importorskip("tensorflow")
    data = tensorflow.data.Dataset.from_tensor_slices((X, Y)).batch(8)
    plain = list(Plain())
    ours, theirs = model_of(), model_of()
    assert ours.fit(data, epochs=2, verbose=0, validation_data=data).history == \
        theirs.fit(plain, epochs=2, verbose=0, validation_data=Plain()).history  # fmt: skip
    np.testing.assert_array_equal(ours.predict(data.map(lambda x, y: x), verbose=0), theirs.predict(X, verbose=0))
    assert trained(tensorflow.constant(X), tensorflow.constant(Y)) == trained(X, Y)

"""Tables and arrays of other libraries as data: what is read in place, what is copied, and what is refused."""

import array
import tracemalloc

import numpy as np
import pytest

import nncore as nn
from nncore import _data

pandas = pytest.importorskip("pandas")
arrow = pytest.importorskip("pyarrow")

RANDOM = np.random.default_rng(3)
ROWS = 60
TYPES = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]


def columns(types=TYPES):
    """A column of each type."""
    return {f"c{n}": (RANDOM.standard_normal(ROWS) * 20).astype(dtype) if np.dtype(dtype).kind == "f"
            else RANDOM.integers(0, 2 if dtype == "?" else 100, ROWS).astype(dtype)
            for n, dtype in enumerate(types)}  # fmt: skip


def source_of(data, features, dtype="float32"):
    return _data.features(data, (features,), np.dtype(dtype), "layer 'first'")


def rows_of(data, features, dtype="float64"):
    """What the engine reads of the data."""
    return nn.Sequential([nn.Input((features,)), nn.layers.Rescaling(1.0)], dtype=dtype).predict(data, verbose=0)


def tables(of):
    """The same columns in each library, and in NumPy."""
    batch = arrow.RecordBatch.from_pydict({name: arrow.array(c) for name, c in of.items()})
    yield "frame", pandas.DataFrame(of)
    yield "table", arrow.table(of)
    yield "batch", batch
    yield "chunks", arrow.Table.from_batches([batch.slice(0, 7), batch.slice(7)])
    yield "rows", pandas.DataFrame(of).iloc[::-1].iloc[::-1]


# ---------------------------------------------------------------- values


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_of_columns_of_every_type(dtype):
    of = columns()
    wanted = np.column_stack([c.astype(dtype) for c in of.values()])
    for name, table in tables(of):
        np.testing.assert_array_equal(rows_of(table, len(of), dtype), wanted, name)


def test_column_major_arrays_train_as_row_major_ones():
    x = RANDOM.standard_normal((ROWS, 5)).astype(np.float32)
    y = (x @ np.arange(5.0))[:, None] + [0.0, 1.0]
    losses = []
    for a, b in ((x, y), (np.asfortranarray(x), np.asfortranarray(y)), (pandas.DataFrame(x), pandas.DataFrame(y)),
                 (arrow.table(pandas.DataFrame(x)), arrow.table(pandas.DataFrame(y)))):  # fmt: skip
        model = nn.Sequential([nn.Input((5,)), nn.layers.Dense(2)], seed=1)
        model.compile("adam", "mse")
        history = model.fit(a, b, epochs=3, batch_size=7, verbose=0, validation_split=0.2).history
        losses.append((history["loss"], history["val_loss"], model.evaluate(a, b, verbose=0),
                       model.predict(a, verbose=0).tolist(), model.train_on_batch(a, b)))  # fmt: skip
    assert losses[0] == losses[1] == losses[2] == losses[3]


def test_parts_of_columns():
    table = source_of(np.asfortranarray(np.arange(40.0).reshape(10, 4)), 4)
    part = table.part(slice(3, 7)).part(slice(1, None))
    assert part.rows == 3
    assert part.table[0, 0] - table.table[0, 0] == 4 * 8
    mixed = source_of(pandas.DataFrame({"a": np.arange(6), "b": np.arange(6.0)}), 2).part(slice(2, 4))
    assert np.asarray(mixed.array).tolist() == [[2, 2], [3, 3]]


def test_columns_of_numbers_of_rows():
    frame = pandas.DataFrame({"a": [0, 3, 1], "b": np.array([2, 1, 0], np.uint8)})
    model = nn.Sequential([nn.Input((2,)), nn.layers.Embedding(4, 3)])
    np.testing.assert_array_equal(model.predict(frame, verbose=0), model.layers[0].embeddings[frame.to_numpy()])
    with pytest.raises(ValueError, match="from 0 to 3; x holds 9 in row 1"):
        model.predict(pandas.DataFrame({"a": [0, 1], "b": [1, 9]}), verbose=0)


def test_class_weights_of_one_hot_columns():
    x, y = RANDOM.standard_normal((9, 3)), np.eye(3)[RANDOM.integers(0, 3, 9)]
    losses = []
    for target in (y, pandas.DataFrame(y), pandas.DataFrame(y).astype({1: "int8"})):
        model = nn.Sequential([nn.Input((3,)), nn.layers.Dense(3, activation="softmax")], seed=1)
        model.compile("sgd", "categorical_crossentropy")
        losses.append(model.train_on_batch(x, target, class_weight={0: 3.0, 1: 0.5}))
    assert losses[0] == losses[1] == losses[2]


# ---------------------------------------------------------------- copies


def test_no_copies_of_what_the_engine_reads():
    block = RANDOM.standard_normal((ROWS, 6))
    frame = pandas.DataFrame(block, copy=False)
    for column in source_of(frame, 6).array.columns:
        assert np.shares_memory(column, block)
    mixed = pandas.DataFrame(columns())
    for name, column in zip(mixed, source_of(mixed, len(TYPES)).array.columns, strict=True):
        assert np.shares_memory(column, mixed[name].to_numpy(copy=False)), name
    table = arrow.table(columns(TYPES[1:]))  # Arrow's booleans are bits
    for name, column in zip(table.column_names, source_of(table, 11).array.columns, strict=True):
        assert np.shares_memory(column, table[name].chunk(0).to_numpy()), name
    for view in (np.asfortranarray(block), block[:, ::2], block[::-1, ::-1], block.T):
        assert np.shares_memory(source_of(view, view.shape[1]).array, view)
    series = pandas.Series(np.arange(5.0))
    assert np.shares_memory(source_of(series, 1).array, series.to_numpy(copy=False))
    assert np.shares_memory(source_of(frame[[3]], 1).array, block)


def test_memory_of_a_training_on_a_frame():
    frame = pandas.DataFrame({f"c{n}": np.arange(1 << 18, dtype=("i8", "f8")[n % 2]) for n in range(16)})
    model = nn.Sequential([nn.Input((16,)), nn.layers.Dense(1)])
    model.compile("sgd", "mse")
    y = np.zeros(len(frame), np.float32)
    model.fit(frame[:64], y[:64], verbose=0)
    with nn.config.threads(1):
        tracemalloc.start()
        try:
            nn.config.set_nonfinite("ignore")
            model.fit(frame, y, batch_size=4096, verbose=0)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            nn.config.set_nonfinite("raise")
            tracemalloc.stop()
    assert peak < frame.memory_usage().sum() / 4  # the epoch's order, and the plan


def test_many_columns_are_copied_where_that_is_small(monkeypatch):
    wide = np.asfortranarray(RANDOM.standard_normal((4, _data.MOST_COLUMNS + 1)))
    source = source_of(wide, wide.shape[1])
    assert source.table is None
    assert source.array.flags.c_contiguous
    frame = pandas.DataFrame(wide)
    np.testing.assert_array_equal(rows_of(frame, wide.shape[1]), wide)
    assert source_of(arrow.table(frame.rename(columns=str)), wide.shape[1]).table is None
    monkeypatch.setattr(_data, "LARGE_BYTES", 1000)
    for data in (wide, frame, arrow.table(frame.rename(columns=str))):
        assert source_of(data, wide.shape[1]).table is not None
        np.testing.assert_array_equal(rows_of(data, wide.shape[1]), wide)


# ---------------------------------------------------------------- types of their own


def test_nullable_and_other_types_of_pandas():
    frame = pandas.DataFrame({
        "Int64": pandas.array([1, 2, 3], dtype="Int64"),
        "Float32": pandas.array([0.5, 1.5, 2.5], dtype="Float32"),
        "boolean": pandas.array([True, False, True], dtype="boolean"),
        "arrow": pandas.array([7, 8, 9], dtype="int16[pyarrow]"),
        "category": pandas.Categorical([10, 20, 10]),
        "object": pandas.Series([1, 2.5, True], dtype=object),
        "sparse": pandas.arrays.SparseArray([0.0, 0.0, 3.0]),
    })  # fmt: skip
    wanted = [[1, 0.5, 1, 7, 10, 1, 0], [2, 1.5, 0, 8, 20, 2.5, 0], [3, 2.5, 1, 9, 10, 1, 3]]
    np.testing.assert_array_equal(rows_of(frame, 7), wanted)
    for name in frame:
        np.testing.assert_array_equal(rows_of(frame[name], 1).ravel(), frame[name].astype("float64"), name)


def test_lists_of_arrow_are_rows():
    lists = arrow.FixedSizeListArray.from_arrays(arrow.array(np.arange(12.0)), 3)
    np.testing.assert_array_equal(rows_of(lists, 3), np.arange(12.0).reshape(4, 3))
    np.testing.assert_array_equal(rows_of(arrow.table({"v": lists[1:]}), 3), np.arange(3, 12.0).reshape(3, 3))
    with pytest.raises(ValueError, match="x has a column of lists beside others"):
        rows_of(arrow.table({"v": lists, "w": np.arange(4.0)}), 4)


class Streamed:
    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


class Exchanged:
    """Has DLPack's protocol only."""

    def __init__(self, of):
        self.of = of

    def __dlpack__(self, **options):
        return self.of.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.of.__dlpack_device__()


class Interfaced:
    def __init__(self, of):
        self.of, self.__array_interface__ = of, of.__array_interface__


def test_protocols():
    x = np.arange(12.0).reshape(6, 2)
    for data in (Exchanged(x), Interfaced(x), memoryview(x), Streamed(arrow.table({"a": x[:, 0], "b": x[:, 1]}))):
        np.testing.assert_array_equal(rows_of(data, 2), x)
    for data in (Exchanged(x), Interfaced(x), memoryview(x)):
        assert np.shares_memory(source_of(data, 2).array, x)
    flat = array.array("d", range(6))
    np.testing.assert_array_equal(rows_of(flat, 1).ravel(), range(6))
    model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(Exchanged(x), flat, verbose=0)
    with pytest.raises(ValueError, match="needs targets"):
        model.fit(Interfaced(x), verbose=0)


def test_inputs_by_name_may_be_of_different_libraries():
    a, b = nn.Input((1,), name="age"), nn.Input((2,), name="rest")
    model = nn.Model([a, b], nn.layers.Dense(1)(nn.layers.Concatenate()([a, b])))
    model.compile("sgd", "mse", metrics=["mae"])
    frame = pandas.DataFrame(columns(["i4", "f4", "f8"]))
    rest = arrow.table(frame[["c1", "c2"]])
    y = pandas.Series(RANDOM.standard_normal(ROWS))
    given = {"age": frame["c0"], "rest": rest}
    model.fit(given, y, verbose=0, sample_weight=pandas.Series(np.ones(ROWS)))
    got = model.predict(given, verbose=0)
    plain = frame.to_numpy()
    np.testing.assert_array_equal(got, model.predict([plain[:, :1], plain[:, 1:]], verbose=0))
    assert model.evaluate(given, y, verbose=0) == model.evaluate([plain[:, :1], plain[:, 1:]], y.to_numpy(), verbose=0)
    assert np.isfinite(model.train_on_batch([frame["c0"], rest], y)).all()


def test_labels_losses_and_metrics_of_series():
    labels = pandas.Series([0, 2, 1], dtype="Int64")
    p = pandas.DataFrame(np.eye(3)[[0, 2, 2]] * 0.7 + 0.1)
    metric = nn.metrics.SparseCategoricalAccuracy()
    metric.update_state(labels, p)
    assert metric.result() == pytest.approx(2 / 3)
    loss = nn.losses.SparseCategoricalCrossentropy()
    assert loss(arrow.array([0, 2, 1]), p) == loss(np.array([0, 2, 1]), p.to_numpy())


# ---------------------------------------------------------------- refused

TIMES = np.array(["2020-01-01", "2021-01-01"], "datetime64[ns]")
BAD = {
    "text of a frame": (pandas.DataFrame({"a": [1, 2], "city": ["x", "y"]}), TypeError,
                        "x: column 'city' holds text .*StringLookup"),
    "categories": (pandas.DataFrame({"a": [1, 2], "k": pandas.Categorical(["x", "y"])}), TypeError,
                   "column 'k' holds categories of text.*cat.codes"),
    "times": (pandas.DataFrame({"a": [1, 2], "t": TIMES}), TypeError, "column 't' holds times .*say what number"),
    "missing": (pandas.DataFrame({"a": [1, 2], "n": pandas.array([1, None], dtype="Int64")}), ValueError,
                "column 'n' has 1 missing values.*fillna"),
    "missing floats": (pandas.DataFrame({"a": [1, 2], "n": pandas.array([None, 1.0], dtype="Float64")}), ValueError,
                       "column 'n' has 1 missing values"),
    "objects": (pandas.DataFrame({"a": [1, 2], "o": pandas.Series([1, [2]], dtype=object)}), TypeError,
                r"column 'o' must hold real numbers.*\[2\] of list at \[1\]"),
    "a text of many": (pandas.DataFrame({"a": [1, 2], "o": pandas.Series([1, "red"], dtype=object)}), TypeError,
                       "'red' of str at .*StringLookup"),
    "None": (pandas.DataFrame({"a": [1, 2], "o": pandas.Series([1, None], dtype=object)}), ValueError,
             "column 'o' has 1 missing values"),
    "text of a table": (arrow.table({"a": [1, 2], "city": ["x", "y"]}), TypeError, "column 'city' holds text"),
    "codes of a table": (arrow.table({"a": [1, 2], "k": arrow.array(["x", "y"]).dictionary_encode()}), TypeError,
                         "column 'k' holds text"),
    "times of a table": (arrow.table({"a": [1, 2], "t": TIMES}), TypeError, "column 't' holds timestamp"),
    "nulls": (arrow.table({"a": [1, 2], "n": [None, 2.0]}), ValueError, "column 'n' has 1 missing values.*drop_null"),
    "no columns": (pandas.DataFrame(index=[0, 1]), ValueError, "x is a table without columns"),
    "too many columns": (pandas.DataFrame({"a": [1], "b": [2], "c": [3]}), ValueError,
                         r"2 features; x has shape \(1, 3\)"),
    "no rows": (pandas.DataFrame({"a": [], "b": []}, dtype="float64"), ValueError, "needs at least one row"),
    "masked": (np.ma.masked_greater(np.ones((2, 2)) * [0, 5], 1), ValueError, "x has 2 masked values"),
    "text": (np.array([["a", "b"]]), TypeError, "an array of <U1 of text"),
    "time": (np.zeros((2, 2), "m8[s]"), TypeError, "timedelta.*say what number a time is"),
    "complex": (np.zeros((2, 2), complex), TypeError, "complex128; give real and imaginary parts"),
    "nothing": (None, TypeError, "must hold real numbers; got NoneType"),
    "ragged": ([[1, 2], [3]], ValueError, "cannot be read as an array"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_refused(name):
    data, error, message = BAD[name]
    model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(1)])
    model.compile("sgd", "mse")
    before = model.get_weights()
    with pytest.raises(error, match=message):
        model.predict(data, verbose=0)
    with pytest.raises(error, match=message):
        model.fit(data, np.zeros(2), verbose=0)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))


def test_sparse_matrices_are_refused():
    scipy = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match=r"x is a sparse matrix.*x.toarray\(\)"):
        rows_of(scipy.csr_matrix(np.eye(2)), 2)


def test_targets_of_text_name_the_way():
    model = nn.Sequential([nn.Input((2,)), nn.layers.Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(TypeError, match=r"y: column 'kind' holds text.*StringLookup"):
        model.fit(np.ones((2, 2)), pandas.Series(["a", "b"], name="kind"), verbose=0)

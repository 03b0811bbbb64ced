"""Tables: how files are read, what columns are found to be, what they become for the network, and metrics."""

import bz2
import gzip
import io
import lzma
import math

import numpy as np
import pytest

pd = pytest.importorskip("pandas", reason="pandas is not installed")

from nncore._tables import columns, descriptions, detection, metrics, reading, target, values  # noqa: E402

ROWS = [("Zürich", "1.5", "2024-01-31"), ("a, b", "-2", "2024-02-01"), ('"quoted"', "3e2", "2023-12-24")]
NAMES = ("city", "x", "when")


def text_of(separator=",", quote='"', decimal="."):
    file = io.StringIO(newline="")
    import csv

    writer = csv.writer(file, delimiter=separator, quotechar=quote)
    writer.writerow(NAMES)
    writer.writerows((city, x.replace(".", decimal), when) for city, x, when in ROWS * 5)
    return file.getvalue()


def read(path, content, **options):
    path.write_bytes(content)
    return reading.read_table(str(path), **options)


# Reading


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_files_of_any_kind_are_the_same_table(tmp_path, separator, encoding, end):
    text = text_of(separator).replace("\r\n", end)
    frame = read(tmp_path / "t.csv", text.encode(encoding)).frame
    assert tuple(frame.columns) == NAMES
    assert [tuple(row) for row in frame.itertuples(index=False)] == ROWS * 5


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files(tmp_path, compress):
    content = compress(text_of().encode())
    assert read(tmp_path / "t.csv.z", content).frame["city"][0] == "Zürich"
    with pytest.raises(ValueError, match=r"is no whole .* file"):
        read(tmp_path / "cut.csv.z", content[: len(content) // 2])


def test_the_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text_of().encode())))
    assert len(reading.read_table("-").frame) == 15


def test_unusual_csv_files(tmp_path):
    lines = [(f"{i}", f"{i * i}", f"{3 * i}") for i in range(1, 30)]
    for name, text in {
        "excel": "sep=;\na;b;c\n" + "".join(";".join(line) + "\n" for line in lines),
        "trailing": "a,b,c\n" + "".join(",".join(line) + ",\n" for line in lines),
        "row names": "a,b,c\n" + "".join(f"r{i}," + ",".join(line) + "\n" for i, line in enumerate(lines)),
        "blanks": "a b  c\n" + "".join("   ".join(line) + "\n" for line in lines),
        "apostrophes": "'a','b','c'\n" + "".join(",".join(f"'{field}'" for field in line) + "\n" for line in lines),
        "blanks around": " a , b , c \n" + "".join(" , ".join(line) + "\n" for line in lines),
        "no last end": "a,b,c\n" + "\n".join(",".join(line) for line in lines),
        "empty lines": "\n\na,b,c\n\n" + "\n\n".join(",".join(line) for line in lines),
        "tilde": "a~b~c\n" + "".join("~".join(line) + "\n" for line in lines),
    }.items():
        table = read(tmp_path / name, text.encode(), separator="~" if name == "tilde" else None)
        assert list(table.frame.columns) == ["a", "b", "c"], name
        got = [tuple(float(field) for field in row) for row in table.frame.itertuples(index=False)]
        assert got == [tuple(map(float, line)) for line in lines], name


def test_names_that_come_twice_or_are_empty(tmp_path):
    frame = read(tmp_path / "t.csv", b",a,a,b\n" + b"1,2,3,4\n" * 12).frame
    assert list(frame.columns) == ["Unnamed: 0", "a", "a.1", "b"]


def test_parquet_and_csv_give_the_same_columns_for_the_network(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    random = np.random.default_rng(0)
    frame = pd.DataFrame({
        "n": random.normal(size=60), "i": random.integers(0, 9, 60), "b": random.random(60) < 0.5,
        "c": random.choice(["x", "y", "z"], 60), "d": pd.Timestamp("2021-03-01") + pd.to_timedelta(np.arange(60), "D"),
        "m": pd.array([None, 1, 2] * 20, "Int64"), "k": pd.Categorical(random.choice(["u", "v"], 60)),
        "y": random.normal(size=60),
    })  # fmt: skip
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    encoded, kinds = [], []
    for name in ("t.parquet", "t.csv"):
        table = reading.read_table(str(tmp_path / name))
        found = detection.detect(table, "y")
        kinds.append([each.kind for each in found])
        fitted = [each.fit(table.frame[each.name]) for each in found]
        encoded.append([column.encode(table.frame[column.name]) for column in fitted])
    assert kinds[0] == kinds[1] == ["number", "number", "boolean", "category", "date", "number", "category"]
    for one, other in zip(*encoded, strict=True):
        np.testing.assert_array_equal(one.scales, other.scales)
        np.testing.assert_array_equal(one.switches, other.switches)


def test_nested_values_are_texts():
    lists = pd.Series([[1, 2], None, [1, 2]], dtype=object)
    assert values.texts_of(lists).distinct.tolist() == ["[1, 2]"]
    assert values.texts_of(lists).codes.tolist() == [0, -1, 0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; wanted a CSV file with a line of column names"),
        (b" \n\r\n", "is empty"),
        (b"a,b\n", "has 2 column names and no rows"),
        (b"\x89PNG\r\n\x1a\n....", "is a PNG picture"),
        (b"PK\x03\x04....", "is a ZIP archive or an Excel workbook"),
        (b"PAR1 nothing", "is no whole Parquet file"),
        (bytes(range(256)), "holds bytes that no text has"),
        (b'[{"a": 1}, {"a": 2}]\n', "is JSON"),
        (b"<!DOCTYPE html>\n<html>\n", "is HTML or XML"),
        (b"Some words that are a sentence\nand another one of other length\n", "is no CSV file.*--separator"),
        (b"a,b\n1,2\n1,2,3\n", "line 3, has 3 fields, and the lines before it 2"),
        (b'a,b\n1,"2\n3,4\n', "no CSV file that can be read"),
    ],
)
def test_what_is_no_table(tmp_path, content, message):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "t.csv", content)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder"):
        reading.read_table(str(tmp_path))
    (tmp_path / "houses.csv").write_text("a,b\n")
    with pytest.raises(FileNotFoundError, match=r"there is no file .*house\.csv; did you mean .*houses\.csv\?"):
        reading.read_table(str(tmp_path / "house.csv"))
    with pytest.raises(FileNotFoundError, match="and no folder"):
        reading.read_table(str(tmp_path / "none" / "house.csv"))


def test_without_pandas_it_is_said_what_to_install(monkeypatch, tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'nncore\[tables\]'"):
        reading.read_table(str(tmp_path / "t.csv"))


# Values


def test_numbers():
    texts = ["12", " -1.5e3", "1,234.5", "$ 12.50", "7 %", "€3", "\u22124", "1 234",
             "abc", "1_0", "inf", "nan", "1,5", "", "1e200"]  # fmt: skip
    wanted = [12, -1500, 1234.5, 12.5, 7, 3, -4, 1234] + [math.nan] * 7
    np.testing.assert_array_equal(values.numbers_in(np.array(texts, object)), wanted)
    german = ["1,5", "1.234,5", "-3", "12.34.5", "2 000,25"]
    wanted = [1.5, 1234.5, -3, math.nan, 2000.25]
    np.testing.assert_array_equal(values.numbers_in(np.array(german, object), ","), wanted)


@pytest.mark.parametrize(
    ("texts", "hint", "sign"),
    [
        (["1.5", "2"], ".", "."),
        (["1,5", "2"], ".", ","),
        (["1,500", "2"], ".", "."),
        (["1,500", "2"], ",", ","),
        (["1,500", "2,25"], ".", ","),
        (["1.5", "2"], ",", "."),
    ],
)
def test_decimal_signs(texts, hint, sign):
    assert values.decimal_of(np.array(texts, object), hint) == sign


@pytest.mark.parametrize(
    ("texts", "seconds"),
    [
        (["2024-01-31", "2024-02-01"], [1706659200, 1706745600]),
        (["2024-01-31 06:30", "2024-02-01 00:00"], [1706682600, 1706745600]),
        (["2024-01-31T00:00:00+02:00", "2024-02-01T00:00:00Z"], [1706652000, 1706745600]),
        (["31.01.2024", "1.2.2024"], [1706659200, 1706745600]),
        (["01/31/2024", "2/1/2024"], [1706659200, 1706745600]),
        (["31/01/2024", "1/2/2024"], [1706659200, 1706745600]),
        (["2024/01/31", "2024/02/01"], [1706659200, 1706745600]),
        (["31 Jan 2024", "1 Feb 2024"], [1706659200, 1706745600]),
        (["20240131", "20240201"], [1706659200, 1706745600]),
    ],
)
def test_dates(texts, seconds):
    form, share = values.date_format_of(np.array(texts, object))
    assert share == 1
    np.testing.assert_array_equal(values.seconds_in(np.array(texts, object), form), seconds)


# Kinds of columns


def kind(texts, **options):
    return detection.kind_of(pd.Series(texts, dtype=object), "x", **options)


def test_kinds():
    random = np.random.default_rng(0)
    numbers = [f"{x:.3f}" for x in random.normal(size=100)]
    cases = {
        "number": [numbers, [*numbers, "oops"], ["1", None] * 20, ["1,5", "2,25", "7"] * 9,
                   ["$1,200", "$80"] * 9, [*numbers[:50], *["unknown"] * 50]],
        "category": [["a", "b", "c"] * 9, ["01234", "10115", "99999"] * 9, ["low", None] * 9,
                     [*numbers[:30], *["a", "b", "c"] * 20]],
        "boolean": [["yes", "no"] * 9, ["True", "False"] * 9, ["Y", "n"] * 9, [True, False, None] * 9],
        "date": [["2024-01-01", "2024-05-07"] * 9, ["12:30", "7:15"] * 9,
                 [*(f"{i}.2.2024" for i in range(1, 29)), "soon"]],
        "left out": [["a"] * 30, [None] * 30, [f"name {i}" for i in range(100)], ["5"] * 30],
    }
    for wanted, columns_ in cases.items():
        for texts in columns_:
            assert kind(texts).kind == wanted, texts[:4]
    assert kind(["1", "2"] * 9, category=True).kind == "category"
    assert "is no number and counts as missing: 'oops'" in kind([*numbers, "oops"]).note


def table_of(**data):
    return reading.Table(pd.DataFrame(data, dtype=object), "t.csv", "CSV, comma", ".")


def test_row_numbers_are_left_out_where_something_else_is_there():
    numbers = [str(i) for i in range(40)]
    for name in ("id", "Unnamed: 0", "customer_id", "rowId", "ID", "user id"):
        found = detection.detect(table_of(**{name: numbers, "x": ["1", "2"] * 20, "y": numbers}), "y")
        assert [each.kind for each in found] == ["left out", "number"], name
        assert detection.detect(table_of(**{name: numbers, "y": numbers}), "y")[0].kind == "number"
    for name in ("width", "humid", "paid", "x"):
        found = detection.detect(table_of(**{name: numbers, "x2": ["1", "2"] * 20, "y": numbers}), "y")
        assert [each.kind for each in found] == ["number", "number"], name


def test_numbers_for_the_network():
    x = np.random.default_rng(0).normal(100, 5, 1000)
    series = pd.Series(x)
    column = columns.Number.fit("x", series, ".")
    assert not column.heavy
    np.testing.assert_allclose(column.encode(series).scales[:, 0], (x - x.mean()) / x.std(), atol=1e-5)
    assert column.encode(series).switches.shape == (1000, 0)
    tails = pd.Series(np.exp(3 * np.random.default_rng(0).normal(size=1000)))
    column = columns.Number.fit("x", tails, ".")
    assert column.heavy
    z = column.encode(tails).scales
    assert np.abs(z).max() < 6
    assert (np.argsort(z[:, 0]) == np.argsort(tails.to_numpy())).all()


def test_missing_and_strange_numbers():
    column = columns.Number.fit("x", pd.Series(["1", None, "3"], dtype=object), ".")
    encoded = column.encode(pd.Series(["2", None, "many", "1e99", "inf"], dtype=object))
    np.testing.assert_array_equal(encoded.scales[:, 0], [0, 0, 0, columns.BOUND, 0])
    np.testing.assert_array_equal(encoded.switches[:, 0], [0, 1, 1, 0, 1])
    assert column.strange(pd.Series(["2", None, "many"], dtype=object)).tolist() == [False, False, True]
    never = columns.Number.fit("x", pd.Series(["1", "2", "3"], dtype=object), ".")
    assert never.encode(pd.Series([None], dtype=object)).switches.shape == (1, 0)
    same = columns.Number.fit("x", pd.Series([7.0, 7.0]), ".")
    assert np.isfinite(same.encode(pd.Series([7.0, 8.0, -1e90])).scales).all()


def test_categories_for_the_network():
    levels = ["a"] * 600 + ["b"] * 300 + ["rare 1", "rare 2"] + [None] * 98
    column = columns.Category.fit("x", pd.Series(levels, dtype=object))
    assert (column.levels, column.rare, column.missing) == (["a", "b"], True, True)
    asked = pd.Series(["a", "b", "rare 1", "never seen", None, " a "], dtype=object)
    np.testing.assert_array_equal(
        column.encode(asked).switches, np.eye(4)[[1, 2, 0, 0, 3, 1]]
    )
    assert not column.strange(asked).any()  # as rare ones have been seen
    column = columns.Category.fit("x", pd.Series(["a", "b"] * 9, dtype=object))
    np.testing.assert_array_equal(column.encode(asked).switches, [[1, 0], [0, 1], [0, 0], [0, 0], [0, 0], [1, 0]])
    assert column.strange(asked).tolist() == [False, False, True, True, False, False]
    many = [f"level {i}" for i in range(columns.ONE_HOT + 1)] * 10
    column = columns.Category.fit("x", pd.Series(many, dtype=object))
    encoded = column.encode(pd.Series([column.levels[0], "other", None], dtype=object))
    assert encoded.index.tolist() == [1, 0, 0]
    assert column.sizes == (0, 0, columns.ONE_HOT + 2)


def test_booleans_are_the_same_in_any_case():
    column = columns.Category.fit("x", pd.Series(["Yes", "no", "YES"], dtype=object), boolean=True)
    np.testing.assert_array_equal(column.encode(pd.Series(["yes", "No", None], dtype=object)).switches,
                                  [[0, 1], [1, 0], [0, 0]])  # fmt: skip


def test_dates_for_the_network():
    days = pd.Series(pd.date_range("2022-01-01", "2023-12-31", freq="D"))
    column = columns.Date.fit("x", days, "ISO8601")
    assert column.cycles == ["year", "month", "week"]
    encoded = column.encode(pd.Series(pd.to_datetime(["2022-07-01", "2023-07-01", None, "2022-07-08"])))
    week = encoded.switches[:, -6:]
    np.testing.assert_allclose(week[0], week[3], atol=1e-6)  # seven days later
    assert np.abs(week[0] - week[1]).max() > 0.1
    np.testing.assert_allclose(encoded.switches[0, :6], encoded.switches[1, :6], atol=1e-6)  # a year later
    assert (encoded.switches[2] == 0).all()
    old = columns.Date.fit("x", pd.Series([f"{year}-01-01" for year in range(1700, 1800)], dtype=object), "ISO8601")
    assert old.detail() == "1700-01-01 ... 1799-01-01, by year, month, week"
    hours = columns.Date.fit("x", pd.Series(["06:00", "18:30", "12:00"], dtype=object), "%H:%M")
    assert hours.cycles == ["day"]
    np.testing.assert_allclose(hours.encode(pd.Series(["06:00"], dtype=object)).switches[0, :2], [1, 0], atol=1e-6)


@pytest.mark.parametrize("make", [
    lambda: columns.Number.fit("x", pd.Series([1.0, 2.5, None]), "."),
    lambda: columns.Category.fit("x", pd.Series(["a", "b", None] * 5, dtype=object)),
    lambda: columns.Date.fit("x", pd.Series(["2024-01-01", None, "2024-12-31"], dtype=object), "ISO8601"),
])  # fmt: skip
def test_descriptions_come_back_and_nothing_else_does(make):
    import json

    column = make()
    data = json.loads(json.dumps(columns.describe(column), allow_nan=False))
    assert columns.restore(data) == column
    for name, value in data.items():
        for wrong in (None, [], {}, 1e999, "text" * 5000, [1, "a"], ["a", "a"]):
            if type(wrong) is not type(value) or name == "kind" or (isinstance(wrong, float)):
                with pytest.raises(ValueError):  # noqa: PT011 (each field has words of its own)
                    columns.restore({**data, name: wrong})
        with pytest.raises(ValueError, match=r"column should be one of|should have the fields"):
            columns.restore({other: each for other, each in data.items() if other != name})
    with pytest.raises(ValueError, match="should have the fields"):
        columns.restore({**data, "more": 1})
    with pytest.raises(ValueError, match="a column should be one of"):
        columns.restore([data])
    with pytest.raises(ValueError, match="described by names"):
        descriptions.restored(type(column), [data])


# Targets


def target_of(texts, task=None, **data):
    return target.Raw(table_of(y=texts, **data), "y", task)


def test_the_task_follows_from_the_target():
    random = np.random.default_rng(0)
    for texts, task in (
        ([f"{x:.2f}" for x in random.normal(size=50)], "regression"),
        ([str(i) for i in range(50)], "regression"),
        (["0", "1"] * 25, "classification"),
        (["1.0", "2", "3"] * 25, "classification"),
        (["10", "20", "30"] * 25, "regression"),
        (["0.5", "1.5", "2"] * 25, "regression"),
        (["a", "b", "1"] * 25, "classification"),
        (["true", "false"] * 25, "classification"),
        ([True, False] * 25, "classification"),
    ):
        assert target_of(texts).task == task, texts[:3]
    assert target_of(["0", "1"] * 25, "regression").task == "regression"
    assert target_of(["1.0", "2", "3"] * 25).classes == ["1", "2", "3"]
    assert target_of(["10", "9", "11"] * 25, "classification").classes == ["9", "10", "11"]


@pytest.mark.parametrize(
    ("texts", "task", "message"),
    [
        (["5"] * 20, None, "is '5' in all rows: there is nothing to learn"),
        ([None] * 20, None, "is empty in all 20 rows"),
        (["1.0", "1"] * 10, "classification", "in all rows"),
        ([*map(str, range(40)), "unknown"], None, "is a number in 40 rows and text in 1 .'unknown' in row 41.: "),
        ([*map(str, range(40)), "unknown"], "regression", "has text in 1 of 41 rows .'unknown' in row 41."),
        (["low", "high"] * 10, "regression", "has text in 20 of 20 rows .*--task classification"),
        ([f"n{i}" for i in range(40)], None, "has 40 classes in 40 rows .*identifiers"),
    ],
)
def test_targets_that_cannot_be_learnt(texts, task, message):
    with pytest.raises(ValueError, match=message):
        target_of(texts, task)


def test_skewed_and_extreme_targets():
    random = np.random.default_rng(0)
    y = np.exp(2 * random.normal(size=2000))
    amount = target.Amount.fit("y", y, ".")
    assert amount.skewed
    np.testing.assert_allclose(amount.decode(amount.encode(y).astype(np.float32)), y, rtol=1e-4)
    amount.correct(np.full((2000, 1), amount.encode(np.array([1.0]))[0]), y)
    assert amount.correction == 4.0  # and not more
    assert np.isfinite(amount.decode(np.array([1e9, -1e9]))).all()
    zeros = np.where(random.random(2000) < 0.5, 0, y)
    amount = target.Amount.fit("y", zeros, ".")
    np.testing.assert_allclose(amount.decode(amount.encode(zeros)), zeros, rtol=1e-6, atol=1e-6)
    y = random.normal(size=2000)
    assert not target.Amount.fit("y", y, ".").skewed
    y[0] = -1e6
    amount = target.Amount.fit("y", y, ".")
    assert amount.extreme
    assert 0.5 < amount.std < 2
    np.testing.assert_allclose(amount.decode(amount.encode(y)), y)


# Metrics


def test_metrics_are_those_of_scikit_learn():
    sk = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    random = np.random.default_rng(0)
    y, p = random.normal(size=50), random.normal(size=50)
    got = metrics.amounts(y, p)
    assert got["r2"] == pytest.approx(sk.r2_score(y, p))
    assert got["rmse"] == pytest.approx(sk.mean_squared_error(y, p) ** 0.5)
    assert got["mae"] == pytest.approx(sk.mean_absolute_error(y, p))
    labels = random.integers(0, 2, 200)
    probabilities = np.round(random.dirichlet([1, 1], 200), 1)  # with ties
    got = metrics.classes(labels, probabilities, ["no", "yes"])
    predicted = probabilities.argmax(axis=1)
    assert got["auc"] == pytest.approx(sk.roc_auc_score(labels, probabilities[:, 1]))
    assert got["accuracy"] == pytest.approx(sk.accuracy_score(labels, predicted))
    assert got["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(labels, predicted))
    clipped = np.clip(probabilities, 1e-7, 1)
    assert got["log_loss"] == pytest.approx(-np.log(clipped[np.arange(200), labels]).mean())
    precision, recall, f1, rows = sk.precision_recall_fscore_support(labels, predicted)
    for number, name in enumerate(["no", "yes"]):
        one = got["classes"][name]
        assert list(one.values()) == pytest.approx([rows[number], precision[number], recall[number], f1[number]])


def test_metrics_without_a_value():
    assert metrics.amounts(np.ones(3), np.zeros(3))["r2"] is None
    got = metrics.classes(np.zeros(3, int), np.tile([0.9, 0.1], (3, 1)), ["a", "b"])
    assert got["auc"] is None
    assert got["classes"]["b"] == {"rows": 0, "precision": None, "recall": None, "f1": None}
    assert got["balanced_accuracy"] == 1

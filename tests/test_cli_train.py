"""`nncore train`, `predict` and `evaluate`: what they print, write and reach, and what they refuse."""

import gzip
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import nncore as nn
from nncore import cli

pd = pytest.importorskip("pandas", reason="pandas is not installed")

PACKAGE = pathlib.Path(cli.__file__).parents[1]
CALIFORNIA = pathlib.Path(os.environ.get(
    "NNCORE_CALIFORNIA",
    pathlib.Path(__file__).parents[2] / "shared" / "data" / "tabular" / "california_housing.csv",
))  # fmt: skip


def houses(rows=300, seed=0):
    """A table with columns of all kinds, and a price that follows from them."""
    random = np.random.default_rng(seed)
    size, rooms = random.uniform(20, 200, rows), random.integers(1, 7, rows)
    place = random.choice(["centre", "suburb", "village"], rows, p=[0.3, 0.5, 0.2])
    built = pd.Timestamp("1990-01-01") + pd.to_timedelta(random.integers(0, 12000, rows), "D")
    price = 2 * size + 10 * rooms + 80 * (place == "centre") + (built.year - 1990) * 2 + random.normal(0, 5, rows)
    frame = pd.DataFrame({
        "name": [f"house {i}" for i in range(rows)], "size": size.round(1), "rooms": rooms, "place": place,
        "built": built.strftime("%d.%m.%Y"), "garden": random.choice(["yes", "no"], rows), "country": "CH",
        "price": price.round(1),
    })  # fmt: skip
    frame.loc[random.random(rows) < 0.1, "size"] = np.nan
    return frame


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with houses.csv and the model that was trained on it, and what that printed."""
    folder = tmp_path_factory.mktemp("houses")
    houses().to_csv(folder / "houses.csv", index=False)
    finished = process(folder, "train", "houses.csv", "--target", "price")
    assert finished.returncode == 0, finished.stderr
    return folder, finished


def process(folder, *arguments, **variables):
    """`python -m nncore` in a folder."""
    paths = [variables.pop("PYTHONPATH", None), str(PACKAGE.parent), os.environ.get("PYTHONPATH")]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, paths)), COLUMNS="80", **variables)
    return subprocess.run([sys.executable, "-m", "nncore", *arguments], cwd=folder, env=environment, check=False,
                          capture_output=True, text=True, timeout=120)  # fmt: skip


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """A function that runs a command in this process, in a folder of its own: (code, output, errors)."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = cli.main(list(map(str, arguments)))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def fails(run, pattern, *arguments):
    code, output, errors = run(*arguments)
    assert (code, output) == (1, ""), errors
    assert re.fullmatch(f"nncore {arguments[0]}: {pattern}\n", errors), errors


# Training


def test_train_prints_what_it_found_and_how_good_it_is(trained):
    _, finished = trained
    lines = finished.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "houses.csv: 300 rows (CSV, comma)"
    missing = int(houses()["size"].isna().sum())
    assert re.search(rf"^size +number +[\d.]+ \.\.\. [\d.]+ +{missing}$", finished.stdout, re.M)
    for pattern in (
        r"rooms +number +1 \.\.\. 6", r"place +category +3 levels: suburb, centre, village",
        r"built +date +199\d-\d\d-\d\d \.\.\. 20\d\d-\d\d-\d\d, by year, .*", r"garden +boolean +2 levels: no, yes",
        r"price +target +regression, .*", r"Left out: 'country', it is 'CH' in all rows\.",
        r"Left out: 'name', names or identifiers: 300 different ones in 300 rows\.",
        r"Training on 240 rows, 60 rows held out for validation\.",
        r"On 60 validation rows +model +predicting the mean",
        r"RMSE +[\d.]+ +[\d.]+", r"MAE +[\d.]+ +[\d.]+", r"Model: houses\.safetensors",
    ):  # fmt: skip
        assert re.search(f"^{pattern}$", finished.stdout, re.M), pattern
    ours, baseline = map(float, re.search(r"^R² +(\S+) +(\S+)$", finished.stdout, re.M).groups())
    assert ours > 0.85
    assert -0.2 < baseline <= 0
    assert "Training: 100%" in finished.stderr or "best=" in finished.stderr


def test_predict_and_evaluate_agree_with_the_training(trained, run, tmp_path):
    folder, _ = trained
    model = folder / "houses.safetensors"
    fresh = houses(200, seed=5)
    fresh.sample(frac=1, axis=1, random_state=0).to_csv("fresh.csv", index=False)  # columns in another order
    code, output, _ = run("evaluate", model, "fresh.csv", "--json")
    report = json.loads(output)
    assert code == 0
    assert report["metrics"]["rows"] == 200
    assert report["metrics"]["r2"] > 0.8
    assert report["baseline"]["r2"] == pytest.approx(0, abs=0.05)
    fresh.drop(columns=["price", "name", "country"]).to_csv("asked.csv", index=False)
    code, output, errors = run("predict", model, "asked.csv", "--out", "said.csv")
    assert (code, output, errors) == (0, "Predictions: said.csv (200 rows)\n", "")
    said = pd.read_csv("said.csv")
    assert list(said.columns) == ["price"]
    error = said["price"] - fresh["price"]
    assert float(np.sqrt((error**2).mean())) == pytest.approx(report["metrics"]["rmse"], rel=1e-6)
    assert float(error.abs().mean()) == pytest.approx(report["metrics"]["mae"], rel=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["asked.csv", "fresh.csv", "said.csv"]
    _, output, _ = run("predict", model, "asked.csv", "--quiet")
    assert np.allclose([float(line) for line in output.splitlines()[1:]], said["price"])
    _, output, _ = run("predict", model, "asked.csv", "--json", "--keep", "place", "--quiet")
    report = json.loads(output)
    assert report["kept"]["place"] == fresh["place"].tolist()
    assert np.allclose(report["predictions"], said["price"])


def test_what_prediction_has_never_seen(trained, run):
    folder, _ = trained
    model = folder / "houses.safetensors"
    strange = houses(6, seed=3).astype(object).assign(extra=1)
    strange.loc[0, "place"] = "moon"
    strange.loc[1, "built"] = "yesterday"
    strange.loc[2, "rooms"] = "many"
    strange.loc[3, ["place", "built", "rooms", "size", "garden"]] = None
    strange.to_csv("strange.csv", index=False)
    code, output, errors = run("predict", model, "strange.csv")
    assert code == 0
    assert len(output.splitlines()) == 7
    assert all(np.isfinite(float(line)) for line in output.splitlines()[1:])
    said = " ".join(errors.split())
    for words in ("'place' has levels in 1 row that training never saw", "'built' is no date in 1 row",
                  "'rooms' is no number in 1 row", "3 columns are not used: 'name', 'country', 'extra'"):  # fmt: skip
        assert words in said
    strange.rename(columns={"rooms": "Rooms", "garden": "yard"}).to_csv("lacking.csv", index=False)
    fails(run, r"lacking\.csv lacks 2 of the 5 columns that the model reads: 'rooms' \(is it 'Rooms'\?\), 'garden' "
          r"\(is it 'yard'\?\)\. .*", "predict", model, "lacking.csv")  # fmt: skip
    code, output, errors = run("predict", model, "lacking.csv", "--allow-missing")
    assert code == 0
    assert len(output.splitlines()) == 7
    assert "the column 'garden' is not there" in " ".join(errors.split())


def test_the_file_is_a_model_too(trained):
    folder, _ = trained
    model = nn.models.load_model(folder / "houses.safetensors")
    width = model.input_shape[1]
    assert model.predict(np.zeros((3, width), np.float32), verbose=0).shape == (3, 1)


def test_json_of_train(run):
    houses(120).to_csv("h.csv", index=False)
    code, output, errors = run("train", "h.csv", "--target", "price", "--json", "--epochs", 5, "--out", "m.safetensors")
    report = json.loads(output)
    assert code == 0
    assert "column" in errors
    assert report["model"] == "m.safetensors"
    assert report["rows"] == {"all": 120, "training": 96, "without_target": 0, "validation": 24}
    assert report["target"]["task"] == "regression"
    assert {column["name"]: column["kind"] for column in report["columns"]} == {
        "size": "number", "rooms": "number", "place": "category", "built": "date", "garden": "boolean"}  # fmt: skip
    assert [left["name"] for left in report["left_out"]] == ["name", "country"]
    assert report["training"]["epochs_trained"] == 5
    assert set(report["metrics"]) == {"rows", "r2", "rmse", "mae"}
    _, output, errors = run("train", "h.csv", "--target", "price", "--json", "--epochs", 2, "--quiet")
    assert errors == ""
    assert json.loads(output)["model"] == "h.safetensors"


def test_the_same_seed_gives_the_same_model_on_any_number_of_threads(run):
    houses(200).to_csv("h.csv", index=False)
    weights = []
    threads = nn.config.get_num_threads()
    try:
        for seed, count in ((1, 1), (1, 2), (2, 1)):
            run("train", "h.csv", "--target", "price", "--epochs", 3, "--seed", seed, "--threads", count, "--quiet")
            weights.append(nn.models.load_model("h.safetensors").get_weights())
    finally:
        nn.config.set_num_threads(threads)
    assert all((a == b).all() for a, b in zip(weights[0], weights[1], strict=True))
    assert any((a != b).any() for a, b in zip(weights[0], weights[2], strict=True))


def flowers(rows, seed=0, rare=0.04):
    random = np.random.default_rng(seed)
    kind = random.choice(["rose", "tulip", "orchid"], rows, p=[0.6, 0.4 - rare, rare])
    center = {"rose": 0.0, "tulip": 3.0, "orchid": 6.0}
    x = np.array([center[each] for each in kind]) + random.normal(0, 0.5, rows)
    return pd.DataFrame({"length": x.round(3), "width": random.normal(size=rows).round(3), "kind": kind})


def test_classes(run):
    flowers(400).to_csv("flowers.csv", index=False)
    flowers(100, seed=1).to_csv("more.csv", index=False)
    code, output, _ = run("train", "flowers.csv", "--target", "kind", "--validation", "more.csv")
    assert code == 0
    assert re.search(r"^kind +target +classification, 3 classes: rose \d\d%, tulip \d\d%, orchid \d%$", output, re.M)
    assert re.search(r"^On 100 validation rows +model +predicting the majority$", output, re.M)
    accuracy, baseline = map(float, re.search(r"^Accuracy +(\S+) +(\S+)$", output, re.M).groups())
    assert accuracy > 0.95
    assert baseline == pytest.approx((flowers(100, seed=1)["kind"] == "rose").mean())
    assert re.search(r"^orchid +\d+ +[01]\.\d{4} +[01]\.\d{4} +[01]\.\d{4}$", output, re.M)
    assert "AUC" not in output
    code, output, _ = run("predict", "flowers.safetensors", "more.csv", "--probabilities", "--keep", "kind", "--quiet")
    assert code == 0
    pathlib.Path("said.csv").write_text(output)
    said = pd.read_csv("said.csv")
    names = ["probability_orchid", "probability_rose", "probability_tulip"]
    assert list(said.columns) == ["kind", "predicted_kind", *names]
    np.testing.assert_allclose(said[names].sum(axis=1), 1, atol=1e-5)
    assert (said["predicted_kind"] == said[names].idxmax(axis=1).str.removeprefix("probability_")).all()
    assert (said["predicted_kind"] == said["kind"]).mean() == pytest.approx(accuracy)
    _, output, errors = run("evaluate", "flowers.safetensors", "more.csv")
    assert f"Accuracy{accuracy:42.4f}" in output
    assert errors == ""


def test_two_classes_with_numbers_for_names_and_weights(run):
    random = np.random.default_rng(0)
    x = random.normal(size=600)
    y = (x + random.normal(0, 0.7, 600) > 1.6).astype(int)
    pd.DataFrame({"x": x, "y": y}).to_csv("t.csv", index=False)
    recalls = []
    for more in ([], ["--balanced"]):
        _, output, _ = run("train", "t.csv", "--target", "y", "--json", "--quiet", "--epochs", 40, *more)
        report = json.loads(output)
        assert report["metrics"]["auc"] > 0.8
        recalls.append(report["metrics"]["classes"]["1"]["recall"])
        share = report["metrics"]["classes"]["1"]["rows"] / report["metrics"]["rows"]
        assert share == pytest.approx(y.mean(), abs=0.01)  # stratified
    assert recalls[1] > recalls[0]
    _, output, _ = run("train", "t.csv", "--target", "y", "--task", "regression", "--json", "--quiet", "--epochs", 5)
    assert "r2" in json.loads(output)["metrics"]


def test_classes_that_the_model_does_not_know_are_left_out(run):
    flowers(200).to_csv("flowers.csv", index=False)
    run("train", "flowers.csv", "--target", "kind", "--epochs", 3, "--quiet")
    other = flowers(50, seed=2)
    other.loc[:9, "kind"] = "daisy"
    other.to_csv("other.csv", index=False)
    _, output, errors = run("evaluate", "flowers.safetensors", "other.csv", "--json")
    assert json.loads(output)["metrics"]["rows"] == 40
    assert "10 rows without a target that the model knows left out" in errors
    other.assign(kind="daisy").to_csv("none.csv", index=False)
    fails(run, r"none\.csv has no row whose target 'kind' the model knows; nothing to compare",
          "evaluate", "flowers.safetensors", "none.csv")  # fmt: skip


def test_many_levels_have_an_embedding(run):
    random = np.random.default_rng(0)
    level, effect = random.integers(0, 60, 3000), random.normal(size=60)
    frame = pd.DataFrame({"city": [f"city {i}" for i in level], "y": effect[level]})
    frame.to_csv("t.csv", index=False)
    _, output, _ = run("train", "t.csv", "--target", "y", "--json", "--quiet")
    assert json.loads(output)["metrics"]["r2"] > 0.95
    _, output, _ = run("train", "t.csv", "--target", "y", "--quiet", "--epochs", 3, "--validation", 0)
    from nncore._tables import files

    predictor, _ = files.load("t.safetensors")
    table = predictor.model.get_layer("embedding_0").get_weights()[0]
    counts = frame["city"].value_counts()[predictor.columns[0].levels]
    # No row of the training had a rare level: its vector is the mean over the rows of the others.
    np.testing.assert_allclose(table[0], counts.to_numpy() @ table[1:] / len(frame), atol=1e-6)
    run("train", "t.csv", "--target", "y", "--quiet")
    frame.head(3).assign(city=["city 1", "elsewhere", None]).to_csv("asked.csv", index=False)
    _, output, errors = run("predict", "t.safetensors", "asked.csv")
    known, unknown, missing = map(float, output.splitlines()[1:])
    assert known == pytest.approx(effect[1], abs=0.3)
    assert unknown == missing
    assert abs(unknown) < 1
    assert "'city' has levels in 1 row" in errors


@pytest.mark.parametrize("make", [
    lambda f: f.to_csv("t.tsv", sep="\t", index=False) or "t.tsv",
    lambda f: f.to_csv("t.csv", sep=";", decimal=",", index=False, encoding="cp1252") or "t.csv",
    lambda f: pathlib.Path("t.csv.gz").write_bytes(gzip.compress(f.to_csv(index=False).encode())) and "t.csv.gz",
    lambda f: f.to_parquet("t.parquet") or "t.parquet",
])  # fmt: skip
def test_files_of_all_kinds(run, make):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path = make(houses(100).rename(columns={"size": "Größe"}))
    code, output, _ = run("train", path, "--target", "price", "--epochs", 2, "--json", "--quiet")
    assert code == 0
    kinds = {column["name"]: column["kind"] for column in json.loads(output)["columns"]}
    assert kinds == {"Größe": "number", "rooms": "number", "place": "category", "built": "date", "garden": "boolean"}
    assert run("evaluate", "t.safetensors", path, "--quiet")[0] == 0


def test_options(run):
    from nncore.cli import train

    houses(150).to_csv("h.csv", index=False)
    arguments = ("train", "h.csv", "--target", "price", "--json", "--quiet", "--epochs", 4)
    for optimizer in train.OPTIMIZERS:
        code, output, _ = run(*arguments, "--optimizer", optimizer, "--hidden", "8")
        assert code == 0
        assert json.loads(output)["training"]["optimizer"].lower() == optimizer
    _, output, _ = run(*arguments, "--hidden", "7,5", "--batch-size", 11, "--learning-rate", 0.01, "--dropout", 0,
                       "--loss", "mae", "--weight-decay", 0.5, "--activation", "tanh", "--validation", 0.3,
                       "--drop", "rooms,built", "--categories", "size", "--pieces", 0)  # fmt: skip
    report = json.loads(output)
    chosen = {"hidden": [7, 5], "batch_size": 11, "learning_rate": 0.01, "dropout": 0, "loss": "mean_absolute_error",
              "weight_decay": 0.5, "epochs": 4, "pieces": 0}  # fmt: skip
    assert {name: report["training"][name] for name in chosen} == chosen
    assert report["rows"]["validation"] == 45
    assert {column["name"]: column["kind"] for column in report["columns"]} == {
        "size": "category", "place": "category", "garden": "boolean"}  # fmt: skip
    _, output, _ = run(*arguments, "--hidden", "none", "--validation", 0)
    report = json.loads(output)
    assert report["measured_on"] == "training"
    assert report["training"]["hidden"] == []
    assert [layer.name for layer in nn.models.load_model("h.safetensors").layers if layer.weights][-1] == "output"


def test_a_time_limit_ends_the_training_with_a_low_learning_rate(run):
    houses(3000).to_csv("h.csv", index=False)
    begin = time.perf_counter()
    limit = "--epochs", 9999, "--time-limit", 0.5
    _, output, _ = run("train", "h.csv", "--target", "price", "--json", "--quiet", *limit)
    assert time.perf_counter() - begin < 30
    report = json.loads(output)
    assert report["training"]["ended_by"] == "time limit"
    assert nn.models.load_model("h.safetensors").optimizer.learning_rate < report["training"]["learning_rate"] / 10
    assert report["metrics"]["r2"] > 0.5


def test_rows_without_a_target_and_with_one_feature(run):
    x = np.linspace(0, 10, 200)
    y = np.where(np.arange(200) % 10 == 0, np.nan, np.sin(x))
    pd.DataFrame({"x": x, "y": y}).to_csv("t.csv", index=False)
    _, output, _ = run("train", "t.csv", "--target", "y", "--json", "--quiet")
    report = json.loads(output)
    assert report["rows"] == {"all": 200, "training": 144, "without_target": 20, "validation": 36}
    assert report["notes"] == ["20 rows without a target left out"]
    assert report["metrics"]["r2"] > 0.8


def test_a_table_of_fifty_rows(run):
    random = np.random.default_rng(0)
    x = random.normal(size=(50, 3))
    frame = pd.DataFrame(x, columns=list("abc")).assign(y=x @ [1, -2, 0.5] + random.normal(0, 0.1, 50))
    frame.to_csv("t.csv", index=False)
    _, output, _ = run("train", "t.csv", "--target", "y", "--json", "--quiet")
    assert json.loads(output)["metrics"]["r2"] > 0.8


# What is refused


def test_refusals_before_the_training(run, tmp_path):
    houses(60).to_csv("h.csv", index=False)
    pd.DataFrame({"a": range(20), "y": 5}).to_csv("constant.csv", index=False)
    pd.DataFrame({"y": range(20)}).to_csv("only.csv", index=False)
    pd.DataFrame({"a": range(5), "y": range(5)}).to_csv("few.csv", index=False)
    pathlib.Path("empty.csv").write_text("")
    pathlib.Path("picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n")
    train = "train", "h.csv", "--target"
    fails(run, r"h\.csv has no column 'Price'; did you mean 'price'\? its columns: 'name', 'size'.*", *train, "Price")
    fails(run, r"target 'country' of h\.csv is 'CH' in all rows: .*--target", *train, "country")
    fails(run, r"target 'place' has text in 60 of 60 rows .*--task classification", *train, "place",
          "--task", "regression")  # fmt: skip
    fails(run, r"target 'name' has 60 classes in 60 rows .*", *train, "name")
    fails(run, r"'price' is the target and cannot be left out by --drop", *train, "price", "--drop", "price")
    fails(run, r"h\.csv has no column 'romms'; did you mean 'rooms'\? .*", *train, "price", "--drop", "romms")
    fails(run, r"--out none/m\.safetensors: there is no folder none; make it first.*", *train, "price", "--out",
          "none/m.safetensors")  # fmt: skip
    pathlib.Path("bare.csv").write_text("1,2.5\n" * 20)
    fails(run, r"bare\.csv has no column 'price'; its first line should have the names.*",
          "train", "bare.csv", "--target", "price")  # fmt: skip
    fails(run, r"--balanced is for classes, .*", *train, "price", "--balanced")
    fails(run, r"--loss is for a regression, .*", *train, "garden", "--loss", "mae")
    fails(run, r"--patience needs rows to validate with, .*", *train, "price", "--patience", 3, "--validation", 0)
    fails(run, r"there is no file test\.csv.*", *train, "price", "--validation", "test.csv")
    fails(run, r"constant\.csv has no column 'price'; its columns: 'a', 'y'", *train, "price", "--validation",
          "constant.csv")  # fmt: skip
    fails(run, r"target 'y' of constant\.csv is '5' in all rows: .*", "train", "constant.csv", "--target", "y")
    fails(run, r"only\.csv has no column beside the target 'y'.*", "train", "only.csv", "--target", "y")
    fails(run, r"few\.csv has 5 rows with a target 'y'; at least 10 are needed", "train", "few.csv", "--target", "y")
    fails(run, r"empty\.csv is empty; wanted a CSV file .*", "train", "empty.csv", "--target", "y")
    fails(run, r"picture\.csv is a PNG picture; wanted a CSV or Parquet file", "train", "picture.csv", "--target", "y")
    fails(run, r"there is no file contant\.csv; did you mean constant\.csv.*", "train", "contant.csv", "--target", "y")
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "t.csv"], "the following arguments are required: --target"),
        (["train", "t.csv", "--target", "y", "--out", "m.h5"], "wanted a path that ends in .safetensors, got 'm.h5'"),
        (["train", "t.csv", "--target", "y", "--validation", "1.5"], "at least 0 and below 1, got '1.5'"),
        (["train", "t.csv", "--target", "y", "--hidden", "64,x"], "wanted sizes of layers such as 128,64, or none"),
        (["train", "t.csv", "--target", "y", "--hidden", "0"], "wanted sizes of layers such as 128,64, or none"),
        (["train", "t.csv", "--target", "y", "--dropout", "1"], "at least 0 and below 1, got '1'"),
        (["train", "t.csv", "--target", "y", "--drop", "a,,b"], "wanted names with commas between them"),
        (["train", "t.csv", "--target", "y", "--weight-decay", "-1"], "at least 0, got '-1'"),
        (["train", "t.csv", "--target", "y", "--time-limit", "0"], "wanted a number above 0, got '0'"),
        (["train", "t.csv", "--target", "y", "--separator", ";;"], "wanted one sign such as ; or the word tab"),
        (["train", "t.csv", "--target", "y", "--task", "ranking"], "invalid choice: 'ranking'"),
        (["predict", "m.safetensors"], "the following arguments are required: TABLE"),
        (["evaluate"], "the following arguments are required: MODEL, TABLE"),
    ],
)
def test_wrong_usage(arguments, message, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    assert left.value.code == 2
    assert message in capsys.readouterr().err


def test_files_that_are_no_models_of_tables(trained, run):
    folder, _ = trained
    table = folder / "houses.csv"
    fails(run, r"there is no file m\.safetensors", "predict", "m.safetensors", table)
    pathlib.Path("m.safetensors").write_text("a,b\n1,2\n")
    fails(run, r"m\.safetensors is no whole safetensors file: .*", "predict", "m.safetensors", table)
    nn.Sequential([nn.Input((3,)), nn.layers.Dense(1)]).save("plain.safetensors")
    fails(run, r"plain\.safetensors is a model without a table: wanted a file that 'nncore train' has written",
          "evaluate", "plain.safetensors", table)  # fmt: skip
    content = (folder / "houses.safetensors").read_bytes()
    pathlib.Path("cut.safetensors").write_bytes(content[:-10])
    fails(run, r"cut\.safetensors is no whole safetensors file: .*", "predict", "cut.safetensors", table)
    altered = content.replace(b"village", b"villain")
    assert altered != content
    pathlib.Path("altered.safetensors").write_bytes(altered)
    fails(run, r"altered\.safetensors: it has been altered or damaged.*", "predict", "altered.safetensors", table)
    fails(run, r"--probabilities is for classes, and .* predicts a number, 'price'",
          "predict", folder / "houses.safetensors", table, "--probabilities")  # fmt: skip
    fails(run, r"--out .*houses\.csv is what is read; wanted another file",
          "predict", folder / "houses.safetensors", table, "--out", table)  # fmt: skip
    fails(run, r"--out no/p\.csv: there is no folder no; make it first.*",
          "predict", folder / "houses.safetensors", table, "--out", "no/p.csv")  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        lambda part: part.update(format=2),
        lambda part: part.update(columns=[]),
        lambda part: part.update(columns=part["columns"][1:]),
        lambda part: part.update(columns=[*part["columns"], part["columns"][0]]),
        lambda part: part["columns"][0].update(kind="pickle"),
        lambda part: part["columns"][0].update(std=0.0),
        lambda part: part["target"].update(task="ranking"),
        lambda part: part["target"].update(name=part["columns"][0]["name"]),
        lambda part: part["target"].pop("std"),
        lambda part: part.update(target=None),
    ],
)
def test_descriptions_that_do_not_fit_the_network(trained, run, change):
    from nncore._tables import files
    from nncore.models import saving

    folder, _ = trained
    model, part = saving.load_with(folder / "houses.safetensors", files.PART)
    change(part)
    saving.save_model(model, "wrong.safetensors", True, **{files.PART: part})
    fails(run, r"wrong\.safetensors: the description of the table is wrong: .*",
          "predict", "wrong.safetensors", folder / "houses.csv")  # fmt: skip


def test_without_pandas_it_is_said_what_to_install(tmp_path):
    (tmp_path / "packages" / "pandas").mkdir(parents=True)
    (tmp_path / "packages" / "pandas" / "__init__.py").write_text("raise ModuleNotFoundError('no pandas')")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    finished = process(tmp_path, "train", "t.csv", "--target", "b", PYTHONPATH=str(tmp_path / "packages"))
    assert finished.returncode == 1
    assert finished.stderr == "nncore train: tables need pandas (no pandas): pip install 'nncore[tables]'\n"


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_an_interrupted_training_keeps_the_best_model(tmp_path):
    houses(2000).to_csv(tmp_path / "h.csv", index=False)
    with open(tmp_path / "errors", "w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "nncore", "train", "h.csv", "--target", "price", "--epochs", "1000000"],
            cwd=tmp_path, env=dict(os.environ, PYTHONPATH=str(PACKAGE.parent)), stdout=subprocess.DEVNULL,
            stderr=errors,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 60
            while "best=" not in (tmp_path / "errors").read_text() and time.monotonic() < deadline:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 130
        finally:
            process.kill()
            process.wait()
    said = (tmp_path / "errors").read_text().splitlines()[-1]
    assert re.fullmatch(r"nncore train: interrupted; the model of the best epoch, \d+, is in h\.safetensors", said)
    assert nn.models.load_model(tmp_path / "h.safetensors").count_params() > 0
    assert cli.main(["evaluate", str(tmp_path / "h.safetensors"), str(tmp_path / "h.csv"), "--quiet"]) == 0


def test_import_and_help_load_no_pandas():
    script = ("import sys, nncore.cli as c, nncore._tables.training; c.command_parser();"
              "print([m for m in sys.modules if m.split('.')[0] in ('pandas', 'pyarrow', 'safetensors')])")  # fmt: skip
    finished = subprocess.run([sys.executable, "-c", script], cwd=PACKAGE.parent, capture_output=True, text=True,
                              timeout=60, check=True)  # fmt: skip
    assert finished.stdout == "[]\n"


# The other commands' JSON


def test_json_of_info_and_bench(capfd):
    assert cli.main(["info", "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["nncore"] == nn.__version__
    assert report["variant"] in report["variants"]
    assert cli.main(["bench", "--seconds", "0.2", "--threads", "1", "--json"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["threads"] == 1
    for step in report["steps"]:
        assert step["ratio"] == pytest.approx(step["numpy_seconds"] / step["nncore_seconds"])


@pytest.mark.skipif(not CALIFORNIA.is_file(), reason=f"no file {CALIFORNIA}; NNCORE_CALIFORNIA names another")
def test_california_housing(run):
    begin = time.perf_counter()
    code, output, _ = run("train", CALIFORNIA, "--target", "median_house_value", "--json", "--quiet")
    assert code == 0
    assert json.loads(output)["metrics"]["r2"] >= 0.8
    assert time.perf_counter() - begin < 20 * 3  # three times what is promised: the machine of a test may be busy

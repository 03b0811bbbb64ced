"""Metrics: states over minibatches, with weights, and in models."""

import numpy as np
import pytest

from peers import sides
from peers.test_keras_losses import BITS, CLASSES, ONE_HOT, POSITIVE, REAL, SIGNS, arrays

PROBABILITIES = "probabilities"
METRICS = {
    "Accuracy": [("equal", {})],
    "BinaryAccuracy": [(BITS, {}), (BITS, {"threshold": 0.7})],
    "CategoricalAccuracy": [(ONE_HOT, {})],
    "SparseCategoricalAccuracy": [(CLASSES, {})],
    "TopKCategoricalAccuracy": [(ONE_HOT, {"k": 2}), (ONE_HOT, {"k": 3})],
    "SparseTopKCategoricalAccuracy": [(CLASSES, {"k": 2}), (CLASSES, {"k": 3})],
    "MeanSquaredError": [(REAL, {})],
    "RootMeanSquaredError": [(REAL, {})],
    "MeanAbsoluteError": [(REAL, {})],
    "MeanAbsolutePercentageError": [(POSITIVE, {})],
    "MeanSquaredLogarithmicError": [(POSITIVE, {})],
    "CosineSimilarity": [(REAL, {})],
    "LogCoshError": [(REAL, {})],
    "R2Score": [(REAL, {}), (REAL, {"class_aggregation": None}),
                (REAL, {"class_aggregation": "variance_weighted_average"}), (REAL, {"num_regressors": 2})],
    "PearsonCorrelation": [(REAL, {})],
    "ConcordanceCorrelation": [(REAL, {})],
    "Hinge": [(SIGNS, {})],
    "SquaredHinge": [(SIGNS, {})],
    "CategoricalHinge": [(ONE_HOT, {})],
    "KLDivergence": [("distributions", {})],
    "Poisson": [(POSITIVE, {})],
    "BinaryCrossentropy": [(BITS, {}), (BITS, {"from_logits": True, "label_smoothing": 0.1})],
    "CategoricalCrossentropy": [(ONE_HOT, {}), (ONE_HOT, {"from_logits": True, "label_smoothing": 0.1})],
    "SparseCategoricalCrossentropy": [(CLASSES, {}), (CLASSES, {"from_logits": True})],
    **{name: [(BITS, {}), (BITS, {"thresholds": [0.2, 0.5, 0.8]})]
       for name in ("TruePositives", "TrueNegatives", "FalsePositives", "FalseNegatives")},
    **{name: [(BITS, {}), (BITS, {"thresholds": [0.2, 0.5, 0.8]}), (BITS, {"class_id": 1}), (BITS, {"top_k": 2})]
       for name in ("Precision", "Recall")},
    "F1Score": [(BITS, {"threshold": 0.5}), (ONE_HOT, {}), (BITS, {"average": "macro", "threshold": 0.4}),
                (BITS, {"average": "micro", "threshold": 0.5}), (BITS, {"average": "weighted", "threshold": 0.5})],
    "FBetaScore": [(BITS, {"beta": 2.0, "threshold": 0.5}), (ONE_HOT, {"beta": 0.5, "average": "micro"})],
    "AUC": [(BITS, {}), (BITS, {"num_thresholds": 21}), (BITS, {"curve": "PR"}),
            (BITS, {"summation_method": "minoring"}), (BITS, {"summation_method": "majoring", "curve": "PR"}),
            (BITS, {"multi_label": True, "num_labels": 4}), (BITS, {"from_logits": True})],
    "PrecisionAtRecall": [(BITS, {"recall": 0.6})],
    "RecallAtPrecision": [(BITS, {"precision": 0.6})],
    "SensitivityAtSpecificity": [(BITS, {"specificity": 0.4})],
    "SpecificityAtSensitivity": [(BITS, {"sensitivity": 0.4})],
    "IoU": [("labels", {"num_classes": 4, "target_class_ids": [0, 2]})],
    "BinaryIoU": [(BITS, {})],
    "MeanIoU": [("labels", {"num_classes": 4})],
    "OneHotIoU": [(ONE_HOT, {"num_classes": 4, "target_class_ids": [1, 3]})],
    "OneHotMeanIoU": [(ONE_HOT, {"num_classes": 4})],
}  # fmt: skip
VALUES = {"Mean": {}, "Sum": {}}
CASES = [(name, kind, options) for name, cases in METRICS.items() for kind, options in cases]
UNWEIGHTED = {"PearsonCorrelation", "ConcordanceCorrelation", "BinaryIoU"}  # in Keras; BinaryIoU: of several units
COUNTING = {"IoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU"}  # in whole numbers, to which Keras cuts weights off
# Keras computes these in float32, whatever floatx is.
SINGLE = {*COUNTING, "BinaryIoU", "AUC", "PrecisionAtRecall", "RecallAtPrecision", "SensitivityAtSpecificity",
          "SpecificityAtSensitivity"}  # fmt: skip


def weights(name, rows, dtype, seed):
    random = sides.random(seed)
    return (random.integers(0, 4, rows) if name in COUNTING else random.random(rows)).astype(dtype)


def precision(name, dtype):
    return "float32" if name in SINGLE else dtype


def minibatches(kind, options, dtype):
    for rows in (11, 4, 16):
        if kind in ("equal", "labels"):
            random = sides.random(rows)
            y, p = random.integers(0, 4, (2, rows, 1))
            yield y.astype(dtype), p.astype(dtype)
        else:
            yield arrays(kind, options, dtype, (rows, 4))


def result(metric):
    value = metric.result()
    return np.asarray(sides.numbers(value), np.float64)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize(("name", "kind", "options"), CASES)
def test_on_arrays(name, kind, options, dtype, weighted):
    sides.has("metrics", name)
    if weighted and name in UNWEIGHTED:
        pytest.skip("has no weights")
    ours, theirs = (getattr(package.metrics, name)(**options) for package in sides.both(dtype))
    for round_ in range(2):
        for number, (y, p) in enumerate(minibatches(kind, options, dtype)):
            weight = weights(name, len(p), dtype, number) if weighted else None
            ours.update_state(y, p, sample_weight=weight)
            theirs.update_state(y, p, sample_weight=weight)
            sides.assert_close(result(ours), result(theirs), precision(name, dtype), f"{round_} {number}")
        ours.reset_state()
        theirs.reset_state()
    assert ours.name == theirs.name


@pytest.mark.parametrize(("name", "kind", "options"), CASES)
def test_in_a_model(name, kind, options):
    """As a metric, which does not know of weights, and as a weighted one."""
    sides.has("metrics", name)
    if kind in ("equal", "labels"):
        pytest.skip("of labels, not of a model's output")
    if options.get("class_aggregation", "") is None or options.get("thresholds") or name == "F1Score":
        pytest.skip("an array, which is no number to log")
    dtype = "float64"
    activation = "linear" if options.get("from_logits") or kind in (REAL, SIGNS) else (
        "softmax" if kind in (ONE_HOT, CLASSES, "distributions") else "sigmoid"
    )  # fmt: skip
    loss = "sparse_categorical_crossentropy" if kind == CLASSES else "mse"

    def build(package):
        model = package.Sequential([package.Input((5,)), package.layers.Dense(4, activation=activation)])
        made = [getattr(package.metrics, name)(**options, name=called) for called in ("plain", "weighted")]
        weighted = [] if name in UNWEIGHTED else made[1:]
        model.compile(package.optimizers.SGD(0.01), loss, metrics=made[:1], weighted_metrics=weighted)
        return model

    ours, theirs = sides.pair(build, dtype)
    y, _ = arrays(kind, options, dtype, (30, 4))
    x, weight = sides.noise((30, 5), dtype), weights(name, 30, dtype, 5)
    for given in (None, weight):
        got, wanted = (m.evaluate(x, y, batch_size=8, sample_weight=given, verbose=0) for m in (ours, theirs))
        sides.assert_close(got[1:], np.asarray(wanted[1:]), precision(name, dtype), f"evaluate {given is not None}")
        got, wanted = (m.fit(x, y, batch_size=8, epochs=2, sample_weight=given, verbose=0, shuffle=False).history
                       for m in (ours, theirs))  # fmt: skip
        assert set(got) == set(wanted)
        for log in wanted:
            sides.assert_close(got[log], np.asarray(wanted[log]), precision(name, dtype), log)


@pytest.mark.parametrize("return_dict", [
    True, pytest.param(False, marks=pytest.mark.xfail(strict=True, reason="the list has one value for each name here")),
])  # fmt: skip
def test_a_metric_and_a_weighted_one_of_one_name(return_dict):
    def build(package):
        model = package.Sequential([package.Input((5,)), package.layers.Dense(4)])
        metrics = [package.metrics.MeanAbsoluteError() for _ in range(2)]
        model.compile("sgd", "mse", metrics=metrics[:1], weighted_metrics=metrics[1:])
        return model

    ours, theirs = sides.pair(build, "float64")
    x, y, weight = sides.noise((9, 5), "float64"), sides.noise((9, 4), "float64", 1), sides.random(2).random(9)
    got, wanted = (m.evaluate(x, y, sample_weight=weight, verbose=0, return_dict=return_dict) for m in (ours, theirs))
    if not return_dict:
        sides.assert_close(got, np.asarray(wanted), "float64")
        return
    assert set(got) == set(wanted)
    for log, value in wanted.items():
        sides.assert_close(got[log], np.float64(value), "float64", log)


@pytest.mark.parametrize("name", VALUES)
def test_of_values(name):
    sides.has("metrics", name)
    ours, theirs = (getattr(package.metrics, name)(**VALUES[name]) for package in sides.both("float64"))
    for number in range(3):
        values, weight = sides.noise((7,), "float64", number), sides.random(number).random(7)
        for metric in (ours, theirs):
            metric.update_state(values, sample_weight=weight)
        sides.assert_close(result(ours), result(theirs), "float64")


@pytest.mark.parametrize("name", ["accuracy", "acc", "mse", "mae", "mape", "msle", "cosine_similarity", "precision",
                                  "recall", "auc", "top_k_categorical_accuracy", "crossentropy",
                                  "binary_crossentropy", "root_mean_squared_error"])  # fmt: skip
@pytest.mark.parametrize(("loss", "units"), [("mse", 4), ("binary_crossentropy", 1), ("categorical_crossentropy", 4)])
def test_names_of_metrics_in_compile(name, loss, units, request):
    """The log's name, and what is meant by it under each loss."""
    if name == "cosine_similarity" and units == 1:
        request.applymarker(pytest.mark.xfail(strict=True, reason="Keras takes the cosine of single numbers"))
    kind = ONE_HOT if loss.startswith("categ") else BITS
    activation = "softmax" if kind == ONE_HOT else "sigmoid"

    def build(package):
        model = package.Sequential([package.Input((5,)), package.layers.Dense(units, activation=activation)])
        model.compile("sgd", loss, metrics=[name])
        return model

    x, (y, _) = sides.noise((20, 5), "float64"), arrays(kind, {}, "float64", (20, units))
    theirs = build(sides.both("float64")[1])
    try:
        theirs.evaluate(x, y, verbose=0)
    except (RuntimeError, ValueError):
        pytest.skip("Keras does not know it, or cannot do it for these units")
    try:
        build(sides.both("float64")[0])
    except ValueError as error:
        if "unknown metric" in str(error):
            pytest.skip(f"nncore has no {name} yet")
        raise
    ours, theirs = sides.pair(build, "float64")
    got, wanted = (m.evaluate(x, y, verbose=0, return_dict=True) for m in (ours, theirs))
    assert set(got) == set(wanted)
    for log, value in wanted.items():
        sides.assert_close(got[log], np.float64(value), precision("AUC" if name == "auc" else name, "float64"), log)


def test_every_metric_is_in_the_table():
    known = {name for name in sides.nncore.metrics.__all__ if name in sides.keras_classes("metrics")}
    ignored = {"Metric", "MeanMetricWrapper"}
    assert {name for name in known if name[0].isupper()} - ignored <= {*METRICS, *VALUES}

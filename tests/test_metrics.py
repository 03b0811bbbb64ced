# ruff: noqa: E501  a table reads best with a row on a line
"""Metrics: values against NumPy and other libraries, weights, parts, models, names, errors."""

import inspect
import zlib

import numpy as np
import pytest

import nncore as nn

M = nn.metrics
EPSILON = 1e-7
ROWS = 23


def rng(name=""):
    return np.random.default_rng(zlib.crc32(name.encode()))


def softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ---- targets and predictions of each kind: (random, shape) -> y_true, y_pred


def numbers(random, shape):
    return random.standard_normal(shape), 2 * random.standard_normal(shape)


def rates(random, shape):
    return 3 * random.random(shape), 0.1 + 3 * random.random(shape)


def bits(random, shape):
    """Predictions of two digits: some on thresholds, some equal to others."""
    y_true = random.integers(0, 2, shape).astype(float)
    return y_true, np.round(0.01 + 0.5 * y_true + 0.48 * random.random(shape), 2)


def bits_logits(random, shape):
    return random.integers(0, 2, shape).astype(float), 3 * random.standard_normal(shape)


def one_hot(random, shape):
    return np.eye(shape[-1])[random.integers(0, shape[-1], shape[:-1])], softmax(random.standard_normal(shape))


def one_hot_logits(random, shape):
    return one_hot(random, shape)[0], 3 * random.standard_normal(shape)


def classes(random, shape):
    return random.integers(0, shape[-1], shape[:-1]), softmax(random.standard_normal(shape))


def whole(random, shape):
    return random.integers(0, 3, shape).astype(float), random.integers(0, 3, shape).astype(float)


# ---- formulas in plain NumPy. A mean's is of samples (rows, ...); another's of all rows and their weights


def mean(term):
    return lambda t, p: term(t, p).reshape(len(p), -1).mean(axis=1)


def cosine(t, p):
    lengths = np.linalg.norm(t, axis=-1) * np.linalg.norm(p, axis=-1)
    return (t * p).sum(axis=-1) / lengths


def bce(t, p):
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


def chosen(labels, p):
    return np.take_along_axis(p, labels[..., None], axis=-1)[..., 0]


def sign(t):
    return np.where(t > 0, 1, -1)


def in_top(k):
    return lambda labels, p: (p > chosen(labels, p)[..., None]).sum(axis=-1) < k


def counts(t, p, w, thresholds, class_id=None, top_k=None, axis=None):
    """True and false positives, true and false negatives at each threshold, straight from what they are."""
    if top_k is not None:
        place = np.argsort(np.argsort(-p, axis=-1, kind="stable"), axis=-1, kind="stable")
        p = np.where(place < top_k, p, -np.inf)
    if class_id is not None:
        t, p = t[..., class_id], p[..., class_id]
    w = np.broadcast_to(w.reshape(-1, *[1] * (t.ndim - 1)), t.shape)
    axis = tuple(range(t.ndim)) if axis is None else axis
    return [np.array([(w * ((t != 0) == positive) * ((p > x) == above)).sum(axis=axis)
                      for x in np.array(thresholds, p.dtype)])
            for positive, above in ((1, 1), (0, 1), (0, 0), (1, 0))]  # fmt: skip


def of_counts(value, thresholds=(0.5,), **options):
    def formula(t, p, w):
        values = value(*counts(t, p, w, thresholds, **options))
        return values[0] if len(thresholds) == 1 else values

    return formula


def share(a, b):
    return np.divide(a, a + b, out=np.zeros_like(a), where=a + b > 0)


def best(constraint, least, wanted, count=200, **options):
    def formula(t, p, w):
        tp, fp, tn, fn = counts(t, p, w, np.arange(count) / (count - 1), **options)
        of = {"precision": share(tp, fp), "recall": share(tp, fn), "specificity": share(tn, fp)}
        return max([x for x, limit in zip(of[wanted], of[constraint], strict=True) if limit >= least], default=0.0)

    return formula


def area(curve="ROC", method="interpolation", inner=None, count=200, labels=None, label_weights=None, logits=False):
    """Areas one threshold after the other; the PR curve's by numerical integration of what is linear in between."""
    inner = np.arange(1, count - 1) / (count - 1) if inner is None else np.sort(inner)
    thresholds = [-EPSILON, *inner, 1 + EPSILON]

    def one(tp, fp, tn, fn):
        total = 0.0
        for i in range(len(tp) - 1):
            ends = slice(i, i + 2)
            if curve == "PR" and method == "interpolation":
                if tp[i] > tp[i + 1]:
                    where = (np.arange(20000) + 0.5) / 20000
                    t = tp[i + 1] + where * (tp[i] - tp[i + 1])
                    f = fp[i + 1] + where * (fp[i] - fp[i + 1])
                    total += (t / (t + f)).mean() * (tp[i] - tp[i + 1]) / (tp[0] + fn[0])
                continue
            x, y = share(fp[ends], tn[ends]), share(tp[ends], fn[ends])
            if curve == "PR":
                x, y = y, share(tp[ends], fp[ends])
            y = {"interpolation": y.mean(), "minoring": y.min(), "majoring": y.max()}[method]
            total += (x[0] - x[1]) * y
        return total

    def formula(t, p, w):
        p = sigmoid(p) if logits else p
        by_label = labels or label_weights is not None
        each = counts(t, p, w, thresholds, axis=0 if by_label else None)
        weights = np.ones(p.shape[-1]) if label_weights is None else np.array(label_weights)
        if labels:
            return np.average([one(*(x[:, i] for x in each)) for i in range(p.shape[-1])], weights=weights)
        return one(*((x @ weights if by_label else x) for x in each))

    return formula


def f_score(average, beta=1.0, threshold=None):
    def formula(t, p, w):
        hit = p > threshold if threshold else (p == p.max(axis=1, keepdims=True)) & (np.abs(p) > 1e-9)
        tp, fp, fn = ((w[:, None] * x).sum(axis=None if average == "micro" else 0) for x in (hit * t, hit * (1 - t), ~hit * t))
        precision, recall = tp / (tp + fp + EPSILON), tp / (tp + fn + EPSILON)
        scores = (1 + beta**2) * precision * recall / (beta**2 * precision + recall + EPSILON)
        if average == "weighted":
            support = (w[:, None] * t).sum(axis=0)
            return (scores * support).sum() / (support.sum() + EPSILON)
        return scores if average in (None, "micro") else scores.mean()

    return formula


def r2(average="uniform", regressors=0):
    def formula(t, p, w):
        around = ((t - np.average(t, axis=0, weights=w)) ** 2 * w[:, None]).sum(axis=0)
        scores = 1 - ((t - p) ** 2 * w[:, None]).sum(axis=0) / around
        if average is not None:
            scores = scores.mean() if average == "uniform" else np.average(scores, weights=around)
        return 1 - (1 - scores) * (t.size - 1) / (t.size - regressors - 1)

    return formula


def iou(count, ids=None, ignored=None, dense=False, threshold=None):
    def formula(t, p, w):
        t = t.argmax(axis=-1) if dense else t
        p = p >= threshold if threshold else p if p.shape == t.shape else p.argmax(axis=-1)
        w = np.broadcast_to(w.reshape(-1, *[1] * (t.ndim - 1)), t.shape)[t != ignored]
        t, p = t[t != ignored], p[t != ignored]
        shares = [(w * (t == c) * (p == c)).sum() / ((w * ((t == c) | (p == c))).sum() + EPSILON)
                  for c in (ids or range(count)) if ((t == c) | (p == c)).any()]  # fmt: skip
        return np.sum(shares) / (len(shares) + EPSILON)

    return formula


# name: class, options, data, shape of a row, formula
THREE = [0.7, 0.2, 0.5]
TABLE = {
    "mse": (M.MeanSquaredError, {}, numbers, (4,), mean(lambda t, p: (p - t) ** 2)),
    "rmse": (M.RootMeanSquaredError, {}, numbers, (4,), mean(lambda t, p: (p - t) ** 2)),
    "mae": (M.MeanAbsoluteError, {}, numbers, (2, 3), mean(lambda t, p: np.abs(p - t))),
    "mape": (M.MeanAbsolutePercentageError, {}, rates, (4,), mean(lambda t, p: 100 * np.abs(p - t) / t)),
    "msle": (M.MeanSquaredLogarithmicError, {}, rates, (4,), mean(lambda t, p: (np.log1p(p) - np.log1p(t)) ** 2)),
    "logcosh": (M.LogCoshError, {}, numbers, (4,), mean(lambda t, p: np.log(np.cosh(p - t)))),
    "cosine": (M.CosineSimilarity, {}, numbers, (2, 3), mean(cosine)),
    "kld": (M.KLDivergence, {}, lambda r, s: (softmax(r.standard_normal(s)), softmax(r.standard_normal(s))), (4,), mean(lambda t, p: (t * np.log(t / p)).sum(axis=-1))),
    "poisson": (M.Poisson, {}, rates, (4,), mean(lambda t, p: p - t * np.log(p + EPSILON))),
    "bce": (M.BinaryCrossentropy, {}, bits, (4,), mean(bce)),
    "bce-logits": (M.BinaryCrossentropy, {"from_logits": True, "label_smoothing": 0.2}, bits_logits, (4,), mean(lambda t, p: bce(0.8 * t + 0.1, sigmoid(p)))),
    "cce": (M.CategoricalCrossentropy, {}, one_hot, (4,), mean(lambda t, p: -(t * np.log(p)).sum(axis=-1))),
    "cce-logits": (M.CategoricalCrossentropy, {"from_logits": True, "label_smoothing": 0.2}, one_hot_logits, (4,), mean(lambda t, p: -((0.8 * t + 0.05) * np.log(softmax(p))).sum(axis=-1))),
    "scce": (M.SparseCategoricalCrossentropy, {}, classes, (4,), mean(lambda t, p: -np.log(chosen(t, p)))),
    "hinge": (M.Hinge, {}, bits_logits, (4,), mean(lambda t, p: np.maximum(1 - sign(t) * p, 0))),
    "squared-hinge": (M.SquaredHinge, {}, bits_logits, (4,), mean(lambda t, p: np.maximum(1 - sign(t) * p, 0) ** 2)),
    "categorical-hinge": (M.CategoricalHinge, {}, one_hot_logits, (4,), mean(lambda t, p: np.maximum(((1 - t) * p).max(axis=-1) - (t * p).sum(axis=-1) + 1, 0))),
    "accuracy": (M.Accuracy, {}, whole, (4,), mean(lambda t, p: t == p)),
    "binary": (M.BinaryAccuracy, {}, bits, (4,), mean(lambda t, p: (p > 0.5) == t)),
    "binary-0.3": (M.BinaryAccuracy, {"threshold": 0.3}, bits, (2, 2), mean(lambda t, p: (p > 0.3) == t)),
    "categorical": (M.CategoricalAccuracy, {}, one_hot, (4,), mean(lambda t, p: t.argmax(axis=-1) == p.argmax(axis=-1))),
    "sparse": (M.SparseCategoricalAccuracy, {}, classes, (3, 4), mean(lambda t, p: t == p.argmax(axis=-1))),
    "top-2": (M.TopKCategoricalAccuracy, {"k": 2}, one_hot, (4,), mean(lambda t, p: in_top(2)(t.argmax(axis=-1), p))),
    "top-5": (M.TopKCategoricalAccuracy, {}, one_hot, (2, 19), mean(lambda t, p: in_top(5)(t.argmax(axis=-1), p))),
    "sparse-top-2": (M.SparseTopKCategoricalAccuracy, {"k": 2}, classes, (4,), mean(in_top(2))),
    "sparse-top-5": (M.SparseTopKCategoricalAccuracy, {}, classes, (3, 19), mean(in_top(5))),
    "tp": (M.TruePositives, {}, bits, (4,), of_counts(lambda tp, fp, tn, fn: tp)),
    "fp": (M.FalsePositives, {"thresholds": 0.55}, bits, (4,), of_counts(lambda tp, fp, tn, fn: fp, [0.55])),
    "tn": (M.TrueNegatives, {"thresholds": THREE}, bits, (2, 2), of_counts(lambda tp, fp, tn, fn: tn, THREE)),
    "fn": (M.FalseNegatives, {"thresholds": THREE}, bits, (1,), of_counts(lambda tp, fp, tn, fn: fn, THREE)),
    "precision": (M.Precision, {}, bits, (4,), of_counts(lambda tp, fp, tn, fn: share(tp, fp))),
    "precision-three": (M.Precision, {"thresholds": THREE}, bits, (4,), of_counts(lambda tp, fp, tn, fn: share(tp, fp), THREE)),
    "precision-top": (M.Precision, {"top_k": 2}, one_hot, (6,), of_counts(lambda tp, fp, tn, fn: share(tp, fp), [-1e10], top_k=2)),
    "precision-class": (M.Precision, {"class_id": 2}, bits, (2, 3), of_counts(lambda tp, fp, tn, fn: share(tp, fp), class_id=2)),
    "precision-logits": (M.Precision, {"thresholds": 0}, bits_logits, (3,), of_counts(lambda tp, fp, tn, fn: share(tp, fp), [0])),
    "recall": (M.Recall, {}, bits, (4,), of_counts(lambda tp, fp, tn, fn: share(tp, fn))),
    "recall-all": (M.Recall, {"thresholds": [0.1, 0.6], "top_k": 1, "class_id": 0}, bits, (3,), of_counts(lambda tp, fp, tn, fn: share(tp, fn), [0.1, 0.6], top_k=1, class_id=0)),
    "sensitivity": (M.SensitivityAtSpecificity, {"specificity": 0.7}, bits, (4,), best("specificity", 0.7, "recall")),
    "specificity": (M.SpecificityAtSensitivity, {"sensitivity": 0.9, "num_thresholds": 7}, bits, (4,), best("recall", 0.9, "specificity", 7)),
    "at-recall": (M.PrecisionAtRecall, {"recall": 0.8}, bits, (4,), best("recall", 0.8, "precision")),
    "at-precision": (M.RecallAtPrecision, {"precision": 0.8, "class_id": 1}, bits, (4,), best("precision", 0.8, "recall", class_id=1)),
    "auc": (M.AUC, {}, bits, (4,), area()),
    "auc-one": (M.AUC, {"num_thresholds": 2}, bits, (1,), area(count=2)),
    "auc-minoring": (M.AUC, {"summation_method": "minoring", "num_thresholds": 20}, bits, (1,), area(method="minoring", count=20)),
    "auc-majoring": (M.AUC, {"summation_method": "Majoring", "num_thresholds": 20}, bits, (2, 2), area(method="majoring", count=20)),
    "auc-thresholds": (M.AUC, {"thresholds": [0.9, 0.21, 0.33]}, bits, (4,), area(inner=[0.9, 0.21, 0.33])),
    "auc-logits": (M.AUC, {"from_logits": True}, bits_logits, (4,), area(logits=True)),
    "auc-labels": (M.AUC, {"multi_label": True}, bits, (4,), area(labels=True)),
    "auc-label-weights": (M.AUC, {"multi_label": True, "num_labels": 3, "label_weights": [1, 0, 2.5]}, bits, (3,), area(labels=True, label_weights=[1, 0, 2.5])),
    "auc-weights": (M.AUC, {"label_weights": [1, 0, 2.5]}, bits, (3,), area(label_weights=[1, 0, 2.5])),
    "pr": (M.AUC, {"curve": "PR", "num_thresholds": 9}, bits, (4,), area("PR", count=9)),
    "pr-majoring": (M.AUC, {"curve": "pr", "summation_method": "majoring"}, bits, (4,), area("PR", "majoring")),
    "f1": (M.F1Score, {}, one_hot, (4,), f_score(None)),
    "f1-micro": (M.F1Score, {"average": "micro", "threshold": 0.5}, bits, (4,), f_score("micro", threshold=0.5)),
    "f1-macro": (M.F1Score, {"average": "macro"}, one_hot, (4,), f_score("macro")),
    "f1-weighted": (M.F1Score, {"average": "weighted", "threshold": 0.3}, bits, (4,), f_score("weighted", threshold=0.3)),
    "fbeta": (M.FBetaScore, {"beta": 2.0}, one_hot, (4,), f_score(None, 2)),
    "r2": (M.R2Score, {}, numbers, (3,), r2()),
    "r2-each": (M.R2Score, {"class_aggregation": None}, numbers, (3,), r2(None)),
    "r2-adjusted": (M.R2Score, {"class_aggregation": "variance_weighted_average", "num_regressors": 5}, numbers, (3,), r2("variance", 5)),
    "iou": (M.IoU, {"num_classes": 3, "target_class_ids": [0, 2]}, whole, (2,), iou(3, [0, 2])),
    "iou-ignoring": (M.IoU, {"num_classes": 4, "target_class_ids": [1, 2, 3], "ignore_class": 0, "sparse_y_pred": False}, classes, (4,), iou(4, [1, 2, 3], 0)),
    "mean-iou": (M.MeanIoU, {"num_classes": 4, "sparse_y_pred": False}, classes, (2, 4), iou(4)),
    "one-hot-iou": (M.OneHotIoU, {"num_classes": 4, "target_class_ids": [0, 3]}, one_hot, (4,), iou(4, [0, 3], dense=True)),
    "one-hot-mean-iou": (M.OneHotMeanIoU, {"num_classes": 4}, one_hot, (2, 4), iou(4, dense=True)),
    "binary-iou": (M.BinaryIoU, {"threshold": 0.4}, bits, (2,), iou(2, threshold=0.4)),
}

MEANS = {name for name, row in TABLE.items() if len(inspect.signature(row[4]).parameters) == 2}
# Of an integral over 20,000 points of a smooth function; all others have but a few hundred roundings of 1e-16.
TOLERANCE = {"pr": 1e-7}


def made(which, **options):
    cls, given = TABLE[which][:2]
    return cls(**given, **options)


def data(name, rows=ROWS):
    """Targets, predictions and weights."""
    _, _, kind, shape, _ = TABLE[name]
    random = rng(name)
    return *kind(random, (rows, *shape)), random.random(rows) * (random.random(rows) > 0.2)


def expected(name, y_true, y_pred, weight=None):
    formula, weight = TABLE[name][4], np.ones(len(y_pred)) if weight is None else weight
    if name not in MEANS:
        return formula(y_true, y_pred, weight)
    value = np.average(formula(y_true, y_pred), weights=weight)
    return np.sqrt(value) if name == "rmse" else value


def agree(name, got, wanted, tolerance=1e-12):
    assert np.shape(got) == np.shape(wanted)
    assert isinstance(got, np.ndarray if np.ndim(wanted) else float)
    tolerance = max(tolerance, TOLERANCE.get(name, 0))
    np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


def test_every_metric_is_in_the_table():
    public = {cls for cls in vars(M).values() if inspect.isclass(cls) and issubclass(cls, M.Metric)}
    assert {row[0] for row in TABLE.values()} == public - {M.Metric, M.Mean, M.Sum}


@pytest.mark.parametrize("name", TABLE)
def test_values_against_numpy(name):
    y_true, y_pred, weight = data(name)
    metric = made(name)
    agree(name, metric(y_true, y_pred), expected(name, y_true, y_pred))
    metric.reset_state()
    agree(name, metric(y_true, y_pred, weight), expected(name, y_true, y_pred, weight))
    metric.reset_state()
    agree(name, metric(y_true, y_pred, 2.5), expected(name, y_true, y_pred, np.full(ROWS, 2.5)))


@pytest.mark.parametrize("name", TABLE)
def test_parts_add_up(name):
    y_true, y_pred, weight = data(name)
    metric = made(name)
    for part in (slice(0, 1), slice(1, 1), slice(1, 14), slice(14, None)):
        metric.update_state(y_true[part], y_pred[part], weight[part])
    agree(name, metric.result(), expected(name, y_true, y_pred, weight))
    assert np.array_equal(metric.result(), metric.result())
    metric.reset_state()
    assert np.all(np.asarray(metric.result()) == 0)
    metric.update_state(y_true, y_pred, np.zeros(ROWS))
    assert np.all(np.asarray(metric.result()) == 0)


@pytest.mark.parametrize("name", TABLE)
def test_float32(name):
    """In float32 the same, up to its roundings: 1e-5 is a hundred of them. What is equal there is equal here."""
    y_true, y_pred, weight = data(name)
    y_pred = y_pred.astype(np.float32)
    agree(name, made(name)(y_true, y_pred, weight), expected(name, y_true, y_pred, weight), 1e-5)


@pytest.mark.parametrize("name", TABLE)
def test_configuration(name):
    metric = made(name, name="mine")
    config = M.serialize(metric)
    again = M.deserialize(config)
    assert again.name == "mine"
    assert M.serialize(again) == config
    y_true, y_pred, weight = data(name)
    assert np.array_equal(metric(y_true, y_pred, weight), again(y_true, y_pred, weight))
    parameters = inspect.signature(TABLE[name][0]).parameters
    assert {"name", "dtype"} <= set(parameters)
    for option, value in TABLE[name][1].items():
        kept = config["config"][option]
        assert kept == (sorted(value) if isinstance(value, list) and option == "thresholds" and "auc" in name else
                        value if option not in ("curve", "summation_method") else kept)  # fmt: skip
    with pytest.raises(ValueError, match="does not support the argument 'dtype'"):
        made(name, dtype="float64")


# ---- numbers of other libraries


def shared_data():
    random, rows = np.random.default_rng(7), 40
    yb = random.integers(0, 2, (rows, 1)).astype(float)
    pb = np.round(np.clip(0.5 * yb + 0.6 * random.random((rows, 1)), 0, 1), 3)
    ym = random.integers(0, 2, (rows, 3)).astype(float)
    pm = np.round(np.clip(0.4 * ym + 0.6 * random.random((rows, 3)), 0, 1), 3)
    lab, logits = random.integers(0, 6, rows), random.standard_normal((rows, 6))
    logits[np.arange(rows), lab] += 1
    yr = random.standard_normal((rows, 3)) * 2 + 1
    pr = yr + random.standard_normal((rows, 3))
    return {"yb": yb, "pb": pb, "ym": ym, "pm": pm, "lab": lab, "hot": np.eye(6)[lab], "logits": logits,
            "soft": softmax(logits), "yr": yr, "pr": pr, "w": np.round(random.random(rows) * 2, 3)}  # fmt: skip


# Keras's, in float32, with weights: metric, options, targets, predictions, value.
KERAS = (
    ("MeanSquaredError", {}, "yr", "pr", 1.048059),
    ("RootMeanSquaredError", {}, "yr", "pr", 1.023748),
    ("MeanAbsoluteError", {}, "yr", "pr", 0.8149797),
    ("MeanAbsolutePercentageError", {}, "yr", "pr", 115.337),
    ("LogCoshError", {}, "yr", "pr", 0.3882585),
    ("CosineSimilarity", {}, "yr", "pr", 0.8425766),
    ("R2Score", {}, "yr", "pr", 0.5751131),
    ("MeanSquaredLogarithmicError", {}, "ym", "pm", 0.05529676),
    ("R2Score", {"class_aggregation": None}, "yr", "pr", [0.4464851, 0.4988701, 0.7799841]),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, "yr", "pr", 0.6274),
    ("R2Score", {"num_regressors": 2}, "yr", "pr", 0.5678501),
    ("KLDivergence", {}, "hot", "soft", 1.338066),
    ("Poisson", {}, "ym", "pm", 0.737617),
    ("BinaryCrossentropy", {}, "ym", "pm", 0.3638577),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "ym", "yr", 1.116016),
    ("CategoricalCrossentropy", {}, "hot", "soft", 1.338072),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.1}, "hot", "logits", 1.42821),
    ("SparseCategoricalCrossentropy", {}, "lab", "soft", 1.338072),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, "lab", "logits", 1.338072),
    ("Hinge", {}, "ym", "yr", 1.486202),
    ("SquaredHinge", {}, "ym", "yr", 4.39097),
    ("CategoricalHinge", {}, "hot", "logits", 1.227712),
    ("Accuracy", {}, "ym", "ym", 1.0),
    ("BinaryAccuracy", {}, "ym", "pm", 0.8723042),
    ("BinaryAccuracy", {"threshold": 0.3}, "ym", "pm", 0.7623015),
    ("CategoricalAccuracy", {}, "hot", "soft", 0.4490889),
    ("SparseCategoricalAccuracy", {}, "lab", "soft", 0.4490889),
    ("TopKCategoricalAccuracy", {"k": 2}, "hot", "soft", 0.7206621),
    ("TopKCategoricalAccuracy", {}, "hot", "soft", 1.0),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, "lab", "soft", 0.9127158),
    ("TruePositives", {}, "ym", "pm", 50.016),
    ("TruePositives", {"thresholds": [0.7, 0.2, 0.5]}, "ym", "pm", [38.139, 59.658, 50.016]),
    ("TruePositives", {"thresholds": [0.0, 0.25, 0.5, 0.75, 1.0]}, "ym", "pm", [59.658, 59.658, 50.016, 32.059, 0.0]),
    ("FalsePositives", {}, "ym", "pm", 3.876),
    ("FalsePositives", {"thresholds": [0.7, 0.2, 0.5]}, "ym", "pm", [0.0, 28.449, 3.876]),
    ("FalsePositives", {"thresholds": [0.0, 0.25, 0.5, 0.75, 1.0]}, "ym", "pm", [46.203, 25.528, 3.876, 0.0, 0.0]),
    ("TrueNegatives", {}, "ym", "pm", 42.327),
    ("TrueNegatives", {"thresholds": [0.7, 0.2, 0.5]}, "ym", "pm", [46.203, 17.754, 42.327]),
    ("TrueNegatives", {"thresholds": [0.0, 0.25, 0.5, 0.75, 1.0]}, "ym", "pm", [1.907349e-06, 20.675, 42.327, 46.203, 46.203]),
    ("FalseNegatives", {}, "ym", "pm", 9.642),
    ("FalseNegatives", {"thresholds": [0.7, 0.2, 0.5]}, "ym", "pm", [21.519, 0.0, 9.642]),
    ("Precision", {}, "ym", "pm", 0.9280784),
    ("Precision", {"thresholds": 0.3}, "ym", "pm", 0.70334),
    ("Precision", {"thresholds": [0.7, 0.2, 0.5]}, "ym", "pm", [1.0, 0.6771085, 0.9280784]),
    ("Precision", {"thresholds": [0.0, 0.25, 0.5, 0.75, 1.0]}, "ym", "pm", [0.5635504, 0.7003263, 0.9280784, 1.0, 0.0]),
    ("Recall", {}, "ym", "pm", 0.8383787),
    ("Recall", {"thresholds": 0.3}, "ym", "pm", 1.0),
    ("Recall", {"thresholds": [0.7, 0.2, 0.5]}, "ym", "pm", [0.639294, 1.0, 0.8383787]),
    ("Recall", {"thresholds": [0.0, 0.25, 0.5, 0.75, 1.0]}, "ym", "pm", [0.9999999, 0.9999999, 0.8383786, 0.5373797, 0.0]),
    ("Precision", {"top_k": 2}, "ym", "pm", 0.7278176),
    ("Precision", {"top_k": 2}, "hot", "soft", 0.360331),
    ("Precision", {"class_id": 1}, "ym", "pm", 0.8539209),
    ("Precision", {"class_id": 1}, "hot", "soft", 0.8934169),
    ("Precision", {"class_id": 2, "top_k": 1}, "ym", "pm", 0.9196407),
    ("Precision", {"class_id": 2, "top_k": 1}, "hot", "soft", 0.2334918),
    ("Precision", {"top_k": 2, "thresholds": [0.4, 0.1]}, "ym", "pm", [0.8035323, 0.7278176]),
    ("Precision", {"top_k": 2, "thresholds": [0.4, 0.1]}, "hot", "soft", [0.4646213, 0.3665903]),
    ("Recall", {"top_k": 2}, "ym", "pm", 0.860991),
    ("Recall", {"top_k": 2}, "hot", "soft", 0.7206619),
    ("Recall", {"class_id": 1}, "ym", "pm", 0.7724968),
    ("Recall", {"class_id": 1}, "hot", "soft", 0.05564776),
    ("Recall", {"class_id": 2, "top_k": 1}, "ym", "pm", 0.3744563),
    ("Recall", {"class_id": 2, "top_k": 1}, "hot", "soft", 0.1922157),
    ("Recall", {"top_k": 2, "thresholds": [0.4, 0.1]}, "ym", "pm", [0.860991, 0.860991]),
    ("Recall", {"top_k": 2, "thresholds": [0.4, 0.1]}, "hot", "soft", [0.2592173, 0.7206619]),
    ("SensitivityAtSpecificity", {"specificity": 0.8}, "ym", "pm", 0.8541687),
    ("SensitivityAtSpecificity", {"specificity": 0.8, "num_thresholds": 11}, "ym", "pm", 0.8383787),
    ("SensitivityAtSpecificity", {"specificity": 0.8, "num_thresholds": 2}, "ym", "pm", 0.0),
    ("SensitivityAtSpecificity", {"specificity": 0.8, "class_id": 2}, "ym", "pm", 0.8334321),
    ("SpecificityAtSensitivity", {"sensitivity": 0.8}, "ym", "pm", 0.9469515),
    ("SpecificityAtSensitivity", {"sensitivity": 0.8, "num_thresholds": 11}, "ym", "pm", 0.9161094),
    ("SpecificityAtSensitivity", {"sensitivity": 0.8, "num_thresholds": 2}, "ym", "pm", 2.064096e-08),
    ("SpecificityAtSensitivity", {"sensitivity": 0.8, "class_id": 2}, "ym", "pm", 0.8913982),
    ("PrecisionAtRecall", {"recall": 0.8}, "ym", "pm", 0.9515861),
    ("PrecisionAtRecall", {"recall": 0.8, "num_thresholds": 11}, "ym", "pm", 0.9280784),
    ("PrecisionAtRecall", {"recall": 0.8, "num_thresholds": 2}, "ym", "pm", 0.5635504),
    ("PrecisionAtRecall", {"recall": 0.8, "class_id": 2}, "ym", "pm", 0.9116073),
    ("RecallAtPrecision", {"precision": 0.8}, "ym", "pm", 0.9120821),
    ("RecallAtPrecision", {"precision": 0.8, "num_thresholds": 11}, "ym", "pm", 0.8383787),
    ("RecallAtPrecision", {"precision": 0.8, "num_thresholds": 2}, "ym", "pm", 0.0),
    ("RecallAtPrecision", {"precision": 0.8, "class_id": 2}, "ym", "pm", 0.9999999),
    ("AUC", {"curve": "ROC", "summation_method": "interpolation"}, "ym", "pm", 0.946861),
    ("AUC", {"curve": "ROC", "summation_method": "interpolation", "num_thresholds": 10}, "ym", "pm", 0.9307824),
    ("AUC", {"curve": "ROC", "summation_method": "interpolation", "num_thresholds": 2}, "ym", "pm", 0.4999999),
    ("AUC", {"curve": "ROC", "summation_method": "interpolation", "thresholds": [0.1, 0.8, 0.35]}, "ym", "pm", 0.8383607),
    ("AUC", {"curve": "ROC", "summation_method": "interpolation", "multi_label": True}, "ym", "pm", 0.9377853),
    ("AUC", {"curve": "ROC", "summation_method": "interpolation", "multi_label": True, "num_labels": 3, "label_weights": [1.0, 0.5, 2.0]}, "ym", "pm", 0.9373223),
    ("AUC", {"curve": "ROC", "summation_method": "interpolation", "label_weights": [1.0, 0.5, 2.0]}, "ym", "pm", 0.9452945),
    ("AUC", {"curve": "ROC", "summation_method": "minoring"}, "ym", "pm", 0.9457472),
    ("AUC", {"curve": "ROC", "summation_method": "minoring", "num_thresholds": 10}, "ym", "pm", 0.8920306),
    ("AUC", {"curve": "ROC", "summation_method": "minoring", "num_thresholds": 2}, "ym", "pm", 0.0),
    ("AUC", {"curve": "ROC", "summation_method": "minoring", "multi_label": True}, "ym", "pm", 0.9362971),
    ("AUC", {"curve": "ROC", "summation_method": "minoring", "multi_label": True, "num_labels": 3, "label_weights": [1.0, 0.5, 2.0]}, "ym", "pm", 0.934839),
    ("AUC", {"curve": "ROC", "summation_method": "minoring", "label_weights": [1.0, 0.5, 2.0]}, "ym", "pm", 0.9433264),
    ("AUC", {"curve": "ROC", "summation_method": "majoring"}, "ym", "pm", 0.9479747),
    ("AUC", {"curve": "ROC", "summation_method": "majoring", "num_thresholds": 10}, "ym", "pm", 0.9695345),
    ("AUC", {"curve": "ROC", "summation_method": "majoring", "num_thresholds": 2}, "ym", "pm", 0.9999999),
    ("AUC", {"curve": "ROC", "summation_method": "majoring", "thresholds": [0.1, 0.8, 0.35]}, "ym", "pm", 1.0),
    ("AUC", {"curve": "ROC", "summation_method": "majoring", "multi_label": True}, "ym", "pm", 0.9392734),
    ("AUC", {"curve": "ROC", "summation_method": "majoring", "multi_label": True, "num_labels": 3, "label_weights": [1.0, 0.5, 2.0]}, "ym", "pm", 0.9398056),
    ("AUC", {"curve": "ROC", "summation_method": "majoring", "label_weights": [1.0, 0.5, 2.0]}, "ym", "pm", 0.9472626),
    ("AUC", {"curve": "PR", "summation_method": "interpolation"}, "ym", "pm", 0.9623905),
    ("AUC", {"curve": "PR", "summation_method": "interpolation", "num_thresholds": 10}, "ym", "pm", 0.951517),
    ("AUC", {"curve": "PR", "summation_method": "interpolation", "num_thresholds": 2}, "ym", "pm", 0.5635503),
    ("AUC", {"curve": "PR", "summation_method": "interpolation", "thresholds": [0.1, 0.8, 0.35]}, "ym", "pm", 0.8728457),
    ("AUC", {"curve": "PR", "summation_method": "interpolation", "multi_label": True}, "ym", "pm", 0.9505568),
    ("AUC", {"curve": "PR", "summation_method": "interpolation", "multi_label": True, "num_labels": 3, "label_weights": [1.0, 0.5, 2.0]}, "ym", "pm", 0.9504405),
    ("AUC", {"curve": "PR", "summation_method": "interpolation", "label_weights": [1.0, 0.5, 2.0]}, "ym", "pm", 0.9609295),
    ("AUC", {"curve": "PR", "summation_method": "minoring"}, "ym", "pm", 0.9519852),
    ("AUC", {"curve": "PR", "summation_method": "minoring", "num_thresholds": 10}, "ym", "pm", 0.6488774),
    ("AUC", {"curve": "PR", "summation_method": "minoring", "num_thresholds": 2}, "ym", "pm", 0.0),
    ("AUC", {"curve": "PR", "summation_method": "minoring", "multi_label": True}, "ym", "pm", 0.9020938),
    ("AUC", {"curve": "PR", "summation_method": "minoring", "multi_label": True, "num_labels": 3, "label_weights": [1.0, 0.5, 2.0]}, "ym", "pm", 0.9070405),
    ("AUC", {"curve": "PR", "summation_method": "minoring", "label_weights": [1.0, 0.5, 2.0]}, "ym", "pm", 0.9438457),
    ("AUC", {"curve": "PR", "summation_method": "majoring"}, "ym", "pm", 0.963396),
    ("AUC", {"curve": "PR", "summation_method": "majoring", "num_thresholds": 10}, "ym", "pm", 0.9772276),
    ("AUC", {"curve": "PR", "summation_method": "majoring", "num_thresholds": 2}, "ym", "pm", 0.5635503),
    ("AUC", {"curve": "PR", "summation_method": "majoring", "thresholds": [0.1, 0.8, 0.35]}, "ym", "pm", 1.0),
    ("AUC", {"curve": "PR", "summation_method": "majoring", "multi_label": True}, "ym", "pm", 0.9526944),
    ("AUC", {"curve": "PR", "summation_method": "majoring", "multi_label": True, "num_labels": 3, "label_weights": [1.0, 0.5, 2.0]}, "ym", "pm", 0.9530348),
    ("AUC", {"curve": "PR", "summation_method": "majoring", "label_weights": [1.0, 0.5, 2.0]}, "ym", "pm", 0.9623084),
    ("AUC", {"curve": "PRGAIN", "summation_method": "interpolation"}, "ym", "pm", 0.9046105),
    ("AUC", {"curve": "PRGAIN", "summation_method": "interpolation", "thresholds": [0.1, 0.8, 0.35]}, "ym", "pm", 0.7437396),
    ("AUC", {"curve": "PRGAIN", "summation_method": "interpolation", "multi_label": True}, "ym", "pm", 0.8836567),
    ("AUC", {"curve": "PRGAIN", "summation_method": "interpolation", "multi_label": True, "num_labels": 3, "label_weights": [1.0, 0.5, 2.0]}, "ym", "pm", 0.8620412),
    ("AUC", {"curve": "PRGAIN", "summation_method": "interpolation", "label_weights": [1.0, 0.5, 2.0]}, "ym", "pm", 0.8833336),
    ("AUC", {"curve": "PRGAIN", "summation_method": "minoring"}, "ym", "pm", 0.9015574),
    ("AUC", {"curve": "PRGAIN", "summation_method": "minoring", "multi_label": True}, "ym", "pm", 0.8766508),
    ("AUC", {"curve": "PRGAIN", "summation_method": "minoring", "multi_label": True, "num_labels": 3, "label_weights": [1.0, 0.5, 2.0]}, "ym", "pm", 0.8528633),
    ("AUC", {"curve": "PRGAIN", "summation_method": "minoring", "label_weights": [1.0, 0.5, 2.0]}, "ym", "pm", 0.8782959),
    ("AUC", {"curve": "PRGAIN", "summation_method": "majoring"}, "ym", "pm", 0.9076636),
    ("AUC", {"curve": "PRGAIN", "summation_method": "majoring", "thresholds": [0.1, 0.8, 0.35]}, "ym", "pm", 1.0),
    ("AUC", {"curve": "PRGAIN", "summation_method": "majoring", "multi_label": True}, "ym", "pm", 0.8906626),
    ("AUC", {"curve": "PRGAIN", "summation_method": "majoring", "multi_label": True, "num_labels": 3, "label_weights": [1.0, 0.5, 2.0]}, "ym", "pm", 0.8712191),
    ("AUC", {"curve": "PRGAIN", "summation_method": "majoring", "label_weights": [1.0, 0.5, 2.0]}, "ym", "pm", 0.8883712),
    ("AUC", {"from_logits": True}, "ym", "yr", 0.4085916),
    ("AUC", {}, "ym", "yr", 0.4098499),
    ("AUC", {"thresholds": [0.2]}, "ym", "yr", 0.1512416),
    ("F1Score", {"average": None, "threshold": None}, "hot", "soft", [0.1844522, 0.5637082, 0.2108527, 0.6502792, 0.3717924, 0.400296]),
    ("F1Score", {"average": None, "threshold": 0.5}, "hot", "soft", [0.0, 0.1047698, 0.3224512, 0.6347399, 0.3571958, 0.0]),
    ("F1Score", {"average": None, "threshold": 0.5}, "ym", "pm", [0.9501179, 0.8111706, 0.8625747]),
    ("F1Score", {"average": "micro", "threshold": None}, "hot", "soft", 0.4490889),
    ("F1Score", {"average": "micro", "threshold": 0.5}, "hot", "soft", 0.2894985),
    ("F1Score", {"average": "micro", "threshold": 0.5}, "ym", "pm", 0.880951),
    ("F1Score", {"average": "macro", "threshold": None}, "hot", "soft", 0.3968968),
    ("F1Score", {"average": "macro", "threshold": 0.5}, "hot", "soft", 0.2365261),
    ("F1Score", {"average": "macro", "threshold": 0.5}, "ym", "pm", 0.8746211),
    ("F1Score", {"average": "weighted", "threshold": None}, "hot", "soft", 0.4548501),
    ("F1Score", {"average": "weighted", "threshold": 0.5}, "hot", "soft", 0.268789),
    ("F1Score", {"average": "weighted", "threshold": 0.5}, "ym", "pm", 0.8809329),
    ("FBetaScore", {"beta": 2.0, "average": None, "threshold": None}, "hot", "soft", [0.2093979, 0.5148805, 0.1992606, 0.6718589, 0.3667152, 0.4406014]),
    ("FBetaScore", {"beta": 2.0, "average": None, "threshold": None}, "ym", "pm", [0.675117, 0.6783543, 0.4248256]),
    ("FBetaScore", {"beta": 2.0, "average": None, "threshold": 0.5}, "hot", "soft", [0.0, 0.06849314, 0.2292531, 0.5206388, 0.2577761, 0.0]),
    ("FBetaScore", {"beta": 2.0, "average": None, "threshold": 0.5}, "ym", "pm", [0.922508, 0.7875151, 0.836292]),
    ("FBetaScore", {"beta": 2.0, "average": "micro", "threshold": None}, "hot", "soft", 0.4490889),
    ("FBetaScore", {"beta": 2.0, "average": "micro", "threshold": None}, "ym", "pm", 0.5945736),
    ("FBetaScore", {"beta": 2.0, "average": "micro", "threshold": 0.5}, "hot", "soft", 0.2104854),
    ("FBetaScore", {"beta": 2.0, "average": "micro", "threshold": 0.5}, "ym", "pm", 0.8549042),
    ("FBetaScore", {"beta": 2.0, "average": "macro", "threshold": None}, "hot", "soft", 0.4004524),
    ("FBetaScore", {"beta": 2.0, "average": "macro", "threshold": None}, "ym", "pm", 0.5927656),
    ("FBetaScore", {"beta": 2.0, "average": "macro", "threshold": 0.5}, "hot", "soft", 0.1793602),
    ("FBetaScore", {"beta": 2.0, "average": "macro", "threshold": 0.5}, "ym", "pm", 0.8487718),
    ("FBetaScore", {"beta": 2.0, "average": "weighted", "threshold": None}, "hot", "soft", 0.4499047),
    ("FBetaScore", {"beta": 2.0, "average": "weighted", "threshold": None}, "ym", "pm", 0.5911551),
    ("FBetaScore", {"beta": 2.0, "average": "weighted", "threshold": 0.5}, "hot", "soft", 0.205286),
    ("FBetaScore", {"beta": 2.0, "average": "weighted", "threshold": 0.5}, "ym", "pm", 0.8548971),
    ("MeanIoU", {"num_classes": 6, "sparse_y_pred": False}, "lab", "soft", 0.2620476),
    ("OneHotMeanIoU", {"num_classes": 6}, "hot", "soft", 0.2620476),
    ("OneHotIoU", {"num_classes": 6, "target_class_ids": [0, 2]}, "hot", "soft", 0.1097234),
    ("IoU", {"num_classes": 6, "target_class_ids": [1], "sparse_y_pred": False, "ignore_class": 2}, "lab", "soft", 0.3924747),
    ("BinaryIoU", {}, "yb", "pb", 0.8856425),
    ("BinaryIoU", {"target_class_ids": [0], "threshold": 0.3}, "yb", "pb", 0.2956643),
)


def test_values_are_kerass():
    """Keras adds up 40 rows in float32, whose roundings are 6e-8; variances and differences of counts lose two digits."""
    data = shared_data()
    for name, options, y, p, value in KERAS:
        metric = getattr(M, name)(**options)
        for part in (slice(0, 17), slice(17, None)):
            metric.update_state(data[y][part], data[p][part].astype(np.float32), data["w"][part])
        got = metric.result()
        assert np.shape(got) == np.shape(value), (name, options)
        np.testing.assert_allclose(got, value, rtol=3e-5, atol=3e-6, err_msg=f"{name} {options}")


def test_values_are_those_of_scikit_learn():
    d = shared_data()
    w = d["w"]

    def check(metric, y, p, value, weight=None, tolerance=1e-12):
        np.testing.assert_allclose(metric(d[y], d[p], weight), value, rtol=tolerance)

    # a threshold between any two predictions: the area is that of all thresholds
    check(M.AUC(thresholds=np.arange(1000) / 1000), "yb", "pb", 0.9557291666666666)
    check(M.AUC(thresholds=np.arange(1000) / 1000), "yb", "pb", 0.9765249057826075, w)
    check(M.AUC(thresholds=np.arange(1000) / 1000, multi_label=True), "ym", "pm", 0.9494006734006734)
    check(M.Precision(), "yb", "pb", 0.9084453575097137, w)
    check(M.Recall(), "yb", "pb", 1.0, w)
    # Keras's score has 1e-7 in three denominators
    check(M.F1Score("micro"), "hot", "soft", 0.44908889959475157, w, 1e-6)
    check(M.F1Score("macro"), "hot", "soft", 0.39689682884933086, w, 1e-6)
    check(M.F1Score("weighted"), "hot", "soft", 0.4548501223392951, w, 1e-6)
    check(M.FBetaScore(None, 2.0), "hot", "soft",
          [0.2173913043, 0.6521739130, 0.3125, 0.5813953488, 0.3846153846, 0.3333333333], None, 1e-6)  # fmt: skip
    check(M.R2Score(), "yr", "pr", 0.6465088312334988)
    check(M.R2Score(), "yr", "pr", 0.5751131252745351, w)
    check(M.R2Score("variance_weighted_average"), "yr", "pr", 0.6741875529440312)
    check(M.SparseTopKCategoricalAccuracy(2), "lab", "soft", 0.7206620001700343, w)
    check(M.SparseCategoricalCrossentropy(), "lab", "soft", 1.3380723220462714, w)
    check(M.MeanIoU(6, sparse_y_pred=False), "lab", "soft", 0.2620475984694439, w, 1e-6)


# ---- extremes


def test_predictions_outside_of_0_and_1():
    t, p = [0, 1, 1, 0, 1], [-3.0, 5.0, np.nan, np.inf, -np.inf]
    assert M.TruePositives()(t, p) == 1
    assert M.FalsePositives()(t, p) == 1
    assert M.FalseNegatives()(t, p) == 2
    assert M.TruePositives(thresholds=[0, 0.5, 1])(t, p).tolist() == [1, 1, 0]  # 5 counts as 1, not above 1
    assert M.TruePositives(thresholds=[0, 0.6, 1])(t, p).tolist() == [1, 1, 1]  # not evenly spaced: as it is
    assert M.AUC()([0, 1], [-3, 5]) == 1
    assert M.AUC()([1, 0], [-3, 5]) == 0
    assert M.AUC(2)([0, 1], [-3, 5]) == 0.5
    assert M.SensitivityAtSpecificity(0.5)([0, 1], [-3, 5]) == 1
    assert M.SensitivityAtSpecificity(0.5, 2)([0, 1], [0.1, 5]) == 0
    assert M.RecallAtPrecision(1.0)([0, 1], [0.2, 0.9]) == 1


def test_none_and_all():
    assert M.AUC()([1, 1], [0.2, 0.3]) == 0  # no negative targets: no curve
    assert M.AUC(curve="PR")([0, 0], [0.2, 0.3]) == 0
    assert M.Precision()([1], [0.1]) == 0
    assert M.PrecisionAtRecall(1.0)([0, 0], [0.3, 0.4]) == 0
    assert M.F1Score()([[0, 1], [1, 0]], [[0.0, 0.0], [0.0, 0.0]]).tolist() == [0, 0]
    assert M.R2Score()([[1.0], [1.0]], [[1.0], [2.0]]) == 0
    assert np.isnan(M.R2Score()([[1.0], [1.0]], [[1.0], [1.0]]))
    assert M.MeanIoU(3)([0, 2, 7], [0, -1, 1]) == pytest.approx(1, rel=1e-6)
    assert M.Precision(top_k=2)([0, 0, 1, 1], [1, 1, 1, 1]) == 0  # one row
    assert M.Precision(top_k=4)([0, 0, 1, 1], [1, 1, 1, 1]) == 0.5
    with pytest.warns(UserWarning, match="num_regressors=3 needs more than 4 targets; got 2"):
        assert M.R2Score(num_regressors=3)([[0.0], [1.0]], [[0.0], [0.5]]) == 0.5


def test_means_and_sums_of_values():
    x = np.arange(12.0).reshape(4, 3)
    w = np.array([1.0, 0.0, 2.0, 1.0])
    assert M.Mean()(5) == 5
    assert M.Mean()([1, 3, 5, 7]) == 4
    assert M.Mean()([1, 3, 5, 7], [1, 1, 0, 0]) == 2
    assert M.Mean()([1, 3], 3) == 2
    assert M.Mean()(x, w) == np.average(x.mean(axis=1), weights=w)
    assert M.Mean()(x, w[:, None]) == np.average(x.mean(axis=1), weights=w)
    assert M.Mean()(x, x) == pytest.approx(np.mean(x * x) / np.mean(x), rel=1e-14)
    assert M.Sum()([1, 3, 5, 7]) == 16
    assert M.Sum()(x, w) == (x.sum(axis=1) * w).sum()
    mean = M.Mean("m")
    mean.update_state([1.0, 2.0])
    mean.update_state(6.0)
    assert (mean.name, mean.result()) == ("m", 3)
    mean.reset_state()
    assert mean.result() == 0
    assert M.Mean()([1.0], [0.0]) == 0
    with pytest.raises(ValueError, match=r"sample_weight of shape \(2,\) does not broadcast to values of shape \(4,\)"):
        M.Mean()(x, [1, 2])
    with pytest.raises(ValueError, match="Mean is of values"):
        compiled([M.Mean()])


def test_functions():
    t, p = [[1, 0], [1, 1]], [[0.7, 0.5], [0.5, 0.51]]
    assert M.binary_accuracy(t, p).tolist() == [[1, 1], [0, 1]]
    assert M.binary_accuracy([1, 1], [[0.7], [0.1]], threshold=0.8).tolist() == [[0], [0]]
    p = np.array([[0.1, 0.9, 0.8], [0.05, 0.95, 0]])
    assert M.categorical_accuracy([[0, 0, 1], [0, 1, 0]], p).tolist() == [0, 1]
    assert M.sparse_categorical_accuracy([2, 1], p).tolist() == [0, 1]
    assert M.sparse_categorical_accuracy([[[2], [1]]], p[None]).tolist() == [[0, 1]]
    assert M.top_k_categorical_accuracy([[0, 0, 1], [0, 0, 1]], p, k=2).tolist() == [1, 0]
    assert M.sparse_top_k_categorical_accuracy([2, 2], p, k=2).tolist() == [1, 0]
    assert M.sparse_top_k_categorical_accuracy([1], [[0.1, np.nan, 0.2]], k=3).tolist() == [0]
    assert M.mean_squared_error([[0.0, 1.0]], [[1.0, 3.0]]).tolist() == [2.5]
    for function, arguments, message in (
        (M.binary_accuracy, ([1, 0, 1], [0.5, 0.2]), r"y_true has shape \(3,\), and y_pred \(2,\)"),
        (M.categorical_accuracy, ([[0, 1]], p), r"samples \(1,\), and y_pred of samples \(2,\)"),
        (M.top_k_categorical_accuracy, (p, p, 4), "k=4 needs as many classes; y_pred has 3"),
        (M.sparse_top_k_categorical_accuracy, ([2, 3], p, 1), "holds the class 3 in row 1"),
        (M.sparse_top_k_categorical_accuracy, ([2, 2], p, 1, True), "'from_sorted_ids'"),
    ):
        with pytest.raises(ValueError, match=message):
            function(*arguments)


# ---- in a model


def compiled(metrics, weighted=(), shape=(4,), loss=None, dtype="float64", activation=None, optimizer="adam"):
    model = nn.Sequential([nn.Input((5,)), nn.layers.Dense(int(np.prod(shape)), activation=activation),
                           nn.layers.Reshape(shape)], dtype=dtype, seed=3)  # fmt: skip
    model.compile(optimizer, loss, metrics=list(metrics), weighted_metrics=list(weighted))
    return model


def problem(name, rows=150):
    """A model with a metric, plain and weighted; inputs, targets and weights."""
    _, _, kind, shape, _ = TABLE[name]
    plain, with_weight = made(name, name="plain"), made(name, name="weighted")
    loss, shape = ("sparse_categorical_crossentropy", shape[-1:]) if kind is classes else ("mse", shape)
    activation = "sigmoid" if kind is bits else None
    model = compiled([plain], [with_weight], shape, loss, activation=activation)
    random = rng(name)
    return model, random.standard_normal((rows, 5)), kind(random, (rows, *shape))[0], random.random(rows)


class Hooked(nn.callbacks.Callback):
    """What hooks of minibatches see."""

    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(logs)

    def on_test_batch_end(self, batch, logs=None):
        self.seen.append(logs)


def check_logs(name, logs, y, p, w, tolerance=1e-9):
    """1e-9: a cross-entropy behind a sigmoid comes from its logits, and predictions are near 1e-7 from clipping."""
    for key, weight in (("plain", None), ("weighted", w)):
        value = made(name)(y, p, weight)
        np.testing.assert_allclose(logs[key], value, rtol=tolerance, atol=tolerance, err_msg=key)


@pytest.mark.parametrize("name", TABLE)
def test_evaluate_is_update_state_over_all_rows(name):
    model, x, y, w = problem(name)
    p = model.predict(x)
    for threads in (1, 2):
        with nn.config.threads(threads):
            logs = model.evaluate(x, y, sample_weight=w, return_dict=True, verbose=0)
            check_logs(name, logs, y, p, w)
    hooked = Hooked()
    logs = model.evaluate(x, y, 64, sample_weight=w, return_dict=True, verbose=0, callbacks=hooked)
    check_logs(name, logs, y, p, w)
    assert len(hooked.seen) == 3
    check_logs(name, hooked.seen[0], y[:64], p[:64], w[:64])
    check_logs(name, hooked.seen[1], y[:128], p[:128], w[:128])
    parts = [(x[i : i + 40], y[i : i + 40], w[i : i + 40]) for i in range(0, 150, 40)]
    check_logs(name, model.evaluate(parts, return_dict=True, verbose=0), y, p, w)
    check_logs(name, model.test_on_batch(x, y, w, return_dict=True), y, p, w)
    assert model.metrics_names == ["loss", "plain", "weighted"]


@pytest.mark.parametrize("name", TABLE)
def test_fit_adds_up_what_minibatches_see(name):
    """Without a learning rate predictions stay, so that an epoch's metrics are those of all rows."""
    model, x, y, w = problem(name)
    model.compile(nn.optimizers.SGD(0.0), model.loss, metrics=[made(name, name="plain")],
                  weighted_metrics=[made(name, name="weighted")])  # fmt: skip
    p = model.predict(x)
    for callbacks in ([], [Hooked()]):
        history = model.fit(x, y, 32, epochs=2, verbose=0, sample_weight=w, callbacks=callbacks,
                            validation_data=(x[:70], y[:70], w[:70])).history  # fmt: skip
        for epoch in range(2):
            logs = {key: values[epoch] for key, values in history.items()}
            check_logs(name, logs, y, p, w)
            validation = {key.removeprefix("val_"): v for key, v in logs.items() if key.startswith("val_")}
            check_logs(name, validation, y[:70], p[:70], w[:70])
    parts = [(x[i : i + 40], y[i : i + 40], w[i : i + 40]) for i in range(0, 150, 40)]
    history = model.fit(parts, verbose=0).history
    check_logs(name, {key: values[0] for key, values in history.items()}, y, p, w)
    check_logs(name, model.train_on_batch(x, y, w, return_dict=True), y, p, w)
    values = [value for values in history.values() for value in values]
    assert {type(value) for value in values} <= {float, np.ndarray}


def test_the_fast_path_is_for_plain_means():
    x, y = rng().standard_normal((8, 5)), np.arange(8) % 4
    for metrics, plain in ((["accuracy", M.SparseTopKCategoricalAccuracy(2)], True),
                           ([M.SparseCategoricalCrossentropy()], True),
                           (["accuracy", M.MeanIoU(4, sparse_y_pred=False)], False)):  # fmt: skip
        model = compiled(metrics, loss="sparse_categorical_crossentropy", activation="softmax")
        model.train_on_batch(x, y)
        model.test_on_batch(x, y)
        assert ("train" in model._calls, "test" in model._calls) == (plain, plain)
        first = model.test_on_batch(x, y)
        assert first == model.test_on_batch(x, y, return_dict=False)
        np.testing.assert_allclose(first[1:], model.evaluate(x, y, verbose=0)[1:], rtol=1e-12)
        p = model.predict(x)
        np.testing.assert_allclose(first[-1], model.objective.outputs[0].all_metrics[-1](y, p), rtol=1e-9)


def test_a_function_of_a_mean_is_no_plain_mean():
    x, y = rng().standard_normal((8, 5)), np.eye(4)[np.arange(8) % 4]
    model = compiled([M.RootMeanSquaredError(), M.CosineSimilarity()], loss="mse")
    for _ in range(2):
        loss, root, cosine = model.test_on_batch(x, y)
        assert root == pytest.approx(np.sqrt(loss), rel=1e-14)
        assert cosine == pytest.approx(M.CosineSimilarity()(y, model.predict(x)), rel=1e-12)


def test_accuracy_is_the_one_that_keras_takes():
    def taken(identifier, shape, loss):
        metric = compiled([identifier], shape=shape, loss=loss).objective.outputs[0].all_metrics[0]
        assert metric.name == identifier
        return type(metric)

    for identifier in ("accuracy", "acc", "Accuracy", "ACC"):
        assert taken(identifier, (1,), "mse") is M.BinaryAccuracy
        assert taken(identifier, (1,), None) is M.BinaryAccuracy
        assert taken(identifier, (3,), "binary_crossentropy") is M.CategoricalAccuracy
        assert taken(identifier, (3,), "sparse_categorical_crossentropy") is M.SparseCategoricalAccuracy
        assert taken(identifier, (3,), None) is M.CategoricalAccuracy
    with pytest.raises(ValueError, match="unknown metric 'ce'"):  # as in Keras: that is a loss
        compiled(["ce"])


def test_metrics_of_one_name_are_told_apart_as_in_keras():
    model = compiled([M.Precision(), M.Precision(class_id=1), "mse", "acc"], [M.Precision(), M.Precision(), "acc"],
                     loss="mse")  # fmt: skip
    assert model.metrics_names == ["loss", "precision", "precision_1", "mse", "acc", "weighted_precision",
                                   "weighted_precision_1", "weighted_acc"]  # fmt: skip
    x, y = rng().standard_normal((8, 5)), np.eye(4)[np.arange(8) % 4]
    assert list(model.evaluate(x, y, return_dict=True, verbose=0)) == model.metrics_names


def test_a_metric_that_is_given_stays_as_it_is():
    metric = M.Precision()
    compiled([metric], [metric], loss="mse")
    assert not metric.weighted
    assert metric.result() == 0


def test_several_outputs():
    inputs = nn.Input((5,))
    heads = [nn.layers.Dense(2, activation="sigmoid", name=name)(inputs) for name in ("a", "b")]
    model = nn.Model(inputs, heads, dtype="float64")
    model.compile("sgd", {"a": "binary_crossentropy", "b": "mse"}, metrics={"a": [M.AUC(), "mae"], "b": [M.F1Score()]},
                  weighted_metrics={"b": [M.R2Score()]})  # fmt: skip
    random = rng()
    x, y, w = random.standard_normal((60, 5)), random.integers(0, 2, (2, 60, 2)).astype(float), random.random(60)
    logs = model.evaluate(x, list(y), sample_weight=[w, w], return_dict=True, verbose=0)
    assert list(logs) == ["loss", "a_loss", "b_loss", "a_auc", "a_mae", "b_f1_score", "b_r2_score"]
    a, b = model.predict(x)
    np.testing.assert_allclose(logs["a_auc"], M.AUC()(y[0], a), rtol=1e-12)
    np.testing.assert_allclose(logs["a_mae"], np.abs(y[0] - a).mean(), rtol=1e-12)
    np.testing.assert_allclose(logs["b_f1_score"], M.F1Score()(y[1], b), rtol=1e-12)
    np.testing.assert_allclose(logs["b_r2_score"], M.R2Score()(y[1], b, w), rtol=1e-9)


def test_a_metric_without_a_loss_is_not_enough_but_its_arrays_print(capsys):
    model = compiled([M.F1Score()], loss="mse")
    x, y = rng().standard_normal((8, 5)), np.eye(4)[np.arange(8) % 4]
    model.fit(x, y, verbose=2)
    line = capsys.readouterr().out
    wanted = model.history.history["f1_score"][0]
    assert f"f1_score=[{' '.join(f'{value:.4f}' for value in wanted)}]" in line


def test_saving(tmp_path):
    names = ["precision-three", "auc-label-weights", "f1-weighted", "top-2", "r2-adjusted"]
    shape = (3,)
    model = compiled([made(name) for name in names], ["acc"], shape, "binary_crossentropy", activation="sigmoid")
    x, y = rng().standard_normal((30, 5)), rng().integers(0, 2, (30, 3))
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "m.safetensors")
    again = nn.models.load_model(tmp_path / "m.safetensors")
    for a, b in zip(model.evaluate(x, y, verbose=0), again.evaluate(x, y, verbose=0), strict=True):
        assert np.array_equal(a, b)


def test_threads_and_cuts_give_the_same_bits():
    x, y = rng().standard_normal((300, 5)), rng().integers(0, 2, (300, 3))
    results = []
    for threads in (1, 2):
        with nn.config.threads(threads):
            model = compiled([M.AUC(), M.R2Score(), "bce", M.Precision(top_k=1)], [M.F1Score("macro")], (3,),
                             "binary_crossentropy", "float32", "sigmoid")  # fmt: skip
            results.append(model.fit(x, y, 50, epochs=3, verbose=0, sample_weight=np.arange(300) / 7).history)
    assert results[0] == results[1]


# ---- names, errors

KERAS_NAMES = """
AUC auc Accuracy BCE BinaryAccuracy BinaryCrossentropy BinaryIoU CategoricalAccuracy
CategoricalCrossentropy CategoricalHinge CosineSimilarity F1Score FBetaScore FalseNegatives FalsePositives Hinge
KLDivergence LogCoshError MAE MAPE MSE MSLE Mean MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError
MeanSquaredLogarithmicError Poisson Precision R2Score Recall RootMeanSquaredError SparseCategoricalAccuracy
SparseCategoricalCrossentropy SparseTopKCategoricalAccuracy SquaredHinge Sum TopKCategoricalAccuracy TrueNegatives
TruePositives accuracy bce binary_accuracy binary_crossentropy binary_io_u categorical_accuracy categorical_crossentropy
categorical_hinge cosine_similarity f1_score f_beta_score false_negatives false_positives hinge kl_divergence
log_cosh_error mae mape mean mean_absolute_error mean_absolute_percentage_error mean_squared_error
mean_squared_logarithmic_error mse msle poisson precision r2_score recall root_mean_squared_error
sparse_categorical_accuracy sparse_categorical_crossentropy sparse_top_k_categorical_accuracy squared_hinge sum
top_k_categorical_accuracy true_negatives true_positives
"""


def test_names():
    for name in KERAS_NAMES.split():
        assert isinstance(M.get(name), M.Metric), name
    for function in (M.binary_accuracy, M.top_k_categorical_accuracy, M.mean_absolute_error, M.log_cosh):
        assert M.get(function).name == function.__name__
    assert isinstance(M.get(M.AUC), M.AUC)
    metric = M.AUC()
    assert M.get(metric) is metric
    assert compiled([M.binary_accuracy, "AUC"], loss="mse").metrics_names == ["loss", "binary_accuracy", "AUC"]
    with pytest.raises(ValueError, match="unknown metric 'logcosh'"):
        M.get("logcosh")


ERRORS = {
    "threshold": (lambda: M.Precision(thresholds=1.5), r"Precision: thresholds must lie in \[0, 1\]; got 1.5"),
    "no threshold": (lambda: M.Recall(thresholds=[]), "at least one"),
    "top_k": (lambda: M.Precision(top_k=0), "top_k must be at least 1"),
    "class_id": (lambda: M.Precision(class_id=3)([[0, 1]], [[0.1, 0.2]]), "class_id=3 needs more classes"),
    "top_k classes": (lambda: M.Recall(top_k=3)([[0, 1]], [[0.1, 0.2]]), "top_k=3 needs more classes"),
    "k": (lambda: M.TopKCategoricalAccuracy()([[0, 1]], [[0.1, 0.2]]), "k=5 needs as many classes"),
    "sorted": (lambda: M.SparseTopKCategoricalAccuracy(from_sorted_ids=True), "'from_sorted_ids'"),
    "specificity": (lambda: M.SensitivityAtSpecificity(-0.1), "specificity must lie in"),
    "num_thresholds": (lambda: M.RecallAtPrecision(0.5, 0), "num_thresholds must be at least 1"),
    "AUC num_thresholds": (lambda: M.AUC(1), "num_thresholds must be at least 2"),
    "curve": (lambda: M.AUC(curve="LIFT"), "curve must be one of 'ROC', 'PR', 'PRGAIN'; got 'LIFT'"),
    "method": (lambda: M.AUC(summation_method="left"), "summation_method must be one of"),
    "num_labels": (lambda: M.AUC(num_labels=3), "num_labels is for multi_label=True"),
    "labels": (lambda: M.AUC(multi_label=True, num_labels=3)([[0, 1]], [[0.1, 0.2]]), "num_labels=3 is not for the 2"),
    "label_weights": (lambda: M.AUC(label_weights=[1.0])([[0, 1]], [[0.1, 0.2]]), r"label_weights=\[1.0\] is not for"),
    "multi_label": (lambda: M.AUC(multi_label=True)([[[0, 1]]], [[[0.1, 0.2]]]), r"shape \(labels,\)"),
    "average": (lambda: M.F1Score("mean"), "average must be None, 'micro', 'macro' or 'weighted'; got 'mean'"),
    "beta": (lambda: M.FBetaScore(beta=0), "beta must lie in"),
    "F threshold": (lambda: M.F1Score(threshold=0), "threshold must lie in"),
    "F shape": (lambda: M.F1Score()([[[0, 1]]], [[[0.1, 0.2]]]), r"shape \(classes,\)"),
    "aggregation": (lambda: M.R2Score("mean"), "class_aggregation must be one of"),
    "regressors": (lambda: M.R2Score(num_regressors=-1), "num_regressors must be at least 0"),
    "R2 shape": (lambda: M.R2Score()([[[0, 1]]], [[[0.1, 0.2]]]), r"shape \(outputs,\)"),
    "ids": (lambda: M.IoU(2, [2]), "target_class_ids must be classes 0 to 1"),
    "IoU axis": (lambda: M.MeanIoU(2, axis=0), "'axis'"),
    "IoU classes": (lambda: M.OneHotMeanIoU(3)([[0, 1]], [[0.1, 0.2]]), "num_classes=3 is not for the 2 classes"),
    "ignore": (lambda: M.SparseCategoricalCrossentropy(ignore_class=0), "'ignore_class'"),
    "cosine": (lambda: M.CosineSimilarity(axis=0), "'axis'"),
    "targets": (lambda: M.AUC()([0, 1, 1], [[0.1], [0.2]]), "x has 2 rows; y_true has 3 rows"),
    "shape": (lambda: M.AUC()([[0, 1]], [[0.1]]), "metric 'auc' expects targets of shape"),
    "weight": (lambda: M.AUC()([0], [0.1], [1, 2]), r"sample_weight must have shape \(1,\)"),
    "negative weight": (lambda: M.AUC()([0], [0.1], [-1]), "not negative"),
    "labels wanted": (lambda: compiled([M.SparseCategoricalAccuracy()], loss="mse"), "needs targets that are class numbers"),
    "no labels": (lambda: compiled([M.AUC()], loss="sparse_categorical_crossentropy"), "needs targets that are of shape"),
    "other targets": (lambda: compiled(["mse"], loss="gaussian_nll"), r"of shape \(4,\) .* loss 'gaussian_nll' are of shape \(2,\)"),
    "among metrics": (lambda: compiled(["mse", M.SparseCategoricalAccuracy()]), "those of the metric 'mse'"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name):
    call, message = ERRORS[name]
    with pytest.raises(ValueError, match=message):
        call()


def test_a_state_is_for_one_shape():
    metric = M.F1Score()
    metric.update_state([[0, 1]], [[0.1, 0.2]])
    kept = metric.result()
    with pytest.raises(ValueError, match=r"another shape than \(3,\): reset_state"):
        metric.update_state([[0, 1, 0]], [[0.1, 0.2, 0.3]])
    assert np.array_equal(metric.result(), kept)

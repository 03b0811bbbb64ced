"""How good predictions are, in NumPy and double; beside the best that knows no column: a constant."""

import numpy as np

LEAST_PROBABILITY = 1e-7  # a logarithm of 0 would hide everything else


def measure(target, y, outputs):
    """(metrics of the network's outputs, metrics of the baseline, its name) for targets y of rows."""
    if target.task == "regression":
        mean = np.full(len(y), target.average)
        return amounts(y, target.decode(outputs)), amounts(y, mean), "predicting the mean"
    shares = np.maximum(np.asarray(target.shares), 0)
    return (classes(y, outputs, target.classes), classes(y, np.tile(shares, (len(y), 1)), target.classes),
            "predicting the majority")  # fmt: skip


def amounts(y, predicted):
    """R² = 1 - Σ(y - p)² / Σ(y - mean y)², None where y is constant; √ mean (y - p)²; mean |y - p|."""
    error = y - predicted
    around = float(np.square(y - y.mean()).sum())
    return {
        "rows": len(y),
        "r2": 1 - float(np.square(error).sum()) / around if around > 0 else None,
        "rmse": float(np.sqrt(np.mean(np.square(error)))),
        "mae": float(np.mean(np.abs(error))),
    }


def classes(y, probabilities, names):
    """Accuracy, the mean of -log p of the true class, the area under the ROC curve of two classes; each class's."""
    p = probabilities.astype(np.float64)
    predicted = p.argmax(axis=1)
    each = {}
    for number, name in enumerate(names):
        true, said = y == number, predicted == number
        right = int((true & said).sum())
        precision, recall = _ratio(right, said.sum()), _ratio(right, true.sum())
        both = (precision or 0) + (recall or 0)
        f1 = None if recall is None else 2 * (precision or 0) * recall / both if both else 0.0
        each[name] = {"rows": int(true.sum()), "precision": precision, "recall": recall, "f1": f1}
    recalls = [one["recall"] for one in each.values() if one["recall"] is not None]
    result = {
        "rows": len(y),
        "accuracy": float((predicted == y).mean()),
        "balanced_accuracy": float(np.mean(recalls)),
        "log_loss": float(-np.log(np.clip(p[np.arange(len(y)), y], LEAST_PROBABILITY, 1)).mean()),
    }
    if len(names) == 2:
        result["auc"] = area_under_curve(y == 1, p[:, 1])
    return {**result, "classes": each}


def area_under_curve(positive, score):
    """The share of pairs of a positive and a negative row in which the positive one has more, halves where equal."""
    count = int(positive.sum())
    pairs = count * (len(positive) - count)
    if not pairs:
        return None
    _, places, sizes = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[places]
    return (float(ranks[positive].sum()) - count * (count + 1) / 2) / pairs


def _ratio(part, whole):
    return float(part) / float(whole) if whole else None

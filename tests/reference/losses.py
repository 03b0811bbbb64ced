"""What the squared error of losses.h and the kernels of crossentropy.h compute."""

import numpy as np

from reference.base import nearly, reference, rounding_depth, wide
from reference.elementwise import flat, in_groups, softmax_parts


def loss_results(a, w, block, value, value_error, slope, slope_error, depth):
    """loss and gradient, from value (rows, terms) and slope (rows, features); errors are magnitudes of terms."""
    weight = np.ones(len(value)) if a.weight is None else wide(a.weight[block.rows])
    # a weight of 0 times infinity or NaN is NaN, as it is in the kernels
    loss = weight * value.mean(axis=1)
    results = {"loss": nearly(block.rows, loss, 4 + depth, np.abs(weight) * value_error.mean(axis=1))}
    if a.gradient is not None:
        factor = a.scale / w.rows * weight[:, None]
        results["gradient"] = nearly(block.rows, factor * slope, 5, np.abs(factor) * slope_error)
    return results


@reference
def mean_squared_error(a, w, block):
    difference = wide(a.prediction[block.rows]) - wide(a.target[block.rows])
    slope = 2 * difference / a.features
    return loss_results(a, w, block, difference**2, difference**2, slope, np.abs(slope), rounding_depth(a.features))


def smoothed(target, a, classes):
    """Targets with label smoothing, and the magnitude of what rounding them leaves (nothing where nothing is done)."""
    target = target * (1 - wide(a.label_smoothing)) + wide(a.label_smoothing) / classes
    return target, np.abs(target) if a.label_smoothing else np.zeros_like(target)


@reference
def binary_crossentropy_logits(a, w, block):
    x = wide(a.prediction[block.rows])
    t, t_error = smoothed(wide(a.target[block.rows]), a, 2)
    e = np.exp(-np.abs(x))
    value = np.maximum(x, 0) - x * t + np.log1p(e)
    value_error = np.maximum(x, 0) + np.abs(x) * (np.abs(t) + t_error) + np.log1p(e)
    whole = np.where(x < 0, e, 1)
    smaller = whole * (e / (1 + e))
    # sigmoid(x) is whole - smaller; whole and t cancel first, exactly where t is 0 or 1
    slope, slope_error = (whole - t) - smaller, np.abs(whole - t) + smaller + t_error
    return loss_results(a, w, block, value, value_error, slope / a.features, slope_error / a.features,
                        rounding_depth(a.features))  # fmt: skip


def clip_bounds(real):
    """How near to 0 and 1 probabilities may come."""
    return real(1e-7), real(1 - 1e-7)


@reference
def binary_crossentropy(a, w, block):
    low, high = clip_bounds(w.real)
    given = a.prediction[block.rows]
    p = wide(np.clip(given, low, high))
    t, t_error = smoothed(wide(a.target[block.rows]), a, 2)
    value = -(t * np.log(p) + (1 - t) * np.log1p(-p))
    value_error = np.abs(t * np.log(p)) + (np.abs(1 - t) + t_error) * -np.log1p(-p)
    clipped = (given < low) | (given > high)
    slope = np.where(clipped, 0, (p - t) / (p * (1 - p)) / a.features)
    slope_error = np.where(clipped, 0, (np.abs(p - t) + t_error) / (p * (1 - p)) / a.features)
    return loss_results(a, w, block, value, value_error, slope, slope_error, rounding_depth(a.features))


def softmax_loss(a, w, block, t, t_error, ignored=False):
    """-sum of t log softmax(x) of each group that is not ignored, and its derivative."""
    x = in_groups(wide(a.prediction[block.rows]), a)
    distance, total, softmax, error = softmax_parts(x)
    sum_error = np.minimum(error.max(axis=-1, keepdims=True), 20)
    targets, size = t.sum(axis=-1, keepdims=True), np.abs(t).sum(axis=-1, keepdims=True)
    value = (targets * np.log(total))[..., 0] - np.where(t == 0, 0, t * distance).sum(axis=-1)
    value_error = (size * (np.log(total) + 2 + sum_error))[..., 0]
    value_error = value_error + np.where(t == 0, 0, (np.abs(t) + t_error) * np.abs(distance)).sum(axis=-1)
    value, value_error = np.where(ignored, 0, value), np.where(ignored, 0, value_error)
    slope = (softmax * targets - t) / a.groups
    slope_error = (softmax * size * (2 + error + sum_error + rounding_depth(a.classes)) + np.abs(t)) / a.groups
    return loss_results(a, w, block, value, value_error, flat(slope), flat(slope_error), 2 * rounding_depth(a.classes))


def one_hot(a, block):
    """Labels as (rows, groups, classes) of 0 and 1; which have a loss, and which are ignored, (rows, groups)."""
    labels = a.target[block.rows, : a.groups]
    ignored = labels == a.ignored
    known = (labels >= 0) & (labels < a.classes) & ~ignored
    return (labels[..., None] == np.arange(a.classes)).astype(np.longdouble), known, ignored


def sparse_results(results, a, known, ignored):
    """The loss of a label that is no class is NaN; only those that are known and not ignored have a gradient."""
    loss = results["loss"]
    results["loss"] = loss._replace(value=np.where((known | ignored).all(axis=1), loss.value, np.nan))
    if "gradient" in results:
        gradient = results["gradient"]
        shown = np.repeat(known, a.classes, axis=1)
        results["gradient"] = gradient._replace(
            value=np.where(shown, gradient.value, 0), magnitude=np.where(shown, gradient.magnitude, 0)
        )
    return results


@reference
def categorical_crossentropy_logits(a, w, block):
    t, t_error = smoothed(in_groups(wide(a.target[block.rows]), a), a, a.classes)
    return softmax_loss(a, w, block, t, t_error)


@reference
def sparse_categorical_crossentropy_logits(a, w, block):
    t, known, ignored = one_hot(a, block)
    return sparse_results(softmax_loss(a, w, block, t, np.zeros_like(t), ignored), a, known, ignored)


def probability_loss(a, w, block, t, ignored=False):
    """-sum of t log q of each group that is not ignored with q = p / sum of p, clipped, and its derivative."""
    low, high = (wide(bound) for bound in clip_bounds(w.real))
    p = in_groups(wide(a.prediction[block.rows]), a)
    total = p.sum(axis=-1, keepdims=True)
    q = p / total
    logarithm = np.log(np.clip(q, low, high))
    value = -np.where(t == 0, 0, t * logarithm).sum(axis=-1)
    value_error = np.where(t == 0, 0, np.abs(t) * (1 + np.abs(logarithm))).sum(axis=-1)
    value, value_error = np.where(ignored, 0, value), np.where(ignored, 0, value_error)
    moving = np.where((q < low) | (q > high), 0, t)
    quotient = np.where(moving == 0, 0, moving / np.where(q == 0, 1, q))
    slope = (moving.sum(axis=-1, keepdims=True) - quotient) / total / a.groups
    slope_error = (np.abs(moving).sum(axis=-1, keepdims=True) + np.abs(quotient)) / total / a.groups
    depth = rounding_depth(a.classes)
    return loss_results(a, w, block, value, value_error, flat(slope), flat(slope_error) * (1 + depth / 4), 2 * depth)


@reference
def categorical_crossentropy(a, w, block):
    t, _ = smoothed(in_groups(wide(a.target[block.rows]), a), a, a.classes)
    return probability_loss(a, w, block, t)


@reference
def sparse_categorical_crossentropy(a, w, block):
    t, known, ignored = one_hot(a, block)
    return sparse_results(probability_loss(a, w, block, t, ignored), a, known, ignored)

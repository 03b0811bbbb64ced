"""What the kernels of counts.h compute."""

import numpy as np

from reference.base import nearly, reference


def weights(a, w):
    return np.ones(w.rows) if a.weight is None else a.weight[: w.rows].astype(np.longdouble)


def added(a, w, sums, magnitudes):
    """The state with sums over rows, in one chain, whose terms have so many roundings."""
    return {"state": nearly(..., a.state + sums, 4 + w.rows, np.abs(a.state) + magnitudes)}


def in_top_k(p, k):
    """Where the last axis has its k largest, of equals the first ones; NaN is never one."""
    order = np.argsort(np.where(np.isnan(p), np.inf, -p), axis=-1, kind="stable")
    rank = np.argsort(order, axis=-1, kind="stable")
    return (rank < k) & ~np.isnan(p)


@reference
def count_above(a, w, block):
    shape = (w.rows, a.groups, a.classes)
    p, t = (x[: w.rows].reshape(shape) for x in (a.prediction, a.target))
    above = (p[..., None] > a.thresholds).sum(axis=-1)
    if a.top_k:
        above = np.where(in_top_k(p, a.top_k), above, 0)
    looked_at = slice(a.first_class, a.last_class)
    above, positive = above[..., looked_at], (t != 0)[..., looked_at].astype(int)
    sums = np.zeros((a.last_class - a.first_class if a.by_class else 1, 2, a.count + 1), np.longdouble)
    classes = np.arange(above.shape[-1]) if a.by_class else np.zeros(above.shape[-1], int)
    np.add.at(sums, (np.broadcast_to(classes, above.shape), positive, above), weights(a, w)[:, None, None])
    return added(a, w, sums.ravel(), sums.ravel())


@reference
def f_score_sums(a, w, block):
    p, t = a.prediction[: w.rows], a.target[: w.rows].astype(np.longdouble)
    if a.by_largest:
        chosen = (p >= p.max(axis=1, keepdims=True)) & (np.abs(p) > w.real(1e-9))
    else:
        chosen = p > w.real(a.threshold)
    products = [chosen * t, chosen * (1 - t), ~chosen * t, t]
    terms = weights(a, w)[:, None] * np.array(products)
    return added(a, w, terms.sum(axis=1).ravel(), np.abs(terms).sum(axis=1).ravel())


@reference
def r2_sums(a, w, block):
    p, t = a.prediction[: w.rows].astype(np.longdouble), a.target[: w.rows].astype(np.longdouble)
    weight = weights(a, w)[:, None]
    sums = [(weight * x).sum(axis=0) for x in (t, t * t, (t - p) ** 2)]
    sizes = [(weight * x).sum(axis=0) for x in (np.abs(t), t * t, (np.abs(t) + np.abs(p)) ** 2)]
    last = [weight.sum(), w.rows * a.features]
    return added(a, w, np.concatenate([*sums, last]), np.concatenate([*sizes, last]))


def class_of(x, elements, count):
    if elements > 1:
        place = x.argmax(axis=-1)
        return np.where(place < count, place, -1)
    number = x[..., 0]
    return np.where((number > -1) & (number < count), np.nan_to_num(number, posinf=0, neginf=0), -1).astype(int)


@reference
def confusion_matrix(a, w, block):
    p = a.prediction[: w.rows].reshape(w.rows, a.groups, a.classes)
    predicted = (p[..., 0] >= w.real(a.threshold)).astype(int) if a.by_threshold else class_of(p, a.classes, a.count)
    if a.labels is not None:
        truth = a.labels[: w.rows, : a.groups].astype(np.int64)
    else:
        truth = class_of(a.target[: w.rows].reshape(w.rows, a.groups, -1), a.target_classes, a.count)
    known = (truth >= 0) & (truth < a.count) & (truth != a.ignored) & (predicted >= 0)
    weight = np.broadcast_to(weights(a, w)[:, None], truth.shape)
    sums = np.zeros((a.count, a.count), np.longdouble)
    np.add.at(sums, (truth[known], predicted[known]), weight[known])
    return added(a, w, sums.ravel(), sums.ravel())

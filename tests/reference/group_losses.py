"""What the kernels of group_losses.h compute."""

import numpy as np

from reference.base import reference, rounding_depth, wide
from reference.elementwise import flat, in_groups
from reference.losses import loss_results


def total(values):
    return values.sum(axis=-1, keepdims=True)


@reference
def cosine_similarity(a, w, block):
    p, t = in_groups(wide(a.prediction[block.rows]), a), in_groups(wide(a.target[block.rows]), a)
    most, length = wide(w.real(1e7)), np.sqrt(total(p * p))
    of_p, of_t = np.minimum(1 / length, most), np.minimum(1 / np.sqrt(total(t * t)), most)
    cosine = total(p * t) * of_p * of_t
    size = total(np.abs(p * t)) * of_p * of_t
    depth = rounding_depth(a.classes)
    toward_p = np.where(1 / length > most, 0, p * of_p)
    slope = (toward_p * cosine - t * of_t) * of_p
    slope_error = (np.abs(toward_p) * (size + np.abs(cosine)) * (2 + depth) + np.abs(t * of_t) * (1 + depth)) * of_p
    return loss_results(a, w, block, -cosine[..., 0], (size + np.abs(cosine))[..., 0], flat(slope) / a.groups,
                        flat(slope_error) / a.groups, 2 * depth)  # fmt: skip


@reference
def categorical_hinge(a, w, block):
    prediction, target = in_groups(a.prediction[block.rows], a), in_groups(a.target[block.rows], a)
    p, t = wide(prediction), wide(target)
    products = (w.real(1) - target) * prediction  # as they are rounded, since of equals the first counts
    margin = (wide(products).max(axis=-1, keepdims=True) - total(t * p) + 1)[..., 0]
    chosen = np.arange(a.classes) == products.argmax(axis=-1)[..., None]
    slope = np.where(margin[..., None] > 0, np.where(chosen, 1 - 2 * t, -t), 0) / a.groups
    value_error = np.abs(p * t).sum(axis=-1) + np.abs(wide(products)).max(axis=-1) + 1
    return loss_results(a, w, block, np.where(margin < 0, 0, margin), value_error, flat(slope), flat(np.abs(slope)) + 0,
                        rounding_depth(a.classes))  # fmt: skip


@reference
def gaussian_nll(a, w, block):
    prediction = in_groups(wide(a.prediction[block.rows]), a)
    features = a.classes // 2
    m, s = prediction[..., :features], prediction[..., features:]
    t = wide(a.target[block.rows]).reshape(m.shape)
    precision = np.exp(np.minimum(-s, 50))
    distance = (m - t) ** 2 * precision
    slope = np.concatenate([(m - t) * precision, (1 - distance) / 2], axis=-1) / features
    slope_error = np.concatenate([np.abs(m - t) * precision, (1 + distance) / 2], axis=-1) / features
    return loss_results(a, w, block, flat(s + distance) / 2, flat(np.abs(s) + distance) / 2, flat(slope) / a.groups,
                        flat(slope_error) / a.groups, rounding_depth(features))  # fmt: skip

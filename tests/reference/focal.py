"""What the kernels of focal.h compute."""

import numpy as np

from reference.base import reference, rounding_depth, wide
from reference.elementwise import flat, in_groups, softmax_parts
from reference.losses import clip_bounds, loss_results, smoothed


def power_error(x, x_error, gamma):
    """Ulps of x^gamma = e^(gamma log(x)), of which x has x_error."""
    with np.errstate(divide="ignore"):
        logarithm = np.where(x > 0, np.abs(np.log(np.where(x > 0, x, 1))), 0)
    return 1 + gamma * (x_error + 1 + 2 * logarithm)


def binary_focal(a, w, block, t, t_error, q, ratio, b, b_error, slope, slope_error):
    """weight q^gamma b, and its derivative weight q^gamma (gamma (1 - 2 t) ratio b + slope); q'/q = ratio (1 - 2 t)."""
    gamma = wide(w.real(a.gamma))
    weight = t * a.alpha + (1 - t) * (1 - a.alpha) if a.balance else np.ones_like(t)
    weight_error = np.where(weight > 0, 1 + 1 / np.where(weight > 0, weight, 1), 1) if a.balance else 1
    scaled = weight * np.where(gamma == 0, 1, np.power(q, gamma))
    doubt = power_error(q, 3 + np.where(q > 0, t_error / np.where(q > 0, q, 1), 0), gamma) + weight_error
    outer = gamma * (1 - 2 * t) * ratio * b
    outer_error = gamma * np.abs(ratio) * ((np.abs(1 - 2 * t) + 2 * t_error) * (b_error + np.abs(b) * 4))
    error = (np.abs(outer) + np.abs(slope)) * doubt + outer_error + slope_error
    return loss_results(a, w, block, scaled * b, scaled * (b * doubt + b_error), scaled * (outer + slope) / a.features,
                        scaled * error / a.features, rounding_depth(a.features))  # fmt: skip


@reference
def binary_focal_crossentropy(a, w, block):
    low, high = clip_bounds(w.real)
    given = a.prediction[block.rows]
    p = wide(np.clip(given, low, high))
    t, t_error = smoothed(wide(a.target[block.rows]), a, 2)
    q = t * (1 - p) + (1 - t) * p
    b = -(t * np.log(p) + (1 - t) * np.log1p(-p))
    b_error = np.abs(t * np.log(p)) + (np.abs(1 - t) + t_error) * -np.log1p(-p)
    inside = np.where((given < low) | (given > high), 0, 1)
    slope, slope_error = (p - t) / (p * (1 - p)), (np.abs(p - t) + t_error) / (p * (1 - p))
    return binary_focal(a, w, block, t, t_error, q, inside / q, b, b_error, inside * slope, inside * slope_error)


@reference
def binary_focal_crossentropy_logits(a, w, block):
    x = wide(a.prediction[block.rows])
    t, t_error = smoothed(wide(a.target[block.rows]), a, 2)
    e = np.exp(-np.abs(x))
    larger, smaller = 1 / (1 + e), e / (1 + e)
    p, rest = np.where(x < 0, smaller, larger), np.where(x < 0, larger, smaller)
    q = t * rest + (1 - t) * p
    ratio = np.where(q > 0, larger * smaller / np.where(q > 0, q, 1), 0)
    b = np.maximum(x, 0) - x * t + np.log1p(e)
    b_error = np.maximum(x, 0) + np.abs(x) * (np.abs(t) + t_error) + np.log1p(e)
    whole = np.where(x < 0, e, 1)
    # p is whole - whole e / (1 + e); whole and t cancel first, exactly where t is 0 or 1
    slope, slope_error = (whole - t) - whole * smaller, np.abs(whole - t) + whole * smaller + t_error
    return binary_focal(a, w, block, t, t_error, q, ratio, b, b_error, slope, slope_error)


def focal_parts(a, w, t, t_error, q, q_error, log_q, log_error):
    """-t (1 - q)^gamma log(q) and the derivative with respect to log(q), each with its error; q_error in ulps."""
    gamma = wide(w.real(a.gamma))
    rest = 1 - q
    some = np.where(rest > 0, rest, 1)
    rest_error = 1 + np.where(rest > 0, q * q_error / some, 0)
    doubt = power_error(rest, rest_error, gamma) + 2
    alpha = wide(a.alpha)
    scaled, scaled_error = alpha * t * rest**gamma, alpha * (np.abs(t) * doubt + t_error) * rest**gamma
    ratio = np.where(rest > 0, q * log_q / some, 0)
    ratio_error = np.abs(ratio) * (q_error + rest_error + 2) + np.where(rest > 0, q * log_error / some, 0)
    value_error = scaled_error * np.abs(log_q) + np.abs(scaled) * log_error
    pull = scaled * (gamma * ratio - 1)
    pull_error = scaled_error * (1 + gamma * np.abs(ratio)) + np.abs(scaled) * gamma * ratio_error
    return -scaled * log_q, value_error, pull, pull_error


def focal_results(a, w, block, value, value_error, slope, slope_error):
    """Values (rows, groups, classes) are summed over classes."""
    return loss_results(a, w, block, value.sum(axis=-1), value_error.sum(axis=-1), flat(slope) / a.groups,
                        flat(slope_error) / a.groups, 2 * rounding_depth(a.classes))  # fmt: skip


def total(values):
    return values.sum(axis=-1, keepdims=True)


@reference
def categorical_focal_crossentropy_logits(a, w, block):
    t, t_error = smoothed(in_groups(wide(a.target[block.rows]), a), a, a.classes)
    distance, powers, q, error = softmax_parts(in_groups(wide(a.prediction[block.rows]), a))
    depth = rounding_depth(a.classes)
    sum_error = np.minimum(error.max(axis=-1, keepdims=True), 20) + depth
    log_error = np.abs(distance) + np.log(powers) + 2 + sum_error
    value, value_error, pull, pull_error = focal_parts(
        a, w, t, t_error, q, 3 + error + sum_error, distance - np.log(powers), log_error
    )
    all_error = total(pull_error) + depth * total(np.abs(pull)) + np.abs(total(pull)) * (3 + error + sum_error)
    return focal_results(a, w, block, value, value_error, pull - q * total(pull), pull_error + q * all_error)


@reference
def categorical_focal_crossentropy(a, w, block):
    t, t_error = smoothed(in_groups(wide(a.target[block.rows]), a), a, a.classes)
    low, high = (wide(bound) for bound in clip_bounds(w.real))
    p = in_groups(wide(a.prediction[block.rows]), a)
    given, depth = p / total(p), rounding_depth(a.classes)
    q = np.clip(given, low, high)
    value, value_error, pull, pull_error = focal_parts(
        a, w, t, t_error, q, 1 + depth, np.log(q), 1 + depth + np.abs(np.log(q))
    )
    inside = np.where((given < low) | (given > high), 0, 1)
    pull, pull_error = pull * inside, pull_error * inside
    slope_error = (pull_error + np.abs(pull) * (3 + depth)) / q
    slope_error = slope_error + total(pull_error) + (3 + 2 * depth) * total(np.abs(pull))
    return focal_results(a, w, block, value, value_error, (pull / q - total(pull)) / total(p), slope_error / total(p))

"""What every kernel of kernels.def computes, in plain NumPy.

A reference is a function of the kernel's name, reference(a, w, block):

    a      the arguments by name: arrays as (rows, width) or (rows,), integers, numbers, None
    w      the worker: rows, first_row, order, step, seed, learning_rate, coefficient, gradient; and real, the
           kernel's type
    block  rows and columns, the two slices of the call

Arrays are in the kernel's own type; a reference widens what it computes with, to double for float and to long
double for double. It returns {argument: Expected}; the worker's gradient, coefficient and nonfinite go by these
names with "worker_" before them. Whatever it does not name must stay as it was.
"""

from typing import Any, NamedTuple

import numpy as np


class Expected(NamedTuple):
    """What `argument[region]` must hold: `value`, up to `ulps` units in the last place of a number of `magnitude`.

    No ulps: the same bits, where one NaN is as good as another.
    """

    region: Any
    value: Any
    ulps: float = 0.0
    magnitude: Any = None


def exactly(region, value):
    """The same bits."""
    return Expected(region, value)


def nearly(region, value, ulps, magnitude=None):
    """Within so many ulps of numbers of `magnitude`, which is the sum of the absolute values of what was added."""
    return Expected(region, value, ulps, np.abs(value) if magnitude is None else magnitude)


def wide(values):
    """The same numbers in a type with more bits."""
    return np.asarray(values).astype(np.longdouble if np.asarray(values).dtype == np.float64 else np.float64)


def rounding_depth(count):
    """Roundings on the way of any one of `count` numbers to their sum over 16 lanes and the tree over them."""
    return -(-count // 16) + 4


REFERENCES = {}


def reference(function):
    """Enters a reference under its own name."""
    REFERENCES[function.__name__] = function
    return function


# ---------------------------------------------------------------- gather.h


def source_rows(a, w, block):
    """The data rows that a block stands for."""
    positions = w.first_row + np.arange(block.rows.start, block.rows.stop)
    source = a.source[positions if w.order is None else w.order[positions]]
    return source.view(np.uint8) != 0 if source.dtype == bool else source


@reference
def gather_rows(a, w, block):
    return {"y": exactly(block.rows, source_rows(a, w, block).astype(w.real))}


@reference
def gather_labels(a, w, block):
    labels = np.trunc(source_rows(a, w, block)[:, 0].astype(np.float64))
    none = ~((labels > -(2.0**31)) & (labels < 2.0**31))
    return {"y": exactly(block.rows, np.where(none, -(2.0**31), labels).astype(np.int32))}


@reference
def store_rows(a, w, block):
    target = slice(w.first_row + block.rows.start, w.first_row + block.rows.stop)
    return {"target": exactly(target, a.x[block.rows])}


@reference
def add_rows(a, w, block):
    return {"y": exactly(block.rows, a.y[block.rows] + a.x[block.rows])}


# ---------------------------------------------------------------- matmul.h


def with_ends(a, block, value, magnitude):
    """What becomes of a product's sums, and of the sums of absolute values."""
    if a.accumulate:
        before = wide(a.c[block.rows])
        value, magnitude = before + value, np.abs(before) + magnitude
    if a.bias is not None:
        value, magnitude = value + wide(a.bias), magnitude + np.abs(wide(a.bias))
    if a.relu:
        value = np.where(value < 0, 0, value)
    if a.mask is not None:
        open_ = a.mask[block.rows] > 0
        value, magnitude = np.where(open_, value, 0), np.where(open_, magnitude, 0)
    return value, magnitude


@reference
def matmul(a, w, block):
    left, right = wide(a.a[block.rows]), wide(a.b)
    value, magnitude = left @ right, np.abs(left) @ np.abs(right)
    value, magnitude = with_ends(a, block, value, magnitude)
    return {"c": nearly(block.rows, value, a.inner / 2 + 2, magnitude)}


@reference
def matmul_gradient(a, w, block):
    x, dy = wide(a.x[: w.rows, block.rows]), wide(a.dy[: w.rows, block.columns])
    value, magnitude = x.T @ dy, np.abs(x).T @ np.abs(dy)
    if a.accumulate:
        value, magnitude = value + wide(w.gradient), magnitude + np.abs(wide(w.gradient))
    return {"worker_gradient": nearly(..., value, w.rows / 2 + 1, magnitude)}


@reference
def column_sum(a, w, block):
    dy = wide(a.dy[: w.rows, block.columns])
    value, magnitude = dy.sum(axis=0), np.abs(dy).sum(axis=0)
    if a.accumulate:
        value, magnitude = value + wide(w.gradient[0]), magnitude + np.abs(wide(w.gradient[0]))
    return {"worker_gradient": nearly(0, value, w.rows / 8 + 2, magnitude)}


@reference
def matmul_gradient_part(a, w, block):
    x, dy = wide(a.x[block.rows]), wide(a.dy[block.rows])
    region = (block.rows.start // a.part_rows, slice(0, a.inputs * a.units))
    value, magnitude = (x.T @ dy).ravel(), (np.abs(x).T @ np.abs(dy)).ravel()
    return {"parts": nearly(region, value, len(x) / 2 + 1, magnitude)}


@reference
def column_sum_part(a, w, block):
    dy = wide(a.dy[block.rows])
    region = (block.rows.start // a.part_rows, slice(0, a.units))
    return {"parts": nearly(region, dy.sum(axis=0), len(dy) / 8 + 2, np.abs(dy).sum(axis=0))}


@reference
def sum_parts(a, w, block):
    count = -(-w.rows // a.part_rows)
    parts = wide(a.parts[:count]).reshape(count, -1, a.columns)[:, block.rows, block.columns]
    value, magnitude = parts.sum(axis=0), np.abs(parts).sum(axis=0)
    if a.accumulate:
        value, magnitude = value + wide(w.gradient), magnitude + np.abs(wide(w.gradient))
    return {"worker_gradient": nearly(..., value, count + 1, magnitude)}


@reference
def pack_transposed(a, w, block):
    return {"packed": exactly((block.columns, block.rows), a.matrix[block.rows, block.columns].T)}


@reference
def pack(a, w, block):
    return {"packed": exactly((block.rows, block.columns), a.matrix[block.rows, block.columns])}


# ---------------------------------------------------------------- elementwise.h


def nearest_bfloat16(x):
    """The upper half of the nearest float that has no lower half; NaN as it is, made quiet."""
    words = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    rounded = words + 0x7FFF + (words >> 16 & 1)
    return (np.where(np.isnan(x), words | 0x400000, rounded) >> 16).astype(np.uint32)


def paired(first, second):
    """Pairs of bfloat16 in floats."""
    return (nearest_bfloat16(first) | nearest_bfloat16(second) << 16).view(np.float32)


def paired_rows(x):
    """Pairs along the first axis, the last one with zero where there is no partner."""
    padded = np.concatenate([x, np.zeros((len(x) % 2, *x.shape[1:]), np.float32)])
    return paired(padded[::2], padded[1::2])


def unpaired(pairs):
    """The first elements of pairs, and the second."""
    words = np.ascontiguousarray(pairs).view(np.uint32)
    return wide((words << 16).view(np.float32)), wide((words & 0xFFFF0000).view(np.float32))


def product_of_pairs(left, right):
    """left @ right over pairs, and the same of absolute values."""
    parts = list(zip(unpaired(left), unpaired(right), strict=True))
    return sum(a @ b for a, b in parts), sum(np.abs(a) @ np.abs(b) for a, b in parts)


@reference
def pair_columns(a, w, block):
    width = -(-a.features // 2)
    return {"y": exactly((block.rows, slice(0, width)), paired_rows(a.x[block.rows, : a.features].T).T)}


@reference
def pair_rows(a, w, block):
    region = slice(block.rows.start // 2, -(-block.rows.stop // 2))
    return {"y": exactly(region, paired_rows(a.x[block.rows]))}


@reference
def pack_pairs(a, w, block):
    region = slice(block.rows.start // 2, -(-block.rows.stop // 2))
    return {"packed": exactly((region, block.columns), paired_rows(a.matrix[block.rows, block.columns]))}


@reference
def pack_pairs_transposed(a, w, block):
    region = slice(block.columns.start // 2, -(-block.columns.stop // 2))
    return {"packed": exactly((region, block.rows), paired_rows(a.matrix[block.rows, block.columns].T))}


@reference
def matmul_pairs(a, w, block):
    value, magnitude = product_of_pairs(a.a[block.rows], a.b)
    value, magnitude = with_ends(a, block, value, magnitude)
    return {"c": nearly(block.rows, value, a.inner + 2, magnitude)}


@reference
def matmul_gradient_pairs(a, w, block):
    count = -(-w.rows // 2)
    value, magnitude = product_of_pairs(a.x[:count, block.rows].T, a.dy[:count, block.columns])
    if a.accumulate:
        value, magnitude = value + wide(w.gradient), magnitude + np.abs(wide(w.gradient))
    return {"worker_gradient": nearly(..., value, count + 1, magnitude)}


@reference
def scale_shift(a, w, block):
    product = wide(a.x[block.rows]) * a.scale
    return {"y": nearly(block.rows, product + a.shift, 3, np.abs(product) + abs(a.shift))}


@reference
def relu_forward(a, w, block):
    x = a.x[block.rows]
    return {"y": exactly(block.rows, np.where(x < 0, 0, x).astype(w.real))}


@reference
def relu_backward(a, w, block):
    return {"dx": exactly(block.rows, np.where(a.y[block.rows] > 0, a.dy[block.rows], 0).astype(w.real))}


@reference
def sigmoid_forward(a, w, block):
    return {"y": nearly(block.rows, 1 / (1 + np.exp(-wide(a.x[block.rows]))), 2)}


@reference
def sigmoid_backward(a, w, block):
    y = wide(a.y[block.rows])
    return {"dx": nearly(block.rows, wide(a.dy[block.rows]) * y * (1 - y), 3)}


@reference
def tanh_forward(a, w, block):
    return {"y": nearly(block.rows, np.tanh(wide(a.x[block.rows])), 2)}


@reference
def tanh_backward(a, w, block):
    y, dy = wide(a.y[block.rows]), wide(a.dy[block.rows])
    slope = (1 - y) * (1 + y)
    # where multiply-adds round twice, 1 - y^2 has the error of y^2
    return {"dx": nearly(block.rows, dy * slope, 2, np.abs(dy) * (slope if w.fused else 1))}


@reference
def exp_forward(a, w, block):
    return {"y": nearly(block.rows, np.exp(wide(a.x[block.rows])), 2)}


@reference
def log_forward(a, w, block):
    return {"y": nearly(block.rows, np.log(wide(a.x[block.rows])), 2)}


def in_groups(values, a):
    """(rows, groups, classes)."""
    return values[:, : a.groups * a.classes].reshape(len(values), a.groups, a.classes)


def softmax_parts(x):
    """d = x - max x, the sum of e^d, softmax, and by how many ulps more than a constant each e^d may be wrong."""
    distance = x - x.max(axis=-1, keepdims=True)
    powers = np.exp(distance)
    total = powers.sum(axis=-1, keepdims=True)
    return distance, total, powers / total, np.where(powers > 0, np.abs(distance), 0)


@reference
def softmax_forward(a, w, block):
    x = in_groups(wide(a.x[block.rows]), a)
    _, _, softmax, error = softmax_parts(x)
    # the error of the sum is at most that of its worst term, and terms beyond e^-20 do not count
    magnitude = softmax * (4 + rounding_depth(a.classes) + error + np.minimum(error.max(axis=-1, keepdims=True), 20))
    return {"y": nearly(block.rows, flat(softmax), 1, flat(magnitude))}


@reference
def softmax_backward(a, w, block):
    y, dy = in_groups(wide(a.y[block.rows]), a), in_groups(wide(a.dy[block.rows]), a)
    value = y * (dy - (dy * y).sum(axis=-1, keepdims=True))
    magnitude = np.abs(y) * (np.abs(dy) + np.abs(dy * y).sum(axis=-1, keepdims=True))
    return {"dx": nearly(block.rows, flat(value), 2 + rounding_depth(a.classes), flat(magnitude))}


def flat(values):
    """Groups side by side again."""
    return values.reshape(len(values), -1)


# ---------------------------------------------------------------- random.h


def philox(seed, positions, step, stream):
    """Philox 4x32-10 (Salmon et al., 2011) of the key `seed` and the counters (position, step, stream).

    Returns uint32 (positions, 4).
    """
    positions = np.asarray(positions, np.uint64)
    low = np.uint64(0xFFFFFFFF)
    c0, c1 = positions & low, positions >> np.uint64(32)
    c2, c3 = np.full_like(positions, step & 0xFFFFFFFF), np.full_like(positions, stream & 0xFFFFFFFF)
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        left, right = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (
            (right >> np.uint64(32)) ^ c1 ^ np.uint64(k0),
            right & low,
            (left >> np.uint64(32)) ^ c3 ^ np.uint64(k1),
            left & low,
        )
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], axis=-1).astype(np.uint32)


def random_words(seed, places, step, stream):
    """The 32-bit number at each place of a sequence: word e % 4 of position e / 4."""
    places = np.asarray(places, np.uint64)
    words = philox(seed, places.ravel() // np.uint64(4), step, stream)
    return words[np.arange(places.size), places.ravel() % np.uint64(4)].reshape(places.shape)


def unit_interval(seed, places, stream, real):
    """Uniform numbers in [0, 1) at each place, with as many bits as `real` has."""
    if real == np.float32:
        return (random_words(seed, places, 0, stream) >> np.uint32(8)) * 2.0**-24
    places = np.asarray(places, np.uint64) * np.uint64(2)
    high = random_words(seed, places, 0, stream).astype(np.uint64) >> np.uint64(5)
    low = random_words(seed, places + np.uint64(1), 0, stream).astype(np.uint64) >> np.uint64(6)
    return (high * np.uint64(2**26) + low) * 2.0**-53


def shuffled(count, seed, epoch):
    """The order that nn_shuffle gives: Fisher and Yates from the end, with Lemire's bounded numbers."""
    order, position, numbers = list(range(count)), 0, []
    for last in range(count - 1, 0, -1):
        while True:
            if not numbers:
                numbers = philox(seed, range(position, position + 48), epoch, 0).ravel().tolist()[::-1]
                position += 48
            product = numbers.pop() * (last + 1)
            if product % 2**32 >= 2**32 % (last + 1):
                break
        place = product >> 32
        order[last], order[place] = order[place], order[last]
    return np.array(order, np.int64)


@reference
def dropout(a, w, block):
    x = a.x[block.rows, : a.features]
    places = np.arange(block.rows.start, block.rows.stop)[:, None] * a.features + np.arange(a.features)
    kept = random_words(w.seed, places, w.step, a.stream) >= a.rate * 2.0**32
    scale = 1 / (1 - a.rate) if a.rate < 1 else 0
    magnitude = np.where(kept, np.abs(wide(x)) * scale, 0)  # nothing but 0 where dropped
    return {"y": nearly(block.rows, np.where(kept, wide(x) * scale, 0), 2, magnitude)}


@reference
def random_uniform(a, w, block):
    rows, columns = np.arange(block.rows.start, block.rows.stop), np.arange(block.columns.start, block.columns.stop)
    u = unit_interval(w.seed, rows[:, None] * a.columns + columns, a.stream, w.real)
    product = (wide(w.real(a.high)) - wide(w.real(a.low))) * u
    return {"y": nearly((block.rows, block.columns), a.low + product, 2, abs(a.low) + abs(product))}


# ---------------------------------------------------------------- losses.h


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


def softmax_loss(a, w, block, t, t_error):
    """-sum of t log softmax(x) of each group, and its derivative."""
    x = in_groups(wide(a.prediction[block.rows]), a)
    distance, total, softmax, error = softmax_parts(x)
    sum_error = np.minimum(error.max(axis=-1, keepdims=True), 20)
    targets, size = t.sum(axis=-1, keepdims=True), np.abs(t).sum(axis=-1, keepdims=True)
    value = (targets * np.log(total))[..., 0] - np.where(t == 0, 0, t * distance).sum(axis=-1)
    value_error = (size * (np.log(total) + 2 + sum_error))[..., 0]
    value_error = value_error + np.where(t == 0, 0, (np.abs(t) + t_error) * np.abs(distance)).sum(axis=-1)
    slope = (softmax * targets - t) / a.groups
    slope_error = (softmax * size * (2 + error + sum_error + rounding_depth(a.classes)) + np.abs(t)) / a.groups
    return loss_results(a, w, block, value, value_error, flat(slope), flat(slope_error), 2 * rounding_depth(a.classes))


def one_hot(a, block):
    """Labels as (rows, groups, classes) of 0 and 1, and which of them are classes, (rows, groups, 1)."""
    labels = a.target[block.rows, : a.groups, None]
    return (labels == np.arange(a.classes)).astype(np.longdouble), (labels >= 0) & (labels < a.classes)


def without_unknown(results, a, known):
    """The loss of a label that is no class is NaN, and has no gradient."""
    loss = results["loss"]
    results["loss"] = loss._replace(value=np.where(known.all(axis=(1, 2)), loss.value, np.nan))
    if "gradient" in results:
        gradient = results["gradient"]
        shown = flat(np.broadcast_to(known, (*known.shape[:2], a.classes)))
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
    t, known = one_hot(a, block)
    return without_unknown(softmax_loss(a, w, block, t, np.zeros_like(t)), a, known)


def probability_loss(a, w, block, t):
    """-sum of t log q of each group with q = p / sum of p, clipped, and its derivative."""
    low, high = (wide(bound) for bound in clip_bounds(w.real))
    p = in_groups(wide(a.prediction[block.rows]), a)
    total = p.sum(axis=-1, keepdims=True)
    q = p / total
    logarithm = np.log(np.clip(q, low, high))
    value = -np.where(t == 0, 0, t * logarithm).sum(axis=-1)
    value_error = np.where(t == 0, 0, np.abs(t) * (1 + np.abs(logarithm))).sum(axis=-1)
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
    t, known = one_hot(a, block)
    return without_unknown(probability_loss(a, w, block, t), a, known)


# ---------------------------------------------------------------- metrics.h


@reference
def mean_absolute_error(a, w, block):
    difference = np.abs(wide(a.prediction[block.rows]) - wide(a.target[block.rows]))
    return {"value": nearly(block.rows, difference.mean(axis=1), 2 + rounding_depth(a.features))}


@reference
def binary_accuracy(a, w, block):
    said = a.prediction[block.rows] > w.real(a.threshold)
    return {"value": nearly(block.rows, (said == a.target[block.rows]).mean(axis=1), 1)}


@reference
def categorical_accuracy(a, w, block):
    p, t = in_groups(a.prediction[block.rows], a), in_groups(a.target[block.rows], a)
    return {"value": nearly(block.rows, (p.argmax(axis=-1) == t.argmax(axis=-1)).mean(axis=1), 1)}


@reference
def sparse_categorical_accuracy(a, w, block):
    p = in_groups(a.prediction[block.rows], a)
    return {"value": nearly(block.rows, (p.argmax(axis=-1) == a.target[block.rows, : a.groups]).mean(axis=1), 1)}


# ---------------------------------------------------------------- reports.h


@reference
def require_finite(a, w, block):
    return {"worker_nonfinite": exactly(..., not np.isfinite(a.values[block.rows]).all())}


@reference
def accumulate_sum(a, w, block):
    values = a.values[: w.rows].astype(np.longdouble)
    magnitude = np.abs(values).sum() + np.abs(a.total)
    return {"total": nearly(..., a.total + values.sum(), 1 + rounding_depth(w.rows), magnitude)}


# ---------------------------------------------------------------- optimizers.h


@reference
def store_gradient(a, w, block):
    here = (block.rows, block.columns)
    return {"target": exactly(here, a.target[here] + w.gradient if a.accumulate else w.gradient)}


@reference
def load_gradient(a, w, block):
    return {"worker_gradient": exactly(..., a.source[block.rows, block.columns])}


@reference
def prefetch(a, w, block):
    return {}


@reference
def sgd(a, w, block):
    here = (block.rows, block.columns)
    p, change = wide(a.parameter[here]), w.learning_rate * wide(w.gradient)
    return {"parameter": nearly(here, p - change, 2, np.abs(p) + np.abs(change))}


@reference
def sgd_momentum(a, w, block):
    here = (block.rows, block.columns)
    p, change = wide(a.parameter[here]), w.learning_rate * wide(w.gradient)
    kept = a.momentum * wide(a.velocity[here])
    v, size = kept - change, np.abs(kept) + np.abs(change)
    moved = p + a.momentum * v - change if a.nesterov else p + v
    return {
        "velocity": nearly(here, v, 3, size),
        "parameter": nearly(here, moved, 4, np.abs(p) + size + np.abs(change)),
    }


@reference
def adam_coefficients(a, w, block):
    def one_minus_power(beta):
        return -np.expm1(w.step * np.log1p(np.longdouble(beta) - 1)) if beta > 0 else np.longdouble(1)

    values = [w.learning_rate / one_minus_power(a.beta_1), 1 / one_minus_power(a.beta_2)]
    return {"worker_coefficient": nearly(slice(2), np.array(values), 64)}


@reference
def adam(a, w, block):
    here = (block.rows, block.columns)
    p, g = wide(a.parameter[here]), wide(w.gradient)
    old_s, old_r = a.beta_1 * wide(a.first_moment[here]), a.beta_2 * wide(a.second_moment[here])
    s, r = old_s + (1 - a.beta_1) * g, old_r + (1 - a.beta_2) * g * g
    size = np.abs(old_s) + (1 - a.beta_1) * np.abs(g)
    inside = a.epsilon_inside_sqrt
    root = np.sqrt(w.coefficient[1] * r + a.epsilon) if inside else np.sqrt(w.coefficient[1] * r) + a.epsilon
    return {
        "first_moment": nearly(here, s, 3, size),
        "second_moment": nearly(here, r, 4, old_r + (1 - a.beta_2) * g * g),
        "parameter": nearly(here, p - w.coefficient[0] * s / root, 10, np.abs(p) + w.coefficient[0] * size / root),
    }


@reference
def rmsprop(a, w, block):
    here = (block.rows, block.columns)
    p, g = wide(a.parameter[here]), wide(w.gradient)
    r = a.rho * wide(a.mean_square[here]) + (1 - a.rho) * g * g
    results = {"mean_square": nearly(here, r, 4)}
    under, under_error = r, r
    if a.mean is not None:
        old = a.rho * wide(a.mean[here])
        m, size = old + (1 - a.rho) * g, np.abs(old) + (1 - a.rho) * np.abs(g)
        results["mean"] = nearly(here, m, 3, size)
        under, under_error = np.maximum(0, r - m * m), r + size * size
    root = np.sqrt(under + a.epsilon) if a.epsilon_inside_sqrt else np.sqrt(under) + a.epsilon
    change = w.learning_rate * g / root
    # the relative error of a root is half of that below it, which a subtraction may have raised
    below = under + a.epsilon if a.epsilon_inside_sqrt else np.maximum(under, np.finfo(w.real).tiny)
    change_error = np.abs(change) * (1 + under_error / below)
    if a.velocity is not None:
        old = a.momentum * wide(a.velocity[here])
        change, change_error = old + change, np.abs(old) + change_error
        results["velocity"] = nearly(here, change, 6, change_error)
    results["parameter"] = nearly(here, p - change, 7, np.abs(p) + change_error)
    return results


# ---------------------------------------------------------------- the matrix product bit by bit


def fused_multiply_add(a, b, c):
    """A b + c rounded once, for finite float32 or float64 arrays whose products do not underflow.

    The sum is first rounded to odd, in twice the bits, from where the second rounding does no harm: Boldo and
    Melquiond, "Emulation of FMA and correctly rounded sums", IEEE Transactions on Computers, 2008.
    """
    if a.dtype == np.float32:
        return _to_odd(*_two_sum(a.astype(np.float64) * b, c.astype(np.float64))).astype(np.float32)
    product, product_error = _two_product(a, b)
    upper, lower = _two_sum(c, product_error)
    total, error = _two_sum(product, upper)
    return total + _to_odd(*_two_sum(error, lower))


def _two_sum(a, b):
    """A + b rounded, and what rounding took from it (Knuth)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _two_product(a, b):
    """A b rounded, and what rounding took from it (Dekker, with Veltkamp's splitting)."""

    def split(x):
        scaled = 134217729.0 * x  # 2^27 + 1
        high = scaled - (scaled - x)
        return high, x - high

    product = a * b
    (a_high, a_low), (b_high, b_low) = split(a), split(b)
    return product, a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _to_odd(total, error):
    """Total + error rounded to odd: an inexact sum becomes that neighbour whose last bit is 1."""
    bits = np.asarray(total).view(np.int64)
    away = np.where((error > 0) == (total > 0), 1, -1)
    return np.where((error != 0) & (bits % 2 == 0), bits + away, bits).view(np.float64)


def product_chains(a, b, stops, fused):
    """Yields (k, a[:, :k] @ b[:k]) for each of `stops`: chains of multiply-adds in increasing order from zero."""
    total = np.zeros((len(a), b.shape[1]), a.dtype)
    for k in range(max(stops) + 1):
        if k in stops:
            yield k, total
        if k < max(stops):
            left, right = np.broadcast_arrays(a[:, k, None], b[k])
            total = fused_multiply_add(left, right, total) if fused else left * right + total

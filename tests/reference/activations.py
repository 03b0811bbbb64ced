"""What the kernels of activations.h, last_axis.h and prelu.h compute."""

import numpy as np

from reference.base import nearly, reference, rounding_depth, wide
from reference.elementwise import flat, in_groups

FAR = 11_000  # e^-FAR is 0 in double, and in long double a number


def real(a, w, *names):
    """Scalars as the kernel has them: rounded to its type."""
    return [wide(w.real(getattr(a, name))) for name in names]


def bounded(x):
    """x without what lies so far out that nothing changes there any more; NaN stays."""
    return np.clip(x, -FAR, FAR)


def lower_bounded(x):
    return np.maximum(x, -FAR)


def underflow(w, factor):
    """The error of an intermediate result that has become denormal, times a factor: as a magnitude."""
    return np.abs(factor) * wide(np.finfo(w.real).tiny)


def normal_density(z):
    """e^(-z^2 / 2) / sqrt(2 pi) in the type of z."""
    return np.exp(-z * z / 2) / np.sqrt(8 * np.arctan(np.ones((), z.dtype)))


def normal_tail(z):
    """The probability that a normal number exceeds z >= 0, in the type of z: 1/2 less a series, or a fraction.

    Up to 2 the terms of the series are positive, and the difference loses 5 bits; beyond, the continued fraction
    (Laplace) has converged after 100 terms.
    """
    z = np.asarray(z)
    near = np.where(z < 2, z, 0)
    term = total = near
    for k in range(1, 45):
        term = term * near * near / (2 * k + 1)
        total = total + term
    far = np.where(z < 2, 2, np.minimum(z, 150))
    fraction = far
    for k in range(100, 0, -1):
        fraction = far + k / fraction
    return np.where(z < 2, z.dtype.type(0.5) - normal_density(near) * total, normal_density(far) / fraction)


def gelu(x):
    """x times the normal distribution's share below x."""
    z = np.minimum(np.abs(x), 150)
    return np.maximum(x, 0) - z * normal_tail(z)


def mish(x):
    """x tanh(log(1 + e^x)) without differences of near numbers."""
    x, e = lower_bounded(x), np.exp(-np.abs(bounded(x)))
    return x * np.where(x < 0, e * (e + 2) / (e * (e + 2) + 2), (1 + 2 * e) / (1 + 2 * e + 2 * e * e))


def silu(x):
    x = lower_bounded(x)
    return x / (1 + np.exp(-x))


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def squareplus(x, b):
    root = np.sqrt(x * x + b)
    return np.where(x < 0, b / 2 / (root - x), (x + root) / 2)


def softsign(x, limit):
    x = np.clip(x, -limit, limit)
    return x / (1 + np.abs(x))


def by_piece(x, low, high, closed, below, middle, above):
    """The choice among three pieces; NaN is in any."""
    is_below, is_above = (x < low, x > high) if closed else (x <= low, x >= high)
    return np.where(is_below, below, np.where(is_above, above, middle))


def piecewise(a, w, x):
    low, high = real(a, w, "low", "high")
    values = []
    for piece in ("below", "middle", "above"):
        slope, term = real(a, w, f"slope_{piece}", f"term_{piece}")
        values.append(slope * (x - term) if slope else np.where(np.isnan(x), x, term))
    return by_piece(x, low, high, a.closed, *values)


@reference
def piecewise_forward(a, w, block):
    return {"y": nearly(block.rows, piecewise(a, w, wide(a.x[block.rows])), 2)}


@reference
def piecewise_backward(a, w, block):
    at, scalars = wide(a.at[block.rows]), real(a, w, "low", "high")
    slopes = real(a, w, "slope_below", "slope_middle", "slope_above")
    at = np.where(np.isnan(at), np.inf if a.closed else -np.inf, at)  # what comparisons with NaN come to
    if a.closed:
        slopes[2] = np.where(np.isnan(a.at[block.rows]), slopes[1], slopes[2])
    slope = by_piece(at, *scalars, a.closed, *slopes)
    return {"dx": nearly(block.rows, wide(a.dy[block.rows]) * slope, 1)}


def parabola_parts(a, w, x):
    low, high, factor, root = real(a, w, "low", "high", "factor", "root")
    return lambda below, middle, above: by_piece(x, low, high, False, below, middle(factor, low, root), above)


@reference
def parabola_forward(a, w, block):
    x = wide(a.x[block.rows])
    choose = parabola_parts(a, w, x)
    value = choose(np.where(np.isnan(x), x, 0), lambda factor, low, root: factor * (x - low) * (x - root), x)
    return {"y": nearly(block.rows, value, 3)}


@reference
def parabola_backward(a, w, block):
    x, dy = wide(a.x[block.rows]), wide(a.dy[block.rows])
    choose = parabola_parts(a, w, np.where(np.isnan(x), -np.inf, x))
    value = dy * choose(0, lambda factor, low, root: factor * (x - low + x - root), 1)
    size = choose(1, lambda factor, low, root: factor * (np.abs(x - low) + np.abs(x - root)), 1)
    return {"dx": nearly(block.rows, value, 3, np.abs(dy) * size)}


@reference
def exponential_linear_forward(a, w, block):
    x = wide(a.x[block.rows])
    scale, height, rate = real(a, w, "scale", "height", "rate")
    return {"y": nearly(block.rows, np.where(x > 0, scale * x, height * np.expm1(np.minimum(rate * x, 0))), 4)}


@reference
def exponential_linear_backward(a, w, block):
    y, dy = wide(a.y[block.rows]), wide(a.dy[block.rows])
    scale, height, rate = real(a, w, "scale", "height", "rate")
    return {"dx": nearly(block.rows, dy * np.where(y > 0, scale, rate * (y + height)), 2)}


@reference
def exp_backward(a, w, block):
    return {"dx": nearly(block.rows, wide(a.dy[block.rows]) * wide(a.y[block.rows]), 1)}


@reference
def softsign_forward(a, w, block):
    return {"y": nearly(block.rows, softsign(wide(a.x[block.rows]), np.finfo(w.real).max), 2)}


@reference
def softsign_backward(a, w, block):
    return {"dx": nearly(block.rows, wide(a.dy[block.rows]) * (1 - np.abs(wide(a.y[block.rows]))) ** 2, 3)}


@reference
def softplus_forward(a, w, block):
    return {"y": nearly(block.rows, a.sign * softplus(a.sign * wide(a.x[block.rows])), 2)}


@reference
def softplus_backward(a, w, block):
    y, dy = wide(a.y[block.rows]), wide(a.dy[block.rows])
    return {"dx": nearly(block.rows, dy * -np.expm1(-np.abs(y)), 3)}


@reference
def sigmoid_gate_forward(a, w, block):
    x = lower_bounded(wide(a.x[block.rows]))
    linear, cubic = real(a, w, "linear", "cubic")
    h = x * (linear + cubic * np.minimum(x, FAR) ** 2)
    y = x / (1 + np.exp(-h))
    # an error of h is one of e^h, and counts as far as s is not 1; h = x has none
    error = np.abs(bounded(h)) / (1 + np.exp(bounded(h))) if cubic else 0
    return {"y": nearly(block.rows, y, 3, np.abs(y) * (1 + error))}


@reference
def sigmoid_gate_backward(a, w, block):
    x, dy = bounded(wide(a.x[block.rows])), wide(a.dy[block.rows])
    linear, cubic = real(a, w, "linear", "cubic")
    h, steepness = x * (linear + cubic * x**2), linear + 3 * cubic * x**2
    s, e = 1 / (1 + np.exp(-bounded(h))), np.exp(-np.abs(bounded(h)))
    bend = x * steepness * e / (1 + e) ** 2
    error = 1 + np.abs(bounded(h)) * (1 if cubic else 0)
    magnitude = s * (1 + (error - 1) / (1 + np.exp(bounded(h)))) + np.abs(bend) * error
    lost = underflow(w, dy * (1 + np.abs(x * steepness)))
    return {"dx": nearly(block.rows, dy * (s + bend), 5, np.abs(dy) * magnitude + lost)}


@reference
def mish_forward(a, w, block):
    return {"y": nearly(block.rows, mish(wide(a.x[block.rows])), 4)}


@reference
def mish_backward(a, w, block):
    x, dy = bounded(wide(a.x[block.rows])), wide(a.dy[block.rows])
    power = np.exp(-np.abs(x))
    sigmoid = np.where(x < 0, power, 1) / (1 + power)
    e = np.where(x < 0, power, 1 / np.maximum(power, np.exp(wide(w.real(-300)))))
    tanh = np.where(x < 0, e * (e + 2) / (e * (e + 2) + 2), (1 + 2 * power) / (1 + 2 * power + 2 * power * power))
    rest = np.where(x < 0, 4 * (1 + e) ** 2 / (e * (e + 2) + 2) ** 2,
                    4 * power**2 * (1 + power) ** 2 / (1 + 2 * power + 2 * power**2) ** 2)  # fmt: skip
    bend = x * sigmoid * rest
    magnitude = np.abs(dy) * (tanh + np.abs(bend)) + underflow(w, dy * (1 + np.abs(x)))
    return {"dx": nearly(block.rows, dy * (tanh + bend), 5, magnitude)}


@reference
def gelu_forward(a, w, block):
    return {"y": nearly(block.rows, gelu(wide(a.x[block.rows])), 2 if w.real == np.float32 else 4)}


@reference
def gelu_backward(a, w, block):
    x, dy = wide(a.x[block.rows]), wide(a.dy[block.rows])
    z = np.minimum(np.abs(x), 150)
    tail, bend = normal_tail(z), z * normal_density(z)
    value, magnitude = np.where(x < 0, tail - bend, 1 - tail + bend), np.where(x < 0, tail + bend, 1 + tail + bend)
    return {"dx": nearly(block.rows, dy * value, 4, np.abs(dy) * magnitude)}


@reference
def squareplus_forward(a, w, block):
    return {"y": nearly(block.rows, squareplus(wide(a.x[block.rows]), *real(a, w, "b")), 4)}


@reference
def squareplus_backward(a, w, block):
    y, (b,) = wide(a.y[block.rows]), real(a, w, "b")
    slope = 1 / (1 + b / 4 / np.maximum(y, np.finfo(w.real).tiny) ** 2)
    return {"dx": nearly(block.rows, wide(a.dy[block.rows]) * slope, 5)}


@reference
def tanh_shrink_forward(a, w, block):
    x = wide(a.x[block.rows])
    value = np.where(np.isinf(x), x, x - np.tanh(x))
    return {"y": nearly(block.rows, value, 2, np.abs(value) + np.abs(np.tanh(x)))}


@reference
def tanh_shrink_backward(a, w, block):
    return {"dx": nearly(block.rows, wide(a.dy[block.rows]) * np.tanh(wide(a.x[block.rows])) ** 2, 5)}


@reference
def log_softmax_forward(a, w, block):
    x = in_groups(wide(a.x[block.rows]), a)
    distance = x - x.max(axis=-1, keepdims=True)
    powers = np.exp(distance)
    total = powers.sum(axis=-1, keepdims=True)
    # the sum's relative error is an absolute one of its logarithm
    error = 2 + rounding_depth(a.classes) + (powers * np.where(powers > 0, -distance, 0)).sum(-1, keepdims=True) / total
    magnitude = np.where(np.isinf(distance), 0, np.abs(distance)) + np.log(total) + error
    return {"y": nearly(block.rows, flat(distance - np.log(total)), 1, flat(magnitude))}


@reference
def log_softmax_backward(a, w, block):
    y, dy = in_groups(wide(a.y[block.rows]), a), in_groups(wide(a.dy[block.rows]), a)
    value = dy - np.exp(y) * dy.sum(axis=-1, keepdims=True)
    magnitude = np.abs(dy) + np.exp(y) * np.abs(dy).sum(axis=-1, keepdims=True)
    return {"dx": nearly(block.rows, flat(value), 2 + rounding_depth(a.classes), flat(magnitude))}


def halves(a, block):
    """p, q and 1 / (1 + e^-q), each (rows, groups, units)."""
    x = wide(a.x[block.rows]).reshape(-1, a.groups, 2, a.units)
    return x[:, :, 0], x[:, :, 1], 1 / (1 + np.exp(-x[:, :, 1]))


@reference
def glu_forward(a, w, block):
    p, _, gate = halves(a, block)
    return {"y": nearly(block.rows, flat(p * gate), 3, flat(np.abs(p * gate) + underflow(w, p)))}


@reference
def glu_backward(a, w, block):
    p, q, gate = halves(a, block)
    dy = wide(a.dy[block.rows]).reshape(p.shape)
    dq = dy * p * gate / (1 + np.exp(q))
    value = np.stack([dy * gate, np.where(np.isinf(q), dy * p * 0, dq)], axis=2)
    magnitude = np.stack([np.abs(dy * gate) + underflow(w, dy), np.abs(dy * p * gate) + underflow(w, dy * p)], axis=2)
    magnitude[:, :, 1] += underflow(w, 1) + underflow(w, p)
    return {"dx": nearly(block.rows, flat(value), 4, flat(magnitude))}


def with_slopes(values, a):
    """(rows, outer, middle, inner), and alpha along the third axis."""
    return wide(values).reshape(-1, a.outer, a.middle, a.inner), wide(a.alpha)[:, None]


@reference
def prelu_forward(a, w, block):
    x, alpha = with_slopes(a.x[block.rows], a)
    below = np.where((alpha == 0) & ~np.isnan(x), 0, alpha * x)
    return {"y": nearly(block.rows, flat(np.where(x > 0, x, below)), 1)}


@reference
def prelu_backward(a, w, block):
    x, alpha = with_slopes(a.x[block.rows], a)
    dy = wide(a.dy[block.rows]).reshape(x.shape)
    found = {}
    if a.dx is not None:
        found["dx"] = nearly(block.rows, flat(np.where(x > 0, dy, alpha * dy)), 1)
    if a.alpha_terms is not None:
        terms = dy * np.minimum(x, 0)
        depth = a.outer + rounding_depth(a.inner)
        found["alpha_terms"] = nearly(block.rows, terms.sum((1, 3)), depth, np.abs(terms).sum((1, 3)))
    return found


@reference
def prelu_gradient(a, w, block):
    terms = wide(a.terms[: w.rows]).reshape(w.rows, a.terms.shape[1] // a.columns, a.columns)
    terms = terms[:, block.rows, block.columns]
    value, magnitude = terms.sum(axis=0), np.abs(terms).sum(axis=0)
    if a.accumulate:
        value, magnitude = value + wide(w.gradient), magnitude + np.abs(wide(w.gradient))
    return {"worker_gradient": nearly(..., value, w.rows / 8 + 2, magnitude)}

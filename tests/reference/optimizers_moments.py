"""What the kernels of optimizers_moments.h compute."""

import numpy as np

from reference.base import nearly, reference, wide


def moving(old, new):
    """(keep old + fresh new, the sum of the absolute values) of pairs of a factor and an array."""
    (keep, state), (fresh, values) = old, new
    a, b = keep * wide(state), fresh * values
    return a + b, np.abs(a) + np.abs(b)


def one_minus_power(beta, exponent):
    """1 - beta^exponent without cancellation."""
    return -np.expm1(exponent * np.log1p(np.longdouble(beta) - 1)) if beta > 0 else np.longdouble(1)


@reference
def adamax_coefficients(a, w, block):
    return {"worker_coefficient": nearly(0, w.learning_rate / one_minus_power(a.beta_1, w.update), 64)}


@reference
def adamax(a, w, block):
    here = (block.rows, block.columns)
    p, g = wide(a.parameter[here]), wide(w.gradient)
    s, size = moving((a.beta_1, a.first_moment[here]), (1 - a.beta_1, g))
    n = np.maximum(a.beta_2 * wide(a.norm[here]), np.abs(g))
    scale = w.coefficient[0] / (n + a.epsilon)
    return {
        "first_moment": nearly(here, s, 3, size),
        "norm": nearly(here, n, 1),
        "parameter": nearly(here, p - scale * s, 8, np.abs(p) + scale * size),
    }


@reference
def nadam_coefficients(a, w, block):
    t, beta = w.update, np.longdouble(a.beta_1)
    powers = np.longdouble("0.96") ** np.arange(1, min(t, 2000) + 1)
    product = np.prod(1 - powers / 2) * beta**t
    momentum, following = (beta * (1 - np.longdouble("0.96") ** i / 2) for i in (t, t + 1))
    values = [
        w.learning_rate * following / (1 - product * following),
        w.learning_rate * (1 - momentum) / (1 - product),
        1 / one_minus_power(a.beta_2, t),
    ]
    # roundings of up to 900 factors, which partly cancel: 1e-14
    return {"worker_coefficient": nearly(slice(3), np.array(values), 64)}


@reference
def nadam(a, w, block):
    here = (block.rows, block.columns)
    p, g = wide(a.parameter[here]), wide(w.gradient)
    s, size = moving((a.beta_1, a.first_moment[here]), (1 - a.beta_1, g))
    r, r_size = moving((a.beta_2, a.second_moment[here]), (1 - a.beta_2, g * g))
    root = np.sqrt(w.coefficient[2] * r) + a.epsilon
    direction = w.coefficient[0] * s + w.coefficient[1] * g
    magnitude = w.coefficient[0] * size + w.coefficient[1] * np.abs(g)
    return {
        "first_moment": nearly(here, s, 3, size),
        "second_moment": nearly(here, r, 4, r_size),
        "parameter": nearly(here, p - direction / root, 10, np.abs(p) + magnitude / root),
    }


@reference
def lion(a, w, block):
    here = (block.rows, block.columns)
    p, g = wide(a.parameter[here]), wide(w.gradient)
    direction, size = moving((a.beta_1, a.mean[here]), (1 - a.beta_1, g))
    mean, mean_size = moving((a.beta_2, a.mean[here]), (1 - a.beta_2, g))
    # where the rounding of a sum may have changed its sign, any value from -learning_rate to learning_rate will do
    step = w.learning_rate * np.sign(direction)
    unsure = np.abs(direction) <= 4 * np.finfo(w.real).eps * size
    magnitude = np.abs(p) + w.learning_rate * (1 + np.where(unsure & (size > 0), 1 / np.finfo(w.real).eps, 0))
    return {"mean": nearly(here, mean, 3, mean_size), "parameter": nearly(here, p - step, 2, magnitude)}

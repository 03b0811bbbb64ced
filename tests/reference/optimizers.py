"""What the kernels of optimizers.h compute."""

import numpy as np

from reference.base import exactly, nearly, reference, wide


@reference
def store_gradient(a, w, block):
    here = (block.rows, block.columns)
    return {"target": exactly(here, a.target[here] + w.gradient if a.accumulate else w.gradient)}


@reference
def load_gradient(a, w, block):
    return {"worker_gradient": exactly(..., a.source[block.rows, block.columns])}


@reference
def point_gradient(a, w, block):  # what follows from it is tested in test_optimizers.py
    return {}


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
        return -np.expm1(w.update * np.log1p(np.longdouble(beta) - 1)) if beta > 0 else np.longdouble(1)

    rate, b2 = w.learning_rate / one_minus_power(a.beta_1), one_minus_power(a.beta_2)
    values = [rate, 1 / b2] if a.corrected else [rate * np.sqrt(b2), np.longdouble(1)]
    return {"worker_coefficient": nearly(slice(2), np.array(values), 64)}


@reference
def adam(a, w, block):
    here = (block.rows, block.columns)
    p, g = wide(a.parameter[here]), wide(w.gradient)
    old_s, old_r = a.beta_1 * wide(a.first_moment[here]), a.beta_2 * wide(a.second_moment[here])
    s, r = old_s + (1 - a.beta_1) * g, old_r + (1 - a.beta_2) * g * g
    size = np.abs(old_s) + (1 - a.beta_1) * np.abs(g)
    inside = a.epsilon_inside_sqrt
    results, r_size = {}, old_r + (1 - a.beta_2) * g * g
    under = r
    if a.maximum is not None:
        under = np.maximum(wide(a.maximum[here]), r)
        results["maximum"] = nearly(here, under, 4)
    root = np.sqrt(w.coefficient[1] * under + a.epsilon) if inside else np.sqrt(w.coefficient[1] * under) + a.epsilon
    return {
        **results,
        "first_moment": nearly(here, s, 3, size),
        "second_moment": nearly(here, r, 4, r_size),
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

"""What the kernels of optimizers_accumulators.h compute."""

import numpy as np

from reference.base import nearly, reference, wide


@reference
def adagrad(a, w, block):
    here = (block.rows, block.columns)
    p, g = wide(a.parameter[here]), wide(w.gradient)
    r = wide(a.accumulator[here]) + g * g
    root = np.sqrt(r + a.epsilon) if a.epsilon_inside_sqrt else np.sqrt(r) + a.epsilon
    change = w.learning_rate * g / root
    return {
        "accumulator": nearly(here, r, 2),
        "parameter": nearly(here, p - change, 7, np.abs(p) + np.abs(change)),
    }


@reference
def adadelta(a, w, block):
    here = (block.rows, block.columns)
    p, g = wide(a.parameter[here]), wide(w.gradient)
    r = a.rho * wide(a.squared_gradient[here]) + (1 - a.rho) * g * g
    old = wide(a.squared_change[here])
    change = np.sqrt(old + a.epsilon) * g / np.sqrt(r + a.epsilon)
    return {
        "squared_gradient": nearly(here, r, 4),
        "squared_change": nearly(here, a.rho * old + (1 - a.rho) * change * change, 20),
        "parameter": nearly(here, p - w.learning_rate * change, 10, np.abs(p) + w.learning_rate * np.abs(change)),
    }


@reference
def ftrl(a, w, block):
    here = (block.rows, block.columns)
    if w.learning_rate == 0:
        return {}
    p, g, old = wide(a.parameter[here]), wide(w.gradient), wide(a.accumulator[here])
    rate = wide(w.real(w.learning_rate))  # which has so many bits in the vectors
    r = old + g * g
    of_r, of_old = r**a.power, old**a.power
    # e^y magnifies the error of y, which is power * log; the root has no such error
    ulps = 4 + (0 if a.power in (0, 0.5) else 2 * np.abs(a.power * np.log(np.maximum(old, 1e-40))).max())
    z_old, shrunk = wide(a.linear[here]), 2 * a.l2_shrinkage * p
    z = z_old + g + shrunk - (of_r - of_old) / rate * p
    z_size = np.abs(z_old) + np.abs(g) + np.abs(shrunk) + (of_r + of_old) / rate * np.abs(p)
    denominator = of_r / rate + 2 * a.l2 + a.beta / rate
    clipped = np.clip(z, -a.l1, a.l1)
    return {
        "accumulator": nearly(here, r, 2),
        "linear": nearly(here, z, 2 * ulps, z_size),
        "parameter": nearly(here, (clipped - z) / denominator, 4 * ulps, (z_size + a.l1) / denominator),
    }

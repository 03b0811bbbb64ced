"""What the kernels of schedules.h compute: the learning rate, in float64 whatever the kernel's type is."""

import numpy as np

from reference.base import exactly, nearly, reference

ULPS = 64  # some 1.5e-14, for chains of a few dozen operations
PI = np.longdouble("3.14159265358979323846264338327950288")


def rate(value, magnitude=None):
    """The learning rate, within 64 units in the last place."""
    value = np.longdouble(value)
    return {"worker_learning_rate": nearly(..., value, ULPS, magnitude)}


def half_wave(x):
    """(1 + cos(pi x)) / 2 for x from 0 to 1."""
    return np.cos(PI / 2 * np.longdouble(min(x, 1))) ** 2 if x < 1 else np.longdouble(0)


def steps_before(w):
    """The number of updates before this one, in long double."""
    return np.longdouble(w.update - 1)


@reference
def exponential_decay(a, w, block):
    p = steps_before(w) / np.longdouble(a.decay_steps)
    return rate(a.initial * np.longdouble(a.decay_rate) ** (np.floor(p) if a.staircase else p))


@reference
def inverse_time_decay(a, w, block):
    p = steps_before(w) / np.longdouble(a.decay_steps)
    return rate(a.initial / (1 + np.longdouble(a.decay_rate) * (np.floor(p) if a.staircase else p)))


@reference
def polynomial_decay(a, w, block):
    t, last = steps_before(w), np.longdouble(a.decay_steps)
    if a.cycle:
        last *= max(1, np.ceil(t / last))
    share = (1 - min(t, last) / last) ** np.longdouble(a.power)
    return rate(a.end + (np.longdouble(a.initial) - a.end) * share, np.longdouble(a.initial * share + a.end))


@reference
def inverse_square_root_decay(a, w, block):
    return rate(a.initial / np.sqrt(steps_before(w) + 1))


@reference
def piecewise_constant(a, w, block):
    place = np.searchsorted(a.boundaries, w.update - 1, side="left")
    return {"worker_learning_rate": exactly(..., a.values[place])}


@reference
def cosine_decay(a, w, block):
    t = steps_before(w)
    if t < a.warmup_steps:
        return rate(a.initial + (np.longdouble(a.peak) - a.initial) * t / a.warmup_steps)
    wave = half_wave((t - a.warmup_steps) / a.decay_steps)
    return rate(a.peak * (a.alpha + (1 - np.longdouble(a.alpha)) * wave))


@reference
def cosine_decay_restarts(a, w, block):
    passed, length, height = steps_before(w) / np.longdouble(a.first_steps), np.longdouble(1), np.longdouble(1)
    left = passed
    if a.longer == 1:  # periods too many to count one by one
        height = np.longdouble(a.higher) ** np.floor(left)
        left %= 1
    while left >= length:
        left, length, height = left - length, length * a.longer, height * a.higher
    value = a.initial * (a.alpha + (1 - np.longdouble(a.alpha)) * height * half_wave(left / length))
    # where a period begins is known to some units in the last place of where it ends
    return rate(value, value + a.initial * height * passed / length)


@reference
def cyclic(a, w, block):
    phase = steps_before(w) % (2 * a.step_size)
    up = 1 - np.abs(phase / np.longdouble(a.step_size) - 1)
    return rate(a.initial + (np.longdouble(a.maximal) - a.initial) * up, np.longdouble(a.initial + a.maximal))


@reference
def annealing(a, w, block):
    t, begin = steps_before(w), np.longdouble(0)
    for phase, end in enumerate(a.ends):
        if t <= end or phase == len(a.ends) - 1:
            break
        begin = np.longdouble(end)
    passed = (t - begin) / (end - begin) if t < end else np.longdouble(1)
    left = half_wave(passed) if a.cosine else 1 - passed
    return rate(a.rates[phase + 1] + (np.longdouble(a.rates[phase]) - a.rates[phase + 1]) * left)


@reference
def warmup(a, w, block):
    t = steps_before(w)
    return rate(a.peak * t / a.steps if t < a.steps else w.learning_rate)


@reference
def tabulated_rate(a, w, block):
    return {"worker_learning_rate": exactly(..., a.table[(w.update - 1) % a.count])}

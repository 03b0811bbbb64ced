"""What the kernels of normal.h compute."""

import numpy as np

from reference.base import nearly, reference, wide
from reference.random import random_words

# Wichura's AS 241, PPND16: numerators and denominators by rising powers, for the middle, the sides and the ends.
MIDDLE = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
     3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)  # fmt: skip
SIDES = (
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1,
     1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)  # fmt: skip
ENDS = (
    (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2, 7.86869131145613259100e-4,
     1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)  # fmt: skip
ULPS = 8  # of a quantile, whose largest error seen is 5.5: PPND7's own 10^-7, and the roundings of either


def normal_quantile(tail, middle):
    """The z >= 0 above which a standard normal number lies with probability `tail` = 1/2 - `middle`."""
    root = np.sqrt(-np.log(tail))

    def quotient(coefficients, x):
        over, under = (np.polyval(np.array(c[::-1], x.dtype), x) for c in coefficients)
        return over / under

    near = middle * quotient(MIDDLE, x=0.180625 - middle * middle)
    far = np.where(root <= 5, quotient(SIDES, root - 1.6), quotient(ENDS, root - 5))
    return np.where(middle <= 0.425, near, far)


def signed_half(seed, places, step, stream, real):
    """Halves of uniform numbers in (0, 1) of either sign, rounded as the kernel rounds them."""
    places = np.asarray(places, np.uint64)
    if real == np.float32:
        words = random_words(seed, places, step, stream)
        half = ((words & np.uint32(0x7FFFFFFF)).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-32)
    else:
        words = random_words(seed, places * np.uint64(2), step, stream)
        low = random_words(seed, places * np.uint64(2) + np.uint64(1), step, stream).astype(np.uint64)
        whole = (words & np.uint32(0x7FFFFFFF)).astype(np.uint64) << np.uint64(32) | low
        half = (whole.astype(np.float64) + 0.5) * 2.0**-64
    return np.where(words >> np.uint32(31), -half, half)


def normals(seed, places, step, stream, real, truncated=False):
    """Standard normal numbers, or those between -2 and 2."""
    half = signed_half(seed, places, step, stream, real)
    magnitude = np.abs(half)
    if truncated:
        part = (magnitude * real(0.95449973610364158560)).astype(real)
        tail, middle = (real(0.5) - part).astype(real), part
    else:
        tail, middle = magnitude, (real(0.5) - magnitude).astype(real)
    return np.copysign(normal_quantile(wide(tail), wide(middle)), half)


@reference
def random_normal(a, w, block):
    rows, columns = np.arange(block.rows.start, block.rows.stop), np.arange(block.columns.start, block.columns.stop)
    z = normals(w.seed, rows[:, None] * a.columns + columns, 0, a.stream, w.real, a.truncated)
    product = wide(w.real(a.stddev)) * z
    return {"y": nearly((block.rows, block.columns), a.mean + product, ULPS, abs(a.mean) + np.abs(product))}


def noise_of(a, w, block):
    """Stddev z of the block, (rows, features)."""
    places = np.arange(block.rows.start, block.rows.stop)[:, None] * a.features + np.arange(a.features)
    return wide(w.real(a.stddev)) * normals(w.seed, places, w.step, a.stream, w.real)


@reference
def gaussian_noise(a, w, block):
    x, noise = wide(a.x[block.rows, : a.features]), noise_of(a, w, block)
    return {"y": nearly(block.rows, x + noise, ULPS, np.abs(x) + np.abs(noise))}


@reference
def gaussian_dropout(a, w, block):
    x, noise = wide(a.x[block.rows, : a.features]), noise_of(a, w, block)
    return {"y": nearly(block.rows, x * (1 + noise), ULPS, np.abs(x) * (1 + np.abs(noise)))}

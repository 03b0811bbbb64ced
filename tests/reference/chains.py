"""The matrix product bit by bit."""

import numpy as np


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

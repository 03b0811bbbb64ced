"""What the kernels of random.h compute."""

import numpy as np

from reference.base import nearly, reference, wide


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
def alpha_dropout(a, w, block):
    x = wide(a.x[block.rows, : a.features])
    places = np.arange(block.rows.start, block.rows.stop)[:, None] * a.features + np.arange(a.features)
    kept = random_words(w.seed, places, w.step, a.stream) >= a.rate * 2.0**32
    scaled = x * w.real(a.scale)
    magnitude = np.where(kept, np.abs(scaled) + abs(a.shift), abs(a.dropped))
    return {"y": nearly(block.rows, np.where(kept, scaled + a.shift, a.dropped), 3, magnitude)}


@reference
def random_uniform(a, w, block):
    rows, columns = np.arange(block.rows.start, block.rows.stop), np.arange(block.columns.start, block.columns.stop)
    u = unit_interval(w.seed, rows[:, None] * a.columns + columns, a.stream, w.real)
    product = (wide(w.real(a.high)) - wide(w.real(a.low))) * u
    return {"y": nearly((block.rows, block.columns), a.low + product, 2, abs(a.low) + abs(product))}

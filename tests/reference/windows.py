"""Windows that slide over images, as kernels get them: both axes as rows of (length, outputs, window, stride, dilation,
before).
"""

import numpy as np


def places(axis):
    """For each output, the taps of its window that lie inside of the axis, and where: [(taps, elements)]."""
    length, outputs, window, stride, dilation, before = (int(n) for n in axis)
    taps = np.arange(window)
    found = []
    for output in range(outputs):
        elements = output * stride - before + taps * dilation
        inside = (elements >= 0) & (elements < length)
        found.append((taps[inside], elements[inside]))
    return found


def images(values, axes, channels, member=0):
    """Samples as (rows, image rows, image columns, channels): of x, or with member=1 of y."""
    return values.reshape(len(values), axes[0][member], axes[1][member], channels)


def every_window(axes):
    """For each output (p, q): its taps and their elements, along both axes."""
    for p, down in enumerate(places(axes[0])):
        for q, across in enumerate(places(axes[1])):
            yield (p, q), (down[0], across[0]), np.ix_(down[1], across[1])

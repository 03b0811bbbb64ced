"""The handwritten digits that ship with the package: 1,797 images of 8 x 8 pixels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nncore._typing import Array

DATA = Path(__file__).with_name("digits.npz")


def load_data() -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Load the handwritten digits, split into training and test images.

    Each pixel counts the black points in a block of 4 x 4 of the scanned digit, so it is a whole number from 0
    to 16; `Rescaling(1 / 16)` as a model's first layer brings it into 0 to 1.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : tuples of arrays
        x_train is (1437, 8, 8), y_train (1437,), x_test (360, 8, 8), y_test (360,); all are uint8. Labels are
        0 to 9. The arrays are new at every call and may be written to.

    Notes
    -----
    The images are sorted by label, images of one label staying in their original order; every fifth of that
    list, from the first on, is a test image. Both parts are then returned in the original order. So every label
    has its share in both parts, and no random number generator decides which images those are. The same people
    wrote training and test digits. Taking the last 360 images instead, which other people wrote, costs a dense
    network six to eight points of accuracy: a useful experiment about generalisation, and not what this split is
    meant for.

    Source: E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository, https://doi.org/10.24432/C50P49, licensed under CC BY 4.0 (see DIGITS-LICENSE.txt beside this file).
    These are the images of its test file, the same that scikit-learn's `load_digits` returns.

    Examples
    --------
    >>> from nncore.datasets import digits
    >>> (x_train, y_train), (x_test, y_test) = digits.load_data()
    >>> x_train.shape, x_train.dtype.name, int(x_train.max())
    ((1437, 8, 8), 'uint8', 16)
    """
    with np.load(DATA, allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    is_test = np.zeros(len(labels), bool)
    is_test[np.argsort(labels, kind="stable")[::5]] = True
    return (images[~is_test], labels[~is_test]), (images[is_test], labels[is_test])

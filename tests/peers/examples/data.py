"""What the programs train on: parts of MNIST where NNCORE_MNIST names its folder, else digits; drawn tables."""

import functools
import os

import numpy as np

import nncore


@functools.cache
def images(train=2000, test=500):
    """((x, y), (x, y)): uint8 images (rows, 28, 28) or (rows, 8, 8), and their digits."""
    if os.environ.get("NNCORE_MNIST"):
        (x, y), (x_test, y_test) = nncore.datasets.mnist.load_data(os.environ["NNCORE_MNIST"])
    else:
        (x, y), (x_test, y_test) = nncore.datasets.digits.load_data()
    return (x[:train], y[:train]), (x_test[:test], y_test[:test])


def rows_of_pixels(x):
    """(rows, pixels) between 0 and 1, in float32."""
    return x.reshape(len(x), -1).astype("float32") / x.max()


@functools.cache
def fraud(rows=4000, features=12):
    """A table with few positive rows: (x, y)."""
    random = np.random.default_rng(12)
    x = random.standard_normal((rows, features)).astype("float32")
    score = x[:, :4].sum(1) + 0.7 * x[:, 4] * x[:, 5] + random.standard_normal(rows)
    return x, (score > np.quantile(score, 0.95)).astype("float32")[:, None]


@functools.cache
def fuel(rows=400):
    """A table of unlike scales and a number that depends on it: (x, y)."""
    random = np.random.default_rng(7)
    x = random.standard_normal((rows, 7)) * [1, 10, 100, 1000, 0.1, 5, 2] + [4, 190, 100, 3000, 15, 75, 1]
    y = 30 - 0.05 * (x[:, 1] - 190) - 0.004 * (x[:, 3] - 3000) + random.standard_normal(rows)
    return x.astype("float32"), y.astype("float32")[:, None]


@functools.cache
def tickets(rows=1200):
    """Bags of words of a title and a text, tags; a priority and a department that depend on them."""
    random = np.random.default_rng(3)
    title, text = (random.poisson(0.3, (rows, words)).astype("float32") for words in (40, 60))
    tags = random.integers(0, 2, (rows, 8)).astype("float32")
    drive = title[:, :20].sum(1) - title[:, 20:].sum(1) + tags[:, :4].sum(1) - 2
    priority = (drive > 0).astype("float32")[:, None]
    department = (text[:, :48].reshape(rows, 4, 12).sum(2) + tags[:, 4:]).argmax(1)
    return (title, text, tags), (priority, department)


@functools.cache
def products(rows=3600, features=40):
    """A table of counts, and which of nine classes a row is of: (x, y)."""
    random = np.random.default_rng(15)
    x = np.log1p(random.poisson(random.gamma(1.0, 2.0, features), (rows, features)))
    score = x @ random.standard_normal((features, 9)) + 0.5 * random.standard_normal((rows, 9))
    return x.astype("float32"), score.argmax(1)

"""nncore.utils."""

import random

import numpy as np
import pytest

import nncore as nn


def test_to_categorical():
    assert (nn.utils.to_categorical([0, 2, 1]) == np.eye(3)[[0, 2, 1]]).all()
    assert nn.utils.to_categorical(np.array([[1], [0]]), 4).tolist() == [[0, 1, 0, 0], [1, 0, 0, 0]]
    assert nn.utils.to_categorical(np.array([[1, 0]], np.uint8), 2).shape == (1, 2, 2)
    with pytest.raises(ValueError, match="the class 3 in row 1; the output has classes 0 to 2"):
        nn.utils.to_categorical([0, 3], 3)
    with pytest.raises(ValueError, match="class numbers"):
        nn.utils.to_categorical([0.5])


def test_normalize():
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    assert nn.utils.normalize(x).tolist() == [[0.6, 0.8], [0, 0]]
    assert nn.utils.normalize(x, axis=0, order=1).tolist() == [[1, 1], [0, 0]]


def test_set_random_seed():
    numbers = []
    for _ in range(2):
        nn.utils.set_random_seed(2**40 + 5)
        weights = nn.Sequential([nn.Input((3,)), nn.layers.Dense(2)]).get_weights()[0]
        numbers.append((weights.tolist(), random.random(), np.random.rand()))
    nn.config.set_seed(0)
    assert numbers[0] == numbers[1]

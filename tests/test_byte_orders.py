"""Arrays in the other byte order, from files and instruments of other machines, after arrays in this machine's."""

import numpy as np
import pytest

import nncore as nn

X = np.random.default_rng(0).standard_normal((8, 3))
Y = np.random.default_rng(1).standard_normal(8)


def swapped(array):
    """The same numbers in the other byte order."""
    return array.astype(array.dtype.newbyteorder())


def build(units, loss):
    model = nn.Sequential([nn.Input((3,)), nn.layers.Dense(units)], seed=0)
    model.compile("sgd", loss)
    return model


@pytest.mark.parametrize("call", ["train_on_batch", "test_on_batch", "value_and_gradients"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "int64"])
@pytest.mark.parametrize("shape", [(8,), (8, 1)])
def test_calls_after_one_in_this_byte_order(call, dtype, shape):
    y = (10 * Y).astype(dtype).reshape(shape)
    wanted, found = [], []
    for results, second in ((wanted, (X, y)), (found, (X, swapped(y))), (found, (swapped(X), y))):
        model = build(1, "mse")
        for _ in range(2):
            getattr(model, call)(X, y)
        results.append(getattr(model, call)(*second))
        results.append(getattr(model, call)(*second))
    assert repr(found) == repr(wanted + wanted)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "int64", "float32"])
def test_labels_after_labels_in_this_byte_order(dtype):
    y = (np.arange(8) % 4).astype(dtype)
    model = build(4, nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    assert len({model.test_on_batch(X, labels) for labels in (y, y, swapped(y), swapped(y), y)}) == 1

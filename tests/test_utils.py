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


class Lines(nn.utils.PyDataset):
    """Five minibatches of a line, of which the last is smaller."""

    def __init__(self, **options):
        super().__init__(**options)
        self.calls = []

    def __len__(self):
        return 5

    def __getitem__(self, index):
        self.calls.append(index)
        x = np.linspace(index, index + 1, 3 if index == 4 else 8)[:, None]
        return x, 3 * x - 1

    def on_epoch_begin(self):
        self.calls.append("begin")

    def on_epoch_end(self):
        self.calls.append("end")


def fitted(data, **options):
    model = nn.Sequential([nn.Input((1,)), nn.layers.Dense(4, activation="tanh"), nn.layers.Dense(1)], seed=3)
    model.compile("adam", "mse")
    history = model.fit(data, epochs=2, verbose=0, **options).history
    return history["loss"], [w.tolist() for w in model.get_weights()], model


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("shuffle", [False, True])
def test_py_dataset_is_minibatches_in_an_order(workers, shuffle):
    data = Lines(workers=workers, max_queue_size=2)
    losses, weights, model = fitted(data, shuffle=shuffle)
    epochs = [data.calls[:7], data.calls[7:]]
    assert len(data.calls) == 14
    for epoch in epochs:
        assert (epoch[0], epoch[-1]) == ("begin", "end")
        assert sorted(epoch[1:-1]) == list(range(5))
    if workers == 1:
        assert (epochs[0][1:-1] == list(range(5))) != shuffle
        assert (epochs[0] == epochs[1]) != shuffle
        batches = [[data[i] for i in epoch[1:-1]] for epoch in epochs]
        feed = (batch for epoch in batches for batch in epoch)
        assert fitted(feed, steps_per_epoch=5)[:2] == (losses, weights)
    assert fitted(Lines(workers=4 - workers), shuffle=shuffle)[:2] == (losses, weights)
    x, y = (np.concatenate(parts) for parts in zip(*(data[i] for i in range(5)), strict=True))
    assert model.evaluate(data) == pytest.approx(model.evaluate(x, y), rel=1e-6)  # other sums of 35 floats
    assert (model.predict(data) == model.predict(x)).all()


def test_py_dataset_in_part_and_as_validation_data():
    data, held_out = Lines(workers=2), Lines()
    model = fitted(data, steps_per_epoch=2, validation_data=held_out, shuffle=False)[2]
    assert held_out.calls == [0, 1, 2, 3, 4] * 2
    assert model.optimizer.iterations == 4


def test_py_dataset_refuses():
    with pytest.raises(ValueError, match="use_multiprocessing"):
        nn.utils.PyDataset(use_multiprocessing=True)
    with pytest.raises(ValueError, match="workers must be at least 1"):
        nn.utils.PyDataset(workers=0)
    for missing in ({}, {"__len__": lambda self: 2}):
        data = type("Half", (nn.utils.PyDataset,), missing)()
        with pytest.raises(NotImplementedError, match="Half needs"):
            fitted(data)

    class Failing(Lines):
        def __getitem__(self, index):
            if index == 3:
                raise OSError("no file 3")
            return super().__getitem__(index)

    with pytest.raises(OSError, match="no file 3"):
        fitted(Failing(workers=3))

"""MNIST to the accuracy that this network is known to reach, where the files are."""

import os
import pathlib

import pytest

import nncore as nn

FOLDER = pathlib.Path(
    os.environ.get("NNCORE_MNIST", pathlib.Path(__file__).parents[2] / "shared" / "data" / "mnist")
)


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no MNIST files in {FOLDER}; NNCORE_MNIST names another folder")
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_mnist_in_five_epochs(seed):
    (x, y), (x_test, y_test) = nn.datasets.mnist.load_data(FOLDER)
    model = nn.Sequential(
        [
            nn.Input((28, 28)),
            nn.layers.Rescaling(1 / 255),
            nn.layers.Flatten(),
            nn.layers.Dense(256, activation="relu"),
            nn.layers.Dense(128, activation="relu"),
            nn.layers.Dense(10),
        ],
        seed=seed,
    )
    model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    model.fit(x, y, batch_size=128, epochs=5, verbose=0)
    assert model.evaluate(x_test, y_test)[1] >= 0.975

"""A training of a few steps of each kind of network, on 1 to 4 threads: ``python -m reliability.short_trainings``.

Little enough for tools that make a program a hundred times slower: ThreadSanitizer and Valgrind run it. Each network
has to learn the same bits on every number of threads, and to predict them again from its file.
"""

import argparse
import pathlib
import tempfile

import numpy as np

import nncore as nn
import nncore._plan
from nncore import _engine

ROWS = 23  # in minibatches of 8, with a smaller one at the end


def dense():
    """Rows that are mixed, noise, small and large steps of an optimizer, and means over minibatches."""
    model = nn.Sequential(
        [nn.Input((19,)), nn.layers.Dense(33, activation="relu", kernel_regularizer="l2"), nn.layers.Dropout(0.2),
         nn.layers.BatchNormalization(), nn.layers.Dense(17, activation="gelu"), nn.layers.Dense(5)],
        seed=1)  # fmt: skip
    model.compile(nn.optimizers.AdamW(1e-3, clipnorm=1.0), nn.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=["accuracy"])  # fmt: skip
    return model, np.float64, 5


def convolutional():
    """Windows of images, with and without strides, over channels together and alone."""
    model = nn.Sequential(
        [nn.Input((9, 8, 3)), nn.layers.Conv2D(7, 3, padding="same", activation="relu"), nn.layers.MaxPooling2D(),
         nn.layers.DepthwiseConv2D(3), nn.layers.Conv2D(6, 2, strides=2, padding="same"), nn.layers.Flatten(),
         nn.layers.Dense(4, activation="softmax")], seed=2)  # fmt: skip
    model.compile(nn.optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, np.float32, 4


def recurrent():
    """Sequences of words, masked, forwards and backwards, and attention over them."""
    words = nn.Input((6,))
    steps = nn.layers.Embedding(13, 9, mask_zero=True)(words)
    steps = nn.layers.Bidirectional(nn.layers.LSTM(5, return_sequences=True, dropout=0.1))(steps)
    steps = nn.layers.MultiHeadAttention(2, 4)(steps, steps)
    model = nn.Model(words, nn.layers.Dense(3)(nn.layers.GRU(7)(steps)), seed=3)
    model.compile("rmsprop", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model, np.int64, 3


NETWORKS = (dense, convolutional, recurrent)


def data(model, dtype, classes):
    """Rows and labels for a network; whole numbers below 13 where it takes numbers of words."""
    rng = np.random.default_rng(7)
    shape = (ROWS, *model.input_shape[1:])
    x = rng.integers(0, 13, shape) if dtype == np.int64 else rng.standard_normal(shape).astype(dtype)
    return x, rng.integers(0, classes, ROWS)


def train(make, threads, folder):
    """Trains a network for two epochs on so many threads; returns its weights, predictions and loss."""
    model, dtype, classes = make()
    x, y = data(model, dtype, classes)
    with nn.config.threads(threads):
        model.fit(x, y, batch_size=8, epochs=2, validation_split=0.2, verbose=0)
        model.train_on_batch(x[:5], y[:5])
        model.value_and_gradients(x, y)
        loss = model.evaluate(x, y, batch_size=8, verbose=0)
        predicted = model.predict(x, batch_size=8, verbose=0)
        path = pathlib.Path(folder, f"{make.__name__}.safetensors")
        model.save(path)
        again = nn.models.load_model(path).predict(x, batch_size=8, verbose=0)
    assert (again == predicted).all(), f"{make.__name__}: the file's model predicts something else"
    return [*model.get_weights(), predicted, np.asarray(loss)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 3, 4], help="how many, one after the other")
    options = parser.parse_args()
    nncore._plan.FLOPS_PER_THREAD = 1  # networks so small would else have one thread
    _engine.set_pacing(False)
    nn.config.set_num_threads(max(options.threads))
    with tempfile.TemporaryDirectory() as folder:
        for make in NETWORKS:
            wanted = train(make, options.threads[0], folder)
            for threads in options.threads[1:]:
                found = train(make, threads, folder)
                same = all(np.array_equal(a, b) for a, b in zip(wanted, found, strict=True))
                assert same, f"{make.__name__}: other bits with {threads} threads than with {options.threads[0]}"
    print(f"{len(NETWORKS)} networks trained on {', '.join(map(str, options.threads))} threads: the same bits")


if __name__ == "__main__":
    main()

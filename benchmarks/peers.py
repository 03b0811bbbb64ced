"""One training step as each library's users write it: a ReLU classifier, softmax cross-entropy, Adam, float32.

A peer is a function of the layers' sizes, the rows of a minibatch and the number of threads, which returns a function
that trains a number of epochs over the same ROWS rows, unshuffled. `python -m benchmarks.peers NAME THREADS` serves
one of them to another process: it reads requests as lines of JSON and answers each with a line.
"""

import importlib.util
import itertools
import json
import math
import os
import sys

ROWS = 4096


def data(sizes):
    """Inputs and classes, the same for every peer."""
    import numpy as np

    rng = np.random.default_rng(0)
    return rng.standard_normal((ROWS, sizes[0]), dtype=np.float32), rng.integers(0, sizes[-1], ROWS)


def initial_weights(sizes):
    """Kernel, bias, kernel, bias, ...: He et al., 2015."""
    import numpy as np

    rng = np.random.default_rng(1)
    weights = []
    for inputs, units in itertools.pairwise(sizes):
        kernel = rng.standard_normal((inputs, units), dtype=np.float32) * np.float32(math.sqrt(2 / inputs))
        weights += [kernel, np.zeros(units, np.float32)]
    return weights


def nncore(sizes, batch, threads):
    """`fit`, whose loop over minibatches is the engine's."""
    import nncore as nn
    from nncore._bench import nncore_classifier

    nn.config.set_num_threads(threads)
    model = nncore_classifier(sizes)
    x, y = data(sizes)
    return lambda epochs: model.fit(x, y, batch_size=batch, epochs=epochs, shuffle=False, verbose=0)


def numpy(sizes, batch, threads):
    """The step that `nncore bench` measures; threads are those that its BLAS was started with."""
    from nncore._bench import NumpyClassifier

    model = NumpyClassifier(initial_weights(sizes))
    x, y = data(sizes)

    def train(epochs):
        for _ in range(epochs):
            for i in range(0, ROWS, batch):
                model.train_step(x[i : i + batch], y[i : i + batch])

    return train


def torch(sizes, batch, threads):
    """PyTorch, a call a minibatch, with its fused Adam."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    layers = []
    for inputs, units in itertools.pairwise(sizes):
        layers += [torch.nn.Linear(inputs, units), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    loss = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    x, y = (torch.from_numpy(array) for array in data(sizes))

    def train(epochs):
        for _ in range(epochs):
            for x_batch, y_batch in zip(x.split(batch), y.split(batch), strict=True):
                optimizer.zero_grad()
                loss(model(x_batch), y_batch).backward()
                optimizer.step()

    return train


def jax(sizes, batch, threads):
    """JAX with Optax, an epoch compiled into one call; threads are the processors that it may run on."""
    import jax
    import jax.numpy as jnp
    import optax

    def outputs(weights, x):
        for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
            x = jax.nn.relu(x @ kernel + bias)
        return x @ weights[-2] + weights[-1]

    def mean_loss(weights, x, y):
        return optax.softmax_cross_entropy_with_integer_labels(outputs(weights, x), y).mean()

    optimizer = optax.adam(1e-3)

    def step(state, minibatch):
        weights, moments = state
        gradients = jax.grad(mean_loss)(weights, *minibatch)
        updates, moments = optimizer.update(gradients, moments, weights)
        return (optax.apply_updates(weights, updates), moments), None

    @jax.jit
    def epoch(state, minibatches):
        return jax.lax.scan(step, state, minibatches)[0]

    x, y = data(sizes)
    minibatches = jnp.asarray(x.reshape(-1, batch, sizes[0])), jnp.asarray(y.reshape(-1, batch))
    weights = [jnp.asarray(weight) for weight in initial_weights(sizes)]
    state = weights, optimizer.init(weights)

    def train(epochs):
        nonlocal state
        for _ in range(epochs):
            state = epoch(state, minibatches)
        jax.block_until_ready(state)

    return train


def sklearn(sizes, batch, threads):
    """scikit-learn's MLPClassifier, whose loop over minibatches is its own; threads are those of NumPy's BLAS."""
    import numpy as np
    from sklearn.neural_network import MLPClassifier

    x, y = data(sizes)
    model = MLPClassifier(sizes[1:-1], batch_size=batch, shuffle=False, alpha=0.0, random_state=0)
    classes = np.arange(sizes[-1])

    def train(epochs):
        for _ in range(epochs):
            model.partial_fit(x, y, classes=classes)

    return train


# By name: the function, what its column is called, and the packages that it needs.
PEERS = {
    "numpy": (numpy, "NumPy", ("numpy",)),
    "torch": (torch, "PyTorch", ("torch",)),
    "jax": (jax, "JAX, whole epoch", ("jax", "optax")),
    "sklearn": (sklearn, "scikit-learn", ("sklearn",)),
    "nncore": (nncore, "nncore", ("nncore",)),
}


def installed():
    """Names of the peers whose packages can be found."""
    return [
        name
        for name, (_, _, packages) in PEERS.items()
        if all(importlib.util.find_spec(package) is not None for package in packages)
    ]


def serve(name, threads):
    """Answers requests {"sizes", "batch"} with {"ready"}, then {"epochs"} with {"seconds"}; failures with {"error"}."""
    import time

    # Whatever a library prints must not meet the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    train = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "sizes" in request:
                train = PEERS[name][0](request["sizes"], request["batch"], threads)
                answer = {"ready": True}
            else:
                start = time.perf_counter()
                train(request["epochs"])
                answer = {"seconds": time.perf_counter() - start}
        except Exception as error:  # of any library: the others go on
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    # Before any library is imported, as they count the processors then.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[2])])
    serve(sys.argv[1], int(sys.argv[2]))

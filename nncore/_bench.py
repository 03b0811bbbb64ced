"""Training steps of nncore beside the same steps in NumPy: what `nncore bench` measures."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nncore._typing import Array
    from nncore.models.model import Model

# Layer sizes and rows of a minibatch.
CONFIGURATIONS = (
    ((4, 16, 16, 3), 32),
    ((64, 64, 10), 32),
    ((17, 64, 64, 6), 64),
    ((784, 128, 10), 32),
    ((784, 256, 128, 10), 128),
)
ROWS = 4096
ROUNDS = 7

# Whoever reads them reads them when NumPy is imported.
THREAD_VARIABLES = (
    "NNCORE_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


def compare_with_numpy(seconds: float = 10.0, threads: int | None = None, as_json: bool = False) -> None:
    """Print a table of microseconds per training step, nncore beside NumPy; or a JSON object.

    Both train the same ReLU classifiers on the same float32 data: forward, softmax cross-entropy, backward, Adam.
    They take turns, so that a disturbance of the machine meets both, and medians are compared.

    Parameters
    ----------
    seconds : float
        About how long to measure in all.
    threads : int, optional
        Threads for nncore and for NumPy's BLAS; by default what nncore would use.
    as_json : bool

    Raises
    ------
    RuntimeError
        The measurement failed; its own message stands on the standard error stream.
    """
    if threads is None:
        from . import config

        threads = config.get_num_threads()
    environment = dict(os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads)))
    # In a process of its own: this one's NumPy has started its threads already.
    sys.stdout.flush()
    words = [sys.executable, "-m", __name__, str(seconds), *(["--json"] if as_json else [])]
    finished = subprocess.run(words, env=environment, check=False)  # noqa: S603 - our own
    if finished.returncode:
        raise RuntimeError(f"the measurement ended with exit code {finished.returncode}")


class NumpyClassifier:
    """A ReLU classifier as one writes it in NumPy, with the buffers that are easy to keep.

    Parameters
    ----------
    weights : list of arrays
        Kernel, bias, kernel, bias, ..., as nncore's `get_weights` returns them. They are copied.
    """

    def __init__(self, weights: Sequence[Array]) -> None:
        self.weights = [np.array(w) for w in weights]
        self.first_moments = [np.zeros_like(w) for w in self.weights]
        self.second_moments = [np.zeros_like(w) for w in self.weights]
        self.steps = 0

    def train_step(self, x: Array, y: Array) -> None:
        """One step of Adam on the minibatch mean of the cross-entropy; x is (rows, features), y (rows,) classes."""
        self.apply(self.gradients(x, y))

    def gradients(self, x: Array, y: Array) -> list[Array]:
        """The gradient with respect to each of the weights."""
        kernels, biases = self.weights[::2], self.weights[1::2]
        inputs = []
        for i, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
            inputs.append(np.maximum(x, 0, out=x) if i else x)
            x = inputs[-1] @ kernel
            x += bias
        x -= x.max(axis=1, keepdims=True)
        dy = np.exp(x, out=x)
        dy /= dy.sum(axis=1, keepdims=True)
        dy[np.arange(len(y)), y] -= 1
        dy /= len(y)
        gradients = []
        for i in reversed(range(len(kernels))):
            gradients += [dy.sum(axis=0), inputs[i].T @ dy]
            if i:
                dy = dy @ kernels[i].T
                dy *= inputs[i] > 0
        return gradients[::-1]

    def apply(self, gradients: Sequence[Array]) -> None:
        """Adam's update with nncore's defaults."""
        self.steps += 1
        first_correction, second_correction = 1 - 0.9**self.steps, 1 - 0.999**self.steps
        for w, g, s, r in zip(self.weights, gradients, self.first_moments, self.second_moments, strict=True):
            s *= 0.9
            s += 0.1 * g
            r *= 0.999
            r += 0.001 * (g * g)
            w -= 0.001 / first_correction * s / np.sqrt(r / second_correction + 1e-8)


def nncore_classifier(sizes: Sequence[int]) -> Model:
    """The same classifier in nncore, compiled."""
    import nncore as nn

    hidden = [nn.layers.Dense(units, activation="relu") for units in sizes[1:-1]]
    model = nn.Sequential([nn.Input((sizes[0],)), *hidden, nn.layers.Dense(sizes[-1])], seed=0)
    model.compile(optimizer="adam", loss=nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def classifiers(sizes: Sequence[int], batch: int,
                rows: int = ROWS) -> tuple[Callable[[int], Any], Callable[[int], Any]]:  # fmt: skip
    """Two functions of a number of epochs, which train the same network on the same data: NumPy's and nncore's."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, sizes[0]), dtype=np.float32)
    y = rng.integers(0, sizes[-1], rows)
    model = nncore_classifier(sizes)
    peer = NumpyClassifier(model.get_weights())

    def train_peer(epochs: int) -> None:
        for _ in range(epochs):
            for i in range(0, rows, batch):
                peer.train_step(x[i : i + batch], y[i : i + batch])

    def train_model(epochs: int) -> None:
        model.fit(x, y, batch_size=batch, epochs=epochs, shuffle=False, verbose=0)

    return train_peer, train_model


def seconds_per_step(functions: Sequence[Any], steps: int, seconds: float) -> list[float]:
    """Medians over rounds in which the functions take turns.

    Parameters
    ----------
    functions : sequence of functions
        Each takes a number of epochs.
    steps : int
        Steps in an epoch.
    seconds : float
        How long to measure in all.
    """
    epochs = []
    for function in functions:
        # Once to warm up; the second call tells how many epochs fit into a round.
        function(1)
        epochs.append(max(1, round(seconds / ROUNDS / len(functions) / timed(function, 1))))
    rounds: list[list[float]] = []
    end = time.perf_counter() + seconds
    # On a machine so slow, or so busy, that an epoch outlasts its share, three rounds must do.
    while len(rounds) < 3 or (len(rounds) < ROUNDS and time.perf_counter() < end):
        rounds.append([timed(f, n) / (n * steps) for f, n in zip(functions, epochs, strict=True)])
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def timed(function: Callable[..., Any], argument: Any) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    function(argument)
    return time.perf_counter() - start


def measurements(seconds: float) -> Iterator[tuple[Any, ...]]:
    """Of each configuration: sizes, rows of a minibatch, seconds per step of NumPy and of nncore."""
    for sizes, batch in CONFIGURATIONS:
        functions = classifiers(sizes, batch)
        yield sizes, batch, *seconds_per_step(functions, ROWS // batch, seconds / len(CONFIGURATIONS))


def print_json(seconds: float) -> None:
    """Measure and print one object."""
    import json

    import nncore as nn

    steps = [
        {"network": list(sizes), "minibatch": batch, "numpy_seconds": numpy_time, "nncore_seconds": nncore_time,
         "ratio": numpy_time / nncore_time}
        for sizes, batch, numpy_time, nncore_time in measurements(seconds)
    ]  # fmt: skip
    print(json.dumps({"nncore": nn.__version__, "variant": nn.config.variant(), "NumPy": np.__version__,
                      "threads": nn.config.get_num_threads(), "steps": steps}, indent=2))  # fmt: skip


def print_table(seconds: Any) -> None:
    """Measure and print, a row at a time."""
    import nncore as nn

    threads = nn.config.get_num_threads()
    print(
        f"Microseconds per training step (Adam, float32): nncore {nn.__version__} ({nn.config.variant()}) beside "
        f"NumPy {np.__version__}, {threads} {'thread' if threads == 1 else 'threads'}\n"
    )
    print(f"{'network':18}{'minibatch':>10}{'NumPy':>12}{'nncore':>12}{'ratio':>9}", flush=True)
    for sizes, batch, numpy_time, nncore_time in measurements(seconds):
        print(
            f"{'-'.join(map(str, sizes)):18}{batch:10}{1e6 * numpy_time:12.1f}{1e6 * nncore_time:12.1f}"
            f"{numpy_time / nncore_time:8.1f}x",
            flush=True,
        )


if __name__ == "__main__":
    try:
        (print_json if "--json" in sys.argv else print_table)(float(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(130)

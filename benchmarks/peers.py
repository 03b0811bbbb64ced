"""The same networks in every library, as its users write them at their best: float32, dense layers.

A network is made from a Task, its data and a number of threads. `train(epochs)` goes over the data so many times,
`predict(x)` returns the outputs for the rows of x: logits where the loss is a cross-entropy. NumPy and JAX take their
threads from the process that they run in. `python -m benchmarks.peers` says which libraries an interpreter has.
"""

import importlib.util
import itertools
import json
import math
import os
from typing import NamedTuple

ROWS = 4096  # of the data, or somewhat fewer: whole minibatches; one minibatch where that is larger
ADAM_RATE, SGD_RATE = 1e-3, 1e-2


class Task(NamedTuple):
    """What is trained."""

    sizes: tuple  # inputs, units of each layer
    batch: int
    optimizer: str = "adam"  # or "sgd", without momentum
    activation: str = "relu"  # of all layers but the last
    loss: str = "crossentropy"  # softmax cross-entropy of class numbers; or "mse", mean squared error

    @property
    def rows(self):
        """Rows of the data."""
        return self.batch * max(1, ROWS // self.batch)

    @property
    def steps(self):
        """Minibatches of an epoch."""
        return self.rows // self.batch

    @property
    def flops(self):
        """Floating-point operations of the matrix products of a step: no layer needs the gradient of the data."""
        pairs = [inputs * units for inputs, units in itertools.pairwise(self.sizes)]
        return 2.0 * self.batch * (3 * sum(pairs) - pairs[0])

    @property
    def parameters(self):
        """Numbers in kernels and biases."""
        return sum((inputs + 1) * units for inputs, units in itertools.pairwise(self.sizes))

    def __str__(self):
        return f"{'-'.join(map(str, self.sizes))}, {self.batch}"


def data(task):
    """Inputs and targets, the same for every library."""
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.standard_normal((task.rows, task.sizes[0]), dtype=np.float32)
    if task.loss == "mse":
        return x, rng.standard_normal((task.rows, task.sizes[-1]), dtype=np.float32)
    return x, rng.integers(0, task.sizes[-1], task.rows)


def initial_weights(sizes):
    """Kernel, bias, kernel, bias, ...: He et al., 2015."""
    import numpy as np

    rng = np.random.default_rng(1)
    weights = []
    for inputs, units in itertools.pairwise(sizes):
        kernel = rng.standard_normal((inputs, units), dtype=np.float32) * np.float32(math.sqrt(2 / inputs))
        weights += [kernel, np.zeros(units, np.float32)]
    return weights


class Numpy:
    """The step that `nncore bench` measures: ReLU, cross-entropy."""

    def __init__(self, task, x, y, threads, shuffle=False, seed=0):
        from nncore._bench import NumpyClassifier

        assert (task.activation, task.loss, shuffle) == ("relu", "crossentropy", False)
        self.task, self.x, self.y = task, x, y
        self.classifier = NumpyClassifier(initial_weights(task.sizes))
        if task.optimizer == "sgd":
            self.classifier.apply = self._apply_sgd

    def _apply_sgd(self, gradients):
        for weight, gradient in zip(self.classifier.weights, gradients, strict=True):
            gradient *= SGD_RATE
            weight -= gradient

    def train(self, epochs):
        batch = self.task.batch
        for _ in range(epochs):
            for i in range(0, len(self.x), batch):
                self.classifier.train_step(self.x[i : i + batch], self.y[i : i + batch])

    def predict(self, x):
        import numpy as np

        weights = self.classifier.weights
        for layer, (kernel, bias) in enumerate(zip(weights[::2], weights[1::2], strict=True)):
            x = np.maximum(x, 0, out=x) if layer else x
            x = x @ kernel
            x += bias
        return x


class Torch:
    """PyTorch, a call a minibatch, with its fused optimizers."""

    def __init__(self, task, x, y, threads, shuffle=False, seed=0):
        import torch

        torch.set_num_threads(threads)
        torch.manual_seed(seed)
        self.torch, self.task, self.shuffle = torch, task, shuffle
        layers = []
        for inputs, units in itertools.pairwise(task.sizes):
            layers += [
                torch.nn.Linear(inputs, units),
                torch.nn.ReLU() if task.activation == "relu" else torch.nn.Tanh(),
            ]
        self.model = torch.nn.Sequential(*layers[:-1])
        self.loss = torch.nn.MSELoss() if task.loss == "mse" else torch.nn.CrossEntropyLoss()
        parameters = self.model.parameters()
        if task.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(parameters, lr=SGD_RATE, fused=True)
        else:
            self.optimizer = torch.optim.Adam(parameters, lr=ADAM_RATE, fused=True)
        self.x, self.y = torch.from_numpy(x), torch.from_numpy(y)

    def _minibatches(self):
        if not self.shuffle:
            return zip(self.x.split(self.task.batch), self.y.split(self.task.batch), strict=True)
        order = self.torch.randperm(len(self.x)).split(self.task.batch)
        return ((self.x[rows], self.y[rows]) for rows in order)

    def train(self, epochs):
        for _ in range(epochs):
            for x, y in self._minibatches():
                self.optimizer.zero_grad()
                self.loss(self.model(x), y).backward()
                self.optimizer.step()

    def predict(self, x):
        with self.torch.inference_mode():
            return self.model(self.torch.from_numpy(x)).numpy()


class Jax:
    """JAX with Optax, an epoch compiled into one call; a last minibatch with fewer rows is left out."""

    def __init__(self, task, x, y, threads, shuffle=False, seed=0):
        import jax
        import jax.numpy as jnp
        import numpy as np
        import optax

        activation = jax.nn.relu if task.activation == "relu" else jnp.tanh
        optimizer = optax.sgd(SGD_RATE) if task.optimizer == "sgd" else optax.adam(ADAM_RATE)

        def outputs(weights, x):
            for kernel, bias in zip(weights[:-2:2], weights[1:-2:2], strict=True):
                x = activation(x @ kernel + bias)
            return x @ weights[-2] + weights[-1]

        def mean_loss(weights, x, y):
            z = outputs(weights, x)
            if task.loss == "mse":
                return jnp.mean((z - y) ** 2)
            return optax.softmax_cross_entropy_with_integer_labels(z, y).mean()

        def epoch(state, x, y, order):
            """`order` are the rows of each minibatch, or nothing where x and y are minibatches already."""

            def step(state, minibatch):
                weights, moments = state
                minibatch = minibatch if order is None else (x[minibatch], y[minibatch])
                gradients = jax.grad(mean_loss)(weights, *minibatch)
                updates, moments = optimizer.update(gradients, moments, weights)
                return (optax.apply_updates(weights, updates), moments), None

            return jax.lax.scan(step, state, (x, y) if order is None else order)[0]

        self.jax, self.task, self.shuffle = jax, task, shuffle
        self.rng = np.random.default_rng(seed)
        self.epoch, self.outputs = jax.jit(epoch, donate_argnums=0), jax.jit(outputs)
        if shuffle:
            self.x, self.y = jnp.asarray(x), jnp.asarray(y)
        else:
            self.x, self.y = (jnp.asarray(array.reshape(-1, task.batch, *array.shape[1:])) for array in (x, y))
        weights = [jnp.asarray(weight) for weight in initial_weights(task.sizes)]
        self.state = weights, optimizer.init(weights)

    def _order(self):
        if not self.shuffle:
            return None
        rows, batch = len(self.x), self.task.batch
        return self.rng.permutation(rows)[: rows // batch * batch].reshape(-1, batch)

    def train(self, epochs):
        for _ in range(epochs):
            self.state = self.epoch(self.state, self.x, self.y, self._order())
        self.jax.block_until_ready(self.state)

    def predict(self, x):
        import numpy as np

        return np.asarray(self.outputs(self.state[0], x))


class Sklearn:
    """scikit-learn's MLPClassifier, whose loop over minibatches is its own; its threads are those of NumPy's BLAS."""

    def __init__(self, task, x, y, threads, shuffle=False, seed=0):
        import numpy as np
        from sklearn.neural_network import MLPClassifier

        assert (task.activation, task.loss) == ("relu", "crossentropy")
        rate = SGD_RATE if task.optimizer == "sgd" else ADAM_RATE
        self.model = MLPClassifier(task.sizes[1:-1], batch_size=task.batch, shuffle=shuffle, alpha=0.0, momentum=0.0,
                                   nesterovs_momentum=False, solver=task.optimizer, learning_rate_init=rate,
                                   random_state=seed)  # fmt: skip
        self.x, self.y, self.classes = x, y, np.arange(task.sizes[-1])

    def train(self, epochs):
        for _ in range(epochs):
            self.model.partial_fit(self.x, self.y, classes=self.classes)

    def predict(self, x):
        return self.model.predict_proba(x)


class Onnxruntime:
    """onnxruntime, which only predicts."""

    def __init__(self, task, x, y, threads, shuffle=False, seed=0):
        import onnx
        import onnxruntime
        from onnx import helper, numpy_helper

        nodes, weights, value = [], [], "x"
        arrays = initial_weights(task.sizes)
        for layer, (kernel, bias) in enumerate(zip(arrays[::2], arrays[1::2], strict=True)):
            names = [f"kernel{layer}", f"bias{layer}"]
            weights += [numpy_helper.from_array(array, name) for array, name in zip((kernel, bias), names, strict=True)]
            if layer:
                nodes.append(helper.make_node("Relu", [value], [f"a{layer}"]))
                value = f"a{layer}"
            nodes.append(helper.make_node("Gemm", [value, *names], [f"z{layer}"]))
            value = f"z{layer}"
        given, wanted = (
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["rows", width])
            for name, width in (("x", task.sizes[0]), (value, task.sizes[-1]))
        )
        graph = helper.make_graph(nodes, "network", [given], [wanted], weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])

    def predict(self, x):
        return self.session.run(None, {"x": x})[0]


class Nncore:
    """nncore: `fit`, whose loop over minibatches is the engine's. Images of bytes are scaled by the network."""

    def __init__(self, task, x, y, threads, shuffle=False, seed=0):
        import nncore as nn

        nn.config.set_num_threads(threads)
        scaling = [nn.layers.Rescaling(1 / 255)] if x.dtype == "uint8" else []
        hidden = [nn.layers.Dense(units, activation=task.activation) for units in task.sizes[1:-1]]
        output = nn.layers.Dense(task.sizes[-1])
        self.model = nn.Sequential([nn.Input((task.sizes[0],)), *scaling, *hidden, output], seed=seed)
        optimizer = nn.optimizers.SGD(SGD_RATE) if task.optimizer == "sgd" else nn.optimizers.Adam(ADAM_RATE)
        loss = "mse" if task.loss == "mse" else nn.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(optimizer, loss)
        self.task, self.x, self.y, self.shuffle = task, x, y, shuffle

    def train(self, epochs):
        self.model.fit(self.x, self.y, batch_size=self.task.batch, epochs=epochs, shuffle=self.shuffle, verbose=0)

    def predict(self, x):
        return self.model.predict_on_batch(x)


class Library(NamedTuple):
    """A library that can be measured."""

    network: type
    title: str  # in tables
    packages: tuple  # that it needs


LIBRARIES = {
    "numpy": Library(Numpy, "NumPy", ("numpy",)),
    "torch": Library(Torch, "PyTorch", ("torch",)),
    "jax": Library(Jax, "JAX", ("jax", "optax")),
    "sklearn": Library(Sklearn, "scikit-learn", ("scikit-learn",)),
    "onnxruntime": Library(Onnxruntime, "onnxruntime", ("onnxruntime", "onnx")),
    "nncore": Library(Nncore, "nncore", ("nncore",)),
}
TRAINED = ("numpy", "torch", "jax", "sklearn", "nncore")
OWN = ("numpy", "nncore")  # of the interpreter that measures, not of the one with the peers
OTHERS = tuple(name for name in LIBRARIES if name not in OWN)
MODULES = {"scikit-learn": "sklearn"}  # where a package's module is called otherwise


def versions(names):
    """{name: {package: version}} of those libraries that can be imported here."""
    found = {}
    for name in names:
        packages = LIBRARIES[name].packages
        if all(importlib.util.find_spec(MODULES.get(package, package)) is not None for package in packages):
            found[name] = {package: _version(package) for package in packages}
    return found


def _version(package):
    import importlib.metadata

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # a package that is built in place
        return importlib.import_module(MODULES.get(package, package)).__version__


def pin(threads):
    """Lets this process run on the first `threads` of its processors, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def title(name):
    """What a library is called in tables."""
    return LIBRARIES[name].title


def training(name, threads, **task):
    """Trains a number of epochs when called: work for a contender."""
    task = Task(**task)
    return LIBRARIES[name].network(task, *data(task), threads).train


if __name__ == "__main__":
    print(json.dumps(versions(OTHERS)))

"""Both sides of a comparison: the same program runs with nncore and with Keras.

Importing this skips the module that does where Keras or its backend, PyTorch, is not installed.
"""

import functools
import importlib
import inspect
import os
from types import SimpleNamespace

import numpy as np
import pytest

import nncore

os.environ["KERAS_BACKEND"] = "torch"
torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")
torch.set_num_threads(1)  # networks are tiny here
# Outside of TensorFlow Keras rounds many results of float64 to float32, as JAX does by default.
importlib.import_module("keras.src.backend.common.dtypes").BIT64_TO_BIT32_DTYPE["float64"] = "float64"

DTYPES = ["float32", "float64"]
# Of an array's largest element: float32 has 6e-8 and float64 1e-16, and sums and steps of these tests add up some
# hundred roundings, whose order differs.
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}


class Nncore:
    """nncore with the dtype of Keras's `set_floatx` as the dtype of its models, and a fixed seed."""

    def __init__(self, dtype):
        self.dtype = dtype

    def __getattr__(self, name):
        return getattr(nncore, name)

    def Sequential(self, *arguments, **options):  # noqa: N802
        return nncore.Sequential(*arguments, **{"dtype": self.dtype, "seed": 3, **options})

    def Model(self, *arguments, **options):  # noqa: N802
        return nncore.Model(*arguments, **{"dtype": self.dtype, "seed": 3, **options})


def both(dtype):
    """(nncore, keras) for models of this dtype. Keras's names of layers begin anew."""
    keras.backend.clear_session(free_memory=False)
    keras.config.set_floatx(dtype)
    return Nncore(dtype), keras


def has(kind, name):
    """Skips what nncore does not have yet."""
    if not hasattr(getattr(nncore, kind, None), name):
        pytest.skip(f"nncore.{kind} has no {name} yet")


def optimizer(package, name, **options):
    """An optimizer, with epsilon where Keras has it: for Adagrad and RMSprop inside of the root, for Adam outside.

    Keras adds Adam's to the root of the second moment before that is corrected for its bias, where the contract has
    PyTorch's form: tables have an epsilon for Adam that is too small to matter.
    """
    cls = getattr(package.optimizers, name)
    if "epsilon_inside_sqrt" in inspect.signature(cls).parameters:
        options["epsilon_inside_sqrt"] = name != "Adam"
    return cls(**options)


# ---------------------------------------------------------------- numbers


def numbers(tensor):
    """A NumPy array of what either side gives; a list for a list."""
    if isinstance(tensor, (list, tuple)):
        return [numbers(t) for t in tensor]
    return tensor.detach().numpy() if hasattr(tensor, "detach") else np.asarray(tensor)


def assert_close(got, wanted, dtype, what="", least=0.0):
    """Compares arrays, or lists of them, element by element; `least` is of what was summed, where that cancels."""
    if isinstance(wanted, (list, tuple)):
        assert len(got) == len(wanted), what
        for number, (one, other) in enumerate(zip(got, wanted, strict=True)):
            assert_close(one, other, dtype, f"{what}[{number}]", least)
        return
    got, wanted = np.asarray(numbers(got)), numbers(wanted)
    assert got.shape == wanted.shape, f"{what}: {got.shape} is not {wanted.shape}"
    tolerance = TOLERANCE[dtype]
    finite = np.abs(wanted[np.isfinite(wanted)])
    np.testing.assert_allclose(
        got, wanted, rtol=tolerance, atol=tolerance * max(finite.max(initial=0), least), err_msg=what
    )


def random(seed=0):
    return np.random.default_rng(seed)


def noise(shape, dtype, seed=0):
    return random(seed).standard_normal(shape).astype(dtype)


# ---------------------------------------------------------------- models


def pair(build, dtype):
    """The model that `build(package)` makes of both sides, with the same weights."""
    ours, theirs = (build(package) for package in both(dtype))
    match(ours, theirs)
    return ours, theirs


def match(ours, theirs):
    """Gives Keras's model the weights of ours, after biases have become something other than zero."""
    shapes = [w.shape for w in ours.get_weights()]
    assert shapes == [tuple(w.shape) for w in theirs.weights], "order and shapes of weights"
    values = random(17)
    ours.set_weights([w + values.uniform(-0.3, 0.3, w.shape) for w in ours.get_weights()])
    theirs.set_weights(ours.get_weights())


def keras_gradients(model, x, y, sample_weight=None, training=True):
    """The loss of a compiled Keras model, its gradients, and those of the inputs, by PyTorch's autograd."""

    def tensor(a, learns=False):
        if isinstance(a, (list, tuple)):
            return [tensor(part, learns) for part in a]
        return None if a is None else torch.tensor(a, requires_grad=learns and a.dtype.kind == "f")

    model.zero_grad()
    x = tensor(x, True)
    output = model(x, training=training)
    loss = model.compute_loss(x=x, y=tensor(y), y_pred=output, sample_weight=tensor(sample_weight), training=training)
    loss.backward()
    gradients = [v.value.grad for v in model.trainable_weights]
    gradients = [torch.zeros_like(v.value) if g is None else g
                 for v, g in zip(model.trainable_weights, gradients, strict=True)]  # fmt: skip
    return SimpleNamespace(
        loss=float(loss.detach()),
        output=numbers(output),
        gradients=numbers(gradients),
        inputs=[None if v.grad is None else v.grad.numpy() for v in (x if isinstance(x, list) else [x])],
    )


def compare(ours, theirs, x, y, dtype, sample_weight=None, steps=10, least=0.0):
    """Compares predictions, loss, gradients, and the weights after some training steps, of two compiled models.

    `least` is the size of gradients that cancel to nothing.
    """
    assert_close(ours.predict(x), theirs.predict(x, verbose=0), dtype, "prediction")
    loss, gradients = ours.value_and_gradients(x, y, sample_weight)
    wanted = keras_gradients(theirs, x, y, sample_weight)
    assert_close(loss, wanted.loss, dtype, "loss")
    assert_close(gradients, wanted.gradients, dtype, "gradients", least)
    theirs.set_weights(ours.get_weights())  # moving averages may have moved
    for step in range(steps):
        got, expected = (m.train_on_batch(x, y, sample_weight=sample_weight) for m in (ours, theirs))
        if step == 0:  # Keras's value is a mean since the last reset
            assert_close(np.ravel(got)[0], np.ravel(expected)[0], dtype, "loss of train_on_batch")
    assert_close(ours.get_weights(), theirs.get_weights(), dtype, f"weights after {steps} steps", least)


@functools.cache
def keras_classes(kind):
    """Names of Keras's public classes and functions in a module."""
    module = functools.reduce(getattr, kind.split("."), keras)
    return frozenset(name for name in dir(module) if not name.startswith("_"))

"""Each loss: values with every reduction and with weights, gradients, and training, as Keras has them."""

import itertools

import numpy as np
import pytest

from peers import sides

REAL = "real"  # kinds of targets and predictions
POSITIVE = "positive"
SIGNS = "signs"
BITS = "bits"
ONE_HOT = "one-hot"
CLASSES = "classes"

LOSSES = {
    "MeanSquaredError": [(REAL, {})],
    "MeanAbsoluteError": [(REAL, {})],
    "MeanAbsolutePercentageError": [(POSITIVE, {})],
    "MeanSquaredLogarithmicError": [(POSITIVE, {})],
    "CosineSimilarity": [(REAL, {})],
    "Huber": [(REAL, {}), (REAL, {"delta": 0.3})],
    "LogCosh": [(REAL, {})],
    "Poisson": [(POSITIVE, {})],
    "Hinge": [(SIGNS, {}), (BITS, {})],
    "SquaredHinge": [(SIGNS, {}), (BITS, {})],
    "CategoricalHinge": [(ONE_HOT, {})],
    "KLDivergence": [(ONE_HOT, {}), ("distributions", {})],
    "BinaryCrossentropy": [
        (BITS, {}), (BITS, {"from_logits": True}), (BITS, {"label_smoothing": 0.2}),
        (BITS, {"from_logits": True, "label_smoothing": 0.2}), ("probabilities", {}),
    ],
    "BinaryFocalCrossentropy": [
        (BITS, {}), (BITS, {"from_logits": True}), (BITS, {"gamma": 1.5, "alpha": 0.4, "apply_class_balancing": True}),
        (BITS, {"from_logits": True, "label_smoothing": 0.1}),
    ],
    "CategoricalCrossentropy": [
        (ONE_HOT, {}), (ONE_HOT, {"from_logits": True}), (ONE_HOT, {"label_smoothing": 0.2}),
        (ONE_HOT, {"from_logits": True, "label_smoothing": 0.2}), ("distributions", {}),
    ],
    "CategoricalFocalCrossentropy": [
        (ONE_HOT, {}), (ONE_HOT, {"from_logits": True}), (ONE_HOT, {"alpha": 0.5, "gamma": 1.5}),
        (ONE_HOT, {"label_smoothing": 0.1}),
    ],
    "SparseCategoricalCrossentropy": [
        (CLASSES, {}), (CLASSES, {"from_logits": True}), (CLASSES, {"ignore_class": 1}),
        (CLASSES, {"from_logits": True, "ignore_class": 0}),
    ],
    "CategoricalGeneralizedCrossEntropy": [(CLASSES, {"q": 0.5})],
    "Dice": [("probabilities", {})],
    "Tversky": [("probabilities", {})],
}  # fmt: skip
CASES = [(name, kind, options) for name, cases in LOSSES.items() for kind, options in cases]
REDUCTIONS = ["sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none", None]


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def arrays(kind, options, dtype, shape=(7, 4)):
    """Targets and predictions of a kind."""
    random = sides.random(len(shape))
    z = random.standard_normal(shape)
    classes = random.integers(0, shape[-1], shape[:-1])
    target = {
        REAL: lambda: random.standard_normal(shape),
        POSITIVE: lambda: random.random(shape) + 0.1,
        SIGNS: lambda: random.choice([-1.0, 1.0], shape),
        BITS: lambda: random.choice([0.0, 1.0], shape),
        "probabilities": lambda: random.random(shape),
        ONE_HOT: lambda: np.eye(shape[-1])[classes],
        "distributions": lambda: softmax(random.standard_normal(shape)),
        CLASSES: lambda: classes,
    }[kind]()
    if kind == POSITIVE:
        z = np.exp(z)
    elif kind in (BITS, "probabilities") and not options.get("from_logits"):
        z = 1 / (1 + np.exp(-z))
    elif kind in (ONE_HOT, "distributions", CLASSES) and not options.get("from_logits"):
        z = softmax(z)
    return target if kind == CLASSES else target.astype(dtype), z.astype(dtype)


def made(package, name, options, **more):
    sides.has("losses", name)
    return getattr(package.losses, name)(**options, **more)


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize(("name", "kind", "options"), CASES)
def test_on_arrays(name, kind, options, dtype):
    """With each reduction, weights, and several samples to a row; and the gradient of the predictions."""
    ours, theirs = sides.both(dtype)
    for shape, reduction, weighted in itertools.product([(7, 4), (5, 3, 4)], REDUCTIONS, [False, True]):
        y, p = arrays(kind, options, dtype, shape)
        weight = sides.random(9).random(shape[0]).astype(dtype) if weighted else None
        if weighted and len(shape) > 2:
            continue  # Keras wants a weight for each sample here, and we one for each row
        what = f"{shape} {reduction} {weight is not None}"
        one, other = (made(package, name, options, reduction=reduction) for package in (ours, theirs))
        tensor = sides.torch.tensor(p, requires_grad=True)
        wanted = other(y, tensor, sample_weight=weight)
        sides.assert_close(one(y, p, sample_weight=weight), sides.numbers(wanted), dtype, what)
        if reduction in ("none", None):
            continue
        wanted.backward()
        value, gradient = one.value_and_gradient(y, p, sample_weight=weight)
        sides.assert_close(value, float(wanted.detach()), dtype, what)
        sides.assert_close(gradient, tensor.grad.numpy(), dtype, f"gradient {what}")


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
@pytest.mark.parametrize(("name", "kind", "options"), CASES)
def test_in_a_model(name, kind, options, reduction):
    """Behind the activation that fits, with a weight for each row."""
    dtype = "float64"
    y, _ = arrays(kind, options, dtype)
    logits = options.get("from_logits") or kind in (REAL, SIGNS)
    activation = "linear" if logits else "softmax" if kind in (ONE_HOT, "distributions", CLASSES) else "sigmoid"

    def build(package):
        model = package.Sequential([
            package.Input((5,)),
            package.layers.Dense(6, activation="tanh"),
            package.layers.Dense(4, activation=activation),
        ])  # fmt: skip
        loss = made(package, name, options, reduction=reduction)
        model.compile(package.optimizers.SGD(0.02), loss)
        return model

    ours, theirs = sides.pair(build, dtype)
    weight = sides.random(4).random(7).astype(dtype)
    for given in (None, weight):
        sides.compare(ours, theirs, sides.noise((7, 5), dtype), y, dtype, given, steps=3)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_function(name):
    """The functions beside the classes."""
    kind, options = LOSSES[name][0]
    sides.has("losses", name)
    function = getattr(sides.nncore.losses, name)(**options).name
    sides.has("losses", function)
    y, p = arrays(kind, options, "float64")
    ours, theirs = (getattr(package.losses, function) for package in sides.both("float64"))
    sides.assert_close(ours(y, p), sides.numbers(theirs(y, p)), "float64")


def test_every_loss_is_in_the_table():
    assert {name for name in sides.nncore.losses.__all__ if name in sides.keras_classes("losses") and name[0].isupper()
            and name != "Loss"} <= set(LOSSES)  # fmt: skip

"""Optimizers and schedules beside optax's."""

import os

import numpy as np
import pytest

import nncore as nn

os.environ["JAX_PLATFORMS"] = "cpu"
jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")

OUTSIDE = {"epsilon_inside_sqrt": False}
A = 0.01
OPTIMIZERS = {  # nncore's class and options, optax's transformation
    "sgd": ("SGD", {}, lambda: optax.sgd(A)),
    "momentum": ("SGD", {"momentum": 0.9}, lambda: optax.sgd(A, momentum=0.9)),
    "nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}, lambda: optax.sgd(A, momentum=0.9, nesterov=True)),
    "adam": ("Adam", {"epsilon": 1e-8, **OUTSIDE}, lambda: optax.adam(A)),
    "adam with both epsilons inside": ("Adam", {"epsilon": 1e-6}, lambda: optax.adam(A, eps=0.0, eps_root=1e-6)),
    "adamw": ("AdamW", {"epsilon": 1e-20, "weight_decay": 0.1}, lambda: optax.adamw(A, eps=1e-20, weight_decay=0.1)),
    "adamax": ("Adamax", {"epsilon": 1e-8}, lambda: optax.adamax(A, eps=1e-8)),
    "lion": ("Lion", {}, lambda: optax.lion(A, weight_decay=0.0)),
    "lion with weight_decay": ("Lion", {"weight_decay": 0.1}, lambda: optax.lion(A, weight_decay=0.1)),
    "rmsprop": ("RMSprop", {"rho": 0.9, "epsilon": 1e-8}, lambda: optax.rmsprop(A, decay=0.9, eps=1e-8)),
    "adagrad": ("Adagrad", {"initial_accumulator_value": 0.1, "epsilon": 1e-7},
                lambda: optax.adagrad(A, initial_accumulator_value=0.1, eps=1e-7)),
    "adadelta": ("Adadelta", {"rho": 0.9, "epsilon": 1e-6}, lambda: optax.adadelta(A, rho=0.9, eps=1e-6)),
    "lamb": ("Lamb", {"epsilon": 1e-6}, lambda: optax.lamb(A, eps=1e-6)),
    "global_clipnorm": ("SGD", {"global_clipnorm": 0.3},
                        lambda: optax.chain(optax.clip_by_global_norm(0.3), optax.sgd(A))),
    "clipvalue": ("SGD", {"clipvalue": 0.3}, lambda: optax.chain(optax.clip(0.3), optax.sgd(A))),
}  # fmt: skip
SCHEDULES = {
    "ExponentialDecay": (lambda s: s.ExponentialDecay(0.1, 20, 0.9), lambda: optax.exponential_decay(0.1, 20, 0.9)),
    "ExponentialDecay staircase": (lambda s: s.ExponentialDecay(0.1, 20, 0.9, staircase=True),
                                   lambda: optax.exponential_decay(0.1, 20, 0.9, staircase=True)),
    "CosineDecay": (lambda s: s.CosineDecay(0.1, 50, alpha=0.1), lambda: optax.cosine_decay_schedule(0.1, 50, 0.1)),
    "PolynomialDecay": (lambda s: s.PolynomialDecay(0.1, 50, 0.01, power=2.0),
                        lambda: optax.polynomial_schedule(0.1, 0.01, 2.0, 50)),
    "LinearDecay": (lambda s: s.LinearDecay(0.1, 50), lambda: optax.linear_schedule(0.1, 0.0, 50)),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _float64():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.mark.parametrize("case", OPTIMIZERS)
def test_twenty_steps(case):
    name, options, transformation = OPTIMIZERS[case]
    if not hasattr(nn.optimizers, name):
        pytest.skip(f"nncore.optimizers has no {name} yet")
    random = np.random.default_rng(0)
    ours = [random.standard_normal((3, 5)), random.standard_normal(7)]
    theirs = [jax.numpy.asarray(v) for v in ours]
    optimizer = getattr(nn.optimizers, name)(learning_rate=A, **options)
    other = transformation()
    state, update = other.init(theirs), jax.jit(other.update)
    for _ in range(20):
        gradients = [random.standard_normal(v.shape) for v in ours]
        optimizer.apply(gradients, ours)
        updates, state = update([jax.numpy.asarray(g) for g in gradients], state, theirs)
        theirs = optax.apply_updates(theirs, updates)
    for got, wanted in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("case", SCHEDULES)
def test_schedule(case):
    schedules = getattr(nn.optimizers, "schedules", None)
    if not hasattr(schedules, case.split()[0]):
        pytest.skip(f"nncore.optimizers.schedules has no {case} yet")
    ours, theirs = (make(*given) for make, given in zip(SCHEDULES[case], ([schedules], []), strict=True))
    for step in range(80):
        np.testing.assert_allclose(ours(step), theirs(step), rtol=1e-7, atol=1e-12)  # some of optax's are float32

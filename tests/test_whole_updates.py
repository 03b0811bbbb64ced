"""Lamb, Adafactor and Muon, whose updates need a whole gradient or a whole parameter: against NumPy's float64."""

import numpy as np
import pytest

import nncore as nn

SHAPES = [(7,), (64, 33), (130, 100), (40, 150), (1, 9), (9, 1), (3, 3, 5, 70), ()]


def rng(seed=0):
    return np.random.default_rng(seed)


def rms(x):
    return np.sqrt((x * x).mean())


def norm(x):
    return np.sqrt((x * x).sum())


class Lamb:
    slots = ("m", "v")

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        self.rate, self.betas, self.epsilon = learning_rate, (beta_1, beta_2), epsilon

    def step(self, t, theta, g, state):
        b1, b2 = self.betas
        m = state["m"] = b1 * state.get("m", 0) + (1 - b1) * g
        v = state["v"] = b2 * state.get("v", 0) + (1 - b2) * g * g
        u = m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + self.epsilon)
        ratio = norm(theta) / norm(u) if norm(theta) > 0 and norm(u) > 0 else 1
        return theta - ratio * self.rate * u


class Adafactor:
    def __init__(self, learning_rate=0.001, beta_2_decay=-0.8, epsilon_1=1e-30, epsilon_2=1e-3, clip_threshold=1.0,
                 relative_step=True):  # fmt: skip
        self.rate, self.decay, self.threshold = learning_rate, beta_2_decay, clip_threshold
        self.epsilons = epsilon_1, epsilon_2

    def step(self, t, theta, g, state):
        beta = 1 - np.float64(t) ** self.decay
        square = g * g + self.epsilons[0]

        def running(name, value):
            state[name] = beta * state.get(name, 0) + (1 - beta) * value
            return state[name]

        if theta.ndim >= 2:
            r, c = running("r", square.mean(-1)), running("c", square.mean(-2))
            v = (r / r.mean(-1, keepdims=True))[..., None] * c[..., None, :]
        else:
            v = running("v", square)
        u = g / np.sqrt(v)
        rate = min(self.rate, 1 / np.sqrt(t)) * max(self.epsilons[1], rms(theta))
        return theta - rate * u / max(1, rms(u) / self.threshold)


class Muon:
    def __init__(self, learning_rate=0.001, adam_beta_1=0.9, adam_beta_2=0.999, epsilon=1e-7, muon_a=3.4445,
                 muon_b=-4.7750, muon_c=2.0315, adam_lr_ratio=1, momentum=0.95, ns_steps=5, nesterov=True, rms_rate=0.2,
                 weight_decay=0.004, adam_weight_decay=0.004):  # fmt: skip
        self.rate, self.betas, self.ratio = learning_rate, (adam_beta_1, adam_beta_2), adam_lr_ratio
        self.abc, self.momentum, self.steps, self.nesterov = (muon_a, muon_b, muon_c), momentum, ns_steps, nesterov
        self.rms_rate, self.epsilon, self.decays = rms_rate, epsilon, (adam_weight_decay or 0, weight_decay or 0)

    def step(self, t, theta, g, state):
        theta = theta - theta * self.rate * self.decays[theta.ndim == 2]
        if theta.ndim != 2:
            (b1, b2), rate = self.betas, self.rate * self.ratio
            m = state["m"] = b1 * state.get("m", 0) + (1 - b1) * g
            v = state["v"] = b2 * state.get("v", 0) + (1 - b2) * g * g
            return theta - rate * np.sqrt(1 - b2**t) / (1 - b1**t) * m / (np.sqrt(v) + self.epsilon)
        m = state["m"] = self.momentum * state.get("m", 0) + g
        x = g + self.momentum * m if self.nesterov else m
        turned = x.shape[0] > x.shape[1]
        x = x.T if turned else x
        x = x / (norm(x) + 1e-7)
        a, b, c = self.abc
        for _ in range(self.steps):
            gram = x @ x.T
            x = a * x + (b * gram + c * gram @ gram) @ x
        x = x.T if turned else x
        factor = 1 if self.rms_rate is None else np.sqrt(max(x.shape)) * self.rms_rate
        return theta - self.rate * factor * x


FORMULAS = {"Lamb": Lamb, "Adafactor": Adafactor, "Muon": Muon}

OPTIONS = [
    ("Lamb", {}),
    ("Lamb", {"learning_rate": 0.05, "beta_1": 0.0, "beta_2": 0.9, "epsilon": 1e-3}),
    ("Adafactor", {}),
    ("Adafactor", {"learning_rate": 0.5, "beta_2_decay": -0.5, "epsilon_1": 1e-3, "epsilon_2": 0.7}),
    ("Adafactor", {"learning_rate": 0.05, "clip_threshold": 0.3, "relative_step": False}),
    ("Muon", {}),
    ("Muon", {"learning_rate": 0.02, "adam_beta_1": 0.5, "adam_beta_2": 0.9, "epsilon": 1e-3, "adam_lr_ratio": 0.3}),
    ("Muon", {"learning_rate": 0.02, "nesterov": False, "momentum": 0.5, "rms_rate": None, "weight_decay": 0.3}),
    ("Muon", {"muon_a": 3.0, "muon_b": -3.0, "muon_c": 1.1, "ns_steps": 2, "adam_weight_decay": None}),
    ("Muon", {"ns_steps": 0, "weight_decay": None, "momentum": 0.0}),
]


@pytest.mark.parametrize(("kind", "options"), OPTIONS)
def test_formulas_over_100_steps(kind, options):
    """float64: 1e-12 of what the largest element is, as an orthogonalization moves all of them by the same amount."""
    optimizer, formula = getattr(nn.optimizers, kind)(**options), FORMULAS[kind](**options)
    random = rng()
    variables = [random.standard_normal(s) for s in SHAPES]
    expected, states = [v.copy() for v in variables], [{} for _ in SHAPES]
    for t in range(1, 101):
        gradients = [np.asarray(random.standard_normal(s)) for s in SHAPES]
        optimizer.apply(gradients, variables)
        expected = [formula.step(t, *one) for one in zip(expected, gradients, states, strict=True)]
    assert optimizer.iterations == 100
    for got, wanted in zip(variables, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12 * np.abs(wanted).max())

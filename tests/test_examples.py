"""Every program of examples/ runs, in its short form, wherever the tests do."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import nncore as nn

FOLDER = Path(__file__).parents[1] / "examples"
# Of each program: the layers without which it cannot run yet, what it is called with, and what it says at its end.
PROGRAMS = {
    "char_model": (["LSTM"], ["text.txt"], "--- temperature 1.0"),
    "gan": ([], ["--picture", "drawn.png"], "100 drawn digits: drawn.png"),
    "mnist_conv": (["Conv2D", "MaxPooling2D"], [], "test images: loss"),
    "mnist_lenet": (["Conv2D", "MaxPooling2D"], [], "test images: loss"),
    "mnist_rnn": (["LSTM", "GRU"], [], "GRU, test images: loss"),
    "policy_gradient": ([], [], "mean return over 10 episodes"),
    "vae": ([], ["--picture", "drawn.png"], "100 digits that it draws: drawn.png"),
}


def test_the_table_has_every_program():
    assert sorted(PROGRAMS) == sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "common")
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [name for name in PROGRAMS if f"[{name}.py]({name}.py)" not in table] == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name, tmp_path):
    layers, arguments, end = PROGRAMS[name]
    for layer in layers:
        if not hasattr(nn.layers, layer):
            pytest.skip(f"nncore.layers has no {layer} yet")
    (tmp_path / "text.txt").write_text("The quick brown fox jumps over the lazy dog. " * 100, encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if key != "NNCORE_MNIST"}  # on the packaged digits
    run = subprocess.run(
        [sys.executable, "-W", "error", FOLDER / f"{name}.py", "--short", *arguments],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert end in run.stdout
    assert run.stderr == ""
    if name in ("gan", "vae"):
        assert (tmp_path / "drawn.png").read_bytes().startswith(b"\x89PNG")


def example(name, monkeypatch):
    """What an example defines."""
    monkeypatch.syspath_prepend(FOLDER)
    return runpy.run_path(str(FOLDER / f"{name}.py"))


def test_the_poles_move_as_gym_s_do(monkeypatch):
    """One step of CartPole-v1's equations, written out for one pole."""
    poles = example("policy_gradient", monkeypatch)["Poles"](3, np.random.default_rng(1))
    poles.states[2] = [2.39, 1.0, 0.2, -0.5]
    before = poles.states.copy()
    assert poles.push(np.array([0, 2]), np.array([True, False])).tolist() == [True, False]
    for which, force in ((0, 10.0), (2, -10.0)):
        x, x_dot, theta, theta_dot = before[which]
        temp = (force + 0.05 * theta_dot**2 * np.sin(theta)) / 1.1
        theta_acc = (9.8 * np.sin(theta) - np.cos(theta) * temp) / (0.5 * (4.0 / 3.0 - 0.1 * np.cos(theta) ** 2 / 1.1))
        x_acc = temp - 0.05 * theta_acc * np.cos(theta) / 1.1
        wanted = [x + 0.02 * x_dot, x_dot + 0.02 * x_acc, theta + 0.02 * theta_dot, theta_dot + 0.02 * theta_acc]
        np.testing.assert_allclose(poles.states[which], wanted, rtol=1e-14)
    assert (poles.states[1] == before[1]).all()


def test_returns_are_sums_of_discounted_rewards(monkeypatch):
    module = example("policy_gradient", monkeypatch)
    policy = module["network"](2, seed=1)
    lengths, states, _, returns = module["play"](policy, 3, np.random.default_rng(0))
    assert len(states) == len(returns) == lengths.sum()
    assert states.dtype == returns.dtype == np.float32
    wanted = [(0.99 ** np.arange(length - step)).sum() for step in range(lengths.max()) for length in lengths
              if length > step]  # fmt: skip
    np.testing.assert_allclose(returns[:, 0], wanted, rtol=1e-6)


def test_enlarged_digits_look_like_mnist(monkeypatch):
    (x, y), (x_test, _) = example("common", monkeypatch)["mnist"](short=True)
    assert x.shape == (640, 28, 28)
    assert x.dtype == np.uint8
    assert x.max() in (240, 255)
    assert not x[:, 0].any()
    assert set(y.tolist()) == set(range(10))
    assert len(x_test) in (360, 640)

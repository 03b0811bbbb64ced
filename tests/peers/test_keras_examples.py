"""Programs that run with either package reach the same figures within the noise of their seeds."""

import importlib

import pytest

from peers import sides

# How far figures of two runs with other seeds may lie apart: about four times the deviation of a difference, where
# that is 1.4 times the deviation of a figure over six or eight seeds, on
# MNIST or on the digits, whichever is larger.
PROGRAMS = {
    "mnist_mlp": {"loss": 0.25, "accuracy": 0.066},
    "autoencoders": {"simple loss": 0.043, "sparse loss": 0.043, "deep loss": 0.026},
    "several_inputs": {"loss": 0.03, "priority_loss": 0.03, "department_loss": 0.025, "priority_accuracy": 0.015,
                       "department_accuracy": 0.01},
    "imbalanced": {"precision": 0.13, "recall": 0.23},
    "regression": {"loss": 1.1, "mae": 0.26},
    "products": {"loss": 0.07, "accuracy": 0.05},
    "overfitting": {
        "small accuracy": 0.23, "large accuracy": 0.04, "penalties accuracy": 0.055, "both accuracy": 0.03,
        "small loss": 0.65, "large loss": 0.07, "penalties loss": 0.055, "both loss": 0.05,
    },
}  # fmt: skip
@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name):
    program = importlib.import_module(f"peers.examples.{name}")
    results = []
    for package in (sides.nncore, sides.keras):
        package.utils.set_random_seed(1)
        results.append(program.run(package))
    ours, theirs = results
    assert set(ours) == set(theirs)
    for figure, limit in PROGRAMS[name].items():
        assert abs(ours[figure] - theirs[figure]) < limit, f"{figure}: {ours} and {theirs}"

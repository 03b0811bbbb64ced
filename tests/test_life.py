"""A short form of `python -m reliability.fuzz_api --target life`: a model's life, beside one that only trains."""

import copy
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import seed
from hypothesis.stateful import run_state_machine_as_test

import nncore as nn

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # behind the installed package

from reliability.api import life  # noqa: E402


def test_lives():
    run_state_machine_as_test(seed(20261122)(life.Life), settings=life.lives(12, steps=15))


def test_another_bit_is_found(monkeypatch):
    """A library whose copies forget the optimizer's state."""
    original = nn.Sequential.__setstate__

    def forgetful(model, state):
        original(model, state)
        if model.optimizer is not None:
            for array in model.optimizer.variables:
                array[...] = 0

    monkeypatch.setattr(nn.Sequential, "__setstate__", forgetful)
    monkeypatch.setattr(nn.Model, "__setstate__", forgetful)
    found = life.Life()
    found.build(life.MODELS[0], 1, life.OPTIMIZERS[0], "mse")
    found.train_on_batch(0, 12, False, "f")
    found.duplicate(copy.deepcopy)
    with pytest.raises(AssertionError, match="another state of the optimizer"):
        found.same()


def test_equal_is_of_bits():
    assert life.equal([np.float32(1), {"a": np.zeros(2)}], [np.float32(1), {"a": np.zeros(2)}])
    assert not life.equal(np.zeros(2), -np.zeros(2))
    assert not life.equal(np.zeros(2), np.zeros(2, np.float32))

"""Warnings of Keras's and PyTorch's own are not ours to mend; Keras's dtype is put back after each test."""

import sys

import pytest


def pytest_configure(config):
    for module in ("keras", "torch", "jax", "optax"):
        config.addinivalue_line("filterwarnings", rf"ignore:::{module}(\.|$)")


@pytest.fixture(autouse=True)
def _dtype_of_keras():
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].config.set_floatx("float32")

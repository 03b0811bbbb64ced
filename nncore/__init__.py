"""nncore trains neural networks on the CPU, with Keras's names.

>>> import nncore as nn
>>> model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(16, activation="relu"), nn.layers.Dense(3)])
>>> model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
"""

from nncore import (
    activations,
    callbacks,
    config,
    constraints,
    datasets,
    initializers,
    interop,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
    utils,
)
from nncore._version import __version__
from nncore.layers import Input
from nncore.models import Model, Sequential
from nncore.models.training import NonFiniteLossError

__all__ = [
    "Input",
    "Model",
    "NonFiniteLossError",
    "Sequential",
    "__version__",
    "activations",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "initializers",
    "interop",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "regularizers",
    "utils",
]

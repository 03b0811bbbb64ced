"""nncore trains neural networks on the CPU, with Keras's names.

>>> import nncore as nn
>>> model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(16, activation="relu"), nn.layers.Dense(3)])
>>> model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nncore._interpreter
import nncore._loading  # noqa: F401  before what is compiled, as its docstring says
from nncore import activations, config, constraints, initializers, layers, models, regularizers
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
    "embed",
    "get_include",
    "initializers",
    "interop",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "plots",
    "regularizers",
    "saving",
    "testing",
    "utils",
]

if TYPE_CHECKING:
    from nncore import callbacks, datasets, embed, interop, losses, metrics, optimizers, plots, saving, testing, utils

# What a program may do without is imported when it is first used: a prediction needs none of it.
_LATER = frozenset(
    ("callbacks", "datasets", "embed", "interop", "losses", "metrics", "optimizers", "plots", "saving", "testing",
     "utils")
)  # fmt: skip


def get_include() -> str:
    """The folder of the C headers, for the compiler of a project that uses ``nncore_embed.h``.

    >>> import os, nncore as nn
    >>> os.listdir(nn.get_include())
    ['nncore_embed.h']
    """
    import os

    return os.path.join(os.path.dirname(__file__), "include")


def __getattr__(name: str) -> Any:
    if name in _LATER:
        import importlib

        return importlib.import_module(f"nncore.{name}")
    raise AttributeError(f"module 'nncore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})

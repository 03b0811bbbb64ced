"""What every kernel computes, in plain NumPy: `base` says how, the other files are families of kernels.

A file that is put beside them is found by itself.
"""

import importlib
import pkgutil

from reference.base import REFERENCES, nearly

__all__ = ["REFERENCES", "nearly"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"reference.{_module.name}")

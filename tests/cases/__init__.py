"""Calls of every kernel: `base` says how they are made, the other files are families of kernels.

A file that is put beside them is found by itself.
"""

import importlib
import pkgutil

from cases.base import GRADIENT, INNER, ORDER, TABLE, UNWRITTEN, Block, Panels, cases

__all__ = ["GRADIENT", "INNER", "ORDER", "TABLE", "UNWRITTEN", "Block", "Panels", "cases"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"cases.{_module.name}")

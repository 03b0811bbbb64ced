"""Data sets to try things on: `digits` ships with the package, `mnist` is read from a folder or downloaded."""

from . import digits, mnist

__all__ = ["digits", "mnist"]

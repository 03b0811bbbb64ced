"""Bridges to other libraries. Each imports what it bridges to when it is used, and nothing here imports it."""

from nncore.interop import scipy

__all__ = ["scipy"]

"""Models: a graph of layers with training, evaluation, prediction and files."""

from nncore.models.model import Model
from nncore.models.saving import load_model
from nncore.models.sequential import Sequential

__all__ = ["Model", "Sequential", "load_model"]

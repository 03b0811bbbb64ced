"""Layers: shapes, weights, and the steps that they emit. One family to a file."""

from nncore.layers.activation import Activation
from nncore.layers.dense import Dense
from nncore.layers.dropout import AlphaDropout, Dropout, SpatialDropout1D, SpatialDropout2D
from nncore.layers.flatten import Flatten
from nncore.layers.input import Input, InputLayer
from nncore.layers.layer import Layer
from nncore.layers.merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from nncore.layers.noise import GaussianDropout, GaussianNoise
from nncore.layers.rescaling import Rescaling
from nncore.layers.reshaping import Permute, RepeatVector, Reshape

__all__ = ["Activation", "Add", "AlphaDropout", "Average", "Concatenate", "Dense", "Dot", "Dropout", "Flatten",
           "GaussianDropout", "GaussianNoise", "Input", "InputLayer", "Layer", "Maximum", "Minimum", "Multiply",
           "Permute", "RepeatVector", "Rescaling", "Reshape", "SpatialDropout1D", "SpatialDropout2D", "Subtract",
           "add", "average", "concatenate", "deserialize", "dot", "maximum", "minimum", "multiply", "serialize",
           "subtract"]  # fmt: skip

_BY_CLASS = {
    cls.__name__: cls
    for cls in (Activation, Add, AlphaDropout, Average, Concatenate, Dense, Dot, Dropout, Flatten, GaussianDropout,
                GaussianNoise, InputLayer, Maximum, Minimum, Multiply, Permute, RepeatVector, Rescaling, Reshape,
                SpatialDropout1D, SpatialDropout2D, Subtract)
}  # fmt: skip


def _models():
    """Kinds of models, which may stand among layers."""
    from nncore import models

    return {"Model": models.Model, "Sequential": models.Sequential}


def serialize(layer):
    """Returns {"class_name", "config"} of a layer."""
    return {"class_name": type(layer).__name__, "config": layer.get_config()}


def deserialize(config):
    """Returns a new layer, without weights, as `serialize` described one."""
    from nncore import _checks

    return _checks.resolve("layer", config, Layer, {}, {**_models(), **_BY_CLASS})

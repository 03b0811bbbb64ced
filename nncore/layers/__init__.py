"""Layers: shapes, weights, and the steps that they emit. One family to a file."""

from __future__ import annotations

import contextlib
import contextvars
from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore.layers.activation import ELU, Activation, LeakyReLU, ReLU, Softmax
from nncore.layers.attention import AdditiveAttention, Attention
from nncore.layers.batch_normalization import BatchNormalization
from nncore.layers.bidirectional import Bidirectional
from nncore.layers.convolution import Conv1D, Conv1DTranspose, Conv2D, Conv2DTranspose
from nncore.layers.dense import Dense
from nncore.layers.depthwise import DepthwiseConv1D, DepthwiseConv2D
from nncore.layers.dropout import AlphaDropout, Dropout, SpatialDropout1D, SpatialDropout2D
from nncore.layers.embedding import Embedding
from nncore.layers.flatten import Flatten
from nncore.layers.group_normalization import GroupNormalization
from nncore.layers.gru import GRU
from nncore.layers.input import Input, InputLayer
from nncore.layers.layer import Layer
from nncore.layers.lstm import LSTM
from nncore.layers.masking import Masking
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
from nncore.layers.multi_head_attention import MultiHeadAttention
from nncore.layers.noise import GaussianDropout, GaussianNoise
from nncore.layers.normalization import LayerNormalization, RMSNormalization, UnitNormalization
from nncore.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    AvgPool1D,
    AvgPool2D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAvgPool1D,
    GlobalAvgPool2D,
    GlobalMaxPool1D,
    GlobalMaxPool2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    MaxPool1D,
    MaxPool2D,
    MaxPooling1D,
    MaxPooling2D,
)
from nncore.layers.prelu import PReLU
from nncore.layers.rescaling import Rescaling
from nncore.layers.reshaping import Permute, RepeatVector, Reshape
from nncore.layers.resizing import Cropping1D, Cropping2D, UpSampling1D, UpSampling2D, ZeroPadding1D, ZeroPadding2D
from nncore.layers.rnn import RNN, StackedRNNCells
from nncore.layers.separable import SeparableConv1D, SeparableConv2D
from nncore.layers.simple_rnn import SimpleRNN
from nncore.layers.time_distributed import TimeDistributed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nncore._typing import AnyLayer, Config
    from nncore.layers.category_encoding import CategoryEncoding
    from nncore.layers.discretization import Discretization
    from nncore.layers.feature_normalization import Normalization
    from nncore.layers.hashing import Hashing
    from nncore.layers.lookup import IntegerLookup, StringLookup
    from nncore.layers.text_vectorization import TextVectorization

# Keras's other names.
Convolution1D = Conv1D
Convolution2D = Conv2D
Convolution1DTranspose = Conv1DTranspose
Convolution2DTranspose = Conv2DTranspose
SeparableConvolution1D = SeparableConv1D
SeparableConvolution2D = SeparableConv2D

__all__ = [
    "ELU",
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "Add",
    "AdditiveAttention",
    "AlphaDropout",
    "Attention",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AvgPool1D",
    "AvgPool2D",
    "BatchNormalization",
    "Bidirectional",
    "CategoryEncoding",
    "Concatenate",
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Convolution1D",
    "Convolution1DTranspose",
    "Convolution2D",
    "Convolution2DTranspose",
    "Cropping1D",
    "Cropping2D",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "Discretization",
    "Dot",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GroupNormalization",
    "Hashing",
    "Input",
    "InputLayer",
    "IntegerLookup",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Masking",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPooling1D",
    "MaxPooling2D",
    "Maximum",
    "Minimum",
    "MultiHeadAttention",
    "Multiply",
    "Normalization",
    "PReLU",
    "Permute",
    "RMSNormalization",
    "ReLU",
    "RepeatVector",
    "Rescaling",
    "Reshape",
    "SeparableConv1D",
    "SeparableConv2D",
    "SeparableConvolution1D",
    "SeparableConvolution2D",
    "SimpleRNN",
    "Softmax",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "StackedRNNCells",
    "StringLookup",
    "Subtract",
    "TextVectorization",
    "TimeDistributed",
    "UnitNormalization",
    "UpSampling1D",
    "UpSampling2D",
    "ZeroPadding1D",
    "ZeroPadding2D",
    "add",
    "average",
    "concatenate",
    "deserialize",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "serialize",
    "subtract",
]

# Layers by class name, through which files and configurations find them: all that are imported above.
_BY_CLASS = {
    name: thing for name, thing in list(globals().items()) if isinstance(thing, type) and issubclass(thing, Layer)
}


# Layers of data, by class name: the modules that have them are imported when they are first used.
_LATER = {
    "CategoryEncoding": "category_encoding",
    "Discretization": "discretization",
    "Hashing": "hashing",
    "IntegerLookup": "lookup",
    "Normalization": "feature_normalization",
    "StringLookup": "lookup",
    "TextVectorization": "text_vectorization",
}


def _later(name: str) -> Any:
    if name in _LATER:
        import importlib

        return getattr(importlib.import_module(f"nncore.layers.{_LATER[name]}"), name)
    raise AttributeError(f"module 'nncore.layers' has no attribute {name!r}")


if not TYPE_CHECKING:  # to which a misspelt name would be one of these
    __getattr__ = _later


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


def _models() -> dict[str, Any]:
    """Kinds of models, which may stand among layers."""
    from nncore import models

    return {"Model": models.Model, "Sequential": models.Sequential}


# Of layers that stand in several models of one description: {id of the layer: number} while it is written,
# {number: layer} while it is read.
_shared: contextvars.ContextVar[Any] = contextvars.ContextVar("shared", default=None)


@contextlib.contextmanager
def sharing(known: Any) -> Iterator[None]:
    """While layers are written or read that may stand in several models of one description; see `_shared`."""
    token = _shared.set(known)
    try:
        yield
    finally:
        _shared.reset(token)


def serialize(layer: Any) -> Config:
    """Returns {"class_name", "config"} of a layer."""
    described = _checks.serialize(layer)
    if id(layer) in (_shared.get() or ()):
        described["shared"] = _shared.get()[id(layer)]
    return described


def deserialize(config: Config) -> AnyLayer:
    """Returns a new layer, without weights, as `serialize` described one."""
    number, known = None, _shared.get()
    if isinstance(config, dict) and "shared" in config:
        number = config["shared"]
        config = {key: value for key, value in config.items() if key != "shared"}
    if number is not None and known is not None and number in known:
        return known[number]
    classes = {**_models(), **_BY_CLASS}
    if isinstance(config, dict) and config.get("class_name") in _LATER:
        classes[config["class_name"]] = _later(config["class_name"])
    layer = _checks.resolve("layer", config, Layer, {}, classes)
    if number is not None and known is not None:
        known[number] = layer
    return layer

"""Types of arguments that several modules share.

Type checkers read this module; no other one imports it when it runs. `X | Any` is the type of what is an X unless there
is a reason why it is something else, which a type checker cannot know: such as the outputs of a model, of which most
have one. It may be used as an X, without a question, and is offered the names of an X.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Literal, NoReturn, Protocol, TypeAlias, TypedDict

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = [
    "AnyLayer",
    "Array",
    "ArrayProperty",
    "BatchShape",
    "CommonArguments",
    "Config",
    "Data",
    "DataFormat",
    "Dtype",
    "Inputs",
    "Integers",
    "LayerArguments",
    "Logs",
    "Mode",
    "ModelDtype",
    "Numbers",
    "OptimizerArguments",
    "Outputs",
    "Padding",
    "PathLikeStr",
    "Reduction",
    "Seed",
    "Shape",
    "ShapeLike",
    "SharedOptimizerArguments",
    "Verbose",
]

# ---------------------------------------------------------------- arrays

Array: TypeAlias = NDArray[Any]


class SupportsArray(Protocol):
    """What NumPy can view: arrays, frames of pandas and polars, tensors of PyTorch and JAX."""

    def __array__(self) -> Any: ...


class SupportsDLPack(Protocol):
    """What hands its memory over by the DLPack protocol."""

    def __dlpack__(self) -> Any: ...


class ArrayProperty(Protocol):
    """An attribute that can be read: an array, or None where a layer has not, or not yet, made its weight."""

    def __get__(self, instance: Any, owner: Any = None, /) -> Array | Any: ...
    def __set__(self, instance: Any, value: NoReturn, /) -> None: ...


# Lists of lists of numbers, spelled out to a depth: a recursive type would take texts for sequences of sequences.
Number: TypeAlias = float | SupportsArray
Numbers: TypeAlias = (
    Sequence[Number]
    | Sequence[Sequence[Number]]
    | Sequence[Sequence[Sequence[Number]]]
    | Sequence[Sequence[Sequence[Sequence[Number]]]]
    | Sequence[Sequence[Sequence[Sequence[Sequence[Number]]]]]
)
Data: TypeAlias = SupportsArray | SupportsDLPack | Numbers
Inputs: TypeAlias = Data | Sequence[Data] | Mapping[str, Data]  # of models: several in a list, or by name
Outputs: TypeAlias = Array | Any  # an array; a list of them where a model or layer has several outputs
AnyLayer: TypeAlias = Any  # a layer or a model: what it has beside their common part is up to its class
Integers: TypeAlias = int | Sequence[int]  # one for all axes, or one for each

Shape: TypeAlias = tuple[int, ...]
ShapeLike: TypeAlias = int | Sequence[int]
BatchShape: TypeAlias = tuple[int | None, ...]  # (None, ...): None is the axis of samples
Dtype: TypeAlias = DTypeLike
ModelDtype: TypeAlias = (
    Literal["float32", "float64", "mixed_bfloat16"] | np.dtype[Any] | type[np.float32] | type[np.float64]
)
Seed: TypeAlias = int | None

# ---------------------------------------------------------------- what names, configurations and objects stand for

Config: TypeAlias = dict[str, Any]

# ---------------------------------------------------------------- training

Logs: TypeAlias = dict[str, Any]  # floats by name; of a few metrics arrays
Verbose: TypeAlias = Literal["auto", 0, 1, 2] | bool
Mode: TypeAlias = Literal["auto", "min", "max"]
Reduction: TypeAlias = Literal["sum_over_batch_size", "mean", "sum", "mean_with_sample_weight", "none"] | None
Padding: TypeAlias = Literal["valid", "same"]
DataFormat: TypeAlias = Literal["channels_last"] | None
PathLikeStr: TypeAlias = str | PathLike[str]


# ---------------------------------------------------------------- arguments that go on to a base


class CommonArguments(TypedDict, total=False):
    """What every layer takes by name, but for `activity_regularizer` and `input_dim`."""

    name: str | None
    trainable: bool
    dtype: None
    input_shape: ShapeLike | None


class LayerArguments(CommonArguments, total=False):
    """What every layer takes by name, but for `activity_regularizer`."""

    input_dim: int | None


class SharedOptimizerArguments(TypedDict, total=False):
    """What every optimizer takes, but for `weight_decay`."""

    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: None
    gradient_accumulation_steps: int | None
    name: str | None


class OptimizerArguments(SharedOptimizerArguments, total=False):
    """What every optimizer takes."""

    weight_decay: float | None

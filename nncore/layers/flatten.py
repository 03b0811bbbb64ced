"""All axes of a sample as one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nncore import _windows
from nncore.layers.layer import Layer

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from nncore._likes import AnyLayerArguments
    from nncore._plan import Builder, Value
    from nncore._typing import DataFormat


class Flatten(Layer):
    """y is (samples, features): the elements of each sample in order. Costs nothing: the bytes stay in place."""

    def __init__(self, data_format: DataFormat = None, **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(**common)
        _windows.channels_last("Flatten", data_format)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (math.prod(input_shape),)

    def emit(self, builder: Builder, x: Value) -> Any:
        x.uses += 1
        return builder.same(x, (x.width,))

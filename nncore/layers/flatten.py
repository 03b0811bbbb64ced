"""All axes of a sample as one."""

import math

from nncore import _checks
from nncore.layers.layer import Layer


class Flatten(Layer):
    """y is (samples, features): the elements of each sample in order. Costs nothing: the bytes stay in place."""

    def __init__(self, data_format=None, **common):
        super().__init__(**common)
        _checks.refuse("Flatten", data_format=None if data_format == "channels_last" else data_format)

    def compute_output_shape(self, input_shape):
        return (math.prod(input_shape),)

    def emit(self, builder, x):
        x.uses += 1
        return builder.same(x, (x.width,))

"""A layer at each step of a sequence."""

from nncore import _checks
from nncore.layers.layer import Layer, Symbolic, emit_layer
from nncore.layers.time_steps import join, split


class TimeDistributed(Layer):
    """y[t] = layer(x[t]) for each step t, with the same weights: samples are (steps, ...).

    Parameters
    ----------
    layer : Layer or Model
        Of one input and one output.

    Examples
    --------
    >>> import nncore as nn
    >>> model = nn.Sequential([nn.Input((10, 4, 4)), nn.layers.TimeDistributed(nn.layers.Flatten())])
    >>> model.output_shape
    (None, 10, 16)
    """

    supports_masking = True

    def __init__(self, layer, **common):
        if not isinstance(layer, Symbolic):
            raise TypeError(f"TimeDistributed takes a layer; got {layer!r}")
        self.layer = layer
        super().__init__(**common)

    @property
    def sublayers(self):
        return (self.layer,)

    def prepare(self, shapes):
        self.layer.prepare([self._step(shapes[0])])

    def _step(self, shape):
        if len(shape) < 2:
            raise ValueError(f"layer {self.name!r} takes sequences, samples of shape (steps, ...); got {tuple(shape)}")
        return tuple(shape[1:])

    def compute_output_shape(self, input_shape):
        shapes = self.layer.sample_shapes([self._step(input_shape)])
        if len(shapes) > 1:
            raise ValueError(f"layer {self.name!r} takes a layer of one output; {self.layer.name!r} has {len(shapes)}")
        return (input_shape[0], *shapes[0])

    def build(self, input_shape):
        self.layer.build_for(self._step(input_shape), self._maker)

    def emit(self, builder, x):
        return join(builder, [emit_layer(builder, self.layer, [part])[0] for part in split(builder, x)])

    def __call__(self, inputs, training=None, mask=None):
        _checks.refuse(f"layer {self.name!r}", mask=mask)
        return super().__call__(inputs, training=training)

    def get_config(self):
        from nncore import layers

        return {"layer": layers.serialize(self.layer), **super().get_config()}

    @classmethod
    def from_config(cls, config):
        from nncore import layers

        return cls(**{**config, "layer": layers.deserialize(config["layer"])})

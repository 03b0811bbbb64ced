"""An activation function as a layer of its own."""

from nncore import activations
from nncore.layers.layer import Layer


class Activation(Layer):
    """y = f(x), element by element (softmax: over the last axis).

    Parameters
    ----------
    activation : str or activation
    """

    def __init__(self, activation, **common):
        super().__init__(**common)
        self.activation = activations.get(activation)

    def emit(self, builder, x):
        return self.activation.emit(builder, x)

    def get_config(self):
        return {"activation": activations.serialize(self.activation), **super().get_config()}

"""Where a network's data comes in."""

from nncore import _checks
from nncore.layers.layer import Layer


class InputLayer(Layer):
    """States the shape of a sample; computes nothing.

    Parameters
    ----------
    shape : tuple of int
        Without the axis of samples.
    """

    def __init__(self, shape=None, batch_size=None, dtype=None, sparse=None, batch_shape=None, *, name=None):
        super().__init__(name=name)
        _checks.refuse("Input", batch_size=batch_size, dtype=dtype, sparse=sparse or None, batch_shape=batch_shape)
        if shape is None:
            raise ValueError("Input needs a shape: that of one sample, such as (784,)")
        shape = (shape,) if hasattr(shape, "__index__") else tuple(shape)
        self.shape = tuple(_checks.positive_integer("Input", f"shape {shape}", n) for n in shape)
        self.input_shape = self.output_shape = self.shape
        self.built = True

    def emit(self, builder, x):
        return x

    def get_config(self):
        return {"shape": list(self.shape), "name": self.name}


def Input(shape=None, batch_size=None, dtype=None, sparse=None, batch_shape=None, name=None, tensor=None):  # noqa: N802
    """Returns the first element of a Sequential: the shape of one sample.

    Parameters
    ----------
    shape : tuple of int
        Without the axis of samples: ``(784,)`` for rows of 784 features.

    Examples
    --------
    >>> model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(3)])
    >>> model.output_shape
    (None, 3)
    """
    _checks.refuse("Input", tensor=tensor)
    return InputLayer(shape, batch_size, dtype, sparse, batch_shape, name=name)

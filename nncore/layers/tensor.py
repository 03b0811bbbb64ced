"""Symbolic tensors: what layers are called on to make a graph."""


class Node:
    """One use of a layer: the tensors that go in and those that come out, and options of this use."""

    def __init__(self, layer, inputs, output_shapes, options=None):
        self.layer, self.inputs, self.options = layer, list(inputs), options or {}
        self.outputs = [Tensor(shape, self, index) for index, shape in enumerate(output_shapes)]


class Tensor:
    """A tensor of a graph, without values: what a layer gives when it is called on `nn.Input`.

    Sums, differences, products and quotients of tensors, and of tensors and numbers, are tensors too.
    """

    __array_priority__ = 100  # so that NumPy's numbers leave arithmetic to us

    def __init__(self, sample_shape, node, index):
        self.sample_shape, self.node, self.index = tuple(sample_shape), node, index

    @property
    def shape(self):
        """(None, ...): None is the axis of samples."""
        return (None, *self.sample_shape)

    @property
    def dtype(self):
        """None: it is that of the model, which is made later."""
        return None

    @property
    def name(self):
        """That of the layer which it comes from."""
        return self.node.layer.name

    def __repr__(self):
        return f"<Tensor shape={self.shape} from {self.name!r}>"

    def __iter__(self):
        raise TypeError("a symbolic tensor has no values to iterate over")

    def __bool__(self):
        raise TypeError("a symbolic tensor has no values to test")

    def __add__(self, other):
        return _arithmetic().add(self, other)

    __radd__ = __add__

    def __sub__(self, other):
        return _arithmetic().subtract(self, other)

    def __rsub__(self, other):
        return _arithmetic().subtract(other, self)

    def __mul__(self, other):
        return _arithmetic().multiply(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other):
        return _arithmetic().divide(self, other)

    def __neg__(self):
        return _arithmetic().multiply(self, -1.0)


def _arithmetic():
    from nncore.layers import arithmetic  # which is made of layers, and layers of tensors

    return arithmetic


def is_symbolic(inputs):
    """Whether a layer is called to make a graph, and not on arrays."""
    if isinstance(inputs, dict):
        inputs = list(inputs.values())
    if isinstance(inputs, (list, tuple)):
        return any(isinstance(x, Tensor) for x in inputs)
    return isinstance(inputs, Tensor)

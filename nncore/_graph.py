"""The graph of a network: layers in topological order, and the tensors between them."""

from typing import NamedTuple


class Node(NamedTuple):
    """One use of a layer: tensor numbers in, tensor number out."""

    layer: object
    inputs: tuple
    output: int


class Graph:
    """Nodes in topological order; tensor 0 is the input.

    Parameters
    ----------
    input_shape : shape of a sample of the input
    nodes : list of Node
    output : number of the output tensor
    """

    def __init__(self, input_shape, nodes, output):
        self.input_shape, self.nodes, self.output = input_shape, nodes, output

    @classmethod
    def chain(cls, input_shape, layers):
        """Each layer takes what the one before it gives."""
        return cls(input_shape, [Node(layer, (i,), i + 1) for i, layer in enumerate(layers)], len(layers))

    def build(self, weights):
        """Builds every layer; returns the shape of the output."""
        shapes = {0: self.input_shape}
        for node in self.nodes:
            inputs = [shapes[i] for i in node.inputs]
            node.layer.build_for(*inputs, weights)
            shapes[node.output] = node.layer.compute_output_shape(*inputs)
        return shapes[self.output]

    def emit(self, builder, value):
        """Emits every layer into a plan; returns the output Value."""
        values = {0: value}
        for node in self.nodes:
            values[node.output] = node.layer.emit(builder, *(values[i] for i in node.inputs))
        return values[self.output]

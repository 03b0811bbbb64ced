"""The graph of a network: nodes between symbolic tensors, in topological order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nncore._plan import Builder, Value
    from nncore._typing import AnyLayer
    from nncore.layers.layer import WeightMaker
    from nncore.layers.tensor import Node, Tensor


class Graph:
    """What lies between input tensors and output tensors.

    Nodes and layers stand in Keras's order: by the longest way to an output, and of equals by who is reached first
    from the outputs. So lists of weights have the same order as there.

    Parameters
    ----------
    inputs, outputs : lists of Tensor
    owner : str, whom errors name
    entry : function from Tensor to a Tensor of an input layer of its own
        For inputs that are the outputs of other layers: the graph begins there.
    """

    nodes: list[Node]
    layers: list[AnyLayer]

    def __init__(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], owner: str,
                 entry: Any) -> None:  # fmt: skip
        entries = {id(tensor): entry(tensor) for tensor in inputs if tensor.node.inputs}
        self.inputs: list[Tensor] = [entries.get(id(tensor), tensor) for tensor in inputs]
        self.nodes, self.layers = _in_order(self.inputs, outputs, owner, entries)
        self.outputs: list[Tensor] = list(outputs) if not entries else self._begin_at(entries, outputs)
        self.input_shapes: list[tuple[int, ...]] = [tensor.sample_shape for tensor in self.inputs]
        self.output_shapes: list[tuple[int, ...]] = [tensor.sample_shape for tensor in self.outputs]
        self._preparing: dict[int, tuple[list[Any], Tensor]] = {}  # by an input's number

    def _begin_at(self, entries: dict[int, Tensor], outputs: Sequence[Tensor]) -> list[Tensor]:
        """Has nodes read `entries`, by ids of the Tensors in whose place they are; returns the outputs."""
        known, nodes = dict(entries), []
        for node in self.nodes:
            if any(id(tensor) in known for tensor in node.inputs):
                shapes = [tensor.sample_shape for tensor in node.outputs]
                twin = type(node)(node.layer, [known.get(id(t), t) for t in node.inputs], shapes, node.options)
                for tensor, fresh in zip(node.outputs, twin.outputs, strict=True):
                    known.setdefault(id(tensor), fresh)  # an entry stays what others read
                node = twin
            nodes.append(node)
        self.nodes = nodes
        return [known.get(id(tensor), tensor) for tensor in outputs]

    def build(self, weights: WeightMaker) -> None:
        """Builds every layer that is not built yet, with weights from a WeightMaker."""
        for node in self.nodes:
            self.build_node(node, weights)

    @staticmethod
    def build_node(node: Node, weights: WeightMaker) -> None:
        """Builds the layer of one node."""
        if node.inputs:
            shapes = [tensor.sample_shape for tensor in node.inputs]
            node.layer.build_for(shapes if node.layer.merges else shapes[0], weights)

    def append(self, node: Node) -> None:
        """Puts a node of another layer behind all others, in the place of the only output that it begins with."""
        self.nodes.append(node)
        self.layers.append(node.layer)
        self.outputs = list(node.outputs)
        self.output_shapes = [tensor.sample_shape for tensor in self.outputs]
        self._preparing.clear()

    def emit(self, builder: Builder, values: Sequence[Value], emit_layer: Callable[..., Any]) -> list[Value]:
        """Emits every layer into a plan, by emit_layer(builder, layer, values, options); returns the output Values.

        `values` are those of the inputs.
        """
        known = dict(zip(map(id, self.inputs), values, strict=True))
        for node in self.nodes:
            if node.inputs:
                values = [known[id(tensor)] for tensor in node.inputs]
                given = emit_layer(builder, node.layer, values, node.options)
                known.update(zip(map(id, node.outputs), given, strict=True))
        return [known[id(tensor)] for tensor in self.outputs]

    def readers(self, number: int) -> tuple[list[Any], bool]:
        """The layers that read an input as numbers of rows, those of models among them; and whether others read it.

        An input whose data are encoded before is read as what they are encoded to.
        """
        (_, tensor), found = self.preparing(number), list[Any]()
        others = any(tensor is output for output in self.outputs)
        for node in self.nodes:
            for place, given in enumerate(node.inputs):
                if given is not tensor:
                    continue
                inner, more = node.layer.readers(place)
                found, others = found + inner, others or more
        return found, others

    def preparing(self, number: int) -> tuple[list[Any], Tensor]:
        """The layers that encode an input's data before a plan reads them, in order, and the tensor that they make."""
        if number not in self._preparing:
            tensor, found = self.inputs[number], []
            while not any(tensor is output for output in self.outputs):
                nodes = [node for node in self.nodes if any(given is tensor for given in node.inputs)]
                if len(nodes) > 1:
                    for node in nodes:
                        if getattr(node.layer, "prepares_data", False):
                            node.layer.check_place()
                if len(nodes) != 1 or not getattr(nodes[0].layer, "prepares_data", False):
                    break
                found.append(nodes[0].layer)
                tensor = nodes[0].outputs[0]
            self._preparing[number] = found, tensor
        return self._preparing[number]

    def numbered(self) -> tuple[list[Any], list[int], list[int]]:
        """The graph as numbers: (nodes, inputs, outputs).

        A node is (number of its layer, tensors that go in), with the options of this use behind them where it has any.
        """
        tensors: dict[int, int] = {}
        nodes: list[Any] = []
        layers = {id(layer): number for number, layer in enumerate(self.layers)}
        for node in self.nodes:
            options = [node.options] if node.options else []
            nodes.append([layers[id(node.layer)], [tensors[id(tensor)] for tensor in node.inputs], *options])
            for tensor in node.outputs:
                tensors[id(tensor)] = len(tensors)
        return nodes, [tensors[id(t)] for t in self.inputs], [tensors[id(t)] for t in self.outputs]


def _in_order(inputs: Sequence[Tensor], outputs: Sequence[Tensor], owner: str,
              entries: dict[int, Tensor]) -> tuple[list[Node], list[Any]]:  # fmt: skip
    """The nodes and the layers between inputs and outputs, where `entries` are read in place of others."""
    ends = {id(tensor) for tensor in inputs}
    finished: list[Node] = []  # in the order of a depth-first search
    found: dict[int, tuple[int, Any]] = {}  # layers as they are reached
    state: dict[Any, Any] = {}  # of each node: "open" while what it needs is looked for, then "done"

    def visit(first: Node) -> None:
        stack = [(first, iter(_needs(first, entries)))]
        reach(first)
        while stack:
            node, needs = stack[-1]
            for needed in needs:
                if state.get(id(needed)) is None:
                    reach(needed)
                    stack.append((needed, iter(_needs(needed, entries))))
                    break
            else:
                state[id(node)] = "done"
                finished.append(node)
                stack.pop()

    def reach(node: Node) -> None:
        state[id(node)] = "open"
        found.setdefault(id(node.layer), (len(found), node.layer))
        if not node.inputs and id(node.outputs[0]) not in ends:
            raise ValueError(
                f"{owner}: the output needs the input {node.layer.name!r}, which is not among the model's inputs"
            )

    for tensor in outputs:
        node = entries.get(id(tensor), tensor).node
        if state.get(id(node)) is None:
            visit(node)
    depths = {id(node): 0 for node in finished}
    layer_depths: dict[int, int] = {}
    for node in reversed(finished):
        depth = max(depths[id(node)], layer_depths.get(id(node.layer), 0))
        depths[id(node)] = layer_depths[id(node.layer)] = depth
        for needed in _needs(node, entries):
            depths[id(needed)] = max(depths[id(needed)], depth + 1)
    for tensor in inputs:  # one that no output needs
        if id(tensor.node) not in depths:
            depths[id(tensor.node)] = layer_depths[id(tensor.node.layer)] = 0
            found[id(tensor.node.layer)] = (len(found), tensor.node.layer)
            finished.append(tensor.node)
    nodes = sorted(finished, key=lambda node: -depths[id(node)])
    reached = sorted(found.values(), key=lambda entry: (-layer_depths[id(entry[1])], entry[0]))
    layers = [layer for _, layer in reached]
    names: dict[Any, Any] = {}
    for layer in layers:
        if names.setdefault(layer.name, layer) is not layer:
            raise ValueError(f"{owner}: two layers are named {layer.name!r}: a name must be unique in its model")
    return nodes, layers


def _needs(node: Node, entries: dict[int, Tensor]) -> list[Node]:
    """The nodes whose outputs go into this one."""
    return [entries.get(id(tensor), tensor).node for tensor in node.inputs]

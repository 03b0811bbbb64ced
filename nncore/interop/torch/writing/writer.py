"""A model's graph becomes a torch.fx.GraphModule."""

import operator

import numpy as np
import torch

import nncore as nn
from nncore.interop.torch.writing import families, registry  # noqa: F401  the families fill the registry


def write(model):
    """The module of PyTorch that a model of nncore is."""
    if not isinstance(model, nn.Model):
        raise TypeError(f"to_torch takes a model of nncore; got {type(model).__name__}")
    if not model.built:
        raise ValueError(f"to_torch: model {model.name!r} is not built: it has neither shape nor weights yet")
    return Writer(model.dtype, {}).model(model).eval()


class Writer:
    """Writes one graph; `made` are modules of layers that are there already, by the layer's id."""

    def __init__(self, dtype, made):
        self.dtype, self.made = torch.float64 if dtype == np.float64 else torch.float32, made
        self.graph, self.root, self.names = torch.fx.Graph(), torch.nn.Module(), {}

    def model(self, model):
        """A GraphModule of a model."""
        if model.call is not None:
            raise TypeError(
                f"to_torch: model {model.name!r} is a program, as {type(model).__name__} defines call; only Sequential "
                "and models of inputs and outputs can be written"
            )
        known = {id(tensor): self.graph.placeholder(_identifier(tensor.name)) for tensor in model.inputs}
        for node in model.graph.nodes:
            if node.inputs:
                inputs = [known[id(tensor)] for tensor in node.inputs]
                given = self.layer(node.layer, inputs, [t.sample_shape for t in node.inputs], node.options)
                given = given if isinstance(given, list) else [given]
                known.update(zip(map(id, node.outputs), given, strict=True))
        outputs = [known[id(tensor)] for tensor in model.outputs]
        self.graph.output(outputs[0] if len(outputs) == 1 else tuple(outputs))
        self.graph.lint()
        return torch.fx.GraphModule(self.root, self.graph, _identifier(model.name))

    def layer(self, layer, inputs, shapes, options):
        """Calls a layer; returns the node of its output, or a list of them."""
        name, where = type(layer).__name__, f"to_torch: layer {layer.name!r}"
        if isinstance(layer, nn.Model):
            if id(layer) not in self.made:
                self.made[id(layer)] = Writer(self.dtype_name, self.made).model(layer)
            node = self.call(layer, "", lambda: self.made[id(layer)], *inputs)
            count = len(layer.outputs)
            return [self.item(node, number) for number in range(count)] if count > 1 else node
        if type(layer) is not getattr(nn.layers, name, None) or name not in registry.LAYERS:
            raise registry.refusal(name, where)
        try:
            return registry.LAYERS[name](self, layer, inputs, shapes, options)
        except ValueError as error:
            text = str(error)
            raise ValueError(text if text.startswith("to_torch") else f"{where} ({name}): {text}") from error

    @property
    def dtype_name(self):
        """Of NumPy."""
        return np.float64 if self.dtype == torch.float64 else np.float32

    # ---- nodes

    def call(self, layer, suffix, make, *inputs, **options):
        """Calls the module of a layer, which `make()` makes the first time that anybody asks for it."""
        key = (id(layer), suffix)
        if key not in self.made:
            module = make().to(self.dtype)
            if not isinstance(layer, nn.Model) and not layer.trainable:
                module.requires_grad_(False)
            self.made[key] = module
        if key not in self.names:
            self.names[key] = self._name(f"{layer.name}_{suffix}" if suffix else layer.name)
            self.root.add_module(self.names[key], self.made[key])
        return self.graph.call_module(self.names[key], inputs, options)

    def _name(self, wanted):
        name, number = _identifier(wanted), 0
        while hasattr(self.root, name):
            number += 1
            name = f"{_identifier(wanted)}_{number}"
        return name

    def function(self, function, *arguments, **options):
        """Calls a function."""
        return self.graph.call_function(function, arguments, options)

    def method(self, name, *arguments, **options):
        """Calls a method."""
        return self.graph.call_method(name, arguments, options)

    def item(self, node, number):
        """An element of a tuple."""
        return self.function(operator.getitem, node, number)

    def channels_first(self, x, axes):
        """(rows, channels, ...) of (rows, ..., channels) with so many axes between."""
        return self.method("permute", x, 0, axes + 1, *range(1, axes + 1))

    def channels_last(self, x, axes):
        """The way back."""
        return self.method("permute", x, 0, *range(2, axes + 2), 1)

    def tensor(self, array):
        """A copy of a NumPy array."""
        return torch.tensor(np.array(array), dtype=self.dtype)


def _identifier(name):
    found = "".join(c if c.isalnum() or c == "_" else "_" for c in name)
    return found if found[:1].isalpha() or found[:1] == "_" else f"_{found}"

"""Which function writes which layer, and how layers, models and their masks go into a graph.

A function is `(graph, layer, *values, **options)`, as a layer's own `emit`: it adds nodes, and returns the output's
Value or a list of several.
"""

from nncore.layers import (
    Hashing,
    IntegerLookup,
    Layer,
    StackedRNNCells,
    StringLookup,
    TextVectorization,
    composite,
)
from nncore.models import Model

_WRITERS: dict = {}
_MASKS: dict = {}

# Classes of nncore.layers that no graph holds by themselves.
REFUSED = {
    Layer: "it is the base of layers, and computes nothing",
    StackedRNNCells: "it is a cell, which RNN makes part of a graph",
    **dict.fromkeys((Hashing, IntegerLookup, StringLookup, TextVectorization),
                    "it looks up what data say in Python; export the model behind it, and call the layer on the data"),
}  # fmt: skip


def writes(*classes):
    """Makes a function the one for these classes of layers."""

    def register(function):
        _WRITERS.update(dict.fromkeys(classes, function))
        return function

    return register


def masks(*classes):
    """Makes `(graph, layer, values) -> mask or None` that of these classes, and of those made of them."""

    def register(function):
        _MASKS.update(dict.fromkeys(classes, function))
        return function

    return register


def knows(cls):
    """Whether there is a function for a class itself."""
    return cls in _WRITERS


def emit_layer(graph, layer, values, options=None):
    """Adds a layer and the mask of its output; returns the output Values. The counterpart of nncore's own."""
    write = _writer(layer)
    with graph.scope(layer.name):
        outputs = write(graph, layer, *values, **(options or {}))
        outputs = outputs if isinstance(outputs, list) else [outputs]
        if any(value.mask is not None for value in values) and outputs[0].mask is None:
            outputs[0].mask = _mask(graph, layer, values)
    return outputs


def _writer(layer):
    """The function for a layer; ValueError where there is none."""
    if isinstance(layer, Model):
        return write_model
    for cls in type(layer).__mro__:
        if cls in _WRITERS:
            return _WRITERS[cls]
        if {"emit", "call", "forward"} & set(vars(cls)):
            break
    if layer.call is not None:
        return write_model
    reason = REFUSED.get(type(layer))
    if reason is None:
        reason = "it computes in Python; made of other layers, by `call`, it could be exported"
        if layer.forward is None:
            reason = "there is no operator for it"
    raise ValueError(f"layer {layer.name!r} of class {type(layer).__name__} cannot be exported to ONNX: {reason}")


def write_model(graph, owner, *values):
    """A model, or a layer made of others, for predictions."""
    if owner.call is None:
        return owner.graph.emit(graph, values, emit_layer)
    return composite.traced(owner, [value.shape for value in values], False).emit(graph, values, emit_layer)


def _mask(graph, layer, values):
    for cls in type(layer).__mro__:
        if cls in _MASKS:
            return _MASKS[cls](graph, layer, values)
    return values[0].mask if layer.supports_masking else None

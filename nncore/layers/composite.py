"""Layers and models made of others: `call` is run once for each mode, on symbolic tensors, which makes a graph."""

from __future__ import annotations

import contextvars
import inspect
from typing import TYPE_CHECKING, Any

from nncore._graph import Graph
from nncore.layers.tensor import Tensor, is_symbolic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nncore._plan import Builder, Value
    from nncore._typing import Shape
    from nncore.layers.layer import WeightMaker

# Whether the `call` that is being traced is that of training; None outside of one, and in one that does not ask.
_mode: contextvars.ContextVar[bool | None] = contextvars.ContextVar("mode", default=None)


def asks_for_training(function: Callable[..., Any]) -> bool:
    """Whether a function has the argument `training`."""
    return "training" in inspect.signature(function).parameters


def modes(owner: Any) -> tuple[bool | None, ...]:
    """The values of `training` for which graphs may differ."""
    return (False, True) if asks_for_training(owner.call) else (None,)


def check_mode(layer: Any, training: bool | None) -> None:
    """Refuses a layer in a graph that is to behave otherwise than its model."""
    if training is not None and training is not _mode.get():
        raise ValueError(
            f"layer {layer.name!r} in a graph does not support the argument 'training' (got {training!r}): whether it "
            "behaves as in training is up to the model; `call` of a layer may hand on the value that it gets"
        )


def in_mode(training: Any, function: Any, *arguments: Any, **options: Any) -> Any:
    """Calls a function, with `training` where it asks for it."""
    if asks_for_training(function):
        options["training"] = training
    return function(*arguments, **options)


def inline(layer: Any, inputs: Any, arguments: Any, options: Any, training: bool | None) -> Any:
    """Makes what `call` does with several arguments part of the graph at hand; returns what it returns."""
    if not is_symbolic(inputs):
        raise TypeError(f"layer {layer.name!r} takes several arguments on symbolic tensors only")
    check_mode(layer, training)
    return in_mode(_mode.get(), layer.call, inputs, *arguments, **options)


def take(layer: Any, inputs: Any) -> None:
    """Notes whether a layer of the user's takes a list of inputs; it cannot be both."""
    several = isinstance(inputs, (list, tuple)) and all(isinstance(x, Tensor) or hasattr(x, "shape") for x in inputs)
    if several and len(inputs) < 2:
        raise ValueError(f"layer {layer.name!r} takes one input, or a list of several; got a list of {len(inputs)}")
    if vars(layer).get("merges", several) != several:
        raise ValueError(f"layer {layer.name!r} cannot take one input in one place and a list in another")
    layer.merges = several


def sublayers_of(owner: Any) -> list[Any]:
    """The layers and models among an object's attributes, and in lists, tuples and dicts there, once each."""
    from nncore.layers.layer import Symbolic  # which imports this module

    found: dict[Any, Any] = {}

    def look(thing: Any) -> None:
        if isinstance(thing, Symbolic):
            found.setdefault(id(thing), thing)
        elif isinstance(thing, dict):
            look(list(thing.values()))
        elif isinstance(thing, (list, tuple)):
            for each in thing:
                look(each)

    look([value for name, value in vars(owner).items() if name not in ("_graphs", "made_with")])
    return list(found.values())


def prepare(owner: Any, shapes: Sequence[Shape]) -> list[Graph]:
    """Traces `call` for samples of these shapes, in every mode."""
    build_layers(owner, _as_given(owner, shapes))
    return [traced(owner, shapes, mode) for mode in modes(owner)]


def build_layers(owner: Any, input_shape: Any) -> None:
    """Lets a layer of the user's make layers in its `build`, once."""
    from nncore.layers.layer import Layer

    if isinstance(owner, Layer) and type(owner).build is not Layer.build and not vars(owner).get("_prepared"):
        owner.build(input_shape)
        owner._prepared = True  # type: ignore[attr-defined]
    if not owner.trainable:
        owner.trainable = False  # its layers, of which some may be new


def traced(owner: Any, shapes: Sequence[Shape], training: bool | None) -> Graph:
    """The Graph of `call` for samples of these shapes."""
    mode = training if asks_for_training(owner.call) else None

    def call(tensors: Sequence[Tensor]) -> Any:
        options = {} if mode is None else {"training": mode}
        return owner.call(_as_given(owner, tensors), **options)

    return cached(owner, shapes, mode, call)


def cached(owner: Any, shapes: Sequence[Shape], mode: bool | None, function: Callable[..., Any]) -> Graph:
    """The Graph of a function of an owner's from a list of tensors to a tensor or a list of them, made once."""
    graphs: dict[Any, Graph] = vars(owner).setdefault("_graphs", {})
    key = (tuple(shapes), mode)
    if key not in graphs:
        token = _mode.set(mode)
        try:
            graphs[key] = _trace(owner, shapes, function)
        finally:
            _mode.reset(token)
    return graphs[key]


def _trace(owner: Any, shapes: Sequence[Shape], function: Callable[..., Any]) -> Graph:
    from nncore.layers.input import Input

    inputs = [Input(shape, name=f"{owner.name}_input_{number}") for number, shape in enumerate(shapes)]
    outputs = function(inputs)
    outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    for output in outputs:
        if not isinstance(output, Tensor):
            raise TypeError(
                f"call of {owner.name!r} must return symbolic tensors, made of its inputs by layers and arithmetic; "
                f"got {output!r}"
            )
    return Graph(inputs, outputs, repr(owner.name), None)


def output_shape(owner: Any, input_shape: Any) -> Any:
    """The shape of a sample of the output, or a list of several."""
    shapes = traced(owner, list(input_shape) if owner.merges else [input_shape], False).output_shapes
    return shapes if len(shapes) > 1 else shapes[0]


def build(owner: Any, input_shape: Any, weights: WeightMaker) -> None:
    """Builds the layers, with weights from a WeightMaker."""
    build_graphs(owner, prepare(owner, list(input_shape) if owner.merges else [input_shape]), weights)


def build_graphs(owner: Any, graphs: Sequence[Graph], weights: WeightMaker) -> None:
    """Builds the layers in graphs of an owner, among whose attributes those with weights must be."""
    known = {id(layer) for layer in _all_sublayers(owner)}
    for graph in graphs:
        graph.build(weights)
        for layer in graph.layers:
            if id(layer) not in known and layer.weight_list():
                raise ValueError(
                    f"call of {owner.name!r} uses the layer {layer.name!r}, which has weights and is no attribute of "
                    f"it: make it in the constructor, so that it is one layer, whose weights are known"
                )


def _all_sublayers(owner: Any) -> Iterator[Any]:
    for layer in sublayers_of(owner):
        yield layer
        yield from _all_sublayers(layer)


def emit(owner: Any, builder: Builder, xs: Sequence[Value]) -> Any:
    """Adds the steps of the graph for the plan's mode; returns the output's Value, or a list of several."""
    ys = emit_graph(owner, builder, xs)
    return ys if len(ys) > 1 else ys[0]


def emit_graph(owner: Any, builder: Builder, xs: Sequence[Value]) -> list[Value]:
    """Adds the steps of the graph for the plan's mode; returns the outputs' Values."""
    from nncore.layers.layer import emit_layer

    shapes = [x.shape if x.data_shape is None else x.data_shape for x in xs]
    return traced(owner, shapes, builder.training).emit(builder, xs, emit_layer)


def _as_given(owner: Any, things: Sequence[Any]) -> Any:
    """Of each input one thing, as `call` takes them."""
    return list(things) if owner.merges else things[0]

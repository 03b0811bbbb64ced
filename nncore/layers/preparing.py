"""Layers that encode data in NumPy, before the engine reads it: categories, text, intervals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _checks, _data
from nncore.layers import composite, python_layer
from nncore.layers.layer import Layer
from nncore.layers.tensor import is_symbolic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nncore._plan import Builder
    from nncore._typing import Array, Config, Outputs, Shape

OUTPUT_MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")


class DataLayer(Layer):
    """A layer that makes numbers of keys. Subclasses define `encode`, and `compute_output_shape`.

    Called on data it encodes them at once. In a model it encodes an input's data before the plan reads them, exactly
    and of any type, where it is the only one that reads the input, or the only one behind another such layer.
    Elsewhere in a graph it is a step in Python, over the model's numbers, where `reads_numbers`.
    """

    prepares_data = True
    reads_numbers = True

    def encode(self, data: Any, name: str = "inputs") -> Array:
        """The encoded data, an array of the smallest useful type; `name` is for errors."""
        raise NotImplementedError

    def read(self, data: Any, name: str) -> Array:
        """The data as an array; strings as objects."""
        return _data.as_array(data, name)

    def __call__(self, inputs: Any, *, training: bool | None = None) -> Outputs:  # type: ignore[override]
        """On symbolic tensors: returns the output's. On data: returns them encoded, an array."""
        if is_symbolic(inputs):
            composite.check_mode(self, training)
            return self.connect(inputs)
        encoded = self.encode(inputs)
        return encoded if self.output_mode == "int" else encoded.astype(np.float32)

    output_mode = "int"

    def forward(self, x: Any) -> Array:
        """As a step in Python."""
        return self.encode(x)

    def take(self, inputs: Any) -> None:
        pass

    def check_place(self) -> None:
        """Raises ValueError where it is to read a plan's numbers, or an input that others read, and cannot."""
        if not self.reads_numbers:
            raise ValueError(
                f"layer {self.name!r} reads what no plan can hold: it must stand directly behind an input of the model "
                "that nothing else reads, or be called on the data"
            )

    def emit(self, builder: Builder, x: Any) -> Any:
        if self in x.prepared:
            if self is x.prepared[-1]:
                x.data_shape = None  # from here on it is what they have made
            return x
        self.check_place()
        return python_layer.emit(self, builder, [x])


def prepare(layers: Sequence[Any], data: Any, input_shape: Any, output_shape: Shape, name: str) -> Array:
    """The data of an input as `layers`, one behind the other, encode them: an array of samples of `output_shape`."""
    array = layers[0].read(data, name)
    if array.ndim == 1 and input_shape == (1,):
        array = array[:, None]
    if array.ndim == 0 or array.shape[1:] != input_shape:
        raise ValueError(
            f"layer {layers[0].name!r} expects inputs of shape {input_shape} for each sample; {name} has shape "
            f"{array.shape}"
        )
    for layer in layers:
        array = layer.encode(array, name)
    if array.shape[1:] != output_shape:
        raise ValueError(
            f"layer {layers[-1].name!r} makes samples of shape {array.shape[1:]}, and the model was built for "
            f"{output_shape}: its vocabulary or bins have changed since"
        )
    return array


def described(config: Config) -> tuple[Config, Config]:
    """The arguments in the configuration of a layer with a vocabulary, and what it has adapted to, checked."""
    config = dict(config)
    adapted = config.pop("adapted", None) or {}
    for found in (config, adapted):
        if isinstance(found.get("vocabulary"), str):  # which would read any file that a description names
            raise ValueError("a vocabulary in a configuration must be a list of keys")
    return config, adapted


def refuse_preparing(model: Any, owner: str) -> None:
    """Raises ValueError where layers encode data before the plan reads them: the plan alone is another model."""
    for number in range(len(model.graph.inputs)):
        for layer in model.graph.preparing(number)[0]:
            raise ValueError(
                f"{owner} does not support layer {layer.name!r} ({type(layer).__name__}): it encodes data in Python "
                "before the model reads them; take the model behind it, and call the layer on the data"
            )


def check_mode(owner: str, mode: str, allowed: Sequence[str]) -> str:
    """The output mode, under its present name."""
    if isinstance(mode, str):
        mode = {"binary": "multi_hot", "tf-idf": "tf_idf"}.get(mode, mode)
    if not isinstance(mode, str) or mode not in allowed:
        raise ValueError(f"{owner}: output_mode must be one of {', '.join(allowed)}; got {mode!r}")
    return mode


def encoded_shape(shape: Any, mode: str, depth: Any) -> Shape:
    """The shape of a sample's code."""
    shape = tuple(shape)
    if mode == "int":
        return shape
    if mode == "one_hot":
        return (*shape[:-1], depth) if shape[-1:] == (1,) else (*shape, depth)
    return (*shape[:-1], depth)


def encode_indices(indices: Any, mode: str, depth: Any, weights: Array | None = None) -> Array:
    """What numbers from 0 to depth - 1 are in an output mode; negative ones are left out.

    one_hot is (..., depth) for indices (...) or (..., 1). multi_hot and count are of the last axis' numbers together;
    `weights` count instead of 1.
    """
    if mode == "int":
        return indices
    if mode == "one_hot":
        if indices.ndim > 1 and indices.shape[-1] == 1:
            indices = indices[..., 0]
        code = np.zeros((*indices.shape, depth), np.uint8)
        known = indices >= 0
        ones = (*np.nonzero(known), indices[known])
        code[ones] = 1
        return code
    indices = np.atleast_1d(indices)
    samples = indices.shape[:-1]
    rows = np.repeat(np.arange(math.prod(samples)), indices.shape[-1])
    weights = None if weights is None else weights.reshape(-1)
    return encode_flat(rows, indices.reshape(-1), math.prod(samples), mode, depth, weights).reshape(*samples, depth)


def encode_flat(rows: Array, indices: Array, count: int, mode: str, depth: int, weights: Array | None = None) -> Array:
    """The "multi_hot" or "count" code (count, depth) of numbers that belong to rows; negative ones are left out."""
    known = indices >= 0
    places = rows[known] * depth + indices[known]
    if mode == "multi_hot":
        code: Array = np.zeros(count * depth, np.uint8)
        code[places] = 1
    else:
        code = np.bincount(places, None if weights is None else weights[known], count * depth)
        code = code.astype(np.int32 if weights is None else np.float64)
    return code.reshape(count, depth)


def whole_numbers(array: Array, owner: str, name: str) -> Array:
    """An array of whole numbers as int64."""
    if array.dtype.kind == "f":
        wrong = ~np.isfinite(array) | (array != np.floor(array))
        if wrong.any():
            place = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise ValueError(f"{owner} takes whole numbers; {name} holds {array[place]} at {list(place)}")
    return array.astype(np.int64)


def batches_to_adapt(data: Any, steps: int | None, owner: str) -> Iterator[Any]:
    """The parts of what a layer is adapted to: those of an iterable, or else the data as they are."""
    from nncore.models.training import _gives_minibatches, _inputs_of  # which imports layers

    several = isinstance(data, (list, tuple)) and data and all(np.ndim(part) > 0 and hasattr(part, "shape")
                                                               for part in data)  # fmt: skip
    if not several and (isinstance(data, (list, tuple)) or not _gives_minibatches(data)):
        if steps is not None:
            raise ValueError(f"{owner}: steps is for data in minibatches")
        yield data
        return
    steps = None if steps is None else _checks.positive_integer(owner, "steps", steps)
    for number, batch in enumerate(data):
        if number == steps:
            return
        yield _inputs_of(batch)


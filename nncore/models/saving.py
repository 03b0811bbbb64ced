"""Models in safetensors files: architecture, weights, compilation, the optimizer's state. No pickle, no code.

Weights are the tensors ``weights.<number>``, in the order of `model.weights`; the optimizer's state is
``optimizer.<number>``, in the order of `optimizer.variables`. The rest is JSON in the file's metadata, under
``nncore``, with the SHA-256 of all of it. A training's file has more (`resuming.py`), which `load_model` passes over.
What only files need is imported when a file is touched.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nncore import _checks, _custom_objects, layers
from nncore._version import __version__
from nncore.layers.layer import check_arrays, weights_of_at_most

if TYPE_CHECKING:
    from collections.abc import Callable

    from nncore._typing import Array, Config, PathLikeStr
    from nncore.models.model import Model

FORMAT = 1
SPARE_ELEMENTS = 2**16  # that layers in the making may have beside those in the file
# What constructors raise for descriptions that no model has given, those of users' classes included.
_UNFIT = (ArithmeticError, AttributeError, LookupError, NotImplementedError, RecursionError, TypeError, ValueError)
MAX_DESCRIPTION = 100_000_000  # bytes in front of the tensors: readers of safetensors refuse more


def state_of(model: Any) -> Config:
    """Everything that makes the model, as JSON-able data and arrays."""
    tensors = {}
    if model.built:
        tensors.update({f"weights.{i}": array for i, array in enumerate(model.weights)})
    with layers.sharing(_shared_layers(model)):
        config = model.get_config()
    state = {"format": FORMAT, "nncore": __version__, "class_name": _custom_objects.name_in_files(type(model)),
             "config": config, "compiled": None, "forwards": int(model._forwards[0])}  # fmt: skip
    if model.call is not None and model.built:
        state["input_shapes"] = [list(tensor.shape) for tensor in model.inputs]
    if model.compiled:
        optimizer = model.optimizer
        state["compiled"] = {
            "optimizer": _checks.serialize(optimizer),
            "steps": int(optimizer.counter[0]),
            "variables": _numbers(optimizer, model),
            "trainable": list(model._switches.values()),
            **{key: _described(given) for key, given in model._compilation.items()},
        }
        tensors.update({f"optimizer.{i}": array for i, array in enumerate(optimizer.variables)})
    return {"state": state, "tensors": {name: np.array(array) for name, array in tensors.items()}}


def _shared_layers(model: Model) -> dict[int, Any]:
    """Numbers of the layers that stand in more than one of the models that a model is made of: {id: number}."""
    seen: set[int] = set()
    shared: dict[int, Any] = {}
    models = [model]
    for one in models:
        for layer in one.layers:
            if id(layer) in seen:
                shared.setdefault(id(layer), len(shared))
            elif hasattr(layer, "graph"):
                models.append(layer)
            seen.add(id(layer))
    return shared


def restore(model: Any, saved: Config) -> None:
    """Makes `model`, an object without content, what `state_of` described."""
    state, tensors = saved["state"], saved["tensors"]
    elements = sum(array.size for name, array in tensors.items() if name.startswith("weights."))
    with layers.sharing({}), weights_of_at_most(elements + SPARE_ELEMENTS):
        fresh = type(model).from_config(state["config"])
        shapes = state.get("input_shapes")
        if shapes is not None:
            fresh.build(shapes if len(shapes) > 1 else shapes[0])
    model.__dict__.update(fresh.__dict__)
    compiled = state["compiled"]
    if compiled is not None:
        from nncore import optimizers

        model.compile(
            optimizers.deserialize(compiled["optimizer"]),
            **{key: compiled.get(key) for key in ("loss", "loss_weights", "metrics", "weighted_metrics")},
        )
        if "trainable" in compiled:  # other than the layers' own where they were changed since
            switches = [_checks.boolean("compiled", "trainable", value) for value in compiled["trainable"]]
            model._switches = dict(zip(model._switches, switches, strict=True))
    checked_fill(model, state, tensors)()


def checked_fill(model: Model, state: Any, tensors: dict[str, Array]) -> Callable[[], None]:
    """A function that copies weights, the optimizer's state and counts into a model of the same architecture and
    compilation; what could keep it from that raises here, while the model is as it was.
    """
    weights = model.weight_list() if model.built else []
    expected = {f"weights.{i}" for i in range(len(weights))}
    if {name for name in tensors if not name.startswith(("optimizer.", "training."))} != expected:
        raise ValueError(f"the architecture has {len(expected)} weights, and the file others")
    arrays = [tensors[f"weights.{i}"] for i in range(len(weights))]
    check_arrays(weights, arrays, f"model {model.name!r}")
    pairs = [(weight.array, array) for weight, array in zip(weights, arrays, strict=True)]
    compiled, steps = state["compiled"], 0
    forwards = _checks.integer("the file", "forwards", state["forwards"])
    if compiled is not None:
        steps = _checks.integer("the file", "steps", compiled["steps"])
        if compiled["variables"]:
            variables = [model.weights[_checks.integer("the file", "variables", i)] for i in compiled["variables"]]
            model.optimizer.build(variables, model.paths_of(variables))
            for i, array in enumerate(model.optimizer.variables):
                kept = tensors[f"optimizer.{i}"]
                if kept.shape != array.shape or kept.dtype != array.dtype:
                    raise ValueError(f"optimizer state {i} should be {array.shape} of {array.dtype}")
                pairs.append((array, kept))

    def fill() -> None:
        for array, kept in pairs:
            array[...] = kept
        if compiled is not None:
            model.optimizer.counter[0] = steps
        model._forwards[0] = forwards

    return fill


def _numbers(optimizer: Any, model: Model) -> list[int]:
    """Which of the model's weights the optimizer keeps state for, in its own order."""
    places = {array.__array_interface__["data"][0]: number for number, array in enumerate(model.weights)}
    return [places[variable.__array_interface__["data"][0]] for variable in optimizer._variables]


def _described(given: Any) -> Any:
    """Losses, metrics and their like as JSON-able data: names as they are, objects as their configurations."""
    if isinstance(given, dict):
        return {key: _described(value) for key, value in given.items()}
    if isinstance(given, (list, tuple)):
        return [_described(value) for value in given]
    if hasattr(given, "get_config") and not isinstance(given, type):
        return _checks.serialize(given)
    return _custom_objects.name_in_files(given) if callable(given) else given


def save_model(model: Model, path: PathLikeStr, overwrite: bool, **also: Any) -> None:
    """Writes the whole model, and what else is to be in the description."""
    model._require_built()
    saved = state_of(model)
    _write(path, {**saved["state"], **also}, saved["tensors"], overwrite)


def save_weights(model: Model, path: PathLikeStr, overwrite: bool) -> None:
    """Writes the weights."""
    model._require_built()
    tensors = {f"weights.{i}": array for i, array in enumerate(model.weights)}
    _write(path, {"format": FORMAT, "nncore": __version__}, tensors, overwrite)


def load_weights(model: Model, path: PathLikeStr) -> None:
    """Reads weights into a built model."""
    model._require_built()
    _, tensors = _read(path)
    found = sorted((n for n in tensors if n.startswith("weights.")), key=lambda n: int(n.split(".")[1]))
    from nncore.layers.layer import copy_into

    try:
        copy_into(model.weight_list(), [tensors[name] for name in found], f"model {model.name!r}")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def load_model(filepath: PathLikeStr, custom_objects: dict[str, Any] | None = None, compile: bool = True,
               safe_mode: Literal[True] = True) -> Model:  # fmt: skip
    """Returns the model that `model.save` wrote: ready to predict, or to go on training with the same bits.

    Parameters
    ----------
    custom_objects : dict from name to class or function
        Layers, models, losses and metrics of the user's that the file names; `nncore.saving` can register them.
    compile : bool
        False leaves optimizer, loss and metrics away.
    safe_mode : True
        There is no other mode.

    Raises
    ------
    ValueError
        For a file that is broken, truncated, altered or no model. No code of the file's is ever run.
    """
    _checks.refuse("load_model", safe_mode=None if safe_mode is True else safe_mode)
    scope = _custom_objects.CustomObjectScope(custom_objects)
    filepath = _checks.path("load_model", "filepath", filepath)
    state, tensors = _read(filepath)
    if not _checks.boolean("load_model", "compile", compile):
        state["compiled"] = None
    return _model_of(filepath, state, tensors, scope)


def load_with(filepath: PathLikeStr, part: str) -> tuple[Model, Any]:
    """(The model, not compiled, and what `save_model` was given under the name `part`, None where it was not)."""
    state, tensors = _read(filepath)
    state["compiled"] = None
    return _model_of(filepath, state, tensors, _custom_objects.CustomObjectScope(None)), state.get(part)


def _model_of(filepath: PathLikeStr, state: dict[str, Any], tensors: dict[str, Array], scope: Any) -> Model:
    if "class_name" not in state:
        raise ValueError(f"{filepath}: holds weights and no architecture; use model.load_weights")
    from nncore import models

    kinds = {"Sequential": models.Sequential, "Model": models.Model}
    try:
        with scope:
            name = str(state["class_name"])
            cls = kinds.get(name) or _custom_objects.find(name)
            if not isinstance(cls, type) or not issubclass(cls, models.Model):
                raise ValueError(f"unknown kind of model {name!r}{_custom_objects.hint(name)}")
            model = cls.__new__(cls)
            restore(model, {"state": state, "tensors": tensors})
    except _UNFIT as error:
        raise ValueError(
            f"{filepath}: the description of the model does not fit its tensors: {str(error) or type(error).__name__}"
        ) from error
    return model


def _digest(state_text: str, tensors: dict[str, Array]) -> str:
    import hashlib

    digest = hashlib.sha256(state_text.encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))  # type: ignore[arg-type]
    return digest.hexdigest()


def _write(path: PathLikeStr, state: Any, tensors: dict[str, Array], overwrite: bool) -> None:
    import json
    import pathlib

    from nncore import _files

    path = pathlib.Path(path)
    if not overwrite and path.exists():
        raise FileExistsError(f"{path} exists, and overwrite is False")
    text = json.dumps(state)
    tensors = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    metadata = {"nncore": json.dumps({"sha256": _digest(text, tensors), "model": text})}
    header, arrays = _layout(tensors, metadata)
    if len(header) > MAX_DESCRIPTION:
        raise ValueError(
            f"{path}: the description of the model has {len(header):,} bytes; a file has at most {MAX_DESCRIPTION:,}. "
            "Vocabularies of layers are part of it: max_tokens limits them"
        )
    _files.replace(path, b"".join([len(header).to_bytes(8, "little"), header, *arrays]))


def _layout(tensors: dict[str, Array], metadata: dict[str, str]) -> tuple[bytes, list[Any]]:
    """What a safetensors file has in front of the arrays, without its own length, and the arrays in order.

    Not by the library's own writer: it ends the process where memory for a second copy of the model cannot be had.
    """
    import json

    header: dict[str, Any] = {"__metadata__": metadata}
    arrays: list[Any] = []
    end = 0
    aligned = sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0]))
    for name, array in aligned:
        kind = array.dtype.kind
        begin, end = end, end + array.nbytes
        header[name] = {
            "dtype": "BOOL" if kind == "b" else f"{kind.upper()}{8 * array.itemsize}",
            "shape": array.shape,
            "data_offsets": [begin, end],
        }
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        arrays.append(little.reshape(-1).view(np.uint8).data)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return text + b" " * (-len(text) % 8), arrays


def _tensor(file: Any, name: str) -> Array:
    """A tensor of an open file. The library ends the process where it cannot have memory, so that is tried before."""
    import re

    described = file.get_slice(name)
    bits = re.search(r"\d+", described.get_dtype())
    np.empty(math.prod(described.get_shape()) * int(bits[0] if bits else 8) // 8, np.uint8)
    return file.get_tensor(name)  # type: ignore[no-any-return]


def _read(path: PathLikeStr, whole: bool = True) -> tuple[Config, dict[str, Array]]:
    """The description and the tensors of a file, checked; the description alone, unchecked, where not the `whole`."""
    import json

    from safetensors import SafetensorError, safe_open

    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: _tensor(file, name) for name in (file.keys() if whole else ())}
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path} is no whole safetensors file: {error}") from error
    if "nncore" not in metadata:
        raise ValueError(f"{path} is a safetensors file, but not one of nncore's")
    try:
        described = json.loads(metadata["nncore"])
        if whole and described["sha256"] != _digest(described["model"], tensors):
            raise ValueError("it has been altered or damaged, as its checksum does not fit")
        state = json.loads(described["model"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"{path} has a format that this version does not know; it knows {FORMAT}")
    return state, tensors

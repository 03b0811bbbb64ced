"""A training in a file: the model as `model.save` writes it, where the training is, and what its callbacks keep.

Under ``training`` in the file's description stand

- ``position``: the epoch and, in the middle of one, the minibatches that are done, the sums behind the logs, the step
  that the order of the rows follows from; how many minibatches an iterator has given;
- ``stopped``, whether nothing but the end is left; ``logs`` of the last epoch that was done;
- ``callbacks``, what each of them has in `get_state`; ``metrics``, the variables of those in Python; ``states`` of
  stateful layers.

Arrays among all that are the tensors ``training.<number>``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _checks, _custom_objects, config
from nncore.models import saving
from nncore.models.single_calls import all_layers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nncore._typing import Array, Config, Logs, PathLikeStr
    from nncore.callbacks.callback_list import CallbackList
    from nncore.models.model import Model


def save(model: Model, path: PathLikeStr) -> None:
    """Writes the training that `model.fit` is in the middle of: called in a hook, or behind all of them."""
    model._require_built()
    saved = saving.state_of(model)
    training = {
        "position": model._position,
        "stopped": model.stop_training,
        "callbacks": model._training_calls.get_state(),
        "metrics": [[variable.array for variable in metric.variables] for metric in model.objective._in_python],
        "states": [layer.states for layer in _stateful(model)],
    }
    tensors = dict(saved["tensors"])
    saved["state"]["training"] = _packed(training, tensors, "the training")
    saving._write(path, saved["state"], tensors, overwrite=True)


class Interrupted:
    """A training that a file holds, for a model to go on with.

    Raises
    ------
    ValueError
        For a file that is damaged, or holds no training; in `restore`, before anything has changed, for one of another
        model.
    """

    position: Config
    steps: int

    def __init__(self, path: PathLikeStr) -> None:
        self.path = path
        self._state, self._tensors = saving._read(path)
        try:
            self._training = _unpacked(self._state["training"], self._tensors)
            self.position = _checked_position(self._training["position"])
            self.steps = _checks.integer("the backup", "steps", self._state["compiled"]["steps"])
            _checks.boolean("the backup", "stopped", self._training["stopped"])
            for name, kind in (("callbacks", dict), ("metrics", list), ("states", list)):
                _require_kind(name, self._training[name], kind)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise self._foreign(error) from error

    def _foreign(self, error: Exception) -> ValueError:
        return ValueError(f"{self.path} is no backup of this model's training: {error}")

    @property
    def in_epoch(self) -> bool:
        """Whether it is in the middle of an epoch."""
        return "batch" in self.position

    @property
    def stopped(self) -> bool:
        """Whether a callback has stopped the training."""
        return self._training["stopped"]

    @property
    def logs(self) -> Logs:
        """Those of the last epoch that was done."""
        return self.position.get("logs") or {}

    def check_layout(self, layout: Any) -> None:
        """Raises where the epoch that it is in the middle of is cut into minibatches in another way."""
        if self.in_epoch and self.position.get("layout") != layout:
            raise ValueError(
                f"{self.path} was written in the middle of an epoch of {_words(self.position.get('layout'))}; fit was "
                f"given {_words(layout)}"
            )

    def restore(self, model: Model, calls: CallbackList) -> None:
        """Puts model and callbacks where they were."""
        try:
            optimizer = self._state["compiled"]["optimizer"]
            if optimizer["class_name"] != _custom_objects.name_in_files(type(model.optimizer)):
                raise ValueError(f"it is of a training with {optimizer['class_name']}")
            seed = config.check_seed(self._state["config"]["seed"])
            rate = optimizer["config"]["learning_rate"]
            if isinstance(rate, float):
                _checks.real_number("the backup", "learning_rate", rate, 0)
            stateful = list(zip(_stateful(model), self._training["states"], strict=True))
            for layer, states in stateful:
                _check_states(layer, states)
            totals = self.position["totals"] if self.in_epoch else []
            if self.in_epoch and len(totals) != model.objective.total_count:
                raise ValueError(f"it has {len(totals)} sums of an epoch, and the model {model.objective.total_count}")
            kept = self._training["metrics"]
            wanted = [[variable.array.shape for variable in metric.variables] for metric in model.objective._in_python]
            if self.in_epoch and [[np.shape(value) for value in values] for values in kept] != wanted:
                raise ValueError(f"the variables of its metrics should be of shapes {wanted}")
            fill = saving.checked_fill(model, self._state, self._tensors)
            calls.set_state(self._training["callbacks"])
            fill()
            if isinstance(rate, float):
                model.optimizer.learning_rate = rate  # which callbacks may have changed
            if model.seed != seed:
                model.seed = seed
                model._forget_programs()
            for layer, states in stateful:
                _put_states(layer, states)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise self._foreign(error) from error
        model.stop_training = self.stopped

    def restore_metrics(self, model: Model) -> None:
        """Puts the sums of metrics in Python where they were, which an epoch begins with none of."""
        for metric, values in zip(model.objective._in_python, self._training["metrics"], strict=True):
            for variable, value in zip(metric.variables, values, strict=True):
                variable.array[...] = value


def _checked_position(position: Any) -> Config:
    """The position of a file, whose every number is used for places in data."""
    _require_kind("position", position, dict)
    in_epoch, layout = "batch" in position, position.get("layout")
    counts = ["epoch"]
    if in_epoch:
        _require_kind("layout", layout, dict)
        counts += ["batch", "first_step", *(() if "rows" in layout else ("rows", "drawn"))]
        _require_kind("totals", position["totals"], list)
        for number in position["totals"]:
            _require_kind("totals", number, (int, float))
    else:
        counts.append("drawn")
        _require_kind("logs", position["logs"], dict)
    for name in counts:
        _checks.integer("the backup", name, position[name])
    minibatches = layout.get("minibatches") if in_epoch else None
    if minibatches is not None and position["batch"] > minibatches:
        raise ValueError(f"it is behind minibatch {position['batch']} of {minibatches}")
    return position


def _require_kind(name: str, value: Any, kind: Any) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"its {name} should not be {type(value).__name__}")


def newest(paths: Iterable[str]) -> Interrupted | None:
    """The training that is furthest of those that files hold; None without a file.

    Raises ValueError where none of the files can be gone on with.
    """
    found, error = [], None
    for path in paths:
        try:
            found.append((_steps(path), path))
        except ValueError as broken:
            error = broken
    for _, path in sorted(found, reverse=True):
        try:
            return Interrupted(path)
        except ValueError as broken:
            error = error or broken
    if error is not None:
        raise ValueError(f"there are files to go on from, and none can be gone on with: {error}") from error
    return None


def _steps(path: PathLikeStr) -> int:
    """How many steps the training in a file has done; of its content nothing is read."""
    state, _ = saving._read(path, whole=False)
    if not state.get("training") or not state.get("compiled"):
        raise ValueError(f"{path} holds a model and no training: it was not written by a callback that resumes")
    try:
        return _checks.integer("the backup", "steps", state["compiled"]["steps"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not say where its training is: {error}") from error


def _words(layout: Any) -> str:
    return ", ".join(f"{name}={value}" for name, value in (layout or {}).items()) or "another kind"


def _stateful(model: Model) -> list[Any]:
    return [layer for layer in all_layers(model) if hasattr(layer, "states")]


def _check_states(layer: Any, states: Any) -> None:
    """Raises unless a plan can read these states of a layer."""
    if states is None:
        return
    dtype = layer.weight_list()[0].array.dtype
    wanted = [array.shape for array in layer.states] if layer.states is not None else [
        (len(states[0]), *shape) for shape in layer.state_shapes]  # fmt: skip
    got = [array.shape for array in states]
    if got != wanted or any(array.dtype != dtype for array in states):
        raise ValueError(f"the states of layer {layer.name!r} should be {wanted} of {dtype}; they are {got}")


def _put_states(layer: Any, states: Any) -> None:
    if states is None or layer.states is None:
        layer.states = states  # plans that know of others have not been made
        return
    for array, kept in zip(layer.states, states, strict=True):
        array[...] = kept


def _packed(value: Any, tensors: dict[str, Array], where: str) -> Any:
    """The value as data for JSON. Arrays go into `tensors`, and the names that they have there into their places."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
        name = f"training.{len(tensors)}"
        tensors[name] = np.array(value)
        return {"tensor": name}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"items": {key: _packed(inner, tensors, f"{where}, {key}") for key, inner in value.items()}}
    if isinstance(value, (list, tuple)):
        return [_packed(inner, tensors, where) for inner in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"{where}: a backup holds numbers, text, None, arrays of numbers, lists, and dicts by name; got {value!r}"
    )


def _unpacked(value: Any, tensors: dict[str, Array]) -> Any:
    if isinstance(value, list):
        return [_unpacked(inner, tensors) for inner in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return tensors[value["tensor"]].copy()
    return {key: _unpacked(inner, tensors) for key, inner in value["items"].items()}

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

from nncore import _custom_objects
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
            self.position = self._training["position"]
            self.steps = self._state["compiled"]["steps"]
            if "epoch" not in self.position:
                raise ValueError("it does not say where the training is")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
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
            saving._fill(model, self._state, self._tensors)
            rate = optimizer["config"]["learning_rate"]
            if isinstance(rate, float):
                model.optimizer.learning_rate = rate  # which callbacks may have changed
            if model.seed != self._state["config"]["seed"]:
                model.seed = self._state["config"]["seed"]
                model._forget_programs()
            for layer, states in zip(_stateful(model), self._training["states"], strict=True):
                _put_states(layer, states)
        except (KeyError, TypeError, ValueError) as error:
            raise self._foreign(error) from error
        calls.set_state(self._training["callbacks"])
        model.stop_training = self.stopped

    def restore_metrics(self, model: Model) -> None:
        """Puts the sums of metrics in Python where they were, which an epoch begins with none of."""
        for metric, values in zip(model.objective._in_python, self._training["metrics"], strict=True):
            for variable, value in zip(metric.variables, values, strict=True):
                variable.array[...] = value


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
    return state["compiled"]["steps"]


def _words(layout: Any) -> str:
    return ", ".join(f"{name}={value}" for name, value in (layout or {}).items()) or "another kind"


def _stateful(model: Model) -> list[Any]:
    return [layer for layer in all_layers(model) if hasattr(layer, "states")]


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

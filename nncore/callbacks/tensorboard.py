"""Event files for TensorBoard."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nncore import _checks
from nncore.callbacks.callback import Callback, needed_where
from nncore.callbacks.frequency import Frequency

if TYPE_CHECKING:
    from nncore._typing import Logs, PathLikeStr


class TensorBoard(Callback):
    """Writes event files that TensorBoard shows: ``log_dir/train`` and ``log_dir/validation``.

    Values have Keras's names: epoch_loss, epoch_learning_rate, batch_loss, evaluation_loss_vs_iterations, ... The files
    are written by tensorboardX, which ``pip install nncore[tensorboard]`` brings.

    Parameters
    ----------
    log_dir : path
    histogram_freq : int
        Histograms of all weights after each so many epochs; 0 for none.
    write_graph : bool
        Writes the table of `model.summary()` as a text.
    write_images : False
    write_steps_per_second : bool
        Writes the minibatches in a second of each epoch, and of each minibatch where these are written.
    update_freq : "epoch", "batch" or int
        Writes loss and metrics after each epoch; also after each minibatch; or after each so many.
    profile_batch, embeddings_freq, embeddings_metadata : 0, 0, None

    Raises
    ------
    ImportError
        When training begins, without tensorboardX.
    ValueError, TypeError
        For bad arguments.
    """

    write_steps_per_second: bool

    def __init__(self, log_dir: PathLikeStr = "logs", histogram_freq: int = 0, write_graph: bool = True,
                 write_images: bool = False, write_steps_per_second: bool = False,
                 update_freq: Literal["batch", "epoch"] | int = "epoch", profile_batch: Literal[0] = 0,
                 embeddings_freq: int = 0, embeddings_metadata: None = None) -> None:  # fmt: skip
        _checks.refuse("TensorBoard", embeddings_metadata=embeddings_metadata)
        _checks.refuse_on("TensorBoard", write_images=write_images, profile_batch=profile_batch,
                          embeddings_freq=embeddings_freq)  # fmt: skip
        self.log_dir: str = _checks.path("TensorBoard", "log_dir", log_dir)
        self.histogram_freq: int = _checks.integer("TensorBoard", "histogram_freq", histogram_freq)
        self.write_graph: bool = _checks.boolean("TensorBoard", "write_graph", write_graph)
        self.write_steps_per_second = _checks.boolean("TensorBoard", "write_steps_per_second", write_steps_per_second)
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self._frequency = Frequency("TensorBoard", "update_freq", self.update_freq)
        self._writers: dict[Any, Any] = {}
        self._training = False

    def get_state(self) -> dict[str, Any]:
        return {"seen": self._frequency.seen}

    def set_state(self, state: dict[str, Any]) -> None:
        self._frequency.seen = _checks.integer(type(self).__name__, "seen", state["seen"])

    def _writer(self, part: str) -> Any:
        if part not in self._writers:
            self._writers[part] = _summary_writer()(os.path.join(self.log_dir, part))
        return self._writers[part]

    def _write(self, part: str, prefix: str, logs: Logs, step: int, suffix: str = "") -> None:
        writer = self._writer(part)
        for name, value in logs.items():
            for place, number in np.ndenumerate(value):
                writer.add_scalar("_".join(map(str, (f"{prefix}_{name}", *place))) + suffix, number, step)

    def close(self) -> None:
        """Writes what is not written yet, and ends the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._training = True
        self._frequency.seen = 0
        _summary_writer()
        if self.write_graph:
            lines: list[Any] = []
            self.model.summary(print_fn=lines.append)
            indented = "\n".join(lines).replace("\n", "\n    ")  # as Markdown shows a table of spaces
            self._writer("train").add_text("model", f"    {indented}", 0)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._training = False
        self.close()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._first_step = self.model.optimizer.iterations
        self._epoch_begin = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = dict(logs or {})
        validation = {name.removeprefix("val_"): logs.pop(name) for name in list(logs) if name.startswith("val_")}
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        if self.write_steps_per_second:
            steps = self.model.optimizer.iterations - self._first_step
            logs["steps_per_second"] = steps / (time.perf_counter() - self._epoch_begin)
        self._write("train", "epoch", logs, epoch)
        if validation:
            self._write("validation", "epoch", validation, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for layer in self.model.layers:
                for weight in layer.weight_list():
                    tag = f"{layer.name}/{weight.name}/histogram"
                    self._writer("train").add_histogram(tag, weight.array, epoch)
        for writer in self._writers.values():
            _flush(writer)  # what a run that is killed leaves behind

    @needed_where(lambda callback: not callback._frequency.by_epoch)
    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._batch_begin = time.perf_counter()

    @needed_where(lambda callback: not callback._frequency.by_epoch)
    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self._frequency.by_epoch or not self._frequency.now():
            return
        logs = dict(logs or {})
        if self.write_steps_per_second:
            logs["steps_per_second"] = 1 / (time.perf_counter() - self._batch_begin)
        self._write("train", "batch", logs, self._frequency.seen)

    def on_test_end(self, logs: Logs | None = None) -> None:
        if self.model.optimizer is not None:
            step = self.model.optimizer.iterations
            self._write("validation", "evaluation", logs or {}, step, suffix="_vs_iterations")
        if not self._training:
            self.close()


def _flush(writer: Any) -> None:
    """Puts events into the file. tensorboardX's own `flush` does not wait for the thread that writes them."""
    events = getattr(getattr(writer, "file_writer", None), "event_writer", None)
    queue = getattr(events, "_event_queue", None)
    waited = time.perf_counter() + 1
    while queue is not None and (getattr(queue, "_buffer", None) or not queue.empty()) and time.perf_counter() < waited:
        time.sleep(0.001)
    time.sleep(0.001)  # for the one that has been taken from the queue
    writer.flush()


def _summary_writer() -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise ImportError("the TensorBoard callback needs tensorboardX: pip install nncore[tensorboard]") from error
    return SummaryWriter

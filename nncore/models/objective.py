"""What a compiled model minimises and reports: losses and metrics of its outputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nncore import _checks, _data, _ports
from nncore._names import free
from nncore._samples import Samples, needs_samples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nncore._data import Source
    from nncore._engine import Buffer
    from nncore._plan import Builder, Value
    from nncore._typing import Array, Shape
    from nncore.losses.loss import Loss
    from nncore.metrics.metric import Metric


class Output(NamedTuple):
    """An output with what is wanted of it."""

    name: str
    shape: Shape  # of a sample
    loss: Loss | None
    weight: float  # of the loss
    all_metrics: list[Any]

    @property
    def judged(self) -> bool:
        """Whether it has targets."""
        return self.loss is not None or bool(self.all_metrics)

    @property
    def target_of(self) -> Any:
        """The loss or metric that says what targets look like."""
        return self.loss or self.all_metrics[0]


class Objective:
    """Losses and metrics, resolved for a model's outputs.

    Parameters
    ----------
    names, shapes : of the outputs
    loss, loss_weights, given_metrics, weighted_metrics : as `Model.compile` takes them
    """

    def __init__(self, names: Sequence[str], shapes: Sequence[Shape], loss: Any, loss_weights: Any, given_metrics: Any,
                 weighted_metrics: Any) -> None:  # fmt: skip
        from nncore import losses, metrics  # as programs that only predict need none

        chosen = _per_output("loss", loss, names, lambda x: isinstance(x, (list, tuple, dict)) and not _is_config(x))
        weights = _per_output("loss_weights", loss_weights, names, lambda x: isinstance(x, (list, tuple, dict)))
        plain = _metrics_per_output("metrics", given_metrics, names)
        weighted = _metrics_per_output("weighted_metrics", weighted_metrics, names)
        self.outputs: list[Output] = []
        for number, (name, shape) in enumerate(zip(names, shapes, strict=True)):
            of_output = None if chosen[number] is None else losses.get(chosen[number])
            _check_loss(of_output, shape)
            weight = 1.0 if weights[number] is None else weights[number]
            weight = _checks.real_number("compile", "loss_weights", weight)
            all_metrics = [metrics.for_model(m, of_output, shape) for m in plain[number]]
            all_metrics += [metrics.for_model(m, of_output, shape, weighted=True) for m in weighted[number]]
            for metric in all_metrics:
                metrics.check_targets(metric, of_output or all_metrics[0], shape)
            self.outputs.append(Output(name, shape, of_output, weight, all_metrics))
        self.judged: list[Output] = [output for output in self.outputs if output.judged]
        self.losses: list[Loss | None] = [output.loss for output in self.outputs]

    @property
    def with_loss(self) -> bool:
        """Whether there is anything to minimise."""
        return any(loss is not None for loss in self.losses)

    @property
    def plain(self) -> bool:
        """Whether each reported value is the mean over rows of one total."""
        return len(self.outputs) == 1 and all(metric.is_plain_mean for metric in self.outputs[0].all_metrics)

    @property
    def depends_on_minibatch(self) -> bool:
        """Whether a loss of all rows is another than the mean of those of minibatches that they are cut into."""
        return any(loss is not None and loss.depends_on_minibatch for loss in self.losses) or bool(self._in_python)

    @property
    def _in_python(self) -> list[Any]:
        return [metric for output in self.outputs for metric in output.all_metrics if metric.in_python]

    def reset_state(self) -> None:
        """Has metrics in Python forget all rows; those of others are in the totals."""
        for metric in self._in_python:
            metric.reset_state()

    @property
    def names(self) -> list[str]:
        """"loss", the losses of several outputs, and the metrics' names."""
        several = len(self.outputs) > 1
        names = ["loss"]
        if several:
            names += [f"{output.name}_loss" for output in self.outputs if output.loss is not None]
        return names + list(self.metrics)

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics by the names under which they are reported; of equal names Keras's way to tell them apart."""
        several = len(self.outputs) > 1
        named: dict[str, Any] = {}
        for weighted in (False, True):
            for output in self.outputs:
                for metric in output.all_metrics:
                    if metric.weighted == weighted:
                        prefix = f"{output.name}_" if several else ""
                        named[_free_name(prefix, metric, named)] = metric
        return {name: metric for output in self.outputs for metric in output.all_metrics
                for name, other in named.items() if other is metric}  # fmt: skip

    # ---- in a plan

    def emit(self, builder: Builder, values: Sequence[Value], weighted: Sequence[int],
             with_metrics: bool = True) -> None:  # fmt: skip
        """Adds losses and metrics to a plan.

        Parameters
        ----------
        values : the outputs' Values
        weighted : for each output, how many weights a row has
        """
        total = builder.penalties
        several = len(self.outputs) > 1
        judged = []
        for output, value in zip(self.outputs, values, strict=True):
            for metric in output.all_metrics:
                metric.masked = value.mask is not None
        for number, (output, value) in enumerate(zip(self.outputs, values, strict=True)):
            if not output.judged:
                continue
            weight = _ports.gather_weights(builder, f"weight{number}", weighted[number]) if weighted[number] else None
            samples = Samples(builder, value, weight) if needs_samples(value, weight, output.loss) else None
            target = _gather_target(builder, f"y{number}", output, gapless=samples is not None)
            judged.append((output, target, value, weight, samples))
            if output.loss is not None:
                totals = [(total, output.weight)]
                if several:
                    totals.append((builder.total(), 1.0))
                output.loss.emit(builder, target, value, weight, output.weight, totals, number, samples)
        for output, target, value, weight, samples in judged if with_metrics else ():
            for metric in output.all_metrics:
                metric.emit(builder, target, value, weight, builder.total(metric.state_size(output.shape)), samples)

    @property
    def total_count(self) -> int:
        """How many totals `values` reads."""
        losses = sum(output.loss is not None for output in self.outputs) if len(self.outputs) > 1 else 0
        sizes: list[int] = [metric.state_size(output.shape) for output in self.outputs for metric in output.all_metrics]
        return 1 + losses + sum(sizes)

    def values(self, totals: Array, rows: int) -> list[Any]:
        """The reported values in the order of `names`, from the totals over so many rows."""
        place = 1
        values = [float(totals[0]) / rows]
        if len(self.outputs) > 1:
            for output in self.outputs:
                if output.loss is not None:
                    values.append(float(totals[place]) / rows)
                    place += 1
        for output in self.outputs:
            for metric in output.all_metrics:
                size = metric.state_size(output.shape)
                values.append(metric.value(totals[place : place + size], rows))
                place += size
        return values

    # ---- targets

    def targets(self, y: Any, sample_weight: Any, class_weight: Any, rows: int,
                dtype: np.dtype[Any]) -> tuple[list[Any], list[Any]]:  # fmt: skip
        """Checked targets and weights of the rows: a Source or None, and an array or None, for each output."""
        names = [output.name for output in self.outputs]
        judged = [output.name for output in self.judged]
        ys = _data.per_name("y", y, judged)
        weights = [None] * len(judged)
        if sample_weight is not None:
            weights = _data.per_name("sample_weight", sample_weight, judged, missing=None)
        if class_weight is not None and not isinstance(class_weight, Mapping):
            raise TypeError(f"class_weight must be a dict from class to weight; got {class_weight!r}")
        if class_weight and len(names) > 1:
            raise ValueError("class_weight is for models of one output")
        sources: list[Any] = [None] * len(names)
        row_weights: list[Any] = [None] * len(names)
        for output, data, weight in zip(self.judged, ys, weights, strict=True):
            number = names.index(output.name)
            name = "y" if len(judged) == 1 else f"y of output {output.name!r}"
            source = _data.target_source(data, output.target_of, output.shape, rows, dtype, name)
            weight = _data.row_weights(weight, rows, dtype, output.shape[:-1])
            _check_weights(output, weight)
            if class_weight:
                if len(output.shape) > 1:
                    raise ValueError(f"class_weight is for outputs of one axis; those of {output.name!r} are "
                                     f"{output.shape}")  # fmt: skip
                by_class = _data.class_weights(class_weight, np.asarray(source.array), max(2, output.shape[-1]), dtype)
                weight = by_class if weight is None else weight * by_class
            sources[number], row_weights[number] = source, weight
        return sources, row_weights


def _check_weights(output: Output, weight: Any) -> None:
    """Raises where a metric of an output cannot take a weight for each sample."""
    for metric in output.all_metrics if weight is not None and weight.ndim > 1 else ():
        if metric.weighted and not metric.takes_samples():
            raise ValueError(
                f"weighted metric {metric.name!r} takes a sample_weight for each row, not for each of the "
                f"{weight.shape[1]} samples of it"
            )


def _gather_target(builder: Builder, name: str, output: Output, gapless: bool) -> Buffer:
    judge = output.target_of
    width = math.prod(judge.target_shape(output.shape))
    buffer = builder.buffer(width, "int32" if judge.labels else None, gapless or judge.labels)
    _ports.gather(builder, name, buffer, width, labels=judge.labels)
    return buffer


def _check_loss(loss: Any, shape: Shape) -> None:
    if loss is None:
        return
    loss.check_output(shape)
    if not shape:
        raise ValueError(f"loss {loss.name!r} needs outputs of at least one axis")


def _free_name(prefix: str, metric: Metric, taken: dict[str, Any]) -> str:
    """name, name_1, name_2, ...; of weighted metrics name, weighted_name, weighted_name_1, ..."""
    name = f"{prefix}{metric.name}"
    if name in taken and metric.weighted:
        name = f"{prefix}weighted_{metric.name}"
    return free(name, taken)


def _is_config(x: Any) -> bool:
    return isinstance(x, dict) and set(x) == {"class_name", "config"}


def _per_output(what: str, given: Any, names: Sequence[str], is_many: Callable[[Any], bool]) -> list[Any]:
    """One thing for each output: of a list in order, of a dict by name, else the same for all."""
    if given is None:
        return [None] * len(names)
    if not is_many(given):
        return [given] * len(names)
    if isinstance(given, dict):
        for name in given:
            if name not in names:
                raise ValueError(f"compile: {what} names the output {name!r}.{_checks.suggest(name, names)}")
        return [given.get(name) for name in names]
    if len(given) != len(names):
        raise ValueError(f"compile: {what} has {len(given)} entries for {len(names)} outputs: {', '.join(names)}")
    return list(given)


def _metrics_per_output(what: str, given: Any, names: Sequence[str]) -> list[Any]:
    """A list of metrics for each output."""
    if given is None:
        return [[] for _ in names]
    if isinstance(given, dict) and not _is_config(given):
        chosen = _per_output(what, given, names, lambda x: True)
        return [_as_list(entry) for entry in chosen]
    given = _as_list(given)
    if len(names) == 1:
        return [given[0] if len(given) == 1 and isinstance(given[0], (list, tuple)) else given]
    if any(isinstance(entry, (list, tuple)) for entry in given) or len(given) == len(names):
        return [_as_list(entry) for entry in _per_output(what, given, names, lambda x: True)]
    raise ValueError(
        f"compile: {what} of a model with several outputs must be a dict by output or a list with an entry for each "
        f"of {', '.join(names)}; got {len(given)} entries"
    )


def _as_list(entry: Any) -> list[Any]:
    if entry is None:
        return []
    return list(entry) if isinstance(entry, (list, tuple)) else [entry]


def finite_targets(sources: Sequence[Source | None]) -> None:
    """Raises for a NaN or an infinity among the targets."""
    for source in sources:
        if source is not None:
            _data.check_finite(source, "y")


def weighted(row_weights: Sequence[Array | None]) -> tuple[int, ...]:
    """For each output, how many weights a row has, or 0: what plans differ in."""
    return tuple(0 if weight is None else weight[:1].size for weight in row_weights)


def slice_weights(row_weights: Sequence[Array | None], part: slice) -> list[Any]:
    """The weights of a slice of the rows."""
    return [None if weight is None else np.ascontiguousarray(weight[part]) for weight in row_weights]

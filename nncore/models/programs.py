"""The plans of a model: one for each thing that it does, made when first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _engine, _ports, config
from nncore._plan import Builder, Later

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore._data import Source
    from nncore._plan import Value
    from nncore._typing import Array
    from nncore.models.model import Model

PREDICT_ROWS = 512  # of a chunk: enough to share among threads, little enough to stay in cache


class Program:
    """A finished Builder with what is bound to it before a run: the data, and where results go.

    Parameters
    ----------
    model : Model
    kind : "train", "test", "gradients", "predict", "forward" or "forward_training"
    rows : int, of the largest minibatch
    weighted : for each output, how many weights a row has
    """

    builder: Builder
    masked: bool

    def __init__(self, model: Model, kind: str, rows: int, weighted: Sequence[int]) -> None:
        training = kind in ("train", "gradients", "forward_training")
        backward = kind not in ("predict", "test")
        self.builder = builder = Builder(
            model.dtype,
            rows,
            training=training,
            backward=backward,
            split=kind.startswith("forward"),
            require_finite=kind == "train" and config.get_nonfinite() == "raise",
            mixed=model.dtype_policy == "mixed_bfloat16" and _engine.bfloat16(),
            update_every=model.optimizer.update_every if kind == "train" else 1,
            statistics={"train": "update", "forward_training": "forward"}.get(kind),
        )
        self.kind = kind
        graph = model.graph
        xs = []
        for number in range(len(graph.inputs)):
            layers, tensor = graph.preparing(number)
            wanted = builder.split and not layers
            x = _ports.gather_input(builder, f"x{number}", tensor.sample_shape, wanted, graph.readers(number))
            if layers:
                x.prepared, x.data_shape = tuple(layers), graph.input_shapes[number]
            xs.append(x)
        if builder.split:
            builder.on_backward(lambda: self._send_gradients(xs))  # the last of the backward pass
        if kind in ("train", "test", "gradients"):
            builder.penalties = builder.total()
            ys = model.emit_graph(builder, xs)
            self.masked = any(y.mask is not None for y in ys)  # losses are means over what a minibatch has of steps
            model.objective.emit(builder, ys, weighted, with_metrics=kind != "gradients")
            of_rows = next((Later(f"weight{n}") for n, count in enumerate(weighted) if count == 1), None)
            for weight in model.weight_list(trainable_only=True):
                penalty = weight.regularizer
                if penalty is not None:
                    builder.regularize(weight, penalty.l1, penalty.l2, builder.penalties, penalty.per_sample, of_rows)
        else:
            ys = model.emit_graph(builder, xs)
            for number, y in enumerate(ys):
                _ports.store(builder, f"output{number}", y)
        if builder.split:
            builder.on_backward(lambda: self._take_gradients(ys))  # its first
        update, own_matrices = None, False
        if kind == "train":
            builder.opening_steps += model.optimizer.opening()
            own_matrices = model.optimizer.needs_matrices

            def update(weights: Any) -> Any:
                tiles = [builder.update_tiles(weight) for weight in weights]
                targets = model.optimizer.targets([weight.array for weight in weights], tiles)
                return model.optimizer.phases(targets, [weight.name for weight in weights])

        store = {"gradients": "set", "forward": "add", "forward_training": "add"}.get(kind)
        builder.finish(update, store, own_matrices=own_matrices)

    def _take_gradients(self, ys: Sequence[Value]) -> None:
        for number, y in enumerate(ys):
            _ports.gather_gradient(self.builder, f"dy{number}", y)

    def _send_gradients(self, xs: Sequence[Value]) -> None:
        for number, x in enumerate(xs):
            _ports.store_gradient(self.builder, f"dx{number}", x)

    def bind_inputs(self, sources: Sequence[Source]) -> None:
        """Sets where inputs come from."""
        for number, source in enumerate(sources):
            _ports.bind_source(self.builder, f"x{number}", source)

    def bind_targets(self, sources: Sequence[Source | None], weights: Sequence[Array | None]) -> None:
        """Sets where targets and the weights of rows come from."""
        for number, (source, weight) in enumerate(zip(sources, weights, strict=True)):
            if source is not None:
                _ports.bind_source(self.builder, f"y{number}", source)
            if weight is not None:
                self.builder.bind(**{f"weight{number}": weight})

    def bind_arrays(self, name: str, arrays: Sequence[Array]) -> None:
        """Sets where outputs go to ("output", "dx") or their gradients come from ("dy")."""
        self.builder.bind(**{f"{name}{number}": array for number, array in enumerate(arrays)})

    def run(self, end: int, *, backward: bool | None = None, **options: Any) -> tuple[int, bool]:
        """Runs the plan with as many threads as pay.

        `backward` says which half of a plan in two calls: False the forward pass, True the backward pass.
        """
        rows = min(self.builder.rows, options.get("minibatch") or end)
        threads = self.builder.threads(rows, config.get_num_threads())
        if backward is not None:
            options["first_phase" if backward else "last_phase"] = self.builder.backward_phase
        return self.builder.plan.run(end, threads=threads, **options)

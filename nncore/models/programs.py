"""The plans of a model: one for each thing that it does, made when first needed."""

from nncore import _engine, config
from nncore._plan import Builder, Later

PREDICT_ROWS = 512  # of a chunk: enough to share among threads, little enough to stay in cache


class Program:
    """A finished Builder with what is bound to it before a run: the data, and where results go."""

    def __init__(self, model, kind, rows, weighted):
        training = kind in ("train", "gradients", "forward_training")
        backward = kind != "predict" and kind != "test"
        self.builder = builder = Builder(
            model.dtype,
            rows,
            training=training,
            backward=backward,
            input_gradient=kind.startswith("forward"),
            require_finite=kind == "train" and config.get_nonfinite() == "raise",
            mixed=model.dtype_policy == "mixed_bfloat16" and _engine.bfloat16(),
        )
        self.kind = kind
        x = builder.value(model.graph.input_shape, builder.input_gradient)
        builder.forward("gather_rows", source=Later("x"), y=x.buffer, type=Later("x_type"),
                        source_stride_bytes=Later("x_bytes"), features=x.width, y_stride=x.stride)  # fmt: skip
        split = kind.startswith("forward")
        if split:
            builder.on_backward(lambda: self._emit_input_gradient(x))  # the last of the backward pass
        y = model.graph.emit(builder, x)
        if kind in ("train", "test", "gradients"):
            self._emit_loss(model, y, weighted)
        else:
            self._emit_output(y)
        if split:
            builder.on_backward(lambda: self._emit_output_gradient(y))  # its first
        update = None
        if kind == "train":
            builder.opening_steps += model.optimizer.opening()

            def update(weight):
                state = model.optimizer.state_of(weight.array)
                return model.optimizer.update_steps(weight.array, weight.matrix_shape[1], state)

        store = {"gradients": "set", "forward": "add", "forward_training": "add"}.get(kind)
        builder.finish(update, store, split=split)

    def _emit_loss(self, model, y, weighted):
        builder, loss = self.builder, model.loss
        width = 1
        for extent in loss.target_shape(y.shape):
            width *= extent
        if loss.labels:
            target = builder.buffer(None, "int32")
            builder.forward("gather_labels", source=Later("y"), y=target, type=Later("y_type"),
                            source_stride_bytes=Later("y_bytes"))  # fmt: skip
        else:
            target = builder.buffer(width)
            builder.forward("gather_rows", source=Later("y"), y=target, type=Later("y_type"),
                            source_stride_bytes=Later("y_bytes"), features=width, y_stride=target.stride)  # fmt: skip
        weight = None
        if weighted:
            weight = builder.buffer(None)
            builder.forward("gather_rows", source=Later("weight"), y=weight,
                            type=_engine.SOURCE_TYPES.index(builder.dtype), features=1, y_stride=1,
                            source_stride_bytes=builder.dtype.itemsize)  # fmt: skip
        loss.emit(builder, target, y, weight)
        for metric in model.compiled_metrics if self.kind != "gradients" else ():
            metric.emit(builder, target, y)

    def _emit_output(self, y):
        self.builder.forward("store_rows", x=y.buffer, target=Later("output"), features=y.width, x_stride=y.stride,
                             target_stride=y.width)  # fmt: skip

    def _emit_output_gradient(self, y):
        dy, _ = self.builder.gradient_target(y)
        self.builder.backward_step("gather_rows", source=Later("dy"), y=dy,
                                   type=_engine.SOURCE_TYPES.index(self.builder.dtype), features=y.width,
                                   y_stride=dy.stride,
                                   source_stride_bytes=y.width * self.builder.dtype.itemsize)  # fmt: skip

    def _emit_input_gradient(self, x):
        self.builder.backward_step("store_rows", x=x.gradient, target=Later("dx"), features=x.width,
                                   x_stride=x.gradient.stride, target_stride=x.width)  # fmt: skip

    def bind_x(self, source):
        """Sets where inputs come from."""
        self.builder.bind(x=source.array, x_type=source.type, x_bytes=source.row_bytes)

    def bind_y(self, source, weight):
        """Sets where targets and the weights of rows come from."""
        self.builder.bind(y=source.array, y_type=source.type, y_bytes=source.row_bytes)
        if weight is not None:
            self.builder.bind(weight=weight)

    def run(self, end, **options):
        """Runs the plan with as many threads as pay."""
        rows = min(self.builder.rows, options.get("minibatch") or end)
        threads = self.builder.threads(rows, config.get_num_threads())
        return self.builder.plan.run(end, threads=threads, **options)

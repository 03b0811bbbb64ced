"""Attention of several heads."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, overload

from nncore import _checks, _heads, regularizers
from nncore._axes import emit_broadcast, emit_pair, emit_sum
from nncore._products import emit_gradients, emit_products
from nncore.layers.dropout import Dropout
from nncore.layers.normalization import emit_sum_gradient
from nncore.layers.tensor import is_symbolic
from nncore.layers.weighted import WeightedLayer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Unpack

    from nncore._likes import ConstraintLike, InitializerLike, RegularizerLike
    from nncore._plan import Builder, Value
    from nncore._typing import Config, Data, Integers, LayerArguments, Outputs, Seed, Shape
    from nncore.layers.layer import WeightMaker
    from nncore.layers.tensor import Tensor
    from nncore.regularizers import Regularizer

MASKS = ("query_mask", "value_mask", "key_mask", "attention_mask")


class MultiHeadAttention(WeightedLayer):
    """y = sum over heads of softmax(q k' / sqrt(key_dim)) v Wo + bo, where q = query Wq + bq, k = key Wk + bk,
    v = value Wv + bv for each head.

    query is (queries, features), value and key (keys, features), y (queries, features of the query). Wq and Wk are
    (features, heads, key_dim), Wv (features, heads, value_dim), Wo (heads, value_dim, features).

    Parameters
    ----------
    num_heads, key_dim : int
    value_dim : int, optional
        `key_dim` unless given.
    dropout : float in [0, 1]
        Of the softmax, in training.
    use_bias : bool
    output_shape : int, optional
        Features of y.
    kernel_initializer, bias_initializer
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
    activity_regularizer : str or Regularizer, optional
        Of q, k, v and y.
    kernel_constraint, bias_constraint : str or Constraint, optional
    seed : int, optional
        Of the dropout.

    References
    ----------
    Vaswani et al., "Attention is all you need", NeurIPS 2017.
    """

    value_dim: int
    merges = True
    supports_masking = True

    def __init__(self, num_heads: int, key_dim: int, value_dim: int | None = None, dropout: float = 0.0,
                 use_bias: bool = True, output_shape: int | Sequence[int] | None = None,
                 attention_axes: Integers | None = None, sliding_window: None = None, flash_attention: None = None,
                 kernel_initializer: InitializerLike = "glorot_uniform", bias_initializer: InitializerLike = "zeros",
                 kernel_regularizer: RegularizerLike = None, bias_regularizer: RegularizerLike = None,
                 activity_regularizer: RegularizerLike = None, kernel_constraint: ConstraintLike = None,
                 bias_constraint: ConstraintLike = None, use_gate: Literal[False] = False, seed: Seed = None,
                 **common: Unpack[LayerArguments]) -> None:  # fmt: skip
        super().__init__(**common)
        owner = type(self).__name__
        first = attention_axes is None or _checks.axes(owner, "attention_axes", attention_axes) == [1]
        _checks.refuse(owner, attention_axes=None if first else attention_axes, sliding_window=sliding_window)
        _checks.refuse_on(owner, flash_attention=flash_attention, use_gate=use_gate)
        self.num_heads: int = _checks.positive_integer(owner, "num_heads", num_heads)
        self.key_dim: int = _checks.positive_integer(owner, "key_dim", key_dim)
        self.value_dim = self.key_dim if value_dim is None else _checks.positive_integer(owner, "value_dim", value_dim)
        self._dropout = Dropout(dropout, seed=seed, name=f"{self.name}_dropout")
        self.use_bias: bool = _checks.boolean(owner, "use_bias", use_bias)
        if isinstance(output_shape, (list, tuple)) and len(output_shape) == 1:
            output_shape = output_shape[0]
        self._units = None if output_shape is None else _checks.positive_integer(owner, "output_shape", output_shape)
        self.declare_weight("kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        self.declare_weight("bias", bias_initializer, bias_regularizer, bias_constraint)
        self.projection_regularizer: Regularizer | None = regularizers.get(activity_regularizer)

    @property
    def dropout(self) -> float:
        """The probability with which a weight of the softmax is dropped in training."""
        return self._dropout.rate

    @overload  # type: ignore[override]
    def __call__(self, query: Tensor, value: Tensor, key: Tensor | None = None, query_mask: Tensor | None = None,
                 value_mask: Tensor | None = None, key_mask: Tensor | None = None, attention_mask: Tensor | None = None,
                 return_attention_scores: bool = False, training: bool | None = None,
                 use_causal_mask: bool = False) -> Tensor | Any: ...  # fmt: skip

    @overload
    def __call__(self, query: Data, value: Data, key: Data | None = None, query_mask: Data | None = None,
                 value_mask: Data | None = None, key_mask: Data | None = None, attention_mask: Data | None = None,
                 return_attention_scores: bool = False, training: bool | None = None,
                 use_causal_mask: bool = False) -> Outputs: ...  # fmt: skip

    def __call__(self, query: Any, value: Any, key: Any = None, query_mask: Any = None, value_mask: Any = None,
                 key_mask: Any = None, attention_mask: Any = None, return_attention_scores: bool = False,
                 training: bool | None = None, use_causal_mask: bool = False) -> Any:  # fmt: skip
        """On symbolic tensors: returns the output's. On arrays: returns an array.

        Parameters
        ----------
        query, value, key : Tensor or array (rows, steps, features)
            The key is the value unless given.
        query_mask, value_mask, key_mask : Tensor or array (rows, steps), optional
            0 or False for what is out of sight; those that the inputs bring along unless given.
        attention_mask : Tensor or array (rows, queries, keys), optional
            0 or False where a query may not look at a key.
        return_attention_scores : bool
            Whether the softmax (rows, heads, queries, keys) is a second output.
        training : bool
            For arrays: whether there is dropout.
        use_causal_mask : bool
            Whether a query may look at no later keys.
        """
        given = dict(zip(MASKS, (query_mask, value_mask, key_mask, attention_mask), strict=True))
        masks = [name for name in MASKS if given[name] is not None]
        inputs = [query, value, value if key is None else key, *(given[name] for name in masks)]
        options: dict[str, Any] = {"masks": masks, "causal": use_causal_mask, "with_scores": return_attention_scores}
        options = {name: option for name, option in options.items() if option}
        if is_symbolic(inputs):
            _checks.refuse(f"layer {self.name!r} in a graph", training=training)
            return self.connect(inputs, **options)
        from nncore.layers.eager import compute  # which few programs need

        return compute(self, inputs, self._in_training(training), **options)

    # ---- shapes

    def compute_output_shape(self, query_shape: Any, value_shape: Shape | None = None,
                             key_shape: Shape | None = None) -> Any:  # fmt: skip
        """Returns the shape of a sample's output for those of query, value and key, or a list of these."""
        if value_shape is None:
            query_shape, value_shape, key_shape = (tuple(shape) for shape in query_shape[:3])
        key_shape = value_shape if key_shape is None else key_shape
        for shape in (query_shape, value_shape, key_shape):
            if len(shape) != 2:
                raise ValueError(f"layer {self.name!r} needs samples of shape (steps, features); got {tuple(shape)}")
        if value_shape[0] != key_shape[0]:
            raise ValueError(
                f"layer {self.name!r} needs as many keys as values; got {key_shape[0]} and {value_shape[0]}"
            )
        return (query_shape[0], self._units or query_shape[1])

    def sample_shapes(self, shapes: Any, masks: Sequence[str] = (), causal: bool = False,  # type: ignore[override]
                      with_scores: bool = False) -> list[Shape]:  # fmt: skip
        """The shapes of a sample of each output."""
        output = self.compute_output_shape(shapes)
        queries, keys = shapes[0][0], shapes[1][0]
        wanted = {"query_mask": (queries,), "value_mask": (keys,), "key_mask": (keys,)}
        for name, shape in zip(masks, shapes[3:], strict=True):
            if shape != wanted.get(name, shape):
                raise ValueError(f"layer {self.name!r}: {name} must have samples of {wanted[name]}; got {shape}")
            if name == "attention_mask" and shape not in ((queries, keys), (1, keys), (queries, 1), (1, 1)):
                raise ValueError(
                    f"layer {self.name!r}: attention_mask must have samples of {(queries, keys)}; got {shape}"
                )
        return [output, (self.num_heads, queries, keys)] if with_scores else [output]

    # ---- weights

    def build_for(self, input_shape: Any, weights: WeightMaker) -> None:
        """Builds the layer for the shapes of query, value and key, which those of masks may follow."""
        shapes = [tuple(shape) for shape in input_shape[:3]]
        if self.built and [shape[-1] for shape in shapes] == [shape[-1] for shape in self.input_shape]:
            shapes = self.input_shape  # of other numbers of steps
        super().build_for(shapes, weights)

    def build(self, input_shape: Any) -> None:
        query, value, key = (shape[-1] for shape in input_shape)
        units = self.compute_output_shape(input_shape)[-1]
        self._query = self._add_projection("query", (query, self.num_heads, self.key_dim), 2)
        self._key = self._add_projection("key", (key, self.num_heads, self.key_dim), 2)
        self._value = self._add_projection("value", (value, self.num_heads, self.value_dim), 2)
        self._output = self._add_projection("attention_output", (self.num_heads, self.value_dim, units), 1)

    def _add_projection(self, name: str, shape: Shape, column_axes: int) -> Any:
        """(kernel, bias or None); the last axes of the kernel, those of the bias, are what comes out."""
        kernel = self.make_weight(f"{name}/kernel", shape, "kernel")
        kernel.column_axes = column_axes
        bias = None
        if self.use_bias:
            bias = self.make_weight(f"{name}/bias", shape[-column_axes:], "bias")
        return kernel, bias

    # ---- steps

    def emit(self, builder: Builder, query: Value, value: Any, key: Value, *given: Any, masks: Sequence[str] = (),  # type: ignore[override]
             causal: bool = False, with_scores: bool = False) -> Any:  # fmt: skip
        masked: dict[str, Any] = dict(zip(masks, given, strict=True))
        queries, keys = query.shape[0], value.shape[0]
        shown = {"query_mask": masked.get("query_mask", query.mask)}
        key_masks = [masked.get("value_mask", value.mask), masked.get("key_mask", None if key is value else key.mask)]
        shown["key_mask"] = _emit_both(builder, *key_masks)
        if "attention_mask" in masked:
            shown["attention_mask"] = emit_broadcast(builder, masked["attention_mask"], (queries, keys))
        q, k, v = (
            _heads.Matrices.beside(self._emit_projection(builder, x, weights), self.num_heads)
            for x, weights in ((query, self._query), (key, self._key), (value, self._value))
        )
        scores = builder.value((self.num_heads, queries, keys), q.value.needs_gradient or k.value.needs_gradient)
        _heads.emit_product(builder, q, k, _heads.Matrices.stacked(scores), transposed=True)
        # as Keras has it, which has two ways to compute the same
        unseeing = 0.0 if self.dropout or with_scores else 1 / keys
        weights = _heads.emit_weights(builder, scores, shown, causal=causal, scale=1 / math.sqrt(self.key_dim),
                                      unseeing=unseeing)  # fmt: skip
        dropped = self._dropout.emit(builder, weights)
        heads = builder.value((queries, self.num_heads * self.value_dim),
                              dropped.needs_gradient or v.value.needs_gradient)  # fmt: skip
        _heads.emit_product(builder, _heads.Matrices.stacked(dropped), v,
                            _heads.Matrices.beside(heads, self.num_heads))  # fmt: skip
        y = self._emit_projection(builder, heads, self._output)
        return [y, weights] if with_scores else y

    def _emit_projection(self, builder: Builder, x: Value, weights: Any) -> Value:
        """x W + b for each step, W and b as `_add_projection` made them."""
        kernel, bias = weights
        inputs, units = kernel.matrix_shape
        steps, learns = x.shape[0], self.trainable and builder.backward
        x.uses += 1
        y = builder.value((steps, units), x.needs_gradient or learns)
        emit_products(builder, builder.forward, x.buffer, kernel, y.buffer, steps, bias=bias and bias.array)
        builder.add_flops(2.0 * steps * inputs * units)

        def backward() -> None:
            dy = y.gradient
            if dy is None:
                return
            if learns:
                emit_gradients(builder, kernel, x.buffer, dy, steps)
            if learns and bias is not None:
                sums = builder.buffer(units)
                emit_sum(builder.backward_step, dy, sums, [(units, 1, 1)], [(steps, units, 0)])
                emit_sum_gradient(builder, bias, sums)
            if x.needs_gradient:
                target, accumulate = builder.gradient_target(x)
                emit_products(builder, builder.backward_step, dy, kernel, target, steps, transposed=True,
                              accumulate=accumulate)  # fmt: skip

        builder.on_backward(backward)
        if self.projection_regularizer is not None and builder.penalties is not None:
            builder.penalize_activity(y, self.projection_regularizer.l1, self.projection_regularizer.l2)
        return y

    def get_config(self) -> Config:
        return {
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "dropout": self.dropout,
            "use_bias": self.use_bias,
            "output_shape": self._units,
            "activity_regularizer": regularizers.serialize(self.projection_regularizer),
            "seed": self._dropout.seed,
            **super().get_config(),
        }


def _emit_both(builder: Any, a: Any, b: Any) -> Any:
    """The mask of what both of two masks show, of which either may be None."""
    if a is None or b is None:
        return b if a is None else a
    both = builder.value(a.shape, False)
    emit_pair(builder.forward, "minimum", a.buffer, b.buffer, both.buffer, both.width)
    return both

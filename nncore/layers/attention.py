"""Attention of one head without projections: by products, or by sums."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, overload

from nncore import _checks, _heads, activations, initializers
from nncore._axes import emit_broadcast, emit_copy, emit_pair, emit_sum
from nncore.layers.dropout import Dropout
from nncore.layers.layer import Layer
from nncore.layers.masking import emit_masked
from nncore.layers.merging import Add
from nncore.layers.normalization import emit_sum_gradient
from nncore.layers.tensor import is_symbolic
from nncore.layers.weighted import array_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Unpack

    from nncore._likes import AnyLayerArguments
    from nncore._plan import Builder, Value
    from nncore._typing import ArrayProperty, Config, Data, Outputs, Seed, Shape
    from nncore._weight import Weight
    from nncore.layers.layer import WeightMaker
    from nncore.layers.tensor import Tensor

MASKED = 1e9  # so much less are scores out of sight, as in Keras
MASKS = ("query_mask", "value_mask")


class Attention(Layer):
    """y = softmax(s) value, where s = scale query key' or s = w sum of tanh(scale (query + key)) over features.

    query is (queries, features), key (keys, features), value (keys, others), y (queries, others); scale is 1 without
    `use_scale`. Called on a list [query, value] or [query, value, key]; the key is the value unless given.

    Parameters
    ----------
    use_scale : bool
        Whether scale, a number, is trained.
    score_mode : "dot" or "concat"
        Which of the two; with "concat" w, a number, is trained.
    dropout : float in [0, 1]
        Of the softmax, in training.
    seed : int, optional
        Of the dropout.

    References
    ----------
    Luong, Pham and Manning, "Effective approaches to attention-based neural machine translation", 2015.
    """

    _concat_score_weight: Weight | Any
    _scale: Weight | Any

    merges = True
    supports_masking = True

    def __init__(self, use_scale: bool = False, score_mode: Literal["dot", "concat"] = "dot", dropout: float = 0.0,
                 seed: Seed = None, **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(**common)
        owner = type(self).__name__
        self.use_scale: bool = _checks.boolean(owner, "use_scale", use_scale)
        if not _checks.is_word(score_mode, ("dot", "concat")):
            raise ValueError(f"{owner}: score_mode must be 'dot' or 'concat', not {score_mode!r}")
        self.score_mode = score_mode
        self._dropout = Dropout(dropout, seed=seed, name=f"{self.name}_dropout")
        self._scale = self._concat_score_weight = None

    @property
    def dropout(self) -> float:
        """The probability with which a weight of the softmax is dropped in training."""
        return self._dropout.rate

    scale: ArrayProperty = array_of("_scale", "The scale as an array; None without it, and before the layer is built.")
    concat_score_weight: ArrayProperty = array_of(
        "_concat_score_weight", "w as an array; None without it, and before it is built."
    )

    @overload  # type: ignore[override]
    def __call__(self, inputs: Sequence[Tensor], mask: Sequence[Tensor | None] | None = None,
                 return_attention_scores: bool = False, training: bool | None = None,
                 use_causal_mask: bool = False) -> Tensor | Any: ...  # fmt: skip

    @overload
    def __call__(self, inputs: Sequence[Data], mask: Sequence[Data | None] | None = None,
                 return_attention_scores: bool = False, training: bool | None = None,
                 use_causal_mask: bool = False) -> Outputs: ...  # fmt: skip

    def __call__(self, inputs: Any, mask: Any = None, return_attention_scores: bool = False,
                 training: bool | None = None, use_causal_mask: bool = False) -> Any:  # fmt: skip
        """On symbolic tensors: returns the output's. On arrays: returns an array.

        Parameters
        ----------
        inputs : list of Tensor or array (rows, steps, features)
            Query, value, and the key if it is another.
        mask : list of Tensor or array (rows, steps), or of None, optional
            For query and value: 0 or False for steps that do not count. Those that inputs bring along unless given.
        return_attention_scores : bool
            Whether the softmax (rows, queries, keys) is a second output.
        training : bool
            For arrays: whether there is dropout.
        use_causal_mask : bool
            Whether a query may look at no later keys.
        """
        given = list(self._listed(inputs, "inputs"))
        masks = self._listed(mask, "mask") if mask is not None else ()
        known = {name: one for name, one in zip(MASKS, masks, strict=False) if one is not None}
        given = [*given[:2], given[2] if len(given) > 2 else given[1], *known.values()]
        options: dict[str, Any] = {"masks": list(known), "causal": use_causal_mask,
                                   "with_scores": return_attention_scores}  # fmt: skip
        options = {name: option for name, option in options.items() if option}
        if is_symbolic(given):
            _checks.refuse(f"layer {self.name!r} in a graph", training=training)
            return self.connect(given, **options)
        from nncore.layers.eager import compute  # which few programs need

        return compute(self, given, self._in_training(training), **options)

    def _listed(self, given: Any, what: Any) -> Any:
        if not isinstance(given, (list, tuple)) or len(given) not in (2, 3):
            raise ValueError(
                f"layer {self.name!r} takes {what} as a list for query, value and perhaps key; got {given!r}"
            )
        return given

    # ---- shapes and weights

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of a sample's output for a list of those of query, value and perhaps key."""
        query, value, *key = (tuple(shape) for shape in self._listed(input_shape, "shapes"))
        key = key[0] if key else value  # type: ignore[assignment]
        if any(len(shape) != 2 for shape in (query, value, key)):
            raise ValueError(f"layer {self.name!r} needs samples of shape (steps, features); got {input_shape}")
        if key[0] != value[0] or key[1] != query[1]:
            raise ValueError(
                f"layer {self.name!r} needs as many keys as values and as many features as the query's; got "
                f"{query}, {value}, {key} for query, value, key"
            )
        return (query[0], value[1])

    def sample_shapes(self, shapes: Any, masks: Sequence[str] = (), causal: bool = False,  # type: ignore[override]
                      with_scores: bool = False) -> list[Shape]:  # fmt: skip
        """The shapes of a sample of each output."""
        output = self.compute_output_shape(list(shapes[:3]))
        wanted = dict(zip(MASKS, (shapes[0][:1], shapes[1][:1]), strict=True))
        for name, shape in zip(masks, shapes[3:], strict=True):
            if shape != wanted[name]:
                raise ValueError(f"layer {self.name!r}: {name} must have samples of {wanted[name]}; got {shape}")
        return [output, (shapes[0][0], shapes[1][0])] if with_scores else [output]

    def build_for(self, input_shape: Any, weights: WeightMaker) -> None:
        """Builds the layer for the shapes of query, value and key, which those of masks may follow."""
        shapes = [tuple(shape) for shape in input_shape[:3]]
        if self.built and self.compute_output_shape(shapes) and shapes[0][-1] == self.input_shape[0][-1]:
            shapes = self.input_shape  # of other numbers of steps
        super().build_for(shapes, weights)

    def build(self, input_shape: Any) -> None:
        ones = initializers.get("ones")
        if self.use_scale:
            self._scale = self.add_weight("scale", (), ones)
        if self.score_mode == "concat":
            self._concat_score_weight = self.add_weight("concat_score_weight", (), ones)

    # ---- steps

    def emit(self, builder: Builder, query: Value, value: Any, key: Value, *given: Any, masks: Sequence[str] = (),  # type: ignore[override]
             causal: bool = False, with_scores: bool = False) -> Any:  # fmt: skip
        masked: dict[str, Any] = dict(zip(masks, given, strict=True))
        query_mask, value_mask = (masked.get(name, x.mask) for name, x in zip(MASKS, (query, value), strict=True))
        scores = self._emit_scores(builder, query, key)
        scores = builder.same(_used(scores), (1, *scores.shape))
        weights = _heads.emit_weights(builder, scores, {"key_mask": value_mask}, causal=causal, shift=MASKED)
        weights = self._dropout.emit(builder, weights)
        y = builder.value((query.shape[0], value.shape[1]), weights.needs_gradient or value.needs_gradient)
        _heads.emit_product(builder, _heads.Matrices.stacked(weights), _heads.Matrices.beside(value, 1),
                            _heads.Matrices.beside(y, 1))  # fmt: skip
        if query_mask is not None:
            y = emit_masked(builder, y, query_mask)
        return [y, builder.same(_used(weights), weights.shape[1:])] if with_scores else y

    def _emit_scores(self, builder: Builder, query: Value, key: Value) -> Value:
        """The Value (queries, keys) of how well keys fit."""
        if self.score_mode == "concat":
            x = _emit_pairs(builder, query, key)
            x = activations.tanh.emit(builder, self._emit_scaled(builder, x, self._scale))
            return self._emit_scaled(builder, _emit_feature_sum(builder, x), self._concat_score_weight)
        scores = builder.value((1, query.shape[0], key.shape[0]), query.needs_gradient or key.needs_gradient)
        _heads.emit_product(builder, _heads.Matrices.beside(query, 1), _heads.Matrices.beside(key, 1),
                            _heads.Matrices.stacked(scores), transposed=True)  # fmt: skip
        return self._emit_scaled(builder, builder.same(_used(scores), scores.shape[1:]), self._scale)

    def _emit_scaled(self, builder: Builder, x: Value, weight: Weight | None) -> Value:
        """x times a weight, a number or one for each feature; x itself where there is none."""
        if weight is None:
            return x
        width, learns = weight.array.size, self.trainable and builder.backward
        positions = x.width // width
        x.uses += 1
        y = builder.value(x.shape, x.needs_gradient or learns)

        def step(add: Any, source: Any, target: Any) -> None:
            add("normalize", x=source, mean=None, scale=weight.array, beta=None, y=target, positions=positions,
                channels=width, x_stride=source.stride, y_stride=target.stride, statistics_stride=0)  # fmt: skip

        step(builder.forward, x.buffer, y.buffer)

        def backward() -> None:
            if y.gradient is None:
                return
            if learns:
                products, sums = builder.buffer(x.width), builder.buffer(width)
                emit_pair(builder.backward_step, "multiply", x.buffer, y.gradient, products, x.width)
                emit_sum(builder.backward_step, products, sums, [(width, 1, 1)], [(positions, width, 0)])
                emit_sum_gradient(builder, weight, sums)
            if x.needs_gradient:
                builder.add_gradient(x, lambda target: step(builder.backward_step, y.gradient, target))

        builder.on_backward(backward)
        return y

    def get_config(self) -> Config:
        return {"use_scale": self.use_scale, "score_mode": self.score_mode, "dropout": self.dropout,
                "seed": self._dropout.seed, **super().get_config()}  # fmt: skip


class AdditiveAttention(Attention):
    """y = softmax(s) value, where s = sum of scale tanh(query + key) over features; with a scale for each feature.

    Called as `Attention`; scale is 1 without `use_scale`.

    Parameters
    ----------
    use_scale : bool
        Whether scale (features) is trained.
    dropout : float in [0, 1]
        Of the softmax, in training.
    seed : int, optional
        Of the dropout.

    References
    ----------
    Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to align and translate", ICLR 2015.
    """

    _scale: Weight | Any

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, **common)

    def build(self, input_shape: Any) -> None:
        if self.use_scale:
            self._scale = self.add_weight("scale", (input_shape[0][-1],), initializers.get("glorot_uniform"))

    def _emit_scores(self, builder: Builder, query: Value, key: Value) -> Value:
        x: Value = activations.tanh.emit(builder, _emit_pairs(builder, query, key))
        return _emit_feature_sum(builder, self._emit_scaled(builder, x, self._scale))

    def get_config(self) -> Config:
        config = super().get_config()
        del config["score_mode"]
        return config


def _used(value: Value) -> Value:
    """The value, which will be sent a gradient once more."""
    value.uses += 1
    return value


def _emit_pairs(builder: Builder, query: Value, key: Value) -> Value:
    """The sums (queries, keys, features) of each query and each key."""
    shape = (query.shape[0], *key.shape)
    across = builder.same(_used(query), (query.shape[0], 1, query.shape[1]))
    return Add().merge(builder, [emit_broadcast(builder, x, shape) for x in (across, key)])


def _emit_feature_sum(builder: Builder, x: Value) -> Value:
    """The sum over the last axis."""
    features = x.shape[-1]
    groups = math.prod(x.shape[:-1])
    y = builder.value(x.shape[:-1], _used(x).needs_gradient)
    emit_sum(builder.forward, x.buffer, y.buffer, [(groups, features, 1)], [(features, 1, 0)])

    def backward() -> None:
        if y.gradient is not None and x.needs_gradient:
            repeated = [(groups, 1, features), (features, 0, 1)]
            builder.add_gradient(x, lambda dx: emit_copy(builder.backward_step, y.gradient, dx, repeated))

    builder.on_backward(backward)
    return y

"""Attention, of one head and of several."""

import math

import numpy as np

from nncore import layers
from nncore.interop.onnx.graph import Value
from nncore.interop.onnx.registry import writes
from nncore.interop.onnx.writers.dense import affine
from nncore.interop.onnx.writers.masking import is_not_zero, with_zeros
from nncore.layers.attention import MASKED


def _is_positive(graph, x):
    return x.elementwise(lambda name: graph.chain(name, ("Greater", 0.0)))


class _Sight:
    """Which keys which queries may look at: a tensor of bool that broadcasts to (rows, ..., queries, keys)."""

    def __init__(self, graph):
        self.graph, self.name = graph, None

    def limit(self, name):
        """Takes what this tensor hides out of sight."""
        self.name = name if self.name is None else self.graph.op("And", [self.name, name])

    def limit_queries(self, mask, heads):
        """Takes everything out of the sight of queries that do not count; `heads` is the number of axes for them."""
        self.limit(self.graph.unsqueeze(mask.plain, [*range(1, 1 + heads), 2 + heads]))

    def limit_keys(self, mask, heads):
        """Takes keys that do not count out of sight."""
        self.limit(self.graph.unsqueeze(mask.plain, [*range(1, 1 + heads), 1 + heads]))

    def limit_causally(self, queries, keys):
        """Takes later keys out of sight."""
        self.limit(self.graph.constant(np.tri(queries, keys, dtype=bool)))


@writes(layers.Attention, layers.AdditiveAttention)
def write_attention(graph, layer, query, value, key, *given, masks=(), causal=False, with_scores=False):
    given = {name: is_not_zero(graph, mask) if name == "query_mask" else _is_positive(graph, mask)
             for name, mask in zip(masks, given, strict=True)}  # fmt: skip
    query_mask, value_mask = given.get("query_mask", query.mask), given.get("value_mask", value.mask)
    scores = _scores(graph, layer, query, key)
    sight = _Sight(graph)
    if value_mask is not None:
        sight.limit_keys(value_mask, 0)
    if causal:
        sight.limit_causally(query.shape[0], key.shape[0])
    if sight.name is not None:
        scores = graph.where(sight.name, scores, graph.chain(scores, ("Sub", MASKED)))
    weights = graph.op("Softmax", [scores], axis=-1)
    y = Value(graph, (query.shape[0], value.shape[1]), graph.op("MatMul", [weights, value.plain]))
    if query_mask is not None:
        y = with_zeros(graph, y, query_mask)
    return [y, Value(graph, (query.shape[0], key.shape[0]), weights)] if with_scores else y


def _scores(graph, layer, query, key):
    """The name of how well keys fit queries, (rows, queries, keys)."""
    additive = isinstance(layer, layers.AdditiveAttention)
    if not additive and layer.score_mode == "dot":
        name = graph.op("MatMul", [query.plain, key.in_order((0, 2, 1))])
        return _scaled(graph, name, layer.scale)
    pairs = graph.op("Add", [graph.unsqueeze(query.plain, [2]), graph.unsqueeze(key.plain, [1])])
    if additive:
        bent = _scaled(graph, graph.op("Tanh", [pairs]), layer.scale)
    else:
        bent = graph.op("Tanh", [_scaled(graph, pairs, layer.scale)])
    name = graph.reduce("ReduceSum", bent, [3], keepdims=False)
    return name if additive else _scaled(graph, name, layer.concat_score_weight)


def _scaled(graph, name, factor):
    """A tensor times a weight that may be None."""
    return name if factor is None else graph.op("Mul", [name, graph.constant(factor, "scale")])


@writes(layers.MultiHeadAttention)
def write_multi_head_attention(graph, layer, query, value, key, *given, masks=(), causal=False, with_scores=False):
    given = dict(zip(masks, given, strict=True))
    queries, keys = query.shape[0], value.shape[0]
    sight = _Sight(graph)
    if "query_mask" in given or query.mask is not None:
        mask = is_not_zero(graph, given["query_mask"]) if "query_mask" in given else query.mask
        sight.limit_queries(mask, 1)
    for name, own in (("value_mask", value.mask), ("key_mask", None if key is value else key.mask)):
        if name in given or own is not None:
            sight.limit_keys(_is_positive(graph, given[name]) if name in given else own, 1)
    if "attention_mask" in given:
        sight.limit(graph.unsqueeze(_is_positive(graph, given["attention_mask"]).plain, [1]))
    if causal:
        sight.limit_causally(queries, keys)

    heads = layer.num_heads
    q = _heads(graph, query, layer._query, heads, "query", (0, 2, 1, 3))
    k = _heads(graph, key, layer._key, heads, "key", (0, 2, 3, 1))
    v = _heads(graph, value, layer._value, heads, "value", (0, 2, 1, 3))
    scores = graph.chain(graph.op("MatMul", [q, k]), ("Mul", 1 / math.sqrt(layer.key_dim)))
    if sight.name is not None:
        scores = graph.where(sight.name, scores, graph.scalar(-np.inf))
    weights = graph.op("Softmax", [scores], axis=-1)
    if sight.name is not None:  # the softmax over nothing
        unseeing = 0.0 if layer.dropout or with_scores else 1 / keys
        seen = graph.reduce("ReduceMax", graph.cast(sight.name, np.int32), [-1])
        weights = graph.where(graph.cast(seen, bool), weights, graph.scalar(unseeing))
    merged = Value(graph, (heads, queries, layer.value_dim), graph.op("MatMul", [weights, v]))
    merged = graph.reshape(merged.in_order((0, 2, 1, 3)), [0, queries, heads * layer.value_dim])
    y = _projected(graph, Value(graph, (queries, heads * layer.value_dim), merged), layer._output, "attention_output")
    return [y, Value(graph, (heads, queries, keys), weights)] if with_scores else y


def _projected(graph, x, weights, hint):
    """x W + b for each step, of a projection's (kernel, bias or None)."""
    kernel, bias = weights
    bias = None if bias is None else bias.array.reshape(-1)
    return affine(graph, x, kernel.array.reshape(kernel.matrix_shape), bias, f"{hint}/")


def _heads(graph, x, weights, heads, hint, order):
    """The name of a projection, with its axes (steps, heads, size) in this order."""
    y = _projected(graph, x, weights, hint)
    steps, width = y.shape
    return y.reshaped((steps, heads, width // heads)).in_order(order)

"""Normalizations, by mean and variance, by root mean squares, and by norms."""

import numpy as np

from nncore import layers
from nncore.interop.onnx.graph import Value
from nncore.interop.onnx.registry import writes
from nncore.interop.onnx.writers.activations import is_wide
from nncore.layers.normalization import sample_axes


def _along(array, shape, axes):
    """An array over some axes of samples of `shape`, with 1 for each of the others."""
    return array.reshape([extent if axis in axes else 1 for axis, extent in enumerate(shape)])


def _affine(graph, layer, name, shape, axes, order):
    """gamma x + beta, as far as a layer has them, of axes of a sample."""
    for kind, array, hint in (("Mul", layer.gamma, "gamma"), ("Add", layer.beta, "beta")):
        if array is not None:
            name = graph.op(kind, [name, graph.of_samples(_along(array, shape, axes), order, hint)])
    return name


def _standardized(graph, name, places, epsilon):
    """(x - mean) / sqrt(variance + epsilon), over axes at these places."""
    difference = graph.op("Sub", [name, graph.reduce("ReduceMean", name, places)])
    return _by_root(graph, difference, places, epsilon)


def _by_root(graph, name, places, epsilon):
    """x / sqrt(mean of x^2 + epsilon), over axes at these places."""
    squares = graph.reduce("ReduceMean", graph.op("Mul", [name, name]), places)
    return graph.op("Div", [name, graph.chain(squares, ("Add", epsilon), ("Sqrt",))])


@writes(layers.BatchNormalization)
def write_batch_normalization(graph, layer, x):
    axes = sample_axes(layer, layer.axis, x.shape)
    ones = np.ones_like(layer.moving_variance)
    gamma = ones if layer.gamma is None else layer.gamma
    beta = np.zeros_like(ones) if layer.beta is None else layer.beta
    order, name = x.native
    if order.index(axes[0] + 1) == 1 and order[0] == 0 and not is_wide(graph):
        arrays = {"gamma": gamma, "beta": beta, "mean": layer.moving_mean, "variance": layer.moving_variance}
        inputs = [graph.constant(array, hint) for hint, array in arrays.items()]
        name = graph.op("BatchNormalization", [name, *inputs], epsilon=layer.epsilon)
        return Value(graph, x.shape, name, order)
    scale = gamma.astype(np.float64) / np.sqrt(layer.moving_variance.astype(np.float64) + layer.epsilon)
    steps = (("Sub", layer.moving_mean, "mean"), ("Mul", scale, "scale"), ("Add", layer.beta, "beta"))
    for kind, array, hint in steps:
        if array is not None:
            name = graph.op(kind, [name, graph.of_samples(_along(array, x.shape, axes), order, hint)])
    return Value(graph, x.shape, name, order)


@writes(layers.Normalization)
def write_feature_normalization(graph, layer, x):
    order, name = x.native
    mean, deviation = layer.mean_and_deviation(x.shape)
    mean, deviation = graph.of_samples(mean, order, "mean"), graph.of_samples(deviation, order, "deviation")
    steps = [("Mul", deviation), ("Add", mean)] if layer.invert else [("Sub", mean), ("Div", deviation)]
    return Value(graph, x.shape, graph.chain(name, *steps), order)


@writes(layers.LayerNormalization)
def write_layer_normalization(graph, layer, x):
    axes = sample_axes(layer, layer.axis, x.shape)
    if is_wide(graph):  # the operator has an epsilon of 32 bits
        order, name = x.native
        name = _standardized(graph, name, [order.index(axis + 1) for axis in axes], layer.epsilon)
        return Value(graph, x.shape, _affine(graph, layer, name, x.shape, axes, order), order)
    order, name = x.ending_with(axis + 1 for axis in axes)
    shape = tuple(x.shape[axis] for axis in axes)
    gamma = np.ones(shape) if layer.gamma is None else layer.gamma
    inputs = [name, graph.constant(gamma, "gamma")]
    if layer.beta is not None:
        inputs.append(graph.constant(layer.beta, "beta"))
    name = graph.op("LayerNormalization", inputs, axis=-len(axes), epsilon=layer.epsilon)
    return Value(graph, x.shape, name, order)


@writes(layers.RMSNormalization)
def write_rms_normalization(graph, layer, x):
    axes = sample_axes(layer, layer.axis, x.shape)
    order, name = x.native
    name = _by_root(graph, name, [order.index(axis + 1) for axis in axes], layer.epsilon)
    scale = graph.of_samples(_along(layer.scale, x.shape, axes), order, "scale")
    return Value(graph, x.shape, graph.op("Mul", [name, scale]), order)


@writes(layers.GroupNormalization)
def write_group_normalization(graph, layer, x):
    axis = sample_axes(layer, layer.axis, x.shape)[0]
    channels, rank = x.shape[axis], len(x.shape)
    groups = channels if layer.groups == -1 else layer.groups
    order = (0, axis + 1, *(other + 1 for other in range(rank) if other != axis))
    name = graph.reshape(x.in_order(order), [0, groups, -1])
    name = _standardized(graph, name, [2], layer.epsilon)
    name = graph.reshape(name, [0, *(x.shape[axis - 1] for axis in order[1:])])
    return Value(graph, x.shape, _affine(graph, layer, name, x.shape, [axis], order), order)


@writes(layers.UnitNormalization)
def write_unit_normalization(graph, layer, x):
    axes = [axis + 1 for axis in sample_axes(layer, layer.axis, x.shape)]
    order, name = x.native
    return Value(graph, x.shape, unit_norm(graph, name, [order.index(axis) for axis in axes], 1e-12), order)


def unit_norm(graph, name, places, least):
    """x over its Euclidean norm over axes at these places, which counts as `least` at least."""
    norm = graph.reduce("ReduceL2", name, places)
    return graph.op("Div", [name, graph.op("Max", [norm, graph.scalar(least)])])

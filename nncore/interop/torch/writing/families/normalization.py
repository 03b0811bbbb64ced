"""Normalizations."""

import torch
from torch.nn import functional

from nncore.interop.torch.writing import modules
from nncore.interop.torch.writing.registry import layer
from nncore.layers.normalization import sample_axes


def _parts(writer, layer):
    """Gamma, beta and whatever else a normalization keeps; None for what it lacks."""
    weights = list(map(writer.tensor, layer.get_weights()))
    gamma = weights.pop(0) if layer.scale else None
    beta = weights.pop(0) if layer.center else None
    return gamma, beta, weights


def _affine(module, gamma, beta):
    """Parameters that the layer lacks are there, and stay what they are."""
    with torch.no_grad():
        for name, value in (("weight", gamma), ("bias", beta)):
            parameter = getattr(module, name)
            if value is not None:
                parameter.copy_(value)
            elif parameter is not None:
                parameter.requires_grad_(False)
    return module


def _around(writer, x, rank, axes, call, last):
    """What `call` gives for x with the axes behind, or behind that of samples, back in the order of x."""
    others = [axis for axis in range(1, rank) if axis not in axes]
    order = [0, *others, *axes] if last else [0, *axes, *others]
    if order == list(range(rank)):
        return call(x)
    y = call(writer.method("permute", x, *order))
    return writer.method("permute", y, *(order.index(axis) for axis in range(rank)))


@layer("BatchNormalization")
def batch_normalization(writer, layer, inputs, shapes, options):
    rank = len(shapes[0]) + 1
    axes = [axis + 1 for axis in sample_axes(layer, layer.axis, shapes[0])]
    channels = shapes[0][axes[0] - 1]

    def make():
        gamma, beta, (mean, variance) = _parts(writer, layer)
        cls = torch.nn.BatchNorm2d if rank == 4 else torch.nn.BatchNorm1d
        affine = layer.scale or layer.center
        module = cls(channels, layer.epsilon, 1 - layer.momentum, affine).to(writer.dtype)
        module.running_mean.copy_(mean)
        module.running_var.copy_(variance)
        return _affine(module, gamma, beta) if affine else module

    def call(x):
        if rank <= 4:
            return writer.call(layer, "", make, x)
        flat = writer.method("flatten", x, 2)
        lengths = [n for axis, n in enumerate(shapes[0], 1) if axis not in axes]
        return writer.method("unflatten", writer.call(layer, "", make, flat), 2, lengths)

    return _around(writer, inputs[0], rank, axes, call, last=False)


@layer("GroupNormalization")
def group_normalization(writer, layer, inputs, shapes, options):
    axes = [axis + 1 for axis in sample_axes(layer, layer.axis, shapes[0])]
    channels = shapes[0][axes[0] - 1]

    def make():
        gamma, beta, _ = _parts(writer, layer)
        affine = layer.scale or layer.center
        groups = channels if layer.groups == -1 else layer.groups
        module = torch.nn.GroupNorm(groups, channels, layer.epsilon, affine).to(writer.dtype)
        return _affine(module, gamma, beta) if affine else module

    return _around(writer, inputs[0], len(shapes[0]) + 1, axes, lambda x: writer.call(layer, "", make, x), last=False)


@layer("LayerNormalization")
def layer_normalization(writer, layer, inputs, shapes, options):
    axes = [axis + 1 for axis in sample_axes(layer, layer.axis, shapes[0])]
    shape = [shapes[0][axis - 1] for axis in axes]

    def make():
        gamma, beta, _ = _parts(writer, layer)
        affine = layer.scale or layer.center
        module = torch.nn.LayerNorm(shape, layer.epsilon, affine, bias=layer.center).to(writer.dtype)
        return _affine(module, gamma, beta)

    return _around(writer, inputs[0], len(shapes[0]) + 1, axes, lambda x: writer.call(layer, "", make, x), last=True)


@layer("Normalization")
def feature_normalization(writer, layer, inputs, shapes, options):
    def make():
        mean, deviation = map(writer.tensor, layer.mean_and_deviation(shapes[0]))
        return modules.Normalization(mean, deviation, layer.invert)

    return writer.call(layer, "", make, inputs[0])


@layer("RMSNormalization")
def rms_normalization(writer, layer, inputs, shapes, options):
    axes = [axis + 1 for axis in sample_axes(layer, layer.axis, shapes[0])]
    shape = [shapes[0][axis - 1] for axis in axes]

    def make():
        module = torch.nn.RMSNorm(shape, layer.epsilon).to(writer.dtype)
        with torch.no_grad():
            module.weight.copy_(writer.tensor(layer.get_weights()[0]).reshape(shape))
        return module

    return _around(writer, inputs[0], len(shapes[0]) + 1, axes, lambda x: writer.call(layer, "", make, x), last=True)


@layer("UnitNormalization")
def unit_normalization(writer, layer, inputs, shapes, options):
    axes = [axis + 1 for axis in sample_axes(layer, layer.axis, shapes[0])]

    def call(x):
        if len(axes) == 1:
            return writer.function(functional.normalize, x, dim=-1)
        flat = writer.function(functional.normalize, writer.method("flatten", x, -len(axes)), dim=-1)
        return writer.method("unflatten", flat, -1, [shapes[0][axis - 1] for axis in axes])

    return _around(writer, inputs[0], len(shapes[0]) + 1, axes, call, last=True)

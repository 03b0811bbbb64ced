"""Normalizations: of minibatches, samples, groups of channels."""

import numpy as np
import torch

import nncore as nn
from nncore.interop.torch.reading.families.padding import channels_last
from nncore.interop.torch.reading.parameters import affine, array
from nncore.interop.torch.reading.registry import function, module
from nncore.interop.torch.reading.values import BATCH, Constant, Value


@module("BatchNorm1d", "BatchNorm2d")
def batch_norm(node, module, x):
    """PyTorch's momentum is the share of what is new."""
    if not module.track_running_stats or module.running_mean is None:
        raise ValueError("track_running_stats=False: nncore has no statistics of minibatches in evaluation")
    if module.momentum is None:
        raise ValueError("momentum=None: nncore has no averages of equal shares")
    x = node.plain(x)
    if x.rank > 2:
        x = channels_last(x, x.rank - 2)
    numbers = slice(None) if x.folded is None else x.folded[3]
    gamma, beta, trainable = affine(module.weight, module.bias)
    weights = [w for w in (gamma, beta) if w is not None] + [array(module.running_mean), array(module.running_var)]
    layer = node.layer(nn.layers.BatchNormalization, momentum=1 - module.momentum, epsilon=module.eps,
                       center=beta is not None, scale=gamma is not None, weights=[w[numbers] for w in weights],
                       trainable=trainable)  # fmt: skip
    if x.shape[1] != module.num_features:
        raise ValueError(f"inputs must have {module.num_features} channels; got {x.shape}")
    return x.like(layer(x.tensor))


def _by_channels(node, x, groups, epsilon, weight, bias):
    gamma, beta, trainable = affine(weight, bias)
    if x.rank > 2:
        x = channels_last(x, x.rank - 2)
    x = x.plain()
    weights = [w for w in (gamma, beta) if w is not None]
    layer = node.layer(nn.layers.GroupNormalization, groups, epsilon=epsilon, center=beta is not None,
                       scale=gamma is not None, weights=weights or None, trainable=trainable)  # fmt: skip
    return x.like(layer(x.tensor))


@module("GroupNorm")
def group_norm(node, module, x):
    return _by_channels(node, x, module.num_groups, module.eps, module.weight, module.bias)


@module("InstanceNorm1d", "InstanceNorm2d")
def instance_norm(node, module, x):
    """Groups of one channel."""
    if module.track_running_stats:
        raise ValueError("track_running_stats=True: nncore keeps statistics in BatchNormalization alone")
    return _by_channels(node, x, module.num_features, module.eps, module.weight, module.bias)


def _last_axes(x, shape):
    """The value with PyTorch's last axes behind, their places, and what brings an array of them there."""
    count = len(shape)
    if tuple(x.shape[-count:]) != tuple(shape) or BATCH in x.shape[-count:]:
        raise ValueError(f"inputs must end with axes of {tuple(shape)}; got {x.shape}")
    if count == 1:
        x = x.last()
        return x, -1, (lambda w: w) if x.folded is None else (lambda w: w[x.folded[3]])
    x = x.plain()
    if sorted(x.order[-count:]) != list(range(len(x.tensor.shape) - count, len(x.tensor.shape))):
        x = Value(x.sorted_tensor(), x.sorted_order())
    places = x.order[-count:]
    return x, tuple(sorted(places)), lambda w: w.transpose(np.argsort(places))


def _layer_norm(node, x, shape, epsilon, gamma, beta, trainable):
    x, axis, place = _last_axes(x, shape)
    weights = [place(w) for w in (gamma, beta) if w is not None]
    layer = node.layer(nn.layers.LayerNormalization, axis=axis, epsilon=epsilon, center=beta is not None,
                       scale=gamma is not None, weights=weights or None, trainable=trainable)  # fmt: skip
    return x.like(layer(x.tensor))


@module("LayerNorm")
def layer_norm(node, module, x):
    return _layer_norm(node, node.plain(x), module.normalized_shape, module.eps, *affine(module.weight, module.bias))


@function("layer_norm")
def layer_norm_function(node, input, normalized_shape, weight=None, bias=None, eps=1e-5):
    if any(not isinstance(w, (Constant, type(None))) for w in (weight, bias)):
        raise ValueError("weight and bias must be parameters")
    arrays = [None if w is None else w.array for w in (weight, bias)]
    return _layer_norm(node, input, normalized_shape, eps, *arrays, weight is None or weight.trainable)


@module("RMSNorm")
def rms_norm(node, module, x):
    """Without parameters the factor is 1 and stays so."""
    x, axis, place = _last_axes(node.plain(x), module.normalized_shape)
    parameter = module.weight
    scale = np.ones(module.normalized_shape) if parameter is None else array(parameter)
    dtype = torch.float32 if parameter is None else parameter.dtype
    epsilon = torch.finfo(dtype).eps if module.eps is None else module.eps
    layer = node.layer(nn.layers.RMSNormalization, axis=axis, epsilon=epsilon, weights=[place(scale)],
                       trainable=parameter is not None and parameter.requires_grad)  # fmt: skip
    return x.like(layer(x.tensor))


@function("normalize")
def normalize(node, input, p=2.0, dim=1, eps=1e-12, out=None):
    x = input.plain()
    axis = x.axis(dim)
    if p != 2 or axis == x.batch:
        raise ValueError(f"nncore has the norm p=2 along an axis other than that of samples; got p={p}, dim={dim}")
    return x.like(node.layer(nn.layers.UnitNormalization, axis=x.order[axis])(x.tensor))

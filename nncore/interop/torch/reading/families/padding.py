"""Padding: zeros, other numbers, and elements from inside."""

import math

import nncore as nn
from nncore.interop.torch.reading.families.axes import cut
from nncore.interop.torch.reading.registry import function, module
from nncore.interop.torch.reading.values import Value, reshaped


def channels_last(x, axes):
    """PyTorch's (rows, channels, ...) with so many further axes, as a value with channels behind."""
    x = x.plain()
    if x.rank != axes + 2 or x.batch != 0:
        raise ValueError(f"inputs must have {axes + 2} axes, (rows, channels, ...); got {x.shape}")
    return Value(x.arranged((*range(2, axes + 2), 1)), (0, axes + 1, *range(1, axes + 1)))


def zeros(node, x, pads, suffix="padding"):
    """Zeros around a value; `pads` has (before, after) of PyTorch's axes from axis 2 on, negative ones cut."""
    return _zeros(node, x, dict(enumerate(pads, 2)), suffix)


def _zeros(node, x, pads, suffix="padding"):
    """Zeros around a value; `pads` is {axis of PyTorch's: (before, after)}, negative ones cut."""
    for axis, (before, after) in pads.items():
        if min(before, after) < 0:
            x = cut(x, axis, max(-before, 0), x.shape[axis] - max(-after, 0))
    around = {x.order[axis]: (max(before, 0), max(after, 0)) for axis, (before, after) in pads.items()}
    around = {dim: pair for dim, pair in around.items() if any(pair)}
    if not around:
        return x
    rank = len(x.tensor.shape)
    if rank == 3 and set(around) == {1}:
        return Value(node.layer(nn.layers.ZeroPadding1D, around[1], suffix=suffix)(x.tensor), x.order)
    if rank == 4 and set(around) <= {1, 2}:
        padding = tuple(around.get(dim, (0, 0)) for dim in (1, 2))
        return Value(node.layer(nn.layers.ZeroPadding2D, padding, suffix=suffix)(x.tensor), x.order)
    tensor = x.tensor
    for dim, pair in around.items():
        shape = tensor.sample_shape
        images = reshaped(tensor, (math.prod(shape[: dim - 1]), shape[dim - 1], math.prod(shape[dim:])))
        images = node.layer(nn.layers.ZeroPadding2D, ((0, 0), pair), suffix=suffix)(images)
        tensor = reshaped(images, (*shape[: dim - 1], shape[dim - 1] + sum(pair), *shape[dim:]))
    return Value(tensor, x.order)


def constant(node, x, pads, value):
    """A number around: zeros around what lies so far above."""
    if value == 0:
        return _zeros(node, x, pads)
    if not math.isfinite(value):
        raise ValueError(f"nncore pads with finite numbers; got {value}")
    below = x.like(node.layer(nn.layers.Rescaling, 1.0, -value, suffix="in")(x.tensor))
    padded = _zeros(node, below, pads)
    return padded.like(node.layer(nn.layers.Rescaling, 1.0, value, suffix="out")(padded.tensor))


_MODES = ("replicate", "reflect", "circular")


def inside(x, pads, mode):
    """Elements from inside around a value; `pads` is {axis of PyTorch's: (before, after)}."""
    for axis, (before, after) in pads.items():
        length = x.shape[axis]
        limit = {"replicate": before + after, "reflect": length - 1, "circular": length}[mode]
        if min(before, after) < 0 or max(before, after) > limit:
            raise ValueError(f"padding {(before, after)} does not fit an axis of {length} with {mode!r}")
        if mode == "circular":
            left = [(length - before, length)] if before else []
            right = [(0, after)] if after else []
        elif mode == "reflect":
            left = [(i, i + 1) for i in range(before, 0, -1)]
            right = [(i, i + 1) for i in range(length - 2, length - 2 - after, -1)]
        else:
            left, right = [(0, 1)] * before, [(length - 1, length)] * after
        if not left and not right:
            continue
        made = {}
        parts = []
        for ends in (*left, None, *right):
            if ends is not None and ends not in made:
                made[ends] = cut(x, axis, *ends).in_order_of(x)
            parts.append(x.tensor if ends is None else made[ends])
        x = Value(nn.layers.Concatenate(axis=x.order[axis])(parts), x.order)
    return x


def padded(node, x, pads, mode, value=0.0):
    """PyTorch's padding of a value; `pads` is {axis of PyTorch's: (before, after)}."""
    if mode in ("constant", "zeros"):
        return constant(node, x, pads, value or 0.0)
    if mode not in _MODES:
        raise ValueError(f"nncore has no padding {mode!r}")
    return inside(x, pads, mode)


@function("pad")
def pad(node, input, pad, mode="constant", value=None):
    """Pads are given from the last axis on."""
    x = input.plain()
    if len(pad) % 2 or len(pad) > 2 * x.rank:
        raise ValueError(f"pad must have a pair for each of the last axes of {x.shape}; got {pad}")
    pads = {x.rank - 1 - i: tuple(pad[2 * i : 2 * i + 2]) for i in range(len(pad) // 2)}
    pads = {axis: pair for axis, pair in pads.items() if any(pair)}
    if x.batch in pads:
        raise ValueError(f"{pad} pads samples of {x.shape}")
    return padded(node, x, pads, mode, value)


@module("ZeroPad1d", "ZeroPad2d", "ConstantPad1d", "ConstantPad2d", "ReplicationPad1d", "ReplicationPad2d",
        "ReflectionPad1d", "ReflectionPad2d", "CircularPad1d", "CircularPad2d")  # fmt: skip
def pad_module(node, module, x):
    name = type(module).__name__
    modes = {"Rep": "replicate", "Ref": "reflect", "Cir": "circular"}
    return pad(node, x, list(module.padding), modes.get(name[:3], "constant"), getattr(module, "value", 0.0))

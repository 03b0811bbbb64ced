"""Padding: zeros, other numbers, and elements from inside."""

import nncore as nn
from nncore.interop.torch.reading.families.axes import cut
from nncore.interop.torch.reading.registry import function, module
from nncore.interop.torch.reading.values import Value


def channels_last(x, axes):
    """PyTorch's (rows, channels, ...) with so many further axes, as a value with channels behind."""
    x = x.plain()
    if x.rank != axes + 2 or x.batch != 0:
        raise ValueError(f"inputs must have {axes + 2} axes, (rows, channels, ...); got {x.shape}")
    return Value(x.arranged((*range(2, axes + 2), 1)), (0, axes + 1, *range(1, axes + 1)))


def zeros(node, x, pads, suffix="padding"):
    """Zeros around a value with channels behind; `pads` has (before, after) of each axis, negative ones cut."""
    if any(n < 0 for pair in pads for n in pair):
        cropped = [tuple(max(-n, 0) for n in pair) for pair in pads]
        cls = nn.layers.Cropping1D if len(pads) == 1 else nn.layers.Cropping2D
        cropping = cropped[0] if len(pads) == 1 else tuple(cropped)
        x = Value(node.layer(cls, cropping, suffix=f"{suffix}_cropping")(x.tensor), x.order)
        pads = [tuple(max(n, 0) for n in pair) for pair in pads]
    if not any(n for pair in pads for n in pair):
        return x
    cls = nn.layers.ZeroPadding1D if len(pads) == 1 else nn.layers.ZeroPadding2D
    padding = tuple(pads[0]) if len(pads) == 1 else tuple(tuple(pair) for pair in pads)
    return Value(node.layer(cls, padding, suffix=suffix)(x.tensor), x.order)


def constant(node, x, pads, value):
    """A number around: zeros around what lies so far above."""
    if value == 0:
        return zeros(node, x, pads)
    below = x.like(node.layer(nn.layers.Rescaling, 1.0, -value, suffix="in")(x.tensor))
    padded = zeros(node, below, pads)
    return padded.like(node.layer(nn.layers.Rescaling, 1.0, value, suffix="out")(padded.tensor))


_MODES = ("replicate", "reflect", "circular")


def inside(x, pads, mode):
    """Elements from inside around a value with channels behind, whose spatial axes are 2, 3 of PyTorch's."""
    for axis, (before, after) in enumerate(pads, 2):
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
    """PyTorch's padding of a value with channels behind."""
    if mode in ("constant", "zeros"):
        return constant(node, x, pads, value or 0.0)
    if mode not in _MODES:
        raise ValueError(f"nncore has no padding {mode!r}")
    return inside(x, pads, mode)


@function("pad")
def pad(node, input, pad, mode="constant", value=None):
    """Pads are given from the last axis on."""
    if len(pad) % 2:
        raise ValueError(f"pad must have a pair for each axis; got {pad}")
    pads = [tuple(pad[i : i + 2]) for i in range(0, len(pad), 2)]
    x = input.plain()
    if x.rank not in (3, 4) or x.batch != 0:
        raise ValueError(f"inputs must be (rows, channels, ...) of three or four axes; got {x.shape}")
    if any(any(pair) for pair in pads[x.rank - 2 :]):
        raise ValueError(f"{pad} pads samples or channels of {x.shape}")
    pads = (pads + [(0, 0)] * 2)[: x.rank - 2]
    return padded(node, channels_last(x, x.rank - 2), pads[::-1], mode, value)


@module("ZeroPad1d", "ZeroPad2d", "ConstantPad1d", "ConstantPad2d", "ReplicationPad1d", "ReplicationPad2d",
        "ReflectionPad1d", "ReflectionPad2d", "CircularPad1d", "CircularPad2d")  # fmt: skip
def pad_module(node, module, x):
    name = type(module).__name__
    modes = {"Rep": "replicate", "Ref": "reflect", "Cir": "circular"}
    return pad(node, x, list(module.padding), modes.get(name[:3], "constant"), getattr(module, "value", 0.0))

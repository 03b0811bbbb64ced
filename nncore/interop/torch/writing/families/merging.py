"""Layers of several inputs."""

import functools

import torch
from torch.nn import functional

from nncore.interop.torch.writing.registry import layer

_PAIRS = {"Add": torch.add, "Average": torch.add, "Subtract": torch.sub, "Multiply": torch.mul,
          "Maximum": torch.maximum, "Minimum": torch.minimum}  # fmt: skip


@layer(*_PAIRS)
def merge(writer, layer, inputs, shapes, options):
    """Inputs of fewer axes get some of length 1 behind that of samples."""
    rank, equal = max(map(len, shapes)), []
    for x, shape in zip(inputs, shapes, strict=True):
        for _ in range(rank - len(shape)):
            x = writer.method("unsqueeze", x, 1)
        equal.append(x)
    name = type(layer).__name__
    y = functools.reduce(lambda a, b: writer.function(_PAIRS[name], a, b), equal)
    return writer.function(torch.div, y, float(len(inputs))) if name == "Average" else y


@layer("Concatenate")
def concatenate(writer, layer, inputs, shapes, options):
    return writer.function(torch.cat, list(inputs), dim=layer.axis)


@layer("Dot")
def dot(writer, layer, inputs, shapes, options):
    """Axes that are left keep their order, those of the first input in front."""
    axes = layer.axes if isinstance(layer.axes, list) else [layer.axes] * 2
    axes = [axis % (len(shape) + 1) for axis, shape in zip(axes, shapes, strict=True)]
    if layer.normalize:
        pairs = zip(inputs, axes, strict=True)
        inputs = [writer.function(functional.normalize, x, dim=axis, eps=1e-7) for x, axis in pairs]
    letters = iter("abcdefghijklmnop")
    names, left = [], ""
    for axis, shape in zip(axes, shapes, strict=True):
        own = "".join("z" if place == axis else next(letters) for place in range(1, len(shape) + 1))
        names.append(f"y{own}")
        left += own.replace("z", "")
    product = writer.function(torch.einsum, f"{names[0]},{names[1]}->y{left}", list(inputs))
    return product if left else writer.method("unsqueeze", product, 1)

"""Operators that change nothing but shapes and orders of axes, or put tensors beside each other; and constants."""

import math

import numpy as np

from nncore import layers
from nncore.interop.onnx.importing import FLOATS, INTEGERS, Tensor, array_of, reads

ROWS = -(2**61)  # in the shape of a tensor
NUMBERS_OF_ROWS = {6, 7}  # int32 and int64, as Gather takes them


@reads("Constant")
def read_constant(reader, node):
    node.require(len(node.attributes) == 1, f"must have one value; it has {len(node.attributes)}")
    ((name, value),) = node.attributes.items()
    if name == "value":
        return array_of(value)
    node.require(name in ("value_float", "value_floats", "value_int", "value_ints"), f"does not support {name}")
    return np.asarray(value, np.float32 if "float" in name else np.int64)


@reads("Shape")
def read_shape(reader, node):
    """A constant, in which a number that nothing else has stands for the rows."""
    value = node.inputs[0]
    extents = value.shape if isinstance(value, np.ndarray) else [ROWS if n is None else n for n in value.shape]
    return np.array(extents, np.int64)[node.attributes.get("start", 0) : node.attributes.get("end")]


@reads("Identity", "Dropout")
def read_nothing(reader, node):
    node.require(node.kind == "Identity" or len(node.outputs) == 1 or not reader.readers.get(node.outputs[1]),
                 "is supported without its mask only")  # fmt: skip
    node.require(node.given(2) is None or not node.array(2, "modes").any(), "is not supported in training")
    return node.inputs[0]


@reads("Cast")
def read_cast(reader, node):
    from onnx import helper

    value, kind = node.inputs[0], node.attributes["to"]
    node.require(kind in FLOATS | INTEGERS, "is supported to real numbers only")
    if isinstance(value, np.ndarray):
        return value.astype(helper.tensor_dtype_to_np_dtype(kind))
    x = node.tensor()
    node.require(kind in FLOATS or (x.is_whole and kind in NUMBERS_OF_ROWS),
                 "of a tensor is supported to floating-point numbers only")  # fmt: skip
    return x if kind in NUMBERS_OF_ROWS else x.of_fractions()


@reads("Transpose")
def read_transpose(reader, node):
    value = node.inputs[0]
    rank = value.ndim if isinstance(value, np.ndarray) else value.rank
    permutation = node.numbers("perm", default=range(rank)[::-1])
    node.require(sorted(permutation) == list(range(rank)), f"has axes {permutation} for a tensor of {rank}")
    return value.transpose(permutation) if isinstance(value, np.ndarray) else value.transposed(permutation)


@reads("Flatten")
def read_flatten(reader, node):
    x = node.tensor()
    axis = node.attributes.get("axis", 1)
    node.require(x.rows == 0 and axis in (1, 1 - x.rank), f"is supported along the axes of samples only, not {axis}")
    return _reshaped(node, x, (math.prod(x.shape[1:]),))


def _reshaped(node, x, shape):
    """The same elements as samples of another shape, whose rows are the first axis."""
    node.require(x.rows == 0, "is supported where the rows are the first axis only")
    if x.shape[1:] == tuple(shape):
        return x
    return Tensor(node.reader, node.layer(layers.Reshape, shape)(x.plain), least=x.least)


@reads("Reshape")
def read_reshape(reader, node):
    wanted = node.numbers("shape", 1)
    node.require(wanted is not None, "needs a shape")
    if isinstance(node.inputs[0], np.ndarray):
        return node.inputs[0].reshape(wanted)
    x = node.tensor()
    node.only(allowzero=0)
    node.require(len(wanted) > 1 and wanted[0] in {0, -1, ROWS, *reader.fixed_rows},
                 f"to {wanted} does not keep the rows as the first axis")  # fmt: skip
    extents = list(x.shape)
    node.require(all(n != 0 or place < len(extents) for place, n in enumerate(wanted)), f"has the shape {wanted}")
    shape = [extents[place] if n == 0 else n for place, n in enumerate(wanted)][1:]
    size, known = math.prod(extents[1:]) if x.rows == 0 else 0, math.prod(n for n in shape if n != -1)
    if shape.count(-1) == 1 and known > 0:
        shape[shape.index(-1)] = size // known
    node.require(min(shape) > 0 and math.prod(shape) == size, f"to {wanted} would mix the rows of {x.shape}")
    return _reshaped(node, x, tuple(shape))


@reads("Squeeze", "Unsqueeze")
def read_axes_of_one(reader, node):
    value, axes = node.inputs[0], node.numbers("axes", 1)
    extents = list(value.shape)
    if node.kind == "Squeeze":
        axes = [place for place, n in enumerate(extents) if n == 1] if axes is None else axes
        axes = [node.axis(axis, len(extents)) for axis in axes]
        node.require(all(extents[axis] == 1 for axis in axes), f"of axes {axes} of {extents}")
        shape = [n for place, n in enumerate(extents) if place not in axes]
    else:
        rank = len(extents) + len(axes)
        axes, rest = {node.axis(axis, rank) for axis in axes}, iter(extents)
        node.require(len(extents) + len(axes) == rank, "names an axis twice")
        shape = [1 if place in axes else next(rest) for place in range(rank)]
    if isinstance(value, np.ndarray):
        return value.reshape(shape)
    node.require(shape[0] is None and len(shape) > 1, "is supported behind the axis of the rows only")
    return _reshaped(node, node.tensor(), tuple(shape[1:]))


@reads("Concat")
def read_concat(reader, node):
    if all(isinstance(value, np.ndarray) for value in node.inputs):
        return np.concatenate(node.inputs, node.attributes["axis"])
    tensors = [node.tensor(place) for place in range(len(node.inputs))]
    axis = node.axis(node.attributes["axis"], tensors[0].rank)
    order = tensors[0].native[0]
    node.require(axis != order[0] and all(x.rank == len(order) and x.rows == order[0] for x in tensors),
                 "is supported along axes of samples only, of tensors of one rank")  # fmt: skip
    if len(tensors) == 1:
        return tensors[0]
    layer = node.layer(layers.Concatenate, order.index(axis))
    return Tensor(reader, layer([x.in_order(order) for x in tensors]), order, min(x.least for x in tensors))


@reads("Pad")
def read_pad(reader, node):
    x = node.tensor()
    node.only(mode="constant", value=0.0)
    value, axes = node.given(2), node.numbers("axes", 3)
    zero = value is None or (isinstance(value, np.ndarray) and value.size == 1 and not value.any())
    node.require(zero, "is supported with zeros only")
    pads = node.numbers("pads", 1)
    axes = range(x.rank) if axes is None else [node.axis(axis, x.rank) for axis in axes]
    node.require(pads is not None and len(pads) == 2 * len(axes), "has pads that do not fit")
    margins = [(0, 0)] * x.rank
    for place, axis in enumerate(axes):
        margins[axis] = (pads[place], pads[place + len(axes)])
    return pad(node, x, margins)


@reads("Slice")
def read_slice(reader, node):
    x = node.inputs[0] if isinstance(node.inputs[0], np.ndarray) else node.tensor()
    starts, ends = node.numbers("starts", 1), node.numbers("ends", 2)
    axes, steps = node.numbers("axes", 3), node.numbers("steps", 4)
    rank = len(x.shape)
    axes = list(range(len(starts))) if axes is None else [node.axis(axis, rank) for axis in axes]
    node.require(len(starts) == len(ends) == len(axes) and set(steps or [1]) == {1}, "is supported in steps of 1 only")
    if isinstance(x, np.ndarray):
        parts = dict(zip(axes, map(slice, starts, ends), strict=True))
        return x[tuple(parts.get(axis, slice(None)) for axis in range(rank))]
    margins = [(0, 0)] * x.rank
    for start, end, axis in zip(starts, ends, axes, strict=True):
        node.require(axis != x.rows, "is supported along axes of samples only")
        begin, stop, _ = slice(start, end).indices(x.shape[axis])
        margins[axis] = (-begin, stop - x.shape[axis])
    return pad(node, x, margins)


def pad(node, x, margins):
    """Zeros around a tensor, (before, after) for each axis; less of it where these are below 0."""
    node.require(margins[x.rows] == (0, 0), "does not support more rows")
    for sign, kind in ((1, "ZeroPadding"), (-1, "Cropping")):
        wanted = [tuple(max(0, sign * int(n)) for n in margin) for margin in margins]
        padded = [axis for axis, margin in enumerate(wanted) if margin != (0, 0)]
        if not padded:
            continue
        # the layers have two axes at most, in front of one that stays
        node.require(len(padded) <= 2 and x.rank in (3, 4), "is supported for two axes of sequences and images only")
        last = next(axis for axis in range(1, x.rank)[::-1] if axis not in padded and axis != x.rows)
        order, symbol = x.ending_with(last)
        given = [wanted[axis] for axis in order[1:-1]]
        layer = getattr(layers, f"{kind}{len(given)}D")
        name = f"{node.outputs[0]}_{'padded' if sign > 0 else 'cropped'}"
        symbol = node.reader.layer(layer, name, given[0] if len(given) == 1 else tuple(given))(symbol)
        x = Tensor(node.reader, symbol, order, min(x.least, 0.0))
    return x


@reads("Resize", "Upsample")
def read_resize(reader, node):
    x = node.tensor()
    place = 1 if node.kind == "Upsample" or node.version < 11 else 2
    node.require(x.rows == 0 and x.rank in (3, 4), "is supported for sequences and images only")
    scales, sizes = node.given(place), node.given(place + 1)
    if scales is None or scales.size == 0:
        scales = node.array(place + 1, "sizes") / np.array([sizes[0], *x.shape[1:]])
    scales = np.asarray(scales, np.float64).tolist()
    factors = [round(scale) for scale in scales]
    node.require(len(factors) == x.rank and factors[:2] == [1, 1] and factors == scales and min(factors) > 0,
                 f"is supported by whole factors of rows and columns only; got {scales}")  # fmt: skip
    mode = node.attributes.get("mode", "nearest")
    places = node.attributes.get("coordinate_transformation_mode", "half_pixel" if place == 2 else "asymmetric")
    rounding = node.attributes.get("nearest_mode", "round_prefer_floor" if place == 2 else "floor")
    repeated = (places, rounding) == ("asymmetric", "floor") or (
        places in ("half_pixel", "pytorch_half_pixel") and rounding.startswith("round")
    )
    linear = mode == "linear" and places in ("half_pixel", "pytorch_half_pixel") and x.rank == 4
    node.require(linear or (mode == "nearest" and repeated), f"does not support {mode} with {places} and {rounding}")
    node.only(antialias=0, exclude_outside=0)
    order = channels_last(x.rank)
    if x.rank == 3:
        layer = node.layer(layers.UpSampling1D, factors[2])
    else:
        layer = node.layer(layers.UpSampling2D, factors[2:], interpolation="bilinear" if linear else "nearest")
    return Tensor(reader, layer(x.in_order(order)), order, x.least)


def channels_last(rank):
    """The order of ONNX's axes (rows, channels, ...) in nncore's samples."""
    return (0, *range(2, rank), 1)

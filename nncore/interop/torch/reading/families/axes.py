"""Functions that rearrange: views, permutations, slices, joined and split values."""

import itertools
import math

import numpy as np

import nncore as nn
from nncore.interop.torch.reading.registry import function, module
from nncore.interop.torch.reading.values import BATCH, Constant, States, Value, order_of, reshaped


def _sizes(first, others):
    return list(first) if isinstance(first, (list, tuple)) else [first, *others]


@function("size")
def size(node, input, dim=None):
    shape = input.shape
    return tuple(shape) if dim is None else shape[dim]


@function("dim", "ndimension")
def rank(node, input):
    return len(input.shape)


@function("numel")
def numel(node, input):
    raise ValueError("the number of rows is not known")


@function("view", "reshape")
def view(node, input, shape, *others):
    sizes = _sizes(shape, others)
    if isinstance(input, States):
        input = input.value()
    if isinstance(input, Constant):
        return input.like(input.array.reshape([1 if n is BATCH else n for n in sizes]))
    return input.reshape(sizes)


@function("flatten")
def flatten(node, input, start_dim=0, end_dim=-1):
    x = input.value() if isinstance(input, States) else input
    if x.rank == 1:
        return x
    first, last = x.axis(start_dim), x.axis(end_dim)
    if last < first:
        raise ValueError(f"start_dim {start_dim} is behind end_dim {end_dim}")
    return x.merge(first, last)


@function("unflatten")
def unflatten(node, input, dim, sizes):
    axis = input.axis(dim)
    length, sizes = input.shape[axis], list(sizes)
    if -1 in sizes and length is not BATCH:
        rest = -math.prod(sizes)
        sizes[sizes.index(-1)] = length // rest if rest > 0 else 0
    if length is BATCH or math.prod(sizes) != length:
        raise ValueError(f"sizes {tuple(sizes)} do not fit an axis of {length}")
    return input.split(axis, sizes)


@module("Flatten")
def flatten_module(node, module, x):
    return flatten(node, x, module.start_dim, module.end_dim)


@module("Unflatten")
def unflatten_module(node, module, x):
    return unflatten(node, x, module.dim, module.unflattened_size)


@function("permute")
def permute(node, input, dims, *others):
    x = input.value() if isinstance(input, States) else input
    dims = _sizes(dims, others)
    if isinstance(x, Constant):
        return x.like(x.array.transpose(dims))
    axes = [x.axis(dim) for dim in dims]
    if sorted(axes) != list(range(x.rank)):
        raise ValueError(f"dims {tuple(dims)} do not fit {x.shape}")
    return x.permute(axes)


@function("transpose", "swapaxes", "swapdims")
def transpose(node, input, dim0, dim1):
    x = input.value() if isinstance(input, States) else input
    axes = list(range(len(x.shape)))
    axes[dim0], axes[dim1] = axes[dim1], axes[dim0]
    return permute(node, x, axes)


@function("t")
def t(node, input):
    return transpose(node, input, 0, 1)


@function("movedim", "moveaxis")
def movedim(node, input, source, destination):
    found = np.moveaxis(np.arange(input.rank), source, destination) if input.rank == 1 else None
    if found is None:
        places = np.empty(tuple(range(2, 2 + input.rank)), np.int8)
        found = [length - 2 for length in np.moveaxis(places, source, destination).shape]
    return permute(node, input, [int(axis) for axis in found])


@function("squeeze")
def squeeze(node, input, dim=None):
    if isinstance(input, States):
        if dim == 0 and len(input) == 1:
            return input[0]
        input = input.value()
    if isinstance(input, Constant):
        return input.like(np.squeeze(input.array, dim))
    axes = input.sorted_axes() if dim is None else [input.axis(d) for d in (dim if isinstance(dim, tuple) else (dim,))]
    gone = {axis for axis in axes if input.shape[axis] == 1}
    return input.reshape([n for axis, n in enumerate(input.shape) if axis not in gone]) if gone else input


@function("unsqueeze")
def unsqueeze(node, input, dim):
    if isinstance(input, Constant):
        return input.like(np.expand_dims(input.array, dim))
    sizes = list(input.shape)
    sizes.insert(dim if dim >= 0 else len(sizes) + 1 + dim, 1)
    return input.reshape(sizes)


@function("expand")
def expand(node, input, size, *others):
    sizes = _sizes(size, others)
    if isinstance(input, Constant):
        lengths = [1] * (len(sizes) - input.array.ndim) + list(input.shape)
        wanted = [n if m == -1 or m is BATCH else m for n, m in zip(lengths, sizes, strict=True)]
        return input.like(np.broadcast_to(input.array, wanted))
    if len(sizes) != input.rank:
        raise ValueError(f"{input.shape} cannot be expanded to {tuple(sizes)}")
    for axis, (n, m) in enumerate(zip(input.shape, sizes, strict=True)):
        if m == -1 or m is n or (n is not BATCH and m == n):
            continue
        if n != 1 or m is BATCH:
            raise ValueError(f"{input.shape} cannot be expanded to {tuple(sizes)}")
        input = _repeated(node, input, axis, m)
    return input


def _repeated(node, x, axis, count):
    """An axis of length 1 with so many copies of the element."""
    x = x.plain()
    others = [a for a in sorted(x.sorted_axes(), key=lambda a: x.order[a]) if a != axis]
    lengths = [x.shape[a] for a in others]
    copies = node.layer(nn.layers.RepeatVector, count)(reshaped(x.tensor, (math.prod(lengths),)))
    return Value(reshaped(copies, (count, *lengths)), order_of(x.rank, [axis, *others]))


@function("expand_as")
def expand_as(node, input, other):
    return expand(node, input, list(other.shape))


@function("repeat")
def repeat(node, input, size, *others):
    sizes = _sizes(size, others)
    if isinstance(input, Constant) and all(n in (1, BATCH) for n in sizes):
        return input
    raise ValueError("nncore repeats no values")


def cut(x, axis, start, stop):
    """Elements `start` to `stop` along PyTorch's axis."""
    x = x.plain()
    dim, shape = x.order[axis], x.tensor.sample_shape
    length = shape[dim - 1]
    if (start, stop) == (0, length):
        return x
    before, after = math.prod(shape[: dim - 1]), math.prod(shape[dim:])
    crop = (start, length - stop)
    if before == 1:
        tensor = nn.layers.Cropping1D(crop)(reshaped(x.tensor, (length, after)))
    else:
        tensor = nn.layers.Cropping2D(((0, 0), crop))(reshaped(x.tensor, (before, length, after)))
    return Value(reshaped(tensor, (*shape[: dim - 1], stop - start, *shape[dim:])), x.order)


@function("getitem")
def getitem(node, input, item):
    """Numbers and slices without steps, of axes other than that of samples."""
    if isinstance(input, States):
        if isinstance(item, int):
            return list.__getitem__(input, item)
        if isinstance(item, slice):
            return States(list.__getitem__(input, item))
        input = input.value()
    items = list(item) if isinstance(item, tuple) else [item]
    if Ellipsis in items:
        place = items.index(Ellipsis)
        named = sum(one is not None for one in items) - 1
        items[place : place + 1] = [slice(None)] * (input.rank - named)
    x, axis, gone = input, 0, []
    for one in items:
        if one is None:
            sizes = list(x.shape)
            sizes.insert(axis, 1)
            x = x.reshape(sizes)
            axis += 1
            continue
        if axis >= x.rank:
            raise ValueError(f"there are too many indices for {input.shape}")
        whole = isinstance(one, slice) and one == slice(None)
        if axis == x.batch and not whole:
            raise ValueError("samples cannot be chosen: each row of the minibatch is one")
        simple = isinstance(one, int) or (isinstance(one, slice) and one.step in (None, 1))
        if isinstance(one, bool) or not simple:
            raise ValueError(f"an index must be a number, or a slice without step; got {one!r}")
        if not whole:
            length = x.shape[axis]
            if isinstance(one, int):
                if not -length <= one < length:
                    raise ValueError(f"there is no element {one} in an axis of {length}")
                ends = (one % length, one % length + 1)
                gone.append(axis)
            else:
                ends = one.indices(length)[:2]
                if ends[0] >= ends[1]:
                    raise ValueError(f"{one} leaves nothing of an axis of {length}")
            x = cut(x, axis, *ends)
        axis += 1
    return x.reshape([n for axis, n in enumerate(x.shape) if axis not in gone]) if gone else x


@function("select")
def select(node, input, dim, index):
    return getitem(node, input, (*[slice(None)] * input.axis(dim), index))


@function("narrow")
def narrow(node, input, dim, start, length):
    return getitem(node, input, (*[slice(None)] * input.axis(dim), slice(start, start + length)))


@function("chunk")
def chunk(node, input, chunks, dim=0):
    length = input.shape[input.axis(dim)]
    return split(node, input, length if length is BATCH else -(-length // chunks), dim)


@function("split", "tensor_split")
def split(node, tensor, split_size_or_sections, dim=0):
    axis, sizes = tensor.axis(dim), split_size_or_sections
    if axis == tensor.batch:
        raise ValueError(f"dim {dim} is the axis of samples")
    length = tensor.shape[axis]
    if isinstance(sizes, int):
        sizes = [min(sizes, length - start) for start in range(0, length, sizes)]
    if sum(sizes) != length:
        raise ValueError(f"parts {tuple(sizes)} do not fit an axis of {length}")
    ends = [0, *np.cumsum(sizes).tolist()]
    return tuple(cut(tensor, axis, *pair) for pair in itertools.pairwise(ends))


@function("unbind")
def unbind(node, input, dim=0):
    axis = input.axis(dim)
    if axis == input.batch:
        raise ValueError(f"dim {dim} is the axis of samples")
    return tuple(select(node, input, axis, index) for index in range(input.shape[axis]))


@function("cat", "concat", "concatenate")
def cat(node, tensors, dim=0):
    values = [one.value() if isinstance(one, States) else one for one in tensors]
    first = next((one for one in values if isinstance(one, Value)), None)
    if first is None:
        raise ValueError("none of what is joined depends on the inputs")
    values = [node.value(one) if isinstance(one, Constant) else one.plain() for one in values]
    first = first.plain()
    axis = first.axis(dim)
    if axis == first.batch:
        raise ValueError(f"dim {dim} is the axis of samples")
    if any(one.rank != first.rank or one.batch != first.batch for one in values):
        raise ValueError(f"values of {', '.join(str(one.shape) for one in values)} cannot be joined")
    if len(values) == 1:
        return first
    layer = node.layer(nn.layers.Concatenate, axis=first.order[axis])
    return Value(layer([one.in_order_of(first) for one in values]), first.order)


@function("stack")
def stack(node, tensors, dim=0):
    if not all(isinstance(one, Value) for one in tensors):
        raise ValueError("all of what is stacked must depend on the inputs")
    rank = tensors[0].rank + 1
    return cat(node, [unsqueeze(node, one, dim % rank) for one in tensors], dim % rank)


@function("pixel_shuffle")
def pixel_shuffle(node, input, upscale_factor):
    if input.rank != 4 or input.batch != 0:
        raise ValueError(f"inputs must be (rows, channels, rows, columns); got {input.shape}")
    channels, r = input.shape[1], upscale_factor
    if channels % (r * r):
        raise ValueError(f"{channels} channels are no multiple of {r} x {r}")
    x = input.split(1, (channels // (r * r), r, r)).permute((0, 1, 4, 2, 5, 3))
    x = Value(x.arranged((2, 3, 4, 5, 1)), (0, 5, 1, 2, 3, 4))
    return x.merge(4, 5).merge(2, 3)


@function("pixel_unshuffle")
def pixel_unshuffle(node, input, downscale_factor):
    if input.rank != 4 or input.batch != 0:
        raise ValueError(f"inputs must be (rows, channels, rows, columns); got {input.shape}")
    (rows, columns), r = input.shape[2:], downscale_factor
    if rows % r or columns % r:
        raise ValueError(f"{rows} x {columns} pixels are no multiple of {r}")
    x = input.split(3, (columns // r, r)).split(2, (rows // r, r)).permute((0, 1, 3, 5, 2, 4))
    x = Value(x.arranged((4, 5, 1, 2, 3)), (0, 3, 4, 5, 1, 2))
    return x.merge(1, 3)


@module("PixelShuffle")
def pixel_shuffle_module(node, module, x):
    return pixel_shuffle(node, x, module.upscale_factor)


@module("PixelUnshuffle")
def pixel_unshuffle_module(node, module, x):
    return pixel_unshuffle(node, x, module.downscale_factor)


@module("ChannelShuffle")
def channel_shuffle(node, module, x):
    channels, groups = x.shape[1], module.groups
    if channels % groups:
        raise ValueError(f"{channels} channels cannot be shuffled in {groups} groups")
    parts = x.split(1, (groups, channels // groups))
    axes = (0, 2, 1, *range(3, parts.rank))
    parts = parts.permute(axes)
    axes = (*range(3, parts.rank), 1, 2)
    parts = Value(parts.arranged(axes), order_of(parts.rank, axes))
    return parts.merge(1, 2)

"""Tensors as PyTorch sees them, over symbolic tensors of nncore whose axes may stand in another order.

PyTorch has channels in front, nncore behind; so a value says where each of PyTorch's axes is. To permute axes changes
what is said and nothing else: elements are moved only where a layer needs them elsewhere.
"""

import math

import numpy as np

import nncore as nn


class Batch:
    """The length of the axis of samples, which is not known: what x.size(0) is while a module is traced."""

    def __repr__(self):
        return "the number of rows"


BATCH = Batch()


class Value:
    """A symbolic tensor, and where PyTorch's axes are.

    Parameters
    ----------
    tensor : Tensor
    order : tuple of int
        For each of PyTorch's axes the axis of `tensor`; 0 is that of samples. A tensor of one number for each sample
        has an axis of length 1 that PyTorch does not know.
    folded : tuple (axis of PyTorch's, lengths, permuted, numbers), optional
        Elements along this axis stand in another order than PyTorch's, as it was made of several: `lengths` of them
        here, of which `permuted` is PyTorch's order. `numbers` has for each element the number that PyTorch gives it.
    """

    def __init__(self, tensor, order, folded=None):
        self.tensor, self.order, self.folded = tensor, tuple(order), folded

    @property
    def shape(self):
        """As in PyTorch, with BATCH for the axis of samples."""
        return tuple(BATCH if axis == 0 else self.tensor.shape[axis] for axis in self.order)

    @property
    def rank(self):
        """Number of PyTorch's axes."""
        return len(self.order)

    @property
    def batch(self):
        """PyTorch's axis of samples."""
        return self.order.index(0)

    def axis(self, dim):
        """PyTorch's axis, counted from the front."""
        if not isinstance(dim, int) or not -self.rank <= dim < self.rank:
            raise ValueError(f"there is no axis {dim} in {self.shape}")
        return dim % self.rank

    def like(self, tensor):
        """A value of the same axes."""
        return Value(tensor, self.order, self.folded)

    # ---- moving elements

    def plain(self):
        """The same value without another order of elements along an axis."""
        if self.folded is None:
            return self
        axis, lengths, permuted, _ = self.folded
        split = Value(self.tensor, self.order).split(axis, lengths)
        back = (*range(axis), *(axis + place for place in permuted), *range(axis + len(lengths), split.rank))
        split = split.permute(back)
        return Value(split.sorted_tensor(), split.sorted_order()).merge(axis, axis + len(lengths) - 1)

    def arranged(self, axes):
        """The tensor with PyTorch's `axes`, all but that of samples, in this order."""
        value = self.plain()
        dims = [value.order[axis] for axis in axes]
        if dims == sorted(dims):
            return value.tensor
        return nn.layers.Permute(tuple(dims))(value.tensor)

    def sorted_axes(self):
        """PyTorch's axes in their order, without that of samples."""
        return [axis for axis in range(self.rank) if axis != self.batch]

    def sorted_tensor(self):
        """The tensor with axes in PyTorch's order, behind that of samples."""
        return self.arranged(self.sorted_axes())

    def sorted_order(self):
        """The order of `sorted_tensor`."""
        return order_of(self.rank, self.sorted_axes())

    def last(self, dim=-1):
        """The same value with PyTorch's axis `dim` last; elements along it may be folded."""
        axis = self.axis(dim)
        if self.order[axis] == len(self.tensor.shape) - 1:
            return self if self.folded is None or self.folded[0] == axis else self.plain()
        value = self.plain()
        axes = [a for a in sorted(value.sorted_axes(), key=lambda a: value.order[a]) if a != axis] + [axis]
        return Value(value.arranged(axes), order_of(value.rank, axes))

    def in_order_of(self, other):
        """The tensor with its axes, equally many, where another value has them."""
        return self.arranged(sorted(other.sorted_axes(), key=lambda axis: other.order[axis]))

    # ---- shapes

    def permute(self, axes):
        """PyTorch's permutation: only what is said changes."""
        folded = None if self.folded is None else (list(axes).index(self.folded[0]), *self.folded[1:])
        return Value(self.tensor, [self.order[axis] for axis in axes], folded)

    def merge(self, first, last):
        """Axes `first` to `last` as one."""
        if first == last:
            return self
        value = self.plain()
        axes = list(range(first, last + 1))
        if value.batch in axes:
            raise ValueError("rows of the minibatch cannot be merged with other axes: each sample is one row")
        dims = [value.order[axis] for axis in axes]
        if sorted(dims) != list(range(min(dims), min(dims) + len(dims))):
            value = Value(value.sorted_tensor(), value.sorted_order())
            dims = [value.order[axis] for axis in axes]
        start = min(dims)
        shape = value.tensor.sample_shape
        length = math.prod(shape[start - 1 : start - 1 + len(dims)])
        tensor = reshaped(value.tensor, (*shape[: start - 1], length, *shape[start - 1 + len(dims) :]))
        order = []
        for axis, dim in enumerate(value.order):
            if axis in axes[1:]:
                continue
            order.append(start if axis == first else dim - len(dims) + 1 if dim > start else dim)
        lengths = [shape[dim - 1] for dim in sorted(dims)]
        permuted = tuple(int(i) for i in np.argsort([dims.index(dim) for dim in sorted(dims)]))
        # axis `permuted[i]` of ours is PyTorch's i-th
        numbers = np.arange(length).reshape([lengths[i] for i in permuted]).transpose(np.argsort(permuted)).ravel()
        if np.array_equal(numbers, np.arange(length)):
            return Value(tensor, order)
        return Value(tensor, order, (first, tuple(lengths), permuted, numbers))

    def split(self, axis, lengths):
        """An axis as several of these lengths."""
        value = self.plain()
        if axis == value.batch:
            raise ValueError("rows of the minibatch cannot be split: each sample is one row")
        dim, shape = value.order[axis], value.tensor.sample_shape
        tensor = reshaped(value.tensor, (*shape[: dim - 1], *lengths, *shape[dim:]))
        order = []
        for place, old in enumerate(value.order):
            if place == axis:
                order += range(dim, dim + len(lengths))
            else:
                order.append(old + len(lengths) - 1 if old > dim else old)
        return Value(tensor, order)

    def reshape(self, sizes):
        """PyTorch's view of another shape; BATCH among the sizes, or -1, is the axis of samples."""
        sizes = self._known(list(sizes))
        if tuple(sizes) == self.shape:
            return self
        if len(self.tensor.shape) > self.rank:  # one number for each sample, of an axis that PyTorch does not know
            value = Value(self.tensor, (0, 1))
            return value if tuple(sizes) == value.shape else value.reshape(sizes)
        value, place = self, 0
        for old, new in _groups(self.shape, sizes):
            if not new:  # axes of length 1 that go away
                value = value._without(place, len(old))
                continue
            if old == new:
                place += len(new)
                continue
            if not old:
                value = value._with_ones(place, len(new))
            else:
                if len(old) > 1:
                    value = value.merge(place, place + len(old) - 1)
                if len(new) > 1:
                    value = value.split(place, new)
            place += len(new)
        return value

    def _known(self, sizes):
        """The sizes with BATCH in the place of -1 or -1 in numbers."""
        total = math.prod(n for n in self.shape if n is not BATCH)
        if any(not isinstance(n, (int, Batch)) or isinstance(n, bool) for n in sizes) or sizes.count(-1) > 1:
            raise ValueError(f"a shape of whole numbers is wanted; got {sizes}")
        rest = math.prod(n for n in sizes if n is not BATCH and n != -1)
        if BATCH not in sizes:
            if -1 not in sizes or rest != total:
                raise ValueError(f"{tuple(sizes)} for {self.shape} mixes samples: each row of the minibatch is one")
            sizes[sizes.index(-1)] = BATCH
        elif -1 in sizes:
            if rest == 0 or total % rest:
                raise ValueError(f"{tuple(sizes)} does not fit {self.shape}")
            sizes[sizes.index(-1)] = total // rest
        if math.prod(n for n in sizes if n is not BATCH) != total or sizes.count(BATCH) != 1:
            raise ValueError(f"{tuple(sizes)} does not fit {self.shape}")
        return sizes

    def _without(self, place, count):
        """Drops axes of length 1."""
        value = self.plain()
        gone = {value.order[axis] for axis in range(place, place + count)}
        kept = [dim for axis, dim in enumerate(value.order) if not place <= axis < place + count]
        shape = [n for dim, n in enumerate(value.tensor.shape) if dim and dim not in gone]
        tensor = reshaped(value.tensor, tuple(shape) or (1,))
        return Value(tensor, [dim - sum(other < dim for other in gone) for dim in kept])

    def _with_ones(self, place, count):
        """Puts axes of length 1 before axis `place`."""
        value = self.plain()
        if len(value.tensor.shape) > value.rank:
            raise ValueError(f"{self.shape} cannot get more axes")
        rank = len(value.tensor.shape)
        tensor = reshaped(value.tensor, (*value.tensor.sample_shape, *[1] * count))
        return Value(tensor, [*value.order[:place], *range(rank, rank + count), *value.order[place:]])


class Constant:
    """A parameter or buffer that is used outside of a module of its own; an array, and whether it is trained."""

    def __init__(self, array, trainable, name):
        self.array, self.trainable, self.name = array, trainable, name

    def like(self, array):
        """Another view of it."""
        return Constant(array, self.trainable, self.name)

    @property
    def shape(self):
        return self.array.shape


class States(list):
    """What a recurrent module calls h_n or c_n: Values (rows, units), one for each layer and direction."""

    def value(self):
        """All of them as one value, (layers, rows, units)."""
        units = self[0].tensor.sample_shape[0]
        joined = self[0].tensor if len(self) == 1 else nn.layers.Concatenate()([one.tensor for one in self])
        return Value(reshaped(joined, (len(self), units)), (1, 0, 2))


class Zeros:
    """What torch.zeros gives: the first states that a recurrent module has anyway."""

    def __init__(self, shape):
        self.shape = shape


class Absent:
    """What a module gives and nncore does not."""

    def __init__(self, what):
        self.what = what


def order_of(rank, axes):
    """The order of a tensor whose axes behind that of samples are PyTorch's `axes`."""
    order = [0] * rank
    for dim, axis in enumerate(axes, 1):
        order[axis] = dim
    return tuple(order)


def reshaped(tensor, shape):
    """A tensor with samples of this shape."""
    return tensor if tensor.sample_shape == tuple(shape) else nn.layers.Reshape(tuple(shape))(tensor)


def _groups(old, new):
    """Pairs of lists of neighbouring axes with equally many elements, as small as can be.

    The axis of samples is a pair of its own; axes of length 1 that have no counterpart stand beside an empty list.
    """
    old, new = list(old), list(new)
    pairs = []
    at = [old.index(BATCH), new.index(BATCH)]
    for part in ((old[: at[0]], new[: at[1]]), None, (old[at[0] + 1 :], new[at[1] + 1 :])):
        if part is None:
            pairs.append(([BATCH], [BATCH]))
            continue
        if math.prod(part[0]) != math.prod(part[1]):
            raise ValueError(f"{tuple(new)} for {tuple(old)} moves elements across the axis of samples")
        pairs += _matched(*part)
    return pairs


def _matched(old, new):
    pairs, i, j = [], 0, 0
    while i < len(old) or j < len(new):
        if i < len(old) and j < len(new) and old[i] == new[j]:
            pairs.append(([old[i]], [new[j]]))
            i, j = i + 1, j + 1
            continue
        if i < len(old) and old[i] == 1:
            pairs.append(([1], []))
            i += 1
            continue
        if j < len(new) and new[j] == 1:
            pairs.append(([], [1]))
            j += 1
            continue
        left, right = [old[i]], [new[j]]
        i, j = i + 1, j + 1
        while math.prod(left) != math.prod(right):
            if math.prod(left) < math.prod(right):
                left.append(old[i])
                i += 1
            else:
                right.append(new[j])
                j += 1
        pairs.append((left, right))
    return pairs

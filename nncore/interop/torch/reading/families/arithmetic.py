"""Arithmetic of tensors, numbers and parameters."""

import numbers

import numpy as np

import nncore as nn
from nncore.interop.torch.reading.families.activation import activate, scale
from nncore.interop.torch.reading.families.axes import select, stack
from nncore.interop.torch.reading.families.linear import dense
from nncore.interop.torch.reading.registry import function
from nncore.interop.torch.reading.values import Constant, States, Value

_LAYERS = {"add": nn.layers.Add, "sub": nn.layers.Subtract, "mul": nn.layers.Multiply, "maximum": nn.layers.Maximum,
           "minimum": nn.layers.Minimum}  # fmt: skip
_OF_CONSTANTS = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "maximum": np.maximum, "minimum": np.minimum,
                 "div": np.divide}  # fmt: skip


def _number(x):
    """The number that a constant is everywhere; None where it is trained or not the same."""
    if isinstance(x, numbers.Real):
        return float(x)
    if isinstance(x, Constant) and not x.trainable and x.array.size and np.all(x.array == x.array.flat[0]):
        return float(x.array.flat[0])
    return None


def _with_axes_of(node, constant, other):
    """A constant as a value beside another one, by PyTorch's rules of broadcasting."""
    array, rank = constant.array, other.rank
    if array.ndim > rank:
        raise ValueError(f"{constant.name} of shape {constant.shape} has more axes than {other.shape}")
    array = array.reshape((1,) * (rank - array.ndim) + array.shape)
    if array.shape[other.batch] != 1:
        raise ValueError(f"{constant.name} of shape {constant.shape} differs between samples")
    axes = [other.batch, *(axis for axis in range(rank) if axis != other.batch)]
    found = node.value(constant.like(array.transpose(axes)))
    order = [0] * rank
    for place, axis in enumerate(axes):
        order[axis] = place
    return Value(found.tensor, order)


def _pair(a, b):
    """Two values with equally many axes."""
    low, high = sorted((a, b), key=lambda value: value.rank)
    if low.rank < high.rank:
        grown = [1] * (high.rank - low.rank) + list(low.shape)
        if high.batch != low.batch + high.rank - low.rank:
            raise ValueError(f"{a.shape} and {b.shape}: the axes of samples must be in one place, counted from the end")
        low = low.reshape(grown)
        a, b = (low, high) if a.rank < high.rank else (high, low)
    if a.batch != b.batch:
        raise ValueError(f"{a.shape} and {b.shape} have samples along different axes")
    return a, b


def combine(node, name, a, b):
    """a and b, element by element."""
    a, b = (one.value() if isinstance(one, States) else one for one in (a, b))
    if not isinstance(a, Value) and not isinstance(b, Value):
        arrays = [one.array if isinstance(one, Constant) else one for one in (a, b)]
        if any(isinstance(one, Constant) and one.trainable for one in (a, b)):
            raise ValueError("arithmetic of parameters alone is no layer")
        return Constant(np.asarray(_OF_CONSTANTS[name](*arrays)), False, node.name)
    value, other = (a, b) if isinstance(a, Value) else (b, a)
    number = _number(other)
    if number is not None and name in ("add", "sub", "mul"):
        first = value is a
        factor, offset = {"add": (1.0, number), "mul": (number, 0.0),
                          "sub": (1.0, -number) if first else (-1.0, number)}[name]  # fmt: skip
        return scale(node, value, factor, offset, suffix="")
    if number is not None:
        other = Constant(np.full((1,) * value.rank, number), False, node.name)
    if isinstance(other, Constant):
        other = _with_axes_of(node, other, value)
    if not isinstance(other, Value):
        raise ValueError(f"a tensor or a number is wanted; got {other!r}")
    a, b = (value, other) if value is a else (other, value)
    layer = node.layer(_LAYERS[name])
    if a.order == b.order and _folds(a) == _folds(b) and a.rank == b.rank and a.shape == b.shape:
        return a.like(layer([a.tensor, b.tensor]))
    a, b = _pair(a, b)
    a = a.plain()
    if len(a.tensor.shape) != len(b.tensor.shape):
        raise ValueError(f"{a.shape} and {b.shape} do not fit")
    return Value(layer([a.tensor, b.in_order_of(a)]), a.order)


def _folds(value):
    return None if value.folded is None else value.folded[:3]


@function("add", "iadd")
def add(node, input, other, alpha=1):
    return combine(node, "add", input, _times(node, other, alpha))


@function("sub", "isub", "subtract")
def sub(node, input, other, alpha=1):
    return combine(node, "sub", input, _times(node, other, alpha))


def _times(node, other, alpha):
    if alpha == 1:
        return other
    return scale(node, other, float(alpha), suffix="alpha") if isinstance(other, Value) else combine(
        node, "mul", other if isinstance(other, Constant) else Constant(np.asarray(other), False, node.name),
        Constant(np.asarray(alpha), False, node.name))  # fmt: skip


@function("rsub")
def rsub(node, input, other, alpha=1):
    return combine(node, "sub", other, _times(node, input, alpha))


@function("mul", "imul", "multiply")
def mul(node, input, other):
    return combine(node, "mul", input, other)


@function("truediv", "itruediv", "div", "divide", "true_divide")
def div(node, input, other, rounding_mode=None):
    if rounding_mode is not None:
        raise ValueError(f"nncore has no rounding_mode={rounding_mode!r}")
    if isinstance(input, Value) and isinstance(other, numbers.Real):
        return combine(node, "mul", input, 1.0 / other)
    if isinstance(input, Value) and isinstance(other, Constant) and not other.trainable:
        return combine(node, "mul", input, other.like(1.0 / other.array))
    if isinstance(input, Constant) and not isinstance(other, Value):
        return combine(node, "div", input, other)
    raise ValueError("nncore divides by numbers and buffers only")


@function("neg", "negative")
def neg(node, input):
    return scale(node, input, -1.0, suffix="")


@function("abs", "absolute")
def absolute(node, input):
    positive = activate(node, input, "relu", "positive")
    negative = activate(node, scale(node, input, -1.0, suffix="minus"), "relu", "negative")
    return input.like(node.layer(nn.layers.Add)([positive.tensor, negative.tensor]))


@function("pow")
def power(node, input, exponent):
    if not isinstance(input, Value) or exponent not in (1, 2, 3, 4):
        raise ValueError(f"nncore has whole powers of tensors up to 4; got {exponent!r}")
    if exponent == 1:
        return input
    return input.like(node.layer(nn.layers.Multiply)([input.tensor] * int(exponent)))


@function("square")
def square(node, input):
    return power(node, input, 2)


@function("maximum")
def maximum(node, input, other):
    return combine(node, "maximum", input, other)


@function("minimum")
def minimum(node, input, other):
    return combine(node, "minimum", input, other)


@function("matmul", "bmm", "mm")
def matmul(node, input, other):
    if isinstance(input, Value) and isinstance(other, Constant) and other.array.ndim == 2:
        return dense(node, input, other.array.T, None, other.trainable)

    def multiply(a, b):
        layer = node.layer(nn.layers.Dot, axes=(2, 1))
        return Value(layer([a.sorted_tensor(), b.sorted_tensor()]), (0, 1, 2))

    return each_head(node, multiply, input, other)


def each_head(node, function, *values):
    """A function of values (rows, i, j), of which those of (rows, heads, i, j) have several."""
    known = all(isinstance(value, Value) and value.batch == 0 for value in values)
    ranks = {value.rank for value in values} if known else set()
    if ranks == {3}:
        return function(*values)
    if ranks != {4} or len({value.shape[1] for value in values}) != 1:
        raise ValueError(
            "nncore multiplies matrices of (rows, i, k) and (rows, k, j), of equally many heads each, or with a "
            "parameter (k, j)"
        )
    heads = values[0].shape[1]
    parts = [function(*(select(node, value, 1, head) for value in values)) for head in range(heads)]
    return stack(node, parts, 1)

"""An ONNX graph as a model: node by node, by the functions of `readers`.

nncore's samples have their rows first and, of images, their channels last, where ONNX's operators have them elsewhere.
So a `Tensor` knows which axes of nncore's symbolic tensors are which of ONNX's, and layers that turn it are made only
where an operator wants another order than what is there.

Nothing in a file is run or looked up elsewhere, and what it says is checked before there is memory for it: weights come
from arrays in the file, so that all of them together are a small multiple of its size.
"""

import math
import re

import numpy as np

from nncore._names import free
from nncore.layers import Activation, Input, InputLayer, Permute
from nncore.models import Model

_READERS: dict = {}

# Weights may be this many times what a file holds, and so may constants be that are made of others.
MOST_COPIES = 8
SPARE_BYTES = 2**24

# Numbers of types in TensorProto.
FLOATS = {1, 10, 11}  # float, float16, double
INTEGERS = {2, 3, 4, 5, 6, 7, 9, 12, 13}  # of 8 to 64 bits, and bool
OF_WHOLE_NUMBERS = {"Cast", "Gather"}
OPSETS = range(7, 27)


def reads(*kinds):
    """Makes `(reader, node) -> Tensor, array or list of them` the function for operators of these names."""

    def register(function):
        _READERS.update(dict.fromkeys(kinds, function))
        return function

    return register


class Tensor:
    """A tensor of the ONNX graph, one of whose axes is that of the rows.

    Parameters
    ----------
    reader : Reader
    symbol : nncore's symbolic tensor
    order : tuple of int, optional
        Which axis of ONNX's each one of the symbol's is, that of the rows included; the same ones unless given.
    least : float, optional
        No element is less.
    """

    is_whole = False  # an input of whole numbers, with which ONNX reckons otherwise

    def __init__(self, reader, symbol, order=None, least=-math.inf):
        self.reader, self.least = reader, least
        self._symbols = {tuple(order or range(len(symbol.sample_shape) + 1)): symbol}

    @property
    def native(self):
        """(order, symbol) of how it was made."""
        return next(iter(self._symbols.items()))

    @property
    def rank(self):
        """Axes, that of the rows included."""
        return len(self.native[0])

    @property
    def rows(self):
        """The axis of the rows."""
        return self.native[0][0]

    @property
    def shape(self):
        """Extents in ONNX's order, None for the rows."""
        order, symbol = self.native
        extents = (None, *symbol.sample_shape)
        return tuple(extents[order.index(axis)] for axis in range(len(order)))

    def in_order(self, order):
        """The symbolic tensor with its axes in another order, rows first."""
        order = tuple(order)
        if order not in self._symbols:
            known, symbol = self.native
            dims = tuple(known.index(axis) for axis in order[1:])
            self._symbols[order] = self.reader.layer(Permute, f"{symbol.name}_permuted", dims)(symbol)
        return self._symbols[order]

    @property
    def plain(self):
        """The symbolic tensor with rows first and the other axes in ONNX's order."""
        return self.in_order((self.rows, *(axis for axis in range(self.rank) if axis != self.rows)))

    def ending_with(self, axis):
        """(order, symbolic tensor) that have an axis last."""
        for order, symbol in self._symbols.items():
            if order[-1] == axis:
                return order, symbol
        order = (self.rows, *(other for other in range(self.rank) if other not in (self.rows, axis)), axis)
        return order, self.in_order(order)

    def of_fractions(self):
        """The same numbers as floating-point ones."""
        order, symbol = self.native
        return Tensor(self.reader, symbol, order, self.least)

    def transposed(self, permutation):
        """The same tensor whose axis i is axis permutation[i] of this one."""
        turned = [(tuple(permutation.index(axis) for axis in order), symbol) for order, symbol in self._symbols.items()]
        (order, symbol), *others = turned
        found = Tensor(self.reader, symbol, order, self.least)
        found._symbols.update(others)
        return found


class Node:
    """A node of the graph, its inputs as Tensors, arrays, or None where there is none."""

    def __init__(self, reader, proto):
        self.reader, self.kind, self.version = reader, proto.op_type, reader.version
        self.proto, self.outputs = proto, list(proto.output)
        self.inputs = [reader.value(name) if name else None for name in proto.input]
        self.attributes = {attribute.name: _attribute(attribute) for attribute in proto.attribute}
        self.where = f"operator {self.kind} of {self.outputs[0] if self.outputs else proto.name!r}"

    def fail(self, message):
        """Raises ValueError."""
        raise ValueError(f"ONNX: {self.where} {message}")

    def require(self, condition, message):
        """Raises ValueError unless a condition holds."""
        if not condition:
            self.fail(message)

    def given(self, place):
        """The input at a place, or None."""
        return self.inputs[place] if place < len(self.inputs) else None

    def tensor(self, place=0):
        """The input at a place, which must be no constant."""
        value = self.given(place)
        self.require(isinstance(value, Tensor), f"needs a tensor as input {place}, which is not there or constant")
        self.require(not value.is_whole or self.kind in OF_WHOLE_NUMBERS, "of whole numbers is not supported")
        return value

    def array(self, place, what, default=None):
        """The input at a place, which must be a constant."""
        value = self.given(place)
        if value is None and default is not None:
            return default
        self.require(isinstance(value, np.ndarray), f"is supported with constant {what} only")
        return value

    def numbers(self, name, place=None, default=None):
        """Whole numbers of an attribute, or of a constant input as newer versions have them; a list, or None."""
        found = self.attributes.get(name)
        if found is None and place is not None and self.given(place) is not None:
            found = self.array(place, name)
            self.require(found.dtype.kind in "iu" and found.ndim <= 1, f"needs whole numbers as {name}")
            found = found.reshape(-1).tolist()
        return default if found is None else list(found)

    def axis(self, number, rank):
        """An axis, counted from the front."""
        self.require(-rank <= number < rank, f"has axis {number}, which a tensor of {rank} axes does not have")
        return number % rank

    def only(self, **wanted):
        """Refuses attributes with other values than these, which are their defaults."""
        for name, value in wanted.items():
            got = self.attributes.get(name, value)
            self.require(got == value, f"does not support {name}={got!r}")

    def layer(self, cls, *arguments, **options):
        """A new layer, named after the output."""
        return self.reader.layer(cls, self.outputs[0], *arguments, **options)

    def unary(self, layer, x, **known):
        """The Tensor that a layer makes element by element."""
        order, symbol = x.native
        return Tensor(self.reader, layer(symbol), order, **known)


def _attribute(attribute):
    from onnx import helper

    value = helper.get_attribute_value(attribute)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


class Reader:
    """Makes a model of a ModelProto."""

    def __init__(self, proto):
        self.graph, self.nodes, self.size = proto.graph, list(proto.graph.node), proto.ByteSize()
        versions = {each.domain or "ai.onnx": each.version for each in proto.opset_import}
        self.version = versions.get("ai.onnx", 0)
        if self.version not in OPSETS:
            raise ValueError(f"ONNX: opset {self.version} is not supported: {OPSETS.start} to {OPSETS.stop - 1} are")
        if proto.functions or self.graph.sparse_initializer:
            raise ValueError("ONNX: functions of a model's own and sparse weights are not supported")
        self.values, self.spent = {}, {"weights": 0, "constants": 0}
        self.weights, self._shared, self._named = [], {}, {}
        self.fixed_rows = set()  # numbers of rows that inputs state
        self._ends = []  # layers that outputs come from
        self.taken = set()  # the ids of nodes that others have read with them
        self.readers = {}  # of each tensor: nodes, and None for an output of the graph
        self.makers = {name: node for node in self.nodes for name in node.output}
        for node in self.nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        for output in self.graph.output:
            self.readers.setdefault(output.name, []).append(None)

    # ---- names and values

    def value(self, name):
        """What a name stands for."""
        if name not in self.values:
            raise ValueError(f"ONNX: the tensor {name!r} is read before any node has made it")
        return self.values[name]

    def spend(self, what, count):
        """Raises ValueError where a file asks for much more memory than it is large."""
        self.spent[what] += count
        if self.spent[what] > MOST_COPIES * self.size + SPARE_BYTES:
            raise ValueError(f"ONNX: the graph's {what} are more than {MOST_COPIES} times the size of the file")

    def only_reader(self, name, kind):
        """The one node that reads a tensor, where there is one, of this kind; else None."""
        readers = self.readers.get(name, [])
        return readers[0] if len(readers) == 1 and readers[0] is not None and readers[0].op_type == kind else None

    def with_number(self, node, kinds, number):
        """The name of what a node of one of these kinds reads beside a number; None where it is another node."""
        if node is None or node.op_type not in kinds or len(node.input) != 2:
            return None
        values = [self.values.get(name) for name in node.input]
        for place in (0, 1) if node.op_type != "Div" else (1,):
            value = values[place]
            if isinstance(value, np.ndarray) and value.size == 1 and math.isclose(value.item(), number, rel_tol=1e-4):
                return node.input[1 - place]
        return None

    # ---- layers

    def layer(self, cls, name, *arguments, **options):
        """A new layer with a name as near as may be to that of a tensor."""
        name = free(clean(name), self._named)
        self._named[name] = layer = cls(*arguments, name=name, **options)
        return layer

    def weighted(self, layer, symbol, arrays):
        """What a layer with these weights makes of a tensor; where another has the same ones, it is that layer."""
        config = {key: value for key, value in layer.get_config().items() if key != "name"}
        places = tuple((array.__array_interface__["data"][0], array.shape, array.strides) for array in arrays)
        key = (type(layer), repr(config), places)
        if key not in self._shared:
            self.spend("weights", sum(array.size for array in arrays) * 8)
            self._shared[key] = layer
            self.weights.append((layer, arrays))
        return self._shared[key](symbol)

    # ---- the whole

    def model(self):
        """The model."""
        for each in self.graph.initializer:
            self.values[each.name] = array_of(each)
        given = [each for each in self.graph.input if each.name not in self.values]
        inputs = [self._input(each) for each in given]
        for proto in sorted(self.nodes, key=lambda node: node.op_type != "Constant"):  # which may stand behind readers
            if id(proto) not in self.taken:
                self._read(proto)
        outputs = [self._output(each.name) for each in self.graph.output]
        if not inputs or not outputs:
            raise ValueError("ONNX: a graph without inputs or without outputs is no model")
        wide = any(each.type.tensor_type.elem_type == 11 for each in (*given, *self.graph.output))
        model = Model(inputs if len(inputs) > 1 else inputs[0], outputs if len(outputs) > 1 else outputs[0],
                      dtype="float64" if wide else "float32", name=clean(self.graph.name))  # fmt: skip
        for layer, arrays in self.weights:
            if layer.built:  # else no output needs it
                layer.set_weights(arrays)
        return model

    def _input(self, proto):
        kind = proto.type.tensor_type
        if kind.elem_type not in FLOATS | INTEGERS:
            raise ValueError(f"ONNX: the input {proto.name!r} is not a tensor of real numbers")
        shape = [dimension.dim_value for dimension in kind.shape.dim]
        if len(shape) < 2 or min(shape[1:]) < 1:
            raise ValueError(
                f"ONNX: the input {proto.name!r} needs rows, and samples of at least one axis and of a known shape"
            )
        layer = self.layer(InputLayer, proto.name, shape[1:])
        self.fixed_rows |= {shape[0]} - {0}
        self.values[proto.name] = tensor = Tensor(self, Input(layer=layer))
        tensor.is_whole = kind.elem_type in INTEGERS
        return tensor.plain

    def _read(self, proto):
        if proto.domain not in ("", "ai.onnx") or proto.op_type not in _READERS:
            domain = f" of domain {proto.domain!r}" * bool(proto.domain)
            raise ValueError(f"ONNX: the operator {proto.op_type!r}{domain} is not supported")
        node = Node(self, proto)
        try:
            found = _READERS[proto.op_type](self, node)
        except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
            raise ValueError(f"ONNX: {node.where} is not as it should be: {error}") from error
        for name, value in zip(proto.output, found if isinstance(found, list) else [found], strict=False):
            if isinstance(value, np.ndarray):
                self.spend("constants", value.nbytes)
            self.values[name] = value

    def _output(self, name):
        """The symbolic tensor of an output, from a layer of its name."""
        value = self.value(name)
        if not isinstance(value, Tensor):
            raise ValueError(f"ONNX: the output {name!r} does not depend on any input")
        symbol, wanted = value.plain, clean(name)
        layer, holder = symbol.node.layer, self._named.get(wanted)
        if any(isinstance(one, InputLayer) or one in self._ends for one in (layer, holder)):
            layer = self.layer(Activation, name, "linear")
            symbol = layer(symbol)
        elif holder is not layer:
            if holder is not None:
                holder.name = free(wanted, self._named)
                self._named[holder.name] = holder
            layer.name = wanted
            self._named[wanted] = layer
        self._ends.append(layer)
        return symbol


def clean(name):
    """A tensor's name as that of a layer."""
    if not isinstance(name, str):
        raise ValueError(f"ONNX: the name {name!r} is no text")
    return re.sub(r"[^\w#.:-]+", "_", name).strip("_") or "model"


def array_of(proto):
    """The array of a TensorProto."""
    from onnx import numpy_helper

    if proto.data_location == proto.EXTERNAL:
        raise ValueError(f"ONNX: the weight {proto.name!r} is in another file; there must be one file for all")
    if proto.data_type not in FLOATS | INTEGERS:
        raise ValueError(f"ONNX: the weight {proto.name!r} is of a type that is not supported")
    try:
        return numpy_helper.to_array(proto)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"ONNX: the weight {proto.name!r} is not as long as its shape says") from error

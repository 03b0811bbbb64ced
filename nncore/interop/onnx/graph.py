"""An ONNX graph while it is written: nodes, constants, names, and tensors that lie in several orders of their axes.

Operators of ONNX for images want channels first, those for sequences want steps first, and nncore's samples have rows
first and channels last. So a tensor is not turned where it goes into such an operator and back where it comes out: its
`Value` knows in which orders of axes it is there already, and makes another one when somebody asks for it.
"""

import contextlib
import hashlib

import numpy as np

from nncore._names import claim

ROWS = "batch"  # the name of the axis of samples


def plain_order(rank):
    """The order of axes of samples with so many of them: rows first, then as in nncore."""
    return tuple(range(rank + 1))


class Value:
    """A tensor of the graph: rows of samples of `shape`.

    An order is a tuple of axes, of which 0 is that of the rows and 1, 2, ... are those of a sample.

    Parameters
    ----------
    graph : Graph
    shape : tuple of int
        Of a sample.
    name : str, optional
        Of the tensor in `order`, the plain one unless given.
    given : str, optional
        The name of an input of another type than the model's, in the place of `name`.
    given_type : type of numbers, with `given`
    """

    mask = None  # a Value of bool for the first axes of a sample: which of them count

    def __init__(self, graph, shape, name=None, order=None, given=None, given_type=None):
        self.graph, self.shape = graph, tuple(shape)
        self.given, self.given_type = given, given_type
        self._names = {} if name is None else {order or plain_order(len(self.shape)): name}
        self._integers = None

    @property
    def names(self):
        """{order: name} of those orders that are there, the one that it was made in first."""
        if not self._names:
            self._names[plain_order(len(self.shape))] = self.graph.cast(self.given, self.graph.dtype)
        return self._names

    @property
    def native(self):
        """(order, name) of how it was made."""
        return next(iter(self.names.items()))

    @property
    def integers(self):
        """The name of the same numbers as int64, of an input of whole numbers; else None."""
        if self.given is None or self.given_type.kind not in "biu":
            return None
        if self._integers is None:
            self._integers = self.given
            if self.given_type != np.int64:
                self._integers = self.graph.cast(self.given, np.int64)
        return self._integers

    @property
    def plain(self):
        """Its name in the plain order."""
        return self.in_order(plain_order(len(self.shape)))

    def in_order(self, order):
        """Its name in an order of axes."""
        if order not in self.names:
            known, name = self.native
            permutation = [known.index(axis) for axis in order]
            self.names[order] = self.graph.op("Transpose", [name], perm=permutation)
        return self.names[order]

    def ending_with(self, axes):
        """(order, name) of an order that has these axes last: one that is there, else the plain one of the others."""
        axes = tuple(axes)
        for order, name in self.names.items():
            if order[len(order) - len(axes) :] == axes:
                return order, name
        order = (*(axis for axis in plain_order(len(self.shape)) if axis not in axes), *axes)
        return order, self.in_order(order)

    @property
    def channels_first(self):
        """(order, name) with rows and channels in front, as operators for images want it."""
        rank = len(self.shape)
        order = (0, rank, *range(1, rank))
        return order, self.in_order(order)

    @property
    def steps_first(self):
        """(order, name) with steps and rows in front, as operators for sequences want it."""
        order = (1, 0, *range(2, len(self.shape) + 1))
        return order, self.in_order(order)

    def elementwise(self, function):
        """The Value of function(name) -> name, which does not look at the order of axes."""
        order, name = self.native
        return Value(self.graph, self.shape, function(name), order)

    def permuted(self, axes):
        """The Value whose axis i is axis axes[i] of this one, counted with that of the rows: the same tensors."""
        turned = Value(self.graph, [self.shape[axis - 1] for axis in axes[1:]])
        turned._names = {tuple(axes.index(axis) for axis in order): name for order, name in self.names.items()}
        return turned

    def reshaped(self, shape):
        """The same elements, sample by sample, as samples of another shape."""
        if tuple(shape) == self.shape:
            return Value(self.graph, shape, self.plain)
        return Value(self.graph, shape, self.graph.reshape(self.plain, [0, *shape]))


class Graph:
    """A graph, or the body of an operator, while it is written.

    Parameters
    ----------
    dtype : type of numbers of the model
    parent : Graph, optional
        The one around it, which holds the constants of both.
    """

    def __init__(self, dtype, parent=None):
        self.dtype = np.dtype(dtype)
        self.nodes = []
        self.root = self if parent is None else parent.root
        if parent is None:
            self.constants, self._known, self._taken, self._scope = [], {}, set(), []

    # ---- names

    @contextlib.contextmanager
    def scope(self, name):
        """Inside, names begin with that of a layer."""
        self.root._scope.append(name)
        try:
            yield
        finally:
            self.root._scope.pop()

    def name(self, hint):
        """A name that nothing else has."""
        return claim("/".join([*self.root._scope, hint]), self.root._taken)

    def claim(self, name):
        """Takes exactly this name, before anything else has it."""
        self.root._taken.add(name)

    # ---- nodes

    def op(self, kind, inputs, outputs=None, **attributes):
        """Adds a node of one output, or of so many; returns the name, or a list of them."""
        from onnx import helper

        name = self.name(kind)
        names = [name] if outputs is None else [self.name(f"{kind}:{number}") for number in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=name, **attributes))
        return names[0] if outputs is None else names

    def chain(self, name, *steps):
        """Adds (kind, second input) or (kind,) one after the other; numbers become constants."""
        for kind, *others in steps:
            others = [self.scalar(other) if isinstance(other, (int, float)) else other for other in others]
            name = self.op(kind, [name, *others])
        return name

    def cast(self, name, dtype):
        """A tensor as numbers of another type."""
        return self.op("Cast", [name], to=element_type(dtype))

    def reshape(self, name, shape):
        """A tensor of another shape; an extent of 0 is the one that it has."""
        return self.op("Reshape", [name, self.integers(shape)])

    def unsqueeze(self, name, axes):
        """A tensor with axes of one element more, at these places."""
        return self.op("Unsqueeze", [name, self.integers(axes)]) if axes else name

    def squeeze(self, name, axis):
        """A tensor without an axis of one element."""
        return self.op("Squeeze", [name, self.integers([axis])])

    def slice(self, name, axes, starts, ends, steps=None):
        """Parts of a tensor."""
        inputs = [self.integers(numbers) for numbers in (starts, ends, axes, *([] if steps is None else [steps]))]
        return self.op("Slice", [name, *inputs])

    def reversed(self, name, axis):
        """A tensor with an axis in the opposite order."""
        return self.slice(name, [axis], [-1], [np.iinfo(np.int64).min], [-1])

    def where(self, condition, chosen, other):
        """Elements of the one or of the other."""
        return self.op("Where", [condition, chosen, other])

    def reduce(self, kind, name, axes, keepdims=True):
        """Sums, means and extremes over axes."""
        keepdims = int(keepdims)
        if kind == "ReduceSum":  # takes its axes in another way than the rest
            return self.op(kind, [name, self.integers(axes)], keepdims=keepdims)
        return self.op(kind, [name], axes=list(axes), keepdims=keepdims)

    def zeros(self, like, shape):
        """Zeros (rows, *shape), as many rows as the tensor `like` has in its axis `like[1]`."""
        from onnx import numpy_helper

        name, axis = like
        rows = self.op("Shape", [name], start=axis, end=axis + 1)
        shape = self.op("Concat", [rows, self.integers(shape)], axis=0)
        zero = numpy_helper.from_array(np.zeros(1, self.dtype), "zero")
        return self.op("ConstantOfShape", [shape], value=zero)

    # ---- constants

    def constant(self, array, hint=None, dtype=None):
        """The name of an array: of the model's type, where it has fractions and no `dtype` is given.

        With a `hint` it is a weight, and one with other weights only where these are the same ones of a shared layer.
        """
        array = np.asarray(array, dtype, order="C")
        if array.dtype.kind == "f" and dtype is None:
            array = array.astype(self.dtype, copy=False)
        root = self.root
        wanted = "constant" if hint is None else "/".join([*root._scope, hint])
        key = (wanted, array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).digest())
        if key not in root._known:
            root._known[key] = claim(wanted, root._taken)
            root.constants.append((root._known[key], array))
        return root._known[key]

    def scalar(self, number):
        """The name of a number of the model's type."""
        return self.constant(np.asarray(number, self.dtype))

    def whole(self, number):
        """The name of a whole number."""
        return self.constant(np.asarray(number, np.int64))

    def integers(self, numbers):
        """The name of a list of whole numbers."""
        return self.constant(np.asarray(numbers, np.int64))

    def of_samples(self, array, order, hint):
        """The name of an array that has the axes of a sample, or 1, for tensors in an order of axes."""
        turned = np.transpose(array[None], order)
        while turned.ndim > 1 and turned.shape[0] == 1:  # broadcast in any case
            turned = turned[0]
        return self.constant(turned, hint)

    # ---- the end

    def finish(self, name, inputs, outputs):
        """The GraphProto.

        Parameters
        ----------
        name : str
        inputs : list of (name, type of numbers, shape)
        outputs : list of (name of the tensor, name that it gets, type of numbers, shape)
        """
        from onnx import helper, numpy_helper

        nodes = _needed(self.nodes, [tensor for tensor, *_ in outputs])
        made = {name for node in nodes for name in node.output}
        renamed = {}
        for tensor, output, *_ in outputs:
            if tensor in made and tensor not in renamed:
                renamed[tensor] = output
            else:
                nodes.append(helper.make_node("Identity", [renamed.get(tensor, tensor)], [output], name=output))
        for node in nodes:
            for names in (node.input, node.output):
                names[:] = [renamed.get(each, each) for each in names]
        used = _read(nodes) if self.root is self else ()
        constants = [(name, array) for name, array in self.root.constants if name in used]
        return helper.make_graph(
            nodes,
            name,
            [helper.make_tensor_value_info(name, element_type(dtype), shape) for name, dtype, shape in inputs],
            [helper.make_tensor_value_info(name, element_type(dtype), shape) for _, name, dtype, shape in outputs],
            [numpy_helper.from_array(array, name) for name, array in constants],
        )


def _needed(nodes, names):
    """Those of the nodes that tensors of these names depend on."""
    wanted, found = set(names), []
    for node in reversed(nodes):
        if wanted & set(node.output):
            found.append(node)
            wanted |= _read([node])
    return found[::-1]


def _read(nodes):
    """The names that nodes read, in their bodies as well."""
    names = {name for node in nodes for name in node.input}
    bodies = [attribute.g for node in nodes for attribute in node.attribute if attribute.HasField("g")]
    return names.union(*(_read(body.node) for body in bodies))


def element_type(dtype):
    """ONNX's number for a type of numbers."""
    from onnx import helper

    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

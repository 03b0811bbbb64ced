"""A module is traced by torch.fx, and its operations are gone through in their order."""

import inspect
import math
import operator

import numpy as np
import torch

import nncore as nn
from nncore import _checks
from nncore._names import claim
from nncore.interop.torch.reading import families, registry  # noqa: F401  the families fill the registry
from nncore.interop.torch.reading.values import BATCH, Absent, Constant, States, Value, Zeros, order_of, reshaped

FORMATS = ("channels_last", "channels_first")
# A sequence whose channels are in front is what these read first, of what comes behind modules that keep axes.
_CHANNELS_FIRST = ("Conv1d", "ConvTranspose1d", "MaxPool1d", "AvgPool1d", "AdaptiveAvgPool1d", "AdaptiveMaxPool1d",
                   "BatchNorm1d", "InstanceNorm1d", "Dropout1d", "GroupNorm", "Upsample", "ConstantPad1d", "ZeroPad1d",
                   "ReflectionPad1d", "ReplicationPad1d", "CircularPad1d", "conv1d", "conv_transpose1d", "max_pool1d",
                   "avg_pool1d", "adaptive_avg_pool1d", "adaptive_max_pool1d", "batch_norm", "group_norm", "dropout1d",
                   "interpolate", "instance_norm")  # fmt: skip

# Layers that only move elements have names of nncore's choice.
_OWN_NAMES = ("permute", "reshape", "cropping1d", "cropping2d", "concatenate", "bidirectional")


def read(module, input_shape, data_format, seed):
    """The model of nncore that a module of PyTorch is."""
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"from_torch takes a torch.nn.Module; got {type(module).__name__}")
    if data_format not in FORMATS:
        raise ValueError(f"from_torch: data_format must be one of {', '.join(FORMATS)}; got {data_format!r}")
    dtype = _dtype(module)
    modes = {one: one.training for one in module.modules()}
    try:
        for one in modes:
            one.training = False
        # a module of PyTorch's own is one operation, and not what its forward does
        shapes = _shapes(input_shape)
        reader = Reader(module if _is_composite(module) else torch.nn.Sequential(module), len(shapes))
        inputs, outputs = reader.run(shapes, data_format)
    finally:
        for one, training in modes.items():
            one.training = training
    try:
        model = nn.Model(inputs, outputs, name=type(module).__name__.lower(), dtype=dtype, seed=seed)
    except ValueError as error:
        raise ValueError(f"from_torch: {error}") from error
    reader.copy_weights()
    return model


def _dtype(module):
    found = {t.dtype for t in (*module.parameters(), *module.buffers()) if t.dtype.is_floating_point}
    if not found <= {torch.float32, torch.float64} or len(found) > 1:
        names = ", ".join(sorted(str(dtype) for dtype in found))
        raise ValueError(f"from_torch: parameters must all be float32 or all float64; they are {names}")
    return str(found.pop()).removeprefix("torch.") if found else "float32"


def _is_composite(module):
    """Whether tracing goes into a module: one of the user's, or a Sequential."""
    own = type(module).__module__.startswith(("torch.nn.modules", "torch.nn.utils", "torch.ao"))
    return isinstance(module, (torch.nn.Sequential, torch.fx.GraphModule)) or not own


def _shapes(given):
    """(shape of a sample, place of the axis of samples) of each input."""
    shapes = list(given) if isinstance(given, list) and all(isinstance(s, (tuple, list)) for s in given) else [given]
    found = []
    for shape in shapes:
        shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
        if shape.count(None) > 1:
            raise ValueError(f"from_torch: input_shape has None in the place of the axis of samples only; got {shape}")
        place = shape.index(None) if None in shape else 0
        sample = _checks.sample_shape("from_torch", "input_shape", tuple(n for n in shape if n is not None))
        if not sample:
            raise ValueError("from_torch: input_shape must have an axis besides that of samples")
        found.append((sample, place))
    return found


class _Tracer(torch.fx.Tracer):
    """Goes into everything but PyTorch's own modules."""

    def is_leaf_module(self, module, name):
        return not _is_composite(module)


def _left_out(root, count):
    """{name: default} of the arguments of `forward` behind the first `count`; ValueError where that is not possible."""
    parameters = list(inspect.signature(root.forward).parameters.values())
    if any(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in parameters):
        raise ValueError(f"from_torch: forward of {type(root).__name__} must have named arguments, without * and **")
    needed = sum(one.default is one.empty for one in parameters)
    if not needed <= count <= len(parameters):
        names = ", ".join(one.name for one in parameters)
        raise ValueError(
            f"from_torch: the module takes {needed if needed == len(parameters) else f'{needed} to {len(parameters)}'} "
            f"inputs ({names}), and input_shape has {count}: a list of tuples is wanted for several"
        )
    return {one.name: one.default for one in parameters[count:]}


class Reader:
    """Goes through a traced graph."""

    def __init__(self, root, count):
        self.root = root
        left = _left_out(root, count)
        try:
            self.graph = _Tracer().trace(root, left)
        except Exception as error:
            raise ValueError(
                f"from_torch: torch.fx cannot trace {type(root).__name__}: {error}. What forward does may not depend "
                "on the values of tensors"
            ) from error
        modules = dict(root.named_modules())
        called = [modules[node.target] for node in self.graph.nodes if node.op == "call_module"]
        self.often = {id(one) for one in called if called.count(one) > 1}
        self.ignored = set()  # placeholders of arguments that keep their defaults, and what is asserted of these
        taken = count
        for node in self.graph.nodes:
            if node.op == "placeholder":
                taken -= 1
            if (node.op == "placeholder" and taken < 0) or self.ignored.intersection(node.all_input_nodes):
                self.ignored.add(node)
        self.layers = {}  # made ones, by whom they stand for
        self.names = set()
        self.weights = []  # (layer, arrays)
        self.zero = None

    # ---- the graph

    def run(self, shapes, data_format):
        """Makes the graph; returns inputs and outputs, symbolic tensors."""
        known, inputs, shapes = {}, [], iter(shapes)
        for node in self.graph.nodes:
            where = f"from_torch: {_where(node)}"
            if node in self.ignored:
                continue
            try:
                if node.op == "placeholder":
                    tensor, known[node] = self._input(node, *next(shapes), data_format)
                    inputs.append(tensor)
                    self.first = inputs[0]
                elif node.op == "output":
                    return inputs, [self._output(value, data_format) for value in _flat(_filled(node.args[0], known))]
                else:
                    arguments, options = _filled(node.args, known), _filled(node.kwargs, known)
                    known[node] = self._run_node(node, arguments, options)
            except (TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
                text = str(error)
                raise ValueError(text if text.startswith("from_torch") else f"{where}: {text}") from error
        raise AssertionError("a graph ends with its output")

    def _input(self, node, sample, batch, data_format):
        axes = [axis for axis in range(len(sample) + 1) if axis != batch]
        last = batch == 0 and data_format == "channels_last" and (
            len(sample) == 3 or (len(sample) == 2 and _reads_channels_first(node, self.root))
        )  # fmt: skip
        if last:
            axes = [*axes[1:], axes[0]]
        lengths = dict(zip([axis for axis in range(len(sample) + 1) if axis != batch], sample, strict=True))
        tensor = nn.Input(tuple(lengths[axis] for axis in axes), name=self.name(str(node.target)))
        return tensor, Value(tensor, order_of(len(sample) + 1, axes))

    def _output(self, value, data_format):
        if isinstance(value, States):
            value = value.value()
        if isinstance(value, Absent):
            raise ValueError(f"an output is {value.what}, which nncore does not have")
        if not isinstance(value, Value):
            raise ValueError(f"outputs must be tensors that depend on the inputs; one is {value!r}")
        if data_format == "channels_last" and value.rank == 4 and value.batch == 0:
            return value.arranged((2, 3, 1))
        if data_format == "channels_last" and value.rank == 3 and value.order == (0, 2, 1):
            return value.plain().tensor
        return value.sorted_tensor()

    def _run_node(self, node, arguments, options):
        if node.op == "get_attr":
            return self._constant(node.target)
        if node.op == "call_module":
            return self.call(node.target, self.root.get_submodule(node.target), arguments, options, node)
        if node.target is getattr:
            return _attribute(*arguments)
        if node.target is operator.getitem and not isinstance(arguments[0], (Value, States)):
            return _item(*arguments)
        name = node.target if node.op == "call_method" else getattr(node.target, "__name__", str(node.target))
        name = name if name.startswith("__") else name.rstrip("_")
        if not any(isinstance(a, (Value, Constant, States, Zeros)) for a in _flat([arguments, list(options.values())])):
            known = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "floordiv": operator.floordiv,
                     "truediv": operator.truediv, "neg": operator.neg, "pow": operator.pow}  # fmt: skip
            if name in known and all(isinstance(a, (int, float)) for a in arguments):
                return known[name](*arguments)
            if name in ("zeros", "arange", "ones", "full"):
                return _created(name, arguments, options)
            if any(a is BATCH for a in _flat(arguments)):
                raise ValueError("the number of rows can be part of a shape only: each sample is one row")
        origin = getattr(node.target, "__module__", None) or "torch"
        own = node.op == "call_method" or origin.partition(".")[0] in ("torch", "_operator", "math", "builtins")
        if name not in registry.FUNCTIONS or not own:
            raise ValueError(f"nncore has no counterpart of the {_kind(node)} {name!r}")
        return registry.FUNCTIONS[name](Node(self, node, (id(node),), node.name), *arguments, **options)

    def call(self, path, module, arguments, options, node):
        """What a module of PyTorch's own gives."""
        name, where = type(module).__name__, f"from_torch: module {path!r}"
        if getattr(torch.nn, name, None) is not type(module) and name != "NonDynamicallyQuantizableLinear":
            raise registry.refusal(name, where)
        if name not in registry.MODULES:
            raise registry.refusal(name, where)
        if module._forward_hooks or module._forward_pre_hooks:
            raise ValueError(f"{where} ({name}) has hooks, which are programs")
        short = path if len(self.root._modules) > 1 or path != "0" else name.lower()
        made = Node(self, node, (id(module),), short, module, path)
        try:
            return registry.MODULES[name](made, module, *arguments, **options)
        except (TypeError, ValueError) as error:
            text = str(error)
            raise ValueError(text if text.startswith("from_torch") else f"{where} ({name}): {text}") from error

    def _constant(self, target):
        tensor = self.root
        for part in target.split("."):
            tensor = getattr(tensor, part)
        if not isinstance(tensor, torch.Tensor):
            raise ValueError(f"{target} is no tensor but {type(tensor).__name__}")
        trainable = isinstance(tensor, torch.nn.Parameter) and tensor.requires_grad
        return Constant(tensor.detach().cpu().numpy(), trainable, target)

    # ---- layers

    def name(self, wanted):
        """A name that no other layer has."""
        wanted = wanted.replace(".", "_").replace("/", "_") or "layer"
        if wanted.rstrip("_0123456789") in _OWN_NAMES:
            wanted = f"{wanted}_of_module"
        return claim(wanted, self.names)

    def zeros(self):
        """A tensor of one zero for each sample."""
        if self.zero is None:
            first = self.first
            length = math.prod(first.sample_shape)
            flat = reshaped(first, (length, 1))
            one = nn.layers.Cropping1D((0, length - 1))(flat) if length > 1 else flat
            self.zero = nn.layers.Rescaling(0.0, name=self.name("zero"))(reshaped(one, (1,)))
        return self.zero

    def copy_weights(self):
        """Copies PyTorch's parameters into the layers of the model, which is made by now."""
        for layer, arrays in self.weights:
            layer.set_weights(arrays)


class Node:
    """A place in the graph, where layers are made: what reads modules and functions gets this first."""

    def __init__(self, reader, node, key, name, module=None, path=""):
        self.reader, self.node, self.key, self.name, self.module, self.path = reader, node, key, name, module, path

    def layer(self, cls, *arguments, suffix="", weights=None, trainable=True, **options):
        """A layer of nncore; with `weights`, its arrays, the same one wherever the module is called again."""
        known, key = self.reader.layers, (*self.key, suffix)
        if weights is not None and key in known:
            return known[key]
        made = cls(*arguments, **options, name=self.reader.name(f"{self.name}_{suffix}" if suffix else self.name))
        if weights is not None:
            known[key] = made
            made.trainable = trainable
            self.reader.weights.append((made, [np.ascontiguousarray(w) for w in weights]))
        return made

    def child(self, attribute):
        """A place for a module inside of this one; returns a function that calls it."""
        module = self.module.get_submodule(attribute)
        path = f"{self.path}.{attribute}"

        def call(*arguments, **options):
            return self.reader.call(path, module, arguments, options, None)

        return call

    def plain(self, value):
        """A value whose elements are in PyTorch's order, where a module is called on several that may differ."""
        return value.plain() if self.is_shared else value

    @property
    def is_shared(self):
        """Whether the module is called more than once."""
        return self.module is not None and id(self.module) in self.reader.often

    def uses(self, item):
        """Whether an element of what is given here is used by anybody."""
        if self.node is None:
            return False
        for user in self.node.users:
            if not (user.op == "call_function" and user.target is operator.getitem and isinstance(user.args[1], int)):
                return True
            if user.args[1] == item and user.users:
                return True
        return False

    def value(self, constant, shape=None):
        """A constant as a value: the same for each sample; with an axis of samples of length 1 in PyTorch's place."""
        array = constant.array if shape is None else constant.array.reshape(shape)
        if array.ndim < 1 or array.shape[0] != 1:
            raise ValueError(f"{constant.name} of shape {constant.shape} has no axis of samples, of length 1, in front")
        sample = array.shape[1:] or (1,)
        key = ("constant", constant.name, sample)
        if key not in self.reader.layers:
            # the kernel is multiplied by zeros: neither it nor its gradient is ever anything else
            layer = nn.layers.Dense(array.size, kernel_initializer="zeros", name=self.reader.name(constant.name))
            layer.trainable = constant.trainable
            self.reader.weights.append((layer, [np.zeros((1, array.size)), array.ravel()]))
            self.reader.layers[key] = reshaped(layer(self.reader.zeros()), sample)
        return Value(self.reader.layers[key], tuple(range(max(array.ndim, 1))))


def _reads_channels_first(node, root):
    """Whether a sequence goes into what has channels in front, before anything changes its axes."""
    for user in node.users:
        if user.op == "call_module":
            module = root.get_submodule(user.target)
            name = type(module).__name__
            keeps = name in registry.KEEPS_AXES
        else:
            name = user.target if user.op == "call_method" else getattr(user.target, "__name__", "")
            keeps = name in registry.KEEPS_AXES
        if name in _CHANNELS_FIRST or (keeps and _reads_channels_first(user, root)):
            return True
    return False


def _kind(node):
    return "method" if node.op == "call_method" else "function"


def _where(node):
    if node.op == "call_module":
        return f"module {node.target!r}"
    path = next(reversed(node.meta.get("nn_module_stack", {}).values()), None)
    inside = f" in {path[0]!r}" if isinstance(path, tuple) and path[0] else ""
    return f"{node.op.replace('_', ' ')} {node.name!r}{inside}"


def _filled(arguments, known):
    return torch.fx.node.map_arg(arguments, lambda node: known[node])


def _flat(value):
    if isinstance(value, (list, tuple)) and not isinstance(value, States):
        return [one for part in value for one in _flat(part)]
    if isinstance(value, dict):
        return [one for part in value.values() for one in _flat(part)]
    return [value]


def _attribute(value, name):
    if name == "shape" and isinstance(value, (Value, Constant)):
        return value.shape
    if name == "ndim":
        return len(value.shape)
    if name == "T" and isinstance(value, Value) and value.rank == 2:
        raise ValueError("the axis of samples cannot be exchanged with another")
    if name in ("device", "dtype"):
        return Absent(f"a {name}")
    if name == "data":
        return value
    if name in ("values", "indices") and isinstance(value, tuple):
        return _item(value, ("values", "indices").index(name))
    raise ValueError(f"nncore has no counterpart of the attribute {name!r}")


def _item(value, item):
    if isinstance(value, Constant):
        return value.like(value.array[item])
    found = value[item]
    if isinstance(found, Absent) and found.what.startswith("the"):
        raise ValueError(f"nncore does not give {found.what}")
    return found


def _created(name, arguments, options):
    if name == "zeros":
        return Zeros(tuple(_flat(options.get("size", arguments))))
    if any(a is BATCH for a in _flat(arguments)):
        raise ValueError("only torch.zeros has as many rows as the minibatch, for the first states of a layer")
    numbers = {key: value for key, value in options.items() if key not in ("device", "dtype")}
    return Constant(getattr(torch, name)(*arguments, **numbers).numpy(), False, name)

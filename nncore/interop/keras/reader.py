"""From Keras: a model is read node by node."""

import numpy as np

import nncore as nn
from nncore import _checks
from nncore.interop.keras import compilation
from nncore.interop.keras.configuration import ACTIVATION_LAYERS, fitting, is_description, made, numbers, short
from nncore.interop.keras.layers import KERAS_ONLY, OF_CELL, SAME, check_code, refusal

# Arguments of a call that say nothing where they have this value.
_SILENT = {"training": (None, False), "mask": (None,), "initial_state": (None,), "return_attention_scores": (False,),
           "use_causal_mask": (False,)}  # fmt: skip
# Arithmetic of Keras's symbolic tensors.
_ARITHMETIC = {
    "Add": lambda a, b: a + b,
    "Subtract": lambda a, b: a - b,
    "Multiply": lambda a, b: a * b,
    "Divide": lambda a, b: a / b,
    "TrueDivide": lambda a, b: a / b,
    "Negative": lambda a: -a,
    "Maximum": lambda a, b: nn.layers.Maximum()([a, b]),
    "Minimum": lambda a, b: nn.layers.Minimum()([a, b]),
}


def read(keras, model, compile, input_shape, seed):
    """The model of nncore that a model of Keras is."""
    if not isinstance(model, keras.Model):
        raise TypeError(f"from_keras takes a model of Keras, or the path of one; got {type(model).__name__}")
    reader = Reader(keras, _dtype(keras, model), seed)
    ours = reader.model(model, input_shape)
    if not ours.built:
        raise ValueError(f"from_keras: model {model.name!r} is not built: it has neither shape nor weights yet")
    pairs = reader.copy_weights()
    reader.switch()
    if compile and model.compiled:
        compilation.read(keras, model, ours, pairs)
    return ours


def _leaves(keras, model):
    """The layers of a model and of those in it."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(keras, layer)
        else:
            yield layer


def _dtype(keras, model):
    """The dtype policy that all layers have."""
    policies = {}
    for layer in _leaves(keras, model):
        if not isinstance(layer, keras.layers.InputLayer):
            policies.setdefault(layer.dtype_policy.name, layer.name)
    if len(policies) > 1:
        described = ", ".join(f"{name!r} has {policy}" for policy, name in policies.items())
        raise ValueError(f"from_keras: all layers must have one dtype policy; layer {described}")
    policy = next(iter(policies), "float32")
    if policy not in ("float32", "float64", "mixed_bfloat16"):
        raise ValueError(f"from_keras: nncore has float32, float64 and mixed_bfloat16; the model has {policy}")
    return policy


class Reader:
    """Makes layers and models, each once, however often it is used."""

    def __init__(self, keras, dtype, seed):
        self.keras, self.dtype, self.seed = keras, dtype, seed
        self.made = {}  # {id of a layer of Keras: (it, ours)}

    # ---- models

    def model(self, theirs, input_shape=None):
        """Our model."""
        keras = self.keras
        if isinstance(theirs, keras.Sequential):
            base, make = keras.Sequential, self._sequential
        elif hasattr(theirs, "_nodes_by_depth"):
            base, make = type(keras.Model(inputs := keras.Input((1,)), inputs)), self._functional
        else:
            raise TypeError(
                f"from_keras: model {theirs.name!r} is a program, as {type(theirs).__name__} defines call; only "
                "Sequential and functional models can be read"
            )
        for method in ("call", "train_step", "compute_loss"):
            if getattr(type(theirs), method, None) is not getattr(base, method, None):  # some backends do not train
                raise TypeError(f"from_keras: model {theirs.name!r} is a program: it has a {method} of its own")
        return make(theirs, input_shape)

    def _sequential(self, theirs, input_shape):
        if not theirs.built or not getattr(theirs, "inputs", None):
            raise ValueError(f"from_keras: model {theirs.name!r} is not built: it has neither shape nor weights yet")
        tensor = theirs.inputs[0]
        start = nn.Input(self._shape(tensor, input_shape), name=tensor.name)
        return nn.Sequential([start, *(self.layer(layer) for layer in theirs.layers)], name=theirs.name,
                             dtype=self.dtype, seed=self.seed)  # fmt: skip

    def _functional(self, theirs, input_shape):
        inputs = theirs.inputs
        shapes = [None] * len(inputs)
        if input_shape is not None:
            shapes = list(input_shape) if isinstance(input_shape, list) else [input_shape]
            if len(shapes) != len(inputs):
                raise ValueError(
                    f"from_keras: input_shape must be a list of {len(inputs)} shapes, one for each input; got "
                    f"{input_shape}"
                )
        shapes = {id(tensor): shape for tensor, shape in zip(inputs, shapes, strict=True)}
        graph = _Nodes(self, theirs)
        for depth in sorted(theirs._nodes_by_depth, reverse=True):
            for node in theirs._nodes_by_depth[depth]:
                if not node.arguments.keras_tensors:
                    tensor = node.outputs[0]
                    shape = self._shape(tensor, shapes.get(id(tensor)))
                    graph.known[id(tensor)] = nn.Input(shape, name=node.operation.name)
                elif isinstance(node.operation, self.keras.layers.Layer):
                    graph.run(node)
        inputs, outputs = ([graph.tensor(tensor) for tensor in tensors] for tensors in (inputs, theirs.outputs))
        return nn.Model(inputs, outputs, name=theirs.name, dtype=self.dtype, seed=self.seed)

    def _shape(self, tensor, given):
        """The shape of a sample of an input."""
        shape = tuple(tensor.shape[1:])
        if given is not None:
            given = _checks.sample_shape("from_keras", "input_shape", given)
            if len(given) != len(shape) or any(n not in (None, m) for n, m in zip(shape, given, strict=True)):
                raise ValueError(f"from_keras: input {tensor.name!r} takes samples of shape {shape}; got {given}")
            return given
        if None in shape:
            raise ValueError(
                f"from_keras: input {tensor.name!r} takes samples of shape {shape}; nncore needs each length: give "
                "input_shape"
            )
        return shape or (1,)

    # ---- layers

    def layer(self, theirs):
        """Our layer, without weights yet."""
        if id(theirs) not in self.made:
            ours = self.model(theirs) if isinstance(theirs, self.keras.Model) else self._layer(theirs)
            self.made[id(theirs)] = theirs, ours
        return self.made[id(theirs)][1]

    def _layer(self, theirs):
        keras, name = self.keras, type(theirs).__name__
        where = f"from_keras: layer {theirs.name!r}"
        if type(theirs) is not getattr(keras.layers, name, None) or name == "StackedRNNCells":
            raise refusal(name, where, KERAS_ONLY)
        config = theirs.get_config()
        if name == "RNN":
            cell = type(theirs.cell).__name__
            if type(theirs.cell) is not getattr(keras.layers, cell, None) or cell not in OF_CELL:
                raise refusal(name, where, KERAS_ONLY)
            del config["cell"]
            config = {**theirs.cell.get_config(), **config}
            name = OF_CELL[cell]
        if name not in SAME:
            raise refusal(name, where, KERAS_ONLY)
        source, target = getattr(keras.layers, name), getattr(nn.layers, name)
        config.pop("dtype", None)
        if name == "TimeDistributed":
            config["layer"] = self.layer(theirs.layer)
        elif name == "Bidirectional":
            config["layer"] = self._layer(theirs.forward_layer)
            config["backward_layer"] = self._layer(theirs.backward_layer)
            if _is_twin(config["layer"], config["backward_layer"]):
                del config["backward_layer"]
        elif name == "Flatten" and theirs.data_format == "channels_last":
            config.pop("data_format")  # there is no other here
        elif name == "CategoryEncoding":
            config["sparse"] = theirs.sparse  # which Keras's configuration lacks
        config = {key: self.value(key, value, where) for key, value in config.items()}
        return made(target, fitting(numbers(config), source, target, where), where)

    def value(self, key, value, where):
        """A value of a configuration, as ours has it."""
        if not is_description(value):
            return value
        kind, config = value["class_name"], value["config"]
        if key.endswith("activation"):
            if kind not in ACTIVATION_LAYERS or value.get("module") != "keras.layers":
                raise ValueError(f"{where}: {key} is no activation of nncore: {kind} {config!r}")
            function = getattr(nn.activations, ACTIVATION_LAYERS[kind])
            return function.with_parameters(**{k: v for k, v in config.items() if k in function.parameters})
        for module in (nn.initializers, nn.regularizers, nn.constraints):
            if value.get("module") == f"keras.{module.__name__.rpartition('.')[2]}" and hasattr(module, kind):
                if module is nn.regularizers:
                    config = {name: short(number) for name, number in config.items()}
                return module.deserialize({"class_name": kind, "config": config})
        raise ValueError(f"{where}: nncore does not have the {key} {value.get('module')}.{kind}")

    # ---- weights

    def copy_weights(self):
        """Copies all weights; returns pairs of Keras's variable and our Weight."""
        pairs = []
        for theirs, ours in self.made.values():
            if isinstance(theirs, self.keras.Model):
                continue
            check_code(ours, f"from_keras: layer {theirs.name!r}")
            given, wanted = theirs.weights, ours.weight_list()
            shapes = [tuple(weight.shape) for weight in given], [weight.array.shape for weight in wanted]
            if shapes[0] != shapes[1]:
                raise ValueError(
                    f"from_keras: layer {theirs.name!r} ({type(theirs).__name__}) has weights of shapes {shapes[0]}; "
                    f"nncore's has {shapes[1]}"
                )
            pairs += zip(given, wanted, strict=True)
        for theirs, ours in pairs:
            ours.array[...] = np.asarray(self.keras.ops.convert_to_numpy(theirs.value))
        return pairs

    def switch(self):
        """Freezes layers that are frozen."""
        for theirs, ours in self.made.values():
            if not isinstance(theirs, self.keras.Model) and ours.trainable != theirs.trainable:
                ours.trainable = theirs.trainable


def _is_twin(forward, backward):
    """Whether one layer reads as the other does, in the other direction."""
    configs = [{**layer.get_config(), "name": None} for layer in (forward, backward)]
    configs[1]["go_backwards"] = not configs[1]["go_backwards"]
    return type(forward) is type(backward) and configs[0] == configs[1]


class _Nodes:
    """The tensors of a functional model while its nodes become ours."""

    def __init__(self, reader, model):
        self.reader, self.name = reader, model.name
        self.mask_of = reader.keras.src.backend.common.masking.get_keras_mask
        self.known = {}  # {id of a tensor of Keras: ours}

    def tensor(self, theirs):
        """Our tensor. What layers give is there already; what operations give is made when it is asked for."""
        if id(theirs) not in self.known:
            history = theirs._keras_history
            self._operation(history.operation._inbound_nodes[history.node_index])
        return self.known[id(theirs)]

    def tensors(self, value):
        """Arguments of a call, with our tensors in them."""
        if isinstance(value, (list, tuple)):
            return [self.tensors(part) for part in value]
        return self.tensor(value) if isinstance(value, self.reader.keras.KerasTensor) else value

    def _operation(self, node):
        operation = node.operation
        name, arguments = type(operation).__name__, node.arguments
        ours = _ARITHMETIC.get(name) if type(operation).__module__.startswith("keras.src.ops") else None
        tensors = [a for a in arguments.args if isinstance(a, self.reader.keras.KerasTensor)]
        if ours is None or arguments.kwargs or len({len(tensor.shape) for tensor in tensors}) != 1:
            raise ValueError(
                f"from_keras: model {self.name!r} has the operation {operation.name!r} ({name}) of "
                f"{', '.join(str(tuple(t.shape)) for t in tensors)}; nncore has +, -, *, / , maximum and minimum of "
                "tensors with equally many axes, and layers"
            )
        try:
            self.known[id(node.outputs[0])] = ours(*self.tensors(list(arguments.args)))
        except (TypeError, ValueError) as error:
            raise ValueError(f"from_keras: operation {operation.name!r} ({name}): {error}") from error

    def run(self, node):
        """Calls our layer as theirs was called."""
        layer, arguments = node.operation, node.arguments
        ours = self.reader.layer(layer)
        where = f"from_keras: layer {layer.name!r}"
        positional, options = list(arguments.args), dict(arguments.kwargs)
        self._leave_masks(positional, options)
        options = {name: self.tensors(value) for name, value in options.items()
                   if not any(value is silent for silent in _SILENT.get(name, ()))}  # fmt: skip
        if options.get("training"):
            raise ValueError(f"{where} is called with training=True; that is fit's and forward's here")
        try:
            given = ours(*self.tensors(positional), **options)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{where}: {error}") from error
        given = given if isinstance(given, list) else [given]
        self.known.update(zip(map(id, node.outputs), given, strict=True))

    def _leave_masks(self, positional, options):
        """Takes masks away that Keras put there itself, as they came with the inputs: ours come with them, too."""
        for name in [name for name in options if name == "mask" or name.endswith("_mask")]:
            if name in ("attention_mask", "use_causal_mask"):
                continue
            place = {"value_mask": 1, "key_mask": 2}.get(name, 0)
            source = positional[place] if place < len(positional) else options.get(name.removesuffix("_mask"))
            if self._is_automatic(options[name], source):
                del options[name]

    def _is_automatic(self, mask, source):
        if mask is None:
            return True
        if isinstance(mask, (list, tuple)):
            return isinstance(source, (list, tuple)) and all(map(self._is_automatic, mask, source))
        return source is not None and self.mask_of(source) is mask

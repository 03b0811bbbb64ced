"""To Keras: a model's graph is made anew of Keras's layers."""

import functools

import numpy as np

import nncore as nn
from nncore.interop.keras import compilation
from nncore.interop.keras.configuration import fitting, is_description, made
from nncore.interop.keras.layers import NNCORE_ONLY, SAME, check_code, refusal
from nncore.layers.attention import Attention
from nncore.layers.multi_head_attention import MASKS, MultiHeadAttention
from nncore.layers.recurrent import SequenceLayer


def write(keras, model, compile, batch_size):
    """The model of Keras that a model of nncore is."""
    if not isinstance(model, nn.Model):
        raise TypeError(f"to_keras takes a model of nncore; got {type(model).__name__}")
    if not model.built:
        raise ValueError(f"to_keras: model {model.name!r} is not built: it has neither shape nor weights yet")
    writer = Writer(keras, model.dtype_policy, batch_size)
    theirs = writer.model(model)
    pairs = writer.copy_weights()
    if compile and model.compiled:
        compilation.write(keras, model, theirs, pairs)
    return theirs


class Writer:
    """Makes layers and models of Keras, each once, however often it is used."""

    def __init__(self, keras, dtype, batch_size):
        self.keras, self.dtype, self.batch_size = keras, dtype, batch_size
        self.made = {}  # {id of our layer: (it, Keras's)}

    # ---- models

    def model(self, ours):
        """Keras's model."""
        if ours.call is not None:
            raise TypeError(
                f"to_keras: model {ours.name!r} is a program, as {type(ours).__name__} defines call; only Sequential "
                "and models of inputs and outputs can be written"
            )
        if isinstance(ours, nn.Sequential):
            theirs = self.keras.Sequential(
                [self._input(ours, 0), *(self.layer(layer) for layer in ours.layers)], name=ours.name
            )
        else:
            theirs = self._functional(ours)
        return theirs

    def _functional(self, ours):
        known = {id(tensor): self._input(ours, place) for place, tensor in enumerate(ours.inputs)}
        for node in ours.graph.nodes:
            if node.inputs:
                given = self._call(node, [known[id(tensor)] for tensor in node.inputs])
                given = given if isinstance(given, (list, tuple)) else [given]
                known.update(zip(map(id, node.outputs), given, strict=True))
        inputs, outputs = ([known[id(tensor)] for tensor in tensors] for tensors in (ours.inputs, ours.outputs))
        single = [tensors[0] if len(tensors) == 1 else tensors for tensors in (inputs, outputs)]
        return self.keras.Model(*single, name=ours.name)

    def _input(self, ours, place):
        tensor = ours.inputs[place]
        readers, others = ours.readers(place)
        encoding, _ = ours.graph.preparing(place)
        whole = isinstance(encoding[0], nn.layers.CategoryEncoding) if encoding else readers and not others
        dtype = "int32" if whole else self._computed()
        return self.keras.Input(tensor.sample_shape, self.batch_size, dtype=dtype, name=tensor.name)

    def _computed(self):
        return "float64" if self.dtype == "float64" else "float32"

    def _call(self, node, tensors):
        """Calls Keras's layer as ours was called."""
        layer, options = node.layer, node.options
        theirs = self.layer(layer)
        if isinstance(layer, (MultiHeadAttention, Attention)):
            masks, causal = options.get("masks", []), options.get("causal", False)
            query, value, key = tensors[:3]
            masks = dict(zip(masks, tensors[3:], strict=True))
            rest = {"use_causal_mask": causal} if causal else {}
            if options.get("with_scores"):
                rest["return_attention_scores"] = True
            if isinstance(layer, Attention):
                listed = [masks.get(name) for name in MASKS[:2]] if masks else None
                return theirs([query, value, key], mask=listed, **rest)
            return theirs(query, value, key=key, **masks, **rest)
        if isinstance(layer, SequenceLayer) and len(tensors) > 1:
            return theirs(tensors[0], initial_state=tensors[1:])
        return theirs(tensors if layer.merges else tensors[0])

    # ---- layers

    def layer(self, ours):
        """Keras's layer, without weights yet."""
        if id(ours) not in self.made:
            self.made[id(ours)] = ours, self.model(ours) if isinstance(ours, nn.Model) else self._layer(ours)
        return self.made[id(ours)][1]

    def _layer(self, ours):
        name = type(ours).__name__
        where = f"to_keras: layer {ours.name!r}"
        if type(ours) is not getattr(nn.layers, name, None) or name not in SAME:
            raise refusal(name, where, NNCORE_ONLY)
        if getattr(ours, "stateful", False) and self.batch_size is None:
            raise ValueError(f"{where} is stateful, for which Keras needs to know the rows of a minibatch: batch_size")
        check_code(ours, where)
        target = getattr(self.keras.layers, name)
        config = ours.get_config()
        if name == "TimeDistributed":
            config["layer"] = self.layer(ours.layer)
        elif name == "Bidirectional":
            for key, layer in (("layer", ours.forward_layer), ("backward_layer", ours.backward_layer)):
                config[key] = self._layer(layer)
        elif name.startswith("SpatialDropout") or name == "Discretization":
            config.pop("trainable")  # of which Keras's has no argument
        elif name == "Normalization" and config["mean"] is not None:
            for statistic in ("mean", "variance"):  # Keras takes lists for float32
                config[statistic] = np.array(config[statistic], self._computed())
        config = {key: self.value(key, value, where) for key, value in config.items()}
        return made(target, {**fitting(config, type(ours), target, where), "dtype": self.dtype}, where)

    def value(self, key, value, where):
        """A value of a configuration, as Keras has it."""
        if not is_description(value):
            return value
        kind, config = value["class_name"], value["config"]
        if key.endswith("activation"):
            return functools.partial(getattr(self.keras.activations, kind), **config)
        for module in ("initializers", "regularizers", "constraints"):
            own, theirs = getattr(nn, module), getattr(self.keras, module)
            if isinstance(found := getattr(own, kind, None), type) and hasattr(theirs, kind):
                return getattr(theirs, kind)(**fitting(config, found, getattr(theirs, kind), f"{where}: {key}"))
        raise ValueError(f"{where}: Keras does not have the {key} {kind}")

    # ---- weights

    def copy_weights(self):
        """Copies all weights; returns pairs of Keras's variable and our Weight."""
        pairs = []
        for ours, theirs in self.made.values():
            if isinstance(ours, nn.Model):
                continue
            wanted, given = theirs.weights, ours.weight_list()
            shapes = [tuple(weight.shape) for weight in wanted], [weight.array.shape for weight in given]
            if shapes[0] != shapes[1]:
                raise ValueError(
                    f"to_keras: layer {ours.name!r} ({type(ours).__name__}) has weights of shapes {shapes[1]}; Keras's "
                    f"has {shapes[0]}"
                )
            pairs += zip(wanted, given, strict=True)
        for theirs, ours in pairs:
            theirs.assign(np.array(ours.array))
        for _, theirs in self.made.values():
            if isinstance(theirs, self.keras.layers.Normalization):
                theirs.finalize_state()  # which computes with copies of its weights
        return pairs

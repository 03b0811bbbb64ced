"""Recurrent layers: nncore's gates and bias become PyTorch's."""

import torch

from nncore.interop.torch.writing.registry import layer

_MODULES = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU, "SimpleRNN": torch.nn.RNN}
_GRU_GATES = (1, 0, 2)  # update, reset, new here; reset, update, new there


def _check(layer):
    """PyTorch has one set of activations, and no dropout inside of a layer."""
    name = type(layer).__name__
    allowed = ("tanh", "relu") if name == "SimpleRNN" else ("tanh",)
    if layer.activation.name not in allowed or not layer.activation.is_plain:
        raise ValueError(f"PyTorch has the activations {', '.join(allowed)} there; got {layer.activation.name!r}")
    if name != "SimpleRNN" and layer.recurrent_activation.name != "sigmoid":
        raise ValueError(f"PyTorch has sigmoid gates; got recurrent_activation={layer.recurrent_activation.name!r}")
    if name == "GRU" and not layer.reset_after:
        raise ValueError("PyTorch resets behind the product: reset_after=False has no counterpart")
    for option in ("dropout", "recurrent_dropout", "stateful"):
        if getattr(layer, option):
            raise ValueError(f"PyTorch has no counterpart of {option}={getattr(layer, option)}")


def _module(writer, layer, features):
    name = type(layer).__name__
    nonlinearity = {"nonlinearity": layer.activation.name} if name == "SimpleRNN" else {}
    module = _MODULES[name](features, layer.units, bias=layer.use_bias, batch_first=True, **nonlinearity)
    module = module.to(writer.dtype)

    def gates(tensor):
        return torch.cat([tensor.chunk(3)[gate] for gate in _GRU_GATES]) if name == "GRU" else tensor

    kernel, recurrent, *bias = map(writer.tensor, layer.get_weights())
    with torch.no_grad():
        module.weight_ih_l0.copy_(gates(kernel.T))
        module.weight_hh_l0.copy_(gates(recurrent.T))
        if bias and name == "GRU":
            module.bias_ih_l0.copy_(gates(bias[0][0]))
            module.bias_hh_l0.copy_(gates(bias[0][1]))
        elif bias:  # there are two, of which one is enough
            module.bias_ih_l0.copy_(bias[0])
            module.bias_hh_l0.zero_()
            module.bias_hh_l0.requires_grad_(False)
    return module


def _run(writer, owner, layer, suffix, x, shape, states):
    """The output of a layer, and its last states."""
    _check(layer)
    if layer.go_backwards:
        x = writer.function(torch.flip, x, [1])
    first = [writer.method("unsqueeze", state, 0) for state in states]
    if first:
        first = [tuple(first)] if len(first) > 1 else first
    given = writer.call(owner, suffix, lambda: _module(writer, layer, shape[-1]), x, *first)
    y, last = writer.item(given, 0), writer.item(given, 1)
    kept = [writer.item(last, 0), writer.item(last, 1)] if type(layer).__name__ == "LSTM" else [last]
    kept = [writer.method("squeeze", state, 0) for state in kept]
    return y if layer.return_sequences else writer.method("select", y, 1, -1), kept


@layer("LSTM", "GRU", "SimpleRNN")
def recurrent(writer, layer, inputs, shapes, options):
    y, states = _run(writer, layer, layer, "", inputs[0], shapes[0], inputs[1:])
    return [y, *states] if layer.return_state else y


@layer("Bidirectional")
def bidirectional(writer, layer, inputs, shapes, options):
    half = len(layer.forward_layer.state_shapes)
    outputs, states = [], []
    for which, one, first in (("forward", layer.forward_layer, inputs[1 : 1 + half]),
                              ("backward", layer.backward_layer, inputs[1 + half :])):  # fmt: skip
        y, kept = _run(writer, layer, one, which, inputs[0], shapes[0], first)
        outputs.append(y)
        states += kept
    if layer.return_sequences:
        outputs[1] = writer.function(torch.flip, outputs[1], [1])
    merging = {"sum": torch.add, "mul": torch.mul, "ave": torch.add}
    if layer.merge_mode == "concat":
        outputs = [writer.function(torch.cat, outputs, dim=-1)]
    elif layer.merge_mode is not None:
        outputs = [writer.function(merging[layer.merge_mode], *outputs)]
        if layer.merge_mode == "ave":
            outputs = [writer.function(torch.div, outputs[0], 2.0)]
    outputs += states if layer.return_state else []
    return outputs if len(outputs) > 1 else outputs[0]

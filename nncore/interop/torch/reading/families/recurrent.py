"""Recurrent modules: layers on each other, in one direction or both. PyTorch's gates and biases become nncore's."""

import numpy as np

import nncore as nn
from nncore.interop.torch.reading.families.axes import getitem
from nncore.interop.torch.reading.parameters import array, frozen
from nncore.interop.torch.reading.registry import module
from nncore.interop.torch.reading.values import States, Value, Zeros

_GRU_GATES = (1, 0, 2)  # reset, update, new there; update, reset, new here


def _weights(module, name):
    """Kernel, recurrent kernel and bias of one layer and direction."""

    def gates(parameter):
        if type(module).__name__ != "GRU":
            return array(parameter)
        return np.concatenate([np.split(array(parameter), 3)[gate] for gate in _GRU_GATES])

    found = [gates(getattr(module, f"weight_{which}_{name}")).T for which in ("ih", "hh")]
    if module.bias:
        biases = [gates(getattr(module, f"bias_{which}_{name}")) for which in ("ih", "hh")]
        found.append(np.stack(biases) if type(module).__name__ == "GRU" else biases[0] + biases[1])
    return found


def _trained(module):
    """The parameters, but for second biases that are 0 and stay so, as `to_torch` leaves them."""
    for name, parameter in module.named_parameters():
        spare = name.startswith("bias_hh") and type(module).__name__ != "GRU" and not parameter.requires_grad
        if not spare or parameter.any():
            yield parameter


def _first_states(node, hx, count):
    """A list of tensors for each layer and direction; None for zeros."""
    if hx is None:
        return None
    parts = []
    for one in hx if isinstance(hx, tuple) else (hx,):
        if isinstance(one, Zeros) or one is None:
            parts.append(None)
            continue
        if not isinstance(one, (States, Value)):
            raise ValueError(f"first states must be zeros or tensors that depend on the inputs; got {one!r}")
        found = [getitem(node, one, number) for number in range(count)]
        parts.append([state.sorted_tensor() for state in found])
    if all(part is None for part in parts):
        return None
    if any(part is None for part in parts):
        raise ValueError("first states must all be zeros, or none of them")
    return [list(states) for states in zip(*parts, strict=True)]


@module("LSTM", "GRU", "RNN")
def recurrent(node, module, x, hx=None):
    name = type(module).__name__
    if getattr(module, "proj_size", 0):
        raise ValueError(f"nncore has no proj_size={module.proj_size}")
    x = x.plain()
    if x.rank != 3 or x.batch != (0 if module.batch_first else 1):
        raise ValueError(
            f"inputs must be (rows, steps, features) with batch_first=True, else (steps, rows, features): give the "
            f"axis of samples as None in input_shape; got {x.shape} with batch_first={module.batch_first}"
        )
    tensor = x.arranged((1, 2) if module.batch_first else (0, 2))
    order = (0, 1, 2) if module.batch_first else (1, 0, 2)
    directions = 2 if module.bidirectional else 1
    first = _first_states(node, hx, module.num_layers * directions)
    with_states = node.uses(1)
    cls, options = {
        "LSTM": (nn.layers.LSTM, {}),
        "GRU": (nn.layers.GRU, {"reset_after": True}),
        "RNN": (nn.layers.SimpleRNN, {"activation": getattr(module, "nonlinearity", None)}),
    }[name]
    trainable = not frozen(*_trained(module))
    last = []
    for number in range(module.num_layers):
        weights = [w for suffix in ("", "_reverse")[:directions] for w in _weights(module, f"l{number}{suffix}")]
        made = {"use_bias": module.bias, "return_sequences": True, "return_state": with_states, **options}
        suffix = f"l{number}" if module.num_layers > 1 else ""
        initial = None
        if first is not None:
            initial = [s for states in first[number * directions : (number + 1) * directions] for s in states]
        if module.bidirectional:
            inner = cls(module.hidden_size, **made)
            layer = node.layer(nn.layers.Bidirectional, inner, suffix=suffix, weights=weights, trainable=trainable)
        else:
            layer = node.layer(cls, module.hidden_size, suffix=suffix, weights=weights, trainable=trainable, **made)
        given = layer(tensor, initial_state=initial) if initial is not None else layer(tensor)
        if with_states:
            tensor, *states = given
            size = len(states) // directions
            last += [states[at * size : (at + 1) * size] for at in range(directions)]
        else:
            tensor = given
        if module.dropout and number < module.num_layers - 1:
            tensor = node.layer(nn.layers.Dropout, module.dropout, suffix=f"l{number}_dropout")(tensor)
    output = Value(tensor, order)
    if not with_states:
        return output, None
    kinds = [States(Value(state, (0, 1)) for state in one) for one in zip(*last, strict=True)]
    return output, (tuple(kinds) if name == "LSTM" else kinds[0])

"""Recurrent layers: by operators of their own where these have what is wanted, else by Scan.

The operators know no masks but lengths, few activation functions, and in onnxruntime no float64. Scan runs a body of
any operators along the steps.
"""

from typing import NamedTuple

import numpy as np

from nncore import layers
from nncore.interop.onnx.graph import ROWS, Graph, Value
from nncore.interop.onnx.registry import emit_layer, masks, writes
from nncore.interop.onnx.writers.activations import activate, is_wide
from nncore.interop.onnx.writers.dense import affine
from nncore.interop.onnx.writers.masking import with_zeros
from nncore.interop.onnx.writers.merging import add, in_turn, write_average, write_concatenation
from nncore.layers.recurrent import SequenceLayer

# Activations without parameters that the operators know.
OF_OPERATORS = {"tanh": "Tanh", "sigmoid": "Sigmoid", "relu": "Relu", "softplus": "Softplus", "softsign": "Softsign"}


class Operator(NamedTuple):
    """An operator, and where its gates stand in nncore's weights."""

    kind: str
    gates: tuple  # of nncore's, in the operator's order
    activations: tuple  # names of the layer's attributes


OPERATORS = {
    layers.SimpleRNN: Operator("RNN", (0,), ("activation",)),
    layers.LSTM: Operator("LSTM", (0, 3, 1, 2), ("recurrent_activation", "activation", "activation")),
    layers.GRU: Operator("GRU", (0, 1, 2), ("recurrent_activation", "activation")),
}


def _kind(layer):
    """The class of nncore's that a layer is, or is made of."""
    return next(cls for cls in OPERATORS if isinstance(layer, cls))


@writes(*OPERATORS)
def write_recurrent(graph, layer, x, *initial):
    sequence, *states = _emit(graph, layer, x, initial)
    y = sequence if layer.return_sequences else states[0]
    if x.mask is not None and layer.zero_output_for_mask:
        y = _zeroed(graph, layer, y, x.mask)
    if layer.return_sequences and layer.go_backwards:
        y = reversed_steps(graph, y)
    return [y, *states] if layer.return_state else y


def _zeroed(graph, layer, y, mask):
    """y, and zeros where the mask is False: of each step, or of the one that is read last."""
    if not layer.return_sequences:
        last = 0 if layer.go_backwards else mask.shape[0] - 1
        mask = Value(graph, (1,), graph.slice(mask.plain, [1], [last], [last + 1]))
    return with_zeros(graph, y, mask)


def reversed_steps(graph, x):
    """The steps of x in the opposite order."""
    order, name = x.native
    return Value(graph, x.shape, graph.reversed(name, order.index(1)), order)


def _emit(graph, layer, x, initial):
    """The Values of the states h of all steps, where they are in time, and of the last states."""
    if layer.stateful:
        raise ValueError(
            f"layer {layer.name!r} is stateful, and an ONNX graph keeps no states between calls: give it "
            "initial_state and return_state=True"
        )
    layer.check_states([value.shape for value in initial])
    operator = OPERATORS[_kind(layer)]
    known = all(
        getattr(layer, name).name in OF_OPERATORS and getattr(layer, name).is_plain for name in operator.activations
    )
    if known and x.mask is None and not is_wide(graph):
        return _by_operator(graph, layer, operator, x, initial)
    return _by_scan(graph, layer, x, initial)


# ---------------------------------------------------------------- operators


def _by_operator(graph, layer, operator, x, initial):
    columns = [np.arange(gate * layer.units, (gate + 1) * layer.units) for gate in operator.gates]
    columns = np.concatenate(columns)
    weights = [layer.kernel[:, columns].T[None], layer.recurrent_kernel[:, columns].T[None]]
    inputs = [x.steps_first[1], graph.constant(weights[0], "kernel"), graph.constant(weights[1], "recurrent_kernel")]
    if layer.use_bias or initial:
        inputs.append(graph.constant(_biases(layer)[:, columns].reshape(1, -1), "bias") if layer.use_bias else "")
    if initial:
        inputs += ["", *(graph.unsqueeze(state.plain, [0]) for state in initial)]
    options = {"linear_before_reset": int(layer.reset_after)} if operator.kind == "GRU" else {}
    states = len(layer.state_names)
    sequence, *last = graph.op(
        operator.kind, inputs, outputs=1 + states, hidden_size=layer.units,
        direction="reverse" if layer.go_backwards else "forward",
        activations=[OF_OPERATORS[getattr(layer, name).name] for name in operator.activations], **options,
    )  # fmt: skip
    order = (1, 0, 2)
    return [Value(graph, (x.shape[0], layer.units), graph.squeeze(sequence, 1), order),
            *(Value(graph, (layer.units,), graph.squeeze(state, 0)) for state in last)]  # fmt: skip


def _biases(layer):
    """The biases of the products with inputs and with states, (2, columns)."""
    return layer.bias if layer.bias.ndim == 2 else np.stack([layer.bias, np.zeros_like(layer.bias)])


# ---------------------------------------------------------------- Scan


def scan(graph, body, name, states, sequences, outputs, backwards):
    """Adds a Scan; returns the names of the last states and of the outputs of all steps.

    Parameters
    ----------
    body : function (Graph, names of states, names of what a step reads) -> names of new states, of outputs
    states : list of (name, shape with the axis of rows)
    sequences : list of (name, type of numbers, shape of a step with the axis of rows)
    outputs : list of shapes of what a step gives, with the axis of rows
    """
    inner = Graph(graph.dtype, graph)
    state_names = [inner.name("state") for _ in states]
    step_names = [inner.name("step") for _ in sequences]
    new_states, given = body(inner, state_names, step_names)
    inputs = [(each, graph.dtype, shape) for each, (_, shape) in zip(state_names, states, strict=True)]
    inputs += [(each, dtype, shape) for each, (_, dtype, shape) in zip(step_names, sequences, strict=True)]
    shapes = [*(shape for _, shape in states), *outputs]
    ends = [(each, inner.name("output"), graph.dtype, shape)
            for each, shape in zip([*new_states, *given], shapes, strict=True)]  # fmt: skip
    direction = int(backwards)
    return graph.op(
        "Scan", [name for name, *_ in (*states, *sequences)], outputs=len(states) + len(outputs),
        body=inner.finish(inner.name(name), inputs, ends), num_scan_inputs=len(sequences),
        scan_input_directions=[direction] * len(sequences), scan_output_directions=[direction] * len(outputs),
    )  # fmt: skip


def _by_scan(graph, layer, x, initial):
    bias = layer.input_bias
    projected = affine(graph, x, layer.kernel, bias)
    columns = layer.gates * layer.units
    order, name = projected.steps_first
    sequences = [(name, graph.dtype, [ROWS, columns])]
    if x.mask is not None:
        sequences.append((x.mask.in_order((1, 0)), bool, [ROWS]))
    firsts = [state.plain for state in initial]
    if not initial:
        firsts = [graph.zeros((name, 1), [layer.units])] * len(layer.state_names)
    shape = [ROWS, layer.units]

    def body(inner, states, steps):
        new = CELLS[_kind(layer)](inner, layer, steps[0], *states)
        if x.mask is not None:
            counts = inner.unsqueeze(steps[1], [1])
            new = [inner.where(counts, one, other) for one, other in zip(new, states, strict=True)]
        return new, [new[0]]

    *states, sequence = scan(graph, body, "step", [(first, shape) for first in firsts], sequences, [shape],
                             layer.go_backwards)  # fmt: skip
    return [Value(graph, (x.shape[0], layer.units), sequence, order),
            *(Value(graph, (layer.units,), state) for state in states)]  # fmt: skip


class _Cell:
    """What the equations of a step are made of, as names of tensors (rows, units)."""

    def __init__(self, graph, layer):
        self.graph, self.layer = graph, layer

    def split(self, name, count):
        """The parts of a tensor that belong to each of so many gates."""
        return self.graph.op("Split", [name], outputs=count, axis=1) if count > 1 else [name]

    def product(self, h, first, last, bias=None):
        """h U, of the gates from `first` to before `last`; plus their part of a bias."""
        columns = slice(first * self.layer.units, last * self.layer.units)
        kernel = self.graph.constant(self.layer.recurrent_kernel[:, columns], "recurrent_kernel")
        name = self.graph.op("MatMul", [h, kernel])
        if bias is not None:
            name = self.graph.op("Add", [name, self.graph.constant(bias[columns], "recurrent_bias")])
        return name

    def add(self, a, b):
        """a + b."""
        return self.graph.op("Add", [a, b])

    def multiply(self, a, b):
        """a b."""
        return self.graph.op("Mul", [a, b])

    def f(self, name):
        """The layer's activation."""
        return self._activate(name, self.layer.activation)

    def s(self, name):
        """That of its gates."""
        return self._activate(name, self.layer.recurrent_activation)

    def _activate(self, name, activation):
        return activate(self.graph, Value(self.graph, (self.layer.units,), name), activation).plain


def _simple_rnn(graph, layer, x, h):
    cell = _Cell(graph, layer)
    return [cell.f(cell.add(x, cell.product(h, 0, 1)))]


def _lstm(graph, layer, x, h, c):
    cell = _Cell(graph, layer)
    i, forget, g, o = cell.split(cell.add(x, cell.product(h, 0, 4)), 4)
    c = cell.add(cell.multiply(cell.s(forget), c), cell.multiply(cell.s(i), cell.f(g)))
    return [cell.multiply(cell.s(o), cell.f(c)), c]


def _gru(graph, layer, x, h):
    cell = _Cell(graph, layer)
    p, q, k = cell.split(x, 3)
    if layer.reset_after:
        bias = layer.bias[1] if layer.use_bias else None
        of_p, of_q, of_k = cell.split(cell.product(h, 0, 3, bias), 3)
        r = cell.s(cell.add(q, of_q))
        of_k = cell.multiply(r, of_k)
    else:
        of_p, of_q = cell.split(cell.product(h, 0, 2), 2)
        r = cell.s(cell.add(q, of_q))
        of_k = cell.product(cell.multiply(r, h), 2, 3)
    z, n = cell.s(cell.add(p, of_p)), cell.f(cell.add(k, of_k))
    kept = cell.multiply(z, h)
    return [cell.add(kept, cell.multiply(graph.op("Sub", [graph.scalar(1.0), z]), n))]


CELLS = {layers.SimpleRNN: _simple_rnn, layers.LSTM: _lstm, layers.GRU: _gru}


# ---------------------------------------------------------------- made of recurrent layers


MERGING = {"sum": add, "mul": in_turn("Mul"), "ave": write_average, "concat": write_concatenation}


@writes(layers.Bidirectional)
def write_bidirectional(graph, layer, x, *initial):
    half = len(layer.forward_layer.state_shapes)
    outputs, states = [], []
    for one, given in ((layer.forward_layer, initial[:half]), (layer.backward_layer, initial[half:])):
        with graph.scope(one.name):
            sequence, *last = _emit(graph, one, x, given)
            y = sequence if one.return_sequences else last[0]
            if x.mask is not None and one.zero_output_for_mask:
                y = _zeroed(graph, one, y, x.mask)
        outputs.append(y)
        states += last if one.return_state else []
    if layer.return_sequences and layer.forward_layer.go_backwards:  # the other one is turned around: both are
        outputs = [reversed_steps(graph, y) for y in outputs]
    if layer.merge_mode is not None:
        outputs = [MERGING[layer.merge_mode](graph, layer._merging(), *outputs)]
    outputs += states
    return outputs if len(outputs) > 1 else outputs[0]


@writes(layers.RNN)
def write_rnn(graph, layer, x, *initial):
    if x.mask is not None:
        raise ValueError(f"layer {layer.name!r} does not support a mask, and one reaches it")
    step = layer._step([x.shape, *(state.shape for state in initial)], False)
    order, name = x.steps_first
    shapes = step.input_shapes[1:]
    firsts = [state.plain for state in initial]
    if not initial:
        firsts = [graph.zeros((name, 1), shape) for shape in shapes]

    def body(inner, states, steps):
        values = [Value(inner, shape, name) for shape, name in zip(step.input_shapes, [*steps, *states], strict=True)]
        output, *new = (value.plain for value in step.emit(inner, values, emit_layer))
        return new, [output]

    output_shape = step.output_shapes[0]
    *states, sequence = scan(
        graph, body, "step", [(first, [ROWS, *shape]) for first, shape in zip(firsts, shapes, strict=True)],
        [(name, graph.dtype, [ROWS, *x.shape[1:]])], [[ROWS, *output_shape]], layer.go_backwards)  # fmt: skip
    steps = x.shape[0]
    order = (1, 0, *range(2, len(output_shape) + 2))
    if layer.return_sequences:
        y = Value(graph, (steps, *output_shape), sequence, order)
        y = reversed_steps(graph, y) if layer.go_backwards else y
    else:
        last = 0 if layer.go_backwards else steps - 1
        y = Value(graph, output_shape, graph.squeeze(graph.slice(sequence, [0], [last], [last + 1]), 0))
    return [y, *(Value(graph, shape, state) for shape, state in zip(shapes, states, strict=True))][
        : None if layer.return_state else 1
    ]


@writes(layers.TimeDistributed)
def write_time_distributed(graph, layer, x):
    steps, *shape = x.shape
    each = Value(graph, shape, graph.reshape(x.plain, [-1, *shape]))
    (y,) = emit_layer(graph, layer.layer, [each])
    return Value(graph, (steps, *y.shape), graph.reshape(y.plain, [-1, steps, *y.shape]))


@masks(SequenceLayer)
def mask_of_sequences(graph, layer, values):
    return values[0].mask if layer.return_sequences else None

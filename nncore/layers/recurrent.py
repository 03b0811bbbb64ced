"""What recurrent layers have in common: their weights, options, states, and steps of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np

from nncore import _checks, _engine, activations
from nncore._activation import AlongAxis, Linear
from nncore._axes import emit_copied_gradient, emit_copy, emit_pair
from nncore._plan import Value
from nncore._products import emit_bias_gradient, emit_gradients, emit_positions_gradient, emit_products
from nncore.layers.dropout import Dropout
from nncore.layers.layer import Layer
from nncore.layers.random import dropout_stream
from nncore.layers.tensor import is_symbolic
from nncore.layers.weighted import WeightedLayer, array_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Unpack

    from nncore._activation import Activation, Steps
    from nncore._likes import ActivationLike, AnyLayerArguments
    from nncore._plan import Builder
    from nncore._typing import Array, ArrayProperty, Config, Data, Outputs, Seed, Shape
    from nncore._weight import Weight
    from nncore.layers.layer import WeightMaker
    from nncore.layers.tensor import Tensor

# A thread's scratch holds a row of states, of float64.
MOST_UNITS_WITH_DROPOUT = 16384


class SequenceLayer(Layer):
    """A layer that reads samples (steps, features) and may be given initial states.

    Subclasses have `state_shapes`, of a sample, and `emit(builder, x, *initial)`.
    """

    if TYPE_CHECKING:  # what subclasses have
        reset_state: Callable[[], None]
        output_shapes: Callable[[Any], list[Shape]]

        @property
        def state_shapes(self) -> list[Shape]: ...

    return_sequences: Any

    @overload  # type: ignore[override]
    def __call__(self, sequences: Tensor, initial_state: Tensor | Sequence[Tensor] | None = None,
                 training: bool | None = None, mask: None = None) -> Tensor | Any: ...  # fmt: skip

    @overload
    def __call__(self, sequences: Data, initial_state: Data | Sequence[Data] | None = None,
                 training: bool | None = None, mask: None = None) -> Outputs: ...  # fmt: skip

    def __call__(self, sequences: Any, initial_state: Any = None, training: bool | None = None,
                 mask: None = None) -> Any:  # fmt: skip
        """On symbolic tensors: returns the output's, or a list of them. On arrays: returns arrays.

        Parameters
        ----------
        sequences : Tensor, or array (rows, steps, features)
        initial_state : Tensor or array (rows, units), or list of them
            The states before the first step; zeros, or those that a stateful layer keeps, unless given.
        training : bool
            For arrays: whether there is dropout.
        """
        _checks.refuse(f"layer {self.name!r} (a mask comes with its input)", mask=mask)
        states = [] if initial_state is None else initial_state
        states = list(states) if isinstance(states, (list, tuple)) else [states]
        wanted = len(self.state_shapes)
        if initial_state is not None and len(states) != wanted:
            raise ValueError(f"layer {self.name!r} has {wanted} states; initial_state has {len(states)}")
        if isinstance(sequences, (list, tuple)) and is_symbolic(sequences):
            raise TypeError(f"layer {self.name!r} takes one tensor, and states as initial_state=[...]")
        if is_symbolic([sequences, *states]):
            _checks.refuse(f"layer {self.name!r} in a graph", training=training)
            return self.connect([sequences, *states])
        from nncore.layers.eager import compute  # which few programs need

        return compute(self, sequences, self._in_training(training), states)

    def _tensors(self, inputs: Any) -> Any:
        given = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        return [tensor for one in given for tensor in super(SequenceLayer, self)._tensors(one)]

    @property
    def input(self) -> Any:
        """The symbolic tensor that it was last called on; a list where initial states were given."""
        inputs = self._called().inputs
        return inputs if len(inputs) > 1 else inputs[0]

    def sample_shapes(self, shapes: Any) -> list[Shape]:  # type: ignore[override]
        """The shapes of a sample of each output, for those of the sequences and of the initial states."""
        self.check_states(shapes[1:])
        return self.output_shapes(shapes[0])

    def build_for(self, input_shape: Any, weights: WeightMaker) -> None:
        """As in `Layer`: weights do not depend on the number of steps."""
        self.output_shapes(input_shape)
        if self.built and input_shape[-1] == self.input_shape[-1]:
            input_shape = self.input_shape
        super().build_for(input_shape, weights)

    def check_states(self, shapes: Any) -> None:
        """Raises ValueError unless these are the shapes of all initial states, or there are none."""
        if shapes and [tuple(shape) for shape in shapes] != self.state_shapes:
            raise ValueError(
                f"layer {self.name!r}: initial states must be samples of shapes {self.state_shapes}; got "
                f"{[tuple(shape) for shape in shapes]}"
            )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of a sample's output, or a list of several outputs' shapes."""
        shapes = self.output_shapes(input_shape)
        return shapes if len(shapes) > 1 else shapes[0]

    def emit_mask(self, builder: Builder, values: Sequence[Value]) -> Value | None:
        return values[0].mask if self.return_sequences else None

    def reset_states(self) -> None:
        """As `reset_state`."""
        self.reset_state()


class Recurrent(SequenceLayer, WeightedLayer):
    """A layer that goes through the steps of a sample with a state: base of SimpleRNN, LSTM and GRU."""

    _bias: Weight | Any
    _kernel: Weight | Any
    _recurrent_kernel: Weight | Any

    kernel_name: str = ""
    slopes_in_place: bool | Any = True  # the backward kernel may write gradients of gates where it has read the gates
    gates = 1
    state_names: tuple[str, ...] = ("h",)

    def __init__(self, units: int, activation: ActivationLike, recurrent_activation: ActivationLike, use_bias: bool,
                 kernel: tuple[Any, Any, Any], recurrent: tuple[Any, Any, Any], bias: tuple[Any, Any, Any],
                 dropout: float, recurrent_dropout: float, seed: Seed, return_sequences: bool, return_state: bool,
                 go_backwards: bool, stateful: bool, unroll: bool, zero_output_for_mask: bool = False,
                 **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        super().__init__(**common)
        owner = type(self).__name__
        self.units: int = _checks.positive_integer(owner, "units", units)
        self.activation: Activation = _element_wise(owner, "activation", activation)
        self.recurrent_activation: Activation = _element_wise(owner, "recurrent_activation", recurrent_activation)
        self.use_bias: bool = _checks.boolean(owner, "use_bias", use_bias)
        self.declare_weight("kernel", *kernel)
        self.declare_weight("recurrent", *recurrent)
        self.declare_weight("bias", *bias)
        self.dropout: float = _checks.real_number(owner, "dropout", dropout, 0, 1, high_open=True)
        self.recurrent_dropout: float = _checks.real_number(owner, "recurrent_dropout", recurrent_dropout, 0, 1,
                                                     high_open=True)  # fmt: skip
        if self.recurrent_dropout and self.units > MOST_UNITS_WITH_DROPOUT:
            raise ValueError(
                f"{owner}: with recurrent_dropout units must be at most {MOST_UNITS_WITH_DROPOUT}; got {units}"
            )
        self._input_dropout = Dropout(self.dropout, (None, 1, None), seed, name="dropout")
        self.seed: Seed = self._input_dropout.seed
        self.return_sequences: bool = _checks.boolean(owner, "return_sequences", return_sequences)
        self.return_state: bool = _checks.boolean(owner, "return_state", return_state)
        self.go_backwards: bool = _checks.boolean(owner, "go_backwards", go_backwards)
        self.stateful: bool = _checks.boolean(owner, "stateful", stateful)
        self.unroll: bool = _checks.boolean(owner, "unroll", unroll)
        self.zero_output_for_mask: bool = _checks.boolean(owner, "zero_output_for_mask", zero_output_for_mask)
        self.states: list[Array] | Any = None  # of a stateful layer: arrays (rows, units)
        self._kernel = self._recurrent_kernel = self._bias = None

    # ---- weights

    kernel: ArrayProperty = array_of(
        "_kernel", "W as an array, (features, gates * units); None before the layer is built."
    )
    recurrent_kernel: ArrayProperty = array_of(
        "_recurrent_kernel", "U as an array, (units, gates * units); None before it is built."
    )
    bias: ArrayProperty = array_of("_bias", "b as an array; None without one.")

    @property
    def bias_shape(self) -> Shape:
        """That of b."""
        return (self.gates * self.units,)

    def build(self, input_shape: Any) -> None:
        columns = self.gates * self.units
        self._kernel = self.make_weight("kernel", (input_shape[-1], columns))
        self._recurrent_kernel = self.make_weight("recurrent_kernel", (self.units, columns), "recurrent")
        if self.use_bias:
            self._bias = self.make_weight("bias", self.bias_shape)

    # ---- shapes and states

    @property
    def state_shapes(self) -> list[Shape]:
        """Of a sample of each state."""
        return [(self.units,)] * len(self.state_names)

    def output_shapes(self, input_shape: Shape) -> list[Shape]:
        """The shapes of a sample of each output."""
        if len(input_shape) != 2:
            raise ValueError(f"layer {self.name!r} needs samples of shape (steps, features); got {tuple(input_shape)}")
        output = (input_shape[0], self.units) if self.return_sequences else (self.units,)
        return [output, *(self.state_shapes if self.return_state else [])]

    def reset_state(self) -> None:
        """Sets the states that a stateful layer keeps to zero."""
        for state in self.states or ():
            state[...] = 0

    def _kept_states(self, builder: Builder) -> list[Array]:
        """The arrays of a stateful layer for minibatches of a plan's rows, or ValueError where it has others."""
        if self.states is None:
            self.states = [_engine.aligned_zeros((builder.rows, self.units), builder.dtype) for _ in self.state_names]
        rows, dtype = len(self.states[0]), self.states[0].dtype
        if rows != builder.rows or dtype != builder.dtype:
            raise ValueError(
                f"layer {self.name!r} is stateful and keeps the states of {rows} sequences of {dtype}: all minibatches "
                f"must have so many rows; got {builder.rows} of {builder.dtype}"
            )
        return self.states

    # ---- emission

    def emit(self, builder: Builder, x: Value, *initial: Value) -> Any:
        self.check_states([value.shape for value in initial])
        (steps, features), units, columns = x.shape, self.units, self.gates * self.units
        mask = x.mask
        x = self._input_dropout.emit(builder, x)
        learns = self.trainable and builder.backward
        needs_gradient = learns or any(value.needs_gradient for value in (x, *initial))
        for value in (x, *initial):
            value.uses += 1

        first, last = (steps, 0) if self.go_backwards else (0, steps)  # places of the states before and after all steps
        states = [builder.buffer((steps + 1) * units) for _ in self.state_names]
        kept = self._kept_states(builder) if self.stateful else None
        for number, state in enumerate(states):
            start = state.at(first * units)
            if initial:
                emit_copy(builder.forward, initial[number].buffer, start, [(units, 1, 1)])
            else:
                _emit_array(builder.forward, builder, kept and kept[number], start, units)

        gates = builder.buffer_of((steps, columns))
        emit_products(builder, builder.forward, x.buffer, self._kernel, gates, steps, bias=self.input_bias)
        builder.add_flops(2.0 * steps * columns * (features + units))
        places = self._places(builder, steps, gates, states, mask)
        places["starts_at_zero"] = not initial and kept is None
        _emit_kernel(builder.forward, f"{self.kernel_name}_forward", places, self._operand(builder, places, False))
        changes = not builder.training or builder.statistics is not None  # `value_and_gradients` leaves all as it is
        for number, state in enumerate(states) if self.stateful and changes else ():
            _emit_rows(builder.forward, state.at(last * units), state.stride, kept[number], units, units)  # type: ignore[index]

        ends = [Value(state.at(last * units), (units,), needs_gradient) for state in states]
        sequence = None
        if self.return_sequences:
            sequence = Value(states[0].at(0 if self.go_backwards else units), (steps, units), needs_gradient)

        def backward() -> None:
            if not needs_gradient or all(value.gradient is None for value in (*ends, sequence) if value is not None):
                return
            slopes = [self._emit_start(builder, value.gradient) for value in ends]
            dy = None if sequence is None else sequence.gradient
            gradients = {
                **places,
                **self._slopes_of_gates(builder, places, (steps, columns)),
                "dy": dy,
                "dy_stride": dy.stride if dy else 0,
                "dh_stride": slopes[0].stride,
                **{f"d{name}": slope for name, slope in zip(self.state_names, slopes, strict=True)},
            }
            kernel = f"{self.kernel_name}_backward"
            _emit_kernel(builder.backward_step, kernel, gradients, self._operand(builder, places, True))
            if self.trainable:
                self._emit_weight_gradients(builder, x, steps, gradients)
            if x.needs_gradient:
                target, accumulate = builder.gradient_target(x)
                emit_products(builder, builder.backward_step, gradients["dgates"], self._kernel, target, steps,
                              transposed=True, accumulate=accumulate)  # fmt: skip
            for value, slope in zip(initial, slopes, strict=False):
                if value.needs_gradient:
                    emit_copied_gradient(builder, value, slope)

        builder.on_backward(backward)
        y = ends[0] if sequence is None else sequence
        if mask is not None and self.zero_output_for_mask:
            y = _emit_zeroed(builder, y, mask, 0 if self.go_backwards else steps - 1)
        if self.return_sequences and self.go_backwards:
            y = emit_reversed(builder, y)
        if not self.return_state:
            return y
        if y is ends[0]:  # two outputs, each with a gradient of its own
            y = builder.same(y, y.shape)
        return [y, *ends]

    @property
    def input_bias(self) -> Any:
        """What is added to the products with W."""
        return self.bias

    def _places(self, builder: Any, steps: Any, gates: Any, states: Any, mask: Any) -> dict[str, Any]:
        """Arguments of the cell's kernels, those of the backward one included."""
        at_input = any(map(_needs_input, (self.activation, self.recurrent_activation)))
        dropout = None
        if builder.training and self.recurrent_dropout:
            dropout = self._emit_recurrent_dropout(builder)
        return {
            "gates": gates,
            "active": builder.buffer(gates.width, gapless=True) if at_input else gates,
            "before": gates if at_input else None,
            "inputs": None if dropout is None else builder.buffer(gates.width, gapless=True),
            "mask": None if mask is None else mask.buffer,
            "dropout": dropout,
            "steps": steps,
            "units": self.units,
            "backwards": self.go_backwards,
            "gates_stride": gates.stride,
            "states_stride": states[0].stride,
            "mask_stride": 0 if mask is None else mask.stride,
            "dropout_stride": 0 if dropout is None else dropout.stride,
            **dict(zip(self.state_names, states, strict=True)),
            **self._descriptions(),
        }

    def _slopes_of_gates(self, builder: Builder, places: Any, shape: Shape) -> dict[str, Any]:
        """Where the gradients of gates go: to the gates' own places, where those have been read by then."""
        if not self.slopes_in_place or places["activation"] is not None:
            dgates = builder.buffer_of(shape)
            return {"dgates": dgates, "drecurrent": builder.buffer_of(shape) if "recurrent" in places else dgates}
        return {"dgates": places["gates"], "drecurrent": places.get("recurrent", places["gates"])}

    def _descriptions(self) -> Any:
        """The activations as the kernels take them: None where all are the defaults."""
        standard = self.activation is activations.tanh and self.recurrent_activation is activations.sigmoid
        return {name: None if standard else _described(getattr(self, name))
                for name in ("activation", "recurrent_activation")}  # fmt: skip

    def _operand(self, builder: Any, places: Any, transposed: Any) -> Any:
        """U for the cell's kernels; as it lies where gates are products of their own."""
        weight = self._recurrent_kernel
        if places["inputs"] is not None and not transposed:
            return {"u": weight.array, "u_stride": weight.matrix_shape[1], "u_panel": 0}
        operand = builder.operand(weight, transposed)
        return {"u": operand["b"], "u_stride": operand["b_stride"], "u_panel": operand["b_panel"]}

    def _emit_recurrent_dropout(self, builder: Any) -> Any:
        """Factors (rows, gates * units) of the states that each gate sees."""
        width = self.gates * self.units
        ones = _engine.aligned_zeros(width, builder.dtype)
        ones[:] = 1
        factors = builder.buffer(width)
        builder.forward("dropout", x=ones, y=factors, features=width, x_stride=0, y_stride=factors.stride,
                        stream=dropout_stream(builder, self.seed), rate=self.recurrent_dropout)  # fmt: skip
        return factors

    def _emit_start(self, builder: Any, gradient: Any) -> Any:
        """A new buffer (rows, units) of the gradient of a last state, which may have none."""
        start = builder.buffer(self.units)
        if gradient is None:
            _emit_array(builder.backward_step, builder, None, start, self.units)
        else:
            emit_copy(builder.backward_step, gradient, start, [(self.units, 1, 1)])
        return start

    def _emit_weight_gradients(self, builder: Builder, x: Value, steps: Any, places: Any) -> None:
        units, columns = self.units, self.gates * self.units
        dgates, drecurrent, inputs = places["dgates"], places["drecurrent"], places["inputs"]
        emit_gradients(builder, self._kernel, x.buffer, dgates, steps)
        if inputs is None:
            skipped = int(places["starts_at_zero"])  # the first step's product, which has no part in the gradient
            first = 0 if self.go_backwards else skipped
            before = places["h"].at((first + self.go_backwards) * units)
            emit_positions_gradient(builder, self._recurrent_kernel, before, drecurrent.at(first * columns),
                                    steps - skipped)  # fmt: skip
        else:
            emit_positions_gradient(builder, self._recurrent_kernel, inputs, drecurrent, steps, x_step=columns,
                                    x_group=units, group=units)  # fmt: skip
        rows = self._bias.matrix_shape[0] if self.use_bias else 0
        if rows == 1:
            emit_bias_gradient(builder, self._bias, dgates, steps)
        elif rows:
            for row, dy in zip(range(rows), (dgates, drecurrent), strict=False):
                ones = _engine.aligned_zeros(rows, builder.dtype)
                ones[row] = 1
                emit_positions_gradient(builder, self._bias, ones, dy, steps, x_step=0, x_stride=0)

    def get_config(self) -> Config:
        return {
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "seed": self.seed,
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "unroll": self.unroll,
            "zero_output_for_mask": self.zero_output_for_mask,
            **super().get_config(),
        }


def _element_wise(owner: str, name: str, activation: ActivationLike) -> Activation:
    activation = activations.get(activation)
    if isinstance(activation, AlongAxis):
        raise ValueError(f"{owner}: {name} must be a function of each element; got {activation.name!r}")
    return activation


def _steps_of(activation: Any) -> Steps:
    """An activation's Steps; linear, which has none, as a ReLU of slope 1."""
    if isinstance(activation, Linear):
        activation = activations.leaky_relu.with_parameters(negative_slope=1.0)
    return activation.steps  # type: ignore[no-any-return]


def _needs_input(activation: Any) -> bool:
    """Whether an activation's derivative is taken from its input."""
    return _steps_of(activation).at == "x"


def _described(activation: Any) -> Any:
    """An activation as kernels of recurrent.h take it: for its forward and its backward kernel the number, whether the
    derivative is taken from the input, and the slots.
    """
    steps = _steps_of(activation)
    table = np.zeros((2, 2 + _engine.MAX_ARGUMENTS), np.int64)
    for row, (pass_, values) in enumerate((("forward", steps.forward), ("backward", steps.backward))):
        kernel = _engine.KERNELS[f"{steps.family}_{pass_}"]
        table[row, :2] = kernel.number, steps.at == "x"
        for place, argument in enumerate(kernel.arguments, 2):
            if argument.role == "SCALAR":
                table[row, place] = np.float64(values[argument.name]).view(np.int64)
            elif argument.name in values:
                table[row, place] = values[argument.name]
    return table


def _emit_kernel(add: Any, kernel: Any, places: Any, operand: Any) -> None:
    """Adds a step of a cell's kernel, which takes its arguments from `places` by their names."""
    places = {**places, **operand}
    add(kernel, **{argument.name: places[argument.name] for argument in _engine.KERNELS[kernel].arguments})


def _emit_rows(add: Any, source: Any, source_stride: Any, target: Any, target_stride: Any, features: Any) -> None:
    """Adds a step that copies rows between buffers or arrays."""
    add("copy_axes", x=source, y=target, layout=np.array([[features, 1, 1]], np.int64), axes=1, x_stride=source_stride,
        y_stride=target_stride)  # fmt: skip


def _emit_array(add: Any, builder: Any, array: Any, target: Any, features: Any) -> None:
    """Adds a step that sets a buffer to the rows of an array, or to zero where that is None."""
    stride = 0 if array is None else features
    _emit_rows(add, _engine.aligned_zeros(features, builder.dtype) if array is None else array, stride, target,
               target.stride, features)  # fmt: skip


def _emit_zeroed(builder: Builder, y: Any, mask: Any, last: int) -> Value:
    """y, and zeros where the mask is 0: of each step, or of step `last` where y is of that one only."""
    y.uses += 1
    units = y.shape[-1]
    factors, zeroed = builder.buffer(y.width), builder.value(y.shape, y.needs_gradient)
    source = mask.buffer if len(y.shape) == 2 else mask.buffer.at(last)
    emit_copy(builder.forward, source, factors, [(y.width // units, 1, units), (units, 0, 1)])
    emit_pair(builder.forward, "apply_mask", y.buffer, factors, zeroed.buffer, y.width)

    def backward() -> None:
        if zeroed.gradient is not None and y.needs_gradient:
            builder.add_gradient(y, lambda dy: emit_pair(builder.backward_step, "apply_mask", zeroed.gradient, factors,
                                                         dy, y.width))  # fmt: skip

    builder.on_backward(backward)
    return zeroed


def emit_reversed(builder: Builder, x: Value) -> Value:
    """The steps of x, (steps, units), in the opposite order."""
    x.uses += 1
    steps, units = x.shape
    y = builder.value(x.shape, x.needs_gradient)
    axes = [(steps, -units, units), (units, 1, 1)]
    end = (steps - 1) * units
    emit_copy(builder.forward, x.buffer.at(end), y.buffer, axes)

    def backward() -> None:
        if y.gradient is not None and x.needs_gradient:
            builder.add_gradient(x, lambda dx: emit_copy(builder.backward_step, y.gradient.at(end), dx, axes))

    builder.on_backward(backward)
    return y

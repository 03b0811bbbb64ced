"""Recurrent networks of a cell of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from nncore import _checks
from nncore.layers import composite
from nncore.layers.layer import Layer, emit_layer
from nncore.layers.time_steps import join, split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self, Unpack

    from nncore._likes import AnyLayerArguments
    from nncore._plan import Builder, Value
    from nncore._typing import AnyLayer, Config, Data, Integers, Outputs, Shape
    from nncore.layers.tensor import Tensor


class RNN(Layer):
    """Runs a cell along a sequence: (y[t], state[t]) = cell(x[t], state[t - 1]); samples are (steps, ...).

    A cell is a layer made of others. It has ``state_size``, the numbers of a state, or a list of them for several
    states; ``output_size``, where that is another than the first state's; and ``call(inputs, states)``, which returns
    the output and the list of new states. It is part of the plan once for each step, always with the same weights.

    Parameters
    ----------
    cell : Layer, or list of them
        Several cells are stacked: `StackedRNNCells`.
    return_sequences : bool
        The output is that of all steps, (steps, ...), and not of the last.
    return_state : bool
        The last states are outputs, too.
    go_backwards : bool
        From the last step to the first; outputs are in this order.
    unroll : bool
        Changes nothing: a plan has all steps in any case.

    Examples
    --------
    >>> import nncore as nn
    >>> class Cell(nn.layers.Layer):
    ...     def __init__(self, units, **common):
    ...         super().__init__(**common)
    ...         self.state_size = units
    ...         self.of_input, self.of_state = nn.layers.Dense(units), nn.layers.Dense(units, use_bias=False)
    ...         self.tanh = nn.layers.Activation("tanh")
    ...     def call(self, inputs, states):
    ...         output = self.tanh(self.of_input(inputs) + self.of_state(states[0]))
    ...         return output, [output]
    >>> model = nn.Sequential([nn.Input((20, 3)), nn.layers.RNN(Cell(8), return_sequences=True)])
    >>> model.output_shape
    (None, 20, 8)
    """

    return_sequences: bool
    return_state: bool
    go_backwards: bool
    unroll: bool

    def __init__(self, cell: Layer | Sequence[Layer], return_sequences: bool = False, return_state: bool = False,
                 go_backwards: bool = False, stateful: Literal[False] = False, unroll: bool = False,
                 zero_output_for_mask: Literal[False] = False,
                 **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        cell = StackedRNNCells(cell) if isinstance(cell, (list, tuple)) else cell
        if not isinstance(cell, Layer) or cell.call is None or not hasattr(cell, "state_size"):
            raise TypeError(
                "RNN takes a cell: a subclass of Layer with state_size and call(inputs, states), made of layers; got "
                f"{cell!r}"
            )
        self.cell = cell
        super().__init__(**common)
        _checks.refuse_on("RNN", stateful=stateful, zero_output_for_mask=zero_output_for_mask)
        switches = {"return_sequences": return_sequences, "return_state": return_state, "go_backwards": go_backwards,
                    "unroll": unroll}  # fmt: skip
        for name, value in switches.items():
            setattr(self, name, _checks.boolean("RNN", name, value))

    @property
    def sublayers(self) -> Sequence[AnyLayer]:  # type: ignore[override]
        return (self.cell,)

    @overload  # type: ignore[override]
    def __call__(self, sequences: Tensor, initial_state: Tensor | Sequence[Tensor] | None = None, mask: None = None,
                 training: bool | None = None) -> Tensor | Any: ...  # fmt: skip

    @overload
    def __call__(self, sequences: Data, initial_state: Data | Sequence[Data] | None = None, mask: None = None,
                 training: bool | None = None) -> Outputs: ...  # fmt: skip

    def __call__(self, sequences: Any, initial_state: Any = None, mask: None = None,
                 training: bool | None = None) -> Any:  # fmt: skip
        """On symbolic tensors or arrays, as any layer.

        Parameters
        ----------
        sequences : (rows, steps, ...)
        initial_state : tensor or array, or list of them
            A first state for each of the cell's; zeros unless given.
        """
        _checks.refuse(f"layer {self.name!r}", mask=mask)
        if initial_state is not None:
            sequences = [sequences, *flat(initial_state)]
        return super().__call__(sequences, training=training)

    def take(self, inputs: Any) -> None:
        composite.take(self, inputs)

    def prepare(self, shapes: Sequence[Shape]) -> None:
        composite.build_layers(self.cell, shapes[0][1:])
        for mode in composite.modes(self.cell):
            self._step(shapes, mode)

    def _step(self, shapes: Sequence[Shape], training: bool | None) -> Any:
        """The Graph from a step's input and the states to its output and the new states."""
        shape, *given = shapes
        if len(shape) < 2:
            raise ValueError(f"layer {self.name!r} takes sequences, samples of shape (steps, ...); got {tuple(shape)}")
        sizes = [(size,) if hasattr(size, "__index__") else tuple(size) for size in flat(self.cell.state_size)]
        if given and given != sizes:
            raise ValueError(f"layer {self.name!r}: initial states must be of shapes {sizes}; got {given}")

        def one_step(tensors: Any) -> Any:
            x, *states = tensors
            output, states = self.cell.call(x, packed(self.cell.state_size, states), **options)
            return [output, *flat(states)]

        options = {"training": training} if composite.asks_for_training(self.cell.call) else {}
        graph = composite.cached(self, [shape[1:], *sizes], options.get("training"), one_step)
        if graph.output_shapes[1:] != sizes:
            raise ValueError(
                f"layer {self.name!r}: states of {self.cell.name!r} are of shapes {sizes}, its new states of "
                f"{graph.output_shapes[1:]}"
            )
        return graph

    def compute_output_shape(self, input_shape: Any) -> Any:
        shapes = input_shape if self.merges else [input_shape]
        output, *states = self._step(shapes, False).output_shapes
        y = (shapes[0][0], *output) if self.return_sequences else output
        return [y, *states] if self.return_state else y

    def build(self, input_shape: Any) -> None:
        shapes = input_shape if self.merges else [input_shape]
        graphs = [self._step(shapes, mode) for mode in composite.modes(self.cell)]
        composite.build_graphs(self.cell, graphs, self._maker)

    def emit(self, builder: Builder, x: Value, *states: Any) -> Any:
        if x.mask is not None:
            raise ValueError(
                f"layer {self.name!r} does not support a mask, and one reaches it: SimpleRNN, LSTM and GRU do"
            )
        graph = self._step([x.shape, *(state.shape for state in states)], builder.training)
        if not states:
            # zeros: nobody writes there
            states = [builder.value(shape, False) for shape in graph.input_shapes[1:]]  # type: ignore[assignment]
        steps, outputs = split(builder, x), []
        for step in reversed(steps) if self.go_backwards else steps:
            output, *states = graph.emit(builder, [step, *states], emit_layer)
            outputs.append(output)
        y = join(builder, outputs) if self.return_sequences else outputs[-1]
        return [y, *states] if self.return_state else y

    def get_config(self) -> Config:
        from nncore import layers

        return {
            "cell": layers.serialize(self.cell),
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "unroll": self.unroll,
            **super().get_config(),
        }

    @classmethod
    def from_config(cls, config: Config) -> Self:
        from nncore import layers

        return cls(**{**config, "cell": layers.deserialize(config["cell"])})


class StackedRNNCells(Layer):
    """Several cells as one: the output of each is the input of the next.

    Parameters
    ----------
    cells : list of Layer
        As `RNN` takes them.
    """

    def __init__(self, cells: Sequence[Layer], **common: Unpack[AnyLayerArguments]) -> None:
        super().__init__(**common)
        for cell in cells:
            if not isinstance(cell, Layer) or cell.call is None or not hasattr(cell, "state_size"):
                raise TypeError(f"StackedRNNCells takes cells, with state_size and call(inputs, states); got {cell!r}")
        self.cells: list[Any] = list(cells)

    @property
    def state_size(self) -> Any:
        """A list of the cells' own."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> Any:
        """That of the last cell."""
        last = self.cells[-1]
        return getattr(last, "output_size", None) or flat(last.state_size)[0]

    def call(self, inputs: Any, states: Any, training: bool | None = None) -> Any:
        """Returns the output of the last cell, and the new states of all."""
        new_states = []
        for cell, own in zip(self.cells, states, strict=True):
            inputs, own = composite.in_mode(training, cell.call, inputs, own if isinstance(own, list) else [own])
            new_states.append(own)
        return inputs, new_states

    def build(self, input_shape: Any) -> None:
        for cell in self.cells:
            composite.build_layers(cell, input_shape)
            input_shape = (getattr(cell, "output_size", None) or flat(cell.state_size)[0],)

    def get_config(self) -> Config:
        from nncore import layers

        return {"cells": [layers.serialize(cell) for cell in self.cells], **super().get_config()}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        from nncore import layers

        return cls(**{**config, "cells": [layers.deserialize(cell) for cell in config["cells"]]})


def flat(states: Any) -> Any:
    """The states, or their sizes, of nested lists as one list."""
    return [one for each in states for one in flat(each)] if isinstance(states, (list, tuple)) else [states]


def packed(sizes: Any, states: Any) -> Any:
    """A list of states, nested as `sizes` is; of one size a list of one."""
    remaining = iter(states)

    def like(size: Integers) -> Any:
        return [like(each) for each in size] if isinstance(size, (list, tuple)) else next(remaining)

    return like(list(sizes) if isinstance(sizes, (list, tuple)) else [sizes])

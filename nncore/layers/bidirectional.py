"""A recurrent layer in both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from nncore import _checks
from nncore.layers.layer import emit_layer
from nncore.layers.merging import Add, Average, Concatenate, Multiply
from nncore.layers.recurrent import Recurrent, SequenceLayer, emit_reversed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self, Unpack

    from nncore._likes import AnyLayerArguments
    from nncore._plan import Builder, Value
    from nncore._typing import AnyLayer, Config, Shape
    from nncore._weight import Weight

_MERGING = {"sum": Add, "mul": Multiply, "concat": Concatenate, "ave": Average}


class Bidirectional(SequenceLayer):
    """What a recurrent layer makes of a sequence beside what its twin makes of it read backwards.

    Where sequences come out, those of the twin are turned around, so that both belong to the same steps.

    Parameters
    ----------
    layer : SimpleRNN, LSTM or GRU
        A new layer of its configuration reads forward.
    merge_mode : "concat", "sum", "mul", "ave" or None
        Whether outputs stand beside each other, or their sum, product or mean comes out, or both of them.
    backward_layer : SimpleRNN, LSTM or GRU, optional
        Reads backwards; a layer of the same configuration unless given.

    Raises
    ------
    ValueError
        For layers that read in the same direction, or of which one is stateful, returns sequences or states and the
        other is not or does not.
    TypeError
        For other layers.

    References
    ----------
    Schuster and Paliwal, "Bidirectional recurrent neural networks", 1997.
    """

    forward_layer: Recurrent
    backward_layer: Recurrent

    def __init__(self, layer: Recurrent, merge_mode: Literal["sum", "mul", "concat", "ave"] | None = "concat",
                 weights: None = None, backward_layer: Recurrent | None = None,
                 **common: Unpack[AnyLayerArguments]) -> None:  # fmt: skip
        _checks.refuse("Bidirectional", weights=weights)
        for name, given in (("layer", layer), ("backward_layer", backward_layer)):
            if not isinstance(given, Recurrent) and not (given is None and name == "backward_layer"):
                raise TypeError(f"Bidirectional: {name} must be a SimpleRNN, LSTM or GRU; got {given!r}")
        if not _checks.is_word(merge_mode, (*_MERGING, None)):
            modes = ", ".join(_MERGING)
            raise ValueError(f"Bidirectional: merge_mode must be one of {modes} or None; got {merge_mode!r}")
        config, cls = layer.get_config(), type(layer)
        name = layer.name.removeprefix("forward_")
        forward = cls.from_config({**config, "name": f"forward_{name}"})
        backward = backward_layer
        if backward is None:
            name = layer.name.removeprefix("backward_")
            backward = cls.from_config({**config, "name": f"backward_{name}", "go_backwards": not layer.go_backwards})
        if forward.go_backwards == backward.go_backwards:
            raise ValueError(
                "Bidirectional: layers must read in different directions; both have "
                f"go_backwards={forward.go_backwards}"
            )
        for option in ("stateful", "return_sequences", "return_state"):
            if getattr(forward, option) != getattr(backward, option):
                raise ValueError(
                    f"Bidirectional: both layers must have the same {option}; got {getattr(forward, option)} and "
                    f"{getattr(backward, option)}"
                )
        super().__init__(**common)
        self.forward_layer, self.backward_layer = forward, backward
        self._backward_given = backward_layer is not None
        self.merge_mode = merge_mode
        for one in self._both():
            one.zero_output_for_mask = one.return_sequences  # at masked steps the two would repeat different ones
            one.trainable = self.trainable and one.trainable

    def _both(self) -> tuple[Recurrent, Recurrent]:
        return self.forward_layer, self.backward_layer

    @property
    def sublayers(self) -> Sequence[AnyLayer]:  # type: ignore[override]
        """Both layers, which are trainable with this one."""
        return self._both() if hasattr(self, "merge_mode") else ()

    @property
    def stateful(self) -> bool:
        """Whether both layers keep their states."""
        return self.forward_layer.stateful

    @property
    def return_sequences(self) -> bool:
        """Whether outputs are of all steps."""
        return self.forward_layer.return_sequences

    @property
    def return_state(self) -> bool:
        """Whether states come out behind the output, those of the forward layer first."""
        return self.forward_layer.return_state

    @property
    def state_shapes(self) -> list[Shape]:
        """Of a sample of each state, those of the forward layer first."""
        return [shape for one in self._both() for shape in one.state_shapes]

    def reset_state(self) -> None:
        """Sets the states that stateful layers keep to zero."""
        for one in self._both():
            one.reset_state()

    def output_shapes(self, input_shape: Shape) -> list[Shape]:
        """The shapes of a sample of each output."""
        pairs = [one.output_shapes(input_shape) for one in self._both()]
        outputs = [shapes[0] for shapes in pairs]
        if self.merge_mode is not None:
            outputs = [self._merging().compute_output_shape(outputs)]
        return [*outputs, *(shape for shapes in pairs for shape in shapes[1:])]

    def _merging(self) -> Any:
        return _MERGING[self.merge_mode](name=self.name)  # type: ignore[index]

    def build(self, input_shape: Any) -> None:
        for one in self._both():
            one.build_for(input_shape, self._maker)
            for weight in one.weight_list():
                weight.name = f"{one.name}/{weight.name}"
                self._weights.append(weight)

    def emit(self, builder: Builder, x: Value, *initial: Value) -> Any:
        self.check_states([value.shape for value in initial])
        half = len(self.forward_layer.state_shapes)
        forward, *states = emit_layer(builder, self.forward_layer, [x, *initial[:half]])
        backward, *others = emit_layer(builder, self.backward_layer, [x, *initial[half:]])
        if self.return_sequences:
            backward = emit_reversed(builder, backward)
        outputs = [forward, backward]
        if self.merge_mode is not None:
            outputs = [self._merging().emit(builder, *outputs)]
        outputs += [*states, *others]
        return outputs if len(outputs) > 1 else outputs[0]

    def weight_list(self, trainable_only: bool = False) -> list[Weight]:
        """The Weight objects of both layers, those of the forward layer first."""
        return [weight for one in self._both() for weight in one.weight_list(trainable_only)] if self.built else []

    def get_config(self) -> Config:
        from nncore import layers

        config = {"layer": layers.serialize(self.forward_layer), "merge_mode": self.merge_mode}
        if self._backward_given:
            config["backward_layer"] = layers.serialize(self.backward_layer)
        return {**config, **super().get_config()}

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Makes a layer from `get_config`."""
        from nncore import layers

        made: Config = {key: layers.deserialize(config[key]) for key in ("layer", "backward_layer") if key in config}
        return cls(**{**config, **made})

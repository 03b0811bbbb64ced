"""A chain of layers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from nncore import _data, layers
from nncore._graph import Graph
from nncore.layers.input import Input, InputLayer
from nncore.layers.layer import Layer
from nncore.layers.tensor import Tensor
from nncore.models.model import Model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from nncore._typing import AnyLayer, Config, ModelDtype, Seed, Shape


class Sequential(Model):
    """Layers one after the other.

    Parameters
    ----------
    layers : list of Layer or Model, optional
        The first may be ``nn.Input(shape)``; without it the model gets its shape from the first layer's `input_shape`,
        from the first data, or from `build`.
    dtype : "float32", "float64" or "mixed_bfloat16"
    seed : int, optional
        Of weights, dropout and shuffling; that of `nncore.config.set_seed`, or 0, unless given.

    Examples
    --------
    >>> model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(8, activation="relu"), nn.layers.Dense(3)])
    >>> model.predict([[0.0, 0.0, 0.0, 0.0]]).shape
    (1, 3)
    """

    graph: Graph | Any

    def __init__(self, layers: Sequence[Layer | Model | Tensor] | None = None, trainable: bool = True,
                 name: str | None = None, *, dtype: ModelDtype = "float32", seed: Seed = None) -> None:  # fmt: skip
        self._layers: list[Any] = []
        self._by_name: dict[str, Any] = {}  # the same, by name
        self._input: InputLayer | None = None
        if layers is not None and not isinstance(layers, Iterable):
            raise TypeError(f"Sequential takes a list of layers; got {layers!r}")
        self._open(name, trainable, dtype, seed)
        for layer in layers or ():
            self._append(layer)
        self._try_to_build()
        if not self._trainable:
            self.trainable = False

    def add(self, layer: Layer | Model | Tensor) -> None:
        """Appends a layer."""
        self._lock.refuse_borrower("get a layer")
        with self._exclusively():
            count, given = len(self._layers), self._input
            try:
                self._append(layer)
                if self.graph is None:
                    self._try_to_build()
                else:
                    self._extend()
            except BaseException:
                self._input = given
                for refused in self._layers[count:]:
                    self._by_name.pop(refused.name, None)
                del self._layers[count:]
                raise

    def pop(self) -> AnyLayer:
        """Removes the last layer and returns it."""
        if not self._layers:
            raise ValueError("the model has no layers")
        self._lock.refuse_borrower("lose a layer")
        with self._exclusively():
            layer = self._layers.pop()
            self._by_name = {other.name: other for other in self._layers}
            self.graph = None
            self._try_to_build()
            return layer

    @property
    def layers(self) -> list[AnyLayer]:
        """The layers in order, without that of the input."""
        return list(self._layers)

    def _append(self, layer: Layer | Model | Tensor) -> None:
        if isinstance(layer, Tensor) and isinstance(layer.node.layer, InputLayer):
            layer = layer.node.layer
        if isinstance(layer, InputLayer):
            if self._layers or self._input is not None:
                raise ValueError("Input can only be the first layer")
            self._input = layer
            return
        if not isinstance(layer, (Layer, Model)):
            raise TypeError(f"Sequential takes layers; got {layer!r}")
        if getattr(self._by_name.get(layer.name), "name", None) == layer.name:  # others may have new names since
            raise ValueError(f"two layers are named {layer.name!r}: a name must be unique in its model")
        if not self._layers and self._input is None and isinstance(layer, Layer) and layer.wanted_shape is not None:
            self._input = InputLayer(layer.wanted_shape)
        self._layers.append(layer)
        self._by_name[layer.name] = layer

    def _try_to_build(self) -> None:
        if self._input is None and self._layers and isinstance(self._layers[0], Model) and self._layers[0].built:
            first = self._layers[0].inputs
            if len(first) > 1:
                raise ValueError(f"Sequential cannot begin with model {self._layers[0].name!r} of {len(first)} inputs")
            self._input = InputLayer(first[0].sample_shape)
        if self._input is not None and self._layers:
            start = end = Input(layer=self._input)
            for layer in self._layers:
                end = self._connected(layer, end)
            self._build_graph(Graph([start], [end], f"model {self.name!r}", None))

    def _extend(self) -> None:
        """Puts the last layer behind those that are built."""
        end = self._connected(self._layers[-1], self.graph.outputs[0])
        self.graph.build_node(end.node, self._weight_maker)
        self.graph.append(end.node)
        self._use_graph(self.graph)

    @staticmethod
    def _connected(layer: AnyLayer, end: Tensor) -> Tensor:
        result: Any = layer.connect([end] if layer.merges else end)
        if isinstance(result, list):
            raise ValueError(f"Sequential cannot go on behind layer {layer.name!r} of {len(result)} outputs")
        return result  # type: ignore[no-any-return]

    def prepare(self, shapes: Sequence[Shape]) -> None:
        if not self.built and self._layers:
            self._append_input(shapes[0])

    def build(self, input_shape: Sequence[int | None] | Sequence[Sequence[int | None]] | None = None) -> None:
        """Gives a model without Input its shape: (None, ...), where None is the axis of samples."""
        if self.built:
            return
        if not self._layers:
            raise ValueError("the model has no layers")
        if input_shape is None or len(input_shape) < 2 or input_shape[0] is not None:
            raise ValueError(f"build needs a shape (None, ...), None for the axis of samples; got {input_shape}")
        self._append_input(tuple(input_shape[1:]))  # type: ignore[arg-type]

    def _append_input(self, shape: Shape) -> None:
        self._input = InputLayer(shape)
        try:
            self._try_to_build()
        except Exception:
            self._input = None
            raise

    def _build_from_data(self, x: Any) -> None:
        if not self._layers:
            raise ValueError("the model has no layers")
        self._append_input(_data.shape_of(x, "x", self._layers[0])[1:] or (1,))

    def get_config(self) -> Config:
        """Returns the architecture: layers and their configurations."""
        chain: list[Any] = [] if self._input is None else [self._input]
        return {
            **self._own_config(),
            "layers": [layers.serialize(layer) for layer in [*chain, *self._layers]],
        }

    @classmethod
    def _from_config(cls, config: Config) -> Self:
        made = [layers.deserialize(layer) for layer in config.pop("layers")]
        return cls._with_switches(made, made, **config)

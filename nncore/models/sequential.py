"""A chain of layers."""

from nncore import _data, layers
from nncore._graph import Graph
from nncore.layers.input import InputLayer
from nncore.layers.layer import Layer
from nncore.models.model import Model


class Sequential(Model):
    """Layers one after the other.

    Parameters
    ----------
    layers : list of Layer, optional
        The first may be ``nn.Input(shape)``; without it the model gets its shape from the first data, or from
        `build`.
    dtype : "float32", "float64" or "mixed_bfloat16"
    seed : int, optional
        Of weights, dropout and shuffling; that of `nncore.config.set_seed`, or 0, unless given.

    Examples
    --------
    >>> model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(8, activation="relu"), nn.layers.Dense(3)])
    >>> model.predict([[0.0, 0.0, 0.0, 0.0]]).shape
    (1, 3)
    """

    def __init__(self, layers=None, trainable=True, name=None, *, dtype="float32", seed=None):
        super().__init__(name=name, trainable=trainable, dtype=dtype, seed=seed)
        self._layers = []
        self._input = None
        for layer in layers or ():
            self._append(layer)
        self._try_to_build()

    def add(self, layer):
        """Appends a layer."""
        with self._exclusively():
            self._append(layer)
            self._try_to_build()

    def pop(self):
        """Removes the last layer and returns it."""
        if not self._layers:
            raise ValueError("the model has no layers")
        with self._exclusively():
            layer = self._layers.pop()
            self.graph = None
            self._try_to_build()
            return layer

    def _append(self, layer):
        if isinstance(layer, InputLayer):
            if self._layers or self._input is not None:
                raise ValueError("Input can only be the first layer")
            self._input = layer
            return
        if not isinstance(layer, Layer):
            raise TypeError(f"Sequential takes layers; got {layer!r}")
        if any(layer.name == other.name for other in self._layers):
            raise ValueError(f"two layers are named {layer.name!r}: a name must be unique in its model")
        self._layers.append(layer)

    def _try_to_build(self):
        if self._input is not None and self._layers:
            self._build_graph(Graph.chain(self._input.shape, self._layers))

    def build(self, input_shape=None):
        """Gives a model without Input its shape: (None, ...), where None is the axis of samples."""
        if self.built:
            return
        if not self._layers:
            raise ValueError("the model has no layers")
        if input_shape is None or len(input_shape) < 2 or input_shape[0] is not None:
            raise ValueError(f"build needs a shape (None, ...), None for the axis of samples; got {input_shape}")
        self._append_input(tuple(input_shape[1:]))

    def _append_input(self, shape):
        self._input = InputLayer(shape)
        try:
            self._try_to_build()
        except Exception:
            self._input = None
            raise

    def _build_from_data(self, x):
        if not self._layers:
            raise ValueError("the model has no layers")
        array = _data.as_array(x, "x")
        self._append_input(array.shape[1:] if array.ndim > 1 else (1,))

    def summary(self, line_length=80, print_fn=print):
        """Prints a table of the layers, their output shapes and their numbers of weights."""
        self._require_built()
        rows = [("layer", "output shape", "parameters")]
        for layer in self._layers:
            shape = ", ".join(["None", *map(str, layer.output_shape)])
            rows.append((f"{layer.name} ({type(layer).__name__})", f"({shape})", f"{layer.count_params():,}"))
        middle = line_length // 2
        lines = [f"Model {self.name!r}", "-" * line_length]
        for name, shape, count in rows:
            lines.append(f"{name[: middle - 1]:{middle}}{shape:{line_length - middle - 14}}{count:>14}")
        trainable = sum(w.array.size for w in self._weight_list(trainable_only=True))
        lines += [
            "-" * line_length,
            f"{self.count_params():,} parameters, {trainable:,} of them trainable, "
            f"{self.count_params() * self.dtype.itemsize / 1024:,.1f} KiB of {self.dtype}",
        ]
        print_fn("\n".join(lines))

    def get_config(self):
        """Returns the architecture: layers and their configurations."""
        chain = [] if self._input is None else [self._input]
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": self.dtype_policy,
            "seed": self.seed,
            "layers": [layers.serialize(layer) for layer in [*chain, *self._layers]],
        }

    @classmethod
    def from_config(cls, config):
        """Makes a model, with new weights, from `get_config`."""
        config = dict(config)
        return cls([layers.deserialize(layer) for layer in config.pop("layers")], **config)

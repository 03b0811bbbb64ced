"""What all layers have in common."""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import math
import re
import threading
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from nncore import _checks, _custom_objects, _data, _engine, _sizes, constraints, initializers, regularizers
from nncore._calls import Setting
from nncore._weight import Weight
from nncore.layers import composite
from nncore.layers.tensor import Node, Tensor, is_symbolic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from typing_extensions import Self

    from nncore._likes import ConstraintLike, InitializerLike, RegularizerLike
    from nncore._plan import Builder, Value
    from nncore._typing import AnyLayer, Array, Config, Data, Dtype, Outputs, Shape, ShapeLike
    from nncore.initializers import Initializer
    from nncore.models.model import Model
    from nncore.regularizers import Regularizer


class _Plans(threading.local):
    """What each thread makes plans for."""

    switches: dict[Any, bool] | None = None  # {layer: trainable}


_plans = _Plans()
_numbers_of_switches = _engine.Numbers()


def trainable_as(switches: dict[Any, bool] | None) -> Setting:
    """In a `with`, layers are trainable as {layer: trainable} says; the others, or all for None, as they are."""
    return Setting(_plans, "switches", switches)


class Trainable:
    """What has the switch `trainable`: a layer, a model."""

    _trainable: bool | Any = None
    compiled_as: bool | None = None  # what it was when a model with it was compiled last
    switches: int = 0  # another number whenever any of them has been switched

    @property
    def trainable(self) -> bool:
        """Whether training changes its weights: `fit` and `train_on_batch` those of when the model was compiled."""
        return self._trainable if _plans.switches is None else _plans.switches.get(self, self._trainable)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        value = _checks.boolean(type(self).__name__, "trainable", value)
        if value != self._trainable:
            self._trainable = value
            Trainable.switches = 1 + _numbers_of_switches.draw()
        for layer in self.sublayers:
            layer.trainable = value

    sublayers: Sequence[AnyLayer] = ()  # those that it is made of


class Symbolic(_custom_objects.Configured):
    """What can be called on symbolic tensors, to be a node of a graph: a layer, a model."""

    name: str
    compute_output_shape: Any  # a method of layers

    merges: bool = False  # whether it takes a list of tensors
    supports_masking: bool = False  # whether a mask of its first input is one of its outputs, too

    call: Any = None  # a method of subclasses that are made of layers: outputs of symbolic inputs

    def take(self, inputs: Any) -> None:
        """Called first of all, with what it is called on."""

    def prepare(self, shapes: Sequence[Shape]) -> None:
        """Called before shapes are asked for, with those of a sample of each input."""

    def readers(self, place: int) -> tuple[list[Any], bool]:
        """Who reads the input at this place, as `Graph.readers` says it."""
        return [], True

    def emit_mask(self, builder: Builder, values: Sequence[Value]) -> Value | None:
        """Adds the steps of the outputs' mask, for inputs of which some have one; returns its Value, or None."""
        return values[0].mask if self.supports_masking else None

    def sample_shapes(self, shapes: Any, **options: Any) -> list[Shape]:
        """The shapes of a sample of each output, for a list of those of the inputs."""
        try:
            found = self.compute_output_shape(list(shapes) if self.merges else shapes[0])
            several = isinstance(found, list) and all(isinstance(shape, (list, tuple)) for shape in found)
            return [tuple(shape) for shape in (found if several else [found])]
        except ValueError as error:
            text = str(error)
            raise ValueError(text if self.name in text else f"layer {self.name!r}: {text}") from None

    def connect(self, inputs: Any, **options: Any) -> Any:
        """Makes a node of a graph; returns its output Tensor, or a list of several.

        `options` are those of this use, which `emit` gets as well.
        """
        self.take(inputs)
        tensors = self._tensors(inputs)
        shapes = [tensor.sample_shape for tensor in tensors]
        self.prepare(shapes)
        self.node = Node(self, tensors, self.sample_shapes(shapes, **options), options)
        return self.node.outputs if len(self.node.outputs) > 1 else self.node.outputs[0]

    def _tensors(self, inputs: Any) -> list[Tensor]:
        """The symbolic inputs as a list."""
        tensors = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        for tensor in tensors:
            if not isinstance(tensor, Tensor):
                raise TypeError(f"layer {self.name!r} takes symbolic tensors or arrays, not both; got {tensor!r}")
        if self.merges and not isinstance(inputs, (list, tuple)):
            raise ValueError(f"layer {self.name!r} takes a list of inputs; got one")
        if not self.merges and len(tensors) != 1:
            raise ValueError(f"layer {self.name!r} takes one input; got {len(tensors)}")
        return tensors

    node: Node | Any = None  # the last one that it was called for

    @property
    def input(self) -> Any:
        """The symbolic tensor, or list of them, that it was last called on."""
        inputs = self._called().inputs
        return inputs if self.merges else inputs[0]

    @property
    def output(self) -> Any:
        """The symbolic tensor, or list of them, that it gave when it was last called."""
        outputs = self._called().outputs
        return outputs if len(outputs) > 1 else outputs[0]

    def _called(self) -> Node:
        if self.node is None:
            raise AttributeError(f"layer {self.name!r} has not been called: it has no input and output")
        return self.node


class Layer(Trainable, Symbolic):
    """A node of a network.

    A layer is built once, for the shape of its inputs without the axis of samples, and then emits its steps into
    any number of plans. There are three kinds of subclasses; each has `get_config` where its constructor has arguments:

    - Layers in NumPy define ``forward(x, training=False)``, which returns y, and ``backward(dy)``, which returns dx
      and adds to `gradients`. Where they have weights they define ``build(input_shape)``, which calls `add_weight`;
      where y has another shape than x, ``compute_output_shape(input_shape)``.
    - Layers made of others define ``call(inputs, training=None)``, which calls them on symbolic tensors.
    - The library's own define `emit`.

    Several inputs are a list, and so are several outputs and their gradients.

    Called on symbolic tensors (`nn.Input`), a layer becomes part of a graph; called on arrays, it computes.

    Parameters
    ----------
    name : str, optional
        Made from the class and a count unless given.
    trainable : bool
        Whether training changes the layer's weights.
    activity_regularizer : str or Regularizer, optional
        Of the layer's outputs: its penalty, the mean over rows, is added to the loss.
    input_shape : tuple of int, optional
        Of a sample. A `Sequential` that begins with the layer needs no ``nn.Input``; on anything else the layer raises.
    input_dim : int, optional
        The same as ``input_shape=(input_dim,)``.
    """

    # Of subclasses in NumPy: methods, each with a signature of its own.
    forward: Any = None
    backward: Any = None
    # Of subclasses in NumPy, in `backward`: arrays beside the weights that are made with `trainable`.
    gradients: Sequence[Array] = ()

    def __init__(self, *, name: str | None = None, trainable: bool = True, dtype: None = None,
                 activity_regularizer: RegularizerLike = None, input_shape: ShapeLike | None = None,
                 input_dim: int | None = None, **unknown: Any) -> None:  # fmt: skip
        _checks.refuse_unknown(type(self).__name__, unknown)
        _checks.refuse(f"{type(self).__name__} (the model has the dtype)", dtype=dtype)
        if name is not None and (not isinstance(name, str) or not name or "/" in name):
            raise ValueError(f"a layer's name must be a non-empty string without '/'; got {name!r}")
        self.name: str = name or unique_name(type(self).__name__)
        self._weights: list[Weight] = []
        self.trainable = trainable
        self.activity_regularizer: Regularizer | None = regularizers.get(activity_regularizer)
        if input_dim is not None:
            if input_shape is not None:
                raise ValueError(f"{type(self).__name__} takes input_shape or input_dim, not both")
            input_shape = (_checks.positive_integer(type(self).__name__, "input_dim", input_dim),)
        self.wanted_shape: Shape | None = None  # of a sample, where the user has said so
        if input_shape is not None:
            self.wanted_shape = _checks.sample_shape(type(self).__name__, "input_shape", input_shape)
        self.built: bool = False
        self.input_shape: Any = None
        self.output_shape: Any = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name!r} built={self.built}>"

    @overload
    def __call__(self, inputs: Tensor | Sequence[Tensor], *arguments: Any, training: bool | None = None,
                 **options: Any) -> Tensor: ...  # fmt: skip

    @overload
    def __call__(self, inputs: Data | Sequence[Data], *arguments: Any, training: bool | None = None,
                 **options: Any) -> Outputs: ...  # fmt: skip

    def __call__(self, inputs: Any, *arguments: Any, training: bool | None = None, **options: Any) -> Any:
        """On symbolic tensors: returns the output's. On arrays: returns f(inputs), an array.

        Parameters
        ----------
        inputs : Tensor or array (rows, ...); a list of them where the layer merges several
        training : bool
            For arrays: whether the layer behaves as in training (dropout, statistics of the minibatch).
        *arguments, **options
            Of layers made of others, further ones of `call`: such as a recurrent cell's states.
        """
        if self.call is not None and (arguments or options):
            return composite.inline(self, inputs, arguments, options, training)
        if options or len(arguments) > 1:
            raise TypeError(f"layer {self.name!r} takes inputs and training; got {[*arguments, *options]}")
        training = arguments[0] if arguments else training
        if is_symbolic(inputs):
            composite.check_mode(self, training)
            return self.connect(inputs)
        from nncore.layers.eager import compute  # which few programs need

        self.take(inputs)
        return compute(self, inputs, self._in_training(training))

    def _in_training(self, training: Any) -> bool:
        """`training` of a call on arrays, which may be None."""
        return training is not None and _checks.boolean(f"layer {self.name!r}", "training", training)

    # ---- what subclasses define

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of a sample's output for the shape of a sample's input, or raises ValueError.

        Layers that merge several inputs get a list of shapes; those with several outputs return one.
        """
        if self.call is not None:
            return composite.output_shape(self, input_shape)
        if isinstance(input_shape, list):
            raise ValueError("it takes several inputs, and needs compute_output_shape(input_shapes)")
        return input_shape

    def build(self, input_shape: Any) -> None:
        """Makes the weights, with `add_weight`."""

    def emit(self, builder: Builder, *xs: Any) -> Any:
        """Adds the layer's steps to a plan; returns its output Value, or a list of several."""
        if self.call is not None:
            return composite.emit(self, builder, xs)
        if self.forward is None:
            raise NotImplementedError(f"{type(self).__name__} needs forward(x), in NumPy, or call(x), of layers")
        from nncore.layers import python_layer  # which few programs need

        return python_layer.emit(self, builder, xs)

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        config = {"name": self.name, "trainable": self.trainable}
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        return self.config_for(Layer, config)

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Makes a layer from `get_config`."""
        return cls(**config)

    # ---- subclasses of users

    def take(self, inputs: Any) -> None:
        if self.call is not None or self.forward is not None:
            composite.take(self, inputs)

    def prepare(self, shapes: Sequence[Shape]) -> None:
        if self.call is not None:
            composite.prepare(self, shapes)

    def sample_shapes(self, shapes: Any) -> list[Shape]:  # type: ignore[override]
        if self.call is not None:  # what comes of it says more than a `compute_output_shape`
            return composite.traced(self, list(shapes), False).output_shapes
        return super().sample_shapes(shapes)

    @property
    def sublayers(self) -> Sequence[AnyLayer]:  # type: ignore[override]
        """The layers that it is made of: its attributes, and those in lists, tuples and dicts among them."""
        return () if self.call is None else composite.sublayers_of(self)

    # ---- weights

    def build_for(self, input_shape: Any, weights: WeightMaker) -> None:
        """Builds the layer for samples of this shape, with weights from a WeightMaker; a second time checks only."""
        if self.wanted_shape not in (None, input_shape):
            raise ValueError(
                f"layer {self.name!r} was made for samples of shape {self.wanted_shape}; got {input_shape}"
            )
        if self.call is not None:
            composite.build(self, input_shape, weights)
            output_shape = composite.output_shape(self, input_shape)
        else:
            output_shape = self.compute_output_shape(input_shape)
        if self.built:
            if self._weights and input_shape != self.input_shape:
                raise ValueError(
                    f"layer {self.name!r} is built for samples of shape {self.input_shape}; got {input_shape}"
                )
            for weight in self.weight_list():
                if weight.array.dtype != weights.dtype:
                    raise ValueError(
                        f"layer {self.name!r} is built with weights of {weight.array.dtype}; the model has "
                        f"{weights.dtype}"
                    )
            return
        self._maker = weights
        try:
            if self.call is None:  # else `build` has been called before
                self.build(input_shape)
        except BaseException:
            self._weights = []  # no half of them: it can be built again
            raise
        finally:
            del self._maker
        self.input_shape, self.output_shape = input_shape, output_shape
        self.built = True

    def add_weight(self, name: str | Any | None = None, shape: ShapeLike | Any | None = None,
                   initializer: InitializerLike | None = None, regularizer: RegularizerLike = None,
                   constraint: ConstraintLike = None, trainable: bool = True,
                   dtype: Dtype | None = None) -> Weight:  # fmt: skip
        """Makes a weight, in `build`; returns it. It can be used as an array.

        Parameters
        ----------
        name : str, optional
            May be left out of the front: ``add_weight(shape, initializer)``.
        shape : tuple of int
            () unless given.
        initializer : str, Initializer, function or array
            "glorot_uniform" unless given.
        regularizer, constraint : str or object, optional
        trainable : bool
            Whether it is trained with the layer.
        dtype : type of numbers
            That of the model, which it has in any case.
        """
        if name is not None and not isinstance(name, str):  # Keras's order
            if shape is not None and initializer is not None:
                raise TypeError(f"layer {self.name!r}: the name of a weight must be a string, not {name!r}")
            name, shape, initializer = None, name, initializer if shape is None else shape
        maker = getattr(self, "_maker", None)
        if maker is None:
            raise RuntimeError(
                f"layer {self.name!r}: add_weight is for build(input_shape) of layers in NumPy: the model that the "
                "layer is part of has dtype and seed"
            )
        if dtype is not None and np.dtype(dtype) != maker.dtype:
            raise ValueError(f"layer {self.name!r}: a weight of {dtype} cannot be; the model has {maker.dtype}")
        shape = (shape,) if hasattr(shape, "__index__") else tuple(shape or ())  # type: ignore[arg-type]
        shape = tuple(_checks.positive_integer(f"layer {self.name!r}", "an extent of a weight", n) for n in shape)
        _sizes.check_elements(f"layer {self.name!r}: a weight", shape)
        initializer = initializers.get("glorot_uniform" if initializer is None else initializer)
        weight: Weight = maker.make(name or f"weight_{len(self._weights)}", shape, initializer)
        weight.regularizer, weight.constraint = regularizers.get(regularizer), constraints.get(constraint)
        weight.trainable = _checks.boolean(f"layer {self.name!r}", "trainable", trainable)
        self._weights.append(weight)
        return weight

    def weight_list(self, trainable_only: bool = False) -> list[Weight]:
        """The layer's Weight objects; as in Keras those that training changes come first."""
        inner: Any = [layer for layer in self.sublayers if isinstance(layer, Layer) or layer.built]
        inner = dict.fromkeys(w for layer in inner for w in layer.weight_list(trainable_only))
        trained = [w for w in self._weights if w.trainable]
        if trainable_only:
            return [*trained, *inner] if self.trainable else []
        return [*trained, *inner, *(w for w in self._weights if not w.trainable)]

    @property
    def weights(self) -> list[Array]:
        """The layer's weights: arrays that view the engine's memory."""
        return [w.array for w in self.weight_list()]

    @property
    def trainable_variables(self) -> list[Array]:
        """The weights that training changes."""
        return [w.array for w in self.weight_list(trainable_only=True)]

    trainable_weights = trainable_variables

    @property
    def non_trainable_variables(self) -> list[Array]:
        """The weights that training does not change."""
        trained = {id(w) for w in self.weight_list(trainable_only=True)}
        return [w.array for w in self.weight_list() if id(w) not in trained]

    non_trainable_weights = non_trainable_variables

    def get_weights(self) -> list[Array]:
        """Returns copies of the weights."""
        return [array.copy() for array in self.weights]

    def set_weights(self, weights: Sequence[Data]) -> None:
        """Copies a list of arrays of the right shapes into the weights."""
        copy_into(self.weight_list(), weights, f"layer {self.name!r}")

    def count_params(self) -> int:
        """Returns how many numbers the layer's weights hold."""
        return sum(w.array.size for w in self.weight_list())


def emit_layer(builder: Builder, layer: Layer | Model, values: Sequence[Value],
               options: Mapping[str, Any] | None = None) -> list[Value]:  # fmt: skip
    """Emits a layer into a plan, its mask, and the penalty on its output; returns the output Values."""
    outputs = layer.emit(builder, *values, **(options or {}))
    outputs = outputs if isinstance(outputs, list) else [outputs]
    if any(value.mask is not None for value in values) and outputs[0].mask is None:
        outputs[0].mask = layer.emit_mask(builder, values)
    if layer.activity_regularizer is not None and builder.penalties is not None:
        for value in outputs:
            builder.penalize_activity(value, layer.activity_regularizer.l1, layer.activity_regularizer.l2)
    return outputs


class WeightMaker:
    """Makes a model's weights: their dtype, their seed, their numbers."""

    dtype: np.dtype[Any]
    seed: int

    def __init__(self, dtype: np.dtype[Any], seed: int) -> None:
        self.dtype, self.seed = dtype, seed
        self._numbers = itertools.count()

    def make(self, name: str, shape: Shape, initializer: Initializer) -> Weight:
        """A new weight with initial values."""
        _spend(name, math.prod(shape))
        array = _engine.aligned_zeros(shape, self.dtype)
        initializer.fill(array, self.seed, next(self._numbers))
        return Weight(name, array)


# While a model is made of a file: [how many more elements of weights there may be]; else None.
_left: contextvars.ContextVar[list[int] | None] = contextvars.ContextVar("elements of weights left", default=None)


@contextlib.contextmanager
def weights_of_at_most(elements: int) -> Iterator[None]:
    """Refuses to make weights of more elements in all, before there is memory for them: a file has no more."""
    token = _left.set([elements])
    try:
        yield
    finally:
        _left.reset(token)


def _spend(name: str, elements: int) -> None:
    left = _left.get()
    if left is not None:
        left[0] -= elements
        if left[0] < 0:
            raise ValueError(f"the architecture has more weights than the file: {name!r} has {elements:,} elements")


def copy_into(weights: Sequence[Weight], arrays: Any, owner: str) -> None:
    """Copies arrays into Weight objects, after all of them have been checked."""
    for weight, array in zip(weights, checked_arrays(weights, arrays, owner), strict=True):
        weight.array[...] = array


def checked_arrays(weights: Sequence[Weight], given: Any, owner: str) -> list[Array]:
    """What is given as a list of arrays for Weight objects, or raises."""
    arrays = [_data.as_array(a, f"{owner}: array {place}")
              for place, a in enumerate(_checks.sequence(owner, "weights", given))]  # fmt: skip
    check_arrays(weights, arrays, owner)
    return arrays


def check_arrays(weights: Sequence[Weight], arrays: Sequence[Array], owner: str) -> None:
    """Raises unless arrays are of the shapes of as many Weight objects, and of real numbers."""
    if len(arrays) != len(weights):
        raise ValueError(f"{owner} has {len(weights)} weights; got {len(arrays)} arrays")
    for weight, array in zip(weights, arrays, strict=True):
        if array.shape != weight.array.shape:
            raise ValueError(f"{owner}: weight {weight.name!r} has shape {weight.array.shape}; got {array.shape}")
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{owner}: weight {weight.name!r} needs real numbers; got {array.dtype}")


_counts: dict[str, _engine.Numbers] = {}


def unique_name(class_name: str) -> Any:
    """dense, dense_1, dense_2, ...: Keras's way of naming."""
    base = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", class_name).lower()
    number = _counts.setdefault(base, _engine.Numbers()).draw()
    return f"{base}_{number}" if number else base

"""What all layers have in common."""

import itertools
import re

from nncore import _checks, _engine
from nncore._calls import forget_calls
from nncore._weight import Weight


class Trainable:
    """What has the switch `trainable`: a layer, a model."""

    @property
    def trainable(self):
        """Whether training changes its weights."""
        return self._trainable

    @trainable.setter
    def trainable(self, value):
        self._trainable = _checks.boolean(type(self).__name__, "trainable", value)
        forget_calls()


class Layer(Trainable):
    """A node of a network.

    A layer is built once, for the shape of its inputs without the axis of samples, and then emits its steps into
    any number of plans. Subclasses define `compute_output_shape`, `emit`, `get_config`, and `build` where they
    have weights.

    Parameters
    ----------
    name : str, optional
        Made from the class and a count unless given.
    trainable : bool
        Whether training changes the layer's weights.
    """

    def __init__(self, *, name=None, trainable=True, dtype=None, **unknown):
        _checks.refuse_unknown(type(self).__name__, unknown)
        _checks.refuse(f"{type(self).__name__} (the model has the dtype)", dtype=dtype)
        if name is not None and (not isinstance(name, str) or not name or "/" in name):
            raise ValueError(f"a layer's name must be a non-empty string without '/'; got {name!r}")
        self.name = name or unique_name(type(self).__name__)
        self.trainable = trainable
        self.built = False
        self._weights = []
        self.input_shape = None
        self.output_shape = None

    def __repr__(self):
        return f"<{type(self).__name__} name={self.name!r} built={self.built}>"

    # ---- what subclasses define

    def compute_output_shape(self, input_shape):
        """Returns the shape of a sample's output for the shape of a sample's input, or raises ValueError."""
        return input_shape

    def build(self, input_shape):
        """Makes the weights, with `add_weight`."""

    def emit(self, builder, x):
        """Adds the layer's steps to a plan; returns its output Value."""
        raise NotImplementedError

    def get_config(self):
        """Returns the constructor's arguments."""
        return {"name": self.name, "trainable": self.trainable}

    @classmethod
    def from_config(cls, config):
        """Makes a layer from `get_config`."""
        return cls(**config)

    # ---- weights

    def build_for(self, input_shape, weights):
        """Builds the layer for samples of this shape, with weights from a WeightMaker; a second time checks only."""
        output_shape = self.compute_output_shape(input_shape)
        if self.built:
            if input_shape != self.input_shape:
                raise ValueError(
                    f"layer {self.name!r} is built for samples of shape {self.input_shape}; got {input_shape}"
                )
            return
        self._maker = weights
        self.build(input_shape)
        del self._maker
        self.input_shape, self.output_shape = input_shape, output_shape
        self.built = True

    def add_weight(self, name, shape, initializer):
        """Makes a weight, trainable with the layer; returns it."""
        weight = self._maker.make(name, shape, initializer)
        self._weights.append(weight)
        return weight

    def weight_list(self, trainable_only=False):
        """The layer's Weight objects."""
        return [w for w in self._weights if not trainable_only or (self.trainable and w.trainable)]

    @property
    def weights(self):
        """The layer's weights: arrays that view the engine's memory."""
        return [w.array for w in self._weights]

    @property
    def trainable_variables(self):
        """The weights that training changes."""
        return [w.array for w in self.weight_list(trainable_only=True)]

    def get_weights(self):
        """Returns copies of the weights."""
        return [w.array.copy() for w in self._weights]

    def set_weights(self, weights):
        """Copies a list of arrays of the right shapes into the weights."""
        copy_into(self._weights, weights, f"layer {self.name!r}")

    def count_params(self):
        """Returns how many numbers the layer's weights hold."""
        return sum(w.array.size for w in self._weights)


class WeightMaker:
    """Makes a model's weights: their dtype, their seed, their numbers."""

    def __init__(self, dtype, seed):
        self.dtype, self.seed = dtype, seed
        self._numbers = itertools.count()

    def make(self, name, shape, initializer):
        """A new weight with initial values."""
        array = _engine.aligned_zeros(shape, self.dtype)
        initializer.fill(array, self.seed, next(self._numbers))
        return Weight(name, array)


def copy_into(weights, arrays, owner):
    """Copies arrays into Weight objects, after all of them have been checked."""
    import numpy as np

    arrays = [np.asarray(a) for a in arrays]
    if len(arrays) != len(weights):
        raise ValueError(f"{owner} has {len(weights)} weights; got {len(arrays)} arrays")
    for weight, array in zip(weights, arrays, strict=True):
        if array.shape != weight.array.shape:
            raise ValueError(f"{owner}: weight {weight.name!r} has shape {weight.array.shape}; got {array.shape}")
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{owner}: weight {weight.name!r} needs real numbers; got {array.dtype}")
    for weight, array in zip(weights, arrays, strict=True):
        weight.array[...] = array


_counts = {}


def unique_name(class_name):
    """dense, dense_1, dense_2, ...: Keras's way of naming."""
    base = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", class_name).lower()
    number = _counts.get(base, 0)
    _counts[base] = number + 1
    return f"{base}_{number}" if number else base

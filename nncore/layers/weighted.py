"""Layers whose weights have initializers, regularizers and constraints of the user's choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nncore import constraints, initializers, regularizers
from nncore.layers.layer import Layer

if TYPE_CHECKING:
    from nncore._likes import ConstraintLike, InitializerLike, RegularizerLike
    from nncore._typing import Array, ArrayProperty, Config, Shape
    from nncore._weight import Weight

# What a constructor takes for each weight, by the ends of the arguments' names.
_CHOICES = {"initializer": initializers, "regularizer": regularizers, "constraint": constraints}


class WeightedLayer(Layer):
    """A layer that declares weights in its constructor, and makes them in `build`.

    Bases of several layers take what their constructors were given for a weight as one tuple, (initializer,
    regularizer, constraint).
    """

    _declared: tuple[str, ...] = ()

    def declare_weight(self, name: str, initializer: InitializerLike, regularizer: RegularizerLike,
                       constraint: ConstraintLike) -> None:  # fmt: skip
        """Sets the attributes <name>_initializer, <name>_regularizer and <name>_constraint, which `get_config` has."""
        for (choice, module), given in zip(_CHOICES.items(), (initializer, regularizer, constraint), strict=True):
            setattr(self, f"{name}_{choice}", module.get(given))
        self._declared = (*self._declared, name)

    def make_weight(self, name: str, shape: Shape, declared: str | None = None) -> Weight:
        """Makes a weight, in `build`, as it, or what is called `declared`, was declared; returns it."""
        return self.add_weight(name, shape, *(getattr(self, f"{declared or name}_{choice}") for choice in _CHOICES))

    def get_config(self) -> Config:
        chosen: Config = {
            f"{name}_{choice}": module.serialize(getattr(self, f"{name}_{choice}"))
            for choice, module in _CHOICES.items()
            for name in self._declared
        }
        return {**chosen, **super().get_config()}


def array_of(attribute: str, meaning: str) -> ArrayProperty:
    """A property with this docstring: the array of the Weight in a layer's attribute, or None where that is None."""

    def array(layer: Layer) -> Array | None:
        weight = getattr(layer, attribute)
        return None if weight is None else weight.array

    return property(array, doc=meaning)

"""Initializers, regularizers and constraints: what a constructor is given reaches its weight and the configuration."""

import inspect

import numpy as np
import pytest

import nncore as nn

CHOICES = {
    "initializer": lambda number: nn.initializers.Constant(number),
    "regularizer": lambda number: nn.regularizers.L2(number),
    "constraint": lambda number: nn.constraints.MaxNorm(number),
}
# Each class with a sample's shape and the arguments that it needs.
LAYERS = {
    "BatchNormalization": ((4, 3), {}),
    "Conv1D": ((5, 3), {"filters": 4, "kernel_size": 2}),
    "Conv1DTranspose": ((5, 3), {"filters": 4, "kernel_size": 2}),
    "Conv2D": ((5, 5, 3), {"filters": 4, "kernel_size": 2}),
    "Conv2DTranspose": ((5, 5, 3), {"filters": 4, "kernel_size": 2}),
    "Dense": ((3,), {"units": 2}),
    "DepthwiseConv1D": ((5, 3), {"kernel_size": 2}),
    "DepthwiseConv2D": ((5, 5, 3), {"kernel_size": 2}),
    "Embedding": ((3,), {"input_dim": 5, "output_dim": 2}),
    "GRU": ((5, 3), {"units": 2}),
    "GroupNormalization": ((5, 4), {"groups": 2}),
    "LSTM": ((5, 3), {"units": 2, "unit_forget_bias": False}),
    "LayerNormalization": ((5, 3), {}),
    "MultiHeadAttention": ((5, 3), {"num_heads": 2, "key_dim": 4}),
    "PReLU": ((3,), {}),
    "SeparableConv1D": ((5, 3), {"filters": 4, "kernel_size": 2}),
    "SeparableConv2D": ((5, 5, 3), {"filters": 4, "kernel_size": 2}),
    "SimpleRNN": ((5, 3), {"units": 2}),
}
REFUSED = {"alpha_regularizer", "alpha_constraint"}


def choices_of(cls):
    """{argument: (weight's name, choice)} of a layer's constructor."""
    split = {name: tuple(name.rsplit("_", 1)) for name in inspect.signature(cls).parameters}
    return {
        name: parts
        for name, parts in split.items()
        if parts[-1] in CHOICES and parts[0] != "activity" and name not in REFUSED
    }


def given_to(cls):
    """(names of weights, arguments), with objects that tell the number of the weight that they are for."""
    choices = choices_of(cls)
    names = list(dict.fromkeys(weight for weight, _ in choices.values()))
    return names, {name: CHOICES[choice](1.0 + names.index(weight)) for name, (weight, choice) in choices.items()}


def test_every_layer_with_choices_is_here():
    classes = [cls for cls in map(vars(nn.layers).get, nn.layers.__all__) if isinstance(cls, type)]
    assert {cls.__name__ for cls in classes if choices_of(cls)} == set(LAYERS)


@pytest.mark.parametrize("name", LAYERS)
def test_choices_are_attributes_and_in_the_configuration(name):
    cls, options = getattr(nn.layers, name), LAYERS[name][1]
    _, given = given_to(cls)
    for choices in (given, dict.fromkeys(given)):
        choices = {name: "zeros" if name.endswith("initializer") and one is None else one
                   for name, one in choices.items()}  # fmt: skip
        layer = cls(**options, **choices)
        config = layer.get_config()
        twin = cls.from_config(config)
        for argument, one in choices.items():
            described = getattr(nn, f"{argument.rsplit('_', 1)[1]}s")
            wanted = described.serialize(described.get(one))
            assert config[argument] == wanted
            assert described.serialize(getattr(layer, argument)) == wanted
            assert described.serialize(getattr(twin, argument)) == wanted


@pytest.mark.parametrize("name", LAYERS)
def test_weights_have_the_choices_of_their_names(name):
    cls, (shape, options) = getattr(nn.layers, name), LAYERS[name]
    names, given = given_to(cls)
    layer = cls(**options, **given)
    x = nn.Input(shape)
    nn.Model(x, layer(x, x) if name == "MultiHeadAttention" else layer(x))
    found = set()
    for weight in layer.weight_list():
        number = int(weight.array.flat[0])
        owner = names[number - 1]
        found.add(owner)
        assert owner in weight.name or (owner, weight.name) == ("depthwise", "kernel")
        assert np.all(weight.array == number)
        assert getattr(weight.regularizer, "l2", None) == (number if f"{owner}_regularizer" in given else None)
        assert getattr(weight.constraint, "max_value", None) == (number if f"{owner}_constraint" in given else None)
    assert found == set(names)

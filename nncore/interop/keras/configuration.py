"""Configurations of layers, losses, metrics and optimizers: one library's arguments as those of the other.

They differ in how objects in them are written, and in arguments that one side alone has: such an argument may be left
out where it has its default, and is refused by name elsewhere.
"""

import functools
import inspect

# Activations that Keras writes as layers, with the arguments that both have.
ACTIVATION_LAYERS = {"ELU": "elu", "LeakyReLU": "leaky_relu", "ReLU": "relu", "Softmax": "softmax"}


@functools.cache
def parameters(cls):
    """{name: default} of what constructors of a class and its bases take."""
    found = {}
    for base in reversed(cls.__mro__):
        if "__init__" in vars(base):
            for name, parameter in inspect.signature(base.__init__).parameters.items():
                if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and name != "self":
                    found[name] = parameter.default
    return found


def fitting(config, source, target, where):
    """The part of a configuration of class `source` that the constructor of `target` takes."""
    wanted, kept = parameters(target), {}
    for name, value in config.items():
        if name in wanted:
            kept[name] = value
        elif value is not None and value != parameters(source).get(name, _Nothing):
            raise ValueError(f"{where}: {target.__module__.split('.')[0]} does not have the option {name}={value!r}")
    return kept


def made(cls, config, where):
    """A layer of a configuration; what is wrong with it is said with where the layer is."""
    try:
        # of both sides the one whose constructor refuses a configuration after `adapt`
        return cls.from_config(config) if cls.__name__ == "Discretization" else cls(**config)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}") from error


class _Nothing:
    """No default."""


def numbers(value):
    """A configuration with Python's numbers in place of NumPy's."""
    if isinstance(value, dict):
        return {key: numbers(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(numbers(part) for part in value)
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value


def is_description(value):
    """Whether a value is an object, as configurations write it."""
    return isinstance(value, dict) and {"class_name", "config"} <= set(value)


def short(number):
    """The shortest decimal number that is the same float32: Keras keeps rates and factors of penalties in float32."""
    import numpy as np

    return float(str(np.float32(number)))

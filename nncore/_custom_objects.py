"""Classes and functions of the user's, by the names under which files and configurations know them."""

import contextvars

_registered = {}  # {"package>name": class or function}
_names = {}  # the other way round
_scopes = contextvars.ContextVar("custom objects", default=())  # dicts, the innermost first


class CustomObjectScope:
    """Makes classes and functions known by name while it is entered, to what reads configurations.

    Parameters
    ----------
    custom_objects : dict from name to class or function

    Examples
    --------
    >>> import nncore as nn
    >>> class Twice(nn.layers.Layer):
    ...     def call(self, x):
    ...         return 2 * x
    >>> config = nn.layers.serialize(Twice())
    >>> with nn.saving.CustomObjectScope({"Twice": Twice}):
    ...     again = nn.layers.deserialize(config)
    >>> type(again).__name__
    'Twice'
    """

    def __init__(self, custom_objects):
        if custom_objects is not None and not isinstance(custom_objects, dict):
            raise TypeError(f"custom_objects must be a dict from name to class or function, not {custom_objects!r}")
        self.custom_objects = custom_objects or {}
        self._tokens = []

    def __enter__(self):
        self._tokens.append(_scopes.set((self.custom_objects, *_scopes.get())))
        return self

    def __exit__(self, *_):
        _scopes.reset(self._tokens.pop())


custom_object_scope = CustomObjectScope


def get_custom_objects():
    """Returns the dict of all that is registered: what is added to it is known from then on."""
    return _registered


def register_keras_serializable(package="Custom", name=None):
    """Returns a decorator that registers a class or function, so that files with it load without `custom_objects`.

    Parameters
    ----------
    package : str
        The first part of the name that files have: "package>name".
    name : str
        That of the class or function unless given.

    Raises
    ------
    ValueError
        For a class without `get_config`, which could not be written.
    """

    def register(thing):
        full = f"{package}>{name or thing.__name__}"
        if isinstance(thing, type) and not hasattr(thing, "get_config"):
            raise ValueError(f"{full}: a class without get_config cannot be registered")
        _registered[full] = thing
        _names[thing] = full
        return thing

    return register


def get_registered_name(obj):
    """Returns the name under which a class or function is registered, or else its own."""
    return _names.get(obj, obj.__name__)


def get_registered_object(name, custom_objects=None, module_objects=None):
    """Returns the class or function of a name: of the scopes, of the registered ones, of the dicts; else None."""
    for known in (*_scopes.get(), _registered, custom_objects or {}, module_objects or {}):
        if name in known:
            return known[name]
    return None


def name_in_files(thing):
    """The name that files and configurations have for a class or function."""
    if thing.__module__.split(".")[0] == "nncore":
        return thing.__name__
    return _names.get(thing, f"Custom>{thing.__name__}")


def find(name):
    """What a name of `name_in_files` stands for, which is not the library's own; None where nobody knows it."""
    found = get_registered_object(name)
    return found if found is not None or ">" not in name else get_registered_object(name.split(">")[-1])

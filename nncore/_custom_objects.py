"""Classes and functions of the user's, by the names under which files and configurations know them."""

from __future__ import annotations

import contextlib
import contextvars
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from typing_extensions import Self

    from nncore._typing import Config

    T = TypeVar("T")

_registered: dict[str, Any] = {}  # {"package>name": class or function}
_names: dict[Any, str] = {}  # the other way round
# Dicts, the innermost first.
_scopes: contextvars.ContextVar[tuple[Any, ...]] = contextvars.ContextVar("custom objects", default=())


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

    def __init__(self, custom_objects: dict[str, Any] | None) -> None:
        if custom_objects is not None and not isinstance(custom_objects, dict):
            raise TypeError(f"custom_objects must be a dict from name to class or function, not {custom_objects!r}")
        self.custom_objects: dict[str, Any] = custom_objects or {}
        self._tokens: list[Any] = []

    def __enter__(self) -> Self:
        self._tokens.append(_scopes.set((self.custom_objects, *_scopes.get())))
        return self

    def __exit__(self, *_: object) -> None:
        _scopes.reset(self._tokens.pop())


custom_object_scope = CustomObjectScope


def get_custom_objects() -> dict[str, Any]:
    """Returns the dict of all that is registered: what is added to it is known from then on."""
    return _registered


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable[[T], T]:
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

    def register(thing: Any) -> Any:
        full = f"{package}>{name or thing.__name__}"
        if isinstance(thing, type) and not hasattr(thing, "get_config"):
            raise ValueError(f"{full}: a class without get_config cannot be registered")
        _registered[full] = thing
        _names[thing] = full
        return thing

    return register


def get_registered_name(obj: Any) -> str:
    """Returns the name under which a class or function is registered, or else its own."""
    return _names.get(obj, obj.__name__)  # type: ignore[no-any-return]


def get_registered_object(name: str, custom_objects: Mapping[str, Any] | None = None,
                          module_objects: Mapping[str, Any] | None = None) -> Any:  # fmt: skip
    """Returns the class or function of a name: of the scopes, of the registered ones, of the dicts; else None."""
    for known in (*_scopes.get(), _registered, custom_objects or {}, module_objects or {}):
        if name in known:
            return known[name]
    return None


def name_in_files(thing: Any) -> str:
    """The name that files and configurations have for a class or function."""
    if is_ours(thing):
        return thing.__name__  # type: ignore[no-any-return]
    name = _names.get(thing, f"Custom>{thing.__name__}")
    if _given_out.get() is not None:
        _given_out.get()[name] = thing  # type: ignore[index]
    return name


def hint(name: str) -> str:
    """What to say of a name that nobody knows; nothing where it is not of a class of the user's."""
    own = str(name).split(">")[-1]
    return f": custom_objects={{{own!r}: {own}}} makes it known, or a registered class" if own != name else ""


def is_ours(thing: Any) -> bool:
    """Whether a class or function is the library's own."""
    return thing.__module__.split(".")[0] == "nncore"  # type: ignore[no-any-return]


def find(name: str) -> Any:
    """What a name of `name_in_files` stands for, which is not the library's own; None where nobody knows it."""
    found = get_registered_object(name)
    return found if found is not None or ">" not in name else get_registered_object(name.rsplit(">", maxsplit=1)[-1])


# Names given out while a model is pickled or copied: {name: class or function}, which go with it.
_given_out: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar("names given out", default=None)


@contextlib.contextmanager
def recording() -> Iterator[dict[str, Any]]:
    """Collects in a dict what has got names in files meanwhile."""
    found: dict[Any, Any] = {}
    token = _given_out.set(found)
    try:
        yield found
    finally:
        _given_out.reset(token)


class Configured:
    """Base of what has `get_config`. Objects of users' classes remember the arguments that they were made with."""

    get_config: Any  # a method of subclasses
    made_with: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})

    def __new__(cls, *arguments: Any, **options: Any) -> Self:
        made = super().__new__(cls)
        if not is_ours(cls):
            made.made_with = (arguments, options)
        return made

    def config_for(self, base: type[Any], common: Config) -> Config:
        """What the `get_config` of a `base` returns, where `common` are arguments that all subclasses have.

        A user's class without one of its own gets one from the arguments of its constructor.
        """
        if type(self).get_config is not base.get_config or is_ours(type(self)):
            return common
        return constructor_config(self, common)


def constructor_config(thing: Any, common: Config) -> Config:
    """The arguments that an object of a class without `get_config` was made with, and of `common` what it takes.

    Raises NotImplementedError for arguments that no file can hold.
    """
    cls = type(thing)
    signature = inspect.signature(cls.__init__)
    bound = signature.bind(thing, *thing.made_with[0], **thing.made_with[1])
    _, *parameters = signature.parameters.values()
    takes_any = any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters)
    config = {name: value for name, value in common.items() if takes_any or name in signature.parameters}
    for parameter in parameters:
        if parameter.kind == parameter.VAR_POSITIONAL:
            raise NotImplementedError(f"{cls.__name__} takes *{parameter.name}: it needs a get_config to be saved")
        if parameter.name in bound.arguments:
            value = bound.arguments[parameter.name]
            config.update(value if parameter.kind == parameter.VAR_KEYWORD else {parameter.name: value})
    config.update({name: value for name, value in common.items() if name in config})  # as it is now
    for name, value in config.items():
        if not _is_plain(value):
            raise NotImplementedError(
                f"{cls.__name__} is made with {name}={value!r}, which no file can hold: it needs a get_config"
            )
    return config


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))

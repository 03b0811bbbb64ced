"""A callback made of functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _checks
from nncore.callbacks.callback import Callback

if TYPE_CHECKING:
    from collections.abc import Callable

    from nncore._typing import Logs

_HOOKS = [name for name in vars(Callback) if name.startswith("on_")]


class LambdaCallback(Callback):
    """Hooks given as functions.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : function(epoch, logs)
    on_train_begin, on_train_end : function(logs)
    on_train_batch_begin, on_train_batch_end : function(batch, logs=logs)
        The logs come by name.
    **kwargs
        Functions for the other hooks of `Callback`, by name.

    Raises
    ------
    TypeError
        For a name that is no hook, and for what cannot be called.

    Examples
    --------
    >>> callback = nn.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
    """

    def __init__(self, on_epoch_begin: Callable[[int, Logs], Any] | None = None,
                 on_epoch_end: Callable[[int, Logs], Any] | None = None,
                 on_train_begin: Callable[[Logs], Any] | None = None, on_train_end: Callable[[Logs], Any] | None = None,
                 on_train_batch_begin: Callable[..., Any] | None = None,
                 on_train_batch_end: Callable[..., Any] | None = None,
                 **kwargs: Callable[..., Any] | None) -> None:  # fmt: skip
        hooks = {"on_epoch_begin": on_epoch_begin, "on_epoch_end": on_epoch_end, "on_train_begin": on_train_begin,
                 "on_train_end": on_train_end, "on_train_batch_begin": on_train_batch_begin,
                 "on_train_batch_end": on_train_batch_end, **kwargs}  # fmt: skip
        for name, hook in hooks.items():
            if name not in _HOOKS:
                raise TypeError(f"LambdaCallback: there is no hook {name!r}.{_checks.suggest(name, _HOOKS)}")
            if hook is None:
                continue
            if not callable(hook):
                raise TypeError(f"LambdaCallback: {name} must be a function, not {hook!r}")
            setattr(self, name, hook)

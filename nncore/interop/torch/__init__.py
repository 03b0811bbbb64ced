"""Modules of PyTorch as models of nncore, and back: the same weights, and the same outputs but for rounding.

A module is traced by torch.fx (`reading`); what it does with its inputs becomes a graph of layers, images with channels
behind. A model becomes a module of PyTorch's own ones (`writing`), which takes what the model takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore._typing import Seed
    from nncore.models.model import Model

__all__ = ["from_torch", "to_torch"]


def from_torch(module: Any, input_shape: Sequence[int] | Sequence[Sequence[int]], *,
               data_format: Literal["channels_last", "channels_first"] = "channels_last",
               seed: Seed = None) -> Model:  # fmt: skip
    """Returns the model of nncore that a module of PyTorch is, as it is in evaluation.

    Parameters
    ----------
    module : torch.nn.Module
        Made of PyTorch's own modules and functions, in ways that torch.fx can trace. It stays as it is.
    input_shape : tuple of int, or list of them for several inputs
        Of a sample, in PyTorch's order: (channels, rows, columns) for images. With None for the axis of samples where
        that is not the first: (steps, None, features) for a recurrent module without `batch_first`.
    data_format : "channels_last" or "channels_first"
        The model takes and gives images (rows, columns, channels), and sequences (steps, channels) where convolutions
        read or give them; or everything in PyTorch's order. The axis of samples is first in any case.
    seed : int, optional
        Of dropout and shuffling, as in `Model`.

    Returns
    -------
    Model
        Of the module's dtype, float32 or float64. Parameters that need no gradient are those of layers that are not
        trainable. Dropout and statistics of minibatches are at work in training.

    Raises
    ------
    ImportError
        Without PyTorch: pip install torch.
    ValueError
        For a module, a function or an option that nncore does not have, with its name and path.
    TypeError
        For what is no module.

    Examples
    --------
    >>> import torch  # doctest: +SKIP
    >>> module = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(),
    ...                              torch.nn.Linear(4 * 26 * 26, 10))  # doctest: +SKIP
    >>> nn.interop.torch.from_torch(module, (1, 28, 28)).input_shape  # doctest: +SKIP
    (None, 28, 28, 1)
    """
    _torch()
    from nncore.interop.torch.reading.reader import read

    return read(module, input_shape, data_format, seed)


def to_torch(model: Model) -> Any:
    """Returns the module of PyTorch that a model of nncore is.

    It is a torch.fx.GraphModule of PyTorch's modules, in evaluation (`module.train()` has it train): with a
    `state_dict` by the names of the layers, and for torch.jit.script. It takes and gives what the model does: images
    with channels behind. Several inputs are several arguments, several outputs a tuple.

    Parameters
    ----------
    model : Model or Sequential, built

    Returns
    -------
    torch.fx.GraphModule
        Of the model's dtype, with copies of its weights. Weights of layers that are not trainable need no gradient.

    Raises
    ------
    ImportError
        Without PyTorch: pip install torch.
    ValueError
        For a layer or option that has no counterpart, by its name. Penalties, constraints and what the model was
        compiled with are no part of a module; they stay behind.
    TypeError
        For what is no model, or one in Python (a subclass with `call`).
    """
    _torch()
    from nncore.interop.torch.writing.writer import write

    return write(model)


def _torch():
    try:
        import torch.fx
    except ImportError as error:
        raise ImportError("nn.interop.torch needs PyTorch: pip install torch") from error
    return torch

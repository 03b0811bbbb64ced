"""Models of Keras 3 as models of nncore, and back: layers, weights, names, and what they were compiled with.

A model is read as a graph of layers, each of which is made anew of its configuration, and gets copies of the weights.
`layers.py` says which layers, `compilation.py` how losses, metrics and optimizers come over.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore._typing import Seed
    from nncore.models.model import Model

__all__ = ["from_keras", "to_keras"]


def from_keras(model: Any, *, compile: bool = True, input_shape: Sequence[int] | Sequence[Sequence[int]] | None = None,
               seed: Seed = None) -> Model:  # fmt: skip
    """Returns the model of nncore that a model of Keras is.

    Outputs are equal but for rounding. What differs between the two libraries otherwise is listed in
    ``docs/from-keras.md``: such as the ε of `Adam`, which comes over as that of PyTorch's form.

    Parameters
    ----------
    model : keras.Sequential, functional keras.Model, or path
        A path is that of a ``.keras`` file, which Keras itself reads, in its safe mode.
    compile : bool
        Whether optimizer with its state, losses and metrics come over as well, where the model was compiled.
    input_shape : tuple of int, or list of them for several inputs; optional
        Of a sample, where the model's own has axes of any length: here they are fixed.
    seed : int, optional
        Of dropout and shuffling, as in `Model`.

    Returns
    -------
    Sequential or Model
        With float32, float64 or mixed_bfloat16 as its layers have.

    Raises
    ------
    ImportError
        Without Keras: pip install keras, and a backend.
    ValueError
        For a layer, an operation or an option that nncore does not have, by its name; for layers of several dtypes.
    TypeError
        For what is no model of Keras, or one in Python (a subclass with `call`).

    Examples
    --------
    >>> import keras  # doctest: +SKIP
    >>> theirs = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])  # doctest: +SKIP
    >>> nn.interop.keras.from_keras(theirs).layers  # doctest: +SKIP
    [<Dense name='dense' built=True>]
    """
    keras = _keras()
    from nncore.interop.keras.reader import read

    if isinstance(model, (str, os.PathLike)):
        if not os.path.exists(model):
            raise FileNotFoundError(f"from_keras: there is no file {os.fspath(model)}")
        _refuse_bomb(model)
        model = keras.saving.load_model(model, compile=compile, safe_mode=True)
    return read(keras, model, compile, input_shape, seed)


def to_keras(model: Model, *, compile: bool = True, batch_size: int | None = None) -> Any:
    """Returns the model of Keras that a model of nncore is.

    Outputs are equal but for rounding. An optimizer whose formula Keras does not have becomes its nearest: `Adam`,
    `RMSprop` and `Adagrad` with ε inside of the root get Keras's form with ε outside, and √ε in its place.

    Parameters
    ----------
    model : Model or Sequential, built
    compile : bool
        Whether optimizer with its state, losses and metrics come over as well, where the model was compiled.
    batch_size : int, optional
        Rows of each minibatch, which stateful recurrent layers of Keras must know.

    Returns
    -------
    keras.Sequential or keras.Model

    Raises
    ------
    ImportError
        Without Keras: pip install keras, and a backend.
    ValueError
        For a layer or option that Keras does not have, by its name.
    TypeError
        For what is no model, or one in Python (a subclass with `call`).
    """
    keras = _keras()
    from nncore.interop.keras.writer import write

    return write(keras, model, compile, batch_size)


def _refuse_bomb(path):
    """Raises ValueError for an archive that would become much larger than it is, before Keras unpacks it."""
    import zipfile

    from nncore import _files

    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            _files.most_unpacked(os.path.getsize(path), path, sum(member.file_size for member in archive.infolist()))


def _keras():
    try:
        import keras
    except ImportError as error:
        raise ImportError("nn.interop.keras needs Keras 3 and a backend of it: pip install keras torch") from error
    if int(keras.__version__.split(".")[0]) < 3:
        raise ImportError(f"nn.interop.keras needs Keras 3; this is {keras.__version__}")
    return keras

"""Models as C: one file without any dependency, that computes what `predict` does."""

from __future__ import annotations

import pathlib
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _checks, _files
from nncore.interop.c.recording import Recording
from nncore.interop.c.source import C_TYPES, Source

if TYPE_CHECKING:
    from nncore._typing import PathLikeStr
    from nncore.models.model import Model

__all__ = ["export"]

_KEYWORDS = (
    "auto break case char const continue default do double else enum extern float for goto if inline int long register "
    "restrict return short signed sizeof static struct switch typedef union unsigned void volatile while"
)


def export(model: Model, path: PathLikeStr, name: str | None = None, *, input_dtype: Any = None,
           header: PathLikeStr | None = None) -> None:  # fmt: skip
    """Writes a model's prediction as one self-contained C99 file.

    The file allocates nothing, needs no library, not even that of mathematics, and has for a model with one input and
    one output, `NAME` being its name, and ``float`` ``double`` for a model of float64::

        void NAME_predict(const float *x, float *y, size_t rows);
        void NAME_predict_with(NAME_scratch *scratch, const float *x, float *y, size_t rows);

    The first has a scratch of its own, there once, and is for one thread at a time; the second is for any number of
    threads with a scratch each. x has `rows` rows without gaps, and so has y. Several inputs and outputs are
    parameters x0, x1, ..., y0, y1, ..., in the model's order.

    Predictions are `model.predict`'s to the last bit, with a compiler that has fused multiply-adds: with ``-mfma`` or
    ``-march=native`` on x86-64, on AArch64, and on Arm with VFPv4 for float32. Elsewhere they are those of nncore's
    variant "generic", rounded twice in each multiply-add; ``-DNNCORE_LIBRARY_FMA`` asks the C library for exact ones,
    which is slow. NaN may have other bits. Nothing is checked: a number that is no row of an `Embedding` gives NaN.

    Parameters
    ----------
    model : Model, built
        Of any layers but those in Python, and recurrent ones that are stateful. Layers behave as in prediction. A model
        of "mixed_bfloat16" is exported as what it is without a processor for bfloat16: float32.
    path : str or path
    name : str, optional
        With which all names visible from outside begin; that of the file unless given.
    input_dtype : str, or list of them for several inputs, optional
        The type that callers have: "float32", "float64", or an integer of 8 to 64 bits such as "uint8"; the model's own
        unless given. Numbers are converted as `predict` does it.
    header : str or path, optional
        Where to write a C header with the declarations, which stand in the file as well.

    Raises
    ------
    ValueError
        For a model that is not built or has a layer that there is no C for, for weights that are NaN or infinite, and
        for names that are none in C. Nothing is written then.

    Examples
    --------
    >>> import pathlib, tempfile, nncore as nn
    >>> model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(3, activation="softmax")])
    >>> path = pathlib.Path(tempfile.mkdtemp(), "iris.c")
    >>> nn.interop.c.export(model, path)
    >>> "void iris_predict(const float *x, float *y, size_t rows);" in path.read_text()
    True
    """
    from nncore import models

    if not isinstance(model, models.Model):
        raise TypeError(f"c.export: model must be a Model, not {model!r}")
    if not model.built:
        raise ValueError(
            f"c.export: model {model.name!r} has no shape yet: begin it with nn.Input((features,)), or call "
            "build((None, features))"
        )
    path = pathlib.Path(_checks.path("c.export", "path", path))
    if header is not None:
        header = pathlib.Path(_checks.path("c.export", "header", header))
        if header == path:
            raise ValueError(f"c.export: path and header must be two files; got {str(path)!r} for both")
    name = _name(path, name)
    types = _types(model, input_dtype)
    with model._exclusively():
        source = Source(Recording(model), name, model.name, types)
    texts = {path: source.text()}
    if header is not None:
        texts[header] = source.header()
    for target, text in texts.items():
        _files.replace(target, text.encode("ascii"))


def _name(path, name):
    if name is None:
        name = re.sub(r"\W", "_", path.stem, flags=re.ASCII)
        name = name if name[:1].isalpha() else f"model_{name}"
    if not isinstance(name, str):
        raise TypeError(f"c.export: name must be a string, not {name!r}")
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) or name in _KEYWORDS.split():
        raise ValueError(f"c.export: name must be an identifier in C; got {name!r}")
    return name


def _types(model, input_dtype):
    count = len(model.graph.inputs)
    given = input_dtype if isinstance(input_dtype, (list, tuple)) else [input_dtype] * count
    if len(given) != count:
        raise ValueError(f"c.export: the model has {count} inputs; input_dtype has {len(given)}")
    return [_type(model.dtype if each is None else each) for each in given]


def _type(given):
    try:
        name = np.dtype(given).name
    except TypeError:
        name = None
    if name not in C_TYPES:
        raise ValueError(f"c.export: input_dtype must be one of {', '.join(C_TYPES)}; got {given!r}")
    return name

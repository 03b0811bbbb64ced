"""Models as ONNX graphs, which other runtimes compute, such as onnxruntime; and ONNX graphs as models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _checks, _files
from nncore._version import __version__
from nncore.models import Model

if TYPE_CHECKING:
    from nncore._typing import PathLikeStr

__all__ = ["export", "from_onnx", "load", "to_onnx"]

OPSET = 17  # what onnxruntime has read since 1.12
IR_VERSION = 8  # of the files that belong to it
MOST_BYTES = 2**31 - 2**16  # that a file holds: protobuf's limit, with room for nodes


def export(model: Model, path: PathLikeStr, *, input_types: Any = None) -> None:
    """Writes a model's predictions as an ONNX file.

    The graph computes what `model.predict` does, for any number of rows, in float64 where the model does, else in
    float32. Names of its inputs and outputs are the model's. Operators are those of opset 17.

    Parameters
    ----------
    model : Model, built
        Of any layers of nncore, and of layers and models of one's own that are made of them by `call`.
    path : str or path
        The file, which is replaced as a whole.
    input_types : str or type of numbers; a list or dict by name for several inputs
        What the graph takes, such as "uint8" for images; None is int64 for inputs that only `Embedding` layers read,
        and the model's type for others.

    Raises
    ------
    ImportError
        Without the package onnx: pip install 'nncore[onnx]'.
    ValueError
        For layers in NumPy, stateful layers, models without a shape, or of more than 2 GB. No file is written.

    Notes
    -----
    Numbers of rows outside of an `Embedding`, which `predict` refuses, are the runtime's to refuse; negative ones count
    from the end. onnxruntime has no kernels of float64 for convolutions. Numbers that a `CategoryEncoding` refuses have
    a code of zeros. Data for a `Discretization` are compared in the model's type.

    References
    ----------
    https://onnx.ai/onnx/operators

    Examples
    --------
    >>> model = nn.Sequential([nn.Input((4,), name="x"), nn.layers.Dense(3, activation="softmax", name="y")])
    >>> nn.interop.onnx.export(model, "model.onnx")  # doctest: +SKIP
    """
    path = _checks.path("onnx.export", "path", path)
    _files.replace(path, to_onnx(model, input_types=input_types).SerializeToString())


def to_onnx(model: Model, *, input_types: Any = None) -> Any:
    """Returns what `export` writes, as an onnx.ModelProto.

    Parameters and errors are those of `export`.

    Examples
    --------
    >>> model = nn.Sequential([nn.Input((4,), name="x"), nn.layers.Dense(3, activation="softmax", name="y")])
    >>> [node.op_type for node in nn.interop.onnx.to_onnx(model).graph.node]  # doctest: +SKIP
    ['Gemm', 'Softmax']
    """
    helper = _package().helper
    if not isinstance(model, Model):
        raise TypeError(f"nn.interop.onnx exports models, such as nn.Sequential([layer]); got {model!r}")
    model._require_built()
    types = _types_of(model, input_types)
    with model._exclusively():
        graph = _write(model, types)
    made = helper.make_model(
        graph, producer_name="nncore", producer_version=__version__, ir_version=IR_VERSION,
        opset_imports=[helper.make_operatorsetid("", OPSET)],
    )  # fmt: skip
    helper.set_model_props(made, {"nncore": __version__, "dtype": np.dtype(model.dtype).name})
    return made


def load(path: PathLikeStr) -> Model:
    """Returns the model of an ONNX file, as `from_onnx` makes it.

    The file must hold all of the model. Nothing in it is run.

    Parameters
    ----------
    path : str or path

    Raises
    ------
    FileNotFoundError
    ImportError
        Without the package onnx: pip install 'nncore[onnx]'.
    ValueError
        For what is no ONNX file, and what `from_onnx` does not read.

    Examples
    --------
    >>> model = nn.interop.onnx.load("model.onnx")  # doctest: +SKIP
    """
    onnx = _package()
    import pathlib

    from google.protobuf.message import DecodeError

    path = pathlib.Path(_checks.path("onnx.load", "path", path))
    if path.stat().st_size > 2**31:
        raise ValueError(f"{path} is no ONNX file: it has more than 2 GB")
    try:
        proto = onnx.load_model_from_string(path.read_bytes())
    except DecodeError as error:
        raise ValueError(f"{path} is no ONNX file: {error}") from error
    return from_onnx(proto)


def from_onnx(proto: Any) -> Model:
    """Returns a model of the layers that an ONNX graph of feed-forward operators is made of, with its weights.

    `model.predict` computes what the graph does, of inputs of the same shapes, and the model can be trained. What is
    read: `Gemm` and `MatMul` with weights, `Conv` and `ConvTranspose` over sequences and images, pooling,
    `BatchNormalization`, `LayerNormalization`, activations, arithmetic of tensors and with numbers, `Softmax`,
    `Concat`, `Flatten`, `Reshape`, `Transpose`, `Pad`, `Slice`, `Resize`, `Gather` from a table, and `Erf` where it is
    part of a gelu.

    Parameters
    ----------
    proto : onnx.ModelProto
        Of opset 7 to 26. Its first axis of each input is that of the rows, the others are of known extents.

    Returns
    -------
    Model
        Of float64 where the graph's inputs or outputs are, else of float32. Not compiled.

    Raises
    ------
    ImportError
        Without the package onnx: pip install 'nncore[onnx]'.
    ValueError
        For operators and options that are not supported, by their names, and graphs that are not as they should be.

    Notes
    -----
    Images of a graph are mostly channels first, where nncore's convolutions have them last: `Permute` layers are
    between where the graph has no `Transpose` of its own. Arithmetic with numbers along an axis becomes a
    `BatchNormalization` that is not trainable.

    Examples
    --------
    >>> model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(3)])
    >>> again = nn.interop.onnx.from_onnx(nn.interop.onnx.to_onnx(model))  # doctest: +SKIP
    """
    onnx = _package()
    if not isinstance(proto, onnx.ModelProto):
        raise TypeError(f"from_onnx takes an onnx.ModelProto; got {proto!r}")
    from nncore.interop.onnx import readers  # noqa: F401  which fill their table
    from nncore.interop.onnx.importing import Reader

    return Reader(proto).model()


def _package():
    try:
        import onnx
    except ImportError as error:
        raise ImportError("nn.interop.onnx needs the package onnx: pip install 'nncore[onnx]'") from error
    return onnx


def _types_of(model, given):
    """The type of numbers of each input."""
    names, own = model.input_names, np.dtype(model.dtype)
    if isinstance(given, dict):
        unknown = [name for name in given if name not in names]
        if unknown:
            raise ValueError(f"input_types names {unknown[0]!r}; the model's inputs are {', '.join(names)}")
        given = [given.get(name) for name in names]
    elif not isinstance(given, (list, tuple)):
        given = [given] * len(names)
    if len(given) != len(names):
        raise ValueError(f"input_types must have a type for each of {len(names)} inputs; got {len(given)}")
    types = []
    for number, one in enumerate(given):
        if one is None:
            embeddings, others = model.graph.readers(number)
            encoded, _ = model.graph.preparing(number)
            one = np.int64 if embeddings and not others and not encoded else own
        one = np.dtype(_checks.name_of_dtype("nn.interop.onnx: input_types", one))
        if one.kind not in "biuf" or one.itemsize > 8:
            raise ValueError(f"input_types must be types of real numbers; got {one.name} for {names[number]!r}")
        types.append(one)
    return types


def _write(model, types):
    """The GraphProto of a model."""
    from nncore.interop.onnx import writers  # noqa: F401  which fills the registry
    from nncore.interop.onnx.graph import ROWS, Graph, Value
    from nncore.interop.onnx.registry import write_model

    dtype = np.dtype(model.dtype)
    graph = Graph(dtype)
    input_names, output_names = model.input_names, []
    for name in model.output_names:
        while name in input_names:
            name += "_output"
        output_names.append(name)
    for name in (*input_names, *output_names):
        graph.claim(name)
    values, inputs = [], []
    for name, tensor, given in zip(input_names, model.inputs, types, strict=True):
        inputs.append((name, given, [ROWS, *tensor.sample_shape]))
        source = {"name": name} if given == dtype else {"given": name, "given_type": given}
        values.append(Value(graph, tensor.sample_shape, **source))
    found = write_model(graph, model, *values)
    size = sum(array.nbytes for _, array in graph.constants)
    if size > MOST_BYTES:
        raise ValueError(f"an ONNX file holds less than 2 GB; model {model.name!r} has {size:,} bytes of weights")
    outputs = [(value.plain, name, dtype, [ROWS, *value.shape])
               for value, name in zip(found, output_names, strict=True)]  # fmt: skip
    return graph.finish(model.name, inputs, outputs)

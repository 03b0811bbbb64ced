"""Frames, tables and tensors of other libraries as NumPy arrays, which view their memory wherever that can be.

No library is imported here that the program has not imported itself, as its data would not exist otherwise; but for
pyarrow, for objects that know no other way than Arrow's.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nncore._typing import Array

__all__ = ["array_of", "columns_of", "columns_of_any", "holds_numbers"]

_TEXT = "nn.layers.StringLookup makes numbers of text"


def columns_of(data: Any, name: str) -> list[Array] | None:
    """The columns of a frame or table as arrays (rows,), views where they can be; None where it is no table.

    Raises
    ------
    TypeError, ValueError
        For a column without numbers or with missing values, naming it.
    """
    module = _library(data)
    for library, kind, read in _TABLES:
        if module == library and isinstance(data, getattr(sys.modules[library], kind)):
            return read(data, name)
    if module is None and not hasattr(data, "__array__") and hasattr(data, "__arrow_c_stream__"):
        return _arrow_columns(_arrow_table(data, name), name)
    return None


def columns_of_any(data: Any) -> Array | None:
    """The columns of a frame or table with anything in them as an array of objects; None where it is no table."""
    module = _library(data)
    for library, kind, _ in _TABLES:
        if module == library and isinstance(data, getattr(sys.modules[library], kind)):
            columns = data.columns if module == "pyarrow" else getattr(data, "get_columns", list)()
            if module == "pandas":
                columns = [data.iloc[:, number] for number in range(data.shape[1])]
            return np.column_stack([np.asarray(column, dtype=object) for column in columns])
    return None


def array_of(data: Any, name: str) -> Array | None:
    """The array of what is one of another library; None where NumPy is to read it by itself."""
    module = _library(data)
    if module == "torch":
        return _torch_array(data, name)
    if module == "jax":
        return _unpacked(np.asarray(data))
    for library, kinds, read in _SERIES:
        if module == library and isinstance(data, tuple(getattr(sys.modules[library], kind) for kind in kinds)):
            return read(data, name)
    if module == "polars" and isinstance(data, sys.modules["polars"].LazyFrame):
        raise TypeError(f"{name} is a LazyFrame of polars, which has no rows yet: give {name}.collect()")
    if hasattr(data, "toarray") and hasattr(data, "nnz"):
        raise TypeError(f"{name} is a sparse matrix; rows must be dense: give {name}.toarray()")
    if isinstance(data, np.ma.MaskedArray) and np.ma.is_masked(data):
        raise ValueError(f"{name} has {np.ma.getmaskarray(data).sum()} masked values; fill them: {name}.filled(0)")
    return None


def holds_numbers(array: Any, name: str) -> Array:
    """Returns an array of another type than the engine's as one of real numbers, or raises TypeError saying why not."""
    kind = array.dtype.kind
    if kind == "f":
        return array.astype(np.float64)
    if kind == "V":
        array = _unpacked(array)
        if array.dtype.kind == "f":
            return array
    if array.ndim == 0 and kind == "O":
        raise TypeError(f"{name} must hold real numbers; got {type(array.item()).__name__}")
    if kind == "O":
        return _of_objects(array, name)
    why = ""
    if kind in "US":
        why = f" of text; {_TEXT}"
    elif kind in "mM":
        why = f"; say what number a time is, such as {name}.astype('int64')"
    elif kind == "c":
        why = "; give real and imaginary parts as features"
    raise TypeError(f"{name} must hold real numbers; got an array of {array.dtype}{why}")


def _of_objects(array: Any, name: str) -> Array:
    """Numbers in an array of Python objects, or a TypeError that names the first thing that is none."""
    flat = array.ravel()
    missing = sum(value is None for value in flat)
    if missing:
        raise ValueError(f"{name} has {missing} missing values (None); fill them, or leave their rows out")
    for place, value in enumerate(flat):
        if isinstance(value, (str, bytes)) or not (hasattr(value, "__float__") or hasattr(value, "__index__")):
            indices = [int(i) for i in np.unravel_index(place, array.shape)]
            hint = f"; {_TEXT}" if isinstance(value, str) else ""
            raise TypeError(
                f"{name} must hold real numbers; got an array of objects, {value!r} of {type(value).__name__} at "
                f"{indices}{hint}"
            )
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"{name} must hold real numbers; got an array of objects: {error}") from None


def _library(data: Any) -> str | None:
    """The library that a thing's class, or one that it derives from, belongs to; None for others."""
    for cls in type(data).__mro__:
        module = cls.__module__.partition(".")[0]
        module = "jax" if module == "jaxlib" else module
        if module in ("pandas", "polars", "pyarrow", "torch", "jax") and module in sys.modules:
            return module
    return None


def _missing(name: str, column: Any, count: int, how: str) -> ValueError:
    return ValueError(f"{name}: column {column!r} has {count} missing values; fill them, or drop their rows: {how}")


def _no_numbers(name: str, column: Any, what: str, how: str) -> TypeError:
    return TypeError(f"{name}: column {column!r} holds {what}, not numbers; {how}")


def _label(name: str, column: Any) -> str:
    return name if column is None else f"{name}: column {column!r}"


# ---- pandas


def _pandas_columns(frame: Any, name: str) -> list[Array]:
    return [_pandas_array(frame.iloc[:, number], name, str(frame.columns[number]))
            for number in range(frame.shape[1])]  # fmt: skip


def _pandas_array(series: Any, name: str, column: Any = None) -> Array:
    """A Series, an Index or an array of an extension type."""
    column = str(getattr(series, "name", None)) if column is None else column
    dtype = series.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf":
        return series.to_numpy(copy=False)
    pandas = sys.modules["pandas"]
    if isinstance(dtype, pandas.CategoricalDtype):
        if dtype.categories.dtype.kind not in "biuf":
            raise _no_numbers(name, column, "categories of text", f"use its numbers, .cat.codes, or {_TEXT}")
        inner = dtype.categories.dtype
    elif isinstance(dtype, np.dtype):
        inner = dtype
    else:
        inner = getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", np.dtype("O")))
    count = int(series.isna().sum())
    kind = getattr(inner, "kind", "O")
    if kind in "mM":
        raise _no_numbers(name, column, f"times ({dtype})", "say what number a time is: .astype('int64'), .dt.year")
    if kind in "biuf" and count and kind != "f":
        raise _missing(name, column, count, ".fillna(0) or .dropna()")
    if kind in "biuf":
        if count and not isinstance(dtype, pandas.SparseDtype):
            raise _missing(name, column, count, ".fillna(0) or .dropna()")
        return series.to_numpy(dtype=inner)
    if kind == "O" and isinstance(dtype, np.dtype):
        return holds_numbers(np.asarray(series, dtype=object), _label(name, column))
    raise _no_numbers(name, column, f"text ({dtype})" if "str" in str(dtype) else str(dtype), f"{_TEXT}")


# ---- polars


def _polars_columns(frame: Any, name: str) -> list[Array]:
    return [_polars_array(series, name) for series in frame.get_columns()]


def _polars_array(series: Any, name: str) -> Array:
    polars, column, dtype = sys.modules["polars"], series.name, series.dtype
    if isinstance(dtype, polars.Array):
        inner = dtype
        while isinstance(inner, polars.Array):
            inner = inner.inner
        numbers = inner.is_numeric() or inner == polars.Boolean
    else:
        numbers = dtype.is_numeric() or dtype == polars.Boolean
    if not numbers:
        text = dtype in (polars.String, polars.Categorical, polars.Enum)
        how = f"use its numbers, .to_physical(), or {_TEXT}" if text else "make numbers of it, or leave it out"
        raise _no_numbers(name, column, f"text ({dtype})" if text else str(dtype), how)
    if series.null_count():
        raise _missing(name, column, series.null_count(), ".fill_null(0) or .drop_nulls()")
    if isinstance(dtype, polars.Decimal):
        series = series.cast(polars.Float64)
    return series.to_numpy()


# ---- Arrow


def _arrow_table(data: Any, name: str) -> Any:
    try:
        import pyarrow
    except ImportError:
        wanted = "reading it needs pyarrow: pip install 'nncore[tables]'"
        raise TypeError(f"{name} is a {type(data).__name__}: {wanted}") from None
    return pyarrow.table(data)


def _arrow_columns(table: Any, name: str) -> list[Array]:
    return [_arrow_array(column, name, label) for column, label in zip(table.columns, table.schema.names, strict=True)]


def _arrow_array(array: Any, name: str, column: Any = None) -> Array:
    """An Array, or a ChunkedArray: a view of its only chunk, or else a copy of all."""
    arrow = sys.modules["pyarrow"]
    if isinstance(array, arrow.ChunkedArray):
        array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()
        if isinstance(array, arrow.ChunkedArray):  # of no chunk, or of too much for one
            array = arrow.concat_arrays(array.chunks) if array.num_chunks else arrow.array([], array.type)
    if isinstance(array, arrow.ExtensionArray):
        array = array.storage
    kind, types = array.type, arrow.types
    if array.null_count:
        raise _missing(name, column, array.null_count, "pyarrow.compute.fill_null(column, 0) or table.drop_null()")
    if types.is_fixed_size_list(kind):
        inner = _arrow_array(array.flatten(), name, column)
        return inner.reshape(len(array), kind.list_size, *inner.shape[1:])
    if types.is_decimal(kind):
        array = array.cast(arrow.float64())
    elif not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)):
        text = types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind)
        how = _TEXT if text else "cast it to numbers, or leave it out"
        raise _no_numbers(name, column, f"text ({kind})" if text else str(kind), how)
    return array.to_numpy(zero_copy_only=types.is_integer(kind) or types.is_floating(kind))


# ---- tensors


def _torch_array(tensor: Any, name: str) -> Array | None:
    torch = sys.modules["torch"]
    if not isinstance(tensor, torch.Tensor):
        return None
    if tensor.requires_grad:
        raise TypeError(f"{name} is a tensor of PyTorch that requires a gradient, which would end here: give "
                        f"{name}.detach()")  # fmt: skip
    if tensor.device.type != "cpu":
        raise TypeError(f"{name} is a tensor of PyTorch on {tensor.device}; nncore computes on the CPU: give "
                        f"{name}.cpu()")  # fmt: skip
    if tensor.layout != torch.strided:
        raise TypeError(f"{name} is a sparse tensor of PyTorch; rows must be dense: give {name}.to_dense()")
    if tensor.is_quantized:
        raise TypeError(f"{name} is a quantized tensor of PyTorch: give {name}.dequantize()")
    if tensor.is_floating_point() and tensor.dtype not in (torch.float16, torch.float32, torch.float64):
        tensor = tensor.float()  # bfloat16 and smaller ones, which NumPy does not have
    return tensor.resolve_neg().numpy()


def _unpacked(array: Any) -> Array:
    """bfloat16 and other small real types, which NumPy knows from ml_dtypes, as float32; others as they are."""
    if array.dtype.kind == "V" and array.dtype.names is None and "float" in array.dtype.name:
        return array.astype(np.float32)
    return array


# Who reads what: (library, class, function of data and name).
_TABLES = (
    ("pandas", "DataFrame", _pandas_columns),
    ("polars", "DataFrame", _polars_columns),
    ("pyarrow", "Table", _arrow_columns),
    ("pyarrow", "RecordBatch", _arrow_columns),
)
_SERIES = (
    ("pandas", ("Series", "Index"), _pandas_array),
    ("polars", ("Series",), _polars_array),
    ("pyarrow", ("Array", "ChunkedArray"), _arrow_array),
)

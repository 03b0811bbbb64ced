"""Arrays of anything that NumPy can view, as the engine reads them: rows of one type, a fixed number of bytes apart.

Data stays as the user gave it wherever the engine can read it: any native real or integer type, any distance
between rows, and rows of one axis as columns that lie apart, each of its own type. What it cannot read (elements of
larger samples apart, foreign byte order) is copied once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nncore import _checks, _engine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nncore._typing import Array, Dtype, Shape
    from nncore.losses.loss import Loss
    from nncore.metrics.metric import Metric

__all__ = ["Source", "as_array", "class_weights", "features", "labels", "row_weights", "targets"]


COLUMNS = len(_engine.SOURCE_TYPES)  # NN_COLUMNS of nncore.h
# A shuffled row of more columns is in so many places of memory that a copy, where it is not large, is cheaper.
MOST_COLUMNS = 128
LARGE_BYTES = 1 << 28


class Columns:
    """Rows of one axis, as arrays (rows,) that lie anywhere, each of its own type. NumPy makes an array of them."""

    def __init__(self, columns: Sequence[Array]) -> None:
        self.columns = columns
        self.shape = (len(columns[0]), len(columns))

    ndim = 2
    dtype = property(lambda self: np.result_type(*self.columns))
    size = property(lambda self: self.shape[0] * self.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Columns:
        return Columns([column[rows] for column in self.columns])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.column_stack(self.columns) if dtype is None else np.column_stack(self.columns).astype(dtype)


class Source(NamedTuple):
    """Rows for a gather kernel."""

    array: Any  # an array, or Columns
    type: int  # NN_BOOL ... of nncore.h
    row_bytes: int
    table: Array | None = None  # of NN_COLUMNS: of each column address, type and bytes from row to row

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.array)

    @property
    def memory(self) -> Any:
        """What the kernel reads first."""
        return self.array if self.table is None else self.table

    def part(self, rows: slice) -> Source:
        """The rows of a slice."""
        array = self.array[rows]
        if self.table is None:
            return self._replace(array=array)
        table = self.table.copy()
        table[:, 0] += rows.indices(len(self.array))[0] * table[:, 2]
        return self._replace(array=array, table=table)

    def pieces(self) -> Iterator[tuple[int, Array]]:
        """Arrays of a few MiB that hold all rows, with the number of the first row of each."""
        step = max(1, 2**22 // max(1, self.array.size // max(1, len(self.array))))
        for start in range(0, len(self.array), step):
            yield start, np.asarray(self.array[start : start + step])


def as_array(data: Any, name: str) -> Array:
    """The data as a NumPy array of real numbers, a view where NumPy can make one."""
    table = as_table(data, name)
    return np.asarray(table) if isinstance(table, Columns) else table


def as_floats(data: Any, name: str) -> Array:
    """The data as an array of float32 or float64, of its own type where that is one of them in any byte order."""
    array = as_array(data, name)
    native = array.dtype.newbyteorder("=")
    return np.asarray(array, native if native in _engine.DTYPES else np.float64)


def as_table(data: Any, name: str) -> Any:
    """The data as `as_array`, or, of a frame or table with several columns, as Columns."""
    array = data if type(data) is np.ndarray else _read(data, name)
    if isinstance(array, Columns) or (array.dtype.kind in "biuf" and array.dtype.itemsize <= 8):
        return array
    from nncore import _foreign  # which programs with arrays do without

    return _foreign.holds_numbers(array, name)


def _read(data: Any, name: str) -> Any:
    """The data as an array of anything, or as Columns."""
    from nncore import _foreign

    columns = _foreign.columns_of(data, name)
    if columns is not None:
        if not columns:
            raise ValueError(f"{name} is a table without columns")
        columns = [_native(column, name) for column in columns]
        if len(columns) == 1:
            return columns[0][:, None] if columns[0].ndim == 1 else columns[0]
        if any(column.ndim > 1 for column in columns):
            raise ValueError(f"{name} has a column of lists beside others; give each as an input of its own")
        in_place = _pays_in_place(len(columns), sum(column.nbytes for column in columns))
        return Columns(columns) if in_place else np.asarray(Columns(columns))
    try:
        array = _foreign.array_of(data, name)
        if array is not None:
            return array
        direct = hasattr(data, "__array__") or hasattr(data, "__array_interface__")
        if hasattr(data, "__dlpack__") and not direct:
            return np.from_dlpack(data)
        return np.asarray(data)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        if type(error) in (TypeError, ValueError) and str(error).startswith(name):
            raise  # it says what is wrong
        raise ValueError(f"{name} cannot be read as an array: {error}") from error


def _native(column: Any, name: str) -> Array:
    """A column of a type and byte order that the engine reads; a copy where it is not."""
    if column.dtype.kind not in "biuf" or column.dtype.itemsize > 8:
        return as_array(column, name)
    return column if column.dtype.isnative else column.astype(column.dtype.newbyteorder("="))


def as_source(array: Array, dtype: Dtype) -> Source:
    """The array's rows, or those of Columns, as a Source; copied only where the engine cannot read them as they are.

    The copy is of `dtype` where the engine does not know the array's.
    """
    if isinstance(array, Columns):
        columns = [(column.ctypes.data, _engine.SOURCE_TYPES.index(column.dtype), column.strides[0])
                   for column in array.columns]  # fmt: skip
        return Source(array, COLUMNS, 0, np.array(columns, np.int64))
    native = array.dtype.isnative and array.dtype in _engine.SOURCE_TYPES
    inner = array.dtype.itemsize
    contiguous = True
    for extent, stride in zip(array.shape[:0:-1], array.strides[:0:-1], strict=True):
        if extent > 1 and stride != inner:
            contiguous = False
        inner *= extent
    if not contiguous and native and array.ndim == 2 and _pays_in_place(array.shape[1], array.nbytes):
        places = np.empty((array.shape[1], 3), np.int64)
        places[:, 0] = array.ctypes.data + np.arange(array.shape[1]) * array.strides[1]
        places[:, 1], places[:, 2] = _engine.SOURCE_TYPES.index(array.dtype), array.strides[0]
        return Source(array, COLUMNS, 0, places)
    if not (native and contiguous):
        own = array.dtype.newbyteorder("=")  # in which whole numbers stay what they are
        array = np.ascontiguousarray(array, own if own in _engine.SOURCE_TYPES else dtype)
    return Source(array, _engine.SOURCE_TYPES.index(array.dtype), array.strides[0] if len(array) > 1 else 0)


def _pays_in_place(columns: int, nbytes: int) -> bool:
    return columns <= MOST_COLUMNS or nbytes >= LARGE_BYTES


def shape_of(data: Any, name: str, *readers: Any) -> Shape:
    """The shape of data for one of some layers, of which those that encode data read others than numbers."""
    for reader in readers:
        if getattr(reader, "prepares_data", False):
            try:
                return reader.read(data, name).shape
            except TypeError:  # it is for another one
                continue
    return as_table(data, name).shape


def per_name(what: str, data: Any, names: Sequence[str], missing: Any = ...) -> list[Any]:
    """One entry for each of several names: of a dict by name, of a list or tuple in order; alone, the data itself.

    With `missing` names that a dict lacks, and a list's entries that are None, stand for that.
    """
    if isinstance(data, dict):
        unknown = [name for name in data if name not in names]
        absent = [name for name in names if name not in data]
        if unknown or (absent and missing is ...):
            raise ValueError(f"{what} is wanted for {', '.join(names)}; got {', '.join(map(str, data))}")
        return [data.get(name, missing) for name in names]
    if len(names) == 1:
        return [data[0] if isinstance(data, (list, tuple)) and len(data) == 1 and hasattr(data[0], "shape") else data]
    if not isinstance(data, (list, tuple)) or len(data) != len(names):
        got = f"{len(data)} things" if isinstance(data, (list, tuple)) else type(data).__name__
        raise ValueError(f"{what} must be a list or dict of arrays for {', '.join(names)}; got {got}")
    return list(data)


def features(data: Any, shape: Shape, dtype: Dtype, owner: str, name: str = "x") -> Source:
    """Inputs for samples of `shape`, as a Source of the rows.

    `owner` names in errors who expects that shape.
    """
    array = as_table(data, name)
    if array.ndim == 1 and shape == (1,):
        array = array[:, None]
    if array.ndim == 0 or array.shape[1:] != shape:
        wanted = f"{shape[0]} features" if len(shape) == 1 else f"shape {shape} for each sample"
        raise ValueError(f"{owner} expects inputs of {wanted}; {name} has shape {array.shape}")
    return as_source(array, dtype)


def check_indices(source: Source, layers: Sequence[Any], name: str) -> None:
    """Raises where a Source does not hold numbers of rows of the tables of all these layers."""
    layer = min(layers, key=lambda layer: layer.input_dim)
    for start, array in source.pieces():
        wrong = array != np.floor(array) if array.dtype.kind == "f" else np.zeros((), bool)
        if not wrong.any():
            if array.size == 0 or (array.min() >= 0 and array.max() < layer.input_dim):
                continue
            wrong = (array < 0) | (array >= layer.input_dim)
        place = np.unravel_index(int(wrong.argmax()), array.shape)
        raise ValueError(
            f"layer {layer.name!r} takes whole numbers from 0 to {layer.input_dim - 1}; {name} holds {array[place]} in "
            f"row {start + place[0]}"
        )


def labels(data: Any, classes: int, name: str = "y", ignored: int | None = None) -> Array:
    """Class numbers, checked to be whole and to lie in 0 .. classes - 1 or to be the one `ignored`, as an array."""
    array = as_array(data, name)
    if array.size == 0:
        return array
    if array.dtype.kind == "f" and not (array == np.floor(array)).all():
        fraction = array[array != np.floor(array)][0]
        raise ValueError(f"{name} must hold class numbers; got the fraction or NaN {fraction}")
    checked = array if ignored is None else array[array != ignored]
    low, high = checked.min(initial=0), checked.max(initial=0)
    if low < 0 or high >= classes:
        bad = low if low < 0 else high
        row = int(np.flatnonzero((array == bad).reshape(len(array), -1).any(1))[0]) if array.ndim else 0
        raise ValueError(f"{name} holds the class {bad} in row {row}; the output has classes 0 to {classes - 1}")
    return array


def _target_array(data: Any, loss: Loss | Metric, shape: Shape, rows: int, name: str) -> Array:
    """Checked targets in the shape (rows, *loss.target_shape(shape))."""
    wanted = loss.target_shape(shape)
    ignored = getattr(loss, "ignore_class", None)
    array = labels(data, shape[-1], name, ignored) if loss.labels else as_table(data, name)
    if array.ndim == 0 or len(array) != rows:
        got = "one number" if array.ndim == 0 else f"{len(array)} rows"
        raise ValueError(f"x has {rows} rows; {name} has {got}")
    if array.shape[1:] == (*wanted, 1) or (array.shape[1:] == () and wanted == (1,)):
        array = array.reshape(rows, *wanted)
    if array.shape[1:] != wanted:
        what = "class numbers" if loss.labels else "targets"
        hint = ""
        if loss.labels and array.shape[1:] == shape:
            hint = ": one-hot rows are for CategoricalCrossentropy"
        elif not loss.labels and array.shape[1:] == () and len(shape) == 1:
            hint = ": class numbers are for SparseCategoricalCrossentropy"
        shapes = f"{what} of shape {(rows, *wanted)}; {name} has {array.shape}"
        raise ValueError(f"{getattr(loss, 'kind', 'loss')} {loss.name!r} expects {shapes}{hint}")
    return array


def target_source(data: Any, loss: Loss | Metric, shape: Shape, rows: int, dtype: Dtype, name: str = "y") -> Source:
    """Targets for predictions of `shape`, as a Source of the rows."""
    return as_source(_target_array(data, loss, shape, rows, name), dtype)


def targets(data: Any, loss: Loss | Metric, shape: Shape, rows: int, dtype: Dtype, name: str = "y") -> Array:
    """Targets for predictions of `shape`, as a contiguous array (rows, elements) for a loss's kernel."""
    array = _target_array(data, loss, shape, rows, name)
    return np.ascontiguousarray(array, np.int32 if loss.labels else dtype).reshape(rows, -1)


def row_weights(data: Any, rows: int, dtype: Dtype, shape: Shape = ()) -> Array | None:
    """Weights of the rows as a contiguous array (rows,), of their samples as (rows, samples), or None.

    `shape` is that of the samples of a row.
    """
    if data is None:
        return None
    array = as_array(data, "sample_weight")
    if array.shape == (rows, 1):
        array = array[:, 0]
    if array.shape != (rows,) and (not shape or array.shape != (rows, *shape)):
        wanted = f"({rows},)" + (f" or {(rows, *shape)}" if shape else "")
        raise ValueError(f"sample_weight must have shape {wanted}; got {array.shape}")
    with np.errstate(over="ignore"):  # what is infinite in the model's type is refused
        array = array.reshape(rows, math.prod(array.shape[1:])) if array.ndim > 1 else array
        weights = np.ascontiguousarray(array, dtype)
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError(f"sample_weight must be finite in {np.dtype(dtype).name} and not negative")
    return weights


def apart(y_pred: Array, target: Array, weight: Array | None) -> tuple[Array, Array, Array | None]:
    """Predictions, targets and weights of rows; of samples as rows, where each has a weight."""
    if weight is None or weight.ndim == 1:
        return y_pred, target, weight
    return y_pred.reshape(-1, y_pred.shape[-1]), target.reshape(weight.size, -1), weight.reshape(-1)


def class_weights(weights: Mapping[int, float], target: Array, classes: int, dtype: Dtype) -> Array:
    """The weight of each row from a dict of class weights; rows of other classes weigh 1.

    `target` is an array of class numbers (rows,), those of a single unit rounded, or of one-hot rows (rows, classes).
    """
    table = np.ones(classes, dtype)
    for key, weight in weights.items():
        number = _checks.index_of(key)
        if number is None or not 0 <= number < classes:
            raise ValueError(f"class_weight names the class {key!r}; there are the classes 0 to {classes - 1}")
        most = float(np.finfo(dtype).max)
        table[number] = _checks.real_number("class_weight", f"the weight of class {number}", weight, 0, most)
    numbers: Any = target.reshape(len(target), -1)
    numbers = numbers[:, 0] if numbers.shape[1] == 1 else numbers.argmax(1)
    numbers = np.rint(numbers).astype(np.int64)
    known = (numbers >= 0) & (numbers < classes)  # another is a label that the loss ignores
    return np.where(known, table[np.where(known, numbers, 0)], np.ones((), dtype))


def check_finite(source: Source, name: str) -> None:
    """Raises for a NaN or an infinity, naming its row."""
    for start, part in source.pieces():
        if part.dtype.kind == "f" and not np.isfinite(part).all():
            row = start + int(np.flatnonzero(~np.isfinite(part).reshape(len(part), -1).all(1))[0])
            raise ValueError(f"{name} holds a NaN or an infinity in row {row}")

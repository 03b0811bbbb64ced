"""Calls of the kernels of gather.h."""

import numpy as np

from cases.base import Array, cases_for

# In the order of NN_BOOL and those after it.
SOURCE_TYPES = tuple(np.dtype(t) for t in ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"))

COLUMNS = len(SOURCE_TYPES)  # NN_COLUMNS
_columns = []  # whose addresses are in tables of cases


def columns_cases(make, output):
    """Cases of columns of one type each, which lie apart and are read at any distance; `output` makes y of a shape.

    The reference has one type for all columns: so that none loses bits, those of 64 bits stand alone.
    """
    wide = [number for number, dtype in enumerate(SOURCE_TYPES) if dtype.itemsize == 8]
    narrow = [number for number in range(len(SOURCE_TYPES)) if number not in wide]
    for turn, numbers in enumerate(([1], narrow, narrow[::-1] + narrow, *([n] * 3 for n in wide))):
        rows = (1, 7, 30, 5)[turn % 4]
        data_rows, table = rows + 4, []
        for place, number in enumerate(numbers):
            column = source_values(make, number, data_rows, 1 + place % 3)[:, 0]
            column = column[::-1] if place % 2 else column
            _columns.append(column)
            table.append((column.ctypes.data, number, column.strides[0]))
        order = Array(make.random.permutation(data_rows)) if turn % 2 else None
        y = output(rows, len(numbers))
        yield make.case(
            f"{len(numbers)} columns {numbers}{' in order' if order else ''}", (rows // 3, rows),
            {"first_row": turn % 5, "order": order, "rows": rows},
            source=Array(np.array(table, np.int64)), y=y, type=COLUMNS, source_stride_bytes=0, features=len(numbers),
            y_stride=y.stride,
        )  # fmt: skip


def source_values(make, number, rows, width):
    """Elements of every size that a source type has."""
    dtype = SOURCE_TYPES[number]
    if dtype.kind == "f":
        values = (make.random.standard_normal((rows, width)) * 3).astype(dtype)
        limits = np.finfo(dtype)
        special = [np.nan, np.inf, -np.inf, 0.0, -0.0, limits.smallest_subnormal, -limits.tiny, limits.max, 1 / 3]
        chosen = make.random.random(values.shape) < 0.4
        values[chosen] = make.random.choice(np.array(special, dtype), chosen.sum())
        return values
    raw = make.random.integers(0, 256, (rows, width * dtype.itemsize), np.uint8)
    raw[::3] = 0xFF  # the largest, or -1
    return raw.view(dtype)


@cases_for("gather_rows")
def gather_rows_cases(make, kernel):
    for number, dtype in enumerate(SOURCE_TYPES):
        for turn, (features, rows) in enumerate(((1, 1), (3, 7), (8, 3), (17, 5), (33, 30), (300, 4), (784, 3))):
            data_rows = rows + 4
            values = source_values(make, number, data_rows, features)
            stride = features * dtype.itemsize + (0, 1, 5, dtype.itemsize)[turn % 4]  # unaligned where not whole
            if turn % 3 == 2:
                stride = -stride
            shuffled = turn % 2 == 1
            order = Array(make.random.permutation(data_rows)) if shuffled else None
            y = make.output(rows, features)
            yield make.case(
                f"{dtype} ({data_rows}, {features}) {stride} bytes apart{' in order' if shuffled else ''}",
                (rows // 3, rows),
                {"first_row": turn % 5, "order": order, "rows": rows},
                source=Array(values, stride_bytes=stride),
                y=y,
                type=number,
                source_stride_bytes=stride,
                features=features,
                y_stride=y.stride,
            )
    for number in (2, SOURCE_TYPES.index(make.dtype)):  # images, and rows of the kernel's own type
        values = source_values(make, number, 2048, 784)
        y = make.output(128, 784, padding=0)
        stride = values[0].nbytes
        yield make.case(
            f"{values.dtype} (2048, 784) in order", 128,
            {"order": Array(make.random.permutation(2048)), "rows": 128}, timed=True,
            source=Array(values), y=y, type=number, source_stride_bytes=stride, features=784, y_stride=y.stride,
        )  # fmt: skip

    yield from columns_cases(make, make.output)


@cases_for("gather_labels")
def gather_labels_cases(make, kernel):
    edges = [0.0, 2.9, -2.9, 2147483647.0, 2147483648.0, -2147483647.0, -2147483648.0, 1e30, np.nan, np.inf, -np.inf]
    for number, dtype in enumerate(SOURCE_TYPES):
        for turn, (rows, features) in enumerate(((1, 1), (5, 1), (30, 1), (4, 7))):
            data_rows = rows + 3
            values = source_values(make, number, data_rows, features)
            if dtype.kind == "f" and turn:
                with np.errstate(over="ignore"):
                    values[:, 0] = np.resize(np.array(edges).astype(dtype), data_rows)
            stride = dtype.itemsize * (1, 3, -2, features)[turn] + (0, 1, 0, 1)[turn]
            y = make.output(rows, features, dtype=np.int32, padding=turn)
            order = Array(make.random.permutation(data_rows)) if turn == 1 else None
            yield make.case(
                f"{dtype} ({data_rows}, {features}) {stride} bytes apart{' in order' if turn == 1 else ''}",
                (rows // 3, rows),
                {"first_row": turn, "order": order, "rows": rows},
                source=Array(values, stride_bytes=stride),
                y=y,
                type=number,
                source_stride_bytes=stride,
                features=features,
                y_stride=y.stride,
            )
    values = make.random.integers(0, 10, (60000, 1)).astype(np.uint8)
    yield make.case(
        "uint8 (60000,) in order", 128, {"order": Array(make.random.permutation(60000)), "rows": 128}, timed=True,
        source=Array(values), y=make.output(128, 1, dtype=np.int32, padding=0), type=2, source_stride_bytes=1,
        features=1, y_stride=1,
    )  # fmt: skip
    yield from columns_cases(make, lambda rows, width: make.output(rows, width, dtype=np.int32))


@cases_for("store_rows")
def store_rows_cases(make, kernel):
    for rows, columns, block in make.row_shapes():
        x, target = make.matrix(make.specials(rows, columns)), make.output(rows + 3, columns)
        yield make.case(f"({rows}, {columns})", block, {"first_row": rows % 4}, x=x, target=target, features=columns,
                        x_stride=x.stride, target_stride=target.stride)  # fmt: skip


@cases_for("add_rows")
def add_rows_cases(make, kernel):
    for rows, columns, block in make.row_shapes():
        x, y = make.matrix(make.magnitudes(rows, columns, low=-3, high=3)), make.matrix(make.normal(rows, columns))
        yield make.case(f"({rows}, {columns})", block, x=x, y=y, features=columns, x_stride=x.stride, y_stride=y.stride)
    x, y = make.matrix(make.specials(5, 31)), make.matrix(make.specials(5, 31)[::-1])
    yield make.case("special values", 5, x=x, y=y, features=31, x_stride=x.stride, y_stride=y.stride)
    x, y = make.matrix(make.normal(128, 256), 0), make.matrix(make.normal(128, 256), 0)
    yield make.case("(128, 256)", 128, timed=True, flops=128 * 256, x=x, y=y, features=256, x_stride=256, y_stride=256)

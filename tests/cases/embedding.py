"""Calls of the kernels of embedding.h."""

import numpy as np

from cases.base import Array, cases_for

# rows, positions, rows of the table, columns
SIZES = [(1, 1, 1, 1), (3, 5, 7, 4), (4, 3, 1, 9), (2, 9, 255, 17), (5, 4, 256, 8), (3, 3, 70000, 3), (7, 2, 3, 33),
         (17, 6, 12, 16), (2, 3, 2**24 + 5, 1), (9, 11, 300, 5)]  # fmt: skip


def indices_of(make, number, rows, positions, count):
    """Numbers of rows, many of them more than once; in some cases numbers that are none."""
    values = make.random.integers(0, min(count, 3 + 40 * (number % 2)), (rows, positions))
    if count > 1:
        values[0, 0] = count - 1
    if number % 3 == 1:
        wrong = [-1, count, 2**31 - 1, -(2**31)]
        chosen = make.random.random(values.shape) < 0.3
        values[chosen] = make.random.choice(wrong, chosen.sum())
    return values.astype(np.int32)


def sorted_places(indices, count):
    """What sort_indices leaves in its first half."""
    keys = indices.ravel().astype(np.int64)
    keys = np.where((keys >= 0) & (keys < count), keys, count)
    order = np.argsort(keys, kind="stable")
    return keys[order] << 32 | order


@cases_for("whole_indices")
def whole_cases(make, kernel):
    def one(label, values, block):
        x, y = make.matrix(values), make.output(*values.shape, dtype=np.int32)
        return make.case(label, block, x=x, y=y, features=values.shape[1], x_stride=x.stride, y_stride=y.stride)

    for rows, columns, block in make.row_shapes():
        values = make.random.integers(-5, 100, (rows, columns)).astype(make.dtype)
        values[:, ::4] += make.dtype.type(0.5)
        yield one(f"({rows}, {columns})", values, block)
    yield one("special values", make.specials(5, 31), 5)
    edges = np.array([2**24, 2**31, -(2**31), 2**31 - 128, -(2**31) - 256, 2.0**40, -0.0, 1e-30], make.dtype)
    yield one("edges", edges.reshape(2, 4), 2)


@cases_for("embedding_forward")
def forward_cases(make, kernel):
    for number, (rows, positions, count, width) in enumerate(SIZES):
        if count * width > 10**6:
            continue
        indices = make.matrix(indices_of(make, number, rows, positions, count))
        y = make.output(rows, positions * width)
        yield make.case(f"({rows}, {positions}) of ({count}, {width})", (rows // 3, rows), indices=indices,
                        table=Array(make.normal(count * width)), y=y, positions=positions, count=count, width=width,
                        indices_stride=indices.stride, y_stride=y.stride)  # fmt: skip
    indices, y = Array(make.random.integers(0, 5000, (128, 32)).astype(np.int32)), make.output(128, 32 * 64)
    yield make.case("(128, 32) of (5000, 64)", 128, timed=True, indices=indices, table=Array(make.normal(5000 * 64)),
                    y=y, positions=32, count=5000, width=64, indices_stride=32, y_stride=y.stride)  # fmt: skip


@cases_for("sort_indices")
def sort_cases(make, kernel):
    def one(number, rows, positions, count, timed=False):
        indices = make.matrix(indices_of(make, number, rows, positions, count))
        room = rows * positions + number % 4
        return make.case(f"({rows}, {positions}) of {count}", (0, 1), {"rows": rows - number % 2 if rows > 1 else 1},
                         timed=timed, indices=indices, sorted=Array(np.full(2 * room, -7, np.int64)), room=room,
                         positions=positions, count=count, indices_stride=indices.stride)  # fmt: skip

    for number, (rows, positions, count, _) in enumerate(SIZES):
        yield one(number, rows, positions, count)
        yield one(number + 1, rows, positions, count)
    yield one(0, 128, 32, 5000, timed=True)


@cases_for("embedding_gradient", "embedding_sgd")
def gradient_cases(make, kernel):
    sgd = kernel == "embedding_sgd"

    def one(number, rows, positions, count, width, timed=False):
        used = rows - 1 if number % 2 and rows > 1 else rows
        indices = indices_of(make, number, rows, positions, count)[:used]
        dy = make.matrix(make.normal(rows, positions * width), 0 if timed else None)
        columns = (width // 5, width - width // 7) if number % 3 == 2 else (0, width)
        places = Array(sorted_places(indices, count))
        arguments = {"sorted": places, "dy": dy, "positions": positions, "width": width, "dy_stride": dy.stride}
        worker, label = {"rows": used, "learning_rate": 0.3}, f"({used}, {positions}) of ({count}, {width})"
        if sgd:
            whole = used * positions
            block = (whole // 4, whole - whole // 5, *columns) if number % 4 == 3 else (0, whole + 3, *columns)
            return make.case(label, block, worker, timed=timed, **arguments, count=count,
                             parameter=Array(make.normal(count * width)))  # fmt: skip
        begin, end = (count // 4, count - count // 5) if number % 4 == 3 else (0, min(count, 300))
        worker["gradient"] = make.matrix(make.normal(end - begin, columns[1] - columns[0]))
        return make.case(label, (begin, end, *columns), worker, timed=timed, **arguments, accumulate=number % 2)

    for number, size in enumerate(SIZES):
        if size[2] * size[3] <= 10**6:
            yield one(number, *size)
            yield one(number + 1, *size)
            yield one(number + 3, *size)
    yield one(0, 128, 32, 300, 64, timed=True)

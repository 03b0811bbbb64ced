"""Calls of the kernels of attention.h."""

import itertools

import numpy as np

from cases.base import cases_for


def layout(stacked, heads, rows, columns):
    """Elements from head to head and from row to row: heads one behind the other, or beside each other."""
    return (rows * columns, columns) if stacked else (columns, heads * columns)


@cases_for("head_product")
def product_cases(make, kernel):
    def one(number, rows, heads, outer, inner, columns, timed=False, special=False):
        a_transposed, b_transposed = number % 2, number // 2 % 2
        sizes = {"a": (inner, outer) if a_transposed else (outer, inner),
                 "b": (columns, inner) if b_transposed else (inner, columns), "c": (outer, columns)}  # fmt: skip
        values = {name: make.normal(rows, heads * n * m) for name, (n, m) in sizes.items()}
        if special:
            values["a"][0, 0], values["a"][1, -1], values["b"][2, 0] = np.inf, np.nan, -np.inf
        arrays = {name: make.matrix(values[name]) for name in "ab"} | {"c": make.output(rows, heads * outer * columns)}
        arguments = {}
        for place, (name, size) in enumerate(sizes.items()):
            head, row = layout(number >> place & 1, heads, *size)
            arguments |= {f"{name}_head": head, f"{name}_row": row, f"{name}_stride": arrays[name].stride}
        return make.case(
            f"{heads} heads ({outer}, {inner}) ({inner}, {columns}) {number}", (rows // 3, rows), timed=timed,
            flops=2.0 * rows * heads * outer * inner * columns, heads=heads, outer=outer, inner=inner, columns=columns,
            a_transposed=a_transposed, b_transposed=b_transposed, **arrays, **arguments,
        )  # fmt: skip

    numbers = itertools.count()
    for size in (1, 2, 3, 5, 8, 9, 16, 17, 31, 33, 70):
        for shape in ((1, size, 1), (size, 3, 4), (3, size, 5), (2, 4, size), (size, size, size)):
            yield one(next(numbers), 1 + size % 4, 1 + size % 3, *shape)
    for number in range(8):
        yield one(number, 3, 2, 3, 5, 9, special=True)
        yield one(number, 1, 1, 5, (700, 300)[number % 2], (3, 140)[number // 4])
    for number in (2, 3, 0):
        yield one(number, 32, 4, 32, 16, 32, timed=True)


@cases_for("attention_softmax", "attention_softmax_backward")
def softmax_cases(make, kernel):
    forward = kernel == "attention_softmax"

    def one(number, rows, heads, queries, keys, timed=False, special=False):
        width = heads * queries * keys
        kinds = number % 8
        shapes = {"query_mask": queries, "key_mask": keys, "attention_mask": queries * keys}
        arguments = {"heads": heads, "queries": queries, "keys": keys, "causal": number // 3 % 2, "scale": 0.3}
        arguments["shift"] = 1e4 if number % 5 == 4 else 0.0
        for bit, (name, count) in enumerate(shapes.items()):
            mask = (make.random.random((rows, count)) < 0.7).astype(make.dtype)
            array = make.matrix(mask) if kinds >> bit & 1 else None
            arguments |= {name: array, f"{name}_stride": array.stride if array else 0}
        values = make.normal(rows, width, scale=(1, 10)[number % 2])
        if special:
            values[0, ::3], values[1, 0], values[2] = 80, 1e4, 0
            values[1, 1] = np.nan
        if forward:
            arrays = {"scores": make.matrix(values)}
            arrays["y"] = arrays["scores"] if number % 2 else make.output(rows, width)
            arguments["unseeing"] = (0.0, 1 / keys)[number // 2 % 2]
        else:
            y = make.probabilities(rows, heads, queries, keys).reshape(rows, -1)
            arrays = {"y": make.matrix(y), "dy": make.matrix(values)}
            arrays["dx"] = arrays["dy"] if number % 2 else make.output(rows, width)
        strides = {f"{name}_stride": array.stride for name, array in arrays.items()}
        return make.case(f"({rows}, {heads}, {queries}, {keys}) {number}", (rows // 3, rows), timed=timed, **arrays,
                         **strides, **arguments)  # fmt: skip

    numbers = itertools.count()
    for keys in (1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 70, 300):
        for rows, heads, queries in ((1, 1, 1), (3, 2, 5), (2, 3, keys if keys < 40 else 2)):
            yield one(next(numbers), rows, heads, queries, keys)
    for number in range(8):
        yield one(number, 4, 2, 6, 11)
        yield one(number, 4, 1, 3, 21, special=True)
    yield one(6, 32, 4, 32, 32, timed=True)

"""Calls of the kernels of sequence_masks.h."""

import numpy as np

from cases.base import Array, cases_for

SIZES = [(1, 1, 1), (3, 5, 4), (4, 9, 1), (2, 17, 9), (7, 3, 16), (9, 8, 33), (5, 1, 7)]  # rows, steps, features


@cases_for("index_mask")
def index_mask_cases(make, kernel):
    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        masked = (0, -1, 3, 2**31)[number % 4]
        indices = make.matrix(make.random.integers(-1, 4, (rows, columns)).astype(np.int32))
        mask = make.output(rows, columns)
        yield make.case(f"({rows}, {columns})", block, indices=indices, mask=mask, steps=columns, masked=masked,
                        indices_stride=indices.stride, mask_stride=mask.stride)  # fmt: skip


@cases_for("step_mask")
def step_mask_cases(make, kernel):
    for number, (rows, steps, features) in enumerate(SIZES * 3):
        value = (0.0, -1.5, 0.1)[number % 3]
        x = make.normal(rows, steps, features)
        x[make.random.random((rows, steps)) < 0.5] = value
        x[0, 0, -1] = (np.nan, -0.0, np.inf)[number // len(SIZES)]
        x, mask = make.matrix(x.reshape(rows, -1)), make.output(rows, steps)
        yield make.case(f"({rows}, {steps}, {features}) {value}", (rows // 3, rows), x=x, mask=mask, steps=steps,
                        features=features, value=value, x_stride=x.stride, mask_stride=mask.stride)  # fmt: skip


@cases_for("mask_steps")
def mask_steps_cases(make, kernel):
    def one(rows, steps, features, number, values=None, timed=False):
        x = make.matrix(make.normal(rows, steps * features) if values is None else values)
        mask = make.matrix(make.random.integers(0, 2, (rows, steps)).astype(make.dtype))
        y = x if number % 2 else make.output(rows, steps * features)
        return make.case(f"({rows}, {steps}, {features}){' in place' if number % 2 else ''}", (rows // 3, rows),
                         timed=timed, x=x, mask=mask, y=y, steps=steps, features=features, x_stride=x.stride,
                         mask_stride=mask.stride, y_stride=y.stride)  # fmt: skip

    for number, size in enumerate(SIZES * 2):
        yield one(*size, number)
    yield one(5, 31, 3, 0, make.specials(5, 93))
    yield one(128, 32, 64, 0, timed=True)


@cases_for("sum_weights")
def sum_cases(make, kernel):
    for rows in (1, 2, 15, 16, 17, 40, 1000):
        yield make.case(f"({rows},)", (0, 1), {"rows": rows}, weights=Array(make.uniform(rows + 2)),
                        total=Array(np.zeros(1)))  # fmt: skip


@cases_for("scale_weights")
def scale_cases(make, kernel):
    for rows, total in ((1, 0.5), (7, 3.0), (40, 1e-3), (33, 0.0), (5, 1e30)):
        yield make.case(f"({rows},) {total}", (rows // 3, rows), {"rows": rows + 4}, total=Array(np.array([total])),
                        weights=Array(make.uniform(rows)))  # fmt: skip

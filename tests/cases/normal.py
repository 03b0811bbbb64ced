"""Calls of the kernels of normal.h."""

import itertools

from cases.base import cases_for


@cases_for("random_normal")
def random_normal_cases(make, kernel):
    seeds = itertools.cycle((0, 1, 2**32 - 1, 2**32, 2**64 - 1))
    moments = itertools.cycle(((0.0, 1.0), (0.0, 0.05), (3.0, 0.5), (-1e-3, 2e3), (0.0, 0.0)))
    for number, (rows, columns, block) in enumerate([*make.tile_shapes(), (784, 256, (0, 784, 0, 256))]):
        (mean, stddev), stream = next(moments), 0x10000000 + int(make.random.integers(0, 2**28))
        truncated = number // 2 % 2
        yield make.case(f"({rows}, {columns}){' truncated' if truncated else ''}", block,
                        {"seed": next(seeds), "step": 7}, timed=rows == 784, y=make.output(rows, columns, padding=0),
                        columns=columns, stream=stream, truncated=truncated, mean=mean, stddev=stddev)  # fmt: skip


@cases_for("gaussian_noise", "gaussian_dropout")
def noise_cases(make, kernel):
    seeds = itertools.cycle((0, 1, 2**32 - 1, 2**32, 2**64 - 1, 0x0123456789ABCDEF))
    deviations = itertools.cycle((0.5, 0.1, 0.0, 1.0, 1 / 3))

    def one(label, values, block, in_place=False, padding=None, timed=False):
        rows, columns = values.shape
        x = make.matrix(values, padding)
        y = x if in_place else make.output(rows, columns, padding=padding)
        step, stream = int(make.random.integers(1, 2**32)), 0x20000000 + int(make.random.integers(0, 2**28))
        return make.case(label, block, {"seed": next(seeds), "step": step}, timed=timed, x=x, y=y, features=columns,
                         x_stride=x.stride, y_stride=y.stride, stream=stream, stddev=next(deviations))  # fmt: skip

    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        in_place = number % 4 == 1
        yield one(f"({rows}, {columns}){' in place' if in_place else ''}", make.normal(rows, columns), block, in_place)
    yield one("special values", make.specials(5, 31), 5)
    yield one("(128, 256)", make.normal(128, 256), 128, padding=0, timed=True)

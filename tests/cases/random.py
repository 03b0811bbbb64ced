"""Calls of the kernels of random.h."""

import itertools

from cases.base import cases_for


@cases_for("dropout", "alpha_dropout")
def dropout_cases(make, kernel):
    affine = {"scale": 0.75, "shift": 0.625, "dropped": -1.5} if kernel == "alpha_dropout" else {}
    seeds = itertools.cycle((0, 1, 2**32 - 1, 2**32, 2**64 - 1, 0x0123456789ABCDEF))
    rates = itertools.cycle((0.5, 0.1, 0.0, 0.999, 1 / 3, 1.0, 2.0**-32))

    def one(label, values, block, in_place=False, padding=None, timed=False, rate=None):
        rows, columns = values.shape
        x = make.matrix(values, padding)
        y = x if in_place else make.output(rows, columns, padding=padding)
        rate = next(rates) if rate is None else rate
        step = int(make.random.integers(1, 2**32))
        stream = 0x20000000 + int(make.random.integers(0, 2**28))
        return make.case(f"{label} rate {rate:.3g}", block, {"seed": next(seeds), "step": step}, timed=timed, x=x, y=y,
                         features=columns, x_stride=x.stride, y_stride=y.stride, stream=stream, rate=rate,
                         **affine)  # fmt: skip

    for number, (rows, columns, block) in enumerate(make.row_shapes()):
        in_place = number % 4 == 1
        yield one(f"({rows}, {columns}){' in place' if in_place else ''}", make.normal(rows, columns), block, in_place)
    yield one("special values", make.specials(5, 31), 5, rate=0.5)
    yield one("(128, 256)", make.normal(128, 256), 128, padding=0, timed=True, rate=0.5)


@cases_for("random_uniform")
def random_uniform_cases(make, kernel):
    seeds = itertools.cycle((0, 1, 2**32 - 1, 2**32, 2**64 - 1))
    bounds = itertools.cycle(((0.0, 1.0), (-0.05, 0.05), (3.0, 5.0), (-1e-3, 2e3)))
    for rows, columns, block in [*make.tile_shapes(), (784, 256, (0, 784, 0, 256))]:
        (low, high), stream = next(bounds), 0x10000000 + int(make.random.integers(0, 2**28))
        yield make.case(f"({rows}, {columns})", block, {"seed": next(seeds), "step": 7}, timed=rows == 784,
                        y=make.output(rows, columns, padding=0), columns=columns, stream=stream, low=low,
                        high=high)  # fmt: skip

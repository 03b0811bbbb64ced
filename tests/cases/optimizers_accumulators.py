"""Calls of the kernels of optimizers_accumulators.h."""

import itertools

import numpy as np

from cases.base import Array, cases_for
from cases.optimizers import update_cases


def squares(make, *names, zeros=True):
    """A function that makes state that is not negative, of many magnitudes."""

    def states(rows, columns):
        arrays = {}
        for name in names:
            values = np.abs(make.magnitudes(rows, columns, low=-6, high=1))
            if zeros:
                values[:, ::5] = 0
            arrays[name] = Array(values)
        return arrays

    return states


@cases_for("adagrad")
def adagrad_cases(make, kernel):
    options = [{"epsilon_inside_sqrt": inside, "epsilon": e} for e in (1e-8, 1e-3) for inside in (1, 0)]
    yield from update_cases(make, squares(make, "accumulator"), options, 6)


@cases_for("adadelta")
def adadelta_cases(make, kernel):
    options = [{"rho": rho, "epsilon": e} for rho, e in ((0.95, 1e-7), (0.0, 1e-3), (0.5, 1e-6))]
    yield from update_cases(make, squares(make, "squared_gradient", "squared_change"), options, 14)


@cases_for("ftrl")
def ftrl_cases(make, kernel):
    def states(rows, columns):
        return {
            **squares(make, "accumulator", zeros=False)(rows, columns),
            "linear": Array(make.normal(rows, columns, scale=3)),
        }

    strengths = itertools.cycle(
        ((0.0, 0.0, 0.0, 0.0), (0.3, 0.01, 0.0, 0.0), (0.1, 0.2, 0.3, 0.5), (0.0, 0.0, 0.1, 1.0))
    )
    options = [
        {"power": power, "l1": l1, "l2": l2, "l2_shrinkage": shrinkage, "beta": beta}
        for power, (l1, l2, shrinkage, beta) in zip((0.5, 0.5, 0.7, 0.0, 0.5, 1.0, 0.25, 0.0), strengths, strict=False)
    ]
    yield from update_cases(make, states, options, 14)
    arrays = {"parameter": Array(make.normal(3, 37)), **states(3, 37)}
    yield make.case("a learning rate of 0", (0, 3, 0, 37), {"gradient": make.matrix(make.normal(3, 37))}, columns=37,
                    **arrays, **options[1])  # fmt: skip

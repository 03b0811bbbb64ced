"""Calls of the kernels of optimizers_moments.h."""

import numpy as np

from cases.base import Array, cases_for
from cases.optimizers import update_cases

BETAS = ((0.9, 0.999), (0.5, 0.0), (0.99, 0.5))


def moments(make, *names, low=-8):
    """A function that makes a first moment of any sign, and other state that is not negative and now and then 0."""

    def states(rows, columns):
        arrays = {names[0]: Array(make.normal(rows, columns))}
        for name in names[1:]:
            values = np.abs(make.magnitudes(rows, columns, low=low, high=0))
            values[:, ::5] = 0
            arrays[name] = Array(values)
        return arrays

    return states


@cases_for("adamax_coefficients", "nadam_coefficients")
def coefficients_cases(make, kernel):
    from nncore.optimizers.nadam import _momentum_products

    for step in (1, 2, 3, 10, 500, 1000, 123456, 10**7):
        for beta_1, beta_2 in ((0.9, 0.999), (0.0, 0.5), (0.99999, 0.9999999)):
            rest = {}
            if kernel == "nadam_coefficients":
                products = np.array(_momentum_products())
                rest = {"beta_2": beta_2, "products": Array(products), "count": len(products)}
            yield make.case(f"step {step} beta {beta_1}, {beta_2}", (0, 1), {"step": step, "learning_rate": 0.003},
                            beta_1=beta_1, **rest)  # fmt: skip


@cases_for("adamax")
def adamax_cases(make, kernel):
    options = [{"beta_1": b1, "beta_2": b2, "epsilon": e} for e in (1e-7, 1e-3) for b1, b2 in BETAS]
    yield from update_cases(make, moments(make, "first_moment", "norm", low=-4), options, 9)


@cases_for("nadam")
def nadam_cases(make, kernel):
    options = [{"beta_1": b1, "beta_2": b2, "epsilon": e} for e in (1e-7, 1e-3) for b1, b2 in BETAS]
    yield from update_cases(make, moments(make, "first_moment", "second_moment"), options, 14)


@cases_for("lion")
def lion_cases(make, kernel):
    options = [{"beta_1": b1, "beta_2": b2} for b1, b2 in ((0.9, 0.99), (1.0, 0.5), (0.5, 0.0))]
    yield from update_cases(make, moments(make, "mean"), options, 8)
    for number, special in enumerate((0.0, -0.0, np.inf, -np.inf, np.nan)):
        mean = np.zeros((3, 37), make.dtype)
        gradient = np.full((3, 37), special, make.dtype)
        yield make.case(f"gradient {special}", (0, 3, 0, 37),
                        {"learning_rate": 0.1, "gradient": make.matrix(gradient, number % 2)},
                        parameter=Array(make.normal(3, 37)), mean=Array(mean), columns=37, beta_1=0.9,
                        beta_2=0.99)  # fmt: skip

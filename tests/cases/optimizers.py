"""Calls of the kernels of optimizers.h."""

import itertools

import numpy as np

from cases.base import Array, cases_for

LEARNING_RATES = (0.01, 1e-3, 0.3)


def update_cases(make, states, options, flops):
    """Cases of an update.

    Parameters
    ----------
    states : function of (rows, columns) that returns the state's arrays by name
    options : list of dicts of further arguments, in turn
    flops : of an element
    """

    def one(rows, columns, block, number, gradient=None, timed=False):
        height, width = block[1] - block[0], block[3] - block[2]
        # without padding a gradient that covers whole rows is one long row
        padding = 0 if number % 3 == 0 or timed else None
        g = make.magnitudes(height, width, low=-3, high=1) if gradient is None else gradient
        chosen = options[number % len(options)]
        worker = {
            "learning_rate": LEARNING_RATES[number % 3],
            "gradient": make.matrix(g, padding),
            "coefficient": [0.0123, 1.7, 0, 0, 0, 0, 0, 0],
        }
        given = " ".join(f"{name}={value:.4g}" for name, value in chosen.items() if isinstance(value, (int, float)))
        arrays = {"parameter": Array(make.normal(rows, columns)), **states(rows, columns), **chosen}
        return make.case(f"({rows}, {columns}) {given}", block, worker, timed=timed, flops=flops * height * width,
                         columns=columns, **arrays)  # fmt: skip

    for number, (rows, columns, block) in enumerate(make.tile_shapes()):
        yield one(rows, columns, block, number)
    for number in range(len(options)):
        yield one(4, 40, (0, 4, 0, 40), number, np.zeros((4, 40), make.dtype))
        yield one(5, 31, (0, 5, 0, 31), number, make.magnitudes(5, 31, low=-30, high=12))
        yield one(32, 128, (0, 32, 0, 128), number, timed=True)


@cases_for("prefetch", "point_gradient")
def cases_without_results(make, kernel):
    name = "array" if kernel == "prefetch" else "source"
    for rows, columns, block in make.tile_shapes():
        yield make.case(f"({rows}, {columns})", block, columns=columns,
                        **{name: Array(make.specials(rows, columns))})  # fmt: skip


@cases_for("sgd")
def sgd_cases(make, kernel):
    yield from update_cases(make, lambda rows, columns: {}, [{}], 2)


@cases_for("sgd_momentum")
def sgd_momentum_cases(make, kernel):
    options = [{"nesterov": nesterov, "momentum": momentum} for momentum in (0.9, 0.0, 0.99) for nesterov in (0, 1)]
    yield from update_cases(make, lambda rows, columns: {"velocity": Array(make.normal(rows, columns))}, options, 4)


@cases_for("adam")
def adam_cases(make, kernel):
    amsgrad = itertools.cycle((False, False, True))

    def states(rows, columns):
        second = np.abs(make.magnitudes(rows, columns, low=-8, high=0))
        second[:, ::5] = 0
        maximum = second * make.uniform(rows, columns, low=0.5, high=2) if next(amsgrad) else None
        return {"first_moment": Array(make.normal(rows, columns)), "second_moment": Array(second),
                "maximum": None if maximum is None else Array(maximum)}  # fmt: skip

    options = [
        {"epsilon_inside_sqrt": inside, "beta_1": beta_1, "beta_2": beta_2, "epsilon": epsilon}
        for beta_1, beta_2, epsilon in ((0.9, 0.999, 1e-8), (0.0, 0.5, 1e-3), (0.5, 0.0, 1e-7))
        for inside in (1, 0)
    ]
    yield from update_cases(make, states, options, 12)


@cases_for("rmsprop")
def rmsprop_cases(make, kernel):
    presence = itertools.cycle(itertools.product((False, True), repeat=2))

    def states(rows, columns):
        momentum, centered = next(presence)
        mean = make.normal(rows, columns)
        square = mean * mean * make.uniform(rows, columns, low=1, high=3)
        return {
            "mean_square": Array(square),
            "velocity": Array(make.normal(rows, columns)) if momentum else None,
            "mean": Array(mean) if centered else None,
        }

    options = [
        {"epsilon_inside_sqrt": inside, "rho": rho, "momentum": momentum, "epsilon": epsilon}
        for rho, momentum, epsilon in ((0.9, 0.9, 1e-8), (0.0, 0.0, 1e-3), (0.99, 0.5, 1e-6))
        for inside in (1, 0)
    ]
    yield from update_cases(make, states, options, 10)


@cases_for("adam_coefficients")
def adam_coefficients_cases(make, kernel):
    for step in (1, 2, 3, 10, 1000, 123456, 10**7):
        for beta_1, beta_2 in ((0.9, 0.999), (0.0, 0.5), (0.99999, 0.9999999)):
            for corrected in (1, 0):
                yield make.case(f"step {step} beta {beta_1}, {beta_2}", (0, 1), {"step": step, "learning_rate": 0.003},
                                beta_1=beta_1, beta_2=beta_2, corrected=corrected)  # fmt: skip


@cases_for("store_gradient", "load_gradient")
def gradient_cases(make, kernel):
    name = "target" if kernel == "store_gradient" else "source"
    for number, (rows, columns, block) in enumerate([*make.tile_shapes(), (32, 128, (0, 32, 0, 128))]):
        extent, timed = (block[1] - block[0], block[3] - block[2]), rows == 32
        padding = 0 if number % 3 == 0 else None
        if kernel == "load_gradient":
            stored, gradient, options = make.specials(rows, columns), make.output(*extent, padding=padding), {}
        else:
            accumulate = number % 2
            stored = make.normal(rows, columns) if accumulate else make.output(rows, columns, padding=0).values
            values = make.normal(*extent) if accumulate else make.specials(*extent)
            gradient, options = make.matrix(values, padding), {"accumulate": accumulate}
        yield make.case(f"({rows}, {columns})", block, {"gradient": gradient}, timed=timed, columns=columns,
                        **{name: Array(stored)}, **options)  # fmt: skip

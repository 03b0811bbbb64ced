"""Calls of the kernels of schedules.h: the first steps, those around where something changes, and very late ones."""

import itertools

import numpy as np

from cases.base import Array, cases_for

LATE = (12345, 10**6, 10**9)


def schedule_cases(make, options, borders):
    """Cases of one schedule: all options at the steps 0, 1, 2, around each border, halfway between them, and late."""
    steps = {0, 1, 2, *LATE}
    for low, high in itertools.pairwise((0, *borders)):
        steps |= {high - 1, high, high + 1, (low + high) // 2, (2 * low + high) // 3}
    for number, chosen in enumerate(options):
        for step in sorted(steps):
            worker = {"step": 3, "update": step + 1, "learning_rate": 0.25}
            yield make.case(f"options {number}, step {step}", (0, 1), worker, **chosen)


@cases_for("exponential_decay", "inverse_time_decay")
def periodic_cases(make, kernel):
    rates = (0.96, 0.5, 1.0, 0.0, 1.001) if kernel == "exponential_decay" else (0.5, 1.0, 0.0, 12.5)
    options = [
        {"initial": 0.3, "decay_steps": steps, "decay_rate": rate, "staircase": staircase}
        for steps, rate, staircase in itertools.product((1.0, 100.0, 33.5), rates, (0, 1))
    ]
    yield from schedule_cases(make, options, (100, 200, 335))


@cases_for("polynomial_decay")
def polynomial_decay_cases(make, kernel):
    options = [
        {"initial": 0.3, "decay_steps": 100.0, "end": end, "power": power, "cycle": cycle}
        for end, power, cycle in itertools.product((1e-4, 0.0, 0.5), (1.0, 0.5, 2.0, 0.0), (0, 1))
    ]
    yield from schedule_cases(make, options, (100, 200, 300))


@cases_for("inverse_square_root_decay")
def inverse_square_root_decay_cases(make, kernel):
    yield from schedule_cases(make, [{"initial": 0.3}, {"initial": 0.0}], (100,))


@cases_for("piecewise_constant")
def piecewise_constant_cases(make, kernel):
    options = [
        {"boundaries": Array(np.array(boundaries)), "values": Array(np.arange(len(boundaries) + 1) / 7),
         "count": len(boundaries)}
        for boundaries in ([100.0], [10.0, 20.5, 100.0], [0.0, 1.0, 2.0, 3.0])
    ]  # fmt: skip
    yield from schedule_cases(make, options, (10, 20, 100))


@cases_for("cosine_decay")
def cosine_decay_cases(make, kernel):
    options = [
        {"initial": 0.3, "decay_steps": 1000.0, "alpha": alpha, "peak": peak, "warmup_steps": warmup}
        for alpha, (peak, warmup) in itertools.product((0.0, 0.1, 1.5), ((0.3, 0.0), (0.5, 10.0), (0.1, 99.5)))
    ]
    yield from schedule_cases(make, options, (10, 99, 1000, 1010))


@cases_for("cosine_decay_restarts")
def cosine_decay_restarts_cases(make, kernel):
    options = [
        {"initial": 0.3, "first_steps": 16.0, "longer": longer, "higher": higher, "alpha": alpha}
        for longer, higher, alpha in itertools.product((1.0, 2.0, 1.5, 1.001), (1.0, 0.9), (0.0, 0.1))
    ]
    yield from schedule_cases(make, options, (16, 40, 48, 76, 112))


@cases_for("cyclic")
def cyclic_cases(make, kernel):
    choices = itertools.product((0.3, 0.001), (1.0, 50.0, 7.5))
    options = [{"initial": 0.01, "maximal": top, "step_size": size} for top, size in choices]
    yield from schedule_cases(make, options, (15, 50, 100, 150))


@cases_for("annealing")
def annealing_cases(make, kernel):
    for ends, rates in (
        ((29.0, 99.0), (0.004, 0.1, 4e-7)),
        ((29.0, 58.0, 99.0), (0.004, 0.1, 0.004, 4e-7)),
        ((-1.0, 99.0), (0.1, 0.2, 0.3)),
        ((0.0, 0.0), (0.1, 0.2, 0.3)),
        ((28.7, 99.5), (0.3, 0.1, 0.0)),
    ):
        options = [
            {"ends": Array(np.array(ends)), "rates": Array(np.array(rates)), "count": len(ends), "cosine": cosine}
            for cosine in (1, 0)
        ]
        yield from schedule_cases(make, options, (29, 58, 99))


@cases_for("warmup")
def warmup_cases(make, kernel):
    yield from schedule_cases(make, [{"peak": 0.3, "steps": steps} for steps in (1.0, 10.0, 99.0)], (10, 99))


@cases_for("tabulated_rate")
def tabulated_rate_cases(make, kernel):
    options = [{"table": Array(make.random.uniform(0, 1, count)), "count": count} for count in (1, 7, 256)]
    yield from schedule_cases(make, options, (7, 256))

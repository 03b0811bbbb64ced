"""Calls of the kernels of recurrent.h."""

import itertools

import numpy as np

from cases.base import Array, Panels, cases_for
from nncore import activations
from nncore.layers.recurrent import _described

# Activation and recurrent activation: the standard ones, derivatives from the output, from the input, and mixed.
FUNCTIONS = [(None, None), ("relu", "softsign"), ("silu", "sigmoid"), ("tanh", "silu"), (None, None)]
SHAPES = [(rows, steps, units) for rows, steps, units in zip(
    itertools.cycle((1, 2, 3, 5)), itertools.cycle((1, 3, 2)), [*range(1, 20), 24, 31, 33, 40, 64, 70], strict=False
)]  # fmt: skip
SHAPES += [(15, 4, 5), (30, 2, 9), (13, 3, 33), (4, 9, 6)]


def described(name):
    return Array(_described(activations.get(name)))


def weight(make, units, count, *, transposed, panels):
    """u, or its transpose, with rows whose absolute values sum to less than 1."""
    values = make.normal(units, count * units, scale=0.3 / (count * units))
    values = np.ascontiguousarray(values.T) if transposed else values
    return Panels(values, make.padding(), make.padding()) if panels else make.matrix(values)


def options(make, number, count, rows, steps, units, gates_padding, *, transposed):
    """Arguments that all of the kernels have: (arguments, whether there is dropout, whether f or s need an input)."""
    inner, outer = FUNCTIONS[number % len(FUNCTIONS)]
    dropout = number % 4 == 2
    u = weight(make, units, count, transposed=transposed, panels=number % 3 == 1 and (transposed or not dropout))
    factors = mask = None
    if dropout:
        factors = make.matrix(np.where(make.random.random((rows, count * units)) < 0.3, 0, 1.5).astype(make.dtype))
    if number % 3 == 2:
        mask = make.matrix((make.random.random((rows, steps)) < 0.6).astype(make.dtype))
    arguments = {
        "u": u,
        "u_stride": u.row_stride if isinstance(u, Panels) else u.stride,
        "u_panel": u.panel_stride if isinstance(u, Panels) else 0,
        "mask": mask,
        "dropout": factors,
        "activation": None if inner is None else described(inner),
        "recurrent_activation": None if outer is None else described(outer),
        "steps": steps,
        "units": units,
        "backwards": number % 2,
        "starts_at_zero": number % 5 % 2,
        "gates_stride": steps * count * units + gates_padding,
        "mask_stride": mask.stride if mask else 0,
        "dropout_stride": factors.stride if factors else 0,
    }
    return arguments, dropout, "silu" in (inner, outer)


CELLS = {"simple_rnn": 1, "lstm": 4, "gru": 3, "gru_reset_before": 3}


@cases_for(*(f"{cell}_forward" for cell in CELLS))
def forward_cases(make, kernel):
    cell = kernel.removesuffix("_forward")
    count = CELLS[cell]

    def one(number, rows, steps, units, block, special=False, timed=False):
        padding, states_padding = (0, 0) if timed else (make.padding(), make.padding())
        shape, states = (rows, steps * count * units), (rows, (steps + 1) * units)
        arguments, dropout, at_input = options(make, number, count, rows, steps, units, padding, transposed=False)
        values = make.specials(*shape) if special else make.normal(*shape)
        gates = make.matrix(values, padding)
        arguments |= {"gates": gates, "states_stride": states[1] + states_padding}

        def state():
            values = make.output(*states).values.copy()
            begin = steps * units if arguments["backwards"] else 0
            start = make.uniform(rows, units, low=-1)
            values[:, begin : begin + units] = 0 if arguments["starts_at_zero"] else start
            return make.matrix(values, states_padding)

        arguments["h"] = state()
        inputs = dropout or cell == "gru_reset_before"
        arguments["inputs"] = make.output(*shape, padding=padding) if inputs else None
        if inputs and arguments["u_panel"]:
            arguments["u"] = weight(make, units, count, transposed=False, panels=False)
            arguments |= {"u_stride": arguments["u"].stride, "u_panel": 0}
        if cell == "simple_rnn":
            del arguments["recurrent_activation"]
        else:
            separate = at_input or (cell == "lstm" and number % 7 == 3)
            arguments["active"] = make.output(*shape, padding=padding) if separate else gates
        if cell == "lstm":
            arguments["c"] = state()
            arguments["curved"] = make.output(rows, steps * units, padding=states_padding + units)
        if cell == "gru":
            arguments["recurrent"] = make.output(*shape, padding=padding)
            arguments["bias"] = Array(make.normal(count * units)) if number % 2 else None
        label = f"({rows}, {steps}, {units}) {number}{' special values' if special else ''}"
        return make.case(label, block, timed=timed, flops=2.0 * rows * steps * count * units * units, **arguments)

    for number, (rows, steps, units) in enumerate(SHAPES):
        block = (rows // 3, rows - rows // 4) if number % 4 == 3 else rows
        yield one(number, rows, steps, units, block)
        yield one(number + 2, rows, steps, units, rows)
    yield one(0, 29, 1, 7, 29, special=True)
    yield one(0, 128, 10, 64, 128, timed=True)


@cases_for(*(f"{cell}_backward" for cell in CELLS))
def backward_cases(make, kernel):
    cell = kernel.removesuffix("_backward")
    count = CELLS[cell]

    def one(number, rows, steps, units, block, timed=False):
        padding, states_padding = (0, 0) if timed else (make.padding(), make.padding())
        shape, states = (rows, steps * count * units), (rows, (steps + 1) * units)
        arguments, _, at_input = options(make, number, count, rows, steps, units, padding, transposed=True)
        dy = make.matrix(make.normal(rows, steps * units)) if number % 3 else None
        dh_padding = make.padding()
        arguments |= {
            "before": make.matrix(make.normal(*shape), padding) if at_input else None,
            "states_stride": states[1] + states_padding,
            "dy": dy,
            "dy_stride": dy.stride if dy else 0,
            "dgates": make.output(*shape, padding=padding),
            "dh": make.matrix(make.normal(rows, units), dh_padding),
            "dh_stride": units + dh_padding,
        }
        if cell == "lstm":
            arguments["c"] = make.matrix(make.normal(*states), states_padding)
            arguments["curved"] = make.matrix(make.uniform(rows, steps * units, low=-1), states_padding + units)
            arguments["dc"] = make.matrix(make.normal(rows, units), dh_padding)
        else:
            arguments["h"] = make.matrix(make.uniform(*states, low=-1), states_padding)
        if cell == "simple_rnn":
            del arguments["recurrent_activation"]
        else:
            arguments["active"] = make.matrix(make.uniform(*shape), padding)
        if cell == "gru":
            arguments["recurrent"] = make.matrix(make.normal(*shape), padding)
            arguments["drecurrent"] = make.output(*shape, padding=padding)
        if number % 5 == 0 and cell in ("lstm", "gru"):  # FUNCTIONS are the standard ones
            arguments["dgates"] = arguments["active"]
            if cell == "gru":
                arguments["drecurrent"] = arguments["recurrent"]
        label = f"({rows}, {steps}, {units}) {number}"
        return make.case(label, block, timed=timed, flops=2.0 * rows * steps * count * units * units, **arguments)

    for number, (rows, steps, units) in enumerate(SHAPES):
        block = (rows // 3, rows - rows // 4) if number % 4 == 3 else rows
        yield one(number, rows, steps, units, block)
        yield one(number + 2, rows, steps, units, rows)
    rows = (1 << 17) // make.dtype.itemsize // 100 + 5  # with dropout more than a thread's scratch holds
    yield one(2, rows, 1, 100, rows)
    yield one(0, 128, 10, 64, 128, timed=True)


@cases_for("positions_gradient")
def positions_gradient_cases(make, kernel):
    positions = itertools.cycle((1, 2, 3, 5, 16, 150))

    def one(minibatch, steps, inputs, units, block, accumulate, groups=1, ones=False, timed=False):
        x_step = 0 if ones else groups * inputs
        width = inputs if ones else steps * groups * inputs
        x = make.matrix(make.normal(minibatch, width), 0 if timed else None)
        dy = make.matrix(make.normal(minibatch, steps * groups * units), 0 if timed else None)
        extent = (block[1] - block[0], block[3] - block[2])
        gradient = make.matrix(make.normal(*extent)) if accumulate else make.output(*extent)
        return make.case(
            f"({minibatch}, {steps}, {inputs})' x ({units}) x {groups}{' accumulate' if accumulate else ''}", block,
            {"rows": minibatch, "gradient": gradient}, timed=timed,
            flops=2.0 * minibatch * steps * inputs * groups * units, x=x, dy=dy, positions=steps, x_step=x_step,
            dy_step=groups * units, x_group=0 if ones or groups == 1 else inputs, group=units, x_stride=x.stride,
            dy_stride=dy.stride, accumulate=int(accumulate),
        )  # fmt: skip

    for number, (rows, columns, block) in enumerate(make.tile_shapes()):
        yield one(1 + number % 6, next(positions), rows, columns, block, number % 4 == 3)
    for number, units in enumerate((1, 2, 3, 5, 8, 9, 17)):
        whole = (0, 4, 0, 3 * units)
        yield one(3, 4, 4, units, whole if number % 2 else (1, 4, units // 2, 3 * units - 1 or 1), number % 3 == 2, 3)
    yield one(4, 3, 2, 20, (0, 2, 0, 20), False, ones=True)
    yield one(32, 10, 64, 256, (0, 64, 0, 64), False, timed=True)

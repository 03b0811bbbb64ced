"""What the kernels of recurrent.h compute."""

import numpy as np

from nncore import _engine
from reference.base import nearly, reference, wide

NAMES = {kernel.number: name for name, kernel in _engine.KERNELS.items()}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# Of each function its value and its slope, of the input x and the output y: those that cases use.
FUNCTIONS = {
    "tanh": (np.tanh, lambda x, y: 1 - y * y),
    "sigmoid": (sigmoid, lambda x, y: y * (1 - y)),
    "softsign": (lambda x: x / (1 + np.abs(x)), lambda x, y: (1 - np.abs(y)) ** 2),
    "relu": (lambda x: np.maximum(x, 0), lambda x, y: np.where(y > 0, 1, 0)),
    "sigmoid_gate": (lambda x: x * sigmoid(x), lambda x, y: sigmoid(x) * (1 + x * (1 - sigmoid(x)))),  # silu
}


def functions(a):
    """(activation, recurrent activation), each a value and a slope."""
    described = (a.activation, getattr(a, "recurrent_activation", None))
    named = ["tanh", "sigmoid"]
    for place, table in enumerate(described):
        if table is not None:
            named[place] = NAMES[int(table.reshape(2, -1)[0, 0])].removesuffix("_forward")
    return [FUNCTIONS[name] for name in named]


def steps(a):
    """(position, columns of the state before it, columns of the state after it), in the order of the loop."""
    units = a.units
    for p in reversed(range(a.steps)) if a.backwards else range(a.steps):
        before, after = (p + 1, p) if a.backwards else (p, p + 1)
        yield p, slice(before * units, (before + 1) * units), slice(after * units, (after + 1) * units)


class Gates:
    """A sample's gates, or what is like them: `at[p, g]` is gate g of position p."""

    def __init__(self, values, units, count):
        self.values, self.units, self.count = values, units, count

    def _columns(self, place):
        begin = (place[0] * self.count + place[1]) * self.units
        return slice(begin, begin + self.units)

    def __getitem__(self, place):
        return self.values[:, self._columns(place)]

    def __setitem__(self, place, value):
        self.values[:, self._columns(place)] = value


class Pass:
    """The arguments of a call, widened, and the kernel's bounds of errors."""

    def __init__(self, a, block, count):
        self.a, self.rows, self.count, self.units = a, block.rows, count, a.units
        self.u = wide(a.u).reshape(-1, a.u.shape[-1])
        self.dropout = None if a.dropout is None else Gates(wide(a.dropout[block.rows]), a.units, count)
        self.inputs = None
        (self.f, self.f_slope), (self.s, self.s_slope) = functions(a)

    def array(self, name):
        values = getattr(self.a, name)
        return None if values is None else wide(values[self.rows]).copy()

    def gates(self, name):
        values = self.array(name)
        return None if values is None else Gates(values, self.units, self.count)

    def kept(self, p):
        """Rows whose position p is not skipped, as a column."""
        mask = self.a.mask
        return True if mask is None else mask[self.rows, p : p + 1] != 0

    def dropped(self, g, h):
        return h if self.dropout is None else h * self.dropout[0, g]

    def product(self, p, g, h):
        """h u_g, after dropout, which is noted."""
        h = self.dropped(g, h)
        if self.inputs is not None:
            self.inputs[p, g] = h
        return h @ self.u[:, g * self.units : (g + 1) * self.units]

    def product_back(self, g, slopes):
        return self.dropped(g, slopes @ self.u[g * self.units : (g + 1) * self.units])

    def towards_start(self, p, slopes, count):
        """What the slopes of gates of position p give the state before it, if anybody wants that."""
        first = self.a.steps - 1 if self.a.backwards else 0
        if self.a.starts_at_zero and p == first:
            return 0
        return sum(self.product_back(g, slopes[p, g]) for g in range(count))

    def expected(self, **arrays):
        """Of each array: chains of products of a step, and again those before it, which the kernels' cases hand on
        times less than 1; functions' slopes are at most 1.1, and what is added up is some numbers around 1.
        """
        ulps = (self.count * self.units / 2 + 16) * (self.a.steps + 1)
        found = {}
        for name, values in arrays.items():
            values = values.values if isinstance(values, Gates) else values
            if values is not None:
                found[name] = nearly(self.rows, values, ulps, 1 + np.abs(values))
        return found


@reference
def simple_rnn_forward(a, w, block):
    now = Pass(a, block, 1)
    gates, h, now.inputs = now.gates("gates"), now.array("h"), now.gates("inputs")
    for p, before, after in steps(a):
        gates[p, 0] = gates[p, 0] + now.product(p, 0, h[:, before])
        h[:, after] = np.where(now.kept(p), now.f(gates[p, 0]), h[:, before])
    return now.expected(gates=gates, h=h, inputs=now.inputs)


@reference
def simple_rnn_backward(a, w, block):
    now = Pass(a, block, 1)
    dgates, h, dh, dy = now.gates("dgates"), now.array("h"), now.array("dh"), now.gates("dy")
    for p, _, after in reversed(list(steps(a))):
        dh = dh + (0 if dy is None else dy[p, 0])
        x = None if a.before is None else now.gates("before")[p, 0]
        dgates[p, 0] = np.where(now.kept(p), dh * now.f_slope(x, h[:, after]), 0)
        dh = np.where(now.kept(p), 0, dh) + now.towards_start(p, dgates, 1)
    return now.expected(dgates=dgates, dh=dh)


@reference
def lstm_forward(a, w, block):
    now = Pass(a, block, 4)
    gates, active, now.inputs = now.gates("gates"), now.gates("active"), now.gates("inputs")
    active = gates if a.active is a.gates else active
    h, c, curved = now.array("h"), now.array("c"), Gates(now.array("curved"), a.units, 1)
    for p, before, after in steps(a):
        for g in range(4):
            gates[p, g] = gates[p, g] + now.product(p, g, h[:, before])
            active[p, g] = (now.f if g == 2 else now.s)(gates[p, g])
        cell = active[p, 1] * c[:, before] + active[p, 0] * active[p, 2]
        curved[p, 0] = now.f(cell)
        c[:, after] = np.where(now.kept(p), cell, c[:, before])
        h[:, after] = np.where(now.kept(p), active[p, 3] * curved[p, 0], h[:, before])
    return now.expected(gates=gates, active=active, h=h, c=c, curved=curved, inputs=now.inputs)


@reference
def lstm_backward(a, w, block):
    now = Pass(a, block, 4)
    dgates, dh, dc, dy = now.gates("dgates"), now.array("dh"), now.array("dc"), None
    if a.dy is not None:
        dy = Gates(now.array("dy"), a.units, 1)
    active, c, curved, x = now.gates("active"), now.array("c"), Gates(now.array("curved"), a.units, 1), None
    for p, before, after in reversed(list(steps(a))):
        dh = dh + (0 if dy is None else dy[p, 0])
        if a.before is not None:
            x = now.gates("before")
        kept = now.kept(p)
        cell = dc + dh * active[p, 3] * now.f_slope(c[:, after], curved[p, 0])
        terms = (cell * active[p, 2], cell * c[:, before], cell * active[p, 0], dh * curved[p, 0])
        for g, term in enumerate(terms):
            slope = (now.f_slope if g == 2 else now.s_slope)(None if x is None else x[p, g], active[p, g])
            dgates[p, g] = np.where(kept, term * slope, 0)
        dc = np.where(kept, cell * active[p, 1], dc)
        dh = np.where(kept, 0, dh) + now.towards_start(p, dgates, 4)
    return now.expected(dgates=dgates, dh=dh, dc=dc)


def gru(a, block, *, reset_after):
    now = Pass(a, block, 3)
    gates, active, h, now.inputs = now.gates("gates"), now.gates("active"), now.array("h"), now.gates("inputs")
    active = gates if a.active is a.gates else active
    recurrent = now.gates("recurrent") if reset_after else None
    for p, before, after in steps(a):
        terms = []
        for g in range(3):
            if g == 2 and not reset_after:
                terms.append(now.product(p, g, active[p, 1] * h[:, before]))
            else:
                terms.append(now.product(p, g, h[:, before]))
            if reset_after:
                terms[g] = terms[g] + (0 if a.bias is None else wide(a.bias)[g * a.units : (g + 1) * a.units])
                recurrent[p, g] = terms[g]
            factor = active[p, 1] if g == 2 and reset_after else 1
            sums = gates[p, g] + factor * terms[g]
            gates[p, g] = sums
            active[p, g] = (now.f if g == 2 else now.s)(sums)
        z, n = active[p, 0], active[p, 2]
        h[:, after] = np.where(now.kept(p), z * h[:, before] + (1 - z) * n, h[:, before])
    return now.expected(gates=gates, active=active, h=h, recurrent=recurrent, inputs=now.inputs)


@reference
def gru_forward(a, w, block):
    return gru(a, block, reset_after=True)


@reference
def gru_reset_before_forward(a, w, block):
    found = gru(a, block, reset_after=False)
    return found


def gru_gradient(a, block, *, reset_after):
    now = Pass(a, block, 3)
    dgates, active, h, dh = now.gates("dgates"), now.gates("active"), now.array("h"), now.array("dh")
    dy = None if a.dy is None else Gates(now.array("dy"), a.units, 1)
    x = now.gates("before")
    drecurrent, recurrent = (now.gates(name) if reset_after else None for name in ("drecurrent", "recurrent"))

    def slope(function, p, g):
        return function(None if x is None else x[p, g], active[p, g])

    for p, before, _ in reversed(list(steps(a))):
        dh = dh + (0 if dy is None else dy[p, 0])
        kept, z, r, n = now.kept(p), *(active[p, g] for g in range(3))
        dn = np.where(kept, dh * (1 - z) * slope(now.f_slope, p, 2), 0)
        dz = np.where(kept, dh * (h[:, before] - n) * slope(now.s_slope, p, 0), 0)
        dh = np.where(kept, dh * z, dh)
        if reset_after:
            dr = dn * recurrent[p, 2]
        else:
            e = now.product_back(2, dn)
            dr, dh = e * h[:, before], dh + r * e
        dr = dr * slope(now.s_slope, p, 1)
        for g, value in enumerate((dz, dr, dn)):
            dgates[p, g] = value
        if reset_after:
            for g, value in enumerate((dz, dr, dn * r)):
                drecurrent[p, g] = value
        back = drecurrent if reset_after else dgates
        dh = dh + now.towards_start(p, back, 3 if reset_after else 2)
    return now.expected(dgates=dgates, dh=dh, drecurrent=drecurrent)


@reference
def gru_backward(a, w, block):
    return gru_gradient(a, block, reset_after=True)


@reference
def gru_reset_before_backward(a, w, block):
    return gru_gradient(a, block, reset_after=False)


@reference
def positions_gradient(a, w, block):
    value = magnitude = 0
    columns = np.arange(block.columns.start, block.columns.stop)
    for p in range(a.positions):
        places = (p * a.x_step + np.arange(block.rows.start, block.rows.stop)[:, None]) + columns // a.group * a.x_group
        x = wide(a.x[: w.rows])[:, places]  # (rows, inputs, units)
        dy = wide(a.dy[: w.rows])[:, None, p * a.dy_step + columns]
        value, magnitude = value + (x * dy).sum(axis=0), magnitude + np.abs(x * dy).sum(axis=0)
    if a.accumulate:
        value, magnitude = value + wide(w.gradient), magnitude + np.abs(wide(w.gradient))
    return {"worker_gradient": nearly(..., value, w.rows * a.positions / 2 + 2, magnitude)}

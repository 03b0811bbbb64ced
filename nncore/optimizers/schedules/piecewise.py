"""A schedule of constant pieces."""

import itertools

import numpy as np

from nncore.optimizers.schedules.schedule import KernelSchedule, number


class PiecewiseConstantDecay(KernelSchedule):
    """values[i], where i boundaries are below t: the first value up to and including step boundaries[0].

    Parameters
    ----------
    boundaries : list of numbers, increasing
    values : list of floats, one more than boundaries
    """

    kernel = "piecewise_constant"

    def __init__(self, boundaries, values, name="PiecewiseConstant"):
        boundaries, values = list(boundaries), list(values)
        if not boundaries or len(values) != len(boundaries) + 1:
            raise ValueError(
                "PiecewiseConstantDecay: boundaries must be at least one, and values one more; got "
                f"{len(boundaries)} boundaries and {len(values)} values"
            )
        self.boundaries = [number(self, f"boundaries[{i}]", b) for i, b in enumerate(boundaries)]
        self.values = [number(self, f"values[{i}]", v) for i, v in enumerate(values)]
        if any(a >= b for a, b in itertools.pairwise(self.boundaries)):
            raise ValueError(f"PiecewiseConstantDecay: boundaries must increase; got {boundaries}")
        self.name = name

    def arguments(self):
        return {"boundaries": np.array(self.boundaries), "values": np.array(self.values),
                "count": len(self.boundaries)}  # fmt: skip

    def get_config(self):
        return {"boundaries": list(self.boundaries), "values": list(self.values), "name": self.name}

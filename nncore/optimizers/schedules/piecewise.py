"""A schedule of constant pieces."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _checks
from nncore.optimizers.schedules.schedule import KernelSchedule, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore._typing import Config


class PiecewiseConstantDecay(KernelSchedule):
    """values[i], where i boundaries are below t: the first value up to and including step boundaries[0].

    Parameters
    ----------
    boundaries : list of numbers, increasing
    values : list of floats, one more than boundaries
    """

    kernel = "piecewise_constant"

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant") -> None:
        owner = "PiecewiseConstantDecay"
        boundaries = _checks.sequence(owner, "boundaries", boundaries)
        values = _checks.sequence(owner, "values", values)
        if not boundaries or len(values) != len(boundaries) + 1:
            raise ValueError(
                "PiecewiseConstantDecay: boundaries must be at least one, and values one more; got "
                f"{len(boundaries)} boundaries and {len(values)} values"
            )
        self.boundaries: list[float] = [number(self, f"boundaries[{i}]", b) for i, b in enumerate(boundaries)]
        self.values: list[float] = [number(self, f"values[{i}]", v) for i, v in enumerate(values)]
        if any(a >= b for a, b in itertools.pairwise(self.boundaries)):
            raise ValueError(f"PiecewiseConstantDecay: boundaries must increase; got {boundaries}")
        self.name: str = _checks.title(type(self).__name__, name)

    def arguments(self) -> dict[str, Any]:
        return {"boundaries": np.array(self.boundaries), "values": np.array(self.values),
                "count": len(self.boundaries)}  # fmt: skip

    def get_config(self) -> Config:
        return {"boundaries": list(self.boundaries), "values": list(self.values), "name": self.name}

"""Adafactor."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _checks, _engine
from nncore._plan import Job, Tiles
from nncore.optimizers.optimizer import Optimizer, norm_parts

if TYPE_CHECKING:
    from nncore._likes import LearningRate
    from nncore._typing import Array, Config
    from nncore.optimizers.optimizer import Target

# Blocks of the phases over memory: few enough that each can add up what all of them left.
MEANS, NORMS = 256, 32768


class Adafactor(Optimizer):
    """Gradients divided by a running root of their mean square, of which only means of rows and columns are kept.

    With β = 1 - tᵈ, d = `beta_2_decay`, for each matrix of a weight's last two axes: r ← βr + (1 - β) mean over columns
    of (g² + ε₁), c ← βc + (1 - β) mean over rows of (g² + ε₁), v = r c / mean(r). For vectors:
    v ← βv + (1 - β)(g² + ε₁). Then u = g / √v, ρ = min(α, 1 / √t),
    θ ← θ - ρ max(ε₂, rms(θ)) u / max(1, rms(u) / `clip_threshold`), with root mean squares over all elements of a
    weight. (Shazeer and Stern, "Adafactor: adaptive learning rates with sublinear memory cost", ICML 2018.)

    Parameters
    ----------
    learning_rate : float
        α.
    beta_2_decay : float, negative
    epsilon_1, epsilon_2 : float
        ε₁, ε₂.
    clip_threshold : float
    relative_step : bool
        Changes nothing, as in Keras: ρ is at most 1 / √t either way.
    weight_decay, clipnorm, clipvalue, ... : as in `Optimizer`
    """

    beta_2_decay: float
    clip_threshold: float
    needs_matrices = True

    def __init__(self, learning_rate: LearningRate = 0.001, beta_2_decay: float = -0.8, epsilon_1: float = 1e-30,
                 epsilon_2: float = 1e-3, clip_threshold: float = 1.0, relative_step: bool = True,
                 weight_decay: float | None = None, clipnorm: float | None = None, clipvalue: float | None = None,
                 global_clipnorm: float | None = None, use_ema: bool = False, ema_momentum: float = 0.99,
                 ema_overwrite_frequency: int | None = None, loss_scale_factor: None = None,
                 gradient_accumulation_steps: int | None = None, name: str | None = None) -> None:  # fmt: skip
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
                         ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name)  # fmt: skip
        self.beta_2_decay = _checks.real_number("Adafactor", "beta_2_decay", beta_2_decay, high=0, high_open=True)
        self.epsilon_1: float = _checks.real_number("Adafactor", "epsilon_1", epsilon_1, 0)
        self.epsilon_2: float = _checks.real_number("Adafactor", "epsilon_2", epsilon_2, 0)
        self.clip_threshold = _checks.real_number("Adafactor", "clip_threshold", clip_threshold, 0, low_open=True)
        self.relative_step: bool = _checks.boolean("Adafactor", "relative_step", relative_step)

    def slots_of(self, variable: Array, path: str | None) -> tuple[str, ...]:
        return ("velocity",) if variable.ndim < 2 else ("row_means", "column_means")

    def _initial(self, slot: str, variable: Array) -> Array:
        shape = variable.shape
        shapes = {"row_means": shape[:-1], "column_means": (*shape[:-2], *shape[-1:])}
        return _engine.aligned_zeros(shapes.get(slot, shape), variable.dtype)

    def opening(self) -> list[Any]:
        return [*super().opening(), ("adafactor_coefficients", {"decay": self.beta_2_decay})]

    def update_phases(self, target: Target) -> list[Any]:
        if target.parameter.ndim < 2:
            return self._phases_of_vector(target)
        parameter, tiles, state = target.parameter, target.tiles, target.state
        *outer, rows, columns = parameter.shape
        matrices = math.prod(outer)
        first, gradient = [], target.given
        if gradient is None:
            gradient = self.work(target, "gradient", parameter.shape)
            first.append(("store_gradient", {"target": gradient, "columns": columns, "accumulate": False}))
        bands = -(-tiles.rows // tiles.block_rows)
        # parts of sums, of which each matrix begins a new one
        of_rows = self.work(target, ("row_squares", tiles), (matrices * tiles.across + matrices - 1, rows))
        of_columns = self.work(target, ("column_squares", tiles), (bands + matrices - 1, columns))
        factors = [self.work(target, f"{slot} factors", state[slot].shape) for slot in ("row_means", "column_means")]
        first.append(("adafactor_squares", {"row_squares": of_rows, "column_squares": of_columns, "rows": rows,
                                            "columns": columns, **tiles.numbering}))  # fmt: skip
        row_job, row_sums = self._means_job(of_rows, state["row_means"], factors[0], matrices, tiles.across, 1, columns)
        column_job, _ = self._means_job(of_columns, state["column_means"], factors[1], matrices, rows,
                                        tiles.block_rows, rows)  # fmt: skip
        blocks = Tiles(tiles.rows, columns, min(tiles.rows, max(1, NORMS // columns)), min(columns, NORMS))
        common = {"parameter": parameter, "gradient": gradient, "row_factors": factors[0], "column_factors": factors[1],
                  "row_sums": row_sums, "row_blocks": row_job.tiles.across, "rows": rows, "columns": columns,
                  **norm_parts(blocks)}  # fmt: skip
        return [
            first,
            [row_job, column_job],
            [Job(blocks, [("adafactor_norms", {**common, **blocks.numbering})])],
            [("adafactor_matrix", {**common, **self._norms(blocks, parameter)})],
        ]

    def _means_job(self, squares: Any, means: Any, factors: Any, matrices: Any, units: Any, part_units: Any,
                   summed: Any) -> Any:  # fmt: skip
        """The job of `adafactor_means`, and the sums that its blocks leave."""
        length = means.shape[-1]
        blocks = Tiles(matrices, length, 1, min(length, MEANS))
        sums = _engine.aligned_zeros(blocks.count, np.float64)
        return Job(blocks, [("adafactor_means", {
            "squares": squares, "means": means, "factors": factors, "sums": sums, "length": length, "units": units,
            "part_units": part_units, "summed": summed, "block_columns": blocks.block_columns, "across": blocks.across,
            "epsilon": self.epsilon_1,
        })]), sums  # fmt: skip

    def _phases_of_vector(self, target: Target) -> list[Any]:
        common = {"parameter": target.parameter, "columns": target.columns, **norm_parts(target.tiles),
                  "direction": self.work(target, "direction", target.parameter.shape)}  # fmt: skip
        return [
            [("adafactor_vector", {**common, "velocity": target.state["velocity"], "epsilon": self.epsilon_1,
                                   **target.tiles.numbering})],
            [("adafactor", {**common, **self._norms(target.tiles, target.parameter)})],
        ]  # fmt: skip

    def _norms(self, tiles: Any, parameter: Any) -> Any:
        """What a kernel needs to go by the norms of so many parts."""
        return {"count": tiles.count, "elements": parameter.size, "epsilon": self.epsilon_2,
                "clip_threshold": self.clip_threshold}  # fmt: skip

    def get_config(self) -> Config:
        return {**super().get_config(), "beta_2_decay": self.beta_2_decay, "epsilon_1": self.epsilon_1,
                "epsilon_2": self.epsilon_2, "clip_threshold": self.clip_threshold,
                "relative_step": self.relative_step}  # fmt: skip

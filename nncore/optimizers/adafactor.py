"""Adafactor."""

import math

import numpy as np

from nncore import _checks, _engine
from nncore._plan import TILE_COLUMNS, TILE_ELEMENTS, Job, Tiles
from nncore.optimizers.optimizer import Optimizer


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

    needs_matrices = True

    def __init__(self, learning_rate=0.001, beta_2_decay=-0.8, epsilon_1=1e-30, epsilon_2=1e-3, clip_threshold=1.0,
                 relative_step=True, weight_decay=None, clipnorm=None, clipvalue=None, global_clipnorm=None,
                 use_ema=False, ema_momentum=0.99, ema_overwrite_frequency=None, loss_scale_factor=None,
                 gradient_accumulation_steps=None, name=None):  # fmt: skip
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
                         ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name)  # fmt: skip
        self.beta_2_decay = _checks.real_number("Adafactor", "beta_2_decay", beta_2_decay, high=0, high_open=True)
        self.epsilon_1 = _checks.real_number("Adafactor", "epsilon_1", epsilon_1, 0)
        self.epsilon_2 = _checks.real_number("Adafactor", "epsilon_2", epsilon_2, 0)
        self.clip_threshold = _checks.real_number("Adafactor", "clip_threshold", clip_threshold, 0, low_open=True)
        self.relative_step = _checks.boolean("Adafactor", "relative_step", relative_step)

    def slots_of(self, variable, path):
        return ("velocity",) if variable.ndim < 2 else ("row_means", "column_means")

    def _initial(self, slot, variable):
        shape = variable.shape
        shapes = {"row_means": shape[:-1], "column_means": (*shape[:-2], *shape[-1:])}
        return _engine.aligned_zeros(shapes.get(slot, shape), variable.dtype)

    def opening(self):
        return [*super().opening(), ("adafactor_coefficients", {"decay": self.beta_2_decay})]

    def update_phases(self, target):
        parameter, tiles, state = target
        common = self.directed(target)
        last = [("adafactor", {**common, "count": tiles.count, "elements": parameter.size, "epsilon": self.epsilon_2,
                               "clip_threshold": self.clip_threshold})]  # fmt: skip
        if parameter.ndim < 2:
            return [[("adafactor_vector", {**common, "velocity": state["velocity"], "epsilon": self.epsilon_1,
                                           **tiles.numbering})], last]  # fmt: skip
        *outer, rows, columns = parameter.shape
        matrices = math.prod(outer)
        blocks = Tiles(matrices, rows, 1, min(rows, max(1, TILE_ELEMENTS // columns)))
        row_parts = _engine.aligned_zeros(blocks.count, np.float64)
        sizes = {"rows": rows, "columns": columns}
        means = {"gradient": common["direction"], "epsilon": self.epsilon_1, **sizes}
        return [
            [("store_gradient", {"target": common["direction"], "columns": columns, "accumulate": False})],
            [Job(blocks, [("adafactor_rows", {**means, "row_means": state["row_means"], "parts": row_parts,
                                              "block_columns": blocks.block_columns, "across": blocks.across})]),
             Job(Tiles(matrices, columns, 1, min(columns, TILE_COLUMNS)),
                 [("adafactor_columns", {**means, "column_means": state["column_means"]})])],
            [("adafactor_matrix", {**common, "row_means": state["row_means"], "column_means":
                                   state["column_means"], "row_parts": row_parts, "rows": rows, "row_blocks":
                                   blocks.across, **tiles.numbering})],
            last,
        ]  # fmt: skip

    def get_config(self):
        return {**super().get_config(), "beta_2_decay": self.beta_2_decay, "epsilon_1": self.epsilon_1,
                "epsilon_2": self.epsilon_2, "clip_threshold": self.clip_threshold,
                "relative_step": self.relative_step}  # fmt: skip

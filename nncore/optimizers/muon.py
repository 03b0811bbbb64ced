"""Muon."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from nncore import _checks, _engine
from nncore._plan import Job, Tiles
from nncore.optimizers.adam import Adam
from nncore.optimizers.optimizer import Optimizer, optional, summed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore._likes import LearningRate
    from nncore._typing import Array, Config
    from nncore.optimizers.optimizer import Target

# Elements of a product along each side of a block, and from so many elements of the product on: small products are
# cut finely, to be shared among threads, and large ones so that operands stay in cache.
FINE_BLOCK = 32
COARSE_BLOCK = 128
COARSE_ELEMENTS = 1 << 18

MOST_STEPS = 1000  # of an iteration that converges in five; each is steps of a plan


class Muon(Optimizer):
    """Momentum, made orthogonal: the update of a matrix has singular values of about 1.

    For a weight of two axes (rows, columns): v ← βv + g; with Nesterov's momentum x = g + βv, else x = v;
    x ← x / (|x| + 1e-7); then `ns_steps` times, with x transposed where it has more rows than columns, A = x x',
    x ← a x + (b A + c A²) x; θ ← θ - α √max(rows, columns) `rms_rate` x. Where `rms_rate` is None the factors of the
    learning rate are left out. (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024; the
    factor: Liu et al., "Muon is scalable for LLM training", 2025.)

    All other weights, and those that are excluded, take steps of Adam, where ε stands as in Keras: s ← β₁s + (1 - β₁)g,
    r ← β₂r + (1 - β₂)g², θ ← θ - α `adam_lr_ratio` √(1 - β₂ᵗ) / (1 - β₁ᵗ) · s / (√r + ε).

    Parameters
    ----------
    learning_rate : float
        α.
    adam_beta_1, adam_beta_2 : float in [0, 1)
    adam_weight_decay : float, optional
        In place of `weight_decay` for weights that Adam updates.
    epsilon : float
        ε.
    exclude_layers : list of str, optional
        Regular expressions; weights in whose path "layer/weight" one of them is found take steps of Adam. `fit` and
        its kin know the paths; before an `apply` of one's own `build(variables, model.paths_of(variables))` tells them.
    exclude_embeddings : bool
        The same for paths with "embedding" in them.
    muon_a, muon_b, muon_c : float
        a, b, c.
    adam_lr_ratio : float
    momentum : float in [0, 1)
        β.
    ns_steps : int
        At most 1,000.
    nesterov : bool
    rms_rate : float, optional
    weight_decay, clipnorm, clipvalue, ... : as in `Optimizer`

    Raises
    ------
    ValueError
        For an argument out of its range; and by `apply`, under `exclude_layers`, for variables without paths.
    """

    needs_matrices = True

    def __init__(self, learning_rate: LearningRate = 0.001, adam_beta_1: float = 0.9, adam_beta_2: float = 0.999,
                 adam_weight_decay: float = 0.004, epsilon: float = 1e-7, weight_decay: float | None = 0.004,
                 clipnorm: float | None = None, clipvalue: float | None = None, global_clipnorm: float | None = None,
                 use_ema: bool = False, ema_momentum: float = 0.99, ema_overwrite_frequency: int | None = None,
                 loss_scale_factor: None = None, gradient_accumulation_steps: int | None = None,
                 name: str | None = None, exclude_layers: str | Sequence[str] | None = None,
                 exclude_embeddings: bool = True, muon_a: float = 3.4445, muon_b: float = -4.7750,
                 muon_c: float = 2.0315, adam_lr_ratio: float = 1, momentum: float = 0.95, ns_steps: int = 5,
                 nesterov: bool = True, rms_rate: float = 0.2) -> None:  # fmt: skip
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum,
                         ema_overwrite_frequency, loss_scale_factor, gradient_accumulation_steps, name)  # fmt: skip
        self.adam_beta_1: float = _checks.real_number("Muon", "adam_beta_1", adam_beta_1, 0, 1, high_open=True)
        self.adam_beta_2: float = _checks.real_number("Muon", "adam_beta_2", adam_beta_2, 0, 1, high_open=True)
        self.adam_weight_decay: float | None = optional("Muon", "adam_weight_decay", adam_weight_decay)
        self.epsilon: float = _checks.real_number("Muon", "epsilon", epsilon, 0)
        self.exclude_layers: list[str] = _expressions(exclude_layers)
        self.exclude_embeddings: bool = _checks.boolean("Muon", "exclude_embeddings", exclude_embeddings)
        self.muon_a: float = _checks.real_number("Muon", "muon_a", muon_a)
        self.muon_b: float = _checks.real_number("Muon", "muon_b", muon_b)
        self.muon_c: float = _checks.real_number("Muon", "muon_c", muon_c)
        self.adam_lr_ratio: float = _checks.real_number("Muon", "adam_lr_ratio", adam_lr_ratio, 0)
        self.momentum: float = _checks.real_number("Muon", "momentum", momentum, 0, 1, high_open=True)
        self.ns_steps: int = _checks.integer("Muon", "ns_steps", ns_steps, most=MOST_STEPS)
        self.nesterov: bool = _checks.boolean("Muon", "nesterov", nesterov)
        self.rms_rate: float | None = optional("Muon", "rms_rate", rms_rate)
        self._adam = Adam(0.0, self.adam_beta_1, self.adam_beta_2, self.epsilon, epsilon_inside_sqrt=False)

    def slots_of(self, variable: Array, path: str | None) -> tuple[str, ...]:
        """A velocity is kept for variables that Adam updates."""
        if self.exclude_layers and path is None:
            raise ValueError(
                "Muon: exclude_layers goes by the paths of variables; before apply(gradients, variables) call "
                "optimizer.build(variables, model.paths_of(variables))"
            )
        by_adam = (
            variable.ndim != 2
            or (self.exclude_embeddings and "embedding" in (path or "").lower())
            or any(re.search(expression, path) for expression in self.exclude_layers)  # type: ignore[arg-type]
        )
        return ("momentum", "velocity") if by_adam else ("momentum",)

    def decay_of(self, target: Target) -> float | None:
        return self.adam_weight_decay if "velocity" in target.state else self.weight_decay

    def opening(self) -> list[Any]:
        return [*super().opening(), ("muon_coefficients", {"beta_1": self.adam_beta_1, "beta_2": self.adam_beta_2,
                                                           "ratio": self.adam_lr_ratio})]  # fmt: skip

    def update_phases(self, target: Target) -> list[Any]:
        parameter, tiles, state, _ = target
        if "velocity" in state:
            return [self._adam.update_steps(parameter, tiles.columns, state)]
        columns = tiles.columns
        direction = self.work(target, "direction", parameter.shape)
        parts = _engine.aligned_zeros(tiles.count, np.float64)
        sums, between = summed(parts=parts)
        store = ("store_gradient", {"target": direction, "columns": columns, "accumulate": False})
        momentum = ("muon_momentum", {"velocity": state["momentum"], "columns": columns, "nesterov": self.nesterov,
                                      "momentum": self.momentum})  # fmt: skip
        normalize = ("normalize_gradient", {**sums, "columns": columns, "epsilon": 1e-7})
        products, entry = self._newton_schulz(target, direction) if self.ns_steps else ([], [])
        rate = 1.0 if self.rms_rate is None else math.sqrt(max(parameter.shape)) * self.rms_rate
        return [
            [momentum, ("square_sum", {"parts": parts, **tiles.numbering}), store],
            between,
            [("load_gradient", {"source": direction, "columns": columns}), normalize, store, *entry],
            *products,
            [("muon", {"parameter": parameter, "direction": direction, "columns": columns, "rate": rate})],
        ]

    def _newton_schulz(self, target: Target, direction: Any) -> Any:
        """The phases of the iterations, and steps over the parameter's tiles that come before them.

        The iterate is kept tall, the transpose y of x for a matrix of fewer rows than columns and else x itself, so
        that no product needs a transposed copy: A = y'y, B = bA + cA², y ← ay + yB, as A and B are symmetric to the
        last bit.
        """
        height, width = max(direction.shape), min(direction.shape)
        transposed = direction.shape[0] < height
        stride = _engine.padded_stride(width, direction.itemsize)
        iterates = [self.work(target, name, (height, stride)) for name in ("iterate", "other iterate")]
        gram, polynomial = (self.work(target, name, (width, stride)) for name in ("gram", "polynomial"))
        copy = "pack_transposed" if transposed else "pack"
        entry = [(copy, {"matrix": direction, "packed": iterates[0], "columns": target.columns, "packed_stride": stride,
                         "packed_panel": 0})]  # fmt: skip
        strides = {"a_stride": stride, "b_stride": stride, "addend_stride": stride, "c_stride": stride}
        square, tall = _blocks(width, width), _blocks(height, width)
        phases = []
        for _ in range(self.ns_steps):
            y, updated = iterates
            phases += [
                [Job(square, [("scaled_product", {"a": y, "b": y, "addend": None, "c": gram, "inner": height,
                                                  "transposed": True, **strides, "alpha": 1, "beta": 0})])],
                [Job(square, [("scaled_product", {"a": gram, "b": gram, "addend": gram, "c": polynomial, "inner": width,
                                                  "transposed": False, **strides, "alpha": self.muon_c,
                                                  "beta": self.muon_b})])],
                [Job(tall, [("scaled_product", {"a": y, "b": polynomial, "addend": y, "c": updated, "inner": width,
                                                "transposed": False, **strides, "alpha": 1, "beta": self.muon_a})])],
            ]  # fmt: skip
            iterates.reverse()
        phases[-1][0].steps.append((copy, {"matrix": iterates[0], "packed": direction, "columns": stride,
                                           "packed_stride": target.columns, "packed_panel": 0}))  # fmt: skip
        return phases, entry

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "adam_beta_1": self.adam_beta_1,
            "adam_beta_2": self.adam_beta_2,
            "adam_weight_decay": self.adam_weight_decay,
            "epsilon": self.epsilon,
            "exclude_layers": list(self.exclude_layers),
            "exclude_embeddings": self.exclude_embeddings,
            "muon_a": self.muon_a,
            "muon_b": self.muon_b,
            "muon_c": self.muon_c,
            "adam_lr_ratio": self.adam_lr_ratio,
            "momentum": self.momentum,
            "ns_steps": self.ns_steps,
            "nesterov": self.nesterov,
            "rms_rate": self.rms_rate,
        }


def _blocks(rows: int, columns: int) -> Tiles:
    """The blocks of a product."""
    block = COARSE_BLOCK if rows * columns >= COARSE_ELEMENTS else FINE_BLOCK
    return Tiles(rows, columns, min(rows, block), min(columns, block))


def _expressions(given: str | Sequence[str] | None) -> list[str]:
    """The list of regular expressions."""
    if given is None:
        return []
    try:
        several = _checks.sequence("Muon", "exclude_layers", given)
    except TypeError:
        several = [None]
    if not all(isinstance(expression, str) for expression in several):
        raise TypeError(f"Muon: exclude_layers must be a list of str, not {given!r}")
    for expression in several:
        try:
            re.compile(expression)
        except re.error as error:
            raise ValueError(f"Muon: exclude_layers has {expression!r}, no regular expression: {error}") from None
    return several

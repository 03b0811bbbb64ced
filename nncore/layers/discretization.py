"""Numbers of the intervals that numbers fall into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nncore import _checks, _data
from nncore.layers.layer import Layer
from nncore.layers.preparing import DataLayer, batches_to_adapt, check_mode, encode_indices, encoded_shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from typing_extensions import Self

    from nncore._typing import Array, Config, Data


class Discretization(DataLayer):
    """y = how many of `bin_boundaries` b are at most x: interval i is [b[i - 1], b[i]).

    Boundaries are given, or found by `adapt`, so that intervals hold about equally many of the data's numbers.

    Parameters
    ----------
    bin_boundaries : list of float, ascending
    num_bins : int, in its place: how many intervals `adapt` is to make
    epsilon : float
        `adapt` keeps a summary of about 1 / epsilon numbers; quantiles are exact to about this share.
    output_mode : "int", "one_hot", "multi_hot" or "count"
        "int": the number of the interval; the others as `CategoryEncoding`.
    sparse : False

    Examples
    --------
    >>> layer = nn.layers.Discretization(bin_boundaries=[0.0, 1.0, 2.0])
    >>> layer([[-1.5, 1.0, 3.4, 0.5]])
    array([[0, 2, 3, 1]], dtype=int32)
    """

    def __init__(self, bin_boundaries: Sequence[float] | Array | None = None, num_bins: int | None = None,
                 epsilon: float = 0.01, output_mode: Literal["int", "one_hot", "multi_hot", "count"] = "int",
                 sparse: Literal[False] | None = False, dtype: None = None, name: str | None = None,
                 **common: Any) -> None:  # fmt: skip
        super().__init__(name=name, dtype=dtype, **common)
        if (bin_boundaries is None) == (num_bins is None):
            raise ValueError("Discretization needs bin_boundaries, or num_bins and adapt(data): one of them")
        self.epsilon: float = _checks.real_number("Discretization", "epsilon", epsilon, 0, 1, low_open=True)
        self.output_mode: str = check_mode("Discretization", output_mode, ("int", "one_hot", "multi_hot", "count"))
        _checks.refuse_on("Discretization", sparse=sparse)
        self.num_bins: int | Any = None
        if num_bins is not None:
            self.num_bins = _checks.positive_integer("Discretization", "num_bins", num_bins)
        self.bin_boundaries: list[float] | Any = None if bin_boundaries is None else self._checked(bin_boundaries)
        self._summary: Array | None = None

    @staticmethod
    def _checked(boundaries: Any) -> list[float]:
        array = np.asarray(_data.as_array(boundaries, "Discretization: bin_boundaries"), np.float64)
        if array.ndim != 1 or np.isnan(array).any() or (np.diff(array) < 0).any():
            raise ValueError(f"Discretization: bin_boundaries must be ascending numbers; got {boundaries!r}")
        return array.tolist()

    def adapt(self, data: Data | Iterable[Any], steps: int | None = None) -> None:
        """Finds the boundaries: quantiles of all numbers of the data.

        Parameters
        ----------
        data : array, or an iterable of minibatches of which the inputs count
        steps : int, optional
            Minibatches of an iterable; all unless given.
        """
        if self.num_bins is None:
            raise ValueError(f"layer {self.name!r} has bin_boundaries: only one made with num_bins can be adapted")
        self.reset_state()
        for part in batches_to_adapt(data, steps, f"layer {self.name!r}"):
            self.update_state(part)
        self.finalize_state()

    def reset_state(self) -> None:
        """Forgets what `update_state` has seen."""
        self._summary = np.zeros((2, 0), np.float32)

    def update_state(self, data: Any) -> None:
        """Adds the numbers of some data to the summary."""
        values = np.sort(_data.as_array(data, "data"), axis=None).astype(np.float32)
        if np.isnan(values).any():
            raise ValueError(f"layer {self.name!r}: the data hold {np.isnan(values).sum()} NaN; fill or drop them")
        step = max(len(values) * self.epsilon, 1.0)  # numbers that one of the summary stands for
        kept = values[int(step - 1) :: int(step)]
        both = np.concatenate([[kept, np.full_like(kept, step)], self._summary], axis=1)
        self._summary = _compressed(both[:, np.argsort(both[0])], self.epsilon)

    def finalize_state(self) -> None:
        """Makes boundaries of the summary."""
        if self._summary is None or not self._summary.shape[1]:
            raise ValueError(f"layer {self.name!r}: there was nothing to adapt to")
        self.bin_boundaries = _compressed(self._summary, 1 / self.num_bins)[0, :-1].tolist()

    def encode(self, data: Any, name: str = "inputs") -> Array:
        if self.bin_boundaries is None:
            raise ValueError(f"layer {self.name!r} has no boundaries yet: call adapt(data)")
        array = _data.as_array(data, name)
        boundaries = np.array(self.bin_boundaries)
        if array.dtype.kind == "f":
            boundaries = boundaries.astype(array.dtype)  # 0.7 of float32 is in the interval that begins with 0.7
        indices = np.searchsorted(boundaries, array, side="right").astype(np.int32)
        return encode_indices(indices, self.output_mode, len(boundaries) + 1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        depth = self.num_bins if self.bin_boundaries is None else len(self.bin_boundaries) + 1
        return encoded_shape(input_shape, self.output_mode, depth)

    def get_config(self) -> Config:
        config = Layer.get_config(self)
        return {"bin_boundaries": self.bin_boundaries, "num_bins": self.num_bins, "epsilon": self.epsilon,
                "output_mode": self.output_mode, **config}  # fmt: skip

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Makes a layer from `get_config`, adapted as the other was."""
        config = dict(config)
        adapted = config.pop("bin_boundaries", None) if config.get("num_bins") is not None else None
        layer = cls(**config)
        if adapted is not None:
            layer.bin_boundaries = layer._checked(adapted)
        return layer


def _compressed(summary: Array, epsilon: float) -> Array:
    """A summary of 1 / epsilon numbers at most: quantiles of another one, and what weighs each.

    A summary is (2, count): ascending numbers, and how many of the data each stands for.
    """
    values, weights = summary
    if len(values) * epsilon < 1:
        return summary
    shares = np.arange(0.0, 1.0, epsilon) + epsilon
    seen = np.cumsum(weights)
    found, reached = (np.interp(shares, seen / seen[-1], of) for of in (values, seen))
    return np.stack([found, np.diff(reached, prepend=0.0)]).astype(np.float32)

"""Regularizers: penalties on weights or on outputs of layers, added to the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nncore import _checks

if TYPE_CHECKING:
    from typing_extensions import Self

    from nncore._likes import RegularizerLike
    from nncore._typing import Config, Data

__all__ = ["L1", "L1L2", "L2", "L2PerSample", "Regularizer", "deserialize", "get", "l1", "l1_l2", "l2", "serialize"]


class Regularizer:
    """Base of the regularizers: l1 sum |w| + l2 sum w².

    Its derivative l1 sign(w) + 2 l2 w, with sign(0) = 0, is added to the gradient where that is computed.
    """

    l2: float
    l1: float
    l1 = l2 = 0.0
    per_sample = False  # whether training divides it by the minibatch's rows, or by the sum of their weights

    def __call__(self, x: Data | float) -> float:
        """Returns the penalty of an array."""
        x = np.asarray(x, np.float64)
        return float(self.l1 * np.abs(x).sum() + self.l2 * (x * x).sum())

    def get_config(self) -> Config:
        """Returns the constructor's arguments."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Makes a regularizer from `get_config`."""
        return cls(**config)


class L1L2(Regularizer):
    """l1 sum |w| + l2 sum w².

    Parameters
    ----------
    l1, l2 : float, not negative
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1: float = _checks.real_number("L1L2", "l1", 0.0 if l1 is None else l1, 0)
        self.l2: float = _checks.real_number("L1L2", "l2", 0.0 if l2 is None else l2, 0)

    def get_config(self) -> Config:
        return {"l1": self.l1, "l2": self.l2}


class L1(Regularizer):
    """l1 sum |w|: a Laplace prior, which makes weights sparse.

    Parameters
    ----------
    l1 : float, not negative
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1: float = _checks.real_number("L1", "l1", l1, 0)

    def get_config(self) -> Config:
        return {"l1": self.l1}


class L2(Regularizer):
    """l2 sum w²: a normal prior, which keeps weights small.

    Parameters
    ----------
    l2 : float, not negative
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2: float = _checks.real_number("L2", "l2", l2, 0)

    def get_config(self) -> Config:
        return {"l2": self.l2}


class L2PerSample(L2):
    """l2 sum w² / n, with n the minibatch's rows, or the sum of their sample_weight: scikit-learn's penalty.

    A prior counts once beside the data, and the mean loss of n rows is a part 1 / n of their log-likelihood. On an
    array it is l2 sum w². Beyond Keras.

    Parameters
    ----------
    l2 : float, not negative
    """

    per_sample = True


# Keras has both spellings
l1 = L1
l2 = L2
l1_l2 = L1L2

_BY_NAME = {"l1": L1, "l2": L2, "l1_l2": L1L2}
_BY_CLASS = {cls.__name__: cls for cls in (*_BY_NAME.values(), L2PerSample)}


def get(identifier: RegularizerLike) -> Regularizer | None:
    """Returns the regularizer that a name, a configuration or a regularizer stands for; None for None."""
    return None if identifier is None else _checks.resolve("regularizer", identifier, Regularizer, _BY_NAME, _BY_CLASS)


def serialize(regularizer: Regularizer | None) -> Config | None:
    """Returns {"class_name", "config"} of a regularizer; None for None."""
    return None if regularizer is None else _checks.serialize(regularizer)


def deserialize(config: RegularizerLike) -> Regularizer | None:
    """Returns the regularizer that `serialize` described."""
    return get(config)

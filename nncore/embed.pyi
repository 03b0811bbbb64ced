"""Types of embed.pyx."""

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from nncore.models import Model

__all__ = ["Predictor", "load"]

class Predictor:
    @property
    def input_shapes(self) -> tuple[tuple[int, ...], ...]: ...
    @property
    def output_shapes(self) -> tuple[tuple[int, ...], ...]: ...
    @property
    def input_dtypes(self) -> tuple[np.dtype[Any], ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def __init__(
        self,
        model: Model,
        *,
        threads: int = 1,
        rows: int = 512,
        input_dtype: DTypeLike | Sequence[DTypeLike] | None = None,
    ) -> None: ...
    def __call__(self, *inputs: ArrayLike) -> NDArray[Any] | list[NDArray[Any]]: ...

def load(path: str | PathLike[str], threads: int = 1) -> Predictor: ...

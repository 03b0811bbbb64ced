from collections.abc import Mapping
from typing import Any

from nncore._typing import Array, Dtype

def run(
    kernel: str,
    dtype: Dtype,
    arguments: Mapping[str, Any],
    block: tuple[int, ...],
    *,
    variant: str | None = None,
    gradient: Array | None = None,
    order: Array | None = None,
    rows: int = 0,
    first_row: int = 0,
    step: int = 1,
    update: int | None = None,
    seed: int = 0,
    learning_rate: float = 0.0,
    coefficient: Any = None,
    repeats: int = 1,
) -> dict[str, Any]: ...

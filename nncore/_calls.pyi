from collections.abc import Iterable, Sequence
from typing import Any

from nncore._engine import Plan
from nncore._typing import Array, Shape
from nncore._weight import Weight
from nncore.models.programs import Program

def forget_calls() -> None: ...

class Exclusive:
    visitor: Any
    def __init__(self, owner: str) -> None: ...
    def lend(self) -> None: ...
    def call_in(self) -> None: ...
    def refuse_borrower(self, what: str) -> None: ...
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...

class Call:
    @property
    def program(self) -> Program: ...
    @property
    def current(self) -> bool: ...
    def __init__(
        self,
        lock: Exclusive,
        program: Program,
        seed: int,
        limit: int,
        input_shape: Shape,
        output_shape: Shape,
        counter: Array | None = None,
        target_shape: Shape | None = None,
        classes: int = 0,
        fewest: int = 1,
        indices: int = 0,
        weights: Sequence[Weight] = (),
    ) -> None: ...
    def learn(self, x: Any, y: Any, learning_rate: float = 0.0) -> float | list[float] | None: ...
    def differentiate(self, x: Any, y: Any) -> tuple[float, list[Array]] | None: ...
    def infer(self, x: Any, with_backward: bool = False) -> Array | None: ...
    def send_back(self, dy: Any, rows: int) -> Array | None: ...

class Update:
    def __init__(
        self,
        plan: Plan,
        loads: Iterable[Iterable[tuple[int, str]]],
        variables: Iterable[Array],
        counter: Array,
        threads: int,
    ) -> None: ...
    def run(self, gradients: Any, variables: Any, learning_rate: float) -> bool: ...

"""Symbolic tensors: what layers are called on to make a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore import _sizes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

    from nncore._typing import AnyLayer, Config, Shape


class Node:
    """One use of a layer: the tensors that go in and those that come out, and options of this use."""

    layer: AnyLayer
    inputs: list[Tensor]
    options: Config

    def __init__(self, layer: Any, inputs: Sequence[Tensor], output_shapes: Sequence[Shape],
                 options: Config | None = None) -> None:  # fmt: skip
        for shape in output_shapes:
            _sizes.check_elements(f"layer {layer.name!r}: a sample", tuple(shape))
            if 0 in shape:  # kernels count on there being one
                raise ValueError(f"layer {layer.name!r}: a sample of shape {tuple(shape)} has no element")
        self.layer, self.inputs, self.options = layer, list(inputs), options or {}
        self.outputs: list[Tensor] = [Tensor(shape, self, index) for index, shape in enumerate(output_shapes)]


class Tensor:
    """A tensor of a graph, without values: what a layer gives when it is called on `nn.Input`.

    Sums, differences, products and quotients of tensors, and of tensors and numbers, are tensors too.
    """

    sample_shape: tuple[int, ...]
    node: Node
    index: int
    __array_priority__ = 100  # so that NumPy's numbers leave arithmetic to us

    def __init__(self, sample_shape: Shape, node: Node, index: int) -> None:
        self.sample_shape, self.node, self.index = tuple(sample_shape), node, index

    @property
    def shape(self) -> tuple[int | None, ...]:
        """(None, ...): None is the axis of samples."""
        return (None, *self.sample_shape)

    @property
    def dtype(self) -> None:
        """None: it is that of the model, which is made later."""
        return None

    @property
    def name(self) -> str:
        """That of the layer which it comes from."""
        return self.node.layer.name  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<Tensor shape={self.shape} from {self.name!r}>"

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("a symbolic tensor has no values to iterate over")

    def __bool__(self) -> bool:
        raise TypeError("a symbolic tensor has no values to test")

    def __add__(self, other: Tensor | float) -> Tensor:
        return _arithmetic().add(self, other)  # type: ignore[no-any-return]

    __radd__ = __add__

    def __sub__(self, other: Tensor | float) -> Tensor:
        return _arithmetic().subtract(self, other)  # type: ignore[no-any-return]

    def __rsub__(self, other: Tensor | float) -> Tensor:
        return _arithmetic().subtract(other, self)  # type: ignore[no-any-return]

    def __mul__(self, other: Tensor | float) -> Tensor:
        return _arithmetic().multiply(self, other)  # type: ignore[no-any-return]

    __rmul__ = __mul__

    def __truediv__(self, other: Tensor | float) -> Tensor:
        return _arithmetic().divide(self, other)  # type: ignore[no-any-return]

    def __neg__(self) -> Tensor:
        return _arithmetic().multiply(self, -1.0)  # type: ignore[no-any-return]


def _arithmetic() -> ModuleType:
    from nncore.layers import arithmetic  # which is made of layers, and layers of tensors

    return arithmetic


def is_symbolic(inputs: Any) -> bool:
    """Whether a layer is called to make a graph, and not on arrays."""
    if isinstance(inputs, dict):
        inputs = list(inputs.values())
    if isinstance(inputs, (list, tuple)):
        return any(isinstance(x, Tensor) for x in inputs)
    return isinstance(inputs, Tensor)

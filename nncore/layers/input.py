"""Where a network's data comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from nncore import _checks
from nncore.layers.layer import Layer
from nncore.layers.tensor import Node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore._plan import Builder, Value
    from nncore._typing import Config, Dtype, Shape, ShapeLike
    from nncore.layers.tensor import Tensor


class InputLayer(Layer):
    """States the shape of a sample; computes nothing.

    Parameters
    ----------
    shape : tuple of int
        Without the axis of samples.
    batch_shape : tuple, optional
        In its place: (None, *shape).
    dtype : a type of numbers, optional
        Changes nothing: data of any real or integer type comes in, and the model has the dtype of what is computed.
    """

    input_shape: Any
    output_shape: Any

    def __init__(self, shape: ShapeLike | None = None, batch_size: None = None, dtype: Dtype | None = None,
                 sparse: Literal[False] | None = None, batch_shape: Sequence[int | None] | None = None, *,
                 name: str | None = None) -> None:  # fmt: skip
        super().__init__(name=name)
        # data of any type comes in, strings where a layer makes numbers of them; the model has the dtype
        if dtype is not None and dtype != "string":
            _checks.name_of_dtype("Input", dtype)
        _checks.refuse("Input", batch_size=batch_size)
        _checks.refuse_on("Input", sparse=sparse)
        if batch_shape is not None:
            batch_shape = _checks.sequence("Input", "batch_shape", batch_shape)
            if shape is not None or not batch_shape or batch_shape[0] is not None:
                raise ValueError(
                    f"Input takes shape, or batch_shape (None, ...) in its place; got shape={shape}, "
                    f"batch_shape={batch_shape}"
                )
            shape = batch_shape[1:]  # type: ignore[assignment]
        if shape is None:
            raise ValueError("Input needs a shape: that of one sample, such as (784,)")
        self.shape: Shape = _checks.sample_shape("Input", "shape", shape)
        self.input_shape = self.output_shape = self.shape
        self.built = True
        self.node: Node | Any = Node(self, [], [self.shape])

    def emit(self, builder: Builder, x: Value) -> Value:
        return x

    def get_config(self) -> Config:
        return {"shape": list(self.shape), "name": self.name}


def Input(  # noqa: N802
        shape: ShapeLike | None = None, batch_size: None = None, dtype: Dtype | None = None,
        sparse: Literal[False] | None = None, batch_shape: Sequence[int | None] | None = None, name: str | None = None,
        tensor: None = None, *, layer: InputLayer | None = None
) -> Tensor:  # fmt: skip
    """Returns a symbolic tensor for samples of a shape: where a graph begins, or the first element of a Sequential.

    Parameters
    ----------
    shape : tuple of int
        Without the axis of samples: ``(784,)`` for rows of 784 features.
    dtype, batch_shape : as in `InputLayer`
    name : str, optional
        Of the input; data for several inputs may be a dict by name.

    Examples
    --------
    >>> model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(3)])
    >>> model.output_shape
    (None, 3)
    """
    _checks.refuse("Input", tensor=tensor)
    layer = layer or InputLayer(shape, batch_size, dtype, sparse, batch_shape, name=name)
    return layer.node.outputs[0]

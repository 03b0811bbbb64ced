"""Products of a tensor with a weight, forward and backward, as steps of a plan.

In a plan for mixed precision, products with weights of more than a few elements are over pairs of bfloat16: their
operands are converted where they are made, and everything else stays float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore._plan import IMAGE_ROWS, PARTED_ELEMENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from nncore._engine import Buffer
    from nncore._plan import Builder
    from nncore._weight import Weight


def emit_product(builder: Builder, emit: Callable[..., Any], a: Buffer, weight: Weight, c: Buffer, *,
                 transposed: bool = False, bias: Any = None, mask: Buffer | None = None, relu: bool = False,
                 accumulate: bool = False) -> None:  # fmt: skip
    """Adds c = a w, or a w' if `transposed`; then + c (accumulate), + bias, ReLU, and 0 where `mask` is not positive.

    Parameters
    ----------
    emit : `builder.forward` or `builder.backward_step`
    a, c, mask : Buffer
    weight : Weight
    bias : array (columns,)
    """
    rows, columns = weight.matrix_shape
    inner, outer = (columns, rows) if transposed else (rows, columns)
    ends = {
        "bias": bias,
        "mask": mask,
        "c": c,
        "columns": outer,
        "mask_stride": mask.stride if mask else 0,
        "c_stride": c.stride,
        "relu": relu,
        "accumulate": accumulate,
    }
    if in_pairs(builder, weight, a, inner):
        pairs = builder.paired(emit, "pair_columns", a, inner, (inner + 1) // 2)
        emit("matmul_pairs", a=pairs, a_stride=pairs.stride, inner=(inner + 1) // 2,
             **builder.paired_operand(weight, transposed), **ends)  # fmt: skip
    else:
        emit("matmul", a=a, a_stride=a.stride, inner=inner, **builder.operand(weight, transposed), **ends)


def emit_products(builder: Builder, emit: Callable[..., Any], a: Buffer, weight: Weight, c: Buffer, positions: int, *,
                  transposed: bool = False, mask: Buffer | None = None, **ends: Any) -> None:  # fmt: skip
    """As `emit_product` for each of so many positions of a sample."""
    rows, columns = weight.matrix_shape
    inner, outer = (columns, rows) if transposed else (rows, columns)
    if positions == 1:
        emit_product(builder, emit, a, weight, c, transposed=transposed, mask=mask, **ends)
    elif a.stride == positions * inner and c.stride == positions * outer and (not mask or mask.stride == c.stride):
        ends = {"bias": None, "relu": False, "accumulate": False, **ends}
        emit("matmul", positions, a=a, c=c, mask=mask, inner=inner, columns=outer, a_stride=inner, c_stride=outer,
             mask_stride=outer, **builder.operand(weight, transposed, positions), **ends)  # fmt: skip
    else:
        for position in range(positions):
            emit_product(builder, emit, a.at(position * inner), weight, c.at(position * outer), transposed=transposed,
                         mask=mask and mask.at(position * outer), **ends)  # fmt: skip


def emit_gradients(builder: Builder, weight: Weight, x: Buffer, dy: Buffer, positions: int) -> None:
    """Adds the sum over positions of x' dy to what sums to the gradient of a weight."""
    rows, columns = weight.matrix_shape
    if positions == 1:
        emit_gradient(builder, weight, x, dy)
    elif x.stride == positions * rows and dy.stride == positions * columns:
        builder.weight_gradient(weight, "matmul_gradient", positions, x=x, dy=dy, x_stride=rows, dy_stride=columns)
    else:
        emit_positions_gradient(builder, weight, x, dy, positions)


def emit_bias_gradient(builder: Builder, bias: Any, dy: Buffer, positions: int, part_rows: int = IMAGE_ROWS) -> None:
    """Adds the sum of dy over positions to what sums to the gradient of a bias: of several in parts of so many rows."""
    if positions == 1:
        builder.weight_gradient(bias, "column_sum", dy=dy, dy_stride=dy.stride)
        return
    arguments = {"dy": dy, "positions": positions, "units": bias.array.size, "dy_stride": dy.stride}
    builder.weight_gradient_parts(bias, part_rows, [("positions_sum_part", arguments, 0)])


def emit_gradient(builder: Builder, weight: Weight, x: Buffer, dy: Buffer) -> None:
    """Adds x' dy to what sums to the gradient of a weight."""
    rows, columns = weight.matrix_shape
    if in_pairs(builder, weight, x, rows):
        x = builder.paired(builder.backward_step, "pair_rows", x, rows, rows)
        dy = builder.paired(builder.backward_step, "pair_rows", dy, columns, columns)
        kernel = "matmul_gradient_pairs"
    else:
        kernel = "matmul_gradient"
    builder.weight_gradient(weight, kernel, x=x, dy=dy, x_stride=x.stride, dy_stride=dy.stride)


def emit_positions_gradient(builder: Builder, weight: Weight, x: Any, dy: Buffer, positions: int, *,
                            x_step: int | None = None, x_stride: int | None = None, x_group: int = 0,
                            group: int | None = None) -> None:  # fmt: skip
    """Adds the sum of x' dy over positions to what sums to the gradient of a weight.

    Parameters
    ----------
    x, dy : Buffer; x may be an array, with x_stride 0
    x_step : int, from one position of x to the next
    x_group, group : int
        Each `group` columns of the weight see x this much further on.
    """
    rows, columns = weight.matrix_shape
    builder.weight_gradient(weight, "positions_gradient", x=x, dy=dy, positions=positions,
                            x_step=rows if x_step is None else x_step, dy_step=columns, x_group=x_group,
                            group=columns if group is None else group,
                            x_stride=x.stride if x_stride is None else x_stride, dy_stride=dy.stride)  # fmt: skip


def in_pairs(builder: Builder, weight: Weight, operand: Any, width: int) -> bool:
    """Whether a product is over pairs: of large weights, with tensors that are not cut along their last axis."""
    return builder.mixed and operand.width == width and weight.array.size > PARTED_ELEMENTS

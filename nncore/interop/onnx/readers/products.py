"""Products with a weight: dense layers, and rows of a table."""

import numpy as np

from nncore import layers
from nncore.interop.onnx.importing import Tensor, reads


def _dense(reader, node, x, kernel, bias):
    """x kernel + bias along the last axis."""
    node.require(kernel.ndim == 2 and x.shape[-1] == kernel.shape[0], f"of {x.shape} has a weight of {kernel.shape}")
    order, symbol = x.ending_with(x.rank - 1)
    layer = node.layer(layers.Dense, kernel.shape[1], use_bias=bias is not None)
    arrays = [kernel] if bias is None else [kernel, bias]
    return Tensor(reader, reader.weighted(layer, symbol, arrays), order)


@reads("Gemm")
def read_gemm(reader, node):
    x, kernel, bias = node.tensor(), node.array(1, "weights"), node.given(2)
    node.only(alpha=1.0, transA=0)
    node.require(x.rows == 0 and x.rank == 2, "is supported for rows of features only")
    kernel = kernel.T if node.attributes.get("transB", 0) else kernel
    if bias is not None:
        bias = node.array(2, "biases")
        node.only(beta=1.0)
        node.require(bias.size in (1, kernel.shape[-1]) and bias.ndim <= 2, "has a bias that does not fit")
        bias = bias.reshape(-1) if bias.size > 1 else np.full(kernel.shape[-1], bias.item())
    return _dense(reader, node, x, kernel, bias)


@reads("MatMul")
def read_matmul(reader, node):
    x, kernel = node.tensor(), node.given(1)
    if isinstance(kernel, Tensor):
        return _product(reader, node, x, kernel)
    kernel = node.array(1, "weights")
    node.require(x.rows != x.rank - 1, "along the rows is not supported")
    follower = reader.only_reader(node.outputs[0], "Add")
    if follower is not None:
        names = [name for name in follower.input if name != node.outputs[0]]
        bias = reader.values.get(names[0]) if len(names) == 1 else None
        if isinstance(bias, np.ndarray) and bias.shape == kernel.shape[1:]:
            reader.taken.add(id(follower))
            node.outputs = list(follower.output)
            reader.values[follower.output[0]] = y = _dense(reader, node, x, kernel, bias)
            return y
    return _dense(reader, node, x, kernel, None)


def _product(reader, node, x, other):
    """The product of samples of matrices."""
    node.require(x.rows == other.rows == 0 and x.rank == other.rank == 3, "of tensors is supported for matrices only")
    return Tensor(reader, node.layer(layers.Dot, (2, 1))([x.plain, other.plain]))


@reads("Gather")
def read_gather(reader, node):
    table = node.array(0, "tables")
    if isinstance(node.given(1), np.ndarray) and table.ndim == 1:  # of a shape
        return np.asarray(table[node.inputs[1]])
    numbers = node.tensor(1)
    node.require(node.attributes.get("axis", 0) in (0, -2) and table.ndim == 2 and table.dtype.kind == "f",
                 "is supported for rows of a table only")  # fmt: skip
    node.require(numbers.rows == 0, "is supported where the rows are the first axis only")
    layer = node.layer(layers.Embedding, *table.shape)
    return Tensor(reader, reader.weighted(layer, numbers.plain, [table]))

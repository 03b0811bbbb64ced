"""Rows of a table."""

import nncore as nn
from nncore.interop.torch.reading.parameters import array
from nncore.interop.torch.reading.registry import module
from nncore.interop.torch.reading.values import Constant, Value


@module("Embedding")
def embedding(node, module, x):
    for option in ("max_norm", "scale_grad_by_freq"):
        if getattr(module, option):
            raise ValueError(f"nncore has no {option}={getattr(module, option)}")
    table, trainable = array(module.weight), module.weight.requires_grad
    if isinstance(x, Constant):  # of positions
        return Constant(table[x.array], trainable, f"{node.name}_{x.name}")
    x = x.plain()
    layer = node.layer(nn.layers.Embedding, *table.shape, weights=[table], trainable=trainable)
    return Value(layer(x.tensor), (*x.order, len(x.tensor.shape)))

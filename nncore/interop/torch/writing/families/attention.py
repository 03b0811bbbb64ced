"""Attention."""

import math

import torch

from nncore.interop.torch.writing import modules
from nncore.interop.torch.writing.parameters import fill
from nncore.interop.torch.writing.registry import layer


def _linear(kernel, bias, columns):
    """The projection with a kernel whose last `columns` axes come out."""
    shape = kernel.shape
    kernel = kernel.reshape(math.prod(shape[:-columns]), math.prod(shape[-columns:]))
    module = torch.nn.Linear(*kernel.shape, bias=bias is not None)
    return fill(module, kernel.T, *([] if bias is None else [bias.flatten()]))


@layer("MultiHeadAttention")
def multi_head_attention(writer, layer, inputs, shapes, options):
    """PyTorch's own module where sizes are such as it can have; it gives no softmax of each head in training."""
    query, value, key, *masks = inputs
    names = options.get("masks", ())
    if set(names) - {"attention_mask"}:
        raise ValueError(f"masks of queries, keys and values have no counterpart; got {', '.join(names)}")
    units = layer.compute_output_shape(shapes)[-1]
    fits = layer.key_dim == layer.value_dim and units == shapes[0][-1] == layer.num_heads * layer.key_dim
    if fits and not options.get("with_scores") and not masks and not options.get("causal"):
        return _own(writer, layer, query, value, key, shapes)

    def make():
        weights = list(map(writer.tensor, layer.get_weights()))
        pairs = [(weights.pop(0), weights.pop(0) if layer.use_bias else None) for _ in range(4)]
        parts = [_linear(*pair, columns) for pair, columns in zip(pairs, (2, 2, 2, 1), strict=True)]
        return modules.MultiHeadAttention(layer.num_heads, *parts, layer.dropout)

    mask = None if not masks else writer.method("unsqueeze", masks[0], 1)
    given = writer.call(layer, "any", make, query, value, key, mask, bool(options.get("causal", False)))
    outputs = [writer.item(given, 0), writer.item(given, 1)]
    return outputs if options.get("with_scores") else outputs[0]


def _own(writer, layer, query, value, key, shapes):
    units = shapes[0][-1]

    def make():
        weights = list(map(writer.tensor, layer.get_weights()))
        pairs = [(weights.pop(0), weights.pop(0) if layer.use_bias else None) for _ in range(4)]
        module = torch.nn.MultiheadAttention(units, layer.num_heads, layer.dropout, layer.use_bias, batch_first=True,
                                             kdim=shapes[2][-1], vdim=shapes[1][-1])  # fmt: skip
        module = module.to(writer.dtype)
        kernels = [kernel.flatten(1).T for kernel, _ in pairs[:3]]
        with torch.no_grad():
            if module._qkv_same_embed_dim:
                module.in_proj_weight.copy_(torch.cat(kernels))
            else:
                for name, kernel in zip("qkv", kernels, strict=True):
                    getattr(module, f"{name}_proj_weight").copy_(kernel)
            if layer.use_bias:
                module.in_proj_bias.copy_(torch.cat([bias.flatten() for _, bias in pairs[:3]]))
        kernel, bias = pairs[3]
        fill(module.out_proj, kernel.flatten(0, 1).T, *([] if bias is None else [bias]))
        return module

    return writer.item(writer.call(layer, "", make, query, key, value, need_weights=False), 0)


@layer("Attention", "AdditiveAttention")
def attention(writer, layer, inputs, shapes, options):
    query, value, key = (*inputs, inputs[1])[:3] if len(inputs) < 3 else inputs[:3]
    if options.get("masks"):
        raise ValueError("masks of queries and values have no counterpart")
    additive = type(layer).__name__ == "AdditiveAttention"
    mode = "additive" if additive else layer.score_mode

    def make():
        weights = list(map(writer.tensor, layer.get_weights()))
        scale = weights.pop(0) if layer.use_scale else None
        return modules.Attention(mode, layer.dropout, scale, weights[0] if weights else None)

    given = writer.call(layer, "", make, query, value, key, bool(options.get("causal", False)))
    outputs = [writer.item(given, 0), writer.item(given, 1)]
    return outputs if options.get("with_scores") else outputs[0]

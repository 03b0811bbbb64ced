"""Attention of several heads, and the layers of transformers."""

import numpy as np
import torch

import nncore as nn
from nncore.interop.torch.reading.families.activation import activate
from nncore.interop.torch.reading.families.arithmetic import each_head
from nncore.interop.torch.reading.families.reduction import reduce
from nncore.interop.torch.reading.parameters import array, frozen
from nncore.interop.torch.reading.registry import function, module
from nncore.interop.torch.reading.values import Absent, Constant, Value


def _is_causal(mask, queries, keys):
    """Whether a constant mask hides later keys and nothing else."""
    if mask is None:
        return False
    if not isinstance(mask, Constant):
        raise ValueError("attn_mask must be None or a constant that hides later keys")
    hidden = mask.array if mask.array.dtype == bool else np.isneginf(mask.array)
    shown = np.zeros_like(hidden) if mask.array.dtype == bool else np.where(hidden, 0, mask.array)
    if hidden.shape == (queries, keys) and not shown.any():
        if not hidden.any():
            return False
        if np.array_equal(hidden, np.triu(np.ones((queries, keys), bool), 1)):
            return True
    raise ValueError("attn_mask must be None or a constant that hides later keys")


@module("MultiheadAttention")
def attention(node, module, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None,
              average_attn_weights=True, is_causal=False):  # fmt: skip
    if module.bias_k is not None or module.add_zero_attn:
        raise ValueError("nncore has neither add_bias_kv nor add_zero_attn")
    batch = 0 if module.batch_first else 1
    for x in (query, key, value):
        if x.rank != 3 or x.batch != batch:
            raise ValueError(
                f"inputs must be (rows, steps, features) with batch_first=True, else (steps, rows, features); got "
                f"{x.shape} with batch_first={module.batch_first}"
            )
    q, k, v = (x.arranged((1 - batch, 2)) for x in (query, key, value))
    units, heads = module.embed_dim, module.num_heads
    size = units // heads
    if module._qkv_same_embed_dim:
        kernels = np.split(array(module.in_proj_weight), 3)
    else:
        kernels = [array(getattr(module, f"{which}_proj_weight")) for which in "qkv"]
    biases = [None] * 3 if module.in_proj_bias is None else np.split(array(module.in_proj_bias), 3)
    weights = []
    for kernel, bias in zip(kernels, biases, strict=True):
        weights.append(kernel.T.reshape(-1, heads, size))
        weights += [] if bias is None else [bias.reshape(heads, size)]
    weights.append(array(module.out_proj.weight).T.reshape(heads, size, units))
    weights += [] if module.out_proj.bias is None else [array(module.out_proj.bias)]
    layer = node.layer(nn.layers.MultiHeadAttention, heads, size, dropout=module.dropout,
                       use_bias=biases[0] is not None, output_shape=units, weights=weights,
                       trainable=not frozen(*module.parameters()))  # fmt: skip
    options = {}
    if _is_causal(attn_mask, q.sample_shape[0], k.sample_shape[0]):
        options["use_causal_mask"] = True
    elif is_causal and attn_mask is None:
        raise ValueError("is_causal needs attn_mask, as in PyTorch")
    if key_padding_mask is not None:
        if not isinstance(key_padding_mask, Value):
            raise ValueError("key_padding_mask must depend on the inputs")
        shown = node.layer(nn.layers.Rescaling, -1.0, 1.0, suffix="shown")(key_padding_mask.sorted_tensor())
        options["key_mask"] = shown
    with_scores = need_weights and node.uses(1)
    found = layer(q, v, k, **options, **({"return_attention_scores": True} if with_scores else {}))
    order = (0, 1, 2) if module.batch_first else (1, 0, 2)
    if not with_scores:
        return Value(found, order), (Absent("the weights of attention") if need_weights else None)
    scores = Value(found[1], (0, 1, 2, 3))
    if average_attn_weights:
        scores = reduce(node, scores, 1, False, nn.layers.GlobalAveragePooling1D)
    return Value(found[0], order), scores


def _add(node, a, b, suffix):
    layer = node.layer(nn.layers.Add, suffix=suffix)
    return Value(layer([a.tensor, b.in_order_of(a)]), a.order)


def _feed_forward(node, module, x, dropout):
    activation = module.activation
    x = node.child("linear1")(x)
    name = getattr(activation, "__name__", None)
    if isinstance(activation, torch.nn.Module):
        x = node.child("activation")(x)
    elif name in ("relu", "gelu", "silu", "mish", "tanh", "elu", "selu"):
        x = activate(node, x, name, suffix="activation")
    else:
        raise ValueError(f"nncore has no counterpart of the activation {activation!r}")
    return node.child(dropout)(node.child("linear2")(node.child("dropout")(x)))


def _self_attention(node, x, mask, padding, is_causal, attribute="self_attn"):
    y = node.child(attribute)(x, x, x, key_padding_mask=padding, need_weights=False, attn_mask=mask,
                              is_causal=is_causal)  # fmt: skip
    return y[0]


@module("TransformerEncoderLayer")
def encoder_layer(node, module, src, src_mask=None, src_key_padding_mask=None, is_causal=False):
    def attend(x):
        found = _self_attention(node, x, src_mask, src_key_padding_mask, is_causal)
        return node.child("dropout1")(found)

    def feed(x):
        return _feed_forward(node, module, x, "dropout2")

    return _residual(node, module, src, [attend, feed])


@module("TransformerDecoderLayer")
def decoder_layer(node, module, tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None,
                  memory_key_padding_mask=None, tgt_is_causal=False, memory_is_causal=False):  # fmt: skip
    def attend(x):
        found = _self_attention(node, x, tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        return node.child("dropout1")(found)

    def look(x):
        found = node.child("multihead_attn")(x, memory, memory, key_padding_mask=memory_key_padding_mask,
                                             need_weights=False, attn_mask=memory_mask)  # fmt: skip
        return node.child("dropout2")(found[0])

    def feed(x):
        return _feed_forward(node, module, x, "dropout3")

    return _residual(node, module, tgt, [attend, look, feed])


def _residual(node, module, x, parts):
    """Each part's output and its input are added, and normalized behind or before."""
    for number, part in enumerate(parts, 1):
        norm = node.child(f"norm{number}")
        if module.norm_first:
            x = _add(node, x, part(norm(x)), f"add{number}")
        else:
            x = norm(_add(node, x, part(x), f"add{number}"))
    return x


@module("TransformerEncoder")
def encoder(node, module, src, mask=None, src_key_padding_mask=None, is_causal=None):
    for number in range(len(module.layers)):
        src = node.child(f"layers.{number}")(src, src_mask=mask, src_key_padding_mask=src_key_padding_mask,
                                             is_causal=bool(is_causal) and mask is not None)  # fmt: skip
    return src if module.norm is None else node.child("norm")(src)


@module("TransformerDecoder")
def decoder(node, module, tgt, memory, tgt_mask=None, memory_mask=None, tgt_key_padding_mask=None,
            memory_key_padding_mask=None, tgt_is_causal=None, memory_is_causal=False):  # fmt: skip
    for number in range(len(module.layers)):
        tgt = node.child(f"layers.{number}")(tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask,
                                             memory_key_padding_mask)  # fmt: skip
    return tgt if module.norm is None else node.child("norm")(tgt)


@function("scaled_dot_product_attention")
def scaled_dot_product_attention(node, query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None,
                                 enable_gqa=False):  # fmt: skip
    if dropout_p:
        raise ValueError(f"dropout_p={dropout_p} of evaluation, too: it needs dropout_p=p if self.training else 0.0")
    if enable_gqa or not all(isinstance(one, Value) for one in (query, key, value)):
        raise ValueError("query, key and value must depend on the inputs and have equally many heads")
    axes = (query.rank - 2, key.rank - 2)
    causal = is_causal or _is_causal(attn_mask, *(x.shape[axis] for x, axis in zip((query, key), axes, strict=True)))
    factor = query.shape[-1] ** -0.5 if scale is None else float(scale)
    query = query.like(node.layer(nn.layers.Rescaling, factor, suffix="scale")(query.tensor))

    def attend(q, k, v):
        layer = node.layer(nn.layers.Attention)
        options = {"use_causal_mask": True} if causal else {}
        return Value(layer([q.sorted_tensor(), v.sorted_tensor(), k.sorted_tensor()], **options), (0, 1, 2))

    return each_head(node, attend, query, key, value)

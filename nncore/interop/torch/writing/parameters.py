"""Weights of layers as parameters of modules."""

import torch


def fill(module, weight, bias=None):
    """The module with these tensors for weight and bias, and their dtype."""
    module = module.to(weight.dtype)
    with torch.no_grad():
        module.weight.copy_(weight)
        if bias is not None:
            module.bias.copy_(bias)
    return module

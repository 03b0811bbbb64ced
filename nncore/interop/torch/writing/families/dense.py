"""Dense layers and tables."""

import torch

from nncore.interop.torch.writing.families.activation import activate
from nncore.interop.torch.writing.parameters import fill
from nncore.interop.torch.writing.registry import layer


@layer("Dense")
def dense(writer, layer, inputs, shapes, options):
    def make():
        kernel, *bias = map(writer.tensor, layer.get_weights())
        return fill(torch.nn.Linear(*kernel.shape, bias=layer.use_bias), kernel.T, *bias)

    return activate(writer, writer.call(layer, "", make, inputs[0]), layer.activation)


@layer("Embedding")
def embedding(writer, layer, inputs, shapes, options):
    if layer.mask_zero:
        raise ValueError("PyTorch has no masks that come with tensors: mask_zero=True")

    def make():
        return fill(torch.nn.Embedding(layer.input_dim, layer.output_dim), writer.tensor(layer.get_weights()[0]))

    return writer.call(layer, "", make, writer.method("long", inputs[0]))

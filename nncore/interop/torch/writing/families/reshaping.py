"""Layers that move elements, and a layer at each step."""

from nncore.interop.torch.writing.registry import layer


@layer("Flatten")
def flatten(writer, layer, inputs, shapes, options):
    return writer.method("flatten", inputs[0], 1)


@layer("Reshape")
def reshape(writer, layer, inputs, shapes, options):
    return writer.method("reshape", inputs[0], -1, *layer.compute_output_shape(shapes[0]))


@layer("Permute")
def permute(writer, layer, inputs, shapes, options):
    return writer.method("permute", inputs[0], 0, *layer.dims)


@layer("RepeatVector")
def repeat_vector(writer, layer, inputs, shapes, options):
    return writer.method("expand", writer.method("unsqueeze", inputs[0], 1), -1, layer.n, -1)


@layer("TimeDistributed")
def time_distributed(writer, layer, inputs, shapes, options):
    steps, *shape = shapes[0]
    flat = writer.method("flatten", inputs[0], 0, 1)
    y = writer.layer(layer.layer, [flat], [tuple(shape)], {})
    return writer.method("unflatten", y, 0, [-1, steps])

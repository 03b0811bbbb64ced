"""Convolutions over images and sequences: kernels (*window, inputs, outputs) become (outputs, inputs, *window)."""

import numpy as np

from nncore import layers
from nncore._windows import reach
from nncore.interop.onnx.graph import Value
from nncore.interop.onnx.registry import writes
from nncore.interop.onnx.writers.activations import activate


def turned(kernel):
    """A kernel with its last two axes in front, the last one first."""
    return np.moveaxis(kernel, [-1, -2], [0, 1])


def axes_of(windows, axes):
    """How windows move along each of so many axes."""
    return (windows.rows, windows.columns)[2 - axes :]


def pads_of(axes):
    """The elements before and behind each axis, as ONNX lists them."""
    after = [(axis.outputs - 1) * axis.stride + reach(axis.window, axis.dilation) - axis.length - axis.before
             for axis in axes]  # fmt: skip
    return [axis.before for axis in axes] + [max(0, extra) for extra in after]


def moves_of(axes):
    """Attributes of how windows move."""
    return {"kernel_shape": [axis.window for axis in axes], "strides": [axis.stride for axis in axes],
            "pads": pads_of(axes)}  # fmt: skip


def _convolve(graph, x, kernel, bias, windows, count, groups=1, hint="kernel"):
    """The convolution with a kernel (outputs, inputs / groups, *window)."""
    order, name = x.channels_first
    axes = axes_of(windows, count)
    inputs = [name, graph.constant(kernel, hint), *([] if bias is None else [graph.constant(bias, "bias")])]
    name = graph.op("Conv", inputs, group=groups, dilations=[axis.dilation for axis in axes], **moves_of(axes))
    return Value(graph, windows.output_shape(count, len(kernel)), name, order)


@writes(layers.Conv1D, layers.Conv2D)
def write_convolution(graph, layer, x):
    windows = layer.windows_over(x.shape)
    y = _convolve(graph, x, turned(layer.kernel), layer.bias, windows, layer.axes, layer.groups)
    return activate(graph, y, layer.activation)


def _depthwise(graph, x, layer, kernel, bias, hint):
    """Each channel with kernels (*window, channels, multiplier) of its own."""
    *window, channels, multiplier = kernel.shape
    kernel = np.moveaxis(kernel, [-2, -1], [0, 1]).reshape(channels * multiplier, 1, *window)
    return _convolve(graph, x, kernel, bias, layer.windows_over(x.shape), layer.axes, channels, hint)


@writes(layers.DepthwiseConv1D, layers.DepthwiseConv2D)
def write_depthwise(graph, layer, x):
    return activate(graph, _depthwise(graph, x, layer, layer.kernel, layer.bias, "kernel"), layer.activation)


@writes(layers.SeparableConv1D, layers.SeparableConv2D)
def write_separable(graph, layer, x):
    y = _depthwise(graph, x, layer, layer.depthwise_kernel, None, "depthwise_kernel")
    order, name = y.channels_first
    inputs = [name, graph.constant(turned(layer.pointwise_kernel), "pointwise_kernel")]
    if layer.use_bias:
        inputs.append(graph.constant(layer.bias, "bias"))
    y = Value(graph, (*y.shape[:-1], layer.filters), graph.op("Conv", inputs), order)
    return activate(graph, y, layer.activation)


@writes(layers.Conv1DTranspose, layers.Conv2DTranspose)
def write_transposed_convolution(graph, layer, x):
    order, name = x.channels_first
    axes = axes_of(layer.windows_over(x.shape), layer.axes)
    inputs = [name, graph.constant(turned(layer.kernel), "kernel")]
    if layer.use_bias:
        inputs.append(graph.constant(layer.bias, "bias"))
    longer = [max(0, axis.length + axis.before - (axis.outputs - 1) * axis.stride - reach(axis.window, axis.dilation))
              for axis in axes]  # fmt: skip
    name = graph.op("ConvTranspose", inputs, dilations=[axis.dilation for axis in axes], output_padding=longer,
                    **moves_of(axes))  # fmt: skip
    y = Value(graph, (*(axis.length for axis in axes), layer.filters), name, order)
    return activate(graph, y, layer.activation)

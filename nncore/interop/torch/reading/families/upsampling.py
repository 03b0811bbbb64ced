"""Upsampling by whole factors."""

import nncore as nn
from nncore.interop.torch.reading.families.convolution import each
from nncore.interop.torch.reading.families.padding import channels_last
from nncore.interop.torch.reading.registry import function, module
from nncore.interop.torch.reading.values import Value, reshaped


@function("interpolate", "upsample")
def interpolate(node, input, size=None, scale_factor=None, mode="nearest", align_corners=None,
                recompute_scale_factor=None, antialias=False):  # fmt: skip
    axes = input.rank - 2
    if axes not in (1, 2):
        raise ValueError(f"inputs must be (rows, channels, ...) of three or four axes; got {input.shape}")
    kind = {"nearest": "nearest", "nearest-exact": "nearest", "bilinear": "bilinear", "linear": "bilinear"}.get(mode)
    if kind is None or align_corners or antialias:
        raise ValueError(
            f"nncore has nearest, linear and bilinear without align_corners and antialias; got mode={mode!r}, "
            f"align_corners={align_corners}, antialias={antialias}"
        )
    x = channels_last(input, axes)
    lengths = x.shape[2:]
    if size is not None:
        factors = [n / length for n, length in zip(each(size, axes), lengths, strict=True)]
    else:
        factors = scale_factor if isinstance(scale_factor, (list, tuple)) else [scale_factor] * axes
    if any(factor is None or factor != int(factor) or factor < 1 for factor in factors):
        raise ValueError(f"nncore enlarges by whole factors; got {tuple(factors)}")
    factors = [int(factor) for factor in factors]
    if axes == 2:
        layer = node.layer(nn.layers.UpSampling2D, tuple(factors), interpolation=kind)
        return Value(layer(x.tensor), x.order)
    if kind == "nearest":
        return Value(node.layer(nn.layers.UpSampling1D, factors[0])(x.tensor), x.order)
    length, channels = x.tensor.sample_shape
    layer = node.layer(nn.layers.UpSampling2D, (factors[0], 1), interpolation=kind)
    return Value(reshaped(layer(reshaped(x.tensor, (length, 1, channels))), (length * factors[0], channels)), x.order)


@module("Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d")
def upsample(node, module, x):
    return interpolate(node, x, module.size, module.scale_factor, module.mode, module.align_corners)

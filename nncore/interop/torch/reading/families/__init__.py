"""What reads modules and functions, by family: each registers itself."""

from nncore.interop.torch.reading.families import (  # noqa: F401
    activation,
    arithmetic,
    attention,
    axes,
    convolution,
    embedding,
    linear,
    normalization,
    padding,
    pooling,
    recurrent,
    reduction,
    upsampling,
)

"""What writes layers, by family: each registers itself."""

from nncore.interop.torch.writing.families import (  # noqa: F401
    activation,
    attention,
    convolution,
    dense,
    merging,
    normalization,
    pooling,
    recurrent,
    reshaping,
)

"""What writes each layer: one family to a file, as in nncore.layers. Importing this fills the registry."""

from nncore.interop.onnx.writers import (  # noqa: F401
    activations,
    attention,
    convolution,
    dense,
    encoding,
    masking,
    merging,
    normalization,
    pooling,
    recurrent,
    reshaping,
)

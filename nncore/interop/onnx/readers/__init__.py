"""What reads each operator: one family to a file. Importing this fills the table of `importing`."""

from nncore.interop.onnx.readers import elementwise, products, shapes, windows  # noqa: F401

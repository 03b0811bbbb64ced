"""From PyTorch: a module is traced, and each of its operations becomes layers of nncore."""

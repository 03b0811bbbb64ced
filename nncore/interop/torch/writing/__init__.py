"""To PyTorch: a model's graph is made anew of PyTorch's modules and functions."""

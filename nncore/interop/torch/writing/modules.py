"""What PyTorch does not have, in PyTorch: functions and modules that it trains, and compiles to TorchScript."""

from typing import List, Optional  # noqa: UP035  TorchScript knows these

import torch
from torch.nn import functional

# ---------------------------------------------------------------- activations


def relu(x: torch.Tensor, negative_slope: float, max_value: Optional[float], threshold: float) -> torch.Tensor:  # noqa: UP045
    """x above the threshold, up to max_value, and a line of another slope below it."""
    y = torch.where(x > threshold, x, negative_slope * (x - threshold))
    if max_value is not None:
        y = torch.where(x >= max_value, torch.full_like(x, max_value), y)
    return y


def sparse_plus(x: torch.Tensor) -> torch.Tensor:
    """A parabola between 0 and x."""
    return torch.where(x <= -1.0, torch.zeros_like(x), torch.where(x < 1.0, (x + 1.0) ** 2 / 4.0, x))


def sparse_sigmoid(x: torch.Tensor) -> torch.Tensor:
    """A line from 0 to 1."""
    return torch.clamp((x + 1.0) / 2.0, 0.0, 1.0)


def squareplus(x: torch.Tensor, b: float) -> torch.Tensor:
    """A hyperbola between 0 and x."""
    return (x + torch.sqrt(x * x + b)) / 2.0


def softplus(x: torch.Tensor) -> torch.Tensor:
    """log(1 + e^x), without PyTorch's line above 20."""
    return torch.logaddexp(x, torch.zeros_like(x))


# ---------------------------------------------------------------- layers


def average_same(x: torch.Tensor, size: List[int], strides: List[int], pads: List[int]) -> torch.Tensor:  # noqa: UP006
    """Means of windows in which only what lies inside of the image counts; x is (rows, channels, rows, columns)."""
    inside = torch.ones_like(x[:1, :1])
    count = functional.avg_pool2d(functional.pad(inside, pads), size, strides)
    return functional.avg_pool2d(functional.pad(x, pads), size, strides) / count


class PReLU(torch.nn.Module):
    """A slope of its own for each element below 0, but along axes that share one."""

    def __init__(self, alpha):
        super().__init__()
        self.weight = torch.nn.Parameter(alpha)

    def forward(self, x):
        return torch.relu(x) - self.weight * torch.relu(-x)


class Normalization(torch.nn.Module):
    """(x - mean) / deviation, or the way back, by statistics that are not trained."""

    def __init__(self, mean, deviation, invert: bool):
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.invert = invert

    def forward(self, x):
        return x * self.deviation + self.mean if self.invert else (x - self.mean) / self.deviation


class SharedDropout(torch.nn.Module):
    """Dropout of which elements share one number along the axes of length 1 in `shape`."""

    def __init__(self, p: float, shape: List[int]):  # noqa: UP006
        super().__init__()
        self.p, self.shape = p, shape

    def forward(self, x):
        ones = torch.ones([x.size(0)] + self.shape, dtype=x.dtype, device=x.device)  # noqa: RUF005
        return x * functional.dropout(ones, self.p, self.training)


class GaussianNoise(torch.nn.Module):
    """Normally distributed noise in training."""

    def __init__(self, stddev: float):
        super().__init__()
        self.stddev = stddev

    def forward(self, x):
        return x + self.stddev * torch.randn_like(x) if self.training else x


class GaussianDropout(torch.nn.Module):
    """Normally distributed factors of mean 1 in training."""

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x):
        return x * (1.0 + (self.p / (1.0 - self.p)) ** 0.5 * torch.randn_like(x)) if self.training else x


class MultiHeadAttention(torch.nn.Module):
    """Attention of several heads of any sizes, as in nncore; returns the output and the softmax."""

    def __init__(self, heads: int, query, key, value, output, p: float):
        super().__init__()
        self.heads, self.p = heads, p
        self.query, self.key, self.value, self.output = query, key, value, output

    def forward(self, query, value, key, mask: Optional[torch.Tensor] = None, causal: bool = False):  # noqa: UP045
        q, k, v = (self.query(query), self.key(key), self.value(value))
        q = q.unflatten(2, [self.heads, -1]).transpose(1, 2)
        k = k.unflatten(2, [self.heads, -1]).transpose(1, 2)
        v = v.unflatten(2, [self.heads, -1]).transpose(1, 2)
        scores = torch.matmul(q, k.transpose(2, 3)) / float(q.size(3)) ** 0.5
        if causal:
            hidden = torch.ones(q.size(2), k.size(2), dtype=torch.bool, device=q.device).triu(1)
            scores = scores.masked_fill(hidden, float("-inf"))
        if mask is not None:
            scores = scores.masked_fill(mask == 0, float("-inf"))
        weights = torch.softmax(scores, dim=-1)
        y = torch.matmul(functional.dropout(weights, self.p, self.training), v)
        return self.output(y.transpose(1, 2).flatten(2)), weights


class Attention(torch.nn.Module):
    """Attention without projections; returns the output and the softmax."""

    def __init__(self, mode: str, p: float, scale: Optional[torch.Tensor], weight: Optional[torch.Tensor]):  # noqa: UP045
        super().__init__()
        self.mode, self.p = mode, p
        self.scale = None if scale is None else torch.nn.Parameter(scale)
        self.weight = None if weight is None else torch.nn.Parameter(weight)

    def forward(self, query, value, key, causal: bool = False):
        if self.mode == "dot":
            scores = torch.matmul(query, key.transpose(1, 2))
            if self.scale is not None:
                scores = scores * self.scale
        elif self.mode == "concat":
            both = query.unsqueeze(2) + key.unsqueeze(1)
            if self.scale is not None:
                both = both * self.scale
            scores = torch.tanh(both).sum(dim=-1)
            if self.weight is not None:
                scores = scores * self.weight
        else:  # additive
            both = torch.tanh(query.unsqueeze(2) + key.unsqueeze(1))
            if self.scale is not None:
                both = both * self.scale
            scores = both.sum(dim=-1)
        if causal:
            hidden = torch.ones(query.size(1), key.size(1), dtype=torch.bool, device=query.device).triu(1)
            scores = scores.masked_fill(hidden, float("-inf"))
        weights = torch.softmax(scores, dim=-1)
        return torch.matmul(functional.dropout(weights, self.p, self.training), value), weights

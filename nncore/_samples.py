"""Losses and metrics of samples: where not all steps of a row count, or each has a weight of its own.

A kernel over rows takes the samples for its rows then, in buffers without gaps.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from nncore import _engine
from nncore._axes import emit_copy, emit_pair
from nncore._plan import once

if TYPE_CHECKING:
    from nncore._engine import Buffer
    from nncore._plan import Builder, Value


class Samples:
    """The samples of an output: what the last axis holds.

    Parameters
    ----------
    builder : Builder
    output : Value
    weight : Buffer or None, a weight for each row or for each sample
    """

    builder: Builder
    weight: Buffer | None

    def __init__(self, builder: Builder, output: Value, weight: Buffer | None) -> None:
        self.builder, self.weight = builder, weight
        self.count: int = math.prod(output.shape[:-1])
        self._gapless: dict[Value, Buffer] = {}  # of each Value: a copy of its buffer
        steps = () if output.mask is None else output.mask.shape
        if steps != output.shape[:-1][: len(steps)]:
            raise ValueError(f"an output of shape {output.shape} cannot have a mask of shape {steps}")
        self.mask: Buffer | None = None if output.mask is None else self._spread(output.mask.buffer, output.mask.width)

    def gapless(self, value: Value) -> Buffer:
        """A Value's numbers, in a buffer without gaps."""
        if value.stride == value.width:
            return value.buffer
        if value not in self._gapless:
            self._gapless[value] = self.builder.buffer(value.width, gapless=True)
            emit_copy(self.builder.forward, value.buffer, self._gapless[value], [(value.width, 1, 1)])
        return self._gapless[value]

    def _spread(self, buffer: Buffer, width: int) -> Buffer:
        """A number for each sample, of a buffer that has one for so many of a row."""
        spread = self.builder.buffer(self.count, gapless=True)
        inner = self.count // width
        emit_copy(self.builder.forward, buffer, spread, [(width, 1, inner), (inner, 0, 1)])
        return spread

    def _product(self, a: Buffer | None, b: Buffer | None) -> Buffer | None:
        if a is None or b is None:
            return b if a is None else a
        product = self.builder.buffer(self.count, gapless=True)
        emit_pair(self.builder.forward, "multiply", a, b, product, self.count)
        return product

    def _given_weights(self) -> Buffer | None:
        return None if self.weight is None else self._spread(self.weight, self.weight.width)

    def metric_weights(self, weighted: bool) -> Buffer | None:
        """A buffer with the weight of each sample: the mask, times the weights that are given if `weighted`."""
        return self._product(self.mask, self._given_weights() if weighted else None)

    def loss_weights(self, labels: Buffer, ignored: int | None, reduction: str | None) -> Buffer | None:
        """A buffer with the weight of each sample, such that the loss is the mean over all of weight times loss.

        Parameters
        ----------
        labels : Buffer of class numbers, without gaps
        ignored : the one whose samples do not count, or None
        reduction : of the loss
        """
        builder, counted = self.builder, self.mask
        if ignored is not None:
            known = builder.buffer(self.count, gapless=True)
            builder.forward("index_mask", indices=labels, mask=known, steps=self.count, masked=ignored,
                            indices_stride=labels.stride, mask_stride=known.stride)  # fmt: skip
            counted = self._product(counted, known)
        weights = self._product(counted, self._given_weights())
        divisor = weights if reduction == "mean_with_sample_weight" else counted
        if reduction == "sum" or divisor is None:
            return weights
        total = _engine.aligned_zeros(1, "float64")
        if weights is divisor:  # which is scaled in place, and may be the mask of others
            weights = builder.buffer(self.count, gapless=True)
            emit_copy(builder.forward, divisor, weights, [(self.count, 1, 1)])
        builder.forward_meeting([once("sum_weights", self.count, weights=divisor, total=total)])
        builder.forward("scale_weights", self.count, weights=weights, total=total)
        return weights


def needs_samples(output: Value, weight: Buffer | None, loss: Any) -> bool:
    """Whether a loss or metric of this output is one of its samples."""
    if output.mask is not None or (weight is not None and weight.width > 1):
        return True
    return getattr(loss, "ignore_class", None) is not None and math.prod(output.shape[:-1]) > 1

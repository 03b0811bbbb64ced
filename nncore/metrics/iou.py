"""Intersection over union of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nncore import _checks
from nncore.metrics.metric import StateMetric, groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore._typing import Array, Config, Dtype, Shape

__all__ = ["BinaryIoU", "IoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU"]

EPSILON = 1e-7  # Keras's
MOST_CLASSES = 2**16  # of which the matrix has the square
NO_LABEL = 2**31  # no int32, so that no label is it


MOST_CLASSES = 2**20  # the matrix of more is larger than any memory


class IoU(StateMetric):
    """Mean over target_class_ids of true positives / (true positives + false positives + false negatives).

    Classes that neither targets nor predictions have are left out. What is no class, in either, is not counted. Both
    denominators, this and the number of classes, have 1e-7 added.

    Parameters
    ----------
    num_classes : int
    target_class_ids : list of int
    ignore_class : int, optional
        Targets of this class are not counted.
    sparse_y_true : bool
        Targets are class numbers; else the largest element of the last axis is the class.
    sparse_y_pred : bool
        The same of predictions. False is for models with an output for each class.
    axis : int
        The last one.
    """

    default_name: str
    kernel: str
    target_class_ids: list[int]

    default_name, kernel = "io_u", "confusion_matrix"
    threshold: float | None = None

    def __init__(self, num_classes: int, target_class_ids: Sequence[int], name: str | None = None, dtype: None = None,
                 ignore_class: int | None = None, sparse_y_true: bool = True, sparse_y_pred: bool = True,
                 axis: Literal[-1] = -1) -> None:  # fmt: skip
        super().__init__(dtype, name)
        owner = type(self).__name__
        _checks.refuse(owner, axis=None if _checks.index_of(axis) == -1 else axis)
        self.num_classes: int = _checks.integer(owner, "num_classes", num_classes, 1, MOST_CLASSES)
        classes = _checks.sequence(owner, "target_class_ids", target_class_ids)
        self.target_class_ids = [_checks.integer(owner, "target_class_ids", number) for number in classes]
        if not self.target_class_ids or max(self.target_class_ids) >= self.num_classes:
            raise ValueError(
                f"{owner}: target_class_ids must be classes 0 to {self.num_classes - 1}; got {target_class_ids!r}"
            )
        if ignore_class is not None:
            ignore_class = _checks.ignored_class(owner, ignore_class)
        self.ignore_class = ignore_class
        self.sparse_y_true: bool = _checks.boolean(owner, "sparse_y_true", sparse_y_true)
        self.sparse_y_pred: bool = _checks.boolean(owner, "sparse_y_pred", sparse_y_pred)

    @property
    def labels(self) -> bool:  # type: ignore[override]
        return self.sparse_y_true and not self.sparse_y_pred

    def target_shape(self, shape: Shape) -> Shape:
        samples = shape if self.sparse_y_pred else shape[:-1]
        return samples if self.sparse_y_true else (*samples, self.num_classes)

    def check_output(self, shape: Shape) -> None:
        if not self.sparse_y_pred and shape[-1] != self.num_classes:
            raise ValueError(
                f"{type(self).__name__}: num_classes={self.num_classes} is not for the {shape[-1]} classes of outputs "
                f"of shape {shape}"
            )

    def state_size(self, shape: Shape) -> int:
        return self.num_classes**2

    def kernel_arguments(self, shape: Shape, dtype: Dtype) -> dict[str, Any]:
        sizes = {"groups": int(np.prod(shape)), "classes": 1} if self.sparse_y_pred else groups(shape)
        return {"target_classes": 1 if self.sparse_y_true else self.num_classes, "count": self.num_classes,
                "ignored": NO_LABEL if self.ignore_class is None else self.ignore_class,
                "by_threshold": self.threshold is not None, "threshold": self.threshold or 0.0, **sizes}  # fmt: skip

    def _arguments(self, *arguments: Any) -> dict[str, Any]:
        shared = super()._arguments(*arguments)
        target = shared.pop("target")
        return {**shared, "labels": target if self.labels else None, "target": None if self.labels else target}

    def value(self, state: Array, rows: int) -> Any:
        matrix = np.reshape(state, (self.num_classes, -1))
        both = np.diag(matrix)
        union = (matrix.sum(axis=0) + matrix.sum(axis=1) - both)[self.target_class_ids]
        there = union > 0
        shares = both[self.target_class_ids] / (union + EPSILON)
        return float(shares[there].sum() / (there.sum() + EPSILON))

    def get_config(self) -> Config:
        return {"num_classes": self.num_classes, "target_class_ids": self.target_class_ids,
                "ignore_class": self.ignore_class, "sparse_y_true": self.sparse_y_true,
                "sparse_y_pred": self.sparse_y_pred, **super().get_config()}  # fmt: skip

    def _config_without(self, *names: str) -> Config:
        return {name: value for name, value in IoU.get_config(self).items() if name not in names}


class BinaryIoU(IoU):
    """`IoU` of the classes 0 and 1, where predictions of at least `threshold` mean 1.

    Parameters
    ----------
    target_class_ids : list of 0, 1 or both
    threshold : float
    """

    default_name = "binary_io_u"

    def __init__(self, target_class_ids: Sequence[int] = (0, 1), threshold: float = 0.5, name: str | None = None,
                 dtype: None = None) -> None:  # fmt: skip
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold: float = _checks.real_number("BinaryIoU", "threshold", threshold)

    def get_config(self) -> Config:
        return {"target_class_ids": self.target_class_ids, "threshold": self.threshold, "name": self.name}


class MeanIoU(IoU):
    """`IoU` of all classes.

    Parameters
    ----------
    num_classes, ignore_class, sparse_y_true, sparse_y_pred, axis : as in `IoU`
    """

    default_name = "mean_io_u"

    def __init__(self, num_classes: int, name: str | None = None, dtype: None = None, ignore_class: int | None = None,
                 sparse_y_true: bool = True, sparse_y_pred: bool = True, axis: Literal[-1] = -1) -> None:  # fmt: skip
        count = _checks.integer(type(self).__name__, "num_classes", num_classes, 1, MOST_CLASSES)
        super().__init__(count, range(count), name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)

    def get_config(self) -> Config:
        return self._config_without("target_class_ids")


class OneHotIoU(IoU):
    """`IoU` where targets are one-hot.

    Parameters
    ----------
    num_classes, target_class_ids, ignore_class, sparse_y_pred, axis : as in `IoU`
    """

    default_name = "one_hot_io_u"

    def __init__(self, num_classes: int, target_class_ids: Sequence[int], name: str | None = None, dtype: None = None,
                 ignore_class: int | None = None, sparse_y_pred: bool = False,
                 axis: Literal[-1] = -1) -> None:  # fmt: skip
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> Config:
        return self._config_without("sparse_y_true")


class OneHotMeanIoU(MeanIoU):
    """`IoU` of all classes where targets are one-hot.

    Parameters
    ----------
    num_classes, ignore_class, sparse_y_pred, axis : as in `IoU`
    """

    default_name = "one_hot_mean_io_u"

    def __init__(self, num_classes: int, name: str | None = None, dtype: None = None, ignore_class: int | None = None,
                 sparse_y_pred: bool = False, axis: Literal[-1] = -1) -> None:  # fmt: skip
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> Config:
        return self._config_without("target_class_ids", "sparse_y_true")

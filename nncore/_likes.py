"""Types of arguments that stand for the library's objects: names, configurations, classes, objects.

As `_typing`, this module is read by type checkers only. It is apart from that one because it needs classes of the
library, and they need the types there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from nncore._typing import Array, CommonArguments, Config, LayerArguments

if TYPE_CHECKING:
    import functools

    from nncore._activation import Activation
    from nncore._py_dataset import PyDataset
    from nncore._weight import Variable
    from nncore.callbacks import Callback
    from nncore.constraints import Constraint
    from nncore.initializers import Initializer
    from nncore.layers.tensor import Tensor
    from nncore.losses import Loss
    from nncore.metrics import Metric
    from nncore.optimizers import Optimizer
    from nncore.optimizers.schedules import LearningRateSchedule
    from nncore.regularizers import Regularizer

__all__ = [
    "ActivationLike",
    "AnyLayerArguments",
    "ArrayOrVariable",
    "Callbacks",
    "ConstraintLike",
    "EmbeddingArguments",
    "InitializerLike",
    "LearningRate",
    "LossLike",
    "MetricLike",
    "MetricsLike",
    "MetricsOfOutput",
    "Minibatches",
    "OptimizerLike",
    "RegularizerLike",
    "Tensors",
]

ActivationLike: TypeAlias = "str | Activation | functools.partial[Any] | Config | None"
ConstraintLike: TypeAlias = "str | Constraint | type[Constraint] | Config | None"
InitializerLike: TypeAlias = "str | Initializer | type[Initializer] | Callable[..., Any] | Array | Config"
RegularizerLike: TypeAlias = "str | Regularizer | type[Regularizer] | Config | None"
LossLike: TypeAlias = "str | Loss | type[Loss] | Callable[[Any, Any], Any] | Config"
MetricLike: TypeAlias = "str | Metric | type[Metric] | Callable[[Any, Any], Any] | Config"
MetricsOfOutput: TypeAlias = "MetricLike | Sequence[MetricLike] | None"
MetricsLike: TypeAlias = "MetricLike | Sequence[MetricsOfOutput] | Mapping[str, MetricsOfOutput]"
OptimizerLike: TypeAlias = "str | Optimizer | type[Optimizer] | Config"
LearningRate: TypeAlias = "float | LearningRateSchedule"
Callbacks: TypeAlias = "Callback | Sequence[Callback] | None"
Tensors: TypeAlias = "Tensor | Sequence[Tensor] | Mapping[str, Tensor]"
Minibatches: TypeAlias = "Iterable[tuple[Any, ...] | list[Any]] | PyDataset"
ArrayOrVariable: TypeAlias = "Array | Variable"


class EmbeddingArguments(CommonArguments, total=False):
    """What every layer takes by name, but for `input_dim`."""

    activity_regularizer: RegularizerLike


class AnyLayerArguments(LayerArguments, total=False):
    """What every layer takes by name."""

    activity_regularizer: RegularizerLike

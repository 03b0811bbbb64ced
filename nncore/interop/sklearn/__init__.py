"""Estimators for scikit-learn: `MLPClassifier` and `MLPRegressor` with its names and defaults, and any model as one."""

try:
    import sklearn  # noqa: F401
except ImportError as _error:
    raise ImportError("nn.interop.sklearn needs scikit-learn: pip install 'nncore[sklearn]'") from _error

from nncore.interop.sklearn._mlp import MLPClassifier, MLPRegressor
from nncore.interop.sklearn._wrappers import NNClassifier, NNRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "NNClassifier", "NNRegressor"]

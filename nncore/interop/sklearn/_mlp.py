"""MLPClassifier and MLPRegressor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.multiclass import unique_labels

from nncore import losses
from nncore.interop.sklearn import _one_row, _rows
from nncore.interop.sklearn._labels import Labels, column, same_classes, with_class_weights
from nncore.interop.sklearn._multilayer import Multilayer, available_where_stochastic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from nncore._likes import ActivationLike, Callbacks
    from nncore._typing import Array
    from nncore.losses.loss import Loss


class MLPClassifier(ClassifierMixin, Multilayer):
    """A multi-layer perceptron that classifies, with scikit-learn's parameters and defaults, and more.

    It minimises, by minibatches of n rows of which row i weighs w_i,

        sum_i w_i l_i / sum_i w_i + alpha / 2 ||W||² / sum_i w_i,

    where l is the cross-entropy, of a softmax for more than two classes, of a logistic output for two; for several
    labels (y an indicator matrix) its sum over their logistic outputs. As in scikit-learn, with the same random_state
    the same initial weights are drawn and the same orders of rows, so that the training is the same up to rounding.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int
        Units of each hidden layer.
    activation : str, nncore activation, or list with one for each hidden layer
        "identity", "logistic", "tanh", "relu", or any name of `nn.activations`.
    solver : "adam", "sgd" or "lbfgs"
        lbfgs goes by all rows at once, with SciPy's L-BFGS-B, and computes in float64.
    alpha : float
        Strength of the L2 penalty on the weights W, without the intercepts.
    batch_size : int or "auto"
        "auto": min(200, rows).
    learning_rate : "constant", "invscaling" or "adaptive"
        Of sgd: as it is; learning_rate_init / (t_ + 1)**power_t after each epoch; a fifth of what it was each time that
        training would stop, until it is 1e-6.
    learning_rate_init, power_t : float
    max_iter : int
        Epochs of sgd and adam at most, iterations of lbfgs.
    shuffle : bool
    random_state : int, RandomState or None
    tol : float
        Training stops when the loss, or with early_stopping the score, has not improved by this in n_iter_no_change
        epochs. Of lbfgs: the largest component of the gradient.
    verbose : bool or int
    warm_start : bool
        Whether `fit` goes on from the weights that there are.
    momentum, nesterovs_momentum : float, bool
        Of sgd.
    early_stopping : bool
        Whether the score on rows that are held out decides when to stop, and which weights are kept: the best.
    validation_fraction : float
        The part of the rows that is held out.
    beta_1, beta_2, epsilon : float
        Of adam.
    n_iter_no_change : int or numpy.inf
    max_fun : int
        Evaluations of the loss by lbfgs at most.
    dropout : float or list with one for each hidden layer
        The part of a hidden layer's outputs that is dropped in training. Beyond scikit-learn, as all that follow.
    class_weight : dict from class to weight, "balanced", list of dicts for several labels, or None
        Weights of rows by their class, beside sample_weight: as that, they count among the rows of a minibatch, so that
        a single row's changes the penalty alone. "balanced": rows / (classes * rows of the class).
    loss : "log_loss" or nn.losses.Loss
        Behind the softmax or logistic output.
    callbacks : nn.callbacks.Callback or list of them
        Hooks of epochs and minibatches; ``callback.model`` is `model_`.
    n_jobs : int or None
        Threads at most. None: those of `nn.config`, or one in a thread of joblib's, which has others beside it.
    dtype : "float32", "float64", "mixed_bfloat16" or None
        Of the weights. None: float32 for X of float32, else float64, as in scikit-learn.

    Attributes
    ----------
    classes_ : array of the classes
    coefs_, intercepts_ : lists of arrays
        Views of the network's weights: to write into one, or to put another in its place, changes the network.
    model_ : nn.Sequential
    loss_, best_loss_, loss_curve_ : float, float or None, list
        Of the training, a value for each epoch; best_loss_ is None with early_stopping.
    validation_scores_, best_validation_score_ : list, float; or None
        With early_stopping or validation data: the accuracy after each epoch.
    validation_loss_curve_ : list
        Only with validation data: their loss, without a penalty, after each epoch.
    n_iter_, t_ : int
        Epochs of the last `fit`, and rows seen in all.
    n_layers_, n_outputs_, out_activation_, n_features_in_, feature_names_in_

    Examples
    --------
    >>> import numpy as np
    >>> from nncore.interop.sklearn import MLPClassifier
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> y = np.where(X[:, 0] * X[:, 1] > 0, "same", "other")
    >>> MLPClassifier(random_state=0, max_iter=300, tol=1e-3).fit(X, y).score(X, y) > 0.9
    True
    """

    def __init__(self, hidden_layer_sizes: int | Sequence[int] = (100,),
                 activation: ActivationLike | Sequence[ActivationLike] = "relu", *,
                 solver: Literal["adam", "sgd", "lbfgs"] = "adam", alpha: float = 0.0001,
                 batch_size: int | Literal["auto"] = "auto",
                 learning_rate: Literal["constant", "invscaling", "adaptive"] = "constant",
                 learning_rate_init: float = 0.001, power_t: float = 0.5, max_iter: int = 200, shuffle: bool = True,
                 random_state: Any = None, tol: float = 1e-4, verbose: bool | int = False, warm_start: bool = False,
                 momentum: float = 0.9, nesterovs_momentum: bool = True, early_stopping: bool = False,
                 validation_fraction: float = 0.1, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
                 n_iter_no_change: float = 10, max_fun: int = 15000, dropout: float | Sequence[float] = 0.0,
                 class_weight: Any = None, loss: str | Loss = "log_loss", callbacks: Callbacks = None,
                 n_jobs: int | None = None, dtype: str | None = None) -> None:  # fmt: skip
        self._keep(vars())

    _losses = ("log_loss",)

    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation_data: Any = None) -> Self:  # noqa: N803
        """Trains on all rows until the loss or score stops to improve; returns the estimator.

        Parameters
        ----------
        X : array-like or sparse matrix (rows, features)
        y : array-like (rows,), or an indicator matrix (rows, labels)
        sample_weight : array-like (rows,), optional
        validation_data : (X, y) or (X, y, sample_weight), optional
            For `validation_scores_` and `validation_loss_curve_`; with early_stopping in place of rows held out.
            Beyond scikit-learn.

        Raises
        ------
        ValueError
            For bad parameters and data, before anything is trained; and where weights or the loss become infinite or
            NaN.
        """
        return self._fit(X, y, sample_weight, validation_data)

    @available_where_stochastic
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:  # noqa: N803
        """Trains for one epoch on these rows, with the optimizer as it is; returns the estimator.

        Parameters
        ----------
        X : array-like or sparse matrix (rows, features)
            A single row as an array takes the shortest way.
        y, sample_weight : as in `fit`
        classes : array-like
            All classes: wanted in the first call.
        """
        one_row = self._one_row
        if one_row is not None and sample_weight is None and one_row(X, y, classes):
            return self
        if classes is None and not hasattr(self, "classes_"):
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if classes is not None:
            if not hasattr(self, "classes_"):
                self._labels = Labels(y, classes)
                self.classes_ = self._labels.classes
            elif not same_classes(classes, self.classes_):
                raise ValueError(f"`classes={classes!r}` is not the same as on last call to partial_fit, was: "
                                 f"{self.classes_!r}")  # fmt: skip
        self._fit(X, y, sample_weight, incremental=True)
        if classes is not None and self._one_row is not None:
            self._one_row.classes = classes
        return self

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Returns the class of each row, or the labels of each as an indicator matrix."""
        outputs = self._outputs(X)
        return self._labels.decode(outputs)

    def predict_proba(self, X: Any) -> Array | Any:  # noqa: N803
        """Returns the probability of each class for each row, (rows, classes), in the order of `classes_`."""
        outputs = self._outputs(X)
        return self._labels.probabilities(outputs)

    def predict_log_proba(self, X: Any) -> Array | Any:  # noqa: N803
        """Returns the logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    # ---- targets

    def _encode(self, X, y, incremental, reset):  # noqa: N803
        X, y = self._checked_rows(X, y, reset=reset, multi_output=True)  # noqa: N806
        y = column(y)
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._labels = Labels(y)
            self.classes_ = self._labels.classes
        elif not incremental and not same_classes(unique_labels(y), self.classes_):
            raise ValueError("warm_start can only be used where `y` has the same classes as in the previous call to "
                             f"fit. Previously got {self.classes_}, `y` has {unique_labels(y)}")  # fmt: skip
        self.n_outputs_ = self._labels.outputs
        return X, self._targets(y)

    def _targets(self, y):
        targets = self._labels.encode(y)
        if self._labels.kind == "multiclass" and isinstance(self.loss, losses.Loss) and not self.loss.labels:
            return np.eye(self.n_outputs_, dtype=np.uint8)[targets]
        return targets

    def _encode_validation(self, X, y):  # noqa: N803
        X, y = self._checked_rows(X, y, reset=False, multi_output=True)  # noqa: N806
        return X, self._targets(column(y))

    def _strata(self, targets):
        # of scikit-learn's kind, so that the same rows are held out
        return targets.astype(bool).reshape(-1, 1) if self._labels.kind == "binary" else None

    def _with_class_weights(self, y, weights, incremental):
        return with_class_weights(self, y, weights, incremental)

    # ---- the network

    def _output_activation(self):
        return "softmax" if self._labels.kind == "multiclass" else "logistic"

    def _loss_of_targets(self, reduction):
        if isinstance(self.loss, losses.Loss):
            return self.loss, 1.0
        if self._labels.kind == "multiclass":
            return losses.SparseCategoricalCrossentropy(reduction=reduction), 1.0
        return losses.BinaryCrossentropy(reduction=reduction), float(self.n_outputs_)

    def _score_of(self, outputs, targets, weights):
        found = self._labels.numbers(outputs)
        if targets.ndim > 1 and self._labels.kind == "multiclass":
            targets = targets.argmax(axis=1)
        right = (found == targets).all(axis=1) if targets.ndim > 1 else found == targets
        return np.average(right, weights=weights)

    def _prepare_one_row(self, weights):
        if weights is None and self._labels.kind != "multilabel" and _one_row.possible(self):
            targets = self._targets(self.classes_)
            by_label = {label: targets[i : i + 1] for i, label in enumerate(self.classes_.tolist())}
            self.__dict__["_one_row"] = _one_row.OneRow(self, by_label)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class MLPRegressor(RegressorMixin, Multilayer):
    """A multi-layer perceptron that predicts numbers, with scikit-learn's parameters and defaults, and more.

    It minimises, by minibatches of n rows of which row i weighs w_i,

        sum_i w_i sum_j l(y_ij, p_ij) / sum_i w_i + alpha / 2 ||W||² / sum_i w_i

    for the outputs j. As in scikit-learn, with the same random_state the same initial weights are drawn and the same
    orders of rows, so that the training is the same up to rounding.

    Parameters
    ----------
    loss : "squared_error", "absolute_error", "huber", "poisson" or nn.losses.Loss
        l = (y - p)² / 2; |y - p|; (y - p)² / 2 where |y - p| ≤ 1, else |y - p| - 1/2; p - y + y log(y / p) with
        p = exp(output) and y ≥ 0. "absolute_error", "huber" and objects are beyond scikit-learn; another width is
        ``nn.losses.Huber(delta)``, which is a mean over outputs, as all objects are.
    hidden_layer_sizes, activation, solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter
    shuffle, random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction
    beta_1, beta_2, epsilon, n_iter_no_change, max_fun, dropout, callbacks, n_jobs, dtype
        As in `MLPClassifier`; the score is R².

    Attributes
    ----------
    coefs_, intercepts_, model_, loss_, best_loss_, loss_curve_, validation_scores_, best_validation_score_
    validation_loss_curve_, n_iter_, t_, n_layers_, n_outputs_, out_activation_, n_features_in_, feature_names_in_
        As in `MLPClassifier`. The curve of the squared error of several outputs has their mean in place of their sum,
        as in scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> from nncore.interop.sklearn import MLPRegressor
    >>> X = np.linspace(-3, 3, 200)[:, None]
    >>> y = np.sin(X[:, 0])
    >>> MLPRegressor(solver="lbfgs", activation="tanh", random_state=0).fit(X, y).score(X, y) > 0.99
    True
    """

    def __init__(self, loss: str | Loss = "squared_error", hidden_layer_sizes: int | Sequence[int] = (100,),
                 activation: ActivationLike | Sequence[ActivationLike] = "relu", *,
                 solver: Literal["adam", "sgd", "lbfgs"] = "adam", alpha: float = 0.0001,
                 batch_size: int | Literal["auto"] = "auto",
                 learning_rate: Literal["constant", "invscaling", "adaptive"] = "constant",
                 learning_rate_init: float = 0.001, power_t: float = 0.5, max_iter: int = 200, shuffle: bool = True,
                 random_state: Any = None, tol: float = 1e-4, verbose: bool | int = False, warm_start: bool = False,
                 momentum: float = 0.9, nesterovs_momentum: bool = True, early_stopping: bool = False,
                 validation_fraction: float = 0.1, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
                 n_iter_no_change: float = 10, max_fun: int = 15000, dropout: float | Sequence[float] = 0.0,
                 callbacks: Callbacks = None, n_jobs: int | None = None,
                 dtype: str | None = None) -> None:  # fmt: skip
        self._keep(vars())

    _losses = ("squared_error", "absolute_error", "huber", "poisson")

    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation_data: Any = None) -> Self:  # noqa: N803
        """Trains on all rows until the loss or score stops to improve; returns the estimator.

        Parameters
        ----------
        X : array-like or sparse matrix (rows, features)
        y : array-like (rows,) or (rows, outputs)
        sample_weight, validation_data : as in `MLPClassifier.fit`

        Raises
        ------
        ValueError
            For bad parameters and data, before anything is trained; and where weights or the loss become infinite or
            NaN.
        """
        return self._fit(X, y, sample_weight, validation_data)

    @available_where_stochastic
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Trains for one epoch on these rows, with the optimizer as it is; returns the estimator.

        A single row as an array takes the shortest way.
        """
        one_row = self._one_row
        if one_row is not None and sample_weight is None and one_row(X, y, None):
            return self
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Returns the prediction for each row, (rows,), or (rows, outputs) where there are several."""
        outputs = self._outputs(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    # ---- targets

    def _encode(self, X, y, incremental, reset):  # noqa: N803
        X, targets = self._encode_validation(X, y, reset)  # noqa: N806
        outputs = targets.shape[1]
        if not reset and outputs != self.n_outputs_:
            raise ValueError("training cannot go on with another number of outputs: there are "
                             f"{self.n_outputs_}; y has {outputs}")  # fmt: skip
        self.n_outputs_ = outputs
        return X, targets

    def _encode_validation(self, X, y, reset=False):  # noqa: N803
        X, y = self._checked_rows(X, y, reset=reset, multi_output=True, y_numeric=True)  # noqa: N806
        targets = _rows.readable_numbers(column(y)).reshape(len(y), -1)
        if self.loss == "poisson" and (targets < 0).any():
            raise ValueError("the loss 'poisson' needs targets of at least 0")
        return X, targets

    # ---- the network

    def _output_activation(self):
        return "exp" if self.loss == "poisson" else "identity"

    def _loss_of_targets(self, reduction):
        outputs = float(self.n_outputs_)
        if self.loss == "squared_error":
            return losses.MeanSquaredError(reduction=reduction), outputs / 2
        if self.loss == "absolute_error":
            return losses.MeanAbsoluteError(reduction=reduction), outputs
        if self.loss == "huber":
            return losses.Huber(reduction=reduction), outputs
        if self.loss == "poisson":
            return losses.Poisson(reduction=reduction), outputs
        return self.loss, 1.0

    @property
    def _means_outputs(self):
        return self.loss == "squared_error" and self.n_outputs_ > 1

    def _metrics(self):
        return ["mse"] if self._means_outputs else None

    def _constant_of(self, targets, weights):
        if self.loss != "poisson":
            return 0.0
        of_rows = (targets * np.log(np.where(targets > 0, targets, 1)) - targets).sum(axis=1)
        return float(np.average(of_rows, weights=weights))

    def _loss_of_outputs(self, outputs, targets, weights):
        loss = super()._loss_of_outputs(outputs, targets, weights)
        return (loss / self.n_outputs_ if self._means_outputs else loss) + self._constant_of(targets, weights)

    def _reported_loss(self, logs):
        loss = float(logs["loss"]) + self._constant
        if self._means_outputs:
            loss -= self._excess * float(next(value for name, value in logs.items() if name != "loss"))
        return loss

    @property
    def _excess(self):
        """How many mean squared errors the loss has more of than is reported."""
        return (self.n_outputs_ - 1) / 2 if self._means_outputs else 0.0

    def _reported_minimum(self, loss, samples):
        if self._means_outputs:
            penalty = self._penalty(samples)
            return (loss - penalty) / self.n_outputs_ + penalty
        return loss + self._constant

    def _score_of(self, outputs, targets, weights):
        return r2_score(targets, outputs, sample_weight=weights)

    def _prepare_one_row(self, weights):
        if weights is None and self.loss != "poisson" and _one_row.possible(self):
            self.__dict__["_one_row"] = _one_row.OneRow(self, excess=self._excess)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

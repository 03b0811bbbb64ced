"""Any model of nncore's as an estimator of scikit-learn."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import _check_sample_weight, validate_data

from nncore import activations, config, losses, optimizers
from nncore.interop.sklearn import _checks, _rows
from nncore.interop.sklearn._labels import Labels, column, same_classes, with_class_weights
from nncore.models import Model
from nncore.models.training import NonFiniteLossError

if TYPE_CHECKING:
    from typing_extensions import Self

    from nncore._likes import Callbacks, LossLike, OptimizerLike
    from nncore._typing import Array, Verbose

# What a function that builds a model may take by name, beside parameters of its own.
GIVEN = ("n_features_in_", "n_outputs_", "n_classes_", "classes_", "input_shape", "target_kind_", "out_activation_",
         "dtype", "seed")  # fmt: skip


class _Wrapper(_rows.Guarded, BaseEstimator):
    """What NNClassifier and NNRegressor share. `build_parameters` holds what was given for parameters of build_fn."""

    def _keep(self, arguments):
        given, own = arguments.pop("build_parameters"), arguments.pop("parameters")
        for name, value in arguments.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)
        self.build_parameters = {**given, **own} if isinstance(given, dict) else own or given
        if self._can_build():
            self._check_own()

    def _can_build(self):
        return callable(self.build_fn) or isinstance(self.build_fn, Model)

    def _own(self):
        """The parameters of build_fn: what was given, and the defaults of the others."""
        given = frozenset((*GIVEN, *self._get_param_names()))
        own = self.build_parameters if isinstance(self.build_parameters, dict) else {}
        return {**_parameters_of(self.build_fn, given), **own}

    def _check_own(self):
        given = frozenset((*GIVEN, *self._get_param_names()))
        known = _parameters_of(self.build_fn, given)
        if not isinstance(self.build_parameters, (dict, type(None))):
            raise _checks.invalid(self, "build_parameters", "a dict", self.build_parameters)
        for name in self.build_parameters or ():
            if name not in known:
                raise TypeError(f"{type(self).__name__} has no parameter {name!r}, and neither has build_fn, whose own "
                                f"are: {', '.join(known) or 'none'}")  # fmt: skip

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Returns the parameters, and those of build_fn, by name."""
        params = {**super().get_params(deep), **self._own()}
        del params["build_parameters"]  # which the others stand for
        return params

    def set_params(self, **params: Any) -> Self:
        """Sets parameters, and those of build_fn, by name; returns the estimator."""
        for name in ("build_fn", "build_parameters"):
            if name in params:
                setattr(self, name, params.pop(name))
        known = self._own() if self._can_build() else set(params) - set(self._get_param_names())
        own = {name: params.pop(name) for name in known if name in params}
        super().set_params(**params)
        if own:
            self.build_parameters = {**self._own(), **own}
        return self

    # ---- what subclasses define

    def _encode(self, X, y, new, incremental):  # noqa: N803
        raise NotImplementedError

    def _default_loss(self, model):
        raise NotImplementedError

    def _targets(self, encoded):
        return encoded

    def _meta(self):
        """What the function may be given, without what all of them may."""
        raise NotImplementedError

    def _with_class_weights(self, y, weights, incremental):
        return weights

    # ---- training

    def _check_parameters(self):
        if not self._can_build():
            raise _checks.invalid(self, "build_fn", "a function that returns a model, or a model", self.build_fn)
        self._check_own()
        _checks.integer(self, "batch_size")
        _checks.integer(self, "epochs")
        _checks.integer(self, "verbose", 0, also=(True, False))
        _checks.number(self, "validation_split", 0, 1, high_open=True)
        _checks.boolean(self, "shuffle", "warm_start")
        _checks.dtype(self)
        _checks.jobs(self)
        _checks.callbacks(self)

    def _fit(self, X, y, sample_weight, validation_data, incremental=False):  # noqa: N803
        self._check_parameters()
        self._prepare_guard()
        new = not hasattr(self, "model_") or not (self.warm_start or incremental)
        X, encoded = self._encode(X, y, new, incremental)  # noqa: N806
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64)
        weights = self._with_class_weights(y, weights, incremental)
        if weights is not None and not (np.min(weights) >= 0 and np.sum(weights) > 0):
            raise ValueError("sample_weight must not be negative, and not be zero for all rows")
        if weights is not None and not incremental:  # losses, divided by the number of rows, are then weighted means
            weights = weights * (len(weights) / weights.sum())
        held_out = None if validation_data is None else self._checked_validation(validation_data)
        if new:
            self._random_state = check_random_state(self.random_state)
            self.model_ = self._made(X.shape[1:])
        targets = self._targets(encoded)
        epochs = 1 if incremental else self.epochs
        options = {"epochs": epochs, "verbose": int(self.verbose), "callbacks": _checks.callbacks(self)}
        if held_out is not None:
            options["validation_data"] = (held_out[0], self._targets(held_out[1]), *held_out[2:])
        X = _rows.readable(X)  # noqa: N806
        rows = X.shape[0]
        if self.validation_split and not incremental and held_out is None:
            kept = int(rows * (1 - self.validation_split))
            if not 0 < kept < rows:
                raise ValueError(f"validation_split={self.validation_split} of {rows} rows leaves one part empty")
            rest = X[kept:].toarray() if _rows.is_sparse(X) else X[kept:]
            options["validation_data"] = (rest, targets[kept:])
            if weights is not None:
                options["validation_data"] += (weights[kept:],)
                weights = weights[:kept]
            X, targets, rows = X[:kept], targets[:kept], kept  # noqa: N806
        order = _rows.Order(rows, self._random_state) if self.shuffle else None
        with _rows.threads(self.n_jobs):
            try:
                history = _rows.train(self.model_, X, targets, weights, min(self.batch_size, rows), order, **options)
            except NonFiniteLossError as error:
                raise ValueError(f"{type(self).__name__}: {error}") from error
        self._note(history.history, new)
        return self

    def _note(self, history, new):
        if new:
            self.history_ = {}
        for name, values in history.items():
            self.history_[name] = [*self.history_.get(name, []), *values]
        self.n_iter_ = len(history["loss"])
        self.loss_ = history["loss"][-1]
        self.loss_curve_ = self.history_["loss"]

    def _made(self, input_shape):
        """A new model, compiled."""
        seed = int(self._random_state.randint(2**31 - 1))
        if isinstance(self.build_fn, Model):
            model = type(self.build_fn).from_config({**self.build_fn.get_config(), "seed": seed})
            if self.build_fn.compiled:
                self._compile_like(model, self.build_fn)
        else:
            given = {**self.get_params(deep=False), **self._meta(), "n_features_in_": self.n_features_in_,
                     "n_outputs_": self.n_outputs_, "input_shape": input_shape, "optimizer": self._new_optimizer(),
                     "dtype": _checks.name_of_dtype(self.dtype) or "float32", "seed": seed}  # fmt: skip
            takes = inspect.signature(self.build_fn).parameters
            with config.seed_of_thread(seed):  # for a model that the function gives none
                model = self.build_fn(**{name: value for name, value in given.items() if name in takes})
            if not isinstance(model, Model):
                raise TypeError(f"build_fn must return an nncore model; got {type(model).__name__}")
        if not model.built:
            model.build((None, *input_shape))
        dtype = _checks.name_of_dtype(self.dtype)
        if dtype is not None and model.dtype_policy != dtype:
            model = self._converted(model, dtype)
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise ValueError(f"the model must have one input and one output; it has {len(model.inputs)} and "
                             f"{len(model.outputs)}")  # fmt: skip
        if not model.compiled:
            loss = self._default_loss(model) if self.loss is None else self.loss
            model.compile(self._new_optimizer(), loss, metrics=self.metrics)
        return model

    def _new_optimizer(self):
        """The optimizer, which each model has one of its own of."""
        return _copy(self.optimizer) if isinstance(self.optimizer, optimizers.Optimizer) else self.optimizer

    def _converted(self, model, dtype):
        """The same model with weights of another type."""
        other = type(model).from_config({**model.get_config(), "dtype": dtype})
        if not other.built:
            other.build(model.input_shape)
        other.set_weights(model.get_weights())
        if model.compiled:
            self._compile_like(other, model)
        return other

    @staticmethod
    def _compile_like(model, other):
        model.compile(_copy(other.optimizer), **other._compilation)

    def _checked_rows(self, X, *y, reset, **options):  # noqa: N803
        checked = validate_data(self, X, *y, reset=reset, accept_sparse=["csr", "csc"], dtype="numeric", allow_nd=True,
                                **options)  # fmt: skip
        return (_rows.readable_numbers(checked[0]), checked[1]) if y else _rows.readable_numbers(checked)

    def _checked_validation(self, data):
        if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
            raise ValueError("validation_data must be (X, y) or (X, y, sample_weight)")
        X, encoded = self._encode(data[0], data[1], False, True)  # noqa: N806
        return X.toarray() if _rows.is_sparse(X) else X, encoded, *data[2:]

    def _outputs(self, X):  # noqa: N803
        if not hasattr(self, "model_"):
            raise NotFittedError(f"this {type(self).__name__} is not fitted yet: call fit first")
        X = self._checked_rows(X, reset=False)  # noqa: N806
        with self._guard, _rows.threads(self.n_jobs):
            return _rows.predict(self.model_, X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.three_d_array = True
        return tags


def _copy(optimizer):
    return type(optimizer).from_config(optimizer.get_config())


def _parameters_of(build_fn, given):
    """Parameters of the function's own, beside those that are `given` it, with their defaults."""
    if isinstance(build_fn, Model) or not callable(build_fn):
        return {}
    own = {name: one for name, one in inspect.signature(build_fn).parameters.items()
           if name not in given and one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)}  # fmt: skip
    for name, one in own.items():
        if one.default is one.empty:
            raise TypeError(f"build_fn's parameter {name!r} needs a default, or one of the names {', '.join(GIVEN)}")
    return {name: one.default for name, one in own.items()}


class NNClassifier(ClassifierMixin, _Wrapper):
    """Any model of nncore's as a classifier of scikit-learn.

    Parameters
    ----------
    build_fn : function, or nn.Model
        Returns a model, new in each `fit`, compiled or not. Of the following it gets by keyword what it has parameters
        for: n_features_in_, n_outputs_ (1 for two classes), n_classes_, classes_, input_shape (of a row), target_kind_
        ("binary", "multiclass" or "multilabel"), out_activation_ (the fitting one, "softmax" or "sigmoid"), dtype,
        seed, and the parameters of the estimator. All its other parameters, which need defaults, are parameters of the
        estimator as well, by the same names, so that a grid search varies them. Of a model, copies of the architecture
        are trained, with new weights.
    optimizer, loss, metrics
        For a model that is not compiled, as in `Model.compile`. Loss None: the cross-entropy that fits the labels.
    batch_size, epochs, shuffle, validation_split, verbose
        As in `Model.fit`, with defaults of their own.
    callbacks : nn.callbacks.Callback or list of them
    class_weight : dict from class to weight, "balanced", or None
    warm_start : bool
        Whether `fit` goes on with the model that there is.
    random_state : int, RandomState or None
        Of the model's seed and the order of rows.
    n_jobs : int or None
        Threads at most, as in `MLPClassifier`.
    dtype : "float32", "float64", "mixed_bfloat16" or None
        Of the model; None leaves it as build_fn makes it.
    build_parameters, **parameters
        Those of build_fn, in a dict or by name.

    Attributes
    ----------
    model_ : nn.Model
    classes_, n_classes_, n_outputs_, n_features_in_, feature_names_in_
    history_ : dict of lists
        Loss and metrics of each epoch, of all calls of `fit` that went on.
    loss_, loss_curve_, n_iter_
        The last epoch's loss, that of all epochs, and how many the last call had.

    Examples
    --------
    >>> import numpy as np, nncore as nn
    >>> from sklearn.model_selection import GridSearchCV
    >>> def build(n_features_in_, n_outputs_, out_activation_, units=8):
    ...     layers = nn.layers.Dense(units, activation="gelu"), nn.layers.Dense(n_outputs_, activation=out_activation_)
    ...     return nn.Sequential([nn.Input((n_features_in_,)), *layers])
    >>> X = np.random.default_rng(0).normal(size=(120, 3))
    >>> search = GridSearchCV(NNClassifier(build, epochs=20, random_state=0), {"units": [4, 16]}, cv=2)
    >>> search.fit(X, X[:, 0] > 0).best_params_["units"] in (4, 16)
    True
    """

    def __init__(self, build_fn: Any, *, optimizer: OptimizerLike = "adam", loss: LossLike | None = None,
                 metrics: Any = None, batch_size: int = 32, epochs: int = 100, shuffle: bool = True,
                 validation_split: float | None = 0.0, verbose: Verbose = 0, callbacks: Callbacks = None,
                 class_weight: Any = None, warm_start: bool = False, random_state: Any = None,
                 n_jobs: int | None = None, dtype: str | None = None, build_parameters: Any = None,
                 **parameters: Any) -> None:  # fmt: skip
        self._keep(vars())

    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation_data: Any = None) -> Self:  # noqa: N803
        """Builds a model and trains it for `epochs` epochs; returns the estimator.

        Parameters
        ----------
        X : array-like or sparse matrix (rows, features), or array-like (rows, ...)
        y : array-like (rows,), or an indicator matrix (rows, labels)
        sample_weight : array-like (rows,), optional
            Scaled so that their mean is 1.
        validation_data : (X, y) or (X, y, sample_weight), optional

        Raises
        ------
        ValueError, TypeError
            For bad parameters and data, before anything is trained; for a loss that becomes infinite or NaN.
        """
        return self._fit(X, y, sample_weight, validation_data)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:  # noqa: N803
        """Trains for one epoch on these rows, with model and optimizer as they are; returns the estimator.

        `classes`, all of them, is wanted in the first call. Weights are factors of each row's loss, as in `Model.fit`.
        """
        if classes is None and not hasattr(self, "classes_"):
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if classes is not None:
            if not hasattr(self, "classes_"):
                self._set_labels(Labels(y, classes))
            elif not same_classes(classes, self.classes_):
                raise ValueError(f"`classes={classes!r}` is not the same as on last call to partial_fit, was: "
                                 f"{self.classes_!r}")  # fmt: skip
        return self._fit(X, y, sample_weight, None, incremental=True)

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Returns the class of each row, or the labels of each as an indicator matrix."""
        outputs = self._probable(X)
        return self._labels.decode(outputs)

    def predict_proba(self, X: Any) -> Array:  # noqa: N803
        """Returns the probability of each class for each row, (rows, classes), in the order of `classes_`."""
        outputs = self._probable(X)
        return outputs if outputs.shape[1] > 1 else self._labels.probabilities(outputs)

    def predict_log_proba(self, X: Any) -> Array:  # noqa: N803
        """Returns the logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    # ---- targets

    def _set_labels(self, labels):
        self._labels = labels
        self.classes_, self.n_classes_ = labels.classes, len(labels.classes)
        self.n_outputs_ = labels.outputs

    def _encode(self, X, y, new, incremental):  # noqa: N803
        X, y = self._checked_rows(X, y, reset=new, multi_output=True)  # noqa: N806
        y = column(y)
        if new and not (incremental and hasattr(self, "classes_")):
            self._set_labels(Labels(y))
        elif not incremental and not same_classes(unique_labels(y), self.classes_):
            raise ValueError("warm_start can only be used where `y` has the same classes as in the previous call to "
                             f"fit. Previously got {self.classes_}, `y` has {unique_labels(y)}")  # fmt: skip
        return X, self._labels.encode(y)

    def _meta(self):
        activation = "softmax" if self._labels.kind == "multiclass" else "sigmoid"
        return {"n_classes_": self.n_classes_, "classes_": self.classes_, "target_kind_": self._labels.kind,
                "out_activation_": activation}  # fmt: skip

    def _default_loss(self, model):
        several = self._labels.kind != "multilabel" and model.output_shape[-1] > 1
        cls = losses.SparseCategoricalCrossentropy if several else losses.BinaryCrossentropy
        return cls(from_logits=not _ends_in(model, cls.logits_of))

    def _targets(self, encoded):
        outputs = self.model_.output_shape[-1]
        fitting = {"binary": (1, 2), "multiclass": (self.n_classes_,), "multilabel": (self.n_classes_,)}
        if len(self.model_.output_shape) != 2 or outputs not in fitting[self._labels.kind]:
            wanted = " or ".join(map(str, fitting[self._labels.kind]))
            raise ValueError(f"a model for {self.n_classes_} classes ({self._labels.kind}) needs outputs of shape "
                             f"(None, {wanted}); it has {self.model_.output_shape}")  # fmt: skip
        if self._labels.kind == "multilabel" or outputs == 1 or self.model_.loss.labels:
            return encoded
        return np.eye(outputs, dtype=np.uint8)[encoded]

    def _with_class_weights(self, y, weights, incremental):
        return with_class_weights(self, y, weights, incremental)

    def _probable(self, X):  # noqa: N803
        """Probabilities, (rows, outputs)."""
        outputs, loss = self._outputs(X), self.model_.loss
        if loss.from_logits and not _ends_in(self.model_, loss.logits_of):
            outputs = getattr(activations, loss.logits_of)(outputs)
        return outputs[:, 1:] if self._labels.kind == "binary" and outputs.shape[1] == 2 else outputs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _ends_in(model, activation):
    """Whether a model's last layer has the activation of this name."""
    return getattr(model.layers[-1], "activation", None) is getattr(activations, activation)


class NNRegressor(RegressorMixin, _Wrapper):
    """Any model of nncore's as a regressor of scikit-learn.

    Parameters
    ----------
    build_fn : function, or nn.Model
        As in `NNClassifier`; what it may be given is n_features_in_, n_outputs_, input_shape, dtype, seed and the
        parameters of the estimator.
    loss : str or nn.losses.Loss
        For a model that is not compiled; None: the mean squared error.
    optimizer, metrics, batch_size, epochs, shuffle, validation_split, verbose, callbacks, warm_start, random_state
    n_jobs, dtype, build_parameters, **parameters
        As in `NNClassifier`.

    Attributes
    ----------
    model_ : nn.Model
    n_outputs_, n_features_in_, feature_names_in_, history_, loss_, loss_curve_, n_iter_
        As in `NNClassifier`.

    Examples
    --------
    >>> import numpy as np, nncore as nn
    >>> def build(n_features_in_, n_outputs_):
    ...     return nn.Sequential([nn.Input((n_features_in_,)), nn.layers.Dense(n_outputs_)])
    >>> X = np.random.default_rng(0).normal(size=(100, 3))
    >>> estimator = NNRegressor(build, optimizer=nn.optimizers.SGD(0.1), epochs=30, random_state=0)
    >>> estimator.fit(X, X @ [1.0, 2.0, 3.0]).score(X, X @ [1.0, 2.0, 3.0]) > 0.99
    True
    """

    def __init__(self, build_fn: Any, *, optimizer: OptimizerLike = "adam", loss: LossLike | None = None,
                 metrics: Any = None, batch_size: int = 32, epochs: int = 100, shuffle: bool = True,
                 validation_split: float | None = 0.0, verbose: Verbose = 0, callbacks: Callbacks = None,
                 warm_start: bool = False, random_state: Any = None, n_jobs: int | None = None,
                 dtype: str | None = None, build_parameters: Any = None, **parameters: Any) -> None:  # fmt: skip
        self._keep(vars())

    def fit(self, X: Any, y: Any, sample_weight: Any = None, validation_data: Any = None) -> Self:  # noqa: N803
        """Builds a model and trains it for `epochs` epochs; returns the estimator.

        Parameters
        ----------
        X : array-like or sparse matrix (rows, features), or array-like (rows, ...)
        y : array-like (rows,) or (rows, outputs)
        sample_weight, validation_data : as in `NNClassifier.fit`

        Raises
        ------
        ValueError, TypeError
            For bad parameters and data, before anything is trained; for a loss that becomes infinite or NaN.
        """
        return self._fit(X, y, sample_weight, validation_data)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:  # noqa: N803
        """Trains for one epoch on these rows, with model and optimizer as they are; returns the estimator.

        Weights are factors of each row's loss, as in `Model.fit`.
        """
        return self._fit(X, y, sample_weight, None, incremental=True)

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Returns the prediction for each row, (rows,), or (rows, outputs) where there are several."""
        outputs = self._outputs(X)
        return outputs[:, 0] if outputs.shape[1:] == (1,) else outputs

    def _encode(self, X, y, new, incremental):  # noqa: N803
        X, y = self._checked_rows(X, y, reset=new, multi_output=True, y_numeric=True)  # noqa: N806
        targets = _rows.readable_numbers(column(y)).reshape(len(y), -1)
        if new:
            self.n_outputs_ = targets.shape[1]
        elif targets.shape[1] != self.n_outputs_:
            raise ValueError("training cannot go on with another number of outputs: there are "
                             f"{self.n_outputs_}; y has {targets.shape[1]}")  # fmt: skip
        return X, targets

    def _meta(self):
        return {}

    def _default_loss(self, model):
        return "mse"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

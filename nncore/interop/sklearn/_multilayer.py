"""What MLPClassifier and MLPRegressor share: the network, and how it is trained."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, validate_data

from nncore import activations, optimizers
from nncore.initializers import Zeros
from nncore.interop.sklearn import _checks, _epochs, _rows
from nncore.layers import Dense, Dropout, Input
from nncore.losses import Loss
from nncore.models import Sequential
from nncore.models.training import NonFiniteLossError
from nncore.regularizers import L2PerSample

if TYPE_CHECKING:
    from collections.abc import Callable

# scikit-learn's names of activations that have others here.
ACTIVATIONS = {"identity": "linear", "logistic": "sigmoid", "exp": "exponential"}
STOCHASTIC = ("sgd", "adam")
FUNCTION_TOLERANCE = 2.220446049250313e-09  # scipy.optimize's own of L-BFGS-B: ten million times the least step from 1


class Weights(list):
    """Arrays that are the model's own weights: what is put in the place of one is copied into it."""

    def __setitem__(self, index, value):
        if not hasattr(index, "__index__"):
            raise TypeError("weights are set one by one")
        self[index][...] = _fitting(value, self[index])


def _fitting(value, weight):
    """The value as an array of a weight's shape."""
    array = np.asarray(value)
    if array.shape != weight.shape:
        raise ValueError(f"a weight of shape {weight.shape} cannot be set to an array of shape {array.shape}")
    return array


class available_where_stochastic:  # noqa: N801  a decorator
    """A method that estimators have where their solver goes by minibatches. It is looked up for every sample."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method
        self.__doc__, self.__name__ = method.__doc__, method.__name__
        self.__wrapped__ = method

    def __get__(self, estimator: Any, owner: Any = None) -> Any:
        if estimator is None:
            return self.method
        if estimator.solver not in STOCHASTIC:
            raise AttributeError(f"{self.__name__} is only available where solver is 'sgd' or 'adam'; it is "
                                 f"{estimator.solver!r}")  # fmt: skip
        return self.method.__get__(estimator)


class Multilayer(_rows.Guarded, BaseEstimator):
    """Base of the multi-layer perceptrons. Subclasses say what targets and losses are.

    `model_` is the network. The rest is in the public classes' docstrings.
    """

    _losses: tuple = ()  # names that there are
    _one_row = None  # a function for the next row of partial_fit, in place of all checks

    def _keep(self, parameters):
        for name, value in parameters.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__.pop("_one_row", None)
        super().__setattr__(name, value)

    # ---- what subclasses define

    def _encode(self, X, y, incremental, reset):  # noqa: N803  scikit-learn's names
        """Checked X and targets of the network; sets `n_outputs_` and whatever goes with the targets."""
        raise NotImplementedError

    def _loss_of_targets(self, reduction):
        """The loss for the network, and what it is multiplied with."""
        raise NotImplementedError

    def _output_activation(self):
        raise NotImplementedError

    def _score_of(self, outputs, targets, weights):
        raise NotImplementedError

    def _reported_loss(self, logs):
        """The loss of an epoch as scikit-learn has it."""
        return float(logs["loss"])

    def _constant_of(self, targets, weights):
        """What the loss has of the targets alone, which training does without."""
        return 0.0

    # ---- parameters

    def _check_parameters(self):
        hidden = self.hidden_layer_sizes
        hidden = list(hidden) if hasattr(hidden, "__iter__") else [hidden]
        for units in hidden:
            if not hasattr(units, "__index__") or isinstance(units, bool) or units <= 0:
                raise ValueError(f"hidden_layer_sizes must be > 0, got {hidden}.")
        self._hidden_activations(hidden)
        self._dropout_rates(hidden)
        if not isinstance(self.loss, Loss):
            _checks.choice(self, "loss", self._losses)
        _checks.choice(self, "solver", ("lbfgs", "sgd", "adam"))
        _checks.choice(self, "learning_rate", ("constant", "invscaling", "adaptive"))
        for name in ("alpha", "power_t", "tol"):
            _checks.number(self, name, 0)
        _checks.number(self, "learning_rate_init", 0, low_open=True)
        _checks.number(self, "epsilon", 0, low_open=True)
        _checks.number(self, "momentum", 0, 1)
        for name in ("beta_1", "beta_2", "validation_fraction"):
            _checks.number(self, name, 0, 1, high_open=True)
        _checks.integer(self, "batch_size", also=("auto",))
        for name in ("max_iter", "max_fun"):
            _checks.integer(self, name)
        _checks.integer(self, "n_iter_no_change", also=(np.inf,))
        _checks.boolean(self, "shuffle", "warm_start", "nesterovs_momentum", "early_stopping")
        _checks.integer(self, "verbose", 0, also=(True, False))
        _checks.dtype(self)
        _checks.jobs(self)
        _checks.callbacks(self)
        if self.solver == "lbfgs" and any(self._dropout_rates(hidden)):
            raise ValueError("dropout is for the solvers 'sgd' and 'adam': 'lbfgs' needs a loss that stays the same")
        return hidden

    def _hidden_activations(self, hidden):
        """An activation for each hidden layer; where there is none, the one that the weights are drawn for."""
        given = self.activation
        if isinstance(given, (list, tuple)):
            if len(given) != len(hidden):
                raise ValueError(f"activation must be one for all hidden layers or a list of {len(hidden)}, one for "
                                 f"each; got {len(given)}")  # fmt: skip
        else:
            given = [given] * max(1, len(hidden))
        found = []
        for one in given:
            try:
                if one is None:
                    raise TypeError
                found.append(activations.get(ACTIVATIONS.get(one, one) if isinstance(one, str) else one))
            except (TypeError, ValueError):
                names = sorted({"identity", "logistic", *activations.__all__} - {"Activation", "deserialize", "get",
                                                                                 "serialize"})  # fmt: skip
                raise _checks.invalid(self, "activation", f"one of {', '.join(names)}", one) from None
        return found

    def _dropout_rates(self, hidden):
        """A rate for each hidden layer."""
        given = self.dropout
        rates = list(given) if isinstance(given, (list, tuple)) else [given] * len(hidden)
        right = isinstance(given, (list, tuple, int, float, np.number)) and not isinstance(given, bool)
        if not right or len(rates) != len(hidden) or not all(0 <= rate < 1 for rate in rates):
            raise _checks.invalid(self, "dropout", f"a rate in [0, 1), or a list of {len(hidden)}, one for each hidden "
                                  "layer", given)  # fmt: skip
        return rates

    # ---- the network

    def _build(self, hidden, dtype):
        """Makes the network, with weights of Glorot's uniform distribution, drawn as scikit-learn draws them."""
        self.n_layers_ = len(hidden) + 2
        self.out_activation_ = self._output_activation()
        layers = [Input((self.n_features_in_,))]
        plain = {"kernel_initializer": Zeros(), "bias_initializer": Zeros()}
        dropout = self._dropout_rates(hidden)
        functions = self._hidden_activations(hidden)
        for units, activation, rate in zip(hidden, functions, dropout, strict=False):
            layers.append(Dense(int(units), activation, **plain))
            if rate:
                layers.append(Dropout(float(rate)))
        last = ACTIVATIONS.get(self.out_activation_, self.out_activation_)
        layers.append(Dense(self.n_outputs_, last, **plain))
        random = self._random_state
        drawn = []
        units = [self.n_features_in_, *hidden, self.n_outputs_]
        drawn_for = [*functions[: len(hidden)], *functions[-1:]]  # the outputs' weights go by the last hidden layer
        for inputs, outputs, function in zip(units, units[1:], drawn_for, strict=False):
            bound = np.sqrt((2.0 if function is activations.sigmoid else 6.0) / (inputs + outputs))
            drawn.append(random.uniform(-bound, bound, (inputs, outputs)))
            drawn.append(random.uniform(-bound, bound, outputs))
        seed = int(random.randint(2**31 - 1)) if any(dropout) else 0
        self.model_ = Sequential(layers, dtype=dtype, seed=seed)
        self.model_.set_weights(drawn)
        self._structure = self._structure_now(units)
        self._compiled = None
        self._link_weights()

    def _link_weights(self):
        weights = self.model_.weights
        self.coefs_, self.intercepts_ = Weights(weights[::2]), Weights(weights[1::2])
        self._linked = (self.coefs_, self.intercepts_)

    def _take_weights(self):
        """Copies weights that the user has put in the place of the model's into it."""
        for name, mine in zip(("coefs_", "intercepts_"), self._linked, strict=True):
            given = getattr(self, name)
            if given is mine:
                continue
            if len(given) != len(mine):
                raise ValueError(f"{name} must be a list of {len(mine)} arrays; got {len(given)}")
            for weight, value in zip(mine, given, strict=True):
                weight[...] = _fitting(value, weight)
            setattr(self, name, mine)

    @property
    def _optimizer(self):
        return self.model_.optimizer

    def _compile(self, weighted, afresh):
        """Has the model train as the parameters say now; `afresh` with a new optimizer."""
        model = self.model_
        now = (self.alpha, weighted, self.loss)
        if not afresh and model.compiled and self._compiled == now:
            return
        for layer in model.layers:
            if isinstance(layer, Dense):
                layer.kernel_regularizer = L2PerSample(self.alpha / 2) if self.alpha else None
                layer.weight_list()[0].regularizer = layer.kernel_regularizer
        optimizer = model.optimizer if model.compiled and not afresh else self._make_optimizer()
        loss, scale = self._loss_of_targets("mean_with_sample_weight" if weighted else "sum_over_batch_size")
        metrics = {"weighted_metrics" if weighted else "metrics": self._metrics()}
        model.compile(optimizer, loss, loss_weights=scale, **metrics)
        self._compiled = now

    def _metrics(self):
        return None

    def _make_optimizer(self):
        if self.solver == "sgd":
            return optimizers.SGD(self.learning_rate_init, self.momentum, bool(self.nesterovs_momentum))
        # scikit-learn's form, with epsilon beside the root of the moment that is not corrected, is that of AdamW here.
        return optimizers.AdamW(self.learning_rate_init, 0.0, self.beta_1, self.beta_2, self.epsilon)

    # ---- training

    def _fit(self, X, y, sample_weight=None, validation_data=None, incremental=False):  # noqa: N803
        hidden = self._check_parameters()
        self._prepare_guard()
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        if not first and hasattr(self, "model_"):
            self._check_structure(hidden)
        X, targets = self._encode(X, y, incremental, first)  # noqa: N806
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, X, dtype=np.float64)
        weights = self._with_class_weights(y, weights, incremental)
        if weights is not None and not (np.min(weights) >= 0 and np.sum(weights) > 0):
            raise ValueError("sample_weight must not be negative, and not be zero for all rows")
        if validation_data is not None:
            validation_data = self._checked_validation(validation_data)
        self._random_state = check_random_state(self.random_state)
        self._constant = self._constant_of(targets, weights)
        new = first or not hasattr(self, "model_")
        if new:
            given = None if first else (self.coefs_, self.intercepts_)
            self._build(hidden, self._dtype_for(X))
            if given is not None:
                self.coefs_, self.intercepts_ = given
        self._take_weights()
        with _rows.threads(self.n_jobs):
            if self.solver == "lbfgs":
                self._fit_by_lbfgs(X, targets, weights)
            else:
                self._fit_by_minibatches(X, targets, weights, validation_data, incremental, first)
        if not all(np.isfinite(weight).all() for weight in self.model_.weights):
            raise ValueError(_NOT_FINITE)
        return self

    def _check_structure(self, hidden):
        """Raises where training is to go on and the network would be another."""
        (first, *_, last), *_ = self._structure
        if self._structure != self._structure_now([first, *hidden, last]):
            raise ValueError("training cannot go on with other hidden_layer_sizes, activation or dropout, or "
                             "a loss with another output: set warm_start=False and call fit")  # fmt: skip

    def _structure_now(self, units):
        """What a network of so many units would be: parameters that a warm start cannot change."""
        hidden = units[1:-1]
        functions = self._hidden_activations(hidden)[: len(hidden)]
        return ([int(count) for count in units], [*map(activations.serialize, functions), self._output_activation()],
                self._dropout_rates(hidden))  # fmt: skip

    def _dtype_for(self, X):  # noqa: N803
        if self.dtype is not None:
            return _checks.name_of_dtype(self.dtype)
        return "float32" if X.dtype == np.float32 and self.solver != "lbfgs" else "float64"

    def _with_class_weights(self, y, weights, incremental):
        return weights

    def _checked_rows(self, X, *y, reset, **options):  # noqa: N803
        """X, or X and y, as scikit-learn checks them; numbers that the engine reads stay as they are."""
        checked = validate_data(self, X, *y, reset=reset, accept_sparse=["csr", "csc"], dtype="numeric", **options)
        if not y:
            return _rows.readable_numbers(checked)
        return _rows.readable_numbers(checked[0]), checked[1]

    def _checked_validation(self, data):
        if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
            raise ValueError("validation_data must be (X, y) or (X, y, sample_weight)")
        X, targets = self._encode_validation(data[0], data[1])  # noqa: N806
        weights = None if len(data) == 2 or data[2] is None else _check_sample_weight(data[2], X, dtype=np.float64)
        return X, targets, weights

    def _judge(self, X, targets, weights, with_loss):  # noqa: N803
        """A function that scores the validation data and, if wanted, gives their loss."""
        X = _rows.readable(X)  # noqa: N806

        def judge():
            outputs = _rows.predict(self.model_, X)
            score = self._score_of(outputs, targets, weights) if np.isfinite(outputs).all() else np.nan
            return float(score), self._loss_of_outputs(outputs, targets, weights) if with_loss else None

        return judge

    def _loss_of_outputs(self, outputs, targets, weights):
        loss, scale = self._loss_of_targets("mean_with_sample_weight")
        return loss(targets, outputs, sample_weight=weights) * scale

    def _fit_by_minibatches(self, X, targets, weights, validation_data, incremental, first):  # noqa: N803
        stopping = bool(self.early_stopping)
        scored = stopping or validation_data is not None
        if first or not hasattr(self, "best_loss_"):
            _epochs.begin(self, stopping, scored)
        if not incremental:
            self._continue_curves(stopping, scored)
        if validation_data is not None and not incremental:
            self.validation_loss_curve_ = getattr(self, "validation_loss_curve_", []) if not first else []
        with_loss = validation_data is not None
        if stopping and validation_data is None:
            X, targets, weights, validation_data = self._split(X, targets, weights)  # noqa: N806
        rows = X.shape[0]
        batch_size = min(200, rows) if self.batch_size == "auto" else self.batch_size
        if batch_size > rows and not incremental:
            warnings.warn(f"batch_size={batch_size} is more than the {rows} rows that there are, which are one "
                          "minibatch then", stacklevel=4)  # fmt: skip
        batch_size = min(int(batch_size), rows)
        self._compile(weights is not None, afresh=not incremental)
        self.n_iter_ = 0
        order = _rows.Order(rows, self._random_state) if self.shuffle else None
        callbacks = _checks.callbacks(self)
        X = _rows.readable(X)  # noqa: N806
        try:
            if incremental and batch_size == rows and not callbacks and not _rows.is_sparse(X):
                if order is not None:
                    order(rows)  # so that what is drawn next is what it would be otherwise
                logs = self.model_.train_on_batch(X, targets, sample_weight=weights, return_dict=True)
                _epochs.end_epoch(self, rows, self._reported_loss(logs), None, False)
                self._prepare_one_row(weights)
                return
            judge = None if validation_data is None else self._judge(*validation_data, with_loss)
            epochs = 1 if incremental else self.max_iter
            watching = _epochs.Epochs(self, rows, judge, stopping)
            _rows.train(self.model_, X, targets, weights, batch_size, order, epochs=epochs, verbose=0,
                        callbacks=[watching, *callbacks])  # fmt: skip
            if not incremental and not self.model_.stop_training:
                warnings.warn(f"the solver has reached max_iter={self.max_iter} iterations, and has not converged yet",
                              ConvergenceWarning, stacklevel=4)  # fmt: skip
        except NonFiniteLossError as error:
            if not stopping:
                raise ValueError(_NOT_FINITE) from error
            self.loss_curve_.append(np.nan)
            self.validation_scores_.append(np.nan)
            self.n_iter_ += 1
            warnings.warn(f"the loss became NaN or infinite in iteration {self.n_iter_}; the weights are the best "
                          "before it", ConvergenceWarning, stacklevel=4)  # fmt: skip
        except KeyboardInterrupt:
            warnings.warn("training was interrupted by the user", stacklevel=4)
        if stopping:
            self.model_.set_weights(self._best_weights)

    def _continue_curves(self, stopping, scored):
        """Has curves of a warm start that were not kept so far begin."""
        if scored and self.validation_scores_ is None:
            self.validation_scores_, self.best_validation_score_ = [], -np.inf
        if stopping and self._best_weights is None:
            self._best_weights, self.best_loss_ = self.model_.get_weights(), None
        if not stopping and self.best_loss_ is None:
            self.best_loss_ = np.inf

    def _split(self, X, targets, weights):  # noqa: N803
        """Rows for training, and for validation, as scikit-learn splits them."""
        options = {"random_state": self._random_state, "test_size": self.validation_fraction,
                   "stratify": self._strata(targets)}  # fmt: skip
        kept, held_out = train_test_split(np.arange(X.shape[0]), **options)
        if len(held_out) < 2:
            raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your "
                             "dataset.")  # fmt: skip
        X = X.tocsr() if _rows.is_sparse(X) else X  # noqa: N806
        parts = [(X[rows], targets[rows], None if weights is None else weights[rows]) for rows in (kept, held_out)]
        return (*parts[0], parts[1])

    def _strata(self, targets):
        return None

    def _prepare_one_row(self, weights):
        """Lets the next row of partial_fit go without the checks of everything, where that is the same."""

    def _fit_by_lbfgs(self, X, targets, weights):  # noqa: N803
        from nncore.callbacks import CallbackList
        from nncore.interop.scipy import minimize

        self._compile(weights is not None, afresh=True)
        X = X.toarray() if _rows.is_sparse(X) else X  # noqa: N806
        calls = CallbackList(_checks.callbacks(self), model=self.model_, verbose=0, epochs=self.max_iter, steps=1,
                             rows=X.shape[0])  # fmt: skip
        penalised = X.shape[0] if weights is None else weights.sum()
        self.model_.stop_training = False
        calls.on_train_begin()
        curve = []

        def end_iteration(iteration, loss):
            curve.append(self._reported_minimum(loss, penalised))
            if self.verbose:
                print(f"Iteration {iteration}, loss = {curve[-1]:.8f}")
            calls.on_epoch_end(iteration - 1, {"loss": curve[-1]})
            return self.model_.stop_training

        try:
            result = minimize(self.model_, X, targets, weights, max_iterations=self.max_iter, callback=end_iteration,
                              gtol=self.tol, ftol=FUNCTION_TOLERANCE, maxfun=self.max_fun)  # fmt: skip
        except NonFiniteLossError as error:
            raise ValueError(_NOT_FINITE) from error
        calls.on_train_end({"loss": curve[-1]} if curve else None)
        self.n_iter_, self.loss_curve_ = result.iterations, curve
        self.loss_ = self._reported_minimum(result.loss, penalised)
        self.t_ = 0  # which only counts rows of minibatches
        if not result.success and not self.model_.stop_training:
            warnings.warn(f"lbfgs has not converged after {result.iterations} iterations: {result.message}. More of "
                          "them (max_iter), or scaled data, may help", ConvergenceWarning, stacklevel=4)  # fmt: skip

    def _reported_minimum(self, loss, samples):
        return loss

    def _penalty(self, samples):
        """What alpha adds to the loss of so many samples."""
        return self.alpha / 2 * sum(float(np.vdot(kernel, kernel)) for kernel in self._linked[0]) / samples

    # ---- predictions

    def _outputs(self, X):  # noqa: N803
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(f"this {type(self).__name__} is not fitted yet: call fit first")
        X = self._checked_rows(X, reset=False)  # noqa: N806
        self._take_weights()
        with self._guard, _rows.threads(self.n_jobs):
            return _rows.predict(self.model_, X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # ---- copies

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "model_" in state:
            self._take_weights()
        for name in ("_linked", "_one_row", *(("coefs_", "intercepts_") if "model_" in state else ())):
            state.pop(name, None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "model_" in self.__dict__:
            self._link_weights()


_NOT_FINITE = ("Solver produced non-finite parameter weights. The input data may contain large values and need to be "
               "preprocessed.")  # fmt: skip

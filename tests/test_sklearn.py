"""The estimators for scikit-learn: its checks, its numbers, and what they have beyond it."""
# ruff: noqa: E402  nothing here goes without scikit-learn

import copy
import inspect
import pickle
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

from scipy import sparse
from sklearn import neural_network as theirs
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_multilabel_classification, make_regression
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import nncore as nn
from nncore.interop.sklearn import MLPClassifier, MLPRegressor, NNClassifier, NNRegressor, _rows

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS, SPECIES = load_iris(return_X_y=True)
IRIS = (IRIS - IRIS.mean(axis=0)) / IRIS.std(axis=0)
HOUSES, PRICES = make_regression(130, 5, n_targets=2, noise=5.0, random_state=0)
PRICES = (PRICES - PRICES.mean(axis=0)) / PRICES.std(axis=0)
RANDOM = np.random.default_rng(0)
# Side by side with its estimators as they are since 1.7; the checks run with any.
beside_theirs = pytest.mark.skipif("sample_weight" not in inspect.signature(theirs.MLPClassifier.fit).parameters,
                                   reason="scikit-learn 1.6 has no weights and losses to compare with")  # fmt: skip
WEIGHTS = RANDOM.uniform(0.1, 3, 150)


def build(n_features_in_, n_outputs_, out_activation_="linear", units=16, seed=0):
    """A network that is told its sizes."""
    hidden = nn.layers.Dense(units, activation="relu")
    return nn.Sequential([nn.Input((n_features_in_,)), hidden, nn.layers.Dense(n_outputs_, activation=out_activation_)],
                         seed=seed)  # fmt: skip


def difference(first, second):
    return max(np.abs(a - b).max() for a, b in zip(first.coefs_ + first.intercepts_,
                                                   second.coefs_ + second.intercepts_, strict=True))  # fmt: skip


# ---------------------------------------------------------------- scikit-learn's checks

class Build:
    """As `build`, with a name of one line that is the same in every process, as those of tests have to be."""

    def __call__(self, n_features_in_, n_outputs_, out_activation_="linear", units=16, seed=0):
        return build(n_features_in_, n_outputs_, out_activation_, units, seed)

    def __repr__(self):
        return "Build()"


WRAPPED = {"optimizer": nn.optimizers.Adam(0.05), "epochs": 20, "batch_size": 64, "dtype": "float64"}


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([MLPClassifier(), MLPRegressor(), NNClassifier(Build(), **WRAPPED),
                          NNRegressor(Build(), **WRAPPED)])  # fmt: skip
def test_scikit_learns_checks(estimator, check):
    check(estimator)


# ---------------------------------------------------------------- scikit-learn's numbers

OPTIONS = [
    {"batch_size": 40},
    {"solver": "sgd", "batch_size": 64, "alpha": 1.0, "activation": "tanh"},
    {"solver": "sgd", "nesterovs_momentum": False, "learning_rate_init": 0.05},
    {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3, "shuffle": False, "learning_rate_init": 0.1},
    {"solver": "sgd", "learning_rate": "adaptive", "tol": 1e-3, "learning_rate_init": 0.05, "n_iter_no_change": 3},
    {"early_stopping": True, "hidden_layer_sizes": (12, 7), "activation": "logistic", "learning_rate_init": 0.05},
    {"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3, "batch_size": 33, "tol": 0.01},
    {"hidden_layer_sizes": (), "activation": "identity"},
    {"solver": "lbfgs", "max_iter": 12, "alpha": 0.1},
    {"solver": "sgd", "momentum": 1.0, "learning_rate_init": 1e-3, "max_iter": 10},
]


@beside_theirs
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: ",".join(map(str, options.values())))
def test_a_classifier_learns_what_scikit_learns_does(options, weighted):
    options = {"max_iter": 40, "random_state": 3, "hidden_layer_sizes": 20, **options}
    labels = np.c_[SPECIES == 0, SPECIES > 0, IRIS[:, 0] > 0].astype(int)
    for y in (SPECIES, np.array(["no", "yes"])[(SPECIES == 1).astype(int)], labels):
        weight = WEIGHTS if weighted else None
        mine = MLPClassifier(**options).fit(IRIS, y, weight)
        other = theirs.MLPClassifier(**options).fit(IRIS, y, weight)
        same_training(mine, other)
        assert (mine.classes_ == other.classes_).all()
        assert (mine.predict(IRIS) == other.predict(IRIS)).all()
        assert mine.predict(IRIS).dtype == other.predict(IRIS).dtype
        np.testing.assert_allclose(mine.predict_proba(IRIS), other.predict_proba(IRIS), rtol=1e-6, atol=1e-9)


@beside_theirs
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("options", [*OPTIONS[:-2], {"loss": "poisson", "batch_size": 50}],
                         ids=lambda options: ",".join(map(str, options.values())))  # fmt: skip
def test_a_regressor_learns_what_scikit_learns_does(options, weighted):
    options = {"max_iter": 40, "random_state": 3, "hidden_layer_sizes": 20, **options}
    for y in (PRICES[:, 0], PRICES):
        y = y**2 if "loss" in options else y
        weight = WEIGHTS[:130] if weighted else None
        mine = MLPRegressor(**options).fit(HOUSES, y, weight)
        other = theirs.MLPRegressor(**options).fit(HOUSES, y, weight)
        # what scikit-learn reports of weighted minibatches, means of means, is not to be had in one pass where a part
        # of the loss is not minimised; the weights are the same
        exact = "loss" not in options and not (weighted and y.ndim > 1)
        same_training(mine, other, 1e-5 if "loss" in options else 1e-9, curve=exact)
        assert mine.predict(HOUSES).shape == other.predict(HOUSES).shape


def same_training(mine, other, tolerance=1e-9, curve=True):
    assert (mine.n_layers_, mine.n_outputs_, mine.out_activation_) == (
        other.n_layers_, other.n_outputs_, other.out_activation_)  # fmt: skip
    assert mine.t_ == other.t_
    if curve:
        assert mine.n_iter_ == other.n_iter_
        assert mine.loss_ == pytest.approx(other.loss_, rel=1e-6)
    if mine.n_iter_ == other.n_iter_:
        assert difference(mine, other) < tolerance
    if mine.solver != "lbfgs" and curve:
        np.testing.assert_allclose(mine.loss_curve_, other.loss_curve_, rtol=1e-6)
        assert (mine.best_loss_ is None) == (other.best_loss_ is None)
        if mine.early_stopping:
            np.testing.assert_allclose(mine.validation_scores_, other.validation_scores_, rtol=1e-6, atol=1e-9)


@beside_theirs
def test_parameters_are_scikit_learns_in_its_order():
    for mine, other in ((MLPClassifier, theirs.MLPClassifier), (MLPRegressor, theirs.MLPRegressor)):
        expected = list(inspect.signature(other).parameters.values())
        got = list(inspect.signature(mine).parameters.values())[: len(expected)]
        assert [(p.name, p.default, p.kind) for p in got] == [(p.name, p.default, p.kind) for p in expected]


# ---------------------------------------------------------------- beyond scikit-learn: losses, layers, weights


LOSSES = {  # of the predictions p and targets y: the sum over outputs for each row, and its derivative
    "squared_error": (lambda p, y: (p - y) ** 2 / 2, lambda p, y: p - y),
    "absolute_error": (lambda p, y: np.abs(p - y), lambda p, y: np.sign(p - y)),
    "huber": (lambda p, y: np.where(np.abs(p - y) <= 1, (p - y) ** 2 / 2, np.abs(p - y) - 0.5),
              lambda p, y: np.clip(p - y, -1, 1)),
}  # fmt: skip


@beside_theirs
@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_goes_down_the_gradient_of_the_loss(loss):
    value, slope = LOSSES[loss]
    weight = WEIGHTS[:130]
    options = {"hidden_layer_sizes": (), "solver": "sgd", "momentum": 0, "learning_rate_init": 0.1, "random_state": 0,
               "loss": loss, "alpha": 2.0, "batch_size": 130, "shuffle": False}  # fmt: skip
    estimator = MLPRegressor(**options).partial_fit(HOUSES, PRICES, weight)
    before = theirs.MLPRegressor(**{**options, "loss": "squared_error", "learning_rate_init": 1e-300}).partial_fit(
        HOUSES, PRICES
    )
    kernel, bias = before.coefs_[0], before.intercepts_[0]
    p, share = HOUSES @ kernel + bias, weight[:, None] / weight.sum()
    np.testing.assert_allclose(
        estimator.coefs_[0], kernel - 0.1 * (HOUSES.T @ (share * slope(p, PRICES)) + 2.0 / weight.sum() * kernel),
        rtol=1e-9,
    )  # fmt: skip
    np.testing.assert_allclose(estimator.intercepts_[0], bias - 0.1 * (share * slope(p, PRICES)).sum(axis=0))
    if loss != "squared_error":  # which is reported as scikit-learn does
        expected = (share * value(p, PRICES)).sum() + (kernel**2).sum() / weight.sum()
        assert estimator.loss_ == pytest.approx(expected)


def test_losses_of_the_library_and_what_cannot_be_one():
    loss = nn.losses.Huber(2.5)
    estimator = MLPRegressor(loss, 8, max_iter=5, random_state=0).fit(HOUSES, PRICES)
    assert estimator.model_.loss is loss
    for kind in (nn.losses.CategoricalFocalCrossentropy(), nn.losses.SparseCategoricalCrossentropy()):
        MLPClassifier(8, loss=kind, max_iter=60, learning_rate_init=0.05).fit(IRIS, SPECIES).score(IRIS, SPECIES)
    with pytest.raises(ValueError, match=r"'loss' parameter of MLPRegressor must be one of .*huber"):
        MLPRegressor("squared").fit(HOUSES, PRICES)
    with pytest.raises(ValueError, match="targets of at least 0"):
        MLPRegressor("poisson").fit(HOUSES, PRICES)


def test_activations_and_dropout_of_each_layer():
    estimator = MLPClassifier((9, 7), ["gelu", "logistic"], dropout=[0.0, 0.3], max_iter=3, random_state=0)
    estimator.fit(IRIS, SPECIES)
    kinds = [type(layer).__name__ for layer in estimator.model_.layers]
    assert kinds == ["Dense", "Dense", "Dropout", "Dense"]
    hidden = nn.activations.gelu(IRIS @ estimator.coefs_[0] + estimator.intercepts_[0])
    hidden = nn.activations.sigmoid(hidden @ estimator.coefs_[1] + estimator.intercepts_[1])
    expected = nn.activations.softmax(hidden @ estimator.coefs_[2] + estimator.intercepts_[2])
    np.testing.assert_allclose(estimator.predict_proba(IRIS), expected, rtol=1e-9)
    again = clone(estimator).fit(IRIS, SPECIES)
    assert difference(estimator, again) == 0
    assert difference(estimator, clone(estimator).set_params(dropout=0.0).fit(IRIS, SPECIES)) > 0


@pytest.mark.parametrize(("options", "words"), [
    ({"activation": ["relu"]}, "list of 2"), ({"activation": "rellu"}, "'activation' parameter of MLPClassifier"),
    ({"activation": ["relu", 3]}, "'activation'"), ({"dropout": 1.0}, "'dropout'"), ({"dropout": [0.1]}, "list of 2"),
    ({"dropout": "half"}, "'dropout'"), ({"solver": "lbfgs", "dropout": 0.1}, "dropout is for the solvers"),
    ({"solver": "adamw"}, "one of 'lbfgs', 'sgd', 'adam'; got 'adamw'"), ({"alpha": -1}, r"'alpha'.*\[0, inf\)"),
    ({"hidden_layer_sizes": (3, 0)}, "hidden_layer_sizes must be > 0"), ({"batch_size": 0}, "'batch_size'"),
    ({"batch_size": "all"}, "'batch_size'"), ({"max_iter": 2.5}, "'max_iter'"), ({"n_jobs": 0}, "'n_jobs'"),
    ({"callbacks": print}, "'callbacks'"), ({"class_weight": {7: 1.0}}, "names 7, which is none of the classes"),
    ({"class_weight": "even"}, "class_weight must be"), ({"dtype": "int8"}, "'dtype'"), ({"tol": None}, "'tol'"),
    ({"validation_fraction": 1.0}, "'validation_fraction'"), ({"loss": "mse"}, "'loss'"), ({"momentum": 2}, "momentum"),
    ({"shuffle": "yes"}, "'shuffle'"), ({"learning_rate_init": 0}, "'learning_rate_init'"),
])  # fmt: skip
def test_bad_parameters_are_refused_when_training_begins(options, words):
    estimator = MLPClassifier(**{"hidden_layer_sizes": (4, 3), **options})
    with pytest.raises(ValueError, match=words):
        estimator.fit(IRIS, SPECIES)
    assert not hasattr(estimator, "model_")


def test_weights_of_classes_are_weights_of_rows():
    y = np.array(["a", "b", "c"])[SPECIES]
    options = {"hidden_layer_sizes": 6, "max_iter": 20, "batch_size": 40, "random_state": 0}
    of_rows = np.array([5.0, 1.0, 0.5])[SPECIES]
    mine = MLPClassifier(class_weight={"a": 5.0, "c": 0.5}, **options).fit(IRIS, y, WEIGHTS)
    assert difference(mine, MLPClassifier(**options).fit(IRIS, y, WEIGHTS * of_rows)) == 0
    few = np.r_[0:50, 50:60, 100:130]
    balanced = MLPClassifier(class_weight="balanced", **options).fit(IRIS[few], y[few])
    of_rows = (90 / 3 / np.array([50, 10, 30]))[SPECIES[few]]
    assert difference(balanced, MLPClassifier(**options).fit(IRIS[few], y[few], of_rows)) < 1e-12
    labels = np.c_[SPECIES == 0, IRIS[:, 0] > 0].astype(int)
    several = MLPClassifier(class_weight=[{0: 1, 1: 3}, {0: 2, 1: 1}], **options).fit(IRIS, labels)
    of_rows = np.array([1, 3])[labels[:, 0]] * np.array([2, 1])[labels[:, 1]]
    assert difference(several, MLPClassifier(**options).fit(IRIS, labels, of_rows)) < 1e-12
    of_rows = np.repeat([0.5, 1.0, 1.5], 50)
    twice = MLPClassifier(class_weight="balanced", **options).fit(IRIS, y, of_rows)
    assert difference(twice, MLPClassifier(**options).fit(IRIS, y)) < 1e-12
    with pytest.raises(ValueError, match="list of a dict for each"):
        MLPClassifier(class_weight={0: 2.0}).fit(IRIS, labels)
    with pytest.raises(ValueError, match="must be finite and not negative; got -1"):
        MLPClassifier(class_weight={"a": -1}).fit(IRIS, y)
    with pytest.raises(ValueError, match="partial_fit has not"):
        balanced.partial_fit(IRIS, y)
    by_class = MLPClassifier(class_weight={"a": 5.0}, **options)
    assert by_class.partial_fit(IRIS[:1], ["b"], classes=["a", "b", "c"]).partial_fit(IRIS[1:2], ["a"]).t_ == 2


def test_rows_of_no_weight_do_not_count_and_all_of_none_are_refused():
    weight = (np.arange(150) % 3 > 0).astype(float)
    options = {"hidden_layer_sizes": 5, "max_iter": 15, "random_state": 0}
    with_zeros = MLPClassifier(**options).fit(IRIS, SPECIES, weight)
    without = MLPClassifier(**options).fit(IRIS[weight > 0], SPECIES[weight > 0])
    assert difference(with_zeros, without) < 1e-9
    for wrong in (np.zeros(150), -WEIGHTS):
        with pytest.raises(ValueError, match=r"sample_weight must not be negative|at least one non-zero"):
            MLPClassifier().fit(IRIS, SPECIES, wrong)


# ---------------------------------------------------------------- callbacks, curves, threads


class Watch(nn.callbacks.Callback):
    def __init__(self):
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append((epoch, logs["loss"], nn.config.get_num_threads(), threading.get_ident()))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_callbacks_see_each_epoch_and_may_end_training(solver):
    watch = Watch()
    stop = nn.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(
        stop.model, "stop_training", epoch == 4))  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        estimator = MLPClassifier(8, solver=solver, callbacks=[watch, stop]).fit(IRIS, SPECIES)
    assert estimator.n_iter_ == 5
    assert [epoch for epoch, *_ in watch.seen] == [0, 1, 2, 3, 4]
    np.testing.assert_allclose([loss for _, loss, *_ in watch.seen], estimator.loss_curve_)


def test_curves_of_validation_data():
    held_out = (IRIS[::3], SPECIES[::3], WEIGHTS[::3])
    kept = np.arange(150) % 3 > 0
    estimator = MLPClassifier(8, max_iter=12, random_state=0, alpha=0.0)
    estimator.fit(IRIS[kept], SPECIES[kept], validation_data=held_out)
    assert len(estimator.validation_loss_curve_) == len(estimator.validation_scores_) == estimator.n_iter_ == 12
    p = estimator.predict_proba(IRIS[::3])[np.arange(50), SPECIES[::3]]
    assert estimator.validation_loss_curve_[-1] == pytest.approx(np.average(-np.log(p), weights=WEIGHTS[::3]))
    assert estimator.validation_scores_[-1] == pytest.approx(estimator.score(*held_out[:2], WEIGHTS[::3]))
    assert estimator.best_validation_score_ == max(estimator.validation_scores_)
    stopping = MLPRegressor(hidden_layer_sizes=8, early_stopping=True, max_iter=60, learning_rate_init=0.05,
                            n_iter_no_change=4, random_state=0)  # fmt: skip
    stopping.fit(HOUSES[20:], PRICES[20:], validation_data=(HOUSES[:20], PRICES[:20]))
    assert stopping.score(HOUSES[:20], PRICES[:20]) == pytest.approx(max(stopping.validation_scores_))
    p = stopping.predict(HOUSES[:20])
    best = int(np.argmax(stopping.validation_scores_))
    assert stopping.validation_loss_curve_[best] == pytest.approx(((p - PRICES[:20]) ** 2).mean() / 2)
    with pytest.raises(ValueError, match="validation_data must be"):
        stopping.fit(HOUSES, PRICES, validation_data=HOUSES)


@pytest.mark.parametrize(("n_jobs", "expected"), [(1, 1), (2, 2), (99, 3), (-1, 3), (-2, 2), (-9, 1), (None, 3)])
def test_threads_of_a_fit(n_jobs, expected):
    watch = Watch()
    with nn.config.threads(3):
        MLPClassifier(4, max_iter=2, n_jobs=n_jobs, callbacks=watch).fit(IRIS, SPECIES)
        assert nn.config.get_num_threads() == 3
    assert {count for _, _, count, _ in watch.seen} == {expected}


def test_a_fit_among_others_in_threads_takes_one():
    from joblib import Parallel, delayed

    def fitted():
        watch = Watch()
        MLPClassifier(4, max_iter=2, callbacks=watch).fit(IRIS, SPECIES)
        return {(count, thread) for _, _, count, thread in watch.seen}

    with nn.config.threads(3):
        seen = set.union(*Parallel(2, backend="threading")(delayed(fitted)() for _ in range(6)))
        assert {count for count, _ in seen} == {1}
        assert threading.get_ident() not in {thread for _, thread in seen}
        assert {count for count, _ in fitted()} == {3}


def test_a_limit_of_threads_is_one_of_its_own_thread():
    inside = []
    with nn.config.threads(4), nn.config.thread_limit(2):
        other = threading.Thread(target=lambda: inside.append(nn.config.get_num_threads()))
        other.start()
        other.join()
        assert nn.config.get_num_threads() == 2
        with nn.config.threads(1):
            assert nn.config.get_num_threads() == 1
        assert nn.config.get_num_threads() == 2
    assert inside == [4]


# ---------------------------------------------------------------- one row after the other


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_row_after_the_other_takes_a_short_way_to_the_same_bits(dtype):
    x, classes = IRIS.astype(dtype), np.array(["x", "y", "z"])
    y = classes[SPECIES]
    options = {"hidden_layer_sizes": 6, "random_state": 0}
    short, long = MLPClassifier(**options), MLPClassifier(**options)
    numbers = MLPRegressor(**options), MLPRegressor(**options)
    several = MLPRegressor(**options), MLPRegressor(**options)
    for i in range(40):
        short.partial_fit(x[i : i + 1], y[i : i + 1] if i % 2 else [y[i]], classes=classes)
        long.partial_fit(x[i : i + 1].tolist() if dtype == "float64" else x[i : i + 1], tuple(y[i : i + 1]),
                         classes=classes)  # fmt: skip
        for estimator, given in zip(numbers, (x[i : i + 1], x[i : i + 1].astype(object)), strict=True):
            estimator.partial_fit(given, x[i, :1])
        for estimator, given in zip(several, (x[i : i + 1], x[i : i + 1].astype(object)), strict=True):
            estimator.partial_fit(given, x[i : i + 1, :3])
    assert short._one_row is not None
    assert difference(short, long) == 0
    assert (short.t_, short.n_iter_, short.loss_curve_, short.best_loss_, short._no_improvement_count) == (
        long.t_, long.n_iter_, long.loss_curve_, long.best_loss_, long._no_improvement_count)  # fmt: skip
    for pair in (numbers, several):
        assert pair[0]._one_row is not None
        assert difference(*pair) < (1e-5 if dtype == "float32" else 1e-12)
        np.testing.assert_allclose(pair[0].loss_curve_, pair[1].loss_curve_, rtol=1e-5)


def test_the_short_way_is_left_for_anything_else():
    estimator = MLPClassifier(6, random_state=0).partial_fit(IRIS[:1], [1], classes=[0, 1, 2])
    before = copy.deepcopy(estimator)
    for x, y, error in (
        (np.full((1, 4), np.nan), [1], "NaN"), (np.array([[1.0, np.inf, 0, 0]]), [1], "infinity"),
        (IRIS[:1], [3], "unseen labels"), (IRIS[:1, :3], [1], "features"), (IRIS[0], [1], "2D array"),
        (IRIS[:1], [[1], [2]], "inconsistent"), (IRIS[:2], [1], "inconsistent"),
        (np.array([["x"] * 4]), [1], "Convert")):  # fmt: skip
        with pytest.raises(ValueError, match=error):
            estimator.partial_fit(x, y)
        assert difference(estimator, before) == 0
    estimator.partial_fit(IRIS[:1], np.array([1]))
    assert estimator._one_row is not None
    behind_relus = copy.deepcopy(estimator).partial_fit(IRIS[:1], [1])
    behind_relus.coefs_[0][...] = -1.0
    with pytest.raises(ValueError, match="infinity"):  # which nothing else shows: the loss is finite
        behind_relus.partial_fit(np.array([[1.0, np.inf, 1, 1]]), [1])
    estimator.set_params(alpha=100.0)
    assert estimator._one_row is None
    strong = copy.deepcopy(estimator).partial_fit(IRIS[:1], [1])
    assert np.abs(strong.coefs_[0]).sum() < np.abs(estimator.coefs_[0]).sum()
    estimator.coefs_[0][...] = 0
    estimator.coefs_[1] = np.ones((6, 3))
    estimator.intercepts_ = [np.zeros(6), [0.0, 1.0, 2.0]]
    np.testing.assert_allclose(estimator.predict_proba(IRIS[:1])[0], nn.activations.softmax(np.arange(3.0)[None])[0])
    with pytest.raises(ValueError, match=r"shape \(6, 3\) cannot be set to an array of shape \(3,\)"):
        estimator.coefs_[1] = np.ones(3)
    with pytest.raises(ValueError, match="not the same as on last call"):
        estimator.partial_fit(IRIS[:1], [1], classes=[0, 1])
    regressor = MLPRegressor(hidden_layer_sizes=3).partial_fit(IRIS[:1], [1.0])
    with pytest.raises(ValueError, match="NaN"):
        regressor.partial_fit(IRIS[:1], np.array([np.nan]))
    with pytest.raises(ValueError, match="another number of outputs"):
        regressor.partial_fit(IRIS[:1], np.ones((1, 2)))


@beside_theirs
def test_partial_fit_of_many_rows_is_an_epoch_of_minibatches():
    mine, other = (kind(10, random_state=1, batch_size=40) for kind in (MLPClassifier, theirs.MLPClassifier))
    for part in (slice(0, 100), slice(100, 150), slice(0, 150)):
        for estimator in (mine, other):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                estimator.partial_fit(IRIS[part], SPECIES[part], classes=[0, 1, 2], sample_weight=WEIGHTS[part])
    assert difference(mine, other) < 1e-9
    assert mine.t_ == other.t_ == 300


def test_a_warm_start_of_another_network_is_refused():
    estimator = MLPClassifier(6, warm_start=True, max_iter=3).fit(IRIS, SPECIES)
    for change in ({"hidden_layer_sizes": 7}, {"activation": "tanh"}, {"dropout": 0.5}):
        with pytest.raises(ValueError, match="cannot go on with other"):
            clone(estimator).fit(IRIS, SPECIES).set_params(**change).fit(IRIS, SPECIES)
    regressor = MLPRegressor(hidden_layer_sizes=3, max_iter=2).fit(HOUSES, PRICES[:, 0] ** 2)
    with pytest.raises(ValueError, match="a loss with another output"):
        regressor.set_params(loss="poisson").partial_fit(HOUSES, PRICES[:, 0] ** 2)
    loss = estimator.loss_
    assert estimator.set_params(max_iter=30).fit(IRIS, SPECIES).loss_ < loss
    assert len(estimator.loss_curve_) == 33
    scored = estimator.set_params(early_stopping=True).fit(IRIS, SPECIES)
    assert len(scored.validation_scores_) == scored.n_iter_


# ---------------------------------------------------------------- copies


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_copies_are_whole_and_on_their_own(copied, tmp_path):
    estimator = MLPClassifier(6, random_state=0, dropout=0.2, max_iter=5).fit(IRIS, SPECIES)
    estimator.partial_fit(IRIS[:1], SPECIES[:1])
    twin = copied(estimator)
    assert twin.coefs_[0] is twin.model_.weights[0]
    for each in (estimator, twin):
        each.partial_fit(IRIS, SPECIES).partial_fit(IRIS[:1], SPECIES[:1])
    assert difference(estimator, twin) == 0
    twin.coefs_[0][...] = 0
    assert difference(estimator, twin) > 0
    with pytest.raises(NotFittedError):
        clone(estimator).predict(IRIS)
    import joblib

    joblib.dump(estimator, tmp_path / "estimator")
    assert (joblib.load(tmp_path / "estimator").predict(IRIS) == estimator.predict(IRIS)).all()


def test_a_penalty_of_samples_is_kept_in_files(tmp_path):
    estimator = MLPClassifier(6, alpha=0.5, max_iter=2).fit(IRIS, SPECIES)
    estimator.model_.save(tmp_path / "model.safetensors")
    model = nn.models.load_model(tmp_path / "model.safetensors")
    assert type(model.layers[0].kernel_regularizer) is nn.regularizers.L2PerSample
    assert model.evaluate(IRIS, SPECIES, verbose=0) == estimator.model_.evaluate(IRIS, SPECIES, verbose=0)


# ---------------------------------------------------------------- among scikit-learn's tools


def test_a_grid_search_in_threads_finds_what_one_after_the_other_does():
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(8, max_iter=15, learning_rate_init=0.05, random_state=0))
    grid = {"mlpclassifier__alpha": [1e-4, 1.0], "mlpclassifier__dropout": [0.0, 0.3]}
    from joblib import parallel_config

    with parallel_config("threading"):
        searches = [GridSearchCV(pipeline, grid, cv=3, n_jobs=jobs).fit(IRIS, SPECIES) for jobs in (1, 2)]
    first, second = (search.cv_results_["mean_test_score"] for search in searches)
    assert (first == second).all()
    assert searches[1].score(IRIS, SPECIES) > 0.5


def test_calibration_routing_and_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(IRIS, columns=["a", "b", "c", "d"])
    calibrated = CalibratedClassifierCV(MLPClassifier(8, max_iter=30, random_state=0), cv=2).fit(frame, SPECIES)
    np.testing.assert_allclose(calibrated.predict_proba(frame).sum(axis=1), 1)
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = MLPClassifier(8, max_iter=10, random_state=0).set_fit_request(sample_weight=True)
        estimator.set_score_request(sample_weight=True)
        weighted = cross_validate(estimator, frame, SPECIES, cv=3, params={"sample_weight": WEIGHTS})
    assert np.isfinite(weighted["test_score"]).all()
    named = MLPClassifier(8, max_iter=3).fit(frame, SPECIES)
    assert list(named.feature_names_in_) == ["a", "b", "c", "d"]
    named.partial_fit(frame[:1], SPECIES[:1])
    with pytest.warns(UserWarning, match="feature names"):
        named.partial_fit(IRIS[:1], SPECIES[:1])
    with pytest.raises(ValueError, match="feature names"):
        named.predict(frame[["b", "a", "c", "d"]])


@pytest.mark.parametrize("limit", [2**26, 1000])
@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_matrix])
def test_sparse_rows_are_the_same_rows(container, limit, monkeypatch):
    monkeypatch.setattr(_rows, "DENSE_BYTES", limit)
    dense = IRIS * (RANDOM.uniform(size=IRIS.shape) < 0.5)
    x = container(dense)
    for options in ({"batch_size": 40}, {"early_stopping": True, "batch_size": 33}, {"solver": "lbfgs", "max_iter": 5}):
        options = {"hidden_layer_sizes": 7, "max_iter": 10, "random_state": 0, **options}
        mine, other = (MLPClassifier(**options).fit(data, SPECIES, WEIGHTS) for data in (x, dense))
        assert difference(mine, other) == 0
        assert mine.loss_curve_ == pytest.approx(other.loss_curve_)
        assert (mine.predict_proba(x) == other.predict_proba(dense)).all()
    wrapped = [NNClassifier(build, epochs=3, random_state=0, validation_split=0.2).fit(data, SPECIES)
               for data in (x, dense)]  # fmt: skip
    assert (wrapped[0].predict_proba(x) == wrapped[1].predict_proba(dense)).all()
    assert (mine.fit(x, SPECIES).partial_fit(x, SPECIES) if mine.solver != "lbfgs" else mine) is mine


def test_data_stays_as_it_is():
    images = RANDOM.integers(0, 255, (60, 9), dtype=np.uint8)
    small = MLPRegressor(hidden_layer_sizes=4, max_iter=3, random_state=0, dtype="float32").fit(images, images[:, 0])
    assert small.coefs_[0].dtype == np.float32
    other = MLPRegressor(hidden_layer_sizes=4, max_iter=3, random_state=0, dtype="float32").fit(
        images.astype(float), images[:, 0].astype(float)
    )
    assert difference(small, other) == 0
    assert MLPRegressor(max_iter=1).fit(images, images[:, 0]).coefs_[0].dtype == np.float64


# ---------------------------------------------------------------- any model


def test_parameters_of_the_function_are_parameters_of_the_estimator():
    estimator = NNClassifier(build, units=5, epochs=2, random_state=0)
    assert estimator.get_params()["units"] == 5
    assert "seed" not in estimator.get_params()
    assert clone(estimator).set_params(units=7).fit(IRIS, SPECIES).model_.layers[0].units == 7
    assert estimator.fit(IRIS, SPECIES).model_.layers[0].units == 5
    assert NNClassifier(build).get_params()["units"] == 16
    assert NNClassifier(build, build_parameters={"units": 3}).get_params()["units"] == 3
    with pytest.raises(TypeError, match=r"no parameter 'unit'.*units"):
        NNClassifier(build, unit=3)
    with pytest.raises(ValueError, match="Invalid parameter 'unit'"):
        estimator.set_params(unit=3)
    with pytest.raises(TypeError, match="'width' needs a default"):
        NNClassifier(lambda width: None)
    with pytest.raises(TypeError, match="must return an nncore model; got NoneType"):
        NNClassifier(lambda: None).fit(IRIS, SPECIES)
    with pytest.raises(ValueError, match="'build_fn' parameter"):
        NNClassifier(None).fit(IRIS, SPECIES)
    search = GridSearchCV(NNClassifier(build, epochs=3, random_state=0), {"units": [2, 32], "batch_size": [16]}, cv=2)
    assert search.fit(IRIS, SPECIES).best_params_["units"] in (2, 32)
    again = pickle.loads(pickle.dumps(estimator))
    assert (again.predict_proba(IRIS) == estimator.predict_proba(IRIS)).all()
    assert (clone(estimator).fit(IRIS, SPECIES).predict_proba(IRIS) == estimator.predict_proba(IRIS)).all()


def with_outputs(outputs, activation="linear", loss=None):
    model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(8, "tanh"), nn.layers.Dense(outputs, activation)])
    if loss is not None:
        model.compile(nn.optimizers.Adam(0.03), loss)
    return model


@pytest.mark.parametrize(("outputs", "activation", "loss"), [
    (1, "sigmoid", None), (1, "linear", None), (2, "softmax", None), (2, "linear", None),
    (2, "softmax", "categorical_crossentropy"), (1, "linear", nn.losses.BinaryCrossentropy(from_logits=True)),
    (2, "linear", nn.losses.SparseCategoricalCrossentropy(from_logits=True)),
])  # fmt: skip
def test_two_classes_have_one_output_or_two(outputs, activation, loss):
    y = np.array(["no", "yes"])[(IRIS[:, 2] > 0).astype(int)]
    model = with_outputs(outputs, activation, loss)
    estimator = NNClassifier(model, optimizer=nn.optimizers.Adam(0.03), epochs=15, random_state=0).fit(IRIS, y)
    assert estimator.score(IRIS, y) > 0.95
    probabilities = estimator.predict_proba(IRIS)
    assert probabilities.shape == (150, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert (estimator.classes_[probabilities.argmax(axis=1)] == estimator.predict(IRIS)).all()
    assert (model.get_weights()[0] != estimator.model_.get_weights()[0]).any()


def test_models_of_images_labels_and_wrong_shapes():
    images = RANDOM.normal(size=(60, 6, 6, 1)).astype(np.float32)

    def convolution(input_shape, n_classes_, filters=2):
        return nn.Sequential([nn.Input(input_shape), nn.layers.Conv2D(filters, 3), nn.layers.Flatten(),
                              nn.layers.Dense(n_classes_, "softmax")])  # fmt: skip

    y = np.arange(60) % 3
    estimator = NNClassifier(convolution, epochs=2, metrics=["accuracy"], random_state=0)
    estimator.fit(images, y, validation_data=(images[:9], y[:9]))
    assert estimator.predict(images).shape == (60,)
    assert sorted(estimator.history_) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    labels = np.c_[SPECIES == 0, IRIS[:, 0] > 0].astype(int)
    several = NNClassifier(build, epochs=30, optimizer=nn.optimizers.Adam(0.03)).fit(IRIS, labels)
    assert several.predict(IRIS).shape == (150, 2)
    assert several.score(IRIS, labels) > 0.9
    with pytest.raises(ValueError, match=r"3 classes \(multiclass\) needs outputs of shape \(None, 3\)"):
        NNClassifier(with_outputs(2)).fit(IRIS, SPECIES)


def test_going_on_weights_and_curves_of_any_model():
    estimator = NNRegressor(build, epochs=4, warm_start=True, random_state=0, validation_split=0.2)
    estimator.fit(HOUSES, PRICES).fit(HOUSES, PRICES)
    assert len(estimator.history_["val_loss"]) == len(estimator.loss_curve_) == 8
    assert estimator.n_iter_ == 4
    before = estimator.model_
    assert estimator.partial_fit(HOUSES, PRICES).model_ is before
    assert estimator.predict(HOUSES).shape == (130, 2)
    single = NNRegressor(build, epochs=2, loss="mae", dtype="float64", random_state=0).fit(HOUSES, PRICES[:, 0])
    assert single.predict(HOUSES).shape == (130,)
    assert single.model_.dtype == np.float64
    classifier = NNClassifier(build, class_weight="balanced", epochs=2, random_state=0).fit(IRIS, SPECIES, WEIGHTS)
    of_rows = (WEIGHTS.sum() / 3 / np.bincount(SPECIES, WEIGHTS))[SPECIES] * WEIGHTS
    other = NNClassifier(build, epochs=2, random_state=0).fit(IRIS, SPECIES, of_rows)
    np.testing.assert_allclose(classifier.predict_proba(IRIS), other.predict_proba(IRIS), rtol=1e-4)
    with pytest.raises(ValueError, match="classes must be passed"):
        NNClassifier(build).partial_fit(IRIS, SPECIES)
    online = NNClassifier(build, random_state=0)
    for part in range(0, 150, 50):
        online.partial_fit(IRIS[part : part + 50], SPECIES[part : part + 50], classes=[0, 1, 2])
    assert online.predict_proba(IRIS).shape == (150, 3)
    heavy, light = (NNRegressor(build, optimizer="sgd", random_state=0).partial_fit(HOUSES, PRICES, weights)
                    for weights in (np.full(130, 3.0), np.ones(130)))  # fmt: skip
    assert np.abs(heavy.model_.get_weights()[0] - light.model_.get_weights()[0]).max() > 1e-4
    with pytest.raises(ValueError, match="NaN or infinite"):
        NNRegressor(build, optimizer=nn.optimizers.SGD(1e20), epochs=30).fit(HOUSES, PRICES)


def test_predictions_of_folds():
    estimator = NNClassifier(build, optimizer=nn.optimizers.Adam(0.05), epochs=10, random_state=0)
    assert (cross_val_predict(estimator, IRIS, SPECIES, cv=3) == SPECIES).mean() > 0.8


# ---------------------------------------------------------------- what it stands on


def test_the_order_of_rows_may_come_from_a_function():
    x, y = IRIS, SPECIES
    first = np.arange(150)[::-1]
    models = []
    for data, shuffle in (((x, y), lambda rows: first), ((x[::-1], y[::-1]), False)):
        model = build(4, 3, "softmax")
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.fit(*data, batch_size=16, verbose=0, shuffle=shuffle)
        models.append(model.get_weights())
    assert all((a == b).all() for a, b in zip(*models, strict=True))
    for wrong, words in ((np.arange(149), "150 numbers of rows"), (np.arange(150) + 1, "0 to 149; got 1 to 150"),
                         (np.zeros(150), "type float64")):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            model.fit(x, y, verbose=0, shuffle=lambda rows, wrong=wrong: wrong)
    with pytest.raises(ValueError, match="for arrays, not for minibatches"):
        model.fit(iter([(x, y)]), verbose=0, shuffle=lambda rows: first)


def test_without_scikit_learn_the_extra_is_named():
    code = """
import sys
sys.modules["sklearn"] = None
import nncore as nn
try:
    nn.interop.sklearn
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'nncore[sklearn]'" in done.stdout


def test_several_labels_as_a_sparse_matrix():
    x, y = make_multilabel_classification(60, 5, random_state=0)
    options = {"hidden_layer_sizes": 6, "max_iter": 10, "random_state": 0}
    dense, thin = (MLPClassifier(**options).fit(x, given) for given in (y, sparse.csr_array(y)))
    assert difference(dense, thin) == 0


def test_predictions_from_several_threads_wait_for_each_other():
    from joblib import Parallel, delayed

    x = np.repeat(IRIS, 40, axis=0)
    for estimator in (MLPClassifier(50, max_iter=2), NNClassifier(build, epochs=1)):
        estimator = copy.deepcopy(estimator.fit(IRIS, SPECIES))
        found = Parallel(4, backend="threading")(delayed(estimator.predict)(x) for _ in range(12))
        assert all((each == found[0]).all() for each in found)


def test_seeds_of_models_that_threads_build():
    from joblib import Parallel, delayed

    def plain(n_features_in_, n_outputs_):
        return nn.Sequential([nn.Input((n_features_in_,)), nn.layers.Dense(n_outputs_)])

    def fitted(seed):
        return NNRegressor(plain, epochs=1, shuffle=False, random_state=seed).fit(HOUSES, PRICES).predict(HOUSES)

    together = Parallel(4, backend="threading")(delayed(fitted)(seed) for seed in range(8))
    for seed, found in enumerate(together):
        assert (found == fitted(seed)).all()
    assert (together[0] != together[1]).any()
    assert nn.config.get_seed() == 0


def test_solvers_may_take_turns():
    estimator = MLPClassifier(6, solver="lbfgs", max_iter=5, random_state=0).fit(IRIS, SPECIES)
    loss = estimator.loss_
    estimator.set_params(solver="adam").partial_fit(IRIS, SPECIES)
    assert estimator.loss_ == pytest.approx(loss)
    assert estimator.n_iter_ == estimator._no_improvement_count + 1 == 1
    estimator.set_params(solver="lbfgs", warm_start=True, max_iter=50).fit(IRIS, SPECIES)
    assert estimator.loss_ < loss
    assert not hasattr(estimator, "partial_fit")


def test_activations_as_objects_and_types_as_numpys():
    elu = nn.activations.elu.with_parameters(alpha=0.5)
    options = {"hidden_layer_sizes": (4, 3), "max_iter": 2, "random_state": 0, "dtype": np.float32}
    estimator = MLPClassifier(activation=[elu, nn.activations.sigmoid], warm_start=True, **options).fit(IRIS, SPECIES)
    estimator = pickle.loads(pickle.dumps(estimator)).fit(IRIS, SPECIES)
    assert estimator.t_ == 600
    assert estimator.coefs_[0].dtype == np.float32
    options = {**options, "max_iter": 1, "learning_rate_init": 1e-30}
    drawn = [MLPClassifier(activation=name, **options).fit(IRIS, SPECIES)
             for name in (nn.activations.sigmoid, "logistic", "tanh")]  # fmt: skip
    assert difference(drawn[0], drawn[1]) == 0
    np.testing.assert_allclose(drawn[2].coefs_[2], np.sqrt(3) * drawn[1].coefs_[2], rtol=1e-6)


def test_estimators_show_themselves():
    for estimator in (MLPClassifier(dropout=0.1), MLPRegressor("huber"), NNClassifier(build, units=3)):
        assert "<" in estimator._repr_html_()
    assert repr(MLPClassifier(dropout=0.1)) == "MLPClassifier(dropout=0.1)"
    assert "units=3" in repr(NNClassifier(build, units=3))

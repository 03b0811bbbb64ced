"""Losses and metrics in Python: beside the library's own, their checks, and exceptions."""

import copy

import numpy as np
import pytest
from custom_parts import AbsoluteError, LogLikelihood, Squares, largest_error, squared_error

import nncore as nn

X = np.random.default_rng(0).standard_normal((300, 6))
Y = np.random.default_rng(1).standard_normal((300, 4))
WEIGHTS = np.random.default_rng(2).random(300)
REDUCTIONS = ["sum_over_batch_size", "sum", "mean_with_sample_weight"]


def network(loss, *layers, optimizer=None, **compilation):
    model = nn.Sequential([nn.Input((6,)), *layers, nn.layers.Dense(4)], dtype="float64", seed=5)
    model.compile(optimizer or nn.optimizers.SGD(1e-3), loss, **compilation)
    return model


def fitted(loss, shape=(4,), weights=None, **compilation):
    """All numbers of a training with this loss, and its weights."""
    layers = [nn.layers.Dense(int(np.prod(shape))), nn.layers.Reshape(shape)]
    model = nn.Sequential([nn.Input((6,)), *layers], dtype="float64", seed=5)
    model.compile(nn.optimizers.SGD(1e-3), loss, **compilation)
    y = np.random.default_rng(1).standard_normal((300, *shape))
    history = model.fit(X, y, sample_weight=weights, validation_split=0.1, epochs=2, verbose=0).history
    numbers = [*history.values(), model.evaluate(X, y, sample_weight=weights), model.train_on_batch(X[:9], y[:9]),
               model.test_on_batch(X[:9], y[:9])]  # fmt: skip
    return numbers, model


# ---------------------------------------------------------------- losses


@pytest.mark.parametrize("shape", [(4,), (3, 4)])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_a_loss_in_python_beside_the_built_in_one(reduction, weights, shape):
    """Within 1e-12: the sums of a row are rounded in another order."""
    numbers, model = fitted(nn.losses.MeanSquaredError(reduction=reduction), shape, weights)
    others = [Squares(reduction=reduction), nn.losses.get(squared_error)]
    others[1].reduction = reduction
    for loss in others:
        got, twin = fitted(loss, shape, weights)
        for one, other in zip(got, numbers, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)
        for one, other in zip(twin.weights, model.weights, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("weights", [None, WEIGHTS[:7]], ids=["plain", "weighted"])
@pytest.mark.parametrize("reduction", [*REDUCTIONS, "none"])
def test_a_loss_in_python_on_arrays(reduction, weights):
    own, built_in = Squares(reduction=reduction), nn.losses.MeanSquaredError(reduction=reduction)
    y_true, y_pred = np.random.default_rng(3).standard_normal((2, 7, 3, 4))
    np.testing.assert_allclose(own(y_true, y_pred, weights), built_in(y_true, y_pred, weights), rtol=1e-13)
    if reduction != "none":
        value, gradient = own.value_and_gradient(y_true, y_pred, weights)
        expected, slopes = built_in.value_and_gradient(y_true, y_pred, weights)
        assert value == pytest.approx(expected, rel=1e-13)
        np.testing.assert_allclose(gradient, slopes, rtol=1e-12)
        assert nn.testing.check_gradients(own, y_true, y_pred, weights) < 1e-8


def test_values_of_whole_rows_are_means_of_rows():
    class OfRows(nn.losses.Loss):
        def call(self, y_true, y_pred):
            return ((y_pred - y_true) ** 2).sum(axis=(1, 2))

        def gradient(self, y_true, y_pred):
            return 2 * (y_pred - y_true)

    y_true, y_pred = np.random.default_rng(3).standard_normal((2, 7, 3, 4))
    squares = ((y_true - y_pred) ** 2).sum()
    assert OfRows()(y_true, y_pred) == pytest.approx(squares / 7, rel=1e-13)
    assert OfRows(reduction="sum")(y_true, y_pred) == pytest.approx(squares, rel=1e-13)
    for reduction in ("sum_over_batch_size", "sum"):
        nn.testing.check_gradients(OfRows(reduction=reduction), y_true, y_pred, np.arange(7.0))
    model = fitted(OfRows(reduction="sum"), (3, 4))[1]
    y = np.random.default_rng(1).standard_normal((300, 3, 4))
    assert model.test_on_batch(X, y) == pytest.approx(((model.predict(X) - y) ** 2).sum(), rel=1e-12)


def test_class_numbers_and_targets_of_another_shape():
    labels = np.random.default_rng(4).integers(0, 4, 300)
    values = []
    for loss in (LogLikelihood(), "sparse_categorical_crossentropy"):
        # not right behind the softmax, where the library's own goes to the logits
        model = nn.Sequential([nn.Input((6,)), nn.layers.Dense(4), nn.layers.Softmax(), nn.layers.Rescaling(1.0)],
                              dtype="float64", seed=1)  # fmt: skip
        model.compile("sgd", loss, metrics=["accuracy"])
        model.fit(X, labels, epochs=2, verbose=0)
        values.append(model.evaluate(X, labels))
    np.testing.assert_allclose(*values, rtol=1e-7)  # the library's keeps probabilities 1e-7 from 0

    class Halves(nn.losses.Loss):
        """Of the first half of the predictions only."""

        def target_shape(self, shape):
            return (shape[0] // 2,)

        def call(self, y_true, y_pred):
            return np.abs(y_pred[:, :2] - y_true).sum(axis=1)

        def gradient(self, y_true, y_pred):
            return np.concatenate([np.sign(y_pred[:, :2] - y_true), np.zeros_like(y_true)], axis=1)

    assert nn.testing.check_gradients(Halves(), Y[:5, :2], X[:5, :4]) < 1e-9
    network(Halves()).fit(X, Y[:, :2], verbose=0)
    with pytest.raises(ValueError, match=r"expects targets of shape \(300, 2\)"):
        network(Halves()).fit(X, Y, verbose=0)


def test_losses_of_several_outputs_and_their_gradients():
    inputs = nn.Input((6,))
    hidden = nn.layers.Dense(5, activation="tanh")(inputs)
    outputs = [nn.layers.Dense(4, name="a")(hidden), nn.layers.Dense(4, name="b")(hidden)]
    model = nn.Model(inputs, outputs, dtype="float64")
    model.compile("sgd", {"a": Squares(), "b": squared_error}, loss_weights={"a": 0.3, "b": 2.0})
    assert nn.testing.check_gradients(model, X[:9], [Y[:9], Y[9:18]], [WEIGHTS[:9]] * 2) < 1e-8
    model.compile("sgd", [Squares(), None])
    model.fit(X, Y, verbose=0)


def raising(place):
    class Raises(Squares):
        calls = 0

        def count(self, where):
            self.calls += where == place
            if where == place and self.calls == 4:
                raise KeyError("trouble")

        def call(self, y_true, y_pred):
            self.count("call")
            return super().call(y_true, y_pred)

        def gradient(self, y_true, y_pred):
            self.count("gradient")
            return super().gradient(y_true, y_pred)

    return Raises()


@pytest.mark.parametrize("place", ["call", "gradient", "metric"])
def test_an_exception_leaves_the_weights_of_the_last_minibatch(place):
    def metric(y_true, y_pred):
        seen.append(len(y_pred))
        if len(seen) == 4:
            raise KeyError("trouble")
        return largest_error(y_true, y_pred)

    seen = []
    model = network(raising(place), optimizer="adam", metrics=[metric] if place == "metric" else None)
    twin = network(Squares(), optimizer="adam")
    with pytest.raises(KeyError, match="trouble"):
        model.fit(X, Y, shuffle=False, verbose=0)
    assert model.optimizer.iterations == 3
    twin.fit(X[:96], Y[:96], shuffle=False, verbose=0)
    assert all((a == b).all() for a, b in zip(model.weights, twin.weights, strict=True))
    model.fit(X, Y, verbose=0)


def test_a_loss_that_is_not_finite_ends_training_as_ever():
    class Infinite(Squares):
        def call(self, y_true, y_pred):
            return np.full(len(y_pred), np.inf)

    model = network(Infinite())
    before = model.get_weights()
    with pytest.raises(nn.NonFiniteLossError):
        model.fit(X, Y, verbose=0)
    assert all((a == b).all() for a, b in zip(model.weights, before, strict=True))


def loss_of(call, gradient=lambda y_true, y_pred: y_pred):
    members = {"call": lambda self, *arrays: call(*arrays)}
    if gradient is not None:
        members["gradient"] = lambda self, *arrays: gradient(*arrays)
    return type("Made", (nn.losses.Loss,), members)(name="mine")


@pytest.mark.parametrize(("loss", "error", "words"), [
    (lambda: loss_of(lambda t, p: p.sum()), ValueError, r"'mine': call must return a value for each sample"),
    (lambda: loss_of(lambda t, p: p.sum(axis=0)), ValueError, "call must return a value for each sample"),
    (lambda: loss_of(lambda t, p: None), TypeError, "call must return real numbers.*nothing"),
    (lambda: loss_of(lambda t, p: p.sum(1), lambda t, p: p.sum(1)), ValueError, r"gradient must .* \(8, 4\)"),
    (lambda: loss_of(lambda t, p: p.sum(1), lambda t, p: None), TypeError, "gradient must return real numbers"),
    (lambda: loss_of(lambda t, p: p.sum(1), None), TypeError, r"'mine' has no gradient\(y_true, y_pred\)"),
    (lambda: lambda t, p: p.sum(axis=1), TypeError, r"returns \(values, gradient\)"),
    (lambda: loss_of(lambda t, p: p.__setitem__(0, 1)), ValueError, "read-only"),
])  # fmt: skip
def test_results_are_checked(loss, error, words):
    model = network(loss())
    before = model.get_weights()
    with pytest.raises(error, match=words):
        model.train_on_batch(X[:8], Y[:8])
    assert all((a == b).all() for a, b in zip(model.weights, before, strict=True))


def test_without_a_gradient_a_loss_judges():
    for loss in (loss_of(lambda t, p: ((t - p) ** 2).mean(1), None), lambda t, p: ((t - p) ** 2).mean(1)):
        assert network(loss).evaluate(X, Y) == pytest.approx(network("mse").evaluate(X, Y), rel=1e-13)
    with pytest.raises(TypeError, match=r"Bare needs call\(y_true, y_pred\)"):
        type("Bare", (nn.losses.Loss,), {})()


# ---------------------------------------------------------------- metrics


@pytest.mark.parametrize("feed", ["arrays", "minibatches", "hooks"])
def test_metrics_in_python_beside_the_built_in_one(feed):
    """In Keras's ways of training, each of which begins anew; within 1e-12, as sums are rounded in another order."""
    def mean(y_true, y_pred):
        return np.abs(y_true - y_pred)

    model = network("mse", metrics=["mae", AbsoluteError(), mean],
                    weighted_metrics=["mae", AbsoluteError("weighted_absolute"), mean])  # fmt: skip
    parts = [(X[i : i + 50], Y[i : i + 50], WEIGHTS[i : i + 50]) for i in range(0, 300, 50)]
    validation = (X[:70], Y[:70], WEIGHTS[:70])
    hook = nn.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    if feed == "minibatches":
        logs = model.fit(parts, epochs=2, validation_data=validation, verbose=0).history
        logs["test"] = model.evaluate(parts)
    else:
        logs = model.fit(X, Y, sample_weight=WEIGHTS, batch_size=50, epochs=2, validation_data=validation, verbose=0,
                         callbacks=[hook] if feed == "hooks" else None).history  # fmt: skip
        logs["test"] = model.evaluate(X, Y, sample_weight=WEIGHTS)
    names = ["mae", "absolute_error", "mean", "weighted_mae", "weighted_absolute", "weighted_mean"]
    assert model.metrics_names == ["loss", *names]
    for prefix in ("", "val_"):
        plain, weighted = (np.array([logs[prefix + name] for name in part]) for part in (names[:3], names[3:]))
        np.testing.assert_allclose(plain, plain[:1].repeat(3, 0), rtol=1e-12)
        np.testing.assert_allclose(weighted, weighted[:1].repeat(3, 0), rtol=1e-12)
        assert (plain != weighted).all()
    np.testing.assert_allclose(logs["test"][1:], np.repeat([logs["test"][1], logs["test"][4]], 3), rtol=1e-12)
    for _ in range(2):
        one = model.test_on_batch(X[:9], Y[:9])
        np.testing.assert_allclose(one[1:], one[1], rtol=1e-12)


def test_metrics_of_a_model_that_minibatches_build():
    metric = AbsoluteError()
    metric.update_state(Y + 100, Y)
    parts = [(X[i : i + 50], Y[i : i + 50]) for i in range(0, 300, 50)]
    for call in ("fit", "evaluate"):
        model = nn.Sequential([nn.layers.Dense(4)], dtype="float64")
        model.compile("sgd", "mse", metrics=[metric, "mae"])
        logs = model.fit(parts, verbose=0).history if call == "fit" else model.evaluate(parts, return_dict=True)
        assert np.ravel(logs["absolute_error"])[0] == pytest.approx(np.ravel(logs["mae"])[0], rel=1e-12)


def test_a_metric_by_itself():
    metric = AbsoluteError()
    metric.update_state(Y[:100], X[:100, :4])
    metric.update_state(Y[100:], X[100:, :4], WEIGHTS[100:])
    weights = np.concatenate([np.ones(100), WEIGHTS[100:]])
    expected = (np.abs(Y - X[:, :4]).mean(axis=1) * weights).sum() / weights.sum()
    assert float(metric.result()) == pytest.approx(expected, rel=1e-12)
    assert [v.name for v in metric.variables] == ["total", "count"]
    assert metric.get_config() == {"name": "absolute_error"}
    metric.reset_state()
    assert float(metric.total) == 0
    assert float(metric(Y, Y)) == 0


def test_a_metric_may_keep_what_it_sees_and_give_an_array():
    class Keeps(nn.metrics.Metric):
        labels = True

        def reset_state(self):
            self.seen = []

        def update_state(self, y_true, y_pred, sample_weight=None):
            assert sample_weight is None
            self.seen.append((y_true, y_pred))

        def result(self):
            return np.bincount(np.concatenate([t for t, _ in self.seen]), minlength=4)

    labels = np.random.default_rng(4).integers(0, 4, 300)
    metric = Keeps()
    model = network(nn.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=[metric])
    model.fit(X, labels, epochs=2, shuffle=False, verbose=0, sample_weight=WEIGHTS)
    _, counts = model.evaluate(X, labels, batch_size=100)
    assert (counts == np.bincount(labels)).all()
    assert [len(t) for t, _ in metric.seen] == [100] * 3
    assert (np.concatenate([t for t, _ in metric.seen]) == labels).all()
    assert (np.concatenate([p for _, p in metric.seen]) == model.predict(X)).all()


def test_a_metric_without_a_loss_and_bad_ones():
    model = network(None, metrics=[largest_error])
    with pytest.raises(ValueError, match="needs a loss"):
        model.evaluate(X, Y)
    model = network("mse", metrics=[lambda t, p: 3.0])
    with pytest.raises(ValueError, match="value for each sample"):
        model.evaluate(X, Y)
    assert copy.deepcopy(network("mse", metrics=[largest_error])).metrics_names == ["loss", "largest_error"]

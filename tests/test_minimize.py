"""Training on all rows at once by SciPy's optimizers."""

import subprocess
import sys

import numpy as np
import pytest

import nncore as nn

minimize = nn.interop.scipy.minimize
# Of losses, or of gradients.
TOLERANCES = {"L-BFGS-B": 1e-12, "BFGS": 1e-9, "CG": 1e-9, "Newton-CG": 1e-9, "SLSQP": 1e-12}


def regression(dtype="float64", **options):
    """A linear model of 5 inputs, its data, and the solution of the normal equations."""
    random = np.random.default_rng(0)
    x = random.standard_normal((200, 5))
    y = x @ random.standard_normal((5, 2)) + 0.3 * random.standard_normal((200, 2))
    model = nn.Sequential([nn.Input((5,)), nn.layers.Dense(2, **options)], dtype=dtype, seed=1)
    model.compile(loss="mse")
    return model, x, y


def solution(x, y, weight=None):
    """The least squares, with the bias as the last row."""
    root = np.sqrt(np.ones(len(x)) if weight is None else weight)[:, None]
    return np.linalg.lstsq(np.c_[x, np.ones(len(x))] * root, y * root, rcond=None)[0]


def fitted(model):
    kernel, bias = model.get_weights()
    return np.r_[kernel, bias[None]]


@pytest.mark.parametrize("method", TOLERANCES)
def test_a_regression_ends_at_the_normal_equations(method):
    model, x, y = regression()
    before = model.evaluate(x, y, verbose=0)
    result = minimize(model, x, y, method=method, tolerance=TOLERANCES[method])
    np.testing.assert_allclose(fitted(model), solution(x, y), atol=1e-6)
    assert result.success
    assert result.message
    assert result.history[0] == pytest.approx(before, rel=1e-12)
    assert result.history[-1] == result.loss == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-12)
    assert len(result.history) == result.iterations + 1
    assert result.evaluations > result.iterations
    assert (np.diff(result.history) <= 1e-12).all()


def test_weights_of_rows_and_float32():
    weight = np.random.default_rng(1).random(200)
    model, x, y = regression()
    minimize(model, x, y, weight)
    np.testing.assert_allclose(fitted(model), solution(x, y, weight), atol=1e-6)
    model, x, y = regression("float32")
    minimize(model, x, y)
    # a loss of seven digits is flat within the root of 1e-7
    np.testing.assert_allclose(fitted(model), solution(x, y), atol=1e-3)
    assert model.weights[0].dtype == np.float32


def test_penalties_of_regularizers_are_minimised_too():
    model, x, y = regression(kernel_regularizer=nn.regularizers.L2(0.1), use_bias=False)
    minimize(model, x, y)
    # the mean over rows and two outputs of squares, and 0.1 of the sum of squares
    wanted = np.linalg.solve(x.T @ x / 400 + 0.1 * np.eye(5), x.T @ y / 400)
    np.testing.assert_allclose(model.get_weights()[0], wanted, atol=1e-6)


def digits(seed=0):
    (x, y), _ = nn.datasets.digits.load_data()
    x = x.reshape(len(x), -1)
    model = nn.Sequential([nn.Input(x.shape[1:]), nn.layers.Rescaling(1 / 16),
                           nn.layers.Dense(16, activation="tanh"), nn.layers.Dense(10)], seed=seed)  # fmt: skip
    loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    return model, x, y


def test_digits_are_learned_further_than_where_adam_stops():
    model, x, y = digits()
    model.fit(x, y, epochs=15, verbose=0)
    adam = model.evaluate(x, y, verbose=0)
    model, x, y = digits()
    minimize(model, x, y)
    loss, accuracy = model.evaluate(x, y, verbose=0)
    assert accuracy > adam[1]
    assert loss < 0.1 * adam[0]


def test_only_what_is_trainable_moves():
    model, x, y = regression()
    model.add(nn.layers.Dense(2))
    model.layers[0].trainable = False
    model.compile(loss="mse")
    first, last = model.layers[0].get_weights(), model.layers[1].get_weights()
    minimize(model, x, y, max_iterations=5)
    assert all(np.array_equal(a, b) for a, b in zip(first, model.layers[0].get_weights(), strict=True))
    assert not np.array_equal(last[0], model.layers[1].get_weights()[0])
    model.layers[1].trainable = False
    model.compile(loss="mse")
    with pytest.raises(ValueError, match="no trainable weights"):
        minimize(model, x, y)


def test_dropout_draws_the_same_numbers_each_time():
    random = np.random.default_rng(0)
    x = random.standard_normal((50, 8))
    y = x[:, :1] ** 2
    model = nn.Sequential([nn.Input((8,)), nn.layers.Dense(20, activation="tanh"), nn.layers.Dropout(0.5),
                           nn.layers.Dense(1)], dtype="float64", seed=0)  # fmt: skip
    model.compile(loss="mse")
    result = minimize(model, x, y, max_iterations=30)
    assert (np.diff(result.history) <= 0).all()
    assert model.value_and_gradients(x, y)[0] == result.loss


def test_callback_and_limits():
    model, x, y = regression()
    seen = []

    def callback(iteration, loss):
        seen.append((iteration, loss, model.value_and_gradients(x, y)[0]))
        return iteration == 3

    result = minimize(model, x, y, callback=callback)
    assert [iteration for iteration, _, _ in seen] == [1, 2, 3]
    assert all(loss == of_model for _, loss, of_model in seen)
    assert (result.iterations, result.success) == (3, False)
    assert result.message == "the callback ended the training"
    assert result.loss == model.value_and_gradients(x, y)[0] == result.history[-1]
    model, x, y = regression()
    result = minimize(model, x, y, max_iterations=2)
    assert (result.iterations, result.success) == (2, False)
    assert result.loss == model.value_and_gradients(x, y)[0]


def test_options_reach_the_method():
    loose, x, y = regression()
    assert minimize(loose, x, y, tolerance=0.5).iterations < 3
    model, x, y = regression()
    assert minimize(model, x, y, maxfun=2).evaluations < 6
    with pytest.warns(Warning, match="Unknown solver options: nothing"):
        minimize(model, x, y, nothing=1)


def test_an_error_leaves_the_weights_of_the_last_iteration():
    model, x, y = regression()
    kept = []

    def callback(iteration, loss):
        kept.append(fitted(model))
        if iteration == 2:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        minimize(model, x, y, callback=callback)
    assert np.array_equal(fitted(model), kept[-1])
    model, x, y = regression()
    before = fitted(model)
    with pytest.raises(nn.NonFiniteLossError, match="in iteration 1; the weights are those before it"):
        minimize(model, x, y * 1e200)
    assert np.array_equal(fitted(model), before)


def test_an_interruption_in_the_middle_of_a_line_search(monkeypatch):
    model, x, y = regression()
    kept, calls, evaluate = [], [], model.value_and_gradients

    def interrupted(*data):
        calls.append(fitted(model))
        if len(calls) == 6:
            raise KeyboardInterrupt
        return evaluate(*data)

    monkeypatch.setattr(model, "value_and_gradients", interrupted)
    with pytest.raises(KeyboardInterrupt):
        minimize(model, x, y, callback=lambda iteration, loss: kept.append(fitted(model)))
    assert np.array_equal(fitted(model), kept[-1])
    assert not np.array_equal(calls[-1], kept[-1])


def test_the_callback_sees_the_iterations_weights_whatever_was_tried_last():
    model, x, y = regression()
    seen = []

    def callback(iteration, loss):
        seen.append((loss, fitted(model)))

    objective = nn.interop.scipy._FullBatch(model, x, y, None, callback)
    first, second = np.full(12, 0.5), np.full(12, -3.0)
    wanted = [objective.evaluate(vector)[0] for vector in (first, second)]
    objective.end_iteration(first)
    assert seen[0][0] == wanted[0]
    assert (seen[0][1] == 0.5).all()
    objective.end_iteration(second)  # of none that was evaluated since: once more
    assert seen[1][0] == wanted[1]


def test_arguments_are_checked_before_anything_changes():
    model, x, y = regression(kernel_constraint="non_neg")
    before = fitted(model)
    for arguments, error, message in (
        ({}, ValueError, r"minimize does not support constraints; weight '.*kernel' has NonNeg"),
        ({"method": "Powell"}, ValueError, "method must be one of L-BFGS-B, .*; got 'Powell'"),
        ({"max_iterations": 0}, ValueError, "max_iterations must be at least 1"),
        ({"tolerance": -1}, ValueError, "tolerance must lie in"),
        ({"callback": 3}, TypeError, "callback must be a function"),
        ({"sample_weight": [1]}, ValueError, "sample_weight must have shape"),
    ):
        with pytest.raises(error, match=message):
            minimize(model, x, y, **arguments)
    assert np.array_equal(fitted(model), before)
    with pytest.raises(ValueError, match="needs a loss"):
        minimize(nn.Sequential([nn.Input((5,)), nn.layers.Dense(2)]), x, y)


def test_without_scipy():
    program = """if True:
        import sys
        sys.modules["scipy"] = None
        import nncore as nn
        try:
            nn.interop.scipy.minimize(None, None, None)
        except ImportError as error:
            assert "pip install 'nncore[scipy]'" in str(error)
        else:
            raise AssertionError
    """
    subprocess.run([sys.executable, "-c", program], check=True)

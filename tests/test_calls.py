"""Single calls: the way past the checks gives what the checked way gives, and is left wherever it must be."""

import numpy as np
import pytest

import nncore as nn


def network(seed=0, **options):
    model = nn.Sequential(
        [
            nn.Input((5,)),
            nn.layers.Dense(7, activation="tanh", name="hidden"),
            nn.layers.Dropout(0.25),
            nn.layers.Dense(3),
        ],
        seed=seed,
        **options,
    )
    model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


def data(rows=40):
    rng = np.random.default_rng(3)
    return rng.standard_normal((rows, 5)).astype(np.float32), rng.integers(0, 3, rows)


def forms(x, y):
    """The same minibatch in forms that the fast way takes and in forms that it must leave to the checks."""
    wide = np.zeros((len(x), 9), np.float32)
    wide[:, 2:7] = x
    yield x, y
    yield x.astype(np.float64), y.astype(np.int32)
    yield wide[:, 2:7], y.astype(np.uint8)
    yield np.asfortranarray(x), y[:, None]
    yield x.tolist(), y.tolist()
    yield x.astype(">f4"), y.astype(np.float64)
    yield x, y.astype(np.uint64)


def checked(monkeypatch):
    """Models from now on take the checked way only."""
    monkeypatch.setattr(nn.Model, "_prepare_call", lambda *_, **__: None)


def test_all_forms_give_the_same_bits(monkeypatch):
    x, y = data()
    runs = []
    for fast in (True, False):
        if not fast:
            checked(monkeypatch)
        model = network()
        got = []
        for a, b in [*forms(x, y), *forms(x, y)]:
            for rows in (40, 32, 8, 1, 40):
                got.append(model.train_on_batch(a[:rows], b[:rows]))
                got.append(model.test_on_batch(a[:rows], b[:rows]))
                got.append(model.predict_on_batch(a[:rows]).tolist())
                got.append(model.forward(a[:rows]).tolist())
                got.append(model.backward(np.ones((rows, 3), np.float32)).tolist())
                got += [g.tolist() for g in model.gradients]
        runs.append((got, [w.tolist() for w in model.get_weights()]))
    assert runs[0] == runs[1]


def test_the_fast_way_is_taken():
    x, y = data()
    model = network()
    model.train_on_batch(x, y)
    call = model._calls["train"]
    assert call.learn(x, y, 1e-3) is not None
    assert call.learn(x[:8], y[:8], 1e-3) is None  # few rows have a plan of their own
    assert call.learn(x[:, ::-1], y, 1e-3) is None
    assert call.learn(x, y + 1, 1e-3) is None
    assert call.learn(x, y[:-1], 1e-3) is None
    nn.config.set_num_threads(nn.config.get_num_threads())
    assert call.learn(x, y, 1e-3) is None


@pytest.mark.parametrize(
    ("bad_x", "bad_y", "message"),
    [
        (lambda x: x[:, :4], lambda y: y, "5 features"),
        (lambda x: x[:0], lambda y: y[:0], "at least one row"),
        (lambda x: x.astype(complex), lambda y: y, "real numbers"),
        (lambda x: x, lambda y: np.where(np.arange(len(y)) == 7, 3, y), "class 3 in row 7"),
        (lambda x: x, lambda y: np.where(np.arange(len(y)) == 7, -1, y), "class -1 in row 7"),
        (lambda x: x, lambda y: y[:-1], "40 rows"),
        (lambda x: x, lambda y: y + 0.5, "class numbers"),
    ],
)
def test_errors_after_good_calls(bad_x, bad_y, message):
    x, y = data()
    model = network()
    for _ in range(2):
        model.train_on_batch(x, y)
    before = model.get_weights()
    with pytest.raises((ValueError, TypeError), match=message):
        model.train_on_batch(bad_x(x), bad_y(y))
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    assert model.optimizer.iterations == 2


def test_a_loss_that_is_not_finite():
    x, y = data()
    model = network()
    model.train_on_batch(x, y)
    before, bad = model.get_weights(), x.copy()
    bad[3, 2] = np.nan
    with pytest.raises(ArithmeticError, match="no weight was changed"):
        model.train_on_batch(bad, y)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    nn.config.set_nonfinite("ignore")
    try:
        assert np.isnan(model.train_on_batch(bad, y)[0])
    finally:
        nn.config.set_nonfinite("raise")


def test_freezing_a_layer_between_calls():
    x, y = data()
    model = network()

    def compile_again(model):
        model.compile(model.optimizer, nn.losses.SparseCategoricalCrossentropy(from_logits=True))

    for _ in range(2):
        model.train_on_batch(x, y)
    hidden = model.get_layer("hidden")
    hidden.trainable = False
    compile_again(model)
    other = network()
    before, others = hidden.get_weights(), model.get_weights()
    model.train_on_batch(x, y)  # its optimizer holds state for the layer that is frozen now
    assert (before[0] == hidden.get_weights()[0]).all()
    assert (others[-1] != model.get_weights()[-1]).any()
    hidden.trainable = True
    compile_again(model)
    model.train_on_batch(x, y)
    assert (before[0] != hidden.get_weights()[0]).any()
    other.get_layer("hidden").trainable = False
    compile_again(other)
    kept = other.get_layer("hidden").get_weights()
    for _ in range(3):
        other.train_on_batch(x, y)
    assert (kept[0] == other.get_layer("hidden").get_weights()[0]).all()


def test_compiling_again_between_calls():
    x, y = data()
    model = network()
    for _ in range(2):
        model.train_on_batch(x, y)
    model.compile("sgd", nn.losses.MeanSquaredError())
    assert isinstance(model.train_on_batch(x, np.zeros((40, 3))), float)


def test_learning_rate_and_weights_written_between_calls():
    x, y = data()
    model = network()
    for _ in range(2):
        model.train_on_batch(x, y)
    model.optimizer.learning_rate = 0.0
    before = model.get_weights()
    model.train_on_batch(x, y)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    first = model.predict_on_batch(x)
    model.weights[-1][...] += 1
    np.testing.assert_allclose(model.predict_on_batch(x), first + 1, rtol=1e-5, atol=1e-5)


def test_backward_belongs_to_the_last_forward():
    x, _ = data()
    model = network()
    ones = np.ones((40, 3), np.float32)
    with pytest.raises(RuntimeError, match="forward"):
        model.backward(ones)
    for _ in range(2):
        model.forward(x)
        model.backward(ones)
    with pytest.raises(RuntimeError, match="forward"):
        model.backward(ones)
    model.forward(x)
    with pytest.raises(ValueError, match="shape of the outputs"):
        model.backward(ones[:, :2])
    assert model.backward(ones).shape == x.shape


def test_outputs_are_new_arrays():
    x, _ = data()
    model = network()
    outputs = [model.predict_on_batch(x[i : i + 1]) for i in range(5)]
    assert len({o.__array_interface__["data"][0] for o in outputs}) == 5
    np.testing.assert_array_equal(np.concatenate(outputs), model.predict(x[:5]))

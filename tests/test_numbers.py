"""Numbers at the ends of their types, and sizes beyond them: the documented result, or a refusal by name."""

import os
import subprocess
import sys

import numpy as np
import pytest

import nncore as nn
from nncore import layers, metrics, optimizers
from nncore.optimizers import schedules

TOO_MANY = r"at most 2\*\*60 - 1 can be addressed"

# What would need more elements than 64 bits can count bytes of, and its shape.
OVERFLOWING = {
    "kernel": ((2**31,), lambda: layers.Dense(2**31)),
    "kernel whose product is 0 in 64 bits": ((2**32,), lambda: layers.Dense(2**32)),
    "units": ((1,), lambda: layers.Dense(2**62)),
    "filters": ((4, 4, 1), lambda: layers.Conv2D(2**62, 3)),
    "repeated": ((2**20,), lambda: layers.RepeatVector(2**50)),
    "upsampled": ((2, 2, 1), lambda: layers.UpSampling2D(2**31)),
    "padded": ((2, 2, 1), lambda: layers.ZeroPadding2D(2**62)),
    "transposed": ((4, 4, 1), lambda: layers.Conv2DTranspose(1, 3, strides=2**40)),
    "table": ((4,), lambda: layers.Embedding(2**31 - 3, 2**40)),
    "table's rows": ((4,), lambda: layers.Embedding(10, 2**62)),
}


@pytest.mark.parametrize("case", OVERFLOWING)
def test_sizes_beyond_64_bits_are_refused(case):
    shape, make = OVERFLOWING[case]
    layer = make()
    with pytest.raises(ValueError, match=TOO_MANY) as refused:
        nn.Sequential([nn.Input(shape), layer])
    assert layer.name in str(refused.value)


def test_an_input_beyond_64_bits_is_refused():
    with pytest.raises(ValueError, match=TOO_MANY):
        nn.Input((2**32, 2**32))


@pytest.mark.parametrize("make", [
    lambda: layers.Dense(2**70), lambda: layers.Conv2D(1, 3, strides=2**63), lambda: layers.ZeroPadding2D(2**63),
    lambda: layers.MaxPooling2D(2**63, padding="same"), lambda: layers.Conv2D(1, 3, dilation_rate=2**62),
])  # fmt: skip
def test_options_beyond_64_bits_are_refused(make):
    with pytest.raises(ValueError, match="must be at most"):
        make()


def test_the_widest_window_is_all():
    x = np.arange(16.0).reshape(1, 4, 4, 1)
    y = nn.Sequential([nn.Input((4, 4, 1)), layers.MaxPooling2D(2**63 - 1, padding="same")]).predict(x)
    assert y.tolist() == [[[[15.0]]]]


def test_minibatches_that_nobody_can_address_are_out_of_memory():
    model = nn.Sequential([nn.Input((1,)), layers.RepeatVector(2**55)])
    x = np.ones((1000, 1))
    with pytest.raises(MemoryError, match="more than can be addressed"):
        model.predict(x)
    model.pop()
    model.add(layers.RepeatVector(2))
    assert model.predict(x[:3]).shape == (3, 2, 1)


def test_thread_counts_have_a_limit():
    before = nn.config.get_num_threads()
    with pytest.raises(ValueError, match="at most 4096"):
        nn.config.set_num_threads(2**31)
    assert nn.config.get_num_threads() == before
    done = subprocess.run(
        [sys.executable, "-c", "import nncore"],
        env={**os.environ, "NNCORE_NUM_THREADS": str(2**40)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "ValueError: NNCORE_NUM_THREADS must be a whole number" in done.stderr


@pytest.mark.parametrize("value", [2**24 + 1, 2**31, 2**31 + 1, 2**32 + 1, 2**63 - 1, -1, -(2**31), -(2**32)])
@pytest.mark.parametrize("dtype", [np.int64, np.float64, np.uint64])
def test_labels_and_rows_of_tables_do_not_wrap(value, dtype):
    if value < 0 and dtype == np.uint64:
        value += 2**64
    labels = np.array([0, value], dtype)
    model = nn.Sequential([nn.Input((2,)), layers.Dense(3)])
    model.compile("sgd", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    table = nn.Sequential([nn.Input((1,)), layers.Embedding(3, 2)])
    weights = model.get_weights()
    x = np.ones((2, 2))
    model.train_on_batch(x, [0, 1])  # so that the quick way is there as well
    model.set_weights(weights)
    for use in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch, model.value_and_gradients):
        with pytest.raises(ValueError, match="holds the class"):
            use(x, labels)
    assert all((a == b).all() for a, b in zip(weights, model.get_weights(), strict=True))
    for call in (table.predict, table.predict_on_batch, table):
        call(np.zeros((2, 1), dtype))
        with pytest.raises(ValueError, match="takes whole numbers from 0 to 2"):
            call(labels[:, None])


@pytest.mark.parametrize("ignored", [2**31, 2**32 + 1, -(2**31), -(2**32)])
@pytest.mark.parametrize("kind", [nn.losses.SparseCategoricalCrossentropy, lambda **k: metrics.MeanIoU(2, **k)])
def test_an_ignored_class_is_one_that_labels_can_be(kind, ignored):
    """IoU had taken 2**32 + 1 for class 1."""
    with pytest.raises(ValueError, match="ignore_class must"):
        kind(ignore_class=ignored)


def test_an_ignored_class_of_iou_is_not_counted():
    metric = metrics.MeanIoU(2, ignore_class=2**31 - 1, sparse_y_pred=False)
    metric.update_state([0, 1, 2**31 - 1], np.eye(2)[[0, 1, 1]])
    assert metric.result() == pytest.approx(1)


def test_rows_beyond_those_that_numbers_behind_a_layer_can_name():
    table = layers.Embedding(2**24 + 2, 1, embeddings_initializer="zeros")
    direct = nn.Sequential([nn.Input((1,)), table])
    table.embeddings[2**24 + 1] = 7
    for dtype in (np.int32, np.uint64, np.float64):
        assert direct.predict(np.array([[2**24 + 1]], dtype)).item() == 7
    behind = nn.Sequential([nn.Input((1,)), layers.Reshape((1,)), table])
    with pytest.raises(ValueError, match="stands behind other layers, whose numbers are float32"):
        behind.predict(np.array([[2**24 + 1]]))


@pytest.mark.parametrize("make", [
    lambda: optimizers.SGD(1e-3, momentum=0.9), lambda: optimizers.Adagrad(1e-3), lambda: optimizers.RMSprop(1e-3),
    lambda: optimizers.Adam(1e-3), lambda: optimizers.AdamW(1e-3), lambda: optimizers.Adamax(1e-3),
    lambda: optimizers.Nadam(1e-3), lambda: optimizers.Adadelta(1e-3), lambda: optimizers.Ftrl(1e-3),
    lambda: optimizers.Lion(1e-3), lambda: optimizers.Lamb(1e-3), lambda: optimizers.Adafactor(1e-3),
    lambda: optimizers.Muon(1e-3),
])  # fmt: skip
@pytest.mark.parametrize("done", [2**24, 2**31 - 1, 2**32, 2**53 + 1, 2**63 - 3])
def test_updates_go_on_beyond_any_count(make, done):
    """The number of updates is exact, and corrections of a bias are 1 by then."""
    model = nn.Sequential([nn.Input((4,)), layers.Dense(3), layers.Dense(2)], seed=1)
    model.compile(make(), "mse")
    x, y = np.ones((3, 4)), np.zeros((3, 2))
    model.train_on_batch(x, y)
    model.optimizer.counter[0] = done
    before = model.get_weights()
    model.train_on_batch(x, y)
    assert model.optimizer.iterations == done + 1
    moved = max(np.abs(a - b).max() for a, b in zip(before, model.get_weights(), strict=True))
    assert 0 < moved < 0.1


@pytest.mark.parametrize("make", [
    lambda: schedules.ExponentialDecay(0.1, 1000, 0.96), lambda: schedules.PolynomialDecay(0.1, 1000, cycle=True),
    lambda: schedules.InverseTimeDecay(0.1, 10, 0.5), lambda: schedules.CosineDecay(0.1, 1000),
    lambda: schedules.CosineDecayRestarts(0.1, 1000), lambda: schedules.CosineDecayRestarts(0.1, 1000, t_mul=1.0),
    lambda: schedules.InverseSquareRootDecay(0.1), lambda: schedules.Cyclic(0.01, 0.1, 1000),
    lambda: schedules.PiecewiseConstantDecay([10, 2**53], [0.1, 0.05, 0.01]), lambda: schedules.LinearDecay(0.1, 1000),
    lambda: schedules.OneCycle(0.1, 1000), lambda: schedules.Warmup(schedules.LinearDecay(0.1, 1000), 10),
])  # fmt: skip
def test_schedules_go_on_beyond_any_count(make):
    schedule = make()
    for step in (2**24 + 1, 2**31, 2**32 + 1, 2**53 + 1, 2**63 - 2):
        assert 0 <= schedule(step) <= 0.1
    with pytest.raises(ValueError, match="at most 9223372036854775806"):
        schedule(2**63 - 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
@pytest.mark.parametrize("kind", [
    lambda: layers.Dense(3, activation="softmax"), lambda: layers.LayerNormalization(),
    lambda: layers.UnitNormalization(), lambda: layers.GroupNormalization(2), lambda: layers.BatchNormalization(),
    lambda: layers.PReLU(), lambda: layers.ELU(), lambda: layers.Normalization(mean=0.0, variance=0.0),
])  # fmt: skip
def test_a_row_that_is_not_finite_spoils_no_other(kind, bad):
    model = nn.Sequential([nn.Input((8,)), kind()])
    x = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
    clean = model.predict(x)
    spoilt = x.copy()
    spoilt[2, 3] = bad
    seen = model.predict(spoilt)
    others = [0, 1, 3, 4, 5]
    assert (seen[others].view(np.uint32) == clean[others].view(np.uint32)).all()
    assert np.isfinite(bad) or not np.isnan(bad) or np.isnan(seen[2]).any()


def test_a_loss_that_is_not_finite_leaves_statistics_as_they_were():
    model = nn.Sequential([nn.Input((4,)), layers.BatchNormalization(), layers.Dense(1)])
    model.compile(optimizers.Adam(), "mse")
    x, y = np.random.default_rng(0).normal(size=(64, 4)), np.zeros((64, 1))
    model.fit(x, y, verbose=0)
    before = [*model.get_weights(), *(array.copy() for array in model.optimizer.variables)]
    x[7, 2] = np.nan
    with pytest.raises(nn.NonFiniteLossError):
        model.fit(x, y, batch_size=64, verbose=0)
    after = [*model.get_weights(), *model.optimizer.variables]
    assert all((a == b).all() for a, b in zip(before, after, strict=True))

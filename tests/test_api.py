"""The thin layer: shapes, names, history, callbacks, prediction."""

import re
import subprocess
import sys

import numpy as np
import pytest

import nncore as nn

X = np.random.default_rng(0).standard_normal((100, 6)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)


def classifier(**options):
    model = nn.Sequential(
        [nn.Input((6,)), nn.layers.Dense(16, activation="relu"), nn.layers.Dense(3, activation="softmax")], **options
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_history_and_validation():
    model = classifier()
    history = model.fit(X, Y, epochs=3, validation_split=0.2, verbose=0)
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert history.epoch == [0, 1, 2]
    loss, accuracy = model.evaluate(X[80:], Y[80:])
    assert history.history["val_loss"][-1] == pytest.approx(loss, rel=1e-6)
    assert history.history["val_accuracy"][-1] == pytest.approx(accuracy)
    assert model.evaluate(X[80:], Y[80:], return_dict=True) == {"loss": loss, "accuracy": accuracy}
    assert model.metrics_names == ["loss", "accuracy"]
    resumed = model.fit(X, Y, epochs=5, initial_epoch=3, verbose=0, validation_data=(X[:9], Y[:9], np.ones(9)))
    assert resumed.epoch == [3, 4]


def test_the_history_is_the_mean_over_the_minibatches():
    model = classifier()
    losses = []
    for begin in range(0, 100, 32):
        twin = classifier()
        twin.set_weights(model.get_weights())
        losses.append((twin.evaluate(X[begin : begin + 32], Y[begin : begin + 32])[0], len(X[begin : begin + 32])))
        model.train_on_batch(X[begin : begin + 32], Y[begin : begin + 32])
    history = classifier().fit(X, Y, batch_size=32, shuffle=False, verbose=0)
    assert history.history["loss"][0] == pytest.approx(sum(v * n for v, n in losses) / 100, rel=1e-6)


def test_it_learns():
    model = classifier()
    model.optimizer.learning_rate = 0.01
    model.fit(X, Y, epochs=150, verbose=0)
    assert model.evaluate(X, Y)[1] > 0.97


def test_predict_in_all_its_forms():
    model = classifier()
    expected = model.predict(X)
    assert expected.shape == (100, 3)
    assert expected.dtype == np.float32
    np.testing.assert_allclose(expected.sum(1), 1, rtol=1e-6)
    for rows in (1, 7, 31, 100):
        assert (model.predict(X[:rows]) == expected[:rows]).all(), "a row's output must not depend on its neighbours"
    assert (model.predict(np.tile(X, (30, 1))) == np.tile(expected, (30, 1))).all()
    assert (model(X) == expected).all()
    assert (model.predict_on_batch(X) == expected).all()
    assert (model.predict(X.tolist(), batch_size=3) == expected).all()
    assert (model.predict(iter([X[:50], X[50:]])) == expected).all()
    assert (model.predict(X, steps=2, batch_size=10) == expected[:20]).all()
    assert (model.forward(X, training=False) == expected).all()


def test_weights_are_views():
    model = classifier()
    before = model.predict(X)
    kernel = model.layers[0].kernel
    assert kernel is model.weights[0]
    assert kernel.shape == (6, 16)
    kernel[...] = 0
    after = model.predict(X)
    assert (after != before).any()
    assert (after == after[0]).all()
    model.train_on_batch(X, Y)
    model.layers[1].bias[...] = 7
    assert (model.get_weights()[3] == 7).all()
    copies = model.get_weights()
    copies[0][...] = 5
    assert (model.weights[0] != 5).any()


def test_structure_and_summary(capsys):
    model = classifier(name="small")
    assert model.count_params() == 6 * 16 + 16 + 16 * 3 + 3
    assert model.input_shape == (None, 6)
    assert model.output_shape == (None, 3)
    assert model.get_layer(index=1) is model.layers[1]
    assert model.get_layer(model.layers[0].name) is model.layers[0]
    assert re.fullmatch(r"dense(_\d+)?", model.layers[0].name)
    model.summary()
    text = capsys.readouterr().out
    assert "small" in text
    assert "163 parameters" in text
    assert max(map(len, text.splitlines())) <= 80
    model.pop()
    assert model.output_shape == (None, 16)
    model.add(nn.layers.Dense(2))
    assert model.output_shape == (None, 2)
    copy = nn.Sequential.from_config(model.get_config())
    assert copy.get_config() == model.get_config()


def test_what_scripts_ask_for_that_changes_nothing():
    nn.config.disable_traceback_filtering()
    assert not nn.config.is_traceback_filtering_enabled()
    x = nn.Input((4,), dtype="int32")
    assert x.dtype is None
    assert nn.Model(x, nn.layers.Dense(2)(x), dtype="float64").predict([[1, 2, 3, 4]]).dtype == np.float64


def test_trainable_false_keeps_a_layer():
    model = nn.Sequential([nn.Input((6,)), nn.layers.Dense(5, trainable=False), nn.layers.Dense(3)])
    model.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    fixed = model.layers[0].get_weights()
    assert len(model.trainable_variables) == 2
    assert len(model.non_trainable_variables) == 2
    before = model.layers[1].get_weights()
    model.fit(X, Y, verbose=0)
    assert all((a == b).all() for a, b in zip(fixed, model.layers[0].weights, strict=True))
    assert (before[0] != model.layers[1].weights[0]).any()


def test_flatten_images_and_dense_over_sequences():
    images = np.random.default_rng(1).integers(0, 255, (30, 8, 8), dtype=np.uint8)
    model = nn.Sequential(
        [
            nn.Input((8, 8)),
            nn.layers.Rescaling(1 / 255),
            nn.layers.Dense(5, activation="relu"),
            nn.layers.Flatten(),
            nn.layers.Dense(2),
        ],
        dtype="float64",
    )
    w = model.get_weights()
    hidden = np.maximum(images / 255 @ w[0] + w[1], 0).reshape(30, -1)
    np.testing.assert_allclose(model.predict(images), hidden @ w[2] + w[3], rtol=1e-12, atol=1e-13)
    model.compile("sgd", "mse")
    y = np.random.default_rng(2).standard_normal((30, 2))
    _, gradients = model.value_and_gradients(images, y)
    dz = 2 * (hidden @ w[2] + w[3] - y) / y.size
    dh = (dz @ w[2].T * (hidden > 0)).reshape(30, 8, 5)
    expected = [np.einsum("nsi,nsj->ij", images / 255, dh), dh.sum((0, 1)), hidden.T @ dz, dz.sum(0)]
    for got, wanted in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-12)


def test_callbacks_and_early_stop():
    calls = []

    class Recorder(nn.callbacks.Callback):
        def on_train_begin(self, logs=None):
            calls.append("begin")
            assert self.params["epochs"] == 5

        def on_epoch_begin(self, epoch, logs=None):
            calls.append(f"epoch {epoch}")

        def on_epoch_end(self, epoch, logs=None):
            assert set(logs) == {"loss", "accuracy"}
            if epoch == 1:
                self.model.stop_training = True

        def on_train_end(self, logs=None):
            calls.append("end")

    history = classifier().fit(X, Y, epochs=5, verbose=0, callbacks=[Recorder()])
    assert calls == ["begin", "epoch 0", "epoch 1", "end"]
    assert len(history.history["loss"]) == 2


def test_a_callback_may_write_weights_between_minibatches():
    model = classifier()

    class Reset(nn.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            for w in self.model.weights:
                w[...] = 0.25

    model.fit(X, Y, verbose=0, callbacks=[Reset()])
    assert all((w == 0.25).all() for w in model.weights)


def test_verbose_output(capsys):
    model = classifier()
    model.fit(X, Y, epochs=2, verbose=1)
    bar = capsys.readouterr().err
    assert "Epoch 2/2" in bar
    assert "loss=" in bar
    assert "accuracy=" in bar
    assert "rows/s" in bar
    model.fit(X, Y, epochs=1, verbose=2)
    captured = capsys.readouterr()
    assert re.search(r"Epoch 1/1 - .*s - loss=\d", captured.out)
    assert not captured.err
    model.fit(X, Y, epochs=1, verbose=0)
    captured = capsys.readouterr()
    assert not captured.out
    assert not captured.err


def test_learning_rate_can_be_changed():
    model = classifier()
    before = model.get_weights()
    model.optimizer.learning_rate = 0.0
    model.fit(X, Y, verbose=0)
    assert all((a == b).all() for a, b in zip(before, model.weights, strict=True))
    model.optimizer.learning_rate = 0.1
    model.fit(X, Y, verbose=0)
    assert (before[0] != model.weights[0]).any()


def test_steps_per_epoch():
    model = classifier()
    model.fit(X, Y, batch_size=10, steps_per_epoch=3, epochs=2, verbose=0)
    assert model.optimizer.iterations == 6

    def endless():
        while True:
            yield X[:10], Y[:10]

    model.fit(endless(), steps_per_epoch=4, epochs=2, verbose=0)
    assert model.optimizer.iterations == 14


def test_losses_and_metrics_on_arrays():
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    y = np.array([0, 1])
    expected = -np.log([0.7, 0.1])
    assert nn.losses.SparseCategoricalCrossentropy()(y, p) == pytest.approx(expected.mean())
    assert nn.losses.CategoricalCrossentropy()(np.eye(3)[y], p) == pytest.approx(expected.mean())
    weighted = nn.losses.SparseCategoricalCrossentropy()(y, p, sample_weight=[2, 1])
    assert weighted == pytest.approx((2 * expected[0] + expected[1]) / 2)
    assert nn.losses.MeanSquaredError()([1, 2, 3], [1, 2, 5]) == pytest.approx(4 / 3)
    assert nn.metrics.SparseCategoricalAccuracy()(y, p) == 0.5
    metric = nn.metrics.BinaryAccuracy(threshold=0.6)
    metric.update_state([1, 0], [0.7, 0.2])
    metric.update_state([1], [0.55])
    assert metric.result() == pytest.approx(2 / 3)
    metric.reset_state()
    assert metric.result() == 0
    assert nn.metrics.MeanAbsoluteError()([[1.0, 2.0]], [[2.0, 4.0]]) == 1.5
    assert nn.activations.softmax(np.zeros((2, 4)))[0, 0] == 0.25
    assert nn.activations.relu([-1, 2]).tolist() == [0, 2]


def test_public_names_exist_and_carry_docstrings():
    modules = (nn.layers, nn.losses, nn.metrics, nn.optimizers, nn.initializers, nn.callbacks, nn.models, nn.config)
    for module in modules:
        for name in module.__all__:
            assert getattr(module, name).__doc__, f"{module.__name__}.{name} has no docstring"


def test_mixed_bfloat16_computes_in_float32_where_it_must_and_says_so_once():
    program = """if True:
        import warnings
        import numpy as np
        import nncore as nn
        warnings.simplefilter("always")
        with warnings.catch_warnings(record=True) as caught:
            models = [nn.Sequential([nn.Input((3,)), nn.layers.Dense(2)], dtype=d, seed=1)
                      for d in ("mixed_bfloat16", "mixed_bfloat16", "float32")]
        assert len(caught) == (0 if nn.config.bfloat16() else 1), [str(c.message) for c in caught]
        assert nn.config.bfloat16() or "float32" in str(caught[0].message)
        assert [m.dtype_policy for m in models] == ["mixed_bfloat16", "mixed_bfloat16", "float32"]
        assert all(w.dtype == np.float32 for m in models for w in m.weights)
        assert models[0].get_config()["dtype"] == "mixed_bfloat16"
        x = np.ones((4, 3))
        np.testing.assert_allclose(models[0].predict(x), models[2].predict(x), rtol=2e-2)
    """
    subprocess.run([sys.executable, "-c", program], check=True)

# ruff: noqa: E501  a table reads best with a row on a line
"""Bad input: a clear error that says what was wanted and what was got, before any weight has changed."""

import os
import pathlib

import numpy as np
import pytest

import nncore as nn

X = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
Y = np.arange(20) % 3


@pytest.fixture
def model():
    m = nn.Sequential([nn.Input((4,)), nn.layers.Dense(5, activation="relu", name="first"), nn.layers.Dense(3)], seed=1)
    m.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    return m


def bad(array, place, value):
    changed = np.array(array, dtype=float)
    changed[place] = value
    return changed


CALLS = {
    "features": (lambda m: m.fit(X[:, :3], Y), ValueError, r"layer 'first' expects inputs of 4 features; x has shape \(20, 3\)"),
    "one axis": (lambda m: m.fit(X[0], Y[:4]), ValueError, "4 features"),
    "label above": (lambda m: m.fit(X, bad(Y, 7, 3)), ValueError, "class 3.* in row 7; the output has classes 0 to 2"),
    "label below": (lambda m: m.fit(X, Y - 1), ValueError, "class -1 in row 0"),
    "label fraction": (lambda m: m.fit(X, Y + 0.5), ValueError, "class numbers"),
    "label nan": (lambda m: m.fit(X, bad(Y, 2, np.nan)), ValueError, "class numbers"),
    "one-hot labels": (lambda m: m.fit(X, np.eye(3)[Y]), ValueError, "CategoricalCrossentropy"),
    "fewer rows in y": (lambda m: m.fit(X, Y[:19]), ValueError, "x has 20 rows; y has 19"),
    "no y": (lambda m: m.fit(X), (ValueError, TypeError), "targets y|minibatch"),
    "empty": (lambda m: m.fit(X[:0], Y[:0]), ValueError, "at least one row"),
    "minibatch of 0": (lambda m: m.fit(X, Y, batch_size=0), ValueError, "batch_size must be at least 1, not 0"),
    "minibatch of 2.5": (lambda m: m.fit(X, Y, batch_size=2.5), TypeError, "batch_size must be an integer"),
    "epochs": (lambda m: m.fit(X, Y, epochs=-1), ValueError, "epochs"),
    "verbose": (lambda m: m.fit(X, Y, verbose=3), ValueError, "verbose"),
    "split": (lambda m: m.fit(X, Y, validation_split=1.0), ValueError, "validation_split"),
    "split empties": (lambda m: m.fit(X, Y, validation_split=0.99), ValueError, "leaves one part empty"),
    "weights' shape": (lambda m: m.fit(X, Y, sample_weight=np.ones(19)), ValueError, r"shape \(20,\)"),
    "negative weight": (lambda m: m.fit(X, Y, sample_weight=-np.ones(20)), ValueError, "not negative"),
    "class weight": (lambda m: m.fit(X, Y, class_weight={3: 1.0}), ValueError, "class_weight names the class 3"),
    "text": (lambda m: m.fit(X.astype(str), Y), TypeError, "x must hold real numbers"),
    "complex": (lambda m: m.fit(X * 1j, Y), TypeError, "x must hold real numbers"),
    "ragged": (lambda m: m.fit([[1, 2], [3]], [0, 1]), ValueError, "x cannot be read"),
    "callback": (lambda m: m.fit(X, Y, callbacks=[print]), TypeError, "callbacks must be"),
    "validation data": (lambda m: m.fit(X, Y, validation_data=(X[:, :2], Y)), ValueError, "4 features"),
    "validation labels": (lambda m: m.fit(X, Y, validation_data=(X, Y + 1)), ValueError, "class 3"),
    "unknown argument": (lambda m: m.fit(X, Y, batchsize=3), TypeError, "batchsize"),
    "set_weights count": (lambda m: m.set_weights(m.get_weights()[:3]), ValueError, "has 4 weights; got 3"),
    "set_weights shape": (
        lambda m: m.set_weights([w.T for w in m.get_weights()]), ValueError, r"weight 'kernel' has shape \(4, 5\); got \(5, 4\)",
    ),
    "backward first": (lambda m: m.backward(np.ones((20, 3))), RuntimeError, "forward before"),
    "generator": (lambda m: m.fit(iter([])), ValueError, "no minibatch"),
    "bad batch": (lambda m: m.fit([X]), ValueError, "a minibatch must be"),
    "layer name": (lambda m: m.get_layer("frst"), ValueError, "Did you mean 'first'"),
    "train labels": (lambda m: m.train_on_batch(X, Y + 3), ValueError, "class"),
    "train rows": (lambda m: m.train_on_batch(X, Y[:3]), ValueError, "x has 20 rows; y has 3"),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_bad_calls_change_nothing(model, name):
    call, error, message = CALLS[name]
    before = model.get_weights()
    with pytest.raises(error, match=message):
        call(model)
    assert all((a == b).all() for a, b in zip(before, model.weights, strict=True))
    assert model.optimizer.iterations == 0
    model.fit(X, Y, verbose=0)  # and the model still works


CONSTRUCTIONS = {
    "activation": (lambda: nn.layers.Dense(3, activation="rleu"), ValueError, "unknown activation 'rleu'. Did you mean 'relu'"),
    "loss": (lambda: nn.losses.get("binary_crossentrpy"), ValueError, "unknown loss .* Did you mean 'binary_crossentropy'"),
    "optimizer": (lambda: nn.optimizers.get("adm"), ValueError, "unknown optimizer 'adm'. Did you mean 'adam'"),
    "metric": (lambda: nn.metrics.get("nothing"), ValueError, "unknown metric"),
    "initializer": (lambda: nn.layers.Dense(3, kernel_initializer="glorot"), ValueError, "unknown initializer"),
    "units 0": (lambda: nn.layers.Dense(0), ValueError, "units must be at least 1"),
    "units text": (lambda: nn.layers.Dense("3"), TypeError, "units must be an integer"),
    "dense argument": (lambda: nn.layers.Dense(3, bias=False), TypeError, "Dense has no argument 'bias'"),
    "unsupported": (lambda: nn.layers.Dense(3, lora_rank=2), ValueError, "does not support the argument 'lora_rank'"),
    "rate above 1": (lambda: nn.layers.Dropout(1.1), ValueError, "rate must lie in"),
    "input": (lambda: nn.Input((0,)), ValueError, "at least 1"),
    "input_shape": (lambda: nn.layers.Dense(3, input_shape=(4, 0)), ValueError, r"Dense: input_shape \(4, 0\) must be at least 1"),
    "input_dim": (lambda: nn.layers.Dense(3, input_dim=-1), ValueError, "input_dim must be at least 1"),
    "two shapes": (lambda: nn.layers.Dense(3, input_dim=4, input_shape=(4,)), ValueError, "input_shape or input_dim, not both"),
    "another shape": (lambda: nn.Sequential([nn.Input((4,)), nn.layers.Dense(3, input_dim=5)]), ValueError, r"was made for samples of shape \(5,\); got \(4,\)"),
    "no shape": (lambda: nn.Input(), ValueError, "needs a shape"),
    "rate negative": (lambda: nn.optimizers.SGD(-0.1), ValueError, "learning_rate must lie in"),
    "rate nan": (lambda: nn.optimizers.SGD(float("nan")), ValueError, "learning_rate must lie in"),
    "beta": (lambda: nn.optimizers.Adam(beta_1=1.0), ValueError, "beta_1 must lie in"),
    "two clippings": (lambda: nn.optimizers.Adam(clipnorm=1.0, clipvalue=1.0), ValueError, "only one of clipnorm, clipvalue, global_clipnorm can be set; got clipnorm and clipvalue"),
    "clipnorm": (lambda: nn.optimizers.Adam(clipnorm=0), ValueError, "clipnorm must lie in"),
    "decay": (lambda: nn.optimizers.SGD(weight_decay=-0.1), ValueError, "weight_decay must lie in"),
    "average": (lambda: nn.optimizers.SGD(use_ema=True, ema_momentum=1.5), ValueError, "ema_momentum must lie in"),
    "overwrite": (lambda: nn.optimizers.SGD(ema_overwrite_frequency=3), ValueError, "needs use_ema=True"),
    "accumulation": (lambda: nn.optimizers.SGD(gradient_accumulation_steps=1), ValueError, "at least 2"),
    "penalty": (lambda: nn.regularizers.L2(-1), ValueError, "l2 must lie in"),
    "norm": (lambda: nn.constraints.MinMaxNorm(2.0, 1.0), ValueError, "max_value must lie in"),
    "smoothing": (lambda: nn.losses.BinaryCrossentropy(label_smoothing=2), ValueError, "label_smoothing"),
    "dtype": (lambda: nn.Sequential(dtype="float16"), ValueError, "'float32', 'float64' or 'mixed_bfloat16', not 'float16'"),
    "seed": (lambda: nn.Sequential(seed=-1), ValueError, "seed must lie"),
    "not a layer": (lambda: nn.Sequential([nn.Input((3,)), "dense"]), TypeError, "takes layers"),
    "input second": (lambda: nn.Sequential([nn.layers.Dense(3), nn.Input((3,))]), ValueError, "first layer"),
    "same name": (lambda: nn.Sequential([nn.layers.Dense(3, name="a"), nn.layers.Dense(3, name="a")]), ValueError, "unique"),
    "threads": (lambda: nn.config.set_num_threads(0), ValueError, "at least 1"),
    "nonfinite": (lambda: nn.config.set_nonfinite("no"), ValueError, "'raise' or 'ignore'"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONSTRUCTIONS)
def test_bad_constructions(name):
    call, error, message = CONSTRUCTIONS[name]
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.summary(),
        lambda m: m.count_params(),
        lambda m: m.get_weights(),
        lambda m: m.save("nowhere.safetensors"),
        lambda m: m.output_shape,
        lambda m: m.trainable_variables,
    ],
)
def test_a_model_without_a_shape(call):
    model = nn.Sequential([nn.layers.Dense(3)])
    with pytest.raises(ValueError, match="no shape yet"):
        call(model)


def test_a_model_without_input_takes_its_shape_from_the_data():
    model = nn.Sequential([nn.layers.Dense(3)])
    model.compile("sgd", nn.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    assert set(model.fit(X, Y, verbose=0).history) == {"loss", "accuracy"}
    assert model.input_shape == (None, 4)
    with pytest.raises(ValueError, match="4 features"):
        model.predict(X[:, :2])


@pytest.mark.parametrize(("shape", "options"), [((4,), {"input_dim": 4}), ((5, 4), {"input_shape": [5, 4]}),
                                                ((5,), {"input_shape": 5})])  # fmt: skip
def test_a_model_without_input_takes_its_shape_from_its_first_layer(shape, options):
    model = nn.Sequential([nn.layers.Dense(3, **options), nn.layers.Dense(2)])
    assert model.built
    assert model.input_shape == (None, *shape)
    assert nn.Sequential.from_config(model.get_config()).input_shape == (None, *shape)
    grown = nn.Sequential()
    grown.add(nn.layers.Dense(3, **options))
    assert grown.output_shape == (None, *shape[:-1], 3)


def test_training_without_compiling():
    model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(3)])
    for call in (lambda: model.fit(X, Y), lambda: model.train_on_batch(X, Y), lambda: model.evaluate(X, Y)):
        with pytest.raises(ValueError, match=r"call model\.compile"):
            call()


def test_losses_that_do_not_fit_the_output():
    one = nn.Sequential([nn.Input((4,)), nn.layers.Dense(1)])
    with pytest.raises(ValueError, match="at least 2 classes"):
        one.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    with pytest.raises(ValueError, match="at least 2 classes"):
        one.compile("sgd", "categorical_crossentropy")
    late = nn.Sequential([nn.layers.Dense(1)])
    late.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="at least 2 classes"):
        late.fit(X, Y)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_in_x_when_asked_to_check(model, value):
    x = X.copy()
    x[13, 2] = value
    nn.config.set_check_finite(True)
    try:
        with pytest.raises(ValueError, match="x holds a NaN or an infinity in row 13"):
            model.fit(x, Y)
        model.fit(X, Y, verbose=0)
    finally:
        nn.config.set_check_finite(False)


def test_a_loss_that_is_not_finite_keeps_the_weights_before_it(model):
    x = np.tile(X, (10, 1))
    y = np.tile(Y, 10)
    x[130, 0] = np.nan
    twin = nn.Sequential.from_config(model.get_config())
    twin.set_weights(model.get_weights())
    twin.compile("adam", nn.losses.SparseCategoricalCrossentropy(from_logits=True))
    twin.fit(x[:120], y[:120], batch_size=20, shuffle=False, verbose=0)
    with pytest.raises(nn.NonFiniteLossError, match="epoch 1, minibatch 7"):
        model.fit(x, y, batch_size=20, shuffle=False, verbose=0)
    assert all((a == b).all() for a, b in zip(twin.weights, model.weights, strict=True))
    assert model.optimizer.iterations == 6
    before = model.get_weights()
    with pytest.raises(nn.NonFiniteLossError):
        model.train_on_batch(x[120:140], y[120:140])
    assert all((a == b).all() for a, b in zip(before, model.weights, strict=True))
    nn.config.set_nonfinite("ignore")
    try:
        assert np.isnan(model.train_on_batch(x[120:140], y[120:140]))
    finally:
        nn.config.set_nonfinite("raise")


def test_a_learning_rate_that_explodes_ends_in_the_error():
    model = nn.Sequential([nn.Input((4,)), nn.layers.Dense(8, activation="relu"), nn.layers.Dense(1)])
    model.compile(nn.optimizers.SGD(1e6), "mse")
    with pytest.raises(nn.NonFiniteLossError):
        model.fit(X, Y, epochs=100, batch_size=5, verbose=0)
    assert all(np.isfinite(w).all() for w in model.weights)


PATHS = {
    "save: filepath": lambda model, path: model.save(path),
    "save_weights: filepath": lambda model, path: model.save_weights(path),
    "load_weights: filepath": lambda model, path: model.load_weights(path),
    "load_model: filepath": lambda model, path: nn.models.load_model(path),
    "c.export: path": lambda model, path: nn.interop.c.export(model, path),
    "c.export: header": lambda model, path: nn.interop.c.export(model, "m.c", header=path or 3),
    "CSVLogger: filename": lambda model, path: nn.callbacks.CSVLogger(path),
    "ModelCheckpoint: filepath": lambda model, path: nn.callbacks.ModelCheckpoint(path),
    "BackupAndRestore: backup_dir": lambda model, path: nn.callbacks.BackupAndRestore(path),
    "TensorBoard: log_dir": lambda model, path: nn.callbacks.TensorBoard(path),
}


@pytest.mark.parametrize("path", [None, 3, 2.5, ["m"]], ids=repr)
@pytest.mark.parametrize("door", PATHS)
def test_what_is_no_path(model, door, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TypeError, match=f"{door} must be a path, not "):
        PATHS[door](model, path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [str, bytes, pathlib.Path], ids=lambda kind: kind.__name__)
def test_paths_of_every_kind(model, kind, tmp_path):
    folder = os.fsencode(tmp_path) if kind is bytes else str(tmp_path)
    path = kind(os.path.join(folder, b"m.safetensors" if kind is bytes else "m.safetensors"))
    model.save(path)
    for weight, again in zip(model.weights, nn.models.load_model(path).weights, strict=True):
        assert (weight == again).all()


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"jit_compile": "x"}, TypeError, "compile: jit_compile must be True or False, not 'x'"),
    ({"steps_per_execution": 0}, ValueError, "compile: steps_per_execution must be at least 1, not 0"),
    ({"steps_per_execution": "many"}, TypeError, "compile: steps_per_execution must be an integer"),
    ({"auto_scale_loss": 3}, TypeError, "compile: auto_scale_loss must be True or False, not 3"),
])  # fmt: skip
def test_arguments_that_change_nothing_are_checked_as_well(model, options, error, message):
    optimizer = model.optimizer
    with pytest.raises(error, match=message):
        model.compile("sgd", "mse", **options)
    assert model.optimizer is optimizer
    model.compile("sgd", "mse", jit_compile=True, steps_per_execution=4, auto_scale_loss=False)
    model.compile("sgd", "mse", jit_compile=None)

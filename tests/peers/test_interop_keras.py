"""Models from Keras and to Keras: the same layers, weights and outputs, and training that goes on from there."""

import numpy as np
import pytest

import nncore
from nncore.interop.keras import from_keras, layers, to_keras
from peers import sides
from peers import test_keras_layers as cases
from peers import test_keras_models as models

keras = sides.keras


def output(theirs, x):
    """What Keras's model gives, without the preparations of its predict."""
    x = [sides.torch.tensor(a) for a in x] if isinstance(x, list) else sides.torch.tensor(x)
    with sides.torch.no_grad():
        return sides.numbers(theirs(x, training=False))


def assert_same(ours, theirs, x, dtype="float32"):
    sides.assert_close(ours.predict(x), output(theirs, x), dtype)
    got = [w for layer in ours.layers for w in layer.get_weights()]
    wanted = [w for layer in theirs.layers for w in layer.get_weights()]
    assert len(got) == len(wanted)
    for one, other in zip(got, wanted, strict=True):
        assert np.array_equal(one, other)


def assert_both_ways(build, x, dtype="float32"):
    """`build(package)` gives the same model on both sides; returns ours of theirs, and theirs of ours."""
    ours, theirs = sides.pair(build, dtype)
    got, back = from_keras(theirs), to_keras(ours)
    assert_same(got, theirs, x, dtype)
    assert_same(ours, back, x, dtype)
    for one, other in ((got, theirs), (ours, back)):
        assert [layer.name for layer in one.layers] == [layer.name for layer in other.layers]
        kinds = [[type(layer).__name__ for layer in m.layers if not hasattr(layer, "layers")] for m in (one, other)]
        assert kinds[0] == kinds[1]
        assert len(one.trainable_variables) == len(other.trainable_variables)
    return got, back


def described(model):
    """Configurations of the layers; axes are counted from the front in a model of Keras that is built."""
    return [{**layer.get_config(), "name": None, "axis": None} for layer in model.layers]


@pytest.mark.parametrize("case", cases.LAYERS)
def test_layer(case):
    name, shapes, options = cases.LAYERS[case]
    sides.has("layers", name)
    if name not in layers.SAME:
        pytest.skip(f"{name} is not on both sides")
    if name == "Activation":
        sides.has("activations", options["activation"])
    if options.get("activation") == "glu":
        pytest.skip("Keras takes its shape for that of the input, and cannot go on from there")

    def build(package):
        inputs = [package.Input(shape, name=f"input_{number}") for number, shape in enumerate(shapes)]
        inputs = inputs if len(inputs) > 1 else inputs[0]
        return package.Model(inputs, getattr(package.layers, name)(**options, name="it")(inputs))

    _, back = assert_both_ways(build, cases.arrays(shapes, "float32", rows=3))
    assert described(from_keras(back)) == described(build(sides.Nncore("float32")))


def time_distributed(k):
    x = k.Input((3, 4, 5))
    inner = k.Sequential([k.Input((4, 5)), k.layers.Flatten(), k.layers.Dense(2)])
    return k.Model(x, k.layers.TimeDistributed(inner)(k.layers.TimeDistributed(k.layers.Dense(5))(x)))


def bidirectional(k):
    x = k.Input((4, 3))
    y = k.layers.Bidirectional(k.layers.LSTM(2, return_sequences=True), merge_mode="sum", name="both")(x)
    backward = k.layers.GRU(3, go_backwards=True, use_bias=False, name="other")
    return k.Model(x, k.layers.Bidirectional(k.layers.GRU(3), backward_layer=backward, name="unlike")(y))


def states(k):
    """States of one layer are the first of another, also in both directions."""
    a, b = k.Input((4, 3), name="a"), k.Input((5, 3), name="b")
    _, h, c = k.layers.LSTM(2, return_state=True, name="encoder")(a)
    y = k.layers.LSTM(2, return_sequences=True, name="decoder")(b, initial_state=[h, c])
    _, *last = k.layers.Bidirectional(k.layers.GRU(2, return_state=True), name="both")(y)
    z = k.layers.Bidirectional(k.layers.GRU(2), name="end")(y, initial_state=last)
    return k.Model([a, b], [y, z])


def attention(k):
    a, b = k.Input((4, 6), name="a"), k.Input((5, 6), name="b")
    x = k.layers.MultiHeadAttention(2, 3, value_dim=4, name="causal")(a, a, use_causal_mask=True)
    y, scores = k.layers.MultiHeadAttention(3, 2, output_shape=5, use_bias=False, name="cross")(
        x, b, return_attention_scores=True
    )
    z = k.layers.Attention(use_scale=True, name="dot")([a, b])
    w = k.layers.AdditiveAttention(name="additive")([z, b, b])
    return k.Model([a, b], [y, scores, w])


def arithmetic(k):
    a, b = k.Input((5,), name="a"), k.Input((5,), name="b")
    x = k.layers.Dense(5, name="d")(a)
    return k.Model([a, b], 2 * x - b * (1 - a) / 4 + (-b))


SHAPES = {time_distributed: [(3, 4, 5)], bidirectional: [(4, 3)], states: [(4, 3), (5, 3)],
          attention: [(4, 6), (5, 6)]}  # fmt: skip


@pytest.mark.parametrize("build", SHAPES)
def test_composite_layers_and_calls(build):
    assert_both_ways(build, cases.arrays(SHAPES[build], "float64"), "float64")


def test_arithmetic_of_tensors():
    ours, theirs = sides.pair(arithmetic, "float32")
    x = cases.arrays([(5,), (5,)], "float32")
    sides.assert_close(from_keras(theirs).predict(x), ours.predict(x), "float32")
    sides.assert_close(output(to_keras(ours), x), ours.predict(x), "float32")


@pytest.mark.parametrize("build", models.BUILDERS)
def test_graph(build):
    ours, _ = assert_both_ways(build, models.data(build, "float64")[0], "float64")
    assert ours.dtype == "float64"


def test_layers_shared_between_models():
    """A layer that stands in two models is one layer there, and comes over once."""

    def build(k):
        shared = k.layers.Dense(5, activation="tanh", name="shared")
        inner_in = k.Input((5,))
        inner = k.Model(inner_in, shared(inner_in), name="inner")
        x = k.Input((5,))
        return k.Model(x, k.layers.Add()([shared(x), inner(inner(x))]))

    ours, theirs = sides.pair(build, "float32")
    x = sides.noise((4, 5), "float32")
    got, back = from_keras(theirs), to_keras(ours)
    assert len(got.weights) == len(back.weights) == 2
    sides.assert_close(got.predict(x), ours.predict(x), "float32")
    sides.assert_close(output(back, x), ours.predict(x), "float32")


@pytest.mark.parametrize("mask", ["Embedding", "Masking"])
def test_masks(mask):
    """They come with their tensors on both sides: those that Keras puts into calls are left away."""

    def build(k):
        if mask == "Embedding":
            x = k.Input((6,))
            y = k.layers.Embedding(9, 4, mask_zero=True)(x)
        else:
            x = k.Input((6, 4))
            y = k.layers.Masking(0.0)(x)
        y = k.layers.LSTM(4, return_sequences=True, name="lstm")(y)
        z = k.layers.Bidirectional(k.layers.GRU(3), name="both")(k.layers.Add()([y, y]))
        w = k.layers.GlobalAveragePooling1D()(k.layers.MultiHeadAttention(2, 2, name="mha")(y, y))
        return k.Model(x, k.layers.Concatenate()([z, w]))

    x = sides.random(0).integers(1, 9, (5, 6))
    x[:, 4:] = 0
    x[1, 2:] = 0
    if mask == "Masking":
        x = np.where(x[..., None] > 0, sides.noise((5, 6, 4), "float32"), 0)
    ours, theirs = sides.pair(build, "float32")
    sides.assert_close(from_keras(theirs).predict(x), output(theirs, x), "float32")
    sides.assert_close(output(to_keras(ours), x), ours.predict(x), "float32")
    if mask == "Embedding":
        assert to_keras(ours).inputs[0].dtype == "int32"


def test_explicit_masks_of_attention():
    def build(k):
        q, v, m = k.Input((4, 6), name="q"), k.Input((5, 6), name="v"), k.Input((4, 5), name="m")
        of_keys = k.Input((5,), name="keys")
        y = k.layers.MultiHeadAttention(2, 3, name="mha")(q, v, attention_mask=m)
        return k.Model([q, v, m, of_keys], k.layers.MultiHeadAttention(2, 3, name="last")(y, v, key_mask=of_keys))

    x = cases.arrays([(4, 6), (5, 6)], "float32")
    x += [(sides.random(1).random((9, 4, 5)) > 0.4).astype("float32"), np.tile(np.float32([1, 1, 0, 1, 0]), (9, 1))]
    x[2][..., 0] = 1
    ours, theirs = sides.pair(build, "float32")
    sides.assert_close(from_keras(theirs).predict(x), ours.predict(x), "float32")
    sides.assert_close(output(to_keras(ours), x), ours.predict(x), "float32")


def test_recurrent_layers_around_one_of_keras_cells():
    cells = (keras.layers.SimpleRNNCell(3), keras.layers.LSTMCell(4), keras.layers.GRUCell(2, reset_after=False))
    model = keras.Sequential([keras.Input((5, 2))])
    for cell in cells:
        model.add(keras.layers.RNN(cell, return_sequences=True))
    ours = from_keras(model)
    assert [type(layer).__name__ for layer in ours.layers] == ["SimpleRNN", "LSTM", "GRU"]
    assert_same(ours, model, sides.noise((3, 5, 2), "float32"))


def test_stateful_layers_of_keras_have_a_number_of_rows():
    ours = nncore.Sequential([nncore.Input((4, 3)), nncore.layers.GRU(2, stateful=True)])
    with pytest.raises(ValueError, match="batch_size"):
        to_keras(ours)
    theirs = to_keras(ours, batch_size=3)
    back = from_keras(theirs)
    x = sides.noise((3, 4, 3), "float32")
    for _ in range(2):
        wanted = theirs.predict(x, batch_size=3, verbose=0)
        sides.assert_close(back.predict(x, batch_size=3), wanted, "float32")


def test_activations_with_parameters_and_as_layers():
    theirs = keras.Sequential([keras.Input((3, 4)), keras.layers.Dense(5, activation=keras.layers.LeakyReLU(0.1)),
                               keras.layers.Dense(5, activation=keras.layers.Softmax(axis=1))])  # fmt: skip
    x = sides.noise((3, 3, 4), "float32")
    ours = from_keras(theirs)
    assert_same(ours, theirs, x)
    assert_same(ours, to_keras(ours), x)


# ---------------------------------------------------------------- flags and shapes


def test_trainable_flags():
    def build(k):
        inner = k.Sequential([k.Input((4,)), k.layers.Dense(4, name="inside"), k.layers.BatchNormalization()],
                             name="inner")  # fmt: skip
        return k.Sequential([k.Input((4,)), k.layers.Dense(4, name="first"), inner, k.layers.Dense(2, name="last")])

    ours, theirs = sides.pair(build, "float32")
    for model in (ours, theirs):
        model.get_layer("first").trainable = False
        model.get_layer("inner").get_layer("inside").trainable = False
    for made in (from_keras(theirs), to_keras(ours)):
        assert not made.get_layer("first").trainable
        assert not made.get_layer("inner").get_layer("inside").trainable
        assert len(made.trainable_variables) == 4
    theirs.get_layer("inner").trainable = False
    assert len(theirs.trainable_variables) == 2 == len(from_keras(theirs).trainable_variables)
    theirs.get_layer("inner").get_layer("inside").trainable = True  # which counts, whatever is around it
    assert len(theirs.trainable_variables) == 4 == len(from_keras(theirs).trainable_variables)


def test_axes_of_any_length_get_one():
    theirs = keras.Sequential([keras.Input((None, 3)), keras.layers.LSTM(2)])
    with pytest.raises(ValueError, match="input_shape"):
        from_keras(theirs)
    with pytest.raises(ValueError, match=r"\(None, 3\); got \(7, 4\)"):
        from_keras(theirs, input_shape=(7, 4))
    assert_same(from_keras(theirs, input_shape=(7, 3)), theirs, sides.noise((2, 7, 3), "float32"))
    a, b = keras.Input((None, 3)), keras.Input((4,))
    both = keras.Model([a, b], [keras.layers.GRU(2)(a), keras.layers.Dense(2)(b)])
    ours = from_keras(both, input_shape=[(5, 3), (4,)])
    assert ours.input_shape == [(None, 5, 3), (None, 4)]


@pytest.mark.filterwarnings("ignore:.*computes in float32")
def test_dtypes():
    for policy in ("float64", "mixed_bfloat16"):
        layer = keras.layers.Dense(2, dtype=policy)
        theirs = keras.Sequential([keras.Input((3,)), layer])
        ours = from_keras(theirs)
        assert ours.dtype_policy == policy
        assert to_keras(ours).layers[0].dtype_policy.name == policy
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, dtype="float16")])
    with pytest.raises(ValueError, match="the model has float16"):
        from_keras(theirs)
    theirs.add(keras.layers.Dense(2, name="other"))
    with pytest.raises(ValueError, match="'other' has float32"):
        from_keras(theirs)


def test_seed():
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    assert from_keras(theirs, seed=7).seed == 7


# ---------------------------------------------------------------- what was compiled

OPTIMIZERS = {
    "SGD": {"momentum": 0.9, "nesterov": True},
    "Adam": {"amsgrad": True, "epsilon": 1e-14},
    "AdamW": {"weight_decay": 0.01},
    "RMSprop": {"centered": True, "momentum": 0.5},
    "Adagrad": {},
    "Adadelta": {"learning_rate": 1.0},
    "Adamax": {},
    "Nadam": {"global_clipnorm": 0.5},
    "Ftrl": {"l1_regularization_strength": 0.01},
    "Lion": {"use_ema": True},
    "Lamb": {"weight_decay": 0.1},
    "Adafactor": {},
    "Muon": {"gradient_accumulation_steps": 2},
}


def test_every_optimizer_is_in_the_table():
    assert set(OPTIMIZERS) | {"Optimizer"} == {name for name in nncore.optimizers.__all__ if name[0].isupper()}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_with_the_optimizers_state(name):
    """Some steps on one side, some more on both: after them the weights are equal."""
    ours, theirs = sides.pair(models.residual, "float64")
    x, y = models.data(models.residual, "float64")
    options = {"learning_rate": 0.01, **OPTIMIZERS[name]}
    ours.compile(sides.optimizer(nncore, name, **options), "sparse_categorical_crossentropy", metrics=["accuracy"])
    theirs.compile(sides.optimizer(keras, name, **options), "sparse_categorical_crossentropy", metrics=["accuracy"])
    for model in (ours, theirs):
        for _ in range(3):
            model.train_on_batch(x, y)
    for one, other in ((from_keras(theirs), theirs), (ours, to_keras(ours))):
        assert one.optimizer.iterations == int(other.optimizer.iterations)
        assert one.metrics_names == ["loss", "accuracy"]
        for model in (one, other):
            for _ in range(5):
                model.train_on_batch(x, y)
        dtype = "float32" if name == "Muon" else "float64"  # Keras rounds its products to less
        sides.assert_close(one.get_weights(), other.get_weights(), dtype, "weights")


@pytest.mark.parametrize("name", ["ExponentialDecay", "PiecewiseConstantDecay", "PolynomialDecay", "InverseTimeDecay",
                                  "CosineDecay", "CosineDecayRestarts"])  # fmt: skip
def test_schedules(name):
    options = {
        "ExponentialDecay": (0.1, 3, 0.5),
        "PiecewiseConstantDecay": ([2, 5], [0.1, 0.05, 0.01]),
        "PolynomialDecay": (0.1, 7),
        "InverseTimeDecay": (0.1, 2, 0.5),
        "CosineDecay": (0.1, 6),
        "CosineDecayRestarts": (0.1, 3),
    }[name]
    schedule = getattr(keras.optimizers.schedules, name)(*options)
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    theirs.compile(keras.optimizers.SGD(schedule), "mse")
    ours = from_keras(theirs)
    back = to_keras(ours)
    x, y = sides.noise((4, 3), "float32"), sides.noise((4, 2), "float32", 1)
    for model in (ours, theirs, back):
        for _ in range(4):
            model.train_on_batch(x, y)
    sides.assert_close(ours.get_weights(), theirs.get_weights(), "float32")
    sides.assert_close(back.get_weights(), theirs.get_weights(), "float32")


def test_learning_rate_that_was_set_later():
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    theirs.compile("adam", "mse")
    theirs.optimizer.learning_rate = 0.3
    ours = from_keras(theirs)
    assert ours.optimizer.learning_rate == 0.3
    assert ours.optimizer.epsilon == 1e-7
    assert not ours.optimizer.epsilon_inside_sqrt
    back = to_keras(nncore_compiled("adam"))
    assert back.optimizer.epsilon == pytest.approx(1e-4)  # the root of ours, which is inside of a root


def nncore_compiled(optimizer, loss="mse", **options):
    ours = nncore.Sequential([nncore.Input((3,)), nncore.layers.Dense(2)])
    ours.compile(optimizer, loss, **options)
    return ours


LOSSES = {
    "BinaryCrossentropy": {"from_logits": True, "label_smoothing": 0.1},
    "BinaryFocalCrossentropy": {"gamma": 1.5, "apply_class_balancing": True},
    "CategoricalCrossentropy": {"label_smoothing": 0.1, "from_logits": True},
    "CategoricalFocalCrossentropy": {"gamma": 1.5, "alpha": 0.3},
    "Huber": {"delta": 0.3},
    "SparseCategoricalCrossentropy": {"from_logits": True, "ignore_class": 1},
    "MeanSquaredError": {"reduction": "sum"},
    **{name: {} for name in ("MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredLogarithmicError",
                             "LogCosh", "KLDivergence", "Poisson", "Hinge", "SquaredHinge", "CategoricalHinge",
                             "CosineSimilarity")},
}  # fmt: skip


def test_every_loss_is_in_the_table():
    ours = {name for name in nncore.losses.__all__ if name[0].isupper()}
    assert set(LOSSES) | {"Loss", "GaussianNLL"} == ours


@pytest.mark.parametrize("name", LOSSES)
def test_losses(name):
    """Options are those of the object, of which Keras does not write all into configurations."""
    y = np.abs(sides.noise((6, 2), "float32", 1))
    y = y / y.sum(axis=1, keepdims=True)
    y = np.arange(6) % 2 if name.startswith("Sparse") else y
    x = sides.noise((6, 3), "float32")
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    theirs.compile("sgd", getattr(keras.losses, name)(**LOSSES[name]))
    ours = from_keras(theirs)
    back = to_keras(ours)
    if not LOSSES[name].get("from_logits"):  # which ours takes no notice of behind a softmax
        sides.assert_close(ours.evaluate(x, y), np.float32(theirs.evaluate(x, y, verbose=0)), "float32")
    losses = [np.float32(model.evaluate(x, y, verbose=0)) for model in (back, theirs)]
    sides.assert_close(*losses, "float32")
    assert ours.loss.get_config() == from_keras(back).loss.get_config()


def test_losses_and_metrics_in_lists_dicts_and_as_functions():
    def build(k):
        x = k.Input((5,))
        return k.Model(x, [k.layers.Dense(3, activation="softmax", name="a")(x), k.layers.Dense(2, name="b")(x)])

    compiled = {
        "lists": lambda k: {"loss": ["categorical_crossentropy", k.losses.mean_squared_error],
                            "metrics": [["accuracy", k.metrics.TopKCategoricalAccuracy(2)], ["mae"]],
                            "loss_weights": [0.3, 2.0]},
        "dicts": lambda k: {"loss": {"a": "kl_divergence", "b": k.losses.Huber(0.2)},
                            "metrics": {"b": [k.metrics.RootMeanSquaredError(name="root"), "cosine_similarity"]},
                            "weighted_metrics": {"a": ["accuracy"]}},
    }  # fmt: skip
    x = sides.noise((12, 5), "float32")
    y = [np.eye(3, dtype="float32")[np.arange(12) % 3], sides.noise((12, 2), "float32", 1)]
    for options in compiled.values():
        ours, theirs = sides.pair(build, "float32")
        ours.compile("sgd", **options(nncore))
        theirs.compile("sgd", **options(keras))
        for one, other in ((from_keras(theirs), theirs), (ours, to_keras(ours))):
            logs = [model.evaluate(x, y, verbose=0, return_dict=True) for model in (one, other)]
            assert set(logs[0]) == set(logs[1])
            for name, value in logs[1].items():
                sides.assert_close(logs[0][name], np.float32(value), "float32", name)


METRICS = {
    "MeanIoU": {"num_classes": 2},
    "OneHotIoU": {"num_classes": 2, "target_class_ids": [0]},
    "OneHotMeanIoU": {"num_classes": 2},
    "IoU": {"num_classes": 2, "target_class_ids": [0, 1]},
    "BinaryIoU": {"threshold": 0.3},
    "AUC": {"num_thresholds": 30, "curve": "PR"},
    "Precision": {"thresholds": 0.3},
    "Recall": {"top_k": 1},
    "PrecisionAtRecall": {"recall": 0.4},
    "RecallAtPrecision": {"precision": 0.4},
    "SensitivityAtSpecificity": {"specificity": 0.4},
    "SpecificityAtSensitivity": {"sensitivity": 0.4},
    "FBetaScore": {"beta": 0.5, "average": "macro"},
    "TopKCategoricalAccuracy": {"k": 1},
    "SparseTopKCategoricalAccuracy": {"k": 1},
    "BinaryAccuracy": {"threshold": 0.3},
    "BinaryCrossentropy": {"label_smoothing": 0.1},
    "CategoricalCrossentropy": {"label_smoothing": 0.1},
}
SPARSE = ("SparseCategoricalAccuracy", "SparseCategoricalCrossentropy", "SparseTopKCategoricalAccuracy", "IoU",
          "MeanIoU")  # fmt: skip
# Of layers' outputs, not of predictions: they cannot be compiled on either side in the same way.
MEANS = ("Mean", "Sum", "Metric")


@pytest.mark.parametrize("name", [n for n in nncore.metrics.__all__ if n[0].isupper() and n not in MEANS])
def test_metrics(name):
    theirs = getattr(keras.metrics, name)(**METRICS.get(name, {}))
    x = sides.noise((12, 3), "float32")
    loss = "sparse_categorical_crossentropy" if name in SPARSE else "categorical_crossentropy"
    y = np.arange(12) % 2 if name in SPARSE else np.eye(2, dtype="float32")[np.arange(12) % 2]
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    if name in ("IoU", "MeanIoU"):
        theirs = getattr(keras.metrics, name)(**METRICS[name], sparse_y_pred=False)
    model.compile("sgd", loss, metrics=[theirs])
    ours = from_keras(model)
    back = to_keras(ours)
    wanted = model.evaluate(x, y, verbose=0, return_dict=True)
    assert_same_logs(ours.evaluate(x, y, return_dict=True), wanted)
    assert_same_logs(back.evaluate(x, y, verbose=0, return_dict=True), wanted)


def assert_same_logs(got, wanted):
    assert set(got) == set(wanted)
    for name, value in wanted.items():
        sides.assert_close(got[name], np.float32(value), "float32", name)


def test_without_what_was_compiled():
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    theirs.compile("adam", lambda a, b: a - b)
    with pytest.raises(ValueError, match="compile=False"):
        from_keras(theirs)
    assert not from_keras(theirs, compile=False).compiled
    ours = nncore_compiled("adam", "gaussian_nll")
    with pytest.raises(ValueError, match="losses GaussianNLL; compile=False"):
        to_keras(ours)
    assert not to_keras(ours, compile=False).compiled


# ---------------------------------------------------------------- files


def test_a_file_of_keras(tmp_path):
    pytest.importorskip("h5py")
    _, theirs = models.compiled(models.siamese, "float32")
    x, y = models.data(models.siamese, "float32")
    theirs.fit(x, y, epochs=1, verbose=0)
    theirs.save(tmp_path / "m.keras")
    ours = from_keras(tmp_path / "m.keras")
    sides.assert_close(ours.predict(x), output(theirs, x), "float32")
    assert ours.optimizer.iterations == int(theirs.optimizer.iterations)
    assert not from_keras(str(tmp_path / "m.keras"), compile=False).compiled
    with pytest.raises(FileNotFoundError, match="no file"):
        from_keras(tmp_path / "other.keras")


def test_what_comes_over_is_saved_and_trained(tmp_path):
    _, theirs = models.compiled(models.two_outputs, "float32")
    x, y = models.data(models.two_outputs, "float32")
    ours = from_keras(theirs)
    ours.save(tmp_path / "m.safetensors")
    again = nncore.models.load_model(tmp_path / "m.safetensors")
    for model in (ours, again, theirs):
        model.fit(x, y, epochs=2, batch_size=8, shuffle=False, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(ours.get_weights(), again.get_weights(), strict=True))
    sides.assert_close(ours.get_weights(), theirs.get_weights(), "float32")


# ---------------------------------------------------------------- refusals


def classes(module, base):
    found = {name: thing for name in dir(module) if isinstance(thing := getattr(module, name), type)}
    return {thing.__name__ for thing in found.values() if issubclass(thing, base)}


def test_every_layer_is_on_both_sides_or_refused_with_a_reason():
    theirs, ours = classes(keras.layers, keras.layers.Layer), classes(nncore.layers, nncore.layers.Layer)
    assert theirs >= layers.SAME
    assert ours >= layers.SAME
    own = {name for name in theirs if getattr(keras.layers, name, None) is not None}
    assert own - layers.SAME <= set(layers.KERAS_ONLY), "layers of Keras's"
    assert ours - layers.SAME == set(layers.NNCORE_ONLY), "layers of nncore's"


class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2 * x


class Program(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(2)

    def call(self, x):
        return self.dense(x)


class OwnStep(keras.Model):
    def train_step(self, data):
        return {"loss": 0.0}


def build_graph(function, shape=(4, 4)):
    x = keras.Input(shape)
    return keras.Model(x, function(x))


@pytest.mark.parametrize(("make", "error", "words"), [
    (lambda: build_graph(keras.layers.Conv3D(2, 1), (3, 3, 3, 1)), ValueError, "conv3d.*Conv3D.*three spatial axes"),
    (lambda: build_graph(keras.layers.Lambda(lambda x: x)), ValueError, "lambda.*a function of Python"),
    (lambda: build_graph(Doubled(name="twice")), ValueError, r"'twice' \(Doubled\)"),
    (lambda: build_graph(keras.layers.BatchNormalization(renorm=True)), ValueError, "'renorm'"),
    (lambda: build_graph(keras.layers.LayerNormalization(rms_scaling=True)), ValueError, "rms_scaling"),
    (lambda: build_graph(keras.layers.Conv1D(2, 1, data_format="channels_first")), ValueError, "data_format"),
    (lambda: build_graph(keras.layers.Flatten(data_format="channels_first")), ValueError, "data_format"),
    (lambda: build_graph(keras.layers.Conv1D(4, 4, kernel_initializer="stft")), ValueError, "kernel_initializer.*STFT"),
    (lambda: build_graph(keras.layers.Dense(2, activation="sparsemax")), ValueError, "sparsemax"),
    (lambda: build_graph(keras.layers.Dense(2, kernel_regularizer=keras.regularizers.OrthogonalRegularizer())),
     ValueError, "kernel_regularizer.*OrthogonalRegularizer"),
    (lambda: build_graph(lambda x: keras.ops.sum(x, axis=1)), ValueError, r"operation.*\(Sum\)"),
    (lambda: build_graph(lambda x: x[:, 0]), ValueError, "GetItem"),
    (lambda: build_graph(lambda x: keras.layers.Dropout(0.5)(x, training=True)), ValueError, "training=True"),
    (lambda: build_graph(lambda x: keras.layers.RNN(keras.layers.StackedRNNCells([keras.layers.GRUCell(2)]))(x)),
     ValueError, "RNN.*its cell"),
    (Program, TypeError, "Program defines call"),
    (lambda: OwnStep(x := keras.Input((2,)), keras.layers.Dense(2)(x)), TypeError, "train_step of its own"),
    (lambda: keras.Sequential([keras.layers.Dense(2)]), ValueError, "not built"),
    (lambda: 7, TypeError, "got int"),
])  # fmt: skip
def test_what_cannot_come_from_keras_is_named(make, error, words):
    with pytest.raises(error, match=words):
        from_keras(make())


class OurLayer(nncore.layers.Layer):
    def forward(self, x):
        return x

    def backward(self, dy):
        return dy


class OurModel(nncore.Model):
    def call(self, x):
        return x


@pytest.mark.parametrize(("make", "error", "words"), [
    (lambda: nncore.Sequential([nncore.Input((2,)), OurLayer(name="mine")]), ValueError, r"'mine' \(OurLayer\)"),
    (lambda: nncore.Sequential([nncore.layers.Dense(2)]), ValueError, "not built"),
    (OurModel, ValueError, "not built"),
    (lambda: "model", TypeError, "got str"),
])  # fmt: skip
def test_what_cannot_go_to_keras_is_named(make, error, words):
    with pytest.raises(error, match=words):
        to_keras(make())


def test_an_optimizer_of_nncore_alone():
    schedule = nncore.optimizers.schedules.LinearDecay(0.1, 10)
    with pytest.raises(ValueError, match="schedule LinearDecay; compile=False"):
        to_keras(nncore_compiled(nncore.optimizers.SGD(schedule)))


def test_a_frozen_layer_inside_of_another_layer():
    def build(k):
        inner = k.Sequential([k.Input((3,)), k.layers.Dense(2, name="frozen"), k.layers.Dense(2)], name="inner")
        model = k.Sequential([k.Input((4, 3)), k.layers.TimeDistributed(inner), k.layers.Dense(2)])
        inner.get_layer("frozen").trainable = False
        return model

    ours, theirs = sides.pair(build, "float32")
    assert len(theirs.trainable_variables) == 4 == len(from_keras(theirs).trainable_variables)
    assert len(ours.trainable_variables) == 4 == len(to_keras(ours).trainable_variables)

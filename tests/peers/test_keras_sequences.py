"""Sequences: embeddings, masks, labels and weights of steps, attention. The same numbers as Keras's."""

import numpy as np
import pytest

from peers import sides

ROWS, STEPS, WORDS, CLASSES = 9, 6, 12, 5


def words(seed=0):
    """Sequences of unlike lengths, which 0 fills up."""
    x = sides.random(seed).integers(1, WORDS, (ROWS, STEPS))
    x[:, 5:] = x[2, 2:] = x[5, 1:] = 0
    return x


def labels(seed=1):
    return sides.random(seed).integers(0, CLASSES, (ROWS, STEPS))


def over_words(*layers, mask_zero=True, **options):
    """A model of words: an embedding, layers (function of package and tensor), and scores of classes."""

    def build(k):
        x = start = k.Input((STEPS,), dtype="int32")
        x = k.layers.Embedding(WORDS, 8, mask_zero=mask_zero, name="embedding", **options)(x)
        for layer in layers:
            x = layer(k, x)
        return k.Model(start, k.layers.Dense(CLASSES, name="out")(x))

    return build


def compiled(build, dtype, loss=None, optimizer="SGD", given=None, **options):
    """Both models; `loss` is made by a function of the package, or has options of SparseCategoricalCrossentropy."""
    ours, theirs = sides.pair(build, dtype)
    for model, k in ((ours, sides.nncore), (theirs, sides.keras)):
        made = loss(k) if callable(loss) else k.losses.SparseCategoricalCrossentropy(True, **(loss or {}))
        model.compile(sides.optimizer(k, optimizer, learning_rate=0.05, **(given or {})), made, **options)
    return ours, theirs


def evaluated(models, x, y, dtype, **options):
    """Loss and metrics, over minibatches of four rows."""
    ours, theirs = (model.evaluate(x, y, batch_size=4, verbose=0, return_dict=True, **options) for model in models)
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        sides.assert_close(ours[name], value, dtype, name)


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize("mask_zero", [False, True])
@pytest.mark.parametrize("loss", [{}, {"reduction": "sum"}, {"reduction": "mean_with_sample_weight"},
                                  {"ignore_class": 2}], ids=str)  # fmt: skip
@pytest.mark.parametrize("weighted", [False, True])
def test_labels_of_steps(loss, mask_zero, weighted, dtype):
    metrics = ["accuracy", "sparse_categorical_crossentropy"]
    models = compiled(over_words(mask_zero=mask_zero), dtype, loss, metrics=metrics)
    weights = sides.random(4).uniform(0.1, 2, (ROWS, STEPS)).astype(dtype) if weighted else None
    sides.compare(*models, words(), labels(), dtype, weights)
    evaluated(models, words(), labels(), dtype, sample_weight=weights)


@pytest.mark.parametrize("dtype", sides.DTYPES)
def test_weighted_metrics_of_steps(dtype):
    """With a sum as loss, for otherwise Keras scales the weights in place before the metrics see them."""
    models = compiled(over_words(), dtype, {"reduction": "sum"}, weighted_metrics=["accuracy"], metrics=["accuracy"])
    weights = sides.random(4).uniform(0.1, 2, (ROWS, STEPS)).astype(dtype)
    evaluated(models, words(), labels(), dtype, sample_weight=weights)


@pytest.mark.parametrize("dtype", sides.DTYPES)
def test_numbers_of_steps_with_a_mask(dtype):
    models = compiled(over_words(), dtype, lambda k: k.losses.MeanSquaredError(), metrics=["mae"])
    y = sides.noise((ROWS, STEPS, CLASSES), dtype)
    sides.compare(*models, words(), y, dtype)
    evaluated(models, words(), y, dtype)


EMBEDDINGS = {
    "regularized": {"embeddings_regularizer": "l2"},
    "constrained": {"embeddings_constraint": "non_neg"},
    "activity": {"activity_regularizer": "l1"},
    "weights": {"weights": np.linspace(-1, 1, WORDS * 8).reshape(WORDS, 8)},
}


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize("case", EMBEDDINGS)
def test_embedding(case, dtype):
    models = compiled(over_words(mask_zero=False, **EMBEDDINGS[case]), dtype)
    sides.compare(*models, words(), labels(), dtype)


OPTIMIZERS = {
    "SGD": {},
    "Adam": {"epsilon": 1e-14},
    "RMSprop": {"epsilon": 1e-7},
    "Adagrad": {"epsilon": 1e-7, "initial_accumulator_value": 0.1},
    "Lion": {},
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_rows_that_are_not_used(optimizer):
    """They move with a moment, and stay without one, in both."""
    models = compiled(over_words(mask_zero=False), "float64", optimizer=optimizer, given=OPTIMIZERS[optimizer])
    for step in range(4):
        x = words(step) // 3
        for model in models:
            model.train_on_batch(x, labels(step))
    sides.assert_close(*(model.get_weights() for model in models), "float64")


def passing(name, *arguments, **options):
    return lambda k, x: getattr(k.layers, name)(*arguments, **options)(x)


def merged(name, *others, **options):
    """The tensor beside what others make of it."""
    return lambda k, x: getattr(k.layers, name)(**options)([x, *(other(k, x) for other in others)])


PASSING = {  # layers behind which the mask is that of Keras
    "Dense": passing("Dense", 7, activation="relu"),
    "Activation": passing("Activation", "tanh"),
    "LayerNormalization": passing("LayerNormalization"),
    "Dropout": passing("Dropout", 0.0),
    "PReLU": passing("PReLU"),
    "UnitNormalization": passing("UnitNormalization"),
    "Rescaling": passing("Rescaling", 0.5),
    "Reshape": passing("Reshape", (STEPS, 8)),
    "Permute": passing("Permute", (1, 2)),
    "Add": merged("Add", passing("Dense", 8)),
    "Add one without": merged("Add", passing("Reshape", (STEPS, 8))),
    "Average": merged("Average", passing("Dense", 8)),
    "Concatenate": merged("Concatenate", passing("Dense", 3)),
    "Concatenate one without": merged("Concatenate", passing("Reshape", (STEPS, 8))),
    "Masking": lambda k, x: k.layers.Masking(0.0)(k.layers.Dense(3, activation="relu")(x)),
}


@pytest.mark.filterwarnings("ignore:.*does not support masking")
@pytest.mark.parametrize("case", PASSING)
def test_masks_are_handed_on(case):
    models = compiled(over_words(PASSING[case]), "float64", metrics=["accuracy"])
    sides.compare(*models, words(), labels(), "float64")
    evaluated(models, words(), labels(), "float64")


HEEDED = {  # layers that leave masked steps out
    "LSTM": passing("LSTM", 5),
    "LSTM of sequences": passing("LSTM", 5, return_sequences=True),
    "GRU": passing("GRU", 5),
    "SimpleRNN": passing("SimpleRNN", 5),
    "Bidirectional": lambda k, x: k.layers.Bidirectional(k.layers.GRU(5), name="both")(x),
    "GlobalAveragePooling1D": passing("GlobalAveragePooling1D"),
    "TimeDistributed": lambda k, x: k.layers.TimeDistributed(k.layers.Dense(5))(x),
}


@pytest.mark.parametrize("case", HEEDED)
def test_masks_are_heeded(case):
    models = compiled(over_words(HEEDED[case]), "float64", lambda k: "mse", metrics=["mae"])
    y = sides.noise(models[0].predict(words()).shape, "float64")
    sides.compare(*models, words(), y, "float64")
    evaluated(models, words(), y, "float64")


@pytest.mark.parametrize("dtype", sides.DTYPES)
def test_masking_of_numbers(dtype):
    def build(k):
        x = k.Input((STEPS, 3))
        return k.Model(x, k.layers.Dense(2)(k.layers.Masking(0.5)(k.layers.Dense(3, activation="linear")(x))))

    def alone(k):
        x = k.Input((STEPS, 3))
        return k.Model(x, k.layers.Dense(2)(k.layers.Masking(0.5)(x)))

    x, y = sides.noise((ROWS, STEPS, 3), dtype), sides.noise((ROWS, STEPS, 2), dtype, 1)
    x[:, 4:], x[3, 1:], x[4, 0, 0] = 0.5, 0.5, 0.5
    for made in (build, alone):
        models = compiled(made, dtype, lambda k: "mse", metrics=["mae"])
        sides.compare(*models, x, y, dtype)
        evaluated(models, x, y, dtype)


def attending(residual=False, cls="MultiHeadAttention", call=None, **options):
    def layer(k, x):
        made = getattr(k.layers, cls)(**options)
        y = made(x, x, **(call or {})) if cls == "MultiHeadAttention" else made([x, x], **(call or {}))
        return k.layers.Add()([x, y]) if residual else y

    return layer


HEADS = {"num_heads": 2, "key_dim": 3}
ATTENTION = {
    "plain": (False, attending(residual=True, **HEADS)),
    "causal": (False, attending(residual=True, call={"use_causal_mask": True}, **HEADS)),
    "masked": (True, attending(**HEADS)),
    "masked and causal": (True, attending(call={"use_causal_mask": True}, **HEADS)),
    "sizes": (True, attending(value_dim=5, output_shape=7, **HEADS)),
    "without bias": (True, attending(use_bias=False, **HEADS)),
    "regularized": (True, attending(kernel_regularizer="l2", bias_regularizer="l1", **HEADS)),
    "activity": (False, attending(activity_regularizer="l2", **HEADS)),
    "constrained": (True, attending(kernel_constraint="non_neg", **HEADS)),
}  # fmt: skip


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize("case", ATTENTION)
def test_multi_head_attention(case, dtype):
    """The bias of the keys has no effect: its gradient is what is left of sums of the size of the others."""
    mask_zero, layer = ATTENTION[case]
    models = compiled(over_words(layer, mask_zero=mask_zero), dtype)
    assert [w.name for w in models[0].weight_list()][1:3] != ["embeddings"]
    sides.compare(*models, words(), labels(), dtype, least=0.1)


SINGLE_HEADS = {
    "dot": {},
    "scaled dot": {"use_scale": True},
    "concat": {"score_mode": "concat"},
    "scaled concat": {"score_mode": "concat", "use_scale": True},
    "additive": {"cls": "AdditiveAttention"},
    "additive unscaled": {"cls": "AdditiveAttention", "use_scale": False},
}


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize("kind", ["plain", "masked", "causal"])
@pytest.mark.parametrize("case", SINGLE_HEADS)
def test_attention_of_one_head(case, kind, dtype):
    """The gradient of a scale, one number, is what is left of terms of a hundredth."""
    layer = attending(**{"cls": "Attention", **SINGLE_HEADS[case]}, call={"use_causal_mask": kind == "causal"})
    models = compiled(over_words(layer, mask_zero=kind != "plain"), dtype)
    sides.compare(*models, words(), labels(), dtype, least=0.01)


@pytest.mark.parametrize("cls", ["Attention", "AdditiveAttention"])
def test_attention_of_one_head_to_another_sequence(cls):
    def build(k):
        q, v, m = k.Input((4, 3), name="q"), k.Input((STEPS, 5), name="v"), k.Input((STEPS,), name="m", dtype="bool")
        query, value = k.layers.Dense(3, name="before_q")(q), k.layers.Dense(5, name="before_v")(v)
        key = k.layers.Dense(3, name="before_k")(v)
        y, scores = getattr(k.layers, cls)(name="a")([query, value, key], mask=[None, m], return_attention_scores=True)
        return k.Model([q, v, m], k.layers.Dense(2, name="out")(k.layers.Concatenate(name="c")([y, scores])))

    x = [sides.noise((ROWS, 4, 3), "float64"), sides.noise((ROWS, STEPS, 5), "float64", 1)]
    mask = sides.random(3).random((ROWS, STEPS)) < 0.6
    models = compiled(build, "float64", lambda k: "mse")
    sides.compare(*models, [*x, mask], sides.noise((ROWS, 4, 2), "float64", 4), "float64", least=0.1)


@pytest.mark.parametrize("scores", [False, True])
def test_attention_to_another_sequence(scores):
    def build(k):
        q, v, m = k.Input((queries, 3), name="q"), k.Input((STEPS, 5), name="v"), k.Input((queries, STEPS), name="m")
        query, value = k.layers.Dense(3, name="before_q")(q), k.layers.Dense(5, name="before_v")(v)
        key = k.layers.Dense(7, name="before_k")(v)
        y = k.layers.MultiHeadAttention(3, 4, name="a")(query, value, key=key, attention_mask=m,
                                                        return_attention_scores=scores)  # fmt: skip
        if scores:
            seen = k.layers.Reshape((queries, 3 * STEPS))(k.layers.Permute((2, 1, 3))(y[1]))
            y = k.layers.Concatenate(name="c")([y[0], seen])
        return k.Model([q, v, m], k.layers.Dense(2, name="out")(y))

    queries = STEPS if scores else 4  # Keras has the shape of scores right where they are square
    x = [sides.noise((ROWS, queries, 3), "float64"), sides.noise((ROWS, STEPS, 5), "float64", 1)]
    mask = (sides.random(3).random((ROWS, queries, STEPS)) < 0.6).astype("float64")
    mask[..., 0] = 1
    models = compiled(build, "float64", lambda k: "mse")
    sides.compare(*models, [*x, mask], sides.noise((ROWS, queries, 2), "float64", 4), "float64", least=0.1)


def test_what_a_query_gets_that_may_look_at_nothing():
    """The mean of all values, and where scores are wanted nothing: as Keras's two ways of computing have it."""
    x, mask = sides.noise((2, 3, 4), "float32"), np.ones((2, 3, 3), bool)
    mask[0, 1] = False
    ours, theirs = (k.layers.MultiHeadAttention(2, 3) for k in sides.both("float32"))
    ours(x, x), theirs(x, x)
    theirs.set_weights([w + 0.1 for w in ours.get_weights()])
    ours.set_weights(theirs.get_weights())
    sides.assert_close(ours(x, x, attention_mask=mask), theirs(x, x, attention_mask=mask), "float32")
    got, wanted = (layer(x, x, attention_mask=mask, return_attention_scores=True) for layer in (ours, theirs))
    sides.assert_close(got, list(wanted), "float32")

"""Masks and weights of steps: who makes them, who hands them on, and what losses and metrics make of them."""

import copy

import numpy as np
import pytest

import nncore as nn
from nncore import _engine

ROWS, STEPS, CLASSES = 11, 5, 4


def words():
    x = np.random.default_rng(0).integers(1, 9, (ROWS, STEPS))
    x[:, 4] = x[2, 1:] = x[5, 2:] = 0
    return x


def labels():
    return np.random.default_rng(1).integers(0, CLASSES, (ROWS, STEPS))


def weights():
    return np.random.default_rng(2).uniform(0.1, 2, (ROWS, STEPS))


def model_of(loss=None, layers=(), mask_zero=True, dtype="float64", optimizer="sgd", **options):
    model = nn.Sequential([
        nn.Input((STEPS,)), nn.layers.Embedding(9, 3, mask_zero=mask_zero), *layers, nn.layers.Dense(CLASSES),
    ], dtype=dtype, seed=6)  # fmt: skip
    model.compile(optimizer, loss or nn.losses.SparseCategoricalCrossentropy(from_logits=True), **options)
    return model


def crossentropies(logits, y):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return -np.log(np.take_along_axis(powers / powers.sum(axis=-1, keepdims=True), y[..., None], axis=-1)[..., 0])


def reduced(losses, mask, weight, reduction):
    """Keras's apply_mask and reduce_weighted_values."""
    total = (losses * mask * weight).sum()
    counts = {"sum_over_batch_size": mask.sum(), "sum": 1, "mean_with_sample_weight": (mask * weight).sum()}
    return total / counts[reduction]


REDUCTIONS = ("sum_over_batch_size", "sum", "mean_with_sample_weight")


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("ignore", [None, 2, -1])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("weighing", ["none", "rows", "steps"])
def test_losses_of_steps(masked, weighing, ignore, reduction):
    loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction, ignore_class=ignore)
    model, x, y = model_of(loss, mask_zero=masked), words(), labels()
    if ignore == -1:
        y[3, 1] = -1
    given = {"none": None, "rows": weights()[:, 0], "steps": weights()}[weighing]
    weight = np.ones((ROWS, STEPS)) if given is None else np.broadcast_to(given.reshape(ROWS, -1), (ROWS, STEPS))
    mask = ((x != 0) | (not masked)) & (y != ignore)

    def value():
        return reduced(crossentropies(model.predict(x), np.maximum(y, 0)), mask, weight, reduction)

    got, gradients = model.value_and_gradients(x, y, given)
    assert abs(got - value()) < 1e-12 * max(1, got)
    assert abs(model.evaluate(x, y, sample_weight=given) - value()) < 1e-12 * max(1, got)
    assert abs(model.test_on_batch(x, y, sample_weight=given) - value()) < 1e-12 * max(1, got)
    for array, gradient in zip(model.weights, gradients, strict=True):
        for place in list(np.ndindex(array.shape))[::5]:
            kept, step = array[place], 1e-5
            array[place] = kept + step
            above = value()
            array[place] = kept - step
            slope = (above - value()) / (2 * step)
            array[place] = kept
            assert abs(gradient[place] - slope) < 5e-6 * max(1, abs(slope))


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "binary_crossentropy", "kl_divergence", "cosine_similarity",
                                  "categorical_crossentropy", "gaussian_nll"])  # fmt: skip
def test_every_kind_of_loss_takes_masks(loss):
    """As of the steps that count, as rows."""
    x, mask = words(), words() != 0
    model = model_of(loss, [nn.layers.Dense(3), nn.layers.Activation("sigmoid")])
    y = np.random.default_rng(4).uniform(0.1, 1, (ROWS, STEPS, CLASSES // (1 + (loss == "gaussian_nll"))))
    wanted = nn.losses.get(loss)(y[mask], model.predict(x)[mask])
    assert abs(model.evaluate(x, y) - wanted) < 1e-12


def test_metrics_of_steps():
    model, x, y, w = model_of(metrics=["accuracy", "sparse_categorical_crossentropy"],
                              weighted_metrics=["accuracy"]), words(), labels(), weights()  # fmt: skip
    mask, logits = x != 0, model.predict(x)
    hits = logits.argmax(axis=-1) == y
    logs = model.evaluate(x, y, sample_weight=w, return_dict=True)
    assert abs(logs["accuracy"] - hits[mask].mean()) < 1e-12
    assert abs(logs["weighted_accuracy"] - (hits * mask * w).sum() / (mask * w).sum()) < 1e-12
    batches = [model.test_on_batch(x[i : i + 3], y[i : i + 3], sample_weight=w[i : i + 3]) for i in range(0, ROWS, 3)]
    assert len(batches[0]) == 4
    plain = model_of(mask_zero=False, metrics=["accuracy"])
    assert abs(plain.evaluate(x, y)[1] - (plain.predict(x).argmax(axis=-1) == y).mean()) < 1e-12


def test_a_loss_of_minibatches_is_that_of_each():
    """What counts differs from minibatch to minibatch, so that batch_size shows, as in Keras."""
    model, x, y = model_of(), words(), labels()
    losses, mask = crossentropies(model.predict(x), y), words() != 0
    parts = [slice(0, 4), slice(4, 8), slice(8, 11)]
    wanted = sum((losses * mask)[part].sum() / mask[part].sum() * len(losses[part]) for part in parts) / ROWS
    assert abs(model.evaluate(x, y, batch_size=4) - wanted) < 1e-12
    big = np.tile(x, (60, 1)), np.tile(y, (60, 1))
    assert abs(model.evaluate(*big, batch_size=660) - (losses * mask).sum() / mask.sum()) < 1e-12


def test_a_minibatch_of_nothing_but_masked_steps_has_no_loss():
    model = model_of()
    before = model.get_weights()
    assert model.train_on_batch(np.zeros((3, STEPS)), labels()[:3]) == 0
    assert all((w == b).all() for w, b in zip(model.get_weights(), before, strict=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_for_any_threads_and_cuts(dtype):
    x, y, w = (np.tile(a, (60, 1)) for a in (words(), labels(), weights()))

    def trained(threads, hooks=False):
        model = model_of(dtype=dtype, optimizer="adam", metrics=["accuracy"])
        hook = nn.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
        with nn.config.threads(threads):
            history = model.fit(x, y, batch_size=200, epochs=2, sample_weight=w, verbose=0,
                                callbacks=[hook] if hooks else None).history  # fmt: skip
        return [a.tobytes() for a in model.weights], history

    _engine.set_pacing(False)
    try:
        assert trained(1) == trained(2) == trained(3) == trained(2, hooks=True)
    finally:
        _engine.set_pacing(True)


def test_masking():
    x = np.random.default_rng(3).standard_normal((ROWS, STEPS, 3))
    x[:, 3:], x[1], x[2, 0, 1], x[4, 0, 2] = 0.5, 0.5, 0.5, np.nan
    y = nn.layers.Masking(0.5)(x)
    kept = (x != 0.5).any(axis=-1)
    assert (y[~kept] == 0).all()
    np.testing.assert_array_equal(y[kept], x[kept])
    model = nn.Sequential([nn.Input((STEPS, 3)), nn.layers.Masking(0.5)], dtype="float64")
    model.compile("sgd", "mse")
    x[4, 0, 2] = 1
    assert abs(model.evaluate(x, x - 1) - 1) < 1e-12
    model.forward(x)
    dy = np.random.default_rng(5).standard_normal(x.shape)
    assert (model.backward(dy) == dy * (x != 0.5).any(axis=-1)[..., None]).all()


HANDED_ON = {
    "Dense": (lambda x: nn.layers.Dense(3)(x), True),
    "Softmax": (lambda x: nn.layers.Softmax()(x), True),
    "Dropout": (lambda x: nn.layers.Dropout(0.5)(x), True),
    "GaussianNoise": (lambda x: nn.layers.GaussianNoise(0.5)(x), True),
    "SpatialDropout1D": (lambda x: nn.layers.SpatialDropout1D(0.5)(x), True),
    "LayerNormalization": (lambda x: nn.layers.LayerNormalization()(x), True),
    "BatchNormalization": (lambda x: nn.layers.BatchNormalization()(x), True),
    "GroupNormalization": (lambda x: nn.layers.GroupNormalization(3)(x), True),
    "TimeDistributed": (lambda x: nn.layers.TimeDistributed(nn.layers.Activation("tanh"))(x), True),
    "UnitNormalization": (lambda x: nn.layers.UnitNormalization()(x), True),
    "RMSNormalization": (lambda x: nn.layers.RMSNormalization()(x), False),
    "Rescaling": (lambda x: x * 2.0 + 1.0, True),
    "Flatten": (lambda x: nn.layers.Flatten()(x), False),
    "Reshape": (lambda x: nn.layers.Reshape((STEPS, 3))(x), False),
    "Permute": (lambda x: nn.layers.Permute((1, 2))(x), False),
    "Add": (lambda x: nn.layers.Dense(3)(x) + x, True),
    "Add to one without": (lambda x: nn.layers.Reshape((STEPS, 3))(x) + x, False),
    "Concatenate": (lambda x: nn.layers.Concatenate()([x, nn.layers.Dense(2)(x)]), True),
    "Concatenate with one without": (lambda x: nn.layers.Concatenate()([x, nn.layers.Reshape((STEPS, 3))(x)]), False),
    "Dot": (lambda x: nn.layers.Dot(2)([x, x]), False),
    "a model": (lambda x: nn.Sequential(
        [nn.Input((STEPS, 3)), nn.layers.Dense(2), nn.layers.ReLU()], dtype="float64")(x), True),
    "MultiHeadAttention": (lambda x: nn.layers.MultiHeadAttention(1, 2)(x, x), True),
}  # fmt: skip


@pytest.mark.parametrize("name", HANDED_ON)
def test_which_layers_hand_masks_on(name):
    layers, wanted = HANDED_ON[name]
    start = nn.Input((STEPS,))
    model = nn.Model(start, layers(nn.layers.Embedding(9, 3, mask_zero=True)(start)), dtype="float64")
    model.compile("sgd", "mse")
    x = words()
    y = model.predict(x)
    off = y.copy()
    off.reshape(ROWS, STEPS, -1)[x == 0] += 1  # only masked steps are wrong
    assert (model.evaluate(x, off) == 0) == wanted
    off = y.copy()
    off.reshape(ROWS, STEPS, -1)[x != 0] += 1
    assert abs(model.evaluate(x, off) - (1 if wanted else (x != 0).mean())) < 1e-9


def test_masks_beside_each_other_and_one_or_the_other():
    a, b = nn.Input((STEPS,)), nn.Input((STEPS,))
    one, other = (nn.layers.Embedding(9, 3, mask_zero=True)(x) for x in (a, b))
    x, z = words(), words()[::-1]
    cases = {
        "either": (one + other, (x != 0) | (z != 0)),
        "along steps": (nn.layers.Concatenate(1)([one, other]), np.concatenate([x != 0, z != 0], axis=1)),
        "along steps, one without": (
            nn.layers.Concatenate(1)([nn.layers.Reshape((STEPS, 3))(one), other]),
            np.concatenate([x > -1, z != 0], axis=1)),
        "along features": (nn.layers.Concatenate()([one, other]), (x != 0) | (z != 0)),
    }  # fmt: skip
    for name, (output, mask) in cases.items():
        model = nn.Model([a, b], output, dtype="float64")
        model.compile("sgd", "mse")
        y = model.predict([x, z])
        error = np.random.default_rng(8).standard_normal(mask.shape)
        loss = model.evaluate([x, z], y + error[..., None])
        assert abs(loss - (error[mask] ** 2).mean()) < 1e-12, name


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_masks_of_fewer_axes_than_what_stands_beside_each_other(axis):
    """Steps are matrices: along those axes that masks do not have, what counts in one counts."""
    a, b = nn.Input((STEPS,)), nn.Input((STEPS,))
    matrices = [nn.layers.TimeDistributed(nn.layers.Reshape((2, 3)))(nn.layers.Embedding(9, 6, mask_zero=True)(x))
                for x in (a, b)]  # fmt: skip
    joined = nn.layers.TimeDistributed(nn.layers.Flatten())(nn.layers.Concatenate(axis)(matrices))
    x, z = words(), words()[::-1]
    steps = nn.Model([a, b], joined, dtype="float64").predict([x, z])
    counts = np.concatenate([x != 0, z != 0], axis=1) if axis == 1 else (x != 0) | (z != 0)
    wanted = (steps * counts[..., None]).sum(axis=1) / counts.sum(axis=1, keepdims=True)
    means = nn.Model([a, b], nn.layers.GlobalAveragePooling1D()(joined), dtype="float64")
    np.testing.assert_allclose(means.predict([x, z]), wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("ignore", [None, 2])
def test_losses_of_arrays_with_weights_of_steps(ignore, reduction):
    logits, y, w = np.random.default_rng(9).standard_normal((ROWS, STEPS, CLASSES)), labels(), weights()
    loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction, ignore_class=ignore)
    each, mask = crossentropies(logits, y), y != ignore
    value, gradient = loss.value_and_gradient(y, logits, w)
    assert abs(value - reduced(each, mask, w, reduction)) < 1e-12 * max(1, value)
    assert loss(y, logits, w) == value
    assert gradient.shape == logits.shape
    for place in list(np.ndindex(logits.shape))[::13]:
        slope, kept = 0, logits[place]
        for step in (1e-5, -1e-5):
            logits[place] = kept + step
            slope += reduced(crossentropies(logits, y), mask, w, reduction) / (2 * step)
        logits[place] = kept
        assert abs(gradient[place] - slope) < 5e-6 * max(1, abs(slope))
    none = nn.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="none", ignore_class=ignore)
    np.testing.assert_allclose(none(y, logits, w), each * mask * w, rtol=1e-12, atol=1e-15)
    square = nn.losses.MeanSquaredError(reduction=reduction)
    wanted = reduced((logits**2).mean(axis=-1), np.ones(w.shape), w, reduction)
    assert abs(square(np.zeros_like(logits), logits, w) - wanted) < 1e-12 * wanted


def test_metrics_of_arrays_with_weights_of_steps():
    logits, y, w = np.random.default_rng(9).standard_normal((ROWS, STEPS, CLASSES)), labels(), weights()
    hits = logits.argmax(axis=-1) == y
    metric = nn.metrics.SparseCategoricalAccuracy()
    assert abs(metric(y, logits, w) - (hits * w).sum() / w.sum()) < 1e-12
    wanted = ((hits * w).sum() + hits.sum()) / (w.sum() + w.size)
    assert abs(metric(y, logits) - wanted) < 1e-12, "with others that have none"
    with pytest.raises(ValueError, match=r"sample_weight must have shape \(11,\); got \(11, 5\)"):
        nn.metrics.AUC()(np.zeros((ROWS, STEPS, 1)), np.zeros((ROWS, STEPS, 1)), w)


def test_files_and_copies(tmp_path):
    model = model_of(layers=[nn.layers.Masking(0.25), nn.layers.Dropout(0.1)])
    model.fit(words(), labels(), verbose=0)
    model.save(tmp_path / "m")
    for twin in (nn.models.load_model(tmp_path / "m"), copy.deepcopy(model)):
        assert twin.evaluate(words(), labels()) == model.evaluate(words(), labels())
    layer = nn.layers.Masking(0.25)
    assert nn.layers.Masking.from_config(layer.get_config()).get_config() == layer.get_config()


ERRORS = {
    "shape of weights": (lambda: model_of().fit(words(), labels(), sample_weight=np.ones((ROWS, 2)), verbose=0),
                         r"sample_weight must have shape \(11,\) or \(11, 5\); got \(11, 2\)"),
    "negative weights": (lambda: model_of().fit(words(), labels(), sample_weight=-weights(), verbose=0), "negative"),
    "labels": (lambda: model_of().fit(words(), labels() + 1, verbose=0), "holds the class 4 in row"),
    "labels of rows": (lambda: model_of().fit(words(), labels()[:, 0], verbose=0), r"shape \(11, 5\); y has \(11,\)"),
    "one-hot": (lambda: model_of().fit(words(), np.zeros((ROWS, STEPS, CLASSES)), verbose=0), "one-hot"),
    "class_weight": (lambda: model_of().fit(words(), labels(), class_weight={1: 2.0}, verbose=0), "class_weight is"),
    "counts": (lambda: model_of("mse", weighted_metrics=[nn.metrics.AUC()]).fit(
        words(), np.zeros((ROWS, STEPS, CLASSES)), sample_weight=weights(), verbose=0), "'auc' takes a sample_weight"),
    "BatchNormalization": (lambda: model_of(layers=[nn.layers.BatchNormalization()]).fit(words(), labels(), verbose=0),
                           "does not support masked inputs in training"),
    "a loss in Python": (lambda: model_of(lambda y, p: ((y - p) ** 2).mean(axis=-1)).evaluate(
        words(), np.zeros((ROWS, STEPS, CLASSES))), "in Python takes no masks"),
    "Masking": (lambda: nn.layers.Masking()(nn.Input((3,))), r"needs samples of shape \(steps, features\)"),
    "mask_value": (lambda: nn.layers.Masking("a"), "mask_value must be a number"),
}  # fmt: skip


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    attempt, message = ERRORS[case]
    with pytest.raises((ValueError, TypeError), match=message):
        attempt()

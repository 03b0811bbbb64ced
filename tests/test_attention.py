"""MultiHeadAttention: values, gradients by differences, masks, scores, dropout, files, bad arguments."""

import copy

import numpy as np
import pytest

import nncore as nn
from nncore import _engine

ROWS, QUERIES, KEYS, HEADS, KEY_DIM = 5, 4, 6, 3, 2


def noise(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def attention(weights, query, value, key, seen, unseeing=0.0):
    """Output and scores in NumPy; `seen` is (rows, queries, keys)."""
    wq, bq, wk, bk, wv, bv, wo, bo = weights
    q, k, v = (np.einsum("rtf,fhd->rthd", x, w) + b for x, w, b in ((query, wq, bq), (key, wk, bk), (value, wv, bv)))
    scores = np.einsum("rthd,rshd->rhts", q, k) / np.sqrt(q.shape[-1])
    with np.errstate(invalid="ignore"):
        scores = softmax(np.where(seen[:, None], scores, -np.inf))
    scores = np.where(seen.any(axis=-1)[:, None, :, None], scores, unseeing)
    return np.einsum("rhts,rshd,hdo->rto", scores, v, wo) + bo, scores


def built(dtype="float64", names=(), value_dim=5, call=None, **options):
    """The layer between inputs query, value, key and masks and its outputs; weights are no zeros."""
    layer = nn.layers.MultiHeadAttention(HEADS, KEY_DIM, value_dim, output_shape=7, **options)
    shapes = {"query_mask": (QUERIES,), "value_mask": (KEYS,), "key_mask": (KEYS,), "attention_mask": (QUERIES, KEYS)}
    inputs = [nn.Input((QUERIES, 4)), nn.Input((KEYS, 3)), nn.Input((KEYS, 5)), *(nn.Input(shapes[n]) for n in names)]
    y = layer(*inputs[:3], **dict(zip(names, inputs[3:], strict=True)), **(call or {}))
    model = nn.Model(inputs, y, dtype=dtype, seed=4)
    model.set_weights([w + noise(*w.shape, seed=9) / 3 for w in model.get_weights()])
    return model


def data(dtype="float64"):
    return [noise(ROWS, *shape).astype(dtype) for shape in ((QUERIES, 4), (KEYS, 3), (KEYS, 5))]


def mask(*shape, seed=1):
    made = np.random.default_rng(seed).random(shape) < 0.5
    made[1, 0] = False
    return made


MASKS = {
    "none": ((), False),
    "causal": ((), True),
    "queries": (("query_mask",), False),
    "values and keys": (("value_mask", "key_mask"), False),
    "pairs": (("attention_mask",), False),
    "all": (("query_mask", "value_mask", "key_mask", "attention_mask"), True),
}


def masks_of(case):
    names, causal = MASKS[case]
    shapes = {"query_mask": (QUERIES, 1), "value_mask": (1, KEYS), "key_mask": (1, KEYS)}
    made = [mask(ROWS, *shapes.get(name, (QUERIES, KEYS)), seed=n) for n, name in enumerate(names)]
    seen = np.ones((ROWS, QUERIES, KEYS), bool)
    for one in made:
        seen &= one
    if causal:
        seen &= np.tril(np.ones((QUERIES, KEYS), bool))
    assert not names or not seen.any(axis=-1).all(), "some queries see nothing"
    return names, causal, [one if name == "attention_mask" else one.reshape(ROWS, -1)
                           for name, one in zip(names, made, strict=True)], seen  # fmt: skip


@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("case", MASKS)
def test_values(case, scores):
    names, causal, given, seen = masks_of(case)
    model = built(names=names, call={"use_causal_mask": causal, "return_attention_scores": scores})
    x = data()
    y, weights = attention(model.get_weights(), *x[:2], x[2], seen, 0 if scores else 1 / KEYS)
    got = model.predict([*x, *given])
    np.testing.assert_allclose(got[0] if scores else got, y, rtol=1e-12, atol=1e-13)
    if scores:
        np.testing.assert_allclose(got[1], weights, rtol=1e-12, atol=1e-15)
    single = built("float32", names=names, call={"use_causal_mask": causal, "return_attention_scores": scores})
    single.set_weights(model.get_weights())
    got = single.predict([*(a.astype(np.float32) for a in x), *given])
    np.testing.assert_allclose(got[0] if scores else got, y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", MASKS)
def test_gradients_by_central_differences(case):
    names, causal, given, seen = masks_of(case)
    model = built(names=names, call={"use_causal_mask": causal})
    x, dy = data(), noise(ROWS, QUERIES, 7, seed=3)

    def value():
        weights = [w.array for w in model.weight_list()]
        y, _ = attention(weights, *x[:2], x[2], seen, 1 / KEYS)
        return (y * dy).sum()

    model.forward([*x, *given])
    inputs = model.backward(dy)[:3]
    blind = ~seen.any(axis=-1)
    for array, gradient in [*zip(x, inputs, strict=True), *zip(model.weights, model.gradients, strict=True)]:
        for place in list(np.ndindex(array.shape))[:: max(1, array.size // 12)]:
            kept, step = array[place], 1e-5
            array[place] = kept + step
            above = value()
            array[place] = kept - step
            slope = (above - value()) / (2 * step)
            array[place] = kept
            assert abs(gradient[place] - slope) < 5e-6 * max(1, abs(slope)), (array.shape, place, blind.any())


def test_self_attention_adds_up_the_gradients_of_its_three_parts():
    x = nn.Input((KEYS, 4))
    model = nn.Model(x, nn.layers.MultiHeadAttention(HEADS, KEY_DIM)(x, x, use_causal_mask=True), dtype="float64")
    a, dy = noise(ROWS, KEYS, 4), noise(ROWS, KEYS, 4, seed=1)
    seen = np.tril(np.ones((ROWS, KEYS, KEYS), bool))
    model.forward(a)
    gradient = model.backward(dy)
    for place in ((0, 0, 0), (1, 3, 2), (4, 5, 3)):
        slopes = []
        for step in (1e-5, -1e-5):
            b = a.copy()
            b[place] += step
            slopes.append((attention(model.get_weights(), b, b, b, seen)[0] * dy).sum() / 2e-5)
        assert abs(gradient[place] - slopes[0] + slopes[1]) < 5e-6


@pytest.mark.parametrize("size", [1, 9, 33])
def test_sizes(size):
    x = nn.Input((size, 3))
    layer = nn.layers.MultiHeadAttention(2, size, value_dim=size + 1)
    model = nn.Model(x, layer(x, x), dtype="float64")
    a = noise(3, size, 3)
    wanted, _ = attention(model.get_weights(), a, a, a, np.ones((3, size, size), bool))
    np.testing.assert_allclose(model.predict(a), wanted, rtol=1e-12, atol=1e-13)


def test_huge_scores_and_nothing_to_see_are_finite():
    x = nn.Input((3, 2))
    m = nn.Input((3, 3))
    model = nn.Model([x, m], nn.layers.MultiHeadAttention(1, 2)(x, x, attention_mask=m))
    model.compile("sgd", "mse")
    a = np.full((2, 3, 2), 1e18, np.float32) * [1, -1]
    assert np.isfinite(model.predict([a, np.zeros((2, 3, 3))])).all()
    assert np.isfinite(model.predict([a, np.eye(3)[None].repeat(2, axis=0)])).all()
    small = noise(2, 3, 2)
    assert np.isfinite(model.train_on_batch([small, np.zeros((2, 3, 3))], np.zeros((2, 3, 2))))
    assert all(np.isfinite(w).all() for w in model.weights)


def test_dropout_is_of_the_scores_and_of_training():
    model = built(dropout=0.5)
    x = data()
    y, _ = attention(model.get_weights(), *x[:2], x[2], np.ones((ROWS, QUERIES, KEYS), bool))
    np.testing.assert_allclose(model.predict(x), y, rtol=1e-12, atol=1e-13)
    samples = [model.forward(x, training=True) for _ in range(400)]
    assert not np.array_equal(samples[0], samples[1])
    error = np.std(samples, axis=0) / 20
    assert (np.abs(np.mean(samples, axis=0) - y) < 5 * error).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_for_any_threads(dtype):
    x = [np.concatenate([a] * 30) for a in data(dtype)]

    def trained(threads):
        model = built(dtype, dropout=0.1)
        model.compile("adam", "mse")
        with nn.config.threads(threads):
            model.fit(x, noise(len(x[0]), QUERIES, 7), batch_size=50, epochs=2, verbose=0)
        return [w.tobytes() for w in model.weights]

    _engine.set_pacing(False)
    try:
        assert trained(1) == trained(2) == trained(3)
    finally:
        _engine.set_pacing(True)


def test_on_arrays():
    layer = nn.layers.MultiHeadAttention(2, 3)
    a = noise(3, 4, 5)
    y = layer(a, a, use_causal_mask=True)
    wanted, scores = attention(layer.get_weights(), a, a, a, np.tril(np.ones((3, 4, 4), bool)))
    np.testing.assert_allclose(y, wanted, rtol=1e-12, atol=1e-13)
    both = layer(a, a, use_causal_mask=True, return_attention_scores=True)
    np.testing.assert_allclose(both[1], scores, rtol=1e-12, atol=1e-15)
    assert layer(a[:, :2], a[:, :3]).shape == (3, 2, 5), "other numbers of steps"


def test_configuration_files_and_copies(tmp_path):
    names = ("attention_mask",)
    model = built(names=names, dropout=0.1, kernel_regularizer="l2", call={"use_causal_mask": True})
    layer = model.layers[-1]
    twin = nn.layers.MultiHeadAttention.from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()
    assert [w.name for w in layer.weight_list()][:3] == ["query/kernel", "query/bias", "key/kernel"]
    x = [*data(), mask(ROWS, QUERIES, KEYS)]
    model.compile("adam", "mse")
    model.fit(x, noise(ROWS, QUERIES, 7), verbose=0)
    model.save(tmp_path / "m")
    for twin in (nn.models.load_model(tmp_path / "m"), copy.deepcopy(model), nn.Model.from_config(model.get_config())):
        twin.set_weights(model.get_weights())
        assert (twin.predict(x) == model.predict(x)).all()


ONE_HEAD = {
    "dot": (nn.layers.Attention, {}),
    "scaled dot": (nn.layers.Attention, {"use_scale": True}),
    "concat": (nn.layers.Attention, {"score_mode": "concat"}),
    "scaled concat": (nn.layers.Attention, {"score_mode": "concat", "use_scale": True}),
    "additive": (nn.layers.AdditiveAttention, {}),
    "additive unscaled": (nn.layers.AdditiveAttention, {"use_scale": False}),
}


def one_head(layer, query, value, key, query_seen, seen):
    """Output and scores in NumPy."""
    scale = 1 if layer.scale is None else layer.scale
    pairs = query[:, :, None] + key[:, None]
    if isinstance(layer, nn.layers.AdditiveAttention):
        scores = (scale * np.tanh(pairs)).sum(axis=-1)
    elif layer.score_mode == "concat":
        scores = layer.concat_score_weight * np.tanh(scale * pairs).sum(axis=-1)
    else:
        scores = scale * query @ key.transpose(0, 2, 1)
    scores = softmax(np.where(seen, scores, scores - 1e9))
    return (scores @ value) * query_seen[..., None], scores


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("case", ONE_HEAD)
def test_one_head(case, causal):
    cls, options = ONE_HEAD[case]
    layer = cls(**options)
    inputs = [nn.Input(shape) for shape in ((QUERIES, 3), (KEYS, 5), (KEYS, 3), (QUERIES,), (KEYS,))]
    y = layer(inputs[:3], mask=inputs[3:], use_causal_mask=causal, return_attention_scores=True)
    model = nn.Model(inputs, y, dtype="float64", seed=4)
    model.set_weights([w + 0.3 for w in model.get_weights()])
    x = [noise(ROWS, QUERIES, 3), noise(ROWS, KEYS, 5), noise(ROWS, KEYS, 3)]
    query_seen, value_seen = mask(ROWS, QUERIES), mask(ROWS, KEYS, seed=2)
    value_seen[:, 0] = True
    seen = value_seen[:, None] & (np.tri(QUERIES, KEYS, dtype=bool) if causal else True)
    output, scores = model.predict([*x, query_seen, value_seen])
    wanted = one_head(layer, *x, query_seen, seen)
    np.testing.assert_allclose(output, wanted[0], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(scores, wanted[1], rtol=1e-12, atol=1e-13)
    dys = [noise(*output.shape, seed=5), noise(*scores.shape, seed=6)]
    model.forward([*x, query_seen, value_seen])
    gradients = model.backward(dys)[:3]
    for array, gradient in [*zip(x, gradients, strict=True), *zip(model.weights, model.gradients, strict=True)]:
        for place in list(np.ndindex(array.shape))[:: max(1, array.size // 12)]:
            kept, slope = array[place].copy(), 0
            for step in (1e-5, -1e-5):
                array[place] = kept + step
                made = one_head(layer, *x, query_seen, seen)
                slope += sum((y * dy).sum() for y, dy in zip(made, dys, strict=True)) / (2 * step)
            array[place] = kept
            assert abs(gradient[place] - slope) < 5e-6 * max(1, abs(slope))


def test_one_head_in_files_and_its_errors(tmp_path):
    for cls, options in ONE_HEAD.values():
        x = nn.Input((KEYS, 3))
        layer = cls(**options, dropout=0.2)
        assert cls.from_config(layer.get_config()).get_config() == layer.get_config()
        model = nn.Model(x, layer([x, x], use_causal_mask=True))
        model.compile("sgd", "mse")
        a = noise(ROWS, KEYS, 3)
        model.fit(a, a, verbose=0)
        model.save(tmp_path / "m")
        assert (nn.models.load_model(tmp_path / "m").predict(a) == model.predict(a)).all()
        assert layer([a[:, :2], a]).shape == (ROWS, 2, 3)
    with pytest.raises(ValueError, match="score_mode must be 'dot' or 'concat'"):
        nn.layers.Attention(score_mode="sum")
    with pytest.raises(ValueError, match="as a list for query, value"):
        layer(x)
    with pytest.raises(ValueError, match="as many keys as values"):
        layer([x, nn.Input((KEYS, 4))])
    with pytest.raises(ValueError, match=r"value_mask must have samples of \(6,\)"):
        layer([x, x], mask=[None, nn.Input((3,))])


def test_errors():
    layer, x = nn.layers.MultiHeadAttention(2, 3), nn.Input((4, 5))
    with pytest.raises(ValueError, match="as many keys as values; got 3 and 4"):
        layer(x, x, key=nn.Input((3, 5)))
    with pytest.raises(ValueError, match=r"value_mask must have samples of \(4,\); got \(3,\)"):
        layer(x, x, value_mask=nn.Input((3,)))
    with pytest.raises(ValueError, match=r"attention_mask must have samples of \(4, 4\)"):
        layer(x, x, attention_mask=nn.Input((4, 3)))
    with pytest.raises(ValueError, match=r"samples of shape \(steps, features\)"):
        layer(nn.Input((4,)), x)
    with pytest.raises(ValueError, match="does not support the argument 'training'"):
        layer(x, x, training=True)
    with pytest.raises(TypeError, match="symbolic tensors or arrays, not both"):
        layer(x, np.zeros((1, 4, 5)))
    nn.Model(x, layer(x, x))
    with pytest.raises(ValueError, match="is built for samples of shape"):
        layer(np.zeros((1, 4, 6)), np.zeros((1, 4, 6)))
    for bad in ({"num_heads": 0}, {"key_dim": 1.5}, {"value_dim": 0}, {"dropout": 2}, {"output_shape": (2, 3)}):
        with pytest.raises((ValueError, TypeError), match=r"MultiHeadAttention|Dropout"):
            nn.layers.MultiHeadAttention(**{"num_heads": 2, "key_dim": 3, **bad})

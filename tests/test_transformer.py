"""A small transformer of characters, all of its parts together."""

import numpy as np
import pytest

import nncore as nn

TEXT = "the quick brown fox jumps over the lazy dog; the five boxing wizards jump quickly. "
STEPS, WIDTH = 16, 32
LETTERS = sorted(set(TEXT))


def block(x, number):
    attention = nn.layers.MultiHeadAttention(4, WIDTH // 4, name=f"attention_{number}")
    h = nn.layers.LayerNormalization()(x)
    x = nn.layers.Add()([x, attention(h, h, use_causal_mask=True)])
    h = nn.layers.LayerNormalization()(x)
    h = nn.layers.Dense(4 * WIDTH, activation="gelu")(h)
    return nn.layers.Add()([x, nn.layers.Dense(WIDTH)(h)])


def transformer(**options):
    letters, places = nn.Input((STEPS,), name="letters"), nn.Input((STEPS,), name="places")
    x = nn.layers.Embedding(len(LETTERS), WIDTH)(letters) + nn.layers.Embedding(STEPS, WIDTH)(places)
    for number in range(2):
        x = block(x, number)
    logits = nn.layers.Dense(len(LETTERS))(nn.layers.LayerNormalization()(x))
    model = nn.Model([letters, places], logits, seed=1, **options)
    loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(nn.optimizers.Adam(3e-3), loss, metrics=["accuracy"])
    return model


def windows():
    """Pieces of the text, read in a circle, and the same one letter later."""
    numbers = np.array([LETTERS.index(letter) for letter in TEXT * 2])
    pieces = np.lib.stride_tricks.sliding_window_view(numbers, STEPS + 1)[: len(TEXT)]
    return pieces[:, :-1], pieces[:, 1:]


def places_of(x):
    return np.tile(np.arange(STEPS), (len(x), 1))


def test_it_learns_a_text_by_heart_and_tells_it():
    x, y = windows()
    model = transformer()
    # of the first letters of a piece nothing is known, and each of those that follow is certain
    weight = (np.arange(STEPS) >= 8) * np.ones((len(x), 1))
    model.fit([x, places_of(x)], y, batch_size=16, epochs=60, sample_weight=weight * 2, verbose=0)
    loss, _ = model.evaluate([x, places_of(x)], y, sample_weight=weight * 2)
    assert loss < 0.1
    told = [LETTERS.index(letter) for letter in TEXT[:STEPS]]
    for _ in range(len(TEXT)):
        last = np.array([told[-STEPS:]])
        told.append(int(model.predict_on_batch([last, places_of(last)])[0, -1].argmax()))
    assert "".join(LETTERS[number] for number in told) == (TEXT * 2)[: STEPS + len(TEXT)]


def test_what_comes_later_does_not_show():
    model, (x, _) = transformer(dtype="float64"), windows()
    y = model.predict([x, places_of(x)])
    changed = x.copy()
    changed[:, 9:] = 0
    assert (model.predict([changed, places_of(x)])[:, :9] == y[:, :9]).all()
    assert (model.predict([changed, places_of(x)])[:, 9:] != y[:, 9:]).any()


def test_gradients_along_a_direction():
    """Central differences along random directions through all weights."""
    model, (x, y) = transformer(dtype="float64"), windows()
    x, y = [x[:6], places_of(x[:6])], y[:6]
    _, gradients = model.value_and_gradients(x, y)
    random, kept = np.random.default_rng(2), model.get_weights()
    for _ in range(3):
        direction = [random.standard_normal(w.shape) for w in kept]
        losses = []
        for step in (1e-6, -1e-6):
            model.set_weights([w + step * d for w, d in zip(kept, direction, strict=True)])
            losses.append(model.evaluate(x, y)[0])
        model.set_weights(kept)
        slope = sum((g * d).sum() for g, d in zip(gradients, direction, strict=True))
        assert abs((losses[0] - losses[1]) / 2e-6 - slope) < 5e-6 * max(1, abs(slope))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_for_any_threads_and_after_a_break(dtype, tmp_path):
    x, y = windows()
    x = [x, places_of(x)]

    def trained(threads):
        model = transformer(dtype=dtype)
        with nn.config.threads(threads):
            model.fit(x, y, batch_size=24, epochs=2, verbose=0)
        return model

    whole = trained(1)
    assert all(map(np.array_equal, trained(2).get_weights(), whole.get_weights()))
    half = transformer(dtype=dtype)
    half.fit(x, y, batch_size=24, epochs=1, verbose=0)
    half.save(tmp_path / "half")
    again = nn.models.load_model(tmp_path / "half")
    again.fit(x, y, batch_size=24, epochs=2, initial_epoch=1, verbose=0)
    assert all(map(np.array_equal, again.get_weights(), whole.get_weights()))

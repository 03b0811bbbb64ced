"""The buffers of a plan apart from each other: no kernel reads or writes between them.

They lie in one arena, where what goes beyond the end of one is in the next, and neither a guard page nor a sanitizer
sees it. Here bytes of ones, which are NaN, lie before each buffer and between its rows.
"""

import numpy as np
import pytest
from test_random_graphs import Case, as_list

import nncore as nn
import nncore._plan
from nncore import _engine

ONES = 255


class GuardedPlan(_engine.Plan):
    """A plan that knows where it must not be read or written, and fills that with ones."""

    made = []  # noqa: RUF012  of all plans

    def __init__(self, *_):
        self.guards = []
        self.made.append(self)

    def buffer(self, width, dtype=None, gapless=False):
        self.guards.append(super().buffer(64, np.uint8, gapless=True))
        placed = super().buffer(width, dtype, gapless)
        if placed.stride > placed.width:
            end = placed.offset + placed.width * placed.dtype.itemsize
            size = placed.dtype.itemsize
            gap = _engine.Buffer(placed.rows, (placed.stride - placed.width) * size, placed.stride * size,
                                 np.dtype(np.uint8), end)  # fmt: skip
            self.guards.append(gap)
        return placed

    def finish(self):
        self.guards.append(super().buffer(64, np.uint8, gapless=True))
        super().finish()
        for guard in self.guards:
            self.array(guard)[...] = ONES
        return self

    def touched(self):
        """How many guards have been written to."""
        return sum(int((self.array(guard) != ONES).any()) for guard in self.guards)


@pytest.fixture
def guarded(monkeypatch):
    """A function that runs another one twice, the second time over guarded plans; both must give the same bits."""
    monkeypatch.setattr(nncore._plan, "FLOPS_PER_THREAD", 1)
    _engine.set_pacing(False)

    def run(function):
        wanted = function()
        monkeypatch.setattr(GuardedPlan, "made", [])
        with monkeypatch.context() as inside:
            inside.setattr(_engine, "Plan", GuardedPlan)
            found = function()
        assert GuardedPlan.made
        assert sum(plan.touched() for plan in GuardedPlan.made) == 0, "a kernel has written between buffers"
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(a, b, "a kernel has read between buffers")

    yield run
    _engine.set_pacing(True)


def results(model, x, y, threads):
    """What a model gives and learns, as arrays: of minibatches with a smaller one at the end."""
    with nn.config.threads(threads):
        out = [model.predict(x)]
        loss, gradients = model.value_and_gradients(x, y)
        out += [loss, *gradients]
        model.fit(x, y, batch_size=5, epochs=2, verbose=0)
        return [*out, model.evaluate(x, y, verbose=0), *model.get_weights()]


LAYERS = nn.layers
# (shape of a sample, layers, numbers of rows of a table)
MODELS = {
    "convolutions": ((7, 5, 3), lambda: [LAYERS.Conv2D(5, 3, padding="same", activation="relu"), LAYERS.MaxPooling2D(),
                                         LAYERS.Conv2D(6, (2, 1), strides=2, groups=5 - 4)], 0),
    "groups": ((6, 5, 6), lambda: [LAYERS.Conv2D(9, 2, groups=3, dilation_rate=2, activation="tanh")], 0),
    "small images, large windows": ((2, 2, 3), lambda: [LAYERS.Conv2D(4, 9, padding="same"),
                                                        LAYERS.DepthwiseConv2D(11, padding="same")], 0),
    "transposed": ((3, 4, 2), lambda: [LAYERS.Conv2DTranspose(3, 3, strides=2, activation="relu"),
                                       LAYERS.Conv2D(2, 1)], 0),
    "depthwise": ((6, 7, 5), lambda: [LAYERS.DepthwiseConv2D(3, depth_multiplier=2, activation="relu"),
                                      LAYERS.SeparableConv2D(3, 2, strides=2), LAYERS.AveragePooling2D(2, 1)], 0),
    "resizing": ((3, 4, 2), lambda: [LAYERS.UpSampling2D((2, 3), interpolation="bilinear"), LAYERS.ZeroPadding2D(1),
                                     LAYERS.Cropping2D(2), LAYERS.GlobalAveragePooling2D()], 0),
    "sequences": ((9, 3), lambda: [LAYERS.Conv1D(5, 3, padding="causal"), LAYERS.MaxPooling1D(3, 1),
                                   LAYERS.Conv1DTranspose(2, 4, padding="same"), LAYERS.GlobalMaxPooling1D()], 0),
    "LSTM": ((5, 3), lambda: [LAYERS.LSTM(6, return_sequences=True), LAYERS.LSTM(3, go_backwards=True)], 0),
    "GRU": ((4, 2), lambda: [LAYERS.GRU(5, return_sequences=True, recurrent_dropout=0.2),
                             LAYERS.GRU(3, reset_after=False)], 0),
    "both directions": ((4, 2), lambda: [LAYERS.Bidirectional(LAYERS.SimpleRNN(3, return_sequences=True)),
                                         LAYERS.BatchNormalization()], 0),
    "words": ((6,), lambda: [LAYERS.Embedding(11, 5, mask_zero=True), LAYERS.GRU(7)], 11),
    "words to samples": ((6,), lambda: [LAYERS.Embedding(11, 3), LAYERS.LayerNormalization(),
                                        LAYERS.TimeDistributed(LAYERS.Dense(3, activation="relu"))], 11),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", MODELS)
def test_layers(kind, dtype, guarded):
    shape, layers, count = MODELS[kind]
    rng = np.random.default_rng(5)
    x = rng.integers(0, count, (13, *shape)) if count else rng.standard_normal((13, *shape))

    def run():
        out = []
        for threads in (1, 2):
            model = nn.Sequential([nn.Input(shape), *layers(), LAYERS.Flatten(), LAYERS.Dense(2)], dtype=dtype, seed=3)
            model.compile("adam", "mse")
            out += results(model, x, np.random.default_rng(6).standard_normal((13, 2)), threads)
        return out

    guarded(run)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_attention(dtype, guarded):
    x = np.random.default_rng(5).integers(0, 9, (13, 6))

    def run():
        words = nn.Input((6,))
        steps = LAYERS.Embedding(9, 5, mask_zero=True)(words)
        seen = LAYERS.MultiHeadAttention(3, 4, value_dim=3)(steps, steps, use_causal_mask=True)
        y = LAYERS.Dense(2)(LAYERS.GlobalMaxPooling1D()(LAYERS.Add()([steps, seen])))
        model = nn.Model(words, y, dtype=dtype, seed=3)
        model.compile("sgd", "mse")
        return results(model, x, np.random.default_rng(6).standard_normal((13, 2)), 2)

    guarded(run)


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_random_graphs(first, guarded):
    def run():
        out = []
        for seed in range(first, first + 10):
            case = Case(seed)
            out += as_list(case.model.predict(case.x))
            loss, gradients = case.model.value_and_gradients(case.x, case.y, case.sample_weight)
            case.model.train_on_batch(case.x, case.y, sample_weight=case.sample_weight)
            out += [loss, *gradients, *case.model.get_weights()]
        return out

    guarded(run)

"""Two models that are trained against each other, in turns, as one combined model and alone."""

import numpy as np
import pytest

from peers import sides


def generator(k, normalizes):
    layers = [k.Input((3,)), k.layers.Dense(6), k.layers.LeakyReLU(0.2)]
    layers += [k.layers.BatchNormalization(momentum=0.8)] if normalizes else []
    return k.Sequential([*layers, k.layers.Dense(4, activation="tanh")], name="generator")


def discriminator(k, normalizes):
    layers = [k.Input((4,)), k.layers.Dense(7), k.layers.LeakyReLU(0.2)]
    layers += [k.layers.BatchNormalization(momentum=0.8)] if normalizes else []
    return k.Sequential([*layers, k.layers.Dense(1, activation="sigmoid")], name="discriminator")


class Side:
    """The program, for either package. Keras with PyTorch goes by what `trainable` is when a step is taken."""

    def __init__(self, k, package, normalizes, functional):
        def compiled(model):
            model.compile(sides.optimizer(package, "Adam", learning_rate=0.01, beta_1=0.5, epsilon=1e-14),
                          "binary_crossentropy")  # fmt: skip
            return model

        self.generator, self.discriminator = generator(k, normalizes), compiled(discriminator(k, normalizes))
        self.discriminator.trainable = False
        if functional:
            z = k.Input((3,))
            self.combined = compiled(k.Model(z, self.discriminator(self.generator(z))))
        else:
            self.combined = compiled(k.Sequential([self.generator, self.discriminator]))

    def step(self, real, noise, more_noise):
        rows = len(real)
        drawn = sides.numbers(self.generator(noise, training=False))
        self.discriminator.trainable = True
        labels = np.repeat([[0.9], [0.0]], rows, axis=0).astype(real.dtype)
        self.discriminator.train_on_batch(np.concatenate([real, drawn]), labels)
        self.discriminator.trainable = False
        self.combined.train_on_batch(more_noise, np.ones((rows, 1), real.dtype))


@pytest.mark.parametrize("dtype", sides.DTYPES)
@pytest.mark.parametrize("normalizes", [False, True])
@pytest.mark.parametrize("functional", [False, True])
def test_in_turns(functional, normalizes, dtype):
    ours, theirs = (Side(k, package, normalizes, functional)
                    for k, package in zip(sides.both(dtype), (sides.nncore, sides.keras), strict=True))  # fmt: skip
    sides.match(ours.combined, theirs.combined)
    for number in range(10):
        minibatch = [sides.noise((16, width), dtype, 3 * number + i) for i, width in enumerate((4, 3, 3))]
        for side in (ours, theirs):
            side.step(*minibatch)
    for which in ("generator", "discriminator"):
        got, wanted = (getattr(side, which).get_weights() for side in (ours, theirs))
        sides.assert_close(got, wanted, dtype, which)
    assert len(ours.combined.trainable_variables) == len(theirs.combined.trainable_variables)

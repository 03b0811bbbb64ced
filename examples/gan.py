"""A generative adversarial network of dense layers that draws handwritten digits.

The generator makes images of random numbers; the discriminator tells them from those of MNIST. They are trained in
turns, each against the other (Goodfellow et al., "Generative adversarial nets", NIPS 2014):

- The discriminator learns that images of MNIST are real, and that those of the generator are not. Real ones count as
  0.9 rather than 1, so that it does not become so sure of itself that the generator learns nothing from it.
- The generator learns what the discriminator, which is left as it is meanwhile, takes for real.

For the second step both stand in one model. `trainable` counts as it was when a model was compiled: the discriminator,
compiled before it is switched off, goes on being trained by itself, and stays as it is inside the combined model. They
share their weights, so that nothing is copied between them.

Against a moving opponent the generator's weights go round in circles rather than come to rest. What draws in the end is
their running average over some thousand steps (`use_ema`), whose images are cleaner.

After 20 epochs, 142 seconds of one core (AVX2): losses 0.664 (discriminator) and 0.920 (generator); most of the 100
drawn images can be read as digits.
"""

import common
import numpy as np
from numpy.typing import NDArray

import nncore as nn
from nncore._plots import save_image_grid

NOISE = 64  # numbers that an image is made of


def build_generator() -> nn.Sequential:
    return nn.Sequential(
        [
            nn.Input((NOISE,)),
            nn.layers.Dense(256),
            nn.layers.LeakyReLU(0.2),
            nn.layers.Dense(512),
            nn.layers.LeakyReLU(0.2),
            nn.layers.Dense(784, activation="tanh"),
        ],
        name="generator",
        seed=1,
    )


def build_discriminator() -> nn.Sequential:
    return nn.Sequential(
        [
            nn.Input((784,)),
            nn.layers.Dense(256),
            nn.layers.LeakyReLU(0.2),
            nn.layers.Dropout(0.3),
            nn.layers.Dense(128),
            nn.layers.LeakyReLU(0.2),
            nn.layers.Dropout(0.3),
            nn.layers.Dense(1),
        ],
        name="discriminator",
        seed=2,
    )


def main() -> None:
    options = common.options(__doc__, picture="gan.png")
    (images, _), _ = common.mnist(options.short)
    images = (images.reshape(len(images), 784) / 127.5 - 1).astype(np.float32)  # from -1 to 1, as tanh gives
    epochs, rows = (1, 64) if options.short else (20, 128)

    generator, discriminator = build_generator(), build_discriminator()
    loss = nn.losses.BinaryCrossentropy(from_logits=True)
    discriminator.compile(nn.optimizers.Adam(1e-3, beta_1=0.5), loss)
    discriminator.trainable = False
    combined = nn.Sequential([generator, discriminator])
    averaging = nn.optimizers.Adam(1e-3, beta_1=0.5, use_ema=True, ema_momentum=0.999)
    combined.compile(averaging, loss)

    random = np.random.default_rng(0)
    labels = np.repeat([0.9, 0.0], rows).astype(np.float32)  # real images come first
    wanted = np.ones(rows, np.float32)

    def noise(count: int) -> NDArray[np.float32]:
        return random.standard_normal((count, NOISE), np.float32)

    for epoch in range(epochs):
        losses: list[tuple[float, float]] = []
        for real in np.split(random.permutation(len(images))[: len(images) // rows * rows], len(images) // rows):
            drawn = generator.predict_on_batch(noise(rows))
            judged = discriminator.train_on_batch(np.concatenate([images[real], drawn]), labels)
            losses.append((judged, combined.train_on_batch(noise(rows), wanted)))
        means = np.mean(losses, axis=0)
        print(f"epoch {epoch + 1}: losses {means[0]:.3f} (discriminator) and {means[1]:.3f} (generator)", flush=True)

    averaging.finalize_variable_values(generator.trainable_variables)  # puts the averages in the weights' place
    drawn = generator.predict(noise(100)).reshape(100, 28, 28)
    save_image_grid(options.picture, -drawn, columns=10)  # dark on light, as in MNIST
    print(f"100 drawn digits: {options.picture}")


if __name__ == "__main__":
    main()

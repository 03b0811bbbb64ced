"""A variational autoencoder of dense layers learns MNIST, and draws digits of its own.

An encoder says for each image how 16 hidden numbers z are distributed: normal, with a mean and a log-variance for each.
One z is drawn from that, and a decoder says how likely each pixel is white. What is minimised is the negative evidence
lower bound on log P(image) (Kingma and Welling, "Auto-encoding variational Bayes", ICLR 2014), in nats for each image:

    reconstruction   -log P(image | z), the cross-entropy of the pixels
    divergence       D(q(z | image) || N(0, 1)) = ½ Σ (mean² + variance - 1 - log variance)

Two parts of it are no layers or losses of the library's, and are written in NumPy here: the layer that draws z, through
which gradients go to mean and log-variance (z = mean + deviation times noise), and the loss.

784 - 512 - 2 x 16 - 512 - 784, Adam, minibatches of 128, 20 epochs, with two threads. Of the 10,000 test images:

    negative evidence lower bound 103.5 = reconstruction 79.9 + divergence 23.6 nats
"""

from typing import Any

import common
import numpy as np
from numpy.typing import NDArray

import nncore as nn
from nncore._plots import save_image_grid

PIXELS, HIDDEN, LATENT = 784, 512, 16
Array = NDArray[Any]
Shape = tuple[int, ...]


class Sampling(nn.layers.Layer):
    """z = mean + exp(log_variance / 2) noise, of [mean, log_variance]; the noise is drawn anew for each minibatch."""

    def __init__(self, seed: int = 0, **common: Any) -> None:
        super().__init__(**common)
        self.random = np.random.default_rng(seed)

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        return input_shape[0]

    def forward(self, inputs: list[Array]) -> Array:
        mean, log_variance = inputs
        self.deviation = np.exp(log_variance / 2)
        self.noise = self.random.standard_normal(mean.shape, mean.dtype)
        return mean + self.deviation * self.noise

    def backward(self, dz: Array) -> list[Array]:
        return [dz, dz * self.deviation * self.noise / 2]


class EvidenceLowerBound(nn.losses.Loss):
    """Its negative, for predictions [logits of the pixels, mean, log_variance] and the pixels, from 0 to 1."""

    def target_shape(self, shape: Shape) -> Shape:
        return (PIXELS,)

    def call(self, y_true: Array, y_pred: Array) -> Array:
        return reconstruction(y_true, y_pred) + divergence(y_true, y_pred)

    def gradient(self, y_true: Array, y_pred: Array) -> Array:
        logits, mean, log_variance = parts(y_pred)
        probability = nn.activations.sigmoid(logits)
        return np.concatenate([probability - y_true, mean, (np.exp(log_variance) - 1) / 2], axis=1)


def parts(y_pred: Array) -> list[Array]:
    return np.split(y_pred, [PIXELS, PIXELS + LATENT], axis=1)


def reconstruction(y_true: Array, y_pred: Array) -> Array:
    logits = parts(y_pred)[0]
    nats: Array = (np.maximum(logits, 0) - logits * y_true + np.log1p(np.exp(-np.abs(logits)))).sum(axis=1)
    return nats


def divergence(y_true: Array, y_pred: Array) -> Array:
    _, mean, log_variance = parts(y_pred)
    nats: Array = (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(axis=1) / 2
    return nats


def build() -> tuple[nn.Model, nn.Sequential]:
    """The autoencoder, and its decoder as a model of its own, which share their weights."""
    decoder = nn.Sequential(
        [nn.Input((LATENT,)), nn.layers.Dense(HIDDEN, activation="relu"), nn.layers.Dense(PIXELS)], name="decoder"
    )
    image = nn.Input((28, 28))
    x = nn.layers.Flatten()(nn.layers.Rescaling(1 / 255)(image))
    x = nn.layers.Dense(HIDDEN, activation="relu")(x)
    mean, log_variance = nn.layers.Dense(LATENT, name="mean")(x), nn.layers.Dense(LATENT, name="log_variance")(x)
    logits = decoder(Sampling()([mean, log_variance]))
    return nn.Model(image, nn.layers.Concatenate()([logits, mean, log_variance])), decoder


def main() -> None:
    options = common.options(__doc__, picture="vae.png")
    (x, _), (x_test, _) = common.mnist(options.short)
    pixels, pixels_test = (images.reshape(-1, PIXELS).astype(np.float32) / 255 for images in (x, x_test))

    model, decoder = build()
    model.compile(nn.optimizers.Adam(1e-3), EvidenceLowerBound(), metrics=[reconstruction, divergence])
    model.fit(x, pixels, batch_size=128, epochs=1 if options.short else 20, verbose=2,
              validation_data=(x_test, pixels_test))  # fmt: skip
    figures = model.evaluate(x_test, pixels_test, return_dict=True)
    print("test images: " + ", ".join(f"{name} {value:.2f}" for name, value in figures.items()))

    z = np.random.default_rng(1).standard_normal((100, LATENT))
    drawn = nn.activations.sigmoid(decoder.predict(z)).reshape(-1, 28, 28)
    save_image_grid(options.picture, drawn, columns=10)
    print(f"100 digits that it draws: {options.picture}")


if __name__ == "__main__":
    main()

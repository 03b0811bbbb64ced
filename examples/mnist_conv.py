"""A larger convolutional network reads the digits of MNIST.

Two layers of convolutions over 3 x 3 pixels, of 32 and 64 channels, before maxima make the images smaller: more
patterns than LeNet-5 has (mnist_lenet.py), more exact places, and 27 times the weights.

Adam, minibatches of 128, a rate that falls from 0.002 to 0, 3 epochs: 99.14 % of the 10,000 test images, after 99
seconds on two cores (AVX2).
"""

import common

import nncore as nn


def build_model() -> nn.Sequential:
    return nn.Sequential(
        [
            nn.Input((28, 28, 1)),
            nn.layers.Rescaling(1 / 255),
            nn.layers.Conv2D(32, 3, activation="relu"),
            nn.layers.Conv2D(64, 3, activation="relu"),
            nn.layers.MaxPooling2D(2),
            nn.layers.Flatten(),
            nn.layers.Dense(128, activation="relu"),
            nn.layers.Dense(10),
        ]
    )


def main() -> None:
    options = common.options(__doc__)
    (x, y), (x_test, y_test) = common.mnist(options.short)
    x, x_test = x[..., None], x_test[..., None]  # one channel

    model = build_model()
    model.summary()
    loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True)
    epochs = 1 if options.short else 3
    rate = nn.optimizers.schedules.CosineDecay(0.002, epochs * -(-len(x) // 128))
    model.compile(nn.optimizers.Adam(rate), loss, metrics=["accuracy"])
    model.fit(x, y, batch_size=128, epochs=epochs, verbose=2)
    loss, accuracy = model.evaluate(x_test, y_test)
    print(f"test images: loss {loss:.4f}, accuracy {accuracy:.2%}")


if __name__ == "__main__":
    main()

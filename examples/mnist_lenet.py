"""LeNet-5 reads the digits of MNIST.

Two convolutions find small patterns wherever they are in an image, maxima over 2 x 2 pixels make the images smaller in
between, and three dense layers decide (LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
recognition", 1998; with ReLU and maxima, as it is built today).

Adam, minibatches of 64, a rate that falls from 0.003 to 0, 5 epochs: 99.20 % of the 10,000 test images, after 7 seconds
on two cores (AVX2).
"""

import common

import nncore as nn


def build_model() -> nn.Sequential:
    return nn.Sequential(
        [
            nn.Input((28, 28, 1)),
            nn.layers.Rescaling(1 / 255),
            nn.layers.Conv2D(6, 5, activation="relu"),
            nn.layers.MaxPooling2D(2),
            nn.layers.Conv2D(16, 5, activation="relu"),
            nn.layers.MaxPooling2D(2),
            nn.layers.Flatten(),
            nn.layers.Dense(120, activation="relu"),
            nn.layers.Dense(84, activation="relu"),
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
    epochs = 1 if options.short else 5
    rate = nn.optimizers.schedules.CosineDecay(0.003, epochs * -(-len(x) // 64))
    model.compile(nn.optimizers.Adam(rate), loss, metrics=["accuracy"])
    model.fit(x, y, batch_size=64, epochs=epochs, verbose=2)
    loss, accuracy = model.evaluate(x_test, y_test)
    print(f"test images: loss {loss:.4f}, accuracy {accuracy:.2%}")


if __name__ == "__main__":
    main()

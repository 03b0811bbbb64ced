"""Recurrent networks read the digits of MNIST row by row, from top to bottom.

An image is a sequence of 28 steps of 28 features. A recurrent layer goes through it with a state of 128 numbers, in
which it must keep what matters of the rows above; a dense layer decides from the last state. Two kinds of layers are
compared: LSTM (Hochreiter and Schmidhuber, 1997) and GRU (Cho et al., 2014), which has three quarters of the weights.

Adam, minibatches of 128, a rate that falls from 0.004 to 0, 8 epochs: 98.98 % of the 10,000 test images with LSTM and
99.06 % with GRU, after 98 seconds for both on two cores (AVX2).
"""

import common

import nncore as nn


def build_model(layer: nn.layers.Layer) -> nn.Sequential:
    return nn.Sequential([nn.Input((28, 28)), nn.layers.Rescaling(1 / 255), layer, nn.layers.Dense(10)])


def main() -> None:
    options = common.options(__doc__)
    (x, y), (x_test, y_test) = common.mnist(options.short)
    epochs = 1 if options.short else 8
    rate = nn.optimizers.schedules.CosineDecay(0.004, epochs * -(-len(x) // 128))
    for layer in (nn.layers.LSTM(128), nn.layers.GRU(128)):
        model = build_model(layer)
        model.summary()
        loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(nn.optimizers.Adam(rate), loss, metrics=["accuracy"])
        model.fit(x, y, batch_size=128, epochs=epochs, verbose=2)
        loss, accuracy = model.evaluate(x_test, y_test)
        print(f"{type(layer).__name__}, test images: loss {loss:.4f}, accuracy {accuracy:.2%}")


if __name__ == "__main__":
    main()

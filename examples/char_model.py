"""A recurrent network that learns to write, character by character, from a text file.

    python char_model.py shakespeare.txt

At each place of a text the network says how likely each character is to come next. It is trained on pieces of 100
characters from the first nine tenths of the text; the last tenth, which it does not see, says how well it does. What it
writes is drawn from its own probabilities p, each to the power of 1 / temperature: little heat gives the likeliest
letters again and again, much heat gives surprises and mistakes.

The 1.1 million characters of Shakespeare that the text models of lectures usually learn from, an LSTM of 256 units, 12
epochs of minibatches of 32: 1.549 nats (2.235 bits) a character of the last tenth, after 237 seconds on two cores
(AVX2); below 1.60 after 6 epochs.
"""

from typing import Any

import common
import numpy as np
from numpy.typing import NDArray

import nncore as nn

Array = NDArray[Any]

LENGTH = 100  # characters of a piece


def build_model(characters: int, units: int) -> nn.Sequential:
    """Logits (LENGTH, characters) of what comes next, for the numbers of LENGTH characters."""
    return nn.Sequential(
        [
            nn.Input((LENGTH,)),
            nn.layers.Embedding(characters, 64),
            nn.layers.LSTM(units, return_sequences=True),
            nn.layers.Dropout(0.2),
            nn.layers.Dense(characters),
        ]
    )


def pieces(numbers: Array, first: int = 0) -> tuple[Array, Array]:
    """Inputs and targets (rows, LENGTH) from the character `first` on: a target is the character after the input."""
    count = (len(numbers) - 1 - first) // LENGTH
    x, y = (numbers[place : place + count * LENGTH].reshape(count, LENGTH) for place in (first, first + 1))
    return x, y


def write(model: nn.Model, alphabet: list[str], beginning: str, count: int, temperature: float,
          random: np.random.Generator) -> str:  # fmt: skip
    """Returns a text of so many characters more than its beginning."""
    numbers = [alphabet.index(character) for character in beginning]
    for _ in range(count):
        seen = numbers[-LENGTH:]
        padded = np.array(seen + [0] * (LENGTH - len(seen)))  # what comes later changes nothing before it
        logits = model.predict_on_batch(padded[None])[0, len(seen) - 1]
        p = np.exp((logits - logits.max()).astype(np.float64) / temperature)
        numbers.append(int(random.choice(len(alphabet), p=p / p.sum())))
    return "".join(alphabet[number] for number in numbers)


def main() -> None:
    options = common.options(__doc__, "text")
    with open(options.text, encoding="utf-8") as file:
        text = file.read()
    text = text[:20_000] if options.short else text
    alphabet = sorted(set(text))
    numbers = np.searchsorted(alphabet, list(text))
    cut = len(numbers) * 9 // 10
    training, validation = numbers[:cut], numbers[cut:]
    print(f"{len(text):,} characters, {len(alphabet)} of them different; {cut:,} to learn from")

    epochs, rows = (1, 16) if options.short else (12, 32)
    model = build_model(len(alphabet), units=16 if options.short else 256)
    model.summary()
    rate = nn.optimizers.schedules.CosineDecay(0.004, epochs * (cut // LENGTH // rows))
    loss = nn.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(nn.optimizers.Adam(rate, clipnorm=1.0), loss)
    random = np.random.default_rng(0)
    for epoch in range(epochs):
        x, y = pieces(training, int(random.integers(LENGTH)))  # cut elsewhere each time
        model.fit(x, y, batch_size=rows, initial_epoch=epoch, epochs=epoch + 1, verbose=2)
        nats = model.evaluate(*pieces(validation), verbose=0)
        print(f"the last tenth of the text: {nats:.4f} nats, {nats / np.log(2):.3f} bits a character", flush=True)
    for temperature in (0.5, 0.8, 1.0):
        written = write(model, alphabet, text[cut : cut + 20], 20 if options.short else 400, temperature, random)
        print(f"\n--- temperature {temperature}\n{written}")


if __name__ == "__main__":
    main()

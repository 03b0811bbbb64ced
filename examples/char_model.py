"""A recurrent network that learns to write, character by character, from a text file.

    python char_model.py shakespeare.txt

At each place of a text the network says how likely each character is to come next. It is trained on pieces of 100
characters from the first nine tenths of the text; the last tenth, which it does not see, says how well it does. What it
writes is drawn from its own probabilities p, each to the power of 1 / temperature: little heat gives the likeliest
letters again and again, much heat gives surprises and mistakes.
"""

import common
import numpy as np

import nncore as nn

LENGTH = 100  # characters of a piece


def build_model(characters, units):
    return nn.Sequential(
        [
            nn.Input((LENGTH, characters)),
            nn.layers.LSTM(units, return_sequences=True),
            nn.layers.Dense(characters),
        ]
    )


def one_hot(numbers, characters):
    """(..., characters) of numbers of characters: 1 at the number, 0 elsewhere."""
    return np.eye(characters, dtype=np.uint8)[numbers]


def pieces(numbers, characters):
    """Inputs and targets (rows, LENGTH, characters): a target is the character after the input."""
    count = (len(numbers) - 1) // LENGTH
    x, y = (numbers[shift : shift + count * LENGTH].reshape(count, LENGTH) for shift in (0, 1))
    return one_hot(x, characters), one_hot(y, characters)


def write(model, alphabet, beginning, count, temperature, random):
    """Returns a text of so many characters more than its beginning."""
    numbers = [alphabet.index(character) for character in beginning]
    for _ in range(count):
        seen = numbers[-LENGTH:]
        padded = np.array(seen + [0] * (LENGTH - len(seen)))  # what comes later changes nothing before it
        logits = model.predict_on_batch(one_hot(padded, len(alphabet))[None])[0, len(seen) - 1]
        p = np.exp((logits - logits.max()).astype(np.float64) / temperature)
        numbers.append(int(random.choice(len(alphabet), p=p / p.sum())))
    return "".join(alphabet[number] for number in numbers)


def main():
    options = common.options(__doc__, "text")
    with open(options.text, encoding="utf-8") as file:
        text = file.read()
    text = text[:20_000] if options.short else text
    alphabet = sorted(set(text))
    numbers = np.searchsorted(alphabet, list(text))
    cut = len(numbers) * 9 // 10
    training, validation = (pieces(part, len(alphabet)) for part in (numbers[:cut], numbers[cut:]))
    print(f"{len(text):,} characters, {len(alphabet)} of them different; {len(training[0]):,} pieces to learn from")

    model = build_model(len(alphabet), units=16 if options.short else 256)
    model.summary()
    model.compile(nn.optimizers.Adam(0.002), nn.losses.CategoricalCrossentropy(from_logits=True))
    random = np.random.default_rng(0)
    for epoch in range(1 if options.short else 20):
        model.fit(*training, batch_size=64, initial_epoch=epoch, epochs=epoch + 1, verbose=2)
        bits = model.evaluate(*validation) / np.log(2)
        print(f"the last tenth of the text: {bits:.3f} bits a character", flush=True)
    for temperature in (0.5, 0.8, 1.0):
        written = write(model, alphabet, text[cut : cut + 20], 20 if options.short else 400, temperature, random)
        print(f"\n--- temperature {temperature}\n{written}")


if __name__ == "__main__":
    main()

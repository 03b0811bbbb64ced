"""Decisions that follow from bytes, whoever makes them: a seed, hypothesis, or a fuzzer that is led by coverage."""

import hashlib


class Choices:
    """Draws from bytes; when they have run out every draw is the first of its choices."""

    def __init__(self, data):
        self.data, self.place = data, 0

    def byte(self):
        """The next byte, 0 behind the last one."""
        place = self.place
        self.place = place + 1
        return self.data[place] if place < len(self.data) else 0

    def below(self, count):
        """A number in 0 .. count - 1."""
        number = self.byte()
        if count > 256:
            number |= self.byte() << 8
        return number % count

    def between(self, low, high):
        """An integer of low .. high."""
        return low + self.below(high - low + 1)

    def pick(self, things):
        """One of a sequence."""
        return things[self.below(len(things))]

    def one_in(self, count):
        """True once in so many draws; False when the bytes have run out."""
        return self.below(count) == count - 1


def of_seed(target, seed, number, size=160):
    """The bytes of one execution of a target."""
    return hashlib.shake_128(f"{target} {seed} {number}".encode()).digest(size)

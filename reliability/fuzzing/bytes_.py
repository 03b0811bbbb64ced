"""Mutations of bytes and of text, for what has no structure or after one is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

# Numbers at the edges of types, as files have them.
NUMBERS = [0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**64 - 1]


def mutate(data: bytes, random: Random) -> bytes:
    """A few places changed, removed, repeated or overwritten."""
    content = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        content = _once(content, random)
    return bytes(content)


def _once(content: bytearray, random: Random) -> bytearray:
    size = len(content)
    place = random.randrange(size + 1)
    span = min(size - place, random.choice((1, 1, 2, 4, 8, 16, 64)))
    kind = random.randrange(8)
    if kind == 0 and span:
        content[place] ^= 1 << random.randrange(8)
    elif kind == 1 and span:
        content[place] = random.randrange(256)
    elif kind == 2:
        del content[place : place + span]
    elif kind == 3:
        content[place:place] = content[place : place + span]
    elif kind == 4:
        content[place:place] = random.randbytes(span or 1)
    elif kind == 5:
        width = random.choice((1, 2, 4, 8))
        number = random.choice(NUMBERS) & (256**width - 1)
        content[place : place + width] = number.to_bytes(width, random.choice(("little", "big")))
    elif kind == 6:
        del content[place:]
    else:
        source = random.randrange(size + 1)
        content[place : place + span] = content[source : source + span]
    return content

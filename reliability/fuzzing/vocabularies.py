"""Text files with a key in each line: the vocabularies of lookups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nncore as nn
from reliability.fuzzing import guard
from reliability.fuzzing.target import Target

if TYPE_CHECKING:
    from pathlib import Path


def seeds() -> dict[str, bytes]:
    """Words and numbers; the first byte says for which layer."""
    return {
        "words": b"\x00red\ngreen\nblue\n",
        "numbers": b"\x011\n2\n-3\n",
        "texts": "\x02to\r\nbe\nöß\n".encode(),
        "special": b"\x00[UNK]\nred\n",
        "marked": b"\x00\xef\xbb\xbfred\n",
    }


def read(data: bytes, folder: Path) -> bool:
    """Reads a vocabulary; a layer of its configuration has the same one."""
    path = guard.file(folder, "vocabulary.txt", data[1:])
    layers = (nn.layers.StringLookup, nn.layers.IntegerLookup, nn.layers.TextVectorization)
    cls = layers[(data or b"\0")[0] % 3]
    with guard.reading():
        layer = cls(vocabulary=path, name="v")
    again = cls.from_config(layer.get_config())
    assert again.get_vocabulary() == layer.get_vocabulary()
    return True


TARGET = Target("vocabularies", read, seeds)

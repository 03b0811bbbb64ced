"""Images in files, through Pillow: `nn.utils.load_img` and `img_to_array`."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING

import numpy as np

import nncore as nn
from reliability.fuzzing import bytes_, guard
from reliability.fuzzing.target import Target

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random


MOST_PIXELS = 1 << 20


def seeds() -> dict[str, bytes]:
    """Pictures of each format and of several modes."""
    from PIL import Image

    found = {}
    gradient = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5
    for form, mode in (
        ("png", "RGB"),
        ("png", "P"),
        ("png", "RGBA"),
        ("png", "I;16"),
        ("bmp", "RGB"),
        ("gif", "P"),
        ("jpeg", "L"),
    ):
        image = Image.fromarray(gradient)
        image = Image.fromarray(gradient[..., 0].astype(np.uint16) * 200) if mode == "I;16" else image.convert(mode)
        written = io.BytesIO()
        image.save(written, form)
        found[f"{mode.replace(';', '-')}.{form}".lower()] = written.getvalue()
    return found


def mutate(data: bytes, random: Random) -> bytes:
    """A PNG with a chunk of its own changed, its checksum right; other formats byte by byte."""
    if data[:4] != b"\x89PNG":
        return bytes_.mutate(data, random)
    chunks, place = [], 8
    while place + 12 <= len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + size]))
        place += 12 + size
    number = random.randrange(len(chunks))
    kind, content = chunks[number]
    action = random.randrange(6)
    if action == 0:
        del chunks[number]
    elif action == 1:
        chunks.insert(
            number,
            (
                random.choice(
                    (
                        b"tRNS",
                        b"PLTE",
                        b"gAMA",
                        b"iCCP",
                        b"tEXt",
                        b"zTXt",
                        b"iTXt",
                        b"pHYs",
                        b"eXIf",
                        b"acTL",
                        b"fdAT",
                        kind,
                    )
                ),
                bytes_.mutate(content, random),
            ),
        )
    elif kind == b"IDAT" and action < 4:
        try:
            content = zlib.compress(bytes_.mutate(zlib.decompress(content), random))
        except zlib.error as error:
            raise ValueError("broken") from error
        chunks[number] = kind, content
    else:
        chunks[number] = kind, bytes_.mutate(content, random)
    return data[:8] + b"".join(
        len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")
        for kind, content in chunks
    )


def read(data: bytes, folder: Path) -> bool:
    """Reads in one of the modes; the array has the picture's shape."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # Pillow's own guard, at a size that costs little
    mode, channels = (("rgb", 3), ("rgba", 4), ("grayscale", 1))[len(data) % 3]
    path = guard.file(folder, "image", data)
    size = (5, 3) if len(data) % 2 else None
    with guard.reading():
        image = nn.utils.load_img(path, mode, size, "bilinear")
        array = nn.utils.img_to_array(image)
    assert array.shape == (image.height, image.width, channels)
    assert np.isfinite(array).all()
    return True


TARGET = Target("images", read, seeds, mutate, memory=1e4)

"""IDX files, plain and compressed: `nn.datasets.mnist`."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nncore.datasets import mnist
from reliability.fuzzing import bytes_, guard
from reliability.fuzzing.target import Target

if TYPE_CHECKING:
    from random import Random


def _idx(*shape: int, content: bytes | None = None) -> bytes:
    header = bytes([0, 0, mnist.UNSIGNED_BYTE, len(shape)]) + b"".join(n.to_bytes(4, "big") for n in shape)
    return header + (bytes(i % 256 for i in range(int(np.prod(shape)))) if content is None else content)


def seeds() -> dict[str, bytes]:
    """Images and labels; the first byte says how many axes are wanted."""
    whole = {"images": _idx(2, 3, 4), "labels": _idx(5), "one": _idx(1, 1, 1)}
    packed = {f"{name}.gz": gzip.compress(data, mtime=0) for name, data in whole.items()}
    return {name: bytes([1 if "labels" in name else 3]) + data for name, data in {**whole, **packed}.items()}


def mutate(data: bytes, random: Random) -> bytes:
    """Other headers and contents, packed again where they were."""
    axes, content = data[0], data[1:]
    packed = content[:2] == b"\x1f\x8b"
    if packed:
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, gzip.zlib.error) as error:
            raise ValueError("broken") from error
    kind = random.randrange(4)
    if kind == 0:
        shape = [random.choice((0, 1, 2, 3, 5, 255, 2**31, 2**32 - 1)) for _ in range(axes % 8)]
        content = content[:4] + b"".join(n.to_bytes(4, "big") for n in shape) + content[4 + 4 * len(shape) :]
    elif kind == 1:
        shape = [random.randrange(5) for _ in range(axes % 8)]
        content = _idx(*shape) + random.choice((b"", b"", b"\0"))
    else:
        content = bytes_.mutate(content, random)
    if (packed and random.randrange(8)) or not random.randrange(64):
        content = gzip.compress(content, random.choice((0, 1)), mtime=0) + random.choice(
            (b"", b"", b"", b"\0" * 9, b"junk")
        )
    return bytes([random.choice((axes, axes, axes, 1, 3))]) + content


def read(data: bytes, folder: Path) -> bool:
    """Reads, and compares with what the bytes are."""
    axes, content = 1 if data[:1] == b"\x01" else 3, data[1:]
    if content[:2] == b"\x1f\x8b" or len(data) % 16 == 0:
        path = Path(guard.file(folder, "data", content))
        with guard.reading():
            array = mnist.read_idx(path, axes)
    else:  # what it does with what is not compressed, without the way through the file system
        array = mnist.read_idx_stream(io.BytesIO(content), folder, axes)
    assert (array.dtype, array.ndim, array.flags.writeable) == (np.uint8, axes, True)
    assert array.size
    again = _idx(*array.shape, content=array.tobytes())
    if content[:2] != b"\x1f\x8b":
        assert again == content, "other bytes than the file's"
    return True


TARGET = Target("idx", read, seeds, mutate)

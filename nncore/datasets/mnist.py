"""MNIST: 70,000 handwritten digits of 28 x 28 pixels, read from IDX files in a folder, or downloaded once."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nncore import _files

if TYPE_CHECKING:
    from nncore._typing import Array, PathLikeStr

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
TIMEOUT_SECONDS = 30


class RemoteFile(NamedTuple):
    """A file of the data set as the mirrors have it: both have the files that LeCun published."""

    name: str
    size: int
    sha256: str


REMOTE_FILES = (
    RemoteFile(
        "train-images-idx3-ubyte.gz", 9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    RemoteFile("train-labels-idx1-ubyte.gz", 28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    RemoteFile(
        "t10k-images-idx3-ubyte.gz", 1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    RemoteFile("t10k-labels-idx1-ubyte.gz", 4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
)

# The third byte of an IDX file's magic number: the elements are unsigned bytes.
UNSIGNED_BYTE = 0x08
CHUNK_BYTES = 1 << 20


def load_data(path: PathLikeStr | None = None) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Load MNIST, split as published into training and test images.

    Parameters
    ----------
    path : str or path-like, optional
        A folder with the four IDX files `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
        `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, each plain or compressed with a further `.gz`, and
        each also under the spelling `train-images.idx3-ubyte`. Where several are there, the plain one is read.
        Other data sets of this format (Fashion-MNIST, KMNIST, EMNIST under these names) load as well.
        Without `path`, the files are downloaded once into the folder `mnist` of the cache, which is `NNCORE_HOME`
        where that environment variable is set, otherwise `$XDG_CACHE_HOME/nncore` or `~/.cache/nncore`.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : tuples of arrays
        x_train is (60000, 28, 28), y_train (60000,), x_test (10000, 28, 28), y_test (10000,); all are uint8.

    Raises
    ------
    FileNotFoundError
        A file is not in the folder, or there is no such folder.
    ValueError
        A file is not what its name says: the wrong magic number, shorter or longer than its header claims, broken
        compression, or as many labels as images are wanted and the counts differ.
    ConnectionError
        The download failed from every mirror. Nothing incomplete is left behind.

    Notes
    -----
    Source: Y. LeCun, C. Cortes and C. J. C. Burges, The MNIST database of handwritten digits (1998). What is
    downloaded is checked against the SHA-256 of the published files, and so is the cache at every call.

    Examples
    --------
    >>> from nncore.datasets import mnist
    >>> (x_train, y_train), (x_test, y_test) = mnist.load_data("data/mnist")  # doctest: +SKIP
    """
    if path is None:
        folder = cache_folder() / "mnist"
        download(folder)
    else:
        folder = Path(path).expanduser()
        if not folder.exists():
            raise FileNotFoundError(f"path must be a folder with the MNIST files; there is no {os.fspath(folder)!r}")
        if not folder.is_dir():
            raise NotADirectoryError(f"path must be a folder with the MNIST files; {os.fspath(folder)!r} is a file")
    training = read_pair(folder, "train")
    test = read_pair(folder, "t10k")
    if training[0].shape[1:] != test[0].shape[1:]:
        raise ValueError(
            f"the test images in {os.fspath(folder)!r} must have the size of the training images, "
            f"{training[0].shape[1:]}; they have {test[0].shape[1:]}"
        )
    return training, test


def read_pair(folder: Path, prefix: str) -> tuple[Array, Array]:
    """Images, (count, rows, columns), and labels, (count,), of one part of the data set."""
    image_file = find_file(folder, f"{prefix}-images-idx3-ubyte")
    label_file = find_file(folder, f"{prefix}-labels-idx1-ubyte")
    images = read_idx(image_file, dimensions=3)
    labels = read_idx(label_file, dimensions=1)
    if len(images) != len(labels):
        raise ValueError(
            f"{label_file} must hold a label for each of the {len(images)} images of {image_file.name}; "
            f"it holds {len(labels)}"
        )
    return images, labels


def find_file(folder: Path, name: str) -> Path:
    """The path of the file called `name` in one of its spellings, FileNotFoundError where there is none."""
    dotted = name.replace("-idx", ".idx")
    spellings = [name, dotted, f"{name}.gz", f"{dotted}.gz"]
    for spelling in spellings:
        # Some archives of MNIST unpack into folders that are called like the file inside.
        if (folder / spelling).is_file():
            return folder / spelling
    raise FileNotFoundError(f"no MNIST file {name!r} in {os.fspath(folder)!r}; looked for {', '.join(spellings)}")


def read_idx(path: Path, dimensions: int) -> Array:
    """Read an IDX file of unsigned bytes.

    The file is: two zero bytes, the element type (0x08), the number of dimensions, each dimension as a big-endian
    32-bit number, the elements. Whether it is compressed is told from its first bytes, since browsers drop a layer
    of compression and keep the name.

    Parameters
    ----------
    path : pathlib.Path
        The file, plain or compressed with gzip.
    dimensions : int
        The number of dimensions it must have.

    Returns
    -------
    array of uint8
        Writable. Memory grows with what the file holds, not with what its header claims.

    Raises
    ------
    ValueError
        Naming the file, what was wanted and what was got.
    """
    with open(path, "rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        try:
            if compressed:
                return read_idx_stream(gzip.GzipFile(fileobj=file), path, dimensions, size)
            return read_idx_stream(file, path, dimensions)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ValueError(f"{path} is not a complete gzip file: {error}") from error


def read_idx_stream(stream: Any, path: Path, dimensions: int, compressed: int | None = None) -> Array:
    """Read what `read_idx` describes from an open binary stream, of a file of so many bytes where it is compressed."""
    header = stream.read(4 + 4 * dimensions)
    magic = bytes([0, 0, UNSIGNED_BYTE, dimensions])
    if header[:4] != magic:
        raise ValueError(
            f"{path} must begin with the magic number 0x{magic.hex()}; it begins with 0x{header[:4].hex()}"
        )
    if len(header) < 4 + 4 * dimensions:
        raise ValueError(f"{path} must have a header of {4 + 4 * dimensions} bytes; the file ends after {len(header)}")
    shape = [int.from_bytes(header[i : i + 4], "big") for i in range(4, len(header), 4)]
    claim = f"its header says {' x '.join(map(str, shape))}"
    if 0 in shape:
        raise ValueError(f"{path} must hold something; {claim}")
    wanted = math.prod(shape)
    # In chunks, since a read allocates what it is asked for, and the header may ask for anything.
    content = bytearray()
    while len(content) < wanted:
        chunk = stream.read(min(CHUNK_BYTES, wanted - len(content)))
        if not chunk:
            raise ValueError(f"{path} must hold {wanted} bytes after its header ({claim}); it holds {len(content)}")
        content += chunk
        if compressed is not None:
            _files.most_unpacked(compressed, path, len(content))
    # In a gzip file, this read is also the one that checks the checksum at its end.
    if stream.read(1):
        raise ValueError(f"{path} must end {wanted} bytes after its header ({claim}); it goes on")
    return np.frombuffer(content, np.uint8).reshape(shape)


def cache_folder() -> Path:
    """The folder for downloaded files: NNCORE_HOME, or nncore below XDG_CACHE_HOME or ~/.cache."""
    home = os.environ.get("NNCORE_HOME")
    if home:
        return Path(home).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification wants relative paths ignored.
    return (Path(cache) if os.path.isabs(cache) else Path.home() / ".cache") / "nncore"


def download(folder: Path) -> None:
    """Bring the files that `folder` lacks into it; a file gets its name once it is complete and has been checked."""
    for file in REMOTE_FILES:
        path = folder / file.name
        if path.is_file() and path.stat().st_size == file.size and is_published(path.read_bytes(), file):
            continue
        folder.mkdir(parents=True, exist_ok=True)
        _files.replace(path, fetch(file))


def is_published(content: bytes, file: RemoteFile) -> bool:
    """Whether `content` is, to the bit, what was published under the name of `file`."""
    return hashlib.sha256(content).hexdigest() == file.sha256


def fetch(file: RemoteFile) -> bytes:
    """The content of `file` from the first mirror that has it, ConnectionError where none has."""
    # http.client takes longer to import than the rest of the package, and few calls need it.
    import http.client
    import urllib.request

    failures = []
    for mirror in MIRRORS:
        url = mirror + file.name
        print(f"Downloading {url} ({file.size / 1e6:.1f} MB)", file=sys.stderr)
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - https
                content: bytes = response.read(file.size + 1)
        except (OSError, http.client.HTTPException) as error:
            # A server's garbled answer can be a message of several lines.
            failures.append(f"{url}: {' '.join(str(error).split()) or type(error).__name__}")
            continue
        if len(content) != file.size:
            got = f"more than {file.size}" if len(content) > file.size else len(content)
            failures.append(f"{url}: wanted {file.size} bytes, got {got}")
        elif not is_published(content, file):
            failures.append(f"{url}: wanted SHA-256 {file.sha256}, got {hashlib.sha256(content).hexdigest()}")
        else:
            return content
    raise ConnectionError(
        f"could not download {file.name} ({'; '.join(failures)}). Without a network, bring the four MNIST files into a "
        "folder and pass it: nn.datasets.mnist.load_data('folder')"
    )

"""What the examples share: their options, and MNIST or what stands in for it."""

import argparse
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

import nncore as nn

Images = tuple[NDArray[Any], NDArray[Any]]  # and their digits


def options(description: str | None, *read: str, **written: str) -> argparse.Namespace:
    """What the command line says: --short, files that are read, and --name PATH of files that are written."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="a few seconds that show that it runs, on little data")
    for name in read:
        parser.add_argument(name, metavar=name.upper(), help="a file to be read")
    for name, default in written.items():
        parser.add_argument(f"--{name}", default=default, metavar="PATH", help="where it is written (%(default)s)")
    return parser.parse_args()


def mnist(short: bool = False) -> tuple[Images, Images]:
    """(x_train, y_train), (x_test, y_test): images (rows, 28, 28) of 0 to 255, and their digits.

    They are read from the folder NNCORE_MNIST, or downloaded. The short form takes a few of them, or where that folder
    is not given the digits that ship with the package, enlarged.
    """
    folder = os.environ.get("NNCORE_MNIST")
    if folder or not short:
        train, test = nn.datasets.mnist.load_data(folder)
    else:
        train, test = (enlarged(*part) for part in nn.datasets.digits.load_data())
    train, test = ((x[:640], y[:640]) if short else (x, y) for x, y in (train, test))
    return train, test


def enlarged(images: NDArray[Any], labels: NDArray[Any]) -> Images:
    """Images of 8 x 8 pixels from 0 to 16 as those of MNIST are."""
    large = np.kron(images, np.full((1, 3, 3), 15, np.uint8))
    return np.pad(large, ((0, 0), (2, 2), (2, 2))), labels

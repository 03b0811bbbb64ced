"""Images between files, Pillow and arrays."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nncore import _checks, _data, _files
from nncore._datasets import folder_datasets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nncore._datasets import Dataset
    from nncore._typing import Array, Data, PathLikeStr, Seed, Verbose

FORMATS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
MODES = {"rgb": "RGB", "rgba": "RGBA", "grayscale": "L"}


def _pillow() -> Any:
    try:
        import PIL.Image
    except ImportError as error:
        raise ImportError("images in files need Pillow: pip install 'nncore[images]'") from error
    return PIL.Image


def _checked_format(owner: str, data_format: Any) -> bool:
    if data_format not in (None, "channels_last", "channels_first"):
        raise ValueError(f"{owner}: data_format must be 'channels_last' or 'channels_first'; got {data_format!r}")
    return data_format == "channels_first"


def load_img(path: PathLikeStr, color_mode: Literal["rgb", "rgba", "grayscale"] = "rgb",
             target_size: tuple[int, int] | None = None, interpolation: str = "nearest",
             keep_aspect_ratio: bool = False) -> Any:  # fmt: skip
    """Returns the image in a file as Pillow has it.

    Parameters
    ----------
    path : path, or a file that is open for reading bytes
    color_mode : "rgb", "rgba" or "grayscale"
    target_size : (rows, columns), optional
    interpolation : "nearest", "bilinear", "bicubic", "hamming", "box" or "lanczos"
        Pillow's, for `target_size`.
    keep_aspect_ratio : bool
        The largest part in the middle that has the target's proportions is used, and not the whole image.

    Raises
    ------
    ImportError
        Without Pillow: pip install nncore[images].
    ValueError
        For bad arguments, and a file that is no image.
    """
    pillow = _pillow()
    if not _checks.is_word(color_mode, MODES):
        raise ValueError(f"load_img: color_mode must be one of {', '.join(MODES)}; got {color_mode!r}")
    choices = {name: getattr(pillow.Resampling, name.upper())
               for name in ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")}  # fmt: skip
    if not _checks.is_word(interpolation, choices):
        raise ValueError(f"load_img: interpolation must be one of {', '.join(choices)}; got {interpolation!r}")
    if hasattr(path, "read"):
        content = path.read()
    else:
        with open(path, "rb") as file:
            content = file.read()
    try:
        image = pillow.open(io.BytesIO(content))
        image.load()
        if not (color_mode == "grayscale" and image.mode in ("I;16", "I")):
            image = image.convert(MODES[color_mode])
    except Exception as error:  # Pillow's readers raise what comes, such as IndexError for a chunk that is cut off
        what = str(error) or type(error).__name__
        raise ValueError(f"load_img: {getattr(path, 'name', path)} is no image: {what}") from error
    if target_size is None:
        return image
    rows, columns = _size("load_img", "target_size", target_size)
    box = None
    if keep_aspect_ratio:
        high = min(image.height, image.width * rows // columns)
        wide = min(image.width, image.height * columns // rows)
        top, left = (image.height - high) // 2, (image.width - wide) // 2
        box = (left, top, left + wide, top + high)
    if image.size == (columns, rows):
        return image
    return image.resize((columns, rows), choices[interpolation], box=box)


def img_to_array(img: Any, data_format: Literal["channels_last", "channels_first"] | None = None,
                 dtype: Any = None) -> Array:  # fmt: skip
    """Returns an image of Pillow's as an array (rows, columns, channels) of float32, or another `dtype`.

    `data_format` "channels_first" gives (channels, rows, columns).
    """
    array = np.asarray(img, np.dtype(dtype or "float32"))
    if array.ndim not in (2, 3):
        raise ValueError(f"img_to_array: an image has two or three axes; got shape {array.shape}")
    array = array[..., None] if array.ndim == 2 else array
    return array.transpose(2, 0, 1) if _checked_format("img_to_array", data_format) else array


def array_to_img(x: Data, data_format: Literal["channels_last", "channels_first"] | None = None, scale: bool = True,
                 dtype: Any = None) -> Any:  # fmt: skip
    """Returns an array (rows, columns, channels), of 1, 3 or 4 channels, as an image of Pillow's.

    Parameters
    ----------
    data_format : "channels_last" or "channels_first"
    scale : bool
        The smallest number becomes 0, and the largest 255; else numbers are 0 to 255.
    dtype : type in which that is computed, float32 unless given
    """
    pillow = _pillow()
    array = np.array(_data.as_array(x, "x"), np.dtype(dtype or "float32"))
    if array.ndim != 3:
        raise ValueError(f"array_to_img: an image has three axes; got shape {array.shape}")
    array = array.transpose(1, 2, 0) if _checked_format("array_to_img", data_format) else array
    if array.shape[2] not in (1, 3, 4):
        raise ValueError(f"array_to_img: an image has 1, 3 or 4 channels; got {array.shape[2]}")
    if scale and array.size:
        array = array - array.min()
        array = array / (array.max() or 1) * 255
    if array.shape[2] == 1:
        wide = array.max(initial=0) > 255
        return pillow.fromarray(np.ascontiguousarray(array[..., 0]).astype(np.int32 if wide else np.uint8))
    return pillow.fromarray(np.ascontiguousarray(array).astype(np.uint8))


def save_img(path: PathLikeStr, x: Data, data_format: Literal["channels_last", "channels_first"] | None = None,
             file_format: str | None = None, scale: bool = True, **kwargs: Any) -> None:  # fmt: skip
    """Writes an array as an image file; see `array_to_img`.

    Parameters
    ----------
    path : path, or a file that is open for writing bytes
    file_format : str, optional
        Such as "png"; the path's ending says it unless given.
    kwargs : of Pillow's `Image.save`, such as quality=90
    """
    if file_format is None and not hasattr(path, "write"):
        file_format = os.path.splitext(path)[1][1:]
    file_format = {"jpg": "jpeg"}.get((file_format or "").lower(), file_format or None)
    image = array_to_img(x, data_format, scale)
    if image.mode == "RGBA" and file_format == "jpeg":
        raise ValueError("save_img: a JPEG has no fourth channel; give three, or write a PNG")
    if hasattr(path, "write"):
        image.save(path, format=file_format, **kwargs)
        return
    content = io.BytesIO()
    image.save(content, format=file_format, **kwargs)
    _files.replace(path, content.getvalue())


def _size(owner: str, name: str, size: Any) -> tuple[int, int]:
    if isinstance(size, int):
        size = (size, size)
    if not isinstance(size, (list, tuple)) or len(size) != 2:
        raise ValueError(f"{owner}: {name} must be (rows, columns); got {size!r}")
    rows, columns = (_checks.positive_integer(owner, name, extent) for extent in size)
    return rows, columns


# ---------------------------------------------------------------- folders


def image_dataset_from_directory(directory: PathLikeStr,
                                 labels: Literal["inferred"] | Sequence[int] | Array | None = "inferred",
                                 label_mode: Literal["int", "categorical", "binary"] | None = "int",
                                 class_names: Sequence[str] | None = None,
                                 color_mode: Literal["rgb", "rgba", "grayscale"] = "rgb", batch_size: int | None = 32,
                                 image_size: tuple[int, int] = (256, 256), shuffle: bool = True,
                                 seed: Seed = None, validation_split: float | None = None,
                                 subset: Literal["training", "validation", "both"] | None = None,
                                 interpolation: Literal["nearest", "bilinear"] = "bilinear", follow_links: bool = False,
                                 crop_to_aspect_ratio: bool = False, pad_to_aspect_ratio: bool = False,
                                 data_format: Literal["channels_last", "channels_first"] | None = None,
                                 format: str = "tf", verbose: Verbose = True) -> Dataset | Any:  # fmt: skip
    """Returns minibatches of the images in a folder's files: arrays (rows, height, width, channels) of float32.

    Numbers are 0 to 255. Files are .bmp, .gif (of which the first picture counts), .jpeg, .jpg and .png.

    Parameters
    ----------
    directory, labels, label_mode, class_names, batch_size, shuffle, seed
        As in `text_dataset_from_directory`.
    validation_split, subset, follow_links, format, verbose
        As in `text_dataset_from_directory`.
    color_mode : "rgb", "rgba" or "grayscale"
    image_size : (rows, columns)
        That all images are made to have.
    interpolation : "bilinear" or "nearest"
    crop_to_aspect_ratio, pad_to_aspect_ratio : bool
        The largest part in the middle that has the proportions of `image_size` is used, or black is put around the
        image, so that its own proportions stay.
    data_format : "channels_last"

    Returns
    -------
    Dataset, or a list of two
        With `class_names` and `file_paths`.

    Raises
    ------
    ImportError
        Without Pillow: pip install nncore[images].
    ValueError
        For bad arguments, a folder without such files, and, when it is read, a file that is no image.
    """
    owner = "image_dataset_from_directory"
    _pillow()
    if not _checks.is_word(color_mode, MODES):
        raise ValueError(f"{owner}: color_mode must be one of {', '.join(MODES)}; got {color_mode!r}")
    if not _checks.is_word(interpolation, _WEIGHTS):
        raise ValueError(f"{owner}: interpolation must be 'bilinear' or 'nearest'; got {interpolation!r}")
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError(f"{owner}: an image is cropped or padded, not both")
    if _checked_format(owner, data_format):
        raise ValueError(f"{owner}: data_format 'channels_first' is not supported")
    size = _size(owner, "image_size", image_size)

    def one(path: str) -> Array:
        image = img_to_array(load_img(path, color_mode))
        if pad_to_aspect_ratio:
            return _padded(image, size, interpolation)
        return _resized(_cropped(image, size) if crop_to_aspect_ratio else image, size, interpolation)

    def read(paths: Sequence[str]) -> Array:
        return np.stack([one(path) for path in paths])

    return folder_datasets(owner, directory, FORMATS, read, labels=labels, label_mode=label_mode,
                           class_names=class_names, batch_size=batch_size, shuffle=shuffle, seed=seed,
                           validation_split=validation_split, subset=subset, follow_links=follow_links,
                           verbose=verbose)  # fmt: skip


def _cropped(image: Array, size: Sequence[int]) -> Array:
    height, width = image.shape[:2]
    high = max(1, min(height, int(width * size[0] / size[1])))
    wide = max(1, min(width, int(height * size[1] / size[0])))
    top, left = (height - high) // 2, (width - wide) // 2
    return image[top : top + high, left : left + wide]


def _padded(image: Array, size: Sequence[int], interpolation: Literal["nearest", "bilinear"]) -> Array:
    """The image as large as it fits into `size`, in the middle of zeros."""
    ratio = max(np.float32(image.shape[axis]) / np.float32(size[axis]) for axis in (0, 1))
    exact = [np.float32(image.shape[axis]) / ratio for axis in (0, 1)]
    inner = [min(size[axis], max(1, int(exact[axis]))) for axis in (0, 1)]
    begin = [min(max(0, int((size[axis] - exact[axis]) / 2)), size[axis] - inner[axis]) for axis in (0, 1)]
    padded = np.zeros((*size, image.shape[2]), image.dtype)
    places = tuple(slice(first, first + extent) for first, extent in zip(begin, inner, strict=True))
    padded[places] = _resized(image, inner, interpolation)
    return padded


def _bilinear(extent: int, wanted: int) -> tuple[Array, Array, Array]:
    """For each place of a new axis the two neighbours of the old one, and the second one's share."""
    places = np.maximum((np.arange(wanted) + 0.5) * (extent / wanted) - 0.5, 0)
    first = np.minimum(np.floor(places).astype(np.int64), extent - 1)
    return first, np.minimum(first + 1, extent - 1), (places - first).astype(np.float32)


def _nearest(extent: int, wanted: int) -> tuple[Array, Array, Array]:
    first = np.minimum(((np.arange(wanted) + 0.5) * (extent / wanted)).astype(np.int64), extent - 1)
    return first, first, np.zeros(wanted, np.float32)


_WEIGHTS = {"bilinear": _bilinear, "nearest": _nearest}


def _resized(image: Array, size: Sequence[int], interpolation: str) -> Array:
    """The image with other extents; centres of pixels at halves, as TensorFlow and PyTorch have them."""
    for axis, wanted in enumerate(size):
        if image.shape[axis] != wanted:
            first, second, share = _WEIGHTS[interpolation](image.shape[axis], wanted)
            share = share.reshape([-1 if other == axis else 1 for other in range(3)])
            low = image.take(first, axis)
            image = low + (image.take(second, axis) - low) * share
    return image

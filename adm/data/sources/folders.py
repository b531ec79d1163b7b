"""Folders of images: one folder for each class, as in ImageNet, or one folder of a single class, as in LSUN."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adm.data.sources.source import Source
from adm.params.data import ROOTS, DatasetParams
from adm.params.errors import UserError

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
"""Endings of the names of images, in lower case; files with other endings are skipped."""


FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""Accepted formats, whatever the name: Pillow's other decoders start programs or are rarely used."""

FEW_PIXELS = 1 << 20
"""Pixels that a file of any size may declare."""

MOST_INFLATED = 8 * 1032
"""Most pixels from one byte of a PNG: deflate makes 1032 bytes of one byte, each with eight black or white pixels."""

MOST_PIXELS = 89_478_485
"""Most pixels of an image: above this Pillow warns, and above twice this it refuses."""

# As an error, because a warning would print more lines beside the error message.
warnings.simplefilter("error", Image.DecompressionBombWarning)


def class_folders(dataset: DatasetParams) -> Source:
    """Images with one folder for each class, as in ImageNet's `train`; classes are in the order of the folders' names.

    Raises:
        UserError: There are not `num_classes` folders, or one holds no image.
    """
    root = _root(dataset)
    folders = class_names(root)
    # With one folder too few or too many, all classes after it would get wrong labels.
    if len(folders) != dataset.num_classes:
        raise UserError(f"{root}: has {len(folders)} class folders, but num_classes is {dataset.num_classes}")
    names: list[str] = []
    labels: list[NDArray[np.int64]] = []
    for label, folder in enumerate(folders):
        found = _images(root / folder)
        names += [f"{folder}/{name}" for name in found]
        labels.append(np.full(len(found), label))
    return Source(str(root), np.concatenate(labels), lambda index: read_image(root / names[index]))


def flat_folder(dataset: DatasetParams) -> Source:
    """Images in one folder, all of class 0, because LSUN has one category in a folder.

    Raises:
        UserError: The folder does not exist or holds no image.
    """
    root = _root(dataset)
    names = _images(root)
    return Source(str(root), np.zeros(len(names), np.int64), lambda index: read_image(root / names[index]))


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file as (H, W, 3) uint8: grey becomes RGB, transparency is dropped.

    Raises:
        UserError: The file is no image, is damaged, or is larger than Pillow considers safe.
    """
    try:
        with open_image(path) as image:
            return np.asarray(image.convert("RGB"))
    except Exception as error:  # for damaged bytes, Pillow's decoders raise nearly any exception
        raise UserError(f"{path}: is no readable image ({' '.join(str(error).split())[:120]})") from error


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image and check its size against the file's; no pixel is decoded yet.

    Raises:
        ValueError: It declares more pixels than the file can hold.
        Exception: Any exception of Pillow.
    """
    with Image.open(path, formats=FORMATS) as image:
        most = min(FEW_PIXELS + MOST_INFLATED * path.stat().st_size, MOST_PIXELS)
        if image.width * image.height > most:
            raise ValueError(f"declares {image.width}x{image.height} pixels, more than the {most} it may")
        yield image


def _root(dataset: DatasetParams) -> Path:
    root = Path(str(dataset.root))
    if not root.is_dir():
        raise UserError(f"{root}: is no folder; root must be {ROOTS[dataset.source]}")
    return root


def class_names(folder: Path) -> list[str]:
    """The names of the classes' folders, in order."""
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def names_of_images(folder: Path) -> list[str]:
    """The names of the images that lie in a folder itself, in order."""
    # Names, not paths: a million paths would take hundreds of megabytes. Files of the system with the same ending
    # begin with a dot; they are no images.
    names = sorted(path.name for path in folder.iterdir())
    return [name for name in names if name.lower().endswith(ENDINGS) and not name.startswith(".")]


def _images(folder: Path) -> list[str]:
    found = names_of_images(folder)
    if not found:
        raise UserError(f"{folder}: holds no image; accepted are files that end in {', '.join(ENDINGS)}")
    return found

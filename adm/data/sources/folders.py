"""Folders of images: one folder a class, as ImageNet's, or all of one class, as LSUN's."""

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
"""How names of images end, in small letters; other files are passed over."""


FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
"""What an image may be, whatever its name: others of Pillow's decoders start programs or are rarely used."""

FEW_PIXELS = 1 << 20
"""That any file may declare."""

MOST_INFLATED = 8 * 1032
"""Pixels that a byte of a PNG stands for, at most: deflate makes 1032 bytes of one, of eight black or white pixels."""

MOST_PIXELS = 89_478_485
"""Of any image: above that Pillow warns, and twice that it refuses."""

# The warning would be lines beside the one that tells of the error.
warnings.simplefilter("error", Image.DecompressionBombWarning)


def class_folders(dataset: DatasetParams) -> Source:
    """Images in one folder a class, as in ImageNet's `train`; the classes are the folders in order of their names.

    Raises:
        UserError: There are not `num_classes` folders, or one holds no image.
    """
    root = _root(dataset)
    folders = class_names(root)
    # One folder too few or too many would give every class behind it another label.
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
    """Images in one folder, all of class 0, as LSUN's come one category at a time.

    Raises:
        UserError: The folder does not exist or holds no image.
    """
    root = _root(dataset)
    names = _images(root)
    return Source(str(root), np.zeros(len(names), np.int64), lambda index: read_image(root / names[index]))


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file as (H, W, 3) uint8: grey becomes RGB, transparency is dropped.

    Raises:
        UserError: The file is no image, damaged, or larger than Pillow deems safe.
    """
    try:
        with open_image(path) as image:
            return np.asarray(image.convert("RGB"))
    except Exception as error:  # damaged bytes make Pillow's decoders raise nearly anything
        raise UserError(f"{path}: is no readable image ({' '.join(str(error).split())[:120]})") from error


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image, of which nothing is decoded yet but its size, which the file must be large enough for.

    Raises:
        ValueError: It declares too many pixels.
        Exception: What Pillow raises.
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
    # Names, not paths: of a million files those would fill hundreds of megabytes. A leading dot marks what systems
    # leave beside images under the same ending.
    names = sorted(path.name for path in folder.iterdir())
    return [name for name in names if name.lower().endswith(ENDINGS) and not name.startswith(".")]


def _images(folder: Path) -> list[str]:
    found = names_of_images(folder)
    if not found:
        raise UserError(f"{folder}: holds no image; accepted are files that end in {', '.join(ENDINGS)}")
    return found

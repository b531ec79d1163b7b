"""Folders of images: one folder for each class, as in ImageNet, or one folder of a single class, as in LSUN."""

import re
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.class_names import Names
from adm.config.data import ROOTS, ImageSource
from adm.data.decoding import read_image
from adm.data.listing import ENDINGS, class_names, names_of_images
from adm.data.sources.source import Source
from adm.errors import UserError

SYNSET = re.compile("n[0-9]{8}")
"""A key of WordNet, by which ImageNet's folders are called: it is no name."""


def class_folders(dataset: ImageSource) -> Source:
    """Read images with one folder for each class, as in ImageNet's `train`; classes are in the order of their names.

    Raises:
        UserError: There are not `num_classes` folders, or one holds no image.
    """
    root = _root(dataset)
    folders = class_names(root)
    # With one folder too few or too many, all classes after it would get wrong labels.
    if len(folders) != dataset.num_classes:
        raise UserError(f"{root}: has {len(folders)} class folders, but num_classes is {dataset.num_classes}")
    images = [[f"{folder}/{name}" for name in _images(root / folder)] for folder in folders]
    labels = np.repeat(np.arange(len(folders)), [*map(len, images)])
    named = None if all(map(SYNSET.fullmatch, folders)) else folders
    return _of_files(root, [*chain(*images)], labels, dataset.background, named)


def flat_folder(dataset: ImageSource) -> Source:
    """Return images in one folder, all of class 0, as LSUN has one category in a folder; `looked_at` may split them.

    Raises:
        UserError: The folder does not exist or holds no image.
    """
    root = _root(dataset)
    names = _images(root)
    return _of_files(root, names, np.zeros(len(names), np.int64), dataset.background)


def _of_files(
    root: Path, names: list[str], labels: NDArray[np.int64], background: str | None, named: Names = None
) -> Source:
    def file(index: int) -> Path:
        return root / names[index]

    return Source(str(root), labels, lambda index: read_image(file(index), background=background), file, named)


def _root(dataset: ImageSource) -> Path:
    root = Path(str(dataset.root))
    if not root.is_dir():
        raise UserError(f"{root}: is no folder; root must be {ROOTS[dataset.source]}")
    return root


def _images(folder: Path) -> list[str]:
    names = names_of_images(folder)
    if not names:
        raise UserError(f"{folder}: holds no image; accepted are files that end in {', '.join(ENDINGS)}")
    return names

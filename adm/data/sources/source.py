"""A source of labelled images: labels in memory, images read on demand."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.class_names import Names
from adm.config.data import ImageSource
from adm.data.clusters import clusters_of
from adm.data.crops import centre_crop
from adm.data.decoding import as_grey, read_image
from adm.data.duplicates import alike_told, first_alike, thumbnail
from adm.data.shards import Part
from adm.errors import UserError
from adm.progress import progress

Alike = NDArray[np.int64] | None

FEWEST = 2
"""Fewest images of a part of a dataset: a covariance needs two."""


@dataclass(frozen=True, eq=False)
class Source:
    """Labelled images of any sizes.

    Attributes:
        name: Its name in error messages.
        labels: (N,) int64, the class of each image.
        read: Reads the image with an index as (H, W, 3) uint8; several threads call it at once.
        file: The file of the image with an index; None where images are not in files of their own.
        class_names: The name of each class; None where classes have numbers alone.
    """

    name: str
    labels: NDArray[np.int64]
    read: Callable[[int], NDArray[np.uint8]]
    file: Callable[[int], Path] | None = None
    class_names: Names = None


def parts_of(source: Source, dataset: ImageSource, alike: Alike = None) -> dict[Part, NDArray[np.int64]]:
    """Choose a dataset's training images and, if any, its held-out ones, of `alike` ones all: indices, in order.

    Raises:
        UserError: A class in `classes` has no image, a label is not below `num_classes`, or a part has too few images.
    """
    labels = source.labels
    for label in dataset.classes or []:
        if label not in labels:
            raise UserError(f"{source.name}: has no image of class {label}, which classes asks for")
    kept = np.arange(len(labels)) if dataset.classes is None else np.flatnonzero(np.isin(labels, dataset.classes))
    if not len(kept):
        raise UserError(f"{source.name}: holds no image")
    if labels[kept].max() >= dataset.num_classes:
        raise UserError(f"{source.name}: has a class {labels[kept].max()}, but num_classes is {dataset.num_classes}")
    if not dataset.held_out:
        return {"training": kept}
    # Into however many clusters they are split, the same images are held out.
    held_out = held_out_of(np.zeros_like(labels) if dataset.source == "lsun" else labels, dataset.held_out, alike)[kept]
    parts: dict[Part, NDArray[np.int64]] = {"training": kept[~held_out], "held_out": kept[held_out]}
    for name, indices in parts.items():
        if len(indices) < FEWEST:
            share = f"{len(indices)} of {len(kept)} images for the part {name!r}"
            raise UserError(f"{source.name}: held_out {dataset.held_out} leaves {share}, which needs {FEWEST} at least")
    return parts


def looked_at(source: Source, dataset: ImageSource) -> tuple[Source, Alike]:
    """Read a source's files for its clusters, which become classes where there are none, and for near-duplicates.

    The latter are logged; they are None if nothing is held out, or there are no files.

    Raises:
        UserError: A file is no readable image, or there are too few images for the clusters.
    """
    are_clusters = dataset.source == "lsun" and dataset.num_classes > 1
    if (file := source.file) is None or not (dataset.held_out or are_clusters):
        return source, None
    if are_clusters and len(source.labels) < 2 * dataset.num_classes:
        raise UserError(f"{source.name}: has {len(source.labels)} images, too few for {dataset.num_classes} clusters")
    with ThreadPoolExecutor() as pool:
        small = pool.map(lambda index: thumbnail(source.read(index)), range(len(source.labels)))
        thumbnails = np.stack([*progress(small, len(source.labels), "image", name="near-duplicates")])
    labels = clusters_of(thumbnails, dataset.num_classes) if are_clusters else source.labels
    alike = first_alike(thumbnails) if dataset.held_out else None
    if alike is not None and (told := alike_told(alike, lambda index: str(file(index).relative_to(source.name)))):
        logging.getLogger(__name__).info("%s: %s; each is trained on or held out whole", source.name, told)
    return replace(source, labels=labels), alike


def held_out_of(labels: NDArray[np.int64], share: float, alike: Alike = None) -> NDArray[np.bool_]:
    """Choose a share, in [0, 1), of the images of every class at random, with a fixed seed.

    Labels (N,) are of all images of a source, so that the choice is the same for any view of it. Where some are
    `alike`, the share is one of their groups; each is of the class of its first image.

    Returns:
        (N,) bool; floor(share N) values are true, and the number in each class differs from its share by less than 1.
    """
    if alike is not None:
        first, group = np.unique(alike, return_inverse=True)
        return held_out_of(labels[first], share)[group]
    order = np.random.default_rng(0).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    # With images sorted by class, an image is chosen wherever floor(share * images so far) increases.
    chosen = np.diff(np.floor(np.arange(len(labels) + 1) * share)) > 0
    held_out = np.zeros(len(labels), np.bool_)
    held_out[order[chosen]] = True
    return held_out


def cropped(source: Source, indices: NDArray[np.int64], dataset: ImageSource) -> NDArray[np.uint8]:
    """Read the images at the indices (n,) and crop them, several at once: (n, side, side, 3) uint8.

    Those of a dataset of one channel become grey: three equal channels of luminance.

    Raises:
        UserError: An image cannot be read.
    """

    def crop(index: np.int64) -> NDArray[np.uint8]:
        image = centre_crop(source.read(int(index)), dataset.side)
        return image if dataset.channels == 3 else as_grey(image)

    images = np.empty((len(indices), dataset.side, dataset.side, 3), np.uint8)
    # Pillow releases the GIL while it decodes and resizes, so threads are enough.
    with ThreadPoolExecutor() as pool:
        for row, image in enumerate(pool.map(crop, indices)):
            images[row] = image
    return images


def encoded(source: Source, indices: NDArray[np.int64], background: str | None) -> Iterator[tuple[bytes, int, int]]:
    """Read the files of images, several at once, and their heights and widths; each is decoded once, as a check.

    Raises:
        UserError: A file is no readable image.
    """
    assert source.file is not None
    file = source.file

    def read(index: np.int64) -> tuple[bytes, int, int]:
        path = file(int(index))
        content = path.read_bytes()
        height, width = read_image(content, str(path), background).shape[:2]
        return content, height, width

    with ThreadPoolExecutor() as pool:
        yield from pool.map(read, indices)

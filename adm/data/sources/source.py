"""A source of labelled images: labels in memory, images read on demand."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from adm.data.crops import centre_crop
from adm.data.shards import Part
from adm.params.data import DatasetParams
from adm.params.errors import UserError

Chunk = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Images (n, H, W, 3) uint8 and their labels (n,) int64."""

FEWEST = 2
"""Images of a part of a dataset: a covariance needs two."""


@dataclass(frozen=True, eq=False)
class Source:
    """Labelled images of any sizes.

    Attributes:
        name: Its name in error messages.
        labels: (N,) int64, the class of each image.
        read: Reads the image of an index as (H, W, 3) uint8; called from several threads at once.
    """

    name: str
    labels: NDArray[np.int64]
    read: Callable[[int], NDArray[np.uint8]]


def view(source: Source, dataset: DatasetParams) -> NDArray[np.int64]:
    """The indices of the images that a dataset keeps, in the source's order.

    Raises:
        UserError: A class that the dataset asks for has no image, there are fewer images than `limit`, or one of them
            has a label that is not below `num_classes`.
    """
    labels = source.labels
    for label in dataset.classes or []:
        if label not in labels:
            raise UserError(f"{source.name}: has no image of class {label}, which classes asks for")
    kept = np.arange(len(labels)) if dataset.classes is None else np.flatnonzero(np.isin(labels, dataset.classes))
    if dataset.limit is not None and dataset.limit > len(kept):
        raise UserError(f"{source.name}: has {len(kept)} images to choose from, fewer than limit {dataset.limit}")
    kept = kept[: dataset.limit]
    if not len(kept):
        raise UserError(f"{source.name}: holds no image")
    if labels[kept].max() >= dataset.num_classes:
        raise UserError(f"{source.name}: has a class {labels[kept].max()}, but num_classes is {dataset.num_classes}")
    return kept


def parts_of(source: Source, dataset: DatasetParams) -> dict[Part, NDArray[np.int64]]:
    """The indices of the images that a dataset trains on and, where it has them, of those that it holds out.

    Raises:
        UserError: As `view`, or a part has too few images.
    """
    kept = view(source, dataset)
    if not dataset.held_out:
        return {"training": kept}
    held_out = held_out_of(source.labels, dataset.held_out)[kept]
    parts: dict[Part, NDArray[np.int64]] = {"training": kept[~held_out], "held_out": kept[held_out]}
    for name, indices in parts.items():
        if len(indices) < FEWEST:
            found = f"{len(indices)} of {len(kept)} images for the part {name!r}"
            raise UserError(f"{source.name}: held_out {dataset.held_out} leaves {found}, which needs {FEWEST} at least")
    return parts


def held_out_of(labels: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """Choose a share of the images of every class at random, under a fixed seed.

    Args:
        labels: (N,) int64, of all images of a source, so that whether one is chosen is the same for any view of them.
        share: In [0, 1).

    Returns:
        (N,) bool, floor(share N) of them true; of a class the share, up to less than one image.
    """
    order = np.random.default_rng(0).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    # Walking through the classes, the count of chosen images goes up wherever the share of those passed does.
    chosen = np.diff(np.floor(np.arange(len(labels) + 1) * share)) > 0
    held_out = np.zeros(len(labels), np.bool_)
    held_out[order[chosen]] = True
    return held_out


def chunks(source: Source, kept: NDArray[np.int64], dataset: DatasetParams) -> Iterator[Chunk]:
    """Read and crop images a shard at a time, so that only one shard is in memory.

    Args:
        source: The source.
        kept: (n,) the indices to read, in order.
        dataset: Side of the crops, images of a shard, and whether they turn grey: three channels of luminance.

    Yields:
        Images (shard_size, image_size, image_size, 3) uint8 and labels (shard_size,) int64; the last may be fewer.

    Raises:
        UserError: An image cannot be read.
    """

    def cropped(index: np.int64) -> NDArray[np.uint8]:
        image = centre_crop(source.read(int(index)), side)
        return image if dataset.channels == 3 else as_grey(image)

    side, length = dataset.image_size, dataset.shard_size
    # Pillow releases the GIL while it decodes and resizes, so threads are enough.
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(kept), length):
            indices = kept[start : start + length]
            images = np.empty((len(indices), side, side, 3), np.uint8)
            for row, image in enumerate(pool.map(cropped, indices)):
                images[row] = image
            yield images, source.labels[indices]


def as_grey(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The luminance of (H, W, 3) uint8 in three equal channels; what is grey stays as it is to the bit."""
    luminance = np.asarray(Image.fromarray(image).convert("L"))
    return np.repeat(luminance[..., None], 3, axis=-1)

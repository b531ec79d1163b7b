"""A source of labelled images: labels in memory, images read on demand."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adm.data.crops import centre_crop
from adm.params.data import DatasetParams
from adm.params.errors import UserError

Chunk = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Images (n, H, W, 3) uint8 and their labels (n,) int64."""


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


def chunks(source: Source, kept: NDArray[np.int64], image_size: int, length: int) -> Iterator[Chunk]:
    """Read and crop images in chunks, so that only one chunk is in memory.

    Args:
        source: The source.
        kept: (n,) the indices to read, in order.
        image_size: Side of the crops.
        length: Images per chunk; the last chunk may be shorter.

    Yields:
        Images (length, image_size, image_size, 3) uint8 and labels (length,) int64.

    Raises:
        UserError: An image cannot be read.
    """

    def cropped(index: np.int64) -> NDArray[np.uint8]:
        return centre_crop(source.read(int(index)), image_size)

    # Pillow releases the GIL while it decodes and resizes, so threads are enough.
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(kept), length):
            indices = kept[start : start + length]
            images = np.empty((len(indices), image_size, image_size, 3), np.uint8)
            for row, image in enumerate(pool.map(cropped, indices)):
                images[row] = image
            yield images, source.labels[indices]

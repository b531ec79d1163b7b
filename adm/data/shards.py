"""A prepared dataset: uint8 images and int64 labels in memory-mapped shards."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.manifest import EVERY, read_manifest
from adm.artifacts.reading import read_npy
from adm.artifacts.streaming import CHUNK, release, stretches, write_npy
from adm.params.errors import UserError

Part = Literal["training", "held_out"]

PREFIXES: dict[Part, str] = {"training": "", "held_out": "held-out-"}
"""How the names of a part's shards begin, so that who looks for images finds those to train on alone."""


def write_shards(
    folder: Path,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    shard_size: int,
    first: int = 0,
    part: Part = "training",
) -> None:
    """Write images (N, H, W, 3) uint8 and labels (N,) int64 as npy files of at most `shard_size` images.

    The files are numbered from `first` on, so that a dataset can be written in chunks.
    """
    for number, start in enumerate(range(0, len(images), shard_size), start=first):
        rows = slice(start, start + shard_size)
        write_npy(folder / f"{PREFIXES[part]}images-{number:05d}.npy", images[rows])
        write_npy(folder / f"{PREFIXES[part]}labels-{number:05d}.npy", labels[rows])


class ImageShards:
    """Parts of a prepared dataset, read-only; images are read from disk on demand.

    Attributes:
        labels: (N,) int64.
        height: Of the images.
        width: Of the images.

    Args:
        folder: The artifact of `prepare`.
        image_size: The side that the images must have; None accepts any.
        checked: Which files to check, where other processes check the rest; see `read_manifest`.
        parts: Which of its parts, one after the other; parts that it lacks are empty.

    Raises:
        UserError: The folder is no prepared dataset, it changed, its parts are empty, or its images have another side.
    """

    def __init__(
        self,
        folder: Path,
        image_size: int | None = None,
        checked: slice = EVERY,
        parts: Sequence[Part] = ("training",),
    ) -> None:
        files = read_manifest(folder, "prepare", checked=checked).files
        prefixes = [f"{PREFIXES[part]}images-" for part in parts]
        image_files = [name for prefix in prefixes for name in sorted(files) if name.startswith(prefix)]
        if not image_files:
            raise UserError(f"{folder}: holds no {'images' if 'training' in parts else 'held-out images'}")
        shape = (None, image_size, image_size, 3)
        self._images = [read_npy(folder / name, "uint8", shape) for name in image_files]
        self.height, self.width = self._images[0].shape[1:3]
        names = [name.replace("images-", "labels-") for name in image_files]
        self.labels = np.concatenate([read_npy(folder / name, "int64", (None,)) for name in names])
        self._starts = np.cumsum([0, *(len(shard) for shard in self._images)])
        if len(self.labels) != len(self):
            raise UserError(f"{folder}: has {len(self)} images but {len(self.labels)} labels")

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, indices: NDArray[np.int64] | slice) -> NDArray[np.uint8]:
        """Images (B, H, W, 3) uint8 at the indices (B,), or of a slice."""
        if isinstance(indices, slice):
            indices = np.arange(len(self))[indices]
        rows = [self._images[s][i - self._starts[s]] for s, i in zip(self._shards_of(indices), indices, strict=True)]
        return np.stack(rows) if rows else self._images[0][:0]

    def chunks(self, indices: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        """Yield the images (n, H, W, 3) uint8 at the indices (N,), in order; only n <= CHUNK are in memory."""
        for some in stretches(indices, CHUNK):
            yield self[some]
            for shard in np.unique(self._shards_of(some)):
                release(self._images[shard])

    def _shards_of(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of the shard that holds each image."""
        shards: NDArray[np.int64] = np.searchsorted(self._starts, indices, side="right") - 1
        return shards

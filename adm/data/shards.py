"""A prepared dataset in memory-mapped shards: uint8 images, or the files of images one after the other, and labels."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, repeat
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.class_names import FACT, Names
from adm.artifacts.manifest import EVERY, read_manifest
from adm.artifacts.reading import Shape, read_npy
from adm.artifacts.streaming import CHUNK, release, stretches, write_npy
from adm.data.crops import Crop, centre_crop, cut
from adm.data.decoding import as_grey, read_image
from adm.errors import UserError

Part = Literal["training", "held_out"]

PREFIXES: dict[Part, str] = {"training": "", "held_out": "held-out-"}
"""How the names of a part's shards begin, so that who looks for images finds those to train on alone."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Images in memory, (N, H, W, 3) uint8, and their labels (N,) int64, to be read as `ImageShards`."""

    labels: NDArray[np.int64]
    images: NDArray[np.uint8]

    def __getitem__(self, rows: Any) -> Any:
        return self.images[rows]

    def __len__(self) -> int:
        return len(self.images)


def write_shard(folder: Path, images: NDArray[np.uint8], labels: NDArray[np.int64], number: int, part: Part) -> None:
    """Write images (N, H, W, 3) uint8 and labels (N,) int64 as two npy files."""
    write_npy(folder / f"{PREFIXES[part]}images-{number:05d}.npy", images)
    write_npy(folder / f"{PREFIXES[part]}labels-{number:05d}.npy", labels)


def write_encoded_shard(
    folder: Path, images: Iterable[tuple[bytes, int, int]], labels: NDArray[np.int64], number: int, part: Part
) -> None:
    """Write the files of images one after the other into one file, and beside it an index and labels (N,) int64.

    Of each image the content of its file, its height and its width in pixels are given. The index is (N, 3) int64: the
    byte at which each file ends, and height and width.
    """
    rows = []
    with (folder / f"{PREFIXES[part]}images-{number:05d}.bin").open("wb") as file:
        for content, height, width in images:
            file.write(content)
            rows.append((file.tell(), height, width))
    write_npy(folder / f"{PREFIXES[part]}index-{number:05d}.npy", np.array(rows, np.int64))
    write_npy(folder / f"{PREFIXES[part]}labels-{number:05d}.npy", labels)


class _Shard(NamedTuple):
    """A shard: how many images it holds, the height and width of one and the image itself by its row, and its file."""

    length: int
    shape: Callable[[int], tuple[int, ...]]
    read: Callable[[int], Any]
    mapped: NDArray[np.uint8]


def _squares(path: Path, image_size: int | None) -> _Shard:
    """Open a shard of images that `prepare` cropped."""
    images: NDArray[np.uint8] = read_npy(path, "uint8", (None, image_size, image_size, 3))
    return _Shard(len(images), lambda row: images.shape[1:3], lambda row: images[row], images)


def _files(path: Path, background: str | None) -> _Shard:
    """Open a shard of image files; each is decoded when it is read."""
    index, content = _beside(path, "index", (None, 3)), np.memmap(path, np.uint8, "r")

    def read(row: int) -> Any:
        start = index[row - 1, 0] if row else 0
        return read_image(content[start : index[row, 0]].tobytes(), f"{path}: image {row}", background)

    return _Shard(len(index), lambda row: tuple(index[row, 1:].tolist()), read, content)


def _beside(images: Path, kind: str, shape: Shape) -> NDArray[np.int64]:
    """Read the index or the labels of a shard of images.

    A mapped file stays open, and a process may have about a thousand, fewer than twice the shards.
    """
    path = images.with_name(images.name.replace("images-", f"{kind}-")).with_suffix(".npy")
    return np.array(read_npy(path, "int64", shape))


class ImageShards:
    """Parts of a prepared dataset, read-only; images are read from disk on demand, by any number of threads.

    Its `labels` are (N,) int64, its `height` and `width` those of the images, its `class_names` None if it keeps none.

    Args:
        folder: The artifact of `prepare`.
        image_size: The side that prepared images must have, or to which stored files are cropped. None accepts any
            prepared images.
        checked: Which files to check, where other processes check the rest; see `read_manifest`.
        parts: Which of its parts, one after the other; parts that it lacks are empty.
        threads: How many images of a batch are decoded at once, where files are stored.

    Raises:
        UserError: The folder is no prepared dataset, it changed, its parts are empty, or its images have another side.
    """

    def __init__(
        self,
        folder: Path,
        image_size: int | None = None,
        checked: slice = EVERY,
        parts: Sequence[Part] = ("training",),
        threads: int = 1,
    ) -> None:
        manifest = read_manifest(folder, "prepare", checked=checked)
        prefixes = [f"{PREFIXES[part]}images-" for part in parts]
        paths = [folder / name for prefix in prefixes for name in sorted(manifest.files) if name.startswith(prefix)]
        if not paths:
            raise UserError(f"{folder}: holds no {'images' if 'training' in parts else 'held-out images'}")
        self._are_files = paths[0].suffix == ".bin"
        background = manifest.params["dataset"].get("background") if self._are_files else None
        self._shards = [_files(path, background) if self._are_files else _squares(path, image_size) for path in paths]
        self.height, self.width = (image_size, image_size) if image_size else self._shards[0].shape(0)
        self._becomes_grey = self._are_files and manifest.params["dataset"].get("channels") == 1
        self._threads = threads
        self.class_names: Names = manifest.facts.get(FACT)
        self.labels = np.concatenate([_beside(path, "labels", (None,)) for path in paths])
        self._starts = [0, *accumulate(shard.length for shard in self._shards)]

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, indices: NDArray[np.int64] | slice) -> NDArray[np.uint8]:
        """Return images (B, H, W, 3) uint8 at the indices (B,), or of a slice: as prepared, or stored files cropped."""
        if isinstance(indices, slice):
            indices = np.arange(len(self))[indices]
        return self._read((self.height, self.width), indices, repeat(None, len(indices)))

    def chunks(self, indices: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        """Yield the images (n, H, W, 3) uint8 at the indices (N,), in order; only n <= CHUNK are in memory."""
        for some in stretches(indices, CHUNK):
            yield self[some]
            for shard in {bisect_right(self._starts, index) - 1 for index in some}:
                release(self._shards[shard].mapped)

    def shapes(self, indices: NDArray[np.int64]) -> list[tuple[int, ...]]:
        """Return the heights and widths, in pixels, of what `cut` cuts crops from; no image is read."""
        return [shard.shape(row) for shard, row in map(self._find, indices)]

    def cut(self, indices: NDArray[np.int64], size: int, crops: Sequence[Crop]) -> NDArray[np.uint8]:
        """Return a crop (size, size, 3) of each image at the indices (B,), as (B, size, size, 3) uint8.

        They are cut from the source images where files are stored, else from the images as they were prepared.
        """
        return self._read((size, size), indices, crops)

    def _find(self, index: int) -> tuple[_Shard, int]:
        number = bisect_right(self._starts, index) - 1
        return self._shards[number], int(index) - self._starts[number]

    def _read(
        self, shape: tuple[int, int], indices: NDArray[np.int64], crops: Iterable[Crop | None]
    ) -> NDArray[np.uint8]:
        """Return images (B, *shape, 3), cropped as each of `crops` says; stored files without any to the middle."""

        def one(index: int, crop: Crop | None) -> NDArray[np.uint8]:
            shard, row = self._find(index)
            image: NDArray[np.uint8] = shard.read(row)
            if crop is not None:
                image = cut(image, shape[0], crop)
            elif self._are_files:
                image = centre_crop(image, shape[0])
            return as_grey(image) if self._becomes_grey else image

        if self._are_files and self._threads > 1:
            # Pillow releases the GIL while it decodes and resizes.
            with ThreadPoolExecutor(self._threads) as pool:
                images = list(pool.map(one, indices, crops))
        else:
            images = list(map(one, indices, crops))
        return np.stack(images) if images else np.empty((0, *shape, 3), np.uint8)

"""Images to score, from an npz or a folder: their number, their size, and the pixels in chunks."""

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.manifest import sha256
from adm.artifacts.reading import names_in_npz, open_array
from adm.artifacts.streaming import stretches
from adm.data.crops import centre_crop
from adm.data.decoding import read_image
from adm.data.listing import ENDINGS, class_names, names_of_images
from adm.errors import UserError

Pixels = NDArray[np.uint8]

WHITE = "white"
"""What transparent images of a folder are laid on if nothing is said."""


@dataclass(frozen=True, eq=False)
class Images:
    """Images of one size, uint8 RGB.

    Attributes:
        path: The npz or the folder.
        count: N, the number of images to use, at least 1.
        total: The number of images there, at least N.
        size: (H, W).
        chunks: Yields (n, H, W, 3) uint8 in order, with n the given number or fewer in the last chunk.
        digest: Computes once a hexadecimal sha256 of the npz, or of the folder's names and files, a background that is
            not white, and the side that they are scaled to.
    """

    path: Path
    count: int
    total: int
    size: tuple[int, int]
    chunks: Callable[[int], Iterator[Pixels]]
    digest: Callable[[], str]

    def describe(self) -> dict[str, Any]:
        """Return facts about the images for the record of a score; their parent folder, maybe private, is left out."""
        return {
            "name": self.path.name,
            "sha256": self.digest(),
            "num_images": self.count,
            "size": list(self.size),
        }


def is_network(path: Path) -> bool:
    """Whether a path holds weights: a file of them, or the folder of a checkpoint."""
    return (path.is_file() and path.suffix in (".safetensors", ".pt")) or (path / "ema.safetensors").exists()


def open_images(path: Path, limit: int | None = None, background: str = WHITE, side: int | None = None) -> Images:
    """Open the `arr_0` of an npz, or the images of a folder and the folders in it, in the order of their paths.

    Only the first `limit` are used, if it is given. Those of a folder are laid on the background where transparent, and
    with a `side` cropped to squares and scaled to it, as for training.

    Raises:
        UserError: There is no image, fewer than `limit`, or one that is unreadable, smaller than `side` or not of the
            first one's size.
    """
    if not path.exists():
        raise UserError(f"{path}: does not exist")
    if is_network(path):
        raise UserError(f"{path}: is a network, and images are wanted; `adm generate {path} -n 2000` makes some")
    if path.is_dir():
        return _open_folder(path, limit, background, side)
    if path.suffix != ".npz":
        raise UserError(f"{path}: is no npz and no folder of images")
    return open_npz(path, limit)


def open_npz(path: Path, limit: int | None = None) -> Images:
    """Open the images `arr_0` of an npz; see `open_images`."""
    array = open_array(path, "arr_0")
    array.require("uint8", (None, None, None, 3))
    if array.order == "F":
        raise UserError(f"{array.place}: is in Fortran order; store numpy.ascontiguousarray of it")
    count = _counted(array.place, array.shape, limit)
    return Images(
        path=path,
        count=count,
        total=array.shape[0],
        size=(array.shape[1], array.shape[2]),
        chunks=lambda length: array.rows(length, count),
        digest=cache(lambda: sha256(path)),
    )


def images_of(array: Pixels, name: str, limit: int | None = None) -> Images:
    """Take images in memory, (N, H, W, 3) uint8; `name` stands for their path in messages and records.

    Raises:
        UserError: The array is none of images, or has fewer than `limit`.
    """
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[-1] != 3:
        told = f"{name}: is {array.dtype} of shape {array.shape}, not uint8 of (images, height, width, 3)"
        raise UserError(told + ("; of grey images, repeat the channel" if array.shape[3:] in ((), (1,)) else ""))
    count = _counted(name, array.shape, limit)
    return Images(
        path=Path(name),
        count=count,
        total=len(array),
        size=(array.shape[1], array.shape[2]),
        chunks=lambda length: stretches(array[:count], length),
        digest=cache(lambda: hashlib.sha256(repr(array.shape).encode() + array.tobytes()).hexdigest()),
    )


def labels_of(images: Images) -> NDArray[np.int64] | None:
    """Read the class of each image of an npz, (N,); None where none are given.

    Raises:
        UserError: They are no integers, or not as many as the images.
    """
    if "arr_1" not in names_in_npz(images.path):
        return None
    array = open_array(images.path, "arr_1")
    if array.dtype.kind not in "iu":
        raise UserError(f"{array.place}: has dtype {array.dtype}, not integers")
    array.require(array.dtype.name, (images.total,))
    return array.read()[: images.count].astype(np.int64)


def _open_folder(folder: Path, limit: int | None, background: str, side: int | None) -> Images:
    names = _names(folder)
    if not names:
        raise UserError(f"{folder}: holds no image; accepted are files that end in {', '.join(ENDINGS)}")
    total = len(names)
    names = names[: _counted(str(folder), (total,), limit)]

    def seen(name: str) -> Pixels:
        pixels = read_image(folder / name, background=background)
        if side is not None and min(pixels.shape[:2]) < side:
            raise UserError(f"{folder / name}: is {pixels.shape[1]}x{pixels.shape[0]}, which size {side} would enlarge")
        return pixels if side is None else centre_crop(pixels, side)

    size = seen(names[0]).shape[:2]

    def read(name: str) -> Pixels:
        pixels = seen(name)
        if pixels.shape[:2] != size:
            sizes = [f"{width}x{height}" for height, width in (pixels.shape[:2], size)]
            told = f"{folder / name}: is {sizes[0]}, and those before it {sizes[1]}"
            raise UserError(f"{told}; one size is wanted, to which --size crops and scales them")
        return pixels

    def chunks(length: int) -> Iterator[Pixels]:
        # Pillow releases the GIL while it decodes, so threads are enough.
        with ThreadPoolExecutor() as pool:
            for start in range(0, len(names), length):
                yield np.stack([*pool.map(read, names[start : start + length])])

    changed = b"" if background == WHITE else background.encode()
    changed += b"" if side is None else b"\n%d" % side

    def line(name: str) -> bytes:
        return os.fsencode(name) + b"\n" + sha256(folder / name).encode() + b"\n"

    return Images(
        path=folder,
        count=len(names),
        total=total,
        size=(size[0], size[1]),
        chunks=chunks,
        digest=cache(lambda: hashlib.sha256(b"".join([*map(line, names), changed])).hexdigest()),
    )


def _names(folder: Path, within: str = "") -> list[str]:
    """Return the images of a folder and the folders in it, links to folders followed, in the order of their paths."""
    folders = class_names(folder)
    inner = (name for each in folders for name in _names(folder / each, f"{within}{each}/"))
    return sorted([*(f"{within}{name}" for name in names_of_images(folder) if name not in folders), *inner])


def _counted(place: str, shape: tuple[int, ...], limit: int | None) -> int:
    if 0 in shape:
        raise UserError(f"{place}: holds no image")
    if limit is not None and limit > shape[0]:
        raise UserError(f"{place}: holds {shape[0]} of the {limit} images asked for")
    return shape[0] if limit is None else limit

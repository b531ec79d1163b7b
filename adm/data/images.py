"""Images to score, of an npz or of a folder: how many there are, their size, and a stretch of them at a time."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.manifest import sha256
from adm.artifacts.reading import read_npz
from adm.artifacts.streaming import names_in_npz, stream_npz
from adm.data.sources.folders import ENDINGS, open_image
from adm.params.errors import UserError

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Images:
    """Images of one size, uint8 RGB.

    Attributes:
        path: Where they are.
        count: N, at least 1.
        total: How many there are, N or more.
        size: (H, W).
        labels: (N,) int64, or None where none are given.
        chunks: Yields (n, H, W, 3) uint8 in order, as many at a time as it is asked for.
        storage: How the pixels were stored, for the record: quantised to bytes, and perhaps compressed with loss.
        hashed: Computes `digest`.
    """

    path: Path
    count: int
    total: int
    size: tuple[int, int]
    labels: NDArray[np.int64] | None
    chunks: Callable[[int], Iterator[Pixels]]
    storage: str
    hashed: Callable[[], str]

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, H, W, 3)."""
        return (self.count, *self.size, 3)

    @cached_property
    def digest(self) -> str:
        """A sha256 of all of them, hexadecimal: of the npz, or of a folder's names and files."""
        return self.hashed()

    def describe(self) -> dict[str, Any]:
        """What is told of them beside a score; the folder they lie in is nobody's business."""
        return {
            "name": self.path.name,
            "sha256": self.digest,
            "num_images": self.count,
            "size": list(self.size),
            "storage": self.storage,
        }


def open_images(path: Path, limit: int | None = None) -> Images:
    """Open the `arr_0` of an npz, or the images of a folder and the folders in it, in the order of their paths.

    Args:
        path: An npz or a folder.
        limit: Take no more than the first so many; None takes all.

    Raises:
        UserError: There is no image, fewer than `limit`, or one that is not 8-bit RGB or not of the first one's size.
    """
    if path.is_dir():
        return _open_folder(path, limit)
    if not path.exists():
        raise UserError(f"{path}: does not exist")
    if path.suffix != ".npz":
        raise UserError(f"{path}: is no npz and no folder of images")
    return open_npz(path, limit)


def open_npz(path: Path, limit: int | None = None) -> Images:
    """Open the images `arr_0` of an npz, and its labels `arr_1` if it has them; see `open_images`."""
    array = stream_npz(path, "arr_0")
    place = f"{path}: arr_0"
    if array.dtype != np.uint8:
        raise UserError(f"{place}: has dtype {array.dtype}, not uint8; images are bytes from 0 to 255")
    if len(array.shape) != 4 or array.shape[-1] != 3 or 0 in array.shape[1:]:
        raise UserError(f"{place}: has shape {array.shape}, not (images, height, width, 3)")
    count = _counted(place, array.shape[0], limit)

    def chunks(length: int) -> Iterator[Pixels]:
        left = count
        for chunk in array.chunks(length):
            yield chunk[:left]
            left -= len(chunk)
            if left <= 0:
                return

    labels = _labels(path, array.shape[0])
    return Images(
        path=path,
        count=count,
        total=array.shape[0],
        size=(array.shape[1], array.shape[2]),
        labels=None if labels is None else labels[:count],
        chunks=chunks,
        storage="uint8 in npz",
        hashed=lambda: sha256(path),
    )


def _labels(path: Path, total: int) -> NDArray[np.int64] | None:
    if "arr_1" not in names_in_npz(path):
        return None
    found = stream_npz(path, "arr_1").dtype
    if found.kind not in "iu":
        raise UserError(f"{path}: arr_1: has dtype {found}, not integers")
    labels: NDArray[np.int64] = read_npz(path, {"arr_1": (found.name, (total,))})["arr_1"].astype(np.int64)
    return labels


def _open_folder(folder: Path, limit: int | None) -> Images:
    # A leading dot marks what systems leave beside images under the same ending.
    paths = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS and not path.name.startswith(".")
    )
    if not paths:
        raise UserError(f"{folder}: holds no image; accepted are files that end in {', '.join(ENDINGS)}")
    total = len(paths)
    paths = paths[: _counted(str(folder), total, limit)]
    size = _read_rgb(paths[0], None).shape[:2]

    def chunks(length: int) -> Iterator[Pixels]:
        # Pillow lets go of the interpreter's lock while it decodes, so threads are enough.
        with ThreadPoolExecutor() as pool:
            for start in range(0, len(paths), length):
                yield np.stack(list(pool.map(lambda path: _read_rgb(path, size), paths[start : start + length])))

    endings = Counter(path.suffix.lower().lstrip(".") for path in paths)
    return Images(
        path=folder,
        count=len(paths),
        total=total,
        size=(size[0], size[1]),
        labels=None,
        chunks=chunks,
        storage="uint8 in " + ", ".join(f"{ending} ({number})" for ending, number in sorted(endings.items())),
        hashed=lambda: _digest(folder, paths),
    )


def _read_rgb(path: Path, size: tuple[int, ...] | None) -> Pixels:
    """Read an image that must be RGB as it stands: dropping a channel or adding two is the user's to decide."""
    try:
        with open_image(path) as image:
            mode, pixels = image.mode, np.asarray(image)
    except Exception as error:  # damaged bytes make Pillow's decoders raise nearly anything
        raise UserError(f"{path}: is no readable image ({' '.join(str(error).split())[:120]})") from error
    if mode != "RGB":
        raise UserError(f"{path}: is of mode {mode}, not RGB; convert the images first")
    if size is not None and pixels.shape[:2] != size:
        found, wanted = (f"{height}x{width}" for height, width in (pixels.shape[:2], size[:2]))
        raise UserError(f"{path}: is {found}, but the images before it are {wanted}; they must be of one size")
    return pixels


def _counted(place: str, total: int, limit: int | None) -> int:
    if total == 0:
        raise UserError(f"{place}: holds no image")
    if limit is not None and limit > total:
        raise UserError(f"{place}: holds {total} images, fewer than the {limit} asked for")
    return total if limit is None else limit


def _digest(folder: Path, paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(folder).as_posix()}\n{sha256(path)}\n".encode())
    return digest.hexdigest()

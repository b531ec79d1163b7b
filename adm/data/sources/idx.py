"""IDX files, the format of MNIST, Fashion-MNIST and their kin."""

import gzip
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from adm.data.sources.source import Source
from adm.params.data import ROOTS, DatasetParams
from adm.params.errors import UserError

DEBIAN = "/usr/share/datasets/fashion-mnist"
"""Where Debian's package dataset-fashion-mnist puts its files."""

UNSIGNED_BYTE = 8
"""How an IDX file says that its elements are uint8, the only type that images and labels come in."""

LARGEST = 1 << 32
"""Bytes of an array, at most: a gzip file of some megabytes can hold far more, and no IDX dataset does."""

PIECE = 1 << 20
"""Bytes read at a time."""


def idx_files(dataset: DatasetParams) -> Source:
    """The training part of a dataset in IDX files, plain or gzipped; grey as RGB.

    Raises:
        UserError: A file is missing or malformed, or there are not as many labels as images.
    """
    root = Path(str(dataset.root))
    images_file, labels_file = _find(root, "train-images-idx3-ubyte"), _find(root, "train-labels-idx1-ubyte")
    images, labels = read_idx(images_file, 3), read_idx(labels_file, 1)
    if len(images) != len(labels):
        raise UserError(f"{labels_file}: holds {len(labels)} labels, but {images_file} holds {len(images)} images")

    def read(index: int) -> NDArray[np.uint8]:
        return np.repeat(images[index, ..., None], 3, axis=-1)

    return Source(str(root), labels.astype(np.int64), read)


def read_idx(path: Path, num_axes: int) -> NDArray[np.uint8]:
    """Read an IDX file of bytes, gzipped if its name ends in `.gz`.

    Memory is taken as bytes arrive, never on the word of the file's header.

    Args:
        path: The file.
        num_axes: How many axes its array must have.

    Raises:
        UserError: It cannot be read, has another magic number or number of axes, an axis is empty, or its content is
            shorter or longer than its axes say.
    """
    opener = cast(Callable[[Path], BinaryIO], gzip.open if path.suffix == ".gz" else Path.open)
    try:
        with opener(path, "rb") as file:  # type: ignore[call-arg]
            shape = _read_shape(path, file, num_axes)
            content = _read_content(path, file, math.prod(shape))
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read, truncated or damaged ({error})") from error
    return np.frombuffer(content, np.uint8).reshape(shape)


def _read_shape(path: Path, file: BinaryIO, num_axes: int) -> list[int]:
    magic, head = bytes([0, 0, UNSIGNED_BYTE, num_axes]), file.read(4 + 4 * num_axes)
    if head[:4] != magic:
        raise UserError(
            f"{path}: is no IDX file of bytes with {num_axes} axes: starts with {head[:4].hex() or 'nothing'}, "
            f"not {magic.hex()}"
        )
    if len(head) < 4 + 4 * num_axes:
        raise UserError(f"{path}: ends within its header")
    shape = [int(length) for length in np.frombuffer(head, ">u4", offset=4)]
    if not 0 < math.prod(shape) <= LARGEST:
        raise UserError(f"{path}: declares an array of shape {tuple(shape)}; accepted are 1 to {LARGEST} elements")
    return shape


def _read_content(path: Path, file: BinaryIO, length: int) -> bytearray:
    content = bytearray()
    while piece := file.read(min(PIECE, length + 1 - len(content))):
        content += piece
    if len(content) != length:
        found = f"{len(content)}" if len(content) < length else "more"
        raise UserError(f"{path}: declares {length} elements, but holds {found}")
    return content


def _find(root: Path, name: str) -> Path:
    for path in (root / name, root / f"{name}.gz"):
        if path.is_file():
            return path
    raise UserError(
        f"{root / name}[.gz]: does not exist; root must be {ROOTS['idx']}: install Debian's dataset-fashion-mnist and "
        f"give {DEBIAN}, or give a folder"
    )

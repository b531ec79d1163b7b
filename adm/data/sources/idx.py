"""Grey images in memory: IDX files, the format of MNIST and Fashion-MNIST, and the digits of scikit-learn."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adm.artifacts.reading import readable
from adm.config.data import ROOTS, ImageSource
from adm.data.sources.source import Source
from adm.errors import UserError

UNSIGNED_BYTE = 8
"""The code for uint8 in an IDX file, the only type of images and labels."""


def idx_files(dataset: ImageSource) -> Source:
    """Return the training part of a dataset in IDX files, plain or gzipped; grey images become RGB.

    Raises:
        UserError: A file is missing or malformed, or the numbers of labels and images differ.
    """
    root = Path(str(dataset.root))
    images_file, labels_file = _find(root, "train-images-idx3-ubyte"), _find(root, "train-labels-idx1-ubyte")
    images, labels = read_idx(images_file, 3), read_idx(labels_file, 1)
    if len(images) != len(labels):
        raise UserError(f"{labels_file}: holds {len(labels)} labels, but {images_file} holds {len(images)} images")
    return _grey(str(root), images, labels, dataset)


def digits(dataset: ImageSource) -> Source:
    """Open the handwritten digits of scikit-learn: 1,797 grey images of 8x8 pixels in 10 classes, as RGB.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI (1998), test part.
    """
    # Imported here: scikit-learn takes a second to import, and only this source needs it.
    from sklearn.datasets import load_digits  # noqa: PLC0415

    bundle: Any = load_digits()
    return _grey("source 'digits'", np.rint(bundle.images * (255 / 16)).astype(np.uint8), bundle.target, dataset)


def _grey(name: str, images: NDArray[np.uint8], labels: NDArray[Any], dataset: ImageSource) -> Source:
    def read(index: int) -> NDArray[np.uint8]:
        return np.repeat(images[index, ..., None], 3, axis=-1)

    return Source(name, labels.astype(np.int64), read, class_names=dataset.class_names)


def read_idx(path: Path, num_axes: int) -> NDArray[np.uint8]:
    """Read an IDX file of bytes, gzipped if its name ends in `.gz`.

    Raises:
        UserError: It cannot be read, has another magic number or number of axes, has an empty axis, or its content is
            shorter or longer than its header says.
    """
    with readable(path, "cannot be read, truncated or damaged"):
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    magic = bytes([0, 0, UNSIGNED_BYTE, num_axes])
    with readable(path, f"is no IDX file of bytes with {num_axes} axes"):
        if content[:4] != magic:
            raise ValueError(f"starts with {content[:4].hex() or 'nothing'}, not {magic.hex()}")
        shape = np.frombuffer(content, ">u4", num_axes, offset=4).astype(np.int64)
        return np.frombuffer(content, np.uint8, offset=4 + 4 * num_axes).reshape(shape)


def _find(root: Path, name: str) -> Path:
    for path in (root / name, root / f"{name}.gz"):
        if path.is_file():
            return path
    raise UserError(
        f"{root / name}[.gz]: does not exist; root must be {ROOTS['idx']}: install Debian's dataset-fashion-mnist and "
        "give /usr/share/datasets/fashion-mnist, or give a folder"
    )
